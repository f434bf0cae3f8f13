"""Looking for the best levers: SciPy's SLSQP with exact derivatives, from several starts, in epigraph form."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from ecosystem.decisions.climbing import climbed, ends_here, has_many, least
from ecosystem.decisions.optimality import optimality
from ecosystem.decisions.problem import Looked, Problem

_STEPS, _ROUNDS = 100, 4  # of SLSQP, and how often it begins anew where conditions are not met
_GOOD = 1e-7  # residual at which nothing is begun anew
_EDGES = 4  # eigenvalues of a network that are kept below the margin one by one
_NOWHERE = 1e6  # how much worse than anything seen a network is that is nowhere


@dataclass(frozen=True)
class Candidate:
    """What came of one start: its ``x``, welfare, residual of the conditions; ``why`` where nothing did."""

    start: str
    x: np.ndarray
    welfare: float
    residual: float
    why: str = ""

    @property
    def better(self) -> tuple[float, float]:
        """What is compared: welfare first."""
        return (self.welfare if np.isfinite(self.welfare) else -np.inf, -self.residual)


def solved(problem: Problem, starts: Iterable[tuple[str, np.ndarray]]) -> list[Candidate]:
    """A candidate for every start, each judged by where the scenarios' own starts lead."""
    return [_judged(problem, name, _from(problem, x)) for name, x in starts]


def best(candidates: list[Candidate]) -> Candidate:
    """The candidate with the most welfare; among equals the one whose conditions are met best."""
    top = max(candidates, key=lambda c: c.better)
    unit = max((abs(c.welfare) for c in candidates if np.isfinite(c.welfare)), default=0.0)
    near = [c for c in candidates if c.welfare >= top.welfare - 1e-9 * unit]
    return min(near, key=lambda c: c.residual) if near else top


def tried(problem: Problem, name: str, x: np.ndarray) -> Candidate:
    """The candidate that is a point itself."""
    return _judged(problem, name, x)


def _judged(problem: Problem, name: str, x: np.ndarray) -> Candidate:
    own, near = problem.judged(x), problem.look(x)
    if not own.found:
        return Candidate(name, x, np.nan, np.inf, own.why)
    if not problem.steady(own):
        return Candidate(name, x, np.nan, np.inf, f"its radius is {own.radius:.6g}")
    if not near.found or any(
        not land.same(a, b) for land, a, b in zip(problem.landscapes, near.settled, own.settled, strict=True)
    ):  # another branch was followed: look from where the own start leads
        near = problem.begun(x)
    return Candidate(name, x, problem.welfare(own), optimality(problem, x, near).residual if near.found else np.inf)


def _from(problem: Problem, start: np.ndarray) -> np.ndarray:
    """Where SLSQP goes from a start; with stability as a constraint only once it was met with."""
    x, wall = start, False
    if has_many(problem, start):
        x = climbed(problem, start)
        if ends_here(problem, x) or optimality(problem, x, problem.look(x)).residual <= _GOOD:
            return x
    for _ in range(_ROUNDS):
        search = _Search(problem, x, wall)
        x, old = search.run(), x
        wall = wall or search.met
        looked = problem.look(x)
        if looked.found and optimality(problem, x, looked).residual <= _GOOD:
            break
        if np.array_equal(x, old) and not search.met:
            break
    return x


class _Wall(Exception):
    """A network was met that is not as stable as is asked for, by a search that does not look out for it."""


