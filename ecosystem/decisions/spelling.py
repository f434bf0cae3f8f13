"""Free numbers as texts, for command lines."""

from __future__ import annotations

import re
from typing import Any

from ecosystem.core.check import brief
from ecosystem.decisions.diets import Level, Real, Share
from ecosystem.decisions.free import Free
from ecosystem.decisions.users import Number, Taste

_TEXT = re.compile(r"\s*(\w+)\s*\((.*)\)\s*(?::([^:]*):([^:]*))?\s*", re.DOTALL)


def as_free(given: Any) -> Free:
    """A free number from one, or from a text as a command line has it.

    ``level(a)``, ``real(a)``, ``taste(a)``, ``raw(a -> b)``, ``curated(a -> b)``, ``share(a -> b)``; any other word is
    a number of the users' curator: ``strength(a)``, ``temperature(a)``, of a flow's own users ``temperature(a -> b)``.
    Bounds stand behind: ``level(a):0.1:0.9``, ``level(a)::0.9``.

    Raises
    ------
    TypeError, ValueError
        If it is neither.

    >>> as_free("level(hub):0.1:0.9"), as_free("raw(a -> b)")
    (level(hub):0.1:0.9, raw(a → b))
    """
    if isinstance(given, Free):
        return given
    found = _TEXT.fullmatch(given) if isinstance(given, str) else None
    if found is None:
        kind = ValueError if isinstance(given, str) else TypeError
        raise kind(f"a free number is Level('a'), Share('a', 'b'), a text such as 'level(a):0:0.9', got {brief(given)}")
    word, inside, *bounds = found.groups()
    limits: Any = dict(zip(("low", "high"), (_bound(text, given) for text in bounds), strict=True))
    ends = [name.strip() for name in re.split(r"→|->", inside)]
    if word in ("raw", "curated", "share") and len(ends) == 1:
        raise ValueError(f"{given!r}: {word} is of a flow, {word}(a -> b)")
    if len(ends) > 2 or not all(ends):
        raise ValueError(f"{given!r} names a member, {word}(a), or a flow, {word}(a -> b)")
    if word in ("raw", "curated", "share"):
        part: Any = None if word == "share" else word
        return Share(ends[0], ends[1], part, **limits)
    at: Any = ends[0] if len(ends) == 1 else tuple(ends)
    if word in ("level", "real"):
        if isinstance(at, tuple):
            raise ValueError(f"{given!r}: {word} is of a member, {word}({at[1]})")
        return (Level if word == "level" else Real)(at, **limits)
    return Taste(at, **limits) if word == "taste" else Number(at, word, **limits)


def _bound(text: str | None, given: str) -> float | None:
    if text is None or not text.strip():
        return None
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{given!r}: bounds are numbers, 'level(a):0.1:0.9', got {text!r}") from None
