"""Curators on normal laws: golden values, quadrature, and formulas with inverses."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from ecosystem import (
    BestOf,
    Blind,
    Crowd,
    Gaussian,
    Linear,
    Location,
    Luce,
    Quadratic,
    Shift,
    Tilt,
    TopFraction,
)
from ecosystem.core.laws import Law, Moments, Normal
from ecosystem.curation import Curator
from ecosystem.rewards import Reward
from tests.drawn import normals, numbers

_quick = settings(max_examples=40, deadline=None)
seeds = st.integers(0, 10**6)


def after(curator: Curator, law: Law, reward: Reward) -> Moments:
    out = curator.law(law, reward)
    assert isinstance(out, Moments)
    return out


def test_golden_values_on_normal_laws() -> None:
    """``gᵀΣg = .717``: ``c_2 = .38883``; the best of 2 and 4: ``m_2 = .56419``, ``m_4 = 1.02938``."""
    sigma = numbers([[1.0, 0.3], [0.3, 0.5]])
    g = normals(0, 2)
    g = g * (0.717 / (g @ sigma @ g)).sqrt()
    law = Normal(numbers([1.0, -2.0]), sigma)
    moved = lambda curator: (after(curator, law, Linear(g)).mean - law.mean) / (sigma @ g)  # noqa: E731
    assert moved(Luce(2)).tolist() == pytest.approx([0.38883] * 2, abs=5e-6)
    assert moved(Luce(2, temperature=2.0)).tolist() == pytest.approx([luce_of_two(0.717**0.5 / 2) / 0.717**0.5] * 2)
    assert (moved(BestOf(2)) * 0.717**0.5).tolist() == pytest.approx([1 / math.sqrt(math.pi)] * 2, abs=1e-12)
    assert (moved(BestOf(4)) * 0.717**0.5).tolist() == pytest.approx([1.02938] * 2, abs=5e-6)
    assert moved(Tilt(3.0)).tolist() == pytest.approx([1 / 3] * 2, abs=1e-14)


def luce_of_two(scale: float) -> float:
    """``E[D/2 · tanh(scale·D/2)]`` with ``D ~ N(0, 2)``: the mean of the one of two normals that is kept."""

    def integrand(z: float) -> float:
        d = math.sqrt(2) * z
        return d / 2 * math.tanh(scale * d / 2) * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)

    return 2 * integrate.quad(integrand, 0, 40, epsabs=1e-14, epsrel=1e-13, points=[1 / scale, 3.0], limit=400)[0]


@pytest.mark.parametrize("scale", [1e-3, 0.5, 2.0, 2.999, 3.001, 5.0, 8.0, 23.0, 30.0, 1000.0])
def test_luce_of_two_on_a_normal_law(scale: float) -> None:
    """Mean by one-dimensional quadrature; the second moment does not change, so the variance is ``1 − mean²``."""
    law = after(Luce(2), Normal(numbers([0.0]), scale=numbers(2.0)), Linear([scale / 2]))
    mean = luce_of_two(scale)
    assert float(law.mean) / 2 == pytest.approx(mean, abs=1e-9)
    assert float(law.covariance) / 4 == pytest.approx(1 - mean**2, abs=1e-9)


@pytest.mark.parametrize("k", [3, 4])
def test_luce_of_more_on_a_normal_law(k: int) -> None:
    """Gauss–Hermite over all candidates: ``c_K = 1 − E Σ w_i²``, and the variance of the kept one."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(24)
    x = np.stack(np.meshgrid(*[nodes] * k, indexing="ij")).reshape(k, -1)
    mass = np.prod(np.meshgrid(*[weights / weights.sum()] * k, indexing="ij"), axis=0).reshape(-1)
    choice = np.exp(0.8 * x)
    choice /= choice.sum(0)
    law = after(Luce(k), Normal(numbers([0.0]), scale=numbers(1.0)), Linear([0.8]))
    assert float(law.mean) == pytest.approx(0.8 * (1 - mass @ (choice**2).sum(0)), abs=1e-6)
    assert float(law.mean) == pytest.approx(mass @ (choice * x).sum(0), abs=1e-6)
    assert float(law.covariance) == pytest.approx(mass @ (choice * x**2).sum(0) - float(law.mean) ** 2, abs=1e-6)


