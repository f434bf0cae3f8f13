"""Numbers from a seed, and slates of candidates that stand on their own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ecosystem import GaussianMixture, Stream
from ecosystem.core.laws import Law
from ecosystem.generators import ClosedForm


def numbers(value: Any) -> Tensor:
    """A float64 tensor that has not been a float32 on the way."""
    return torch.tensor(value, dtype=torch.float64)


def normals(seed: int, *shape: int) -> Tensor:
    """Standard normal float64 numbers."""
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def probabilities(seed: int, *shape: int) -> Tensor:
    """Laws ``[*batch, n]`` on symbols."""
    return torch.softmax(1.5 * normals(seed, *shape), -1)


def covariance(seed: int, *batch: int, d: int) -> Tensor:
    """Covariance matrices ``[*batch, d, d]``."""
    factor = normals(seed, *batch, d, d)
    return factor @ factor.mT + 0.1 * torch.eye(d, dtype=torch.float64)


def mixture(seed: int = 0, count: int = 3, d: int = 2, **settings) -> GaussianMixture:
    """A mixture with overlapping components."""
    return GaussianMixture(
        probabilities(seed, count), 3 * normals(seed + 1, count, d), covariance(seed + 2, count, d=d), **settings
    )


class Shown:
    """A slate (see ``ecosystem.curation.Slate``): ``m`` users are shown what one generator makes."""

    def __init__(self, generator: ClosedForm, keys: Stream, pool: Tensor | None = None) -> None:
        self.generator = generator
        self.keys = keys  # one for each sample
        self.pools = torch.zeros_like(keys.keys) if pool is None else pool

    @classmethod
    def of(cls, generator: ClosedForm, m: int, seed: int = 0) -> Shown:
        return cls(generator, Stream.root([(seed, 0)])[0].at("slate").at(torch.arange(m)))

    def candidate(self, k: int) -> Tensor:
        noise = self.generator.noise(1, self.keys.at("noise").at(k)).squeeze(1)
        return self.generator.push_from(noise, torch.zeros(len(noise), dtype=torch.int64))

    def law(self) -> Law:
        m = len(self.keys.keys)
        return self.generator.map(lambda t: t.expand(m, *t.shape)).law()

    def noise(self) -> Tensor:
        return self.generator.noise(1, self.keys.at("noise").at(0)).squeeze(1)

    def pool(self) -> Tensor:
        return self.pools

    def take(self, index: Tensor) -> Shown:
        return Shown(self.generator, self.keys[index], self.pools[index])


class Fixed:
    """Every user is shown the same candidates, ``values [K, *event]``."""

    def __init__(self, values: Tensor, m: int) -> None:
        self.values = values
        self.m = m

    def candidate(self, k: int) -> Tensor:
        return self.values[k].expand(self.m, *self.values.shape[1:])

    def law(self) -> Law:
        raise NotImplementedError

    def noise(self) -> Tensor:
        raise NotImplementedError

    def pool(self) -> Tensor:
        return torch.zeros(self.m, dtype=torch.int64)

    def take(self, index: Tensor) -> Fixed:
        return Fixed(self.values, len(index))


def users(m: int, seed: int = 0) -> Stream:
    """The luck of ``m`` users."""
    return Stream.root([(seed, 0)])[0].at("users").at(torch.arange(m))
