"""Addressed randomness: every number has an address, and nothing is ever consumed.

A :class:`Stream` is a tensor of 64-bit keys. Folding one more word of an address into it (``stream.at("noise")``,
``stream.at(round)``) gives another stream; asking it for numbers does not change it. A draw therefore depends on its
address (seed, replicate, decision, round, member, sample, coordinate) and on nothing else: not on how many draws came
before, not on who else is in the ecosystem, not on how the work was cut into blocks.

Parts that draw (a model's ``sample``, a curator's ``curate``, ...) are handed such streams made to advance, so that
every draw of one call is another: see :mod:`ecosystem.core.drawing`.

The generator is SplitMix64 (Steele, Lea, Flood 2014, *Fast splittable pseudorandom number generators*) run as a
counter: number ``c`` of row ``r`` is ``mix(key + r·ROW + (c + 1)·GAMMA)`` with two odd constants, in exact 64-bit
arithmetic (NumPy's, which has unsigned integers). Keys on an accelerator are drawn from there
(:mod:`ecosystem.core.counting`): the same integers and uniforms to the bit, normal and Gumbel numbers within rounding.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import numpy as np
import torch
from torch import Tensor

from ecosystem.core import counting
from ecosystem.core.kernels import compiled

_CHUNK = 1 << 16  # words mixed at a time: scratch of 512 KB stays in the cache
_GAMMA, _ROW = np.uint64(counting.GAMMA), np.uint64(counting.ROW)
_MIX1, _MIX2 = np.uint64(counting.MIX1), np.uint64(counting.MIX2)
_30, _27, _31, _11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)


def word(value: int | str) -> int:
    """The 64-bit word of an address part; names are hashed (BLAKE2b), so an address never depends on a position."""
    if isinstance(value, str):
        value = int.from_bytes(hashlib.blake2b(value.encode(), digest_size=8).digest(), "big")
    return counting.signed(value)


def as_words(part: int | str | Tensor) -> Tensor:
    """An address part as words; a tensor holds words already."""
    return part if isinstance(part, Tensor) else torch.tensor(word(part))


def _mix(x: np.ndarray, scratch: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser, in place on uint64."""
    x ^= np.right_shift(x, _30, out=scratch)
    x *= _MIX1
    x ^= np.right_shift(x, _27, out=scratch)
    x *= _MIX2
    x ^= np.right_shift(x, _31, out=scratch)
    return x


def _unsigned(x: Tensor) -> np.ndarray:
    """The uint64 reading of an int64 tensor, with one more dimension: NumPy warns when a scalar wraps around."""
    return x.numpy().view(np.uint64)[..., None]


def _keys(x: np.ndarray) -> Tensor:
    """Keys from words ``[..., 1]``, mixed, as an int64 tensor ``[...]``."""
    return torch.from_numpy(_mix(x, np.empty_like(x)).view(np.int64)[..., 0])


S = TypeVar("S", bound="Stream")


