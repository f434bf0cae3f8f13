"""Rewards on vectors and symbols, whose expectations are known: linear, quadratic, tabular; and the distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from ecosystem.core.check import one_number
from ecosystem.core.labelled import Labelled
from ecosystem.core.laws import Finite, Moments, NoPopulationLaw
from ecosystem.core.samples import Samples
from ecosystem.rewards.base import Features, Reward, aligned, as_numbers, as_reward


def _numbers(value: Tensor) -> str:
    """A few numbers in full; of more, the first ones and the norm."""
    flat = value.flatten().tolist()
    if len(flat) <= 4:
        return f"[{', '.join(f'{x:.4g}' for x in flat)}]"
    return f"[{', '.join(f'{x:.3g}' for x in flat[:3])}, ...], norm {float(value.norm()):.4g}"


@dataclass(frozen=True, eq=False, repr=False)
class Linear(Reward):
    """``r(x) = ⟨g, x⟩`` for a direction ``g`` of the shape of one sample.

    >>> Linear([1.0, -1.0])(torch.tensor([[2.0, 0.5]], dtype=torch.float64))
    tensor([1.5000], dtype=torch.float64)
    """

    direction: Tensor
    rank: int  # event dimensions

    def __init__(self, direction: Any) -> None:
        tensor = as_numbers(direction, "Linear(direction)")
        object.__setattr__(self, "direction", tensor)
        object.__setattr__(self, "rank", tensor.ndim)

    def __call__(self, x: Tensor) -> Tensor:
        product = aligned(self.direction, self.rank, x.ndim) * x
        return product.sum(tuple(range(-self.rank, 0))) if self.rank else product

    def vector(self) -> Tensor:
        """The direction as a flat vector ``[*batch, d]``."""
        return self.direction.flatten(self.direction.ndim - self.rank)

    def linear(self) -> Tensor:
        return self.vector()

    def moments(self, law: Moments) -> Tensor:
        return (self.vector() * law.mean).sum(-1)

    def event_shape(self) -> tuple[int, ...]:
        return tuple(self.direction.shape[self.direction.ndim - self.rank :])

    def scaled(self, factor: Tensor) -> Self:
        return self.rebuild({"direction": self.direction * _spread(factor, self.rank)})

    def state(self) -> Tensor:
        """The direction as a vector."""
        return self.direction.reshape(*self.direction.shape[: self.direction.ndim - self.rank], -1)

    def with_state(self, state: Tensor) -> Self:
        return self.rebuild({"direction": state.reshape(*state.shape[:-1], *self.event_shape())})

    def features(self) -> Features:
        return None

    def __repr__(self) -> str:
        return f"Linear({_numbers(self.direction)})"


@dataclass(frozen=True, eq=False, repr=False)
class Quadratic(Reward):
    """``r(x) = ⟨g, x⟩ − η/2·‖x‖²``: a taste with an ideal point ``g/η`` (``η`` may be negative).

    ``E r = ⟨g, μ⟩ − η/2·(‖μ‖² + tr Σ)``.
    """

    direction: Tensor
    curvature: Tensor
    rank: int

    def __init__(self, direction: Any, curvature: Any) -> None:
        linear = Linear(direction)
        object.__setattr__(self, "direction", linear.direction)
        object.__setattr__(self, "curvature", one_number(curvature, "Quadratic(curvature)"))
        object.__setattr__(self, "rank", linear.rank)

    def __call__(self, x: Tensor) -> Tensor:
        curvature = aligned(self.curvature, 0, x.ndim - self.rank)[(..., *(None,) * self.rank)]
        value = (aligned(self.direction, self.rank, x.ndim) - 0.5 * curvature * x) * x
        return value.sum(tuple(range(-self.rank, 0))) if self.rank else value

    def vector(self) -> Tensor:
        return self.direction.flatten(self.direction.ndim - self.rank)

    def quadratic(self) -> tuple[Tensor, Tensor]:
        return self.vector(), self.curvature

    def moments(self, law: Moments) -> Tensor:
        square = (law.mean**2).sum(-1) + law.trace
        return (self.vector() * law.mean).sum(-1) - 0.5 * self.curvature * square

    def event_shape(self) -> tuple[int, ...]:
        return tuple(self.direction.shape[self.direction.ndim - self.rank :])

    def scaled(self, factor: Tensor) -> Self:
        direction = self.direction * _spread(factor, self.rank)
        return self.rebuild({"direction": direction, "curvature": self.curvature * factor})

    def __repr__(self) -> str:
        return f"Quadratic({_numbers(self.direction)}, η = {float(self.curvature.mean()):.4g})"


@dataclass(frozen=True, eq=False, repr=False)
class Distance(Reward):
    """``r(x) = −w·‖x − target‖``: users want samples near a target (Euclidean distance, not squared).

    Its expectation has no closed form; the squared distance is ``Quadratic(w·target, w)`` up to a constant.
    """

    target: Tensor
    weight: Tensor
    rank: int

    def __init__(self, target: Any, weight: Any = 1.0) -> None:
        tensor = as_numbers(target, "Distance(target)")
        object.__setattr__(self, "target", tensor)
        object.__setattr__(self, "weight", one_number(weight, "Distance(weight)"))
        object.__setattr__(self, "rank", tensor.ndim)

    def __call__(self, x: Tensor) -> Tensor:
        squares = (x - aligned(self.target, self.rank, x.ndim)) ** 2
        total = squares.sum(tuple(range(-self.rank, 0))) if self.rank else squares
        return -aligned(self.weight, 0, total.ndim) * total.sqrt()

    def event_shape(self) -> tuple[int, ...]:
        return tuple(self.target.shape[self.target.ndim - self.rank :])

    def __repr__(self) -> str:
        return f"Distance({_numbers(self.target)}, weight = {float(self.weight.mean()):.4g})"


@dataclass(frozen=True, eq=False, repr=False)
class Tabular(Reward):
    """A reward for each symbol of a finite alphabet: ``r(x) = values[x]``, ``values [n]``.

    >>> Tabular([0.0, 1.0, 2.0])(torch.tensor([2, 0]))
    tensor([2., 0.], dtype=torch.float64)
    """

    values: Tensor

    def __init__(self, values: Any) -> None:
        tensor = as_numbers(values, "Tabular(values)")
        if tensor.ndim != 1:
            raise ValueError(f"Tabular(values) must have one number for each symbol, got shape {tuple(tensor.shape)}")
        object.__setattr__(self, "values", tensor)

    def __call__(self, x: Tensor) -> Tensor:
        table = aligned(self.values, 1, x.ndim + 1)
        shape = torch.broadcast_shapes(table.shape[:-1], x.shape)
        return table.expand(*shape, table.shape[-1]).gather(-1, x.expand(shape).unsqueeze(-1)).squeeze(-1)

    def on_symbols(self, law: Finite) -> Tensor:
        return self.values

    def symbols(self) -> int:
        return self.values.shape[-1]

    def state(self) -> Tensor:
        """The values: weights of one-hot symbols."""
        return self.values

    def with_state(self, state: Tensor) -> Self:
        return self.rebuild({"values": state})

    def scaled(self, factor: Tensor) -> Self:
        return self.rebuild({"values": self.values * _spread(factor, 1)})

    def features(self) -> Features:
        return torch.eye(self.values.shape[-1], dtype=self.values.dtype, device=self.values.device)

    def __repr__(self) -> str:
        return f"Tabular({_numbers(self.values)})"


@dataclass(frozen=True, eq=False, repr=False, init=False)
class OfInput(Tabular):
    """``r(c, x) = values[c]`` of rows ``(c, x)`` whose first number is an input: a taste for captions, say.

    Raises
    ------
    ValueError
        If there is not one value for each input of the law that it meets.

    >>> OfInput([0.0, 2.0])(torch.tensor([[1.0, 0.3], [0.0, 5.0]]))
    tensor([2., 0.], dtype=torch.float64)
    """

    of_inputs = True

    def __call__(self, x: Tensor) -> Tensor:
        return super().__call__(x[..., 0].long())

    def on_symbols(self, law: Finite) -> Tensor:
        inputs = law.probabilities.shape[-1]
        if self.values.shape[-1] != inputs:
            raise ValueError(f"{self} has {self.values.shape[-1]} values for {inputs} inputs; give one for each")
        return self.values

    def moments(self, law: Moments) -> Tensor:
        if not isinstance(law, Labelled):
            raise NoPopulationLaw(f"the expectation of the reward {self} under a law that does not tell inputs")
        return (law.inputs * self.on_symbols(Finite(law.inputs))).sum(-1)

    def __repr__(self) -> str:
        return f"OfInput({_numbers(self.values)})"


def _spread(factor: Tensor, rank: int) -> Tensor:
    """``factor [*batch]`` as it multiplies numbers ``[*batch, *event]`` of so many event dimensions."""
    return factor.reshape(*factor.shape, *(1,) * rank)


def negated(reward: Reward) -> Reward:
    """``−r``: the taste of users who want the opposite."""
    reward = as_reward(reward)
    if type(reward) not in (Linear, Quadratic, Distance, Tabular):  # a child may judge in another way
        return Opposite(reward)
    flip = {"direction", "curvature", "values", "weight"}
    return reward.rebuild({name: -value if name in flip else value for name, value in reward.tensors().items()})


@dataclass(frozen=True, eq=False, repr=False)
class Opposite(Reward):
    """``−r`` of any reward."""

    reward: Reward

    @property
    def of_pairs(self) -> bool:  # type: ignore[override]
        return self.reward.of_pairs

    def __call__(self, x: Any) -> Tensor:
        return -self.reward(x)

    def judge(self, x: Samples, batch: int = 1) -> Tensor:
        return -self.reward.judge(x, batch)

    def moments(self, law: Moments) -> Tensor:
        return -self.reward.moments(law)

    def on_symbols(self, law: Finite) -> Tensor:
        return -self.reward.on_symbols(law)

    def linear(self) -> Tensor | None:
        direction = self.reward.linear()
        return None if direction is None else -direction

    def event_shape(self) -> tuple[int, ...] | None:
        return self.reward.event_shape()

    def __repr__(self) -> str:
        return f"opposite of {self.reward}"
