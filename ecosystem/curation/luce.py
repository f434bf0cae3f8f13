"""The exact law of what survives a choice among K candidates on a finite alphabet, for any K.

A user sees ``K`` candidates drawn from ``p`` and keeps one with probability proportional to ``e^{r(x)}`` (Luce). With
``1/y = ∫_0^∞ e^{−sy} ds`` the survivor's law is a one-dimensional integral,

    p(x) H_K(x),   H_K(x) = K e^{r(x)} ∫_0^∞ e^{−s e^{r(x)}} ( Σ_y p(y) e^{−s e^{r(y)}} )^{K−1} ds,

which the double-exponential rule ``s = exp(u − e^{−u})/K`` computes to about 1e-13 (Ferbach et al. 2024,
2407.09499, for ``H_K``; Takahasi & Mori 1974 for the rule).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from ecosystem.core.check import as_tensor, brief, real_tensor, spreads, whole_number
from ecosystem.core.products import padded
from ecosystem.curation.quadrature import by_grid

_STEP = 0.25
_SHARP = 3.0  # temperatures: beyond this spread of the rewards a choice is sharper than the grid
_GAP = 40.0  # between neighbouring rewards, in temperatures: e^{-40} is nothing beside 1
_WIDEST = 600.0  # from the best to the worst: e^{600} is still a float64
_RANGE_CLASS = 4.0  # rows whose reward ranges round up to the same multiple share their nodes


@dataclass(frozen=True)
class _Rule:
    """Nodes for rows of one class of reward range; the class is the row's own, so no row's bits depend on another."""

    weights: Tensor  # [nodes]
    kernel: Tensor  # exp(−s e^r), [rows, nodes, n]; nodes and symbols are filled up with zeros to multiples of eight


@dataclass(frozen=True)
class LuceKernel:
    """Everything about ``H_K`` that does not depend on ``p``: worked out once for rewards that stay."""

    k: int
    odds: Tensor  # K e^{r − max r}, [*batch, n]
    rules: tuple[_Rule, ...]
    order: Tensor  # the rows, rule by rule
    places: Tensor  # where each row stands in that order

    @classmethod
    def of(cls, rewards: Tensor, k: int) -> LuceKernel:
        """For rewards ``[*batch, n]`` already divided by the temperature."""
        shifted = _narrowed(rewards).clamp(min=-_WIDEST)
        odds = k * shifted.exp()
        flat = shifted.reshape(-1, shifted.shape[-1])
        classes = torch.ceil(-flat.detach().amin(-1) / _RANGE_CLASS).clamp_(min=1)
        rules = []
        order = torch.argsort(classes, stable=True)
        values, counts = classes.unique(return_counts=True)
        for value, rows in zip(values.tolist(), order.split(counts.tolist()), strict=True):
            s, weights = _nodes(value * _RANGE_CLASS, k, flat)
            kernel = padded(torch.exp(-s[:, None] * flat[rows].exp().unsqueeze(-2)), 2)
            rules.append(_Rule(padded(weights, 1), kernel))
        return cls(k, odds, tuple(rules), order, torch.argsort(order))

    def survivors(self, p: Tensor) -> Tensor:
        """The law of the one that is kept, ``[*batch, n]``, for candidates of law ``p [*batch, n]``.

        The batch of ``p`` may have a longer last dimension (replicates) where the rewards have length 1.
        """
        if self.k == 1 or not self.rules:  # nothing to choose from, or nobody
            return p
        batch, n = self.odds.shape[:-1], p.shape[-1]
        rows = p.reshape(-1, 1, n) if p.shape[:-1] == batch else p.reshape(math.prod(batch), -1, n)
        if len(self.rules) == 1:
            integral = _integral(rows, self.rules[0], self.k)
        else:
            parts = rows.index_select(0, self.order).split([len(rule.kernel) for rule in self.rules])
            integral = torch.cat([_integral(part, rule, self.k) for part, rule in zip(parts, self.rules, strict=True)])
            integral = integral.index_select(0, self.places)
        return p * self.odds * integral.reshape(p.shape)


def _integral(p: Tensor, rule: _Rule, k: int) -> Tensor:
    """``∫ e^{−s e^{r(x)}} F(s)^{K−1} ds`` for ``p [rows, replicates, n]``."""
    rows = padded(p, 1)
    if p.shape[1] == 1:
        return _one(rows, rule, k)[..., : p.shape[-1]]
    return torch.cat([_one(row, rule, k) for row in rows.split(1, dim=1)], 1)[..., : p.shape[-1]]


def _one(p: Tensor, rule: _Rule, k: int) -> Tensor:
    """For one replicate, ``p [rows, 1, n]``: always this shape, so that its bits do not depend on the others."""
    factor = torch.bmm(p, rule.kernel.mT)  # F(s), [rows, 1, nodes]
    return torch.bmm(_power(factor, k - 1).mul_(rule.weights), rule.kernel)  # in the room that powers have taken


def _power(x: Tensor, n: int) -> Tensor:
    """``xⁿ`` for a whole number ``n ≥ 1``, by repeated squaring."""
    if n == 1:
        return x
    half = _power(x, n // 2)
    return (half * half).mul_(x) if n % 2 else half * half


def _narrowed(rewards: Tensor) -> Tensor:
    """Rewards below the best, gaps from one to the next at most ``_GAP``: no choice can tell, and nothing overflows."""
    ordered, order = rewards.sort(-1, descending=True)
    gaps = ordered[..., :-1] - ordered[..., 1:]
    first = torch.zeros_like(ordered[..., :1])
    excess = torch.cat([first, (gaps - _GAP).clamp(min=0).cumsum(-1)], -1)
    # summed up gap by gap: the distance to a best one far off has no digits left of what lies between the others
    narrow = -torch.cat([first, gaps.clamp(max=_GAP).cumsum(-1)], -1)
    return torch.zeros_like(rewards).scatter(-1, order, torch.where(excess > 0, narrow, ordered - ordered[..., :1]))


def _nodes(reward_range: float, k: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """``s`` and the weights ``ds``; the integrand falls off between ``s ~ 1/K`` and ``s ~ e^{range}/K``."""
    u = torch.arange(-math.log(43), reward_range + math.log(45) + _STEP, _STEP, dtype=like.dtype, device=like.device)
    s = torch.exp(u - torch.exp(-u)) / k
    return s, _STEP * s * (1 + torch.exp(-u))


def luce_survivors(p: Tensor, rewards: Tensor, k: int) -> Tensor:
    """``p·H_K`` for ``p`` and ``rewards`` ``[*batch, n]`` at temperature 1.

    >>> p, r = torch.tensor([0.5, 0.5]).double(), torch.tensor([0.0, 3.0]).double().log1p()  # odds 1 : 4
    >>> [round(float(x), 10) for x in luce_survivors(p, r, 2)]
    [0.35, 0.65]
    """
    law, tastes = (
        x if real_tensor(x) and x.is_floating_point() else as_tensor(x, f"luce_survivors({name})").double()
        for name, x in (("p", p), ("rewards", rewards))
    )
    tastes = tastes.to(law.dtype)
    if not bool(tastes.isfinite().all()):
        raise ValueError(f"luce_survivors(rewards) must be finite numbers, got {brief(rewards)}")
    if not law.ndim or law.ndim != tastes.ndim or not spreads(tuple(tastes.shape), tuple(law.shape)):
        raise ValueError(
            f"luce_survivors(p, rewards) are a probability and a reward of each symbol, [*batch, n], got shapes "
            f"{tuple(law.shape)} and {tuple(tastes.shape)}"
        )
    return LuceKernel.of(tastes, whole_number(k, "luce_survivors(k)", 1)).survivors(law)


def normal_luce(scale: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Mean and variance of the survivor among ``K`` standard normals ``u`` when the reward is ``scale·u``, any scale.

    Weak tastes: the law on a finite alphabet, the normal law put on a grid (the trapezoidal rule converges
    exponentially for it). Strong ones, for which that grid would have to be ever finer: see :func:`_sharp`.
    """
    mean, variance = by_grid(partial(_normal_luce, k=k), scale)
    return mean, variance


