"""What is kept of the recorded rounds: arrays of all members, and the frames of measures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ecosystem.running.failures import Failure


@dataclass
class Snapshot:
    """One recorded round; arrays ``[members, variants, replicates]``.

    ``numbers`` and ``frames`` are what measures said, by their names.
    """

    round: int
    updated: np.ndarray
    loss: np.ndarray
    present: np.ndarray
    numbers: dict[str, np.ndarray]
    frames: dict[str, pd.DataFrame] = field(default_factory=dict)

    def array(self, name: str) -> np.ndarray:
        """One of the arrays, or what a measure said."""
        return getattr(self, name) if name in ARRAYS else self.numbers[name]


ARRAYS = ("updated", "loss", "present")


def measured(snapshots: Sequence[Snapshot]) -> list[str]:
    """The measures that returned frames."""
    return list(dict.fromkeys(name for snapshot in snapshots for name in snapshot.frames))


def joined(snapshots: Sequence[Snapshot], name: str) -> pd.DataFrame:
    """The frames of a measure as one, with a column ``round``; empty ones only say which columns there are."""
    frames = [s.frames[name].assign(round=s.round) for s in snapshots if name in s.frames]
    return pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)


@dataclass(frozen=True)
class Recorded:
    """What was recorded of a run, as tables are made of it."""

    names: list[str]
    seeds: list[tuple[int, int]]
    snapshots: list[Snapshot]
    failures: list[Failure]

    @property
    def history(self) -> History:
        """The arrays of all rounds."""
        return History(self.snapshots)


def since_whole(pieces: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """The last of the pieces of a checkpoint that has all that was recorded until then, and those after it."""
    first = max((i for i, piece in enumerate(pieces) if piece["whole"]), default=0)
    return pieces[first:]


def put_together(pieces: Sequence[dict[str, Any]], frames: Callable[[Any], pd.DataFrame]) -> dict[str, Any]:
    """What the pieces of a checkpoint have recorded: snapshots, failures, and by member samples and parameters."""
    snapshots: list[Snapshot] = []
    failures: list[Failure] = []
    kept: dict[str, dict[str, dict[int, Any]]] = {"samples": {}, "parameters": {}}
    for piece in since_whole(pieces):
        if piece["gone"]:
            snapshots.pop()
        tables = {name: frames(many) for name, many in piece["frames"].items()}
        snapshots += restored(piece["arrays"], tables, {round: i for i, round in enumerate(piece["rounds"])})
        failures += [Failure(*failure) for failure in piece["failures"]]
        for what, found in kept.items():
            for name, many in piece[what].items():
                found.setdefault(name, {}).update(many)
    return {"snapshots": snapshots, "failures": failures, **kept}


def restored(arrays: dict[str, np.ndarray], frames: dict[str, pd.DataFrame], rounds: dict[int, int]) -> list[Snapshot]:
    """The snapshots of some rounds, whose places are given, of those whose arrays and frames were put together."""
    snapshots = [
        Snapshot(
            round,
            **{name: arrays[name][i] for name in ARRAYS},
            numbers={name: array[i] for name, array in arrays.items() if name not in ARRAYS},
        )
        for round, i in rounds.items()
    ]
    for name, table in frames.items():
        for i, snapshot in enumerate(snapshots):
            here = table[table["round"] == snapshot.round].drop(columns="round").reset_index(drop=True)
            if len(here) or i == 0:  # an empty one still says that there is such a table
                snapshot.frames[name] = here
    return snapshots


class History:
    """The arrays of all recorded rounds, and what else tables share; put together once for all variants."""

    def __init__(self, snapshots: list[Snapshot]) -> None:
        self.snapshots = snapshots
        self._kept: dict[tuple[str, int], Any] = {}

    def array(self, name: str, count: int) -> np.ndarray:
        """One array of the first ``count`` snapshots, ``[rounds, members, variants, replicates]``."""
        return self.shared(name, count, lambda: np.stack([s.array(name) for s in self.snapshots[:count]]))

    def shared(self, name: str, count: int, make: Callable[[], Any]) -> Any:
        """What was made of the first ``count`` snapshots, once for as long as nobody asks for another number."""
        if (name, count) not in self._kept:
            self._kept = {key: value for key, value in self._kept.items() if key[1] == count}
            self._kept[name, count] = make()
        return self._kept[name, count]
