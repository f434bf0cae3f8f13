"""Scenarios of which one is true and nobody knows which: points with weights, and what is wanted over all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ecosystem.core.arguments import meant
from ecosystem.core.check import brief, users_code
from ecosystem.core.parameters import misfits
from ecosystem.core.words import listed
from ecosystem.scenario import Scenario

OVER = ("expected", "worst", "regret")


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Scenarios ``build(**point)`` at the rows of a table of ``points``, as likely as its column ``weight`` says.

    A table without that column has points that are equally likely. All decisions take one in place of a scenario:
    :attr:`scenarios` and :attr:`weights` (which add up to 1) are in the order of the rows.

    Raises
    ------
    TypeError, ValueError
        For points that are no table, columns that ``build`` has no parameter for or lacks, weights that are negative or
        all 0, and where ``build`` makes no scenario.

    >>> import pandas as pd
    >>> from ecosystem import Flow, Linear, Location, Member, Scenario, Shift
    >>> def loop(strength):
    ...     s = Scenario("loop", rounds=1)
    ...     s.add("a", Member(Location([0.0]), reward=Linear([1.0]), curator=Shift([strength]), real=Location([0.0])))
    ...     s.connect("a", "a", Flow(curated=0.5))
    ...     return s
    >>> two = Ensemble(loop, pd.DataFrame({"strength": [1.0, -1.0], "weight": [3.0, 1.0]}))
    >>> len(two), two.weights.tolist()
    (2, [0.75, 0.25])
    """

    build: Callable[..., Scenario]
    points: pd.DataFrame
    weight: str = "weight"

    def __post_init__(self) -> None:
        if not isinstance(self.points, pd.DataFrame) or not len(self.points):
            raise TypeError(f"Ensemble(points) is a DataFrame with a row for each scenario, got {brief(self.points)}")
        if not isinstance(self.weight, str):
            raise TypeError(f"Ensemble(weight) is the name of a column, got {brief(self.weight)}")
        self._check_columns()
        values = self._given
        if not (np.isfinite(values).all() and (values >= 0).all() and values.sum() > 0):
            raise ValueError(
                f"Ensemble(points): the column {self.weight!r} says how likely each row is, with numbers from 0 on "
                f"that are not all 0; got {brief(values.tolist())}"
            )

    def _check_columns(self) -> None:
        """Refuse columns that ``build`` has no parameter for, and a table without those it needs."""
        if not callable(self.build):
            raise TypeError(f"Ensemble(build) is a function that makes a scenario, got {brief(self.build)}")
        given = [str(name) for name in self.points.columns if name != self.weight]
        try:
            unknown, needed, known = misfits(self.build, given)
        except ValueError:  # a function that does not say what it takes
            return
        if unknown:
            has = f"its parameters are {listed(known)}" if known else "it takes none"
            raise ValueError(
                f"Ensemble(points): build has no parameter {unknown[0]!r}, which is a column; {has}"
                f"{meant(unknown[0], known)}"
            )
        if needed:
            raise ValueError(f"Ensemble(points): build needs {listed(map(repr, needed))}; add such a column")

    @property
    def _given(self) -> np.ndarray:
        if self.weight not in self.points:
            return np.ones(len(self.points))
        return pd.to_numeric(self.points[self.weight], errors="coerce").to_numpy(dtype=np.float64)

    def __len__(self) -> int:
        return len(self.points)

    @property
    def weights(self) -> np.ndarray:
        """How likely each scenario is, ``[scenarios]``; they add up to 1."""
        return self._given / self._given.sum()

    @cached_property
    def scenarios(self) -> tuple[Scenario, ...]:
        """All scenarios, built once."""
        rows: list[dict[Any, Any]] = self.points.drop(columns=self.weight, errors="ignore").to_dict("records")
        found = []
        for row in rows:
            with users_code(lambda row=row: f"Ensemble(build) at {brief(row)}"):
                found.append(self.build(**{str(name): value for name, value in row.items()}))
            if not isinstance(found[-1], Scenario):
                raise TypeError(f"Ensemble(build) must return a Scenario, at {brief(row)} it gave {brief(found[-1])}")
        return tuple(found)


def as_ensemble(given: Any, what: str) -> tuple[tuple[Scenario, ...], np.ndarray]:
    """Scenarios and their weights: of an ensemble, or of one scenario alone."""
    if isinstance(given, Scenario):
        return (given,), np.ones(1)
    if isinstance(given, Ensemble):
        return given.scenarios, given.weights
    raise TypeError(f"{what} takes a Scenario or an Ensemble(build, points), got {brief(given)}")


def check_over(over: Any, what: str) -> str:
    """``over``, if it is one of the ways to look at an ensemble; ValueError else."""
    if over not in OVER:
        raise ValueError(f"{what}(over) is one of {listed(map(repr, OVER))}, got {brief(over)}")
    return over


def merged(values: Sequence[float], weights: np.ndarray, over: str, best: Any = None) -> float:
    """The welfare over an ensemble of that in each scenario: its mean, its least, or minus the largest regret.

    The regret in a scenario is what its own ``best`` is above its value there.

    >>> merged([1.0, 3.0], np.array([0.5, 0.5]), "expected"), merged([1.0, 3.0], np.array([0.5, 0.5]), "worst")
    (2.0, 1.0)
    >>> merged([1.0, 3.0], np.array([0.5, 0.5]), "regret", best=[2.0, 3.5])
    -1.0
    """
    found = np.asarray(values, dtype=np.float64)
    if np.isnan(found).any():
        return float("nan")
    if over == "expected":
        return float(weights @ found)
    if over == "worst":
        return float(found.min())
    return float((found - np.asarray(best, dtype=np.float64)).min())


def same_names(names: Mapping[str, Sequence[str]] | Sequence[Sequence[str]], what: str) -> list[str]:
    """The names that all scenarios of an ensemble share; refused where they differ."""
    first, *others = names.values() if isinstance(names, Mapping) else names
    for number, other in enumerate(others, 1):
        if list(other) != list(first):
            differ = sorted(set(first) ^ set(other)) or list(other)
            raise ValueError(
                f"{what}: the scenarios of an ensemble must offer the same, and number {number} differs from the "
                f"first in {listed(map(repr, differ))}; name what is meant"
            )
    return list(first)
