"""Real data as sources: what a member's real share is drawn from."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar, cast

import torch
from torch import Tensor

from ecosystem.core.arguments import spelled
from ecosystem.core.check import as_tensor, brief, real_tensor, users_code, whole_number
from ecosystem.core.laws import Finite, Law, Moments
from ecosystem.core.samples import Pairs, Samples
from ecosystem.core.streams import Stream
from ecosystem.generators.base import GenerativeModel
from ecosystem.generators.categorical import known_symbols
from ecosystem.generators.closed_form import ClosedForm


@spelled
class Empirical(ClosedForm):
    """The empirical law of a data set: samples are rows of ``data [m, *event]``, drawn with replacement."""

    SETTINGS: ClassVar[tuple[str, ...]] = ("event_shape", "symbols", "rank")
    data: Tensor
    rank: int

    def __init__(self, data: Tensor, symbols: int | None = None) -> None:
        data = data if real_tensor(data) else as_tensor(data, "Empirical(data)")
        if not data.ndim:
            raise ValueError(f"Empirical(data) has a row for each sample, [m, *event], got {brief(data)}")
        if symbols is not None:
            whole_number(symbols, "Empirical(symbols)", 1)
        self.__dict__["rank"] = data.ndim  # of the data without batch: rows and event
        super().__init__(tuple(data.shape[1:]), data=data)
        self.symbols = symbols

    @property
    def PARAMETERS(self) -> dict[str, int]:  # type: ignore[override]
        return {"data": self.rank}

    def noise(self, n: int, rng: Stream) -> Tensor:
        return rng.uniform(n, 1)

    def push_from(self, noise: Tensor, index: Tensor) -> Tensor:
        batch = len(self.batch_shape)
        rows = self.data.flatten(0, batch) if batch else self.data
        count = self.data.shape[batch]
        row = (noise[:, 0] * count).long().clamp_(max=count - 1)
        return rows[index * count + row]

    def law(self) -> Law:
        return self._law

    @cached_property
    def _law(self) -> Law:
        batch = len(self.batch_shape)
        if self.symbols is not None:
            one_hot = torch.nn.functional.one_hot(self.data, self.symbols).double()
            return Finite(one_hot.mean(batch))
        flat = self.data.double().flatten(batch + 1)
        mean = flat.mean(batch)

        def covariance() -> Tensor:
            centred = flat - mean.unsqueeze(batch)
            return centred.mT @ centred / flat.shape[batch]

        return Moments(mean, covariance)


class EmpiricalPairs(GenerativeModel):
    """The empirical law of pairs ``[m]``: rows drawn with replacement."""

    def __init__(self, data: Pairs) -> None:
        super().__init__()
        self.data = data
        self.event_shape = tuple(data.shape[1:])
        self.input_shape = data.input_shape
        self.codec = data.codec

    def __deepcopy__(self, memo: dict[int, Any]) -> EmpiricalPairs:
        return self  # it never changes, and may be large

    def sample(self, n: int, rng: Stream) -> Pairs:
        lots = rng.uniform(n, dtype=torch.float64)
        return self.data[(lots * len(self.data)).long().clamp_(max=len(self.data) - 1)]


class SampleFunction(GenerativeModel):
    """A callable ``(n, rng) -> samples [n, *event]`` as a source that never changes.

    ``rng`` draws numbers in the type that the generator of its reader has, each draw another one.
    """

    def __init__(self, function: Callable[[int, Stream], Any], like: GenerativeModel) -> None:
        super().__init__()
        self.function = function
        self.event_shape, self.input_shape, self.symbols = like.event_shape, like.input_shape, like.symbols
        self._draw_type = like.draw_type

    @property
    def draw_type(self) -> torch.dtype:
        return self._draw_type

    def sample(self, n: int, rng: Stream) -> Samples:
        who = getattr(self.function, "__name__", type(self.function).__name__)
        with users_code(lambda: f"the real data function {who}(n, rng)"):
            x = self.function(n, rng)
        if isinstance(x, Pairs):
            return x
        x = as_tensor(x, f"what the real data function {who}(n, rng) returns")
        if x.shape != (n, *self.event_shape):
            raise ValueError(
                f"SampleFunction.sample(n, rng) must return [n, *event_shape] = {(n, *self.event_shape)} for n = {n}, "
                f"got shape {tuple(x.shape)} of {who}"
            )
        if self.symbols is not None:
            return known_symbols(x, self.symbols, f"what the real data function {who}(n, rng) returns")
        return x.to(self._draw_type)


def as_source(real: Any, generator: GenerativeModel, where: str) -> GenerativeModel:
    """A source of real data for a member with this generator, checked; ``where`` names the member in errors."""
    if isinstance(real, GenerativeModel):
        source = real
    elif isinstance(real, Pairs):
        source = EmpiricalPairs(real)
    elif callable(real) and not isinstance(real, Tensor | type):
        source = SampleFunction(cast(Callable[[int, Stream], Any], real), generator)
    else:
        try:
            data = as_tensor(real, f"the real data of {where}").clone()
        except TypeError as error:
            raise TypeError(
                f"{error}; real data are a tensor, Pairs(inputs, outputs), a generator, or a function (n, rng)"
            ) from error
        source = _empirical(data, generator, where)
    sizes = [model.symbols for model in (source, generator)]
    if None not in sizes and sizes[0] != sizes[1]:
        raise ValueError(
            f"the real data of {where} have {sizes[0]} symbols, its generator {sizes[1]}; give both one alphabet"
        )
    if source.input_shape != generator.input_shape:
        raise ValueError(
            f"the real data of {where} have {_inputs(source)}, its generator answers {_inputs(generator)}; "
            + ("give it pairs: real=Pairs(inputs, outputs)" if source.input_shape is None else "let them agree")
        )
    if tuple(source.event_shape) != tuple(generator.event_shape):
        raise ValueError(
            f"the real data of {where} have samples of shape {tuple(source.event_shape)}, its generator makes "
            f"{tuple(generator.event_shape)}; give data of shape [m, {', '.join(map(str, generator.event_shape))}]"
        )
    return source


def check_finite(data: Pairs, where: str) -> None:
    """Refuse pairs without rows, or with rows that are no numbers."""
    if not len(data):
        raise ValueError(f"the real data of {where} are empty; give Pairs(inputs, outputs) with at least one row")
    for what, x in (("inputs", data.inputs), ("outputs", data.outputs)):
        bad = int((~torch.isfinite(x.reshape(len(x), -1))).any(1).sum())
        if bad:
            raise ValueError(
                f"the real data of {where} have NaN or infinite {what} in {bad} of {len(x)} rows; drop them"
            )


def _inputs(model: GenerativeModel) -> str:
    return "no inputs" if model.input_shape is None else f"inputs of shape {tuple(model.input_shape)}"


def _empirical(data: Tensor, generator: GenerativeModel, where: str) -> Empirical:
    data = data.reshape(1) if data.ndim == 0 else data  # one number: its shape is refused by the caller
    if len(data) == 0:
        raise ValueError(f"the real data of {where} are empty; give a tensor [m, *event] with at least one sample")
    if not torch.isfinite(data).all():
        bad = int((~torch.isfinite(data.flatten(1) if data.ndim > 1 else data.unsqueeze(-1))).any(-1).sum())
        raise ValueError(
            f"the real data of {where} have NaN or infinite values in {bad} of {len(data)} rows; drop them"
        )
    if not isinstance(generator, ClosedForm):
        return Empirical(data)
    if generator.symbols is None:
        return Empirical(data.to(torch.float64))
    data = known_symbols(data, generator.symbols, f"the real data of {where}")
    return Empirical(data, symbols=generator.symbols)
