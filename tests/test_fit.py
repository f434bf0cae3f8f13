"""Fits: free numbers, predictions with their Jacobian, recovery of what was planted, and what cannot be told apart."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from analysis import recover
from ecosystem import (
    Categorical,
    Curate,
    Curator,
    Disconnect,
    Flow,
    Level,
    Linear,
    Location,
    Luce,
    Member,
    ModelAgent,
    Real,
    Scenario,
    Share,
    Shift,
    Strength,
    Tabular,
    Taste,
    Temperature,
    Users,
    WeightedSum,
    accumulate,
    every,
    fit,
    sequential,
    shuffled,
)
from ecosystem.decisions import Number, Parameters, Predictor, as_free
from ecosystem.running.measures import Exact, entropy


def loop(rounds: int = 20, real: bool = True) -> Scenario:
    """``θ ← (1 − real) θ + λ a``: with nothing real only ``λa`` is seen."""
    s = Scenario("loop", rounds=rounds)
    source = Location([0.0, 0.0]) if real else None
    s.add("a", Member(Location([1.0, 0.0]), reward=Linear([1.0, 2.0]), curator=Shift([0.3, 0.4]), real=source))
    s.connect("a", "a", Flow(raw=0.3 if real else 0.6, curated=0.4))
    return s


def web(ordering: Any = None) -> Scenario:
    """Symbols: three members, delays, memory, clocks, an intervention, users of a flow's own."""
    s = Scenario("web", rounds=12, ordering=ordering or sequential("a", "b", "c"))
    even = Categorical([0.25] * 4)
    for i, name in enumerate("abc"):
        taste = Tabular([0.0, 1.0 + i, 0.5, -1.0])
        memory = {"retention": accumulate()} if name == "b" else {}
        clock = {"schedule": every(2)} if name == "c" else {}
        p = Categorical([0.1 * (i + 1), 0.4, 0.3, 0.2 - 0.1 * i])
        s.add(name, Member(p, reward=taste, curator=Luce(2, 0.8), real=even, **memory, **clock))
    s.connect("a", "b", Flow(raw=0.2, curated=0.3))
    s.connect("b", "c", Flow(raw=0.1, curated=0.3, chosen_by="consumer", delay=1))
    s.connect("c", "a", Flow(curated=0.4, chosen_by=Users(Tabular([1.0, 0.0, 0.0, 2.0]), Luce(3))))
    s.connect("b", "a", Flow(raw=0.3))
    s.at(5, Curate("b", 0.5))
    s.at(9, Disconnect("b", "a"))
    return s


WEB = ["level(c)", "raw(a -> b)", "temperature(a)", "taste(b)", "temperature(c -> a)", "taste(c -> a)", "raw(b -> a)"]


def rows(scenario: Scenario, measure: str = "alignment") -> pd.DataFrame:
    """The column of a population run, as observations."""
    found = scenario.replace(samples=None).run().rounds
    return found[["member", "round"]].assign(measure=measure, value=found[measure]).dropna(ignore_index=True)


def differences(predictor: Predictor, values: np.ndarray, step: float = 1e-6) -> np.ndarray:
    """Central differences ``[rows, P]``."""
    moved = values + np.concatenate([np.eye(len(values)), -np.eye(len(values))]) * step
    up, down = np.split(predictor(moved), 2)
    return (up - down).T / (2 * step)


# -- free numbers ------------------------------------------------------------------------------------------------------


def test_free_numbers_are_parts_or_texts() -> None:
    spelled = {
        "level(a)": Level("a"),
        "level(a):0.1:0.9": Level("a", low=0.1, high=0.9),
        "real(a)::0.5": Real("a", high=0.5),
        "raw(a -> b)": Share("a", "b", "raw"),
        "curated(a → b):0.1:": Share("a", "b", "curated", low=0.1),
        "share(a->b)": Share("a", "b"),
        "strength(a)": Strength("a"),
        "temperature(a -> b)": Temperature(("a", "b")),
        "taste(a)": Taste("a"),
        "boldness(a)": Number("a", "boldness"),
    }
    for text, part in spelled.items():
        assert as_free(text) == part == as_free(part) == as_free(repr(part))


