"""Steering: the cheapest real data that keep protected features above floors, whatever users come to want."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from ecosystem import (
    Archive,
    Categorical,
    Curate,
    Demand,
    Drift,
    Flow,
    Location,
    Luce,
    Member,
    Scenario,
    Softmax,
    Tabular,
    Tilt,
    Users,
    never,
    steer,
)
from ecosystem.decisions import Ensemble
from ecosystem.influence import stable_point

COSTS = [1.0, 1, 11, 12, 13, 16, 30, 28, 27, 25]
FLOORS = dict.fromkeys(range(6, 10), 0.08)
EVEN = Categorical([0.1] * 10)


def ten(share: float = 0.5, raw: float = 0.0, lead: float = 0.99, beta: float = 0.1, rounds: int = 300) -> Scenario:
    """Ten classes whose users come to like what they are shown (THEORY's steered system), lead of the way to one."""
    ahead = torch.full((10,), 0.1, dtype=torch.float64).lerp_(torch.eye(10, dtype=torch.float64)[0], lead)
    s = Scenario("ten", rounds=rounds)
    users = {"reward": Tabular(ahead), "curator": Tilt(0.2), "learn": Drift(beta)}
    s.add("m", Member(Categorical(ahead), real=EVEN, **users))
    s.connect("m", "m", Flow(curated=share, raw=raw))
    return s


# -- the published numbers ---------------------------------------------------------------------------------------------


def test_the_published_floors_cost_what_the_paper_says() -> None:
    """Ten one-hot classes, .08 for each of four, η on 50 points of [.2, .9]: η* = .6714, C* = 26.81 a real sample."""
    found = steer(ten(), FLOORS, costs=COSTS, real=1 - np.linspace(0.2, 0.9, 50))
    assert round(1 - float(found.real["m"]), 4) == 0.6714 and round(found.price, 2) == 26.81
    assert found.verdict == "met" and found.path["met"].sum() == 34
    assert (found.reference.loc["m"] > 0).sum() <= len(FLOORS) + 1
    share = 1 - found.path["real"]
    met = found.path["met"]
    assert np.allclose(found.path["price"][met], 1 + 8.48 / (1 - share[met]), rtol=0, atol=1e-9)  # by hand
    assert np.allclose(found.floors["marginal"], np.array([30, 28, 27, 25]) - 1, atol=1e-9)


@pytest.mark.parametrize(("beta", "lead"), [(0.0, 0.99), (0.05, 0.99), (0.5, 0.99), (1.0, 0.3)])
def test_the_steered_network_keeps_its_floors_when_it_is_played(beta: float, lead: float) -> None:
    """With users who drift, from a start that favours another class: in every round, and where it comes to rest."""
    found = steer(ten(lead=lead, beta=beta), FLOORS, costs=COSTS, real=(0.1, 0.8))
    before = stable_point(ten(share=0.68, lead=lead, beta=beta)).generators["m"]
    assert float(before.probabilities[6:].min()) < 0.08  # or there would be nothing to steer
    assert bool(found.reached["holds"].all()) and set(found.verdicts["verdict"]) == {"promised"}
    for rounds in (1, 2, 5, 60):
        run = found.scenario.replace(rounds=rounds).run()
        assert float(run.parameters["m"]["probabilities"][0, 6:].min()) >= 0.08 - 1e-9


def test_between_two_shares_the_cheapest_is_exact() -> None:
    found = steer(ten(), FLOORS, costs=COSTS, real=(0.1, 0.8))
    assert np.isclose(found.real["m"], 0.32, atol=1e-9) and np.isclose(found.price, 27.5, atol=1e-6)
    grid = steer(ten(), FLOORS, costs=COSTS, real=np.linspace(0.1, 0.8, 400))
    assert found.cost <= grid.cost + 1e-9 < found.cost + 0.01


def test_breakpoints_are_where_the_cost_bends() -> None:
    """The cost between breakpoints is a straight line, and it bends at each, as a fine grid shows."""
    costs = np.array([1.0, 5.0, 2.0])
    features = {"good": [0.0, 1.0, 0.4], "fair": [0.1, 0.0, 1.0]}
    s = Scenario("three", rounds=1)
    s.add(
        "m",
        Member(Categorical([0.2, 0.5, 0.3]), reward=Tabular([1, 0, 0]), curator=Luce(2), real=Categorical([1, 0, 0])),
    )
    s.connect("m", "m", Flow(curated=0.5, raw=0.2))
    asked: dict[str, Any] = {"floors": {"good": 0.2, "fair": 0.3}, "features": features, "costs": costs}
    found = steer(s, **asked, real=(0.05, 0.95)).path
    assert len(found) >= 3
    fine = np.linspace(found["real"].iloc[0], found["real"].iloc[-1], 101)
    exact = steer(s, **asked, real=fine).path["cost"]
    assert np.allclose(np.interp(fine, found["real"], found["cost"]), exact, rtol=0, atol=1e-8)
    slopes = np.diff(found["cost"]) / np.diff(found["real"])
    assert (np.diff(slopes) > 1e-6).all()  # convex
    assert not steer(s, **asked, real=[found["real"].iloc[0] - 1e-4]).path["met"].any()


# -- networks ----------------------------------------------------------------------------------------------------------


def webbed(seed: int, members: int = 3, symbols: int = 4) -> Scenario:
    """Members who read each other raw and curated, by tastes of their own that drift."""
    rng = np.random.default_rng(seed)
    s = Scenario("web", rounds=200)
    for i in range(members):
        law, taste, real = (
            rng.dirichlet(np.ones(symbols)),
            rng.dirichlet(np.ones(symbols)),
            rng.dirichlet(np.ones(symbols)),
        )
        learn = Drift(float(rng.choice([0.0, 0.2])))
        curator = Tilt(0.3) if rng.random() < 0.5 else Luce(3)
        s.add(
            str(i),
            Member(Categorical(law), reward=Tabular(taste), curator=curator, real=Categorical(real), learn=learn),
        )
    for i in range(members):
        shares = rng.dirichlet(np.ones(2 * members + 1))
        for j in range(members):
            side = "producer" if rng.random() < 0.5 else "consumer"
            s.connect(str(j), str(i), Flow(raw=shares[2 * j], curated=shares[2 * j + 1], chosen_by=side))
    return s


def by_recursion(s: Scenario, floors: dict[int, float], costs: np.ndarray) -> float:
    """The least cost by one program with the certain means as unknowns: y = real ⟨f, R⟩ + Σ raw y + curated min f."""
    names, size, features = s.names, len(costs), list(floors)
    n, m = len(names), len(features)
    columns = n * size + n * m
    rows, high, equal, sums = [], [], [], []
    for i, name in enumerate(names):
        total = np.zeros(columns)
        total[i * size : (i + 1) * size] = 1
        equal.append(total)
        sums.append(s.real_share(name))
        for k, feature in enumerate(features):
            row = np.zeros(columns)
            row[n * size + i * m + k] = 1
            row[i * size + feature] -= 1
            for u, flow in s.incoming(name).items():
                row[n * size + names.index(u) * m + k] -= flow.raw
            rows.append(row)
            high.append(0.0)
    bounds = [(0, None)] * (n * size) + [(floors[f], 1) for _ in names for f in features]
    found = linprog(np.r_[np.tile(costs, n), np.zeros(n * m)], rows, high, equal, sums, bounds=bounds)
    return float(found.fun) if found.status == 0 else float("nan")


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000))
def test_a_network_pays_the_least_and_keeps_its_floors(seed: int) -> None:
    """Against another program for the same thing, and by playing: at the stable point no floor is broken."""
    s = webbed(seed)
    costs = np.random.default_rng(seed).uniform(1, 9, 4)
    floors = {2: 0.03, 3: 0.04}
    expected, found = by_recursion(s, floors, costs), steer(s, floors, costs=costs)
    assert (found.verdict == "met") == (not np.isnan(expected))
    if found.verdict == "met":
        assert np.isclose(found.cost, expected, rtol=0, atol=1e-7)
        assert (found.reference.to_numpy() > 0).sum() <= len(found.floors) + len(s.names)
    reached = found.reached
    assert (reached["reached"] >= reached["promised"] - 1e-8).all()  # what is said to be certain is, met or not


