"""Which ecosystem made these observations? Least squares through the rounds of a scenario, with exact derivatives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ecosystem.core.arguments import meant
from ecosystem.core.check import a_seed, brief, real_number, whole_number
from ecosystem.core.kinds import typed
from ecosystem.core.words import joined, number
from ecosystem.decisions.farther import PLACES, farther
from ecosystem.decisions.fitted import Fit
from ecosystem.decisions.free import Free
from ecosystem.decisions.observed import FACT, FINEST, as_observations
from ecosystem.decisions.parameters import Parameters
from ecosystem.decisions.predicting import Predictor
from ecosystem.decisions.solving import Problem, Solution
from ecosystem.scenario import Scenario

_REFITS, _STILL = 20, 1e-4  # times that noise is estimated anew, and the relative change at which it stands


@typed
def fit(
    scenario: Scenario,
    observed: Any,
    free: Sequence[Free | str],
    *,
    noise: Any = None,
    measures: Sequence[Any] = (),
    starts: int = 4,
    seed: int = 0,
) -> Fit:
    """The free numbers of a scenario with which its population rounds come nearest to what was observed.

    ``χ² = Σ ((predicted − value)/sd)²`` is made least within the bounds (SciPy's ``least_squares``, trust region
    reflective), from the scenario as it is and the best of many other places, with the exact Jacobian of the rounds.
    Errors of observations are taken to be normal and independent, so with known noise this is maximum likelihood.

    Parameters
    ----------
    observed: a frame with the columns member, round, measure and value (missing ones are left out), and sd if it likes;
        what was seen several times has a column replicate. Or a :class:`Run`, a file, :class:`Observations`.
    free: what is not known: ``Level("hub")``, ``Share("a", "b")``, ``"strength(hub):0:5"``
        (:func:`~ecosystem.decisions.as_free`).
    noise: the standard deviation of an observation: a number, numbers by measure, ``"column"`` (that named sd) or
        ``"estimated"``, one for each measure, from what is left over. By default the column, if it is full, else
        estimated.
    measures: :class:`Exact` measures that are observed by their names, besides alignment and parameters.
    starts: searches, from different places.
    seed: of those places, and of the scenario's random orders and clocks.

    Raises
    ------
    TypeError, KeyError, ValueError
        For members, rounds and measures that there are none of, what cannot be free, noise that is missing, free
        numbers that nothing observed depends on, fewer observations than free numbers; by name.

    >>> from ecosystem import Flow, Linear, Location, Member, Scenario, Shift
    >>> s = Scenario("loop", rounds=20)
    >>> s.add("a", Member(Location([0.0]), reward=Linear([1.0]), curator=Shift([1.0]), real=Location([0.0])))
    >>> s.connect("a", "a", Flow(raw=0.3, curated=0.3))
    >>> seen = s.with_curation("a", 0.45).run()
    >>> found = fit(s, seen, ["level(a)"], noise=0.05)
    >>> found.values.round(6), found.chi2 < 1e-12
    (array([0.45]), True)
    """
    seen = as_observations(observed)
    seen.refuse_unknown(scenario)
    whole_number(starts, "fit(starts)", 1)
    table = seen.seen
    facts = table[list(FACT)].drop_duplicates(ignore_index=True)
    rows = table[list(FACT)].merge(facts.reset_index(names="row"), how="left", on=list(FACT))["row"].to_numpy()
    parameters = Parameters(scenario, free)
    if len(table) < len(parameters):
        raise ValueError(
            f"{len(parameters)} numbers are free and {len(table)} observed; observe more, or free fewer numbers"
        )
    predictor = Predictor(scenario, parameters, facts, measures=measures, seed=a_seed(seed, "fit(seed)"))
    sd, estimated = _noise(table, noise)
    problem = Problem(predictor, rows, table["value"].to_numpy(), sd)
    _check_seen(problem)
    found = problem.searched(starts, seed)
    if estimated:
        problem, found = _estimated(problem, found, table["measure"].to_numpy())
    by_measure = pd.Series(problem.sd).groupby(table["measure"].to_numpy(), sort=False)
    sizes = {str(name): float(sd.iloc[0]) if sd.nunique() == 1 else float("nan") for name, sd in by_measure}
    return Fit(problem, seen, tuple(found), sizes, estimated)


# -- noise -------------------------------------------------------------------------------------------------------------


def _noise(table: pd.DataFrame, noise: Any) -> tuple[np.ndarray, bool]:
    """The standard deviation of each row, ``[n]``, and whether it is only a first guess of what is to be estimated."""
    if noise is None:
        noise = "column" if table["sd"].notna().all() else "estimated"
    measures = list(dict.fromkeys(table["measure"]))
    if isinstance(noise, str) and noise == "column":
        if table["sd"].isna().any():
            row = table[table["sd"].isna()].iloc[0]
            raise ValueError(
                f"fit(noise='column'): {row['measure']} of {row['member']!r} in round {row['round']} has no sd; give "
                "every row one, a number, or noise='estimated'"
            )
        return table["sd"].to_numpy(dtype=float), False
    if isinstance(noise, str) and noise == "estimated":
        spread = table.groupby("measure")["value"].transform(lambda x: x.std(ddof=0))
        return np.where(spread > 0, spread, 1.0), True
    if isinstance(noise, Mapping):
        lacking = [name for name in measures if name not in noise]
        unknown = [name for name in noise if not isinstance(name, str) or name not in measures]
        if lacking or unknown:
            why = f"nothing says that of {lacking[0]!r}" if lacking else f"nobody observed {brief(unknown[0])}"
            asked = unknown[0] if unknown and isinstance(unknown[0], str) else ""
            raise ValueError(f"fit(noise) by measure: {why}{meant(asked, measures)}")
        sizes = {name: _size(noise[name], f"fit(noise[{name!r}])") for name in measures}
        return table["measure"].map(sizes).to_numpy(dtype=float), False
    return np.full(len(table), _size(noise, "fit(noise)")), False


def _size(value: Any, what: str) -> float:
    if not FINEST < real_number(value) < 1 / FINEST:
        raise ValueError(
            f"{what} is a standard deviation above 0 (from {FINEST:g} to {1 / FINEST:g}), such numbers by measure, "
            f"'column' or 'estimated', got {brief(value)}"
        )
    return float(value)


def _estimated(problem: Problem, found: list[Solution], measures: np.ndarray) -> tuple[Problem, list[Solution]]:
    """The fit with noise as what is left over by measure tells it: fitted and estimated in turns until it stands.

    ``σ²_m = Σ_m (value − predicted)²/(n_m − Σ_m h)`` with the leverages ``h`` of its rows: what the free numbers take.
    """
    free = len(problem.predictor.parameters)
    for name, rows in pd.Series(measures).value_counts(sort=False).items():
        if rows < free + 2:  # the free numbers could meet them all, and their noise would come out as nothing
            raise ValueError(
                f"fit(noise='estimated'): {rows} of {len(measures)} observations are of {name!r}, too few to tell its "
                f"noise while {free} numbers are free; observe {free + 2} at least, or give noise={{{name!r}: ...}}"
            )
    for _ in range(_REFITS):
        left = np.square(problem.residuals(found[0].values) * problem.sd)
        sums = pd.DataFrame({"left": left, "taken": problem.leverages(found[0].values), "rows": 1.0})
        sums = sums.groupby(measures).transform("sum")
        least = 1e-12 * np.maximum(np.abs(problem.values).max(), 1.0)
        sd = np.maximum(np.sqrt(sums["left"] / (sums["rows"] - sums["taken"])).to_numpy(), least)
        moved = float(np.max(np.abs(sd / problem.sd - 1)))
        problem = problem.with_sd(sd)
        best = problem.solved(found[0].z)
        again = [_rated(problem, one) for one in found[1:]]
        found = [best, *sorted(again, key=lambda one: one.chi2)]
        if moved < _STILL:
            break
    return problem, found


def _rated(problem: Problem, found: Solution) -> Solution:
    """Where a search ended, by the noise of now."""
    return Solution(found.z, found.values, float(np.sum(problem.residuals(found.values) ** 2)), found.converged)


# -- what nothing depends on -------------------------------------------------------------------------------------------


def _check_seen(problem: Problem) -> None:
    """Refuse free numbers without a slope where the scenario is and a little away from there; say what was tried."""
    parameters = problem.predictor.parameters
    moved = [np.abs(problem.slopes(values)).max(0) for values in (parameters.values, parameters.away())]
    unseen = [i for i, (a, b) in enumerate(zip(*moved, strict=True)) if not (a > 0 or b > 0)]
    if not unseen:
        return
    for i in unseen:
        name, here = parameters.names[i], number(float(parameters.values[i]))
        tried, where = farther(parameters, parameters.values, i, problem.residuals)
        if where:
            raise ValueError(
                f"what was observed does not move with {name} near {here}, where the scenario stands, and does farther "
                f"off, at {where} (of {tried}, which were tried): in steps, or past a kink, of which derivatives say "
                f"nothing; start from a scenario near there, or take posterior(...), which needs none"
            )
    which = joined([parameters.names[i] for i in unseen])
    verb = "depends" if len(unseen) == 1 else "depend"
    raise ValueError(
        f"nothing that was observed {verb} on {which}: no slope where the scenario stands and a tenth away, and no "
        f"difference at {PLACES} places from {tried}; observe a member that it reaches, or do not free it"
    )
