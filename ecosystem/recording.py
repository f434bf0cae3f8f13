"""Recording: what is kept of a run while it goes on, and the tables made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ecosystem.controls import Change


@dataclass(frozen=True)
class Record:
    """What to record: every ``every``-th round (and the start and the end), or only the ``last`` rounds of a run.

    ``draws`` counts where samples came from; ``tastes`` judges every member by every member's reward; ``samples`` keeps
    so many samples of each member of the first replicate at ``sample_rounds`` (default: five, evenly spread).
    ``judged`` samples estimate an alignment that has no closed form.
    """

    every: int = 1
    last: int | None = None
    draws: bool = False
    tastes: bool = False
    samples: int = 0
    sample_rounds: Sequence[int] | None = None
    judged: int = 256

    def __post_init__(self) -> None:
        for name, low in (("every", 1), ("samples", 0), ("judged", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < low:
                raise ValueError(f"Record({name}) must be a whole number, at least {low}, got {value!r}")

    def wants(self, round: int, rounds: int) -> bool:
        """Whether a round of a run of ``rounds`` is kept."""
        if self.last is not None and round <= rounds - self.last:
            return False
        return round % self.every == 0 or round == rounds

    def wants_samples(self, round: int, rounds: int) -> bool:
        if not self.samples:
            return False
        chosen = self.sample_rounds
        return round in ({rounds * i // 4 for i in range(5)} if chosen is None else chosen)


@dataclass
class Snapshot:
    """One recorded round; arrays ``[members, variants, replicates]``."""

    round: int
    updated: np.ndarray
    alignment: np.ndarray
    change: np.ndarray
    loss: np.ndarray
    present: np.ndarray
    counts: list[tuple[list[tuple[int, str]], np.ndarray]]
    tastes: np.ndarray | None = None  # [members, judges, variants, replicates]


@dataclass(frozen=True)
class Failure:
    """A replicate that diverged."""

    round: int
    member: int
    variant: int
    replicate: int
    error: str


@dataclass
class Recorder:
    """Keeps snapshots, samples and failures; makes the tables of one variant."""

    names: list[str]
    seeds: list[tuple[int, int]]
    snapshots: list[Snapshot] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    samples: dict[str, dict[int, Tensor]] = field(default_factory=dict)

    def rounds(self, variant: int) -> pd.DataFrame:
        """The table ``rounds``."""
        present = self._array("present", variant)
        frame = self._frame(present.shape, present)
        frame["member"] = self._member_column(present.shape, present)
        for name in ("updated", "alignment", "change", "loss"):
            frame[name] = self._array(name, variant)[present]
        return frame

    def draws(self, variant: int) -> pd.DataFrame:
        """The table ``draws``."""
        parts = []
        for snapshot in self.snapshots:
            for labels, counts in snapshot.counts:
                here = counts[:, variant, :].T  # [replicates, components]
                seed, replicate = np.array(self.seeds).T[:, :, None].repeat(len(labels), 2)
                parts.append(
                    pd.DataFrame(
                        {
                            "seed": seed.ravel(),
                            "replicate": replicate.ravel(),
                            "round": snapshot.round,
                            "member": [self.names[m] for m, _ in labels] * len(self.seeds),
                            "component": [label for _, label in labels] * len(self.seeds),
                            "count": here.ravel(),
                        }
                    )
                )
        columns = "seed replicate round member component count".split()
        if not parts:
            return pd.DataFrame(columns=columns)
        table = pd.concat(parts, ignore_index=True)
        table = table.groupby(columns[:-1], sort=False, as_index=False)["count"].sum()
        return table.sort_values(columns[:3], kind="stable", ignore_index=True)

    def tastes(self, variant: int) -> pd.DataFrame:
        """The table ``tastes``: every member's output under every judge's reward."""
        columns = "seed replicate round member judge reward".split()
        if not self.snapshots or self.snapshots[0].tastes is None:
            return pd.DataFrame(columns=columns)
        values = np.stack([s.tastes[:, :, variant] for s in self.snapshots if s.tastes is not None])
        values = values.transpose(3, 0, 1, 2)  # [replicates, rounds, members, judges]
        known = ~np.isnan(values)
        frame = self._frame(values.shape, known)
        names = np.array(self.names, dtype=object)
        frame["member"] = np.broadcast_to(names[:, None], values.shape)[known]
        frame["judge"] = np.broadcast_to(names, values.shape)[known]
        frame["reward"] = values[known]
        return frame

    def failure_table(self, variant: int) -> pd.DataFrame:
        """The table ``failures``."""
        rows = [
            (*self.seeds[f.replicate], f.round, self.names[f.member], f.error)
            for f in self.failures
            if f.variant == variant
        ]
        return pd.DataFrame(rows, columns="seed replicate round member error".split())

    def change_table(self, changes: Sequence[Change], variant: int) -> pd.DataFrame:
        """The table ``changes``."""
        rows = []
        for change in changes:
            for column in change.where[variant].nonzero().flatten().tolist():
                before, after = (_value(x, variant, column) for x in (change.before, change.after))
                rows.append((*self.seeds[column], change.round, change.subject, change.what, before, after))
        return pd.DataFrame(rows, columns="seed replicate round subject what before after".split())

    def _array(self, name: str, variant: int) -> np.ndarray:
        """``[replicates, rounds, members]``."""
        return np.stack([getattr(s, name)[:, variant] for s in self.snapshots]).transpose(2, 0, 1)

    def _frame(self, shape: tuple[int, ...], keep: np.ndarray) -> pd.DataFrame:
        """Columns seed, replicate and round for an array ``[replicates, rounds, ...]``."""
        seeds = np.array(self.seeds, dtype=np.int64)
        rounds = np.array([s.round for s in self.snapshots], dtype=np.int64)
        tail = (1,) * (len(shape) - 2)
        parts = {
            "seed": seeds[:, 0].reshape(-1, 1, *tail),
            "replicate": seeds[:, 1].reshape(-1, 1, *tail),
            "round": rounds.reshape(1, -1, *tail),
        }
        return pd.DataFrame({name: np.broadcast_to(part, shape)[keep] for name, part in parts.items()})

    def _member_column(self, shape: tuple[int, ...], keep: np.ndarray) -> pd.Categorical:
        codes = np.broadcast_to(np.arange(len(self.names), dtype=np.int32), shape)[keep]
        return pd.Categorical.from_codes(codes, categories=pd.Index(self.names))


def _value(value: Tensor | str, variant: int, column: int) -> str:
    if isinstance(value, str):
        return value
    shape = value.shape
    picked = value[min(variant, shape[0] - 1), min(column, shape[1] - 1)] if value.ndim == 2 else value
    return f"{float(picked):.6g}"


def numpy(value: Tensor) -> np.ndarray:
    return torch.as_tensor(value).detach().cpu().numpy()