@pytest.mark.parametrize("k", [1, 2, 3, 8])
def test_luce_with_a_weak_taste_moves_in_proportion(k: int) -> None:
    """``c_K → (K−1)/K`` as the reward becomes weak."""
    law = after(Luce(k), Normal(numbers([0.0]), scale=numbers(1.0)), Linear([1e-4]))
    assert float(law.mean) == pytest.approx(1e-4 * (k - 1) / k, abs=1e-11)


@pytest.mark.parametrize("k", [1, 2, 3, 5, 50])
def test_best_of_k_on_a_normal_law(k: int) -> None:
    """Mean and variance of the largest of K normals, by quadrature of its density."""
    density = lambda u: k * stats.norm.pdf(u) * stats.norm.cdf(u) ** (k - 1)  # noqa: E731
    mean, square = (integrate.quad(lambda u, n=n: u**n * density(u), -9, 12, epsabs=1e-13)[0] for n in (1, 2))
    law = after(BestOf(k), Normal(numbers([0.0]), scale=numbers(3.0)), Linear([0.2]))
    assert float(law.mean) == pytest.approx(3 * mean, abs=1e-9)
    assert float(law.covariance) == pytest.approx(9 * (square - mean**2), abs=1e-9)


@pytest.mark.parametrize("fraction", [1e-6, 0.05, 0.3, 0.5, 0.9, 1.0])
def test_a_quota_on_a_normal_law(fraction: float) -> None:
    """The moments of a normal cut at its ``1 − f`` quantile."""
    law = after(TopFraction(fraction), Normal(numbers([1.0]), scale=numbers(2.0)), Linear([-3.0]))
    cut = stats.truncnorm(stats.norm.isf(fraction), np.inf)
    assert float(law.mean) == pytest.approx(1 - 2 * cut.mean(), abs=1e-8)
    assert float(law.covariance) == pytest.approx(4 * cut.var(), abs=1e-6)


