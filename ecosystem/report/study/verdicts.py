"""What a study says about each member: where it ends, where best and worst, and what it would be alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecosystem.core.words import called
from ecosystem.report import look
from ecosystem.report.study.subject import Subject
from ecosystem.study.outcomes.judging import Verdict
from ecosystem.study.outcomes.verdicts import with_error

TOLD = 12  # members with a row of their own
WORDS = {
    "gains": "gains",
    "loses": "loses",
    "both": "gains and loses",
    "unclear": "no clear change",
    "still": "no difference",
    "varies": "",  # nothing to compare with was kept
    "single": "",
    "run": "one run: no verdict",
}
TINTS = {"gains": "gained", "loses": "lost"}


def chosen(subject: Subject) -> list[Verdict]:
    """Those that get a row: all of them, or the ones that move most where they are many."""
    assert subject.final is not None
    found = subject.verdicts
    return [found[i] for i in subject.final.strongest(TOLD)] if len(found) > TOLD else found


def value(subject: Subject, member: int, point: int) -> str:
    """The alignment at the end of a point with its standard error."""
    assert subject.final is not None
    sample = subject.final.sample
    return with_error(float(sample.mean[member, point]), float(sample.error[member, point]))


def table(subject: Subject) -> dict[str, Any]:
    """The table of verdicts."""
    found = chosen(subject)
    assert subject.final is not None and subject.alignment is not None
    many = len(subject.final.names) > TOLD
    began = subject.change is not None
    caption = "Alignment: how much a member’s users like what it generates, "
    caption += "in the last recorded round." if subject.alignment.table == "rounds" else f"{subject.alignment.when}."
    if many:
        caption += f" The {TOLD} members that move most over the points."
    columns = ["Member", *(["Highest", "Lowest"] if subject.sweep.points > 1 else ["Alignment"])]
    columns += [f"Against {base(subject)}"] if began else []
    columns += ["Against the start"] if subject.since else []
    columns += ["Verdict"] if began else []
    return {"caption": caption, "columns": columns, "rows": [_row(subject, v, began) for v in found]}


def _row(subject: Subject, verdict: Verdict, began: bool) -> dict[str, Any]:
    """One member: texts, each with what stands small below it."""
    assert subject.final is not None and subject.alignment is not None
    places = [verdict.best] if subject.sweep.points == 1 else [verdict.best, verdict.worst]
    cells = [(look.shortened(verdict.name, 40), "")]
    level = subject.final.spread[verdict.member] <= 1e-9 * subject.alignment.size[verdict.member]
    for point in places:
        where = "" if subject.sweep.points == 1 else f"at {subject.sweep.told(point)}"
        if level and subject.sweep.points > 1:
            where = "everywhere" if verdict.points > 1 else f"{where}, seen only there"
        cells.append((value(subject, verdict.member, point), where))
    if began:
        text, small = against(verdict)
        begun = verdict.begun and base(subject) != "the start"
        cells.append((text, ", ".join(filter(None, (small, "as it began" if begun else "")))))
    cells += [against(subject.since[verdict.member])] if subject.since else []
    kind = verdict.kind
    change = subject.alignment.change
    if change is not None and not np.isfinite(change.error[verdict.member]).any():
        kind = "run"
    return {"cells": cells, "kind": TINTS.get(kind, ""), "words": WORDS[kind] if began else ""}


def base(subject: Subject) -> str:
    """What members are compared with, in few words."""
    found = subject.alignment
    return "the start" if found is None or found.begun.all() else "real data alone"


def against(verdict: Verdict) -> tuple[str, str]:
    """At how many points a member gained and lost."""
    if verdict.points == 1:
        return ("higher" if verdict.gained else "lower" if verdict.lost else "no clear change"), ""
    rest = verdict.points - verdict.gained - verdict.lost
    counts = {"up": verdict.gained, "down": verdict.lost, "unclear" if verdict.kind != "still" else "still": rest}
    words = [f"{way} at {count:,}" for way, count in counts.items() if count]
    if len(words) == 1:
        return words[0].split(" at ")[0] + (
            " at both" if verdict.points == 2 else f" at all {verdict.points:,}"
        ) + " points", ""
    return ", ".join(words), f"of {verdict.points:,} points"


def named(verdict: Verdict) -> str:
    """A member in a sentence."""
    return called(verdict.name)
