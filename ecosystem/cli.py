"""The command line: ``ecosystem run FILE``, ``ecosystem describe FILE``, ``ecosystem report FOLDER``.

Torch, Mesa and pandas are imported inside the functions that use them: ``ecosystem --help`` answers at once.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from ecosystem.loading import load_scenario, located, one_line, parse_settings

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from ecosystem.ecosystem import Ecosystem
    from ecosystem.run import Run
    from ecosystem.scenario import Scenario

WRONG, INTERRUPTED = 2, 130  # exit codes
SHOWN = 40  # rows of a table that go to the terminal
SAMPLES = 16  # of each member, kept at a few rounds

app = typer.Typer(
    name="ecosystem",
    help="Ecosystems of generative models that train on each other's curated output.",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

File = Annotated[Path, typer.Argument(metavar="FILE", help="Python file with scenario(**parameters).")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Parameter of scenario(): 0.5, True, [1, 2], else a string."),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The console entry: run the command, with usage errors too in one line and exit code 2."""
    try:
        code = app(args=arguments, prog_name="ecosystem", standalone_mode=False)
    except typer.TyperException as error:  # an unknown command or option, a value of the wrong type
        code = _complain(f"{error.format_message()} (see `ecosystem --help`)")
    sys.exit(code)


@app.callback()
def _program(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    if version:
        with _errors(debug=False):
            typer.echo(f"mesacosm {metadata.version('mesacosm')}")
            raise typer.Exit()
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def run(
    file: File,
    settings: Settings = None,
    rounds: Annotated[int | None, typer.Option(help="Instead of the scenario's own.")] = None,
    samples: Annotated[int | None, typer.Option(help="Per member and round; 0: the population.")] = None,
    replicates: Annotated[int, typer.Option(min=1, help="Independent copies, side by side.")] = 1,
    seed: Annotated[int, typer.Option(help="Root of all random draws.")] = 0,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Save the run and a report.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run in FOLDER.")] = False,
    every: Annotated[int, typer.Option(min=1, metavar="K", help="Record every K-th round.")] = 1,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write FOLDER/report.html.")] = True,
    threads: Annotated[int, typer.Option(min=1, help="Torch threads; small models are fastest on one.")] = 1,
    debug: Debug = False,
) -> None:
    """Run a scenario; show how its members fared."""
    with _errors(debug):
        import torch

        from ecosystem.ecosystem import Ecosystem
        from ecosystem.recording import Record
        from ecosystem.run import check_folder

        torch.set_num_threads(threads)
        if out is not None:
            check_folder(out, overwrite)
        parameters = parse_settings(settings or ())
        scenario, description = _load(file, parameters, rounds, samples)
        record = Record(every=every) if out is None else Record(every=every, draws=True, samples=SAMPLES)
        with located(file):
            eco = Ecosystem(scenario, seeds=[(seed, r) for r in range(replicates)], record=record)
        with _CtrlC() as ctrl_c:
            with located(file):
                completed = _simulate(eco, ctrl_c)
            result = eco.result(
                file=str(file),
                parameters=parameters,
                description=description,
                command=shlex.join(["ecosystem", *sys.argv[1:]]),
                completed=completed,  # a round that was broken off is not done, though Mesa has counted it
                finished=completed == eco.rounds,
            )
            if out is not None:
                result.save(out, overwrite=overwrite)
        _show_run(result)
        if out is not None:
            typer.echo(f"saved in {out}")
        if completed < eco.rounds:
            typer.echo(f"interrupted after {completed} of {eco.rounds} rounds", err=True)
            raise typer.Exit(INTERRUPTED)
        if out is not None and report:
            _write_report(result, out / "report.html")


@app.command()
def describe(file: File, settings: Settings = None, debug: Debug = False) -> None:
    """Show the members, the flows and the shape of a scenario."""
    with _errors(debug):
        scenario, description = _load(file, parse_settings(settings or ()))
        console = _console()
        for line in (scenario.name, *description.splitlines()[:1]):
            console.print(line, highlight=False, markup=False)
        for name, frame in scenario.describe().items():
            rows = [[_cell(value) for value in row] for row in frame.itertuples(index=False)]
            console.print(_table(name, list(frame.columns), rows))
        for line in _facts(scenario):
            console.print(line, highlight=False, markup=False)


@app.command("report")
def report_(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder of a saved run.")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Instead of FOLDER/report.html.")] = None,
    debug: Debug = False,
) -> None:
    """Write the report of a saved run again."""
    with _errors(debug):
        from ecosystem.run import Run

        _write_report(Run.load(folder), out or folder / "report.html")


# Errors and interruptions


def _complain(message: str) -> int:
    """Print one line on stderr; the exit code that goes with it."""
    typer.secho(f"error: {message}", fg="red", err=True)
    return WRONG


