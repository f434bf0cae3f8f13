"""Values that nobody meant: what comes out of files, tables, other libraries and slips of the pen."""

from __future__ import annotations

import datetime
import decimal
import fractions
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch


class Mute:
    """Something that cannot even be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no words")


class Tall:
    """Something that is shown in several lines."""

    def __repr__(self) -> str:
        return "first\nsecond\n" * 200


ODD: dict[str, Callable[[], Any]] = {
    # -- no numbers
    "None": lambda: None,
    "complex": lambda: 0.5 + 0.5j,
    "date": lambda: datetime.date(2026, 1, 1),
    "timestamp": lambda: pd.Timestamp("2026-01-01"),
    "dates": lambda: np.array(["2026-01-01", "2026-01-02"], dtype="M8[D]"),
    "set": lambda: {1, 2},
    "type": lambda: int,
    "dict": lambda: {"a": 1.0},
    "NA": lambda: pd.NA,
    "NaT": lambda: pd.NaT,
    "text": lambda: "0.5",
    "empty text": lambda: "",
    "lines": lambda: "a\nb",
    "bytes": lambda: b"1",
    "object": object,
    "mute": Mute,
    "tall": Tall,
    "function": lambda: lambda *given, **named: None,
    "module": lambda: torch.nn.Linear(2, 2),
    "texts": lambda: ["0.5", "0.5"],
    "text array": lambda: np.array(["a", "b"]),
    "iterator": lambda: iter([0.5, 0.5]),
    "nones": lambda: [None, 1.0],
    "ragged": lambda: [[1.0, 2.0], [3.0]],
    # -- odd numbers
    "true": lambda: True,
    "nan": lambda: math.nan,
    "inf": lambda: math.inf,
    "-inf": lambda: -math.inf,
    "zero": lambda: 0,
    "minus": lambda: -1,
    "minus half": lambda: -0.5,
    "half": lambda: 0.5,
    "1.9": lambda: 1.9,
    "huge": lambda: 1e308,
    "large": lambda: 1e15,
    "tiny": lambda: 5e-324,
    "2**63": lambda: 2**63,
    "-2**63": lambda: -(2**63),
    "10**400": lambda: 10**400,
    "decimal": lambda: decimal.Decimal("0.5"),
    "fraction": lambda: fractions.Fraction(1, 2),
    "float32": lambda: np.float32(0.5),
    "int64": lambda: np.int64(1),
    "numpy bool": lambda: np.bool_(True),
    "tensor number": lambda: torch.tensor(0.5),
    "tensor nan": lambda: torch.tensor([math.nan, 1.0]),
    # -- odd arrays
    "empty": lambda: [],
    "empty tensor": lambda: torch.zeros(0),
    "no rows": lambda: torch.zeros(0, 2),
    "negative strides": lambda: np.array([0.75, 0.25])[::-1],
    "reversed rows": lambda: np.array([[1.0, 0.0], [0.0, 1.0]])[::-1],
    "sparse": lambda: torch.eye(2).to_sparse(),
    "csr": lambda: _quietly(lambda: torch.eye(2).to_sparse_csr()),
    "meta": lambda: torch.ones(2, device="meta"),
    "complex tensor": lambda: torch.ones(2, dtype=torch.complex64),
    "bool tensor": lambda: torch.ones(2, dtype=torch.bool),
    "half tensor": lambda: torch.ones(2, dtype=torch.float16),
    "bytes tensor": lambda: torch.ones(2, dtype=torch.uint8),
    "parameter": lambda: torch.nn.Parameter(torch.ones(2)),
    "cube": lambda: torch.zeros(2, 2, 2),
    "objects": lambda: np.array([1.0, None], dtype=object),
    "frame": lambda: pd.DataFrame({"x": [0.0, 1.0], "y": [1.0, 0.0]}),
    "frame of texts": lambda: pd.DataFrame({"x": ["a", "b"]}),
    "series": lambda: pd.Series([0.5, 0.5], index=[7, 8]),
    "series with NA": lambda: pd.Series([0.5, pd.NA], dtype="Float64"),
    "masked": lambda: np.ma.masked_array([0.5, 0.5], mask=[True, False]),
    "record": lambda: np.zeros(2, dtype=[("x", float)]),
    "range": lambda: range(2),
}
SIZES = (2**31, 10**10, 10**12, 2**63 - 1, 2**63)  # for whole numbers: too many of anything


def _quietly(make: Callable[[], Any]) -> Any:
    """Without torch's word that a layout is in beta."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make()
