"""The next experiment: variances as the closed form has them, flat directions, and the ranking by simulation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from ecosystem import (
    Candidate,
    Curate,
    Curator,
    Flow,
    Linear,
    Location,
    Member,
    Scenario,
    Shift,
    fit,
    never,
    next_experiment,
    shuffled,
)
from ecosystem.decisions import Fit, Level, Parameters, Predictor, Share, Strength
from ecosystem.decisions.experiments import spread
from ecosystem.decisions.identifiability import directions
from ecosystem.decisions.quantities import as_quantity

NOISE = 0.05


def loop(rounds: int = 20) -> Scenario:
    """``θ' = λ(θ + a)``: the level and the strength of curation are both seen, weakly apart."""
    s = Scenario("loop", rounds=rounds)
    s.add("a", Member(Location([0.0]), reward=Linear([1.0]), curator=Shift([1.0]), real=Location([0.0])))
    s.connect("a", "a", Flow(curated=0.3))
    return s


def chain() -> Scenario:
    """``b`` reads what users of ``b`` chose of the still ``a``: only ``λa`` is ever seen."""
    s = Scenario("chain", rounds=10)
    s.add("a", Member(Location([0.0]), schedule=never))
    s.add("b", Member(Location([0.0]), reward=Linear([1.0]), curator=Shift([1.0]), real=Location([0.0])))
    s.connect("a", "b", Flow(curated=0.3, chosen_by="consumer"))
    return s


@pytest.fixture(scope="module")
def known() -> Fit:
    return fit(loop(), loop().run(), ["level(a)", "strength(a)"], noise=NOISE)


@pytest.fixture(scope="module")
def flat() -> Fit:
    return fit(chain(), chain().run(), ["level(b)", "strength(b)"], noise=NOISE)


def by_hand(rounds: int, level: float = 0.3, strength: float = 1.0) -> np.ndarray:
    """``dθ_t/d(λ, a)`` by ``θ_{t+1} = λ(θ_t + a)``, in units of the noise."""
    theta, slope, rows = 0.0, np.zeros(2), []
    for _ in range(rounds):
        slope = level * slope + np.array([theta + strength, level])
        theta = level * (theta + strength)
        rows.append(slope)
    return np.array(rows) / NOISE


def test_variances_are_those_of_the_closed_form(known: Fit) -> None:
    """``∇qᵀ (Σ JᵀJ)⁻¹ ∇q`` with derivatives by hand: the start is observed too, and moves with nothing."""
    now = by_hand(20)
    told = next_experiment(known, [Candidate("short", rounds=5), Candidate("twice", replicates=2)], "strength(a)")
    table = told.table.set_index("candidate")
    covariance = np.linalg.inv(now.T @ now)
    assert table["before"].to_numpy() == pytest.approx(np.sqrt(covariance[1, 1]), rel=1e-6)
    short = np.linalg.inv(now.T @ now + by_hand(5).T @ by_hand(5))
    assert table.at["short", "after"] == pytest.approx(np.sqrt(short[1, 1]), rel=1e-6)
    assert table.at["twice", "after"] == pytest.approx(np.sqrt(covariance[1, 1] / 3), rel=1e-6)
    assert table.at["twice", "drop"] == pytest.approx(2 / 3, rel=1e-6)
    assert told.best == "twice" and "66.7 % less variance" in told.sentence


