"""All parameters of an ecosystem as one vector, as solvers want them, and as stacked generators, as the engine does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor

from ecosystem.engine.cohorts import Cohort
from ecosystem.engine.looped import Stack
from ecosystem.engine.state import State
from ecosystem.generators import ClosedForm
from ecosystem.influence.minds import Minds

_AT_ONCE = 1 << 20  # numbers that are multiplied at a time


@dataclass(frozen=True)
class Block:
    """Where a cohort's moving members stand in the vector: from ``start``, ``width`` numbers for each of ``rows``."""

    cohort: int
    rows: Tensor  # in the cohort
    members: Tensor  # in the scenario
    start: int
    width: int

    @property
    def span(self) -> slice:
        return slice(self.start, self.start + len(self.rows) * self.width)

    def of(self, stack: Stack) -> ClosedForm:
        """Its members in a stack of the cohort; not copied where they are all of it."""
        whole = len(self.rows) == stack.batch_shape[0]
        return cast(ClosedForm, stack if whole else stack.take(self.rows))


class Layout:
    """The order of parameters in a vector ``[columns, size]``: cohort by cohort, member by member.

    Only members that ``move`` have a place; the others keep their starting parameters. Behind them stand the users who
    move, as in a ``state`` (``minds``).
    """

    def __init__(self, cohorts: Sequence[Cohort], moves: np.ndarray, state: State) -> None:
        self.starts = [cast(ClosedForm, cohort.start) for cohort in cohorts]
        self.blocks: list[Block] = []
        self.size = 0
        for c, cohort in enumerate(cohorts):
            rows = torch.from_numpy(np.flatnonzero(moves[cohort.ids])).to(cohort.device)
            if len(rows):
                width = self.starts[c].vector().shape[-1]
                self.blocks.append(Block(c, rows, cohort.index[rows], self.size, width))
                self.size += len(rows) * width
        self.minds = Minds(state, self.size)
        self.size = self.minds.end
        self.place = np.full(len(moves), -1)  # which block a member stands in, -1 if it does not move
        self._row = np.zeros(len(moves), dtype=np.int64)
        for b, block in enumerate(self.blocks):
            members = block.members.cpu().numpy()
            self.place[members], self._row[members] = b, np.arange(len(block.rows))

    def span(self, member: int) -> slice | None:
        """Where a member's parameters stand; None if it does not move."""
        if self.place[member] < 0:
            return None
        block = self.blocks[self.place[member]]
        start = block.start + int(self._row[member]) * block.width
        return slice(start, start + block.width)

    def spans(self, member: int) -> Iterator[slice]:
        """Where its parameters stand, and the tastes of those who look at it."""
        if (own := self.span(member)) is not None:
            yield own
        for mind in self.minds.parts:
            for row in (mind.watched == member).nonzero().flatten().tolist():
                yield slice(mind.start + row * mind.width, mind.start + (row + 1) * mind.width)

    def rows_of(self, members: Tensor | np.ndarray) -> np.ndarray:
        """The rows of some members in their blocks."""
        return self._row[np.asarray(members)]

    def numbers_of(self, members: Tensor | np.ndarray) -> Tensor:
        """Where the parameters of some members of one block stand, ``[members, width]``."""
        block = self.blocks[self.place[int(members[0])]]
        first = block.start + block.width * torch.from_numpy(self.rows_of(members))
        return first.unsqueeze(-1) + torch.arange(block.width)

    def tangent(self, vector: Tensor) -> Tensor:
        """The part of changes ``[columns, size]`` that stays inside the families."""
        parts = [
            self.starts[block.cohort].tangent(vector[:, block.span].unflatten(-1, (-1, block.width))).flatten(1)
            for block in self.blocks
        ]
        return torch.cat([*parts, *(vector[:, mind.span] for mind in self.minds.parts)], -1)

    def largest(self, vector: Tensor) -> Tensor:
        """The largest ``|number|`` of each moving member in ``[columns, size]``, at each of its numbers."""
        parts = []
        for block in (*self.blocks, *self.minds.parts):
            rows = vector[:, block.span].unflatten(-1, (-1, block.width))
            largest = torch.linalg.vector_norm(rows, torch.inf, -1, keepdim=True)
            parts.append(largest.repeat(1, 1, block.width).flatten(1))
        return parts[0] if len(parts) == 1 else torch.cat(parts, -1)

    def totals(self, a: Tensor, b: Tensor) -> Tensor:
        """``Σ a·b`` over the numbers of each member, rows ``a, b [columns or 1, size]``: ``[columns, members]``."""
        columns = len(a) if len(b) == 1 else len(b)
        out = a.new_zeros(columns, len(self.place))
        for members, span, width in self._parts():
            step = max(1, _AT_ONCE // (max(1, columns) * width))
            for some in range(0, len(members), step):
                who = members[some : some + step]
                here = slice(span.start + some * width, span.start + (some + len(who)) * width)
                out.index_add_(1, who.repeat_interleave(width), a[:, here] * b[:, here])  # number by number, as ever
        return out

    def movers(self) -> Tensor:
        """The members that move, as they stand in the vector."""
        return torch.cat([block.members for block in self.blocks])

    def _parts(self) -> Iterator[tuple[Tensor, slice, int]]:
        """Whose numbers stand where: members, from where to where, and how many each has."""
        yield from ((block.members, block.span, block.width) for block in self.blocks)
        yield from ((mind.watched, mind.span, mind.width) for mind in self.minds.parts)

    def owners(self) -> Tensor:
        """The member that each number of the vector belongs to, ``[size]``."""
        own = [block.members.repeat_interleave(block.width) for block in self.blocks]
        return torch.cat([*own, *self.minds.owners()])

    def nodes(self) -> Tensor:
        """What each number of the vector belongs to, a member or some users who move, as numbers, ``[size]``."""
        tastes = [len(mind.watched) for mind in self.minds.parts]
        first = 1 + int(self.owners().max())
        own = [block.members.repeat_interleave(block.width) for block in self.blocks]
        for mind, count in zip(self.minds.parts, tastes, strict=True):
            own.append(torch.arange(first, first + count).repeat_interleave(mind.width))
            first += count
        return torch.cat(own)

    def pack(self, stacks: Sequence[Stack], state: State) -> Tensor:
        """``[columns, size]`` from stacks with batch ``[members, 1, columns]``, and the users of a state alike.

        It may share memory with them: what is packed is read, not written.
        """
        parts = []
        for block in self.blocks:
            vector = cast(ClosedForm, stacks[block.cohort]).vector()
            rows = vector if len(block.rows) == vector.shape[0] else vector.index_select(0, block.rows)
            parts.append(rows[:, 0].transpose(0, 1).flatten(1))
        parts += self.minds.pack(state, len(parts[0]))
        return parts[0] if len(parts) == 1 else torch.cat(parts, -1)  # one is not copied: it may be gigabytes

    def unpack(self, vector: Tensor) -> list[Stack]:
        """Stacks with batch ``[members, 1, columns]`` from ``[columns, size]``."""
        stacks: list[Stack] = list(self.starts)
        columns = len(vector)
        moving = {block.cohort for block in self.blocks}
        for c, start in enumerate(self.starts):
            if start.batch_shape[2] == 1 and columns > 1 and c in moving:
                stacks[c] = start.map(lambda t: t.repeat(1, 1, columns, *(1,) * (t.ndim - 3)))
        for block, rows in zip(self.blocks, self.rows(vector), strict=True):
            stacks[block.cohort] = _written(cast(ClosedForm, stacks[block.cohort]), block, rows)
        return stacks

    def rows(self, vector: Tensor) -> Iterator[Tensor]:
        """The blocks of a vector, each ``[rows, 1, columns, width]``."""
        for block in self.blocks:
            part = vector[:, block.span].unflatten(-1, (len(block.rows), block.width))
            yield part.transpose(0, 1).unsqueeze(1)


def _written(stack: ClosedForm, block: Block, rows: Tensor) -> ClosedForm:
    """A stack with other parameters of the members of a block, ``rows [rows, 1, columns, width]``."""
    if len(block.rows) == stack.batch_shape[0]:
        return with_vector(stack, rows)
    fresh = with_vector(stack.take(block.rows), rows).moving()
    merged = {name: old.index_copy(0, block.rows, fresh[name]) for name, old in stack.moving().items()}
    return stack.rebuild({**stack.tensors(), **merged})


def with_vector(stack: ClosedForm, vector: Tensor) -> ClosedForm:
    """A stack with other moving parameters, ``vector [*batch, width]``: the inverse of ``stack.vector()``."""
    batch = len(stack.batch_shape)
    moving, at = {}, 0
    for name, old in stack.moving().items():
        size = old[(0,) * batch].numel()
        moving[name] = vector[..., at : at + size].reshape(*vector.shape[:-1], *old.shape[batch:])
        at += size
    return stack.rebuild({**stack.tensors(), **moving})
