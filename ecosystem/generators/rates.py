"""Learning rates: from retraining to retraining, and from step to step within one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ecosystem.core.arguments import spelled
from ecosystem.core.check import brief, real_number, switch, whole_number


@spelled
@dataclass(frozen=True)
class HoldThenDecay:
    """The learning rate stays for ``hold`` retrainings, then falls by ``factor`` at each, with weight decay off.

    So parameters are forced to stop. ``factor ** (t − hold + 1)`` at retraining ``t = hold, hold + 1, ...`` (0 the
    first); ``keep_weight_decay`` leaves the optimizer's weight decay on.

    >>> [HoldThenDecay(hold=2)(t) for t in range(5)]
    [1.0, 1.0, 0.5, 0.25, 0.125]
    """

    hold: int
    factor: float = 0.5
    keep_weight_decay: bool = False

    def __post_init__(self) -> None:
        whole_number(self.hold, "HoldThenDecay(hold)", 0, of="retrainings")
        switch(self.keep_weight_decay, "HoldThenDecay(keep_weight_decay)")
        if not 0 < real_number(self.factor) <= 1:
            raise ValueError(f"HoldThenDecay(factor) must lie in (0, 1], got {brief(self.factor)}")

    def __call__(self, retraining: int) -> float:
        return 1.0 if retraining < self.hold else float(self.factor ** (retraining - self.hold + 1))


@spelled
@dataclass(frozen=True)
class WarmUpCosine:
    """Within a retraining the learning rate rises from 0 over a part ``warm_up`` of the steps and falls to 0 again.

    ``s/w`` at step ``s < w = ⌈warm_up · steps⌉``, then ``(1 + cos(π (s − w)/(steps − w)))/2``: the schedule of
    Hugging Face's trainers.

    >>> [round(WarmUpCosine(0.5)(step, 4), 3) for step in range(4)]
    [0.0, 0.5, 1.0, 0.5]
    """

    warm_up: float = 0.03

    def __post_init__(self) -> None:
        if not 0 <= real_number(self.warm_up) < 1:
            raise ValueError(f"WarmUpCosine(warm_up) is a part of the steps, in [0, 1), got {brief(self.warm_up)}")

    def __call__(self, step: int, steps: int) -> float:
        first = math.ceil(self.warm_up * steps)
        if step < first:
            return step / first
        return (1 + math.cos(math.pi * (step - first) / max(steps - first, 1))) / 2


def scaled(function: Callable[..., float], what: str, *at: int) -> float:
    """By what a learning rate is scaled at a retraining, or at a step of so many; refused where that is no such."""
    factor = function(*at)
    if not 0 <= real_number(factor) < math.inf:
        where = f"retraining {at[0]}" if len(at) == 1 else f"step {at[0]} of {at[1]}"
        raise ValueError(
            f"{what} must return by what to scale the learning rate, a number from 0 on, got {brief(factor)} at {where}"
        )
    return factor
