"""The tables of a run, made of what was recorded."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from ecosystem.engine.diets import Change
from ecosystem.running.ledger import choices_table, sources_table
from ecosystem.running.recording import Recorder


class Tables:
    """The tables of one variant, of what has been recorded up to now.

    ``absent`` are components (member, label) without a share at first: they may be there for the sake of other
    variants, so they count where something was drawn.
    """

    def __init__(
        self, recorder: Recorder, changes: Sequence[Change], variant: int, absent: Set[tuple[str, str]] = frozenset()
    ) -> None:
        self._absent = absent
        self.variant = variant
        self.names = recorder.names
        self.seeds = recorder.seeds
        self.snapshots = list(recorder.snapshots)
        self._history = recorder.history
        self._ledger = recorder.ledger
        self._failures = list(recorder.failures)
        self._changes = list(changes)

    def rounds(self) -> pd.DataFrame:
        """The table ``rounds``."""
        if not self.snapshots:
            names = ["seed", "replicate", "round", "member", "updated", "alignment", "change", "loss"]
            return pd.DataFrame(columns=names)
        present = self._array("present")
        columns = self._columns(present.shape, present)
        columns["member"] = self._members(present.shape, present)
        for name in ("updated", "alignment", "change", "loss"):
            columns[name] = self._array(name)[present]
        return pd.DataFrame(columns)

    def draws(self) -> pd.DataFrame:
        """The table ``draws``."""
        parts = []
        for snapshot in self.snapshots:
            for labels, counts in snapshot.counts:
                here = counts[:, self.variant, :].T  # [replicates, components]
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
        columns = ["seed", "replicate", "round", "member", "component", "count"]
        if not parts:
            return pd.DataFrame(columns=columns)
        table = pd.concat(parts, ignore_index=True)
        table = table[table["count"] >= 0]
        table = table.groupby(columns[:-1], sort=False, as_index=False)["count"].sum()
        pairs = pd.MultiIndex.from_frame(table[["member", "component"]])
        table = table[(table["count"] > 0) | ~pairs.isin(list(self._absent))]
        return table.sort_values(columns[:3], kind="stable", ignore_index=True)

    def tastes(self) -> pd.DataFrame:
        """The table ``tastes``: every member's output under every judge's reward."""
        columns = ["seed", "replicate", "round", "member", "judge", "reward"]
        if not self.snapshots or self.snapshots[0].tastes is None:
            return pd.DataFrame(columns=columns)
        values = np.stack([s.tastes[:, :, self.variant] for s in self.snapshots if s.tastes is not None])
        values = values.transpose(3, 0, 1, 2)  # [replicates, rounds, members, judges]
        known = ~np.isnan(values)
        columns = self._columns(values.shape, known)
        names = np.array(self.names, dtype=object)
        columns["member"] = np.broadcast_to(names[:, None], values.shape)[known]
        columns["judge"] = np.broadcast_to(names, values.shape)[known]
        columns["reward"] = values[known]
        return pd.DataFrame(columns)

    def sources(self) -> pd.DataFrame:
        """The table ``sources``: what members trained on, part by part."""
        return sources_table(self._ledger, self.variant, self.names, self.seeds)

    def choices(self) -> pd.DataFrame:
        """The table ``choices``: rewards before and after users chose."""
        return choices_table(self._ledger, self.variant, self.names, self.seeds)

    def failures(self) -> pd.DataFrame:
        """The table ``failures``."""
        rows = [
            (*self.seeds[f.replicate], f.round, self.names[f.member], f.error)
            for f in self._failures
            if f.variant == self.variant
        ]
        return pd.DataFrame(rows, columns=["seed", "replicate", "round", "member", "error"])

    def changes(self) -> pd.DataFrame:
        """The table ``changes``."""
        rows = []
        for change in self._changes:
            for column in change.where[self.variant].nonzero().flatten().tolist():
                before, after = (_value(x, self.variant, column) for x in (change.before, change.after))
                rows.append((*self.seeds[column], change.round, change.subject, change.what, before, after))
        numbers, texts = ["seed", "replicate", "round"], ["subject", "what", "before", "after"]
        table = pd.DataFrame(rows, columns=numbers + texts)
        return table.astype(dict.fromkeys(numbers, "int64") | dict.fromkeys(texts, "str"))

    def _array(self, name: str) -> np.ndarray:
        """``[replicates, rounds, members]``."""
        return self._history.array(name, len(self.snapshots))[self.variant]

    def _columns(self, shape: tuple[int, ...], keep: np.ndarray) -> dict[str, Any]:
        """Columns seed, replicate and round for an array ``[replicates, rounds, ...]``."""
        seeds = np.array(self.seeds, dtype=np.int64)
        rounds = np.array([s.round for s in self.snapshots], dtype=np.int64)
        tail = (1,) * (len(shape) - 2)
        parts = {
            "seed": seeds[:, 0].reshape(-1, 1, *tail),
            "replicate": seeds[:, 1].reshape(-1, 1, *tail),
            "round": rounds.reshape(1, -1, *tail),
        }
        return {name: np.broadcast_to(part, shape)[keep] for name, part in parts.items()}

    def _members(self, shape: tuple[int, ...], keep: np.ndarray) -> pd.Categorical:
        codes = np.broadcast_to(np.arange(len(self.names), dtype=np.int32), shape)[keep]
        return pd.Categorical.from_codes(codes, categories=pd.Index(self.names))


def _value(value: Tensor | str, variant: int, column: int) -> str:
    if isinstance(value, str):
        return value
    shape = value.shape
    picked = value[min(variant, shape[0] - 1), min(column, shape[1] - 1)] if value.ndim == 2 else value
    return f"{float(picked):.6g}"
