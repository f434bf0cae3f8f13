"""Figures of networks with more members than can be told apart: distributions in place of names.

`ecosystem.report.plots` and `ecosystem.report.drawing` turn to these by themselves above `look.MANY` members.
"""

from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ecosystem.plots import training
from ecosystem.plots.spreads import QUANTILES, over_members
from ecosystem.report import look
from ecosystem.running.verdicts import outcomes

if TYPE_CHECKING:
    from ecosystem.running.run import Run

DRAWN = 300  # members up to which the web itself is drawn
DOTS = {"gained": "#2a9d8f", "rose": "#2a9d8f", "lost": "#c77d1a", "fell": "#c77d1a"}
OTHER = "#7b8794"


def coupling(run: "Run", width: float) -> Figure:
    """How many sources and readers members have; up to 300 members also the web itself, without names."""
    graph = nx.DiGraph()
    graph.add_nodes_from(look.names(run))
    graph.add_edges_from(zip(run.flows["source"].astype(str), run.flows["target"].astype(str), strict=True))
    narrow = width < 6
    if len(graph) > DRAWN:
        figure = look.canvas(width, 3.0)
        _degrees(figure.subplots(), graph)
        return figure
    figure = look.canvas(width, 6.4 if narrow else 4.2)
    if narrow:
        web, degrees = figure.subplots(2, 1, height_ratios=(1.6, 1))
    else:
        web, degrees = figure.subplots(1, 2, width_ratios=(1.2, 1))
    _web(web, graph, run)
    _degrees(degrees, graph)
    return figure


def _web(axes: Axes, graph: nx.DiGraph, run: "Run") -> None:
    """Members as dots (larger: more readers) and flows as hairlines."""
    places = nx.spring_layout(graph, seed=0, k=1.6 / np.sqrt(len(graph)))
    for source, target in graph.edges:
        (x, y), (u, v) = places[source], places[target]
        axes.plot([x, u], [y, v], color="#9aa5b1", linewidth=0.35, alpha=0.5, zorder=1)
    kinds = outcomes(run).set_index("member")["kind"]
    where = np.array([places[name] for name in graph])
    readers = np.array([graph.out_degree(name) for name in graph], dtype=float)
    colours = [DOTS.get(str(kinds[name]), OTHER) for name in graph]
    sizes = 10 + 80 * readers / max(readers.max(), 1)
    axes.scatter(where[:, 0], where[:, 1], s=sizes, c=colours, linewidths=0.4, edgecolors="white", zorder=2)
    axes.set_aspect("equal")
    axes.axis("off")
    keys = [
        Line2D(
            [],
            [],
            marker="o",
            color="none",
            markeredgecolor="none",
            markerfacecolor=colour,
            ms=7,
            label=words,
        )
        for colour, words in ((DOTS["gained"], "gained"), (DOTS["lost"], "lost"), (OTHER, "other"))
    ]
    axes.legend(
        handles=keys,
        loc="upper center",
        bbox_to_anchor=(0.5, 0.02),
        ncols=3,
        fontsize=9,
        frameon=False,
        labelcolor=look.INK,
    )


def _degrees(axes: Axes, graph: nx.DiGraph) -> None:
    """What share of members has at least so many sources, or readers."""
    look.tidy(axes, xlabel="number of sources or readers (at least)", ylabel="share of members")
    for degrees, words, colour, dashes in (
        (dict(graph.in_degree()), "sources it learns from", look.COLOURS[0], "-"),
        (dict(graph.out_degree()), "readers that learn from it", look.COLOURS[1], "--"),
    ):
        counts = np.sort(list(degrees.values()))
        values = np.unique(counts)
        share = 1 - np.searchsorted(counts, values, side="left") / len(counts)
        axes.plot(
            values,
            share,
            color=colour,
            linestyle=dashes,
            marker="o",
            markersize=3,
            linewidth=1.6,
            label=words,
        )
    axes.set_xscale("symlog", linthresh=1)
    axes.set_yscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_major_formatter(lambda value, _: look.percent(value))
    axes.legend(fontsize=9, frameon=False, labelcolor=look.INK)


def quantiles(axes: Axes, table: pd.DataFrame) -> None:
    """The middle 90 % and 50 % of members, and their median, from columns member, round, middle."""
    found = over_members(table).set_index("round")
    low, quarter, half, upper, high = (found[name] for name in QUANTILES)
    colour, marker = look.COLOURS[0], "o" if len(half) <= 12 else None
    axes.fill_between(low.index, low, high, color=colour, alpha=0.15, linewidth=0, label="middle 90 % of members")
    axes.fill_between(low.index, quarter, upper, color=colour, alpha=0.3, linewidth=0, label="middle half")
    axes.plot(half.index, half, color=colour, linewidth=1.8, marker=marker, markersize=3.5, label="median member")


def below(figure: Figure, narrow: bool) -> None:
    """One legend below all panels, from what the first of them shows."""
    handles, labels = figure.axes[0].get_legend_handles_labels()
    look.key_below(figure, handles, 2 if narrow else 3, labels)


def diets(run: "Run", width: float) -> Figure:
    """Every member a thin column, sorted by how much of its diet is curated, then by how much is raw."""
    table = training.totals(run.members, run.flows)
    narrow = width < 6
    figure = look.canvas(width, 3.2)
    axes = look.tidy(
        figure.subplots(), xlabel="members, sorted by their curated share", ylabel="share of the training set"
    )
    parts = [np.repeat(table[kind].to_numpy(float), 2) for kind in ("curated", "raw", "real")]
    edges = np.repeat(np.arange(len(table) + 1), 2)[1:-1]
    axes.stackplot(
        edges,
        *parts,
        colors=[look.mix(look.CURATED, "#ffffff", 0.15), look.mix(look.RAW, "#ffffff", 0.5), look.REAL],
        labels=["curated (chosen)", "raw (as generated)", "real data"],
        linewidth=0,
    )
    axes.set(ylim=(0, 1), xlim=(0, len(table)))
    axes.set_yticks([0, 0.5, 1], ["0", "50 %", "100 %"])
    below(figure, narrow)
    return figure
