"""Who is strongly connected with whom, and the blocks on the diagonal that belong to each such part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import networkx as nx
import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from ecosystem.influence.dynamics import Dynamics
from ecosystem.influence.links import coupling

COLUMNS = 64  # pushed at a time


@dataclass(frozen=True)
class Parts:
    """Numbers by strongly connected part, ``labels [size]``, and how many steps each part stands down the stream.

    Parts of one ``levels [parts]`` cannot reach each other.
    """

    labels: Tensor
    levels: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        return np.bincount(self.labels.numpy(), minlength=len(self.levels))

    def of(self, owners: Tensor) -> Parts:
        """The same for other numbers: ``labels`` are those of members, ``owners [size]`` the member of each number."""
        return Parts(self.labels[owners], self.levels)


def parts_of_members(dynamics: Dynamics) -> Parts:
    """The strongly connected parts of the members, ``labels [members]``; with users who move all are one.

    (What such users are drawn to may depend on whom they look at, and their producers on them.)
    """
    names, graph = dynamics.names, coupling(dynamics)
    if dynamics.layout.minds:
        return Parts(torch.zeros(len(names), dtype=torch.int64), np.zeros(1, dtype=np.int64))
    parts = [[name] for name in names if name not in graph] + [
        sorted(p) for p in nx.strongly_connected_components(graph)
    ]
    number = {name: i for i, part in enumerate(parts) for name in part}
    between = nx.DiGraph()
    between.add_nodes_from(range(len(parts)))
    between.add_edges_from((number[u], number[v]) for u, v in graph.edges if number[u] != number[v])
    levels = np.zeros(len(parts), dtype=np.int64)
    for level, many in enumerate(nx.topological_generations(between)):
        levels[many] = level
    return Parts(torch.tensor([number[name] for name in names]), levels)


def diagonal(product: Callable[[Tensor], Tensor], parts: Parts, wanted: np.ndarray) -> sparse.csr_array:
    """The blocks on the diagonal of the ``wanted [parts]``, as one matrix ``[size, size]``.

    Parts that cannot reach each other are pushed together: one column for the ``k``-th number of each of them.
    """
    labels = parts.labels.numpy()
    size, chosen = len(labels), np.flatnonzero(wanted[labels])
    order = chosen[np.argsort(labels[chosen], kind="stable")]
    begins = np.searchsorted(labels[order], np.arange(len(parts.levels)))
    place = np.arange(len(order)) - begins[labels[order]]  # within the part
    columns: dict[tuple[int, int], list[int]] = {}
    for number, row in zip(
        order.tolist(), zip(parts.levels[labels[order]].tolist(), place.tolist(), strict=True), strict=True
    ):
        columns.setdefault(row, []).append(number)
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    many = list(columns.values())
    for at in range(0, len(many), COLUMNS):
        here = many[at : at + COLUMNS]
        unit = torch.zeros(len(here), size, dtype=torch.float64)
        source = np.full((len(here), len(parts.levels)), -1)
        for row, numbers in enumerate(here):
            unit[row, numbers] = 1.0
            source[row, labels[numbers]] = numbers
        image = product(unit).numpy()
        rows, targets = np.nonzero(image)
        sources = source[rows, labels[targets]]
        inside = sources >= 0
        found.append((image[rows, targets][inside], targets[inside], sources[inside]))
    if not found:
        return sparse.csr_array((size, size))
    values, targets, sources = (np.concatenate(part) for part in zip(*found, strict=True))
    return sparse.csr_array((values, (targets, sources)), shape=(size, size))
