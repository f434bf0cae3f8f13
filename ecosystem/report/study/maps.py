"""The plane of two parameters: a heat map a name, or coloured points where the design is no grid."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize, SymLogNorm
from matplotlib.figure import Figure

from ecosystem.core.words import number
from ecosystem.report import look
from ecosystem.report.influence.matrix import DIVERGING
from ecosystem.report.look import WIDE
from ecosystem.report.study.colours import Scale, scales
from ecosystem.report.study.quantity import FAILED, PANELS, Plot, Quantity
from ecosystem.study.outcomes.sweep import Parameter

RISING = LinearSegmentedColormap.from_list("rising", ["#eef3f6", "#b9dfe6", "#5fb0c9", "#2f7fae", "#1d4e89"])
BLANK = "#dfe3e8"
VECTORS = 1500  # above it cells are drawn as pixels, and points as the hexagons that they lie in
HEXAGONS = 24  # side by side
DOTTED = 450  # cells of a panel: above it what is not clear is not dotted


def maps(plot: Plot, width: float = WIDE) -> Figure:
    """The quantity over the plane of ``x`` and ``y``: a panel a name, or one for each value of the ``few`` others."""
    assert plot.y is not None
    members, parts, narrow = drawn(plot), plot.parts, width < 6
    shared = scales(plot, members)
    own = len(set(map(id, shared.values()))) > 1
    panels = [(i, words, part) for i in members for words, part in parts]
    if len(parts) > 1:
        columns = min(len(parts), 2 if narrow or len(parts) == 4 else 3)
    else:
        columns = min(1 if narrow else 3 if len(members) > 4 else 2, len(members))
    each = -(-len(parts) // columns) if len(parts) > 1 else 0  # rows a name
    rows = each * len(members) or -(-len(panels) // columns)
    tall = (2.2 if len(parts) > 1 else 2.75) if narrow else 3.1 if columns < 3 else 2.5
    bars = (len(members) if each else rows) if own else 1
    figure = look.canvas(width, rows * tall + 0.6 * bars)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes in grid.flat:
        axes.set_visible(False)
    placed: dict[int, list[Axes]] = {i: [] for i in members}
    for nth, (i, words, part) in enumerate(panels):
        name, place = divmod(nth, len(parts))
        axes = grid.flat[name * each * columns + place if each else nth]
        placed[i].append(axes)
        _panel(axes, part, i, shared[i].norm, words, narrow or columns > 2)
    _labels(grid, plot)
    for i in members if own else members[:1]:
        _bar(figure, placed[i] if own else list(grid.flat), plot.quantity, shared[i], narrow or (own and columns > 1))
    return figure


def drawn(plot: Plot) -> list[int]:
    """The names that get panels: fewer, where each has several."""
    return plot.quantity.strongest(PANELS if len(plot.parts) < 3 else 12 // len(plot.parts))


def _panel(axes: Axes, plot: Plot, member: int, norm: Normalize, words: str, tight: bool) -> None:
    """One name, at one choice of the parameters with few values; that there is nothing to see, where that is so."""
    assert plot.y is not None
    axes.set_visible(True)
    name = look.plain(plot.quantity.names[member], 24 if words else 30)
    look.tidy(axes, title=f"{name}\n{look.plain(words, 34)}" if words else name)
    axes.grid(False)
    seen = np.isfinite(plot.shown.mean)
    absent = bool(seen.any() and not seen[member].any())  # others are there
    shown = replace(plot, failed=np.zeros_like(plot.failed) if absent else plot.failed)
    (_cells if plot.gridded else _points)(axes, shown, member, norm)
    _scale(axes, plot.x, plot.y, tight)
    if absent:
        axes.text(0.5, 0.5, "nothing here", transform=axes.transAxes, ha="center", va="center", color=look.SOFT)


def _labels(grid: np.ndarray, plot: Plot) -> None:
    """The names of both parameters, and numbers below the last panel of every column."""
    assert plot.y is not None
    for column in grid.T:
        last = [axes for axes in column if axes.get_visible()][-1]
        last.tick_params(labelbottom=True)
        last.set_xlabel(look.plain(plot.x.name, 40), color=look.INK)
    for axes in grid[:, 0]:
        axes.set_ylabel(look.plain(plot.y.name, 30), color=look.INK)


def _palette(quantity: Quantity) -> Any:
    return DIVERGING if quantity.centred else RISING


def _cells(axes: Axes, plot: Plot, member: int, norm: Normalize) -> None:
    """A coloured cell a pair of levels: the line of no change, dots where nothing is clear, crosses at failures."""
    assert plot.y is not None
    x, y = plot.x, plot.y
    shape = (len(x), len(y))
    mean = plot.cells.mean[member].reshape(shape)
    axes.set_facecolor(BLANK)
    pixels = mean.size > VECTORS
    line = 0.0 if mean.size > 100 or pixels else 0.4
    axes.pcolormesh(
        edges(x),
        edges(y),
        np.ma.masked_invalid(mean.T),
        cmap=_palette(plot.quantity),
        norm=norm,
        edgecolors="white" if line else "face",
        linewidth=line or 0.2,
        rasterized=pixels,
    )
    across, up = (grid.ravel() for grid in np.meshgrid(x.places, y.places, indexing="ij"))
    sign = plot.signs[member]
    if (sign == 1).any() and (sign == -1).any() and x.number and y.number and min(shape) > 2:
        axes.contour(x.places, y.places, np.ma.masked_invalid(mean.T), levels=[0], colors=look.INK, linewidths=1.3)
    unclear = (sign == 0) & plot.quantity.centred
    if mean.size <= DOTTED and unclear.any():
        axes.plot(across[unclear], up[unclear], ".", color=look.SOFT, markersize=2.5)
    failed = np.isin(np.arange(mean.size), plot.cell[plot.failed])
    axes.plot(across[failed], up[failed], "x", color=FAILED, markersize=5 if mean.size < 200 else 3, rasterized=pixels)


def _points(axes: Axes, plot: Plot, member: int, norm: Normalize) -> None:
    """A coloured dot a point, hexagons with means where they are very many; crosses where points failed."""
    assert plot.y is not None
    x, y, mean = plot.x.values, plot.y.values, plot.quantity.sample.mean[member]
    chosen = np.ones(len(mean), dtype=bool) if plot.chosen is None else plot.chosen
    seen, failed = np.isfinite(mean) & chosen, plot.failed & chosen
    many = len(mean) > VECTORS
    axes.set_facecolor("#fbfcfd")
    if many:
        axes.hexbin(
            x[seen],
            y[seen],
            C=mean[seen],
            gridsize=HEXAGONS,
            xscale="log" if plot.x.logarithmic else "linear",
            yscale="log" if plot.y.logarithmic else "linear",
            cmap=_palette(plot.quantity),
            norm=norm,
            linewidths=0.1,
        )
    else:
        look_of = {"cmap": _palette(plot.quantity), "norm": norm, "edgecolors": look.RAW, "linewidths": 0.3}
        axes.scatter(x[seen], y[seen], c=mean[seen], s=float(np.clip(4000 / len(mean), 4, 60)), **look_of)
    axes.plot(x[failed], y[failed], "x", color=FAILED, markersize=3 if many else 5, rasterized=many)


def edges(parameter: Parameter) -> np.ndarray:
    """Where the cells of a parameter's levels end: halfway between neighbours."""
    places = np.log(parameter.places) if parameter.logarithmic else parameter.places
    if len(places) == 1:
        return places[0] + np.array([-0.5, 0.5])
    middles = (places[1:] + places[:-1]) / 2
    found = np.concatenate([[2 * places[0] - middles[0]], middles, [2 * places[-1] - middles[-1]]])
    return np.exp(found) if parameter.logarithmic else found


