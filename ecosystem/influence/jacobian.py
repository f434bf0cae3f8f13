"""``B = ∂T/∂Θ``, how the whole network answers a small change of its parameters: as products, or as a matrix."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
import torch
from scipy import sparse
from scipy.sparse import csgraph
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs
from torch import Tensor
from torch.func import vjp

DENSE = 1200  # numbers in Θ up to which matrices are written out
_POWERS = 400  # of B, to see how fast they grow

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
        missing = self.columns - len(v)
        return product(torch.cat([v, v.new_zeros(missing, v.shape[1])]))[: len(v)] if missing else product(v)


def derivative(function: Map, point: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """The value of a function and its derivative along one direction (all three of any shape).

    By pulling twice, as in :class:`Jacobian`: torch's forward mode loads a compiler first, which takes a second.
    """
    value, pull = vjp(function, point)[:2]
    push = vjp(lambda w: pull(w)[0], torch.zeros_like(value))[1]
    return value, push(direction)[0]


def dense(function: Map, point: Tensor, columns: int) -> Tensor:
    """The matrix ``B [size, size]`` of a map at ``point``, worked out ``columns`` rows at a time."""
    size = len(point)
    jacobian = Jacobian(function, point, min(columns, size))
    eye = torch.eye(size, dtype=point.dtype)
    return torch.cat([jacobian.pull(rows) for rows in eye.split(jacobian.columns)])


def radius_of(matrix: Tensor) -> float:
    """The spectral radius of a matrix."""
    return float(torch.linalg.eigvals(matrix).abs().max()) if matrix.numel() else 0.0


def radius_of_sparse(matrix: sparse.csr_array) -> float:
    """The spectral radius of a sparse matrix: the largest among its strongly connected parts."""
    count, part = csgraph.connected_components(matrix, connection="strong")
    sizes = np.bincount(part, minlength=count)
    largest = float(np.abs(matrix.diagonal()[sizes[part] == 1]).max(initial=0.0))
    for number in np.flatnonzero(sizes > 1):
        here = np.flatnonzero(part == number)
        inside = matrix[here][:, here]
        if len(here) <= DENSE:
            largest = max(largest, radius_of(torch.from_numpy(inside.toarray())))
        else:
            largest = max(largest, _radius(lambda v, a=inside: a @ v, len(here)))
    return largest


def radius_by_products(product: Callable[[Tensor], Tensor], size: int) -> float:
    """The spectral radius from products ``[1, size]`` alone."""

    def matvec(v: np.ndarray) -> np.ndarray:
        return product(torch.from_numpy(np.ascontiguousarray(v, dtype=np.float64)).reshape(1, -1))[0].numpy()

    return _radius(matvec, size)


def _radius(matvec: Callable[[np.ndarray], np.ndarray], size: int) -> float:
    """By ARPACK; where it does not converge (many eigenvalues of one modulus), by how fast powers grow."""
    operator = LinearOperator((size, size), matvec=matvec, dtype=np.float64)  # type: ignore[call-arg]
    v, logs = np.random.default_rng(0).normal(size=size), []
    try:
        return float(np.abs(eigs(operator, k=4, v0=v, tol=1e-3, maxiter=60, return_eigenvectors=False)).max())
    except ArpackNoConvergence:
        pass
    for _ in range(2 * _POWERS):
        v = matvec(v)
        norm = float(np.linalg.norm(v))
        if norm == 0:
            return 0.0
        logs.append(np.log(norm))
        v = v / norm
    return float(np.exp(np.mean(logs[_POWERS:])))
