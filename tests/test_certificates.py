"""Certificates against the covariance recursion played out, closed forms and cycles counted one by one."""

from __future__ import annotations

import math

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from ecosystem import (
    Categorical,
    Drift,
    Flow,
    Linear,
    LinearMap,
    Location,
    Luce,
    Member,
    Scenario,
    Shift,
    Tabular,
    never,
)
from ecosystem.influence import certificates, collapse, influence, stable_point
from ecosystem.influence.cycles import dominant_cycle


def network(shares: np.ndarray, means: np.ndarray | None = None) -> Scenario:
    """Location members ``m0``, ``m1``, ...; ``shares[i, j]`` of what ``i`` trains on come from ``j``."""
    s = Scenario("shares", rounds=1)
    for i in range(len(shares)):
        mean = [0.0 if means is None else float(means[i])]
        s.add(f"m{i}", Member(Location(mean), real=Location(mean)))
    for i, j in np.argwhere(shares > 0):
        s.connect(f"m{j}", f"m{i}", Flow(raw=float(shares[i, j])))
    return s


def drawn(seed: int) -> np.ndarray:
    """Shares of a small random digraph; more than half of those who read anybody have no real data."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 8))
    shares = np.zeros((n, n))
    for i in range(n):
        sources = rng.choice(n, size=int(rng.integers(0, 3)), replace=False)
        if not len(sources):
            continue
        weights = rng.dirichlet(np.full(len(sources), 4.0))
        if rng.random() < 0.6:
            weights[-1] = 1 - weights[:-1].sum()
        else:
            weights *= rng.uniform(0.4, 0.9)
        shares[i, sources] = weights
    return shares


def growing(shares: np.ndarray) -> np.ndarray:
    """Whose variance grows in ``V' = D V Dᵀ + 1``, by doubling the rounds until there are 2⁴⁰ of them."""
    v, power = np.eye(len(shares)), shares.copy()
    for _ in range(40):
        v, power = v + power @ v @ power.T, power @ power
    return np.diag(v) > 1e6


def still_growing(many: list[np.ndarray]) -> list[list[bool]]:
    """Whose variance is still growing after 2,000 rounds, played one by one; all networks side by side."""
    most = max(map(len, many))
    shares = np.stack([np.pad(one, (0, most - len(one))) for one in many])
    v = before = np.broadcast_to(np.eye(most), shares.shape)
    for round in range(2000):
        v = shares @ v @ shares.swapaxes(1, 2) + np.eye(most)
        before = v if round == 1000 else before
    grown = np.diagonal(v - before, axis1=1, axis2=2) > 1e-3
    return [row[: len(one)].tolist() for row, one in zip(grown, many, strict=True)]


def who(some: np.ndarray) -> set[str]:
    return {f"m{i}" for i in np.flatnonzero(some)}


@pytest.mark.parametrize("first", [0, 50, 100, 150])
def test_those_collapse_whose_variance_grows_and_nobody_else(first: int) -> None:
    """On 200 digraphs."""
    networks = [drawn(seed) for seed in range(first, first + 50)]
    truths = [growing(shares) for shares in networks]
    assert [truth.tolist() for truth in truths] == still_growing(networks)
    for shares, truth in zip(networks, truths, strict=True):
        assert certificates(network(shares)).members["collapses"].tolist() == truth.tolist(), shares
    some = sum(truth.any() for truth in truths)
    assert 5 < some < 45  # both kinds of network are among them


@pytest.mark.parametrize("seed", range(25))
def test_removals_and_arrivals_do_what_they_say(seed: int) -> None:
    shares = drawn(seed)
    found, now = certificates(network(shares)), growing(shares)
    for row in found.removals().itertuples():
        then = shares.copy()
        then[int(row.target[1:]), int(row.source[1:])] = 0
        assert set(row.cures) == who(now & ~growing(then))
    arrivals = found.arrivals()
    for row in arrivals.itertuples():
        then = shares.copy()
        then[int(row.target[1:]), int(row.source[1:])] += row.share
        assert set(row.collapses) == who(growing(then) & ~now)
    real = 1 - shares.sum(1)
    assert len(arrivals) == sum(int((shares[i] == 0).sum()) for i in np.flatnonzero(real > 1e-12))


