"""One problem of welfare: levers within bounds, a budget, stability; its values and exact derivatives."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ecosystem.decisions.ensemble import merged
from ecosystem.decisions.landscape import Landscape, Settled
from ecosystem.decisions.levers import Levers
from ecosystem.decisions.objectives import Objective

_SLACK = 1e-9  # of a constraint, relative, that is no violation


@dataclass(frozen=True)
class Looked:
    """What a problem is at some levers: ``pieces`` of each scenario and their derivatives ``[pieces, levers]``."""

    settled: tuple[Settled, ...]
    pieces: tuple[np.ndarray, ...]
    slopes: tuple[np.ndarray, ...]

    @property
    def found(self) -> bool:
        """Whether there is a welfare, and derivatives of it: every network is somewhere, and no piece is no number."""
        return all(one.found for one in self.settled) and not any(
            np.isnan(part).any() for part in (*self.pieces, *self.slopes)
        )

    @property
    def why(self) -> str:
        """Why there is none."""
        return next((one.why for one in self.settled if not one.found), "the objective is no number there")

    @property
    def radius(self) -> float:
        """The largest ``ρ(B)`` of all scenarios."""
        return max(one.radius for one in self.settled)


class Problem:
    """Maximise ``Σ_g weight_g · min_i piece_gi(x)`` over levers ``x``, with ``c·x ≤ budget`` and ``ρ(B) ≤ 1 − margin``.

    One group for each scenario where the mean is wanted; one of all pieces where it is the worst case, or the regret
    (pieces less the ``best`` of their scenario).
    """

    def __init__(
        self,
        landscapes: tuple[Landscape, ...],
        objectives: tuple[Objective, ...],
        weights: np.ndarray,
        over: str,
        budget: float,
        margin: float,
        best: np.ndarray | None = None,
    ) -> None:
        self.landscapes, self.objectives, self.weights, self.over = landscapes, objectives, weights, over
        self.budget, self.margin, self.best = budget, margin, best
        self._last: tuple[bytes, Looked] | None = None

    def alone(self, number: int) -> Problem:
        """The problem of one scenario by itself."""
        parts = (self.landscapes[number],), (self.objectives[number],)
        return Problem(*parts, np.ones(1), "expected", self.budget, self.margin)

    @property
    def levers(self) -> Levers:
        return self.landscapes[0].levers

    @cached_property
    def diets(self) -> tuple[list[str], np.ndarray, np.ndarray]:
        """What flows of one diet may take together, in every scenario: the least of all."""
        readers, matrix, most = self.levers.diets
        return (
            readers,
            matrix,
            np.min([land.levers.diets[2] for land in self.landscapes], axis=0) if len(most) else most,
        )

    # -- at some levers --------------------------------------------------------------------------------------------

    def look(self, x: np.ndarray) -> Looked:
        """Everything at ``x``, kept until something else is asked for."""
        key = np.ascontiguousarray(x, dtype=np.float64).tobytes()
        if self._last is None or self._last[0] != key:
            self._last = key, self._looked(tuple(land.at(x) for land in self.landscapes))
        return self._last[1]

    def again(self, x: np.ndarray) -> Looked:
        """Everything at ``x``, worked out anew."""
        self._last = None
        return self.look(x)

    def begun(self, x: np.ndarray) -> Looked:
        """The same, from where the scenarios' own starts lead: no branch that a search has followed."""
        for land in self.landscapes:
            land.begin(land.own(x))
        return self.again(x)

    def judged(self, x: np.ndarray) -> Looked:
        """The same from the scenarios' own starts: what a run shows."""
        return self._looked(tuple(land.own(x) for land in self.landscapes), slopes=False)

    def _looked(self, settled: tuple[Settled, ...], slopes: bool = True) -> Looked:
        if not all(one.found for one in settled):
            return Looked(settled, (), ())
        pieces, rows = [], []
        for one, objective in zip(settled, self.objectives, strict=True):
            values, by_alignment = objective.slopes(one.alignment)
            pieces.append(values.numpy())
            rows.append(one.gradients(by_alignment) if slopes else np.zeros((len(values), len(one.x))))
        return Looked(settled, tuple(pieces), tuple(rows))

    def welfare(self, looked: Looked) -> float:
        """The welfare at what was looked at; NaN where a network is nowhere."""
        if not looked.found:
            return float("nan")
        values = [o.value(one.alignment) for o, one in zip(self.objectives, looked.settled, strict=True)]
        return merged(values, self.weights, self.over, self.best)

    @cached_property
    def steepness(self) -> list[np.ndarray]:
        """How steep every piece of every group is, ``[pieces]`` each: the median of three plans.

        They are the present levers, the lower and the upper bounds, brought within the budget, as the own starts find
        them. Where a search comes to rest inside the bounds the slope there is nothing to measure by: it vanishes.
        """
        levers, sizes = self.levers, []
        for x in (levers.now, levers.lower, levers.upper):
            x = self.into(x)
            looked = self._looked(tuple(land.own(x) for land in self.landscapes))
            if looked.found:
                sizes.append([np.abs(slopes).max(axis=1, initial=0.0) for _, _, slopes in self.groups(looked)])
        shapes = {tuple(map(len, one)) for one in sizes}
        if len(shapes) != 1:  # nowhere is anything known, or the pieces of one's own objective change their number
            return []
        return [np.median(parts, axis=0) for parts in zip(*sizes, strict=True)]

    # -- as a program ----------------------------------------------------------------------------------------------

    def groups(self, looked: Looked) -> list[tuple[float, np.ndarray, np.ndarray]]:
        """``(weight, pieces, slopes)`` of every group."""
        if self.over == "expected":
            return list(zip(self.weights.tolist(), looked.pieces, looked.slopes, strict=True))
        off = np.zeros(len(self.weights)) if self.best is None else self.best
        pieces = np.concatenate([piece - off[s] for s, piece in enumerate(looked.pieces)])
        return [(1.0, pieces, np.concatenate(looked.slopes))]

    def cost(self, x: np.ndarray) -> float:
        return float(self.levers.costs @ x)

    def allowed(self, x: np.ndarray) -> bool:
        """Whether ``x`` keeps to the bounds, the budget and what diets have."""
        levers, slack = self.levers, _SLACK * (1 + abs(self.budget))
        _, matrix, most = self.diets
        inside = (x >= levers.lower - _SLACK).all() and (x <= levers.upper + _SLACK).all()
        return bool(inside and self.cost(x) <= self.budget + slack and (matrix @ x <= most + _SLACK).all())

    def steady(self, looked: Looked) -> bool:
        """Whether every network is somewhere, with the radius that is asked for."""
        return looked.found and looked.radius <= 1 - self.margin + _SLACK

    def into(self, x: np.ndarray) -> np.ndarray:
        """``x`` brought within bounds, diets and budget: what is above the lower bounds shrinks in proportion."""
        levers = self.levers
        above = np.clip(x, levers.lower, levers.upper) - levers.lower
        _, matrix, most = self.diets
        for row, top in zip(matrix, most, strict=True):
            taken, room = float(row @ above), float(top - row @ levers.lower)
            above = np.where(row > 0, above * min(1.0, room / taken if taken > 0 else 1.0), above)
        spent, left = float(levers.costs @ above), self.budget - float(levers.costs @ levers.lower)
        return levers.lower + above * min(1.0, left / spent if spent > 0 else 1.0)