@contextmanager
def _errors(debug: bool) -> Iterator[None]:
    """Say every failure in one line on stderr, with exit code 2; with ``debug`` the traceback before it."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _warn
            yield
    except typer.Exit:
        raise
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except Exception as error:
        if debug:
            traceback.print_exc()
        message = one_line(error)
        if not isinstance(error, (ValueError, OSError)):  # not written for a reader
            message = f"{type(error).__name__}: {message} (--debug shows where)"
        raise typer.Exit(_complain(message)) from None


def _warn(message: Warning | str, *_: object) -> None:
    typer.secho(f"warning: {' '.join(str(message).split())}", fg="yellow", err=True)


class _CtrlC:
    """Ctrl-C in a run: the first lets the round end, the next breaks it off, none spoils the saving."""

    def __init__(self) -> None:
        self.pressed = False
        self.breakable = False
        self.notify: Callable[[], object] = lambda: None

    def __enter__(self) -> _CtrlC:
        self._before = signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _press(self, *_: object) -> None:
        again, self.pressed = self.pressed, True
        self.notify()
        if again and self.breakable:
            self.breakable = False
            raise KeyboardInterrupt


# What a command is given


def _load(
    file: Path, parameters: dict[str, Any], rounds: int | None = None, samples: int | None = None
) -> tuple[Scenario, str]:
    """The scenario of a file with the command line's changes, and the file's docstring."""
    import torch

    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)  # the tensors are small: a second thread is mostly waited for
    scenario, description = load_scenario(file, parameters)
    if rounds is not None:
        scenario = scenario.replace(rounds=rounds)
    if samples is not None:
        scenario = scenario.replace(samples=samples or None)
    return scenario, description


# A run and its results


def _simulate(eco: Ecosystem, ctrl_c: _CtrlC) -> int:
    """Play the rounds behind a progress bar, until they are done or Ctrl-C; the number that was completed."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), "rounds", "{task.fields[rate]}")
    done, started = 0, time.perf_counter()
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task("running", total=eco.rounds, rate="")
        ctrl_c.notify = lambda: progress.update(task, description="ending this round (again: at once)")
        try:
            ctrl_c.breakable = True
            while done < eco.rounds and not ctrl_c.pressed:
                eco.step()
                done = int(eco.steps)
                rate = done / (time.perf_counter() - started)
                progress.update(task, completed=done, rate=f"{rate:.3g}/s")
        except KeyboardInterrupt:
            pass  # who pressed it twice still wants what was recorded
        finally:
            ctrl_c.breakable = False
    return done


def _show_run(run: Run) -> None:
    """Who gained and who lost: a row a member, then the verdict and the replicates that diverged."""
    from ecosystem.report.verdict import WORDS, headline, number, outcomes

    table = outcomes(run)
    rows = [
        [
            row.member,
            _cell(row.curation),
            number(row.start, row.error),
            number(row.end, row.error),
            number(row.change, row.error, sign=True) + (f" ± {number(row.error)}" if row.error > 0 else ""),
            WORDS[row.kind],
        ]
        for row in (table if len(table) <= SHOWN else table.sort_values("change")).itertuples()
    ]
    console = _console()
    title = "{scenario}: {completed} of {rounds} rounds".format(**run.settings)
    header = ("member", "λ", "alignment at start", "at end", "change ± s.e.", "verdict")
    console.print(_table(title, header, rows))
    console.print(headline(run, table), highlight=False, markup=False)
    for failure in run.failures.head(SHOWN).itertuples():
        place = f"seed {failure.seed}, replicate {failure.replicate}, round {failure.round}"
        console.print(f"diverged: {failure.member} ({place}): {failure.error}", style="yellow", markup=False)


def _write_report(run: Run, path: Path) -> None:
    from ecosystem.report import write_report

    write_report(run, path)
    typer.echo(f"report in {path}")


def _facts(scenario: Scenario) -> Iterator[str]:
    """How long, in which order and over what kind of graph a scenario runs."""
    import networkx as nx

    from ecosystem.report.verdict import counted

    graph = scenario.graph
    samples = "the population" if scenario.samples is None else f"{scenario.samples} samples a member"
    yield f"{counted(scenario.rounds, 'round')}, {scenario.ordering}, {samples}"
    parts = [len(part) for part in nx.strongly_connected_components(graph)]
    yield f"{counted(len(graph), 'member')}, {counted(graph.size(), 'flow')}"
    yield f"{counted(len(parts), 'strongly connected component')}, the largest of size {max(parts, default=0)}"
    loops = counted(nx.number_of_selfloops(graph), "self-loop")
    yield "no cycles" if nx.is_directed_acyclic_graph(graph) else f"with cycles ({loops})"


# Tables on the terminal


def _console() -> Console:
    """The terminal; text that goes to a file or a pipe is given room."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 160)


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A table of texts; of a long one the first and the last rows."""
    from rich.table import Table
    from rich.text import Text

    table = Table(*header, title=Text(title), title_justify="left", caption_justify="left")
    if len(rows) > SHOWN:
        table.caption = f"{SHOWN} of {len(rows):,} rows: the first and the last"
        rows = [*rows[: SHOWN // 2], ["…"] * len(header), *rows[-SHOWN // 2 :]]
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


if __name__ == "__main__":
    main()
