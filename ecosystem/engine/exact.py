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
from ecosystem.engine.stacks import span
from ecosystem.engine.waves import Task


@dataclass
class _Flows:
    """The flows of a task; each has one noise vector, addressed by consumer and producer."""

    of_component: Tensor
    consumer: Tensor  # members
    address: Tensor  # [flows, 1, 1]

    @classmethod
    def of(cls, sampler: Sampler) -> _Flows:
        task = sampler.task
        if "flows" not in task.memo:
            of_component = torch.from_numpy(task.flow).to(sampler.device)
            _, some = np.unique(task.flow, return_index=True)  # one component of each flow
            address = sampler.now.addresses(task.producer[some])
            consumer = torch.from_numpy(task.members[task.owner[some]]).to(sampler.device)
            task.memo["flows"] = cls(of_component, consumer, address.reshape(-1, 1, 1))
        return task.memo["flows"]


def draw_statistic(sampler: Sampler) -> Tensor:
    """The mean of each training set, ``[rows, variants, replicates, d]``."""
    counts = _counts(sampler)
    flows = _Flows.of(sampler)
    flow_counts = counts.new_zeros(len(flows.address), *counts.shape[1:]).index_add_(0, flows.of_component, counts)
    stream = sampler.now.stream("statistic", flows.consumer).at(flows.address)
    noise = stream.normal(1, *sampler.stack.event_shape).squeeze(-2)[flows.of_component]
    # a component has c of its flow's C samples and gets c/C of the flow's noise √C ξ
    weight = counts / flow_counts.clamp(min=1).sqrt()[flows.of_component]
    total: Tensor | None = None
    for number, bundle in enumerate(sampler.task.bundles):
        part = _sums(sampler, number, counts, weight, noise)
        if not bundle.one_per_row or len(part) < len(sampler.task.rows):
            lengths = None if part.is_cpu else bundle.lengths
            part = add_rows(part, bundle.owner, len(sampler.task.rows), lengths)
        total = part if total is None else total.add_(part)
    assert total is not None
    if sampler.now.count is not None:
        sampler.now.count(sampler.task, counts)
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
        slot = bundle.slots
        task.memo[name] = span(slot), span(task.source[slot]), span(bundle.origin)
    return task.memo[name]


def _sums(sampler: Sampler, number: int, counts: Tensor, weight: Tensor, noise: Tensor) -> Tensor:
    """The sum of the samples of each component of a bundle: ``c μ + weight · F ξ``, moved and mapped."""
    bundle = sampler.task.bundles[number]
    stack = sampler.now.read(bundle)
    law: Law = stack.law()
    if not isinstance(law, Normal):
        raise TypeError(
            f"{type(stack).__name__} says exact_mean, and its law is no Normal; let it say exact_mean = False"
        )
    slot, row, origin = _spans(sampler.task, number)
    count = counts[slot].to(law.mean.dtype).unsqueeze(-1)
    if law.scale is not None:
        spread = (law.scale[row] * weight[slot]).unsqueeze(-1)
        total = (count * law.mean[row]).addcmul_(spread, noise[slot])
    else:
        noisy = (law.factor[row] * noise[slot].unsqueeze(-2)).sum(-1)
        total = (count * law.mean[row]).addcmul_(weight[slot].unsqueeze(-1), noisy)
    vector = bundle.shift(sampler.variants, sampler.stack.event_shape)
    vector = None if vector is None else vector[origin]
    if vector is not None and not bundle.after:
        total.addcmul_(count, vector)
    linear = bundle.linear(sampler.variants)
    if linear is not None:
        matrix, offset = (part[origin] for part in linear)
        total = row_product(total, matrix.squeeze(2)).addcmul_(count, offset)
    return total if vector is None or not bundle.after else total.addcmul_(count, vector)
