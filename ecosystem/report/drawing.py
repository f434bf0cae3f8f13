"""The coupling graph as a drawing: who learns from whom, how much raw, how much curated, and real data.

Members stand on an oval, up to twelve with the share on every arrow that leaves room for it, up to thirty
without. Names stand in the circles if all of them fit; otherwise numbers do, with a key below. Networks
with more members are drawn by `ecosystem.report.crowds`.
"""

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle

from ecosystem.core.words import number
from ecosystem.report import arrows, crowds, look
from ecosystem.report.arrows import ARROWS, Sheet
from ecosystem.report.look import MANY, WIDE
from ecosystem.running.verdicts import outcomes

if TYPE_CHECKING:
    from ecosystem.running.run import Run

LABELLED = 12  # members up to which shares are written
SIGNS = {"gained": "▲", "rose": "▲", "lost": "▼", "fell": "▼"}


def coupling(run: "Run", width: float = WIDE) -> Figure:
    """The coupling graph: arrows from source to reader, members tinted by what became of them."""
    if len(run.members) > MANY:
        return crowds.coupling(run, width)
    narrow = width < 6
    number_of = int((run.flows[["raw", "curated"]].to_numpy(float) > 0).sum())
    loops = run.flows["source"].astype(str) == run.flows["target"].astype(str)
    around = bool(loops.any() or (run.members["real"] > 0).any())
    figure, sheet = stage(look.names(run), width, number_of, around)
    arrows.surroundings(sheet, run)
    arrows.flows(sheet, run)
    key = _members(sheet, run)
    frame(figure, sheet, width, _legend(run, key, narrow))
    return figure


