"""The paper of a drawing: how wide words are, what is taken, and where there is room.

Letters are taken as wide as those of DejaVu Sans, the widest font that a reader is likely to see them in; a line is
1.2 times as high as its letters. So a box that is free here is free on any screen.
"""

from __future__ import annotations

import math
import textwrap
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import numpy as np

from ecosystem.plots.network.curves import Curve, Place
from ecosystem.plots.network.layout import Plan
from ecosystem.plots.network.picture import Picture, Stroke

LINE = 1.2
LOOSE = 5.0  # pixels between a loop, with its head, and a box
THICKET = 150  # strokes: above it they are drawn lightly, and nothing is looked for around them
_WIDTHS = {0.34: "iIjl|.,:;' ", 0.42: "ftr()[]/\\-J!’", 0.58: '`"*?_–“”FL', 0.84: "#+=<>~^−→▲▼w&", 1.02: "mMW@%—…"}
_EM = {character: width for width, characters in _WIDTHS.items() for character in characters}
Box = tuple[float, float, float, float]


def text_width(text: str, size: float) -> float:
    """How wide a line of text is at most, in the unit of its size."""
    return size * sum(_em(character) for character in text)


def _em(character: str) -> float:
    if character in _EM:
        return _EM[character]
    if unicodedata.combining(character):
        return 0.0
    if ord(character) < 0x250:
        return 0.66 if character.islower() or character.isdigit() else 0.8
    return 1.05 if ord(character) > 0x2000 else 0.85


