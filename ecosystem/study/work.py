"""What a worker does: build the points of a block, run them together where their shapes allow, keep their tables."""

from __future__ import annotations

import functools
import gc
import io
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from pandas.api.types import union_categoricals
from threadpoolctl import threadpool_limits

from ecosystem.running.ecosystem import Ecosystem
from ecosystem.running.recording import Record
from ecosystem.running.run import Run
from ecosystem.running.variants import shape
from ecosystem.scenario import Scenario
from ecosystem.study.answers import as_table, check_together
from ecosystem.study.kept import kept_run
from ecosystem.study.measures import Measure
from ecosystem.study.plan import Block, in_words
from ecosystem.study.sizing import closed, replicates, stack_width

FAILURES = {
    "point": "int64",
    "seed": "Int64",
    "replicate": "Int64",
    "round": "Int64",
    "member": "str",
    "kind": "str",  # build, run, measure, diverged, lost
    "error": "str",
    "traceback": "str",  # a file in the study's folder
}


@dataclass(frozen=True)
class Job:
    """The same for all blocks of a study."""

    build: Callable[..., Scenario]
    measures: tuple[Measure, ...]
    record: Record
    dtype: torch.dtype = field(default_factory=torch.get_default_dtype)  # workers would have their own
    where: Mapping[str, Any] = field(default_factory=dict)  # ``device`` and ``dtype`` of every run, by name

    @property
    def heavy(self) -> bool:
        """Whether measures may take longer than the runs: they are made point by point."""
        return any(measure.of == "scenario" and measure.name not in ("members", "flows") for measure in self.measures)


@dataclass(frozen=True)
class Task:
    """One block, with the parameters of its points."""

    block: Block
    parameters: tuple[Mapping[str, Any], ...]
    kept: Mapping[str, bytes] | None = None  # the tables of the block, where it has run: measures look at these


@dataclass
class Parcel:
    """What came of a block: tables as the bytes of Parquet files, tracebacks by file name, warnings, failed points."""

    tables: dict[str, bytes]
    tracebacks: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    failed: tuple[int, ...] = ()
    seconds: float = float("nan")  # that it took to compute


@dataclass(frozen=True)
class Point:
    number: int
    parameters: Mapping[str, Any]
    scenario: Scenario


def play(job: Job, task: Task) -> Parcel:
    """Compute one block part by part, on one thread; what its points raise is data."""
    started, threads, dtype = time.perf_counter(), torch.get_num_threads(), torch.get_default_dtype()
    torch.set_num_threads(1)  # last bits depend on it
    torch.set_default_dtype(job.dtype)
    kept = Harvest(job, task.block)
    tables = {name: pq.read_table(io.BytesIO(data)).to_pandas() for name, data in (task.kept or {}).items() if data}
    parameters = dict(zip(task.block.points, task.parameters, strict=True))
    try:
        with threadpool_limits(1), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for unheard in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
                warnings.simplefilter("ignore", unheard)  # as Python does by itself
            for part in task.block.parts():
                kept.begin(part)
                for group in _groups(job, part, parameters, kept):
                    if task.kept is not None:
                        kept.again(group, tables)
                        continue
                    for point in () if part.seeds else group:
                        kept.measure(point, None)
                    for eco, points in _simulated(group, job, part, kept) if part.seeds else ():
                        kept.keep(eco, points)
    finally:
        torch.set_num_threads(threads)
        torch.set_default_dtype(dtype)
    heard = [f"{w.category.__name__}: {w.message}" for w in caught if not _expected(w)]
    return kept.parcel(list(dict.fromkeys(heard)), time.perf_counter() - started)


