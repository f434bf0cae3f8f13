"""The samples behind positions: raw draws, the candidates that users see, and what transforms make of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor

from ecosystem.core.check import real_tensor, returned
from ecosystem.core.laws import Law, NoPopulationLaw
from ecosystem.core.products import grouped_product, row_product
from ecosystem.core.samples import Pairs, Samples, compared, filled, preferring, split
from ecosystem.core.streams import Stream
from ecosystem.curation.base import lawless
from ecosystem.curation.users import received
from ecosystem.engine.bundles import Bundle
from ecosystem.engine.looped import Looped, Stack
from ecosystem.generators import ClosedForm


class Positions:
    """Some samples of a block of shape ``[rows, variants, replicates, n]``: all of them, or a flat ``index``."""

    def __init__(
        self,
        slots: Tensor,
        streams: dict[str, Stream],
        rows: slice,
        first_replicate: int,
        producers: Tensor,
        index: Tensor | None = None,
    ) -> None:
        self.slots = slots
        self.streams = streams
        self.rows = rows  # of the task
        self.first_replicate = first_replicate
        self.producers = producers  # the address of each component's producer
        self.index = index
        self.noise: Tensor | None = None  # what its samples were made of, [..., q], where that is known

    def __len__(self) -> int:
        return self.slots.numel() if self.index is None else len(self.index)

    def take(self, index: Tensor) -> Positions:
        """Some of these samples."""
        flat = index if self.index is None else self.index[index]
        return Positions(self.slots, self.streams, self.rows, self.first_replicate, self.producers, flat)

    @cached_property
    def _index(self) -> Tensor:
        return torch.arange(self.slots.numel(), device=self.slots.device) if self.index is None else self.index

    @cached_property
    def slot(self) -> Tensor:
        """The component of each sample (its place in the task)."""
        flat = self.slots.reshape(-1)
        return flat if self.index is None else flat[self.index]

    @cached_property
    def row(self) -> Tensor:
        return self._index // math.prod(self.slots.shape[1:])

    @cached_property
    def variant(self) -> Tensor:
        return _place(self._index, self.slots.shape, 1)

    @cached_property
    def column(self) -> Tensor:
        """The replicate within the block."""
        return _place(self._index, self.slots.shape, 2)

    @cached_property
    def replicate(self) -> Tensor:
        return self.column + self.first_replicate

    @cached_property
    def sample(self) -> Tensor:
        return self._index % self.slots.shape[3]

    def stream(self, decision: str, k: int = 0) -> Stream:
        """One key for each of these samples; ``k`` counts the candidates."""
        stream = _candidate(self.streams[decision], k)
        return Stream(stream.keys[self.row, 0, self.column], self.sample + stream.first)

    def cell(self, stack: Stack, source: Tensor) -> Tensor:
        """Where the producer of each sample stands in the flattened batch of ``stack``."""
        _, variants, replicates = stack.batch_shape
        cell = source[self.slot]
        cell = cell if variants == 1 else cell * variants + self.variant
        return cell if replicates == 1 else cell * replicates + self.replicate


def _place(flat: Tensor, shape: torch.Size, axis: int) -> Tensor:
    """Where flat positions stand along an axis of a ``shape``."""
    if shape[axis] == 1:
        return flat.new_zeros(()).expand(len(flat))
    return flat // math.prod(shape[axis + 1 :]) % shape[axis]


def _candidate(stream: Stream, k: int) -> Stream:
    """Candidate 0 is the raw value itself."""
    return stream if k == 0 else stream.at("candidate").at(k)


def draw(stack: Stack, source: Tensor, where: Positions, one_producer: bool = False) -> Samples:
    """Each sample as its producer generates it, ``[m, *event]``.

    ``source [components]`` is each component's row in ``stack``; ``one_producer`` says that a row has only one.
    """
    if isinstance(stack, Looped):
        return _draw_looped(stack, source, where)
    if where.index is None:
        return _draw_block(stack, source, where, one_producer)
    return _push(stack, source, where, 0)


def draw_again(stack: Stack, source: Tensor, where: Positions, k: int, raw: Samples) -> Samples:
    """Candidate ``k ≥ 1`` of each sample; of a pair, another answer to the input of the ``raw`` one."""
    if isinstance(stack, Looped):
        return _draw_looped(stack, source, where, k, raw.inputs if isinstance(raw, Pairs) else None)
    return _push(stack, source, where, k)


def _push(stack: ClosedForm, source: Tensor, where: Positions, k: int) -> Tensor:
    noise = stack.noise(1, where.stream("noise", k)).squeeze(1)
    if not k:
        where.noise = noise
    return stack.push_from(noise, where.cell(stack, source))


def _draw_block(stack: ClosedForm, source: Tensor, where: Positions, one_producer: bool) -> Tensor:
    """Every sample of a block: noise is made once for all variants."""
    rows, variants, replicates, n = where.slots.shape
    noise = stack.noise(n, where.streams["noise"])  # [rows, 1, replicates, n, q]
    where.noise = noise.expand(rows, variants, replicates, n, noise.shape[-1])
    if one_producer and stack.ELEMENTWISE:  # no need to look it up sample by sample
        part = stack.take(source[where.slots[:, 0, 0, 0]])
        if stack.batch_shape[2] > 1:
            last = where.first_replicate + replicates
            part = part.take((slice(None), slice(None), slice(where.first_replicate, last)))
        x = part.map(lambda t: t.unsqueeze(3)).push(noise)
        return x.expand(rows, variants, replicates, n, *x.shape[4:]).reshape(-1, *x.shape[4:])
    return stack.push_from(where.noise.reshape(-1, noise.shape[-1]), where.cell(stack, source))


def _draw_looped(stack: Looped, source: Tensor, where: Positions, k: int = 0, inputs: Tensor | None = None) -> Samples:
    """Each model is asked once for what each consumer takes from it; the rows of its stream are the samples' own."""
    cell = where.cell(stack, source)
    replicates = where.slots.shape[2]
    consumer = (where.row * where.slots.shape[1] + where.variant) * replicates + where.column
    key = consumer * math.prod(stack.batch_shape) + cell
    stream = _candidate(where.streams["noise"], k)
    out: Samples | None = None
    for value in torch.unique(key):
        here = (key == value).nonzero().squeeze(-1)
        first = int(here[0])
        key_of = stream.keys[where.row[first], 0, where.column[first]] ^ where.producers[where.slot[first]]
        one = Stream(key_of, stream.first, where.sample[here]).at("producer")  # of each its own
        model = int(cell[first])
        x = stack.sample_one(model, len(here), one) if inputs is None else stack.respond_one(model, inputs[here], one)
        out = filled(out, len(where), here, x)
    assert out is not None
    return out


