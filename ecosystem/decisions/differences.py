"""Derivatives by differences, for what torch does not differentiate: within bounds, and within what diets have."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ecosystem.decisions.parameters import Parameters

_STEP = 1e-6  # of a number's own size: the step of central differences
_ROOM = 1e-2  # of a step: with less room a number is said to have none


def central(
    played: Callable[[Tensor], Tensor], parameters: Parameters, rows: Tensor, which: Sequence[int]
) -> np.ndarray:
    """How ``played`` (``[n, P]`` to ``[rows, n]``) moves with the numbers ``which``: ``[n, rows, which]``.

    Central, one-sided at a bound and where a diet is full. A share that can move neither way, at its lower bound in a
    full diet, takes of another share: ``∂f/∂a = (∂/∂a − ∂/∂b) f + ∂f/∂b``, for ``f`` is asked within the diet only.

    Raises
    ------
    ValueError
        If lower bounds fill a diet, so that nothing can move.
    """
    values = rows.numpy()
    step = _STEP * np.maximum(np.abs(values), 1e-3)
    up = np.minimum(values + step, parameters.highest(values)) - values
    down = values - np.maximum(values - step, parameters.low)
    stuck = up + down < _ROOM * step
    if not stuck[:, list(which)].any():
        return _moved(played, values, [np.eye(len(step.T))[i] for i in which], up[:, list(which)], down[:, list(which)])
    found = np.stack(
        [_one_by_one(played, parameters, values[r : r + 1], up[r], down[r], which) for r in range(len(rows))]
    )
    return found


def _one_by_one(
    played: Callable[[Tensor], Tensor],
    parameters: Parameters,
    values: np.ndarray,
    up: np.ndarray,
    down: np.ndarray,
    which: Sequence[int],
) -> np.ndarray:
    """The same of one row of values ``[1, P]``, where some number has no room: ``[rows, which]``."""
    step, eye, known = _STEP * np.maximum(np.abs(values[0]), 1e-3), np.eye(values.shape[1]), {}

    def slope(way: np.ndarray, rise: float, fall: float) -> np.ndarray:
        return _moved(played, values, [way], np.array([[rise]]), np.array([[fall]]))[0, :, 0]

    def of(i: int) -> np.ndarray:
        if i not in known:
            if up[i] + down[i] >= _ROOM * step[i]:
                known[i] = slope(eye[i], up[i], down[i])
            else:
                other = max(next((shares for shares in parameters.diets if i in shares), [i]), key=lambda j: down[j])
                if down[other] < _ROOM * step[other]:
                    raise ValueError(
                        f"{parameters.names[i]} cannot move: lower bounds fill its diet; lower one of them"
                    )
                known[i] = slope(eye[i] - eye[other], down[other], 0.0) + of(other)
        return known[i]

    return np.stack([of(i) for i in which], axis=-1)


def _moved(
    played: Callable[[Tensor], Tensor],
    values: np.ndarray,
    ways: Sequence[np.ndarray],
    up: np.ndarray,
    down: np.ndarray,
) -> np.ndarray:
    """Differences along ``ways``, from ``down [n, ways]`` below ``values [n, P]`` to ``up`` above it."""
    along = np.stack(ways)[None]
    ends = [values[:, None] + times[:, :, None] * along for times in (up, -down)]
    n, many, count = ends[0].shape
    sides = [played(torch.from_numpy(end.reshape(-1, count))).numpy().reshape(-1, n, many) for end in ends]
    return (sides[0] - sides[1]).transpose(1, 0, 2) / (up + down)[:, None]
