"""What parts of one's own return in rounds: samples, statistics and states such as they were given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch

from ecosystem import (
    Categorical,
    Curator,
    Flow,
    GenerativeModel,
    Linear,
    LinearMap,
    Location,
    Luce,
    Member,
    Scenario,
    Stream,
    Tabular,
    never,
)
from ecosystem.curation import Learner
from ecosystem.retention import Retention


def one(curator: Curator, **flow: Any) -> Scenario:
    """Its users choose all that it trains on."""
    s = Scenario("one", rounds=2, samples=20)
    s.add("a", Member(Location([0.0, 0.0]), reward=Linear([1.0, 0.0]), curator=curator))
    s.connect("a", "a", Flow(curated=1.0, **flow))
    return s


def test_what_a_curator_returns_is_counted() -> None:
    @dataclass(frozen=True, eq=False)
    class Few(Curator):
        pools = False

        def curate(self, slate, reward, rng):
            return slate.candidate(0)[:3]

    with pytest.raises(ValueError, match=r"Few\(\) kept 3 of \d+ samples; it must return one for each"):
        one(Few()).run()


@dataclass(frozen=True, eq=False)
class Returns(Curator):
    """Something is made of what is shown, and the reward: no survivors."""

    make: Any
    pools = False

    def curate(self, slate, reward, rng):
        return self.make(slate.candidate(0), reward)


@pytest.mark.parametrize("chosen_by", ["producer", "consumer"])
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda x, reward: reward(x), r"float64 of shape \((\d+), 2\), got torch.float64 of shape \(\1,\)"),
        (lambda x, reward: x[:, :1], r"float64 of shape \((\d+), 2\), got torch.float64 of shape \(\1, 1\)"),
        (lambda x, reward: x.long(), r"float64 of shape \((\d+), 2\), got torch.int64 of shape \(\1, 2\)"),
        (lambda x, reward: x.tolist(), r"one for each, got \["),
        (lambda x, reward: None, "one for each, got None"),
    ],
)
def test_a_curator_returns_what_it_was_shown(make: Any, said: str, chosen_by: str) -> None:
    """One number a sample was trained on as if it were all of them."""
    s = one(Returns(make), transform=LinearMap([[0.0, 1.0], [-1.0, 0.0]]), chosen_by=chosen_by)
    with pytest.raises(
        (TypeError, ValueError), match=r"Returns\(.*must return samples such as slate.candidate.*" + said
    ):
        s.run()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda x, reward: x + 2, r"returns the symbol \d, and there are 3: 0 to 2"),
        (lambda x, reward: x - 9, r"returns the symbol -\d, and there are 3: 0 to 2"),
        (lambda x, reward: x.double(), r"int64 of shape \(\d+,\), got torch.float64"),
    ],
)
def test_a_curator_returns_symbols_that_there_are(make: Any, said: str) -> None:
    s = Scenario("one", rounds=2, samples=30)
    s.add("a", Member(Categorical([0.2, 0.3, 0.5]), reward=Tabular([1.0, 0.0, 0.5]), curator=Returns(make)))
    s.connect("a", "a", Flow(curated=1.0))
    with pytest.raises(ValueError, match=r"Returns\(.*" + said):
        s.run()


# -- samples later on --------------------------------------------------------------------------------------------------


class Turns(GenerativeModel):
    """It makes what it should when it is tried, and something else in a round."""

    event_shape = (2,)

    def __init__(self, make: Any) -> None:
        super().__init__()
        self.mean, self.make = torch.nn.Parameter(torch.zeros(2, dtype=torch.float64)), make

    def sample(self, n: int, rng: Stream) -> Any:
        x = self.mean.detach() + rng.normal(n, 2)
        return self.make(x) if n > 3 else x

    def fit(self, data: torch.Tensor, rng: Stream) -> None:
        with torch.no_grad():
            self.mean.copy_(data.mean(0))


def read(generator: GenerativeModel, transform: Any = None) -> Scenario:
    """``b`` takes about ten of 20 samples from ``a``, or all of them."""
    s = Scenario("read", rounds=2, samples=20)
    s.add("a", Member(generator, real=Location([0.0, 0.0]), schedule=never))
    s.add("b", Member(Location([0.0, 0.0]), reward=Linear([1.0, 0.0]), real=Location([0.0, 0.0])))
    s.connect("a", "b", Flow(raw=1.0 if transform else 0.5, transform=transform))
    return s


@pytest.mark.parametrize(
    ("make", "got"),
    [
        (lambda x: x[:, :1], r"shape \(\d+, 1\)"),
        (lambda x: x[:-1], r"shape \(\d+, 2\)"),
        (lambda x: x.sum(), r"shape \(\)"),
        (lambda x: x.numpy(), "a NumPy array"),
        (lambda x: None, "None"),
    ],
)
def test_a_generator_is_held_to_its_shape_in_every_round(make: Any, got: str) -> None:
    """One column was broadcast to two: the reader trained on what nobody had made."""
    with pytest.raises(RuntimeError, match=r"\[n, \*event_shape\] = \(\d+, 2\) for n = \d+, got " + got):
        read(Turns(make)).run()


@pytest.mark.parametrize("columns", [1, 3])
def test_a_transform_makes_what_its_reader_trains_on(columns: int) -> None:
    def wide(x: torch.Tensor) -> torch.Tensor:
        return x if len(x) <= 3 else x[:, :1].expand(-1, columns)

    with pytest.raises(ValueError, match=rf"wide makes samples of shape \({columns},\), and .* train on \(2,\)"):
        read(Location([0.0, 0.0]), wide).run()


# -- what is remembered and learnt -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Remembers(Retention):
    """Something is made of the second round's statistics, or data."""

    make: Any

    def pool(self, memory: Any, fresh: torch.Tensor) -> Any:
        return self.make(fresh) if memory else (fresh, {"seen": torch.ones_like(fresh[..., :1])})

    def keep(self, kept: Any, fresh: Any, rng: Stream) -> Any:
        return self.make(fresh) if kept else [fresh]


