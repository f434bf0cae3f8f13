"""What a study varies: its parameters, numbers or categories, and the levels at which they were tried."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ecosystem.core.words import joined, shortened
from ecosystem.study.outcomes.contents import Contents

FEW = 4  # whole numbers with at most so many values are categories, in their order
MOST = 300  # levels of one parameter that a curve can show
DIGITS = 3  # of numbers that were drawn, which no one chose
LISTED = 6  # values of a parameter that are written out one by one


@dataclass(frozen=True, eq=False)
class Parameter:
    """One parameter: its ``labels``, a text a level, and the ``level`` of every point (−1: of none).

    ``places`` are where levels stand on an axis: the numbers themselves, or 0, 1, ... for categories. With ``grouped``
    a level holds many values, and its place is their mean. Numbers that a design drew are told with three digits, and
    all of them ``between`` the ends that it was given.
    """

    name: str
    number: bool
    labels: tuple[str, ...]
    level: np.ndarray  # [points]
    places: np.ndarray  # [levels]
    values: np.ndarray  # [points]: the numbers themselves, or the level as a number
    grouped: bool = False
    between: str = ""  # the range that a design drew numbers from, in words

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def logarithmic(self) -> bool:
        """Whether numbers are spaced as powers rather than evenly."""
        places = np.sort(self.places)
        if not self.number or len(places) < 4 or places[0] <= 0 or places[-1] < 20 * places[0]:
            return False
        even, powers = np.diff(places), np.diff(np.log(places))
        return bool(np.std(powers) / np.mean(powers) < np.std(even) / np.mean(even))

    def at(self, level: int) -> str:
        """A level in words: ``coupling 0.9``."""
        label = short(self.places[level], DIGITS) if self.between and not self.grouped else self.labels[level]
        return f"{shortened(self.name)}\N{NO-BREAK SPACE}{shortened(label, 32)}"

    @property
    def told(self) -> str:
        """All values in words: ``0.1, 0.5, 0.9`` or ``0.1 to 0.9 (11 values)``."""
        if self.between:
            return f"{self.between}, {len(self):,} values"
        if len(self) <= LISTED:
            return ", ".join(shortened(label, 40) for label in self.labels)
        if self.number:
            return f"{len(self):,} values from {self.labels[0]} to {self.labels[-1]}"
        named = ", ".join(shortened(label, 40) for label in self.labels[: LISTED - 2])
        return f"{named} and {len(self) - LISTED + 2:,} more"

    def bundled(self, most: int) -> Parameter:
        """The same with at most so many levels: neighbouring numbers together, about as many points in each."""
        if not self.number or len(self) <= most:
            return self
        order = np.argsort(self.values, kind="stable")
        level = np.empty(len(self.values), dtype=int)
        level[order] = np.arange(len(order)) * most // len(order)
        first = np.full(len(self), most)  # the same value is never parted
        np.minimum.at(first, self.level, level)
        level = np.unique(first[self.level], return_inverse=True)[1]
        inside = [self.values[level == number] for number in range(level.max() + 1)]
        labels = tuple(f"{short(v.min(), 3)} to {short(v.max(), 3)}" if np.ptp(v) else short(v.min()) for v in inside)
        return replace(self, labels=labels, level=level, places=np.array([v.mean() for v in inside]), grouped=True)


@dataclass(frozen=True, eq=False)
class Sweep:
    """The design of a study: how many ``points``, what is ``swept``, what is ``fixed`` (name, value).

    ``alone [points]`` says which were drawn apart from all others, where the design is one of SALib: in Saltelli's and
    Morris' some differ from others in one parameter only, and count as new where they are none.
    """

    points: int
    swept: list[Parameter]
    fixed: list[tuple[str, str]]
    alone: np.ndarray | None = None

    @classmethod
    def of(cls, results: Contents) -> Sweep:
        """The parameters of a study's points."""
        found = [parameter(name, results.points[name]) for name in results.parameters]
        fixed = [(p.name, p.labels[0]) for p in found if len(p) == 1]
        kept, alone = results.facts.sampled, None
        if kept is not None:
            alone = results.points["point"].isin(kept.apart).to_numpy()
            found = [replace(p, between=_between(kept.bounds.get(p.name, ""))) if p.number else p for p in found]
        return cls(len(results.points), [p for p in found if len(p) > 1], fixed, alone)

    @property
    def scattered(self) -> bool:
        """Whether points are strewn (such as a Latin hypercube) and not a grid: most values come up once."""
        if self.alone is not None:
            return True
        numbers = [p for p in self.swept if p.number]
        return len(self.swept) > 1 and any(len(p) > max(10, self.points / 2) for p in numbers)

    def levels(self, parameter: Parameter, most: int = 10) -> Parameter:
        """A parameter with levels that hold enough points to take means of."""
        if len(self.swept) == 1:
            return parameter.bundled(MOST)
        points = self.points if self.alone is None else int(self.alone.sum())
        sparse = len(parameter) > max(10, points / 2)
        return parameter.bundled(max(2, min(most, points // 3)) if sparse else MOST)

    def told(self, point: int) -> str:
        """The swept parameters of a point in words."""
        return ", ".join(p.at(p.level[point]) for p in self.swept)

    @property
    def sentence(self) -> str:
        """What was varied and what was fixed."""
        if not self.swept:
            return f"Nothing was varied{self._fixed(' (', ')')}: there is one point."
        named = joined([f"{shortened(p.name, 40)} ({p.told})" for p in self.swept])
        return f"Varied: {named}{self._fixed('. Fixed: ')}."

    def _fixed(self, before: str, after: str = "") -> str:
        """The parameters with one value only."""
        if not self.fixed:
            return ""
        return before + ", ".join(f"{shortened(n, 40)} {shortened(v, 40)}" for n, v in self.fixed[:8]) + after


def _between(bounds: str) -> str:
    """The ends of a uniform range in words, of how a design wrote them down: ``0.1 to 0.9``; of others nothing."""
    try:
        low, high = ast.literal_eval(bounds)
        return f"{short(low)} to {short(high)}" if isinstance(ast.literal_eval(bounds), tuple) else ""
    except (ValueError, SyntaxError, TypeError):
        return ""


def parameter(name: str, column: pd.Series) -> Parameter:
    """A column of the table of points as a parameter: numbers with an order, or categories."""
    number = column.dtype.kind == "f"  # of anything else, what is missing was None
    raw = [None if pd.isna(value) and not number else value for value in column]
    numbers = _numbers(column)
    if numbers is not None:
        places, level = np.unique(numbers, return_inverse=True)
        digits = (4, 6) if len(places) > MOST else (4, 6, 9, 12, 17)  # as many as tell them apart, if they are not many
        written = [tuple(short(place, most) for place in places) for most in digits]
        labels = next((labels for labels in written if len(set(labels)) == len(places)), written[-1])
        return Parameter(name, True, labels, level, places, numbers)
    labels = list(dict.fromkeys(map(_label, raw)))
    if not any(isinstance(v, str | bool | np.bool_) or not np.isfinite(v) for v in raw if v is not None):
        labels.sort(key=lambda text: (text == "None", float(text) if text != "None" else 0.0))
    place = {text: number for number, text in enumerate(labels)}
    level = np.array([place[_label(value)] for value in raw], dtype=int)
    return Parameter(name, False, tuple(labels), level, np.arange(float(len(labels))), level.astype(float))


def _numbers(column: pd.Series) -> np.ndarray | None:
    """The numbers of a column, if it is one of numbers and not of a few categories."""
    kind = column.dtype
    if kind.kind not in "iuf" or column.isna().any():
        return None
    numbers = column.to_numpy(float)
    if not np.isfinite(numbers).all() or (kind.kind in "iu" and len(np.unique(numbers)) <= FEW):
        return None
    return numbers


def _label(value: Any) -> str:
    return short(value) if isinstance(value, float) else str(value)


def short(value: float, digits: int = 6) -> str:
    """A parameter's value with so many digits, a true minus."""
    whole = float(value).is_integer() and abs(value) < 1e9
    text = str(int(value)) if whole else re.sub(r"e\+?(-?)0*", r"e\1", f"{float(value):.{digits}g}")
    return text.replace("-", "−")
