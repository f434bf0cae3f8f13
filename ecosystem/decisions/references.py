"""The cheapest reference distributions above floors: linear programs, solved by HiGHS (``scipy.optimize.linprog``)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy.optimize import OptimizeResult, linprog

from ecosystem.decisions.floors import Array, Certain, Floor
from ecosystem.scenario import Scenario

MET = 1e-8  # by which floors may be missed, in sum, through rounding
_MISSED = 1e-10  # what a second program may miss more than the first
_SAME = 1e-9  # relative difference of two numbers that are one
_HELD = 1e-12  # of a distribution: less is nothing
_BENDS = 1000  # points that are looked at for breakpoints, at most


@dataclass(frozen=True, eq=False)
class Fares:
    """What the same references cost in each of several scenarios: of these costs less ``known`` the largest counts."""

    costs: Array  # [scenarios, all symbols]
    known: Array  # [scenarios]


@dataclass(frozen=True, eq=False)
class Program:
    """``min c·q`` over ``q = real·R ≥ 0`` with ``Σ q_i = real_i`` and floors ``A q ≥ b``, for some members at once.

    ``q`` stands row by row, ``[members, symbols]`` (alphabets one after the other). What is bought is counted in a
    sample of each member's diet. A floor's row is divided by ``N_ii``, its ``unit``, so that ``A`` and ``b`` are linear
    in the real share of a member that reads nobody else raw.
    """

    names: Sequence[str]
    sizes: Sequence[int]
    costs: Array  # [all symbols]
    real: Array  # [members]
    weights: Array  # A [floors, all symbols]
    least: Array  # b [floors]
    units: Array  # [floors]
    fares: Fares | None = None

    def solve(self, budget: float | None = None) -> Answer:
        """The cheapest ``q`` that meets the floors; else, of those that miss them least in sum, the cheapest."""
        free = self._solved(0.0, None if self.fares is None else budget)
        if self.fares is not None and free.status == 0:
            return Answer(self, free)
        if free.status == 0 and (budget is None or free.fun <= budget + _MISSED * (1 + abs(budget))):
            return Answer(self, free)
        goal = np.r_[np.zeros(len(self.costs)), self.units]
        least = linear([self], goal if self.fares is None else np.r_[goal, 0.0], math.inf, budget)
        if least.status != 0:
            return Answer(self, least)
        again = self._solved(float(least.fun) + _MISSED, budget)
        return Answer(self, again if again.status == 0 else least)

    def _solved(self, missed: float, budget: float | None) -> OptimizeResult:
        if self.fares is not None:
            return linear([self], np.r_[np.zeros(len(self.costs) + len(self.least)), 1.0], missed, budget)
        return linear([self], np.r_[self.costs, np.zeros(len(self.least))], missed, budget)


def linear(ends: Sequence[Program], goal: Array, missed: float, budget: float | None = None) -> OptimizeResult:
    """The linear program in ``q`` and what each floor is missed by (``missed`` in sum at most).

    Of two programs, of the least and the largest real shares, how far it goes from the one to the other is one more
    number; where references cost more in one scenario than in another, what they cost most is. The simplex method, so
    that the answer is a vertex: few symbols are bought.
    """
    first, last = ends[0], ends[-1]
    floors, paid, more, fares = len(first.least), len(first.costs), len(ends) - 1, first.fares
    sums = np.repeat(np.eye(len(first.sizes)), first.sizes, axis=1)
    rows = [
        np.c_[-first.weights, -np.eye(floors), np.tile(last.least - first.least, (more, 1)).T.reshape(floors, more)]
    ]
    high = [-first.least]
    if 0 < missed < math.inf:
        rows.append(np.r_[np.zeros(paid), first.units, np.zeros(more)][None])
        high.append(np.array([missed]))
    if budget is not None:
        paying = first.costs[None] if fares is None else fares.costs
        rows.append(np.c_[paying, np.zeros((len(paying), floors + more))])
        high.append(np.full(len(paying), budget))
    if fares is not None:  # what is paid most is the last number
        rows = [np.c_[row, np.zeros(len(row))] for row in rows]
        rows.append(np.c_[fares.costs, np.zeros((len(fares.costs), floors + more)), -np.ones(len(fares.costs))])
        high.append(fares.known)
    grows = np.tile(first.real - last.real, (more, 1)).T.reshape(len(first.real), more)
    equal = np.c_[sums, np.zeros((len(first.real), floors)), grows]
    bounds: list[tuple[float | None, float | None]] = [(0, None)] * paid
    bounds += [(0, None if missed else 0.0)] * floors + [(0, 1)] * more
    if fares is not None:
        equal, bounds = np.c_[equal, np.zeros(len(equal))], [*bounds, (None, None)]
    high_sides, low_sides = np.concatenate(high), first.real
    return linprog(goal, np.concatenate(rows), high_sides, equal, low_sides, bounds=bounds, method="highs-ds")


@dataclass(frozen=True, eq=False)
class Answer:
    """What a program came to: ``q``, its cost, what floors are missed by and what each costs at the margin."""

    program: Program
    found: OptimizeResult

    @property
    def possible(self) -> bool:
        """Whether there is any ``q`` at all within the budget."""
        return self.found.status == 0

    @cached_property
    def bought(self) -> Array:
        """``q [all symbols]``."""
        q = self.found.x[: len(self.program.costs)]
        return np.where(q > _HELD, q, 0.0)

    @cached_property
    def missed(self) -> Array:
        """What each floor is missed by, ``[floors]``."""
        if not self.possible:
            return np.full(len(self.program.least), np.nan)
        return self.program.units * np.maximum(self.program.least - self.program.weights @ self.bought, 0)

    @property
    def violation(self) -> float:
        """What all floors are missed by, in sum."""
        return float(self.missed.sum())

    @property
    def met(self) -> bool:
        return self.possible and self.violation <= MET

    @property
    def cost(self) -> float:
        return float(self.program.costs @ self.bought) if self.possible else math.nan

    @property
    def prices(self) -> Array:
        """What one more unit of each floor costs, ``[floors]``; NaN where they are not met anyway."""
        if not self.met:
            return np.full(len(self.missed), math.nan)
        return np.abs(self.found.ineqlin.marginals[: len(self.missed)]) / self.program.units

    def slope(self, by_real: Array, by_share: Array) -> float:
        """How the cost moves with a number by which ``b`` and the real shares move so, where floors are met."""
        marginals = self.found.ineqlin.marginals[: len(by_real)]
        return float(-marginals @ by_real + self.found.eqlin.marginals @ by_share)

    @cached_property
    def references(self) -> dict[str, Array]:
        """``R`` of each member, ``[symbols]``."""
        parts = np.split(self.bought, np.cumsum(self.program.sizes)[:-1])
        many = zip(self.program.names, parts, strict=True)
        return {name: part / part.sum() if part.sum() > 0 else part for name, part in many}


def program_of(
    scenario: Scenario,
    names: Sequence[str],
    floors: Sequence[Floor],
    costs: Mapping[str, Array],
    real: Mapping[str, float],
) -> Program:
    """The program for the members ``names``, with these real shares."""
    certain = Certain(scenario, real)
    sizes = [certain.sizes[name] or 0 for name in names]
    starts = np.r_[0, np.cumsum(sizes)].astype(int)
    weights, least, units = np.zeros((len(floors), starts[-1])), np.zeros(len(floors)), np.ones(len(floors))
    for row, floor in enumerate(floors):
        by_member, constant = certain.rows(floor)
        for name, i in certain.index.items():
            if certain.sizes[name] != len(floor.values) or not by_member[i]:
                continue
            if name in names:
                place = names.index(name)
                weights[row, starts[place] : starts[place + 1]] = by_member[i] * floor.values
            else:
                constant += by_member[i] * certain.shares[name] * certain.real_mean(name, floor.values)
        if floor.member in certain.index:
            units[row] = by_member[certain.index[floor.member]]
        least[row] = floor.least - constant
    weights, least = weights / units[:, None], least / units
    paid = np.concatenate([costs[name] for name in names])
    return Program(list(names), sizes, paid, np.array([certain.shares[name] for name in names]), weights, least, units)


def breakpoints(cost: Callable[[float], tuple[float, float]], low: float, high: float) -> list[float]:
    """Where a convex, piecewise linear function bends between ``low`` and ``high``, its ends with it.

    ``cost(x)`` gives its value and a slope there. Where two tangents cross the function has its only bend between
    them, or lies above: then it is looked at once more on both sides (Eisner and Severance 1976).

    >>> breakpoints(lambda x: (max(1 - x, 0.5, x), -1.0 if x < 0.5 else 1.0), 0.0, 2.0)
    [0.0, 0.5, 2.0]
    """
    known = {x: cost(x) for x in (low, high)}
    todo = [(low, high)]
    while todo and len(known) < _BENDS:
        a, b = todo.pop()
        (at_a, up), (at_b, down) = known[a], known[b]
        if abs(up - down) <= _SAME * (1 + abs(up) + abs(down)):
            continue
        cross = (at_b - at_a + up * a - down * b) / (up - down)
        if not a + _SAME < cross < b - _SAME:
            continue
        known[cross] = cost(cross)
        if known[cross][0] > at_a + up * (cross - a) + _SAME * (1 + abs(at_a)):
            todo += [(a, cross), (cross, b)]
    points = sorted(known)
    slopes = [(known[b][0] - known[a][0]) / (b - a) for a, b in pairwise(points) if b > a]
    bends = [x for x, s, t in zip(points[1:-1], slopes, slopes[1:], strict=False) if abs(t - s) > 1e-6 * (1 + abs(s))]
    return [low, *bends, high] if high > low else [low]
