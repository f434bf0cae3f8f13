"""Texts that anybody may have written, made safe to show."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape

# Control characters, marks that turn the direction of what follows, halves of characters, and what is none:
# a terminal obeys the first, and XML may hold none of them.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def shown(text: object, one_line: bool = False) -> str:
    r"""A text with signs for what would not be shown but done: a name must not clear the screen.

    Line ends and tabs stay, but on ``one_line``.

    >>> shown("a\x1b[2Jb"), shown("two\nlines", one_line=True)
    ('a␛[2Jb', 'two␊lines')
    """
    plain = _UNSAFE.sub(lambda found: _sign(found[0]), str(text))
    return plain.replace("\n", "␊").replace("\t", "␉") if one_line else plain


def without_addresses(text: str) -> str:
    """A text without the places in memory that the words for some objects hold: they differ in every process.

    >>> without_addresses("<Own object at 0x7f3a00>")
    '<Own object>'
    """
    return re.sub(r" at 0x[0-9a-fA-F]+", "", text)


def safe(text: object, one_line: bool = False) -> str:
    """What is :func:`shown` of a text, as it may stand in XML and HTML, between tags and in attributes.

    >>> safe("a < 'b'")
    'a &lt; &#x27;b&#x27;'
    """
    return escape(shown(text, one_line), quote=True)


# Small numbers as a sentence says them.
_LETTERS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


def counted(number: int, noun: str = "") -> str:
    """A small number in letters, with its noun in the right form.

    >>> counted(1, "member"), counted(2, "member"), counted(1200, "member")
    ('one member', 'two members', '1,200 members')
    """
    word = _LETTERS[number] if number < len(_LETTERS) else f"{number:,}"
    return f"{word} {noun}{'' if number == 1 else 's'}" if noun else word


def number(value: float, scale: float | None = None, sign: bool = False, digits: int = 3) -> str:
    """A number with the ``digits`` that matter at ``scale`` (or its own size), a true minus; "–" where there is none.

    >>> number(-1234.5), number(0.47812, 0.022, sign=True, digits=2), number(float("nan")), number(-math.inf)
    ('−1,234', '+0.478', '–', '−∞')
    >>> number(-0.0004, 0.1, sign=True)  # nothing is left of it, and nothing has no sign
    '0.000'
    """
    if math.isinf(value):
        return "−∞" if value < 0 else "+∞" if sign else "∞"
    if math.isnan(value):
        return "–"
    size = abs(scale) if scale and math.isfinite(scale) else abs(value)
    places = max(digits - 1 - math.floor(math.log10(size)), 0) if size > 0 else digits - 1
    plus = "+" if sign else ""
    words = f"{value:{plus}.{digits - 1}e}" if abs(value) >= 1e6 or places > 7 else f"{value:{plus},.{places}f}"
    return words.replace("-", "−") if float(words.replace(",", "")) else words.lstrip("+-")


def percent(share: float) -> str:
    """A share as people write it.

    >>> percent(0.4), percent(0.025), percent(1e-6)
    ('40 %', '2.5 %', '< 0.1 %')
    """
    if 0 < share < 0.001:
        return "< 0.1 %"
    return f"{100 * share:.3g} %" if math.isfinite(share) else "–"


def shortened(text: object, most: int = 24) -> str:
    """A name on one line, shortened in its middle if need be: its end often tells names apart.

    >>> shortened("a very long name that never ends, number 1", most=20)
    'a very long n…mber 1'
    """
    words = " ".join(str(text).split())
    if len(words) <= most:
        return words
    tail = (most - 1) // 3
    return words[: most - 1 - tail] + "…" + words[len(words) - tail :]


def listed(items: Iterable[object], most: int = 12) -> str:
    """Some things with commas between them; of many the first ones, and how many more there are.

    >>> listed(["a", "b"]), listed(range(20), most=3)
    ('a, b', '0, 1, 2 and 17 more')
    """
    texts = list(map(str, items))
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def joined(parts: Sequence[str]) -> str:
    """All of some things in a sentence.

    >>> joined(["a", "b", "c"]), joined(["a"])
    ('a, b and c', 'a')
    """
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1] if parts else ""


def called(name: object) -> str:
    """A member's name in a sentence; a bare number is called a member.

    >>> called("reader"), called(3)
    ('reader', 'member 3')
    """
    words = shortened(name, 40)
    return f"member {words}" if words[:1].isdigit() else words


def capital(words: str) -> str:
    """A sentence that begins with "member 3" begins with a capital; names stay as they are.

    >>> capital("member 3 gains"), capital("reader gains")
    ('Member 3 gains', 'reader gains')
    """
    return "M" + words[1:] if words.startswith("member ") else words


def apart(names: Iterable[object], most: int) -> list[str]:
    """Names shortened as far as they can be told apart; those that are the same word for word are numbered.

    >>> apart(["a long name, of may, and so on", "a long name, of june, and so on", "c"], 12), apart(["a", "a"], 12)
    (['a long name, of may, and so on', 'a long name, of june, and so on', 'c'], ['a', 'a (2)'])
    """
    whole = list(map(str, names))
    said = [shortened(name, most) for name in whole]
    for size in (2 * most, 4 * most, max(map(len, whole), default=0)):
        count = Counter(said)
        said = [shortened(name, size) if count[text] > 1 else text for name, text in zip(whole, said, strict=True)]
    seen: Counter[str] = Counter()
    for place, text in enumerate(said):
        while seen[text]:
            seen[text] += 1
            said[place] = f"{text} ({seen[text]})"
            text = said[place]
        seen[text] += 1
    return said


def _sign(character: str) -> str:
    code = ord(character)
    return chr(0x2400 + code) if code < 0x20 else "␡" if code == 0x7F else "�"
