"""Rewards: their values, their exact expectations, and many tastes at once."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecosystem import Categorical, Distance, Gaussian, Linear, Location, NoPopulationLaw, Quadratic, Stream, Tabular
from ecosystem.core.laws import Finite, Moments, Normal
from ecosystem.core.stacking import stack
from ecosystem.rewards import Reward, as_reward, negated
from tests.drawn import normals

_quick = settings(max_examples=30, deadline=None)
EVENTS = st.sampled_from([(), (1,), (3,), (2, 4)])


def by_hand(name: str, g: np.ndarray, eta: float, x: np.ndarray) -> float:
    if name == "linear":
        return float((g * x).sum())
    if name == "quadratic":
        return float((g * x).sum() - eta / 2 * (x * x).sum())
    return float(-eta * np.sqrt(((x - g) ** 2).sum()))


MAKE = {
    "linear": lambda g, eta: Linear(g),
    "quadratic": lambda g, eta: Quadratic(g, eta),
    "distance": lambda g, eta: Distance(g, eta),
}


@_quick
@given(name=st.sampled_from(list(MAKE)), event=EVENTS, batch=st.sampled_from([(4,), (2, 3)]), eta=st.floats(-2, 2))
def test_values(name: str, event: tuple, batch: tuple, eta: float) -> None:
    g, x = normals(1, *event), normals(2, *batch, *event)
    value = MAKE[name](g, eta)(x)
    assert value.shape == batch
    for index in np.ndindex(*batch):
        assert float(value[index]) == pytest.approx(by_hand(name, g.numpy(), eta, x[index].numpy()), abs=1e-12)


@pytest.mark.parametrize(
    ("reward", "event"),
    [(Linear(2.0), ()), (Quadratic([1.0, 2.0], 0.5), (2,)), (Distance([1.0, 2.0]), (2,)), (Distance(1.0), ())],
)
def test_one_sample_without_a_batch(reward: Reward, event: tuple) -> None:
    x = normals(0, *event)
    assert float(reward(x)) == float(reward(x.unsqueeze(0))[0])


@_quick
@given(name=st.sampled_from([*MAKE, "tabular"]), event=EVENTS, n=st.integers(1, 4))
def test_stacked_tastes_judge_their_own_samples(name: str, event: tuple, n: int) -> None:
    """``[members]`` and ``[members, replicates]`` of rewards give what each gives alone."""
    if name == "tabular":
        rewards: list[Reward] = [Tabular(normals(i, 5)) for i in range(6)]
        x = torch.randint(5, (6, n), generator=torch.Generator().manual_seed(0))
    else:
        rewards = [MAKE[name](normals(i, *event), 0.1 * i - 0.2) for i in range(6)]
        x = normals(9, 6, n, *event)
    flat = stack(rewards)(x)
    assert flat.shape == (6, n)
    nested = stack([stack(rewards[:3]), stack(rewards[3:])])(x.reshape(2, 3, *x.shape[1:]))
    assert nested.shape == (2, 3, n)
    for i, reward in enumerate(rewards):
        torch.testing.assert_close(flat[i], reward(x[i]), rtol=1e-13, atol=1e-13)
        torch.testing.assert_close(nested.flatten(0, 1)[i], reward(x[i]), rtol=1e-13, atol=1e-13)


@_quick
@given(seed=st.integers(0, 10**6), d=st.integers(1, 5), eta=st.floats(-1, 1))
def test_expectations_under_two_moments(seed: int, d: int, eta: float) -> None:
    """``E⟨g,x⟩ = ⟨g,μ⟩`` and ``E r = ⟨g,μ⟩ − η/2·(‖μ‖² + tr Σ)``."""
    g, mean, factor = normals(seed, d), normals(seed + 1, d), normals(seed + 2, d, d)
    sigma = factor @ factor.T
    law = Moments(mean, sigma)
    assert float(Linear(g).expect(law)) == pytest.approx(float(g @ mean), abs=1e-12)
    expected = float(g @ mean - eta / 2 * (mean @ mean + sigma.trace()))
    assert float(Quadratic(g, eta).expect(law)) == pytest.approx(expected, abs=1e-11)
    assert float(Quadratic(g, eta).expect(Normal(mean, sigma))) == pytest.approx(expected, abs=1e-11)


def test_expectations_are_the_means_of_values() -> None:
    """A million samples, 5 standard errors; a family's ``expect`` is the same number."""
    rng = Stream.root([(0, 0)])[0]
    model = Gaussian([1.0, -0.5], [[1.0, 0.3], [0.3, 0.5]])
    x = model.sample(400_000, rng)
    for reward in (Linear([0.5, 2.0]), Quadratic([0.5, 2.0], 0.7), Quadratic([0.5, 2.0], -0.3)):
        value = reward(x)
        assert abs(float(value.mean() - model.expect(reward))) < 5 * float(value.std()) / math.sqrt(len(value))
        assert torch.equal(model.expect(reward), reward.expect(model.law()))


def test_the_constant_of_the_location_family() -> None:
    """``η d σ²/2`` is .0864 for ``p`` and .1056 for ``q`` in the two-model experiment (d = 24, σ = .2)."""
    for eta, constant in ((0.18, 0.0864), (0.22, 0.1056)):
        model = Location(torch.ones(24), scale=0.2)
        expected = 24 * 0.5 - eta / 2 * 24 - constant
        assert float(model.expect(Quadratic(torch.full((24,), 0.5), eta))) == pytest.approx(expected, abs=1e-12)


