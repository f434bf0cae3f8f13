"""What a call was not to be given, said with what may be, and with the close one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from functools import wraps
from itertools import islice
from typing import Any, TypeVar

import numpy as np

Call = TypeVar("Call", bound=Callable[..., Any])
_MOST = 10_000  # names that are looked through for the one that was meant


def spelled(call: Call) -> Call:
    """Above a function or a class that people call: arguments that it does not take are refused in its own words.

    Whole numbers of NumPy, as they stand in tables, become Python's own.

    >>> @spelled
    ... def run(seed=0, *, replicates=1): ...
    >>> run(seeds=3)
    Traceback (most recent call last):
    TypeError: run() takes no 'seeds'; did you mean 'seed'? It takes seed, and by name replicates
    >>> run(1, 2)
    Traceback (most recent call last):
    TypeError: run() takes from 0 to 1 positional arguments but 2 were given; it takes seed, and by name replicates
    """
    if isinstance(call, type):  # one that inherits its __init__ is still called by its own name
        type.__setattr__(call, "__init__", _in_words(call.__init__, call.__name__))
        return call  # type: ignore[return-value]
    return _in_words(call, call.__qualname__)  # type: ignore[return-value]


def meant(unknown: object, known: Iterable[object]) -> str:
    """The name that was meant, as a question; nothing where there is none like it, or it is no name.

    >>> meant("draw", ["every", "draws"]), meant("DRAWS", ["draws"]), meant("colour", ["every", "draws"])
    ("; did you mean 'draws'?", "; did you mean 'draws'?", '')
    """
    if not isinstance(unknown, str):
        return ""
    names = [name for name in islice(known, _MOST) if isinstance(name, str)]
    same = [name for name in names if name.casefold() == unknown.casefold()]
    close = same or get_close_matches(unknown, names, 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def meant_among(unknown: object, known: Iterable[object], rest: str) -> str:
    """What follows on an unknown name: the one that was meant, if there is one like it, and the ``rest``.

    >>> meant_among("alfa", ["alpha"], "there are alpha"), meant_among("x", ["alpha"], "there are alpha")
    ("; did you mean 'alpha'? There are alpha", '; there are alpha')
    """
    question = meant(unknown, known)
    return f"{question} {rest[:1].upper()}{rest[1:]}" if question else f"; {rest}"


def _in_words(call: Callable[..., Any], name: str) -> Callable[..., Any]:
    @wraps(call)
    def called(*given: Any, **named: Any) -> Any:
        given = tuple(int(value) if isinstance(value, np.integer) else value for value in given)
        named = {key: int(value) if isinstance(value, np.integer) else value for key, value in named.items()}
        try:
            return call(*given, **named)
        except TypeError as error:
            inner = error.__traceback__ and error.__traceback__.tb_next
            if inner is not None:  # it began: an error of something else
                raise
            raise TypeError(_refusal(call, name, named, str(error))) from None

    return called


def _refusal(call: Callable[..., Any], name: str, named: dict[str, Any], said: str) -> str:
    """Why a call could not begin; ``said`` is what Python says of it."""
    parameters = [p for p in inspect.signature(call).parameters.values() if p.name not in ("self", "cls")]
    placed, rest = ([p.name for p in parameters if (p.kind is p.KEYWORD_ONLY) == alone] for alone in (False, True))
    takes = ", ".join(placed) + (", and by name " if placed and rest else "") + ", ".join(rest)
    for unknown in named:
        if unknown not in (*placed, *rest):
            return f"{name}() takes no {unknown!r}{meant_among(unknown, (*placed, *rest), f'it takes {takes}')}"
    return f"{name}(){said.partition('()')[2]}; it takes {takes}"
