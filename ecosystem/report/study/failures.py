"""What failed in a study: how often in which way, where in the space of parameters, and how to compute it again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ecosystem.core.words import counted, joined
from ecosystem.report import look
from ecosystem.report.study.subject import Subject
from ecosystem.study.outcomes.sweep import Parameter

ROWS = 20
NAMED = 6  # values of a category
WORDS = {
    "build": "the function that builds the scenario raised an error: no rows at all",
    "run": "a run raised an error: no rows of it",
    "measure": "one table could not be made, and lacks the point; all others have it",
    "diverged": "parameters became NaN or exploded: rows up to that round; a result, which another try would repeat",
    "lost": "a worker died with the point in its hands, more than once: no rows at all",
}


def section(subject: Subject) -> dict[str, Any] | None:
    """All that the template asks for; None where nothing failed."""
    table = subject.failures.table
    if table.empty:
        return None
    return {
        "sentences": sentences(subject),
        "kinds": kinds(subject),
        "columns": ["Point", *(p.name for p in subject.sweep.swept), "Seed", "Round", "Member", "What", "Error"],
        "rows": [_row(subject, row) for row in first(table).to_dict("records")],
        "more": max(0, len(table) - ROWS),
        "retry": bool((table["kind"] != "diverged").any()),
    }


def kinds(subject: Subject) -> list[tuple[str, str, str]]:
    """Every way to fail, with the numbers of points and what it means; the most frequent first."""
    counts = sorted(subject.results.failures_by_kind.items(), key=lambda pair: (-pair[1], pair[0]))
    return [(kind, f"{count:,}", WORDS.get(kind, "")) for kind, count in counts]


def notice(subject: Subject) -> str:
    """How many points failed in which way, and what that does to the numbers on the page."""
    counts = subject.results.failures_by_kind
    told = ", ".join(f"{count} {kind}" for kind, count, _ in kinds(subject))
    words = [f"{len(subject.results.failed):,} of {subject.sweep.points:,} points failed ({told})."]
    nothing = [kind for kind in ("build", "run", "lost") if kind in counts]
    if nothing:
        words.append(f"Of what failed by {joined(nothing)} there are no rows.")
    if "diverged" in counts:
        words.append("Runs that diverged have rows up to the round in which they stopped; means leave them out.")
    if "measure" in counts:
        words.append("Where a measure failed only its own table lacks the point: its runs are there, and in the means.")
    return " ".join([*words, "See “What failed”."])


def first(table: pd.DataFrame) -> pd.DataFrame:
    """The first failures, with some of every kind."""
    each = max(1, ROWS // 2 // table["kind"].nunique())
    some = table.groupby("kind", sort=False).head(each)
    rest = table.drop(index=some.index).head(ROWS - len(some))
    return pd.concat([some, rest]).sort_index()


def sentences(subject: Subject) -> list[str]:
    """How many failed, and where they lie."""
    failed = len(subject.results.failed)
    told = [f"{failed:,} of {subject.sweep.points:,} points failed."]
    points = np.flatnonzero(subject.failures.points)
    place = lie(subject, points)
    if place and failed < subject.sweep.points:
        told.append(f"{'They lie' if failed > 1 else 'It lies'} at {place}.")
    elif place is None:
        told.append("No ranges of values hold them alone: see the table below.")
    table = subject.failures.table
    runs = table[table["kind"] == "diverged"].groupby("point").size()
    left = 0 if subject.alignment is None else int(np.isfinite(subject.alignment.end.mean[:, runs.index]).any(0).sum())
    if left:
        told.append(
            f"At {counted(left, 'point')} only some of the runs diverged: means there are over those that did not."
        )
    return told


def lie(subject: Subject, points: np.ndarray, among: np.ndarray | None = None) -> str | None:
    """Where some points lie ``among`` others (else all): the range of each parameter that tells them from the rest.

    Empty if nothing tells them; None if the ranges hold others too, so that no ranges say where they lie.
    """
    among = np.arange(subject.sweep.points) if among is None else among
    told, boxed = [], np.ones(len(among), dtype=bool)
    for p in subject.sweep.swept:
        tried, inside = np.unique(p.level[among]), np.unique(p.level[points])
        if len(inside) == len(tried):
            continue
        if p.number:
            boxed &= (p.level[among] >= inside[0]) & (p.level[among] <= inside[-1])
        else:
            boxed &= np.isin(p.level[among], inside)
        told += _range(p, inside, tried)
    return "; ".join(told) if boxed.sum() == len(points) else None


def _range(p: Parameter, inside: np.ndarray, tried: np.ndarray) -> list[str]:
    """Some levels of a parameter, of those that were tried; nothing where they reach from end to end."""
    name = look.shortened(p.name)
    if not p.number:
        labels = [look.shortened(p.labels[i], 24) for i in inside[:NAMED]]
        labels += [f"{counted(len(inside) - NAMED)} more"] if len(inside) > NAMED else []
        return [f"{name} {joined(labels)} (of {counted(len(tried), 'value')})"]
    if inside[0] == tried[0] and inside[-1] == tried[-1]:
        return []
    where = p.labels[inside[0]] + (f" to {p.labels[inside[-1]]}" if len(inside) > 1 else "")
    return [f"{name} {where} (of {p.labels[tried[0]]} to {p.labels[tried[-1]]})"]


def _row(subject: Subject, row: dict[Any, Any]) -> list[str]:
    """One failure as text."""
    point = int(row["point"])
    values = [look.shortened(p.labels[p.level[point]], 60) for p in subject.sweep.swept]
    seed = "–" if pd.isna(row["seed"]) else str(row["seed"])
    if not pd.isna(row["replicate"]) and row["replicate"]:
        seed += f", replicate {row['replicate']}"
    rest = ["–" if pd.isna(row[name]) else look.shortened(row[name], 60) for name in ("round", "member", "kind")]
    return [str(point), *values, seed, *rest, look.shortened("" if pd.isna(row["error"]) else row["error"], 240)]
