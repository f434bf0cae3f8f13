"""What a value is: a digest of its content, equal in every process.

Numbers, texts, containers, arrays, graphs, objects with their state; of functions the compiled code with everything
it refers to, as far as it is the user's own. Comments, docstrings and layout of code do not count, and libraries
count by their names: their versions are kept elsewhere. A global that the code fills while it runs counts with what is
in it: keep results with ``functools.cache`` instead.
"""

from __future__ import annotations

import ast
import dis
import functools
import hashlib
import logging
import sys
import sysconfig
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ecosystem.core.words import without_addresses

_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
_PLAIN = (type(None), bool, int, float, complex, str, bytes)
_SCALARS = (bool, int, float, str)


def digest(value: Any, known: Mapping[str, Any] | None = None, whole: bool = False) -> str:
    """Sixteen hexadecimal digits that stand for a value.

    ``known`` objects count by their names, whatever is in them. What cannot be looked into (a lock, a running
    generator) counts by its class; with ``whole`` it is a TypeError.

    >>> digest({"a": 1, "b": [2.0]}) == digest({"b": [2.0], "a": 1})
    True
    >>> digest(1) == digest(1.0)
    False
    """
    return _Reader(known or {}, whole).read(value).hex()[:16]


def made_of(item: Any) -> dict[str, Any]:
    """The attributes of an object, without what it has only worked out and kept (its cached properties)."""
    cached = functools.cached_property
    return {name: v for name, v in vars(item).items() if not isinstance(getattr(type(item), name, None), cached)}


def class_parts(kind: type) -> dict[str, Any]:
    """What stands in a class itself: its methods as functions, properties as tuples of some, attributes as they are."""
    parts = {name: item for name, item in vars(kind).items() if name not in _CLASS_NOISE}
    for name, item in parts.items():
        if isinstance(item, staticmethod | classmethod):
            parts[name] = item.__func__
        elif isinstance(item, property):
            parts[name] = (item.fget, item.fset, item.fdel)
    return parts


def label(value: Any, letters: int = 60, digits: int = 6) -> str:
    """A value in a few words; what these do not say in full is told apart by the first digits of its digest.

    >>> label(0.5), label((1, "a")), label(lambda x: x)[:10]
    ('0.5', "(1, 'a')", '<lambda> #')
    """
    if isinstance(value, str):
        return value
    text = without_addresses(" ".join(str(value).split()))
    if _is_exact(value) and len(text) <= letters:
        return text
    if isinstance(value, _classes("networkx", "Graph")):
        text = value.name or f"{type(value).__name__} with {len(value)} nodes and {value.size()} edges"
    text = getattr(value, "__name__", None) or text
    return f"{text if len(text) <= letters else text[: letters - 1] + '…'} #{digest(value)[:digits]}"


def is_library(module: str | None) -> bool:
    """Whether a module is Python's, an installed package's or this package's."""
    top = (module or "sys").split(".")[0]
    if top == "__main__":
        return False
    if top == __name__.split(".")[0] or top in sys.stdlib_module_names:
        return True
    file = getattr(sys.modules.get(str(module)), "__file__", None)
    return file is not None and (file.startswith(_LIBRARIES) or "site-packages" in Path(file).parts)


class Content:
    """What is made of more than its attributes say: a handle on weights that lie elsewhere."""

    def content(self) -> Any:
        """What stands behind it, for a digest."""
        raise NotImplementedError


