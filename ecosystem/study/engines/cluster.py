"""The Ray engine: workers on the nodes of a cluster, or of one that is started here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ecosystem.study.engines.base import Outcomes
from ecosystem.study.work import Job, Task


@dataclass(frozen=True)
class Ray:
    """Tasks on a Ray cluster: an existing one by ``address`` (``"auto"``, ``"host:port"``), else one is started here.

    Each block takes ``num_cpus`` and ``num_gpus`` (fractions share a GPU), ``workers`` bounds how many are under way.
    A block whose node or worker dies is computed again elsewhere, ``retries`` times. ``runtime_env`` goes to
    ``ray.init``: on nodes that do not share this machine's files it brings the user's modules there.
    """

    address: str | None = None
    num_cpus: float = 1
    num_gpus: float = 0
    workers: int | None = None
    retries: int = 3
    runtime_env: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("num_cpus", "num_gpus"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"Ray({name}) must be a number, at least 0, got {getattr(self, name)!r}")
        for name, low in (("workers", 1), ("retries", 0)):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < low):
                raise ValueError(f"Ray({name}) must be a whole number, at least {low}, got {value!r}")

    def run(self, job: Job, tasks: Iterator[Task]) -> Outcomes:
        """See :class:`Engine`."""
        raise NotImplementedError
