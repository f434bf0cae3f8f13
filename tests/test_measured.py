"""Measured influence: against exact derivatives, to the bit before the light cone arrives, and what is refused."""

from __future__ import annotations

import math
import warnings
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from ecosystem import (
    Categorical,
    Curate,
    Flow,
    FlowMatching,
    GenerativeModel,
    Join,
    Leave,
    Linear,
    Location,
    Luce,
    Member,
    ModelAgent,
    Scenario,
    Shift,
    Stream,
    Tabular,
    Training,
    poisson,
    shuffled,
)
from ecosystem.influence import pairs
from ecosystem.influence.measured import Measured, measure_influence
from ecosystem.running.measures.view import View
from scenarios import pair, ring

# of few rounds on purpose: their responses are still drifting, and measure_influence says so
drifts = pytest.mark.filterwarnings("ignore:the long run has not been reached:RuntimeWarning")

TASTE, DATA = Linear([1.0]), Location([0.0])


def reader(**settings) -> Member:
    """One number that everybody's users like to be large."""
    return Member(Location([0.0], 0.5), **{"reward": TASTE, "real": DATA} | settings)


def duo(level: float = 0.5, samples: int | None = 20, rounds: int = 12) -> Scenario:
    """``a`` curates what it reads of itself, half of ``b``'s diet is ``a``: ``dJ_a/dλ = 1/(.6 (1 − λ)²)``."""
    s = Scenario("duo", rounds=rounds, samples=samples)
    s.add("a", reader(curator=Shift([1.0])))
    s.add("b", reader())
    s.connect("a", "a", Flow(raw=0.4 * (1 - level), curated=level))
    s.connect("a", "b", Flow(raw=0.5))
    return s


def same(one: Measured, two: Measured) -> bool:
    """To the last bit."""
    return one.table.equals(two.table) and one.response.equals(two.response)


def effect(measured: Measured, target: str) -> pd.Series:
    return measured.table.set_index("target").loc[target]


# -- against exact derivatives -----------------------------------------------------------------------------------------


def linear_network(case: int) -> tuple[Scenario, np.ndarray]:
    """Two or three location members under linear rewards, and ``M [target, source]`` of their population.

    ``θ_i = Σ_j (raw_ij + curated_ij) θ_j + λ_i a_i + real_i R_i`` is linear in what is drawn and rewards are linear, so
    finite samples add no bias.
    """
    rng = np.random.default_rng(case)
    members, d = int(rng.integers(2, 4)), 2
    shares = rng.dirichlet(np.ones(2 * members), size=members) * rng.uniform(0.4, 0.65, (members, 1))
    raw, curated = shares[:, :members], shares[:, members:] + 0.02
    a, real, taste = rng.normal(size=(3, members, d))
    s = Scenario(f"linear {case}", rounds=40, samples=30)
    for i in range(members):
        s.add(
            str(i), Member(Location(real[i], 0.3), reward=Linear(taste[i]), curator=Shift(a[i]), real=Location(real[i]))
        )
    for i, j in np.ndindex(members, members):
        s.connect(str(j), str(i), Flow(float(raw[i, j]), float(curated[i, j]), chosen_by="consumer"))
    level, both = curated.sum(1, keepdims=True), raw + curated
    rest = 1 - both.sum(1, keepdims=True)
    inverse = np.linalg.inv(np.eye(members) - both)
    theta = inverse @ (level * a + rest * real)
    change = (curated @ theta + level * a) / level - (raw @ theta + rest * real) / (1 - level)
    return s, inverse * (taste @ change.T)


