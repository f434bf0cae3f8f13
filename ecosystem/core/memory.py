"""What a machine can hold: sizes that nobody could pay for are refused before they are allocated."""

from __future__ import annotations

import os
from pathlib import Path

_NUMBER = 8  # bytes


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
