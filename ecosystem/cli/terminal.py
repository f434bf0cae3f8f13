"""Tables and texts on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from ecosystem.core.words import shown

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

SHOWN = 40  # rows of a table that go to the terminal


def console() -> Console:
    """The terminal; text that goes to a file or a pipe is given room, and names in it do nothing."""
    from rich.console import Console

    class Screen(Console):
        def print(self, *items: Any, **how: Any) -> None:
            super().print(*(shown(item) if isinstance(item, str) else item for item in items), **how)

    return Screen(width=None if sys.stdout.isatty() else 160)


def cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def say(text: object, **how: Any) -> None:
    """A line of text, whatever names are in it; ``how`` is Typer's."""
    typer.secho(shown(text), **how)


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A table of texts; of a long one the first and the last rows."""
    from rich.table import Table
    from rich.text import Text

    header, title = [shown(name, one_line=True) for name in header], shown(title, one_line=True)
    table = Table(*header, title=Text(title), title_justify="left", caption_justify="left")
    if len(rows) > SHOWN:
        table.caption = f"{SHOWN} of {len(rows):,} rows: the first and the last"
        rows = [*rows[: SHOWN // 2], ["…"] * len(header), *rows[-SHOWN // 2 :]]
    for row in rows:
        table.add_row(*(Text(shown(cell, one_line=True)) for cell in row))
    return table
