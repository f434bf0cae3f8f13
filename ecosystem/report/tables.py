"""Tables and texts as pages show them: some rows of a frame, facts in pairs, times."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
import pandas as pd

from ecosystem.core.words import shortened
from ecosystem.report.blocks import Cell, Row, Table

LISTED = 30  # rows of a table on a page


def table(
    id: str,
    frame: pd.DataFrame,
    caption: str,
    lift: bool = False,
    whole: bool = True,
    most: int = LISTED,
    stay: Collection[str] = (),
) -> Table:
    """A table's first rows; with ``lift``, without empty columns, and those in which all agree in the caption
    (but those that ``stay``).

    Rows that have a member, or a source and a target, can be pointed at. Where there are more rows than the page shows,
    all of them can be downloaded, unless they are not ``whole`` themselves.
    """
    shown = frame[[c for c in frame.columns if not lift or frame[c].empty or (frame[c].astype(str) != "").any()]]
    agreed = [
        c for c in shown.columns if lift and c not in stay and len(shown) > 1 and shown[c].astype(str).nunique() == 1
    ]
    if agreed:
        words = (f"{heading(column)} {text(shown[column].iloc[0])}" for column in agreed)
        caption = f"{caption} The same for all: {', '.join(words)}."
    shown = shown.drop(columns=agreed)
    if len(shown.columns) == 1 and agreed:  # nothing is left to tell the rows apart
        return Table(id, caption, [], [])
    numbers = [pd.api.types.is_numeric_dtype(shown[column]) for column in shown]
    rows = [
        Row([Cell(text(value), number=number) for value, number in zip(record.values(), numbers, strict=True)], about)
        for record, about in zip(shown.head(most).to_dict("records"), abouts(frame.head(most)), strict=True)
    ]
    more = max(0, len(shown) - most)
    return Table(id, caption, [heading(c) for c in shown], rows, more, frame if more and whole else None)


def abouts(frame: pd.DataFrame) -> list[dict[str, str]]:
    """What each row of a frame is about: a member, a flow, or nothing that a page could point at."""
    for keys in (["source", "target"], ["member"]):
        if set(keys) <= set(frame.columns):
            return [{key: str(row[key]) for key in keys} for row in frame[keys].to_dict("records")]
    return [{} for _ in range(len(frame))]


def pairs(id: str, caption: str, rows: Iterable[tuple[str, str]]) -> Table:
    """Facts, one a row."""
    return Table(id, caption, [], [Row([Cell(name), Cell(value)]) for name, value in rows], pairs=True)


def heading(column: object) -> str:
    """A column's name in words."""
    return str(column).replace("_", " ")


def text(value: Any) -> str:
    """A value as text: numbers with four digits, long descriptions shortened."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        return f"{value + 0.0:.4g}".replace("-", "−") if np.isfinite(value) else "–"
    return shortened(value, 240)


def duration(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 90:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
