"""Families fitted in closed form, by matching the mean of a statistic exactly.

Their parameters carry batch dimensions, so one object is a thousand members.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Hashable
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from ecosystem.core.check import as_tensor, numbers
from ecosystem.core.door import Door
from ecosystem.core.laws import Law, NoPopulationLaw
from ecosystem.core.stacking import Stackable
from ecosystem.core.streams import Stream
from ecosystem.generators.base import GenerativeModel
from ecosystem.rewards import Reward


class ClosedForm(GenerativeModel, Stackable):
    """A family fitted in closed form: ``refit`` solves for the parameters whose expected statistic is the given one.

    Parameters are buffers ``[*batch, ...]``; ``PARAMETERS`` gives each one's dimensions without batch, ``SETTINGS``
    the attributes that make its kind. Statistics are vectors ``[*batch, Q]``.

    The engine draws by ``noise`` and ``push`` (or ``push_from``) and fits by ``statistic`` and ``refit``, many members
    at a time; ``sample`` and ``fit`` are these for people, and a family that overrides one of them alone is refused
    (TypeError). ``exact_mean`` says that its law is normal and its statistic the mean of the data, so that the mean of
    ``n`` samples may be drawn from ``N(μ, Σ/n)`` without the samples. A subclass that changes how samples come about
    keeps neither its parent's law nor such an answer: it gives its own, or none.
    """

    RESTS: ClassVar[dict[str, tuple[str, ...]]] = {
        "law": ("push", "push_from", "noise", "sample"),
        "push": ("law",),
        "push_from": ("push", "law"),
        "statistic_of": ("statistic",),
        "about": ("statistic", "statistic_of", "refit", "rebuild", "SETTINGS"),
        "ELEMENTWISE": ("push", "push_from", "law"),
        "proven": ("push", "push_from", "noise", "sample", "law"),
        "exact_mean": ("push", "push_from", "noise", "sample", "law", "statistic", "statistic_of", "refit", "fit"),
    }

    PARAMETERS: ClassVar[dict[str, int]] = {}
    SETTINGS: ClassVar[tuple[str, ...]] = ("event_shape",)
    ELEMENTWISE: ClassVar[bool] = False  # whether ``push`` is cheap enough to broadcast over samples

    _repr_html_: Any = Door("ecosystem.plots.shown", "model")

    def __init_subclass__(cls, **settings: Any) -> None:
        super().__init_subclass__(**settings)
        for name, parts in (("sample", {"noise", "push", "push_from"}), ("fit", {"statistic", "refit"})):
            if name in vars(cls) and not parts & set(vars(cls)):
                raise TypeError(
                    f"{cls.__name__} overrides {name}(), which the engine does not call for families in closed form; "
                    f"override {' or '.join(sorted(parts))}"
                )

    def __init__(self, event_shape: tuple[int, ...], **parameters: Tensor) -> None:
        super().__init__()
        self.event_shape = event_shape
        for name in self.PARAMETERS:
            self.register_buffer(name, parameters[name])

    @classmethod
    def many(cls, *parameters: Any, **named: Any) -> Any:
        """One model for each row of the parameters, for ``Scenario.add_many``: tensors ``[n, ...]``, or one for all.

        A family that can has them as one with the batch ``[n]``; by default they are made one by one.

        >>> from ecosystem.generators import Categorical
        >>> len(Categorical.many([[0.5, 0.5], [0.1, 0.9]]))
        2
        """
        given = inspect.signature(cls).bind(*parameters, **named).arguments
        ranks = {name: cls.PARAMETERS.get(name) for name in given}
        rows = {name: list(x) for name, x in given.items() if (r := ranks[name]) is not None and rank_of(x) == r + 1}
        sizes = {len(many) for many in rows.values()}
        if len(sizes) != 1:
            raise ValueError(
                f"{cls.__name__}.many() takes parameters [n, ...] with one n, got "
                f"{', '.join(map(str, sorted(sizes))) or 'none with a row for each'}"
            )
        return [cls(**(given | {name: many[i] for name, many in rows.items()})) for i in range(sizes.pop())]

    # -- as a stackable ------------------------------------------------------------------------------------------

    def tensors(self) -> dict[str, Tensor]:
        return {name: self._buffers[name] for name in self.PARAMETERS}  # type: ignore[misc]

    def rebuild(self, tensors: dict[str, Tensor]) -> Self:
        new = object.__new__(type(self))
        nn.Module.__init__(new)
        for name in self.SETTINGS:
            new.__dict__[name] = self.__dict__[name]
        new._buffers.update(tensors)
        return new

    def kind(self) -> Hashable:
        shapes = tuple((name, tuple(t.shape), t.dtype, str(t.device)) for name, t in self.tensors().items())
        return type(self), tuple(getattr(self, name) for name in self.SETTINGS), shapes

    @property
    def batch_shape(self) -> torch.Size:
        name, rank = next(iter(self.PARAMETERS.items()))
        shape = self.tensors()[name].shape
        return shape[: len(shape) - rank]

    def vector(self) -> Tensor:
        """All parameters as one vector, ``[*batch, P]``."""
        batch = len(self.batch_shape)
        parts = [t.flatten(batch) if t.ndim > batch else t.unsqueeze(-1) for t in self.moving().values()]
        return parts[0] if len(parts) == 1 else torch.cat(parts, -1)

    def moving(self) -> dict[str, Tensor]:
        """The parameters that retraining moves."""
        return self.tensors()

    # -- sampling ------------------------------------------------------------------------------------------------

    def noise(self, n: int, rng: Stream) -> Tensor:
        """What ``n`` samples are made of, ``[*rng batch, n, q]``; standard normal, one number a coordinate."""
        return rng.normal(n, math.prod(self.event_shape))

    def push(self, noise: Tensor) -> Tensor:
        """Samples ``[*batch, *event]`` from noise ``[*batch, q]``; parameters broadcast against it.

        By default from its law, where that is normal or finite.
        """
        try:
            x = self.law().push(noise)
        except (NoPopulationLaw, TypeError) as error:
            raise NotImplementedError(
                f"{type(self).__name__} needs a method push(noise), or push_from(noise, index)"
            ) from error
        return x.reshape(*noise.shape[:-1], *self.event_shape) if len(self.event_shape) > 1 else x

    def push_from(self, noise: Tensor, index: Tensor) -> Tensor:
        """Samples ``[m, *event]``, the ``i``-th from member ``index[i]`` of the flattened batch and ``noise[i]``."""
        batch = len(self.batch_shape)
        flat = self.map(lambda t: t.reshape(-1, *t.shape[batch:]))
        return flat.take(index).push(noise)

    def sample(self, n: int, rng: Stream) -> Tensor:
        """``[*batch, n, *event]`` samples; ``rng`` has keys of the batch shape (or one that broadcasts)."""
        noise = self.noise(n, rng)
        shape = torch.broadcast_shapes(self.batch_shape, noise.shape[:-2])
        index = torch.arange(math.prod(self.batch_shape), device=noise.device).reshape(self.batch_shape).expand(shape)
        flat = noise.expand(*shape, *noise.shape[-2:]).reshape(-1, noise.shape[-1])
        x = self.push_from(flat, index.flatten().repeat_interleave(n))
        return x.reshape(*shape, n, *self.event_shape)

    # -- fitting -------------------------------------------------------------------------------------------------

    def statistic(self, data: Tensor) -> Tensor:
        """The mean statistic of ``data [*batch, n, *event]``, ``[*batch, Q]``."""
        raise NotImplementedError

    def statistic_of(self, law: Law) -> Tensor:
        """The expected statistic under a law, ``[*batch, Q]``."""
        raise NoPopulationLaw(f"the fit of {type(self).__name__}")

    def refit(self, statistic: Tensor) -> Self:
        """The family member whose expected statistic is ``statistic [*batch, Q]``."""
        raise NotImplementedError

    def fit(self, data: Tensor, rng: Stream | None = None) -> None:
        """Fit in place to ``data [*batch, n, *event]``."""
        new = self.refit(self.statistic(data))
        near = new.about(lambda: None)
        if near is not new:  # powers of what is far lose their digits: once more, about what was found
            near = near.rebuild(self.tensors())
            new = near.refit(near.statistic(data))
        self._buffers.update(new.tensors())

    # -- as unknowns of an equation ------------------------------------------------------------------------------

    def scattered(self, rng: Stream) -> Self:
        """The same family with moving parameters elsewhere, to start a search from; ``rng`` has keys ``[*batch]``."""
        return self

    def admissible(self) -> Tensor:
        """Whether the parameters belong to the family, up to rounding, ``[*batch]``: solvers may step outside."""
        return torch.isfinite(self.vector()).all(-1)

    def tangent(self, change: Tensor) -> Tensor:
        """The part of changes ``[..., width]`` of the parameter vector that stays inside the family."""
        return change

    def about(self, data: Callable[[], Law | None]) -> Self:
        """The same family, whose statistics keep their digits near the law of its real ``data()`` (None: not known).

        By default as it is: a family whose statistics are powers of the data takes them about a point near there.
        """
        return self

    # -- laws ----------------------------------------------------------------------------------------------------

    def law(self) -> Law:
        """The law of one sample."""
        raise NoPopulationLaw(type(self).__name__)

    def expect(self, reward: Reward) -> Tensor:
        """The alignment ``E r(x)``, exact, ``[*batch]``; :class:`NoPopulationLaw` where it is not known."""
        return reward.expect(self.law())


def moved(mean: Tensor, scale: Tensor, rng: Stream) -> Tensor:
    """Means ``[*batch, d]`` at a distance: three times their own size or spread (at least 1), in any direction."""
    size = torch.maximum(mean.abs().amax(-1), scale).clamp(min=1.0)
    return mean + 3 * size.unsqueeze(-1) * rng.normal(1, mean.shape[-1]).squeeze(-2)


def vectors(data: Tensor, like: Tensor) -> Tensor:
    """Data in the type of a family's parameters: what others make may be of fewer digits, or whole numbers."""
    return data.to(like.dtype)


def rank_of(value: Any) -> int:
    """How many dimensions numbers have."""
    return as_tensor(value, "a parameter").ndim


def parameter(value: Any, rank: int, what: str) -> Tensor:
    """A finite float64 tensor of ``rank`` dimensions."""
    tensor = numbers(value, what)
    if tensor.ndim != rank:
        raise ValueError(f"{what} must have {rank} dimension(s), got shape {tuple(tensor.shape)}")
    if not tensor.numel():
        raise ValueError(f"{what} must have at least one number, got none, shape {tuple(tensor.shape)}")
    return tensor