def test_going_on_adds_the_later_rounds_alone_and_another_run_counts_the_observed_ones_again(known: Fit) -> None:
    """``F = Σ JᵀJ`` by hand: of rounds 1 to 40 of one run; of 1 to 20 and of 1 to 40 where the run is another."""
    later = Candidate("go on", rounds=40, going_on=True)
    other = Candidate("another", rounds=40)
    step = Candidate("go on and step", {21: [Curate("a", 0.3)]}, rounds=40, going_on=True)
    told = next_experiment(known, [later, other, step], "level(a)")
    table, all40, first20 = told.table.set_index("candidate"), by_hand(40), by_hand(20)
    on = np.sqrt(np.linalg.inv(all40.T @ all40)[0, 0])
    twice = np.sqrt(np.linalg.inv(all40.T @ all40 + first20.T @ first20)[0, 0])
    assert table.at["go on", "after"] == pytest.approx(on, rel=1e-6)
    assert table.at["another", "after"] == pytest.approx(twice, rel=1e-6) and twice < 0.99 * on
    # from round 21 on the level is a known one: the level itself moves θ by what is left of round 20, the strength by
    # both; θ' = .3 (θ + a), dθ'/dλ = .3 dθ/dλ, dθ'/da = .3 (dθ/da + 1)
    rows, slope = list(first20 * NOISE), first20[-1] * NOISE
    for _ in range(20):
        slope = 0.3 * (slope + np.array([0.0, 1.0]))
        rows.append(slope)
    stepped = np.array(rows) / NOISE
    expected = np.sqrt(np.linalg.inv(stepped.T @ stepped)[0, 0])
    assert table.at["go on and step", "after"] == pytest.approx(expected, rel=1e-6)
    assert table["observations"].to_dict() == {"go on": 20, "another": 40, "go on and step": 20}
    assert table["repeated"].to_dict() == {"go on": 0, "another": 20, "go on and step": 0}


def test_the_sentence_says_what_is_seen_again_and_how_many_observations_are_made(known: Fit) -> None:
    told = next_experiment(
        known, [Candidate("another", rounds=40), Candidate("on", rounds=40, going_on=True)], "strength(a)"
    )
    assert told.best == "another"
    assert "it makes 40 observations, the others 20" in told.sentence
    assert "another run, in which 20 of what was observed is seen once more (going_on=True" in told.sentence
    assert told.verdicts["verdict"].tolist() == ["repeats"]
    assert "seen once more in another, another run" in told.verdicts["sentence"].iloc[0]
    alone = next_experiment(known, [Candidate("on", rounds=40, going_on=True)], "strength(a)")
    assert alone.verdicts.empty and "observations" not in alone.sentence and "once more" not in alone.sentence
    late = next_experiment(known, [Candidate("late", {21: [Curate("a", 0.6)]}, rounds=40)], "strength(a)")
    early = next_experiment(known, [Candidate("early", {20: [Curate("a", 0.6)]}, rounds=40)], "strength(a)")
    assert late.table["repeated"].tolist() == [20] and early.table["repeated"].tolist() == [0]


def test_going_on_keeps_the_random_orders_of_the_run_that_was_observed() -> None:
    """Two members in random order: the later rounds are those of one run of the fit's seed, not of another."""
    s = Scenario("pair", rounds=6, ordering=shuffled)
    for name in "ab":
        s.add(name, Member(Location([0.0]), reward=Linear([1.0]), curator=Shift([1.0]), real=Location([0.0])))
    s.connect("a", "b", Flow(curated=0.5))
    s.connect("b", "a", Flow(curated=0.5))
    found = fit(s, s.run(seed=3), ["strength(a)"], noise=NOISE, seed=3)
    told = next_experiment(found, [Candidate("on", rounds=12, going_on=True)], "strength(a)")
    wanted = pd.DataFrame({"member": "b", "round": range(1, 13), "measure": "alignment"})
    slope = {
        seed: Predictor(s.replace(rounds=12), ["strength(a)"], wanted, seed=seed).jacobian(found.values)[1]
        for seed in (0, 3)
    }
    mine = told.plans["on"].predictor
    rows = (mine.wanted["member"] == "b").to_numpy()
    here = mine.jacobian(found.values)[1][rows]
    assert here == pytest.approx(slope[3][6:], rel=1e-9) and not np.allclose(here, slope[0][6:], rtol=1e-6)


