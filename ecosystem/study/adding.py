"""Measures that come later: made for what a folder holds already, of what was kept, without playing a run again."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from ecosystem.study.asking import ANALYSIS, compared
from ecosystem.study.design import Design
from ecosystem.study.engines import Engine, Fitting, Lost
from ecosystem.study.folder import StudyFolderError
from ecosystem.study.identity import identity
from ecosystem.study.kept import NotKept
from ecosystem.study.measures import OWN_TABLES, Measure
from ecosystem.study.probing import check_answers
from ecosystem.study.store import Facts, Store
from ecosystem.study.work import Job, Parcel, Task, as_bytes, built_point, failures_table, no_failures

_READING = 1e-3  # seconds that a new table takes of a point, at least


def as_kept(store: Store, job: Job) -> Job:
    """A job without the tables that nobody asks for by name and that a folder was begun without."""
    if not store.exists:
        return job
    kept = store.facts().identity["measures"]
    return replace(job, measures=tuple(m for m in job.measures if m.asked or m.name in kept))


def add(store: Store, design: Design, job: Job, engine: Engine) -> list[str]:
    """Make the tables of new measures for all finished blocks of a folder; the warnings they gave.

    Nothing happens where anything else is new: that is for others to refuse. The facts are changed last, so that a
    folder is what it was until all of it is there.

    Raises
    ------
    StudyFolderError
        If a measure reads what was not kept, a worker is lost, or points are there that are not in the design.
    """
    facts = store.facts() if store.exists else None
    if facts is None or not set(facts.identity["measures"]) < {measure.name for measure in job.measures}:
        return []
    now = identity(job)
    new = [measure for measure in job.measures if measure.name not in facts.identity["measures"]]
    if set(facts.names) != set(design.names) or compared(facts, design, job, now) != [_is_new(m) for m in new]:
        return []
    if getattr(engine, "here", False):
        _check(job, design, new)
    tasks = list(_tasks(store, facts, design, job, new))
    fresh = replace(job, measures=tuple(new))
    if isinstance(engine, Fitting):
        each = ANALYSIS if fresh.heavy else _READING
        engine = engine.about([task.block for task in tasks], lambda block: each * len(block.points))
    heard: dict[str, None] = {}
    outcomes = engine.run(fresh, iter(tasks))
    with contextlib.closing(outcomes):
        for task, outcome in outcomes:
            if isinstance(outcome, Lost):
                raise StudyFolderError(f"{_said(new)}: a worker was lost over it ({outcome.reason}); run it again")
            _keep(store, task, outcome, new)
            heard |= dict.fromkeys(outcome.warnings)
    old = [name for name in facts.tables if name not in OWN_TABLES]
    facts.tables = [*old, *(measure.name for measure in new), *OWN_TABLES]
    facts.identity = {**facts.identity, "measures": now["measures"]}
    store.save(facts, store.points(facts))
    return list(heard)


def _check(job: Job, design: Design, new: Sequence[Measure]) -> None:
    """Refuse new functions whose answer at the first point is no table; where that cannot be built, nothing is said."""
    try:
        first = {0: built_point(job, design.parameters[0])}
    except Exception:
        return
    check_answers(job, new, first, design.parameters[:1], (0, 0))


def _is_new(measure: Measure) -> str:
    return f"the measure {measure.name!r} is new"


def _said(new: Sequence[Measure]) -> str:
    return "; ".join(map(_is_new, new))


def _tasks(store: Store, facts: Facts, design: Design, job: Job, new: Sequence[Measure]) -> Iterator[Task]:
    """The finished blocks without rows that do not count any more, with the kept tables of their runs."""
    place = {key: i for i, key in enumerate(design.keys)}
    parameters = {n: design.parameters[place[key]] for n, key in enumerate(facts.keys) if key in place}
    replaced = store.replaced(facts)
    readable = [m.name for m in job.measures if m.of == "run" and not m.own and m not in new]
    for block in store.blocks(facts):
        points = tuple(point for point in block.points if point not in replaced.get(block.number, ()))
        if unknown := [point for point in points if point not in parameters]:
            raise StudyFolderError(
                f"{_said(new)}, and {store.folder} holds {len(unknown)} points in one block that are not in this grid: "
                "give the whole grid, or forget them (forget=True) first"
            )
        tables = {name: store.tables.bytes(name, block) for name in (*readable, "failures")}
        kept = {name: data for name, data in tables.items() if data}
        yield Task(replace(block, points=points), tuple(parameters[point] for point in points), kept)


def _keep(store: Store, task: Task, parcel: Parcel, new: Sequence[Measure]) -> None:
    """Write the new tables of a block, and what failed."""
    block = task.block
    rows = [row for row in _rows(parcel) if row["kind"] == "measure"]
    for row in rows:
        if (said := f": {NotKept.__name__}: ") in row["error"]:
            name, _, why = row["error"].partition(said)
            raise StudyFolderError(
                f"the measure {name!r} is new and cannot be made of what {store.folder} has kept: {why}; choose "
                "another folder, where it is computed with the runs"
            )
    names = {file: file.replace(".txt", f"-{new[0].name}.txt") for file in parcel.tracebacks}  # those of before stay
    tables = {measure.name: parcel.tables[measure.name] for measure in new}
    if rows or store.tables.may_have_failed([block]):
        before = store.tables.read("failures", block).to_pandas()
        again = tuple(f"{measure.name}: " for measure in new)  # it was broken off before
        stay = before[(before["kind"] != "measure") | ~before["error"].str.startswith(again)]
        rows = [{**row, "traceback": names.get(row["traceback"])} for row in rows]
        table = pd.concat([part for part in (stay, failures_table(rows)) if len(part)] or [stay], ignore_index=True)
        tables["failures"] = as_bytes(table) if len(table) else no_failures()
    store.put(block, tables, {names[file]: text for file, text in parcel.tracebacks.items()})


def _rows(parcel: Parcel) -> list[Mapping[str, Any]]:
    return pq.read_table(io.BytesIO(parcel.tables["failures"])).to_pylist()
