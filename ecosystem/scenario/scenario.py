"""The scenario: a directed coupling graph of members and flows, checked when it is built."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

import networkx as nx
import pandas as pd

from ecosystem.orderings import Ordering, as_ordering, synchronous
from ecosystem.rewards import Custom
from ecosystem.scenario import checks, whole
from ecosystem.scenario.descriptions import (
    TOLERANCE,
    Connect,
    Disconnect,
    Flow,
    Intervention,
    Join,
    Leave,
    Member,
    rescaled,
)

if TYPE_CHECKING:
    from ecosystem.running.checkpoints import Checkpoints
    from ecosystem.running.run import Run


class Scenario:
    """A network of generative models that train on each other's output.

    ``rounds`` of retraining; ``samples`` data points for each member and round, or ``None`` for the population (no
    sampling: the exact dynamics); ``ordering`` says who reads whose newest output within a round.

    >>> from ecosystem import Flow, Location, Member, Scenario
    >>> s = Scenario("loop", rounds=3)
    >>> s.add("a", Member(Location([1.0]), real=Location([0.0])))
    >>> s.connect("a", "a", Flow(raw=0.5))
    >>> s
    Scenario('loop': 1 members, 1 flows, 3 rounds, population, synchronous)
    """

    def __init__(self, name: str, *, rounds: int, samples: int | None = None, ordering: Any = synchronous) -> None:
        checks.check_count(rounds, "Scenario(rounds)", 0)
        if samples is not None:
            checks.check_count(samples, "Scenario(samples)", 1)
        self.name = name
        self.rounds = rounds
        self.samples = samples
        self.ordering: Ordering = as_ordering(ordering)
        self.interventions: dict[int, list[Intervention]] = {}
        self._graph = nx.DiGraph(name=name)
        self._taken: dict[str, float] = {}  # shares of each member so far
        self._checked: set[Hashable] = set()  # kinds of members whose rewards have been tried

    # -- building ------------------------------------------------------------------------------------------------

    def add(self, name: str, member: Member, *, joins: int | None = None) -> None:
        """Add a member; with ``joins`` it comes in before that round, and its flows with it."""
        if not isinstance(name, str) or not name:
            raise TypeError(f"names of members are strings, got {name!r}; use str(node)")
        if name in ("real", "own"):
            raise ValueError(f"a member cannot be called {name!r}: tables of sources call real or own data so")
        if name in self._graph:
            raise ValueError(f"there is already a member {name!r} in scenario {self.name!r}; names must differ")
        if joins is not None:
            checks.check_count(joins, f"add({name!r}, joins=)", 1)
        checks.check_member(name, member, self._checked)
        self._graph.add_node(name, member=member)
        if joins is not None:
            self.at(joins, Join(name))

    def connect(self, u: str, v: str, flow: Flow, *, appears: int | None = None) -> None:
        """Let ``v`` train on what ``u`` generates; with ``appears`` the flow is there from that round on."""
        for name in (u, v):
            checks.check_known(name, self._graph, f"flow {u!r} → {v!r}")
        if self._graph.has_edge(u, v):
            raise ValueError(f"there is already a flow {u!r} → {v!r}; give both shares in one Flow(raw=, curated=)")
        checks.check_flow(u, v, flow, self.member(u), self.member(v))
        if appears is not None:
            checks.check_count(appears, f"connect({u!r}, {v!r}, appears=)", 1)
        if appears is None:
            taken = self._taken.get(v, 0.0) + flow.raw + flow.curated
            if taken > 1 + TOLERANCE and not self.late() & {u, v}:
                whole.check_shares(v, {**self.incoming(v), u: flow}, self.member(v))
            self._taken[v] = taken
        self._graph.add_edge(u, v, flow=flow)
        if appears is not None:
            self.at(appears, Connect((u, v)))

    def at(self, round: int, *interventions: Intervention) -> None:
        """Let something happen before ``round``: ``Leave``, ``Freeze``, ``Thaw``, ``Disconnect``, ``Curate``, ..."""
        checks.check_count(round, "Scenario.at(round)", 1)
        for intervention in interventions:
            if not isinstance(intervention, Intervention):
                raise TypeError(f"Scenario.at takes interventions such as Freeze('a'), got {intervention!r}")
            subject = intervention.subject
            for name in (subject,) if isinstance(subject, str) else subject:
                checks.check_known(name, self._graph, f"{intervention} in round {round}")
            if not isinstance(subject, str) and not self._graph.has_edge(*subject):
                raise KeyError(f"{intervention} in round {round}: there is no such flow; connect it first")
        self.interventions.setdefault(round, []).extend(interventions)

    @classmethod
    def from_graph(
        cls,
        digraph: nx.DiGraph,
        *,
        member: Callable[[Any], Member],
        flow: Callable[[Any, Any], Flow],
        name: str | None = None,
        rounds: int,
        samples: int | None = None,
        ordering: Any = synchronous,
    ) -> Scenario:
        """A scenario on any NetworkX digraph: ``member(node)`` for each node, ``flow(u, v)`` for each edge.

        Nodes become strings. For an undirected graph pass ``graph.to_directed()``.
        """
        if not digraph.is_directed():
            raise ValueError("the coupling graph is directed; pass graph.to_directed() to couple both ways")
        label: dict[Hashable, str] = {node: str(node) for node in digraph}
        if len(set(label.values())) < len(label):
            raise ValueError("two nodes of the graph have the same str(); relabel them first")
        self = cls(name or digraph.name or "graph", rounds=rounds, samples=samples, ordering=ordering)
        for node in digraph:
            self.add(label[node], member(node))
        for u, v in digraph.edges():
            self.connect(label[u], label[v], flow(u, v))
        return self

    # -- reading -------------------------------------------------------------------------------------------------

    @property
    def graph(self) -> nx.DiGraph:
        """The coupling graph: node attribute ``member``, edge attribute ``flow``."""
        return self._graph

    @property
    def names(self) -> list[str]:
        return list(self._graph)

    def member(self, name: str) -> Member:
        return self._graph.nodes[name]["member"]

    def flow(self, u: str, v: str) -> Flow:
        return self._graph.edges[u, v]["flow"]

    def incoming(self, v: str, dormant: bool = False) -> dict[str, Flow]:
        """The flows that ``v`` trains on, by producer; those that appear later only if ``dormant``."""
        late = set() if dormant else self.late()
        return {u: self.flow(u, v) for u in self._graph.predecessors(v) if not late & {u, v, (u, v)}}

    def late(self) -> set[str | tuple[str, str]]:
        """Members and flows that are not there at the start."""
        first: dict[str | tuple[str, str], Intervention] = {}
        for round in sorted(self.interventions):
            for i in self.interventions[round]:
                if isinstance(i, Join | Connect | Leave | Disconnect):
                    first.setdefault(i.subject, i)
        return {subject for subject, i in first.items() if isinstance(i, Join | Connect)}

    def curation(self, name: str) -> float:
        """The curation level ``λ``: the sum of a member's curated shares."""
        return sum(flow.curated for flow in self.incoming(name, dormant=True).values())

    def real_share(self, name: str) -> float:
        """What the shares leave over for real data."""
        flows = self.incoming(name).values()
        return max(0.0, 1 - sum(flow.raw + flow.curated for flow in flows))

    def check(self) -> None:
        """Refuse a scenario that cannot run, naming the place, the value and the mend."""
        whole.check_scenario(self)

    def describe(self) -> dict[str, pd.DataFrame]:
        """The tables ``members`` and ``flows``."""
        return {"members": _member_table(self), "flows": _flow_table(self)}

    def __repr__(self) -> str:
        how = "population" if self.samples is None else f"{self.samples} samples"
        sizes = f"{self._graph.number_of_nodes()} members, {self._graph.number_of_edges()} flows"
        return f"Scenario({self.name!r}: {sizes}, {self.rounds} rounds, {how}, {self.ordering})"

    # -- changed copies ------------------------------------------------------------------------------------------

    def replace(self, **changes: Any) -> Scenario:
        """A copy with another ``name``, ``rounds``, ``samples`` or ``ordering``."""
        settings: dict[str, Any] = {
            "name": self.name,
            "rounds": self.rounds,
            "samples": self.samples,
            "ordering": self.ordering,
        }
        unknown = set(changes) - set(settings)
        if unknown:
            raise TypeError(f"replace() changes {', '.join(settings)}, not {', '.join(sorted(unknown))}")
        settings |= changes
        new = Scenario(settings.pop("name"), **settings)
        new._graph = self._graph.copy()
        new._taken, new._checked = dict(self._taken), set(self._checked)
        new.interventions = copy.deepcopy(self.interventions)
        return new

    def with_curation(self, name: str, level: float, like: tuple[str, str] | None = None) -> Scenario:
        """A copy in which the curation level of ``name`` is ``level``.

        Curated shares scale by ``λ'/λ``, all others (the real one too) by ``(1−λ')/(1−λ)``. From level 0, ``like=(u,
        name)`` says on which flow the curated share arises.
        """
        checks.check_known(name, self._graph, "with_curation")
        if not 0 <= level <= 1:
            raise ValueError(f"a curation level lies between 0 and 1, got {level!r}")
        flows, old = self.incoming(name, dormant=True), self.curation(name)
        if old == 0:
            changed = self._first_curation(name, level, like, flows)
        elif old >= 1 - 1e-12 and level != old:
            raise ValueError(
                f"{name!r} has curation level 1: its other shares are all 0 and cannot be scaled up; "
                "build the scenario with the level that you want"
            )
        else:
            changed = {
                u: rescaled(flow.raw, flow.curated, old, level) if level != old else (flow.raw, flow.curated)
                for u, flow in flows.items()
            }
        return self._with_shares(name, changed)

    def _first_curation(
        self, name: str, level: float, like: tuple[str, str] | None, flows: dict[str, Flow]
    ) -> dict[str, tuple[float, float]]:
        if like is None or like[1] != name or like[0] not in flows:
            raise ValueError(
                f"{name!r} has no curated flow, so nothing says which to curate; pass like=(u, {name!r}) "
                f"with u one of {', '.join(flows) or 'its producers (it has none)'}"
            )
        return {u: (f.raw * (1 - level), level if u == like[0] else 0.0) for u, f in flows.items()}

    def _with_shares(self, name: str, shares: dict[str, tuple[float, float]]) -> Scenario:
        new = self.replace()
        for u, (raw, curated) in shares.items():
            old = self.flow(u, name)
            flow = Flow(raw, curated, chosen_by=old.chosen_by, transform=old.transform, delay=old.delay)
            checks.check_flow(u, name, flow, self.member(u), self.member(name))
            new._graph.edges[u, name]["flow"] = flow
        new._taken[name] = sum(f.raw + f.curated for f in new.incoming(name).values())
        return new

    def without(self, u: str, v: str) -> Scenario:
        """A copy without the flow ``u → v``; its shares become real data (refused where ``v`` has none)."""
        if not self._graph.has_edge(u, v):
            raise KeyError(f"there is no flow {u!r} → {v!r} in scenario {self.name!r}")
        if self.member(v).real is None:
            raise ValueError(
                f"without the flow {u!r} → {v!r} its share would be real data, and {v!r} has none; "
                "give it some: Member(..., real=...)"
            )
        new = self.replace()
        new._graph.remove_edge(u, v)
        new._taken[v] = sum(f.raw + f.curated for f in new.incoming(v).values())
        for round, many in new.interventions.items():
            new.interventions[round] = [i for i in many if i.subject != (u, v)]
        return new

    # -- running -------------------------------------------------------------------------------------------------

    def run(self, seed: int = 0, replicates: int = 1, checkpoints: Checkpoints | None = None, **settings: Any) -> Run:
        """Run all rounds and return the result: replicates ``0..replicates−1`` of ``seed``.

        ``checkpoints=Checkpoints(folder)`` saves the run as it goes on, and goes on where it was. Keywords go to
        :class:`ecosystem.Ecosystem` (``record=Record(...)``).
        """
        from ecosystem.running.ecosystem import Ecosystem  # an upper floor: the short way through it

        checks.check_count(replicates, "run(replicates)", 1)
        ecosystem = Ecosystem(self, seeds=[(seed, r) for r in range(replicates)], **settings)
        ecosystem.run(checkpoints=checkpoints)
        return ecosystem.result()


