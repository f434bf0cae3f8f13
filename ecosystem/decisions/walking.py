"""Labels round by round: what they say when earlier ones have been flipped."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ecosystem.curation import BradleyTerry
from ecosystem.decisions.relabelled import Course, Play, put
from ecosystem.influence.rounds import Rounds, State


class Walk:
    """A course round by round, in as many ``columns``: what labels of the next round say, then which are flipped."""

    def __init__(self, course: Course, columns: int = 1) -> None:
        self.course, (self.dynamics, _) = course, course.usual
        self.rounds = Rounds(self.dynamics)
        self.state, self.number = self.rounds.begin(self.dynamics.start.expand(columns, -1)), 0
        self.plain = torch.zeros(columns, *course.shape[1:], dtype=torch.float64)

    def _ahead(self) -> Tensor:
        """``Θ [columns, size]`` after a round whose labels nobody flips."""
        if self.course.rounds:
            return self._next(self.plain).now
        return self.course.rest(self.plain).vector.unsqueeze(0)

    def there(self) -> Tensor:
        """How many whole labels of the next round say so, ``[columns, labelled, directed]``."""
        return self.course.there(self.dynamics, self._ahead())[0]

    def clean(self) -> tuple[list[BradleyTerry], Tensor]:
        """What is learned of the labels of the next round that nobody flips, and how many of each are there."""
        ahead = self._ahead()
        return self.course.fits(ahead[0]), self.course.there(self.dynamics, ahead)[0][0]

    def go(self, flips: Tensor) -> None:
        """Flip ``[columns, labelled, directed]`` in the next round."""
        if self.course.rounds:
            self.state, self.number = self._next(flips), self.number + 1

    def _next(self, flips: Tensor) -> State:
        there = put(self.state, flips.flatten(1), self.course.place(self.dynamics))
        return self.rounds.played(there, self.rounds.turn(self.number + 1))


def filled(course: Course, orders: Tensor, allowance: Callable[[int], float]) -> Play:
    """Plans that take as many as are there in ``orders [columns, labelled · directed]``, round by round."""
    walk, plans = Walk(course, len(orders)), []
    for row in range(course.shape[0]):
        there, left = walk.there().flatten(1), torch.full((len(orders), 1), allowance(row), dtype=torch.float64)
        ahead = there.gather(1, orders)
        taken = torch.minimum(ahead, (left - ahead.cumsum(1) + ahead).clamp(min=0))
        plans.append(torch.zeros_like(there).scatter(1, orders, taken).unflatten(-1, course.shape[1:]))
        walk.go(plans[-1])
    return course.played(torch.stack(plans, 1))