def stage(members: list[str], width: float, number_of: int, around: bool) -> tuple[Figure, Sheet]:
    """Empty paper with a place for every member; `around`: also for boxes and loops outside the oval."""
    narrow = width < 6
    figure = Figure(figsize=(width, 5.0), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    written = len(members) <= LABELLED and number_of <= (ARROWS // 2 if narrow else ARROWS)
    radius, places = _places(members, narrow)
    outside = radius + (0.1 if not around else 0.75 if written else 0.42)
    reach = max(abs(place[0]) for place in places.values())
    squeeze = min(1.0, (width / 2 - outside) / max(reach, 1e-9))
    places = {name: place * (squeeze, 1.0) for name, place in places.items()}
    return figure, Sheet(axes, places, radius, 8 if narrow else 9, number_of, written)


def _places(members: list[str], narrow: bool) -> tuple[float, dict[str, np.ndarray]]:
    """The radius of a member and where each stands: an oval that fits a desk or a phone held upright."""
    count = len(members)
    sizes = [(1, 0.55, 0.36), (6, 0.55, 0.3), (9, 0.48, 0.25), (12, 0.4, 0.22), (MANY, 0.2, 0.14)]
    radius = next((phone if narrow else desk) for most, desk, phone in sizes if count <= most or most == MANY)
    wide, high = (1.2, 1.55) if narrow else (2.95, 2.35)
    if count <= 6:
        wide, high = (1.1, 1.25) if narrow else (2.6, 1.8)
    if count <= 2:
        side = (1.1 if narrow else 1.9) * (count - 1)
        return radius, {name: np.array([side * (2 * i - 1), 0.0]) for i, name in enumerate(members)}
    turns = np.linspace(0, 2 * np.pi, 721)
    oval = np.stack([wide * np.sin(turns), high * np.cos(turns)], axis=1)
    walked = np.concatenate([[0], np.hypot(*np.diff(oval, axis=0).T).cumsum()])
    start = -0.5 if count % 2 == 0 else 0.0  # an even number stands symmetrically about the top
    steps = (np.arange(count) + start) % count * walked[-1] / count
    spots = np.stack([np.interp(steps, walked, oval[:, axis]) for axis in (0, 1)], axis=1)
    return radius, dict(zip(members, spots, strict=True))


def _members(sheet: Sheet, run: "Run") -> list[tuple[str, str]]:
    """Circles: ring in the member's own colour, tint and sign by what became of its alignment; returns the key."""
    table = outcomes(run).set_index("member")
    by_name = look.styles(run)
    signs = {name: _moved(table, name, False) for name in sheet.places}
    words = {name: (_moved(table, name, True), sign, sign) for name, sign in signs.items()}
    edge = 2.4 if sheet.radius > 0.25 else 1.8
    skins = {}
    for name in sheet.places:
        tint = look.TINTS.get(str(table["kind"][name]), "#eef1f4")
        skins[name] = {"facecolor": tint, "edgecolor": by_name[name].colour, "linewidth": edge}
    return circles(sheet, words, skins)


def circles(
    sheet: Sheet,
    words: dict[str, tuple[list[str], list[str], list[str]]],
    skins: dict[str, dict[str, Any]],
    largest: float = 10.0,
) -> list[tuple[str, str]]:
    """Draw members as circles with their names and, below, the first of their `words` that leaves names readable.

    If neither the first nor the second does, numbers take the place of names, with the third below them; returns
    the key, pairs of number and name, then, otherwise nothing. A skin holds the colours of a circle and its letters;
    `largest` is the size of letters of names, in points, where there is room.
    """
    lines = {name: [*two_lines(look.plain(name, 24)), *words[name][0]] for name in sheet.places}
    if _fit(sheet, lines) < 7:
        lines = {name: [*two_lines(look.plain(name, 24)), *words[name][1]] for name in sheet.places}
    named = _fit(sheet, lines) >= 7
    if not named:
        short = sheet.radius < 0.18
        lines = {name: [str(i), *([] if short else words[name][2])] for i, name in enumerate(lines, 1)}
    size = min(_fit(sheet, lines), largest if named else 9.0)
    for name, place in sheet.places.items():
        skin = dict(skins[name])
        letters = skin.pop("letters", look.INK)
        sheet.axes.add_patch(Circle(tuple(place), sheet.radius, zorder=5, **skin))
        sheet.axes.text(
            float(place[0]),
            float(place[1]),
            "\n".join(lines[name]),
            ha="center",
            va="center",
            fontsize=size,
            color=letters,
            zorder=6,
            linespacing=1.25,
        )
    return [] if named else [(str(i), name) for i, name in enumerate(sheet.places, start=1)]


def _moved(table: pd.DataFrame, name: str, amount: bool) -> list[str]:
    """The line below a name: which way its alignment went and by how much; none if it did not."""
    sign = SIGNS.get(str(table["kind"][name]))
    if sign is None:
        return []
    return [f"{sign} {number(float(table['change'][name]), sign=True, digits=2)}" if amount else sign]


def two_lines(name: str) -> list[str]:
    """A name broken near its middle, between words."""
    longest = max(map(len, name.replace("-", "- ").split()), default=1)
    return textwrap.wrap(name, max(longest, 9, (len(name) + 1) // 2)) or [" "]


def _fit(sheet: Sheet, lines: dict[str, list[str]]) -> float:
    """The size of letters, in points, at which every member's lines fit into its circle."""
    across = 2 * sheet.radius * 72
    sizes = [across * 0.88 / max(0.6 * max(map(len, words)), 1.3 * len(words) * 1.15) for words in lines.values()]
    return min(sizes)


def _legend(run: "Run", key: list[tuple[str, str]], narrow: bool) -> list[dict[str, Any]]:
    """The legends: what strokes and tints mean, then, if needed, which number is whose."""
    kinds = set(outcomes(run)["kind"])
    up, down = ("▲ higher", "▼ lower") if kinds & {"rose", "fell"} else ("▲ gained", "▼ lost")
    dash = (0, (3, 1.2))
    lines = [("raw", look.RAW, "-", "raw output"), ("curated", look.CURATED, dash, "curated output")]
    marks = [
        (bool((run.members["real"] > 0).any()), "s", look.REAL, "real data"),
        (bool(kinds & {"gained", "rose"}), "o", look.TINTS["gained"], up),
        (bool(kinds & {"lost", "fell"}), "o", look.TINTS["lost"], down),
    ]
    strokes = [
        Line2D([], [], color=colour, linewidth=2, linestyle=line, label=words)
        for column, colour, line, words in lines
        if (run.flows[column] > 0).any()
    ]
    strokes += [
        Line2D(
            [],
            [],
            marker=mark,
            color="none",
            markeredgecolor="none",
            markerfacecolor=colour,
            ms=10,
            label=words,
        )
        for present, mark, colour, words in marks
        if present
    ]
    return legends(strokes, 3 if narrow else 5, key, narrow)


def legends(handles: list[Line2D], columns: int, key: list[tuple[str, str]], narrow: bool) -> list[dict[str, Any]]:
    """A legend of these handles and, if needed, one that says which number is whose."""
    common = {"frameon": False, "labelcolor": look.INK, "fontsize": 8 if narrow else 9}
    found = [{"handles": handles, "ncols": columns, **common}] if handles else []
    if key:
        labels = [f"{i}  {look.plain(name, 16 if narrow else 22)}" for i, name in key]
        empty = [Line2D([], [], color="none", label=label) for label in labels]
        found.append({"handles": empty, "ncols": 2 if narrow else 4, "handlelength": 0, "handletextpad": 0, **common})
    return found


def frame(figure: Figure, sheet: Sheet, width: float, legends: list[dict[str, Any]]) -> None:
    """Cut the paper to what was drawn, and set the legends below it."""
    low, high = sheet.height()
    rows = [-(-len(legend["handles"]) // legend["ncols"]) * 0.2 + 0.16 for legend in legends]
    foot = sum(rows)
    low, high = low - 0.12 - foot, high + 0.12
    figure.set_size_inches(width, high - low)
    sheet.axes.set(xlim=(-width / 2, width / 2), ylim=(low, high))
    top = foot
    for legend, tall in zip(legends, rows, strict=True):
        figure.legend(**legend, loc="upper center", bbox_to_anchor=(0.5, top / (high - low)), borderaxespad=0)
        top -= tall
