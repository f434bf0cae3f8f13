"""Least squares through the rounds of a scenario: the problem, and its solution from many starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy.optimize import least_squares
from scipy.stats import qmc

from ecosystem.decisions.parameters import Parameters
from ecosystem.decisions.predicting import Predictor

_TOLERANCE = 1e-10  # relative changes of the sum of squares, and of the numbers, at which a search ends
_MOST = 200  # evaluations of one search
_LOOKED = 16  # places that are looked at, for each start that is searched from
_WIDE = 1.0  # numbers without an upper bound start within so many powers of e of what they are


@dataclass(frozen=True)
class Solution:
    """Where a search ended: free numbers ``values [P]``, the same in the box ``z [P]``, the sum of squares there."""

    z: np.ndarray
    values: np.ndarray
    chi2: float
    converged: bool


@dataclass(frozen=True, eq=False)
class Problem:
    """Observed ``values [n]`` with standard deviations ``sd [n]``, each of one of the predictor's ``rows [n]``.

    ``χ² = Σ ((predicted − value)/sd)²``.
    """

    predictor: Predictor
    rows: np.ndarray
    values: np.ndarray
    sd: np.ndarray

    def residuals(self, values: Any) -> np.ndarray:
        """``(predicted − value)/sd``, ``[n]``, or ``[many, n]`` at ``values [many, P]``; NaN where rounds diverge."""
        return (self.predictor(values)[..., self.rows] - self.values) / self.sd

    def slopes(self, values: Any) -> np.ndarray:
        """Their derivatives by the free numbers, ``[n, P]``."""
        return self.predictor.jacobian(values)[1][self.rows] / self.sd[:, None]

    def leverages(self, values: Any) -> np.ndarray:
        """What of each row the free numbers take: the diagonal of the projection on the slopes, ``[n]``; it sums to
        their rank."""
        left, sizes, _ = np.linalg.svd(self.slopes(values), full_matrices=False)
        return np.square(left[:, sizes > 1e-10 * sizes.max(initial=0.0)]).sum(1)

    def freed(self, parameters: Parameters) -> Problem:
        """The same with the same free numbers in another order."""
        return replace(self, predictor=self.predictor.freed(parameters))

    def with_sd(self, sd: np.ndarray) -> Problem:
        """The same with other standard deviations."""
        return replace(self, sd=sd)

    def solved(self, z: np.ndarray, fixed: Sequence[int] = ()) -> Solution:
        """The sum of squares made least from ``z [P]`` on, within the box; some coordinates stay as they are."""
        parameters, start = self.predictor.parameters, np.array(z, dtype=float)
        moving = [i for i in range(len(start)) if i not in fixed]

        def placed(part: np.ndarray) -> np.ndarray:
            whole = start.copy()
            whole[moving] = part
            return whole

        def residuals(part: np.ndarray) -> np.ndarray:
            return self.residuals(_values(self, placed(part)))

        def slopes(part: np.ndarray) -> np.ndarray:
            whole = placed(part)
            return (self.slopes(_values(self, whole)) @ parameters.slopes(whole))[:, moving]

        if not moving:
            return Solution(start, _values(self, start), float(np.sum(residuals(start[:0]) ** 2)), True)
        low, high = (side[moving] for side in parameters.box_bounds)
        found = least_squares(
            residuals,
            np.clip(start[moving], low, high),
            slopes,
            (low, high),
            x_scale="jac",
            ftol=_TOLERANCE,
            xtol=_TOLERANCE,
            gtol=_TOLERANCE,
            max_nfev=_MOST,
        )
        end = placed(found.x)
        return Solution(end, _values(self, end), 2 * float(found.cost), found.status > 0)

    def searched(self, starts: int, seed: int) -> list[Solution]:
        """Solutions from so many starts, the best first: where the scenario is, and the best of many other places."""
        begin = self.predictor.parameters.unbox(self.predictor.parameters.values)
        places = [begin, *self._places(starts - 1, seed)]
        return sorted((self.solved(z) for z in places), key=lambda found: found.chi2)

    def _places(self, count: int, seed: int) -> list[np.ndarray]:
        """The best of many places that fill the box evenly, looked at side by side."""
        if not count:
            return []
        parameters = self.predictor.parameters
        low, high = parameters.box_bounds
        unit = qmc.LatinHypercube(len(low), rng=np.random.default_rng(seed)).random(_LOOKED * count)
        wide = ~np.isfinite(high)
        z = low + unit * np.where(wide, 0.0, high - low)
        around = np.maximum(parameters.values, 1e-3) * np.exp(_WIDE * (2 * unit - 1))
        z = np.where(wide, np.maximum(around, low), z)
        squares = np.square(self.residuals(_values(self, z))).sum(-1)
        order = np.argsort(np.where(np.isfinite(squares), squares, np.inf), kind="stable")
        return [z[i] for i in order[:count] if np.isfinite(squares[i])]


def _values(problem: Problem, z: np.ndarray) -> np.ndarray:
    """Free numbers of places in the box, within their bounds to the last bit."""
    parameters = problem.predictor.parameters
    return np.clip(parameters.box(torch.from_numpy(z)).numpy(), parameters.low, parameters.high)