def transformed(bundle: Bundle, where: Positions, origin: Tensor, x: Any) -> Any:
    """The transform of each sample's flow, ``[m, *event']``."""
    assert bundle.transform is not None
    if isinstance(x, Pairs):
        if not compared(x):
            return bundle.transform(x)  # type: ignore[arg-type]
        kept, rejected = (transformed(bundle, where, origin, part) for part in split(x))
        return preferring(kept, rejected) if isinstance(kept, Pairs) else kept
    rows, variants, replicates, n = where.slots.shape
    linear = bundle.linear(variants)
    if linear is None or not bundle.transform.tensors():  # one function for all of them
        return bundle.transform(x)
    matrices, offsets = linear[0][:, :, 0], linear[1][:, :, 0]  # [origins, variants, ...]
    x = x.to(matrices.dtype)  # models of one's own make float32
    if where.index is None and bundle.one_per_row:  # one matrix a row (every sample here is of this bundle)
        mine = bundle.origin[where.rows]
        moved = row_product(x.reshape(rows, variants, replicates * n, -1), matrices[mine])
        return (moved if bundle.no_offset else moved + offsets[mine].unsqueeze(2)).reshape(len(where), -1)
    group = origin * variants + where.variant
    return grouped_product(x, group, matrices.flatten(0, 1)) + offsets.flatten(0, 1)[group]


