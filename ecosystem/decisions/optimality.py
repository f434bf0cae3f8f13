"""First-order conditions: how far a point is from satisfying them, and what its constraints are worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from ecosystem.decisions.problem import Looked, Problem

_ACTIVE = 1e-6  # how near a constraint is that binds, relative
_ROUNDING = 1e-12  # of alignments, relative
_ELSEWHERE = 0.1  # of a piece's slope at plain plans, what a slope is measured by at least
_COLUMNS = ["constraint", "kind", "multiplier", "slack"]


@dataclass(frozen=True)
class Optimality:
    """Karush–Kuhn–Tucker at a point.

    ``gradient`` is that of the Lagrangian's welfare part, ``[levers]``; ``residual`` the largest component of what no
    multipliers explain, relative to the largest slope of the pieces that count, there or, a tenth of it, at plain plans
    (at an optimum inside the bounds slopes vanish), so that no unit of welfare matters; ``multipliers`` a table of the
    constraints that bind.
    """

    gradient: np.ndarray
    residual: float
    multipliers: pd.DataFrame


def optimality(problem: Problem, x: np.ndarray, looked: Looked) -> Optimality:
    """Multipliers ``≥ 0`` by non-negative least squares: ``Σ weight μ ∇piece = Σ ν normal``, ``Σ_i μ_gi = 1``.

    Pieces count that are the least of their group, constraints that bind.
    """
    groups = problem.groups(looked)
    columns, ones, known = [], [], [0.0]
    steepness = problem.steepness
    for g, (weight, pieces, slopes) in enumerate(groups):
        apart = _ACTIVE * float(np.abs(slopes).max(initial=0.0)) + _ROUNDING * float(np.abs(pieces).max())
        for i in np.flatnonzero(pieces <= pieces.min() + apart):  # levers are of order 1, so slopes are as large
            columns.append(weight * slopes[i])
            ones.append(g)
            if g < len(steepness) and i < len(steepness[g]):
                known.append(abs(weight) * float(steepness[g][i]))
    names, kinds, normals, slack = _binding(problem, x, looked)
    scale = max(*(float(np.abs(column).max(initial=0.0)) for column in columns), _ELSEWHERE * max(known)) or 1.0
    matrix = np.zeros((len(x) + len(groups), len(columns) + len(normals)))
    for c, (column, g) in enumerate(zip(columns, ones, strict=True)):
        matrix[: len(x), c], matrix[len(x) + g, c] = -column / scale, 1.0
    for c, normal in enumerate(normals, len(columns)):
        matrix[: len(x), c] = normal
    target = np.concatenate([np.zeros(len(x)), np.ones(len(groups))])
    found = nnls(matrix, target)[0]
    gap = matrix @ found - target
    gradient = np.sum([u * column for u, column in zip(found, columns, strict=False)], axis=0)
    table = pd.DataFrame(
        {"constraint": names, "kind": kinds, "multiplier": found[len(columns) :] * scale, "slack": slack},
        columns=pd.Index(_COLUMNS),
    )
    return Optimality(gradient, float(np.abs(gap).max()), table)


def _binding(problem: Problem, x: np.ndarray, looked: Looked) -> tuple[list[str], list[str], list[np.ndarray], list]:
    """The constraints that bind, as outward normals ``[levers]``."""
    levers, eye = problem.levers, np.eye(len(x))
    readers, matrix, most = problem.diets
    every: list[tuple[str, str, np.ndarray, float]] = [
        ("budget", "budget", levers.costs, (problem.budget - problem.cost(x)) / (1 + abs(problem.budget)))
    ]
    every += [
        (f"diet of {r}", "diet", row, float(m - row @ x)) for r, row, m in zip(readers, matrix, most, strict=True)
    ]
    every += [(name, "lower", -eye[k], float(x[k] - levers.lower[k])) for k, name in enumerate(levers.names)]
    every += [(name, "upper", eye[k], float(levers.upper[k] - x[k])) for k, name in enumerate(levers.names)]
    for one in looked.settled:
        if (room := 1 - problem.margin - one.radius) <= _ACTIVE:
            many = [(room, one.edges[0][1]), *((1 - problem.margin - size, slope) for size, slope in one.edges[1:])]
            every += [("stability", "stability", slope, room) for room, slope in many]
    bound = [(name, kind, normal, slack) for name, kind, normal, slack in every if slack <= _ACTIVE]
    if not bound:
        return [], [], [], []
    names, kinds, normals, slack = (list(part) for part in zip(*bound, strict=True))
    return names, kinds, normals, slack
