"""What a case is frozen as: plain tables of numbers and strings."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from ecosystem import Run

Tables = dict[str, pd.DataFrame]

ALWAYS = ("members", "flows", "rounds", "changes", "failures")  # also where they are empty
ASKED = ("draws", "tastes", "sources", "choices", "texts")
ENTRIES = 24  # numbers of one tensor that are frozen as such; all of them are in its digest


def of_run(run: Run, entries: int = ENTRIES) -> Tables:
    """Every table of a run, its last parameters and its kept samples."""
    tables = {name: getattr(run, name) for name in ALWAYS + ASKED}
    tables = {name: table for name, table in tables.items() if name in ALWAYS or len(table)}
    values, digests = of_tensors(_tensors(run), entries)
    return tables | {"tensors": values, "digests": digests}


def _tensors(run: Run) -> Iterable[tuple[dict[str, Any], Tensor]]:
    """Parameters and kept samples, each with what names it: one for each replicate, one for each round."""
    for member, many in run.parameters.items():
        for name, tensor in many.items():
            for replicate, one in enumerate(tensor):
                yield {"what": "parameter", "member": member, "name": name, "number": replicate}, one
    for what, kept in (("samples", run.samples), ("inputs", run.inputs)):
        for member, rounds in kept.items():
            for round, tensor in rounds.items():
                yield {"what": what, "member": member, "name": "round", "number": round}, tensor


def of_tensors(named: Iterable[tuple[Mapping[str, Any], Tensor]], entries: int = ENTRIES) -> tuple[pd.DataFrame, ...]:
    """Two tables: some ``entries`` of each tensor, evenly spread, and the shape, type and digest of the whole.

    The entries can be compared within a tolerance, the digest says whether any bit has changed.
    """
    values, digests = [], []
    for labels, tensor in named:
        array = np.ascontiguousarray(tensor.detach().cpu().numpy())
        flat = array.reshape(-1)
        places = np.unique(np.linspace(0, flat.size - 1, min(entries, flat.size)).round().astype(np.int64))
        values.append(pd.DataFrame({**labels, "place": places, "value": flat[places].astype(np.float64)}))
        digest = hashlib.blake2b(array.tobytes(), digest_size=8).hexdigest()
        digests.append({**labels, "shape": str(tuple(array.shape)), "dtype": str(array.dtype), "digest": digest})
    return pd.concat(values, ignore_index=True), pd.DataFrame(digests)


def stacked(parts: Mapping[str, Tables], label: str) -> Tables:
    """The tables of several runs one below the other, with a column ``label`` that says whose a row is."""
    names = dict.fromkeys(name for tables in parts.values() for name in tables)
    return {
        name: pd.concat(
            [plain(tables[name].assign(**{label: key})) for key, tables in parts.items() if name in tables],
            ignore_index=True,
        )
        for name in names
    }


def plain(table: pd.DataFrame) -> pd.DataFrame:
    """Texts and categories as strings, rows numbered anew, nothing besides: as Parquet gives a table back."""
    texts = [name for name in table if not _numeric(table[name])]
    copy = table.reset_index(drop=True).astype(dict.fromkeys(texts, "str"))
    copy.attrs, copy.columns.name = {}, None
    return copy


def _numeric(column: pd.Series) -> bool:
    """Whether a column holds numbers or truth values."""
    return isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf"
