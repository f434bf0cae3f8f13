"""What members train on when there are no samples: ``P_i(Θ)`` itself, as the expected statistic of their family."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ecosystem.core.laws import Law, NoPopulationLaw
from ecosystem.core.products import mix_rows, mixing_matrix, mixing_tensor
from ecosystem.curation.users import received
from ecosystem.engine.bundles import Bundle
from ecosystem.engine.looped import Stack
from ecosystem.engine.round import Round
from ecosystem.engine.waves import Task
from ecosystem.generators import ClosedForm
from ecosystem.generators.archive import HUMAN, two_laws


def gather_population(now: Round, task: Task) -> Tensor:
    """``E_{P_i(Θ)} t(z)`` for each member of a task, ``[rows, variants, replicates, Q]``.

    ``P_i = real_i R_i + Σ_j raw_ij A_ij#G_j + Σ_j curated_ij C_ij`` (Zhang, Wei, Zhang 2026).
    """
    family = now.generators[task.cohort]
    if not isinstance(family, ClosedForm):
        raise NoPopulationLaw(f"the generator of {now.program.cohorts[task.cohort].names[int(task.rows[0])]!r}")
    if family.stores and family.symbols is None:
        _check_apart(now, task)
    total: Tensor | None = None
    for bundle in task.bundles:
        part = _mixed(now, task, bundle, statistic_sent(now, family, bundle, _origins(now, bundle)))
        if total is None or now.program.differentiable:
            total = part if total is None else total + part
        else:
            total.add_(part)  # of a million members each sum of its own would be 200 MB of new memory
        del part
    assert total is not None
    return total


def _origins(now: Round, bundle: Bundle) -> Stack:
    """What a bundle reads, batch ``[origins, variants, replicates]``."""
    stack = now.read(bundle)
    everything = bundle.in_order and len(bundle.source) == stack.batch_shape[0]
    return stack if everything else stack.take(bundle.source)


def statistic_sent(now: Round, family: Any, bundle: Bundle, origins: Stack) -> Tensor:
    """What members of a family are told of the law that each origin sends, ``[origins, variants, replicates, Q]``.

    By those who keep producers apart, on the shelf of whose it is.
    """
    values = family.statistic_of(sent(origins, bundle, family.symbols))
    if not family.stores:
        return values
    index = now.program.index
    shelf = bundle.component.new_full((len(index) + 1,), len(family.names))  # the last is real data, whose number is −1
    for place, name in enumerate(family.names):
        if name in index:
            shelf[index[name]] = place
        if name == HUMAN:
            shelf[-1] = place
    producer = torch.from_numpy(now.state.wiring.producer).to(shelf.device)[bundle.component]
    return family.shelved(values, torch.zeros_like(bundle.source).index_copy(0, bundle.origin, shelf[producer]))


def sent(origins: Stack, bundle: Bundle, symbols: int | None) -> Law:
    """The law of what the consumers of a bundle, who know so many ``symbols``, get from each of its origins."""
    return received(origins.law(), bundle.users, bundle.transform, bundle.after, symbols)


def _check_apart(now: Round, task: Task) -> None:
    """Each shelf takes one law: two of one producer would be a mixture."""
    parts, times = np.unique(np.stack([task.owner, task.producer]), axis=1, return_counts=True)
    if (times > 1).any():
        owner, producer = parts[:, times > 1][:, 0]
        raise two_laws(now.program.names[producer], now.program.names[int(task.members[owner])])


def _mixed(now: Round, task: Task, bundle: Bundle, values: Tensor) -> Tensor:
    replicates = len(now.rng.keys)
    values = values.expand(*values.shape[:2], replicates, values.shape[3])
    one_number = now.shares.shape[1:] == (1, 1)
    if not one_number or now.program.differentiable or values.device.type not in ("cpu", "cuda"):
        shares = now.shares[bundle.component]
        # torch differentiates sums over segments once, those by index as often as one likes
        lengths = None if values.is_cpu or now.program.differentiable else bundle.lengths
        return mix_rows(values, shares, bundle.origin, bundle.owner, len(task.rows), lengths)

    def matrix() -> Any:
        shares = now.shares[bundle.component, 0, 0]
        make = mixing_matrix if values.is_cpu else mixing_tensor
        return make(shares, bundle.origin, bundle.owner, len(task.rows), len(bundle.source))

    flat = values.reshape(len(bundle.source), -1)
    known = bundle.kept("matrix", now.shares, matrix)
    mixed = torch.from_numpy(known @ flat.numpy()) if values.is_cpu else known @ flat
    return mixed.reshape(len(task.rows), *values.shape[1:])
