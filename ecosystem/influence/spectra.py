"""Spectral radii: the largest among strongly connected parts, each found so that it can be vouched for.

A matrix whose parts read each other in one direction only is block triangular: its eigenvalues are those of the blocks
on its diagonal. Solvers that see the whole of it do not know that: what a long one-way chain makes of rounding looks to
them like eigenvalues far from any (the pseudospectrum; Trefethen and Embree 2005).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from scipy import sparse
from scipy.sparse import csgraph
from scipy.sparse.linalg import ArpackError, LinearOperator, eigs, splu
from torch import Tensor

from ecosystem.influence.jacobian import DENSE
from ecosystem.influence.parts import Parts, diagonal

_SURE = 32  # numbers of a part whose eigenvalues are left to LAPACK
_SPAN = 3.0  # orders of magnitude of a Perron vector up to which they are
_SLOW = 3000  # numbers up to which they are where nothing else converges
_WRITTEN = 4000  # numbers of one part up to which products are written out as a sparse matrix
_CONVERGED = 1e-8  # relative residual of an eigenvector that is believed
_BOUNDS = 1e-12  # relative distance of two bounds that are one number
_PUSHES, _SHIFTS = 200, 100  # steps of the power method, and of Noda's
_VECTORS = 48  # that ARPACK keeps
_MANY = 100_000  # numbers of a part up to which its bounds are closed to the last digits, whatever it takes
_NOTHING = 1e-100  # of the largest number of a matrix
_ONE = 1e-12  # nearness to 1 of what is 1 but for rounding


def below_one(value: float) -> bool:
    """Whether a radius, rate or bound that was computed is below 1, and not 1 but for rounding: then nothing fades.

    >>> below_one(0.99), below_one(0.9999999999999999), below_one(float("nan"))
    (True, False, False)
    """
    return value < 1 - _ONE


def radius_of(matrix: Tensor) -> float:
    """The spectral radius of a matrix that is written out."""
    return float(_eigenvalues(matrix).abs().max()) if matrix.numel() else 0.0


def _eigenvalues(matrix: Tensor) -> Tensor:
    """The eigenvalues of a matrix; numbers of 1e-100 beside ordinary ones are nothing, and LAPACK chokes on them."""
    nothing = matrix.abs() <= _NOTHING * matrix.abs().max()
    return torch.linalg.eigvals(torch.where(nothing, 0.0, matrix))


def radius_of_dense(matrix: Tensor) -> float:
    """The same by the parts that its zeros show."""
    parts = parts_of(matrix)
    if len(parts) > 1 and max(map(len, parts)) <= _SURE and _apart(matrix, parts):
        return radius_of(matrix)
    return max((_radius_of_part(matrix[here][:, here]) for here in parts), default=0.0)


def abscissa_of(matrix: Tensor) -> float:
    """The largest real part of an eigenvalue of a matrix that is written out, by its parts."""
    parts = parts_of(matrix)
    return max(float(_eigenvalues(matrix[here][:, here]).real.max()) for here in parts)


def parts_of(matrix: Tensor) -> list[Tensor]:
    """The numbers of each strongly connected part of a matrix, in their order."""
    count, part = csgraph.connected_components(sparse.csr_array(matrix.numpy() != 0), connection="strong")
    if count == 1:
        return [torch.arange(len(matrix))]
    order = torch.from_numpy(np.argsort(part, kind="stable"))
    return list(order.split(np.bincount(part, minlength=count).tolist()))


def _apart(matrix: Tensor, parts: list[Tensor]) -> bool:
    """Whether no part reads another."""
    return sum(int((matrix[here][:, here] != 0).sum()) for here in parts) == int((matrix != 0).sum())


def radius_of_sparse(matrix: sparse.csr_array) -> float:
    """The spectral radius of a sparse matrix; NaN where it could not be found."""
    count, part = csgraph.connected_components(matrix, connection="strong")
    sizes = np.bincount(part, minlength=count)
    largest = [float(np.abs(matrix.diagonal()[sizes[part] == 1]).max(initial=0.0))]
    for number in np.flatnonzero(sizes > 1):
        here = np.flatnonzero(part == number)
        inside = sparse.csr_array(matrix[here][:, here])
        few = len(here) <= DENSE
        largest.append(_radius_of_part(torch.from_numpy(inside.toarray())) if few else _radius_of_many(inside))
    return float(np.max(largest))  # NaN if one is


def radius_by_products(product: Callable[[Tensor], Tensor], parts: Parts) -> float:
    """The spectral radius of ``product``, rows ``[columns, size]`` to rows, block triangular in ``parts``.

    NaN where it could not be found.
    """
    small = parts.sizes <= _WRITTEN
    largest = [radius_of_sparse(diagonal(product, parts, small))]
    for number in np.flatnonzero(~small):
        inside = (parts.labels == int(number)).double()

        def matvec(v: np.ndarray, inside: Tensor = inside) -> np.ndarray:
            row = torch.from_numpy(np.ascontiguousarray(v, dtype=np.float64)).reshape(1, -1)
            return (product(row * inside) * inside)[0].numpy()

        largest.append(arnoldi(matvec, len(parts.labels)))
    return float(np.max(largest))


def _radius_of_part(matrix: Tensor) -> float:
    """The spectral radius of one strongly connected part that is written out.

    Where its Perron vector spans many orders of magnitude eigenvalues are those of the matrix scaled by it.
    """
    if len(matrix) <= _SURE or not bool(torch.isfinite(matrix).all()):
        return radius_of(matrix)
    most, scaled, span = _perron(sparse.csr_array(matrix.numpy()))
    if span <= _SPAN:
        return radius_of(matrix)
    return most if bool((matrix >= 0).all()) else radius_of(torch.from_numpy(scaled.toarray()))


def _radius_of_many(matrix: sparse.csr_array) -> float:
    """The spectral radius of one strongly connected part of very many numbers."""
    size = matrix.shape[0]
    if size > _MANY:
        found = _by_powers(matrix) if matrix.data.min() >= 0 else math.nan
        return arnoldi(lambda v: matrix @ v, size) if math.isnan(found) else found
    level, period = _periodic(matrix)
    if period > 1:
        return _by_turns(matrix, level, period)
    most, scaled, _ = _perron(matrix)
    if matrix.data.min() >= 0 and not math.isnan(most):
        return most
    found = math.nan if size <= _VECTORS else arnoldi(lambda v: scaled @ v, size)
    if math.isnan(found) and size <= _SLOW:
        return radius_of(torch.from_numpy(scaled.toarray()))
    return found


def _periodic(matrix: sparse.csr_array) -> tuple[np.ndarray, int]:
    """The distance of every number from the first, and the greatest common divisor of the lengths of all cycles."""
    readers = sparse.csr_array((np.ones(matrix.nnz), matrix.indices, matrix.indptr), shape=matrix.shape).T.tocsr()
    order, before = csgraph.breadth_first_order(readers, 0)
    level = np.zeros(matrix.shape[0], dtype=np.int64)
    for number in order[1:]:
        level[number] = level[before[number]] + 1
    entries = matrix.tocoo()
    rows, columns = entries.coords
    return level, int(np.gcd.reduce(np.abs(level[columns] + 1 - level[rows])))


def _by_turns(matrix: sparse.csr_array, level: np.ndarray, period: int) -> float:
    """Where all cycles are multiples of ``period``: ``ρ^period`` is that of once round, from one class to itself."""
    classes = [np.flatnonzero(level % period == turn) for turn in range(period)]
    first = int(np.argmin([len(members) for members in classes]))
    around = sparse.eye_array(len(classes[first]), format="csr")
    size = 0.0  # logarithm of what was taken out, so that a long way round does not underflow
    for turn in range(first, first + period):
        here, there = (classes[t % period] for t in (turn, turn + 1))
        around = sparse.csr_array(matrix[there][:, here] @ around)
        largest = float(np.abs(around.data).max(initial=0.0))
        if largest == 0:
            return 0.0
        around, size = around / largest, size + math.log(largest)
    once = radius_of_sparse(around)
    return math.exp((size + math.log(once)) / period) if once > 0 else once


def _perron(matrix: sparse.csr_array) -> tuple[float, sparse.csr_array, float]:
    """The spectral radius of ``|B|``, irreducible (NaN where it was not found), ``D⁻¹ B D`` with its Perron vector on
    the diagonal of ``D``, and how many orders of magnitude (base 10) that vector spans.

    Row sums are bounds, and the closer the nearer to the Perron vector a matrix is scaled (Collatz, Wielandt). By
    powers, and where they are slow (long rings) by solving ``(λI − |B|) y = 1``, positive if ``λ`` is above the radius
    and not if it is below: bisection first, Noda's iteration (1971) in the end. What is scaled is the matrix, so that
    the vector may span more than the range of numbers.
    """
    rows, columns, logs = _rows(matrix), matrix.indices, np.zeros(matrix.shape[0])
    data = matrix.data
    for _ in range(_PUSHES):  # plain arrays: to make a matrix of each step takes longer than the step
        sums = np.bincount(rows, np.abs(data), len(logs))
        if sums.max() - sums.min() <= _BOUNDS * sums.max():
            scaled = sparse.csr_array((data, columns, matrix.indptr), shape=matrix.shape)
            return float(sums.max() + sums.min()) / 2, scaled, float(np.ptp(logs))
        step = sums + sums.mean()  # shifted, so that no period keeps it from settling
        data, logs = data * (step[columns] / step[rows]), logs + np.log10(step)
    sums = abs(matrix).sum(1)
    scaled, logs, low, high, careful = matrix, 0 * logs, float(sums.min()), float(sums.max()), False
    for _ in range(_SHIFTS):
        if high - low <= _BOUNDS * high:
            return (low + high) / 2, scaled, float(np.ptp(logs))
        near = careful or high - low <= 1e-2 * high
        shift = high * (1 + 4e-16) if near else (low + high) / 2
        y = splu(sparse.csc_array(shift * sparse.eye_array(len(sums)) - abs(scaled))).solve(np.ones(len(sums)))
        if not bool(np.isfinite(y).all()):
            if careful:
                break
            careful = True  # too near for the range of numbers: from above, then
        elif bool((y > 0).all()):
            scaled, logs = _scaled(scaled, y), logs + np.log10(y)
            sums = abs(scaled).sum(1)
            low, high = max(low, float(sums.min())), min(high, shift, float(sums.max()))
        elif near:
            return high, scaled, float(np.ptp(logs))  # the shift is the radius, but for rounding
        else:
            low = shift
    return math.nan, scaled, float(np.ptp(logs))


def _by_powers(matrix: sparse.csr_array) -> float:
    """The spectral radius of an irreducible ``B ≥ 0`` between bounds ``min (Bx)_i/x_i ≤ ρ ≤ max (Bx)_i/x_i``.

    Collatz 1942. By powers of ``B`` and some of the identity, which no period keeps from settling, and nothing of the
    matrix is copied; NaN where the bounds do not meet.
    """
    x = np.ones(matrix.shape[0])
    for _ in range(_PUSHES):
        y = matrix @ x
        if not x.min() > _NOTHING:
            break
        ratios = y / x
        low, high = float(ratios.min()), float(ratios.max())
        if high - low <= _BOUNDS * high:
            return (low + high) / 2
        x = y + (low + high) / 4 * x
        x /= x.max()
    return math.nan


def _scaled(matrix: sparse.csr_array, x: np.ndarray) -> sparse.csr_array:
    """``D⁻¹ B D`` with ``x`` on the diagonal of ``D``."""
    data = matrix.data * (x[matrix.indices] / x[_rows(matrix)])
    return sparse.csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def _rows(matrix: sparse.csr_array) -> np.ndarray:
    """The row of every entry."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


def arnoldi(matvec: Callable[[np.ndarray], np.ndarray], size: int) -> float:
    """By ARPACK, if an eigenvector of the largest eigenvalue found shows that it is one; NaN elsewhere."""
    operator = LinearOperator((size, size), matvec=matvec, dtype=np.float64)  # type: ignore[call-arg]
    start = np.random.default_rng(0).normal(size=size)
    try:
        vectors = min(_VECTORS, size - 1)
        values, found = eigs(operator, k=4, v0=start, ncv=vectors, tol=0.1 * _CONVERGED, maxiter=300)
    except ArpackError:
        return math.nan
    value, vector = values[np.abs(values).argmax()], found[:, np.abs(values).argmax()]
    image = matvec(vector.real) + 1j * matvec(vector.imag)
    gap = np.linalg.norm(image - value * vector) / np.linalg.norm(vector)
    return float(abs(value)) if gap <= _CONVERGED * abs(value) else math.nan
