"""What a retention makes of what is fresh and what it remembers, as the engine asks for it in every round."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ecosystem.core.check import brief, real_tensor, returned, users_code
from ecosystem.core.samples import TrainingSet
from ecosystem.core.streams import Stream
from ecosystem.retention import Memory, Retention

_PATIENCE = 10_000  # rounds in which a memory may come to rest
_ROUNDING = 1e-14  # relative, by which it may change and be at rest


def pooled(retention: Retention, memory: Memory, fresh: Tensor) -> tuple[Tensor, Memory]:
    """What a retention makes of fresh statistics ``[*batch, Q]``, as the engine asks; ValueError where it is none."""

    def where() -> str:
        return f"pool(memory, fresh) of the retention {retention}"

    with users_code(where, passing=(ValueError,)):
        answer = retention.pool(memory, fresh)
    if not (isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[1], dict)):
        raise ValueError(f"{where()} must return a statistic and a memory, got {brief(answer)}")
    statistic, after = answer
    if not real_tensor(statistic) or statistic.shape != fresh.shape or not statistic.is_floating_point():
        raise ValueError(
            f"{where()} must return a statistic such as fresh, {fresh.dtype} of shape {tuple(fresh.shape)}, got "
            f"{returned(statistic)}"
        )
    for name, value in after.items():
        if not real_tensor(value) or value.shape[: fresh.ndim - 1] != fresh.shape[:-1]:
            raise ValueError(
                f"{where()} must keep tensors [*batch, ...] of the batch {tuple(fresh.shape[:-1])}, got "
                f"{returned(value)} as {name!r}"
            )
    return statistic.to(fresh.dtype), after


def chosen(retention: Retention, kept: list[Any], fresh: TrainingSet, rng: Stream) -> tuple[list[Any], TrainingSet]:
    """What a retention keeps after a fresh set has come in, and what is trained on; ValueError where it is none."""

    def where() -> str:
        return f"keep(kept, fresh, rng) of the retention {retention}"

    with users_code(where, passing=(ValueError,)):
        after = retention.keep(kept, fresh, rng)
        data = retention.data(after)
    if not isinstance(data, TrainingSet) or not len(data) or data.data.shape[1:] != fresh.data.shape[1:]:
        got = f"a set of {len(data)}" if isinstance(data, TrainingSet) else brief(data)
        raise ValueError(f"{where()} must return sets such as fresh, [fresh] or [*kept, fresh], got {got}")
    return after, data


class Unsettled(ValueError):
    """A memory that goes on changing where nothing else does."""


def settled(retention: Retention, statistic: Tensor, rounds: int = _PATIENCE) -> Memory:
    """The memory after many rounds of one and the same mean statistic ``[*batch, Q]``.

    :class:`Unsettled` where it does not come to rest within so many ``rounds``; another ValueError where what is fitted
    then is not that statistic: stable points would not be where retraining stands still.

    >>> from ecosystem import window
    >>> settled(window(3), torch.ones(1))["past"]
    tensor([[1., 1.]])
    """
    memory: Memory = {}
    for _ in range(rounds):
        fitted, after = pooled(retention, memory, statistic)
        if memory.keys() == after.keys() and all(_close(memory[name], after[name]) for name in after):
            if not torch.allclose(fitted, statistic, rtol=1e-9, atol=1e-9):
                raise ValueError(f"{retention} changes a statistic that stands still; let its weights add up to 1")
            return after
        memory = after
    raise Unsettled(
        f"the memory of {retention} goes on changing where nothing else does (for all that was ever seen, equally "
        "weighted, let it say averages = True)"
    )


def _close(a: Tensor, b: Tensor) -> bool:
    if a.shape != b.shape or not b.is_floating_point():
        return torch.equal(a, b)
    return bool(((a - b).abs() <= _ROUNDING * (1 + b.abs())).all())
