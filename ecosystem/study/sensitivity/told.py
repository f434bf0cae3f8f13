"""What a sensitivity analysis found: its table, and in words."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ecosystem.core.door import Door
from ecosystem.core.words import joined, percent, shortened

COLUMNS = ["name", "parameter", "index", "other", "value", "low", "high"]
METHODS = {
    "sobol": "Sobol’ indices (shares of the variance over points)",
    "morris": "Morris’ elementary effects (the change over the whole range of a parameter)",
    "delta": "Borgonovo’s delta (how far knowing a parameter moves the distribution)",
    "levels": "shares of the variance over points that lie between the levels of a parameter",
}
LEADING = {"sobol": "total", "morris": "mu_star", "delta": "delta", "levels": "first"}  # what parameters are ranked by


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """How much each parameter of a study matters for a measure.

    Attributes
    ----------
    table: a row an index: ``name`` (member, or pair: ``a on b``), ``parameter``, ``index`` (``first``, ``total``,
        ``second`` with the ``other`` parameter; ``mu``, ``mu_star``, ``sigma``; ``delta``), ``value``, and the interval
        ``low`` to ``high``, NaN where none is known.
    method: ``"sobol"``, ``"morris"``, ``"delta"`` or ``"levels"``; ``measure`` is what it is about, in words.
    points: how many points were used at most, of each name.
    notes: what was left out, and why.
    certain: whether nothing was drawn in the runs, so that no difference comes from chance.
    level: of the intervals, by the bootstrap over points: they do not hold the chance of the runs.
    basis: which points the method takes, where these are not all, and why.
    """

    measure: str
    method: str
    table: pd.DataFrame
    points: int
    notes: list[str] = field(default_factory=list)
    level: float = 0.95
    scattered: bool = True
    certain: bool = False
    basis: str = ""

    plot = Door("ecosystem.plots.study_sensitivity", "of_result")

    @property
    def ranking(self) -> pd.Series:
        """The leading index of each parameter, the mean over names, the strongest first."""
        rows = self.table[self.table["index"] == LEADING[self.method]]
        mean = rows.groupby("parameter", sort=False)["value"].mean()
        return mean.sort_values(ascending=False, kind="stable").rename(LEADING[self.method])

    @property
    def sentence(self) -> str:
        """The strongest parameters in words, with their intervals; of several names with the mean of theirs."""
        ranked = list(self.ranking.dropna().index[:3])
        means = means_over_names(self.table)
        names = self.table["name"].nunique()
        of = f" (the mean over {names} of them)" if names > 1 else ""
        if self.method == "morris":
            told = [f"{shortened(name)} {_number(means, name, 'mu_star', '.3g')}" for name in ranked]
            words = f"Over its whole range each moves {self.measure} by, on average{of}: {joined(told)}."
        elif self.method == "delta":
            told = [f"{shortened(name)} {_number(means, name, 'delta', '.2f')}" for name in ranked]
            words = f"The distribution of {self.measure} depends most{of} on {joined(told)} (0: not at all, 1: wholly)."
        else:
            told = [f"{shortened(name)} {_share(means, name, 'first')}" for name in ranked]
            words = f"Of the differences in {self.measure}{of}, what parameters explain alone: {joined(told)}"
            if self.method == "sobol":
                both = [f"{shortened(name)} {_share(means, name, 'total')}" for name in ranked]
                words += f"; with what they do together with others: {joined(both)}"
            words = " ".join([f"{words}.", *impossible(means, ranked)])
        if np.isfinite(means[["low", "high"]]).to_numpy().any():
            words += f" In brackets: {percent(self.level)} intervals over points."
        return words

    def __repr__(self) -> str:
        shown = self.table.loc[:, [name for name in self.table if (self.table[name] != "").any()]]
        text = shown.to_string(index=False, float_format=lambda v: f"{v:.3g}", na_rep="–")
        notes = "".join(f"\n{note}" for note in self.notes)
        basis = f"\n{self.basis[:1].upper()}{self.basis[1:]}." if self.basis else ""
        return (
            f"{METHODS[self.method]} of {self.measure}, {self.points:,} points\n{text}\n{self.sentence}{basis}{notes}"
        )


def means_over_names(table: pd.DataFrame) -> pd.DataFrame:
    """Value, low and high of each parameter and index, the mean over names.

    The mean of their intervals is as wide as that of their mean can be: what strays together does not go out.
    """
    rows = table[table["other"] == ""] if "other" in table else table
    return rows.groupby(["parameter", "index"], sort=False)[["value", "low", "high"]].mean()


def impossible(means: pd.DataFrame, names: Iterable[str]) -> list[str]:
    """What is said of shares that none can be: below 0 or above 1 by more than their interval, totals below firsts."""
    told = []
    for name in names:
        there = {index: means.loc[name, index] for index in ("first", "total") if (name, index) in means.index}
        for row in there.values():
            if row["high"] < 0 or row["low"] > 1:
                told.append(f"{shortened(name)}: no share lies at {percent(round(row['value'], 2))}")
        if len(there) == 2 and round(there["total"]["value"], 2) < round(there["first"]["value"], 2):
            told.append(f"{shortened(name)}: it cannot explain less with others than alone")
    return [f"{'; '.join(told)}; that is noise, as there are few points."] if told else []


def _number(means: pd.DataFrame, name: str, index: str, form: str) -> str:
    value, low, high = (float(number) for number in means.loc[(name, index)])
    return f"{value:{form}}" + (f" ({low:{form}} to {high:{form}})" if math.isfinite(low) else "")


def _share(means: pd.DataFrame, name: str, index: str) -> str:
    """A share for a sentence, and its interval: estimates stray below zero and above one."""
    value, low, high = (float(number) for number in means.loc[(name, index)])
    told = percent(round(min(max(value, 0.0), 1.0), 2))
    if not math.isfinite(low):
        return told
    about = "" if 0 <= value <= 1 else "about "
    return f"{about}{told} ({round(100 * low)} to {round(100 * high)} %)".replace("-", "−")
