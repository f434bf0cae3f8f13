"""What failed in a study, in words: how often in which way, and where in the space of parameters."""

from __future__ import annotations

import numpy as np

from ecosystem.core.words import counted, joined, shortened
from ecosystem.study.outcomes.subject import Subject
from ecosystem.study.outcomes.sweep import Parameter

NAMED = 6  # values of a category


def kinds(subject: Subject) -> list[tuple[str, int]]:
    """Every way to fail with its number of points, the most frequent first."""
    return sorted(subject.results.failures_by_kind.items(), key=lambda pair: (-pair[1], pair[0]))


def notice(subject: Subject) -> str:
    """How many points failed in which way, and what that does to the numbers on the page."""
    counts = dict(kinds(subject))
    told = ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
    words = [f"{len(subject.results.failed):,} of {subject.sweep.points:,} points failed ({told})."]
    nothing = [kind for kind in ("build", "run", "lost") if kind in counts]
    if nothing:
        words.append(f"Of what failed by {joined(nothing)} there are no rows.")
    if "diverged" in counts:
        words.append("Runs that diverged have rows up to the round in which they stopped; means leave them out.")
    if "measure" in counts:
        words.append("Where a measure failed only its own table lacks the point: its runs are there, and in the means.")
    return " ".join([*words, "See “What failed”."])


def sentences(subject: Subject) -> list[str]:
    """How many failed, and where they lie."""
    failed = len(subject.results.failed)
    told = [f"{failed:,} of {subject.sweep.points:,} points failed."]
    points = np.flatnonzero(subject.failed)
    place = lie(subject, points)
    if place and failed < subject.sweep.points:
        told.append(f"{'They lie' if failed > 1 else 'It lies'} at {place}.")
    elif place is None:
        told.append("No ranges of values hold them alone: see the table below.")
    runs = subject.failures.query("kind == 'diverged'")["place"].unique()
    left = 0 if subject.alignment is None else int(np.isfinite(subject.alignment.end.mean[:, runs]).any(0).sum())
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
    name = shortened(p.name)
    if not p.number:
        labels = [shortened(p.labels[i], 24) for i in inside[:NAMED]]
        labels += [f"{counted(len(inside) - NAMED)} more"] if len(inside) > NAMED else []
        return [f"{name} {joined(labels)} (of {counted(len(tried), 'value')})"]
    if inside[0] == tried[0] and inside[-1] == tried[-1]:
        return []
    where = p.labels[inside[0]] + (f" to {p.labels[inside[-1]]}" if len(inside) > 1 else "")
    return [f"{name} {where} (of {p.labels[tried[0]]} to {p.labels[tried[-1]]})"]
