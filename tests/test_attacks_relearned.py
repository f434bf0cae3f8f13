"""Flips of labels that a taste is relearned from each round: what they teach, budgets, gradients, harm."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ecosystem import (
    BradleyTerry,
    Categorical,
    Flips,
    Flow,
    Linear,
    Location,
    Luce,
    Member,
    Neural,
    Relearned,
    Scenario,
    Tabular,
    Tilt,
    attack_relearned,
    taught,
)
from ecosystem.core.laws import Finite
from ecosystem.curation import OfLaw, OfSamples
from ecosystem.decisions.relabelled import Course
from ecosystem.influence import influence, stable_point
from scenarios import poisoned
from tests.attacked import ends, network
from tests.far import far

BASELINES = ("random", "gap", "highest")
EVEN = OfLaw(Finite(torch.tensor([0.5, 0.5]).double()))


def table(**columns: list[int]) -> pd.DataFrame:
    return pd.DataFrame(columns)


# -- what flips teach ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 3, 20, 44])
def test_flipped_labels_of_two_symbols(count: int) -> None:
    """Of 100 even pairs 50 compare the two, and of these ``σ(2)`` = 44.04 prefer the second: 44 can be turned."""
    flips = Flips(table(before=[1], preferred=[0], flips=[count]), 2, 100)
    w = Relearned(Tabular([0.0, 2.0]), ridge=1e-12, flips=flips).learn(Tabular([0.0, 0.0]), EVEN)
    odds = 1 / (1 + math.exp(-2))
    left = 50 * odds - count
    assert float(w[1] - w[0]) == pytest.approx(math.log(left / (50 - left)), abs=1e-8)


def test_what_is_not_there_is_not_flipped() -> None:
    """Of 100 even pairs 5.96 prefer the first: no more are turned, and then all say the second."""
    blank, truth = Tabular([0.0, 0.0]), Tabular([0.0, 2.0])
    tastes = [
        Relearned(truth, flips=Flips(table(before=[0], preferred=[1], flips=[n]), 2, 100)).learn(blank, EVEN)
        for n in (5, 6, 1000)
    ]
    assert torch.equal(tastes[1], tastes[2]) and float(tastes[0][1] - tastes[0][0]) < float(tastes[1][1] - tastes[1][0])
    w = float(tastes[1][1])  # by hand: (w, −w) with ½ σ(−2w) = ridge · w
    assert 0.5 / (1 + math.exp(2 * w)) == pytest.approx(0.01 * w, abs=1e-12)


def test_no_flips_change_nothing_to_the_bit() -> None:
    law = OfLaw(Finite(torch.tensor([0.4, 0.3, 0.2, 0.1]).double()))
    truth, blank = Tabular([0.0, 1.0, 2.0, -0.5]), Tabular([0.0] * 4)
    none = Flips(table(before=[0], preferred=[1], flips=[0]), 4, 60)
    assert torch.equal(Relearned(truth, flips=none).learn(blank, law), Relearned(truth).learn(blank, law))
    drawn = OfSamples(torch.tensor([0, 0, 1, 1, 3]))  # a symbol that nobody saw has no labels
    one = Flips(table(before=[2], preferred=[1]), 4, 60)
    assert torch.equal(Relearned(truth, flips=one).learn(blank, drawn), Relearned(truth).learn(blank, drawn))


def test_each_round_has_its_own_flips() -> None:
    """A run by hand: two symbols, all data curated from the own output, which users choose by what they relearned."""
    truth, even = Tabular([1.0, 0.0]), Categorical([0.5, 0.5])
    s = Scenario("loop", rounds=3)
    s.add("a", Member(even, reward=truth, curator=Tilt()))
    s.connect("a", "a", Flow(curated=1.0))
    counts = [0, 7, 3]
    flips = Flips(table(round=[2, 3], before=[0, 0], preferred=[1, 1], flips=counts[1:]), 2, 100)
    run = taught(s, "a", Tabular([0.0, 0.0]), learn=Relearned(truth, ridge=1e-12, flips=flips)).run()
    there = taught(s, "a", Tabular([0.0, 0.0]), learn=Relearned(truth, ridge=1e-12, flips=flips)).run(device=far())
    assert there.rounds["alignment"].tolist() == run.rounds["alignment"].tolist()
    p, w, exact = 0.5, 0.0, [0.5]
    for count in counts:
        p = p * math.exp(w) / (p * math.exp(w) + 1 - p)
        exact.append(p)
        pairs = 200 * p * (1 - p)
        said = pairs / (1 + math.exp(-1)) - count
        w = math.log(said / (pairs - said))
    assert run.rounds["alignment"].tolist() == pytest.approx(exact, abs=1e-9)


# -- the gradient ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [None, Neural(nn.Embedding(4, 1))], ids=["table", "module"])
@pytest.mark.parametrize("rounds", [None, 4])
def test_the_gradient_is_that_of_central_differences(form, rounds: int | None) -> None:
    """By fractions of labels, of a target that is not attacked: at the stable point, and by labels of each round."""
    s = network(3)
    learn = Relearned(s.member("m0").reward, ridge=0.02)
    course = Course(s, learn, "m0", "m1", form, 60, rounds)
    plan = torch.full(course.shape, 0.25, dtype=torch.float64)
    found, step = course.gradient(plan), 1e-5
    places = [(0, 0, 1), (0, 0, 8)] if rounds is None else [(0, 0, 1), (1, 0, 7), (2, 0, 9)]
    for place in places:
        moved = torch.zeros_like(plan)
        moved[place] = step
        values = course.played(torch.stack([plan + moved, plan - moved])).values
        exact = float(values[0] - values[1]) / (2 * step)
        assert float(found[place]) == pytest.approx(exact, abs=1e-7) and abs(exact) > 1e-5
    assert found.abs().max() > 1e-4 and (rounds is None or float(found[-1].abs().max()) == 0.0)


def test_a_plan_is_played_as_the_scenario_plays_it() -> None:
    """The attacker's own rounds, of many plans side by side, end where a run of the network that it returns does."""
    s = network(4)
    learn = Relearned(s.member("m0").reward, ridge=0.02)
    for rounds in (6, None):
        found = attack_relearned(s, learn, "m0", "m1", labels=60, budget=3, by="gap", rounds=rounds)
        plan = torch.zeros(1, *found.course.shape, dtype=torch.float64)
        for row in found.flips.itertuples():
            pair = found.course.directed.index((row.before, row.preferred))
            plan[0, getattr(row, "round", 1) - 1, 0, pair] = row.flips
        end = found.alignment.set_index("member").at["m1", "after"]
        assert float(found.course.played(plan).values) == pytest.approx(end, abs=1e-8)


