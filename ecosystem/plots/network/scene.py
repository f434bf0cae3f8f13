"""A drawing under way: where everything is, and what has been drawn."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import numpy as np

from ecosystem.plots.network.ovals import Plan
from ecosystem.plots.network.picture import Picture, Stroke
from ecosystem.plots.network.sheet import Curve, Sheet

PHONE = 600  # pixels: a narrower drawing is laid out for a phone
THICKET = 150  # strokes: above it they are drawn lightly, and nothing is looked for around them


@dataclass
class Scene:
    """A drawing under way: where everything is, layers of SVG from the ground up, and what found no room."""

    picture: Picture
    sheet: Sheet
    plan: Plan
    letters: float  # the size of the words on edges, in pixels
    written: bool
    key: list[tuple[str, str]] = field(default_factory=list)  # numbers that stand for names
    curves: list[tuple[Stroke, Curve]] = field(default_factory=list)  # those that words belong to
    layers: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    missing: Counter[str] = field(default_factory=Counter)
    focusable: bool = False

    @property
    def light(self) -> bool:
        return len(self.picture.strokes) > THICKET

    def reach(self) -> tuple[float, float]:
        """The highest and lowest of all that was placed."""
        s = self.sheet
        tops = [*(s.centres[:, 1] - s.radii), *(box[1] for box in s.boxes), *(p[:, 1].min() for p in s.points)]
        lows = [*(s.centres[:, 1] + s.radii), *(box[3] for box in s.boxes), *(p[:, 1].max() for p in s.points)]
        discs = self.plan.discs
        return min([*tops, *(y - r for _, y, r in discs)]), max([*lows, *(y + r for _, y, r in discs)])


def thick(scene: Scene, stroke: Stroke) -> float:
    return round((0.6 + 2.4 * stroke.weight) if scene.light else (1.2 + 3.2 * stroke.weight), 2)


def beyond(sheet: Sheet, i: int, angle: float, wide: float, high: float, gap: float) -> np.ndarray:
    """The middle of a box that stands just outside a circle in a direction."""
    toward = np.array([math.cos(angle), math.sin(angle)])
    distance = float(sheet.radii[i]) + gap
    half = np.array([wide, high]) / 2
    for step in range(200):
        spot = sheet.centres[i] + toward * (distance + 2.0 * step)
        gaps = np.maximum(np.abs(spot - sheet.centres[i]) - half, 0)
        if np.hypot(*gaps) >= distance:
            return spot
    return spot
