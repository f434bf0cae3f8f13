"""Many right-hand sides at once where few directions fade slowly: these apart, everything else as a series of products.

Members that read many others have a few slow modes (what all agree on) and a bulk that forgets at once. With ``U`` an
orthonormal basis of the slow ones, ``B U ≈ U T``, the series ``x = Σ_t M (B M − M + I)ᵗ b`` with the *spectral
preconditioner* ``M = I + U ((I − T)⁻¹ − I) Uᵀ`` goes as the bulk does (Saad 2011, Numerical Methods for Large
Eigenvalue Problems). It holds no basis and costs no inner products. Nothing is trusted: residuals are measured, and
what they find wanting goes to GMRES.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import linalg
from torch import Tensor

from ecosystem.influence.krylov import Operator, Solution

VECTORS, _STEPS = 40, 8  # of the search, at most
MANY = 16  # right-hand sides from which on they are looked for: it saves each of them twenty products or so
FEW = 8  # vectors where what all agree on is one mode
_SLOW = 0.5  # |eigenvalue| from which on a mode is slow
_PAYS = 0.55  # the rate of the rest up to which a series takes no more products than GMRES
_PROBED = 8  # terms by which that rate is seen
_TERMS, _ROUNDS = 60, 4  # of a series in the inner precision, and how often it is begun again on what is left


@dataclass(frozen=True, eq=False)
class Slow:
    """``basis [size, k]`` of the slow modes, and ``more [k, k] = (I − T)⁻¹ − I``."""

    basis: Tensor
    more: Tensor

    @classmethod
    def of(cls, product: Operator, size: int, vectors: int = VECTORS) -> Slow | None:
        """Those of an operator by subspace iteration; None where the rest would not fade fast enough to pay."""
        if size < 2 * vectors:
            return None
        drawn = np.random.default_rng(0).normal(size=(size, vectors + 1))
        basis, start = np.linalg.qr(drawn[:, 1:])[0], torch.from_numpy(drawn[:, :1].T.copy())

        def image(columns: np.ndarray) -> np.ndarray:
            return product(torch.from_numpy(np.ascontiguousarray(columns.T))).numpy().T

        for _ in range(_STEPS):
            basis = np.linalg.qr(image(basis))[0]
        small = basis.T @ image(basis)
        if not np.isfinite(small).all():
            return None
        upper, turn, kept = linalg.schur(small, sort=lambda re, im: re * re + im * im >= _SLOW**2)
        if kept == vectors:
            return None
        try:
            more = np.linalg.inv(np.eye(kept) - upper[:kept, :kept]) - np.eye(kept)
        except np.linalg.LinAlgError:  # an eigenvalue 1: others see to it
            return None
        slow = cls(torch.from_numpy(np.ascontiguousarray(basis @ turn[:, :kept])), torch.from_numpy(more))
        return slow if slow._rate(product, start) <= _PAYS else None

    def eased(self, v: Tensor, transposed: bool) -> Tensor:
        """``M v`` for rows ``[columns, size]``, or ``Mᵀ v``."""
        basis, more = self.basis.to(v.dtype), self.more.to(v.dtype)
        return v + ((v @ basis) @ (more if transposed else more.T)) @ basis.T

    def series(self, product: Operator, rhs: Tensor, transposed: bool, goal: float) -> Tensor:
        """``x`` with ``x − product(x) ≈ rhs``, until terms are below ``goal`` or do not shrink any more."""
        term = self.eased(rhs, transposed)
        out, left, size = term.clone(), rhs.clone(), rhs.norm(dim=-1)
        first = size
        for _ in range(_TERMS):
            left.sub_(term).add_(product(term))  # in place: of very many members each is gigabytes
            now = left.norm(dim=-1)
            term = self.eased(left, transposed)
            out += term
            if bool((now <= goal * first).all()) or not bool((now < size).any()):
                break
            size = now
        return out

    def _rate(self, product: Operator, start: Tensor) -> float:
        """By how much a term is shorter than the one before, in the long run; by one that was drawn."""
        left, sizes = start, []
        for _ in range(_PROBED):
            term = self.eased(left, False)
            left = left - term + product(term)
            sizes.append(float(left.norm()))
        half = _PROBED // 2
        return (sizes[-1] / max(sizes[half - 1], 1e-300)) ** (1 / (_PROBED - half))


def solve(
    slow: Slow, product: Operator, rhs: Tensor, transposed: bool, tolerance: float, inner: torch.dtype
) -> Solution:
    """``x − product(x) = rhs`` by such series in the precision ``inner``, each on what the last one left."""
    scale = rhs.norm(dim=-1)
    safe = torch.where(scale > 0, scale, 1.0)
    x, residual, best, count = torch.zeros_like(rhs), rhs, torch.full_like(scale, torch.inf), 0

    def counted(v: Tensor) -> Tensor:
        nonlocal count
        count += 1
        return product(v)

    while True:
        size = residual.norm(dim=-1) / safe
        done = bool((size <= tolerance).all()) or not bool(torch.isfinite(size).all())
        if done or count >= _ROUNDS * _TERMS or bool((size > 0.5 * best).all()):
            return Solution(x, size, count)
        best = torch.minimum(best, size)
        unit = torch.where(size > 0, size * safe, 1.0).unsqueeze(-1)
        least = float((0.3 * tolerance / size.max().clamp(min=1e-300)).clamp(min=10 * torch.finfo(inner).eps))
        step = slow.series(counted, (residual / unit).to(inner), transposed, least)
        x += step.to(x.dtype).mul_(unit)
        residual = (rhs - x).add_(counted(x))
