"""Quantities that depend on a scenario's free numbers, and how they move with them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecosystem.core.arguments import meant
from ecosystem.core.check import brief, real_number
from ecosystem.core.words import listed
from ecosystem.decisions.parameters import Parameters
from ecosystem.influence import influence
from ecosystem.scenario import Scenario
from ecosystem.scenario.checks import check_known

_INFLUENCE = re.compile(r"M\[(.+),(.+)\]")
_STEP = 1e-3  # of a number's size, or of its room: differences of the fourth order


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
        found = real_number(self.of(parameters.scenario_at(values)))
        if not np.isfinite(found):
            raise ValueError(f"{self.name} is no finite number at {listed(np.round(values, 6))}: {brief(found)}")
        return found

    def gradient(self, parameters: Parameters, values: np.ndarray) -> np.ndarray:
        """How it moves with each free number, ``[P]``.

        Exact of a free number; else by central differences of the fourth order, at a bound one-sided of the second.
        """
        if self.place is not None:
            return np.eye(len(parameters))[self.place]
        return np.array([self._slope(parameters, values, i) for i in range(len(parameters))])

    def _slope(self, parameters: Parameters, values: np.ndarray, i: int) -> float:
        step = _STEP * max(abs(values[i]), 0.1)
        down, up = values[i] - parameters.low[i], parameters.high[i] - values[i]

        def f(times: float) -> float:
            return self.at(parameters, values + times * step * (np.arange(len(values)) == i))

        if min(down, up) < 2 * step:
            step = min(step, max(down, up) / 2) * (1 if up > down else -1)
            return (-3 * f(0) + 4 * f(1) - f(2)) / (2 * step)
        return (8 * (f(1) - f(-1)) - (f(2) - f(-2))) / (12 * step)


def as_quantity(given: Any, parameters: Parameters) -> Quantity:
    """A quantity from the name of a free number, ``"M[target,source]"``, or a function ``scenario -> number``.

    Raises
    ------
    KeyError
        For unknown members.
    TypeError, ValueError
        If it is none of these.
    """
    if isinstance(given, str):
        if given in parameters.names:
            return Quantity(given, lambda _: np.nan, parameters.names.index(given))
        for one in parameters.remainder:
            if one.name == given:
                return Quantity(given, one.value)
        if found := _INFLUENCE.fullmatch(given):
            return _influence(given, found[1].strip(), found[2].strip(), parameters)
        raise ValueError(
            f"there is no free number {given!r}{meant(given, parameters.names)}; a target is one of "
            f"{listed(parameters.names)}, an influence 'M[target,source]' or a function of a scenario"
        )
    if not callable(given):
        raise TypeError(f"a target is a free number's name, 'M[target,source]' or a function, got {brief(given)}")
    return Quantity(str(getattr(given, "__name__", "target")).strip("<>"), given)  # type: ignore[arg-type]


def _influence(name: str, target: str, source: str, parameters: Parameters) -> Quantity:
    for member in (target, source):
        check_known(member, parameters.scenario.graph, name)

    def of(scenario: Scenario) -> float:
        still = scenario.replace(samples=None, interventions={})
        return float(influence(still, [source], [target]).matrix.at[target, source])

    return Quantity(name, of)
