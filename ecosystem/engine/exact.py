"""The mean of ``n`` normal samples without the samples.

A member whose family says ``exact_mean`` is fitted by the mean of its data. Where all it reads is normal, moved by
fixed vectors and linear maps, that mean is known in law once it is known how many samples come from where: of ``c``
samples of ``N(μ, Σ)`` the sum is ``c μ + √c F ξ``. One normal vector for each flow then stands for all its samples, raw
and curated alike, so a change of the curation level keeps its noise. Which members are treated so is settled by their
own declared diet (``Wiring.direct``), never by who shares their task.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ecosystem.core.laws import Law, Normal
from ecosystem.core.products import add_rows, row_product
from ecosystem.engine.sampling import Sampler
from ecosystem.engine.stacks import at, span
from ecosystem.engine.waves import Task


@dataclass(frozen=True)
class Draws:
    """What is drawn for the components of a task: how many samples come from each, and of which noise they are made.

    ``counts`` and ``weight [components, variants, replicates]``, ``noise [flows, 1, replicates, *event]`` and the
    ``flow [components]`` of each.
    """

    counts: Tensor
    weight: Tensor
    noise: Tensor
    flow: Tensor

    def of(self, components: Tensor) -> Draws:
        """Those of some of the components."""
        return Draws(at(self.counts, components), at(self.weight, components), self.noise, at(self.flow, components))


def draws(sampler: Sampler) -> Draws:
    """The draws of a task. Every flow has one noise vector, addressed by consumer and producer."""
    task = sampler.task
    if "flows" not in task.memo:
        _, some = np.unique(task.flow, return_index=True)  # one component of each flow
        address = sampler.now.addresses(task.producer[some]).reshape(-1, 1, 1)
        consumer = torch.from_numpy(task.members[task.owner[some]]).to(sampler.device)
        task.memo["flows"] = torch.from_numpy(task.flow).to(sampler.device), consumer, address
    flow, consumer, address = task.memo["flows"]
    counts = _counts(sampler)
    flow_counts = counts.new_zeros(len(address), *counts.shape[1:]).index_add_(0, flow, counts)
    noise = sampler.now.stream("statistic", consumer).at(address).normal(1, *sampler.stack.event_shape)
    # a component has c of its flow's C samples and gets c/C of the flow's noise √C ξ
    return Draws(counts, counts / flow_counts.clamp(min=1).sqrt()[flow], noise.squeeze(-2), flow)


def draw_statistic(sampler: Sampler, drawn: Draws | None = None) -> Tensor:
    """The mean of each training set, ``[rows, variants, replicates, d]``, of what was ``drawn`` before or is now."""
    drawn = draws(sampler) if drawn is None else drawn
    total: Tensor | None = None
    for number, bundle in enumerate(sampler.task.bundles):
        part = _sums(sampler, number, drawn)
        if not bundle.one_per_row or len(part) < len(sampler.task.rows):
            lengths = None if part.is_cpu else bundle.lengths
            part = add_rows(part, bundle.owner, len(sampler.task.rows), lengths)
        total = part if total is None else total.add_(part)
    assert total is not None
    if sampler.now.count is not None:
        sampler.now.count(sampler.task, drawn.counts)
    return total.div_(sampler.n)


def _counts(sampler: Sampler) -> Tensor:
    """How many samples come from each component, ``[components, variants, replicates]``."""
    shape = (len(sampler.task.components), sampler.variants, sampler.replicates)
    if shape[0] == len(sampler.task.rows):  # each row has one
        return torch.full(shape, sampler.n, device=sampler.device)
    rng = sampler.now.stream("component", sampler.members)
    counts = torch.zeros(shape, dtype=torch.int64, device=sampler.device)
    most = 1 << (18 if counts.is_cpu else 26)
    step = max(1, most // (sampler.variants * sampler.replicates * sampler.n))
    for row in range(0, len(sampler.task.rows), step):
        rows = slice(row, min(row + step, len(sampler.task.rows)))
        low, high = (int(sampler.task.first[i]) for i in (rows.start, rows.stop))
        counts[low:high] = sampler.menu.count(rows, rng[rows], sampler.n, low, high)
    return counts


def _spans(task: Task, number: int) -> tuple[slice | Tensor, ...]:
    """Where the components of a bundle stand, their rows in what it reads, and their origins; kept with the plan."""
    name = f"spans {number}"
    if name not in task.memo:
        bundle = task.bundles[number]
        task.memo[name] = span(bundle.slots), span(bundle.source[bundle.origin]), span(bundle.origin)
    return task.memo[name]


def _sums(sampler: Sampler, number: int, drawn: Draws) -> Tensor:
    """The sum of the samples of each component of a bundle: ``c μ + weight · F ξ``, moved and mapped."""
    bundle = sampler.task.bundles[number]
    stack = sampler.now.read(bundle)
    law: Law = stack.law()
    if not isinstance(law, Normal):
        raise TypeError(
            f"{type(stack).__name__} says exact_mean, and its law is no Normal; let it say exact_mean = False"
        )
    slot, row, origin = _spans(sampler.task, number)
    count, noise = at(drawn.counts, slot).to(law.mean.dtype).unsqueeze(-1), at(drawn.noise, at(drawn.flow, slot))
    if law.scale is not None:
        spread = (at(law.scale, row) * at(drawn.weight, slot)).unsqueeze(-1)
        total = (count * at(law.mean, row)).addcmul_(spread, noise)
    else:
        noisy = (at(law.factor, row) * noise.unsqueeze(-2)).sum(-1)
        total = (count * at(law.mean, row)).addcmul_(at(drawn.weight, slot).unsqueeze(-1), noisy)
    vector = bundle.shift(sampler.variants, sampler.stack.event_shape)
    vector = None if vector is None else at(vector, origin)
    if vector is not None and not bundle.after:
        total.addcmul_(count, vector)
    linear = bundle.linear(sampler.variants)
    if linear is not None:
        matrix, offset = (part[origin] for part in linear)
        total = row_product(total, matrix.squeeze(2)).addcmul_(count, offset)
    return total if vector is None or not bundle.after else total.addcmul_(count, vector)