class Harvest:
    """The tables and the failures of a block, as they come in."""

    def __init__(self, job: Job, block: Block) -> None:
        self.job, self.block = job, block
        self._frames: dict[str, list[pd.DataFrame]] = {measure.name: [] for measure in job.measures}
        self._failures: list[dict[str, Any]] = []
        self._tracebacks: dict[str, str] = {}
        self.begin(block)

    def begin(self, part: Block) -> None:
        """What comes now is of a part of the block."""
        self.part, self._raised = part, 0
        self.measures = [m for m in self.job.measures if m.of == "run" or part.fresh]

    def keep(self, eco: Ecosystem, points: Sequence[Point]) -> None:
        """The tables of points that have run together."""
        for variant, point in enumerate(points):
            run = eco.result(variant, point=point.number, parameters=dict(point.parameters))
            if not bool(eco.alive[variant].all()):
                diverged = run.failures.to_dict("records")
                self._failures += [{"point": point.number, "kind": "diverged", **failure} for failure in diverged]
            self.measure(point, run)

    def again(self, points: Sequence[Point], tables: Mapping[str, pd.DataFrame]) -> None:
        """The tables of points that have run before, made of the tables that were kept of them."""
        for point in points:
            self.measure(point, kept_run(point.scenario, point.number, point.parameters, self.part, tables))

    def measure(self, point: Point, run: Run | None) -> None:
        """The tables of one point; without a run those of its scenario alone."""
        for measure in self.measures:
            if measure.of == "scenario" or run is not None:
                with self.failing(point.number, f"measure {measure.name}", "measure"):
                    table = measure.function(run if measure.of == "run" else point.scenario)
                    self._add(measure, self._numbered(measure, point.number, table, run))

    def _add(self, measure: Measure, table: pd.DataFrame) -> None:
        """Keep a table; one of a function of the user's is refused if no file could hold it with the others."""
        frames = self._frames[measure.name]
        if measure.own:
            parquet(pa.Table.from_pandas(table, preserve_index=False))
            check_together(measure.name, (*frames[:1], table)[0], table)
        frames.append(table)

    def _numbered(self, measure: Measure, point: int, table: Any, run: Run | None) -> pd.DataFrame:
        table = as_table(measure.name, table) if measure.own else table.copy(deep=False)
        if measure.of == "run" and run is not None and not {"seed", "seeds"} & set(table.columns):
            table.insert(0, "seeds", in_words(run.settings["seeds"]))  # a row about several seeds says about which
        table.insert(0, "point", point)
        return table

    @contextmanager
    def failing(self, point: int, where: str, kind: str, round: int | None = None) -> Iterator[None]:
        """Whatever is raised inside is recorded as a failure of a point."""
        try:
            yield
        except (Exception, SystemExit) as error:
            file = f"tracebacks/{self.part.number:06d}-{point:06d}-{self._raised}.txt"
            self._raised += 1
            self._tracebacks[file] = f"point {point}, {where}\n\n{traceback.format_exc()}"
            name = where.removeprefix("measure ") + ": " if kind == "measure" else ""
            text = f"{name}{type(error).__name__}: {error}".encode(errors="backslashreplace").decode()
            self._failures.append({"point": point, "kind": kind, "round": round, "error": text, "traceback": file})

    def lose(self, reason: str) -> None:
        """All points of the block are lost."""
        self._failures += [{"point": point, "kind": "lost", "error": reason} for point in self.block.points]

    def parcel(self, heard: list[str], seconds: float) -> Parcel:
        """Everything as bytes."""
        failed = sorted({failure["point"] for failure in self._failures})
        tables = {name: as_bytes(_joined(frames)) if frames else b"" for name, frames in self._frames.items()}
        tables["failures"] = as_bytes(failures_table(self._failures)) if failed else no_failures()
        facts = {"block": self.block.number, "points": len(self.block.points), "seeds": len(self.block.seeds)}
        row = pd.DataFrame([{**facts, "failed": len(failed), "seconds": seconds}])
        tables["blocks"] = as_bytes(row)
        return Parcel(tables, self._tracebacks, heard, tuple(failed), seconds)


