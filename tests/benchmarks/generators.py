"""What the loop costs beside real generators, and what further language members cost beside one.

The loop's own part of a round of ``scenarios/tinted_digits.py`` is everything but the models' forward and backward
passes and their sampling: choosing, rewards, gathering, batches, snapshots, recording; with the optimizer's steps
(which torch takes) and without. Memory is the peak of a process that builds a scenario, trains and samples.
"""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import torch

from ecosystem import Ecosystem, ImageFlow, Record
from scenarios import tinted_digits
from tests.benchmarks.timing import Row, threads

ROUNDS = 5
MEMBERS = """
import resource
from ecosystem import BestOf, Flow, LanguageModel, Member, Scenario, TextReward, Training, load_base

base = load_base("smollm2")
s = Scenario("crowd", rounds=1, samples=4)
for i in range({members}):
    model = LanguageModel(base, prompt_length=32, answer_length=8, training_plan=Training(1, 2), seed=i)
    real = model.codec.pairs(["What is rain?", "What is snow?"], ["Water.", "Ice."])
    reward = TextReward(lambda prompt, answer: float(len(answer)), model.codec.texts)
    s.add(str(i), Member(model, reward=reward, curator=BestOf(2), real=real))
    s.connect(str(i), str(i), Flow(curated=0.5))
s.run()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


class Clock:
    """Seconds spent inside some functions; calls within each other count once."""

    def __init__(self) -> None:
        self.seconds, self._depth = 0.0, 0

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **settings: Any) -> Any:
            self._depth += 1
            started = time.perf_counter()
            try:
                return function(*args, **settings)
            finally:
                self._depth -= 1
                if not self._depth:
                    self.seconds += time.perf_counter() - started

        return call


@contextmanager
def watched(*places: tuple[Any, str]) -> Iterator[Clock]:
    """The time spent in methods, given as owners and names."""
    clock = Clock()
    with ExitStack() as stack:
        for owner, name in places:
            stack.enter_context(mock.patch.object(owner, name, clock.timed(getattr(owner, name))))
        yield clock


def overhead() -> list[Row]:
    """The share of a round that is not the models' own."""
    passes = [(ImageFlow, "loss"), (torch.Tensor, "backward"), (ImageFlow, "respond")]
    rows = []
    for what, places in (
        ("without the optimizer's steps", [*passes, (torch.optim.AdamW, "step")]),
        ("with them", passes),
    ):
        eco = Ecosystem(tinted_digits.scenario("A2", warm_up=0), record=Record(judged=256))
        eco.step()
        parts, spent, whole = [], 0.0, 0.0
        for _ in range(ROUNDS):
            with watched(*places) as clock:
                started = time.perf_counter()
                eco.step()
                total = time.perf_counter() - started
            parts.append(100 * (1 - clock.seconds / total))
            spent, whole = spent + clock.seconds, whole + total
        rows.append(
            Row(f"tinted digits: the loop's own part of a round, {what}", "under 5 %", 100 * (1 - spent / whole),
                whole / ROUNDS, spent / ROUNDS, parts, unit=" %")
        )  # fmt: skip
    return rows


def memory() -> Row:
    """Peak memory of four language members on one base, against one."""

    def peak(members: int) -> float:
        code = MEMBERS.format(members=members)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        return float(done.stdout.split()[-1])

    peak(1)  # the base is converted the first time, which takes more
    one, four = peak(1), peak(4)
    what = f"peak memory, 4 language members on one base / 1 ({four / 1e6:.2f} / {one / 1e6:.2f} GB)"
    return Row(what, "at most 1.3x", four / one, math.nan, math.nan, [four / one])


def measure() -> list[Row]:
    with threads(1):
        return [*overhead(), memory()]
