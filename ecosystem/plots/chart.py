"""What every chart is: an Altair chart with a text alternative, whose pages open without a network."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import IO, Any

import altair as alt
import pandas as pd

from ecosystem.core.storage import named
from ecosystem.core.words import listed

ROWS = 5000  # of one chart's data at most: what Altair embeds without a question
ROW = 36  # letters of a row's name


class NothingToDraw(ValueError):
    """A table lacks what a chart is made of; the message says what, and how to get it."""


def needs(chart: str, table: str, frame: pd.DataFrame, columns: Sequence[str], mend: str = "") -> pd.DataFrame:
    """The table, if it has these columns and rows; its name and the chart's are for the error.

    Raises
    ------
    NothingToDraw
        If a column is missing, or there are no rows.
    """
    if missing := [column for column in columns if column not in frame]:
        there = f"there are {listed(frame.columns)}" if len(frame.columns) else "it has none"
        raise NothingToDraw(f"plots.{chart}: the table {table} has no column {missing[0]!r}; {there}")
    if frame.empty:
        raise NothingToDraw(f"plots.{chart}: the table {table} is empty{f'; {mend}' if mend else ''}")
    return frame


def embedded(chart: str, frame: pd.DataFrame) -> pd.DataFrame:
    """The data of a chart, which are few enough for a page; a chart that has more has not been aggregated."""
    if len(frame) > ROWS:
        raise NothingToDraw(
            f"plots.{chart}: {len(frame):,} rows are more than the {ROWS:,} that a chart holds; give fewer"
        )
    return frame.reset_index(drop=True)


class Offline:
    """A chart whose ``.html`` holds all that it needs: ``save(..., inline=False)`` asks the network for it."""

    def save(self, fp: str | PathLike[str] | IO[Any], format: Any = None, **more: Any) -> None:
        """Write the chart as ``svg``, ``png``, ``pdf``, ``html`` or ``json``; options are those of Altair."""
        if (format or str(fp).rpartition(".")[2].lower()) == "html":
            more.setdefault("inline", True)
        super().save(named(fp) if isinstance(fp, str | PathLike) else fp, format=format, **more)  # type: ignore[misc]

    def __add__(self, other: Any) -> Any:
        return offline(super().__add__(other))  # type: ignore[misc]

    def __or__(self, other: Any) -> Any:
        return offline(super().__or__(other))  # type: ignore[misc]

    def __and__(self, other: Any) -> Any:
        return offline(super().__and__(other))  # type: ignore[misc]


_KINDS = (alt.Chart, alt.LayerChart, alt.HConcatChart, alt.VConcatChart, alt.ConcatChart, alt.FacetChart)
_OFFLINE: dict[type, type] = {kind: type(kind.__name__, (Offline, kind), {}) for kind in _KINDS}


def offline(chart: Any) -> Any:
    """The same chart as one that is :class:`Offline`, and all that is put together from it with ``+``, ``|``, ``&``."""
    object.__setattr__(chart, "__class__", _OFFLINE.get(type(chart), type(chart)))  # Altair's own keeps what is set
    return chart


def panels(drawn: Any, field: str, order: Sequence[str], columns: int, header: str = "") -> Any:
    """A panel for each value of a field, in this order, with axes of its own; ``header`` is what stands above it."""
    above: dict[str, Any] = {"header": alt.Header(labelExpr=header)} if header else {}
    spec = drawn.facet(alt.Facet(f"{field}:N", title=None, sort=list(order), **above), columns=columns)
    spec = spec.resolve_scale(y="independent").resolve_axis(x="independent", y="independent")
    return spec.properties(bounds="flush", spacing={"row": 72, "column": 64})


def shortly(most: int = 40) -> str:
    """An expression that shortens what stands above a panel, in its middle: its end often tells names apart."""
    label, tail = "datum.label", (most - 1) // 3
    return f"length({label}) > {most} ? slice({label}, 0, {most - 1 - tail}) + '…' + slice({label}, -{tail}) : {label}"


def rows_of(field: str, order: Sequence[str], **axis: Any) -> Any:
    """A row for each name, in this order; long names are shortened in their middle."""
    look = alt.Axis(labelExpr=shortly(ROW), labelLimit=230, **axis)
    return alt.Y(f"{field}:N", sort=list(order), title=None, axis=look)


def finish(chart: Any, title: str, description: str, subtitle: str | Sequence[str] = "") -> Any:
    """A chart with its title, what its marks mean, and in words what it shows: with the numbers that matter."""
    lines = [subtitle] if isinstance(subtitle, str) else list(subtitle)
    heading = alt.TitleParams(title, subtitle=[line for line in lines if line])
    return offline(chart.properties(title=heading, description=description))
