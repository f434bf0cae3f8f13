"""Archives and demand in company: random orders with replicates, agents, members by the array, parts that disagree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
import pytest
import torch
from pandas.testing import assert_frame_equal

from ecosystem import (
    Archive,
    Capacity,
    Categorical,
    Community,
    Comparisons,
    Demand,
    Flow,
    Location,
    Luce,
    Member,
    ModelAgent,
    Quota,
    Record,
    Scenario,
    Softmax,
    Tabular,
    Writing,
    attack,
    fade,
    never,
    shuffled,
    window,
)
from ecosystem.curation import Lever
from ecosystem.running.measures import survivors

RECORD = Record(measures=[survivors])


def web(samples: int | None = 100, family: str = "categorical", **parts: Any) -> Scenario:
    """Three write a web unequally and read it, in orders drawn anew each round, beside some who do neither."""
    s = Scenario("web", rounds=3, samples=samples, ordering=shuffled)

    def law(i: int) -> Any:
        return Location([float(i)], 0.5) if family == "location" else Categorical([0.2 + i / 10, 0.5 - i / 10, 0.3])

    names = ["a", "b", "c"]
    for i, name in enumerate(names):
        reward = Tabular([0.0, 1.0, 2.0]) if family == "categorical" else None
        s.add(name, Member(law(i), real=law(0), reward=reward))
    s.add("web", Member(Archive({name: law(i) for i, name in enumerate(names)}), **parts))
    for name, share in zip(names, (0.7, 0.2, 0.1), strict=True):
        s.connect(name, "web", Flow(raw=share))
        s.connect("web", name, Flow(raw=0.6))
    for i in range(6):
        s.add(f"idle {i}", Member(law(0), real=law(0)))
    return s


@pytest.mark.parametrize("family", ["categorical", "location"])
@pytest.mark.parametrize("samples", [None, 60])
def test_a_replicate_under_random_orders_is_as_alone(samples: int | None, family: str) -> None:
    """In lanes what the first wrote stood on others' shelves, or on none: an archive of nothing."""
    s = web(samples, family)
    alone, many = s.run(seed=3, record=RECORD), s.run(seed=3, replicates=3, record=RECORD)
    for table in ("rounds", "survivors"):
        first = getattr(many, table).query("replicate == 0").reset_index(drop=True)
        assert_frame_equal(first, getattr(alone, table), check_categorical=False)


class Brings(ModelAgent):
    """An agent whose data do not say who made them."""

    def gather(self) -> Any:
        return super().gather().data.clone()  # type: ignore[union-attr]


def test_data_of_an_agents_own_have_no_shelf() -> None:
    """They were put on that of the last member, whoever it is."""
    with pytest.raises(Exception, match="do not say who made them; let its gather return a TrainingSet"):
        web(agent=Brings).run()


def test_a_retention_of_statistics_is_refused_where_samples_are_kept() -> None:
    web(None, retention=fade(0.5)).check()
    web(60, retention=window(2)).check()
    with pytest.raises(ValueError, match=r"the archive 'web' keeps samples, and fade\(.*\) acts on statistics alone"):
        web(60, retention=fade(0.5)).check()


@pytest.mark.parametrize(
    "curator",
    [
        Quota(torch.tensor([0, 1, 1]), [0.4, 0.6], Luce(3)),
        Community(Luce(3), [Tabular([0.0, 1.0, 2.0]), Tabular([2.0, 1.0, 0.0])], ["x", "y"], {"x": 0.5, "y": 0.5}),
    ],
    ids=["quota", "community"],
)
def test_whose_survives_a_quota_of_samples_is_not_known(curator: Any) -> None:
    """The measure ended the run, and advised to run it with samples."""
    s = web(60)
    s.add("reader", Member(Categorical([0.3, 0.4, 0.3]), reward=Tabular([0.0, 1.0, 2.0]), curator=curator))
    s.connect("web", "reader", Flow(curated=1.0, chosen_by="consumer"))
    table = s.run(record=RECORD).survivors.query("round > 0")
    assert table.query("target == 'reader'")["share"].isna().all()
    assert table.query("target == 'a'")["share"].notna().all()


