"""Pushes ``b = ∂T/∂(number)``: where a small change of each source's number moves its readers at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from ecosystem.engine.population import gather_population
from ecosystem.engine.round import Round
from ecosystem.influence.dynamics import Dynamics
from ecosystem.influence.linear_flows import LinearFlows
from ecosystem.influence.numbers import Numbers

_NUMBERS = 1 << 25  # in flight while pushes are worked out


class Pushes(Protocol):
    """One push ``[size]`` for each source."""

    def rows(self, names: Sequence[str]) -> Tensor:
        """The pushes of some sources, ``[names, size]``."""
        ...

    def against(self, weights: Tensor) -> Tensor:
        """``weights [n, size]`` times the push of every source, ``[n, sources]``."""
        ...

    def own(self) -> Tensor:
        """What the push of each source that is a member does to this member itself, in its own block: ``[size]``."""
        ...

    def sizes(self, names: Sequence[str]) -> Tensor:
        """The norm of the longest push of one member by each of some sources, ``[names]``."""
        ...


def pushes_of(numbers: Numbers, flows: LinearFlows, names: Sequence[str]) -> Pushes:
    """The pushes of some sources; where each moves a member of its own, all are worked out at once."""
    readers = {name: numbers.readers(flows.dynamics.scenario, name) for name in names}
    moved = [reader for many in readers.values() for reader in many]
    if all(len(many) == 1 for many in readers.values()) and len(set(moved)) == len(moved):
        return Apart(numbers, flows, names, {name: many[0] for name, many in readers.items()})
    return Spread(numbers, flows, names)


class Apart:
    """Every source moves one member that no other moves: one derivative along all numbers together gives them all."""

    def __init__(self, numbers: Numbers, flows: LinearFlows, names: Sequence[str], homes: dict[str, str]) -> None:
        self.dynamics, self.names, self.homes = flows.dynamics, names, homes
        tangent = torch.zeros_like(self.dynamics.shares)
        for name in homes:
            numbers.write(self.dynamics, name, tangent)
        self.vector = flows.pushed(tangent)
        flows.forget()

    def rows(self, names: Sequence[str]) -> Tensor:
        return selected(self.dynamics, self.vector, [self.homes[name] for name in names])

    def against(self, weights: Tensor) -> Tensor:
        return summed(self.dynamics, weights, self.vector, [self.homes[name] for name in self.names])

    def own(self) -> Tensor:
        return self.vector

    def sizes(self, names: Sequence[str]) -> Tensor:
        members = [self.dynamics.index[self.homes[name]] for name in names]
        return lengths(self.dynamics, self.vector.unsqueeze(0))[0, members]


class Spread:
    """Pushes of any members, worked out some sources at a time whenever they are asked for."""

    def __init__(self, numbers: Numbers, flows: LinearFlows, names: Sequence[str]) -> None:
        self.numbers, self.flows, self.names = numbers, flows, list(names)
        self.dynamics = flows.dynamics
        widest = max((fit.stack.vector().shape[-1] + fit.statistic.shape[-1] for fit in flows.fits), default=1)
        self.batch = max(1, _NUMBERS // max(1, len(self.dynamics.shares) * widest))

    def rows(self, names: Sequence[str]) -> Tensor:
        parts = [self._rows(names[at : at + self.batch]) for at in range(0, len(names), self.batch)]
        return torch.cat(parts) if parts else self.flows.point.new_zeros(0, len(self.flows.point))

    def against(self, weights: Tensor) -> Tensor:
        return torch.cat([weights @ self.rows(part).T for part in self._parts()], 1)

    def own(self) -> Tensor:
        out, layout = torch.zeros_like(self.flows.point), self.dynamics.layout
        for part in self._parts():
            for name, row in zip(part, self.rows(part), strict=True):
                span = layout.span(self.dynamics.index[name]) if name in self.dynamics.index else None
                if span is not None:
                    out[span] = row[span]
        return out

    def sizes(self, names: Sequence[str]) -> Tensor:
        return torch.cat([lengths(self.dynamics, self.rows(part)).amax(-1) for part in self._parts(names)])

    def _parts(self, names: Sequence[str] | None = None) -> list[list[str]]:
        """Names whose pushes fit the memory together."""
        step, names = max(1, min(self.batch, _NUMBERS // len(self.flows.point))), list(names or self.names)
        return [names[at : at + step] for at in range(0, len(names), step)]

    def _rows(self, names: Sequence[str]) -> Tensor:
        """What members train on is linear in shares: the shares of many sources, one a column."""
        tangents = torch.zeros(len(self.dynamics.shares), 1, len(names), dtype=self.flows.point.dtype)
        for k, name in enumerate(names):
            self.numbers.write(self.dynamics, name, tangents[:, :, k : k + 1])
        program = self.dynamics.program(len(names), newest=True, differentiable=True)
        point = self.flows.point.unsqueeze(0)
        state = self.dynamics.state(
            [point], shares=self.dynamics.layout.minds.moved(point, self.dynamics.shares, tangents)
        )
        now, layout = Round(program, state, 0, program.rng), self.dynamics.layout
        out = tangents.new_zeros(len(names), len(self.flows.point))
        for fit in self.flows.fits:
            moved = gather_population(now, fit.task)[:, 0]  # [rows, names, Q]
            answers = moved if fit.plain else moved @ fit.matrix.mT
            out[:, layout.numbers_of(fit.task.members)] = answers.transpose(0, 1)
        return out


# -- blocks of members -------------------------------------------------------------------------------------------------


def selected(dynamics: Dynamics, blocks: Tensor, names: Sequence[str]) -> Tensor:
    """One row for each name: ``blocks [size]`` with all but its own block 0, ``[names, size]``."""
    out = blocks.new_zeros(len(names), len(blocks))
    for row, name in zip(out, names, strict=True):
        for here in dynamics.layout.spans(dynamics.index[name]):
            row[here] = blocks[here]
    return out


def summed(dynamics: Dynamics, rows: Tensor, blocks: Tensor, names: Sequence[str]) -> Tensor:
    """``Σ rows · blocks`` over each name's own block, ``[rows, names]``, of ``blocks [size]`` or ``[rows, size]``."""
    members = torch.tensor([dynamics.index[name] for name in names], dtype=torch.int64)
    return dynamics.layout.totals(rows, torch.atleast_2d(blocks)).index_select(1, members)


def lengths(dynamics: Dynamics, rows: Tensor) -> Tensor:
    """The norm of each member's block, ``[rows, members]`` from ``[rows, size]``."""
    return dynamics.layout.totals(rows, rows).sqrt()
