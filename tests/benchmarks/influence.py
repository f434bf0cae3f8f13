"""The exact influence matrix of large networks: how long, in how much memory, and how the cost grows.

Location members with ``d = 24`` on a random digraph of mean degree 8, every flow with a dense transform of its own,
``ρ(B)`` near .9. Each case is a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

import networkx as nx
import numpy as np
import torch

from ecosystem import Flow, LinearMap, Location, Member, Quadratic, Scenario, Shift
from ecosystem.influence import influence, stable_point
from tests.benchmarks import million
from tests.benchmarks.timing import Row

WIDTH, DEGREE, REAL = 24, 8, 0.08


def network(members: int, transforms: bool, seed: int = 0) -> Scenario:
    """Everybody reads about eight others through matrices near rotations, and curates a part of what it reads."""
    rng = np.random.default_rng(seed)
    graph = nx.fast_gnp_random_graph(members, (DEGREE - 1) / members, seed=seed, directed=True)
    graph.add_edges_from((u, (u + 1) % members) for u in range(members))

    def member(_: int) -> Member:
        return Member(
            Location(np.zeros(WIDTH), 0.2),
            reward=Quadratic(rng.normal(size=WIDTH), 0.2),
            curator=Shift(rng.normal(size=WIDTH)),
            real=Location(rng.normal(size=WIDTH), 0.2),
        )

    def flow(_: int, v: int) -> Flow:
        share = (1 - REAL) / graph.in_degree(v)
        turn = rng.normal(size=(WIDTH, WIDTH)) * 0.15 / np.sqrt(WIDTH)
        matrix = LinearMap(np.linalg.solve(np.eye(WIDTH) + (turn - turn.T) / 2, np.eye(WIDTH) - (turn - turn.T) / 2))
        return Flow(0.7 * share, 0.3 * share, chosen_by="consumer", transform=matrix if transforms else None)

    return Scenario.from_graph(graph, member=member, flow=flow, name="large", rounds=1)


def case(members: int, transforms: bool, sources: int, targets: int, threads: int) -> dict[str, float]:
    """Seconds, peak memory and spectral radius of one influence analysis; 0 means all sources or targets."""
    torch.set_num_threads(1)
    scenario = network(members, transforms)
    point = stable_point(scenario, starts=1)
    torch.set_num_threads(threads)
    names = scenario.names
    begin = time.perf_counter()
    effect = influence(scenario, names[:sources] if sources else None, names[:targets] if targets else None, at=point)
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {
        "seconds": seconds,
        "gigabytes": peak,
        "radius": effect.resolvent.radius,
        "edges": len(scenario.graph.edges),
    }


def column(members: int) -> dict[str, float]:
    """One source's column among members who are read unevenly, ``ρ(B) = .9``: seconds of one core, and peak memory."""
    torch.set_num_threads(1)
    scenario = million.scenario(members)
    begin = time.process_time()
    point = stable_point(scenario, starts=1)
    found = time.process_time()
    effect = influence(scenario, scenario.names[:1], at=point)
    seconds = {"point": found - begin, "seconds": time.process_time() - found}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return seconds | {"gigabytes": peak, "error": effect.solved.error, "radius": effect.resolvent.radius}


def apart(*numbers: int) -> dict[str, float]:
    """A case in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.influence", *map(str, numbers)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure() -> list[Row]:
    """The bounds are those of two threads; the large networks' rows and columns use one."""
    whole = apart(1000, 1, 0, 0, 2)
    what = f"influence of 1,000 members, dense transforms, ρ = {whole['radius']:.2f}"
    rows = [_row(f"{what}: whole matrix", "under 20 s", whole["seconds"], " s")]
    rows.append(_row(f"{what}: peak memory of the process", "under 1 GB", whole["gigabytes"], " GB"))
    for transforms, words in ((0, "no transforms"), (1, "dense transforms")):
        for sources, targets, side in ((1, 0, "column"), (0, 1, "row")):
            one = apart(10_000, transforms, sources, targets, 1)
            rows.append(_row(f"one {side} for 10,000 members, {words}", "under 10 s", one["seconds"], " s"))
    one, part = apart(million.MEMBERS), million.MEMBERS / 1_000_000
    what = f"one column for {million.MEMBERS:,} members by the array, ρ = {one['radius']:.2f}"
    rows.append(_row(f"{what}: at a stable point", f"under {120 * part:.3g} s", one["seconds"], " s"))
    rows.append(_row(f"{what}: the stable point", "", one["point"], " s"))
    rows.append(
        _row(f"{what}: peak memory of the process", f"under {7.5 * part + 0.5:.3g} GB", one["gigabytes"], " GB")
    )
    small, large = (apart(members, 1, 64, 0, 1) for members in (1000, 4000))
    growth = (large["seconds"] / large["edges"]) / (small["seconds"] / small["edges"])
    what = "64 columns: seconds an edge, 4,000 members / 1,000"
    rows.append(Row(what, "within 1x", growth, large["seconds"], small["seconds"], [growth]))
    return rows


def _row(what: str, bound: str, value: float, unit: str) -> Row:
    return Row(what, bound, value, value if unit == " s" else float("nan"), float("nan"), [value], unit)


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[1:]]
    print(json.dumps(case(given[0], bool(given[1]), *given[2:]) if len(given) > 1 else column(given[0])))
