"""Three ways to have ``B`` and solve ``x − Bx = b``: written out, sparse, or as products with the engine's map.

All take rows of ``[columns, size]``; ``transposed`` says whether it is ``Bᵀ``.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from typing import Protocol

import numpy as np
import torch
from scipy import sparse
from scipy.linalg import lapack
from torch import Tensor

from ecosystem.core.memory import budget
from ecosystem.influence import krylov, slow
from ecosystem.influence.certificate import Bound, Certificate, Inverse
from ecosystem.influence.factors import Deflated, Factors, Solver, directly, is_narrow, is_thin, probed, solved
from ecosystem.influence.jacobian import Jacobian, Map
from ecosystem.influence.parts import Parts, diagonal
from ecosystem.influence.spectra import radius_by_products, radius_of_dense, radius_of_sparse

Norms = Callable[[], sparse.csr_array]  # those of the blocks between members, [members, members]
_BASIS = 1 << 26  # numbers kept in the solution of one batch of right-hand sides
WIDEST = 24  # right-hand sides solved together: as fast as more of them within a fifth, in less memory
_WRITTEN = 4000  # numbers up to which products are written out where GMRES stagnates


class Operator(Protocol):
    """``B``, multiplied and solved with."""

    way: str  # in words
    scratch: int  # bytes that it holds, about
    certified: bool  # whether it looks for a certificate

    @property
    def certificate(self) -> Bound | None:
        """A norm of members in which ``B`` may be seen to shrink; None where that is not looked for."""
        ...

    def slack(self) -> float:
        """How far ``I − B`` is from singular, about: ``1/‖(I − B)⁻¹‖``; 1 where it is plain that it is not."""
        ...

    def times(self, v: Tensor, transposed: bool) -> Tensor: ...

    def solve(self, rhs: Tensor, transposed: bool) -> tuple[Tensor, float]:
        """``(I − B)⁻¹ rhs`` and the worst relative residual of a row."""
        ...

    def radius(self) -> float:
        """``ρ(B)``, NaN where it could not be found."""
        ...

    def batch(self) -> int | None:
        """How many right-hand sides it takes at a time; None: all."""
        ...

    def diagonal(self) -> sparse.csr_array:
        """A matrix that has the blocks of ``B`` within strongly connected parts (of those that fit the memory)."""
        ...

    def deflated(self, right: sparse.csr_array, left: sparse.csr_array) -> Solver:
        """What solves with ``B − right leftᵀ``, ``[size, k]`` both, instead."""
        ...


class Dense:
    """A matrix ``[size, size]``, factorised once."""

    way, certified = "by a matrix written out and factorised", True

    def __init__(self, matrix: Tensor) -> None:
        self.matrix = matrix
        self.scratch = 3 * 8 * matrix.numel()

    @cached_property
    def _factors(self) -> tuple[Tensor, Tensor, Tensor]:
        return torch.linalg.lu_factor_ex(self._gap)

    @property
    def _gap(self) -> Tensor:
        return torch.eye(len(self.matrix), dtype=self.matrix.dtype) - self.matrix

    def times(self, v: Tensor, transposed: bool) -> Tensor:
        return v @ (self.matrix if transposed else self.matrix.T)

    def solve(self, rhs: Tensor, transposed: bool) -> tuple[Tensor, float]:
        lu, pivots, _ = self._factors
        x = torch.linalg.lu_solve(lu, pivots, rhs.T.contiguous(), adjoint=transposed).T
        gap = (rhs - x + self.times(x, transposed)).norm(dim=-1) / rhs.norm(dim=-1).clamp(min=1e-300)
        return x, float(gap.max()) if len(rhs) else 0.0

    def slack(self) -> float:
        lu, _, singular = self._factors
        if int(singular) or not bool(torch.isfinite(lu).all()):
            return 0.0
        norm = float(self._gap.abs().sum(0).max())
        return norm * float(lapack.dgecon(lu.numpy(), norm)[0])

    @property
    def certificate(self) -> Bound | None:
        return self._inverse

    @cached_property
    def _inverse(self) -> Inverse | None:
        inverse = torch.linalg.lu_solve(*self._factors[:2], torch.eye(len(self.matrix), dtype=self.matrix.dtype))
        norm = float(torch.linalg.matrix_norm(inverse))  # Frobenius': no smaller than the 2-norm
        return Inverse(norm) if np.isfinite(norm) else None

    def radius(self) -> float:
        return radius_of_dense(self.matrix)

    def batch(self) -> int | None:
        return None

    def diagonal(self) -> sparse.csr_array:
        return sparse.csr_array(self.matrix.numpy())

    def deflated(self, right: sparse.csr_array, left: sparse.csr_array) -> Solver:
        return Dense(self.matrix - torch.from_numpy(right.toarray() @ left.toarray().T))


class Sparse:
    """SciPy's compressed rows; batches of right-hand sides go through GMRES in as many threads as torch has."""

    way, certified, inner = "by GMRES on a sparse matrix", True, torch.float64

    def __init__(self, matrix: sparse.csr_array, accuracy: float, norms: Norms | None = None) -> None:
        self.matrix, self._norms = matrix, norms
        self.accuracy = accuracy
        self.threads = torch.get_num_threads()
        basis = min(_BASIS, budget() // (16 * self.threads))
        self.columns = max(1, min(WIDEST, basis // (krylov.RESTART * matrix.shape[0])))  # of each thread
        self._kept: dict[tuple[bool, torch.dtype], sparse.csr_array] = {(False, torch.float64): matrix}
        self.scratch = 32 * matrix.nnz + self.threads * krylov.basis(self.columns, matrix.shape[0])

    def times(self, v: Tensor, transposed: bool) -> Tensor:
        columns = np.ascontiguousarray(v.numpy().T)
        return torch.from_numpy(np.ascontiguousarray((self._as(transposed, v.dtype) @ columns).T))

    def solve(self, rhs: Tensor, transposed: bool) -> tuple[Tensor, float]:
        def product(v: Tensor) -> Tensor:
            return self.times(v, transposed)

        if len(rhs) >= slow.MANY and self._narrow is not None:
            x = self._narrow(rhs, transposed)
            left = (rhs - x + product(x)).norm(dim=-1) / rhs.norm(dim=-1).clamp(min=1e-300)
            if float(left.max()) <= self.accuracy:
                return x, float(left.max())

        direct = directly(lambda: self._factors, transposed)

        def one(part: Tensor) -> krylov.Solution:
            if apart is not None:
                found = slow.solve(apart, product, part, transposed, self.accuracy, torch.float32)
                if bool((found.residual <= self.accuracy).all()):
                    return found
            return krylov.solve_surely(
                product,
                part,
                self.accuracy,
                direct,
                torch.float32,
                is_thin(self.matrix),
            )

        self._as(transposed, torch.float32)  # made before threads ask for it
        apart = self._slow if len(rhs) >= slow.MANY else None
        parts = rhs.split(self.columns)
        with ThreadPoolExecutor(self.threads) as pool:
            solutions = list(pool.map(one, parts))
        return torch.cat([s.x for s in solutions]), max(float(s.residual.max()) for s in solutions)

    @property
    def certificate(self) -> Bound | None:
        return self._shrinks

    @cached_property
    def _shrinks(self) -> Certificate | None:
        return None if self._norms is None else Certificate.of(self._norms())

    @cached_property
    def _factors(self) -> Factors | None:
        return Factors.of(self.matrix)

    @cached_property
    def _narrow(self) -> Factors | None:
        """Factors where they are the cheapest way."""
        try:
            return Factors(self.matrix, None, None) if is_narrow(self.matrix) else None
        except (RuntimeError, MemoryError):  # singular
            return None

    @cached_property
    def _slow(self) -> slow.Slow | None:
        return slow.Slow.of(lambda v: self.times(v, False), self.matrix.shape[0])

    def slack(self) -> float:
        sums = abs(self.matrix).sum(1)
        return 1.0 if float(sums.max(initial=0.0)) < 1 - 1e-6 else probed(self, self.matrix.shape[0])

    def radius(self) -> float:
        return radius_of_sparse(self.matrix)

    def batch(self) -> int | None:
        return self.threads * self.columns

    def diagonal(self) -> sparse.csr_array:
        return self.matrix

    @property
    def written(self) -> sparse.csr_array | None:
        """``B``, written out."""
        return self.matrix

    def deflated(self, right: sparse.csr_array, left: sparse.csr_array) -> Solver:
        return Deflated(self, right, left)

    def _as(self, transposed: bool, dtype: torch.dtype) -> sparse.csr_array:
        key = (transposed, dtype)
        if key not in self._kept:
            matrix = self.matrix.T.tocsr() if transposed else self.matrix
            self._kept[key] = _single(matrix) if dtype == torch.float32 else matrix
        return self._kept[key]


def _single(matrix: sparse.csr_array) -> sparse.csr_array:
    """In single precision; where its numbers stand is not copied."""
    parts = matrix.data.astype(np.float32), matrix.indices, matrix.indptr
    return sparse.csr_array(parts, shape=matrix.shape)


class Products:
    """Nothing but the map: each product goes through what one run of it has recorded."""

    way, certified = "by GMRES on products with the map (whose own memory is besides)", False
    certificate = None

    def __init__(
        self, function: Map, point: Tensor, columns: int, accuracy: float, parts: Parts, rough: Map | None = None
    ) -> None:
        self.accuracy = accuracy
        self.parts = parts
        self.columns = columns
        self.inner = torch.float64 if rough is None else torch.float32  # of corrections; what is left is exact
        self._maps, self._point = {torch.float64: function, torch.float32: rough or function}, point
        self._last: dict[torch.dtype, Jacobian] = {}
        self.size = len(point)
        self.scratch = krylov.basis(columns, self.size)

    def times(self, v: Tensor, transposed: bool) -> Tensor:
        parts = []
        for part in v.split(self.columns):
            jacobian = self._for(len(part), v.dtype)
            parts.append(jacobian.pull(part) if transposed else jacobian.push(part))
        return torch.cat(parts)

    def solve(self, rhs: Tensor, transposed: bool) -> tuple[Tensor, float]:
        direct = directly(lambda: self._factors, transposed)
        return solved(partial(self.times, transposed=transposed), rhs, direct, self)

    @cached_property
    def _factors(self) -> Factors | None:
        return Factors.of(self.written)

    @property
    def written(self) -> sparse.csr_array | None:
        """``B``, written out; None where that is too much."""
        return self._matrix

    @cached_property
    def _matrix(self) -> sparse.csr_array | None:
        if self.size > _WRITTEN:
            return None
        one = Parts(torch.zeros(self.size, dtype=torch.int64), np.zeros(1, dtype=np.int64))
        return diagonal(partial(self.times, transposed=False), one, np.ones(1, dtype=bool))

    def slack(self) -> float:
        return probed(self, self.size)

    def radius(self) -> float:
        return radius_by_products(partial(self.times, transposed=False), self.parts)

    def batch(self) -> int | None:
        return self.columns

    def diagonal(self) -> sparse.csr_array:
        return diagonal(partial(self.times, transposed=False), self.parts, self.parts.sizes <= _WRITTEN)

    def deflated(self, right: sparse.csr_array, left: sparse.csr_array) -> Solver:
        return Deflated(self, right, left)

    def _for(self, count: int, dtype: torch.dtype) -> Jacobian:
        """The map linearised for so many columns at least, and not for many more; the last one is kept."""
        last = self._last.get(dtype)
        if last is None or not count <= last.columns <= 2 * count:
            last = self._last[dtype] = Jacobian(self._maps[dtype], self._point.to(dtype), count)
        return last
