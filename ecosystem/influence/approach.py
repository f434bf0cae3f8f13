"""When the network settles: how far its own rounds leave it from a stable point, and by which law the rest shrinks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ecosystem.influence import pace
from ecosystem.influence.dynamics import Dynamics
from ecosystem.influence.linear_flows import LinearFlows
from ecosystem.influence.pace import Law
from ecosystem.influence.rounds import Rounds

_PLAYED = 500  # rounds played at most
_NUMBERS = 1 << 26  # parameters of all rounds played, of very large networks
_FEWEST, _FEW = 200, 20  # rounds that are played whatever the size, of so many numbers and of more
_MANY = 1 << 20
_LOOKED = 50  # rounds that an estimate of the law may look at, if the scenario has fewer
_THERE = 1e-13  # a distance that is none
_FAR = 1e12
_NEAR = 1e-9  # nearer than that, nobody asks by which law


@dataclass(frozen=True)
class Approach:
    """How near to a stable point ``Θ*`` the scenario's own ``rounds`` lead.

    ``distance`` is the largest ``|θ_i − θ*_i| / (1 + |θ*_i|)`` of the population after them (tastes of users who move
    are numbers of ``Θ`` too; orders and clocks that are random are those of seed 0). ``played`` of them were played by
    the engine; if that is fewer, ``distance`` is what the ``law`` makes of the distance then, or that distance itself
    where no law is known or distances do not shrink.
    """

    rounds: int
    played: int
    distance: float
    law: Law

    def __str__(self) -> str:
        """How a sentence goes on after *the network settles*: ``, like t^-0.1: after its own 60 rounds it is still 56 %
        away``.
        """
        law = "" if self.law.kind == "unknown" or self.distance <= _NEAR else f", {self.law}"
        return f"{law}: {self.when} it is {self.where}"

    @property
    def where(self) -> str:
        """``still 56 % away``, or ``within 1e-09 of it``."""
        if self.distance <= 1e-3:
            return f"within {max(self.distance, _NEAR):.0e} of it"
        return f"still {away(self.distance)} away"

    @property
    def when(self) -> str:
        """``after its own 60 rounds``, with how many were played."""
        many = "after its own round" if self.rounds == 1 else f"after its own {self.rounds:,} rounds"
        if self.played == self.rounds or self.distance <= _NEAR:
            return many
        if self.law.kind == "unknown" or not self.law.shrinks:
            return f"after {self.played:,} of its own {self.rounds:,} rounds"
        return f"{many} (the last {self.rounds - self.played:,} by that law)"


def away(distance: float) -> str:
    """A distance, relative to ``1 + |θ*|``, in a sentence."""
    if not math.isfinite(distance):
        return "infinitely far"
    return f"{100 * distance:,.0f} %" if distance >= 0.1 else f"{100 * distance:.2g} %"


def approached(dynamics: Dynamics, begin: Tensor, point: Tensor) -> Approach:
    """The rounds of a scenario from ``begin [size]``, seen from its stable ``point [size]``."""
    rounds, own = Rounds(dynamics), dynamics.scenario.rounds
    law = pace.worked_out(rounds, LinearFlows(dynamics, point))
    most = min(_PLAYED, max(_FEWEST if len(point) <= _MANY else _FEW, _NUMBERS // len(point)))
    distances, rests = _distances(rounds, begin, point, min(most, max(own, _LOOKED) if law is None else own))
    law = law or pace.estimated(rounds, distances)
    played = min(own, len(distances) - 1)
    distance = distances[played]
    if rests or not math.isfinite(distance):  # more rounds change nothing
        return Approach(own, own, distance, law)
    if played < own and law.shrinks:
        distance *= law.left(played, own)
    return Approach(own, played, distance, law)


def _distances(rounds: Rounds, begin: Tensor, point: Tensor, most: int) -> tuple[list[float], bool]:
    """The distances after rounds 0, 1, ..., and whether it has come to rest at the point, for good, before ``most``."""
    state, size = rounds.begin(begin.unsqueeze(0)), 1 + point.abs()
    distances = [float(((state.now - point).abs() / size).max())]
    patience, there = rounds.period * (rounds.depth + 2), 0
    for number in range(1, most + 1):
        state = rounds.played(state, rounds.turn(number))
        distance = float(((state.now - point).abs() / size).max())
        distances.append(distance if distance < _FAR else math.inf)
        there = there + 1 if distance <= _THERE else 0
        if distances[-1] == math.inf or not bool(torch.isfinite(state.now).all()) or there > patience:
            break
    return distances, there > patience
