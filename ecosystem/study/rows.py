"""The rows of a study's tables that count, from the files of all finished blocks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from ecosystem.study.plan import Block
from ecosystem.study.store import Facts, Store
from ecosystem.study.work import failures_table


class Rows:
    """What is in a folder by its ``facts``, read anew each time; rows that were replaced or forgotten do not count."""

    def __init__(self, store: Store, facts: Facts) -> None:
        self.store, self.facts = store, facts

    @cached_property
    def finished(self) -> set[int]:
        """The blocks that were finished when this was first asked."""
        return self.store.finished(self.facts)

    def points(self) -> pd.DataFrame:
        """The table ``points``."""
        table = self.store.points(self.facts)
        return table[table["point"].isin(self.facts.points)].reset_index(drop=True)

    def read(self, table: str, columns: Sequence[str] | None, points: Iterable[int] | None) -> pd.DataFrame:
        """A table in the order of points; only some columns, only some points, if asked."""
        wanted = None if points is None else {int(point) for point in points}
        fields = None if columns is None else list(dict.fromkeys(["point", *columns]))
        parts = []
        for block in self._blocks(table):
            if table == "failures" and not self.store.tables.may_have_failed(block.number):
                continue
            if wanted is None or wanted & set(block.points):
                part = self.store.tables.read(table, block.number, fields)
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

    def dataset(self, table: str) -> ds.Dataset:
        """A table as a dataset of the files as they are."""
        files = [self.store.tables.path(table, block.number) for block in self._blocks(table)]
        if not files:
            return ds.dataset(pa.Table.from_pandas(self.read(table, None, None), preserve_index=False))
        together = pa.unify_schemas([pq.read_schema(file) for file in files], promote_options="permissive")
        return ds.dataset([str(file) for file in files], schema=together, format="parquet")

    def _blocks(self, table: str) -> list[Block]:
        """The finished blocks with a file of a table: one that has not even columns has none."""
        if table not in self.facts.tables:
            raise KeyError(f"the study has no table {table!r}; it has points, {', '.join(self.facts.tables)}")
        return [block for block in self.store.blocks(self.facts) if self.store.tables.has(table, block.number)]

    @cached_property
    def _replaced(self) -> dict[int, list[int]]:
        return {block: sorted(points) for block, points in self.store.replaced(self.facts).items()}


def _joined(parts: list[pa.Table]) -> pd.DataFrame:
    try:
        return pa.concat_tables(parts, promote_options="permissive").unify_dictionaries().to_pandas()
    except pa.ArrowTypeError:  # numbers in one block, texts in another
        return pd.concat([part.to_pandas() for part in parts], ignore_index=True)
