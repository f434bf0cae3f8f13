"""Peak memory of the exact influence of curation on random digraphs whose users choose by ``Luce(4)``.

Location members of two dimensions, mean degree 4, half of every diet raw and .3 of it curated, by the producers' or the
consumers' users; every taste is another, so no two choices are alike. Each case is a process of its own, so that its
peak memory is its own. Before choices were worked out a few at a time 100 members took 3.6 GB (13.1 GB with the
consumers' users).
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import torch

from ecosystem import Flow, Linear, Location, Luce, Member, Scenario
from ecosystem.influence import influence
from tests.benchmarks.timing import Row

SIZES = (50, 100, 200, 400, 800, 1600)


def network(members: int, chosen_by: Any) -> Scenario:
    """Everybody reads about four others and has real data besides."""
    rng = np.random.default_rng(1)
    graph = nx.gnp_random_graph(members, 4 / members, seed=1, directed=True)

    def member(_: int) -> Member:
        start, taste, real = rng.normal(size=(3, 2))
        return Member(Location(start, 0.5), reward=Linear(taste), curator=Luce(4), real=Location(real, 0.5))

    def flow(_: int, v: int) -> Flow:
        return Flow(raw=0.5 / graph.in_degree(v), curated=0.3 / graph.in_degree(v), chosen_by=chosen_by)

    return Scenario.from_graph(graph, member=member, flow=flow, name="curated", rounds=10)


def case(members: int, chosen_by: str) -> dict[str, float]:
    """Seconds, gigabytes and how much all effects add up to, of one whole matrix, its stable point included."""
    torch.set_num_threads(1)
    scenario, begin = network(members, chosen_by), time.perf_counter()
    matrix = influence(scenario).matrix
    seconds, most = time.perf_counter() - begin, float(np.abs(matrix.to_numpy()).sum())
    return {"seconds": seconds, "gigabytes": peak(), "effects": most}


def apart(members: int, chosen_by: str) -> dict[str, float]:
    """A case in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.curated", str(members), chosen_by]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def peak() -> float:
    """Gigabytes that this process has used at most; Linux's ``ru_maxrss`` would count the parent's too."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e9


def measure() -> list[Row]:
    """A row for each size and chooser."""
    nothing: Any = float("nan")
    rows = []
    for chosen_by in ("producer", "consumer"):
        for members in SIZES:
            found = apart(members, chosen_by)
            what = f"influence of {members:,} members, Luce(4), chosen_by={chosen_by!r}: peak memory"
            size = found["gigabytes"]
            rows.append(Row(what, "under 2 GB", size, found["seconds"], nothing, [size], " GB"))
    return rows


if __name__ == "__main__":
    print(json.dumps(case(int(sys.argv[1]), sys.argv[2])))
