"""Texts that anybody may have written, made safe to show."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Control characters, marks that turn the direction of what follows, halves of characters, and what is none:
# a terminal obeys the first, and XML may hold none of them.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def shown(text: object, one_line: bool = False) -> str:
    r"""A text with signs for what would not be shown but done: a name must not clear the screen.

    Line ends and tabs stay, but on ``one_line``.

    >>> shown("a\x1b[2Jb"), shown("two\nlines", one_line=True)
    ('a␛[2Jb', 'two␊lines')
    """
    safe = _UNSAFE.sub(lambda found: _sign(found[0]), str(text))
    return safe.replace("\n", "␊").replace("\t", "␉") if one_line else safe


def listed(items: Iterable[object], most: int = 12) -> str:
    """Some things with commas between them; of many the first ones, and how many more there are.

    >>> listed(["a", "b"]), listed(range(20), most=3)
    ('a, b', '0, 1, 2 and 17 more')
    """
    texts = list(map(str, items))
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def _sign(character: str) -> str:
    code = ord(character)
    return chr(0x2400 + code) if code < 0x20 else "␡" if code == 0x7F else "�"
