"""``ecosystem explore``: a living page of a scenario file or of a study's folder, on this machine alone."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecosystem.cli.errors import errors
from ecosystem.cli.given import Debug, Settings, load
from ecosystem.cli.leaving import leave
from ecosystem.cli.loading import load_build, located, parse_settings
from ecosystem.cli.terminal import say

if TYPE_CHECKING:
    from ecosystem.explore.launch import Subject

PORT = 8765


def explore(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Python file with scenario(**parameters), or the folder of a study.")
    ],
    settings: Settings = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of this machine; 0: any that is free.")] = PORT,
    show: Annotated[bool, typer.Option("--open/--no-open", help="Open it in a browser.")] = True,
    debug: Debug = False,
) -> None:
    """Drag the parameters of a scenario and see what becomes of it, in a browser."""
    with errors(debug):
        from ecosystem.explore.launch import serve

        given = parse_settings(settings or ())
        what = _study(file, given) if file.is_dir() else subject_of(file, given)
        try:
            serve(what, port, show, lambda address: say(f"{what.title}: {address} (Ctrl-C ends it)"))
        except KeyboardInterrupt:
            leave()  # threads may still compute


def subject_of(file: Path, given: dict[str, Any]) -> Subject:
    """A scenario file as the page takes it; what the file refuses as it begins is refused here."""
    from ecosystem.explore.controls import controls
    from ecosystem.explore.launch import Subject
    from ecosystem.scenario import Scenario

    scenario, description = load(file, given)
    build = load_build(file)

    @functools.wraps(build)
    def built(**parameters: Any) -> Scenario:
        with located(file):
            return build(**{**given, **parameters})

    first = description.partition("\n\n")[0]
    made = tuple(controls(build, given))
    return Subject(scenario.name, " ".join(first.split()), str(file.resolve()), built, made)


def _study(folder: Path, given: dict[str, Any]) -> Subject:
    from ecosystem.explore.launch import Subject
    from ecosystem.study import Study

    if given:
        raise ValueError(f"--set goes with a scenario file; {folder} is the folder of a study, whose points are chosen")
    results = Study.load(folder)
    return Subject(results.name, f"The study in {folder}: {', '.join(results.parameters)}", study=folder)
