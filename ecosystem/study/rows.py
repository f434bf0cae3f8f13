"""The rows of a study's tables that count, from the files of all finished blocks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import cached_property

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from ecosystem.core.check import brief
from ecosystem.study.plan import Block, Seed
from ecosystem.study.store import Facts, Store
from ecosystem.study.work import failures_table


class Rows:
    """What is in a folder by its ``facts``, read anew each time; rows that were replaced or forgotten do not count.

    Of some ``points`` and ``seeds`` alone, if they are given.
    """

    def __init__(
        self, store: Store, facts: Facts, points: Collection[int] | None = None, seeds: Collection[Seed] | None = None
    ) -> None:
        self.store, self.facts = store, facts
        self.wanted = facts.points if points is None else facts.points.intersection(points)
        self._all = self.wanted == facts.points
        self._seeds = set(facts.seeds if seeds is None else seeds)

    @cached_property
    def finished(self) -> set[int]:
        """The numbers of the smallest blocks that were finished when this was first asked."""
        return self.store.finished(self.facts)

    def points(self) -> pd.DataFrame:
        """The table ``points``."""
        table = self.store.points(self.facts)
        table = table[table["point"].isin(self.wanted)].reset_index(drop=True)
        lacking = [name for name in table if table[name].isna().any() and table[name].dtype != float]
        return table.assign(**{name: table[name].astype(object).where(table[name].notna(), None) for name in lacking})

    def read(self, table: str, columns: Sequence[str] | None, points: Iterable[int] | None) -> pd.DataFrame:
        """A table in the order of points; only some columns, only some points, if asked."""
        wanted = None if self._all else self.wanted
        wanted = wanted if points is None else {int(point) for point in points}.intersection(self.wanted)
        fields = None if columns is None else list(dict.fromkeys(["point", *columns]))
        parts = []
        blocks = self._blocks(table)
        for block in self.store.tables.may_have_failed(blocks) if table == "failures" else blocks:
            if wanted is None or wanted & set(block.points):
                part = self.store.tables.read(table, block, fields if self._whole(block) else None)
                if wanted is not None and "point" in part.column_names:
                    part = part.filter(pc.is_in(part["point"], pa.array(sorted(wanted))))
                part = self._counted(part, block)
                if not self._whole(block):
                    part = self._of_seeds(part, block)
                    part = part if fields is None else part.select(fields)
                parts.append(part)
        filled = [part for part in parts if part.num_rows] or parts[:1]
        if not filled:
            blank = failures_table([]) if table == "failures" else pd.DataFrame(columns=fields or ["point"])
            return blank if columns is None else blank[list(columns)]
        frame = _joined(filled)
        if "point" in frame and not frame["point"].is_monotonic_increasing:
            frame = frame.sort_values("point", kind="stable", ignore_index=True)
        if unknown := set(columns or ()) - set(frame):
            names = ", ".join(self.dataset(table).schema.names)
            raise KeyError(f"the table {table!r} has no column {brief(min(unknown))}; it has {names}")
        return frame if columns is None else frame[list(columns)]

    def dataset(self, table: str) -> ds.Dataset:
        """A table as a dataset of the files as they are; of those with rows that do not count, the others are read."""
        blocks = self._blocks(table)
        files = [self.store.tables.path(table, block) for block in blocks]
        if not files:
            return ds.dataset(pa.Table.from_pandas(self.read(table, None, None), preserve_index=False))
        together = pa.unify_schemas([pq.read_schema(file) for file in files], promote_options="permissive")
        mixed = [block.number in self._replaced and table != "blocks" for block in blocks]
        whole = [str(file) for file, some in zip(files, mixed, strict=True) if not some]
        parts = [ds.dataset(whole, schema=together, format="parquet")] if whole else []
        for block in (block for block, some in zip(blocks, mixed, strict=True) if some):
            rows = self._counted(self.store.tables.read(table, block), block)
            rows = pa.concat_tables([rows, together.empty_table()], promote_options="permissive")
            parts.append(ds.dataset(rows.select(together.names).cast(together)))
        return parts[0] if len(parts) == 1 else ds.dataset(parts)

    def _blocks(self, table: str) -> list[Block]:
        """The finished blocks with a file of a table: one that has not even columns has none."""
        if table not in self.facts.tables:
            raise KeyError(f"the study has no table {table!r}; it has points, {', '.join(self.facts.tables)}")
        return self.store.tables.having(table, self.store.blocks(self.facts))

    def _counted(self, part: pa.Table, block: Block) -> pa.Table:
        """The rows of a block that were neither replaced nor forgotten."""
        if block.number not in self._replaced or "point" not in part.column_names:
            return part
        return part.filter(pc.invert(pc.is_in(part["point"], pa.array(self._replaced[block.number]))))

    def _whole(self, block: Block) -> bool:
        """Whether all seeds of a block are wanted."""
        return self._seeds.issuperset(block.seeds)

    def _of_seeds(self, part: pa.Table, block: Block) -> pa.Table:
        """The rows about seeds that are wanted, or about none; one about several stays if one of them is wanted."""
        wanted = [seed for seed in block.seeds if seed in self._seeds]
        if "seeds" in part.column_names:
            return part if wanted else part.slice(0, 0)
        if not {"seed", "replicate"}.issubset(part.column_names):
            return part
        keep = pc.is_null(part["seed"])
        for seed, replicate in wanted:
            here = pc.and_(pc.equal(part["seed"], seed), pc.equal(part["replicate"], replicate))
            keep = pc.or_(keep, pc.fill_null(here, False))
        return part.filter(keep)

    @cached_property
    def _replaced(self) -> dict[int, list[int]]:
        return {block: sorted(points) for block, points in self.store.replaced(self.facts).items()}


def _joined(parts: list[pa.Table]) -> pd.DataFrame:
    try:
        return pa.concat_tables(parts, promote_options="permissive").unify_dictionaries().to_pandas()
    except pa.ArrowTypeError:  # numbers in one block, texts in another
        return pd.concat([part.to_pandas() for part in parts], ignore_index=True)
