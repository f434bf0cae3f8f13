"""Attacks on what users are taught by: the gradient through the network, budgets, and who does most harm."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ecosystem import (
    BradleyTerry,
    Categorical,
    Comparisons,
    Flow,
    Gaussian,
    Linear,
    LinearMap,
    Location,
    Luce,
    Member,
    Neural,
    Scenario,
    Tabular,
    Tilt,
    attack,
    learned,
    reward_influence,
    taught,
)
from ecosystem.influence import stable_point
from scenarios import poisoned
from tests.attacked import SYMBOLS, ends, network

BASELINES = ("random", "gap", "highest")


def said_of(s: Scenario, at: str, seed: int = 0, pairs: int = 40) -> Comparisons:
    return Comparisons.sampled(s.member(at).reward, Categorical([1 / SYMBOLS] * SYMBOLS), pairs, seed=seed)


# -- users who were taught -------------------------------------------------------------------------------------------


def test_those_who_are_taught_their_own_taste_choose_as_before() -> None:
    s = network(0)
    there, here = ends(taught(s, "m0", s.member("m0").reward), s)
    assert there == here


def test_the_true_taste_judges_whatever_is_taught() -> None:
    s = Scenario("loop", rounds=1)
    s.add("a", Member(Categorical([0.5, 0.5]), reward=Tabular([1.0, 0.0]), curator=Tilt()))
    s.connect("a", "a", Flow(curated=1.0))
    misled = taught(s, "a", Tabular([0.0, np.log(3)]))
    assert ends(misled)[0]["a"] == pytest.approx(0.25, abs=1e-12)


def test_consumers_are_taught_too_and_transforms_are_refused() -> None:
    s = Scenario("reader", rounds=1)
    for name in "ab":
        s.add(name, Member(Location([0.0]), reward=Linear([1.0]), curator=Tilt(), real=Location([0.0])))
    s.connect("a", "b", Flow(curated=0.5, chosen_by="consumer"))
    assert ends(taught(s, "b", Linear([3.0])))[0]["b"] == pytest.approx(1.5, abs=1e-12)
    behind = s.with_flow("a", "b", transform=LinearMap([[2.0]]))
    with pytest.raises(ValueError, match="choose on 'a' → 'b' behind its transform"):
        taught(behind, "b", Linear([3.0]))
    with pytest.raises(ValueError, match="the users of 'a' choose on no flow"):
        taught(s, "a", Linear([3.0]))
    with pytest.raises(KeyError, match="'c'"):
        taught(s, "c", Linear([3.0]))


# -- the gradient through the network --------------------------------------------------------------------------------


def gaussians() -> Scenario:
    s = Scenario("gaussians", rounds=6)
    for name, mean in (("a", [0.5, 0.0]), ("b", [0.0, 1.0])):
        generator, truth = Gaussian(mean, np.eye(2)), Gaussian([0.0, 0.0], np.eye(2))
        s.add(name, Member(generator, reward=Linear([1.0, -0.5]), curator=Luce(3), real=truth))
    s.connect("a", "b", Flow(raw=0.2, curated=0.4))
    s.connect("b", "a", Flow(raw=0.3))
    return s


@pytest.mark.parametrize("rounds", [None, 6])
@pytest.mark.parametrize("family", ["categorical", "gaussian"])
def test_the_gradient_is_that_of_central_differences(family: str, rounds: int | None) -> None:
    """At the stable point and after six rounds, of a target that is not the one who is taught."""
    s = network(3) if family == "categorical" else gaussians()
    at, target = s.names[0], s.names[1]
    w = torch.tensor([0.3, -0.4, 0.8, 0.1][: SYMBOLS if family == "categorical" else 2], dtype=torch.float64)
    reward = Tabular(w) if family == "categorical" else Linear(w)
    found, step = reward_influence(s, at, reward, target, rounds=rounds), 1e-5
    for i in range(2):
        sides = []
        for side in (step, -step):
            moved = w.clone()
            moved[i] += side
            there = taught(s, at, reward.with_state(moved))
            if rounds is None:
                sides.append(stable_point(there, starts=1).alignment[target])
            else:
                sides.append(ends(there.replace(rounds=rounds))[0][target])
        assert float(found[i]) == pytest.approx((sides[0] - sides[1]) / (2 * step), abs=1e-6)
    assert found.abs().max() > 1e-3


def test_whom_nothing_reaches_nobody_harms() -> None:
    s = Scenario("apart", rounds=5)
    for name in "ab":
        even = Categorical([0.25] * 4)
        s.add(name, Member(even, reward=Tabular([0.0, 1.0, 2.0, 3.0]), curator=Luce(2), real=even))
        s.connect(name, name, Flow(curated=0.5))
    for rounds in (None, 5):
        assert reward_influence(s, "a", Tabular([0.0] * 4), "b", rounds=rounds).tolist() == [0.0] * 4
    found = attack(s, said_of(s, "a"), "a", "b", budget=5)
    assert found.flips.empty and found.harm == 0.0


# -- who does most harm ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_ranked_by_influence_does_at_least_as_much_harm_as_every_baseline(seed: int) -> None:
    """Equal budgets, harm by the true taste after the rounds of the network; of even seeds the target is another."""
    s = network(seed)
    said, target = said_of(s, "m0", seed), "m0" if seed % 2 else "m1"
    found = {
        by: attack(s, said, "m0", target, budget=4, by=by, rounds=s.rounds, seed=seed)
        for by in ("influence", *BASELINES)
    }
    assert all(len(a.flips) <= 4 for a in found.values())
    left = dict(zip(found, ends(*(a.scenario for a in found.values())), strict=True))
    (clean,) = ends(taught(s, "m0", found["gap"].clean.reward))
    harm = {by: clean[target] - end[target] for by, end in left.items()}
    assert harm["influence"] >= max(harm.values()) - 1e-9 and harm["influence"] > 0
    assert found["influence"].harm == pytest.approx(harm["influence"], abs=1e-9)


@pytest.mark.parametrize("seed", [1, 2])
def test_in_the_long_run_as_well(seed: int) -> None:
    s = network(seed)
    said, target = said_of(s, "m0", seed), "m0" if seed % 2 else "m1"
    found = {by: attack(s, said, "m0", target, budget=3, by=by) for by in ("influence", *BASELINES)}
    ends_of = {by: stable_point(a.scenario, starts=1).alignment[target] for by, a in found.items()}
    assert ends_of["influence"] <= min(ends_of.values()) + 1e-9
    assert found["influence"].alignment.set_index("member").at[target, "after"] == pytest.approx(
        ends_of["influence"], abs=1e-8
    )


def test_the_table_says_what_was_flipped() -> None:
    s = network(5)
    said = said_of(s, "m0")
    found = attack(s, said, "m0", "m1", budget=3, rounds=10)
    assert found.flips.columns.tolist() == ["row", "first", "second", "before", "preferred", "whose", "score"]
    rows = found.flips["row"].tolist()
    assert len(rows) == len(set(rows)) == 3 and (found.flips["score"] > 0).all()
    assert said.flipped(rows).table.equals(found.poisoned.comparisons.table)
    changed = said.table.loc[rows, "preferred"].tolist()
    assert changed == found.flips["before"].tolist() != found.flips["preferred"].tolist()
    assert found.alignment["member"].tolist() == s.names
    assert repr(found) == "Attack(at 'm0', by influence, against 'm1': 3 of 40 labels flipped (budget 3))"
    again = learned(said.flipped(rows)).weights
    assert found.harm > 0 and found.poisoned.weights.tolist() == pytest.approx(again.tolist(), abs=1e-12)
    module = attack(s, said, "m0", "m1", budget=3, rounds=10, form=Neural(nn.Embedding(SYMBOLS, 1)))
    assert module.harm == pytest.approx(found.harm, abs=1e-8)  # the same rewards, as a module's parameters


# -- budgets ---------------------------------------------------------------------------------------------------------


@cache
def small() -> tuple[Scenario, Comparisons]:
    s = network(7, members=2, rounds=3)
    table = said_of(s, "m0", pairs=12).table.assign(whose=["ada", "bob", "cyd"] * 4)
    return s, Comparisons(table, SYMBOLS)


@settings(max_examples=40, deadline=None)
@given(
    budget=st.integers(0, 15),
    by=st.sampled_from(["influence", *BASELINES]),
    whose=st.sampled_from([None, ["ada"], ["bob", "cyd"]]),
    seed=st.integers(0, 99),
)
def test_the_budget_is_never_exceeded(budget: int, by: str, whose: list[str] | None, seed: int) -> None:
    """Nor are labels flipped that the attacker cannot reach; with nothing to spend nothing changes, to the bit."""
    s, said = small()
    found = attack(s, said, "m0", "m1", budget=budget, by=by, whose=whose, rounds=2, seed=seed)
    moved = np.flatnonzero(found.poisoned.comparisons.table["preferred"] != said.table["preferred"])
    reach = len(said) if whose is None else 4 * len(whose)
    assert sorted(found.flips["row"]) == moved.tolist() and len(moved) <= min(budget, reach)
    assert by == "influence" or len(moved) == min(budget, reach)
    assert whose is None or set(found.flips["whose"]) <= set(whose)
    if budget == 0:
        assert found.poisoned is found.clean and found.harm == 0.0
        assert torch.equal(found.poisoned.weights, learned(said).weights)
        assert ends(found.scenario) == ends(taught(s, "m0", learned(said).reward))


def test_a_ranking_of_ones_own() -> None:
    s, said = small()

    def last(fit: BradleyTerry) -> torch.Tensor:
        return torch.arange(len(fit.comparisons))

    found = attack(s, said, "m0", budget=2, by=last)
    assert found.flips["row"].tolist() == [11, 10] and found.by == "last" and found.target == "m0"

    def two(fit: BradleyTerry) -> torch.Tensor:
        return torch.zeros(2)

    with pytest.raises(ValueError, match=r"the ranking two must return a finite number for each of 12 pairs, got"):
        attack(s, said, "m0", budget=2, by=two)


def test_rankings_are_what_they_are_called() -> None:
    s, said = small()
    fit = learned(said)
    reward, table = fit.reward, said.table
    liked = reward(torch.tensor(table["preferred"].to_numpy()))
    other = reward(torch.tensor((table["first"] + table["second"] - table["preferred"]).to_numpy()))
    for by, scores in (("gap", liked - other), ("highest", liked)):
        found = attack(s, said, "m0", budget=3, by=by).flips["score"].tolist()
        assert found == pytest.approx(scores.sort(descending=True).values[:3].tolist(), abs=1e-12)


def test_refusals() -> None:
    s, said = small()
    with pytest.raises(ValueError, match=r"attack\(budget\) must be a whole number of labels, at least 0, got -1"):
        attack(s, said, "m0", budget=-1)
    with pytest.raises(ValueError, match=r"attack\(by\) is influence, random, gap, highest or a function"):
        attack(s, said, "m0", budget=1, by="largest")
    with pytest.raises(KeyError, match="'eve' compared nothing; those who did are ada, bob, cyd"):
        attack(s, said, "m0", budget=1, whose=["eve"])
    with pytest.raises(KeyError, match="'m9'"):
        attack(s, said, "m0", "m9", budget=1)
    with pytest.raises(TypeError, match="has no state, so there are no weights to move"):
        reward_influence(s, "m0", lambda x: x.double(), "m1")
    closed = Scenario("copies", rounds=4)
    for name in "ab":
        even = Categorical([0.25] * 4)
        closed.add(name, Member(even, reward=Tabular([0.0, 1.0, 2.0, 3.0]), curator=Luce(2)))
    closed.connect("a", "b", Flow(curated=1.0))
    closed.connect("b", "a", Flow(raw=1.0))
    assert attack(closed, said, "a", "b", budget=1, rounds=4).harm > 0
    copies = closed.with_flow("a", "b", curated=0.0, raw=1.0).with_flow("b", "a", curated=0.0)
    with pytest.raises(ValueError, match="choose on no flow"):
        attack(copies, said, "a", "b", budget=1)
    louder = gaussians().with_flow("a", "b", raw=0.5, curated=0.5).with_flow("b", "a", raw=1.0)
    pairs = Comparisons.sampled(Linear([1.0, -0.5]), Location([0.0, 0.0], 1.0), 10)
    with pytest.raises(ValueError, match=r"has no stable point to look about.*give rounds="):
        attack(louder, pairs, "a", "b", budget=1)
    assert attack(louder, pairs, "a", "b", budget=1, rounds=3).harm > 0


# -- the scenario ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "by", "after"),
    [
        ("reader", "influence", [1.103, 1.129, 0.976]),
        ("critic", "influence", [1.406, 1.553, 0.711]),
        ("critic", "highest", [1.271, 1.361, 0.821]),
    ],
)
def test_the_poisoned_platform_is_what_its_docstring_says(target: str, by: str, after: list[float]) -> None:
    (clean,) = ends(poisoned.scenario(budget=0))
    assert list(clean.values()) == pytest.approx([1.253, 1.342, 0.955], abs=2e-3)
    assert list(ends(poisoned.scenario(by=by, target=target))[0].values()) == pytest.approx(after, abs=2e-3)