# -- who does most harm ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_ranked_by_influence_does_at_least_as_much_harm_as_every_baseline(seed: int) -> None:
    """Equal budgets, harm by the true taste after eight rounds; of even seeds the target is another."""
    s, target = network(seed, rounds=8), "m0" if seed % 2 else "m1"
    learn = Relearned(s.member("m0").reward, ridge=0.02)
    found = {
        by: attack_relearned(s, learn, "m0", target, labels=60, budget=4, by=by, rounds=8, seed=seed)
        for by in ("influence", *BASELINES)
    }
    assert all(int(a.flips.groupby("round")["flips"].sum().max()) <= 4 for a in found.values())
    left = dict(zip(found, ends(*(a.scenario for a in found.values())), strict=True))
    (clean,) = ends(found["gap"].unharmed)
    harm = {by: clean[target] - end[target] for by, end in left.items()}
    assert harm["influence"] >= max(harm.values()) - 1e-9 and harm["influence"] > 0
    assert found["influence"].harm == pytest.approx(harm["influence"], abs=1e-12)


def test_in_the_long_run_as_well() -> None:
    """The same flips in every round, at the stable point."""
    s, target = network(2), "m1"
    learn = Relearned(s.member("m0").reward, ridge=0.02)
    found = {
        by: attack_relearned(s, learn, "m0", target, labels=200, budget=9, by=by) for by in ("influence", *BASELINES)
    }
    after = {by: stable_point(a.scenario, starts=1).alignment[target] for by, a in found.items()}
    assert after["influence"] <= min(after.values()) + 1e-9
    assert found["influence"].harm > 0 and "round" not in found["influence"].flips
    last = ends(found["influence"].scenario.replace(rounds=200))[0][target]
    assert last == pytest.approx(after["influence"], abs=1e-7)
    assert found["influence"].flips["flips"].sum() <= 9


