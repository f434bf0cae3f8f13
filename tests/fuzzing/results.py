"""Every public method of what a run, an analysis, a decision or a study gives back: found here, called elsewhere."""

from __future__ import annotations

import inspect
import math
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import ecosystem as eco
from ecosystem import decisions, influence, study
from ecosystem.core.door import Door
from ecosystem.study import Local, Results, Study
from tests.fuzzing.decisions import fitted, pair, point, seen, symbols


@cache
def effect() -> influence.Influence:
    return influence.influence(pair())


@cache
def measured() -> influence.Measured:
    return influence.measure_influence(pair(), seeds=2, burn_in=2)


@cache
def run() -> eco.Run:
    record = eco.Record(draws=True, tastes=True, sources=True, choices=True, samples=2)
    return sampled().run(seed=1, replicates=2, record=record)


def sampled() -> eco.Scenario:
    s = eco.Scenario("sampled", rounds=3, samples=8)
    for name, mean in (("a", 0.0), ("b", 1.0)):
        model = eco.Gaussian([mean, 0.0], [[1.0, 0.0], [0.0, 1.0]])
        s.add(name, eco.Member(model, reward=eco.Linear([1.0, mean]), curator=eco.Luce(2), real=model))
    s.connect("a", "b", eco.Flow(raw=0.3, curated=0.2))
    return s


def built(level: float = 0.1, share: float = 0.2) -> eco.Scenario:
    s = pair(level)
    return s.with_flow("a", "b", raw=share)


@cache
def results() -> Results:
    levels = Study("levels", built, grid={"level": [0.1, 0.2, 0.3, 0.4], "share": [0.1, 0.3]})
    return levels.run(tempfile.mkdtemp(prefix="results-"), engine=Local(workers=0))


@cache
def playing() -> eco.Ecosystem:
    ecosystem = eco.Ecosystem(sampled(), seeds=[0, 1])
    ecosystem.run()
    return ecosystem


FEW: dict[str, Any] = {"simulations": 100, "samples": 20}


def _posterior() -> decisions.Posterior:
    return decisions.posterior(sampled(), seen(member=["b"] * 4), [decisions.Share("a", "b", "raw")], **FEW)


PLAYED: dict[str, Any] = {"movable": "levels", "bounds": {"a": (0.0, 0.4), "b": (0.0, 0.4)}, "starts": 1}
MADE: dict[str, Callable[[], Any]] = {
    "Run": run,
    "Ecosystem": lambda: playing(),
    "Influence": effect,
    "Findings": lambda: effect().findings(),
    "KnockOut": lambda: effect().knock_out("a", "b"),
    "Measured": measured,
    "StablePoint": point,
    "Stability": lambda: influence.stability(pair()),
    "Certificates": lambda: influence.certificates(pair()),
    "Needs": lambda: influence.needs(pair()),
    "Allocation": lambda: decisions.allocate(pair(), 0.3, **PLAYED),
    "Coalition": lambda: decisions.coalition(pair(), ["a", "b"], **PLAYED),
    "Equilibrium": lambda: decisions.equilibrium(pair(), costs=1.0, **PLAYED),
    "Steering": lambda: decisions.steer(
        symbols(), {"f": 0.1}, costs=[1.0, 2.0, 3.0], features={"f": [0.0, 1.0, 1.0]}, movable=["m"], budget=10.0
    ),
    "Fit": fitted,
    "Profile": lambda: fitted().profile("level(a)"),
    "Posterior": _posterior,
    "NextExperiment": lambda: decisions.next_experiment(fitted(), [decisions.Candidate("again")], "level(a)"),
    "Observations": lambda: decisions.as_observations(seen()),
    "Results": results,
    "Progress": lambda: results().progress(),
}
# Public classes of these packages that are no results: what is given to an analysis (tests.fuzzing.decisions draws
# it), what a step of one is made of, errors, and what is returned by a method of these.
NONE = {
    "Candidate": "given", "Ensemble": "given", "Level": "given", "Real": "given", "Share": "given",
    "Taste": "given", "Number": "a contract", "Free": "a contract", "Objective": "a contract",
    "Lever": "a step", "Levers": "a step", "Landscape": "a step", "Settled": "a step", "Parameters": "a step",
    "Predictor": "a step", "Direction": "a row of a fit", "Attack": "has no method", "RelearnedAttack": "has no method",
    "Calibration": "has no method", "PredictiveCheck": "has no method", "Unfinished": "an error",
    "Engine": "a contract", "Local": "given", "Ray": "given", "Lost": "a record", "Measure": "given",
    "Study": "given: its folder and engine are tests.test_study's", "StudyFolderError": "an error",
}  # fmt: skip
# Of Mesa, and verbs for functions of the engine's own kind.
THEIRS = ("register_agent", "deregister_agent", "remove_all_agents", "reset_randomizer", "reset_rng", "change")
# What arguments without a default are, where all is right.
RIGHT: dict[str, Any] = {"source": "a", "target": "b", "u": "a", "v": "b", "name": "a", "hop": 1, "column": "loss"}
RIGHT |= {"condition": "alignment > 0.4", "table": "rounds", "folder": "nowhere", "path": "nowhere", "run": None}
RIGHT |= {"scenario": None}
# Nothing that any argument may be, whatever it is called.
NEVER: dict[str, Callable[[], Any]] = {"a complex number": lambda: 0.5 + 0.5j, "NaN": lambda: math.nan}
NEVER |= {"no such member": lambda: "nobody", "a large negative number": lambda: -(2**70), "a half": lambda: 1.5}
OWN = {"Fit": {"name": "level(a)"}, "Observations": {"table": None}}


def public() -> Iterator[type]:
    """The public classes of the packages that give results back."""
    for package in (influence, decisions, study):
        yield from (found for name in package.__all__ if isinstance(found := getattr(package, name), type))


def methods(thing: Any) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The public methods of a thing that take something, and those of its charts."""
    for name in dir(type(thing)):
        if name.startswith("_") or name in THEIRS:
            continue
        found = inspect.getattr_static(type(thing), name)
        if name == "plot":
            yield from ((f"plot.{inner}", call) for inner, call in methods(thing.plot))
        elif callable(found) or isinstance(found, classmethod | staticmethod | Door):
            call = getattr(thing, name)
            if arguments(call):
                yield name, call


def arguments(call: Callable[..., Any]) -> list[inspect.Parameter]:
    parameters = inspect.signature(call).parameters.values()
    return [p for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]


def right(kind: str, call: Callable[..., Any]) -> dict[str, Any]:
    """What a method must be given, where all is right."""
    known = RIGHT | OWN.get(kind, {})
    return {p.name: known[p.name] for p in arguments(call) if p.default is p.empty}
