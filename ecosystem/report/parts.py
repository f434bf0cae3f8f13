"""What pages are put together from: templates, figures in two widths, tables as text."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ecosystem.core import storage
from ecosystem.core.words import shown
from ecosystem.report import look
from ecosystem.report.canvas import own_style

LISTED = 30  # rows of a table on the page; all of them are in the saved tables


def template(name: str) -> jinja2.Template:
    """A template in which everything that comes from a run is escaped."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.get_template(name)


def figure(
    subject: Any,
    name: str,
    title: str,
    draw: Callable[..., Figure],
    words: tuple[str, str],
    pixels: bool = False,
) -> dict[str, str]:
    """One figure of a subject, drawn for a desk and for a phone."""
    with own_style():
        wide, narrow = (look.data_uri(draw(subject, width), pixels) for width in (look.WIDE, look.NARROW))
    return {"id": name, "title": title, "wide": wide, "narrow": narrow, "caption": words[0], "alt": words[1]}


def paragraphs(text: str) -> list[str]:
    """A docstring's paragraphs; lines are joined unless they are indented or form a list."""
    blocks = [block for block in re.split(r"\n\s*\n", inspect.cleandoc(text)) if block.strip()]
    laid_out = re.compile(r"^(\s|[-*•]|\d+[.)])", re.MULTILINE)
    return [block if laid_out.search(block) else " ".join(block.split()) for block in blocks]


def listed(table: pd.DataFrame, caption: str = "", lift: bool = False) -> dict[str, Any]:
    """A table's first rows as text; with `lift`, without empty columns, and those in which all agree in the caption."""
    table = table[[c for c in table.columns if not lift or table[c].empty or (table[c].astype(str) != "").any()]]
    agreed = [c for c in table.columns if lift and len(table) > 1 and table[c].astype(str).nunique() == 1]
    if agreed:
        words = (f"{heading(column)} {cell(table[column].iloc[0])}" for column in agreed)
        caption = f"{caption} The same for all: {', '.join(words)}."
    table = table.drop(columns=agreed)
    if len(table.columns) == 1 and agreed:  # nothing is left to tell the rows apart
        return {"caption": caption, "columns": [], "rows": [], "more": 0}
    rows = [[cell(value) for value in row] for row in table.head(LISTED).itertuples(index=False)]
    columns = [heading(column) for column in table.columns]
    return {"caption": caption, "columns": columns, "rows": rows, "more": max(0, len(table) - LISTED)}


def heading(column: object) -> str:
    """A column's name in words."""
    return str(column).replace("_", " ")


def cell(value: Any) -> str:
    """A value as text: numbers with four digits, long descriptions shortened."""
    if isinstance(value, float | np.floating):
        return f"{value:.4g}" if np.isfinite(value) else "–"
    return look.shortened(value, 240)


def written(path: str | Path, page: str) -> Path:
    """Write a page, whole or not at all, and never through a link that lies in its place; returns the path."""
    path = storage.named(path)
    storage.write(path, shown(page).encode(), "the report could not be written; make room, or choose another file")
    return path
