"""Transforms: how a consumer reads what a producer wrote. Any callable on samples is one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor

from ecosystem.core.laws import Finite, Law, Moments, NoPopulationLaw
from ecosystem.core.stacking import Stackable
from ecosystem.rewards import as_numbers


@dataclass(frozen=True, eq=False, repr=False)
class LinearMap(Stackable):
    """``y = A x + b`` on vectors: ``matrix [e, d]``, ``offset [e]``.

    >>> import torch
    >>> LinearMap([[0.0, 2.0]])(torch.tensor([1.0, 3.0], dtype=torch.float64))
    tensor([6.], dtype=torch.float64)
    """

    matrix: Tensor
    offset: Tensor

    def __init__(self, matrix: Any, offset: Any = None) -> None:
        tensor = as_numbers(matrix, "LinearMap(matrix)")
        if tensor.ndim != 2:
            raise ValueError(f"LinearMap(matrix) must be a matrix [out, in], got shape {tuple(tensor.shape)}")
        shift = tensor.new_zeros(tensor.shape[0]) if offset is None else as_numbers(offset, "LinearMap(offset)")
        if shift.shape != tensor.shape[:1]:
            raise ValueError(f"LinearMap(offset) must have shape {tuple(tensor.shape[:1])}, got {tuple(shift.shape)}")
        object.__setattr__(self, "matrix", tensor)
        object.__setattr__(self, "offset", shift)

    def __call__(self, x: Tensor) -> Tensor:
        return (self.matrix * x.unsqueeze(-2)).sum(-1) + self.offset

    def law(self, law: Law) -> Law:
        if isinstance(law, Finite):
            raise TypeError("LinearMap acts on vectors, this flow carries symbols; use a callable symbol -> symbol")
        return law.linear(self.matrix, self.offset)

    def __repr__(self) -> str:
        return f"LinearMap({self.matrix.shape[-2]}x{self.matrix.shape[-1]})"


@dataclass(frozen=True, eq=False, repr=False)
class CustomMap(Stackable):
    """A callable of the user's own on samples ``[n, *event] -> [n, *event']``."""

    function: Callable[[Tensor], Tensor]

    def __call__(self, x: Tensor) -> Tensor:
        return self.function(x)

    def law(self, law: Law) -> Law:
        """On a finite alphabet every map has an exact law; elsewhere none is known."""
        if isinstance(law, Moments):
            raise NoPopulationLaw(f"the transform {self}")
        image = self.function(law.symbols)
        p = law.probabilities
        zero = p.new_zeros(*p.shape[:-1], max(p.shape[-1], int(image.max()) + 1))
        return Finite(zero.index_add(-1, image, p))

    def __repr__(self) -> str:
        return getattr(self.function, "__name__", type(self.function).__name__)


Transform = LinearMap | CustomMap


def as_transform(transform: Any) -> Transform:
    """A transform from one or from any callable on samples."""
    if isinstance(transform, LinearMap | CustomMap):
        return transform
    if callable(transform):
        return CustomMap(cast(Callable[[Tensor], Tensor], transform))
    raise TypeError(f"a transform is a callable on samples, got {transform!r}")
