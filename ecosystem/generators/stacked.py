"""Models of one shape that train side by side: their weights stacked, one program of torch for all of them.

Small networks spend their time on calls, not on arithmetic; stacked, all of them share the calls. Each model keeps its
own stream: it sees the batches and the noise that it would see alone, so that its weights are those of the loop within
rounding. What cannot be stacked is found out, and trained one by one: another optimizer, hooks, dropout, buffers that
training changes, operations that ``torch.vmap`` refuses.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim import SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, RMSprop

from ecosystem.core.drawing import Advancing
from ecosystem.core.samples import Pairs, Samples
from ecosystem.core.streams import Stream
from ecosystem.generators.base import GenerativeModel
from ecosystem.generators.likeness import alike, same
from ecosystem.generators.rates import scaled
from ecosystem.generators.training import as_wanted, mean_of, optimizer_of

# Each weight moves by its own gradient alone: a stack of weights moves as they do one by one.
_ELEMENTWISE = (SGD, Adam, AdamW, RMSprop, Adagrad, Adadelta, Adamax)
_MOST = 64  # models in one stack: more do not fit the cache


class Apart(Exception):
    """Why models cannot train side by side."""


def wants_stack(model: GenerativeModel) -> bool:
    """Whether a model's plan asks for it, and its own class says that its loss may be stacked."""
    kind, plan = type(model), model.training_plan
    plain = kind.fit is GenerativeModel.fit and not {"fit", "loss"} & vars(model).keys()
    return plan.stacked and plain and bool(vars(kind).get("stackable")) and plan.precision in (None, torch.float32)


def groups(models: Sequence[GenerativeModel], data: Sequence[Samples]) -> Iterator[list[int]]:
    """Which of some models and their training sets may be stacked with each other; each is in one group."""
    found: list[list[int]] = []
    for i, model in enumerate(models):
        for group in found:
            first = group[0]
            fits = len(group) < _MOST and _like(data[first], data[i]) and alike(models[first], model)
            if fits and same(models[first].training_plan, model.training_plan):
                group.append(i)
                break
        else:
            found.append([i])
    yield from found


def trained_together(models: Sequence[GenerativeModel], data: Sequence[Samples], rngs: Sequence[Stream]) -> list[float]:
    """Train models that are alike in place, each on its data by its stream; their losses.

    Apart, or what torch or a model raises, where they must train one by one: then none of them has changed.
    """
    for model in models:
        model.train()
    plan, stack, rng = models[0].training_plan, _Stack(models), _joined(rngs)
    last: deque[Tensor] = deque(maxlen=max(1, plan.steps // 10))
    whole = _side_by_side([as_wanted(models[0], x) for x in data])
    each, size = torch.arange(len(models)).unsqueeze(1), len(data[0])
    with torch.enable_grad():
        for step in range(plan.steps):
            here = rng.at(step)
            lots = here.at("batch").uniform(min(plan.batch_size, size), dtype=torch.float64)
            rows = (lots * size).long().clamp_(max=size - 1)
            losses = stack.losses([None if x is None else x[each, rows] for x in whole], data[0], here.at("loss"))
            stack.optimizer.zero_grad()
            losses.sum().backward()
            if plan.clip is not None:
                stack.clip(plan.clip)
            stack.rate(step)
            stack.optimizer.step()
            last.append(losses.detach())
    stack.write()
    ends = torch.stack(list(last)).double().cpu()
    return [mean_of(ends[:, i].tolist()) for i in range(len(models))]


@dataclass(frozen=True)
class _Together(Advancing):
    """The streams of all models of a stack, as the one model sees them that ``torch.vmap`` calls: its own draws."""

    which: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.int64))

    def uniform(self, n: int, *event: int, dtype: torch.dtype | None = None) -> Tensor:
        return self._mine(super().uniform(n, *event, dtype=dtype))

    def normal(self, n: int, *event: int, dtype: torch.dtype | None = None) -> Tensor:
        return self._mine(super().normal(n, *event, dtype=dtype))

    def gumbel(self, n: int, *event: int, dtype: torch.dtype | None = None) -> Tensor:
        return self._mine(super().gumbel(n, *event, dtype=dtype))

    def _mine(self, drawn: Tensor) -> Tensor:
        return drawn.index_select(0, self.which.unsqueeze(0).to(drawn.device)).squeeze(0)

    def _alone(self, *given: Any, **named: Any) -> NoReturn:
        raise Apart("it draws in a way that only one model at a time can")

    addressed = seed = skip = select = numbers = torch = numpy = __getitem__ = _alone  # type: ignore[assignment]


