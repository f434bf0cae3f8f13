"""Influence over the parameters of a study: where curation backfires, where it harms."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from ecosystem.core.words import called, counted, joined, number, shortened
from ecosystem.influence.sentences import readers_only
from ecosystem.study.outcomes.contents import Contents
from ecosystem.study.outcomes.failing import lie
from ecosystem.study.outcomes.measuring import NoMeasure, Numbers, called_pair
from ecosystem.study.outcomes.reading import columns, parts
from ecosystem.study.outcomes.sample import Sample
from ecosystem.study.outcomes.subject import Subject

PAIRS = 6  # of each kind (self, cross) that are followed over the parameters
TOLD = 4  # pairs in the sentences
FEW = 3  # points that are named where no ranges hold them
KEYS = ["target", "source", "kind"]


@dataclass(frozen=True, eq=False)
class Effects:
    """What the kept table ``influence`` says: counts over all points, and the strongest pairs at every point.

    ``pairs`` has a row a pair, strongest first: target, source, kind, points, size (mean), low, high, and at how many
    points the effect was below zero (``negative``), of which curation backfires at ``own`` ones: a member's own users
    choose some of what it reads there, as the table ``flows`` says if it was kept. ``backfiring`` counts points where
    that is so of anybody, ``lowering`` those where somebody's curation lowers its own alignment though others choose,
    or nobody knows who does, ``harming`` those where it lowers another's, and ``endless`` those where some effect is
    infinite, which counts for nothing else.
    """

    pairs: pd.DataFrame
    points: int
    backfiring: int
    lowering: int
    harming: int
    endless: int
    values: Numbers

    @cached_property
    def own(self) -> pd.DataFrame:
        return self.pairs[self.pairs["kind"] == "self"]

    @cached_property
    def cross(self) -> pd.DataFrame:
        return self.pairs[self.pairs["kind"] == "cross"]


def effects(subject: Subject) -> Effects | None:
    """Read the table of influence, twice: to count, and to follow the strongest pairs."""
    results = subject.results
    if not {"point", "effect", "backfires", "harms", *KEYS} <= columns(results, "influence"):
        return None
    counts, seen, backfiring, lowering, harming, endless = [], set(), set(), set(), set(), set()
    choosing = _choosing(results) or set()
    for part in parts(results, "influence", ["point", *KEYS, "effect", "backfires", "harms"]):
        endless |= set(part.loc[np.isinf(part["effect"].astype(float)), "point"])
        part = part[np.isfinite(part["effect"].astype(float))].assign(size=part["effect"].abs())
        cross = part["kind"] == "cross"
        seen |= set(part["point"])
        fails = part["harms"].astype(bool) & ~cross
        own = fails & _keys(part, "target").isin(choosing)
        backfiring |= set(part.loc[own, "point"])
        lowering |= set(part.loc[fails & ~own, "point"])
        harming |= set(part.loc[part["harms"].astype(bool) & cross, "point"])
        groups = part.assign(negative=part["harms"].astype(bool), own=own).groupby(KEYS)
        counts.append(
            groups.agg(
                points=("effect", "size"),
                size=("size", "sum"),
                low=("effect", "min"),
                high=("effect", "max"),
                negative=("negative", "sum"),
                own=("own", "sum"),
            ).reset_index()
        )
    if not seen:
        return None
    every = pd.concat(counts).groupby(KEYS, sort=False)
    how = {"points": "sum", "size": "sum", "low": "min", "high": "max", "negative": "sum", "own": "sum"}
    pairs = every.agg(how).reset_index()
    pairs["size"] /= pairs["points"]
    pairs = pairs.sort_values("size", ascending=False, kind="stable", ignore_index=True)
    values = _values(subject, pairs)
    return Effects(pairs, len(seen), len(backfiring), len(lowering), len(harming), len(endless), values)


def _keys(table: pd.DataFrame, column: str) -> pd.Series:
    """A member of a point, as one name."""
    return table["point"].astype(str) + "\0" + table[column].astype(str)


def _choosing(results: Contents) -> set[str] | None:
    """Members of points (:func:`_keys`) whose own users choose some of what they read; None where nobody knows."""
    asked = ["point", "source", "target", "curated", "chosen_by"]
    if not set(asked) <= columns(results, "flows"):
        return None
    flows = pd.concat(parts(results, "flows", asked), ignore_index=True)
    flows = flows.assign(source=_keys(flows, "source"), target=_keys(flows, "target"))
    return set(flows["target"]) - readers_only(flows)


def harm(results: Contents, word: str) -> tuple[list[str], np.ndarray]:
    """Whose curation ``"backfires"`` or ``"harms"`` at each point, as the page of a study counts it.

    Members, or pairs ``a on b``, and ``[names, points]`` of 1 and 0; NaN where an effect is not there, or infinite.
    """
    kind, asked = {"backfires": "self", "harms": "cross"}[word], ["point", *KEYS, "effect", word]
    if not set(asked) <= columns(results, "influence"):
        raise NoMeasure(f"{word}: the study did not keep its influence; Study(measure=['influence', ...]) does")
    choosing = _choosing(results) if kind == "self" else set()
    if choosing is None:
        raise NoMeasure(
            f"{word}: curation backfires on members whose own users choose, and nobody knows who does; keep the table "
            "flows too, Study(measure=['influence', 'flows', ...]), or compare influence[member, member] < 0"
        )
    rows = pd.concat(parts(results, "influence", asked), ignore_index=True)
    rows = rows[(rows["kind"] == kind) & np.isfinite(rows["effect"].astype(float))].astype(
        {"target": str, "source": str}
    )
    held = rows[word].astype(bool)
    if kind == "self":
        held &= _keys(rows, "target").isin(choosing)
    names = rows["target"] if kind == "self" else rows["source"] + " on " + rows["target"]
    known = list(dict.fromkeys(names))
    values = np.full((len(known), len(results.points)), np.nan)
    values[pd.Index(known).get_indexer(names), rows["point"].to_numpy(int)] = held.to_numpy(float)
    return known, values


def _values(subject: Subject, pairs: pd.DataFrame) -> Numbers:
    """The effects of the strongest pairs at every point: on oneself first."""
    kept = pd.concat([pairs[pairs["kind"] == kind].head(PAIRS) for kind in ("self", "cross")])
    keys = pd.MultiIndex.from_frame(kept[["target", "source"]].astype(str))
    values = np.full((len(keys), subject.sweep.points, 1), np.nan)
    condition = pc.field("target").isin(sorted(set(kept["target"]))) & pc.field("source").isin(
        sorted(set(kept["source"]))
    )
    for part in parts(subject.results, "influence", ["point", "target", "source", "effect"], lambda _: condition):
        place = keys.get_indexer(pd.MultiIndex.from_frame(part[["target", "source"]].astype(str)))
        rows = part[place >= 0]
        values[place[place >= 0], rows["point"].to_numpy(), 0] = rows["effect"].to_numpy(float)
    names = [called_pair(target, source) for target, source in keys]
    sample = Sample.of(values, np.ones(subject.sweep.points, dtype=bool))
    return Numbers("influence of curation on alignment", names, sample, signed=True)


def headline(found: Effects) -> str:
    """Where curation backfires, or lowers a member's alignment though others choose, and whom it harms."""
    worst = found.own[found.own["own"] > 0].sort_values("own", ascending=False, kind="stable")
    led = (found.own["negative"] - found.own["own"])[found.own["negative"] > found.own["own"]]
    harmed = found.cross[found.cross["negative"] > 0].sort_values("negative", ascending=False, kind="stable")
    n = f"{found.points:,}"
    alone = len(found.own) == 1 and set(found.cross["source"]) <= set(found.own["source"])
    if alone and len(found.cross) <= 2:
        name = called(found.own["source"].iloc[0])
        words = [f"backfires at {count:,}" for count in worst["own"]]
        words += [f"lowers its own alignment at {count:,}" for count in led]
        nowhere = "" if words else "backfires nowhere" + ", but " * bool(len(harmed))
        words += [f"harms {called(row.target)} at {row.negative:,}" for row in harmed.itertuples()]
        first = next((place for place, clause in enumerate(words) if " at " in clause), None)
        words = [f"{clause} of {n} points" if place == first else clause for place, clause in enumerate(words)]
        return f"Curating {name} {nowhere}{joined(words)}."
    if not len(worst) and not len(led) and not len(harmed):
        return "Curation lowers nobody’s alignment at any point."
    if not len(worst) and not len(led):
        return f"Curation backfires nowhere, but harms somebody else at {found.harming:,} of {n} points."
    words = [f"backfires for somebody at {found.backfiring:,}"] if len(worst) else []
    words += [f"lowers somebody’s own alignment at {found.lowering:,}"] if len(led) else []
    words = [f"{words[0]} of {n} points", *words[1:]]
    words.append(f"harms somebody else at {found.harming:,}" if len(harmed) else "harms nobody else")
    return f"Curation {joined(words)}."


