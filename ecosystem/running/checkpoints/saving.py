"""Saving an ecosystem as one checkpoint, restoring it, and doing both while a run goes on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ecosystem.core import locks, storage
from ecosystem.core.check import warn
from ecosystem.core.progress import LOG
from ecosystem.engine.diets import Change
from ecosystem.running.checkpoints.agents import Watch
from ecosystem.running.checkpoints.codec import Reader, Unwritable, Writer
from ecosystem.running.checkpoints.folder import CheckpointError, Checkpoints, read, recorded, write
from ecosystem.running.checkpoints.host import Host
from ecosystem.running.checkpoints.identity import description, differences, known_objects, other_versions
from ecosystem.running.checkpoints.log import FILE, Log, Piece
from ecosystem.running.checkpoints.reading import told_settings, told_tables
from ecosystem.running.checkpoints.states import read_state, write_state
from ecosystem.running.snapshots import since_whole
from ecosystem.running.until import content

_SHOWN = 5  # differences that an error names
_MENDS = {
    "agents": "let its state() be made of tensors, numbers, texts, and lists and dicts of these",
    "state": "let agents set curators, rewards and schedules of the library, or such as the scenario has",
}


def save(eco: Host, folder: str | os.PathLike[str]) -> None:
    """See :meth:`Ecosystem.save`."""
    place = storage.named(folder)
    with locks.claimed(place, "the checkpoint could not be written; make room, or choose another folder"):
        recorded = _recorded(eco, told_tables(eco), _Known())
        write(place, *_written(eco, description(eco), Watch(eco), {}), recorded)


def restore(eco: Host, folder: str | os.PathLike[str]) -> None:
    """See :meth:`Ecosystem.restore`."""
    _restore(eco, storage.named(folder), description(eco), Watch(eco))


@contextmanager
def keeping(
    eco: Host, checkpoints: Checkpoints | str | os.PathLike[str] | None, origin: Mapping[str, Any] | None = None
) -> Iterator[Callable[[], None]]:
    """Go on from the newest checkpoint, and give a function that saves the round just played if that is wanted.

    At the end the last round is saved, also of a run that was broken off between two rounds. ``origin`` is what the
    settings of a run say more than others do, for who reads a checkpoint.
    """
    if checkpoints is None:
        yield lambda: None
        return
    checkpoints = checkpoints if isinstance(checkpoints, Checkpoints) else Checkpoints(checkpoints)
    with checkpoints.locked():
        keeper = _Keeper(eco, checkpoints, origin or {})
        yield keeper.round_played
        if eco.completed == eco.steps:
            keeper.add()


class _Keeper:
    """Saves one run as its checkpoints say; what cannot be saved is refused before the first round or after it."""

    def __init__(self, eco: Host, checkpoints: Checkpoints, origin: Mapping[str, Any]) -> None:
        self.eco, self.checkpoints, self.origin = eco, checkpoints, origin
        self.tables = told_tables(eco)
        self.watch = Watch(eco)
        self.description = description(eco)
        self.saved = max(checkpoints.rounds(), default=0)
        self.tried = False
        eco.condition = content(eco.until)
        self.log, self.known = Log(checkpoints.folder / FILE), _Known()
        if self.saved:
            self._go_on()
        self._written()

    def _written(self) -> tuple[dict[str, Any], dict[str, Tensor], Piece]:
        state = _written(self.eco, self.description, self.watch, self.origin)
        return *state, _recorded(self.eco, self.tables, self.known)

    def _go_on(self) -> None:
        folder, restored = self.checkpoints.path(self.saved), not self.eco.steps
        if self.eco.steps:
            given = read(folder)[0]
            _check(self.eco, folder, self.description, given)
        else:
            given = _restore(self.eco, folder, self.description, self.watch)
        if given["round"] != self.saved:
            raise CheckpointError(f"{folder} holds round {given['round']}: it was renamed; give it its name back")
        if self.saved > self.eco.completed:
            raise CheckpointError(
                f"{folder} is ahead of this ecosystem, which has played {self.eco.completed} rounds; go on from it "
                "with a new one, or choose another folder"
            )
        self.log.settle(given["recorded"])
        if self.eco.completed == self.saved and given["description"]["rounds"] == self.eco.rounds and restored:
            self.known = _Known.of(self.eco)  # else some of it may be another: it is written once more

    def round_played(self) -> None:
        round = self.eco.completed
        if round % self.checkpoints.every == 0 or round == self.eco.rounds:
            self.add()
        elif not self.tried:
            self._written()
        self.tried = True

    def add(self) -> None:
        if self.eco.completed > self.saved:
            self.checkpoints.add(self.eco.completed, *self._written(), self.log)
            self.saved, self.known = self.eco.completed, _Known.of(self.eco)
            LOG.debug("round %d is saved in %s", self.saved, self.checkpoints.folder)


@dataclass(frozen=True)
class _Known:
    """How much of what was recorded a file has already: up to a round, and so many changes and failures."""

    round: int = -1
    last: int = -1  # the last recorded round
    changes: int = 0
    failures: int = 0

    @classmethod
    def of(cls, eco: Host) -> _Known:
        last = max((snapshot.round for snapshot in eco.recorder.snapshots[-1:]), default=-1)
        return cls(eco.completed, last, len(eco.changes), len(eco.recorder.failures))


def _recorded(eco: Host, tables: dict[str, Any], known: _Known) -> Piece:
    """What was recorded since; of a run of which nothing is known all of it, with the tables of its scenario."""
    writer = Writer(known_objects(eco.scenarios))
    new = eco.recorder.state(known.round)
    there = any(snapshot.round == known.last for snapshot in eco.recorder.snapshots[-1 - len(new["rounds"]) :])
    piece = {
        **new,
        "whole": known == _Known(),
        "gone": known.last >= 0 and not there,  # the run was stopped in the last round that is known, and has gone on
        "failures": new["failures"][known.failures :],
        "changes": [tuple(vars(change).values()) for change in eco.changes[known.changes :]],
    }
    if piece["whole"]:
        piece["tables"] = tables
    return writer.write(piece, "recorded"), writer.tensors()


def _written(
    eco: Host, about: dict[str, Any], watch: Watch, origin: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The state of an ecosystem between two rounds, as what is written to the disk."""
    if eco.completed != eco.steps:
        raise CheckpointError("a round is being played; save the ecosystem before or after it")
    watch.check()
    writer = Writer(known_objects(eco.scenarios))
    rest = {
        "mesa": (eco.random.getstate(), eco.rng.bit_generator.state),  # for agents that draw from it
        "seconds": time.perf_counter() - eco.started,
        "stopped": eco.stopped,
        "running": not eco.halted,
        "until": eco.until.state() if hasattr(eco.until, "state") else None,
        "condition": eco.condition,
    }
    parts: dict[str, Callable[[str], Any]] = {
        "state": lambda _: write_state(writer, eco.program, eco.state),
        "agents": lambda name: writer.write({agent.name: agent.state() for agent in watch.speaking}, name),
        "rest": lambda name: writer.write(rest, name),
    }
    out: dict[str, Any] = {"round": eco.completed, "description": about, "settings": told_settings(eco, origin)}
    for name, part in parts.items():
        try:
            out[name] = part(name)
        except Unwritable as error:
            raise Unwritable(f"{error}; {_MENDS[name]}" if name in _MENDS else str(error)) from None
    return out, writer.tensors()