def test_intervals_cover_the_exact_derivative() -> None:
    """One effect of each of 100 networks; 90 % intervals from 10 replicates.

    Each case has a seed of its own, or all would share their draws and err together. Then the number of intervals that
    cover is binomial with probability .9: between 80 and 98 in 99.8 % of such tests. The bias in δ, below 1 % of an
    interval's width, does not show.
    """
    covered = 0
    for case in range(100):
        scenario, exact = linear_network(case)
        rng = np.random.default_rng([case, 1])
        j, k = rng.integers(len(exact), size=2)
        seeds = [(case, replicate) for replicate in range(10)]
        measured = measure_influence(scenario, seeds=seeds, sources=[str(k)], targets=[str(j)], confidence=0.9)
        row = measured.table.iloc[0]
        assert row["seeds"] == 10 and row["kind"] == ("self" if j == k else "cross")
        covered += row["low"] <= exact[j, k] <= row["high"]
    low, high = stats.binom.interval(0.998, 100, 0.9)
    assert low <= covered <= high


@pytest.mark.parametrize("case", range(5))
def test_on_the_population_it_is_the_derivative(case: int) -> None:
    """Deterministic, and all sources at once: the whole matrix, up to ``O(δ²)``."""
    scenario, exact = linear_network(case)
    names = scenario.names
    measured = measure_influence(scenario.replace(samples=None), delta=1e-3, burn_in=30)
    assert list(measured.matrix.index) == list(measured.matrix.columns) == names
    np.testing.assert_allclose(measured.matrix.to_numpy(), exact, rtol=1e-3, atol=1e-4)
    table = measured.table
    assert (table["low"] == table["effect"]).all() and (table["high"] == table["effect"]).all()
    assert (table["seeds"] == 1).all()


# scenarios/pair.py at coupling .9, level .4: dJ/dλ of the population, by the closed form of Zhang, Wei, Zhang 2026
# (arXiv 2605.29267, Figure 3), and what n samples a round add to it.
EXACT = {"theta": 1.48488366, "phi": -0.87731956}
BIAS = {4: {"theta": -0.2007, "phi": -0.0951}, 64: {"theta": -0.0125, "phi": -0.0059}}


@pytest.mark.parametrize("n", [4, 64])
def test_the_gaussian_pair(n: int) -> None:
    """2,000 seeds, 99 % intervals: they cover the derivative at ``n`` samples, and for few samples only that."""
    measured = measure_influence(pair.scenario(0.9, samples=n), seeds=2000, burn_in=80, confidence=0.99)
    for name in ("theta", "phi"):
        row = effect(measured, name)
        assert row["low"] <= EXACT[name] + BIAS[n][name] <= row["high"]
    theta = effect(measured, "theta")
    assert theta["high"] - theta["low"] < (0.2 if n == 4 else 0.04)
    if n == 4:
        assert theta["high"] < EXACT["theta"]


def test_the_population_of_the_pair() -> None:
    measured = measure_influence(pair.scenario(0.9, samples=None), burn_in=80)
    for name in ("theta", "phi"):
        assert effect(measured, name)["effect"] == pytest.approx(EXACT[name], abs=2e-6)


@drifts
def test_against_two_runs_by_hand() -> None:
    """On the population the difference of two ordinary runs; with samples Student's interval over pairs of them."""
    for samples, seeds in ((None, 1), (20, 5)):
        s = duo(samples=samples)
        measured = measure_influence(s, seeds=seeds, delta=0.1, burn_in=7, confidence=0.8)
        sides = []
        for level in (0.6, 0.4):
            runs = [s.with_curation("a", level).run(seed=seed).rounds for seed in range(seeds)]
            sides.append(np.stack([r.pivot(index="round", columns="member", values="alignment") for r in runs]))
        quotient = (sides[0] - sides[1]) / 0.2  # [seeds, rounds, members]
        means = quotient[:, 8:].mean(1)
        table = measured.table
        np.testing.assert_allclose(table["effect"], means.mean(0), rtol=1e-12)
        response = measured.response.pivot(index="round", columns="target", values="effect")
        np.testing.assert_allclose(response, quotient.mean(0), rtol=1e-12, atol=1e-15)
        assert (measured.delta, measured.confidence, measured.burn_in) == (0.1, 0.8, 7)
        if seeds == 1:
            assert (table["low"] == table["effect"]).all() and (table["high"] == table["effect"]).all()
        else:
            interval = stats.ttest_1samp(means, 0).confidence_interval(0.8)
            np.testing.assert_allclose(table["low"], interval.low, rtol=1e-9)
            np.testing.assert_allclose(table["high"], interval.high, rtol=1e-9)


