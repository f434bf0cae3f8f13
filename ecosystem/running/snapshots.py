"""What is kept of the recorded rounds: arrays of all members, and the frames of measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd


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


class History:
    """The arrays of all recorded rounds; put together once for all variants."""

    def __init__(self, snapshots: list[Snapshot]) -> None:
        self.snapshots = snapshots
        self._arrays: dict[tuple[str, int], np.ndarray] = {}

    def array(self, name: str, count: int) -> np.ndarray:
        """One array of the first ``count`` snapshots, ``[variants, replicates, rounds, members]``."""
        if (name, count) not in self._arrays:
            stacked = np.stack([snapshot.array(name) for snapshot in self.snapshots[:count]])
            self._arrays = {key: value for key, value in self._arrays.items() if key[1] == count}
            self._arrays[name, count] = np.ascontiguousarray(stacked.transpose(2, 3, 0, 1))
        return self._arrays[name, count]
