"""Curves between members, with heads: their paths as SVG, and places along them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Place = Sequence[float] | np.ndarray


@dataclass(frozen=True)
class Curve:
    """A drawn curve: its path, the polygon of its head, places along it, and the angles of its ends."""

    path: str
    head: str
    points: np.ndarray
    angles: tuple[float, float]


def bow(ends: np.ndarray, radii: Place, bend: float, width: float, blunt: bool) -> Curve:
    """A curve from the rim of one circle to that of another, bent to its left by ``bend`` times its length."""
    start, end = ends
    step = end - start
    middle = (start + end) / 2 + bend * np.array([step[1], -step[0]])
    t = np.linspace(0, 1, 65)
    line, long = _bezier([start, middle, end], t), head_length(width)
    a = _rise(t, np.hypot(*(line - start).T) - radii[0] - 2)
    b = max(_rise(t, radii[1] + 3 + long - np.hypot(*(line - end).T)), a + 0.01)
    points = _bezier([start, middle, end], a + (b - a) * t)
    p, r = points[0], points[-1]
    q = (1 - a) * (1 - b) * start + (a + b - 2 * a * b) * middle + a * b * end
    toward = end - r if np.hypot(*(r - q)) < 1e-9 else r - q
    angles = math.atan2(*(q - start)[::-1]), math.atan2(*(q - end)[::-1])
    return Curve(f"M{at(p)}Q{at(q)} {at(r)}", head(r, toward, long, width, blunt), points, angles)


def loop(centre: np.ndarray, radius: float, angle: float, width: float, blunt: bool, size: float) -> Curve:
    """A curve that leaves a circle and comes back to it, ``size`` beyond its rim."""
    half, long = min(0.5, 9 / radius), head_length(width)
    reach = (radius + 1.5 * size) / math.cos(half + 0.12)
    polar = [(radius + 1, half), (reach, half + 0.12), (reach, -half - 0.12), (radius + 2 + long, -half)]
    a, b, c, d = corners = [centre + r * np.array([math.cos(angle + t), math.sin(angle + t)]) for r, t in polar]
    points = _bezier(corners, np.linspace(0, 1, 33))
    path = f"M{at(a)}C{at(b)} {at(c)} {at(d)}"
    return Curve(path, head(d, centre - d, long, width, blunt), points, (angle, angle))


def _bezier(corners: Sequence[np.ndarray], t: np.ndarray) -> np.ndarray:
    n = len(corners) - 1
    return np.stack([math.comb(n, k) * (1 - t) ** (n - k) * t**k for k in range(n + 1)], axis=1) @ np.array(corners)


def _rise(t: np.ndarray, values: np.ndarray) -> float:
    """Where values first rise to 0; the end if they do not."""
    i = int(np.argmax(values >= 0))
    if i == 0:
        return 0.0 if values[0] >= 0 else 1.0
    return float(t[i] - (t[i] - t[i - 1]) * values[i] / (values[i] - values[i - 1]))


def head_length(width: float) -> float:
    return 4.5 + 1.5 * width


def head(base: np.ndarray, toward: np.ndarray, long: float, width: float, blunt: bool) -> str:
    """The corners of an arrow's head, or of the bar that ends what harms."""
    ahead = toward / max(float(np.hypot(*toward)), 1e-9)
    side = np.array([-ahead[1], ahead[0]])
    wing, near = (3.5 + 1.2 * width, long - 2.2) if blunt else (2.2 + 0.9 * width, 0.0)
    outline = [(0.0, wing), (long, 0.0)]
    if blunt:
        outline = [(-0.5, width / 2), (near, width / 2), (near, wing), (long, wing)]
    mirrored = [(x, -y) for x, y in reversed(outline) if y]
    return " ".join(at(base + x * ahead + y * side) for x, y in [*outline, *mirrored])


def num(value: float) -> str:
    """A number as SVG writes it, in tenths of a pixel."""
    return f"{round(float(value), 1) + 0.0:g}"


def at(point: Place) -> str:
    return ",".join(map(num, point))
