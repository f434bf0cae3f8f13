"""How figures look: one colour and line style per member, calm axes, text that can be read by anybody's font.

Figures are made with `matplotlib.figure.Figure` alone, never with pyplot: several can be drawn at once in
one process, and nothing stays open. Every figure function takes a width in inches and lays itself out for
it, so that a page can show a wide drawing on a desk and a narrow one, with letters of the same size, on a
phone.
"""

import base64
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ecosystem.core.words import percent as percent
from ecosystem.core.words import shortened as shortened
from ecosystem.core.words import shown
from ecosystem.plots.palette import COLOURS, FAINT, INK, SOFT
from ecosystem.plots.palette import CURATED as CURATED
from ecosystem.plots.palette import MANY as MANY
from ecosystem.plots.palette import RAW as RAW
from ecosystem.plots.palette import REAL as REAL

if TYPE_CHECKING:
    from ecosystem.running.run import Run

WIDE, NARROW = 9.0, 3.75  # inches: a text column on a desk, a phone held upright
TINTS = {"gained": "#bfe6df", "rose": "#bfe6df", "lost": "#f3d9b1", "fell": "#f3d9b1"}


@dataclass(frozen=True)
class Style:
    """What marks one member in every figure: a colour and, where colours repeat, a line style."""

    colour: str
    dashes: Any

    @property
    def dark(self) -> tuple[float, float, float]:
        """The colour darkened so that letters in it stay readable on white."""
        return mix(self.colour, "#000000", 0.35)


def names(run: "Run") -> list[str]:
    """All members in the order of the scenario."""
    return [str(name) for name in run.members["member"]]


def styles(run: "Run") -> dict[str, Style]:
    """The style of each member, by name: the same in every figure and table of a run."""
    dashes: list[Any] = ["-"] * 7 + [(0, (5, 1.5))] * 5 + [(0, (5, 1.5, 1, 1.5))] * 12 + [(0, (1, 1.2))] * 12
    return {name: Style(COLOURS[i % len(COLOURS)], dashes[i % len(dashes)]) for i, name in enumerate(names(run))}


def mix(colour: str, other: str, weight: float) -> tuple[float, float, float]:
    """`colour` moved towards `other` by `weight` in 0..1."""
    red, green, blue = (1 - weight) * np.array(to_rgb(colour)) + weight * np.array(to_rgb(other))
    return float(red), float(green), float(blue)


def plain(text: object, most: int = 24) -> str:
    """A shortened label for matplotlib, never read as a formula."""
    return shortened(text, most).replace("$", r"\$")


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


def name_ends(axes: Axes, names: Sequence[str], ends: np.ndarray, styles: Sequence[Style], narrow: bool) -> None:
    """Write each name beside the end `[lines, 2]` of its line, moved apart where ends come close."""
    spots = axes.transAxes.inverted().transform(axes.transData.transform(ends))
    size = 8.5 if len(ends) <= 12 else 7
    height = axes.get_window_extent().height / axes.figure.dpi * 72
    heights = spaced(list(spots[:, 1]), 1.25 * size / height, -0.02, 1.02)
    for name, end, y, style in zip(names, ends, heights, styles, strict=True):
        axes.annotate(
            plain(name, 13 if narrow else 20),
            xy=(end[0], end[1]),
            xytext=(1.045, y),
            textcoords="axes fraction",
            fontsize=size,
            color=style.dark,
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": style.colour, "linewidth": 0.7, "shrinkA": 1, "shrinkB": 2},
        )


def note(width: float, words: str) -> Figure:
    """A figure that says why there is nothing to draw."""
    figure = canvas(width, 1.2)
    axes = figure.subplots()
    axes.axis("off")
    axes.text(0.5, 0.5, words, ha="center", va="center", color=SOFT, fontsize=10, wrap=True)
    return figure


def settle(figure: Figure) -> None:
    """Lay a figure out now, so that positions in inches can be asked for."""
    engine = figure.get_layout_engine()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        if engine is not None:
            engine.execute(figure)


def svg(figure: Figure) -> str:
    """The figure as SVG with letters as letters, in the reader's own font; same run, same bytes."""
    target = io.StringIO()
    with (
        matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "ecosystem"}),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(target, format="svg", metadata={"Date": None, "Creator": None})
    family = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
    return shown(target.getvalue()).replace("'DejaVu Sans'", family).replace(", sans-serif, sans-serif", ", sans-serif")


def png(figure: Figure, dpi: int = 170) -> bytes:
    """The figure as PNG, for pictures made of pixels."""
    target = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(target, format="png", dpi=dpi, metadata={"Software": None})
    return target.getvalue()


def data_uri(figure: Figure, pixels: bool = False) -> str:
    """The figure as an address that carries it whole, for `<img src=...>`: PNG if `pixels`, else SVG."""
    kind, content = ("png", png(figure)) if pixels else ("svg+xml", svg(figure).encode())
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


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
