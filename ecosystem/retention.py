"""Retention: which rounds' data a member trains on.

Families fitted by the mean of a statistic keep statistics (``pool``), whatever the number of samples; models trained
on the data themselves keep data (``keep``). Both see the same choice of rounds. ``window`` and ``accumulate`` start
with the first round's data: a member's starting parameters are not data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from ecosystem.core.arguments import spelled
from ecosystem.core.check import brief, real_number, whole_number
from ecosystem.core.claims import Claims
from ecosystem.core.drawing import Drawing
from ecosystem.core.laws import NoPopulationLaw
from ecosystem.core.samples import concatenated
from ecosystem.core.streams import Stream

Memory = dict[str, Tensor]


@dataclass(frozen=True)
class Retention(Claims, Drawing):
    """The contract: ``pool`` for statistics, ``keep`` for data, and what a retention says of itself.

    A memory is any dict of tensors ``[*batch, ...]``, empty before the first round; analyses of settling follow
    whatever it is. One that brings ``keep`` alone works on data, and has no population dynamics. A subclass that
    overrides one of the two has no other until it writes it: they would not agree.

    >>> @dataclass(frozen=True)
    ... class fading(Retention):                      # the past counts by its weight
    ...     weight: float
    ...     def pool(self, memory, fresh):
    ...         past = self.weight * memory.get("past", fresh) + (1 - self.weight) * fresh
    ...         return past, {"past": past}
    >>> fading(0.5).pool({"past": torch.zeros(1)}, torch.ones(1))
    (tensor([0.5000]), {'past': tensor([0.5000])})
    """

    RESTS: ClassVar[dict[str, tuple[str, ...]]] = {
        "pool": ("keep",),
        "keep": ("pool",),
        "data": ("keep",),
        "remembers": ("pool", "keep"),
        "averages": ("pool", "keep"),
        "on_data": ("pool",),
        "newest": ("pool", "keep"),
    }
    DRAWING = ("keep",)
    on_data: ClassVar[bool] = False  # the choice can only be made on the data, not on their statistics
    remembers: ClassVar[bool] = True  # anything is kept from round to round
    averages: ClassVar[bool] = False  # everything ever seen counts alike: a ``1/t``-step average

    @property
    def keeps(self) -> bool:
        """Whether it says what becomes of data, not only of their statistics."""
        return type(self).keep is not Retention.keep

    @property
    def newest(self) -> int | None:
        """Of how many of the newest rounds everything counts alike, if that is all that it does; else None."""
        return None

    def __init_subclass__(cls, **settings: Any) -> None:
        super().__init_subclass__(**settings)
        if cls.pool is Retention.pool:
            cls.on_data = True

    def pool(self, memory: Memory, fresh: Tensor) -> tuple[Tensor, Memory]:
        """The statistic to fit and the new memory, from the fresh mean statistic ``[*batch, Q]``."""
        raise NoPopulationLaw(f"the retention {self}, which has no method pool(memory, fresh),")

    def keep(self, kept: list[Any], fresh: Any, rng: Stream) -> list[Any]:
        """The data sets to train on, oldest first, after ``fresh [n, *event]`` has come in.

        Who remembers more than these (lots, dates) has a ``data`` of its own that makes the one to train on of it.
        Tensors, pairs or training sets: whatever has a length, takes an index and can be ``concatenated``.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no method keep(kept, fresh, rng), which models that are trained on data need"
        )

    def data(self, kept: list[Any]) -> Any:
        """The one data set ``[n, *event]`` that is trained on."""
        return concatenated(kept)


@dataclass(frozen=True)
class replace(Retention):
    """Only the newest round's data."""

    remembers = False

    @property
    def newest(self) -> int:
        return 1

    def pool(self, memory: Memory, fresh: Tensor) -> tuple[Tensor, Memory]:
        return fresh, {}

    def keep(self, kept: list[Any], fresh: Any, rng: Stream) -> list[Any]:
        return [fresh]


@dataclass(frozen=True)
class accumulate(Retention):
    """All rounds' data, equally weighted: a ``1/t``-step average (Gerstgrasser et al. 2024, 2404.01413)."""

    averages = True

    def pool(self, memory: Memory, fresh: Tensor) -> tuple[Tensor, Memory]:
        count = memory.get("count", torch.zeros_like(fresh[..., :1])) + 1
        mean = memory.get("mean", torch.zeros_like(fresh))
        mean = mean + (fresh - mean) / count
        return mean, {"count": count, "mean": mean}

    def keep(self, kept: list[Any], fresh: Any, rng: Stream) -> list[Any]:
        return [*kept, fresh]


