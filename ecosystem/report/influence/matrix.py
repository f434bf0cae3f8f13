"""The influence matrix as a heat map: rows are targets, columns the members whose curation is varied."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ecosystem.core.words import number
from ecosystem.report import drawing, look
from ecosystem.report.look import MANY, WIDE

if TYPE_CHECKING:
    from ecosystem.influence.findings import Findings

HARM, NEUTRAL, HELP = "#b3640b", "#f4f5f6", "#1d8577"
DIVERGING = LinearSegmentedColormap.from_list("harm-help", ["#7a3f00", "#d18a35", NEUTRAL, "#4fb0a2", "#06584d"])
PIXELS = 40  # members above which the matrix is a picture of pixels
FRAMED = 60  # members up to which self-influence is framed
LETTER = 0.6  # width of a letter, in letter heights: generous, for fonts differ
SHADES = 31  # of a picture of pixels: more cannot be told apart, and make a page heavy
SMALLEST, LARGEST = 6.0, 9.0  # points: letters in cells


def matrix(findings: "Findings") -> pd.DataFrame:
    """Effects with targets as rows and sources as columns, in the scenario's order, without empty rows."""
    table, names = findings.influence, pd.Index(findings.members["member"].astype(str))
    rows, columns = (names.get_indexer(table[side].astype(str)) for side in ("target", "source"))
    wide = np.full((len(names), len(names)), np.nan)
    wide[rows, columns] = table["effect"].to_numpy(float)
    seen = ~np.isnan(wide)
    kept_rows, kept_columns = seen.any(axis=1), np.isin(np.arange(len(names)), columns)
    return pd.DataFrame(wide, names, names).loc[kept_rows, kept_columns]


def scale(values: np.ndarray) -> tuple[Normalize, bool]:
    """Colours centred at zero, and whether effects beyond the ends were cut: few giants must not bleach the rest."""
    sizes = np.abs(values[np.isfinite(values)])
    sizes = sizes[sizes > 0]
    top = float(sizes.max()) if len(sizes) else 1.0
    most = float(np.quantile(sizes, 0.98)) if len(sizes) > 100 else top
    cut = top > 2 * most
    end = most if cut else top
    return Normalize(-end, end), cut


@dataclass
class _Grid:
    """Where the matrix stands on its paper, in inches, and what is written at its rows and columns."""

    width: float
    left: float
    top: float
    wide: float
    high: float
    rows: list[str]
    columns: list[str]
    upright: bool
    foot: float = 0.72

    @property
    def across(self) -> float:
        return len(self.columns) * self.wide

    @property
    def down(self) -> float:
        return len(self.rows) * self.high

    @property
    def height(self) -> float:
        return self.top + self.down + self.foot


def heat_map(findings: "Findings", width: float = WIDE) -> Figure:
    """Effect of every source's curation on every target: teal helps, brown harms, frames are self-influence."""
    table = matrix(findings)
    if table.empty:
        return look.note(width, "Nobody’s curation has a derivative here.")
    grid = _grid(table, width, [str(name) for name in findings.members["member"]])
    figure = Figure(figsize=(width, grid.height), facecolor="white")
    box = (grid.left / width, grid.foot / grid.height, grid.across / width, grid.down / grid.height)
    axes = figure.add_axes(box)
    norm, cut = scale(table.to_numpy())
    _cells(axes, table, norm, grid)
    _names(axes, grid)
    _frames(axes, table, grid)
    _values(axes, table, grid, norm)
    _bar(figure, grid, norm, cut)
    return figure


def _grid(table: pd.DataFrame, width: float, members: list[str]) -> _Grid:
    """The size of cells and margins, so that names fit beside and above; the matrix stands in the middle."""
    most = 12 if width < 6 else 22
    rows, columns = (_labels(list(axis), members, most) for axis in (table.index, table.columns))
    left = 0.42 + _inches(max(map(len, rows)))
    wide = min((width - left - 0.15) / len(columns), 1.1)
    high = min(max(wide, 0.25), 0.5) if len(rows) <= MANY else min(wide, 8.0 / len(rows))
    broken = ["\n".join(drawing.two_lines(name)) for name in columns]
    above, upright = 0.2, False
    if len(columns) <= MANY and not _fits(columns, wide):
        upright = not _fits(broken, wide)
        above = _inches(max(map(len, columns))) if upright else 0.36
        columns = columns if upright else broken
    spare = width - left - 0.15 - wide * len(columns)
    return _Grid(width, left + spare / 2, 0.42 + above, wide, high, rows, columns, upright)


