"""Members and flows by the array are the scenario that one by one would build: tables, identity, runs, refusals."""

import copy
import pickle

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from ecosystem import (
    Categorical,
    Checkpoints,
    Ecosystem,
    Flow,
    Gaussian,
    Linear,
    LinearMap,
    Location,
    Luce,
    Member,
    Run,
    Scenario,
    Shift,
    every,
    never,
    sequential,
)
from ecosystem.core.identity import digest
from ecosystem.running import origin, weights
from ecosystem.running.checkpoints import CheckpointError, identity, so_far
from ecosystem.running.checkpoints.identity import description

TASTE, OTHER, CURATOR, REAL = Linear([1.0, 0.5]), Linear([0.0, 1.0]), Luce(3), Location([0.0, 0.0])
NUDGE = Shift([0.1, 0.0])


def both(n: int, seed: int, samples: int | None, fresh: int) -> tuple[Scenario, Scenario]:
    """The same scenario by the array and one by one: two kinds of members, two kinds of flows."""
    rng = np.random.default_rng(seed)
    means, scales = rng.normal(size=(n, 2)), rng.uniform(0.1, 2, n)
    names = [f"m{i}" for i in rng.permutation(n)]
    cut = n // 2
    kinds = (
        (range(cut), {"reward": TASTE, "curator": CURATOR if samples else NUDGE, "real": REAL}),
        (range(cut, n), {"reward": OTHER, "curator": NUDGE, "real": Location([1.0, -1.0], 0.5), "schedule": every(2)}),
    )
    array, loop = (Scenario("same", rounds=3, samples=samples) for _ in range(2))
    for rows, parts in kinds:
        if len(rows):
            picked = list(rows)
            array.add_many([names[i] for i in picked], Location.many(means[picked], scales[picked]), **parts)
        for i in rows:
            loop.add(names[i], Member(Location(means[i], scales[i]), **parts))
    pairs = rng.permutation(n * n)[: 3 * n]
    u, v = pairs // n, pairs % n
    raw, curated = rng.uniform(0, 0.4 / n, len(u)), rng.uniform(0, 0.4 / n, len(u)) * rng.integers(0, 2, len(u))
    turn = LinearMap([[0.0, 1.0], [-1.0, 0.0]])
    for part, how in ((slice(None, n), {}), (slice(n, None), {"transform": turn, "delay": 1, "chosen_by": "consumer"})):
        ends = (u[part], v[part]) if fresh else ([names[i] for i in u[part]], [names[i] for i in v[part]])
        # places count what was added in which order
        place = {name: i for i, name in enumerate(array.names)}
        ends = tuple(np.array([place[names[i]] for i in end]) for end in (u[part], v[part])) if fresh else ends
        array.connect_many(ends, raw=raw[part], curated=curated[part], **how)
        for i, j, r, c in zip(u[part], v[part], raw[part], curated[part], strict=True):
            loop.connect(names[i], names[j], Flow(raw=r, curated=c, **how))
    return array, loop


@settings(max_examples=12, deadline=None)
@given(n=st.integers(1, 7), seed=st.integers(0, 99), samples=st.sampled_from([None, 20]), fresh=st.integers(0, 1))
def test_by_the_array_is_as_one_by_one(n, seed, samples, fresh):
    """There was no way but one by one: 0.4 ms for each member."""
    array, loop = both(n, seed, samples, fresh)
    assert repr(array) == repr(loop) and array.names == loop.names
    runs = [s.run(seed=3, replicates=1 if samples is None else 2) for s in (array, loop)]
    for table in ("rounds", "members", "flows"):
        assert_frame_equal(getattr(runs[0], table), getattr(runs[1], table), check_exact=True)
    for which, table in array.describe().items():
        assert_frame_equal(table, loop.describe()[which], check_exact=True)
    assert description(Ecosystem(array)) == {**description(Ecosystem(loop))}
    assert type(array.graph) is not nx.DiGraph  # tables ask for none
    assert len(array.graph.nodes(data=True)) == n and type(array.graph) is nx.DiGraph  # somebody has read it
    for which, table in array.describe().items():
        assert_frame_equal(table, loop.describe()[which], check_exact=True)
    assert digest(array) == digest(loop)
    assert list(array.graph.edges) == list(loop.graph.edges)


