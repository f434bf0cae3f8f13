"""Wiring: every component of every diet as one row of an array program.

A *component* is what one member trains on from one place: a raw share or a curated share of a flow, or its real data.
Components of a member stand together, curated ones first, then raw, then real.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ecosystem.curation import Blind, Crowd, Shift, TopFraction, Users
from ecosystem.engine.cohorts import Cohort, Registry, generator_kind, stacked_generators
from ecosystem.generators import GenerativeModel, Location
from ecosystem.generators.sources import as_source
from ecosystem.scenario import Scenario
from ecosystem.scenario.descriptions import curated_by
from ecosystem.transforms import CustomMap

CURATED, RAW, REAL = 0, 1, 2
NONE = -1


@dataclass(eq=False)
class Component:
    """One row of the wiring; ``users`` and ``transform`` are (kind, row) in their registries, or NONE."""

    target: int
    group: int
    source: tuple[int, int]  # cohort, row
    producer: int  # member, NONE for real data
    flow: tuple[str, str] | None
    users: tuple[int, int] = (NONE, NONE)
    after: bool = False  # users choose after the transform
    transform: tuple[int, int] = (NONE, NONE)
    delay: int = 0
    current: Tensor | None = None  # where its users still choose, [variants, replicates]; None: everywhere

    @property
    def label(self) -> str:
        if self.flow is None:
            return "real"
        return self.flow[0] + (" (curated)" if self.group == CURATED else "")


class Wiring:
    """The components of all diets and their shares, for all variants and replicates."""

    def __init__(
        self, scenarios: Sequence[Scenario], cohorts: list[Cohort], replicates: int, build_samples: bool = False
    ) -> None:
        self.scenarios = scenarios
        self.build_samples = build_samples
        self.names = scenarios[0].names
        self.index = {name: i for i, name in enumerate(self.names)}
        self.place = {name: (c, row) for c, cohort in enumerate(cohorts) for row, name in enumerate(cohort.names)}
        self.users = Registry()
        self.transforms = Registry()
        self.components: list[Component] = []
        shares: list[list[float]] = []
        edges = self._edges()
        real = self._real_sources(cohorts, replicates)
        for target, v in enumerate(self.names):
            rows = [row for group in (CURATED, RAW) for u in edges[v] for row in self._flow(u, v, target, group)]
            if v in real:
                rows.append((Component(target, REAL, real[v], NONE, None), [0.0] * len(scenarios)))
            for component, share in rows:
                self.components.append(component)
                shares.append(share)
        self.shares = torch.tensor(shares, dtype=torch.float64).reshape(len(shares), len(scenarios), 1)
        self.sizes = [cohort.start.batch_shape[0] for cohort in cohorts]
        self._looped = {c for c, cohort in enumerate(cohorts) if not cohort.closed}
        self.refresh()
        self.exact = np.array([self._exact(v, cohorts) for v in self.names])

    def refresh(self) -> None:
        """Work out what depends on the list of components, after it has changed."""
        parts = self.components
        self.target = np.array([c.target for c in parts], dtype=np.int64)
        self.group = np.array([c.group for c in parts], dtype=np.int64)
        self.source = np.array([c.source for c in parts], dtype=np.int64).reshape(-1, 2)
        self.producer = np.array([c.producer for c in parts], dtype=np.int64)
        self.delay = np.array([c.delay for c in parts], dtype=np.int64)
        self.treatment = np.array([(*c.users, c.after, *c.transform) for c in parts], dtype=np.int64).reshape(
            -1, 5
        )  # users kind, users row, after, transform kind, transform row
        counts = np.bincount(self.target, minlength=len(self.names))
        self.first = np.concatenate([[0], np.cumsum(counts)])  # components of member i: first[i]..first[i+1]
        quota = {kind: _has_quota(self.users.stack(kind)) for kind in set(self.treatment[:, 0].tolist()) - {NONE}}
        self.whole = np.zeros(len(self.names), dtype=bool)  # whose training sets are drawn in one piece
        for c in parts:
            self.whole[c.target] |= quota.get(c.users[0], False) or c.source[0] in self._looped
        self.fill_real()

    def fill_real(self) -> None:
        """Real shares are what the others leave over (a remainder of rounding is none)."""
        target = torch.from_numpy(self.target)
        is_real = torch.from_numpy(self.group == REAL)
        taken = self.shares.new_zeros(len(self.names), *self.shares.shape[1:])
        taken.index_add_(0, target[~is_real], self.shares[~is_real])
        rest = 1 - taken[target[is_real]]
        self.shares[is_real] = torch.where(rest > 1e-9, rest, 0.0)

    def components_of(self, member: int) -> range:
        return range(int(self.first[member]), int(self.first[member + 1]))

    def insert(self, component: Component, share: Tensor) -> None:
        """Add a component beside its like."""
        place = (
            max(
                (i for i in self.components_of(component.target) if self.components[i].group <= component.group),
                default=int(self.first[component.target]) - 1,
            )
            + 1
        )
        self.components.insert(place, component)
        self.shares = torch.cat([self.shares[:place], share.unsqueeze(0), self.shares[place:]])
        self.refresh()

    def _edges(self) -> dict[str, list[str]]:
        """The producers of each member: the union over variants, in the order of the first that has the flow."""
        edges: dict[str, dict[str, None]] = {name: {} for name in self.names}
        for scenario in self.scenarios:
            for u, v in scenario.graph.edges:
                edges[v][u] = None
        return {v: list(many) for v, many in edges.items()}

    def _flow(self, u: str, v: str, target: int, group: int) -> list[tuple[Component, list[float]]]:
        """The raw or curated component of a flow, with its share in each variant; none where all are 0."""
        flows = [s.flow(u, v) if s.graph.has_edge(u, v) else None for s in self.scenarios]
        present = [flow for flow in flows if flow is not None]
        share = [0.0 if f is None else (f.curated if group == CURATED else f.raw) for f in flows]
        if group == CURATED and not any(share):
            return []
        where = f"flow {u!r} → {v!r}"
        if len({f.delay for f in present}) > 1:
            raise ValueError(f"variants must have one shape, but {where} has different delays")
        component = Component(target, group, self.place[u], self.index[u], (u, v), delay=present[0].delay)
        transforms = [flow.transform for flow in _filled(flows)]
        if any(t is not None for t in transforms):
            if any(t is None for t in transforms):
                raise ValueError(f"variants must have one shape, but {where} has a transform in some only")
            component.transform = self.transforms.add(transforms, f"the transform of {where}")
        if group == CURATED:
            component.users, component.after = self._users(u, v, flows)
        return [(component, share)]

    def _exact(self, v: str, cohorts: list[Cohort]) -> bool:
        """Whether the mean of the samples that ``v`` trains on is drawn directly (see ``engine.exact``)."""
        if not isinstance(cohorts[self.place[v][0]].start, Location):
            return False
        answers = {_linear_diet(scenario, v) for scenario in self.scenarios}
        if len(answers) > 1 and not self.build_samples and self.scenarios[0].samples is not None:
            raise ValueError(
                f"variants must have one shape, but only in some is all that {v!r} reads normal, moved by shifts and "
                "linear maps; pass Ecosystem(..., build_samples=True), which samples all of them alike"
            )
        return answers == {True}

    def _users(self, u: str, v: str, flows: list) -> tuple[tuple[int, int], bool]:
        chosen = [
            curated_by(flow, s.member(u), s.member(v)) for flow, s in zip(_filled(flows), self.scenarios, strict=True)
        ]
        sides = {flow.chosen_by == "consumer" for flow in flows if flow is not None}
        if len(sides) > 1 or any(users is None for users in chosen):
            raise ValueError(f"variants must have one shape, but the users of flow {u!r} → {v!r} differ in kind")
        return self.users.add([_shared(self, users) for users in chosen], f"the users of {u!r} → {v!r}"), sides.pop()

    def _real_sources(self, cohorts: list[Cohort], replicates: int) -> dict[str, tuple[int, int]]:
        """Sources of real data as cohorts that never change: member → (cohort, row). Appends to ``cohorts``."""
        sources: dict[tuple[int, ...], Sequence[GenerativeModel]] = {}
        key_of: dict[str, tuple[int, ...]] = {}
        for v in self.names:
            members = [s.member(v) for s in self.scenarios]
            given = [m for m in members if m.real is not None]
            if not given:
                continue
            members = [given[0] if m.real is None else m for m in members]  # a stand-in, with share 0
            key = tuple(id(m.real) for m in members)
            key_of[v] = key
            if key not in sources:
                sources[key] = [as_source(m.real, m.generator, repr(v)) for m in members]
        kinds: dict[object, list[tuple[int, ...]]] = {}
        for key, many in sources.items():
            kinds.setdefault(generator_kind(many[0]), []).append(key)
        place: dict[tuple[int, ...], tuple[int, int]] = {}
        for keys in kinds.values():
            place |= {key: (len(cohorts), row) for row, key in enumerate(keys)}
            cohorts.append(Cohort([], stacked_generators([sources[key] for key in keys], 1)))
        return {v: place[key] for v, key in key_of.items()}


def _has_quota(users: Any) -> bool:
    """Whether users look at all samples of a flow together, not at a slate for each."""
    parts = [users.curator]
    while parts:
        curator = parts.pop()
        if isinstance(curator, TopFraction):
            return True
        parts += curator.curators if isinstance(curator, Crowd) else ()
    return False


def _linear_diet(scenario: Scenario, v: str) -> bool:
    """Whether all that ``v`` reads is normal, moved by fixed vectors and linear maps.

    It asks who *would* choose on each flow, whatever the shares, so it is the same for every curation level; and nobody
    involved may change curators on the way.
    """
    member = scenario.member(v)
    if member.agent or not isinstance(member.real, Location | None):
        return False
    for u, flow in scenario.incoming(v, dormant=True).items():
        producer = scenario.member(u)
        users = curated_by(flow, producer, member)
        if users is not None and not isinstance(users.curator, Shift | Blind):
            return False
        if isinstance(flow.transform, CustomMap) or producer.agent or not isinstance(producer.generator, Location):
            return False
    return True


def _filled(flows: list) -> list:
    """A flow for every variant: where one lacks it, another's stands in (with share 0)."""
    first = next(flow for flow in flows if flow is not None)
    return [first if flow is None else flow for flow in flows]


def _shared(wiring: Wiring, users: Users | None) -> Users:
    """One ``Users`` object for each pair of taste and curator, so that a producer's many flows share a place."""
    assert users is not None
    known = wiring.__dict__.setdefault("_known_users", {})
    return known.setdefault((id(users.reward), id(users.curator)), users)
