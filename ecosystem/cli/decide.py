"""``ecosystem decide``: what a budget is best spent on, where selfish play ends, which real data keep floors."""

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
    starts: Annotated[int, typer.Option(min=1, help="From how many starts selfish play is looked at.")] = 6,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Save the tables and a report.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the decisions in FOLDER.")] = False,
    threads: Threads = 1,
    debug: Debug = False,
) -> None:
    """Say what a budget is best spent on, where selfish play ends, or which real data keep floors."""
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
        asked = {"budget": budget, "objective": goal, "costs": costs, "movable": movable, "floors": floors}
        known = {name: value for name, value in asked.items() if value is not None}
        origin = facts(file, parameters, description) | {"scenario": scenario.name, "asked": known}
        with located(origin["file"]), breakable():
            moved = {"movable": movable if movable in ("levels", "real") else _names(scenario, movable)}
            decided = decided_on(scenario, origin, budget, objective, _costs(costs), moved, steering, starts)
        show(decided)
        if out is not None:
            from ecosystem.report.decisions import write_decisions

            decided.save(out, overwrite=overwrite)
            say(f"saved in {out}")
            say(f"report in {write_decisions(decided, out / 'decisions.html')}")


def decided_on(
    scenario: Scenario,
    origin: dict[str, Any],
    budget: float | None,
    objective: str,
    costs: Any,
    moved: dict[str, Any],
    steering: dict[str, Any] | None,
    starts: int,
) -> Decided:
    """Everything that was asked: an allocation with a budget, steering with floors, selfish play unless only that."""
    from ecosystem.decisions import equilibrium, steer
    from ecosystem.decisions.decided import Decided

    parts: dict[str, Any] = {}
    if budget is not None:
        from ecosystem.decisions import allocate

        paid = {} if costs is None else {"costs": costs}
        parts["allocation"] = allocate(scenario, budget, objective=objective, **paid, **moved)
    if budget is not None or steering is None:
        parts["equilibrium"] = equilibrium(scenario, costs=0.0 if costs is None else costs, starts=starts, **moved)
    if steering is not None:
        parts["steering"] = steer(scenario, **steering)
    return Decided(parts, origin)


def show(decided: Decided) -> None:
    """The first tables of every part, then what it means in sentences."""
    screen = console()
    for part, sentences in decided.sentences.items():
        for (owner, name), frame in decided.tables.items():
            if owner == part and name in FIRST:
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
        raise ValueError(f"--movable {text!r}: {wrong}; say levels, real, or members by commas")
    return names


def _check_folder(folder: Path, overwrite: bool) -> None:
    """Refuse a folder in which earlier decisions, or what is somebody else's, would be overwritten."""
    from ecosystem.core.storage import refuse_foreign
    from ecosystem.decisions.decided import FACTS, FOLDER, check_place

    check_place(folder, overwrite)
    ours = ("run.json", "study.json", f"{FOLDER}/{FACTS}", "influence/influence.json")
    refuse_foreign(folder, "holds nothing of an ecosystem; choose another folder", ours)
