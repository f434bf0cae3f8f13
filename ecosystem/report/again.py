"""All that is needed to run it again: the command, settings, digests of what it began with, members and flows."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ecosystem.core.words import listed, shortened
from ecosystem.report.blocks import Code, Section, Table, Words
from ecosystem.report.tables import pairs, table
from ecosystem.running.run import Run

LETTERS = 2000  # of one setting


def section(run: Run) -> Section:
    """The last section of a run's page."""
    blocks: list[Any] = []
    if run.settings.get("command"):
        words = "The same command, on the same machine with the same versions, gives the same tables."
        blocks += [Words(words), Code(str(run.settings["command"]))]
    blocks.append(pairs("settings", "Settings of this run.", _settings(run.settings)))
    if run.measured:
        tables = listed(f"{name} ({len(getattr(run, name)):,} rows)" for name in run.measured)
        blocks.append(Words(f"Measures of its own have tables in the saved run: {tables}.", soft=True))
    words = "Members as the scenario declares them, with the shares of the first round."
    blocks.append(table("members", run.members, words, lift=True))
    words = (
        "Flows as the scenario declares them, as shares of the target’s training set in the first round; one that "
        "comes later has those that it comes with."
    )
    flows = run.flows.drop(columns="there", errors="ignore")  # the words later say it
    return Section("again", "Run it again", [*blocks, table("flows", flows, words, lift=True)])


def training(run: Run) -> list[Table]:
    """How models are trained, a row a plan."""
    rows = [{**row, "members": listed(row["members"])} for row in run.settings.get("training") or ()]
    caption = "How models are trained each time their member retrains."
    return [table("training", pd.DataFrame(rows), caption)] if rows else []


def _settings(settings: dict[str, Any]) -> list[tuple[str, str]]:
    """Everything that says which run this was, one fact a row."""
    known = ("scenario", "file", "rounds", "samples", "ordering")
    rows = [(key, settings[key]) for key in known if key in settings]
    rows += [(f"parameter {key}", value) for key, value in (settings.get("parameters") or {}).items()]
    rows.append(("seeds", _seeds(settings.get("seeds") or [])))
    rows += [(f"digest of {what}", found) for what, found in (settings.get("digests") or {}).items() if found]
    versions = settings.get("versions") or {}
    rows.append(("versions", ", ".join(f"{key} {value}" for key, value in versions.items())))
    population = ("samples", "none: the population itself")
    return [population if row == ("samples", None) else (row[0], shortened(row[1], LETTERS)) for row in rows]


def _seeds(pairs: list[Any]) -> str:
    """Seeds with their replicates, runs of consecutive ones as ranges."""
    by_seed: dict[Any, list[int]] = {}
    for seed, replicate in pairs:
        by_seed.setdefault(seed, []).append(int(replicate))
    words = []
    for seed, found in by_seed.items():
        ordered = sorted(found)
        consecutive = ordered == list(range(ordered[0], ordered[-1] + 1)) and len(ordered) > 1
        listing = f"{ordered[0]}–{ordered[-1]}" if consecutive else ", ".join(map(str, ordered))
        words.append(f"seed {seed}, replicate{'' if len(ordered) == 1 else 's'} {listing}")
    return "; ".join(words)
