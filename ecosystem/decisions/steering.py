"""What steering found: the cheapest reference distributions, what they promise, and where the network settles."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
import pandas as pd

from ecosystem.core.words import called, capital, counted, number
from ecosystem.decisions.floors import Array
from ecosystem.decisions.references import MET
from ecosystem.influence.dynamics import Dynamics
from ecosystem.influence.stable import find
from ecosystem.scenario import Scenario


@dataclass(frozen=True, eq=False)
class Steering:
    """The cheapest reference distributions above floors; made by :func:`steer`.

    ``scenario`` is the steered copy (``scenarios``: all of an ensemble): real data are drawn from ``reference``, what
    is taken from models is scaled to the ``real`` share (by member). ``verdict`` is *met*, *infeasible* (no real data
    promise the floors) or *over budget*; ``violation`` what the floors are then missed by, in sum, at the least.
    ``cost`` is what a sample of every steered member's diet costs, in sum (on average over scenarios), ``price`` that
    of a real sample.

    ``floors``: a row for each, member, feature, ``floor``, ``promised`` (what is certain of it in the long run),
    ``missed`` (by what the promise falls short), ``marginal`` (what one more unit of the floor costs; NaN where floors
    are missed); over an ensemble a row for each ``scenario`` too, or what is promised on average. ``path``: what each
    real share that was looked at comes to: real, models (what is left, ``η``), cost, price, support (how many symbols
    are bought), violation, met. ``spent``: what the references cost in each scenario, its own cheapest (``alone``; NaN
    where it has none) and the ``regret``.
    """

    scenarios: tuple[Scenario, ...]
    weights: Array
    over: str
    reference: pd.DataFrame
    real: pd.Series
    cost: float
    floors: pd.DataFrame
    path: pd.DataFrame
    spent: pd.DataFrame
    budget: float | None
    cheapest: float
    values: list[Array]

    @property
    def scenario(self) -> Scenario:
        """The steered copy (the first of an ensemble)."""
        return self.scenarios[0]

    @property
    def price(self) -> float:
        """What a real sample costs, on average over the members that are steered."""
        return self.cost / float(self.real.sum())

    @property
    def violation(self) -> float:
        """What all floors are missed by, in sum; 0 where they are met."""
        missed = float(self.floors["missed"].sum())
        return missed if missed > MET else 0.0

    @property
    def verdict(self) -> str:
        """met, infeasible, over budget."""
        if self.violation == 0:
            return "met"
        return "over budget" if self.budget is not None and np.isfinite(self.cheapest) else "infeasible"

    @cached_property
    def reached(self) -> pd.DataFrame:
        """Where the steered network comes to rest: ``floors`` with ``reached``, ``holds`` and what was ``seen``.

        ``reached`` is the mean of the feature at the stable point that the scenario's own start leads to, users who
        move included (NaN where there is none).
        """
        found, rows = [], self.floors.iloc[: len(self.values)]
        for scenario in self.scenarios:
            point, means = find(Dynamics(scenario)), [np.nan] * len(rows)
            if point.found:
                laws = [cast(Any, point.generators[name]).law().probabilities.numpy() for name in rows["member"]]
                means = [float(law @ values) for law, values in zip(laws, self.values, strict=True)]
            found.append(rows.assign(reached=means, seen=point.seen))
        if "scenario" in self.floors or len(found) == 1:
            reached = np.concatenate([one["reached"].to_numpy() for one in found])
            seen = [text for one in found for text in one["seen"]]
        else:  # on average
            reached = self.weights @ np.stack([one["reached"].to_numpy() for one in found])
            seen = [", ".join(dict.fromkeys(one["seen"].iloc[0] for one in found))] * len(rows)
        holds = reached >= self.floors["floor"].to_numpy() - MET
        return self.floors.assign(reached=reached, holds=holds, seen=seen)

    @cached_property
    def verdicts(self) -> pd.DataFrame:
        """A row for each floor: member, feature, verdict (promised, held, missed) and a sentence.

        *held*: it is not promised, and the stable point is above it all the same.
        """
        rows = []
        for row in self.reached.to_dict("records"):
            words = "promised" if row["missed"] <= MET else "held" if row["holds"] else "missed"
            there = f"it settles at {number(row['reached'])}" if row["reached"] == row["reached"] else row["seen"]
            sure = f"at least {number(row['promised'])} is certain, {there}; its floor is {number(row['floor'])}"
            where = f", scenario {row['scenario']}" if "scenario" in row else ""
            sentence = capital(f"{called(row['member'])}, {row['feature']}{where}: {sure}.")
            rows.append((row["member"], row["feature"], words, sentence))
        return pd.DataFrame(rows, columns=["member", "feature", "verdict", "sentence"])

    @property
    def sentence(self) -> str:
        """What was found, in a sentence."""
        many = counted(len(self.values), "floor").capitalize()
        if self.verdict == "met":
            spent = f"{number(self.price, digits=4)} a real sample, {number(self.cost, digits=4)} a sample of the diet"
            kinds = counted(int((self.reference.to_numpy() > 0).any(0).sum()), "symbol")
            return (
                f"{many} kept{self._over()} whatever users choose: {self._shares()}, real data of {kinds} for {spent}."
            )
        worst = self.floors.loc[self.floors["missed"].idxmax()]
        most = f"most at {called(worst['member'])}, {worst['feature']} (by {number(worst['missed'])})"
        if self.verdict == "over budget":
            why = f"a budget of {number(cast(float, self.budget))} does not reach, {number(self.cheapest)} would"
        else:
            why = "no real data promise them"
        missed = f"they are missed by {number(self.violation)} in all, {most}"
        return f"{many}{self._over()}: {why}; {self._shares()}, {missed}."

    def _over(self) -> str:
        if len(self.scenarios) == 1:
            return ""
        every = counted(len(self.scenarios), "scenario")
        return f" on average over {every}" if self.over == "expected" else f" in each of {every}"

    def _shares(self) -> str:
        low, high = float(self.real.min()), float(self.real.max())
        return f"with a real share of {number(low)}" + (f" to {number(high)}" if high - low > 1e-9 else "")

    def __repr__(self) -> str:
        return f"Steering({self.scenario.name!r}, {self.verdict}: {self.sentence})"
