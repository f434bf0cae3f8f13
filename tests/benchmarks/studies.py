"""Studies: what stacking gains, what the study costs beyond the simulation, memory, and a second worker.

The plane of ``scenarios/pair.py``, 20 seeds and 100 rounds a point, every round kept; and the small neural models of
``scenarios/moons.py``. Each case is a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from ecosystem import Ecosystem
from ecosystem.study import Local, Study
from scenarios import moons, pair
from tests.benchmarks.timing import Row, threads

SEEDS, WIDTH = 20, 256
FEW, MANY, ALONE = 1_000, 10_000, 32  # points
NEURAL = {"rounds": 6, "samples": 300, "steps": 60, "warm_up": 60}


def plane(points: int) -> pd.DataFrame:
    """Points scattered over the plane."""
    rng = np.random.default_rng(0)
    return pd.DataFrame({"coupling": rng.uniform(0.02, 0.98, points), "curation": rng.uniform(0.05, 0.95, points)})


def stacked(points: int) -> dict[str, float]:
    """A study of so many points in one process: seconds, and peak memory in GB."""
    study = Study("plane", pair.scenario, grid=plane(points), seeds=SEEDS, block=WIDTH)
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        study.run(Path(folder) / "study", engine=Local(workers=0))
        seconds = time.perf_counter() - begin
    return {"seconds": seconds, "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}


def one_by_one(points: int) -> dict[str, float]:
    """The same points as a loop over runs, tables and all."""
    begin = time.perf_counter()
    for point in plane(points).to_dict("records"):
        eco = Ecosystem(pair.scenario(**point), seeds=range(SEEDS))
        eco.run()
        _ = eco.result().rounds
    return {"seconds": time.perf_counter() - begin}


def simulation(points: int) -> dict[str, float]:
    """The ecosystems of a study alone, stacked in the same way."""
    scenarios = [pair.scenario(**point) for point in plane(points).to_dict("records")]
    begin = time.perf_counter()
    for i in range(0, points, WIDTH):
        Ecosystem(scenarios[i : i + WIDTH], seeds=range(SEEDS)).run()
    return {"seconds": time.perf_counter() - begin}


def neural(workers: int) -> dict[str, float]:
    """Sixteen points of neural models on so many workers."""
    study = Study("moons", moons.scenario, grid={name: [value] for name, value in NEURAL.items()}, seeds=16)
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        study.run(Path(folder) / "study", engine=Local(workers=workers))
        return {"seconds": time.perf_counter() - begin}


def apart(case: str, number: int) -> dict[str, float]:
    """A case in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.studies", case, str(number)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure() -> list[Row]:
    few, alone, bare = apart("stacked", FEW), apart("one_by_one", ALONE), apart("simulation", FEW)
    many = apart("stacked", MANY)
    name = f"{MANY:,} points of pair × {SEEDS} seeds"
    ours, yardstick = many["seconds"] / MANY, alone["seconds"] / ALONE
    gain = yardstick / ours
    rows = [Row(f"{name}: a point in a study / one by one", "at least 10x faster", gain, ours, yardstick, [gain])]
    beyond = 1e3 * (few["seconds"] - bare["seconds"]) / FEW
    what = f"{FEW:,} points: a point beyond its simulation"
    rows.append(Row(what, "under 5 ms", beyond, few["seconds"] / FEW, bare["seconds"] / FEW, [beyond], " ms"))
    memory = many["gigabytes"]
    rows.append(Row(f"{name}: peak memory", "under 1.5 GB", memory, many["seconds"], float("nan"), [memory], " GB"))
    growth = memory / few["gigabytes"]
    nan = float("nan")
    rows.append(Row(f"peak memory, {MANY:,} points / {FEW:,}", "flat", growth, nan, nan, [growth]))
    pairs = [(apart("neural", 1)["seconds"], apart("neural", 2)["seconds"]) for _ in range(2)]
    ratios = [one / two for one, two in pairs]
    one, two = (min(column) for column in zip(*pairs, strict=True))
    rows.append(Row("neural points on two workers / on one", "at least 1.7x faster", one / two, two, one, ratios))
    return rows


if __name__ == "__main__":
    with threads(1):
        print(json.dumps(globals()[sys.argv[1]](int(sys.argv[2]))))
