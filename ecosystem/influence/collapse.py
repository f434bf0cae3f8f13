"""Who loses itself: where what members make of each other's samples adds noise that nothing ever takes away.

Samples of finite number add noise in every round, ``V' = B V Bᵀ + N``, which stays bounded iff ``ρ(B) < 1``. ``B`` is
block triangular in its strongly connected parts, so that somebody's variance grows without end iff it reads, directly
or through others, a part with ``ρ ≥ 1``. Of location members ``B`` is the shares, whose rows add up to at most 1: a
part has ``ρ = 1`` iff it is *closed*, which is to say that nobody in it has real data or reads outside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from ecosystem.influence.spectra import radius_of_sparse

_ROUNDING = 1e-12  # of a row's sum beside 1
_ONE = 1e-9  # of a radius beside 1


@dataclass(frozen=True)
class Reading:
    """``B [numbers, numbers]`` and the member that each number belongs to; what a cut or a new flow makes of it."""

    matrix: sparse.csr_array
    owners: np.ndarray
    members: int

    @cached_property
    def pattern(self) -> sparse.csr_array:
        """Who reads whom, ``[members, members]``."""
        entries = self.matrix.tocoo()
        rows, columns = (self.owners[ends] for ends in entries.coords)
        live = entries.data != 0
        ones = np.ones(int(live.sum()), dtype=bool)
        return sparse.csr_array((ones, (rows[live], columns[live])), shape=(self.members, self.members))

    def without(self, u: int, v: int) -> Reading:
        """When ``v`` does not read ``u`` any more: real data take the place."""
        entries = self.matrix.tocoo()
        rows, columns = entries.coords
        kept = ~((self.owners[rows] == v) & (self.owners[columns] == u))
        data, ends = entries.data[kept], (rows[kept], columns[kept])
        return Reading(sparse.csr_array((data, ends), shape=self.matrix.shape), self.owners, self.members)

    def alike(self, u: int, v: int) -> bool:
        """Whether two members have as many numbers, and any."""
        return self._many[u] == self._many[v] > 0

    @cached_property
    def _many(self) -> np.ndarray:
        return np.bincount(self.owners, minlength=self.members)

    def reading(self, u: int, v: int, share: float) -> Reading:
        """When ``v`` reads ``share`` of what ``u`` makes as well; the two are :meth:`alike`."""
        rows, columns = np.flatnonzero(self.owners == v), np.flatnonzero(self.owners == u)
        more = sparse.csr_array((np.full(len(rows), share), (rows, columns)), shape=self.matrix.shape)
        return Reading(sparse.csr_array(self.matrix + more), self.owners, self.members)

    def inside(self, some: np.ndarray) -> tuple[sparse.csr_array, np.ndarray]:
        """The block of some members among themselves, and whose numbers they are."""
        here = np.flatnonzero(np.isin(self.owners, some))
        return sparse.csr_array(self.matrix[here][:, here]), self.owners[here]

    def heaps(self, some: np.ndarray) -> bool:
        """Whether the block of some members has ``ρ ≥ 1``."""
        return heaps(self.inside(some)[0])

    def parts(self, part: np.ndarray) -> Iterator[sparse.csr_array]:
        """The blocks of all parts ``[members]``, by number."""
        of = part[self.owners]
        order = np.argsort(of, kind="stable")
        ends = np.cumsum(np.bincount(of, minlength=int(part.max()) + 1))
        sorted_ = sparse.csr_array(self.matrix[order][:, order])
        for begin, end in zip(np.r_[0, ends[:-1]], ends, strict=True):
            yield sparse.csr_array(sorted_[begin:end][:, begin:end])


def heaps(block: sparse.csr_array) -> bool:
    """Whether ``ρ(block) ≥ 1``; where nothing is negative and rows add up to at most 1 their sums say so exactly.

    ValueError where no radius was found.
    """
    sums = np.asarray(abs(block).sum(1)).ravel()
    if not len(sums) or sums.max() < 1 - _ROUNDING:
        return False
    if sums.max() > 1 + _ROUNDING or block.data.min(initial=0.0) < 0:
        radius = radius_of_sparse(block)
        if np.isnan(radius):
            raise ValueError(
                f"whether {block.shape[0]:,} numbers of members that read each other grow is not known: no spectral "
                "radius was found; play it instead: scenario.run(...)"
            )
        return radius >= 1 - _ONE
    count, part = csgraph.connected_components(block, connection="strong")
    whole = np.asarray(_within(block, part).sum(1)).ravel() >= 1 - _ROUNDING
    return bool((np.bincount(part, whole, count) == np.bincount(part, minlength=count)).any())


def _within(block: sparse.csr_array, part: np.ndarray) -> sparse.csr_array:
    """A matrix without what goes from one part to another."""
    entries = block.tocoo()
    rows, columns = entries.coords
    kept = part[rows] == part[columns]
    return sparse.csr_array((entries.data[kept], (rows[kept], columns[kept])), shape=block.shape)


@dataclass(frozen=True)
class Collapse:
    """The strongly connected ``part`` of each member, the parts that ``heap`` up, and who ``collapses`` after them."""

    part: np.ndarray
    heap: np.ndarray
    collapses: np.ndarray

    @classmethod
    def of(cls, reading: Reading) -> Collapse:
        pattern = reading.pattern
        count, part = csgraph.connected_components(pattern, connection="strong")
        heap = np.fromiter(map(heaps, reading.parts(part)), bool, count)
        return cls(part, heap, readers_of(pattern, heap[part]))


def readers_of(pattern: sparse.csr_array, some: np.ndarray) -> np.ndarray:
    """Some members, ``[members]`` of truth, with all who read them, directly or through others."""
    if not some.any():
        return some.copy()
    n = len(some)
    # one more node, read by all of them, from which breadth goes along the flows
    rows, columns = pattern.tocoo().coords
    heads = np.r_[columns, np.full(int(some.sum()), n)]
    tails = np.r_[rows, np.flatnonzero(some)]
    graph = sparse.csr_array((np.ones(len(heads)), (heads, tails)), shape=(n + 1, n + 1))
    found = np.zeros(n + 1, dtype=bool)
    found[csgraph.breadth_first_order(graph, n, return_predecessors=False)] = True
    return found[:n]


def closed(pattern: sparse.csr_array, part: np.ndarray, fed: np.ndarray) -> np.ndarray:
    """Which parts are closed: nobody in them is ``fed`` from outside the network, or reads another part."""
    rows, columns = pattern.tocoo().coords
    outside = np.zeros(len(part), dtype=bool)
    outside[rows[part[rows] != part[columns]]] = True
    leaks = np.bincount(part, fed | outside, int(part.max()) + 1)
    return leaks == 0
