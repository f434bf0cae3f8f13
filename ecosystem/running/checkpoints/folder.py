"""The folder of a run's checkpoints: each is whole or not there, and only the newest are kept.

::

    round-00011/            an older one
    round-00012/            state.json, tensors.safetensors and the manifest that says what is in them
    .round-00013.partial/   being written, or left behind by a process that was killed
    recorded.bin            what was recorded until now, of all of them (:mod:`ecosystem.running.checkpoints.log`)

A checkpoint is written beside its place, flushed to the disk and moved there in one step; older ones go after that.
What was recorded is added to its file before, and never written again: a checkpoint late in a run costs no more than
an early one. One that is saved by hand has a ``recorded.bin`` of its own inside.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ecosystem.core import locks, manifest, storage
from ecosystem.core.arguments import spelled
from ecosystem.core.check import whole_number
from ecosystem.core.manifest import Damaged
from ecosystem.running.checkpoints.log import FILE, Log, Piece, packed, pieces, said

STATE, TENSORS = "state.json", "tensors.safetensors"
FORMAT = 4
_ROUND = re.compile(r"round-(\d{5,})")
_LEFT = re.compile(r"\.round-\d{5,}\.partial")
_REPORT = ("report.html", ".report.html.partial")  # of the run so far
_FOREIGN = "holds {}, which are no checkpoints; choose another folder, or an empty one"
_UNWRITABLE = "the folder of checkpoints cannot be made or written; choose another"
_FULL = "could not write this checkpoint; make room and run again, older ones are whole"


class CheckpointError(ValueError):
    """A checkpoint that cannot be read or does not belong to a run; the message says what to do."""


@spelled
@dataclass(frozen=True)
class Checkpoints:
    """Save a run in ``folder`` after every ``every``-th round and the last one; the newest ``keep`` stay.

    ``scenario.run(seed=0, checkpoints=Checkpoints("runs/moons/saved"))`` goes on from the newest one there, if there
    is any: after a crash the same line gives bit for bit what an uninterrupted run would have given (on one machine
    with one set of versions), and after the end it comes back at once. The folder needs room for one more than
    ``keep``, and for what is recorded, which each adds to in ``recorded.bin``; one process at a time can use it. Copy
    the folder as a whole: no checkpoint is read without that file.

    >>> Checkpoints("runs/moons/saved", every=5).path(10).name
    'round-00010'
    """

    folder: Path
    every: int = 1
    keep: int = 2

    def __init__(self, folder: str | os.PathLike[str], every: int = 1, keep: int = 2) -> None:
        for name, value in (("every", every), ("keep", keep)):
            whole_number(value, f"Checkpoints({name})", 1)
        for name, value in (("folder", storage.named(folder)), ("every", every), ("keep", keep)):
            object.__setattr__(self, name, value)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder alone; it is made if it is not there, and what killed processes left is removed."""
        storage.refuse_foreign(self.folder, _FOREIGN, ours=_is_ours, error=CheckpointError)
        with locks.locked(self.folder, self._busy, _UNWRITABLE):
            for entry in self.folder.iterdir():
                if _LEFT.fullmatch(entry.name):
                    storage.clear(entry)
            yield

    def rounds(self) -> list[int]:
        """The rounds after which there is a checkpoint, the newest first."""
        found = [_ROUND.fullmatch(entry.name) for entry in self.folder.iterdir()] if self.folder.is_dir() else []
        return sorted((int(match[1]) for match in found if match), reverse=True)

    def path(self, round: int) -> Path:
        return self.folder / f"round-{round:05d}"

    def add(self, round: int, state: dict[str, Any], tensors: dict[str, Tensor], recorded: Piece, log: Log) -> None:
        """Write the checkpoint after a round, and what was recorded since the last; then remove what is too old."""
        known = log.add(recorded, f"{_FULL} ({self.path(round)})")
        write(self.path(round), {**state, "recorded": known}, tensors)
        log.settle(known)
        for old in self.rounds()[self.keep :]:
            storage.remove(self.path(old))

    def _busy(self) -> CheckpointError:
        return CheckpointError(
            f"another run is saving its checkpoints in {self.folder}; wait for it, or choose another folder"
        )


def _is_ours(name: str) -> bool:
    return name in (locks.LOCK, FILE, *_REPORT) or bool(_ROUND.fullmatch(name) or _LEFT.fullmatch(name))


def write(folder: Path, state: dict[str, Any], tensors: dict[str, Tensor], recorded: Piece | None = None) -> None:
    """One checkpoint as a folder, whole or not at all, and on the disk when this returns.

    With all that was ``recorded`` it stands for itself.
    """
    from safetensors.torch import save

    if folder.exists():
        raise FileExistsError(f"{folder} exists already; choose another folder for the checkpoint")
    with storage.folder(folder, _FULL) as beside:
        if recorded is not None:
            data = packed(recorded)
            (beside / FILE).write_bytes(data)
            state = {**state, "recorded": said(data)}
        (beside / TENSORS).write_bytes(save(tensors))
        (beside / STATE).write_bytes(json.dumps({"format": FORMAT, **state}, allow_nan=False).encode())


def read(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The state and the tensors of one checkpoint; refused where a file is not what was written."""
    if not any((folder / name).exists() for name in (STATE, manifest.FILE)):
        raise CheckpointError(f"{folder} holds no checkpoint: there is no {STATE} in it; choose another folder")
    try:
        if not (folder / manifest.FILE).exists() and (folder / STATE).exists():
            _check_format(folder, manifest.opened(folder / STATE, manifest.facts))
        with manifest.whole(folder):
            state = manifest.opened(folder / STATE, manifest.facts)
            _check_format(folder, state)
            return state, manifest.opened(folder / TENSORS, manifest.tensors)
    except Damaged as error:
        damaged = Damaged(error.file, error.what)
        raise CheckpointError(
            f"{damaged}; delete {folder}, and the run goes on from the one before, or bring it back from a copy"
        ) from error


def recorded(folder: Path, state: dict[str, Any]) -> Iterator[Piece]:
    """What had been recorded up to a checkpoint, piece by piece; refused where it is not what was written."""
    try:
        yield from pieces(log_of(folder), state["recorded"])
    except Damaged as error:
        raise CheckpointError(
            f"{error.file} {error.what}; it belongs to {folder}: bring it back from a copy, or choose another folder, "
            "and the run begins anew"
        ) from error


def log_of(folder: Path) -> Path:
    """The file with what was recorded up to a checkpoint: its own, or that of the folder it is in."""
    return folder / FILE if (folder / FILE).exists() else folder.absolute().parent / FILE


def _check_format(folder: Path, state: dict[str, Any]) -> None:
    if (found := state.get("format")) != FORMAT:
        raise CheckpointError(
            f"{folder} has format {found!r}; this version reads format {FORMAT}: choose another folder, and the run "
            "begins anew"
        )
