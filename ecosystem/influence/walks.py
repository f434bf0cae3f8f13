"""The single walks through the network that carry most of a response."""

from __future__ import annotations

import heapq
import itertools

import numpy as np
import pandas as pd
from torch import Tensor

from ecosystem.core.check import whole_number
from ecosystem.influence.propagation import LONGEST, check_known
from ecosystem.influence.response import Response

_TRIED = 500_000  # beginnings of walks looked at


def paths(response: Response, source: str, target: str, k: int = 10, longest: int = 24) -> pd.DataFrame:
    """The ``k`` walks from ``source`` to ``target`` that carry most, of at most ``longest`` hops.

    A walk ``source = v_0 → v_1 → … → v_h = target`` carries ``∇J_jᵀ B_{v_h v_{h−1}} ⋯ B_{v_1 v_0} b_k``; all walks of
    ``h`` hops together are ``M^(h)``, unless users learn: what their taste hands on goes along no walk. Columns: rank,
    hops, path (a tuple of names), effect, share (of ``M_jk``).
    A source that moves other members (a flow, what a producer's users choose) has walks from each of those it moves.
    Largest ``|effect|`` first, exactly: beginnings are extended in the order of the most that they can still become.
    """
    for name, known, what in ((source, response.sources, "source"), (target, response.targets, "target")):
        check_known(known, [name], what)
    whole_number(k, "paths(k)", 1, of="walks")
    whole_number(longest, "paths(longest)", 0, of="hops", high=LONGEST)
    names = response.dynamics.names
    index = response.dynamics.index
    begins = {index[name]: push for name, push in response.pushed(source).items()}
    found = _best(response, begins, index[target], k, longest)
    total = response.matrix.at[target, source]
    rows = [
        {
            "rank": rank,
            "hops": len(walk) - 1,
            "path": tuple(names[i] for i in walk),
            "effect": effect,
            "share": effect / total if total else np.nan,
        }
        for rank, (walk, effect) in enumerate(found, start=1)
    ]
    frame = pd.DataFrame(rows, columns=["rank", "hops", "path", "effect", "share"])
    return frame.astype({"rank": int, "hops": int, "effect": float, "share": float})


def _best(
    response: Response, begins: dict[int, Tensor], end: int, k: int, longest: int
) -> list[tuple[tuple[int, ...], float]]:
    """Best-first search: a heap of walks and of beginnings, by what they carry or can carry at most."""
    layout, blocks = response.dynamics.layout, response.resolvent.blocks.by_pair
    gradient = response.gradients[layout.span(end)]
    readers: dict[int, list[int]] = {}
    for target, producer in blocks:
        readers.setdefault(producer, []).append(target)
    bounds = _bounds(response, end, float(gradient.norm()), longest)
    tie = itertools.count()
    heap: list[tuple[float, int, bool, tuple[int, ...], Tensor | float]] = []

    def extend(walk: tuple[int, ...], vector: Tensor) -> None:
        if walk[-1] == end and bool((effect := float(gradient @ vector)) != 0):
            heapq.heappush(heap, (-abs(effect), next(tie), True, walk, effect))
        left = longest - (len(walk) - 1)
        most = float(vector.norm()) * bounds[left][walk[-1]]
        if left > 0 and most > 0:
            heapq.heappush(heap, (-most, next(tie), False, walk, vector))

    for begin, push in begins.items():
        extend((begin,), push)
    found: list[tuple[tuple[int, ...], float]] = []
    for _ in range(_TRIED):
        if not heap or len(found) == k:
            return found
        _, _, whole, walk, value = heapq.heappop(heap)
        if whole:
            found.append((walk, float(value)))
            continue
        assert isinstance(value, Tensor)
        for reader in readers.get(walk[-1], ()):
            extend((*walk, reader), blocks[reader, walk[-1]] @ value)
    raise ValueError(
        f"too many walks to tell the {k} largest apart within {longest} hops; ask for fewer, or for shorter ones "
        "(longest=)"
    )


def _bounds(response: Response, end: int, gradient: float, longest: int) -> list[np.ndarray]:
    """``bounds[left][i]``: the most that a unit vector at ``i`` can still carry by up to ``left`` more hops."""
    norms = response.resolvent.blocks.norms().tocoo()
    size = len(response.dynamics.names)
    readers, producers, strength = *norms.coords, norms.data
    arrived = np.zeros(size)
    arrived[end] = gradient
    bounds, exact = [np.zeros(size)], arrived
    for _ in range(longest):
        following = np.zeros(size)
        np.maximum.at(following, producers, strength * exact[readers])
        exact = following
        bounds.append(np.maximum(bounds[-1], exact))
    return bounds
