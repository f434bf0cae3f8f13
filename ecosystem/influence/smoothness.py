"""Whether derivatives mean anything: kinks and steps are refused before anything is computed from them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ecosystem.influence.dynamics import INSTEAD, Dynamics
from ecosystem.influence.jacobian import derivative

_STEP = 1e-6
_TOLERANCE = 1e-3


def check_smooth(dynamics: Dynamics, vector: Tensor, push: Callable[[Tensor], Tensor]) -> None:
    """Refuse rewards and retraining that are not differentiable at ``Θ [size]``, naming the member.

    Along a direction that stays inside the families, the one-sided difference quotients are compared with each other
    and with the derivative; ``push`` is that of retraining.
    """
    point = vector.unsqueeze(0)
    direction = _direction(dynamics, point)
    value, slope = derivative(dynamics.alignment, point, direction)
    column = _worst(dynamics.alignment, value, slope, point, direction)
    if column is not None:
        name = dynamics.targets[column]
        raise ValueError(
            f"the reward of {name!r}, {dynamics.scenario.member(name).reward}, is not differentiable at the stable "
            f"point; use a smooth one, or {INSTEAD}"
        )
    column = _worst(dynamics.retrained, dynamics.retrained(point), push(direction), point, direction)
    if column is not None:
        name = dynamics.names[int(dynamics.layout.owners()[column])]
        raise ValueError(
            f"the retraining of {name!r} is not differentiable at the stable point (a quota that just fits, a law at "
            f"its floor, a transform with a step); change the scenario a little, or {INSTEAD}"
        )


def _direction(dynamics: Dynamics, point: Tensor) -> Tensor:
    """A difference of parameters that retraining gives, in no special direction."""
    wave = torch.sin(torch.arange(1, point.shape[1] + 1, dtype=point.dtype))
    start = dynamics.start - point
    step = dynamics.retrained(point + 1e-3 * wave * (start if bool(start.any()) else 1 + point.abs())) - point
    return step / step.abs().amax().clamp(min=1e-300)


def _worst(
    function: Callable[[Tensor], Tensor], value: Tensor, slope: Tensor, point: Tensor, direction: Tensor
) -> int | None:
    """The output whose one-sided derivatives disagree, if any."""
    step = _STEP * float(1 + point.abs().max())
    right = (function(point + step * direction) - value) / step
    left = (value - function(point - step * direction)) / step
    gap = torch.maximum((right - slope).abs(), (left - slope).abs())
    allowed = _TOLERANCE * (slope.abs() + slope.abs().amax() + 1e-3 * (1 + value.abs()))
    wrong = ~(gap <= allowed)
    return int(wrong[0].nonzero()[0]) if bool(wrong.any()) else None
