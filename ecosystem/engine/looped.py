"""Models that cannot be stacked: a grid of torch modules, gone through one by one."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ecosystem.core.check import brief
from ecosystem.core.laws import Law, NoPopulationLaw
from ecosystem.core.samples import Pairs, Samples, concatenated, folded
from ecosystem.core.streams import Stream, on_device
from ecosystem.generators import ClosedForm, ConditionalModel, GenerativeModel
from ecosystem.generators.base import spoken
from ecosystem.generators.training import memory_named, seeded, speaking


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
        return type(self)(self.models[_numpy(index)])

    def vector(self) -> Tensor:
        """All parameters, ``[members, variants, replicates, P]``."""
        rows = [_parameters(model) for model in self.models.flat]
        return torch.stack(rows).reshape(*self.models.shape, -1)

    def put(self, member: int, value: Any) -> Looped:
        """These models with copies of ``value`` for one member: of one model, or of a grid ``[variants, replicates]``.

        Each comes in the modes (training, evaluation) of the one it replaces, and with its prompts where it has none.
        """
        models = self.models.copy()
        given = np.empty((), dtype=object)
        given[()] = value
        given = value.models if isinstance(value, Looped) else given
        if given.ndim == 1 and models.shape[2] == 1:  # as an agent shows variants of one replicate
            given = given[:, None]
        for cell, one in np.ndenumerate(np.broadcast_to(given, models.shape[1:])):
            models[(member, *cell)] = _in_place_of(models[(member, *cell)], one)
        return Looped(models)

    def law(self) -> Law:
        raise NoPopulationLaw(type(self.models.flat[0]).__name__)

    def sample(self, n: int, rng: Stream) -> Samples:
        """``n`` samples of every model, ``[*batch, n, *event]``; ``rng`` has keys of the batch, or one for all."""
        keys = rng.keys.expand(self.batch_shape).reshape(-1)
        drawn = [self.sample_one(i, n, replace(rng, keys=keys[i])) for i in range(len(keys))]
        return folded(concatenated(drawn), *self.batch_shape, n)  # type: ignore[type-var]

    def sample_one(self, index: int, n: int, rng: Stream) -> Samples:
        """``n`` samples of model ``index`` of the flattened grid; ``rng`` is one stream."""
        model, home = self.models.flat[index], rng.keys.device
        rng = beside(model, rng)
        with speaking(model, rng):
            return sent(spoken(model, model.sample(n, rng), n), home)

    def respond_one(self, index: int, inputs: Tensor, rng: Stream) -> Pairs:
        """What model ``index`` answers to ``inputs [n, *input]``."""
        model, home = self.models.flat[index], rng.keys.device
        rng = beside(model, rng)
        inputs = inputs.to(rng.keys.device)
        with speaking(model, rng):
            answered = Pairs(inputs, model.respond(inputs.clone(), rng))
            return sent(spoken(model, answered, len(inputs), "respond(inputs, rng)"), home)


class Copies(Looped):
    """What an agent shows where there is a model for each variant and replicate: they are asked one by one."""

    def sample(self, n: int, rng: Stream | None = None) -> Samples:
        """``n`` samples of every model, ``[*batch, n, *event]``."""
        if rng is None:
            raise TypeError(
                f"agent.generator.sample(n, rng): give it a stream, Stream.root([(0, 0)])[0]; {self._one()}"
            )
        return super().sample(n, rng)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "models":
            raise AttributeError(name)
        raise AttributeError(f"agent.generator has no {name!r} here: {self._one(name)}")

    def _one(self, name: str = "sample") -> str:
        model, shape = type(self.models.flat[0]).__name__, list(self.models.shape)
        first = ", ".join("0" * self.models.ndim)
        return f"it is {self.models.size} models {model}, {shape}; ask one: agent.generator.models[{first}].{name}"


Stack = ClosedForm | Looped


def copied(stack: Stack) -> Stack:
    """An independent copy to look at, its models in evaluation mode."""
    if not isinstance(stack, Looped):
        return stack.map(torch.clone)
    copies = np.empty_like(stack.models)
    for cell, model in np.ndenumerate(stack.models):
        copies[cell] = copy.deepcopy(model).eval()
    return Copies(copies)


def settle(stack: Looped, device: torch.device) -> Looped:
    """The models on a device: those that are on the CPU follow, others have a device of their own."""
    for model in stack.models.flat:
        if model.device.type == "cpu":
            model.to(device)
        if isinstance(model, ConditionalModel) and model.prompts is not None and model.device == device:
            model.prompts = model.prompts.to(device)
    return stack


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

    A conditional model is from then on asked the inputs that it was trained on. A ``fit`` of the user's own is given a
    copy of the data: its member's retention, and others, may keep them. A model on the CPU is given data and draws
    there, all others those of where the ecosystem lives.
    """
    home, rng = rng.keys.device, beside(model, rng)
    data = data if rng.keys.device == home else sent(data, rng.keys.device)
    with memory_named(model, "training"):
        new = copy.deepcopy(model)
        given = data if type(new).fit is GenerativeModel.fit or new.stores else data.clone()
        with seeded(rng, new.device):
            loss = new.fit(given, rng)
    if isinstance(new, ConditionalModel) and isinstance(data, Pairs):
        new.prompts = data.inputs.clone()  # of the data alone, whatever they were cut from
    try:
        return new, float("nan") if loss is None else float(loss)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(
            f"{type(new).__name__}.fit(data, rng) must return its loss, one number, or None, got {brief(loss)}"
        ) from None


def beside(model: GenerativeModel, rng: Stream) -> Stream:
    """A stream for a model that may have stayed on the CPU, where the ecosystem lives elsewhere."""
    return rng if rng.keys.is_cpu or model.device.type != "cpu" else on_device(rng, model.device)


def sent(x: Any, home: torch.device) -> Any:
    """Samples where the ecosystem lives; where they are already they stay as they are."""
    if isinstance(x, Pairs) and x.outputs.device != home:
        rejected = None if x.rejected is None else x.rejected.to(home)
        return Pairs(x.inputs.to(home), x.outputs.to(home), len(x.batch_shape), x.codec, rejected)
    return x.to(home) if isinstance(x, Tensor) else x


def _in_place_of(old: GenerativeModel, value: GenerativeModel) -> GenerativeModel:
    new = copy.deepcopy(value)
    if isinstance(new, ConditionalModel) and new.prompts is None:
        new.prompts = getattr(old, "prompts", None)
    modes = {name: module.training for name, module in old.named_modules()}
    for name, module in new.named_modules():
        module.training = modes.get(name, module.training)
    return new


def _parameters(model: GenerativeModel) -> Tensor:
    with torch.no_grad():
        parts = [p.detach().flatten().double().cpu() for p in model.parameters()]
    return torch.cat(parts) if parts else torch.zeros(1, dtype=torch.float64)


def _numpy(index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple(_numpy(part) for part in index)
    return index.numpy() if isinstance(index, Tensor) else index
