"""Flows from one alphabet to another: what consumers choose among is what they know."""

from __future__ import annotations

import pytest
import torch

from ecosystem import BestOf, Categorical, Crowd, Curator, Ecosystem, Flow, Luce, Member, Scenario, Tabular, Tilt, Users
from ecosystem.influence import influence

MAPS = {
    "to a smaller one": ([0.1, 0.2, 0.3, 0.4], [0.5, 0.5], lambda x: torch.where(x >= 2, 1, 0)),
    "to a larger one": ([0.4, 0.6], [0.2, 0.3, 0.5], lambda x: x + 1),
    "to part of it": ([0.1, 0.2, 0.7], [0.2, 0.3, 0.5], lambda x: torch.zeros_like(x)),
}


CURATORS = (Luce(2), BestOf(3), Tilt(0.5), Crowd((Tilt(), Luce(3)), weights=[0.3, 0.7], opposite=[True, False]))


def network(made: str, chosen_by, curator: Curator = CURATORS[0], **settings) -> Scenario:
    first, second, transform = MAPS[made]
    s = Scenario("alphabets", **({"rounds": 3} | settings))
    taste = Tabular([float(i % 2) for i in range(len(second))])
    s.add("a", Member(Categorical(first), real=Categorical(first)))
    s.add("b", Member(Categorical(second), reward=taste, curator=curator, real=Categorical(second)))
    s.connect("a", "b", Flow(raw=0.2, curated=0.5, chosen_by=chosen_by, transform=transform))
    return s


@pytest.mark.parametrize("curator", CURATORS, ids=str)
@pytest.mark.parametrize("made", MAPS)
def test_consumers_choose_among_the_symbols_that_they_know(made: str, curator: Curator) -> None:
    """This was an error of torch about sizes: on the population, and in samples of curators who ask for the law."""
    first, second, transform = MAPS[made]
    mapped = torch.zeros(len(second), dtype=torch.float64)
    mapped.index_add_(0, transform(torch.arange(len(first))), torch.tensor(first, dtype=torch.float64))
    s = network(made, "consumer", curator)
    eco = Ecosystem(s)
    eco.step()
    law = curator.law(Categorical(mapped).law(), s.member("b").reward).probabilities
    expected = 0.2 * mapped + 0.5 * law + 0.3 * torch.tensor(second, dtype=torch.float64)
    torch.testing.assert_close(eco["b"].generator.probabilities, expected, rtol=0, atol=1e-12)
    sampled = Ecosystem(s.replace(samples=20_000, rounds=1))
    sampled.step()
    torch.testing.assert_close(sampled["b"].generator.probabilities, expected, rtol=0, atol=5 * 0.5 / 20_000**0.5)


def test_its_influence_is_that_of_differences() -> None:
    s = network("to a smaller one", "consumer")
    up, down = (s.with_curation("b", 0.5 + d).run().rounds.query("member == 'b'") for d in (0.01, -0.01))
    slope = (up["alignment"].iloc[-1] - down["alignment"].iloc[-1]) / 0.02
    assert float(influence(s).matrix.at["b", "b"]) == pytest.approx(slope, abs=1e-9)  # alignment is linear in λ


def test_symbols_that_the_consumer_does_not_know_are_refused_by_name() -> None:
    s = Scenario("alphabets", rounds=1)
    s.add("a", Member(Categorical([0.5, 0.5])))
    own = Users(Tabular([0.0, 1.0]), BestOf(2))
    s.add("b", Member(Categorical([0.5, 0.5]), real=Categorical([0.5, 0.5])))
    with pytest.raises(ValueError, match=r"'a' → 'b': the transform <lambda> must lead to symbols 0\.\.1"):
        s.connect("a", "b", Flow(curated=0.5, chosen_by=own, transform=lambda x: x + 1))


def test_the_same_users_choose_on_flows_of_different_alphabets() -> None:
    """What they had worked out for one alphabet was taken for the other: an error of torch about sizes."""
    own = Users(lambda x: x.double(), Luce(2))
    s = Scenario("alphabets", rounds=1)
    laws = {"a": [0.1, 0.2, 0.3, 0.4], "b": [0.5, 0.5], "c": [0.25, 0.25, 0.25, 0.25]}
    for name, law in laws.items():
        s.add(name, Member(Categorical(law), real=Categorical(law)))
    s.connect("a", "c", Flow(curated=0.25, chosen_by=own))
    s.connect("b", "c", Flow(curated=0.25, chosen_by=own, transform=lambda x: x + 1))
    eco = Ecosystem(s)
    eco.step()
    four, two = (Luce(2).law(Categorical(laws[name]).law(), own.reward).probabilities for name in "ab")
    expected = 0.25 * four + 0.5 * torch.tensor(laws["c"], dtype=torch.float64)
    expected[1:3] += 0.25 * two
    torch.testing.assert_close(eco["c"].generator.probabilities, expected, rtol=0, atol=1e-14)
