"""A scenario fitted to observations: estimates, how sure they are, what was left over, and what could not be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.stats import chi2 as chi_squared
from scipy.stats import norm, t

from ecosystem.core.check import brief
from ecosystem.core.door import Door
from ecosystem.core.kinds import typed
from ecosystem.core.words import capital, counted, joined, number
from ecosystem.decisions.free import Free
from ecosystem.decisions.identifiability import Direction, directions, remedy, scales
from ecosystem.decisions.loosely import alike, cut, wide
from ecosystem.decisions.observed import Observations
from ecosystem.decisions.parameters import Parameters
from ecosystem.decisions.predicting import Predictor
from ecosystem.decisions.profiling import Profile, named, profiled
from ecosystem.decisions.solving import Problem, Solution
from ecosystem.scenario import Scenario

CONFIDENCE = 0.95
MISFIT = 0.01  # the p below which a fit is said not to fit
_EDGE = 1e-6  # of its interval: how near to a bound an estimate is at it
_SAME = 0.01  # of χ²: what other ends of searches may be worse and still count as a solution of their own


@dataclass(frozen=True, eq=False)
class Fit:
    """What :func:`fit` found.

    ``values [P]`` are the free numbers in the order of ``names``; ``noise`` the standard deviation by measure that was
    used (NaN: row by row), ``estimated`` whether the observations themselves told it; ``searches`` where each search
    ended, the best first. ``observations`` is what was fitted to.
    """

    problem: Problem
    observations: Observations
    searches: tuple[Solution, ...]
    noise: dict[str, float]
    estimated: bool
    _profiles: dict[tuple[str, float], Profile] = field(default_factory=dict, repr=False)

    _repr_html_ = Door("ecosystem.plots.shown_fit", "fit")

    # -- what it is made of ----------------------------------------------------------------------------------------

    @property
    def predictor(self) -> Predictor:
        """What predicts each fact that was observed, as a function of the free numbers."""
        return self.problem.predictor

    @property
    def parameters(self) -> Parameters:
        """The free numbers."""
        return self.predictor.parameters

    @property
    def names(self) -> list[str]:
        """The free numbers' names."""
        return self.parameters.names

    @property
    def values(self) -> np.ndarray:
        """The estimates, ``[P]``."""
        return self.searches[0].values

    @cached_property
    def scenario(self) -> Scenario:
        """The scenario with the estimates in it; rounds, samples and all else as they were given."""
        return self.parameters.scenario_at(self.values)

    # -- how sure it is --------------------------------------------------------------------------------------------

    @cached_property
    def slopes(self) -> np.ndarray:
        """Derivatives of what is predicted of each observation, in units of its noise, ``[n, P]``."""
        return self.problem.slopes(self.values)

    @cached_property
    def directions(self) -> list[Direction]:
        """Singular directions of the slopes, the best seen first; those that are ``flat`` are seen by nothing."""
        return directions(self.slopes, self.values, self.parameters.free, bool(self.predictor.differenced))

    @property
    def flat(self) -> list[Direction]:
        """Directions in which free numbers trade off."""
        return [found for found in self.directions if found.flat]

    @cached_property
    def unbounded(self) -> list[str]:
        """The free numbers that have a part in a flat direction."""
        named = {name for found in self.flat for name in found.names}
        return [name for name in self.names if name in named]

    @cached_property
    def covariance(self) -> pd.DataFrame:
        """Gauss–Newton's ``(JᵀJ)⁻¹ [P, P]``, ``J`` the slopes; NaN for numbers that nothing bounds."""
        seen = [found for found in self.directions if not found.flat]
        rows = np.array([list(found.parts.values()) for found in seen]).reshape(len(seen), len(self.names))
        scaled = rows / np.array([found.singular for found in seen])[:, None] * scales(self.values)
        table = pd.DataFrame(scaled.T @ scaled, index=self.names, columns=self.names)
        table.loc[self.unbounded, :] = np.nan
        table.loc[:, self.unbounded] = np.nan
        return table

    @property
    def degrees(self) -> int:
        """Degrees of freedom: observations less directions that they see."""
        return len(self.problem.values) - (len(self.names) - len(self.flat))

    @typed
    def quantile(self, confidence: float = CONFIDENCE) -> float:
        """So many standard errors to each side: the normal law's, or Student's where the noise was estimated."""
        if not 0 < confidence < 1:
            raise ValueError(f"quantile(confidence) lies between 0 and 1, got {brief(confidence)}; 0.95 is usual")
        level = (1 + confidence) / 2
        return float(t.ppf(level, self.degrees) if self.estimated else norm.ppf(level))

    @cached_property
    def estimates(self) -> pd.DataFrame:
        """A row for each free number: parameter, start (as the scenario had it), estimate, error, low, high, note.

        ``error`` is the standard error, ``low`` and ``high`` the 95 % interval by it, cut at the number's bounds;
        infinite where the observations bound nothing. ``note`` is "unbounded", "at its bound" (there the interval by
        standard errors is none: :meth:`profile`; a share is at its bound too where its diet is full), "profile it" (the
        interval was cut) or empty. Shares that are what others leave stand behind, "the rest".
        """
        errors = np.sqrt(np.diag(self.covariance.to_numpy()))
        rows = [(*row, self._note(row[0])) for row in zip(self.names, self._starts(), self.values, errors, strict=True)]
        for rest, others in self.parameters.remainder.items():
            which = [one.name for one in others]
            error = float(np.sqrt(self.covariance.loc[which, which].to_numpy().sum()))
            value, start = (float(self.parameters.rest(x)[rest.name]) for x in (self.values, self._starts()))
            rows.append((rest.name, start, value, error, self._rest_note(value, error, which)))
        table = pd.DataFrame(rows, columns=["parameter", "start", "estimate", "error", "note"])
        table["error"] = table["error"].fillna(np.inf)
        reach = self.quantile() * table["error"]
        table.insert(4, "low", table["estimate"] - reach)
        table.insert(5, "high", table["estimate"] + reach)
        low, high = self.parameters.low, self.parameters.high
        return cut(table, dict(zip(self.names, low, strict=True)), dict(zip(self.names, high, strict=True)))

    def _starts(self) -> np.ndarray:
        return self.parameters.values

    def _note(self, name: str) -> str:
        if name in self.unbounded:
            return "unbounded"
        return "at its bound" if self._edges[self.names.index(name)] else ""

    @cached_property
    def _edges(self) -> np.ndarray:
        """Which estimates are at a bound: the lower one, the upper one, or, of a share, that its diet is full."""
        low, high, most = self.parameters.low, self.parameters.high, self.parameters.highest(self.values)
        width = np.where(np.isfinite(high), high - low, np.maximum(np.abs(self.values), 1.0))
        return np.minimum(self.values - low, most - self.values) <= _EDGE * width

    def _rest_note(self, value: float, error: float, which: list[str]) -> str:
        """Of a share that is what others leave: at its bound with nothing left, or with the others at their lowest."""
        if np.isnan(error):
            return "unbounded"
        i = [self.names.index(name) for name in which]
        at = min(value, float((self.values - self.parameters.low)[i].sum())) <= _EDGE
        return "at its bound" if at else "the rest"

    @typed
    def profile(self, name: Free | str, confidence: float = CONFIDENCE) -> Profile:
        """The interval of one number by its profile: where the best fit with it held fixed is no longer as good.

        ``χ²`` rises by the quantile of its law there. Infinite ends: it does not, up to the bound. The number is named
        as :func:`fit` is given it, a part or a text; KeyError for an unknown one.
        """
        key = named(self, name), confidence
        if key not in self._profiles:
            self._profiles[key] = profiled(self, *key)
        return self._profiles[key]

    # -- what is left over -----------------------------------------------------------------------------------------

    @cached_property
    def residuals(self) -> pd.DataFrame:
        """A row for each observation: its columns, sd, predicted, residual ``(value − predicted)/sd``."""
        table = self.observations.seen.copy()
        left = -self.problem.residuals(self.values)
        return table.assign(sd=self.problem.sd, predicted=table["value"] - left * self.problem.sd, residual=left)

    @property
    def chi2(self) -> float:
        """``Σ ((value − predicted)/sd)²``."""
        return self.searches[0].chi2

    @property
    def p(self) -> float:
        """How likely so large a ``χ²`` would be if the scenario were right; NaN where the noise was estimated."""
        if self.estimated or self.degrees < 1:
            return float("nan")
        return float(chi_squared.sf(self.chi2, self.degrees))

    @cached_property
    def starts(self) -> pd.DataFrame:
        """Where each search ended, the best first: chi2, converged, and a column for each free number."""
        rows = [{"chi2": s.chi2, "converged": s.converged} for s in self.searches]
        ends = pd.DataFrame([s.values for s in self.searches], columns=self.names)
        return pd.concat([pd.DataFrame(rows), ends], axis=1)

    @property
    def others(self) -> int:
        """How many searches ended elsewhere, with a fit that is as good (not along a flat direction)."""
        if self.flat:
            return 0
        close = [s for s in self.searches if s.chi2 <= self.chi2 + _SAME * (1 + self.chi2)]
        apart = np.array([np.abs(s.values - self.values).max() for s in close])
        return int((apart > 1e-3 * (1 + np.abs(self.values).max())).sum())

    # -- in words --------------------------------------------------------------------------------------------------

    @property
    def verdicts(self) -> pd.DataFrame:
        """What is to be known of the fit, a row each: verdict and a sentence.

        *fits*, *misfit*, *noise* (it was estimated, so nothing tests the fit); *flat* (a direction), *bound* (an
        estimate at one), *wide* (an interval cut at its bound, or of a half width above half the estimate), *alike*
        (two numbers whose estimates are correlated beyond .95), *several* (solutions), *unfinished* (the search),
        *better* (a profile that was made found a better fit), *differences* (how derivatives were had).
        """
        rows = [self._goodness()]
        rows += [("flat", f"{capital(f.words)}; {remedy(f, self.parameters.free)}.") for f in self.flat]
        for name in self.names:
            if self._note(name) == "at its bound":
                words = f"{name} is at its bound, where standard errors say nothing: fit.profile({name!r}) does."
                rows.append(("bound", words))
        room = dict(zip(self.names, self.parameters.high - self.parameters.low, strict=True))
        rows += [*wide(self.estimates, self.quantile(), room), *alike(self.covariance)]
        if self.others:
            rows.append(("several", f"{capital(counted(self.others, 'other solution'))} fit as well: see fit.starts."))
        if not self.searches[0].converged:
            rows.append(("unfinished", "The search ended before it had converged: fit again from fit.scenario."))
        rows += [("better", said) for profile in self._profiles.values() if (said := profile.better)]
        rows += [("differences", f"{said}; they are by differences.") for said in self._differenced()]
        return pd.DataFrame(rows, columns=["verdict", "sentence"])

    def _differenced(self) -> list[str]:
        return list(dict.fromkeys(self.predictor.differenced.values()))

    def _goodness(self) -> tuple[str, str]:
        if self.estimated:
            sizes = joined([f"{number(sd)} for {measure}" for measure, sd in self.noise.items()])
            return "noise", f"The noise was estimated, {sizes}, so nothing tests whether the scenario fits."
        told = f"χ² = {number(self.chi2)} with {self.degrees} degrees of freedom, p = {number(self.p, digits=2)}"
        if self.p < MISFIT:
            return "misfit", f"The scenario does not fit: {told}."
        return "fits", f"The scenario fits: {told}."

    @property
    def sentence(self) -> str:
        """What was found, in a sentence or two."""
        known = self.estimates[self.estimates["note"] != "unbounded"]
        said = [f"{name} = {number(value, error)} ± {number(error)}" for name, value, error in self._known(known)]
        words = f"{joined(said)} (standard errors)." if said else "Nothing of the free numbers is bounded."
        if self.unbounded:
            verb = "is" if len(self.unbounded) == 1 else "are"
            words += f" {capital(joined(self.unbounded))} {verb} unbounded: {'; '.join(f.words for f in self.flat)}."
        return f"{words} {self._goodness()[1]}"

    @staticmethod
    def _known(table: pd.DataFrame) -> list[tuple[str, float, float]]:
        return list(table[["parameter", "estimate", "error"]].itertuples(index=False, name=None))

    def __repr__(self) -> str:
        return f"Fit({self.parameters.given.name!r}: {self.sentence})"
