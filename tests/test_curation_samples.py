"""Curators at work on drawn candidates: they agree with their laws, and their luck has an address.

Statistical tests have fixed seeds; each holds for a correct curator with a confidence above 99.9 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy import stats

from ecosystem import (
    BestOf,
    Blind,
    Categorical,
    Crowd,
    Distance,
    Ecosystem,
    Flow,
    Gaussian,
    GaussianMixture,
    Linear,
    Location,
    Luce,
    Member,
    Quadratic,
    Scenario,
    Shift,
    Tabular,
    Tilt,
    TopFraction,
    Users,
)
from ecosystem.core.laws import Finite, Moments
from ecosystem.core.stacking import stack
from ecosystem.curation import Curator
from ecosystem.rewards import Reward, as_reward
from tests.drawn import Fixed, Shown, normals, numbers, users

SYMBOLS = Categorical([0.35, 0.1, 0.25, 0.3])
TASTE = Tabular([0.0, 1.0, 1.0, 2.5])
CURATORS: dict[str, Curator] = {
    "luce": Luce(3, temperature=0.7),
    "best": BestOf(3),
    "quota": TopFraction(0.4),
    "tilt": Tilt(1.5),
    "blind": Blind(),
    "noisy": Crowd.noisy(Luce(4), 0.3),
    "hostile": Crowd.adversarial(BestOf(2), 0.4),
}
OTHER = Tabular([3.0, 0.0, 0.0, 0.0])
CROWDS: dict[str, Curator] = {
    "crowd": Crowd((Luce(2), BestOf(3), Tilt()), (None, OTHER, None), (0.3, 0.5, 0.2)),
    "mixture": Crowd(Tilt(), [TASTE, Tabular([0.0, 0.0, 2.0, 0.0])], [0.2, 0.8]),
    "nested": Crowd((Luce(2), Crowd((Tilt(), BestOf(3)), weights=(0.3, 0.7))), (None, OTHER)),
}


def choose(curator: Curator, slate, reward: Reward | None, luck) -> torch.Tensor:
    """What users of one kind keep: the same curator and taste for each of the samples."""
    many = lambda item: item.map(lambda t: t.expand(len(luck.keys), *t.shape))  # noqa: E731
    return many(curator).curate(slate, None if reward is None else many(reward), luck)


@pytest.mark.parametrize("name", [*CURATORS, *CROWDS])
def test_choices_among_symbols_follow_the_law(name: str) -> None:
    """100,000 choices, chi-square: p > 1e-4."""
    curator, m = (CURATORS | CROWDS)[name], 100_000
    law = curator.law(SYMBOLS.law(), TASTE)
    assert isinstance(law, Finite)
    kept = choose(curator, Shown.of(SYMBOLS, m), TASTE, users(m))
    assert kept.shape == (m,) and kept.dtype == torch.int64
    seen = np.bincount(kept.numpy(), minlength=4)
    expected = law.probabilities.numpy() * m
    assert (seen[expected < 1e-6] == 0).all()
    here = expected > 1e-6
    assert stats.chisquare(seen[here], expected[here] * (m / expected[here].sum())).pvalue > 1e-4


@pytest.mark.parametrize("generator", [Location([0.3, -0.2], 0.8), Gaussian([0.3, -0.2], [[1.0, 0.5], [0.5, 0.7]])])
@pytest.mark.parametrize("name", [*CURATORS, "shift", "quadratic"])
def test_choices_among_vectors_follow_the_law(name: str, generator) -> None:
    """100,000 choices: mean and covariance within 5 standard errors."""
    m = 100_000
    reward: Reward = Quadratic([0.5, 1.0], 0.6) if name == "quadratic" else Linear([1.0, -0.8])
    curator = {**CURATORS, "shift": Shift([0.5, 2.0]), "quadratic": Tilt(0.8)}[name]
    law = curator.law(generator.law(), reward)
    assert isinstance(law, Moments)
    kept = choose(curator, Shown.of(generator, m), reward, users(m))
    centred = kept - law.mean
    products = centred.unsqueeze(-1) * centred.unsqueeze(-2)
    assert (centred.mean(0).abs() < 5 * centred.std(0) / math.sqrt(m)).all()
    assert ((products.mean(0) - law.covariance).abs() < 5 * products.std(0) / math.sqrt(m)).all()


@pytest.mark.parametrize("chosen_by", ["producer", "consumer"])
@pytest.mark.parametrize("name", [*CURATORS, *CROWDS])
def test_one_sampled_round_follows_the_population(name: str, chosen_by) -> None:
    """The public way: a member on 40,000 curated symbols of its own, against the exact round; 5.5 standard errors."""
    s = Scenario("round", rounds=1)
    s.add("a", Member(SYMBOLS, reward=TASTE, curator=(CURATORS | CROWDS)[name]))
    s.connect("a", "a", Flow(raw=0.25, curated=0.75, chosen_by=chosen_by, transform=lambda x: (x + 1) % 4))
    exact, drawn = Ecosystem(s), Ecosystem(s.replace(samples=40_000), seeds=[11])
    exact.step()
    drawn.step()
    p, seen = exact["a"].generator.probabilities.flatten(), drawn["a"].generator.probabilities.flatten()
    assert ((seen - p).abs() < 5.5 * (p * (1 - p) / 40_000).sqrt() + 1e-12).all()
    assert (p - SYMBOLS.probabilities.roll(1)).abs().max() > 0.02 or name == "blind"


@pytest.mark.parametrize("name", ["luce", "best", "quota", "tilt", "noisy", "hostile"])
def test_one_sampled_round_of_vectors_follows_the_population(name: str) -> None:
    s = Scenario("round", rounds=1)
    start = Gaussian([0.3, -0.2], [[1.0, 0.5], [0.5, 0.7]])
    s.add("a", Member(start, reward=Linear([1.0, -0.8]), curator=CURATORS[name]))
    s.connect("a", "a", Flow(raw=0.25, curated=0.75))
    n = 40_000
    exact, drawn = Ecosystem(s), Ecosystem(s.replace(samples=n), seeds=[11])
    exact.step()
    drawn.step()
    law, seen = exact["a"].generator, drawn["a"].generator
    spread = law.covariance.reshape(2, 2).diagonal()
    assert ((seen.mean - law.mean).flatten().abs() < 5.5 * (spread / n).sqrt()).all()
    bound = 5.5 * torch.outer(spread, spread).sqrt() * math.sqrt(3 / n)
    assert ((seen.covariance - law.covariance).reshape(2, 2).abs() < bound).all()
    assert float((law.mean.flatten() - start.mean).abs().max()) > 0.05


# -- one choice --------------------------------------------------------------------------------------------------------


def test_luce_chooses_by_exponential_weights() -> None:
    """Always the same four candidates: the choice is a softmax of their rewards (chi-square, p > 1e-4)."""
    values, m = numbers([[0.0], [1.0], [1.5], [-1.0]]), 50_000
    kept = choose(Luce(4, temperature=2.0), Fixed(values, m), Linear([1.0]), users(m))
    seen = [int((kept == value).sum()) for value in values]
    expected = torch.softmax(values.flatten() / 2, -1).numpy() * m
    assert stats.chisquare(seen, expected).pvalue > 1e-4


def test_only_k_candidates_are_looked_at() -> None:
    values = numbers([[0.0], [1.0], [5.0]])
    assert set(choose(Luce(2), Fixed(values, 500), Linear([1.0]), users(500)).flatten().tolist()) == {0.0, 1.0}
    assert set(choose(BestOf(2), Fixed(values, 9), Linear([1.0]), users(9)).flatten().tolist()) == {1.0}
    assert set(choose(BestOf(3), Fixed(values, 9), Linear([1.0]), users(9)).flatten().tolist()) == {5.0}
    assert set(choose(BestOf(3), Fixed(values, 9), Linear([-1.0]), users(9)).flatten().tolist()) == {0.0}


def test_ties_are_split_evenly() -> None:
    """Four candidates, three of them equally good: a third each (chi-square, p > 1e-4)."""
    m = 30_000
    kept = choose(BestOf(4), Fixed(torch.arange(4), m), Tabular([1.0, 0.0, 1.0, 1.0]), users(m))
    seen = np.bincount(kept.numpy(), minlength=4)
    assert seen[1] == 0 and stats.chisquare(seen[[0, 2, 3]]).pvalue > 1e-4


def test_a_tilt_uses_the_noise_of_the_raw_sample() -> None:
    """Paired runs share it: on a location member every sample moves by the same vector."""
    slate = Shown.of(Location([1.0, 2.0], 0.5), 100)
    moved = choose(Tilt(2.0), slate, Linear([3.0, -4.0]), users(100)) - slate.candidate(0)
    torch.testing.assert_close(moved, numbers([0.375, -0.5]).expand(100, 2))
    shifted = choose(Shift([1.0, -1.0]), slate, None, users(100)) - slate.candidate(0)
    torch.testing.assert_close(shifted, numbers([1.0, -1.0]).expand(100, 2))
    assert torch.equal(choose(Blind(), slate, None, users(100)), slate.candidate(0))


def test_a_quota_keeps_the_best_of_each_pool() -> None:
    """Of each pool's ``⌈c/f⌉`` candidates, taken in the order (candidate, place), the ``c`` best are kept."""
    m, fraction = 23, 0.3
    pool = torch.tensor([7, 7, 2, 7, 2, 2, 7, 9] * 3)[:m]
    slate = Shown(Location([0.0]), Shown.of(Location([0.0]), m).keys, pool)
    kept = choose(TopFraction(fraction), slate, Linear([-1.0]), users(m)).flatten()
    shown = torch.stack([slate.candidate(k).flatten() for k in range(4)])
    for value in (2, 7, 9):
        mine = pool == value
        c = int(mine.sum())
        candidates = shown[:, mine].flatten()[: math.ceil(c / fraction)]
        expected = candidates.sort().values[:c]
        assert kept[mine].sort().values.tolist() == expected.tolist()


