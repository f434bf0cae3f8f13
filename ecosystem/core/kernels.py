"""Which way numbers take through memory: several passes of NumPy and torch, or one of a compiled loop.

Both give the same bits. Compiled loops (:mod:`ecosystem.core.compiled`, by Numba) take about a second to load,
and two once on every machine, so small runs and the import of the package go without: they are loaded by a
process that has handled as many numbers as would have paid for them. Where they cannot be loaded it is said once, and
the passes go on. :func:`mix` and :func:`uniforms` make the same integers and uniforms on any device, by torch.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from ecosystem.core.check import one_line, warn

PAYS = 1 << 27  # numbers: what loading takes, longer in passes

_drawn = 0  # numbers that this process has handled in passes


def compiled(numbers: int) -> ModuleType | None:
    """The compiled loops for so many numbers more; None where the passes of NumPy and torch are to be taken."""
    global _drawn
    if _drawn < PAYS:
        _drawn += numbers
        return None
    return _loaded()


@cache
def _loaded() -> ModuleType | None:
    try:
        from ecosystem.core import compiled
    except Exception as error:
        warn(f"Numba's loops cannot be loaded ({one_line(error)}), so draws take longer; install numba anew")
        return None
    return compiled


@cache
def _once(loops: ModuleType) -> bool | None:
    """Whether torch rounds ``m + s · z`` once or twice here; None: neither, or it depends."""
    k = np.arange(1, 8 * 24 + 1, dtype=np.float64).reshape(8, 24)
    mean, scale, noise = np.sqrt(k), np.cbrt(k[:, 0]) / 3, np.cos(k)
    said = torch.addcmul(torch.from_numpy(mean), torch.from_numpy(scale).unsqueeze(-1), torch.from_numpy(noise))
    for once in (True, False):
        out = np.empty_like(mean)
        loops.push(mean, scale, np.arange(8), noise, out, once)
        if np.array_equal(out, said.numpy()):
            return once
    return None


def pushed(mean: Tensor, scale: Tensor, index: Tensor, noise: Tensor) -> Tensor:
    """``mean[index] + scale[index] · noise``: ``mean [c, d]``, ``scale [c]``, ``index [m]``, ``noise [m, d]``."""
    loops = compiled(noise.numel()) if plain(mean, scale, noise) else None
    once = None if loops is None else _once(loops)
    if loops is None or once is None:
        return torch.addcmul(mean.index_select(0, index), scale.index_select(0, index).unsqueeze(-1), noise)
    out = torch.empty(noise.shape, dtype=noise.dtype)
    loops.push(mean.numpy(), scale.numpy(), index.numpy(), noise.numpy(), out.numpy(), once)
    return out


def move_(x: Tensor, here: Tensor, vectors: Tensor, index: Tensor) -> None:
    """``x[here[i]] += vectors[index[i]]`` in place: ``x [m, *event]``, ``vectors [c, *event]``."""
    loops = compiled(here.numel() * x[:1].numel()) if plain(x, vectors) and x.is_contiguous() and x.ndim == 2 else None
    if loops is None:
        x.index_add_(0, here, vectors.index_select(0, index))
    else:
        loops.move(x.numpy(), here.numpy(), vectors.numpy(), index.numpy())


def plain(*tensors: Tensor) -> bool:
    """Whether they are float64 in this machine's memory, and nobody differentiates by them."""
    return all(
        type(x) is Tensor
        and x.dtype == torch.float64
        and x.device.type == "cpu"
        and not x.requires_grad
        and not torch._C._functorch.is_functorch_wrapped_tensor(x)  # type: ignore[attr-defined]
        for x in tensors
    )
