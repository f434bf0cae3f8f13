"""Quantities that depend on a scenario's free numbers, and how they move with them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecosystem.core.arguments import meant
from ecosystem.core.check import brief, real_number, users_code
from ecosystem.core.words import listed
from ecosystem.decisions.free import Free
from ecosystem.decisions.parameters import Parameters
from ecosystem.influence import influence
from ecosystem.scenario import Scenario
from ecosystem.scenario.checks import check_known

_INFLUENCE = re.compile(r"M\[(.+),(.+)\]")
_STEP = 1e-3  # of a number's size, or of its room: differences of the fourth order
_KINK, _NOISE = 0.1, 1e-9  # of what a step moves, and of the value: slopes to both sides that differ by more are two
_SHORTER = 8  # times: the step at which it is looked at again


@dataclass(frozen=True)
class Quantity:
    """A named function of a scenario; ``place`` is that among the free numbers where it is one of these."""

    name: str
    of: Callable[[Scenario], float]
    place: int | None = None

    def at(self, parameters: Parameters, values: np.ndarray) -> float:
        """What it is at ``values [P]``; ValueError where it is no finite number."""
        if self.place is not None:
            return float(values[self.place])
        scenario = parameters.scenario_at(values)
        with users_code(self.name):
            given = self.of(scenario)
        found = real_number(given)
        if not np.isfinite(found):
            raise ValueError(f"{self.name} is no finite number at {listed(np.round(values, 6))}: {brief(given)}")
        return found

    def gradient(self, parameters: Parameters, values: np.ndarray) -> np.ndarray:
        """How it moves with each free number, ``[P]``.

        Exact of a free number; else by central differences of the fourth order, at a bound and where a diet is full
        one-sided.
        """
        if self.place is not None:
            return np.eye(len(parameters))[self.place]
        return np.array([self._slope(parameters, values, i) for i in range(len(parameters))])

    def _slope(self, parameters: Parameters, values: np.ndarray, i: int) -> float:
        step, way = _STEP * max(abs(values[i]), 0.1), np.eye(len(values))[i]
        down, up = values - parameters.low, parameters.highest(values) - values
        most = max(down[i], up[i])
        if most < 4 * step:  # a share that has next to nothing to give, in a full diet: it takes of another
            other = max(_shared(parameters, i), key=lambda j: down[j])
            if down[other] > most:
                swap = way - np.eye(len(values))[other]
                swapped = self._forward(parameters, values, min(step, down[other] / 4), swap)
                return swapped + self._slope(parameters, values, other)
            if most <= 0:
                raise ValueError(f"{parameters.names[i]} cannot move: lower bounds fill its diet; lower one of them")
        if min(down[i], up[i]) < 2 * step:
            return self._forward(parameters, values, min(step, most / 4) * (1 if up[i] > down[i] else -1), way)
        f = [self.at(parameters, values + times * step * way) for times in (-2, -1, 1, 2)]
        self._check_smooth(parameters, values, step * way, f)
        return (8 * (f[2] - f[1]) - (f[3] - f[0])) / (12 * step)

    def _check_smooth(self, parameters: Parameters, values: np.ndarray, step: np.ndarray, f: list[float]) -> None:
        """Refuse kinks and steps: slopes to both sides that differ, and come no nearer to each other with the step."""
        middle = self.at(parameters, values)
        gap, size = _gap(f, middle), max(abs(f[i + 1] - f[i]) for i in (0, 2))
        if abs(gap) > _KINK * size + _NOISE * abs(middle):
            near = [self.at(parameters, values + times * step / _SHORTER) for times in (-2, -1, 1, 2)]
            if abs(_gap(near, middle)) * _SHORTER > abs(gap) / 2:
                raise ValueError(
                    f"{self.name} has a kink or a step at {listed(np.round(values, 6))}, so no slope tells its "
                    "variance; let it be smooth"
                )

    def _forward(self, parameters: Parameters, values: np.ndarray, step: float, way: np.ndarray) -> float:
        f = [self.at(parameters, values + times * step * way) for times in range(5)]
        return float(np.dot([-25, 48, -36, 16, -3], f)) / (12 * step)


def _gap(f: list[float], middle: float) -> float:
    """What slopes ahead and behind (of second order) differ by, times the step."""
    ahead, behind = (-3 * middle + 4 * f[2] - f[3]) / 2, (3 * middle - 4 * f[1] + f[0]) / 2
    return ahead - behind


def _shared(parameters: Parameters, i: int) -> list[int]:
    """The shares of the diet that number ``i`` is a share of; itself if it is none."""
    return next((shares for shares in parameters.diets if i in shares), [i])


def as_quantity(given: Any, parameters: Parameters) -> Quantity:
    """A quantity from a free number, ``"M[target,source]"``, or a function ``scenario -> number``.

    A free number is a part, ``Share("a", "b")``, or a text that :func:`as_free` reads, ``"raw(a -> b)"``.

    Raises
    ------
    KeyError
        For unknown members.
    TypeError, ValueError
        If it is none of these.
    """
    if isinstance(given, str) and (found := _INFLUENCE.fullmatch(given)):
        return _influence(given, found[1].strip(), found[2].strip(), parameters)
    if isinstance(given, str | Free):
        return _free(given, parameters)
    if not callable(given):
        raise TypeError(f"a target is a free number, 'M[target,source]' or a function, got {brief(given)}")
    return Quantity(str(getattr(given, "__name__", "target")).strip("<>"), given)  # type: ignore[arg-type]


def _free(given: Free | str, parameters: Parameters) -> Quantity:
    spelled = not isinstance(given, str) or "(" in given
    one = parameters.meant(given) if spelled else None
    if one is None:
        raise ValueError(
            f"there is no free number {str(given)!r}: a target is one of {listed(parameters.names)}, an influence "
            f"'M[target,source]' or a function of a scenario{meant(str(given), parameters.names)}"
        )
    place = parameters.names.index(one.name) if one.name in parameters.names else None
    return Quantity(one.name, one.value, place)


def _influence(name: str, target: str, source: str, parameters: Parameters) -> Quantity:
    for member in (target, source):
        check_known(member, parameters.scenario.graph, name)

    def of(scenario: Scenario) -> float:
        still = scenario.replace(samples=None, interventions={})
        return float(influence(still, [source], [target]).matrix.at[target, source])

    return Quantity(name, of)
