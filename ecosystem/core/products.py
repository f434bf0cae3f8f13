"""Batched matrix products whose bits do not depend on how many rows stand beside each other.

BLAS treats the last few rows, columns and terms of a product by other kernels, and very small products by others again,
so the same row can get another last bit when more rows (more replicates, more samples) are added. Padding all sides to
multiples of eight keeps every row on one kernel.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
import scipy.sparse as sparse
import torch
from torch import Tensor
from torch.nn.functional import pad

_SIDE = 8
_PADS: ContextVar[bool] = ContextVar("pads", default=True)


@contextmanager
def any_bits() -> Iterator[None]:
    """Inside, row products keep their own sizes: several times faster for few rows, but bits depend on company."""
    token = _PADS.set(False)
    try:
        yield
    finally:
        _PADS.reset(token)


def padded(tensor: Tensor, sides: int) -> Tensor:
    """The last ``sides`` dimensions filled up with zeros to multiples of eight."""
    missing = [-size % _SIDE for size in reversed(tensor.shape[-sides:])]
    return pad(tensor, [n for extra in missing for n in (0, extra)]) if any(missing) else tensor


def row_product(x: Tensor, matrix: Tensor) -> Tensor:
    """``x @ matrixᵀ`` for rows ``x [*batch, m, d]`` and ``matrix [*batch, e, d]``, independent of ``m`` to the bit."""
    if not _PADS.get():
        return torch.matmul(x, matrix.mT)
    product = torch.matmul(padded(x, 2), padded(matrix, 2).mT)
    return product[..., : x.shape[-2], : matrix.shape[-2]]


def moment(x: Tensor, y: Tensor) -> Tensor:
    """``Σ_n x_n y_nᵀ / n`` for ``x [*batch, n, d]`` and ``y [*batch, n, e]``, the same bits whatever the batch."""
    product = torch.matmul(padded(x, 2).mT, padded(y, 2))
    return product[..., : x.shape[-1], : y.shape[-1]] / x.shape[-2]


def congruent(matrix: Tensor, covariance: Tensor) -> Tensor:
    """``A Σ Aᵀ`` for ``A [*batch, e, d]`` and ``Σ [*batch, d, d]`` (batches broadcast)."""
    # contiguous: views of whole sides of eight would reach other kernels
    matrices = matrix.expand(*covariance.shape[:-2], *matrix.shape[-2:]).contiguous()
    return row_product(row_product(covariance.contiguous(), matrices).mT.contiguous(), matrices)  # A (Σ Aᵀ)


def safe_factor(covariance: Tensor) -> Tensor:
    """``F`` with ``F Fᵀ = Σ``: Cholesky's, by eigenvalues where rounding has made ``Σ`` indefinite, NaN where it is."""
    factor, info = torch.linalg.cholesky_ex(covariance)
    wrong = (info != 0) | ~torch.isfinite(factor).all(-1).all(-1)
    if not bool(wrong.any()):
        return factor
    finite = torch.isfinite(covariance).all(-1).all(-1)
    factor = torch.where(wrong[..., None, None], torch.nan, factor)
    mend = wrong & finite
    values, vectors = torch.linalg.eigh(covariance[mend])
    return factor.index_put((mend,), vectors * values.clamp(min=0).sqrt().unsqueeze(-2))


def grouped_product(x: Tensor, group: Tensor, matrices: Tensor) -> Tensor:
    """Row ``i`` of the result is ``matrices[group[i]] @ x[i]``: ``x [m, d]``, ``group [m]``, ``matrices [G, e, d]``.

    The rows of each group are brought together, so that a matrix is read once and not once for every row. The result
    is of the type of the matrices.
    """
    x = x.to(matrices.dtype)
    if x.shape[0] == 0:
        return x.new_zeros(0, matrices.shape[-2])
    present, group = torch.unique(group, return_inverse=True)
    order = torch.argsort(group, stable=True)
    counts = torch.bincount(group)
    first = counts.cumsum(0) - counts
    slot = torch.empty_like(group)
    slot[order] = torch.arange(x.shape[0], device=x.device) - first[group[order]]
    gathered = x.new_zeros(len(present), int(counts.max()), x.shape[-1])
    gathered[group, slot] = x
    return row_product(gathered, matrices[present])[group, slot]


def mixing_matrix(shares: Tensor, origin: Tensor, owner: Tensor, rows: int, origins: int) -> sparse.csr_matrix:
    """The matrix ``[rows, origins]`` with ``shares [E]`` at ``(owner, origin)``; ``owner`` must not decrease."""
    ends = np.searchsorted(owner.numpy(), np.arange(rows + 1))
    return sparse.csr_matrix((shares.numpy(), origin.numpy(), ends), shape=(rows, origins))


def mixing_tensor(shares: Tensor, origin: Tensor, owner: Tensor, rows: int, origins: int) -> Tensor:
    """The same as a sparse tensor, for accelerators: torch's product with it gives the same bits every time."""
    ends = torch.searchsorted(owner, torch.arange(rows + 1, device=owner.device))
    whole = torch.int32 if max(len(owner), origins) < 2**31 else torch.int64
    return torch.sparse_csr_tensor(ends.to(whole), origin.to(whole), shares, (rows, origins))


def mix_rows(
    values: Tensor, shares: Tensor, origin: Tensor, owner: Tensor, rows: int, lengths: Tensor | None = None
) -> Tensor:
    """``out[owner[e]] += shares[e] · values[origin[e]]`` over all ``e``: ``[rows, variants, replicates, Q]``.

    ``values [origins, variants, replicates, Q]``, ``shares [E, variants, replicates or 1]``. It adds in the order of
    ``e``, as SciPy's sparse product does, so both give the same bits. With ``lengths``, how many parts each row has, as
    ``owner`` ascends, it does so on an accelerator too (see :func:`add_rows`).
    """
    return add_rows(values.index_select(0, origin) * shares.unsqueeze(-1), owner, rows, lengths)


def add_rows(parts: Tensor, owner: Tensor, rows: int, lengths: Tensor | None = None) -> Tensor:
    """``out[owner[e]] += parts[e]`` in the order of ``e``, ``[rows, ...]``.

    An accelerator adds what comes to one place in any order, so that sums differ from run to run in their last bits.
    Where ``owner`` ascends, ``lengths`` (how many parts each of the first rows has) tells the segments to add one by
    one.
    """
    if lengths is None:
        return parts.new_zeros(rows, *parts.shape[1:]).index_add_(0, owner, parts)
    sums = torch.segment_reduce(parts, "sum", lengths=lengths, axis=0, unsafe=True, initial=0.0)
    missing = rows - len(lengths)
    return torch.cat([sums, sums.new_zeros(missing, *sums.shape[1:])]) if missing else sums