def test_a_quota_of_everything_keeps_everything() -> None:
    slate = Shown.of(Location([0.0]), 10)
    kept = choose(TopFraction(1.0), slate, Linear([1.0]), users(10))
    assert kept.flatten().sort().values.tolist() == slate.candidate(0).flatten().sort().values.tolist()
    nothing = choose(TopFraction(0.5), slate.take(torch.zeros(0).long()), Linear([1.0]), users(0))
    assert nothing.shape == (0, 1)


def test_users_of_a_crowd_come_with_their_weights() -> None:
    """Who chooses can be read from what is kept (binomial, 5 standard errors)."""
    m = 40_000
    crowd = Crowd((Shift([100.0]), Shift([200.0]), Blind()), weights=(0.2, 0.3, 0.5))
    kept = choose(crowd, Shown.of(Location([0.0]), m), None, users(m)).flatten()
    for low, weight in ((50, 0.2), (150, 0.3), (-50, 0.5)):
        share = float(((kept > low) & (kept < low + 100)).double().mean())
        assert abs(share - weight) < 5 * math.sqrt(weight * (1 - weight) / m)


# -- addresses ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n in (*CURATORS, *CROWDS) if n != "quota"])
def test_a_choice_does_not_depend_on_who_else_chooses(name: str) -> None:
    """Each sample's survivor is its own: prefixes, picks and order change nothing."""
    curator, slate, luck = (CURATORS | CROWDS)[name], Shown.of(SYMBOLS, 60), users(60)
    whole = choose(curator, slate, TASTE, luck)
    index = torch.randperm(60, generator=torch.Generator().manual_seed(0))[:23]
    assert torch.equal(choose(curator, slate.take(index), TASTE, luck[index]), whole[index])
    assert torch.equal(choose(curator, Shown.of(SYMBOLS, 20), TASTE, users(20)), whole[:20])
    other = choose(curator, slate, TASTE, users(60, seed=1))
    assert (not torch.equal(other, whole)) == ((curator.chooses and name != "mixture") or name == "mixture")