def _tastes(scenario: Scenario) -> dict[str, str]:
    """The tastes of all members in words; different ones of one name are numbered."""
    found: dict[str, dict[Hashable, int]] = {}
    for name in scenario.names:
        reward = scenario.member(name).reward
        if isinstance(reward, Custom):  # of others the words say the numbers
            kinds = found.setdefault(str(reward), {})
            kinds.setdefault(reward.kind(), len(kinds) + 1)
    words = {}
    for name in scenario.names:
        reward = scenario.member(name).reward
        words[name] = str(reward or "none")
        kinds = found.get(words[name], {})
        if isinstance(reward, Custom) and len(kinds) > 1:
            words[name] += f" ({kinds[reward.kind()]})"
    return words


def _member_table(scenario: Scenario) -> pd.DataFrame:
    rows, tastes = [], _tastes(scenario)
    for name in scenario.names:
        member = scenario.member(name)
        rows.append(
            {
                "member": name,
                "generator": type(member.generator).__name__,
                "event": "x".join(map(str, member.generator.event_shape)) or "symbol",
                "parameters": checks.parameter_count(member.generator),
                "curation": scenario.curation(name),
                "real": scenario.real_share(name),
                "reward": tastes[name],
                "curator": str(member.curator or "none"),
                "schedule": str(member.schedule),
                "retention": str(member.retention),
            }
        )
    columns = [
        "member",
        "generator",
        "event",
        "parameters",
        "curation",
        "real",
        "reward",
        "curator",
        "schedule",
        "retention",
    ]
    return pd.DataFrame(rows, columns=columns)


def _flow_table(scenario: Scenario) -> pd.DataFrame:
    rows = []
    for u, v, flow in scenario.graph.edges(data="flow"):
        rows.append(
            {
                "source": u,
                "target": v,
                "raw": flow.raw,
                "curated": flow.curated,
                "chosen_by": flow.chosen_by if isinstance(flow.chosen_by, str) else "own",
                "transform": str(flow.transform or "identity"),
                "delay": flow.delay,
            }
        )
    return pd.DataFrame(rows, columns=["source", "target", "raw", "curated", "chosen_by", "transform", "delay"])