def test_one_seed_has_no_interval() -> None:
    table = measure_influence(duo(), seeds=1).table
    assert np.isfinite(table["effect"]).all() and table[["low", "high"]].isna().all(axis=None)
    assert (table["seeds"] == 1).all()


@drifts
def test_samples_that_judge_make_even_the_population_uncertain() -> None:
    s = duo(samples=None)
    s.add("c", reader(reward=lambda x: x.squeeze(-1).tanh()))
    s.connect("a", "c", Flow(raw=0.5))
    measured = measure_influence(s, judged=16)
    row = effect(measured, "c")
    assert math.isfinite(row["effect"]) and math.isnan(row["low"]) and math.isnan(row["high"])
    assert effect(measured, "a")["low"] == effect(measured, "a")["effect"]


# -- from level 0 ------------------------------------------------------------------------------------------------------


def test_curation_that_arises() -> None:
    """From level 0 the difference is one-sided, on the flow that ``like`` names; exactly on the population.

    ``b`` reads half of ``a`` and shifts by 3 what it curates of it: ``J_b(λ) = λ (θ_a + 3) + (1 − λ) θ_a / 2``.
    """
    s = duo(samples=None, rounds=200)
    s.graph.nodes["b"]["member"] = reader(curator=Shift([3.0]))
    s.graph.edges["a", "b"]["flow"] = Flow(raw=0.5, chosen_by="consumer")
    measured = measure_influence(s, like={"b": ("a", "b")}, burn_in=150)
    assert list(measured.matrix.columns) == ["a", "b"]  # the default and what ``like`` adds
    a = float(s.run().parameters["a"]["mean"])
    assert measured.matrix.loc["b", "b"] == pytest.approx(a + 3 - a / 2, abs=1e-9)
    assert measured.matrix.loc["a", "b"] == 0.0  # nobody reads b
    drawn = measure_influence(s.replace(samples=30, rounds=40), sources=["b"], like={"b": ("a", "b")}, seeds=30)
    row = effect(drawn, "b")
    assert row["low"] < a / 2 + 3 < row["high"] and row["high"] - row["low"] < 1.5
    early = drawn.response.query("target == 'b' and round == 0 or target == 'a'")
    assert (early["effect"] == 0.0).all()


# -- the light cone ----------------------------------------------------------------------------------------------------


@drifts
@pytest.mark.parametrize("samples", [40, None])
def test_nothing_moves_before_the_light_cone_arrives(samples: int | None) -> None:
    """``h`` hops from the source nothing has changed through round ``h``, to the last bit."""
    s = ring.scenario(members=6, rounds=9, samples=samples)
    measured = measure_influence(s, seeds=10)
    assert set(measured.response["source"]) == {"0"}
    for hops, (_, response) in enumerate(measured.response.groupby("target")):
        assert list(response["round"]) == list(range(10))
        before = response["round"] <= hops
        for column in ("effect", "low", "high"):
            assert (response.loc[before, column] == 0.0).all()
        assert response.loc[~before, "effect"].iloc[0] > 0


# -- any generator, agent, order ---------------------------------------------------------------------------------------


class Drifting(GenerativeModel):
    """``N(mean, I)``, its mean trained by gradient descent."""

    event_shape = (1,)
    training_plan = Training(steps=5, batch_size=32, optimizer=partial(torch.optim.SGD, lr=0.3))

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(1))

    def sample(self, n: int, rng: Stream) -> Tensor:
        return self.mean + rng.normal(n, 1, dtype=torch.float32)

    def loss(self, batch: Tensor, rng: Stream) -> Tensor:
        return ((batch - self.mean) ** 2).mean()


