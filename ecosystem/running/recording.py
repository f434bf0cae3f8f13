"""Recording: what is kept of a run while it goes on."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from ecosystem.core.arguments import spelled
from ecosystem.core.check import brief, switch, users_code, whole_number
from ecosystem.core.samples import Samples
from ecosystem.core.streams import Stream
from ecosystem.engine.judging import shown
from ecosystem.engine.looped import Looped, sent
from ecosystem.engine.placing import CPU
from ecosystem.engine.program import Program
from ecosystem.engine.state import State
from ecosystem.engine.step import Played, Watch
from ecosystem.engine.waves import Task
from ecosystem.running.failures import Failure, lost, unjudged
from ecosystem.running.measures.archive import Archive
from ecosystem.running.measures.kept import alignment, change, choices, demand, draws, sources, tastes
from ecosystem.running.measures.named import Measure, answered, checked, name_of, read, written
from ecosystem.running.measures.stage import Stage
from ecosystem.running.measures.view import View
from ecosystem.running.measures.watching import EVENTS, Witness
from ecosystem.running.snapshots import ARRAYS, History, Snapshot, joined, measured, put_together
from ecosystem.running.weights import parameters_of
from ecosystem.schedules import as_schedule

SHOWN = 24  # members whose samples are kept
ALWAYS = (alignment, change)
FLAGS = (draws, tastes, sources, choices)


@spelled
@dataclass(frozen=True)
class Record:
    """What to record: every ``every``-th round (and the start and the end), or only the ``last`` rounds of a run,
    with ``start`` the state before the first too. Then a run of 10,000 rounds takes the memory of those ``last`` ones
    (what agents change is kept of all rounds, in the table ``changes``).

    ``measures`` are functions of a :class:`~ecosystem.running.measures.View`: of those that return a number for each
    member the table ``rounds`` has a column, of those that return a frame the run has a table, by their names.
    ``alignment`` and ``change`` are always among them, ``demand`` (how users who choose between members divide
    themselves) where there are such; ``draws`` (where samples came from), ``tastes`` (every member judged by every
    member's reward), ``sources`` (the data of members that train on data themselves, part by part) and ``choices`` (the
    rewards of what users saw and of what they kept) say that those of the same name are.

    ``samples`` keeps so many samples of each member of the first replicate at ``sample_rounds`` (default: five, evenly
    spread). ``judged`` samples estimate an alignment, or another measure, that has no closed form; with ``same_noise``
    every round is judged by the noise of the start, so that an alignment moves only where a model has. ``parameters``
    is a schedule, ``every(10)`` or ``at(1, 5)``: in its rounds the parameters of all members are kept, for
    ``run.history`` and ``run.generator(name, round=...)``.

    Raises
    ------
    TypeError, ValueError
        If a number is out of range, or a measure is no function, or has a name that a run uses otherwise.

    >>> import torch
    >>> from ecosystem import Location, Member, Scenario
    >>> def first(view):
    ...     return torch.stack([view.law(name).mean[..., 0] for name in view.names])
    >>> s = Scenario("still", rounds=1)
    >>> s.add("a", Member(Location([3.0, 4.0]), real=Location([0.0, 0.0])))
    >>> s.run(record=Record(measures=[first])).rounds["first"].tolist()
    [3.0, 0.0]
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
    measures: Sequence[Measure] = ()
    parameters: Any = None
    same_noise: bool = False

    def __post_init__(self) -> None:
        for name, low in (("every", 1), ("samples", 0), ("judged", 1)):
            whole_number(getattr(self, name), f"Record({name})", low)
        for name in ("start", "draws", "tastes", "sources", "choices", "same_noise"):
            switch(getattr(self, name), f"Record({name})")
        self._check_sample_rounds()
        if self.parameters is not None:
            try:
                object.__setattr__(self, "parameters", as_schedule(self.parameters))
            except TypeError as error:
                raise TypeError(f"Record(parameters): {error}") from error
        if self.last is not None:
            whole_number(self.last, "Record(last)", 1, instead="or None")
        object.__setattr__(self, "measures", checked(self.measures, (*ALWAYS, *FLAGS, demand)))

    def _check_sample_rounds(self) -> None:
        """Refuse what are no rounds."""
        chosen = self.sample_rounds
        if chosen is None:
            return
        if not isinstance(chosen, list | tuple | range):
            raise TypeError(f"Record(sample_rounds) is a list of rounds, or None, got {brief(chosen)}")
        for round in chosen:
            whole_number(round, "Record(sample_rounds)", 0)

    @property
    def kept(self) -> tuple[Measure, ...]:
        """All measures, each once."""
        named = [measure for measure in FLAGS if getattr(self, name_of(measure))]
        return tuple(dict.fromkeys((*ALWAYS, *named, *self.measures)))

    def jury(self, round: int) -> tuple[int, int]:
        """How many samples judge in a round, and the round whose noise they are drawn with."""
        return self.judged, 0 if self.same_noise else round

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

    def wants_parameters(self, round: int) -> bool:
        """Whether parameters are kept in a round; schedules that draw have one and the same clock in all replicates."""
        if self.parameters is None or not round:
            return False
        return bool(self.parameters.says(round, Stream.root([(0, 0)])[0].at("parameters"), ()))


def _hearing(measure: Measure, what: str, number: int) -> Callable[[Any], Any]:
    """What a measure watches with, whose errors say whose they are."""

    def heard(event: Any) -> Any:
        with users_code(lambda: f"what the measure {name_of(measure)} watches {what!r} with in round {number}"):
            return measure.watches[what](event)  # type: ignore[attr-defined]

    return heard


