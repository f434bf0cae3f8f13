"""Waves: an ordering compiled into the fewest steps that give the same result.

A flow ``u → v`` is *fresh* if ``v`` reads what ``u`` has become in this round: ``u`` is due and comes before ``v`` in
the order. All other flows read what was there when the round began. So members with no fresh flow between them can
retrain together: ``wave(v) = 1 + max wave(u)`` over fresh ``u → v``, the longest chain that leads to ``v``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ecosystem.engine.audience import Audience
from ecosystem.engine.bundles import Bundle, bundles_of
from ecosystem.engine.cohorts import Cohort
from ecosystem.engine.stacks import span
from ecosystem.engine.wiring import CURATED, REAL, Wiring


@dataclass
class Task:
    """Members of one cohort that retrain in one wave, and the components of their diets."""

    cohort: int
    rows: np.ndarray  # in the cohort
    members: np.ndarray  # in the scenario
    components: np.ndarray  # ids, those of one member together
    first: np.ndarray  # where each member's components begin in ``components``; one longer than ``rows``
    owner: np.ndarray  # of each component, its row in the task
    producers: np.ndarray  # of all components there are
    curated: np.ndarray  # whether each component is
    whole: bool  # whether training sets are drawn in one piece
    device: torch.device  # where it computes
    bundles: list[Bundle]
    memo: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def producer(self) -> np.ndarray:
        """Of each component, a member or NONE for real data."""
        return self.producers[self.components]

    @cached_property
    def flow(self) -> np.ndarray:
        """Which components are parts of one flow: equal numbers."""
        least = int(self.producer.min(initial=0))
        keys = self.owner * (int(self.producer.max(initial=0)) - least + 1) + self.producer - least
        return np.unique(keys, return_inverse=True)[1].reshape(-1)

    @cached_property
    def source(self) -> Tensor:
        """Of each component, the row in what its bundle reads."""
        source = torch.empty(len(self.components), dtype=torch.int64, device=self.device)
        for bundle in self.bundles:
            source[bundle.slots] = bundle.source[bundle.origin]
        return source

    @cached_property
    def index(self) -> Tensor:
        """Its rows in the cohort, where it computes."""
        return torch.from_numpy(self.rows).to(self.device)

    @cached_property
    def places(self) -> Tensor:
        """Its members in the scenario, where it computes."""
        return torch.from_numpy(self.members).to(self.device)

    def bind(self, audience: Audience) -> Task:
        """Let the users of now choose."""
        self.bundles[:] = [bundle.bound(audience) for bundle in self.bundles]
        return self

    @cached_property
    def span(self) -> slice | Tensor:
        """Its members' places in the scenario, a slice where they follow each other."""
        return span(self.places)

    @cached_property
    def bundle(self) -> Tensor:
        """The bundle of each component."""
        out = torch.empty(len(self.components), dtype=torch.int64, device=self.device)
        for number, bundle in enumerate(self.bundles):
            out[bundle.slots] = number
        return out

    @cached_property
    def one_producer(self) -> bool:
        """Whether all components of a row read the same row of their source."""
        source = self.source.cpu().numpy()
        return bool(len(source) and (source == source[self.first[:-1]][self.owner]).all())

    @cached_property
    def origin(self) -> Tensor:
        """The origin of each component within its bundle."""
        out = torch.empty(len(self.components), dtype=torch.int64, device=self.device)
        for bundle in self.bundles:
            out[bundle.slots] = bundle.origin
        return out


Plan = list[list[Task]]  # waves of tasks


