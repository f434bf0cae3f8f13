"""Hops, traffic, knock-outs and paths: how an influence gets where it goes."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ecosystem import Flow, Linear, LinearMap, Location, Member, Scenario, Shift
from ecosystem.core.memory import at_most
from ecosystem.influence import Influence, influence, stable_point
from scenarios import pair, ring
from tests.networks import FAMILIES, random_scenario


def settling(seed: int, family: str) -> Influence:
    """The influence of a random network that settles quickly enough to add up its hops."""
    s = random_scenario(seed, members=4, family=family, density=0.5)
    assume(any(0 < s.curation(name) < 1 for name in s.names))
    point = stable_point(s, starts=1)
    assume(point.found)
    result = influence(s, at=point)
    assume(result.resolvent.radius < 0.9)
    return result


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 5000), st.sampled_from(FAMILIES))
def test_hops_add_up_and_so_does_traffic(seed: int, family: str) -> None:
    result = settling(seed, family)
    hops = result.hops(400)
    scale = float(result.matrix.abs().max().max())
    last = hops.query("hop == 400")
    total = last.pivot(index="target", columns="source", values="cumulative").loc[result.targets, result.sources]
    np.testing.assert_allclose(total, result.matrix, atol=1e-9 * scale)
    np.testing.assert_allclose(last["left"], 0.0, atol=1e-9 * scale)
    assert (hops["left"].abs() <= hops["bound"] + 1e-9 * scale).all()
    weighted = (hops["hop"] * hops["effect"]).sum()
    assert result.edges()["traffic"].sum() == pytest.approx(weighted, abs=1e-7 * scale)
    source, target = result.sources[0], result.targets[-1]
    one = hops[(hops["source"] == source) & (hops["target"] == target)]
    traffic = result.edges(source, target)["traffic"].sum()
    assert traffic == pytest.approx((one["hop"] * one["effect"]).sum(), abs=1e-7 * scale)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 5000), st.sampled_from(FAMILIES))
def test_the_best_paths_are_those_of_all_walks(seed: int, family: str) -> None:
    """Against every walk of up to five hops, one by one."""
    result = settling(seed, family)
    names, blocks = result.dynamics.names, result.resolvent.blocks.by_pair
    source, target = result.sources[0], result.targets[-1]
    spans = [result.dynamics.layout.span(i) for i in range(len(names))]
    walks = [((names.index(source),), result.pushed(source)[source])]
    every = []
    for _ in range(6):
        every += [(w, float(result.gradients[spans[w[-1]]] @ v)) for w, v in walks if names[w[-1]] == target]
        walks = [((*w, i), blocks[i, j] @ v) for w, v in walks for i, j in blocks if j == w[-1]]
    expected = sorted((abs(e) for _, e in every if e), reverse=True)[:6]
    table = result.paths(source, target, k=6, longest=5)
    np.testing.assert_allclose(table["effect"].abs(), expected, rtol=1e-9)
    by_walk = {tuple(names[i] for i in w): e for w, e in every}
    for row in table.itertuples():
        assert by_walk[row.path] == pytest.approx(row.effect, rel=1e-9) and row.hops == len(row.path) - 1
        assert row.share == pytest.approx(row.effect / result.matrix.at[target, source])


def test_a_ring_is_walked_round_and_round() -> None:
    """Every hop keeps ``1 − real`` of the effect; in the ring's own member what it does not curate itself."""
    result = influence(ring.scenario(members=5, real=0.2, curation=0.3))
    table = result.paths("0", "2", k=3, longest=20)
    assert [len(path) - 1 for path in table["path"]] == [2, 7, 12]
    assert table["path"][0] == ("0", "1", "2")
    np.testing.assert_allclose(table["effect"][1] / table["effect"][0], 0.8**5, rtol=1e-9)


