"""Building by the array: many members and flows at once, checked kind by kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

import pandas as pd

from ecosystem.core.arguments import spelled
from ecosystem.core.check import brief
from ecosystem.curation import Curator, Demand, Users
from ecosystem.generators import ClosedForm, GenerativeModel
from ecosystem.orderings import synchronous
from ecosystem.retention import Retention, replace
from ecosystem.scenario import checks
from ecosystem.scenario.blocks import DiGraph, Flows, Members, blocks_of, to_blocks
from ecosystem.scenario.bulk import check_kinds, check_new, check_room, checked_names, each, flow_name, is_stack
from ecosystem.scenario.descriptions import Flow, Member
from ecosystem.scenario.edges import Unknown, read_edges
from ecosystem.scenario.interventions import Connect, Join
from ecosystem.scenario.network import Network
from ecosystem.schedules import every


class Built(Network):
    """What :class:`ecosystem.Scenario` has to be built by the array: the same scenario as one by one."""

    @spelled
    def add_many(
        self,
        names: Sequence[str],
        generators: GenerativeModel | Sequence[GenerativeModel],
        *,
        reward: Any = None,
        curator: Curator | None = None,
        real: Any = None,
        schedule: Any = every(1),  # noqa: B008 - frozen
        retention: Retention = replace(),  # noqa: B008 - frozen
        agent: type | None = None,
        asked: Any = None,
        learn: Any = None,
        demand: Demand | None = None,
        joins: int | None = None,
    ) -> None:
        """Add members that share all parts but their generators, as :meth:`add` would one by one.

        ``generators`` are one for each name: a sequence, or a family with the batch ``[n]``, which takes hardly any
        time (``Location.many(means)``, ``means [n, d]``); one model alone is everybody's. ``real`` may be a family with
        the batch ``[n]`` too. All else is what ``Member`` takes. Nothing is added if anything is refused.

        >>> import torch
        >>> from ecosystem import Location, Scenario
        >>> s = Scenario("many", rounds=1)
        >>> s.add_many(["a", "b"], Location.many(torch.eye(2)), real=Location([0.0, 0.0]))
        >>> s.member("b").generator.mean
        tensor([0., 1.], dtype=torch.float64)
        """
        names = checked_names(self, names)
        if not names:
            return
        rest = {"reward": reward, "curator": curator, "schedule": schedule, "retention": retention}
        rest |= {"agent": agent, "asked": asked, "learn": learn, "demand": demand}
        if joins is not None:
            checks.check_round(joins, f"add_many({names[0]!r}, ..., joins=)", self.rounds)
        models = each(generators, len(names), "generators")
        data = real if is_stack(real) else None
        if data is not None:
            each(data, len(names), "real")
        blank = models.take(0) if isinstance(models, ClosedForm) else models[0]
        one = Member(blank, real=data.take(0) if data is not None else real, **rest)
        block = Members(names, one, models, data)
        known = set(self._checked)
        for i in range(1 if isinstance(models, ClosedForm) else len(names)):  # of a family, one is like another
            checks.check_member(names[i], block.member(i), known)
        self._checked |= known
        if len(self._graph) == 0:
            to_blocks(self._graph)
        if isinstance(self._graph, DiGraph):
            self._graph.blocks = self._graph.blocks.with_members(block)
        else:
            self._graph.add_nodes_from((name, {"member": block.member(i)}) for i, name in enumerate(names))
        if joins is not None:
            self.at(joins, *map(Join, names))

    @spelled
    def connect_many(
        self,
        edges: Any = None,
        *,
        raw: Any = None,
        curated: Any = None,
        chosen_by: Literal["producer", "consumer"] | Users = "producer",
        transform: Any = None,
        delay: int = 0,
        appears: int | None = None,
    ) -> None:
        """Connect flows that differ in their ends and shares alone, as :meth:`connect` would one by one.

        ``edges`` are ``(sources, targets)``, two sequences of names or of places in ``names``; a NetworkX digraph,
        whose nodes are members by their ``str``; a DataFrame with the columns ``source`` and ``target``, and ``raw``
        and ``curated`` if it has them; or a SciPy sparse matrix ``[source, target]``. ``raw`` and ``curated`` are one
        share, or one for each flow in that order (of a graph also the name of an edge attribute); without ``edges``
        they are sparse matrices ``[source, target]`` of shares. Nothing is connected if anything is refused.

        >>> import scipy.sparse as sp
        >>> from ecosystem import Location, Scenario
        >>> s = Scenario("many", rounds=1)
        >>> s.add_many(["a", "b"], Location([0.0]), real=Location([1.0]))
        >>> s.connect_many((["a", "b"], ["b", "b"]), raw=[0.5, 0.25])
        >>> s.describe()["flows"][["source", "target", "raw"]].to_dict("list")
        {'source': ['a', 'b'], 'target': ['b', 'b'], 'raw': [0.5, 0.25]}
        """
        one = Flow(chosen_by=chosen_by, transform=transform, delay=delay)
        blocks, names = blocks_of(self._graph), self.names
        place = {name: i for i, name in enumerate(names)} if blocks is None else blocks.place
        try:
            many = read_edges(edges, raw, curated, names, place)
        except Unknown as error:
            checks.check_known(error.args[0], self._graph, "connect_many")
            raise
        if not len(many.source):
            return
        block = Flows(*many, one)
        check_new(self, many, names)
        if appears is not None:
            checks.check_round(appears, f"connect_many({flow_name(many, 0, names)}, ..., appears=)", self.rounds)
        else:
            check_room(self, block, names)
        check_kinds(self, block, names)
        if isinstance(self._graph, DiGraph):
            self._graph.blocks = self._graph.blocks.with_flows(block)
        else:
            ends = ((names[u], names[v]) for u, v in zip(many.source.tolist(), many.target.tolist(), strict=True))
            self._graph.add_edges_from((u, v, {"flow": block.flow(i)}) for i, (u, v) in enumerate(ends))
        if appears is not None:
            pairs = zip(many.source.tolist(), many.target.tolist(), strict=True)
            self.at(appears, *(Connect(names[u], names[v]) for u, v in pairs))

    @classmethod
    @spelled
    def from_array(
        cls,
        raw: Any = None,
        curated: Any = None,
        *,
        generators: GenerativeModel | Sequence[GenerativeModel],
        names: Sequence[str] | None = None,
        chosen_by: Literal["producer", "consumer"] | Users = "producer",
        transform: Any = None,
        delay: int = 0,
        name: str = "array",
        rounds: int,
        samples: int | None = None,
        ordering: Any = synchronous,
        **parts: Any,
    ) -> Self:
        """A scenario of sparse matrices ``[source, target]`` of shares; ``parts`` are those of :meth:`add_many`.

        Members are called by their places unless ``names`` are given.

        >>> import networkx as nx
        >>> from ecosystem import Location, Scenario
        >>> ring = nx.to_scipy_sparse_array(nx.cycle_graph(3, create_using=nx.DiGraph))
        >>> Scenario.from_array(ring * 0.5, generators=Location([1.0]), real=Location([0.0]), rounds=2)
        Scenario('array': 3 members, 3 flows, 2 rounds, population, synchronous)
        """
        given = next((x for x in (raw, curated) if x is not None), None)
        if names is None:
            if given is None or len(getattr(given, "shape", ())) != 2:
                raise TypeError(f"from_array(raw, curated) are sparse matrices [source, target], got {brief(given)}")
            names = [str(i) for i in range(given.shape[0])]
        self = cls(name, rounds=rounds, samples=samples, ordering=ordering)
        self.add_many(names, generators, **parts)
        self.connect_many(raw=raw, curated=curated, chosen_by=chosen_by, transform=transform, delay=delay)
        return self

    @classmethod
    @spelled
    def from_edges(
        cls,
        frame: pd.DataFrame,
        *,
        generators: GenerativeModel | Sequence[GenerativeModel],
        names: Sequence[str] | None = None,
        chosen_by: Literal["producer", "consumer"] | Users = "producer",
        transform: Any = None,
        delay: int = 0,
        name: str = "edges",
        rounds: int,
        samples: int | None = None,
        ordering: Any = synchronous,
        **parts: Any,
    ) -> Self:
        """A scenario of a frame with the columns source, target, raw and curated; ``parts`` as in :meth:`add_many`.

        Members are those of the frame as they come, sources before targets, unless ``names`` are given.

        >>> import pandas as pd
        >>> from ecosystem import Location, Scenario
        >>> flows = pd.DataFrame({"source": ["a", "b"], "target": ["b", "a"], "raw": [0.5, 0.2]})
        >>> Scenario.from_edges(flows, generators=Location([1.0]), real=Location([0.0]), rounds=2)
        Scenario('edges': 2 members, 2 flows, 2 rounds, population, synchronous)
        """
        if names is None:
            if not isinstance(frame, pd.DataFrame) or not {"source", "target"} <= set(frame.columns):
                raise TypeError(f"from_edges(frame) is a DataFrame with the columns source, target, got {brief(frame)}")
            names = list(dict.fromkeys([*frame["source"].tolist(), *frame["target"].tolist()]))
        self = cls(name, rounds=rounds, samples=samples, ordering=ordering)
        self.add_many(names, generators, **parts)
        self.connect_many(frame, chosen_by=chosen_by, transform=transform, delay=delay)
        return self
