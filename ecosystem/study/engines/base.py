"""What an engine must do."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Protocol

import cloudpickle

from ecosystem.study.work import Job, Parcel, Task


@dataclass(frozen=True)
class Lost:
    """A block that no worker could finish, and why: each one died over it."""

    reason: str


Outcomes = Generator[tuple[Task, Parcel | Lost], None, None]


class Engine(Protocol):
    """Computes blocks, somewhere.

    ``run`` takes tasks from the iterator only when a worker is about to be free, yields what came of each as soon as
    it is there, in any order, and ends when the iterator has ended and all is done. Closed early, it stops its workers.
    """

    def run(self, job: Job, tasks: Iterator[Task]) -> Outcomes: ...


def packed(job: Job) -> bytes:
    """A job as bytes that a worker can load; with the code of what it could not import."""
    named = {getattr(function, "__module__", None) for function in (job.build, *(m.function for m in job.measures))}
    # a scenario file is run, not imported: a worker would look for its module in vain
    local = [sys.modules[name] for name in named if name in sys.modules and sys.modules[name].__spec__ is None]
    local = [module for module in local if module.__name__ != "__main__"]  # cloudpickle does that by itself
    for module in local:
        cloudpickle.register_pickle_by_value(module)
    try:
        return cloudpickle.dumps((sys.path, cloudpickle.dumps(job)))
    except (pickle.PicklingError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"build or a measure cannot be sent to workers ({error}); let the function make what it needs (open files, "
            "locks, connections) instead of referring to it, or compute in this process: engine=Local(workers=0)"
        ) from error
    finally:
        for module in local:
            cloudpickle.unregister_pickle_by_value(module)


def unpacked(data: bytes) -> Job:
    """The job, in a worker, which then finds modules where the sender found them."""
    path, job = pickle.loads(data)
    sys.path += [folder for folder in path if folder not in sys.path]
    return pickle.loads(job)
