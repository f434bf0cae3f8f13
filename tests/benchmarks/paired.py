"""What common random numbers are worth: intervals of measured influence, against those from independent draws.

``scenarios/pair.py`` in the settings of Zhang, Wei, Zhang 2026 (arXiv 2605.29267), Figure 3, at coupling .9: 100 rounds
of which 80 burn in, curation levels .38 and .42, 40 seeds, so 80 runs on either side. Independent draws are other seeds
at the lower level. A ratio is one of interval widths, so it is that of standard errors: its square says how many times
as many runs independent draws would need.

Even shared draws cannot make the numbers of curated samples equal: a share ``2δ`` of the samples is curated at one
level only, a variance of ``2δ(1 − 2δ)`` a sample against ``2λ(1 − λ)`` from independent draws. Where little but these
numbers matters the ratio is about ``√(.48/.0384) = 3.5``, as it is for theta, whose users do the choosing; choices made
sample by sample cannot be closer. The noise of the samples, which is shared, matters more for phi.
"""

from __future__ import annotations

import math
from statistics import mean

import numpy as np
from scipy import stats

from ecosystem import Ecosystem, Scenario
from ecosystem.influence.measured import measure_influence
from scenarios import pair
from tests.benchmarks.timing import Row, threads

SIZES = (4, 12, 64)
SEEDS, BLOCKS = 40, 10  # every block is an experiment
COUPLING, LEVEL, DELTA = 0.9, 0.4, 0.02
BURN_IN = 80
MEMBERS = ("theta", "phi")


def shared(scenario: Scenario, block: int) -> np.ndarray:
    """The widths of the intervals of theta's influence on both, ``[members]``."""
    seeds = range(block * SEEDS, (block + 1) * SEEDS)
    table = measure_influence(scenario, delta=DELTA, seeds=seeds, sources=["theta"], burn_in=BURN_IN).table
    width = (table["high"] - table["low"]).set_axis(table["target"])
    return width.loc[list(MEMBERS)].to_numpy()


def independent(scenario: Scenario, block: int) -> np.ndarray:
    """The same with draws of their own for the lower level."""
    high = averages(scenario.with_curation("theta", LEVEL + DELTA), block)
    low = averages(scenario.with_curation("theta", LEVEL - DELTA), block + BLOCKS)
    error = stats.sem((high - low) / (2 * DELTA), axis=0)
    return 2 * stats.t.ppf(0.975, SEEDS - 1) * error


def averages(scenario: Scenario, block: int) -> np.ndarray:
    """Mean alignments after the burn-in, ``[seeds, members]``."""
    eco = Ecosystem(scenario, seeds=range(block * SEEDS, (block + 1) * SEEDS))
    eco.run()
    rounds = eco.result().rounds
    late = rounds[rounds["round"] > BURN_IN]
    return late.pivot_table("alignment", "seed", "member", observed=True)[list(MEMBERS)].to_numpy()


def rows(samples: int) -> list[Row]:
    """A row for each member."""
    scenario = pair.scenario(COUPLING, LEVEL, samples=samples)
    widths = np.array([(independent(scenario, block), shared(scenario, block)) for block in range(BLOCKS)])
    out = []
    for i, name in enumerate(MEMBERS):
        apart, together = widths[:, 0, i], widths[:, 1, i]
        what = f"width, draws apart / shared: theta on {name}, n = {samples}"
        ratios = [float(ratio) for ratio in apart / together]
        out.append(Row(what, "at least 5x", mean(apart) / mean(together), math.nan, math.nan, ratios))
    return out


def measure() -> list[Row]:
    """All sizes, both members."""
    with threads(1):
        return [row for samples in SIZES for row in rows(samples)]