@pytest.mark.parametrize("seed", [1, 2])
def test_a_total_is_spent_where_it_harms_most(seed: int) -> None:
    """Twelve labels in all: never worse than three of each of four rounds, or than they are spread by baselines."""
    s, target = network(seed, rounds=5), "m0" if seed % 2 else "m1"
    learn = Relearned(s.member("m0").reward, ridge=0.02)
    free = attack_relearned(s, learn, "m0", target, labels=60, total=12, rounds=5)
    both = attack_relearned(s, learn, "m0", target, labels=60, total=12, budget=3, rounds=5)
    others = [attack_relearned(s, learn, "m0", target, labels=60, total=12, by=by, rounds=5).harm for by in BASELINES]
    assert free.flips["flips"].sum() <= 12 and both.flips.groupby("round")["flips"].sum().max() <= 3
    assert free.harm >= max(both.harm, *others) - 1e-9 and both.harm > 0


# -- budgets ---------------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    budget=st.one_of(st.none(), st.integers(0, 9)),
    total=st.one_of(st.none(), st.integers(0, 12)),
    by=st.sampled_from(["influence", *BASELINES]),
    labels=st.integers(1, 40),
    seed=st.integers(0, 99),
)
def test_the_budget_is_never_exceeded(budget: int | None, total: int | None, by: str, labels: int, seed: int) -> None:
    """In no round and not in all, by whole labels that are there; with nothing to spend nothing changes, to the bit."""
    s = network(7, members=2, rounds=3)
    learn = Relearned(s.member("m0").reward)
    if budget is None and total is None:
        budget = 2
    found = attack_relearned(
        s, learn, "m0", "m1", labels=labels, budget=budget, total=total, by=by, rounds=3, seed=seed
    )
    flips = found.flips
    assert (flips["flips"] > 0).all() and flips["round"].between(1, 3).all() and (flips["by"] == by).all()
    assert budget is None or (flips.groupby("round")["flips"].sum() <= budget).all()
    assert total is None or flips["flips"].sum() <= total
    run = found.scenario.run()
    plain = taught(s, "m0", Tabular([0.0] * 4), learn=learn).run()
    if not min(budget if budget is not None else 99, total if total is not None else 99):
        assert flips.empty and found.harm == 0.0
        assert run.rounds.equals(plain.rounds)
    _check_there(found, labels)


def _check_there(found, labels: int) -> None:
    """No row has more flips than whole labels that say so, counted anew from the parameters of each round."""
    s = found.scenario
    for row in found.flips.itertuples():
        p = np.asarray(s.replace(rounds=int(row.round)).run().generator("m0").probabilities)
        taste = found.course.learn.taste.values.numpy()
        says = 1 / (1 + math.exp(taste[row.preferred] - taste[row.before]))
        assert row.flips <= labels * 2 * p[row.before] * p[row.preferred] * says + 1e-6


def test_random_labels_are_drawn_from_all_that_are_there() -> None:
    """Over 80 seeds each pair is met about as often as it has labels (five standard errors)."""
    s = network(2, rounds=1)
    learn = Relearned(s.member("m0").reward)
    course = Course(s, learn, "m0", "m0", None, 60, 1)
    there = course.played(torch.zeros(1, *course.shape).double()).there[0, 0, 0].numpy()
    found = np.zeros_like(there)
    for seed in range(80):
        flips = attack_relearned(s, learn, "m0", labels=60, budget=25, by="random", rounds=1, seed=seed).flips
        assert flips["flips"].sum() == 25
        for row in flips.itertuples():
            found[course.directed.index((row.before, row.preferred))] += row.flips
    share = there / there.sum()
    assert (abs(found / 2000 - share) <= 5 * np.sqrt(share * (1 - share) / 2000) + 1e-12).all()


