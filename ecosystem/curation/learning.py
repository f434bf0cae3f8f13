"""How a taste moves by what its users see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.func import vjp

from ecosystem.core.check import brief, one_number, real_tensor, returned, users_code
from ecosystem.core.claims import Claims
from ecosystem.core.stacking import Stackable
from ecosystem.curation.seen import Seen
from ecosystem.rewards import Reward

_ROUNDING = 1e-6  # a unit vector in float32


class Learner(Stackable, Claims):
    """The contract: after each round, where the state of a taste goes.

    A class of one's own is a frozen dataclass and writes ``learn`` for one cell: a taste without a batch, and what its
    users saw. ``batched = True`` says that its ``learn`` serves any batch at once; a subclass with a ``learn`` of its
    own does not inherit that.
    """

    RESTS: ClassVar[dict[str, tuple[str, ...]]] = {"batched": ("learn",), "still": ("learn",)}
    batched: bool = False
    timed: bool = False  # what it does hangs on the round (``seen.round``); stable points and influence refuse it
    still: bool = False  # never moves a taste: users who learn by it do not learn

    def learn(self, reward: Reward, seen: Seen) -> Tensor:
        """The new state ``[*batch, p]`` of a taste whose users look at the new output."""
        raise NotImplementedError

    def check(self, reward: Reward) -> None:
        """Refuse a taste that it cannot move, when users are described."""
        state = reward.state()
        if state is None:
            raise TypeError(
                f"users who learn by {self} need a taste that can move, and the reward {reward} has no state; use "
                "Linear(direction) for vectors, Tabular(values) or Preference(weights, features) for symbols, or give "
                "your reward the methods state() and with_state(state)"
            )
        _check_state(reward, state.detach())


@dataclass(frozen=True, eq=False, repr=False)
class Drift(Learner):
    """Users move towards what they saw: ``w⁺ = Proj_ball((1 − β) w + β E[φ])`` (Wei, Xie, Zhu, Zhang 2026, 2610.09415).

    ``φ`` are the features in which their reward is linear: the sample itself for ``Linear``, one-hot symbols for
    ``Tabular``, its own for ``Preference``. The ball has radius 1, and tastes start in it. ``β = 0`` never moves,
    and counts as no learner; for every other the long run is the same: without an anchor, users who drift come to want
    what they get.

    Raises
    ------
    ValueError
        If ``beta`` does not lie between 0 and 1, or a taste lies outside the ball.
    TypeError
        If a reward is not linear in features.

    >>> from ecosystem.core.laws import Finite
    >>> from ecosystem.curation import OfLaw
    >>> from ecosystem.rewards import Tabular
    >>> half = OfLaw(Finite(torch.tensor([0.5, 0.5, 0.0], dtype=torch.float64)))
    >>> Drift(0.5).learn(Tabular([1.0, 0.0, 0.0]), half)
    tensor([0.7500, 0.2500, 0.0000], dtype=torch.float64)
    """

    beta: Tensor
    batched = True

    def __init__(self, beta: Any) -> None:
        number = one_number(beta, "Drift(beta)")
        if not 0 <= number <= 1:
            raise ValueError(
                f"Drift(beta) must be one number between 0 (never moves) and 1 (forgets), got {brief(beta)}"
            )
        object.__setattr__(self, "beta", number)

    @property
    def still(self) -> bool:  # type: ignore[override]
        return bool((self.beta == 0).all())

    def learn(self, reward: Reward, seen: Seen) -> Tensor:
        state, mean = reward.state(), seen.mean(reward.features())
        assert state is not None
        if mean.shape[-1] != state.shape[-1]:
            raise ValueError(
                f"{self}: the reward {reward} has {state.shape[-1]} weights, and what its users saw has "
                f"{mean.shape[-1]} features; give it one weight for each"
            )
        beta = self.beta.unsqueeze(-1)
        return within_ball((1 - beta) * state + beta * mean)

    def check(self, reward: Reward) -> None:
        super().check(reward)
        try:
            reward.features()
        except TypeError as error:
            raise TypeError(
                f"{error}, which {self} needs; use Linear, Tabular or Preference(weights, features), give your reward "
                "the method features(), or move it by Habit(function)"
            ) from None
        if reward.of_pairs:
            raise TypeError(
                f"{self} moves tastes of outputs, and the reward {reward} judges pairs; use Habit(function)"
            )
        norm = float(torch.as_tensor(reward.state()).norm())
        if norm > 1 + _ROUNDING:
            raise ValueError(
                f"{self} keeps tastes in the unit ball, and the reward {reward} has norm {norm:.6g}; divide it by its "
                "norm, and the curator's temperature as well: choices stay as they are"
            )

    def __repr__(self) -> str:
        return f"Drift({float(self.beta.mean()):.4g})"


@dataclass(frozen=True, eq=False, repr=False)
class Habit(Learner):
    """Users move by a function of your own: ``function(w, seen) -> w⁺``.

    ``w [p]`` is the state of their taste and ``seen`` what they saw (:class:`Seen`: ``seen.mean(features)``,
    ``seen.law()``), both of one variant and one replicate: the function is called for each by itself, and need not
    know of batches. It returns numbers ``[p]``; for influence and stable points it must be differentiable by torch.
    Any reward with a state can be moved, linear in features or not.

    >>> from ecosystem.curation import OfSamples
    >>> from ecosystem.rewards import Linear
    >>> def bored(w, seen):
    ...     return w - 0.1 * seen.mean()
    >>> Habit(bored).learn(Linear([0.0, 1.0]), OfSamples(torch.ones(8, 2)))
    tensor([-0.1000,  0.9000], dtype=torch.float64)
    """

    function: Callable[[Tensor, Seen], Tensor]

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise TypeError(f"Habit(function) must be a function (w, seen) -> w, got {brief(self.function)}")

    def learn(self, reward: Reward, seen: Seen) -> Tensor:
        state = reward.state()
        assert state is not None
        with users_code(lambda: f"the function of {self}"):
            new = self.function(state, seen)
        if not real_tensor(new) or new.shape != state.shape:
            raise ValueError(
                f"{self} must return a tensor of the shape of its state, {tuple(state.shape)}, got {returned(new)}"
            )
        return new.to(state)

    def __repr__(self) -> str:
        return f"Habit({getattr(self.function, '__name__', type(self.function).__name__)})"


def moved(learner: Learner, reward: Reward, seen: Seen, batch: tuple[int, ...]) -> Tensor:
    """The new state ``[*batch, p]``, at once where the learner says that it can, else cell by cell.

    Learner and reward have the batch; what was seen may have length 1 where it serves all.
    """
    if learner.batched:
        return _learnt(learner, reward, seen)
    cells = [_learnt(learner.take(i), reward.take(i), seen.cell(i)) for i in np.ndindex(*batch)]
    return torch.stack(cells).reshape(*batch, -1)


def _learnt(learner: Learner, reward: Reward, seen: Seen) -> Tensor:
    """Where a taste goes, if that is a state such as its own."""
    with users_code(lambda: f"learn(reward, seen) of {learner}", passing=(TypeError, ValueError)):
        new, old = learner.learn(reward, seen), reward.state()
    assert old is not None
    fits = real_tensor(new) and new.is_floating_point() and new.shape[-1:] == old.shape[-1:]
    if not fits or (not learner.batched and new.shape != old.shape):
        raise ValueError(
            f"learn(reward, seen) of {learner} must return a state such as {reward} has, of shape {tuple(old.shape)}, "
            f"got {returned(new)}"
        )
    return new.to(old.dtype)


def within_ball(w: Tensor) -> Tensor:
    """The nearest point of the unit ball, ``w / max(1, ‖w‖)``, for ``w [*batch, p]``; differentiable at 0 too."""
    return w / (w**2).sum(-1, keepdim=True).clamp(min=1).sqrt()


def _check_state(reward: Reward, state: Tensor) -> None:
    """Refuse a reward that cannot be rebuilt from a batch of states, or loses them or their gradient on the way."""
    tried, ones = torch.stack([state, state + 1]), torch.ones_like(state).expand(2, *state.shape)
    mend = "return self.rebuild({field: state})"
    try:
        again, pull, *_ = vjp(lambda w: torch.as_tensor(reward.with_state(w).state()), tried)
    except Exception as error:
        raise TypeError(
            f"with_state() of the reward {reward} fails on states of shape {tuple(tried.shape)}: {error}; {mend}"
        ) from error
    if not torch.equal(again, tried) or not torch.equal(pull(ones)[0], ones):
        raise TypeError(
            f"with_state() of the reward {reward} does not keep the state that it is given, or its gradient; {mend}"
        )