def _scale(axes: Axes, x: Parameter, y: Parameter, tight: bool) -> None:
    """Ticks: numbers as they are, categories by name."""
    for parameter, axis, logarithm in ((x, axes.xaxis, axes.set_xscale), (y, axes.yaxis, axes.set_yscale)):
        if not parameter.number:
            step = -(-len(parameter) // 16)
            names = [look.plain(label, 8 if tight else 14) for label in parameter.labels]
            axis.set_ticks(list(parameter.places[::step]), names[::step])
        elif parameter.logarithmic:
            logarithm("log")
            axis.set_major_formatter(lambda value, _: f"{value:g}")


def _bar(figure: Figure, panels: list[Axes], quantity: Quantity, shown: Scale, tight: bool) -> None:
    """The scale of colours below some panels, and what its ends mean."""
    norm = shown.norm
    mappable = ScalarMappable(norm, _palette(quantity))
    bar = figure.colorbar(
        mappable,
        ax=panels,
        orientation="horizontal",
        extend=shown.extend,
        aspect=14 if len(panels) == 1 else 28,
        shrink=0.75,
        pad=0.02,
    )
    bar.outline.set_visible(False)  # type: ignore[operator]
    low, high = shown.ends
    if quantity.share:
        ticks, labels = [0, 1], ["0 %", "100 %"]
    elif quantity.centred:
        down, up = quantity.ends
        words = (number(low, digits=2), number(high, sign=True, digits=2))
        named = (words[0], words[1]) if tight else (f"{words[0]}  {down}", f"{up}  {words[1]}")
        ticks, labels = [low, 0, high], [named[0], "0", named[1]]
    else:
        ticks = [low, high] if isinstance(norm, SymLogNorm) else [low, (low + high) / 2, high]
        labels = [number(tick, scale=None if len(ticks) == 2 else (high - low) / 3) for tick in ticks]
        labels = [label if set(label) - set("−0.") else "0" for label in labels]
    bar.set_ticks(ticks, labels=labels)
    sides = ("left", "right") if len(ticks) == 2 else ("left", "center", "right")
    for label, side in zip(bar.ax.get_xticklabels(), sides, strict=True):
        label.set_horizontalalignment(side)
    bar.ax.minorticks_off()
    bar.ax.tick_params(length=0, labelsize=8.5, labelcolor=look.SOFT)
    bar.ax.set_title(quantity.label, fontsize=9, color=look.SOFT, loc="left")
