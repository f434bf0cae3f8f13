"""What a run has recorded, as a file that only grows: each checkpoint adds what is new since the one before.

::

    recorded.bin    pieces: lengths (two of 8 bytes), JSON, tensors (safetensors), one piece behind the other

A checkpoint says how many bytes of it are its own, and their digest: SHA-256 of the digest before and the piece. What
stands behind that was written by a process that died before its checkpoint was whole; it is cut off by the next.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from ecosystem.core import storage
from ecosystem.core.manifest import Damaged, regular

FILE = "recorded.bin"
_LENGTHS = struct.Struct("<QQ")
Piece = tuple[Any, dict[str, Tensor]]  # as a Writer makes it


class Log:
    """The file of a run that goes on, as far as its newest checkpoint has it: ``size`` bytes with a ``digest``."""

    def __init__(self, file: Path, size: int = 0, digest: str = "") -> None:
        self.file, self.size, self.digest = file, size, digest

    def add(self, piece: Piece, mend: str) -> dict[str, Any]:
        """Add a piece, on the disk when this returns; what a checkpoint says of the file then.

        It counts when the checkpoint is whole: :meth:`settle`.
        """
        data = packed(piece)
        with storage.told(self.file, mend):
            there = self.file.stat().st_size if self.file.is_file() else 0
            if there < self.size:
                raise Damaged(self.file, f"is damaged: it has {there:,} bytes and had {self.size:,} a moment ago")
            if there > self.size:
                os.truncate(self.file, self.size)
            storage.append(self.file, data)
        return said(data, self.size, self.digest)

    def settle(self, state: dict[str, Any]) -> None:
        """Go on from what a checkpoint says."""
        self.size, self.digest = int(state["bytes"]), str(state["digest"])


def packed(piece: Piece) -> bytes:
    """A piece as bytes."""
    from safetensors.torch import save

    text, numbers = json.dumps(piece[0], allow_nan=False).encode(), save(piece[1])
    return _LENGTHS.pack(len(text), len(numbers)) + text + numbers


def said(data: bytes, size: int = 0, digest: str = "") -> dict[str, Any]:
    """What a checkpoint says of the file that ends with a piece."""
    return {"bytes": size + len(data), "digest": _chained(digest, data)}


def pieces(file: Path, state: dict[str, Any]) -> Iterator[Piece]:
    """The pieces that are a checkpoint's own, one by one.

    Raises
    ------
    Damaged
        If the file is not what was written.
    """
    from safetensors.torch import load

    size, digest = int(state["bytes"]), ""
    if regular(file).st_size < size:
        raise Damaged(file, f"is damaged: its end is missing, of {size:,} bytes")
    with open(file, "rb") as opened:
        while (at := opened.tell()) < size:
            head = opened.read(_LENGTHS.size)
            lengths = _LENGTHS.unpack(head) if len(head) == _LENGTHS.size else (size, size)
            if at + len(head) + sum(lengths) > size:
                break
            data = head + opened.read(sum(lengths))
            digest, first = _chained(digest, data), len(head)
            try:
                yield json.loads(data[first : first + lengths[0]]), load(data[first + lengths[0] :])
            except Exception as error:  # of JSON or of tensors
                raise Damaged(file, f"is damaged: it cannot be read ({type(error).__name__})") from error
        if opened.tell() != size or digest != state["digest"]:
            raise Damaged(file, "is damaged: what is in it is not what was written (its SHA-256 is another)")


def _chained(digest: str, data: bytes) -> str:
    return hashlib.sha256(digest.encode() + data).hexdigest()
