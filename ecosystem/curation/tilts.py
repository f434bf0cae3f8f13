"""Curators with a law of their own: exponential tilts, fixed shifts, and users who do not look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from ecosystem.core.laws import Law, Normal, unknown
from ecosystem.core.mixtures import Mixture
from ecosystem.core.samples import Pairs, Samples
from ecosystem.core.streams import Stream
from ecosystem.curation.base import Curator, Slate, positive
from ecosystem.rewards import Reward, as_numbers

_STEEPEST = 600.0  # temperatures by which a dead symbol may be better than all others: e^{600} is still a float64


@dataclass(frozen=True, eq=False, repr=False)
class Tilt(Curator):
    """Luce's limit of infinitely many candidates: ``p e^{r/τ} / E_p[e^{r/τ}]``.

    For ``N(μ, Σ)``: a linear reward moves the mean by ``Σg/τ``; a quadratic one gives ``Σ' = (Σ⁻¹ + ηI/τ)⁻¹``,
    ``μ' = Σ'(Σ⁻¹μ + g/τ)`` (NaN, hence a recorded divergence, where ``Σ'`` is not positive definite).
    """

    RESTS: ClassVar[dict[str, tuple[str, ...]]] = {**Curator.RESTS, "curate": ()}  # it draws from whatever its law is
    temperature: Tensor
    chooses = False
    pools = False
    needs_law = True
    pushes = True

    def __init__(self, temperature: Any = 1.0) -> None:
        object.__setattr__(self, "temperature", positive(temperature, "Tilt(temperature)"))

    def on_finite(self, p: Tensor, rewards: Tensor | None, memo: dict[Any, Any]) -> Tensor:
        assert rewards is not None
        return _tilted(p, rewards / self.temperature.unsqueeze(-1))

    def on_gaussian(self, law: Normal, reward: Reward | None) -> Law:
        assert reward is not None
        tau = self.temperature.unsqueeze(-1)
        direction, quadratic = reward.linear(), reward.quadratic()
        if direction is not None:
            return law.shift(law.spread(direction) / tau)
        if quadratic is not None:
            return _quadratic_tilt(law, quadratic[0] / tau, quadratic[1] / self.temperature)
        raise unknown(self, reward, law)

    def on_mixture(self, law: Mixture, reward: Reward | None) -> Law:
        """``w_j E_j[e^{r/τ}] / Σ`` of each component's own tilt."""
        assert reward is not None
        tau = self.temperature.unsqueeze(-1)
        direction, quadratic = reward.linear(), reward.quadratic()
        if not isinstance(law.parts, Normal) or (direction is None and quadratic is None):
            raise unknown(self, reward, law)
        if direction is not None:
            odds, parts = _tilted_parts(law.parts, (direction / tau).unsqueeze(-2), None)
        else:
            assert quadratic is not None
            eta = (quadratic[1] / self.temperature).unsqueeze(-1)
            odds, parts = _tilted_parts(law.parts, (quadratic[0] / tau).unsqueeze(-2), eta)
        return Mixture(_tilted(law.weights, odds), parts)

    def free(self) -> dict[str, Tensor]:
        return {"temperature": self.temperature}

    def freed(self, name: str, value: Tensor) -> Self:
        return self.rebuild({"temperature": value})

    def curate(self, slate: Slate, reward: Reward | None, rng: Stream) -> Tensor:
        """Samples of the tilted law, from the same noise as the raw ones."""
        return self.law(slate.law(), reward).push(slate.noise())

    def __repr__(self) -> str:
        return f"Tilt(temperature={float(self.temperature.mean()):.4g})"


@dataclass(frozen=True, eq=False, repr=False)
class Shift(Curator):
    """Curation moves every sample by a fixed vector: what a linear taste does to a normal law (``a = Σg``)."""

    vector: Tensor
    rank: int
    needs_reward = False
    chooses = False
    pools = False

    def __init__(self, vector: Any) -> None:
        object.__setattr__(self, "vector", as_numbers(vector, "Shift(vector)"))
        object.__setattr__(self, "rank", self.vector.ndim)

    def shift(self) -> Tensor:
        return self.vector

    def free(self) -> dict[str, Tensor]:
        """Its ``strength ‖a‖``; the direction stays."""
        return {"strength": self.vector.flatten(self.vector.ndim - self.rank).norm(dim=-1)}

    def freed(self, name: str, value: Tensor) -> Self:
        factor = value / self.free()[name]
        return self.rebuild({"vector": self.vector * factor.reshape(*factor.shape, *(1,) * self.rank)})

    def curate(self, slate: Slate, reward: Reward | None, rng: Stream) -> Samples:
        x = slate.candidate(0)
        return x.answered(x.outputs + self.vector) if isinstance(x, Pairs) else x + self.vector

    def __repr__(self) -> str:
        return f"Shift(|a| = {float(self.vector.norm()):.4g})"


@dataclass(frozen=True, eq=False, repr=False)
class Blind(Curator):
    """Users who do not look: what is kept is as it was."""

    needs_reward = False
    chooses = False
    pools = False
    blind = True

    def law(self, law: Law, reward: Reward | None = None, memo: dict[Any, Any] | None = None) -> Law:
        return law

    def curate(self, slate: Slate, reward: Reward | None, rng: Stream) -> Samples:
        return slate.candidate(0)

    def __repr__(self) -> str:
        return "Blind()"


def _tilted(p: Tensor, r: Tensor) -> Tensor:
    """``p e^r / Σ p e^r``; without logarithms of ``p``, so that it has a derivative where a symbol has died out."""
    top = torch.where(p > 0, r, -torch.inf).amax(-1, keepdim=True)
    weighted = p * (r - top).clamp(max=_STEEPEST).exp()
    return weighted / weighted.sum(-1, keepdim=True)


def _tilted_parts(law: Normal, direction: Tensor, curvature: Tensor | None) -> tuple[Tensor, Normal]:
    """``log E[e^r]`` of normal laws and their tilts, ``r(x) = ⟨g, x⟩ − η/2·‖x‖²``.

    About the mean ``r = r(m) + ⟨g − ηm, y⟩ − η/2·‖y‖²``: ``log E = r(m) + ½ hᵀΣ'h − ½ log det(I + ηΣ)``.
    """
    level = (direction * law.mean).sum(-1)
    if curvature is None:
        moved = law.spread(direction.expand_as(law.mean))
        return level + 0.5 * (direction * moved).sum(-1), law.shift(moved)
    level = level - 0.5 * curvature * law.mean.square().sum(-1)
    slope = direction - curvature.unsqueeze(-1) * law.mean
    centred = law.shift(-law.mean)
    curvature = curvature.expand(level.shape)
    tilted = _quadratic_tilt(centred, slope, curvature)
    if law.scale is not None:
        volume = law.mean.shape[-1] * (1 + curvature * law.scale**2).log()
    else:
        eye = torch.eye(law.mean.shape[-1], dtype=law.mean.dtype, device=law.mean.device)
        volume = torch.linalg.slogdet(eye + curvature[..., None, None] * law.covariance)[1]
    return level + 0.5 * (slope * tilted.mean).sum(-1) - 0.5 * volume, tilted.shift(law.mean)


def _quadratic_tilt(law: Normal, direction: Tensor, curvature: Tensor) -> Normal:
    """``exp(⟨g, x⟩ − η/2·‖x‖²)`` times a normal law; NaN where the product has no integral."""
    if law.scale is not None:
        shrink = 1 + curvature * law.scale**2
        shrink = torch.where(shrink > 0, shrink, torch.nan)
        mean = (law.mean + law.spread(direction)) / shrink.unsqueeze(-1)
        return Normal(mean, scale=law.scale / shrink.sqrt())
    eta = curvature.unsqueeze(-1).unsqueeze(-1)
    inner = (
        torch.eye(law.factor.shape[-1], dtype=law.mean.dtype, device=law.mean.device) + eta * law.factor.mT @ law.factor
    )
    lower, info = torch.linalg.cholesky_ex(inner)
    lower = torch.where((info == 0).unsqueeze(-1).unsqueeze(-1), lower, torch.nan)
    factor = torch.linalg.solve_triangular(lower, law.factor.mT, upper=False).mT  # Σ' = F'F'ᵀ

    # μ' = (I + ηΣ)⁻¹(μ + Σg), and (I + ηΣ)⁻¹ = I − ηΣ'
    raw = law.mean + law.spread(direction)
    inner_raw = (factor * raw.unsqueeze(-1)).sum(-2)
    mean = raw - curvature.unsqueeze(-1) * (factor * inner_raw.unsqueeze(-2)).sum(-1)
    return Normal(mean, lambda: factor @ factor.mT, factor=lambda: factor)