def checked_record(record: Record | None) -> Record:
    """What to record; by default what ``Record()`` says."""
    if record is None or isinstance(record, Record):
        return record or Record()
    raise TypeError(f"record must be a Record, record=Record(every=1, samples=16), got {brief(record)}")


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
        self.samples: dict[str, dict[int, list[Samples]]] = {}  # by member and round, of each variant
        self.parameters: dict[str, dict[int, list[dict[str, Tensor]]]] = {}  # the same way
        self._archive = Archive(program)
        more = (demand,) if program.first.wiring.groups and demand not in record.kept else ()
        self._measures = (*record.kept, *more)
        self._watchers = [(measure, getattr(measure, "watches", {})) for measure in self._measures]
        self._watched: dict[int, list[Any]] = {}  # what measures that watch have kept of this round

    def watch(self, state: State, number: int) -> Watch | None:
        """Who is told, of some of the replicates, what is drawn, chosen and used in a round; None where nobody asks."""
        self._watched = {id(measure): [] for measure, watches in self._watchers if watches}
        if not self.record.wants(number, self.rounds) or not self._watched:
            return None
        told = {
            what: [
                (_hearing(m, what, number), self._watched[id(m)]) for m, watches in self._watchers if what in watches
            ]
            for what in EVENTS
        }

        def watched(replicates: Tensor) -> tuple[Callable[[Task, Tensor], None] | None, Witness | None]:
            witness = Witness(self.program, state, replicates, told)
            return witness.drawn if told["drawn"] else None, witness if told["chosen"] or told["trained"] else None

        return watched

    def keep(self, state: State, before: State | None = None, played: Played | None = None) -> None:
        """Record the round that has just been played, if it is wanted; without one, the start."""
        number = state.round
        if played is not None:
            self.failures += lost(self.names, number, played)
        if self.record.wants_samples(number, self.rounds):
            self._keep_samples(state)
        if self.record.wants_parameters(number):
            for name in self.names:
                parts = [parameters_of(self.program, state, name, variant) for variant in range(state.alive.shape[0])]
                self.parameters.setdefault(name, {})[number] = parts
        if self.record.wants(number, self.rounds):
            self._keep_numbers(state, before, played)

    def keep_last(self, state: State, before: State | None, played: Played | None) -> None:
        """Record the round in which a run was stopped, as far as that has not been done."""
        if self.snapshots[-1:] and self.snapshots[-1].round == state.round:
            return
        self._keep_numbers(state, before, played)

    def view(self, state: State, before: State | None, played: Played | None) -> View:
        """What measures see of a round."""
        return View(Stage(self.program, state, before, played, *self.record.jury(state.round), self._archive))

    def _keep_numbers(self, state: State, before: State | None, played: Played | None) -> None:
        if self.snapshots and not self.record.wants(self.snapshots[-1].round, self.rounds):
            self.snapshots.pop()  # the run was stopped there, and has gone on
            self.history = History(self.snapshots)
        watched, self._watched = self._watched, {}
        stage = Stage(self.program, state, before, played, *self.record.jury(state.round), self._archive, watched)
        updated, losses, present = (part.cpu().numpy() for part in stage.happened())
        snapshot = Snapshot(state.round, updated, losses, present, {})
        for measure in self._measures:
            answer = answered(measure, View(stage))
            (snapshot.frames if isinstance(answer, pd.DataFrame) else snapshot.numbers)[name_of(measure)] = answer
        if self.snapshots and snapshot.numbers.keys() != self.snapshots[0].numbers.keys():
            (name, *_) = snapshot.numbers.keys() ^ self.snapshots[0].numbers.keys()
            raise ValueError(f"the measure {name} returned numbers in one round and a frame in another; always do one")
        self.snapshots.append(snapshot)
        self.failures += unjudged(self.names, state, snapshot.numbers[alignment.__name__], self.failures)

    def state(self, since: int = -1) -> dict[str, Any]:
        """What has been recorded after a round, for a checkpoint; all failures."""
        first = bisect_right(self.snapshots, since, key=lambda snapshot: snapshot.round)
        kept = self.snapshots[first:]
        numbers = list(kept[0].numbers) if kept else []
        return {
            "rounds": [snapshot.round for snapshot in kept],
            "arrays": {name: np.stack([s.array(name) for s in kept]) if kept else None for name in (*ARRAYS, *numbers)},
            "frames": {name: written(joined(kept, name)) for name in measured(kept)},
            "failures": [tuple(vars(failure).values()) for failure in self.failures],
            "samples": _after(self.samples, since),
            "parameters": _after(self.parameters, since),
        }

    def load_state(self, pieces: Sequence[dict[str, Any]]) -> None:
        """Take back what ``state`` has given piece by piece, as far as this run (which may be longer) wants it."""
        found, rounds = put_together(pieces, read), self.rounds
        kept = found["snapshots"]  # a run may have been stopped in the last
        self.snapshots = [s for s in kept if s is kept[-1] or self.record.wants(s.round, rounds)]
        self.history = History(self.snapshots)
        self.failures, self.parameters = found["failures"], found["parameters"]
        self.samples = {
            name: {round: drawn for round, drawn in many.items() if self.record.wants_samples(round, rounds)}
            for name, many in found["samples"].items()
        }

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
            self.samples.setdefault(name, {})[state.round] = [sent(x, CPU) for x in drawn]


def _after(kept: dict[str, dict[int, Any]], since: int) -> dict[str, dict[int, Any]]:
    """What was kept by member and round, of the rounds after one: as they came, the newest are the last."""
    if since < 0:
        return kept
    new = ({r: many[r] for r in takewhile(lambda r: r > since, reversed(many))} for many in kept.values())
    return {name: dict(reversed(found.items())) for name, found in zip(kept, new, strict=True) if found}
