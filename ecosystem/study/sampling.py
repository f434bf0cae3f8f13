"""Designs that SALib makes: points from which sensitivity indices can be told, row by row in its own order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecosystem.core.check import brief, whole_number

CHOICES = (list, range)


@dataclass(frozen=True)
class Sampled:
    """What a study's folder keeps of such a design: all that is needed to analyse it later.

    ``rows[i]`` is the point of the i-th row of SALib's sample: rows may share one, where parameters are choices.
    ``names`` are the parameters that vary, in SALib's order, ``bounds`` what was given for every parameter, in words.
    """

    method: str
    names: tuple[str, ...]
    bounds: Mapping[str, str]
    points: int
    second_order: bool
    levels: int
    seed: int
    rows: tuple[int, ...]

    @property
    def block(self) -> int:
        """How many rows belong together: without one of them the others say nothing."""
        return len(self.names) + 1 if self.method == "morris" else (1 + self.second_order) * len(self.names) + 2

    @property
    def apart(self) -> list[int]:
        """The points that were drawn apart from each other; the others share all but one parameter with one of them."""
        ends = [0] if self.method == "morris" else [0, self.block - 1]
        return np.unique(np.reshape(self.rows, (-1, self.block))[:, ends]).tolist()

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "names": list(self.names), "bounds": dict(self.bounds), "rows": list(self.rows)}

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Sampled:
        return cls(**{**given, "names": tuple(given["names"]), "rows": tuple(given["rows"])})


@dataclass(frozen=True, eq=False)
class Sampling:
    """A design of SALib over ``bounds``: ``"sobol"`` (Saltelli's) or ``"morris"`` (trajectories).

    Raises
    ------
    ValueError, TypeError
        If bounds are none, ``points`` cannot be, or choices are given to Morris; with the parameter and the mend.

    >>> found = Sampling("sobol", {"coupling": (0, 1), "family": ["ring", "star"], "rounds": 9}, 2)
    >>> len(found.unit), found.names, sorted(found.parameters[0])
    (8, ('coupling', 'family'), ['coupling', 'family', 'rounds'])
    """

    method: str
    bounds: Mapping[str, Any]
    points: int
    second_order: bool = False
    seed: int = 0
    levels: int = 4

    def __post_init__(self) -> None:
        whole_number(self.points, f"{self.place}(points)", 2)
        whole_number(self.seed, f"{self.place}(seed)", 0)
        if self.method == "sobol" and self.points & (self.points - 1):
            near = 2 ** (self.points.bit_length() - 1)
            raise ValueError(
                f"{self.place}(points) must be a power of two, got {self.points}: other parts of a Sobol sequence are "
                f"not balanced; give it {near} or {2 * near}"
            )
        whole_number(self.levels, f"{self.place}(levels)", 2)
        if self.levels % 2:
            raise ValueError(f"{self.place}(levels) must be even, got {self.levels}; with 4 steps are of two thirds")
        if not isinstance(self.bounds, Mapping):
            raise TypeError(f"{self.place}(bounds) is a dict {{name: (low, high)}}, got {type(self.bounds).__name__}")
        for name, given in self.bounds.items():
            self._check(name, given)
        if not self.names:
            raise ValueError(f"{self.place}(bounds): no parameter varies; give one (low, high) or a list of choices")
        if self.method == "sobol" and len(self.names) * 2 > 21201:
            raise ValueError(f"{self.place}(bounds): {len(self.names)} parameters are more than a Sobol sequence has")

    @property
    def place(self) -> str:
        """The call that it is made by, for errors."""
        return f"Study.{self.method}"

    def _check(self, name: Any, given: Any) -> None:
        place = f"{self.place}(bounds): {name!r}"
        if isinstance(given, CHOICES):
            if len(given) < 2:
                raise ValueError(f"{place} has {len(given)} choices; give two or more, or a single value to hold it")
            if self.method == "morris":
                raise ValueError(
                    f"{place} is a list of choices, and steps of Morris are parts of a range: a step between choices "
                    "has no size; give it (low, high), hold it at one value, or use Study.sobol"
                )
        elif isinstance(given, tuple):
            ends = [float(v) for v in given if isinstance(v, int | float | np.number) and not isinstance(v, bool)]
            if len(given) != 2 or len(ends) != 2 or not -np.inf < ends[0] < ends[1] < np.inf:
                raise ValueError(
                    f"{place} must be (low, high) with two finite numbers, low below high, got {brief(given)}; choices "
                    "are a list or a range, a single value is held"
                )

        elif self.method == "morris" and _varies(given) and not np.isfinite([given.ppf(0.0), given.ppf(1.0)]).all():
            raise ValueError(f"{place} has no ends, and Morris goes from one to the other; give it (low, high)")

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters that vary."""
        return tuple(name for name, given in self.bounds.items() if _varies(given))

    @property
    def unit(self) -> np.ndarray:
        """SALib's sample in the unit cube, ``[rows, names]``: Saltelli's blocks, or Morris' trajectories."""
        from SALib.sample import morris, sobol

        count = len(self.names)
        problem = {"num_vars": count, "names": list(self.names), "bounds": [[0.0, 1.0]] * count}
        if self.method == "morris":
            return morris.sample(problem, self.points, num_levels=self.levels, seed=self.seed)
        return sobol.sample(problem, self.points, calc_second_order=self.second_order, seed=self.seed)

    @property
    def parameters(self) -> list[dict[str, Any]]:
        """The parameters of every row, also of rows that are the same."""
        columns: dict[str, Sequence[Any]] = {}
        unit = self.unit
        place = {name: i for i, name in enumerate(self.names)}
        for name, given in self.bounds.items():
            columns[name] = _values(given)(unit[:, place[name]]) if name in place else [given] * len(unit)
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def kept(self, rows: Sequence[int]) -> Sampled:
        """What a folder keeps of it, where its rows are these points."""
        words = {name: repr(given) for name, given in self.bounds.items()}
        how = (self.points, self.second_order, self.levels, self.seed)
        return Sampled(self.method, self.names, words, *how, tuple(int(row) for row in rows))


def _varies(given: Any) -> bool:
    return isinstance(given, tuple | list | range) or callable(getattr(given, "ppf", None))


def _values(given: Any) -> Callable[[np.ndarray], Sequence[Any]]:
    """From the unit interval to values: a range of numbers, choices of equal probability, or a distribution's own."""
    if isinstance(given, CHOICES):
        return lambda unit: [given[i] for i in np.minimum((unit * len(given)).astype(int), len(given) - 1)]
    if isinstance(given, tuple):
        low, high = given
        return lambda unit: (unit * (high - low) + low).tolist()
    return lambda unit: np.asarray(given.ppf(unit), float).tolist()
