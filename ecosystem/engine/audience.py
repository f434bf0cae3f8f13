"""The audience: everybody whose taste judges or chooses, stacked by kind.

Users are part of the state. Those who move, and those whom an agent has changed, have rows of their own; others of one
taste and curator share one. A *place* is a kind and a row in it.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence, Set
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ecosystem.curation import Users
from ecosystem.engine.cohorts import Registry

Place = tuple[int, int]
NONE = -1
NOWHERE: Place = (NONE, NONE)


@dataclass(frozen=True, eq=False)
class Audience:
    """All users of an ecosystem.

    ``stacks[kind]`` has the batch ``[rows, variants, replicates or 1]``; the users in row ``i`` of a kind look at what
    the member ``watched[kind][i]`` makes.
    """

    stacks: tuple[Users, ...]
    watched: tuple[tuple[int, ...], ...]
    kinds: tuple[Hashable, ...]

    @classmethod
    def of(cls, registry: Registry, watched: dict[Place, int]) -> Audience:
        stacks = tuple(registry.stack(kind) for kind in range(len(registry)))
        many = tuple(
            tuple(watched[kind, row] for row in range(len(registry.rows(kind)))) for kind in range(len(registry))
        )
        return cls(stacks, many, tuple(registry.rows(kind)[0][0].kind() for kind in range(len(registry))))

    def at(self, place: Place) -> Users:
        """The users of a place, batch ``[1, variants, replicates or 1]``."""
        return self.stacks[place[0]].take(slice(place[1], place[1] + 1))

    def written(self, place: Place, users: Users, where: Tensor) -> Audience:
        """With other numbers of the same kind at a place, ``users [1, variants, replicates or 1]``.

        Only ``where [variants, replicates]``.
        """
        kind, row = place
        old, fresh = self.stacks[kind], users.tensors()
        tensors = {name: _put(tensor, row, fresh[name][0], where) for name, tensor in old.tensors().items()}
        return self.replaced(kind, old.rebuild(tensors))

    def rewards(self, places: Sequence[Place]) -> Any:
        """The rewards, all of one kind, of the users at some places, ``[places, variants, replicates or 1]``."""
        distinct = dict.fromkeys(places)
        if len(distinct) == 1:  # one taste for all, however many: no copies of it
            (kind, row), many = places[0], len(places)
            return self.stacks[kind].reward.take(slice(row, row + 1)).map(lambda t: t.expand(many, *t.shape[1:]))
        kinds = dict.fromkeys(kind for kind, _ in distinct)
        if len(kinds) == 1:
            return self.stacks[places[0][0]].reward.take(self.rows(places))
        parts = {kind: self.stacks[kind].reward.tensors() for kind in kinds}
        first = self.stacks[places[0][0]].reward
        tensors = {n: torch.cat(_alike(*(parts[k][n][r : r + 1] for k, r in places))) for n in first.tensors()}
        return first.rebuild(tensors)

    def rows(self, places: Sequence[Place]) -> Tensor:
        """The rows of some places of one kind, where its users live."""
        first = next(iter(self.stacks[places[0][0]].tensors().values()), None)
        return torch.tensor([row for _, row in places]).to("cpu" if first is None else first.device)

    def replaced(self, kind: int, stack: Users) -> Audience:
        """With another stack of a kind."""
        return Audience((*self.stacks[:kind], stack, *self.stacks[kind + 1 :]), self.watched, self.kinds)

    def housed(self, users: Users, watched: int, taken: Set[Place], own: int) -> tuple[Audience, Place]:
        """With a place for ``users [1, variants, replicates or 1]``: one that nobody has ``taken``, else one more.

        The first ``own`` kinds are the scenario's and stay what they are.
        """
        name, fresh = kind_of(users), users.tensors()
        if name in self.kinds:
            kind = self.kinds.index(name)
            old, many = self.stacks[kind], self.watched[kind]
            row = next((row for row in range(len(many)) if (kind, row) not in taken), len(many))
            pairs = {n: _alike(tensor, fresh[n]) for n, tensor in old.tensors().items()}
            stack = old.rebuild({n: torch.cat([a[:row], b, a[row + 1 :]]) for n, (a, b) in pairs.items()})
            many = _put_in(many, row, watched)
        else:
            busy = {kind for kind, _ in taken}
            kind = next((k for k in range(own, len(self.kinds)) if k not in busy), len(self.kinds))
            row, stack, many = 0, users, (watched,)
        stacks, everybody = _put_in(self.stacks, kind, stack), _put_in(self.watched, kind, many)
        return Audience(stacks, everybody, _put_in(self.kinds, kind, name)), (kind, row)

    def columns(self, index: Tensor) -> Audience:
        """That of some of the replicates."""
        return Audience(tuple(_columns(stack, index) for stack in self.stacks), self.watched, self.kinds)


def is_wide(users: Users) -> bool:
    """Whether users ``[rows, variants, replicates or 1]`` differ between replicates."""
    return any(tensor.shape[2] > 1 for tensor in users.tensors().values())


def _columns(stack: Users, index: Tensor) -> Users:
    return stack.take((slice(None), slice(None), index)) if is_wide(stack) else stack


def one(part: Any) -> Any:
    """One of many stacked parts, for what is said of all of them."""
    return None if part is None else part.take((0, 0, 0))


def in_cell(part: Any, variant: int, replicate: int) -> Any:
    """What stands in one cell of a part with batch ``[1, variants, replicates or 1]``."""
    if part is None:
        return None
    first = next(iter(part.tensors().values()), None)
    return part.take((0, variant, replicate if first is not None and first.shape[2] > 1 else 0))


def kind_of(users: Users) -> Hashable:
    """What users ``[1, variants, replicates]`` must share with others to be stacked."""
    return one(users).kind()


def as_wide(users: Users) -> Users:
    """Users ``[rows, variants, replicates or 1]`` whose numbers are all as wide as the widest of them."""
    width = max((tensor.shape[2] for tensor in users.tensors().values()), default=1)
    return users.map(lambda tensor: tensor.expand(*tensor.shape[:2], width, *tensor.shape[3:]))


def _alike(*tensors: Tensor) -> list[Tensor]:
    """Tensors ``[rows, variants, replicates or 1, ...]``, all of them as wide as the widest."""
    width = max(tensor.shape[2] for tensor in tensors)
    return [tensor.expand(*tensor.shape[:2], width, *tensor.shape[3:]) for tensor in tensors]


def _put_in(many: tuple[Any, ...], i: int, one: Any) -> tuple[Any, ...]:
    """Another one in a place, or behind the last."""
    return (*many[:i], one, *many[i + 1 :])


def _put(old: Tensor, row: int, fresh: Tensor, where: Tensor) -> Tensor:
    """``old [rows, variants, replicates or 1, ...]`` with ``fresh [variants, replicates or 1, ...]`` in a row."""
    wide = fresh.shape[1] > 1 or not bool((where == where[:, :1]).all())
    if wide and old.shape[2] == 1:
        old = old.expand(*old.shape[:2], where.shape[1], *old.shape[3:])
    here = where[:, : old.shape[2]]
    out = old.clone()
    out[row] = torch.where(here.reshape(*here.shape, *(1,) * (old.ndim - 3)), fresh, old[row])
    return out
