"""How far round a ring does one member's curation travel?

``members`` models stand in a ring; each trains on its predecessor's output and some real data. Only the users of ``0``
curate what they read: they like the first coordinate. Their taste fades by the factor ``1 − real`` at every hop, and
arrives one hop later every round: the light cone of the network.

    ecosystem run scenarios/ring.py --set members=12 --set real=0.1

Takes seconds; needs nothing more.
"""

import networkx as nx
import torch

from ecosystem import Flow, Linear, Location, Member, Scenario, Tilt

TASTE = Linear([1.0, 0.0]).named("the first coordinate")


def scenario(
    members: int = 8, real: float = 0.2, curation: float = 0.3, rounds: int = 30, samples: int | None = None
) -> Scenario:
    """A directed cycle in which ``0`` curates ``curation`` of its diet and everybody has a real share."""

    def member(node: int) -> Member:
        curator = Tilt() if node == 0 else None
        return Member(Location(torch.zeros(2)), reward=TASTE, curator=curator, real=Location(torch.zeros(2)))

    def flow(u: int, v: int) -> Flow:
        if v == 0:
            return Flow(raw=1 - real - curation, curated=curation, chosen_by="consumer")
        return Flow(raw=1 - real)

    cycle = nx.cycle_graph(members, create_using=nx.DiGraph)
    return Scenario.from_graph(cycle, member=member, flow=flow, name="ring", rounds=rounds, samples=samples)