def test_a_part_of_the_real_data_is_given_up_only_where_there_is_as_much() -> None:
    found = certificates(network(np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.8]])))
    assert found.arrivals(0.3).empty
    some = found.arrivals(0.1).set_index(["source", "target"])["collapses"]
    assert some.to_dict() == {("m0", "m2"): ("m2",), ("m1", "m2"): ("m2",)}


def test_cures_reach_the_margin_and_no_less() -> None:
    shares = np.array([[0.5, 0.5, 0.0], [0.3, 0.3, 0.4], [0.0, 1.0, 0.0]])
    found = certificates(network(shares)).cures(margin=0.1)
    assert found["real"].is_monotonic_increasing
    for row in found.itertuples():
        left = np.ones(3)
        left[int(row.member[1:])] -= row.real
        assert np.abs(np.linalg.eigvals(left[:, None] * shares)).max() == pytest.approx(0.9, abs=1e-10)
        assert row.each == pytest.approx(0.1, abs=1e-10)


def test_no_member_alone_can_cure_two_that_copy_themselves() -> None:
    found = certificates(network(np.array([[0.99, 0.01], [0.01, 0.99]]))).cures(margin=0.05)
    assert found["real"].isna().all()
    assert found["each"].tolist() == pytest.approx([0.05, 0.05])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_the_dominant_cycle_is_the_best_of_all_simple_cycles(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 7))
    gains = rng.random((n, n)) * (rng.random((n, n)) < rng.uniform(0.1, 0.8))
    gain, cycle = dominant_cycle(sparse.csr_array(gains))

    def mean(nodes: list[int]) -> float:
        return float(np.exp(np.mean([np.log(gains[i, j]) for i, j in zip(nodes, [*nodes[1:], nodes[0]], strict=True)])))

    best = max(map(mean, nx.simple_cycles(nx.from_numpy_array(gains, create_using=nx.DiGraph))), default=0.0)
    assert gain == pytest.approx(best, abs=1e-12)
    assert not cycle or mean(cycle) == pytest.approx(best, abs=1e-12)
    assert np.abs(np.linalg.eigvals(gains)).max() >= best - 1e-9


def test_the_cycle_is_named_in_the_direction_of_its_flows() -> None:
    found = certificates(network(np.array([[0.0, 0.9, 0.0], [0.0, 0.0, 0.8], [0.7, 0.0, 0.2]])))
    assert found.gain == pytest.approx((0.9 * 0.8 * 0.7) ** (1 / 3))
    at = found.cycle.index("m0")
    assert [*found.cycle[at:], *found.cycle[:at]] == ["m0", "m2", "m1"]  # m0 is read by m2, m2 by m1, m1 by m0
    assert found.radius >= found.gain


@pytest.mark.parametrize(
    ("graph", "shrinks"), [(nx.cycle_graph(4), 0.25), (nx.complete_graph(4), 0.1836734694)], ids=["ring", "complete"]
)
def test_the_bound_on_symmetric_graphs_holds_and_is_reached_by_its_eigenvector(graph: nx.Graph, shrinks: float) -> None:
    w = nx.to_numpy_array(graph) / 2 / graph.degree[0]  # λ = 1: half of everything is read
    slowest = np.linalg.eigh(np.eye(4) - 2 * w)[1][:, 1]
    for means in (slowest, np.array([3.0, -1.0, 0.5, 0.0])):
        found = certificates(network(w, means)).diversity
        assert found.bound == pytest.approx(shrinks * found.real, rel=1e-9)
        assert found.exact <= found.bound * (1 + 1e-9)
        assert means is not slowest or found.exact == pytest.approx(found.bound, rel=1e-9)


def test_where_one_alone_reads_diversity_rises() -> None:
    shares = np.zeros((3, 3))
    shares[1, 0] = 0.5
    found = certificates(network(shares, np.array([-1.0, 0.0, 1.0]))).diversity
    assert found.exact / found.real == pytest.approx(13 / 12, abs=1e-12)
    assert np.isnan(found.bound)