def test_stacked_expectations() -> None:
    rewards = [Quadratic(normals(i, 3), 0.1 * i) for i in range(4)]
    law = Normal(normals(8, 4, 5, 3), scale=normals(9, 4, 5).abs())
    value = stack(rewards).map(lambda t: t.unsqueeze(1)).expect(law)
    assert value.shape == (4, 5)
    for i, reward in enumerate(rewards):
        torch.testing.assert_close(value[i], reward.expect(law.take(i)))


def test_expectations_on_symbols() -> None:
    """On a finite alphabet any reward has an exact expectation."""
    law = Categorical([0.5, 0.3, 0.2]).law()
    assert float(Tabular([0.0, 1.0, 2.0]).expect(law)) == pytest.approx(0.7, abs=1e-15)
    assert float(as_reward(lambda x: (x.double() - 1) ** 2).expect(law)) == pytest.approx(0.7, abs=1e-15)
    assert float(Linear(2.0).expect(law)) == pytest.approx(1.4, abs=1e-15)
    many = Finite(torch.tensor([[1.0, 0.0], [0.25, 0.75]], dtype=torch.float64))
    assert Tabular([4.0, 8.0]).expect(many).tolist() == [4.0, 7.0]


def nice(x: torch.Tensor) -> torch.Tensor:
    return x.sum(-1) ** 3


@pytest.mark.parametrize(
    ("reward", "name"), [(Distance([1.0, 2.0]), r"Distance\(\[1, 2\], weight = 1\)"), (as_reward(nice), "nice")]
)
def test_what_has_no_expectation_says_so(reward: Reward, name: str) -> None:
    message = f"the expectation of the reward {name} under a continuous law has no population law.*samples=n"
    with pytest.raises(NoPopulationLaw, match=message):
        Location([0.0, 0.0]).expect(reward)


# -- opposite tastes, names --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reward", [Linear([1.0, 2.0]), Quadratic([1.0, 2.0], 0.5), Distance([1.0, 2.0], 3.0), as_reward(nice)]
)
def test_the_opposite_taste(reward: Reward) -> None:
    x = normals(0, 5, 2)
    torch.testing.assert_close(negated(reward)(x), -reward(x))
    torch.testing.assert_close(negated(negated(reward))(x), reward(x))
    assert negated(reward).kind() == negated(reward).kind()  # so that members of equal taste stack
    both = stack([negated(reward), negated(reward)])
    torch.testing.assert_close(both(torch.stack([x, x])), -torch.stack([reward(x), reward(x)]))


def test_the_opposite_taste_on_symbols() -> None:
    reward = negated(Tabular([0.0, 1.0, 5.0]))
    assert reward(torch.tensor([2, 0, 1])).tolist() == [-5.0, 0.0, -1.0]
    assert float(reward.expect(Finite(torch.tensor([0.0, 0.5, 0.5]).double()))) == -3.0


def test_names_for_people() -> None:
    plain = Linear([3.0, 4.0])
    named = plain.named("bold strokes")
    assert str(plain) == repr(plain) == "Linear([3, 4])"
    assert str(named) == "bold strokes" and named.kind() == plain.kind()
    assert str(plain) == "Linear([3, 4])" and torch.equal(named.direction, plain.direction)
    assert repr(Quadratic([3.0, 4.0], 0.25)) == "Quadratic([3, 4], η = 0.25)"
    assert repr(Tabular([1.0, 2.0])) == "Tabular([1, 2])" and repr(as_reward(nice)) == "nice"


def test_numbers_are_cast_and_copied_when_a_reward_is_made() -> None:
    g = torch.ones(2, dtype=torch.float32, requires_grad=True)
    reward = Linear(g)
    assert reward.direction.dtype == torch.float64 and not reward.direction.requires_grad
    array = np.ones(2)
    other = Linear(array)
    array[0] = 7
    assert other.direction.tolist() == [1.0, 1.0]


# -- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Linear([1.0, math.nan]), ValueError, r"Linear\(direction\) must be finite numbers, got \[1.0, nan\]"),
        (lambda: Quadratic([math.inf], 1.0), ValueError, r"Linear\(direction\) must be finite numbers, got \[inf\]"),
        (lambda: Quadratic([1.0], math.nan), ValueError, r"Quadratic\(curvature\) must be finite numbers, got nan"),
        (lambda: Distance([math.nan]), ValueError, r"Distance\(target\) must be finite"),
        (lambda: Distance([1.0], math.inf), ValueError, r"Distance\(weight\) must be finite"),
        (
            lambda: Tabular([[1.0, 2.0]]),
            ValueError,
            r"Tabular\(values\) must have one number for each.*shape \(1, 2",
        ),
        (lambda: Tabular(3.0), ValueError, r"Tabular\(values\) must have one number for each symbol, got shape \(\)"),
        (lambda: Tabular([math.nan]), ValueError, r"Tabular\(values\) must be finite"),
        (lambda: as_reward("good"), TypeError, r"a reward is a callable .* got 'good'"),
    ],
)
def test_refusals(make, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("make", [lambda: Quadratic([1.0] * 3, [0.1] * 3), lambda: Distance([1.0] * 3, [0.1] * 3)])
def test_a_curvature_is_one_number(make) -> None:
    with pytest.raises(ValueError, match=r"curvature|weight"):
        make()