def test_one_steers_for_another_who_reads_it() -> None:
    """A reader without real data keeps its floor by what its producer is given: floor/raw of it."""
    s = Scenario("chain", rounds=1)
    s.add("a", Member(Categorical([1.0, 0.0]), real=Categorical([1.0, 0.0])))
    s.add("b", Member(Categorical([1.0, 0.0]), reward=Tabular([1.0, 0.0]), curator=Luce(2)))
    s.connect("a", "b", Flow(raw=0.5, curated=0.5, chosen_by="consumer"))
    found = steer(s, {"b": {1: 0.2}}, costs=[0.0, 1.0], movable=["a"])
    assert found.verdict == "met" and np.isclose(found.reference.at["a", 1], 0.4) and np.isclose(found.cost, 0.4)
    with pytest.raises(ValueError, match="nobody with a floor has real data"):
        steer(s, {"b": {1: 0.2}}, costs=[0.0, 1.0])


def test_who_only_copies_each_other_promises_nothing() -> None:
    """Two that read each other alone keep what they began with; a third that reads them is promised its real data."""
    s = Scenario("closed", rounds=1)
    for name in "abc":
        s.add(name, Member(Categorical([0.5, 0.5]), real=Categorical([0.5, 0.5])))
    s.connect("a", "b", Flow(raw=1.0))
    s.connect("b", "a", Flow(raw=1.0))
    s.connect("b", "c", Flow(raw=0.5))
    found = steer(s, {"c": {0: 0.1}, "a": {0: 0.1}}, costs=[1.0, 0.0])
    assert found.verdict == "infeasible" and np.isclose(found.violation, 0.1)
    assert found.floors.set_index("member")["promised"].round(9).to_dict()["a"] == 0


