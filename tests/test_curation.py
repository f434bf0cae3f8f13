"""Curators: the exact law of what survives, against enumeration, closed forms and quadrature."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ecosystem import (
    BestOf,
    Blind,
    Crowd,
    GaussianMixture,
    Linear,
    Location,
    Luce,
    NoPopulationLaw,
    Quadratic,
    Shift,
    Tabular,
    Tilt,
    TopFraction,
    Users,
)
from ecosystem.core.laws import Finite, Law
from ecosystem.core.stacking import stack
from ecosystem.curation import Curator, luce_survivors
from ecosystem.rewards import Reward, as_reward
from tests.drawn import normals, numbers, probabilities

_quick = settings(max_examples=40, deadline=None)
seeds = st.integers(0, 10**6)
P, R = numbers([0.5, 0.3, 0.2]), numbers([0.0, 1.0, 2.0])


def kept(curator: Curator, p, reward) -> np.ndarray:
    """The probabilities of what survives."""
    law = curator.law(Finite(torch.as_tensor(p, dtype=torch.float64)), reward)
    assert isinstance(law, Finite)
    return law.probabilities.numpy()


def enumerate_luce(p: np.ndarray, r: np.ndarray, k: int) -> np.ndarray:
    """Every slate of ``k`` candidates, the choice within it by Luce."""
    out = np.zeros(len(p))
    for slate in itertools.product(range(len(p)), repeat=k):
        index = list(slate)
        weight = np.exp(r[index] - r[index].max())
        np.add.at(out, index, p[index].prod() * weight / weight.sum())
    return out


def enumerate_best(p: np.ndarray, r: np.ndarray, k: int) -> np.ndarray:
    """Every slate of ``k`` candidates, the best kept, ties split evenly."""
    out = np.zeros(len(p))
    for slate in itertools.product(range(len(p)), repeat=k):
        index = np.array(slate)
        best = index[r[index] == r[index].max()]
        np.add.at(out, best, p[index].prod() / len(best))
    return out


def two_symbols(p0: float, gap: float, k: int) -> float:
    """The mass of the first of two symbols that survives, by the binomial number of its candidates."""
    j = np.arange(1, k + 1)
    return float((stats.binom(k, p0).pmf(j) * j / (j + (k - j) * np.exp(gap))).sum())


# -- Luce on a finite alphabet -----------------------------------------------------------------------------------------


def test_golden_values() -> None:
    assert kept(Luce(2), P, Tabular(R)) == pytest.approx([0.3545230108, 0.3415905442, 0.3038864450], abs=5e-11)
    assert kept(Luce(4), P, Tabular(R)) == pytest.approx([0.2615581926, 0.3378515018, 0.4005903055], abs=5e-11)
    assert luce_survivors(P, R, 4).tolist() == pytest.approx(enumerate_luce(P.numpy(), R.numpy(), 4), abs=1e-13)
    assert kept(Luce(2), [0.5, 0.5], Tabular([0.0, math.log(3)])) == pytest.approx([0.375, 0.625], abs=1e-13)


@_quick
@given(seed=seeds, n=st.integers(1, 4), k=st.integers(1, 5), spread=st.sampled_from([0.0, 0.1, 1.0, 8.0, 60.0, 600.0]))
def test_luce_against_enumeration(seed: int, n: int, k: int, spread: float) -> None:
    """Error below 1e-10 for every K, law and range of rewards; some symbols may have no mass."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(n, 0.5))
    if n > 2:
        p[0], p[1] = 0.0, p[0] + p[1]
    r = spread * rng.random(n)
    assert kept(Luce(k), p, Tabular(r)) == pytest.approx(enumerate_luce(p, r, k), abs=1e-10)


