"""Verifiers: their laws against SciPy's, samples against laws, and influence through them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ecosystem import (
    Categorical,
    Crowd,
    Curator,
    Flow,
    Gaussian,
    Linear,
    Location,
    Member,
    NoPopulationLaw,
    Quadratic,
    Scenario,
    Tabular,
    Threshold,
    Within,
)
from ecosystem.core.laws import Moments, Normal
from ecosystem.curation import Slate, verifiers
from ecosystem.curation.base import hopeless
from ecosystem.influence import influence, stable_point
from ecosystem.rewards import Reward


def moments(curator: Curator, law: Normal, reward: Reward | None = None) -> Moments:
    found = curator.law(law, reward)
    assert isinstance(found, Moments)
    return found


def normal(mean: list[float], scale: float) -> Normal:
    return Normal(torch.tensor(mean, dtype=torch.float64), scale=torch.tensor(scale, dtype=torch.float64))


@settings(max_examples=60, deadline=None)
@given(st.floats(-30, 30), st.floats(0.2, 5), st.floats(0.05, 10))
def test_on_a_line_it_is_the_truncated_normal(mean: float, scale: float, radius: float) -> None:
    kept = moments(Within([0.5], radius), normal([mean], scale))
    exact = stats.truncnorm((0.5 - radius - mean) / scale, (0.5 + radius - mean) / scale, loc=mean, scale=scale)
    assert float(kept.mean) == pytest.approx(exact.mean(), abs=1e-7 * scale)
    if abs(mean) / scale < 6:  # SciPy's own variance loses its digits further out
        assert float(kept.covariance) == pytest.approx(exact.var(), rel=1e-5, abs=1e-9)


def test_in_space_the_moments_are_the_derivatives_of_the_mass_that_passes() -> None:
    mean, scale, radius = torch.tensor([1.0, -0.5, 0.3], dtype=torch.float64), 0.8, 1.2
    centre = torch.tensor([0.2, 0.1, 0.0], dtype=torch.float64)

    def log_mass(at: np.ndarray) -> float:
        away = float(((at - centre.numpy()) ** 2).sum()) / scale**2
        return float(np.log(stats.ncx2.cdf(radius**2 / scale**2, 3, away)))

    step, start = 1e-4, mean.numpy()
    ways = np.eye(3) * step
    slope = [(log_mass(start + way) - log_mass(start - way)) / (2 * step) for way in ways]
    kept = moments(Within(centre, radius), normal(mean.tolist(), scale))
    assert kept.mean.tolist() == pytest.approx((start + scale**2 * np.array(slope)).tolist(), abs=1e-6)
    second = [
        [
            (log_mass(start + a + b) - log_mass(start + a - b) - log_mass(start - a + b) + log_mass(start - a - b))
            / (4 * step**2)
            for b in ways
        ]
        for a in ways
    ]
    exact = scale**2 * np.eye(3) + scale**4 * np.array(second)
    assert np.allclose(kept.covariance.numpy(), exact, atol=1e-5)


def test_far_away_and_wide_open_it_stays_exact() -> None:
    far = moments(Within([0.0], 1.0), normal([100.0], 1.0))
    assert 0.98 < float(far.mean) < 1.0 and float(far.covariance) == pytest.approx(1e-4, rel=0.05)
    wide = moments(Within([0.0, 0.0], 1e6), normal([3.0, 4.0], 1.0))
    assert wide.mean.tolist() == [3.0, 4.0] and torch.equal(wide.covariance, torch.eye(2).double())
    for centre in (1e6, 1e100, 1e300):  # of the last the square is no number
        with pytest.raises(ValueError, match="standard deviations, and its edge near"):
            Within([0.0], centre).law(normal([centre], 1.0))


@settings(max_examples=60, deadline=None)
@given(st.floats(-8, 8), st.floats(0.2, 5), st.floats(-10, 10))
def test_above_a_threshold_it_is_the_upper_tail(mean: float, scale: float, least: float) -> None:
    kept = moments(Threshold(least), normal([mean, 7.0], scale), Linear([1.0, 0.0]))
    exact = stats.truncnorm((least - mean) / scale, np.inf, loc=mean, scale=scale)
    assert kept.mean.tolist() == pytest.approx([exact.mean(), 7.0], rel=1e-6, abs=1e-6)
    if (least - mean) / scale < 8:
        assert torch.diag(kept.covariance).tolist() == pytest.approx([exact.var(), scale**2], rel=1e-4)


@pytest.mark.parametrize("up", [30.0, 99.0, 101.0, 1e3, 1e4])
def test_far_up_the_tail_loses_no_digits(up: float) -> None:
    """Against the asymptotic series of the inverse Mills ratio; 1 + cλ − λ² by itself is negative from c = 1,000 on."""
    kept = moments(Threshold(up), normal([0.0], 1.0), Linear([1.0]))
    assert float(kept.mean) - up == pytest.approx(1 / up - 2 / up**3 + 10 / up**5, rel=1e-5, abs=1e-11)
    assert float(kept.covariance) == pytest.approx(1 / up**2 - 6 / up**4 + 50 / up**6 - 518 / up**8, rel=1e-6)


def loop(curator, mean: float, samples: int | None = None, rounds: int = 1, reward=None) -> Scenario:
    """One member on its own verified output alone."""
    s = Scenario("loop", rounds=rounds, samples=samples)
    s.add("a", Member(Location([mean]), reward=reward, curator=curator))
    s.connect("a", "a", Flow(curated=1.0))
    return s


@pytest.mark.parametrize("radius", [0.3, 1.0, 2.5])
def test_whoever_trains_on_verified_output_alone_goes_to_the_verifiers_centre(radius: float) -> None:
    """Whatever the radius, which sets the speed."""
    run = loop(Within([2.0], radius), -1.0, rounds=400).run()
    assert float(run.parameters["a"]["mean"].flatten()[0]) == pytest.approx(2.0, abs=1e-6)


def test_a_smaller_radius_is_faster() -> None:
    ends = [loop(Within([2.0], r), 0.0, rounds=3).run().parameters["a"]["mean"].flatten()[0] for r in (0.3, 1.0, 2.5)]
    assert 2.0 > ends[0] > ends[1] > ends[2] > 0.0


@pytest.mark.parametrize(
    ("curator", "reward"), [(Within([1.0], 0.7), None), (Threshold(0.8), Linear([1.0]))], ids=["within", "threshold"]
)
def test_samples_keep_to_the_law(curator, reward) -> None:
    """Mean of 40 replicates of 500 samples within four standard errors."""
    s = loop(curator, 0.0, samples=500, reward=reward)
    sampled = s.run(seed=1, replicates=40).parameters["a"]["mean"].flatten()
    exact = s.replace(samples=None).run().parameters["a"]["mean"].flatten()[0]
    assert abs(float(sampled.mean() - exact)) < 4 * float(sampled.std()) / 40**0.5


def test_what_does_not_pass_on_symbols_dies_and_where_nothing_does_it_is_refused() -> None:
    s = Scenario("symbols", rounds=1)
    s.add("a", Member(Categorical([0.2, 0.3, 0.5]), reward=Tabular([-1.0, 0.0, 2.0]), curator=Threshold(0.0)))
    s.connect("a", "a", Flow(curated=1.0))
    end = s.run().parameters["a"]["probabilities"].flatten().tolist()
    assert end == pytest.approx([0.0, 0.375, 0.625])
    with pytest.raises(ValueError, match=r"the law of what .*Threshold.* keep is not finite"):
        s.with_member("a", curator=Threshold(3.0)).check()


def test_influence_goes_through_verifiers() -> None:
    """Central differences over the curated share, through the stable point."""

    s = Scenario("checked", rounds=1)
    near, above = Within([1.0, 1.0], 0.8), Threshold(0.5)
    s.add("a", Member(Location([0.3, 0.0]), reward=Linear([1.0, 0.5]), curator=near, real=Location([0.0, 0.0])))
    s.add("b", Member(Location([0.0, 0.2]), reward=Linear([0.2, 1.0]), curator=above, real=Location([0.3, 0.1])))
    s.connect("a", "a", Flow(raw=0.1, curated=0.3))
    s.connect("a", "b", Flow(raw=0.3))
    s.connect("b", "b", Flow(curated=0.3))
    s.connect("b", "a", Flow(raw=0.3))
    step, matrix = 1e-5, influence(s).matrix
    for name in "ab":
        ends = [stable_point(s.with_curation(name, 0.3 + way)).alignment for way in (step, -step)]
        slope = (ends[0] - ends[1]) / (2 * step)
        assert matrix[name].to_list() == pytest.approx(slope[matrix.index].to_list(), rel=1e-5)


@pytest.mark.filterwarnings("ignore:.* replicates diverged")
@pytest.mark.parametrize("curator", [Within([0.0], 0.9), Threshold(0.5), Crowd.noisy(Within([0.0], 0.9), 0.2)])
def test_who_finds_nothing_that_passes_is_a_failure_of_that_replicate_alone(curator: Curator, monkeypatch) -> None:
    """It ended the whole run."""
    monkeypatch.setattr(verifiers, "_MOST", 4)
    s = loop(curator, 0.0, samples=3, rounds=3, reward=Linear([1.0]))
    run = s.run(replicates=30)
    lost = set(run.failures["replicate"])
    assert 0 < len(lost) < 30
    said = run.failures["error"].str
    assert said.fullmatch(
        r"none of 4 candidates for .* passes (Within|Threshold)\(.*\), of what 'a' was to train on .*"
    ).all()
    first = set(range(30)) - lost
    alone = {r: s.run(replicates=r + 1).parameters["a"]["mean"][r] for r in sorted(first)[:3]}
    assert all(torch.equal(run.parameters["a"]["mean"][r], mean) for r, mean in alone.items())


def test_a_slate_that_cannot_be_told_makes_it_an_error() -> None:
    with pytest.raises(ValueError, match="nothing passes; verify less"):
        hopeless(Slate, torch.tensor([0]), "nothing passes", "verify less")  # type: ignore[arg-type]


def test_refusals() -> None:
    with pytest.raises(ValueError, match=r"Within\(radius\) must be a positive number"):
        Within([0.0], 0.0)
    with pytest.raises(ValueError, match=r"centre of shape \(2,\), but samples have \(1,\)"):
        loop(Within([0.0, 1.0], 1.0), 0.0).check()
    s = Scenario("wide", rounds=1)
    s.add("a", Member(Gaussian([0.0, 0.0], [[1.0, 0.2], [0.2, 1.0]]), curator=Within([0.0, 0.0], 1.0)))
    s.connect("a", "a", Flow(curated=0.5))
    with pytest.raises(NoPopulationLaw, match="Within"):
        s.run()
    bent = loop(Threshold(0.0), 0.0, reward=Quadratic([1.0], 1.0))
    with pytest.raises(NoPopulationLaw, match="Threshold"):
        bent.run()
    symbols = Scenario("symbols", rounds=1)
    symbols.add("a", Member(Categorical([0.5, 0.5]), curator=Within([0.0], 1.0)))
    with pytest.raises(TypeError, match="this flow carries symbols"):
        symbols.connect("a", "a", Flow(curated=0.5))
