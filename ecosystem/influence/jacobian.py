"""``B = ∂T/∂Θ``, how the whole network answers a small change of its parameters: as products, or as a matrix."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor
from torch.func import vjp

from ecosystem.core.memory import Watch, budget, fitting

DENSE = 1200  # numbers in Θ up to which matrices are written out
_SPARE = 64  # how many times what a column was seen to take it may take at another point
_KNOWN: weakref.WeakKeyDictionary[Any, dict[Any, int]] = weakref.WeakKeyDictionary()  # what a column takes, by owner

Map = Callable[[Tensor], Tensor]  # [columns, size] to [columns, size], each column alone


class Jacobian:
    """The derivative of a map at ``point [size]``, applied to ``columns`` vectors at a time by ``torch.func``.

    The map is run once; every product then goes through what it recorded.
    """

    def __init__(self, function: Map, point: Tensor, columns: int = 1) -> None:
        self.columns = columns
        self.value, self._pull = vjp(function, point.repeat(columns, 1))[:2]

    def pull(self, w: Tensor) -> Tensor:
        """``Bᵀ w`` for each row of ``w [columns, size]``: from effects back to causes."""
        return self._filled(lambda full: self._pull(full)[0], w)

    def push(self, v: Tensor) -> Tensor:
        """``B v`` for each row of ``v [columns, size]``: from causes on to effects."""
        return self._filled(lambda full: self._push(full)[0], v)

    @cached_property
    def _push(self) -> Callable[[Tensor], tuple[Tensor, ...]]:
        """``pull`` is linear, so pulling through it is ``push``: no second run of the map, no forward-mode rules."""
        return vjp(lambda w: self._pull(w)[0], torch.zeros_like(self.value))[1]

    def _filled(self, product: Callable[[Tensor], Tensor], v: Tensor) -> Tensor:
        if len(v) > self.columns:
            return torch.cat([self._filled(product, part) for part in v.split(self.columns)])
        missing = self.columns - len(v)
        return product(torch.cat([v, v.new_zeros(missing, v.shape[1])]))[: len(v)] if missing else product(v)


def columns_that_fit(function: Map, point: Tensor, most: int) -> int:
    """How many columns, ``most`` at most, a map and its products may have to stay in the memory's budget.

    Nobody need say what a map costs: it is run with one column, and with three where that does not tell. What one
    takes elsewhere need not be looked at again where many times as much would fit.
    """
    method, over = (function.func, function.keywords) if isinstance(function, partial) else (function, {})
    owner = getattr(method, "__self__", None)
    owner = getattr(owner, "original", None) or owner  # other shares cost as much
    known = {} if owner is None else _KNOWN.setdefault(owner, {})
    key = (getattr(method, "__func__", None), len(point), *(len(many) for many in over.values()))  # rounds, say
    if known.get(key, math.inf) * max(1, most) * _SPARE <= budget():
        return max(1, most)

    def peak(columns: int) -> int:
        with Watch() as watch:
            jacobian = Jacobian(function, point, columns)
            jacobian.push(jacobian.pull(torch.ones_like(jacobian.value)))
        known[key] = max(watch.most // columns, known.get(key, 0))
        return watch.most

    function(point.unsqueeze(0))  # what is kept from call to call is made before it is counted
    return fitting(peak, most)


def derivative(function: Map, point: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """The value of a function and its derivative along one direction (all three of any shape).

    By pulling twice, as in :class:`Jacobian`: torch's forward mode loads a compiler first, which takes a second.
    """
    value, pull = vjp(function, point)[:2]
    push = vjp(lambda w: pull(w)[0], torch.zeros_like(value))[1]
    return value, push(direction)[0]


def dense(function: Map, point: Tensor, columns: int) -> Tensor:
    """The matrix ``B [size, size]`` of a map at ``point``, worked out ``columns`` rows at a time (fewer if need be)."""
    size = len(point)
    jacobian = Jacobian(function, point, columns_that_fit(function, point, min(columns, size)))
    eye = torch.eye(size, dtype=point.dtype)
    return torch.cat([jacobian.pull(rows) for rows in eye.split(jacobian.columns)])
