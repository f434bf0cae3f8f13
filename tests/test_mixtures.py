"""Mixtures of Gaussians: a step of expectation–maximisation a round."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecosystem import Gaussian, GaussianMixture, NoPopulationLaw, Stream
from tests.drawn import mixture, normals

_quick = settings(max_examples=30, deadline=None)
seeds = st.integers(0, 10**6)
RNG = Stream.root([(0, 0)])[0]


def log_likelihood(model: GaussianMixture, x: torch.Tensor) -> float:
    parts = [
        torch.distributions.MultivariateNormal(mean, spread).log_prob(x) + weight.log()
        for weight, mean, spread in zip(model.weights, model.means, model.covariances, strict=True)
    ]
    return float(torch.logsumexp(torch.stack(parts), 0).sum())


@_quick
@given(seed=seeds, count=st.integers(1, 4), d=st.integers(1, 3))
def test_a_step_of_em_never_lowers_the_likelihood(seed: int, count: int, d: int) -> None:
    model, x = mixture(seed, count, d, floor=1e-12), 2 * normals(seed + 7, 60, d)
    before = log_likelihood(model, x)
    for _ in range(4):
        model.fit(x)
        after = log_likelihood(model, x)
        if float(torch.linalg.eigvalsh(model.covariances).min()) < 1e-9:  # a component on too few points, at the floor
            return
        assert after >= before - 1e-8 * abs(before)
        before = after
    assert float(model.weights.sum()) == pytest.approx(1, abs=1e-12)


def test_responsibilities_are_posterior_probabilities() -> None:
    model, x = mixture(4), normals(9, 8, 2)
    densities = torch.stack(
        [
            weight * torch.distributions.MultivariateNormal(mean, spread).log_prob(x).exp()
            for weight, mean, spread in zip(model.weights, model.means, model.covariances, strict=True)
        ],
        -1,
    )
    torch.testing.assert_close(model.responsibilities(x), densities / densities.sum(-1, keepdim=True))


def test_one_step_of_em_by_hand() -> None:
    """Weights, means and covariances are the weighted moments of the data."""
    model, x = mixture(2), normals(5, 40, 2)
    r = model.responsibilities(x)
    fitted = model.refit(model.statistic(x))
    torch.testing.assert_close(fitted.weights, r.mean(0))
    for c in range(3):
        mean = (r[:, c, None] * x).sum(0) / r[:, c].sum()
        spread = ((r[:, c, None] * (x - mean)).T @ (x - mean)) / r[:, c].sum()
        torch.testing.assert_close(fitted.means[c], mean)
        torch.testing.assert_close(fitted.covariances[c], spread, rtol=1e-6, atol=1e-9)


def test_one_component_is_a_gaussian() -> None:
    x = normals(0, 30, 2)
    one, gaussian = GaussianMixture([1.0], [[1.0, 2.0]], np.eye(2)[None]), Gaussian([0.0, 0.0], np.eye(2))
    one.fit(x)
    gaussian.fit(x)
    torch.testing.assert_close(one.means[0], gaussian.mean)
    torch.testing.assert_close(one.covariances[0], gaussian.covariance)


def test_a_component_without_data_keeps_its_shape() -> None:
    model = GaussianMixture([0.5, 0.5], [[0.0], [1000.0]], [[[1.0]], [[2.0]]])
    model.fit(normals(1, 50, 1))
    assert float(model.weights[1]) < 1e-9 and float(model.means[1]) == 1000.0 and float(model.covariances[1]) == 2.0
    assert float(model.weights.sum()) == pytest.approx(1) and torch.isfinite(model.sample(10, RNG)).all()


def test_classes_become_components() -> None:
    """One Gaussian for each label, of images of any shape."""
    x, labels = normals(0, 60, 2, 2) + 2, torch.tensor([5, 1, 5] * 20)
    model = GaussianMixture.of_classes(x, labels, floor=1e-5)
    assert model.event_shape == (2, 2) and model.dimension == 4 and model.sample(3, RNG).shape == (3, 2, 2)
    flat = x.flatten(1)[labels == 5]
    torch.testing.assert_close(model.means[1], flat.mean(0))
    torch.testing.assert_close(model.covariances[1], torch.from_numpy(np.cov(flat.numpy().T, bias=True)))
    few = GaussianMixture.of_classes(x[:4], torch.tensor([0, 0, 0, 1]), floor=0.25)  # fewer samples than coordinates
    assert float(torch.linalg.eigvalsh(few.covariances).min()) == pytest.approx(0.25)
    model.fit(x)
    assert torch.isfinite(model.vector()).all()


def test_the_weights_of_classes_are_their_shares() -> None:
    model = GaussianMixture.of_classes(normals(0, 60, 2), torch.tensor([5, 1, 5, 5, 2, 2] * 10))
    assert model.weights.tolist() == pytest.approx([1 / 6, 2 / 6, 3 / 6], abs=1e-14)


def test_classes_of_numbers() -> None:
    assert GaussianMixture.of_classes(normals(0, 60, 1), torch.tensor([0, 1] * 30)).covariances.shape == (2, 1, 1)


def test_a_mixture_has_no_law_of_its_fit() -> None:
    with pytest.raises(NoPopulationLaw, match=r"the fit of GaussianMixture has no population law.*samples=n"):
        mixture().statistic_of(mixture().law())
