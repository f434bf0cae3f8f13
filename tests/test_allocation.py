"""Allocation: gradients by differences, optima by grids, conditions, plans that are beaten, ensembles, refusals."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecosystem import Categorical, Flow, Linear, Location, Luce, Member, Quadratic, Scenario, Shift, Tabular
from ecosystem.core.words import number
from ecosystem.decisions import Ensemble, Landscape, Objective, allocate, as_levers, telling
from ecosystem.decisions.objectives import as_objective
from ecosystem.influence import influence, stable_point
from scenarios import pair as pair_of_models


def network(seed: int, count: int = 3, kind: str = "location", strength: float = 1.0) -> Scenario:
    """Members of one kind that read themselves and others at random, raw and curated, beside real data."""
    rng = np.random.default_rng(seed)
    s = Scenario(f"random {seed}", rounds=10)
    for i in range(count):
        if kind == "location":
            push, taste, mean = (rng.normal(size=2) for _ in range(3))
            reward, curator, real = Quadratic(taste, 0.3), Shift(strength * push), Location(mean, scale=0.3)
            s.add(f"m{i}", Member(Location([0.0, 0.0], scale=0.3), reward=reward, curator=curator, real=real))
        else:
            taste, law = rng.normal(size=3), rng.dirichlet(np.ones(3))
            reward, real = Tabular(taste), Categorical(law)
            s.add(f"m{i}", Member(Categorical([1 / 3] * 3), reward=reward, curator=Luce(3), real=real))
    for i in range(count):
        read = rng.choice(count, size=min(count, 2), replace=False)
        parts = rng.dirichlet(np.ones(2 * len(read) + 1))
        for k, j in enumerate(read):
            s.connect(f"m{j}", f"m{i}", Flow(raw=parts[2 * k], curated=parts[2 * k + 1]))
    return s


def product(alignment: torch.Tensor) -> torch.Tensor:
    """A welfare of one's own."""
    return alignment.sin().sum() + alignment.prod()


def difference(value: Callable[[np.ndarray], Any], x: np.ndarray, k: int, step: float = 1e-5) -> Any:
    """Slope along axis ``k``; of fourth order, since near ``ρ(B) = 1`` third derivatives are 1e7 times the slope."""
    up, down, twice_up, twice_down = (value(x + m * step * np.eye(len(x))[k]) for m in (1, -1, 2, -2))
    return (8 * (up - down) - (twice_up - twice_down)) / (12 * step)


# -- levers and derivatives --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["location", "categorical"])
@pytest.mark.parametrize("movable", ["levels", "real", "flows"])
def test_landscape_is_where_the_changed_scenario_settles(kind: str, movable: str) -> None:
    s = network(1, kind=kind)
    levers = as_levers(s, list(s.graph.edges) if movable == "flows" else movable)
    x = np.clip(levers.now + 0.02 * np.cos(np.arange(len(levers))), levers.lower, levers.upper)
    there, public = Landscape(levers).at(x), levers.moved(x)
    point = stable_point(public, starts=1)
    assert there.alignments.to_numpy() == pytest.approx(point.alignment.to_numpy(), abs=1e-12)
    of = {"levels": "curation", "real": "real"}.get(movable, [("raw", u, v) for u, v in s.graph.edges])
    assert there.jacobian == pytest.approx(influence(public, of=of, at=point).matrix.to_numpy(), abs=1e-9)
    way = np.sin(1.0 + np.arange(len(levers)))
    assert there.along(way).numpy() == pytest.approx(there.jacobian @ way, abs=1e-10)


@given(
    seed=st.integers(0, 10_000),
    kind=st.sampled_from(["location", "categorical"]),
    objective=st.sampled_from(["sum", "weighted", "minimum", "nash", product]),
)
@settings(max_examples=12, deadline=None)
def test_gradients_of_every_objective_are_differences(seed: int, kind: str, objective: object) -> None:
    s = network(seed, kind=kind)
    land = Landscape(as_levers(s))
    names, here = land.targets, land.at(land.levers.now)
    weights = {"m0": 2.0, "m2": -1.0} if objective == "weighted" else None
    lower = {name: float(here.alignments[name]) - 1 for name in names} if objective == "nash" else None
    goal = as_objective(objective, s, names, here.alignment, weights, lower)
    pieces, slopes = goal.slopes(here.alignment)
    exact = here.gradients(slopes)
    for k in range(len(land.levers)):
        slope = difference(lambda x: goal.pieces(land.at(x).alignment).numpy(), land.levers.now, k)
        assert slope == pytest.approx(exact[:, k], abs=1e-6 * (1 + np.abs(exact).max()))
    assert goal.value(here.alignment) == pytest.approx(float(pieces.min()))


