"""The search for the cheapest references: over real shares, and over one scenario or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ecosystem.decisions.floors import Array, Floor
from ecosystem.decisions.references import MET, Answer, Program, breakpoints, linear, program_of
from ecosystem.decisions.several import over_all
from ecosystem.decisions.steering import Steering
from ecosystem.generators import Categorical
from ecosystem.scenario import Scenario

Real = Mapping[str, float] | Sequence[Mapping[str, float]]
_LEAST = 1e-9  # a real share of less is none


@dataclass(frozen=True)
class Search:
    """Programs for some real shares, and the best of their answers.

    Real shares are those of each scenario, ``[{member: share}]``, or the same in all, ``{member: share}``.
    """

    scenarios: tuple[Scenario, ...]
    weights: Array
    over: str
    floors: list[Floor]
    names: list[str]
    costs: dict[str, Array]
    budget: float | None
    known: Array  # what each scenario's own cheapest references cost, [scenarios]; NaN where floors cannot be met

    def program(self, real: Real) -> Program:
        every = [
            program_of(scenario, self.names, self.floors, self.costs, part)
            for scenario, part in zip(self.scenarios, self._each(real), strict=True)
        ]
        return over_all(every, self.weights, self.over, np.nan_to_num(self.known))

    def alone(self, number: int, shares: Sequence[Real]) -> float:
        """What the cheapest references of one scenario cost by themselves; NaN where its floors cannot be met."""
        one = replace(self, scenarios=(self.scenarios[number],), weights=np.ones(1), budget=None, known=np.zeros(1))
        answers = [one.program(self._each(real)[number]).solve() for real in shares]
        return min((answer.cost for answer in answers if answer.met), default=np.nan)

    def mean(self, real: Real) -> dict[str, float]:
        """Real shares on average over the scenarios."""
        every = self._each(real)
        return {name: float(self.weights @ [part[name] for part in every]) for name in self.names}

    def _each(self, real: Real) -> Sequence[Mapping[str, float]]:
        return [real] * len(self.scenarios) if isinstance(real, Mapping) else real

    def best(self, shares: Sequence[Real]) -> Steering:
        """Of the real shares the cheapest that meet the floors; where none do, those that miss them least."""
        answers = [self.program(real).solve(self.budget) for real in shares]
        if not any(answer.possible for answer in answers):
            every = [part for real in shares for part in self._each(real)]
            cheapest = min(sum(real[name] * float(self.costs[name].min()) for name in self.names) for real in every)
            raise ValueError(
                f"steer(budget={self.budget}) does not even buy the cheapest symbols, which cost {cheapest:.6g} a "
                "sample of the diet; give more, or lower the real share"
            )
        best = min(range(len(answers)), key=lambda i: _rank(answers[i]))
        free = [self.program(real).solve() for real in shares] if self.budget is not None else answers
        met = [answer.cost for answer in free if answer.met]
        path = _path([self.mean(real) for real in shares], answers)
        return self.told(shares[best], answers[best], path, min(met, default=np.nan))

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

    def told(self, real: Real, answer: Answer, path: pd.DataFrame, cheapest: float) -> Steering:
        references, times = answer.references, len(answer.program.least) // len(self.floors)
        rows = [
            (floor.member, floor.feature, floor.least, floor.least - missed, missed, price)
            for floor, missed, price in zip(self.floors * times, _certain(answer), answer.prices, strict=True)
        ]
        table = pd.DataFrame(rows, columns=["member", "feature", "floor", "promised", "missed", "marginal"])
        table["missed"] = table["missed"].clip(lower=0).where(table["missed"] > MET, 0.0)
        if times > 1:
            table["scenario"] = np.repeat(np.arange(times), len(self.floors))
        every = list(zip(self.scenarios, self._each(real), strict=True))
        paid = [
            sum(part[name] * float(self.costs[name] @ references[name]) for name in self.names) for _, part in every
        ]
        spent = pd.DataFrame({"scenario": range(len(every)), "cost": paid, "alone": self.known})
        return Steering(
            scenarios=tuple(_steered(scenario, references, part) for scenario, part in every),
            weights=self.weights,
            over=self.over if len(every) > 1 else "",
            reference=pd.DataFrame(references).T.rename_axis(index="member", columns="symbol").fillna(0.0),
            real=pd.Series(self.mean(real), name="real").rename_axis("member"),
            cost=answer.cost,
            floors=table,
            path=path,
            spent=spent.assign(regret=spent["cost"] - spent["alone"]),
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
