"""Numbers of a study by name: alignments, gains, influence, or any column of its tables, at every point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from ecosystem.core.words import listed
from ecosystem.running.measures.named import BOUNDS
from ecosystem.study.outcomes.contents import Contents
from ecosystem.study.outcomes.reading import (
    Alignment,
    alignment,
    columns,
    ends_only,
    exact_points,
    numeric,
    parts,
    places,
)
from ecosystem.study.outcomes.sample import Sample, strongest
from ecosystem.study.outcomes.sweep import Sweep

WHOSE = ("member", "judge", "target", "source", "component")  # columns that say of whom a row is
RUN = ("seed", "replicate")
CELLS = 20_000_000  # numbers held at once


class NoMeasure(ValueError):
    """A study has no such numbers; the message says which there are."""


@dataclass(frozen=True, eq=False)
class Numbers:
    """Numbers of some ``names`` (members, or pairs of them) at every point, with their chance.

    ``base`` is what they are compared with, ``basis`` what that is. Where they are ``signed``, zero
    divides what falls from what rises. Intervals are cut where no such number can be: below ``least``, above ``most``.
    """

    label: str
    names: list[str]
    sample: Sample
    base: Sample | None = None
    basis: str = ""
    signed: bool = False
    kinds: list[str] = field(default_factory=list)
    note: str = ""
    least: float = -np.inf
    most: float = np.inf

    def only(self, names: Sequence[str]) -> Numbers:
        """Those of some names, in the order of the study."""
        if missing := [name for name in names if name not in self.names]:
            raise NoMeasure(f"{self.label}: there is no {missing[0]!r}; there are {listed(self.names)}")
        return self.at([i for i, name in enumerate(self.names) if name in set(names)])

    def strongest(self, most: int) -> Numbers:
        """Those of the names whose numbers lie furthest apart over the points (else the largest), in their order."""
        return self.at(strongest(self.sample, most))

    def at(self, rows: Sequence[int]) -> Numbers:
        """Those of some names by their places."""
        rows = list(rows)
        base = None if self.base is None else self.base.only(rows)
        kinds = [self.kinds[i] for i in rows] if self.kinds else []
        return replace(self, names=[self.names[i] for i in rows], sample=self.sample.only(rows), base=base, kinds=kinds)


def numbers(results: Contents, measure: str) -> Numbers:
    """The numbers of a measure by its name, at the end of every run.

    ``"alignment"``, ``"gain"`` (the alignment less what it would be alone), ``"influence"`` (the effect of each pair),
    a column of a kept table (``"entropy"``), or ``"table.column"`` where several tables have it.

    Raises
    ------
    NoMeasure
        If there is none of that name, in several tables, or with several rows of one member in a run.
    """
    if measure in ("alignment", "gain"):
        found = alignment(results)
        if found is None:
            raise NoMeasure(f"{measure!r}: no table of this study has alignments; keep one, Study(measure='rounds')")
        if measure == "alignment":
            return of_ends(found)
        if found.change is None:
            raise NoMeasure("'gain': nothing to compare with was kept; Record(last=1, start=True) keeps the start")
        note = f"against {found.basis}"
        return Numbers("alignment gained", found.members, found.change, signed=True, kinds=found.rewards, note=note)
    if measure == "influence":
        return replace(_column(results, "influence", "effect"), label="influence of curation on alignment", signed=True)
    return _column(results, *_place(results, measure))


def of_ends(found: Alignment) -> Numbers:
    """Alignments at the end, with what they are compared with."""
    return Numbers(f"alignment {found.when}", found.members, found.end, found.base, found.basis, kinds=found.rewards)


def measures(results: Contents) -> list[str]:
    """The measures that can be asked for by name, each number once."""
    tables = _tables(results)
    own = {"rounds.alignment" if "rounds" in tables else "stable_point.alignment", "influence.effect"}
    return ["alignment", "gain", "influence", *(name for name in _every(tables) if name not in own)]


def _tables(results: Contents) -> dict[str, set[str]]:
    return {name: numeric(results, name) for name in results.tables if name not in ("failures", "blocks")}


def _every(tables: dict[str, set[str]]) -> list[str]:
    """The columns of numbers."""
    known = {"point", *WHOSE, *RUN, "round"}
    return [f"{name}.{label}" for name, labels in tables.items() for label in sorted(labels - known)]


def _place(results: Contents, measure: str) -> tuple[str, str]:
    """The table and the column of a measure."""
    table, _, column = measure.rpartition(".")
    there = _tables(results)
    if table and column in there.get(table, ()):
        return table, column
    found = [name for name, labels in there.items() if measure in labels]
    if len(found) == 1:
        return found[0], measure
    if found:
        raise NoMeasure(
            f"{measure!r}: several tables have it; say which, {listed(f'{name}.{measure}' for name in found)}"
        )
    if table in results.tables and column in columns(results, table):
        raise NoMeasure(f"{measure}: it has no numbers; a measure is a column of numbers")
    own = [name for name in ("alignment", "gain", "influence") if _is_there(results, name)]
    raise NoMeasure(f"{measure!r}: this study has no such numbers; there are {listed([*own, *_every(there)], 20)}")


def _is_there(results: Contents, measure: str) -> bool:
    try:
        numbers(results, measure)
    except NoMeasure:
        return False
    return True


def _column(results: Contents, table: str, column: str) -> Numbers:
    """A column of a kept table, in the last round of each run where the table has rounds."""
    names = columns(results, table)
    if column not in names:
        raise NoMeasure(f"{table}.{column}: the study did not keep it; Study(measure=[{table!r}, ...]) does")
    whose, seeded, played = [name for name in WHOSE if name in names], set(RUN) <= names, "round" in names
    wanted = ["point", column, *whose, *(RUN if seeded else ()), *(["round"] if played else [])]
    found = [part for part in parts(results, table, wanted, ends_only if played else None)]
    rows = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=wanted)
    if played and len(rows):
        rows = rows[rows["round"] == rows.groupby("point")["round"].transform("max")]
    values = pd.to_numeric(rows[column], errors="coerce").astype(float)
    if values.isna().all():
        raise NoMeasure(f"{table}.{column}: it has no numbers; a measure is a column of numbers")
    label = [_name(row, whose, column) for row in rows[whose].itertuples(index=False, name=None)]
    known = list(dict.fromkeys(label))
    seeds = pd.MultiIndex.from_tuples(results.seeds)
    seed = (
        seeds.get_indexer(pd.MultiIndex.from_frame(rows[list(RUN)].astype(int))) if seeded else np.zeros(len(rows), int)
    )
    shape = (len(known), len(results.points), len(seeds) if seeded else 1)
    if np.prod(shape) > CELLS:
        raise NoMeasure(
            f"{table}.{column}: {np.prod(shape):,} numbers are too many to hold; read some of them, results.read"
        )
    spots = pd.Index(known).get_indexer(label), rows["point"].to_numpy(int), seed
    kept = seed >= 0
    if pd.MultiIndex.from_arrays([spot[kept] for spot in spots]).has_duplicates:
        raise NoMeasure(
            f"{table}.{column}: there are several rows of one {' and '.join(whose) or 'run'}; take their mean first"
        )
    cells, seen = np.full(shape, np.nan), np.zeros(shape[1:], dtype=bool)
    cells[tuple(spot[kept] for spot in spots)] = values.to_numpy()[kept]
    seen[tuple(spot[kept] for spot in spots[1:])] = True
    if seeded:
        gone = results.failures[results.failures["kind"] == "diverged"]
        at = places(results, gone["point"]), seeds.get_indexer(pd.MultiIndex.from_frame(gone[list(RUN)].astype(int)))
        there = (at[0] >= 0) & (at[1] >= 0)
        cells[:, at[0][there], at[1][there]] = np.nan
        seen[at[0][there], at[1][there]] = False
    sample = Sample.of(cells, exact_points(results, seen, seeded))
    words = column.replace("_", " ") + (" at the end" if played else "")
    least, most = BOUNDS.get(column, (-np.inf, np.inf))
    signed = bool((values < 0).any() and (values > 0).any())
    return Numbers(words, known, sample, signed=signed, least=least, most=most)


def _name(row: tuple[object, ...], whose: list[str], column: str) -> str:
    """Whose number it is: a member, one pair on another, or the column itself."""
    if whose == ["target", "source"]:
        return called_pair(row[0], row[1])
    return ", ".join(map(str, row)) if row else column


def called_pair(target: object, source: object) -> str:
    """Of whose curation an effect is, and on whom: ``a on itself``, ``a on b``."""
    return f"{source} on {'itself' if target == source else target}"


def explained(found: Numbers, sweep: Sweep) -> pd.DataFrame:
    """The part of each name's variance over points that each parameter alone explains, ``[names, parameters]``.

    It is the variance of the means over its levels (a first-order index), for scattered designs without what as many
    levels drawn by lot would explain; of SALib's designs the
    points that were drawn apart are taken. Names that do not move are left out; strongest parameters come first.
    """
    mean = found.sample.mean
    seen = np.isfinite(mean) if sweep.alone is None else np.isfinite(mean) & sweep.alone
    centre = np.where(seen, mean, 0.0).sum(1, keepdims=True) / np.maximum(seen.sum(1, keepdims=True), 1)
    off = np.where(seen, mean - centre, 0.0)
    whole = (off**2).sum(1)
    moved = np.isfinite(whole) & (whole > 1e-18 * np.maximum(1.0, np.where(seen, mean**2, 0.0).sum(1)))
    shares: dict[str, np.ndarray] = {}
    for parameter in sweep.swept if moved.any() else []:
        levels = sweep.levels(parameter)
        totals = np.stack([np.bincount(levels.level, row, len(levels)) for row in off[moved]])
        counts = np.stack([np.bincount(levels.level, row.astype(float), len(levels)) for row in seen[moved]])
        part = (totals**2 / np.maximum(counts, 1)).sum(1) / whole[moved]
        if sweep.scattered:
            points, used = seen[moved].sum(1), (counts > 0).sum(1)
            part = 1 - (1 - part) * (points - 1) / np.maximum(points - used, 1)
        shares[parameter.name] = np.clip(part, 0, 1)
    names = [name for name, moves in zip(found.names, moved, strict=True) if moves]
    table = pd.DataFrame(shares, index=pd.Index(names, name="name"))
    return table[table.mean().sort_values(ascending=False, kind="stable").index]
