"""The posterior predictive check: its law where that is known, a wrong model named, a right one not."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy.stats import chi2, kstest

from ecosystem import Flow, Linear, Location, Member, Scenario, Tilt
from ecosystem.decisions import Posterior, posterior
from ecosystem.decisions.replicated import predictive_check

ROWS, MANY = 10, 20_000


def made(seed: int, many: int) -> np.ndarray:
    """Replicates of independent normal numbers of many sizes: the discrepancy is χ² with ``ROWS`` degrees."""
    return np.arange(ROWS) + 10.0 ** np.arange(ROWS) * np.random.default_rng(seed).normal(size=(many, ROWS))


@pytest.mark.parametrize("size", [0.6, 1.0, 1.3])
def test_p_is_that_of_chi_squared(size: float) -> None:
    """Within four standard errors by Monte Carlo, and what means and deviations of the reference are off by."""
    told = predictive_check(np.arange(ROWS) + size * 10.0 ** np.arange(ROWS), made(0, MANY))
    assert told.observed == pytest.approx(ROWS * size**2, rel=0.05)
    assert abs(told.p - chi2.sf(ROWS * size**2, ROWS)) < 4 * told.resolution + 0.01
    assert told.resolution == pytest.approx(np.sqrt(told.p * (1 - told.p) / (MANY / 2)), rel=1e-3)
    table = told.table.iloc[0]
    assert table["median"] == pytest.approx(chi2.median(ROWS), rel=0.05)
    assert table["high"] == pytest.approx(chi2.ppf(0.975, ROWS), rel=0.05)


def test_p_of_one_more_replicate_is_even() -> None:
    """Uniform on ``1/(R + 1), ..., 1``: 400 of them stay within .098 of it with 99.9 %, the steps of .01 beside."""
    ps = []
    for seed in range(400):
        rows = np.random.default_rng(seed).standard_t(5, size=(201, 4)) @ np.triu(np.ones((4, 4)))  # they go together
        ps.append(predictive_check(rows[0], rows[1:]).p)
    assert kstest(ps, "uniform").statistic < 0.098 + 0.01
    assert min(ps) >= 1 / 101


def test_what_no_replicate_comes_near_has_the_least_p_that_can_be_seen() -> None:
    told = predictive_check(made(1, 1)[0] + 10.0 ** np.arange(2, ROWS + 2), made(2, 400))
    assert told.p == told.resolution == 1 / 201 and told.verdict == "misfit"
    assert "p = 0.0050, the least that 200 can show" in told.sentence and "do not believe" in told.sentence


def test_observations_that_never_differ_are_left_out_and_lost_replicates_counted() -> None:
    rows = made(3, 401)
    rows[:, 0] = 2.0
    rows[1:101, 4] = np.nan
    told = predictive_check(rows[0], rows[1:])
    assert (told.compared, told.of, told.lost, len(told.replicated)) == (9, 10, 100, 150)
    assert told.observed == pytest.approx(predictive_check(rows[0, 1:], rows[1:, 1:]).observed)
    assert "residuals of 9 of ten observations (of which replicates differ)" in told.sentence


@pytest.mark.parametrize("rows", [np.ones((400, 3)), np.full((400, 3), np.nan)])
def test_what_cannot_be_checked_is_said(rows: np.ndarray) -> None:
    told = predictive_check(np.ones(3), rows)
    assert told.verdict == "unchecked" and np.isnan(told.p) and np.isnan(told.resolution)
    assert "could not be checked" in told.sentence and len(told.table) == 1


def chooser(temperature: float) -> Scenario:
    s = Scenario("chooser", rounds=8, samples=200)
    for name in ("hub", "reader"):
        s.add(name, Member(Location([0.0]), reward=Linear([1.0]), curator=Tilt(temperature), real=Location([0.0])))
    s.connect("hub", "hub", Flow(raw=0.2, curated=0.4))
    s.connect("hub", "reader", Flow(raw=0.4))
    return s


@cache
def known(truth: float, seed: int) -> Posterior:
    """What is made of data of another temperature, or of the same one, by who takes it for 1."""
    pytest.importorskip("sbi")
    seen = chooser(truth).run(seed=seed)
    return posterior(chooser(1.0), seen, ["raw(hub->reader):0.1:0.6"], simulations=400, samples=200, seed=seed)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_right_model_is_not_named(seed: int) -> None:
    """A right one is named with a probability of at most 1/201."""
    found = known(1.0, seed)
    assert found.checked.p > 0.01 and "fits" in set(found.verdicts["verdict"])
    assert "misfit" not in set(found.verdicts["verdict"])
    assert found.checked.sentence in set(found.verdicts["sentence"])


@pytest.mark.parametrize("seed", [1, 2])
def test_a_narrow_posterior_of_a_wrong_model_is_named(seed: int) -> None:
    found = known(0.6, seed)
    assert found.samples.std().iloc[0] < 0.5 * 0.5 / np.sqrt(12)  # half as wide as before at least
    told = found.verdicts.set_index("verdict")["sentence"]
    assert "fits" not in told.index and told["misfit"] == found.checked.sentence
    assert found.checked.p == found.checked.resolution == 1 / 201


def test_the_check_is_made_again_and_finer() -> None:
    found = known(1.0, 1)
    np.testing.assert_array_equal(found.check().replicated, found.checked.replicated)
    finer = found.check(1000)
    assert len(finer.replicated) == 500 and finer.resolution < found.checked.resolution
    assert abs(finer.p - found.checked.p) < 4 * np.hypot(finer.resolution, found.checked.resolution)
    with pytest.raises(ValueError, match=r"check\(replicates\)"):
        found.check(10)
