"""What a call is given, held against its annotations: what is of another kind is refused by name, before it begins."""

from __future__ import annotations

import inspect
import math
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, wraps
from numbers import Integral
from typing import Any, TypeVar

import numpy as np

from ecosystem.core.arguments import spelled
from ecosystem.core.check import a_name, brief, real_number

Call = TypeVar("Call", bound=Callable[..., Any])
_REFUSED = object()


class _Names:
    """A list of strings."""


_WORDS = {int: "a whole number", float: "a number", str: "a string", bool: "True or False", types.NoneType: "None"}
_WORDS |= {Sequence: "a list", _Names: "a list of names", Mapping: "a dict", Callable: "a function"}


def typed(call: Call) -> Call:
    """:func:`spelled`, and what is given must be of the kind that the annotation says.

    Numbers of other libraries become Python's own, what can be read but once a list. Where an annotation names several
    kinds, any of these is taken; where it says ``Any``, or a kind that is not looked at here, the call has to judge.

    >>> @typed
    ... def play(rounds: int, names: Sequence[str] | None = None): ...
    >>> play(1.9)
    Traceback (most recent call last):
    TypeError: play(rounds) must be a whole number, got 1.9
    >>> play(1, names=3)
    Traceback (most recent call last):
    TypeError: play(names) must be a list of names or None, got 3
    >>> play(1, names="ab")
    Traceback (most recent call last):
    TypeError: play(names) must be a list of names or None, got 'ab'; write ['ab']
    """
    parameters, spoken = list(inspect.signature(call).parameters), spelled(call)

    @wraps(call)
    def checked(*given: Any, **named: Any) -> Any:
        begun = [_of_kind(call, name, value) for name, value in zip(parameters, given, strict=False)]
        rest = {name: _of_kind(call, name, value) for name, value in named.items()}
        return spoken(*begun, *given[len(begun) :], **rest)

    return checked  # type: ignore[return-value]


def _of_kind(call: Callable[..., Any], name: str, value: Any) -> Any:
    """The value as the first kind of the annotation has it that takes it; TypeError where none does."""
    kinds = _kinds(call).get(name, ())
    for kind in kinds:
        taken = _taken(kind, value, name)
        if taken is not _REFUSED:
            return taken
    if not kinds:
        return value
    words = " or ".join(_WORDS.get(kind) or _article(kind.__name__) for kind in kinds)
    mend = f"; write [{value!r}]" if isinstance(value, str) and _Names in kinds else ""
    raise TypeError(f"{call.__name__}({name}) must be {words}, got {brief(value)}{mend}")


@cache
def _kinds(call: Callable[..., Any]) -> dict[str, tuple[Any, ...]]:
    """The kinds that each parameter takes; none of one that may be anything."""
    found: dict[str, tuple[Any, ...]] = {}
    for name, parameter in inspect.signature(call).parameters.items():
        said = parameter.annotation
        if said is parameter.empty:
            continue
        try:
            known = eval(said, call.__globals__) if isinstance(said, str) else said
        except NameError:  # imported for the type checker alone
            continue
        union = typing.get_origin(known) in (typing.Union, types.UnionType)
        given = typing.get_args(known) if union else (known,)
        kinds = tuple(_Names if k == Sequence[str] else typing.get_origin(k) or k for k in given)
        lists = [k for k in given if typing.get_origin(k) is Sequence]
        if any(k not in (Sequence[str], Sequence[Any]) for k in lists):
            continue  # of parts, one of which may stand alone
        if all(isinstance(k, type) and k is not Any and not getattr(k, "_is_protocol", False) for k in kinds):
            found[name] = kinds
    return found


def _taken(kind: Any, value: Any, what: str) -> Any:
    """The value as a kind has it; ``what`` it is, where names are to be strings."""
    if kind is int:
        return int(value) if isinstance(value, Integral) and not isinstance(value, bool) else _REFUSED
    if kind is bool:
        return bool(value) if isinstance(value, bool | np.bool_) else _REFUSED
    if kind is float:
        number = real_number(value)
        return number if isinstance(value, float) or not math.isnan(number) else _REFUSED  # NaN is the call's to refuse
    if kind is _Names:
        names: Any = _REFUSED if isinstance(value, str | bytes | Mapping) else _several(value)
        if names is not _REFUSED:
            for name in names:
                a_name(name, what)
        return names
    if kind is Sequence:
        return _REFUSED if isinstance(value, bytes | Mapping) else _several(value)
    if kind is Mapping:
        return value if isinstance(value, Mapping) else _by_key(value)
    if kind is Callable:
        return value if callable(value) else _REFUSED
    return value if isinstance(value, kind) else _REFUSED


def _by_key(value: Any) -> Any:
    """What pandas has by the labels of an index, as a dict."""
    if not (hasattr(value, "index") and hasattr(value, "to_dict") and getattr(value, "ndim", 0) == 1):
        return _REFUSED
    return value.to_dict()


def _several(value: Any) -> Any:
    try:
        values = list(value)
    except Exception:  # whatever a class of somebody else's says
        return _REFUSED
    return values if isinstance(value, Iterator) else value


def _article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"
