"""Bundles: components that go through the same operations, as one tensor operation each."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

import numpy as np
import torch
from torch import Tensor

from ecosystem.curation import Users
from ecosystem.engine.wiring import NONE, Wiring
from ecosystem.transforms import LinearMap, Transform


@dataclass
class Bundle:
    """Components with one source cohort, one kind of users and transform, read at one time.

    ``slot`` are their positions in the task's components, ``owner`` the task row of each. Equal *origins* (source row,
    users, transform) give equal laws: they are worked out once, ``origin`` says which one a component has.
    """

    cohort: int
    fresh: bool
    delay: int
    after: bool  # users choose after the transform
    slot: np.ndarray
    owner: Tensor
    component: Tensor
    origin: Tensor
    source: Tensor  # [origins], row in the cohort
    users: Users | None  # batch [origins, variants, 1]
    transform: Transform | None  # batch [origins, variants, 1]
    memo: dict[str, object] = field(default_factory=dict)

    @cached_property
    def no_offset(self) -> bool:
        """Whether its transforms are linear without an offset."""
        return isinstance(self.transform, LinearMap) and not bool(self.transform.offset.any())

    @cached_property
    def one_per_row(self) -> bool:
        """Whether every row of the task has just one component here."""
        return len(self.owner) == int(self.owner[-1]) + 1 and bool((self.owner == torch.arange(len(self.owner))).all())

    @cached_property
    def reading(self) -> tuple[int, bool, int]:
        """What is read: cohort, fresh, delay."""
        return self.cohort, self.fresh, self.delay


def bundles_of(wiring: Wiring, components: np.ndarray, owner: np.ndarray, fresh: np.ndarray) -> list[Bundle]:
    """The bundles of a task, in a fixed order."""
    if not len(components):
        return []
    treatment = wiring.treatment[components]
    source = wiring.source[components]
    keys = np.stack(
        [source[:, 0], fresh[components], wiring.delay[components], treatment[:, 0], treatment[:, 2], treatment[:, 3]],
        axis=1,
    )
    distinct, which = np.unique(keys, axis=0, return_inverse=True)
    bundles = []
    for number, (cohort, is_fresh, delay, users_kind, after, transform_kind) in enumerate(distinct):
        slot = np.flatnonzero(which.reshape(-1) == number)
        origins = np.stack([source[slot, 1], treatment[slot, 1], treatment[slot, 4]], axis=1)
        unique, origin = np.unique(origins, axis=0, return_inverse=True)
        rows = torch.from_numpy(np.ascontiguousarray(unique))
        users = wiring.users.stack(users_kind).take(rows[:, 1]) if users_kind != NONE else None
        transform = wiring.transforms.stack(transform_kind).take(rows[:, 2]) if transform_kind != NONE else None
        bundles.append(
            Bundle(
                int(cohort),
                bool(is_fresh),
                int(delay),
                bool(after),
                slot,
                torch.from_numpy(owner[slot]),
                torch.from_numpy(components[slot]),
                torch.from_numpy(origin.reshape(-1)),
                rows[:, 0],
                cast("Users | None", users),
                cast("Transform | None", transform),
            )
        )
    return bundles
