"""Reading the run so far out of a checkpoint: while it is under way, or after it was broken off.

A checkpoint holds what was recorded, and with it the tables of its scenario and what ``run.settings`` say: so nobody
needs the scenario to look at a run.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ecosystem.core import locks, storage
from ecosystem.core.samples import Pairs, outputs
from ecosystem.engine.diets import Change
from ecosystem.running.checkpoints.codec import Reader
from ecosystem.running.checkpoints.folder import STATE, CheckpointError, Checkpoints, read, recorded
from ecosystem.running.checkpoints.host import Host
from ecosystem.running.measures import named
from ecosystem.running.origin import given_tastes
from ecosystem.running.origin import origin as begun
from ecosystem.running.result import facts
from ecosystem.running.run import Run
from ecosystem.running.snapshots import Recorded, put_together, since_whole
from ecosystem.running.tables import Tables

_TRIES = 5  # a run that goes on takes old checkpoints away


def told_tables(eco: Host) -> dict[str, Any]:
    """The tables ``members`` and ``flows`` of every variant, as a checkpoint holds them."""
    return {str(v): {n: named.written(t) for n, t in s.describe().items()} for v, s in enumerate(eco.scenarios)}


def told_settings(eco: Host, origin: Mapping[str, Any]) -> list[str]:
    """What ``run.settings`` of each variant say, as JSON, as ``run.json`` has it."""
    more = {"seconds": round(time.perf_counter() - eco.started, 3), "stopped": eco.stopped, **origin}
    told = ({**facts(eco.program, eco.state, eco.seeds, v), **begun(s), **more} for v, s in enumerate(eco.scenarios))
    return [json.dumps(one, default=str) for one in told]


def has_rounds(folder: Path) -> bool:
    """Whether there is a checkpoint, or a folder of some."""
    return (folder / STATE).exists() or bool(Checkpoints(folder).rounds())


def is_held(folder: Path) -> bool:
    """Whether a run is saving its checkpoints there; asking makes no lock where there is none."""
    return (folder / locks.LOCK).exists() and locks.held(folder)


def so_far(folder: str | os.PathLike[str], variant: int = 0) -> Run:
    """The run up to the newest checkpoint in a folder (or of one checkpoint), whether it is under way or not.

    ``run.settings`` say whether it is still ``under way``. It has all tables but ``baseline`` and ``texts``, the
    samples that were kept, and no parameters. Only reads: who is writing there is not disturbed.

    Raises
    ------
    CheckpointError
        If there is no checkpoint, or a file is not what was written, or it has no such variant.
    """
    place = storage.named(folder)
    given_at, given = _newest(place)
    if not 0 <= variant < len(given["settings"]):
        raise CheckpointError(
            f"{place} has {len(given['settings'])} variants, from 0 on; there is no variant {variant}"
        )
    history = [Reader(tensors, _Unknown()).read(piece) for piece, tensors in recorded(given_at, given)]
    mine = since_whole(history)
    tables = mine[0]["tables"][str(variant)]
    settings = json.loads(given["settings"][variant]) | {"under way": is_held(place)}
    found = put_together(mine, named.read)
    what = Recorded(
        names=list(named.read(tables["members"])["member"]),
        seeds=[(seed, replicate) for seed, replicate in settings["seeds"]],
        snapshots=found["snapshots"],
        failures=found["failures"],
    )
    changes = [Change(*change) for piece in mine for change in piece["changes"]]
    made, settings = Tables(what, changes, variant), settings | given_tastes(changes, what.seeds, variant)
    kept = {name: {r: x[variant] for r, x in many.items()} for name, many in found["samples"].items()}
    asked = {name: {r: x.inputs for r, x in many.items() if isinstance(x, Pairs)} for name, many in kept.items()}
    measured: dict[str, Any] = {name: partial(made.frame, name) for name in made.measured}
    return Run(
        settings,
        members=named.read(tables["members"]),
        flows=named.read(tables["flows"]),
        rounds=made.rounds,
        changes=made.changes,
        failures=made.failures,
        **measured,
        samples={name: {r: outputs(x) for r, x in many.items()} for name, many in kept.items()},
        inputs=asked,
    )


class _Unknown(dict[str, Any]):
    """Nobody here knows the scenario's own objects: codecs are left out."""

    def __missing__(self, name: str) -> None:
        return None


def _newest(place: Path) -> tuple[Path, dict[str, Any]]:
    """The newest whole checkpoint; one that is taken away while it is read is not the newest any more."""
    if (place / STATE).exists():
        return place, read(place)[0]
    if not place.is_dir():
        raise CheckpointError(f"there is no folder {place}; give one that holds checkpoints")
    saved = Checkpoints(place)
    for attempt in range(_TRIES):
        rounds = saved.rounds()
        if not rounds:
            break
        try:
            return saved.path(rounds[0]), read(saved.path(rounds[0]))[0]
        except CheckpointError:
            if attempt == _TRIES - 1 or saved.rounds()[:1] == rounds[:1]:
                raise
    if is_held(place):
        raise CheckpointError(
            f"{place}: a run is under way there, and has saved no round yet; ask again after the first"
        )
    raise CheckpointError(f"{place} holds no checkpoint; give another folder")
