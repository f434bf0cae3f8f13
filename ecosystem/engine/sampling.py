"""What members train on when there are samples: drawn, curated and transformed in blocks that fit the cache.

Every sample has its own address, so how the work is cut changes nothing: blocks of rows, replicates and samples give
the same numbers as the whole. Only the cut along the samples touches the order of a sum, so it depends on the number
and size of the samples alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from ecosystem.core.samples import REAL, Samples, TrainingSet, blank, filled, folded, placed
from ecosystem.engine.audience import NONE
from ecosystem.engine.choice import Menu
from ecosystem.engine.looped import Looped
from ecosystem.engine.receiving import receive
from ecosystem.engine.round import Round
from ecosystem.engine.slates import Positions
from ecosystem.engine.waves import Task
from ecosystem.generators import ClosedForm

_BLOCK = 1 << 18  # numbers in a block
_LARGE = 1 << 26  # on an accelerator, which wants much at once: 512 MB of float64
_SAMPLES = 1 << 17  # numbers of one member and replicate in a block


@dataclass
class Block:
    """A part of a task: some rows, replicates and samples."""

    rows: slice
    replicates: slice
    samples: slice

    @property
    def n(self) -> int:
        return self.samples.stop - self.samples.start


class Sampler:
    """Draws the training sets of a task in one round."""

    def __init__(self, now: Round, task: Task) -> None:
        assert now.samples is not None
        self.now = now
        self.task = task
        self.n = now.samples
        self.stack = now.generators[task.cohort]
        self.variants = now.shares.shape[1]
        self.replicates = len(now.rng.keys)
        self.members = task.places
        self.device = now.shares.device

    @cached_property
    def menu(self) -> Menu:
        """The diets to draw from."""
        return self.now.menu(self.task)

    @cached_property
    def producers(self) -> Tensor:
        """The address of each component's producer."""
        return self.now.addresses(self.task.producer)

    @cached_property
    def counts(self) -> Tensor:
        """How many samples have come from each component, ``[components, variants, replicates]``."""
        return torch.zeros(
            len(self.task.components), self.variants, self.replicates, dtype=torch.int64, device=self.device
        )

    # -- what is wanted --------------------------------------------------------------------------------------------

    def statistic(self) -> Tensor:
        """The mean statistic of each training set, ``[rows, variants, replicates, Q]``."""
        assert isinstance(self.stack, ClosedForm)
        family = self.stack.take(self.task.index)
        total: Tensor | None = None
        for block in self._blocks():
            x, _ = self._draw(block)
            index = (block.rows, slice(None), block.replicates)
            part = family.take(index).statistic(cast(Tensor, x)) * (block.n / self.n)
            if total is None:
                total = part.new_zeros(len(self.task.rows), self.variants, self.replicates, part.shape[-1])
            total[index] += part
        assert total is not None
        self._report()
        return total

    def data(self) -> TrainingSet:
        """The training sets themselves, ``[rows, variants, replicates, n, *event]``."""
        size = (len(self.task.rows), self.variants, self.replicates, self.n)
        out: Any = None
        slots = torch.empty(size, dtype=torch.int64, device=self.device)
        for block in self._blocks():
            x, slot = self._draw(block)
            if out is None:
                out = blank(x[0, 0, 0], *size)
            index = (block.rows, slice(None), block.replicates, block.samples)
            out, slots[index] = placed(out, index, x), slot
        assert out is not None
        self._report()
        return self._with_origins(out, slots)

    def sets(self, due: Tensor) -> Iterator[tuple[tuple[int, int, int], TrainingSet]]:
        """The training sets of those ``due [rows, variants, replicates]`` one by one, each in its own type.

        For models that are looped over: nobody waits with data in hand while the others train.
        """
        for row, replicate in due.any(1).nonzero().tolist():
            block = Block(slice(row, row + 1), slice(replicate, replicate + 1), slice(0, self.n))
            x, slots = self._draw(block)
            for variant in due[row, :, replicate].nonzero().flatten().tolist():
                yield (row, variant, replicate), self._with_origins(x[0, variant, 0], slots[0, variant, 0])
        self._report()

    def _with_origins(self, x: Samples, slots: Tensor) -> TrainingSet:
        producer, curated = self.now.whose(self.task.producer)[0], self.task.curated
        origin = torch.from_numpy(np.where(producer == NONE, REAL, 2 * producer + curated)).to(self.device)
        return TrainingSet(x, origin[slots], torch.full_like(slots, self.now.number))

    def _report(self) -> None:
        if self.now.count is not None:
            self.now.count(self.task, self.counts)

    # -- blocks ----------------------------------------------------------------------------------------------------

    def _blocks(self) -> Iterator[Block]:
        size, most = max(1, math.prod(self.stack.event_shape)), _BLOCK if self.device.type == "cpu" else _LARGE
        if isinstance(self.stack, Looped):  # its data are kept anyway, and models like large batches
            size = most
        whole = self.task.whole or isinstance(self.stack, Looped)
        step = self.n if whole else min(self.n, max(1, _SAMPLES // size))
        columns = max(1, min(self.replicates, most // (self.variants * step * size)))
        height = max(1, min(len(self.task.rows), most // (self.variants * columns * step * size)))
        for row in range(0, len(self.task.rows), height):
            for column in range(0, self.replicates, columns):
                for sample in range(0, self.n, step):
                    yield Block(
                        slice(row, min(row + height, len(self.task.rows))),
                        slice(column, min(column + columns, self.replicates)),
                        slice(sample, min(sample + step, self.n)),
                    )

    def _draw(self, block: Block) -> tuple[Samples, Tensor]:
        """``[rows, variants, replicates, n, *event]`` of a block, and the place of each sample's component."""
        streams = {
            decision: self.now.stream(decision, self.members[block.rows])[:, :, block.replicates].skip(
                block.samples.start
            )
            for decision in ("component", "noise", "curation")
        }
        slot = self.menu.choose(block.rows, block.replicates, streams["component"], block.n)
        where = Positions(slot, streams, block.rows, block.replicates.start, self.producers)
        self._tally(where)
        groups: dict[tuple[int, int, int], list[int]] = {}
        for number, bundle in enumerate(self.task.bundles):
            groups.setdefault(bundle.reading, []).append(number)
        out: Samples | None = None
        for numbers in groups.values():
            here = None if len(groups) == 1 else _which(self.task.bundle[where.slot], numbers)
            if here is not None and not len(here):
                continue
            x = receive(self.now, self.task, numbers, where if here is None else where.take(here))
            out = x if here is None else filled(out, len(where), here, x)
        assert out is not None
        return folded(out, *slot.shape), slot

    def _tally(self, where: Positions) -> None:
        if self.now.count is None:
            return
        cell = (where.slot * self.variants + where.variant) * self.replicates + where.replicate
        count = torch.bincount(cell, minlength=self.counts.numel())
        self.counts += count.reshape(self.counts.shape)


def _which(bundle: Tensor, numbers: list[int]) -> Tensor:
    return torch.isin(bundle, torch.tensor(numbers, device=bundle.device)).nonzero().squeeze(-1)