def test_targets_and_profiles_are_named_as_free_numbers_are() -> None:
    s = eater()
    seen = s.run().rounds[["member", "round", "alignment"]].rename(columns={"alignment": "value"})
    seen = seen[seen["member"] == "a"].assign(measure="alignment", sd=NOISE)
    found = fit(s, seen, ["raw(a -> a)"], starts=1)
    again = [Candidate("again")]
    spelled = ["raw(a -> a)", "raw(a → a)", "raw(a->a)", " raw( a -> a ):0:1", Share("a", "a", "raw")]
    tables = [next_experiment(found, again, one) for one in spelled]
    assert {(one.target, one.table["after"].iloc[0]) for one in tables} == {
        ("raw(a → a)", tables[0].table["after"].iloc[0])
    }
    assert found.profile("raw(a -> a)") is found.profile(Share("a", "a", "raw")) is found.profile("raw(a → a)")
    other = fit(s.without("b").without("c"), seen, ["curated(a -> a)"], starts=1)
    with pytest.raises(ValueError, match="is both raw and curated"):
        next_experiment(other, again, Share("a", "a"))
    with pytest.raises(ValueError, match=r"^there is no free number 'share\(b → a\)': a target is one of raw"):
        next_experiment(found, again, Share("b", "a"))
    for wrong in ("raw(a)", "lewel"):
        with pytest.raises(ValueError, match="raw"):
            next_experiment(found, again, wrong)
    with pytest.raises(KeyError, match=r"there is no such free number; free are raw\(a → a\)"):
        found.profile("curated(a -> a)")


def test_a_share_without_its_part_is_the_one_that_is_there() -> None:
    free = Parameters(eater(), ["raw(b -> a)", "share(c -> a)"])
    assert [as_quantity(one, free).place for one in (Share("b", "a"), "share(b -> a)", "raw(c -> a)")] == [0, 0, 1]


def test_an_influence_and_a_function_move_as_their_closed_forms(known: Fit) -> None:
    """``M = dJ/dλ = a/(1−λ)²`` at ``θ* = λa/(1−λ)``; its gradient is ``(2a/(1−λ)³, 1/(1−λ)²)``."""
    told = next_experiment(known, [Candidate("again")], "M[a,a]")
    assert told.value == pytest.approx(1 / 0.7**2, rel=1e-9)
    assert told.gradient == pytest.approx([2 / 0.7**3, 1 / 0.7**2], rel=1e-7)
    square = next_experiment(known, [Candidate("again")], lambda s: s.curation("a") ** 2)
    assert square.gradient == pytest.approx([0.6, 0.0], abs=1e-9)


def eater() -> Scenario:
    """``a`` eats itself, ``b`` and ``c``, which are still at 0, and 0.1 of real data."""
    s = Scenario("eater", rounds=10)
    s.add("a", Member(Location([0.0]), reward=Linear([1.0]), curator=Shift([1.0]), real=Location([0.0])))
    s.connect("a", "a", Flow(raw=0.5, curated=0.3))
    for name in "bc":
        s.add(name, Member(Location([0.0]), schedule=never))
        s.connect(name, "a", Flow(raw=0.05))
    return s


def test_where_shares_fill_their_diet_an_influence_moves_as_its_closed_form() -> None:
    """``M = a/((1 − λ − r)(1 − λ))``, as what is not curated shrinks where ``λ`` grows; no share can grow here alone.

    ``c`` can neither grow nor shrink: ``q = e^{3c}(1 + b)`` moves with it as it does where one is taken for another.
    """
    free = Parameters(eater(), ["raw(a -> a)", "curated(a -> a)", "raw(b -> a)", "raw(c -> a)"])
    full = np.array([0.5, 0.3, 0.2, 0.0])
    influence = as_quantity("M[a,a]", free)
    assert influence.at(free, full) == pytest.approx(1 / (0.2 * 0.7), rel=1e-9)
    expected = [1 / (0.2**2 * 0.7), 1 / (0.2**2 * 0.7) + 1 / (0.2 * 0.7**2), 0.0, 0.0]
    assert influence.gradient(free, full) == pytest.approx(expected, rel=1e-7, abs=1e-7)

    def q(s: Scenario) -> float:
        b, c = (sum(s.flow(name, "a").raw for u, v in s.graph.edges if (u, v) == (name, "a")) for name in "bc")
        return float(np.exp(3 * c) * (1 + b))

    assert as_quantity(q, free).gradient(free, full) == pytest.approx([0, 0, 1, 3.6], abs=1e-8)
    assert free.highest(np.stack([full, free.values])) == pytest.approx(np.stack([full, free.values + 0.1]))


