"""The report of a run: one HTML file that needs nothing else, for a colleague who was not there.

    write_report(run, "runs/digits/report.html")

It opens with what happened in plain words and a table of verdicts, then shows the figures of
`ecosystem.report.plots`, each in a wide and a narrow drawing (the browser takes the one that fits), and closes
with all that is needed to run it again.
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ecosystem.core.words import counted, number
from ecosystem.report import captions, look, parts, pictures, plots
from ecosystem.report.choices import chosen
from ecosystem.report.influence.section import section
from ecosystem.report.sources import judged
from ecosystem.report.texts import texts
from ecosystem.running import verdicts

if TYPE_CHECKING:
    from ecosystem.influence.findings import Findings
    from ecosystem.running.run import Run

EXTREMES = 6  # members at either end of the list, where there are too many for a row each


def write_report(run: "Run", path: str | Path, findings: "Findings | None" = None) -> Path:
    """Write the report of a run, finished or not, as one HTML file; makes its folder; returns the path.

    With findings of an influence analysis of the same scenario, the page has a section on them.
    """
    return parts.written(path, render(run, findings))


def render(run: "Run", findings: "Findings | None" = None) -> str:
    """The report as HTML; everything that comes from the run is escaped."""
    table = verdicts.outcomes(run)
    settings = run.settings
    return parts.template("report.html.j2").render(
        title=settings.get("scenario", "scenario"),
        headline=verdicts.headline(run, table),
        description=parts.paragraphs(str(settings.get("description") or "")),
        notices=_notices(run),
        facts=_facts(run),
        verdicts=_verdicts(run, table),
        figures=_figures(run, table),
        texts=texts(run),
        workings=_workings(run),
        changes=_changes(run),
        failures=parts.listed(run.failures),
        command=settings.get("command", ""),
        settings=_settings(settings),
        members=parts.listed(
            run.members, "Members as the scenario declares them, with the shares of the first round.", lift=True
        ),
        flows=parts.listed(
            run.flows.drop(columns="there", errors="ignore"),  # the words later say it
            "Flows as the scenario declares them, as shares of the target’s training set in the first round; "
            "one that comes later has those that it comes with.",
            lift=True,
        ),
        colours={} if len(table) > look.MANY else {name: style.colour for name, style in look.styles(run).items()},
        influence=None if findings is None else section(findings),
    )


def _notices(run: "Run") -> list[str]:
    """What a reader must know before believing a number: interruption, divergence."""
    notices = []
    settings = run.settings
    if not settings.get("finished", True):
        done, planned = settings.get("completed", "?"), settings.get("rounds", "?")
        how = "is under way: this page was written" if settings.get("under way") else "was interrupted"
        notices.append(f"This run {how} after {done} of {planned} rounds; all below is what was recorded until then.")
    failed, total = len(run.failures[verdicts.KEYS].drop_duplicates()), verdicts.replicates(run)
    if failed:
        left = (
            "none is left to judge by"
            if failed >= total
            else f"{'it is' if failed == 1 else 'they are'} left out of all means"
        )
        notices.append(f"{failed} of {total} replicates diverged; {left} (see “What went wrong”).")
    return notices


def _facts(run: "Run") -> list[tuple[str, str]]:
    """The run in six numbers."""
    settings = run.settings
    samples = settings.get("samples")
    seconds = settings.get("seconds")
    facts = [
        ("members", f"{len(run.members):,}"),
        ("flows", f"{len(run.flows):,}"),
        ("rounds", str(settings.get("completed", settings.get("rounds", "?")))),
        ("samples per member and round", "population (no sampling)" if samples is None else f"{samples:,}"),
        ("replicates", f"{verdicts.replicates(run):,}"),
        ("order of updates", str(settings.get("ordering", "?"))),
    ]
    return facts + ([("time", _duration(float(seconds)))] if seconds is not None else [])


def _duration(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 90:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _verdicts(run: "Run", table: pd.DataFrame) -> dict[str, Any]:
    """The table of verdicts: every member, or those at either end where there are many."""
    interval = bool(table["error"].notna().any())
    shown, many = table, len(table) > look.MANY
    if many:
        ranked = table.sort_values("change", ascending=False)
        ranked = ranked[ranked["change"].notna()]
        shown = pd.concat([ranked.head(EXTREMES), ranked.tail(EXTREMES)]).drop_duplicates("member")
    begin, end = table["first"].min(), table["last"].max()
    caption = "Alignment: how much a member’s users like what it generates"
    if np.isfinite(begin):
        caption += f", in round {begin:.0f} (start) and round {end:.0f} (end)"
        caption += ", mean over replicates" if interval else ""
    caption += "; alone: if nobody had read anybody. The change is that from alone to the end."
    if many:
        caption += f" The {EXTREMES} members that gained most and the {EXTREMES} that lost most."
    return {
        "caption": caption,
        "columns": ["Member", "Its users like", "Curated", "Start", "Alone", "End", "Change", "Verdict"],
        "rows": [_verdict(row) for row in shown.to_dict("records")],
        "notes": _cautions(run, table, interval),
    }


def _verdict(row: dict[Any, Any]) -> dict[str, str]:
    """One row in words; as many digits as the uncertainty (or the change itself) makes meaningful."""
    scale = row["error"] if row["error"] > 0 else row["change"]
    digits = {"scale": scale, "digits": 2 if row["error"] > 0 else 3}
    change = number(row["change"], sign=True, **digits)
    if np.isfinite(row["high"]):
        change += f" ± {number(row['high'] - row['change'], **digits)}"
    reward = str(row["reward"])
    alone = "as it began" if row["against"] == verdicts.START else number(row["alone"], **digits)
    return {
        "member": str(row["member"]),
        "likes": "–" if reward == "none" else look.shortened(reward, 48),
        "curated": look.percent(float(row["curation"])),
        "start": number(row["start"], **digits),
        "alone": alone,
        "end": number(row["end"], **digits),
        "change": change,
        "interval": f"{number(row['low'], sign=True, **digits)} to {number(row['high'], sign=True, **digits)}"
        if np.isfinite(row["low"])
        else "",
        "kind": str(row["kind"]),
        "words": row["words"],
    }


def _cautions(run: "Run", table: pd.DataFrame, interval: bool) -> list[str]:
    """How far the verdicts can be trusted."""
    notes = []
    if not table["change"].notna().any():
        return notes
    notes += _alone(run, table)
    if interval:
        notes.append(
            "± is half the 95 % interval of the mean over replicates (Student’s t). A member gained or lost if that "
            f"leaves zero out, and {verdicts.ENOUGH} replicates or more say so; no clear change means that it does not "
            "say, not that there is none."
        )
        if table["replicates"].max() < verdicts.ENOUGH:
            count = counted(int(table["replicates"].max()), "replicate")
            notes.append(f"{count.capitalize()} make an interval, not a verdict: run it with --replicates 20 or so.")
        if len(table) > 10:
            notes.append("At 95 %, about one unchanged member in twenty shows up as changed by chance alone.")
    elif verdicts.exact(run):
        notes.append("A population run has no chance in it: changes are exact and need no interval.")
    elif verdicts.population(run):
        notes.append(
            "The order or a clock is random, and this is one draw of it: another might end elsewhere, so no verdict is "
            "given. More replicates draw it anew: run it with --replicates 20 or so."
        )
    else:
        notes.append("There is one replicate, so nothing can be said about chance: no interval is given.")
    if table.loc[table["change"].notna(), "reward"].nunique() > 1:
        notes.append(
            "Each taste has a scale of its own: changes of members with different tastes cannot be compared in size."
        )
    return notes


def _alone(run: "Run", table: pd.DataFrame) -> list[str]:
    """What members are compared with."""
    if run.baseline.empty:
        return ["What members would be alone was not recorded, so the change is that from the start."]
    return [sentence for kind, sentence in verdicts.ALONE.items() if (table["against"] == kind).any()]


def _figures(run: "Run", table: pd.DataFrame) -> list[dict[str, str]]:
    """Who learns from whom and what came of it: all figures that this run has something for, with their words."""
    figures = [
        _figure(run, "coupling", "Who learns from whom", captions.coupling(run)),
        _figure(run, "diets", "What each member trains on", captions.diets(run)),
    ]
    if table["change"].notna().any():
        figures.append(_figure(run, "alignment", "Alignment over rounds", captions.alignment(run, table)))
    for column in plots.measures(run):
        title = f"{column.replace('_', ' ').capitalize()} over rounds"
        draw = partial(plots.measured, column=column)
        figures.append(parts.figure(run, f"measured-{column}", title, draw, captions.measured(run, column)))
    titles = {
        "images": "What they draw",
        "clouds": "Where their samples lie",
        "symbols": "Which symbols they write",
    }
    for kind, title in titles.items():
        if pictures.drawable(run, kind):
            figures.append(_figure(run, kind, title, captions.samples(run, kind), pixels=kind == "clouds"))
    return figures


def _workings(run: "Run") -> list[dict[str, str]]:
    """How it came about: what users chose, what they think of training data, how far models moved; where recorded."""
    figures = []
    if chosen(run):
        figures.append(_figure(run, "choices", "What users’ choices change", captions.choices(run)))
    if len(judged(run)):
        figures.append(_figure(run, "sources", "What users think of the training data", captions.sources(run)))
    if (run.rounds["change"].astype(float) > 0).any():
        figures.append(_figure(run, "change", "How much the models still move", captions.change(run)))
    return figures


def _figure(run: "Run", name: str, title: str, words: tuple[str, str], pixels: bool = False) -> dict[str, str]:
    return parts.figure(run, name, title, getattr(plots, name), words, pixels)


def _changes(run: "Run") -> dict[str, Any]:
    """Changes that several replicates made in the same round are one row with their number."""
    keys = ["round", "subject", "what", "before", "after"]
    if run.changes.empty:
        return parts.listed(run.changes)
    texts = run.changes.assign(**{key: run.changes[key].astype(str) for key in keys[1:]})
    counts = texts.groupby(keys, sort=True).size().reset_index(name="replicates")
    total = verdicts.replicates(run)
    return parts.listed(counts.assign(replicates=[f"{count} of {total}" for count in counts["replicates"]]))


def _settings(settings: dict[str, Any]) -> list[tuple[str, str]]:
    """Everything needed to run it again, one fact a row."""
    known = ("scenario", "file", "rounds", "samples", "ordering")
    rows = [(key, str(settings[key])) for key in known if key in settings]
    rows += [(f"parameter {key}", str(value)) for key, value in (settings.get("parameters") or {}).items()]
    rows.append(("seeds", _seeds(settings.get("seeds") or [])))
    versions = settings.get("versions") or {}
    rows.append(("versions", ", ".join(f"{key} {value}" for key, value in versions.items())))
    return [
        (key, "none: the population itself" if (key, value) == ("samples", "None") else value) for key, value in rows
    ]


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
