"""Laws: moments under affine maps and mixtures, normal laws, laws on a finite alphabet."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecosystem import NoPopulationLaw, Stream
from ecosystem.core.laws import Finite, Moments, Normal, mix, pick, second_moment
from tests.drawn import normals, probabilities

_quick = settings(max_examples=40, deadline=None)
seeds = st.integers(0, 10**6)


def covariance(seed: int, *batch: int, d: int) -> torch.Tensor:
    factor = normals(seed, *batch, d, d)
    return factor @ factor.mT + 0.1 * torch.eye(d, dtype=torch.float64)


def law_of(kind: str, seed: int, *batch: int, d: int) -> Moments:
    mean = normals(seed, *batch, d)
    if kind == "isotropic":
        return Normal(mean, scale=normals(seed + 1, *batch).abs())
    return (Moments if kind == "moments" else Normal)(mean, covariance(seed + 1, *batch, d=d))


KINDS = st.sampled_from(["moments", "normal", "isotropic"])


def close(a: torch.Tensor, b: torch.Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@_quick
@given(kind=KINDS, seed=seeds, batch=st.sampled_from([(), (3,), (2, 3)]), d=st.integers(1, 5), e=st.integers(1, 5))
def test_affine_maps_of_moments(kind: str, seed: int, batch: tuple, d: int, e: int) -> None:
    """``shift``, ``linear``, ``spread``, ``trace``, ``take`` against the dense formulas."""
    law = law_of(kind, seed, *batch, d=d)
    mean, sigma, g = law.mean, law.covariance, normals(seed + 2, *batch, d)
    close(law.trace, torch.einsum("...ii->...", sigma))
    close(law.spread(g), torch.einsum("...ij,...j->...i", sigma, g))
    shifted = law.shift(g)
    assert type(shifted) is type(law)
    close(shifted.mean, mean + g)
    close(shifted.covariance, sigma)
    matrix, offset = normals(seed + 3, *batch, e, d), normals(seed + 4, *batch, e)
    mapped = law.linear(matrix, offset)
    assert type(mapped) is type(law)
    close(mapped.mean, torch.einsum("...ij,...j->...i", matrix, mean) + offset)
    close(mapped.covariance, torch.einsum("...ij,...jk,...lk->...il", matrix, sigma, matrix))
    close(mapped.trace, mapped.covariance.diagonal(dim1=-2, dim2=-1).sum(-1))
    close(second_moment(law), sigma + torch.einsum("...i,...j->...ij", mean, mean))
    if batch:
        index = torch.tensor([batch[0] - 1, 0])
        close(law.take(index).mean, mean[index])
        close(law.take(index).covariance, sigma[index])


@_quick
@given(seed=seeds, d=st.integers(1, 4))
def test_a_normal_law_is_known_by_any_factor(seed: int, d: int) -> None:
    """``F Fᵀ = Σ`` holds through shifts, maps and picks, and samples are ``mean + F z``."""
    noise, matrix = normals(seed + 9, 2, d), normals(seed + 8, 2, d, d)
    for kind in ("normal", "isotropic"):
        law = law_of(kind, seed, 2, d=d)
        assert isinstance(law, Normal)
        for here in (law, law.shift(noise), law.linear(matrix, noise), law.take(torch.tensor([1, 0]))):
            assert isinstance(here, Normal)
            close(here.factor @ here.factor.mT, here.covariance)
            close(here.push(noise), here.mean + (here.factor @ noise.unsqueeze(-1)).squeeze(-1))


def test_an_isotropic_law_is_the_full_one() -> None:
    mean, g = normals(0, 3, 4), normals(1, 3, 4)
    scale = torch.tensor([0.0, 0.5, 2.0], dtype=torch.float64)
    short = Normal(mean, scale=scale)
    full = Normal(mean, scale[:, None, None] ** 2 * torch.eye(4, dtype=torch.float64))
    close(short.covariance, full.covariance)
    close(short.trace, full.trace)
    close(short.spread(g), full.spread(g))
    positive = torch.tensor([1, 2])  # a Cholesky factor needs a positive variance, an isotropic law does not
    rest = Normal(full.mean[positive], full.covariance[positive])
    close(short.push(g)[1:], rest.push(g[positive]))
    assert torch.equal(short.push(g)[0], mean[0])


def test_one_matrix_serves_all_replicates() -> None:
    mean, matrix, offset = normals(0, 4, 7, 3), normals(1, 4, 1, 2, 3), normals(2, 4, 1, 2)
    law = Moments(mean, torch.zeros(4, 7, 3, 3, dtype=torch.float64)).linear(matrix, offset)
    close(law.mean, (matrix @ mean.unsqueeze(-1)).squeeze(-1) + offset)


def test_second_moments_are_worked_out_only_when_asked_for() -> None:
    def refuse() -> torch.Tensor:
        raise AssertionError("nobody asked")

    eye = torch.eye(2, dtype=torch.float64)
    law = Moments(torch.zeros(1, 2, dtype=torch.float64), refuse)
    for here in (law.shift(eye[0]), law.take(slice(0, 1)), law.linear(eye, eye[0]), mix([law, law], eye[:1])):
        assert isinstance(here, Moments) and here.mean.shape == (1, 2)
        with pytest.raises(AssertionError, match="nobody asked"):
            _ = here.covariance


# -- finite laws -------------------------------------------------------------------------------------------------------


@_quick
@given(seed=seeds, n=st.integers(1, 8), zeros=st.integers(0, 7), scale=st.floats(1e-3, 1e3))
def test_pick_is_the_inverse_transform(seed: int, n: int, zeros: int, scale: float) -> None:
    """Exactly the interval of a symbol leads to it, weights need no normalisation, none of weight 0 is picked."""
    p = probabilities(seed, n)
    p[torch.randperm(n, generator=torch.Generator().manual_seed(seed))[: min(zeros, n - 1)]] = 0
    p = p / p.sum()
    u = Stream.root([(seed, 0)])[0].uniform(2000)
    x = pick(p * scale, u)
    assert (p[x] > 0).all()
    upper = p.cumsum(-1)
    assert (u < upper[x] + 1e-12).all() and (u > upper[x] - p[x] - 1e-12).all()
    assert (pick(p, u.sort().values).diff() >= 0).all()


def test_pick_in_batches_and_at_the_ends() -> None:
    weights = torch.tensor([[0.0, 1.0, 3.0, 0.0], [2.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    low, high = 2.0**-54, 1 - 2.0**-53
    for u, expected in ((low, [1, 0]), (0.2499, [1, 0]), (0.25, [2, 0]), (0.2501, [2, 0]), (high, [2, 0])):
        assert pick(weights, torch.full((2,), u, dtype=torch.float64)).tolist() == expected
    assert Finite(weights[0]).push(torch.tensor([0.2501], dtype=torch.float64)).tolist() == 2
    assert Finite(weights).symbols.tolist() == [0, 1, 2, 3]
    assert Finite(weights).take(1).probabilities.tolist() == [2.0, 0.0, 0.0, 0.0]


# -- mixtures ----------------------------------------------------------------------------------------------------------


@_quick
@given(seed=seeds, parts=st.integers(1, 4), batch=st.sampled_from([(), (3,), (2, 3)]), d=st.integers(1, 4))
def test_mixtures_of_moments(seed: int, parts: int, batch: tuple, d: int) -> None:
    """Mean and covariance of a mixture, the covariance between its components included."""
    kinds = ["moments", "normal", "isotropic"]
    laws = [law_of(kinds[i % 3], seed + 10 * i, *batch, d=d) for i in range(parts)]
    weights = probabilities(seed + 5, *batch, parts)
    mixed = mix(laws, weights)
    assert isinstance(mixed, Moments) and not isinstance(mixed, Normal)
    mean = sum(weights[..., i, None] * law.mean for i, law in enumerate(laws))
    between = [torch.einsum("...i,...j->...ij", law.mean - mean, law.mean - mean) for law in laws]
    spread = sum(weights[..., i, None, None] * (law.covariance + between[i]) for i, law in enumerate(laws))
    close(mixed.mean, torch.as_tensor(mean))
    close(mixed.covariance, torch.as_tensor(spread))


def test_mixtures_of_finite_laws() -> None:
    laws = [Finite(probabilities(i, 2, 3)) for i in range(3)]
    weights = probabilities(9, 2, 3)
    mixed = mix(laws, weights)
    assert isinstance(mixed, Finite)
    close(mixed.probabilities, sum(weights[:, i, None] * law.probabilities for i, law in enumerate(laws)))
    close(mixed.probabilities.sum(-1), torch.ones(2, dtype=torch.float64))


def test_a_two_point_mixture_by_hand() -> None:
    """N(0, 1) and N(4, 1), weights 3/4 and 1/4: mean 1, variance 1 + 3."""
    one = torch.ones(1, dtype=torch.float64)
    law = mix([Normal(0 * one, scale=one[0]), Normal(4 * one, scale=one[0])], torch.tensor([0.75, 0.25]).double())
    assert isinstance(law, Moments)
    assert float(law.mean) == 1.0 and float(law.covariance) == pytest.approx(4.0, abs=1e-14)
    assert math.sqrt(float(law.trace)) == pytest.approx(2.0)


# -- refusals ----------------------------------------------------------------------------------------------------------


def test_a_missing_law_names_the_remedy_once() -> None:
    error = NoPopulationLaw("the reward of 'a'")
    assert isinstance(error, ValueError)
    assert str(error) == "the reward of 'a' has no population law; run it with finite samples: Scenario(..., samples=n)"
    again = NoPopulationLaw(f"flow 'u' → 'v': {error}")
    assert str(again) == f"flow 'u' → 'v': {error}"
