"""Whether a posterior's intervals hold truths that are known: the ranks of simulated ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ecosystem.core.words import listed, percent


@dataclass(frozen=True, eq=False)
class Calibration:
    """How a posterior does where the truth is known; made by :meth:`Posterior.calibration`.

    ``ranks`` has a row for each simulated truth and a column for each free number: how many of ``draws`` posterior
    draws lie below it. If posteriors are right these are uniform on ``0..draws`` (simulation-based calibration: Talts,
    Betancourt, Simpson, Vehtari, Gelman 2018). ``table`` has a row for each number: ``chance`` of ranks so uneven if
    they are (Kolmogorov and Smirnov), and how often the central 50, 80 and 95 % intervals held the truth.
    """

    ranks: pd.DataFrame
    draws: int

    @property
    def table(self) -> pd.DataFrame:
        from scipy.stats import kstest

        rows = {}
        for name, ranks in self.ranks.items():
            place = (ranks.to_numpy() + 0.5) / (self.draws + 1)
            within = {f"within {100 * p:.0f} %": float((np.abs(place - 0.5) <= p / 2).mean()) for p in (0.5, 0.8, 0.95)}
            rows[name] = {"chance": float(kstest(place, "uniform").pvalue), **within}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("parameter").reset_index()

    @property
    def even(self) -> bool:
        """Whether no number's ranks are more uneven than chance makes one in a hundred, for their number."""
        return bool((self.table["chance"] * len(self.table) > 0.01).all())

    @property
    def sentence(self) -> str:
        """Whether ranks are even, and how often the 95 % intervals held the truth, in words."""
        table = self.table
        held = [f"{n} {percent(x)}" for n, x in zip(table["parameter"], table["within 95 %"], strict=True)]
        wrong = "" if self.even else ": do not believe the intervals"
        return f"Ranks are {'even' if self.even else 'uneven'}{wrong}; 95 % intervals held {listed(held)}."

    def __repr__(self) -> str:
        return f"Calibration({len(self.ranks)} simulated truths; {self.sentence})"
