"""Curators who verify: whatever passes is kept as it is, whatever does not is thrown away and drawn again."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ecosystem.core.check import one_number
from ecosystem.core.laws import Finite, Law, Moments, Normal, unknown
from ecosystem.core.mixtures import Mixture
from ecosystem.core.samples import Samples, outputs, placed
from ecosystem.core.streams import Stream
from ecosystem.curation.base import Curator, Slate, hopeless, judged, positive
from ecosystem.curation.mixed import above_mixture, direction_on, upper_tail
from ecosystem.rewards import Reward, as_numbers

_MOST = 10_000  # candidates for one sample
_SYMBOLS = "Within knows distances of vectors, this flow carries symbols; use Threshold with a Tabular"
_TAIL = 60  # terms of a series beyond the largest, with twelve deviations
_TERMS = 100_000
_SURE = 40.0  # deviations within a ball, beyond which nothing lies outside it
_TINY = 1e-300


@dataclass(frozen=True, eq=False, repr=False)
class Threshold(Curator):
    """A filter: only samples whose reward is ``least`` or more are kept.

    On symbols ``p_i 1[r_i ≥ least] / Σ``; of a normal law with a linear reward the part above a hyperplane, ``c =
    (least − E r)/sd(r)`` deviations up: ``u = (r − E r)/sd(r)`` has mean ``λ = φ(c)/Φ(−c)``, variance ``1 + cλ − λ²``.
    Where nothing passes there is nothing to train on: NaN on the population, none of 10,000 candidates in samples; the
    run records it as the end of that replicate.

    >>> from ecosystem.rewards import Tabular
    >>> law = Finite(torch.tensor([0.2, 0.3, 0.5]).double())
    >>> Threshold(0.0).law(law, Tabular([-1.0, 0.0, 2.0])).probabilities
    tensor([0.0000, 0.3750, 0.6250], dtype=torch.float64)
    """

    least: Tensor
    pools = False
    looks = 4

    def __init__(self, least: Any) -> None:
        object.__setattr__(self, "least", one_number(least, "Threshold(least)"))

    def on_finite(self, p: Tensor, rewards: Tensor | None, memo: dict[Any, Any]) -> Tensor:
        assert rewards is not None
        passed = p * (rewards >= self.least.unsqueeze(-1))
        return passed / passed.sum(-1, keepdim=True)

    def on_gaussian(self, law: Normal, reward: Reward | None) -> Law:
        direction = None if reward is None else reward.linear()
        if direction is None or reward is None:
            raise unknown(self, reward, law)
        deviation = law.deviation(direction)
        certain = torch.where(reward.moments(law) >= self.least, -torch.inf, torch.inf)
        up = torch.where(deviation > 0, (self.least - reward.moments(law)) / deviation.clamp(min=_TINY), certain)
        return law.selected(direction, *upper_tail(up))

    def on_mixture(self, law: Mixture, reward: Reward | None) -> Law:
        """``w_j P_j(r ≥ least) / Σ`` of each component's own upper part."""
        return above_mixture(law, direction_on(law, reward, self), self.least)

    def curate(self, slate: Slate, reward: Reward | None, rng: Stream) -> Samples:
        assert reward is not None
        return _first(slate, self, reward, lambda own, taste, part, x: judged(taste, x, part) >= own.least)

    def __repr__(self) -> str:
        return f"Threshold({float(self.least.mean()):.4g})"


