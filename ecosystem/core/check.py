"""Checks of what users give, with one wording: numbers, tensors, switches, and functions of their own.

What comes in is refused by a ValueError or TypeError of one line that names its place, its value and the mend; never
by whatever Python, NumPy or torch says of it later.
"""

from __future__ import annotations

import inspect
import math
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from numbers import Integral, Real
from types import MethodType
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from ecosystem.core.words import without_addresses

LARGEST = 2**63 - 1  # a whole number of torch
_PLAIN: Any = "1.25" if int(np.__version__.partition(".")[0]) > 1 else False  # 3, and not np.int64(3)
_WIDTH = 120  # letters by which a value is shown


def brief(value: Any) -> str:
    """A value in one line of an error, whatever it is; NumPy's numbers as people write them.

    >>> print(brief(torch.zeros(2, 1)), brief([np.int64(3), np.float64(0.5)]))
    tensor([[0.], [0.]]) [3, 0.5]
    """
    try:
        with np.printoptions(legacy=_PLAIN):
            line = without_addresses(one_line(repr(value)))
    except Exception:
        line = f"a {type(value).__name__}"
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 3]}..."


def one_line(text: object) -> str:
    """A text (an error's) in one line."""
    try:
        return " ".join(str(text).split())
    except Exception:
        return f"a {type(text).__name__}"


# -- one number --------------------------------------------------------------------------------------------------------


def whole_number(value: Any, what: str, low: int, of: str = "", instead: str = "", high: int = LARGEST) -> int:
    """The value, which must be a whole number (an int, no bool) from ``low`` to ``high``.

    ``what`` names its place, ``of`` what it counts, ``instead`` what else the place takes.

    Raises
    ------
    ValueError
        For anything else.

    >>> whole_number(0, "Flow(delay)", 1, of="rounds")
    Traceback (most recent call last):
    ValueError: Flow(delay) must be a whole number of rounds, at least 1, got 0
    """
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        counted, more = f" of {of}" if of else "", f", {instead}" if instead else ""
        most = f" and at most {high}" if isinstance(value, int) and value > high else ""
        if isinstance(value, np.integer):
            more += f" and one of Python's own (write int({value}))"
        whole = isinstance(value, float) and low <= value <= high and value.is_integer()
        mend = f"; write {int(value)}" if whole else ""
        raise ValueError(
            f"{what} must be a whole number{counted}, at least {low}{most}{more}, got {brief(value)}{mend}"
        )
    return value


def real_number(value: Any) -> float:
    """The value as a float; NaN, which lies in no interval, where it is no single real number.

    So ``if not 0 <= real_number(share) <= 1`` refuses texts, bools, None and arrays along with NaN.

    >>> real_number(0.5), real_number("0.5"), real_number(True)
    (0.5, nan, nan)
    """
    if type(value) is float:  # nearly always, and asked twice for every flow
        return value
    if isinstance(value, Tensor | np.ndarray):
        if value.ndim or (isinstance(value, Tensor) and value.is_meta):
            return math.nan
        value = value.item()
    if not isinstance(value, Real) or isinstance(value, bool):
        return math.nan
    try:
        return float(value)
    except OverflowError:  # an int beyond all floats
        return math.inf if cast(Any, value) > 0 else -math.inf


def a_seed(value: Any, what: str) -> int:
    """The value, which must be a seed: a whole number (NumPy's too) from 0 on that fits into 63 bits.

    >>> a_seed(2**63, "run(seed)")
    Traceback (most recent call last):
    ValueError: run(seed) must be a whole number from 0 to 2**63 - 1, got 9223372036854775808
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or not 0 <= int(value) <= LARGEST:
        raise ValueError(f"{what} must be a whole number from 0 to 2**63 - 1, got {brief(value)}")
    return int(value)


def switch(value: Any, what: str) -> bool:
    """The value, which must be True or False; ValueError else."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{what} is True or False, got {brief(value)}")
    return bool(value)


# -- many numbers ------------------------------------------------------------------------------------------------------


def numbers(value: Any, what: str) -> Tensor:
    """A finite float64 tensor of its own from whatever numbers the user gave: lists, arrays, frames, tensors.

    Raises
    ------
    TypeError
        For what holds no real numbers.
    ValueError
        For NaN and infinity.

    >>> numbers([1, 2], "Linear(direction)")
    tensor([1., 2.], dtype=torch.float64)
    """
    tensor = as_tensor(value, what, torch.float64).to(torch.float64).clone()
    if not bool(torch.isfinite(tensor).all()):
        raise ValueError(f"{what} must be finite numbers, got {brief(value)}")
    return tensor


def one_number(value: Any, what: str) -> Tensor:
    """The same of a single number, a tensor without dimensions."""
    tensor = numbers(value, what)
    if tensor.ndim:
        raise ValueError(f"{what} must be one number, got {brief(value)}")
    return tensor


def as_tensor(value: Any, what: str, dtype: torch.dtype | None = None) -> Tensor:
    """A dense tensor of real numbers without a gradient, in the type it came in (of lists in ``dtype``).

    NaN passes; TypeError for what holds no real numbers, and for what would have to be guessed (missing values).
    """
    if isinstance(value, bool | np.bool_ | np.ma.MaskedArray):
        raise TypeError(f"{what} must be numbers, got {brief(value)}")
    try:
        if isinstance(value, Tensor):
            tensor = value.detach()
        elif hasattr(value, "__array__"):  # an array may run backwards, which torch does not know
            tensor = torch.as_tensor(np.array(np.asarray(value), order="C"))
        else:
            tensor = torch.as_tensor(value, dtype=dtype)
    except Exception as error:
        raise TypeError(f"{what} must be numbers (a tensor, an array, a list), got {brief(value)}") from error
    if tensor.is_meta or tensor.is_complex() or tensor.is_quantized:
        raise TypeError(f"{what} must be real numbers, got {brief(value)}")
    if tensor.layout != torch.strided:
        raise TypeError(f"{what} must be a dense tensor, got a sparse one; give tensor.to_dense()")
    return tensor


