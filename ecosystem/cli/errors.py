"""How commands end when they cannot go on: one line on stderr, and the exit code."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from ecosystem.cli.loading import one_line
from ecosystem.cli.terminal import say

WRONG, INTERRUPTED = 2, 130  # exit codes


def complain(message: str) -> int:
    """Print one line on stderr; the exit code that goes with it."""
    say(f"error: {message}", fg="red", err=True)
    return WRONG


@contextmanager
def errors(debug: bool) -> Iterator[None]:
    """Say every failure in one line on stderr, with exit code 2; with ``debug`` the traceback before it."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _warn
            yield
    except typer.Exit:
        raise
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except Exception as error:
        if debug:
            traceback.print_exc()
        message = one_line(error)
        if not isinstance(error, (ValueError, OSError)):  # not written for a reader
            message = f"{type(error).__name__}: {message} (--debug shows where)"
        raise typer.Exit(complain(message)) from None


def _warn(message: Warning | str, *_: object) -> None:
    say(f"warning: {' '.join(str(message).split())}", fg="yellow", err=True)
