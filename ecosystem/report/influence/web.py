"""The coupling graph under influence: whom curation reaches, through which edges, for better or worse."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ecosystem.core.words import number
from ecosystem.influence.sentences import ROUNDING
from ecosystem.report import arrows, drawing, look
from ecosystem.report.arrows import Sheet
from ecosystem.report.crowds import DRAWN
from ecosystem.report.influence.matrix import DIVERGING, HARM, HELP, NEUTRAL, letters, matrix, scale
from ecosystem.report.look import MANY, WIDE

if TYPE_CHECKING:
    from ecosystem.influence.findings import Findings

BEND = 0.22
POINTS = 72  # an inch
UNTOUCHED = "#8d96a1"  # edges that carry nothing


@dataclass(frozen=True)
class Edge:
    """A flow and what it carries, relative to the edge that carries most; harms are below 0."""

    source: str
    target: str
    gains: float
    harms: float

    @property
    def size(self) -> float:
        """All that it carries: gains and harms do not cancel."""
        return self.gains - self.harms

    @property
    def strokes(self) -> list[tuple[str, float]]:
        """Colours and their sizes, side by side, the greater first: gains, harms, or both."""
        found = sorted([(self.gains, HELP), (-self.harms, HARM)], reverse=True)
        return [(colour, size) for size, colour in found if size > ROUNDING] or [(UNTOUCHED, 0.0)]


def received(findings: "Findings", source: str | None = None) -> dict[str, float]:
    """What every target gains if everybody's curation rises, or that of one source; NaN for those nobody judges."""
    table = matrix(findings)
    effects = table.sum(axis=1) if source is None else table[source]
    return {str(name): float(effects.get(name, np.nan)) for name in findings.members["member"]}


def edges(findings: "Findings") -> list[Edge]:
    """What every edge carries, relative to the largest; by traffic alone where gains and harms are not told apart."""
    table = findings.edges
    traffic = table["traffic"].astype(float).fillna(0.0)
    gains = table["gains"].fillna(traffic.clip(lower=0)) if "gains" in table else traffic.clip(lower=0)
    harms = table["harms"].fillna(traffic.clip(upper=0)) if "harms" in table else traffic.clip(upper=0)
    top = float((gains - harms).max()) if len(table) else 0.0
    shares = [(part / top if top > 0 else part).astype(float) for part in (gains, harms)]
    return [Edge(*row) for row in zip(table["source"].astype(str), table["target"].astype(str), *shares, strict=True)]


def network(findings: "Findings", width: float = WIDE, source: str | None = None) -> Figure:
    """Members tinted by what more curation (of everybody, or of one source) does to them, edges by what they carry."""
    effects = received(findings, source)
    if len(effects) > DRAWN:
        return look.note(width, f"More than {DRAWN} members cannot be told apart in a drawing; see the table of edges.")
    sizes = np.array([effect for effect in effects.values() if np.isfinite(effect)])
    norm, _ = scale(sizes)
    if len(effects) > MANY:
        return _crowd(findings, effects, norm, width)
    return _oval(findings, effects, norm, width)


def _oval(findings: "Findings", effects: dict[str, float], norm: Normalize, width: float) -> Figure:
    """Members as circles with names and numbers, edges as arrows."""
    found, narrow = edges(findings), width < 6
    figure, sheet = drawing.stage(list(effects), width, len(found), any(edge.source == edge.target for edge in found))
    for edge in sorted(found, key=lambda edge: edge.size):
        _arrow(sheet, edge)
    sources = set(findings.influence["source"].astype(str))
    top = max((abs(effect) for effect in effects.values() if np.isfinite(effect)), default=1.0)
    words, skins = {}, {}
    for name, effect in effects.items():
        signed = [number(effect, top, sign=True, digits=3 if top >= 1 else 2)] if np.isfinite(effect) else []
        words[name] = (signed, [], signed)
        skins[name] = _skin(effect, norm, name in sources, sheet.radius)
    key = drawing.circles(sheet, words, skins, 10.0 if sheet.radius > 0.18 else 7.5)
    handles = _legend(effects, found, bool(sources))
    columns = 2 if narrow else len(handles) if len(handles) <= 6 else 4
    drawing.frame(figure, sheet, width, drawing.legends(handles, columns, key, narrow))
    return figure


