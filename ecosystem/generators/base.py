"""The contract of generators.

A *generator* is a torch module that can ``sample`` and ``fit``. The user's own ``nn.Module`` derives from
:class:`GenerativeModel` and brings ``sample`` and a ``loss`` that the library trains (or its own ``fit``).
"""

from __future__ import annotations

from itertools import chain
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ecosystem.core.check import method, real_tensor, returned
from ecosystem.core.claims import Claims
from ecosystem.core.drawing import Drawing, addressed
from ecosystem.core.samples import Pairs, TokenCodec
from ecosystem.core.streams import Stream, with_parts
from ecosystem.generators.training import Training, trained


class GenerativeModel(nn.Module, Claims, Drawing):
    """A torch module that can sample and fit.

    Set ``event_shape`` (the shape of one sample), write ``sample(n, rng) -> [n, *event]`` and either
    ``loss(batch, rng) -> scalar`` (trained as ``self.training_plan`` says) or ``fit(data, rng) -> loss | None``.
    Models train in torch's training mode and sample in evaluation mode.

    **Randomness** comes from ``rng``, an :class:`~ecosystem.core.drawing.Advancing` stream: each draw of a call
    (``rng.normal(n, *shape)``, ``rng.uniform(n)``, ``rng.torch()``, ``rng.numpy()``) is another, and every call begins
    anew, so runs are reproducible to the bit. Row ``i`` belongs to sample ``i``. Numbers are float32 where the model's
    parameters are (``draw_type``), unless a ``dtype`` is given. In an ecosystem torch's global generators (the CPU's
    and that of the model's device) are set from the same address before ``sample``, ``respond`` and ``fit``, and put
    back after: ``torch.randn`` and dropout are as reproducible, though all samples share one sequence, so that
    a sample depends on how many are drawn. (Not so for closed forms: they draw from ``rng`` alone.) Python's ``random``
    and NumPy's global generator are left alone: what is drawn from them is not reproducible.

    **Changes** happen in ``fit`` alone. ``fit`` trains a copy; its data, and the inputs of ``respond``, are its own to
    change. A ``sample`` that changes the model's parameters or buffers is refused: then a look at a model would change
    it. (A cache is a buffer with ``persistent=False``.)

    >>> class Coin(GenerativeModel):
    ...     event_shape = ()
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.logit = nn.Parameter(torch.zeros(()))
    ...     def sample(self, n, rng):
    ...         return (rng.uniform(n) < torch.sigmoid(self.logit)).float()
    ...     def loss(self, batch, rng):
    ...         return nn.functional.binary_cross_entropy_with_logits(self.logit.expand_as(batch), batch)
    """

    DRAWING: ClassVar[tuple[str, ...]] = ("sample", "respond", "loss", "fit", "noise", "scattered")
    event_shape: tuple[int, ...]
    input_shape: tuple[int, ...] | None = None  # of what it answers, where it is conditional
    training_plan: Training = Training()
    retrainings: int = 0  # how often ``fit`` has trained its loss
    optimizer_state: dict[str, Any] | None = None  # what a plan with ``keep_optimizer`` has kept
    memory_arguments: str = "Training(batch_size=...)"  # what to lower where memory runs out
    # whether ``loss`` is made of torch's operations on the batch, the model's weights and numbers drawn from ``rng``
    # alone, and changes nothing: see ``Training(stacked=True)``. A subclass does not inherit the yes of its parent
    stackable: ClassVar[bool] = False
    symbols: int | None = None  # how many there are where its samples are symbols ``0..n−1``, if it says so
    exact_mean: ClassVar[bool] = False  # see ``ClosedForm``
    # what others write there stays apart by producer, on the shelves ``names``: see ``Archive``. With samples models
    # are gone through one by one, and a fit gets a TrainingSet whose origin is each producer's place in ``names``
    stores: ClassVar[bool] = False
    proven: ClassVar[bool] = False  # its samples are vectors of ``event_shape``, nobody need try them

    @property
    def device(self) -> torch.device:
        """Where its parameters are, or what it holds where it has none."""
        first = next(chain(self.parameters(), self.buffers()), None)
        return torch.device("cpu") if first is None else first.device

    @property
    def draw_type(self) -> torch.dtype:
        """What ``rng`` draws unless told otherwise: float32 where its parameters are (or shorter), else float64."""
        if not self._parameters and not self._modules:  # a family with buffers alone, asked often
            return torch.float64
        first = next((p.dtype for p in self.parameters() if p.is_floating_point()), torch.float64)
        return first if first == torch.float64 else torch.float32

    def sample(self, n: int, rng: Stream) -> Any:
        """``n`` samples, ``[n, *event]``."""
        raise NotImplementedError(f"{type(self).__name__} needs a method sample(n, rng)")

    def loss(self, batch: Any, rng: Stream) -> Tensor:
        """The loss of a batch ``[b, *event]`` (on the model's device), a scalar."""
        raise NotImplementedError(f"{type(self).__name__} needs a method loss(batch, rng), or a fit of its own")

    def fit(self, data: Any, rng: Stream) -> float | None:
        """Train on ``data [n, *event]`` from the current weights; returns the mean loss of the last tenth of steps.

        One of your own begins in the mode that the model is in: call ``self.train()`` where that matters.
        """
        return trained(self, data, rng)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of it: tensors, numbers, texts, and lists, tuples and dicts of these, by name.

        By default the ``state_dict``. Attributes of such values that training has changed (``prompts``,
        ``optimizer_state``) are kept besides; a model that keeps something else adds it here and takes it back below.
        """
        return dict(self.state_dict())

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back what ``state`` has given, in a copy of the model that the scenario has built."""
        reshaped(self, state)
        self.load_state_dict(state)

    def validate(self, data: Any) -> None:
        """Refuse real data ``[n, *event]`` that this model cannot be trained on (a ValueError that says why)."""

    def texts(self, x: Any) -> list[tuple[str, str]] | None:
        """What people read of samples ``x [n, *event]``, as (input, output) strings; None where they are no text."""
        return None


