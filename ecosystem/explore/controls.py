"""The parameters of ``scenario()`` as controls: sliders, switches, choices and texts; the rest is shown and fixed."""

from __future__ import annotations

import enum
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from ecosystem.core.identity import label
from ecosystem.core.parameters import Range

STEPS = 60  # at least, of a slider whose annotation says nothing else
MOST = 10  # to which a whole number goes at least


@dataclass(frozen=True)
class Control:
    """How one parameter is moved.

    ``kind`` is ``slider``, ``whole`` (a slider of whole numbers), ``switch``, ``choice`` (among ``choices``), ``text``
    or ``fixed``: then ``why`` says why it cannot be moved. ``value`` is where it begins.
    """

    name: str
    kind: str
    value: Any
    low: float = 0.0
    high: float = 1.0
    step: float = 0.01
    choices: tuple[Any, ...] = ()
    why: str = ""

    def stays(self, old: Any, new: Any) -> bool:
        """Whether a slider that says ``new`` has only moved ``old`` to its nearest step, which nobody asked for."""
        if self.kind not in ("slider", "whole"):
            return False
        nearest = self.low + math.floor((old - self.low) / self.step + 0.5) * self.step
        return abs(new - min(nearest, self.high)) < 0.51 * self.step

    def taken(self, value: Any) -> Any:
        """What the parameter becomes when the page says ``value``: numbers without the dust of binary steps."""
        if self.kind == "whole":
            return round(value)
        return float(f"{value:.10g}") if self.kind == "slider" else value


def controls(build: Callable[..., Any], given: Mapping[str, Any] | None = None) -> list[Control]:
    """A control for each parameter of ``build``, beginning with what is ``given``, else with its default.

    ``Annotated[float, Range(0, 1)]`` says between what a number lies; without it a float from 0 to 1 stays there, any
    other number goes from 0 to its double. ``Literal`` and enumerations are choices. What is neither number, bool, text
    nor choice is fixed.

    >>> def scenario(share: float = 0.5, readers: int = 4, shape: Literal["ring", "star"] = "ring", start: list = []):
    ...     ...
    >>> [(c.name, c.kind, c.low, c.high) for c in controls(scenario)][:2]
    [('share', 'slider', 0.0, 1.0), ('readers', 'whole', 1, 10)]
    >>> controls(scenario)[3].why
    'a list is no number, switch, choice or text'
    """
    try:
        hints = get_type_hints(build, include_extras=True)
    except Exception:  # an annotation that names what is not there says nothing
        hints = {}
    found, given = [], dict(given or {})
    for name, parameter in inspect.signature(build).parameters.items():
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            default = given.pop(name, parameter.default)
            found.append(_control(name, hints.get(name), default))
    return [*found, *(_by_value(name, value) for name, value in given.items())]


def _control(name: str, hint: Any, value: Any) -> Control:
    """The control of a parameter by its annotation, else by its value."""
    span = None
    if get_origin(hint) is Annotated:
        hint, *notes = get_args(hint)
        span = next((note for note in notes if isinstance(note, Range)), None)
    if get_origin(hint) in (Union, UnionType):
        kinds = [kind for kind in get_args(hint) if kind is not NoneType]
        hint = kinds[0] if len(kinds) == 1 else None
    missing = value is inspect.Parameter.empty
    choices = _choices(hint)
    if choices:
        value = choices[0] if missing else value
        if value in choices:
            return Control(name, "choice", value, choices=choices)
    if span is not None:
        whole = hint is int or (hint is not float and isinstance(value, int))
        value = span.low if missing else value
        if _is_number(value):
            return _within(name, int(value) if whole else float(value), span)
    if missing:
        return Control(name, "fixed", None, why="it has no default: give it a value with --set")
    return _by_value(name, float(value) if hint is float and _is_number(value) else value)


def _choices(hint: Any) -> tuple[Any, ...]:
    if get_origin(hint) is Literal:
        return get_args(hint)
    return tuple(hint) if isinstance(hint, enum.EnumMeta) else ()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _within(name: str, value: float, span: Range) -> Control:
    """A slider in a range, which is widened to hold the value that is there."""
    low, high = min(span.low, value), max(span.high, value)
    if isinstance(value, int):
        return Control(name, "whole", value, math.ceil(low), math.floor(high), max(1, round(span.step or 1)))
    step = span.step or 10.0 ** math.floor(math.log10((high - low) / STEPS))
    return Control(name, "slider", value, float(low), float(high), step)


def _by_value(name: str, value: Any) -> Control:
    """The control of a parameter of which only a value is known."""
    if isinstance(value, bool):
        return Control(name, "switch", value)
    if isinstance(value, enum.Enum):
        return Control(name, "choice", value, choices=tuple(type(value)))
    if isinstance(value, str):
        return Control(name, "text", value)
    if not _is_number(value):
        kind = "None" if value is None else f"a {type(value).__name__}"
        return Control(name, "fixed", value, why=f"{kind} is no number, switch, choice or text")
    if isinstance(value, int):
        low = min(1, value) if value >= 0 else 2 * value
        return _within(name, value, Range(low, max(MOST, 2 * value)))
    if 0 <= value <= 1:
        return _within(name, value, Range(0.0, 1.0))
    return _within(name, value, Range(min(0.0, 2 * value), max(0.0, 2 * value)))


def told(control: Control) -> str:
    """The value of a control in a few words."""
    return label(control.value)
