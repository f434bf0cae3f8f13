"""A small flow-matching model: the neural generator that comes with the library."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

from ecosystem.core.arguments import spelled
from ecosystem.core.check import LARGEST, whole_number
from ecosystem.core.memory import affordable
from ecosystem.core.streams import Stream
from ecosystem.generators.base import GenerativeModel
from ecosystem.generators.training import Training, check_plan

_MOST = 10_000  # layers, and steps of one sample


@spelled
class FlowMatching(GenerativeModel):
    """A velocity field ``v(x, t)`` that carries noise at ``t = 0`` to data at ``t = 1`` along straight lines.

    The loss is ``E‖v(x_t, t) − (x_1 − x_0)‖²`` with ``x_t = (1−t) x_0 + t x_1`` (Lipman et al. 2023, 2210.02747);
    sampling integrates ``dx/dt = v`` by Heun's method. ``seed`` fixes the initial weights.

    >>> FlowMatching(dimension=2).sample(5, Stream.root([(0, 0)])[0]).shape
    torch.Size([5, 2])
    """

    stackable: ClassVar[bool] = True

    def __init__(
        self,
        dimension: int = 2,
        hidden: int = 64,
        depth: int = 3,
        steps: int = 16,
        training_plan: Training | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        for name, value in (("dimension", dimension), ("hidden", hidden), ("depth", depth), ("steps", steps)):
            whole_number(value, f"FlowMatching({name})", 1, high=_MOST if name in ("depth", "steps") else LARGEST)
        whole_number(seed, "FlowMatching(seed)", 0)
        check_plan(training_plan, "FlowMatching(training_plan)")
        widest = max(dimension, hidden)
        affordable(dimension * hidden + depth * hidden * widest, f"FlowMatching({dimension=}, {hidden=}, {depth=})")
        self.event_shape = (dimension,)
        self.steps = steps
        self.training_plan = training_plan or Training(steps=200, batch_size=256)
        self.frequencies = nn.Buffer(torch.pi * torch.arange(1, 5))
        widths = [dimension + 2 * len(self.frequencies)] + [hidden] * depth
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            layers: list[nn.Module] = []
            for fan_in, fan_out in pairwise(widths):
                layers += [nn.Linear(fan_in, fan_out), nn.SiLU()]
            self.network = nn.Sequential(*layers, nn.Linear(hidden, dimension))

    def velocity(self, x: Tensor, t: Tensor) -> Tensor:
        """``v(x, t)`` for ``x [n, d]`` and ``t [n]``."""
        phase = t.unsqueeze(-1) * self.frequencies
        return self.network(torch.cat([x, phase.sin(), phase.cos()], -1))

    def loss(self, batch: Tensor, rng: Stream) -> Tensor:
        start = rng.at("start").normal(*batch.shape, dtype=batch.dtype).to(batch.device)
        t = rng.at("time").uniform(len(batch), dtype=batch.dtype).to(batch.device)
        x = torch.lerp(start, batch, t.unsqueeze(-1))
        return ((self.velocity(x, t) - (batch - start)) ** 2).mean()

    @torch.no_grad()
    def sample(self, n: int, rng: Stream) -> Tensor:
        x = rng.normal(n, *self.event_shape, dtype=torch.float32).to(self.device)
        step = 1 / self.steps
        for i in range(self.steps):
            t = torch.full((n,), i * step, device=x.device)
            first = self.velocity(x, t)
            second = self.velocity(x + step * first, t + step)
            x = x + 0.5 * step * (first + second)
        return x.cpu()
