"""How far a study is."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from ecosystem.core.progress import Meter, duration, metered
from ecosystem.study.plan import Block


def _nothing() -> tuple[int, float]:
    return 0, float("nan")


@dataclass(frozen=True)
class Progress:
    """``points`` in all, ``done``, and ``failed`` of those (raised, diverged or lost); the smallest ``blocks`` in all
    and ``finished``, several of which may be computed and written as one; while a study runs the ``rate`` in points a
    second and the ``remaining`` seconds, else NaN; ``waits()`` says how many blocks are under way, which a study that
    is stopped waits for, and for about how many seconds (NaN where nobody knows)."""

    points: int
    done: int
    failed: int
    blocks: int
    finished: int
    rate: float = float("nan")
    remaining: float = float("nan")
    waits: Callable[[], tuple[int, float]] = field(default=_nothing, repr=False, compare=False)

    @property
    def note(self) -> str:
        """Failures, pace and the time that is left, in words."""
        words = [f"{self.failed} failed"] if self.failed else []
        words += [f"{self.rate:.3g}/s"] if self.rate > 0 else []
        words += [f"{duration(self.remaining)} left"] if self.remaining > 0 else []
        return ", ".join(words)

    @property
    def ending(self) -> str:
        """What a study that is stopped waits for, in words: ``waiting for 2 blocks under way, about 2 min 10 s``."""
        count, seconds = self.waits()
        blocks = f"{count} block{'s' * (count != 1)} under way"
        return f"waiting for {blocks}" + (f", about {duration(max(seconds, 1.0))}" if seconds == seconds else "")


@contextmanager
def counted(progress: Any, name: str) -> Iterator[Callable[[Progress], object]]:
    """The function that is told how far a study is: the user's own, or one that shows it where that is asked for."""
    if callable(progress) and not isinstance(progress, Meter):
        yield progress
        return
    with metered(progress, name, "points") as meter:
        yield lambda now: meter.now(now.done, now.points, now.note)


class Clock:
    """Counts finished blocks while a study runs."""

    def __init__(
        self,
        start: Progress,
        failed: Collection[int],
        todo: Sequence[Block],
        waits: Callable[[], tuple[int, float]] = _nothing,
    ) -> None:
        self.start, self.began = replace(start, waits=waits), time.perf_counter()
        self.failed = set(failed)
        parts = (part for block in todo for part in block.parts())
        self.waiting = Counter(point for part in parts for point in part.points)  # parts left, by point
        self.open = len(self.waiting)
        self.left = sum(block.size for block in todo)
        self.size, self.blocks = 0, 0  # what has been computed since

    def finished(self, block: Block, failed: Collection[int]) -> Progress:
        """Count a block, and say how far it is."""
        for part in block.parts():
            for point in part.points:
                self.waiting[point] -= 1
                self.open -= self.waiting[point] == 0
        self.size += block.size
        self.left -= block.size
        self.blocks += block.span
        self.failed |= set(failed)
        return self.now()

    def now(self) -> Progress:
        passed = time.perf_counter() - self.began
        done = self.start.points - self.open
        speed = self.size / passed if self.size else float("nan")
        return replace(
            self.start,
            done=done,
            failed=len(self.failed),
            finished=self.start.finished + self.blocks,
            rate=(done - self.start.done) / passed,
            remaining=self.left / speed if self.left else 0.0,
        )
