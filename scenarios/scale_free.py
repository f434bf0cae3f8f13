"""A thousand models on a scale-free network: what do the hubs' users do to everybody else?

A few models are read by very many. Here only the users of the most read ones curate what they publish; everybody has
its own taste and some real data. Compare the alignment of the hubs with that of the rest, and how it spreads.

    ecosystem run scenarios/scale_free.py

Takes ten seconds; needs nothing more.
"""

import networkx as nx
import numpy as np

from ecosystem import Flow, Linear, Location, Member, Scenario, Tilt

DIMENSION = 8


def scenario(
    members: int = 1000,
    hubs: int = 20,
    curation: float = 0.5,
    real: float = 0.1,
    rounds: int = 30,
    samples: int | None = None,
    seed: int = 0,
) -> Scenario:
    """Members read their neighbours evenly; of what they take from a hub the part ``curation`` was curated there."""
    graph = nx.barabasi_albert_graph(members, 4, seed=seed).to_directed()
    readers = dict(graph.out_degree())
    most_read = set(sorted(graph, key=lambda node: -readers[node])[:hubs])
    rng = np.random.default_rng(seed)
    truth = Location(np.zeros(DIMENSION))
    common = rng.normal(size=DIMENSION)  # tastes agree in part

    def member(node: int) -> Member:
        taste = Linear((common + rng.normal(size=DIMENSION)) / np.sqrt(2 * DIMENSION))
        curator = Tilt() if node in most_read else None
        return Member(Location(np.zeros(DIMENSION)), reward=taste, curator=curator, real=truth)

    def flow(u: int, v: int) -> Flow:
        share = (1 - real) / graph.in_degree(v)
        return Flow(raw=share * (1 - curation), curated=share * curation) if u in most_read else Flow(raw=share)

    return Scenario.from_graph(graph, member=member, flow=flow, name="scale-free", rounds=rounds, samples=samples)
