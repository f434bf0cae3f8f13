"""Wiring: every component of every diet as one row of an array program.

A *component* is what one member trains on from one place: a raw share or a curated share of a flow, or its real data.
Components of a member stand together, curated ones first, then raw, then real. A wiring never changes; where other
users come to choose, another takes its place.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ecosystem.curation import Curator
from ecosystem.curation.demand import Part
from ecosystem.engine.audience import NONE, NOWHERE, Audience, Place
from ecosystem.engine.pools import Group, Pools, pools_of

CURATED, RAW, REAL = 0, 1, 2


@dataclass(frozen=True, eq=False)
class Component:
    """One row of the wiring; ``users`` and ``transform`` are (kind, row) among their like, or NOWHERE."""

    target: int
    group: int
    source: tuple[int, int]  # cohort (those behind the members' are sources of real data), row
    producer: int  # member, NONE for real data
    flow: tuple[str, str] | None
    users: Place = NOWHERE
    chooser: int = NONE  # the member whose users choose; NONE for users of the flow's own
    after: bool = False  # users choose after the transform
    transform: Place = NOWHERE
    delay: int = 0
    current: Tensor | None = None  # where its users still choose, [variants, replicates]; None: everywhere
    declared: bool = True  # by the scenario, and not by a change of users

    def chooses(self, cell: Sequence[int], device: torch.device | None = None) -> Tensor:
        """Where its users are those who choose now (others may have taken over), ``[variants, replicates]``."""
        return torch.ones(*cell, dtype=torch.bool, device=device) if self.current is None else self.current


@dataclass(frozen=True, eq=False)
class Columns(Sequence[Component]):
    """Components that are made when somebody looks at one: all that they say as arrays, ``[components]``.

    ``source``, ``users`` and ``transform`` are pairs, ``[components, 2]``.
    """

    names: Sequence[str]
    target: np.ndarray
    group: np.ndarray
    source: np.ndarray
    producer: np.ndarray
    users: np.ndarray
    chooser: np.ndarray
    after: np.ndarray
    transform: np.ndarray
    delay: np.ndarray

    def __len__(self) -> int:
        return len(self.target)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        target, producer, group = int(self.target[index]), int(self.producer[index]), int(self.group[index])
        return Component(
            target=target,
            group=group,
            source=_pair(self.source[index]),
            producer=producer,
            flow=None if group == REAL else (self.names[producer], self.names[target]),
            users=_pair(self.users[index]),
            chooser=int(self.chooser[index]),
            after=bool(self.after[index]),
            transform=_pair(self.transform[index]),
            delay=int(self.delay[index]),
        )


def _both(pairs: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Some of ``pairs [n, 2]``, as two columns."""
    return pairs[:, 0][rows], pairs[:, 1][rows]


def _pair(values: np.ndarray) -> Place:
    return int(values[0]), int(values[1])