class _Loss(nn.Module):
    """A model's loss as a forward pass, which ``functional_call`` wants."""

    def __init__(self, model: GenerativeModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Samples, rng: Stream) -> Tensor:
        before = self._held()
        loss = self.model.loss(batch, rng)
        if any(x is not now for x, now in zip(before, self._held(), strict=True)):
            raise Apart("training gives it other tensors")
        return loss

    def _held(self) -> list[Tensor | None]:
        return [x for m in self.model.modules() for x in (*m._buffers.values(), *m._parameters.values())]


class _Stack:
    """The weights of models that are alike, stacked, and the optimizer that moves them."""

    def __init__(self, models: Sequence[GenerativeModel]) -> None:
        self.models = models
        self.plan = models[0].training_plan
        self.shown = _Loss(copy.deepcopy(models[0]))  # what is called, with weights of others in the place of its own
        self.names = [name for name, _ in self.shown.named_parameters()]
        self.each = [list(model.parameters()) for model in models]
        stacked = [torch.stack([p.detach() for p in same]) for same in zip(*self.each, strict=True)]
        self.weights = {
            name: value.requires_grad_(p.requires_grad)
            for name, value, p in zip(self.names, stacked, self.each[0], strict=True)
        }
        held = [dict(_Loss(model).named_buffers()) for model in models]
        self.buffers = {name: torch.stack([b[name] for b in held]) for name in held[0]}
        self.before = {name: x.clone() for name, x in self.buffers.items()}
        self.alone = [optimizer_of(model) for model in models]
        self.optimizer = self._optimizer()
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        self.which = torch.arange(len(models))

    def losses(self, batch: Sequence[Tensor | None], like: Samples, rng: Stream) -> Tensor:
        """The loss of each model on its batch, ``[models]``."""

        def one(weights: Any, buffers: Any, which: Tensor, *parts: Tensor | None) -> Tensor:
            stream = _Together(rng.keys, rng.first, rng.rows, which=which)
            given = _as_samples(parts, like)
            return functional_call(self.shown, (weights, buffers), (given, stream))

        spread = tuple(None if x is None else 0 for x in batch)
        call = torch.vmap(one, (0, 0, 0, *spread), randomness="error")
        out = call(self.weights, self.buffers, self.which, *batch)
        if not isinstance(out, Tensor) or out.shape != self.which.shape or not out.requires_grad:
            raise Apart("its loss is no scalar with a gradient")
        return out

    def clip(self, most: float) -> None:
        """Shorten each model's gradient to a norm, as ``clip_grad_norm_`` does."""
        grads = [p.grad for group in self.optimizer.param_groups for p in group["params"] if p.grad is not None]
        norms = torch.stack([torch.linalg.vector_norm(g.flatten(1), dim=1) for g in grads])
        factor = (most / (torch.linalg.vector_norm(norms, dim=0) + 1e-6)).clamp(max=1.0)
        for g in grads:
            g.mul_(factor.reshape(-1, *(1,) * (g.ndim - 1)))

    def rate(self, step: int) -> None:
        """The learning rate of this step."""
        plans = [model.training_plan for model in self.models]
        if all(plan.schedule is None for plan in plans):
            return
        told = {1.0 if p.schedule is None else scaled(p.schedule, "schedule", step, p.steps) for p in plans}
        if len(told) > 1:
            raise Apart("their schedules differ")
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * next(iter(told))

    def write(self) -> None:
        """Give each model its weights, and its optimizer's state where that is kept."""
        if any(not torch.equal(x, self.before[name]) for name, x in self.buffers.items()):
            raise Apart("training changes its buffers")
        if not alike(self.shown.model, self.models[0]):
            raise Apart("training changes its attributes")
        for i, (model, own, alone) in enumerate(zip(self.models, self.each, self.alone, strict=True)):
            with torch.no_grad():
                for p, value in zip(own, self.weights.values(), strict=True):
                    p.copy_(value[i])
            if self.plan.keep_optimizer:
                self._write_state(i, alone)
                model.optimizer_state = alone.state_dict()
            model.retrainings += 1

    # -- the optimizer -----------------------------------------------------------------------------------------------

    def _optimizer(self) -> torch.optim.Optimizer:
        """That of the first model, on the stacked weights; refused where others' differ."""
        first = self.alone[0]
        if type(first) not in _ELEMENTWISE or _hooked(first):
            raise Apart("its optimizer is not known to move each weight by itself")
        settings = [_settings(one, own) for one, own in zip(self.alone, self.each, strict=True)]
        if not all(
            type(one) is type(first) and same(s, settings[0]) for one, s in zip(self.alone, settings, strict=True)
        ):
            raise Apart("their optimizers differ")
        stacked = list(self.weights.values())
        kind: Any = type(first)
        made = kind([{**group, "params": [stacked[j] for j in group["params"]]} for group in settings[0]])
        for j, weights in enumerate(stacked):
            kept = [one.state.get(own[j], {}) for one, own in zip(self.alone, self.each, strict=True)]
            if any(state.keys() != kept[0].keys() for state in kept):
                raise Apart("their optimizers have come to different states")
            if kept[0]:
                made.state[weights] = {name: _merged(name, [state[name] for state in kept]) for name in kept[0]}
        return made

    def _write_state(self, i: int, alone: torch.optim.Optimizer) -> None:
        for group, rates in zip(alone.param_groups, self.optimizer.param_groups, strict=True):
            group["lr"] = rates["lr"]
        for p, weights in zip(self.each[i], self.weights.values(), strict=True):
            if state := self.optimizer.state.get(weights):
                alone.state[p] = {name: _part(name, value, i) for name, value in state.items()}


