"""How much each parameter matters for a measure: SALib's indices over the points of a study."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd

from ecosystem.core.check import brief, warn, whole_number
from ecosystem.core.kinds import typed
from ecosystem.core.words import listed
from ecosystem.study.outcomes.contents import Contents
from ecosystem.study.outcomes.measuring import NoMeasure, Numbers, explained, numbers
from ecosystem.study.outcomes.sweep import Sweep
from ecosystem.study.sampling import Sampled
from ecosystem.study.sensitivity.told import COLUMNS, METHODS, Sensitivity
from ecosystem.study.sensitivity.usable import dense_points, level_points, refuse_held, whole_blocks

RESAMPLES = {"sobol": 100, "morris": 100, "delta": 20, "levels": 0}  # of delta each is as costly as the estimate itself
SKIPPED = "the measure has one value over many classes, of which there is no density: delta is too small"
Rows = Iterator[tuple[str, str, str, float, float]]  # parameter, index, other, value, half the interval


@typed
def sensitivity(
    results: Contents,
    measure: str | Numbers = "alignment",
    method: str | None = None,
    *,
    member: str | Sequence[str] | None = None,
    level: float = 0.95,
    resamples: int | None = None,
    seed: int = 1,
) -> Sensitivity:
    """How much each parameter matters for a measure, the mean over seeds of what it is at the end of every run.

    ``"sobol"`` [Saltelli 2010] splits the variance over points: ``first`` is what a parameter explains alone,
    ``V[E(y | x)] / V[y]``, ``total`` what it explains with all it does together with others, ``E[V(y | others)] /
    V[y]``, ``second`` what two explain together beyond each alone. ``"morris"`` [Campolongo 2007] gives the mean
    ``mu`` of a parameter's elementary effects, ``mu_star`` of their sizes, and their deviation ``sigma``, per whole
    range. ``"delta"`` [Borgonovo 2007; Plischke 2013] is half the mean distance between the density of the measure and
    that at a value of the parameter, for any design. ``"levels"`` is ``first`` for any design, from means over
    the levels of a parameter. (Of SALib's designs these two take the points that were drawn apart.) All but the last
    are SALib's, with bootstrap intervals over points.

    A study that is not finished has indices where they would not be about the order of work: of 8 whole blocks of
    Saltelli's design (4 trajectories of Morris', 30 points for ``"delta"``) at least, over which every parameter is
    spread as over the points that are left.

    Parameters
    ----------
    measure: as in ``results.plot``: ``"alignment"``, ``"gain"``, ``"influence"``, a column, or ``"table.column"``.
    method: that of the study's design (:meth:`Study.sobol`, :meth:`Study.morris`); ``"levels"`` for others.
    member: of some names alone: a member, or of influence a pair ``"a on b"``; else of each.
    level: of the intervals.
    resamples: of the bootstrap; 100, for ``"delta"`` 20.
    seed: of the bootstrap, at least 1.

    Raises
    ------
    NoMeasure
        If there is no such measure or member, it is the same at all points, or nothing was varied.
    Unfinished
        If more has to be computed first.
    ValueError
        If the method is unknown, does not go with the study's design, or too few points have a number.
    """
    kept = results.facts.sampled
    if method is None:
        method = kept.method if kept is not None else "levels"
    if method not in METHODS:
        raise ValueError(f"sensitivity(method) is one of {listed(METHODS)}, got {brief(method)}")
    whole_number(seed, "sensitivity(seed)", 1)  # SALib takes 0 for none
    if not 0 < level < 1:
        raise ValueError(f"sensitivity(level) lies between 0 and 1, got {brief(level)}; 0.95 is usual")
    count = RESAMPLES[method] if resamples is None else whole_number(resamples, "sensitivity(resamples)", 2)
    found = numbers(results, measure) if isinstance(measure, str) else measure
    if member is not None:
        found = found.only([member] if isinstance(member, str) else member)
    told = _told(results, found, method, _Bootstrap(level, count, seed))
    for note in told.notes:
        warn(f"sensitivity of {found.label}: {note}", RuntimeWarning)
    return told


def analysed(results: Contents, found: Numbers) -> Sensitivity:
    """The same by the method of the study's design, without a warning: notes are for those who draw it."""
    kept = results.facts.sampled
    method = kept.method if kept is not None else "levels"
    return _told(results, found, method, _Bootstrap(0.95, RESAMPLES[method], 1))


class _Bootstrap:
    """What SALib's bootstraps are given."""

    def __init__(self, level: float, resamples: int, seed: int) -> None:
        self.level, self.given = level, {"num_resamples": resamples, "conf_level": level, "seed": seed}


def _told(results: Contents, found: Numbers, method: str, bootstrap: _Bootstrap) -> Sensitivity:
    sweep = Sweep.of(results)
    if not sweep.swept:
        raise NoMeasure("the study varies no parameter, so none matters")
    if method == "levels":
        return _levels(results, found, sweep)
    mean = np.where(np.isfinite(found.sample.mean), found.sample.mean, np.nan)
    frames, used, still = [], 0, list[str]()
    notes: dict[str, list[str]] = {}
    indices, rows = _way(results, sweep, method)
    for name, values in zip(found.names, mean, strict=True):
        whole, note = rows(values)
        if note:
            notes.setdefault(note, []).append(name)
        refuse_held(results, sweep, whole)
        used = max(used, len(np.unique(whole)))
        y = values[whole]
        if np.ptp(y) <= 1e-9 * max(1.0, float(np.abs(y).max())):
            still.append(name)
            continue
        with _apart() as heard:
            frames += [(name, *row) for row in indices(y, whole, bootstrap)]
        if any("bins skipped" in str(warning.message) for warning in heard):
            notes.setdefault(SKIPPED, []).append(name)
    if not frames:
        raise NoMeasure(f"{found.label} is the same at all points, so no parameter matters")
    table = pd.DataFrame(frames, columns=["name", "parameter", "index", "other", "value", "half"])
    table = table.assign(low=table["value"] - table["half"], high=table["value"] + table["half"])[COLUMNS]
    said = [f"{note}{_of(names, found.names)}" for note, names in notes.items()]
    said += [f"the same at all points, and left out: {listed(still)}"] if still else []
    if len(lost := table[table["value"].isna()]):
        said.append(f"SALib has no number for {listed(lost['parameter'].unique())}: too few points, or values")
    return Sensitivity(found.label, method, table, used, said, bootstrap.level, basis=_basis(sweep, method))


