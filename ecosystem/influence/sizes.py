"""How large a small step is: by what a member spreads over, and not by where it stands."""

from __future__ import annotations

import torch
from torch import Tensor

from ecosystem.core.laws import Moments, NoPopulationLaw, Normal
from ecosystem.generators import ClosedForm
from ecosystem.influence.layout import Layout


def sizes(layout: Layout, vector: Tensor) -> Tensor:
    """The size of each number of ``vector [1, size]``, ``[1, size]``: 1 and the largest number of its member.

    Where a member's law has a standard deviation ``σ`` it is no more than that: ``σ_i`` of a mean, ``σ_i σ_j`` of a
    covariance, the largest ``σ`` of numbers of any other shape.
    """
    found, stacks = 1 + layout.largest(vector), layout.unpack(vector)
    for block in layout.blocks:
        units = _units(block.of(stacks[block.cohort]))
        if units is not None:
            units = units[:, 0].transpose(0, 1).flatten(1)
            known = found[:, block.span]
            found[:, block.span] = torch.where(units > 0, torch.minimum(units, known), known)
    return found


def _units(stack: ClosedForm) -> Tensor | None:
    """Sizes by the spread of the law, ``[*batch, width]``; None where it has none, or none is known."""
    try:
        law = stack.law()
    except NoPopulationLaw:
        return None
    if not isinstance(law, Moments):
        return None
    if isinstance(law, Normal) and law.scale is not None:
        spread = law.scale.unsqueeze(-1).expand_as(law.mean)
    else:
        spread = law.covariance.diagonal(dim1=-2, dim2=-1).clamp(min=0).sqrt()
    spread = spread.expand(*stack.batch_shape, -1)
    parts, batch = [], len(stack.batch_shape)
    for tensor in stack.moving().values():
        shape = tuple(tensor.shape[batch:])
        if shape == (spread.shape[-1],):
            parts.append(spread)
        elif shape == (spread.shape[-1],) * 2:
            parts.append((spread.unsqueeze(-1) * spread.unsqueeze(-2)).flatten(-2))
        else:
            parts.append(spread.amax(-1, keepdim=True).expand(*stack.batch_shape, tensor[(0,) * batch].numel()))
    return torch.cat(parts, -1)