def test_changed_scenarios_and_states_agree_and_keep_diets_whole() -> None:
    parameters = Parameters(web(), WEB)
    changed = parameters.scenario_at(parameters.values * 1.1)
    assert changed.curation("c") == pytest.approx(0.33) and changed.flow("a", "b").raw == pytest.approx(0.22)
    assert changed.member("a").curator.temperature == pytest.approx(0.88)  # type: ignore[union-attr]
    predictor = Predictor(web(), parameters, rows(web()))
    np.testing.assert_allclose(predictor(parameters.values * 1.1), rows(changed)["value"], rtol=0, atol=1e-12)
    for name in changed.names:
        shares = changed.incoming(name, dormant=True).values()
        assert changed.real_share(name) + sum(flow.raw + flow.curated for flow in shares) == pytest.approx(1)


def diet() -> Scenario:
    """Without real data: three shares of one diet."""
    s = Scenario("diet", rounds=8)
    for i, name in enumerate("abc"):
        s.add(name, Member(Location([float(i)]), reward=Linear([1.0])))
    s.add("reader", Member(Location([0.0]), reward=Linear([1.0])))
    for name, share in zip("abc", (0.5, 0.3, 0.2), strict=True):
        s.connect(name, "reader", Flow(raw=share))
        s.connect(name, name, Flow(raw=1.0))
    return s


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=2))
def test_any_place_in_the_box_is_a_diet_and_leads_back(z: list[float]) -> None:
    free = Parameters(diet(), ["raw(a -> reader):0.1:0.6", "raw(b -> reader):0.05:", "raw(c -> reader)"])
    assert free.names == ["raw(a → reader)", "raw(b → reader)"]  # the last one takes what they leave
    values = free.box(torch.tensor(z, dtype=torch.float64)).numpy()
    rest = free.rest(values)["raw(c → reader)"]
    assert (values >= free.low - 1e-12).all() and (values <= free.high + 1e-12).all() and rest >= -1e-12
    again = free.box(torch.from_numpy(free.unbox(values))).numpy()
    np.testing.assert_allclose(again, values, atol=1e-12)


def test_shares_without_real_data_are_fitted_on_their_simplex() -> None:
    shares = {"a": 0.25, "b": 0.6, "c": 0.15}
    truth = diet()
    truth = Parameters(truth, [f"raw({u} -> reader)" for u in "abc"]).scenario_at([shares["a"], shares["b"]])
    seen = rows(truth).query("member == 'reader'")
    start = diet()  # a, b, c stand at 0, 1, 2, so the mean of the reader tells one number: their ratio is not seen
    found = fit(start, seen.assign(sd=0.1), ["raw(a -> reader)", "raw(b -> reader)", "raw(c -> reader)"])
    assert found.flat and set(found.unbounded) == {"raw(a → reader)", "raw(b → reader)"}
    known = found.estimates.set_index("parameter")
    assert known.at["raw(c → reader)", "note"] == "unbounded" and np.isinf(known.at["raw(c → reader)", "high"])
    assert known["estimate"].sum() == pytest.approx(1) and found.chi2 < 1e-12


# -- predictions -------------------------------------------------------------------------------------------------------

GALLERY = {
    "pair": ["level(theta)", "strength(theta)", "taste(theta)"],
    "drifting": ["level(model)", "temperature(model)", "taste(model)"],
    "market": ["temperature(model 1)", "taste(few)"],
    "poisoned": ["level(platform)", "temperature(platform -> reader)", "taste(reader)"],
    "collapse": ["taste(ada)", "raw(ada -> bob)"],
    "commons": ["level(a)", "temperature(a)", "raw(a -> web)"],
}


@pytest.mark.parametrize("name", GALLERY)
def test_predictions_are_the_run_and_derivatives_are_exact(name: str) -> None:
    scenario = importlib.import_module(f"scenarios.{name}").scenario()
    scenario = scenario.replace(rounds=15, samples=None, interventions={}) if not scenario.interventions else scenario
    scenario = scenario.replace(samples=None)
    seen = rows(scenario)
    predictor = Predictor(scenario, GALLERY[name], seen)
    values = predictor.parameters.values
    np.testing.assert_allclose(predictor(values), seen["value"], rtol=1e-12, atol=1e-12)
    found, slopes = predictor.jacobian(values)
    np.testing.assert_allclose(found, seen["value"], rtol=1e-12, atol=1e-12)
    near = differences(predictor, values)
    assert np.abs(slopes - near).max() <= 1e-6 * max(1.0, np.abs(near).max())
    assert not predictor.differenced and np.abs(slopes).max() > 0


