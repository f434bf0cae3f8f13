"""How results print themselves: the beginning of a table, and how much more there is."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd
from torch import Tensor

_SHOWN = 4  # parameters of a member that are printed


def small(table: pd.DataFrame | pd.Series, most: int = 10) -> str:
    """The beginning of a table as people read it.

    >>> print(small(pd.DataFrame({"member": ["a", "b", "c"], "J": [1 / 3, 2.0, 1e-9]}), most=2))
    member      J
         a 0.3333
         b      2
    and 1 more row
    """
    frame = table.rename("value" if table.name is None else table.name).reset_index() if table.ndim == 1 else table
    sizes = zip((len(frame) - most, len(frame.columns) - most), ("row", "column"), strict=True)
    more = [f"{n:,} more {what}{'s' * (n > 1)}" for n, what in sizes if n > 0]
    kept = frame.iloc[:most, :most]
    text = kept.to_string(index=not isinstance(frame.index, pd.RangeIndex), float_format="{:.4g}".format)
    return text + (f"\nand {' and '.join(more)}" if more else "")


def beginnings(parameters: Mapping[str, Tensor], alignment: pd.Series) -> pd.DataFrame:
    """Each member's alignment (NaN where there is none) and the first of its parameters, in words."""
    first = [", ".join(f"{x:.4g}" for x in numbers.flatten()[:_SHOWN].tolist()) for numbers in parameters.values()]
    more = [", ..." if numbers.numel() > _SHOWN else "" for numbers in parameters.values()]
    return pd.DataFrame(
        {
            "member": list(parameters),
            "alignment": [float(alignment.get(name, math.nan)) for name in parameters],
            "parameters": [begin + end for begin, end in zip(first, more, strict=True)],
        }
    )
