"""Studies on many nodes: a folder of 40,000 blocks, and a stand-in of 1,000 nodes that never waits in earnest.

The stand-in is an engine whose workers end their blocks in simulated time; all that one machine does for all of them,
choosing blocks, packing them, unpacking and writing what comes, is done in earnest and takes its processor time in
the simulated time as well: while it is busy, nodes that have ended wait for it. Each case is a process of its own.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import json
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecosystem import Flow, Location, Member, Scenario, Training
from ecosystem.core import manifest
from ecosystem.generators import FlowMatching
from ecosystem.study import Study
from ecosystem.study.engines.base import packed_task
from ecosystem.study.plan import Block
from ecosystem.study.tables import name_of
from ecosystem.study.work import Job, Parcel, Task, as_bytes, no_failures
from tests.benchmarks.timing import Row, threads

NODES, BLOCKS = 1_000, 40_000
NAN = float("nan")


def neural(share: float) -> Scenario:
    """A model that is trained, so that each point and seed is a block by itself unless they are joined."""
    s = Scenario("neural", rounds=1, samples=8)
    s.add("a", Member(FlowMatching(2, training_plan=Training(1)), real=Location([0.0, 0.0])))
    s.connect("a", "a", Flow(raw=share))
    return s


def points(count: int) -> dict[str, list[float]]:
    return {"share": np.linspace(0, 0.9, count).tolist()}


@functools.cache
def tables(rows: int) -> dict[str, bytes]:
    """What a block might have found."""
    rng, many = np.random.default_rng(0), range(rows)
    rounds = pd.DataFrame({"point": 0, "seed": 0, "replicate": 0, "round": many, "member": "a", "updated": True})
    rounds = rounds.assign(alignment=rng.normal(size=rows), change=rng.normal(size=rows), loss=rng.normal(size=rows))
    row = pd.DataFrame([{"block": 0, "points": 1, "seeds": 1, "failed": 0, "seconds": 1.0}])
    return {"rounds": as_bytes(rounds), "baseline": as_bytes(rounds[:1]), "blocks": as_bytes(row)} | {
        "failures": no_failures()
    }


class Simulated:
    """Workers that take ``seconds(block)`` of a time that is not ours."""

    def __init__(self, workers: int, seconds: Callable[[Block], float]) -> None:
        self.workers, self.seconds = workers, seconds
        self.blocks, self.work, self.now, self.busy = 0, 0.0, 0.0, 0.0

    def run(self, job: Job, tasks: Iterator[Task]) -> Iterator[tuple[Task, Parcel]]:
        ends: list[tuple[float, int, float, Task]] = []
        count, begin = itertools.count(), time.process_time()
        while True:
            while len(ends) < self.workers and (task := next(tasks, None)) is not None:
                packed_task(task)
                self.now, begin = self._passed(begin)
                took = self.seconds(task.block)
                heapq.heappush(ends, (self.now + took, next(count), took, task))
            if not ends:
                return
            end, _, took, task = heapq.heappop(ends)
            self.now = max(self.now, end)
            self.blocks, self.work = self.blocks + 1, self.work + took
            sent = pickle.dumps(Parcel({**tables(8 * task.block.span)}, seconds=took))
            yield task, pickle.loads(sent)
            self.now, begin = self._passed(begin)

    def _passed(self, begin: float) -> tuple[float, float]:
        """The time when what was done here since is done."""
        end = time.process_time()
        self.busy += end - begin
        return self.now + end - begin, end


def simulated(nodes: int, count: int, each: float, aim: float) -> dict[str, float]:
    """So many points that take so many seconds each, in blocks that should take ``aim`` seconds, on so many workers."""
    engine = Simulated(nodes, lambda block: each * block.size)
    study = Study("stand-in", neural, grid=points(count), block_seconds=aim)
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        study.run(Path(folder) / "study", engine=engine, check=False)  # type: ignore[arg-type]
        passed = time.perf_counter() - begin
    kept = engine.work / (nodes * engine.now)
    a_block = engine.busy / engine.blocks
    return {"blocks": engine.blocks, "seconds": engine.work / engine.blocks, "busy": kept} | {
        "driver": a_block,
        "wall": passed,
    }


def opened(blocks: int) -> dict[str, float]:
    """Processor time until a folder of so many blocks, each written by itself, says how far it is; and more."""
    files = tables(8)
    study = Study("many", neural, grid=points(blocks), block=1)
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "study"
        study.run(folder, engine=Simulated(1, lambda _: 1.0), stop=lambda: True)  # type: ignore[arg-type]
        entries = {table: manifest.entry(data) for table, data in files.items()}
        for table in files:
            (folder / "tables" / table).mkdir(parents=True)
        with open(folder / manifest.FILE, "ab") as lines:  # what a journal writes, without waiting for the disk
            for block in (Block(i, (i,), ((0, 0),)) for i in range(blocks)):
                lines.write(manifest.line({name_of(table, block): one for table, one in entries.items()}))
                for table, data in files.items():
                    (folder / name_of(table, block)).write_bytes(data)
        found = {}
        begin = time.process_time()
        results = Study.load(folder)
        found["seconds"] = time.process_time() - begin
        assert results.progress().finished == blocks and results.finished
        found["told"] = time.process_time() - begin
        results.read("rounds", points=[blocks // 2])
        found["read"] = time.process_time() - begin
        again = Study("many", neural, grid=points(blocks), block=1)
        begin = time.process_time()
        again.run(folder, engine=Simulated(1, lambda _: 1.0), check=False)  # type: ignore[arg-type]
        found["resumed"] = time.process_time() - begin
    return found


def apart(case: str, *given: float) -> dict[str, float]:
    """A case in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.cluster", case, *map(str, given)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure() -> list[Row]:
    many = apart("opened", BLOCKS)
    rows = [
        Row(f"a folder of {BLOCKS:,} blocks: opened", "under 10 s", many["seconds"], NAN, NAN, [many["seconds"]], " s"),
        Row("the same, and said how far it is", "under 15 s", many["told"], NAN, NAN, [many["told"]], " s"),
        Row("the same, gone on with", "under 60 s", many["resumed"], NAN, NAN, [many["resumed"]], " s"),
    ]
    for count, each, aim in ((40_000, 10.0, 60.0), (40_000, 1.0, 1.0)):
        found = apart("simulated", NODES, count, each, aim)
        what = f"{NODES:,} simulated nodes, {count:,} points of {each:g} s, blocks of {found['seconds']:.3g} s: at work"
        rows.append(Row(what, "at least 80 %", 100 * found["busy"], NAN, NAN, [100 * found["busy"]], " %"))
        speed = 1 / found["driver"]
        rows.append(Row("  blocks a second, one process", "at least 100", speed, found["driver"], NAN, [speed], "/s"))
        fed = speed * found["seconds"]
        rows.append(Row("  workers that it can feed", "at least 1,000", fed, NAN, NAN, [fed], ""))
    return rows


if __name__ == "__main__":
    with threads(1):
        numbers: list[Any] = [float(text) if "." in text else int(text) for text in sys.argv[2:]]
        print(json.dumps(globals()[sys.argv[1]](*numbers)))
