"""The folder of a study: whole files only, whatever happens while they are written.

::

    study.json                   what was asked, and what all numbers come from
    points.parquet               a row a point
    tables/rounds/000000.parquet a file a block and table; a block is finished when all its tables are there
    tracebacks/                  of points that raised

Every file is written beside its place, flushed to the disk and moved there in one step. The lock belongs to the
process that computes and goes with it, however it ends; reading needs no lock.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ecosystem.core import storage
from ecosystem.study.plan import Block, Request
from ecosystem.study.work import Parcel, as_bytes, no_failures, parquet

FACTS, POINTS, TABLES, OWNER = "study.json", "points.parquet", "tables", ".running.json"
FORMAT = 1
_OURS = {FACTS, POINTS, TABLES, storage.LOCK, OWNER, "tracebacks", "report.html"}
_FOREIGN = "holds no study, but {}; choose another folder, or an empty one"
_UNWRITABLE = "the study's folder cannot be made or written; make room, or choose another folder"
_FULL = "could not write to the study's folder; make room and run it again, what is finished stays"


class StudyFolderError(ValueError):
    """A folder that is no study's, is damaged, or is at work already; the message says what to do."""


@dataclass
class Facts:
    """What ``study.json`` says."""

    name: str
    names: list[str]  # of the parameters
    keys: list[str]  # digests of the points
    tables: list[str]  # of every block
    identity: dict[str, Any]
    requests: list[Request]
    created: str = field(default_factory=lambda: time.strftime("%Y-%m-%dT%H:%M:%S%z"))
    accepted: list[dict[str, Any]] = field(default_factory=list)  # changes that were let pass
    forgotten: list[int] = field(default_factory=list)  # points that were taken out again

    def to_json(self) -> dict[str, Any]:
        return {"format": FORMAT, **vars(self), "requests": [request.to_json() for request in self.requests]}

    @classmethod
    def from_json(cls, given: dict[str, Any]) -> Facts:
        requests = [Request.from_json(request) for request in given["requests"]]
        return cls(**{**given, "requests": requests})


