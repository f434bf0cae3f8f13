"""How far what a study says can be trusted: with what it compares, and what chance there is."""

from __future__ import annotations

import numpy as np

from ecosystem.core.words import counted
from ecosystem.running.verdicts import ALONE
from ecosystem.study.outcomes.reading import Alignment
from ecosystem.study.outcomes.subject import Subject


def cautions(subject: Subject) -> list[str]:
    """How far the verdicts can be trusted."""
    found = subject.alignment
    if found is None:
        return []
    notes = _compared(found)
    if subject.lopsided and not subject.results.finished:
        notes.insert(
            0,
            f"How alignment moves over the parameters cannot be told yet: the points computed so far do not stand for "
            f"all: {subject.lopsided}. Means over them, in charts too, may come from the order of work.",
        )
    errors = found.end.error[np.isfinite(found.end.mean)]
    if (errors > 0).any():
        notes.append(
            "± is half the 95 % interval of the mean over seeds (Student’s t, two standard errors at least); a change "
            "is clear where that leaves zero out. Points share their seeds, so differences between points are taken "
            "seed by seed."
        )
    if found.change is not None and (errors > 0).sum() > 20:
        notes.append(
            "At 95 %, about one unchanged point in twenty looks changed by chance alone, often beside others, as "
            "points share their seeds; the verdict on a member allows for it (Simes’ test at 95 %). So points are no "
            "votes: with few seeds, many of them may move one way by chance, and a few clear ones prove more."
        )
        if len(found.members) > 1:
            notes.append(
                "Verdicts on members allow for their number too: of those that gain or lose at most one in twenty is "
                "there by chance, on average (Benjamini and Hochberg)."
            )
    if endless := sum(verdict.endless > 0 for verdict in subject.verdicts):
        some = f"Of {counted(endless, 'member')} some alignments are"
        notes.append(f"{some} infinite (∞): those points are no part of means, highest and lowest values or verdicts.")
    if beyond := sum(verdict.beyond > 0 for verdict in subject.verdicts):
        some = f"Of {counted(beyond, 'member')} some changes are"
        notes.append(f"{some} infinite, as what they are compared with is: those points are neither gained nor lost.")
    if len(errors) and found.seeds == 1 and np.isnan(errors).all():
        notes.append("There is one seed, so nothing can be said about chance: signs are those of this one run.")
    elif np.isnan(errors).any():
        notes.append(
            "Points with one run left say nothing about chance: their signs are those of that run; means over several "
            "points have the interval of the others."
        )
    if found.exact.all() and found.table == "rounds":
        notes.append("Nothing is drawn in these runs (the population): numbers are exact and need no interval.")
    elif found.exact.any() and not found.exact.all():
        notes.append(
            f"{counted(int(found.exact.sum()), 'point').capitalize()} have one replicate where others have several: "
            "the population, in which nothing is drawn. Their numbers are exact."
        )
    if found.change is None and found.table == "rounds":
        notes.append(
            "Round 0 was not kept, so the end cannot be compared with the start: Record(last=1, start=True) keeps it."
        )
    if len(set(found.rewards)) > 1:
        notes.append("Each taste has a scale of its own: alignments of members with different tastes differ in size.")
    if found.seeds < len(subject.results.seeds) and found.table == "rounds":
        notes.append(f"So many numbers: this page uses the first {found.seeds} of {len(subject.results.seeds)} seeds.")
    return notes


def _compared(found: Alignment) -> list[str]:
    """What members are compared with."""
    if found.change is None:
        return []
    if not found.kept:
        return ["What members would be alone was not recorded, so verdicts compare with the start."]
    return [words for of, words in ALONE.items() if of in found.of]
