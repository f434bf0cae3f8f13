"""``ecosystem gallery``: the scenarios that come along, and a copy of one to begin with."""

from __future__ import annotations

import ast
import inspect
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from ecosystem.cli.errors import errors
from ecosystem.cli.given import Debug
from ecosystem.cli.terminal import console, say, table
from ecosystem.core.arguments import meant_among

program = typer.Typer(help="List the scenarios that come along, or copy one.", invoke_without_command=True)


@dataclass(frozen=True)
class Entry:
    """A scenario of the gallery, as its docstring tells of it: nothing is run.

    The first paragraph is its ``question``; the last line that begins with ``Takes`` says ``time`` and ``needs``.
    """

    file: Path
    question: str
    time: str
    needs: str

    @classmethod
    def read(cls, file: Path) -> Entry:
        """What the docstring of a scenario file says."""
        words = inspect.cleandoc(ast.get_docstring(ast.parse(file.read_bytes())) or "")
        told = re.findall(r"^Takes (.+?)(?:; needs (.+?))?\.$", words, re.MULTILINE)
        time, needs = told[-1] if told else ("", "")
        return cls(file, " ".join(words.split("\n\n")[0].split()), time, needs)

    @property
    def name(self) -> str:
        return self.file.stem

    def files(self) -> Iterator[Path]:
        """The file, and the data that it names, by their places in the gallery; with data what is said of them."""
        yield self.file
        data = self.file.parent / "data"
        said = {node.value for node in ast.walk(ast.parse(self.file.read_bytes())) if isinstance(node, ast.Constant)}
        named = [file for file in sorted(data.glob("*")) if file.name in said]
        yield from [*named, data / "README.md"] if named else ()


def folder() -> Path:
    """Where the gallery lies: in an installed package within it, in a checkout beside it."""
    package = Path(str(resources.files("ecosystem")))
    inside = package / "gallery"
    return inside if inside.is_dir() else package.parent / "scenarios"


def entries() -> list[Entry]:
    """The scenarios of the gallery, by name."""
    found = [Entry.read(file) for file in sorted(folder().glob("*.py"))]
    if not found:
        raise FileNotFoundError(f"there is no gallery in {folder()}; install the package again: pip install mesacosm")
    return found


@program.callback()
def gallery(context: typer.Context, debug: Debug = False) -> None:
    """List the scenarios that come along: what each asks, how long it takes, what it needs."""
    if context.invoked_subcommand is not None:
        return
    with errors(debug):
        rows = [(entry.name, entry.question, entry.time, entry.needs) for entry in entries()]
        console().print(table("gallery", ("name", "question", "time", "needs"), rows))
        say("`ecosystem gallery copy NAME` copies one here, to run and to change")


@program.command()
def copy(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of a scenario in the gallery.")],
    to: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Where to; else here.")] = Path(),
    debug: Debug = False,
) -> None:
    """Copy a scenario of the gallery, and the data that it needs; nothing is overwritten."""
    with errors(debug):
        from ecosystem.core.storage import named

        known = {entry.name: entry for entry in entries()}
        if name.removesuffix(".py") not in known:
            near = meant_among(name.removesuffix(".py"), known, f"there are {', '.join(known)}")
            raise ValueError(f"there is no {name!r} in the gallery{near}")
        entry, to = known[name.removesuffix(".py")], named(to)
        copies = {file: to / file.relative_to(entry.file.parent) for file in entry.files()}
        for file, place in copies.items():
            if os.path.lexists(place) and (file == entry.file or place.read_bytes() != file.read_bytes()):
                raise FileExistsError(f"{place} exists and is not overwritten; copy to another folder")
        for file, place in copies.items():
            if not place.exists():  # else it is the same data
                place.parent.mkdir(parents=True, exist_ok=True)
                with place.open("xb") as new:
                    new.write(file.read_bytes())
            say(f"copied to {place}")
        say(f"run it: ecosystem run {shlex.quote(str(copies[entry.file]))}")
