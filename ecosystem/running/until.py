"""When a run ends before its last round."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from ecosystem.core.check import brief, real_number, users_code, whole_number
from ecosystem.core.identity import digest
from ecosystem.running.measures import View

Condition = Callable[[View], bool]
_STOPPED = "running was set to False"


class settled:
    """True when nobody has moved by more than ``tolerance`` in each of the last ``rounds`` rounds.

    That is ``‖Δθ‖ / (1 + ‖θ‖)`` of all members, of tastes that learn, of the weights of groups that choose, in all
    replicates that live; ``rounds`` should be longer than every period of a schedule. Small steps do not mean that the
    end is near: where ``stable_point`` knows it, ask that. With finite samples nobody comes to rest: give a tolerance
    above the noise, or write a condition of your own, any function of a :class:`~ecosystem.running.measures.View`. What
    it has counted is its ``state()``, which checkpoints keep, as they do that of a condition of your own which has one
    (and ``load_state``).

    >>> from ecosystem import Flow, Location, Member, Scenario
    >>> s = Scenario("loop", rounds=1000)
    >>> s.add("a", Member(Location([2.0]), real=Location([1.0])))
    >>> s.connect("a", "a", Flow(raw=0.5))
    >>> run = s.run(until=settled(tolerance=1e-6, rounds=2))
    >>> run.settings["completed"], run.settings["stopped"]
    (20, 'after round 20: settled(tolerance=1e-06, rounds=2)')
    """

    def __init__(self, tolerance: float = 1e-9, rounds: int = 10) -> None:
        if not 0 <= real_number(tolerance) < 1:
            raise ValueError(f"settled(tolerance) must be at least 0 and below 1, got {brief(tolerance)}")
        self.tolerance = float(tolerance)
        self.rounds = whole_number(rounds, "settled(rounds)", 1)
        self._quiet, self._seen = 0, -1

    def __call__(self, view: View) -> bool:
        still = bool((view.moved()[view.present] <= self.tolerance).all())  # at the start they are NaN
        if view.round != self._seen:
            self._quiet = self._quiet + 1 if still and view.round == self._seen + 1 else int(still)
        self._seen = view.round
        return self._quiet >= self.rounds

    def state(self) -> dict[str, Any]:
        return {"tolerance": self.tolerance, "quiet": self._quiet, "seen": self._seen}

    def load_state(self, state: dict[str, Any]) -> None:
        if state.get("tolerance", self.tolerance) == self.tolerance:  # what was quiet for another may not be for this
            self._quiet, self._seen = state["quiet"], state["seen"]

    def __repr__(self) -> str:
        return f"settled(tolerance={self.tolerance:g}, rounds={self.rounds})"


def check_condition(until: Condition | None) -> None:
    """Refuse what cannot be asked."""
    if until is not None and (not callable(until) or isinstance(until, type)):
        given = f"the class {until.__name__}" if isinstance(until, type) else brief(until)
        raise TypeError(f"run(until) must be a function of a View, or settled(), got {given}")


def why_stopped(running: bool, until: Condition | None, view: Callable[[], View]) -> str:
    """Why a run ends after this round, as ``after round 5: ...``; empty where it goes on."""
    if running and until is None:
        return ""
    seen = view()
    if not running:
        return f"after round {seen.round}: {_STOPPED}"
    assert until is not None
    with users_code(lambda: f"run(until), {_named(until)}, in round {seen.round}"):
        met = until(seen)
    if not isinstance(met, bool | np.bool_) and not (isinstance(met, Tensor) and met.numel() == 1):
        raise TypeError(
            f"run(until) must return True or False, got {brief(met)} in round {seen.round}; of numbers of many members "
            "and replicates say whether .all() or .any() are meant"
        )
    return f"after round {seen.round}: {_named(until)}" if bool(met) else ""


def content(until: Condition | None) -> str:
    """By what a checkpoint knows a condition again: a digest; of one that counts that of its class."""
    if until is None:
        return ""
    return digest(type(until) if hasattr(until, "state") else until)


def is_over(stopped: str, until: Condition | None) -> bool:
    """Whether a run that comes back from a checkpoint had met this very condition."""
    return until is not None and stopped.partition(": ")[2] == _named(until)


def _named(until: Condition) -> str:
    return getattr(until, "__name__", repr(until))
