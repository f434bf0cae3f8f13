"""Mixtures: laws of several components that stay apart, so that one can say which of them a sample came from."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ecosystem.core.laws import Law, Moments, Taste, pick


class Mixture(Moments):
    """``Σ_j weights[..., j] · parts[..., j]``: ``weights [*batch, C]``, ``parts`` of batch ``[*batch, C]``.

    Users look at samples, not at where they come from: a curator keeps ``w_j E_j[h]`` of component ``j``, with ``h``
    the chance that it gives a sample, relative to that of any. A selection gives a mixture again.

    >>> from ecosystem.core.laws import Normal
    >>> law = Mixture(torch.tensor([0.5, 0.5]), Normal(torch.tensor([[0.0], [2.0]]), scale=torch.ones(2)))
    >>> law.mean, law.covariance
    (tensor([1.]), tensor([[2.]]))
    """

    def __init__(self, weights: Tensor, parts: Moments) -> None:
        mean = (weights.unsqueeze(-1) * parts.mean).sum(-2)

        def covariance() -> Tensor:
            centred = parts.mean - mean.unsqueeze(-2)
            spread = parts.covariance + centred.unsqueeze(-1) * centred.unsqueeze(-2)
            return (weights.unsqueeze(-1).unsqueeze(-1) * spread).sum(-3)

        super().__init__(mean, covariance)
        self.weights, self.parts = weights, parts

    def select(self, reward: Taste | None, curator: Any, memo: dict[Any, Any] | None = None) -> Law:
        return curator.on_mixture(self, reward)

    def push(self, noise: Tensor) -> Tensor:
        """Samples from noise ``[*batch, 1 + d]``: a uniform number that picks a component, and what that is made of."""
        component = pick(self.weights, noise[..., 0]).unsqueeze(-1)
        drawn = self.parts.push(noise[..., 1:].unsqueeze(-2).expand(*self.weights.shape, noise.shape[-1] - 1))
        return torch.take_along_dim(drawn, component.unsqueeze(-1), -2).squeeze(-2)

    def take(self, index: Any) -> Mixture:
        return Mixture(self.weights[index], self.parts.take(index))

    def shift(self, vector: Tensor) -> Mixture:
        return Mixture(self.weights, self.parts.shift(vector.unsqueeze(-2) if vector.ndim > 1 else vector))

    def linear(self, matrix: Tensor, offset: Tensor) -> Mixture:
        offset = offset.unsqueeze(-2) if offset.ndim > 1 else offset
        return Mixture(self.weights, self.parts.linear(matrix.unsqueeze(-3) if matrix.ndim > 2 else matrix, offset))
