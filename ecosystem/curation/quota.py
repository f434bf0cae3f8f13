"""Quotas: so much of what is kept belongs to each group, whatever users like best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ecosystem.core.check import brief, returned, users_code
from ecosystem.core.laws import Finite, Law, mix, pick, unknown
from ecosystem.core.samples import Samples, outputs, placed
from ecosystem.core.streams import Stream
from ecosystem.curation.around import Through, of_inner
from ecosystem.curation.base import Curator, Slate, hopeless
from ecosystem.curation.tilts import Blind
from ecosystem.rewards import Reward, as_numbers

_MOST = 10_000  # candidates for one sample


@dataclass(frozen=True, eq=False, repr=False)
class Quota(Curator):
    """A part ``shares[g]`` of what is kept belongs to group ``g``, where ``curator`` chooses among what belongs to it.

    ``by`` is the group of each symbol, ``[n]`` whole numbers from 0 on, or a function ``[m, *event] -> [m]`` of
    samples. Every place is given to a group by chance, with the shares, and sees candidates of that group alone. On
    symbols, with the curator's law ``H`` and the part ``p_g`` of group ``g``:

        ``p⁺ = Σ_g shares[g] · H(p_g)``, ``p_g = p 1[by = g] / p(by = g)``

    so every group has its share exactly. Where a model makes nothing of a group that has a share there is nothing to
    fill its places with: NaN on the population, none of 10,000 candidates in samples; the run records it as the end of
    that replicate. Normal laws are cut by no group: samples only.

    Raises
    ------
    TypeError
        If ``curator`` is none, or ``by`` neither numbers nor a function.
    ValueError
        If shares are negative or do not add up to 1, or groups of symbols are no whole numbers from 0 on, less than
        there are shares; or if no symbol belongs to a group that has a share.

    >>> from ecosystem.curation import BestOf
    >>> from ecosystem.rewards import Tabular
    >>> fair = Quota([0, 0, 1], [0.8, 0.2], BestOf(2))              # the third symbol gets a fifth, liked or not
    >>> fair.law(Finite(torch.tensor([0.5, 0.4, 0.1]).double()), Tabular([1.0, 0.0, -1.0])).probabilities
    tensor([0.6420, 0.1580, 0.2000], dtype=torch.float64)
    """

    by: Tensor | Callable[[Tensor], Tensor]
    shares: Tensor
    curator: Curator
    needs_reward, pools, needs_law, of_pairs = map(of_inner, ("needs_reward", "pools", "needs_law", "of_pairs"))

    def __init__(self, by: Any, shares: Any, curator: Curator = Blind()) -> None:  # noqa: B008 - frozen
        if not isinstance(curator, Curator):
            raise TypeError(f"Quota(curator) is a curator such as Luce(4), who fills the places, got {brief(curator)}")
        parts = as_numbers(shares, "Quota(shares)")
        if parts.ndim != 1 or not (parts >= 0).all() or abs(float(parts.sum()) - 1) > 1e-9:
            raise ValueError(f"Quota(shares) are one for each group, at least 0, and add up to 1, got {brief(shares)}")
        object.__setattr__(self, "by", by if callable(by) else _groups(by, parts))
        object.__setattr__(self, "shares", parts)
        object.__setattr__(self, "curator", curator)

    @property
    def looks(self) -> int:  # type: ignore[override]
        return self.curator.looks * self.shares.shape[-1]

    def tastes(self) -> tuple[Reward, ...]:
        return self.curator.tastes()

    def check(self, event: tuple[int, ...]) -> None:
        if event and isinstance(self.by, Tensor):
            raise TypeError("Quota(by) has the group of each symbol, this flow carries vectors; give it a function")
        self.curator.check(event)

    def law(self, law: Law, reward: Reward | None = None, memo: dict[Any, Any] | None = None) -> Law:
        if not isinstance(law, Finite):
            raise unknown(self, reward, law)
        memo, group = {} if memo is None else memo, self.group(law.symbols, law)
        kept = []
        for g in range(self.shares.shape[-1]):
            part = _part(law.probabilities, group == g, self.shares[..., g : g + 1])
            kept.append(self.curator.law(Finite(part), reward, memo.setdefault(("group", g), {})))
        return mix(kept, self.shares)

    def curate(self, slate: Slate, reward: Reward | None, rng: Stream) -> Samples:
        place = pick(self.shares, rng.at("quota").uniform(1).squeeze(-1))
        return self.curator.curate(_Group(slate, self, place), reward, rng.at("within"))

    def group(self, x: Tensor, law: Finite | None = None) -> Tensor:
        """The group of each of some samples, ``[m]``; of all symbols of a ``law``, broadcastable to ``[*batch, n]``."""
        count = self.shares.shape[-1]
        if isinstance(self.by, Tensor):
            size = self.by.shape[-1]
            if (law is not None and len(x) != size) or (law is None and x.numel() and int(x.max()) >= size):
                many = len(x) if law is not None else int(x.max()) + 1
                raise ValueError(
                    f"Quota(by) has the groups of {size} symbols, and is shown {many}; give it all of them"
                )
            return self.by if law is not None else self.by.expand(len(x), size).gather(-1, x.unsqueeze(-1)).squeeze(-1)
        with users_code(lambda: f"the function of {self}"):
            found: Any = self.by(x)
        if not isinstance(found, Tensor) or found.shape != x.shape[:1] or found.is_complex():
            raise ValueError(
                f"{self}: by(samples) returns the group of each of {len(x)} samples, got {returned(found)}"
            )
        found = found.long() if found.dtype == torch.bool else found  # two groups, by a question
        if found.numel() and not bool(((found >= 0) & (found < count) & (found == found.floor())).all()):
            raise ValueError(f"{self}: by(samples) returns groups from 0 to {count - 1}, got {brief(found.unique())}")
        return found.long()

    def __repr__(self) -> str:
        shares = self.shares.reshape(-1, self.shares.shape[-1]).mean(0).tolist()
        return f"Quota({', '.join(f'{share:.4g}' for share in shares)}; {self.curator})"


def _groups(by: Any, shares: Tensor) -> Tensor:
    numbers, count = as_numbers(by, "Quota(by)"), len(shares)
    if numbers.ndim != 1 or not bool(((numbers >= 0) & (numbers < count) & (numbers == numbers.floor())).all()):
        raise ValueError(f"Quota(by) is the group of each symbol, whole numbers from 0 to {count - 1}, got {brief(by)}")
    empty = [g for g in range(count) if shares[g] > 0 and not bool((numbers == g).any())]
    if empty:
        raise ValueError(
            f"Quota(by): no symbol belongs to group {empty[0]}, which has the share {shares[empty[0]]:.4g}"
        )
    return numbers.long()


def _part(p: Tensor, mine: Tensor, share: Tensor) -> Tensor:
    """The law within a group; all of it where the group is empty and asks for nothing, else NaN."""
    inside = torch.where(mine, p, 0.0)
    mass = inside.sum(-1, keepdim=True)
    part = inside / torch.where(mass > 0, mass, 1.0)
    return torch.where(mass > 0, part, torch.where(share > 0, torch.nan, p))


class _Group(Through):
    """For each place the candidates of its own group, in the order in which they come."""

    def __init__(self, slate: Slate, quota: Quota, place: Tensor) -> None:
        super().__init__(slate)
        self.quota, self.place = quota, place
        self.seen = torch.zeros_like(place)  # how many candidates of each place were looked at: its own alone count
        self.found: list[Any] = []

    def candidate(self, k: int) -> Samples:
        while len(self.found) <= k:
            self.found.append(self._next())
        return self.found[k]

    def _next(self) -> Samples:
        left = torch.arange(len(self.place), device=self.place.device)
        kept = self.slate.candidate(0).clone()  # others look at what was shown
        while len(left):
            number = int(self.seen[left].min())
            rows = left[self.seen[left] == number]
            if number >= _MOST:
                empty = f"group {int(self.place[rows[0]])} of {self.quota}, which has a share"
                why = f"none of {_MOST:,} candidates belongs to {empty}"
                hopeless(self.slate, left, why, "give it none, or let models begin where they make something of it")
                return kept
            whole = len(rows) == len(self.place)
            x = (self.slate if whole else self.slate.take(rows)).candidate(number)
            kept = placed(kept, rows, x)
            self.seen[rows] += 1
            quota = self.quota if whole else self.quota.take(rows)
            fits = quota.group(outputs(x)) == self.place[rows]
            left = torch.cat([left[~torch.isin(left, rows)], rows[~fits]]).sort().values
        return kept

    def law(self) -> Law:
        law = self.slate.law()
        if not isinstance(law, Finite):
            raise unknown(self.quota, None, law)
        mine = self.quota.group(law.symbols, law) == self.place.unsqueeze(-1)
        return Finite(_part(law.probabilities, mine, torch.ones_like(law.probabilities[..., :1])))

    def pool(self) -> Tensor:
        return self.slate.pool() * self.quota.shares.shape[-1] + self.place

    def take(self, index: Tensor) -> _Group:
        index = index.nonzero().squeeze(-1) if index.dtype == torch.bool else index
        return _Group(self.slate.take(index), self.quota.take(index), self.place[index])
