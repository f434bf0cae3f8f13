"""What the dynamics do when they are played: settle, diverge, cycle, or none of these yet."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import torch
from torch import Tensor

from ecosystem.influence.rounds import Rounds

_EXPLODED = 1e12
_SETTLED = 1e-4  # relative change of a round that a solver can be left to finish
_REMEMBERED = 1 << 24  # numbers of past states kept to recognise a cycle
_PERIODS = 32


@dataclass(frozen=True)
class Trajectory:
    """The way from one start: where it led, and the last states, newest last, one a hyper-period."""

    first: Tensor
    last: Tensor
    recent: tuple[Tensor, ...]
    rounds: int
    exploded: bool

    def seen(self, point: Tensor | None) -> str:
        """What the dynamics did; ``point`` is the stable point that was found near, if any."""
        if self.exploded:
            return "diverges"
        period = self._period()
        if period > 1:
            return f"cycles with period {period}"
        if point is None:
            away = [float((state - self.first).abs().max()) for state in self.recent]
            return "diverges" if away[-1] > 1.05 * max(away[: len(away) // 2]) else "wanders"
        distances = [float((state - point).abs().max()) for state in self.recent]
        near = 1e-7 * (1 + float(point.abs().max()))
        if distances[-1] <= near or distances[-1] < 0.9 * distances[0]:
            return "settles"
        return "diverges" if distances[-1] > 1.1 * distances[0] else "wanders"

    def _period(self) -> int:
        """The smallest ``p > 1`` with the state of ``p`` hyper-periods ago back again; 0 if there is none."""
        newest, before = self.recent[-1], self.recent[-2]
        step = float((newest - before).abs().max())
        if step <= 1e-6 * (1 + float(newest.abs().max())):
            return 0
        for p in range(2, min(_PERIODS, len(self.recent) - 2)):
            back = max(float((self.recent[-1 - i] - self.recent[-1 - i - p]).abs().max()) for i in (0, 1))
            if back <= 1e-3 * step:
                return p
        return 0


def follow(rounds: Rounds, begin: Tensor, most: int) -> list[Trajectory]:
    """The ways from ``begin [columns, size]``, all at once, until all settle or explode or ``most`` are played."""
    state = rounds.begin(begin)
    length = max(2, min(2 * _PERIODS, _REMEMBERED // max(1, begin.numel())))
    recent: deque[Tensor] = deque([begin], maxlen=length)
    exploded = torch.zeros(len(begin), dtype=torch.bool)
    number = 0
    while number < most:
        for _ in range(rounds.period):
            number += 1
            state = rounds.played(state, rounds.turn(number))
        exploded |= ~(state.now.abs().amax(-1) < _EXPLODED)
        if bool(exploded.any()):  # what has exploded stays where it was: NaN would tell nothing
            kept = torch.where(exploded.unsqueeze(-1), recent[-1], state.now)
            state = type(state)((kept, *state.past[1:]), state.memories)
        recent.append(state.now)
        change = (recent[-1] - recent[-2]).abs().amax(-1) / (1 + recent[-1].abs().amax(-1))
        if bool(((change <= _SETTLED) | exploded).all()):
            gap = (rounds.dynamics.retrained(state.now) - state.now).abs().amax(-1)
            if bool(((gap <= 10 * _SETTLED * (1 + state.now.abs().amax(-1))) | exploded).all()):
                break
    return [
        Trajectory(begin[i], state.now[i], tuple(s[i] for s in recent), number, bool(exploded[i]))
        for i in range(len(begin))
    ]
