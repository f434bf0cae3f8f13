"""Addressed randomness: every number has an address, and nothing is ever consumed.

A :class:`Stream` is a tensor of 64-bit keys. Folding one more word of an address into it (``stream.at("noise")``,
``stream.at(round)``) gives another stream; asking it for numbers does not change it. A draw therefore depends on its
address (seed, replicate, decision, round, member, sample, coordinate) and on nothing else: not on how many draws came
before, not on who else is in the ecosystem, not on how the work was cut into blocks.

The generator is SplitMix64 (Steele, Lea, Flood 2014, *Fast splittable pseudorandom number generators*) run as a
counter: number ``c`` of row ``r`` is ``mix(key + r·ROW + (c + 1)·GAMMA)`` with two odd constants, in exact int64
arithmetic that is the same on every device.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

_CHUNK = 1 << 16  # words mixed at a time: scratch of 512 KB stays in the cache
_SCALE = 2.0**-53


def _signed(value: int) -> int:
    """The two's complement reading of an unsigned 64-bit constant."""
    return value - (1 << 64) if value >= 1 << 63 else value


_GAMMA = _signed(0x9E3779B97F4A7C15)
_ROW = _signed(0xD1342543DE82EF95)
_MIX1 = _signed(0xBF58476D1CE4E5B9)
_MIX2 = _signed(0x94D049BB133111EB)


def word(value: int | str) -> int:
    """The 64-bit word of an address part; names are hashed (BLAKE2b), so an address never depends on a position."""
    if isinstance(value, str):
        value = int.from_bytes(hashlib.blake2b(value.encode(), digest_size=8).digest(), "big")
    return _signed(value & 0xFFFFFFFFFFFFFFFF)


def _shift(x: Tensor, bits: int, scratch: Tensor) -> Tensor:
    """Logical right shift into ``scratch`` (torch shifts int64 arithmetically)."""
    torch.bitwise_right_shift(x, bits, out=scratch)
    return scratch.bitwise_and_((1 << (64 - bits)) - 1)


def _mix(x: Tensor, scratch: Tensor) -> Tensor:
    """SplitMix64's finaliser, in place."""
    x ^= _shift(x, 30, scratch)
    x *= _MIX1
    x ^= _shift(x, 27, scratch)
    x *= _MIX2
    x ^= _shift(x, 31, scratch)
    return x


def _mixed(x: Tensor) -> Tensor:
    return _mix(x, torch.empty_like(x))


