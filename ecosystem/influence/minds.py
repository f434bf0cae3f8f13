"""Tastes that move, as part of the vector that solvers have: behind the parameters of all members."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from ecosystem.engine.audience import Audience


@dataclass(frozen=True)
class Mind:
    """Where the tastes of one kind of users stand: from ``start``, ``width`` numbers for each row."""

    kind: int
    watched: Tensor  # the member that each row's users look at
    start: int
    width: int

    @property
    def span(self) -> slice:
        return slice(self.start, self.start + len(self.watched) * self.width)


class Minds:
    """The users who move: a taste ``w`` is one more block of ``Θ``, that of the member its users look at."""

    def __init__(self, audience: Audience, start: int) -> None:
        self.audience = audience
        self.parts: list[Mind] = []
        for kind, stack in enumerate(audience.stacks):
            if stack.learn is not None:
                watched = torch.tensor(audience.watched[kind])
                self.parts.append(Mind(kind, watched, start, stack.reward.state().shape[-1]))
                start = self.parts[-1].span.stop
        self.end = start

    def __bool__(self) -> bool:
        return bool(self.parts)

    def owners(self) -> list[Tensor]:
        """The member that each number belongs to, kind by kind."""
        return [mind.watched.repeat_interleave(mind.width) for mind in self.parts]

    def pack(self, audience: Audience, columns: int) -> list[Tensor]:
        """Parts ``[columns, rows · width]`` from the users of as many replicates."""
        out = []
        for mind in self.parts:
            state = cast(Tensor, audience.stacks[mind.kind].reward.state())
            state = state.expand(len(mind.watched), 1, columns, mind.width)
            out.append(state[:, 0].transpose(0, 1).flatten(1))
        return out

    def unpack(self, vector: Tensor) -> Audience:
        """The users with tastes ``vector [columns, size]``, a replicate for each column."""
        audience, columns = self.audience, len(vector)
        for mind in self.parts:
            state = vector[:, mind.span].unflatten(-1, (len(mind.watched), mind.width)).transpose(0, 1).unsqueeze(1)
            old = audience.stacks[mind.kind]
            wide = old.map(lambda t: t.repeat(1, 1, columns, *(1,) * (t.ndim - 3)) if t.shape[2] == 1 else t)
            audience = audience.replaced(mind.kind, wide.with_state(state))
        return audience

    def named(self, names: list[str], vector: Tensor) -> dict[str, Tensor]:
        """The tastes in ``vector [size]`` by member, ``[kinds of users who look at it, p]`` one after the other."""
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
