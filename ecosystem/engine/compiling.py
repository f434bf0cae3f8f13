"""From scenarios to components: who reads what from whom, by whose choice, for all variants."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ecosystem.curation import Users
from ecosystem.engine.arrays import BlockWiring, block_sources, block_whole, blocks_by_the_array
from ecosystem.engine.audience import NONE, Audience, Place
from ecosystem.engine.cohorts import Cohort, Registry, generator_kind, stack_grid, stacked_generators
from ecosystem.engine.looped import Looped, Stack
from ecosystem.engine.pools import Group
from ecosystem.engine.wiring import CURATED, RAW, REAL, Columns, Component, Judge, Wiring, drawn_whole, filled, steady
from ecosystem.generators import GenerativeModel
from ecosystem.generators.sources import as_source
from ecosystem.scenario import Scenario
from ecosystem.scenario.blocks import Blocks
from ecosystem.scenario.descriptions import Flow, curated_by, in_tokens

Listed = tuple[Sequence[Component], Tensor, tuple[tuple[Judge, ...], ...], np.ndarray]


class Wired:
    """What becomes of the graphs of some variants: wiring, declared shares, audience, transforms, real data."""

    def __init__(self, scenarios: Sequence[Scenario], cohorts: Sequence[Cohort], build_samples: bool = False) -> None:
        self.scenarios, self.cohorts = scenarios, cohorts
        self.names = tuple(scenarios[0].names)
        self.index = {name: i for i, name in enumerate(self.names)}
        self._users, self._transforms = Registry(), Registry()
        self._watched: dict[Place, int] = {}
        self._known: dict[Any, Users] = {}
        blocks = blocks_by_the_array(scenarios)
        if blocks is None:
            components, shares, judges, direct = self._one_by_one(cohorts, build_samples)
        else:
            components, shares, judges, direct = self._by_the_array(blocks, cohorts)
        self.transforms = tuple(self._transforms.stack(kind) for kind in range(len(self._transforms)))
        self.audience = Audience.of(self._users, self._watched)
        stacks = [*(cohort.start for cohort in cohorts), *self.sources]
        looped = {c for c, stack in enumerate(stacks) if isinstance(stack, Looped)}
        if isinstance(components, Columns):
            whole = block_whole(components, self.audience, len(self.names), looped)
        else:
            whole = drawn_whole(components, self.audience, len(self.names), looped)
        self.looped = frozenset(looped)
        self.wiring = Wiring(self.names, components, judges, direct, whole, self._groups() if blocks is None else ())
        self.shares: Tensor = filled(self.wiring, shares)

    def _one_by_one(self, cohorts: Sequence[Cohort], build_samples: bool) -> Listed:
        """Components member by member and flow by flow, their shares, judges, and who is drawn directly."""
        edges = self._edges()
        self.sources, real = self._real_sources(len(cohorts))
        components: list[Component] = []
        shares: list[list[float]] = []
        for target, v in enumerate(self.names):
            rows = [row for group in (CURATED, RAW) for u in edges[v] for row in self._flow(u, v, target, group)]
            if v in real:
                rows.append((Component(target, REAL, real[v], NONE, None), [0.0] * len(self.scenarios)))
            components += [component for component, _ in rows]
            shares += [share for _, share in rows]
        judges = tuple(self._judge(name) for name in self.names)
        direct = np.array([self._direct(v, cohorts, build_samples) for v in self.names])
        declared = torch.tensor(shares, dtype=torch.float64).reshape(len(shares), len(self.scenarios), 1)
        return tuple(components), declared, judges, direct

    def _groups(self) -> tuple[Group, ...]:
        """Users who choose between members, one after the other."""
        groups: list[Group] = []
        for name in self.names:
            given = [scenario.member(name).demand for scenario in self.scenarios]
            demands = [demand for demand in given if demand is not None]
            if not demands:
                continue
            if len(demands) < len(given) or len({demand.kind() for demand in demands}) > 1:
                raise ValueError(
                    f"variants must have one shape, but the demand of {name!r} differs in kind: {given[:3]}"
                )
            groups.append(Group(name, stack_grid([demands]).take(0), groups[-1].span.stop if groups else 0))
        return tuple(groups)

    def _by_the_array(self, blocks: Blocks, cohorts: Sequence[Cohort]) -> Listed:
        """The same of members and flows that stand in blocks."""
        self.sources, real = block_sources(blocks, len(cohorts))
        wiring = BlockWiring(blocks, cohorts, real)
        components = wiring.columns(self._placed, self._transforms)
        judges: list[tuple[Judge, ...]] = []
        for block in blocks.members:
            judges += [self._judge(block.names[0])] * len(block.names)
        return components, wiring.shares, tuple(judges), wiring.direct()

    @cached_property
    def place(self) -> dict[str, Place]:
        """The cohort of each member, and its row there."""
        return {name: (c, row) for c, cohort in enumerate(self.cohorts) for row, name in enumerate(cohort.names)}

    def _edges(self) -> dict[str, list[str]]:
        """The producers of each member: the union over variants, in the order of the first that has the flow."""
        edges: dict[str, dict[str, None]] = {name: {} for name in self.names}
        for scenario in self.scenarios:
            for u, v in scenario.graph.edges:
                edges[v][u] = None
        return {v: list(many) for v, many in edges.items()}

    def _flow(self, u: str, v: str, target: int, group: int) -> list[tuple[Component, list[float]]]:
        """The raw or curated component of a flow, with its share in each variant; none where all are 0."""
        flows = [_flow_of(s, u, v) for s in self.scenarios]
        present = [flow for flow in flows if flow is not None]
        share = [0.0 if f is None else (f.curated if group == CURATED else f.raw) for f in flows]
        if group == CURATED and not any(share):
            return []
        where = f"flow {u!r} → {v!r}"
        if len({f.delay for f in present}) > 1:
            raise ValueError(f"variants must have one shape, but {where} has different delays")
        parts: dict[str, Any] = {"delay": present[0].delay}
        transforms = [flow.transform for flow in _complete(flows)]
        if any(t is not None for t in transforms):
            if any(t is None for t in transforms):
                raise ValueError(f"variants must have one shape, but {where} has a transform in some only")
            parts["transform"] = self._transforms.add(transforms, f"the transform of {where}")
        if group == CURATED:
            parts |= self._choice(u, v, flows)
        return [(Component(target, group, self.place[u], self.index[u], (u, v), **parts), share)]

    def _choice(self, u: str, v: str, flows: list[Flow | None]) -> dict[str, Any]:
        """Who chooses on a flow, and when."""
        many = _complete(flows)
        chosen = [curated_by(flow, s.member(u), s.member(v)) for flow, s in zip(many, self.scenarios, strict=True)]
        by = {flow.chosen_by if isinstance(flow.chosen_by, str) else "own" for flow in flows if flow is not None}
        if len(by) > 1 or any(users is None for users in chosen):
            raise ValueError(f"variants must have one shape, but the users of flow {u!r} → {v!r} differ in kind")
        side = by.pop()
        who = {"producer": u, "consumer": v}.get(side)
        users = self._placed([users for users in chosen if users], who or u, f"the users of {u!r} → {v!r}")
        return {"users": users, "chooser": NONE if who is None else self.index[who], "after": side == "consumer"}

    def _judge(self, name: str) -> tuple[Judge, ...]:
        """By whose taste a member is judged: its own users'."""
        members = [scenario.member(name) for scenario in self.scenarios]
        if members[0].reward is None:
            return ()
        users = [member.audience for member in members]
        # variants need not choose alike where they choose nothing
        if len(users) > 1 and len({one.kind() for one in users}) > 1:
            users = [Users(member.reward, learn=member.learn) for member in members]
        return (Judge(self._placed(users, name, f"the users of {name!r}")),)

    def _placed(self, users: Sequence[Users], of: str, where: str) -> Place:
        """The place of users who look at what ``of`` makes.

        One for each pair of taste and curator, so that a producer's many flows share it; but users who move, or whom an
        agent may change, have one to themselves.
        """
        alone = any(one.learn is not None for one in users) or self.scenarios[0].member(of).agent is not None
        mine = of if alone else None
        shared = [self._known.setdefault((id(u.reward), id(u.curator), id(u.learn), mine), u) for u in users]
        place = self._users.add(shared, where)
        self._watched.setdefault(place, self.index[of])
        return place

    def _direct(self, v: str, cohorts: Sequence[Cohort], build_samples: bool) -> bool:
        """Whether the mean of the samples that ``v`` trains on is drawn directly (see ``engine.exact``)."""
        cohort = cohorts[self.place[v][0]]
        if not (cohort.closed and cohort.start.exact_mean):  # type: ignore[union-attr]
            return False
        answers = {_linear_diet(scenario, v) for scenario in self.scenarios}
        if len(answers) > 1 and not build_samples and self.scenarios[0].samples is not None:
            raise ValueError(
                f"variants must have one shape, but only in some is all that {v!r} reads normal, moved by shifts and "
                "linear maps; pass Ecosystem(..., build_samples=True), which samples all of them alike"
            )
        return answers == {True}

    def _real_sources(self, cohorts: int) -> tuple[tuple[Stack, ...], dict[str, Place]]:
        """Sources of real data, which never change, stacked by kind; and where each member's stands."""
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
        place: dict[tuple[int, ...], Place] = {}
        stacks: list[Stack] = []
        for keys in kinds.values():
            place |= {key: (cohorts + len(stacks), row) for row, key in enumerate(keys)}
            stacks.append(stacked_generators([sources[key] for key in keys], 1))
        return tuple(stacks), {v: place[key] for v, key in key_of.items()}


def _linear_diet(scenario: Scenario, v: str) -> bool:
    """Whether all that ``v`` reads is normal, moved by fixed vectors and linear maps.

    It asks who *would* choose on each flow, whatever the shares, so it is the same for every curation level; and nobody
    involved may change curators on the way.
    """
    member = scenario.member(v)
    if member.agent or not (member.real is None or getattr(member.real, "exact_mean", False)):
        return False
    for u, flow in scenario.incoming(v, dormant=True).items():
        producer = scenario.member(u)
        users = curated_by(flow, producer, member)
        if users is not None and not steady(users.curator):
            return False
        if (flow.transform and flow.transform.linear() is None) or producer.agent or not producer.generator.exact_mean:
            return False
    return True


def _flow_of(scenario: Scenario, u: str, v: str) -> Flow | None:
    """A flow with all that happens on the way, None where there is none."""
    if not scenario.graph.has_edge(u, v):
        return None
    return in_tokens(scenario.flow(u, v), scenario.member(u), scenario.member(v))


def _complete(flows: list[Flow | None]) -> list[Flow]:
    """A flow for every variant: where one lacks it, another's stands in (with share 0)."""
    first = next(flow for flow in flows if flow is not None)
    return [first if flow is None else flow for flow in flows]
