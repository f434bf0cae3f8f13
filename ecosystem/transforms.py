"""Transforms: how a consumer reads what a producer wrote. Any callable on samples is one.

A transform of one's own that is more than a function derives from :class:`Transform` and says what it knows: that it
is linear (then it has a law, a derivative and the engine's short ways), or its law.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self, cast

import torch
from torch import Tensor

from ecosystem.core.check import brief, real_tensor, returned, users_code
from ecosystem.core.claims import Claims
from ecosystem.core.laws import Finite, Law, Moments, NoPopulationLaw
from ecosystem.core.samples import Pairs
from ecosystem.core.stacking import Stackable
from ecosystem.rewards import as_numbers

Linear = tuple[Tensor, Tensor]


class Transform(Claims):
    """The contract: samples ``[n, *event] -> [n, *event']``, and what a transform says of itself.

    >>> import torch
    >>> class Mirror(Transform):
    ...     def __call__(self, x):
    ...         return x.flip(-1)
    ...     def linear(self):
    ...         return torch.eye(2).double().flip(0), torch.zeros(2).double()
    >>> as_transform(Mirror()), as_transform(Mirror()).linear()[0].tolist()
    (Mirror, [[0.0, 1.0], [1.0, 0.0]])
    """

    RESTS: ClassVar[dict[str, tuple[str, ...]]] = {
        "linear": ("__call__", "law"),
        "law": ("__call__", "linear"),
        "stacks": ("__call__", "law", "linear"),
    }
    stacks: bool = False  # whether many of its kind are one tensor program (see ``Stackable``)

    def __call__(self, x: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} needs a method __call__(x)")

    def linear(self) -> Linear | None:
        """Matrix ``[*batch, e, d]`` and offset ``[*batch, e]`` if it is ``A x + b`` on vectors; else None."""
        return None

    def law(self, law: Law) -> Law:
        """The law of transformed samples, batch as given; by default of what is linear, and on a finite alphabet."""
        if isinstance(law, Finite):
            return _on_symbols(self, law)
        known = self.linear()
        if known is None:
            raise NoPopulationLaw(f"the transform {self}")
        matrix, offset = known
        return law.linear(matrix.reshape((1,) * (law.mean.ndim + 1 - matrix.ndim) + matrix.shape), offset)

    def __repr__(self) -> str:
        return type(self).__name__


@dataclass(frozen=True, eq=False, repr=False)
class LinearMap(Transform, Stackable):
    """``y = A x + b`` on vectors: ``matrix [e, d]``, ``offset [e]``.

    >>> import torch
    >>> LinearMap([[0.0, 2.0]])(torch.tensor([1.0, 3.0], dtype=torch.float64))
    tensor([6.], dtype=torch.float64)
    """

    matrix: Tensor
    offset: Tensor
    stacks = True

    def __init__(self, matrix: Any, offset: Any = None) -> None:
        tensor = as_numbers(matrix, "LinearMap(matrix)")
        if tensor.ndim != 2:
            raise ValueError(f"LinearMap(matrix) must be a matrix [out, in], got shape {tuple(tensor.shape)}")
        shift = tensor.new_zeros(tensor.shape[0]) if offset is None else as_numbers(offset, "LinearMap(offset)")
        if shift.shape != tensor.shape[:1]:
            raise ValueError(f"LinearMap(offset) must have shape {tuple(tensor.shape[:1])}, got {tuple(shift.shape)}")
        object.__setattr__(self, "matrix", tensor)
        object.__setattr__(self, "offset", shift)

    def __call__(self, x: Tensor) -> Tensor:
        return (self.matrix * x.unsqueeze(-2)).sum(-1) + self.offset

    def linear(self) -> Linear:
        return self.matrix, self.offset

    def law(self, law: Law) -> Law:
        if isinstance(law, Finite):
            raise TypeError("LinearMap acts on vectors, this flow carries symbols; use a callable symbol -> symbol")
        return law.linear(self.matrix, self.offset)

    def __repr__(self) -> str:
        return f"LinearMap({self.matrix.shape[-2]}x{self.matrix.shape[-1]})"


@dataclass(frozen=True, eq=False, repr=False)
class CustomMap(Transform, Stackable):
    """A transform of the user's own, or any callable on samples ``[n, *event] -> [n, *event']``.

    What it is given is a copy. Only flows that have the very same one share its work: it need know nothing of batches.
    """

    function: Callable[[Any], Any]
    stacks = True

    def __call__(self, x: Any) -> Any:
        with users_code(lambda: f"the transform {self}"):
            y = self.function(x.clone())
        y = y.detach() if isinstance(y, Tensor) else y
        if not (isinstance(y, Pairs) or real_tensor(y)) or y.shape[:1] != x.shape[:1]:
            raise ValueError(f"the transform {self} must return one sample for each of {len(x)}, got {returned(y)}")
        return y

    def linear(self) -> Linear | None:
        return self._linear

    @cached_property
    def _linear(self) -> Linear | None:
        """What it says, tried on a few vectors."""
        known = self.function.linear() if isinstance(self.function, Transform) else None
        if known is None:
            return None
        matrix, offset = (torch.as_tensor(part) for part in known)
        if matrix.ndim != 2 or offset.shape != matrix.shape[:1]:
            raise ValueError(
                f"{self}.linear() must return a matrix [out, in] and an offset [out], got shapes {tuple(matrix.shape)} "
                f"and {tuple(offset.shape)}"
            )
        x = torch.sin(torch.arange(1, 1 + 3 * matrix.shape[1], dtype=matrix.dtype, device=matrix.device)).reshape(3, -1)
        y, said = self.function(x), x @ matrix.mT + offset
        if y.shape != said.shape or not torch.allclose(y, said, rtol=1e-4, atol=1e-5):
            raise ValueError(f"{self}.linear() says another map than {self} itself is; mend it, or return None")
        return matrix.to(torch.float64), offset.to(torch.float64)

    def law(self, law: Law) -> Law:
        """On a finite alphabet every map has an exact law; elsewhere its own, if it has one."""
        if isinstance(self.function, Transform):
            return self.function.law(law)
        if isinstance(law, Moments):
            raise NoPopulationLaw(f"the transform {self}")
        return _on_symbols(self, law)

    def tensors(self) -> dict[str, Tensor]:
        return {}

    def rebuild(self, tensors: dict[str, Tensor]) -> Self:
        return self

    def kind(self) -> Hashable:
        plain = isinstance(self.function, Hashable) and not isinstance(self.function, Transform)
        return type(self), self.function if plain else id(self.function)

    def __repr__(self) -> str:
        if isinstance(self.function, Transform):
            return repr(self.function)
        return getattr(self.function, "__name__", type(self.function).__name__)


def _on_symbols(function: Callable[[Tensor], Tensor], law: Finite) -> Finite:
    """The law of a function of symbols: those that fall together add their probabilities."""
    image = function(law.symbols)
    if not real_tensor(image) or image.shape != law.symbols.shape or image.is_floating_point() or image.min() < 0:
        raise ValueError(
            f"the transform {function} must lead from symbols to symbols 0, 1, ... (an integer tensor), got "
            f"{brief(image)} of {brief(law.symbols)}"
        )
    image, p = image.long(), law.probabilities
    zero = p.new_zeros(*p.shape[:-1], max(p.shape[-1], int(image.max()) + 1))
    return Finite(zero.index_add(-1, image, p))


def as_transform(transform: Any) -> LinearMap | CustomMap:
    """A transform that the engine can stack, from one or from any callable on samples."""
    if isinstance(transform, Transform) and transform.stacks:
        return cast(LinearMap | CustomMap, transform)
    if isinstance(transform, Transform) or callable(transform):
        return CustomMap(cast(Callable[[Any], Any], transform))
    raise TypeError(f"a transform is a callable on samples, got {brief(transform)}")