@_quick
@given(seed=seeds, d=st.integers(1, 4), which=st.sampled_from([Luce(3), BestOf(3), TopFraction(0.2), Tilt(0.7)]))
def test_a_linear_taste_acts_along_one_direction(seed: int, d: int, which: Curator) -> None:
    """``x`` given ``u = ⟨g, x−μ⟩/s`` stays what it was: the kept law follows from the kept ``u``, in any dimension."""
    factor, g, mean = normals(seed, d, d), normals(seed + 1, d), normals(seed + 2, d)
    sigma = factor @ factor.T + 0.1 * torch.eye(d).double()
    s = float((g @ sigma @ g).sqrt())
    one = after(which, Normal(numbers([0.0]), scale=numbers(1.0)), Linear([s]))
    law = after(which, Normal(mean, sigma), Linear(g))
    unit = sigma @ g / s
    torch.testing.assert_close(law.mean, mean + float(one.mean) * unit, rtol=1e-9, atol=1e-9)
    change = (float(one.covariance) - 1) * torch.outer(unit, unit)
    torch.testing.assert_close(law.covariance, sigma + change, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("curator", [Luce(4), BestOf(4), TopFraction(0.25), Tilt(), Shift([0.0, 0.0])])
def test_indifferent_users_change_nothing(curator: Curator) -> None:
    law = after(curator, Normal(normals(0, 2), scale=numbers(0.5)), Linear([0.0, 0.0]))
    torch.testing.assert_close(law.mean, normals(0, 2))
    torch.testing.assert_close(law.covariance, 0.25 * torch.eye(2).double())


@_quick
@given(seed=seeds, d=st.integers(1, 4), eta=st.floats(-0.2, 3), temperature=st.floats(0.5, 3), isotropic=st.booleans())
def test_a_quadratic_tilt(seed: int, d: int, eta: float, temperature: float, isotropic: bool) -> None:
    """``Σ' = (Σ⁻¹ + ηI/τ)⁻¹``, ``μ' = Σ'(Σ⁻¹μ + g/τ)``, with inverses; a negative η spreads."""
    mean, g, eye = normals(seed, d), normals(seed + 1, d), torch.eye(d).double()
    factor = normals(seed + 2, d, d)
    sigma = 0.49 * eye if isotropic else factor @ factor.T / (1 + (factor**2).sum()) + 0.1 * eye
    law = Normal(mean, scale=numbers(0.7)) if isotropic else Normal(mean, sigma)
    out = after(Tilt(temperature), law, Quadratic(g, eta))
    spread = torch.linalg.inv(torch.linalg.inv(sigma) + eta / temperature * eye)
    torch.testing.assert_close(out.covariance, spread, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(out.mean, spread @ (torch.linalg.inv(sigma) @ mean + g / temperature))
    assert isinstance(out, Normal)
    torch.testing.assert_close(out.factor @ out.factor.T, spread, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("eta", "temperature"), [(0.8, 1.0), (-0.3, 0.5), (3.0, 2.0)])
def test_a_quadratic_tilt_by_quadrature(eta: float, temperature: float) -> None:
    reward, mean, scale = Quadratic([0.6], eta), 1.2, 0.9

    def moment(power: int) -> float:
        weight = lambda x: math.exp((0.6 * x - eta / 2 * x * x) / temperature)  # noqa: E731
        integrand = lambda x: x**power * weight(x) * stats.norm.pdf(x, mean, scale)  # noqa: E731
        return integrate.quad(integrand, -25, 30, epsabs=1e-13, points=[0, 2], limit=300)[0]

    out = after(Tilt(temperature), Location([mean], scale).law(), reward)
    expected = moment(1) / moment(0)
    assert float(out.mean) == pytest.approx(expected, abs=1e-8)
    assert float(out.covariance) == pytest.approx(moment(2) / moment(0) - expected**2, abs=1e-8)


def test_a_tilt_without_an_integral_is_not_a_number() -> None:
    """``Σ⁻¹ + ηI/τ`` must be positive definite; only the member it concerns is lost."""
    reward = Quadratic([1.0, 0.0], -1.0)
    for law in (Location([0.0, 0.0], 1.1).law(), Gaussian([0.0, 0.0], [[0.5, 0.0], [0.0, 1.2]]).law()):
        assert after(Tilt(), law, reward).mean.isnan().all()
        assert after(Tilt(2.0), law, reward).mean.isfinite().all()
    scales = numbers([0.5, 1.1])
    both = after(Tilt(), Normal(torch.zeros(2, 2).double(), scale=scales), reward)
    assert both.mean.isnan().any(-1).tolist() == [False, True]
    full = Normal(torch.zeros(2, 2).double(), scales[:, None, None] ** 2 * torch.eye(2).double())
    assert after(Tilt(), full, reward).mean.isnan().any(-1).tolist() == [False, True]


def test_a_shift() -> None:
    law = Normal(normals(0, 4), scale=numbers(0.5))
    moved = Shift([[1.0, 2.0], [3.0, 4.0]]).law(law)
    assert isinstance(moved, Moments)
    torch.testing.assert_close(moved.mean, law.mean + torch.tensor([1.0, 2.0, 3.0, 4.0]))
    torch.testing.assert_close(moved.covariance, law.covariance)
    assert Blind().law(law) is law
    tilted = after(Tilt(), law, Linear([4.0, 8.0, 12.0, 16.0]))  # what a linear taste does: a = Σg
    torch.testing.assert_close(tilted.mean, moved.mean)


def test_a_crowd_on_a_normal_law() -> None:
    """Two tastes pull apart: the covariance between them is part of the mixture."""
    law = Location([1.0, 0.0], 0.5).law()
    mixed = after(Crowd(Tilt(), [Linear([2.0, 0.0]), Linear([0.0, 4.0])], [0.25, 0.75]), law, Linear([0.0, 0.0]))
    a, b = np.array([1.5, 0.0]), np.array([1.0, 1.0])
    mean = 0.25 * a + 0.75 * b
    spread = 0.25 * np.eye(2) + 0.25 * np.outer(a - mean, a - mean) + 0.75 * np.outer(b - mean, b - mean)
    assert mixed.mean.numpy() == pytest.approx(mean) and mixed.covariance.numpy() == pytest.approx(spread)