@pytest.mark.parametrize(("kind", "seed"), [("location", 3), ("categorical", 4)])
def test_slope_of_the_radius_is_a_difference(kind: str, seed: int) -> None:
    land = Landscape(as_levers(network(seed, kind=kind)))
    exact = land.at(land.levers.now).slope
    for k in range(len(land.levers)):
        assert difference(lambda x: land.at(x).radius, land.levers.now, k) == pytest.approx(exact[k], abs=1e-6)


# -- optima ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["location", "categorical"])
@pytest.mark.parametrize("objective", ["sum", "minimum"])
def test_two_members_are_as_a_grid_says(kind: str, objective: str) -> None:
    s = network(11, count=2, kind=kind)
    budget, land = 0.7, Landscape(as_levers(s, costs={"m0": 1.0, "m1": 2.0}))
    found = allocate(s, budget, objective=objective, costs={"m0": 1.0, "m1": 2.0}, starts=0)
    grid = [np.array([a, b]) for a in np.linspace(0, 0.98, 22) for b in np.linspace(0, 0.35, 8) if a + 2 * b <= budget]
    settled = [land.at(x) for x in grid]
    values = [float(one.alignment.sum() if objective == "sum" else one.alignment.min()) for one in settled]
    assert found.optimal
    assert found.residual <= 1e-6
    assert found.welfare["after"] >= max(values) - 1e-9
    assert found.welfare["after"] <= max(values) + 0.3  # a coarse grid has a point near the optimum
    top = found.levels["after"].to_numpy()
    for step in 1e-4 * np.array([[1, 0], [0, 1], [-1, 0], [0, -1], [-2, 1], [2, -1]]):  # nor is there better nearby
        near = np.clip(top + step, 0, 1)
        if near @ [1, 2] <= budget and (there := land.at(near)).found:
            value = float(there.alignment.sum() if objective == "sum" else there.alignment.min())
            assert value <= found.welfare["after"] + 1e-9


def test_plans_are_beaten_and_conditions_met() -> None:
    for seed in range(3):
        for kind in ("location", "categorical"):
            found = allocate(network(seed, kind=kind), 1.2, starts=0)
            welfare, slack = found.welfare, 1e-9 * (1 + abs(found.welfare["after"]))
            assert found.residual <= 1e-6
            assert found.spent <= 1.2 + 1e-9
            assert welfare["after"] >= max(welfare["uniform"], welfare["selfish"]) - slack
            shown = stable_point(found.scenario, starts=1).alignment.sum()
            assert shown == pytest.approx(welfare["after"], abs=1e-9)


def test_price_is_what_more_budget_buys() -> None:
    s, step = network(11, count=2), 1e-4
    prices = [allocate(s, 0.5 + move, starts=0) for move in (-step, 0.0, step)]
    assert prices[1].price > 0
    bought = (prices[2].welfare["after"] - prices[0].welfare["after"]) / (2 * step)
    assert prices[1].price == pytest.approx(bought, rel=1e-3)


def loops(strengths: tuple[float, ...] = (1.0, 2.0)) -> Scenario:
    """Members who read themselves alone: ``θ = a λ / (0.75 (1 − λ))``."""
    s = Scenario("loops", rounds=1)
    names = ["a", "b", "c", *(f"m{i}" for i in range(3, len(strengths)))]
    for name, strength in zip(names, strengths, strict=False):
        reward, curator = Linear([1.0]), Shift([strength])
        s.add(name, Member(Location([0.0]), reward=reward, curator=curator, real=Location([0.0])))
        s.connect(name, name, Flow(raw=0.2, curated=0.2))
    return s


