"""Solving ``T(Θ) = Θ`` from where the dynamics have led: Newton's method on the engine's own map, and SciPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy import optimize
from torch import Tensor

from ecosystem.influence.continuum import Heaping
from ecosystem.influence.dynamics import Dynamics
from ecosystem.influence.jacobian import dense
from ecosystem.influence.led import led
from ecosystem.influence.resolvent import Resolvent
from ecosystem.influence.rounds import Rounds
from ecosystem.influence.trajectory import Trajectory

_STEPS = 25  # Newton's, from where the dynamics have led
_EXACT = 1e-15  # residual that no step can improve
_NEAR, _MANY = 1e-11, 1 << 22  # the same of so many numbers that a step takes minutes
_WARY = 1e-2  # nearness of I − B to a singular matrix from which on it is looked whether it is one at the point
_SMALL = 300  # numbers in Θ up to which MINPACK's dense solver is the better one


def root(rounds: Rounds, way: Trajectory, tolerance: float) -> Tensor:
    """The best candidate for a fixed point near where the dynamics have led; from the start where that fails.

    Of a continuum of fixed points, the one that the scenario's own ``rounds`` lead to.
    """
    dynamics, best = rounds.dynamics, way.last
    for begin in [way.first] if way.exploded else [way.last, way.first]:
        for improve in (newton, lambda d, v: newton(d, _scipy(d, v))):
            candidate, near = improve(dynamics, begin)
            if residual(dynamics, candidate) < residual(dynamics, best):
                best = candidate
            if residual(dynamics, best) <= tolerance:
                if near is None or near.slack < _WARY:
                    try:
                        free = Resolvent(dynamics, best).continuum
                    except Heaping:
                        return way.last  # no rounds lead to any of the points that there are
                    return best if free is None else led(rounds, way, best, free)
                return best
    return best


def residual(dynamics: Dynamics, vector: Tensor) -> float:
    """The largest ``|T(Θ) − Θ|``, relative to ``1 + |θ_i|`` of the member; infinite outside the families."""
    if not bool(torch.isfinite(vector).all()):
        return float("inf")
    point = vector.unsqueeze(0)
    gap = (dynamics.retrained(point, differentiable=False) - point).abs_()  # in place: it may be gigabytes
    worst = float(gap.div_(dynamics.layout.largest(point).add_(1)).max())
    stacks = dynamics.layout.unpack(vector.unsqueeze(0))
    inside = all(bool(block.of(stacks[block.cohort]).admissible().all()) for block in dynamics.layout.blocks)
    return worst if inside and np.isfinite(worst) else float("inf")


def newton(dynamics: Dynamics, vector: Tensor) -> tuple[Tensor, Resolvent | None]:
    """Newton's method with the exact Jacobian, as long as every step improves by half; and that Jacobian, last."""
    best, resolvent, last = residual(dynamics, vector), None, None
    for _ in range(_STEPS):
        if best <= (_EXACT if len(vector) <= _MANY else _NEAR):
            break
        gap = dynamics.retrained(vector.unsqueeze(0), differentiable=False) - vector
        last = resolvent = resolvent or Resolvent(dynamics, vector)
        try:
            free = resolvent.continuum
            step = resolvent.operator.solve(gap, transposed=False) if free is None else free.within(gap)
            del gap  # of a million members each of these is 200 MB
            candidate = step[0][0].add_(vector)
            del step
        except (ValueError, RuntimeError):  # no derivative there, or a singular one: no step to take
            break
        now = residual(dynamics, candidate)
        if now < best:
            vector = candidate
        if not now < 0.5 * best:
            break
        resolvent = resolvent if now < 1e-3 * best else None  # nearly linear: the same one serves again
        best = now
    return vector, last


def _scipy(dynamics: Dynamics, vector: Tensor) -> Tensor:
    """A root of ``T(Θ) − Θ`` by SciPy: MINPACK's hybrid method where Θ is small, Newton–Krylov elsewhere."""

    def gap(x: np.ndarray) -> np.ndarray:
        theta = torch.from_numpy(np.ascontiguousarray(x, dtype=np.float64)).unsqueeze(0)
        value = (dynamics.retrained(theta) - theta)[0].numpy()
        return np.where(np.isfinite(value), value, 1e6)  # outside the families: far from any solution

    def slope(x: np.ndarray) -> np.ndarray:
        theta = torch.from_numpy(np.ascontiguousarray(x, dtype=np.float64))
        matrix = dense(dynamics.retrained, theta, 256).numpy() - np.eye(len(x))
        return np.where(np.isfinite(matrix), matrix, 0.0)

    try:
        if dynamics.layout.size <= _SMALL:
            return torch.from_numpy(optimize.root(gap, vector.numpy(), jac=slope, method="hybr", tol=1e-13).x)
        options: dict[str, Any] = {"f_tol": 1e-9, "maxiter": 60}
        return torch.from_numpy(optimize.newton_krylov(gap, vector.numpy(), **options))
    except (optimize.NoConvergence, ValueError, ArithmeticError):  # judged by its residual like every other candidate
        return vector
