"""How wrong a solution of ``x − Bx = b`` can be, by its residual and a norm in which ``B`` shrinks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from ecosystem.influence import krylov
from ecosystem.influence.spectra import below_one

_VECTORS = 20  # of GMRES, for the weights


class Bound(Protocol):
    """What says how far off a solution can be, by what is left of it at each member, ``gap [nodes]``."""

    def error(self, gap: Tensor) -> float:
        """The most that ``‖x_i − x*_i‖₂`` of a member can be."""
        ...

    def against(self, gap: Tensor) -> float:
        """The most that ``yᵀ b`` of a solution of ``y − Bᵀy = g`` can be off by, if no ``‖b_i‖₂`` is above 1."""
        ...


@dataclass(frozen=True)
class Inverse:
    """``norm ≥ ‖(I − B)⁻¹‖₂``, of a matrix that is factorised: then an error is at most ``norm · ‖b − x + Bx‖₂``."""

    norm: float

    def error(self, gap: Tensor) -> float:
        return self.norm * float(gap.norm())

    def against(self, gap: Tensor) -> float:
        """By ``|gapᵀ (I − B)⁻¹ b| ≤ ‖gap‖₂ norm ‖b‖₂``, where ``‖b‖₂ ≤ √nodes``."""
        return self.norm * float(gap.norm()) * len(gap) ** 0.5


@dataclass(frozen=True, eq=False)
class Certificate:
    """``K w ≤ bound · w`` with ``w [nodes] > 0`` and ``K_ij ≥ ‖B_ij‖₂``.

    In the norm ``‖x‖_w = max_i ‖x_i‖₂ / w_i`` then ``‖B‖ ≤ bound``, so below 1 an error is at most
    ``‖b − x + Bx‖_w / (1 − bound)`` (Collatz 1942; of shares, 1 less the smallest share of real data). Above, it says
    nothing.
    """

    weights: Tensor
    bound: float

    @classmethod
    def of(cls, norms: sparse.csr_array) -> Certificate:
        """That of ``K [nodes, nodes]``: by its row sums, and where they are not below 1 by solving ``w − Kw = 1``."""
        sums = norms.sum(1)
        if not float(sums.max(initial=0.0)) >= 1 - 1e-6:
            return cls(torch.ones(len(sums), dtype=torch.float64), float(sums.max(initial=0.0)))
        ones = torch.ones(1, len(sums), dtype=torch.float64)
        found = krylov.solve(lambda v: torch.from_numpy(norms @ v[0].numpy()).unsqueeze(0), ones, 1e-6, _VECTORS)
        weights = found.x[0].numpy()
        if not bool((weights > 0).all()):
            return cls(torch.ones(len(sums), dtype=torch.float64), float(sums.max()))
        return cls(found.x[0], float(np.max((norms @ weights) / weights)))

    def against(self, gap: Tensor) -> float:
        """The most that ``yᵀ b`` of a solution of ``y − Bᵀy = g`` can be off by, if no ``‖b_i‖₂`` is above 1.

        ``gap [nodes]``: each ``‖(g − y + Bᵀy)_i‖₂``; by ``|gapᵀ (I − B)⁻¹ b| ≤ Σ gap_i w_i ‖b‖_w / (1 − bound)``.
        """
        if not below_one(self.bound):
            return float("inf")
        return float((gap * self.weights).sum() / self.weights.min()) / (1 - self.bound)

    def error(self, gap: Tensor) -> float:
        """The most that a member's ``‖x_i − x*_i‖₂`` can be, of residuals ``gap [nodes]``, each member's 2-norm.

        Infinite where ``B`` is not seen to shrink.
        """
        if not below_one(self.bound):
            return float("inf")
        return float((gap / self.weights).max() * self.weights.max()) / (1 - self.bound)
