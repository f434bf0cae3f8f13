"""Standard output and error that do not stop the work: whoever reads them may leave, or know fewer letters."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any

_LEFT = (errno.EPIPE, errno.EINVAL)  # the reader has gone; the second is Windows' word for it


class _Steady(io.FileIO):
    """A file that takes everything; what first could not be written is remembered, and so is why."""

    trouble: OSError | None = None

    def write(self, data: Any, /) -> int:
        if self.trouble is None:
            try:
                return super().write(data)
            except BlockingIOError:
                raise
            except OSError as error:
                self.trouble = error
        return memoryview(data).nbytes


class Outputs:
    """This process' standard output and error, made steady: what is computed does not depend on who listens.

    A letter that the encoding lacks is written as its number, a stream that is closed takes everything, and so does one
    whose reader leaves (``| head``) or whose disk is full. What others have put in their place stays.
    """

    def __init__(self) -> None:
        self._files: list[_Steady] = []
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if stream is None:
                setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - as long as the process
            elif stream is getattr(sys, f"__{name}__"):
                setattr(sys, name, self._steady(stream))

    def trouble(self) -> OSError | None:
        """What kept some of the output from being written, other than that its reader has left."""
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        found = (file.trouble for file in self._files)
        return next((error for error in found if error is not None and error.errno not in _LEFT), None)

    def _steady(self, stream: Any) -> Any:
        if stream.isatty():
            stream.reconfigure(errors="backslashreplace")
            return stream
        stream.flush()
        file = _Steady(stream.fileno(), "wb", closefd=False)
        self._files.append(file)
        return io.TextIOWrapper(
            io.BufferedWriter(file),
            encoding=stream.encoding,
            errors="backslashreplace",
            line_buffering=stream.line_buffering,
            write_through=stream.write_through,
        )
