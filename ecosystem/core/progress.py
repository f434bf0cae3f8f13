"""How far something is: a bar where somebody looks, lines where output goes to a file, events for ``logging``.

Whatever takes long tells a :class:`Meter`. The logger ``ecosystem`` hears of it too (beginnings, ends and what is gone
on with as ``INFO``, every step as ``DEBUG``) and is silent until a program says where to: ``logging.basicConfig(...)``.
"""

from __future__ import annotations

import importlib.util
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TextIO

from ecosystem.core.words import shown

LOG = logging.getLogger("ecosystem")
LOG.addHandler(logging.NullHandler())

_FIRST, _LONGEST = 2.0, 60.0  # seconds between two lines: twice as many each time
_SOON = 3.0  # seconds after which the first count is said, if no other comes


class Screen(Protocol):
    """Where it is shown."""

    def phase(self, text: str, at_once: bool = False) -> None: ...
    def now(self, done: int, total: int, note: str) -> None: ...
    def close(self) -> None: ...


class Meter:
    """Told how far ``what`` is, counted in a ``unit``; what comes after the counts is their pace, or a note."""

    def __init__(self, what: str, unit: str, screen: Screen | None = None) -> None:
        self.what, self.unit, self.screen = shown(what, one_line=True), unit, screen
        self._began: tuple[float, int] | None = None

    def phase(self, text: str, at_once: bool = False) -> None:
        """What is being done now; said ``at_once`` where somebody has asked for it."""
        LOG.info("%s: %s", self.what, text)
        if self.screen is not None:
            self.screen.phase(text, at_once)

    def now(self, done: int, total: int, note: str | None = None) -> None:
        """``done`` of ``total``; the first time it says where counting begins."""
        if self._began is None:
            self._began = time.perf_counter(), done
        LOG.debug("%s: %d of %d %s", self.what, done, total, self.unit)
        if self.screen is not None:
            self.screen.now(done, total, self._pace(done, total) if note is None else note)

    def _pace(self, done: int, total: int) -> str:
        assert self._began is not None
        seconds, first = time.perf_counter() - self._began[0], self._began[1]
        if done <= first or seconds <= 0:
            return ""
        rate = (done - first) / seconds
        left = f", {duration((total - done) / rate)} left" if done < total else ""
        return f"{rate:.3g}/s{left}"


@contextmanager
def metered(progress: Any, what: str, unit: str) -> Iterator[Meter]:
    """A meter: with a bar or lines if ``progress`` is True, for a function ``(done, total)``, or for the log alone.

    A meter that is given is gone on with.

    Raises
    ------
    TypeError
        For anything that is neither True, False, None nor a function.
    """
    if isinstance(progress, Meter):
        yield progress
        return
    if progress is not None and not isinstance(progress, bool) and not callable(progress):
        from ecosystem.core.check import brief  # it needs torch, which the command line starts without

        given = shown(brief(progress), one_line=True)
        raise TypeError(f"progress is True, False, or a function that is told how far it is, got {given}")
    screen = _screen(what, unit) if progress is True else _Told(progress) if callable(progress) else None
    try:
        yield Meter(what, unit, screen)
    finally:
        if screen is not None:
            screen.close()


def duration(seconds: float) -> str:
    """Seconds in words.

    >>> duration(7), duration(130), duration(7300)
    ('7 s', '2 min 10 s', '2 h 1 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _screen(what: str, unit: str) -> Screen:
    """A bar in a terminal or a notebook that can show one, else lines."""
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_jupyter and importlib.util.find_spec("ipywidgets") is None:
        return Lines(what, unit, sys.stderr)
    return Bar(what, unit, console) if console.is_jupyter or console.is_terminal else Lines(what, unit, sys.stderr)


class _Told:
    """A function of the user's own, ``(done, total)``."""

    def __init__(self, function: Callable[[int, int], object]) -> None:
        self.function = function

    def phase(self, text: str, at_once: bool = False) -> None:
        """It wants numbers."""

    def now(self, done: int, total: int, note: str) -> None:
        self.function(done, total)

    def close(self) -> None:
        """Nothing is open."""


class Lines:
    """Lines that somebody will read later: the first soon, then ever fewer, and the last one, also of a phase."""

    def __init__(self, what: str, unit: str, out: TextIO) -> None:
        self.what, self.unit, self.out = shown(what, one_line=True), unit, out
        self._next, self._pause, self._waiting = time.monotonic() + _FIRST, _FIRST, ""
        self._counts = False
        self._later, self._lock = threading.Timer(0, lambda: None), threading.Lock()

    def phase(self, text: str, at_once: bool = False) -> None:
        self._write_in(0.0 if at_once else _FIRST, text)  # nobody calls while something long is done

    def _write_in(self, seconds: float, *phase: str) -> None:
        self._later.cancel()
        self._later = threading.Timer(seconds, self._write, phase)
        self._later.daemon = True
        self._later.start()

    def now(self, done: int, total: int, note: str) -> None:
        self._later.cancel()
        first, self._counts = not self._counts, True
        with self._lock:
            self._waiting = f"{done} of {total} {self.unit}" + (f", {note}" if note else "")
        if first:  # the next may come in minutes
            self._write_in(_SOON)
        if time.monotonic() >= self._next:
            self._pause = min(2 * self._pause, _LONGEST)
            self._next = time.monotonic() + self._pause
            self._write()

    def close(self) -> None:
        self._later.cancel()
        self._write()

    def _write(self, *phase: str) -> None:
        """What waits, which came before the phase that is said now; by one thread at a time."""
        with self._lock:
            for text in filter(None, (self._waiting, *phase)):
                print(f"{self.what}: {text}", file=self.out, flush=True)
            self._waiting = ""


class Bar:
    """A bar of rich's, which stays as long as there is something to do."""

    def __init__(self, what: str, unit: str, console: Any) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
        note = TextColumn("{task.fields[unit]}{task.fields[note]}", markup=False)
        self.what = shown(what, one_line=True)
        self._progress = Progress(*columns, note, console=console, transient=True)
        self._task = self._progress.add_task(self.what, total=None, unit=unit, note="")
        self._counts = False
        self._progress.start()

    def phase(self, text: str, at_once: bool = False) -> None:
        self._progress.update(self._task, description=f"{self.what}: {text}")

    def now(self, done: int, total: int, note: str) -> None:
        if not self._counts:  # what came before is over
            self._progress.update(self._task, description=self.what)
        self._counts = True
        self._progress.update(self._task, completed=done, total=total, note=f", {note}" if note else "")

    def close(self) -> None:
        self._progress.stop()
