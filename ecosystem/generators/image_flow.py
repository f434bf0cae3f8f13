"""A light class-conditional image model: flow matching with a small network, for studies on a CPU."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from ecosystem.core.arguments import spelled
from ecosystem.core.check import whole_number
from ecosystem.core.streams import Stream
from ecosystem.generators.images import ImageModel, check_sizes, known_device
from ecosystem.generators.training import Training, check_plan

_NEAR_END = 0.05  # the velocity divides by 1 − t, at least this much


@spelled
class ImageFlow(ImageModel):
    """A velocity field that carries noise at ``t = 0`` to images of a class at ``t = 1`` along straight lines.

    The network guesses the image at the end of the line, ``x̂(x_t, t, class)``, which a small one can, since images
    are few among all pixels; the velocity is ``v = (x̂ − x_t) / max(1 − t, 0.05)`` and the loss that of flow matching,
    ``E‖v − (x_1 − x_0)‖²`` at ``x_t = (1−t) x_0 + t x_1`` (as Li and He 2025, 2511.13720), with more of the times
    early, where the shape is decided: ``logit t ~ N(−1/2, 1)``. Sampling takes ``steps`` steps of the midpoint rule,
    two evaluations each. ``hidden`` and ``depth`` are the width and the residual blocks of the network; ``seed`` fixes
    the initial weights. Images ``[n, *shape]`` lie in [0, 1], labels ``[n]`` in 0..classes − 1.

    >>> model = ImageFlow(shape=(3, 8, 8), classes=10, hidden=32)
    >>> model.respond(torch.tensor([7, 1]), Stream.root([(0, 0)])[0]).shape
    torch.Size([2, 3, 8, 8])
    """

    stackable: ClassVar[bool] = True

    def __init__(
        self,
        shape: tuple[int, int, int] = (3, 16, 16),
        classes: int = 10,
        hidden: int = 384,
        depth: int = 2,
        steps: int = 8,
        training_plan: Training | None = None,
        seed: int = 0,
        device: torch.device | str = "cpu",
        sampling_batch: int = 4096,
    ) -> None:
        check_plan(training_plan, "ImageFlow(training_plan)")
        plan = training_plan or Training(300, 128, partial(torch.optim.AdamW, lr=1e-3, fused=True), keep_optimizer=True)
        whole_number(seed, "ImageFlow(seed)", 0)
        super().__init__(shape, classes, plan, sampling_batch)
        check_sizes("ImageFlow", hidden=hidden, depth=depth, steps=steps)
        self.steps = steps
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = _Network(shape[0] * shape[1] * shape[2], classes, hidden, depth)
        self.to(known_device("ImageFlow", device))

    def velocity(self, x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        """``v(x, t, class)`` for images ``x [n, C, H, W]`` in [−1, 1], times ``t [n]`` and ``labels [n]``."""
        end = self.network(x.flatten(1), t, labels).reshape(x.shape)
        return (end - x) / (1 - t).clamp(min=_NEAR_END).reshape(-1, 1, 1, 1)

    def loss_of(self, images: Tensor, labels: Tensor, rng: Stream) -> Tensor:
        start = rng.at("start").normal(*images.shape, dtype=images.dtype).to(images.device)
        t = torch.sigmoid(rng.at("time").normal(len(images), dtype=images.dtype) - 0.5).to(images.device)
        x = torch.lerp(start, images, t.reshape(-1, 1, 1, 1))
        return ((self.velocity(x, t, labels) - (images - start)) ** 2).mean()

    def images_from(self, noise: Tensor, labels: Tensor) -> Tensor:
        x, step = noise, 1 / self.steps
        for i in range(self.steps):
            t = torch.full((len(x),), i * step, device=x.device)
            middle = x + 0.5 * step * self.velocity(x, t, labels)
            x = x + step * self.velocity(middle, t + 0.5 * step, labels)
        return x


class _Network(nn.Module):
    """A residual network on flattened images; time and class scale and shift what enters each block.

    It starts as the zero function: the modulations and the last layer are zero.
    """

    def __init__(self, pixels: int, classes: int, hidden: int, depth: int, condition: int = 64) -> None:
        super().__init__()
        self.frequencies = nn.Buffer(torch.pi * torch.arange(1, 9))
        self.time = nn.Linear(2 * len(self.frequencies), condition)
        self.label = nn.Embedding(classes, condition)
        self.first = nn.Linear(pixels, hidden)
        self.norm = nn.LayerNorm(hidden, elementwise_affine=False)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, hidden)) for _ in range(depth)
        )
        self.modulations = nn.ModuleList(nn.Linear(condition, 2 * hidden) for _ in range(depth + 1))
        self.last = nn.Linear(hidden, pixels)
        for layer in (*self.modulations, self.last):
            nn.init.zeros_(layer.weight)  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        phase = t.unsqueeze(-1) * self.frequencies
        condition = nn.functional.silu(self.time(torch.cat([phase.sin(), phase.cos()], -1)) + self.label(labels))

        def modulated(h: Tensor, layer: nn.Module) -> Tensor:
            scale, shift = layer(condition).chunk(2, -1)
            return self.norm(h) * (1 + scale) + shift

        h = self.first(x)
        for block, layer in zip(self.blocks, self.modulations, strict=False):
            h = h + block(modulated(h, layer))
        return self.last(nn.functional.silu(modulated(h, self.modulations[-1])))