def test_identity_of_what_nobody_has_read():
    array, loop = both(5, 1, None, 0)
    assert digest(array) == digest(loop)


def test_descriptions_are_one_object_each_read_or_not():
    array, loop = both(6, 2, None, 0)
    names, (u, v) = array.names, next(iter(loop.graph.edges))
    member, flow, incoming = array.member(names[0]), array.flow(u, v), array.incoming(v)
    assert list(incoming) == list(loop.incoming(v)) and incoming[u] is flow
    assert array.graph.has_edge(u, v) and u in array.graph and [1] not in array.graph
    assert len(array.graph) == 6 and array.graph.number_of_edges() == 18
    copies = array.replace(), copy.deepcopy(array)
    assert copies[0].member(names[0]) is member and copies[1].member(names[0]) is not member
    assert array.graph.nodes[names[0]]["member"] is member and array.graph.edges[u, v]["flow"] is flow
    assert array.member(names[0]) is member and array.flow(u, v) is flow
    assert array.graph.pred[v][u]["flow"] is flow
    assert nx.to_dict_of_lists(copies[1].graph) == nx.to_dict_of_lists(loop.graph)


def test_one_by_one_goes_on_after_the_array_and_the_other_way_round():
    s = Scenario("mixed", rounds=2)
    s.add("first", Member(Location([0.0]), real=Location([1.0])))
    s.add_many(["a", "b"], [Location([1.0]), Location([2.0])], real=Location([1.0]))
    s.connect_many((["a", "first"], ["b", "a"]), raw=0.25)
    s.connect("b", "first", Flow(raw=0.5))
    t = Scenario("mixed", rounds=2)
    t.add_many(["a", "b"], Location.many([[1.0], [2.0]]), real=Location.many([[1.0], [3.0]]))
    t.add("first", Member(Location([0.0])))
    t.connect("b", "first", Flow(raw=1.0))
    assert s.names == ["first", "a", "b"] and t.names == ["a", "b", "first"]
    assert float(t.member("b").real.mean) == 3.0
    before = t.replace()
    t.connect_many((["a"], ["b"]), raw=0.5)
    assert before.graph.size() == 1 and t.graph.size() == 2
    assert s.run().rounds["round"].max() == t.run().rounds["round"].max() == 2


def test_those_who_come_later():
    s = Scenario("later", rounds=4)
    s.add_many(["a", "b"], Location([1.0]), real=Location([0.0]))
    s.add_many(["c", "d"], Location([1.0]), real=Location([0.0]), joins=2)
    s.connect_many((["a", "c"], ["b", "b"]), raw=0.5, appears=3)
    t = Scenario("later", rounds=4)
    for name, joins in zip("abcd", (None, None, 2, 2), strict=True):
        t.add(name, Member(Location([1.0]), real=Location([0.0])), joins=joins)
    t.connect("a", "b", Flow(raw=0.5), appears=3)
    t.connect("c", "b", Flow(raw=0.5), appears=3)
    assert_frame_equal(s.run().rounds, t.run().rounds, check_exact=True)


EDGES = pd.DataFrame({"source": ["x", "y"], "target": ["y", "x"], "raw": [0.5, 0.25], "curated": [0.0, 0.5]})
GRAPH = nx.DiGraph()
GRAPH.add_edge("x", "y", strength=0.5, liked=0.0)
GRAPH.add_edge("y", "x", strength=0.25, liked=0.5)
RAW, CURATED = sp.csr_array([[0.0, 0.5], [0.25, 0.0]]), sp.coo_matrix([[0.0, 0.0], [0.5, 0.0]])


