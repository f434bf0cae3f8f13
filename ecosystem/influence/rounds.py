"""Rounds as the engine plays them, from any state: for trajectories, and for the Jacobian of a round.

The *state* of an ecosystem is more than its parameters: flows with a delay read what members were, and a window of past
data is part of what the next fit sees.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ecosystem.core.products import any_bits
from ecosystem.core.streams import Stream, word
from ecosystem.engine import step as engine
from ecosystem.engine.waves import Plan
from ecosystem.influence.dynamics import Dynamics
from ecosystem.orderings import Ordering, as_ordering
from ecosystem.retention import window
from ecosystem.running.variants import has_random_clocks
from ecosystem.schedules import every, is_never

Memories = list[dict[str, Any]]
_LONGEST = 500  # rounds of a hyper-period


@dataclass(frozen=True)
class State:
    """``past[d] [columns, size]`` are the parameters ``d`` rounds ago, ``memories`` what retention kept."""

    past: tuple[Tensor, ...]
    memories: Memories

    @property
    def now(self) -> Tensor:
        return self.past[0]


@dataclass(frozen=True)
class Turn:
    """One round: its number, ranks and who is due ``[members]``, its waves; rounds of one ``key`` are alike."""

    number: int
    ranks: np.ndarray
    due: Tensor
    plan: Plan
    key: tuple[bytes, bytes]


class Rounds:
    """The rounds of a scenario under an ordering (its own by default), on the population."""

    def __init__(self, dynamics: Dynamics, ordering: Any = None, seed: int = 0) -> None:
        self.dynamics = dynamics
        self.ordering: Ordering = dynamics.scenario.ordering if ordering is None else as_ordering(ordering)
        self.ordering.check(dynamics.names)
        self.depth = int(dynamics.wiring.delay[dynamics.live].max(initial=0))
        self._rng = Stream.root([(seed, 0)])
        schedules = [dynamics.scenario.member(name).schedule for name in dynamics.names]
        clocks = [s if isinstance(s, every) else None for s in schedules]
        self._clocked = np.array([clock is not None for clock in clocks])
        self._periods = np.array([1 if clock is None else int(clock.period) for clock in clocks])
        self._starts = np.array([0 if clock is None else int(clock.start) for clock in clocks])
        self._others = [(i, s) for i, s in enumerate(schedules) if clocks[i] is None and not is_never(s)]
        self.period = math.lcm(*self._periods.tolist())
        # a hyper-period too long to be looked at as one map is followed as random rounds are
        self.random = self.ordering.random or has_random_clocks(dynamics.scenario) or self.period > _LONGEST
        start = int(self._starts.max())
        self.first = 1 + self.period * math.ceil(start / self.period)  # from here on every period is like the next

    def begin(self, vector: Tensor) -> State:
        """The state of an ecosystem that starts at ``vector [columns, size]``."""
        return State((vector,) * (self.depth + 1), [{} for _ in self.dynamics.cohorts])

    def at_rest(self, vector: Tensor) -> State:
        """The state after many rounds at a stable point ``vector [columns, size]``: windows of data are full of it.

        Filled by rounds in which everybody is due: at rest the contents are the same, whatever the clocks.
        """
        kept = [cohort.retention for cohort in self.dynamics.cohorts]
        state = self.begin(vector)
        everybody = self._turn(0, np.zeros(len(self._periods), dtype=np.int64), self.dynamics.moves)
        for _ in range(max((r.rounds for r in kept if isinstance(r, window)), default=0)):
            state = State(state.past, self.played(state, everybody).memories)
        filled = [m if isinstance(r, window) else {} for m, r in zip(state.memories, kept, strict=True)]
        return State(state.past, filled)

    def turn(self, number: int, frozen: np.ndarray | None = None) -> Turn:
        """Who retrains in round ``number``, and in what waves; members that are ``frozen`` do not."""
        ranks = self.ordering.ranks(self.dynamics.names, number, self._rng)
        ranks = ranks if ranks.ndim == 1 else ranks[:, 0]
        due = self._due(number)
        due = due if frozen is None else due & ~frozen
        return self._turn(number, ranks, due)

    def _turn(self, number: int, ranks: np.ndarray, due: np.ndarray) -> Turn:
        asked = torch.from_numpy(due)
        plan = self.dynamics.compiled(ranks, asked)
        return Turn(number, ranks, asked, plan, (ranks.tobytes(), due.tobytes()))

    def played(self, state: State, turn: Turn, differentiable: bool = False) -> State:
        """The state after a round; ``differentiable`` for rounds that torch is to differentiate."""
        columns = len(state.now)
        program = self.dynamics.program(columns, differentiable=differentiable)
        begun = self.dynamics.state(state.past, state.memories).changed(round=turn.number - 1)
        who = engine.Turn(turn.ranks, turn.due.reshape(-1, 1, 1).expand(-1, 1, columns), turn.plan)
        with any_bits():
            ended, _ = engine.step(program, begun, turn=who)
        return State((self.dynamics.layout.pack(ended.now, ended.audience), *state.past[:-1]), list(ended.memories))

    def _due(self, number: int) -> np.ndarray:
        """Who retrains in a round, ``[members]``."""
        since = number - 1 - self._starts
        due = self._clocked & (since >= 0) & (since % self._periods == 0)
        for member, schedule in self._others:
            rng = self._rng.at("schedule")[0].at(word(self.dynamics.names[member]))
            due[member] = bool(schedule.due(number, rng))
        return due
