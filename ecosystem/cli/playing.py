"""Ctrl-C in a run, and the progress of its rounds."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ecosystem.cli.loading import located
from ecosystem.core.progress import metered

if TYPE_CHECKING:
    from ecosystem.running.ecosystem import Ecosystem


def _break_off() -> NoReturn:
    raise KeyboardInterrupt


class CtrlC:
    """Ctrl-C in a run: the first lets the round end, the next breaks it off, none spoils the saving."""

    def __init__(self) -> None:
        self.pressed = False
        self.breakable = False
        self.notify: Callable[[], object] = lambda: None
        self.again: Callable[[], object] = _break_off

    def __enter__(self) -> CtrlC:
        self._before = signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _press(self, *_: object) -> None:
        again, self.pressed = self.pressed, True
        if again and self.breakable:
            self.breakable = False
            self.again()
        self.notify()


def simulate(eco: Ecosystem, ctrl_c: CtrlC, file: str | Path, round_played: Callable[[], None]) -> int:
    """Play the rounds and show how far they are, until they are done or Ctrl-C; the number that was completed.

    ``round_played()`` is called after each; what goes wrong in one is located in the scenario's ``file``.
    """
    done = int(eco.steps)
    with metered(True, eco.scenarios[0].name, "rounds") as meter:
        ctrl_c.notify = lambda: meter.phase("ending this round (again: at once)")
        if done:
            meter.phase(f"going on after round {done}")
        try:
            ctrl_c.breakable = True
            meter.now(done, eco.rounds)
            while eco.running and not ctrl_c.pressed:
                with located(file):
                    eco.step()
                done = int(eco.steps)
                round_played()
                meter.now(done, eco.rounds)
        except KeyboardInterrupt:
            pass  # who pressed it twice still wants what was recorded
        finally:
            ctrl_c.breakable = False
    return done
