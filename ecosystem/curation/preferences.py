"""Preferences: what users were shown and did not keep goes along with what they kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ecosystem.core.check import brief
from ecosystem.core.laws import Law
from ecosystem.core.samples import Pairs, Samples
from ecosystem.core.streams import Stream
from ecosystem.curation.around import Through, of_inner
from ecosystem.curation.base import Curator, Slate
from ecosystem.rewards import Reward


@dataclass(frozen=True, eq=False, repr=False)
class Preferences(Curator):
    """Users choose as ``curator`` does, and what they rejected travels beside what they kept, as ``pairs.rejected``.

    For each pair it is one of the other candidates of its slate, the first one shown that is not the same: candidates
    come in no order, so it is any of them (of two, the other). Where all were the same it is what was kept. The choice
    and its law are those of ``curator`` to the last bit; who trains on the kept outputs alone sees no difference.

    Raises
    ------
    TypeError
        If ``curator`` is none.
    ValueError
        If it does not choose among the candidates of each sample alone (``TopFraction``, ``Shift``, one candidate).

    >>> from ecosystem.curation import Luce
    >>> Preferences(Luce(2))
    Preferences(Luce(2, temperature=1))
    """

    curator: Curator
    needs_reward, pools, needs_law, looks = map(of_inner, ("needs_reward", "pools", "needs_law", "looks"))
    of_pairs = True

    def __post_init__(self) -> None:
        if not isinstance(self.curator, Curator):
            raise TypeError(f"Preferences(curator) is a curator such as Luce(2), got {brief(self.curator)}")
        if self.curator.pools is not False or not self.curator.chooses or self.curator.looks < 2:
            raise ValueError(
                f"Preferences(curator) wants users who choose among several candidates for each sample, such as "
                f"Luce(2), got {self.curator}; one of your own says so by pools = False and looks = (how many)"
            )

    def tastes(self) -> tuple[Reward, ...]:
        return self.curator.tastes()

    def check(self, event: tuple[int, ...]) -> None:
        self.curator.check(event)

    def law(self, law: Law, reward: Reward | None = None, memo: dict[Any, Any] | None = None) -> Law:
        return self.curator.law(law, reward, memo)

    def curate(self, slate: Slate, reward: Reward | None, rng: Stream) -> Samples:
        shown = _Shown(slate, [], None)
        kept = self.curator.curate(shown, reward, rng)
        if not isinstance(kept, Pairs):
            raise TypeError(f"{self} keeps pairs of input and output, and these samples have no inputs")
        rejected, where = kept.outputs.clone(), kept.outputs.device
        found = torch.zeros(len(kept), dtype=torch.bool, device=where)
        for rows, x in shown.seen:
            rows = torch.arange(len(kept), device=where) if rows is None else rows
            differ = x.outputs != kept.outputs[rows]
            other = (differ.flatten(1).any(1) if differ.ndim > 1 else differ) & ~found[rows]
            rejected[rows[other]] = x.outputs[other]
            found[rows[other]] = True
        return Pairs(kept.inputs, kept.outputs, 1, kept.codec, rejected)

    def __repr__(self) -> str:
        return f"Preferences({self.curator})"


class _Shown(Through):
    """A slate that remembers which candidates were looked at: ``seen``, with the rows they were shown for."""

    def __init__(self, slate: Slate, seen: list[tuple[Tensor | None, Any]], rows: Tensor | None) -> None:
        super().__init__(slate)
        self.seen, self.rows = seen, rows

    def candidate(self, k: int) -> Any:
        x = self.slate.candidate(k)
        self.seen.append((self.rows, x))
        return x

    def take(self, index: Tensor) -> _Shown:
        index = index.nonzero().squeeze(-1) if index.dtype == torch.bool else index
        return _Shown(self.slate.take(index), self.seen, index if self.rows is None else self.rows[index])
