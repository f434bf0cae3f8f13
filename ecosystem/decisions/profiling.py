"""Profile likelihood: how far one free number can be moved while all others make the best of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from scipy.optimize import brentq
from scipy.stats import chi2 as chi_squared
from scipy.stats import f as fisher

from ecosystem.core.arguments import meant
from ecosystem.core.check import brief, real_number
from ecosystem.core.words import listed, number
from ecosystem.decisions.free import Free
from ecosystem.decisions.parameters import Parameters
from ecosystem.decisions.solving import Problem

_STEPS = 40  # doublings of the way out
_ENDS = 1e-4  # of the distance: how well an end is found
_BETTER = 1e-3  # of the threshold: by how much χ² must be lower than that of the fit to be more than rounding
_TINY = 1e-3  # of its size: the first step where no standard error tells


@dataclass(frozen=True, eq=False)
class Profile:
    """The interval ``low`` to ``high`` of a free number; ``table`` has the ``value``\\ s tried and what ``χ²`` rose by.

    An end is infinite where the rise stays below ``threshold`` up to the number's bound; that of a share is what its
    diet leaves it with all other free shares at their lowest.
    """

    name: str
    estimate: float
    low: float
    high: float
    confidence: float
    threshold: float
    table: pd.DataFrame

    @property
    def better(self) -> str:
        """Of a fit that was not the best: by how much and where ``χ²`` is lower, and what to do; else empty."""
        least = self.table.loc[self.table["rise"].idxmin()]
        if least["rise"] >= -_BETTER * self.threshold:
            return ""
        return (
            f"The fit is not the best: the profile of {self.name} found χ² lower by {number(-least['rise'])} at "
            f"{number(least['value'])}, so estimates, errors and this interval do not hold: search from more starts, "
            "fit(..., starts=...)."
        )

    def __repr__(self) -> str:
        ends = f"{number(self.low)} to {number(self.high)}"
        said = f"; {self.better}" if self.better else ""
        return f"Profile({self.name} = {number(self.estimate)}, {100 * self.confidence:g} %: {ends}{said})"


class Fitted(Protocol):
    """What of a fit is asked."""

    @property
    def estimated(self) -> bool: ...
    @property
    def problem(self) -> Problem: ...
    @property
    def parameters(self) -> Parameters: ...
    @property
    def values(self) -> np.ndarray: ...
    @property
    def estimates(self) -> pd.DataFrame: ...
    @property
    def chi2(self) -> float: ...
    @property
    def degrees(self) -> int: ...


def named(fit: Fitted, given: Free | str) -> str:
    """The name of the free number that a part or a text means; KeyError if there is none."""
    names = fit.parameters.names
    spelled = not isinstance(given, str) or "(" in given
    found = fit.parameters.meant(given) if spelled else None
    if found is None or found.name not in names:
        near = meant(str(given), names)
        raise KeyError(f"profile({str(given)!r}): there is no such free number; free are {listed(names)}{near}")
    return found.name


def profiled(fit: Fitted, name: str, confidence: float) -> Profile:
    """The profile of one number of a fit, by its name; see :meth:`Fit.profile`.

    Raises
    ------
    ValueError
        If the confidence does not lie between 0 and 1.
    """
    names = fit.parameters.names
    if not 0 < real_number(confidence) < 1:
        raise ValueError(f"profile(confidence) lies between 0 and 1, got {brief(confidence)}")
    if fit.estimated:  # the rise relative to what is left per degree of freedom
        scale = fit.chi2 / max(fit.degrees, 1)
        threshold = float(fisher.ppf(confidence, 1, max(fit.degrees, 1))) * scale
    else:
        threshold = float(chi_squared.ppf(confidence, 1))
    way = _Way(fit, name)
    i = names.index(name)
    error = float(fit.estimates["error"].iloc[i])
    step = error if np.isfinite(error) and error > 0 else max(_TINY, _TINY * abs(way.middle))
    low, high = (_end(way, side, step, threshold) for side in (-1, 1))
    table = pd.DataFrame(sorted(way.tried.items()), columns=["value", "rise"])
    return Profile(name, way.middle, low, high, confidence, threshold, table)


class _Way:
    """What ``χ²`` rises by as one number is held at other values, and all others are fitted again."""

    def __init__(self, fit: Fitted, name: str) -> None:
        given = fit.parameters
        first = [one for one in given.free if one.name == name]  # the first share of a diet has a coordinate of its own
        rest = [one for one in given.free if one.name != name]
        values = {one.name: value for one, value in zip(given.free, fit.values, strict=True)}
        self.parameters = Parameters(given.given, [*first, *rest, *given.remainder])
        self.problem = fit.problem.freed(self.parameters)
        self.begin = np.array([values[one.name] for one in self.parameters.free])
        self.middle, self.least = float(self.begin[0]), fit.chi2
        ends = np.array([self.parameters.unbox(self.begin)] * 2)
        ends[:, 0] = [side[0] for side in self.parameters.box_bounds]
        self.low, self.high = self.parameters.box(torch.from_numpy(ends))[:, 0].tolist()  # a share's: what a diet has
        self.last, self.tried = self.begin.copy(), {self.middle: 0.0}

    def rise(self, value: float) -> float:
        start = self.parameters.unbox(np.r_[value, self.last[1:]])
        found = self.problem.solved(start, fixed=[0])
        self.last = found.values
        self.tried[value] = found.chi2 - self.least
        return self.tried[value]


def _end(way: _Way, side: int, step: float, threshold: float) -> float:
    """Where the rise reaches the threshold on one side; infinite where it does not."""
    way.last = way.begin.copy()
    bound, near = (way.high if side > 0 else way.low), way.middle

    def gap(value: float) -> float:
        return way.rise(value) - threshold

    for _ in range(_STEPS):
        far = min(way.middle + step, bound) if side > 0 else max(way.middle - step, bound)
        if far == near:
            break
        if gap(far) >= 0:
            return float(_root(gap, near, far, step))
        near, step = far, 2 * step
        if far == bound:
            break
    return side * np.inf


def _root(gap: Callable[[float], float], near: float, far: float, step: float) -> float:
    if gap(near) >= 0:
        return near
    return brentq(gap, near, far, xtol=_ENDS * step, rtol=1e-8)  # type: ignore[return-value]
