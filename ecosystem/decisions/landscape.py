"""Where a network settles as somebody moves its levers, with the exact derivatives of everybody's alignment there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.func import vjp

from ecosystem.decisions.levers import Levers, shares_at
from ecosystem.decisions.radius import edges
from ecosystem.influence.dynamics import Dynamics
from ecosystem.influence.goals import Alignment
from ecosystem.influence.jacobian import derivative
from ecosystem.influence.resolvent import Resolvent
from ecosystem.influence.roots import newton, residual
from ecosystem.influence.stable import find

_TOLERANCE = 1e-10  # residual of a stable point
_NUMBERS = 1 << 25  # in flight while many gradients are worked out
_ROWS = 32  # right-hand sides that go through the map together, at most
_KEPT = 32  # points from the own start that are kept
_SAME = 1e-6  # relative difference of two points that are one
_ALIKE = 1e-8  # difference of two eigenvalues that move alike


@dataclass(frozen=True)
class Settled:
    """Where the network is with its levers at ``x [levers]``: a value, also where it is nowhere.

    ``found`` says whether there is a stable point; else ``why`` there is none, and nothing more can be asked.
    ``vector [size]`` is ``Θ*``, ``alignment [targets]`` everybody's ``J``, in the order of ``targets``. ``radius`` is
    ``ρ(B)``: at 1 or above, small disturbances grow in synchronous rounds.
    """

    x: np.ndarray
    found: bool
    why: str
    vector: Tensor
    alignment: Tensor
    targets: list[str]
    landscape: Landscape = field(repr=False)
    dynamics: Dynamics = field(repr=False)

    @property
    def alignments(self) -> pd.Series:
        """``J`` by name."""
        return pd.Series(self.alignment.numpy(), index=pd.Index(self.targets, name="member"), name="alignment")

    @cached_property
    def resolvent(self) -> Resolvent:
        """``(I − B)⁻¹`` there."""
        return Resolvent(self.dynamics, self.vector)

    @cached_property
    def radius(self) -> float:
        """``ρ(B)``; infinite where there is no stable point."""
        return self.resolvent.radius if self.found else np.inf

    def gradient(self, weights: Tensor) -> np.ndarray:
        """``Σ_j weights_j · dJ_j/dx [levers]``: one transposed solve, however many levers there are."""
        return self.gradients(weights.reshape(1, -1))[0]

    def gradients(self, weights: Tensor) -> np.ndarray:
        """The same for rows of ``weights [n, targets]``: ``[n, levers]``."""
        goal, point = self.landscape.goal_of(self.dynamics), self.vector.unsqueeze(0)
        pull = vjp(goal.values, point.expand(len(weights), -1).contiguous())[1]
        return self.led(self.dynamics.layout.tangent(pull(weights.to(point.dtype))[0]))

    @cached_property
    def jacobian(self) -> np.ndarray:
        """``dJ_j/dx_k [targets, levers]``, the influence matrix where levers are levels."""
        return self.gradients(torch.eye(len(self.targets), dtype=torch.float64))

    def along(self, direction: np.ndarray) -> Tensor:
        """How fast alignments ``[targets]`` move as levers move along ``direction``: one solve, however many."""
        shares, goal = self.dynamics.shares, self.landscape.goal_of(self.dynamics)
        point, moved = self.vector.unsqueeze(0), torch.from_numpy(self.landscape.directions @ direction)
        pushed = derivative(lambda x: self.dynamics.retrained(point, x), shares, moved.reshape(shares.shape))[1]
        return derivative(goal.values, point, self.resolvent.forward(pushed))[1][0]

    def led(self, rows: Tensor) -> np.ndarray:
        """``rows [n, size]`` of derivatives by ``Θ*`` as derivatives by the levers, ``[n, levers]``.

        ``rows (I − B)⁻¹ ∂T/∂shares · ∂shares/∂x``, from the left.
        """
        if not len(rows):
            return np.zeros((0, len(self.x)))
        if not bool(rows.isfinite().all()):  # of one row or more there is no derivative here
            known = rows.isfinite().all(-1)
            out = np.full((len(rows), len(self.x)), np.nan)
            out[known.numpy()] = self.led(rows[known])
            return out
        back = torch.cat([self.resolvent.adjoint(rows[part]) for part in self.resolvent.batches(len(rows))])
        step = max(1, min(_ROWS, _NUMBERS // max(1, len(self.dynamics.shares))))
        return np.concatenate([self._by_shares(part) for part in back.split(step)]) @ self.landscape.directions

    def _by_shares(self, rows: Tensor) -> np.ndarray:
        """``rows · ∂T/∂shares``, ``[n, components]``."""
        shares = self.dynamics.shares.expand(-1, -1, len(rows)).clone().requires_grad_()
        out = self.dynamics.retrained(self.vector.expand(len(rows), -1), shares)
        (found,) = torch.autograd.grad((out * rows).sum(), shares)
        return found[:, 0].T.numpy()

    @property
    def slope(self) -> np.ndarray:
        """``dρ(B)/dx [levers]``; where eigenvalues are equally large, of one of them (:attr:`edges` has all)."""
        return self.edges[0][1]

    @cached_property
    def edges(self) -> list[tuple[float, np.ndarray]]:
        """``|λ|`` and ``d|λ|/dx [levers]`` of the largest eigenvalues of ``B``, those that move alike once.

        See :func:`ecosystem.decisions.radius.edges`. The first is the radius.
        """
        found: list[tuple[float, np.ndarray]] = []
        for edge in edges(self.dynamics, self.vector, self.resolvent):
            moved = self.led(self.dynamics.layout.tangent(edge.by_theta))[0]
            slope = moved + edge.by_shares @ self.landscape.directions
            size = float(np.abs(slope).max(initial=0.0))
            if all(abs(edge.modulus - old) > _ALIKE or np.abs(slope - s).max() > _ALIKE * size for old, s in found):
                found.append((edge.modulus, slope))
        return found


class Landscape:
    """Everybody's alignment at the stable point, as a function of the levers.

    :meth:`at` goes from the point that was found last, :meth:`own` from the scenario's own start: what runs of
    :meth:`Levers.moved` lead to. A continuation may follow a branch that the own start does not lead to, so what is
    reported should be judged by :meth:`own`.

    >>> from ecosystem import Flow, Linear, Location, Member, Scenario, Shift
    >>> s = Scenario("loop", rounds=1)
    >>> s.add("a", Member(Location([0.0]), reward=Linear([1.0]), curator=Shift([1.0]), real=Location([0.0])))
    >>> s.connect("a", "a", Flow(raw=0.3, curated=0.2))  # θ* = λ / (0.625 (1 − λ))
    >>> from ecosystem.decisions import as_levers
    >>> there = Landscape(as_levers(s)).at([0.5])
    >>> round(there.alignment.item(), 9), round(there.jacobian.item(), 9)
    (1.6, 6.4)
    """

    def __init__(self, levers: Levers) -> None:
        self.levers = levers
        self.dynamics = levers.dynamics()
        self.directions = levers.directions(self.dynamics)
        self.goal = Alignment(self.dynamics)
        self.targets = self.goal.targets
        self.near: Tensor | None = None  # the stable point that was found last, [size]
        self._last: Settled | None = None
        self._own: dict[bytes, Settled] = {}
        self.asked = 0  # how many points were worked out

    @property
    def size(self) -> int:
        """How many numbers the network has."""
        return self.dynamics.layout.size

    def goal_of(self, dynamics: Dynamics) -> Alignment:
        """Alignment under other shares."""
        return self.goal  # what a member is judged by does not depend on what anybody trains on

    def at(self, x: Sequence[float] | np.ndarray) -> Settled:
        """Where the network is at ``x [levers]``, near where it was last asked for; the last is kept."""
        x = np.asarray(x, dtype=np.float64)
        if self._last is not None and np.array_equal(self._last.x, x):
            return self._last
        self.asked += 1
        dynamics, found = self._moved(x), None
        if self.near is not None:
            vector, _ = newton(dynamics, self.near)
            if residual(dynamics, vector) <= _TOLERANCE:
                found = self._there(x, dynamics, vector)
        if found is None or not found.found:
            found = self._searched(x, dynamics)
        if found.found:
            self.near = found.vector
        self._last = found
        return found

    def own(self, x: Sequence[float] | np.ndarray) -> Settled:
        """Where the scenario's own start leads at ``x``; ``why`` says what the dynamics did where that is nowhere."""
        x = np.asarray(x, dtype=np.float64)
        if (key := x.tobytes()) not in self._own:
            if len(self._own) >= _KEPT:
                self._own.clear()
            self._own[key] = self._searched(x, self._moved(x))
        return self._own[key]

    def begin(self, near: Settled) -> None:
        """Let :meth:`at` go on from a point that was found."""
        self.near, self._last = near.vector, None

    def same(self, a: Settled, b: Settled) -> bool:
        """Whether two are one point: not two branches at the same levers."""
        if not (a.found and b.found):
            return a.found == b.found
        return bool(((a.vector - b.vector).abs() <= _SAME * (1 + b.vector.abs())).all())

    def _moved(self, x: np.ndarray) -> Dynamics:
        step = x - self.levers.now
        return self.dynamics.with_shares(shares_at(self.dynamics.shares, self.directions, step))

    def _searched(self, x: np.ndarray, dynamics: Dynamics) -> Settled:
        point = find(dynamics)
        if not point.found:
            return self._nowhere(x, dynamics, point.message)
        if point.seen == "diverges" or point.seen.startswith("cycles"):
            return self._nowhere(x, dynamics, f"from its own start the network {point.seen}")
        return self._there(x, dynamics, point.vector)

    def _there(self, x: np.ndarray, dynamics: Dynamics, vector: Tensor) -> Settled:
        alignment = self.goal.values(vector.unsqueeze(0))[0]
        if not bool(alignment.isfinite().all()):
            place = int((~alignment.isfinite()).nonzero()[0])
            return self._nowhere(x, dynamics, f"{self.goal.described(self.targets[place])} has no finite value there")
        found = Settled(x, True, "", vector, alignment, self.targets, self, dynamics)
        try:
            if found.resolvent.continuum is not None:
                return self._nowhere(x, dynamics, "its stable points are a continuum; let somebody have real data")
        except ValueError as error:
            return self._nowhere(x, dynamics, str(error))
        return found

    def _nowhere(self, x: np.ndarray, dynamics: Dynamics, why: str) -> Settled:
        gone = torch.full((len(self.targets),), torch.nan, dtype=torch.float64)
        return Settled(x, False, why, dynamics.start[0], gone, self.targets, self, dynamics)
