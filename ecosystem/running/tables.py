"""The tables of a run, made of what was recorded."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from ecosystem.engine.diets import Change
from ecosystem.running.recording import Recorder
from ecosystem.running.snapshots import Recorded, joined, measured
from ecosystem.scenario.interventions import label

_PLACE = "seed, replicate, round"
TOLD = {  # what help() says of the tables of a run
    "members": "Who is there: columns member, generator, event, parameters, curation and real (shares of its diet), "
    "reward, curator, schedule, retention, later (what changes, and when).",
    "flows": "Who trains on whom: columns source, target, raw and curated (shares of the diet of ``target``), "
    "chosen_by, transform, delay (rounds), there, later.",
    "rounds": f"How everybody stands after each round: columns {_PLACE}, member, updated, alignment (mean reward), "
    "change (``‖Δθ‖/‖θ‖``), loss, and one for each measure that gives a number.",
    "draws": f"How many samples came from where: columns {_PLACE}, member, component (in words), source, curated, "
    "count. Empty without ``Record(draws=True)``.",
    "changes": f"What agents decide and what intervenes: columns {_PLACE}, subject, what, before, after, source, "
    "target.",
    "failures": f"What went wrong, and when: columns {_PLACE}, member, error.",
    "tastes": f"Every member by everybody's taste: columns {_PLACE}, member, judge, reward (its mean). Empty without "
    "``Record(tastes=True)``.",
    "sources": f"The data of members that train on data themselves, part by part: columns {_PLACE}, member, source, "
    "curated, born (the round), count, reward (mean, by its users), deviation. Empty without ``Record(sources=True)``.",
    "choices": f"What users saw and what they kept: columns {_PLACE}, source, target, quantile, before and after "
    "(rewards at that quantile). Empty without ``Record(choices=True)``.",
    "demand": f"How users who choose between members divide themselves: columns {_PLACE}, group, member, weight. Empty "
    "where nobody does.",
    "texts": f"What kept samples say: columns {_PLACE}, member, input, output. Empty without ``Record(samples=n)``.",
    "baseline": "What everybody's users would think of it if nobody had read anybody: columns seed, replicate, member, "
    "alignment, of (refitted, data or start).",
}


class Tables:
    """The tables of one variant, of what has been recorded up to now."""

    def __init__(self, recorder: Recorder | Recorded, changes: Sequence[Change], variant: int) -> None:
        self.variant = variant
        self.names = recorder.names
        self.seeds = recorder.seeds
        self.snapshots = list(recorder.snapshots)
        self._history = recorder.history
        self._failures = list(recorder.failures)
        self._changes = list(changes)

    def rounds(self) -> pd.DataFrame:
        """The table ``rounds``."""
        if not self.snapshots:
            names = ["seed", "replicate", "round", "member", "updated", "alignment", "change", "loss"]
            return pd.DataFrame(columns=names)
        present = self._array("present")
        whole = bool(present.all())
        if whole:  # the same rows in all variants, which pandas copies where somebody writes to them
            rows = self._history.shared("rows of the table", len(self.snapshots), lambda: self._rows(present))
        else:
            rows = self._rows(present)
        first = ("updated", "alignment", "change", "loss")
        names = (*first, *(name for name in self.snapshots[0].numbers if name not in first))
        arrays = {name: self._array(name) for name in names}  # nobody else has them
        columns = {name: array.reshape(-1) if whole else array[present] for name, array in arrays.items()}
        return pd.DataFrame({**rows, **columns}, index=rows["seed"].index, copy=False)

    @property
    def measured(self) -> list[str]:
        """The measures that returned frames."""
        return measured(self.snapshots)

    def frame(self, name: str) -> pd.DataFrame:
        """The table of a measure."""
        table = joined(self.snapshots, name)
        table = table[table.pop("variant") == self.variant]
        pairs = np.array(self.seeds, dtype=np.int64)[table.pop("replicate").astype(np.int64)].reshape(-1, 2)
        for place, (column, values) in enumerate(
            {"seed": pairs[:, 0], "replicate": pairs[:, 1], "round": table.pop("round")}.items()
        ):
            table.insert(place, column, values)
        return table.sort_values(["seed", "replicate", "round"], kind="stable", ignore_index=True)

    def failures(self) -> pd.DataFrame:
        """The table ``failures``."""
        rows = [
            (*self.seeds[f.replicate], f.round, self.names[f.member], f.error)
            for f in self._failures
            if f.variant == self.variant
        ]
        return pd.DataFrame(rows, columns=["seed", "replicate", "round", "member", "error"])

    def changes(self) -> pd.DataFrame:
        """The table ``changes``; ``subject`` in words, and the ends of a flow (a member has no ``source``)."""
        rows = []
        for change in self._changes:
            for column in change.where[self.variant].nonzero().flatten().tolist():
                before, after = (_value(x, self.variant, column) for x in (change.before, change.after))
                ends = ("", change.subject) if isinstance(change.subject, str) else change.subject
                said = (label(change.subject), change.what, before, after)
                rows.append((*self.seeds[column], change.round, *said, *ends))
        numbers = ["seed", "replicate", "round"]
        texts = ["subject", "what", "before", "after", "source", "target"]
        table = pd.DataFrame(rows, columns=numbers + texts)
        return table.astype(dict.fromkeys(numbers, "int64") | dict.fromkeys(texts, "str"))

    def _array(self, name: str) -> np.ndarray:
        """``[replicates, rounds, members]``."""
        whole = self._history.array(name, len(self.snapshots))
        return np.array(whole[:, :, self.variant].transpose(2, 0, 1), order="C")  # a copy: tables are their readers'

    def _rows(self, keep: np.ndarray) -> dict[str, pd.Series]:
        """Columns seed, replicate, round and member for an array ``[replicates, rounds, members]``."""
        seeds = np.array(self.seeds, dtype=np.int64)
        rounds = np.array([s.round for s in self.snapshots], dtype=np.int64)
        parts = {
            "seed": seeds[:, 0].reshape(-1, 1, 1),
            "replicate": seeds[:, 1].reshape(-1, 1, 1),
            "round": rounds.reshape(1, -1, 1),
        }
        columns: dict[str, Any] = {name: np.broadcast_to(part, keep.shape)[keep] for name, part in parts.items()}
        codes = np.broadcast_to(np.arange(len(self.names), dtype=np.int32), keep.shape)[keep]
        columns["member"] = pd.Categorical.from_codes(codes, dtype=_kinds(tuple(self.names)))
        return dict(pd.DataFrame(columns, copy=False).items())  # type: ignore[arg-type]


@lru_cache(maxsize=4)  # hundreds of variants have the same members
def _kinds(names: tuple[str, ...]) -> pd.CategoricalDtype:
    return pd.CategoricalDtype(pd.Index(names))


def _value(value: Tensor | str, variant: int, column: int) -> str:
    if isinstance(value, str):
        return value
    shape = value.shape
    picked = value[min(variant, shape[0] - 1), min(column, shape[1] - 1)] if value.ndim == 2 else value
    return f"{float(picked):.6g}"
