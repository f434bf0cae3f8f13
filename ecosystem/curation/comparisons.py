"""Comparisons: pairs of items, and which of the two somebody preferred."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ecosystem.core.arguments import spelled
from ecosystem.core.check import a_seed, as_tensor, brief, real_tensor, whole_number
from ecosystem.core.streams import Stream
from ecosystem.curation.base import positive
from ecosystem.rewards import as_reward

COLUMNS = ("first", "second", "preferred", "whose")
_TRIES = 100  # draws in which a model may show two different symbols


@spelled
@dataclass(frozen=True, eq=False)
class Comparisons:
    """A table of pairs with labels: what a reward is learned from (:func:`learned`).

    Columns ``first``, ``second``: the two items, by number; ``preferred``: which of the two, again by number;
    ``whose``: who said so (a name, "" where it was not given). ``items`` are all that could be compared: how many
    symbols there are, or samples ``[k, *event]`` whose rows the numbers are.

    Raises
    ------
    ValueError
        If a column is missing, an item is none of them or is compared with itself, or neither of a pair is preferred.

    >>> said = Comparisons(pd.DataFrame({"first": [0, 2], "second": [1, 0], "preferred": [1, 2]}), items=3)
    >>> said.flipped([0]).table["preferred"].tolist()
    [0, 2]
    """

    table: pd.DataFrame
    items: Tensor

    def __init__(self, table: Any, items: Any) -> None:
        if isinstance(items, Integral):
            object.__setattr__(self, "items", torch.arange(whole_number(items, "Comparisons(items)", 2)))
        else:
            object.__setattr__(self, "items", as_tensor(items, "Comparisons(items)", torch.float64))
            if not self.items.ndim or len(self.items) < 2 or not self.items.numel():
                raise ValueError(
                    "Comparisons(items) is how many symbols there are, or at least two samples [k, *event], got "
                    f"shape {tuple(self.items.shape)}"
                )
            odd = (~torch.isfinite(self.items)).reshape(len(self.items), -1).any(1).nonzero().flatten().tolist()
            if odd:
                raise ValueError(
                    f"Comparisons(items): item {odd[0]} has numbers that are NaN or infinite; leave it out, or mend it"
                )
        object.__setattr__(self, "table", _table(table, len(self.items)))

    @classmethod
    @spelled
    def sampled(
        cls,
        reward: Any,
        generator: Any,
        pairs: int,
        *,
        seed: int = 0,
        temperature: float = 1.0,
        whose: str = "users",
    ) -> Comparisons:
        """So many pairs of what a model makes, labelled by a taste: ``P(first) = σ((r(first) − r(second))/τ)``.

        This is Bradley and Terry's law of a choice between two. Symbols are compared with others than themselves.

        >>> from ecosystem.generators import Categorical
        >>> from ecosystem.rewards import Tabular
        >>> said = Comparisons.sampled(Tabular([0.0, 50.0]), Categorical([0.5, 0.5]), 20)
        >>> said.table["preferred"].unique().tolist()
        [1]
        """
        taste, count = as_reward(reward), whole_number(pairs, "Comparisons.sampled(pairs)", 1)
        rng = Stream.root([(a_seed(seed, "Comparisons.sampled(seed)"), 0)])[0].at("comparisons")
        x = _pairs(generator, count, rng)
        values = taste.judge(x).detach().to(torch.float64).reshape(2, count)
        gap = (values[0] - values[1]) / positive(temperature, "Comparisons.sampled(temperature)")
        wins = (rng.at("label").uniform(count) < torch.sigmoid(gap)).numpy()
        symbols = getattr(generator, "symbols", None)
        rows = x.reshape(2, -1).numpy() if symbols else np.arange(2 * count).reshape(2, count)
        columns = {"first": rows[0], "second": rows[1], "preferred": np.where(wins, rows[0], rows[1]), "whose": whose}
        return cls(pd.DataFrame(columns), symbols or x)

    def flipped(self, rows: Sequence[int]) -> Comparisons:
        """The same with the other item preferred in some rows (places, from 0)."""
        places = [whole_number(int(row), "flipped(rows)", 0, high=len(self) - 1) for row in rows]
        if len(set(places)) < len(places):
            raise ValueError(f"flipped(rows) names a row twice: {sorted(places)}; a second flip would undo the first")
        table = self.table.copy()
        some = table.iloc[places]
        table.iloc[places, COLUMNS.index("preferred")] = some["first"] + some["second"] - some["preferred"]
        new = copy.copy(self)  # a table that is checked already
        object.__setattr__(new, "table", table)
        return new

    def places(self, column: str) -> Tensor:
        """The items in a column as numbers, ``[pairs]``."""
        return torch.tensor(self.table[column].to_numpy())

    def wins(self) -> Tensor:
        """1 where the first of a pair was preferred, 0 where the second, ``[pairs]``."""
        return (self.places("first") == self.places("preferred")).to(torch.float64)

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        who = ", ".join(sorted(set(self.table["whose"]) - {""}))
        return f"Comparisons({len(self)} pairs of {len(self.items)} items{f', by {who}' if who else ''})"


def _table(table: Any, items: int) -> pd.DataFrame:
    """A table of pairs, checked, with all its columns in their order."""
    if not isinstance(table, pd.DataFrame):
        raise TypeError(f"Comparisons(table) is a DataFrame with columns {', '.join(COLUMNS)}, got {brief(table)}")
    missing = [name for name in COLUMNS[:3] if name not in table]
    if missing:
        raise ValueError(f"Comparisons(table) needs columns {', '.join(COLUMNS[:3])}; there is no {missing[0]!r}")
    new = table.reset_index(drop=True)
    new = new.assign(whose=new["whose"].fillna("").astype(str) if "whose" in new else "")[list(COLUMNS)]
    for name in COLUMNS[:3]:
        known = pd.to_numeric(new[name], errors="coerce")
        wrong = np.flatnonzero(~((known >= 0) & (known < items) & (known % 1 == 0)))
        if len(wrong):
            value = brief(new[name].iloc[wrong[0]])
            raise ValueError(
                f"Comparisons(table): {name} is one of the items 0..{items - 1}, got {value} in row {wrong[0]}"
            )
        new[name] = known.astype("int64")
    same = np.flatnonzero(new["first"] == new["second"])
    if len(same):
        raise ValueError(
            f"Comparisons(table): row {same[0]} compares {new['first'].iloc[same[0]]} with itself, which says nothing; "
            "leave it out"
        )
    neither = np.flatnonzero((new["preferred"] != new["first"]) & (new["preferred"] != new["second"]))
    if len(neither):
        row = new.iloc[neither[0]]
        raise ValueError(
            f"Comparisons(table): row {neither[0]} compares {row['first']} and {row['second']}, and prefers "
            f"{row['preferred']}; it must be one of the two"
        )
    return new


def _pairs(generator: Any, count: int, rng: Stream) -> Tensor:
    """``2·count`` samples of a model: those that stand first, then those that stand second."""
    if not getattr(generator, "symbols", None):
        return _drawn(generator, 2 * count, rng.at("items"))
    found = torch.empty(2, 0, dtype=torch.int64)
    for attempt in range(_TRIES):
        x = _drawn(generator, 2 * count, rng.at("items").at(attempt)).reshape(2, count)
        found = torch.cat([found, x[:, x[0] != x[1]]], 1)
        if found.shape[1] >= count:
            return found[:, :count].flatten()
    raise ValueError(
        f"{generator} made no {count} pairs of different symbols in {_TRIES * count} tries, and a symbol is not "
        "compared with itself; let it make more than one"
    )


def _drawn(generator: Any, n: int, rng: Stream) -> Tensor:
    x = generator.sample(n, rng)
    if not real_tensor(x) or len(x) != n:
        raise TypeError(f"Comparisons are of samples without inputs, and {brief(generator)} makes {brief(x)}")
    return x.detach()
