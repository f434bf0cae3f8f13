"""Many fits at once: what estimates would be, had the errors of observations been others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

_TIMES, _SETTLED = 30, 1e-4  # steps at most; a step, in standard errors, after which a fit is done


class Whitened(Protocol):
    """Rows as a function of free numbers, in units of their errors."""

    def whitened(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...


def refits(
    plans: Sequence[Whitened],
    values: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    count: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Estimates ``[count, P]`` from observations with new errors around the predictions at ``values [P]``.

    Least squares by Levenberg and Marquardt within the bounds, all side by side, from ``values`` on; also whether each
    has settled, ``[count]``.
    """
    truth = np.concatenate([plan.whitened(values)[0] for plan in plans])
    seen = truth + rng.standard_normal((count, len(truth)))
    at, damping, done = np.repeat(values[None], count, 0), np.full(count, 1e-3), np.zeros(count, dtype=bool)
    left, slope = _residuals(plans, at, seen)
    for _ in range(_TIMES):
        go = np.flatnonzero(~done)
        there, moved = _step(at[go], left[go], slope[go], damping[go], low, high)
        new, new_slope = _residuals(plans, there, seen[go])
        better = (new**2).sum(1) <= (left[go] ** 2).sum(1)
        done[go] = moved < _SETTLED
        some = go[better]
        at[some], left[some], slope[some] = there[better], new[better], new_slope[better]
        damping[go] *= np.where(better, 0.1, 10.0)
        if done.all():
            break
    return at, done


def _step(
    at: np.ndarray, left: np.ndarray, slope: np.ndarray, damping: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where to go ``[n, P]``, and how far that is in standard errors ``[n]``; numbers that push at a bound stay."""
    pull = np.einsum("nrp,nr->np", slope, left)
    stays = ((at <= low) & (pull <= 0)) | ((at >= high) & (pull >= 0))
    slope = np.where(stays[:, None], 0.0, slope)
    normal, eye = np.einsum("nrp,nrq->npq", slope, slope), np.eye(at.shape[1])
    size = np.einsum("npp->np", normal)
    damped = normal + (damping[:, None] * size + np.where(size > 0, 0.0, 1.0))[:, :, None] * eye
    step = np.linalg.solve(damped, np.where(stays, 0.0, pull)[..., None])[..., 0]
    there = np.clip(at + step, low, high)
    return there, np.sqrt(np.maximum(np.einsum("np,npq,nq->n", there - at, normal, there - at), 0.0))


def _residuals(plans: Sequence[Whitened], at: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Residuals ``[n, rows]`` and the Jacobian of the predictions ``[n, rows, P]``; infinite where they diverge."""
    values, slopes = zip(*(plan.whitened(at) for plan in plans), strict=True)
    value, slope = np.concatenate(values, 1), np.concatenate(slopes, 1)
    left = seen - value
    lost = ~np.isfinite(left).all(1) | ~np.isfinite(slope).all((1, 2))
    left[lost], slope[lost] = 1e150, 0.0
    return left, slope