def built_point(job: Job, parameters: Mapping[str, Any]) -> Scenario:
    """The scenario of a point, checked."""
    scenario = job.build(**parameters)
    if not isinstance(scenario, Scenario):
        raise TypeError(f"build() must return a Scenario, got {type(scenario).__name__}")
    scenario.check()
    return scenario


def lost(job: Job, block: Block, reason: str) -> Parcel:
    """What is kept of a block that no worker could finish."""
    kept = Harvest(job, block)
    kept.lose(reason)
    return kept.parcel([], float("nan"))


def failures_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The table ``failures``; what a row does not say is missing."""
    table = pd.DataFrame(list(rows), columns=list(FAILURES), dtype=object)
    return table.astype(FAILURES)


@functools.cache
def no_failures() -> bytes:
    """What nearly every block has."""
    return as_bytes(failures_table([]))


def as_bytes(table: pd.DataFrame) -> bytes:
    """A table as a Parquet file that says of every page whether it is whole."""
    return parquet(pa.Table.from_pandas(table, preserve_index=False))


def parquet(table: pa.Table) -> bytes:
    """An Arrow table in the same way."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    return sink.getvalue()


def _groups(job: Job, part: Block, parameters: Mapping[int, Mapping[str, Any]], kept: Harvest) -> Iterator[list[Point]]:
    """The points of a part, built; those of one shape together, as many as memory should hold."""
    groups: dict[Any, list[Point]] = {}
    for number in part.points:
        with kept.failing(number, "build", "build"):
            scenario = built_point(job, parameters[number])
            if not part.fresh and replicates(scenario, 2) == 1:
                continue  # all replicates are equal
            groups.setdefault(shape(scenario), []).append(Point(number, parameters[number], scenario))
    for points in groups.values():
        width = stack_width(points[0].scenario, len(part.seeds), job.record)
        yield from (points[i : i + width] for i in range(0, len(points), width))


def _simulated(points: list[Point], job: Job, part: Block, kept: Harvest) -> Iterator[tuple[Ecosystem, list[Point]]]:
    """Ecosystems that have run; of points that fail together halves are tried, down to the one that is to blame."""
    seeds = part.seeds[: replicates(points[0].scenario, len(part.seeds))]
    eco: Ecosystem | None = None
    error: BaseException | None = None
    if not closed(points[0].scenario):
        gc.collect()  # agents and their ecosystem refer to each other: the models of the last one are still there
    try:
        eco = Ecosystem([point.scenario for point in points], seeds=seeds, record=job.record, **job.where)
        eco.run()
    except (Exception, SystemExit) as raised:
        error = raised
    if error is None and eco is not None:
        yield eco, points
    elif len(points) > 1:
        error = eco = None  # free their memory first
        for half in (points[: len(points) // 2], points[len(points) // 2 :]):
            yield from _simulated(half, job, part, kept)
    else:
        reached = None if eco is None else eco.completed + 1
        with kept.failing(points[0].number, "run", "run", reached):
            assert error is not None
            raise error


def _joined(frames: list[pd.DataFrame]) -> pd.DataFrame:
    filled = [frame for frame in frames if len(frame)] or frames[:1]
    if not filled:
        return pd.DataFrame({"point": pd.Series(dtype="int64")})
    for name in filled[0].columns:  # categories that differ would become texts here and stay categories elsewhere
        columns = [frame.get(name) for frame in filled]
        if all(isinstance(column, pd.Series) and column.dtype == "category" for column in columns):
            together = union_categoricals(columns).categories
            if all(column.cat.categories.equals(together) for column in columns):
                continue
            filled = [frame.assign(**{name: frame[name].cat.set_categories(together)}) for frame in filled]
    return pd.concat(filled, ignore_index=True)


def _expected(warning: warnings.WarningMessage) -> bool:
    """What the table `failures` says anyway."""
    return "replicates diverged and were stopped" in str(warning.message)
