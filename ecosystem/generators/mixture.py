"""Mixtures of Gaussians: the smallest model that draws recognisable digits."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from ecosystem.core.check import brief
from ecosystem.core.laws import Moments, pick
from ecosystem.core.products import grouped_product, moment, safe_factor
from ecosystem.core.streams import Stream
from ecosystem.generators.closed_form import ClosedForm, parameter, vectors
from ecosystem.generators.gaussian import check_covariance, floored


class GaussianMixture(ClosedForm):
    """``Σ_c weights[c] · N(means[c], covariances[c])``, refitted by one step of expectation–maximisation a round.

    ``weights [C]``, ``means [C, d]``, ``covariances [C, d, d]``; samples have the shape ``event_shape`` (default
    ``(d,)``). The step starts from the current parameters, so components keep their meaning and no labels travel.
    ``floor`` is the smallest variance in any direction. A component that gets less than ``10⁻⁹`` of the data keeps its
    shape. The step depends on the current parameters: there is no population law of the fit.
    """

    PARAMETERS: ClassVar[dict[str, int]] = {"weights": 1, "means": 2, "covariances": 3}
    SETTINGS: ClassVar[tuple[str, ...]] = ("event_shape", "floor")
    weights: Tensor
    means: Tensor
    covariances: Tensor

    def __init__(
        self,
        weights: Any,
        means: Any,
        covariances: Any,
        floor: float = 1e-6,
        event_shape: tuple[int, ...] | None = None,
    ) -> None:
        w = parameter(weights, 1, "GaussianMixture(weights)")
        m = parameter(means, 2, "GaussianMixture(means)")
        s = parameter(covariances, 3, "GaussianMixture(covariances)")
        count, d = m.shape
        if w.shape != (count,) or s.shape != (count, d, d):
            raise ValueError(
                f"GaussianMixture with means {tuple(m.shape)} needs weights {(count,)} and covariances "
                f"{(count, d, d)}, got {tuple(w.shape)} and {tuple(s.shape)}"
            )
        if (w < 0).any() or abs(float(w.sum()) - 1) > 1e-6:
            raise ValueError(f"GaussianMixture(weights) must be at least 0 and add up to 1, got {w.tolist()}")
        shape = (d,) if event_shape is None else event_shape
        if not isinstance(shape, tuple | list | torch.Size) or not all(isinstance(size, int) for size in shape):
            raise TypeError(f"GaussianMixture(event_shape) is a tuple of whole numbers, got {brief(event_shape)}")
        shape = tuple(shape)
        if math.prod(shape) != d:
            raise ValueError(f"GaussianMixture(event_shape={shape}) does not hold the {d} coordinates of its means")
        for c in range(count):
            check_covariance(s[c], floor, f"GaussianMixture(covariances)[{c}]")
        super().__init__(shape, weights=w / w.sum(), means=m, covariances=s)
        self.floor = float(floor)

    @classmethod
    def of_classes(cls, data: Tensor, labels: Tensor, floor: float = 1e-6) -> Self:
        """One Gaussian for each label, fitted by maximum likelihood: ``data [n, *event]``, ``labels [n]``."""
        flat = torch.as_tensor(data, dtype=torch.float64).flatten(1)
        groups = [flat[labels == label] for label in torch.unique(labels)]
        means = torch.stack([group.mean(0) for group in groups])
        covariances = torch.stack([moment(group - group.mean(0), group - group.mean(0)) for group in groups])
        weights = torch.tensor([len(group) / len(flat) for group in groups], dtype=torch.float64)
        return cls(weights, means, floored(covariances, floor), floor, tuple(data.shape[1:]))

    @property
    def dimension(self) -> int:
        return math.prod(self.event_shape)

    def noise(self, n: int, rng: Stream) -> Tensor:
        return torch.cat([rng.at("component").uniform(n, 1), rng.normal(n, self.dimension)], -1)

    def push_from(self, noise: Tensor, index: Tensor) -> Tensor:
        count, d = self.means.shape[-2:]
        component = pick(self.weights.reshape(-1, count)[index], noise[:, 0])
        flat = index * count + component
        factor = safe_factor(self.covariances).reshape(-1, d, d)
        x = self.means.reshape(-1, d)[flat] + grouped_product(noise[:, 1:], flat, factor)
        return x.reshape(-1, *self.event_shape)

    def responsibilities(self, data: Tensor) -> Tensor:
        """``P(component | x)`` under the current parameters: ``data [*batch, n, d]`` to ``[*batch, n, C]``."""
        factor = safe_factor(self.covariances)  # [*batch, C, d, d]
        centred = data.unsqueeze(-3) - self.means.unsqueeze(-2)  # [*batch, C, n, d]
        whitened = torch.linalg.solve_triangular(factor, centred.mT, upper=False)
        log_volume = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        log_density = -0.5 * (whitened**2).sum(-2) - log_volume.unsqueeze(-1)
        return torch.softmax(log_density + self.weights.log().unsqueeze(-1), -2).mT

    def statistic(self, data: Tensor) -> Tensor:
        x = vectors(data, self.means).flatten(data.ndim - len(self.event_shape))
        r = self.responsibilities(x)
        first = moment(r, x)
        weighted = r.mT.unsqueeze(-1) * x.unsqueeze(-3)  # [*batch, C, n, d]
        second = moment(weighted, x.unsqueeze(-3).expand_as(weighted))
        return torch.cat([r.mean(-2), first.flatten(-2), second.flatten(-3)], -1)

    def refit(self, statistic: Tensor) -> Self:
        count, d = self.means.shape[-2:]
        mass, first, second = statistic.split([count, count * d, count * d * d], -1)
        alive = mass > 1e-9
        safe = torch.where(alive, mass, 1.0)
        means = first.unflatten(-1, (count, d)) / safe.unsqueeze(-1)
        covariances = second.unflatten(-1, (count, d, d)) / safe.unsqueeze(-1).unsqueeze(-1)
        covariances = floored(covariances - means.unsqueeze(-1) * means.unsqueeze(-2), self.floor)
        return self.rebuild(
            {
                "weights": mass / mass.sum(-1, keepdim=True),
                "means": torch.where(alive.unsqueeze(-1), means, self.means),
                "covariances": torch.where(alive.unsqueeze(-1).unsqueeze(-1), covariances, self.covariances),
            }
        )

    def law(self) -> Moments:
        """Mean and covariance of the mixture (its law is not normal)."""
        mean = (self.weights.unsqueeze(-1) * self.means).sum(-2)

        def covariance() -> Tensor:
            centred = self.means - mean.unsqueeze(-2)
            spread = self.covariances + centred.unsqueeze(-1) * centred.unsqueeze(-2)
            return (self.weights.unsqueeze(-1).unsqueeze(-1) * spread).sum(-3)

        return Moments(mean, covariance)