def test_stability_is_kept_where_welfare_would_go_on() -> None:
    found = allocate(loops((1.0,)), 1.0, margin=0.2)  # B = λ + 0.25 (1 − λ)
    assert found.levels["after"].tolist() == pytest.approx([0.55 / 0.75], abs=1e-8)
    assert found.radius == pytest.approx(0.8, abs=1e-8)
    assert found.residual <= 1e-6
    (row,) = found.multipliers.to_dict("records")
    assert row["kind"] == "stability"
    assert row["multiplier"] == pytest.approx(1 / 0.75**2 / (1 - 0.55 / 0.75) ** 2, rel=1e-6)  # dU/dλ over dρ/dλ


def test_the_minimum_is_made_even_and_nash_a_product() -> None:
    even = allocate(loops(), 0.8, objective="minimum").alignment["after"]
    assert even[0] == pytest.approx(even[1], abs=1e-8)
    found = allocate(loops(), 0.8, objective="nash")  # log λ − log(1 − λ) of both: λ (1 − λ) alike, so λ alike
    assert found.levels["after"].tolist() == pytest.approx([0.4, 0.4], abs=1e-6)
    assert found.welfare["after"] == pytest.approx(np.log(found.alignment["after"]).sum(), abs=1e-9)


def test_the_minimum_of_many_is_made_even() -> None:
    """Thirty loops by themselves: where all are equally well off and the budget is spent nobody can be better off."""
    best = allocate(loops(tuple(np.linspace(1.0, 2.0, 30).tolist())), budget=6.0, objective="minimum", starts=1)
    after = best.alignment["after"]
    assert best.optimal and best.residual < 1e-9 and best.spent == pytest.approx(6.0, abs=1e-9)
    assert after.max() - after.min() < 1e-9 and (best.levels["after"] > best.levels["lower"]).all()


def test_flows_and_real_shares_are_moved_alike() -> None:
    s = loops()
    found = allocate(s, 0.5, movable=[("raw", "a", "a"), ("curated", "b", "b")])
    assert found.scenario.flow("b", "b").curated == pytest.approx(found.levels["after"][1])
    assert found.scenario.flow("a", "a").raw == pytest.approx(found.levels["after"][0])
    assert found.levels["after"][1] == pytest.approx(0.5, abs=1e-8)  # b earns 2 c / (0.8 − c), a 0.2 / (0.8 − r)
    real = allocate(loops((1.0,)), 1.0, movable="real", margin=0.2)  # θ = (1 − real) / (2 real), B = 1 − real
    assert real.levels["after"].tolist() == pytest.approx([0.2], abs=1e-8)


def test_an_objective_of_ones_own() -> None:
    class Spread(Objective):
        name = "spread"

        def pieces(self, alignment: torch.Tensor) -> torch.Tensor:
            return -((alignment - 0.3) ** 2).sum().unsqueeze(0)

    found = allocate(loops(), 0.8, objective=Spread())
    assert found.alignment["after"].tolist() == pytest.approx([0.3, 0.3], abs=1e-6)
    assert found.price == 0
    same = allocate(loops(), 0.8, objective=lambda j: -((j - 0.3) ** 2).sum())
    assert same.levels["after"].tolist() == pytest.approx(found.levels["after"].tolist(), abs=1e-6)


# -- ensembles ---------------------------------------------------------------------------------------------------------


def pair(a: float, b: float) -> Scenario:
    return loops((a, b))


def test_ensembles_are_as_a_grid_says() -> None:
    points = pd.DataFrame({"a": [1.0, 3.0], "b": [2.0, 0.5], "weight": [3.0, 1.0]})
    ensemble, budget = Ensemble(pair, points), 0.6
    first = np.linspace(0, budget, 6001)
    gains = np.stack([first / (0.75 * (1 - first)), (budget - first) / (0.75 * (1 - budget + first))])
    each = points[["a", "b"]].to_numpy() @ gains  # spending all is best: every member gains by its level
    wanted = {
        "expected": [0.75, 0.25] @ each,
        "worst": each.min(0),
        "regret": (each - each.max(1, keepdims=True)).min(0),
    }
    for over, values in wanted.items():
        found = allocate(ensemble, budget, over=over)
        assert found.welfare["after"] == pytest.approx(values.max(), abs=1e-5), over
        assert found.welfare["after"] >= values.max() - 1e-7
        assert found.residual <= 1e-6
        assert found.over == over
        assert len(found.scenarios) == 2


