"""What benchmarks share: repetitions of two programs turn by turn, and the row of the table they make."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import torch
from threadpoolctl import threadpool_limits

Program = Callable[[], object]


@dataclass
class Row:
    """One line of the table. ``ratios`` has one number for each repetition; ``ratio`` is that of the minima.

    Other jobs on the machine can only make a program slower, so minima are the best estimate of what it costs, and the
    spread of the ratios says how far to trust them.
    """

    what: str
    bound: str
    ratio: float
    ours: float  # seconds
    yardstick: float  # seconds
    ratios: list[float]
    unit: str = "x"

    @property
    def noise(self) -> str:
        """Minimum, median and maximum over the repetitions; nothing where there is one."""
        if len(self.ratios) == 1:
            return ""
        return "–".join(f"{value:.3g}" for value in (min(self.ratios), median(self.ratios), max(self.ratios)))


@contextmanager
def threads(count: int) -> Iterator[None]:
    """So many threads for torch, and for NumPy's BLAS."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with threadpool_limits(count):
            yield
    finally:
        torch.set_num_threads(before)


def seconds(program: Program) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    program()
    return time.perf_counter() - start


def in_turn(ours: Program, yardstick: Program, repetitions: int, calls: int = 1) -> tuple[list[float], list[float]]:
    """Seconds a call of both, alternating, so that both meet the same machine; the best of ``calls`` each time."""
    pairs = [
        (min(seconds(ours) for _ in range(calls)), min(seconds(yardstick) for _ in range(calls)))
        for _ in range(repetitions)
    ]
    return [a for a, _ in pairs], [b for _, b in pairs]


def times_faster(what: str, at_least: float, ours: list[float], yardstick: list[float]) -> Row:
    """A row that says how many times faster we are than the yardstick."""
    ratios = [b / a for a, b in zip(ours, yardstick, strict=True)]
    ratio = min(yardstick) / min(ours)
    return Row(what, f"at least {at_least:g}x faster", ratio, min(ours), min(yardstick), ratios)


def times_as_long(what: str, at_most: float, ours: list[float], yardstick: list[float]) -> Row:
    """A row that says how many times as long as the yardstick we take."""
    ratios = [a / b for a, b in zip(ours, yardstick, strict=True)]
    return Row(what, f"within {at_most:g}x", min(ours) / min(yardstick), min(ours), min(yardstick), ratios)
