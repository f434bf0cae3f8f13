"""What members train on when there are no samples: ``P_i(Θ)`` itself, as the expected statistic of their family."""

from __future__ import annotations

from typing import Any

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


def gather_population(now: Round, task: Task) -> Tensor:
    """``E_{P_i(Θ)} t(z)`` for each member of a task, ``[rows, variants, replicates, Q]``.

    ``P_i = real_i R_i + Σ_j raw_ij A_ij#G_j + Σ_j curated_ij C_ij`` (Zhang, Wei, Zhang 2026).
    """
    family = now.generators[task.cohort]
    if not isinstance(family, ClosedForm):
        raise NoPopulationLaw(f"the generator of {now.program.cohorts[task.cohort].names[int(task.rows[0])]!r}")
    total: Tensor | None = None
    for bundle in task.bundles:
        values = family.statistic_of(bundle_law(now, bundle, family.symbols))
        part = _mixed(now, task, bundle, values)
        if total is None or now.program.differentiable:
            total = part if total is None else total + part
        else:
            total.add_(part)  # of a million members each sum of its own would be 200 MB of new memory
    assert total is not None
    return total


def bundle_law(now: Round, bundle: Bundle, symbols: int | None) -> Law:
    """The law of what each origin of a bundle sends, batch ``[origins, variants, replicates]``."""
    stack = now.read(bundle)
    everything = bundle.in_order and len(bundle.source) == stack.batch_shape[0]
    return sent(stack if everything else stack.take(bundle.source), bundle, symbols)


def sent(origins: Stack, bundle: Bundle, symbols: int | None) -> Law:
    """The law of what the consumers of a bundle, who know so many ``symbols``, get from each of its origins."""
    return received(origins.law(), bundle.users, bundle.transform, bundle.after, symbols)


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