@pytest.mark.parametrize(("transform", "certain"), [(None, 0.3), (lambda x: 1 - x, 0.0)])
def test_frozen_members_are_known_and_transforms_are_not(transform: Any, certain: float) -> None:
    """Half of the diet is a frozen member's, .6 of symbol 1; behind a transform nothing is certain of it."""
    s = Scenario("frozen", rounds=1)
    s.add("people", Member(Categorical([0.4, 0.6]), schedule=never))
    s.add("m", Member(Categorical([0.5, 0.5]), real=Categorical([1.0, 0.0])))
    flow = Flow(curated=0.5, chosen_by=Users(Tabular([0.0, 0.0]), Luce(2)), transform=transform)
    s.connect("people", "m", Flow(raw=0.5) if transform is None else flow)
    found = steer(s, {"m": {1: 0.4}}, costs=[0.0, 1.0])
    assert np.isclose(found.cost, 0.4 - certain) and bool(found.reached["holds"].all())


# -- what cannot be ----------------------------------------------------------------------------------------------------


def test_infeasible_floors_are_reported_by_how_much() -> None:
    found = steer(ten(), dict.fromkeys(range(6, 10), 0.2), costs=COSTS)
    assert found.verdict == "infeasible" and np.isclose(found.violation, 4 * 0.2 - 0.5, atol=1e-8)
    assert np.isclose(found.floors["missed"].sum(), 0.3, atol=1e-8) and "no real data promise them" in found.sentence
    best = steer(ten(), dict.fromkeys(range(6, 10), 0.2), costs=COSTS, real=(0.1, 0.7))
    assert np.isclose(best.violation, 0.1, atol=1e-8) and np.isclose(best.real["m"], 0.7)


def test_a_budget_that_does_not_reach_buys_what_it_can() -> None:
    """.5 of real data at 1, and what is left of 5 for classes above that price, the cheapest floors first."""
    found = steer(ten(), FLOORS, costs=COSTS, budget=5.0)
    assert found.verdict == "over budget" and found.cost <= 5 + 1e-8 and np.isclose(found.cheapest, 8.98)
    bought = 0.08 * 2 + (4.5 - 0.08 * 24 - 0.08 * 26) / 27  # two whole floors, and a part of the third
    assert np.isclose(found.violation, 0.32 - bought, atol=1e-7)
    assert steer(ten(), FLOORS, costs=COSTS, budget=8.98 + 1e-6).verdict == "met"
    with pytest.raises(ValueError, match="does not even buy the cheapest"):
        steer(ten(), FLOORS, costs=COSTS, budget=0.4)


class Smooth(Categorical):
    """A family of one's own that is not fitted to what it trains on: it never forgets any symbol."""

    def refit(self, statistic: torch.Tensor) -> Smooth:
        return super().refit(statistic + 0.1)


class Plain(Categorical):
    """One's own that is."""


def test_families_of_ones_own_are_asked_what_they_do() -> None:
    def loop(model: Any) -> Scenario:
        s = Scenario("own", rounds=5)
        s.add("m", Member(model, real=Categorical([0.5, 0.5]), reward=Tabular([1, 0]), curator=Luce(2)))
        s.connect("m", "m", Flow(curated=0.5))
        return s

    with pytest.raises(ValueError, match="'m' is not fitted to the mixture"):
        steer(loop(Smooth([0.5, 0.5])), {"m": {1: 0.1}}, costs=[1, 2])
    assert steer(loop(Plain([0.5, 0.5])), {"m": {1: 0.1}}, costs=[1, 2]).verdict == "met"
    with pytest.raises(ValueError, match="is not fitted"):
        s = Scenario("place", rounds=1)
        s.add("m", Member(Location([0.0]), real=Location([0.0])))
        steer(s, {"m": {1: 0.1}}, costs=[1, 2])


