"""``ecosystem report``: write the page of a folder again, from what is saved in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecosystem.cli.errors import errors
from ecosystem.cli.given import Debug

if TYPE_CHECKING:
    from ecosystem.influence.findings import Findings
    from ecosystem.running.run import Run


def report(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The folder of a saved run, influence analysis or study.")
    ],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Instead of FOLDER/report.html.")] = None,
    debug: Debug = False,
) -> None:
    """Write the report of a saved run, influence analysis or study again."""
    with errors(debug):
        rewrite(folder, out or folder / "report.html")


def rewrite(folder: Path, path: Path) -> None:
    """Write the page of all that is saved in a folder: a study, or a run, an influence analysis, or both."""
    from ecosystem.influence.findings import Findings, saved_in
    from ecosystem.running.run import Run

    if (folder / "study.json").is_file():
        _write_study(folder, path)
        return

    findings = Findings.load(folder) if saved_in(folder) else None
    alone = findings is not None and not (folder / "run.json").is_file()
    write(path, None if alone else Run.load(folder), findings)


def _write_study(folder: Path, path: Path) -> None:
    from ecosystem.report import write_study
    from ecosystem.study import Study

    write_study(Study.load(folder), path)
    typer.echo(f"report in {path}")


def write(path: Path, run: Run | None, findings: Findings | None) -> None:
    """Write the page of a run, of findings, or of both."""
    from ecosystem.report import write_findings, write_report

    if run is not None:
        write_report(run, path, findings)
    elif findings is not None:
        write_findings(findings, path)
    typer.echo(f"report in {path}")