@pytest.mark.parametrize("ordering", [None, shuffled], ids=["sequential", "shuffled"])
def test_everything_that_happens_in_a_scenario_is_predicted(ordering: Any) -> None:
    scenario = web(ordering)
    seen = rows(scenario)
    predictor = Predictor(scenario, WEB, seen)
    np.testing.assert_allclose(predictor(predictor.parameters.values), seen["value"], rtol=0, atol=1e-12)
    values = predictor.parameters.values * np.linspace(0.9, 1.1, len(WEB))
    many, slopes = predictor.jacobian(np.stack([values, predictor.parameters.values]))
    np.testing.assert_allclose(slopes[0], differences(predictor, values), atol=1e-7)
    np.testing.assert_allclose(many[0], predictor(values), atol=1e-13)
    np.testing.assert_array_equal(slopes[1], predictor.jacobian(predictor.parameters.values)[1])


def test_means_shares_and_measures_of_laws_are_columns() -> None:
    asked = [("a", 3, "alignment"), ("a", 3, "mean[1]"), ("a", 3, "drift")]
    drift = Exact(lambda stack, real: (stack.mean - real.mean).square().sum(-1))
    drift.__name__ = "drift"
    wanted = pd.DataFrame(asked, columns=["member", "round", "measure"])
    predictor = Predictor(loop(), ["level(a)"], wanted, measures=[drift])
    theta = np.array([1.0, 0.0])
    for _ in range(3):
        theta = 0.7 * theta + 0.4 * np.array([0.3, 0.4])
    np.testing.assert_allclose(predictor([0.4]), [theta[0] + 2 * theta[1], theta[1], theta @ theta], atol=1e-14)
    wanted = pd.DataFrame([("b", 4, "probabilities[2]"), ("b", 4, "entropy")], columns=["member", "round", "measure"])
    p, h = Predictor(web(), ["temperature(a)"], wanted, measures=[entropy])([0.8])
    assert 0 < p < 1 and 0 < h < np.log(4)


@dataclass(frozen=True, eq=False, repr=False)
class Boldly(Curator):
    """Of one's own: a shift by its boldness; ``numb`` is one whose law cuts the derivative."""

    boldness: torch.Tensor
    numb: bool = False
    needs_reward = False

    def law(self, law, reward=None, memo=None):  # type: ignore[override]
        step = self.boldness.detach() if self.numb else self.boldness
        return law.shift(step.unsqueeze(-1).expand(law.mean.shape))

    def __repr__(self) -> str:
        return "Boldly"


class Bolder(Boldly):
    def free(self) -> dict[str, torch.Tensor]:
        return {"boldness": self.boldness}

    def freed(self, name: str, value: torch.Tensor) -> Boldly:
        return self.rebuild({"boldness": value})


@pytest.mark.parametrize("numb", [False, True])
def test_curators_of_ones_own_say_what_is_free_and_derivatives_are_checked(numb: bool) -> None:
    own = torch.tensor(0.5, dtype=torch.float64)
    scenario = loop().with_member("a", curator=Bolder(own, numb))
    seen = rows(loop().with_member("a", curator=Bolder(own * 2, numb)))
    found = fit(scenario, seen.assign(sd=0.1), ["boldness(a)"])
    assert found.values == pytest.approx([1.0], rel=1e-6)
    assert bool(found.predictor.differenced) == numb
    assert ("Bolder" in found.verdicts["sentence"].iloc[-1]) == numb
    with pytest.raises(ValueError, match=r"boldness\(a\) cannot be free: the curator Boldly says of no"):
        fit(loop().with_member("a", curator=Boldly(own)), seen, ["boldness(a)"], noise=1.0)


# -- fits --------------------------------------------------------------------------------------------------------------


def noisy(scenario: Scenario, sd: float, seed: int = 0) -> pd.DataFrame:
    seen = rows(scenario)
    return seen.assign(value=seen["value"] + sd * np.random.default_rng(seed).normal(size=len(seen)), sd=sd)


