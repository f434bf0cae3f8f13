"""The report of a study: one HTML file that needs nothing else, for a colleague who was not there.

    write_study(Study.load("runs/map"), "runs/map/report.html")

It opens with what was varied and what came out, in plain words and a table, then shows alignment and influence over the
parameters, what failed and where, and the points; it closes with the code that reads all of it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ecosystem.core.words import shortened
from ecosystem.report import assembly, study_charts, study_settings, study_tables
from ecosystem.report.blocks import Code, Page, Section, Sentences, Words
from ecosystem.report.glossary import EFFECTS, STUDY, glossary
from ecosystem.report.tables import duration, pairs
from ecosystem.study.outcomes import effects, failing, settling, story
from ecosystem.study.outcomes.cautions import cautions
from ecosystem.study.outcomes.subject import Subject
from ecosystem.study.results import Results

SEEDS = 12  # that are listed


def write_study(results: Results, path: str | Path, sensitivity: bool = False, when: str | None = None) -> Path:
    """Write the report of a study, finished or not, as one HTML file; makes its folder; returns the path.

    With ``sensitivity`` it has a section about which settings matter, where the design is made for it always; in it
    stands in which boxes the condition ``when`` holds, as of ``results.discover``.
    """
    return assembly.write(path, _page(results, sensitivity, when))


def render_study(results: Results, sensitivity: bool = False, when: str | None = None) -> str:
    """The report as HTML; everything that comes from the study is escaped."""
    return assembly.render(_page(results, sensitivity, when))


def _page(results: Results, sensitivity: bool, when: str | None) -> Page:
    subject = Subject(results)
    found = effects.effects(subject)
    sampled = sensitivity or when is not None or results.facts.sampled is not None
    settings = study_settings.settings(results, subject, when) if sampled else None
    sections = [
        _verdict(subject),
        settings,
        study_charts.alignment(results, subject, shares=settings is None),
        None if found is None else _influence(results, subject, found),
        _stable(results, subject),
        study_charts.measures(results, subject),
        _failures(results, subject),
        _points(results, subject),
        Section("again", "Where these numbers come from", [pairs("settings", "This study.", _settings(subject))]),
    ]
    told = results.verdicts
    return Page(
        results.name,
        "report of a study",
        story.headline(subject, found),
        [section for section in sections if section is not None],
        _notices(results, subject),
        subject.sweep.sentence,
        _facts(results, subject),
        glossary(*STUDY, *(() if found is None else EFFECTS)),
        [verdict.name for verdict in story.chosen(subject)],
        dict(zip(told["member"].head(1000), told["sentence"], strict=False)),
    )


def _verdict(subject: Subject) -> Section:
    """Who gets what its users like, and where: a table, sentences, and how far to trust them."""
    silence = story.silence(subject)[1]
    blocks: list = [Words(silence)] if silence else [study_tables.verdicts(subject)]
    if sentences := story.sentences(subject):
        blocks.append(Sentences([_held(words) for words in sentences]))
    blocks += [Words(_held(words), soft=True) for words in cautions(subject)]
    return Section("verdict", "Who gets what its users like, and where", blocks)


def _influence(results: Results, subject: Subject, found: effects.Effects) -> Section:
    """Where curation backfires, and whom it harms."""
    note = (
        "Effects are derivatives at the stable point, per unit of curated share: a hundredth of them is what one "
        "percentage point more curation does."
    )
    blocks = [Sentences([_held(words) for words in effects.sentences(subject, found)]), Words(note, soft=True)]
    drawn = study_charts.over(results, subject, {"influence": found.values}, "influence")
    return Section("influence", "Where curation backfires, and whom it harms", [*blocks, *drawn])


def _stable(results: Results, subject: Subject) -> Section | None:
    """Where stable points are, and where the dynamics go."""
    told = settling.sentences(subject)
    if not told:
        return None
    blocks = [Sentences([_held(words) for words in told]), *study_charts.stable(results, subject)]
    return Section("stable", "Where the network settles", blocks)


def _failures(results: Results, subject: Subject) -> Section | None:
    """What failed, where, and how to compute it again."""
    if subject.failures.empty:
        return None
    again = f"study.run({str(results.folder)!r}, retry=True)"
    blocks = [Sentences(failing.sentences(subject)), study_tables.kinds(subject), study_tables.failures(subject)]
    if (subject.failures["kind"] != "diverged").any():
        why = "To compute the points that raised or were lost once more (those that diverged would do it again):"
    else:
        why = "All of them diverged, which is a result: trying again computes only points that raised or were lost."
    return Section("failures", "What failed", [*blocks, Words(why), Code(again)])


def _points(results: Results, subject: Subject) -> Section:
    """The points with what came of them, and the code that gets all of it into pandas."""
    blocks = [study_tables.points(subject), Words("All of them, in pandas:"), Code(_code(results, subject))]
    return Section("points", "Points", blocks)


def _notices(results: Results, subject: Subject) -> list[str]:
    """What a reader must know before believing a number."""
    progress, notices = results.progress(), []
    if not results.finished:
        notices.append(
            f"This study is not finished: {progress.done:,} of {progress.points:,} points and {progress.finished:,} of "
            f"{progress.blocks:,} blocks are computed. All below is about what is; running it again goes on."
        )
    if progress.failed:
        notices.append(failing.notice(subject))
    for accepted in results.facts.accepted:
        changes = "; ".join(map(str, accepted.get("changes", [])))
        notices.append(f"On {str(accepted.get('when', ''))[:10]} the study went on although {changes}.")
    return notices


def _facts(results: Results, subject: Subject) -> list[tuple[str, str]]:
    """The study in a few numbers."""
    progress = results.progress()
    done = f"{progress.points:,}" if progress.done == progress.points else f"{progress.done:,} of {progress.points:,}"
    facts = [("points", done), ("seeds a point", f"{len(results.seeds):,}")]
    if progress.failed:
        facts.append(("points failed", f"{progress.failed:,}"))
    if subject.alignment is not None:
        facts.append(("members with a taste", f"{len(subject.alignment.members):,}"))
        last = np.unique(subject.alignment.rounds[subject.alignment.rounds >= 0])
        if len(last):
            facts.append(("last round", f"{last[0]:,}" if len(last) == 1 else f"{last[0]:,} to {last[-1]:,}"))
    seconds = float(results["blocks"]["seconds"].sum()) if progress.finished else 0.0
    return [*facts, ("computing time", duration(seconds)), ("begun", results.facts.created[:10])]


def _settings(subject: Subject) -> list[tuple[str, str]]:
    """Everything that is needed to know what these numbers come from, one fact a row."""
    results, sweep = subject.results, subject.sweep
    made = results.facts.identity
    rows = [("study", results.facts.name), ("scenarios built by", str(made["build"]["name"]))]
    rows.append(("its code", str(made["build"]["code"])))
    rows += [(f"varied: {shortened(p.name)}", p.told) for p in sweep.swept]
    rows += [(f"fixed: {shortened(name)}", shortened(value, 80)) for name, value in sweep.fixed]
    told = ", ".join(str(seed) if not replicate else f"{seed}.{replicate}" for seed, replicate in results.seeds[:SEEDS])
    rows.append(("seeds", told + (f" and {len(results.seeds) - SEEDS} more" if len(results.seeds) > SEEDS else "")))
    rows.append(("tables", ", ".join(["points", *results.tables])))
    rows += [(f"code of {shortened(name)}", str(code)) for name, code in made["measures"].items()]
    kept = ", ".join(f"{key} {shortened(value, 60)}" for key, value in made["record"].items() if value)
    rows += [("kept of each run", kept)] if kept else []
    rows += [("first point’s content", str(made["point"]["numbers"]))] if "numbers" in made.get("point", {}) else []
    rows.append(("begun", results.facts.created))
    return [*rows, ("versions", ", ".join(f"{key} {value}" for key, value in made["versions"].items()))]


def _code(results: Results, subject: Subject) -> str:
    """Lines of Python that give a table with a row a point and the alignment at the end of every member."""
    lines = ["from ecosystem.study import Study", "", f"results = Study.load({str(results.folder)!r})"]
    found = subject.alignment
    if found is None:
        return "\n".join([*lines, "points = results.points  # a row a point; results.failures says what failed"])
    if found.table != "rounds":
        lines.append(f'ends = results.read("{found.table}", ["point", "member", "alignment"])')
    else:
        wanted = '["point", "seed", "replicate", "round", "member", "alignment"]'
        lines.append(f'rounds = results.read("rounds", {wanted})')
        if (subject.failures["kind"] == "diverged").any():
            lines += [
                'gone = results.failures.query("kind == \'diverged\'")[["point", "seed", "replicate"]].astype(int)',
                'rounds = rounds.merge(gone.drop_duplicates(), how="left", indicator="diverged")',
                'rounds = rounds[rounds["diverged"] == "left_only"]',
            ]
        lines.append('ends = rounds[rounds["round"] == rounds.groupby("point")["round"].transform("max")]')
    lines += [
        'mean = ends.groupby(["point", "member"], observed=True)["alignment"].mean().unstack()',
        'table = results.points.join(mean.add_prefix("alignment of "), on="point")',
        "# results.verdicts, results.plot.curves(), results.plot.map(): the verdicts and charts of this page",
    ]
    return "\n".join(lines)


def _held(words: str) -> str:
    """Numbers stay with their units at the ends of lines."""
    return words.replace(" %", "\N{NO-BREAK SPACE}%")
