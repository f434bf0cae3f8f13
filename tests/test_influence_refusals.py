"""What influence cannot answer is refused with the place, the reason and what to use instead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from ecosystem import (
    Categorical,
    Curator,
    Flow,
    Freeze,
    Gaussian,
    GenerativeModel,
    Linear,
    Location,
    Member,
    ModelAgent,
    Scenario,
    Shift,
    Tabular,
    TopFraction,
    at,
    never,
)
from ecosystem.core.laws import Finite, Law, Moments
from ecosystem.influence import influence, stability, stable_point
from ecosystem.rewards import Reward
from scenarios import pair


def duo(**of_a) -> Scenario:
    """``a`` curates its own output, ``b`` reads it."""
    s = Scenario("duo", rounds=5)
    settings = {"generator": Location([0.0]), "reward": Linear([1.0]), "curator": Shift([1.0]), "real": Location([0.0])}
    s.add("a", Member(**(settings | of_a)))
    s.add("b", Member(Location([0.0]), reward=Linear([1.0]), real=Location([0.0])))
    s.connect("a", "a", Flow(raw=0.2, curated=0.3))
    s.connect("a", "b", Flow(raw=0.5))
    return s


class Coin(GenerativeModel):
    event_shape = (1,)

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def sample(self, n, rng):
        return rng.normal(n, 1) + self.weight.detach()


class Busy(ModelAgent):
    def decide(self) -> None:
        """Might do anything."""


@dataclass(frozen=True, eq=False)
class Opaque(Reward):
    """A reward that was computed where torch does not see it."""

    def moments(self, law: Moments) -> torch.Tensor:
        return law.mean.detach().sum(-1) + 0 * law.mean.sum(-1)

    def __call__(self, x):
        return x.sum(-1)


@dataclass(frozen=True, eq=False)
class Distaste(Opaque):
    """A kink where the mean is 0."""

    def moments(self, law: Moments) -> torch.Tensor:
        return -law.mean.abs().sum(-1)


@dataclass(frozen=True, eq=False)
class Kinked(Curator):
    """Moves symbol 1 by the distance to even odds: a kink at even odds."""

    needs_reward = False

    def law(self, law: Law, reward=None, memo=None) -> Law:
        assert isinstance(law, Finite)
        step = 0.3 * (law.probabilities[..., :1] - 0.5).abs()
        return Finite(law.probabilities + torch.cat([-step, step], -1))


@pytest.mark.parametrize("ask", [influence, stable_point, stability])
@pytest.mark.parametrize(
    ("scenario", "says"),
    [
        (lambda: duo(generator=Coin()), "Coin, the generator of 'a', has no population law.*measure_influence"),
        (lambda: duo(real=lambda n, rng: rng.normal(n, 1)), "real data of 'a'.*no population law.*measure_influence"),
        (lambda: duo(agent=Busy), "'a' has an agent of its own, Busy.*measure_influence"),
        (lambda: duo(schedule=at(1, 2)), r"'a' retrains at\(1, 2\), then never again"),
    ],
)
def test_no_population_dynamics(ask, scenario, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ask(scenario())


def test_interventions_and_frozen_worlds() -> None:
    s = duo()
    s.at(3, Freeze("a"))
    with pytest.raises(ValueError, match=r"changes while it runs \(Freeze.*in round 3\).*measure_influence"):
        influence(s)
    s = Scenario("still", rounds=1)
    s.add("a", Member(Location([0.0]), reward=Linear([1.0]), schedule=never))
    with pytest.raises(ValueError, match="nobody retrains"):
        stable_point(s)


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"sources": ["b"]}, ValueError, "'b' cannot be among the sources: it has no curated flow; say which"),
        ({"sources": ["z"]}, KeyError, "sources: there is no member 'z'; the members are a, b"),
        ({"sources": "a"}, TypeError, r"influence\(sources\) must be a list of names or None, got 'a'; write \['a'\]"),
        ({"sources": []}, ValueError, "there are no sources"),
        ({"targets": ["z"]}, KeyError, "targets: there is no member 'z'"),
    ],
)
def test_names(settings, error, says: str) -> None:
    with pytest.raises(error, match=says):
        influence(duo(), **settings)


def test_who_cannot_be_a_source_or_a_target() -> None:
    s = Scenario("many", rounds=1)
    tastes = {"whole": Linear([1.0]), "plain": Linear([1.0]), "mute": None, "odd": lambda x: x.abs().sum(-1)}
    for name, taste in tastes.items():
        s.add(name, Member(Location([0.0]), reward=taste, curator=Shift([1.0]), real=Location([1.0])))
    s.add("still", Member(Location([0.0]), reward=Linear([1.0]), schedule=never))
    for name in ("plain", "mute", "odd"):
        s.connect("still", name, Flow(curated=0.5, chosen_by="consumer"))
    s.connect("plain", "whole", Flow(curated=1.0, chosen_by="consumer"))
    result = influence(s)
    assert result.sources == ["plain", "mute", "odd"] and result.targets == ["whole", "plain", "still"]
    assert "level is 1" in result.skipped["whole"] and "never retrains" in result.skipped["still"]
    assert "no reward" in result.unjudged["mute"] and "measure_influence" in result.unjudged["odd"]
    assert result.welfare.set_index("source").loc["mute"].isna()["private"]
    with pytest.raises(ValueError, match="'odd' cannot be among the targets: the expectation of its reward"):
        influence(s, targets=["odd"])
    with pytest.raises(ValueError, match="'whole' cannot be among the sources: its curation level is 1"):
        influence(s, sources=["whole"])


def test_nobody_curates() -> None:
    s = Scenario("raw", rounds=1)
    s.add("a", Member(Location([0.0]), reward=Linear([1.0]), real=Location([0.0])))
    s.connect("a", "a", Flow(raw=0.5))
    with pytest.raises(ValueError, match="there are no sources in scenario 'raw': 'a': it has no curated flow"):
        influence(s)


def test_no_stable_point() -> None:
    s = Scenario("drift", rounds=1)
    s.add("a", Member(Location([0.0]), reward=Linear([1.0]), curator=Shift([1.0])))
    s.connect("a", "a", Flow(raw=0.5, curated=0.5))
    with pytest.raises(ValueError, match=r"no stable point was found.*it diverges.*measure_influence"):
        influence(s)


@pytest.mark.parametrize(("reward", "shift"), [(Opaque(), 1.0), (Distaste(), 0.0)])
def test_a_reward_without_derivative(reward: Reward, shift: float) -> None:
    with pytest.raises(ValueError, match=r"the reward of 'a', .* is not differentiable at the stable point"):
        influence(duo(reward=reward, curator=Shift([shift])))


def test_a_choice_with_a_kink() -> None:
    s = Scenario("kink", rounds=1)
    even = Categorical([0.5, 0.5])
    s.add("a", Member(even, reward=Tabular([0.0, 1.0]), curator=Kinked(), real=even))
    s.connect("a", "a", Flow(curated=0.5))
    with pytest.raises(ValueError, match="the retraining of 'a' is not differentiable at the stable point"):
        influence(s)


def test_a_quota_that_just_fits_has_no_derivative_and_one_that_does_not_has() -> None:
    """Half real (.8, .2), half the best of its own: symbol 1 has .6, more than a quota of .5 and just one of .6."""

    def network(fraction: float) -> Scenario:
        s = Scenario("quota", rounds=1)
        data = Categorical([0.8, 0.2])
        s.add("a", Member(data, reward=Tabular([0.0, 1.0]), curator=TopFraction(fraction), real=data))
        s.connect("a", "a", Flow(curated=0.5))
        return s

    assert influence(network(0.5)).matrix.at["a", "a"] == pytest.approx(1 - 0.2)
    with pytest.raises(ValueError, match="the retraining of 'a' is not differentiable"):
        influence(network(0.6))


def test_a_gaussian_on_its_floor() -> None:
    s = Scenario("floor", rounds=1)
    point = Gaussian([0.0, 0.0], [[1e-9, 0.0], [0.0, 1e-9]])
    s.add("a", Member(point, reward=Linear([1.0, 0.0]), curator=Shift([1.0, 0.0]), real=torch.zeros(3, 2)))
    s.connect("a", "a", Flow(curated=0.0, raw=0.5))
    s.add("b", Member(point, reward=Linear([1.0, 0.0]), curator=Shift([0.0, 0.0]), real=torch.zeros(3, 2)))
    s.connect("b", "b", Flow(curated=0.5))
    with pytest.raises(ValueError, match=r"has no derivative|not differentiable"):
        influence(s)


@pytest.mark.parametrize("settings", [{"starts": 0}, {"rounds": 0}, {"tolerance": 0.0}])
def test_numbers(settings) -> None:
    with pytest.raises(ValueError, match="needs starts and rounds of at least 1"):
        stable_point(pair.scenario(), **settings)
    with pytest.raises(ValueError, match="lies between 0 and 1, got 2"):
        stability(pair.scenario(), tolerance=2)


def test_a_point_of_another_scenario() -> None:
    with pytest.raises(ValueError, match="has no parameters for 'a'"):
        influence(duo(), at=stable_point(pair.scenario()))


def test_like_names_members_that_do_not_curate_yet() -> None:
    with pytest.raises(KeyError, match="'z'"):
        influence(duo(), like={"z": ("a", "z")})
    with pytest.raises(ValueError, match=r"like is for members at curation level 0, 'a' has 0\.3; drop it there"):
        influence(duo(), like={"a": ("a", "a")})


def test_copies_that_curate_have_nowhere_to_settle() -> None:
    """``x`` copies itself and shifts what it copies: at level 0 everything is stable, and any more runs away."""
    s = Scenario("copies", rounds=1)
    s.add("x", Member(Location([1.0]), reward=Linear([1.0]), curator=Shift([1.0])))
    s.connect("x", "x", Flow(raw=1.0))
    result = influence(s, like={"x": ("x", "x")})
    assert result.matrix.at["x", "x"] == np.inf and result.table["network"].tolist() == ["undefined"]
    assert "x can move in 1 direction" in result.unbounded["x"] and "for ever" in result.unbounded["x"]
    with pytest.raises(ValueError, match="the traffic from 'x' has no end"):
        result.edges("x")
    with pytest.raises(ValueError, match="'x' has neither S nor C"):
        result.S("x")
