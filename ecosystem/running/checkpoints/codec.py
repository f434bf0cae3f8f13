"""Values as JSON and named tensors, and back: what the two files of a checkpoint hold, exactly and without pickle.

Tensors and arrays go into one dict of tensors (safetensors). Everything else is JSON: numbers, texts, None, lists,
tuples, sets and dicts of these, pairs, training sets, tables of numbers, and descriptions (curators, rewards,
schedules) as their class and what they are made of. A tensor that is there twice is written once, and is one tensor
again when it is read. What JSON does not have is a dict with one key that says what it is: ``{"tuple": [1, 2]}``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from ecosystem.core.identity import made_of
from ecosystem.core.samples import Pairs, TokenCodec, TrainingSet
from ecosystem.core.stacking import Stackable

_SMALL = 64  # tensors of fewer numbers stand together: each one by itself costs 0.1 ms


class Unwritable(ValueError):
    """A value that a checkpoint cannot hold; the message says what and where."""


class Writer:
    """Turns values into JSON; ``tensors()`` are those that came up. ``known`` objects are written as their names.

    >>> writer = Writer()
    >>> written = writer.write({"lr": 0.1, "betas": (0.9, 0.99), "moment": torch.zeros(2)}, "optimizer")
    >>> Reader(writer.tensors()).read(written)
    {'lr': 0.1, 'betas': (0.9, 0.99), 'moment': tensor([0., 0.])}
    """

    def __init__(self, known: Mapping[str, Any] | None = None) -> None:
        self._known: dict[int, str] = {}
        for name, value in (known or {}).items():
            self._known.setdefault(id(value), name)  # the first name: of many who share it, one may stand for all
        self._codecs = [(value, name) for name, value in (known or {}).items() if isinstance(value, TokenCodec)]
        self._named: dict[str, Tensor] = {}
        self._small: dict[torch.dtype, list[Tensor]] = {}
        self._ends: dict[torch.dtype, int] = {}
        self._seen: dict[Any, tuple[Any, Any]] = {}  # with the tensor itself, so that its memory stays its own
        self._memory: set[int] = set()

    def tensors(self) -> dict[str, Tensor]:
        """The tensors of all that was written, contiguous and on the CPU, none sharing memory with another."""
        return self._named | {_small(kind): torch.cat(many) for kind, many in self._small.items()}

    def write(self, value: Any, place: str) -> Any:
        """A value as JSON; ``place`` names its tensors, and itself where it cannot be written."""
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {"float": repr(value)}
        if type(value) is list:
            return self._many(value, place)
        for kind, name in ((tuple, "tuple"), (torch.Size, "size"), (set, "set"), (frozenset, "frozenset")):
            if type(value) is kind:
                return {name: self._many(list(value), place)}
        if type(value) is dict:
            keys = self._many(list(value), f"{place}/keys")
            items = [self.write(item, f"{place}/{key}") for key, item in value.items()]
            return {"dict": [list(pair) for pair in zip(keys, items, strict=True)]}
        if id(value) in self._known:
            return {"known": self._known[id(value)]}
        if isinstance(value, Tensor):
            return {"tensor": self._tensor(value, place)}
        return self._thing(value, place)

    def _thing(self, value: Any, place: str) -> Any:
        """What is made of other values."""
        kind = type(value)
        if kind is Pairs:
            parts = self._many([value.inputs, value.outputs, len(value.batch_shape)], place)
            return {"pairs": [*parts, self._codec(value.codec, place), self.write(value.rejected, f"{place}/rejected")]}
        if kind is TrainingSet:
            return {"training set": self._many([value.data, value.origin, value.round], place)}
        if kind is pd.DataFrame and value.index.equals(pd.RangeIndex(len(value))):
            return {"table": self.write({name: value[name].to_numpy() for name in value}, place)}
        if issubclass(kind, np.generic | np.ndarray) and value.dtype.kind in "biufc":
            usable = kind is np.ndarray and value.flags.writeable and min(value.strides, default=0) >= 0
            array = value if usable else np.array(value)
            return {"array" if kind is np.ndarray else "scalar": self._tensor(torch.from_numpy(array), place)}
        if issubclass(kind, Stackable) and not issubclass(kind, nn.Module):
            return {"made": [_path(kind), self.write(made_of(value), place)]}
        raise Unwritable(f"a checkpoint cannot hold {value!r} ({place})")

    def _codec(self, codec: TokenCodec | None, place: str) -> Any:
        """The name of one that is known, by what it says: members have copies."""
        if codec is None:
            return None
        for known, name in self._codecs:
            if known == codec:
                return {"known": name}
        raise Unwritable(f"a checkpoint cannot hold tokens of {codec}, which no member has ({place}); re-encode them")

    def _many(self, values: list[Any], place: str) -> list[Any]:
        return [self.write(item, f"{place}/{i}") for i, item in enumerate(values)]

    def _tensor(self, value: Tensor, place: str) -> Any:
        """Where a tensor is to be found, with what its numbers do not tell: strides, device, whether it is trained."""
        if value.layout is not torch.strided or value.is_quantized or value.is_meta:
            raise Unwritable(f"a checkpoint cannot hold a tensor of layout {value.layout} on {value.device} ({place})")
        key = (value.data_ptr(), value.dtype, value.device, value.shape, value.stride(), value.requires_grad)
        if key not in self._seen:
            self._seen[key] = value, self._placed(value, place)
        return self._seen[key][1]

    def _placed(self, value: Tensor, place: str) -> Any:
        about: dict[str, Any] = {"trained": True} if value.requires_grad else {}
        value = value.detach()
        if not value.is_contiguous():
            about |= {"shape": list(value.shape), "stride": list(value.stride())}
            value = value[tuple(slice(0, 1) if step == 0 else slice(None) for step in value.stride())]
        if value.device.type != "cpu":
            about["device"] = str(value.device)
        whole = value.resolve_conj().resolve_neg().cpu().contiguous()
        if whole.is_complex():
            about["complex"] = True
            whole = torch.view_as_real(whole)
        if whole.numel() < _SMALL:
            first = self._ends.get(whole.dtype, 0)
            self._ends[whole.dtype] = first + whole.numel()
            self._small.setdefault(whole.dtype, []).append(whole.flatten())
            return [_small(whole.dtype), about | {"at": first, "of": list(whole.shape)}]
        memory = whole.untyped_storage()
        if memory.data_ptr() in self._memory or memory.nbytes() != whole.nbytes:
            whole = whole.clone()
        self._memory.add(whole.untyped_storage().data_ptr())
        while place in self._named:
            place += "'"
        self._named[place] = whole
        return [place, about]


class Reader:
    """Turns what a :class:`Writer` wrote into values again; ``known`` are the objects behind names."""

    def __init__(self, tensors: Mapping[str, Tensor], known: Mapping[str, Any] | None = None) -> None:
        self._tensors, self._known = tensors, known or {}
        self._made: dict[str, Tensor] = {}

    def read(self, given: Any) -> Any:
        """The value that was written."""
        if isinstance(given, list):
            return [self.read(item) for item in given]
        if not isinstance(given, dict):
            return given
        ((kind, inner),) = given.items()
        if kind == "known":
            return self._known[inner]
        if kind == "made":
            new = object.__new__(_class(inner[0]))
            new.__dict__.update(self.read(inner[1]))
            return new
        if kind in ("tensor", "array", "scalar"):
            return _READ[kind](self._tensor(*inner))
        return _READ[kind](self.read(inner))

    def _tensor(self, name: str, about: dict[str, Any]) -> Tensor:
        key = f"{name} {about}"
        if key not in self._made:
            self._made[key] = _rebuilt(self._tensors[name], about)
        return self._made[key]


_READ = {
    "tensor": lambda tensor: tensor,
    "array": lambda tensor: tensor.numpy(),
    "scalar": lambda tensor: tensor.numpy()[()],
    "float": float,
    "tuple": tuple,
    "size": torch.Size,
    "set": set,
    "frozenset": frozenset,
    "dict": dict,
    "pairs": lambda parts: Pairs(*parts),
    "training set": lambda parts: TrainingSet(*parts),
    "table": pd.DataFrame,
}


def _rebuilt(stored: Tensor, about: dict[str, Any]) -> Tensor:
    """A tensor with memory of its own, laid out as it was: sums over another layout have other last bits."""
    if "of" in about:
        stored = stored[about["at"] : about["at"] + math.prod(about["of"])].reshape(about["of"])
    new = stored.clone()
    if about.get("complex"):
        new = torch.view_as_complex(new)
    if "stride" in about:
        laid = torch.empty_strided(new.shape, about["stride"], dtype=new.dtype)
        new = laid.copy_(new).expand(about["shape"])
    return new.to(about.get("device", "cpu")).requires_grad_(about.get("trained", False))


def _small(kind: torch.dtype) -> str:
    return f"small/{str(kind).removeprefix('torch.')}"


def _path(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _class(path: str) -> type:
    """The class of descriptions with this name, the last one that was defined."""
    found = {_path(kind): kind for kind in _below(Stackable)}
    if path not in found:
        raise ValueError(f"a checkpoint holds a {path}, which is not defined here; import it before the run goes on")
    return found[path]


def _below(kind: type) -> Iterator[type]:
    for inner in kind.__subclasses__():
        yield inner
        yield from _below(inner)
