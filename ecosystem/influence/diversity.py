"""How far members stand from each other, beside how far their real data do."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy import linalg, sparse
from scipy.sparse.linalg import eigsh
from torch import Tensor

from ecosystem.engine.audience import NOWHERE
from ecosystem.engine.wiring import CURATED
from ecosystem.influence.dynamics import Dynamics

_EQUAL = 1e-9  # of shares
_DENSE = 3000  # members up to which all eigenvalues are found


@dataclass(frozen=True)
class Diversity:
    """Mean squared distances of members to their mean, in the numbers that their families are mixed by.

    ``exact`` is that of the members at the stable point ``F = (I − B)⁻¹ c``, ``real`` that of their real data, and
    ``bound`` the most that the graph alone allows: ``real / (1 + λμ₂)²`` where ``B = λ/(1 + λ) W`` with ``W`` symmetric
    and row-stochastic and one ``λ`` for all; ``μ₂`` is the algebraic connectivity of ``I − W``. NaN where something has
    no meaning: ``exact`` and ``real`` need members that are mixed by their shares alone (locations and categoricals
    without transforms, not curated), all of whom have real data; ``bound`` needs that symmetry besides. On graphs that
    are not symmetric diversity can be more than that of the real data.
    """

    exact: float
    real: float
    bound: float

    @classmethod
    def of(cls, dynamics: Dynamics, point: Tensor, matrix: sparse.csr_array, real: np.ndarray) -> Diversity:
        """Of a network at its stable point ``[size]`` with ``B [size, size]`` and real shares ``[members]``."""
        shares = mixing(matrix, dynamics.layout.owners().numpy(), len(dynamics.names))
        parts = dynamics.wiring.components
        changed = any(c.group == CURATED or c.transform != NOWHERE for c in parts)
        if (
            changed
            or shares is None
            or not (real > 0).all()
            or not np.allclose(np.asarray(shares.sum(1)).ravel() + real, 1, atol=_EQUAL)
        ):
            return cls(math.nan, math.nan, math.nan)
        members = torch.stack([point[dynamics.layout.span(i)] for i in range(len(real))]).numpy()
        # T(Θ) = BΘ + c, and c is each member's share of its own real data, where nothing else is added
        means = (members - shares @ members) / real[:, None]
        return cls(spread(members), spread(means), spread(means) * _shrinks(shares, real))


def spread(of: np.ndarray) -> float:
    """The mean squared distance of rows ``[members, numbers]`` to their mean."""
    return float(np.square(of - of.mean(0)).sum(-1).mean())


def mixing(matrix: sparse.csr_array, owners: np.ndarray, members: int) -> sparse.csr_array | None:
    """``D [members, members]`` where ``B = D ⊗ I``: members of one family, mixed by shares; None elsewhere."""
    widths = np.bincount(owners, minlength=members)
    if len(np.unique(widths)) != 1:
        return None
    width, order = int(widths[0]), np.argsort(owners, kind="stable")
    ordered = sparse.csr_array(matrix[order][:, order])
    shares = sparse.csr_array(ordered[::width][:, ::width])
    whole = sparse.kron(shares, sparse.eye_array(width), format="csr")
    return shares if abs(ordered - whole).max() <= _EQUAL else None


def _shrinks(shares: sparse.csr_array, real: np.ndarray) -> float:
    """``1/(1 + λμ₂)²``; NaN where ``W`` is not symmetric or ``λ`` differs."""
    if np.ptp(real) > _EQUAL or len(real) < 2 or abs(shares - shares.T).max() > _EQUAL:
        return math.nan
    read = 1 - real[0]
    if read <= _EQUAL:
        return 1.0
    if len(real) <= _DENSE:
        second = linalg.eigvalsh(shares.toarray(), subset_by_index=[len(real) - 2, len(real) - 2])[0]
    else:
        second = np.sort(eigsh(shares, k=2, which="LA", return_eigenvectors=False))[0]
    return float(1 / (1 + read / real[0] * (1 - second / read)) ** 2)
