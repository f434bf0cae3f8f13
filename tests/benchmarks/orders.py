"""Orders drawn anew for each of 40 replicates, against one order for all: 100 members, mean degree 8, 24 dimensions.

Whole rounds of a scale-free network whose members each take 70 % raw and 30 % curated data. Statistics drawn directly
cost least, and so what orders cost shows most; then all samples are built, and chosen among four. With Poisson clocks
half of the members, more or less, are due in a round, in another order each time. Among 20 members a wave has
a few lanes, and what it costs by itself shows most.
"""

from __future__ import annotations

from functools import cache

import networkx as nx
import numpy as np

from ecosystem import (
    Ecosystem,
    Flow,
    Linear,
    Location,
    Luce,
    Member,
    Scenario,
    Shift,
    every,
    poisson,
    shuffled,
    synchronous,
)
from tests.benchmarks.timing import Row, in_turn, threads, times_as_long

MEMBERS, FEW, DEGREE, DIMENSION, SAMPLES, CURATED, REPLICATES = 100, 20, 8, 24, 64, 0.3, 40
KINDS = {"statistics drawn": ("Shift", False), "Shift, samples built": ("Shift", True), "Luce(4)": ("Luce", True)}


@cache
def network(curator: str, clocks: bool, members: int = MEMBERS) -> Scenario:
    """Everybody takes from its neighbours evenly; tastes differ."""
    rng = np.random.default_rng(2)
    graph = nx.barabasi_albert_graph(members, DEGREE // 2, seed=1).to_directed()

    def member(node: int) -> Member:
        taste = rng.normal(size=DIMENSION) / 10
        return Member(
            Location(rng.normal(size=DIMENSION), 0.2),
            reward=Linear(taste),
            curator=Shift(taste) if curator == "Shift" else Luce(4),
            schedule=poisson(0.7) if clocks else every(1),
        )

    def flow(u: int, v: int) -> Flow:
        part = 1 / graph.in_degree(v)
        return Flow(raw=(1 - CURATED) * part, curated=CURATED * part)

    name = f"scale free, {curator}"
    return Scenario.from_graph(graph, member=member, flow=flow, name=name, rounds=10_000, samples=SAMPLES)


def against_synchronous(kind: str, clocks: bool, members: int = MEMBERS) -> Row:
    """Rounds in random orders, and synchronous ones in which all are due."""
    curator, built = KINDS[kind]
    with threads(1):
        ours, yardstick = (
            Ecosystem(scenario.replace(ordering=ordering), seeds=range(REPLICATES), build_samples=built)
            for scenario, ordering in (
                (network(curator, clocks, members), shuffled),
                (network(curator, False, members), synchronous),
            )
        )
        ours.step()
        yardstick.step()
        mine, theirs = in_turn(ours.step, yardstick.step, repetitions=6 * MEMBERS // members)
    order = "shuffled, Poisson clocks" if clocks else "shuffled"
    what = f"{order} / synchronous, {REPLICATES} replicates of {members} members ({kind})"
    return times_as_long(what, 3, mine, theirs)


def measure() -> list[Row]:
    """All kinds, with and without clocks; few members where statistics are drawn."""
    rows = [against_synchronous(kind, clocks) for clocks in (False, True) for kind in KINDS]
    return [*rows, against_synchronous("statistics drawn", False, FEW)]
