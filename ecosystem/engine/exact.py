"""The mean of ``n`` normal samples without the samples.

A location member is fitted by the mean of its data. Where all it reads is normal, moved by fixed vectors and linear
maps, that mean is known in law once it is known how many samples come from where: of ``c`` samples of ``N(μ, Σ)`` the
sum is ``c μ + √c F ξ``. One normal vector for each flow then stands for all its samples, raw and curated alike, so a
change of the curation level keeps its noise. Which members are treated so is settled by their own declared diet
(``Wiring.exact``), never by who shares their task.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ecosystem.curation import Shift
from ecosystem.engine.bundles import Bundle
from ecosystem.engine.sampling import Sampler
from ecosystem.generators import ClosedForm, Location
from ecosystem.products import row_product
from ecosystem.streams import word
from ecosystem.transforms import LinearMap


def draw_statistic(sampler: Sampler) -> Tensor:
    """The mean of each training set, ``[rows, variants, replicates, d]``."""
    counts = _counts(sampler)
    flow = torch.from_numpy(sampler.task.flow)
    flow_counts = torch.zeros(int(flow.max()) + 1, *counts.shape[1:], dtype=counts.dtype)
    flow_counts = flow_counts.index_add_(0, flow, counts)[flow]
    total: Tensor | None = None
    for bundle in sampler.task.bundles:
        part = _sums(sampler, bundle, counts, flow_counts)
        if total is None:
            total = part.new_zeros(len(sampler.task.rows), *part.shape[1:])
        total.index_add_(0, bundle.owner, part)
    assert total is not None
    if sampler.world.count is not None:
        sampler.world.count(sampler.task, counts)
    return total / sampler.n


def _counts(sampler: Sampler) -> Tensor:
    """How many samples come from each component, ``[components, variants, replicates]``."""
    rng = sampler.world.stream("component", sampler.members)
    everything = slice(None)
    step = max(1, (1 << 18) // (sampler.variants * sampler.replicates * sampler.n))
    shape = (len(sampler.task.components), sampler.variants, sampler.replicates)
    counts = torch.zeros(shape, dtype=torch.int64)
    flat = counts.view(-1)
    cell = torch.arange(sampler.variants).reshape(-1, 1, 1) * sampler.replicates
    cell = cell + torch.arange(sampler.replicates).reshape(-1, 1)
    for row in range(0, len(sampler.task.rows), step):
        rows = slice(row, min(row + step, len(sampler.task.rows)))
        slot = sampler.menu.choose(rows, everything, rng[rows], sampler.n)
        place = (slot * (sampler.variants * sampler.replicates) + cell).reshape(-1)
        low = int(sampler.task.first[rows.start]) * sampler.variants * sampler.replicates
        high = int(sampler.task.first[rows.stop]) * sampler.variants * sampler.replicates
        flat[low:high] += torch.bincount(place - low, minlength=high - low)
    return counts


def _sums(sampler: Sampler, bundle: Bundle, counts: Tensor, flow_counts: Tensor) -> Tensor:
    """The sum of the samples of each component of a bundle."""
    stack = sampler.world.read(bundle)
    assert isinstance(stack, ClosedForm)
    slot = torch.from_numpy(bundle.slot)
    count = counts[slot].double().unsqueeze(-1)
    part = stack.take(bundle.source).map(lambda t: t[bundle.origin])
    assert isinstance(part, Location)
    members = sampler.members[bundle.owner]
    producer = torch.from_numpy(sampler.task.producer[bundle.slot])
    addresses = torch.where(producer < 0, word("real data"), sampler.world.words[producer]).reshape(-1, 1, 1)
    noise = sampler.world.stream("statistic", members).at(addresses).normal(1, part.event_shape[0]).squeeze(-2)
    # a component has c of its flow's C samples: c/C of the flow's noise, so that both parts add up to √C
    whole = flow_counts[slot].double().clamp(min=1).sqrt().unsqueeze(-1)
    total = count * part.mean + part.scale.unsqueeze(-1) * noise * (count / whole)
    curator = bundle.users.curator if bundle.users is not None else None
    shift = count * curator.vector[bundle.origin] if isinstance(curator, Shift) else 0.0
    if not bundle.after:
        total = total + shift
    if bundle.transform is not None:
        transform = bundle.transform.take(bundle.origin)
        assert isinstance(transform, LinearMap)
        total = row_product(total, transform.matrix.squeeze(2)) + count * transform.offset
    return total + shift if bundle.after else total
