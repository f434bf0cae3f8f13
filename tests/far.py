"""A pretended accelerator: a device of its own whose tensors hold real numbers, so that a machine without one can try.

It behaves as CUDA does where that can go wrong: tensors of two devices do not mix (not even as an index), ``numpy()``
is refused. What comes home is counted: ``with counted() as trips`` gives the numbers that left the device inside.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils import backend_registration
from torch.utils._pytree import tree_flatten, tree_map

NAME = "far"
_trips: list[tuple[str, int]] = []
_libraries: list[torch.library.Library] = []


class Far(Tensor):
    """A tensor on the pretended device; ``held`` are its numbers."""

    held: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, held: Tensor) -> Far:
        new = Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=torch.device(NAME, 0),
        )
        new.held = held
        return new

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _played(func, *args, **(kwargs or {}))

    def tolist(self) -> Any:
        _trips.append(("tolist", self.numel()))
        return self.held.tolist()

    def data_ptr(self) -> int:
        return self.held.data_ptr()

    def __repr__(self) -> str:
        return f"Far({self.held})"

    def __deepcopy__(self, memo: Any) -> Far:
        new: Any = Far(self.held.clone())
        if getattr(self, "_is_param", False):
            new = torch.nn.Parameter(new, self.requires_grad)
        return memo.setdefault(id(self), new)


def _played(func: Any, *args: Any, **kwargs: Any) -> Any:
    device = kwargs.get("device")
    home = device is not None and torch.device(device).type == "cpu"
    tensors = [x for x in tree_flatten((args, kwargs))[0] if isinstance(x, Tensor)]
    name = str(func)
    if device is not None:
        kwargs["device"] = torch.device("cpu")
    if home or "_local_scalar_dense" in name:
        _trips.extend((name, x.numel()) for x in tensors if isinstance(x, Far))
    elif (
        "nonzero" in name or "unique" in name or (name.startswith(("aten.index.", "aten.index_put")) and _by_mask(args))
    ):
        _trips.append((name + ": how many", 1))
    foreign = [x for x in tensors if not isinstance(x, Far) and x.ndim]
    if foreign and "copy" not in name:
        raise RuntimeError(f"tensors of two devices in {name}: the CPU's are {[tuple(x.shape) for x in foreign]}")
    args, kwargs = tree_map(_held, args), tree_map(_held, kwargs)
    out = func(*args, **kwargs)
    known = {id(x.held): x for x in tensors if isinstance(x, Far)}
    return out if home else tree_map(lambda x: known.get(id(x), _far(x)), out)


def _far(x: Any) -> Any:
    return Far(x) if isinstance(x, Tensor) else x


def _by_mask(args: Any) -> bool:
    return any(x is not None and x.dtype in (torch.bool, torch.uint8) for x in args[1])


def _held(x: Any) -> Any:
    if isinstance(x, Far):
        return x.held
    return torch.device("cpu") if isinstance(x, torch.device) else x


def _made() -> bool:
    """Make the device: before anything is differentiated, for torch counts its devices but once."""
    if not hasattr(backend_registration, "_setup_privateuseone_for_python_backend"):
        return False
    backend_registration._setup_privateuseone_for_python_backend(NAME, _module(backend_registration))
    _libraries.extend((torch.library.Library("_", "IMPL"), torch.library.Library("aten", "IMPL")))
    _libraries[0].fallback(_played, "PrivateUse1")
    ranges = ("arange", "arange.start", "arange.start_step", "eye", "eye.m")  # they make their room as they go
    for name in ("lift_fresh", "_to_copy", "empty.memory_format", "empty_strided", "detach", "clone", *ranges):
        _register(name)
    return True


def far() -> str:
    """The name of the pretended device; skips where torch cannot."""
    if not THERE:
        pytest.skip("this torch cannot pretend a device")
    return NAME


def _module(registration: Any) -> Any:
    """What torch asks of a device about chance: it has one generator, the CPU's."""

    class Module(registration._DummyBackendModule):
        def get_rng_state(self, device: Any = None) -> Tensor:
            return torch.get_rng_state()

        def set_rng_state(self, state: Tensor, device: Any = None) -> None:
            torch.set_rng_state(state)

        def manual_seed(self, seed: int) -> None:
            torch.default_generator.manual_seed(seed)

        def device(self, device: Any) -> Any:
            return nullcontext()

        def get_amp_supported_dtype(self) -> list[torch.dtype]:
            return [torch.bfloat16]

    return Module()


def _register(name: str) -> None:
    base, _, overload = name.partition(".")
    op = getattr(getattr(torch.ops.aten, base), overload or "default")
    _libraries[1].impl(name, lambda *args, **kwargs: _played(op, *args, **kwargs), "PrivateUse1")


@contextmanager
def counted() -> Iterator[list[tuple[str, int]]]:
    """What leaves the device inside: the operation, and how many numbers (one where it is a size)."""
    _trips.clear()
    yield _trips


THERE = _made()
