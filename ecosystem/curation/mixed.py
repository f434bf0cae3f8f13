"""What users keep of a mixture of normal laws, component by component: they choose between those who made it.

A slate drawn from a mixture holds candidates of several producers. With weights ``w_j`` and laws ``p_j`` producer ``j``
has ``w_j E_j[H_K]`` of what survives, ``H_K`` that of the mixture; for ``K → ∞`` the replicator's ``w_j E_j[e^r]/Σ``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import cast

import torch
from torch import Tensor

from ecosystem.core.laws import NoPopulationLaw, Normal, unknown
from ecosystem.core.mixtures import Mixture
from ecosystem.curation.quadrature import by_row
from ecosystem.rewards import Reward

_REACH = 9.0  # standard deviations: beyond lies 1e-19
_LEFT, _RIGHT = 4.0, 36.0  # where a standard Gumbel lies
_STEP = 0.3
_NUMBERS = 1 << 23  # on a grid
_FINE = 0.25  # of a component's deviation: the step of a grid
_SERIES = 100.0  # deviations above which a tail is told by its series
_HALVES = 80  # of an interval, until its ends are neighbours
_TINY = 1e-300
_NARROW = 1e-9  # of the widest component: one that is narrower is a point

Kept = Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]


def direction_on(law: Mixture, reward: Reward | None, curator: object) -> Tensor:
    """The ``g`` of a linear reward on a mixture of normal laws; what a curator does with others is not known.

    Raises
    ------
    NoPopulationLaw
        If the reward is not linear, or the parts are of another family.
    """
    direction = None if reward is None else reward.linear()
    if direction is None or not isinstance(law.parts, Normal):
        raise unknown(curator, reward, law)
    return direction


def luce_mixture(law: Mixture, direction: Tensor, k: int) -> Mixture:
    """What Luce's choice among ``k`` keeps of a mixture of normal laws by the reward ``⟨g, x⟩``, ``g [*batch, d]``."""
    return _selected(law, direction, lambda level, width: mixed_luce(law.weights, level, width, k))


def best_mixture(law: Mixture, direction: Tensor, k: int) -> Mixture:
    """What is left where the best of ``k`` is kept of a mixture of normal laws, by the reward ``⟨g, x⟩``."""
    return _selected(law, direction, lambda level, width: mixed_best(law.weights, level, width, k))


