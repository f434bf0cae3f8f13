"""Stable points over the parameters of a study: where one was found, and what the dynamics did."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ecosystem.core.words import joined
from ecosystem.influence.approach import away
from ecosystem.report.study.failures import lie
from ecosystem.report.study.quantity import Quantity
from ecosystem.report.study.subject import Subject
from ecosystem.study.outcomes.reading import columns, parts
from ecosystem.study.outcomes.sample import Sample

NEAR = 0.01  # relative distance to the stable point that counts as being there


@dataclass(frozen=True, eq=False)
class Stable:
    """One row a point that was looked at: ``found``, what was ``seen``, and how many stable ``points``.

    ``distance`` is how far the point's own rounds leave it from its stable point, ``law`` how that shrinks (NaN and ""
    in studies that did not keep them).
    """

    table: pd.DataFrame  # index: point

    @property
    def settles(self) -> pd.Series:
        """Where rounds from the scenario's own start lead to the stable point."""
        return self.table["found"] & (self.table["seen"] == "settles")


def stable(subject: Subject) -> Stable | None:
    """Read the table of stable points; None where it was not kept."""
    wanted = ["point", "found", "seen", "points"]
    if not set(wanted) <= columns(subject.results, "stable_point"):
        return None
    if {"distance", "law"} <= columns(subject.results, "stable_point"):
        wanted += ["distance", "law"]
    rows = [part.drop_duplicates("point") for part in parts(subject.results, "stable_point", wanted)]
    if not rows:
        return None
    table = pd.concat(rows).set_index("point").sort_index()
    table = table.assign(found=table["found"].astype(bool), seen=table["seen"].astype(str))
    return Stable(table if "law" in table else table.assign(distance=np.nan, law=""))


def quantity(subject: Subject, found: Stable) -> Quantity | None:
    """Shares of points that have a stable point, and whose dynamics settle there; None where all do, or none."""
    columns = {"a stable point was found": found.table["found"], "the dynamics settle": found.settles}
    columns = {name: column for name, column in columns.items() if column.any() and not column.all()}
    if not columns:
        return None
    values = np.full((len(columns), subject.sweep.points, 1), np.nan)
    for place, column in enumerate(columns.values()):
        values[place, column.index, 0] = column.to_numpy(float)
    sample = Sample.of(values, np.ones(subject.sweep.points, dtype=bool))
    return Quantity("share of points", list(columns), sample, share=True)


def sentences(subject: Subject, found: Stable) -> list[str]:
    """How many points have a stable point, what the dynamics do, and where they do not settle."""
    total, has = len(found.table), int(found.table["found"].sum())
    told = [f"A stable point was found at {_of(has, total)} where one was looked for."]
    ways = found.table["seen"].value_counts()
    parts = [f"{_verb(how, int(count))} at {count:,}" for how, count in ways.items()]
    told.append(f"Played from their own start, the dynamics {joined(parts)}.")
    told.append(_when(subject, found))
    if 0 < has < total:
        told.append(
            _where("No stable point was found", subject, found.table.index[~found.table["found"]], found.table.index)
        )
    away = found.table.index[found.table["seen"] == "diverges"]
    if 0 < len(away) < total:
        told.append(_where("The dynamics diverge", subject, away, found.table.index))
    several = int((found.table["points"] > 1).sum())
    if several:
        told.append(f"At {several:,} of them more than one stable point was found.")
    return [words for words in told if words]


def _when(subject: Subject, found: Stable) -> str:
    """At how many points the network's own rounds come near where it settles, and where it stays farthest."""
    table = found.table[found.settles & found.table["distance"].notna()]
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