@pytest.mark.parametrize("writers", [1, 2])
def test_an_archive_carries_what_its_writers_promise(writers: int) -> None:
    """m keeps its own words through the archive that it reads raw, .3 = .4 R + .3 · (its part of the archive) · .3."""
    even = Categorical([0.5, 0.5])
    s = Scenario("archive", rounds=1)
    names = ["m", "n"][:writers]
    s.add("web", Member(Archive(dict.fromkeys(names, even))))
    for name in names:
        s.add(name, Member(even, real=even))
        s.connect(name, "web", Flow(raw=1.0 / writers))
        s.connect("web", name, Flow(raw=0.3, curated=0.3, chosen_by=Users(Tabular([1.0, 0.0]), Luce(2))))
    found = steer(s, {name: {1: 0.3} for name in names}, costs=[0.0, 1.0])
    assert found.verdict == "met" and bool(found.reached["holds"].all())
    assert found.cost <= 0.3 * writers + 1e-9


@pytest.mark.parametrize(
    ("floors", "more", "words"),
    [
        ({}, {}, r"steer\(floors\) is"),
        ({"x": {1: 0.1}}, {}, "there is no member 'x'"),
        ({12: 0.1}, {}, r"symbols 0..9 of 'm', got 12"),
        ({"m": {1: float("nan")}}, {}, "one number"),
        ({"m": {1: 0.1}, 2: 0.1}, {}, "not both"),
        ({"f": 0.1}, {"features": {"g": [0.0] * 10}}, "there is no feature 'f'"),
        ({"f": 0.1}, {"features": {"f": [0.0] * 9}}, "each of the 10 symbols"),
        ({1: 0.1}, {"costs": [1.0]}, "each of the 10 symbols"),
        ({1: 0.1}, {"costs": {"n": COSTS}}, "no costs for 'm'"),
        ({1: 0.1}, {"real": (0.5, 0.2)}, "low <= high"),
        ({1: 0.1}, {"real": [0.0, 0.2]}, "above 0"),
        ({1: 0.1}, {"movable": "m"}, "must be a list of names"),
        ({1: 0.1}, {"movable": ["x"]}, "there is no member 'x'"),
        ({1: 0.1}, {"budget": "5"}, "budget"),
        ({1: 0.1}, {"floor": 5}, "takes no 'floor'"),
        ({1: 0.1}, {"costs": [-1.0, *COSTS[1:]]}, "numbers from 0 on"),
        ({"m": {}}, {}, "names no feature for 'm'"),
    ],
)
def test_what_cannot_be_asked_is_refused(floors: Any, more: dict[str, Any], words: str) -> None:
    with pytest.raises((ValueError, TypeError, KeyError), match=words):
        steer(ten(), floors, **{"costs": COSTS, **more})


def test_a_symbol_may_be_a_number_of_numpy() -> None:
    plain, other = (steer(ten(), {kind(6): 0.1}, costs=COSTS) for kind in (int, np.int64))
    assert other.cost == plain.cost and other.floors["feature"].tolist() == [6]


def test_networks_whose_shares_move_are_refused() -> None:
    s = ten()
    s.at(3, Curate("m", 0.2))
    with pytest.raises(ValueError, match="changes while it runs"):
        steer(s, FLOORS, costs=COSTS)
    s = ten()
    s.add("users", Member(EVEN, reward=Tabular([0.1] * 10), schedule=never, demand=Demand(("m",), Softmax(0.1))))
    s.connect("users", "m", Flow(raw=0.1))
    with pytest.raises(ValueError, match="moves shares"):
        steer(s, FLOORS, costs=COSTS)
    with pytest.raises(ValueError, match="read each other raw"):
        steer(webbed(0), {0: 0.01}, costs=[1, 2, 3, 4], real=(0.1, 0.5))


# -- over an ensemble --------------------------------------------------------------------------------------------------


def two(raw: float, real: float, curated: float) -> Scenario:
    """A loop of three symbols that passes on ``raw`` of itself, and another's frozen output for the rest."""
    s = Scenario("two", rounds=10)
    s.add("m", Member(Categorical([1 / 3] * 3), reward=Tabular([1.0, 0, 0]), curator=Tilt(0.2), real=EVEN_OF_3))
    s.add("still", Member(Categorical([0.6, 0.3, 0.1]), schedule=never))
    s.connect("m", "m", Flow(raw=raw, curated=curated))
    s.connect("still", "m", Flow(raw=1 - raw - real - curated))
    return s