def test_whoever_reads_somebody_that_never_retrains_reads_outside() -> None:
    s = network(np.array([[0.0, 1.0], [1.0, 0.0]]))
    still = Scenario("still", rounds=1)
    still.add("m0", s.member("m0"))
    still.add("m1", Member(Location([0.0]), schedule=never))
    still.connect("m0", "m0", Flow(raw=0.4))
    still.connect("m1", "m0", Flow(raw=0.6))
    found = certificates(still)
    assert not found.members["closed"].any() and not found.members["collapses"].any()
    assert certificates(s).members["closed"].all()


def test_transforms_decide_whether_a_closed_part_collapses() -> None:
    for factor, collapses in ((0.9, False), (1.0, True), (-1.0, True)):
        s = Scenario("mirror", rounds=1)
        for name in "ab":
            s.add(name, Member(Location([1.0]), real=Location([0.0])))
        s.connect("a", "b", Flow(raw=1.0, transform=LinearMap([[factor]], [0.0])))
        s.connect("b", "a", Flow(raw=1.0))
        found = certificates(s)
        assert found.members["closed"].all()
        assert found.members["collapses"].tolist() == [collapses] * 2
        assert found.radius == pytest.approx(abs(factor) ** 0.5, abs=1e-9)


def test_a_closed_part_that_is_pushed_has_no_stable_point_and_collapses() -> None:
    s = Scenario("pushed", rounds=1)
    member = Member(Location([0.0]), reward=Linear([1.0]), curator=Shift([0.1]), real=Location([0.0]))
    s.add("a", member)
    s.add("b", member)
    s.connect("a", "a", Flow(curated=1.0))
    s.connect("a", "b", Flow(raw=0.5))
    found = certificates(s)
    assert found.members["after"].tolist() == [("a",), ("a",)]
    assert found.sentences()[0] == "a collapses, for it reads nothing but itself, and with it b."


def test_of_categoricals_the_derivative_at_the_stable_point_decides() -> None:
    s = Scenario("votes", rounds=1)
    for name, real in (("a", [0.2, 0.3, 0.5]), ("b", [0.6, 0.2, 0.2])):
        s.add(
            name, Member(Categorical(real), reward=Tabular([1.0, 0.0, -1.0]), curator=Luce(3), real=Categorical(real))
        )
    s.connect("a", "b", Flow(raw=0.3, curated=0.2))
    s.connect("b", "a", Flow(raw=0.1, curated=0.3))
    found = certificates(s)
    assert not found.members["collapses"].any()
    assert found.radius == pytest.approx(certified(s), abs=1e-5)
    assert np.isnan(found.diversity.exact)  # curation adds to what shares mix


def certified(s: Scenario) -> float:
    """``ρ`` by playing: what is left of a small change of the stable point after two rounds, by power iteration.

    The two read each other alone, so that eigenvalues come in pairs of both signs: one round by itself does not settle.
    """
    point = stable_point(s)
    assert point.dynamics is not None
    rest = point.dynamics.retrained(point.vector.unsqueeze(0))[0]
    step, kept = torch.tensor([1.0, -2.0, 1.0, 0.5, 0.5, -1.0], dtype=torch.float64) * 1e-6, 0.0
    for _ in range(60):
        new = step
        for _ in range(2):
            new = point.dynamics.retrained((point.vector + new).unsqueeze(0))[0] - rest
        kept = float(new.norm() / step.norm()) ** 0.5
        step = new / new.norm() * 1e-6
    return kept


def test_a_flow_that_cannot_be_taken_out_and_users_who_move_are_not_answered() -> None:
    s = Scenario("no data", rounds=1)
    for name in "ab":
        s.add(name, Member(Location([0.0]), reward=Linear([1.0])))
    s.connect("a", "b", Flow(raw=1.0))
    s.connect("b", "a", Flow(raw=1.0))
    assert certificates(s).removals().empty
    moving = network(np.array([[0.0, 0.3], [0.3, 0.0]]))
    moving = moving.with_member("m0", reward=Linear([1.0]), learn=Drift(0.02))
    with pytest.raises(ValueError, match="users whose taste moves"):
        certificates(moving)


