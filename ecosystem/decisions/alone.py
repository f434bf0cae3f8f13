"""Whether replicates that are played side by side are as each of them alone: what users' own parts have to keep to."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ecosystem.core.words import called, number
from ecosystem.influence.leaving import own_parts
from ecosystem.scenario import Scenario


def check_alone(
    scenario: Scenario, wanted: pd.DataFrame, beside: np.ndarray, alone: np.ndarray, tolerance: float
) -> None:
    """Refuse rounds ``beside [rows, n]`` of ``n`` choices of free numbers that differ from those of each ``alone``.

    ``wanted [rows]`` says what they are of; a difference is one of more than ``tolerance`` of their size.

    Raises
    ------
    ValueError
        With what differs, and which parts may have mixed them.
    """
    known = np.isfinite(beside) & np.isfinite(alone)
    size = 1 + np.abs(np.where(known, alone, 0.0)).max(initial=0.0)
    wrong = (np.isfinite(beside) != np.isfinite(alone)) | (known & (np.abs(beside - alone) > tolerance * size))
    if wrong.any():
        place, which = np.argwhere(wrong)[0].tolist()
        row = wanted.iloc[place]
        there, by_itself = float(beside[place, which]), float(alone[place, which])
        own = "" if row["measure"] == "alignment" else f"the measure {row['measure']}, or "
        raise ValueError(
            f"many choices of free numbers are played side by side, and {row['measure']} of {called(row['member'])} "
            f"after round {row['round']} is {number(there)} there and {number(by_itself)} "
            f"alone: {own}{own_parts(scenario)} must treat each of a batch [*batch, ...] by itself (no mean over all, "
            "no float(...), a freed(name, value) that takes a value for each)"
        )