def spreads(shape: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    """Whether a shape broadcasts to another."""
    return len(shape) <= len(whole) and all(a in (1, b) for a, b in zip(shape[::-1], whole[::-1], strict=False))


def several(value: Any, what: str) -> tuple[Any, ...]:
    """The values of a sequence; TypeError where it is none."""
    try:
        return tuple(value)
    except Exception:
        raise TypeError(f"{what}, got {brief(value)}") from None


def a_shape(value: Any, whose: str) -> tuple[int, ...]:
    """The value, which must be the shape of one sample; ValueError else."""
    if not isinstance(value, tuple) or not all(isinstance(d, int) and not isinstance(d, bool) and d > 0 for d in value):
        raise ValueError(
            f"the event_shape of {whose} is a tuple of whole numbers, the shape of one sample, got {brief(value)}"
        )
    return value


def a_name(value: Any, where: str) -> str:
    """The value, which must be a string: nodes of other kinds are named by their ``str``; TypeError else."""
    if not isinstance(value, str):
        raise TypeError(f"{where}: names of members are strings, got {brief(value)}; use str(node)")
    return value


# -- functions of the user's own ---------------------------------------------------------------------------------------


def function(value: Any, what: str) -> Any:
    """The value, which must be something to call; TypeError else."""
    if not callable(value):
        raise TypeError(f"{what}, got {brief(value)}")
    return value


def method(part: Any, name: str, *given: str) -> None:
    """Refuse a method of a part that cannot be called with what it will be ``given``; TypeError.

    >>> class Coin:
    ...     def sample(self, n): ...
    >>> method(Coin(), "sample", "n", "rng")
    Traceback (most recent call last):
    TypeError: Coin.sample is called as sample(n, rng), and is written as sample(n); let it take n, rng by place
    """
    found = function(getattr(part, name), f"{type(part).__name__}.{name} is a method {name}({', '.join(given)})")
    try:
        signature = _of_class(found.__func__) if isinstance(found, MethodType) else inspect.signature(found)
    except ValueError:  # some of C's do not say
        return
    try:
        signature.bind(*given)
    except TypeError:
        called = ", ".join(given)
        raise TypeError(
            f"{type(part).__name__}.{name} is called as {name}({called}), and is written as {name}{signature}; let it "
            f"take {called} by place"
        ) from None


@lru_cache
def _of_class(function: Any) -> inspect.Signature:
    """How a method is called of an instance: worked out once, where a thousand members are of one class."""
    return inspect.signature(MethodType(function, object()))


def warn(text: str, kind: type[Warning] = UserWarning) -> None:
    """A warning at the line of the user's own that led here: the nearest one outside this package."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == __name__.split(".")[0]:
        level, frame = level + 1, frame.f_back
    warnings.warn(text, kind, stacklevel=level)


@contextmanager
def users_code(
    what: str | Callable[[], str], mend: str = "", passing: tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """An error of the user's code inside becomes a ValueError of one line that says whose it is; some are ``passing``.

    Where it is asked in every round, ``what`` is a function: to describe a part may take longer than to ask it.

    >>> with users_code("the reward bold", "let it return [n]"):
    ...     1 / 0
    Traceback (most recent call last):
    ValueError: the reward bold fails: ZeroDivisionError: division by zero; let it return [n]
    """
    try:
        yield
    except passing:
        raise
    except Exception as error:
        if _no_room(error):
            raise  # whoever called knows what to make smaller
        said = f"{type(error).__name__}: {one_line(error)}"
        whose = what if isinstance(what, str) else what()
        raise ValueError(f"{whose} fails: {said}{mend and f'; {mend}'}") from error


def _no_room(error: Exception) -> bool:
    """Whether memory ran out; on a CPU torch says so by a RuntimeError, on some devices too."""
    told = isinstance(error, RuntimeError) and any(
        words in str(error) for words in ("allocate memory", "enough memory", "out of memory")
    )
    return told or isinstance(error, MemoryError | torch.OutOfMemoryError)


def returned(value: Any) -> str:
    """What a function of the user's returned, for an error.

    >>> returned(torch.zeros(3, 2)), returned(np.zeros(3)), returned(None)
    ('shape (3, 2)', 'a NumPy array of shape (3,), no tensor (torch.as_tensor makes one of it)', 'None')
    """
    if isinstance(value, np.ndarray):
        return f"a NumPy array of shape {tuple(value.shape)}, no tensor (torch.as_tensor makes one of it)"
    if not isinstance(value, Tensor):
        return brief(value)
    kind = "" if real_tensor(value) else f"{value.dtype} ({value.layout}, {value.device}) of "
    return f"{kind}shape {tuple(value.shape)}"


def real_tensor(value: Any) -> bool:
    """Whether it is a dense tensor of real numbers."""
    return isinstance(value, Tensor) and not (value.is_complex() or value.is_meta) and value.layout == torch.strided
