"""Functions of one number by quadrature: a grid for each number, so few of them at a time, and equal ones once.

What a grid of thousands of nodes makes of a tensor must not be kept for every number of it: its derivatives are worked
out beside the values, by the same grid, and only they are kept for the way back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.func import jacrev, vjp

# [n] to as many numbers of one kind after the other, each a function of its own number alone
Grid = Callable[[Tensor], tuple[Tensor, ...]]
Row = Callable[[Tensor], Tensor]  # [p] to [q]

_NUMBERS = 16  # on grids at a time: their scratch stays in the cache


def by_grid(grid: Grid, x: Tensor) -> tuple[Tensor, ...]:
    """``grid`` of every number of ``x``, each of the shape of ``x``; torch can differentiate it as often as it likes.

    Memory and time do not depend on how many equal numbers there are, nor scratch on how many there are at all.

    >>> x = torch.tensor([1.0, 2.0, 1.0], requires_grad=True)
    >>> (y,) = by_grid(lambda u: (u**3,), x)
    >>> y.sum().backward()
    >>> y.tolist(), x.grad.tolist()
    ([1.0, 8.0, 1.0], [3.0, 12.0, 3.0])
    """
    if forward_ad.unpack_dual(x).tangent is not None:  # forward mode, which nothing here uses: at its full cost
        return tuple(part.reshape(x.shape) for part in grid(x.reshape(-1)))
    if not x.requires_grad:
        return _distinct(grid, x)
    out = _OnGrid.apply(x, grid)
    return out[: len(out) // 2]


class _OnGrid(torch.autograd.Function):
    """The values of a grid and their slopes, one after the other; slopes are differentiable in the same way."""

    @staticmethod
    def forward(x: Tensor, grid: Grid) -> tuple[Tensor, ...]:
        return _distinct(_with_slopes(grid), x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.set_materialize_grads(False)
        ctx.grid = inputs[1]
        ctx.save_for_backward(inputs[0], *output)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, None]:
        x, *out = ctx.saved_tensors
        half = len(out) // 2
        total: Tensor | None = None
        for grad, slope in zip(grads[:half], out[half:], strict=True):
            if grad is not None:
                total = grad * slope if total is None else total + grad * slope
        if any(grad is not None for grad in grads[half:]):
            further = _OnGrid.apply(x, _slopes(ctx.grid))[half:]
            for grad, slope in zip(grads[half:], further, strict=True):
                if grad is not None:
                    total = grad * slope if total is None else total + grad * slope
        return total, None


def _with_slopes(grid: Grid) -> Grid:
    """Values and slopes."""

    def both(x: Tensor) -> tuple[Tensor, ...]:
        values, pull = vjp(grid, x)[:2]
        one, none = torch.ones_like(x), torch.zeros_like(x)
        number = range(len(values))
        return (*values, *(pull(tuple(one if i == j else none for j in number))[0] for i in number))

    return both


def _slopes(grid: Grid) -> Grid:
    """Slopes alone."""

    def slopes(x: Tensor) -> tuple[Tensor, ...]:
        both = _with_slopes(grid)(x)
        return both[len(both) // 2 :]

    return slopes


def by_row(function: Row, x: Tensor) -> Tensor:
    """``function`` of every row of ``x [n, p]``, ``[n, q]``: equal rows once, and differentiable as :func:`by_grid` is.

    >>> x = torch.tensor([[1.0, 2.0], [1.0, 2.0]], requires_grad=True)
    >>> by_row(lambda row: row.prod().reshape(1), x).sum().backward()
    >>> x.grad
    tensor([[2., 1.],
            [2., 1.]])
    """
    if forward_ad.unpack_dual(x).tangent is not None:
        return torch.stack([function(row) for row in x])
    return _OnRows.apply(x, function)[0] if x.requires_grad else _distinct_rows(function, x)


class _OnRows(torch.autograd.Function):
    """The values of a function of rows, ``[n, q]``, and their slopes ``[n, q, p]``, which are differentiable too."""

    @staticmethod
    def forward(x: Tensor, function: Row) -> tuple[Tensor, Tensor]:
        return _distinct_rows(function, x), _distinct_rows(jacrev(function), x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.set_materialize_grads(False)
        ctx.function = inputs[1]
        ctx.save_for_backward(inputs[0], output[1])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, None]:
        x, slopes = ctx.saved_tensors
        total: Tensor | None = None
        if grads[0] is not None:
            total = (grads[0].unsqueeze(-2) @ slopes).squeeze(-2)
        if grads[1] is not None:
            flat = _OnRows.apply(x, lambda row: jacrev(ctx.function)(row).flatten())[1]
            bent = (grads[1].flatten(1).unsqueeze(-2) @ flat).squeeze(-2)
            total = bent if total is None else total + bent
        return total, None


def _distinct_rows(function: Row, x: Tensor) -> Tensor:
    """Every different row once."""
    different, where = torch.unique(x.detach(), dim=0, return_inverse=True)
    return torch.stack([function(row) for row in different])[where]


def _distinct(grid: Grid, x: Tensor) -> tuple[Tensor, ...]:
    """Every different number once, few at a time."""
    different, where = torch.unique(x.detach(), return_inverse=True)
    parts = [grid(part) for part in different.split(_NUMBERS)]
    return tuple(torch.cat(column)[where] for column in zip(*parts, strict=True))
