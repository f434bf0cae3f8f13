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
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ecosystem.core import storage

FACTS, POINTS, TABLES = "study.json", "points.parquet", "tables"
_OWNER = ".running.json"
_OURS = {FACTS, POINTS, TABLES, storage.LOCK, _OWNER, "tracebacks", "report.html"}
_FOREIGN = "holds no study, but {}; choose another folder, or an empty one"
_UNWRITABLE = "the study's folder cannot be made or written; make room, or choose another folder"
_FULL = "could not write to the study's folder; make room and run it again, what is finished stays"


class StudyFolderError(ValueError):
    """A folder that is no study's, is damaged, or is at work already; the message says what to do."""


# -- files -------------------------------------------------------------------------------------------------------------


def write(path: Path, data: bytes) -> None:
    """A file, whole or not at all."""
    storage.write(path, data, _FULL)


def write_text(path: Path, text: str) -> None:
    """A text that may hold anything, such as a traceback."""
    write(path, text.encode(errors="backslashreplace"))


def read(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """One Parquet file, its checksums verified."""
    with _readable(path):
        names = None if columns is None else list(columns)
        return pq.ParquetFile(path, page_checksum_verification=True).read(names)


def schema(path: Path) -> pa.Schema:
    """The columns of a Parquet file."""
    with _readable(path):
        return pq.read_schema(path)


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


# -- who works on it ---------------------------------------------------------------------------------------------------


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder alone; made if it is not there. Refused where something else is in it, or somebody."""
    storage.refuse_foreign(folder, _FOREIGN, (FACTS,), _is_ours, StudyFolderError)
    with storage.locked(folder, lambda: _busy(folder), _UNWRITABLE):
        try:
            since = time.strftime("%Y-%m-%d %H:%M:%S")
            owner = {"host": socket.gethostname(), "process": os.getpid(), "since": since}
            write(folder / _OWNER, json.dumps(owner).encode())
            for path in folder.rglob(".*.partial"):  # what a killed process had begun to write
                path.unlink(missing_ok=True)
            yield
        finally:
            (folder / _OWNER).unlink(missing_ok=True)


def running(folder: Path) -> str:
    """Who is at work on a folder, in words; empty if nobody is."""
    return _owner(folder) if storage.held(folder) else ""


def _owner(folder: Path) -> str:
    try:
        owner: Mapping[str, Any] = json.loads((folder / _OWNER).read_text(encoding="utf-8"))
        return f"process {owner['process']} on {owner['host']} since {owner['since']}"
    except (OSError, ValueError, KeyError):
        return "another process"


def _busy(folder: Path) -> StudyFolderError:
    return StudyFolderError(f"{folder} is being worked on by {_owner(folder)}; wait for it, or choose another folder")


def _is_ours(name: str) -> bool:
    return name in _OURS or ".partial" in name
