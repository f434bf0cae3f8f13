"""Many descriptions of one kind become one tensor program.

A *stackable* object has tensors (its numbers) and everything else (its kind). Objects of equal kind can be stacked:
``stack([a, b])`` is an object of the same class whose tensors have one more leading dimension, and ``take`` picks from
it. This is how a thousand members, variants or replicates go through one tensor operation, in the way the batch
dimensions of ``torch.distributions`` do.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Self, TypeVar

import torch
from torch import Tensor

from ecosystem.core.identity import made_of

S = TypeVar("S", bound="Stackable")


class Stackable:
    """A frozen dataclass whose fields are tensors, other stackables (also in a tuple), or static values."""

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name; those of a nested stackable carry its field's name in front."""
        return dict(_tensors(_fields(self)))

    def rebuild(self, tensors: dict[str, Tensor]) -> Self:
        """The same kind with other tensors (same names)."""
        new = object.__new__(type(self))  # a copy without cached properties, which belong to the old tensors
        new.__dict__.update({name: getattr(self, name) for name in _hidden(self)})
        for name, value in _fields(self):
            new.__dict__[name] = _rebuilt(value, name, tensors)
        return new

    def kind(self) -> Hashable:
        """What two objects must share to be stacked: class, static values, shapes and types of the tensors."""
        return type(self), tuple((name, _kind(value)) for name, value in _fields(self)), hidden(self)

    def apart(self) -> Hashable:
        """What tells it from others that read alike: its kind and its numbers."""
        numbers = (tensor.detach().cpu().contiguous() for tensor in self.tensors().values())
        return self.kind(), *(part.reshape(-1).view(torch.uint8).numpy().tobytes() for part in numbers)

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """The same kind with ``function`` applied to every tensor."""
        return self.rebuild({name: function(value) for name, value in self.tensors().items()})

    def take(self, index: Any) -> Self:
        """Pick along the leading (batch) dimensions of every tensor."""
        if isinstance(index, Tensor) and index.ndim == 1 and index.dtype == torch.int64:
            return self.map(lambda tensor: tensor.index_select(0, index))  # its gradient is far cheaper
        return self.map(lambda tensor: tensor[index])


def hidden(item: Any) -> int | None:
    """What tells an object from others whose fields are equal: None, unless it has attributes that are no fields.

    A class that derives from a description and is no dataclass itself keeps its numbers there.
    """
    return id(item) if _hidden(item) else None


def _hidden(item: Any) -> list[str]:
    kind = type(item)
    if "__dataclass_fields__" in vars(kind):  # a dataclass itself: what else it keeps is for people
        return []
    fields = {field.name for field in dataclasses.fields(item)}
    return [name for name in made_of(item) if name not in fields]


def stack(items: Sequence[S]) -> S:
    """One stackable with a new leading dimension from several of one kind."""
    parts = [item.tensors() for item in items]
    return items[0].rebuild({name: torch.stack([part[name] for part in parts]) for name in parts[0]})


def _fields(item: Any) -> list[tuple[str, Any]]:
    if not dataclasses.is_dataclass(item):
        kind = type(item).__name__
        raise TypeError(f"{kind} must be a dataclass: write @dataclass(frozen=True, eq=False) above `class {kind}`")
    return [(field.name, getattr(item, field.name)) for field in dataclasses.fields(item)]


def _tensors(fields: Iterable[tuple[str, Any]]) -> Iterable[tuple[str, Tensor]]:
    for name, value in fields:
        if isinstance(value, Tensor):
            yield name, value
        elif isinstance(value, Stackable):
            yield from ((f"{name}.{inner}", tensor) for inner, tensor in value.tensors().items())
        elif isinstance(value, tuple):
            yield from _tensors((f"{name}.{i}", part) for i, part in enumerate(value))


def _rebuilt(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        return tensors[name]
    if isinstance(value, Stackable):
        prefix = f"{name}."
        return value.rebuild({k[len(prefix) :]: t for k, t in tensors.items() if k.startswith(prefix)})
    if isinstance(value, tuple):
        return tuple(_rebuilt(part, f"{name}.{i}", tensors) for i, part in enumerate(value))
    return value


def _kind(value: Any) -> Hashable:
    if isinstance(value, Tensor):
        return tuple(value.shape), value.dtype, str(value.device)
    if isinstance(value, Stackable):
        return value.kind()
    if isinstance(value, tuple):
        return tuple(_kind(part) for part in value)
    return value if isinstance(value, Hashable) else id(value)
