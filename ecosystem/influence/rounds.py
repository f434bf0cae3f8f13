"""Rounds as the engine plays them, from any state: for trajectories, and for the Jacobian of a round.

The *state* of an ecosystem is more than its parameters: flows with a delay read what members were, and what retention
has kept of past data is part of what the next fit sees.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ecosystem.core.memory import Watch, fitting
from ecosystem.core.products import any_bits
from ecosystem.core.streams import Stream
from ecosystem.engine import step as engine
from ecosystem.engine.memories import settled
from ecosystem.engine.population import gather_population
from ecosystem.engine.waves import Plan
from ecosystem.influence.dynamics import Dynamics
from ecosystem.orderings import Ordering, as_ordering
from ecosystem.scenario.network import standing_for_all
from ecosystem.schedules import Schedule

Memories = list[dict[str, Any]]
_LONGEST = 500  # rounds of a hyper-period
_SMALL = 1 << 12  # numbers of all columns of which nobody asks what their round costs


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
        self._plans: dict[tuple[bytes, bytes], Plan] = {}
        self._widths: dict[tuple[tuple[bytes, bytes], int], int] = {}
        alone = ((members, clock.take((slice(None), 0, 0))) for members, clock in dynamics.program(1).clocks)
        self._clocks = [(members, clock, self._draws(clock, members)) for members, clock in alone]
        schedules = {id(member.schedule): member.schedule for _, member, _ in standing_for_all(dynamics.scenario)}
        cycles = [schedule.cycle() for schedule in schedules.values() if not schedule.is_never]
        known = [cycle for cycle in cycles if cycle is not None]
        self.period = math.lcm(*(period for _, period in known))
        # without a period, or with one too long to be looked at as one map, they are followed as random rounds are
        self.random = self.ordering.random or None in cycles or self.period > _LONGEST
        start = max((first - 1 for first, _ in known), default=0)
        self.first = 1 + self.period * math.ceil(start / self.period)  # from here on every period is like the next
        if not self.random:
            self._check_cycles()

    def begin(self, vector: Tensor) -> State:
        """The state of an ecosystem that starts at ``vector [columns, size]``."""
        return State((vector,) * (self.depth + 1), [{} for _ in self.dynamics.cohorts])

    def at_rest(self, vector: Tensor) -> State:
        """The state after many rounds at a stable point ``vector [columns, size]``: memories are full of it.

        At rest their contents are the same, whatever the clocks; of those who average everything ever seen there are
        none. :class:`Unsettled` where a memory does not come to rest.
        """
        state, now = self.begin(vector), self.dynamics.round_at(vector)
        for task in self.dynamics.tasks(now):
            cohort = self.dynamics.cohorts[task.cohort]
            if cohort.retention.averages:
                continue
            with any_bits():
                fresh = gather_population(now, task)
            memory, rows = state.memories[task.cohort], torch.from_numpy(task.rows)
            for name, value in settled(cohort.retention, fresh).items():
                blank = value.new_zeros(len(cohort.ids), *value.shape[1:])
                memory[name] = memory.get(name, blank).index_copy(0, rows, value)
        return state

    @property
    def everybody(self) -> Turn:
        """A round in which all who ever retrain do so, at once."""
        return self._turn(0, np.zeros(len(self.dynamics.names), dtype=np.int64), self.dynamics.moves)

    def turn(self, number: int, frozen: np.ndarray | None = None) -> Turn:
        """Who retrains in round ``number``, and in what waves; members that are ``frozen`` do not."""
        ranks = self.ordering.ranked(self.dynamics.names, number, self._rng)
        ranks = ranks if ranks.ndim == 1 else ranks[:, 0]
        due = self._due(number)
        due = due if frozen is None else due & ~frozen
        return self._turn(number, ranks, due)

    def _turn(self, number: int, ranks: np.ndarray, due: np.ndarray) -> Turn:
        key = (ranks.tobytes(), due.tobytes())
        if key not in self._plans:
            self._plans[key] = self.dynamics.compiled(ranks, torch.from_numpy(due))
        return Turn(number, ranks, torch.from_numpy(due), self._plans[key], key)

    def played(self, state: State, turn: Turn, differentiable: bool = False, shares: Tensor | None = None) -> State:
        """The state after a round; ``differentiable`` for rounds that torch is to differentiate.

        ``shares [components, 1, columns]`` are other shares than the scenario's, of the flows that carry anything. As
        many columns at a time as keep to the budget of memory: each is alone, but for last bits of products.
        """
        columns = len(state.now)
        most = columns if differentiable else self.at_a_time(state, turn, shares)
        if most >= columns:
            return self._played(state, turn, differentiable, shares)
        some = [slice(i, i + most) for i in range(0, columns, most)]
        parts = [self._played(_columns(state, i), turn, False, _of(shares, i)) for i in some]
        memories = [
            {name: torch.cat([part.memories[c][name] for part in parts], 2) for name in memory}
            for c, memory in enumerate(parts[0].memories)
        ]
        return State((torch.cat([part.now for part in parts]), *state.past[:-1]), memories)

    def at_a_time(self, state: State, turn: Turn, shares: Tensor | None = None) -> int:
        """How many columns of a state a round may have at a time; nobody need say what a curator makes of each."""
        columns, size = state.now.shape
        key = (turn.key, columns)
        if columns * size <= _SMALL or columns == 1:
            return columns
        if key not in self._widths:

            def peak(count: int) -> int:
                with Watch() as watch:
                    self._played(_columns(state, slice(count)), turn, False, _of(shares, slice(count)))
                return watch.most

            peak(1)  # what is kept from round to round is made before it is counted
            self._widths[key] = fitting(peak, columns)
        return self._widths[key]

    def _played(self, state: State, turn: Turn, differentiable: bool, shares: Tensor | None) -> State:
        columns = len(state.now)
        program = self.dynamics.program(columns, differentiable=differentiable)
        begun = self.dynamics.state(state.past, state.memories, shares).changed(round=turn.number - 1)
        begun = begun if shares is None else begun.changed(declared=shares)  # what users set is set in the round
        who = engine.Turn(turn.ranks, turn.due.reshape(-1, 1, 1).expand(-1, 1, columns), turn.plan)
        with any_bits():
            ended, _ = engine.step(program, begun, turn=who)
        return State((self.dynamics.layout.pack(ended.now, ended), *state.past[:-1]), list(ended.memories))

    def _check_cycles(self) -> None:
        """Refuse schedules that do not repeat as they say; one hyper-period tells."""
        for number in range(self.first, self.first + self.period):
            wrong = np.flatnonzero(self._due(number) != self._due(number + self.period))
            if len(wrong):
                name = self.dynamics.names[int(wrong[0])]
                schedule = self.dynamics.scenario.member(name).schedule
                raise ValueError(
                    f"the schedule of {name!r}, {schedule}, says cycle() = {schedule.cycle()}, and round {number} is "
                    f"not like round {number + self.period}; mend it, or let it return None"
                )

    def _draws(self, clock: Schedule, members: Tensor) -> Stream:
        """What some clocks draw from, ``[members]``; those that are not random draw nothing."""
        if not clock.random:
            return Stream(torch.zeros(1, dtype=torch.int64))
        return self._rng.at("schedule")[0].at(self.dynamics.program(1).words[members])

    def _due(self, number: int) -> np.ndarray:
        """Who retrains in a round, ``[members]``."""
        due = torch.zeros(len(self.dynamics.names), dtype=torch.bool)
        for members, schedule, rng in self._clocks:
            due[members] = schedule.says(number, rng, (len(members),))
        return due.numpy()


def _columns(state: State, index: slice) -> State:
    """Some columns of a state."""
    memories = [{name: value[:, :, index] for name, value in memory.items()} for memory in state.memories]
    return State(tuple(past[index] for past in state.past), memories)


def _of(shares: Tensor | None, index: slice) -> Tensor | None:
    return shares if shares is None or shares.shape[2] == 1 else shares[:, :, index]
