"""What a study has found so far: its tables as pandas."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from ecosystem.study.plan import Block, Seed, pending
from ecosystem.study.progress import Progress
from ecosystem.study.store import Store
from ecosystem.study.work import failures_table


class Results:
    """The tables of a study, read from its folder; also while it is being computed, or only half done.

    ``points`` has a row a point and a column a parameter; every other table has a column ``point`` and never repeats
    the parameters (:meth:`with_parameters` joins them). ``failures`` says what went wrong where. A table of the study
    is an attribute (``results.rounds``) and is read when it is first asked for.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.store = Store(folder)
        self.facts = self.store.facts()
        self._read: dict[str, pd.DataFrame] = {}

    # -- facts -------------------------------------------------------------------------------------------------------

    @property
    def folder(self) -> Path:
        return self.store.folder

    @property
    def name(self) -> str:
        return self.facts.name

    @property
    def parameters(self) -> list[str]:
        """The names of the parameters, the columns of ``points``."""
        return list(self.facts.names)

    @property
    def tables(self) -> list[str]:
        """The tables that were kept, without ``points``."""
        return list(self.facts.tables)

    @property
    def seeds(self) -> list[Seed]:
        """Every pair (seed, replicate) that was asked for."""
        return list(dict.fromkeys(seed for request in self.facts.requests for seed in request.seeds))

    @property
    def finished(self) -> bool:
        """Whether all that was asked for has been computed."""
        return not pending(self.facts.requests, self._finished)

    @cached_property
    def points(self) -> pd.DataFrame:
        """The table ``points``."""
        table = self.store.points(self.facts)
        return table[table["point"].isin(self._there)].reset_index(drop=True)

    @property
    def failed(self) -> list[int]:
        """The points with a failure."""
        return sorted({int(point) for point in self["failures"]["point"]})

    @property
    def failures_by_kind(self) -> dict[str, int]:
        """How many points failed in which way; one that failed in several ways counts in each."""
        return dict(Counter(self["failures"][["point", "kind"]].drop_duplicates()["kind"].tolist()))

    def progress(self) -> Progress:
        """How far it is, by what lies in the folder."""
        finished = self._finished
        waiting = {point for block in pending(self.facts.requests, finished) for point in block.points}
        blocks = sum(1 for request in self.facts.requests for _ in request.blocks())
        points = len(self._there)
        return Progress(points, points - len(waiting), len(self.failed), blocks, len(finished))

    # -- tables ------------------------------------------------------------------------------------------------------

    def __getitem__(self, table: str) -> pd.DataFrame:
        if table == "points":
            return self.points
        if table not in self._read:
            self._read[table] = self.read(table)
        return self._read[table]

    def __getattr__(self, name: str) -> pd.DataFrame:
        if name.startswith("_") or "facts" not in self.__dict__ or name not in self.facts.tables:
            raise AttributeError(f"{type(self).__name__} has no attribute or table {name!r}")
        return self[name]

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *self.facts.tables]

    def read(
        self, table: str, columns: Sequence[str] | None = None, points: Iterable[int] | None = None
    ) -> pd.DataFrame:
        """A table of the finished blocks in the order of points; only some columns, only some points, if asked.

        Read anew each time. For what does not fit into memory see :meth:`dataset`.
        """
        wanted = None if points is None else {int(point) for point in points}
        fields = None if columns is None else list(dict.fromkeys(["point", *columns]))
        parts = []
        for block in self._blocks(table):
            if table == "failures" and not self.store.may_have_failed(block.number):
                continue
            if (wanted is None or wanted & set(block.points)) and self.store.path(table, block.number).exists():
                part = self.store.read(self.store.path(table, block.number), fields)
                if wanted is not None and "point" in part.column_names:
                    part = part.filter(pc.is_in(part["point"], pa.array(sorted(wanted))))
                if block.number in self._replaced and "point" in part.column_names:
                    part = part.filter(pc.invert(pc.is_in(part["point"], pa.array(self._replaced[block.number]))))
                parts.append(part)
        filled = [part for part in parts if part.num_rows] or parts[:1]
        if not filled:
            blank = failures_table([]) if table == "failures" else pd.DataFrame(columns=fields or ["point"])
            return blank if columns is None else blank[list(columns)]
        frame = _joined(filled)
        if "point" in frame and not frame["point"].is_monotonic_increasing:
            frame = frame.sort_values("point", kind="stable", ignore_index=True)
        return frame if columns is None else frame[list(columns)]

    def with_parameters(self, table: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """A table with the parameters of each row's point beside it.

        A parameter that is called like a column of the table gets ``_parameter`` behind its name.
        """
        frame = self[table] if columns is None else self.read(table, ["point", *columns])
        clash = {name: f"{name}_parameter" for name in self.parameters if name in frame.columns}
        return frame.merge(self.points.rename(columns=clash), on="point", how="left")

    def dataset(self, table: str) -> ds.Dataset:
        """A table of the finished blocks as a pyarrow dataset: to scan and aggregate more than fits in memory."""
        files = [str(self.store.path(table, block.number)) for block in self._blocks(table)]
        files = [file for file in files if os.path.exists(file)]
        if not files:
            return ds.dataset(pa.Table.from_pandas(self.read(table), preserve_index=False))
        schema = pa.unify_schemas([self.store.schema(Path(file)) for file in files], promote_options="permissive")
        return ds.dataset(files, schema=schema, format="parquet")

    def __repr__(self) -> str:
        p = self.progress()
        return f"Results({self.name!r}: {p.done} of {p.points} points, {p.failed} failed, in {str(self.folder)!r})"

    # -- inside ------------------------------------------------------------------------------------------------------

    @cached_property
    def _finished(self) -> set[int]:
        return self.store.finished(self.facts)

    @cached_property
    def _there(self) -> set[int]:
        """The points that were computed or are to be."""
        there = {point for request in self.facts.requests for block in request.blocks() for point in block.points}
        return there - set(self.facts.forgotten)

    @cached_property
    def _replaced(self) -> dict[int, list[int]]:
        return {block: sorted(points) for block, points in self.store.replaced(self.facts).items()}

    def _blocks(self, table: str) -> list[Block]:
        if table not in self.facts.tables:
            raise KeyError(f"the study has no table {table!r}; it has points, {', '.join(self.facts.tables)}")
        return self.store.blocks(self.facts)


def _joined(parts: list[pa.Table]) -> pd.DataFrame:
    try:
        return pa.concat_tables(parts, promote_options="permissive").unify_dictionaries().to_pandas()
    except pa.ArrowTypeError:  # numbers in one block, texts in another
        return pd.concat([part.to_pandas() for part in parts], ignore_index=True)


def retriable(failures: pd.DataFrame) -> Any:
    """Rows whose points can be tried again: all but those that diverged, which is a result."""
    return failures[failures["kind"] != "diverged"]
