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
_TOGETHER = 1 << 16  # components of bundles that are made together: what they need beside is little


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
    eaten: Sequence[tuple[np.ndarray, np.ndarray]],
    fresh: np.ndarray,
    sizes: list[int],
    device: torch.device,
) -> list[list[Bundle]]:
    """The bundles of each task, in a fixed order; of all tasks at once, for calls cost more than what they do.

    ``eaten``: the components of each task and the rows of their owners; ``sizes`` are the members of each cohort,
    ``transforms`` by kind.
    """
    found: list[list[Bundle]] = [[] for _ in eaten]
    lengths = [len(components) for components, _ in eaten]
    components, owner = (many[0] if len(many) == 1 else np.concatenate(many) for many in zip(*eaten, strict=True))
    if not len(components):
        return found
    kinds, order, ends = _sorted(wiring, components, lengths)
    begins = np.cumsum([0, *lengths]).tolist()
    taken: dict[int, tuple[np.ndarray, Any]] = {}  # by kind of transforms, the last: raw and curated data share theirs
    for some in np.split(np.arange(len(ends)), np.flatnonzero(np.diff(ends // _TOGETHER)) + 1):
        begin = int(ends[some[0] - 1]) if some[0] else 0
        count, here = np.diff(ends[some], prepend=begin), order[begin : ends[some[-1]]]
        part = components[here]
        origins, origin, is_fresh = _origins(wiring, part, fresh[part], count, np.array(sizes)[kinds[some, 1]])
        many = [torch.from_numpy(each).to(device).split(count.tolist()) for each in (owner[here], part, origin)]
        slots = np.split(here, np.cumsum(count[:-1]))
        all_rows = torch.from_numpy(np.concatenate(origins)).to(device).split([len(unique) for unique in origins])
        for kind, slot, unique, rows, its_fresh, *its in zip(
            kinds[some].tolist(), slots, origins, all_rows, is_fresh, *many, strict=True
        ):
            task, cohort, delay, users, after, transform = kind
            slot -= begins[task]
            if transform != NONE and (transform not in taken or not np.array_equal(taken[transform][0], unique[:, 2])):
                taken[transform] = unique[:, 2], transforms[transform].take(rows[:, 2])
            found[task].append(
                Bundle(
                    cohort=cohort,
                    delay=delay,
                    after=bool(after),
                    slot=slot,
                    owner=its[0],
                    component=its[1],
                    origin=its[2],
                    source=rows[:, 0],
                    fresh=its_fresh,
                    people=(users, rows[:, 1]) if users != NONE else None,
                    transform=taken[transform][1] if transform != NONE else None,
                )
            )
    return found


def _sorted(wiring: Wiring, components: np.ndarray, lengths: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The kinds of bundles of tasks with so many components each, these bundle by bundle, and where each ends.

    A kind: the task, cohort, delay, kind of users, whether they choose after the transform, kind of transform.
    """
    users, _, after, transform, _ = wiring.treated(components)
    task = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    kinds, which = _distinct(task, wiring.read(components)[0], wiring.delay[components], users, after, transform)
    short = which.astype(np.min_scalar_type(len(kinds)))  # is sorted by radix
    return kinds, np.argsort(short, kind="stable"), np.cumsum(np.bincount(short))


def _origins(
    wiring: Wiring, components: np.ndarray, fresh: np.ndarray, count: np.ndarray, members: np.ndarray
) -> tuple[list[np.ndarray], np.ndarray, list[bool | None]]:
    """The origins of bundles whose components stand one after the other, ``count`` of each.

    Of each bundle the distinct rows (source, users, transform), of each component which of these it has, and of each
    bundle whether it reads fresh (None: both). ``members`` are those of the cohort that a bundle reads.
    """
    bundle = np.repeat(np.arange(len(count)), count)
    many = np.add.reduceat(fresh, np.cumsum(count) - count, dtype=np.int64)
    mixed = (many > 0) & (many < count)
    source = wiring.read(components)[1]  # a copy
    source += fresh * np.where(mixed, members, 0)[bundle]  # the fresh rows stand behind the old ones
    _, users, _, _, transform = wiring.treated(components)
    unique, origin = _distinct(bundle, source, users, transform)
    first = np.searchsorted(unique[:, 0], np.arange(len(count) + 1))
    origin -= first[bundle]
    is_fresh = [None if both else some > 0 for both, some in zip(mixed.tolist(), many.tolist(), strict=True)]
    return np.split(unique[:, 1:], first[1:-1]), origin, is_fresh


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
