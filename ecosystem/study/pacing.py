"""How much a worker is given at once: blocks sized by the time they take, as it is measured."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence

from ecosystem.study.plan import Block, Request, pending

SECONDS = 5.0  # that a block should take: so much is lost with a worker, so often one has to ask for more
GROWTH = 4  # a block has at most so many times the parts of the largest that was measured
SHARE = 0.5  # of its time that who hands out blocks and writes them may be busy


class Pace:
    """The blocks that are left of some ``requests``, joined so that each takes about so many ``seconds``.

    The first ones are the smallest there are; what they take, against what was expected (``cost(block)``, whose unit
    does not matter), says how many make the next. Near the end they become smaller, so that workers end together; and
    they become longer than they should be where so many are under way that handing them out would take most of the
    time. Only what is written at once depends on this, and never a number (:mod:`ecosystem.study.plan`).

    >>> pace = Pace([Request(0, tuple(range(64)), ((0, 0),), width=1, depth=1, most=64)], (), lambda block: block.size)
    >>> spans = []
    >>> for block in pace:
    ...     spans.append(block.span)
    ...     pace.finished(block, took=0.5 * block.span)
    >>> spans
    [1, 4, 10, 10, 10, 10, 10, 5, 2, 1, 1]
    """

    def __init__(
        self,
        requests: Sequence[Request],
        finished: Collection[int],
        cost: Callable[[Block], float],
        seconds: float = SECONDS,
    ) -> None:
        self.seconds, self._cost = seconds, cost
        self._left = deque((request, block) for request in requests for block in pending([request], finished))
        self._costs: dict[int, float] = {}  # of the blocks under way
        self._begun: dict[int, float] = {}  # when they were handed out, by a clock
        self._took = self._expected = self._last = 0.0  # of the blocks measured; and of the last one, took / expected
        self._widest = self._busy = 0.0  # the most parts of one measured; seconds to hand out a block and to write it

    def __iter__(self) -> Iterator[Block]:
        while self._left:
            block = self._next()
            self._begun[block.number] = time.perf_counter()
            yield block

    def under_way(self) -> tuple[int, float]:
        """How many blocks are under way, and in about how many seconds all of them are done; NaN if none has been yet.

        The one that was handed out last may wait for a worker: then the others go first.
        """
        now, pace = time.perf_counter(), self._took / self._expected if self._expected else float("nan")
        begun = list(self._begun.items())
        left = [max(pace * self._costs.get(number, 0.0) - (now - then), 0.0) for number, then in begun]
        if not left or pace != pace:
            return len(left), float("nan")
        return len(left), max(*left, sum(left) / max(len(left) - 1, 1), 0.0)

    def finished(self, block: Block, took: float, busy: float = 0.0) -> None:
        """A block is done, which a worker ``took`` seconds for, and kept whoever hands them out ``busy`` for some."""
        cost = self._costs.pop(block.number, 0.0)
        self._begun.pop(block.number, None)
        self._busy += 0.1 * (busy - self._busy)
        if took == took and cost > 0:  # of one that was lost nobody knows
            self._took, self._expected = self._took / 2 + took, self._expected / 2 + cost
            self._last = took / cost
            self._widest = max(self._widest, block.span)

    def _next(self) -> Block:
        request, first = self._left[0]
        wanted, cost = self._wanted(request), 0.0
        room, span = self._room(), 0
        for other, block in self._left:
            if span == wanted or other is not request or block.number != first.number + span:
                break
            cost += (more := self._cost(block))
            if span and cost > room:
                cost -= more
                break
            span += 1
        joined = _joined(request, first, span) if span > 1 else first
        for _ in range(joined.span if joined is not first else 1):
            self._left.popleft()
        self._costs[joined.number] = cost * joined.span / span if joined is not first else cost
        return joined

    def _wanted(self, request: Request) -> int:
        """The most parts of the next block, whatever they cost."""
        under_way = len(self._costs) + 1
        return max(1, min(request.most, int(GROWTH * self._widest), -(-len(self._left) // (2 * under_way))))

    def _room(self) -> float:
        """What the next block should cost at most."""
        if not self._expected:
            return 0.0
        under_way = len(self._costs) + 1
        slow = max(self._took / self._expected, self._last, 1e-12)  # rather too short than too long
        return max(self.seconds, under_way * self._busy / SHARE) / slow


def _joined(request: Request, first: Block, span: int) -> Block:
    """So many blocks as one; or fewer, for they have to be some seeds of the same points, or all seeds of more."""
    column = (first.number - request.first) % request.across
    span -= span % request.across if column == 0 and span >= request.across else 0
    return request.block(first.number, span if column == 0 else min(span, request.across - column))
