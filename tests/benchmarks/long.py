"""Long runs: memory of 10,000 rounds of which the last are recorded, and what the k-th checkpoint of a run costs."""

from __future__ import annotations

import gc
import tempfile
from itertools import pairwise
from pathlib import Path
from time import perf_counter

from ecosystem import Checkpoints, Ecosystem, Flow, Linear, Location, Member, Record, Scenario
from tests.benchmarks.scale_free import resident
from tests.benchmarks.timing import Row, times_as_long

ROUNDS, SETTLED, LAST = 10_000, 1_000, 100
MEMBERS, SAVED = 100, 400
EARLY, LATE = slice(10, 60), slice(350, 400)  # rounds


def ring(members: int, rounds: int) -> Scenario:
    """Everybody trains on its neighbour."""
    s, taste = Scenario("ring", rounds=rounds), Linear([1.0, 0.0])
    for i in range(members):
        s.add(str(i), Member(Location([float(i), 0.0]), reward=taste, real=Location([0.0, 1.0])))
    for i in range(members):
        s.connect(str(i), str((i + 1) % members), Flow(raw=0.5))
    return s


def memory() -> Row:
    """Megabytes that the process has more at the end than after the first tenth."""
    eco, held = Ecosystem(ring(2, ROUNDS), record=Record(last=LAST)), 0.0
    for done in range(1, ROUNDS + 1):
        eco.step()
        if done in (SETTLED, ROUNDS):
            gc.collect()
            held = resident() * 1e3 - held
    nothing = float("nan")
    what = f"{ROUNDS:,} rounds, Record(last={LAST}): memory since round {SETTLED:,}"
    return Row(what, "under 10 MB", held, nothing, nothing, [held], " MB")


def checkpoints() -> Row:
    """Rounds with their checkpoints, everything recorded: the fastest of those late in a run and of those early."""
    ends: list[float] = []
    with tempfile.TemporaryDirectory() as home:
        eco = Ecosystem(ring(MEMBERS, SAVED))
        eco.run(lambda *_: ends.append(perf_counter()), Checkpoints(Path(home) / "saved"))
    seconds = [after - before for before, after in pairwise(ends)]
    what = f"{MEMBERS} members, a checkpoint each round: rounds {LATE.start}–{LATE.stop} / {EARLY.start}–{EARLY.stop}"
    return times_as_long(what, 1.2, seconds[LATE.start - 1 : LATE.stop - 1], seconds[EARLY])


def measure() -> list[Row]:
    return [checkpoints(), memory()]
