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
    plan: Plan = []
    for number in range(int(wave[due].max()) + 1 if due.any() else 0):
        tasks = []
        for c, cohort in enumerate(parts.cohorts):
            ids = cohort.places
            rows = np.flatnonzero(due[ids] & (wave[ids] == number))
            if len(rows):
                tasks += make_tasks(parts, wiring, c, rows, fresh, live)
        plan.append(tasks)
    return plan


def make_tasks(
    parts: Parts, wiring: Wiring, c: int, rows: np.ndarray, fresh: np.ndarray, live: np.ndarray
) -> list[Task]:
    """The task of some rows of a cohort.

    Agents with a behaviour of their own get one each; members whose statistic is drawn directly, or whose training sets
    are drawn in one piece, stand apart.
    """
    cohort = parts.cohorts[c]
    members = cohort.places[rows]
    apart = np.arange(len(rows)) if cohort.own_agent else wiring.direct[members] + 2 * wiring.whole[members]
    if len(rows) > 1 and (apart != apart[0]).any():
        some = [rows[apart == value] for value in np.unique(apart)]
        return [task for part in some for task in make_tasks(parts, wiring, c, part, fresh, live)]
    task = diet_of(parts, wiring, c, rows, live)
    many = task.components, task.owner
    task.bundles += bundles_of(wiring, parts.transforms, *many, fresh, parts.sizes, parts.device)
    return [task]


def diet_of(parts: Parts, wiring: Wiring, c: int, rows: np.ndarray, live: np.ndarray) -> Task:
    """What some rows of a cohort eat, by a task that does not know yet how they come by it: without bundles."""
    members = parts.cohorts[c].places[rows]
    lengths = wiring.first[members + 1] - wiring.first[members]
    starts = np.repeat(wiring.first[members] - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths)
    components = starts + np.arange(lengths.sum())
    owner = np.repeat(np.arange(len(rows)), lengths)
    keep = live[components]
    components, owner = components[keep], owner[keep]
    first = np.searchsorted(owner, np.arange(len(rows) + 1))
    curated = wiring.group[components] == CURATED
    whole = bool(wiring.whole[members].any())
    return Task(c, rows, members, components, first, owner, wiring.producer, curated, whole, parts.device, [])
