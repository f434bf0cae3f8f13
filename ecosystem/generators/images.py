"""What class-conditional image models share: labels as inputs, images in [0, 1], sampling in batches on any device."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ecosystem.core.check import brief, whole_number
from ecosystem.core.samples import Pairs
from ecosystem.core.streams import Stream
from ecosystem.generators.base import ConditionalModel
from ecosystem.generators.training import Training, autocast

_LARGEST = 10**6  # classes, layers, steps, sides of an image: more are a slip of the pen


class ImageModel(ConditionalModel):
    """A model of images ``[n, C, H, W]``, float32 in [0, 1], given class labels ``[n]`` in 0..classes − 1.

    Networks see images in [−1, 1]. A family writes ``images_from(noise, labels)`` and ``loss_of(images, labels, rng)``
    in those; its samples are drawn ``sampling_batch`` at a time in the precision of its training plan, and come back
    to the CPU clamped to [0, 1]. Real data of another shape or range are refused.
    """

    input_shape = ()

    def __init__(self, shape: tuple[int, ...], classes: int, training_plan: Training, sampling_batch: int) -> None:
        super().__init__()
        name = type(self).__name__
        if not isinstance(shape, tuple) or len(shape) != 3:
            raise ValueError(f"{name}(shape) must be (channels, height, width), got {brief(shape)}")
        check_sizes(name, shape=shape, classes=classes, sampling_batch=sampling_batch)
        self.event_shape = shape
        self.classes = classes
        self.training_plan = training_plan
        self.sampling_batch = sampling_batch
        self.prompts = torch.arange(classes)
        self.memory_arguments = f"{name}(sampling_batch=...), Training(batch_size=...)"

    def images_from(self, noise: Tensor, labels: Tensor) -> Tensor:
        """Images of the classes ``labels [n]`` in [−1, 1], made of standard normal ``noise [n, C, H, W]``."""
        raise NotImplementedError(f"{type(self).__name__} needs a method images_from(noise, labels)")

    def loss_of(self, images: Tensor, labels: Tensor, rng: Stream) -> Tensor:
        """The loss of images ``[n, C, H, W]`` in [−1, 1], a scalar."""
        raise NotImplementedError(f"{type(self).__name__} needs a method loss_of(images, labels, rng)")

    def loss(self, batch: Pairs, rng: Stream) -> Tensor:
        return self.loss_of(2 * batch.outputs - 1, batch.inputs.long(), rng)

    @torch.no_grad()
    def respond(self, inputs: Tensor, rng: Stream) -> Tensor:
        self._check_labels(inputs)
        out = torch.empty(len(inputs), *self.event_shape, device=inputs.device)
        rows = torch.arange(len(inputs), device=rng.keys.device) if rng.rows is None else rng.rows
        for at in range(0, len(inputs), self.sampling_batch):
            here = slice(at, at + self.sampling_batch)
            labels = inputs[here].to(self.device, torch.int64)
            noise = rng.select(rows[here]).normal(len(labels), *self.event_shape, dtype=torch.float32)
            with autocast(self, self.training_plan.precision):
                images = self.images_from(noise.to(self.device), labels)
            out[here] = ((images.float() + 1) / 2).clamp(0, 1).to(out.device)
        return out

    def validate(self, data: Any) -> None:
        """Refuse data that are no pairs of a label in 0..classes − 1 and an image of its shape in [0, 1]."""
        name = type(self).__name__
        if not isinstance(data, Pairs):
            raise ValueError(
                f"{name} is trained on Pairs(labels [n], images [n, {', '.join(map(str, self.event_shape))}]), got "
                f"{type(data).__name__}"
            )
        labels, images = data.inputs, data.outputs
        if tuple(images.shape[1:]) != self.event_shape or not images.is_floating_point():
            raise ValueError(
                f"{name}(shape={self.event_shape}) is trained on floating-point images of that shape, got "
                f"{images.dtype} of shape {tuple(images.shape[1:])}; "
                + (
                    "resize them, or give the model their shape"
                    if images.is_floating_point()
                    else "images.float() / 255"
                )
            )
        low, high = images.aminmax() if len(images) else (torch.zeros(()), torch.ones(()))
        if not (low >= 0 and high <= 1):
            raise ValueError(
                f"{name} is trained on pixels in [0, 1], got pixels in [{float(low):.4g}, {float(high):.4g}]; "
                + (
                    "of x in [-1, 1] take (x + 1) / 2"
                    if low < 0
                    else f"divide by {255 if high > 16 else float(high):.4g}"
                )
            )
        self._check_labels(labels)

    def _check_labels(self, labels: Tensor) -> None:
        found = f"{labels.dtype} of shape {tuple(labels.shape)}"
        whole = labels.ndim == 1 and not labels.is_floating_point() and labels.dtype != torch.bool
        if whole and len(labels):
            found = f"labels {int(labels.min())} to {int(labels.max())}"
            whole = int(labels.min()) >= 0 and int(labels.max()) < self.classes
        if not whole:
            raise ValueError(
                f"{type(self).__name__}(classes={self.classes}) takes whole numbers 0..{self.classes - 1} as labels "
                f"[n], got {found}; number the classes from 0"
            )


def check_sizes(name: str, **sizes: Any) -> None:
    """Refuse sizes (numbers, or tuples of some) that are not whole and positive."""
    for argument, value in sizes.items():
        for size in (value if isinstance(value, tuple) else (value,)) or (0,):
            if not isinstance(size, int) or isinstance(size, bool) or size < 1:
                raise ValueError(f"{name}({argument}) takes whole numbers, at least 1, got {brief(value)}")
            whole_number(size, f"{name}({argument})", 1, high=_LARGEST)


def known_device(name: str, device: torch.device | str) -> torch.device:
    """A device that this machine has."""
    try:
        found = torch.device(device)
    except (TypeError, RuntimeError, ValueError):
        raise ValueError(f"{name}(device) is a device of torch, 'cpu' or 'cuda:0', got {brief(device)}") from None
    if found.type == "meta":
        raise ValueError(f"{name}(device) is a device of torch, 'cpu' or 'cuda:0', got 'meta', which holds no numbers")
    if found.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"{name}(device={str(device)!r}): torch sees no GPU here; give device='cpu'")
    return found
