"""The least real data that make a part of a network safe."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.optimize import brentq

from ecosystem.influence.spectra import radius_of_sparse


def cheapest(block: sparse.csr_array, own: np.ndarray, margin: float) -> float:
    """How much more real data one member, with its ``own`` numbers, must be given so that ``ρ ≤ 1 − margin``; NaN where
    even all of it is not enough.

    ``x`` of a diet leaves ``1 − x`` of everything else in it.
    """

    def gap(x: float) -> float:
        left = np.where(own, 1 - x, 1.0)
        return radius_of_sparse(sparse.csr_array(sparse.diags_array(left) @ block)) - (1 - margin)

    if gap(1.0) > 0:
        return float("nan")
    return float(brentq(gap, 0.0, 1.0, xtol=1e-12)) if gap(0.0) > 0 else 0.0


def together(block: sparse.csr_array, margin: float) -> float:
    """The same share if everybody is given it."""
    return max(0.0, 1 - (1 - margin) / radius_of_sparse(block))
