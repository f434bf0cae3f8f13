"""What happens to files: deleted, emptied, halved, swapped, replaced, flipped."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FAULTS = ("deleted", "emptied", "halved", "swapped", "overwritten", "linked nowhere", "a folder", "a pipe")


def damage(path: Path, fault: str, other: Path) -> None:
    """Do something to a file; ``other`` is one that it is swapped with, or overwritten by."""
    data = path.read_bytes()
    if fault == "emptied":
        path.write_bytes(b"")
    elif fault == "halved":
        path.write_bytes(data[: len(data) // 2])
    elif fault == "swapped":
        path.write_bytes(other.read_bytes())
        other.write_bytes(data)
    elif fault == "overwritten":
        path.write_bytes(other.read_bytes())
    else:
        path.unlink()
        if fault == "linked nowhere":
            path.symlink_to("nowhere")
        elif fault == "a folder":
            path.mkdir()
        elif fault == "a pipe":
            os.mkfifo(path)


@contextmanager
def flipped(path: Path, rng: random.Random) -> Iterator[None]:
    """A bit of a random byte is another inside."""
    data = path.read_bytes()
    changed = bytearray(data)
    changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(bytes(changed))
    yield
    path.write_bytes(data)
