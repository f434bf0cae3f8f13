"""Whether a model reproduces what was observed: observations among replicates of them, a posterior predictive check."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ecosystem.core.words import counted, number

MISFIT = 0.01  # the p below which a model is said not to reproduce the observations, as for a fit
_STILL = 1e-6  # of its size: a spread below which an observation is the same in all replicates
_FEWEST = 50  # replicates in each half, below which nothing is judged


@dataclass(frozen=True, eq=False)
class PredictiveCheck:
    """Where observations lie among data sets replicated from the posterior; made by :meth:`Posterior.check`.

    The discrepancy of a data set ``y`` is ``T(y) = Σ_i ((y_i − m_i)/s_i)²``, with the mean ``m_i`` and the standard
    deviation ``s_i`` of observation ``i`` over one half of the replicates. ``observed`` is that of the observations,
    ``replicated [R]`` those of the other half. Were the observations one more replicate, all ``R + 1`` would come in
    any order with equal chance, so ``p = (1 + #{r: T_r ≥ T}) / (R + 1)``, which is never below ``1/(R + 1)``. Its error
    by Monte Carlo, ``resolution``, is ``max(1, √(R p (1 − p))) / (R + 1)``. The posterior has seen the observations, so
    ``p`` is nearer to the middle than by chance alone: a small one is no accident, a large one is no proof (Rubin 1984;
    Meng 1994; Gelman, Meng and Stern 1996).

    ``compared`` of the ``of`` observations differ between replicates at all, and count; ``lost`` replicates diverged.
    """

    observed: float
    replicated: np.ndarray
    compared: int
    of: int
    lost: int

    @property
    def p(self) -> float:
        """How likely a replicate is to have so large a discrepancy; NaN where nothing could be judged."""
        if not len(self.replicated) or not self.compared:
            return float("nan")
        return float((1 + (self.replicated >= self.observed).sum()) / (len(self.replicated) + 1))

    @property
    def resolution(self) -> float:
        """Standard error of ``p`` by the number of replicates, at least what one of them changes."""
        many = len(self.replicated)
        return float(max(1.0, np.sqrt(many * self.p * (1 - self.p))) / (many + 1)) if self.p == self.p else np.nan

    @property
    def verdict(self) -> str:
        """*fits*, *misfit* (``p`` below .01) or *unchecked*."""
        if np.isnan(self.p):
            return "unchecked"
        return "misfit" if self.p < MISFIT else "fits"

    @property
    def table(self) -> pd.DataFrame:
        """One row: discrepancy, median, low, high (of replicates, 95 %), p, resolution, replicates, observations."""
        low, median, high = np.quantile(self.replicated, [0.025, 0.5, 0.975]) if len(self.replicated) else [np.nan] * 3
        row = {"discrepancy": self.observed, "median": median, "low": low, "high": high}
        row |= {"p": self.p, "resolution": self.resolution}
        return pd.DataFrame([row | {"replicates": len(self.replicated), "observations": self.compared}])

    @property
    def sentence(self) -> str:
        """Whether the model reproduces the observations, in words."""
        if self.verdict == "unchecked":
            why = f"{counted(self.lost, 'replicate')} diverged" if self.lost else "all replicates are the same"
            return f"Whether the scenario reproduces the observations could not be checked: {why}."
        row, every = self.table.iloc[0], counted(self.of, "observation")
        which = every if self.compared == self.of else f"{self.compared} of {every} (of which replicates differ)"
        many, digits = len(self.replicated), number(self.p, self.resolution, digits=2)
        p = f"{digits} ± {number(self.resolution, digits=2)}"
        if self.observed > self.replicated.max():
            p = f"{digits}, the least that {many} can show"
        told = (
            f"the squared standardised residuals of {which} add up to {number(self.observed)}, those of {many} "
            f"replicates to {number(row['low'])} to {number(row['high'])} (95 %), p = {p}"
        )
        if self.verdict == "misfit":
            words = "The scenario does not reproduce the observations with these numbers, so do not believe the samples"
            return f"{words}: {told}."
        return f"The scenario reproduces the observations with these numbers: {told}."

    def __repr__(self) -> str:
        return f"PredictiveCheck({self.sentence})"


def predictive_check(observed: np.ndarray, made: np.ndarray) -> PredictiveCheck:
    """The check of observations ``[rows]`` against replicates ``[n, rows]``; those with NaN diverged.

    >>> made = np.random.default_rng(0).normal(size=(400, 20))
    >>> predictive_check(np.full(20, 3.0), made).p == 1 / 201
    True
    >>> predictive_check(made[0], made[1:]).verdict
    'fits'
    """
    kept = made[np.isfinite(made).all(1)]
    reference, judged = kept[: len(kept) // 2], kept[len(kept) // 2 :]
    lost, rows = len(made) - len(kept), len(observed)
    if len(reference) < _FEWEST:
        return PredictiveCheck(np.nan, np.zeros(0), 0, rows, lost)
    middle, spread = reference.mean(0), reference.std(0, ddof=1)
    differs = spread > _STILL * np.abs(reference).max(0)

    def discrepancy(y: np.ndarray) -> np.ndarray:
        return (((y - middle)[..., differs] / spread[differs]) ** 2).sum(-1)

    return PredictiveCheck(float(discrepancy(observed)), discrepancy(judged), int(differs.sum()), rows, lost)
