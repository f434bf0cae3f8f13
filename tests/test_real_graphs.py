"""Graphs that people have: parallel edges, weights, whole numbers as nodes, nodes that nobody reads."""

from __future__ import annotations

import statistics
from pathlib import Path

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecosystem import Connect, Flow, Linear, Location, Member, Run, Scenario, shares_of

PARALLEL = nx.MultiDiGraph()
PARALLEL.add_edge(10, 30, weight=1.0)
PARALLEL.add_edge(10, 30, weight=2.0)
PARALLEL.add_edge(20, 30, weight=3.0)
PARALLEL.add_edge(30, 30, weight=6.0)
PARALLEL.add_node(40, country="nowhere")


def member(node: object) -> Member:
    return Member(Location([1.0]), reward=Linear([1.0]), real=Location([0.0]))


def taken(graph: nx.DiGraph, **options) -> dict[tuple[str, str], float]:
    s = Scenario.from_graph(graph, member=member, rounds=1, **options)
    return {(u, v): s.flow(u, v).raw for u, v in s.graph.edges}


@pytest.mark.parametrize(
    ("merge", "weights"),
    [(sum, [3, 3, 6]), (max, [2, 3, 6]), (min, [1, 3, 6]), (statistics.mean, [1.5, 3, 6]), (len, [2, 1, 1])],
)
def test_parallel_edges_are_merged_by_the_rule_that_one_names(merge, weights: list[float]) -> None:
    """A MultiDiGraph was refused, with the advice ``nx.DiGraph(graph)``, which forgets all but the last of them."""
    found = taken(PARALLEL, real=0.2, weight="weight", merge=merge)
    shares = [0.8 * weight / sum(weights) for weight in weights]
    assert found == pytest.approx(dict(zip([("10", "30"), ("20", "30"), ("30", "30")], shares, strict=True)))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.floats(0, 1e6)), max_size=20), st.floats(0, 1))
def test_shares_keep_the_proportions_and_leave_what_real_says(edges: list, real: float) -> None:
    graph = nx.MultiDiGraph()
    graph.add_nodes_from(range(6))
    graph.add_weighted_edges_from(edges)
    found = shares_of(graph, real=lambda node: real if node else 1.0, weight="weight", merge=sum)
    assert set(found.nodes) == set(range(6)) and set(found.edges) == set(nx.DiGraph(graph).edges)
    for node in graph:
        whole = graph.in_degree(node, weight="weight")
        mine = [share for _, _, share in found.in_edges(node, data="share")]
        assert sum(mine) == pytest.approx(1 - real if node and whole else 0.0)
        for u, _, share in found.in_edges(node, data="share"):
            weight = sum(data["weight"] for data in graph.get_edge_data(u, node).values())
            assert share * whole == pytest.approx((1 - real if node else 0.0) * weight, rel=1e-9, abs=1e-9)
    Scenario.from_graph(graph, member=member, real=real, weight="weight", merge=sum, rounds=1).check()


def test_flow_gets_nodes_as_they_are_and_the_share() -> None:
    asked = []

    def flow(u: int, v: int, share: float) -> Flow:
        asked.append((u, v))
        return Flow(raw=share)

    graph = nx.DiGraph([(0, 1), (2, 1)])
    weight, real = (lambda u, v, data: u + 1.0), (lambda node: 0.2 * node)
    s = Scenario.from_graph(graph, member=member, flow=flow, real=real, weight=weight, rounds=1)
    assert asked == [(0, 1), (2, 1)]
    assert [s.flow(u, "1").raw for u in "02"] == pytest.approx([0.8 * 1 / 4, 0.8 * 3 / 4])


def test_the_same_shares_by_the_array() -> None:
    s = Scenario("many", rounds=1)
    s.add_many([str(node) for node in PARALLEL], Location([1.0]), real=Location([0.0]))
    s.connect_many(shares_of(PARALLEL, real=0.2, weight="weight", merge=sum), raw="share")
    found = {(u, v): s.flow(u, v).raw for u, v in s.graph.edges}
    assert found == taken(PARALLEL, real=0.2, weight="weight", merge=sum)
    with pytest.raises(ValueError, match=r"give it shares_of\(graph, real=, merge=sum\) with raw='share'"):
        s.connect_many(PARALLEL, raw=0.1)


def test_whole_numbers_stay_labels_in_the_table_of_members(tmp_path: Path) -> None:
    """A run's tables had only their texts, and one could not join them to what one knows of the nodes."""
    s = Scenario.from_graph(PARALLEL, member=member, real=0.2, weight="weight", merge=sum, rounds=1)
    s.run().save(tmp_path / "run")
    members = Run.load(tmp_path / "run").members
    assert members["label"].tolist() == [10, 30, 20, 40] and members["label"].dtype.kind == "i"
    assert members["member"].tolist() == ["10", "30", "20", "40"]
    less = s.without("20").with_member("10", reward=Linear([2.0]))
    assert less.describe()["members"]["label"].tolist() == [10, 30, 40]
    less.add("late", member("late"))
    less.connect("10", "late", Flow(raw=0.5))
    assert less.describe()["members"]["label"].isna().tolist() == [False, False, False, True]
    less.at(1, Connect("10", "late"))
    for graph in (nx.DiGraph([("a", "b")]), nx.DiGraph([((0, 1), 2)]), nx.DiGraph([(0.5, 1)])):
        words = Scenario.from_graph(graph, member=member, real=0.5, rounds=1).describe()["members"]
        assert "label" not in words


