"""The parameters of a function that builds scenarios: which it has, and which it needs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from typing import Any


def misfits(build: Callable[..., Any], given: Collection[str]) -> tuple[list[str], list[str], list[str]]:
    """Given names that ``build`` does not know, names it needs and was not given, and all the names it knows."""
    known = inspect.signature(build).parameters.values()
    names = [p.name for p in known if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    open_ended = any(p.kind is p.VAR_KEYWORD for p in known)
    unknown = [] if open_ended else [name for name in given if name not in names]
    needed = [p.name for p in known if p.name in names and p.default is p.empty and p.name not in given]
    return unknown, needed, names