def group(among: tuple[str, ...], sets: Any) -> dict[str, Any]:
    return {"reward": Tabular([1.0, 0.0, 0.0]), "schedule": never, "demand": Demand(among, Softmax(1.0), sets=sets)}


@pytest.mark.parametrize(
    ("among", "message"), [(("a", "zzz"), "no member 'zzz'|'zzz'"), (("a", "b"), "of 'u0' sets nothing")]
)
def test_groups_by_the_array_are_checked_as_others(among: tuple[str, ...], message: str) -> None:
    """They ran in silence, or failed in the first round by a bare name."""
    s = Scenario("by the array", rounds=2)
    law = Categorical([0.2, 0.5, 0.3])
    for name in ("a", "b"):
        s.add(name, Member(law, real=law, reward=Tabular([0.0, 1.0, 0.0])))
    s.add_many(["u0", "u1"], law, **group(among, Writing()))
    with pytest.raises((KeyError, ValueError), match=message):
        s.run()


@dataclass(frozen=True, eq=False)
class Fixed(Lever):
    """Weighs what one member takes of another by a number, whatever users do."""

    weight: float

    def weigh(self, part: Any, who: str, among: Any) -> Any:
        if part.target != "a":
            return None
        return {"q": self.weight, "p": "a"}.get(part.source or "")


def test_groups_who_weigh_one_part_unlike_are_refused() -> None:
    """The one that was added last counted."""
    s = Scenario("two groups", rounds=2)
    law = Categorical([0.2, 0.5, 0.3])
    for name in ("p", "q", "a"):
        s.add(name, Member(law, real=law, reward=Tabular([0.0, 1.0, 0.0])))
    for name in ("p", "q"):
        s.connect(name, "a", Flow(raw=0.4))
    for who, weight in (("u", 1.0), ("v", 9.0)):
        s.add(who, Member(law, **group(("a",), Fixed(weight))))
    with pytest.raises(ValueError, match=r"demand of 'v' .* weigh what 'a' takes of 'q' unlike, 1 and 9"):
        s.run()


def test_numbers_name_those_who_said_it_and_items_keep_their_digits() -> None:
    """Asked for whom the number 1 labels, an attacker flipped nothing; items of lists were short floats."""
    rows = {"first": [0, 1, 0] * 4, "second": [1, 2, 2] * 4, "preferred": [1, 2, 2] * 4, "whose": ["1"] * 12}
    said = Comparisons(pd.DataFrame(rows), 3)
    s = Scenario("one", rounds=5)
    law = Categorical([0.3, 0.4, 0.3])
    s.add("a", Member(law, reward=Tabular([0.0, 1.0, 2.0]), curator=Luce(3), real=law))
    s.connect("a", "a", Flow(curated=0.5))
    found = [len(attack(s, said, "a", "a", budget=2, by="gap", whose=whose, rounds=5).flips) for whose in (["1"], [1])]
    assert found == [2, 2]
    pair = pd.DataFrame({"first": [0], "second": [1], "preferred": [1]})
    assert Comparisons(pair, [[0.1], [0.2]]).items[0].item() == 0.1


@pytest.mark.parametrize("verb", ["set_flow", "set_curation"])
def test_agents_leave_to_demand_what_it_divides(verb: str) -> None:
    """An agent who wrote back the share that it saw took less and less: it saw what was in effect, and declared it."""

    class Writes(ModelAgent):
        def decide(self) -> None:
            own = self.sources["a"][1]
            self.set_flow("a", curated=own) if verb == "set_flow" else self.set_curation(self.curation)

    s = Scenario("writes", rounds=3)
    law = Categorical([0.2, 0.5, 0.3])
    for name in ("a", "b"):
        agent = {"agent": Writes} if name == "a" else {}
        s.add(name, Member(law, reward=Tabular([0.0, 1.0, 0.5]), curator=Luce(2), real=law, **agent))
        s.connect(name, name, Flow(raw=0.3, curated=0.3))
    s.add("u", Member(law, **group(("a", "b"), Capacity())))
    with pytest.raises(ValueError, match=rf"'a' cannot {verb}: users' demand divides what it reads"):
        s.run()
