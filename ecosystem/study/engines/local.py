"""The local engine: workers on this machine, or none."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

from loky.backend import get_context, resource_tracker
from loky.process_executor import ProcessPoolExecutor

from ecosystem.core.arguments import spelled
from ecosystem.core.check import whole_number
from ecosystem.core.outputs import Outputs
from ecosystem.study.engines.base import THREADS, Lost, Outcomes, packed, packed_task, unpacked
from ecosystem.study.engines.surroundings import environment
from ecosystem.study.work import Job, Parcel, Task, play

SAFE_PATH, _OURS = "PYTHONSAFEPATH", "ecosystem"  # any value will do; by this one it is known to be ours


@spelled
@dataclass(frozen=True)
class Local:
    """Worker processes with one torch thread each; as many as there are cores, or ``workers``. 0 is this process.

    A block over which a worker dies is tried again alone, ``retries`` times, and then given up as lost.
    """

    here: ClassVar[bool] = True
    workers: int | None = None
    retries: int = 2

    def __post_init__(self) -> None:
        for name, value in (("workers", 0 if self.workers is None else self.workers), ("retries", self.retries)):
            whole_number(value, f"Local({name})", 0)

    def run(self, job: Job, tasks: Iterator[Task]) -> Outcomes:
        """See :class:`Engine`."""
        if self.workers == 0:
            return ((task, play(job, task)) for task in tasks)
        return _Pool(job, self.workers or available_cores(), self.retries).run(tasks)


def available_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Pool:
    """A process pool that outlives its workers."""

    def __init__(self, job: Job, workers: int, retries: int) -> None:
        self.job, self.workers, self.retries = packed(job), workers, retries
        self.running: dict[Future[Parcel], Task] = {}
        self.suspects: deque[Task] = deque()  # were under way when a worker died; they go on one at a time
        self.deaths: Counter[int] = Counter()  # of workers that had a block for themselves
        self.executor = self._started()

    def run(self, tasks: Iterator[Task]) -> Outcomes:
        try:
            while self._filled(tasks):
                wait(self.running, return_when=FIRST_COMPLETED)
                broken = False
                for future in [future for future in self.running if future.done()]:
                    if isinstance(future.exception(), BrokenProcessPool):
                        broken = True
                    else:
                        task = self.running.pop(future)
                        self._cleared(task)
                        yield task, future.result()
                if broken:
                    yield from self._buried()
        finally:
            self.executor.shutdown(wait=True, kill_workers=True)

    def _filled(self, tasks: Iterator[Task]) -> bool:
        """Give the workers all they can take, but suspects one at a time; whether anything is under way."""
        if self.suspects:
            if not self.running:
                self._submit(self.suspects[0])
        else:
            while len(self.running) <= self.workers and (task := next(tasks, None)) is not None:
                self._submit(task)  # one more than there are workers, so that none has to wait
        return bool(self.running)

    def _submit(self, task: Task) -> None:
        try:
            future = self.executor.submit(_play, packed_task(task))
        except BrokenProcessPool as error:  # a worker has died since the last look: as if it had died over this
            future = Future()
            future.set_exception(error)
        self.running[future] = task

    def _cleared(self, task: Task) -> None:
        """A suspect has turned out to be innocent, or is given up."""
        if self.suspects and self.suspects[0] is task:
            self.suspects.popleft()

    def _buried(self) -> Iterator[tuple[Task, Lost]]:
        """A worker has died, and all that was under way with it: start a new pool, find the one to blame."""
        under_way = list(self.running.values())
        self.running.clear()
        self.executor.shutdown(wait=True, kill_workers=True)
        self.executor = self._started()
        if not self.suspects:
            self.suspects.extend(under_way)
            return
        (task,) = under_way
        self.deaths[task.block.number] += 1
        if self.deaths[task.block.number] > self.retries:
            self._cleared(task)
            yield task, Lost(f"{self.deaths[task.block.number]} workers died over it, the last ones with nothing else")

    def _started(self) -> ProcessPoolExecutor:
        with _safe_path() as safe, environment({"PYTHONWARNINGS": _quiet()}):
            resource_tracker.ensure_running()
        return ProcessPoolExecutor(
            self.workers,
            context=get_context("loky"),  # does not run the user's script again, which may lack a guard
            initializer=_prepare,
            initargs=(self.job, os.getpid()),
            env={**THREADS, SAFE_PATH: safe, "LOKY_MAX_MEMORY_LEAK_SIZE": "4e9"},
        )


def _quiet() -> str:
    """Warnings as they are, without those of the process that tidies up: where a study is broken off it has to."""
    return ",".join(filter(None, (os.environ.get("PYTHONWARNINGS"), "ignore:resource_tracker:UserWarning")))


@contextmanager
def _safe_path() -> Iterator[str]:
    """Let Pythons that start meanwhile not import from the working folder: a file random.py there is no module."""
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = before or _OURS
    try:
        yield before or _OURS
    finally:
        del os.environ[SAFE_PATH]
        if before is not None:
            os.environ[SAFE_PATH] = before


def _prepare(job: bytes, parent: int) -> None:
    """Make a worker ready: it leaves Ctrl-C to its parent and does not outlive it."""
    global _job, _trouble
    if os.environ.get(SAFE_PATH) == _OURS:
        del os.environ[SAFE_PATH]  # programs that the user's code starts are as they would be elsewhere
    Outputs()  # a point is not lost since nobody reads what its scenario prints
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    try:
        _job = unpacked(job)
    except Exception as error:  # a worker that died here would be taken for a block's victim
        _trouble = error


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _play(data: bytes) -> Parcel:
    if _trouble is not None:
        raise RuntimeError(
            "a worker cannot load what it was sent; what build and the measures refer to must be importable there"
        ) from _trouble
    return play(_job, pickle.loads(data))


_job: Job
_trouble: Exception | None = None
