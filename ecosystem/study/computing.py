"""The blocks of a study that are left: computed by an engine, written one by one, told of."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from ecosystem.core.progress import LOG
from ecosystem.study.asking import Asked
from ecosystem.study.engines import Engine, Lost
from ecosystem.study.pacing import Pace
from ecosystem.study.plan import Block, pending
from ecosystem.study.progress import Clock, Progress
from ecosystem.study.results import Results
from ecosystem.study.store import Store
from ecosystem.study.work import Job, lost


def compute(
    store: Store,
    asked: Asked,
    job: Job,
    engine: Engine,
    *,
    seconds: float,
    progress: Callable[[Progress], object],
    stop: Callable[[], bool],
) -> tuple[list[str], list[int]]:
    """Compute and write the blocks that are left; the warnings they gave, and which of several points are lost."""
    facts, told, broken = asked.facts, dict[str, None](), list[int]()
    todo = pending(facts.requests, store.finished(facts))
    pace = Pace(facts.requests, store.finished(facts), asked.seconds, seconds)
    so_far = Results(store.folder)
    clock = Clock(so_far.progress(), so_far.failed, todo, pace.under_way)
    progress(clock.now())
    LOG.info("%s: %d of %d blocks are to be computed", facts.name, len(todo), clock.start.blocks)
    if not todo:
        return [], []
    outcomes = engine.run(job, (asked.task(block) for block in _until(stop, pace)))
    try:
        for task, outcome in outcomes:
            if isinstance(outcome, Lost):
                LOG.warning("%s: points %s are lost: %s", facts.name, list(task.block.points), outcome.reason)
                broken += [task.block.number] if len(task.block.points) > 1 else []
            begin = time.perf_counter()
            parcel = lost(job, task.block, outcome.reason) if isinstance(outcome, Lost) else outcome
            store.keep(facts, task.block, parcel)
            told |= dict.fromkeys(parcel.warnings)
            now = clock.finished(task.block, parcel.failed)
            pace.finished(task.block, parcel.seconds, time.perf_counter() - begin)
            progress(now)
    finally:
        outcomes.close()  # stops the workers, whatever happened here
        if any(request.retries for request in facts.requests):
            store.tidy(facts)
    return list(told), broken


def _until(stop: Callable[[], bool], blocks: Iterable[Block]) -> Iterator[Block]:
    for block in blocks:
        if stop():
            return
        yield block