def test_a_linear_fit_has_the_closed_form_of_least_squares() -> None:
    seen = noisy(loop(), 0.05)
    found = fit(loop(), seen, ["strength(a)"])
    theta, unit = 1.0, 0.0  # J = J₀ + a u, both by the same recursion
    flat, slope = [theta], [unit]
    for _ in range(20):
        theta, unit = 0.7 * theta, 0.7 * unit + 0.4 * (0.6 + 2 * 0.8)
        flat.append(theta)
        slope.append(unit)
    y, x = seen["value"] - flat, np.array(slope)
    estimate, error = (x @ y) / (x @ x), 0.05 / np.sqrt(x @ x)
    row = found.estimates.iloc[0]
    assert row["estimate"] == pytest.approx(estimate, rel=1e-9) and row["error"] == pytest.approx(error, rel=1e-9)
    left = (y - estimate * x) / 0.05
    np.testing.assert_allclose(found.residuals["residual"], left, atol=1e-9)
    assert found.chi2 == pytest.approx(left @ left) and found.degrees == 20
    assert found.p == pytest.approx(chi2.sf(left @ left, 20))
    profile = found.profile("strength(a)")
    assert (profile.low, profile.high) == pytest.approx((row["low"], row["high"]), rel=1e-4)
    estimated = fit(loop(), seen, ["strength(a)"], noise="estimated")
    assert estimated.noise["alignment"] == pytest.approx(0.05 * np.sqrt(left @ left / 20), rel=1e-3)
    assert np.isnan(estimated.p) and estimated.verdicts["verdict"].iloc[0] == "noise"


def test_noise_of_each_measure_is_what_is_left_of_it_by_its_own_freedom() -> None:
    """``σ²_m = Σ_m e²/(n_m − Σ_m h)``: the one of few rows is not a little too small for what the fit took of them."""
    means = pd.DataFrame({"member": "a", "round": range(6), "measure": "mean[0]"})
    predictor = Predictor(loop(), ["strength(a)"], means)
    means["value"] = predictor(predictor.parameters.values)
    both = pd.concat([rows(loop()), means], ignore_index=True)
    chance = np.random.default_rng(1).normal(size=len(both))
    seen = both.assign(value=both["value"] + chance * np.where(both["measure"] == "alignment", 0.05, 0.2))
    found = fit(loop(), seen, ["strength(a)"])
    slope = found.slopes[:, 0]
    taken = slope**2 / (slope @ slope)
    for name, sd in found.noise.items():
        mine = (seen["measure"] == name).to_numpy()
        left = (found.residuals["residual"] * sd)[mine]
        assert sd == pytest.approx(np.sqrt(left @ left / (mine.sum() - taken[mine].sum())), rel=1e-3)
    with pytest.raises(ValueError, match=r"2 of 22 observations are of 'mean\[0\]', too few to tell its noise while 1"):
        fit(loop(), seen.drop(index=seen.index[-4:]).iloc[1:], ["strength(a)"])


def test_level_and_strength_trade_off_until_the_level_is_stepped() -> None:
    free = ["level(a)", "strength(a)"]
    found = fit(loop(real=False), noisy(loop(real=False), 0.05), free)
    assert [f.words for f in found.flat] == ["level(a) and strength(a): only their product is seen"]
    known = found.estimates
    assert (known["note"] == "unbounded").all() and np.isinf(known[["error", "low", "high"]].to_numpy()).all()
    assert found.covariance.isna().to_numpy().all() and "are unbounded" in found.sentence
    assert "step the level (Curate('a', ...)" in found.verdicts.set_index("verdict").at["flat", "sentence"]
    assert found.values.prod() == pytest.approx(0.2, rel=0.05)
    profile = found.profile("level(a)")
    assert np.isinf(profile.low) and np.isinf(profile.high)
    stepped = loop(real=False)
    stepped.at(10, Curate("a", 0.8))
    again = fit(stepped, noisy(stepped, 0.05), free)
    assert not again.flat and not again.unbounded
    inside = again.estimates.assign(planted=[0.4, 0.5])
    assert inside["planted"].between(inside["low"], inside["high"]).all() and (inside["error"] < 0.05).all()


