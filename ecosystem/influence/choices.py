"""Users who choose between members: ways and places that have no derivative are refused by name."""

from __future__ import annotations

from torch import Tensor

from ecosystem.engine.pools import unused
from ecosystem.influence.dynamics import INSTEAD, Dynamics


def check_choices(dynamics: Dynamics, vector: Tensor) -> None:
    """Refuse groups that choose, at ``Θ [size]``, in a way or a place that has no derivative."""
    wiring = dynamics.wiring
    for group in wiring.groups:
        if not group.demand.choice.smooth:
            raise ValueError(
                f"the demand of {group.who!r} chooses by {group.demand.choice}, which need not have a derivative (the "
                "best response jumps where another member comes to serve best); use Softmax(temperature), say smooth = "
                f"True of a way of your own that torch can differentiate, or {INSTEAD}"
            )
    if not wiring.groups:
        return
    weights = dynamics.layout.minds.weights(vector.unsqueeze(0))
    nobody = unused(wiring.pools, dynamics.shares, weights, len(dynamics.names)).flatten(1).any(1)
    for name, none, moves in zip(dynamics.names, nobody.tolist(), dynamics.moves, strict=True):
        if none and moves:
            raise ValueError(
                f"at the stable point nobody uses {name!r}, so that what it would train on jumps with its first user; "
                f"begin where somebody does, Demand(start=...), use Softmax(temperature), or {INSTEAD}"
            )
