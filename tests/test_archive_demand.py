"""An archive to which users' choices decide who writes how much, and archives in the forms that solvers take."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ecosystem import (
    Archive,
    Categorical,
    Demand,
    Flow,
    Intake,
    Linear,
    Location,
    Luce,
    Member,
    Provenance,
    Record,
    Replicator,
    Scenario,
    Softmax,
    Tabular,
    Tilt,
    never,
)
from ecosystem.influence import influence, stable_point
from ecosystem.running.measures import survivors


def visited(choice, rounds: int = 60) -> Scenario:
    """Two models and people write a web that the models read; how much each writes is how much it is used."""
    s = Scenario("visited", rounds=rounds)
    people = Categorical([0.5, 0.3, 0.2])
    tastes = {"a": [1.0, 0.5, 0.0], "b": [0.0, 0.5, 1.0]}
    for name, taste in tastes.items():
        s.add(name, Member(Categorical([0.2, 0.5, 0.3]), reward=Tabular(taste), curator=Luce(3), real=people))
    demand = Demand(("a", "b"), choice, sets=Intake("web"))
    s.add("users", Member(people, reward=Tabular([0.8, 0.2, 0.1]), schedule=never, demand=demand))
    s.add("web", Member(Archive({"a": people, "b": people, "real": people}), real=people))
    for name in tastes:
        s.connect(name, "web", Flow(raw=0.4))
        s.connect("web", name, Flow(raw=0.3, curated=0.4, chosen_by="consumer"))
    return s


def shares(run) -> dict[str, float]:
    """What each has of the web in the end, of what nobody chose."""
    table = run.survivors.query("round == round.max() and target == 'a' and curated == False")
    return table.set_index("producer")["share"].astype(float).to_dict()


@pytest.mark.parametrize("choice", [Softmax(0.2), Replicator(0.5)])
def test_an_archive_takes_in_what_users_use(choice) -> None:
    """Of the .8 that models write each has its weight: twice .4 times a half where both are used alike."""
    run = visited(choice, rounds=4).run(record=Record(measures=[survivors]))
    used = run.demand.query("round == 4").set_index("member")["weight"]
    assert abs(used["a"] - used["b"]) > 0.05
    held = shares(run)
    assert held["a"] == pytest.approx(0.8 * used["a"], abs=1e-12) and held["b"] == pytest.approx(0.8 * used["b"])
    assert held["real"] == pytest.approx(0.2)


def test_replicator_weights_of_an_archive_are_the_formula() -> None:
    run = visited(Replicator(0.5), rounds=5).run(record=Record(tastes=True, start=True, measures=[survivors]))
    judged = run.tastes.query("judge == 'users'").pivot(index="round", columns="member", values="reward")
    fitness = judged.loc[0:4, ["a", "b"]].sum() / 0.5  # J of the rounds before each choice
    odds = math.exp(fitness["a"] - fitness["b"])
    held = shares(run)
    assert held["a"] / held["b"] == pytest.approx(odds, rel=1e-9)


def test_influence_through_demand_and_an_archive_equals_central_differences() -> None:
    s, step = visited(Softmax(0.2)), 1e-4
    found = influence(s, sources=["a", "b"]).matrix
    for name in "ab":
        level = s.curation(name)
        ends = [
            stable_point(s.with_curation(name, level + by), starts=1, tolerance=1e-12).alignment for by in (step, -step)
        ]
        slope = (ends[0] - ends[1]) / (2 * step)
        assert found[name].to_list() == pytest.approx(slope[found.index].to_list(), abs=1e-6)


def test_writers_who_are_alike_still_have_shelves_of_their_own() -> None:
    """In networks of many numbers ``B`` was shares times blocks, in which all writers had the first one's shelf."""
    s, step, d = Scenario("many writers", rounds=60), 1e-4, 3
    law, names = Location([0.0] * d, 1.0), [f"w{i}" for i in range(3)]
    for i, name in enumerate(names):
        taste = Linear([0.2 * (i + 1)] * d)
        s.add(name, Member(law, reward=taste, curator=Tilt(), real=Location([0.1 * i] * d, 1.0)))
        s.connect(name, name, Flow(curated=0.3 + 0.05 * i))
    s.add("web", Member(Archive(dict.fromkeys(names, law))))
    for i, name in enumerate(names):
        s.connect(name, "web", Flow(raw=(i + 1) / 6))
    s.add("reader", Member(law, reward=Linear([0.4] * d), curator=Tilt()))
    s.connect("web", "reader", Flow(curated=1.0, chosen_by="consumer"))
    many = [f"m{i}" for i in range(420)]
    s.add_many(many, Location.many(np.zeros((420, d)), 1.0), real=Location([0.0] * d, 1.0))
    s.connect_many((["reader"] * len(many), many), raw=0.5)
    found = influence(s, sources=["w1"], targets=["reader"]).matrix
    ends = [stable_point(s.with_curation("w1", 0.35 + by), starts=1).alignment["reader"] for by in (step, -step)]
    assert found.loc["reader", "w1"] == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-6)


def test_a_filter_that_demand_would_get_round_is_refused() -> None:
    """Shares were filtered once, as declared, and demand went on dividing the total that an even spread had left."""
    s = visited(Softmax(0.2))
    with pytest.raises(ValueError, match=r"the demand of 'users' divides what 'web' reads, .*unequal parts pass"):
        Provenance({"a": 0.9}, 0.05).on(s, "web")
    run = Provenance(0.9, 0.05).on(s, "web").run(record=Record(measures=[survivors]))
    used = run.demand.query("round == round.max()").set_index("member")["weight"]
    held, passed = shares(run), 0.1 * 0.8 + 0.95 * 0.2
    exact = {name: 0.1 * 0.8 * used[name] / passed for name in "ab"} | {"real": 0.95 * 0.2 / passed}
    assert held == pytest.approx(exact, abs=1e-4)  # the weights are those at the start of the round


def test_a_filter_of_an_archive_is_one_of_what_it_takes_in() -> None:
    """On who reads an archive alone it changed nothing, in silence."""
    with pytest.raises(
        ValueError, match=r"'a' reads the archive 'web', .*filter what it takes in, .on\(scenario, 'web'\)"
    ):
        Provenance(0.9, 0.05).on(visited(Softmax(0.2)), "a")
