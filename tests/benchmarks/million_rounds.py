"""A million location members on a scale-free network: a round of the population here, and on a GPU where there is one.

The network grows as Kleinberg's copying model: a new member links to four earlier ones, half of the time to one that an
earlier link leads to, and both read each other. Bounds in seconds are those of an H200.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import scipy.sparse as sparse
import torch

from ecosystem import Ecosystem, Linear, Location, Luce, Record, Scenario, Shift
from ecosystem.engine.step import step
from scenarios import pair
from tests.benchmarks.timing import Row, in_turn, threads, times_as_long

MEMBERS, DIMENSIONS, LINKS = 1_000_000, 24, 4
NOT_HERE = math.nan


def network(members: int, links: int = LINKS) -> tuple[np.ndarray, np.ndarray]:
    """Sources and targets of the flows, each pair once and both ways."""
    rng = np.random.default_rng(0)
    new = np.repeat(np.arange(links, members), links)
    old = rng.integers(0, new)
    copied = np.flatnonzero((rng.random(len(new)) < 0.5) & (new > links))
    old[copied] = old[rng.integers(0, (new[copied] - links) * links)]
    key = np.unique(np.concatenate([new, old]) * members + np.concatenate([old, new]))
    return key // members, key % members


def ecosystem(members: int, samples: int | None = None, device: str | None = None) -> Ecosystem:
    """All of them with users who shift what is curated, or who choose one of two where there are samples."""
    source, target = network(members)
    degree = np.bincount(target, minlength=members)
    means = np.random.default_rng(1).normal(size=(members, DIMENSIONS))
    s = Scenario("a million", rounds=1000, samples=samples)
    s.add_many(
        [f"m{i}" for i in range(members)],
        Location.many(means, scale=0.2),
        reward=Linear(np.ones(DIMENSIONS) / DIMENSIONS),
        curator=Shift(torch.full((DIMENSIONS,), 0.1)) if samples is None else Luce(2),
        real=Location(np.zeros(DIMENSIONS)),
    )
    s.connect_many((source, target), raw=0.4 / degree[target], curated=0.4 / degree[target])
    return Ecosystem(s, record=Record(last=1), device=device)


def on_the_cpu(members: int = MEMBERS) -> Row:
    """A round, in one thread, against SciPy's product of the network's matrix and the parameters."""
    source, target = network(members)
    matrix = sparse.csr_matrix((np.full(len(source), 0.1), (target, source)), shape=(members, members))
    eco = ecosystem(members)
    values, states = np.random.default_rng(2).normal(size=(members, DIMENSIONS)), [eco.state]

    def ours() -> None:
        states[:] = [step(eco.program, states[0])[0]]

    with threads(1):
        ours(), ours()
        took, yardstick = in_turn(ours, lambda: matrix @ values, 5)
    return times_as_long(f"{members:,} members, a population round / SciPy's CSR product", 3, took, yardstick)


def on_a_gpu(what: str, bound: float, make: Callable[[], Callable[[], object]]) -> Row:
    """The fastest of several calls, in seconds; not measured where there is no GPU."""
    if not torch.cuda.is_available():
        return Row(f"GPU: {what}", f"under {bound:g} s", NOT_HERE, NOT_HERE, NOT_HERE, [NOT_HERE])
    program, took = make(), []
    for _ in range(7):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        program()
        torch.cuda.synchronize()
        took.append(time.perf_counter() - begin)
    best = took[2:]  # the first compile, and warm up
    return Row(f"GPU: {what}", f"under {bound:g} s", min(best), min(best), NOT_HERE, best, " s")


def rounds(samples: int | None = None) -> Callable[[], object]:
    """Rounds of a million members on the GPU, one after the other."""
    eco = ecosystem(MEMBERS, samples, "cuda")
    states = [eco.state]

    def one() -> None:
        states[:] = [step(eco.program, states[0])[0]]

    return one


def pairs() -> Callable[[], object]:
    """``pair.py``, 100 rounds of 10,000 replicates."""
    s = pair.scenario().replace(rounds=100, samples=64)
    return lambda: s.run(replicates=10_000, record=Record(last=1), device="cuda")


def measure() -> list[Row]:
    return [
        on_the_cpu(),
        on_a_gpu("1,000,000 members, a population round", 3e-3, rounds),
        on_a_gpu("1,000,000 members, a round of 64 samples of 24 numbers", 30e-3, lambda: rounds(64)),
        on_a_gpu("pair.py, 10,000 replicates, 100 rounds of 64 samples", 1, pairs),
    ]
