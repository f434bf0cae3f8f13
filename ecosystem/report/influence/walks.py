"""Influence hop by hop: walks of each length from source to target, and how their sum approaches the whole."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from ecosystem.core.words import number
from ecosystem.influence.sentences import strongest
from ecosystem.report import look
from ecosystem.report.influence.matrix import HARM, HELP
from ecosystem.report.look import WIDE

if TYPE_CHECKING:
    from ecosystem.influence.findings import Findings

PANELS = 6  # pairs that are shown


def pairs(findings: "Findings") -> list[tuple[str, str, float]]:
    """Source, target and whole influence of the pairs that are shown: the strongest."""
    followed = pd.MultiIndex.from_frame(findings.hops[["source", "target"]].drop_duplicates())
    table = findings.influence[findings.influence["effect"].abs() > 0]
    known = pd.MultiIndex.from_frame(table[["source", "target"]]).isin(followed)
    ranked = strongest(table[known]).head(PANELS)
    return [(str(row.source), str(row.target), float(row.effect)) for row in ranked.itertuples()]


def hops(findings: "Findings", width: float = WIDE) -> Figure:
    """Bars: what walks of each length bring; line: their sum; dashes: the whole influence."""
    shown = pairs(findings)
    if not shown:
        return look.note(width, "No influence travels here.")
    narrow = width < 6
    columns = 1 if narrow or len(shown) == 1 else 2 if len(shown) in (2, 4) else 3
    rows = -(-len(shown) // columns)
    figure = look.canvas(width, rows * 1.9 + 0.55)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True)
    table = findings.hops
    for axes, (source, target, whole) in zip(grid.flat, shown, strict=False):
        rows_of_pair = table[(table["source"] == source) & (table["target"] == target)].sort_values("hop")
        _pair(axes, rows_of_pair, whole, _title(source, target, narrow))
    for axes in list(grid.flat)[len(shown) :]:
        axes.set_visible(False)
    for place, axes in enumerate(grid.flat):
        last = place + columns >= len(shown)
        axes.tick_params(labelbottom=last)
        axes.set_xlabel("hops" if last else "", color=look.INK)
    for axes in grid[:, 0]:
        axes.set_ylabel("effect", color=look.INK)
    _legend(figure, narrow)
    return figure


def _title(source: str, target: str, narrow: bool) -> str:
    """A pair as a heading; curation of the first, alignment of the second."""
    most = 13 if narrow else 10
    if source == target:
        return f"{look.plain(source, most + 5)} → itself"
    return f"{look.plain(source, most)} → {look.plain(target, most)}"


def _pair(axes: Axes, table: pd.DataFrame, whole: float, title: str) -> None:
    """One pair: a bar a hop, the sum so far, and what it goes to."""
    look.tidy(axes, title=title)
    hop, effect = table["hop"].to_numpy(int), table["effect"].to_numpy(float)
    axes.bar(hop, effect, width=0.62, color=np.where(effect > 0, HELP, HARM), alpha=0.75, linewidth=0)
    axes.plot(hop, table["cumulative"], color=look.INK, linewidth=1.3, marker="o", markersize=3)
    axes.axhline(0, color=look.SOFT, linewidth=0.7)
    axes.axhline(whole, color=look.INK, linewidth=1, linestyle=(0, (4, 3)))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", "−"))
    axes.set_title(number(whole, sign=True), loc="right", fontsize=9, color=look.SOFT)


def _legend(figure: Figure, narrow: bool) -> None:
    """What bars, line and dashes are."""
    handles = [
        Patch(facecolor=HELP, alpha=0.75, label="helps"),
        Patch(facecolor=HARM, alpha=0.75, label="harms"),
        Line2D([], [], color=look.INK, linewidth=1.3, marker="o", markersize=3, label="sum so far"),
        Line2D([], [], color=look.INK, linewidth=1, linestyle=(0, (4, 3)), label="whole influence"),
    ]
    look.key_below(figure, handles, 2 if narrow else 4)
