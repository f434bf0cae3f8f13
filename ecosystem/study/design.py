"""The design of a study: its points, one choice of the parameters each."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ecosystem.core.arguments import meant_among
from ecosystem.core.identity import digest, label
from ecosystem.core.parameters import misfits
from ecosystem.study.sampling import Sampling

Grid = Mapping[str, Any] | pd.DataFrame | Sampling
_LISTS = (list, range, pd.Series, pd.Index)
_SCALARS = (bool, int, float, str)


class Design:
    """Points: ``parameters`` as ``build`` gets them, their digests as ``keys``, and the names of the parameters.

    A dict stands for every combination of its *lists* (also ranges, one-dimensional arrays and series), the last one
    running fastest; anything else (a string, a tuple, a graph, a dict, a tensor) is one value. A DataFrame stands for
    its rows, and a :class:`~ecosystem.study.sampling.Sampling` for the points that its rows are: ``rows[i]`` is that of
    the i-th.

    >>> Design({"coupling": [0.1, 0.9], "family": "ring"}).parameters
    [{'coupling': 0.1, 'family': 'ring'}, {'coupling': 0.9, 'family': 'ring'}]
    """

    def __init__(self, grid: Any) -> None:
        self.sampling: Sampling | None = None
        self.rows: list[int] = []
        if isinstance(grid, Sampling):
            self.sampling, names, self.parameters = grid, list(grid.bounds), grid.parameters
        elif isinstance(grid, pd.DataFrame):
            names, self.parameters = list(grid.columns), _rows(grid)
        elif grid is None or isinstance(grid, Mapping):
            given = dict(grid or {})
            names, self.parameters = list(given), list(_combinations(given))
        else:
            raise TypeError(f"Study(grid) is a dict of lists or a DataFrame of rows, got {type(grid).__name__}")
        self.names: list[str] = names
        for name in self.names:
            if not isinstance(name, str) or name == "point":
                raise ValueError(
                    f"{self.place}: {name!r} cannot be a parameter; names are strings, and the tables call the number "
                    "of a point `point` (drop that column)"
                )
        for i, point in enumerate(self.parameters):
            if missing := [name for name, value in point.items() if _is_missing(value)]:
                raise ValueError(
                    f"{self.place}: point {i} has {missing[0]}={point[missing[0]]}, which is no value; leave "
                    "it out, or give None and let build say what that means"
                )
        self.keys = [digest({k: _number(v) for k, v in point.items()}) for point in self.parameters]
        if self.sampling is not None:
            self._share()
        first: dict[str, int] = {}
        for i, key in enumerate(self.keys):
            if first.setdefault(key, i) != i:
                raise ValueError(f"Study(grid): points {first[key]} and {i} are the same: {self.parameters[i]}")

    def __len__(self) -> int:
        return len(self.keys)

    def _share(self) -> None:
        """Make rows that are the same one point."""
        first: dict[str, int] = {}
        for row, key in enumerate(self.keys):
            first.setdefault(key, row)
        place = {key: number for number, key in enumerate(first)}
        self.rows = [place[key] for key in self.keys]
        self.parameters, self.keys = [self.parameters[row] for row in first.values()], list(first)

    @property
    def place(self) -> str:
        """What the user gave it as, for errors."""
        return "Study(grid)" if self.sampling is None else f"{self.sampling.place}(bounds)"

    def check(self, build: Callable[..., Any], name: str) -> None:
        """Refuse parameters that ``build`` does not have, and a grid without those it needs."""
        unknown, needed, names = misfits(build, self.names)
        if unknown:
            there = f"its parameters are: {', '.join(names)}" if names else "it takes none"
            near = meant_among(unknown[0], names, there)
            raise ValueError(f"{self.place}: {name}() has no parameter {', '.join(map(repr, unknown))}{near}")
        if needed:
            where = "grid" if self.sampling is None else "bounds"
            raise ValueError(
                f"{self.place}: {name}() needs a value for {', '.join(map(repr, needed))}; "
                f"put it into the {where} (a single value is not swept), or give it a default"
            )


Labels = dict[str, dict[str, str]]  # by parameter: what stands in the table, and the digest of what it stands for


def points_table(
    names: Sequence[str],
    parameters: Sequence[Mapping[str, Any]],
    before: pd.DataFrame | None = None,
    labels: Labels | None = None,
) -> pd.DataFrame:
    """The table ``points``: numbers and texts as they are, anything else by the words that it goes by.

    ``before`` is a table that the new points go on with; it becomes what it had been with all of them at once.
    ``labels`` are the words that stand there, to which those of new points are added: another value of the same words
    gets the first digits of its digest behind them.
    """
    labels = {} if labels is None else labels
    columns: dict[str, Any] = {}
    for name in names:
        known = [] if before is None else [None if pd.isna(value) else _plain(value) for value in before[name]]
        columns[name] = _column(known, [point[name] for point in parameters], labels.setdefault(name, {}))
    count = len(parameters) + (0 if before is None else len(before))
    return pd.DataFrame({"point": np.arange(count), **columns})


def _column(known: list[Any], new: list[Any], labels: dict[str, str]) -> pd.Series:
    values = [*known, *new]
    given = [value for value in values if value is not None]
    kinds, lacking = {type(value) for value in given}, len(given) < len(values)
    if kinds and kinds <= {int, float} and float in kinds and not (lacking and any(x != x for x in given)):
        return pd.Series(values, dtype="Float64" if lacking else float)  # of what lacks, NaN says nothing
    huge = any(type(value) is int and abs(value) >= 2**63 for value in given)
    if len(kinds) == 1 and kinds <= set(_SCALARS) and not huge:
        (kind,) = kinds
        if not lacking:
            return pd.Series(values, dtype="str" if kind is str else kind)
        if kind is not float:
            return pd.Series(values, dtype={bool: "boolean", int: "Int64", str: "str"}[kind])
    texts = [value if value is None or type(value) is str else _words(value, labels) for value in known]
    texts += [None if value is None else _words(value, labels) for value in new]
    return pd.Series(texts, dtype="str")


def _words(value: Any, known: dict[str, str]) -> str:
    """What stands for a value in the table: its words, unless they are another's already."""
    whole, key = label(value), digest(value)
    text = whole.removesuffix(f" #{key[:6]}")
    if known.get(text, key) != key:
        text = f"{text} #{key[:6]}"
    known[text] = key
    return text


