"""Ctrl-C where Python does not hear of it: while a solver, or a thread, is at work in one long call."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer

from ecosystem.cli.errors import INTERRUPTED

PATIENCE = 1.0  # seconds that Python has to hear of it by itself


def leave() -> NoReturn:
    """End this process at once, as interrupted.

    The usual way out takes the interpreter down, and torch aborts if a thread computes meanwhile.
    """
    show = "\x1b[?25h" if sys.stderr.isatty() else ""  # a bar has hidden the cursor
    typer.echo(f"{show}interrupted", err=True)
    sys.stdout.flush()
    os._exit(INTERRUPTED)


@contextmanager
def breakable() -> Iterator[None]:
    """Ctrl-C ends the process soon whatever it is at; what is inside may be broken off anywhere, so it writes nothing.

    Python raises KeyboardInterrupt between two of its own steps, which a decomposition of a large matrix keeps waiting
    for minutes; where that takes longer than a second, a thread that has heard of the signal leaves instead.
    """
    if threading.current_thread() is not threading.main_thread():  # only there signals are heard
        yield
        return
    heard, told = os.pipe()
    os.set_blocking(told, False)
    over = threading.Event()
    before = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    watching = threading.Thread(target=_watch, args=(heard, over), daemon=True)
    watching.start()
    try:
        yield
    finally:
        over.set()
        signal.set_wakeup_fd(before)
        os.close(told)
        watching.join()
        os.close(heard)


def _watch(heard: int, over: threading.Event) -> None:
    while number := os.read(heard, 1):
        if number[0] == signal.SIGINT and not over.wait(PATIENCE):
            leave()
