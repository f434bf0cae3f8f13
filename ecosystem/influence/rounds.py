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

from ecosystem.engine.rounds import play
from ecosystem.engine.waves import Plan, compile_plan
from ecosystem.influence.dynamics import Dynamics, nobody
from ecosystem.orderings import Ordering, as_ordering
from ecosystem.products import any_bits
from ecosystem.retention import window
from ecosystem.schedules import Schedule, every
from ecosystem.streams import Stream, word

Memories = list[dict[str, Any]]


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
    """One round: its number, its waves, and who is due ``[members]``; rounds of one ``key`` are alike."""

    number: int
    plan: Plan
    due: Tensor
    key: tuple[bytes, bytes]


class Rounds:
    """The rounds of a scenario under an ordering (its own by default), on the population."""

    def __init__(self, dynamics: Dynamics, ordering: Any = None, seed: int = 0) -> None:
        self.dynamics = dynamics
        self.ordering: Ordering = dynamics.scenario.ordering if ordering is None else as_ordering(ordering)
        self.ordering.check(dynamics.names)
        self.depth = int(dynamics.wiring.delay[dynamics.live].max(initial=0))
        self._rng = Stream.root([(seed, 0)])
        self._plans: dict[tuple[bytes, bytes], Plan] = {}
        self._schedules = [dynamics.scenario.member(name).schedule for name in dynamics.names]
        self.random = self.ordering.random or any(schedule.random for schedule in self._schedules)
        clocks = [s for s in self._schedules if isinstance(s, every)]
        self.period = math.lcm(*(int(s.period) for s in clocks)) if clocks else 1
        start = max((int(s.start) for s in clocks), default=0)
        self.first = 1 + self.period * math.ceil(start / self.period)  # from here on every period is like the next

    def begin(self, vector: Tensor) -> State:
        """The state of an ecosystem that starts at ``vector [columns, size]``."""
        return State((vector,) * (self.depth + 1), [{} for _ in self.dynamics.cohorts])

    def at_rest(self, vector: Tensor) -> State:
        """The state after many rounds at a stable point ``vector [columns, size]``: memories are full of it."""
        rounds = max((c.retention.rounds for c in self.dynamics.cohorts if isinstance(c.retention, window)), default=0)
        state = self.begin(vector)
        for number in range(self.first, self.first + self.period * rounds):
            state = State(state.past, self.played(state, self.turn(number)).memories)
        return state

    def turn(self, number: int, frozen: np.ndarray | None = None) -> Turn:
        """Who retrains in round ``number``, and in what waves; members that are ``frozen`` do not."""
        ranks = self.ordering.ranks(self.dynamics.names, number, self._rng)
        ranks = ranks if ranks.ndim == 1 else ranks[:, 0]
        due = np.array([self._due(i, schedule, number) for i, schedule in enumerate(self._schedules)])
        due = due if frozen is None else due & ~frozen
        key = (ranks.tobytes(), due.tobytes())
        if key not in self._plans:
            self._plans[key] = compile_plan(self.dynamics.wiring, self.dynamics.cohorts, ranks, due)
        return Turn(number, self._plans[key], torch.from_numpy(due), key)

    def played(self, state: State, turn: Turn, differentiable: bool = False) -> State:
        """The state after a round; ``differentiable`` for rounds that torch is to differentiate."""
        layout, columns = self.dynamics.layout, len(state.now)
        past = [layout.unpack(vector) for vector in state.past]
        memories = [dict(memory) for memory in state.memories]
        world = self.dynamics.round(turn.number, past[0], past, memories, columns, differentiable=differentiable)
        due = turn.due.reshape(-1, 1, 1).expand(-1, 1, columns)
        with any_bits():
            play(world, self.dynamics.wiring, turn.plan, due, nobody)
        return State((layout.pack(world.generators), *state.past[:-1]), memories)

    def _due(self, member: int, schedule: Schedule, number: int) -> bool:
        rng = self._rng.at("schedule")[0].at(word(self.dynamics.names[member]))
        return bool(schedule.due(number, rng))