def above_mixture(law: Mixture, direction: Tensor, least: Tensor) -> Mixture:
    """What of a mixture of normal laws has a reward ``⟨g, x⟩`` of ``least [*batch]`` or more."""

    def tails(level: Tensor, width: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        away = least.unsqueeze(-1) - level
        up = torch.where(width > 0, away / width.clamp(min=_TINY), torch.where(away <= 0, -torch.inf, torch.inf))
        return torch.special.ndtr(-up), *upper_tail(up)

    return _selected(law, direction, tails)


def top_mixture(law: Mixture, direction: Tensor, fraction: Tensor) -> Mixture:
    """The best ``fraction [*batch]`` of a mixture of normal laws by the reward ``⟨g, x⟩``."""

    def tails(level: Tensor, width: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        width = _no_point(width)
        up = (_reached(law.weights, level, width, fraction.unsqueeze(-1)) - level) / width
        return torch.special.ndtr(-up), *upper_tail(up)

    return _selected(law, direction, tails)


def _reached(weights: Tensor, level: Tensor, width: Tensor, fraction: Tensor) -> Tensor:
    """The reward that a ``fraction [*batch, 1]`` of components ``[*batch, C]`` reaches, ``[*batch, 1]``.

    By bisection; two steps of Newton's that do not move it bring its derivatives (the implicit function).
    """

    def mass(c: Tensor) -> Tensor:
        return (weights * torch.special.ndtr((level - c) / width)).sum(-1, keepdim=True)

    with torch.no_grad():
        low, high = ((level + way * _REACH * width).detach() for way in (-1, 1))
        low, high = low.amin(-1, keepdim=True), high.amax(-1, keepdim=True)
        for _ in range(_HALVES):
            middle = (low + high) / 2
            more = mass(middle) > fraction
            low, high = torch.where(more, middle, low), torch.where(more, high, middle)
        c = (low + high) / 2
        rest = mass(c) - fraction
    for _ in range(2):
        slope = (weights * torch.exp(-0.5 * ((level - c) / width) ** 2) / width).sum(-1, keepdim=True)
        c = c + (mass(c) - fraction - rest) * math.sqrt(2 * math.pi) / torch.where(slope > 0, slope, torch.inf)
    return c


def upper_tail(up: Tensor) -> tuple[Tensor, Tensor]:
    """Mean ``λ`` and variance of a standard normal above ``up``; far up by series, where ``1 + cλ − λ²`` cancels."""
    near, far = up.clamp(max=_SERIES), up.clamp(min=_SERIES).reciprocal()
    mills = math.sqrt(2 / math.pi) / torch.special.erfcx(near / math.sqrt(2))
    variance = 1 + torch.where(mills > 0, near * mills, 0.0) - mills.square()
    square = far.square()
    beyond = far.reciprocal() + far - 2 * far * square, square - 6 * square.square() + 50 * square**3
    return torch.where(up > _SERIES, beyond[0], mills), torch.where(up > _SERIES, beyond[1], variance)


def _rewards(law: Mixture, direction: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The direction for each component, and mean and deviation of their rewards, ``[*batch, C]``."""
    assert isinstance(law.parts, Normal)
    along = direction.unsqueeze(-2).expand_as(law.parts.mean)
    return along, (along * law.parts.mean).sum(-1), law.parts.deviation(along)


def _no_point(width: Tensor) -> Tensor:
    """Widths ``[*batch, C]`` of which none is 0: points are as narrow as can be told."""
    return torch.maximum(width, (_NARROW * width.detach().amax(-1, keepdim=True)).clamp(min=_TINY))


def _selected(law: Mixture, direction: Tensor, kept: Kept) -> Mixture:
    """Of each component what ``kept(level, width)`` says of it: its chance, mean and variance, ``[*batch, C]``."""
    along, level, width = _rewards(law, direction)
    chance, mean, variance = kept(level, width)
    weights = law.weights * chance
    return Mixture(weights / weights.sum(-1, keepdim=True), cast(Normal, law.parts).selected(along, mean, variance))


def mixed_best(weights: Tensor, level: Tensor, width: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """``E_j[H_K]`` where the best of ``k`` is kept, and the survivor's mean and variance, as in :func:`mixed_luce`.

    ``E_j[H_K] = K ∫ f_j F^{K−1}`` with ``F`` the distribution function of the rewards of the mixture.

    >>> half, one = torch.full((2,), 0.5).double(), torch.ones(2).double()
    >>> half * mixed_best(half, torch.tensor([0.0, 1.0]).double(), one, 2)[0]     # the second: 1/4 + Φ(1/√2)/2
    tensor([0.3699, 0.6301], dtype=torch.float64)
    """
    return _by_components(partial(_mixed_best, k=k), weights, level, width)


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
    return _by_components(partial(_mixed, k=k), weights, level, width)


def _by_components(
    function: Callable[[Tensor], Tensor], weights: Tensor, level: Tensor, width: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """A function of one mixture, all its numbers one after the other ``[3 C]``, for a batch of them."""
    batch = torch.broadcast_shapes(weights.shape, level.shape, width.shape)
    rows = torch.cat([x.expand(batch).reshape(-1, batch[-1]) for x in (weights, level, width)], -1)
    found = by_row(function, rows).reshape(*batch[:-1], 3, batch[-1])
    return found[..., 0, :], found[..., 1, :], found[..., 2, :]


def _mixed_best(row: Tensor, k: int) -> Tensor:
    """The same where the best is kept. Each component on a grid of its own, fine enough for the narrowest of all."""
    weights, level, width = row.chunk(3)
    if not bool(torch.isfinite(row.detach()).all()):
        return row * torch.nan
    width = _no_point(width)
    told = width.detach()
    narrow = float(torch.where(weights.detach() > 0, told, torch.inf).min())
    steps = (2 * _REACH / _FINE * (told / narrow).clamp(min=1.0)).ceil()
    if float(steps.sum()) * len(weights) > _NUMBERS:
        raise NoPopulationLaw(f"the best of {k} of a mixture some of whose components are much narrower than others")
    parts = [_one_best(j, weights, level, width, k, int(steps[j])) for j in range(len(weights))]
    return torch.stack(parts, -1).flatten()


def _one_best(j: int, weights: Tensor, level: Tensor, width: Tensor, k: int, steps: int) -> Tensor:
    """Chance, mean and variance of what is kept of component ``j``, ``[3]``, by a trapezoidal rule."""
    z = torch.linspace(-_REACH, _REACH, steps + 1, dtype=level.dtype, device=level.device)
    below = torch.special.ndtr((level[j] - level + width[j] * z.unsqueeze(-1)) / width) @ weights
    likely = torch.log_softmax(-0.5 * z**2, -1) + (k - 1) * below.clamp(min=_TINY).log()
    chance, p = k * torch.logsumexp(likely, -1).exp(), torch.softmax(likely, -1)
    mean = (p * z).sum()
    return torch.stack([chance, mean, (p * z**2).sum() - mean**2])


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