def test_a_transform_that_only_adds_is_no_real_data() -> None:
    """It stood for real data that are elsewhere: 12.25 for 1."""
    s = Scenario("offset", rounds=1)
    for name, mean in (("a", -1.0), ("b", 1.0)):
        s.add(name, Member(Location([mean]), real=Location([mean])))
    s.connect("a", "b", Flow(raw=0.5, transform=LinearMap([[1.0]], [5.0])))
    s.connect("b", "a", Flow(raw=0.5))
    assert np.isnan(certificates(s).diversity.real)


def test_refusals() -> None:
    found = certificates(network(np.array([[0.5]])))
    for share in (0.0, 1.5, float("nan")):
        with pytest.raises(ValueError, match=r"arrivals\(share\) lies in \(0, 1\]"):
            found.arrivals(share)
    with pytest.raises(ValueError, match=r"cures\(margin\) lies between 0 and 1"):
        found.cures(1.0)
    assert "Nobody collapses" in repr(found)


def heaping(blocks: np.ndarray) -> np.ndarray:
    """Who reads, directly or not, a part with an eigenvalue of modulus 1 or more: ``blocks [n, d, n, d]``."""
    graph = nx.DiGraph((np.abs(blocks).sum((1, 3)) > 0).astype(int).T)
    found = np.zeros(len(blocks), dtype=bool)
    for part in nx.strongly_connected_components(graph):
        here = sorted(part)
        block = blocks[here][:, :, here].reshape(len(here) * 2, -1)
        if np.abs(np.linalg.eigvals(block)).max() >= 1 - 1e-9:
            found[[*here, *nx.descendants(graph, here[0])]] = True
    return found


@pytest.mark.parametrize("seed", range(12))
def test_arrivals_are_right_where_what_is_handed_on_is_turned_and_changes_sign(seed: int) -> None:
    """Members of two numbers, flows through matrices: bounds by ``|B|`` spare a close look, and no more."""
    rng = np.random.default_rng(seed)
    shares = drawn(seed)[:4, :4]
    shares = shares / np.maximum(1, shares.sum(1, keepdims=True))
    maps = rng.normal(size=(4, 4, 2, 2))
    s = Scenario("turned", rounds=1)
    for i in range(4):
        s.add(f"m{i}", Member(Location([0.0, 0.0]), real=Location([0.0, 0.0])))
    whole = np.zeros((4, 2, 4, 2))
    for v, u in zip(*np.nonzero(shares), strict=True):
        s.connect(f"m{u}", f"m{v}", Flow(raw=shares[v, u], transform=LinearMap(maps[v, u])))
        whole[v, :, u] = shares[v, u] * maps[v, u]
    found, now = certificates(s), heaping(whole)
    assert found.members["collapses"].tolist() == now.tolist()
    for row in found.arrivals().itertuples():
        then = whole.copy()
        then[int(row.target[1:]), [0, 1], int(row.source[1:]), [0, 1]] += row.share
        assert set(row.collapses) == who(heaping(then) & ~now)


def test_where_no_radius_is_found_nobody_is_said_to_collapse(monkeypatch: pytest.MonkeyPatch) -> None:
    """NaN is not below 1, nor above."""
    s = Scenario("turned", rounds=1)
    for name in "ab":
        s.add(name, Member(Location([0.0]), reward=Linear([1.0]), curator=Shift([1.0]), real=Location([0.0])))
    s.connect("a", "b", Flow(curated=0.9, raw=0.05, transform=LinearMap([[-2.0]])))
    s.connect("b", "a", Flow(raw=0.5, transform=LinearMap([[-0.4]])))
    assert not certificates(s).members["collapses"].any()
    monkeypatch.setattr(collapse, "radius_of_sparse", lambda _: math.nan)
    with pytest.raises(ValueError, match="whether 2 numbers of members that read each other grow is not known"):
        certificates(s)
    findings = influence(s).findings()
    assert findings.certificates.empty and "is not known" in findings.settings["unpromised"]
