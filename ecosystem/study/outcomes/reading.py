"""What is read of a study's tables: two rounds of each run, and no more columns than are drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ecosystem.running.baseline import START
from ecosystem.study.measures import ALONE
from ecosystem.study.outcomes.contents import Contents
from ecosystem.study.outcomes.sample import Sample
from ecosystem.study.plan import pending

CELLS = 20_000_000  # numbers held at once: beyond it the first seeds stand for all
CHANCE = ("shuffl", "poisson", "random")


@dataclass(frozen=True, eq=False)
class Alignment:
    """The alignment of every member at the end of every point, and how far it is from what it would be alone.

    ``rounds [points]`` is the last recorded round (−1: none seen), ``base`` what the end is compared with, and
    ``change`` how far it is from there, seed by seed: from real data alone (the table ``baseline``), from round 0 where
    a member has none or nobody kept it; None if neither is known. ``since`` is the
    change since round 0 where that is another. ``begun [members]`` says who is compared with its start at every point,
    ``of`` what bases there are, and whether they were ``kept``. ``rewards`` tells tastes apart. ``exact [points]``
    says where nothing is drawn, ``seeds`` how many of the study's seeds were read. Runs that diverged have no end and
    are left out.
    """

    table: str
    members: list[str]
    rewards: list[str]
    rounds: np.ndarray
    end: Sample
    base: Sample | None
    change: Sample | None
    since: Sample | None
    begun: np.ndarray
    of: frozenset[str]
    kept: bool
    exact: np.ndarray
    seeds: int

    @property
    def when(self) -> str:
        """To what the alignments belong, in words."""
        return {"rounds": "at the end", "stable_point": "at the stable point"}.get(self.table, f"in “{self.table}”")

    @property
    def basis(self) -> str:
        """What members are compared with, in words."""
        if self.begun.all():
            return "the start"
        return f"real data alone{' (the start, where there are none)' if START in self.of else ''}"

    @cached_property
    def size(self) -> np.ndarray:
        """How large each member's alignments are, ``[members]``: rounding errors are measured by it."""
        parts = [self.end.mean] if self.base is None else [self.end.mean, self.base.mean]
        return np.max([np.max(np.abs(part), axis=1, initial=0.0, where=np.isfinite(part)) for part in parts], axis=0)


def alignment(results: Contents) -> Alignment | None:
    """The alignments of a study, from ``rounds`` or another kept table with members' alignments; None without any."""
    for table in sorted(results.tables, key=lambda name: (name != "rounds", name != "stable_point")):
        names = columns(results, table)
        if table not in ("failures", "blocks") and {"point", "member", "alignment"} <= names:
            cells = _Cells.read(results, table, names)
            if cells is not None:
                return _alignment(results, cells)
    return None


def columns(results: Contents, table: str) -> set[str]:
    """The columns that the finished blocks of a table have; none where nothing is finished."""
    if table not in results.tables or not results.progress().finished:
        return set()
    return set(results.dataset(table).schema.names)


def numeric(results: Contents, table: str) -> set[str]:
    """Those of numbers, or of yes and no."""
    if not columns(results, table):
        return set()
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)
    return {part.name for part in results.dataset(table).schema if any(kind(part.type) for kind in kinds)}


def parts(
    results: Contents, table: str, wanted: Sequence[str], condition: Callable[[Any], Any] | None = None
) -> Iterator[pd.DataFrame]:
    """A table block by block, with some columns and rows: never more of it in memory than a block.

    In the column ``point`` stand the places of points in ``results.points``; rows about others are left out.
    """
    for fragment in results.dataset(table).get_fragments():
        if set(wanted) <= set(fragment.physical_schema.names):
            rows = fragment.to_table(columns=list(wanted), filter=condition(fragment) if condition else None)
            part = rows.to_pandas()
            at = places(results, part["point"])
            if (at >= 0).any():
                yield part.assign(point=at)[at >= 0]


def places(results: Contents, points: Iterable[int]) -> np.ndarray:
    """Where points stand in ``results.points``; −1 where they do not, as the results are about others."""
    return pd.Index(results.points["point"]).get_indexer(pd.Index(points).astype("int64"))