def two_lines(name: str, most: int = 9) -> list[str]:
    """A name broken near its middle, between words; one word is not broken."""
    longest = max(map(len, name.replace("-", "- ").split()), default=1)
    return textwrap.wrap(name, max(longest, most, (len(name) + 1) // 2)) or [" "]


def block(lines: list[str], size: float) -> tuple[float, float]:
    """The width and height of lines of text."""
    return max(text_width(line, size) for line in lines), LINE * size * len(lines)


def boxed(centre: Place, wide: float, high: float) -> Box:
    """The box of a size around a centre."""
    x, y = float(centre[0]), float(centre[1])
    return x - wide / 2, y - high / 2, x + wide / 2, y + high / 2


def middle(box: Box) -> np.ndarray:
    return np.array([box[0] + box[2], box[1] + box[3]]) / 2


def passes(points: np.ndarray, box: Box, near: float = 0.0) -> bool:
    """Whether a line goes through a box, or comes so ``near`` to it."""
    x0, y0, x1, y1 = box
    return bool(((points > (x0 - near, y0 - near)) & (points < (x1 + near, y1 + near))).all(1).any())


@dataclass
class Sheet:
    """A drawing under way: where members stand, in pixels, layers of SVG from the ground up, and what is taken.

    ``radii [n]`` are those of members; ``cloud [m, 2]`` are places on curves, which words avoid where they can;
    ``angles`` are the directions in which something leaves a member.
    """

    picture: Picture
    plan: Plan
    radii: np.ndarray
    width: float
    letters: float  # the size of the words on edges, in pixels
    written: bool  # whether there are words on edges
    focusable: bool = False
    key: list[tuple[str, str]] = field(default_factory=list)  # numbers that stand for names
    curves: list[tuple[Stroke, Curve]] = field(default_factory=list)
    layers: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    missing: Counter[str] = field(default_factory=Counter)  # what found no room
    boxes: list[Box] = field(default_factory=list)
    loops: list[np.ndarray] = field(default_factory=list)  # places on curves of members that read themselves
    cloud: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))

    def __post_init__(self) -> None:
        self.centres = self.plan.places
        self.edge = self.width / 2 - 4  # how far words may reach to either side of the middle
        self.light = len(self.picture.strokes) > THICKET
        self.angles: list[list[float]] = [[] for _ in self.radii]

    def thick(self, stroke: Stroke) -> float:
        return round((0.6 + 2.4 * stroke.weight) if self.light else (1.2 + 3.2 * stroke.weight), 2)

    def reach(self) -> tuple[float, float]:
        """The highest and lowest of all that was placed."""
        spots = [self.centres[:, 1] - self.radii, self.centres[:, 1] + self.radii, self.cloud[:, 1]]
        spots += [np.array([y - r, y + r]) for _, y, r in self.plan.discs] + [np.array(box[1::2]) for box in self.boxes]
        found = np.concatenate(spots)
        return float(found.min()), float(found.max())

    def free(self, box: Box) -> bool:
        """Whether a box touches no member and nothing that is taken, and lies within the paper's width."""
        x0, y0, x1, y1 = box
        if x0 < -self.edge or x1 > self.edge:
            return False
        gaps = np.maximum(np.maximum((x0, y0) - self.centres, self.centres - (x1, y1)), 0)
        if (np.hypot(gaps[:, 0], gaps[:, 1]) < self.radii + 2.5).any():
            return False
        return not any(x0 < c + 1 and a < x1 + 1 and y0 < d + 1 and b < y1 + 1 for a, b, c, d in self.boxes)

    def crossed(self, box: Box) -> int:
        """How many places of curves lie in a box; of very many curves there is no avoiding."""
        inside = (self.cloud > box[:2]) & (self.cloud < box[2:])
        return 0 if self.light else int(inside.all(1).sum())

    def over(self, points: np.ndarray, near: float = 0.0) -> int:
        """How many boxes that are taken a line goes through, or comes so ``near``."""
        return sum(passes(points, box, near) for box in self.boxes)

    def touches(self, points: np.ndarray, near: float) -> bool:
        """Whether a line comes so near to a curve; of very many curves there is no avoiding."""
        away = np.empty((0, 1)) if self.light else np.hypot(*(points[:, None] - self.cloud).T)
        return bool(away.min(initial=math.inf) < near)

    def draw(self, stroke: Stroke, curve: Curve, points: np.ndarray) -> None:
        """Remember a curve, and places on it."""
        self.curves.append((stroke, curve))
        self.loops += [curve.points] if stroke.source == stroke.target else []
        self.cloud = np.concatenate([self.cloud, points[:: 16 if self.light else 2]])
        for end, angle in zip((stroke.source, stroke.target), curve.angles, strict=True):
            self.angles[end].append(angle)

    def directions(self, member: int, count: int = 24) -> list[tuple[float, float]]:
        """Angles around a member, the best first, with what speaks against each: curves and members that way."""
        angles, centre = 2 * math.pi * np.arange(count) / count, self.centres[member]
        away = self.centres - centre
        far = np.hypot(away[:, 0], away[:, 1])
        near = (far > 1e-9) & (far < 5 * self.radii[member] + 60)
        own = self.angles[member]
        taken = np.concatenate([own, np.arctan2(away[near, 1], away[near, 0])])
        weight = np.concatenate([np.ones(len(own)), 60 / (60 + far[near])])
        out = centre - self.centres.mean(0)
        home = math.atan2(out[1], out[0]) if np.hypot(*out) > 1 else -math.pi / 2
        cost = 0.2 * (1 - np.cos(angles - home)) + 0.03 * (np.arange(count) % (count // 4) > 0)  # straight looks calm
        turn = np.abs((taken - angles[:, None] + math.pi) % (2 * math.pi) - math.pi)
        cost = np.round(cost + (weight * np.clip(1 - turn / 0.8, 0, None)).sum(1), 9)
        return [(float(angles[i]), float(cost[i])) for i in np.argsort(cost, kind="stable")]

    def room(self, member: int, size: Place, gap: float, crossing: float) -> tuple[float, Box, float] | None:
        """The best free box ``gap`` beyond a member's rim: what speaks against it, the box, and its direction."""
        found, steps = [], float(self.radii[member]) + gap + 2.0 * np.arange(200)
        for angle, cost in self.directions(member):
            spots = steps[:, None] * (math.cos(angle), math.sin(angle))
            far = np.hypot(*np.maximum(np.abs(spots) - np.array(size) / 2, 0).T)
            box = boxed(self.centres[member] + spots[np.argmax(far >= steps[0])], *size)
            if self.free(box) and not any(passes(loop, box, LOOSE) for loop in self.loops):
                over = self.over(np.linspace(self.centres[member], middle(box), 17))
                found.append((cost + over + crossing * self.crossed(box), box, angle))
        return min(found, key=lambda spot: spot[0], default=None)
