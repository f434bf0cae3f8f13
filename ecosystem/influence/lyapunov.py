"""Rounds in random orders, linearised: at what rate a small change grows or fades in the long run."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ecosystem.influence.jacobian import DENSE, dense, derivative
from ecosystem.influence.linear_round import LinearRound
from ecosystem.influence.rounds import Turn
from ecosystem.influence.spectra import radius_of_dense

_ROUNDS, _FORGOTTEN = 4000, 40  # of random orders, to measure a Lyapunov exponent; the first ones do not count
_KEPT, _ALONE = 24, 240  # kinds of rounds kept as matrices, and rounds of other kinds that are looked at
_FEWEST, _TOGETHER = 100, 32  # so many of these at least; changes followed together at the price of one
_BATCHES = 20  # whose means tell the error


class Unseen(ValueError):
    """The rounds that were looked at do not say what becomes of a change in the long run."""


class Lyapunov:
    """The Lyapunov exponent of the rounds of a :class:`LinearRound`."""

    def __init__(self, linear: LinearRound) -> None:
        self.linear = linear
        self._matrices: dict[tuple[bytes, bytes], Tensor] = {}
        self._linearised = 0

    def measured(self) -> tuple[float, float, float]:
        """``e^γ`` with the Lyapunov exponent ``γ`` of random rounds, its standard error, and the worst round seen.

        A small change of each strongly connected part is followed, without what others make of it, through thousands
        of rounds where there are few kinds of them, else hundreds: the slowest decides. The worst is the largest
        spectral radius of a single round (NaN where Θ is large). :class:`Unseen` where a member that retrains did so in
        none of the rounds that count: its changes would seem to stay for ever.
        """
        labels, levels = self.linear.parts.labels, torch.from_numpy(self.linear.parts.levels)
        inside = (levels[labels] == torch.arange(int(levels.max()) + 1).unsqueeze(-1)).to(self.linear.flat.dtype)
        v = torch.sin(torch.arange(1, len(self.linear.flat) + 1, dtype=self.linear.flat.dtype)) * inside
        growth: list[np.ndarray] = []
        seen = ~self.linear.rounds.dynamics.moves | self.linear.frozen
        for number in range(self.linear.rounds.first, self.linear.rounds.first + _ROUNDS):
            turn = self.linear.turn(number)
            product = self._product(turn, max(1, len(v) // _TOGETHER))
            if product is None:
                break
            if len(growth) >= _FORGOTTEN:
                seen |= turn.due.numpy()
            v = product(v) * inside
            norm = v.norm().reshape(1) if len(levels) == 1 else self._norms(v)
            with np.errstate(divide="ignore"):
                growth.append(np.log(norm.numpy()))
            if not bool(norm.any()):
                return 0.0, 0.0, self._worst()
            v = v / torch.where(norm > 0, norm, 1.0)[labels]
        if not seen.all():
            name = self.linear.rounds.dynamics.names[int(seen.argmin())]
            raise Unseen(f"{name!r} retrained in none of the {len(growth) - _FORGOTTEN:,} rounds that were looked at")
        means = np.array([float(part.mean()) for part in np.array(growth[_FORGOTTEN:]).T.copy()])
        counted = np.array(growth[_FORGOTTEN:])[:, int(means.argmax())].copy()
        batches = [float(part.mean()) for part in np.array_split(counted, _BATCHES)]
        rate = math.exp(float(counted.mean()))
        return rate, rate * float(np.std(batches, ddof=1)) / math.sqrt(_BATCHES), self._worst()

    def _norms(self, v: Tensor) -> Tensor:
        """The norm of each part's change in ``v [levels, all]``, ``[parts]``."""
        squares = v.new_zeros(len(self.linear.parts.levels)).index_add_(0, self.linear.parts.labels, (v**2).sum(0))
        return squares.sqrt()

    def _product(self, turn: Turn, dear: int) -> Callable[[Tensor], Tensor] | None:
        """What a round does to small changes; None when enough rounds, each so ``dear``, have been linearised singly.

        The first few kinds of rounds are kept as matrices: of few members there are no others.
        """
        played = partial(self.linear.played, turns=[turn])
        if turn.key not in self._matrices and len(self._matrices) < _KEPT and len(self.linear.flat) <= DENSE:
            self._matrices[turn.key] = dense(played, self.linear.flat, 256)
        matrix = self._matrices.get(turn.key)
        if matrix is not None:
            return lambda v: v @ matrix.T
        self._linearised += 1
        if self._linearised > max(_FEWEST, _ALONE // dear):
            return None
        return lambda v: derivative(played, self.linear.flat.expand_as(v), v)[1]

    def _worst(self) -> float:
        return max((radius_of_dense(matrix) for matrix in self._matrices.values()), default=math.nan)
