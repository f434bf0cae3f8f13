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
        models[:, :, index.cpu().numpy()] = new.models
        return Looped(models)
    fresh = new.tensors()  # type: ignore[union-attr]
    return old.rebuild({name: tensor.index_copy(2, index, fresh[name]) for name, tensor in old.tensors().items()})


def written(old: Stack, rows: Tensor, new: Stack, due: Tensor) -> Stack:
    """``old`` with ``new [rows, variants, replicates]`` where ``due``."""
    whole = len(rows) == old.batch_shape[0]
    if isinstance(old, Looped):
        assert isinstance(new, Looped)
        models = old.models.copy()
        index = rows.cpu().numpy()
        for cell in zip(*due.cpu().numpy().nonzero(), strict=True):
            models[(index[cell[0]], *cell[1:])] = new.models[cell]
        return Looped(models)
    assert isinstance(new, ClosedForm)
    everywhere = None if all_of(due) else due
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
    whole = len(rows) == len(old)  # they ascend, so these are all of them
    if due is not None:
        new = torch.where(due.reshape(*due.shape, *(1,) * (new.ndim - 3)), new, old if whole else old[rows])
    if whole:
        return new
    here = span(rows)
    if isinstance(here, slice):  # nothing is written twice
        return torch.cat([old[: here.start], new, old[here.stop :]])
    return old.index_copy(0, rows, new)


def spread(value: Tensor) -> Tensor:
    """``[members, variants, replicates, ...]`` as ``[members · replicates, variants, 1, ...]``."""
    members, variants, replicates = value.shape[:3]  # said in full: there may be no numbers in it
    return value.transpose(1, 2).reshape(members * replicates, variants, 1, *value.shape[3:])


def laid(stack: Stack) -> Stack:
    """A stack with the replicates of each member side by side, ``[members · replicates, variants, 1]``."""
    if isinstance(stack, Looped):
        return Looped(stack.models.swapaxes(1, 2).reshape(-1, stack.models.shape[1], 1))
    return stack.map(spread)


def put_back(stack: Stack, replicates: int) -> Stack:
    """A stack that was laid side by side as ``[members, variants, replicates]``, in memory of its own."""
    if isinstance(stack, Looped):
        models = stack.models.reshape(-1, replicates, stack.batch_shape[1])
        return Looped(models.swapaxes(1, 2).copy())
    return stack.map(lambda tensor: restored(tensor, replicates))


def restored(value: Tensor, replicates: int) -> Tensor:
    """What :func:`spread` was given, in memory of its own."""
    members = value.shape[0] // replicates
    whole = value.reshape(members, replicates, value.shape[1], *value.shape[3:]).transpose(1, 2)
    return whole.clone(memory_format=torch.contiguous_format)


def inserted(both: Stack, rows: Tensor, new: Stack, due: Tensor) -> tuple[Stack, Stack]:
    """``new [rows, variants, replicates]`` where ``due``, written in place into the second half of ``both``.

    Both halves, and the second: other objects than before, for what a family has worked out of its numbers is not of
    these.
    """
    half = both.batch_shape[0] // 2
    if isinstance(both, Looped):
        assert isinstance(new, Looped)
        for cell in zip(*due.cpu().numpy().nonzero(), strict=True):
            both.models[(half + int(rows[cell[0]]), *cell[1:])] = new.models[cell]
        return both, Looped(both.models[half:])
    assert isinstance(new, ClosedForm)
    tensors, everywhere = both.tensors(), all_of(due)
    for name, fresh in new.moving().items():
        now = tensors[name][half:]
        if not everywhere:
            fresh = torch.where(due.reshape(*due.shape, *(1,) * (fresh.ndim - 3)), fresh, now[rows])
        now.index_copy_(0, rows, fresh)
    return both.rebuild(tensors), both.rebuild({name: tensor[half:] for name, tensor in tensors.items()})


def all_of(due: Tensor) -> bool:
    """Whether all are due, as far as that is known without waiting for an accelerator: there nobody knows."""
    return due.is_cpu and bool(due.all())


def span(rows: Tensor) -> slice | Tensor:
    """A slice in the place of row numbers that follow each other: it gives a view where they give a copy.

    On an accelerator nobody asks whether they do: the answer would have to come to the CPU.
    """
    if not rows.is_cpu:
        return rows
    many = len(rows)
    first, last = (int(rows[0]), int(rows[-1])) if many else (0, -1)
    follow = last - first == many - 1 and rows.equal(torch.arange(first, first + many))
    return slice(first, first + many) if follow else rows


def at(value: Tensor, rows: slice | Tensor) -> Tensor:
    """``value[rows]`` along the first dimension; of row numbers in half the time."""
    return value[rows] if isinstance(rows, slice) else value.index_select(0, rows)
