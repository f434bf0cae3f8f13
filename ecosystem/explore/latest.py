"""Work in threads of which only the newest counts: a page that is dragged asks for more than can be computed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

Found = TypeVar("Found")
PAUSE = 0.08  # seconds without a new question before one is answered
PATIENCE = 1.0  # seconds that a question leaves to what is outdated


def pause() -> None:
    """The time in which a newer question may come."""
    time.sleep(PAUSE)


class Latest(Generic[Found]):
    """Answers questions in threads, piece by piece, and ``tell``\\ s no piece of one that a newer has replaced.

    A question ``wait``\\ s first: what is replaced by then is never begun. What is outdated ends with the piece it is
    at. Two work at a time, but the newest leaves outdated ones no more than a second: then it begins beside them.
    """

    def __init__(self, tell: Callable[[Found], object], wait: Callable[[], object] = pause) -> None:
        self._tell, self._wait = tell, wait
        self._number, self._places = 0, threading.Semaphore(2)

    def ask(self, work: Callable[[Callable[[], bool]], Iterator[Found]], trouble: Callable[[Exception], Found]) -> None:
        """Begin ``work(outdated)``; what was asked before is outdated. What it raises is told as ``trouble(error)``."""
        mine = self.drop()
        threading.Thread(target=self._answer, args=(mine, work, trouble), daemon=True).start()

    def drop(self) -> int:
        """Make outdated whatever is at work."""
        self._number += 1
        return self._number

    def _answer(
        self,
        mine: int,
        work: Callable[[Callable[[], bool]], Iterator[Found]],
        trouble: Callable[[Exception], Found],
    ) -> None:
        def outdated() -> bool:
            return mine != self._number

        self._wait()
        if outdated():
            return
        placed = self._places.acquire(timeout=PATIENCE)
        try:
            if outdated():
                return
            for found in work(outdated):
                if outdated():
                    return
                self._tell(found)
        except Exception as error:
            if not outdated():
                self._tell(trouble(error))
        finally:
            if placed:
                self._places.release()
