"""Users whose taste is a reward model that is learned anew each round, from comparisons of what a member then makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ecosystem.core.check import one_number
from ecosystem.core.laws import Finite, NoPopulationLaw
from ecosystem.core.samples import outputs
from ecosystem.curation.base import positive
from ecosystem.curation.bradley_terry import Labels, check_form
from ecosystem.curation.learning import Learner
from ecosystem.curation.seen import Seen
from ecosystem.rewards import Reward, as_reward


@dataclass(frozen=True, eq=False, repr=False)
class Relearned(Learner):
    """A reward model learned anew after each round: pairs of the new output, labelled by the ``taste`` of people.

    ``w⁺ = argmin E[p·log(1 + e^{−z}) + (1 − p)·log(1 + e^z)] + ridge/2·‖w‖²`` with ``z = r_w(x) − r_w(y)``: Bradley
    and Terry's model on pairs ``x, y`` of the member's new output, of which people prefer the first with
    probability ``σ((r(x) − r(y))/temperature)``. A fraction ``flipped`` of labels is turned round (Wei, Zhang 2025,
    2505.09768: an attacker who labels with them). Labels are not drawn: their expectation is learned from.

    For ``Users(form, curator, learn=Relearned(taste))`` of a flow's own; ``form`` is any reward with a state. On a
    finite alphabet all pairs of symbols count as often as they come (its population law; influence goes through it by
    the implicit function). Of samples that are no symbols the first half is compared with the second; the population of
    such has no law here.

    Raises
    ------
    ValueError
        If ``flipped`` does not lie between 0 and 1, or ridge or temperature are not positive.

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

    def __init__(self, taste: Any, *, ridge: Any = 0.01, flipped: Any = 0.0, temperature: Any = 1.0) -> None:
        turned = one_number(flipped, "Relearned(flipped)")
        if not 0 <= float(turned) <= 1:
            raise ValueError(f"Relearned(flipped) is a fraction of labels between 0 and 1, got {float(turned):.6g}")
        object.__setattr__(self, "taste", as_reward(taste))
        object.__setattr__(self, "ridge", positive(ridge, "Relearned(ridge)"))
        object.__setattr__(self, "flipped", turned)
        object.__setattr__(self, "temperature", positive(temperature, "Relearned(temperature)"))

    def learn(self, reward: Reward, seen: Seen) -> Tensor:
        start = reward.state()
        assert start is not None
        symbols = reward.symbols() or self.taste.symbols()
        if symbols is not None:
            items = torch.arange(symbols, device=start.device)
            often = seen.mean(torch.eye(symbols, dtype=torch.float64, device=start.device))
            first, second = torch.triu_indices(symbols, symbols, 1, device=start.device)
            weight = 2 * often[first] * often[second]
        else:
            items = self._items(seen)
            half = len(items) // 2
            first = torch.arange(half, device=items.device)
            second, weight = first + half, torch.full((half,), 1 / half, dtype=torch.float64, device=items.device)
        return self._learned(reward, start, items, first, second, weight)

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
        self, reward: Reward, start: Tensor, items: Tensor, first: Tensor, second: Tensor, weight: Tensor
    ) -> Tensor:
        """The optimum, and by one more step of Newton's its derivative by the weights: the implicit function."""
        check_form(reward, items)
        values = self.taste(items).detach().to(torch.float64)
        prefers = torch.sigmoid((values[first] - values[second]) / self.temperature)
        wins = (1 - self.flipped) * prefers + self.flipped * (1 - prefers)
        still = Labels(reward, items, first, second, weight.detach(), wins.detach(), self.ridge.detach())
        w = still.learned(start.detach())
        gradient = (weight * (torch.sigmoid(still.gaps(w)) - wins)) @ still.slopes(w) + self.ridge * w
        return w - torch.linalg.solve(still.curvature(w), gradient)

    def __repr__(self) -> str:
        turned = f", flipped={float(self.flipped.mean()):.4g}" if float(self.flipped.mean()) else ""
        return f"Relearned({self.taste}, ridge={float(self.ridge.mean()):.4g}{turned})"
