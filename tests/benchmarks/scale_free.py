"""10,000 location members on a scale-free digraph: a round against its bare sparse product and its bare normals.

Mean degree 8, 24 dimensions, no transforms, no real data, 30 % of every diet curated, chosen by the producers' users. A
population round is compared with one SciPy CSR product ``[10,000 x 10,000] @ [10,000 x 24]``; a sampled round, in which
all 640,000 samples are built, with ``normal_`` filling as many float64 numbers in memory that exists. Rounds are whole
ones: alignments and changes are recorded. Peak memory is that of a process of its own.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from functools import cache
from pathlib import Path

import networkx as nx
import numpy as np
import scipy.sparse as sparse
import torch

from ecosystem import Ecosystem, Flow, Linear, Location, Member, Scenario, Shift, Tilt
from ecosystem.core.kernels import compiled
from tests.benchmarks.timing import Row, in_turn, threads, times_as_long

MEMBERS, DEGREE, DIMENSION, SAMPLES, CURATED = 10_000, 8, 24, 64, 0.3
CURATORS = ("Shift", "Tilt")


@cache
def graph() -> nx.DiGraph:
    """Preferential attachment (Barabási–Albert), coupled both ways."""
    return nx.barabasi_albert_graph(MEMBERS, DEGREE // 2, seed=1).to_directed()


@cache
def network(curator: str) -> Scenario:
    """Everybody takes 70 % raw and 30 % curated data, evenly from its neighbours; tastes differ."""
    rng = np.random.default_rng(2)
    tilt = Tilt()

    def member(node: int) -> Member:
        taste = rng.normal(size=DIMENSION) / 10
        return Member(
            Location(rng.normal(size=DIMENSION), 0.2),
            reward=Linear(taste),
            curator=Shift(taste) if curator == "Shift" else tilt,
        )

    def flow(u: int, v: int) -> Flow:
        part = 1 / graph().in_degree(v)
        return Flow(raw=(1 - CURATED) * part, curated=CURATED * part)

    return Scenario.from_graph(graph(), member=member, flow=flow, name=f"scale free, {curator}", rounds=10_000)


def csr_product() -> tuple[sparse.csr_matrix, np.ndarray]:
    """The yardstick of a population round: 80,000 shares and 10,000 means."""
    shares = nx.to_scipy_sparse_array(graph(), format="csr", dtype=np.float64).T.tocsr()
    return sparse.csr_matrix(shares), np.random.default_rng(3).normal(size=(MEMBERS, DIMENSION))


def population(curator: str, count: int) -> Row:
    """Whole rounds without sampling."""
    matrix, means = csr_product()
    with threads(count):
        eco = Ecosystem(network(curator))
        eco.step()  # compiles the plan
        mine, product = in_turn(eco.step, lambda: matrix @ means, repetitions=40, calls=3)
    what = f"10,000 members, population round ({curator}) / CSR product; {count} thread(s)"
    return times_as_long(what, 8, mine, product)


def sampled(curator: str, count: int) -> Row:
    """Whole rounds with 64 samples a member, all of them built."""
    memory = torch.zeros(MEMBERS * SAMPLES * DIMENSION, dtype=torch.float64)
    with threads(count):
        eco = Ecosystem(network(curator).replace(samples=SAMPLES), build_samples=True)
        while compiled(memory.numel()) is None:  # loops are loaded by who has drawn much
            pass
        eco.step()
        mine, normals = in_turn(eco.step, memory.normal_, repetitions=6)
    what = f"10,000 members, sampled round ({curator}, n = {SAMPLES}) / normals; {count} thread(s)"
    return times_as_long(what, 1, mine, normals)


def peak_memory() -> Row:
    """Gigabytes of a process that builds the network and plays three sampled rounds."""
    command = [sys.executable, "-m", "tests.benchmarks.scale_free"]
    peaks = [float(subprocess.run(command, check=True, capture_output=True, text=True).stdout) for _ in range(2)]
    nothing = float("nan")
    return Row("10,000 members, sampled rounds: peak memory", "under 1 GB", max(peaks), nothing, nothing, peaks, " GB")


def measure() -> list[Row]:
    """Both curators on one thread, one of them on two, and the memory."""
    cases = [(curator, 1) for curator in CURATORS] + [("Shift", 2)]
    rows = [population(*case) for case in cases] + [sampled(*case) for case in cases]
    return [*rows, peak_memory()]


def peak() -> float:
    """Gigabytes that this process has used at most; Linux's ``ru_maxrss`` would count the parent's too."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e9  # bytes on macOS


def resident() -> float:
    """Gigabytes that this process has now; where nobody says so, what it has used at most."""
    status = Path("/proc/self/status")
    if not status.exists():
        return peak()
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024 / 1e9


if __name__ == "__main__":
    torch.set_num_threads(1)
    process = Ecosystem(network("Shift").replace(samples=SAMPLES), build_samples=True)
    for _ in range(3):
        process.step()
    print(peak())
