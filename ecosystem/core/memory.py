"""What a machine can hold: sizes that nobody could pay for are refused before they are allocated."""

from __future__ import annotations

import ctypes
import os
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_NUMBER = 8  # bytes
_GIVEN: ContextVar[int | None] = ContextVar("budget", default=None)


def free_memory() -> int:
    """Bytes that are free on this machine (what it would give back when asked counts as free)."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    except OSError:
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 1 << 34


def affordable(numbers: int, what: str, mend: str = "give smaller sizes") -> None:
    """Refuse what needs more numbers (of 8 bytes) than there is memory free.

    >>> affordable(10**15, "run(replicates=10**13)", "give fewer")                                # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: run(replicates=10**13) needs about 8e+06 GB of memory, and ... GB are free; give fewer
    """
    if numbers * _NUMBER > 1 << 26 and numbers * _NUMBER > (free := free_memory()):
        raise ValueError(
            f"{what} needs about {numbers * _NUMBER / 1e9:.3g} GB of memory, and {free / 1e9:.3g} GB are free; {mend}"
        )


@contextmanager
def at_most(size: float) -> Iterator[None]:
    """Inside, an analysis has so many bytes of scratch instead of a quarter of the memory that is free.

    >>> with at_most(1e9):
    ...     budget()
    1000000000
    """
    if not size > 0:
        raise ValueError(f"at_most(size) is a number of bytes above 0, got {size!r}")
    token = _GIVEN.set(int(size))
    try:
        yield
    finally:
        _GIVEN.reset(token)


def budget() -> int:
    """Bytes of scratch that an analysis may use at a time: a quarter of the memory that is free, or what was given."""
    given = _GIVEN.get()
    return free_memory() // 4 if given is None else given


def fitting(peak: Callable[[int], int], most: int) -> int:
    """How many of a kind, ``most`` at most and 1 at least, may be worked out at a time to stay in the budget.

    ``peak(n)`` are the bytes that ``n`` of them hold; it is asked for one, and for three where that does not tell.
    """
    if most <= 1:
        return 1
    one, limit = peak(1), budget()
    if one * most <= limit:
        return most
    each = max(1, (peak(min(3, most)) - one) // (min(3, most) - 1))
    return max(1, min(most, 1 + (limit - one) // each))


def give_back() -> None:
    """What was freed goes back to the system, where the C library keeps it for later: before much is asked for."""
    _trim()(0)


@cache
def _trim() -> Callable[[int], object]:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library than glibc: what it keeps is its own affair
        return lambda _: None


class Watch(TorchDispatchMode):
    """Counts what torch allocates inside: ``most`` is the largest number of bytes that new tensors held at a time.

    >>> with Watch() as watch:
    ...     kept = torch.ones(1000)
    ...     for _ in range(5):
    ...         gone = kept + kept
    >>> 8000 <= watch.most <= 12000
    True
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self._known: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        given = {_address(x) for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)}
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor) and _address(tensor) not in given:
                self._count(tensor.untyped_storage())
        return out

    def _count(self, storage: torch.UntypedStorage) -> None:
        number, size = id(storage), storage.nbytes()
        if number in self._known:
            return

        def gone(_: Any) -> None:
            self.now -= size
            self._known.pop(number, None)

        self._known[number] = weakref.ref(storage, gone)
        self.now += size
        self.most = max(self.most, self.now)


def _address(tensor: torch.Tensor) -> int:
    return id(tensor.untyped_storage())
