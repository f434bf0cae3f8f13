"""Schedules: in which rounds a member retrains.

Rounds are numbered as in the tables: round ``r = 1, 2, ...`` leads to the row ``round = r``. A schedule answers for
all members of one kind at once: ``due(round, rng)`` broadcasts to ``[*batch]``. Any callable ``(round, rng) -> bool``
or bool tensor is a schedule too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

from ecosystem.core.arguments import spelled
from ecosystem.core.check import brief, real_number, spreads, users_code, whole_number
from ecosystem.core.claims import Claims
from ecosystem.core.drawing import Drawing
from ecosystem.core.stacking import Stackable
from ecosystem.core.streams import Stream


class Schedule(Stackable, Claims, Drawing):
    """The contract: who is due in a round, and what a schedule says of itself.

    One that says nothing is followed round by round, as one that draws. A subclass that overrides ``due`` says nothing
    again, whatever its parent has said.

    >>> @dataclass(frozen=True, eq=False)
    ... class third(Schedule):
    ...     random = False
    ...     def due(self, round, rng):
    ...         return torch.tensor(round % 3 == 0)
    ...     def cycle(self):
    ...         return 1, 3
    >>> [round for round in range(1, 10) if third().due(round, Stream.root([(0, 0)])[0])]
    [3, 6, 9]
    """

    RESTS: ClassVar[dict[str, tuple[str, ...]]] = dict.fromkeys(
        ("random", "cycle", "ends", "is_never", "stays"), ("due",)
    )
    DRAWING = ("due",)
    random: bool = True  # it may draw; False: it is the same in every replicate
    ends: bool = False  # from some round on nobody is due again
    is_never: bool = False  # nobody is ever due

    def due(self, round: int, rng: Stream) -> Tensor:
        """Whether each member is due, bool, broadcastable to the keys of ``rng``.

        ``rng`` is the same in all rounds; draw from ``rng.at(round)``. (A callable is handed that.)
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method due(round, rng)")

    def says(self, round: int, rng: Stream, shape: tuple[int, ...]) -> Tensor:
        """Who is due, as the engine asks: bools of a ``shape``.

        A ValueError where ``due`` fails, or returns what are none or of another shape.
        """
        with users_code(lambda: f"the schedule {brief(self)} in round {round}"):
            answer = self.due(round, rng)
            due = torch.as_tensor(answer)
        fits = due.dtype in (torch.bool, torch.int64, torch.uint8) and not due.is_meta and spreads(due.shape, shape)
        if not fits or (due.dtype != torch.bool and bool(((due > 1) | (due < 0)).any())):
            raise ValueError(
                f"the schedule {brief(self)} must return True or False (or bools that broadcast to {tuple(shape)}), "
                f"got {brief(answer)} in round {round}"
            )
        return due.bool().expand(shape)

    def cycle(self) -> tuple[int, int] | None:
        """The first round and the period: from that round on, every ``period`` rounds are like the next; else None."""
        return None

    def stays(self, round: int) -> bool:
        """Whether it says in every later round what it says in this one, so that it need not be asked again."""
        return False


@spelled
@dataclass(frozen=True, eq=False, repr=False)
class every(Schedule):
    """Every ``period`` rounds, first in round ``start + 1``: ``every(2)`` and ``every(2, start=1)`` take turns."""

    period: Tensor
    start: Tensor
    random = False

    def __init__(self, period: int, start: int = 0) -> None:
        object.__setattr__(self, "period", torch.tensor(whole_number(period, "every(period)", 1)))
        object.__setattr__(self, "start", torch.tensor(whole_number(start, "every(start)", 0)))

    @cached_property
    def _begun(self) -> float:
        """The round from which on all of them are due in every round; infinite where there is none."""
        return int(self.start.max()) + 1 if bool((self.period == 1).all()) else math.inf

    def due(self, round: int, rng: Stream) -> Tensor:
        since = round - 1 - self.start
        return (since >= 0) & (since % self.period == 0)

    def cycle(self) -> tuple[int, int]:
        return int(self.start) + 1, int(self.period)

    def stays(self, round: int) -> bool:
        return round >= self._begun

    def __repr__(self) -> str:
        if self.period.ndim:
            return "every(...)"
        return f"every({int(self.period)}{f', start={int(self.start)}' if self.start else ''})"


@spelled
@dataclass(frozen=True, eq=False, repr=False)
class at(Schedule):
    """In the named rounds only."""

    rounds: tuple[int, ...]
    random = False
    ends = True

    def __init__(self, *rounds: int) -> None:
        for value in rounds:
            whole_number(value, "at(*rounds)", 1)
        object.__setattr__(self, "rounds", tuple(sorted(set(rounds))))

    def due(self, round: int, rng: Stream) -> Tensor:
        return torch.tensor(round in self.rounds)

    def stays(self, round: int) -> bool:
        return round > max(self.rounds, default=0)

    def __repr__(self) -> str:
        return f"at({', '.join(map(str, self.rounds))})"


@dataclass(frozen=True, eq=False, repr=False)
class poisson(Schedule):
    """A Poisson clock with ``rate`` rings a round: due when it rings in the round, probability ``1 − e^{−rate}``."""

    rate: Tensor

    def __init__(self, rate: float) -> None:
        value = torch.tensor(real_number(rate), dtype=torch.float64)
        if not value > 0 or not torch.isfinite(value):
            raise ValueError(f"poisson(rate) must be a positive number of rings a round, got {brief(rate)}")
        object.__setattr__(self, "rate", value)

    def due(self, round: int, rng: Stream) -> Tensor:
        return rng.at(round).uniform(1).squeeze(-1) < -torch.expm1(-self.rate)

    def __repr__(self) -> str:
        return f"poisson({float(self.rate.mean()):.4g})"


@dataclass(frozen=True, eq=False, repr=False)
class _Never(Schedule):
    random = False
    is_never = True

    def due(self, round: int, rng: Stream) -> Tensor:
        return torch.tensor(False)

    def stays(self, round: int) -> bool:
        return True

    def __repr__(self) -> str:
        return "never"


never: Schedule = _Never()


@dataclass(frozen=True, eq=False, repr=False)
class _CustomSchedule(Schedule):
    function: Callable[[int, Stream], Any]

    def due(self, round: int, rng: Stream) -> Tensor:
        return torch.as_tensor(self.function(round, rng.at(round)))

    def __repr__(self) -> str:
        return getattr(self.function, "__name__", type(self.function).__name__)


def as_schedule(schedule: Any) -> Schedule:
    """A schedule from one or from any callable ``(round, rng) -> bool``."""
    if isinstance(schedule, Schedule):
        return schedule
    if callable(schedule) and not isinstance(schedule, type):
        return _CustomSchedule(schedule)
    raise TypeError(
        f"a schedule is every(...), at(...), poisson(...), never or (round, rng) -> bool, got {brief(schedule)}"
    )