def _merged(name: str, values: list[Any]) -> Any:
    """Momenta stacked; a count of steps must be one."""
    if isinstance(values[0], Tensor) and name != "step":
        return torch.stack(values)
    if any(not same(value, values[0]) for value in values):
        raise Apart("their optimizers have come to different states")
    return copy.deepcopy(values[0])


def _part(name: str, value: Any, i: int) -> Any:
    return value[i].clone() if isinstance(value, Tensor) and name != "step" else copy.deepcopy(value)


def _settings(optimizer: torch.optim.Optimizer, own: Sequence[nn.Parameter]) -> list[dict[str, Any]]:
    """The groups of an optimizer, with places in the model instead of parameters."""
    place = {id(p): j for j, p in enumerate(own)}
    return [{**group, "params": [place[id(p)] for p in group["params"]]} for group in optimizer.param_groups]


def _hooked(optimizer: torch.optim.Optimizer) -> bool:
    return any(value for name, value in vars(optimizer).items() if name.startswith("_optimizer_") and "hooks" in name)


# -- data --------------------------------------------------------------------------------------------------------------


def _like(one: Samples, other: Samples) -> bool:
    if type(one) is not type(other) or one.shape != other.shape or one.dtype != other.dtype:
        return False
    if isinstance(one, Pairs) and isinstance(other, Pairs):
        here, there = (x.inputs for x in (one, other))
        rejected = one.rejected is None and other.rejected is None
        return rejected and here.shape == there.shape and here.dtype == there.dtype and one.codec == other.codec
    return isinstance(one, Tensor)


def _side_by_side(data: Sequence[Samples]) -> list[Tensor | None]:
    """The tensors of training sets, stacked: outputs, and inputs where there are some."""
    if isinstance(data[0], Pairs):
        return [torch.stack([x.outputs for x in data]), torch.stack([x.inputs for x in data])]  # type: ignore[union-attr]
    return [torch.stack(list(data)), None]  # type: ignore[arg-type]


def _as_samples(parts: Sequence[Tensor | None], like: Samples) -> Samples:
    outputs, inputs = parts
    assert outputs is not None
    return outputs if inputs is None else Pairs(inputs, outputs, 1, like.codec if isinstance(like, Pairs) else None)


def _joined(rngs: Sequence[Stream]) -> Stream:
    """Streams of one key each as one of many keys."""
    if any(rng.rows is not None or not isinstance(rng.first, int) or rng.first for rng in rngs):
        raise Apart("their streams begin elsewhere")
    return Stream(torch.stack([rng.keys for rng in rngs]))
