"""Functions and classes of users: right ones, and ones that return, raise or do what they should not."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from ecosystem import GenerativeModel, Training

FAULTS: dict[str, Callable[[Any], Any]] = {  # what becomes of the right answer, a tensor
    "float32": lambda y: y.float(),
    "half": lambda y: y.half(),
    "integers": lambda y: y.long(),
    "bool": lambda y: y > 0,
    "complex": lambda y: y + 0j,
    "numpy": lambda y: y.detach().numpy(),
    "list": lambda y: y.tolist(),
    "none": lambda y: None,
    "number": lambda y: 1.0,
    "text": lambda y: "good",
    "nan": lambda y: y * math.nan,
    "one nan": lambda y: torch.where(torch.arange(len(y)).reshape(-1, *(1,) * (y.ndim - 1)) == 0, math.nan, y),
    "some nan": lambda y: torch.where(y > 1, math.nan, y),
    "inf": lambda y: y / 0,
    "some inf": lambda y: torch.where(y > 1, math.inf, y),
    "huge": lambda y: y * 1e200,
    "log": lambda y: y.log(),
    "short": lambda y: y[:1],
    "long": lambda y: torch.cat([y, y]),
    "wide": lambda y: y.unsqueeze(-1).expand(*y.shape, 2),
    "sum": lambda y: y.sum(),
    "sparse": lambda y: y.to_sparse(),
    "gradient": lambda y: y * nn.Parameter(torch.ones((), dtype=torch.float64)),
    "outside": lambda y: y + 7,
    "negative": lambda y: y - 7,
    "few samples": lambda y: y if len(y) <= 3 else y[:3],
    "index": lambda y: y[10**6],
    "division": lambda y: y / int(y.sum() * 0),
}


def failing(y: Any) -> Any:
    raise RuntimeError("no idea\nand a second line")


FAULTS["raises"] = failing


def in_place(x: Any) -> Any:
    """Changes what it is shown."""
    return x.mul_(2)


class Scale(nn.Module):
    """A module of float32 weights."""

    def __init__(self, out: int | None, width: int) -> None:
        super().__init__()
        self.layer = nn.Linear(width, out or 1)
        self.flat = out is None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.layer(x)
        return y.squeeze(-1) if self.flat else y


class Odd(GenerativeModel):
    """A neural model of the user's own whose samples, losses or fits have a fault."""

    def __init__(self, width: Any, fault: str, where: str, steps: int = 1) -> None:
        super().__init__()
        self.event_shape = (width,)
        self.mean = nn.Parameter(torch.zeros(2))
        self.fault, self.where = FAULTS.get(fault, lambda y: y), where
        self.training_plan = Training(steps=steps, batch_size=4)

    def sample(self, n: int, rng: Any) -> Any:
        x = self.mean + rng.normal(n, 2)
        return self.fault(x) if self.where == "sample" else x

    def loss(self, batch: Any, rng: Any) -> Any:
        loss = ((batch - self.mean) ** 2).mean()
        return self.fault(loss.reshape(1)) if self.where == "loss" else loss


def schedule_answer(kind: str) -> Callable[[int, Any], Any]:
    """A schedule that answers in some way."""
    answers: dict[str, Any] = {
        "bool": lambda r: r % 2 == 0,
        "numpy": lambda r: np.bool_(r % 2),
        "tensor": lambda r: torch.tensor(True),
        "integer": lambda r: r % 2,
        "none": lambda r: None,
        "text": lambda r: "no",
        "nan": lambda r: math.nan,
        "many": lambda r: torch.ones(7, dtype=torch.bool),
        "list": lambda r: [True, False],
        "raises": failing,
        "late": lambda r: failing(r) if r > 1 else True,
    }
    answer = answers[kind]
    return lambda round, rng: answer(round)


SCHEDULES = ("bool", "numpy", "tensor", "integer", "none", "text", "nan", "many", "list", "raises", "late")


def order_answer(kind: str) -> Callable[[Any, int, Any], Any]:
    """An ordering that answers in some way."""
    answers: dict[str, Any] = {
        "places": lambda names: list(range(len(names))),
        "numpy": lambda names: np.arange(len(names))[::-1],
        "tensor": lambda names: torch.arange(len(names)),
        "floats": lambda names: [0.5 * i for i in range(len(names))],
        "nan": lambda names: [math.nan] * len(names),
        "texts": lambda names: [str(i) for i in range(len(names))],
        "names": lambda names: list(names),
        "none": lambda names: None,
        "short": lambda names: [],
        "one": lambda names: 3,
        "complex": lambda names: [1j] * len(names),
        "ragged": lambda names: [[1, 2], [3]],
        "set": lambda names: set(names),
        "raises": failing,
    }
    answer = answers[kind]
    return lambda names, round, rng: answer(names)


ORDERS = (
    *("places", "numpy", "tensor", "floats", "nan", "texts", "names", "none", "short", "one", "complex"),
    *("ragged", "set", "raises"),
)
