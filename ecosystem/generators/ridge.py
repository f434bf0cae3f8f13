"""Linear regression: a normal law of labels given inputs, fitted by ridge regression."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from ecosystem.core.check import brief
from ecosystem.core.laws import Finite, Law, Normal, second_moment
from ecosystem.core.products import grouped_product, moment, row_product, safe_factor
from ecosystem.core.streams import Stream
from ecosystem.generators.closed_form import ClosedForm, moved, parameter, vectors
from ecosystem.generators.gaussian import check_covariance

_ROUNDING = 1e-13  # part of an input's second moment below which the others tell it


class Ridge(ClosedForm):
    """Rows ``(x, y)``, ``x ~ N(0, inputs)`` and ``y = ⟨weights, x⟩ + scale·ξ``; the ``weights [d]`` are fitted.

    A row is a vector of ``d + 1`` numbers, its label last. Whoever makes the rows labels them: others by their weights,
    the truth in ``real=Ridge(truth, scale)``. Retraining takes the weights that minimise ``E(y − ⟨w, x⟩)² +
    penalty·‖w‖²``, which are ``(E xxᵀ + penalty·I)⁻¹ E xy``, exact under every law that is known by two moments. The
    ``scale`` of the noise, the ``penalty`` and the covariance ``inputs [d, d]`` (the identity by default) stay.

    Fewer rows than inputs leave the weights open without a penalty: such a replicate stops, as one that diverges.

    Raises
    ------
    ValueError
        If ``scale`` or ``penalty`` is negative, or ``inputs`` is no covariance of as many inputs as there are weights.

    >>> Ridge([1.0, 2.0], scale=0.5).law().covariance[-1]
    tensor([1.0000, 2.0000, 5.2500], dtype=torch.float64)
    """

    proven: ClassVar[bool] = True
    PARAMETERS: ClassVar[dict[str, int]] = {"weights": 1, "scale": 0, "penalty": 0, "inputs": 2}
    weights: Tensor
    scale: Tensor
    penalty: Tensor
    inputs: Tensor

    def __init__(self, weights: Any, scale: float = 1.0, penalty: float = 0.0, inputs: Any = None) -> None:
        w = parameter(weights, 1, "Ridge(weights)")
        numbers = {name: parameter(x, 0, f"Ridge({name})") for name, x in (("scale", scale), ("penalty", penalty))}
        for name, value in numbers.items():
            if value < 0:
                raise ValueError(f"Ridge({name}) must be at least 0, got {brief(float(value))}")
        eye = torch.eye(len(w), dtype=w.dtype)
        covariance = eye if inputs is None else parameter(inputs, 2, "Ridge(inputs)")
        if covariance.shape != eye.shape:
            raise ValueError(
                f"Ridge(inputs) is the covariance of {len(w)} inputs, of shape {tuple(eye.shape)}, got "
                f"{tuple(covariance.shape)}"
            )
        check_covariance(covariance, 1e-12, "Ridge(inputs)")
        super().__init__((len(w) + 1,), weights=w, inputs=covariance, **numbers)

    def moving(self) -> dict[str, Tensor]:
        return {"weights": self.weights}

    def law(self) -> Normal:
        w, given = self.weights.unsqueeze(-2), self.inputs

        def covariance() -> Tensor:
            beside = row_product(w, given)  # wᵀΣ
            label = (beside * w).sum(-1, keepdim=True) + self.scale[..., None, None] ** 2
            return torch.cat([torch.cat([given, beside], -2), torch.cat([beside.mT, label], -2)], -1)

        return Normal(
            torch.zeros_like(self.weights[..., :1].expand(*self.weights.shape[:-1], w.shape[-1] + 1)),
            covariance,
            factor=self._factor,
        )

    def _factor(self) -> Tensor:
        """``F`` that makes rows of ``d + 1`` standard normals: inputs of the first ``d``, noise of the last."""
        root = safe_factor(self.inputs)
        below = torch.cat([row_product(self.weights.unsqueeze(-2), root.mT), self.scale[..., None, None]], -1)
        return torch.cat([torch.nn.functional.pad(root, (0, 1)), below], -2)

    def push_from(self, noise: Tensor, index: Tensor) -> Tensor:
        return grouped_product(noise, index, self._factor().reshape(-1, *self.event_shape * 2))

    def statistic(self, data: Tensor) -> Tensor:
        rows = vectors(data, self.weights)
        return moment(rows[..., :-1], rows).flatten(-2)  # E x xᵀ beside E x y

    def statistic_of(self, law: Law) -> Tensor:
        if isinstance(law, Finite):
            raise TypeError("Ridge learns from rows (x, y), this flow carries symbols")
        return second_moment(law)[..., :-1, :].flatten(-2)

    def refit(self, statistic: Tensor) -> Self:
        d = self.weights.shape[-1]
        both = statistic.unflatten(-1, (d, d + 1))
        eye = torch.eye(d, dtype=both.dtype, device=both.device)
        second = both[..., :d] + self.penalty[..., None, None] * eye
        factor, info = torch.linalg.cholesky_ex(second)
        left = factor.diagonal(dim1=-2, dim2=-1) ** 2 / second.diagonal(dim1=-2, dim2=-1)  # of what others do not tell
        known = (info == 0) & (left > _ROUNDING).all(-1)
        weights = torch.cholesky_solve(both[..., d:], factor).squeeze(-1)
        weights = torch.where(known.unsqueeze(-1), weights, torch.nan)
        return self.rebuild(self.tensors() | {"weights": weights})

    def scattered(self, rng: Stream) -> Self:
        return self.rebuild(self.tensors() | {"weights": moved(self.weights, self.scale, rng)})
