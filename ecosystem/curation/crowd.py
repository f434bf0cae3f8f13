"""Populations of users: mixtures of tastes, noisy and adversarial fractions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from torch import Tensor

from ecosystem.core.check import brief, real_number, switch
from ecosystem.core.laws import Law, mix, pick
from ecosystem.core.samples import Samples, placed
from ecosystem.core.streams import Stream
from ecosystem.curation.base import Curator, Slate
from ecosystem.curation.tilts import Blind
from ecosystem.rewards import Reward, as_numbers, as_reward, negated


@dataclass(frozen=True, eq=False, repr=False)
class Crowd(Curator):
    """A population of users: each comparison is judged by one of them, drawn with ``weights``.

    ``curators[i]`` chooses by ``rewards[i]``, or by the member's own reward where that is ``None``; where
    ``opposite[i]``, by minus that.

    >>> from ecosystem.curation import Luce
    >>> Crowd.adversarial(Luce(2), 0.2)             # a fifth prefers what the others dislike
    Crowd(0.8 Luce(2, temperature=1), 0.2 opposite Luce(2, temperature=1))
    """

    curators: tuple[Curator, ...]
    rewards: tuple[Reward | None, ...]
    opposite: tuple[bool, ...]
    weights: Tensor

    def __init__(
        self,
        curators: Curator | tuple[Curator, ...] | list[Curator],
        rewards: Any = None,
        weights: Any = None,
        opposite: Any = None,
    ) -> None:
        for name, value in (("rewards", rewards), ("opposite", opposite)):
            if value is not None and not isinstance(value, list | tuple):
                raise TypeError(f"Crowd({name}) is a list, one for each kind of user, or None, got {brief(value)}")
        numbers = None if weights is None else as_numbers(weights, "Crowd(weights)").reshape(-1)
        given = [v for v in (rewards, numbers, curators, opposite) if isinstance(v, list | tuple | Tensor)]
        sizes = sorted({v.numel() if isinstance(v, Tensor) else len(v) for v in given})
        if len(sizes) > 1 or sizes == [0]:
            raise ValueError(
                f"a Crowd needs as many curators, rewards, weights and opposites, at least one, got {sizes}"
            )
        count = sizes[0] if sizes else 1
        many = tuple(curators) if isinstance(curators, list | tuple) else (curators,) * count
        if not all(isinstance(curator, Curator) for curator in many):
            raise TypeError(f"a Crowd is made of curators such as Luce(4), got {brief(many)}")
        tastes = tuple(None if r is None else as_reward(r) for r in (rewards or (None,) * count))
        flips = tuple(opposite or (False,) * count)
        for flip in flips:
            switch(flip, "Crowd(opposite)")
        numbers = as_numbers([1 / count] * count, "Crowd(weights)") if numbers is None else numbers
        if (numbers < 0).any() or abs(float(numbers.sum()) - 1) > 1e-9:
            raise ValueError(f"Crowd(weights) must be at least 0 and add up to 1, got {numbers.tolist()}")
        object.__setattr__(self, "curators", many)
        object.__setattr__(self, "rewards", tastes)
        object.__setattr__(self, "opposite", flips)
        object.__setattr__(self, "weights", numbers)

    @classmethod
    def noisy(cls, curator: Curator, fraction: float) -> Self:
        """A ``fraction`` of the users keeps anything."""
        return cls((curator, Blind()), weights=_split(fraction))

    @classmethod
    def adversarial(cls, curator: Curator, fraction: float, reward: Any = None) -> Self:
        """A ``fraction`` chooses by another reward, by default the opposite ``−r`` of the member's own."""
        return cls((curator, curator), (None, reward), _split(fraction), (False, reward is None))

    @property
    def needs_reward(self) -> bool:  # type: ignore[override]
        """Whether some user judges by the member's own reward."""
        return any(c.needs_reward and r is None for c, r in zip(self.curators, self.rewards, strict=True))

    @property
    def pools(self) -> bool | None:  # type: ignore[override]
        """What its users say, the most careful one first."""
        said = {curator.pools for curator in self.curators}
        return None if None in said else True in said

    @property
    def looks(self) -> int:  # type: ignore[override]
        return max(curator.looks for curator in self.curators)

    @property
    def needs_law(self) -> bool:  # type: ignore[override]
        return any(curator.needs_law for curator in self.curators)

    def tastes(self) -> tuple[Reward, ...]:
        within = (taste for curator in self.curators for taste in curator.tastes())
        return *(taste for taste in self.rewards if taste is not None), *within

    def check(self, event: tuple[int, ...]) -> None:
        for curator, reward in zip(self.curators, self.rewards, strict=True):
            curator.check(event)
            judges = None if reward is None else reward.event_shape()
            if judges is not None and judges != event:
                raise ValueError(
                    f"the reward {reward} in its crowd judges samples of shape {judges}, but these have {event}"
                )

    def law(self, law: Law, reward: Reward | None, memo: dict[Any, Any] | None = None) -> Law:
        memo = {} if memo is None else memo
        users = enumerate(self._users(reward))
        return mix([c.law(law, r, memo.setdefault(i, {})) for i, (c, r) in users], self.weights)

    def curate(self, slate: Slate, reward: Reward | None, rng: Stream) -> Samples:
        uniform = rng.at("user").uniform(1).squeeze(-1)
        user = pick(self.weights, uniform)
        kept = slate.candidate(0).clone()
        for i, (curator, taste) in enumerate(self._users(reward)):
            mine = (user == i).nonzero().squeeze(-1)
            if len(mine):
                taste = None if taste is None else taste.take(mine)
                own = rng[mine].at("users").at(i)  # a crowd within a crowd draws its own users
                kept = placed(kept, mine, curator.take(mine).curate(slate.take(mine), taste, own))
        return kept

    def _users(self, reward: Reward | None) -> list[tuple[Curator, Reward | None]]:
        tastes = [reward if taste is None else taste for taste in self.rewards]
        flipped = [
            negated(taste) if flip and taste is not None else taste
            for taste, flip in zip(tastes, self.opposite, strict=True)
        ]
        return list(zip(self.curators, flipped, strict=True))

    def __repr__(self) -> str:
        weights = self.weights.reshape(-1, len(self.curators)).mean(0).tolist()
        parts = []
        for weight, curator, taste, flip in zip(weights, self.curators, self.rewards, self.opposite, strict=True):
            parts.append(
                f"{weight:.4g} {'opposite ' if flip else ''}{curator}{f' by {taste}' if taste is not None else ''}"
            )
        return f"Crowd({', '.join(parts)})"


def _split(fraction: Any) -> list[float]:
    """The weights of the others and of a fraction of a crowd."""
    share = real_number(fraction)
    if not 0 <= share <= 1:
        raise ValueError(f"a fraction of a Crowd lies between 0 and 1, got {brief(fraction)}")
    return [1 - share, share]
