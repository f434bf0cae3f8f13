"""Tastes that are a torch module of the user's own, whose parameters can be learned."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.utils import parameters_to_vector

from ecosystem.core.check import brief, returned
from ecosystem.core.laws import Finite
from ecosystem.core.samples import Samples, only_shown, outputs
from ecosystem.rewards.base import Reward


@dataclass(frozen=True, eq=False, repr=False)
class Neural(Reward):
    """``r(x) = module(x)`` for a torch module ``[n, *event] -> [n]`` (or ``[n, 1]``), whose parameters are its state.

    What ``learned(comparisons, form=Neural(module))`` moves. The module is copied, set to evaluate and to float64;
    vectors are shown to it as float64, symbols as integers (an ``nn.Embedding``, say). The expectation is exact on a
    finite alphabet.

    Raises
    ------
    TypeError
        If ``module`` is none, or has no parameters that require a gradient.

    >>> _ = torch.manual_seed(0)
    >>> taste = Neural(nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)))
    >>> taste(torch.zeros(4, 2)).shape, taste.state().shape
    (torch.Size([4]), torch.Size([13]))
    """

    weights: Tensor
    module: nn.Module

    def __init__(self, module: nn.Module) -> None:
        if not isinstance(module, nn.Module):
            raise TypeError(f"Neural(module) must be a torch module [n, *event] -> [n], got {brief(module)}")
        own = copy.deepcopy(module).double().eval()
        free = [p for p in own.parameters() if p.requires_grad]
        if not free:
            raise TypeError("Neural(module) has no parameters that require a gradient, so there is nothing to learn")
        object.__setattr__(self, "weights", parameters_to_vector(free).detach().clone())
        object.__setattr__(self, "module", own)

    def judge(self, x: Samples, batch: int = 1) -> Tensor:
        with only_shown(x, "reward", self, "write x = 2 * x instead of x.mul_(2), or judge x.clone()"):
            return self._values(outputs(x), batch)

    def __call__(self, x: Tensor) -> Tensor:
        return self._values(x, max(1, self.weights.ndim - 1))

    def on_symbols(self, law: Finite) -> Tensor:
        return self._values(law.symbols.expand(*self.weights.shape[:-1], -1), self.weights.ndim)

    def state(self) -> Tensor:
        return self.weights

    def with_state(self, state: Tensor) -> Self:
        return self.rebuild({"weights": state})

    def _values(self, x: Tensor, batch: int) -> Tensor:
        """The values of ``x`` with so many batch dimensions, the first of which are those of the weights."""
        own, shape, event = self.weights.shape[:-1], x.shape[:batch], x.shape[batch:]
        if not own:
            return self._one(self.weights, x.reshape(-1, *event)).reshape(shape)
        cells = torch.broadcast_shapes(own, shape[: len(own)])
        weights = self.weights.expand(*cells, -1).reshape(math.prod(cells), -1)
        x = x.expand(*cells, *x.shape[len(own) :]).reshape(len(weights), -1, *event)
        return vmap(self._one)(weights, x).reshape(*cells, *shape[len(own) :])

    def _one(self, weights: Tensor, x: Tensor) -> Tensor:
        """``[n]`` for weights ``[p]`` and samples ``[n, *event]``."""
        parameters, at = {}, 0
        for name, old in self.module.named_parameters():
            if old.requires_grad:
                parameters[name] = weights[at : at + old.numel()].reshape(old.shape)
                at += old.numel()
        value = functional_call(self.module, parameters, (x.double() if x.is_floating_point() else x,))
        if value.shape not in ((len(x),), (len(x), 1)):
            raise ValueError(
                f"the module of {self} returned {returned(value)} for samples of shape {tuple(x.shape)}; it must "
                f"return one number for each sample, shape {(len(x),)}"
            )
        return value.reshape(len(x))

    def __repr__(self) -> str:
        return f"Neural({type(self.module).__name__}, {self.weights.shape[-1]} weights)"