# -- what is returned, and refused -----------------------------------------------------------------------------------


def test_the_table_says_what_was_flipped() -> None:
    s = network(5, rounds=6)
    learn = Relearned(s.member("m0").reward)
    found = attack_relearned(s, learn, "m0", "m1", labels=60, budget=3, rounds=6)
    columns = ["round", "member", "first", "second", "before", "preferred", "flips", "by", "score"]
    assert found.flips.columns.tolist() == columns and set(found.flips["member"]) == {"m0"}
    assert (found.flips[["before", "preferred"]].min(axis=1) == found.flips["first"]).all()
    assert (found.flips[["before", "preferred"]].max(axis=1) == found.flips["second"]).all()
    many = int(found.flips["flips"].sum())
    assert repr(found) == (
        f"RelearnedAttack(at 'm0', by influence, against 'm1': {many} labels flipped (budget 3 a round))"
    )
    users = [f.chosen_by for _, _, f in found.scenario.graph.out_edges("m0", data="flow") if f.curated]
    assert users and all(u.learn.flips.most <= 3 for u in users)
    with pytest.raises(ValueError, match="has users who learn otherwise in each round"):
        influence(found.scenario)
    drawn = found.scenario.replace(samples=500).run(replicates=3).rounds
    assert drawn["alignment"].notna().all()


def test_users_who_choose_from_several_are_attacked_at_each() -> None:
    """A consumer's own users label the output of both whom it reads, and the budget is for both."""
    s = Scenario("two sources", rounds=4)
    even, taste = Categorical([0.25] * 4), Tabular([0.0, 1.0, 2.0, 3.0])
    for name in "uvw":
        s.add(name, Member(even, reward=taste, curator=Luce(3), real=even))
    for name in "uv":
        s.connect(name, "w", Flow(curated=0.4, chosen_by="consumer"))
    found = {
        by: attack_relearned(s, Relearned(taste), "w", labels=80, budget=5, by=by, rounds=4)
        for by in ("influence", *BASELINES)
    }
    assert set(found["influence"].flips["member"]) == {"u", "v"}
    assert all(a.flips.groupby("round")["flips"].sum().max() <= 5 for a in found.values())
    assert found["influence"].harm >= max(a.harm for a in found.values()) - 1e-12 and found["influence"].harm > 0.01


def test_a_ranking_of_ones_own() -> None:
    s = network(7, members=2, rounds=3)
    learn = Relearned(s.member("m0").reward)

    def surest(fit: BradleyTerry) -> torch.Tensor:
        return fit.labels.gaps(fit.weights)

    own, gap = (attack_relearned(s, learn, "m0", labels=50, budget=2, by=by, rounds=3) for by in (surest, "gap"))
    assert own.by == "surest" and own.flips.drop(columns="by").equals(gap.flips.drop(columns="by"))


def test_whom_nothing_reaches_nobody_harms() -> None:
    s = Scenario("apart", rounds=5)
    for name in "ab":
        even = Categorical([0.25] * 4)
        s.add(name, Member(even, reward=Tabular([0.0, 1.0, 2.0, 3.0]), curator=Luce(2), real=even))
        s.connect(name, name, Flow(curated=0.5))
    for rounds in (None, 5):
        found = attack_relearned(
            s, Relearned(Tabular([0.0, 1.0, 2.0, 3.0])), "a", "b", labels=40, budget=5, rounds=rounds
        )
        assert found.flips.empty and found.harm == 0.0


