"""The normal family with mean and full covariance."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from ecosystem.core.check import brief, real_number
from ecosystem.core.laws import Finite, Law, Moments, Normal, far, second_moment
from ecosystem.core.products import grouped_product, moment, safe_factor
from ecosystem.core.streams import Stream
from ecosystem.generators.closed_form import ClosedForm, moved, parameter, vectors


class Gaussian(ClosedForm):
    """``N(mean, covariance)``, both fitted by maximum likelihood (moment matching, divisor ``n``).

    Alone on its own ``n`` samples the variance shrinks by ``(n−1)/n`` a round in expectation. ``floor`` is the smallest
    variance in any direction: a collapsing model comes to rest there instead of becoming singular.
    """

    proven: ClassVar[bool] = True
    PARAMETERS: ClassVar[dict[str, int]] = {"mean": 1, "covariance": 2}
    SETTINGS: ClassVar[tuple[str, ...]] = ("event_shape", "floor", "origin")
    mean: Tensor
    covariance: Tensor
    origin: tuple[float, ...] | None  # about which statistics are taken; None: 0

    def __init__(self, mean: Any, covariance: Any, floor: float = 1e-9) -> None:
        tensor = parameter(mean, 1, "Gaussian(mean)")
        matrix = parameter(covariance, 2, "Gaussian(covariance)")
        if matrix.shape != (len(tensor), len(tensor)):
            raise ValueError(
                f"Gaussian(covariance) must have shape {(len(tensor), len(tensor))} to go with a mean of "
                f"{len(tensor)} numbers, got {tuple(matrix.shape)}"
            )
        check_covariance(matrix, floor, "Gaussian(covariance)")
        super().__init__(tuple(tensor.shape), mean=tensor, covariance=matrix)
        self.floor = float(floor)
        self.origin = None

    def about(self, data: Callable[[], Law | None]) -> Self:
        mean, variance, law = self.mean, self.covariance.diagonal(dim1=-2, dim2=-1), data()
        if isinstance(law, Moments):
            mean, variance = law.mean, torch.minimum(variance, law.covariance.diagonal(dim1=-2, dim2=-1))
        remote = far(mean, variance)
        if not bool(remote.any()):
            return self
        new = self.rebuild(self.tensors())
        new.origin = tuple(torch.where(remote, mean, 0.0).tolist())
        return new

    def push(self, noise: Tensor) -> Tensor:
        return Normal(self.mean, self.covariance).push(noise)

    def push_from(self, noise: Tensor, index: Tensor) -> Tensor:
        d = self.event_shape[0]
        factor = safe_factor(self.covariance).reshape(-1, d, d)
        return self.mean.reshape(-1, d)[index] + grouped_product(noise, index, factor)

    def statistic(self, data: Tensor) -> Tensor:
        data = self._from_origin(vectors(data, self.mean), of_samples=True)
        mean = data.mean(-2)
        centred = data - mean.unsqueeze(-2)
        second = moment(centred, centred) + mean.unsqueeze(-1) * mean.unsqueeze(-2)
        return torch.cat([mean, second.flatten(-2)], -1)

    def statistic_of(self, law: Law) -> Tensor:
        if isinstance(law, Finite):
            raise TypeError("Gaussian learns from vectors, this flow carries symbols")
        seen = Moments(self._from_origin(law.mean), lambda: law.covariance)
        return torch.cat([seen.mean, second_moment(seen).flatten(-2)], -1)

    def _from_origin(self, x: Tensor, of_samples: bool = False) -> Tensor:
        if self.origin is None:
            return x
        origin = torch.tensor(self.origin, dtype=x.dtype, device=x.device)
        return x - (origin.unsqueeze(-2) if of_samples else origin)

    def refit(self, statistic: Tensor) -> Self:
        d = self.event_shape[0]
        mean, second = statistic[..., :d], statistic[..., d:].unflatten(-1, (d, d))
        covariance = second - mean.unsqueeze(-1) * mean.unsqueeze(-2)
        mean = mean if self.origin is None else mean + torch.tensor(self.origin, dtype=mean.dtype, device=mean.device)
        return self.rebuild({"mean": mean, "covariance": floored(covariance, self.floor)})

    def scattered(self, rng: Stream) -> Self:
        widest = self.covariance.diagonal(dim1=-2, dim2=-1).amax(-1).sqrt()
        factor = rng.at("spread").normal(1, 1).exp()  # log-normal: at least a few times wider or narrower
        return self.rebuild({"mean": moved(self.mean, widest, rng), "covariance": self.covariance * factor})

    def admissible(self) -> Tensor:
        low = torch.linalg.cholesky_ex(self.covariance).info != 0
        return super().admissible() & ~low

    def tangent(self, change: Tensor) -> Tensor:
        d = self.event_shape[0]
        matrix = change[..., d:].unflatten(-1, (d, d))
        return torch.cat([change[..., :d], (0.5 * (matrix + matrix.mT)).flatten(-2)], -1)

    def law(self) -> Normal:
        return Normal(self.mean, self.covariance)


def floored(covariance: Tensor, floor: float) -> Tensor:
    """``covariance [*batch, d, d]`` with eigenvalues raised to ``floor`` where they lie below; others are untouched."""
    covariance = 0.5 * (covariance + covariance.mT)
    eye = torch.eye(covariance.shape[-1], dtype=covariance.dtype, device=covariance.device)
    low = torch.linalg.cholesky_ex(covariance - floor * eye).info != 0
    low = low & torch.isfinite(covariance).all(-1).all(-1)
    if not low.any():
        return covariance
    values, vectors = torch.linalg.eigh(covariance[low])
    raised = (vectors * values.clamp(min=floor).unsqueeze(-2)) @ vectors.mT
    return covariance.index_put((low,), 0.5 * (raised + raised.mT)) if low.ndim else raised[0]


def check_covariance(matrix: Tensor, floor: float, what: str) -> None:
    """Refuse what is not symmetric with all variances at least ``floor``."""
    if not 0 < real_number(floor) < math.inf:
        raise ValueError(f"floor must be a positive variance, got {brief(floor)}")
    if not torch.allclose(matrix, matrix.mT):
        raise ValueError(
            f"{what} must be symmetric, got {matrix.tolist() if matrix.numel() < 30 else 'one that is not'}"
        )
    smallest = float(torch.linalg.eigvalsh(matrix).min())
    if smallest < floor * (1 - 1e-9):
        raise ValueError(
            f"{what} is singular or not positive definite: its smallest eigenvalue is {smallest:.3g}, below the floor "
            f"{floor:.3g}; add a small multiple of the identity"
        )
