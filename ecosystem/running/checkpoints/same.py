"""Whether two values have the same content: a model and the one it was copied from, a list before and after."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

_PLAIN = (bool, int, str, bytes, complex, type(None), set, frozenset)


def same(one: Any, other: Any, compared: dict[tuple[int, int], Any] | None = None) -> bool:
    """Whether two values of any type have equal content; what cannot be looked into is the same only as itself.

    >>> same({"a": [np.ones(2)]}, {"a": [np.ones(2)]}), same([1], [1.0])
    (True, False)
    """
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, Tensor):
        if (one.shape, one.dtype, one.device) != (other.shape, other.dtype, other.device):
            return False
        a, b = one.to_dense(), other.to_dense()
        return bool(((a == b) | ((a != a) & (b != b))).all())
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind in "fc")
    if isinstance(one, float):
        return one == other or (one != one and other != other)
    if isinstance(one, _PLAIN):
        return one == other
    compared = {} if compared is None else compared
    key = id(one), id(other)
    if key in compared:  # on the way to itself
        return True
    compared[key] = one, other  # kept, so that their ids stay their own
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(same(a, b, compared) for a, b in zip(one, other, strict=True))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[name], compared) for name, value in one.items())
    return same(_parts(one), _parts(other), compared)


def _parts(value: Any) -> Any:
    """What copies of an object are made from."""
    try:
        made = value.__reduce_ex__(4)
    except Exception:  # it cannot be copied this way
        return value
    if isinstance(made, str):  # the name of a global
        return made
    return [list(part) if i > 2 and part is not None else part for i, part in enumerate(made)]
