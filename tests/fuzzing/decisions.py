"""Every argument of analyses and decisions, one at a time, of two members; and of the parts that came last."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pandas as pd

import ecosystem as eco
from ecosystem import decisions, influence
from ecosystem.decisions import as_free, as_levers, as_observations
from ecosystem.running.measures import alignment


def pair(level: float = 0.3) -> eco.Scenario:
    """Both curate what they make themselves, and one reads the other."""
    s = eco.Scenario("pair", rounds=3)
    for name, mean in (("a", 0.0), ("b", 1.0)):
        at = eco.Location([mean])
        s.add(name, eco.Member(at, reward=eco.Linear([1.0 + mean]), curator=eco.Shift([1.0]), real=at))
        s.connect(name, name, eco.Flow(curated=level))
    s.connect("a", "b", eco.Flow(raw=0.3))
    return s


def symbols() -> eco.Scenario:
    """One member of three symbols."""
    s, even = eco.Scenario("loop", rounds=3), eco.Categorical([0.5, 0.25, 0.25])
    s.add("m", eco.Member(even, reward=eco.Tabular([1.0, 0.0, 0.5]), curator=eco.Luce(2), real=even))
    s.connect("m", "m", eco.Flow(curated=0.5))
    return s


def seen(**columns: Any) -> pd.DataFrame:
    table = {"member": ["a"] * 4, "round": [0, 1, 2, 3], "measure": ["alignment"] * 4, "value": [0.0, 0.3, 0.4, 0.4]}
    return pd.DataFrame(table | {"sd": [0.1] * 4} | columns)


def said() -> eco.Comparisons:
    pairs = [(0, 1, 0), (0, 2, 0), (1, 2, 2), (0, 1, 1)]
    return eco.Comparisons(pd.DataFrame(pairs, columns=["first", "second", "preferred"]), 3)


GOOD = object()  # stands for what takes a computation: importing this computes nothing


@cache
def fitted() -> decisions.Fit:
    return decisions.fit(pair(), seen(), ["level(a)"], noise=0.1, starts=1)


@cache
def point() -> influence.StablePoint:
    return influence.stable_point(pair())


def column(name: str) -> Callable[[Any, Any], Any]:
    """Of an observed table: one column of some value, and one cell of it."""

    def make(value: Any, cell: Any) -> Any:
        known = seen()[name].tolist()
        cells = [known[i] if value is None else value for i in range(3)] + [known[3] if cell is None else cell]
        whole = pd.Series(index=range(4), dtype=object)
        for i, one in enumerate(cells):
            whole._values[i] = one
        return as_observations(seen().assign(**{name: whole}))

    return make


def by(key: Any, value: Any) -> Any:
    """A dict of one, where the key may be one."""
    try:
        return {key: value}
    except TypeError:
        return {"nothing": value}


LINKS = {"low": 0.1, "high": 0.4}
PLAYED = {"costs": 1.0, "movable": "levels", "bounds": {"a": (0.0, 0.4), "b": (0.0, 0.4)}, "like": None}
PLAYED |= {"margin": 0.01, "starts": 1}
ANALYSES: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "influence": (
        lambda **given: influence.influence(pair(), **given),
        {"sources": ["a"], "targets": ["b"], "of": "curation", "measure": None, "like": None, "at": None}
        | {"device": None, "dtype": None},
    ),
    "measure_influence": (
        lambda **given: influence.measure_influence(pair(), **given),
        {"delta": 0.02, "seeds": 2, "sources": ["a"], "targets": ["b"], "like": None, "burn_in": 2}
        | {"confidence": 0.9, "judged": 4, "measure": alignment, "progress": False, "device": None},
    ),
    "stable_point": (
        lambda **given: influence.stable_point(pair(), **given),
        {"starts": 1, "rounds": 20, "tolerance": 1e-8},
    ),
    "stability": (
        lambda **given: influence.stability(pair(), **given),
        {"orderings": (), "at": None, "tolerance": 1e-6},
    ),
    "certificates": (lambda **given: influence.certificates(pair(), **given), {"at": None}),
    "any scenario": (influence.stable_point, {"scenario": pair()}),
    "any scenario's influence": (influence.influence, {"scenario": pair()}),
    "any scenario's measured influence": (
        lambda scenario: influence.measure_influence(scenario, seeds=2),
        {"scenario": pair()},
    ),
    # -- decisions -----------------------------------------------------------------------------------------------------
    "allocate": (
        decisions.allocate,
        {"scenario": pair(), "budget": 0.3, "objective": "sum", "weights": None, "disagreement": None}
        | {"over": "expected", "seed": 0}
        | PLAYED,
    ),
    "coalition": (
        decisions.coalition,
        {"scenario": pair(), "members": ["a", "b"], "seed": 0, "over": "expected"} | PLAYED,
    ),
    "equilibrium": (decisions.equilibrium, {"scenario": pair(), "seed": 0, "over": "expected"} | PLAYED),
    "bounds": (
        lambda low, high, name: decisions.allocate(pair(), 0.2, bounds=by(name, (low, high)), starts=1),
        LINKS | {"name": "a"},
    ),
    "costs": (lambda cost: decisions.allocate(pair(), 0.2, costs={"a": cost, "b": 1.0}, starts=1), {"cost": 1.0}),
    "steer": (
        decisions.steer,
        {"scenario": symbols(), "floors": {"f": 0.1}, "costs": [1.0, 2.0, 3.0], "features": {"f": [0.0, 1.0, 1.0]}}
        | {"real": 0.5, "movable": ["m"], "budget": 10.0, "over": "expected"},
    ),
    "floors": (
        lambda feature, floor, cost, value: decisions.steer(
            symbols(), by(feature, floor), costs=[1.0, cost, 3.0], features={"f": [0.0, 1.0, value]}
        ),
        {"feature": "f", "floor": 0.1, "cost": 2.0, "value": 1.0},
    ),
    "taught": (
        decisions.taught,
        {"scenario": symbols(), "at": "m", "reward": eco.Tabular([0.0, 1.0, 0.0]), "learn": None},
    ),
    "reward_influence": (
        decisions.reward_influence,
        {"scenario": symbols(), "at": "m", "reward": eco.Tabular([0.0, 1.0, 0.0]), "target": "m", "rounds": 2},
    ),
    "attack": (
        decisions.attack,
        {
            "scenario": symbols(),
            "comparisons": said(),
            "at": "m",
            "target": "m",
            "budget": 1,
            "by": "gap",
            "whose": None,
        }
        | {"form": None, "ridge": 0.1, "rounds": 2, "seed": 0},
    ),
    "attack_relearned": (
        decisions.attack_relearned,
        {"scenario": symbols(), "learn": eco.Relearned(eco.Tabular([0.0, 1.0, 0.0])), "at": "m", "target": "m"}
        | {"labels": 10, "budget": 1, "total": 2, "by": "gap", "form": None, "rounds": 2, "seed": 0},
    ),
    "Ensemble": (
        lambda build, points, weight, level: decisions.Ensemble(
            build, pd.DataFrame({"level": [0.1, level]}) if points is None else points, weight
        ),
        {"build": pair, "points": None, "weight": "weight", "level": 0.2},
    ),
    # -- fits ----------------------------------------------------------------------------------------------------------
    "fit": (
        decisions.fit,
        {
            "scenario": pair(),
            "observed": seen(),
            "free": ["level(a)"],
            "noise": 0.1,
            "measures": (),
            "starts": 1,
            "seed": 0,
        },
    ),
    "noise": (
        lambda name, sd: decisions.fit(pair(), seen(), ["level(a)"], noise=by(name, sd), starts=1),
        {"name": "alignment", "sd": 0.1},
    ),
    "as_free": (as_free, {"given": "level(a)"}),
    "as_levers": (
        lambda scenario, movable, costs, bounds, like, what: as_levers(scenario, movable, costs, bounds, like, what),
        {"scenario": pair(), "movable": "levels", "costs": 1.0, "bounds": None, "like": None, "what": "allocate"},
    ),
    "Level": (decisions.Level, {"member": "a"} | LINKS),
    "Real": (decisions.Real, {"member": "a"} | LINKS),
    "Share": (decisions.Share, {"source": "a", "target": "b", "part": "raw"} | LINKS),
    "Strength": (decisions.Strength, {"at": "a"} | LINKS),
    "Taste": (decisions.Taste, {"at": "a"} | LINKS),
    "Temperature": (decisions.Temperature, {"at": "a"} | LINKS),
    "Observations": (decisions.Observations, {"table": seen(), "record": None}),
    "as_observations": (as_observations, {"given": seen()}),
    **{
        f"observed {name}": (column(name), {"value": None, "cell": None})
        for name in ("member", "round", "measure", "value", "sd")
    },
    "next_experiment": (
        lambda fit, **given: decisions.next_experiment(fitted() if fit is GOOD else fit, **given),
        {"fit": GOOD, "candidates": [decisions.Candidate("again")], "target": "level(a)", "measures": ()},
    ),
    "Candidate": (
        lambda **given: decisions.next_experiment(fitted(), [decisions.Candidate(**given)], "level(a)"),
        {"name": "step", "interventions": {1: [eco.Curate("a", 0.4)]}, "rounds": 3, "measures": ["alignment"]}
        | {"members": ["a"], "at": [1, 2], "noise": 0.1, "replicates": 2, "going_on": False},
    ),
    "an intervention of a candidate": (
        lambda round, member, level: decisions.next_experiment(
            fitted(), [decisions.Candidate("step", by(round, [eco.Curate(member, level)]))], "level(a)"
        ),
        {"round": 1, "member": "a", "level": 0.4},
    ),
}
