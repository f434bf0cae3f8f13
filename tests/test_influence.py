"""The influence matrix: against central differences, closed forms, reference figures, and itself in other ways."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ecosystem import (
    Categorical,
    Crowd,
    Flow,
    Gaussian,
    Linear,
    LinearMap,
    Location,
    Luce,
    Member,
    Quadratic,
    Scenario,
    Shift,
    Tabular,
    Tilt,
    Users,
    accumulate,
    every,
    never,
    sequential,
    synchronous,
    window,
)
from ecosystem.influence import influence, operators, resolvent, spectra, stable_point
from ecosystem.orderings import Ordering
from ecosystem.retention import Retention
from ecosystem.schedules import Schedule
from scenarios import pair, ring
from tests.nearby import Solve, beside
from tests.networks import FAMILIES, random_scenario

REFERENCE = pd.read_csv("scenarios/data/figure3_exact.csv")


def by_differences(s: Scenario, solve: Solve, name: str, delta: float) -> pd.Series:
    """``dJ/dλ`` of every member by solving the network again on both sides, twice: what is left is ``O(delta⁴)``."""
    level = s.curation(name)
    found = {step: solve(s.with_curation(name, level + step * delta)) for step in (-2, -1, 1, 2)}
    near, far = (found[step].alignment - found[-step].alignment for step in (1, 2))
    return (8 * near - far) / (12 * delta)


@settings(max_examples=14, deadline=None)
@given(
    st.integers(0, 10_000),
    st.sampled_from(FAMILIES),
    st.integers(2, 6),
    st.floats(0.2, 0.8),
    st.booleans(),
)
def test_influence_is_the_derivative_of_the_stable_point(
    seed: int, family: str, members: int, density: float, quadratic: bool
) -> None:
    """Any graph, shares, transforms, rewards, curators and delays: to 1e-6 of the largest effect of the source."""
    s = random_scenario(seed, members=members, family=family, density=density, quadratic=quadratic)
    sources = [name for name in s.names if 0.02 < s.curation(name) < 0.98][:4]
    assume(sources)
    point = stable_point(s, starts=1)
    assume(point.found and point.seen == "settles")
    result = influence(s, at=point)
    assume(result.resolvent.radius < 0.97)
    solve = beside(point)
    for name in sources:
        expected = by_differences(s, solve, name, 1e-4)[result.targets]
        scale = max(expected.abs().max(), 1e-3)
        assert (result.matrix[name] - expected).abs().max() <= 1e-6 * scale, name


@pytest.mark.parametrize("row", range(len(REFERENCE)))
def test_the_pair_has_the_reference_derivatives(row: int) -> None:
    """Zhang, Wei, Zhang 2026 (arXiv 2605.29267), Figure 3: every coupling, to 1e-9."""
    known = REFERENCE.iloc[row]
    result = influence(pair.scenario(coupling=known["t"], curation=known["lambda"]))
    assert result.matrix.at["theta", "theta"] == pytest.approx(known["dJp_dlambda"], rel=1e-9)
    assert result.matrix.at["phi", "theta"] == pytest.approx(known["dJq_dlambda"], rel=1e-9, abs=1e-10)
    assert result.rho("phi", "theta") == pytest.approx(known["rho_q"], rel=1e-9)


def test_the_pair_harms_phi_from_a_coupling_on() -> None:
    from scipy.optimize import brentq

    def effect(t: float) -> float:
        return influence(pair.scenario(coupling=t)).matrix.at["phi", "theta"]

    assert brentq(effect, 0.8, 0.9, xtol=1e-6) == pytest.approx(0.8621, abs=1e-4)


def test_the_pair_in_the_papers_terms() -> None:
    """``S = (I − A)⁻¹`` and ``C = A``; isolated influence 2.3902 and amplification .6212 at ``t = .9``."""
    result = influence(pair.scenario())
    matrix, eye = pair.coupling_matrix(0.9), torch.eye(24, dtype=torch.float64)
    torch.testing.assert_close(result.S("phi"), torch.linalg.inv(eye - matrix), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(result.C("phi", "theta"), matrix, rtol=1e-10, atol=1e-12)
    own = result.table.iloc[0]
    assert own["isolated"] == pytest.approx(2.3902, abs=5e-5) and own["amplification"] == pytest.approx(
        0.6212, abs=5e-5
    )
    assert own["network"] == "dampened" and not own["backfires"] and result.formal == ""
    welfare = result.welfare.iloc[0]
    assert welfare["private"] == result.matrix.iloc[0, 0] and welfare["externality"] == result.matrix.iloc[1, 0]
    assert welfare["social"] == pytest.approx(result.matrix["theta"].sum())


def test_first_arrival_times_the_loop_is_the_whole_for_any_number_of_models() -> None:
    s = random_scenario(3, members=5, density=0.8)
    result = influence(s)
    inverse = torch.linalg.inv(torch.eye(10, dtype=torch.float64) - result.resolvent.blocks.dense())
    for q, p in (("m0", "m3"), ("m4", "m1")):
        rows, columns = (result.dynamics.layout.span(s.names.index(name)) for name in (q, p))
        torch.testing.assert_close(result.S(q) @ result.C(q, p), inverse[rows, columns], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("way", ["sparse", "products"])
@pytest.mark.parametrize("sources", [None, 1])
def test_all_ways_of_solving_agree(monkeypatch, family: str, way: str, sources: int | None) -> None:
    """Written out, sparse with GMRES, and with nothing but products, forward and adjoint."""
    s = random_scenario(4 if family == "gaussian" else 5, members=6, family=family)
    names = [n for n in s.names if 0 < s.curation(n) < 1][:sources]
    targets = None if sources is None else s.names[:2]
    exact = influence(s, names, targets)
    assert isinstance(exact.resolvent.operator, operators.Dense)
    monkeypatch.setattr(resolvent, "DENSE", 0)
    if way == "products":
        monkeypatch.setattr(resolvent, "_SPARSE", -1)
    other = influence(s, names, targets, at=exact.point)
    assert type(other.resolvent.operator).__name__.lower() == way
    scale = exact.matrix.abs().max().max()
    np.testing.assert_allclose(other.matrix, exact.matrix, atol=1e-8 * scale)
    np.testing.assert_allclose(other.edges()["traffic"], exact.edges()["traffic"], atol=1e-7 * scale)
    np.testing.assert_allclose(other.hops(3)["effect"], exact.hops(3)["effect"], atol=1e-10 * scale)
    assert other.resolvent.radius == pytest.approx(exact.resolvent.radius, rel=1e-7)


def line(shares: list[float], rewards: list[float], **of_first) -> Scenario:
    """``a → b → c → …`` in one dimension; only ``a`` curates (its own output, moved by 1)."""
    s = Scenario("line", rounds=1)
    names = "abcdefg"[: len(rewards)]
    for name, g in zip(names, rewards, strict=True):
        settings = {"curator": Shift([1.0]), **of_first} if name == "a" else {}
        s.add(name, Member(Location([0.0]), reward=Linear([g]), real=Location([0.0]), **settings))
    s.connect("a", "a", Flow(raw=0.2, curated=0.4))
    for u, v, share in zip(names, names[1:], shares, strict=False):
        s.connect(u, v, Flow(raw=share))
    return s


def test_a_member_on_no_cycle_through_others_is_unchanged() -> None:
    """θ_a = λ/(1 − r(λ) − λ), r = (1−λ)/3: with λ = .4, dθ/dλ = 1/((2/3)(1−λ)²); each reader takes its share of it."""
    result = influence(line([0.5, 0.5], [1.0, 1.0, -1.0]))
    own = 1 / (2 / 3 * 0.6**2)
    np.testing.assert_allclose(result.matrix["a"], [own, own / 2, -own / 4], rtol=1e-12)
    row = result.table.set_index("target").loc["a"]
    assert row["network"] == "unchanged" and row["amplification"] == 1 and row["isolated"] == pytest.approx(own)
    assert result.table["harms"].tolist() == [False, False, True] and not result.table["backfires"].any()


def loop(back: float, reward: float = 1.0, curated: float = 0.4) -> Scenario:
    """``a`` shifts by 1 what it takes from ``b``; ``b`` returns ``back`` times what ``a`` makes."""
    s = Scenario("loop", rounds=1)
    s.add("a", Member(Location([0.0]), reward=Linear([reward]), curator=Shift([1.0]), real=Location([0.0])))
    s.add("b", Member(Location([0.0]), reward=Linear([1.0]), real=Location([0.0])))
    s.connect("b", "a", Flow(curated=curated, chosen_by="consumer"))
    s.connect("a", "b", Flow(raw=1.0, transform=LinearMap([[back]])))
    return s


@pytest.mark.parametrize(
    ("back", "reward", "network", "backfires"),
    [
        (2.0, 1.0, "amplified", False),
        (-2.0, 1.0, "dampened", False),
        (0.0, 1.0, "unchanged", False),
        (-0.5, -1.0, "dampened", True),
        (2.0, -1.0, "amplified", True),
        (2.0, 0.0, "undefined", False),
    ],
)
def test_verdicts_on_a_loop_that_can_be_solved_by_hand(
    back: float, reward: float, network: str, backfires: bool
) -> None:
    """θ = λ(βθ + 1): dθ/dλ = 1/(1 − λβ)², alone (b frozen at βθ*) βθ* + 1 = 1/(1 − λβ): their ratio is 1/(1 − λβ)."""
    result = influence(loop(back, reward))
    own = result.table.set_index(["target", "source"]).loc[("a", "a")]
    assert own["effect"] == pytest.approx(reward / (1 - 0.4 * back) ** 2)
    assert own["isolated"] == pytest.approx(reward / (1 - 0.4 * back))
    assert own["network"] == network and own["backfires"] == backfires
    if reward:
        assert own["amplification"] == pytest.approx(1 / (1 - 0.4 * back))


@pytest.mark.parametrize("reward", [1.0, -1.0])
def test_inversion_and_rescue_are_formal_here_and_say_so(reward: float) -> None:
    """With λβ > 1 the loop turns the sign round: what would help alone hurts (or is rescued), and the point repels."""
    result = influence(loop(back=3.0, reward=reward, curated=0.8))
    own = result.table.iloc[0]
    assert own["network"] == "inverted" and own["isolated"] * reward < 0 and own["effect"] * reward > 0
    assert own["backfires"] == (reward < 0) and own["harms"] == (reward < 0)
    assert "spectral radius" in result.formal and result.resolvent.radius == pytest.approx(np.sqrt(2.4))


def test_inversion_where_the_network_settles() -> None:
    """In two dimensions a turn by the network inverts an effect although everything settles."""
    s = Scenario("turn", rounds=1)
    s.add(
        "a",
        Member(Location([0.0, 0.0]), reward=Linear([1.0, -2.0]), curator=Shift([1.0, 0.0]), real=Location([0.0, 0.0])),
    )
    s.add("b", Member(Location([0.0, 0.0]), real=Location([0.0, 0.0])))
    s.connect("b", "a", Flow(raw=0.4, curated=0.4, chosen_by="consumer"))
    s.connect("a", "b", Flow(raw=1.0, transform=LinearMap([[0.0, -1.0], [1.0, 0.0]])))
    result = influence(s)
    own = result.table.iloc[0]
    assert result.formal == "" and own["network"] == "inverted" and own["isolated"] > 0 and own["backfires"]


def test_the_stable_point_does_not_care_when_members_retrain() -> None:
    """Orders, delays, periods and memories change the way, not where it leads, nor the influence."""

    def network(
        ordering: Ordering = synchronous,
        schedule: Schedule = every(1),  # noqa: B008
        retention: Retention = window(1),  # noqa: B008
        delay: int = 0,
    ) -> Scenario:
        s = Scenario("n", rounds=1, ordering=ordering)
        for name, p in (("a", [0.6, 0.4]), ("b", [0.3, 0.7])):
            member = Member(
                Categorical(p), reward=Tabular([0.0, 1.0]), curator=Luce(3), real=Categorical(p),
                schedule=schedule, retention=retention,
            )  # fmt: skip
            s.add(name, member)
        s.connect("a", "b", Flow(raw=0.2, curated=0.4, delay=delay))
        s.connect("b", "a", Flow(curated=0.5, chosen_by="consumer"))
        return s

    plain = influence(network()).matrix
    for other in (
        network(ordering=sequential("b", "a")),
        network(schedule=every(3, start=1)),
        network(retention=accumulate()),
        network(retention=window(4)),
        network(delay=2),
    ):
        np.testing.assert_allclose(influence(other).matrix, plain, rtol=1e-8)


def test_frozen_members_pass_nothing_on() -> None:
    s = line([0.5, 0.5], [1.0, 1.0, 1.0])
    frozen = Scenario("frozen", rounds=1)
    for name in s.names:
        m = s.member(name)
        schedule = never if name == "b" else m.schedule
        frozen.add(name, Member(m.generator, reward=m.reward, curator=m.curator, real=m.real, schedule=schedule))
    for u, v in s.graph.edges:
        frozen.connect(u, v, s.flow(u, v))
    result = influence(frozen)
    assert result.matrix.at["a", "a"] == influence(s).matrix.at["a", "a"]
    assert result.matrix.at["b", "a"] == 0 and result.matrix.at["c", "a"] == 0


def test_from_level_zero_on_a_flow_that_is_named() -> None:
    """The right-hand derivative, as ``with_curation(..., like=)`` counts shares."""
    both = Scenario("both", rounds=1)
    for name in "ab":
        both.add(name, Member(Location([0.0]), reward=Linear([1.0]), curator=Shift([1.0]), real=Location([0.5])))
    both.connect("a", "b", Flow(raw=0.5, chosen_by="consumer"))
    both.connect("b", "a", Flow(raw=0.3))
    with pytest.raises(ValueError, match="'b' cannot be among the sources: it has no curated flow"):
        influence(both, sources=["b"])
    matrix = influence(both, like={"b": ("a", "b")}).matrix
    base, step = stable_point(both).alignment, 1e-6
    moved = stable_point(both.with_curation("b", step, like=("a", "b"))).alignment
    np.testing.assert_allclose(matrix["b"], (moved - base) / step, rtol=1e-5)


# -- networks of unlike members ---------------------------------------------------------------------------------------


def menagerie() -> Scenario:
    """Three families, four widths, six cohorts; maps that change the dimension; a crowd, users of a flow's own."""
    s = Scenario("menagerie", rounds=1)
    taste = Linear([1.0, -0.5])
    data2, data3 = Location([0.3, 0.1]), Location([0.0, 1.0, 2.0])
    s.add("flat", Member(Location([0.0, 0.0], 0.5), reward=taste, curator=Luce(3), real=data2))
    s.add("deep", Member(Location([0.0, 0.0, 0.0], 0.7), reward=Quadratic([1.0, 0.0, 1.0], 0.4), real=data3))
    crowd = Crowd.adversarial(Luce(2), 0.25)
    s.add("bell", Member(Gaussian([0.0, 1.0], [[1.0, 0.2], [0.2, 0.5]]), reward=taste, curator=crowd, real=data2))
    p = Categorical([0.2, 0.3, 0.5])
    s.add("dice", Member(p, reward=Tabular([0.0, 1.0, 3.0]), curator=Luce(4), real=p))
    s.add(
        "coin",
        Member(Categorical([0.5, 0.5]), reward=Tabular([1.0, 0.0]), curator=Tilt(), real=Categorical([0.6, 0.4])),
    )
    s.add("still", Member(Location([5.0, 5.0]), reward=taste, schedule=never))
    s.connect("flat", "flat", Flow(raw=0.2, curated=0.3))
    down = LinearMap([[0.5, 0.0, 0.4], [0.0, 0.6, 0.1]], [0.1, 0.0])
    s.connect("deep", "flat", Flow(raw=0.1, curated=0.1, transform=down, chosen_by="consumer", delay=1))
    s.connect("flat", "deep", Flow(curated=0.5, transform=LinearMap([[0.5, 0.1], [0.0, 0.3], [0.2, 0.2]])))
    s.connect("bell", "flat", Flow(curated=0.2, chosen_by=Users(Linear([0.5, 0.5]), Luce(2))))
    s.connect("flat", "bell", Flow(raw=0.2))
    s.connect("bell", "bell", Flow(raw=0.1, curated=0.2))
    s.connect("still", "bell", Flow(raw=0.05, curated=0.05, chosen_by="consumer"))
    s.connect("dice", "dice", Flow(curated=0.3))
    s.connect("dice", "coin", Flow(raw=0.3, transform=_halved))
    s.connect("coin", "coin", Flow(curated=0.4))
    s.connect("deep", "deep", Flow(raw=0.0))
    return s


