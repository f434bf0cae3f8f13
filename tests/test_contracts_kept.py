"""What curators of one's own keep: one sample for each that they were asked for, such as they were shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from ecosystem import Categorical, Curator, Flow, Linear, LinearMap, Location, Member, Scenario, Tabular


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
