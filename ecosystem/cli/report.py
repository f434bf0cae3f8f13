"""``ecosystem report``: write the page of a folder, from what is saved in it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecosystem.cli.errors import errors
from ecosystem.cli.given import Debug
from ecosystem.cli.terminal import say

if TYPE_CHECKING:
    from ecosystem.influence.findings import Findings
    from ecosystem.running.run import Run

OLD = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"  # in the head of reports of earlier versions


def report(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="Of a saved run, influence analysis or study, or of checkpoints."),
    ],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Instead of FOLDER/report.html.")] = None,
    debug: Debug = False,
) -> None:
    """Write the report of a saved run, influence analysis or study again; of checkpoints, that of the run so far."""
    with errors(debug):
        from ecosystem.core.storage import named

        folder = named(folder)
        page = named(out or folder / "report.html")
        _check_page(page)
        rewrite(folder, page)


def _check_page(page: Path) -> None:
    """Refuse a place where something else is than a report."""
    if not page.exists():
        return
    from ecosystem.report.assembly import MARK

    start = page.read_bytes()[:2000] if page.is_file() else b""
    if not start.startswith(b"<!doctype html>") or not any(mark.encode() in start for mark in (MARK, OLD)):
        raise FileExistsError(f"{page} exists and is no report, so it is not overwritten; choose another file")


def rewrite(folder: Path, path: Path, sensitivity: bool = False, when: str | None = None) -> None:
    """Write the page of all that is saved in a folder: a study, or a run, an influence analysis, or both.

    ``sensitivity``: of a study with a section about which settings matter, and when a condition holds.
    """
    from ecosystem.core.locks import awaited
    from ecosystem.core.storage import found
    from ecosystem.influence.findings import Findings, saved_in
    from ecosystem.running.checkpoints.reading import has_rounds, is_held, so_far
    from ecosystem.running.run import Run, is_run

    if any(os.path.lexists(folder / name) for name in ("study.json", "points.parquet", "tables")):
        _write_study(folder, path, sensitivity, when)
        return

    if has_rounds(folder) or is_held(folder):
        write(path, so_far(folder), None)
        return
    if awaited(folder) and not is_run(found(folder)):
        raise FileNotFoundError(
            f"a run is under way that will be saved in {folder}, and nothing is there yet; give a run --checkpoints "
            "FOLDER, and report that"
        )
    findings = Findings.load(folder) if saved_in(folder) else None
    alone = findings is not None and not is_run(found(folder))
    write(path, None if alone else Run.load(folder), findings)


def _write_study(folder: Path, path: Path, sensitivity: bool, when: str | None) -> None:
    from ecosystem.report import write_study
    from ecosystem.study import Study

    write_study(Study.load(folder), path, sensitivity, when)
    say(f"report in {path}")


def write(path: Path, run: Run | None, findings: Findings | None) -> None:
    """Write the page of a run, of findings, or of both."""
    from ecosystem.report import write_findings, write_report

    if run is not None:
        write_report(run, path, findings)
    elif findings is not None:
        write_findings(findings, path)
    say(f"report in {path}")
