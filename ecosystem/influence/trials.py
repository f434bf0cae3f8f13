"""Whom each flow that is not there would make collapse, and whom taking one out would cure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from scipy.sparse import csgraph

from ecosystem.influence.collapse import Collapse, Reading
from ecosystem.influence.spectra import radius_of_sparse

_ROOM = 1e-12  # of a share
_NEAR = 1e-6  # of a radius beside 1: looked at more closely
_DENSE = 3000  # numbers up to which they are bounded by a full inverse


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
    most = _returning(reading, ~now)
    reads = np.isfinite(csgraph.shortest_path(reading.pattern, unweighted=True))  # directly, through others, or oneself
    for v in np.flatnonzero((given > 0) & (given <= real + _ROOM)):
        for u in range(reading.members):
            if (u, v) in there or not reading.alike(u, int(v)):
                continue
            part = np.flatnonzero(reads[u] & reads[:, v])  # where u reads v already a cycle closes: one part then
            close = len(part) > 0 and given[v] * most[u, v] > 1 - _NEAR
            worse = bool(now[u]) or (close and reading.reading(u, int(v), float(given[v])).heaps(part))
            yield u, int(v), reads[:, v] & ~now & worse


def _returning(reading: Reading, steady: np.ndarray) -> np.ndarray:
    """How much of what ``v`` makes comes back to it at most if it reads ``u``, over all walks, ``[u, v]``.

    With ``A = |B|`` of those who are ``steady`` now (who read nobody else) and ``ρ(A) < 1``, ``B + g E_v E_uᵀ`` has
    ``ρ < 1`` wherever ``g ‖E_uᵀ (I − A)⁻¹ E_v‖ < 1``: the determinant of ``I − A − t g E_v E_uᵀ`` is that of ``I − A``
    times ``det(I − t g E_uᵀ (I − A)⁻¹ E_v)``, and the radius of a matrix without negative numbers grows with them.
    Infinite where nothing is known.
    """
    most = np.full((reading.members, reading.members), np.inf)
    block, owners = reading.inside(np.flatnonzero(steady))
    size = abs(block)
    if not 0 < len(owners) <= _DENSE or not radius_of_sparse(size) < 1 - _NEAR:
        return most
    inverse = np.linalg.inv(np.eye(len(owners)) - size.toarray())
    order = np.argsort(owners, kind="stable")
    some, begin = np.unique(owners[order], return_index=True)
    rows = np.add.reduceat(inverse[order][:, order], begin, axis=1)  # of each number, how much of each member's
    most[np.ix_(some, some)] = np.maximum.reduceat(rows, begin, axis=0)
    return most
