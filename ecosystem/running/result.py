"""What an ecosystem gives back: one variant's tables, samples and parameters as a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pandas as pd

from ecosystem.core.samples import Pairs, outputs
from ecosystem.engine.diets import Change
from ecosystem.engine.program import Program
from ecosystem.engine.state import State
from ecosystem.generators import GenerativeModel
from ecosystem.running.baseline import baseline
from ecosystem.running.origin import given_tastes
from ecosystem.running.recording import Recorder
from ecosystem.running.run import Run
from ecosystem.running.tables import Tables
from ecosystem.running.variants import randomly_timed, versions
from ecosystem.running.weights import Modules, ends_of


def run_of(
    program: Program,
    state: State,
    recorder: Recorder,
    changes: Sequence[Change],
    variant: int,
    settings: Callable[[], dict[str, Any]],
) -> Run:
    """The run of a variant up to now; ``settings()`` are added to those that describe it, when they are first read."""
    scenario = program.scenarios[variant]
    tables = Tables(recorder, changes, variant)
    kept = {name: {r: x[variant].clone() for r, x in many.items()} for name, many in recorder.samples.items()}
    generators = {name: program.scenarios[0].member(name).generator for name in kept}
    record = {"judged": recorder.record.judged, "same_noise": recorder.record.same_noise}
    told = given_tastes(changes, recorder.seeds, variant)
    known = {**facts(program, state, recorder.seeds, variant), **record, **told}
    return Run(
        lambda: {**known, **settings()},
        members=lambda: scenario.describe()["members"],
        flows=lambda: scenario.describe()["flows"],
        rounds=tables.rounds,
        changes=tables.changes,
        failures=tables.failures,
        baseline=partial(
            baseline, program, _lean(program, state), list(changes), variant, recorder.seeds, recorder.record.judged
        ),
        **{name: partial(tables.frame, name) for name in tables.measured},
        texts=partial(_texts, generators, recorder.seeds[0], kept),
        samples={name: {r: outputs(x) for r, x in rounds.items()} for name, rounds in kept.items()},
        inputs={
            name: {r: x.inputs for r, x in rounds.items() if isinstance(x, Pairs)} for name, rounds in kept.items()
        },
        parameters=ends_of(program, state, variant),
        history={name: {r: x[variant] for r, x in many.items()} for name, many in recorder.parameters.items()},
        models=Modules(program, state, variant),
    )


def facts(program: Program, state: State, seeds: Sequence[tuple[int, int]], variant: int = 0) -> dict[str, Any]:
    """What ``run.settings`` say of any run."""
    scenario = program.scenarios[variant]
    return {
        "scenario": scenario.name,
        "rounds": scenario.rounds,
        "samples": scenario.samples,
        "ordering": repr(scenario.ordering),
        "random": randomly_timed(scenario) or any(clock.schedule.random for clock in state.clocks),
        "seeds": [list(pair) for pair in seeds],
        "completed": state.round,
        "finished": state.round >= scenario.rounds,
        "versions": dict(versions()),
    }


def _lean(program: Program, state: State) -> State:
    """The end of a run without what a baseline does not ask for: memories of data, and models."""
    return state.changed(memories=tuple({} for _ in state.memories), past=program.first.past)


def _texts(
    generators: dict[str, GenerativeModel], seed: tuple[int, int], kept: dict[str, dict[int, Any]]
) -> pd.DataFrame:
    """The table ``texts``: what the kept samples say, where they say anything."""
    rows = []
    for name, rounds in kept.items():
        for number, drawn in rounds.items():
            rows += [(*seed, number, name, *pair) for pair in generators[name].texts(drawn) or ()]
    return pd.DataFrame(rows, columns=["seed", "replicate", "round", "member", "input", "output"])
