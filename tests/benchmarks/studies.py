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
from ecosystem.study.engines.local import available_cores
from scenarios import moons, pair
from tests.benchmarks.timing import Row, threads

SEEDS, WIDTH = 20, 256
FEW, MANY, ALONE = 1_000, 10_000, 32  # points
NEURAL = {"rounds": 12, "samples": 300, "steps": 60, "warm_up": 60}
WORKERS, GAIN = 2, 1.7  # of neural points: how many times faster that many must be than one


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
    """Sixteen points of neural models on so many workers: seconds, and processor time of all processes.

    Every seed can be a block of its own, so both workers have as much to do.
    """
    study = Study("moons", moons.scenario, grid={name: [value] for name, value in NEURAL.items()}, seeds=16)
    with tempfile.TemporaryDirectory() as folder:
        begin, used = time.perf_counter(), processor()
        study.run(Path(folder) / "study", engine=Local(workers=workers))
        return {"seconds": time.perf_counter() - begin, "processor": processor() - used}


def processor() -> float:
    """Processor time of this process, and of those that it has started and that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


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
    return [*rows, *second_worker()]


def second_worker() -> list[Row]:
    """What two workers gain, where there are two cores and one worker had one for itself; and what they cost.

    Two workers cannot be faster than one by more than twice what one uses over what both use, whatever the machine does
    besides; of that it needs no quiet one.
    """
    pairs = [(apart("neural", 1), apart("neural", WORKERS)) for _ in range(2)]
    one, two = ({key: min(run[key] for run in runs) for key in runs[0]} for runs in zip(*pairs, strict=True))
    free = available_cores() >= WORKERS and one["processor"] > 0.9 * one["seconds"]
    gain = one["seconds"] / two["seconds"] if free else float("nan")
    ratios = [first["seconds"] / second["seconds"] for first, second in pairs]
    rows = [
        Row(
            "neural points on two workers / on one",
            f"at least {GAIN}x faster",
            gain,
            two["seconds"],
            one["seconds"],
            ratios,
        )
    ]
    cost, costs = two["processor"] / one["processor"], [b["processor"] / a["processor"] for a, b in pairs]
    what = "the same: processor time of all processes"
    return [*rows, Row(what, f"within {WORKERS / GAIN:.3g}x", cost, two["processor"], one["processor"], costs)]


if __name__ == "__main__":
    with threads(1):
        print(json.dumps(globals()[sys.argv[1]](int(sys.argv[2]))))
