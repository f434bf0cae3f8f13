"""The law by which a small distance to a stable point shrinks: geometric, or a power where all data ever seen count."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ecosystem.engine.memories import Unsettled
from ecosystem.influence.blocks import Blocks
from ecosystem.influence.continuum import continuum_of
from ecosystem.influence.dynamics import Dynamics
from ecosystem.influence.linear_flows import LinearFlows
from ecosystem.influence.linear_round import LinearRound
from ecosystem.influence.operators import Dense
from ecosystem.influence.rounds import Rounds
from ecosystem.influence.spectra import abscissa_of, below_one
from ecosystem.scenario.network import said_of_all

_SMALL = 300  # numbers in the state of a round up to which its rate is worked out
_LONG = 20_000  # numbers of all states of a hyper-period up to which it is
_ROUNDING = 1e-11  # relative distances below which no law is read off
_ONE = 1e-9  # nearness of a rate to 1
_FEWEST = 3  # rounds that a law is read off


@dataclass(frozen=True)
class Law:
    """How a small distance shrinks: ``kind`` geometric (``pace^t``), power (``t^−pace``) or unknown (NaN).

    ``estimated``: read off the last rounds played instead of worked out from the derivative of a round.
    """

    kind: str
    pace: float = math.nan
    estimated: bool = False

    @property
    def shrinks(self) -> bool:
        return below_one(self.pace) if self.kind == "geometric" else self.pace > 0

    def left(self, before: float, after: float) -> float:
        """What is ``left`` after round ``after`` of the distance after round ``before``; NaN where no law is known."""
        if self.kind == "unknown":
            return math.nan
        if self.kind == "power":
            return (after / before) ** -self.pace
        return float(np.float_power(self.pace, after - before))

    def __str__(self) -> str:
        if self.kind == "unknown":
            return "by no known law"
        sure = " (estimated)" if self.estimated else ""
        if self.kind == "power":
            return f"like t^{-self.pace:.3g}{sure}"
        return f"like {self.pace:.3g}^t{sure}" if self.pace > 1e-6 else f"in so many rounds as there are steps{sure}"


def worked_out(rounds: Rounds, flows: LinearFlows) -> Law | None:
    """The law by the derivative of a round at the stable point; None where that is dear, or rounds are random."""
    point, slow = flows.point, averaging(rounds.dynamics)
    if len(point) > _SMALL:
        return None
    try:
        rest = rounds.at_rest(point.unsqueeze(0))
    except Unsettled:
        return Law("unknown")
    if slow.any():
        law = averaged(flows, slow)
        return None if law.kind == "unknown" else law
    if rounds.random:
        return None
    linear = LinearRound(rounds, rest, frozen=slow)
    numbers = len(linear.flat)
    return Law("geometric", _rate(linear)) if numbers <= _SMALL and numbers * rounds.period <= _LONG else None


def _rate(linear: LinearRound) -> float:
    """The rate of a round; about a continuum of stable points, that of everything but its free directions."""
    rate = linear.rate()
    if abs(rate - 1) > _ONE:
        return rate
    operator = Dense(linear.matrix())
    free = continuum_of(operator, len(linear.flat), operator.slack())
    return rate if free is None else free.rest ** (1 / linear.rounds.period)


def estimated(rounds: Rounds, distances: Sequence[float]) -> Law:
    """The law that the ``distances`` after rounds 0, 1, ... show in their later half."""
    last = max((t for t, d in enumerate(distances) if _ROUNDING < d < math.inf), default=0)
    first = last - max(_FEWEST, last // 2) // rounds.period * rounds.period  # whole hyper-periods
    if last < _FEWEST or not 0 < first < last:
        return Law("unknown")
    factor = math.log(distances[last] / distances[first])
    if averaging(rounds.dynamics).any():
        return Law("power", -factor / math.log(last / first), estimated=True)
    return Law("geometric", math.exp(factor / (last - first)), estimated=True)


def averaging(dynamics: Dynamics) -> np.ndarray:
    """Which members train on everything they have ever seen, ``[members]``."""
    return said_of_all(dynamics.scenario, lambda member: member.retention.averages) & dynamics.moves


def averaged(flows: LinearFlows, slow: np.ndarray) -> Law:
    """The law where some members average all they have ever seen; not known with users who move."""
    return Law("unknown") if flows.dynamics.layout.minds else Law("power", 1 - _slow_growth(flows, slow))


def _slow_growth(flows: LinearFlows, slow: np.ndarray) -> float:
    """The largest real part of the eigenvalues that accumulating members feel.

    Their steps shrink like ``1/t``, so the others follow at once: what is left is ``B_aa + B_ar (I − B_rr)⁻¹ B_ra``.
    """
    matrix, own = Blocks(flows).dense(), torch.from_numpy(slow)[flows.dynamics.layout.owners()]
    for fit in (fit for fit in flows.fits if fit.incomplete):  # what is averaged is what they are fitted to
        for member, kept in zip(fit.task.members.tolist(), fit.inertia, strict=True):
            if slow[member]:
                span = flows.dynamics.layout.span(member)
                matrix[span, span] -= kept
                matrix[span] = torch.linalg.solve(torch.eye(len(kept), dtype=kept.dtype) - kept, matrix[span])
    inner = matrix[~own][:, ~own]
    eye = torch.eye(len(inner), dtype=matrix.dtype)
    reduced = matrix[own][:, own] + matrix[own][:, ~own] @ torch.linalg.solve(eye - inner, matrix[~own][:, own])
    return abscissa_of(reduced)
