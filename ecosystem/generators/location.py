"""The location family: a normal law whose mean is learnt and whose spread is known."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from torch import Tensor

from ecosystem.core.check import brief, numbers, spreads
from ecosystem.core.kernels import pushed
from ecosystem.core.laws import Finite, Law, Normal
from ecosystem.core.streams import Stream
from ecosystem.generators.closed_form import ClosedForm, moved, parameter, vectors


class Location(ClosedForm):
    """``N(mean, scale²·I)`` with ``mean [*batch, d]`` fitted by its maximum likelihood, the mean of the data.

    Retraining is ``T(Θ) = E_P[z]``: affine in the parameters wherever transforms and curation are.

    >>> from ecosystem.rewards import Linear
    >>> Location([0.0, 1.0], scale=0.5).expect(Linear([1.0, 2.0]))
    tensor(2., dtype=torch.float64)
    """

    ELEMENTWISE: ClassVar[bool] = True
    exact_mean: ClassVar[bool] = True
    proven: ClassVar[bool] = True
    PARAMETERS: ClassVar[dict[str, int]] = {"mean": 1, "scale": 0}
    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Any, scale: float = 1.0) -> None:
        tensor = parameter(mean, 1, "Location(mean)")
        spread = parameter(scale, 0, "Location(scale)")
        if spread < 0:
            raise ValueError(f"Location(scale) is a standard deviation, at least 0, got {brief(scale)}")
        super().__init__(tuple(tensor.shape), mean=tensor, scale=spread)

    @classmethod
    def many(cls, *parameters: Any, **named: Any) -> Any:
        """As one with the batch ``[n]``: ``Location.many(means, scale)`` of ``means [n, d]``, ``scale [n]`` or one.

        >>> Location.many([[0.0], [1.0]], scale=0.5).batch_shape
        torch.Size([2])
        """
        if cls.__init__ is not Location.__init__:
            return super().many(*parameters, **named)
        return cls._batch(*parameters, **named)

    @classmethod
    def _batch(cls, mean: Any, scale: Any = 1.0) -> Self:
        means, spread = parameter(mean, 2, "Location.many(mean)"), numbers(scale, "Location.many(scale)")
        if not spreads(tuple(spread.shape), (len(means),)):
            raise ValueError(
                f"Location.many(scale) is one number, or one for each of {len(means)} means, got shape "
                f"{tuple(spread.shape)}"
            )
        if bool((spread < 0).any()):
            raise ValueError(f"Location.many(scale) are standard deviations, at least 0, got {brief(scale)}")
        one = cls(means[0])
        return one.rebuild({"mean": means, "scale": spread.expand(len(means)).clone()})

    def moving(self) -> dict[str, Tensor]:
        return {"mean": self.mean}

    def push(self, noise: Tensor) -> Tensor:
        return Normal(self.mean, scale=self.scale).push(noise)

    def push_from(self, noise: Tensor, index: Tensor) -> Tensor:
        return pushed(self.mean.reshape(-1, self.mean.shape[-1]), self.scale.reshape(-1), index, noise)

    def statistic(self, data: Tensor) -> Tensor:
        return vectors(data, self.mean).mean(-2)

    def statistic_of(self, law: Law) -> Tensor:
        if isinstance(law, Finite):
            raise TypeError("Location learns from vectors, this flow carries symbols")
        return law.mean

    def refit(self, statistic: Tensor) -> Self:
        return self.rebuild({"mean": statistic, "scale": self.scale})

    def scattered(self, rng: Stream) -> Self:
        return self.rebuild({"mean": moved(self.mean, self.scale, rng), "scale": self.scale})

    def law(self) -> Normal:
        return Normal(self.mean, scale=self.scale)