def _labels(names: list[str], members: list[str], most: int) -> list[str]:
    """Names where they can be read, else some members' numbers in the scenario's order."""
    if len(names) <= MANY:
        return [look.plain(name, most) for name in names]
    place = {name: number for number, name in enumerate(members, start=1)}
    step = next(step for step in (10, 20, 50, 100, 200, 500, 1000, 10**9) if len(names) / step <= most / 2)
    numbers = [place[name] for name in names]
    passed = [0, *(number // step for number in numbers)]
    return [str(n) if row == 0 or passed[row + 1] > passed[row] else "" for row, n in enumerate(numbers)]


def _fits(labels: list[str], wide: float) -> bool:
    """Whether the labels can stand side by side above columns."""
    return max(_inches(len(line)) for label in labels for line in label.split("\n")) + 0.1 <= wide


def _inches(letters: int, points: float = 9.0) -> float:
    return letters * LETTER * points / 72


def _cells(axes: Axes, table: pd.DataFrame, norm: Normalize, grid: _Grid) -> None:
    """One coloured cell a pair; grey paper where there is no number."""
    rows, columns = table.shape
    axes.set_facecolor("#dfe3e8")
    values = np.ma.masked_invalid(table.to_numpy())
    if max(rows, columns) > PIXELS:  # unsampled: one pixel a pair, which a browser scales without blur
        box = (0, columns, rows, 0)
        axes.imshow(
            values, cmap=DIVERGING.resampled(SHADES), norm=norm, extent=box, aspect="auto", interpolation="none"
        )
    else:
        line = min(0.6, 72 * min(grid.wide, grid.high) / 20)
        places = np.arange(columns + 1), np.arange(rows + 1)
        axes.pcolormesh(*places, values, cmap=DIVERGING, norm=norm, edgecolors="white", linewidth=line)
    axes.set(xlim=(0, columns), ylim=(rows, 0))
    for spine in axes.spines.values():
        spine.set_visible(False)


def _names(axes: Axes, grid: _Grid) -> None:
    """Labels at rows and columns that have one, and what rows and columns are."""
    axes.tick_params(
        length=0, labelsize=9, labelcolor=look.INK, top=True, bottom=False, labeltop=True, labelbottom=False
    )
    axes.xaxis.set_label_position("top")
    for ticks, labels in ((axes.set_xticks, grid.columns), (axes.set_yticks, grid.rows)):
        shown = [(place + 0.5, label) for place, label in enumerate(labels) if label]
        ticks([place for place, _ in shown], [label for _, label in shown])
    axes.tick_params(axis="x", labelrotation=90 if grid.upright else 0)
    room = grid.across > 2.6
    axes.set_xlabel("source: whose diet is curated more" if room else "source", color=look.SOFT, fontsize=9, labelpad=6)
    axes.set_ylabel("target: whose alignment" if grid.down > 1.7 else "target", color=look.SOFT, fontsize=9)


def _frames(axes: Axes, table: pd.DataFrame, grid: _Grid) -> None:
    """Frames around self-influence."""
    if max(table.shape) > FRAMED:
        return
    places = {name: row for row, name in enumerate(table.index)}
    line = min(1.6, 72 * min(grid.wide, grid.high) / 10)
    for column, name in enumerate(table.columns):
        if name in places:
            frame = Rectangle((column, places[name]), 1, 1, fill=False, edgecolor=look.INK, linewidth=line, zorder=3)
            frame.set_clip_on(False)
            axes.add_patch(frame)


def _values(axes: Axes, table: pd.DataFrame, grid: _Grid, norm: Normalize) -> None:
    """Effects written in the cells, if the longest of them fits."""
    if max(table.shape) > PIXELS:
        return
    values = table.to_numpy()
    top = float(np.nanmax(np.abs(values)))
    words = [[_short(value, top) for value in row] for row in values]
    longest = max(len(word) for row in words for word in row)
    size = min(72 * grid.wide * 0.9 / (longest * LETTER), 72 * grid.high * 0.6, LARGEST)
    if size < SMALLEST:
        return
    for (row, column), value in np.ndenumerate(values):
        colour = letters(value, norm) if abs(value) > top / 200 else look.SOFT
        axes.text(column + 0.5, row + 0.5, words[row][column], ha="center", va="center", fontsize=size, color=colour)


def letters(value: float, norm: Normalize) -> str:
    """The colour of letters that can be read on the tint of a value."""
    dark = np.isfinite(value) and abs(float(norm(value)) - 0.5) > 0.32
    return "white" if dark else look.INK


def _short(value: float, top: float) -> str:
    """An effect in a cell: all with the digits that matter for the largest."""
    return "0" if value == 0 else number(value, top, sign=True)


def _bar(figure: Figure, grid: _Grid, norm: Normalize, cut: bool) -> None:
    """The scale of colours below the matrix, and what its ends mean."""
    long = min(grid.width - 0.3, 3.2)
    left = min(max(grid.left + (grid.across - long) / 2, 0.15), grid.width - long - 0.15)
    axes = figure.add_axes((left / grid.width, 0.4 / grid.height, long / grid.width, 0.11 / grid.height))
    mappable = ScalarMappable(norm, DIVERGING)
    bar = figure.colorbar(mappable, cax=axes, orientation="horizontal", extend="both" if cut else "neither")
    bar.outline.set_visible(False)  # type: ignore[operator]
    end = float(norm.vmax or 0)
    low, high = number(-end, digits=2), number(end, sign=True, digits=2)
    bar.set_ticks([-end, 0, end], labels=[f"{low}  harms", "0", f"helps  {high}"])
    for label, side in zip(axes.get_xticklabels(), ("left", "center", "right"), strict=True):
        label.set_horizontalalignment(side)
    axes.tick_params(length=0, labelsize=8.5, labelcolor=look.SOFT)
