"""The contract of rewards: the taste by which users judge samples, as functions ``[..., *event] -> [...]``.

Any callable ``[n, *event] -> [n]`` is a reward. The classes of :mod:`ecosystem.rewards` that know their expectation
under a law make a model's alignment exact. A stacked reward (parameters ``[*batch, ...]``) judges samples
``[*batch, ..., *event]``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self, cast

from torch import Tensor

from ecosystem.core.check import brief, function, numbers, real_tensor, returned, users_code
from ecosystem.core.claims import Claims
from ecosystem.core.laws import Finite, Law, Moments, NoPopulationLaw
from ecosystem.core.samples import Pairs, Samples, flat, only_shown, outputs
from ecosystem.core.stacking import Stackable

Features = Callable[[Any], Tensor] | Tensor | None  # φ: of samples; a row for each symbol; the sample itself


as_numbers = numbers  # a finite float64 tensor of whatever the user gave


def aligned(parameter: Tensor, event: int, samples: int) -> Tensor:
    """``parameter [*batch, *event]`` viewed to broadcast against samples ``[*batch, ..., *event]``."""
    batch = parameter.ndim - event
    shape = parameter.shape
    return parameter.reshape((*shape[:batch], *(1,) * (samples - event - batch), *shape[batch:]))


_VALUES = ("__call__", "judge", "moments", "on_symbols", "vector")


class Named:
    """Something that can have a name for people to read, as in ``Linear(ones).named("bold strokes")``; else its repr.

    >>> class Taste(Named): ...
    >>> print(Taste().named("bold strokes"))
    bold strokes
    """

    def named(self, name: str) -> Self:
        """The same under a name."""
        new = copy.copy(self)
        new.__dict__["name"] = name
        return new

    def __str__(self) -> str:
        return self.__dict__.get("name") or repr(self)


class Reward(Named, Stackable, Claims):
    """What every reward offers: a value for samples and an expectation under a law.

    Of pairs it judges the outputs, unless ``of_pairs`` says that it wants to see the inputs too. A subclass with a
    value of its own keeps nothing of what its parent knew about expectations, and has no state that can move, until it
    says so: it need not be linear in it.
    """

    RESTS: ClassVar[dict[str, tuple[str, ...]]] = {
        **dict.fromkeys(("state", "features"), _VALUES),
        **dict.fromkeys(("moments", "on_symbols", "linear", "quadratic", "of_texts"), ("__call__", "judge")),
        "of_inputs": ("__call__", "judge", "on_symbols"),
        "scaled": _VALUES,
    }
    of_pairs: ClassVar[bool] = False
    of_inputs: ClassVar[bool] = False  # of rows (input, output) it looks at the input alone: ``on_symbols`` of these
    of_texts: ClassVar[bool] = False  # it reads pairs by their own codec, whatever their tokens

    def judge(self, x: Samples, batch: int = 1) -> Tensor:
        """The reward of samples with ``batch`` batch dimensions: of tensors, or of pairs as it wants to see them.

        ValueError where it changes the samples in place: a judge leaves them as they are.
        """
        if self.of_pairs and not isinstance(x, Pairs):
            raise TypeError(f"the reward {self} judges pairs of input and output, these samples have no inputs")
        with only_shown(x, "reward", self, "write x = 2 * x instead of x.mul_(2), or judge x.clone()"):
            return self(x if self.of_pairs else outputs(x))  # type: ignore[arg-type]

    def __call__(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def moments(self, law: Moments) -> Tensor:
        """The expectation under a law known by two moments, ``[*batch]``; refused where two moments are not enough."""
        raise NoPopulationLaw(f"the expectation of the reward {self} under a continuous law")

    def expect(self, law: Law) -> Tensor:
        """``E_law[r]``, ``[*batch]``."""
        if isinstance(law, Finite):
            return (law.probabilities * self.on_symbols(law)).sum(-1)
        return self.moments(law)

    def on_symbols(self, law: Finite) -> Tensor:
        """The reward of every symbol, broadcastable to ``[*batch, n]``."""
        return self(law.symbols)

    def linear(self) -> Tensor | None:
        """The direction ``g [*batch, d]`` if it is ``⟨g, x⟩`` plus a number; else None."""
        return None

    def quadratic(self) -> tuple[Tensor, Tensor] | None:
        """``g [*batch, d]`` and ``η [*batch]`` if it is ``⟨g, x⟩ − η/2·‖x‖²`` plus a number; else None."""
        return None

    def symbols(self) -> int | None:
        """How many symbols it has values for, where its own numbers tell."""
        return None

    def event_shape(self) -> tuple[int, ...] | None:
        """The shape of the samples it judges, where its own numbers tell."""
        return None

    def state(self) -> Tensor | None:
        """What of this taste can move, a vector ``[*batch, p]``; None where nothing can."""
        return None

    def with_state(self, state: Tensor) -> Self:
        """The same taste elsewhere: ``state [*batch, p]`` of any batch, as it is, so that gradients pass."""
        raise TypeError(f"the reward {self} has no with_state(state)")

    def scaled(self, factor: Tensor) -> Self:
        """``factor · r``, ``factor [*batch]`` as it is, so that gradients pass; TypeError where nobody says how."""
        raise TypeError(f"the reward {self} has no scaled(factor), the same taste that many times as strong")

    def features(self) -> Features:
        """``φ`` of a taste that is linear in features, ``r(x) = ⟨w, φ(x)⟩`` with the state ``w``.

        Any of :data:`Features`: a function ``[n, *event] -> [n, p]``, a matrix ``[symbols, p]``, or None: the sample
        itself as a vector. TypeError where a taste is not known to be linear in anything.
        """
        raise TypeError(f"the reward {self} is not known to be linear in features")


@dataclass(frozen=True, eq=False, repr=False)
class Custom(Reward):
    """A callable of the user's own, ``[n, *event] -> [n]``; whatever the batch, it is shown one batch dimension.

    What it is shown is a copy, its own to change.
    """

    function: Callable[[Tensor], Tensor]

    def __post_init__(self) -> None:
        function(self.function, f"{type(self).__name__}(function) is a function of samples")

    def judge(self, x: Samples, batch: int = 1) -> Tensor:
        if batch == 1:
            return super().judge(x)
        every = flat(x, batch)
        return one_each(self, super().judge(every), every).reshape(x.shape[:batch])

    def __call__(self, x: Tensor) -> Tensor:
        with users_code(lambda: f"the reward {self}"):
            value = self.function(x.clone())
        return value.detach() if isinstance(value, Tensor) else value

    def on_symbols(self, law: Finite) -> Tensor:
        return one_each(self, self(law.symbols), law.symbols)

    def __repr__(self) -> str:
        return getattr(self.function, "__name__", type(self.function).__name__)


@dataclass(frozen=True, eq=False, repr=False)
class OfPairs(Custom):
    """A callable of the user's own that looks at inputs too: ``Pairs [n] -> [n]``, for conditional generators.

    >>> import torch
    >>> right = OfPairs(lambda pairs: (pairs.outputs == 2 * pairs.inputs).double())
    >>> right.judge(Pairs(torch.tensor([1, 2]), torch.tensor([2, 5])))
    tensor([1., 0.], dtype=torch.float64)
    """

    of_pairs: ClassVar[bool] = True
    function: Callable[[Any], Tensor]


def one_each(reward: Reward, value: Any, x: Samples) -> Tensor:
    """The rewards of samples ``[n, *event]``, which must be one number for each; ValueError else."""
    if not real_tensor(value) or value.shape != x.shape[:1]:
        raise ValueError(
            f"the reward {reward} returned {returned(value)} for samples of shape {tuple(x.shape)}; it must return "
            f"one number for each sample, shape {tuple(x.shape[:1])}, as a tensor"
        )
    return value


def as_reward(reward: Any) -> Reward:
    """A :class:`Reward` from one or from any callable."""
    if isinstance(reward, Reward):
        return reward
    if callable(reward) and not isinstance(reward, type):
        return Custom(cast(Callable[[Tensor], Tensor], reward))
    raise TypeError(f"a reward is a callable [..., *event] -> [...], got {brief(reward)}")
