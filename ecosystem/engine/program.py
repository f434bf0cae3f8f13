"""The program of an ecosystem: all that its rounds do not change.

What they do change is the :mod:`~ecosystem.engine.state`; :mod:`~ecosystem.engine.step` leads from one to the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ecosystem.core.streams import Stream, on_device, word
from ecosystem.engine.arrays import block_cohorts, blocks_by_the_array
from ecosystem.engine.cohorts import Cohort, Registry, member_cohorts
from ecosystem.engine.compiling import Wired
from ecosystem.engine.looped import Stack
from ecosystem.engine.placing import Home
from ecosystem.engine.pools import Group, begun
from ecosystem.engine.stacks import span
from ecosystem.engine.state import State, in_effect
from ecosystem.engine.waves import Parts, Plan, compile_plan
from ecosystem.engine.wiring import Wiring
from ecosystem.orderings import Ordering
from ecosystem.scenario import Scenario
from ecosystem.scenario.blocks import Blocks, blocks_of
from ecosystem.scenario.network import standing_for_all
from ecosystem.schedules import Schedule

_PLANS = 32  # compiled plans that are kept


@dataclass(frozen=True, eq=False)
class Program:
    """Members in cohorts, sources of real data, transforms, clocks, the order, the number of samples and the streams.

    ``first`` is the state before the first round. All that rounds compute with lives at ``home``; clocks, and the
    streams ``lots`` that they and the order draw from, stay on the CPU, where it is decided who is due and in what
    order. A program is shared by all that play its rounds: an ecosystem, the influence analysis, a checkpoint that is
    read.
    """

    scenarios: tuple[Scenario, ...]
    names: tuple[str, ...]
    cohorts: tuple[Cohort, ...]
    sources: tuple[Stack, ...]  # of real data: read as the cohorts behind those of the members
    transforms: tuple[Any, ...]  # by kind, batch [rows, variants, 1]
    looped: frozenset[int]  # cohorts and sources whose models are gone through one by one
    clocks: tuple[tuple[Tensor, Schedule], ...]  # members, and their schedules [members, variants, 1]
    ordering: Ordering
    samples: int | None
    rng: Stream  # keys [replicates]
    first: State
    lots: Stream  # the same as ``rng``, on the CPU
    home: Home  # the device, and the type of closed forms' numbers
    build_samples: bool = False
    stops: bool = True  # whether replicates whose parameters explode are stopped
    differentiable: bool = False  # population rounds: every step one that torch can differentiate
    plans: dict[Any, Plan] = field(default_factory=dict)  # compiled, the last few
    roots: dict[str, Stream] = field(default_factory=dict)  # streams by decision
    memo: dict[Any, Any] = field(default_factory=dict)  # what was worked out of the last state

    @property
    def cell(self) -> tuple[int, int]:
        """The numbers of variants and replicates."""
        return len(self.scenarios), len(self.rng.keys)

    @cached_property
    def index(self) -> dict[str, int]:
        """The place of each member."""
        return {name: i for i, name in enumerate(self.names)}

    @cached_property
    def places(self) -> dict[str, tuple[int, int]]:
        """The cohort of each member, and its row there."""
        return {name: (c, row) for c, cohort in enumerate(self.cohorts) for row, name in enumerate(cohort.names)}

    @cached_property
    def spans(self) -> list[slice | Tensor]:
        """Whose the clocks are, as slices where members follow each other."""
        return [span(members) for members, _ in self.clocks]

    @cached_property
    def words(self) -> Tensor:
        """The addresses of the members, ``[members]``."""
        return torch.tensor([word(name) for name in self.names], dtype=torch.int64).to(self.home.device)

    @cached_property
    def questions(self) -> list[list[Tensor | None]]:
        """The inputs that the users of each member ask a conditional model, ``[members][variants]``."""
        scenario, *others = self.scenarios
        if others:
            return [[s.member(name).questions for s in self.scenarios] for name in self.names]
        every = standing_for_all(scenario)
        return [asked for _, member, count in every for asked in [[member.questions]] * count]

    @cached_property
    def fed(self) -> Tensor:
        """Who ever retrains by the schedule of its description, ``[members]``."""
        first = self.scenarios[0]
        known = [not first.member(name).schedule.is_never for name in self.names]
        return torch.tensor(known, device=self.home.device)

    @cached_property
    def parts(self) -> Parts:
        """What plans are made of."""
        sizes = [stack.batch_shape[0] for stack in (*(c.start for c in self.cohorts), *self.sources)]
        return Parts(self.cohorts, self.transforms, sizes, self.home.device)

    def root(self, decision: str) -> Stream:
        """The streams of a decision, one for each replicate."""
        if decision not in self.roots:
            self.roots[decision] = self.rng.at(decision)
        return self.roots[decision]

    def ranks(self, number: int) -> np.ndarray:
        """The order of a round, ``[members]`` or ``[members, replicates]``; asked once where it is always the same."""
        if self.ordering.random:
            return self.ordering.ranked(self.names, number, self.lots)
        if "ranks" not in self.memo:
            self.memo["ranks"] = self.ordering.ranked(self.names, number, self.lots)
        return self.memo["ranks"]

    def plan(self, state: State, ranks: np.ndarray, due: Tensor) -> Plan:
        """The compiled waves of an order, ``ranks [members]``; the last few are kept. ``due`` is on the CPU."""
        source = (state.wiring, state.shares, ranks, due)
        known = self.memo.get("plan")
        if known is None or any(a is not b for a, b in zip(known[0], source, strict=True)):
            known = self.memo["plan"] = source, self._planned(*source)
        return known[1]

    def _planned(self, wiring: Wiring, shares: Tensor, ranks: np.ndarray, due: Tensor) -> Plan:
        """The same; the last one is found without a key, which would be megabytes for a million members."""
        source, live = self.memo.get("live", (None, None))
        if source is not shares:
            live = (shares != 0).flatten(1).any(1).cpu().numpy()
            self.memo["live"] = shares, live
        anyone = due.numpy()
        if anyone.ndim > 1:
            anyone = np.asarray(anyone.reshape(len(anyone), -1).any(1))
        known = self.memo.get("planned")
        same = known is not None and known[0] is wiring and known[1] is live
        if known is not None and same and np.array_equal(known[2], ranks) and np.array_equal(known[3], anyone):
            return known[4]
        key = (wiring, live.tobytes(), ranks.tobytes(), anyone.tobytes())
        if key not in self.plans:
            if len(self.plans) >= _PLANS:
                self.plans.clear()
            self.plans[key] = compile_plan(self.parts, wiring, ranks, anyone, live)
        self.memo["planned"] = wiring, live, ranks, anyone, self.plans[key]
        return self.plans[key]


def compiled(
    scenarios: Sequence[Scenario],
    seeds: Sequence[tuple[int, int]],
    build_samples: bool = False,
    home: Home = Home(),  # noqa: B008 - frozen
) -> Program:
    """The program of some variants of one shape, with a replicate for each of ``seeds`` (seed, replicate)."""
    blocks = blocks_by_the_array(scenarios)
    cohorts = member_cohorts(scenarios, len(seeds)) if blocks is None else block_cohorts(blocks, len(seeds))
    wired = Wired(scenarios, cohorts, build_samples)
    cohorts = [replace(cohort, start=home.stack(cohort.start), device=home.device) for cohort in cohorts]
    lots = Stream.root(seeds)
    return Program(
        scenarios=tuple(scenarios),
        names=wired.names,
        cohorts=tuple(cohorts),
        sources=tuple(map(home.stack, wired.sources)),
        transforms=tuple(map(home.stack, wired.transforms)),
        looped=wired.looped,
        clocks=tuple(_clocks(scenarios)),
        ordering=scenarios[0].ordering,
        samples=scenarios[0].samples,
        rng=on_device(lots, home.device),
        first=_first(scenarios[0], cohorts, wired, (len(scenarios), len(seeds)), home),
        lots=lots,
        home=home,
        build_samples=build_samples,
    )


def _first(scenario: Scenario, cohorts: Sequence[Cohort], wired: Wired, cell: tuple[int, int], home: Home) -> State:
    """The state before the first round."""
    depth = int(wired.wiring.delay.max(initial=0))
    stacks = tuple(cohort.start for cohort in cohorts)
    absent = scenario.late()
    active = torch.ones(len(wired.names), *cell, dtype=torch.bool)
    for i, name in enumerate(wired.names if absent else ()):
        active[i] = name not in absent
    state = State(
        round=0,
        past=(stacks,) * (depth + 1),
        memories=({},) * len(cohorts),
        wiring=wired.wiring if home.usual else wired.wiring.changed(groups=at_home(wired.wiring.groups, home)),
        declared=(declared := home.tensor(wired.shares)),
        shares=declared,
        absent=frozenset(absent),
        audience=replace(wired.audience, stacks=tuple(map(home.stack, wired.audience.stacks))),
        clocks=(),
        active=active.to(home.device),
        frozen=torch.zeros_like(active).to(home.device),
        alive=torch.ones(cell, dtype=torch.bool, device=home.device),
        weights=home.tensor(begun(wired.wiring.groups, *cell)),
    )
    shares = in_effect(state)
    return state.changed(shares=state.declared if torch.equal(shares, state.declared) else shares)  # one, of millions


def at_home(groups: Sequence[Group], home: Home) -> tuple[Group, ...]:
    """Users who choose between members, where all else lives."""
    return tuple(replace(group, demand=home.stack(group.demand)) for group in groups)


def _clocks(scenarios: Sequence[Scenario]) -> Iterator[tuple[Tensor, Schedule]]:
    """Members by kind of schedule, with the stacked schedule ``[members, variants, 1]``."""
    registry = Registry()
    blocks = blocks_of(scenarios[0].graph) if len(scenarios) == 1 else None
    if blocks is not None:
        yield from _block_clocks(blocks)
        return
    groups: dict[int, list[tuple[int, int]]] = {}
    for i, name in enumerate(scenarios[0].names):
        schedules = [scenario.member(name).schedule for scenario in scenarios]
        kind, row = registry.add(schedules, f"the schedule of {name!r}")
        groups.setdefault(kind, []).append((i, row))
    for kind, many in groups.items():
        rows = torch.tensor([row for _, row in many])
        yield torch.tensor([i for i, _ in many]), registry.stack(kind).take(rows)


def _block_clocks(blocks: Blocks) -> Iterator[tuple[Tensor, Schedule]]:
    """The same of members that stand in blocks."""
    registry = Registry()
    groups: dict[int, list[tuple[np.ndarray, int]]] = {}
    for i, block in enumerate(blocks.members):
        kind, row = registry.add([block.one.schedule], f"the schedule of {block.names[0]!r}")
        groups.setdefault(kind, []).append((np.arange(blocks.starts[i], blocks.starts[i + 1]), row))
    for kind, many in groups.items():
        rows = torch.from_numpy(np.concatenate([np.full(len(ids), row) for ids, row in many]))
        yield torch.from_numpy(np.concatenate([ids for ids, _ in many])), registry.stack(kind).take(rows)
