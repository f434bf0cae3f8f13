"""``ecosystem run``: simulate a scenario, show how its members fared, save and report it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecosystem.cli.errors import INTERRUPTED, errors
from ecosystem.cli.given import Debug, Device, File, Settings, Threads, facts, load
from ecosystem.cli.influence import analysed, show_findings
from ecosystem.cli.loading import located, one_line, parse_settings
from ecosystem.cli.playing import CtrlC, simulate
from ecosystem.cli.report import write
from ecosystem.cli.terminal import SHOWN, cell, console, say, table

if TYPE_CHECKING:
    from ecosystem.influence.findings import Findings
    from ecosystem.running.checkpoints import Checkpoints
    from ecosystem.running.ecosystem import Ecosystem
    from ecosystem.running.recording import Record
    from ecosystem.running.run import Run
    from ecosystem.scenario import Scenario

SAMPLES = 64  # of each member, for the report


def run(
    file: File,
    settings: Settings = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Instead of the scenario's own.")] = None,
    samples: Annotated[int | None, typer.Option(min=0, help="Per member and round; 0: the population.")] = None,
    replicates: Annotated[int, typer.Option(min=1, help="Independent copies, side by side.")] = 1,
    seed: Annotated[int, typer.Option(help="Root of all random draws.")] = 0,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Save the run and a report.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run in FOLDER.")] = False,
    every: Annotated[int, typer.Option(min=1, metavar="K", help="Record every K-th round.")] = 1,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write FOLDER/report.html.")] = True,
    influence: Annotated[
        bool, typer.Option("--influence", help="Also the influence of curation, saved with the run (needs --out).")
    ] = False,
    checkpoints: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Save the run as it goes on; again: it goes on from there.")
    ] = None,
    checkpoint_every: Annotated[
        int | None, typer.Option(min=1, metavar="K", help="Save every K-th round.  [default: 1]")
    ] = None,
    keep: Annotated[int | None, typer.Option(min=1, metavar="N", help="Newest checkpoints kept.  [default: 2]")] = None,
    live: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Add the rows of each recorded round as it is played.")
    ] = None,
    tensorboard: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Show measures in TensorBoard as the run goes on.")
    ] = None,
    threads: Threads = 1,
    device: Device = None,
    debug: Debug = False,
) -> None:
    """Run a scenario; show how its members fared."""
    with errors(debug), _held(out, overwrite, influence) as out:
        import torch

        from ecosystem.core.progress import metered
        from ecosystem.running.ecosystem import Ecosystem

        torch.set_num_threads(threads)
        plan = _checkpoints(checkpoints, checkpoint_every, keep, out)
        listeners = _listeners(live, tensorboard, out, checkpoints)
        parameters = parse_settings(settings or ())
        with metered(True, file.stem, "rounds") as meter:
            meter.phase("building")  # and models that begin trained are trained
            scenario, description = load(file, parameters, rounds, samples)
            record = _record(scenario, every, out)
            with located(file):
                seeds = [(seed, r) for r in range(replicates)]
                eco = Ecosystem(scenario, seeds=seeds, record=record, live=listeners, device=device)
        origin = facts(file, parameters, description)
        findings = analysed(scenario, origin, device=device) if influence else None
        with CtrlC() as ctrl_c:
            result = _played(eco, ctrl_c, plan, origin)
            if out is not None:
                _save(out, overwrite, result, findings, plan)
        _show(result, findings, out)
        if result.settings["stopped"]:
            typer.echo("stopped {stopped} ({rounds} rounds were planned)".format(**result.settings), err=True)
        elif not result.settings["finished"]:
            typer.echo("interrupted after {completed} of {rounds} rounds".format(**result.settings), err=True)
            raise typer.Exit(INTERRUPTED)
        if out is not None and report:
            write(out / "report.html", result, findings)


@contextmanager
def _held(out: Path | None, overwrite: bool, influence: bool) -> Iterator[Path | None]:
    """Hold the folder to write to; refused, before anything is computed, where that cannot be or somebody else does."""
    if out is None:
        if influence:
            raise ValueError("--influence saves what it finds with the run; give it a folder: --out FOLDER")
        yield None
        return
    from ecosystem.core import locks, storage
    from ecosystem.running.run import FULL, check_folder

    out = storage.named(out)
    check_folder(out, overwrite)
    with locks.claimed(out, FULL):
        yield out


def _record(scenario: Scenario, every: int, out: Path | None) -> Record:
    """What is shown, and saved with a report: rewards flow by flow only of networks that it draws member by member."""
    from ecosystem.running.recording import Record

    if out is None:
        return Record(every=every)
    from ecosystem.plots.palette import MANY

    small = len(scenario.names) <= MANY
    samples = min(SAMPLES, scenario.samples or SAMPLES)
    return Record(every=every, draws=True, samples=samples, choices=small, sources=small)


def _played(eco: Ecosystem, ctrl_c: CtrlC, plan: Checkpoints | None, origin: dict[str, Any]) -> Run:
    """All rounds, or those until Ctrl-C, with checkpoints as planned."""
    from ecosystem.running.checkpoints import keeping

    with keeping(eco, plan, origin) as round_played:
        eco.live.tell(eco.recorder)
        completed = simulate(eco, ctrl_c, origin["file"], round_played)
    # a round that was broken off is not done, though Mesa has counted it
    return eco.result(**origin, completed=completed, finished=completed == eco.rounds)


def _save(out: Path, overwrite: bool, run: Run, findings: Findings | None, plan: Checkpoints | None) -> None:
    """Save what was found; where there is no room for it, somewhere else, and say so."""
    try:
        run.save(out, overwrite=overwrite)
    except OSError as error:
        raise OSError(f"{one_line(error)}; {_kept(run, plan)}") from error
    if findings is not None:
        findings.save(out)


def _kept(run: Run, plan: Checkpoints | None) -> str:
    """What becomes of a run that could not be saved where it should."""
    try:
        place = run.save(Path(tempfile.mkdtemp(prefix="ecosystem-")) / "run")
        return f"the run is kept in {place}: move it to where there is room"
    except OSError:
        again = "the same command goes on from its checkpoints"
        return again if plan else "the run is lost: with --checkpoints FOLDER on another disk it would go on"


def _show(result: Run, findings: Findings | None, out: Path | None) -> None:
    _show_run(result)
    if findings is not None:
        show_findings(findings)
    if out is not None:
        say(f"saved in {out}")


def _checkpoints(folder: Path | None, every: int | None, keep: int | None, out: Path | None) -> Checkpoints | None:
    """What the options ask for."""
    from ecosystem.core.storage import named
    from ecosystem.running.checkpoints import Checkpoints

    if folder is None:
        if every is not None or keep is not None:
            raise ValueError("--checkpoint-every and --keep say how checkpoints are saved; add --checkpoints FOLDER")
        return None
    folder = named(folder)
    _beside(folder, "--checkpoints", out)
    return Checkpoints(folder, 1 if every is None else every, 2 if keep is None else keep)


def _listeners(file: Path | None, board: Path | None, out: Path | None, checkpoints: Path | None) -> list[Any]:
    """Who is told of the rounds while they are played."""
    from ecosystem.core.storage import named
    from ecosystem.running.live import Csv, TensorBoard

    for place, option in ((file, "--live"), (board, "--tensorboard")):
        if place is not None:
            _beside(named(place), option, out)
            _beside(named(place), option, checkpoints, "its checkpoints are saved in")
    return [*([Csv(file)] if file else []), *([TensorBoard(board)] if board else [])]


def _beside(place: Path, option: str, folder: Path | None, why: str = "the run is saved to") -> None:
    """Refuse a place in a folder that is replaced as a whole, or holds nothing else."""
    from ecosystem.core.storage import named

    if folder is not None and place.resolve().is_relative_to(named(folder).resolve()):
        raise ValueError(f"{option} {place} lies in the folder that {why}; choose one beside it")


def _show_run(run: Run) -> None:
    """Who gained and who lost: a row a member, then the verdict and the replicates that diverged."""
    from ecosystem.core.words import number
    from ecosystem.running.verdicts import START, headline

    found = run.verdicts
    rows = [
        [
            row.member,
            cell(row.curation),
            number(row.start, row.error),
            "as it began" if row.against == START else number(row.alone, row.error),
            number(row.end, row.error),
            number(row.change, row.error, sign=True) + (f" ± {number(row.high - row.change)}" if row.error > 0 else ""),
            row.words,
        ]
        for row in (found if len(found) <= SHOWN else found.sort_values("change")).itertuples()
    ]
    screen = console()
    title = "{scenario}: {completed} of {rounds} rounds".format(**run.settings)
    header = ("member", "λ", "alignment at start", "alone", "at end", "change (95 %)", "verdict")
    screen.print(table(title, header, rows))
    screen.print(headline(run, found), highlight=False, markup=False)
    for failure in run.failures.head(SHOWN).itertuples():
        place = f"seed {failure.seed}, replicate {failure.replicate}, round {failure.round}"
        screen.print(f"diverged: {failure.member} ({place}): {failure.error}", style="yellow", markup=False)
