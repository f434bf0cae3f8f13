"""Figures of a run: members over rounds, and what each trains on. A function takes a run, returns a Figure.

`alignment` and `change` follow members over rounds, `diets` shows what they learn from. Figures with modules of their
own are re-exported here, so that `plots.coupling(run)` works as well: the network (`ecosystem.report.drawing`), what
members generate (`images`, `pictures`), what users choose (`choices`) and how good training data are (`sources`).
"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.transforms import ScaledTranslation

from ecosystem.plots import spreads, training
from ecosystem.report import crowds, look
from ecosystem.report.choices import choices
from ecosystem.report.drawing import coupling
from ecosystem.report.images import images
from ecosystem.report.look import MANY, WIDE, Style
from ecosystem.report.pictures import clouds, symbols
from ecosystem.report.sources import sources
from ecosystem.running.verdicts import finished, replicates

if TYPE_CHECKING:
    from ecosystem.running.run import Run

__all__ = ["alignment", "change", "choices", "clouds", "coupling", "diets", "images", "measured", "sources", "symbols"]


def alignment(run: "Run", width: float = WIDE) -> Figure:
    """Expected reward of each member's own output: mean over replicates, band as `band_words` says.

    Rewards of different kinds have different units, so members of one reward share a panel (up to six
    panels).
    """
    table = spread(run, "alignment", "mean")
    if table.empty:
        return look.note(width, "No member has users with a recorded taste.")
    return _lines(run, table, width, "alignment (mean reward)", spreads.by_reward(run.members, set(table["member"])))


def change(run: "Run", width: float = WIDE) -> Figure:
    """Relative parameter change ‖Δθ‖/‖θ‖ of each member, logarithmic: median over replicates, and band."""
    table = spread(run, "change", "median", positive=True)
    if table.empty:
        return look.note(width, "No parameter change was recorded.")
    figure = _lines(
        run, table, width, "relative change per round", {"": sorted(set(table["member"]))}, logarithmic=True
    )
    return figure


def measured(run: "Run", width: float = WIDE, column: str = "") -> Figure:
    """A measure's column of `rounds` for each member: mean over replicates, band as `band_words` says."""
    table = spread(run, column, "mean")
    return _lines(run, table, width, column.replace("_", " "), {"": sorted(set(table["member"]))})


def measures(run: "Run") -> list[str]:
    """The columns of `rounds` that measures of the record have added, and that have numbers."""
    known = {"seed", "replicate", "round", "member", "updated", "alignment", "change", "loss"}
    more = [column for column in run.rounds if column not in known]
    return [column for column in more if np.isfinite(finished(run)[column].astype(float)).any()]


def band_words(run: "Run") -> str:
    """What the band around a line is, in words for a caption; empty with one replicate."""
    if len(run.members) > MANY:
        return "the dark band holds the middle half of the members, the light band the middle 90 %"
    return spreads.band_words(replicates(run))


def spread(run: "Run", column: str, middle: str, positive: bool = False) -> pd.DataFrame:
    """A column of `rounds` over replicates, as member, round, middle (mean or median), low, high.

    Replicates that diverged are left out as in the verdicts; of very long runs, evenly spaced rounds are
    kept.
    """
    return spreads.spread(run.rounds, column, middle, run.failures, positive)


def _lines(
    run: "Run",
    table: pd.DataFrame,
    width: float,
    ylabel: str,
    panels: dict[str, list[str]],
    logarithmic: bool = False,
) -> Figure:
    """One panel a group of members; a line and a band each, or quantiles over members where they are many."""
    narrow = width < 6
    columns = 1 if narrow or len(panels) == 1 else 2
    rows = -(-len(panels) // columns)
    crowd, many = max(map(len, panels.values())), len(run.members) > MANY
    tall = 3.1 if many else max(2.3 if len(panels) > 1 else 2.8 if narrow else 3.2, 0.16 * crowd + 0.6)
    figure = look.canvas(width, rows * tall + 0.3)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True)
    by_name = look.styles(run)
    for axes, (title, members) in zip(grid.flat, panels.items(), strict=False):
        shown = table[table["member"].isin(members)]
        heading = look.plain(title, 34)
        look.tidy(axes, title=f"taste: {heading}" if len(panels) > 1 else "")
        look.whole_rounds(axes)
        if logarithmic:
            axes.set_yscale("log")
        if many:
            crowds.quantiles(axes, shown)
        else:
            for name in members:
                _line(axes, shown[shown["member"] == name], by_name[name], name, replicates(run) > 1)
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("round", color=look.INK)
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_visible(False)
    for axes in grid[:, 0]:
        axes.set_ylabel(ylabel, color=look.INK)
    if many:
        crowds.below(figure, narrow)
    else:
        look.settle(figure)
        for axes, members in zip(grid.flat, panels.values(), strict=False):
            _name_lines(axes, table[table["member"].isin(members)], by_name, narrow)
    return figure


