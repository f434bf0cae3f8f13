"""What is written to disk on the way: studies, and runs that were interrupted and go on."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from ecosystem import Checkpoints, Ecosystem, Record, Run, Scenario, Study
from ecosystem.study import Local, Results, of_scenario
from scenarios import families, pair
from tests.golden.acting import busy, eventful, trained
from tests.golden.analyses import duo
from tests.golden.tables import Tables, of_run, stacked

# -- studies -----------------------------------------------------------------------------------------------------------


def studied(study: Study) -> Tables:
    """All tables of a study computed in this process, but for how long it took."""
    with tempfile.TemporaryDirectory() as folder:
        results = study.run(Path(folder) / "study", engine=Local(workers=0))
        return {
            name: results[name] for name in ("points", *results.tables) if name != "blocks" and _filled(results, name)
        }


def _filled(results: Results, name: str) -> bool:
    return name == "failures" or len(results[name]) > 0


def of_duos() -> Tables:
    """Twelve points in a grid, two seeds."""
    grid = {"curation": [0.1, 0.3, 0.5, 0.7], "reads": [0.3, 0.6, 0.9], "samples": 8, "rounds": 5}
    measures = ["rounds", "draws", "tastes", "members", "influence", "welfare"]
    record = Record(last=2, start=True)
    return studied(Study("duo", duo, grid=grid, seeds=2, measure=measures, record=record, block=5))


def of_families() -> Tables:
    """Measures that are functions, of runs and of scenarios; networks of two shapes, which are not stacked."""
    grid = {"family": ["star", "small world"], "curation": [0.1, 0.3], "members": 8, "rounds": 4, "samples": 6}
    measures = ["rounds", families.groups, of_scenario(families.standing), of_scenario(families.reach)]
    return studied(Study("families", families.scenario, grid=grid, seeds=2, measure=measures, record=Record(last=1)))


def of_planes() -> Tables:
    """The gallery's plane, and its scattered points."""
    grid = studied(pair.study(points=2, seeds=2, rounds=4, samples=6, last=2))
    return stacked(
        {"grid": grid, "scattered": studied(pair.sobol(4, seeds=1, rounds=3, samples=None, last=1))}, "design"
    )


# -- checkpoints -------------------------------------------------------------------------------------------------------


class Interrupted(Exception):
    """A process dies here."""


INTERRUPTED = {"eventful": eventful, "busy": busy, "trained": trained}
SEEDS = [(3, 1), (5, 0)]
RECORD = Record(draws=True, sources=True, choices=True, samples=2, judged=16)
STOP, EVERY = 4, 3  # it dies in round 4; the newest checkpoint is that of round 3


def uninterrupted() -> Tables:
    return _each(lambda scenario: _played(Ecosystem(scenario, seeds=SEEDS, record=RECORD)))


def resumed() -> Tables:
    """The same runs, each interrupted and continued in a new ecosystem from its newest checkpoint."""
    return _each(_interrupted)


def _each(play: Callable[[Scenario], Run]) -> Tables:
    return stacked({name: of_run(play(build())) for name, build in INTERRUPTED.items()}, "scenario")


def _played(eco: Ecosystem, checkpoints: Checkpoints | None = None) -> Run:
    eco.run(checkpoints=checkpoints)
    return eco.result()


def _interrupted(scenario: Scenario) -> Run:
    def dies(done: int, rounds: int) -> None:
        if done == STOP:
            raise Interrupted

    with tempfile.TemporaryDirectory() as folder:
        checkpoints = Checkpoints(Path(folder) / "saved", every=EVERY)
        try:
            Ecosystem(scenario, seeds=SEEDS, record=RECORD).run(progress=dies, checkpoints=checkpoints)
        except Interrupted:
            assert checkpoints.rounds() == [EVERY]
        return _played(Ecosystem(scenario, seeds=SEEDS, record=RECORD), checkpoints)


CLOSED = {"study_duo": of_duos, "study_families": of_families, "study_plane": of_planes}
NEURAL = {"checkpoint": resumed}
