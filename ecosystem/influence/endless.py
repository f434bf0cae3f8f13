"""Effects that have no end, or no number: pushes along directions that are free."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ecosystem.influence.continuum import Continuum
from ecosystem.influence.dynamics import Dynamics
from ecosystem.influence.linear_flows import LinearFlows
from ecosystem.influence.numbers import Numbers
from ecosystem.influence.pushes import Pushes, pushes_of, summed
from ecosystem.influence.rounds import Rounds

_FELT = 1e-9  # of how far a push could reach along a free direction
_ROUNDING = 1e-12  # the same of numbers that cancel in a push
_LOOKED = 8  # rounds from the start in which it is looked for pushes that vanish later


@dataclass(frozen=True)
class Endless:
    """Which effects are infinite, ``signs [targets, sources]``, or undefined (NaN there), and why, by source."""

    signs: np.ndarray
    reasons: dict[str, str] = field(default_factory=dict)

    def on(self, effects: np.ndarray) -> np.ndarray:
        """The effects ``[targets, sources]`` of pushes without what goes along free directions, and of that."""
        with np.errstate(invalid="ignore"):
            return np.where(self.signs == 0, effects, self.signs * math.inf)


def endless(
    free: Continuum,
    pushes: Pushes,
    numbers: Numbers,
    dynamics: Dynamics,
    point: Tensor,
    begin: Tensor,
    gradients: Tensor,
    sources: Sequence[str],
    targets: Sequence[str],
) -> Endless:
    """What lasting pushes do along the free directions of a continuum, ``P b ≠ 0``: they move the point for ever.

    A push may vanish at the stable point and yet have moved what members agree on, on the way there from ``begin
    [size]``: nothing at the stable point tells by how much.
    """
    seen = summed(dynamics, free.right, gradients.expand_as(free.right), targets).T  # ∇J of the free directions
    seen = torch.where(seen.abs() > _FELT * summed(dynamics, free.right.abs(), gradients.abs(), targets).T, seen, 0.0)
    moved = _felt(free, pushes, point, sources)
    rate = seen @ moved
    signs = torch.where(rate.abs() > _FELT * (seen.abs() @ moved.abs()), rate.sign(), 0.0)
    passing = _on_the_way(free, numbers, dynamics, begin, sources) & ~(moved != 0).any(0)
    signs = torch.where((seen != 0).any(1)[:, None] & passing, math.nan, signs)
    agree = "; ".join(map(str, free.free(dynamics.layout, dynamics.names)))
    touched = (signs != 0).any(0).tolist()
    reasons = {
        name: _ON_THE_WAY.format(agree) if bool(passing[i]) else _FOR_EVER.format(agree)
        for i, name in enumerate(sources)
        if touched[i]
    }
    return Endless(signs.numpy(), reasons)


_FOR_EVER = (
    "in a continuum of stable points ({}) it moves the network along for ever, so its long-run effect is infinite; "
    "after(rounds) says how far by when"
)
_ON_THE_WAY = (
    "in a continuum of stable points ({}) it does nothing at the stable point, but on the way there it moves what they "
    "come to agree on, so its long-run effect is undefined; after(rounds) says what it is by when"
)


def _felt(free: Continuum, pushes: Pushes, point: Tensor, sources: Sequence[str]) -> Tensor:
    """How fast each push moves the point along the free directions, ``[k, sources]``; what is rounding is 0."""
    rate = pushes.against(free.left)
    reach = free.left.norm(dim=-1, keepdim=True) * pushes.sizes(sources)
    rounding = (free.left.abs() @ (1 + point.abs())).unsqueeze(-1)
    return torch.where(rate.abs() > _FELT * reach + _ROUNDING * rounding, rate, 0.0)


def _on_the_way(free: Continuum, numbers: Numbers, dynamics: Dynamics, begin: Tensor, sources: Sequence[str]) -> Tensor:
    """Which sources' pushes go along the free directions in some of the first rounds, ``[sources]``."""
    found = torch.zeros(len(sources), dtype=torch.bool)
    if not len(begin):
        return found
    rounds = Rounds(dynamics)
    state = rounds.begin(begin.unsqueeze(0))
    for number in range(1, _LOOKED + 1):
        here = state.now[0]
        pushes = pushes_of(numbers, LinearFlows(dynamics, here), sources)
        found |= (_felt(free, pushes, here, sources) != 0).any(0)
        state = rounds.played(state, rounds.turn(number))
    return found
