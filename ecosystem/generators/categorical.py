"""Laws on a finite alphabet."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from ecosystem.core.laws import Finite, Law
from ecosystem.core.streams import Stream
from ecosystem.generators.closed_form import ClosedForm, parameter


def known_symbols(data: Tensor, symbols: int, what: str) -> Tensor:
    """Symbols as int64; a ValueError where they are none of ``0..symbols − 1``."""
    whole = not data.is_floating_point() and data.dtype != torch.bool
    if not whole or (data.numel() and not 0 <= int(data.min()) <= int(data.max()) < symbols):
        raise ValueError(f"{what} must be symbols 0..{symbols - 1} (an integer tensor)")
    return data.long()


_ROUNDING = 1e-12  # by which a probability may miss 0


class Categorical(ClosedForm):
    """A law on the symbols ``0..n−1`` (int64 samples of shape ``()``), fitted by relative frequencies.

    In population dynamics retraining is ``T(Θ) = P(Θ)`` itself, exact for Luce curation with every ``K``. Each fit is
    normalised: a rounding error in the total mass would grow by the factor ``K`` a round.

    >>> Categorical([0.5, 0.3, 0.2]).law().probabilities
    tensor([0.5000, 0.3000, 0.2000], dtype=torch.float64)
    """

    ELEMENTWISE: ClassVar[bool] = True
    PARAMETERS: ClassVar[dict[str, int]] = {"probabilities": 1}
    probabilities: Tensor

    def __init__(self, probabilities: Any) -> None:
        p = parameter(probabilities, 1, "Categorical(probabilities)")
        if (p < 0).any() or abs(float(p.sum()) - 1) > 1e-6:
            raise ValueError(
                f"Categorical(probabilities) must be at least 0 and add up to 1, got a sum of {float(p.sum()):.6g} and "
                f"a smallest of {float(p.min()):.3g}"
            )
        super().__init__((), probabilities=p / p.sum())

    @property
    def symbols(self) -> int:  # type: ignore[override]
        return self.probabilities.shape[-1]

    def noise(self, n: int, rng: Stream) -> Tensor:
        return rng.uniform(n, 1)

    def push(self, noise: Tensor) -> Tensor:
        return Finite(self.probabilities).push(noise)

    def statistic(self, data: Tensor) -> Tensor:
        n = self.probabilities.shape[-1]
        data = known_symbols(data, n, "what a Categorical is fitted to")
        counts = torch.zeros(*data.shape[:-1], n, dtype=self.probabilities.dtype, device=data.device)
        return counts.scatter_add_(-1, data, torch.ones_like(data, dtype=counts.dtype)) / data.shape[-1]

    def statistic_of(self, law: Law) -> Tensor:
        if not isinstance(law, Finite):
            raise TypeError("Categorical learns from symbols, this flow carries vectors")
        return law.within(self.symbols).probabilities

    def refit(self, statistic: Tensor) -> Self:
        return self.rebuild({"probabilities": statistic / statistic.sum(-1, keepdim=True)})

    def scattered(self, rng: Stream) -> Self:
        lots = -rng.uniform(1, self.probabilities.shape[-1]).squeeze(-2).log()  # normalised: uniform on the simplex
        return self.rebuild({"probabilities": lots / lots.sum(-1, keepdim=True)})

    def admissible(self) -> Tensor:
        return super().admissible() & (self.probabilities >= -_ROUNDING).all(-1)

    def tangent(self, change: Tensor) -> Tensor:
        return change - change.mean(-1, keepdim=True)

    def law(self) -> Finite:
        return Finite(self.probabilities)
