"""Stacks of generators: put together, taken apart and written to, never changed in place."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ecosystem.engine.looped import Looped, Stack
from ecosystem.generators import ClosedForm


def joined(old: Stack, now: Stack) -> Stack:
    """Two states of a cohort as one stack, the first one's members in front."""
    if isinstance(old, Looped):
        assert isinstance(now, Looped)
        return Looped(np.concatenate([old.models, now.models]))
    fresh = now.tensors()  # type: ignore[union-attr]
    return old.rebuild({name: torch.cat([tensor, fresh[name]]) for name, tensor in old.tensors().items()})


def columns(stack: Stack, index: Tensor) -> Stack:
    """Some of the replicates of a stack (a source of real data is the same for all)."""
    return stack if stack.batch_shape[2] == 1 else stack.take((slice(None), slice(None), index))


def with_columns(old: Stack, new: Stack, index: Tensor, size: int) -> Stack:
    """A stack of ``size`` replicates with ``new`` in the place of some."""
    if size == len(index):  # all of them, in order
        return new
    if isinstance(old, Looped):
        assert isinstance(new, Looped)
        models = old.models.copy()
        models[:, :, index.numpy()] = new.models
        return Looped(models)
    fresh = new.tensors()  # type: ignore[union-attr]
    return old.rebuild({name: tensor.index_copy(2, index, fresh[name]) for name, tensor in old.tensors().items()})


def written(old: Stack, rows: Tensor, new: Stack, due: Tensor) -> Stack:
    """``old`` with ``new [rows, variants, replicates]`` where ``due``."""
    whole = len(rows) == old.batch_shape[0]
    if isinstance(old, Looped):
        assert isinstance(new, Looped)
        models = old.models.copy()
        index = rows.numpy()
        for cell in zip(*due.numpy().nonzero(), strict=True):
            models[(index[cell[0]], *cell[1:])] = new.models[cell]
        return Looped(models)
    assert isinstance(new, ClosedForm)
    everywhere = None if bool(due.all()) else due
    if whole and everywhere is None:
        return new
    return old.rebuild(
        {
            **old.tensors(),
            **{name: put(old.tensors()[name], rows, fresh, everywhere) for name, fresh in new.moving().items()},
        }
    )


def put(old: Tensor, rows: Tensor, new: Tensor, due: Tensor | None) -> Tensor:
    """A copy of ``old [members, ...]`` with ``new [rows, ...]`` in some rows, only where ``due [rows, V, S]``."""
    if due is not None:
        new = torch.where(due.reshape(*due.shape, *(1,) * (new.ndim - 3)), new, old[rows])
    here = span(rows)
    if isinstance(here, slice):  # nothing is written twice
        return torch.cat([old[: here.start], new, old[here.stop :]])
    return old.index_copy(0, rows, new)


def span(rows: Tensor) -> slice | Tensor:
    """A slice in the place of row numbers that follow each other: it gives a view where they give a copy."""
    first, many = int(rows[0]) if len(rows) else 0, len(rows)
    return slice(first, first + many) if rows.equal(torch.arange(first, first + many)) else rows