@dataclass(frozen=True)
class Stream:
    """Random numbers by address: ``keys`` int64 ``[*batch]``, one stream for each.

    ``uniform(n, *event)`` and ``normal(n, *event)`` return ``[*batch, n, *event]``: row ``i`` is the same for every
    ``n``, so a thousand samples begin with the ten that ten samples would have been.

    >>> rng = Stream.root([(0, 0), (0, 1)])          # seed 0, replicates 0 and 1
    >>> rng.at("noise").at(3).normal(5, 2).shape
    torch.Size([2, 5, 2])
    >>> bool((rng.normal(9)[:, :4] == rng.normal(4)).all())
    True
    """

    keys: Tensor
    first: int | Tensor = 0  # the row that stands as row 0
    rows: Tensor | None = None  # row numbers [n] that stand for 0..n-1

    @classmethod
    def root(cls, seeds: Sequence[tuple[int, int]], device: torch.device | str = "cpu") -> Stream:
        """One stream for each (seed, replicate): keys ``[len(seeds)]``."""
        seed = torch.tensor([word(s) for s, _ in seeds], dtype=torch.int64, device=device)
        replicate = torch.tensor([word(r) for _, r in seeds], dtype=torch.int64, device=device)
        return cls(_mixed(_mixed(seed + _GAMMA) ^ replicate))

    def at(self, part: int | str | Tensor) -> Stream:
        """The stream of a longer address: an int, a name, or an int64 tensor that broadcasts against the keys."""
        part = part if isinstance(part, Tensor) else word(part)
        return Stream(_mixed((self.keys ^ part) + _GAMMA), self.first, self.rows)

    def skip(self, rows: int | Tensor) -> Stream:
        """The stream whose row 0 is this one's row ``rows`` (an int, or int64 of the shape of the keys)."""
        return Stream(self.keys, self.first + rows, self.rows)

    def select(self, rows: Tensor) -> Stream:
        """The stream whose rows 0, 1, ... are this one's rows ``rows`` (int64 ``[n]``)."""
        return Stream(self.keys, self.first, rows)

    def __getitem__(self, index: Any) -> Stream:
        first = self.first[index] if isinstance(self.first, Tensor) else self.first
        return Stream(self.keys[index], first, self.rows)

    def uniform(self, n: int, *event: int, dtype: torch.dtype = torch.float64) -> Tensor:
        """Uniform numbers in the open interval (0, 1), ``[*batch, n, *event]``."""
        drawn = self._draw(n, event, lambda u: u)
        if dtype == torch.float64:
            return drawn
        return drawn.to(dtype).clamp_(max=1 - torch.finfo(dtype).eps / 2)  # rounding must not reach 1

    def normal(self, n: int, *event: int, dtype: torch.dtype = torch.float64) -> Tensor:
        """Standard normal numbers ``√2·erfinv(2u − 1)``, ``[*batch, n, *event]``."""
        return self._draw(n, event, _normal_).to(dtype)

    def gumbel(self, n: int, *event: int) -> Tensor:
        """Standard Gumbel numbers ``-log(-log u)``, ``[*batch, n, *event]`` float64."""
        return self._draw(n, event, _gumbel_)

    def _draw(self, n: int, event: tuple[int, ...], finish: Callable[[Tensor], Tensor]) -> Tensor:
        """Uniforms in cache-sized pieces, each turned by ``finish`` (in place) into what was asked for."""
        width, device = math.prod(event), self.keys.device
        rows = torch.arange(n, device=device) if self.rows is None else self.rows[:n]
        first = self.first * _ROW if isinstance(self.first, Tensor) else word(self.first * _ROW)
        starts = ((self.keys + first).unsqueeze(-1) + rows * _ROW).reshape(-1, 1)
        columns = torch.arange(1, width + 1, device=device) * _GAMMA
        out = torch.empty(starts.shape[0], width, dtype=torch.float64, device=device)
        step = max(1, _CHUNK // max(1, width))
        scratch = torch.empty(min(step, starts.shape[0]), width, dtype=torch.int64, device=device)
        work = torch.empty_like(scratch)
        for first in range(0, starts.shape[0], step):
            block = out[first : first + step]
            size = block.shape[0]
            torch.add(starts[first : first + step], columns, out=work[:size])
            bits = _shift(_mix(work[:size], scratch[:size]), 11, scratch[:size])
            finish(block.copy_(bits).add_(0.5).mul_(_SCALE))
        return out.reshape(*self.keys.shape, n, *event)

    def torch(self) -> torch.Generator:
        """A ``torch.Generator`` of this address, for code that wants one (a stream without batch)."""
        return torch.Generator(device=self.keys.device).manual_seed(self.seed())

    def numpy(self) -> np.random.Generator:
        """A NumPy generator of this address (a stream without batch)."""
        return np.random.default_rng(self.seed())

    def seed(self) -> int:
        """A 63-bit seed of this address (a stream without batch)."""
        if self.keys.ndim:
            raise ValueError(f"a generator needs one stream, this is a batch of shape {tuple(self.keys.shape)}")
        return int(self.keys) & 0x7FFFFFFFFFFFFFFF


def _normal_(uniform: Tensor) -> Tensor:
    return uniform.mul_(2).sub_(1).erfinv_().mul_(math.sqrt(2))


def _gumbel_(uniform: Tensor) -> Tensor:
    return uniform.log_().neg_().log_().neg_()
