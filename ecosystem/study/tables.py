"""The tables of blocks: a Parquet file a table and block."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from ecosystem.study.folder import read, write
from ecosystem.study.work import no_failures, parquet


class Tables:
    """What lies in a study's folder ``tables``, read and written file by file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, table: str, block: int) -> Path:
        return self.folder / table / f"{block:06d}.parquet"

    def blocks(self, table: str) -> set[int]:
        """The numbers of the blocks that have a table."""
        if not (self.folder / table).is_dir():
            return set()
        names = (entry.name.removeprefix(".").removesuffix(".empty") for entry in os.scandir(self.folder / table))
        return {int(name.removesuffix(".parquet")) for name in names if name.removesuffix(".parquet").isdigit()}

    def read(self, table: str, block: int, columns: Sequence[str] | None = None) -> pa.Table:
        """A table of a block."""
        return read(self.path(table, block), columns)

    def may_have_failed(self, block: int) -> bool:
        """Whether the table of failures of a block has to be read: the empty one has always the same size."""
        return self.path("failures", block).stat().st_size != len(no_failures())

    def write(self, table: str, block: int, data: bytes) -> None:
        """A table of a block; no data are a table that has not even columns."""
        path = self.path(table, block)
        write(path if data else _empty(path), data)

    def remove(self, table: str, block: int) -> None:
        """Whatever there is of a table."""
        path = self.path(table, block)
        for file in (path, _empty(path)):
            file.unlink(missing_ok=True)

    def remove_rows(self, table: str, block: int, points: set[int]) -> None:
        """Take the rows of some points out of a table."""
        if self.path(table, block).exists():
            rows = self.read(table, block)
            keep = [point not in points for point in rows["point"].to_pylist()]
            if not all(keep):
                self.write(table, block, parquet(rows.filter(pa.array(keep))))


def _empty(path: Path) -> Path:
    """What stands for a table that has not even columns: others would read a file without any as they can."""
    return path.with_name(f".{path.stem}.empty")
