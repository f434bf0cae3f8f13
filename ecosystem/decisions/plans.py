"""Plain plans that an optimum is compared with, and begun from: as it is, uniform, selfish, greedy, by chance."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.optimize import linprog

from ecosystem.decisions.problem import Problem

_TURNS, _STILL = 80, 1e-9  # of selfish members, and the step at which they stay


def starts(problem: Problem, count: int, seed: int, known: dict[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """Starts within bounds and budget, by name, each once: the plans ``known``, greedy, and ``count`` by chance."""
    seen: list[np.ndarray] = []
    rng = np.random.default_rng(seed)
    chance = [(f"random {i + 1}", split(problem, rng.dirichlet(np.ones(len(problem.levers))))) for i in range(count)]
    plans = [*known.items(), ("greedy", greedy(problem)), *chance]
    for name, plan in plans:
        x = problem.into(plan)
        if not any(np.allclose(x, other, atol=1e-9) for other in seen):
            seen.append(x)
            yield name, x


def uniform(problem: Problem) -> np.ndarray:
    """All levers at one value, the highest that bounds, diets and budget leave."""
    levers, low, high = problem.levers, 0.0, float(problem.levers.upper.max())
    for _ in range(100):
        middle = (low + high) / 2
        fits = problem.cost(np.clip(middle, levers.lower, levers.upper)) <= problem.budget
        low, high = (middle, high) if fits else (low, middle)
    return problem.into(np.clip(low, levers.lower, levers.upper))


def split(problem: Problem, parts: np.ndarray) -> np.ndarray:
    """The budget split in some ``parts [levers]`` that add up to 1, beyond what the lower bounds cost."""
    levers = problem.levers
    left = problem.budget - problem.cost(levers.lower)
    return problem.into(np.minimum(levers.lower + left * parts / levers.costs, levers.upper))


def greedy(problem: Problem) -> np.ndarray:
    """Where the welfare's slope at the present levers leads, to the end: a linear program."""
    levers, (_, matrix, most) = problem.levers, problem.diets
    here = problem.into(levers.now)
    looked = problem.look(here)
    if not looked.found:
        return here
    slope = np.sum([weight * slopes[pieces.argmin()] for weight, pieces, slopes in problem.groups(looked)], axis=0)
    rows, tops = np.vstack([levers.costs, matrix]), np.concatenate([[problem.budget], most])
    bounds = np.stack([levers.lower, levers.upper], axis=1)
    found = linprog(-slope, A_ub=rows, b_ub=tops, bounds=bounds, method="highs")
    return found.x if found.success else here


def selfish(problem: Problem) -> np.ndarray:
    """Everybody spends an equal part of the budget on its own lever, as far as its own alignment wants.

    A lever is moved by whose diet it changes, up while that raises its own alignment, down while it lowers it; steps
    grow while the sense stays and halve when it turns, until nobody moves. Who has no alignment that is known leaves
    its lever where it is.
    """
    levers = problem.levers
    top = split(problem, np.full(len(levers), 1 / len(levers)))
    x = np.clip(levers.now, levers.lower, top)
    step, old = np.maximum(top - levers.lower, 0.0) / 4, np.zeros(len(levers))
    for _ in range(_TURNS):
        looked = problem.look(x)
        if not looked.found:
            return x
        wanted = np.zeros(len(levers))
        for weight, one in zip(problem.weights, looked.settled, strict=True):
            places = {name: j for j, name in enumerate(one.targets)}
            known = [(k, places[reader]) for k, reader in enumerate(levers.readers) if reader in places]
            for k, j in known:
                wanted[k] += weight * one.jacobian[j, k]
        sense = np.sign(wanted)
        step = np.where(sense * old < 0, step / 2, np.minimum(1.5 * step, top - levers.lower))
        new = np.clip(x + sense * step, levers.lower, np.maximum(top, levers.lower))
        if (np.abs(new - x) <= _STILL).all():
            break
        x, old = new, sense
    return x
