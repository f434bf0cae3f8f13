"""Parquet files, looked at before they are opened: a megabyte may hold tables of any size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

ROOM, RATIO = 2**30, 256  # bytes in memory that any table may take, and as how many times its file a larger one may


class TooLarge(ValueError):
    """A table that would take far more memory than its file says."""


def table(source: Path | bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """The table in a file, or in what was read of one, its checksums verified; only some columns, if asked.

    Raises
    ------
    TooLarge
        If it would take more than ``ROOM`` bytes of memory and ``RATIO`` times its file, before any of it is read.
    OSError, pyarrow.ArrowException
        If it cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    opened = pa.BufferReader(source) if isinstance(source, bytes) else source
    with pq.ParquetFile(opened, page_checksum_verification=True) as file:
        admit(file.metadata, size)
        return file.read(None if columns is None else list(columns))


def frame(path: Path) -> pd.DataFrame:
    """The table in a file as pandas, with its index and types; errors as of :func:`table`."""
    import pandas as pd
    import pyarrow.parquet as pq

    admit(pq.read_metadata(path), path.stat().st_size)
    return pd.read_parquet(path)


def admit(about: Any, size: int) -> None:
    """Refuse a file of ``size`` bytes by its metadata: what its values take one by one, or its pages unpacked."""
    groups = [about.row_group(i) for i in range(about.num_row_groups)]
    chunks = [group.column(i) for group in groups for i in range(group.num_columns)]
    needed = sum(max(_width(chunk) * chunk.num_values, chunk.total_uncompressed_size) for chunk in chunks)
    if needed > max(ROOM, RATIO * size):
        raise TooLarge(
            f"its {about.num_rows:,} rows would take {needed / 2**30:,.0f} GiB of memory, {needed // size:,} times the "
            f"file; more than {RATIO} times is not read at once, read it in parts with pyarrow"
        )


def _width(chunk: Any) -> int:
    """Bytes of a value: eight, of texts as many as the last of them has."""
    last = getattr(chunk.statistics, "max", None) if chunk.physical_type == "BYTE_ARRAY" else None
    return max(8, len(last or ""))
