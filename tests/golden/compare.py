"""What has changed between frozen tables and new ones, said cell by cell."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from tests.golden.tables import Tables

UNBOUND = {"digest"}  # columns that can only be compared bit by bit
SAID = {"output"}  # of networks: a bit may tip a word
NOISE = 1e-12  # what may be left of a zero elsewhere
MOST = 12  # differences that are told


def differences(case: str, frozen: Tables, now: Tables, tolerance: float | None = None) -> list[str]:
    """One line for each cell of a frozen table that has changed; tables and columns that are new do not count.

    ``tolerance`` None compares every bit (NaN equals NaN). Else floats may differ by that much of the largest number
    of their column.
    """
    return [
        line
        for name, table in frozen.items()
        for line in _of_table(f"{case}, table {name}", table, now.get(name), tolerance)
    ]


def told(lines: list[str]) -> str:
    """The first lines, and how many there are."""
    more = f"\n... and {len(lines) - MOST} more" if len(lines) > MOST else ""
    return "\n".join(lines[:MOST]) + more


def _of_table(place: str, frozen: pd.DataFrame, now: pd.DataFrame | None, tolerance: float | None) -> Iterator[str]:
    if now is None:
        yield f"{place}: it is gone"
        return
    if len(now) != len(frozen):
        yield f"{place}: frozen with {len(frozen)} rows, now it has {len(now)}"
        return
    if not len(frozen):  # types of nothing are nobody's promise
        return
    there = [name for name in now if name in frozen]
    if there != [name for name in frozen if name in now]:
        yield f"{place}: the columns' order was {list(frozen)}, now it is {there}"
    for name in frozen:
        if tolerance is not None and name in UNBOUND:
            continue
        where = f"{place}, column {name}"
        if name not in now:
            yield f"{where}: it is gone"
        elif now[name].dtype != frozen[name].dtype:
            yield f"{where}: frozen as {frozen[name].dtype}, now it is {now[name].dtype}"
        else:
            changed = _changed(frozen[name], now[name], tolerance)
            yield from (
                _line(where, frozen, name, row, now[name].iloc[row]) for row in np.flatnonzero(changed).tolist()
            )


def _changed(frozen: pd.Series, now: pd.Series, tolerance: float | None) -> np.ndarray:
    """Which rows of a column differ."""
    if frozen.dtype.kind != "f":
        return (~((frozen == now) | (frozen.isna() & now.isna()))).to_numpy(bool)
    old, new = frozen.to_numpy(), now.to_numpy()
    nothing = np.isnan(old) & np.isnan(new)
    if tolerance is None:
        return (_bits(old) != _bits(new)) & ~nothing
    finite = np.isfinite(old)
    allowed = tolerance * np.abs(old[finite]).max(initial=0) + NOISE
    same = (old == new) | nothing
    same[finite] |= np.abs(old[finite] - new[finite]) <= allowed
    return ~same


def _bits(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values).view(f"u{values.dtype.itemsize}")


def _line(where: str, frozen: pd.DataFrame, name: str, row: int, now: object) -> str:
    """A changed cell: its place, what else stands in its row, and both values to the last digit."""
    keys = [key for key in frozen if frozen[key].dtype.kind != "f" and key != name]
    beside = ", ".join(f"{key} {frozen[key].iloc[row]}" for key in keys)
    return f"{where}, row {row} ({beside}): frozen {_exact(frozen[name].iloc[row])}, now {_exact(now)}"


def _exact(value: object) -> str:
    """A float's shortest digits that are it alone, and its bits in hexadecimals."""
    return f"{float(value)!r} ({float(value).hex()})" if isinstance(value, float | np.floating) else repr(value)
