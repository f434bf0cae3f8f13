"""Free numbers that observations tell only loosely: wide or cut intervals, and pairs that are told apart badly."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from ecosystem.core.words import counted, number

WIDE = 0.5  # of an estimate: a half width beyond which it is hardly told
SMALL = 0.02  # of all that its bounds leave it: a half width below which a number near 0 is told well
ALIKE = 0.95  # a correlation of two estimates beyond which they are told apart badly
PAIRS = 6  # that are named, those most alike
PROFILE = "profile it"  # the note of an interval that was cut at a bound


def cut(table: pd.DataFrame, low: dict[str, float], high: dict[str, float]) -> pd.DataFrame:
    """Estimates with intervals within the bounds of their numbers; those that had left them are noted.

    What others leave of a diet has the bound 0. Infinite intervals stay: nothing is known there, and the note says so.
    """
    names = table["parameter"]
    ends = table["low"].clip(lower=names.map(low).fillna(0.0)), table["high"].clip(upper=names.map(high).fillna(np.inf))
    known = np.isfinite(table["error"])
    left = known & ((ends[0] > table["low"]) | (ends[1] < table["high"]))
    note = table["note"].mask(left & (table["note"] == ""), PROFILE)
    return table.assign(low=ends[0].where(known, table["low"]), high=ends[1].where(known, table["high"]), note=note)


def wide(table: pd.DataFrame, reach: float, room: dict[str, float]) -> list[tuple[str, str]]:
    """Verdicts *wide*: of numbers whose interval left their bounds, or is wider to a side than half the estimate.

    ``room`` is how far their bounds are apart.
    """
    said = []
    for name, value, error, low, high, note in table[
        ["parameter", "estimate", "error", "low", "high", "note"]
    ].itertuples(index=False, name=None):
        half = reach * error
        far = room.get(name, 1.0)  # what others leave is a share
        loose = half > WIDE * abs(value) and not (np.isfinite(far) and half <= SMALL * far)
        if note not in ("", PROFILE) or not (note == PROFILE or loose):
            continue
        how = "the interval by standard errors left its bounds and was cut there" if note else "more than half of it"
        words = f"{name} is hardly told: {number(value, error)} ± {number(half)} (95 %), {how}"
        words += f", {number(low)} to {number(high)}" if note else ""
        said.append(("wide", f"{words}; fit.profile({name!r}) says how far it may go."))
    return said


def alike(covariance: pd.DataFrame) -> list[tuple[str, str]]:
    """Verdicts *alike*: of pairs of numbers whose estimates are correlated beyond .95 either way."""
    errors = np.sqrt(np.diag(covariance.to_numpy()))
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = covariance.to_numpy() / np.outer(errors, errors)
    pairs = [(i, j) for i, j in combinations(range(len(errors)), 2) if abs(correlation[i, j]) > ALIKE]
    pairs.sort(key=lambda pair: -abs(correlation[pair]))
    said = []
    for i, j in pairs[:PAIRS]:
        value = float(np.clip(correlation[i, j], -1, 1))
        said.append(f"{covariance.index[i]} and {covariance.index[j]} are told apart badly: correlation {value:.3f}.")
    if (more := len(pairs) - PAIRS) > 0:
        said.append(f"So {'are' if more > 1 else 'is'} {counted(more, 'more pair')}: see fit.covariance.")
    return [("alike", sentence) for sentence in said]