def sentences(subject: Subject, found: Effects) -> list[str]:
    """The strongest pairs, one sentence each: how far their effect reaches over the points, its sign, and where."""
    told = []
    for row in pd.concat([found.own.head(TOLD), found.cross.head(TOLD)]).to_dict("records"):
        whose = "its own" if row["kind"] == "self" else called(row["target"]) + "’s"
        told.append(
            f"Curating {called(row['source'])} {_signs(row, whose)} ({_range(row)}){_where(subject, found, row)}."
        )
    left = len(found.pairs) - len(told)
    if left > 0:
        told.append(f"{counted(left, 'more pair').capitalize()} of members: see the table “influence”.")
    if found.endless:
        told.append(
            f"At {counted(found.endless, 'point')} some effects are infinite: the network does not settle there, and "
            "they count for nothing here."
        )
    return told


def _signs(row: dict[Any, Any], whose: str) -> str:
    """At how many points a pair's effect is negative, and positive."""
    points, negative = int(row["points"]), int(row["negative"])
    every = f"all {points:,} points" if points > 1 else "the one point"
    if not row["high"] and not row["low"]:
        return f"does nothing to {whose} alignment at {every}"
    if not negative:
        return f"raises {whose} alignment at {every}" if row["low"] > 0 else f"never lowers {whose} alignment"
    if negative == points:
        return f"lowers {whose} alignment at {every}"
    return f"lowers {whose} alignment at {negative:,} of {points:,} points and raises it at others"


def _where(subject: Subject, found: Effects, row: dict[Any, Any]) -> str:
    """Where a pair's effect is negative, if it is positive elsewhere."""
    if not 0 < row["negative"] < row["points"]:
        return ""
    name = called_pair(row["target"], row["source"])
    if name not in found.values.names:
        return ""
    effect = found.values.sample.mean[found.values.names.index(name)]
    low = np.flatnonzero(effect < 0)
    where = lie(subject, low, np.flatnonzero(np.isfinite(effect)))
    if where is None and len(low) <= FEW:
        return f"; it lowers it at {joined([_place(subject, point) for point in low.tolist()])}"
    if where is None:
        return "; no ranges hold these alone: see the figures"
    return f"; it lowers it at {where}" if where else ""


def _place(subject: Subject, point: int) -> str:
    """A point by the values of its parameters."""
    return ", ".join(f"{shortened(p.name)} {shortened(p.labels[p.level[point]], 24)}" for p in subject.sweep.swept)


def _range(row: dict[Any, Any]) -> str:
    """The smallest and largest effect."""
    low, high = number(row["low"], sign=True), number(row["high"], sign=True)
    return f"effect {low}" if low == high else f"effects from {low} to {high}"
