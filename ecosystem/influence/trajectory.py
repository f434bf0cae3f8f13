"""What the dynamics do when they are played: settle, diverge, cycle, or none of these yet."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ecosystem.influence.rounds import Rounds

_EXPLODED = 1e12
_SETTLED = 1e-4  # relative change of a round that a solver can be left to finish
_MANY, _NEARING = 1 << 22, 1e-2  # numbers beyond which it is left to finish from here
_REMEMBERED = 1 << 24  # numbers of past states kept to recognise a cycle
_AT_ONCE = 1 << 20  # numbers that are looked at together
_PERIODS = 32
_SHRINKING = 4  # rounds (hyper-periods) in a row in which steps must have become smaller


@dataclass(frozen=True)
class Trajectory:
    """The way from one start: where it led, and the last states, newest last, one a hyper-period."""

    first: Tensor
    last: Tensor
    recent: tuple[Tensor, ...]
    rounds: int
    exploded: bool

    def seen(self, point: Tensor | None) -> str:
        """What the dynamics did; ``point [size]`` is the stable point that was found near, if any.

        The number that does worst decides: a member that moves away is not hidden by others that come near.
        """
        if self.exploded:
            return "diverges"
        period = self._period()
        if period > 1:
            return f"cycles with period {period}"
        if point is None:
            away = [float((state - self.first).abs().max()) for state in self.recent]
            return "diverges" if away[-1] > 1.05 * max(away[: len(away) // 2]) else "wanders"
        size = 1 + point.abs()
        before, after = ((state - point).abs() / size for state in (self.recent[0], self.recent[-1]))
        away = (after > 1e-9) & (after > 1.001 * before) & (after > 1e-3 * after.max())
        if bool((away & self._growing(point)).any()):
            return "diverges"
        return "settles" if float(after.max()) <= max(1e-7, 0.999 * float(before.max())) else "wanders"

    def _growing(self, point: Tensor) -> Tensor:
        """Which numbers are still moving away from a point at the end, ``[size]``.

        A fast number goes where a slow one sends it, which may lead it past the point for a while.
        """
        quarter = len(self.recent) // 4
        if quarter < 2:
            return torch.ones_like(point, dtype=torch.bool)
        late, earlier = self.recent[-quarter:], self.recent[-2 * quarter : -quarter]
        farthest = [torch.stack([(state - point).abs() for state in part]).amax(0) for part in (earlier, late)]
        return farthest[1] > 1.001 * farthest[0]

    def _period(self) -> int:
        """The smallest ``p > 1`` with the state of ``p`` hyper-periods ago back again, for good; 0 if there is none."""
        if len(self.recent) < 8:
            return 0
        newest, late = self.recent[-1], self.recent[len(self.recent) // 2 :]
        steps = [float((late[i] - late[i - 1]).abs().max()) for i in (1, -1)]
        if steps[1] <= 1e-6 * (1 + float(newest.abs().max())):
            return 0
        for p in range(2, min(_PERIODS, len(self.recent) - 2)):
            back = max(float((self.recent[-1 - i] - self.recent[-1 - i - p]).abs().max()) for i in (0, 1))
            if back <= 1e-6 * steps[1]:
                return p
        return 0


def follow(rounds: Rounds, begin: Tensor, most: int) -> list[Trajectory]:
    """The ways from ``begin [columns, size]``, all at once, until all settle or explode or ``most`` are played."""
    state = rounds.begin(begin)
    length = max(2, min(2 * _PERIODS, _REMEMBERED // max(1, begin.numel())))
    recent: deque[Tensor] = deque([begin], maxlen=length)
    exploded = torch.zeros(len(begin), dtype=torch.bool)
    number, changes = 0, []
    settled = _SETTLED if begin.shape[1] <= _MANY else _NEARING
    while number < most:
        for _ in range(min(rounds.period, most - number)):
            number += 1
            state = rounds.played(state, rounds.turn(number))
        exploded |= ~(state.now.abs().amax(-1) < _EXPLODED)
        if bool(exploded.any()):  # what has exploded stays where it was: NaN would tell nothing
            kept = torch.where(exploded.unsqueeze(-1), recent[-1], state.now)
            state = type(state)((kept, *state.past[1:]), state.memories)
        recent.append(state.now)
        changes.append(_relative(recent[-1] - recent[-2], state.now))
        if len(changes) > _SHRINKING and bool((_fading(changes, settled) | exploded).all()):
            most = rounds.at_a_time(state, rounds.everybody)
            retrained = torch.cat(
                [rounds.dynamics.retrained(part, differentiable=False) for part in state.now.split(most)]
            )
            gap = _relative(retrained - state.now, state.now)
            if bool(((gap <= 10 * settled) | exploded).all()):
                break
    return [
        Trajectory(begin[i], state.now[i], tuple(s[i] for s in recent), number, bool(exploded[i]))
        for i in range(len(begin))
    ]


def onwards(rounds: Rounds, begin: Tensor, played: int, most: int) -> Iterator[Trajectory]:
    """The way from ``begin [size]`` after twice the rounds ``played``, after four times as many, ..., up to ``most``.

    It ends where the way explodes; steps may become as small as they like.
    """
    state, number = rounds.begin(begin.unsqueeze(0)), 0
    length = max(2, min(2 * _PERIODS, _REMEMBERED // max(1, begin.numel())))
    recent: deque[Tensor] = deque([begin], maxlen=length)
    while number < most:
        played, exploded = min(max(1, 2 * played), most), False
        while number < played and not exploded:
            for _ in range(min(rounds.period, most - number)):
                number += 1
                state = rounds.played(state, rounds.turn(number))
            exploded = not bool(state.now.abs().max() < _EXPLODED)
            recent.append(recent[-1] if exploded else state.now[0])
        yield Trajectory(begin, recent[-1], tuple(recent), number, exploded)
        if exploded:
            return


def _relative(change: Tensor, vector: Tensor) -> Tensor:
    """The largest change of a number relative to ``1 + |number|``, by column."""
    parts = zip(change.split(_AT_ONCE, -1), vector.split(_AT_ONCE, -1), strict=True)
    return torch.stack([(c.abs() / (1 + v.abs())).amax(-1) for c, v in parts]).amax(0)


def _fading(changes: list[Tensor], settled: float) -> Tensor:
    """Which columns hardly move any more, and less and less: near a point that repels, steps are small but grow."""
    last = torch.stack(changes[-_SHRINKING - 1 :])
    still = last[-1] <= 1e-12
    return still | ((last[-1] <= settled) & (last[1:] <= last[:-1]).all(0))
