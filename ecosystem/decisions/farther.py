"""Whether a free number without a slope where it was looked at moves something farther off: in steps, past a kink."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ecosystem.core.words import number
from ecosystem.decisions.parameters import Parameters

PLACES = 9  # evenly from one end of a number's bounds to the other
_WIDE = 10.0  # times what it is: how far to look where there is no upper bound
_SAME = 1e-9  # relative difference of two values that are one

Look = Callable[[np.ndarray], np.ndarray]  # values [n, P] to what is looked at, [n, ...]; NaN where it is nothing


def farther(parameters: Parameters, values: np.ndarray, i: int, look: Look) -> tuple[str, str]:
    """Where free number ``i`` was tried, and where it moves something, in words; the latter empty where it does not.

    All others stay as in ``values [P]``; nine places fill its bounds, and what its diet has left.
    """
    low, high = float(parameters.low[i]), float(parameters.highest(values)[i])
    high = high if np.isfinite(high) else _WIDE * max(abs(float(values[i])), 0.1)
    at = np.tile(values, (PLACES + 1, 1))
    at[1:, i] = np.linspace(low, high, PLACES)
    found = np.asarray(look(at), dtype=float).reshape(PLACES + 1, -1)
    here = found[0]
    gap = np.abs(found[1:] - here) > _SAME * (1 + np.abs(here))  # NaN differs from nothing
    moved = np.flatnonzero(gap.any(1))
    tried = f"{number(low)} to {number(high)}"
    if not len(moved):
        return tried, ""
    nearest = min(moved, key=lambda k: abs(at[1 + k, i] - values[i]))
    return tried, number(float(at[1 + nearest, i]))
