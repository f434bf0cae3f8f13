"""Stable points over the parameters of a study: where one was found, and what the dynamics did."""

from __future__ import annotations

import pandas as pd

from ecosystem.core.words import joined
from ecosystem.influence.approach import away
from ecosystem.study.outcomes.failing import lie
from ecosystem.study.outcomes.measuring import NoMeasure
from ecosystem.study.outcomes.subject import Subject
from ecosystem.study.outcomes.tables import settling

NEAR = 0.01  # relative distance to the stable point that counts as being there


def sentences(subject: Subject) -> list[str]:
    """How many points have a stable point, what the dynamics do, and where they do not settle; nothing if not kept."""
    try:
        table = settling(subject.results).set_index("point")
    except NoMeasure:
        return []
    total, has = len(table), int(table["found"].sum())
    told = [f"A stable point was found at {_of(has, total)} where one was looked for."]
    ways = table["seen"].value_counts()
    parts = [f"{_verb(how, int(count))} at {count:,}" for how, count in ways.items()]
    told.append(f"Played from their own start, the dynamics {joined(parts)}.")
    told.append(_when(subject, table))
    if 0 < has < total:
        told.append(_where("No stable point was found", subject, table.index[~table["found"]], table.index))
    gone = table.index[table["seen"] == "diverges"]
    if 0 < len(gone) < total:
        told.append(_where("The dynamics diverge", subject, gone, table.index))
    several = int((table["points"] > 1).sum())
    if several:
        told.append(f"At {several:,} of them more than one stable point was found.")
    return [words for words in told if words]


def _when(subject: Subject, table: pd.DataFrame) -> str:
    """At how many points the network's own rounds come near where it settles, and where it stays farthest."""
    table = table[table["found"] & (table["seen"] == "settles") & table["distance"].notna()]
    if table.empty:
        return ""
    near, total = int((table["distance"] <= NEAR).sum()), len(table)
    words = f"After their own rounds they are within {100 * NEAR:.0f} % of where they settle at "
    if near == total:
        return words + ("all of these." if total > 1 else "that point.")
    worst = table["distance"].idxmax()
    row = table.loc[worst]
    law = f" and come nearer {row['law']}" if str(row["law"]).startswith("like") else ""
    words += f"{near:,} of these {total:,}" if near else f"none of these {total:,}" if total > 1 else "none"
    place = f" at {subject.sweep.told(int(worst))}" if subject.sweep.points > 1 else ""
    return f"{words}; they are farthest{place}: {away(row['distance'])} away{law}."


def _where(words: str, subject: Subject, points: pd.Index, among: pd.Index) -> str:
    place = lie(subject, points.to_numpy(int), among.to_numpy(int))
    if place is None:
        return f"{words} at {len(points):,} of them (which ones: see the figures)."
    return f"{words} at {place}." if place else ""


def _of(part: int, total: int) -> str:
    if part == total:
        return f"all {total:,} points" if total > 1 else "the one point"
    if not part:
        return f"none of the {total:,} points" if total > 1 else "no point"
    return f"{part:,} of {total:,} points ({100 * part / total:.0f} %)"


def _verb(seen: str, count: int) -> str:
    """What the dynamics of several points do: ``settle``, ``cycle with period 2``."""
    first, _, rest = seen.partition(" ")
    return f"{first[:-1] if first.endswith('s') else first} {rest}".strip()
