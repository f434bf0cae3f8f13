"""Closed-form families: sampling, fitting, collapse, and what they refuse.

Statistical tests have fixed seeds; each holds for a correct family with a confidence above 99.9 %.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ecosystem import (
    Categorical,
    Flow,
    Gaussian,
    GaussianMixture,
    Location,
    Member,
    NoPopulationLaw,
    Ridge,
    Scenario,
    Stream,
)
from ecosystem.core.laws import Finite, Moments, Normal, mix
from ecosystem.core.stacking import stack
from ecosystem.generators import ClosedForm, Empirical
from tests.drawn import covariance, mixture, normals, numbers, probabilities

_quick = settings(max_examples=30, deadline=None)
seeds = st.integers(0, 10**6)
RNG = Stream.root([(0, 0)])[0]


MAKE: dict[str, Callable[[int], ClosedForm]] = {
    "location": lambda seed: Location(normals(seed, 2), 0.5 + seed / 10),
    "gaussian": lambda seed: Gaussian(normals(seed, 2), covariance(seed, d=2)),
    "categorical": lambda seed: Categorical(probabilities(seed, 4)),
    "mixture": lambda seed: mixture(seed),
    "ridge": lambda seed: Ridge(normals(seed, 2), 0.5 + seed / 10, inputs=covariance(seed, d=2)),
    "empirical": lambda seed: Empirical(normals(seed, 7, 2)),
    "symbols": lambda seed: Empirical(torch.randint(4, (9,), generator=torch.Generator().manual_seed(seed)), symbols=4),
}


# -- sampling ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", MAKE)
def test_samples_have_the_moments_of_the_law(family: str) -> None:
    """100,000 samples: mean and covariance, or frequencies, within 5 standard errors."""
    model, n = MAKE[family](3), 100_000
    x, law = model.sample(n, RNG), model.law()
    assert x.shape == (n, *model.event_shape)
    if isinstance(law, Finite):
        seen = torch.bincount(x, minlength=4) / n
        assert ((seen - law.probabilities).abs() < 5 * (law.probabilities * (1 - law.probabilities) / n).sqrt()).all()
        return
    centred = x - law.mean
    products = centred.unsqueeze(-1) * centred.unsqueeze(-2)
    assert (centred.mean(0).abs() < 5 * centred.std(0) / math.sqrt(n)).all()
    assert ((products.mean(0) - law.covariance).abs() < 5 * products.std(0) / math.sqrt(n)).all()


def test_normal_families_are_normal() -> None:
    """Kolmogorov–Smirnov along a direction, p > 1e-4."""
    for model in (Location([1.0, -1.0], 0.5), Gaussian([1.0, -1.0], covariance(1, d=2))):
        law, g = model.law(), numbers([0.6, -0.8])
        u = (model.sample(40_000, RNG) @ g - law.mean @ g) / (g @ law.covariance @ g).sqrt()
        assert stats.kstest(u.numpy(), stats.norm.cdf).pvalue > 1e-4


@pytest.mark.parametrize("family", MAKE)
def test_a_batch_of_members_samples_as_each_would_alone(family: str) -> None:
    """``[members, replicates]`` of models with streams of their own: the bits of each alone."""
    models = [MAKE[family](seed) for seed in range(6)]
    many = stack([stack(models[:3]), stack(models[3:])])
    assert many.batch_shape == (2, 3) and many.event_shape == models[0].event_shape
    streams = Stream.root([(s, r) for s in range(2) for r in range(3)])
    x = many.sample(5, Stream(streams.keys.reshape(2, 3)))
    assert x.shape == (2, 3, 5, *many.event_shape)
    for i, model in enumerate(models):
        assert torch.equal(x[i // 3, i % 3], model.sample(5, streams[i]))
    shared = many.sample(5, RNG)  # one stream for all
    assert torch.equal(shared[1, 2], models[5].sample(5, RNG))
    assert torch.equal(many.take((1, 2)).sample(5, RNG), models[5].sample(5, RNG))
    assert torch.equal(many.sample(9, RNG)[:, :, :5], shared)


@pytest.mark.parametrize("family", MAKE)
def test_samples_from_an_index_are_those_of_the_member(family: str) -> None:
    models = [MAKE[family](seed) for seed in range(4)]
    many, noise, index = stack(models), models[0].noise(6, RNG), torch.tensor([3, 0, 0, 2, 1, 3])
    x = many.push_from(noise, index)
    for i, member in enumerate(index.tolist()):
        assert torch.equal(x[i : i + 1], models[member].push_from(noise[i : i + 1], torch.tensor([0])))


# -- fitting -----------------------------------------------------------------------------------------------------------


@_quick
@given(seed=seeds, n=st.integers(3, 30), batch=st.sampled_from([(), (3,), (2, 3)]))
def test_fits_are_maximum_likelihood(seed: int, n: int, batch: tuple) -> None:
    """Mean, covariance with divisor ``n``, relative frequencies."""
    x = normals(seed, *batch, n, 2) * 3 + 5
    location, gaussian = Location([0.0, 0.0], 0.7), Gaussian([0.0, 0.0], np.eye(2))
    location.fit(x)
    torch.testing.assert_close(location.mean, x.mean(-2))
    assert float(location.scale) == 0.7
    gaussian = gaussian.refit(gaussian.statistic(x))
    centred = x - x.mean(-2, keepdim=True)
    torch.testing.assert_close(gaussian.mean, x.mean(-2))
    torch.testing.assert_close(gaussian.covariance, centred.mT @ centred / n, rtol=1e-8, atol=1e-8)
    symbols = (x[..., 0] > 5).long() + (x[..., 1] > 5).long()
    categorical = Categorical([0.2, 0.3, 0.5])
    categorical.fit(symbols)
    expected = torch.stack([(symbols == k).double().mean(-1) for k in range(3)], -1)
    torch.testing.assert_close(categorical.probabilities, expected)


@pytest.mark.parametrize("family", ["location", "gaussian", "categorical", "ridge"])
def test_refitting_its_own_law_changes_nothing(family: str) -> None:
    """``refit`` inverts the expected statistic: alone on the population a member stays where it is."""
    for seed in range(5):
        model = MAKE[family](seed)
        again = model.refit(model.statistic_of(model.law()))
        assert type(again) is type(model) and again.kind() == model.kind()
        for name, value in model.tensors().items():
            torch.testing.assert_close(again.tensors()[name], value, rtol=1e-12, atol=1e-12)
        assert model.statistic(model.sample(3, RNG)).shape == model.statistic_of(model.law()).shape


@pytest.mark.parametrize("family", ["location", "gaussian", "categorical", "ridge"])
def test_statistics_of_mixtures_are_mixtures_of_statistics(family: str) -> None:
    """A population fit is linear in laws, and in the parts of a data set."""
    models = [MAKE[family](seed) for seed in range(3)]
    weights = numbers([0.2, 0.3, 0.5])
    of_mixture = models[0].statistic_of(mix([m.law() for m in models], weights))
    parts = torch.stack([models[0].statistic_of(m.law()) for m in models])
    torch.testing.assert_close(of_mixture, (weights[:, None] * parts).sum(0), rtol=1e-12, atol=1e-12)
    data = [m.sample(10 * (i + 1), RNG) for i, m in enumerate(models)]
    counts = numbers([10.0, 20.0, 30.0]) / 60
    whole = models[0].statistic(torch.cat(data))
    torch.testing.assert_close(whole, sum(c * models[0].statistic(x) for c, x in zip(counts, data, strict=True)))


def test_parameters_as_a_vector() -> None:
    assert Location([1.0, 2.0], 3.0).vector().tolist() == [1.0, 2.0]  # the scale does not move
    assert Gaussian([1.0, 2.0], [[4.0, 1.0], [1.0, 3.0]]).vector().tolist() == [1.0, 2.0, 4.0, 1.0, 1.0, 3.0]
    assert stack([Categorical([0.5, 0.5]), Categorical([1.0, 0.0])]).vector().tolist() == [[0.5, 0.5], [1.0, 0.0]]


def test_a_categorical_fit_is_normalised() -> None:
    """A rounding error in the total mass would grow by the factor K a round."""
    refitted = Categorical([0.5, 0.5]).refit(numbers([[0.3, 0.9], [1e-8, 3e-8]]))
    assert refitted.probabilities.tolist() == [pytest.approx([0.25, 0.75]), pytest.approx([0.25, 0.75])]
    third = Categorical([0.3333332, 0.3333332, 0.3333332])  # within 1e-6 of a sum of 1
    assert float(third.probabilities.sum()) == pytest.approx(1, abs=1e-15)


# -- collapse ----------------------------------------------------------------------------------------------------------


@_quick
@given(seed=seeds, d=st.integers(1, 6), n=st.integers(1, 4), floor=st.sampled_from([1e-9, 1e-3, 0.5]))
def test_the_floor_raises_low_variances_only(seed: int, d: int, n: int, floor: float) -> None:
    """Eigenvalues below the floor are raised to it, in the same directions; all others stay."""
    x = normals(seed, 1, n, d)
    model = Gaussian(torch.zeros(d), torch.eye(d), floor=floor).map(lambda t: t.unsqueeze(0))
    model.fit(x)
    centred = x[0] - x[0].mean(0)
    raw = centred.T @ centred / n
    values, vectors = torch.linalg.eigh(raw)
    expected = (vectors * values.clamp(min=floor)) @ vectors.T
    torch.testing.assert_close(model.covariance[0], expected, rtol=1e-7, atol=1e-12)
    assert float(torch.linalg.eigvalsh(model.covariance[0]).min()) > floor * (1 - 1e-3)
    assert torch.isfinite(model.sample(5, RNG)).all()


@pytest.mark.parametrize("batch", [(), (3,)])
@pytest.mark.parametrize("place", [1e4, 1e8, -1e10])
def test_data_that_are_far_away_keep_their_variance(place: float, batch: tuple[int, ...]) -> None:
    """Of moments about 0 nothing was left of it from 1e8 on."""
    x = place * torch.arange(1.0, 3.0) + normals(0, *(batch or (1,)), 40, 2).reshape(*batch, 40, 2)
    model = Gaussian([0.0, 0.0], np.eye(2)).map(lambda t: t.expand(*batch, *t.shape))
    model.fit(x)
    torch.testing.assert_close(model.mean, x.mean(-2))
    centred = x - x.mean(-2, keepdim=True)
    torch.testing.assert_close(model.covariance, centred.mT @ centred / 40, rtol=1e-5, atol=1e-5)
    assert model.origin is None


def test_only_the_member_that_collapses_is_touched() -> None:
    healthy, dead = covariance(3, d=3), torch.zeros(3, 3, dtype=torch.float64)
    statistic = torch.stack([torch.cat([torch.zeros(3).double(), c.flatten()]) for c in (healthy, dead, healthy)])
    fitted = Gaussian(torch.zeros(3), torch.eye(3), floor=1e-4).refit(statistic)
    assert torch.equal(fitted.covariance[0], healthy) and torch.equal(fitted.covariance[2], healthy)
    torch.testing.assert_close(fitted.covariance[1], 1e-4 * torch.eye(3).double())
    assert Gaussian([0.0], [[1.0]]).refit(numbers([[math.nan, 1.0]])).covariance.isnan().all()  # and no crash


def test_one_model_alone_may_collapse() -> None:
    model = Gaussian([0.0, 0.0, 0.0], np.eye(3))
    model.fit(torch.ones(4, 3, dtype=torch.float64))
    assert float(torch.linalg.eigvalsh(model.covariance).min()) > 0


def test_a_large_covariance_of_low_rank_can_be_sampled() -> None:
    model = Gaussian(torch.zeros(20), torch.eye(20)).map(lambda t: t.unsqueeze(0))
    model.fit(1e5 * normals(0, 1, 3, 20))
    assert torch.isfinite(model.sample(5, RNG)).all()


def test_an_exploding_gaussian_is_a_recorded_failure_and_no_crash() -> None:
    s = Scenario("growing", rounds=60, samples=3)
    s.add("a", Member(Gaussian(torch.zeros(20), torch.eye(20))))
    s.connect("a", "a", Flow(raw=1.0, transform=lambda x: 2 * x))
    with pytest.warns(RuntimeWarning, match="2 of 2 replicates diverged"):
        run = s.run(replicates=2)
    assert run.failures["replicate"].tolist() == [0, 1]


# -- real data ---------------------------------------------------------------------------------------------------------


def test_empirical_data_are_drawn_evenly_and_only_as_they_are() -> None:
    data = torch.arange(10).double().reshape(5, 2)
    x = Empirical(data).sample(50_000, RNG)
    rows = (x[:, 0] / 2).long()
    assert torch.equal(x, data[rows])
    assert stats.chisquare(np.bincount(rows.numpy(), minlength=5)).pvalue > 1e-4


def test_the_law_of_data() -> None:
    data = normals(0, 9, 2, 3)
    law = Empirical(data).law()
    assert isinstance(law, Moments) and not isinstance(law, Normal)
    torch.testing.assert_close(law.mean, data.flatten(1).mean(0))
    torch.testing.assert_close(law.covariance, torch.from_numpy(np.cov(data.flatten(1).numpy().T, bias=True)))
    symbols = Empirical(torch.tensor([2, 0, 2, 2]), symbols=4).law()
    assert isinstance(symbols, Finite) and symbols.probabilities.tolist() == [0.25, 0.0, 0.75, 0.0]
    many = stack([Empirical(data), Empirical(data + 1)]).law()
    assert isinstance(many, Moments)
    torch.testing.assert_close(many.mean, torch.stack([law.mean, law.mean + 1]))
    torch.testing.assert_close(many.covariance, torch.stack([law.covariance] * 2))


# -- refusals ----------------------------------------------------------------------------------------------------------

EYE = np.eye(2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Location([[1.0]]), r"Location\(mean\) must have 1 dimension\(s\), got shape \(1, 1\)"),
        (lambda: Location(1.0), r"Location\(mean\) must have 1 dimension\(s\), got shape \(\)"),
        (lambda: Location([math.nan]), r"Location\(mean\) must be finite numbers, got"),
        (lambda: Location([1.0], -0.5), r"Location\(scale\) is a standard deviation, at least 0, got -0.5"),
        (lambda: Location([1.0], [1.0]), r"Location\(scale\) must have 0 dimension"),
        (lambda: Gaussian([0.0, 0.0], [[1.0]]), r"covariance\) must have shape \(2, 2\) .* mean of 2 .* got \(1, 1\)"),
        (
            lambda: Gaussian([0.0, 0.0], [[1.0, 1.0], [1.0, 1.0]]),
            r"Gaussian\(covariance\) is singular .* eigenvalue",
        ),
        (lambda: Gaussian([0.0, 0.0], -EYE), r"not positive definite: its smallest eigenvalue is -1, .* add a small"),
        (lambda: Gaussian([0.0, 0.0], [[1.0, 0.5], [0.0, 1.0]]), r"must be symmetric, got \[\[1.0, 0.5\], \[0.0, 1.0"),
        (lambda: Gaussian([0.0], [[1e-3]], floor=1e-2), "below the floor 0.01"),
        (lambda: Gaussian([0.0], [[1.0]], floor=0.0), "floor must be a positive variance, got 0.0"),
        (lambda: Gaussian([0.0], [[math.inf]]), r"Gaussian\(covariance\) must be finite"),
        (lambda: Ridge([1.0], -0.5), r"Ridge\(scale\) must be at least 0, got -0.5"),
        (lambda: Ridge([1.0], penalty=-1.0), r"Ridge\(penalty\) must be at least 0, got -1.0"),
        (lambda: Ridge([1.0], inputs=EYE), r"covariance of 1 inputs, of shape \(1, 1\), got \(2, 2\)"),
        (lambda: Ridge([1.0, 0.0], inputs=0 * EYE), r"Ridge\(inputs\) is singular"),
        (lambda: Categorical([0.5, 0.6]), r"at least 0 and add up to 1, got a sum of 1.1 and a smallest of 0.5"),
        (lambda: Categorical([1.5, -0.5]), r"got a sum of 1 and a smallest of -0.5"),
        (lambda: Categorical([[1.0]]), r"Categorical\(probabilities\) must have 1 dimension"),
        (lambda: GaussianMixture([1.0], [[0.0]], [[[0.0]]]), r"GaussianMixture\(covariances\)\[0\] is singular"),
        (lambda: GaussianMixture([0.5, 0.6], [[0.0], [1.0]], [[[1.0]]] * 2), r"weights\) must be .* got \[0.5, 0.6\]"),
        (lambda: GaussianMixture([1.0], [[0.0, 0.0]], [[[1.0]]]), r"needs weights \(1,\) and covariances \(1, 2, 2\)"),
        (
            lambda: GaussianMixture([1.0], [[0.0, 0.0]], EYE[None], event_shape=(3,)),
            r"event_shape=\(3,\)\) .* the 2 coord",
        ),
    ],
)
def test_refusals(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("model", "law", "message"),
    [
        (Location([0.0]), Categorical([1.0]).law(), "Location learns from vectors, this flow carries symbols"),
        (Gaussian([0.0], [[1.0]]), Categorical([1.0]).law(), "Gaussian learns from vectors, this flow carries symbols"),
        (Categorical([1.0]), Location([0.0]).law(), "Categorical learns from symbols, this flow carries vectors"),
    ],
)
def test_vectors_and_symbols_do_not_mix(model: ClosedForm, law, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        model.statistic_of(law)


def test_a_family_without_a_law_says_so() -> None:
    class Bare(ClosedForm):
        PARAMETERS = {"mean": 1}  # noqa: RUF012

    model = Bare((1,), mean=torch.zeros(1))
    for ask in (model.law, lambda: model.statistic_of(Location([0.0]).law())):
        with pytest.raises(NoPopulationLaw, match="Bare has no population law; run it with finite samples"):
            ask()


@pytest.mark.parametrize("family", ["location", "gaussian", "categorical", "mixture", "ridge"])
def test_families_are_drawn_from_in_float32_too(family: str) -> None:
    """Gaussians and their mixtures could not be: their noise is of float64, and no product takes both."""
    s = Scenario("alone", rounds=2, samples=16)
    s.add("a", Member(MAKE[family](2)))
    s.connect("a", "a", Flow(raw=1.0))
    exact, seen = s.run().parameters["a"], s.run(dtype=torch.float32).parameters["a"]
    for name, value in exact.items():
        torch.testing.assert_close(seen[name].double(), value.double(), rtol=1e-3, atol=1e-4)
