"""The folder of a study: whole files only, whatever happens while they are written.

::

    study.json                   what was asked, and what all numbers come from
    points.parquet               a row a point
    tables/rounds/000000.parquet a file a block and table (000004-000019.parquet: of blocks that were computed as one);
                                 a block is finished when the manifest has them
    tracebacks/                  of points that raised
    manifest.jsonl               sizes and digests of all of these, a line a step

Every file is written beside its place, flushed to the disk and announced in the manifest before it gets its name (see
:mod:`ecosystem.core.journal`). The lock belongs to the process that computes and goes with it, however it ends;
reading needs no lock.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ecosystem.core import locks, manifest, storage
from ecosystem.core.manifest import Damaged

FACTS, POINTS, TABLES, TRACEBACKS = "study.json", "points.parquet", "tables", "tracebacks"
_OWNER = ".running.json"
_OURS = {FACTS, POINTS, TABLES, TRACEBACKS, manifest.FILE, locks.LOCK, _OWNER, "report.html"}
_FOREIGN = "holds no study, but {}; choose another folder, or an empty one"
_UNWRITABLE = "the study's folder cannot be made or written; make room, or choose another folder"
FULL = "could not write to the study's folder; make room and run it again, what is finished stays"
_AGAIN = "run the study again: its block will be computed again, to the same numbers"
_COPY = "bring it back from a copy, or read what lies there unchecked: Study.load(folder, check=False)"


class StudyFolderError(ValueError):
    """A folder that is no study's, is damaged, or is at work already; the message says what to do."""


@contextmanager
def mended() -> Iterator[None]:
    """What is wrong with a file, with what to do about it."""
    try:
        yield
    except Damaged as error:
        mend = _COPY
        if error.file.parent.parent.name == TABLES:
            mend = _AGAIN if error.missing else f"delete it and {_AGAIN}"
        raise StudyFolderError(str(error.mended(mend))) from error


# -- who works on it ---------------------------------------------------------------------------------------------------


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder alone; made if it is not there. Refused where something else is in it, or somebody."""
    storage.refuse_foreign(folder, _FOREIGN, (FACTS,), _is_ours, StudyFolderError)
    with locks.locked(folder, lambda: _busy(folder), _UNWRITABLE):
        try:
            since = time.strftime("%Y-%m-%d %H:%M:%S")
            owner = {"host": socket.gethostname(), "process": os.getpid(), "since": since}
            storage.write(folder / _OWNER, json.dumps(owner).encode(), FULL)
            yield
        finally:
            (folder / _OWNER).unlink(missing_ok=True)


def running(folder: Path) -> str:
    """Who is at work on a folder, in words; empty if nobody is."""
    return _owner(folder) if locks.held(folder) else ""


def _owner(folder: Path) -> str:
    try:
        owner: Mapping[str, Any] = json.loads((folder / _OWNER).read_text(encoding="utf-8"))
        return f"process {owner['process']} on {owner['host']} since {owner['since']}"
    except (OSError, ValueError, KeyError):
        return "another process"


def _busy(folder: Path) -> StudyFolderError:
    return StudyFolderError(f"{folder} is being worked on by {_owner(folder)}; wait for it, or choose another folder")


def _is_ours(name: str) -> bool:
    return name in _OURS or (name.startswith(".") and name.endswith(".partial"))