def _halved(x: torch.Tensor) -> torch.Tensor:
    return (x >= 1).long()


def test_a_network_of_unlike_members() -> None:
    s = menagerie()
    point = stable_point(s, starts=1)
    result = influence(s, at=point)
    assert result.sources == ["flat", "deep", "bell", "dice", "coin"]
    solve = beside(point)
    for name in result.sources:
        expected = by_differences(s, solve, name, 1e-4)[result.targets]
        assert (result.matrix[name] - expected).abs().max() <= 1e-6 * max(expected.abs().max(), 1e-3), name
    hops = result.hops(300)
    scale = result.matrix.abs().max().max()
    assert result.edges()["traffic"].sum() == pytest.approx((hops["hop"] * hops["effect"]).sum(), abs=1e-7 * scale)
    assert (result.matrix.loc[["dice", "coin", "still"], ["flat", "deep", "bell"]] == 0).all().all()  # no way there
    assert set(result.table["network"]) <= {"", "unchanged", "amplified", "dampened"}


def test_a_huge_neighbour_changes_nothing() -> None:
    """An unconnected member with parameters of 10⁵ hides neither the way of the others nor their derivatives."""

    def network(beside: bool) -> Scenario:
        s = Scenario("beside", rounds=1)
        p = Categorical([0.6, 0.3, 0.1])
        s.add("a", Member(p, reward=Tabular([0.0, 1.0, 2.0]), curator=Luce(4), real=p))
        s.connect("a", "a", Flow(curated=0.4))
        if beside:
            s.add("giant", Member(Location([0.0]), reward=Linear([1000.0]), real=Location([1e5])))
        return s

    alone, among = influence(network(False)), influence(network(True))
    assert among.matrix.at["a", "a"] == pytest.approx(alone.matrix.at["a", "a"], rel=1e-10)
    assert among.rho("a", "a") == pytest.approx(alone.rho("a", "a"), rel=1e-9)


