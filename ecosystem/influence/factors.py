"""Systems ``x − Bx = b`` on which GMRES stagnates: by sparse factors, also without directions that are free."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import Protocol

import numpy as np
import torch
from scipy import sparse
from scipy.sparse import csgraph
from scipy.sparse.linalg import splu
from torch import Tensor

from ecosystem.influence import krylov

_SOLVED = 1e-7  # relative residual of a system that is solved
_FACTORISED = 12_000  # numbers beyond which factors might fill the memory
_LONG, _THIN = 100_000, 4  # the same of a matrix with so few numbers a row
_ROWS = 1 << 10  # rows that are looked at together
_FILLS = 6  # times the numbers of a matrix that its band may have where its factors are the cheapest way


class Solver(Protocol):
    """What solves ``x − Bx = b``."""

    def solve(self, rhs: Tensor, transposed: bool) -> tuple[Tensor, float]:
        """``(I − B)⁻¹ rhs`` and the worst relative residual of a row."""
        ...


class Iterative(Solver, Protocol):
    """What has nothing but products, and perhaps the matrix ``written`` out."""

    accuracy: float
    columns: int
    inner: torch.dtype  # of corrections

    def times(self, v: Tensor, transposed: bool) -> Tensor: ...

    @property
    def written(self) -> sparse.csr_array | None: ...


class Factors:
    """``I − B + right leftᵀ`` of a sparse ``B``, factorised: for systems on which GMRES stagnates."""

    def __init__(self, matrix: sparse.csr_array, right: sparse.csr_array | None, left: sparse.csr_array | None) -> None:
        gap = sparse.eye_array(matrix.shape[0]) - matrix
        if right is not None and left is not None:  # by a border, which keeps it sparse
            gap = sparse.block_array([[gap, right], [left.T, -sparse.eye_array(right.shape[1])]])
        self._border = gap.shape[0] - matrix.shape[0]
        self._lu = splu(sparse.csc_array(gap))

    @classmethod
    def of(
        cls,
        matrix: sparse.csr_array | None,
        right: sparse.csr_array | None = None,
        left: sparse.csr_array | None = None,
    ) -> Factors | None:
        """None where it is singular, or too large to be factorised."""
        if matrix is None or matrix.shape[0] > (_LONG if is_thin(matrix) else _FACTORISED):
            return None
        try:
            return cls(matrix, right, left)
        except (RuntimeError, MemoryError):
            return None

    def __call__(self, rhs: Tensor, transposed: bool) -> Tensor:
        columns = np.pad(rhs.numpy().astype(np.float64).T, [(0, self._border), (0, 0)])
        x = self._lu.solve(np.ascontiguousarray(columns), "T" if transposed else "N")
        return torch.from_numpy(np.ascontiguousarray(x[: rhs.shape[1]].T))


def directly(factors: Callable[[], Factors | None], transposed: bool) -> Callable[[Tensor], Tensor | None]:
    """What solves by factors, made when they are first asked for."""

    def direct(b: Tensor) -> Tensor | None:
        made = factors()
        return None if made is None else made(b, transposed)

    return direct


def is_narrow(matrix: sparse.csr_array) -> bool:
    """Whether factors hardly fill: members who read those nearby, on a ring, in a grid of few columns.

    By the band of an order that puts together who reads each other (Cuthill and McKee 1969).
    """
    if not matrix.nnz or matrix.shape[0] > _LONG:
        return False
    place = np.empty(matrix.shape[0], dtype=np.int64)
    ones = np.ones(matrix.nnz, dtype=np.int8)  # whose sizes do not matter takes an eighth of the memory
    pattern = sparse.csr_matrix((ones, matrix.indices, matrix.indptr), shape=matrix.shape)
    place[csgraph.reverse_cuthill_mckee(pattern, symmetric_mode=False)] = np.arange(len(place))
    band, starts = 0, matrix.indptr.tolist()
    for row in range(0, len(place), _ROWS):
        last = min(row + _ROWS, len(place))
        columns = place[matrix.indices[starts[row] : starts[last]]]
        rows = np.repeat(place[row:last], np.diff(matrix.indptr[row : last + 1]))
        band = max(band, int(np.abs(rows - columns).max(initial=0)))
    return 2 * band * len(place) <= _FILLS * matrix.nnz


def is_thin(matrix: sparse.csr_array) -> bool:
    return matrix.nnz <= _THIN * matrix.shape[0]


class Deflated:
    """``B − right leftᵀ`` where that cannot be written out."""

    def __init__(
        self,
        operator: Iterative,
        right: sparse.csr_array,
        left: sparse.csr_array,
    ) -> None:
        self.operator, self.right, self.left = operator, right, left

    def _times(self, v: Tensor, transposed: bool) -> Tensor:
        first, then = (self.right, self.left) if transposed else (self.left, self.right)
        return self.operator.times(v, transposed) - torch.from_numpy((then @ (first.T @ v.numpy().T)).T).to(v.dtype)

    def solve(self, rhs: Tensor, transposed: bool) -> tuple[Tensor, float]:
        direct = directly(lambda: self._factors, transposed)
        return solved(partial(self._times, transposed=transposed), rhs, direct, self.operator)

    @cached_property
    def _factors(self) -> Factors | None:
        return Factors.of(self.operator.written, self.right, self.left)


def solved(
    product: krylov.Operator, rhs: Tensor, direct: Callable[[Tensor], Tensor | None], operator: Iterative
) -> tuple[Tensor, float]:
    """``x − product(x) = rhs`` by GMRES or directly, some columns at a time, and the worst residual."""
    parts = rhs.split(operator.columns)
    found = [krylov.solve_surely(product, part, operator.accuracy, direct, operator.inner) for part in parts]
    return torch.cat([s.x for s in found]), max((float(s.residual.max()) for s in found), default=0.0)


def probed(operator: Iterative, size: int) -> float:
    """``1/‖(I − B)⁻¹‖``, about: where it is singular nothing solves for a right-hand side that was drawn."""
    drawn = torch.from_numpy(np.random.default_rng(0).normal(size=(1, size)))
    x, residual = operator.solve(drawn, False)
    return 0.0 if not residual <= _SOLVED else float(drawn.norm() / x.norm().clamp(min=1e-300))
