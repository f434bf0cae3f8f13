"""Members, rewards, real data and flows that are refused: every error names the place, the value and the mend."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from ecosystem import (
    BestOf,
    Categorical,
    Crowd,
    Flow,
    Gaussian,
    GenerativeModel,
    Linear,
    LinearMap,
    Location,
    Luce,
    Member,
    Scenario,
    Shift,
    Tabular,
    Tilt,
    Users,
    never,
)
from tests.labs import plain, real, refused, scenario

NAN = math.nan


class Odd(GenerativeModel):
    """Says one shape, makes another."""

    event_shape = (2,)

    def sample(self, n, rng):
        return rng.normal(n, 3)


class Shapeless(GenerativeModel):
    def sample(self, n, rng):
        return rng.normal(n, 3)


def crash(x):
    raise RuntimeError("no idea")


CASES: dict[str, tuple[Callable[[], object], str]] = {
    # -- numbers
    "rounds": (lambda: Scenario("x", rounds=-1), "Scenario(rounds) must be a whole … at least 0, got -1"),
    "rounds float": (lambda: Scenario("x", rounds=2.0), "Scenario(rounds) must be a whole … got 2.0"),
    "rounds bool": (lambda: Scenario("x", rounds=True), "Scenario(rounds) must be a whole … got True"),
    "samples": (lambda: Scenario("x", rounds=1, samples=0), "Scenario(samples) … at least 1, got 0"),
    "samples float": (lambda: Scenario("x", rounds=1, samples=1.5), "Scenario(samples) … got 1.5"),
    "replicates": (lambda: scenario(a=real()).run(replicates=0), "run(replicates) … at least 1, got 0"),
    # -- members
    "generator": (lambda: Member("gauss"), "TypeError: Member(generator) must be a GenerativeModel, got 'gauss'"),
    "curator": (lambda: plain(curator="luce"), "TypeError: Member(curator) … such as Luce(4), got 'luce'"),
    "reward": (lambda: plain(reward=3.0), "TypeError: a reward is a callable … got 3.0"),
    "schedule": (lambda: plain(schedule=3), "TypeError: a schedule is every(...), … got 3"),
    "retention": (lambda: plain(retention="all"), "TypeError: retention is replace(), … got 'all'"),
    "no reward": (
        lambda: plain(curator=Luce(2)),
        "curate by Luce(2, temperature=1) needs a reward: Member(..., reward=...)",
    ),
    "no reward for a crowd": (
        lambda: plain(curator=Crowd.noisy(Tilt(), 0.1)),
        "curate by Crowd(0.9 Tilt…) needs a reward",
    ),
    "no member": (lambda: scenario(a=Location([0.0])), "TypeError: member 'a' must be a Member(generator, ...), got"),
    "name": (lambda: Scenario("x", rounds=1).add(7, plain()), "TypeError: names … strings, got 7; use str(node)"),
    "empty name": (lambda: Scenario("x", rounds=1).add("", plain()), "TypeError: names of members are strings, got ''"),
    "twice": (
        lambda: scenario(a=plain()).add("a", plain()),
        "there is already a member 'a' in scenario 'lab'; names must differ",
    ),
    "shapeless": (lambda: scenario(a=Member(Shapeless())), "generator of 'a' has no event_shape; set it to"),
    "odd": (
        lambda: scenario(a=Member(Odd())),
        "Odd.sample(n, rng) must return [n, *event_shape] = (3, 2) for n = 3, got shape (3, 3)",
    ),
    # -- rewards
    "reward shape": (
        lambda: scenario(a=plain(reward=lambda x: x)),
        "the reward of 'a' returns shape (3, 2) for samples of shape (3, 2); a reward takes [..., 2] and returns",
    ),
    "reward total": (
        lambda: scenario(a=plain(reward=torch.sum)),
        "the reward of 'a' returns shape () for samples of shape (3, 2); a reward takes",
    ),
    "reward number": (lambda: scenario(a=plain(reward=lambda x: 1.0)), "the reward of 'a' returns 1.0"),
    "reward dimension": (
        lambda: scenario(a=plain(reward=Linear([1.0, 2.0, 3.0]))),
        "the reward of 'a' fails on samples of shape (3, 2): Linear([1, 2, 3]) judges samples of shape (3,); a reward",
    ),
    "reward crash": (lambda: scenario(a=plain(reward=crash)), "reward of 'a' fails on samples … no idea; a"),
    "reward of users": (
        lambda: scenario(("a", "a", Flow(curated=0.5, chosen_by=Users(Linear([1.0] * 3), Luce(2)))), a=real()),
        "the reward of the users of flow 'a' → 'a' fails on samples of shape (3, 2): Linear([1, 1, 1]) judges samples",
    ),
    # -- real data
    "real nan": (
        lambda: scenario(a=plain(real=torch.tensor([[1.0, NAN], [0.0, 0.0], [math.inf, NAN]]))),
        "the real data of 'a' have NaN or infinite values in 2 of 3 rows; drop them",
    ),
    "real empty": (
        lambda: scenario(a=plain(real=torch.zeros(0, 2))),
        "the real data of 'a' are empty; give a tensor [m, *event] with at least one sample",
    ),
    "real shape": (
        lambda: scenario(a=plain(real=torch.zeros(5, 3))),
        "the real data of 'a' have samples of shape (3,), its generator makes (2,); give data of shape [m, 2]",
    ),
    "real flat": (lambda: scenario(a=plain(real=torch.zeros(5))), "'a' have samples of shape ()"),
    "real model": (lambda: scenario(a=plain(real=Location([0.0]))), "'a' have samples of shape (1,)"),
    "real function": (
        lambda: scenario(a=plain(real=lambda n, rng: rng.normal(n, 3))),
        "SampleFunction.sample(n, rng) must return … = (3, 2) for n = 3, got shape (3, 3)",
    ),
    "real symbols": (
        lambda: scenario(a=Member(Categorical([0.5, 0.5]), real=torch.tensor([0, 2]))),
        "the real data of 'a' must be symbols 0..1 (an integer tensor)",
    ),
    "real negative": (
        lambda: scenario(a=Member(Categorical([0.5, 0.5]), real=torch.tensor([0, -1]))),
        "the real data of 'a' must be symbols 0..1",
    ),
    "real floats": (
        lambda: scenario(a=Member(Categorical([0.5, 0.5]), real=torch.tensor([0.0, 1.0]))),
        "the real data of 'a' must be symbols 0..1",
    ),
    "singular": (lambda: Gaussian([0.0, 0.0], [[1.0, 1.0], [1.0, 1.0]]), "is singular or not …; add a small"),
    # -- flows
    "negative": (lambda: Flow(raw=-0.1), "Flow(raw) is a share between 0 and 1, got -0.1"),
    "above one": (lambda: Flow(curated=1.2), "Flow(curated) is a share between 0 and 1, got 1.2"),
    "share nan": (lambda: Flow(raw=NAN), "Flow(raw) is a share between 0 and 1, got nan"),
    "delay": (lambda: Flow(delay=-1), "Flow(delay) must be a whole number of rounds, at least 0, got -1"),
    "delay float": (lambda: Flow(delay=0.5), "Flow(delay) … got 0.5"),
    "chosen by": (
        lambda: Flow(chosen_by="me"),
        "Flow(chosen_by) is 'producer', 'consumer' or Users(reward, curator), got 'me'",
    ),
    "transform": (lambda: Flow(transform=2.0), "TypeError: a transform is a callable on samples, got 2.0"),
    "no flow": (
        lambda: scenario(("a", "a", 0.5), a=real()),
        "TypeError: flow 'a' → 'a' must be a Flow(raw=, curated=), got 0.5",
    ),
    "unknown": (
        lambda: scenario(("a", "x", Flow(raw=1.0)), a=plain()),
        "KeyError: flow 'a' → 'x': there is no member 'x'; the members are 'a'",
    ),
    "unknown at first": (
        lambda: Scenario("x", rounds=1).connect("a", "b", Flow()),
        "KeyError: there is no member 'a'; the members are none yet; add members before flows",
    ),
    "flow twice": (
        lambda: scenario(("a", "a", Flow(raw=0.1)), ("a", "a", Flow(curated=0.1)), a=plain()),
        "there is already a flow 'a' → 'a'; give both shares in one Flow(raw=, curated=)",
    ),
    "other dimension": (
        lambda: scenario(("a", "b", Flow(raw=1.0)), a=plain(2), b=plain(3)),
        "flow 'a' → 'b' carries samples of shape (2,), and 'b' trains on (3,); give the flow a transform to that",
    ),
    "symbols to vectors": (
        lambda: scenario(("a", "b", Flow(raw=1.0)), a=Member(Categorical([1.0])), b=plain(1)),
        "flow 'a' → 'b' carries samples of shape (), and 'b' trains on (1,)",
    ),
    "transform dimension": (
        lambda: scenario(("a", "a", Flow(raw=1.0, transform=LinearMap(torch.ones(3, 2)))), a=plain()),
        "flow 'a' → 'a' with the transform LinearMap(3x2) gives samples of shape (3,), and 'a' trains on (2,)",
    ),
    "transform input": (
        lambda: scenario(("a", "a", Flow(raw=1.0, transform=LinearMap(torch.ones(2, 3)))), a=plain()),
        "flow 'a' → 'a': the transform LinearMap(2x3) takes vectors of 3 numbers, and 'a' generates (2,); give it",
    ),
    "transform crash": (
        lambda: scenario(("a", "a", Flow(raw=1.0, transform=crash)), a=plain()),
        "flow 'a' → 'a': the transform crash fails on samples of shape (3, 2): no idea",
    ),
    "transform count": (
        lambda: scenario(("a", "a", Flow(raw=1.0, transform=lambda x: x[:1])), a=plain()),
        "the transform <lambda> must return one sample for each of 3, got shape (1, 2)",
    ),
    "transform type": (
        lambda: scenario(("a", "a", Flow(raw=1.0, transform=lambda x: None)), a=plain()),
        "the transform <lambda> must return one sample for each of 3, got None",
    ),
    "no curator": (
        lambda: scenario(("a", "b", Flow(curated=0.25)), a=real(), b=real()),
        "flow 'a' → 'b' has a curated share of 0.25, chosen by the producer's users, but 'a' has no curator; …Users(",
    ),
    "no curator of the consumer": (
        lambda: scenario(("a", "b", Flow(curated=0.25, chosen_by="consumer")), a=real(), b=real()),
        "chosen by the consumer's users, but 'b' has no curator; give it one",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_refused(case: str) -> None:
    make, message = CASES[case]
    refused(make, message)


@pytest.mark.parametrize("part", ["reward", "users", "transform"])
def test_what_compares_samples_with_each_other_is_refused(part: str) -> None:
    """Replicates were no longer independent: numbers of the first changed with how many there were, without a word."""
    by_others = {
        "reward": lambda x: x.sum(-1) - x.sum(-1).mean(),
        "users": lambda x: x.sum(-1).softmax(0),
        "transform": lambda x: (x - x.mean(0)) / x.std(0),
    }[part]
    s = Scenario("compared", rounds=1)
    s.add("a", real(reward=Linear([1.0, 2.0]), curator=BestOf(2)))
    with pytest.raises(ValueError, match="beside others; let it look at each by itself"):
        if part == "reward":
            s.add("b", real(reward=by_others))
        elif part == "users":
            s.connect("a", "a", Flow(curated=0.5, chosen_by=Users(by_others, BestOf(2))))
        else:
            s.connect("a", "a", Flow(raw=0.5, transform=by_others))


def test_what_is_random_or_rounds_is_not_said_to_compare() -> None:
    """Noise differs from call to call, and a network of few digits from batch to batch."""

    def half(x: torch.Tensor) -> torch.Tensor:
        return (x.half().sum(-1) * (1 + 1e-3 * len(x))).double()

    s = Scenario("alone", rounds=1)
    s.add("a", real(reward=half))
    s.add("b", real(reward=lambda x: x.sum(-1) + torch.randn(len(x))))
    s.connect("a", "b", Flow(raw=0.5, transform=lambda x: x + torch.randn_like(x)))
    s.connect("b", "a", Flow(raw=0.5, transform=lambda x: x.flip(-1)))


def test_each_kind_is_tried_once() -> None:
    """A thousand members of one kind: their reward is called for the first only."""
    calls = []

    def taste(x: torch.Tensor) -> torch.Tensor:
        calls.append(len(x))
        return x.sum(-1)

    s = Scenario("many", rounds=1)
    for i in range(1000):
        s.add(str(i), real(reward=taste))
    assert calls == [3, 2, 3]  # once, with another number of samples, and as a stack
    with pytest.raises(ValueError, match="the reward of 'odd' fails"):
        s.add("odd", real(reward=Linear([1.0] * 5)))
    with pytest.raises(ValueError, match="the reward of 'other' returns shape"):
        s.add("other", Member(Location(torch.zeros(2, dtype=torch.float64)), reward=lambda x: x))


# -- numbers that do not fit -------------------------------------------------------------------------------------------


def coin(n: int, **settings) -> Member:
    return Member(Categorical([1 / n] * n), **settings)


def _skewed(reward: Tabular) -> Member:
    """Three probes see the first symbol only."""
    return Member(Categorical([0.96, 0.01, 0.01, 0.01, 0.01]), reward=reward, curator=Luce(2), real=torch.tensor([0]))


MISFITS: dict[str, tuple[Callable[[], object], str]] = {
    "few rewards": (lambda: scenario(a=_skewed(Tabular([0.0, 1.0]))), "the reward of 'a'"),
    "one reward": (lambda: scenario(a=_skewed(Tabular([1.0]))), "the reward of 'a'"),
    "many rewards": (lambda: scenario(a=_skewed(Tabular([0.0] * 9))), "the reward of 'a'"),
    "one direction": (lambda: scenario(a=real(3, reward=Linear([1.0]))), "the reward of 'a'"),
    "shift": (lambda: scenario(("a", "a", Flow(curated=0.5)), a=real(3, curator=Shift([1.0, 2.0]))), "'a'"),
    "short shift": (lambda: scenario(("a", "a", Flow(curated=0.5)), a=real(3, curator=Shift([1.0]))), "'a'"),
    "crowd": (
        lambda: scenario(("a", "a", Flow(curated=0.5)), a=real(3, curator=Crowd(Tilt(), [Linear([1.0, 2.0])]))),
        "'a'",
    ),
    "narrow map": (
        lambda: scenario(("a", "a", Flow(raw=0.5, transform=LinearMap([[1.0]] * 3))), a=real(3)),
        "'a' → 'a'",
    ),
    "map of symbols": (
        lambda: scenario(("a", "a", Flow(raw=1.0, transform=LinearMap(torch.eye(3)))), a=coin(3)),
        "'a' → 'a'",
    ),
    "longer alphabet": (lambda: scenario(("a", "b", Flow(raw=1.0)), a=coin(5, schedule=never), b=coin(3)), "'a' → 'b'"),
    "shorter alphabet": (
        lambda: scenario(("a", "b", Flow(raw=1.0)), a=coin(2, schedule=never), b=coin(3)),
        "'a' → 'b'",
    ),
    "real alphabet": (lambda: scenario(a=coin(3, real=Categorical([0.5, 0.5]))), "the real data of 'a'"),
    "a number": (lambda: scenario(a=plain(real=5.0)), "the real data of 'a' have samples of shape"),
    "transform that raises": (
        lambda: scenario(("a", "a", Flow(raw=0.5, transform=lambda x: x.nothing)), a=real()),
        "flow 'a' → 'a': the transform",
    ),
    "reward that raises": (lambda: scenario(a=real(reward=lambda x: x.nothing)), "the reward of 'a'"),
}


@pytest.mark.parametrize("case", MISFITS)
def test_refused_when_it_is_built(case: str) -> None:
    make, message = MISFITS[case]
    refused(make, message)