@pytest.mark.parametrize(
    ("make", "got"),
    [
        (lambda x: (x[..., :1], {}), r"shape \(1, 1, 1, 2\), got shape \(1, 1, 1, 1\)"),
        (lambda x: (x.mean(), {}), r"got shape \(\)"),
        (lambda x: (x.long(), {}), "torch.float64 of shape"),
        (lambda x: (x.numpy(), {}), "got a NumPy array"),
        (lambda x: x, "must return a statistic and a memory"),
        (lambda x: None, "must return a statistic and a memory, got None"),
        (lambda x: (x, {"seen": torch.tensor(1.0)}), r"of the batch \(1, 1, 1\), got shape \(\) as 'seen'"),
        (lambda x: (x, {"seen": 1}), "got 1 as 'seen'"),
    ],
)
def test_a_retention_pools_statistics_such_as_come_in(make: Any, got: str) -> None:
    """One number was fitted as both coordinates of a mean."""
    s = Scenario("one", rounds=2, samples=20)
    s.add("a", Member(Location([0.0, 0.0]), real=Location([1.0, 2.0]), retention=Remembers(make)))
    with pytest.raises(ValueError, match=r"pool\(memory, fresh\) of the retention Remembers\(.*" + got):
        s.run()


@pytest.mark.parametrize(
    ("make", "got"),
    [
        (lambda x: [], "fails: IndexError"),
        (lambda x: [x[:0]], "got a set of 0"),
        (lambda x: [1], "got 1"),
        (lambda x: None, "fails: TypeError"),
        (lambda x: [x.data[:, :1]], "must return sets such as fresh"),
    ],
)
def test_a_retention_keeps_sets_such_as_come_in(make: Any, got: str) -> None:
    s = Scenario("one", rounds=2, samples=20)
    s.add("a", Member(Turns(lambda x: x), real=Location([1.0, 2.0]), retention=Remembers(make)))
    with pytest.raises(ValueError, match=r"keep\(kept, fresh, rng\) of the retention Remembers\(.*" + got):
        s.run()


@dataclass(frozen=True, eq=False)
class Learns(Learner):
    make: Any

    def learn(self, reward: Any, seen: Any) -> Any:
        return self.make(reward.state())


@pytest.mark.parametrize(
    ("make", "got"),
    [
        (lambda w: w[:1], r"of shape \(2,\), got shape \(1,\)"),
        (lambda w: w.mean(), r"got shape \(\)"),
        (lambda w: torch.stack([w, w]), r"got shape \(2, 2\)"),
        (lambda w: w.long(), r"got shape \(2,\)"),
        (lambda w: w.numpy(), "got a NumPy array"),
        (lambda w: None, "got None"),
        (lambda w: w.nothing, "fails: AttributeError"),
    ],
)
def test_a_learner_returns_a_state_such_as_there_was(make: Any, got: str) -> None:
    s = Scenario("one", rounds=2, samples=20)
    taste, data = Linear([0.6, 0.2]), Location([1.0, 1.0])
    s.add("a", Member(Location([0.0, 0.0]), real=data, reward=taste, curator=Luce(2), learn=Learns(make)))
    with pytest.raises(ValueError, match=r"learn\(reward, seen\) of Learns\(.*" + got):
        s.run()
