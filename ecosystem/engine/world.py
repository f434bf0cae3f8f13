"""What a round works on: the generators of all cohorts, now and before, for some of the replicates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ecosystem.core.streams import Stream, word
from ecosystem.engine.bundles import Bundle
from ecosystem.engine.cohorts import Cohort
from ecosystem.engine.looped import Looped, Stack
from ecosystem.generators import ClosedForm


@dataclass
class World:
    """A round in progress.

    ``generators[c]`` is cohort ``c`` as it is now; ``past[d][c]`` as it was at the end of round ``t − 1 − d``. Stacks
    are never changed in place, so keeping the past costs nothing. ``memories[c]`` is what its retention has kept.
    """

    round: int
    samples: int | None
    cohorts: list[Cohort]
    words: Tensor  # addresses of the members, [members]
    generators: list[Stack]
    past: list[list[Stack]]
    memories: list[dict[str, Any]]
    shares: Tensor  # [components, variants, replicates or 1]
    rng: Stream  # keys [replicates]
    build_samples: bool = False
    differentiable: bool = False  # population rounds: every step one that torch can differentiate
    count: Callable[[Any, Tensor], None] | None = None  # told how many samples came from each component
    ledger: Any = None  # told what users chose and what members trained on, where somebody asked for it
    roots: dict[str, Stream] = field(default_factory=dict)  # by decision, kept from round to round
    streams: dict[str, Stream] = field(default_factory=dict)  # of all members in this round, by decision

    def stream(self, decision: str, members: Tensor) -> Stream:
        """The stream of a decision of some members in this round, keys ``[members, 1, replicates]``."""
        if decision not in self.streams:
            root = self.roots.setdefault(decision, self.rng.at(decision))
            keys = root.at(self.round).keys.reshape(1, 1, -1)
            self.streams[decision] = Stream(keys).at(self.words.reshape(-1, 1, 1))
        return self.streams[decision][members]

    def addresses(self, producers: np.ndarray) -> Tensor:
        """The addresses of producers, members or NONE for real data."""
        index = torch.from_numpy(producers)
        return torch.where(index < 0, word("real data"), self.words[index])

    def read(self, bundle: Bundle) -> Stack:
        """The source cohort of a bundle as its consumers see it."""
        now = self.generators[bundle.cohort]
        if bundle.fresh or not self.cohorts[bundle.cohort].ids:  # real data never change
            return now
        old = self.past[min(bundle.delay, len(self.past) - 1)][bundle.cohort]
        return old if bundle.fresh is False else joined(old, now)


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


def selected(world: World, index: Tensor) -> World:
    """The same round for some of the replicates (``index`` int64)."""
    return replace(
        world,
        generators=[columns(stack, index) for stack in world.generators],
        past=[[columns(stack, index) for stack in then] for then in world.past],
        memories=[
            {key: value[:, :, index] if isinstance(value, Tensor) else value for key, value in memory.items()}
            for memory in world.memories
        ],
        shares=world.shares if world.shares.shape[2] == 1 else world.shares[:, :, index],
        rng=world.rng[index],
        roots={},
        streams={},
    )


def merge(world: World, part: World, index: Tensor) -> None:
    """Take over what became of some of the replicates."""
    size = len(world.rng.keys)
    for c, (old, new) in enumerate(zip(world.generators, part.generators, strict=True)):
        if world.cohorts[c].ids:
            world.generators[c] = _with_columns(old, new, index, size)
    for memory, kept in zip(world.memories, part.memories, strict=True):
        for key, value in kept.items():
            if isinstance(value, Tensor):
                blank = value.new_zeros(*value.shape[:2], size, *value.shape[3:])
                memory[key] = memory.get(key, blank).index_copy(2, index, value)
            else:
                memory[key] = value


def _with_columns(old: Stack, new: Stack, index: Tensor, size: int) -> Stack:
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
    return old.index_copy(0, rows, new)