@pytest.mark.parametrize(
    "given",
    [
        {"edges": EDGES},
        {"edges": EDGES[["source", "target"]], "raw": EDGES["raw"], "curated": torch.tensor([0.0, 0.5])},
        {"edges": GRAPH, "raw": "strength", "curated": "liked"},
        {"edges": RAW, "raw": [0.5, 0.25], "curated": (0.0, 0.5)},
        {"raw": RAW, "curated": CURATED},
        {"edges": ([0, 1], np.array([1, 0])), "raw": [0.5, 0.25], "curated": np.array([0.0, 0.5])},
        {"edges": np.array([["x", "y"], ["y", "x"]]), "raw": [0.5, 0.25], "curated": [0.0, 0.5]},
    ],
)
def test_every_form_of_edges(given):
    s = Scenario("forms", rounds=1)
    s.add_many(["x", "y"], Location([0.0]), real=Location([0.0]), reward=Linear([1.0]), curator=Shift([1.0]))
    s.connect_many(**given)
    flows = s.describe()["flows"].sort_values("source")
    assert flows[["source", "target", "raw", "curated"]].values.tolist() == [
        ["x", "y", 0.5, 0.0],
        ["y", "x", 0.25, 0.5],
    ]


def test_whole_scenarios_of_matrices_and_frames():
    how = {"generators": Location([0.0]), "real": Location([0.0]), "curator": Shift([1.0]), "reward": Linear([1.0])}
    a = Scenario.from_array(RAW, CURATED, names=["x", "y"], name="one", rounds=2, **how)
    b = Scenario.from_edges(EDGES, name="one", rounds=2, **how)
    assert_frame_equal(a.run().rounds, b.run().rounds, check_exact=True)
    assert Scenario.from_array(RAW, rounds=1, **how).names == ["0", "1"]


def test_families_of_any_kind_come_one_by_one():
    s = Scenario("any", rounds=2)
    s.add_many(["a", "b"], Categorical.many([[0.5, 0.5], [0.1, 0.9]]), real=torch.tensor([0, 1]))
    assert digest(s.member("b").generator) == digest(Categorical([0.1, 0.9]))
    assert len(s.run().rounds) == 6


def fresh(**parts) -> Scenario:
    s = Scenario("bad", rounds=3)
    parts = {"real": Location([0.0]), "reward": Linear([1.0]), "curator": Shift([1.0]), **parts}
    s.add_many(["a", "b", "c"], Location.many([[0.0], [1.0], [2.0]]), **parts)
    s.connect_many((["a"], ["b"]), raw=0.6)
    return s


