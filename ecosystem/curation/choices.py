"""Curators who compare: Luce's choice, the best of K, a quota."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

import torch
from torch import Tensor

from ecosystem.core.arguments import spelled
from ecosystem.core.check import brief, whole_number
from ecosystem.core.laws import Law
from ecosystem.core.memory import budget
from ecosystem.core.mixtures import Mixture
from ecosystem.core.samples import Samples, concatenated, preferred
from ecosystem.core.streams import Stream
from ecosystem.curation.base import Curator, Slate, judged, positive
from ecosystem.curation.luce import LuceKernel, normal_luce
from ecosystem.curation.mixed import best_mixture, direction_on, luce_mixture, top_mixture
from ecosystem.rewards import Reward

_MOST = 1_000_000  # candidates of one sample
_WIDE = 1 << 18  # comparisons of which nobody asks what they cost
_BYTES = 4 * 8  # of one comparison, with what is beside it at the time


def candidates(k: Any, what: str) -> int:
    """How many candidates users see for each sample: a whole number that can be drawn."""
    if isinstance(k, int) and k > _MOST:
        raise ValueError(
            f"{what} draws so many candidates for each sample that is kept, got {brief(k)}; give at most {_MOST}, or "
            "Tilt(temperature), the limit of Luce's choice among infinitely many"
        )
    return whole_number(k, what, 1)


@spelled
@dataclass(frozen=True, eq=False, repr=False)
class Luce(Curator):
    """Users see ``k`` candidates and keep one with probability proportional to ``exp(r/temperature)``.

    ``k = 2`` is Bradley–Terry. Exact laws: every reward on a finite alphabet, linear rewards on normal laws (there the
    mean moves by ``c_K Σg/τ`` with ``c_K = 1 − E Σ w_i²``).
    """

    k: int
    temperature: Tensor
    pools = False

    def __init__(self, k: int, temperature: Any = 1.0) -> None:
        object.__setattr__(self, "k", candidates(k, "Luce(k)"))
        object.__setattr__(self, "temperature", positive(temperature, "Luce(temperature)"))

    @property
    def looks(self) -> int:  # type: ignore[override]
        return self.k

    def on_finite(self, p: Tensor, rewards: Tensor | None, memo: dict[Any, Any]) -> Tensor:
        assert rewards is not None
        if "kernel" not in memo:
            values = rewards / self.temperature.unsqueeze(-1)
            batch = torch.broadcast_shapes(values.shape[:-1], self.temperature.shape)
            memo["kernel"] = LuceKernel.of(values.expand(*batch, values.shape[-1]), self.k)
        return memo["kernel"].survivors(p)

    def on_normal(self, scale: Tensor) -> tuple[Tensor, Tensor]:
        return normal_luce(scale / self.temperature, self.k)

    def on_mixture(self, law: Mixture, reward: Reward | None) -> Law:
        return luce_mixture(law, direction_on(law, reward, self) / self.temperature.unsqueeze(-1), self.k)

    def free(self) -> dict[str, Tensor]:
        return {"temperature": self.temperature}

    def freed(self, name: str, value: Tensor) -> Self:
        return self.rebuild({"temperature": value})

    def curate(self, slate: Slate, reward: Reward | None, rng: Stream) -> Samples:
        """Gumbel-max: the largest of ``r/τ + Gumbel`` is a Luce choice."""
        assert reward is not None

        def score(k: int, x: Samples) -> Tensor:
            return judged(reward, x, slate) / self.temperature + rng.at("choice").at(k).gumbel(1).squeeze(-1)

        return _best(slate, self.k, score)

    def __repr__(self) -> str:
        return f"Luce({self.k}, temperature={float(self.temperature.mean()):.4g})"


@spelled
@dataclass(frozen=True, eq=False, repr=False)
class BestOf(Curator):
    """Users keep the best of ``k`` candidates; ties are split evenly."""

    k: int
    pools = False

    def __post_init__(self) -> None:
        candidates(self.k, "BestOf(k)")

    @property
    def looks(self) -> int:  # type: ignore[override]
        return self.k

    def on_finite(self, p: Tensor, rewards: Tensor | None, memo: dict[Any, Any]) -> Tensor:
        assert rewards is not None
        up_to = _mass(p, rewards, torch.ge)
        below = _mass(p, rewards, torch.gt)
        # (a^K − b^K)/(a − b) as a sum: smooth where a symbol's class of ties has no mass
        return p * sum(up_to**i * below ** (self.k - 1 - i) for i in range(self.k))

    def on_normal(self, scale: Tensor) -> tuple[Tensor, Tensor]:
        mean, variance = _largest_of(self.k)
        return scale.new_tensor(mean), scale.new_tensor(variance)

    def on_mixture(self, law: Mixture, reward: Reward | None) -> Law:
        return best_mixture(law, direction_on(law, reward, self), self.k)

    def curate(self, slate: Slate, reward: Reward | None, rng: Stream) -> Samples:
        assert reward is not None
        return _best(slate, self.k, lambda k, x: judged(reward, x, slate), rng.at("choice"))

    def __repr__(self) -> str:
        return f"BestOf({self.k})"


@dataclass(frozen=True, eq=False, repr=False)
class TopFraction(Curator):
    """Only the best ``fraction`` of everything shown is kept (a quota, not a slate for each sample).

    With finite samples, the ``c`` samples kept of one flow are the best of ``⌈c/fraction⌉`` candidates.
    """

    fraction: Tensor
    pools = True

    def __init__(self, fraction: Any) -> None:
        tensor = positive(fraction, "TopFraction(fraction)")
        if tensor > 1:
            raise ValueError(f"TopFraction(fraction) must be at most 1, got {brief(fraction)}")
        if tensor < 1 / _MOST:
            raise ValueError(
                f"TopFraction(fraction) must be at least 1/{_MOST} (more candidates for each sample are too many to "
                f"draw), got {brief(fraction)}"
            )
        object.__setattr__(self, "fraction", tensor)

    def on_finite(self, p: Tensor, rewards: Tensor | None, memo: dict[Any, Any]) -> Tensor:
        assert rewards is not None
        quota = self.fraction.unsqueeze(-1)
        above = _mass(p, rewards, torch.lt)
        tied = _mass(p, rewards, torch.eq)
        kept = ((quota - above) / torch.where(tied > 0, tied, 1.0)).clamp(0, 1)
        return p * kept / quota

    def on_normal(self, scale: Tensor) -> tuple[Tensor, Tensor]:
        cut = torch.special.ndtri(1 - self.fraction)
        mean = torch.exp(-0.5 * cut**2) / math.sqrt(2 * math.pi) / self.fraction
        cut = torch.where(torch.isfinite(cut), cut, 0.0)
        return mean, 1 + cut * mean - mean**2

    def on_mixture(self, law: Mixture, reward: Reward | None) -> Law:
        """What lies above the reward that ``fraction`` of the whole mixture reaches."""
        return top_mixture(law, direction_on(law, reward, self), self.fraction)

    def curate(self, slate: Slate, reward: Reward | None, rng: Stream) -> Samples:
        assert reward is not None
        pool = slate.pool()
        shown = math.ceil(float(1 / self.fraction.min())) if len(pool) else 1
        candidates = [slate.candidate(k) for k in range(shown)]
        rewards = torch.stack([judged(reward, x, slate) for x in candidates])
        return concatenated(candidates)[_quota(rewards, pool, self.fraction)]

    def __repr__(self) -> str:
        return f"TopFraction({float(self.fraction.mean()):.4g})"


def _best(slate: Slate, k: int, score: Callable[[int, Samples], Tensor], ties: Stream | None = None) -> Samples:
    """The candidate of the highest score; equal scores are settled by the stream ``ties``."""
    kept = slate.candidate(0)
    best = score(0, kept)
    luck = ties.at(0).uniform(1).squeeze(-1) if ties is not None else torch.zeros_like(best)
    for i in range(1, k):
        x = slate.candidate(i)
        value = score(i, x)
        chance = ties.at(i).uniform(1).squeeze(-1) if ties is not None else luck
        wins = (value > best) | ((value == best) & (chance > luck))
        best, luck = torch.where(wins, value, best), torch.where(wins, chance, luck)
        kept = preferred(wins, x, kept)
    return kept


def _quota(rewards: Tensor, pool: Tensor, fraction: Tensor) -> Tensor:
    """For each of ``m`` places the flat index of a survivor: the best ``c`` of each pool's ``⌈c/fraction⌉`` candidates.

    ``rewards [shown, m]``, ``pool [m]``, ``fraction [m]``; ``c`` is how many places a pool has.
    """
    shown = rewards.shape[0]
    _, pool = torch.unique(pool, return_inverse=True)
    size = torch.bincount(pool)
    place = _rank_within(pool)  # candidates come in the order (k, place)
    number = torch.arange(shown, device=pool.device).unsqueeze(-1) * size[pool] + place
    eligible = number < torch.ceil(size[pool] / fraction - 1e-9)
    score = torch.where(eligible, rewards, -torch.inf).flatten()
    every = pool.repeat(shown)
    order = torch.argsort(score, descending=True, stable=True)
    order = order[torch.argsort(every[order], stable=True)]  # by pool, best first
    first = (size.cumsum(0) - size) * shown
    return order[first[pool] + place]


def _rank_within(group: Tensor) -> Tensor:
    """The position of each element among those of its group, in order."""
    order = torch.argsort(group, stable=True)
    count = torch.bincount(group)
    rank = torch.empty_like(group)
    rank[order] = torch.arange(len(group), device=group.device) - (count.cumsum(0) - count)[group[order]]
    return rank


def _mass(p: Tensor, rewards: Tensor, compare: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """``Σ_j p_j`` over the symbols ``j`` for which ``compare(r_i, r_j)``, ``[*batch, n]``.

    A wide batch for few ``i`` at a time, so that the ``n × n`` comparisons keep to the budget of memory.
    """
    n = rewards.shape[-1]
    batch = math.prod(torch.broadcast_shapes(p.shape[:-1], rewards.shape[:-1]))
    most = n if batch * n * n <= _WIDE else max(1, budget() // (_BYTES * batch * n))
    parts = rewards.split(most, -1) if most < n else (rewards,)
    found = [(p.unsqueeze(-2) * compare(part.unsqueeze(-1), rewards.unsqueeze(-2))).sum(-1) for part in parts]
    return found[0] if len(found) == 1 else torch.cat(found, -1)


@cache
def _largest_of(k: int) -> tuple[float, float]:
    """Mean and variance of the largest of ``k`` standard normals (``m_2 = .56419``, ``m_4 = 1.02938``)."""
    u = torch.linspace(-12, 12, 2401, dtype=torch.float64)
    density = k * torch.exp(-0.5 * u**2) * torch.special.ndtr(u) ** (k - 1)
    density = density / density.sum()
    mean = float((density * u).sum())
    return mean, float((density * u**2).sum()) - mean**2