def test_of_what_is_flat_that_which_tells_it_is_best(flat: Fit) -> None:
    """Only ``λa`` is seen: again it would not tell ``λ``, a step or recorded choices do, and rank by how well."""
    step = Candidate("step", {5: [Curate("b", 0.6)]})
    chosen = Candidate("choices", measures=["curated"], members=["b"], noise=0.1)
    told = next_experiment(flat, [Candidate("again"), chosen, step], "level(b)")
    assert np.isinf(told.table["before"]).all()
    assert told.table["candidate"].tolist() == ["step", "choices", "again"]
    assert told.table["drop"].tolist()[:2] == [1.0, 1.0] and np.isnan(told.table["drop"].iloc[2])
    # choices are seen in ten rounds, each with an error of .1
    assert told.table["after"].iloc[1] == pytest.approx(0.1 / np.sqrt(10), rel=1e-6)
    assert told.verdicts["verdict"].tolist() == ["untold", "repeats"] and "again" in told.verdicts["sentence"].iloc[0]
    product = next_experiment(
        flat, [Candidate("again")], lambda s: s.curation("b") * float(s.member("b").curator.vector)
    )
    assert product.table["drop"].iloc[0] == pytest.approx(0.5, rel=1e-6)
    checked = told.check(20)
    assert checked["agrees"].tolist() == [True, True, False] and np.isnan(checked["simulated"].iloc[2])


def test_what_depends_on_nothing_is_known_already(known: Fit) -> None:
    told = next_experiment(known, [Candidate("again")], lambda s: 3.0)
    assert told.value == 3.0 and told.verdicts["verdict"].tolist() == ["nothing", "repeats"]
    assert "nothing to learn" in told.sentence


def test_simulated_variances_are_as_expected(known: Fit) -> None:
    """Standard deviations over 300 fits: within what chance does to them with 99.9 %."""
    step = Candidate("step", {10: [Curate("a", 0.6)]})
    told = next_experiment(known, [step, Candidate("ten more", replicates=10)], "level(a)")
    checked = told.check(300)
    assert checked["agrees"].all() and (checked["settled"] == 1).all()
    assert (checked["low"] < checked["simulated"]).all() and (checked["simulated"] < checked["high"]).all()


def test_a_spread_is_that_of_the_inverse() -> None:
    rng = np.random.default_rng(0)
    slopes, gradient = rng.normal(size=(9, 3)), rng.normal(size=3)
    expected = np.sqrt(gradient @ np.linalg.inv(slopes.T @ slopes) @ gradient)
    for values in (np.ones(3), np.array([1e-2, 5.0, 300.0])):
        assert spread(slopes, gradient, values) == pytest.approx(expected, rel=1e-9)
    assert spread(slopes[:2], gradient, np.ones(3)) == np.inf


def test_what_is_flat_for_a_spread_is_flat_for_a_fit() -> None:
    """A second direction seen by ``e`` of the first: told by exact slopes, not by rough ones from 1e-5 on."""
    free = [Level("a"), Strength("a")]
    for seen, rough, flat in [(1e-4, True, False), (1e-6, True, True), (1e-6, False, False), (1e-10, False, True)]:
        slopes = np.diag([1.0, seen])
        assert directions(slopes, np.ones(2), free, rough)[-1].flat == flat
        expected = np.inf if flat else np.sqrt(1 + 1 / seen**2)
        assert spread(slopes, np.ones(2), np.ones(2), rough) == pytest.approx(expected, rel=1e-9)
        assert spread(slopes, np.array([1.0, 0.0]), np.ones(2), rough) == pytest.approx(1.0)


@dataclass(frozen=True, eq=False)
class Bold(Curator):
    """A shift by its boldness whose law cuts the derivative."""

    boldness: torch.Tensor
    needs_reward = False

    def law(self, law, reward=None, memo=None):  # type: ignore[override]
        return law.shift(self.boldness.detach().unsqueeze(-1).expand(law.mean.shape))

    def free(self) -> dict[str, torch.Tensor]:
        return {"boldness": self.boldness}

    def freed(self, name: str, value: torch.Tensor) -> Curator:
        return self.rebuild({"boldness": value})