@pytest.mark.parametrize(
    ("verb", "error", "words"),
    [
        (lambda s: s.add_many(["d", "d"], Location([0.0])), ValueError, "'d' twice"),
        (lambda s: s.add_many(["d", "a"], Location([0.0])), ValueError, "already a member 'a'"),
        (lambda s: s.add_many(["d", "real"], Location([0.0])), ValueError, "cannot be called 'real'"),
        (lambda s: s.add_many(["d", 3], Location([0.0])), TypeError, "names of members are strings, got 3"),
        (lambda s: s.add_many("d", Location([0.0])), TypeError, "sequence of names"),
        (lambda s: s.add_many(["d"], Location.many([[0.0], [1.0]])), ValueError, r"batch \(2,\) for 1 names"),
        (lambda s: s.add_many(["d", "e"], [Location([0.0])]), ValueError, "1 models for 2 names"),
        (lambda s: s.add_many(["d"], [3]), TypeError, "GenerativeModel for each name, got 3"),
        (lambda s: s.add_many(["d"], Location([0.0]), reward=Linear([1.0, 2.0])), ValueError, "reward of 'd'"),
        (lambda s: s.add_many(["d"], Location([0.0]), real=Location([1.0, 2.0])), ValueError, "real data of 'd'"),
        (lambda s: s.add_many(["d"], Location([0.0]), joins=9), ValueError, "'d'.*joins"),
        (lambda s: s.add_many(["d"], Location([0.0]), rewards=3), TypeError, "did you mean 'reward'"),
        (lambda s: s.add("d", Member(Location.many([[0.0], [1.0]]))), ValueError, r"generator of 'd'.*add_many"),
        (lambda s: s.add("d", Member(Location([0.0]), real=Location.many([[0.0]]))), ValueError, "real data of 'd'"),
        (lambda s: s.connect_many((["a", "z"], ["c", "c"]), raw=0.1), KeyError, "no member 'z'"),
        (lambda s: s.connect_many((["a", "a"], ["c", "c"]), raw=0.1), ValueError, "already a flow 'a' → 'c'"),
        (lambda s: s.connect_many((["b", "a"], ["c", "b"]), raw=0.1), ValueError, "already a flow 'a' → 'b'"),
        (lambda s: s.connect_many((["b", "a"], ["c", "c"]), raw=[0.1, 1.5]), ValueError, "'a' → 'c': .*raw.* got 1.5"),
        (lambda s: s.connect_many((["b", "a"], ["c", "c"]), curated=[float("nan"), 0]), ValueError, "'b' → 'c'.*nan"),
        (lambda s: s.connect_many((["b", "a"], ["c", "c"]), raw=[0.1, 0.2, 0.3]), ValueError, "each of 2 flows"),
        (lambda s: s.connect_many((["b", "c"], ["a", "b"]), raw=0.5), ValueError, "shares of 'b' add up to 1.1"),
        (lambda s: s.connect_many((["b"], ["a"]), raw=0.5, transform=LinearMap([[1.0, 2.0]])), ValueError, "'b' → 'a'"),
        (lambda s: s.connect_many(raw=sp.eye_array(2)), ValueError, r"all 3 members, got shape \(2, 2\)"),
        (lambda s: s.connect_many(raw=np.eye(3)), TypeError, "sparse matrix"),
        (lambda s: s.connect_many(), TypeError, "give edges"),
        (lambda s: s.connect_many(([0], [7]), raw=0.1), KeyError, "no member at place 7"),
        (lambda s: s.connect_many(nx.path_graph(3)), ValueError, "directed"),
        (lambda s: s.connect_many(pd.DataFrame({"from": []})), ValueError, "lacks source, target"),
        (lambda s: s.connect_many((["a"], ["b", "c"])), ValueError, "1 sources and 2 targets"),
        (lambda s: s.connect_many(3), TypeError, "edges are"),
    ],
)
def test_refusals_name_the_place_and_change_nothing(verb, error, words):
    s = fresh()
    with pytest.raises(error, match=words):
        verb(s)
    assert (s.names, s.graph.number_of_edges()) == (["a", "b", "c"], 1)
    assert s.run().rounds["round"].max() == 3


def test_a_curated_share_needs_users_in_every_pair_of_kinds():
    s = fresh()
    s.add_many(["d", "e"], Location.many([[0.0], [1.0]]), real=Location([0.0]))
    with pytest.raises(ValueError, match="'e' has no curator"):
        s.connect_many((["a", "d", "e"], ["c", "c", "c"]), raw=0.1, curated=[0.1, 0.0, 0.1])


@pytest.mark.parametrize("words", [["mean"], ["mean", "scale"]])
def test_many_locations_are_checked(words):
    bad = {"mean": [1.0, 2.0]} if words == ["mean"] else {"mean": [[1.0], [2.0]], "scale": [1.0, -1.0]}
    with pytest.raises(ValueError, match=rf"Location.many\({words[-1]}\)"):
        Location.many(**bad)


