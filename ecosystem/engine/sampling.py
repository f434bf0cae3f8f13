"""What members train on when there are samples: drawn, curated and transformed in blocks that fit the cache.

Every sample has its own address, so how the work is cut changes nothing: blocks of rows, replicates and samples give
the same numbers as the whole. Only the cut along the samples touches the order of a sum, so it depends on the number
and size of the samples alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from ecosystem.core.samples import REAL, Samples, TrainingSet, blank, filled, folded, only_shown, placed
from ecosystem.core.stacking import Stackable
from ecosystem.core.streams import Stream
from ecosystem.curation import Users
from ecosystem.engine.audience import NONE
from ecosystem.engine.choice import Menu
from ecosystem.engine.looped import Looped, Stack
from ecosystem.engine.round import Round
from ecosystem.engine.slates import FlowSlate, Positions, draw, transformed
from ecosystem.engine.waves import Task
from ecosystem.generators import ClosedForm

NOTHING = Stream(torch.zeros(0, dtype=torch.int64))  # for curators who do not draw
_BLOCK = 1 << 18  # numbers in a block
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

    def __init__(self, world: Round, task: Task) -> None:
        assert world.samples is not None
        self.world = world
        self.task = task
        self.n = world.samples
        self.stack = world.generators[task.cohort]
        self.variants = world.shares.shape[1]
        self.replicates = len(world.rng.keys)
        self.members = torch.from_numpy(task.members)
        self.menu = self._menu()
        self.producers = world.addresses(task.producer)
        self.counts = torch.zeros(len(task.components), self.variants, self.replicates, dtype=torch.int64)

    def _menu(self) -> Menu:
        """The diets to draw from; kept with the plan where all replicates have the same shares."""
        shares = self.world.shares
        if shares.shape[2] > 1:
            return Menu.of(shares[self.task.components], self.task.curated, self.task.first)
        if "menu" not in self.task.memo or self.task.memo["menu"][0] is not shares:
            self.task.memo["menu"] = shares, Menu.of(shares[self.task.components], self.task.curated, self.task.first)
        return self.task.memo["menu"][1]

    # -- what is wanted --------------------------------------------------------------------------------------------

    def statistic(self) -> Tensor:
        """The mean statistic of each training set, ``[rows, variants, replicates, Q]``."""
        assert isinstance(self.stack, ClosedForm)
        family = self.stack.take(torch.from_numpy(self.task.rows))
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
        slots = torch.empty(size, dtype=torch.int64)
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
        producer, curated = self.task.producer, self.task.curated
        origin = torch.from_numpy(np.where(producer == NONE, REAL, 2 * producer + curated))
        return TrainingSet(x, origin[slots], torch.full(slots.shape, self.world.number))

    def _report(self) -> None:
        if self.world.count is not None:
            self.world.count(self.task, self.counts)

    # -- blocks ----------------------------------------------------------------------------------------------------

    def _blocks(self) -> Iterator[Block]:
        size = max(1, math.prod(self.stack.event_shape))
        if isinstance(self.stack, Looped):  # its data are kept anyway, and models like large batches
            size = _BLOCK
        whole = self.task.whole or isinstance(self.stack, Looped)
        step = self.n if whole else min(self.n, max(1, _SAMPLES // size))
        columns = max(1, min(self.replicates, _BLOCK // (self.variants * step * size)))
        height = max(1, min(len(self.task.rows), _BLOCK // (self.variants * columns * step * size)))
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
            decision: self.world.stream(decision, self.members[block.rows])[:, :, block.replicates].skip(
                block.samples.start
            )
            for decision in ("component", "noise", "curation")
        }
        slot = self.menu.choose(block.rows, block.replicates, streams["component"], block.n)
        where = Positions(slot, streams, block.rows, block.replicates.start, self.producers)
        self._tally(block, where)
        groups: dict[tuple[int, int, int], list[int]] = {}
        for number, bundle in enumerate(self.task.bundles):
            groups.setdefault(bundle.reading, []).append(number)
        out: Samples | None = None
        for numbers in groups.values():
            here = None if len(groups) == 1 else _which(self.task.bundle[where.slot], numbers)
            if here is not None and not len(here):
                continue
            x = self._from_one_reading(numbers, where if here is None else where.take(here))
            out = x if here is None else filled(out, len(where), here, x)
        assert out is not None
        return folded(out, *slot.shape), slot

    def _from_one_reading(self, numbers: list[int], where: Positions) -> Samples:
        """Samples at some positions whose components all read the same stack: raw ones, then what is done to them."""
        stack = self.world.read(self.task.bundles[numbers[0]])
        try:
            x = out = draw(stack, self.task.source, where, self.task.one_producer)
        except Exception as error:
            names = ", ".join(self.world.names(self.task.bundles[numbers[0]].cohort)) or "the real data"
            raise RuntimeError(f"sampling from {names} failed in round {self.world.number}: {error}") from error
        treated = [n for n in numbers if self.task.bundles[n].users or self.task.bundles[n].transform]
        bundle_of = self.task.bundle[where.slot] if treated and len(numbers) > 1 else None
        for number in treated:
            if isinstance(out, Tensor) and self._shifted(number, where, out):
                continue
            here = None if bundle_of is None else (bundle_of == number).nonzero().squeeze(-1)
            if here is None:
                out = self._treated(number, stack, where, x)
            elif len(here):
                out = filled(out, len(where), here, self._treated(number, stack, where.take(here), x[here]))
        return out

    def _shifted(self, number: int, where: Positions, x: Tensor) -> bool:
        """Shift the curated samples of a whole block in place, where that is all that a bundle does."""
        bundle = self.task.bundles[number]
        if bundle.transform is not None or where.index is not None:
            return False
        if len(bundle.owner) != len(self.task.rows) or not bundle.one_per_row:
            return False
        vectors = bundle.shift(self.variants, tuple(x.shape[1:]))
        if vectors is None:
            return False
        rows = where.rows
        mine = torch.from_numpy(bundle.slot)[rows].reshape(-1, 1, 1, 1) == where.slots
        vector = vectors[bundle.origin[rows]].unsqueeze(3)  # [rows, variants, replicates or 1, 1, *event]
        if vector.shape[2] > 1:
            vector = vector[:, :, where.first_replicate : where.first_replicate + where.slots.shape[2]]
        view = x.view(*where.slots.shape, *x.shape[1:])
        view.addcmul_(mine.reshape(*mine.shape, *(1,) * (x.ndim - 1)), vector)
        return True

    def _treated(self, number: int, stack: Stack, where: Positions, x: Samples) -> Samples:
        """What becomes of raw samples ``x`` at some positions of one bundle: curated, transformed."""
        bundle = self.task.bundles[number]
        origin = self.task.origin[where.slot]
        if bundle.users is None:
            return transformed(bundle, where, origin, x)
        slate = FlowSlate(bundle, stack, self.task.source, where, origin, x, self.world.names(bundle.cohort))
        users = bundle.users.take((origin, where.variant, where.replicate if wide(bundle.users) else 0 * origin))
        with only_shown(x, "curator", users.curator, "let it return new samples, or change x.clone()"):
            kept = _chosen(users, slate, where.stream("curation") if users.curator.chooses else NOTHING)
        x = kept
        if self.world.ledger is not None:
            self.world.ledger.chosen(self.task, where, users.reward, slate.candidate(0), x)
        return x if bundle.after or bundle.transform is None else transformed(bundle, where, origin, x)

    def _tally(self, block: Block, where: Positions) -> None:
        if self.world.count is None:
            return
        cell = (where.slot * self.variants + where.variant) * self.replicates + where.replicate
        count = torch.bincount(cell, minlength=self.counts.numel())
        self.counts += count.reshape(self.counts.shape)


def wide(users: Stackable) -> bool:
    """Whether users ``[origins, variants, replicates or 1]`` differ between replicates."""
    return any(tensor.shape[2] > 1 for tensor in users.tensors().values())


def _chosen(users: Users, slate: FlowSlate, rng: Stream) -> Samples:
    """What users keep of a slate; where nobody knows whether they compare samples, they see one pool at a time."""
    if users.curator.pools is not None:
        return _kept(users, slate, rng)
    out: Samples | None = None
    order, sizes = _by_pool(slate.pool())
    if len(sizes) < 2:
        return _kept(users, slate, rng)
    for here in order.split(sizes):
        x = _kept(users.take(here), slate.take(here), rng if rng is NOTHING else rng[here])
        out = filled(out, len(order), here, x)
    assert out is not None
    return out


def _by_pool(pool: Tensor) -> tuple[Tensor, list[int]]:
    """The samples ordered by pool, and how many each has."""
    sizes = torch.unique(pool, return_counts=True)[1]
    return torch.argsort(pool, stable=True), sizes.tolist()


def _kept(users: Users, slate: FlowSlate, rng: Stream) -> Samples:
    x = users.curate(slate, rng)
    if len(x) != len(slate.where):
        raise ValueError(f"{users.curator} kept {len(x)} of {len(slate.where)} samples; it must return one for each")
    return x


def _which(bundle: Tensor, numbers: list[int]) -> Tensor:
    return torch.isin(bundle, torch.tensor(numbers)).nonzero().squeeze(-1)