@_quick
@given(seed=seeds, n=st.integers(2, 6), k=st.integers(1, 5))
def test_opposite_users_choose_by_minus_their_reward_whosever_it_is(seed: int, n: int, k: int) -> None:
    """``opposite`` was not heard of rewards that a crowd brings itself."""
    p, r = probabilities(seed, n), normals(seed + 1, n)
    expected = kept(Luce(k), p, Tabular(-r))
    for crowd, own in (
        (Crowd(Luce(k), rewards=[Tabular(r)], opposite=[True]), None),
        (Crowd(Luce(k), rewards=[None], opposite=[True]), Tabular(r)),
        (Crowd(Luce(k), rewards=[lambda x: r[x]], opposite=[True]), None),
    ):
        np.testing.assert_allclose(kept(crowd, p, own), expected, rtol=0, atol=1e-12)
    stay = Crowd((Luce(k), Luce(k)), (Tabular(r), Tabular(r)), [0.25, 0.75], (True, False))
    mixture = 0.25 * expected + 0.75 * kept(Luce(k), p, Tabular(r))
    np.testing.assert_allclose(kept(stay, p, None), mixture, rtol=0, atol=1e-12)


def test_the_opposite_of_three_rewards_by_hand() -> None:
    """2 of (.2, .3, .5) by r = −(1, 0, −.5): pair by pair."""
    p, r = np.array([0.2, 0.3, 0.5]), np.array([1.0, 0.0, -0.5])
    crowd = Crowd(Luce(2), rewards=[Tabular(r)], opposite=[True])
    np.testing.assert_allclose(kept(crowd, p, None), enumerate_luce(p, -r, 2), rtol=0, atol=1e-12)
    np.testing.assert_allclose(kept(crowd, p, None), [0.109, 0.291, 0.600], atol=5e-4)


