"""Users whose taste is a reward model that is learned anew each round, from comparisons of what a member then makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ecosystem.core.check import brief, one_number
from ecosystem.core.laws import Finite, NoPopulationLaw
from ecosystem.core.samples import outputs
from ecosystem.curation.base import positive
from ecosystem.curation.bradley_terry import Labels, check_form
from ecosystem.curation.flips import Flips, turned
from ecosystem.curation.learning import Learner
from ecosystem.curation.seen import Seen
from ecosystem.rewards import Reward, as_reward


@dataclass(frozen=True, eq=False, repr=False)
class Relearned(Learner):
    """A reward model learned anew after each round: pairs of the new output, labelled by the ``taste`` of people.

    ``w⁺ = argmin E[p·log(1 + e^{−z}) + (1 − p)·log(1 + e^z)] + ridge/2·‖w‖²`` with ``z = r_w(x) − r_w(y)``: Bradley
    and Terry's model on pairs ``x, y`` of the member's new output, of which people prefer the first with
    probability ``σ((r(x) − r(y))/temperature)``. A fraction ``flipped`` of labels is turned round (Wei, Zhang 2025,
    2505.09768: an attacker who labels with them), and ``flips`` are those that an attacker with a budget turns round on
    top (:func:`~ecosystem.decisions.attack_relearned` finds them). Labels are not drawn: their expectation is learned
    from.

    For ``Users(form, curator, learn=Relearned(taste))`` of a flow's own; ``form`` is any reward with a state. On a
    finite alphabet all pairs of symbols count as often as they come (its population law; influence goes through it by
    the implicit function). Of samples that are no symbols the first half is compared with the second; the population of
    such has no law here.

    Raises
    ------
    ValueError
        If ``flipped`` does not lie between 0 and 1, ridge or temperature are not positive, or ``flips`` are none
        (TypeError) or of another number of symbols than the taste.

    >>> from ecosystem.curation import OfLaw
    >>> from ecosystem.rewards import Tabular
    >>> half = OfLaw(Finite(torch.tensor([0.5, 0.5]).double()))
    >>> weights = Relearned(Tabular([0.0, 2.0]), ridge=1e-9).learn(Tabular([0.0, 0.0]), half)
    >>> round(float(weights[1] - weights[0]), 6)
    2.0
    """

    taste: Reward
    ridge: Tensor
    flipped: Tensor
    temperature: Tensor
    flips: Flips | None

    def __init__(
        self, taste: Any, *, ridge: Any = 0.01, flipped: Any = 0.0, temperature: Any = 1.0, flips: Any = None
    ) -> None:
        turned = one_number(flipped, "Relearned(flipped)")
        if not 0 <= float(turned) <= 1:
            raise ValueError(f"Relearned(flipped) is a fraction of labels between 0 and 1, got {float(turned):.6g}")
        object.__setattr__(self, "taste", as_reward(taste))
        object.__setattr__(self, "ridge", positive(ridge, "Relearned(ridge)"))
        object.__setattr__(self, "flipped", turned)
        object.__setattr__(self, "temperature", positive(temperature, "Relearned(temperature)"))
        if flips is not None and not isinstance(flips, Flips):
            raise TypeError(f"Relearned(flips) are Flips(table, symbols, labels), got {brief(flips)}")
        object.__setattr__(self, "flips", flips)

    @property
    def timed(self) -> bool:  # type: ignore[override]
        return self.flips is not None and not self.flips.always

    def check(self, reward: Reward) -> None:
        super().check(reward)
        if self.flips is None:
            return
        symbols, flipped = reward.symbols() or self.taste.symbols(), self.flips.counts.shape[-1]
        if symbols != flipped:
            of = "no known number of symbols" if symbols is None else f"{symbols} symbols"
            raise ValueError(f"Relearned(flips) turn labels of {flipped} symbols, and the reward {reward} has {of}")

    def learn(self, reward: Reward, seen: Seen) -> Tensor:
        start = reward.state()
        assert start is not None
        symbols = reward.symbols() or self.taste.symbols()
        if symbols is not None:
            items = torch.arange(symbols, device=start.device)
            first, second, weight = pairs_of(seen, symbols, start.device)
        else:
            items = self._items(seen)
            half = len(items) // 2
            first = torch.arange(half, device=items.device)
            second, weight = first + half, torch.full((half,), 1 / half, dtype=torch.float64, device=items.device)
        check_form(reward, items)
        wins = self.wins(items, first, second)
        if self.flips is not None:
            flips = self.flips.at(seen.round if self.timed else None)
            wins = turned(flips, self.flips.labels, weight, wins, first, second)
        return self._learned(reward, start, items, first, second, weight, wins)

    def wins(self, items: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """How often people prefer the first of each pair, before anybody's ``flips``, ``[pairs]``."""
        values = self.taste(items).detach().to(torch.float64)
        prefers = torch.sigmoid((values[first] - values[second]) / self.temperature)
        return (1 - self.flipped) * prefers + self.flipped * (1 - prefers)

    def _items(self, seen: Seen) -> Tensor:
        """Samples that are no symbols, at least two."""
        samples = getattr(seen, "samples", None)
        if samples is None:
            law = seen.law()
            hint = " (a form such as Tabular knows how many symbols)" if isinstance(law, Finite) else ""
            raise NoPopulationLaw(f"what {self} learns of a law that is not on known symbols{hint}")
        items = outputs(samples)
        if len(items) < 2:
            raise ValueError(f"{self} compares samples in pairs, and users saw {len(items)}; give samples=2 or more")
        return items

    def _learned(
        self,
        reward: Reward,
        start: Tensor,
        items: Tensor,
        first: Tensor,
        second: Tensor,
        weight: Tensor,
        wins: Tensor,
    ) -> Tensor:
        """The optimum, and by one more step of Newton's its derivative by weights and labels: the implicit function."""
        still = Labels(reward, items, first, second, weight.detach(), wins.detach(), self.ridge.detach())
        w = still.learned(start.detach())
        gradient = (weight * (torch.sigmoid(still.gaps(w)) - wins)) @ still.slopes(w) + self.ridge * w
        return w - torch.linalg.solve(still.curvature(w), gradient)

    def __repr__(self) -> str:
        part = f", flipped={float(self.flipped.mean()):.4g}" if float(self.flipped.mean()) else ""
        attacked = "" if self.flips is None else f", flips={self.flips}"
        return f"Relearned({self.taste}, ridge={float(self.ridge.mean()):.4g}{part}{attacked})"


def pairs_of(seen: Seen, symbols: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """All pairs of symbols, first and second ``[pairs]``, and how often each is met, ``[*batch, pairs]``."""
    often = seen.mean(torch.eye(symbols, dtype=torch.float64, device=device))
    first, second = torch.triu_indices(symbols, symbols, 1, device=device)
    return first, second, 2 * often[..., first] * often[..., second]
