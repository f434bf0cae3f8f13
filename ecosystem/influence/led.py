"""Where a scenario's own rounds lead along a continuum of stable points: the start decides, and so does the order."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ecosystem.engine.memories import Unsettled
from ecosystem.influence.continuum import Continuum, continuum_of
from ecosystem.influence.dynamics import Dynamics
from ecosystem.influence.jacobian import DENSE
from ecosystem.influence.linear_round import LinearRound
from ecosystem.influence.operators import Dense
from ecosystem.influence.pace import averaging
from ecosystem.influence.rounds import Rounds, State
from ecosystem.influence.trajectory import Trajectory

_NUMBERS = 1 << 28  # parameters of all rounds played on
_MOST = 5000  # rounds played on
_REST = 1e-14  # relative change of a round that nothing more comes of
_BENT = 1e-9  # of a change, what goes along the free directions where they are straight
_STEPS = 12


def led(rounds: Rounds, way: Trajectory, candidate: Tensor, free: Continuum) -> Tensor:
    """The stable point that the way ends at, ``[size]``; ``candidate`` is one of the same continuum, near that.

    A round takes a state to the next; about the continuum what is left of all rounds to come is ``Σ_t Mᵗ gap``, the
    group inverse of ``I − M`` times the gap, if none of it goes along the free directions. So rounds are played until
    that holds (at once where the free directions are straight), and the rest is worked out. Where a round cannot be
    had as one matrix (orders that are random, memories of past data) they are played until nothing moves.
    """
    dynamics = rounds.dynamics
    if way.exploded:
        return candidate
    if averaging(dynamics).any():  # steps shrink like 1/t: no number of rounds is enough
        return polished(dynamics, way.last, free)
    state, number = rounds.begin(way.first.unsqueeze(0)), 0
    most = max(way.rounds, min(_MOST, _NUMBERS // len(way.first)))
    linear = _linear(rounds, candidate, free)
    at = way.rounds
    while number < most:
        state, number, moved = _played(rounds, state, number, min(at, most))
        if moved <= _REST or (linear is not None and linear.straight(state, number)):
            break
        at = 2 * number
    if linear is not None:
        state = linear.ended(state, number)
    return polished(dynamics, state.now[0], free)


def _played(rounds: Rounds, state: State, number: int, until: int) -> tuple[State, int, float]:
    """The state after whole hyper-periods up to a round, which that is, and how far the last one moved."""
    moved, still = np.inf, 0
    while number < until and still < 3:
        before = state.now
        for _ in range(rounds.period):
            number += 1
            state = rounds.played(state, rounds.turn(number))
        moved = float(((state.now - before).abs() / (1 + before.abs())).max())
        still = still + 1 if moved <= _REST else 0
    return state, number, moved if still >= 3 or moved > _REST else 2 * _REST


def polished(dynamics: Dynamics, vector: Tensor, free: Continuum) -> Tensor:
    """``T(Θ) = Θ`` from near it, moving along no free direction."""
    best = np.inf
    for _ in range(_STEPS):
        gap = dynamics.retrained(vector.unsqueeze(0)) - vector
        size = float((gap.abs() / (1 + dynamics.layout.largest(vector.unsqueeze(0)))).max())
        if not size < 0.5 * best or size <= _REST:
            break
        vector, best = vector + free.within(gap)[0][0], size
    return vector


def _linear(rounds: Rounds, candidate: Tensor, free: Continuum) -> _Linear | None:
    """A hyper-period linearised, where it is a map of parameters now and before alone; None elsewhere."""
    if rounds.random or not _forgets(rounds, candidate):
        return None
    if rounds.period == 1 and rounds.depth == 0 and rounds.turn(rounds.first).key == rounds.everybody.key:
        return _Linear(rounds, free)
    rest = rounds.at_rest(candidate.unsqueeze(0))
    frozen = np.zeros(len(rounds.dynamics.names), dtype=bool)
    linear = LinearRound(rounds, rest, frozen)
    if len(linear.flat) > DENSE:
        return None
    operator = Dense(linear.matrix())
    whole = continuum_of(operator, len(linear.flat), operator.slack())
    return None if whole is None else _Linear(rounds, whole)


def _forgets(rounds: Rounds, candidate: Tensor) -> bool:
    """Whether nothing but parameters is handed from round to round."""
    try:
        return not any(rounds.at_rest(candidate.unsqueeze(0)).memories)
    except Unsettled:
        return False


class _Linear:
    """All rounds to come at once, by the free directions of a hyper-period."""

    def __init__(self, rounds: Rounds, free: Continuum) -> None:
        self.rounds, self.free = rounds, free

    def straight(self, state: State, number: int) -> bool:
        """Whether nothing of what the next hyper-period moves goes along the free directions."""
        flat = torch.cat(state.past, -1)
        gap = self._next(state, number) - flat
        along = self.free.along(gap).abs()
        return bool((along <= _BENT * gap.abs().max() + 1e-14 * (1 + flat.abs())).all())

    def ended(self, state: State, number: int) -> State:
        """The state that all rounds to come lead to."""
        best = np.inf
        for _ in range(_STEPS):
            flat = torch.cat(state.past, -1)
            gap = self._next(state, number) - flat
            size = float((gap.abs() / (1 + flat.abs())).max())
            if not size < 0.5 * best or size <= _REST:
                break
            flat, best = flat + self.free.within(gap)[0], size
            state = State(flat.split(state.now.shape[1], dim=1), state.memories)
        return state

    def _next(self, state: State, number: int) -> Tensor:
        for ahead in range(1, self.rounds.period + 1):
            state = self.rounds.played(state, self.rounds.turn(number + ahead))
        return torch.cat(state.past, -1)