def test_choices_alone_tell_only_the_ratio_of_temperature_and_taste() -> None:
    s = Scenario("one", rounds=6)
    s.add("a", Member(Categorical([0.5, 0.3, 0.2]), reward=Tabular([0.0, 1.0, 2.0]), curator=Luce(2)))
    s.connect("a", "a", Flow(raw=0.5, curated=0.5))
    wanted = [("a", n, f"probabilities[{i}]") for n in range(1, 7) for i in range(3)]
    frame = pd.DataFrame(wanted, columns=["member", "round", "measure"])
    frame["value"] = Predictor(s, ["temperature(a)"], frame)([1.0])
    found = fit(s, frame, ["temperature(a)", "taste(a)"], noise=0.01)
    assert [f.words for f in found.flat] == ["temperature(a) and taste(a): only their ratio is seen"]
    both = pd.concat([frame, rows(s)], ignore_index=True)
    assert not fit(
        s,
        both,
        ["temperature(a)", "taste(a)"],
        noise={**{f"probabilities[{i}]": 0.01 for i in range(3)}, "alignment": 0.01},
    ).flat


def test_fits_say_when_they_do_not_fit_and_when_they_stand_at_a_bound() -> None:
    seen = noisy(loop(), 0.01)
    wrong = fit(loop().with_member("a", reward=Linear([3.0, 0.0])), seen, ["level(a)"])
    assert wrong.verdicts["verdict"].iloc[0] == "misfit" and wrong.p < 1e-6
    held = fit(loop(), noisy(loop().with_curation("a", 0.6), 0.01), ["level(a)::0.5"])
    assert held.values == pytest.approx([0.5]) and held.estimates["note"].iloc[0] == "at its bound"
    assert "bound" in set(held.verdicts["verdict"])


def mixture(shares: tuple[float, float, float], real: bool) -> Scenario:
    """A reader of three that are still at ``e_i``, so its mean is their shares; 0.2 of its diet is another's."""
    s = Scenario("mixture", rounds=1)
    for name, at in zip("abcd", [*np.eye(3), np.zeros(3)], strict=True):
        s.add(name, Member(Location(at)))
        s.connect(name, name, Flow(raw=1.0))
    s.add("reader", Member(Location([0.0] * 3), real=Location([0.0] * 3) if real else None))
    for name, share in zip("abcd", (*shares, 0.2), strict=True):
        s.connect(name, "reader", Flow(raw=share))
    return s


@pytest.mark.parametrize("real", [True, False])
def test_estimates_whose_diet_is_full_are_at_their_bound_and_profiles_go_no_further(real: bool) -> None:
    """The nearest to (.5, .4, 0) of which .8 is the most: (.45, .35, 0), and likewise with ``a`` held."""
    scenario = mixture((0.3, 0.2, 0.1) if real else (0.3, 0.3, 0.2), real)
    facts = [("reader", 1, f"mean[{i}]", value) for i, value in enumerate([0.5, 0.4, 0.0])]
    seen = pd.DataFrame(facts, columns=["member", "round", "measure", "value"])
    found = fit(scenario, seen, [f"raw({u} -> reader)" for u in "abc"], noise=1.0)
    known = found.estimates
    assert known["estimate"].to_numpy() == pytest.approx([0.45, 0.35, 0.0], abs=1e-6)
    assert known["note"].tolist() == ["at its bound"] * 3
    assert found.verdicts["verdict"].tolist().count("bound") == len(found.names)
    profile = found.profile("raw(a → reader)")  # of little noise: an end is nowhere up to the bounds, 0 and 0.8
    a, rise = profile.table["value"].to_numpy(), profile.table["rise"].to_numpy()
    assert np.isinf([profile.low, profile.high]).all() and [a.min(), a.max()] == pytest.approx([0.0, 0.8])
    b = np.minimum(0.4 if real else 0.6 - a / 2, 0.8 - a)  # without real data b and c are the nearest that fill it
    c = np.zeros(len(a)) if real else 0.8 - a - b
    expected = (a - 0.5) ** 2 + (b - 0.4) ** 2 + c**2 - 2 * 0.05**2
    assert rise == pytest.approx(expected, abs=1e-6)


class Watched(Parameters):
    """Free numbers that keep what was asked of the rounds."""

    def __init__(self, *given: Any) -> None:
        self.asked: list[float] = []
        super().__init__(*given)

    def write(self, program: Any, state: Any, values: torch.Tensor) -> Any:
        self.asked += values.sum(-1).tolist()
        return super().write(program, state, values)


