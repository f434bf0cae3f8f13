"""A scenario as it is read: the graph of members and flows, and what happens to them when."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Any

import networkx as nx
import numpy as np

from ecosystem.core.added import added
from ecosystem.core.arguments import spelled
from ecosystem.core.check import brief, switch, whole_number
from ecosystem.generators import ClosedForm
from ecosystem.orderings import Ordering, as_ordering, synchronous
from ecosystem.scenario import shares
from ecosystem.scenario.blocks import blocks_of, first_of_each
from ecosystem.scenario.checks import check_flow_known, check_intervention, check_known
from ecosystem.scenario.descriptions import Flow, Member
from ecosystem.scenario.interventions import Intervention, Subject, effects

_MOST = 1_000_000_000  # rounds; a round takes a tenth of a millisecond at least, so these take a day


class Network:
    """What :class:`ecosystem.Scenario` builds, copies and runs."""

    def __init__(self, name: str, *, rounds: int, samples: int | None = None, ordering: Any = synchronous) -> None:
        if not isinstance(name, str) or not name:
            raise TypeError(f"Scenario(name) is a string, Scenario('pair', rounds=...), got {brief(name)}")
        whole_number(rounds, "Scenario(rounds)", 0, high=_MOST)
        if samples is not None:
            whole_number(samples, "Scenario(samples)", 1, high=2**53)
        self.name = name
        self.rounds = rounds
        self.samples = samples
        self.ordering: Ordering = as_ordering(ordering)
        self.interventions: dict[int, list[Intervention]] = {}
        self._graph = nx.DiGraph(name=name)
        self._checked: set[Hashable] = set()  # kinds of members whose rewards have been tried

    def __repr__(self) -> str:
        how = "population" if self.samples is None else f"{self.samples} samples"
        sizes = f"{self._graph.number_of_nodes()} members, {self._graph.number_of_edges()} flows"
        return f"Scenario({self.name!r}: {sizes}, {self.rounds} rounds, {how}, {self.ordering})"

    @spelled
    def at(self, round: int, *interventions: Intervention) -> None:
        """Let something happen before ``round``: ``Leave``, ``Freeze``, ``Thaw``, ``Disconnect``, ``Curate``, ...

        What happens in one round happens at once, in whichever order it was given: curation levels are those of what
        is there after it. Refused here is what cannot be whatever else happens (an unknown subject, a round or level
        that there is not), in :meth:`ecosystem.Scenario.check` what cannot be at that time, and what says the same of
        a subject twice in a round.
        """
        whole_number(round, "Scenario.at(round)", 1)
        for intervention in interventions:
            check_intervention(intervention, round, self)
        if interventions:
            self.interventions.setdefault(round, []).extend(interventions)

    @property
    def graph(self) -> nx.DiGraph:
        """The coupling graph: node attribute ``member``, edge attribute ``flow``.

        That of members added by the array makes its nodes and edges when somebody reads them.
        """
        return self._graph

    @property
    def names(self) -> list[str]:
        """The members, in the order in which they were added."""
        return list(self._graph)

    def member(self, name: str) -> Member:
        """The description of a member; KeyError where there is none of that name."""
        blocks = blocks_of(self._graph)
        try:
            return self._graph.nodes[name]["member"] if blocks is None else blocks.member(blocks.place[name])
        except (KeyError, TypeError):
            check_known(name, self._graph, f"scenario {self.name!r}")
            raise

    def flow(self, u: str, v: str) -> Flow:
        """The description of a flow; KeyError where there is none."""
        if not (isinstance(u, str) and isinstance(v, str)):
            check_flow_known(u, v, self._graph, f"scenario {self.name!r}")
        blocks = blocks_of(self._graph)
        if blocks is not None and (number := blocks.between(u, v)) >= 0:
            return blocks.table.flow(number)
        try:
            return self._graph.edges[u, v]["flow"]
        except (KeyError, TypeError):
            check_flow_known(u, v, self._graph, f"scenario {self.name!r}")
            raise

    def incoming(self, v: str, dormant: bool = False) -> dict[str, Flow]:
        """The flows that ``v`` trains on, by producer; those that appear later only if ``dormant``.

        KeyError where there is no such member, TypeError for what is no name.
        """
        if not isinstance(v, str) or v not in self._graph:
            check_known(v, self._graph, f"scenario {self.name!r}")
        late = set() if switch(dormant, "incoming(dormant)") else self.late()
        if (blocks := blocks_of(self._graph)) is not None:
            return {u: flow for u, flow in blocks.into(v).items() if not late & {u, v, (u, v)}}
        return {u: self.flow(u, v) for u in self._graph.predecessors(v) if not late & {u, v, (u, v)}}

    def late(self) -> set[Subject]:
        """Members and flows that are not there at the start: the first thing that happens to them is that they come."""
        first: dict[Subject, bool] = {}
        for round in sorted(self.interventions):
            for intervention in self.interventions[round]:
                for what, subject, value in effects(intervention):
                    if what == "present":
                        first.setdefault(subject, value)
        return {subject for subject, comes in first.items() if comes}

    def curation(self, name: str) -> float:
        """The curation level ``λ``: the sum of a member's curated shares."""
        return shares.curation(self.incoming(name, dormant=True))

    def real_share(self, name: str) -> float:
        """What the shares leave over for real data."""
        flows = self.incoming(name).values()
        return max(0.0, 1.0 - added(flow.raw + flow.curated for flow in flows))


def standing_for_all(network: Network) -> list[tuple[str, Member, int]]:
    """Members with their names, and for how many each stands: one for a family that was added by the array."""
    blocks = blocks_of(network.graph)
    if blocks is None:
        return [(name, network.member(name), 1) for name in network.names]
    found = []
    for block in blocks.members:
        whole = isinstance(block.generators, ClosedForm)
        rows = range(1 if whole else len(block.names))
        found += [(block.names[row], block.member(row), len(block.names) if whole else 1) for row in rows]
    return found


def said_of_all(network: Network, said: Callable[[Member], Any]) -> np.ndarray:
    """What is said of every member's description, ``[members]``; of a family added by the array it is asked once."""
    every = standing_for_all(network)
    return np.repeat(np.array([said(member) for _, member, _ in every]), [count for *_, count in every])


def flows_of_all(network: Network) -> Iterator[tuple[str, str, Flow]]:
    """Flows with their ends, as the graph goes through them; one for all that were connected at once."""
    blocks = blocks_of(network.graph)
    if blocks is None:
        yield from network.graph.edges(data="flow")
        return
    order = np.argsort(blocks.table.ends[0], kind="stable")
    _, first = first_of_each(blocks.table.ends[2, order])
    for number in order[np.sort(first)].tolist():
        u, v = blocks.table.ends[:2, number].tolist()
        yield blocks.names[u], blocks.names[v], blocks.table.flow(number)