class _Search:
    """One run of SLSQP on ``z = (x, t)``: ``t_g`` stands for the least piece of a group of several.

    All that is of welfare is in units of ``scale``, so that it does not matter what alignments are measured in.
    """

    def __init__(self, problem: Problem, start: np.ndarray, wall: bool) -> None:
        self.problem, self.wall, self.count = problem, wall, len(start)
        self.met = False  # whether a network was met that is nowhere, or not as stable as asked for
        self.start, looked = start, problem.look(start)
        self.groups = problem.groups(looked) if looked.found else []
        self.several = [g for g, (_, pieces, _) in enumerate(self.groups) if len(pieces) > 1]
        self.worst = 0.0
        self.best: tuple[float, np.ndarray] = (-np.inf, start)

    def run(self) -> np.ndarray:
        if not self.groups:
            self.met = True
            return self.start
        sizes = [float(np.abs(weight * slopes).max()) for weight, _, slopes in self.groups]
        self.scale = max(sizes) or 1.0
        low = [self.groups[g][1].min() / self.scale for g in self.several]
        z = np.concatenate([self.start, low])
        levers = self.problem.levers
        bounds = [*zip(levers.lower, levers.upper, strict=True), *[(None, None)] * len(low)]
        with warnings.catch_warnings(), suppress(_Wall):
            warnings.simplefilter("ignore")  # values outside bounds by rounding are clipped by SciPy, and said so
            found = optimize.minimize(
                self.value,
                z,
                jac=self.slope,
                method="SLSQP",
                bounds=bounds,
                constraints=self.constraints(),
                options={"maxiter": _STEPS, "ftol": 1e-15},
            )
            last = self.problem.into(found.x[: self.count])
            self._note(last, self._at(last))
        return self.best[1]

    def _at(self, x: np.ndarray) -> Looked | None:
        """The problem there; None where a network is nowhere."""
        looked = self.problem.look(np.clip(x, self.problem.levers.lower, self.problem.levers.upper))
        if not self.problem.steady(looked):
            self.met = True
            if not self.wall:  # line searches would only feel their way along it
                raise _Wall
        return looked if looked.found else None

    def _note(self, x: np.ndarray, looked: Looked | None) -> None:
        """Keep the best that is allowed."""
        if looked is not None and self.problem.allowed(x) and self.problem.steady(looked):
            value = least(self.problem, looked)
            if value >= self.best[0]:
                self.best = value, x.copy()

    def value(self, z: np.ndarray) -> float:
        looked = self._at(z[: self.count])
        if looked is None:
            return self.worst + _NOWHERE
        self._note(z[: self.count], looked)
        total, t = 0.0, dict(zip(self.several, z[self.count :], strict=True))
        for g, (weight, pieces, _) in enumerate(self.problem.groups(looked)):
            total -= weight * float(t.get(g, pieces[0] / self.scale))
        self.worst = max(self.worst, abs(total))
        return total

    def slope(self, z: np.ndarray) -> np.ndarray:
        looked, out = self._at(z[: self.count]), np.zeros(len(z))
        if looked is None:
            return out
        for g, (weight, _, slopes) in enumerate(self.problem.groups(looked)):
            if g in self.several:
                out[self.count + self.several.index(g)] = -weight
            else:
                out[: self.count] -= weight * slopes[0] / self.scale
        return out

    def constraints(self) -> list[dict]:
        levers, (_, matrix, most) = self.problem.levers, self.problem.diets
        rows, tops = np.vstack([levers.costs, matrix]), np.concatenate([[self.problem.budget], most])
        wide = np.hstack([rows, np.zeros((len(rows), len(self.several)))])
        found = [{"type": "ineq", "fun": lambda z: tops - wide @ z, "jac": lambda z: -wide}]
        if self.several:
            found.append({"type": "ineq", "fun": self._above, "jac": self._above_slope})
        if self.wall:
            found.append({"type": "ineq", "fun": self._room, "jac": self._room_slope})
        return found

    def _above(self, z: np.ndarray) -> np.ndarray:
        looked = self._at(z[: self.count])
        groups = self.groups if looked is None else self.problem.groups(looked)
        low = [groups[g][1] / self.scale - z[self.count + i] for i, g in enumerate(self.several)]
        return np.concatenate(low) - (_NOWHERE if looked is None else 0.0)

    def _above_slope(self, z: np.ndarray) -> np.ndarray:
        looked = self._at(z[: self.count])
        groups = self.groups if looked is None else self.problem.groups(looked)
        rows = []
        for i, g in enumerate(self.several):
            t = np.zeros((len(groups[g][1]), len(self.several)))
            t[:, i] = -1.0
            rows.append(np.hstack([groups[g][2] / self.scale, t]))
        return np.vstack(rows)

    def _room(self, z: np.ndarray) -> np.ndarray:
        """What each of the largest eigenvalues of each network leaves: one by one they have no kinks."""
        looked = self._at(z[: self.count])
        if looked is None:
            return np.full(_EDGES * len(self.problem.landscapes), -1.0)
        room = np.full((len(looked.settled), _EDGES), 1.0)
        for s, one in enumerate(looked.settled):
            sizes = [one.radius, *(size for size, _ in one.edges[1:_EDGES])]
            room[s, : len(sizes)] = 1 - self.problem.margin - np.array(sizes)
        return room.reshape(-1)

    def _room_slope(self, z: np.ndarray) -> np.ndarray:
        looked, slopes = self._at(z[: self.count]), np.zeros((_EDGES * len(self.problem.landscapes), len(z)))
        for s, one in enumerate(looked.settled if looked is not None else ()):
            for k, (_, slope) in enumerate(one.edges[:_EDGES]):
                slopes[_EDGES * s + k, : self.count] = -slope
        return slopes
