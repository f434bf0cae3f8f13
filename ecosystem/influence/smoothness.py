"""Whether derivatives mean anything: kinks and steps are refused before anything is computed from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from ecosystem.influence.dynamics import INSTEAD, Dynamics
from ecosystem.influence.goals import Goal
from ecosystem.influence.jacobian import derivative
from ecosystem.influence.layout import Layout
from ecosystem.influence.leaving import own_parts
from ecosystem.influence.sizes import sizes

_STEP = 1e-6  # of a member's own size
_TOLERANCE = 1e-3
_ROUNDING = 2.0**-52


def check_smooth(
    dynamics: Dynamics,
    vector: Tensor,
    push: Callable[[Tensor], Tensor],
    goal: Goal,
    targets: Sequence[str],
    leave: str = "leave it out of targets=",
) -> None:
    """Refuse goals (rewards, measures) of ``targets`` and retraining that are not differentiable at ``Θ [size]``.

    The message names the member, and how to ``leave`` it out; what nobody asks for may have kinks.

    Along a direction that stays inside the families, the one-sided difference quotients are compared with each other
    and with the derivative; ``push`` is that of retraining. Steps go by what members spread over; they are longer
    where members stand so far from 0 that rounding would count.
    """
    point, layout = vector.unsqueeze(0), dynamics.layout
    size = sizes(layout, point)
    direction = _direction(dynamics, point, size)
    step = max(_STEP, 10 * math.sqrt(_ROUNDING * float((point.abs() / size).max())))
    wanted = set(targets)
    asked = [i for i, name in enumerate(goal.targets) if name in wanted]

    def values(x: Tensor) -> Tensor:
        return goal.values(x) if len(asked) == len(goal.targets) else goal.values(x)[:, asked]

    value, slope = derivative(values, point, direction)

    def steep(slope: Tensor) -> Tensor:
        return slope.abs() + _TOLERANCE * (1 + value.abs())

    column = _worst(values, value, slope, steep, point, direction, step)
    if column is not None:
        raise ValueError(
            f"{goal.described(goal.targets[asked[column]])} is not differentiable at the stable point; use a smooth "
            f"one, {leave}, or {INSTEAD}"
        )
    slope = push(direction)
    retrained = partial(dynamics.retrained, differentiable=False)
    value = retrained(point)
    del size  # of a million members it is 200 MB
    column = _worst(retrained, value, slope, partial(_large, layout, point, value), point, direction, step)
    if column is not None:
        name = dynamics.names[int(layout.owners()[column])]
        raise ValueError(
            f"the retraining of {name!r} is not differentiable at the stable point (a quota that just fits, a law at "
            f"its floor, a transform with a step); change the scenario a little, or {INSTEAD}"
        )


def check_moved(dynamics: Dynamics, vector: Tensor, tangent: Tensor) -> None:
    """The same of retraining as shares ``[components, 1, 1]`` move along ``tangent``, for which diets have room."""
    point, layout = vector.unsqueeze(0), dynamics.layout

    def retrained(shares: Tensor) -> Tensor:
        return dynamics.retrained(point, shares)

    begin = dynamics.shares + 2 * _STEP * tangent  # so that neither side leaves the diets
    value, slope = derivative(retrained, begin, tangent)
    column = _worst(retrained, value, slope, partial(_large, layout, point, value), begin, tangent, _STEP)
    if column is not None:
        name = dynamics.names[int(layout.owners()[column])]
        raise ValueError(
            f"the retraining of {name!r} has no derivative by the shares of what it trains on that torch finds; write "
            f"{own_parts(dynamics.scenario)} in torch, smooth, or {INSTEAD}"
        )


def _large(layout: Layout, point: Tensor, value: Tensor, slope: Tensor) -> Tensor:
    """How large slopes of retraining are at ``point``: those of a member, and what rounding makes of its size."""
    least = torch.minimum(1 + value.abs(), sizes(layout, point).mul_(10))
    return layout.largest(slope).add_(least, alpha=_TOLERANCE)


def _direction(dynamics: Dynamics, point: Tensor, size: Tensor) -> Tensor:
    """Every member moves by its own size, in a direction that retraining gives (0 where it gives none)."""
    layout = dynamics.layout
    wave = torch.sin(torch.arange(1, point.shape[1] + 1, dtype=point.dtype))
    away = dynamics.start - point
    far = layout.largest(away / size)
    away = torch.where(far > 0, away / far.clamp(min=1), size)
    moved = dynamics.retrained(point + 1e-3 * layout.tangent(wave * away), differentiable=False)
    step = moved - dynamics.retrained(point, differentiable=False)
    return step / layout.largest(step / size).clamp(min=1e-300)


def _worst(
    function: Callable[[Tensor], Tensor],
    value: Tensor,
    slope: Tensor,
    scale: Callable[[Tensor], Tensor],
    point: Tensor,
    direction: Tensor,
    step: float,
) -> int | None:
    """The output whose one-sided derivatives disagree, if any; ``scale`` says how large slopes are there.

    In place where it may be, and scales last: of a million members each vector is 200 MB.
    """

    def gaps(step: float) -> Tensor:
        sides = []
        for side in (step, -step):
            there = torch.add(point, direction, alpha=side)
            sides.append((function(there) - value).div_(side).sub_(slope).abs_())
        return torch.maximum(*sides, out=sides[0])

    far = gaps(step)
    wrong = ~(far <= scale(slope).mul_(max(_TOLERANCE, 10 * step)))
    if bool(wrong.any()):  # what is merely curved is half as far off, or less, of a much shorter step; a kink is not
        wrong &= ~(gaps(step / 8) <= far / 2)
    return int(wrong[0].nonzero()[0]) if bool(wrong.any()) else None
