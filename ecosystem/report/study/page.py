"""The report of a study: one HTML file that needs nothing else, for a colleague who was not there.

    write_study(Study.load("runs/map"), "runs/map/report.html")

It opens with what was varied and what came out, in plain words and a table, then shows alignment and influence over the
parameters, what failed and where, and the points; it closes with the code that reads all of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ecosystem.report import look, parts
from ecosystem.report.study import effects, failures, stable, story, trust, verdicts
from ecosystem.report.study.figures import figures
from ecosystem.report.study.points import code, points_table
from ecosystem.report.study.subject import Subject
from ecosystem.study.results import Results


def write_study(results: Results, path: str | Path) -> Path:
    """Write the report of a study, finished or not, as one HTML file; makes its folder; returns the path."""
    return parts.written(path, render_study(results))


def render_study(results: Results) -> str:
    """The report as HTML; everything that comes from the study is escaped."""
    subject = Subject(results)
    found = effects.effects(subject)
    headline = story.headline(subject, "" if found is None else effects.headline(found))
    return parts.template("study.html.j2").render(
        title=results.name,
        headline=headline,
        notices=_notices(subject),
        design=subject.sweep.sentence,
        facts=_facts(subject),
        verdicts=None if subject.final is None else verdicts.table(subject),
        silence=story.silence(subject)[1],
        sentences=[_held(words) for words in story.sentences(subject)],
        cautions=trust.cautions(subject),
        figures=_alignment(subject),
        effects=None if found is None else _effects(subject, found),
        stable=_stable(subject),
        failures=failures.section(subject),
        points=points_table(subject),
        code=code(subject),
        folder=repr(str(results.folder)),
        settings=_settings(subject),
        influence=found is not None,
    )


def _alignment(subject: Subject) -> list[dict[str, str]]:
    """Alignment over the parameters; heat maps show how far it is from real data alone, or the start."""
    if subject.final is None:
        return []
    on_map = subject.change or subject.final
    return figures(subject, subject.final, on_map, "alignment", "Alignment")


def _effects(subject: Subject, found: effects.Effects) -> dict[str, Any]:
    """Influence of curation over the parameters."""
    return {
        "sentences": [_held(words) for words in effects.sentences(subject, found)],
        "figures": figures(subject, found.values, found.values, "influence", "Influence"),
    }


def _stable(subject: Subject) -> dict[str, Any] | None:
    """Where stable points are, and where the dynamics go."""
    found = stable.stable(subject)
    if found is None:
        return None
    quantity = stable.quantity(subject, found)
    drawn = [] if quantity is None else figures(subject, quantity, quantity, "stable", "Stable points")
    return {"sentences": [_held(words) for words in stable.sentences(subject, found)], "figures": drawn}


def _notices(subject: Subject) -> list[str]:
    """What a reader must know before believing a number."""
    progress, notices = subject.progress, []
    if not subject.results.finished:
        notices.append(
            f"This study is not finished: {progress.done:,} of {progress.points:,} points and {progress.finished:,} of "
            f"{progress.blocks:,} blocks are computed. All below is about what is; running it again goes on."
        )
    if progress.failed:
        notices.append(failures.notice(subject))
    for accepted in subject.results.facts.accepted:
        changes = "; ".join(map(str, accepted.get("changes", [])))
        notices.append(f"On {str(accepted.get('when', ''))[:10]} the study went on although {changes}.")
    return notices


def _facts(subject: Subject) -> list[tuple[str, str]]:
    """The study in a few numbers."""
    results, progress = subject.results, subject.progress
    done = f"{progress.points:,}" if progress.done == progress.points else f"{progress.done:,} of {progress.points:,}"
    facts = [("points", done), ("seeds a point", f"{len(results.seeds):,}")]
    if progress.failed:
        facts.append(("points failed", f"{progress.failed:,}"))
    if subject.alignment is not None:
        facts.append(("members with a taste", f"{len(subject.alignment.members):,}"))
        last = np.unique(subject.alignment.rounds[subject.alignment.rounds >= 0])
        if len(last):
            facts.append(("last round", f"{last[0]:,}" if len(last) == 1 else f"{last[0]:,} to {last[-1]:,}"))
    seconds = float(results.blocks["seconds"].sum()) if progress.finished else 0.0
    return [*facts, ("computing time", _duration(seconds)), ("begun", results.facts.created[:10])]


def _duration(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 90:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _settings(subject: Subject) -> list[tuple[str, str]]:
    """Everything that is needed to know what these numbers come from, one fact a row."""
    results, sweep = subject.results, subject.sweep
    made = results.facts.identity
    rows = [("study", results.name), ("scenarios built by", str(made["build"]["name"]))]
    rows += [(f"varied: {look.shortened(p.name)}", p.told) for p in sweep.swept]
    rows += [(f"fixed: {look.shortened(name)}", look.shortened(value, 80)) for name, value in sweep.fixed]
    seeds = results.seeds
    told = ", ".join(str(seed) if not replicate else f"{seed}.{replicate}" for seed, replicate in seeds[:12])
    rows.append(("seeds", told + (f" and {len(seeds) - 12} more" if len(seeds) > 12 else "")))
    rows.append(("tables", ", ".join(["points", *results.tables])))
    rows.append(("begun", results.facts.created))
    return [*rows, ("versions", ", ".join(f"{key} {value}" for key, value in made["versions"].items()))]


def _held(words: str) -> str:
    """Numbers stay with their units at the ends of lines."""
    return words.replace(" %", "\N{NO-BREAK SPACE}%")
