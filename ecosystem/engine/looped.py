"""Models that cannot be stacked: a grid of torch modules, gone through one by one."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ecosystem.core.laws import Law, NoPopulationLaw
from ecosystem.core.samples import Pairs, Samples
from ecosystem.core.streams import Stream
from ecosystem.generators import ClosedForm, ConditionalModel, GenerativeModel
from ecosystem.generators.training import evaluating, memory_named


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

    def ask(self, prompts: Sequence[Sequence[Tensor | None]]) -> None:
        """Give conditional models without prompts their first ones, ``[members][variants]``."""
        for m, v, r in np.ndindex(self.models.shape):
            model = self.models[m, v, r]
            if isinstance(model, ConditionalModel) and model.prompts is None:
                model.prompts = prompts[m][v]

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

    def sample_one(self, index: int, n: int, rng: Stream) -> Samples:
        """``n`` samples of model ``index`` of the flattened grid; ``rng`` is one stream."""
        model = self.models.flat[index]
        with _speaking(model, rng):
            return model.sample(n, rng)

    def respond_one(self, index: int, inputs: Tensor, rng: Stream) -> Pairs:
        """What model ``index`` answers to ``inputs [n, *input]``."""
        model = self.models.flat[index]
        with _speaking(model, rng):
            return Pairs(inputs, model.respond(inputs, rng))


Stack = ClosedForm | Looped


def bounds(stack: Stack) -> tuple[Tensor, Tensor]:
    """The smallest and the largest of all parameters, NaN where one is NaN; of models without a copy of them."""
    if not isinstance(stack, Looped):
        low, high = stack.vector().aminmax()
        return low, high
    parameters = (p.detach() for model in stack.models.flat for p in model.parameters() if p.numel())
    ends = [end.double().cpu() for p in parameters for end in p.aminmax()]
    low, high = torch.stack(ends or [torch.zeros((), dtype=torch.float64)]).aminmax()
    return low, high


def fitted(model: GenerativeModel, data: Samples, rng: Stream) -> tuple[GenerativeModel, float]:
    """A copy of the model trained on the data, and its loss (NaN where the model reports none).

    A conditional model is from then on asked the inputs that it was trained on.
    """
    with memory_named(model, "training"):
        new = copy.deepcopy(model)
        with seeded(rng, new.device):
            loss = new.fit(data, rng)
    if isinstance(new, ConditionalModel) and isinstance(data, Pairs):
        new.prompts = data.inputs.clone()  # of the data alone, whatever they were cut from
    return new, float("nan") if loss is None else float(loss)


@contextmanager
def seeded(rng: Stream, device: torch.device) -> Iterator[None]:
    """Torch's global generators set to this address inside (for dropout and the like), and restored after."""
    seed, on_cpu = rng.at("torch").seed(), device.type == "cpu"
    with torch.random.fork_rng([] if on_cpu else [device], device_type="cuda" if on_cpu else device.type):
        torch.default_generator.manual_seed(seed)
        if not on_cpu:  # that device alone: others are not restored
            library = torch.get_device_module(device)
            with library.device(device):
                library.manual_seed(seed)
        yield


@contextmanager
def _speaking(model: GenerativeModel, rng: Stream) -> Iterator[None]:
    """A model that samples: without gradients, in evaluation mode, its chance and its memory seen to."""
    with torch.no_grad(), seeded(rng, model.device), memory_named(model, "sampling"), evaluating(model):
        yield


def _parameters(model: GenerativeModel) -> Tensor:
    with torch.no_grad():
        parts = [p.detach().flatten().double().cpu() for p in model.parameters()]
    return torch.cat(parts) if parts else torch.zeros(1, dtype=torch.float64)


def _numpy(index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple(_numpy(part) for part in index)
    return index.numpy() if isinstance(index, Tensor) else index
