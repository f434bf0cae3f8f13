"""Will it settle, in which order, how fast: every case against the matrix algebra done by hand."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecosystem import (
    Categorical,
    Curator,
    Flow,
    Linear,
    LinearMap,
    Location,
    Luce,
    Member,
    Scenario,
    Shift,
    Tabular,
    accumulate,
    every,
    poisson,
    replace,
    sequential,
    shuffled,
    synchronous,
    window,
)
from ecosystem.core.laws import Finite, Law
from ecosystem.influence import influence, lyapunov, stability, stable_point
from tests.networks import random_scenario

SLOW_TOGETHER = [[0.1, -0.3], [-0.6, -0.9]]  # diverges in synchronous rounds, settles in sequential ones
SLOW_IN_TURN = [[0.0, -0.4], [0.4, -0.9]]  # the reverse


class Halfway(Location):
    """Partial retraining: ``steps`` gradient steps of size 0.2 on the squared loss, ``D = (1 − 0.2)^steps``."""

    steps = 3

    def refit(self, statistic):
        kept = (1 - 0.2) ** self.steps
        return self.rebuild({"mean": kept * self.mean + (1 - kept) * statistic, "scale": self.scale})


@dataclass(frozen=True, eq=False)
class Popular(Curator):
    """People repost what is common already: ``p²``, normalised."""

    needs_reward = False

    def law(self, law: Law, reward=None, memo=None) -> Law:
        assert isinstance(law, Finite)
        squares = law.probabilities**2
        return Finite(squares / squares.sum(-1, keepdim=True))


def network(matrix, ordering=synchronous, family=Location, schedules=None, delays=None, **settings) -> Scenario:
    """One-dimensional members with ``T(θ) = B θ + c``."""
    s = Scenario("network", rounds=1, ordering=ordering)
    names = "abcd"[: len(matrix)]
    for i, name in enumerate(names):
        schedule = every(1) if schedules is None else schedules[i]
        s.add(name, Member(family([0.0]), reward=Linear([1.0]), real=Location([1.0]), schedule=schedule, **settings))
    for i, v in enumerate(names):
        for j, u in enumerate(names):
            if matrix[i][j]:
                delay = 0 if delays is None else delays[i][j]
                s.connect(u, v, Flow(raw=0.3, transform=LinearMap([[matrix[i][j] / 0.3]]), delay=delay))
    return s


def radius(matrix) -> float:
    return float(np.abs(np.linalg.eigvals(np.asarray(matrix))).max())


def one_after_the_other(matrix, order) -> np.ndarray:
    """``E_σ(N) ··· E_σ(1)``."""
    matrix = np.asarray(matrix)
    whole = np.eye(len(matrix))
    for i in order:
        step = np.eye(len(matrix))
        step[i] = matrix[i]
        whole = step @ whole
    return whole


@pytest.mark.parametrize(("matrix", "together", "in_turn"), [(SLOW_TOGETHER, False, True), (SLOW_IN_TURN, True, False)])
def test_one_order_diverges_and_another_settles(matrix, together: bool, in_turn: bool) -> None:
    result = stability(network(matrix), [sequential("a", "b")])
    rates, settles = result.table["rate"], result.table["settles"]
    np.testing.assert_allclose(rates, [radius(matrix), radius(one_after_the_other(matrix, [0, 1]))], rtol=1e-9)
    assert result.radius == pytest.approx(radius(matrix)) and not result.certified
    assert settles.tolist() == [together, in_turn] and result.settles == together
    assert result.table["measured"].notna().tolist() == [together, in_turn]
    for ordering, goes_well in ((synchronous, together), (sequential("a", "b"), in_turn)):
        point = stable_point(network(matrix, ordering=ordering))
        assert point.found and point.seen == ("settles" if goes_well else "diverges")


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.permutations(range(3)))
def test_rates_of_sequential_orders_are_those_of_the_product_of_steps(seed: int, order) -> None:
    matrix = np.random.default_rng(seed).uniform(-0.8, 0.8, (3, 3))
    s = network(matrix.tolist())
    table = stability(s, [sequential(*("abc"[i] for i in order))]).table
    np.testing.assert_allclose(
        table["rate"], [radius(matrix), radius(one_after_the_other(matrix, order))], rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("steps", [1, 3, 10])
def test_partial_retraining_has_its_own_rate_and_the_same_point(steps: int, monkeypatch) -> None:
    """``D + (I − D)B``; it even settles where full retraining diverges."""
    monkeypatch.setattr(Halfway, "steps", steps)
    matrix = np.array([[0.0, 0.5], [-3.0, 0.0]])
    part, whole = network(matrix.tolist(), family=Halfway), network(matrix.tolist())
    kept = 0.8**steps
    expected = radius(kept * np.eye(2) + (1 - kept) * matrix)
    assert stability(part).table["rate"].iloc[0] == pytest.approx(expected, rel=1e-9)
    assert radius(matrix) > 1 and (expected < 1) == (steps < 10)
    one, other = stable_point(part), stable_point(whole)
    np.testing.assert_allclose(one.alignment, other.alignment, rtol=1e-9)


def test_delays_keep_the_point_and_have_the_companion_matrix() -> None:
    matrix, delays = [[0.2, 0.6], [-0.7, 0.0]], [[0, 2], [1, 0]]
    s = network(matrix, delays=delays)
    now, one, two = (np.where(np.array(delays) == d, matrix, 0.0) for d in range(3))
    eye, zero = np.eye(2), np.zeros((2, 2))
    companion = np.block([[now, one, two], [eye, zero, zero], [zero, eye, zero]])
    result = stability(s)
    assert result.table["rate"].iloc[0] == pytest.approx(radius(companion), rel=1e-9)
    assert result.radius == pytest.approx(radius(matrix), rel=1e-9)
    np.testing.assert_allclose(stable_point(s).alignment, stable_point(network(matrix)).alignment, rtol=1e-9)


def test_periods_have_the_root_of_the_hyper_period() -> None:
    """``a`` every round, ``b`` every second: two rounds are one map."""
    matrix = np.array([[0.3, 0.5], [0.6, -0.2]])
    only_a = np.array([matrix[0], [0.0, 1.0]])
    result = stability(network(matrix.tolist(), schedules=[every(1), every(2, start=1)]))
    assert result.table["rate"].iloc[0] == pytest.approx(math.sqrt(radius(matrix @ only_a)), rel=1e-9)


@pytest.mark.parametrize("rounds", [1, 3])
def test_windows_of_data_are_part_of_the_state(rounds: int) -> None:
    """``θ⁺ = c + b·mean of the last k``: the largest root of ``x^k = b/k (x^{k−1} + … + 1)``."""
    b = -1.7
    roots = np.roots([1.0, *[-b / rounds] * rounds])
    result = stability(network([[b]], retention=window(rounds)))
    assert result.table["rate"].iloc[0] == pytest.approx(np.abs(roots).max(), rel=1e-9)
    assert result.settles == (rounds > 1)


@pytest.mark.parametrize(("b", "settles"), [(-2.0, True), (0.5, True), (1.2, False)])
def test_accumulated_data_settle_where_real_parts_are_below_one(b: float, settles: bool) -> None:
    """The ``1/t``-step average fades like ``t^{−(1−b)}``, also where replacing diverges."""
    result = stability(network([[b]], retention=accumulate()), tolerance=1e-2)
    row = result.table.iloc[0]
    assert bool(row["settles"]) == settles and row["exponent"] == pytest.approx(1 - b) and np.isnan(row["rate"])
    assert stability(network([[b]], retention=replace())).settles == (abs(b) < 1)
    if b == 0.5:  # 10⁴ rounds predicted for the factor 100; here the ratio of two distances is looked at
        assert row["predicted"] == pytest.approx(1e4, rel=1e-6)
        run = network([[b]], retention=accumulate()).replace(rounds=400).run()
        theta = run.rounds["alignment"].to_numpy()
        goal = stable_point(network([[b]])).alignment.iloc[0]
        assert (theta[400] - goal) / (theta[100] - goal) == pytest.approx(100**0.5 / 400**0.5, rel=0.01)


def test_mixed_memories_use_what_the_fast_ones_leave_to_the_slow() -> None:
    """``B_aa + B_ar (I − B_rr)⁻¹ B_ra`` decides for the member that accumulates."""
    matrix = np.array([[0.4, 0.9], [0.8, 0.2]])
    s = Scenario("mixed", rounds=1)
    for name, kept in (("a", accumulate()), ("b", replace())):
        s.add(name, Member(Location([0.0]), real=Location([1.0]), retention=kept))
    for i, v in enumerate("ab"):
        for j, u in enumerate("ab"):
            s.connect(u, v, Flow(raw=0.3, transform=LinearMap([[matrix[i, j] / 0.3]])))
    row = stability(s).table.iloc[0]
    assert row["exponent"] == pytest.approx(1 - (0.4 + 0.9 * 0.8 / (1 - 0.2))) and not row["settles"]


def test_random_orders_have_a_lyapunov_exponent_between_their_fixed_ones() -> None:
    """With two members a random round is one of two products, which have one spectral radius here."""
    matrix = [[0.0, 0.9], [0.9, 0.0]]
    result = stability(network(matrix), [shuffled])
    row = result.table.iloc[1]
    assert row["worst"] == pytest.approx(0.81) and 0.81 < row["rate"] < 0.95
    assert row["measured"] == pytest.approx(row["predicted"], rel=0.2)
    clocks = stability(network(matrix, schedules=[poisson(1.0), poisson(1.0)])).table.iloc[0]
    assert result.radius < clocks["rate"] < 1


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 500), st.sampled_from(["location", "categorical"]))
def test_what_is_certified_settles_in_every_order(seed: int, family: str) -> None:
    s = random_scenario(seed, members=4, family=family)
    names = s.names
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lyapunov, "_ROUNDS", 500)  # enough to see on which side of 1 a rate is
        result = stability(s, [sequential(*names), sequential(*names[::-1]), shuffled], at=stable_point(s, starts=1))
    assert result.certificate >= result.radius - 1e-9
    if result.certified:
        assert result.table["settles"].all()


def test_measured_rounds_agree_with_predicted_ones() -> None:
    table = stability(network([[0.0, 0.8], [0.9, 0.1]]), [sequential("a", "b")]).table
    np.testing.assert_allclose(table["measured"], table["predicted"], rtol=0.05)


# -- stable points ----------------------------------------------------------------------------------------------------


def test_several_stable_points_are_all_found() -> None:
    """Whoever is ahead wins: two attracting points, and one between them that repels."""
    s = Scenario("fashion", rounds=1)
    half = Categorical([0.5, 0.5])
    s.add("a", Member(Categorical([0.6, 0.4]), reward=Tabular([1.0, 0.0]), curator=Popular(), real=half))
    s.connect("a", "a", Flow(curated=0.9))
    point = stable_point(s, starts=8)
    found = sorted(float(p.parameters["a"][0]) for p in (point, *point.others))
    roots = np.roots([2.0, -3.0, 1.1, -0.05]).real  # p = 0.05 + 0.9 p²/(p² + (1−p)²), multiplied out
    assert found[0] == pytest.approx(min(roots), abs=1e-9) and found[-1] == pytest.approx(max(roots), abs=1e-9)
    assert set(np.round(found, 6)) <= set(np.round(roots, 6))
    assert point.alignment["a"] == pytest.approx(max(roots), abs=1e-9)  # where its own start leads


def test_a_cycle_is_seen_and_its_centre_found() -> None:
    s = Scenario("swap", rounds=1)
    s.add("a", Member(Categorical([0.7, 0.3]), reward=Tabular([1.0, 0.0])))
    s.connect("a", "a", Flow(raw=1.0, transform=lambda x: 1 - x))
    point = stable_point(s, starts=1)
    assert point.seen == "cycles with period 2"
    assert point.found and point.alignment["a"] == pytest.approx(0.5)


def test_no_stable_point_is_a_result_not_an_exception() -> None:
    """``θ⁺ = θ + 0.5`` has none."""
    s = Scenario("drift", rounds=1)
    s.add("a", Member(Location([0.0]), reward=Linear([1.0]), curator=Shift([1.0])))
    s.connect("a", "a", Flow(raw=0.5, curated=0.5))
    point = stable_point(s)
    assert not point.found and point.seen == "diverges" and "no stable point was found" in point.message
    with pytest.raises(ValueError, match="has no stable point to look about"):
        stability(s)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2000), st.sampled_from(["location", "categorical"]))
def test_the_stable_point_is_where_a_long_run_ends(seed: int, family: str) -> None:
    s = random_scenario(seed, members=4, family=family, rounds=220)
    point = stable_point(s, starts=1)
    assert point.found and point.residual < 1e-12
    if point.seen == "settles" and stability(s, at=point).table["rate"].iloc[0] < 0.9:  # others may diverge in a run
        last = s.run().rounds.query("round == 220").set_index("member")["alignment"]
        np.testing.assert_allclose(last[point.alignment.index], point.alignment, rtol=1e-9, atol=1e-9)
    for name, generator in point.generators.items():
        assert torch.equal(generator.vector(), point.parameters[name])


@pytest.mark.parametrize(("rounds", "rate", "b"), [(5, 0.3, -3.0), (3, 0.3, -2.0)])
def test_windows_under_random_clocks_are_full_at_rest(rounds: int, rate: float, b: float) -> None:
    """One member: a ring of the clock is a step of the companion matrix, so ``γ = P(ring) · log ρ``."""
    roots = np.roots([1.0, *[-b / rounds] * rounds])
    row = stability(network([[b]], schedules=[poisson(rate)], retention=window(rounds))).table.iloc[0]
    expected = np.abs(roots).max() ** (1 - math.exp(-rate))
    assert abs(row["rate"] - expected) <= 4 * row["error"] + 1e-3 and bool(row["settles"]) == (expected < 1)


def test_long_hyper_periods_are_followed_like_random_rounds() -> None:
    """Periods 31, 37 and 41 repeat after 47,027 rounds; nobody waits for that."""
    s = network([[0.5, 0.0, 0.2], [0.3, 0.4, 0.0], [0.0, 0.6, 0.1]], schedules=[every(31), every(37), every(41)])
    row = stability(s).table.iloc[0]
    assert 0.9 < row["rate"] < 1 and row["error"] < 0.01 and stable_point(s, rounds=50).rounds == 50


def test_partial_retraining_on_everything_ever_seen() -> None:
    """What is averaged is the data: the exponent is that of whole retraining."""
    result = stability(network([[0.5]], family=Halfway, retention=accumulate()))
    assert result.table["exponent"].iloc[0] == pytest.approx(0.5)


def fashion(lead: float, *more: tuple[str, Member]) -> Scenario:
    """Two attracting points and one between them that repels: whoever is ahead wins."""
    s = Scenario("fashion", rounds=1)
    half = Categorical([0.5, 0.5])
    start = Categorical([0.5 + lead, 0.5 - lead])
    s.add("a", Member(start, reward=Tabular([1.0, 0.0]), curator=Popular(), real=half))
    s.connect("a", "a", Flow(curated=0.9))
    for name, member in more:
        s.add(name, member)
    return s


@pytest.mark.parametrize("lead", [5e-5, 0.01])
@pytest.mark.parametrize("beside", [False, True])
def test_a_start_near_a_repelling_point_goes_where_the_dynamics_go(lead: float, beside: bool) -> None:
    giant = ("giant", Member(Location([0.0]), reward=Linear([1.0]), real=Location([1e5])))
    s = fashion(lead, *([giant] if beside else []))
    point = stable_point(s, starts=1)
    high = max(np.roots([2.0, -3.0, 1.1, -0.05]).real)
    assert point.alignment["a"] == pytest.approx(high, abs=1e-9) and point.seen == "settles"
    assert influence(s).point.alignment["a"] == point.alignment["a"]


def test_a_knock_out_stays_in_the_valley() -> None:
    """Nobody reads ``b``: without what it reads, ``a`` stays at whichever of its points it was."""
    b = ("b", Member(Categorical([0.5, 0.5]), reward=Tabular([1.0, 0.0]), real=Categorical([0.5, 0.5])))
    s = fashion(0.1, b)
    s.connect("a", "b", Flow(raw=0.5))
    here = stable_point(s, starts=8)
    there = next(p for p in here.others if p.alignment["a"] < 0.2)
    gone = influence(s, at=there).knock_out("a", "b")
    assert gone.alignment["a"] == pytest.approx(0, abs=1e-12)
    assert gone.alignment["b"] == pytest.approx(0.5 - there.alignment["b"], abs=1e-9)


@pytest.mark.parametrize("start", [[0.2, 0.7, 0.1], [0.01, 0.01, 0.98], [1e-6, 0.6, 0.399999]])
def test_a_saddle_that_is_slowly_passed_is_not_where_the_dynamics_lead(start: list[float]) -> None:
    """Fully curated for r = (.02, .01, 0): 200 rounds are too few, and the solver went to whichever corner was near."""
    s = Scenario("corners", rounds=1)
    s.add("a", Member(Categorical(start), reward=Tabular([0.02, 0.01, 0.0]), curator=Luce(2)))
    s.connect("a", "a", Flow(curated=1.0))
    point = stable_point(s, starts=1)
    assert point.found and point.seen == "settles" and point.rounds > 200
    assert point.alignment["a"] == pytest.approx(0.02, abs=1e-12)
    at_the_corner = s.with_member("a", generator=Categorical([0.0, 1.0, 0.0]))
    assert stable_point(at_the_corner, starts=1).alignment["a"] == pytest.approx(0.01, abs=1e-12)


@pytest.mark.parametrize(("b", "seen"), [(-0.9995, "settles"), (-0.9999, "settles"), (-1.0003, "diverges")])
def test_a_slow_oscillation_is_no_cycle(b: float, seen: str) -> None:
    assert stable_point(network([[b]]), starts=1).seen == seen


def test_who_runs_away_is_not_hidden_by_who_comes_near() -> None:
    s = Scenario("two", rounds=1)
    s.add("a", Member(Location([1000.0]), reward=Linear([1.0]), real=Location([0.0])))
    s.add("b", Member(Location([1e-4]), reward=Linear([1.0]), real=Location([0.0])))
    s.connect("a", "a", Flow(raw=0.99))
    s.connect("b", "b", Flow(raw=0.5, transform=LinearMap([[2.1]])))
    assert stable_point(s, starts=1).seen == "diverges"


class Cliff(Location):
    """Halves what is near, and runs away from what is far."""

    def refit(self, statistic):
        far = statistic.abs() >= 30
        return self.rebuild({"mean": torch.where(far, 1.5 * statistic, 0.5 * statistic), "scale": self.scale})


def test_what_another_start_found_is_not_said_of_the_own() -> None:
    s = Scenario("cliff", rounds=1)
    s.add("a", Member(Cliff([60.0]), reward=Linear([1.0])))
    s.connect("a", "a", Flow(raw=1.0))
    point = stable_point(s, starts=8)
    assert point.seen == "diverges" and "from its own start the network diverges" in point.message


def test_the_certificate_knows_what_stays_on_the_simplex() -> None:
    """Half of its own output: on directions that sum to zero the block is one half, however uneven the law."""
    p = Categorical([0.9, *[0.1 / 49] * 49])
    s = Scenario("many symbols", rounds=1)
    s.add("a", Member(p, reward=Tabular(range(50)), real=p))
    s.connect("a", "a", Flow(raw=0.5))
    assert stability(s).certificate == pytest.approx(0.5, rel=1e-9)


def test_a_fixed_order_is_exact_also_where_the_scenario_shuffles() -> None:
    matrix = [[0.0, 0.8], [0.9, 0.1]]
    table = stability(network(matrix, ordering=shuffled), [synchronous]).table
    assert table["rate"].iloc[1] == pytest.approx(radius(matrix), rel=1e-9)
    assert table["error"].notna().tolist() == [True, False]


def test_an_ordering_is_listed_once() -> None:
    """The scenario's own ordering stood twice in the table where it was among those given too."""
    s = network([[0.0, 0.8], [0.9, 0.1]])
    alone = stability(s).table
    table = stability(s, [synchronous, sequential("a", "b"), sequential("a", "b"), synchronous]).table
    assert table["ordering"].tolist() == ["synchronous", "sequential('a', 'b')"]
    assert table["rate"].iloc[0] == alone["rate"].iloc[0]
