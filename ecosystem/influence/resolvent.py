"""``(I − B)⁻¹``: where a lasting small push at one place leaves the whole network.

Dense where Θ is small; otherwise by GMRES on products, as many right-hand sides at a time as fit the memory.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from functools import cached_property

import torch
from torch import Tensor

from ecosystem.influence import krylov
from ecosystem.influence.dynamics import INSTEAD, Dynamics
from ecosystem.influence.jacobian import DENSE, Jacobian, dense, radius_by_products, radius_of

_BASIS = 1 << 25  # numbers in the basis of one batch of right-hand sides (256 MB)
_ACCURACY = 1e-11
_WIDEST = 128  # columns at a time


class Resolvent:
    """``B`` and ``(I − B)⁻¹`` of a network at ``point [size]``."""

    def __init__(self, dynamics: Dynamics, point: Tensor) -> None:
        self.dynamics = dynamics
        self.point = point
        self.size = len(point)
        self._linear: dict[int, Jacobian] = {}

    @cached_property
    def matrix(self) -> Tensor | None:
        """``B`` written out, where Θ is small."""
        if self.size > DENSE:
            return None
        matrix = dense(self.dynamics.retrained, self.point, self._columns(self.size))
        if not bool(torch.isfinite(matrix).all()):
            raise ValueError(self._no_derivative(matrix))
        return matrix

    @cached_property
    def _factors(self) -> tuple[Tensor, Tensor]:
        assert self.matrix is not None
        return torch.linalg.lu_factor(torch.eye(self.size, dtype=self.point.dtype) - self.matrix)

    @cached_property
    def radius(self) -> float:
        """``ρ(B)``: small changes settle in synchronous rounds if it is below 1, not if it is above."""
        if self.matrix is not None:
            return radius_of(self.matrix)
        return radius_by_products(self._jacobian(1).push, self.size)

    def push(self, v: Tensor) -> Tensor:
        """``B v`` for rows of ``v [columns, size]``."""
        if self.matrix is not None:
            return v @ self.matrix.T
        return self._batched(lambda part: self._jacobian(len(part)).push(part), v)

    def pull(self, w: Tensor) -> Tensor:
        """``Bᵀ w`` for rows of ``w [columns, size]``."""
        if self.matrix is not None:
            return w @ self.matrix
        return self._batched(lambda part: self._jacobian(len(part)).pull(part), w)

    def forward(self, b: Tensor) -> Tensor:
        """``(I − B)⁻¹ b``: lasting pushes ``[columns, size]`` to where they lead."""
        return self._solved(b, transposed=False)

    def adjoint(self, g: Tensor) -> Tensor:
        """``(I − B)⁻ᵀ g``: how much each number counts for a goal, ``[columns, size]``."""
        return self._solved(g, transposed=True)

    def batches(self, count: int) -> Iterable[slice]:
        """Slices of right-hand sides that fit the memory together."""
        step = count if self.matrix is not None else self._columns(count)
        return [slice(at, min(at + step, count)) for at in range(0, count, max(1, step))]

    def _solved(self, rhs: Tensor, transposed: bool) -> Tensor:
        if self.matrix is not None:
            lu, pivots = self._factors
            return torch.linalg.lu_solve(lu, pivots, rhs.T.contiguous(), adjoint=transposed).T
        return self._batched(lambda part: self._by_products(part, transposed), rhs)

    def _by_products(self, rhs: Tensor, transposed: bool) -> Tensor:
        jacobian = self._jacobian(len(rhs))
        solution = krylov.solve(jacobian.pull if transposed else jacobian.push, rhs, _ACCURACY)
        worst = float(solution.residual.max())
        if not worst <= 1e3 * _ACCURACY:
            warnings.warn(
                f"the network's answer was solved for to a relative residual of {worst:.1e} only "
                f"({solution.products} products): I − B is nearly singular, small changes have huge effects",
                RuntimeWarning,
                stacklevel=2,
            )
        return solution.x

    def _batched(self, function: Callable[[Tensor], Tensor], v: Tensor) -> Tensor:
        parts = [function(v[part]) for part in self.batches(len(v))]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _jacobian(self, columns: int) -> Jacobian:
        """The map linearised for ``columns`` at a time; the last one made is kept."""
        if columns not in self._linear:
            self._linear = {columns: Jacobian(self.dynamics.retrained, self.point, columns)}
        return self._linear[columns]

    def _columns(self, wanted: int) -> int:
        numbers = krylov.RESTART * self.size + 4 * self._flowing()
        return max(1, min(wanted, _WIDEST, _BASIS // numbers))

    def _flowing(self) -> int:
        """How many numbers travel along the flows in one product."""
        widths = {block.cohort: block.width for block in self.dynamics.layout.blocks}
        tasks = self.dynamics.tasks()
        return sum(len(task.components) * widths[task.cohort] for task in tasks if task.cohort in widths)

    def _no_derivative(self, matrix: Tensor) -> str:
        rows = ~torch.isfinite(matrix).all(-1)
        owner = self.dynamics.names[int(self.dynamics.layout.owners()[rows][0])]
        return (
            f"the retraining of {owner!r} has no derivative at the stable point (a Gaussian that rests on its floor, "
            f"or a choice with a kink there); change the scenario a little, or {INSTEAD}"
        )
