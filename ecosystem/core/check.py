"""Checks of what users give, with one wording."""

from __future__ import annotations

from typing import Any


def whole_number(value: Any, what: str, low: int, of: str = "", instead: str = "") -> int:
    """The value, which must be a whole number (an int, no bool) from ``low`` on.

    ``what`` names its place, ``of`` what it counts, ``instead`` what else the place takes.

    Raises
    ------
    ValueError
        For anything else.

    >>> whole_number(0, "Flow(delay)", 1, of="rounds")
    Traceback (most recent call last):
    ValueError: Flow(delay) must be a whole number of rounds, at least 1, got 0
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        counted, more = f" of {of}" if of else "", f", {instead}" if instead else ""
        raise ValueError(f"{what} must be a whole number{counted}, at least {low}{more}, got {value!r}")
    return value