def trained(generator, rounds: int) -> Scenario:
    """Two models that train on each other; the users of ``a`` choose what it reads."""
    s = Scenario("trained", rounds=rounds, samples=40)
    d = generator().event_shape[0]
    for name, curator in (("a", Luce(4)), ("b", None)):
        member = Member(generator(), reward=Linear([1.0] * d), curator=curator, real=torch.zeros(8, d))
        s.add(name, member)
    s.connect("b", "a", Flow(raw=0.3, curated=0.4, chosen_by="consumer"))
    s.connect("a", "b", Flow(raw=0.7))
    return s


def test_neural_models() -> None:
    plan = Training(steps=3, batch_size=16)
    tiny = partial(FlowMatching, 2, 4, 1, 2, plan)
    for generator, rounds, seeds in ((tiny, 3, 3), (Drifting, 6, 8)):
        measured = measure_influence(trained(generator, rounds), seeds=seeds, judged=32, delta=0.2)
        assert np.isfinite(measured.table[["effect", "low", "high"]]).all(axis=None)
        first = measured.response.query("round == 0 or (round == 1 and target == 'b')")
        assert (first["effect"] == 0.0).all()
        assert (measured.response.query("round > 1")["effect"] != 0.0).all()
    assert (measured.table["low"] > 0).all()  # users who like large numbers get them


def test_orders_and_clocks() -> None:
    """Random ones have many replicates, on the population too; the mean of the last round is where all end."""
    base = duo(samples=None, rounds=60)
    clocked = base.replace()
    clocked.graph.nodes["b"]["member"] = reader(schedule=poisson(1.0))
    for s in (base.replace(ordering=shuffled), clocked):
        measured = measure_influence(s, seeds=4, burn_in=50)
        assert (measured.table["seeds"] == 4).all()
        assert list(measured.table["effect"]) == pytest.approx([20 / 3, 10 / 3], rel=0.01)


def test_agents_and_interventions() -> None:
    """Whatever sets the level of the source ends the difference; a member that is gone has no response."""

    class Stubborn(ModelAgent):
        def decide(self) -> None:
            if self.model.steps > 6:
                self.set_curation(0.3)

    byagent, byhand = duo(rounds=60), duo(rounds=60)
    byagent.graph.nodes["a"]["member"] = reader(curator=Shift([1.0]), agent=Stubborn)
    byhand.at(7, Curate("a", 0.3))
    byhand.at(20, Leave("b"))
    for s in (byagent, byhand):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            measured = measure_influence(s, seeds=3)
        assert measured.matrix.loc["a", "a"] == pytest.approx(0.0, abs=1e-3)
        middle = measured.response.query("target == 'a' and 0 < round < 7")
        assert (middle["effect"] > 0).all()
    assert measured.response.query("target == 'b'")["round"].max() == 19
    row = effect(measured, "b")  # it left before the burn-in was over
    assert math.isnan(row["effect"]) and row["seeds"] == 0
    (warned,) = caught
    assert "'b' left in round 20, so there is no effect" in str(warned.message)


