"""What users see of a model's new output: its law, or samples of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ecosystem.core.laws import Finite, Law, NoPopulationLaw
from ecosystem.core.products import row_product
from ecosystem.core.samples import Samples, flat, outputs
from ecosystem.rewards import Features


class Seen:
    """What users of a batch ``[*batch]`` saw, by the questions that one who learns may ask.

    ``round`` is the one after which they look, for learners that say ``timed = True``; None where there are no rounds.
    """

    round: int | None = None

    @property
    def batch_shape(self) -> tuple[int, ...]:
        raise NotImplementedError

    def law(self) -> Law:
        """The law of the output, batch ``[*batch]``; :class:`NoPopulationLaw` where there are only samples."""
        raise NotImplementedError

    def mean(self, features: Features = None) -> Tensor:
        """``E φ(x)`` over what was seen, ``[*batch, p]``.

        ``features`` is a function ``[n, *event] -> [n, p]``, a matrix ``[symbols, p]``, or None: the sample itself as
        a vector. Exact where the law is known: of any features on a finite alphabet, of the sample itself elsewhere,
        and :class:`NoPopulationLaw` where two moments do not tell it. Of pairs the outputs count.
        """
        raise NotImplementedError

    def cell(self, index: tuple[int, ...]) -> Seen:
        """What those in one cell of the batch saw, without a batch; dimensions of length 1 serve all."""
        raise NotImplementedError


class OfLaw(Seen):
    """The new output as a law with batch ``[*batch]``.

    >>> OfLaw(Finite(torch.tensor([0.5, 0.25, 0.25]))).mean(lambda x: x**2)
    tensor([1.2500])
    """

    def __init__(self, law: Law, round: int | None = None) -> None:
        self._law, self.round = law, round

    @property
    def batch_shape(self) -> tuple[int, ...]:
        law = self._law
        return tuple((law.probabilities if isinstance(law, Finite) else law.mean).shape[:-1])

    def law(self) -> Law:
        return self._law

    def mean(self, features: Features = None) -> Tensor:
        law = self._law
        if isinstance(law, Finite):
            return _average(law.probabilities, _rows(features, law.symbols))
        if features is None:
            return law.mean
        raise NoPopulationLaw(f"the mean of {_named(features)} under a continuous law")

    def cell(self, index: tuple[int, ...]) -> OfLaw:
        return OfLaw(self._law.take(_within(index, self.batch_shape)), self.round)


class OfSamples(Seen):
    """The new output as samples ``[*batch, n, *event]`` (or pairs) with so many batch dimensions.

    >>> OfSamples(torch.tensor([[0, 1], [1, 1]]), batch=1).mean(torch.eye(2))
    tensor([[0.5000, 0.5000],
            [0.0000, 1.0000]], dtype=torch.float64)
    """

    def __init__(self, samples: Samples, batch: int = 0, round: int | None = None) -> None:
        self.samples, self._batch, self.round = samples, batch, round

    @property
    def batch_shape(self) -> tuple[int, ...]:
        return tuple(self.samples.shape[: self._batch])

    def law(self) -> Law:
        raise NoPopulationLaw("what users saw is known by samples (ask for its mean); it")

    def mean(self, features: Features = None) -> Tensor:
        x, batch = outputs(self.samples), self._batch
        if features is None:
            values = x.reshape(*x.shape[: batch + 1], -1)
        elif callable(features):
            values = _rows(features, outputs(flat(x, batch + 1))).reshape(*x.shape[: batch + 1], -1)
        else:  # how often each symbol was seen, and so no features for every single sample
            matrix = _rows(features, x)
            counts = matrix.new_zeros(*x.shape[:batch], len(matrix))
            counts = counts.scatter_add(-1, x.long(), counts.new_ones(()).expand(x.shape))
            return _average(counts, matrix) / x.shape[batch]
        return values.to(torch.float64).mean(-2)

    def cell(self, index: tuple[int, ...]) -> OfSamples:
        return OfSamples(self.samples[_within(index, self.batch_shape)], 0, self.round)


def _rows(features: Features, x: Tensor) -> Tensor:
    """Features of samples ``x [n, *event]``, or of all symbols where they are given as a matrix."""
    if features is None:
        return x.reshape(len(x), -1)
    if callable(features):
        value: Any = features(x)
        if not isinstance(value, Tensor) or value.ndim not in (1, 2) or len(value) != len(x):
            got = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
            raise ValueError(
                f"{_named(features)} must return a row of numbers for each of {len(x)} samples, shape [{len(x)}, p], "
                f"got {got}"
            )
        return value.reshape(len(x), -1)
    if x.is_floating_point():
        raise TypeError(
            f"a matrix of features has a row for each symbol, what users saw are samples of type {x.dtype}; give a "
            "function of samples"
        )
    return torch.as_tensor(features, dtype=torch.float64, device=x.device)


def _average(weights: Tensor, rows: Tensor) -> Tensor:
    """``Σ_i weights[..., i] rows[i]``, the same bits whatever the batch."""
    if weights.shape[-1] != len(rows):
        raise ValueError(
            f"features have {len(rows)} rows, and what users saw has {weights.shape[-1]} symbols; give one row for each"
        )
    flat = row_product(weights.reshape(-1, len(rows)), rows.to(weights.dtype).mT)
    return flat.reshape(*weights.shape[:-1], -1)


def _within(index: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(i if size > 1 else 0 for i, size in zip(index, shape, strict=True))


def _named(features: Tensor | Callable[..., Any]) -> str:
    return getattr(features, "__name__", "features")