def test_a_constant_in_the_reward_changes_nothing() -> None:
    """On the simplex only differences of rewards mean anything: for the effect, for ρ, for bounds."""

    def network(constant: float) -> Scenario:
        s = Scenario("constant", rounds=1)
        p = Categorical([0.6, 0.3, 0.1])
        values = [constant, constant + 1, constant + 2]
        s.add("a", Member(p, reward=Tabular(values), curator=Luce(4), real=p))
        s.connect("a", "a", Flow(curated=0.4))
        return s

    small, large = influence(network(0.0)), influence(network(1000.0))
    assert large.rho("a", "a") == pytest.approx(small.rho("a", "a"), rel=1e-8)
    np.testing.assert_allclose(large.hops(3)["bound"], small.hops(3)["bound"], rtol=1e-6)


def test_targets_apart_from_sources_have_a_table() -> None:
    result = influence(pair.scenario(), targets=["phi"])
    assert result.table["kind"].tolist() == ["cross"] and result.table["harms"].tolist() == [True]
    assert np.isnan(result.welfare["private"].iloc[0])
    assert result.findings().influence.drop(columns="after").equals(result.table)


def test_a_point_of_another_level_is_refused() -> None:
    s = loop(0.5)
    with pytest.raises(
        ValueError, match=r"no stable point of scenario 'loop \(a: curation 0.6\)': retraining moves it by"
    ):
        influence(s.with_curation("a", 0.6), at=stable_point(s))


