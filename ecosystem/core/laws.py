"""Laws: what travels along a flow when there are no samples.

Population dynamics trains a model on the distribution itself. Three kinds of knowledge about a distribution are enough
for every closed form here: two moments (:class:`Moments`), a normal law (:class:`Normal`), a law on a finite alphabet
(:class:`Finite`). Events are flattened to vectors of length ``d``; all shapes start with ``[*batch]``. Second moments
are worked out only when somebody asks for them.

A law knows its own kind, a curator what it does to each kind: ``law.select(reward, curator)`` brings the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, reduce
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad

from ecosystem.core.products import congruent, row_product, safe_factor

_FAR = 1e3  # standard deviations: from there on squares take more than six digits of a variance


class NoPopulationLaw(ValueError):
    """Something has no exact law on the population; the message says what, and that ``samples=n`` is the remedy."""

    REMEDY = "has no population law; run it with finite samples: Scenario(..., samples=n)"

    def __init__(self, what: str) -> None:
        said = self.REMEDY.partition(";")[0] in what  # with this remedy, or another
        super().__init__(what if said else f"{what} {self.REMEDY}")


class Taste(Protocol):
    """What a law asks of a reward: its value for every symbol, and whether it is ``⟨g, x⟩``, or of inputs alone."""

    of_inputs: ClassVar[bool]

    def on_symbols(self, law: Finite) -> Tensor:
        """Broadcastable to ``[*batch, n]``."""
        ...

    def linear(self) -> Tensor | None:
        """The direction ``g [*batch, d]``; None of any other reward."""
        ...


class Selection(Protocol):
    """What a law asks of a curator (see :class:`ecosystem.curation.Curator`)."""

    def on_finite(self, p: Tensor, rewards: Tensor | None, memo: dict[Any, Any]) -> Tensor: ...

    def on_gaussian(self, law: Normal, reward: Any) -> Law: ...


class Moments:
    """A law known by its mean ``[*batch, d]`` and covariance ``[*batch, d, d]`` (a tensor, or a function giving it)."""

    def __init__(self, mean: Tensor, covariance: Tensor | Callable[[], Tensor] | None) -> None:
        self.mean = mean
        self._covariance = covariance

    @cached_property
    def covariance(self) -> Tensor:
        assert self._covariance is not None
        return self._covariance() if callable(self._covariance) else self._covariance

    @property
    def trace(self) -> Tensor:
        """Total variance ``tr Σ``, ``[*batch]``."""
        return self.covariance.diagonal(dim1=-2, dim2=-1).sum(-1)

    def spread(self, direction: Tensor) -> Tensor:
        """``Σ g`` for a direction ``[*batch, d]``."""
        return (self.covariance * direction.unsqueeze(-2)).sum(-1)

    def select(self, reward: Taste | None, curator: Selection, memo: dict[Any, Any] | None = None) -> Law:
        """The law of what a curator keeps by a reward; two moments do not tell."""
        raise unknown(curator, reward, self)

    def push(self, noise: Tensor) -> Tensor:
        """Samples from noise: two moments do not tell (TypeError)."""
        raise TypeError("a law that is known by two moments only cannot be drawn from")

    def take(self, index: Any) -> Moments:
        return Moments(self.mean[index], lambda: self.covariance[index])

    def shift(self, vector: Tensor) -> Moments:
        """The law of ``x + vector``."""
        return Moments(self.mean + vector, lambda: self.covariance)

    def linear(self, matrix: Tensor, offset: Tensor) -> Moments:
        """The law of ``matrix x + offset``; ``matrix [*batch, e, d]``."""
        return Moments(_apply(matrix, self.mean) + offset, lambda: congruent(matrix, self.covariance))


class Normal(Moments):
    """``N(mean, Σ)``, with an isotropic standard deviation ``scale [*batch]`` or a covariance (see :class:`Moments`).

    ``factor`` is any ``F`` with ``F Fᵀ = Σ``; by default the Cholesky factor.
    """

    def __init__(
        self,
        mean: Tensor,
        covariance: Tensor | Callable[[], Tensor] | None = None,
        *,
        scale: Tensor | None = None,
        factor: Callable[[], Tensor] | None = None,
    ) -> None:
        super().__init__(mean, covariance)
        self.scale = scale
        self._factor = factor

    @cached_property
    def covariance(self) -> Tensor:
        if self.scale is None:
            return super().covariance
        return torch.diag_embed((self.scale**2).unsqueeze(-1).expand_as(self.mean))

    @cached_property
    def factor(self) -> Tensor:
        if self._factor is not None:
            return self._factor()
        if self.scale is not None:
            return torch.diag_embed(self.scale.unsqueeze(-1).expand_as(self.mean))
        return safe_factor(self.covariance)

    @property
    def trace(self) -> Tensor:
        return super().trace if self.scale is None else self.mean.shape[-1] * self.scale**2

    def spread(self, direction: Tensor) -> Tensor:
        return super().spread(direction) if self.scale is None else self.scale.unsqueeze(-1) ** 2 * direction

    def select(self, reward: Taste | None, curator: Selection, memo: dict[Any, Any] | None = None) -> Law:
        """The law of what a curator keeps by a reward."""
        return curator.on_gaussian(self, reward)

    def deviation(self, direction: Tensor) -> Tensor:
        """The standard deviation of ``⟨g, x⟩``, ``[*batch]``, for a direction ``g [*batch, d]``."""
        return (direction * self.spread(direction)).sum(-1).clamp(min=0).sqrt()

    def selected(self, direction: Tensor, mean: Tensor, variance: Tensor) -> Moments:
        """Moments after a selection by ``u = ⟨g, x − μ⟩/√(gᵀΣg)`` alone, given mean and variance of the kept ``u``."""
        spread = self.spread(direction)
        scale = (direction * spread).sum(-1)
        unit = spread / torch.where(scale > 0, scale, 1.0).sqrt().unsqueeze(-1)

        def covariance() -> Tensor:
            change = (variance - 1).unsqueeze(-1).unsqueeze(-1)
            return self.covariance + change * unit.unsqueeze(-1) * unit.unsqueeze(-2)

        return Moments(self.mean + mean.unsqueeze(-1) * unit, covariance)

    def take(self, index: Any) -> Normal:
        if self.scale is not None:
            return Normal(self.mean[index], scale=self.scale[index])
        return Normal(self.mean[index], lambda: self.covariance[index], factor=lambda: self.factor[index])

    def shift(self, vector: Tensor) -> Normal:
        if self.scale is not None:
            return Normal(self.mean + vector, scale=self.scale)
        return Normal(self.mean + vector, lambda: self.covariance, factor=lambda: self.factor)

    def linear(self, matrix: Tensor, offset: Tensor) -> Normal:
        return Normal(
            _apply(matrix, self.mean) + offset,
            lambda: congruent(matrix, self.covariance),
            factor=lambda: matrix @ self.factor,
        )

    def push(self, noise: Tensor) -> Tensor:
        """Samples ``mean + F z`` from standard normal noise ``z [*batch, d]``."""
        if self.scale is not None:
            return torch.addcmul(self.mean, self.scale.unsqueeze(-1), noise)
        return self.mean + (self.factor * noise.unsqueeze(-2)).sum(-1)


class Finite:
    """A law on the symbols ``0..n−1`` with ``probabilities [*batch, n]``."""

    def __init__(self, probabilities: Tensor) -> None:
        self.probabilities = probabilities

    @property
    def symbols(self) -> Tensor:
        return torch.arange(self.probabilities.shape[-1], device=self.probabilities.device)

    def take(self, index: Any) -> Finite:
        return Finite(self.probabilities[index])

    def within(self, n: int) -> Finite:
        """The same law on the symbols ``0..n−1``; ValueError where it has larger ones."""
        p = self.probabilities
        if p.shape[-1] == n:
            return self
        if p.shape[-1] > n and bool((p[..., n:] != 0).any()):
            raise ValueError(f"a consumer knows the symbols 0..{n - 1}, and its flow carries larger ones; map them")
        return Finite(pad(p, (0, n - p.shape[-1])))

    def select(self, reward: Taste | None, curator: Selection, memo: dict[Any, Any] | None = None) -> Finite:
        """The law of what a curator keeps by a reward; ``memo`` keeps what depends on the reward alone."""
        # one and the same users may choose on several flows, whose alphabets differ
        size = self.probabilities.shape[-1]
        kept: dict[Any, Any] = {} if memo is None else memo.setdefault(("symbols", size), {})
        if "rewards" not in kept:
            kept["rewards"] = None if reward is None else reward.on_symbols(self)
        return Finite(curator.on_finite(self.probabilities, kept["rewards"], kept))

    def push(self, noise: Tensor) -> Tensor:
        """Symbols ``[*batch]`` by inverse transform of uniform noise ``[*batch, 1]``."""
        return pick(self.probabilities, noise.squeeze(-1))


Law = Moments | Finite


def unknown(curator: Any, reward: Any, law: Law | type) -> NoPopulationLaw:
    """The refusal of a selection whose law is not known."""
    kind = law if isinstance(law, type) else type(law)
    return NoPopulationLaw(f"{curator} with the reward {reward} on a {kind.__name__} law")


def pick(weights: Tensor, uniform: Tensor) -> Tensor:
    """Index ``[*batch]`` drawn in proportion to ``weights [*batch, n]`` by one uniform ``[*batch]``."""
    cumulative = weights.cumsum(-1)
    below = cumulative <= (uniform * cumulative[..., -1]).unsqueeze(-1)
    return below.sum(-1).clamp_(max=weights.shape[-1] - 1)


def mix(laws: Sequence[Law], weights: Tensor) -> Law:
    """The mixture ``Σ_i weights[..., i] · laws[i]``; normal laws mix to their moments."""
    finite = [law for law in laws if isinstance(law, Finite)]
    if len(finite) == len(laws):
        return Finite(_average([law.probabilities for law in finite], weights))
    moments = [law for law in laws if isinstance(law, Moments)]
    mean = _average([law.mean for law in moments], weights)

    def covariance() -> Tensor:
        widths = reduce(torch.minimum, [law.covariance.diagonal(dim1=-2, dim2=-1) for law in moments])
        origin = torch.where(far(mean, widths), mean, 0.0).detach()
        centred = [Moments(law.mean - origin, law.covariance) for law in moments]
        second = _average([second_moment(law) for law in centred], weights.unsqueeze(-2))
        return second - (mean - origin).unsqueeze(-1) * (mean - origin).unsqueeze(-2)

    return Moments(mean, covariance)


def far(mean: Tensor, variance: Tensor) -> Tensor:
    """Where squares of a ``mean`` are so much larger than a ``variance`` that their difference loses its digits."""
    return mean.abs() > _FAR * variance.sqrt()


def _average(values: Sequence[Tensor], weights: Tensor) -> Tensor:
    """``Σ_i weights[..., i] · values[i]``."""
    total = weights[..., 0:1] * values[0]
    for i, value in enumerate(values[1:], start=1):
        total = total + weights[..., i : i + 1] * value
    return total


def second_moment(law: Moments) -> Tensor:
    """``E x xᵀ``, ``[*batch, d, d]``."""
    return law.covariance + law.mean.unsqueeze(-1) * law.mean.unsqueeze(-2)


def _apply(matrix: Tensor, vector: Tensor) -> Tensor:
    """``matrix @ vector``, one matrix ``[..., 1, e, d]`` serving all replicates of ``vector [..., replicates, d]``."""
    if vector.ndim > 1 and matrix.ndim == vector.ndim + 1 and matrix.shape[-3] == 1:
        return row_product(vector, matrix.squeeze(-3))
    return row_product(vector.unsqueeze(-2), matrix).squeeze(-2)
