"""Users who move, as part of the vector that solvers have: tastes, then weights, behind the parameters of members."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from torch import Tensor

from ecosystem.engine.audience import Audience
from ecosystem.engine.pools import weighed
from ecosystem.engine.state import State
from ecosystem.influence.jacobian import derivative


@dataclass(frozen=True)
class Mind:
    """Where users stand: from ``start``, ``width`` numbers for each of those they ``watch``.

    The tastes of one ``kind`` of users, or (None) the weights of a group that chooses between members.
    """

    kind: int | None
    watched: Tensor  # the member that each row's users look at; of a group the one that stands for it
    start: int
    width: int
    first: int = 0  # where the weights of a group begin

    @property
    def span(self) -> slice:
        return slice(self.start, self.start + len(self.watched) * self.width)

    @property
    def weights(self) -> slice:
        """The weights of a group among those of all groups."""
        return slice(self.first, self.first + self.width)


class Minds:
    """The users who move, in a ``state``: a taste, or the weights of a group, is one more block of ``Θ``.

    A taste is that of the member its users look at, weights are those of the member that stands for the group.
    """

    def __init__(self, state: State, start: int) -> None:
        self.begun, self.audience = state, state.audience
        self.parts: list[Mind] = []
        for kind, stack in enumerate(self.audience.stacks):
            if stack.learn is not None:
                watched = torch.tensor(self.audience.watched[kind])
                self.parts.append(Mind(kind, watched, start, stack.reward.state().shape[-1]))
                start = self.parts[-1].span.stop
        for group in state.wiring.groups:
            who = torch.tensor([state.wiring.index[group.who]])
            self.parts.append(Mind(None, who, start, len(group.demand.among), group.first))
            start = self.parts[-1].span.stop
        self.end = start

    def __bool__(self) -> bool:
        return bool(self.parts)

    def owners(self) -> list[Tensor]:
        """The member that each number belongs to, kind by kind."""
        return [mind.watched.repeat_interleave(mind.width) for mind in self.parts]

    def pack(self, state: State, columns: int) -> list[Tensor]:
        """Parts ``[columns, rows · width]`` from the users of as many replicates."""
        out = []
        for mind in self.parts:
            if mind.kind is None:
                out.append(state.weights[mind.weights, 0].expand(-1, columns).transpose(0, 1))
                continue
            taste = cast(Tensor, state.audience.stacks[mind.kind].reward.state())
            taste = taste.expand(len(mind.watched), 1, columns, mind.width)
            out.append(taste[:, 0].transpose(0, 1).flatten(1))
        return out

    def unpack(self, vector: Tensor) -> Audience:
        """The users with tastes ``vector [columns, size]``, a replicate for each column."""
        audience, columns = self.audience, len(vector)
        for mind in self.parts:
            if mind.kind is None:
                continue
            state = vector[:, mind.span].unflatten(-1, (len(mind.watched), mind.width)).transpose(0, 1).unsqueeze(1)
            old = audience.stacks[mind.kind]
            wide = old.map(lambda t: t.repeat(1, 1, columns, *(1,) * (t.ndim - 3)) if t.shape[2] == 1 else t)
            audience = audience.replaced(mind.kind, wide.with_state(state))
        return audience

    def weights(self, vector: Tensor) -> Tensor:
        """The weights of all groups in ``vector [columns, size]``, ``[choices, 1, columns]``.

        Those of a group add up to 1: whatever is beside that is no direction in which they could move.
        """
        parts = [vector[:, mind.span] for mind in self.parts if mind.kind is None]
        whole = [(part / part.sum(-1, keepdim=True)).transpose(0, 1).unsqueeze(1) for part in parts]
        return torch.cat(whole) if whole else vector.new_zeros(0, 1, len(vector))

    def weighed(self, vector: Tensor, shares: Tensor) -> Tensor:
        """Declared ``shares [components, 1, columns or 1]`` as users set them at ``vector [columns, size]``."""
        return weighed(self.begun.wiring.pools, shares, self.weights(vector))

    def moved(self, vector: Tensor, shares: Tensor, by: Tensor) -> Tensor:
        """How shares move, at ``vector [1, size]``, when declared ``shares`` do: ``by [components, 1, n]``."""
        if not self.begun.wiring.pools:
            return by
        return torch.cat([derivative(partial(self.weighed, vector), shares, one)[1] for one in by.split(1, 2)], 2)

    def named(self, names: list[str], vector: Tensor) -> dict[str, Tensor]:
        """What is in ``vector [size]`` by member, end to end: tastes of those who look at it, then weights."""
        found: dict[str, list[Tensor]] = {}
        for name, span in self._places(names):
            found.setdefault(name, []).append(vector[span])
        return {name: torch.cat(many) for name, many in found.items()}

    def fill(self, vector: Tensor, names: list[str], tastes: dict[str, Tensor]) -> None:
        """Write tastes by member into ``vector [size]``; KeyError or IndexError where some are missing."""
        taken: dict[str, int] = {}
        for name, span in self._places(names):
            at, width = taken.get(name, 0), span.stop - span.start
            if len(tastes[name]) < at + width:
                raise IndexError(name)
            vector[span] = tastes[name][at : at + width]
            taken[name] = at + width

    def _places(self, names: list[str]) -> Iterator[tuple[str, slice]]:
        for mind in self.parts:
            for row, member in enumerate(mind.watched.tolist()):
                start = mind.start + row * mind.width
                yield names[member], slice(start, start + mind.width)