@dataclass
class FlowSlate:
    """What the users of a bundle are shown; candidate 0 is the raw value (see :class:`ecosystem.curation.Slate`)."""

    bundle: Bundle
    stack: Stack
    source: Tensor
    where: Positions
    origin: Tensor
    raw: Samples
    names: Sequence[str]  # of the producers' cohort
    symbols: int | None  # how many the consumers know, if any
    unjudged: Callable[[Tensor], None] | None = None  # told of which samples ``[m]`` a reward is no finite number
    hopeless: Callable[[Tensor, str], None] | None = None  # told for which samples nothing can be kept, and why
    shown: Samples | None = field(default=None, init=False)  # nothing of the last candidate but its kind

    def candidate(self, k: int) -> Samples:
        x = self.raw if k == 0 else draw_again(self.stack, self.source, self.where, k, self.raw)
        if self.bundle.after and self.bundle.transform is not None:
            x = transformed(self.bundle, self.where, self.origin, x)
        self.shown = x[:0]
        return x

    def law(self) -> Law:
        cell = self.where.cell(self.stack, self.source)
        try:
            law = self._closed().map(lambda t: t.flatten(0, 2)).take(cell).law()
        except NoPopulationLaw as error:
            raise self._lawless() from error
        if self.bundle.after and self.bundle.transform is not None:
            transform = self.bundle.transform.take((self.origin, self.where.variant, 0))
            law = received(law, None, transform, True, self.symbols)
        return law

    def noise(self) -> Tensor:
        return self._closed().noise(1, self.where.stream("noise")).squeeze(1)

    def pool(self) -> Tensor:
        variants, replicates = self.where.slots.shape[1:3]
        return (self.where.slot * variants + self.where.variant) * replicates + self.where.column

    def take(self, index: Tensor) -> FlowSlate:
        return FlowSlate(
            self.bundle,
            self.stack,
            self.source,
            self.where.take(index),
            self.origin[index],
            self.raw[index],
            self.names,
            self.symbols,
            *(
                None if tell is None else partial(_told_of_some, tell, index, len(self.where))
                for tell in (self.unjudged, self.hopeless)
            ),
        )

    def one_of_its(self, x: Any, who: str) -> Samples:
        """What somebody keeps ``[m, *event]``, if it is one sample for each, such as it shows."""
        if not isinstance(x, Pairs) and not (real_tensor(x) and x.ndim):
            raise TypeError(f"{who} must return samples such as slate.candidate(0), one for each, got {returned(x)}")
        if len(x) != len(self.where):
            raise ValueError(f"{who} kept {len(x)} of {len(self.where)} samples; it must return one for each")
        moves = self.bundle.after and self.bundle.transform is not None
        shown = self.shown if moves else self.raw  # None where nobody has looked: a law moved is drawn from
        if shown is not None and not _such_as(x, shown):
            like = f"{shown.dtype} of shape {(len(x), *shown.shape[1:])}"
            raise ValueError(
                f"{who} must return samples such as slate.candidate(0), {like}, got {x.dtype} of shape {tuple(x.shape)}"
            )
        count = self.symbols if moves else getattr(self.stack, "symbols", None)
        if count is not None and isinstance(x, Tensor) and len(x) and not 0 <= int(x.min()) <= int(x.max()) < count:
            wrong = int(x[(x < 0) | (x >= count)][0])
            raise ValueError(f"{who} returns the symbol {wrong}, and there are {count}: 0 to {count - 1}")
        return x

    def _closed(self) -> ClosedForm:
        if isinstance(self.stack, Looped):
            raise self._lawless()
        return self.stack

    def _lawless(self) -> ValueError:
        rows = torch.unique(self.source[self.where.slot] % max(1, len(self.names))).tolist()
        who = ", ".join(dict.fromkeys(repr(self.names[row]) for row in rows)) if self.names else "the real data"
        kind = type(self.stack.models.flat[0] if isinstance(self.stack, Looped) else self.stack).__name__
        assert self.bundle.users is not None
        return ValueError(lawless(self.bundle.users.curator, who, kind))


def _such_as(x: Samples, shown: Samples) -> bool:
    """Whether samples are of the shape and kind of others: pairs, numbers or symbols."""
    kinds = isinstance(x, Pairs) == isinstance(shown, Pairs), x.dtype.is_floating_point == shown.dtype.is_floating_point
    return x.shape[1:] == shown.shape[1:] and all(kinds)


def _told_of_some(tell: Callable[..., None], index: Tensor, size: int, wrong: Tensor, *why: str) -> None:
    """Tell a slate of ``size`` samples what was found in those at ``index``."""
    everywhere = torch.zeros(size, dtype=torch.bool, device=wrong.device)
    everywhere[index] = wrong
    tell(everywhere, *why)
