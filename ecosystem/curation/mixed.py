"""What users keep of a mixture of normal laws, component by component: they choose between those who made it.

A slate drawn from a mixture holds candidates of several producers. With weights ``w_j`` and laws ``p_j`` producer ``j``
has ``w_j E_j[H_K]`` of what survives, ``H_K`` that of the mixture; for ``K → ∞`` the replicator's ``w_j E_j[e^r]/Σ``.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor

from ecosystem.core.laws import NoPopulationLaw
from ecosystem.core.mixtures import Mixture
from ecosystem.curation.quadrature import by_row

_REACH = 9.0  # standard deviations: beyond lies 1e-19
_LEFT, _RIGHT = 4.0, 36.0  # where a standard Gumbel lies
_STEP = 0.3
_NUMBERS = 1 << 23  # on a grid


def luce_mixture(law: Mixture, direction: Tensor, k: int) -> Mixture:
    """What Luce's choice among ``k`` keeps of a mixture of normal laws by the reward ``⟨g, x⟩``, ``g [*batch, d]``."""
    along = direction.unsqueeze(-2).expand_as(law.parts.mean)
    level, width = (along * law.parts.mean).sum(-1), law.parts.deviation(along)  # type: ignore[attr-defined]
    chance, mean, variance = mixed_luce(law.weights, level, width, k)
    kept = law.weights * chance
    return Mixture(kept / kept.sum(-1, keepdim=True), law.parts.selected(along, mean, variance))  # type: ignore[attr-defined]


def mixed_luce(weights: Tensor, level: Tensor, width: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """``E_j[H_K]`` for components whose rewards are ``N(level_j, width_j²)``, and the survivor's mean and variance.

    All ``[*batch, C]``; mean and variance are those of the kept ``z = (r − level_j)/width_j`` of each component.
    The one that is kept has the largest ``r + G`` of ``K``, ``G`` standard Gumbel, so with ``f_j`` its density and
    ``F = Σ w_i F_i`` its distribution function ``E_j[H_K] = K ∫ f_j F^{K−1}``: trapezoidal rules, which converge
    exponentially for both integrals.

    >>> half, one = torch.full((2,), 0.5).double(), torch.ones(2).double()
    >>> half * mixed_luce(half, torch.tensor([0.0, 1.0]).double(), one, 2)[0]
    tensor([0.4125, 0.5875], dtype=torch.float64)
    """
    batch = torch.broadcast_shapes(weights.shape, level.shape, width.shape)
    rows = torch.cat([x.expand(batch).reshape(-1, batch[-1]) for x in (weights, level, width)], -1)
    found = by_row(partial(_mixed, k=k), rows).reshape(*batch[:-1], 3, batch[-1])
    return found[..., 0, :], found[..., 1, :], found[..., 2, :]


def _mixed(row: Tensor, k: int) -> Tensor:
    """The same for one mixture, all one after the other, ``[3 C]``."""
    weights, level, width = row.chunk(3)
    middle, far = level.detach(), _REACH * width.detach()
    if not bool(torch.isfinite(middle + far).all()):
        return row * torch.nan
    low, high = float((middle - far).min()) - _LEFT, float((middle + far).max()) + _RIGHT + math.log(k)
    coarse = math.ceil(2 * _REACH / _STEP * max(1.0, float(width.detach().max())))
    many = math.ceil((high - low) / _STEP)
    if len(weights) * many * coarse > _NUMBERS:
        raise NoPopulationLaw(
            f"a choice on a mixture by rewards that spread over {high - low:.3g} temperatures (give it a higher "
            "temperature, or Tilt())"
        )
    z = torch.linspace(-_REACH, _REACH, coarse + 1, dtype=level.dtype, device=level.device)
    v = low + _STEP * torch.arange(many + 1, dtype=level.dtype, device=level.device)
    p = torch.softmax(-0.5 * z**2, -1)
    gumbel = (v[:, None, None] - level[:, None] - width[:, None] * z).clamp(min=-_LEFT)  # [v, C, z]
    odds = torch.exp(-gumbel)
    below = torch.exp(-odds)
    density = odds * below * p
    weight = _STEP * k * ((below * p).sum(-1) * weights).sum(-1) ** (k - 1)
    chance, first, second = (weight @ (density * z**power).sum(-1) for power in range(3))
    mean = first / chance
    return torch.cat([chance, mean, second / chance - mean**2])
