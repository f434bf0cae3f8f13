"""Retention: which rounds' data a member trains on.

Families fitted by the mean of a statistic keep statistics (``pool``), whatever the number of samples; models trained
on the data themselves keep data (``keep``). Both see the same choice of rounds. ``window`` and ``accumulate`` start
with the first round's data: a member's starting parameters are not data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ecosystem.core.check import whole_number
from ecosystem.core.samples import concatenated
from ecosystem.core.streams import Stream

Memory = dict[str, Tensor]


@dataclass(frozen=True)
class Retention:
    """The contract.

    ``on_data`` says that the choice can only be made on the data, not on their statistics; ``remembers`` that anything
    is kept from round to round.
    """

    on_data = False
    remembers = True

    def pool(self, memory: Memory, fresh: Tensor) -> tuple[Tensor, Memory]:
        """The statistic to fit and the new memory, from the fresh mean statistic ``[*batch, Q]``."""
        raise NotImplementedError

    def keep(self, kept: list[Any], fresh: Any, rng: Stream) -> list[Any]:
        """The data sets to train on, oldest first, after ``fresh [n, *event]`` has come in.

        Tensors, pairs or training sets: whatever has a length, takes an index and can be ``concatenated``.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class replace(Retention):
    """Only the newest round's data."""

    remembers = False

    def pool(self, memory: Memory, fresh: Tensor) -> tuple[Tensor, Memory]:
        return fresh, {}

    def keep(self, kept: list[Any], fresh: Any, rng: Stream) -> list[Any]:
        return [fresh]


@dataclass(frozen=True)
class accumulate(Retention):
    """All rounds' data, equally weighted: a ``1/t``-step average (Gerstgrasser et al. 2024, 2404.01413)."""

    def pool(self, memory: Memory, fresh: Tensor) -> tuple[Tensor, Memory]:
        count = memory.get("count", torch.zeros_like(fresh[..., :1])) + 1
        mean = memory.get("mean", torch.zeros_like(fresh))
        mean = mean + (fresh - mean) / count
        return mean, {"count": count, "mean": mean}

    def keep(self, kept: list[Any], fresh: Any, rng: Stream) -> list[Any]:
        return [*kept, fresh]


@dataclass(frozen=True)
class window(Retention):
    """The data of the last ``rounds`` retrainings."""

    rounds: int

    def __post_init__(self) -> None:
        whole_number(self.rounds, "window(rounds)", 1)

    def pool(self, memory: Memory, fresh: Tensor) -> tuple[Tensor, Memory]:
        past = memory.get("past", fresh.new_zeros(*fresh.shape, self.rounds - 1))
        count = (memory.get("count", torch.zeros_like(fresh[..., :1])) + 1).clamp(max=self.rounds)
        total = fresh + past.sum(-1)
        past = torch.cat([fresh.unsqueeze(-1), past], -1)[..., : self.rounds - 1]
        return total / count, {"past": past, "count": count}

    def keep(self, kept: list[Any], fresh: Any, rng: Stream) -> list[Any]:
        return [*kept, fresh][-self.rounds :]


@dataclass(frozen=True)
class subsample(Retention):
    """At most ``n`` samples, uniformly without replacement from everything seen so far.

    Every sample draws a lot when it arrives and those with the smallest lots stay, so only ``n`` are ever kept.
    On the population, where ``n`` is infinite, this is :class:`accumulate`.
    """

    n: int
    on_data = True

    def __post_init__(self) -> None:
        whole_number(self.n, "subsample(n)", 1)

    def pool(self, memory: Memory, fresh: Tensor) -> tuple[Tensor, Memory]:
        return accumulate().pool(memory, fresh)

    def keep(self, kept: list[Any], fresh: Any, rng: Stream) -> list[Any]:
        lots = rng.uniform(len(fresh))
        data, lots = (concatenated([kept[0], fresh]), concatenated([kept[1], lots])) if kept else (fresh, lots)
        stay = lots.argsort()[: self.n].sort().values
        return [data[stay], lots[stay]]


def training_data(retention: Retention, kept: list[Any]) -> Any:
    """The one data set ``[n, *event]`` that a list of kept ones makes."""
    return concatenated(kept[:1] if isinstance(retention, subsample) else kept)


def as_retention(retention: Any) -> Retention:
    if not isinstance(retention, Retention):
        raise TypeError(f"retention is replace(), accumulate(), window(rounds) or subsample(n), got {retention!r}")
    return retention
