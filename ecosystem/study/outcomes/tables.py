"""A study's numbers as tidy tables over its parameters: along one, over the plane of two, and what dynamics do."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ecosystem.core.words import listed
from ecosystem.study.outcomes.contents import Contents
from ecosystem.study.outcomes.measuring import NoMeasure, Numbers
from ecosystem.study.outcomes.reading import columns, parts
from ecosystem.study.outcomes.sample import Sample, size
from ecosystem.study.outcomes.sweep import Parameter, Sweep

ROUNDING = 1e-12  # of the largest number of a name: a mean of less is zero
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
    raise NoMeasure(f"{name!r} {why}; those that vary are {known}")


def along(found: Numbers, x: Parameter) -> pd.DataFrame:
    """One row a name and value of a parameter: means over the points that have it, with intervals over seeds.

    Columns name, kind, x (the value, or its text), label (the same in words), mean, low, high (NaN where nothing is
    known about chance), base (what the mean is compared with), points, seeds.
    """
    mean = found.sample.average(x.level, len(x))
    base = None
    if found.base is not None:
        still = Sample(found.base, np.zeros((*found.base.shape, 1)), np.ones(found.base.shape, dtype=int))
        base = still.average(x.level, len(x)).mean
    count = np.bincount(x.level[x.level >= 0], minlength=len(x))
    table = _long(found, mean, [np.arange(len(x))], ["x"], [x])
    table["base"] = np.nan if base is None else base.ravel()
    return table.assign(points=np.tile(count, len(found.names)))


def cells(found: Numbers, sweep: Sweep, x: str, y: str, failed: np.ndarray | None = None) -> tuple[pd.DataFrame, bool]:
    """One row a name and cell of the plane of two parameters, and whether it is a grid; else a row a name and point.

    Columns name, kind, x, y (values, or their texts), x_label, y_label, mean, low, high (NaN where nothing is known
    about chance), seeds, clear (False where an interval holds zero), points, and failed: how many of these.
    """
    p, q = (parameter_of(sweep, name) for name in (x, y))
    bad = np.zeros(sweep.points, dtype=bool) if failed is None else failed
    pairs = np.unique(np.stack([p.level, q.level]), axis=1).shape[1]
    gridded = pairs >= FULL * len(p) * len(q) and not sweep.scattered
    if gridded:
        level = p.level * len(q) + q.level
        sample = found.sample.average(level, len(p) * len(q))
        places = [np.repeat(np.arange(len(p)), len(q)), np.tile(np.arange(len(q)), len(p))]
    else:
        level, sample = np.arange(sweep.points), found.sample
        whole = {parameter.name: parameter for parameter in sweep.swept}
        p, q = whole[x], whole[y]
        places = [p.level, q.level]
    table = _long(found, sample, places, ["x", "y"], [p, q])
    sign, unsure = sample.sign(size(found.sample)), np.nan_to_num(sample.reach) > 1e-9 * size(found.sample)
    table["clear"] = ~((sign == 0) & unsure).ravel()
    count = sample.mean.shape[1]
    for name, weights in (("points", None), ("failed", bad.astype(float))):
        table[name] = np.tile(np.bincount(level, weights, count).astype(int), len(found.names))
    return table, gridded


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
    ends = {"mean": np.where(np.isfinite(sample.mean), mean, np.nan), "low": mean - reach, "high": mean + reach}
    seeds = np.broadcast_to(sample.seeds, sample.mean.shape)
    return table.assign(**{name: value.ravel() for name, value in ends.items()}, seeds=seeds.ravel())


def settling(results: Contents) -> pd.DataFrame:
    """One row a point where a stable point was looked for: point (its place), found, seen (what dynamics do there).

    Raises
    ------
    NoMeasure
        If the study did not keep the table.
    """
    wanted = ["point", "found", "seen"]
    if not set(wanted) <= columns(results, "stable_point"):
        raise NoMeasure("stable: the study did not keep stable points; Study(measure='stable_point') does")
    rows = pd.concat([part.drop_duplicates("point") for part in parts(results, "stable_point", wanted)])
    rows = rows.sort_values("point", ignore_index=True)
    return rows.assign(found=rows["found"].astype(bool), seen=rows["seen"].astype(str))