def test_copies_that_drift_elsewhere_do_not_matter() -> None:
    """``x`` and ``y`` only copy each other: a continuum of stable points, but none that curation touches."""
    s = loop(0.5)
    for name in "xy":
        s.add(name, Member(Location([1.0]), reward=Linear([1.0])))
    for u, v in ("xx", "xy", "yx", "yy"):
        s.connect(u, v, Flow(raw=0.5))
    result = influence(s)
    np.testing.assert_allclose(result.matrix.loc[["a", "b"]], influence(loop(0.5)).matrix, rtol=1e-9)
    assert (result.matrix.loc[["x", "y"]] == 0).all().all()
    s = Scenario("copies", rounds=1)
    s.add("x", Member(Location([1.0]), reward=Linear([1.0]), curator=Shift([0.0])))
    s.connect("x", "x", Flow(raw=0.5, curated=0.5))
    assert influence(s).matrix.at["x", "x"] == pytest.approx(0, abs=1e-12)


def test_a_member_that_alone_would_run_away_has_no_isolated_influence() -> None:
    s = Scenario("held", rounds=1)
    zero = Location([0.0])
    s.add("a", Member(zero, reward=Linear([1.0]), curator=Shift([1.0]), real=zero))
    s.add("b", Member(zero, real=zero))
    s.connect("a", "a", Flow(raw=0.25, transform=LinearMap([[4.0]])))
    s.connect("b", "a", Flow(curated=0.4, chosen_by="consumer"))
    s.connect("a", "b", Flow(raw=0.5, transform=LinearMap([[-2.0]])))
    own = influence(s).table.iloc[0]
    assert np.isnan(own["isolated"]) and own["network"] == "undefined"


def test_rings_and_lines_of_many_numbers_have_their_spectral_radius(monkeypatch) -> None:
    """Where all eigenvalues have one modulus ARPACK does not converge; a line has none but 0."""
    monkeypatch.setattr(resolvent, "DENSE", 0)
    monkeypatch.setattr(spectra, "DENSE", 5)
    s = ring.scenario(members=30, real=0.2)
    assert influence(s).resolvent.radius == pytest.approx(0.8, rel=1e-9)
    assert influence(line([0.5] * 6, [1.0] * 7)).resolvent.radius == pytest.approx(0.6)
