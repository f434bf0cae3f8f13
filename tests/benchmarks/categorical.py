"""1,000 categorical members with curated flows: a population round against the matrix products of its quadrature.

Users choose among ``K = 4`` candidates on an alphabet of 16 symbols; mean degree 8; half of every diet is curated.
Where the producers' users choose there are 1,000 laws of survivors to work out, where the consumers' do there are
8,000. The law is an integral over nodes; its two matrix products, with kernels that exist, are the yardstick.
"""

from __future__ import annotations

import networkx as nx
import numpy as np
import torch

from ecosystem import Categorical, Ecosystem, Flow, Luce, Member, Scenario, Tabular
from ecosystem.curation.luce import LuceKernel
from tests.benchmarks.timing import Program, Row, in_turn, threads, times_as_long

MEMBERS, DEGREE, SYMBOLS, K = 1_000, 8, 16, 4
GRAPH = nx.barabasi_albert_graph(MEMBERS, DEGREE // 2, seed=1).to_directed()
TASTES = np.random.default_rng(2).normal(size=(MEMBERS, SYMBOLS))


def network(chosen_by: str) -> Scenario:
    """Half raw, half curated, evenly from all neighbours."""
    rng, curator = np.random.default_rng(4), Luce(K)

    def member(node: int) -> Member:
        return Member(Categorical(rng.dirichlet(np.ones(SYMBOLS))), reward=Tabular(TASTES[node]), curator=curator)

    def flow(u: int, v: int) -> Flow:
        part = 0.5 / GRAPH.in_degree(v)
        return Flow(raw=part, curated=part, chosen_by=chosen_by)

    return Scenario.from_graph(GRAPH, member=member, flow=flow, name=f"chosen by {chosen_by}", rounds=10_000)


def products(chosen_by: str) -> tuple[Program, int, str]:
    """Bare products with the shapes of the quadrature: ``p`` times kernel, and back; how many laws; how many nodes."""
    judges = [u if chosen_by == "producer" else v for u, v in GRAPH.edges] if chosen_by == "consumer" else list(GRAPH)
    kernel = LuceKernel.of(torch.from_numpy(TASTES[judges]), K)
    kernels = [rule.kernel for rule in kernel.rules]  # [laws, nodes, symbols] of each class of reward range
    rows = [torch.rand(len(k), 1, SYMBOLS, dtype=torch.float64) for k in kernels]
    wide = [torch.rand(len(k), 1, k.shape[1], dtype=torch.float64) for k in kernels]

    def run() -> None:
        for p, factor, matrix in zip(rows, wide, kernels, strict=True):
            torch.bmm(p, matrix.mT)
            torch.bmm(factor, matrix)

    return run, len(judges), " + ".join(f"{len(k)} laws x {k.shape[1]} nodes" for k in kernels)


def measure() -> list[Row]:
    """Both sides' users, one thread."""
    rows = []
    with threads(1):
        for chosen_by in ("producer", "consumer"):
            eco = Ecosystem(network(chosen_by))
            eco.step()
            bare, laws, sizes = products(chosen_by)
            mine, yardstick = in_turn(eco.step, bare, repetitions=200, calls=2)
            what = f"1,000 categorical, {laws:,} laws ({chosen_by}s' users; {sizes}) / bmm; 1 thread"
            rows.append(times_as_long(what, 3, mine, yardstick))
    return rows
