"""``ecosystem compare``: runs side by side, saved ones and those of scenario files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecosystem.cli.errors import errors
from ecosystem.cli.given import Debug, Settings, Threads, load
from ecosystem.cli.loading import located, parse_settings
from ecosystem.cli.terminal import console, say, table

if TYPE_CHECKING:
    import pandas as pd

    from ecosystem.running.run import Run

HEADER = ("member", "run", "alignment", "in the first", "difference (95 %)", "verdict")


def compare(
    what: Annotated[
        list[Path],
        typer.Argument(
            metavar="A B...",
            help="Folders of saved runs or checkpoints, or scenario files (they are run); A is the base.",
        ),
    ],
    settings: Settings = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Of files, instead of the scenarios' own.")] = None,
    samples: Annotated[int | None, typer.Option(min=0, help="Of files, a member and round; 0: the population.")] = None,
    replicates: Annotated[int, typer.Option(min=1, help="Of files: independent copies, side by side.")] = 1,
    seed: Annotated[int, typer.Option(help="Of files: root of all random draws, the same in all.")] = 0,
    chart: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Save a chart of it: .svg, .png, .html or .json.")
    ] = None,
    threads: Threads = 1,
    debug: Debug = False,
) -> None:
    """Compare runs: who ends how much higher than in the first, replicate by replicate."""
    with errors(debug):
        import torch

        from ecosystem.running.comparing import compare as compared

        torch.set_num_threads(threads)
        names = _named(what)
        parameters = parse_settings(settings or ())
        if (parameters or rounds or samples is not None) and all(path.is_dir() for path in what):
            raise ValueError("--set, --rounds and --samples change scenario files, and all of these are folders")
        runs = {}
        for name, path in names.items():
            if path.is_dir():
                runs[name] = _saved(path)
                continue
            scenario, _ = load(path, parameters, rounds, samples)
            with located(path):  # samples are built one by one in all, or what is cut would be drawn another way
                runs[name] = scenario.run(seed, replicates, build_samples=True, progress=True)
        found = compared(runs)
        _show(found)
        if chart is not None:
            from ecosystem.core.storage import named
            from ecosystem.plots.comparing import compared as drawn

            place = named(chart)
            drawn(found).save(str(place))
            say(f"chart in {place}")


def _named(what: list[Path]) -> dict[str, Path]:
    """What is compared, by names that differ: the last part of its place, or the whole of it."""
    if len(what) < 2:
        raise ValueError(f"{what[0]} alone cannot be compared; name another folder of a run, or scenario file")
    whole = [path.resolve() for path in what]
    for i, path in enumerate(whole):
        if path in whole[:i]:
            raise ValueError(f"{what[i]} is named twice; save runs with other settings by `ecosystem run --out FOLDER`")
    short = [path.name if path.is_dir() else path.stem for path in whole]
    return {name if short.count(name) == 1 else str(path): path for name, path in zip(short, what, strict=True)}


def _saved(folder: Path) -> Run:
    """A saved run, or what there is of one in its checkpoints."""
    from ecosystem.core.storage import found, named
    from ecosystem.running.checkpoints.reading import has_rounds, is_held, so_far
    from ecosystem.running.run import Run, is_run

    folder = named(folder)
    under_way = not is_run(found(folder)) and (has_rounds(folder) or is_held(folder))
    return so_far(folder) if under_way else Run.load(folder)


def _show(found: pd.DataFrame) -> None:
    """A row a member and run, as far as the terminal shows them."""
    screen = console()
    title = f"against {found['against'].iloc[0]}: alignment at the end"
    screen.print(table(title, HEADER, [_row(row) for row in found.to_dict("records")]))
    if found["words"].str.contains("in this one pair|too few replicates").any():
        say("Chance cannot be told from change: give more --replicates.")


def _row(row: dict[Any, Any]) -> list[str]:
    from ecosystem.core.words import number

    scale, reach = row["error"] if row["error"] > 0 else None, (row["high"] - row["low"]) / 2
    change = number(row["difference"], scale, sign=True) + (f" ± {number(reach, scale)}" if reach > 0 else "")
    numbers = [number(row[name], scale) for name in ("alignment", "base")]
    return [row["member"], row["run"], *numbers, change, row["words"]]
