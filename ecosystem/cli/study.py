"""``ecosystem study``, ``status`` and ``failures``: many ecosystems, how far they are, and what went wrong."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecosystem.cli.errors import INTERRUPTED, errors
from ecosystem.cli.given import Debug, Device
from ecosystem.cli.leaving import leave
from ecosystem.cli.loading import load_build, load_study, parse_settings
from ecosystem.cli.playing import CtrlC
from ecosystem.cli.report import rewrite
from ecosystem.cli.settings import analyse
from ecosystem.cli.terminal import cell, console, say, table
from ecosystem.core.progress import metered

if TYPE_CHECKING:
    from ecosystem.study import Engine, Results, Study
    from ecosystem.study.progress import Progress

FAILED = 3  # the exit code when everything was computed, and some points failed
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder of a study.")]


def study(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Python file with study(); with --grid its scenario() is swept. With --sensitivity also a FOLDER.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where the study is kept; again: go on with it.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Parameter of study() in FILE.")
    ] = None,
    grid: Annotated[
        list[str] | None,
        typer.Option("--grid", metavar="NAME=[...]", help="Instead of study(): sweep a parameter of scenario()."),
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="With --grid: so many seeds.")] = None,
    measure: Annotated[
        str | None, typer.Option(metavar="A,B", help="With --grid: tables to keep; else rounds.")
    ] = None,
    engine: Annotated[str, typer.Option(metavar="local|ray", help="Workers here, or a Ray cluster.")] = "local",
    address: Annotated[str | None, typer.Option(help="Of a running Ray cluster; else one is started here.")] = None,
    workers: Annotated[int | None, typer.Option(min=0, help="At most so many; 0: this process.")] = None,
    gpus: Annotated[float, typer.Option(min=0, help="With ray: GPUs for each block, also a part of one.")] = 0.0,
    retry: Annotated[bool, typer.Option("--retry", help="Compute once more what failed.")] = False,
    accept_changes: Annotated[
        bool, typer.Option("--accept-changes", help="Go on though code or versions have changed.")
    ] = False,
    forget: Annotated[
        bool, typer.Option("--forget", help="Take points out of FOLDER that are asked for no more.")
    ] = False,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Say which settings matter, and how many seeds are enough.")
    ] = False,
    of: Annotated[
        str | None, typer.Option(metavar="MEASURE", help="With --sensitivity (implied): of what; else alignment.")
    ] = None,
    when: Annotated[
        str | None,
        typer.Option(metavar="CONDITION", help="Implies --sensitivity: boxes where it holds, 'M[a, b] < 0'."),
    ] = None,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write FOLDER/report.html.")] = True,
    device: Device = None,
    debug: Debug = False,
) -> None:
    """Run a study, or go on with it; nothing that was finished is computed again."""
    with errors(debug):
        from ecosystem.study import Study

        sensitivity = sensitivity or when is not None or of is not None
        of = of or "alignment"
        if sensitivity and file.is_dir():
            _check_alone(out, settings, grid)
            if report:
                rewrite(file, file / "report.html", True, when)
            analyse(Study.load(file), of, when)
            return
        if out is None:
            raise ValueError("where is the study to be kept? give --out FOLDER")
        chosen, workers = _engine(engine, address, workers, gpus)
        asked = _asked(file, settings, grid, seeds, measure)
        asked = asked if device is None else asked.on(device)
        say(repr(asked))
        with CtrlC() as ctrl_c, metered(True, asked.name, "points") as meter:
            meter.phase("looking at what is there")
            latest: list[Progress] = []

            def tell(now: Progress) -> None:
                latest[:] = [now]
                meter.now(now.done, now.points, now.note)
                if ctrl_c.pressed:
                    meter.phase(f"{now.ending} (again: at once)", at_once=True)

            def ending() -> None:
                words = latest[0].ending if latest else "ending"
                meter.phase(f"{words} (again: at once)", at_once=True)

            ctrl_c.notify, ctrl_c.breakable = ending, True
            if engine == "local":
                ctrl_c.again = leave  # what is finished is written, and workers go with their parent
            warnings.filterwarnings("ignore", message=r".* points failed", category=RuntimeWarning)  # said below
            asked.run(
                out,
                engine=chosen,
                workers=workers,
                retry=retry,
                accept_changes=accept_changes,
                forget=forget,
                progress=tell,
                stop=lambda: ctrl_c.pressed,
            )
        results = Study.load(out)
        _sum_up(results)
        if (others := len(results.points) - len(asked.design)) > 0:
            typer.echo(f"{others} of them are not in this grid and stay: --forget takes them out")
        if report:  # first: no question to the results loses it
            rewrite(out, out / "report.html", sensitivity, when)
        if sensitivity:
            analyse(results, of, when)
        if not results.finished:
            raise typer.Exit(INTERRUPTED)
        if results.failed:
            raise typer.Exit(FAILED)


def status(folder: Folder, debug: Debug = False) -> None:
    """Say how far a study is."""
    with errors(debug):
        from ecosystem.study import Study

        _sum_up(Study.load(folder))


def failures(
    folder: Folder,
    traces: Annotated[bool, typer.Option("--traces", help="With the tracebacks of those that raised.")] = False,
    debug: Debug = False,
) -> None:
    """Show which points of a study failed, how, and why."""
    with errors(debug):
        import pandas as pd

        from ecosystem.study import Study
        from ecosystem.study.results import traceback_of

        results = Study.load(folder)
        found = results.with_parameters("failures")
        if found.empty:
            say(f"no point of {results.name} has failed")
            return
        columns = ["point", *results.parameters, "kind", "seed", "round", "member", "error"]
        shown = found.rename(columns={f"{name}_parameter": name for name in results.parameters})
        shown = shown.loc[:, ~shown.columns.duplicated(keep="last")]
        columns = [name for name in columns if shown[name].notna().any()]
        rows = shown[columns].astype(object).itertuples(index=False)
        cells = [["" if pd.isna(value) else cell(value) for value in row] for row in rows]
        console().print(table(f"{results.name}: failures", columns, cells))
        for file in found["traceback"].dropna().unique() if traces else ():
            say(f"\n{traceback_of(results, file)}")


def _check_alone(*given: object) -> None:
    if any(option for option in given):
        raise ValueError("of a study's folder --sensitivity reads what is there: leave out --out, --set and --grid")


def _asked(
    file: Path, settings: list[str] | None, grid: list[str] | None, seeds: int | None, measure: str | None
) -> Study:
    """The study of a file, or of the parameters that were given."""
    from ecosystem.study import Study

    if not grid:
        for option, value in (("--seeds", seeds), ("--measure", measure)):
            if value is not None:
                raise ValueError(f"{option} goes with --grid; the study in {file} has its own (--set changes it)")
        return load_study(file, parse_settings(settings or ()))
    fixed, swept = parse_settings(settings or ()), parse_settings(grid, "--grid")
    for name, value in swept.items():
        if isinstance(value, str) and value.startswith("["):
            raise ValueError(
                f"--grid {name}={value} is no list of numbers and quoted texts ({name}=[1, 2], {name}=['a', 'b']); "
                f"objects are made in Python: write a function study() in {file}, which gives Study(grid=...) a list"
            )
        if not isinstance(value, list):
            raise ValueError(f"--grid {name}={value!r} is no list; write --grid {name}=[...], or --set for one value")
    grids = {name: [value] for name, value in fixed.items()} | swept
    tables = tuple(part.strip() for part in measure.split(",")) if measure else ("rounds",)
    return Study(
        file.stem,
        load_build(file),
        grid=grids,
        seeds=seeds or 1,
        measure=tables,
    )


def _engine(name: str, address: str | None, workers: int | None, gpus: float) -> tuple[str | Engine, int | None]:
    """The engine, and the number of workers where it goes by its name."""
    from ecosystem.study import Ray

    if name == "ray":
        return Ray(address=address, workers=workers, num_gpus=gpus), None
    if name != "local":
        raise ValueError(f"--engine {name!r}: there are local and ray")
    if address is not None or gpus:
        raise ValueError("--address and --gpus go with --engine ray")
    return name, workers


def _sum_up(results: Results) -> None:
    """How far a study is, what failed, and what to do about it."""
    from ecosystem.study.folder import running
    from ecosystem.study.outcomes.effects import effects
    from ecosystem.study.outcomes.story import headline
    from ecosystem.study.outcomes.subject import Subject

    now, screen = results.progress(), console()

    def say(text: str) -> None:
        screen.print(text, highlight=False, markup=False)

    sizes = f"{now.points} points × {len(results.seeds)} seeds, {now.finished} of {now.blocks} blocks"
    say(f"{results.name}: {now.done} of {now.points} points done ({sizes})")
    owner = running(results.folder)
    if owner:
        say(f"{owner} is at work on it")
    elif not results.finished:
        say("not finished: the same command goes on with it")
    if now.finished:
        subject = Subject(results)
        say(headline(subject, effects(subject)))
    if now.failed:
        kinds = ", ".join(f"{count} {kind}" for kind, count in results.failures_by_kind.items())
        say(f"{now.failed} points failed ({kinds}): `ecosystem failures {results.folder}` shows them")
        if set(results.failures_by_kind) - {"diverged"}:
            say("with --retry those that raised or were lost are computed again (with --accept-changes after a mend)")
    say(f"tables in {results.folder}: points, {', '.join(results.tables)}")
