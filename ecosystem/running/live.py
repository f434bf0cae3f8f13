"""Measures told while a run goes on: to a function, to TensorBoard, to a file of comma-separated values.

A *listener* is any callable ``(round, rows)``: ``rows`` are those of the table ``rounds`` of the round that has just
been recorded, with all the numbers that the record's measures say (and a column ``variant`` where there are several).
What measures return as frames stays in the run. Each listener is told of every recorded round once and in order, from
the start on; a run that goes on from a checkpoint tells first what was recorded before. Nothing that a listener does
moves a number of the run.
"""

from __future__ import annotations

import csv
import io
import math
import os
from bisect import bisect_right
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ecosystem.core import storage
from ecosystem.core.arguments import meant_among
from ecosystem.core.check import brief, warn
from ecosystem.core.words import listed
from ecosystem.running.recording import Recorder
from ecosystem.running.snapshots import Recorded, Snapshot
from ecosystem.running.tables import Tables

Listener = Callable[[int, pd.DataFrame], object]


class LiveError(ValueError):
    """A listener that cannot be told of the first round; the message names it, the round and what went wrong."""


class Live:
    """The listeners of one run, and how far they have been told. A copy of an ecosystem has none.

    >>> from ecosystem import Flow, Location, Member, Scenario
    >>> s = Scenario("loop", rounds=2)
    >>> s.add("a", Member(Location([1.0]), real=Location([0.0])))
    >>> s.connect("a", "a", Flow(raw=0.5))
    >>> run = s.run(live=lambda round, rows: print(round, rows["change"].round(3).tolist()))
    0 [nan]
    1 [0.5]
    2 [0.5]
    """

    def __init__(self, listeners: Sequence[Listener] = ()) -> None:
        self.listeners = list(listeners)
        self._told = -1

    def __bool__(self) -> bool:
        return bool(self.listeners)

    def __deepcopy__(self, memo: Any) -> Live:
        return Live()

    def tell(self, recorder: Recorder) -> None:
        """Tell of what was recorded since.

        One that fails at the beginning ends the run before it begins; one that fails later is told no more, with a
        warning that names it: what it cost is not worth the rounds.

        Raises
        ------
        LiveError
            Where a listener fails in the first round that it is told of.
        """
        new = bisect_right(recorder.snapshots, self._told, key=lambda snapshot: snapshot.round)
        for snapshot in recorder.snapshots[new:]:
            rows = _rows(recorder, snapshot)
            first, self._told = self._told < 0, snapshot.round
            for listener in tuple(self.listeners):
                self._told_one(listener, snapshot.round, rows.copy(), first)

    def _told_one(self, listener: Listener, round: int, rows: pd.DataFrame, first: bool) -> None:
        try:
            listener(round, rows)
        except Exception as error:
            what = f"live={_name(listener)} failed in round {round} with {type(error).__name__}: {error}"
            if first:
                raise LiveError(f"{what}; mend it, or leave it out") from error
            self.listeners.remove(listener)
            warn(f"{what}; the run goes on without it, its tables are whole", RuntimeWarning)


def as_live(given: Any) -> Live:
    """The listeners that are given: none, one, or a list of some.

    Raises
    ------
    TypeError
        Where one is no function of a round and its rows.
    """
    listeners = () if given is None else given if isinstance(given, list | tuple) else (given,)
    for listener in listeners:
        if not callable(listener) or isinstance(listener, type):
            shown = f"the class {listener.__name__}" if isinstance(listener, type) else brief(listener)
            raise TypeError(
                f"live is a function (round, rows), Csv(file) or TensorBoard(folder), or a list of some, got {shown}"
            )
    return Live(listeners)


