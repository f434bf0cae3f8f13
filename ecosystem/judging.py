"""Judging: the expected reward of a generator's output, exact where its family knows it."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ecosystem.engine.looped import Looped, Stack
from ecosystem.laws import NoPopulationLaw
from ecosystem.rewards import Reward
from ecosystem.streams import Stream

_NUMBERS = 1 << 22  # drawn at a time


def expectation(stack: Stack, reward: Reward, judges: Callable[[], Stream], judged: int) -> Tensor:
    """``E r(x)``, ``[members, variants, replicates]``; a mean over ``judged`` samples where no closed form is known.

    ``judges()`` are their streams ``[members, 1, replicates]``: equal replicates of different variants are judged by
    equal noise.
    """
    if not isinstance(stack, Looped):
        try:
            return stack.expect(reward).expand(stack.batch_shape)
        except NoPopulationLaw:
            pass
    rng = judges()
    size = judged * math.prod(stack.event_shape) * math.prod(stack.batch_shape[1:])
    step = max(1, _NUMBERS // max(1, size))
    parts = []
    for row in range(0, stack.batch_shape[0], step):
        rows = slice(row, row + step)
        x = _samples(stack.take(rows), rng[rows], judged)
        parts.append(reward.take(rows)(x).to(torch.float64).mean(-1))
    return torch.cat(parts)


def _samples(stack: Stack, rng: Stream, n: int) -> Tensor:
    """``[members, variants, replicates, n, *event]``."""
    if not isinstance(stack, Looped):
        return stack.sample(n, rng)
    streams = rng.keys.expand(stack.batch_shape).reshape(-1)
    drawn = [stack.sample_one(i, n, Stream(key)) for i, key in enumerate(streams)]
    return torch.stack(drawn).reshape(*stack.batch_shape, n, *drawn[0].shape[1:])
