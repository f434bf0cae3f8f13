"""What an engine must do."""

from __future__ import annotations

import functools
import io
import pickle
import sys
from collections import ChainMap
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar, Protocol

import cloudpickle

from ecosystem.core.identity import is_library
from ecosystem.study.work import Job, Parcel, Task

THREADS = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # the environment of workers: last bits depend on it


@dataclass(frozen=True)
class Lost:
    """A block that no worker could finish, and why: each one died over it."""

    reason: str


Outcomes = Generator[tuple[Task, Parcel | Lost], None, None]


class Engine(Protocol):
    """Computes blocks, somewhere.

    ``run`` takes tasks from the iterator only when a worker is about to be free, yields what came of each as soon as
    it is there, in any order, and ends when the iterator has ended and all is done. Closed early, it stops its workers.

    One that computes on this machine may say ``here = True``: measures of the user's own are then tried in this process
    before anything is computed. Else only workers run them, with all that they have around them.
    """

    def run(self, job: Job, tasks: Iterator[Task]) -> Outcomes: ...


def packed(job: Job) -> bytes:
    """A job as bytes that a worker can load; with the code of what it could not import."""
    _were_run.cache_clear()
    try:
        with _by_value():
            return _dumps((sys.path, _dumps(job)))
    except (pickle.PicklingError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"build or a measure cannot be sent to workers ({error}); let the function make what it needs (open files, "
            "locks, connections) instead of referring to it, or compute in this process: engine=Local(workers=0)"
        ) from error


def packed_task(task: Task) -> bytes:
    """A task in the same way: parameters may be of the user's classes."""
    with _by_value():
        return _dumps(task)


@contextmanager
def _by_value() -> Iterator[None]:
    """Let modules go along with their code that are run, not imported, as scenario files are: workers have none."""
    modules = _were_run(len(sys.modules))
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)


@functools.lru_cache(maxsize=1)
def _were_run(count: int) -> list[ModuleType]:
    """Those of the ``count`` modules of now; looked for when a job is packed, and by its tasks where more have come."""
    return [module for name, module in list(sys.modules.items()) if _was_run(name, module)]


def _was_run(name: str, module: Any) -> bool:
    """Whether a module is the user's and was not found by importing it ; cloudpickle sees to ``__main__``."""
    if not isinstance(module, ModuleType) or module.__name__ != name or name == "__main__":
        return False
    return module.__spec__ is None and not is_library(name)


def _dumps(value: Any) -> bytes:
    buffer = io.BytesIO()
    _Pickler(buffer).dump(value)
    return buffer.getvalue()


def _cached(function: Any) -> Any:
    """How a function under ``functools.cache`` is sent: by its name, or its code where its module goes along."""
    if not _was_run(function.__module__, sys.modules.get(function.__module__)):
        return function.__reduce__()
    return _cached_again, (function.__wrapped__, function.cache_parameters())


def _cached_again(function: Callable[..., Any], settings: dict[str, Any]) -> Any:
    return functools.lru_cache(**settings)(function)


class _Pickler(cloudpickle.Pickler):
    """Cloudpickle's; a cached function of a module that goes along has its cache made anew in the worker."""

    dispatch_table: ClassVar[Any] = ChainMap({type(functools.cache(len)): _cached}, cloudpickle.Pickler.dispatch_table)


def unpacked(data: bytes) -> Job:
    """The job, in a worker, which then finds modules where the sender found them."""
    path, job = pickle.loads(data)
    sys.path += [folder for folder in path if folder not in sys.path]
    return pickle.loads(job)
