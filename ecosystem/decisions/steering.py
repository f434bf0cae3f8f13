"""What steering found, and the search for it over real shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
import pandas as pd

from ecosystem.core.words import called, capital, counted, number
from ecosystem.decisions.floors import Array, Floor
from ecosystem.decisions.references import MET, Answer, Program, breakpoints, linear, program_of
from ecosystem.generators import Categorical
from ecosystem.influence.dynamics import Dynamics
from ecosystem.influence.stable import find
from ecosystem.scenario import Scenario

_LEAST = 1e-9  # a real share of less is none


@dataclass(frozen=True, eq=False)
class Steering:
    """The cheapest reference distributions above floors; made by :func:`steer`.

    ``scenario`` is the steered copy: real data are drawn from ``reference``, what is taken from models is scaled to the
    ``real`` share (by member). ``verdict`` is *met*, *infeasible* (no real data promise the floors) or *over budget*;
    ``violation`` what the floors are then missed by, in sum, at the least. ``cost`` is what a sample of every steered
    member's diet costs, in sum, ``price`` that of a real sample.

    ``floors``: a row for each, member, feature, ``floor``, ``promised`` (what is certain of it in the long run),
    ``missed`` (by what the promise falls short), ``marginal`` (what one more unit of the floor costs; NaN where floors
    are missed). ``path``: what each real share that was looked at comes to: real, models (what is left, ``η``), cost,
    price, support (how many symbols are bought), violation, met.
    """

    scenario: Scenario
    reference: pd.DataFrame
    real: pd.Series
    cost: float
    floors: pd.DataFrame
    path: pd.DataFrame
    budget: float | None
    cheapest: float
    values: list[Array]

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
        point = find(Dynamics(self.scenario))
        means = [np.nan] * len(self.floors)
        if point.found:
            laws = [cast(Any, point.generators[name]).law().probabilities.numpy() for name in self.floors["member"]]
            means = [float(law @ values) for law, values in zip(laws, self.values, strict=True)]
        holds = np.array(means) >= self.floors["floor"].to_numpy() - MET
        return self.floors.assign(reached=means, holds=holds, seen=point.seen)

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
            sentence = capital(f"{called(row['member'])}, {row['feature']}: {sure}.")
            rows.append((row["member"], row["feature"], words, sentence))
        return pd.DataFrame(rows, columns=["member", "feature", "verdict", "sentence"])

    @property
    def sentence(self) -> str:
        """What was found, in a sentence."""
        many = counted(len(self.floors), "floor").capitalize()
        if self.verdict == "met":
            spent = f"{number(self.price, digits=4)} a real sample, {number(self.cost, digits=4)} a sample of the diet"
            kinds = counted(int((self.reference.to_numpy() > 0).any(0).sum()), "symbol")
            return f"{many} kept whatever users choose: {self._shares()}, real data of {kinds} for {spent}."
        worst = self.floors.loc[self.floors["missed"].idxmax()]
        most = f"most at {called(worst['member'])}, {worst['feature']} (by {number(worst['missed'])})"
        if self.verdict == "over budget":
            why = f"a budget of {number(cast(float, self.budget))} does not reach, {number(self.cheapest)} would"
        else:
            why = "no real data promise them"
        return f"{many}: {why}; {self._shares()}, they are missed by {number(self.violation)} in all, {most}."

    def _shares(self) -> str:
        low, high = float(self.real.min()), float(self.real.max())
        return f"with a real share of {number(low)}" + (f" to {number(high)}" if high - low > 1e-9 else "")

    def __repr__(self) -> str:
        return f"Steering({self.scenario.name!r}, {self.verdict}: {self.sentence})"


@dataclass(frozen=True)
class Search:
    """Programs for some real shares, and the best of their answers."""

    scenario: Scenario
    floors: list[Floor]
    names: list[str]
    costs: dict[str, Array]
    budget: float | None

    def program(self, real: Mapping[str, float]) -> Program:
        return program_of(self.scenario, self.names, self.floors, self.costs, real)

    def best(self, shares: Sequence[Mapping[str, float]]) -> Steering:
        """Of the real shares the cheapest that meet the floors; where none do, those that miss them least."""
        answers = [self.program(real).solve(self.budget) for real in shares]
        if not any(answer.possible for answer in answers):
            cheapest = min(sum(real[name] * float(self.costs[name].min()) for name in self.names) for real in shares)
            raise ValueError(
                f"steer(budget={self.budget}) does not even buy the cheapest symbols, which cost {cheapest:.6g} a "
                "sample of the diet; give more, or lower the real share"
            )
        best = min(range(len(answers)), key=lambda i: _rank(answers[i]))
        free = [self.program(real).solve() for real in shares] if self.budget is not None else answers
        met = [answer.cost for answer in free if answer.met]
        return self.told(shares[best], answers[best], _path(shares, answers), min(met, default=np.nan))

    def between(self, low: float, high: float) -> list[float]:
        """Real shares between which nothing is cheaper: where the cost bends; where floors are missed, the least so."""
        ends = [self.program(dict.fromkeys(self.names, share)) for share in (low, high)]
        self._check_linear(ends, low, high)
        paid, floors = len(ends[0].costs), len(self.floors)
        nothing, one = np.zeros(paid + floors), np.ones(1)
        least, most = (linear(ends, np.r_[nothing, sign * one], 0.0, self.budget) for sign in (1, -1))
        if least.status != 0 or most.status != 0:
            missed = linear(ends, np.r_[np.zeros(paid), ends[0].units, 0.0], np.inf, self.budget)
            return [low, high] if missed.status != 0 else [low + (high - low) * float(missed.x[-1])]
        rises, grows = ends[1].least - ends[0].least, ends[1].real - ends[0].real

        def cost(at: float) -> tuple[float, float]:
            answer = self.program(dict.fromkeys(self.names, low + (high - low) * at)).solve()
            return answer.cost, answer.slope(rises, grows)

        first, last = float(least.x[-1]), float(most.x[-1])
        return [low + (high - low) * at for at in breakpoints(cost, first, max(first, last))]

    def _check_linear(self, ends: Sequence[Program], low: float, high: float) -> None:
        """Refuse floors that are not linear in the real share."""
        middle = self.program(dict.fromkeys(self.names, (low + high) / 2))
        bent = np.abs(middle.least - (ends[0].least + ends[1].least) / 2).max(initial=0)
        turned = max(np.abs(end.weights - middle.weights).max(initial=0) for end in ends)
        if max(bent, turned) > MET:
            raise ValueError(
                f"steer(real=({low}, {high})): members read each other raw, so what is certain is not linear in the "
                "real share; give those to be tried as a list, real=[0.2, 0.3, ...]"
            )

    def told(self, real: Mapping[str, float], answer: Answer, path: pd.DataFrame, cheapest: float) -> Steering:
        references = answer.references
        rows = [
            (floor.member, floor.feature, floor.least, floor.least - missed, missed, price)
            for floor, missed, price in zip(self.floors, _certain(answer), answer.prices, strict=True)
        ]
        table = pd.DataFrame(rows, columns=["member", "feature", "floor", "promised", "missed", "marginal"])
        table["missed"] = table["missed"].clip(lower=0).where(table["missed"] > MET, 0.0)
        return Steering(
            scenario=_steered(self.scenario, references, real),
            reference=pd.DataFrame(references).T.rename_axis(index="member", columns="symbol").fillna(0.0),
            real=pd.Series(dict(real), name="real").rename_axis("member"),
            cost=answer.cost,
            floors=table,
            path=path,
            budget=self.budget,
            cheapest=cheapest,
            values=[floor.values for floor in self.floors],
        )


def _certain(answer: Answer) -> Array:
    """What floors are above what is promised, negative where the promise is more, ``[floors]``."""
    program = answer.program
    return program.units * (program.least - program.weights @ answer.bought)


def _rank(answer: Answer) -> tuple[float, float]:
    if not answer.possible:
        return np.inf, np.inf
    return (0.0 if answer.met else answer.violation), answer.cost


def _path(shares: Sequence[Mapping[str, float]], answers: Sequence[Answer]) -> pd.DataFrame:
    rows = []
    for real, answer in zip(shares, answers, strict=True):
        mean = float(np.mean(list(real.values())))
        bought = int((answer.bought > 0).sum()) if answer.possible else 0
        price = answer.cost / sum(real.values())
        rows.append((mean, 1 - mean, answer.cost, price, bought, answer.violation, answer.met))
    return pd.DataFrame(rows, columns=["real", "models", "cost", "price", "support", "violation", "met"])


def _steered(scenario: Scenario, references: Mapping[str, Array], real: Mapping[str, float]) -> Scenario:
    """A copy with other real data, and with what is taken from models in proportion to what they leave."""
    new = scenario
    for name, reference in references.items():
        taken = 1 - scenario.real_share(name)
        scale = (1 - real[name]) / taken if taken > _LEAST else 0.0
        flows = scenario.incoming(name).items()
        for u, flow in flows if abs(scale - 1) > 1e-15 else ():
            new = new.with_flow(u, name, raw=flow.raw * scale, curated=flow.curated * scale)
        new = new.with_member(name, real=Categorical(reference))
    return new.replace(name=f"{scenario.name} (steered)")
