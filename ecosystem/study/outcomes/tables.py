"""A study's numbers as tidy tables over its parameters: along one, over the plane of two, and what dynamics do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ecosystem.core.arguments import meant_among
from ecosystem.core.words import listed
from ecosystem.study.outcomes.contents import Contents
from ecosystem.study.outcomes.measuring import NoMeasure, Numbers
from ecosystem.study.outcomes.reading import columns, parts
from ecosystem.study.outcomes.sample import Sample, size
from ecosystem.study.outcomes.sweep import Parameter, Sweep

ROUNDING = 1e-12  # of the largest number of a name: a mean of less is zero
STREWN, CELLS = 1500, 20  # points that are drawn one by one; else cells side by side
CUTS = 5  # values of another parameter that have a curve each
FULL = 0.6  # of the pairs of values that came up: from there on, a plane is a grid


def parameter_of(sweep: Sweep, name: str) -> Parameter:
    """A swept parameter by its name, with levels that hold enough points to take means of.

    Raises
    ------
    NoMeasure
        If the study has no such parameter, or it has one value only.
    """
    for parameter in sweep.swept:
        if parameter.name == name:
            return sweep.levels(parameter)
    known = listed(parameter.name for parameter in sweep.swept) or "none"
    why = "has one value only" if name in dict(sweep.fixed) else "is no parameter of the study"
    near = meant_among(name, [parameter.name for parameter in sweep.swept], f"those that vary are {known}")
    raise NoMeasure(f"{name!r} {why}{near}")


def along(
    found: Numbers, x: Parameter, failed: np.ndarray | None = None, chosen: np.ndarray | None = None
) -> pd.DataFrame:
    """One row a name and value of a parameter: means over the points that have it, with intervals over seeds.

    Columns name, kind, x (the value, or its text), label (the same in words), mean, low, high (NaN where nothing is
    known about chance), base (what the mean is compared with; base_low, base_high: its interval), points, failed: how
    many of these, and seeds. Only of ``chosen`` points, if they are given.
    """
    level, count = _among(x.level, chosen), len(x)
    table = _long(found, found.sample.average(level, count), [np.arange(count)], ["x"], [x])
    return table.assign(**_bases(found, level, count), **_counts(found, level, count, failed))


def cells(
    found: Numbers, sweep: Sweep, x: str, y: str, failed: np.ndarray | None = None, chosen: np.ndarray | None = None
) -> tuple[pd.DataFrame, bool]:
    """One row a name and cell of the plane of two parameters, and whether it is a grid; else a row a name and point.

    Columns name, kind, x, y (values, or their texts), x_label, y_label, mean, low, high (NaN where nothing is known
    about chance), seeds, clear (False where an interval holds zero), points, and failed: how many of these. Only of
    ``chosen`` points, if they are given. Where very many points are no grid, neighbouring ones share a cell.
    """
    p, q = (parameter_of(sweep, name) for name in (x, y))
    here = np.flatnonzero(_among(np.arange(sweep.points), chosen) >= 0)
    pairs = np.unique(np.stack([p.level, q.level])[:, here], axis=1).shape[1]
    gridded = pairs >= FULL * len(p) * len(q) and not sweep.scattered
    if not gridded and len(here) > STREWN:  # too many to be seen one by one
        p, q = (parameter.bundled(CELLS) for parameter in sweep.swept if parameter.name in (x, y))
        p, q, gridded = (*((p, q) if p.name == x else (q, p)), True)
    if gridded:
        level = _among(p.level * len(q) + q.level, chosen)
        sample = found.sample.average(level, len(p) * len(q))
        places = [np.repeat(np.arange(len(p)), len(q)), np.tile(np.arange(len(q)), len(p))]
    else:
        whole = {parameter.name: parameter for parameter in sweep.swept}
        p, q = whole[x], whole[y]
        level, sample = np.full(sweep.points, -1), found.sample.at(here)
        level[here] = np.arange(len(here))
        places = [p.level[here], q.level[here]]
    table = _long(found, sample, places, ["x", "y"], [p, q])
    sign, unsure = sample.sign(size(found.sample)), np.nan_to_num(sample.reach) > 1e-9 * size(found.sample)
    table["clear"] = ~((sign == 0) & unsure).ravel()
    return table.assign(**_counts(found, level, sample.mean.shape[1], failed)), gridded


def slices(found: Numbers, sweep: Sweep, x: str, by: str, failed: np.ndarray | None = None) -> tuple[pd.DataFrame, int]:
    """One row a name, value of a parameter and value of another, of which a few are chosen; and of how many.

    Columns name, kind, x, y (``by``; values, or their texts), x_label, y_label, mean, low, high, seeds, base (what the
    mean is compared with; base_low, base_high: its interval), points, and failed: how many of these.
    """
    names = [parameter_of(sweep, name).name for name in (x, by)]  # refused where there is none
    whole = {parameter.name: parameter for parameter in sweep.swept}
    p, q = (sweep.levels(whole[name], most) for name, most in zip(names, (8, 3), strict=True))
    level, count = p.level * len(q) + q.level, len(p) * len(q)
    places = [np.repeat(np.arange(len(p)), len(q)), np.tile(np.arange(len(q)), len(p))]
    table = _long(found, found.sample.average(level, count), places, ["x", "y"], [p, q])
    table = table.assign(**_bases(found, level, count), **_counts(found, level, count, failed))
    few = np.linspace(0, len(q) - 1, CUTS).round() if q.number and len(q) > CUTS + 1 else np.arange(len(q))[: CUTS + 3]
    return table[np.tile(np.isin(places[1], few), len(found.names))].reset_index(drop=True), len(q)


def _among(level: np.ndarray, chosen: np.ndarray | None) -> np.ndarray:
    """Levels of points; −1 of those that were not chosen."""
    return level if chosen is None else np.where(chosen, level, -1)


def _bases(found: Numbers, level: np.ndarray, count: int) -> dict[str, Any]:
    """What means over the points of each level are compared with, and its interval."""
    if found.base is None:
        return dict.fromkeys(("base", "base_low", "base_high"), np.nan)
    still = found.base.average(level, count)
    mean, reach = still.mean.ravel(), still.reach.ravel()
    mean = np.where(np.isfinite(mean), mean, np.nan)  # what is infinite is said elsewhere, and has no place
    return {"base": mean, "base_low": mean - reach, "base_high": mean + reach}


def _counts(found: Numbers, level: np.ndarray, count: int, failed: np.ndarray | None) -> dict[str, np.ndarray]:
    """How many points there are of each level, and how many of them failed."""
    bad = np.zeros(len(level)) if failed is None else failed
    sums = {"points": np.ones(len(level)), "failed": bad.astype(float)}
    return {
        name: np.tile(np.bincount(level[level >= 0], each[level >= 0], count).astype(int), len(found.names))
        for name, each in sums.items()
    }


def _long(
    found: Numbers, sample: Sample, places: list[np.ndarray], axes: list[str], parameters: list[Parameter]
) -> pd.DataFrame:
    """Arrays ``[names, places]`` as rows, with the values of parameters and their labels."""
    names, count = sample.mean.shape
    kinds = found.kinds or [""] * names
    table = pd.DataFrame({"name": np.repeat(found.names, count), "kind": np.repeat(kinds, count)})
    for axis, place, parameter in zip(axes, places, parameters, strict=True):
        labels = np.array(parameter.labels, dtype=object)[place]
        values = parameter.places[place] if parameter.number else labels
        table[axis] = np.tile(values, names)
        table["label" if len(axes) == 1 else f"{axis}_label"] = np.tile(labels, names)
    mean, reach = np.where(np.abs(sample.mean) <= ROUNDING * size(found.sample), 0.0, sample.mean), sample.reach
    least, most = np.minimum(found.least, mean), np.maximum(found.most, mean)  # no interval leaves its mean out
    ends = {"mean": mean, "low": np.maximum(mean - reach, least), "high": np.minimum(mean + reach, most)}
    seeds = np.broadcast_to(sample.seeds, sample.mean.shape)
    return table.assign(**{name: value.ravel() for name, value in ends.items()}, seeds=seeds.ravel())


def settling(results: Contents) -> pd.DataFrame:
    """One row a point where a stable point was looked for: point (its place), found, seen (what dynamics do there).

    And how many stable ``points`` were found, how far the point's own rounds leave it from its stable point
    (``distance``), and how that shrinks (``law``); NaN and "" in studies that did not keep them.

    Raises
    ------
    NoMeasure
        If the study did not keep the table.
    """
    names, more = columns(results, "stable_point"), {"points": np.nan, "distance": np.nan, "law": ""}
    wanted = ["point", "found", "seen"]
    if not set(wanted) <= names:
        raise NoMeasure("stable: the study did not keep stable points; Study(measure='stable_point') does")
    wanted += [name for name in more if name in names]
    found = [part.drop_duplicates("point") for part in parts(results, "stable_point", wanted)]
    if not found:
        raise NoMeasure("stable: no stable point was looked for at these points")
    rows = pd.concat(found)
    rows = rows.sort_values("point", ignore_index=True)
    missing = {name: value for name, value in more.items() if name not in names}
    return rows.assign(found=rows["found"].astype(bool), seen=rows["seen"].astype(str), **missing)
