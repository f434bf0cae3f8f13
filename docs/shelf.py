"""A directive ``{gallery}``: the scenarios that come along, as their own docstrings tell of them."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive

from ecosystem.cli.gallery import entries


class Gallery(Directive):
    """A definition a scenario: its question, then how long it takes and what it needs."""

    def run(self) -> list[nodes.Node]:
        return [nodes.definition_list("", *(self.entry(entry) for entry in entries()))]

    @staticmethod
    def entry(entry: Any) -> nodes.definition_list_item:
        told = f"{entry.time}; needs {entry.needs}" if entry.needs else entry.time
        words = [nodes.paragraph("", entry.question)]
        if told:
            words.append(nodes.paragraph("", "", nodes.emphasis("", f"Takes {told}.")))
        name = nodes.term("", "", nodes.literal("", entry.name))
        return nodes.definition_list_item("", name, nodes.definition("", *words))


def setup(app: Any) -> dict[str, bool]:
    app.add_directive("gallery", Gallery)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