@dataclass(frozen=True, eq=False, repr=False)
class Within(Curator):
    """A verifier who knows a ``centre`` of the shape of one sample: what lies within ``radius`` of it is kept.

    Of ``N(μ, σ²I)``, with ``m = μ − centre`` and ``F_k`` the distribution function of a noncentral ``χ²`` with ``k``
    degrees of freedom and noncentrality ``‖m‖²/σ²``, at ``radius²/σ²``:

        mean ``μ + (g − 1) m``, covariance ``g σ²I + (h − g²) m mᵀ``, ``g = F_{d+2}/F_d``, ``h = F_{d+4}/F_d``

    (derivatives of ``P(‖x − centre‖ ≤ radius)`` by ``μ``). No reward is asked. Of other laws only samples are known;
    a replicate in which none of 10,000 candidates passes is stopped, as one whose parameters explode.

    >>> law = Normal(torch.tensor([3.0]).double(), scale=torch.tensor(1.0).double())
    >>> Within([0.0], radius=1.0).law(law).mean                    # the truncated normal of that interval
    tensor([0.6294], dtype=torch.float64)
    """

    centre: Tensor
    radius: Tensor
    rank: int
    needs_reward = False
    pools = False
    looks = 4

    def __init__(self, centre: Any, radius: Any) -> None:
        object.__setattr__(self, "centre", as_numbers(centre, "Within(centre)"))
        object.__setattr__(self, "radius", positive(radius, "Within(radius)"))
        object.__setattr__(self, "rank", self.centre.ndim)

    def check(self, event: tuple[int, ...]) -> None:
        shape = tuple(self.centre.shape[self.centre.ndim - self.rank :])
        if not event:
            raise TypeError(_SYMBOLS)
        if shape != event:
            raise ValueError(
                f"its users verify about a centre of shape {shape}, but samples have {event}; give Within a centre of "
                "that shape"
            )

    def law(self, law: Law, reward: Reward | None = None, memo: dict[Any, Any] | None = None) -> Law:
        if isinstance(law, Finite):
            raise TypeError(_SYMBOLS)
        if isinstance(law, Mixture):
            mass, parts = self._kept(law.parts, reward, apart=1)
            top = torch.where(law.weights > 0, mass, -torch.inf).amax(-1, keepdim=True).detach()
            weights = law.weights * (mass - top).clamp(max=0).exp()
            return Mixture(weights / weights.sum(-1, keepdim=True), parts)
        return self._kept(law, reward)[1]

    def _kept(self, law: Moments, reward: Reward | None, apart: int = 0) -> tuple[Tensor, Moments]:
        """The logarithm of the mass that passes, and what does; the law's batch is ``apart`` dimensions longer."""
        scale = law.scale if isinstance(law, Normal) else None
        if scale is None:
            if not isinstance(law, Normal) or law.mean.shape[-1] > 1:
                raise unknown(self, reward, law)
            scale = law.covariance[..., 0, 0].sqrt()
        centre, radius = self.centre.flatten(self.centre.ndim - self.rank), self.radius
        for _ in range(apart):
            centre, radius = centre.unsqueeze(-2), radius.unsqueeze(-1)
        away = law.mean - centre
        variance = scale.square()
        size = radius.square() / variance
        mass, two, four = _ratios(away.shape[-1], away.square().sum(-1) / variance, size)
        eye = torch.eye(away.shape[-1], dtype=away.dtype, device=away.device)

        def covariance() -> Tensor:
            outer = away.unsqueeze(-1) * away.unsqueeze(-2)
            return (two * variance)[..., None, None] * eye + (four - two.square())[..., None, None] * outer

        return mass, Moments(law.mean + (two - 1).unsqueeze(-1) * away, covariance)

    def curate(self, slate: Slate, reward: Reward | None, rng: Stream) -> Samples:
        return _first(slate, self, reward, lambda own, taste, part, x: own.passes(outputs(x)))

    def passes(self, x: Tensor) -> Tensor:
        """Which samples ``[m, *event]`` are near enough, ``[m]``."""
        away = (x - self.centre).flatten(1) if x.ndim > 1 else x - self.centre
        return away.square().sum(-1) <= self.radius.square()

    def __repr__(self) -> str:
        return f"Within(radius={float(self.radius.mean()):.4g})"


def _first(
    slate: Slate, curator: Any, reward: Reward | None, passes: Callable[[Any, Any, Slate, Samples], Tensor]
) -> Samples:
    """The first candidate of each sample that passes; ``passes`` is asked with what belongs to the samples shown."""
    shown = slate.candidate(0)
    left = (~passes(curator, reward, slate, shown)).nonzero().squeeze(-1)
    kept = shown[torch.arange(len(shown), device=left.device)] if len(left) else shown  # others look at what was shown
    for k in range(1, _MOST):
        if not len(left):
            return kept
        part = slate.take(left)
        x = part.candidate(k)
        kept = placed(kept, left, x)
        mine = None if reward is None else reward.take(left)
        left = left[~passes(curator.take(left), mine, part, x)]
    if len(left):
        why = f"none of {_MOST:,} candidates for each of {len(left):,} samples passes {curator}"
        hopeless(slate, left, why, "verify less strictly, or let models begin where something passes")
    return kept


def _ratios(d: int, away: Tensor, size: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """``ln F_d``, ``F_{d+2}/F_d`` and ``F_{d+4}/F_d`` of noncentral ``χ²`` at ``size``, ``away`` its noncentrality.

    ``F_k = Σ_j Poisson(j; away/2) P(k/2 + j, size/2)``, and the incomplete gamma ``P(a, y) = Σ_{i≥0} e^{−y} y^{a+i} /
    Γ(a + i + 1)``, both summed as logarithms: far from the centre all of them are smaller than any number.
    """
    sure = size.sqrt() - away.sqrt() > _SURE  # everything passes
    y, rate = (torch.where(sure, 1.0, part / 2).clamp(min=_TINY).unsqueeze(-1) for part in (size, away))
    many = max(float(torch.maximum(y, (y * rate).sqrt()).detach().max()), 1.0)
    terms = many + 12 * math.sqrt(many) + _TAIL if math.isfinite(many) else math.inf
    if terms > _TERMS:
        raise ValueError(
            f"a verifier's radius is {math.sqrt(2 * many):.3g} standard deviations, and its edge near: the law of what "
            "passes takes too many terms; give members a larger spread"
        )
    terms = math.ceil(terms)
    j = torch.arange(2 * terms + 2, dtype=size.dtype, device=size.device)
    steps = (d / 2 + j) * y.log() - y - torch.lgamma(d / 2 + j + 1)
    gamma = steps.flip(-1).logcumsumexp(-1).flip(-1)
    weight = j[:terms] * rate.log() - rate - torch.lgamma(j[:terms] + 1)
    one, two, four = ((weight + gamma[..., k : k + terms]).logsumexp(-1) for k in range(3))
    g, h = (torch.where(sure, 1.0, (more - one).exp()) for more in (two, four))
    return torch.where(sure, 0.0, one), g, h