def test_orderings_schedules_and_copies_of_what_was_built_by_the_array():
    s = Scenario("o", rounds=2, ordering=sequential("a", "b"))
    s.add_many(["a", "b"], Location.many([[0.0], [1.0]]), real=Location([5.0]), schedule=never)
    s.connect_many((["a"], ["b"]), raw=0.5)
    other = s.with_member("a", schedule=every(1)).with_flow("a", "b", raw=0.25).without("a", "b")
    assert other.graph.size() == 0 and s.graph.size() == 1


@settings(max_examples=12, deadline=None)
@given(n=st.integers(1, 7), seed=st.integers(0, 99), samples=st.sampled_from([None, 20]))
def test_programs_are_the_same_component_for_component(n, seed, samples):
    """Components by the array stand where one by one puts them: sums of shares keep their order."""
    array, loop = both(n, seed, samples, 1)
    programs = [Ecosystem(s, seeds=range(2) if samples else [0]).program for s in (array, loop)]
    states = [program.first for program in programs]
    (mine, theirs), (old, new) = [[s.wiring for s in states], states]
    assert [vars(c) for c in mine.components] == [vars(c) for c in theirs.components]
    assert [vars(c) for c in mine.components[::2]] == [vars(c) for c in theirs.components[::2]]
    assert [[j.place for j in many] for many in mine.judges] == [[j.place for j in many] for many in theirs.judges]
    assert (mine.direct == theirs.direct).all() and (mine.whole == theirs.whole).all()
    for what in ("target", "group", "source", "producer", "delay"):
        assert np.array_equal(getattr(mine, what), getattr(theirs, what)), what
    everything = np.arange(len(mine.target))
    assert np.array_equal(mine.treated(everything), theirs.treated(everything))
    assert torch.equal(old.shares, new.shares) and old.audience.watched == new.audience.watched
    assert [digest(cohort.start) for cohort in programs[0].cohorts] == [digest(c.start) for c in programs[1].cohorts]
    assert [(c.names, list(c.ids)) for c in programs[0].cohorts] == [(c.names, c.ids) for c in programs[1].cohorts]
    assert digest(programs[0].sources) == digest(programs[1].sources)
    for (ids, schedule), (other, same) in zip(programs[0].clocks, programs[1].clocks, strict=True):
        assert torch.equal(ids, other) and digest(schedule) == digest(same)


def families(n: int = 30) -> Scenario:
    """Two families, each with its taste, data and kind of flows."""
    rng = np.random.default_rng(0)
    s = Scenario("families", rounds=3)
    for half, reward in enumerate((TASTE, OTHER)):
        means = rng.normal(size=(n, 2))
        data = Location.many(means) if half else REAL
        s.add_many([f"{half}:{i}" for i in range(n)], Location.many(means), reward=reward, curator=NUDGE, real=data)
    keys = rng.permutation(4 * n * n)[: 6 * n]
    for part, how in ((slice(None, 3 * n), {}), (slice(3 * n, None), {"delay": 1, "chosen_by": "consumer"})):
        ends = keys[part] // (2 * n), keys[part] % (2 * n)
        s.connect_many(ends, raw=rng.uniform(0, 0.1 / n, 3 * n), curated=rng.uniform(0, 0.1 / n, 3 * n), **how)
    return s


@pytest.fixture
def few_are_many(monkeypatch):
    """Ten members are so many that they are told by the array."""
    for module in (weights, origin, identity):
        monkeypatch.setattr(module, "MANY", 10)


def test_nothing_is_made_of_every_member(few_are_many, tmp_path):
    """Results, runs on the disk and checkpoints went through all members, and tables made the whole graph."""
    s = families()
    eco = Ecosystem(s)
    eco.run(checkpoints=tmp_path / "saved")
    run = eco.result()
    run.save(tmp_path / "run")
    far = so_far(tmp_path / "saved")
    assert eco.unmet and all(type(graph) is not nx.DiGraph for graph in (s.graph, eco.graph, eco.scenarios[0].graph))
    assert sum(len(block.made) for block in s.graph.blocks.members) < 20  # who stand for their kinds
    loop = s.replace()
    assert len(loop.graph.nodes(data=True)) == 60 and type(loop.graph) is nx.DiGraph
    other = Ecosystem(loop)
    other.run()
    for table in ("rounds", "members", "flows"):
        whole = getattr(other.result(), table)
        for one in (run, Run.load(tmp_path / "run"), far):
            assert_frame_equal(getattr(one, table), whole, check_exact=True, check_categorical=False)