def test_refusals() -> None:
    s = network(7, members=2, rounds=3)
    learn = Relearned(s.member("m0").reward)

    def refused(kind: type[Exception], match: str, **given) -> None:
        asked = {"learn": learn, "at": "m0", "labels": 50, "budget": 2, "rounds": 3} | given
        with pytest.raises(kind, match=match):
            attack_relearned(given.pop("scenario", s), **asked)

    refused(ValueError, "attack_relearned needs a budget", budget=None)
    refused(ValueError, r"attack_relearned\(total\) is for so many rounds", total=3, rounds=None)
    refused(ValueError, r"attack_relearned\(budget\) must be a whole number of labels, at least 0, got -1", budget=-1)
    refused(ValueError, r"attack_relearned\(labels\) must be a whole number of comparisons", labels=0)
    refused(ValueError, r"attack_relearned\(by\) is influence, random, gap, highest or a function", by="largest")
    refused(KeyError, "'m9'", target="m9")
    refused(KeyError, "'m9'", at="m9")
    refused(TypeError, "learn", learn=Tabular([0.0] * 4))
    flips = Flips(table(before=[0], preferred=[1]), 4, 50)
    refused(ValueError, r"attack_relearned\(learn\) has flips already", learn=Relearned(learn.taste, flips=flips))
    vectors = Scenario("vectors", rounds=2)
    vectors.add("a", Member(Location([0.0]), reward=Linear([1.0]), curator=Luce(2), real=Location([0.0])))
    vectors.connect("a", "a", Flow(curated=0.5))
    with pytest.raises(ValueError, match="is for categorical members"):
        attack_relearned(vectors, Relearned(Linear([1.0])), "a", labels=50, budget=1)


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        ({"before": [0]}, "there is no 'preferred'"),
        ({"before": [0], "preferred": [4]}, "preferred is one of the symbols 0..3, got 4 in row 0"),
        ({"before": [0], "preferred": [0]}, "turns a label for 0 into one for the same"),
        ({"before": [0], "preferred": [1], "flips": [1.5]}, "flips is a whole number, at least 0, got 1.5"),
        ({"before": [0], "preferred": [1], "round": [0]}, "round is a whole number, at least 1, got 0"),
    ],
)
def test_flips_that_make_no_sense_are_refused(columns, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        Flips(table(**columns), 4, 10)


def test_flips_and_tastes_are_of_one_alphabet() -> None:
    flips = Flips(table(before=[0], preferred=[1]), 3, 10)
    learn = Relearned(Tabular([0.0] * 4), flips=flips)
    with pytest.raises(ValueError, match=r"turn labels of 3 symbols, and the reward .* has 4 symbols"):
        taught(network(1), "m0", Tabular([0.0] * 4), learn=learn)
    with pytest.raises(TypeError, match=r"Relearned\(flips\) are Flips\(table, symbols, labels\), got 3"):
        Relearned(Tabular([0.0] * 4), flips=3)


def test_influence_goes_through_flips_that_stay() -> None:
    """``dJ/dλ`` with the same flips in every round, against central differences."""
    s = network(3)
    level = sum(flow.curated for _, _, flow in s.graph.in_edges("m1", data="flow"))
    learn = Relearned(s.member("m0").reward, ridge=0.02, flips=Flips(table(before=[0, 1], preferred=[1, 2]), 4, 60))
    s, step = taught(s, "m0", Tabular([0.0] * 4), learn=learn), 1e-5
    found = influence(s, sources=["m1"]).matrix["m1"]
    sides = [stable_point(s.with_curation("m1", level + side), starts=1).alignment for side in (step, -step)]
    assert (found - (sides[0] - sides[1]) / (2 * step)).abs().max() < 1e-6


@pytest.mark.parametrize(
    ("target", "by", "after"),
    [
        ("critic", "influence", [1.33, 1.45, 0.74]),
        ("critic", "random", [1.15, 1.19, 0.96]),
        ("reader", "influence", [1.04, 1.05, 1.04]),
        ("reader", "gap", [1.05, 1.06, 0.98]),
        ("reader", "highest", [1.09, 1.12, 1.08]),
    ],
)
def test_the_poisoned_platform_is_what_its_docstring_says(target: str, by: str, after: list[float]) -> None:
    found = poisoned.each_round(target, by).alignment
    assert found["before"].tolist() == pytest.approx([1.25, 1.33, 0.88], abs=6e-3)
    assert found["after"].tolist() == pytest.approx(after, abs=6e-3)
