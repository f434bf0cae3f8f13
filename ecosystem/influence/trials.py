"""Whom each flow that is not there would make collapse, and whom taking one out would cure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from scipy.sparse import csgraph

from ecosystem.influence.collapse import Collapse, Reading

_ROOM = 1e-12  # of a share


def removed(reading: Reading, flows: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int, np.ndarray]]:
    """Who collapses now and not without each flow ``(u, v)``, ``[members]`` of truth."""
    now = Collapse.of(reading).collapses
    for u, v in flows:  # one that leads to nobody who collapses cures nobody
        yield u, v, now & ~Collapse.of(reading.without(u, v)).collapses if now[v] else np.zeros_like(now)


def arrived(
    reading: Reading, there: set[tuple[int, int]], given: np.ndarray, real: np.ndarray
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Who would collapse and does not now if ``v`` read a share ``given [members]`` of ``u``, ``[members]`` of truth.

    ``there`` are the flows that are there, ``real [members]`` what each has to give up. Those without numbers of their
    own, or with others than ``u``, are passed over.
    """
    now = Collapse.of(reading).collapses
    reads = np.isfinite(csgraph.shortest_path(reading.pattern, unweighted=True))  # directly, through others, or oneself
    for v in np.flatnonzero((given > 0) & (given <= real + _ROOM)):
        for u in range(reading.members):
            if (u, v) in there or not reading.alike(u, int(v)):
                continue
            part = np.flatnonzero(reads[u] & reads[:, v])  # where u reads v already a cycle closes: one part then
            worse = bool(now[u]) or (len(part) > 0 and reading.reading(u, int(v), float(given[v])).heaps(part))
            yield u, int(v), reads[:, v] & ~now & worse
