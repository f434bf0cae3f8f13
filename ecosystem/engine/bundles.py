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
        return replace(self, stack=stack, users=stack.take(rows))

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
    treatment, source, is_fresh = wiring.treatment[components], wiring.source[components], fresh[components]
    keys = np.stack([source[:, 0], wiring.delay[components], treatment[:, 0], treatment[:, 2], treatment[:, 3]], axis=1)
    distinct, which = _distinct(keys)
    bundles = []
    for number, (cohort, delay, users_kind, after, transform_kind) in enumerate(distinct):
        slot = np.flatnonzero(which.reshape(-1) == number)
        some, every = bool(is_fresh[slot].any()), bool(is_fresh[slot].all())
        # where both are read, the fresh rows stand behind the old ones
        row = source[slot, 1] + (is_fresh[slot] * sizes[cohort] if some and not every else 0)
        origins = np.stack([row, treatment[slot, 1], treatment[slot, 4]], axis=1)
        unique, origin = _distinct(origins)
        rows = torch.from_numpy(np.ascontiguousarray(unique)).to(device)
        people = (int(users_kind), rows[:, 1]) if users_kind != NONE else None
        transform = transforms[transform_kind].take(rows[:, 2]) if transform_kind != NONE else None
        bundles.append(
            Bundle(
                cohort=int(cohort),
                delay=int(delay),
                after=bool(after),
                slot=slot,
                owner=torch.from_numpy(owner[slot]).to(device),
                component=torch.from_numpy(components[slot]).to(device),
                origin=torch.from_numpy(origin.reshape(-1)).to(device),
                source=rows[:, 0],
                fresh=None if some and not every else every,
                people=people,
                transform=transform,
            )
        )
    return bundles


def _distinct(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct rows ``[n, columns]`` of whole numbers, in lexical order, and which of them each row is.

    What ``np.unique`` says along an axis, by one number for each row: far faster where there are many.
    """
    low = rows.min(0)
    sizes = (rows.max(0) - low + 1).tolist()
    if math.prod(sizes) >= 2**63:
        distinct, which = np.unique(rows, axis=0, return_inverse=True)
        return distinct, which.reshape(-1)
    number = np.zeros(len(rows), dtype=np.int64)
    for column, size in enumerate(sizes):
        number = number * size + (rows[:, column] - low[column])
    _, first, which = np.unique(number, return_index=True, return_inverse=True)
    return rows[first], which.reshape(-1)