class Csv:
    """The rows of every recorded round, added to a file as soon as they are known: ``tail -f`` follows the run.

    Floats are written so that they come back exactly, NaN as nothing. A file that is there already is gone on with: it
    must be of the same run. Rounds that are played again (because a process died after its last checkpoint, or since
    the same command was given once more) are compared with what the file says of them, so that no row is there twice
    and none is lost; half a line that a process left behind is written anew.

    Raises
    ------
    ValueError
        When it is told of a round of which the file says something else.

    >>> Csv("runs/loop.csv")
    Csv('runs/loop.csv')
    """

    def __init__(self, file: str | os.PathLike[str]) -> None:
        self.file: Path = storage.named(file)
        self._header = b""
        self._there: dict[int, bytes] | None = None  # what the file says, by round, until it has been looked at
        self._good = 0  # the bytes of whole rows

    def __call__(self, round: int, rows: pd.DataFrame) -> None:
        text = _text(rows)
        if self._there is None or (round not in self._there and round < max(self._there, default=-1)):
            self._there = self._read(_text(rows.iloc[:0], header=True))  # at first, and when a run begins again
        there, last = self._there, max(self._there, default=-1)
        if round > last:
            self._add(text)
            there.clear()
            there[round] = text  # the last alone
        elif (known := there.get(round, b"")) != text:
            if round != last or not text.startswith(known):  # only of the last round it may have been half written
                raise ValueError(f"{self.file} says something else of round {round}; {_OTHER}")
            self._add(text.removeprefix(known))

    def _read(self, header: bytes) -> dict[int, bytes]:
        """What is there already; half a row at the end does not count."""
        data = self.file.read_bytes() if self.file.exists() else b""
        self._header, self._good = header, 0
        if header.startswith(data) and data != header:
            return {}
        if not data.startswith(header):
            raise ValueError(f"{self.file} has other columns than {header.decode().strip()}; {_OTHER}")
        lines = data.splitlines(keepends=True)
        reader = csv.reader(io.StringIO(data.decode(errors="replace"), newline=""))
        width = len(columns := next(reader))
        place, at, found = columns.index("round"), reader.line_num, {}
        self._good = len(header)
        for row in reader:
            here = b"".join(lines[at : reader.line_num])
            at = reader.line_num
            if len(row) < width or not here.endswith(b"\n"):
                break
            found[int(row[place])] = found.get(int(row[place]), b"") + here
            self._good += len(here)
        return found

    def _add(self, text: bytes) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        if not self._good:
            text = self._header + text
        if self.file.exists() and self.file.stat().st_size > self._good:
            os.truncate(self.file, self._good)
        storage.append(self.file, text, lasting=False)
        self._good += len(text)

    def __repr__(self) -> str:
        return f"Csv({str(self.file)!r})"


class TensorBoard:
    """Every number as a scalar ``alignment/theta`` of TensorBoard, in ``folder``: ``tensorboard --logdir folder``.

    The step is the round. With several replicates (or seeds, or variants) each is a run of its own, in a folder in it:
    ``seed-0-replicate-3``. Of large networks name the ``members`` that are to be shown. What is NaN is no scalar. In a
    run that goes on from a checkpoint what was shown before is shown anew.

    Raises
    ------
    ImportError
        Where TensorBoard is not installed; the message says how it is.
    """

    def __init__(self, folder: str | os.PathLike[str], members: Sequence[str] | None = None) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ImportError("TensorBoard(...) needs tensorboard: pip install 'mesacosm[live]'") from error
        self.folder: Path = storage.named(folder)
        self.members = None if members is None else list(members)
        self._opened: dict[tuple[int, ...], Any] = {}
        self._new = SummaryWriter

    def __call__(self, round: int, rows: pd.DataFrame) -> None:
        places = [name for name in _PLACES if name in rows]
        numbers = [name for name in rows if name not in (*places, "round", "member")]
        cells = list(rows.groupby(places, sort=False, observed=True))
        if self.members is not None:
            self._check_members(rows)
        for place, mine in cells:
            if place not in self._opened:
                folder = self.folder / "-".join(f"{n}-{i}" for n, i in zip(places, place, strict=True))
                alone = not self._opened and len(cells) == 1
                self._opened[place] = self._new(str(self.folder if alone else folder), purge_step=round)
            writer = self._opened[place]
            for name in numbers:
                for member, value in zip(mine["member"], mine[name].astype(float), strict=True):
                    if not math.isnan(value) and (self.members is None or member in self.members):
                        writer.add_scalar(f"{name}/{member}", value, round)
            writer.flush()

    def _check_members(self, rows: pd.DataFrame) -> None:
        known = rows["member"].cat.categories
        if unknown := [name for name in self.members or () if name not in known]:
            near = meant_among(unknown[0], known, f"there are {listed(known)}")
            raise ValueError(f"{self!r}: there is no member {unknown[0]!r}{near}")

    def __repr__(self) -> str:
        return f"TensorBoard({str(self.folder)!r})"


_OTHER = "it is of another run: choose another file, or take it away"
_PLACES = ("variant", "seed", "replicate")


def _rows(recorder: Recorder, snapshot: Snapshot) -> pd.DataFrame:
    """What the table ``rounds`` says of one recorded round, of all variants."""
    variants = range(len(recorder.program.scenarios))
    one = Recorded(recorder.names, recorder.seeds, [snapshot], [])
    tables = [Tables(one, (), variant).rounds() for variant in variants]
    if len(tables) > 1:
        for variant, table in enumerate(tables):
            table.insert(0, "variant", variant)
    return pd.concat(tables, ignore_index=True) if len(tables) > 1 else tables[0]


def _text(rows: pd.DataFrame, header: bool = False) -> bytes:
    return rows.to_csv(index=False, header=header, lineterminator="\n").encode()


def _name(listener: Listener) -> str:
    return getattr(listener, "__name__", None) or repr(listener)