def test_stacked_users_choose_as_each_would_alone() -> None:
    """A curator and a taste of its own for each sample."""
    m = 30
    slate, luck = Shown.of(Location([0.0, 0.0]), m), users(m)
    kinds = [
        (lambda i: Luce(3, 0.5 + i / 10), lambda i: Linear(normals(i, 2))),
        (lambda i: BestOf(3), lambda i: Quadratic(normals(i, 2), 0.1 * i)),
        (lambda i: Tilt(0.5 + i / 10), lambda i: Linear(normals(i, 2))),
        (lambda i: Shift(normals(i, 2)), lambda i: Linear(normals(i, 2))),
        (lambda i: Crowd.adversarial(Luce(2), i / 30), lambda i: Distance(normals(i, 2))),
        (lambda i: Crowd((Luce(2), Blind()), (Linear(normals(i, 2)), None), (0.5, 0.5)), lambda i: Linear([1.0, 0.0])),
    ]
    for curator, taste in kinds:
        together = stack([curator(i) for i in range(m)]).curate(slate, stack([taste(i) for i in range(m)]), luck)
        for i in range(0, m, 7):
            one = torch.tensor([i])
            alone = choose(curator(i), slate.take(one), taste(i), luck[one])
            torch.testing.assert_close(together[one], alone, rtol=1e-13, atol=1e-13)


