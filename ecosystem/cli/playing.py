"""Ctrl-C in a run, and the progress of its rounds."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecosystem.ecosystem import Ecosystem


class CtrlC:
    """Ctrl-C in a run: the first lets the round end, the next breaks it off, none spoils the saving."""

    def __init__(self) -> None:
        self.pressed = False
        self.breakable = False
        self.notify: Callable[[], object] = lambda: None

    def __enter__(self) -> CtrlC:
        self._before = signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _press(self, *_: object) -> None:
        again, self.pressed = self.pressed, True
        self.notify()
        if again and self.breakable:
            self.breakable = False
            raise KeyboardInterrupt


def simulate(eco: Ecosystem, ctrl_c: CtrlC) -> int:
    """Play the rounds behind a progress bar, until they are done or Ctrl-C; the number that was completed."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), "rounds", "{task.fields[rate]}")
    done, started = 0, time.perf_counter()
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task("running", total=eco.rounds, rate="")
        ctrl_c.notify = lambda: progress.update(task, description="ending this round (again: at once)")
        try:
            ctrl_c.breakable = True
            while done < eco.rounds and not ctrl_c.pressed:
                eco.step()
                done = int(eco.steps)
                rate = done / (time.perf_counter() - started)
                progress.update(task, completed=done, rate=f"{rate:.3g}/s")
        except KeyboardInterrupt:
            pass  # who pressed it twice still wants what was recorded
        finally:
            ctrl_c.breakable = False
    return done
