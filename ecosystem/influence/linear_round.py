"""One round of the engine, linearised about a stable point: what a small change of the state becomes."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property, partial

import numpy as np
import torch
from torch import Tensor
from torch.func import vjp
from torch.nn.functional import pad

from ecosystem.influence.jacobian import DENSE, Jacobian, columns_that_fit, dense
from ecosystem.influence.parts import COLUMNS, Parts, parts_of_members
from ecosystem.influence.rounds import Rounds, State, Turn
from ecosystem.influence.spectra import radius_by_products, radius_of_dense


class LinearRound:
    """The derivative of rounds at a stable point, a state at ``rest``; members that are ``frozen`` stand still.

    The state is the parameters now and before (as far back as delays reach) and all that retention has kept of past
    data and that moves with them.
    """

    def __init__(self, rounds: Rounds, rest: State, frozen: np.ndarray) -> None:
        self.rounds = rounds
        self.frozen = frozen
        self.rest = rest
        self._still = torch.from_numpy(frozen)[rounds.dynamics.layout.owners()].repeat(len(self.rest.past))
        self._kept = [
            (c, name) for c, m in enumerate(self.rest.memories) for name, t in m.items() if t.is_floating_point()
        ]
        self._kept = self._reached()
        self._still = torch.cat([self._still, *(self._resting(c, name) for c, name in self._kept)])
        self.flat = self._flattened(self.rest)[0]

    def rate(self) -> float:
        """The spectral radius of a round: the root of a hyper-period's, over which every clock repeats."""
        return self._radius() ** (1 / self.rounds.period)

    def matrix(self) -> Tensor:
        """What a hyper-period does to small changes, written out."""
        return dense(partial(self.played, turns=self._turns()), self.flat, 256)

    def turn(self, number: int) -> Turn:
        """A round, without the members that stand still."""
        return self.rounds.turn(number, self.frozen)

    def _turns(self) -> list[Turn]:
        first = self.rounds.first
        return [self.turn(number) for number in range(first, first + self.rounds.period)]

    def _radius(self) -> float:
        if len(self.flat) <= DENSE:
            return radius_of_dense(self.matrix())
        played = partial(self.played, turns=self._turns())
        jacobian = Jacobian(played, self.flat, columns_that_fit(played, self.flat, COLUMNS))
        return radius_by_products(jacobian.push, self.parts)

    @cached_property
    def parts(self) -> Parts:
        """Who is strongly connected with whom, by the numbers of the state."""
        dynamics = self.rounds.dynamics
        owners = [dynamics.layout.owners().repeat(len(self.rest.past))]
        for c, name in self._kept:
            index = dynamics.cohorts[c].index
            owners.append(index.repeat_interleave(self.rest.memories[c][name].numel() // len(index)))
        return parts_of_members(dynamics).of(torch.cat(owners))

    def played(self, flat: Tensor, turns: list[Turn]) -> Tensor:
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
        value, pull = vjp(lambda s: self.played(s, everybody), self._flattened(self.rest))[:2]
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
