"""How well members' users like what their member trains on, part by part and round by round."""

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ecosystem.plots import quality
from ecosystem.report import look
from ecosystem.report.look import WIDE, Style

if TYPE_CHECKING:
    from ecosystem.running.run import Run

GREY = look.mix(look.REAL, "#000000", 0.25)
DASHES = {"real": "-", "raw": (0, (1, 1.2)), "curated": "-"}
WORDS = {"real": "real data", "raw": "raw output", "curated": "curated output"}


def judged(run: "Run") -> pd.DataFrame:
    """See :func:`ecosystem.plots.quality.judged`."""
    return quality.judged(run.sources, run.members, run.failures)


def sources(run: "Run", width: float = WIDE) -> Figure:
    """A small panel a member, a line a part: real data grey, output in the colour of the member that generated it."""
    table, narrow = judged(run), width < 6
    if table.empty:
        return look.note(width, "No member’s training set was judged part by part.")
    members = [name for name in look.names(run) if name in set(table["member"])]
    columns = min(len(members), 2 if narrow else 3)
    rows = -(-len(members) // columns)
    figure = look.canvas(width, rows * (1.7 if narrow else 1.9) + 0.5)
    grid = figure.subplots(rows, columns, squeeze=False)
    by_name = look.styles(run)
    for axes, name in zip(grid.flat, members, strict=False):
        look.tidy(axes, xlabel="round")
        axes.set_title(look.plain(name, 18 if narrow else 30), color=by_name[name].dark, fontsize=10, loc="left")
        look.whole_rounds(axes)
        _lines(axes, table[table["member"] == name], by_name)
        axes.locator_params(axis="y", nbins=4)
        axes.tick_params(labelsize=8 if narrow else 9)
    for axes in list(grid.flat)[len(members) :]:
        axes.set_visible(False)
    for axes in grid[:, 0]:
        axes.set_ylabel("mean reward", color=look.INK)
    seen = set(table["kind"])
    keys = [
        Line2D([], [], color=GREY if kind == "real" else look.INK, linestyle=dashes, linewidth=1.6, label=WORDS[kind])
        for kind, dashes in DASHES.items()
        if kind in seen
    ]
    look.key_below(figure, keys, 2 if narrow else 3)
    return figure


def _lines(axes: Axes, table: pd.DataFrame, by_name: dict[str, Style]) -> None:
    for (kind, source), rows in table.groupby(["kind", "source"]):  # type: ignore[misc]
        colour = by_name[source].colour if kind != "real" and source in by_name else GREY
        marker = "o" if len(rows) <= 12 else None
        line = {"linestyle": DASHES[kind], "linewidth": 1.6, "marker": marker, "markersize": 3}
        axes.plot(rows["round"], rows["reward"], color=colour, label=f"{kind} {look.plain(source)}", **line)
