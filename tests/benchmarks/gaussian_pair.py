"""Two coupled location models with finite samples, against a NumPy loop over the same runs.

The experiment of Zhang, Wei, Zhang 2026 (arXiv 2605.29267), Figure 3: ``θ`` reads ``φ`` and a fraction ``λ`` of what it
reads is curated (moved by ``a``); ``φ`` reads ``θ`` through ``A(t) = t·blkdiag(β_m·Rot(angle_m))``. Three sample sizes,
40 seeds, 18 couplings ``t``, two curation levels, 100 rounds, ``θ`` before ``φ``: 4,320 runs. Time does not depend on
the numbers in it, so a system of the same shape is drawn here. One thread on both sides; tables are part of our time.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.linalg import block_diag

from ecosystem import Ecosystem, Flow, LinearMap, Location, Member, Quadratic, Scenario, Shift, sequential
from tests.benchmarks.timing import Row, in_turn, threads, times_faster

SIZES = (4, 12, 64)
SEEDS = 40
COUPLINGS = np.arange(1, 19) * 0.05
LEVELS = (0.38, 0.42)
ROUNDS = 100
NOISE = 0.2
CURVATURE = {"p": 0.18, "q": 0.22}
FRACTION = 10  # the loop runs every 10th seed; its time is multiplied by 10


@cache
def system() -> dict[str, np.ndarray]:
    """A system of the shape of Figure 3: 24 dimensions in 12 rotated blocks, a shift, two tastes."""
    rng = np.random.default_rng(3)
    angles, strengths = np.deg2rad(rng.uniform(-90, 90, 12)), rng.uniform(0.15, 0.95, 12)
    blocks = [
        s * np.array([[np.cos(w), -np.sin(w)], [np.sin(w), np.cos(w)]]) for w, s in zip(angles, strengths, strict=True)
    ]
    return {
        "A": block_diag(*blocks),
        "a": rng.normal(0.6, 0.8, 24),
        "g_p": rng.normal(0.2, 0.4, 24),
        "g_q": rng.normal(0.2, 0.4, 24),
    }


def pair(coupling: float, level: float, samples: int) -> Scenario:
    """One of the 36 variants."""
    numbers = system()
    s = Scenario("pair", rounds=ROUNDS, samples=samples, ordering=sequential("theta", "phi"))
    start, taste_p, taste_q = np.zeros(24), (numbers["g_p"], CURVATURE["p"]), (numbers["g_q"], CURVATURE["q"])
    s.add("theta", Member(Location(start, NOISE), reward=Quadratic(*taste_p), curator=Shift(numbers["a"])))
    s.add("phi", Member(Location(start, NOISE), reward=Quadratic(*taste_q)))
    s.connect("phi", "theta", Flow(raw=1 - level, curated=level, chosen_by="consumer"))
    s.connect("theta", "phi", Flow(raw=1.0, transform=LinearMap(coupling * numbers["A"])))
    return s


def ours(build_samples: bool = False) -> list:
    """All 4,320 runs as three tensor programs, with the table ``rounds`` of every variant."""
    tables = []
    for n in SIZES:
        variants = [pair(t, level, n) for t in COUPLINGS for level in LEVELS]
        eco = Ecosystem(variants, seeds=range(SEEDS), build_samples=build_samples)
        eco.run()
        tables += [eco.result(variant).rounds for variant in range(len(variants))]
    return tables


def loop(seeds: range = range(0, SEEDS, FRACTION)) -> np.ndarray:
    """The same runs one by one; rewards ``[runs, rounds + 1, 2]``."""
    return np.stack(
        [one_run(t, level, n, seed) for n in SIZES for t in COUPLINGS for level in LEVELS for seed in seeds]
    )


def one_run(coupling: float, level: float, n: int, seed: int) -> np.ndarray:
    """Draw, choose, shift, average; draw, transform, average; write down both rewards."""
    numbers = system()
    matrix, a, g_p, g_q = coupling * numbers["A"], numbers["a"], numbers["g_p"], numbers["g_q"]
    rng = np.random.default_rng(seed)
    theta, phi = np.zeros(24), np.zeros(24)
    rewards = np.empty((ROUNDS + 1, 2))
    rewards[0] = alignment(theta, g_p, CURVATURE["p"]), alignment(phi, g_q, CURVATURE["q"])
    for round in range(1, ROUNDS + 1):
        data = phi + NOISE * rng.standard_normal((n, 24))
        curated = rng.random(n) < level
        data[curated] += a
        theta = data.mean(axis=0)
        data = (theta + NOISE * rng.standard_normal((n, 24))) @ matrix.T
        phi = data.mean(axis=0)
        rewards[round] = alignment(theta, g_p, CURVATURE["p"]), alignment(phi, g_q, CURVATURE["q"])
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
    """Both figures; the loop is timed beside each."""
    rows = []
    with threads(1):
        check()
        for what, build, bound in (("statistic drawn by its law", False, 20), ("samples built", True, 5)):
            mine, part = in_turn(lambda build=build: ours(build), loop, 3)
            whole = [second * FRACTION for second in part]
            rows.append(times_faster(f"4,320 Gaussian pairs x 100 rounds, {what}; 1 thread", bound, mine, whole))
    return rows
