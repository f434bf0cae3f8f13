"""Cycles of a network: the one whose gain round once, as a geometric mean for each step, is largest."""

from __future__ import annotations

import math

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

_MOST = 3000  # nodes of a part: the walks of all lengths to all of them are kept


def dominant_cycle(gains: sparse.csr_array) -> tuple[float, list[int]]:
    """The largest geometric mean of ``gains [n, n]`` (``i`` reads ``j``) along a simple cycle, and its nodes, each of
    which reads the next; 0 and none without a cycle.

    The maximum cycle mean of logarithms (Karp 1978), part by strongly connected part: ``O(n · edges)``. Of a
    non-negative matrix no cycle's mean exceeds the spectral radius. NaN where a part has more than 3,000 nodes.

    >>> dominant_cycle(sparse.csr_array([[0.1, 0.9], [0.4, 0.0]]))                              # √(.9 · .4)
    (0.6000000000000001, [0, 1])
    """
    count, part = csgraph.connected_components(gains, connection="strong")
    best: tuple[float, list[int]] = (0.0, [])
    for number in range(count):
        if np.count_nonzero(part == number) > _MOST:
            return math.nan, []
        here = np.flatnonzero(part == number)
        inside = gains[here][:, here].tocoo()
        edges = inside.data > 0
        if edges.any():
            rows, columns = (ends[edges] for ends in inside.coords)
            gain, cycle = _of_part(rows, columns, np.log(inside.data[edges]), len(here))
            best = max(best, (gain, here[cycle].tolist()), key=lambda found: found[0])
    return best


def _of_part(rows: np.ndarray, columns: np.ndarray, logs: np.ndarray, n: int) -> tuple[float, list[int]]:
    """Karp's walks: ``D_k(v)``, the heaviest of exactly ``k`` steps from node 0 to ``v``, and its last step."""
    order = np.argsort(columns, kind="stable")
    rows, columns, logs = rows[order], columns[order], logs[order]
    ends = np.flatnonzero(np.r_[True, columns[1:] != columns[:-1]])
    heaviest, before = np.full((n + 1, n), -np.inf), np.full((n + 1, n), -1)
    heaviest[0, 0] = 0.0
    for k in range(1, n + 1):
        walks = heaviest[k - 1, rows] + logs
        most = np.maximum.reduceat(walks, ends)
        heaviest[k, columns[ends]] = most
        first = np.flatnonzero(walks == np.repeat(most, np.diff(np.r_[ends, len(columns)])))[::-1]
        before[k, columns[first]] = rows[first]
    reached = np.flatnonzero(np.isfinite(heaviest[n]))
    steps = (n - np.arange(n))[:, None]
    means = (heaviest[n, reached] - heaviest[:n, reached]) / steps  # infinite where no walk has k steps: not the least
    last = int(reached[np.argmax(means.min(0))])
    return _heaviest_round(
        before, last, n, dict(zip(zip(rows.tolist(), columns.tolist(), strict=True), logs.tolist(), strict=True))
    )


def _heaviest_round(
    before: np.ndarray, last: int, n: int, logs: dict[tuple[int, int], float]
) -> tuple[float, list[int]]:
    """The best cycle that the heaviest walk of ``n`` steps to ``last`` goes round."""
    walk = [last]
    for k in range(n, 0, -1):
        walk.append(int(before[k, walk[-1]]))
    path, best = [], (-np.inf, [0])
    for node in reversed(walk):
        if node in path:
            cycle = path[path.index(node) :]
            steps = zip(cycle, [*cycle[1:], cycle[0]], strict=True)
            best = max(best, (float(np.mean([logs[step] for step in steps])), cycle), key=lambda found: found[0])
            path = path[: path.index(node)]
        path.append(node)
    return float(np.exp(best[0])), best[1]
