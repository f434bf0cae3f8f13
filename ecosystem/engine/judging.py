"""Judging: the expected reward of a generator's output, exact where its family knows it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ecosystem.core.laws import NoPopulationLaw
from ecosystem.core.samples import Samples, concatenated, folded, outputs
from ecosystem.core.streams import Stream
from ecosystem.engine.looped import Looped, Stack
from ecosystem.generators.base import asked
from ecosystem.rewards import Reward

_NUMBERS = 1 << 22  # drawn at a time

Questions = Sequence[Sequence[Tensor | None]]


def expectation(
    stack: Stack, reward: Reward, judges: Callable[[], Stream], judged: int, questions: Questions
) -> Tensor:
    """``E r(x)``, ``[members, variants, replicates]``; a mean over ``judged`` samples where no closed form is known.

    ``judges()`` are their streams ``[members, 1, replicates]``: equal replicates of different variants are judged by
    equal noise. ``questions [members][variants]`` are the inputs ``[m, *input]`` that conditional models are asked.
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
        x = _samples(stack.take(rows), rng[rows], judged, questions[rows])
        parts.append(_mean(reward, reward.take(rows).judge(x, 4).detach(), x))
    return torch.cat(parts)


def _mean(reward: Reward, value: Tensor, x: Samples) -> Tensor:
    """The mean over samples of rewards ``[members, variants, replicates, n]``."""
    if value.shape != x.shape[:4]:
        raise ValueError(
            f"the reward {reward} gave {value.numel()} numbers for {x.shape[:4].numel()} samples; it must return one "
            "for each, shape [n] for samples [n, *event]"
        )
    if bool(value.isnan().any()) and bool(torch.isfinite(outputs(x)).all()):
        warnings.warn(
            f"the reward {reward} is NaN for finite samples; alignments are NaN there", RuntimeWarning, stacklevel=2
        )
    return value.to(torch.float64).mean(-1)


def _samples(stack: Stack, rng: Stream, n: int, questions: Questions) -> Samples:
    """``[members, variants, replicates, n, *event]``."""
    if not isinstance(stack, Looped):
        return stack.sample(n, rng)
    keys = rng.keys.expand(stack.batch_shape)
    drawn = [
        shown(stack, i, n, Stream(keys[cell]), questions[cell[0]][cell[1]])
        for i, cell in enumerate(np.ndindex(*stack.batch_shape))
    ]
    return folded(concatenated(drawn), *stack.batch_shape, n)  # type: ignore[type-var]


def shown(stack: Looped, index: int, n: int, rng: Stream, questions: Tensor | None) -> Samples:
    """``n`` samples of model ``index`` of the flattened grid, of a conditional one answers to ``questions``."""
    if stack.models.flat[index].input_shape is None or questions is None:
        return stack.sample_one(index, n, rng)
    return stack.respond_one(index, asked(questions, n, rng), rng)
