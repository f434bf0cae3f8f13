"""Where two structures differ, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_SHOWN = 240  # characters of a value


def differing(before: Any, now: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """The leaves in which two structures of dicts and lists differ: the way to each, and ``before → now`` in words.

    Lists of equal length are gone through where they are tables or hold one thing.

    >>> list(differing({"a": {"b": 1}, "c": 2}, {"a": {"b": 3}, "c": 2}))
    [(('a', 'b'), '1 → 3')]
    """
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys((*before, *now)):
            yield from differing(before.get(key), now.get(key), (*place, str(key)))
    elif _side_by_side(before, now):
        for i, (one, other) in enumerate(zip(before, now, strict=True)):
            yield from differing(one, other, place if len(before) == 1 else (*place, _row(one, i)))
    elif before != now:
        yield place, f"{_short(before)} → {_short(now)}"


def _side_by_side(before: Any, now: Any) -> bool:
    if not (isinstance(before, list) and isinstance(now, list) and len(before) == len(now)):
        return False
    return len(now) == 1 or all(isinstance(row, Mapping) for row in (*before, *now))


def _row(row: Any, number: int) -> str:
    """Which row of a table."""
    if "source" in row:
        return f"{row['source']} → {row['target']}:"
    return f"{row['member']}:" if "member" in row else f"[{number}]"


def _short(value: Any) -> str:
    rows = isinstance(value, list) and value and all(isinstance(row, Mapping) for row in value)
    text = f"{len(value)} rows" if rows else "there" if isinstance(value, Mapping) else str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
