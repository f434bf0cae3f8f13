"""How figures of the analyses look: calm axes, keys below, a picture in pixels; drawn without pyplot."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ecosystem.core.words import percent
from ecosystem.plots.palette import COLOURS, CURATED, FAINT, INK, SOFT

__all__ = [
    "COLOURS",
    "CURATED",
    "FAINT",
    "INK",
    "SOFT",
    "WIDE",
    "canvas",
    "key_below",
    "mix",
    "percent",
    "png",
    "settle",
    "spaced",
    "tidy",
    "whole_rounds",
]
WIDE = 9.0  # inches: a text column on a desk


def mix(colour: str, other: str, weight: float) -> tuple[float, float, float]:
    """`colour` moved towards `other` by `weight` in 0..1."""
    red, green, blue = (1 - weight) * np.array(to_rgb(colour)) + weight * np.array(to_rgb(other))
    return float(red), float(green), float(blue)


def canvas(width: float, height: float) -> Figure:
    """An empty white figure that finds room for its labels by itself."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    figure.get_layout_engine().set(w_pad=0.06, h_pad=0.06)  # type: ignore[union-attr]
    return figure


def tidy(axes: Axes, xlabel: str = "", ylabel: str = "", title: str = "") -> Axes:
    """Calm axes: no box, faint horizontal lines, small grey numbers, labels in words."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.tick_params(colors=SOFT, labelsize=9, length=3, color=FAINT, which="both")
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(xlabel, color=INK, fontsize=10)
    axes.set_ylabel(ylabel, color=INK, fontsize=10)
    if title:
        axes.set_title(title, color=INK, fontsize=10, loc="left")
    return axes


def whole_rounds(axes: Axes) -> None:
    """Rounds are counted, so their axis shows whole numbers only."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1, steps=[1, 2, 5, 10]))


def settle(figure: Figure) -> None:
    """Lay a figure out now, so that positions in inches can be asked for."""
    engine = figure.get_layout_engine()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        if engine is not None:
            engine.execute(figure)


def png(figure: Figure, dpi: int = 170) -> bytes:
    """The figure as PNG, for pictures made of pixels."""
    target = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(target, format="png", dpi=dpi, metadata={"Software": None})
    return target.getvalue()


def spaced(wanted: list[float], gap: float, low: float = 0.0, high: float = 1.0) -> list[float]:
    """Positions in [low, high], at least `gap` apart, as near to the wanted ones as that allows.

    With `u_i = w_i − i·gap` for sorted `w`, positions keep their distance exactly if `u` never falls: an
    isotonic regression, solved by pooling neighbours that violate it.
    """
    order = np.argsort(wanted, kind="stable")
    gap = min(gap, (high - low) / max(len(wanted) - 1, 1))
    pools: list[tuple[float, int]] = []
    for rank, index in enumerate(order):
        pools.append((wanted[index] - rank * gap, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (late, many), (early, few) = pools.pop(), pools.pop()
            pools.append(((early * few + late * many) / (few + many), few + many))
    flat = np.repeat([value for value, _ in pools], [count for _, count in pools])
    flat = np.clip(flat, low, high - gap * max(len(wanted) - 1, 0))
    result = np.empty(len(wanted))
    result[order] = flat + gap * np.arange(len(wanted))
    return [float(value) for value in result]


def key_below(figure: Figure, handles: Sequence[Any], columns: int, labels: Sequence[str] | None = None) -> None:
    """The key of a figure, in a row or a few below it."""
    figure.legend(
        handles,
        labels if labels is not None else [handle.get_label() for handle in handles],
        loc="outside lower center",
        ncols=columns,
        fontsize=9,
        frameon=False,
        labelcolor=INK,
        columnspacing=1.2,
    )
