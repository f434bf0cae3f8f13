"""What a sensitivity analysis found: its table, and in words."""

from __future__ import annotations

from dataclasses import dataclass, field

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
    """

    measure: str
    method: str
    table: pd.DataFrame
    points: int
    notes: list[str] = field(default_factory=list)
    level: float = 0.95
    scattered: bool = True
    certain: bool = False

    plot = Door("ecosystem.plots.study_sensitivity", "of_result")

    @property
    def ranking(self) -> pd.Series:
        """The leading index of each parameter, the mean over names, the strongest first."""
        rows = self.table[self.table["index"] == LEADING[self.method]]
        mean = rows.groupby("parameter", sort=False)["value"].mean()
        return mean.sort_values(ascending=False, kind="stable").rename(LEADING[self.method])

    @property
    def sentence(self) -> str:
        """The strongest parameters in words."""
        ranked = self.ranking.dropna().head(3)
        names = self.table["name"].nunique()
        of = f" (the mean over {names} of them)" if names > 1 else ""
        if self.method == "morris":
            told = [f"{shortened(name)} {value:.3g}" for name, value in ranked.items()]
            return f"Over its whole range each moves {self.measure} by, on average{of}: {joined(told)}."
        if self.method == "delta":
            told = [f"{shortened(name)} {value:.2f}" for name, value in ranked.items()]
            return f"The distribution of {self.measure} depends most{of} on {joined(told)} (0: not at all, 1: wholly)."
        alone = self.table[self.table["index"] == "first"].groupby("parameter")["value"].mean()
        told = [f"{shortened(name)} {percent(_share(alone[name]))}" for name in ranked.index]
        words = f"Of the differences in {self.measure}{of}, what parameters explain alone: {joined(told)}"
        if self.method == "sobol":
            both = [percent(_share(value)) for value in ranked]
            words += f"; with what they do together with others: {joined(both)}"
        return f"{words}."

    def __repr__(self) -> str:
        shown = self.table.loc[:, [name for name in self.table if (self.table[name] != "").any()]]
        text = shown.to_string(index=False, float_format=lambda v: f"{v:.3g}", na_rep="–")
        notes = "".join(f"\n{note}" for note in self.notes)
        return f"{METHODS[self.method]} of {self.measure}, {self.points:,} points\n{text}\n{self.sentence}{notes}"


def _share(value: float) -> float:
    """A share for a sentence: estimates stray below zero and above one."""
    return round(min(max(value, 0.0), 1.0), 2)
