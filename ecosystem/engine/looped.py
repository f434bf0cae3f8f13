"""Models that cannot be stacked: a grid of torch modules, gone through one by one."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ecosystem.generators import ClosedForm, GenerativeModel
from ecosystem.laws import Law, NoPopulationLaw
from ecosystem.streams import Stream


class Looped:
    """Generators ``models [members, variants, replicates]`` (an object array), with the face of a stacked family."""

    def __init__(self, models: np.ndarray) -> None:
        self.models = models

    @classmethod
    def of(cls, models: Sequence[Sequence[GenerativeModel]], replicates: int) -> Looped:
        """From ``[members][variants]``, with an independent copy for each replicate."""
        grid = np.empty((len(models), len(models[0]), replicates), dtype=object)
        for m, v, r in np.ndindex(grid.shape):
            grid[m, v, r] = copy.deepcopy(models[m][v])
        return cls(grid)

    @property
    def event_shape(self) -> tuple[int, ...]:
        return tuple(self.models.flat[0].event_shape)

    @property
    def batch_shape(self) -> torch.Size:
        return torch.Size(self.models.shape)

    def take(self, index: Any) -> Looped:
        return Looped(self.models[_numpy(index)])

    def vector(self) -> Tensor:
        """All parameters, ``[members, variants, replicates, P]``."""
        rows = [_parameters(model) for model in self.models.flat]
        return torch.stack(rows).reshape(*self.models.shape, -1)

    def law(self) -> Law:
        raise NoPopulationLaw(type(self.models.flat[0]).__name__)

    def sample_one(self, index: int, n: int, rng: Stream) -> Tensor:
        """``n`` samples of model ``index`` of the flattened grid; ``rng`` is one stream."""
        model = self.models.flat[index]
        with torch.no_grad(), seeded(rng):
            return model.sample(n, rng)


Stack = ClosedForm | Looped


def fitted(model: GenerativeModel, data: Tensor, rng: Stream) -> tuple[GenerativeModel, float]:
    """A copy of the model trained on the data, and its loss (NaN where the model reports none)."""
    new = copy.deepcopy(model)
    with seeded(rng):
        loss = new.fit(data, rng)
    return new, float("nan") if loss is None else float(loss)


@contextmanager
def seeded(rng: Stream) -> Iterator[None]:
    """Torch's global generator set to this address inside (for dropout and the like), and restored after."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(rng.at("torch").seed())
        yield


def _parameters(model: GenerativeModel) -> Tensor:
    with torch.no_grad():
        parts = [p.detach().flatten().double() for p in model.parameters()]
    return torch.cat(parts) if parts else torch.zeros(1, dtype=torch.float64)


def _numpy(index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple(_numpy(part) for part in index)
    return index.numpy() if isinstance(index, Tensor) else index
