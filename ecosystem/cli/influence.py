"""``ecosystem influence``: what more curation at one member would do to every other, exactly."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecosystem.cli.errors import errors
from ecosystem.cli.given import Debug, Device, File, Settings, Threads, facts, load
from ecosystem.cli.leaving import breakable
from ecosystem.cli.loading import located, parse_settings
from ecosystem.cli.report import rewrite
from ecosystem.cli.terminal import SHOWN, cell, console, say, table
from ecosystem.core.arguments import meant_among

if TYPE_CHECKING:
    from ecosystem.influence.findings import Findings
    from ecosystem.scenario import Scenario

HOPS = 8


def influence(
    file: File,
    settings: Settings = None,
    sources: Annotated[
        str | None, typer.Option(metavar="A,B", help="Whose curation is varied; else everybody's.")
    ] = None,
    targets: Annotated[
        str | None, typer.Option(metavar="A,B", help="Whose alignment answers; else everybody's.")
    ] = None,
    hops: Annotated[int, typer.Option(min=0, help="Follow influence for so many hops.")] = HOPS,
    knock_out: Annotated[bool, typer.Option("--knock-out", help="Solve again without each flow (slow).")] = False,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Save the analysis and a report.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the analysis in FOLDER.")] = False,
    threads: Threads = 1,
    device: Device = None,
    debug: Debug = False,
) -> None:
    """Compute the influence of curation; say who gains and who pays."""
    with errors(debug):
        import torch

        from ecosystem.core.storage import named

        torch.set_num_threads(threads)
        parameters = parse_settings(settings or ())
        if out is not None:
            _check_folder(out := named(out), overwrite)
        scenario, description = load(file, parameters)
        if out is not None:
            _check_same(out, scenario, parameters)
        findings = analysed(
            scenario,
            facts(file, parameters, description),
            sources=_names(scenario, "--sources", sources),
            targets=_names(scenario, "--targets", targets),
            hops=hops,
            knock_out=knock_out,
            device=device,
        )
        if out is not None:
            findings.save(out, overwrite=overwrite)
        show_findings(findings)
        if out is not None:
            say(f"saved in {out}")
            rewrite(out, out / "report.html")


def analysed(
    scenario: Scenario,
    origin: dict[str, Any],
    *,
    sources: list[str] | None = None,
    targets: list[str] | None = None,
    hops: int = HOPS,
    knock_out: bool = False,
    device: str | None = None,
) -> Findings:
    """The influence analysis of a scenario, with the facts that a report needs to say where it came from."""
    from ecosystem.core.progress import metered
    from ecosystem.influence import influence

    with located(origin["file"]), breakable(), metered(True, scenario.name, "members") as meter:
        meter.phase("computing influence")
        findings = influence(scenario, sources=sources, targets=targets, device=device).findings(
            hops=hops, knock_out=knock_out
        )
    return replace(findings, settings=findings.settings | origin)


def show_findings(findings: Findings) -> None:
    """The table of influence, then what it means in sentences."""
    from ecosystem.influence.sentences import VERDICTS, effects, verdicts
    from ecosystem.influence.story import UNIT, headline, story

    words = [VERDICTS[verdict] for verdict in verdicts(findings)]
    found = findings.influence.assign(effect=effects(findings), verdict=words)
    if len(found) > SHOWN:
        found = found.sort_values("effect")
    header = ("target", "source", "kind", "effect", "isolated", "amplification", "network", "verdict")
    rows = [
        ["" if value != value else cell(value) for value in row] for row in found[list(header)].itertuples(index=False)
    ]
    screen = console()
    screen.print(table(f"{findings.settings.get('scenario')}: influence of curation", header, rows))
    # chapters say of every effect what the headline would
    screen.print(headline(findings) if found.empty else UNIT, highlight=False, markup=False)
    for title, sentences in story(findings):
        screen.print(f"\n{title}", style="bold", highlight=False, markup=False)
        for sentence in sentences:
            screen.print(f"  {sentence}", highlight=False, markup=False)


def _names(scenario: Scenario, option: str, text: str | None) -> list[str] | None:
    """The members that an option names, by commas unless the whole of it is a name."""
    if text is None:
        return None
    names = [text] if text in scenario.graph else [part.strip() for part in text.split(",") if part.strip()]
    unknown = [name for name in names if name not in scenario.graph]
    if unknown or not names:
        known = ", ".join(scenario.names[:12]) + (", ..." if len(scenario.names) > 12 else "")
        wrong = f"there is no member {', '.join(map(repr, unknown))}" if unknown else "it names nobody"
        near = meant_among(unknown[0] if unknown else "", scenario.names, f"there are {known}")
        raise ValueError(f"{option} {text!r}: {wrong}{near}")
    return list(dict.fromkeys(names))


def _check_folder(folder: Path, overwrite: bool) -> None:
    """Refuse a folder in which earlier findings, or what is neither run nor findings, would be overwritten."""
    from ecosystem.core.storage import refuse_foreign
    from ecosystem.influence.findings import check_place, saved_in

    check_place(folder, overwrite)
    if not saved_in(folder):
        refuse_foreign(folder, "holds neither a run nor an influence analysis; choose another folder", ("run.json",))


def _check_same(folder: Path, scenario: Scenario, parameters: dict[str, Any]) -> None:
    """Refuse to put findings beside the run of another scenario: its report would speak of two."""
    from ecosystem.core.storage import found
    from ecosystem.running.run import Run, is_run

    if not is_run(found(folder)):
        return
    run, tables = Run.load(folder), scenario.describe()
    theirs = run.settings.get("parameters")
    keys = {"members": ["member", "curation", "real"], "flows": ["source", "target", "raw", "curated"]}
    same = all(
        getattr(run, name)[columns].astype(str).equals(tables[name][columns].astype(str))
        for name, columns in keys.items()
    )
    if same and theirs in (None, json.loads(json.dumps(parameters, default=str))):  # as they were saved
        return
    settings = ", ".join(f"{name}={value}" for name, value in (theirs or {}).items()) or "no --set"
    raise ValueError(
        f"{folder} holds a run of another scenario (with {settings}); choose another folder or these settings"
    )
