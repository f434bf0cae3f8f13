"""Linear systems with many right-hand sides at once, known only by their products (GMRES in columns).

SciPy's solvers take one right-hand side at a time; here a product with a hundred columns costs little more than with
one, so all of them go through the same iterations together, as replicates do in a run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Operator = Callable[[Tensor], Tensor]  # [columns, size] to [columns, size], linear in each column alone
RESTART = 30  # basis vectors kept of each column
PRODUCTS = 2000  # given up after so many
_TRIED = 300  # the same where there is a cheap way besides
_LEAST = 4  # basis vectors without which it would hardly get anywhere
_MANY, _FEW = 150, 8  # basis vectors where these do not do, of so many columns at a time


@dataclass(frozen=True)
class Solution:
    """``x [columns, size]``, the relative residual of each column, and how many products it took."""

    x: Tensor
    residual: Tensor
    products: int


def solve(
    operator: Operator,
    rhs: Tensor,
    tolerance: float = 1e-12,
    restart: int = RESTART,
    inner: torch.dtype = torch.float64,
    most: int = PRODUCTS,
) -> Solution:
    """``x`` with ``x − operator(x) = rhs``, column by column ``[columns, size]``, by restarted GMRES.

    Saad and Schultz 1986. Corrections may be worked out in another precision, ``inner``, in half the time; residuals
    are not. ``tolerance`` bounds ``‖rhs − x + operator(x)‖ / ‖rhs‖``; where it is not reached the
    residual says so (nothing is raised).
    """
    scale = rhs.norm(dim=-1)
    safe = torch.where(scale > 0, scale, 1.0)
    x, residual = torch.zeros_like(rhs), rhs
    products, best = 0, torch.full_like(scale, torch.inf)
    while True:
        size = residual.norm(dim=-1) / safe
        stuck = bool((size > 0.9 * best).all())
        if bool((size <= tolerance).all()) or not bool(torch.isfinite(size).all()) or products >= most or stuck:
            return Solution(x, size, products)
        best = torch.minimum(best, size)
        unit = torch.where(size > 0, size * safe, 1.0).unsqueeze(-1)
        goal = (0.3 * tolerance * safe / unit.squeeze(-1)).clamp(min=10 * torch.finfo(inner).eps)
        step, used = _cycle(operator, (residual / unit).to(inner), goal.to(inner), restart)
        x = x + step.to(x.dtype) * unit
        residual = rhs - x + operator(x)
        products += used + 1


def basis(columns: int, size: int, room: int = 1 << 40) -> int:
    """The bytes that vectors of one solution hold, at 8 a number."""
    kept = max(_LEAST, min(RESTART, room // max(1, columns * size)))
    return 8 * columns * size * (kept + 6)


def solve_surely(
    operator: Operator,
    rhs: Tensor,
    tolerance: float,
    direct: Callable[[Tensor], Tensor | None],
    inner: torch.dtype = torch.float64,
    cheap: bool = False,
    room: int = 1 << 40,
) -> Solution:
    """:func:`solve`, and where that does not come as near as ``tolerance`` with more vectors, then by ``direct``.

    ``direct`` solves for some columns by other means, or says None; where it is ``cheap``, it comes first. A column
    keeps whatever came nearest. Vectors that are kept have ``room`` numbers.
    """
    columns, numbers = rhs.shape
    restart = max(_LEAST, min(RESTART, room // max(1, columns * numbers)))
    many = max(_LEAST, min(_MANY, room // max(1, min(columns, _FEW) * numbers)))
    found = solve(operator, rhs, tolerance, restart, inner=inner, most=_TRIED if cheap else PRODUCTS)
    x, residual, products = found.x.clone(), found.residual.clone(), found.products
    size = rhs.norm(dim=-1).clamp(min=1e-300)
    others = [lambda b: solve(operator, b, tolerance, many).x, direct]
    for again in reversed(others) if cheap else others:
        left = (~(residual <= tolerance)).nonzero().squeeze(-1)
        if not len(left):  # split() has one part of nothing, too
            break
        for some in left.split(_FEW):
            better = again(rhs[some])
            if better is None:
                break
            gap = (rhs[some] - better + operator(better)).norm(dim=-1) / size[some]
            nearer = ~(gap >= residual[some])
            x[some[nearer]], residual[some[nearer]] = better[nearer], gap[nearer]
    return Solution(x, residual, products)


def _cycle(operator: Operator, residual: Tensor, goal: Tensor, restart: int) -> tuple[Tensor, int]:
    """One GMRES cycle for ``residual [columns, size]``: the correction, and the products it took."""
    columns, size = residual.shape
    norm = residual.norm(dim=-1)
    basis = residual.new_zeros(columns, restart + 1, size)
    basis[:, 0] = residual / _positive(norm).unsqueeze(-1)
    upper = residual.new_zeros(columns, restart + 1, restart)  # Hessenberg, turned into a triangle by rotations
    target = residual.new_zeros(columns, restart + 1)
    target[:, 0] = norm
    rotations: list[tuple[Tensor, Tensor]] = []
    used = 0
    for j in range(restart):
        w = basis[:, j] - operator(basis[:, j])
        column, w = _orthogonal(basis[:, : j + 1], w)
        height = w.norm(dim=-1)
        basis[:, j + 1] = w / _positive(height).unsqueeze(-1)
        column = torch.cat([column, height.unsqueeze(-1)], -1)
        upper[:, : j + 2, j] = _rotated(column, rotations)
        _rotate_target(target, j, rotations[-1])
        used = j + 1
        if bool((target[:, j + 1].abs() <= goal).all()):
            break
    triangle, side = upper[:, :used, :used], target[:, :used, None]
    empty = triangle.diagonal(dim1=-2, dim2=-1) == 0  # columns that were done before
    triangle = triangle + torch.diag_embed(empty.to(triangle.dtype))
    weights = torch.linalg.solve_triangular(triangle, side, upper=True)
    return torch.bmm(weights.mT, basis[:, :used])[:, 0], used


def _orthogonal(basis: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """``w [columns, size]`` without its part along ``basis [columns, j, size]``, and that part's coordinates."""
    along = torch.bmm(basis, w.unsqueeze(-1))
    w = torch.baddbmm(w.unsqueeze(1), along.mT, basis, alpha=-1)[:, 0]
    return along[..., 0], w


def _rotated(column: Tensor, rotations: list[tuple[Tensor, Tensor]]) -> Tensor:
    """A new Hessenberg column after all Givens rotations, the last of which it adds itself."""
    entries = list(column.unbind(-1))
    for i, (cos, sin) in enumerate(rotations):
        entries[i], entries[i + 1] = cos * entries[i] + sin * entries[i + 1], cos * entries[i + 1] - sin * entries[i]
    length = torch.hypot(entries[-2], entries[-1])
    cos = torch.where(length > 0, entries[-2] / _positive(length), 1.0)
    sin = torch.where(length > 0, entries[-1] / _positive(length), 0.0)
    rotations.append((cos, sin))
    entries[-2], entries[-1] = length, torch.zeros_like(length)
    return torch.stack(entries, -1)


def _rotate_target(target: Tensor, j: int, rotation: tuple[Tensor, Tensor]) -> None:
    cos, sin = rotation
    target[:, j + 1] = -sin * target[:, j]
    target[:, j] = cos * target[:, j]


def _positive(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 1.0)