@pytest.mark.parametrize("shares", [(0.5, 0.2, 0.1), (0.6, 0.2, 0.0)])
def test_differences_keep_to_a_full_diet(shares: tuple[float, float, float]) -> None:
    """The reader's mean is its shares, so the Jacobian is the identity; of a share that cannot move, by a swap."""
    scenario = mixture((0.5, 0.2, 0.1), real=True)
    wanted = pd.DataFrame({"member": "reader", "round": 1, "measure": [f"mean[{i}]" for i in range(3)]})
    free = Watched(scenario, [f"raw({u} -> reader)" for u in "abc"])
    predictor = Predictor(scenario, free, wanted)
    assert not predictor.differenced and max(free.asked) <= 0.8 + 1e-12
    predictor.differenced = dict.fromkeys(predictor.names, "a part of one's own")
    np.testing.assert_allclose(predictor.jacobian(list(shares))[1], np.eye(3), atol=1e-8)
    assert max(free.asked) <= 0.8 + 1e-12


def test_an_estimate_inside_its_diet_is_at_no_bound() -> None:
    facts = [("reader", 1, f"mean[{i}]", value) for i, value in enumerate([0.4, 0.3, 0.1])]
    seen = pd.DataFrame(facts, columns=["member", "round", "measure", "value"])
    found = fit(mixture((0.3, 0.3, 0.2), False), seen, [f"raw({u} -> reader)" for u in "abc"], noise=0.01)
    assert found.estimates["note"].tolist() == ["", "", "the rest"]


def test_a_profile_that_finds_a_better_fit_says_so() -> None:
    """Of ``x(1 − x) = .16`` and, loosely, ``x = .2``, one search from .9 ends beside .8, behind a low hill."""
    s = Scenario("hill", rounds=1)
    s.add("a", Member(Location([1.0])))
    s.add("reader", Member(Location([0.0]), real=Location([0.0])))
    s.connect("a", "a", Flow(raw=1.0))
    s.connect("a", "reader", Flow(raw=0.9))
    bump = Exact(lambda stack, real: stack.mean[..., 0] * (1 - stack.mean[..., 0]))
    bump.__name__ = "bump"
    facts = [("reader", 1, "bump", 0.16), ("reader", 1, "mean[0]", 0.2)]
    seen = pd.DataFrame(facts, columns=["member", "round", "measure", "value"]).assign(sd=[0.045, 0.4])
    name = "raw(a → reader)"

    def squares(x: np.ndarray) -> np.ndarray:
        return ((x * (1 - x) - 0.16) / 0.045) ** 2 + ((x - 0.2) / 0.4) ** 2

    stuck = fit(s, seen, [name], measures=[bump], starts=1)
    assert stuck.values[0] > 0.7 and "better" not in set(stuck.verdicts["verdict"])
    table = stuck.profile(name).table
    expected = squares(table["value"].to_numpy()) - squares(stuck.values)
    assert table["rise"].to_numpy() == pytest.approx(expected, abs=1e-9) and expected.min() < -0.5
    said = stuck.verdicts.set_index("verdict").at["better", "sentence"]
    assert f"the profile of {name} found χ² lower by {-expected.min():.3g}" in said and "more starts" in said
    assert said in repr(stuck.profile(name))
    best = fit(s, seen, [name], measures=[bump], starts=8)
    assert best.values == pytest.approx([0.2], abs=1e-6) and not best.profile(name).better


def test_missing_and_repeated_values_are_taken_as_they_are() -> None:
    seen = noisy(loop(), 0.05)
    seen.loc[3, "value"] = np.nan
    twice = pd.concat([seen.assign(replicate=0), noisy(loop(), 0.05, seed=1).assign(replicate=1)])
    found = fit(loop(), twice, ["strength(a)"])
    assert len(found.residuals) == 41 and found.degrees == 40
    alone = fit(loop(), seen, ["strength(a)"]).estimates["error"][0]
    assert found.estimates["error"][0] < 0.8 * alone


def test_a_fit_shows_itself() -> None:
    found = fit(loop(), noisy(loop(), 0.05), ["level(a)", "strength(a)"])
    assert "level(a)" in found._repr_html_() and "χ²" in found._repr_html_() and found.sentence in repr(found)
    assert found.scenario.curation("a") == pytest.approx(found.values[0])
    assert (found.starts["converged"]).all() and found.others == 0


# -- refusals ----------------------------------------------------------------------------------------------------------

SEEN = pd.DataFrame({"member": "a", "round": [1, 2, 3], "measure": "alignment", "value": [0.5, 0.6, 0.7]})