def test_the_next_experiment_of_slopes_by_differences_tells_no_more_than_its_fit() -> None:
    """``λa`` is seen, and ``λ`` a millionth as well: less than differences can tell from their own errors."""
    s = chain().with_member("b", curator=Bold(torch.tensor(1.0, dtype=torch.float64)))
    means = [("b", round, "mean[0]", 0.3, NOISE) for round in range(1, 11)]
    seen = pd.DataFrame(
        [*means, ("b", 1, "curated", 0.3, 1e5 * NOISE)], columns=["member", "round", "measure", "value", "sd"]
    )
    found = fit(s, seen, ["level(b)", "boldness(b)"], starts=1)
    told = next_experiment(found, [Candidate("again", noise=NOISE, measures=["mean[0]"])], "level(b)")
    assert found.predictor.differenced and found.flat and np.isinf(told.table[["before", "after"]].to_numpy()).all()
    product = next_experiment(
        found,
        [Candidate("again", measures=["mean[0]"])],
        lambda s: s.curation("b") * float(s.member("b").curator.boldness),
    )
    assert product.table["drop"].iloc[0] == pytest.approx(0.5, rel=1e-6)


@pytest.mark.parametrize(
    ("candidates", "target", "words"),
    [
        ([], "level(a)", "candidates need names of their own, at least one; got none"),
        ([Candidate("x"), Candidate("x")], "level(a)", "names of their own"),
        ([Candidate("x")], "level(b)", r"no free number 'level\(b\)': .*; did you mean 'level\(a\)'\?$"),
        ([Candidate("x", measures=["mean[0]"])], "level(a)", "nobody knows the error of 'mean.0.'"),
        ([Candidate("x", measures=["entropy"], noise=1.0)], "level(a)", "candidate 'x': there is no measure 'entropy'"),
        ([Candidate("x", {30: [Curate("a", 0.5)]})], "level(a)", "candidate 'x': .*30"),
        (
            [Candidate("x", going_on=True)],
            "level(a)",
            "goes on after round 20, .* and ends with round 20; say until when",
        ),
        ([Candidate("x", rounds=30, at=[20, 21], going_on=True)], "level(a)", "looks at round 20, which is over"),
        ([Candidate("x", {20: [Curate("a", 0.5)]}, rounds=30, going_on=True)], "level(a)", "acts in round 20, which"),
        ([Candidate("x", at=[25])], "level(a)", "candidate 'x': .*rounds 0 to 20, and round 25 is observed"),
    ],
)
def test_what_cannot_be_is_refused_by_name(known: Fit, candidates: list[Candidate], target: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        next_experiment(known, candidates, target)


def test_members_that_there_are_none_of(known: Fit) -> None:
    with pytest.raises(KeyError, match="'b'"):
        next_experiment(known, [Candidate("x")], "M[b,a]")
    with pytest.raises(KeyError, match="candidate 'x'"):
        next_experiment(known, [Candidate("x", {3: [Curate("b", 0.5)]})], "level(a)")
    with pytest.raises(TypeError, match="candidates are"):
        next_experiment(known, ["step"], "level(a)")  # type: ignore[list-item]


@pytest.mark.parametrize("given", [{"noise": 0.0}, {"replicates": 0}, {"rounds": 0}, {"noise": {"alignment": "x"}}])
def test_candidates_are_checked_when_they_are_made(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Candidate"):
        Candidate("x", **given)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"measures": "alignment"}, TypeError, r"Candidate\('x', measures\) is a list, or None, got 'alignment'"),
        ({"members": []}, ValueError, r"Candidate\('x', members\) names at least one, each once, got \[\]"),
        ({"at": [5, 5]}, ValueError, r"Candidate\('x', at\) names at least one, each once, got \[5, 5\]; replicates="),
        ({"at": [-1]}, ValueError, r"Candidate\('x', at\)"),
        ({"interventions": [3]}, TypeError, r"Candidate\('x', interventions\) are lists by round"),
    ],
)
def test_candidates_that_are_none_are_refused(given: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Candidate("x", **given)


def test_what_is_no_list_of_candidates_is_refused(known: Fit) -> None:
    with pytest.raises(TypeError, match=r"next_experiment\(candidates\) is a list of Candidate\(...\), got None"):
        next_experiment(known, None, "strength(a)")  # type: ignore[arg-type]