@drifts
def test_who_is_not_there_is_named_with_the_round() -> None:
    """Effects on members that left were NaN without a word, those of a few rounds passed for the long run's."""

    class Tired(ModelAgent):
        def decide(self) -> None:
            if self.model.steps == 12:
                self.remove()

    def asked(*changes: tuple[int, Any], **settings: Any) -> tuple[str, Measured]:
        s = duo(rounds=20)
        s.add("tired", reader(agent=Tired))
        s.connect("a", "tired", Flow(raw=0.5))
        for round, change in changes:
            s.at(round, change)
        with pytest.warns(RuntimeWarning, match="rounds 11 to 20 are averaged, and not everybody counts") as caught:
            measured = measure_influence(s, seeds=2, **settings)
        (words,) = (str(w.message) for w in caught if "averaged, and" in str(w.message))
        assert words in measured.notes and words in repr(measured)
        return words, measured

    words, measured = asked()
    assert "'tired' left in round 12, so its effect is one of the rounds in which it was there" in words
    assert math.isfinite(effect(measured, "tired")["effect"]) and "'b'" not in words
    words, measured = asked((5, Leave("b")))
    assert "'b' left in round 5, so there is no effect; 'tired' left" in words
    assert math.isnan(effect(measured, "b")["effect"])
    told = measured.verdicts.query("source == 'a'").set_index("target")  # it was "too few pairs of runs"
    assert told.at["b", "verdict"] == "undefined" and told.at["tired", "verdict"] == "few"
    assert told.at["b", "sentence"].startswith("Curating a has no defined effect on b’s alignment: there is nothing to")
    words, _ = asked((2, Leave("b")), (3, Join("b")), (7, Leave("b")))  # the absence that was over was in "2 to 7"
    assert "'b' left in round 7, so there is no effect" in words
    words, _ = asked((12, Leave("b")), (13, Join("b")), (15, Leave("b")))  # it was "in rounds 12 to 15"
    assert "'b' left in rounds 12 and 15 and joined in round 13, so its effect" in words
    words, _ = asked((6, Leave("b")), (14, Join("b")))
    assert "'b' left in round 6 and joined in round 14, so its effect" in words
    words, _ = asked((14, Join("b")))
    assert "'b' joined in round 14, so its effect is one of the rounds" in words
    words, _ = asked((15, Leave("a")), targets=["b"])
    assert "'a' left in round 15, and moves nothing while it is away" in words and "tired" not in words


@drifts
def test_a_measure_that_is_never_a_number_is_named() -> None:
    """The effect on a member of whom it says nothing was NaN without a word."""

    def silent(view: View) -> Tensor:
        return torch.full_like(view.alignment(), torch.nan)

    with pytest.warns(RuntimeWarning, match="silent of 'a' is NaN in all averaged rounds, so there is no effect"):
        measured = measure_influence(duo(rounds=4), seeds=2, measure=silent)
    assert measured.table["effect"].isna().all()


def test_one_pair_says_that_it_has_no_interval() -> None:
    measured = measure_influence(duo(rounds=4), seeds=1)
    assert measured.notes[-1].startswith("low and high are NaN where there are fewer than two pairs")
    assert repr(measured).splitlines()[0] == "Measured(delta=0.02, burn_in=2, confidence=0.95)"


# -- how it is computed ------------------------------------------------------------------------------------------------


def crowd() -> Scenario:
    s = Scenario("crowd", rounds=5, samples=6)
    for name in "abc":
        p = [0.5, 0.3, 0.2]
        s.add(name, Member(Categorical(p), reward=Tabular([0.0, 1.0, 2.0]), curator=Luce(2), real=Categorical(p)))
    for u, v in ("ab", "bc", "ca", "aa"):
        s.connect(u, v, Flow(raw=0.2, curated=0.2))
    return s