def ends_only(fragment: Any) -> Any:
    """A condition: the rows of round 0 and of the last round of each point."""
    rounds: pa.Table = fragment.to_table(columns=["point", "round"])
    last = rounds.group_by("point").aggregate([("round", "max")])
    return pc.field("round").isin(pa.array(sorted({0, *last["round_max"].to_pylist()}), pa.int64()))


class _Cells:
    """Alignments as arrays ``[members, points, seeds]``, filled block by block."""

    def __init__(self, results: Contents, table: str, seeded: bool) -> None:
        self.table, self.members, self.points = table, [], len(results.points)
        self.seeds = pd.MultiIndex.from_tuples(results.seeds) if seeded else None
        self.start = self.end = self.alone = np.empty((0, self.points, len(results.seeds) if seeded else 1))
        self.of: dict[str, np.ndarray] = {}  # where alignments are known of members alone, and of what
        self.rounds = np.full(self.points, -1)
        self.gone = np.zeros(self.end.shape[1:], dtype=bool)  # replicates that diverged
        self.seen = np.zeros(self.end.shape[1:], dtype=bool)  # those of which there are rows
        failures = results.failures[results.failures["kind"] == "diverged"]
        if self.seeds is not None and len(failures):
            at, seeds = places(results, failures["point"]), self._seed(failures)
            self.gone[at[(at >= 0) & (seeds >= 0)], seeds[(at >= 0) & (seeds >= 0)]] = True

    @classmethod
    def read(cls, results: Contents, table: str, names: set[str]) -> _Cells | None:
        """All of a table; None where it has no alignment, or several of one member in one run."""
        seeded, in_rounds = {"seed", "replicate"} <= names, "round" in names
        cells = cls(results, table, seeded)
        wanted = ["point", "member", "alignment", *(["seed", "replicate"] * seeded), *(["round"] * in_rounds)]
        for part in parts(results, table, wanted, ends_only if in_rounds else None):
            if not cells.put(part):
                return None
        if table == "rounds" and {*wanted, "of"} - {"round"} <= columns(results, ALONE):
            for part in parts(results, ALONE, [*wanted[:5], "of"]):
                cells.put_alone(part)
        return None if np.isnan(cells.end).all() else cells

    def put(self, part: pd.DataFrame) -> bool:
        """Fill in a block; False if a cell has a number already."""
        seeds = self._seed(part)
        kept = (
            (seeds >= 0)
            & (seeds < self.end.shape[-1])
            & ~self.gone[part["point"], np.minimum(seeds, self.end.shape[-1] - 1)]
        )
        part, seeds = part[kept], seeds[kept]
        codes, names = pd.factorize(part["member"])
        self._grow([str(name) for name in names])
        member = pd.Index(self.members).get_indexer([str(name) for name in names])[codes]
        fits = seeds < self.end.shape[-1]
        part, seeds, member = part[fits], seeds[fits], member[fits]
        points = part["point"].to_numpy()
        self.seen[points, seeds] = True
        last, values = np.ones(len(part), dtype=bool), part["alignment"].to_numpy(float)
        if "round" in part:
            round = part["round"].to_numpy()
            last = round == part.groupby("point")["round"].transform("max").to_numpy()
            self.start[member[round == 0], points[round == 0], seeds[round == 0]] = values[round == 0]
            np.maximum.at(self.rounds, points, round)
        spots = member[last], points[last], seeds[last]
        if (
            not np.isnan(self.end[spots]).all()
            or pd.Series(np.ravel_multi_index(spots, self.end.shape)).duplicated().any()
        ):
            return False
        self.end[spots] = values[last]
        return True

    def put_alone(self, part: pd.DataFrame) -> None:
        """Fill in what members would be alone, of a block of those that are there."""
        spots = pd.Index(self.members).get_indexer(part["member"].astype(str)), part["point"], self._seed(part)
        kept = (spots[0] >= 0) & (spots[2] >= 0) & (spots[2] < self.end.shape[-1])
        places = tuple(np.asarray(spot)[kept] for spot in spots)
        self.alone[places] = part["alignment"].to_numpy(float)[kept]
        for of in part["of"].unique():
            where = self.of.setdefault(str(of), np.zeros(self.end.shape, dtype=bool))
            where[places] = part["of"].eq(of).to_numpy()[kept]

    def _seed(self, table: pd.DataFrame) -> np.ndarray:
        """The place of each row's seed."""
        if self.seeds is None:
            return np.zeros(len(table), dtype=int)
        return self.seeds.get_indexer(pd.MultiIndex.from_frame(table[["seed", "replicate"]].astype(int)))

    def _grow(self, names: Sequence[str]) -> None:
        """Room for members that come up for the first time; fewer seeds where it would be too much."""
        known = set(self.members)
        new = [name for name in names if name not in known]
        if new:
            self.members += new
            used = max(1, min(self.end.shape[-1], CELLS // (len(self.members) * self.points)))
            blank = np.full((len(new), self.points, used), np.nan)
            known_so_far = (self.start, self.end, self.alone)
            self.start, self.end, self.alone = (np.concatenate([old[..., :used], blank]) for old in known_so_far)


def _alignment(results: Contents, cells: _Cells) -> Alignment:
    """Means, changes and their chance, of the members that have an alignment at all."""
    judged = [i for i in range(len(cells.members)) if not np.isnan(cells.end[i]).all()]
    start, end, alone = cells.start[judged], cells.end[judged], cells.alone[judged]
    exact = exact_points(results, cells.seen[:, : end.shape[-1]], cells.seeds is not None)
    known = ~np.isnan(alone)
    base = np.where(known, alone, start)
    compared = not np.isnan(base).all()  # if only with what is infinite
    with np.errstate(invalid="ignore"):  # where both are infinite
        change, since = end - base, end - start
    of = {what: where[judged] & ~np.isnan(end) for what, where in cells.of.items()}
    of[START] = of.get(START, np.zeros(end.shape, dtype=bool)) | (~known & ~np.isnan(start) & ~np.isnan(end))
    other = np.any([where for what, where in of.items() if what != START], axis=0) & np.ones(end.shape, dtype=bool)
    declared = {str(m["member"]): str(m["reward"]) for m in results.facts.identity["point"]["members"]}
    names = [cells.members[i] for i in judged]
    rewards = [declared.get(name, "") for name in names]
    return Alignment(
        cells.table,
        names,
        rewards if all(rewards) else [""] * len(names),
        cells.rounds,
        Sample.of(end, exact),
        Sample.of(base, exact) if compared else None,
        Sample.of(change, exact) if compared else None,
        Sample.of(since, exact) if not np.isnan(start).all() and other.any() else None,
        ~other.any((1, 2)),
        frozenset(what for what, where in of.items() if where.any()),
        bool(cells.of),
        exact,
        end.shape[-1],
    )


def exact_points(results: Contents, seen: np.ndarray, seeded: bool) -> np.ndarray:
    """Which points have no chance in them, from which replicates were ``seen [points, seeds]``.

    A point with fewer replicates than it was asked for, though none is missing, is the population: nothing is drawn.
    With one seed in all, what is known of the first point decides.
    """
    point, count = results.facts.identity["point"], seen.sum(1)
    if not seeded:
        return np.ones(len(count), dtype=bool)
    if len(results.seeds) == 1:
        words = " ".join([str(point["ordering"]), *(str(member["schedule"]) for member in point["members"])]).lower()
        varied = {name for name in results.parameters if results.points[name].nunique(dropna=False) > 1}
        certain = point["samples"] is None and not varied & {"samples", "ordering"}
        return np.full(len(count), certain and not any(word in words for word in CHANCE))
    place = {seed: number for number, seed in enumerate(results.seeds)}
    asked, missing = np.zeros((len(count), len(place)), dtype=bool), np.zeros(len(count), dtype=bool)
    for request in results.facts.requests:
        for block in request.blocks():
            seeds = [place[seed] for seed in block.seeds if seed in place]
            asked[_here(results, block.points)[:, None], np.array(seeds, dtype=int)] = True
    for block in pending(results.facts.requests, results.store.finished(results.facts)):
        missing[_here(results, block.points)] = True
    failures = results.failures[results.failures["kind"] != "measure"]
    missing[_here(results, failures["point"])] = True
    return (count > 0) & (count < asked[:, : seen.shape[1]].sum(1)) & ~missing


def _here(results: Contents, points: Iterable[int]) -> np.ndarray:
    """The places of those points that the results are about."""
    at = places(results, points)
    return at[at >= 0]