@spelled
@dataclass(frozen=True)
class window(Retention):
    """The data of the last ``rounds`` retrainings."""

    rounds: int

    def __post_init__(self) -> None:
        whole_number(self.rounds, "window(rounds)", 1, high=1_000_000)

    @property
    def newest(self) -> int:
        return self.rounds

    def pool(self, memory: Memory, fresh: Tensor) -> tuple[Tensor, Memory]:
        past = memory.get("past", fresh.new_zeros(*fresh.shape, self.rounds - 1))
        count = (memory.get("count", torch.zeros_like(fresh[..., :1])) + 1).clamp(max=self.rounds)
        total = fresh + past.sum(-1)
        past = torch.cat([fresh.unsqueeze(-1), past], -1)[..., : self.rounds - 1]
        return total / count, {"past": past, "count": count}

    def keep(self, kept: list[Any], fresh: Any, rng: Stream) -> list[Any]:
        return [*kept, fresh][-self.rounds :]


@spelled
@dataclass(frozen=True)
class subsample(Retention):
    """At most ``n`` samples, uniformly without replacement from everything seen so far: a reservoir.

    Every sample draws a lot when it arrives and those with the smallest lots stay, so only ``n`` are ever kept, and
    what was once dropped never comes back: training sets of later rounds share most of their samples. For a set that is
    drawn afresh each time see :class:`resample`. On the population, where ``n`` is infinite, this is
    :class:`accumulate`.
    """

    n: int
    on_data = True
    averages = True

    def __post_init__(self) -> None:
        whole_number(self.n, "subsample(n)", 1)

    def pool(self, memory: Memory, fresh: Tensor) -> tuple[Tensor, Memory]:
        return accumulate().pool(memory, fresh)

    def keep(self, kept: list[Any], fresh: Any, rng: Stream) -> list[Any]:
        lots = rng.uniform(len(fresh))
        data, lots = (concatenated([kept[0], fresh]), concatenated([kept[1], lots])) if kept else (fresh, lots)
        stay = lots.argsort()[: self.n].sort().values
        return [data[stay], lots[stay]]

    def data(self, kept: list[Any]) -> Any:
        return kept[0]


@spelled
@dataclass(frozen=True)
class resample(Retention):
    """At most ``n`` samples of everything seen so far, drawn afresh at each retraining, uniformly without replacement.

    The *accumulate-subsample* of Kazdan et al. 2024 (2410.16713): everything is kept, and memory grows with it, while
    what one retraining costs does not. On the population, where ``n`` is infinite, this is :class:`accumulate`.
    """

    n: int
    on_data = True
    averages = True

    def __post_init__(self) -> None:
        whole_number(self.n, "resample(n)", 1)

    def pool(self, memory: Memory, fresh: Tensor) -> tuple[Tensor, Memory]:
        return accumulate().pool(memory, fresh)

    def keep(self, kept: list[Any], fresh: Any, rng: Stream) -> list[Any]:
        everything = concatenated([kept[1], fresh]) if kept else fresh
        drawn = rng.uniform(len(everything)).argsort()[: self.n].sort().values
        return [everything[drawn], everything]

    def data(self, kept: list[Any]) -> Any:
        return kept[0]


@dataclass(frozen=True)
class fade(Retention):
    """An exponential average: fresh data count by ``share``, all that was before them by the rest.

    A corpus of which a part ``share`` is made anew in each round while the rest stays exactly as it was: where ``n``
    samples are drawn a round it has ``n / share``, and a frequency ``μ`` of it moves by ``share² · μ(1−μ)/n`` squared.
    It is a thing of statistics: models that are trained on data take :class:`refresh`.
    """

    share: float

    def __post_init__(self) -> None:
        if not 0 < real_number(self.share) <= 1:
            raise ValueError(f"{type(self).__name__}(share) must be above 0 and at most 1, got {brief(self.share)}")

    def pool(self, memory: Memory, fresh: Tensor) -> tuple[Tensor, Memory]:
        past = memory.get("past", fresh)
        past = past + self.share * (fresh - past)
        return past, {"past": past}


@dataclass(frozen=True)
class refresh(fade):
    """A corpus of as many samples as are drawn a round: each is kept, or replaced with probability ``share``.

    With ``n`` samples a frequency ``μ`` moves by ``share·(2 − share)·μ(1−μ)/n`` squared where they are of the corpus'
    own law (2604.08554). On the population, where ``n`` is infinite, this is :class:`fade`.
    """

    on_data = True

    def pool(self, memory: Memory, fresh: Tensor) -> tuple[Tensor, Memory]:
        return super().pool(memory, fresh)

    def keep(self, kept: list[Any], fresh: Any, rng: Stream) -> list[Any]:
        if not kept:
            return [fresh]
        if len(kept[0]) != len(fresh):
            raise ValueError(f"{self} takes as many samples each round, got {len(fresh)} after {len(kept[0])}")
        new = rng.uniform(len(fresh)) < self.share
        place = torch.arange(len(fresh), device=new.device)
        return [concatenated([kept[0], fresh])[torch.where(new, place + len(fresh), place)]]


def as_retention(retention: Any) -> Retention:
    if not isinstance(retention, Retention):
        raise TypeError(f"retention is replace(), accumulate(), window(rounds) or subsample(n), got {brief(retention)}")
    return retention
