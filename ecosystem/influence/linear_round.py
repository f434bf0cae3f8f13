"""One round of the engine, linearised about a stable point: what a small change of the state becomes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property, partial

import numpy as np
import torch
from torch import Tensor
from torch.func import vjp
from torch.nn.functional import pad

from ecosystem.influence.jacobian import DENSE, Jacobian, dense, derivative
from ecosystem.influence.parts import COLUMNS, Parts, parts_of_members
from ecosystem.influence.rounds import Rounds, State, Turn
from ecosystem.influence.spectra import radius_by_products, radius_of_dense

_ROUNDS, _FORGOTTEN = 4000, 40  # of random orders, to measure a Lyapunov exponent; the first ones do not count
_KEPT, _ALONE = 24, 240  # kinds of rounds kept as matrices, and rounds of other kinds that are looked at
_FEWEST, _TOGETHER = 100, 32  # so many of these at least; changes followed together at the price of one
_BATCHES = 20  # whose means tell the error


class LinearRound:
    """The derivative of rounds at a stable point, a state at ``rest``; members that are ``frozen`` stand still.

    The state is the parameters now and before (as far back as delays reach) and all that retention has kept of past
    data and that moves with them.
    """

    def __init__(self, rounds: Rounds, rest: State, frozen: np.ndarray) -> None:
        self.rounds = rounds
        self.frozen = frozen
        self.rest = rest
        self._matrices: dict[tuple[bytes, bytes], Tensor] = {}
        self._linearised = 0
        self._still = torch.from_numpy(frozen)[rounds.dynamics.layout.owners()].repeat(len(self.rest.past))
        self._kept = [
            (c, name) for c, m in enumerate(self.rest.memories) for name, t in m.items() if t.is_floating_point()
        ]
        self._kept = self._reached()
        self._still = torch.cat([self._still, *(self._resting(c, name) for c, name in self._kept)])
        self.flat = self._flattened(self.rest)[0]

    def rate(self) -> float:
        """The spectral radius of a round: the root of a hyper-period's, over which every clock repeats."""
        period = self.rounds.period
        turns = [self._turn(number) for number in range(self.rounds.first, self.rounds.first + period)]
        return self._radius(turns) ** (1 / period)

    def lyapunov(self) -> tuple[float, float, float]:
        """``e^γ`` with the Lyapunov exponent ``γ`` of random rounds, its standard error, and the worst round seen.

        A small change of each strongly connected part is followed, without what others make of it, through thousands
        of rounds where there are few kinds of them, else hundreds: the slowest decides. The worst is the largest
        spectral radius of a single round (NaN where Θ is large).
        """
        labels, levels = self._parts.labels, torch.from_numpy(self._parts.levels)
        inside = (levels[labels] == torch.arange(int(levels.max()) + 1).unsqueeze(-1)).to(self.flat.dtype)
        v = torch.sin(torch.arange(1, len(self.flat) + 1, dtype=self.flat.dtype)) * inside
        growth: list[np.ndarray] = []
        for number in range(self.rounds.first, self.rounds.first + _ROUNDS):
            product = self._product(self._turn(number), max(1, len(v) // _TOGETHER))
            if product is None:
                break
            v = product(v) * inside
            norm = v.norm().reshape(1) if len(levels) == 1 else self._norms(v)
            with np.errstate(divide="ignore"):
                growth.append(np.log(norm.numpy()))
            if not bool(norm.any()):
                return 0.0, 0.0, self._worst()
            v = v / torch.where(norm > 0, norm, 1.0)[labels]
        means = np.array([float(part.mean()) for part in np.array(growth[_FORGOTTEN:]).T.copy()])
        counted = np.array(growth[_FORGOTTEN:])[:, int(means.argmax())].copy()
        batches = [float(part.mean()) for part in np.array_split(counted, _BATCHES)]
        rate = math.exp(float(counted.mean()))
        return rate, rate * float(np.std(batches, ddof=1)) / math.sqrt(_BATCHES), self._worst()

    def _norms(self, v: Tensor) -> Tensor:
        """The norm of each part's change in ``v [levels, all]``, ``[parts]``."""
        squares = v.new_zeros(len(self._parts.levels)).index_add_(0, self._parts.labels, (v**2).sum(0))
        return squares.sqrt()

    def fading(self, change: Tensor) -> Iterator[float]:
        """The largest number of what is left of a change of all parameters, ``[size]``, after 1, 2, ... rounds."""
        kept = len(self.flat) - len(self.rest.past) * len(change)
        v = torch.cat([*[change] * len(self.rest.past), change.new_zeros(kept)]).unsqueeze(0)
        for number in itertools.count(self.rounds.first):
            turn = self._turn(number)
            v = derivative(partial(self._played, turns=[turn]), self.flat.unsqueeze(0), v)[1]
            yield float(v[:, : len(change)].abs().max())

    def _product(self, turn: Turn, dear: int) -> Callable[[Tensor], Tensor] | None:
        """What a round does to small changes; None when enough rounds, each so ``dear``, have been linearised singly.

        The first few kinds of rounds are kept as matrices: of few members there are no others.
        """
        played = partial(self._played, turns=[turn])
        if turn.key not in self._matrices and len(self._matrices) < _KEPT and len(self.flat) <= DENSE:
            self._matrices[turn.key] = dense(played, self.flat, 256)
        matrix = self._matrices.get(turn.key)
        if matrix is not None:
            return lambda v: v @ matrix.T
        self._linearised += 1
        if self._linearised > max(_FEWEST, _ALONE // dear):
            return None
        return lambda v: derivative(played, self.flat.expand_as(v), v)[1]

    def _worst(self) -> float:
        return max((radius_of_dense(matrix) for matrix in self._matrices.values()), default=math.nan)

    def _turn(self, number: int) -> Turn:
        return self.rounds.turn(number, self.frozen)

    def _radius(self, turns: list[Turn]) -> float:
        if len(self.flat) <= DENSE:
            return radius_of_dense(dense(lambda s: self._played(s, turns), self.flat, 256))
        jacobian = Jacobian(lambda s: self._played(s, turns), self.flat, COLUMNS)
        return radius_by_products(jacobian.push, self._parts)

    @cached_property
    def _parts(self) -> Parts:
        """Who is strongly connected with whom, by the numbers of the state."""
        dynamics = self.rounds.dynamics
        owners = [dynamics.layout.owners().repeat(len(self.rest.past))]
        for c, name in self._kept:
            index = dynamics.cohorts[c].index
            owners.append(index.repeat_interleave(self.rest.memories[c][name].numel() // len(index)))
        return parts_of_members(dynamics).of(torch.cat(owners))

    def _played(self, flat: Tensor, turns: list[Turn]) -> Tensor:
        """The state ``[columns, all]`` some rounds later."""
        still = pad(self._still, (0, flat.shape[-1] - len(self._still)))
        rest = self._flattened(self.rest)[0]
        state = self._state(torch.where(still, rest, flat))  # what stands still is no direction
        for turn in turns:
            state = self.rounds.played(state, turn, differentiable=True)
        return self._flattened(state)

    # -- the state as one vector -----------------------------------------------------------------------------------

    def _reached(self) -> list[tuple[int, str]]:
        """The tensors of memories that move when parameters do: a count of rounds goes its own way."""
        if not self._kept:
            return []
        everybody = [self.rounds.everybody]  # compiled here: inside, tensors have no numbers to look at
        value, pull = vjp(lambda s: self._played(s, everybody), self._flattened(self.rest))[:2]
        sizes = [self.rest.memories[c][name].numel() for c, name in self._kept]
        first, *ends = np.cumsum([len(self._still), *sizes]).tolist()
        spans = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
        causes = []
        for span in spans:
            weights = torch.zeros_like(value)
            weights[:, span] = torch.linspace(0.5, 1.5, span.stop - span.start, dtype=value.dtype)
            causes.append(pull(weights)[0][0] != 0)
        moved = torch.arange(value.shape[1]) < first
        for _ in spans:  # what reaches one may reach the next
            for span, cause in zip(spans, causes, strict=True):
                moved[span] |= bool((cause & moved).any())
        return [kept for kept, span in zip(self._kept, spans, strict=True) if bool(moved[span].any())]

    def _resting(self, c: int, name: str) -> Tensor:
        """Which numbers of a memory belong to members that never retrain: nothing changes them."""
        dynamics = self.rounds.dynamics
        resting = torch.from_numpy(~dynamics.moves)[dynamics.cohorts[c].index]
        return resting.repeat_interleave(self.rest.memories[c][name].numel() // len(resting))

    def _flattened(self, state: State) -> Tensor:
        columns = len(state.now)
        kept = [state.memories[c][name].transpose(0, 2).reshape(columns, -1) for c, name in self._kept]
        return torch.cat([*state.past, *kept], -1)

    def _state(self, flat: Tensor) -> State:
        columns, size = len(flat), self.rest.now.shape[1]
        past = flat[:, : size * len(self.rest.past)].split(size, dim=1)
        memories = [
            {key: value.repeat(1, 1, columns, *(1,) * (value.ndim - 3)) for key, value in memory.items()}
            for memory in self.rest.memories
        ]
        at = size * len(past)
        for c, name in self._kept:
            kept = self.rest.memories[c][name]
            shape = (columns, kept.shape[1], kept.shape[0], *kept.shape[3:])
            memories[c][name] = flat[:, at : at + kept.numel()].reshape(shape).transpose(0, 2)
            at += kept.numel()
        return replace(self.rest, past=past, memories=memories)
