"""How results print themselves: the beginning of a table, and how much more there is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import islice

import pandas as pd
from torch import Tensor

SHOWN = 10  # rows and columns of a table that are printed
_SHOWN = 4  # parameters of a member that are printed


def small(table: pd.DataFrame | pd.Series, most: int = SHOWN, rows: int | None = None) -> str:
    """The beginning of a table as people read it, which may be that of one with more ``rows``.

    >>> print(small(pd.DataFrame({"member": ["a", "b", "c"], "J": [1 / 3, 2.0, 1e-9]}), most=2))
    member      J
         a 0.3333
         b      2
    and 1 more row
    """
    frame = table.rename("value" if table.name is None else table.name).reset_index() if table.ndim == 1 else table
    sizes = zip(
        ((len(frame) if rows is None else rows) - most, len(frame.columns) - most), ("row", "column"), strict=True
    )
    more = [f"{n:,} more {what}{'s' * (n > 1)}" for n, what in sizes if n > 0]
    kept = frame.iloc[:most, :most]
    text = kept.to_string(index=not isinstance(frame.index, pd.RangeIndex), float_format="{:.4g}".format)
    return text + (f"\nand {' and '.join(more)}" if more else "")


def beginnings(parameters: Mapping[str, Tensor], alignment: pd.Series, most: int = SHOWN) -> pd.DataFrame:
    """Alignment (NaN where there is none) and the first parameters, in words, of the first ``most`` members."""
    named = {name: parameters[name] for name in islice(parameters, most)}
    first = [", ".join(f"{x:.4g}" for x in numbers.flatten()[:_SHOWN].tolist()) for numbers in named.values()]
    more = [", ..." if numbers.numel() > _SHOWN else "" for numbers in named.values()]
    return pd.DataFrame(
        {
            "member": list(named),
            "alignment": [float(alignment.get(name, math.nan)) for name in named],
            "parameters": [begin + end for begin, end in zip(first, more, strict=True)],
        }
    )
