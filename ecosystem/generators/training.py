"""How a loss is trained: steps, batches, the optimizer and its learning rate from round to round."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ecosystem.core.added import added
from ecosystem.core.arguments import spelled
from ecosystem.core.check import brief, function, real_number, returned, switch, users_code, whole_number
from ecosystem.core.drawing import addressed
from ecosystem.core.samples import Pairs, Samples
from ecosystem.core.streams import Stream
from ecosystem.generators.rates import scaled

_MOST = 100_000_000  # steps of one retraining, and samples of one batch
Optimizer = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]


@spelled
@dataclass(frozen=True)
class Training:
    """How a loss is trained each time its member retrains: ``steps`` of ``optimizer`` on batches of ``batch_size``.

    Training goes on from the current weights. The optimizer starts afresh unless ``keep_optimizer``, which keeps its
    state (momenta) from one retraining to the next; ``decay`` scales its learning rate by the number of earlier
    retrainings of this object (to leave pre-training out, load the weights into a new one), ``schedule(step, steps)``
    within a retraining (:class:`WarmUpCosine`). Gradients longer than ``clip`` are shortened to it (their norm over
    all parameters).
    ``precision=torch.bfloat16`` computes the loss in mixed precision (autocast), and so do image and language models
    their samples. ``stacked=True`` trains members and replicates of one shape side by side where they can
    (``GenerativeModel.stackable``): small models several times faster, on the same batches and noise, with the same
    weights within rounding, whose last bits depend on who else trains. Models train in torch's training mode and sample
    in evaluation mode.
    """

    steps: int = 200
    batch_size: int = 128
    optimizer: Optimizer = partial(torch.optim.Adam, lr=1e-3)  # noqa: RUF009 - frozen
    decay: Callable[[int], float] | None = None
    keep_optimizer: bool = False
    precision: torch.dtype | None = None
    schedule: Callable[[int, int], float] | None = None
    clip: float | None = None
    stacked: bool = False

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size"):
            whole_number(getattr(self, name), f"Training({name})", 1, high=_MOST)
        switch(self.keep_optimizer, "Training(keep_optimizer)")
        switch(self.stacked, "Training(stacked)")
        if self.decay is not None:
            function(self.decay, "Training(decay) is a function of the number of earlier retrainings, or None")
        if self.schedule is not None:
            function(self.schedule, "Training(schedule) is a function of step and steps, or None")
        if self.clip is not None and not 0 < real_number(self.clip) < math.inf:
            raise ValueError(f"Training(clip) is a positive norm, or None, got {brief(self.clip)}")
        if self.optimizer is not Training.optimizer:  # the first optimizer that is made takes torch a second
            _check_optimizer(self.optimizer)
        if not any(self.precision is known for known in (None, torch.float32, torch.bfloat16)):
            raise ValueError(
                f"Training(precision) is None, torch.float32 or torch.bfloat16 (which needs no loss scaling), got "
                f"{brief(self.precision)}"
            )


def check_plan(plan: Any, what: str) -> None:
    """Refuse a training plan that is none."""
    if plan is not None and not isinstance(plan, Training):
        raise TypeError(f"{what} is Training(steps=..., batch_size=...), or None, got {brief(plan)}")


def _check_optimizer(optimizer: Any) -> None:
    """Refuse what makes no optimizer of parameters, tried on one."""
    what = "Training(optimizer) is a class of torch.optim, or partial(torch.optim.AdamW, lr=1e-3),"
    function(optimizer, what[:-1])
    with users_code(what):
        made = optimizer([nn.Parameter(torch.zeros(1))])
    if not isinstance(made, torch.optim.Optimizer):
        raise TypeError(f"{what} got {brief(optimizer)}, which makes {brief(made)}")


def check_loss(model: Any, loss: Any) -> None:
    """Refuse what is no loss to train on."""
    if not isinstance(loss, Tensor) or loss.ndim or not loss.requires_grad:
        kind = "" if not isinstance(loss, Tensor) or loss.ndim else " without a gradient"
        raise ValueError(
            f"{type(model).__name__}.loss(batch, rng) must return a scalar tensor that depends on its parameters, "
            f"such as a mean over the batch, got {returned(loss)}{kind}"
        )


class Trainable(Protocol):
    """What is asked here of a model: a torch module with a loss and a plan."""

    training_plan: Training
    retrainings: int
    optimizer_state: dict[str, Any] | None
    memory_arguments: str

    @property
    def device(self) -> torch.device: ...

    def loss(self, batch: Any, rng: Stream) -> Tensor: ...

    def parameters(self) -> Iterator[nn.Parameter]: ...

    def state_dict(self) -> dict[str, Any]: ...

    def modules(self) -> Iterator[nn.Module]: ...

    def train(self) -> Any: ...

    def eval(self) -> Any: ...


def trained(model: Trainable, data: Samples, rng: Stream) -> float:
    """Train a model in place as its plan says; returns the mean loss of the last tenth of the steps."""
    plan, rng = model.training_plan, addressed(rng)
    optimizer = optimizer_of(model)
    rates = [group["lr"] for group in optimizer.param_groups]
    last: deque[torch.Tensor] = deque(maxlen=max(1, plan.steps // 10))
    model.train()
    with torch.enable_grad():
        for step in range(plan.steps):
            here = rng.at(step)
            lots = here.at("batch").uniform(min(plan.batch_size, len(data)), dtype=torch.float64)
            rows = (lots * len(data)).long().clamp_(max=len(data) - 1)
            with autocast(model, plan.precision):
                loss = model.loss(as_wanted(model, data[rows]), here.at("loss"))
            check_loss(model, loss)
            optimizer.zero_grad()
            loss.backward()
            if plan.clip is not None:
                nn.utils.clip_grad_norm_((p for group in optimizer.param_groups for p in group["params"]), plan.clip)
            if plan.schedule is not None:
                factor = scaled(plan.schedule, "Training(schedule)", step, plan.steps)
                for group, rate in zip(optimizer.param_groups, rates, strict=True):
                    group["lr"] = rate * factor
            optimizer.step()
            last.append(loss.detach())  # as a number it would make a GPU wait
    if plan.keep_optimizer:
        model.optimizer_state = optimizer.state_dict()
    model.retrainings += 1
    return mean_of([float(loss) for loss in last])


def mean_of(losses: list[float]) -> float:
    """The loss that a retraining reports, of those of its last steps."""
    return added(losses) / len(losses)


def optimizer_of(model: Trainable) -> torch.optim.Optimizer:
    """The optimizer of this retraining: its state if it is kept, its learning rate as the plan says now."""
    plan = model.training_plan
    optimizer = plan.optimizer([p for p in model.parameters() if p.requires_grad])
    fresh = [dict(group) for group in optimizer.param_groups]
    if plan.keep_optimizer and model.optimizer_state is not None:
        optimizer.load_state_dict(model.optimizer_state)
    factor = 1.0 if plan.decay is None else scaled(plan.decay, "Training(decay)", model.retrainings)
    for group, start in zip(optimizer.param_groups, fresh, strict=True):
        group["lr"] = start["lr"] * factor
        if "weight_decay" in group:
            off = factor < 1 and not getattr(plan.decay, "keep_weight_decay", True)
            group["weight_decay"] = 0.0 if off else start["weight_decay"]
    return optimizer


def as_wanted(model: Trainable, batch: Samples) -> Samples:
    """A batch on the model's device, numbers in the type of its parameters."""
    if isinstance(batch, Pairs):
        rejected = None if batch.rejected is None else _moved(model, batch.rejected)
        return Pairs(_moved(model, batch.inputs), _moved(model, batch.outputs), 1, batch.codec, rejected)
    return _moved(model, batch)


