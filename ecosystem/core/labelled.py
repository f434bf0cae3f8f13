"""Laws of rows (input, output): a number of inputs, and what is known of the output given each."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ecosystem.core.laws import Finite, Law, Moments, NoPopulationLaw, Selection, Taste, pick, unknown
from ecosystem.core.products import safe_factor


class Labelled(Moments):
    """A law of rows ``(c, x)``: the input ``c`` by ``inputs [*batch, C]``, the output ``x`` normal given it.

    ``means [*batch, C, d]`` and ``covariances [*batch, C, d, d]``; without these, a law of inputs that nobody has
    answered. To whoever knows vectors alone it is a law of ``1 + d`` numbers with two moments.
    """

    def __init__(self, inputs: Tensor, means: Tensor | None = None, covariances: Tensor | None = None) -> None:
        self.inputs, self.means, self.covariances = inputs, means, covariances
        super().__init__(self._mean(), self._spread)

    def given(self) -> tuple[Tensor, Tensor]:
        """``means`` and ``covariances``; refused where there are inputs alone."""
        if self.means is None or self.covariances is None:
            raise NoPopulationLaw("a law of inputs without outputs, where outputs are asked for,")
        return self.means, self.covariances

    def select(self, reward: Taste | None, curator: Selection, memo: dict[Any, Any] | None = None) -> Law:
        """What a curator keeps by a reward of inputs alone; of other rewards it is not known."""
        if reward is None or not reward.of_inputs:
            raise unknown(curator, reward, self)
        kept = Finite(self.inputs).select(reward, curator, memo)
        return Labelled(kept.probabilities, self.means, self.covariances)

    def push(self, noise: Tensor) -> Tensor:
        """Rows ``[*batch, 1 + d]`` of a uniform number and ``d`` normal ones, ``noise [*batch, 1 + d]``."""
        means, covariances = self.given()
        label = pick(self.inputs, noise[..., 0])
        here = torch.nn.functional.one_hot(label, self.inputs.shape[-1]).to(means.dtype)
        mean = (here.unsqueeze(-1) * means).sum(-2)
        factor = (here.unsqueeze(-1).unsqueeze(-1) * safe_factor(covariances)).sum(-3)
        x = mean + (factor * noise[..., None, 1:]).sum(-1)
        return torch.cat([label.unsqueeze(-1).to(x.dtype), x], -1)

    def take(self, index: Any) -> Labelled:
        parts = [None if part is None else part[index] for part in (self.means, self.covariances)]
        return Labelled(self.inputs[index], *parts)

    def _rows(self) -> Tensor:
        """The mean row of every input, ``[*batch, C, 1 + d]``."""
        means, _ = self.given()
        labels = torch.arange(means.shape[-2], dtype=means.dtype, device=means.device)
        return torch.cat([labels.unsqueeze(-1).expand(*means.shape[:-1], 1), means], -1)

    def _mean(self) -> Tensor:
        if self.means is None:  # whoever takes it for numbers gets none
            return self.inputs.new_full((*self.inputs.shape[:-1], 1), torch.nan)
        return (self.inputs.unsqueeze(-1) * self._rows()).sum(-2)

    def _spread(self) -> Tensor:
        _, covariances = self.given()
        centred = self._rows() - self.mean.unsqueeze(-2)
        spread = centred.unsqueeze(-1) * centred.unsqueeze(-2) + torch.nn.functional.pad(covariances, (1, 0, 1, 0))
        return (self.inputs.unsqueeze(-1).unsqueeze(-1) * spread).sum(-3)
