"""Bundles: components that go through the same operations, as one tensor operation each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ecosystem.curation import Users
from ecosystem.engine.audience import NONE, Audience
from ecosystem.engine.wiring import Wiring
from ecosystem.transforms import CustomMap, LinearMap

_TABLE = 1 << 12  # numbers of which a table is short anyway


@dataclass
class Bundle:
    """Components with one source cohort, delay, kind of users and transform.

    Some origins may be read fresh and others as they were; which is which must not decide in what order shares are
    added up, so both stand in one bundle. ``slot`` are the components' positions in the task, ``owner`` the task row of
    each. Equal *origins* (source row, users, transform) give equal laws: they are worked out once, ``origin`` says
    which one a component has.
    """

    cohort: int
    delay: int
    after: bool  # users choose after the transform
    slot: np.ndarray
    owner: Tensor
    component: Tensor
    origin: Tensor
    source: Tensor  # [origins], row in what ``Round.read`` gives
    fresh: bool | None  # whether origins are read fresh; None: some are
    people: tuple[int, Tensor] | None  # the kind of those who choose, and the row of each origin's
    transform: LinearMap | CustomMap | None  # batch [origins, variants, 1]
    stack: Users | None = None  # all of that kind, as they were when the bundle was last bound
    users: Users | None = None  # those of each origin, batch [origins, variants, replicates or 1]
    memo: dict[str, tuple[object, Any]] = field(default_factory=dict)

    def bound(self, audience: Audience) -> Bundle:
        """The same with the users of now; itself where nobody has changed, with what they have worked out."""
        if self.people is None or self.stack is audience.stacks[self.people[0]]:
            return self
        kind, rows = self.people
        stack = audience.stacks[kind]
        return replace(self, stack=stack, users=_whose(stack, rows))

    @cached_property
    def in_order(self) -> bool:
        """Whether origins are the first rows of what is read, in order."""
        return torch.equal(self.source, torch.arange(len(self.source), device=self.source.device))

    @cached_property
    def lengths(self) -> Tensor:
        """How many components each row of the task has here, up to the last that has one; ``owner`` ascends."""
        return torch.bincount(self.owner)

    @cached_property
    def slots(self) -> Tensor:
        """``slot``, where it computes."""
        return torch.from_numpy(self.slot).to(self.owner.device)

    def kept(self, name: str, source: object, make: Callable[[], Any]) -> Any:
        """What was made of a source, worked out once for each."""
        if name not in self.memo or self.memo[name][0] is not source:
            self.memo[name] = source, make()
        return self.memo[name][1]

    @cached_property
    def no_offset(self) -> bool:
        """Whether its transforms are linear without an offset."""
        known = None if self.transform is None else self.transform.linear()
        return known is not None and not bool(known[1].any())

    def linear(self, variants: int) -> tuple[Tensor, Tensor] | None:
        """Matrices ``[origins, variants, 1, e, d]`` and offsets of its transforms, if they are linear."""
        known = None if self.transform is None else self.transform.linear()
        if known is None:
            return None
        matrix, offset = known
        batch = (len(self.source), variants, 1)
        return matrix.expand(*batch, *matrix.shape[-2:]), offset.expand(*batch, *offset.shape[-1:])

    def shift(self, variants: int, event: tuple[int, ...]) -> Tensor | None:
        """The vectors by which its users shift every sample, if that is all they do.

        ``[origins, variants, replicates or 1, *event]``; a curator's vector may be one for all of them.
        """
        vector = None if self.users is None else self.users.curator.shift()
        if vector is None:
            return None
        replicates = vector.shape[2] if vector.ndim == 3 + len(event) else 1
        return vector.expand(len(self.source), variants, replicates, *event)

    @cached_property
    def one_per_row(self) -> bool:
        """Whether every row of the task has just one component here."""
        return len(self.owner) == int(self.owner[-1]) + 1 and bool(
            (self.owner == torch.arange(len(self.owner), device=self.owner.device)).all()
        )

    @cached_property
    def reading(self) -> tuple[int, int, int]:
        """What is read: cohort, delay, and whether fresh (2: both)."""
        return self.cohort, self.delay, 2 if self.fresh is None else int(self.fresh)


def bundles_of(
    wiring: Wiring,
    transforms: Sequence[Any],
    components: np.ndarray,
    owner: np.ndarray,
    fresh: np.ndarray,
    sizes: list[int],
    device: torch.device,
) -> list[Bundle]:
    """The bundles of a task, in a fixed order; ``sizes`` are the members of each cohort, ``transforms`` by kind."""
    if not len(components):
        return []
    users, users_row, after, transform, transform_row = wiring.treated(components)
    cohort_of, source = wiring.read(components)
    is_fresh = fresh[components]
    distinct, which = _distinct(cohort_of, wiring.delay[components], users, after, transform)
    bundles: list[Bundle] = []
    taken: dict[int, tuple[np.ndarray, Any]] = {}  # by kind of transforms, the last: raw and curated data share theirs
    for number, (cohort, delay, users_kind, after_it, transform_kind) in enumerate(distinct):
        slot = np.flatnonzero(which == number)
        some, every = bool(is_fresh[slot].any()), bool(is_fresh[slot].all())
        # where both are read, the fresh rows stand behind the old ones
        row = source[slot] + (is_fresh[slot] * sizes[cohort] if some and not every else 0)
        unique, origin = _distinct(row, users_row[slot], transform_row[slot])
        rows = torch.from_numpy(np.ascontiguousarray(unique)).to(device)
        people = (int(users_kind), rows[:, 1]) if users_kind != NONE else None
        if transform_kind != NONE:
            known = taken.get(transform_kind)
            if known is None or not np.array_equal(known[0], unique[:, 2]):
                taken[transform_kind] = unique[:, 2], transforms[transform_kind].take(rows[:, 2])
        bundles.append(
            Bundle(
                cohort=int(cohort),
                delay=int(delay),
                after=bool(after_it),
                slot=slot,
                owner=torch.from_numpy(owner[slot]).to(device),
                component=torch.from_numpy(components[slot]).to(device),
                origin=torch.from_numpy(origin).to(device),
                source=rows[:, 0],
                fresh=None if some and not every else every,
                people=people,
                transform=taken[transform_kind][1] if transform_kind != NONE else None,
            )
        )
    return bundles


def _whose(stack: Users, rows: Tensor) -> Users:
    """The users in some rows; where many look at what they all shift alike, once in memory for all of them."""
    if len(rows) < _TABLE or stack.curator.shift() is None or not bool((rows == rows[0]).all()):
        return stack.take(rows)
    return stack.take(rows[:1]).map(lambda t: t.expand(len(rows), *t.shape[1:]))


def _distinct(*columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct rows of columns of whole numbers, ``[n, columns]`` in lexical order, and which each row is.

    What ``np.unique`` says along an axis, by one number for each row, and by a table of these where that is short: of
    millions of rows, in a tenth of the time and of the memory.
    """
    if len(columns[0]) <= _TABLE:  # short ones are asked at once
        many = np.stack(columns)
        low, high = many.min(1).tolist(), many.max(1).tolist()
    else:
        low, high = [int(column.min()) for column in columns], [int(column.max()) for column in columns]
    sizes = [most - least + 1 for most, least in zip(high, low, strict=True)]
    if math.prod(sizes) >= 2**63:
        distinct, which = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
        return distinct, which.reshape(-1)
    number = np.zeros(len(columns[0]), dtype=np.int64)
    for column, least, size in zip(columns, low, sizes, strict=True):
        if size > 1:
            number *= size
            number += column
            number -= least
    present, which = _numbered(number, math.prod(sizes))
    rows = [part + least for part, least in zip(np.unravel_index(present, sizes), low, strict=True)]
    return np.stack(rows, axis=1), which


def _numbered(number: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The distinct ones of numbers below ``size``, ascending, and which of them each is."""
    if size > max(_TABLE, len(number)):
        present, which = np.unique(number, return_inverse=True)
        return present, which.reshape(-1)
    known = np.zeros(size, dtype=bool)
    known[number] = True
    place = np.cumsum(known)
    place -= 1
    return np.flatnonzero(known), place[number]