class _Reader:
    """Reads one value, with memory for what was read before: objects may refer to each other in circles."""

    def __init__(self, known: Mapping[str, Any], whole: bool) -> None:
        # the object is kept, so that its id stays its own
        self._known: dict[int, tuple[Any, bytes]] = {id(v): (v, f"known {name}".encode()) for name, v in known.items()}
        self._whole = whole

    def read(self, value: Any) -> bytes:
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, _PLAIN):
            return _hash(type(value).__name__, repr(value))
        if id(value) not in self._known:
            self._known[id(value)] = value, b"itself"
            parts = (part if isinstance(part, str | bytes) else self.read(part[0]) for part in self._parts(value))
            self._known[id(value)] = value, _hash(*parts)
        return self._known[id(value)][1]

    def _parts(self, value: Any) -> Iterator[Any]:
        """Texts and bytes as they are; what must be read in its turn as a tuple of one."""
        yield type(value).__qualname__
        behind: Any = value
        if isinstance(behind, Content):
            yield (behind.content(),)
        if isinstance(value, list | tuple | set | frozenset | Mapping) and getattr(value, "__dict__", None):
            yield (made_of(value),)
        if isinstance(value, Tensor):
            yield from (str(value.dtype), str(tuple(value.shape)), _bytes(value))
            yield f"{value.device} {value.requires_grad}"
        elif isinstance(value, np.ndarray) and value.dtype != object:
            yield from (str(value.dtype), str(value.shape), np.ascontiguousarray(value).tobytes())
        elif isinstance(value, list | tuple | np.ndarray | range):
            yield from ((item,) for item in value)
        elif isinstance(value, set | frozenset):
            yield from sorted(self.read(item) for item in value)
        elif isinstance(value, Mapping):
            yield from sorted(self.read(key) + self.read(item) for key, item in value.items())
        elif isinstance(value, _classes("networkx", "Graph")):
            yield from ((dict(value.graph),), (list(value.nodes(data=True)),), (list(value.edges(data=True)),))
        elif isinstance(value, _classes("pandas", "DataFrame", "Series", "Index")):
            yield from self._pandas(value)
        elif isinstance(value, types.BuiltinFunctionType):
            yield f"{value.__module__}.{value.__qualname__}"
            if not isinstance(value.__self__, types.ModuleType | type | None):
                yield (value.__self__,)
        elif isinstance(value, logging.Logger):  # it knows every other logger of the process
            yield value.name
        elif isinstance(value, types.ModuleType):
            yield value.__name__ if is_library(value.__name__) else _source(value)
        elif isinstance(value, functools.partial):
            yield from ((value.func,), (value.args,), (value.keywords,))
        elif isinstance(value, types.MethodType):
            yield from ((value.__self__,), (value.__func__,))
        elif isinstance(value, type):
            yield from self._class(value)
        elif isinstance(value, types.FunctionType):
            yield from self._function(value)
        elif isinstance(value, np.random.Generator):
            yield (value.bit_generator.state,)
        else:
            yield from ((type(value),), (_state(value, self._whole),))

    def _pandas(self, value: Any) -> Iterator[Any]:
        import pandas as pd

        frame = value if isinstance(value, pd.DataFrame) else value.to_frame()
        yield from ((frame.columns.tolist(),), (list(map(str, frame.dtypes)),), (list(frame.index.names),))
        for part in (frame.index.to_frame(index=False), frame):
            for place in range(part.shape[1]):
                column = part.iloc[:, place]
                # of objects pandas compares, or hashes what is printed of them: they are read one by one
                if column.dtype.kind == "O" and pd.api.types.infer_dtype(column, skipna=False) != "string":
                    yield (column.tolist(),)
                else:
                    yield pd.util.hash_pandas_object(column, index=False).to_numpy().tobytes()

    def _class(self, value: type) -> Iterator[Any]:
        yield value.__module__ if is_library(value.__module__) else ""
        if not is_library(value.__module__):
            yield (value.__bases__,)
            for name, item in sorted(class_parts(value).items()):
                yield from (name, (item,))

    def _function(self, value: types.FunctionType) -> Iterator[Any]:
        if is_library(value.__module__):
            yield f"{value.__module__}.{value.__qualname__}"
            return
        cells = [cell.cell_contents for cell in value.__closure__ or () if _filled(cell)]
        yield from ((value.__defaults__,), (value.__kwdefaults__,), (cells,))
        if value.__dict__:
            yield (value.__dict__,)
        yield from self._code(value.__code__, value.__globals__)

    def _code(self, code: types.CodeType, scope: dict[str, Any]) -> Iterator[Any]:
        for step in dis.get_instructions(code):  # by what they mean, not by numbers that a docstring would move
            yield step.opname
            if isinstance(step.argval, types.CodeType):
                yield from self._code(step.argval, scope)
            else:
                jump = step.opcode in dis.hasjrel or step.opcode in dis.hasjabs
                yield (step.arg if jump else step.argval,)
            if step.opname in ("LOAD_GLOBAL", "LOAD_NAME") and step.argval in scope:
                yield (scope[step.argval],)
            elif step.opname == "IMPORT_NAME" and step.argval in sys.modules:
                yield (sys.modules[step.argval],)


_CLASS_NOISE = {"__module__", "__doc__", "__dict__", "__weakref__", "__firstlineno__", "__static_attributes__"}
_CLASS_NOISE |= {"__annotations__", "__dataclass_fields__", "__dataclass_params__", "__abstractmethods__", "_abc_impl"}
_CLASS_NOISE |= {"__slotnames__"}  # pickle leaves it there


def _classes(module: str, *names: str) -> tuple[type, ...]:
    """Classes of a library; none where it is not loaded, for nothing is of them then, and loading it takes long."""
    loaded = sys.modules.get(module)
    return tuple(getattr(loaded, name) for name in names) if loaded else ()


def _bytes(tensor: Tensor) -> bytes:
    """The numbers of a tensor of any type and layout."""
    whole = tensor.detach().to_dense() if tensor.layout is not torch.strided else tensor.detach()
    flat = whole.cpu().resolve_conj().resolve_neg().contiguous()
    flat = flat.as_strided((flat.numel(),), (1,))  # of one number, any stride is contiguous
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""


def _source(module: types.ModuleType) -> str:
    """The code of a module of the user's, however it is laid out; its name where there is no file."""
    file = getattr(module, "__file__", None)
    return ast.dump(ast.parse(Path(file).read_bytes())) if file and Path(file).is_file() else module.__name__


_COPIED = ("__reduce__", "__reduce_ex__", "__getstate__")  # a class defines one that keeps more than attributes


def _state(value: Any, whole: bool) -> Any:
    """What an object is made of: its attributes, and what copies are made from where its class says that it is more."""
    kind, kept = type(value), {}
    if hasattr(value, "__dict__"):
        slots = [n for base in kind.__mro__ for n in getattr(base, "__slots__", ()) if hasattr(value, n)]
        kept = made_of(value) | {n: getattr(value, n) for n in slots if not n.startswith("__")}
        if all(getattr(kind, name, None) is getattr(object, name, None) for name in _COPIED):
            return kept
    try:
        made = value.__reduce_ex__(4)
    except Exception as error:  # a lock, a socket: nothing that could be told
        if whole:
            raise TypeError(f"a {kind.__qualname__} cannot be looked into ({error})") from error
        return kept
    if isinstance(made, str):  # the name of a global
        return kept, made
    maker, given, state, *items = (*made, None)[: max(3, len(made))]
    if isinstance(state, dict):
        state = {n: v for n, v in state.items() if n in kept or n not in getattr(value, "__dict__", ())}
    return kept, maker, given, state, [list(part) for part in items[:2] if part is not None]


def _is_exact(value: Any) -> bool:
    """Whether its text says all about a value."""
    if isinstance(value, list | tuple):
        return all(map(_is_exact, value))
    return value is None or type(value) in _SCALARS


def _filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _hash(*parts: str | bytes) -> bytes:
    h = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        h.update(len(data).to_bytes(8, "little") + data)
    return h.digest()
