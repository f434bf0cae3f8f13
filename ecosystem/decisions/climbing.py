"""Climbing towards the least of many pieces: linear programs in a region of trust, each solved by HiGHS.

The best levers for whoever is worst off mostly make many members equally badly off, as many as there are levers: a
corner, to which linear programs go in a few steps (sequential linear programming), while a search with a quadratic
model must find out for every piece whether it counts. Where the optimum is no corner steps become small, and what is
still missed is said by its conditions.
"""

from __future__ import annotations

import numpy as np
from scipy import optimize

from ecosystem.decisions.problem import Looked, Problem

_MANY = 12  # pieces of one group from which on this comes first
# pieces times levers from which on nothing comes after: among 20 to 70 members a search of second order found 6e-9 more
# at most, and with it the whole took 1.0 to 2.0 times as long (27 s for 14 of 70); of many more it takes minutes
_ALONE = 2500
_STEPS = 60
_FIRST, _WIDEST, _LEAST = 0.1, 1.0, 1e-10  # how far a lever may go in a step
_EVEN = 1e-13  # of the welfare, a gain that is none
_NEAR = 0.7  # a radius from which on the linear model looks out for stability
_KEPT, _GOOD = 0.05, 0.5  # parts of what was promised: a step is kept, the region widened


def has_many(problem: Problem, x: np.ndarray) -> bool:
    """Whether the least of many pieces is looked for."""
    return _pieces(problem, x) >= _MANY


def ends_here(problem: Problem, x: np.ndarray) -> bool:
    """Whether there are too many pieces and levers for a search of second order."""
    return _pieces(problem, x) * len(x) >= _ALONE


def _pieces(problem: Problem, x: np.ndarray) -> int:
    looked = problem.look(x)
    return max(len(pieces) for _, pieces, _ in problem.groups(looked)) if looked.found else 0


def climbed(problem: Problem, start: np.ndarray) -> np.ndarray:
    """Where linear programs lead from a start, as long as what they promise comes true."""
    x, reach = problem.into(start), _FIRST
    here = problem.look(x)
    if not problem.steady(here):
        return start
    value = least(problem, here)
    for _ in range(_STEPS):
        step, promised = _step(problem, x, here, reach)
        if step is None or promised <= _EVEN * (1 + abs(value)):
            break
        then = np.clip(x + step, problem.levers.lower, problem.levers.upper)
        there = problem.look(then)
        gain = least(problem, there) - value if problem.steady(there) and problem.allowed(then) else -np.inf
        if gain >= _KEPT * promised:
            x, here, value = then, there, value + gain
        if gain >= _GOOD * promised:
            reach = min(2 * reach, _WIDEST)
        elif gain < _KEPT * promised:
            reach = float(np.abs(step).max()) / 2
        if reach < _LEAST:
            break
    return x


def least(problem: Problem, looked: Looked) -> float:
    """What is maximised where the problem was looked at: the least piece of each group, weighted."""
    return sum(weight * float(pieces.min()) for weight, pieces, _ in problem.groups(looked))


def _step(problem: Problem, x: np.ndarray, looked: Looked, reach: float) -> tuple[np.ndarray | None, float]:
    """The best step ``d`` of the linear model, each ``|d_k| ≤ reach``, and what it promises.

    Maximises ``Σ_g weight_g t_g`` with ``t_g ≤ piece_gi + slope_gi · d``, what is spent within budget and diets, and
    the sizes of the largest eigenvalues, linear too, within the margin.
    """
    groups, levers, (_, diets, most) = problem.groups(looked), problem.levers, problem.diets
    rows, tops = [levers.costs, *diets], [problem.budget - problem.cost(x), *(most - diets @ x if len(most) else [])]
    for one in looked.settled:
        for size, slope in one.edges if one.radius > _NEAR else ():
            rows.append(slope)
            tops.append(1 - problem.margin - size)
    wide = [np.concatenate([row, np.zeros(len(groups))]) for row in rows]
    for g, (_, pieces, slopes) in enumerate(groups):
        mine = np.zeros((len(pieces), len(groups)))
        mine[:, g] = 1.0
        wide.extend(np.hstack([-slopes, mine]))
        tops.extend(pieces)
    weights = np.array([weight for weight, _, _ in groups])
    low, high = np.maximum(-reach, levers.lower - x), np.minimum(reach, levers.upper - x)
    bounds = [*zip(np.minimum(low, 0.0), np.maximum(high, 0.0), strict=True), *[(None, None)] * len(groups)]
    found = optimize.linprog(
        np.concatenate([np.zeros(len(x)), -weights]),
        A_ub=np.array(wide),
        b_ub=np.array(tops),
        bounds=bounds,
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    if found.x is None:
        return None, 0.0
    return found.x[: len(x)], -float(found.fun) - least(problem, looked)
