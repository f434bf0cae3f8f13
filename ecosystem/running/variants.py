"""What an ecosystem is asked to run: variants of one shape, and the replicates they run with."""

from __future__ import annotations

import functools
import platform
from collections.abc import Hashable, Iterable, Sequence
from importlib.metadata import version
from numbers import Integral
from typing import Any

import mesa
import networkx as nx
import numpy as np
import torch

from ecosystem.core.check import a_seed, brief, warn, whole_number
from ecosystem.core.memory import affordable
from ecosystem.core.stacking import Stackable
from ecosystem.core.version import VERSION
from ecosystem.engine.cohorts import generator_kind, member_kind
from ecosystem.generators.sources import as_source
from ecosystem.scenario import Scenario
from ecosystem.scenario.descriptions import curated_by
from ecosystem.scenario.network import standing_for_all

_PAIR = 25  # numbers of memory that a pair (seed, replicate) takes


def check_variants(scenarios: list[Scenario]) -> None:
    """Refuse scenarios that cannot be one tensor program."""
    if not scenarios:
        raise ValueError("an ecosystem needs a scenario, or several variants of one; got an empty list")
    first = scenarios[0]
    for scenario in scenarios:
        if not isinstance(scenario, Scenario):
            raise TypeError(f"an ecosystem is made of a Scenario, or a list of variants of one, got {brief(scenario)}")
    for scenario in scenarios:
        scenario.check()
        for what in ("names", "rounds", "samples", "interventions"):
            if getattr(scenario, what) != getattr(first, what):
                raise ValueError(
                    f"variants must have one shape, but {what} differ: {getattr(first, what)!r} in {first.name!r}, "
                    f"{getattr(scenario, what)!r} in {scenario.name!r}; run them in ecosystems of their own"
                )
        if scenario.ordering.kind() != first.ordering.kind():
            raise ValueError(f"variants must have one ordering, got {first.ordering} and {scenario.ordering}")
        for name in first.names if scenario is not first else ():
            mine, theirs = first.member(name).agent, scenario.member(name).agent
            if mine is not theirs:  # there is one agent for all variants
                raise ValueError(f"variants must have the same agents, but that of {name!r} is {mine} and {theirs}")


def shape(scenario: Scenario) -> Hashable:
    """What scenarios certainly share when they can be variants of one ecosystem, whatever they compute.

    Same members, families, flows, users, transforms, schedules, rounds, samples, order and interventions; numbers may
    differ. Agents of one's own may look at anything, so nobody shares a shape with them.
    """
    members, flows = [], []
    for name in scenario.names:
        member = scenario.member(name)
        if member.agent is not None:
            return object()
        real = None if member.real is None else generator_kind(as_source(member.real, member.generator, repr(name)))
        members.append((name, member_kind(member), member.schedule.kind(), real))
    for u, v, flow in scenario.graph.edges(data="flow"):
        users = curated_by(flow, scenario.member(u), scenario.member(v))
        after = flow.chosen_by == "consumer"
        flows.append((u, v, flow.delay, after, _kind(flow.transform), _kind(users)))
    whole = (scenario.rounds, scenario.samples, scenario.ordering.kind(), repr(scenario.interventions))
    return (*whole, tuple(members), tuple(flows))


def _kind(item: Stackable | None) -> Any:
    return None if item is None else item.kind()


def randomly_timed(scenario: Scenario) -> bool:
    """Whether its order or a clock is random: then replicates differ on the population too."""
    return scenario.ordering.random or has_random_clocks(scenario)


def has_random_clocks(scenario: Scenario) -> bool:
    """Whether anybody retrains at random."""
    return any(member.schedule.random for _, member, _ in standing_for_all(scenario))


def as_pairs(seeds: int | Sequence[int | tuple[int, int]], where: str = "seeds") -> list[tuple[int, int]]:
    """Pairs (seed, replicate) from a number of seeds, from ints (replicate 0 of each) or from pairs."""
    if isinstance(seeds, Integral):
        count = whole_number(seeds if isinstance(seeds, bool) else int(seeds), where, 1)
        affordable(_PAIR * count, f"{where}={count}", "give fewer")
        seeds = range(count)
    if isinstance(seeds, str | bytes | dict | set) or not isinstance(seeds, Iterable) or getattr(seeds, "ndim", 1) == 0:
        raise TypeError(f"{where} is a number of seeds, or a list of seeds or of (seed, replicate), got {brief(seeds)}")
    given: list[Any] = list(seeds)
    pairs = [
        (a_seed(s[0], where), a_seed(s[1], where))
        if isinstance(s, tuple | list) and len(s) == 2
        else (a_seed(s, where), 0)
        for s in given
    ]
    if not pairs or len(set(pairs)) < len(pairs):
        place = "" if where == "seeds" else f"{where}: "
        raise ValueError(f"{place}seeds must name at least one replicate and none twice, got {brief(given)}")
    return pairs


def as_seeds(seeds: Sequence[int | tuple[int, int]], scenario: Scenario) -> list[tuple[int, int]]:
    """Pairs (seed, replicate); one where all replicates would be equal, with a warning that says so."""
    pairs = as_pairs(seeds)
    if scenario.samples is None and not randomly_timed(scenario) and len(pairs) > 1:
        warn(
            f"scenario {scenario.name!r} runs on the population without random orders or clocks: all replicates would "
            "be equal, so it has one; for many give it samples: scenario.replace(samples=n)",
        )
        return pairs[:1]
    return pairs


@functools.cache
def versions() -> dict[str, str]:
    """What it runs on."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "scipy": version("scipy"),
        "pandas": version("pandas"),
        "mesa": mesa.__version__,
        "networkx": nx.__version__,
        "ecosystem": VERSION,
    }