class Store:
    """A study's folder, read and written."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    # -- reading -----------------------------------------------------------------------------------------------------

    @property
    def exists(self) -> bool:
        return (self.folder / FACTS).is_file()

    def facts(self) -> Facts:
        """What was asked; refused where the folder is none of ours or damaged."""
        path = self.folder / FACTS
        if not path.is_file():
            raise StudyFolderError(f"{self.folder} holds no study: there is no {FACTS} in it; give a study's folder")
        try:
            given = json.loads(path.read_text(encoding="utf-8"))
            if (found := given.pop("format")) != FORMAT:
                raise StudyFolderError(f"{path} has format {found!r}; this version reads format {FORMAT}")
            return Facts.from_json(given)
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            if isinstance(error, StudyFolderError):
                raise
            raise StudyFolderError(
                f"{path} cannot be read ({type(error).__name__}: {error}); bring it back from a copy, or choose "
                "another folder: without it nobody knows what was asked"
            ) from error

    def points(self, facts: Facts) -> pd.DataFrame:
        """The table of points, also forgotten ones; what the facts do not know is from a start that was broken off."""
        return self.read(self.folder / POINTS).to_pandas().head(len(facts.keys))

    def finished(self, facts: Facts) -> set[int]:
        """The blocks whose tables are all there."""
        numbers = [self._blocks(name) for name in facts.tables]
        return set.intersection(*numbers) if numbers else set()

    def blocks(self, facts: Facts) -> list[Block]:
        """The finished blocks."""
        finished = self.finished(facts)
        return [block for request in facts.requests for block in request.blocks() if block.number in finished]

    def replaced(self, facts: Facts) -> dict[int, set[int]]:
        """By block, the points whose rows do not count: they were computed again since, or are forgotten."""
        retries = {number for request in facts.requests if request.retries for number in request.numbers}
        forgotten = set(facts.forgotten)
        blocks = self.blocks(facts) if retries or forgotten else []
        latest = {(p, block.seeds): block.number for block in blocks if block.number in retries for p in block.points}
        gone = {
            b.number: {p for p in b.points if p in forgotten or latest.get((p, b.seeds), b.number) > b.number}
            for b in blocks
        }
        return {number: points for number, points in gone.items() if points}

    def may_have_failed(self, block: int) -> bool:
        """Whether the table of failures of a block has to be read: the empty one has always the same size."""
        return self.path("failures", block).stat().st_size != len(no_failures())

    def path(self, table: str, block: int) -> Path:
        return self.folder / TABLES / table / f"{block:06d}.parquet"

    def read(self, path: Path, columns: Sequence[str] | None = None) -> pa.Table:
        """One Parquet file, its checksums verified."""
        with _readable(path):
            names = None if columns is None else list(columns)
            return pq.ParquetFile(path, page_checksum_verification=True).read(names)

    def schema(self, path: Path) -> pa.Schema:
        """The columns of a Parquet file."""
        with _readable(path):
            return pq.read_schema(path)

    def running(self) -> str:
        """Who is at work on the folder, in words; empty if nobody is."""
        return self._owner() if storage.held(self.folder) else ""

    # -- writing -----------------------------------------------------------------------------------------------------

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder alone; made if it is not there. Refused where something else is in it, or somebody."""
        storage.refuse_foreign(self.folder, _FOREIGN, (FACTS,), _is_ours, StudyFolderError)
        with storage.locked(self.folder, self._busy, _UNWRITABLE):
            try:
                since = time.strftime("%Y-%m-%d %H:%M:%S")
                owner = {"host": socket.gethostname(), "process": os.getpid(), "since": since}
                self.write(self.folder / OWNER, json.dumps(owner).encode())
                self._sweep()
                yield
            finally:
                (self.folder / OWNER).unlink(missing_ok=True)

    def save(self, facts: Facts, points: pd.DataFrame) -> None:
        """Write down what is asked: the points first, for they are known only through the facts."""
        self.write(self.folder / POINTS, as_bytes(points))
        self.write(self.folder / FACTS, json.dumps(facts.to_json(), indent=1, default=str).encode())

    def keep(self, facts: Facts, block: Block, parcel: Parcel) -> None:
        """Write the tables of a block; it is finished with the last of them."""
        for file, text in parcel.tracebacks.items():
            self.write(self.folder / file, text.encode(errors="backslashreplace"))
        for name in facts.tables:
            self.put(name, block.number, parcel.tables[name])

    def put(self, table: str, block: int, data: bytes) -> None:
        """Write one table of a block."""
        path = self.path(table, block)
        self.write(path if data else _empty(path), data)

    def tidy(self, facts: Facts) -> None:
        """Remove what a killed process has left: tables of blocks that are not finished, rows that were replaced."""
        finished = {block.number for block in self.blocks(facts)}
        for name in facts.tables:
            for number in self._blocks(name) - finished:
                for path in (self.path(name, number), _empty(self.path(name, number))):
                    path.unlink(missing_ok=True)
        for block, points in self.replaced(facts).items():
            self._remove(facts, block, points)

    def write(self, path: Path, data: bytes) -> None:
        """A file, whole or not at all."""
        storage.write(path, data, _FULL)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _remove(self, facts: Facts, block: int, points: set[int]) -> None:
        """Take the rows of some points out of a block's tables."""
        for name in facts.tables:
            path = self.path(name, block)
            if name == "blocks" or not path.exists():
                continue
            table = self.read(path)
            keep = [point not in points for point in table["point"].to_pylist()]
            if not all(keep):
                self.write(path, parquet(table.filter(pa.array(keep))))

    def _blocks(self, table: str) -> set[int]:
        folder = self.folder / TABLES / table
        if not folder.is_dir():
            return set()
        names = (entry.name.removeprefix(".").removesuffix(".empty") for entry in os.scandir(folder))
        return {int(name.removesuffix(".parquet")) for name in names if name.removesuffix(".parquet").isdigit()}

    def _owner(self) -> str:
        try:
            owner: Mapping[str, Any] = json.loads((self.folder / OWNER).read_text(encoding="utf-8"))
            return f"process {owner['process']} on {owner['host']} since {owner['since']}"
        except (OSError, ValueError, KeyError):
            return "another process"

    def _busy(self) -> StudyFolderError:
        return StudyFolderError(
            f"{self.folder} is being worked on by {self._owner()}; wait for it, or choose another folder"
        )

    def _sweep(self) -> None:
        """Remove what a killed process had begun to write."""
        for path in self.folder.rglob(".*.partial"):
            path.unlink(missing_ok=True)


def _is_ours(name: str) -> bool:
    return name in _OURS or ".partial" in name


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Whatever is wrong with a Parquet file, in words."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        mend = "bring it back from a copy"
        if path.name != POINTS:
            mend = "delete it and run the study again: its block will be computed again, to the same numbers"
        what = "damaged" if path.exists() else "missing"
        raise StudyFolderError(f"{path} is {what} ({str(error).splitlines()[0]}); {mend}") from error


def _empty(path: Path) -> Path:
    """What stands for a table that has not even columns: others would read a file without any as they can."""
    return path.with_name(f".{path.stem}.empty")
