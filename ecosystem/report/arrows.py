"""The arrows of the coupling graph: flows between members, loops of those that read themselves, real data.

`Sheet` keeps count of what is taken, so that a share is written where nothing else stands, or not at all.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, Rectangle
from matplotlib.path import Path

from ecosystem.report import look

if TYPE_CHECKING:
    from ecosystem.running.run import Run

ARROWS = 64  # above it arrows are drawn lightly
BENDS = {"raw": 0.12, "curated": 0.38}  # so that both kinds and both directions of a pair stay apart


@dataclass
class Sheet:
    """The space of one drawing in inches: where members stand, how big they are, and what is taken."""

    axes: Axes
    places: dict[str, np.ndarray]
    radius: float
    letters: float
    arrows: int
    written: bool
    taken: list[tuple[float, float, float, float]] = field(default_factory=list)

    def free(self, spot: np.ndarray, wide: float, high: float) -> bool:
        """Whether a box around the spot touches neither a member nor anything already placed."""
        half = np.array([wide, high]) / 2
        gaps = [np.hypot(*np.maximum(np.abs(place - spot) - half, 0)) for place in self.places.values()]
        return min(gaps) > self.radius + 0.02 and not any(
            abs(spot[0] - x) < (wide + w) / 2 + 0.12 and abs(spot[1] - y) < (high + h) / 2 for x, y, w, h in self.taken
        )

    def take(self, spot: np.ndarray, wide: float, high: float) -> None:
        """Keep a box free of labels, and inside the picture."""
        self.taken.append((float(spot[0]), float(spot[1]), wide, high))

    def height(self) -> tuple[float, float]:
        """The lowest and highest point of all that was placed."""
        boxes = self.taken + [(x, y, 0, 2 * self.radius) for x, y in self.places.values()]
        return min(y - h / 2 for _, y, _, h in boxes), max(y + h / 2 for _, y, _, h in boxes)


def flows(sheet: Sheet, run: "Run") -> None:
    """Arrows between members, bent so that both directions and both kinds stay apart; thicker is more."""
    labels = []
    for _, flow in run.flows.iterrows():
        source, target = str(flow["source"]), str(flow["target"])
        if source != target and source in sheet.places and target in sheet.places:
            for kind, bend in BENDS.items():
                if flow[kind] > 0:
                    labels.append((_arrow(sheet, source, target, kind, float(flow[kind]), bend), kind, flow[kind]))
    for spots, kind, share in labels if sheet.written else []:
        _write(sheet, spots, share, kind)


def _arrow(sheet: Sheet, source: str, target: str, kind: str, share: float, bend: float) -> list[np.ndarray]:
    """Draw one flow; return where its share may stand: best near the head, as it is the reader's share."""
    return bow(sheet, source, target, bend, _stroke(sheet, kind, share))


def bow(
    sheet: Sheet, source: str, target: str, bend: float, stroke: dict[str, Any], aside: float = 0.0
) -> list[np.ndarray]:
    """Draw a bent arrow between two members, or one beside it; return where words may stand on it, the best spot
    first.
    """
    start, end = sheet.places[source], sheet.places[target]
    ends = [Circle(tuple(start), sheet.radius * 1.05), Circle(tuple(end), sheet.radius + 0.06)]
    for patch in ends:  # without the axes' transform a circle given for clipping is read as pixels
        patch.set_transform(sheet.axes.transData)
    if aside:
        across = np.array([end[1] - start[1], start[0] - end[0]]) / np.hypot(*(end - start))
        start, end = start + aside * across, end + aside * across
    curve = FancyArrowPatch(
        tuple(start),
        tuple(end),
        connectionstyle=f"arc3,rad={bend}",
        patchA=ends[0],
        patchB=ends[1],
        **stroke,
    )
    sheet.axes.add_patch(curve)
    step = end - start
    middle = (start + end) / 2 + bend * np.array([step[1], -step[0]])
    along = (0.6, 0.54, 0.66, 0.48, 0.72, 0.42, 0.36, 0.3)
    return [(1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end for t in along]


def _stroke(sheet: Sheet, kind: str, share: float) -> dict[str, Any]:
    """Raw is grey and solid, curated violet and dashed; more is thicker."""
    return {
        **plain_stroke(sheet, look.CURATED if kind == "curated" else look.RAW, 0.8 + 2.2 * share),
        "linestyle": (0, (4, 1.6)) if kind == "curated" else "-",
    }


def plain_stroke(sheet: Sheet, colour: str, linewidth: float) -> dict[str, Any]:
    """An arrow whose head fits the size of members; a thicket is drawn lightly."""
    return {
        "arrowstyle": f"-|>,head_length={4 + 5 * sheet.radius:.1f},head_width={2 + 2.4 * sheet.radius:.1f}",
        "alpha": 1.0 if sheet.arrows <= ARROWS else 0.45,
        "linewidth": linewidth,
        "color": colour,
        "linestyle": "-",
        "shrinkA": 0,
        "shrinkB": 0,
        "mutation_scale": 1,
        "joinstyle": "miter",
        "zorder": 2,
    }


def _write(sheet: Sheet, spots: list[np.ndarray], share: float, kind: str) -> None:
    """A share beside its arrow, in its kind's colour."""
    write(sheet, spots, look.percent(share), look.CURATED if kind == "curated" else look.INK)


def write(sheet: Sheet, spots: list[np.ndarray], words: str, colour: str) -> None:
    """Words at the first free spot of an arrow (nowhere if none is), on a patch of paper."""
    size = sheet.letters / 9
    wide, high = 0.075 * len(words) * size + 0.04, 0.165 * size
    spot = next((s for s in spots if sheet.free(s, wide, high)), None)
    if spot is None:
        return
    sheet.take(spot, wide, high)
    sheet.axes.text(
        float(spot[0]),
        float(spot[1]),
        words,
        ha="center",
        va="center",
        fontsize=sheet.letters,
        color=colour,
        bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.92},
        zorder=4,
    )