def test_who_they_are_is_the_same_read_or_not(few_are_many, tmp_path):
    """A run that goes on in a process that has looked at the graph is the same run, another one is not."""
    s, other = families(), families().with_member("1:3", reward=OTHER, real=Location([0.0, 0.5]))
    loop = s.replace()
    list(loop.graph.edges)
    told = [origin.origin(one)["digests"] for one in (s, loop, other)]
    assert told[0] == told[1] and told[0]["start"] == told[2]["start"] and told[0]["real data"] != told[2]["real data"]
    assert origin.origin(s)["tastes"] == origin.origin(loop)["tastes"]
    assert description(Ecosystem(s)) == description(Ecosystem(loop))
    checkpoints = Checkpoints(tmp_path / "saved")
    Ecosystem(s.replace(rounds=2)).run(checkpoints=checkpoints)
    eco = Ecosystem(loop)
    eco.run(checkpoints=checkpoints)
    assert eco.completed == 3
    for wrong in (other, s.with_flow(*next(iter(loop.graph.edges)), raw=0.01)):
        with pytest.raises(CheckpointError, match="is a checkpoint of another run"):
            Ecosystem(wrong).run(checkpoints=checkpoints)


def test_parameters_by_the_array_come_back(few_are_many, tmp_path):
    """A file had a tensor for each member, and a run a dict."""
    s = families()
    run, plain = s.run(), {name: s.run().generator(name).mean for name in ("0:3", "1:29")}
    assert list(run.parameters) == s.names and len(run.parameters) == 60 and "2:0" not in run.parameters
    run.parameters["0:3"]["mean"] += 1  # what somebody does to it is its own, and is saved
    assert torch.equal(run.generator("0:3").mean, plain["0:3"])
    run.save(tmp_path / "run")
    back = Run.load(tmp_path / "run")
    assert list(back.parameters) == s.names
    assert torch.equal(back.parameters["0:3"]["mean"][0], plain["0:3"] + 1)
    assert torch.equal(back.parameters["1:29"]["mean"][0], plain["1:29"])
    assert torch.equal(back.generator("1:29", like=Location([0.0, 0.0])).mean, plain["1:29"])
    with pytest.raises(KeyError, match=r"there is no member 'x' in the run; there are 0:0, .* and 48 more"):
        back.generator("x")
    with pytest.raises(KeyError):
        back.parameters["x"]
    sent = pickle.loads(pickle.dumps(run))
    assert torch.equal(sent.parameters["1:29"]["mean"], run.parameters["1:29"]["mean"])
    assert torch.equal(sent.generator("1:29").mean, plain["1:29"])


def test_a_loaded_run_of_large_and_small_families_is_saved_again(monkeypatch, tmp_path) -> None:
    """It raised a bare StopIteration: families kept one by one leave an empty stack behind."""
    monkeypatch.setattr("ecosystem.running.weights.MANY", 10)
    s = Scenario("both", rounds=1)
    s.add("one", Member(Gaussian([0.0], [[1.0]]), real=Gaussian([1.0], [[1.0]])))
    s.add_many([f"m{i}" for i in range(12)], Location.many(np.arange(12.0).reshape(12, 1)), real=Location([0.0]))
    run = s.run()
    twice = Run.load(Run.load(run.save(tmp_path / "once")).save(tmp_path / "twice"))
    for name, many in run.parameters.items():
        assert all(torch.equal(twice.parameters[name][key], x) for key, x in many.items())
