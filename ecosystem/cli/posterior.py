"""``ecosystem posterior``: what observations say of free numbers, learned from simulated runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecosystem.cli.errors import errors
from ecosystem.cli.fit import check_folder, noise_of, print_rows
from ecosystem.cli.given import Debug, File, Settings, Threads, facts, load
from ecosystem.cli.leaving import breakable
from ecosystem.cli.loading import located, parse_settings
from ecosystem.cli.terminal import console, say

if TYPE_CHECKING:
    from ecosystem.decisions import Calibration, Posterior

FULL = "the posterior could not be saved; make room, or choose another folder"


def posterior(
    file: File,
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Observations: .csv or .parquet.")],
    free: Annotated[
        list[str], typer.Option(metavar="NUMBER", help="What is free, with both bounds: level(a), strength(a):0:5.")
    ],
    noise: Annotated[
        str | None, typer.Option(metavar="SD", help="Of errors of reading: a number, or column; by default none.")
    ] = None,
    judged: Annotated[
        int, typer.Option(min=1, help="Samples that judged an observed alignment without closed form.")
    ] = 256,
    simulations: Annotated[int, typer.Option(min=100, help="Runs to learn from.")] = 2000,
    samples: Annotated[int, typer.Option(min=1, help="Draws of the posterior.")] = 2000,
    ranks: Annotated[int, typer.Option(min=0, help="Simulated truths that check the intervals; 0: none.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Of simulations, learning and draws.")] = 0,
    settings: Settings = None,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Save the tables and a report.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the posterior in FOLDER.")] = False,
    threads: Threads = 1,
    debug: Debug = False,
) -> None:
    """Learn from simulations what observations say of free numbers, of trained models too."""
    with errors(debug):
        import torch

        from ecosystem.core.storage import named
        from ecosystem.decisions import Observations
        from ecosystem.decisions import posterior as learned
        from ecosystem.running.recording import Record

        torch.set_num_threads(threads)
        if ranks == 1:
            raise ValueError("--ranks is 0, or at least 2 simulated truths, got 1")
        parameters, size = parse_settings(settings or ()), noise_of(noise, "column")
        if out is not None:
            check_folder(out := named(out), overwrite, "posterior")
        observed = Observations(Observations.read(data).table, record=Record(judged=judged))
        scenario, description = load(file, parameters)
        with located(str(file)), breakable():
            found = learned(scenario, observed, free, noise=size, simulations=simulations, samples=samples, seed=seed)
            checked = found.calibration(ranks) if ranks else None
        show(found, checked)
        if out is not None:
            _save(found, checked, out, facts(file, parameters, description) | {"data": str(data)})
            say(f"saved in {out}")


def show(found: Posterior, checked: Calibration | None) -> None:
    """The intervals, what is to be known of them, and how they do where the truth is known."""
    screen = console()
    print_rows(f"{found.parameters.given.name}: posterior", found.intervals())
    for sentence in found.verdicts["sentence"]:
        screen.print(sentence, highlight=False, markup=False)
    if checked is not None:
        print_rows(f"{len(checked.ranks)} simulated truths", checked.table)
        screen.print(checked.sentence, highlight=False, markup=False)


def _save(found: Posterior, checked: Calibration | None, folder: Path, origin: dict[str, Any]) -> None:
    from ecosystem.core import storage
    from ecosystem.report.fit import write_posterior

    with storage.folder(folder, FULL) as beside:
        found.intervals().to_csv(beside / "intervals.csv", index=False)
        found.samples.to_csv(beside / "samples.csv", index=False)
        found.verdicts.to_csv(beside / "verdicts.csv", index=False)
        if checked is not None:
            checked.ranks.to_csv(beside / "ranks.csv", index=False)
            checked.table.to_csv(beside / "calibration.csv", index=False)
        write_posterior(found, beside / "posterior.html", checked, origin)
