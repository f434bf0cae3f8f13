"""Observations: what was seen of an ecosystem, as a checked table with a row for each number."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ecosystem.core import parquet
from ecosystem.core.arguments import meant, spelled
from ecosystem.core.check import brief, real_number
from ecosystem.core.kinds import typed
from ecosystem.core.storage import named
from ecosystem.core.words import listed
from ecosystem.running.recording import Record
from ecosystem.running.run import Run
from ecosystem.scenario import Scenario

FACT = ("member", "round", "measure")  # what a number is of
WHICH = ("seed", "replicate")  # which of several it is
NEEDED = (*FACT, "value")
COLUMNS = (*WHICH, *NEEDED, "sd")
MENDS = {
    "member": "; members are named by str(node): table['member'] = table['member'].map(str)",
    "measure": "; such as 'alignment'",
}
FINEST = 1e-100  # the least standard deviation: squares of what it divides have to be numbers


@spelled
@dataclass(frozen=True, eq=False)
class Observations:
    """A table of observations: which number was seen of which member after which round.

    ``table`` has the columns ``seed``, ``replicate`` (0 where they were not given), ``member``, ``round`` (after so
    many rounds, 0 is the start), ``measure`` (``"alignment"``, or a parameter's component such as ``"mean[0]"``),
    ``value`` (NaN: missing) and ``sd``, the standard deviation of the value's error (NaN: not known). Any other column
    is left out. Where something was observed several times, ``seed`` or ``replicate`` tell the times apart.

    Parameters
    ----------
    table: a DataFrame with at least ``member``, ``round``, ``measure`` and ``value``.
    record: how it was recorded, for :func:`posterior`: by how many samples alignments without closed form were judged.
        What is made of a run knows it.

    Raises
    ------
    TypeError
        If it is no DataFrame, or ``record`` no :class:`Record`.
    ValueError
        If a column is missing, a round, replicate or seed is no whole number from 0 on, a value is no number or is
        infinite, an ``sd`` is not above 0, a row is there twice, or there is no value at all.

    >>> seen = Observations(pd.DataFrame({"member": ["a"], "round": [3], "measure": ["alignment"], "value": [0.5]}))
    >>> len(seen), seen
    (1, Observations(1 value of 'alignment' of 'a', round 3))
    """

    table: pd.DataFrame
    record: Record | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", _checked(self.table))
        if self.record is not None and not isinstance(self.record, Record):
            raise TypeError(f"Observations(record) is a Record, Record(judged=1000), or None, got {brief(self.record)}")

    @classmethod
    @typed
    def of(cls, run: Run, measures: Sequence[str] = ("alignment",)) -> Observations:
        """What a run's ``rounds`` say, by those columns; and parameters that it kept (``Record(parameters=...)``).

        ``"mean[2]"`` is the component 2 of the parameter ``mean``, of every member that has it, in every round kept
        (``"mean[0,1]"`` of a matrix). :meth:`wide` does the same for a table that is like ``rounds``.

        Raises
        ------
        TypeError
            If it is no run.
        ValueError
            If neither its rounds nor what was kept of its members know a measure.
        """
        if not isinstance(run, Run):
            raise TypeError(f"Observations.of(run) takes a Run, got {brief(run)}")
        names = _names(measures, "Observations.of(measures)")
        inside = [name for name in names if name in run.rounds and name not in (*WHICH, "member", "round")]
        tables = [cls.wide(run.rounds, inside).table] if inside else []
        tables += [_kept(run, name) for name in names if name not in inside]
        judged = {name: run.settings[name] for name in ("judged", "same_noise") if name in run.settings}
        return cls(pd.concat(tables, ignore_index=True), Record(**judged))

    @classmethod
    @typed
    def wide(cls, table: pd.DataFrame, measures: Sequence[str] = ("alignment",)) -> Observations:
        """A table with a column for each measure, as ``run.rounds``.

        >>> table = pd.DataFrame({"member": ["a", "a"], "round": [0, 1], "alignment": [0.5, None]})
        >>> Observations.wide(table)
        Observations(1 value of 'alignment' of 'a', round 0; 1 missing)
        """
        if not isinstance(table, pd.DataFrame):
            raise TypeError(f"Observations.wide(table) is a DataFrame as run.rounds, got {brief(table)}")
        names = _names(measures, "Observations.wide(measures)")
        _has(table, ("member", "round", *names), "Observations.wide(table)")
        keys = [name for name in (*WHICH, "member", "round") if name in table]
        return cls(table.melt(id_vars=keys, value_vars=names, var_name="measure", value_name="value"))

    @classmethod
    @typed
    def read(cls, path: str | os.PathLike[str]) -> Observations:
        """The table in a CSV file (``.csv``) or a Parquet file (``.parquet``); an empty cell of ``value`` is missing.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If its name ends otherwise, it cannot be read, or what is in it is no table of observations.
        """
        file = named(path)
        if not file.is_file():
            raise FileNotFoundError(f"there is no file of observations {str(file)!r}")
        if file.suffix not in (".csv", ".parquet"):
            raise ValueError(f"observations are read from .csv and .parquet files, got {file.name!r}")
        try:
            table = parquet.frame(file) if file.suffix == ".parquet" else pd.read_csv(file, dtype={"member": str})
        except Exception as error:  # whatever a broken file makes of a reader
            raise ValueError(f"{file.name} cannot be read as a table: {brief(str(error))}") from error
        return cls(table)

    @property
    def seen(self) -> pd.DataFrame:
        """The rows that have a value."""
        return self.table[self.table["value"].notna()].reset_index(drop=True)

    @typed
    def refuse_unknown(self, scenario: Scenario, measures: Iterable[str] | None = None) -> None:
        """Refuse members and rounds that a scenario does not have and, where they are given, measures.

        Raises
        ------
        ValueError
            With the row, what it names, and what there is.
        """
        members, last = list(scenario.graph.nodes), scenario.rounds
        self._refuse("member", set(members), lambda name: f"{meant(name, members)}; there are {_quoted(members)}")
        high = np.flatnonzero(self.table["round"] > last)
        if len(high):
            value = self.table["round"].iloc[high[0]]
            raise ValueError(
                f"observations: row {high[0]} is of round {value}, and the scenario has {last}; give it more rounds"
            )
        if measures is not None:
            known = list(measures)
            self._refuse("measure", set(known), lambda name: f"{meant(name, known)}; there are {_quoted(known)}")

    def _refuse(self, column: str, known: set[str], instead: Any) -> None:
        rows = np.flatnonzero(~self.table[column].isin(known))
        if len(rows):
            name = self.table[column].iloc[rows[0]]
            raise ValueError(f"observations: row {rows[0]} is of an unknown {column} {name!r}{instead(name)}")

    def __len__(self) -> int:
        return int(self.table["value"].notna().sum())

    def __repr__(self) -> str:
        seen = self.seen
        first, last = seen["round"].min(), seen["round"].max()
        of = " of ".join(_quoted(dict.fromkeys(seen[column])) for column in ("measure", "member"))
        missing = len(self.table) - len(seen)
        when = f"round {first}" if first == last else f"rounds {first} to {last}"
        count = f"{len(seen)} value{'' if len(seen) == 1 else 's'}"
        return f"Observations({count} of {of}, {when}{f'; {missing} missing' if missing else ''})"


def as_observations(given: Any) -> Observations:
    """Observations of whatever may stand for them: a table, a run (its alignments), the name of a file.

    >>> as_observations(3)
    Traceback (most recent call last):
    TypeError: observations are a DataFrame (member, round, measure, value), a Run or a .csv or .parquet file, got 3
    """
    if isinstance(given, Observations):
        return given
    if isinstance(given, Run):
        return Observations.of(given)
    if isinstance(given, pd.DataFrame):
        return Observations(given)
    if isinstance(given, str | os.PathLike):
        return Observations.read(given)
    raise TypeError(
        f"observations are a DataFrame ({', '.join(NEEDED)}), a Run or a .csv or .parquet file, got {brief(given)}"
    )


def _names(measures: Any, place: str) -> list[str]:
    names = [measures] if isinstance(measures, str) else list(measures)
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{place} are names such as 'alignment', got {brief(measures)}")
    return list(dict.fromkeys(names))


def _quoted(names: Iterable[str]) -> str:
    return listed([repr(name) for name in names])


def _has(table: pd.DataFrame, columns: Sequence[str], place: str) -> None:
    for name in columns:
        if name not in table:
            there = [str(column) for column in table.columns]
            raise ValueError(f"{place} has no column {name!r}{meant(name, there)}; it has {_quoted(there)}")


def _kept(run: Run, measure: str) -> pd.DataFrame:
    """The kept values of a parameter's component, as a table of observations."""
    name, _, place = measure.removesuffix("]").partition("[")
    index = tuple(int(number) for number in place.split(",")) if place.replace(",", "").isdigit() else None
    seeds, rows = run.settings["seeds"], []
    for member, rounds in run.history.items():
        for round, parameters in rounds.items():
            values = parameters.get(name)
            if values is None or index is None or len(index) != values.ndim - 1:
                continue
            if all(i < size for i, size in zip(index, values.shape[1:], strict=True)):
                found = values[(slice(None), *index)].tolist()
                rows += [(*pair, member, round, measure, x) for pair, x in zip(seeds, found, strict=True)]
    if not rows:
        kept = {
            (p, *x.shape[1:]) for rounds in run.history.values() for many in rounds.values() for p, x in many.items()
        }
        shapes = listed(sorted(f"{p}{list(shape)}" for p, *shape in kept)) or "nothing; run with Record(parameters=...)"
        columns = [c for c in run.rounds.columns if c not in (*WHICH, "member", "round", "updated")]
        raise ValueError(
            f"Observations.of(measures): the run does not know {measure!r}{meant(measure, columns)}; its rounds have "
            f"{_quoted(columns)}, and of parameters it kept {shapes}"
        )
    return pd.DataFrame(rows, columns=list(COLUMNS[:-1]))


def _numbers(column: pd.Series) -> pd.Series:
    """The numbers of a column, NaN where one is none; texts are read, for files are full of them."""
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_complex_dtype(column):
        return pd.to_numeric(column, errors="coerce").astype("float64")

    def number(value: Any) -> float:
        with suppress(ValueError):
            return float(value) if isinstance(value, str) else real_number(value)
        return np.nan

    return pd.Series([number(value) for value in column], index=column.index, dtype="float64")


def _checked(table: Any) -> pd.DataFrame:
    """The table with all its columns in their order, types settled, what is wrong refused by its row."""
    if not isinstance(table, pd.DataFrame):
        raise TypeError(f"Observations(table) is a DataFrame with columns {', '.join(NEEDED)}, got {brief(table)}")
    _has(table, NEEDED, "Observations(table)")
    new = table.reset_index(drop=True)
    new = pd.DataFrame({name: new.get(name, np.nan if name == "sd" else 0) for name in COLUMNS})
    for name in ("member", "measure"):
        wrong = ~new[name].map(lambda x: isinstance(x, str) and x != "").astype(bool)
        _refuse(new[name], wrong, f"{name} is a name", MENDS[name])
        new[name] = new[name].astype(str)
    for name in (*WHICH, "round"):
        known = _numbers(new[name])
        _refuse(new[name], ~((known >= 0) & (known % 1 == 0) & (known < 2**53)), f"{name} is a whole number from 0 on")
        new[name] = known.astype("int64")
    for name, what in (
        ("value", "a finite number, or empty where it is missing"),
        ("sd", "a number above 0, or empty"),
    ):
        known = _numbers(new[name])
        small = (known < FINEST) | (known > 1 / FINEST) if name == "sd" else False
        wrong = (known.isna() & new[name].notna()) | np.isinf(known) | small
        _refuse(new[name], wrong, f"{name} is {what}")
        new[name] = known
    if not new["value"].notna().any():
        raise ValueError("Observations(table) has no value; there is nothing to learn from")
    twice = new.duplicated([*WHICH, *FACT])
    if twice.any():
        row = new[twice].iloc[0]
        raise ValueError(
            f"Observations(table): row {twice.idxmax()} has {row['measure']!r} of {row['member']!r} after round "
            f"{row['round']} a second time; say by a column replicate (or seed) which is which"
        )
    return new


def _refuse(column: pd.Series, wrong: Any, what: str, mend: str = "") -> None:
    rows = np.flatnonzero(np.asarray(wrong, dtype=bool))
    if len(rows):
        value = column.iloc[rows[:1]].tolist()[0]  # as Python's own: 1.5, and not np.float64(1.5)
        raise ValueError(f"Observations(table): {what}, got {brief(value)} in row {rows[0]}{mend}")
