"""Loops over numbers, compiled by Numba; :mod:`ecosystem.core.kernels` says when they are used, and imports them.

Each does in one pass over memory what NumPy and torch do in several, with the same operations in the same order, so
the bits are the same. What a loop has been compiled to is kept beside this file, or among the user's caches where that
folder cannot be written, or not at all where there is none; then every process compiles it again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import float64, njit, uint64
from numba.extending import intrinsic

_GAMMA, _MIX1, _MIX2 = (np.uint64(c) for c in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_SCALE, _BELOW_ONE = 2.0**-53, 1 - 2.0**-53


def _loop(signature: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Compile for one signature, from the cache where there is one."""

    def compiled(function: Callable[..., None]) -> Callable[..., None]:
        options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
        try:
            return njit(signature, cache=True, **options)(function)
        except RuntimeError:  # nowhere to keep it
            return njit(signature, **options)(function)

    return compiled


def _fma_code(context: Any, a: Any, b: Any, c: Any) -> Any:
    """``a · b + c`` rounded once, as torch's kernels are compiled on most machines."""

    def code(context: Any, builder: Any, signature: Any, parts: Any) -> Any:
        return builder.fma(*parts)

    return float64(float64, float64, float64), code


_fma: Any = intrinsic(_fma_code)


@_loop("void(uint64[:], float64[:, ::1], boolean)")
def fill(starts: np.ndarray, out: np.ndarray, signed: bool) -> None:
    """``out [rows, width]`` with the uniforms ``u`` from counters that begin at ``starts``; ``signed``: ``2u − 1``."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            x = starts[i] + uint64(j + 1) * _GAMMA
            x ^= x >> uint64(30)
            x *= _MIX1
            x ^= x >> uint64(27)
            x *= _MIX2
            x ^= x >> uint64(31)
            u = min((float64(x >> uint64(11)) + 0.5) * _SCALE, _BELOW_ONE)
            out[i, j] = u * 2.0 - 1.0 if signed else u


@_loop("void(float64[:, :], float64[:], int64[:], float64[:, :], float64[:, ::1], boolean)")
def push(
    mean: np.ndarray, scale: np.ndarray, index: np.ndarray, noise: np.ndarray, out: np.ndarray, once: bool
) -> None:
    """``out[i] = mean[index[i]] + scale[index[i]] · noise[i]``, rounded once or twice."""
    for i in range(out.shape[0]):
        c = index[i]
        s = scale[c]
        if once:
            for j in range(out.shape[1]):
                out[i, j] = _fma(s, noise[i, j], mean[c, j])
        else:
            for j in range(out.shape[1]):
                out[i, j] = mean[c, j] + s * noise[i, j]


@_loop("void(float64[:, ::1], int64[:], float64[:, :], int64[:])")
def move(out: np.ndarray, here: np.ndarray, vectors: np.ndarray, index: np.ndarray) -> None:
    """``out[here[i]] += vectors[index[i]]``, one after the other."""
    for i in range(len(here)):
        k, c = here[i], index[i]
        for j in range(out.shape[1]):
            out[k, j] += vectors[c, j]


@_loop(
    "void(int64[:], int64[:], int64[:], float64[:, :, :], float64[:, :, :], float64[:, :, :, ::1], int64[:, :, :, ::1])"
)
def search(
    first: np.ndarray,
    split: np.ndarray,
    end: np.ndarray,
    level: np.ndarray,
    cumulative: np.ndarray,
    uniform: np.ndarray,
    out: np.ndarray,
) -> None:
    """``out [rows, variants, replicates, n]``: the component that uniforms ``[rows, replicates, n, 1 or 2]`` choose.

    See :class:`ecosystem.engine.choice.Menu`. The first says whether it is among the curated, the last which it is.
    """
    components = cumulative.shape[0]
    last = uniform.shape[3] - 1
    for row in range(out.shape[0]):
        for v in range(out.shape[1]):
            for r in range(out.shape[2]):
                rl, rc = r if level.shape[2] > 1 else 0, r if cumulative.shape[2] > 1 else 0
                for i in range(out.shape[3]):
                    curated = uniform[row, r, i, 0] < level[row, v, rl]
                    low = first[row] if curated else split[row]
                    stop = split[row] if curated else end[row]
                    if last:
                        high = stop
                        u = uniform[row, r, i, last]
                        while low < high:
                            middle = min((low + high) // 2, components - 1)
                            if cumulative[middle, v, rc] <= u:
                                low = middle + 1
                            else:
                                high = middle
                    out[row, v, r, i] = min(low, stop - 1)