@dataclass(frozen=True)
class Stream:
    """Random numbers by address: ``keys`` int64 ``[*batch]``, one stream for each.

    ``uniform(n, *event)`` and ``normal(n, *event)`` return ``[*batch, n, *event]``: row ``i`` is the same for every
    ``n``, so a thousand samples begin with the ten that ten samples would have been. Nothing is consumed: the same
    address gives the same numbers again, and ``uniform``, ``normal`` and ``gumbel`` of one address are transforms of
    each other. Draws that must differ have addresses of their own (``rng.at("time")``), or come from an
    :class:`~ecosystem.core.drawing.Advancing` stream, which is what the methods of a user's own parts are handed.

    >>> rng = Stream.root([(0, 0), (0, 1)])          # seed 0, replicates 0 and 1
    >>> rng.at("noise").at(3).normal(5, 2).shape
    torch.Size([2, 5, 2])
    >>> bool((rng.normal(9)[:, :4] == rng.normal(4)).all())
    True
    """

    keys: Tensor
    first: int | Tensor = 0  # the row that stands as row 0
    rows: Tensor | None = None  # row numbers [n] that stand for 0..n-1
    dtype: torch.dtype = torch.float64  # of the numbers, unless told otherwise

    @classmethod
    def root(cls, seeds: Sequence[tuple[int, int]]) -> Self:
        """One stream for each (seed, replicate): keys ``[len(seeds)]``."""
        seed = torch.tensor([word(s) for s, _ in seeds], dtype=torch.int64)
        replicate = torch.tensor([word(r) for _, r in seeds], dtype=torch.int64)
        return cls(_keys(_unsigned(_keys(_unsigned(seed) + _GAMMA)) ^ _unsigned(replicate)))

    def at(self, part: int | str | Tensor) -> Self:
        """The stream of a longer address: an int, a name, or an int64 tensor that broadcasts against the keys."""
        if not self.keys.is_cpu:
            return with_parts(self, keys=counting.keys(self.keys ^ as_words(part)))
        words = _unsigned(part) if isinstance(part, Tensor) else np.array([word(part)]).view(np.uint64)
        return with_parts(self, keys=_keys((_unsigned(self.keys) ^ words) + _GAMMA))

    def skip(self, rows: int | Tensor) -> Self:
        """The stream whose row 0 is this one's row ``rows`` (an int, or int64 of the shape of the keys)."""
        return with_parts(self, first=self.first + rows)

    def select(self, rows: Tensor) -> Self:
        """The stream whose rows 0, 1, ... are this one's rows ``rows`` (int64 ``[n]``)."""
        return with_parts(self, rows=rows)

    def __getitem__(self, index: Any) -> Self:
        first = self.first[index] if isinstance(self.first, Tensor) else self.first
        return with_parts(self, keys=self.keys[index], first=first)

    def uniform(self, n: int, *event: int, dtype: torch.dtype | None = None) -> Tensor:
        """Uniform numbers in the open interval (0, 1), ``[*batch, n, *event]``; float64 unless told otherwise."""
        drawn = _drawn(self, n, event, lambda u: u, False)
        dtype = self.dtype if dtype is None else dtype
        if dtype == torch.float64:
            return drawn
        return drawn.to(dtype).clamp_(max=1 - torch.finfo(dtype).eps / 2)  # rounding must not reach 1

    def normal(self, n: int, *event: int, dtype: torch.dtype | None = None) -> Tensor:
        """Standard normal numbers ``√2·erfinv(2u − 1)``, ``[*batch, n, *event]``; float64 unless told otherwise."""
        return _drawn(self, n, event, _normal_, True).to(self.dtype if dtype is None else dtype)

    def gumbel(self, n: int, *event: int, dtype: torch.dtype | None = None) -> Tensor:
        """Standard Gumbel numbers ``-log(-log u)``, ``[*batch, n, *event]``; float64 unless told otherwise."""
        return _drawn(self, n, event, _gumbel_, False).to(self.dtype if dtype is None else dtype)

    def numbers(self, n: int) -> Tensor:
        """Which rows its rows 0, 1, ... are of those at its address, int64 ``[n]``, of one key."""
        rows = torch.arange(n) if self.rows is None else self.rows[:n].cpu()
        return rows + torch.as_tensor(self.first).cpu()

    def _starts(self, n: int) -> np.ndarray | Tensor:
        """The counters at which ``n`` rows of each key begin, uint64 ``[keys · n, 1]``; int64 on an accelerator."""
        if not self.keys.is_cpu:
            return counting.starts(self.keys, self.first, self.rows, n)
        rows = np.arange(n, dtype=np.uint64) if self.rows is None else _unsigned(self.rows[:n])[:, 0]
        first = _unsigned(torch.as_tensor(self.first))
        return (_unsigned(self.keys) + first * _ROW + rows * _ROW).reshape(-1, 1)

    def torch(self) -> torch.Generator:
        """A ``torch.Generator`` of this address, for code that wants one (a stream without batch)."""
        return torch.Generator().manual_seed(self.seed())

    def numpy(self) -> np.random.Generator:
        """A NumPy generator of this address (a stream without batch)."""
        return np.random.default_rng(self.seed())

    def seed(self) -> int:
        """A 63-bit seed of this address (a stream without batch)."""
        if self.keys.ndim:
            raise ValueError(f"a generator needs one stream, this is a batch of shape {tuple(self.keys.shape)}")
        return int(self.keys) & 0x7FFFFFFFFFFFFFFF


def on_device(rng: S, device: torch.device) -> S:
    """The same stream, whose numbers are made on a device: its integers and uniforms are the same to the bit."""
    first = rng.first.to(device) if isinstance(rng.first, Tensor) else rng.first
    rows = None if rng.rows is None else rng.rows.to(device)
    return with_parts(rng, keys=rng.keys.to(device), first=first, rows=rows)


def with_parts(rng: S, **parts: Any) -> S:
    """The same stream with other parts; ``dataclasses.replace`` takes longer than what a small round draws."""
    new = object.__new__(type(rng))
    new.__dict__.update(rng.__dict__, **parts)
    return new


def _drawn(rng: Stream, n: int, event: tuple[int, ...], finish: Callable[[Tensor], Tensor], signed: bool) -> Tensor:
    """Uniforms ``u [*batch, n, *event]``, or ``2u − 1``, in cache-sized pieces that ``finish`` turns (in place)."""
    width = math.prod(event)
    starts = rng._starts(n)
    if isinstance(starts, Tensor):
        drawn = counting.uniforms(starts, width)
        return finish(drawn.mul_(2).sub_(1) if signed else drawn).reshape(*rng.keys.shape, n, *event)
    out = torch.empty(len(starts), width, dtype=torch.float64)
    fill = _filling(len(starts), width)
    step = max(1, _CHUNK // max(1, width))
    for at in range(0, len(starts), step):
        block = out[at : at + step]
        fill(starts[at : at + step], block.numpy(), signed)
        finish(block)
    return out.reshape(*rng.keys.shape, n, *event)


def _filling(rows: int, width: int) -> Callable[[np.ndarray, np.ndarray, bool], object]:
    """What fills ``out [rows, width]`` from counters ``starts [rows, 1]``: one compiled pass, or several of NumPy."""
    if loops := compiled(rows * width):
        return lambda starts, out, signed: loops.fill(starts[:, 0], out, signed)
    columns = np.arange(1, width + 1, dtype=np.uint64) * _GAMMA
    work = np.empty((min(max(1, _CHUNK // max(1, width)), rows), width), dtype=np.uint64)
    scratch = np.empty_like(work)

    def fill(starts: np.ndarray, out: np.ndarray, signed: bool) -> None:
        bits = np.add(starts, columns, out=work[: len(out)])
        out[...] = np.right_shift(_mix(bits, scratch[: len(out)]), _11, out=bits)
        out += 0.5
        out *= counting.SCALE
        np.minimum(out, counting.BELOW_ONE, out=out)  # the largest of all would round to 1
        if signed:
            out *= 2
            out -= 1

    return fill


def _normal_(signed: Tensor) -> Tensor:
    return signed.erfinv_().mul_(math.sqrt(2))


def _gumbel_(uniform: Tensor) -> Tensor:
    return uniform.log_().neg_().log_().neg_()
