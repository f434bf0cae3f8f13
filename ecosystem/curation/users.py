"""Users: whose taste judges and chooses, how they choose, and how their taste moves."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from torch import Tensor

from ecosystem.core.check import brief
from ecosystem.core.laws import Finite, Law
from ecosystem.core.samples import Samples
from ecosystem.core.stacking import Stackable
from ecosystem.core.streams import Stream
from ecosystem.curation.base import Curator, Slate
from ecosystem.curation.learning import Learner, moved
from ecosystem.curation.seen import Seen
from ecosystem.curation.tilts import Blind
from ecosystem.rewards import as_reward


@dataclass(frozen=True, eq=False)
class Users(Stackable):
    """Whose taste decides, how they choose, and how they learn: ``Flow(..., chosen_by=Users(reward, curator))``.

    Without a curator they judge only: what they are shown is kept as it is. ``learn`` moves their own reward after each
    round by what they saw (not the tastes that a ``Crowd`` brings along); without it they never change.

    Raises
    ------
    TypeError
        If the curator is no :class:`Curator`, the learner no :class:`Learner`, or it cannot move this reward.
    ValueError
        If the curator or the learner needs a reward and there is none, or a taste lies where its learner cannot start.

    >>> from ecosystem.curation import Drift, Luce
    >>> from ecosystem.rewards import Tabular
    >>> Users(Tabular([1.0, 0.0]), Luce(2), learn=Drift(0.1))
    Users(reward=Tabular([1, 0]), curator=Luce(2, temperature=1), learn=Drift(0.1))
    """

    reward: Any
    curator: Curator = Blind()  # noqa: RUF009 - frozen
    learn: Any = None

    def __post_init__(self) -> None:
        if not isinstance(self.curator, Curator):
            raise TypeError(f"Users(reward, curator) need a curator such as Luce(4), got {brief(self.curator)}")
        if self.reward is not None:
            object.__setattr__(self, "reward", as_reward(self.reward))
        if self.curator.needs_reward and self.reward is None:
            raise ValueError(f"users who curate by {self.curator} need a reward: Users(reward, curator)")
        if self.learn is None:
            return
        if not isinstance(self.learn, Learner):
            raise TypeError(f"Users(learn) is a learner such as Drift(0.1) or Habit(function), got {brief(self.learn)}")
        if self.reward is None:
            raise ValueError(f"users who learn by {self.learn} need a reward that moves: Users(reward, curator, learn)")
        self.learn.check(self.reward)
        if self.learn.still:
            object.__setattr__(self, "learn", None)

    @cached_property
    def _memo(self) -> dict[Any, Any]:
        return {}

    def law(self, law: Law) -> Law:
        """The law of what they keep; what depends on their reward alone is worked out once."""
        return self.curator.law(law, self.reward, self._memo)

    def curate(self, slate: Slate, rng: Stream) -> Samples:
        """What they keep, ``[m, *event]``."""
        return self.curator.curate(slate, self.reward, rng)

    def look(self, seen: Seen) -> Self:
        """The same users after they have looked at what is new; themselves where they do not learn.

        Their batch ``[*batch]`` and that of ``seen`` have equally many dimensions, and lengths of 1 serve all; the
        users that come out have all numbers at full length. ValueError where the batches or the new state do not fit.
        """
        if self.learn is None:
            return self
        batch = self._batch_with(seen)
        new = self.map(lambda tensor: tensor.expand((*batch, *tensor.shape[len(batch) :])))
        return new.with_state(moved(new.learn, new.reward, seen, batch))

    def with_state(self, state: Tensor) -> Self:
        """The same users with another state ``[*batch, p]`` of their taste; ValueError where it does not fit."""
        reward = self.reward.with_state(state)
        if _form(reward) != _form(self.reward):
            raise ValueError(
                f"{self.learn} moved {self.reward} to a state of shape {tuple(state.shape)}; a taste stays of its "
                f"kind, with a state of shape {tuple(self.reward.state().shape)}"
            )
        new = copy.copy(self)
        new.__dict__.pop("_memo", None)
        object.__setattr__(new, "reward", reward)
        return new

    def _batch_with(self, seen: Seen) -> tuple[int, ...]:
        mine, theirs = tuple(self.reward.state().shape[:-1]), seen.batch_shape
        pairs = list(zip(mine, theirs, strict=False))
        if len(mine) != len(theirs) or any(a != b and 1 not in (a, b) for a, b in pairs):
            raise ValueError(f"users of batch {mine} cannot look at what a batch {theirs} makes; give both one batch")
        return tuple(b if a == 1 else a for a, b in pairs)


def received(law: Law, users: Users | None, transform: Any, after: bool, symbols: int | None) -> Law:
    """The law of what a consumer gets of a producer's ``law``: curated by ``users`` and transformed, in either order.

    Consumers who know so many ``symbols`` choose, ``after`` the transform, among these, whatever alphabet the producer
    has.
    """
    if users is not None and not after:
        law = users.law(law)
    if transform is not None:
        law = transform.law(law)
        law = law.within(symbols) if symbols is not None and isinstance(law, Finite) else law
    return users.law(law) if users is not None and after else law


def _form(item: Stackable) -> Any:
    return type(item), {name: (tensor.shape, tensor.dtype) for name, tensor in item.tensors().items()}
