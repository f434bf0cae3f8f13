"""The posterior by simulation: against a law that is known, by its ranks, and what it refuses."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest, norm

from ecosystem import Flow, Linear, Location, Member, Observations, Record, Scenario, Shift, every
from ecosystem.decisions import Calibration, Posterior, posterior

NOISE, N, ROUNDS = 0.3, 50, 10
FREE = ["strength(a):0.9:1.1", "strength(b):0.9:1.1"]


def walk(samples: int | None = N) -> Scenario:
    """Means walk by their users' shift and the noise of ``N`` samples, so posteriors of strengths are Gaussian."""
    s = Scenario("walk", rounds=ROUNDS, samples=samples)
    for name in "ab":
        s.add(name, Member(Location([0.0], NOISE), curator=Shift([1.0]), reward=Linear([1.0])))
    s.connect("a", "a", Flow(curated=1.0))
    s.connect("a", "b", Flow(curated=1.0, chosen_by="consumer"))
    return s


@pytest.fixture(scope="module")
def seen() -> Observations:
    return Observations.of(walk().run(seed=1, record=Record(parameters=every(1))), ["mean[0]"])


@pytest.fixture(scope="module")
def found(seen: Observations) -> Posterior:
    pytest.importorskip("sbi")
    return posterior(walk(), seen, FREE, seed=1)


def test_it_is_the_gaussian_that_is_known(seen: Observations, found: Posterior) -> None:
    """Steps are ``a + N(0, σ²/n)``: of each strength the posterior is ``N(mean step, σ²/(n · rounds))``.

    The density is learned, so it is held to a quarter of a standard deviation, and to a distance of .1 between
    distribution functions (2,000 draws of the law itself stay below .044 with 99.9 %).
    """
    wide = seen.table.pivot(index="round", columns="member", values="value")
    wide.loc[0] = 0.0
    a, b = (wide.sort_index()[name].to_numpy() for name in "ab")
    sd = NOISE / np.sqrt(N * ROUNDS)
    for name, steps in (("strength(a)", np.diff(a)), ("strength(b)", b[1:] - a[:-1])):
        drawn = found.samples[name]
        assert abs(drawn.mean() - steps.mean()) < 0.25 * sd
        assert 0.8 < drawn.std() / sd < 1.25
        assert kstest(drawn, norm(steps.mean(), sd).cdf).statistic < 0.1
    assert found.verdicts["verdict"].tolist() == ["fits"]
    table = found.intervals().set_index("parameter")
    assert list(table.columns) == ["mean", "sd", "low", "high"]
    assert (table["low"] < table["mean"]).all() and (table["mean"] < table["high"]).all()
    assert "strength(a)" in found.sentence


def test_ranks_of_simulated_truths_are_even(found: Posterior) -> None:
    """If intervals are right, 95 % of 200 hold the truth: 178 or more with 99.9 %."""
    told = found.calibration(200)
    assert told.ranks.shape == (200, 2) and told.even
    assert (told.table["within 95 %"] >= 0.89).all()
    assert "95 %" in repr(told)


def test_uneven_ranks_are_found() -> None:
    """Posteriors that are half as wide as they should be have ranks at both ends."""
    ranks = np.random.default_rng(0).beta(0.4, 0.4, 200) * 99
    told = Calibration(pd.DataFrame({"a": ranks.round()}), 99)
    assert not told.even and told.table["within 95 %"].iloc[0] < 0.9


def test_the_same_seed_is_the_same_posterior(seen: Observations) -> None:
    pytest.importorskip("sbi")
    few: dict[str, Any] = {"simulations": 200, "samples": 20}
    one, two = (posterior(walk(), seen, FREE[:1], seed=5, **few) for _ in range(2))
    pd.testing.assert_frame_equal(one.samples, two.samples)
    other = posterior(walk(), seen, FREE[:1], seed=6, **few)
    assert not np.allclose(one.samples, other.samples)


def test_what_no_simulation_reaches_is_said(seen: Observations) -> None:
    pytest.importorskip("sbi")
    far = Observations(seen.table.assign(value=seen.table["value"] + 50))
    told = posterior(walk(), far, FREE[:1], simulations=200, samples=20)
    assert told.verdicts["verdict"].tolist()[0] == "outside"


def test_errors_of_reading_are_the_chance_of_a_population(seen: Observations) -> None:
    """A population with known errors: the posterior is the Gaussian of a linear regression on the round."""
    pytest.importorskip("sbi")
    exact = walk(None).run().rounds
    table = Observations.wide(exact[(exact["member"] == "a") & (exact["round"] > 0)]).table.assign(sd=0.2)
    sd = 0.2 / np.sqrt((np.arange(1, ROUNDS + 1) ** 2).sum())
    told = posterior(walk(None), table, FREE[:1], simulations=1000)
    assert abs(told.samples["strength(a)"].mean() - 1.0) < 0.25 * sd
    assert 0.8 < told.samples["strength(a)"].std() / sd < 1.25


@pytest.mark.parametrize(
    ("free", "given", "words"),
    [
        (["strength(a)"], {}, r"strength\(a\) has no upper bound, .*'strength\(a\)::5'"),
        (FREE, {"noise": "much"}, "noise is a number"),
        (FREE, {"noise": -1.0}, "noise of 'mean.0.' is a number"),
        (FREE, {"noise": "column"}, "row 0 of the observations has no sd"),
        (FREE, {"simulations": 10}, "simulations"),
    ],
)
def test_what_is_missing_is_named(seen: Observations, free: list[str], given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        posterior(walk(), seen, free, **given)


def test_a_population_without_errors_leaves_nothing_to_chance(seen: Observations) -> None:
    with pytest.raises(ValueError, match="leaves nothing to chance"):
        posterior(walk(None), seen, FREE)


def test_without_the_library_its_extra_is_named(seen: Observations, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sbi.inference", None)
    with pytest.raises(ImportError, match=r"mesacosm\[inference\]"):
        posterior(walk(), seen, FREE, simulations=100)
