"""The parameters of a function that builds scenarios: which it has, which it needs, and between what they lie."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from ecosystem.core.words import shortened

SCENARIO_FILE = "scenario_file_"  # before the stem of a file that is run: its module hides no other of that name


@dataclass(frozen=True)
class Range:
    """Between what a parameter of ``scenario()`` is moved on the living page, in steps of ``step`` if one is given.

    It stands in the annotation, and nothing else changes: ``def scenario(coupling: Annotated[float, Range(0, 1)] =
    0.9)``.

    Raises
    ------
    ValueError
        If there is nothing between the ends, or the step is none.

    >>> Range(0, 1)
    Range(low=0, high=1, step=None)
    """

    low: float
    high: float
    step: float | None = None

    def __post_init__(self) -> None:
        if not self.low < self.high or not abs(self.low) + abs(self.high) < float("inf"):
            raise ValueError(f"Range(low, high) goes from a number to a larger one, got {self.low!r} and {self.high!r}")
        if self.step is not None and not 0 < self.step <= self.high - self.low:
            raise ValueError(f"Range(step) lies between 0 and the width of the range, got {self.step!r}")


def misfits(build: Callable[..., Any], given: Collection[str]) -> tuple[list[str], list[str], list[str]]:
    """Given names that ``build`` does not know, names it needs and was not given, and all the names it knows."""
    try:
        known = inspect.signature(build).parameters.values()
    except ValueError as error:  # some of C's do not say
        raise TypeError(
            f"nothing says which parameters {shortened(build, 60)} takes; write a function around it"
        ) from error
    names = [p.name for p in known if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    open_ended = any(p.kind is p.VAR_KEYWORD for p in known)
    unknown = [] if open_ended else [name for name in given if name not in names]
    needed = [p.name for p in known if p.name in names and p.default is p.empty and p.name not in given]
    return unknown, needed, names