def test_a_regret_is_said_as_what_is_missed() -> None:
    points = pd.DataFrame({"a": [1.0, 3.0], "b": [2.0, 0.5]})
    found = allocate(Ensemble(pair, points), 0.6, over="regret")
    lost, before = (-found.welfare[name] for name in ("after", "before"))
    assert lost > 0
    said = "at most so much less than each world's own best plan gives"
    sentence = f"Largest regret (sum) is {number(lost, digits=4)}: {said}, from {number(before, digits=4)} before"
    assert found.verdicts["sentence"].iloc[0].startswith(sentence)


def test_an_ensemble_of_one_is_its_scenario() -> None:
    alone = allocate(pair(1.0, 2.0), 0.5)
    for over in ("expected", "worst"):
        found = allocate(Ensemble(pair, pd.DataFrame({"a": [1.0], "b": [2.0]})), 0.5, over=over)
        assert found.levels["after"].tolist() == pytest.approx(alone.levels["after"].tolist(), abs=1e-8)


# -- what is refused, and said -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "words", "given"),
    [
        (ValueError, "the lower bounds alone cost 0.6", {"bounds": {"a": (0.6, 0.9)}}),
        (ValueError, "a unit of 'a' must cost more than 0, got 0", {"costs": {"a": 0}}),
        (KeyError, "there is no lever 'A'", {"costs": {"A": 1}}),
        (KeyError, "there is no member 'd'", {"movable": ["d"]}),
        (ValueError, "twice", {"movable": ["a", "a"]}),
        (ValueError, "both change what 'a' trains on", {"movable": ["a", ("a", "a")]}),
        (ValueError, r"within 0 and 1, got \(0, 1.5\)", {"bounds": {"a": (0, 1.5)}}),
        (ValueError, "one of 'sum'", {"objective": "total"}),
        (ValueError, "belongs to objective='weighted'", {"weights": {"a": 1.0}}),
        (KeyError, "nobody called 'd' has an alignment", {"objective": "weighted", "weights": {"d": 1.0}}),
        (ValueError, "leaves out 'b'", {"objective": "nash", "disagreement": {"a": 0.0}}),
        (ValueError, "everybody gains", {"objective": "nash", "disagreement": {"a": 9.0, "b": 9.0}}),
        (ValueError, "must return a tensor of one number", {"objective": lambda j: j}),
        (ValueError, "leaves torch", {"objective": lambda j: j[0] + j[1].detach()}),
        (ValueError, "margin", {"margin": 1.0}),
        (ValueError, r"over\) is one of", {"over": "best"}),
        (TypeError, "did you mean 'movable'", {"moveable": "levels"}),
    ],
)
def test_refused_by_name(error: type[Exception], words: str, given: dict) -> None:
    with pytest.raises(error, match=words):
        allocate(loops(), 0.5, **given)


def test_networks_that_no_budget_makes_stable_are_refused() -> None:
    s = Scenario("copies", rounds=1)
    s.add("a", Member(Location([0.0]), reward=Linear([1.0]), curator=Shift([1.0])))
    s.connect("a", "a", Flow(raw=0.5, curated=0.5))
    with pytest.raises(ValueError, match="no start leads to a stable network"):
        allocate(s, 0.5)
    with pytest.raises(TypeError, match="a Scenario or an Ensemble"):
        allocate("a", 0.5)  # type: ignore[arg-type]


def test_ensembles_are_checked() -> None:
    with pytest.raises(ValueError, match="how likely each row is"):
        Ensemble(pair, pd.DataFrame({"a": [1.0], "b": [1.0], "weight": [-1.0]}))
    with pytest.raises(TypeError, match="must return a Scenario"):
        Ensemble(lambda a: a, pd.DataFrame({"a": [1.0]})).scenarios  # noqa: B018
    with pytest.raises(ValueError, match=r"build has no parameter 'bb', .* are a, b; did you mean 'b'\?$"):
        Ensemble(pair, pd.DataFrame({"a": [1.0], "bb": [1.0]}))
    with pytest.raises(ValueError, match="build needs 'b'; add such a column"):
        Ensemble(pair, pd.DataFrame({"a": [1.0], "weight": [1.0]}))
    with pytest.raises(TypeError, match=r"Ensemble\(build\) is a function"):
        Ensemble(pair(1.0, 1.0), pd.DataFrame({"a": [1.0], "b": [1.0]}))  # type: ignore[arg-type]
    assert len(Ensemble(lambda **all: pair(**all), pd.DataFrame({"a": [1.0], "b": [1.0]}))) == 1
    named = Ensemble(lambda n: loops((1.0,) * n), pd.DataFrame({"n": [1, 2]}))
    with pytest.raises(ValueError, match="number 1 differs from the first in 'b'"):
        allocate(named, 0.5)


