"""What a study has found so far: its tables as pandas."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.dataset as ds

from ecosystem.core.check import a_name, brief, several
from ecosystem.core.door import Door
from ecosystem.core.kinds import typed
from ecosystem.core.words import listed
from ecosystem.study.folder import StudyFolderError, mended
from ecosystem.study.outcomes.verdicts import of_study
from ecosystem.study.plan import Seed, pending
from ecosystem.study.progress import Progress
from ecosystem.study.rows import Rows
from ecosystem.study.sensitivity.discovery import discover
from ecosystem.study.sensitivity.indices import sensitivity
from ecosystem.study.sensitivity.precision import precision
from ecosystem.study.store import TRACEBACK, Store


class Results:
    """The tables of a study, read from its folder; also while it is being computed, or only half done.

    ``points`` has a row a point and a column a parameter; every other table has a column ``point`` and never repeats
    the parameters (:meth:`with_parameters` joins them). ``failures`` says what went wrong where. A table of the study
    is an attribute (``results.rounds``) and is read when it is first asked for. ``verdicts`` says which members gain
    and lose over the points (:func:`ecosystem.study.outcomes.verdicts.of_study`), ``plot`` draws charts; a notebook
    shows what it found. ``sensitivity(measure)`` says which parameters matter, ``discover(condition)`` in which boxes
    of them something happens, ``precision(measure, wanted)`` how many seeds are enough
    (:mod:`ecosystem.study.sensitivity`).

    ``name`` and ``folder`` are the study's, ``parameters`` the names of its parameters (columns of ``points``),
    ``tables`` those that were kept, without ``points``, and ``seeds`` every pair (seed, replicate) that was asked for.
    Every file is compared with its digest when it is read, and refused where it is not what was written; without
    ``check`` files are read as they lie there. With ``points`` or ``seeds`` it is about these alone, as what
    :meth:`Study.run` returns is (but not :meth:`dataset`).
    """

    points: pd.DataFrame  # tables like the others, of every study
    failures: pd.DataFrame
    verdicts = property(of_study)
    sensitivity = sensitivity
    discover = discover
    precision = precision
    plot: Any = Door("ecosystem.plots.study", "StudyPlots")
    _repr_html_ = Door("ecosystem.plots.shown_study", "results")

    def __init__(
        self,
        folder: str | os.PathLike[str],
        check: bool = True,
        points: Collection[int] | None = None,
        seeds: Collection[Seed] | None = None,
    ) -> None:
        self.store = Store(folder, check)
        self.facts = self.store.facts()
        self.folder: Path = self.store.folder
        self.name = self.facts.name
        self.parameters = list(self.facts.names)
        self.tables = list(self.facts.tables)
        self.seeds: list[Seed] = [seed for seed in self.facts.seeds if seeds is None or seed in set(seeds)]
        self._rows = Rows(self.store, self.facts, points, seeds)
        self._read: dict[str, pd.DataFrame] = {}

    # -- how far it is -----------------------------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        """Whether all that was asked for has been computed."""
        return not pending(self.facts.requests, self._rows.finished)

    @property
    def failed(self) -> list[int]:
        """The points with a failure."""
        return sorted({int(point) for point in self["failures"]["point"]})

    @property
    def failures_by_kind(self) -> dict[str, int]:
        """How many points failed in which way; one that failed in several ways counts in each."""
        return dict(Counter(self["failures"][["point", "kind"]].drop_duplicates()["kind"].tolist()))

    def progress(self) -> Progress:
        """How far it is, by what lies in the folder: points, done, failed, blocks and finished, numbers of each."""
        finished = self._rows.finished
        waiting = {point for block in pending(self.facts.requests, finished) for point in block.points}
        blocks = sum(block.span for request in self.facts.requests for block in request.blocks())
        points = self._rows.wanted
        return Progress(len(points), len(points - waiting), len(self.failed), blocks, len(finished))

    # -- tables ------------------------------------------------------------------------------------------------------

    def __getitem__(self, table: str) -> pd.DataFrame:
        if table not in self._read:
            self._read[table] = self._rows.points() if table == "points" else self.read(table)
        return self._read[table]

    def __getattr__(self, name: str) -> pd.DataFrame:
        if name.startswith("_") or "facts" not in self.__dict__ or name not in ("points", *self.facts.tables):
            raise AttributeError(f"{type(self).__name__} has no attribute or table {name!r}")
        return self[name]

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), "points", *self.facts.tables]

    @typed
    def read(
        self, table: str, columns: Sequence[str] | None = None, points: Iterable[int] | None = None
    ) -> pd.DataFrame:
        """A table of the finished blocks in the order of points; only some columns, only some points, if asked.

        Columns are ``point`` and those that the table of a run has (:class:`ecosystem.Run`), or a stable point's or an
        influence's. Read anew each time. For what does not fit into memory see :meth:`dataset`.

        Raises
        ------
        KeyError
            If the study has no such table, column or point.
        """
        asked = None if points is None else self._asked(points)
        return self._rows.read(table, None if columns is None else _names(columns), asked)

    def _asked(self, points: Iterable[int]) -> list[int]:
        """Points of the study by their numbers, as Python has them."""
        what = "read(points) are the numbers of points, as results.points has them"
        asked = several(points, what)
        if not all(isinstance(point, Integral) and not isinstance(point, bool) for point in asked):
            raise TypeError(f"{what}, got {brief(points)}")
        known = set(self.points["point"])
        if unknown := [point for point in asked if point not in known]:
            raise KeyError(f"the study has no point {brief(unknown[0])}; there are {listed(sorted(known))}")
        return [int(point) for point in asked]

    @typed
    def with_parameters(self, table: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """A table with the parameters of each row's point beside it: its columns, then one for each parameter.

        A parameter that is called like a column of the table gets ``_parameter`` behind its name, as often as it takes
        to be called like nothing else.
        """
        frame = self[table] if columns is None else self.read(table, ["point", *_names(columns)])
        return frame.merge(self.points.rename(columns=renamed(self.parameters, frame)), on="point", how="left")

    @typed
    def dataset(self, table: str) -> ds.Dataset:
        """A table of the finished blocks as a pyarrow dataset: to scan and aggregate more than fits in memory."""
        return self._rows.dataset(table)

    def __repr__(self) -> str:
        p = self.progress()
        return f"Results({self.name!r}: {p.done} of {p.points} points, {p.failed} failed, in {str(self.folder)!r})"


def _names(columns: Iterable[str]) -> list[str]:
    """Columns by their names, of which one may stand alone."""
    return [columns] if isinstance(columns, str) else [a_name(name, "read(columns)") for name in columns]


def renamed(parameters: Iterable[str], columns: Iterable[str]) -> dict[str, str]:
    """Other names for the parameters that are called like some columns, which neither these nor others have.

    >>> renamed(["error", "error_parameter", "pull"], ["point", "error"])
    {'error': 'error_parameter_parameter'}
    """
    own, found = list(parameters), {}
    taken = {*own, *columns}
    for name in sorted({*own} & {*columns}, key=own.index):
        new = f"{name}_parameter"
        while new in taken:
            new += "_parameter"
        taken.add(new)
        found[name] = new
    return found


def retriable(failures: pd.DataFrame) -> Any:
    """Rows whose points can be tried again: all but those that diverged, which is a result."""
    return failures[failures["kind"] != "diverged"]


def traceback_of(results: Results, file: str) -> str:
    """What a point raised, in full: ``file`` is what the table ``failures`` has in the column ``traceback``."""
    folder = results.folder
    links = [path for path in ((folder / file).parent, folder / file) if path.is_symlink()]
    if links or not TRACEBACK.fullmatch(file):
        raise StudyFolderError(f"{folder} has no traceback {file!r}: it is none of its files; see `failures` itself")
    with mended():
        return results.store.journal.read(file).decode(errors="backslashreplace")
