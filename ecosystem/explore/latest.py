"""Work in threads of which only the newest counts: a page that is dragged asks for more than can be computed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

Found = TypeVar("Found")
PAUSE = 0.08  # seconds without a new question before one is answered


class Latest(Generic[Found]):
    """Answers questions in threads, piece by piece, and ``tell``\\ s no piece of one that a newer has replaced.

    A question waits for a ``pause``: what is replaced by then is never begun. What is outdated ends with the piece it
    is at, at most two work at a time, and nobody waits for either.
    """

    def __init__(self, tell: Callable[[Found], object], pause: float = PAUSE) -> None:
        self._tell, self._pause = tell, pause
        self._number, self._places = 0, threading.Semaphore(2)

    def ask(self, work: Callable[[Callable[[], bool]], Iterator[Found]]) -> None:
        """Begin ``work(outdated)``; what was asked before is outdated."""
        mine = self.drop()
        threading.Thread(target=self._work, args=(mine, work), daemon=True).start()

    def drop(self) -> int:
        """Make outdated whatever is at work."""
        self._number += 1
        return self._number

    def _work(self, mine: int, work: Callable[[Callable[[], bool]], Iterator[Found]]) -> None:
        def outdated() -> bool:
            return mine != self._number

        time.sleep(self._pause)
        if outdated():
            return
        with self._places:
            if outdated():
                return
            for found in work(outdated):
                if outdated():
                    return
                self._tell(found)
