"""How a scenario ended: it ran, it was refused in one line, or it fell through."""

from __future__ import annotations

import linecache
import math
import signal
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import torch._dynamo  # noqa: F401  # imported by torch when it is first needed: cut short, it would stay half there

import ecosystem
from tests.fuzzing.playing import play

PACKAGE = Path(ecosystem.__file__).parent
PATIENCE = 10.0  # seconds of the processor that one small scenario may take: a busy machine makes nobody slow
GOOD = ("ran", "failed", "refused", "told")


@dataclass(frozen=True)
class Outcome:
    """``kind``: ran, failed (it is recorded), refused, told (slow, and it said so); raw, silent, slow are faults."""

    number: int
    kind: str
    text: str = ""
    seconds: float = 0.0


class TooSlow(BaseException):
    """Nobody's to catch."""


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Stop after so many seconds of this process's own time, where the system knows alarms."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def outcome(number: int, seconds: float = PATIENCE) -> Outcome:
    """Play a scenario and say how it ended."""
    begin, said = time.process_time(), []
    try:
        with warnings.catch_warnings(record=True) as said, patience(seconds):
            warnings.simplefilter("always")
            _, run = play(number)
            kind, text = _ended(run)
    except TooSlow as error:
        where = traceback.extract_tb(error.__traceback__)[-3:]
        told = any("for less give it fewer rounds" in str(one.message) for one in said)
        kind, text = (
            "told" if told else "slow",
            " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in where[::-1]),
        )
    except Exception as error:
        kind, text = refusal(error)
    return Outcome(number, kind, text, time.process_time() - begin)


def _ended(run: ecosystem.Run) -> tuple[str, str]:
    """A run: whether a number that is none has a failure that says so."""
    failed = {(f.seed, f.replicate) for f in run.failures.itertuples()}
    judged = set(run.members.loc[~run.members["reward"].str.startswith("none"), "member"])
    rounds = run.rounds[run.rounds["member"].isin(judged)]
    for row in rounds[~rounds["alignment"].map(math.isfinite)].itertuples():
        if (row.seed, row.replicate) not in failed:
            return "silent", f"alignment {row.alignment} of {row.member} in round {row.round}"
    for name, tensors in run.parameters.items():
        for key, value in tensors.items():
            finite = (not value.is_floating_point()) or bool(value.isfinite().all())
            if not finite and not failed:
                return "silent", f"{key} of {name} is not finite"
    return ("failed", run.failures["error"].iloc[0]) if failed else ("ran", "")


def refusal(error: Exception) -> tuple[str, str]:
    """An error: whether the library says it itself, in one line."""
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1]
    path = Path(last.filename)
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else _words(error)
    ours = path.is_relative_to(PACKAGE) and "raise" in linecache.getline(last.filename, last.lineno or 0)
    kinds = (ValueError, TypeError, KeyError, FileNotFoundError, NotImplementedError)  # the last: a part lacks a method
    named = isinstance(error, RuntimeError) and (" in round " in text or "sampling from" in text)
    plain = type(error).__module__ == "builtins" or type(error).__module__.startswith("ecosystem")
    short = text.strip() and "\n" not in text and len(text) < 1000
    if ours and short and plain and (isinstance(error, kinds) or named):
        return "refused", text
    inside = next((f for f in reversed(frames) if Path(f.filename).is_relative_to(PACKAGE)), last)
    where = f"{Path(inside.filename).relative_to(PACKAGE.parent) if inside is not last or ours else path.name}"
    return "raw", f"{where}:{inside.lineno}: {type(error).__name__}: {text[:200]!r}"


def _words(error: Exception) -> str:
    try:
        return str(error)
    except Exception:
        return ""
