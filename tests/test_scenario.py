"""The scenario graph: building it, reading it, running it."""

from __future__ import annotations

import copy
import dataclasses

import networkx as nx
import pandas as pd
import pytest
import torch

from ecosystem import (
    BestOf,
    Categorical,
    Connect,
    Crowd,
    Curate,
    Disconnect,
    Flow,
    FlowMatching,
    Freeze,
    Gaussian,
    Join,
    Leave,
    Linear,
    Location,
    Luce,
    Member,
    Scenario,
    Shift,
    Tabular,
    Users,
    accumulate,
    at,
    every,
    never,
    shuffled,
)
from tests.labs import lab, trio, untouched

# -- building and reading ----------------------------------------------------------------------------------------------


def test_what_is_put_in_can_be_read() -> None:
    s = trio()
    assert s.names == ["u", "v", "w"] and (s.rounds, s.samples, s.name) == (5, 8, "trio")
    assert isinstance(s.graph, nx.DiGraph) and set(s.graph.edges) == {("u", "v"), ("w", "v"), ("v", "w")}
    assert s.graph.nodes["u"]["member"] is s.member("u")
    assert s.graph.edges["u", "v"]["flow"] is s.flow("u", "v") is s.incoming("v")["u"]
    assert list(s.incoming("v")) == ["u", "w"] and s.incoming("u") == {}
    assert s.curation("v") == pytest.approx(0.4) and s.real_share("v") == pytest.approx(0.4)
    assert s.curation("u") == 0 and s.real_share("u") == 1 and s.real_share("w") == 0.5
    s.check()


def test_networkx_reads_the_graph() -> None:
    s = trio()
    assert nx.shortest_path(s.graph, "u", "w") == ["u", "v", "w"]
    assert nx.number_strongly_connected_components(s.graph) == 2
    assert sum(nx.pagerank(s.graph).values()) == pytest.approx(1)


def test_members_fill_in_what_is_not_said() -> None:
    plain = Member(Location([1.0]))
    assert plain.reward is plain.curator is plain.real is plain.agent is plain.users is None
    assert (str(plain.schedule), str(plain.retention)) == ("every(1)", "replace()")
    full = Member(Location([1.0]), reward=torch.sum, curator=Luce(2))
    assert full.users is not None and full.users.curator is full.curator and str(full.reward) == "sum"
    flow = Flow()
    assert (flow.raw, flow.curated, flow.chosen_by, flow.transform, flow.delay) == (0, 0, "producer", None, 0)
    assert Flow(raw=1).raw == 1.0 and isinstance(Flow(raw=1).raw, float)


