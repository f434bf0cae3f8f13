"""Where an ecosystem lives: a device, and the type of its closed forms' numbers.

The whole state is there, and all of the program that its rounds compute with; who is due and in what order is decided
on the CPU, from schedules, and sent there where it has changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ecosystem.core.check import brief, one_line
from ecosystem.engine.looped import Looped, settle

CPU = torch.device("cpu")
_TYPES = {
    torch.float64: torch.float64,
    torch.float32: torch.float32,
    "float64": torch.float64,
    "float32": torch.float32,
}


@dataclass(frozen=True)
class Home:
    """A device, and the type of closed forms' numbers there."""

    device: torch.device = CPU
    dtype: torch.dtype = torch.float64

    @property
    def usual(self) -> bool:
        """Whether it is where descriptions are."""
        return self.device.type == "cpu" and self.dtype == torch.float64

    def told(self) -> dict[str, str]:
        """What is not as usual, by the name of the argument that asks for it."""
        device = {} if self.device.type == "cpu" else {"device": str(self.device)}
        return device if self.dtype == torch.float64 else device | {"dtype": str(self.dtype)}

    def tensor(self, x: Tensor) -> Tensor:
        """A tensor there: float64 in the type of closed forms, all else in its own."""
        return x.to(self.device, self.dtype if x.dtype == torch.float64 else x.dtype)

    def stack(self, part: Any) -> Any:
        """A part that stacks (generators, users, transforms, looped models), there."""
        if self.usual:
            return part
        return settle(part, self.device) if isinstance(part, Looped) else part.map(self.tensor)


def told_where(device: Any = None, dtype: Any = None) -> dict[str, str]:
    """``device`` and ``dtype``, those that are given, as texts that another process can be asked with.

    Refused are those that no process could have: whether a device is there, its own process says.
    """
    home_of(None, dtype)
    try:
        given = {"device": None if device is None else torch.device(device), "dtype": dtype}
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"device {brief(device)} is none that torch knows: {one_line(error)}") from error
    return {name: str(value).removeprefix("torch.") for name, value in given.items() if value is not None}


def home_of(device: Any = None, dtype: Any = None) -> Home:
    """What ``device=`` and ``dtype=`` ask for; None is the CPU, and float64.

    Raises
    ------
    TypeError, ValueError
        If it is no device, not there, or a type other than float64 and float32.
    """
    kind = torch.float64 if dtype is None else _TYPES.get(dtype) if isinstance(dtype, str | torch.dtype) else None
    if kind is None:
        raise ValueError(f"dtype is torch.float64 (or None) or torch.float32, got {brief(dtype)}")
    if device is None:
        return Home(dtype=kind)
    if not isinstance(device, str | int | torch.device) or isinstance(device, bool):
        raise TypeError(f'device is a name such as "cuda" or "cuda:1", a torch.device, or None, got {brief(device)}')
    try:
        there = torch.empty(0, device=device).device  # "cuda" is "cuda:0"
    except Exception as error:
        raise ValueError(
            f"device {str(device)!r} is not there: {one_line(error)}; take another, or leave device out for the CPU"
        ) from error
    if there.type == "meta":
        raise ValueError("device 'meta' holds no numbers; take another, or leave device out for the CPU")
    return Home(there, kind)