@dataclass(frozen=True, eq=False)
class Judge:
    """Users by whose taste a member is judged, ``where [variants, replicates]`` (None: everywhere)."""

    place: Place
    where: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Wiring:
    """The components of all diets, and by whose taste each member is judged.

    ``direct``: members the mean of whose samples is drawn directly (see ``engine.exact``); ``whole``: members whose
    training sets are drawn in one piece; ``groups``: users who choose between members.
    """

    names: tuple[str, ...]
    components: Sequence[Component]
    judges: tuple[tuple[Judge, ...], ...]
    direct: np.ndarray
    whole: np.ndarray
    groups: tuple[Group, ...] = ()

    @cached_property
    def pools(self) -> tuple[Pools, ...]:
        """What the weights of users who choose between members set; nothing where there are none."""
        if not self.groups:
            return ()
        parts = [Part(c.flow and c.flow[0], self.names[c.target], c.group == CURATED) for c in self.components]
        return pools_of(parts, self.groups, self.index)

    @cached_property
    def target(self) -> np.ndarray:
        if isinstance(self.components, Columns):
            return self.components.target
        return np.array([c.target for c in self.components], dtype=np.int64)

    @cached_property
    def group(self) -> np.ndarray:
        if isinstance(self.components, Columns):
            return self.components.group
        return np.array([c.group for c in self.components], dtype=np.int64)

    @cached_property
    def source(self) -> np.ndarray:
        if isinstance(self.components, Columns):
            return self.components.source
        return np.array([c.source for c in self.components], dtype=np.int64).reshape(-1, 2)

    @cached_property
    def producer(self) -> np.ndarray:
        if isinstance(self.components, Columns):
            return self.components.producer
        return np.array([c.producer for c in self.components], dtype=np.int64)

    @cached_property
    def delay(self) -> np.ndarray:
        if isinstance(self.components, Columns):
            return self.components.delay
        return np.array([c.delay for c in self.components], dtype=np.int64)

    def treated(self, components: np.ndarray) -> tuple[np.ndarray, ...]:
        """What happens to some components on the way: users kind, users row, after, transform kind, transform row."""
        if isinstance(self.components, Columns):
            users, transform = self.components.users, self.components.transform
            after = self.components.after[components]
            return *_both(users, components), after.astype(np.int64), *_both(transform, components)
        return tuple(self._treatment[components].T)

    def read(self, components: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cohort and row that some components read."""
        return _both(self.source, components)

    @cached_property
    def _treatment(self) -> np.ndarray:
        parts = [(*c.users, c.after, *c.transform) for c in self.components]
        return np.array(parts, dtype=np.int64).reshape(-1, 5)

    @cached_property
    def first(self) -> np.ndarray:
        """Where the components of each member begin; one longer than there are members."""
        counts = np.bincount(self.target, minlength=len(self.names))
        return np.concatenate([[0], np.cumsum(counts)])

    @cached_property
    def index(self) -> dict[str, int]:
        """The place of each member."""
        return {name: i for i, name in enumerate(self.names)}

    def components_of(self, member: int) -> range:
        return range(int(self.first[member]), int(self.first[member + 1]))

    def places(self, flow: tuple[str, str], group: int) -> list[int]:
        """The components of one group of a flow: several where different users choose in different replicates."""
        return [i for i in parts_of(self, flow) if self.components[i].group == group]

    def changed(self, **parts: object) -> Wiring:
        """Another wiring with some parts changed."""
        return replace(self, **parts)  # type: ignore[arg-type]


def parts_of(wiring: Wiring, flow: tuple[str, str]) -> list[int]:
    """The components of a flow."""
    return [i for i in wiring.components_of(wiring.index[flow[1]]) if wiring.components[i].flow == flow]


def taken(wiring: Wiring) -> set[Place]:
    """The places of all users who choose for somebody or judge somebody, or would."""
    choosing = {c.users for c in wiring.components if c.users != NOWHERE}
    return choosing.union(judge.place for many in wiring.judges for judge in many)


def drawn_whole(components: Sequence[Component], audience: Audience, members: int, looped: Set[int]) -> np.ndarray:
    """Whose training sets are drawn in one piece: some users look at whole pools, or a model is looped over."""
    pools = {kind: stack.curator.pools is not False for kind, stack in enumerate(audience.stacks)}
    whole = np.zeros(members, dtype=bool)
    whole[[c.target for c in components if pools.get(c.users[0], False) or c.source[0] in looped]] = True
    return whole


def steady(curator: Curator) -> bool:
    """Whether what a curator keeps is what it was shown, moved by a fixed vector at most."""
    return curator.blind or curator.shift() is not None


def filled(wiring: Wiring, shares: Tensor) -> Tensor:
    """Shares ``[components, variants, replicates or 1]`` in which real data are what the others leave over.

    A remainder of rounding is none.
    """
    flows, real = [
        torch.from_numpy(i).to(shares.device)
        for i in (np.flatnonzero(wiring.group != REAL), np.flatnonzero(wiring.group == REAL))
    ]
    target = torch.from_numpy(wiring.target).to(shares.device)
    taken = shares.new_zeros(len(wiring.names), *shares.shape[1:])
    taken.index_add_(0, target[flows], shares[flows])
    rest = 1 - taken[target[real]]
    shares = shares.clone()
    shares[real] = torch.where(rest > 1e-9, rest, 0.0)
    return shares