def _moved(model: Trainable, x: torch.Tensor) -> torch.Tensor:
    first = next(model.parameters())
    return x.to(first.device, first.dtype if x.is_floating_point() else x.dtype)


def autocast(model: Trainable, precision: torch.dtype | None) -> Any:
    """Torch's mixed precision on the model's device; nothing for None and float32."""
    mixed = precision is not None and precision != torch.float32
    return torch.autocast(model.device.type, dtype=precision, enabled=mixed)


@contextmanager
def evaluating(model: Trainable) -> Iterator[None]:
    """Torch's evaluation mode inside (no dropout, batch statistics as they were learnt)."""
    before = [(module, module.training) for module in model.modules()]  # a part may be kept in it for good
    model.eval()
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


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
def speaking(model: Trainable, rng: Stream) -> Iterator[None]:
    """A model that samples: without gradients, in evaluation mode, its chance and its memory seen to.

    RuntimeError where that changes the model: who looks at its samples would change what comes after.
    """
    before = _state(model)
    with torch.no_grad(), seeded(rng, model.device), memory_named(model, "sampling"), evaluating(model):
        yield
    after = _state(model)
    changed = [name for name in dict.fromkeys((*before, *after)) if before.get(name) != after.get(name)]
    if changed:
        raise RuntimeError(
            f"sampling from {type(model).__name__} changed its {', '.join(changed[:3])}; a model changes in fit alone, "
            "since else a look at its samples would change the run: do that in fit, or keep it in a buffer with "
            "persistent=False"
        )


def _state(model: Trainable) -> dict[str, tuple[int, int]]:
    """Which tensors a model is, and how often each was written to."""
    state = {name: x for name, x in model.state_dict().items() if isinstance(x, Tensor) and not x.is_inference()}
    return {name: (x.data_ptr(), x._version) for name, x in state.items()}


@contextmanager
def memory_named(model: Trainable, doing: str) -> Iterator[None]:
    """Running out of memory inside becomes an error that names the arguments that need less of it."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        short = isinstance(error, torch.OutOfMemoryError | MemoryError) or "not enough memory" in str(error)
        if not short or "of memory while" in str(error):
            raise
        raise RuntimeError(
            f"{type(model).__name__} ran out of memory while {doing} on {model.device}; give it smaller batches: "
            f"{model.memory_arguments}"
        ) from error
