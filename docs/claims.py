"""A directive ``{claims}``: what the literature claims beside what came out, from analysis/results/literature.csv."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from docutils import nodes
from docutils.parsers.rst import Directive

TABLE = Path(__file__).parent.parent / "analysis" / "results" / "literature.csv"
WIDTHS = {"claim": 55, "claimed": 15, "here": 18, "verdict": 12}


class Claims(Directive):
    """A table: a claim with its source and the command that plays it, the number, ours, and the verdict."""

    def run(self) -> list[nodes.Node]:
        self.state.document.settings.env.note_dependency(str(TABLE))
        group = nodes.tgroup("", *(nodes.colspec(colwidth=width) for width in WIDTHS.values()), cols=len(WIDTHS))
        head = nodes.row("", *(nodes.entry("", nodes.paragraph("", name)) for name in WIDTHS))
        rows = [
            self.row(row) for row in pd.read_csv(TABLE, dtype={"source": str}, keep_default_na=False).to_dict("records")
        ]
        group += [nodes.thead("", head), nodes.tbody("", *rows)]
        return [nodes.table("", group)]

    @staticmethod
    def row(row: dict[Any, Any]) -> nodes.row:
        """``[low, high]`` is given where there is an interval."""
        source, words = row["source"], f"{row['claim'][0].upper()}{row['claim'][1:]}"
        said_by: list[nodes.Node] = [nodes.Text(words)]
        if source:
            link = nodes.reference("", source, refuri=f"https://arxiv.org/abs/{source}")
            said_by = [nodes.Text(f"{words} ["), link, nodes.Text("]")]
        claim = [
            nodes.paragraph("", "", *said_by),
            nodes.paragraph("", "", nodes.literal("", row["command"])),
        ]
        here = said(row["ours"])
        if row["low"] < row["high"]:
            here += f" [{said(row['low'])}, {said(row['high'])}]"
        sense = "" if row["sense"] == "is" else f"{row['sense']} "
        verdict = nodes.paragraph("", "", (nodes.Text if row["verdict"] == "holds" else _strong)(row["verdict"]))
        cells = [claim, [_words(sense + said(row["claimed"]))], [_words(here)], [verdict]]
        return nodes.row("", *(nodes.entry("", *cell) for cell in cells))


def said(value: float) -> str:
    """Rounded to seven digits; what is nothing but rounding is 0."""
    return "0" if abs(value) < 1e-12 else f"{value:.7g}"


def _words(text: str) -> nodes.paragraph:
    return nodes.paragraph("", text)


def _strong(text: str) -> nodes.strong:
    return nodes.strong("", text)


def setup(app: Any) -> dict[str, bool]:
    app.add_directive("claims", Claims)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