def _line(axes: Axes, rows: pd.DataFrame, style: Style, name: str, band: bool) -> None:
    """One member: its line, dots where rounds are few, and a band if there is more than one replicate."""
    few = len(rows) <= 12
    axes.plot(
        rows["round"],
        rows["middle"],
        color=style.colour,
        linestyle=style.dashes,
        linewidth=1.8,
        marker="o" if few else None,
        markersize=3.5,
        label=look.plain(name),
    )
    if band:
        axes.fill_between(rows["round"], rows["low"], rows["high"], color=style.colour, alpha=0.16, linewidth=0)


def _name_lines(axes: Axes, table: pd.DataFrame, by_name: dict[str, Style], narrow: bool) -> None:
    """Write each member's name beside the end of its line, moved apart where ends come close."""
    ends = table.sort_values("round").groupby("member").tail(1)
    if ends.empty:
        return
    members = ends["member"].astype(str).tolist()
    look.name_ends(axes, members, ends[["round", "middle"]].to_numpy(float), [by_name[m] for m in members], narrow)


def diets(run: "Run", width: float = WIDE) -> Figure:
    """What each member's training set is made of in the first round: real data, raw and curated output."""
    if len(run.members) > MANY:
        return crowds.diets(run, width)
    members, narrow = look.names(run), width < 6
    figure = look.canvas(width, 0.36 * len(members) + (1.35 if narrow else 1.05))
    axes = look.tidy(figure.subplots(), xlabel="share of the training set")
    axes.set_xlim(0, 1)
    axes.set_ylim(len(members) - 0.4, -0.6)
    axes.set_yticks(range(len(members)), [look.plain(name, 12 if narrow else 24) for name in members])
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    axes.grid(False)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, colors=look.INK, pad=17)
    by_name = look.styles(run)
    beside = axes.transData + ScaledTranslation(-9 / 72, 0, figure.dpi_scale_trans)
    for row, name in enumerate(members):
        axes.plot(0, row, "o", color=by_name[name].colour, markersize=6, clip_on=False, transform=beside)
        _diet(axes, row, diet(run, name), by_name, 11 * width - 18)
    keys = [
        Patch(facecolor=look.REAL, label="real data"),
        Patch(facecolor=look.mix(look.RAW, "#ffffff", 0.6), label="raw (as generated)"),
        Patch(facecolor=look.RAW, edgecolor="white", hatch="////", label="curated (chosen)"),
    ]
    look.key_below(figure, keys, 2 if narrow else 3)
    return figure


def diet(run: "Run", member: str) -> list[tuple[str, str, float]]:
    """The parts of one member's training set in the first round, (kind, source, share): real, raw, then curated."""
    table = training.parts(run.members, run.flows)
    rows = table.loc[table["member"] == member, ["kind", "source", "share"]].itertuples(index=False, name=None)
    return [(str(kind), str(source), float(share)) for kind, source, share in rows]


def _diet(axes: Axes, row: int, parts: list[tuple[str, str, float]], by_name: dict[str, Style], letters: float) -> None:
    """One stacked bar; a part says source and share if they fit (`letters` fit into the whole bar)."""
    left = 0.0
    for kind, source, share in parts:
        colour = by_name[source].colour if source in by_name else look.REAL
        face = look.mix(colour, "#ffffff", 0.6) if kind == "raw" else colour
        hatch = "////" if kind == "curated" else None
        axes.barh(row, share, left=left, height=0.62, color=face, edgecolor="white", linewidth=0.8, hatch=hatch)
        words = [f"{look.plain(source or 'real', 16)} {look.percent(share)}", look.percent(share)]
        fitting = next((text for text in words if len(text) + 1 < share * letters), "")
        box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.88}
        axes.text(
            left + share / 2,
            row,
            fitting,
            ha="center",
            va="center",
            fontsize=8.5,
            color=look.INK,
            bbox=box if fitting and kind == "curated" else None,
        )
        left += share
