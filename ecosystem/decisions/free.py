"""What of a scenario is not known and may be fitted: the contract of one free number.

It leads from a scenario to another by the scenario's own verbs, and writes the same into a state of the engine, in a
way that torch can differentiate. Those of diets are in :mod:`~ecosystem.decisions.diets`, those of users in
:mod:`~ecosystem.decisions.users`; :func:`~ecosystem.decisions.as_free` reads them from texts.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from torch import Tensor

from ecosystem.core.check import brief, real_number
from ecosystem.engine.program import Program
from ecosystem.engine.state import State
from ecosystem.scenario import Scenario


@dataclass(frozen=True, repr=False)
class Free(ABC):
    """One free number of a scenario, between its bounds ``low`` and ``high`` (by default natural ones).

    A subclass has a ``name``, knows its ``value`` in a scenario and a ``changed`` one, and can ``write`` it.

    Raises
    ------
    ValueError
        If a bound is no number.
    """

    low: float | None = field(default=None, kw_only=True)
    high: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        for what, bound in (("low", self.low), ("high", self.high)):
            if bound is not None and math.isnan(real_number(bound)):
                raise ValueError(f"{type(self).__name__}({what}) is a number, or None, got {brief(bound)}")

    def __repr__(self) -> str:
        if self.low is None and self.high is None:
            return self.name
        return f"{self.name}:{'' if self.low is None else self.low}:{'' if self.high is None else self.high}"

    @property
    @abstractmethod
    def name(self) -> str:
        """What it is called in tables, as it is spelled (:func:`~ecosystem.decisions.as_free`)."""

    def name_in(self, scenario: Scenario) -> str:
        """Its name where it may be spelled in more than one way: two that are called the same there are one."""
        return self.name

    @property
    def remedy(self) -> str:
        """What would tell it from others that it trades off with."""
        return "observe something that only one of them moves"

    @property
    def diet(self) -> str | None:
        """The member whose diet it moves; None where it moves none."""
        return None

    @abstractmethod
    def value(self, scenario: Scenario) -> float:
        """What it is in a scenario.

        Raises
        ------
        KeyError, ValueError
            If it is nothing there that can be free: named, with the reason.
        """

    @abstractmethod
    def natural(self, scenario: Scenario) -> tuple[float, float]:
        """Between which numbers it lies."""

    @abstractmethod
    def changed(self, scenario: Scenario, value: float) -> Scenario:
        """The scenario in which it is ``value``."""

    @abstractmethod
    def write(self, program: Program, state: State, value: Tensor) -> State:
        """The state before the first round in which it is ``value [replicates]``, for torch to differentiate."""

    def interval(self, scenario: Scenario) -> tuple[float, float]:
        """Its bounds, given or natural; ValueError where they hold nothing, or not what it is now."""
        least, most = self.natural(scenario)
        low, high = least if self.low is None else self.low, most if self.high is None else self.high
        if low > high:
            raise ValueError(f"the bounds of {self.name} are reversed: got {low} and {high}; write {high} and {low}")
        if not least <= low < high <= most:
            raise ValueError(f"{self.name} lies between {least:.6g} and {most:.6g}, got the bounds {low} and {high}")
        now = self.value(scenario)
        if not low <= now <= high:
            raise ValueError(
                f"{self.name} is {now:.6g} in scenario {scenario.name!r}, which lies outside its bounds {low:.6g} to "
                f"{high:.6g}; widen them, or start from another scenario"
            )
        return low, high

    def __str__(self) -> str:
        return self.name