def _arrow(sheet: Sheet, edge: Edge) -> None:
    """One edge; the widths of its strokes are their shares of the heaviest, the head is that of the greater."""
    aside = last = 0.0
    for colour, size in edge.strokes:
        wide = 0.8 + 3.4 * size
        stroke = arrows.plain_stroke(sheet, colour, wide)
        if colour == UNTOUCHED:
            stroke |= {"linestyle": (0, (1, 2)), "linewidth": 0.9}
        if last:
            stroke |= {"arrowstyle": "-"}
            aside = (last + wide) / 2 / POINTS
        last = wide
        if edge.source != edge.target:
            arrows.bow(sheet, edge.source, edge.target, BEND, stroke, aside)
            continue
        place = sheet.places[edge.source]
        outward = float(np.arctan2(place[1], place[0])) if np.hypot(*place) > 1e-9 else np.pi / 2
        arrows.loop(sheet, place, outward, stroke, aside=aside)


def _skin(effect: float, norm: Normalize, varied: bool, radius: float) -> dict[str, Any]:
    """Tint by effect, a thick ring if the member's own curation is varied."""
    tint = DIVERGING(norm(effect)) if np.isfinite(effect) else "white"
    thick = 2.4 if radius > 0.25 else 1.8
    return {
        "facecolor": tint,
        "edgecolor": look.INK if varied else UNTOUCHED,
        "linewidth": thick if varied else 0.9,
        "linestyle": "-" if np.isfinite(effect) else (0, (2, 1.5)),
        "letters": letters(effect, norm),
    }


def _legend(effects: dict[str, float], found: list[Edge], rings: bool) -> list[Line2D]:
    """What tints, rings and strokes mean; only what is there."""
    seen = [effect for effect in effects.values() if np.isfinite(effect)]
    dots: tuple[tuple[bool, Any, Any, str], ...] = (
        (any(effect > 0 for effect in seen), DIVERGING(0.85), "none", "gains"),
        (any(effect < 0 for effect in seen), DIVERGING(0.15), "none", "loses"),
        (any(effect == 0 for effect in seen), NEUTRAL, UNTOUCHED, "not reached"),
        (rings, "white", look.INK, "curation varied"),
    )
    drawn = {colour for edge in found for colour, _ in edge.strokes}
    strokes: tuple[tuple[bool, Any, Any, str], ...] = (
        (HELP in drawn, HELP, "-", "carries gains"),
        (HARM in drawn, HARM, "-", "carries losses"),
        (UNTOUCHED in drawn, UNTOUCHED, (0, (1, 2)), "carries nothing"),
    )
    common: dict[str, Any] = {"color": "none", "marker": "o", "ms": 10, "markeredgewidth": 2}
    handles = [
        Line2D([], [], markerfacecolor=face, markeredgecolor=edge, label=words, **common)
        for present, face, edge, words in dots
        if present
    ]
    return handles + [
        Line2D([], [], color=colour, linewidth=2.4, linestyle=style, label=words)
        for present, colour, style, words in strokes
        if present
    ]


def _crowd(findings: "Findings", effects: dict[str, float], norm: Normalize, width: float) -> Figure:
    """Many members: dots, larger for larger effects, and strokes without heads."""
    narrow, found = width < 6, edges(findings)
    graph = nx.DiGraph()
    graph.add_nodes_from(effects)
    graph.add_edges_from((edge.source, edge.target) for edge in found)
    figure = look.canvas(width, 4.6 if narrow else 5.6)
    axes = figure.subplots()
    places = nx.spring_layout(graph, seed=0, k=1.6 / np.sqrt(len(graph)))
    _strokes(axes, places, found)
    where = np.array([places[name] for name in effects])
    values = np.nan_to_num(np.array(list(effects.values())))
    sizes = 12 + 90 * np.clip(np.abs(values) / max(float(norm.vmax or 1), 1e-300), 0, 1)
    tints = [DIVERGING(norm(value)) for value in values]
    axes.scatter(where[:, 0], where[:, 1], s=sizes, c=tints, linewidths=0.5, edgecolors=look.SOFT, zorder=3)
    axes.axis("off")
    handles = _legend(effects, found, False)
    look.key_below(figure, handles, 2 if narrow else 5)
    return figure


def _strokes(axes: Axes, places: dict[str, Any], found: list[Edge]) -> None:
    """Edges as straight strokes, the heaviest on top; the lesser of gains and harms runs within the greater."""
    for edge in sorted(found, key=lambda edge: edge.size):
        (x, y), (u, v) = places[edge.source], places[edge.target]
        alpha = 0.25 + 0.6 * edge.size**0.5
        wide = 0.3 + 2.4 * edge.size**0.5
        for colour, size in edge.strokes:
            share = size / edge.size if size else 1.0
            axes.plot([x, u], [y, v], color=colour, linewidth=wide * share, alpha=alpha, zorder=1)
