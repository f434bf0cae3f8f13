"""Tastes that are linear in features of what users see."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Self

from torch import Tensor

from ecosystem.core.laws import Finite
from ecosystem.core.products import row_product
from ecosystem.core.samples import Samples, flat, outputs
from ecosystem.rewards.base import Features, Reward, aligned, as_numbers

_ROUNDING = 1e-6  # rows that were brought to norm 1 in float32 pass


@dataclass(frozen=True, eq=False, repr=False)
class Preference(Reward):
    """``r_w(x) = ⟨w, φ(x)⟩`` for weights ``w [p]`` and features ``φ`` of norm 1.

    ``features`` is a matrix ``[symbols, p]`` whose rows are ``φ`` of each symbol, or a function
    ``[n, *event] -> [n, p]``, whose norms are not looked at; a whole batch of weights ``[*batch, p]`` shares them. The
    expectation is exact on a finite alphabet. A taste for vectors as they are is :class:`Linear`, one with a weight
    for each symbol :class:`Tabular`. (Wei, Xie, Zhu, Zhang 2026, 2610.09415.)

    Raises
    ------
    ValueError
        If a row of the matrix is not of norm 1, weights and features differ in size, or numbers are not finite.
    TypeError
        If ``features`` is no matrix and no function.

    >>> import torch
    >>> compass = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]
    >>> Preference([0.6, 0.8], compass)(torch.tensor([0, 1, 3]))
    tensor([ 0.6000,  0.8000, -0.8000], dtype=torch.float64)
    """

    weights: Tensor
    phi: Callable[[Tensor], Tensor] | Tensor

    def __init__(self, weights: Any, features: Any) -> None:
        numbers = as_numbers(weights, "Preference(weights)")
        if numbers.ndim != 1:
            raise ValueError(
                f"Preference(weights) must have one number for each feature, got shape {tuple(numbers.shape)}"
            )
        if features is None:
            raise TypeError(
                "Preference(features) is a matrix [symbols, p] or a function of samples; of vectors themselves use "
                "Linear(direction)"
            )
        object.__setattr__(self, "weights", numbers)
        object.__setattr__(self, "phi", features if callable(features) else _matrix(features, len(numbers)))

    # -- as a stackable: one φ for a whole batch of weights --------------------------------------------------------

    def tensors(self) -> dict[str, Tensor]:
        return {"weights": self.weights}

    def rebuild(self, tensors: dict[str, Tensor]) -> Self:
        return super().rebuild({**super().tensors(), **tensors})

    def kind(self) -> Hashable:
        content = self.phi.cpu().numpy().tobytes() if isinstance(self.phi, Tensor) else None
        return super().kind(), content

    # -- as a reward -----------------------------------------------------------------------------------------------

    def __call__(self, x: Tensor) -> Tensor:
        return _score(self.weights, _phi(self, x))

    def judge(self, x: Samples, batch: int = 1) -> Tensor:
        """A function of the user's own is shown one batch dimension, whatever the batch."""
        x = outputs(x)
        if batch == 1:
            return self(x)
        return _score(self.weights, _phi(self, outputs(flat(x, batch))).reshape(*x.shape[:batch], -1))

    def on_symbols(self, law: Finite) -> Tensor:
        features = _phi(self, law.symbols)
        rows = row_product(self.weights.reshape(-1, self.weights.shape[-1]), features)
        return rows.reshape(*self.weights.shape[:-1], len(features))

    def symbols(self) -> int | None:
        """How many symbols it has features for, where it has a matrix of them."""
        return self.phi.shape[0] if isinstance(self.phi, Tensor) else None

    def state(self) -> Tensor:
        return self.weights

    def with_state(self, state: Tensor) -> Self:
        return self.rebuild({"weights": state})

    def features(self) -> Features:
        return self.phi

    def __repr__(self) -> str:
        p = self.weights.shape[-1]
        of = f"{len(self.phi)} symbols" if isinstance(self.phi, Tensor) else getattr(self.phi, "__name__", "samples")
        return f"Preference({p} features of {of}, norm {float(self.weights.norm(dim=-1).mean()):.4g})"


def _phi(taste: Preference, x: Tensor) -> Tensor:
    """``φ(x)``, ``[..., p]``."""
    weights, phi = taste.weights, taste.phi
    if not isinstance(phi, Tensor):
        value = phi(x).to(weights)
    elif x.is_floating_point():
        raise TypeError(
            f"{taste} has a row of features for each symbol, these are vectors of type {x.dtype}; give it a function "
            "of samples"
        )
    else:
        value = phi.to(weights.device)[x]
    if value.shape[-1:] != weights.shape[-1:]:
        raise ValueError(
            f"{taste} has {weights.shape[-1]} weights, and its features have shape {tuple(value.shape)} for samples of "
            f"shape {tuple(x.shape)}; they must end in one number for each weight"
        )
    return value


def _score(weights: Tensor, features: Tensor) -> Tensor:
    """``⟨w, φ⟩`` for weights ``[*batch, p]`` and features ``[*batch, ..., p]``."""
    return (aligned(weights, 1, features.ndim) * features).sum(-1)


def _matrix(features: Any, size: int) -> Tensor:
    matrix = as_numbers(features, "Preference(features)")
    if matrix.ndim != 2 or matrix.shape[1] != size:
        raise ValueError(
            f"Preference(features) must be a matrix [symbols, {size}], a row for each symbol with one number for each "
            f"of {size} weights, got shape {tuple(matrix.shape)}"
        )
    norms = matrix.norm(dim=-1)
    wrong = ((norms - 1).abs() > _ROUNDING).nonzero().flatten().tolist()
    if wrong:
        raise ValueError(
            f"Preference(features) must have rows of norm 1, but row {wrong[0]} has norm {float(norms[wrong[0]]):.6g} "
            f"({len(wrong)} of {len(matrix)} rows differ); divide each row by its norm: "
            "features / features.norm(dim=-1, keepdim=True)"
        )
    return matrix