def test_company_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sources together or alone, in chunks of any size: the same to the last bit."""
    whole = measure_influence(crowd(), seeds=7)
    assert list(whole.matrix.columns) == ["a", "b", "c"] and len(whole.table) == 9
    assert len(whole.response) == 9 * 6
    for numbers in (1, 600, 3000):
        monkeypatch.setattr(pairs, "_NUMBERS", numbers)
        assert same(measure_influence(crowd(), seeds=range(7)), whole)
    alone = measure_influence(crowd(), seeds=[(seed, 0) for seed in range(7)], sources=["b"], targets=["c", "a"])
    wanted = whole.table.query("source == 'b' and target != 'b'").iloc[::-1].reset_index(drop=True)
    assert alone.table.equals(wanted)
    assert list(alone.matrix.index) == ["c", "a"] and list(alone.matrix.columns) == ["b"]


def test_seeds_are_addresses() -> None:
    one = measure_influence(duo(), seeds=[3, 5])
    assert same(one, measure_influence(duo(), seeds=[(3, 0), (5, 0)]))
    assert same(one, measure_influence(duo(), seeds=np.array([3, 5])))  # type: ignore[arg-type]
    assert not same(one, measure_influence(duo(), seeds=[(3, 0), (3, 1)]))


def test_the_scenario_stays_as_it_is() -> None:
    s = duo()
    before = s.describe()
    measure_influence(s, seeds=2)
    assert all(before[name].equals(table) for name, table in s.describe().items())


# -- what diverges -----------------------------------------------------------------------------------------------------


def wild(most: float) -> Scenario:
    """``c`` explodes in the replicates in which it draws something larger than ``most``."""
    s = duo(rounds=12, samples=3)
    s.add("c", Member(Location([0.0], 1.0), reward=TASTE, curator=Shift([0.1]), real=DATA))
    blow = lambda x: torch.where(x.abs() > most, x * 1e14, x * 0.5)  # noqa: E731
    s.connect("c", "c", Flow(raw=0.5, curated=0.5, transform=blow))
    return s


def test_what_diverged_is_left_out_in_pairs() -> None:
    with pytest.warns(RuntimeWarning, match=r"were left out: \d+ of 20 of 'a', \d+ of 20 of 'c'; effects") as caught:
        measured = measure_influence(wild(2.7), seeds=20)
    assert [type(w.message) for w in caught] == [RuntimeWarning]  # the library's own would repeat it
    assert all(__file__ == w.filename for w in caught)
    kept = measured.table.groupby("source")["seeds"].agg(["min", "max"])
    assert (kept["min"] == kept["max"]).all() and (kept["min"] > 2).all() and (kept["min"] < 20).all()
    good = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for seed in range(20):
            sides = [wild(2.7).with_curation("a", level).run(seed=seed) for level in (0.48, 0.52)]
            if all(run.failures.empty for run in sides):
                good.append(seed)
    assert len(good) == kept.loc["a", "min"]
    again = measure_influence(wild(2.7), seeds=good, sources=["a"])
    for column in ("effect", "low", "high", "seeds"):
        np.testing.assert_allclose(again.table[column], measured.table.query("source == 'a'")[column], rtol=1e-9)


def test_when_all_diverge_nothing_is_known() -> None:
    with pytest.warns(RuntimeWarning, match="5 of 5 of 'a', 5 of 5 of 'c'"):
        measured = measure_influence(wild(0.01), seeds=5)
    assert measured.table[["effect", "low", "high"]].isna().all(axis=None) and (measured.table["seeds"] == 0).all()
    assert measured.response.empty and measured.matrix.isna().all(axis=None)


@pytest.mark.filterwarnings("ignore:the reward .* is NaN")
def test_alignments_that_are_not_finite_count_for_their_target_only() -> None:
    s = duo()
    s.add("c", reader(reward=lambda x: torch.where(x.squeeze(-1) > 2.0, torch.nan, x.squeeze(-1))))
    s.connect("a", "c", Flow(raw=0.5))
    with pytest.warns(RuntimeWarning, match="whose alignment is not finite, were left out: "):
        table = measure_influence(s, seeds=12, judged=4).table.set_index("target")
    assert table.loc["a", "seeds"] == table.loc["b", "seeds"] == 12
    assert 0 <= table.loc["c", "seeds"] < 12


# -- what is refused ---------------------------------------------------------------------------------------------------


def odd(**levels: float) -> Scenario:
    """Everybody can curate what it reads of itself; ``mute`` has no reward."""
    s = Scenario("odd", rounds=4, samples=5)
    for name, level in levels.items():
        reward = None if name == "mute" else TASTE
        s.add(name, reader(curator=Shift([1.0]), reward=reward))
        s.connect(name, name, Flow(curated=level, raw=0.5 * (1 - level)))
    return s


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        (
            {"sources": "a"},
            TypeError,
            r"\(sources\) must be a list of names or None, got 'a'; write \['a'\]",
        ),
        ({"delta": 0.0}, ValueError, r"measure_influence\(delta\) must lie between 0 and 0.5, got 0.0"),
        ({"delta": 0.5}, ValueError, "between 0 and 0.5, got 0.5"),
        ({"delta": math.nan}, ValueError, "between 0 and 0.5, got nan"),
        ({"confidence": 1.0}, ValueError, r"\(confidence\) must lie between 0 and 1, got 1.0"),
        ({"burn_in": 4}, ValueError, "is 4, and scenario 'odd' has 4 rounds, so none is left"),
        ({"burn_in": -1}, ValueError, r"\(burn_in\) must be a whole number, at least 0, got -1"),
        ({"judged": 0}, ValueError, r"Record\(judged\) must be a whole number"),
        ({"seeds": 0}, ValueError, r"\(seeds\) must be a whole number, at least 1, got 0"),
        ({"seeds": []}, ValueError, "seeds must name at least one replicate"),
        ({"seeds": [1, 1]}, ValueError, "none twice"),
        ({"sources": ["x"]}, KeyError, r"measure_influence\(sources\): there is no member 'x'"),
        ({"targets": ["x"]}, KeyError, r"measure_influence\(targets\): there is no member 'x'"),
        ({"like": {"x": ("a", "x")}}, KeyError, r"measure_influence\(like\): there is no member 'x'"),
        ({"sources": []}, ValueError, r"\(sources\) must name at least one member and none twice, got \[\]"),
        ({"targets": ["a", "a"]}, ValueError, r"\(targets\) must name at least one member and none twice"),
        ({"targets": ["mute"]}, ValueError, "'mute' has no reward, so no alignment to read; give it one"),
        ({"sources": ["none"]}, ValueError, r"'none' has no curated flow.*like=\{'none': \(u, 'none'\)\}"),
        ({"sources": ["all"]}, ValueError, "'all' has curation level 1: .* lower level"),
        (
            {"sources": ["low"]},
            ValueError,
            "'low' has curation level 0.01, which delta=0.02 would take to -0.01 and 0.03, .* take delta at most 0.01",
        ),
        ({"sources": ["high"]}, ValueError, "'high' has curation level 0.99, which .* to 0.97 and 1.01"),
        ({"sources": None}, ValueError, "'low' has curation level 0.01"),
        (
            {"sources": ["a"], "like": {"none": ("a", "none")}},
            ValueError,
            "names 'none', which is not among the sources",
        ),
        (
            {"sources": ["a"], "like": {"a": ("a", "a")}},
            ValueError,
            "for members at curation level 0, 'a' has 0.4; drop",
        ),
        ({"sources": ["none"], "like": {"none": ("a", "none")}}, ValueError, "'none' has no curated flow"),
    ],
)
def test_refusals(settings: dict[str, Any], error: type[Exception], message: str) -> None:
    s = odd(a=0.4, mute=0.4, none=0.0, all=1.0, low=0.01, high=0.99)
    settings.setdefault("sources", ["a"])
    with pytest.raises(error, match=message):
        measure_influence(s, **settings)


def test_nothing_to_vary_or_to_read() -> None:
    with pytest.raises(ValueError, match="no member of scenario 'odd' has a curation level strictly between 0 and 1"):
        measure_influence(odd(none=0.0, all=1.0))
    with pytest.raises(ValueError, match="no member of scenario 'odd' has a reward"):
        measure_influence(odd(mute=0.4))


def test_the_edges_of_the_range_are_in_it() -> None:
    """A level exactly ``delta`` from 0 or 1 is varied down to 0 or up to 1."""
    measured = measure_influence(odd(a=0.02, b=0.98), seeds=2)
    assert np.isfinite(measured.matrix.to_numpy()).all()
