"""Measures that are functions of a member's law: exact on the population, and differentiable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ecosystem.core.check import users_code
from ecosystem.core.laws import NoPopulationLaw
from ecosystem.core.samples import outputs
from ecosystem.core.words import listed
from ecosystem.engine.looped import Stack
from ecosystem.generators import ClosedForm
from ecosystem.running.measures.archive import Part
from ecosystem.running.measures.view import View

OfStack = Callable[[ClosedForm, Stack | None], Tensor]
OfSamples = Callable[[Tensor, Tensor | None], Any]


class Exact:
    """A measure of a generator's law.

    ``function(stack, real)`` is shown members of one closed-form family, batch ``[*batch]``, and their real data (with
    a ``law()`` too, whose batch broadcasts; None where they have none), and returns ``[*batch]``: a torch function of
    their tensors, without steps in place, so that ``influence(s, measure=...)`` can differentiate it. Where it is not
    known it raises :class:`NoPopulationLaw`; there, and of neural members, ``sampled(x, y)`` looks at
    ``Record(judged)`` samples ``[n, *event]`` of one member (outputs, of a conditional model) and as many of its real
    data, or None. Without ``sampled`` such members are refused by name.

    >>> from ecosystem import Categorical
    >>> @Exact
    ... def protected(stack, real):
    ...     return stack.law().probabilities[..., 1:].sum(-1)
    >>> protected.of(Categorical([0.5, 0.3, 0.2]))
    tensor(0.5000, dtype=torch.float64)
    """

    exact: ClassVar[bool] = True

    def __init__(self, function: OfStack, sampled: OfSamples | None = None) -> None:
        self.function, self.sampled = function, sampled
        self.__name__ = function.__name__

    def of(self, stack: ClosedForm, real: Stack | None = None) -> Tensor:
        """Its value for members of a family, ``[*batch]``.

        Raises
        ------
        NoPopulationLaw
            Where the family has no law of which it is known.
        ValueError
            If the function fails, or returns another shape than the batch.
        """
        return self._of(stack, real, type(stack).__name__)

    def _of(self, stack: ClosedForm, real: Stack | None, who: str) -> Tensor:
        try:
            with users_code(lambda: f"the measure {self.__name__} of {who}", passing=(NoPopulationLaw,)):
                value = self.function(stack, real)
        except NoPopulationLaw as error:
            raise NoPopulationLaw(f"the measure {self.__name__} of {who}: {error}") from None
        if not isinstance(value, Tensor) or value.shape != stack.batch_shape:
            got = list(value.shape) if isinstance(value, Tensor) else f"a {type(value).__name__}"
            raise ValueError(
                f"the measure {self.__name__} returned {got} for {who} of batch "
                f"{list(stack.batch_shape)}; it must return one number for each, a tensor of that shape"
            )
        return value

    def __call__(self, view: View) -> Tensor:
        """Its value for every member, ``[members, variants, replicates]``."""
        out = torch.full((len(view.names), *view.alive.shape), torch.nan, dtype=torch.float64, device=view.alive.device)
        for part in view.parts():
            out[part.members] = self._value(view, part).to(out.device)
        return out

    def _value(self, view: View, part: Part) -> Tensor:
        if part.stack is None:
            return self._estimate(view, part, "its members are trained models")
        try:
            names = listed(repr(view.names[i]) for i in part.members.tolist())
            return self._of(part.stack, part.real, f"{names} ({type(part.stack).__name__})").detach().double()
        except NoPopulationLaw as error:
            return self._estimate(view, part, str(error).partition(f" {NoPopulationLaw.REMEDY}")[0])

    def _estimate(self, view: View, part: Part, why: str) -> Tensor:
        name = view.names[int(part.members[0])]
        if self.sampled is None:
            raise NoPopulationLaw(
                f"the measure {self.__name__} has no value for {name!r} ({why}): it has no population law; say what "
                f"samples tell: Exact({self.__name__}, sampled=function of [n, *event] and real data)"
            )
        names = [view.names[i] for i in part.members.tolist()]
        return torch.stack([estimated(view, member, self) for member in names])

    def __repr__(self) -> str:
        return self.__name__


def exact(sampled: OfSamples | None = None) -> Callable[[OfStack], Exact]:
    """``@exact(sampled)`` above a function of a stack makes it an :class:`Exact` measure."""
    return lambda function: Exact(function, sampled)


def estimated(view: View, name: str, measure: Exact) -> Tensor:
    """What samples tell of a member, ``[variants, replicates]``."""
    assert measure.sampled is not None
    x, y = outputs(view.samples(names=[name])[name]), view.real_samples(name)
    out = torch.full_like(view.alive, torch.nan, dtype=torch.float64)
    for cell in np.ndindex(*out.shape):
        with users_code(lambda: f"the measure {measure.__name__} of samples of {name!r}"):
            value = measure.sampled(x[cell], None if y is None else outputs(y)[cell])
        try:
            out[cell] = float(value)
        except (TypeError, ValueError, RuntimeError):
            raise TypeError(
                f"the measure {measure.__name__} returned {value!r} for samples of {name!r}; it must return one number"
            ) from None
    return out
