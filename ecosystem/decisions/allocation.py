"""Allocation: which levels, shares and flows a budget is best spent on, exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ecosystem.core.check import a_seed, brief, real_number, whole_number
from ecosystem.core.door import Door
from ecosystem.core.kinds import typed
from ecosystem.decisions import plans, telling
from ecosystem.decisions.ascent import Candidate, best, solved, tried
from ecosystem.decisions.ensemble import Ensemble, as_ensemble, check_over
from ecosystem.decisions.landscape import Landscape
from ecosystem.decisions.mixed import common_levers
from ecosystem.decisions.objectives import Objective, as_objective
from ecosystem.decisions.optimality import Optimality, optimality
from ecosystem.decisions.problem import Problem
from ecosystem.decisions.sound import check_first, doubts
from ecosystem.influence.arising import Like
from ecosystem.scenario import Scenario

PLANS = ("before", "after", "uniform", "selfish")
_AT = 1e-9  # a lever so near to a bound is at it


@dataclass(frozen=True, eq=False, repr=False)
class Allocation:
    """What a budget is best spent on; made by :func:`allocate`.

    ``levels`` has a row for each lever: what it is, its cost and bounds, where it is ``before``, ``after``, in the
    ``uniform`` and the ``selfish`` plan, ``gradient`` (``dU/dx`` after) and the ``bound`` it is at. ``welfare`` is by
    plan (NaN where a plan leads to no stable network), ``alignment`` everybody's by plan (with the ``scenario``'s
    number over an ensemble). ``multipliers`` has the constraints that bind and what one more unit of each buys,
    ``price`` is that of the budget. ``residual`` is by how much first-order conditions are missed, ``radius`` the
    largest ``ρ(B)`` after; ``starts`` says where each start of the search came out. ``scenarios`` are changed copies.
    ``doubts`` say, a sentence each, why derivatives mean little here: a kink where it ended, an alignment in steps.

    *Uniform*: all levers at one value. *Selfish*: everybody has an equal part of the budget for its own lever, and
    moves it as its own alignment wants, until nobody moves.
    """

    objective: str
    over: str
    budget: float
    spent: float
    margin: float
    levels: pd.DataFrame
    welfare: pd.Series
    alignment: pd.DataFrame
    multipliers: pd.DataFrame
    residual: float
    radius: float
    starts: pd.DataFrame
    scenarios: tuple[Scenario, ...]
    doubts: tuple[str, ...] = ()

    _repr_html_ = Door("ecosystem.plots.shown_decisions", "allocation")

    @property
    def scenario(self) -> Scenario:
        """The scenario with the levers moved (the first of an ensemble)."""
        return self.scenarios[0]

    @property
    def price(self) -> float:
        """What one more unit of budget buys of welfare; 0 where it does not bind."""
        row = self.multipliers.loc[self.multipliers["kind"] == "budget", "multiplier"]
        return float(row.iloc[0]) if len(row) else 0.0

    @property
    def optimal(self) -> bool:
        """Whether first-order conditions are met, to one millionth, by derivatives that nothing speaks against."""
        return self.residual <= telling.MET and not self.doubts

    @cached_property
    def verdicts(self) -> pd.DataFrame:
        """What it means: columns subject, verdict, sentence."""
        return telling.verdicts(self)

    @property
    def sentence(self) -> str:
        """In a sentence."""
        return str(self.verdicts["sentence"].iloc[0])

    def __repr__(self) -> str:
        return f"Allocation({self.sentence})\n{self.levels.set_index('lever')[list(PLANS)].round(6).to_string()}"


@typed
def allocate(
    scenario: Scenario | Ensemble,
    budget: float,
    *,
    objective: Any = "sum",
    costs: Any = 1.0,
    movable: Any = "levels",
    weights: Mapping[str, float] | None = None,
    disagreement: Mapping[str, float] | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    like: Like | None = None,
    margin: float = 1e-3,
    over: str = "expected",
    starts: int = 2,
    seed: int = 0,
) -> Allocation:
    """Move levers within a budget so that welfare at the stable point is as high as it can be.

    Maximises ``U(J_1, ..., J_N)`` over ``x`` within bounds, ``Σ cost_k x_k ≤ budget`` and ``ρ(B) ≤ 1 − margin``, by
    SciPy's SLSQP with the exact ``dU/dx_k = Σ_j ∂U/∂J_j M_jk`` (one transposed solve, however many levers), from
    several starts; the least of many alignments is climbed to by linear programs in a region of trust (HiGHS). An
    optimum of such a search is a local one. What is reported is judged at the point that the scenario's own start
    leads to, and says by how much first-order conditions are missed.

    Parameters
    ----------
    scenario: one, or an :class:`Ensemble` of scenarios with the same levers.
    budget: most that all levers may cost together, in units of ``costs`` times shares.
    objective: ``"sum"``, ``"weighted"`` (by ``weights``), ``"minimum"`` (whoever is worst off), ``"nash"`` (``Σ log``
        of what everybody gains over the ``disagreement``, by default that nobody reads anybody), a function of a
        tensor of alignments, or an ``Objective``. Counted are all members whose alignment is known exactly.
    costs, movable, bounds, like: the levers: see :func:`as_levers`.
    margin: how far ``ρ(B)`` must stay below 1.
    over: of an ensemble, the ``"expected"`` welfare, the ``"worst"`` case, or the least ``"regret"``: how far
        welfare is, in the scenario where that is most, below what that scenario's own optimum would give.
    starts: how many random starts, beside the present levels, the uniform, the selfish and the greedy plan.

    Raises
    ------
    KeyError, ValueError, TypeError
        For unknown names, a budget that cannot be met, costs that are not positive, bounds that the diet forbids; where
        no start leads to a stable network.

    >>> from ecosystem import Flow, Linear, Location, Member, Scenario, Shift
    >>> s = Scenario("two", rounds=1)
    >>> for name, strength in (("a", 1.0), ("b", 2.0)):
    ...     s.add(name, Member(Location([0.0]), reward=Linear([1.0]), curator=Shift([strength]), real=Location([0.0])))
    ...     s.connect(name, name, Flow(raw=0.2, curated=0.2))
    >>> best = allocate(s, budget=0.5)
    >>> best.levels[["lever", "after", "bound"]].round(6).values.tolist()
    [['a', 0.0, 'lower'], ['b', 0.5, '']]
    >>> round(best.price, 6)  # b settles at 2 λ / (0.75 (1 − λ))
    10.666667
    """
    scenarios, likely = as_ensemble(scenario, "allocate")
    check_over(over, "allocate")
    whole_number(starts, "allocate(starts)", 0)
    a_seed(seed, "allocate(seed)")
    margin_ = real_number(margin)
    if not 0 <= margin_ < 1:
        raise ValueError(f"allocate(margin) is how far ρ(B) stays below 1, from 0 to less than 1, got {brief(margin)}")
    lands = tuple(Landscape(one) for one in common_levers(scenarios, movable, costs, bounds, like, "allocate"))
    _check_targets(lands)
    budget = _checked_budget(lands[0], budget)
    goals = tuple(
        as_objective(objective, one, land.targets, land.own(land.levers.now).alignment, weights, disagreement)
        for one, land in zip(scenarios, lands, strict=True)
    )
    problem = Problem(lands, goals, likely, over, budget, margin_)
    before, uniform = problem.levers.now, plans.uniform(problem)
    for land in lands:
        check_first((land.at(x) for x in (before, problem.into(before), uniform)), "allocate")
    known = {"before": before, "uniform": uniform, "selfish": plans.selfish(problem)}
    problem = _prepared(problem, known, starts, seed)
    candidates = _candidates(problem, known, starts, seed)
    return _told(problem, candidates, known, str(goals[0].name))


def _candidates(problem: Problem, known: dict[str, np.ndarray], starts: int, seed: int) -> list[Candidate]:
    """What came of all starts, and the plans themselves."""
    begin = list(plans.starts(problem, starts, seed, known))
    plain = [(name, x) for name, x in begin if name in ("uniform", "selfish")]
    found = [*solved(problem, begin), *(tried(problem, f"{name} plan", x) for name, x in plain)]
    if not any(np.isfinite(one.welfare) for one in found):
        raise ValueError(
            f"allocate: no start leads to a stable network within the budget of {problem.budget:.6g} and margin="
            f"{problem.margin:g} (from {found[0].start}: {found[0].why}); lower margin, or give members more real data"
        )
    return found


def _prepared(problem: Problem, known: dict[str, np.ndarray], starts: int, seed: int) -> Problem:
    """The problem with what must be known first: a start where it is defined, and every scenario's own optimum."""
    first = [goal.before() for goal in problem.objectives]
    goals = list(problem.objectives)
    if all(isinstance(goal, Objective) for goal in first):
        inner = Problem(problem.landscapes, tuple(first), problem.weights, "worst", problem.budget, problem.margin)  # type: ignore[arg-type]
        there = best(_candidates(inner, known, starts, seed))
        if not there.welfare > 0:
            raise ValueError(
                f"allocate(objective={goals[0].name!r}): no start leads to levers at which everybody gains over the "
                f"disagreement point (the least gain is {there.welfare:.4g} at best); give another disagreement="
            )
        known["most equal gains"] = there.x
        goals = [goal.begun(there.welfare) for goal in goals]
    changed = Problem(problem.landscapes, tuple(goals), problem.weights, problem.over, problem.budget, problem.margin)
    if problem.over == "regret":
        alone = [changed.alone(s) for s in range(len(goals))]
        changed.best = np.array([best(_candidates(one, known, starts, seed)).welfare for one in alone])
    return changed