def test_it_is_told_in_words_and_shown() -> None:
    found = allocate(loops((1.0, -1.0)), 0.5)
    told = found.verdicts.set_index("subject")
    assert told.at["allocation", "verdict"] == "local optimum"
    assert told.at["budget", "verdict"] == "binds"
    assert "b would lower welfare" in told.at["levers", "sentence"].replace("‘", "").replace("’", "")
    page = found._repr_html_()
    assert "<table>" in page
    assert "Allocation" in page


def test_an_array_is_no_objective() -> None:
    with pytest.raises(ValueError, match=r"allocate\(objective\) is one of 'sum', .* got"):
        allocate(loops(), 0.8, objective=np.array([1.0, 2.0]))


# -- units and ties ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("objective", ["sum", "minimum"])
@pytest.mark.parametrize("unit", [1e-8, 1e8])
def test_conditions_do_not_depend_on_the_unit_of_rewards(unit: float, objective: str) -> None:
    """In whatever unit, the same optimum is proven, and a plan that is none is proven by nothing."""
    plain = loops((1.0, 2.0))
    scaled = plain
    for name in "ab":
        scaled = scaled.with_member(name, reward=Linear([unit]))
    one, other = (allocate(s, 0.8, objective=objective) for s in (plain, scaled))
    assert other.levels["after"].to_numpy() == pytest.approx(one.levels["after"].to_numpy(), abs=1e-7)
    assert other.welfare["after"] == pytest.approx(unit * one.welfare["after"], rel=1e-7) and other.optimal
    missed = [found.starts["residual"].max() for found in (one, other)]  # of the uniform plan
    assert missed[1] == pytest.approx(missed[0], rel=1e-6) and missed[1] > 0.1


def test_several_eigenvalues_at_the_limit_have_multipliers_of_their_own() -> None:
    """Members who do not read each other, each as far as ``0.25 + 0.75 λ = 1 − margin`` allows."""
    found = allocate(loops((1.0, 2.0, 3.0)), 3.0, margin=0.2)
    assert found.levels["after"].to_numpy() == pytest.approx(0.55 / 0.75, abs=1e-7)
    assert found.optimal and found.verdicts["verdict"].iloc[0] == "local optimum"
    stable = found.multipliers[found.multipliers["kind"] == "stability"]["multiplier"]
    each = 1 / 0.75**2 / (1 - 0.55 / 0.75) ** 2  # dU/dλ over dρ/dλ of strength 1
    assert sorted(stable) == pytest.approx([each, 2 * each, 3 * each], rel=1e-5)


# -- conditions where slopes vanish, and what each start came to -------------------------------------------------------


def wishes(*wanted: float) -> Scenario:
    """Members who read only themselves and want a mean ``w``, which is there at ``λ = 0.75 w / (1 + 0.75 w)``."""
    s = loops((1.0,) * len(wanted))
    for name, wish in zip("abcdef", wanted, strict=False):
        s = s.with_member(name, reward=Quadratic([wish], 1.0))
    return s


@pytest.mark.parametrize("objective", ["sum", "minimum"])
@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_an_optimum_inside_the_bounds_is_proven(objective: str, unit: float) -> None:
    """Where everybody's slope vanishes there is none to measure by: what is missed is measured by slopes elsewhere."""
    s = wishes(0.8)
    s = s.with_member("a", reward=Quadratic([0.8 * unit], unit))
    found = allocate(s, 0.9, objective=objective)
    top = 0.75 * 0.8 / (1 + 0.75 * 0.8)
    assert found.levels["after"].tolist() == pytest.approx([top], abs=1e-6)
    assert found.optimal and "conditions are met" in found.verdicts["sentence"].iloc[0]
    by_name = found.starts.set_index("start")
    assert by_name.at["uniform plan", "residual"] > 0.1  # which is no optimum, and is not taken for one


