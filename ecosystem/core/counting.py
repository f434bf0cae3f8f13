"""The counter hash of :mod:`~ecosystem.core.streams` where the numbers are to be: in torch's own 64-bit integers.

On an accelerator the same 64-bit integers, and the same uniforms, come out to the bit as NumPy's on the CPU: sums and
products wrap around, shifts fill up with zeros, and a uniform is a multiple of a power of two. Normal and Gumbel
numbers are functions of these that every device rounds in its own way: they agree to a few units in the last place.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor
from torch.utils._triton import has_triton

SCALE = 2.0**-53
BELOW_ONE = 1 - 2.0**-53


def signed(value: int) -> int:
    """The two's complement reading of an unsigned 64-bit number."""
    value &= 0xFFFFFFFFFFFFFFFF
    return value - (1 << 64) if value >= 1 << 63 else value


GAMMA, ROW = 0x9E3779B97F4A7C15, 0xD1342543DE82EF95
MIX1, MIX2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def mixed(x: Tensor) -> Tensor:
    """SplitMix64's finaliser of int64 words."""
    x = (x ^ _shifted(x, 30)) * signed(MIX1)
    x = (x ^ _shifted(x, 27)) * signed(MIX2)
    return x ^ _shifted(x, 31)


def keys(words: Tensor) -> Tensor:
    """The keys of a longer address: words, mixed."""
    return mixed(words + signed(GAMMA))


def starts(keys: Tensor, first: int | Tensor, rows: Tensor | None, n: int) -> Tensor:
    """The counters at which ``n`` rows of each of ``keys [*batch]`` begin, int64 ``[batch · n, 1]``.

    Row 0 is the one numbered ``first`` (an int, or int64 that broadcasts to the keys); ``rows [n]`` are row numbers
    that stand for ``0..n−1``.
    """
    count = torch.arange(n, device=keys.device) if rows is None else rows[:n].to(keys.device)
    begin = first.to(keys.device) * signed(ROW) if isinstance(first, Tensor) else signed(first * ROW)
    return ((keys + begin).unsqueeze(-1) + count * signed(ROW)).reshape(-1, 1)


def uniforms(starts: Tensor, width: int) -> Tensor:
    """``width`` uniform numbers in (0, 1) of each row, float64 ``[rows, width]``, from ``starts [rows, 1]``.

    Where torch can compile for the device (Triton), in one pass over memory.
    """
    return (_one_pass() if starts.is_cuda and has_triton() else _uniforms)(starts, width)


def _uniforms(starts: Tensor, width: int) -> Tensor:
    columns = torch.arange(1, width + 1, device=starts.device) * signed(GAMMA)
    bits = _shifted(mixed(starts + columns), 11)
    return bits.to(torch.float64).add_(0.5).mul_(SCALE).clamp_(max=BELOW_ONE)  # the largest would round to 1


@cache
def _one_pass() -> Callable[[Tensor, int], Tensor]:
    return torch.compile(_uniforms, dynamic=True)


def _shifted(x: Tensor, places: int) -> Tensor:
    """Unsigned: what comes in from the left are zeros, not signs."""
    return (x >> places) & ((1 << (64 - places)) - 1)
