"""The paper of a drawing: how wide words are, what is taken, and the curves between members.

Letters are taken as wide as those of DejaVu Sans, the widest font that a reader is likely to see them in; a line is
1.2 times as high as its letters. So a box that is free here is free on any screen.
"""

from __future__ import annotations

import math
import textwrap
import unicodedata
from dataclasses import dataclass, field

import numpy as np

LINE = 1.2
_WIDTHS = {0.34: "iIjl|.,:;' ", 0.42: "ftr()[]/\\-J!’", 0.58: '`"*?_–“”FL', 0.84: "#+=<>~^−→▲▼w&", 1.02: "mMW@%—…"}
_EM = {character: width for width, characters in _WIDTHS.items() for character in characters}
Box = tuple[float, float, float, float]
Point = tuple[float, float]


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


def block(lines: list[str], size: float) -> Point:
    """The width and height of lines of text."""
    return max(text_width(line, size) for line in lines), LINE * size * len(lines)


@dataclass
class Sheet:
    """Where members stand and how big they are, in pixels, and which boxes are taken by words.

    ``centres [n, 2]``, ``radii [n]``; ``edge`` is how far words may reach to either side of the middle; ``points`` are
    places on curves, which words avoid where they can.
    """

    centres: np.ndarray
    radii: np.ndarray
    edge: float
    boxes: list[Box] = field(default_factory=list)
    points: list[np.ndarray] = field(default_factory=list)
    angles: list[list[float]] = field(default_factory=list)
    careful: bool = True  # whether words avoid curves; of very many curves there is no avoiding

    def __post_init__(self) -> None:
        self.angles = [[] for _ in self.radii]
        self.cloud = np.zeros((0, 2))

    def free(self, box: Box) -> bool:
        """Whether a box touches no member and nothing that is taken, and lies within the paper's width."""
        x0, y0, x1, y1 = box
        if x0 < -self.edge or x1 > self.edge:
            return False
        gaps = np.maximum(np.maximum((x0, y0) - self.centres, self.centres - (x1, y1)), 0)
        if (np.hypot(gaps[:, 0], gaps[:, 1]) < self.radii + 2.5).any():
            return False
        return not any(x0 < c + 1 and a < x1 + 1 and y0 < d + 1 and b < y1 + 1 for a, b, c, d in self.boxes)

    def hidden(self, points: np.ndarray) -> int:
        """How many places of a curve lie in a member or in what is taken."""
        gaps = np.hypot(*(points[:, None] - self.centres[None]).transpose(2, 0, 1)) < self.radii
        inside = gaps.any(1)
        for x0, y0, x1, y1 in self.boxes:
            inside |= ((points > (x0, y0)) & (points < (x1, y1))).all(1)
        return int(inside.sum())

    def crossed(self, box: Box) -> int:
        """How many places of curves lie in a box."""
        if not self.careful:
            return 0
        if len(self.points) and not len(self.cloud):
            self.cloud = np.concatenate(self.points)
        x0, y0, x1, y1 = box
        inside = (self.cloud > (x0, y0)) & (self.cloud < (x1, y1))
        return int(inside.all(1).sum())

    def take(self, box: Box) -> None:
        """Keep others off a box."""
        self.boxes.append(box)

    def draw(self, points: np.ndarray) -> None:
        """Remember places on a curve."""
        self.points.append(points)
        self.cloud = np.zeros((0, 2))

    def directions(self, member: int, count: int = 24) -> list[tuple[float, float]]:
        """Angles around a member, the best first, with what speaks against each: curves and members that way."""
        centre = self.centres[member]
        away = self.centres - centre
        far = np.hypot(away[:, 0], away[:, 1])
        near = [i for i in np.flatnonzero((far > 1e-9) & (far < 5 * self.radii[member] + 60))]
        taken = [*self.angles[member], *(math.atan2(away[i, 1], away[i, 0]) for i in near)]
        weight = np.array([*(1.0 for _ in self.angles[member]), *(60 / (60 + far[i]) for i in near)])
        out = centre - self.centres.mean(0)
        home = math.atan2(out[1], out[0]) if np.hypot(*out) > 1 else -math.pi / 2
        found = []
        for i in range(count):
            angle = 2 * math.pi * i / count
            cost = 0.2 * (1 - math.cos(angle - home)) + 0.03 * (i % (count // 4) > 0)  # straight up looks calm
            if taken:
                turn = np.abs((np.array(taken) - angle + math.pi) % (2 * math.pi) - math.pi)
                cost += float((weight * np.clip(1 - turn / 0.8, 0, None)).sum())
            found.append((angle, round(cost, 9)))
        return sorted(found, key=lambda pair: pair[1])


def boxed(centre: Point | np.ndarray, wide: float, high: float) -> Box:
    """The box of a size around a centre."""
    x, y = float(centre[0]), float(centre[1])
    return x - wide / 2, y - high / 2, x + wide / 2, y + high / 2


# -- curves ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Curve:
    """A drawn curve: its path, the polygon of its head, places along it, and where it comes in."""

    path: str
    head: str
    points: np.ndarray
    ends: tuple[float, float]  # the angles at which it leaves and comes in, seen from the members


def bow(start: np.ndarray, end: np.ndarray, radii: Point, bend: float, width: float, blunt: bool) -> Curve:
    """A curve from the rim of one circle to that of another, bent to its left by ``bend`` times its length."""
    step = end - start
    middle = (start + end) / 2 + bend * np.array([step[1], -step[0]])
    t = np.linspace(0, 1, 65)[:, None]
    line = (1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end
    long = head_length(width)
    leaves = np.hypot(*(line - start).T) - radii[0] - 2
    comes = radii[1] + 3 + long - np.hypot(*(line - end).T)
    a = _crossing(leaves)
    b = max(_crossing(comes), a + 0.01)
    t = np.linspace(a, b, 65)[:, None]
    points = (1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end
    p, r = points[0], points[-1]
    q = (1 - a) * (1 - b) * start + (a + b - 2 * a * b) * middle + a * b * end
    toward = end - r if np.hypot(*(r - q)) < 1e-9 else r - q
    path = f"M{at(p)}Q{at(q)} {at(r)}"
    way = (math.atan2(*(q - start)[::-1]), math.atan2(*(q - end)[::-1]))
    return Curve(path, head(r, toward, long, width, blunt), points, way)


def _crossing(values: np.ndarray) -> float:
    """Where along a curve values first rise above 0, between 0 and 1."""
    above = values >= 0
    i = int(np.argmax(above)) if above.any() else len(values) - 1
    if i == 0:
        return 0.0
    low, high = float(values[i - 1]), float(values[i])
    return (i - 1 + (low / (low - high) if high > low else 1.0)) / (len(values) - 1)


def loop(centre: np.ndarray, radius: float, angle: float, width: float, blunt: bool, size: float) -> Curve:
    """A curve that leaves a circle and comes back to it, ``size`` beyond its rim."""

    def spot(distance: float, turn: float) -> np.ndarray:
        return centre + distance * np.array([math.cos(angle + turn), math.sin(angle + turn)])

    long = head_length(width)
    open_ = min(0.5, 9 / radius)
    reach = (radius + 1.5 * size) / math.cos(open_ + 0.12)
    corners = [spot(radius + 1, open_), spot(reach, open_ + 0.12), spot(reach, -open_ - 0.12)]
    corners.append(spot(radius + 2 + long, -open_))
    t = np.linspace(0, 1, 33)[:, None]
    weights = np.concatenate([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3], axis=1)
    points = weights @ np.array(corners)
    path = f"M{at(corners[0])}C{at(corners[1])} {at(corners[2])} {at(corners[3])}"
    toward = centre - corners[3]
    return Curve(path, head(corners[3], toward, long, width, blunt), points, (angle, angle))


def head_length(width: float) -> float:
    return 4.5 + 1.5 * width


def head(base: np.ndarray, toward: np.ndarray, long: float, width: float, blunt: bool) -> str:
    """The corners of an arrow's head, or of the bar that ends what harms."""
    ahead = toward / max(float(np.hypot(*toward)), 1e-9)
    side = np.array([-ahead[1], ahead[0]])
    if blunt:
        half, thick = 3.5 + 1.2 * width, 2.2
        near, far = base + ahead * (long - thick), base + ahead * long
        line = base - ahead * 0.5
        stem = [line + side * width / 2, near + side * width / 2, near - side * width / 2, line - side * width / 2]
        corners = [stem[0], stem[1], near + side * half, far + side * half]
        corners += [far - side * half, near - side * half, stem[2], stem[3]]
    else:
        half = 2.2 + 0.9 * width
        corners = [base + side * half, base + ahead * long, base - side * half]
    return " ".join(at(corner) for corner in corners)


def at(point: np.ndarray | Point) -> str:
    """A place as SVG writes it, in tenths of a pixel."""
    return ",".join(f"{round(float(value), 1) + 0.0:g}" for value in point)
