"""What a scenario says of itself, as a page shows it: its docstring, read as Markdown.

Only what docstrings have is read: paragraphs, lists, code and stress. All else, markup and links too, is shown as it
was written.
"""

from __future__ import annotations

import inspect
import re
from functools import lru_cache

from markdown_it import MarkdownIt
from markupsafe import Markup

from ecosystem.report.blocks import Prose, Section

_COLONS = re.compile(r"(?<=\w)::(?=[ \t]*\n(?:[ \t]*\n)+[ \t]+\S)")  # reStructuredText's, before indented code


def described(words: object) -> tuple[str, list[Section]]:
    """A description's first paragraph, and a section of all others if there are any."""
    told = _COLONS.sub(":", inspect.cleandoc(str(words or "")))
    lead, *rest = re.split(r"\n[ \t]*\n", told, maxsplit=1)
    more = "".join(rest).strip("\n")
    return lead, [Section("about", "More about this scenario", [Prose(more)])] if more.strip() else []


def prose(words: str) -> Markup:
    """Paragraphs, lists and code as HTML; what is in them is escaped."""
    return Markup(_reader().render(words))


def inline(words: str) -> Markup:
    """One paragraph's code and stress as HTML, without the paragraph."""
    return Markup(_reader().renderInline(words))


@lru_cache(1)
def _reader() -> MarkdownIt:
    return MarkdownIt("zero", {"html": False}).enable(["code", "fence", "list", "backticks", "emphasis"])
