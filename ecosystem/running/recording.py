"""Recording: what is kept of a run while it goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ecosystem.core.check import whole_number
from ecosystem.core.samples import Samples
from ecosystem.engine.judging import alignments, opinion, shown
from ecosystem.engine.looped import Looped
from ecosystem.engine.program import Program
from ecosystem.engine.state import State
from ecosystem.engine.step import EXPLODED, Played, Watch
from ecosystem.engine.waves import Task
from ecosystem.running.ledger import Ledger, Witness

SHOWN = 24  # members whose samples are kept


@dataclass(frozen=True)
class Record:
    """What to record: every ``every``-th round (and the start and the end), or only the ``last`` rounds of a run,
    with ``start`` the state before the first too.

    ``draws`` counts where samples came from; ``tastes`` judges every member by every member's reward; ``samples`` keeps
    so many samples of each member of the first replicate at ``sample_rounds`` (default: five, evenly spread).
    ``judged`` samples estimate an alignment that has no closed form. ``sources`` describes, part by part, the data of
    members that train on data themselves; ``choices`` the rewards of what users saw and of what they kept (both: see
    :mod:`ecosystem.running.ledger`).
    """

    every: int = 1
    last: int | None = None
    start: bool = False
    draws: bool = False
    tastes: bool = False
    samples: int = 0
    sample_rounds: Sequence[int] | None = None
    judged: int = 256
    sources: bool = False
    choices: bool = False

    def __post_init__(self) -> None:
        for name, low in (("every", 1), ("samples", 0), ("judged", 1)):
            whole_number(getattr(self, name), f"Record({name})", low)
        if self.last is not None:
            whole_number(self.last, "Record(last)", 1, instead="or None")

    def wants(self, round: int, rounds: int) -> bool:
        """Whether a round of a run of ``rounds`` is kept."""
        if self.last is not None and round <= rounds - self.last:
            return self.start and round == 0
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


_ARRAYS = ("updated", "alignment", "change", "loss", "present", "tastes")


@dataclass(frozen=True)
class Failure:
    """A replicate that diverged."""

    round: int
    member: int
    variant: int
    replicate: int
    error: str


class History:
    """The arrays of all recorded rounds; put together once for all variants."""

    def __init__(self, snapshots: list[Snapshot]) -> None:
        self.snapshots = snapshots
        self._arrays: dict[tuple[str, int], np.ndarray] = {}

    def array(self, name: str, count: int) -> np.ndarray:
        """One array of the first ``count`` snapshots, ``[variants, replicates, rounds, members]``."""
        if (name, count) not in self._arrays:
            stacked = np.stack([getattr(snapshot, name) for snapshot in self.snapshots[:count]])
            self._arrays = {key: value for key, value in self._arrays.items() if key[1] == count}
            self._arrays[name, count] = np.ascontiguousarray(stacked.transpose(2, 3, 0, 1))
        return self._arrays[name, count]


class Recorder:
    """Looks at an ecosystem after every round and keeps what its record asks for."""

    def __init__(self, program: Program, seeds: list[tuple[int, int]], record: Record) -> None:
        self.program = program
        self.record = record
        self.names = list(program.names)
        self.seeds = seeds
        self.rounds = program.scenarios[0].rounds
        self.snapshots: list[Snapshot] = []
        self.history = History(self.snapshots)
        self.failures: list[Failure] = []
        self.ledger = Ledger()
        self._witnesses: list[Witness] = []
        self.samples: dict[str, dict[int, list[Samples]]] = {}  # by member and round, of each variant
        self._counts: list[tuple[list[tuple[int, str]], np.ndarray]] = []

    def watch(self, state: State, number: int) -> Watch | None:
        """Who is told, of some of the replicates, what is drawn, chosen and used in a round; None where nobody asks."""
        record = self.record
        if not record.wants(number, self.rounds) or not (record.draws or record.sources or record.choices):
            return None

        def told(replicates: Tensor) -> tuple[Callable[[Task, Tensor], None] | None, Witness | None]:
            witness = None
            if record.sources or record.choices:
                witness = Witness(self.program, state, number, replicates, record.sources, record.choices)
                self._witnesses.append(witness)
            return self._counter(state, replicates) if record.draws else None, witness

        return told

    def _counter(self, state: State, replicates: Tensor) -> Callable[[Task, Tensor], None]:
        parts = state.wiring.components

        def count(task: Task, counts: Tensor) -> None:
            labels = [(parts[i].target, parts[i].label) for i in task.components]
            table = np.zeros((*counts.shape[:2], len(self.seeds)), dtype=np.int64)
            table[:, :, replicates.numpy()] = counts.numpy()
            self._counts.append((labels, table))

        return count

    def keep(self, state: State, before: State | None = None, played: Played | None = None) -> None:
        """Record the round that has just been played, if it is wanted; without one, the start."""
        number = state.round
        blank = torch.full(state.active.shape, torch.nan, dtype=torch.float64)
        updated = torch.zeros_like(state.active) if played is None else played.updated
        if played is not None:
            self._keep_failures(number, played.lost)
        counts, self._counts = self._counts, []
        for labels, table in counts:  # what was drawn for members that were not due in a replicate was not used
            table[~updated.numpy()[[member for member, _ in labels]]] = -1
        witnesses, self._witnesses = self._witnesses, []
        self.ledger.close(witnesses, updated.numpy())
        if self.record.wants_samples(number, self.rounds):
            self._keep_samples(state)
        if not self.record.wants(number, self.rounds):
            return
        self.snapshots.append(
            Snapshot(
                number,
                updated=updated.numpy(),
                alignment=alignments(self.program, state, number, self.record.judged).numpy(),
                change=(blank if before is None else _changes(self.program, before, state)).numpy(),
                loss=(blank if played is None else played.losses).numpy(),
                present=(state.active & state.alive).numpy(),
                counts=counts,
                tastes=self._tastes(state) if self.record.tastes else None,
            )
        )

    def _keep_failures(self, number: int, lost: Tensor) -> None:
        for i, variant, replicate in lost.nonzero().tolist():
            error = f"the parameters of {self.names[i]!r} became NaN or larger than {EXPLODED:g} in round {number}"
            self.failures.append(Failure(number, i, variant, replicate, error))

    def state(self) -> dict[str, Any]:
        """What has been recorded, for a checkpoint."""
        labels: dict[tuple[tuple[int, str], ...], int] = {}  # most rounds have the same
        return {
            "rounds": [snapshot.round for snapshot in self.snapshots],
            "arrays": {name: self._stacked(name) for name in _ARRAYS},
            "counts": [
                [(labels.setdefault(tuple(parts), len(labels)), table) for parts, table in snapshot.counts]
                for snapshot in self.snapshots
            ],
            "labels": list(labels),
            "failures": [tuple(vars(failure).values()) for failure in self.failures],
            "samples": self.samples,
            "ledger": self.ledger.state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back what ``state`` has given, as far as this run (which may be longer) wants it."""
        arrays, rounds = state["arrays"], self.rounds
        labels = [list(parts) for parts in state["labels"]]
        self.snapshots = [
            Snapshot(
                round,
                **{name: many[i] for name, many in arrays.items() if many is not None},
                counts=[(labels[number], table) for number, table in state["counts"][i]],
            )
            for i, round in enumerate(state["rounds"])
            if self.record.wants(round, rounds)
        ]
        self.history = History(self.snapshots)
        self.failures = [Failure(*failure) for failure in state["failures"]]
        self.samples = {
            name: {round: drawn for round, drawn in many.items() if self.record.wants_samples(round, rounds)}
            for name, many in state["samples"].items()
        }
        self.ledger.load_state(state["ledger"], [snapshot.round for snapshot in self.snapshots])

    def _stacked(self, name: str) -> np.ndarray | None:
        many = [getattr(snapshot, name) for snapshot in self.snapshots]
        return np.stack(many) if many and many[0] is not None else None

    def _tastes(self, state: State) -> np.ndarray:
        out = np.full((len(self.names), len(self.names), *state.alive.shape), np.nan)
        members = [self.program.scenarios[0].member(name) for name in self.names]
        events = [(tuple(member.generator.event_shape), member.generator.input_shape) for member in members]
        for j, judge in enumerate(self.names):
            for i, name in enumerate(self.names):
                if members[j].reward is not None and events[i] == events[j]:
                    values = opinion(self.program, state, state.round, self.record.judged, judge, name)
                    out[i, j] = values.numpy()
        return out

    def _keep_samples(self, state: State) -> None:
        for i, name in enumerate(self.names[:SHOWN]):
            c, row = self.program.places[name]
            rng = self.program.rng[:1].at("show")[0]  # the same for all, so that rounds and members can be compared
            drawn: list[Samples] = []
            for variant in range(state.alive.shape[0]):
                cell = (slice(row, row + 1), slice(variant, variant + 1), slice(0, 1))
                one = state.now[c].take(cell)
                if isinstance(one, Looped):
                    drawn.append(shown(one, 0, self.record.samples, rng, self.program.questions[i][variant]))
                else:
                    drawn.append(one.sample(self.record.samples, rng)[0, 0, 0])
            self.samples.setdefault(name, {})[state.round] = drawn


def _changes(program: Program, before: State, after: State) -> Tensor:
    """``‖Δθ‖/‖θ‖`` of every member, ``[members, variants, replicates]``."""
    out = torch.full(after.active.shape, torch.nan, dtype=torch.float64)
    for cohort, old, new in zip(program.cohorts, before.now, after.now, strict=True):
        out[cohort.index] = _relative_change(old.vector(), new.vector())
    return out


def _relative_change(old: Tensor, new: Tensor) -> Tensor:
    """``‖Δθ‖/‖θ‖``, NaN from 0."""
    size = old.norm(dim=-1)
    return torch.where(size > 0, (new - old).norm(dim=-1) / size, torch.nan)
