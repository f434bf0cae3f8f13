"""Stable points, influence and stability through users who choose which model they use."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from ecosystem import (
    BestResponse,
    Capacity,
    Demand,
    Flow,
    Intake,
    Linear,
    Location,
    Member,
    Quadratic,
    Replicator,
    Scenario,
    Shift,
    Softmax,
    Writing,
    never,
)
from ecosystem.influence import influence, stability, stable_point
from tests.test_demand import Slow as SlowOne
from tests.test_demand import market


class Slow(SlowOne):
    """The same where torch may differentiate it."""

    smooth = True


def network(choice: Any, sets: Any) -> Scenario:
    """Two learners who read each other, their users and a common node, two groups of unlike size."""
    s = Scenario("network", rounds=60)
    for group, place, size in (("left", [-1.0, 0.3], 0.6), ("right", [1.0, 0.2], 1.1)):
        demand = Demand(("a", "b"), choice, sets=sets, size=size)
        taste = Quadratic([2 * x for x in place], 2.0)
        s.add(group, Member(Location(place, scale=0.1), reward=taste, schedule=never, demand=demand))
    for name, x in (("a", -0.1), ("b", 0.2)):
        taste = Linear([1.0, 0.5])
        model = Location([x, 0.1], scale=0.1)
        s.add(name, Member(model, reward=taste, curator=Shift([0.4, 0.1]), real=Location([0.1, x])))
    s.add("web", Member(Location([0.0, 0.0], scale=0.1), reward=Linear([1.0, 1.0]), real=Location([0.2, 0.0])))
    for name, less in (("a", 0.0), ("b", 0.05)):
        s.connect("left", name, Flow(raw=0.25 - less))
        s.connect("right", name, Flow(raw=0.2))
        s.connect(name, "web", Flow(raw=0.4))
        s.connect("web", name, Flow(raw=0.1))
    s.connect("b", "a", Flow(raw=0.05, curated=0.2))
    s.connect("a", "b", Flow(curated=0.2))
    return s


def alignment(scenario: Scenario) -> pd.Series:
    return stable_point(scenario, starts=1, rounds=400, tolerance=1e-12).alignment


ALL = (Writing(), Intake("web"), Capacity())


@pytest.mark.parametrize(
    ("choice", "sets"),
    [
        (Softmax(0.7), Writing()),
        (Softmax(0.7), Intake("web")),
        (Replicator(3.0), ALL),
        (Slow(torch.tensor(0.7, dtype=torch.float64)), ALL),
    ],
    ids=str,
)
def test_influence_equals_central_differences(choice: Any, sets: Any) -> None:
    """Without the block of the weights the answer was that of diets that stay."""
    s, step = network(choice, sets), 1e-4
    matrix = influence(s, sources=["a", "b"]).matrix
    for source in ("a", "b"):
        level = s.curation(source)
        high, low = (alignment(s.with_curation(source, level + by)) for by in (step, -step))
        expected = ((high - low) / (2 * step))[matrix.index]
        np.testing.assert_allclose(matrix[source], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("sets", [Capacity(), Intake("web")], ids=str)
def test_influence_where_demand_alone_leads(sets: Any) -> None:
    """No flow leads from one to the other: the effect was 0.0, and what came back through users was "unchanged"."""
    s, step = Scenario("apart", rounds=60), 1e-4
    for name, x in (("a", 0.3), ("b", -0.2)):
        taste = Linear([1.0, 0.5 + x])
        s.add(name, Member(Location([x, 0.1]), reward=taste, curator=Shift([0.4, x]), real=Location([0.1, x])))
        s.connect(name, name, Flow(raw=0.2, curated=0.3))
    s.add("web", Member(Location([0.0, 0.0]), reward=Linear([1.0, 1.0]), real=Location([0.2, 0.0])))
    s.connect("a", "web", Flow(raw=0.4))
    s.connect("b", "web", Flow(raw=0.3))
    s.add("users", Member(Location([0.0, 0.0]), schedule=never, demand=Demand(("a", "b"), Softmax(0.7), sets=sets)))
    found = influence(s, sources=["a", "b"])
    for source in ("a", "b"):
        level = s.curation(source)
        high, low = (alignment(s.with_curation(source, level + by)) for by in (step, -step))
        expected = ((high - low) / (2 * step))[found.matrix.index]
        np.testing.assert_allclose(found.matrix[source], expected, rtol=0, atol=1e-6)
    reached = found.matrix.at["b", "a"] != 0  # what is taken in changes nothing about who wrote it
    own = found.table.query("kind == 'self'")["network"]
    assert reached == isinstance(sets, Capacity) and own.eq("unchanged").all() == (not reached)


def test_influence_of_any_share_goes_through_demand() -> None:
    """What one reads raw is declared; users who leave make more or less of it."""
    s, step = network(Softmax(0.7), (Writing(), Capacity())), 1e-5
    flow = s.flow("b", "a")
    found = influence(s, of=("raw", "b", "a"))
    high, low = (alignment(s.with_flow("b", "a", raw=flow.raw + by)) for by in (step, -step))
    expected = ((high - low) / (2 * step))[found.matrix.index]
    np.testing.assert_allclose(found.matrix["b → a"], expected, rtol=0, atol=1e-6)


def test_the_weights_are_a_block_that_settles_with_the_rest() -> None:
    s = network(Softmax(0.7), Writing())
    point, run = stable_point(s), s.replace(rounds=300).run()
    last = run.demand[run.demand["round"] == 300].set_index(["group", "member"])["weight"]
    for group in ("left", "right"):
        np.testing.assert_allclose(point.tastes[group], last[group].to_numpy(), atol=1e-10)
    with pytest.raises(ValueError, match="no state of the taste of those who look at 'left'"):
        influence(s, at=type(point)(**{**vars_of(point), "tastes": {}, "dynamics": None}))


def vars_of(point: Any) -> dict[str, Any]:
    return {name: getattr(point, name) for name in point.__dataclass_fields__}


@pytest.mark.parametrize(("temperature", "rate"), [(1.0, 2 * (1 - 0.9575040240772687**2)), (3.0, 2 / 3)])
def test_the_rate_of_a_market_is_that_of_tanh(temperature: float, rate: float) -> None:
    """Learners at ±t move by ``t⁺ = tanh(2t/τ)``, whose slope at rest is ``(2/τ)(1 − t²)``."""
    found = stability(market(Softmax(temperature), (-0.5, 0.5)))
    assert found.radius == pytest.approx(rate, abs=1e-8)
    assert found.table["rate"].iloc[0] == pytest.approx(rate, abs=1e-8) and bool(found.table["settles"].iloc[0])


def test_the_rate_through_weights_that_remember_equals_differences_of_rounds() -> None:
    """Weights carry over, so the round has their block: its slopes by differences of the engine's own rounds."""
    tau, t = 1.0, 0.9575040240772687
    found = stability(market(Slow(torch.tensor(tau, dtype=torch.float64)), (-0.5, 0.5)))
    # by the mode in which the learners stand at ±x and w is the weight of one's own: w⁺ = (w + σ(4x/τ))/2, x⁺ = 2w⁺ − 1
    slope = np.array([[0.5, 0.5 * (4 / tau) * (1 - t**2) / 4], [1.0, (4 / tau) * (1 - t**2) / 4]])
    assert found.radius == pytest.approx(max(abs(np.linalg.eigvals(slope))), abs=1e-6)


def test_jumps_are_refused_by_name() -> None:
    s = market(BestResponse())
    assert stable_point(s).parameters["m0"].item() == -1.0
    for ask in (influence, stability):
        with pytest.raises(ValueError, match=r"the demand of 'g0' chooses by BestResponse\(\)"):
            ask(s)
    with pytest.raises(ValueError, match="say smooth = True"):
        stability(market(SlowOne(torch.tensor(1.0))))
    with pytest.raises(ValueError, match="nobody uses 'm1'"):
        stability(market(Replicator(1.0), (0.5, 5.0), first=[1.0, 0.0]))
