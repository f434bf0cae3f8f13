"""Boxes of points: limits on some parameters, and how well they tell where something happens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

from ecosystem.core.words import joined, shortened
from ecosystem.study.outcomes.sweep import Parameter, short

CHANCE = 0.05  # a limit that chance would make as good is none


@dataclass(frozen=True)
class Limit:
    """What a box says of one parameter: numbers above ``low`` and at most ``high``, or some of the ``labels``."""

    low: float = -np.inf
    high: float = np.inf
    labels: tuple[str, ...] = ()

    def holds(self, parameter: Parameter) -> np.ndarray:
        """The points within it."""
        if self.labels:
            inside = [label in self.labels for label in parameter.labels]
            return np.array(inside)[parameter.level]
        return (parameter.values > self.low) & (parameter.values <= self.high)

    def told(self, name: str) -> str:
        """The limit in words."""
        name = shortened(name)
        if self.labels:
            return f"{name} {' or '.join(map(shortened, self.labels))}"
        if np.isinf(self.low):
            return f"{name} ≤ {short(self.high, 3)}"
        if np.isinf(self.high):
            return f"{name} > {short(self.low, 3)}"
        return f"{name} between {short(self.low, 3)} and {short(self.high, 3)}"


@dataclass(frozen=True, eq=False)
class Box:
    """Points between limits.

    Attributes
    ----------
    limits: by parameter; those without one do not matter here.
    density: in which part of its points the condition holds. Its ``coverage`` is the part of all points where it holds
        that lie here, its ``mass`` the part of all points that do.
    hits: at how many of its ``points`` it holds.
    chance: by parameter, how probable it is that points without this limit would be as dense by chance (the
        quasi-p-value of scenario discovery); limits above 5 % are left out.
    """

    limits: Mapping[str, Limit]
    density: float
    coverage: float
    mass: float
    points: int
    hits: int
    chance: Mapping[str, float]
    inside: np.ndarray

    @property
    def words(self) -> str:
        """Its limits in words."""
        return joined([limit.told(name) for name, limit in self.limits.items()]) or "no limit"


def boxed(
    limits: Mapping[str, Limit], parameters: Sequence[Parameter], held: np.ndarray, alone: np.ndarray | None = None
) -> Box:
    """The box of some limits, less those that chance could have set; ``held [points]`` is where it happens.

    Chance is that of points that were drawn ``alone``, where others are not apart from them.
    """
    swept = {p.name: p for p in parameters}
    kept = {name: limit for name, limit in limits.items() if not limit.holds(swept[name]).all()}
    while True:
        chance = {name: _chance(kept, name, swept, held, alone) for name in kept}
        worst = max(chance, key=chance.__getitem__, default=None)
        if worst is None or chance[worst] <= CHANCE:
            break
        del kept[worst]
    inside = _inside(kept, swept, held)
    hits, count, whole = int(held[inside].sum()), int(inside.sum()), max(int(held.sum()), 1)
    return Box(kept, hits / max(count, 1), hits / whole, count / len(held), count, hits, chance, inside)


def _inside(limits: Mapping[str, Limit], swept: Mapping[str, Parameter], held: np.ndarray) -> np.ndarray:
    inside = np.ones(len(held), dtype=bool)
    for name, limit in limits.items():
        inside &= limit.holds(swept[name])
    return inside


def _chance(
    limits: Mapping[str, Limit], name: str, swept: Mapping[str, Parameter], held: np.ndarray, alone: np.ndarray | None
) -> float:
    """How probable so many hits are, if the box without one limit were as dense everywhere."""
    own = np.ones(len(held), dtype=bool) if alone is None else alone
    inside = _inside(limits, swept, held) & own
    without = _inside({other: limit for other, limit in limits.items() if other != name}, swept, held) & own
    if not inside.any():
        return 1.0
    return float(binom.sf(held[inside].sum() - 1, inside.sum(), held[without].mean()))