@pytest.mark.parametrize("scale", [1e2, 1e6, 1e12, 1e18, 1e300])
def test_luce_at_huge_gaps_keeps_the_best(scale: float) -> None:
    """Gaps of more than 2⁵³ were rounded away: the law that survived was ``p``."""
    p, r = np.array([0.2, 0.3, 0.5, 0.0]), np.array([-1.0, 0.5, -0.5, 0.75]) * scale
    np.testing.assert_allclose(kept(Luce(3), p, Tabular(r)), kept(BestOf(3), p, Tabular(r)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("k", [2, 3, 4])
@pytest.mark.parametrize("far", [1e2, 1e14, 1e18, 1e300])
def test_a_best_one_far_off_leaves_the_choice_among_the_others(far: float, k: int) -> None:
    """Rewards were taken relative to the best, whose last digit is coarser than what lies between the others."""
    p, r = np.array([0.3, 0.45, 0.05, 0.2]), np.array([0.5, 1.25, far, -2.0])
    for rewards in (r, -r):
        np.testing.assert_allclose(
            kept(Luce(k), p, Tabular(rewards)), enumerate_luce(p, rewards, k), rtol=0, atol=1e-12
        )


@pytest.mark.parametrize("k", [2, 3, 10, 100, 3000])
@pytest.mark.parametrize("gap", [0.0, 1e-6, 0.5, 3.9, 4.1, 12.0, 40.0, 300.0, 700.0])
def test_luce_for_any_number_of_candidates(k: int, gap: float) -> None:
    for p0 in (1e-9, 0.2, 0.999, 1.0):
        expected = two_symbols(p0, gap, k)
        assert kept(Luce(k), [p0, 1 - p0], Tabular([0.0, gap])) == pytest.approx([expected, 1 - expected], abs=1e-10)


@pytest.mark.parametrize(("gap", "temperature"), [(710.0, 1.0), (1.0, 1e-3), (1e5, 1.0)])
def test_luce_with_cold_users(gap: float, temperature: float) -> None:
    curator = Luce(2, temperature=temperature)
    assert kept(curator, [0.5, 0.5], Tabular([0.0, gap])) == pytest.approx([0.25, 0.75], abs=1e-10)


@pytest.mark.parametrize("k", [2, 3, 5])
def test_luce_with_cold_users_tells_bad_from_worse(k: int) -> None:
    """Slates without the best symbol: the choice among the others is as sharp."""
    p, r = np.array([0.3, 0.4, 0.1, 0.2]), np.array([0.0, 200.0, 201.0, 1000.0])
    assert kept(Luce(k), p, Tabular(r)) == pytest.approx(enumerate_luce(p, r, k), abs=1e-10)


@_quick
@given(seed=seeds, n=st.integers(2, 6), k=st.integers(2, 30), temperature=st.floats(0.2, 5))
def test_luce_algebra(seed: int, n: int, k: int, temperature: float) -> None:
    """Total mass 1; only differences of rewards over temperature count; ``E e^r`` rises at least as it must."""
    p, r = probabilities(seed, n), normals(seed + 1, n)
    survivors = kept(Luce(k, temperature), p, Tabular(r))
    assert survivors.sum() == pytest.approx(1, abs=1e-11) and (survivors >= 0).all()
    assert survivors == pytest.approx(kept(Luce(k), p, Tabular(r / temperature + 7)), abs=1e-11)
    odds = np.exp(r.numpy() / temperature)
    mean = p.numpy() @ odds
    variance = p.numpy() @ (odds - mean) ** 2
    assert survivors @ odds >= mean + (k - 1) / k * variance / odds.max() - 1e-11
    assert kept(Luce(1, temperature), p, Tabular(r)).tolist() == p.tolist()
    flat = kept(Luce(k, temperature), p, Tabular(torch.full((n,), 3.0)))
    assert flat == pytest.approx(p.numpy(), abs=1e-12)


def test_luce_tends_to_the_tilt() -> None:
    """The distance to ``p e^r / E e^r`` halves when K doubles, and to the best of K when the temperature falls."""
    tilt = kept(Tilt(), P, Tabular(R))
    assert tilt == pytest.approx((P * R.exp() / (P * R.exp()).sum()).numpy(), abs=1e-15)
    gap = [np.abs(kept(Luce(k), P, Tabular(R)) - tilt).sum() for k in (500, 1000, 2000)]
    assert gap[2] < 2e-3 and gap[0] / gap[1] == pytest.approx(2, abs=0.02) == gap[1] / gap[2]
    assert kept(Luce(3, 0.01), P, Tabular(R)) == pytest.approx(kept(BestOf(3), P, Tabular(R)), abs=1e-12)


def test_stacked_users_are_what_each_is_alone_to_the_bit() -> None:
    """Rewards of quite different range side by side, and many replicates of each."""
    spreads = [0.1, 3.0, 9.0, 9.0, 50.0]
    tastes = [Tabular(s * normals(i, 6).abs()) for i, s in enumerate(spreads)]
    curators = [Luce(3, 0.5 + i / 4) for i in range(5)]
    p = probabilities(3, 5, 7, 6)
    shape = lambda item: item.map(lambda t: t.unsqueeze(1))  # noqa: E731 - one taste for all replicates
    together = kept(shape(stack(curators)), p, shape(stack(tastes)))
    for i in range(5):
        one = slice(i, i + 1)
        assert np.array_equal(kept(shape(stack(curators[one])), p[one], shape(stack(tastes[one])))[0], together[i])
        assert together[i, 4] == pytest.approx(kept(curators[i], p[i, 4], tastes[i]), abs=1e-13)


# -- best of K, quotas, tilts on a finite alphabet ---------------------------------------------------------------------


@_quick
@given(seed=seeds, n=st.integers(1, 4), k=st.integers(1, 5), levels=st.integers(1, 4))
def test_best_of_k_against_enumeration(seed: int, n: int, k: int, levels: int) -> None:
    """With ties, and with symbols that have no mass."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(n, 0.5))
    if n > 2:
        p[0], p[1] = 0.0, p[0] + p[1]
    r = rng.integers(0, levels, n).astype(float)
    assert kept(BestOf(k), p, Tabular(r)) == pytest.approx(enumerate_best(p, r, k), abs=1e-13)


@_quick
@given(seed=seeds, n=st.integers(1, 6), fraction=st.floats(0.01, 1), levels=st.integers(1, 6))
def test_a_quota_keeps_the_best_and_splits_the_last(seed: int, n: int, fraction: float, levels: int) -> None:
    rng = np.random.default_rng(seed)
    p, r = rng.dirichlet(np.full(n, 0.7)), rng.integers(0, levels, n).astype(float)
    left, expected = fraction, np.zeros(n)
    for value in sorted(set(r), reverse=True):
        tied = r == value
        taken = min(left, p[tied].sum())
        expected[tied] = taken * p[tied] / p[tied].sum() / fraction
        left -= taken
    survivors = kept(TopFraction(fraction), p, Tabular(r))
    assert survivors == pytest.approx(expected, abs=1e-9) and survivors.sum() == pytest.approx(1, abs=1e-9)


def test_a_quota_by_hand() -> None:
    survivors = kept(TopFraction(0.6), [0.1, 0.4, 0.1, 0.3, 0.1], Tabular([3.0, 1.0, 2.0, 1.0, 0.0]))
    assert survivors == pytest.approx(np.array([0.1, 0.4 * 4 / 7, 0.1, 0.3 * 4 / 7, 0.0]) / 0.6, abs=1e-15)
    assert kept(TopFraction(1.0), P, Tabular(R)) == pytest.approx(P.numpy(), abs=1e-15)


@_quick
@given(seed=seeds, n=st.integers(1, 6), temperature=st.floats(0.1, 10), scale=st.sampled_from([1.0, 500.0]))
def test_a_tilt_is_the_exponential_weight(seed: int, n: int, temperature: float, scale: float) -> None:
    p, r = probabilities(seed, n), scale * normals(seed + 1, n)
    weight = torch.exp((r - r.max()) / temperature) * p
    assert kept(Tilt(temperature), p, Tabular(r)) == pytest.approx((weight / weight.sum()).numpy(), abs=1e-12)


def test_a_curated_loop_tilts_further_every_round() -> None:
    """``K = ∞``, no real data: ``p_t ∝ p_0 e^{t r}``. Symbols without mass stay without."""
    p = numbers([0.5, 0.3, 0.2, 0.0])
    r = numbers([0.0, 0.1, 0.3, 9.0])
    law: Law = Finite(p)
    for t in range(1, 30):
        law = Tilt().law(law, Tabular(r))
        weight = p * torch.exp(t * r)
        assert isinstance(law, Finite)
        torch.testing.assert_close(law.probabilities, weight / weight.sum(), rtol=1e-10, atol=1e-14)


@_quick
@given(seed=seeds, k=st.integers(2, 6), part=st.floats(0.05, 0.95))
def test_real_data_bound_what_curation_does(seed: int, k: int, part: float) -> None:
    """With a curated share ``s < 1/K``: ``p_t ≤ p_data (1−s)/(1−Ks)`` everywhere [Ferbach et al. 2024]."""
    share, data, reward = part / k, probabilities(seed, 5).numpy(), Tabular(3 * normals(seed + 1, 5))
    p = data
    for _ in range(25):
        p = (1 - share) * data + share * kept(Luce(k), p, reward)
        assert (p <= data * (1 - share) / (1 - k * share) + 1e-10).all()


# -- crowds ------------------------------------------------------------------------------------------------------------


def test_a_crowd_is_the_mixture_of_its_users() -> None:
    """Tastes of their own, the member's own, opposite ones, blind ones, crowds within crowds."""
    own, other = Tabular(R), Tabular([1.0, 0.0, 0.0])
    crowd = Crowd(
        (Luce(2), Crowd((Tilt(), Blind()), weights=(0.25, 0.75)), BestOf(3)), (None, None, other), (0.5, 0.3, 0.2)
    )
    expected = 0.5 * kept(Luce(2), P, own) + 0.3 * (0.25 * kept(Tilt(), P, own) + 0.75 * P.numpy())
    assert kept(crowd, P, own) == pytest.approx(expected + 0.2 * kept(BestOf(3), P, other), abs=1e-14)
    hostile = Crowd.adversarial(Luce(3), 0.2)
    minus = kept(Luce(3), P, Tabular(-R))
    assert kept(hostile, P, own) == pytest.approx(0.8 * kept(Luce(3), P, own) + 0.2 * minus, abs=1e-14)
    named = Crowd.adversarial(Luce(3), 0.2, Tabular(-R))
    assert kept(named, P, own) == pytest.approx(kept(hostile, P, own), abs=1e-14)
    noisy = Crowd.noisy(Tilt(0.5), 0.4)
    assert kept(noisy, P, own) == pytest.approx(0.6 * kept(Tilt(0.5), P, own) + 0.4 * P.numpy(), abs=1e-14)
    even = Crowd(Tilt(), rewards=[own, other])
    assert kept(even, P, None) == pytest.approx((kept(Tilt(), P, own) + kept(Tilt(), P, other)) / 2, abs=1e-14)


@_quick
@given(seed=seeds, n=st.integers(2, 5), fraction=st.floats(0, 1))
def test_what_hostile_users_do_to_the_mean_odds(seed: int, n: int, fraction: float) -> None:
    """``ΔE e^r = (1−φ) Var(e^r)/E e^r + φ Cov(e^r, e^{r̃})/E e^{r̃}`` at ``K = ∞`` [Wei, Zhang 2025]."""
    p, r, rival = probabilities(seed, n), normals(seed + 1, n), normals(seed + 2, n)
    new = torch.from_numpy(kept(Crowd.adversarial(Tilt(), fraction, Tabular(rival)), p, Tabular(r)))
    mean = lambda x: float(p @ x)  # noqa: E731
    odds, theirs = r.exp(), rival.exp()
    covariance = mean(odds * theirs) - mean(odds) * mean(theirs)
    expected = (1 - fraction) * (mean(odds**2) - mean(odds) ** 2) / mean(odds) + fraction * covariance / mean(theirs)
    assert float(new @ odds) - mean(odds) == pytest.approx(expected, abs=1e-10)


def test_the_threshold_of_hostile_users() -> None:
    """Uniform ``p``, ``e^r = (1, 2, 3, 4)``, ``r̃ = −r``: curation harms past ``φ* = 25/54``."""
    odds = numbers([1.0, 2.0, 3.0, 4.0])
    change = [
        kept(Crowd.adversarial(Tilt(), f), [0.25] * 4, Tabular(odds.log())) @ odds.numpy() - 2.5
        for f in (25 / 54 - 1e-6, 25 / 54, 25 / 54 + 1e-6)
    ]
    assert change[0] > 0 > change[2] and change[1] == pytest.approx(0, abs=1e-14)


def test_whose_reward_is_needed() -> None:
    own = Tabular(R)
    assert Luce(2).needs_reward and Crowd.noisy(Tilt(), 0.1).needs_reward and Crowd((Luce(2), Blind())).needs_reward
    assert not Shift([1.0]).needs_reward and not Blind().needs_reward and not Crowd(Luce(2), [own, own]).needs_reward
    assert Crowd(Luce(2), [own, None]).needs_reward and not Crowd((Shift([1.0]), Blind())).needs_reward
    law = Users(own, Luce(2)).law(Finite(P))
    assert isinstance(law, Finite) and law.probabilities.tolist() == kept(Luce(2), P, own).tolist()
    with pytest.raises(ValueError, match=r"users who curate by Luce\(2, temperature=1\) need a reward: Users\("):
        Users(None, Luce(2))
    assert repr(Crowd.noisy(Luce(2), 0.1)) == "Crowd(0.9 Luce(2, temperature=1), 0.1 Blind())"
    assert repr(Crowd(Tilt(2), [own.named("warm"), own])) == (
        "Crowd(0.5 Tilt(temperature=2) by warm, 0.5 Tilt(temperature=2) by Tabular([0, 1, 2]))"
    )


# -- refusals ----------------------------------------------------------------------------------------------------------

NORMAL = Location([0.0]).law()
MIXTURE = GaussianMixture([1.0], [[0.0]], [[[1.0]]]).law()
CUBE = as_reward(lambda x: x.sum(-1) ** 3)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Luce(0), ValueError, r"Luce\(k\) must be a whole number, at least 1, got 0"),
        (lambda: Luce(2.0), ValueError, r"Luce\(k\) must be a whole number, at least 1, got 2.0"),
        (lambda: Luce(True), ValueError, r"Luce\(k\) must be a whole number"),
        (lambda: Luce(2, temperature=0), ValueError, r"Luce\(temperature\) must be a positive number, got 0"),
        (lambda: Luce(2, temperature=[1.0]), ValueError, r"Luce\(temperature\) must be a positive number, got \[1.0\]"),
        (lambda: Luce(2, temperature=math.nan), ValueError, r"Luce\(temperature\) must be finite numbers, got nan"),
        (lambda: BestOf(-1), ValueError, r"BestOf\(k\) must be a whole number, at least 1, got -1"),
        (lambda: TopFraction(0), ValueError, r"TopFraction\(fraction\) must be a positive number, got 0"),
        (lambda: TopFraction(1.5), ValueError, r"TopFraction\(fraction\) must be at most 1, got 1.5"),
        (lambda: Tilt(-2.0), ValueError, r"Tilt\(temperature\) must be a positive number, got -2.0"),
        (lambda: Shift([1.0, math.inf]), ValueError, r"Shift\(vector\) must be finite numbers"),
        (lambda: Crowd((Luce(2), Tilt()), weights=(0.5, 0.6)), ValueError, r"at least 0 and add up to 1, got \[0.5, 0"),
        (lambda: Crowd.noisy(Luce(2), 1.2), ValueError, r"a fraction of a Crowd lies between 0 and 1, got 1.2"),
        (lambda: Crowd((Luce(2), Tilt()), weights=(1.0,)), ValueError, "a Crowd needs as many curators"),
        (lambda: Crowd(Luce(2), [None, None], [1.0]), ValueError, "a Crowd needs as many curators"),
        (lambda: Crowd(Luce(2), ["warm"]), TypeError, "a reward is a callable .* got 'warm'"),
        (lambda: Shift([1.0]).law(Finite(P)), TypeError, "Shift moves vectors, .* symbols; use Luce, BestOf or Tilt"),
        (
            lambda: Luce(2).law(Location([0.0]).law(), Quadratic([1.0], 1.0)),
            NoPopulationLaw,
            "Luce.*Quadratic.*samples=n",
        ),
        (
            lambda: BestOf(2).law(MIXTURE, Linear([1.0])),
            NoPopulationLaw,
            r"BestOf\(2\) .* on a Moments law .*samples=n",
        ),
        (
            lambda: TopFraction(0.1).law(Location([0.0]).law(), CUBE),
            NoPopulationLaw,
            "TopFraction.*<lambda>.*samples=n",
        ),
        (lambda: Tilt().law(MIXTURE, Linear([1.0])), NoPopulationLaw, "Tilt.* on a Moments law .*samples=n"),
        (lambda: Curator().law(MIXTURE, None), NoPopulationLaw, "the curator .* has no population law.*samples=n"),
    ],
)
def test_refusals(make, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("curator", "law", "reward", "message"),
    [
        (Luce(2), NORMAL, Quadratic([1.0], 1.0), r"Luce\(2, .*\) with the reward Quadratic\(.*\) on a Normal law"),
        (BestOf(2), MIXTURE, Linear([1.0]), r"BestOf\(2\) with the reward Linear.* on a Moments law"),
        (TopFraction(0.1), NORMAL, CUBE, r"TopFraction\(0.1\) with the reward <lambda> on a Normal law"),
        (Tilt(), NORMAL, CUBE, r"Tilt\(temperature=1\) with the reward <lambda> on a Normal law"),
        (Tilt(), MIXTURE, Linear([1.0]), r"Tilt\(temperature=1\) with the reward Linear.* on a Moments law"),
        (Curator(), MIXTURE, None, "the curator"),
    ],
)
def test_what_has_no_law_names_the_remedy(curator: Curator, law: Law, reward: Reward | None, message: str) -> None:
    with pytest.raises(NoPopulationLaw, match=message + r".* has no population law; run it with .*samples=n"):
        curator.law(law, reward)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Crowd((Luce(2), Luce(2)), opposite=(True,)),
        lambda: Crowd([]),
        lambda: Crowd((Luce(2), "blind")),
        lambda: Users(Linear([1.0]), "luce"),
    ],
)
def test_refusals_of_crowds(make) -> None:
    with pytest.raises((ValueError, TypeError), match=r"Crowd|Users"):
        make()


def test_weights_may_be_a_tensor() -> None:
    assert Crowd(Luce(2), weights=torch.tensor([0.5, 0.5])).weights.tolist() == [0.5, 0.5]
