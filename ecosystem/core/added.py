"""Sums of floats that are the same on every Python."""

from __future__ import annotations

from collections.abc import Iterable


def added(numbers: Iterable[float]) -> float:
    """Numbers added up one by one, as arrays are: ``sum`` corrects its rounding from Python 3.12 on.

    >>> added([0.1] * 10)
    0.9999999999999999
    """
    total = 0.0
    for number in numbers:
        total += number
    return total