@dataclass(frozen=True, eq=False)
class Parts:
    """What of a program its plans are made of."""

    cohorts: Sequence[Cohort]
    transforms: Sequence[Any]  # by kind
    sizes: list[int]  # of cohorts and sources of real data
    device: torch.device = torch.device("cpu")  # where plans compute  # noqa: RUF009

    @cached_property
    def homes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The cohort of each member, its row there, and whether its agent has a behaviour of its own."""
        homes = np.concatenate([cohort.places for cohort in self.cohorts])
        sizes = [len(cohort.places) for cohort in self.cohorts]
        cohort, row, own = np.empty((3, len(homes)), dtype=np.int64)
        cohort[homes] = np.repeat(np.arange(len(sizes)), sizes)
        row[homes] = np.concatenate([np.arange(size) for size in sizes])
        own[homes] = np.repeat([cohort.own_agent for cohort in self.cohorts], sizes)
        return cohort, row, own != 0


def wave_numbers(n: int, producer: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The wave of each of ``n`` members, given the fresh flows: the longest path in a graph without cycles."""
    wave = np.zeros(n, dtype=np.int64)
    while True:
        following = wave.copy()
        np.maximum.at(following, target, wave[producer] + 1)
        if np.array_equal(following, wave):
            return wave
        wave = following


def compile_plan(parts: Parts, wiring: Wiring, ranks: np.ndarray, due: np.ndarray, live: np.ndarray) -> Plan:
    """The waves of a round.

    ``ranks [members]`` of the ordering, ``due [members]`` in any replicate, ``live [components]``: who has a share.
    """
    flow = wiring.group != REAL
    u, v = wiring.producer, wiring.target
    fresh = flow & live & (wiring.delay == 0) & due[u] & due[v] & (ranks[u] < ranks[v])
    wave = wave_numbers(len(due), u[fresh], v[fresh])
    plan: Plan = [[] for _ in range(int(wave[due].max()) + 1 if due.any() else 0)]
    for task in make_tasks(parts, wiring, np.flatnonzero(due), wave, fresh, live):
        plan[wave[task.members[0]]].append(task)
    return plan


def make_tasks(
    parts: Parts, wiring: Wiring, members: np.ndarray, wave: np.ndarray, fresh: np.ndarray, live: np.ndarray
) -> list[Task]:
    """The tasks of some members, ``wave`` by wave [all members]; all at once, for calls cost more than what they do.

    Agents with a behaviour of their own get one each; members whose statistic is drawn directly, or whose training sets
    are drawn in one piece, stand apart.
    """
    if not len(members):
        return []
    cohort, row, own = parts.homes
    apart = np.where(own, row, wiring.direct + 2 * wiring.whole)
    keys = [key[members] for key in (wave, cohort, apart, row)]
    order = np.lexsort(keys[::-1])
    new = np.flatnonzero(np.any([np.diff(key[order]) for key in keys[:3]], axis=0)) + 1
    groups = [(int(cohort[some[0]]), row[some]) for some in np.split(members[order], new)]
    tasks = diets_of(parts, wiring, groups, live)
    eaten = [(task.components, task.owner) for task in tasks]
    found = bundles_of(wiring, parts.transforms, eaten, fresh, parts.sizes, parts.device)
    for task, bundles in zip(tasks, found, strict=True):
        task.bundles += bundles
    return tasks


def diets_of(parts: Parts, wiring: Wiring, groups: Sequence[tuple[int, np.ndarray]], live: np.ndarray) -> list[Task]:
    """What rows of cohorts eat, by tasks that do not know yet how they come by it: without bundles."""
    places = [parts.cohorts[c].places[rows] for c, rows in groups]
    members = np.concatenate(places)
    lengths = wiring.first[members + 1] - wiring.first[members]
    ends = np.concatenate([[0], np.cumsum(lengths)])
    components = np.repeat(wiring.first[members] - ends[:-1], lengths) + np.arange(ends[-1])
    owner = np.repeat(np.concatenate([np.arange(len(rows)) for _, rows in groups]), lengths)
    keep = live[components]
    if not keep.all():
        components, owner, ends = components[keep], owner[keep], np.concatenate([[0], np.cumsum(keep)])[ends]
    curated = wiring.group[components] == CURATED
    whole = wiring.whole[members]
    tasks, low = [], 0
    for (c, rows), here in zip(groups, places, strict=True):
        high = low + len(rows)
        some, first = slice(ends[low], ends[high]), ends[low : high + 1] - ends[low]
        eaten = components[some], first, owner[some], wiring.producer, curated[some]
        tasks.append(Task(c, rows, here, *eaten, bool(whole[low:high].any()), parts.device, []))
        low = high
    return tasks
