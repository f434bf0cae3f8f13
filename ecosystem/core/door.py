"""A door to a higher floor: an attribute whose module is imported when it is first read.

Charts and what notebooks show of a run are made by ``ecosystem.plots``, which imports a chart library; ``run.plot``
must be there without it. As pandas does for ``frame.plot``, the class names the module, and no more.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


class Door:
    """The class or function ``name`` of a module, of whatever it is read from.

    A class is made of it, each time (it holds nothing else); a function becomes its method.

    >>> class Word(str):
    ...     count = Door("collections", "Counter")
    ...     pad = Door("textwrap", "indent")
    >>> Word("abba").count["b"], Word("abba").pad("> ")
    (2, '> abba')
    """

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __get__(self, instance: Any, owner: type) -> Any:
        behind = getattr(import_module(self.module), self.name)
        if instance is None:
            return behind
        return behind(instance) if isinstance(behind, type) else partial(behind, instance)


def told_as(function: Callable[..., Any]) -> Callable[[F], F]:
    """A method that says of itself what the function does that it calls: ``help(effect.edges)`` is not bare."""

    def told(method: F) -> F:
        method.__doc__ = function.__doc__
        return method

    return told