def _normal_luce(scale: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The same for a few numbers ``[n]``."""
    known = torch.where(scale.isnan(), 0.0, scale)
    mean, variance = (torch.where(scale.isnan(), scale, x) for x in _weak(known.clamp(max=_SHARP), k))
    strong = (scale > _SHARP).nonzero().squeeze(-1)
    if not len(strong):
        return mean, variance
    sharp_mean, sharp_variance = _sharp(scale[strong], k)
    return mean.index_copy(0, strong, sharp_mean), variance.index_copy(0, strong, sharp_variance)


def _weak(scale: Tensor, k: int) -> tuple[Tensor, Tensor]:
    u = torch.linspace(-10, 10, 201, dtype=scale.dtype, device=scale.device)
    p = torch.softmax(-0.5 * u**2, -1)
    rewards = scale.reshape(-1, 1) * u
    kept = luce_survivors(p.expand(rewards.shape), rewards, k)
    kept = kept / kept.sum(-1, keepdim=True)
    mean = (kept * u).sum(-1)
    return mean.reshape(scale.shape), ((kept * u**2).sum(-1) - mean**2).reshape(scale.shape)


def _sharp(scale: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The same for strong tastes: the one that is kept has the largest ``y = u + G/scale``, ``G`` standard Gumbel.

    With ``F`` the distribution function of ``y``, a candidate with ``y`` is kept with probability ``F(y)^{K−1}``:
    smooth integrals over ``y`` and ``G`` on fixed grids, however sharp the choice.
    """
    like = {"dtype": scale.dtype, "device": scale.device}
    t = torch.arange(-3.75, 34.0, 0.25, **like)
    gumbel = torch.softmax(-t - torch.exp(-t), -1)
    y = torch.arange(-9.0, 13.0, 0.1, **like)
    u = y[:, None] - t / scale[..., None, None]  # [..., y, t]
    density = torch.exp(-0.5 * u**2) * gumbel
    below = (torch.special.ndtr(u) * gumbel).sum(-1)
    weight = below ** (k - 1)
    total = (weight * density.sum(-1)).sum(-1)
    mean = (weight * (u * density).sum(-1)).sum(-1) / total
    return mean, (weight * (u**2 * density).sum(-1)).sum(-1) / total - mean**2
