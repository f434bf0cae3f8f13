"""Dots with intervals over the categories of one parameter, below each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ecosystem.report import crowds, look
from ecosystem.report.study.quantity import FAILED, Plot, key_below

SHOWN = 16  # categories of one figure


def categories(plot: Plot) -> list[int]:
    """The levels that are shown: all, or those at either end where they are very many."""
    if len(plot.x) <= SHOWN:
        return list(range(len(plot.x)))
    height = np.nan_to_num(np.nanmean(np.where(np.isfinite(plot.along.mean), plot.along.mean, 0.0), axis=0))
    ranked = np.argsort(-height, kind="stable")
    return sorted(int(level) for level in (*ranked[: SHOWN // 2], *ranked[-SHOWN // 2 :]))


def dots(plot: Plot, width: float) -> Figure:
    """A dot with its interval a name and category, its base a hollow one; categories below each other."""
    panels, shown, narrow = plot.quantity.panels, categories(plot), width < 6
    each = 1 if plot.quantity.many else max(map(len, panels))
    row = max(0.34, 0.15 * each + 0.12)
    figure = look.canvas(width, len(panels) * (row * len(shown) + 0.75) + 0.45)
    grid = figure.subplots(len(panels), 1, squeeze=False)
    for axes, members in zip(grid.flat, panels, strict=True):
        look.tidy(axes, xlabel=plot.quantity.label)
        axes.grid(axis="y", visible=False)
        axes.grid(axis="x", color=look.FAINT, linewidth=0.6)
        if (bend := plot.quantity.bend(plot.quantity.sample.mean)) is not None:
            axes.set_xscale("symlog", linthresh=bend)
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.set_yticks(range(len(shown)), [look.plain(plot.x.labels[i], 14 if narrow else 32) for i in shown])
        axes.tick_params(axis="y", length=0, colors=look.INK)
        axes.set_ylabel(look.plain(plot.x.name, 24), color=look.INK)
        for place in np.arange(len(shown) - 1) + 0.5:
            axes.axhline(place, color=look.FAINT, linewidth=0.5, zorder=0)
        if plot.quantity.centred:
            axes.axvline(0, color=look.SOFT, linewidth=0.9)
        draw = _spread_of_many if plot.quantity.many else _row_of_dots
        draw(axes, plot, members, shown)
        for place in np.flatnonzero(plot.failures(plot.x)[shown]):
            axes.plot(0.99, place, "x", color=FAILED, markersize=5, transform=axes.get_yaxis_transform())
    if plot.quantity.many:
        crowds.below(figure, narrow)
    else:
        key_below(figure, _keys(plot), width)
    return figure


def _row_of_dots(axes: Axes, plot: Plot, members: Sequence[int], shown: list[int]) -> None:
    """Names side by side within each category."""
    sample, base, styles = plot.along, plot.base, plot.quantity.styles
    shifts = 0.7 * (np.arange(len(members)) - (len(members) - 1) / 2) / max(len(members), 2)
    for shift, i in zip(shifts, members, strict=True):
        rows = np.arange(len(shown)) + shift
        reach = np.nan_to_num(2 * sample.error[i][shown])
        axes.errorbar(
            sample.mean[i][shown], rows, xerr=reach, fmt="o", color=styles[i].colour, markersize=5, linewidth=1.6
        )
        if base is not None:
            axes.plot(base[i][shown], rows, "o", markerfacecolor="none", color=styles[i].colour, alpha=0.5, ms=4)


def _spread_of_many(axes: Axes, plot: Plot, members: Sequence[int], shown: list[int]) -> None:
    """The middle 90 % and half of all names, and their median, within each category."""
    values = plot.along.mean[list(members)][:, shown]
    rows, kept = np.arange(len(shown)), np.isfinite(values).any(0)
    low, quarter, half, upper, high = np.nanquantile(values[:, kept], (0.05, 0.25, 0.5, 0.75, 0.95), axis=0)
    colour, rows = look.COLOURS[0], rows[kept]
    axes.hlines(rows, low, high, color=colour, alpha=0.25, linewidth=5, label="middle 90 % of members")
    axes.hlines(rows, quarter, upper, color=colour, alpha=0.5, linewidth=5, label="middle half")
    axes.plot(half, rows, "o", color=colour, markersize=6, label="median member")


def _keys(plot: Plot) -> list[Any]:
    """A dot a name."""
    pairs = zip(plot.quantity.names, plot.quantity.styles, strict=False)
    keys = [
        Line2D([], [], marker="o", linestyle="none", color=style.colour, label=look.plain(name))
        for name, style in pairs
    ]
    if plot.quantity.base is not None:
        hollow = Line2D([], [], marker="o", markerfacecolor="none", linestyle="none", color=look.SOFT)
        hollow.set_label(plot.quantity.basis)
        keys.append(hollow)
    return keys