def surroundings(sheet: Sheet, run: "Run") -> None:
    """What stands outside the oval at each member: its real data and the loops by which it reads itself."""
    loops = run.flows[run.flows["source"].astype(str) == run.flows["target"].astype(str)]
    real = dict(zip(run.members["member"].astype(str), run.members["real"].astype(float), strict=True))
    for name, place in sheet.places.items():
        own = loops[loops["target"].astype(str) == name]
        items = [
            ("raw", float(own["raw"].sum())),
            ("real", real[name]),
            ("curated", float(own["curated"].sum())),
        ]
        items = [(kind, share) for kind, share in items if share > 0]
        outward = np.arctan2(place[1], place[0]) if np.hypot(*place) > 1e-9 else np.pi / 2
        fan = np.deg2rad(64 if len(sheet.places) < 9 else 56)
        for i, (kind, share) in enumerate(items):
            angle = outward + fan * (i - (len(items) - 1) / 2)
            draw = _real if kind == "real" else _loop
            draw(sheet, place, angle, kind, share)


def _real(sheet: Sheet, place: np.ndarray, angle: float, kind: str, share: float) -> None:
    """A grey box of real data with a short arrow into its member."""
    toward = np.array([np.cos(angle), np.sin(angle)])
    words = ("real " if sheet.radius > 0.4 else "") + look.percent(share) if sheet.written else ""
    size = sheet.letters / 9
    wide, high = (0.075 * len(words) * size + 0.12, 0.22 * size) if words else (0.1, 0.1)
    reach = (abs(toward[0]) * wide + abs(toward[1]) * high) / 2
    spot = place + toward * (sheet.radius + 0.08 + 0.3 * min(1, sheet.radius / 0.3) * 0.8 + reach)
    inside = min(wide / 2 / max(abs(toward[0]), 1e-9), high / 2 / max(abs(toward[1]), 1e-9))
    stroke = {**_stroke(sheet, kind, share), "color": "#8d96a1"}
    tail, head = spot - toward * inside, place + toward * (sheet.radius + 0.05)
    sheet.axes.add_patch(FancyArrowPatch(tuple(tail), tuple(head), **stroke))
    sheet.axes.add_patch(
        Rectangle(
            (spot[0] - wide / 2, spot[1] - high / 2),
            wide,
            high,
            facecolor=look.REAL,
            edgecolor="none",
            zorder=3,
        )
    )
    sheet.axes.text(
        float(spot[0]),
        float(spot[1]),
        words,
        ha="center",
        va="center_baseline",
        fontsize=sheet.letters,
        color=look.INK,
        zorder=4,
    )
    sheet.take(spot, wide + 0.04, high + 0.04)


def _loop(sheet: Sheet, place: np.ndarray, angle: float, kind: str, share: float) -> None:
    """A member that reads its own output, with its share."""
    words = look.percent(share) if sheet.written else ""
    loop(sheet, place, angle, _stroke(sheet, kind, share), words, look.CURATED if kind == "curated" else look.INK)


def loop(
    sheet: Sheet,
    place: np.ndarray,
    angle: float,
    stroke: dict[str, Any],
    words: str = "",
    colour: str = look.INK,
    aside: float = 0.0,
) -> None:
    """Draw an arrow that leaves a member and comes back, or one outside it, with words on it if there is room."""

    def at(distance: float, turn: float) -> np.ndarray:
        return place + distance * np.array([np.cos(angle + turn), np.sin(angle + turn)])

    r = sheet.radius
    reach = 1.9 * r + (0.3 if r > 0.15 else 0.12)
    wide = aside / (0.75 * reach)
    points = [
        at(r, 0.4 + wide),
        at(reach + 1.33 * aside, 0.55 + wide),
        at(reach + 1.33 * aside, -0.55 - wide),
        at(r + 0.05, -0.36 - wide),
    ]
    curve = Path(points, [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4])
    sheet.axes.add_patch(FancyArrowPatch(path=curve, **stroke))
    apex = at(0.25 * r + 0.75 * reach * np.cos(0.55), 0.0)
    if words:
        t = np.array([0.5, 0.6, 0.4, 0.7, 0.3])
        weights = np.stack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3], axis=1)
        write(sheet, list(weights @ np.array(points)), words, colour)
    sheet.take(apex, 0.16, 0.16)