@pytest.mark.parametrize(
    ("changes", "free", "options", "error", "message"),
    [
        ({"member": "zoe"}, ["level(a)"], {}, ValueError, "unknown member 'zoe'"),
        ({"round": [1, 2, 99]}, ["level(a)"], {}, ValueError, "round 99, and the scenario has 20"),
        ({"measure": "beauty"}, ["level(a)"], {}, ValueError, "there is no measure 'beauty'"),
        ({"measure": "mean[7]"}, ["level(a)"], {}, ValueError, "mean.7. of 'a' has no exact value"),
        ({"round": [1, 1, 3]}, ["level(a)"], {}, ValueError, "a second time"),
        ({"sd": [0.1, np.nan, 0.1]}, ["level(a)"], {"noise": "column"}, ValueError, "round 2 has no sd"),
        ({"round": [0, 0, 0], "replicate": [0, 1, 2]}, ["level(a)"], {}, ValueError, "depends on level.a."),
        ({}, ["level(b)"], {}, KeyError, "'b'"),
        ({}, ["level(a)", "level(a):0:"], {}, ValueError, "level.a. twice"),
        ({}, ["level(a)", "raw(a -> a)"], {}, ValueError, "move the same shares of 'a'"),
        ({}, ["raw(a -> a)"], {}, ValueError, "say which|not"),
        ({}, ["temperature(a)"], {}, ValueError, "says of no number 'temperature'.*it has strength"),
        ({}, ["level(a):0.5:0.9"], {}, ValueError, "is 0.4 in scenario 'loop', which lies outside its bounds"),
        ({}, ["level(a):2:3"], {}, ValueError, "got the bounds 2.0 and 3.0"),
        ({}, [], {}, TypeError, "at least one free number"),
        ({}, ["level a"], {}, ValueError, "a free number is"),
        ({}, ["level(a)"], {"noise": 0.0}, ValueError, "above 0"),
        ({}, ["level(a)"], {"noise": {"beauty": 1.0}}, ValueError, "nothing says that of 'alignment'"),
        ({}, ["level(a)"], {"measures": [len]}, TypeError, "measures are functions of a member's law"),
    ],
)
def test_what_cannot_be_fitted_is_refused_by_name(changes, free, options, error, message: str) -> None:
    if free == ["raw(a -> a)"]:
        free, message = ["share(a -> a)"], "both raw and curated"
    with pytest.raises(error, match=message):
        fit(loop(), SEEN.assign(**changes), free, **{"noise": 0.1, **options})


def test_more_refusals_by_name() -> None:
    with pytest.raises(ValueError, match="2 numbers are free and 1 observed"):
        fit(loop(), SEEN[:1], ["level(a)", "strength(a)"], noise=0.1)
    with pytest.raises(ValueError, match="cannot be free alone: 'a' has no real data"):
        fit(loop(real=False), SEEN, ["raw(a -> a)"], noise=0.1)

    class Own(ModelAgent):
        pass

    with pytest.raises(ValueError, match="'a' has an agent of its own, Own"):
        fit(loop().with_member("a", agent=Own), SEEN, ["level(a)"], noise=0.1)
    blunt = loop().with_member("a", reward=lambda x: x.sum(-1))
    with pytest.raises(ValueError, match=r"taste\(a\) cannot be free: the reward .* has no scaled"):
        fit(blunt, SEEN, ["taste(a)"], noise=0.1)
    with pytest.raises(ValueError, match=r"alignment of 'a' has no exact value"):
        fit(blunt, SEEN, ["level(a)"], noise=0.1)
    alone = Parameters(loop().with_member("a", reward=WeightedSum([Linear([1.0, 2.0])], [1.0])), ["taste(a)"])
    assert alone.scenario_at([2.0]).run().rounds["alignment"][1] == 2 * loop().run().rounds["alignment"][1]
    with pytest.raises(KeyError, match="did you mean 'level"):
        fit(loop(), noisy(loop(), 0.1), ["level(a)"]).profile("level(b)")


def test_planted_networks_are_found_again_and_ridges_are_flagged(tmp_path: Path) -> None:
    table = recover.main(["--networks", "2", "--out", str(tmp_path)])
    found = recover.summary(table).set_index(["case", "family"])
    assert found.loc[("ridge", "location"), "ridges"] == 1 and found["ridges"].sum() == 1
    assert (table["error"][~table["unbounded"]] > 0).all() and found["covered"].min() >= 0.5
    assert len(pd.read_csv(tmp_path / "recover.csv")) == len(table) == 16