class ConditionalModel(GenerativeModel):
    """A generator of outputs given inputs: images given a class, answers given a prompt. Its samples are ``Pairs``.

    Set ``event_shape`` (of an output) and ``input_shape``, write ``respond(inputs, rng) -> outputs`` and
    ``loss(pairs, rng)`` or ``fit(pairs, rng)``. ``prompts [m, *input]`` are the inputs it is asked when others sample
    from it: those of its last training set, which an ecosystem keeps up to date; until its first they are what is
    given here, or the inputs of its member's real data. Training goes over pairs. Prompts are drawn with replacement:
    where no real data come in, fewer and fewer different ones stay (of 100, about 10 after 20 rounds of itself alone).
    With ``replacement = False`` each consumer's samples ask every prompt once, in an order of their own, before any is
    asked again.
    """

    prompts: Tensor | None = None
    replacement: bool = True

    def respond(self, inputs: Tensor, rng: Stream) -> Tensor:
        """One output for each of ``inputs [n, *input]``, ``[n, *event]``; row ``i`` of ``rng`` is the ``i``-th's."""
        raise NotImplementedError(f"{type(self).__name__} needs a method respond(inputs, rng)")

    def sample(self, n: int, rng: Stream) -> Pairs:
        """``n`` of its prompts and its outputs."""
        inputs = self.ask(n, rng)
        return Pairs(inputs, self.respond(inputs.clone(), rng), codec=codec_of(self))

    def ask(self, n: int, rng: Stream) -> Tensor:
        """``n`` of its prompts, ``[n, *input]``; sample ``i``'s is the same for every ``n``."""
        if self.prompts is None:
            raise ValueError(
                f"{type(self).__name__} has no prompts to answer yet; give its member real data with inputs, "
                "real=Pairs(inputs, outputs), or set its prompts"
            )
        return asked(self.prompts, n, rng) if self.replacement else each_once(self.prompts, n, rng)


def check_training(model: GenerativeModel) -> None:
    """Refuse a generator whose ``fit``, or the ``loss`` that is trained where it has no fit of its own, is no such."""
    own = type(model).fit is not GenerativeModel.fit
    method(model, *(("fit", "data", "rng") if own else ("loss", "batch", "rng")))


def reshaped(model: nn.Module, state: dict[str, Any]) -> None:
    """Give parameters and buffers the shapes that they have in a state dict; buffers it does not have become None."""
    for path, module in model.named_modules():
        prefix = f"{path}." if path else ""
        for name in module._buffers:
            if name not in module._non_persistent_buffers_set and prefix + name not in state:
                module._buffers[name] = None
    for name, value in state.items():
        path, _, leaf = name.rpartition(".")
        module = model.get_submodule(path)
        held = module._parameters.get(leaf, module._buffers.get(leaf))
        if leaf == "_extra_state" or (held is not None and held.shape == value.shape and held.dtype == value.dtype):
            continue
        device = next((x.device for x in (*model.parameters(), *model.buffers())), torch.device("cpu"))
        empty = torch.empty_like(value, device=device)
        if leaf in module._parameters:
            module._parameters[leaf] = nn.Parameter(empty, held is None or held.requires_grad)
        else:
            module._buffers[leaf] = empty


def codec_of(model: nn.Module) -> TokenCodec | None:
    """How the tokens that a generator makes and trains on are read; None where they are none."""
    codec = getattr(model, "codec", None)  # a user's own attribute of that name may be anything
    return codec if isinstance(codec, TokenCodec) else None


def spoken(model: GenerativeModel, x: Any, n: int, verb: str = "sample(n, rng)") -> Any:
    """``n`` samples that a generator has made, with its codec where they do not say one; ValueError for others."""
    expected = (n, *model.event_shape)
    if not (isinstance(x, Pairs) or real_tensor(x)) or tuple(x.shape) != expected:
        raise ValueError(
            f"{type(model).__name__}.{verb} must return [n, *event_shape] = {expected} for n = {n}, got {returned(x)}"
        )
    if isinstance(x, Pairs) and x.codec is None:
        return Pairs(x.inputs, x.outputs, len(x.batch_shape), codec_of(model), x.rejected)
    return x


def asked(prompts: Tensor, n: int, rng: Stream) -> Tensor:
    """``n`` of ``prompts [m, *input]``, uniformly with replacement."""
    lots = rng.at("input").uniform(n, dtype=torch.float64)
    return prompts[(lots * len(prompts)).long().clamp_(max=len(prompts) - 1).to(prompts.device)]


def each_once(prompts: Tensor, n: int, rng: Stream) -> Tensor:
    """``n`` of ``prompts [m, *input]``, each once in a random order, and then all again in that order.

    Which one sample ``i`` asks depends on its row in the stream and on nothing else.
    """
    rng = addressed(rng)
    order = with_parts(rng.at("input"), first=0, rows=None).uniform(len(prompts), dtype=torch.float64).argsort()
    return prompts[order[rng.numbers(n) % len(prompts)].to(prompts.device)]
