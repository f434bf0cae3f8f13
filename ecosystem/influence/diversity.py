"""How far members stand from each other, beside how far their real data do."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy import linalg, sparse
from torch import Tensor

from ecosystem.engine.audience import NOWHERE
from ecosystem.engine.wiring import CURATED
from ecosystem.influence.dynamics import Dynamics

_EQUAL = 1e-9  # of shares


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
        if changed or shares is None or not (real > 0).all() or not np.allclose(shares.sum(1) + real, 1, atol=_EQUAL):
            return cls(math.nan, math.nan, math.nan)
        members = torch.stack([point[dynamics.layout.span(i)] for i in range(len(real))]).numpy()
        # T(Θ) = BΘ + c, and c is each member's share of its own real data, where nothing else is added
        means = (members - shares @ members) / real[:, None]
        return cls(spread(members), spread(means), spread(means) * _shrinks(shares, real))


def spread(of: np.ndarray) -> float:
    """The mean squared distance of rows ``[members, numbers]`` to their mean."""
    return float(np.square(of - of.mean(0)).sum(-1).mean())


def mixing(matrix: sparse.csr_array, owners: np.ndarray, members: int) -> np.ndarray | None:
    """``D [members, members]`` where ``B = D ⊗ I``: members of one family, mixed by shares; None elsewhere."""
    widths = np.bincount(owners, minlength=members)
    if len(np.unique(widths)) != 1:
        return None
    order = np.argsort(owners, kind="stable")
    blocks = matrix[order][:, order].toarray().reshape(members, widths[0], members, widths[0])
    shares = blocks[:, 0, :, 0]
    whole = shares[:, None, :, None] * np.eye(widths[0])[None, :, None, :]
    return shares if np.allclose(blocks, whole, atol=_EQUAL) else None


def _shrinks(shares: np.ndarray, real: np.ndarray) -> float:
    """``1/(1 + λμ₂)²``; NaN where ``W`` is not symmetric or ``λ`` differs."""
    if np.ptp(real) > _EQUAL or not np.allclose(shares, shares.T, atol=_EQUAL) or len(real) < 2:
        return math.nan
    read = 1 - real[0]
    if read <= _EQUAL:
        return 1.0
    connectivity = linalg.eigvalsh(np.eye(len(real)) - shares / read)[1]
    return float(1 / (1 + read / real[0] * connectivity) ** 2)