def _combinations(grid: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    choices = {}
    for name, value in grid.items():
        if isinstance(value, Iterator):
            raise TypeError(f"Study(grid): {name!r} is used up by reading it once; give a list: list(...)")
        swept = isinstance(value, _LISTS) or (isinstance(value, np.ndarray) and value.ndim == 1)
        choices[name] = [_plain(item) for item in value] if swept else [_plain(value)]
        if not choices[name]:
            raise ValueError(f"Study(grid): the list of {name!r} is empty, so there are no points; give it values")
    for combination in itertools.product(*choices.values()):
        yield dict(zip(choices, combination, strict=True))


def _rows(grid: pd.DataFrame) -> list[dict[str, Any]]:
    if grid.empty or not grid.columns.is_unique:
        raise ValueError(f"Study(grid): a DataFrame needs rows, and columns that differ; got {list(grid.columns)}")
    columns = {str(name): [_plain(value) for value in grid[name]] for name in grid.columns}
    for name, values in columns.items():
        for row, value in enumerate(values):
            if _is_missing(value):
                raise ValueError(
                    f"Study(grid): row {row} has no value for {name!r}; fill it in (None needs a column of objects)"
                )
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _is_missing(value: Any) -> bool:
    return value is pd.NA or value is pd.NaT or (isinstance(value, float) and np.isnan(value))


def _number(value: Any) -> Any:
    """A whole number as a float: 0 and 0.0 are one value, and a DataFrame turns one into the other."""
    return float(value) if type(value) is int and abs(value) <= 2**53 else value


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's own."""
    return value.item() if isinstance(value, np.generic) else value
