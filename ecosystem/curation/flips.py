"""Labels that somebody turns round where a taste is learned anew each round: a table, with a budget one can count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ecosystem.core.check import brief, whole_number
from ecosystem.core.stacking import Stackable

_ROUNDING = 1e-9  # of a label, below which one counts as whole


@dataclass(frozen=True, eq=False, repr=False)
class Flips(Stackable):
    """Which of ``labels`` comparisons a round are turned round, in each of ``rounds``, or the same in every round.

    Of so many pairs of a member's new output ``2·labels·p_x·p_y`` compare ``x`` with ``y``, and of these a part says
    ``x``. A row of ``table`` turns some of them: those that preferred ``before`` say ``preferred``; ``flips``
    is how many (1 where there is no such column), ``round`` after which round's output they are said (in every round
    where there is no such column). Labels that are not there are not flipped: at most as many as there are.

    Raises
    ------
    TypeError
        If ``table`` is no DataFrame.
    ValueError
        If a column is missing, a symbol is none of ``symbols`` or is compared with itself, a round is below 1, or
        numbers are no whole numbers of labels.

    >>> flips = Flips(pd.DataFrame({"round": [1, 2], "before": [1, 1], "preferred": [0, 0], "flips": [3, 2]}), 2, 100)
    >>> flips, flips.most
    (Flips(5 in 2 rounds, of 100 labels a round), 3)
    """

    counts: Tensor  # [rounds or 1, symbols, symbols]: so many that preferred the row say the column
    labels: Tensor
    always: bool

    def __init__(self, table: Any, symbols: int, labels: int) -> None:
        n = whole_number(symbols, "Flips(symbols)", 2)
        many = whole_number(labels, "Flips(labels)", 1, of="comparisons a round")
        if not isinstance(table, pd.DataFrame):
            raise TypeError(f"Flips(table) is a DataFrame with columns before, preferred, got {brief(table)}")
        missing = [name for name in ("before", "preferred") if name not in table]
        if missing:
            raise ValueError(f"Flips(table) needs columns before, preferred; there is no {missing[0]!r}")
        always = "round" not in table
        before, now = (_whole(table, name, 0, n - 1) for name in ("before", "preferred"))
        flips = _whole(table, "flips", 0) if "flips" in table else np.ones(len(table), dtype=np.int64)
        when = np.ones(len(table), dtype=np.int64) if always else _whole(table, "round", 1)
        same = np.flatnonzero(before == now)
        if len(same):
            raise ValueError(
                f"Flips(table): row {same[0]} turns a label for {before[same[0]]} into one for the same; leave it out"
            )
        counts = torch.zeros(int(when.max(initial=1)), n, n, dtype=torch.float64)
        where = tuple(torch.from_numpy(part) for part in (when - 1, before, now))
        counts.index_put_(where, torch.from_numpy(flips).to(torch.float64), accumulate=True)
        object.__setattr__(self, "counts", counts)
        object.__setattr__(self, "labels", torch.tensor(float(many), dtype=torch.float64))
        object.__setattr__(self, "always", always)

    @property
    def most(self) -> int:
        """The most flips that any round has."""
        return int(self.counts.sum((-1, -2)).max())

    def at(self, round: int | None) -> Tensor:
        """Those after a round, ``[symbols, symbols]``; ValueError where they hang on the round and there is none."""
        if self.always:
            return self.counts[0]
        if round is None:
            raise ValueError(
                f"{self} are others in each round, and what is asked here knows of no rounds (a stable point, "
                "influence); leave the column round out for flips that are the same in every round"
            )
        return self.counts[round - 1] if round <= len(self.counts) else torch.zeros_like(self.counts[0])

    def __repr__(self) -> str:
        total, rounds = int(self.counts.sum()), len(self.counts)
        when = "in every round" if self.always else f"in {rounds} round{'s' if rounds != 1 else ''}"
        return f"Flips({total} {when}, of {float(self.labels.mean()):.6g} labels a round)"


def turned(flips: Tensor, labels: Tensor, weight: Tensor, wins: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """How often the first of each pair is preferred, ``[..., pairs]``, once ``flips [..., symbols, symbols]`` are made.

    Pairs count for ``weight [..., pairs]`` of all ``labels``; ``wins`` is what was said before. Differentiable by
    flips.
    """
    none = weight == 0
    there = labels.unsqueeze(-1) * torch.where(none, 1.0, weight)
    out = torch.minimum(flips[..., first, second], there * wins)
    into = torch.minimum(flips[..., second, first], there * (1 - wins))
    return wins + torch.where(none, 0.0, (into - out) / there)


def whole_labels(labels: Tensor, weight: Tensor, wins: Tensor) -> Tensor:
    """How many whole labels say so, ``[..., pairs]``: as many as can be flipped."""
    return torch.floor(labels * weight * wins + _ROUNDING)


def _whole(table: pd.DataFrame, name: str, low: int, high: int | None = None) -> np.ndarray:
    """A column of whole numbers."""
    known = pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=float)
    right = (known >= low) & (known % 1 == 0) & (known <= (2**53 if high is None else high))
    wrong = np.flatnonzero(~right)
    if len(wrong):
        span = f"a whole number, at least {low}" if high is None else f"one of the symbols {low}..{high}"
        value = brief(table[name].iloc[wrong[0]])
        raise ValueError(f"Flips(table): {name} is {span}, got {value} in row {wrong[0]}")
    return known.astype(np.int64)
