"""Who reads whom: the flows that carry anything, and what can come of what somebody does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

import networkx as nx
import numpy as np
import torch
from scipy import sparse
from scipy.sparse import csgraph

from ecosystem.engine.wiring import REAL
from ecosystem.influence.dynamics import Dynamics


def edges(dynamics: Dynamics) -> list[tuple[str, str]]:
    """The flows that carry anything, in the order of the components."""
    parts = dynamics.wiring.components
    found = {c.flow: None for c, live in zip(parts, dynamics.live, strict=True) if live and c.group != REAL}
    return [flow for flow in found if flow is not None]


def coupling(dynamics: Dynamics) -> nx.DiGraph:
    """The members that retrain and the flows between them that carry anything."""
    graph = nx.DiGraph()
    graph.add_nodes_from(name for name, moves in zip(dynamics.names, dynamics.moves, strict=True) if moves)
    graph.add_edges_from((u, v) for u, v in edges(dynamics) if u in graph and v in graph)
    return graph


def _by_demand(dynamics: Dynamics) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """From members that a group chooses among to the one that stands for it, and from it to whose diets it weighs."""
    wiring, moves = dynamics.wiring, np.asarray(dynamics.moves)
    for group in wiring.groups:
        who = wiring.index[group.who]
        among = np.array([wiring.index[name] for name in group.demand.among])
        weighed = [
            pools.target[pools.pool[pools.row[(pools.choice >= group.span.start) & (pools.choice < group.span.stop)]]]
            for pools in wiring.pools
        ]
        fed = np.unique(torch.cat(weighed).cpu().numpy()) if weighed else np.zeros(0, dtype=np.int64)
        among, fed = among[moves[among]], fed[moves[fed]]
        yield among, np.full_like(among, who)
        yield np.full_like(fed, who), fed


class Links:
    """The same of any number of members: ``matrix [members, members]``, 1 from who is read to who reads.

    Users who choose between members hand on too: what these are worth moves their weights, and weights move diets.
    """

    def __init__(self, dynamics: Dynamics) -> None:
        self.dynamics = dynamics
        u, v, n = dynamics.wiring.producer, dynamics.wiring.target, len(dynamics.names)
        some = dynamics.live & (u >= 0) & dynamics.moves[u] & dynamics.moves[v]
        keys = np.unique(np.concatenate([u[some] * n + v[some], *(a * n + b for a, b in _by_demand(dynamics))]))
        ends = keys // n, keys % n
        self.matrix = sparse.csr_array((np.ones(len(keys), dtype=np.int8), ends), shape=(n, n))

    @cached_property
    def parts(self) -> np.ndarray:
        """The strongly connected part of each member, ``[members]``."""
        return csgraph.connected_components(self.matrix, connection="strong")[1]

    @property
    def one(self) -> bool:
        """Whether whatever a member that retrains does comes to all of them."""
        parts = self.parts[self.dynamics.moves]
        return bool((parts == parts[0]).all())

    def alone(self, names: Sequence[str]) -> set[str]:
        """Those of some that retrain and are on no cycle through others: what they do never comes back to them."""
        sizes, index, moves = np.bincount(self.parts), self.dynamics.index, self.dynamics.moves
        known = [(name, index[name]) for name in names if name in index]
        return {name for name, i in known if moves[i] and sizes[self.parts[i]] == 1}

    def reached(self, names: Iterable[str]) -> np.ndarray:
        """Some members and whom they move, at once or by others, ``[members]``."""
        found = np.zeros(len(self.dynamics.names), dtype=bool)
        for first in (self.dynamics.index[name] for name in names):
            if not found[first]:
                found[csgraph.breadth_first_order(self.matrix, first, return_predecessors=False)] = True
        return found