def test_descriptions_are_frozen_and_compared_by_identity() -> None:
    member, flow = lab(), Flow(raw=0.5)
    for item, name in ((member, "reward"), (flow, "raw")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(item, name, 1)
    assert flow != Flow(raw=0.5) and lab() != member


def test_shares_may_miss_one_by_rounding() -> None:
    s = Scenario("thirds", rounds=1)
    for name in "abc":
        s.add(name, Member(Location([1.0])))
        s.connect(name, "a", Flow(raw=1 / 3 + 1e-12))
    for name in "bc":
        s.connect("a", name, Flow(raw=0.1 * 3 + 0.7))
    s.check()
    assert s.real_share("a") == 0.0


# -- any NetworkX graph ------------------------------------------------------------------------------------------------

GRAPHS = {
    "cycle": nx.cycle_graph(5, create_using=nx.DiGraph),
    "complete": nx.complete_graph(4, create_using=nx.DiGraph),
    "star": nx.star_graph(4).to_directed(),
    "random": nx.gnp_random_graph(8, 0.3, seed=1, directed=True),
    "scale-free": nx.DiGraph(nx.scale_free_graph(12, seed=2)),
    "grid": nx.grid_2d_graph(2, 3, create_using=nx.DiGraph),
    "named": nx.relabel_nodes(nx.path_graph(3, create_using=nx.DiGraph), dict(enumerate("xyz"))),
    "empty": nx.empty_graph(3, create_using=nx.DiGraph),
}


@pytest.mark.parametrize("kind", GRAPHS)
def test_from_graph(kind: str) -> None:
    """Every node becomes a member, every edge a flow, in any digraph; nodes become strings."""
    graph = GRAPHS[kind]
    asked: list = []

    def member(node) -> Member:
        asked.append(node)
        return Member(Location([float(len(asked))]), reward=Linear([1.0]), real=Location([0.0]))

    def flow(u, v) -> Flow:
        return Flow(raw=0.9 / graph.in_degree(v))

    s = Scenario.from_graph(graph, member=member, flow=flow, rounds=2, samples=3, ordering=shuffled, name=kind)
    assert asked == list(graph) and s.names == [str(node) for node in graph]
    assert set(s.graph.edges) == {(str(u), str(v)) for u, v in graph.edges}
    assert nx.is_isomorphic(s.graph, graph) and repr(s.ordering) == "shuffled"
    for node in graph:
        assert s.real_share(str(node)) == pytest.approx(0.1 if graph.in_degree(node) else 1.0)
    assert s.run().failures.empty


def test_from_graph_takes_the_name_of_the_graph() -> None:
    options = {"member": lambda node: lab(), "flow": lambda u, v: Flow(), "rounds": 1}
    named = nx.DiGraph(name="karate")
    assert Scenario.from_graph(named, **options).name == "karate"
    assert Scenario.from_graph(nx.DiGraph(), **options).name == "graph"
    assert Scenario.from_graph(named, **options, name="other").name == "other"


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (nx.path_graph(3), r"the coupling graph is directed; pass graph.to_directed\(\)"),
        (nx.DiGraph([(1, "1")]), r"two nodes of the graph have the same str\(\); relabel them first"),
        (
            nx.MultiDiGraph([(1, 2), (1, 2)]),
            r"this one may have several; say what they weigh together, merge=sum .* the last of them: nx.DiGraph",
        ),
    ],
)
def test_graphs_that_are_refused(graph: nx.Graph, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Scenario.from_graph(graph, member=lambda node: lab(), flow=lambda u, v: Flow(raw=0.1), rounds=1)


def test_a_hub_is_built_in_linear_time_and_its_shares_are_seen() -> None:
    """Counted and not timed: how many flows are read while a hub gets its producers, one by one."""
    read = 0

    class Counted(Flow):
        @property
        def raw(self) -> float:  # type: ignore[override]
            nonlocal read
            read += 1
            return vars(self)["raw"]

    def hub(size: int, share: float) -> Scenario:
        s = Scenario("hub", rounds=1)
        one = Location([0.0])
        for i in range(size):
            s.add(str(i), Member(one, real=one))
        for i in range(size):
            s.connect(str(i), "0", flow := Flow(raw=share / size))
            object.__setattr__(flow, "__class__", Counted)
        return s

    counts = []
    for size in (1000, 2000, 4000):
        read = 0
        hub(size, 0.9)
        counts.append(read / size)
    assert counts[2] < 1.5 * counts[0]
    with pytest.raises(ValueError, match=r"shares of '0' add up to 1\.02 .*from '11' and 39 more\); they must"):
        hub(60, 1.2)  # at once
    big = hub(1000, 1.2)
    with pytest.raises(ValueError, match=r"shares of '0' add up to 1\.2 "):
        big.check()
    with pytest.raises(ValueError, match=r"shares of '0' add up to 1\.2 "):
        Scenario.from_graph(big.graph, member=big.member, flow=big.flow, rounds=1)


# -- tables and text ---------------------------------------------------------------------------------------------------


def test_describe() -> None:
    s = Scenario("zoo", rounds=3, samples=2)
    image = Gaussian(torch.zeros(4), torch.eye(4))
    named = Linear(torch.ones(4)).named("bold")
    s.add("a", Member(image, reward=named, curator=BestOf(3), real=torch.ones(5, 4), schedule=every(2)))
    s.add("b", Member(Categorical([0.5, 0.5]), schedule=never, reward=Tabular([0.0, 1.0]), curator=Luce(2)))
    s.add(
        "c", Member(FlowMatching(2, hidden=4, depth=1), real=torch.ones(3, 2), retention=accumulate(), schedule=at(2))
    )
    s.connect("a", "a", Flow(raw=0.25, curated=0.125, chosen_by="consumer", delay=1, transform=torch.sin))
    s.connect("b", "b", Flow(curated=1.0, chosen_by=Users(Tabular([0.0, 1.0]), Luce(2))))
    members, flows = s.describe()["members"], s.describe()["flows"]
    assert members.drop(columns=["reward", "curator"]).values.tolist() == [
        ["a", "Gaussian", "4", 20, 0.125, 0.625, "every(2)", "replace()", ""],
        ["b", "Categorical", "symbol", 2, 1.0, 0.0, "never", "replace()", ""],
        ["c", "FlowMatching", "2", (10 + 1) * 4 + (4 + 1) * 2, 0.0, 1.0, "at(2)", "accumulate()", ""],
    ]
    assert members["reward"].tolist() == ["bold", "Tabular([0, 1])", "none"]
    assert members["curator"].tolist() == ["BestOf(3)", "Luce(2, temperature=1)", "none"]
    columns = ["source", "target", "raw", "curated", "chosen_by", "transform", "delay", "there", "later"]
    assert flows.columns.tolist() == columns
    assert flows.values.tolist() == [
        ["a", "a", 0.25, 0.125, "consumer", "sin", 1, True, ""],
        ["b", "b", 0.0, 1.0, "own", "identity", 0, True, ""],
    ]


def test_describe_an_empty_scenario() -> None:
    tables = Scenario("nothing", rounds=0).describe()
    assert tables["members"].empty and tables["members"].columns[0] == "member"
    assert tables["flows"].empty and len(tables["flows"].columns) == 9


def test_tables_show_the_first_round_and_name_what_comes_later() -> None:
    """A flow that came in round 5 made its reader's curation .5 beside real data 1.0."""
    s = Scenario("later", rounds=9)
    for name in "abc":
        member = Member(Location([0.0]), reward=Linear([1.0]), curator=Shift([1.0]), real=Location([0.0]))
        s.add(name, member, joins=4 if name == "c" else None)
    s.connect("a", "b", Flow(raw=0.2, curated=0.5), appears=5)
    s.connect("b", "a", Flow(raw=0.2, curated=0.3), appears=1)
    s.connect("c", "a", Flow(raw=0.2, curated=0.3))
    s.at(7, Curate("b", 0.7), Freeze("a"))
    s.at(8, Leave("a"))
    members, flows = (table.set_index(list(table)[: 1 + (name == "flows")]) for name, table in s.describe().items())
    assert members["curation"].to_dict() == {"a": 0.3, "b": 0.0, "c": 0.0}
    assert members["real"].to_dict() == {"a": 0.5, "b": 1.0, "c": 1.0}
    assert members["later"].to_dict() == {
        "a": "round 4: curation 0.6, real 0; round 7: frozen; round 8: goes, curation 0, real 1",
        "b": "round 5: curation 0.5, real 0.3; round 7: curation 0.7, real 0.18; round 8: curation 0, real 1",
        "c": "round 4: comes",
    }
    assert flows["there"].to_dict() == {("a", "b"): False, ("b", "a"): True, ("c", "a"): False}
    assert flows["later"].to_dict() == {
        ("a", "b"): "round 5: comes; round 7: raw 0.12, curated 0.7; round 8: goes",
        ("b", "a"): "round 8: goes",
        ("c", "a"): "round 4: comes; round 8: goes",
    }
    assert (flows.loc[("a", "b"), ["raw", "curated"]] == [0.2, 0.5]).all()  # that it comes with
    there = flows[flows["there"]].groupby("target")[["raw", "curated"]].sum().sum(axis=1)
    assert (members["real"] + there.reindex(members.index, fill_value=0.0)).tolist() == [1.0, 1.0, 1.0]


def test_repr() -> None:
    assert repr(trio()) == "Scenario('trio': 3 members, 3 flows, 5 rounds, 8 samples, sequential('u', 'v', 'w'))"
    assert repr(trio().replace(samples=None, ordering=shuffled)).endswith("5 rounds, population, shuffled)")


# -- late members and flows --------------------------------------------------------------------------------------------


def test_late_flows_count_when_they_are_there() -> None:
    s = Scenario("late", rounds=9)
    s.add("a", lab())
    s.add("b", lab(), joins=4)
    s.connect("a", "a", Flow(raw=0.3))
    s.connect("b", "a", Flow(raw=0.2, curated=0.2))
    s.connect("a", "b", Flow(curated=0.6), appears=6)
    assert s.late() == {"b", ("a", "b")}
    assert s.interventions == {4: [Join("b")], 6: [Connect("a", "b")]}
    assert list(s.incoming("a")) == ["a"] and list(s.incoming("a", dormant=True)) == ["a", "b"]
    assert s.real_share("a") == pytest.approx(0.7) and s.curation("a") == 0.2 and s.curation("b") == 0.6
    s.check()
    table = s.run().changes
    assert table[["round", "subject"]].values.tolist() == [[4, "b"], [6, "a→b"]]


def test_running_is_repeatable_and_changes_no_description() -> None:
    s = trio().replace(samples=6)
    before = untouched(s)
    one, two = s.run(seed=4, replicates=2), s.run(seed=4, replicates=2)
    pd.testing.assert_frame_equal(one.rounds, two.rounds)
    assert untouched(s) == before and s.member("u").generator.mean.tolist() == [0.0, 0.0]
    assert one.rounds["seed"].unique().tolist() == [4] and one.rounds["replicate"].unique().tolist() == [0, 1]


def test_a_deep_copy_is_a_scenario_like_any_other() -> None:
    s = trio()
    other = copy.deepcopy(s)
    other.check()
    assert untouched(other) == untouched(s)


def test_a_deep_copy_keeps_frozen_members_frozen() -> None:
    s = Scenario("frozen", rounds=1)
    s.add("a", Member(Location([1.0]), schedule=never))
    s.check()
    copy.deepcopy(s).check()


def test_a_flow_may_pause() -> None:
    s = Scenario("pause", rounds=6)
    s.add("a", Member(Location([1.0]), schedule=never))
    s.add("b", Member(Location([0.0]), reward=Linear([1.0]), real=Location([0.0])))
    s.connect("a", "b", Flow(raw=1.0))
    s.at(3, Disconnect("a", "b"))
    s.at(5, Connect("a", "b"))
    table = s.run().rounds
    assert table[table["member"] == "b"]["alignment"].tolist() == [0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0]


def test_crowds_and_shifts_stand_in_the_tables() -> None:
    s = Scenario("crowd", rounds=1)
    s.add("a", lab(curator=Crowd.noisy(Shift([3.0, 4.0]), 0.25)))
    assert s.describe()["members"]["curator"].tolist() == ["Crowd(0.75 Shift(|a| = 5), 0.25 Blind())"]
