"""The engine of a local study that says nothing of workers: by the work that is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from time import perf_counter
from typing import ClassVar

from ecosystem.study.engines.base import Engine, Outcomes
from ecosystem.study.engines.local import Local
from ecosystem.study.plan import Block
from ecosystem.study.work import Job, Task, play

SECONDS = 10.0  # from which what is left is worth the start of workers
_WARM = 2.0  # seconds that the first blocks take for once, and that say nothing of the others


@dataclass(frozen=True)
class Fitting:
    """This process, until what is left of ``blocks`` is worth the start of ``workers``.

    ``cost(block)`` is about how many seconds a block takes; what blocks have taken so far corrects it upwards, for no
    estimate knows what a function of the user's does. Nothing but time depends on who computes a block.
    """

    here: ClassVar[bool] = True
    workers: Engine = field(default_factory=Local)
    blocks: Sequence[Block] = ()
    cost: Callable[[Block], float] = lambda _: 0.0

    def about(self, blocks: Sequence[Block], cost: Callable[[Block], float]) -> Fitting:
        """The same for some blocks."""
        return replace(self, blocks=blocks, cost=cost)

    def run(self, job: Job, tasks: Iterator[Task]) -> Outcomes:
        """See :class:`Engine`."""
        left, expected, spent = sum(map(self.cost, self.blocks)) if self.blocks else SECONDS, 0.0, 0.0
        for task in tasks:
            pace = max(1.0, (spent - _WARM) / expected) if expected else 1.0
            if pace * left >= SECONDS:
                yield from self.workers.run(job, chain((task,), tasks))
                return
            begin = perf_counter()
            parcel = play(job, task)
            spent += perf_counter() - begin
            expected += self.cost(task.block)
            left -= self.cost(task.block)
            yield task, parcel