def test_who_reads_nobody_lives_on_real_data() -> None:
    """An isolated node, sources, and one whose edges weigh nothing."""
    graph = nx.DiGraph()
    graph.add_weighted_edges_from([("a", "b", 2.0), ("b", "idle", 0.0)])
    graph.add_node("alone")
    s = Scenario.from_graph(graph, member=member, real=0.25, weight="weight", rounds=3)
    assert {name: s.real_share(name) for name in s.names} == {"a": 1.0, "b": 0.25, "alone": 1.0, "idle": 1.0}
    end = s.run().parameters
    assert float(end["alone"]["mean"].flatten()[0]) == 0.0 and float(end["idle"]["mean"].flatten()[0]) == 0.0
    graph.remove_nodes_from(["a", "b", "idle"])
    with pytest.raises(ValueError, match=r"shares of 'alone' add up to 0 .*no real data for the remaining 1"):
        Scenario.from_graph(graph, member=lambda node: Member(Location([1.0])), real=0.0, rounds=1).check()


BAD = {
    "parallel": (PARALLEL, {"real": 0.1}, ValueError, "say what they weigh together, merge=sum"),
    "no rule": (PARALLEL, {"real": 0.1, "merge": "sum"}, TypeError, r"from_graph\(merge\) is a function of a list"),
    "no real": (PARALLEL, {"merge": sum}, TypeError, "say what they leave for real data, real=0.1"),
    "no flow": (nx.DiGraph([(0, 1)]), {}, TypeError, r"takes flow\(u, v\) -> Flow, or real=0.1"),
    "missing": (
        nx.DiGraph([(0, 1)]),
        {"real": 0.1, "weight": "size"},
        ValueError,
        "has no attribute 'size'",
    ),
    "real": (nx.DiGraph([(0, 1)]), {"real": 1.5}, ValueError, r"real is a share .*got 1\.5 at 0"),
    "negative": (
        PARALLEL,
        {"real": 0, "weight": "weight", "merge": lambda w: -1.0},
        ValueError,
        r"30: merge gives -1\.0; weights",
    ),
    "no number": (nx.DiGraph([(0, 1, {"w": "x"})]), {"real": 0, "weight": "w"}, ValueError, "0 → 1: weight gives 'x'"),
    "too many": (
        nx.DiGraph([(0, 2, {"w": 1e308}), (1, 2, {"w": 1e308})]),
        {"real": 0, "weight": "w"},
        ValueError,
        "1 → 2: the sum with those before it gives inf",
    ),
    "undirected": (nx.MultiGraph([(0, 1)]), {"real": 0, "merge": sum}, ValueError, r"pass graph\.to_directed\(\)"),
}


@pytest.mark.parametrize("case", BAD)
def test_refusals(case: str) -> None:
    graph, options, error, words = BAD[case]
    with pytest.raises(error, match=words):
        Scenario.from_graph(graph, member=member, rounds=1, **options)


def test_lists_of_shares_keep_all_their_digits() -> None:
    """``connect_many(raw=0.3)`` and lists were read in float32: shares of 0.30000001192 where ``connect`` made .3."""
    s = Scenario("many", rounds=1)
    s.add_many(["a", "b", "c"], Location([1.0]), real=Location([0.0]))
    s.connect_many((["a"], ["b"]), raw=0.3, curated=0.0)
    s.connect_many((["a", "b"], ["c", "c"]), raw=[0.1, 0.7])
    assert [s.flow("a", "b").raw, s.flow("a", "c").raw, s.flow("b", "c").raw] == [0.3, 0.1, 0.7]


def test_weights_that_nobody_asked_for_are_no_ones() -> None:
    """A graph whose edges have weights was read as if all of them weighed 1."""
    graph = nx.DiGraph()
    graph.add_weighted_edges_from([("a", "c", 3.0), ("b", "c", 1.0)])
    with pytest.raises(ValueError, match=r"edges have an attribute 'weight'.*weight=\"weight\" takes it"):
        shares_of(graph, real=0.2)
    taken = shares_of(graph, real=0.2, weight="weight")["a"]["c"]["share"]
    alike = shares_of(graph, real=0.2, weight=lambda u, v, attributes: 1.0)["a"]["c"]["share"]
    assert (taken, alike) == pytest.approx((0.6, 0.4))


@pytest.mark.parametrize("wrong", [1.4, float("nan"), "0.2"])
def test_a_share_that_cannot_be_names_its_edge(wrong: object) -> None:
    """Of a graph with hundreds of edges nobody knew which."""
    shares = {("a", "b"): 0.1, ("c", "b"): wrong}
    graph = nx.DiGraph(list(shares))

    def member(node: str) -> Member:
        return Member(Location([0.0]), real=Location([1.0]))

    with pytest.raises(ValueError, match=r"^from_graph\(flow\) for 'c' → 'b' fails: ValueError: Flow\(raw\) is a"):
        Scenario.from_graph(graph, member=member, flow=lambda u, v: Flow(raw=shares[u, v]), rounds=1)  # type: ignore
    with pytest.raises(ValueError, match=r"^from_graph\(member\) for the node 'a' fails: KeyError"):
        Scenario.from_graph(graph, member=lambda node: {}[node], flow=lambda u, v: Flow(raw=0.1), rounds=1)
