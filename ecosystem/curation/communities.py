"""Communities: who the users are, as data: which user belongs to which group, and what part each group has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ecosystem.core.arguments import meant_among
from ecosystem.core.check import brief, real_number, several, users_code
from ecosystem.curation.base import Curator
from ecosystem.curation.crowd import Crowd
from ecosystem.rewards import Reward, WeightedSum, as_reward


@dataclass(frozen=True, eq=False, repr=False)
class Community(Crowd):
    """A crowd whose users belong to groups: ``tastes[i]`` is the taste of user ``i``, who belongs to ``groups[i]``.

    Without ``shares`` all users choose as often. With them ``shares[g]`` is the part of all choices that group ``g``
    makes, each member as often as the next. A group with the share 0 does not choose; ``taste`` has what it thinks.

    Raises
    ------
    TypeError
        If ``shares`` is no mapping, or what crowds refuse.
    ValueError
        If tastes and groups are not one to one, a share is given to a group without members or missing for one that
        has some, or shares are negative or do not add up to 1.

    >>> from ecosystem.curation import Luce
    >>> from ecosystem.rewards import Tabular
    >>> tastes = [Tabular([1.0, 0.0]), Tabular([0.8, 0.2]), Tabular([0.0, 1.0])]
    >>> town = Community(Luce(2), tastes, ["most", "most", "few"], shares={"most": 1.0, "few": 0.0})
    >>> town.table()
       user group  weight
    0     0  most     0.5
    1     1  most     0.5
    2     2   few     0.0
    >>> town.taste("most")
    WeightedSum(0.5 Tabular([1, 0]), 0.5 Tabular([0.8, 0.2]))
    """

    groups: tuple[str, ...]

    def __init__(
        self,
        curator: Curator,
        tastes: Sequence[Any],
        groups: Sequence[Any],
        shares: Mapping[Any, float] | None = None,
    ) -> None:
        with users_code("the str() of a group of a Community", passing=(TypeError,)):
            who = tuple(str(group) for group in several(groups, "Community(groups) are one for each taste"))
        many = [as_reward(taste) for taste in several(tastes, "Community(tastes) are rewards, one for each user")]
        if len(who) != len(many) or not many:
            raise ValueError(f"a Community needs a group for each taste, at least one, got {len(many)} and {len(who)}")
        weights = None if shares is None else _weights(who, shares)
        super().__init__((curator,) * len(many), many, weights)
        object.__setattr__(self, "groups", who)

    def taste(self, group: str) -> Reward:
        """What the members of a group think on average; KeyError where there is no such group."""
        mine = [taste for taste, who in zip(self.rewards, self.groups, strict=True) if who == group]
        if not mine:
            near = meant_among(group, self.groups, f"there are {', '.join(dict.fromkeys(self.groups))}")
            raise KeyError(f"there is no group {group!r} in this Community{near}")
        return WeightedSum(mine, [1 / len(mine)] * len(mine))

    def table(self) -> pd.DataFrame:
        """One row a user: ``user`` (its number), ``group``, ``weight`` (the part of all choices that it makes)."""
        weights = self.weights.reshape(-1, len(self.groups)).mean(0).tolist()
        return pd.DataFrame({"user": range(len(self.groups)), "group": list(self.groups), "weight": weights})


def _weights(who: tuple[str, ...], shares: Mapping[Any, float]) -> list[float]:
    """The weight of each user: its group's share among the members."""
    if not isinstance(shares, Mapping):
        raise TypeError(f"Community(shares) is a mapping, the share of each group, got {brief(shares)}")
    given = {str(group): real_number(share) for group, share in shares.items()}
    apart = sorted(set(given) ^ set(who))
    if apart:
        which = "has no members" if apart[0] in given else "has members and no share"
        raise ValueError(f"Community(shares): group {apart[0]!r} {which}; give a share to each group that has members")
    if not all(0 <= share <= 1 for share in given.values()) or abs(sum(given.values()) - 1) > 1e-9:
        raise ValueError(f"Community(shares) must be at least 0 and add up to 1, got {brief(shares)}")
    return [given[group] / who.count(group) for group in who]
