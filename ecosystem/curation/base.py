"""The contract of curators: how people choose what is kept.

A curator acts in two ways that agree: ``law(law, reward)`` gives the exact law of what survives, where there is one;
``curate(slate, reward, rng)`` chooses among drawn candidates. Rewards and parameters may be stacked
(``[*batch, ...]``).
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from ecosystem.core.laws import Law, NoPopulationLaw
from ecosystem.core.samples import Samples
from ecosystem.core.stacking import Stackable
from ecosystem.core.streams import Stream
from ecosystem.rewards import Reward, as_numbers


class Slate(Protocol):
    """What users are shown: for each of ``m`` samples to be kept, any number of candidates."""

    def candidate(self, k: int) -> Any:
        """Candidate ``k`` of every sample, ``[m, *event]``; candidates of a pair share its input."""
        ...

    def law(self) -> Law:
        """The law of a candidate, batch ``[m]``."""
        ...

    def noise(self) -> Tensor:
        """The noise candidate 0 is made of, ``[m, q]``."""
        ...

    def pool(self) -> Tensor:
        """Which pool (flow and replicate) each sample belongs to, ``[m]``."""
        ...

    def take(self, index: Tensor) -> Slate:
        """The slates of some of the samples."""
        ...


class Curator(Stackable):
    """The contract of all curators."""

    needs_reward = True
    chooses = True  # among candidates, and so draws; False: the survivor is known from candidate 0 or its law

    def law(self, law: Law, reward: Reward | None, memo: dict[Any, Any] | None = None) -> Law:
        """The law of a survivor; ``memo`` keeps what depends on the reward alone from round to round."""
        raise NoPopulationLaw(f"the curator {self}")

    def curate(self, slate: Slate, reward: Reward | None, rng: Stream) -> Any:
        """One survivor for each of ``m`` samples, ``[m, *event]``; all three have the batch ``[m]``."""
        raise NotImplementedError


def at_least(value: int, low: int, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise ValueError(f"{what} must be a whole number, at least {low}, got {value!r}")
    return value


def positive(value: Any, what: str) -> Tensor:
    tensor = as_numbers(value, what)
    if tensor.ndim or tensor <= 0:
        raise ValueError(f"{what} must be a positive number, got {value!r}")
    return tensor


def judged(reward: Reward, x: Samples) -> Tensor:
    value = reward.judge(x).detach()
    if value.shape != x.shape[:1]:
        raise ValueError(
            f"the reward {reward} returned shape {tuple(value.shape)} for samples of shape {tuple(x.shape)}; "
            f"it must return one number for each sample, shape {tuple(x.shape[:1])}"
        )
    return value.to(torch.float64)
