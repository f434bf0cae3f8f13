"""Two coupled location models with finite samples, against a NumPy loop over the same runs.

The experiment of Zhang, Wei, Zhang 2026 (arXiv 2605.29267), Figure 3, as in ``scenarios/pair.py``: three sample sizes,
40 seeds, 18 couplings, two curation levels, 100 rounds, ``θ`` before ``φ``: 4,320 runs; with a plane of 37 couplings
and 10 levels at the largest size 19,120, as many as its authors' script plays. One thread on both sides; building the
scenarios and making the tables is part of our time.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from ecosystem import Ecosystem
from scenarios import pair
from tests.benchmarks.timing import Row, in_turn, threads, times_faster

SIZES = (4, 12, 64)
SEEDS = 40
COUPLINGS = [step / 20 for step in range(1, 19)]
LEVELS = (0.38, 0.42)
ROUNDS = 100
NOISE = pair.SYSTEM["sigma"]
PLANE = [(t, level) for t in np.linspace(*pair.COUPLING, 37) for level in np.linspace(*pair.CURATION, 10)]
FRACTION = 10  # the loop runs every 10th seed; its time is multiplied by 10


@cache
def numbers(coupling: float) -> tuple[np.ndarray, ...]:
    """``A(t)``, the shift and the two tastes."""
    return pair.coupling_matrix(coupling).numpy(), *(np.array(pair.SYSTEM[name]) for name in ("a", "g_p", "g_q"))


def ours(build_samples: bool = False) -> list:
    """All 4,320 runs as three tensor programs, with the table ``rounds`` of every variant."""
    points = [(t, level) for t in COUPLINGS for level in LEVELS]
    return [table for n in SIZES for table in played(points, n, build_samples)]


def played(points: list[tuple[float, float]], n: int, build_samples: bool = False) -> list:
    """One tensor program for all points and seeds; the table ``rounds`` of each point."""
    variants = [pair.scenario(t, level, ROUNDS, n) for t, level in points]
    eco = Ecosystem(variants, seeds=range(SEEDS), build_samples=build_samples)
    eco.run()
    return [eco.result(variant).rounds for variant in range(len(variants))]


def plane(seeds: range = range(0, SEEDS, FRACTION)) -> None:
    """The plane's runs one by one."""
    for t, level in PLANE:
        for seed in seeds:
            one_run(t, level, SIZES[-1], seed)


def loop(seeds: range = range(0, SEEDS, FRACTION)) -> np.ndarray:
    """The same runs one by one; rewards ``[runs, rounds + 1, 2]``."""
    return np.stack(
        [one_run(t, level, n, seed) for n in SIZES for t in COUPLINGS for level in LEVELS for seed in seeds]
    )


def one_run(coupling: float, level: float, n: int, seed: int) -> np.ndarray:
    """Draw, choose, shift, average; draw, transform, average; write down both rewards."""
    matrix, a, g_p, g_q = numbers(coupling)
    eta_p, eta_q = pair.SYSTEM["eta_p"], pair.SYSTEM["eta_q"]
    rng = np.random.default_rng(seed)
    theta, phi = np.zeros(24), np.zeros(24)
    rewards = np.empty((ROUNDS + 1, 2))
    rewards[0] = alignment(theta, g_p, eta_p), alignment(phi, g_q, eta_q)
    for round in range(1, ROUNDS + 1):
        data = phi + NOISE * rng.standard_normal((n, 24))
        curated = rng.random(n) < level
        data[curated] += a
        theta = data.mean(axis=0)
        data = (theta + NOISE * rng.standard_normal((n, 24))) @ matrix.T
        phi = data.mean(axis=0)
        rewards[round] = alignment(theta, g_p, eta_p), alignment(phi, g_q, eta_q)
    return rewards


def alignment(mean: np.ndarray, direction: np.ndarray, curvature: float) -> float:
    """``E r(x)`` of a location model under a quadratic taste."""
    return direction @ mean - 0.5 * curvature * (mean @ mean + len(mean) * NOISE**2)


def check() -> None:
    """Both programs are the same experiment: their average rewards of the last 20 rounds agree."""
    ours_mean = np.array(
        [[t.loc[(t["round"] > 80) & (t["member"] == m), "alignment"].mean() for m in ("theta", "phi")] for t in ours()]
    )
    loop_mean = loop().reshape(len(ours_mean), -1, ROUNDS + 1, 2)[:, :, 81:].mean((1, 2))
    worst = np.abs(ours_mean - loop_mean).max()
    if worst > 0.3:
        raise AssertionError(f"the two programs disagree: average rewards differ by up to {worst:.3g}")


def measure() -> list[Row]:
    """All figures; the loop is timed beside each."""
    rows = []
    with threads(1):
        check()
        for what, build, bound in (("statistic drawn by its law", False, 20), ("samples built", True, 5)):
            mine, part = in_turn(lambda build=build: ours(build), loop, 3)
            whole = [second * FRACTION for second in part]
            rows.append(times_faster(f"4,320 Gaussian pairs x 100 rounds, {what}; 1 thread", bound, mine, whole))
        mine, part = in_turn(lambda: (ours(), played(PLANE, SIZES[-1])), lambda: (loop(), plane()), 2)
        whole = [second * FRACTION for second in part]
        rows.append(times_faster("19,120 Gaussian pairs x 100 rounds, tables included; 1 thread", 40, mine, whole))
    return rows
