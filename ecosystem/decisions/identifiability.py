"""What observations tell apart: the directions of free numbers in which nothing that is predicted changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecosystem.core.words import joined, number
from ecosystem.decisions.free import Free

_FLAT, _ROUGH = 1e-9, 1e-5  # of the largest singular value; where derivatives are differences
_PART = 1e-3  # of a direction: a number with a smaller part in it does not count as moved
_EQUAL = 0.02  # by which parts of a direction may differ that count as equal


@dataclass(frozen=True)
class Direction:
    """A direction of relative change, ``parts`` by free number, and its singular value: what it is seen by.

    Moving each number by ``δ · part`` of its own size changes the predictions by ``singular · δ`` standard deviations
    of the noise. ``flat``: by nothing, so the numbers in it trade off; ``words`` say how.
    """

    singular: float
    parts: dict[str, float]
    flat: bool
    words: str

    @property
    def names(self) -> list[str]:
        """The free numbers that have a part in it."""
        return [name for name, part in self.parts.items() if abs(part) > _PART]


def directions(slopes: np.ndarray, values: np.ndarray, free: Sequence[Free], rough: bool = False) -> list[Direction]:
    """The singular directions of ``slopes [n, P]``, scaled by the ``values [P]``, the best seen first.

    ``rough``: slopes that come of differences.

    >>> from ecosystem.decisions import Level, Strength
    >>> found = directions(np.array([[2.0, 0.5], [4.0, 1.0]]), np.array([0.5, 2.0]), [Level("a"), Strength("a")])
    >>> found[-1].flat, found[-1].words
    (True, 'level(a) and strength(a): only their product is seen')
    """
    singular, rows, is_flat = resolved(slopes, values, rough)
    if is_flat.sum() > 1:  # any basis of the flat space is one: take the one that names fewest numbers
        rows = np.vstack([rows[~is_flat], _reduced(rows[is_flat])])
    names = [one.name for one in free]
    out = []
    for value, row, flat in zip(singular, rows, is_flat, strict=True):
        row = row * np.sign(row[np.argmax(np.abs(row))])
        parts = dict(zip(names, row.tolist(), strict=True))
        out.append(Direction(float(value), parts, bool(flat), _words(parts)))
    return out


def resolved(slopes: np.ndarray, values: np.ndarray, rough: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Singular values ``[P]`` and directions ``[P, P]`` (rows) of ``slopes [n, P]`` scaled by the ``values [P]``.

    And which of them are flat: seen by less than ``1e-9`` of the best seen, or ``1e-5`` where slopes are ``rough``.
    """
    scaled = slopes * scales(values)
    padded = np.vstack([scaled, np.zeros((max(0, len(values) - len(scaled)), len(values)))])
    _, singular, rows = np.linalg.svd(padded, full_matrices=False)
    least = (_ROUGH if rough else _FLAT) * max(float(singular[0]), np.finfo(float).tiny)
    return singular, rows, singular <= least


def scales(values: np.ndarray) -> np.ndarray:
    """The sizes by which free numbers are compared: their own; of those near 0 a thousandth."""
    return np.maximum(np.abs(values), 1e-3)


def remedy(found: Direction, free: Sequence[Free]) -> str:
    """What would tell the numbers of a flat direction apart."""
    named = [one for one in free if one.name in found.names]
    return " or ".join(dict.fromkeys(one.remedy for one in named)) + ", or give one of them"


def _reduced(rows: np.ndarray) -> np.ndarray:
    """A basis of the same space in reduced echelon form, each of length 1."""
    out, used = rows.copy(), []
    for i in range(len(out)):
        free = np.abs(out[i]).copy()
        free[used] = 0
        pivot = int(np.argmax(free))
        used.append(pivot)
        out[i] /= out[i, pivot]
        for j in range(len(out)):
            if j != i:
                out[j] -= out[j, pivot] * out[i]
    return out / np.linalg.norm(out, axis=1, keepdims=True)


def _words(parts: dict[str, float]) -> str:
    """How numbers trade off in a direction of relative changes."""
    there = {name: part for name, part in parts.items() if abs(part) > _PART}
    if len(there) == 1:
        return f"{next(iter(there))}: nothing of it is seen"
    said = joined(list(there))
    if len(there) == 2:
        one, other = there.values()
        if abs(one + other) <= _EQUAL:
            return f"{said}: only their product is seen"
        if abs(one - other) <= _EQUAL:
            return f"{said}: only their ratio is seen"
    largest = max(map(abs, there.values()))
    moves = [f"{name} by {number(100 * part / largest, sign=True, digits=2)} %" for name, part in there.items()]
    return f"{said}: nothing is seen of a move of {joined(moves)}"