def _basis(sweep: Sweep, method: str) -> str:
    """Which points a method takes of a design that was made for another."""
    if method != "delta" or sweep.alone is None:
        return ""
    return (
        f"of the {sweep.points:,} points it takes the {sweep.alone.sum():,} that were drawn apart, as each of the "
        "others shares all but one parameter with one of these"
    )


def _of(names: Sequence[str], every: Sequence[str]) -> str:
    return "" if len(names) == len(every) else f" ({listed(names, 4)})"


Indices = Callable[[np.ndarray, np.ndarray, _Bootstrap], Iterable[tuple[str, str, str, float, float]]]
Kept = Callable[[np.ndarray], tuple[np.ndarray, str]]


def _way(results: Contents, sweep: Sweep, method: str) -> tuple[Indices, Kept]:
    """The indices of some values, and which of the points' values they are of, with what was left out."""
    if method == "delta":
        return _delta(sweep), lambda values: dense_points(results, sweep, values)
    kept = results.facts.sampled
    if kept is None or kept.method != method:
        was = "a grid or a design of one's own" if kept is None else f"a design of {kept.method}"
        raise ValueError(
            f"method={method!r} needs points of that design, and this study has {was}; make one with "
            f"Study.{method}(...), or ask for 'delta' or 'levels', which take any"
        )
    indices = _sobol(kept) if method == "sobol" else _morris(kept, sweep)
    return indices, lambda values: whole_blocks(results, sweep, kept, values)


def _sobol(kept: Sampled) -> Indices:
    from SALib.analyze import sobol

    names, count = kept.names, len(kept.names)

    def indices(values: np.ndarray, _: np.ndarray, bootstrap: _Bootstrap) -> Rows:
        found = sobol.analyze(_problem(count), values, calc_second_order=kept.second_order, **bootstrap.given)
        for i, name in enumerate(names):
            yield name, "first", "", found["S1"][i], found["S1_conf"][i]
            yield name, "total", "", found["ST"][i], found["ST_conf"][i]
        for i, j in zip(*np.triu_indices(count, 1), strict=True) if kept.second_order else ():
            yield names[i], "second", names[j], found["S2"][i, j], found["S2_conf"][i, j]

    return indices


def _morris(kept: Sampled, sweep: Sweep) -> Indices:
    from SALib.analyze import morris

    swept = {p.name: p.values for p in sweep.swept}
    x = np.stack([swept[name] for name in kept.names], axis=1)

    def indices(values: np.ndarray, rows: np.ndarray, bootstrap: _Bootstrap) -> Rows:
        given = {**bootstrap.given, "num_levels": kept.levels}
        found = morris.analyze(_problem(len(kept.names)), x[rows], values, **given)
        for i, name in enumerate(kept.names):
            yield name, "mu", "", found["mu"][i], np.nan
            yield name, "mu_star", "", found["mu_star"][i], found["mu_star_conf"][i]
            yield name, "sigma", "", found["sigma"][i], np.nan

    return indices


def _delta(sweep: Sweep) -> Indices:
    from SALib.analyze import delta

    x = np.stack([p.values for p in sweep.swept], axis=1)

    def indices(values: np.ndarray, rows: np.ndarray, bootstrap: _Bootstrap) -> Rows:
        found = delta.analyze(_problem(len(sweep.swept)), x[rows], values, method="delta", **bootstrap.given)
        for i, parameter in enumerate(sweep.swept):
            yield parameter.name, "delta", "", found["delta_raw"][i], found["delta_raw_conf"][i]

    return indices


def _levels(results: Contents, found: Numbers, sweep: Sweep) -> Sensitivity:
    """What each parameter explains alone, from the means over its levels."""
    there, note = level_points(results, sweep, found.sample.mean)
    shares = explained(found, sweep)
    if shares.empty:
        raise NoMeasure(f"{found.label} is the same at all points, so no parameter matters")
    rows = [
        (name, p, "first", "", value, np.nan, np.nan) for name, row in shares.iterrows() for p, value in row.items()
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    certain = not np.nan_to_num(found.sample.error, nan=np.inf)[np.isfinite(found.sample.mean)].any()
    return Sensitivity(
        found.label, "levels", table, len(there), [note] if note else [], np.nan, sweep.scattered, certain
    )


def _problem(count: int) -> dict[str, Any]:
    """What SALib is told of parameters: names of its own, for it forbids some."""
    return {"num_vars": count, "names": [f"x{i}" for i in range(count)], "bounds": [[0.0, 1.0]] * count}


@contextmanager
def _apart() -> Iterator[list[warnings.WarningMessage]]:
    """SALib seeds NumPy's global numbers and changes how warnings look; here it leaves them as they were."""
    state, look = np.random.get_state(), warnings.formatwarning
    try:
        with warnings.catch_warnings(record=True) as heard, np.errstate(invalid="ignore", divide="ignore"):
            warnings.simplefilter("always")
            yield heard
    finally:
        np.random.set_state(state)
        warnings.formatwarning = look
