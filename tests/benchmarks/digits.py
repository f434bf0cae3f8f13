"""The demo: ``scenarios/digits.py``, 40 rounds with 4 replicates, and what its time is spent on."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from ecosystem import Ecosystem, Record
from ecosystem.cli.loading import load_scenario
from ecosystem.engine import step
from ecosystem.running.recording import Recorder
from tests.benchmarks.timing import Row, threads

FILE = Path(__file__).parents[2] / "scenarios" / "digits.py"


def measure() -> list[Row]:
    """The whole run, and each phase's share of it."""
    spent: dict[str, float] = defaultdict(float)

    def timed(phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                spent[phase] += time.perf_counter() - start

        return wrapper

    with (
        threads(1),
        patch.object(step, "gather", timed("gather", step.gather)),
        patch.object(step, "retrain", timed("retrain", step.retrain)),
        patch.object(Recorder, "keep", timed("record", Recorder.keep)),
    ):
        start = time.perf_counter()
        scenario, _ = load_scenario(FILE)
        scenario = scenario.replace(rounds=40)
        eco = Ecosystem(scenario, seeds=[(0, r) for r in range(4)], record=Record(draws=True, samples=16))
        built = time.perf_counter()
        spent["record"] = 0.0  # the start belongs to building
        eco.run()
        played = time.perf_counter()
        run = eco.result()
        _ = run.rounds, run.draws  # tables are made when they are asked for
        done = time.perf_counter()
    spent = {"build": built - start, **spent, "tables": done - played}
    whole = done - start
    spent["rest"] = whole - sum(spent.values())
    nothing = float("nan")
    rows = [Row("digits: 40 rounds x 4 replicates; 1 thread", "under 120 s", whole, whole, nothing, [whole], " s")]
    for phase, part in spent.items():
        rows.append(
            Row(f"digits: {phase}, share of that", "", part / whole * 100, part, whole, [part / whole * 100], " %")
        )
    return rows
