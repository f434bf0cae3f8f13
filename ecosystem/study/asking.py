"""What a folder is asked to hold: the points and seeds of before and of now, cut into blocks once and for all."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ecosystem.core.identity import digest
from ecosystem.running.costs import seconds
from ecosystem.scenario import Scenario
from ecosystem.study.design import Design, points_table
from ecosystem.study.folder import StudyFolderError
from ecosystem.study.identity import differences, identity, portrait
from ecosystem.study.measures import OWN_TABLES
from ecosystem.study.plan import Block, Request, Seed, dropping, missing, next_number, pending, side_by_side
from ecosystem.study.probing import check_answers
from ecosystem.study.results import retriable
from ecosystem.study.sizing import block_depth, block_width, most_parts, replicates
from ecosystem.study.store import Facts, Store
from ecosystem.study.work import Job, Task, built_point

ANALYSIS = 1.0  # seconds that the analysis of a scenario takes, where one is kept
PROBES = 16  # points that are built beforehand, to see that they can be, and how heavy they are


@dataclass(frozen=True)
class Asked:
    """What is to be computed, and the parameters of every point that it needs."""

    facts: Facts
    parameters: Mapping[int, Mapping[str, Any]]
    probes: Mapping[int, Scenario]  # some of its points, the smallest and the largest among them
    looking: float  # seconds that it takes to build one, and to make tables of it

    @cached_property
    def paces(self) -> dict[int, float]:
        """Seconds that a replicate of each of the probes takes."""
        return {point: seconds(probe, 1) for point, probe in self.probes.items()}

    def seconds(self, block: Block) -> float:
        """About how long a block takes in one process; points that were not looked at are as the others on average."""
        runs = {point: pace * replicates(self.probes[point], len(block.seeds)) for point, pace in self.paces.items()}
        mean = sum(runs.values()) / len(runs)
        return sum(self.looking + runs.get(point, mean) for point in block.points)

    def task(self, block: Block) -> Task:
        return Task(block, tuple(self.parameters[point] for point in block.points))


def ask(
    store: Store,
    name: str,
    design: Design,
    seeds: Sequence[Seed],
    job: Job,
    *,
    block: int | None,
    accept_changes: bool,
    forget: bool,
    here: bool,
) -> Asked:
    """Write down what the folder is to hold: what it was asked before (or not: ``forget``), and what is new.

    Measures are tried first where they may run ``here``; how long they take then counts.
    """
    now = identity(job)  # before anything is built: code may keep results in globals
    begin = time.perf_counter()
    probes = _probes(design, job)
    building, measuring = (time.perf_counter() - begin) / len(probes), 0.0
    if store.exists:
        facts = _continued(store.facts(), store, design, job, now, accept_changes)
        table = store.points(facts)
    else:
        first = next(iter(probes))
        if here:
            measuring = check_answers(job, job.measures, probes, design.parameters, next(iter(seeds), None))
        made = now | {"point": portrait(job, design.keys[first], design.parameters[first])}
        facts = Facts(name, design.names, [], [*(m.name for m in job.measures), *OWN_TABLES], made, [])
        table = None
    gone = set(facts.forgotten)
    if forget:
        wanted = set(design.keys)
        gone |= {number for number, key in enumerate(facts.keys) if key not in wanted}
        facts.forgotten = sorted(gone)
    known = {key: number for number, key in enumerate(facts.keys) if number not in gone}
    new = [i for i, key in enumerate(design.keys) if key not in known]
    numbers = known | {design.keys[i]: len(facts.keys) + n for n, i in enumerate(new)}
    asked = [numbers[key] for key in design.keys]
    facts.keys += [design.keys[i] for i in new]
    if design.sampling is not None:
        facts.sampled = design.sampling.kept([asked[row] for row in design.rows])
    facts.requests = dropping(facts.requests, store.finished(facts), asked, seeds)
    for part in missing(facts.requests, side_by_side(asked, _likeness(design)), seeds):
        points, runs = len(part.points), len(part.seeds)
        width = block or min(block_width(probe, points, runs, job.record, job.heavy) for probe in probes.values())
        depth = max(1, min(block_depth(probe, runs, job.record) for probe in probes.values()))
        most = 1 if block else min(most_parts(probe, width, depth, job.record) for probe in probes.values())
        first = next_number(facts.requests)
        facts.requests.append(Request(first, part.points, part.seeds, width, depth, part.fresh, most=most))
    points = points_table(facts.names, [design.parameters[i] for i in new], table, facts.labels)
    if not store.exists or facts != store.facts():
        store.save(facts, points)
    store.tidy(facts)
    looking = building + measuring + ANALYSIS * job.heavy
    built = {asked[i]: probe for i, probe in probes.items()}
    return Asked(facts, dict(zip(asked, design.parameters, strict=True)), built, looking)


def ask_again(store: Store, asked: Asked, broken: Collection[int] | None = None) -> None:
    """Ask once more for points that failed, each in a block of its own; or for those lost in ``broken`` blocks."""
    facts = asked.facts
    waiting: dict[int, set[Seed | None]] = {}
    for block in pending(facts.requests, store.finished(facts)):
        for point in block.points:
            waiting.setdefault(point, set()).update(block.seeds or (None,))
    again: dict[tuple[tuple[Seed, ...], bool, int], list[int]] = {}
    for block in store.tables.may_have_failed(store.blocks(facts)):
        failures = store.tables.read("failures", block).to_pandas()
        if broken is not None:
            failures = failures[failures["kind"].eq("lost") & (block.number in broken)]
        failed = set(retriable(failures)["point"])
        failed = {point for point in failed if not waiting.get(point, set()).issuperset(block.seeds or (None,))}
        here = [point for point in block.points if point in failed and point in asked.parameters]
        again.setdefault((block.seeds, block.fresh, block.depth), []).extend(here)
    for (seeds, fresh, depth), points in again.items():
        if points:
            first = next_number(facts.requests)
            facts.requests.append(Request(first, tuple(points), seeds, 1, depth, fresh, retries=True))
    if any(again.values()):
        store.save(facts, store.points(facts))


def _continued(
    facts: Facts, store: Store, design: Design, job: Job, now: dict[str, Any], accept_changes: bool
) -> Facts:
    """What was asked before, if it may go on with what is asked now."""
    if set(facts.names) != set(design.names):
        raise StudyFolderError(
            f"{store.folder} holds a study of the parameters {', '.join(facts.names) or 'none'}, this one has "
            f"{', '.join(design.names) or 'none'}; choose another folder"
        )
    before = facts.identity
    changes = compared(facts, design, job, now)
    other_tables = set(before["measures"]) != set(now["measures"])
    if changes and (other_tables or not accept_changes):
        leave = "" if other_tables else ", or accept the changes (accept_changes=True) if what is finished stands"
        raise StudyFolderError(
            f"{store.folder} holds results of another making: {'; '.join(changes)}; choose another folder{leave}"
        )
    if changes:
        facts.accepted.append({"when": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "changes": changes})
        facts.identity = now
    return facts


def compared(facts: Facts, design: Design, job: Job, now: dict[str, Any]) -> list[str]:
    """What differs between what a folder holds and an identity ``now``, which is given the portrait of its point."""
    before = facts.identity
    now["point"] = before["point"]
    if before["point"]["key"] in design.keys:
        place = design.keys.index(before["point"]["key"])
        now["point"] = portrait(job, design.keys[place], design.parameters[place])
    return differences(before, now)


def _probes(design: Design, job: Job) -> dict[int, Scenario]:
    """The first point, the last, and the extremes of each parameter, built: some have to, the others are failures."""
    chosen = {0: None, len(design) - 1: None}
    for name in design.names:
        values = [point[name] for point in design.parameters]
        try:
            ends = (min(range(len(values)), key=values.__getitem__), max(range(len(values)), key=values.__getitem__))
        except (TypeError, ValueError, RuntimeError):  # they have no order; arrays and tensors say so in their ways
            ends = tuple({digest(value): i for i, value in reversed(list(enumerate(values)))}.values())
        chosen |= dict.fromkeys(ends)
    built: dict[int, Scenario] = {}
    error: Exception | None = None
    for i in list(chosen)[:PROBES]:
        try:
            built[i] = built_point(job, design.parameters[i])
        except Exception as raised:
            error = error or raised
    if not built:
        raise ValueError(
            f"build() fails at all of {len(chosen)} points that were tried; the first, {design.parameters[0]}, with "
            f"{type(error).__name__}: {error}"
        ) from error
    return built


def _likeness(design: Design) -> list[str]:
    """Points that differ in floats alone can usually be one tensor program."""
    return [digest({k: v for k, v in point.items() if type(v) is not float}) for point in design.parameters]
