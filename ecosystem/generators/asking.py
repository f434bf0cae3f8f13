"""What turns symbols into what a table is asked, and its rows into what it was asked."""

from __future__ import annotations

import torch
from torch import Tensor

from ecosystem.core.check import whole_number
from ecosystem.core.labelled import Labelled
from ecosystem.core.laws import Finite, Law, NoPopulationLaw
from ecosystem.transforms import Transform


class Asking(Transform):
    """What a ConditionalGaussian with outputs of ``dimension`` numbers is asked: symbols ``c`` as rows ``(c, NaN)``.

    >>> Asking(2)(torch.tensor([3]))
    tensor([[3., nan, nan]], dtype=torch.float64)
    """

    def __init__(self, dimension: int) -> None:
        self.dimension = whole_number(dimension, "Asking(dimension)", 1, of="numbers of an output", high=10**6)

    def __call__(self, x: Tensor) -> Tensor:
        return torch.nn.functional.pad(x.double().unsqueeze(-1), (0, self.dimension), value=torch.nan)

    def law(self, law: Law) -> Law:
        if not isinstance(law, Finite):
            raise TypeError("Asking makes inputs of symbols, this flow carries vectors")
        return Labelled(law.probabilities)

    def __repr__(self) -> str:
        return f"Asking({self.dimension})"


class InputOf(Transform):
    """The inputs of a ConditionalGaussian's rows, as symbols: the captions of pictures, say.

    >>> InputOf()(torch.tensor([[3.0, 0.2, 0.1]]))
    tensor([3])
    """

    def __call__(self, x: Tensor) -> Tensor:
        return whole_inputs(x)

    def law(self, law: Law) -> Law:
        if not isinstance(law, Labelled):
            raise NoPopulationLaw("InputOf() on a law that does not tell inputs")
        return Finite(law.inputs)


def whole_inputs(rows: Tensor) -> Tensor:
    """The inputs of rows as symbols; ValueError where they are no whole numbers."""
    label = rows[..., 0].long()
    if not torch.equal(label.to(rows.dtype), rows[..., 0]):
        raise ValueError("the first number of a row (input, output) is its input, a whole number, and here it is not")
    return label
