"""The tables of blocks: a Parquet file a table and block."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from ecosystem.core import manifest, parquet
from ecosystem.core.journal import Journal
from ecosystem.core.manifest import Damaged
from ecosystem.study.folder import TABLES, mended
from ecosystem.study.work import no_failures


class Tables:
    """What lies in a study's folder ``tables``, read file by file; a table without even columns has no file."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def has(self, table: str, block: int) -> bool:
        """Whether a block has a file of a table."""
        return name_of(table, block) in self.journal.entries

    def blocks(self) -> set[int]:
        """The numbers of the finished blocks: what all of them have is a row about themselves."""
        with mended():
            return {number for name in self.journal.entries for table, number in parts_of(name) if table == "blocks"}

    def read(self, table: str, block: int, columns: Sequence[str] | None = None) -> pa.Table:
        """A table of a block; only some columns, if asked."""
        with mended():
            return read(self.journal, name_of(table, block), columns)

    def bytes(self, table: str, block: int) -> bytes:
        """The file of a table as it is; empty where there is none."""
        with mended():
            return self.journal.read(name_of(table, block)) if self.has(table, block) else b""

    def path(self, table: str, block: int) -> Path:
        """Where the file of a table stands, for who reads it without this package; it is whole now."""
        with mended():
            if self.journal.check:
                self.journal.verify([name_of(table, block)])
            return self.journal.place(name_of(table, block))

    def may_have_failed(self, block: int) -> bool:
        """Whether the table of failures of a block has to be read: the empty one is always the same."""
        return self.journal.entries.get(name_of("failures", block)) != manifest.entry(no_failures())

    def lying(self) -> Iterator[str]:
        """The names of all files that lie there, whoever put them there; not those that systems hide."""
        top = self.journal.folder / TABLES
        for path in top.iterdir() if top.is_dir() else ():
            inside = [f"{path.name}/{entry.name}" for entry in os.scandir(path)] if path.is_dir() else [path.name]
            yield from (f"{TABLES}/{name}" for name in inside if not name.split("/")[-1].startswith("."))


def name_of(table: str, block: int) -> str:
    """The name of a table's file in the manifest."""
    return f"{TABLES}/{table}/{block:06d}.parquet"


def parts_of(name: str) -> Iterator[tuple[str, int]]:
    """The table and the block of a file, if it has them."""
    match name.split("/"):
        case [top, table, file] if top == TABLES and file.removesuffix(".parquet").isdigit():
            yield table, int(file.removesuffix(".parquet"))


def read(journal: Journal, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """A Parquet file of a study; whatever is wrong with it is :class:`Damaged`."""
    source = journal.read(name) if journal.check else journal.place(name)
    try:
        return parquet.table(source, columns)
    except (OSError, pa.ArrowException, parquet.TooLarge) as error:
        path = journal.folder / name
        if not path.exists():
            raise Damaged(path, "is missing", missing=True) from error
        raise Damaged(path, f"is damaged ({str(error).splitlines()[0]})") from error
