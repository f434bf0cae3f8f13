"""The scenario: a directed coupling graph of members and flows, checked when it is built."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import networkx as nx
import pandas as pd

from ecosystem.core.arguments import spelled
from ecosystem.core.check import a_seed, brief, function, switch, users_code, whole_number
from ecosystem.core.door import Door
from ecosystem.core.memory import affordable
from ecosystem.core.progress import metered
from ecosystem.orderings import synchronous
from ecosystem.scenario import checks, copies, graphs, tables, whole
from ecosystem.scenario.arrays import Built
from ecosystem.scenario.bulk import check_name
from ecosystem.scenario.descriptions import Flow, Member, check_parts, replaced
from ecosystem.scenario.graphs import Weight
from ecosystem.scenario.interventions import Connect, Join

if TYPE_CHECKING:
    from ecosystem.running.checkpoints import Checkpoints
    from ecosystem.running.recording import Record
    from ecosystem.running.run import Run
    from ecosystem.running.until import Condition


_PAIR = 25  # numbers of memory that a pair (seed, replicate) takes


@spelled
class Scenario(Built):
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

    _repr_html_: Any = Door("ecosystem.plots.shown", "scenario")

    # -- building ------------------------------------------------------------------------------------------------

    @spelled
    def add(self, name: str, member: Member, *, joins: int | None = None) -> None:
        """Add a member; with ``joins`` it comes in before that round, and its flows with it."""
        check_name(name, self._graph, self.name)
        if joins is not None:
            checks.check_round(joins, f"add({name!r}, joins=)", self.rounds)
        checks.check_member(name, member, self._checked)
        self._graph.add_node(name, member=member)
        if joins is not None:
            self.at(joins, Join(name))

    @spelled
    def connect(self, u: str, v: str, flow: Flow, *, appears: int | None = None) -> None:
        """Let ``v`` train on what ``u`` generates; with ``appears`` the flow is there from that round on."""
        for name in (u, v):
            checks.check_known(name, self._graph, f"flow {brief(u)} → {brief(v)}")
        if self._graph.has_edge(u, v):
            raise ValueError(f"there is already a flow {u!r} → {v!r}; give both shares in one Flow(raw=, curated=)")
        checks.check_flow(u, v, flow, self.member(u), self.member(v))
        if appears is not None:
            checks.check_round(appears, f"connect({u!r}, {v!r}, appears=)", self.rounds)
        else:
            whole.check_room(self, u, v, flow)
        self._graph.add_edge(u, v, flow=flow)
        if appears is not None:
            self.at(appears, Connect(u, v))

    @classmethod
    @spelled
    def from_graph(
        cls,
        digraph: nx.DiGraph,
        *,
        member: Callable[[Any], Member],
        flow: Callable[..., Flow] | None = None,
        real: float | Callable[[Any], float] | None = None,
        weight: Weight = None,
        merge: Callable[[list[float]], float] | None = None,
        name: str | None = None,
        rounds: int,
        samples: int | None = None,
        ordering: Any = synchronous,
    ) -> Scenario:
        """A scenario on any NetworkX digraph: ``member(node)`` for each node, ``flow(u, v)`` for each edge.

        With ``real``, the share of real data that is left to who reads (a number, or a function of the node), weights
        become shares, as :func:`~ecosystem.scenario.shares_of` makes them of ``weight`` and ``merge``, and flows are
        ``flow(u, v, share)``, by default ``Flow(raw=share)``. Nodes become strings; the table ``members`` has whole
        numbers in a column ``label``. For an undirected graph pass ``graph.to_directed()``.

        >>> import networkx as nx
        >>> from ecosystem import Location, Member, Scenario
        >>> graph = nx.MultiDiGraph([(0, 2), (0, 2), (1, 2)])
        >>> member = lambda node: Member(Location([0.0]), real=Location([1.0]))
        >>> s = Scenario.from_graph(graph, member=member, real=0.25, merge=sum, rounds=1)
        >>> s.describe()["flows"][["source", "target", "raw"]].values.tolist()
        [['0', '2', 0.5], ['1', '2', 0.25]]
        """
        function(member, "from_graph(member) is a function of a node that makes its Member")
        asked = list(graphs.edges_of(digraph, flow, real, weight, merge))
        label = graphs.named(digraph)
        self = cls(
            (digraph.name or "graph") if name is None else name, rounds=rounds, samples=samples, ordering=ordering
        )
        for node in digraph:
            with users_code(lambda node=node: f"from_graph(member) for the node {brief(node)}"):
                made = member(node)
            self.add(label[node], made)
            self._graph.nodes[label[node]]["label"] = node
        for u, v, flow_of in asked:
            with users_code(lambda u=u, v=v: f"from_graph(flow) for {brief(u)} → {brief(v)}"):
                made = flow_of()
            self.connect(label[u], label[v], made)
        for v in self.names:
            whole.check_shares(v, self.incoming(v), self.member(v))
        return self

    # -- checks and tables ---------------------------------------------------------------------------------------

    def check(self) -> None:
        """Refuse a scenario that cannot run, naming the place, the value and the mend."""
        whole.check_scenario(self)

    def describe(self) -> dict[str, pd.DataFrame]:
        """The tables ``members`` and ``flows``, whose columns :class:`ecosystem.Run` tells: a row each."""
        return {"members": tables.member_table(self), "flows": tables.flow_table(self)}

    # -- changed copies ------------------------------------------------------------------------------------------

    def replace(self, **changes: Any) -> Scenario:
        """A copy with another ``name``, ``rounds``, ``samples`` or ``ordering``, or with other ``interventions``.

        ``interventions`` are lists by round, ``{5: [Freeze("a")]}``. Fewer ``rounds`` than an intervention needs are
        refused.
        """
        settings = {name: getattr(self, name) for name in ("name", "rounds", "samples", "ordering")}
        check_parts("replace()", [*settings, "interventions"], changes)
        given = changes.pop("interventions", None)
        new = Scenario(**settings | changes)
        new._graph, new._checked = self._graph.copy(), set(self._checked)
        new._graph.name = new.name
        if given is None:
            copies.keep_interventions(self, new)
        else:
            for round, many in given.items():
                new.at(round, *many)
        return new

    def with_member(self, name: str, **changes: Any) -> Scenario:
        """A copy in which a member has other parts: ``with_member("a", reward=..., curator=...)``, as ``Member`` takes.

        Its flows are checked again: they must fit the new generator, and the users who choose on them. The name of this
        and other changed copies says what was changed, ``pair (b → a: raw 0.2)``, so that tables and pages can be
        told apart; ``.replace(name=...)`` gives another.
        """
        checks.check_known(name, self._graph, "with_member")
        member = replaced(self.member(name), f"with_member({name!r})", changes)
        return copies.named(copies.put_member(self.replace(), name, member), name, changes)

    def with_flow(self, u: str, v: str, **changes: Any) -> Scenario:
        """A copy in which the flow ``u → v`` has other parts: ``with_flow("a", "b", raw=0.2, delay=1)``, as ``Flow``.

        What the shares of ``v`` then leave over is real data.
        """
        checks.check_flow_known(u, v, self._graph, f"with_flow in scenario {self.name!r}")
        flow = replaced(self.flow(u, v), f"with_flow({u!r}, {v!r})", changes)
        return copies.named(copies.put_flows(self.replace(), v, {u: flow}), f"{u} → {v}", changes)

    @spelled
    def with_curation(self, name: str, level: float, like: tuple[str, str] | None = None) -> Scenario:
        """A copy in which the curation level of ``name`` is ``level``.

        Curated shares scale by ``λ'/λ``, all others (the real one too) by ``(1−λ')/(1−λ)``. From level 0, ``like=(u,
        name)`` says on which flow the curated share arises.
        """
        new = copies.put_flows(self.replace(), name, copies.curated(self, name, level, like))
        return copies.named(new, name, {"curation": level})

    def without(self, u: str, v: str | None = None) -> Scenario:
        """A copy without the flow ``u → v``, or without the member ``u`` and all its flows.

        What others took of it becomes real data (refused where they have none); nobody else's draws move. (A reader of
        whom it was the last flow that users chose may be drawn another way: compare pairs of runs with
        ``run(build_samples=True)``.) Interventions about nothing else go, those about others too are refused.
        ``sequential`` loses the name; an ordering of one's own that insists on it, or on places, is refused. What
        agents of their own say of the member is not seen: they fail.

        >>> from ecosystem import Flow, Location, Member, Scenario, sequential
        >>> s = Scenario("two", rounds=2, ordering=sequential("a", "b"))
        >>> for name in "ab":
        ...     s.add(name, Member(Location([1.0]), real=Location([0.0])))
        >>> s.connect("a", "b", Flow(raw=0.5))
        >>> alone = s.without("a")
        >>> alone, alone.real_share("b")
        (Scenario('two (without a)': 1 members, 0 flows, 2 rounds, population, sequential('b')), 1.0)
        """
        if v is None:
            checks.check_known(u, self._graph, f"without in scenario {self.name!r}")
        else:
            checks.check_flow_known(u, v, self._graph, f"without in scenario {self.name!r}")
        return copies.named(copies.remove(self.replace(), u, v), f"without {u}{'' if v is None else f' → {v}'}")

    # -- running -------------------------------------------------------------------------------------------------

    @spelled
    def run(
        self,
        seed: int = 0,
        replicates: int = 1,
        *,
        record: Record | None = None,
        checkpoints: Checkpoints | None = None,
        until: Condition | None = None,
        build_samples: bool = False,
        progress: bool | Callable[[int, int], object] = False,
        live: Any = None,
        device: Any = None,
        dtype: Any = None,
    ) -> Run:
        """Run all rounds and return the result: replicates ``0..replicates−1`` of ``seed``.

        ``record=Record(...)`` says what to keep, ``checkpoints=Checkpoints(folder)`` saves the run as it goes on, and
        goes on where it was; ``until=settled()``, or a function of a view, may end it before its last round. Samples
        whose mean is all that anybody needs are not made one by one, unless ``build_samples`` (say so to compare
        scenarios pair by pair, where they are made in one of them). With ``progress`` a bar
        (in a terminal or a notebook) or lines on stderr say how far it is; a function is told ``(done, all)``. ``live``
        are functions ``(round, rows)``, told of what is recorded while it goes on (:mod:`ecosystem.running.live`).
        ``device="cuda"`` plays the rounds there, ``dtype=torch.float32`` closed forms with fewer digits
        (:class:`~ecosystem.Ecosystem`).
        """
        from ecosystem.running.ecosystem import Ecosystem  # an upper floor: the short way through it

        switch(build_samples, "run(build_samples)")
        first, count = a_seed(seed, "run(seed)"), whole_number(replicates, "run(replicates)", 1)
        affordable(_PAIR * count, f"run(replicates={count})", "give fewer")
        seeds = [(first, r) for r in range(count)]
        with metered(progress, self.name, "rounds") as meter:
            meter.phase("building")
            where = {"device": device, "dtype": dtype}
            ecosystem = Ecosystem(self, seeds=seeds, record=record, build_samples=build_samples, live=live, **where)
            ecosystem.run(meter, checkpoints, until)
            return ecosystem.result()
