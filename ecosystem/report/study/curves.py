"""Curves over one parameter: a line a name with its interval, its base faint below it; dots for categories."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ecosystem.report import crowds, look
from ecosystem.report.look import WIDE, Style
from ecosystem.report.study.dots import dots
from ecosystem.report.study.quantity import FAILED, NAMED, PANELS, Plot, key_below
from ecosystem.study.outcomes.sweep import Parameter

SLICES = 5  # curves in one panel, where another parameter has too many values for a curve each
EACH = 6  # values that still get a curve each
SHADES = LinearSegmentedColormap.from_list("cuts", ["#7fc8d6", "#3f97bd", "#2b68a3", "#2c3a80", "#2a114f"])


def along(plot: Plot, width: float = WIDE) -> Figure:
    """The quantity along one parameter: names as lines, or as dots where the parameter is a category."""
    panels, narrow = plot.quantity.panels, width < 6
    columns = 1 if narrow or len(panels) == 1 else 2
    rows = -(-len(panels) // columns)
    if not plot.x.number:
        return dots(plot, width)
    crowd = max(map(len, panels))
    tall = 3.3 if plot.quantity.many else max(2.5 if len(panels) > 1 else 3.0 if narrow else 3.4, 0.16 * crowd + 0.6)
    figure = look.canvas(width, rows * tall + 0.3)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, members in zip(grid.flat, panels, strict=False):
        _axes(axes, plot, plot.x, plot.quantity.label)
        _failures(axes, plot)
        _lines(axes, plot, members)
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_visible(False)
    if plot.quantity.many:
        crowds.below(figure, narrow)
    look.settle(figure)
    for axes, members in zip(grid.flat, panels, strict=False):
        named = plot.quantity.strongest(NAMED) if plot.quantity.many else members
        _name_lines(axes, plot, named, narrow)
    return figure


def _axes(axes: Axes, plot: Plot, x: Parameter, label: str) -> None:
    """Scales and labels; the zero line where zero divides good from bad."""
    look.tidy(axes, xlabel=look.plain(x.name, 40), ylabel=label)
    if x.logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    if (bend := plot.quantity.bend(plot.quantity.sample.mean)) is not None:
        axes.set_yscale("symlog", linthresh=bend)
    if x.number:  # also where nothing was seen
        axes.update_datalim([(place, 0.0) for place in x.places], updatey=False)
    if plot.quantity.share:
        axes.set_ylim(-0.03, 1.03)
        axes.yaxis.set_major_formatter(lambda value, _: look.percent(round(value, 6)))
    if plot.quantity.centred:
        axes.axhline(0, color=look.SOFT, linewidth=0.9, zorder=1.5)


def _lines(axes: Axes, plot: Plot, members: Sequence[int]) -> None:
    """A line and a band a name, and what each is compared with; how all are spread where they are many."""
    sample, base = plot.along, plot.base
    named = plot.quantity.strongest(NAMED) if plot.quantity.many else members
    marker, pale = "o" if len(plot.x) <= 15 else None, 0.16 if len(named) <= 4 else 0.08
    if plot.quantity.many:
        rows = [pd.DataFrame({"member": i, "round": plot.x.places, "middle": sample.mean[i]}) for i in members]
        crowds.quantiles(axes, pd.concat(rows).dropna())
    for i in named:
        style = _style(plot, i)
        look_of = {"color": style.colour, "linestyle": style.dashes}
        axes.plot(plot.x.places, sample.mean[i], linewidth=1.8, marker=marker, markersize=3.5, **look_of)
        if plot.quantity.many:
            continue
        low, high = sample.mean[i] - 2 * sample.error[i], sample.mean[i] + 2 * sample.error[i]
        axes.fill_between(plot.x.places, low, high, color=style.colour, alpha=pale, linewidth=0)
        if base is not None:
            axes.plot(plot.x.places, base[i], linewidth=1, alpha=0.45, **{**look_of, "linestyle": (0, (1, 1.6))})


def _style(plot: Plot, member: int) -> Style:
    """Of many only a few are named: they have the first colours but one, which all together have."""
    if plot.quantity.many:
        return Style(look.COLOURS[1 + plot.quantity.strongest(NAMED).index(member)], "-")
    return plot.quantity.styles[member]


def _failures(axes: Axes, plot: Plot, y: float = 0.02) -> None:
    """Crosses at the foot, at values where a point failed."""
    places = plot.x.places[plot.failures(plot.x)]
    if len(places):
        foot = axes.get_xaxis_transform()
        axes.plot(places, np.full(len(places), y), "x", color=FAILED, markersize=5, transform=foot, clip_on=False)


def _name_lines(axes: Axes, plot: Plot, members: Sequence[int], narrow: bool) -> None:
    """Each name beside the end of its line, moved apart where ends come close."""
    mean, ends = plot.along.mean, []
    for i in members:
        seen = np.flatnonzero(np.isfinite(mean[i]))
        if len(seen):
            ends.append((i, plot.x.places[seen[-1]], mean[i][seen[-1]]))
    if not ends:
        return
    places = np.array([end[1:] for end in ends], dtype=float)
    names = [plot.quantity.names[i] for i, *_ in ends]
    look.name_ends(axes, names, places, [_style(plot, i) for i, *_ in ends], narrow)


# Curves along one parameter at a few values of another


def cuts(parameter: Parameter) -> list[int]:
    """A few levels of the other parameter: evenly spread numbers, or the first categories."""
    most = EACH if parameter.number else len(look.COLOURS) - 5
    if len(parameter) <= most:
        return list(range(len(parameter)))
    return (
        [int(level) for level in np.linspace(0, len(parameter) - 1, SLICES).round()]
        if parameter.number
        else [*range(most)]
    )


def slices(plot: Plot, width: float = WIDE) -> Figure:
    """The quantity along ``x`` at a few values of ``y``, a panel a name."""
    assert plot.y is not None
    members, narrow = plot.quantity.strongest(PANELS), width < 6
    columns = 1 if narrow else min(2, len(members))
    rows = -(-len(members) // columns)
    figure = look.canvas(width, rows * (2.5 if narrow or rows > 1 else 3.1) + 0.7)
    grid = figure.subplots(rows, columns, squeeze=False)
    chosen = cuts(plot.y)
    styles = _cut_styles(plot.y, len(chosen))
    cells = plot.cells
    shape = (len(plot.quantity.names), len(plot.x), len(plot.y))
    mean, reach = cells.mean.reshape(shape), 2 * cells.error.reshape(shape)
    for axes, member in zip(grid.flat, members, strict=False):
        _axes(axes, plot, plot.x, "")
        axes.set_title(look.plain(plot.quantity.names[member], 34), color=look.INK, fontsize=10, loc="left")
        _failures(axes, plot)
        if plot.base is not None:
            axes.plot(plot.x.places, plot.base[member], color=look.SOFT, linewidth=1, linestyle=(0, (1, 1.6)))
        for style, level in zip(styles, chosen, strict=True):
            _cut(axes, plot.x, mean[member][:, level], reach[member][:, level], style)
    for axes in list(grid.flat)[len(members) :]:
        axes.set_visible(False)
    for axes in grid[:, 0]:
        axes.set_ylabel(plot.quantity.label, color=look.INK)
    keys = [
        Line2D(
            [], [], color=style.colour, linestyle=style.dashes, linewidth=1.8, label=look.plain(plot.y.at(level), 40)
        )
        for style, level in zip(styles, chosen, strict=True)
    ]
    key_below(figure, keys, width)
    return figure


def _cut_styles(parameter: Parameter, count: int) -> list[Style]:
    """Numbers from light to dark, categories in colours of their own."""
    if not parameter.number:
        return [Style(look.COLOURS[i], "-") for i in range(count)]
    return [Style(to_hex(SHADES(i / max(count - 1, 1))), "-") for i in range(count)]


def _cut(axes: Axes, x: Parameter, mean: np.ndarray, reach: np.ndarray, style: Style) -> None:
    """One curve with its band; dots with intervals where ``x`` is a category."""
    if not x.number:
        bars = np.nan_to_num(reach)
        axes.errorbar(x.places, mean, yerr=bars, fmt="o-", color=style.colour, linewidth=1, markersize=4)
        axes.set_xticks(x.places, [look.plain(label, 12) for label in x.labels])
        return
    marker = "o" if len(x) <= 15 else None
    axes.plot(x.places, mean, color=style.colour, linewidth=1.6, marker=marker, markersize=3)
    axes.fill_between(x.places, mean - reach, mean + reach, color=style.colour, alpha=0.12, linewidth=0)
