"""The next experiment: which of several candidates says most of a quantity that one wants to know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import chi2

from ecosystem.core.check import a_seed, brief, whole_number
from ecosystem.core.kinds import typed
from ecosystem.core.streams import Stream
from ecosystem.core.words import capital, joined, listed, number, percent
from ecosystem.decisions.candidates import Candidate, Plan
from ecosystem.decisions.farther import farther
from ecosystem.decisions.fitted import Fit
from ecosystem.decisions.identifiability import resolved, scales
from ecosystem.decisions.parameters import Parameters
from ecosystem.decisions.quantities import Quantity, as_quantity
from ecosystem.decisions.refits import refits

_MOVES, _ROUGHLY = 1e-6, 1e-4  # of a gradient: what lies in flat directions and still is nothing; of rough slopes
_TIE = 1.05  # times the best: a standard deviation that is as good
_SETTLED = 0.95  # of the fits must come to rest, or what they say is not what all would
_AGREE = 0.999  # of simulated variances lie this near to the expected one, if that is right


@dataclass(frozen=True, eq=False)
class NextExperiment:
    """Candidates ranked by what they would say of a target; made by :func:`next_experiment`.

    ``table`` has a row for each candidate, the best first: the standard deviation of the target's estimate ``before``
    and ``after`` (infinite: the observations do not tell it), and ``drop``, the share of the variance that goes (1 from
    infinite to finite; NaN where it stays infinite), how many ``observations`` it makes, and how many facts that were
    observed it sees again, in another run (``repeated``). ``value`` is what the fit says of the target.
    """

    target: str
    value: float
    table: pd.DataFrame
    quantity: Quantity = field(repr=False)
    gradient: np.ndarray = field(repr=False)
    fitted: np.ndarray = field(repr=False)
    parameters: Parameters = field(repr=False)
    seen: Plan = field(repr=False)
    plans: dict[str, Plan] = field(repr=False)
    still: str = field(default="", repr=False)  # of a target without a slope: where else it was looked at

    @property
    def best(self) -> str:
        """The candidate that leaves the target least uncertain."""
        return str(self.table["candidate"].iloc[0])

    @property
    def sentence(self) -> str:
        """The best in words; how many observations it makes, where that differs; that it repeats what was observed."""
        return self._ranked() + self._counted()

    def _counted(self) -> str:
        row, counts = self.table.iloc[0], self.table["observations"]
        if not np.isfinite(row["after"]) or row["before"] == 0:
            return ""
        words = ""
        if counts.nunique() > 1:
            least, most = counts[1:].min(), counts[1:].max()
            others = f"{least}" if least == most else f"{least} to {most}"
            words = f"; it makes {row['observations']} observations, the others {others}"
        if row["repeated"]:
            words += (
                f"; it is another run, in which {row['repeated']} of what was observed is seen once more "
                "(going_on=True continues the observed one)"
            )
        return words

    def _ranked(self) -> str:
        row = self.table.iloc[0]
        if not np.isfinite(row["after"]):
            return f"none of the candidates tells {self.target}"
        if row["before"] == 0:
            return f"{self.target} does not move near what was fitted: {self.still}"
        now = f"the standard deviation of {self.target} would be {number(row['after'])}"
        if not np.isfinite(row["before"]):
            return f"{row['candidate']} is best: {now}; what was observed does not tell it"
        return (
            f"{row['candidate']} is best: {now} and is {number(row['before'])} ({percent(row['drop'])} less variance)"
        )

    @property
    def verdicts(self) -> pd.DataFrame:
        """What to mind, a row each: verdict and a sentence.

        *untold* (candidates after which the target is still not told), *tie* (the second is as good as the best),
        *nothing* (the target does not move near the fitted numbers; what was tried), *repeats* (candidates that are
        other runs, from the start on, in which nothing is done up to the last round that was observed: what was
        observed counts once more in them).
        """
        after, said = self.table["after"].to_numpy(), []
        if blind := self.table["candidate"][~np.isfinite(after)].tolist():
            said.append(("untold", f"After {joined(blind)} {self.target} would still not be told."))
        if not self.gradient.any():
            said.append(("nothing", f"{capital(self.target)} does not move near what was fitted: {self.still}."))
        elif len(after) > 1 and np.isfinite(after[1]) and after[1] < _TIE * after[0]:
            second = self.table["candidate"].iloc[1]
            said.append(
                ("tie", f"{second} is as good as {self.best}: the standard deviations differ by less than 5 %.")
            )
        if again := self.table["candidate"][self.table["repeated"] > 0].tolist():
            words = f"What was observed is seen once more in {joined(again)}, another run from the start on"
            said.append(("repeats", f"{words}; to continue the observed one, say Candidate(..., going_on=True)."))
        return pd.DataFrame(said, columns=["verdict", "sentence"])

    @typed
    def check(self, count: int = 200, seed: int = 0) -> pd.DataFrame:
        """The ranking by simulation: at the fitted numbers, observe with new errors, and fit again.

        For each candidate, observations of what was seen and of the candidate are made ``count`` times, with Gaussian
        errors, and all free numbers are estimated from both. ``simulated`` is the standard deviation of the target over
        these, ``low`` and ``high`` its 95 % interval, ``expected`` that of :attr:`table`, ``settled`` the share of fits
        that came to rest, ``agrees`` whether nearly all did and the two differ by no more than chance (99.9 %). NaN
        where the target would not be told: there is nothing to fit.

        Raises
        ------
        ValueError
            If ``count`` is no whole number from 10 on.
        """
        whole_number(count, "check(count)", 10)
        a_seed(seed, "check(seed)")
        rows = [self._checked(row.candidate, row.after, count, seed) for row in self.table.itertuples()]  # type: ignore[arg-type]
        names = ["candidate", "expected", "simulated", "low", "high", "agrees", "settled"]
        return pd.DataFrame(rows, columns=names)

    def _checked(self, name: str, expected: float, count: int, seed: int) -> tuple[Any, ...]:
        if not np.isfinite(expected):
            return (name, expected, np.nan, np.nan, np.nan, False, np.nan)
        free = self.parameters
        rng = Stream.root([(seed, 0)])[0].at("check").at(name).numpy()
        found, done = refits([self.seen, self.plans[name]], self.fitted, free.low, free.high, count, rng)
        kept = found[done]
        if len(kept) < 2:
            return (name, expected, np.nan, np.nan, np.nan, False, float(done.mean()))
        spread = float(np.std([self.quantity.at(free, row) for row in kept], ddof=1))
        low, high = (spread * np.sqrt((len(kept) - 1) / chi2.ppf(p, len(kept) - 1)) for p in (0.975, 0.025))
        tail = (1 - _AGREE) / 2
        band = [expected * np.sqrt(chi2.ppf(p, len(kept) - 1) / (len(kept) - 1)) for p in (tail, 1 - tail)]
        return (
            name,
            expected,
            spread,
            low,
            high,
            bool(band[0] <= spread <= band[1] and done.mean() >= _SETTLED),
            float(done.mean()),
        )

    def __repr__(self) -> str:
        return f"NextExperiment({self.sentence})"


@typed
def next_experiment(
    fit: Fit, candidates: Sequence[Candidate], target: Any, *, measures: Sequence[Any] = ()
) -> NextExperiment:
    """Rank experiments by how much less uncertain they would leave a quantity.

    A candidate's rows are predicted at the fitted numbers ``p``, with their exact Jacobian; with those that were
    observed they give the information ``F = Σ JᵀW J`` (``W``: one over the variances of errors). The variance of a
    target ``q(p)`` is ``∇qᵀ F⁻¹ ∇q`` (delta method), infinite where ``∇q`` has a part in a direction of which ``F``
    sees nothing. It holds near ``p``, for small errors; :meth:`NextExperiment.check` simulates it.

    Parameters
    ----------
    fit: what is known now.
    candidates: other runs that could be made, or how the observed one could go on (:class:`Candidate`).
    target: a free number, as :func:`fit` is given it (``"level(hub)"``, ``Share("hub", "b")``), an influence
        ``"M[target,source]"``, or a function of a scenario that returns a number, such as ``lambda s:
        stable_point(s).alignment["hub"]``. Gradients are exact of free numbers, else by central differences of the
        fourth order.
    measures: :class:`Exact` measures of your own that candidates record.

    Raises
    ------
    KeyError, TypeError, ValueError
        If there is no candidate or two have one name, something cannot be done or is not known in it, or the target is
        no quantity of the scenario; by name.

    >>> from ecosystem import Curate, Flow, Linear, Location, Member, Scenario, Shift, fit
    >>> s = Scenario("loop", rounds=20)
    >>> s.add("a", Member(Location([0.0]), reward=Linear([1.0]), curator=Shift([1.0]), real=Location([0.0])))
    >>> s.connect("a", "a", Flow(curated=0.3))
    >>> found = fit(s, s.run(), ["level(a)", "strength(a)"], noise=0.05)
    >>> again, step = Candidate("the same again"), Candidate("step the level", {10: [Curate("a", 0.6)]})
    >>> next_experiment(found, [again, step], "level(a)").best
    'step the level'
    """
    many = _checked_candidates(candidates)
    free, at = fit.parameters, fit.values
    quantity = as_quantity(target, free)
    gradient, value = quantity.gradient(free, at), quantity.at(free, at)
    seen = Plan(fit.predictor, fit.problem.sd, fit.problem.rows)
    now = seen.whitened(at)[1]
    seed, known = fit.predictor.seed, fit.residuals
    plans = {one.name: one.planned(fit.scenario, free, known, measures, seed) for one in many}
    before = spread(now, gradient, at, seen.rough)
    after = {}
    for name, plan in plans.items():
        both = np.concatenate([now, plan.whitened(at)[1]])
        after[name] = spread(both, gradient, at, seen.rough or plan.rough)
    rows = []
    for one in sorted(many, key=lambda one: after[one.name]):
        plan, sd = plans[one.name], after[one.name]
        count = len(plan.rows) * one.replicates
        rows.append((one.name, before, sd, _drop(before, sd), count, one.repeated(known, plan)))
    table = pd.DataFrame(rows, columns=["candidate", "before", "after", "drop", "observations", "repeated"])
    still = "" if gradient.any() else _still(quantity, free, at)
    return NextExperiment(quantity.name, value, table, quantity, gradient, at, free, seen, plans, still)


def _still(quantity: Quantity, free: Parameters, at: np.ndarray) -> str:
    """Whether a target without a slope moves farther off, and where it was tried: the end of a sentence."""

    def look(rows: np.ndarray) -> np.ndarray:
        return np.array([_known(quantity, free, row) for row in rows])

    tried = []
    for i, name in enumerate(free.names):
        over, where = farther(free, at, i, look)
        if where:
            words = f"at {name} {where} it is another, and between them it moves in steps, or past a kink"
            return f"{words}, of which its variance by slopes says nothing"
        tried.append(f"{name} {over}")
    return f"nor does it at nine places of {listed(tried)}, one at a time; there is nothing to learn of it"


def _known(quantity: Quantity, free: Parameters, values: np.ndarray) -> float:
    """What a quantity is, NaN where it is nothing (no stable point, say)."""
    try:
        return quantity.at(free, values)
    except ValueError:
        return np.nan


def spread(slopes: np.ndarray, gradient: np.ndarray, values: np.ndarray, rough: bool = False) -> float:
    """``√(∇qᵀ (JᵀJ)⁻¹ ∇q)`` of ``slopes J [rows, P]`` in units of errors; infinite if part of ``∇q`` is flat.

    Free numbers are scaled by their sizes, and what is flat is as :func:`~ecosystem.decisions.identifiability.resolved`
    has it; ``rough``: slopes that come of differences.

    >>> spread(np.array([[1.0, 1.0]]), np.array([1.0, 1.0]), np.ones(2)).round(9)
    np.float64(1.0)
    >>> spread(np.array([[1.0, 1.0]]), np.array([1.0, 0.0]), np.ones(2))
    inf
    """
    singular, rows, flat = resolved(slopes, values, rough)
    wanted = gradient * scales(values)
    parts = rows @ wanted
    if np.linalg.norm(parts[flat]) > (_ROUGHLY if rough else _MOVES) * np.linalg.norm(wanted):
        return np.inf
    return np.sqrt(np.sum((parts[~flat] / singular[~flat]) ** 2))


def _drop(before: float, after: float) -> float:
    if not np.isfinite(before):
        return 1.0 if np.isfinite(after) else np.nan
    return 1 - (after / before) ** 2 if before > 0 else 0.0


def _checked_candidates(candidates: Any) -> list[Candidate]:
    if not isinstance(candidates, Candidate | Sequence) or isinstance(candidates, str):
        raise TypeError(f"next_experiment(candidates) is a list of Candidate(...), got {brief(candidates)}")
    many = [candidates] if isinstance(candidates, Candidate) else list(candidates)
    for one in many:
        if not isinstance(one, Candidate):
            raise TypeError(f'candidates are Candidate("name", ...), got {brief(one)}')
    names = [one.name for one in many]
    if not many or len(set(names)) < len(names):
        raise ValueError(f"candidates need names of their own, at least one; got {listed(names) or 'none'}")
    return many