def test_the_worst_off_alone_at_its_best_is_proven() -> None:
    """Where one piece is the least and its slope vanishes; ``phi* = λ A (I − A)⁻¹ a``, where its users like it best."""
    found = allocate(pair_of_models.scenario(), 0.3, objective="minimum", starts=0)
    way, wanted = pair_of_models.stable_point(0.9, 1.0)[1], torch.tensor(pair_of_models.SYSTEM["g_q"]).double()
    assert found.levels["after"].tolist() == pytest.approx(
        [float(way @ wanted / (way @ way) / pair_of_models.SYSTEM["eta_q"])], abs=1e-6
    )
    assert found.optimal and found.alignment["after"].idxmin() == found.alignment["member"].tolist().index("phi")


@pytest.mark.parametrize("seed", [0, 1])
def test_reported_is_the_best_start_with_its_own_residual(seed: int) -> None:
    """Whatever starts come to: the plan is that of the best, its residual is its own, and the others are told of."""
    found = allocate(network(seed, count=4), 0.8, objective="minimum", starts=1, seed=seed)
    ends = found.starts
    unit = ends["welfare"].abs().max()
    assert found.welfare["after"] == pytest.approx(ends["welfare"].max(), abs=1e-9 * unit)
    alike = ends[ends["welfare"] >= ends["welfare"].max() - 1e-9 * unit]
    assert found.residual == pytest.approx(alike["residual"].min(), abs=1e-7)
    assert ("conditions are met" in found.verdicts["sentence"].iloc[0]) == (found.residual <= 1e-6)
    told = found.verdicts.set_index("subject").loc["search"]
    searches = ends[~ends["start"].str.endswith(" plan")]
    apart = bool((searches["welfare"] < found.welfare["after"] - 1e-6 * unit).any())
    assert told["verdict"] == ("ends apart" if apart else "ends alike")
    assert not apart or number(float(searches["welfare"].min()), digits=4) in told["sentence"]


def told_of(starts: list[tuple[str, float, float]], after: float, over: str = "") -> str:
    """What is said of a search that came to these ends."""
    levels = pd.DataFrame({"lever": ["a"], "before": 0.1, "after": 0.2, "gradient": 0.0, "bound": ""})
    found: Any = SimpleNamespace(
        starts=pd.DataFrame(starts, columns=["start", "welfare", "residual"]),
        welfare=pd.Series({"before": after, "after": after, "uniform": after, "selfish": after}),
        multipliers=pd.DataFrame({"kind": []}),
        **{"objective": "sum", "over": over, "budget": 1.0, "spent": 0.5, "margin": 1e-3, "levels": levels},
        **{"residual": 0.0, "radius": 0.5, "price": 0.0, "doubts": ()},
    )
    return str(telling.verdicts(found).set_index("subject").at["search", "sentence"])


def test_a_search_is_told_of_in_words() -> None:
    here, low, stuck, nowhere = (
        ("before", 2.0, 0.0),
        ("greedy", 1.0, 0.0),
        ("random 1", 1.5, 0.1),
        ("u", np.nan, np.inf),
    )
    plan = ("uniform plan", 0.5, 0.5)
    assert told_of([here, plan], 2.0) == "The one start of the search ends at this welfare."
    assert told_of([here, here, plan], 2.0) == "All two starts of the search end at this welfare."
    words = "One of two starts of the search ends at this welfare; one ends lower, at 1.000 (one is a local optimum)."
    assert told_of([here, low, plan], 2.0) == words
    words = "One of four starts of the search ends at this welfare; two end lower, at 1.000 at worst (one is a local "
    words += "optimum, first-order conditions are missed by up to 0.100); one without a stable network."
    assert told_of([here, low, stuck, nowhere, plan], 2.0) == words
    assert told_of([low, ("selfish plan", 2.0, 0.5)], 2.0).startswith("None of one start of the search ends")
    assert "one ends higher, at 1.000" in told_of([("a", -0.5, 0.0), ("b", -1.0, 0.0)], -0.5, "regret")
