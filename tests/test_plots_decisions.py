"""Charts of decisions: every mark is a number of the result's table, and who is left out is said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_equilibria import pennies, rivals
from test_plots import data
from test_plots_runs import spec

from ecosystem import Categorical, Flow, Luce, Member, Scenario, Tabular, allocate, equilibrium
from ecosystem.decisions import Allocation, Equilibrium
from ecosystem.plots import decisions


def three() -> Scenario:
    s = Scenario("three", rounds=5)
    even = Categorical([0.5, 0.5])
    for name, taste in (("c", 1.0), ("a", 0.8), ("b", 0.2)):
        s.add(name, Member(even, reward=Tabular([taste, 0.0]), curator=Luce(2), real=even))
    for u, v in ("ca", "ab", "bc"):
        s.connect(u, v, Flow(raw=0.3, curated=0.3, chosen_by="consumer"))
    return s


@pytest.fixture(scope="module")
def spent() -> Allocation:
    return allocate(three(), 0.6, starts=1)


@pytest.fixture(scope="module")
def rested() -> Equilibrium:
    made = rivals()
    return equilibrium(made.scenario, costs=made.prices, starts=6)


def long(table: pd.DataFrame, row: str, places: dict[str, str]) -> list[tuple[Any, ...]]:
    """Every number of these columns, as ``(row, what the chart calls the column, number)``, in any order."""
    return sorted(
        (name, places[col], value) for col in places for name, value in zip(table[row], table[col], strict=True)
    )


def drawn(chart: Any, number: int = 0) -> list[tuple[Any, ...]]:
    return sorted(data(chart, number)[["lever", "plan", "level"]].itertuples(index=False, name=None))


def rows(chart: Any) -> list[str]:
    return chart.to_dict()["encoding"]["y"]["sort"]


def test_plans_are_the_levels_of_the_allocation(spent: Allocation) -> None:
    chart = decisions.plans(spent.levels)
    assert drawn(chart) == long(spent.levels, "lever", {plan: plan for plan in decisions.PLANS})
    assert rows(chart) == spent.levels["lever"].tolist() == ["c", "a", "b"]
    moved = (spent.levels["after"] - spent.levels["before"]).abs()
    assert f"most is moved at {spent.levels['lever'][moved.idxmax()]}, " in chart.description


def test_welfare_is_that_of_the_allocation_and_of_the_equilibrium(spent: Allocation, rested: Equilibrium) -> None:
    for values in (spent.welfare, rested.welfare):
        chart = decisions.welfare(values)
        finite = values[np.isfinite(values)]
        assert data(chart).to_numpy().tolist() == [[str(name), value] for name, value in finite.items()]
        assert rows(chart) == [str(name) for name in finite.index]
        assert (
            f"highest {finite.idxmax()}, " in chart.description and f"lowest {finite.idxmin()}, " in chart.description
        )


def test_multipliers_are_those_of_the_allocation_the_most_first(spent: Allocation) -> None:
    chart, table = decisions.multipliers(spent.multipliers), spent.multipliers
    assert len(table) and data(chart)["multiplier"].tolist() == sorted(table["multiplier"], reverse=True)
    said = {
        name if kind not in ("lower", "upper") else f"{kind} bound: {name}": value
        for name, kind, value in table[["constraint", "kind", "multiplier"]].itertuples(index=False)
    }
    assert dict(data(chart).to_numpy().tolist()) == said
    assert rows(chart) == data(chart)["constraint"].tolist()


def test_responses_are_the_levels_of_the_equilibria(rested: Equilibrium) -> None:
    levels = rested.levels.rename(columns=str)
    ends = [name for name in levels if name.isdigit()]
    assert len(ends) >= 2
    chart = decisions.responses(rested.levels)
    places = {"now": "now", "optimum": "optimum"} | {end: f"equilibrium {end}" for end in ends}
    assert drawn(chart) == long(levels, "lever", places)
    assert rows(chart) == levels["lever"].tolist()


def test_turns_are_those_of_the_cycle() -> None:
    made = pennies()
    found = equilibrium(made.scenario, costs=made.prices, starts=2)
    levers = [name for name in found.cycle if name != "turn"]
    assert len(found.cycle) > 1 and len(levers) == 2
    chart = decisions.turns(found.cycle)
    table = data(chart).pivot(index="turn", columns="lever", values="level")[levers]
    assert table.to_numpy().tolist() == found.cycle[levers].to_numpy().tolist()
    assert table.index.tolist() == list(range(1, len(found.cycle) + 1))
    assert len(found.cycle) == 2 and "go round in two turns" in chart.description


def test_of_very_many_levers_those_that_matter_are_drawn_and_the_rest_is_counted() -> None:
    names = [f"m{i}" for i in range(50)]
    away = np.random.default_rng(0).permutation(50) / 100
    top = {name for name, size in zip(names, away, strict=True) if size >= 0.1}
    levels = pd.DataFrame({"lever": names, "before": 0.2, "after": 0.2 + away, "uniform": 0.3, "selfish": 0.4})
    chart = decisions.plans(levels)
    assert set(data(chart)["lever"]) == top and "the 40 levers that are moved most, of 50" in spec(chart)
    ends = pd.DataFrame({"lever": names, "now": 0.1, "optimum": 0.2}).assign(
        **{str(k): 0.2 + away for k in range(1, 8)}
    )
    chart = decisions.responses(ends)
    assert set(data(chart)["lever"]) == top and data(chart)["plan"].nunique() == 8
    assert "the 40 levers farthest from the optimum, of 50" in spec(chart)
    assert "the first 6 of 7 equilibria" in spec(chart) and "at seven equilibria" in chart.description
    bound = pd.DataFrame({"constraint": names, "kind": "upper", "multiplier": away})
    chart = decisions.multipliers(bound)
    assert chart.description.startswith("50 constraints bind") and len(data(chart)) == 40
    assert data(chart)["multiplier"].min() == 0.1 and "the 40 constraints that would buy most, of 50" in spec(chart)
    cycle = pd.DataFrame({name: [0.1, 0.1 + size] for name, size in zip(names, away, strict=True)})
    chart = decisions.turns(cycle)
    widest = [name for name, size in zip(names, away, strict=True) if size >= 0.2]
    assert list(dict.fromkeys(data(chart)["lever"])) == widest
    assert "the 30 levers that go farthest, of 50" in spec(chart)
    few = [decisions.plans(levels.head(9)), decisions.responses(ends.head(9).drop(columns="7"))]
    assert not any(", of " in str(chart.to_dict()["title"]) or "first" in spec(chart) for chart in few)


def test_words_are_plain_where_there_is_nothing_to_compare() -> None:
    ends = pd.DataFrame({"lever": ["a", "b"], "now": [0.3, 0.3], "optimum": 0.0, "1": [0.0, 1e-17]})
    assert (
        decisions.responses(ends).description == "Two levers now, at the optimum and at one equilibrium, which is it."
    )
    several = ends.assign(**{"2": 0.0})
    assert decisions.responses(several).description.endswith("and at two equilibria, none of which is away from it.")
    one = pd.DataFrame({"constraint": ["budget"], "kind": ["budget"], "multiplier": [2.0]})
    assert decisions.multipliers(one).description == "One constraint binds; a unit more of the budget would buy 2.00."