def test_distance_in_hops_is_distance_in_the_graph() -> None:
    """No walk is shorter than the shortest path, and the shortest path carries something."""
    s = random_scenario(11, members=6, density=0.3)
    result = influence(s)
    first = result.hops(8).query("abs(effect) > 1e-14").groupby(["target", "source"])["hop"].min()
    for source in result.sources:
        lengths = nx.single_source_shortest_path_length(s.graph, source)
        for target in result.targets:
            assert first.get((target, source)) == lengths.get(target)


def test_knock_out_solves_the_network_again() -> None:
    s = random_scenario(4, members=4, density=0.6)
    result = influence(s)
    table = result.edges(knock_out=True)
    for row in table.itertuples(index=False):
        smaller = stable_point(s.without(row.source, row.target), starts=1)
        change = smaller.alignment - result.point.alignment
        np.testing.assert_allclose(row[5:], change, atol=1e-12)
    u, v = table.iloc[0][["source", "target"]]
    gone = result.knock_out(u, v)
    np.testing.assert_allclose(gone.alignment, table.iloc[0, 5:].astype(float))
    left = [k for k in result.sources if s.without(u, v).curation(k) > 0]
    np.testing.assert_allclose(
        gone.matrix[left] + result.matrix[left], influence(s.without(u, v), left).matrix, rtol=1e-9, atol=1e-12
    )


def test_knock_out_is_refused_where_there_is_no_real_data() -> None:
    result = influence(pair.scenario())
    table = result.edges(knock_out=True)
    assert table.filter(like="J[").isna().all().all()
    assert "has none; give it some" in table.attrs["refused"]["theta", "phi"]
    with pytest.raises(ValueError, match="'phi' has none; give it some"):
        result.knock_out("theta", "phi")


def test_effects_are_not_confused_with_single_paths() -> None:
    """Two paths that cancel: no effect at the end, though each carries one and both edges have traffic."""
    s = Scenario("diamond", rounds=1)
    for name in "abcd":
        curator = Shift([1.0]) if name == "a" else None
        s.add(name, Member(Location([0.0]), reward=Linear([1.0]), curator=curator, real=Location([0.0])))
    s.connect("a", "a", Flow(curated=0.5))
    s.connect("a", "b", Flow(raw=0.5))
    s.connect("a", "c", Flow(raw=0.5, transform=LinearMap([[-1.0]])))
    s.connect("b", "d", Flow(raw=0.5))
    s.connect("c", "d", Flow(raw=0.5))
    result = influence(s)
    assert result.matrix.at["d", "a"] == pytest.approx(0.0, abs=1e-15)
    assert result.table.set_index("target")["harms"].to_dict() == {"a": False, "b": False, "c": True, "d": False}
    assert not influence(s, targets=["d"]).table["harms"].any()
    best = result.paths("a", "d", k=2, longest=3)
    assert best["effect"].sum() == pytest.approx(0, abs=1e-15) and best["effect"].abs().min() > 0.05
    traffic = result.edges("a", "d").set_index(["source", "target"])["traffic"]
    assert traffic["a", "b"] == pytest.approx(-traffic["a", "c"]) and abs(traffic["b", "d"]) > 0.1


def camps() -> Scenario:
    """A writer's output goes through a press to two who like it and two who like the opposite."""
    s, still = Scenario("camps", rounds=1), Location([0.0])
    s.add("writer", Member(still, reward=Linear([1.0]), curator=Shift([1.0]), real=still))
    s.add("press", Member(still, reward=None, real=still))
    s.connect("writer", "writer", Flow(curated=0.5))
    s.connect("writer", "press", Flow(raw=0.5))
    for name, taste in (("friend", 1.0), ("ally", 0.5), ("foe", -1.0), ("rival", -0.5)):
        s.add(name, Member(still, reward=Linear([taste]), real=still))
        s.connect("press", name, Flow(raw=0.5))
    return s


