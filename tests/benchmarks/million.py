"""A million location members, d = 24, mean degree 8, members who are read unevenly: from arrays to tables on the disk.

100,000 unless the environment says ``MEMBERS=1000000`` (a million takes minutes); bounds are those of a million, as
many times smaller. A process of its own, one thread, whose peak memory is its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import torch

from ecosystem import Ecosystem, Linear, Location, Run, Scenario, Shift
from tests.benchmarks.scale_free import peak
from tests.benchmarks.timing import Row

DEGREE, DIMENSION, ROUNDS = 8, 24, 3
MEMBERS = int(os.environ.get("MEMBERS", "100_000"))
BOUNDS = {"building and ecosystem": 60.0}  # seconds of a million
PEAK = 6.0  # gigabytes of a million, when the ecosystem stands


def scenario(members: int) -> Scenario:
    """60 % raw and 30 % curated data of everybody's sources, who are few where many read them."""
    rng = np.random.default_rng(1)
    target = rng.integers(0, members, DEGREE * members)
    source = (members * rng.random(DEGREE * members) ** 2).astype(np.int64)
    keys = np.unique(source * members + target)
    source, target = keys // members, keys % members
    share = 1 / np.bincount(target, minlength=members)[target]
    means, taste = rng.normal(size=(members, DIMENSION)), rng.normal(size=DIMENSION) / 10
    s = Scenario("million", rounds=ROUNDS)
    names = list(map(str, range(members)))
    s.add_many(names, Location.many(means, 0.2), reward=Linear(taste), curator=Shift(taste), real=Location.many(means))
    s.connect_many((source, target), raw=0.6 * share, curated=0.3 * share)
    return s


def played(members: int) -> dict[str, list[float]]:
    """Seconds of each part, and the gigabytes that the process had used at most when it was done."""
    found: dict[str, list[float]] = {}
    last = perf_counter()

    def done(what: str) -> None:
        nonlocal last
        found[what] = [perf_counter() - last, peak()]
        print(
            f"{what}: {found[what][0]:.3g} s ({process_time():.4g} s of one core so far)", file=sys.stderr, flush=True
        )
        last = perf_counter()

    eco = Ecosystem(scenario(members))
    done("building and ecosystem")
    for _ in range(ROUNDS):
        eco.step()
    done(f"{ROUNDS} rounds")
    run = eco.result()
    assert run.rounds.groupby("round")["alignment"].mean().notna().all()
    done("table of alignments")
    with tempfile.TemporaryDirectory() as home:
        run.save(Path(home) / "run")
        done("saved")
        assert len(Run.load(Path(home) / "run").parameters) == members
        done("loaded")
        eco.save(Path(home) / "checkpoint")
        done("saved as a checkpoint")
    assert eco.unmet  # no agent was made
    return found


def measure() -> list[Row]:
    command = [sys.executable, "-m", "tests.benchmarks.million", str(MEMBERS)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    part, nothing, rows = MEMBERS / 1_000_000, float("nan"), []
    for what, (seconds, _) in found.items():
        bound = f"under {BOUNDS[what] * part:.3g} s" if what in BOUNDS else ""
        rows.append(Row(f"{MEMBERS:,} members: {what}", bound, seconds, seconds, nothing, [seconds], " s"))
    for what, bound in (
        ("building and ecosystem", f"under {(PEAK - 0.5) * part + 0.5:.3g} GB"),
        ("saved as a checkpoint", ""),
    ):
        gigabytes = found[what][1]
        what = f"{MEMBERS:,} members: peak memory until {what}"
        rows.append(Row(what, bound, gigabytes, nothing, nothing, [gigabytes], " GB"))
    return rows


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(played(int(sys.argv[1]))))