def _check_targets(lands: tuple[Landscape, ...]) -> None:
    """Refuse a welfare of nobody, and one that would leave out somebody who has a reward."""
    for land in lands:
        for name, why in land.goal.reasons.items():
            if land.dynamics.scenario.member(name).reward is not None:
                raise ValueError(f"allocate counts everybody with a reward, and of {name!r} {why}")
        if not land.targets:
            raise ValueError(
                f"allocate: nobody in scenario {land.dynamics.given.name!r} has a reward, so there is no welfare; give "
                "somebody one: Member(..., reward=...)"
            )


def _checked_budget(land: Landscape, budget: Any) -> float:
    value, least = real_number(budget), float(land.levers.costs @ land.levers.lower)
    if not np.isfinite(value):
        raise ValueError(f"allocate(budget) is a finite number, got {brief(budget)}")
    if value < least:
        raise ValueError(
            f"allocate(budget={value:.6g}) cannot be met: the lower bounds alone cost {least:.6g}; give more, or lower "
            "bounds="
        )
    return value


def _told(problem: Problem, found: list[Candidate], known: dict[str, np.ndarray], name: str) -> Allocation:
    """The result, with everything judged at where the scenarios' own starts lead."""
    top, levers = best(found), problem.levers
    at_low, at_high = (np.abs(top.x - bound) <= _AT for bound in (levers.lower, levers.upper))
    top = replace(top, x=np.where(at_low, levers.lower, np.where(at_high, levers.upper, top.x)))
    at = {"before": known["before"], "after": top.x, "uniform": known["uniform"], "selfish": known["selfish"]}
    looked = {plan: problem.judged(x) for plan, x in at.items()}
    conditions: Optimality = optimality(problem, top.x, problem.begun(top.x))
    levels = pd.DataFrame({"lever": levers.names, "what": [lever.what for lever in levers], "cost": levers.costs})
    levels = levels.assign(lower=levers.lower, upper=levers.upper, **at, gradient=conditions.gradient)
    low, high = top.x <= levers.lower + _AT, top.x >= levers.upper - _AT
    levels["bound"] = np.where(low, "lower", np.where(high, "upper", ""))
    welfare = {plan: _welfare(problem, looked[plan].found, looked[plan]) for plan in PLANS}
    rows = []
    for s in range(len(problem.landscapes)):
        columns = {plan: looked[plan].settled[s].alignment.numpy() for plan in PLANS}
        frame = pd.DataFrame({"member": problem.landscapes[s].targets, **columns})
        rows.append(frame if len(problem.landscapes) == 1 else frame.assign(scenario=s))
    return Allocation(
        name,
        problem.over if len(problem.landscapes) > 1 else "",
        problem.budget,
        problem.cost(top.x),
        problem.margin,
        levels,
        pd.Series(welfare, name="welfare"),
        pd.concat(rows, ignore_index=True),
        conditions.multipliers,
        conditions.residual,
        looked["after"].radius,
        pd.DataFrame([{"start": c.start, "welfare": c.welfare, "residual": c.residual, "why": c.why} for c in found]),
        tuple(land.levers.moved(top.x) for land in problem.landscapes),
        _doubts(problem, [known["before"], known["uniform"], known["selfish"], top.x]),
    )


def _doubts(problem: Problem, places: list[np.ndarray]) -> tuple[str, ...]:
    """What speaks against the derivatives that all rests on."""
    looked = [problem.look(x) for x in places]
    said = []
    for s, goal in enumerate(problem.objectives):
        settled = [one.settled[s] for one in looked]
        said += [*doubts(settled), *goal.in_steps([one.alignment for one in settled if one.found])]
    return tuple(dict.fromkeys(said))


def _welfare(problem: Problem, found: bool, looked: Any) -> float:
    return problem.welfare(looked) if found else float("nan")