def test_gains_and_harms_of_a_flow_do_not_cancel() -> None:
    """The flow through which all harm passes had no traffic, for as much good passes through it."""
    result = influence(camps())  # dθ_writer/dλ = 1/(1 − .5)² = 4, and half of it at each further step
    table = result.edges().set_index(["source", "target"])
    assert table.loc[("writer", "press"), "traffic"] == pytest.approx(0.0, abs=1e-15)
    np.testing.assert_allclose(table.loc[("writer", "press"), ["gains", "harms"]].astype(float), [1.5, -1.5])
    np.testing.assert_allclose(table.loc[("press", "foe"), ["gains", "harms"]].astype(float), [0.0, -1.0])
    # round its own loop (B = .5, R = 2): 2 · .5 · 4 on itself, and as much on all that it sends on
    np.testing.assert_allclose(table.loc[("writer", "writer"), ["gains", "harms"]].astype(float), [5.5, -1.5])
    foe = result.edges(target="foe").set_index(["source", "target"])
    np.testing.assert_allclose(foe.loc[("writer", "press"), ["traffic", "gains", "harms"]].astype(float), [-1, 0, -1])


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 5000), st.sampled_from(FAMILIES))
def test_gains_and_harms_are_those_of_single_pairs(seed: int, family: str) -> None:
    result = settling(seed, family)
    table = result.edges()
    scale = 1e-9 * float((table["gains"] - table["harms"]).max())
    pairs = [result.edges(source, target)["traffic"] for source in result.sources for target in result.targets]
    np.testing.assert_allclose(table["gains"], sum(pair.clip(lower=0) for pair in pairs), atol=scale)
    np.testing.assert_allclose(table["harms"], sum(pair.clip(upper=0) for pair in pairs), atol=scale)
    np.testing.assert_allclose(table["gains"] + table["harms"], table["traffic"], atol=scale)


def test_knock_outs_need_no_source_and_no_target_and_pairs_too_many_are_said() -> None:
    """What happens without a flow is the same whatever traffic is asked about, and reasons are kept beside it."""
    result = influence(camps())
    with at_most(100):
        table = result.edges(knock_out=True)
    assert table[["gains", "harms"]].isna().all().all() and table["traffic"].notna().all()
    assert table.attrs["unsplit"].startswith("gains and harms of 6 flows of 1 sources on 5 targets are too many")
    one = result.edges("writer", "foe", knock_out=True)
    assert one[["gains", "harms"]].notna().all().all() and "unsplit" not in one.attrs
    changes = list(table.filter(like="J["))
    assert changes == ["J[writer]", "J[friend]", "J[ally]", "J[foe]", "J[rival]"]
    np.testing.assert_array_equal(one[changes], table[changes])


def test_results_print_what_they_hold() -> None:
    """A knock-out printed the fields of its class, an influence and a stable point none of their numbers."""
    result = influence(camps())
    assert repr(result.point).splitlines()[1:3] == ["member  alignment parameters", "writer          1          1"]
    assert repr(result).splitlines()[1:4] == ["source  writer", "target        ", "writer       4"]
    lines = repr(result.knock_out("writer", "press")).splitlines()
    assert lines[0].startswith("KnockOut('writer' → 'press': changes without it, at a stable point (residual")
    assert lines[1].split() == ["J", "M[writer]"] and ["foe", "0.25", "1"] in [line.split() for line in lines]
    many = influence(ring.scenario(members=12, real=0.2, curation=0.3))
    assert repr(many).splitlines()[-1].startswith("and 2 more rows")


@pytest.mark.parametrize(
    ("ask", "error", "says"),
    [
        (lambda r: r.hops(-1), ValueError, "at least 0, got -1"),
        (lambda r: r.edges(source="phi"), KeyError, "'phi' is no source of this influence matrix; those are theta"),
        (lambda r: r.paths("theta", "nobody"), KeyError, "'nobody' is no target"),
        (lambda r: r.paths("theta", "phi", k=0), ValueError, r"paths\(k\) must be a whole number of walks"),
        (lambda r: r.S("nobody"), KeyError, "'nobody' is no member that retrains"),
        (lambda r: r.knock_out("phi", "phi"), KeyError, "there is no flow 'phi' → 'phi'"),
    ],
)
def test_bad_questions_are_refused(ask, error, says: str) -> None:
    with pytest.raises(error, match=says):
        ask(influence(pair.scenario()))