def test_a_small_change_of_taste_changes_few_choices() -> None:
    """Paired runs share the users' luck: choices are coupled."""
    slate, luck = Shown.of(SYMBOLS, 5000), users(5000)
    base = choose(Luce(4), slate, TASTE, luck)
    near = choose(Luce(4), slate, Tabular([0.0, 1.02, 1.0, 2.5]), luck)
    assert 0 < int((base != near).sum()) < 60


# -- extension and refusals --------------------------------------------------------------------------------------------


def test_a_curator_of_ones_own() -> None:
    """A law or a choice, or both, is all that it takes."""

    @dataclass(frozen=True, eq=False)
    class Second(Curator):
        """Keeps the second candidate whatever it is, plus a bonus."""

        bonus: torch.Tensor
        needs_reward = False

        def law(self, law, reward, memo=None):
            return law.shift(self.bonus)

        def curate(self, slate, reward, rng):
            return slate.candidate(1) + self.bonus

    s = Scenario("own", rounds=1)
    s.add("a", Member(Location([1.0]), curator=Second(numbers([0.5]))))
    s.connect("a", "a", Flow(raw=0.5, curated=0.5))
    assert float(s.run().parameters["a"]["mean"]) == 1.25
    sampled = s.replace(samples=50_000).run().parameters["a"]["mean"]
    assert abs(float(sampled) - 1.25) < 5 * math.sqrt(1.0625 / 50_000)


def test_a_reward_of_the_wrong_shape_is_refused_when_choosing() -> None:
    slate = Shown.of(Location([0.0, 0.0]), 6)
    for curator in (Luce(2), BestOf(2), TopFraction(0.5), Crowd.noisy(Luce(2), 0.5)):
        with pytest.raises(ValueError, match=r"the reward <lambda> returned shape .*2\).*must return one number for"):
            choose(curator, slate, as_reward(lambda x: x), users(6))


def test_a_tilt_needs_a_family_that_it_can_draw_from() -> None:
    mixture = GaussianMixture([0.5, 0.5], [[0.0], [1.0]], [[[1.0]], [[1.0]]])
    with pytest.raises((TypeError, ValueError), match=r"Tilt\(temperature=1\)"):
        choose(Tilt(), Shown.of(mixture, 3), Linear([1.0]), users(3))


def test_users_choose_by_their_own_taste() -> None:
    slate, luck = Shown.of(SYMBOLS, 100), users(100)
    assert torch.equal(Users(TASTE, Luce(3)).curate(slate, luck), choose(Luce(3), slate, TASTE, luck))
