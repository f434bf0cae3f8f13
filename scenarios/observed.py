"""Which ecosystem made these observations? A hub and two readers, seen with errors; four numbers are unknown.

``hub`` trains on itself, on what its users choose of its own and on real data; ``north`` and ``south`` read it. The
observations in ``data/observed.csv`` are *simulated*: alignments of all three after each of 30 rounds, with errors of
known size, from planted numbers (``PLANTED``); every tenth value is missing. They were made by this file::

    python -m scenarios.observed

The scenario stands where somebody who does not know the planted numbers might begin. To play it, and to find them::

    ecosystem run scenarios/observed.py
    ecosystem fit scenarios/observed.py scenarios/data/observed.csv --free "level(hub)" --free "strength(hub)" \\
        --free "raw(hub -> north)" --free "raw(hub -> south)"

The file has a row for each observation: ``member``, ``round`` (after so many), ``measure`` (``alignment``, ``mean[0]``,
...), ``value`` (empty where it is missing) and ``sd``, the standard deviation of its error; ``seed`` and ``replicate``
say of which run it is, if there are several. No real series of this form comes with the packages that are used here.

Takes seconds; needs nothing more.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecosystem import Flow, Linear, Location, Member, Quadratic, Scenario, Shift

DATA = Path(__file__).parent / "data" / "observed.csv"
PLANTED: dict[str, Any] = {"level": 0.35, "strength": 1.4, "north": 0.7, "south": 0.45}
NOISE, SEED, MISSING = 0.02, 7, 10


def scenario(
    level: float = 0.2, strength: float = 1.0, north: float = 0.5, south: float = 0.5, rounds: int = 30
) -> Scenario:
    """A hub curated at ``level`` by users who shift by ``strength``; all else of its diet scales by ``1 − level``."""
    s = Scenario("observed", rounds=rounds)
    still, taste = Location([0.0, 0.0], 0.3), Quadratic([1.0, 0.5], 0.4)
    s.add("hub", Member(still, reward=taste, curator=Shift([0.8 * strength, 0.6 * strength]), real=still))
    s.add("north", Member(Location([1.0, 0.0], 0.3), reward=Linear([1.0, 0.0]), real=Location([1.0, 0.0], 0.3)))
    s.add("south", Member(Location([0.0, -1.0], 0.3), reward=Linear([0.0, 1.0]), real=Location([0.0, -1.0], 0.3)))
    s.connect("hub", "hub", Flow(raw=0.375 * (1 - level), curated=level))
    s.connect("hub", "north", Flow(raw=north))
    s.connect("hub", "south", Flow(raw=south))
    return s


def simulated() -> pd.DataFrame:
    """The table of observations: the planted population, with errors; the start is not observed."""
    rounds = scenario(**PLANTED).run().rounds
    seen = rounds.loc[rounds["round"] > 0, ["member", "round", "alignment"]].reset_index(drop=True)
    rng = np.random.default_rng(SEED)
    value = seen["alignment"] + NOISE * rng.standard_normal(len(seen))
    value[::MISSING] = np.nan
    return seen[["member", "round"]].assign(measure="alignment", value=value.round(4), sd=NOISE)


if __name__ == "__main__":
    simulated().to_csv(DATA, index=False)
