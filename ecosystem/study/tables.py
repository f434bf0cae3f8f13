"""The tables of blocks: a Parquet file a table and block."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from ecosystem.core import manifest, parquet
from ecosystem.core.journal import Journal
from ecosystem.core.manifest import Damaged
from ecosystem.study.folder import TABLES, mended
from ecosystem.study.plan import Block
from ecosystem.study.work import no_failures

_NAME = re.compile(rf"{TABLES}/([^/]+)/(\d+)(?:-(\d+))?\.parquet")


class Tables:
    """What lies in a study's folder ``tables``, read file by file; a table without even columns has no file."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def having(self, table: str, blocks: Iterable[Block]) -> list[Block]:
        """The blocks that have a file of a table."""
        known = self.journal.entries
        return [block for block in blocks if name_of(table, block) in known]

    def spans(self) -> dict[int, int]:
        """The first numbers of the finished blocks, and of how many they are made.

        What all of them have is a row about themselves.
        """
        with mended():
            names, start = self.journal.entries, f"{TABLES}/blocks/"
            found = (numbers for name in names if name.startswith(start) for _, numbers in parts_of(name))
            return {numbers.start: len(numbers) for numbers in found}

    def read(self, table: str, block: Block, columns: Sequence[str] | None = None) -> pa.Table:
        """A table of a block; only some columns, if asked."""
        with mended():
            return read(self.journal, name_of(table, block), columns)

    def bytes(self, table: str, block: Block) -> bytes:
        """The file of a table as it is; empty where there is none."""
        with mended():
            return self.journal.read(name_of(table, block)) if self.having(table, [block]) else b""

    def path(self, table: str, block: Block) -> Path:
        """Where the file of a table stands, for who reads it without this package; it is whole now."""
        with mended():
            if self.journal.check:
                self.journal.verify([name_of(table, block)])
            return self.journal.place(name_of(table, block))

    def may_have_failed(self, blocks: Iterable[Block]) -> list[Block]:
        """The blocks whose table of failures has to be read: the empty one is always the same."""
        known, none = self.journal.entries, manifest.entry(no_failures())
        return [block for block in blocks if known.get(name_of("failures", block)) != none]

    def lying(self) -> Iterator[str]:
        """The names of all files that lie there, whoever put them there; not those that systems hide."""
        top = self.journal.folder / TABLES
        for path in top.iterdir() if top.is_dir() else ():
            inside = [f"{path.name}/{name}" for name in os.listdir(path)] if path.is_dir() else [path.name]
            yield from (f"{TABLES}/{name}" for name in inside if not name.split("/")[-1].startswith("."))


def name_of(table: str, block: Block) -> str:
    """The name of a table's file in the manifest."""
    last = f"-{block.numbers[-1]:06d}" if block.span > 1 else ""
    return f"{TABLES}/{table}/{block.number:06d}{last}.parquet"


def parts_of(name: str) -> Iterator[tuple[str, range]]:
    """The table of a file and the numbers of its block, if it has them."""
    if found := _NAME.fullmatch(name):
        table, first, last = found.groups()
        yield table, range(int(first), int(last or first) + 1)


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