EVEN_OF_3 = Categorical([1 / 3] * 3)
SETTINGS = ((0.1, 0.4, 0.3), (0.3, 0.5, 0.1))
PRICES = np.array([1.0, 2.0, 5.0])


def certain(reference: np.ndarray, setting: tuple[float, float, float]) -> np.ndarray:
    """``(real R + frozen)/(1 − raw)``, ``[..., symbols]``: by hand."""
    raw, real, curated = setting
    return (real * reference + (1 - raw - real - curated) * np.array([0.6, 0.3, 0.1])) / (1 - raw)


@pytest.mark.parametrize("over", ["expected", "worst", "regret"])
def test_over_an_ensemble_it_is_as_a_grid_says(over: str) -> None:
    """The cheapest of all references on a grid of 1/400, with floors on average, or in both scenarios."""
    both = Ensemble(lambda k: two(*SETTINGS[k]), pd.DataFrame({"k": [0, 1], "weight": [0.25, 0.75]}))
    floors = {1: 0.28, 2: 0.21}
    found = steer(both, floors, costs=PRICES, over=over)
    n = 400
    grid = np.array([(n - i - j, i, j) for i in range(n + 1) for j in range(n + 1 - i)]) / n
    promised = np.stack([certain(grid, setting)[:, 1:] for setting in SETTINGS])
    least, slack = np.array([0.28, 0.21]), 1e-12
    holds = [(part >= least - slack).all(-1) for part in promised]
    cost = np.stack([real * (grid @ PRICES) for _, real, _ in SETTINGS])
    alone = np.array([c[h].min() for c, h in zip(cost, holds, strict=True)])
    weights = np.array([0.25, 0.75])
    if over == "expected":
        allowed, value = (np.einsum("s,sgf->gf", weights, promised) >= least - slack).all(-1), weights @ cost
        mine = found.cost
    else:
        allowed = holds[0] & holds[1]
        value = (cost - (alone[:, None] if over == "regret" else 0)).max(0)
        mine = found.spent["regret" if over == "regret" else "cost"].max()
    step = 0.5 * PRICES.max() * 2 / n  # what a step of the grid costs
    assert value[allowed].min() - step <= mine <= value[allowed].min() + step
    assert found.spent["alone"].to_numpy() == pytest.approx(alone, abs=step)
    assert found.verdict == "met" and found.reached["reached"].notna().all()
    assert len(found.floors) == (2 if over == "expected" else 4) and len(found.scenarios) == 2
    reference = found.reference.loc["m"].to_numpy()
    known = np.stack([certain(reference, setting)[1:] for setting in SETTINGS])
    expected = weights @ known if over == "expected" else known.reshape(-1)
    assert found.floors["promised"].to_numpy() == pytest.approx(expected, abs=1e-9)
    assert found.floors["missed"].max() <= 1e-8


@pytest.mark.parametrize("over", ["expected", "worst", "regret"])
def test_an_ensemble_of_one_is_its_scenario(over: str) -> None:
    for real in (None, (0.3, 0.8)):
        one = Ensemble(lambda k: ten(), pd.DataFrame({"k": [0]}))
        found, plain = (steer(s, FLOORS, costs=COSTS, real=real, over=over) for s in (one, ten()))
        pd.testing.assert_frame_equal(found.floors, plain.floors)
        pd.testing.assert_frame_equal(found.reference, plain.reference)
        assert found.cost == plain.cost and found.sentence == plain.sentence


def test_floors_that_one_scenario_cannot_keep_are_missed_by_so_much() -> None:
    both = Ensemble(lambda k: two(*SETTINGS[k]), pd.DataFrame({"k": [0, 1]}))
    found = steer(both, {2: 0.6}, costs=PRICES, over="worst")
    best = [certain(np.array([0.0, 0.0, 1.0]), setting)[2] for setting in SETTINGS]
    assert found.verdict == "infeasible" and found.violation == pytest.approx(
        sum(max(0, 0.6 - b) for b in best), abs=1e-7
    )
    with pytest.raises(ValueError, match="must offer the same"):
        steer(Ensemble(lambda k: [two(*SETTINGS[0]), ten()][k], pd.DataFrame({"k": [0, 1]})), {2: 0.1}, costs=PRICES)
