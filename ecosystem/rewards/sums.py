"""Sums of rewards: tastes for several things at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Self

import torch
from torch import Tensor

from ecosystem.core.check import brief
from ecosystem.core.laws import Finite, Moments
from ecosystem.core.samples import Samples
from ecosystem.rewards.base import Reward, aligned, as_numbers, as_reward


@dataclass(frozen=True, eq=False, repr=False)
class WeightedSum(Reward):
    """``r(x) = Σ_i w_i r_i(x)``: any rewards (or callables), each with a weight, which may be negative.

    It is of pairs where one of its parts is; the others judge the outputs. Its expectation under a law is the weighted
    sum of its parts', where these have one. A ValueError says where rewards and weights are not one to one, or where
    two parts judge samples of different shapes.

    >>> from ecosystem.rewards import Linear, Quadratic
    >>> both = WeightedSum([Linear([1.0, 0.0]), Quadratic([0.0, 1.0], 2.0)], [0.5, 2.0])
    >>> both, both(torch.tensor([2.0, 1.0]))                         # 0.5 · 2 + 2 · (1 − 5)
    (WeightedSum(0.5 Linear([1, 0]), 2 Quadratic([0, 1], η = 2)), tensor(-7., dtype=torch.float64))
    """

    rewards: tuple[Reward, ...]
    weights: Tensor  # [*batch, parts]

    def __init__(self, rewards: Sequence[Any], weights: Any) -> None:
        if not isinstance(rewards, Sequence):
            raise TypeError(f"WeightedSum(rewards) is a list of rewards, got {brief(rewards)}")
        parts = tuple(as_reward(reward) for reward in rewards)
        numbers = as_numbers(weights, "WeightedSum(weights)")
        if not parts or numbers.shape != (len(parts),):
            raise ValueError(
                f"WeightedSum(rewards, weights) needs one weight for each reward, at least one, got {len(parts)} "
                f"rewards and weights of shape {tuple(numbers.shape)}"
            )
        shapes = {part.event_shape() for part in parts} - {None}
        if len(shapes) > 1:
            raise ValueError(
                f"the rewards of a WeightedSum judge samples of different shapes, {sorted(map(str, shapes))}; "
                "give it rewards of one shape"
            )
        object.__setattr__(self, "rewards", parts)
        object.__setattr__(self, "weights", numbers)

    @property
    def of_pairs(self) -> bool:  # type: ignore[override]
        return any(part.of_pairs for part in self.rewards)

    def __call__(self, x: Samples) -> Tensor:  # type: ignore[override]
        return self.judge(x)

    def judge(self, x: Samples, batch: int = 1) -> Tensor:
        values = [part.judge(x, batch) for part in self.rewards]
        return _weighted(values, aligned(self.weights, 1, values[0].ndim + 1))

    def moments(self, law: Moments) -> Tensor:
        return _weighted([part.moments(law) for part in self.rewards], self.weights)

    def on_symbols(self, law: Finite) -> Tensor:
        return _weighted([part.on_symbols(law) for part in self.rewards], self.weights.unsqueeze(-2))

    def scaled(self, factor: Tensor) -> Self:
        parts = {name: tensor for name, tensor in self.tensors().items() if name != "weights"}
        return self.rebuild({**parts, "weights": self.weights * factor.unsqueeze(-1)})

    def event_shape(self) -> tuple[int, ...] | None:
        return next((shape for part in self.rewards if (shape := part.event_shape()) is not None), None)

    def __repr__(self) -> str:
        weights = self.weights.reshape(-1, len(self.rewards)).mean(0).tolist()
        terms = [f"{weight:.4g} {part}" for weight, part in zip(weights, self.rewards, strict=True)]
        return f"WeightedSum({', '.join(terms)})"


def _weighted(values: list[Tensor], weights: Tensor) -> Tensor:
    """``Σ_i weights[..., i] · values[i]``."""
    return reduce(torch.add, [weights[..., i] * value for i, value in enumerate(values)])
