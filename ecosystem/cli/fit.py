"""``ecosystem fit``: which ecosystem made these observations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecosystem.cli.errors import errors
from ecosystem.cli.given import Debug, File, Settings, Threads, facts, load
from ecosystem.cli.leaving import breakable
from ecosystem.cli.loading import located, parse_settings
from ecosystem.cli.terminal import cell, console, say, table

if TYPE_CHECKING:
    import pandas as pd

    from ecosystem.decisions import Fit

TABLES = ("estimates", "residuals", "verdicts")
FULL = "the fit could not be saved; make room, or choose another folder"


def fit(
    file: File,
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Observations: .csv or .parquet.")],
    free: Annotated[
        list[str], typer.Option(metavar="NUMBER", help="What is free: level(a), 'raw(a -> b):0:0.9', strength(a).")
    ],
    noise: Annotated[
        str | None, typer.Option(metavar="SD", help="Of an observation: a number, column or estimated.")
    ] = None,
    starts: Annotated[int, typer.Option(min=1, help="Searches from different places.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Of those places, and of random orders.")] = 0,
    settings: Settings = None,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Save the tables and a report.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the fit in FOLDER.")] = False,
    threads: Threads = 1,
    debug: Debug = False,
) -> None:
    """Estimate free numbers of a scenario from observations; say what they do not tell."""
    with errors(debug):
        import torch

        from ecosystem.core.storage import named
        from ecosystem.decisions import Observations
        from ecosystem.decisions import fit as fitted

        torch.set_num_threads(threads)
        parameters, size = parse_settings(settings or ()), noise_of(noise, "column", "estimated")
        if out is not None:
            check_folder(out := named(out), overwrite, "fit")
        observed = Observations.read(data)
        scenario, description = load(file, parameters)
        with located(str(file)), breakable():
            found = fitted(scenario, observed, free, noise=size, starts=starts, seed=seed)
        show(found)
        if out is not None:
            _save(found, out, facts(file, parameters, description) | {"data": str(data)})
            say(f"saved in {out}")


def show(found: Fit) -> None:
    """The estimates, and what is to be known of them."""
    print_rows(f"{found.parameters.given.name}: estimates", found.estimates)
    for sentence in found.verdicts["sentence"]:
        console().print(sentence, highlight=False, markup=False)


def print_rows(title: str, rows: pd.DataFrame) -> None:
    """A table whose missing values are blank."""
    shown = [["" if x != x else cell(x) for x in row] for row in rows.itertuples(index=False)]
    console().print(table(title, list(rows.columns), shown))


def noise_of(text: str | None, *words: str) -> Any:
    """A standard deviation, or one of the words that say where it is from."""
    if text is None or text in words:
        return text
    try:
        return float(text)
    except ValueError:
        known = ", ".join(["a number", *words[:-1]])
        raise ValueError(f"--noise is {known} or {words[-1]}, got {text!r}") from None


def check_folder(folder: Path, overwrite: bool, what: str) -> None:
    """Refuse a folder that holds anything else than a fit (or ``what`` it is), or one of these without leave."""
    if not folder.exists():
        return
    if not (folder / f"{what}.html").is_file():
        raise FileExistsError(f"{folder} exists and holds no {what}; choose another folder")
    if not overwrite:
        raise FileExistsError(f"{folder} holds a {what} already; choose another folder, or --overwrite")


def _save(found: Fit, folder: Path, origin: dict[str, Any]) -> None:
    from ecosystem.core import storage
    from ecosystem.report.fit import write_fit

    with storage.folder(folder, FULL) as beside:
        for name in TABLES:
            getattr(found, name).to_csv(beside / f"{name}.csv", index=False)
        write_fit(found, beside / "fit.html", origin)