def _restore(eco: Host, folder: Path, about: dict[str, Any], watch: Watch) -> dict[str, Any]:
    given, tensors = read(folder)
    _check(eco, folder, about, given)
    if eco.steps:
        raise CheckpointError(f"{folder} can be restored into a new ecosystem only, this one has played {eco.steps}")
    known = known_objects(eco.scenarios)
    reader = Reader(tensors, known)
    eco.state = read_state(reader, eco.program, given["state"])
    eco.steps = eco.state.round
    rest = reader.read(given["rest"])
    history = [Reader(numbers, known).read(piece) for piece, numbers in recorded(folder, given)]
    eco.recorder.load_state(history)
    eco.changes = [Change(*change) for piece in since_whole(history) for change in piece["changes"]]
    eco.random.setstate(rest["mesa"][0])
    eco.rng.bit_generator.state = rest["mesa"][1]
    eco.started = time.perf_counter() - rest["seconds"]
    eco.stopped, eco.running = rest["stopped"], rest["running"]
    another = rest.get("condition", eco.condition) != eco.condition
    if rest["until"] is not None and hasattr(eco.until, "load_state") and not another:
        eco.until.load_state(rest["until"])
    if another and eco.until is not None:
        eco.stopped = ""  # by another condition, whatever it is called
    agents = reader.read(given["agents"])
    for agent in watch.speaking:
        agent.load_state(agents[agent.name])
    return given


def _check(eco: Host, folder: Path, about: dict[str, Any], given: dict[str, Any]) -> None:
    """Refuse the checkpoint of another ecosystem; warn where libraries are not those it was made with."""
    theirs = given["description"]
    found = differences(theirs, about)
    if not found and theirs["rounds"] > eco.rounds:
        found = [f"rounds: {theirs['rounds']} → {eco.rounds}, which may only grow"]
    if found:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise CheckpointError(
            f"{folder} is a checkpoint of another run, what differs is {'; '.join(found[:_SHOWN])}{more}; run the same "
            "again, or choose another folder"
        )
    changed = other_versions(theirs, about)
    if changed:
        warn(
            f"{folder} was made with other versions ({'; '.join(changed)}): the run goes on, its last bits may differ",
        )
