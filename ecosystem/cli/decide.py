"""``ecosystem decide``: what a budget is best spent on, where selfish play ends, which real data keep floors."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecosystem.cli.errors import errors
from ecosystem.cli.given import Debug, File, Settings, Threads, facts, load
from ecosystem.cli.leaving import breakable
from ecosystem.cli.loading import located, parse_settings
from ecosystem.cli.terminal import cell, console, say, table
from ecosystem.core.arguments import meant_among

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ecosystem.decisions.decided import Decided
    from ecosystem.scenario import Scenario

FIRST = ("levels", "payers", "floors", "reference")  # tables that go to the terminal


def decide(
    file: File,
    settings: Settings = None,
    budget: Annotated[float | None, typer.Option(help="Allocate so much: levels times costs.")] = None,
    objective: Annotated[str, typer.Option(help="Of the allocation: sum, minimum or nash.")] = "sum",
    costs: Annotated[
        str | None,
        typer.Option(metavar="C or A=C,B=C", help="Of a unit of each level: of the budget, and of who moves it."),
    ] = None,
    movable: Annotated[
        str, typer.Option(metavar="levels, real or A,B", help="What is moved: all levels, real shares, or levels of.")
    ] = "levels",
    floors: Annotated[
        str | None, typer.Option(metavar="S=F,S=F", help="Steer: keep shares of symbols above floors.")
    ] = None,
    prices: Annotated[
        str | None, typer.Option(metavar="C,C,...", help="With --floors: of a real sample of each symbol.")
    ] = None,
    real: Annotated[
        str | None, typer.Option(metavar="LOW:HIGH", help="With --floors: real shares to choose from.")
    ] = None,
    selfish: Annotated[
        bool | None,
        typer.Option(
            "--selfish/--no-selfish",
            help="Where play without a budget ends; takes far longer than the allocation. "
            "Looked at if neither --budget nor --floors is given.",
        ),
    ] = None,
    starts: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Starts: random ones of the allocation (else 2, beside plans), and of selfish play (else 6). "
            "Time grows with them.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Save the tables and a report.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the decisions in FOLDER.")] = False,
    threads: Threads = 1,
    debug: Debug = False,
) -> None:
    """Say what a budget is best spent on, where selfish play ends, or which real data keep floors.

    Every start is a search: selfish play of six takes minutes. Each part is shown and saved as soon as it is there.
    """
    with errors(debug):
        import torch

        from ecosystem.core.storage import named

        torch.set_num_threads(threads)
        parameters = parse_settings(settings or ())
        steering = _steering(floors, prices, real)
        if out is not None:
            _check_folder(out := named(out), overwrite)
        scenario, description = load(file, parameters)
        goal = objective if budget is not None else None
        play = selfish if selfish is not None else budget is None and steering is None
        if not play and budget is None and steering is None:
            raise ValueError("--no-selfish leaves nothing to decide; give --budget or --floors")
        asked = {"budget": budget, "objective": goal, "costs": costs, "movable": movable, "floors": floors}
        known = {name: value for name, value in asked.items() if value is not None}
        origin = facts(file, parameters, description) | {"scenario": scenario.name, "asked": known}
        with located(origin["file"]), breakable():
            moved = {"movable": movable if movable in ("levels", "real") else _names(scenario, movable)}
            for decided in decided_on(
                scenario, origin, budget, objective, _costs(costs), moved, steering, play, starts
            ):
                show(decided)
                if out is not None:
                    _written(decided, out, overwrite or len(decided.parts) > 1)


def decided_on(
    scenario: Scenario,
    origin: dict[str, Any],
    budget: float | None,
    objective: str,
    costs: Any,
    moved: dict[str, Any],
    steering: dict[str, Any] | None,
    selfish: bool,
    starts: int | None,
) -> Iterator[Decided]:
    """Everything that was asked, part by part: each time what there is so far, the newest part last."""
    from ecosystem.core.progress import metered
    from ecosystem.decisions import allocate, equilibrium, steer
    from ecosystem.decisions.decided import Decided

    paid = {} if costs is None else {"costs": costs}
    begun = {} if starts is None else {"starts": starts}
    jobs: dict[str, tuple[str, Callable[[], Any]]] = {}
    if budget is not None:
        job = partial(allocate, scenario, budget, objective=objective, **paid, **begun, **moved)
        jobs["allocation"] = "computing the allocation", job
    if selfish:
        jobs["equilibrium"] = (
            "computing where selfish play ends",
            partial(equilibrium, scenario, **paid, **begun, **moved),
        )
    if steering is not None:
        jobs["steering"] = "computing real data that keep floors", partial(steer, scenario, **steering)
    parts: dict[str, Any] = {}
    for part, (words, job) in jobs.items():
        with metered(True, scenario.name, "parts") as meter:
            meter.phase(words)
            parts[part] = job()
        yield Decided(dict(parts), origin)


def _written(decided: Decided, out: Path, overwrite: bool) -> None:
    """Tables and page of all that there is so far: what comes later is long in coming."""
    from ecosystem.report.decisions import write_decisions

    decided.save(out, overwrite=overwrite)
    say(f"saved in {out}")
    say(f"report in {write_decisions(decided, out / 'decisions.html')}")


def show(decided: Decided) -> None:
    """The first tables of the newest part, then what it means in sentences."""
    from ecosystem.decisions.decided import spoken

    screen = console()
    for part, sentences in list(decided.sentences.items())[-1:]:
        for (owner, name), frame in decided.tables.items():
            if owner == part and name in FIRST:
                frame = frame.rename(columns=spoken) if part == "equilibrium" else frame
                rows = [
                    ["" if value != value else cell(value) for value in row] for row in frame.itertuples(index=False)
                ]
                screen.print(table(f"{decided.settings.get('scenario')}: {part}, {name}", list(frame.columns), rows))
        for sentence in sentences:
            screen.print(f"  {sentence}", highlight=False, markup=False)
        screen.print("")


# -- options -----------------------------------------------------------------------------------------------------------


def _costs(text: str | None) -> Any:
    """``0.1``, or ``a=0.1,b=0.2``."""
    if text is None:
        return None
    return _number("--costs", text) if "=" not in text else _by_name("--costs", text)


def _by_name(option: str, text: str) -> dict[str, float]:
    found = {}
    for part in text.split(","):
        name, equals, value = part.rpartition("=")
        if not equals or not name.strip():
            raise ValueError(f"{option} {text!r}: {part!r} is no NAME=NUMBER")
        found[name.strip()] = _number(option, value)
    return found


def _number(option: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{option}: {text!r} is no number") from None


def _steering(floors: str | None, prices: str | None, real: str | None) -> dict[str, Any] | None:
    if floors is None:
        if prices is not None or real is not None:
            raise ValueError("--prices and --real belong to --floors, such as --floors 6=0.08,7=0.08")
        return None
    if prices is None:
        raise ValueError("--floors needs what a real sample of each symbol costs: --prices 1,1,11,...")
    found = {int(name) if name.isdigit() else name: value for name, value in _by_name("--floors", floors).items()}
    asked: dict[str, Any] = {"floors": found, "costs": [_number("--prices", part) for part in prices.split(",")]}
    if real is not None:
        ends = [_number("--real", part) for part in real.split(":")]
        asked["real"] = tuple(ends) if len(ends) == 2 else ends
    return asked


def _names(scenario: Scenario, text: str) -> list[str]:
    names = [text] if text in scenario.graph else [part.strip() for part in text.split(",") if part.strip()]
    unknown = [name for name in names if name not in scenario.graph]
    if unknown or not names:
        wrong = f"there is no member {unknown[0]!r}" if unknown else "it names nobody"
        near = meant_among(unknown[0] if unknown else "", scenario.names, "say levels, real, or members by commas")
        raise ValueError(f"--movable {text!r}: {wrong}{near}")
    return names


def _check_folder(folder: Path, overwrite: bool) -> None:
    """Refuse a folder in which earlier decisions, or what is somebody else's, would be overwritten."""
    from ecosystem.core.storage import refuse_foreign
    from ecosystem.decisions.decided import FACTS, FOLDER, check_place

    check_place(folder, overwrite)
    ours = ("run.json", "study.json", f"{FOLDER}/{FACTS}", "influence/influence.json")
    refuse_foreign(folder, "holds nothing of an ecosystem; choose another folder", ours)
