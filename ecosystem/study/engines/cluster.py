"""The Ray engine: workers on the nodes of a cluster, or of one that is started here."""

from __future__ import annotations

import math
import pickle
import platform
import time
import uuid
import warnings
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ecosystem.core.arguments import spelled
from ecosystem.core.check import brief, whole_number
from ecosystem.study.engines.base import THREADS, Lost, Outcomes, packed, packed_task, unpacked
from ecosystem.study.engines.local import available_cores
from ecosystem.study.engines.places import Places
from ecosystem.study.engines.session import imported, session
from ecosystem.study.identity import made_with
from ecosystem.study.work import Job, Parcel, Task, play

PULSE = 2.0  # seconds after which the nodes are counted again: they come and go
PATIENCE = 10.0  # seconds that blocks which are stopped may take to be gone


@spelled
@dataclass(frozen=True)
class Ray:
    """Tasks on a Ray cluster: an existing one by ``address`` (``"auto"``, ``"host:port"``), else one is started here.

    One that is started here listens on this machine alone.

    Without an address, a Ray that this process has initialised is used and left as it is; else the one that the
    environment variable ``RAY_ADDRESS`` names, which Ray sets in jobs that are submitted to it.

    Each block takes ``num_cpus`` and ``num_gpus`` (fractions share a GPU), and its process sees no other GPU; or a
    whole ``node`` for itself, with all its cores, memory and GPUs: then these are the least that the node must have.
    Points that need different things go to one folder one after the other, each with its engine: folders add up.

    ``workers`` bounds how many blocks are under way; by default as many as the nodes of the moment can take, and a few
    that wait. On a cluster that grows on demand it says how far to grow. A block whose node or worker dies is computed
    again elsewhere, ``retries`` times, and then given up as lost. ``runtime_env`` goes to ``ray.init``: it brings the
    user's modules to nodes that do not share this machine's files. All nodes need this package, in the same versions.

    >>> Ray("head:6379", num_gpus=0.25).num_cpus  # four blocks share a GPU
    1
    >>> Ray("head:6379", node=True, num_gpus=1)  # each block alone on a node that has a GPU at least
    Ray(address='head:6379', num_cpus=1, num_gpus=1, workers=None, retries=3, runtime_env={}, node=True)
    """

    address: str | None = None
    num_cpus: float = 1
    num_gpus: float = 0
    workers: int | None = None
    retries: int = 3
    runtime_env: dict[str, Any] = field(default_factory=dict)
    node: bool = False

    def __post_init__(self) -> None:
        if self.address is not None and (not isinstance(self.address, str) or not self.address):
            raise ValueError(
                f"Ray(address) must be a text like 'auto' or 'host:6379', or None, got {brief(self.address)}"
            )
        for name in ("num_cpus", "num_gpus"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < math.inf:
                raise ValueError(f"Ray({name}) must be a number, at least 0, got {brief(value)}")
        if self.num_gpus > 1 and self.num_gpus != int(self.num_gpus):
            raise ValueError(f"Ray(num_gpus) must be whole above 1: a block shares one GPU, got {brief(self.num_gpus)}")
        if not isinstance(self.node, bool):
            raise ValueError(
                f"Ray(node) must be True for a whole node for each block, or False, got {brief(self.node)}"
            )
        if not isinstance(self.runtime_env, dict):
            raise TypeError(f"Ray(runtime_env) is a dict, which goes to ray.init, got {brief(self.runtime_env)}")
        for name, low in (("workers", 1), ("retries", 0)):
            value = getattr(self, name)
            if value is not None:
                whole_number(value, f"Ray({name})", low)

    @property
    def _cores(self) -> int:
        """How many a cluster that is started here has."""
        return math.ceil(self.workers * self.num_cpus) if self.workers and not self.node else available_cores()

    def run(self, job: Job, tasks: Iterator[Task]) -> Outcomes:
        """See :class:`Engine`.

        Raises
        ------
        ImportError
            If Ray is not installed.
        ConnectionError
            If there is no cluster at the address.
        ValueError
            If Ray is initialised already and the address or ``runtime_env`` come too late, or this machine has not what
            a block needs. On a cluster that is a warning: a node may come.
        """
        data = packed(job)
        ray = imported()
        first = next(tasks, None)
        if first is None:
            return  # nothing to do is no reason to start or ask anybody
        with session(ray, self.address, self.runtime_env, self._cores) as started_here:
            yield from _Flight(ray, self, data, started_here).run(first, tasks)


class _Flight:
    """Blocks under way on a cluster."""

    def __init__(self, ray: Any, engine: Ray, data: bytes, started_here: bool) -> None:
        self.ray, self.engine, self.started_here = ray, engine, started_here
        # nodes that were started here have the environment of this process; others get new workers with it
        environment = {} if started_here else {"runtime_env": {"env_vars": THREADS}}
        # Ray itself would try a block that takes too much memory again and again without end: it is done here
        self.options = {"num_cpus": engine.num_cpus, "num_gpus": engine.num_gpus, "max_retries": 0, **environment}
        # a process that has used one GPU cannot move to another: where nodes have several, each block gets a new one
        self.kept, self.fresh = (ray.remote(max_calls=calls)(_play) for calls in (0, 1))
        self.key = uuid.uuid4().hex
        # an array, for all workers of a node read it in one place; bytes would be copied for each block
        self.job = ray.put(np.frombuffer(data, np.uint8))
        self.made = made_with()
        self.under_way: dict[Any, Task] = {}  # by the reference to its result, the oldest first
        self.deaths: Counter[int] = Counter()  # of workers and nodes, over a block
        kinds = ray.exceptions
        self.died = (kinds.WorkerCrashedError, kinds.NodeDiedError, kinds.OutOfMemoryError, kinds.ObjectLostError)
        self.died += (kinds.ObjectStoreFullError, kinds.OutOfDiskError)  # no room for its result
        self.died += (kinds.TaskUnschedulableError,)  # the node that was chosen has gone
        self.again: deque[Task] = deque()  # were under way when a worker died, or wait for the first node
        self.places = Places(ray, engine.num_cpus, engine.num_gpus, engine.node)
        self.room, self.counted, self.warned = 0, -math.inf, False

    def run(self, first: Task, tasks: Iterator[Task]) -> Outcomes:
        self.again.append(first)
        try:
            while self._filled(tasks):
                if not self.under_way:
                    time.sleep(PULSE)  # no node has room for anything
                    continue
                done = self._done()
                while done:
                    outcome = self._taken(done.pop())  # popped: its memory is free with that
                    if outcome is not None:
                        yield outcome
                        self._filled(tasks)
        finally:
            self._stop()

    def _done(self) -> list[Any]:
        """What has come, all of it: to look through thousands of blocks under way for each of them takes too long."""
        some = list(self.under_way)
        if not self.ray.wait(some, num_returns=1, timeout=PULSE)[0]:
            return []
        return self.ray.wait(some, num_returns=len(some), timeout=0)[0][::-1]

    def _filled(self, tasks: Iterator[Task]) -> bool:
        """Give the nodes all they can take, and a few blocks more; whether anything is left."""
        self._count()
        while len(self.under_way) < self.room or not (self.under_way or self.again):
            task = self.again.popleft() if self.again else next(tasks, None)
            if task is None:
                break
            if not self.room:
                self.again.append(task)
                break
            self._submit(task)
        return bool(self.under_way or self.again)

    def _submit(self, task: Task) -> None:
        # by cloudpickle as the job is, not by Ray's own copy of it: classes of a script are the same then in both
        given = self.key, self.job, self.made, packed_task(task)
        options, node = self.places.take()
        reference = self.play.options(**{**self.options, **options}).remote(*given)
        self.under_way[reference] = task
        self.places.occupy(reference, node)

    def _taken(self, reference: Any) -> tuple[Task, Parcel | Lost] | None:
        """What came of a block; None if a worker or node died over it and it is tried again.

        Whatever else went wrong is raised.
        """
        task = self.under_way.pop(reference)
        self.places.leave(reference)
        try:
            return task, self.ray.get(reference)
        except self.died as error:  # first: some are also what a task raised
            self.deaths[task.block.number] += 1
            if (times := self.deaths[task.block.number]) <= self.engine.retries:
                self.again.append(task)
                self.counted = -math.inf  # where a worker dies its node may have gone
                return None
            sentence = str(error).strip().split("\n")[0].split(". ")[0][:200]
            return task, Lost(f"tried {times} times, at last {type(error).__name__}: {sentence}")
        except self.ray.exceptions.RayTaskError as error:
            raise error.cause from error

    def _count(self) -> None:
        """How many blocks may be under way, by the nodes of now."""
        if time.monotonic() - self.counted < PULSE:
            return
        self.counted = time.monotonic()
        fitting = self.places.count()
        self.play = self.fresh if self.places.shared else self.kept
        # the few more wait at the nodes, so that none is idle while a result is fetched and written
        most = fitting if self.engine.node else fitting + fitting // 4 + 2
        self.room = min(self.engine.workers or most, most) if self.engine.node else self.engine.workers or most
        if not fitting and not self.warned:
            self._say_that_nothing_fits()

    def _say_that_nothing_fits(self) -> None:
        needs = f"num_cpus={self.engine.num_cpus}, num_gpus={self.engine.num_gpus}"
        needs += ", node=True" * self.engine.node
        if self.started_here:
            raise ValueError(f"a block needs {needs}, and this machine has less; ask for less, or give an address")
        self.warned = True
        said = f"no node of the Ray cluster has what a block needs ({needs}); the study waits for one: add a node, or"
        warnings.warn(f"{said} interrupt it and ask for less, what is finished stays", RuntimeWarning, stacklevel=2)

    def _stop(self) -> None:
        """End what is still under way, and see that it is gone."""
        for reference in self.under_way:
            self.ray.cancel(reference, force=True)
        if self.under_way:
            self.ray.wait(list(self.under_way), num_returns=len(self.under_way), timeout=PATIENCE, fetch_local=False)
        self.under_way.clear()


# -- on the nodes ----------------------------------------------------------------------------------------------------


def _play(key: str, data: np.ndarray, made: dict[str, str], packed: bytes) -> Parcel:
    """Compute a block; the job is unpacked once in each process."""
    try:
        if key not in _jobs:
            _check_same(made)
            _jobs.clear()
            _jobs[key] = unpacked(data.tobytes())
        task = pickle.loads(packed)
    except ImportError as error:
        raise ImportError(
            f"the node {platform.node()} cannot import what the study needs ({error}); bring it there, for instance "
            "with Ray(runtime_env={'working_dir': '.'})"
        ) from error
    return play(_jobs[key], task)


def _check_same(made: dict[str, str]) -> None:
    """A study's numbers come from one set of versions."""
    here = made_with()
    other = [f"{name} {here.get(name)} instead of {made[name]}" for name in made if here.get(name) != made[name]]
    if other:
        raise RuntimeError(
            f"the node {platform.node()} has {', '.join(other)}, and its numbers would differ; install the same "
            "versions on all nodes"
        )


_jobs: dict[str, Job] = {}
