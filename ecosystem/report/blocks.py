"""What pages are made of: a section holds blocks, and each block says by its name which macro shows it.

Everything that comes from a run is text until the template escapes it; markup are drawings alone, which escape what
they say themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import altair as alt
import pandas as pd

from ecosystem.plots.chart import NothingToDraw
from ecosystem.plots.network import Drawing


@dataclass(frozen=True)
class Cell:
    """What stands in a table: a text, a smaller one below it, and the tone of a verdict (``gained``, ``lost``).

    Where the text is the beginning of a longer one, that is the ``whole``, which is seen when it is asked for.
    """

    text: str
    small: str = ""
    tone: str | None = None
    number: bool = False
    whole: str = ""


@dataclass(frozen=True)
class Row:
    """A row, and what a page highlights with it: ``member``, or ``source`` and ``target``."""

    cells: Sequence[Cell]
    about: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Words:
    """A paragraph; ``soft`` ones say how to read what stands beside them, a ``notice`` what to beware of."""

    block: ClassVar[str] = "words"
    text: str
    soft: bool = False
    notice: bool = False


@dataclass(frozen=True)
class Prose:
    """What a user wrote about a scenario, read as Markdown: paragraphs, lists, code."""

    block: ClassVar[str] = "prose"
    text: str


@dataclass(frozen=True)
class Sentences:
    """A list of sentences, with a heading if there is one."""

    block: ClassVar[str] = "sentences"
    sentences: Sequence[str]
    heading: str = ""


@dataclass(frozen=True)
class Code:
    """Something to type."""

    block: ClassVar[str] = "code"
    text: str


@dataclass(frozen=True)
class Table:
    """A table of a few rows; ``more`` are in ``whole``, which can be downloaded where there is room for it."""

    block: ClassVar[str] = "table"
    id: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[Row]
    more: int = 0
    whole: pd.DataFrame | None = None
    pairs: bool = False  # facts: a name and what it is


@dataclass(frozen=True)
class Chart:
    """A chart of `ecosystem.plots`; its description is its text alternative, its data are its table."""

    block: ClassVar[str] = "chart"
    id: str
    chart: Any
    caption: str = ""

    @property
    def alt(self) -> str:
        """What it shows, in words."""
        return str(self.chart.description)

    def spec(self) -> dict[str, Any]:
        """The chart without its look, which the page has once, light and dark."""
        with alt.data_transformers.enable("default"):  # a reader's own may keep the data in files
            spec = self.chart.to_dict()
        names = {name: f"data-{i}" for i, name in enumerate(spec.get("datasets", {}))}
        left_out = ("config", "usermeta", "datasets")
        kept = _renamed({key: value for key, value in spec.items() if key not in left_out}, names)
        return kept | {"datasets": dict(zip(names.values(), spec.get("datasets", {}).values(), strict=True))}


def charted(id: str, draw: Callable[[], Any], caption: str = "") -> list[Chart]:
    """A chart, or nothing where there is nothing to draw."""
    try:
        return [Chart(id, draw(), caption)]
    except NothingToDraw:
        return []


def _renamed(spec: Any, names: Mapping[str, str]) -> Any:
    """A specification whose data have other names: Altair's differ from time to time, and pages are the same bytes."""
    if isinstance(spec, list):
        return [_renamed(part, names) for part in spec]
    if not isinstance(spec, dict):
        return spec
    return {
        key: {"name": names[part["name"]]}
        if key == "data" and isinstance(part, dict) and part.get("name") in names
        else _renamed(part, names)
        for key, part in spec.items()
    }


@dataclass(frozen=True)
class Network:
    """A drawing of the network."""

    block: ClassVar[str] = "network"
    id: str
    drawing: Drawing
    narrow: Drawing | None = None  # for a phone
    caption: str = ""


@dataclass(frozen=True)
class Image:
    """A picture in pixels or lines, as an address that carries it whole."""

    block: ClassVar[str] = "image"
    address: str
    alt: str
    caption: str = ""
    about: Mapping[str, str] = field(default_factory=dict)
    pixelated: bool = False


@dataclass(frozen=True)
class Grid:
    """Blocks side by side, as many as fit; each has a name above it."""

    block: ClassVar[str] = "grid"
    items: Sequence[tuple[str, Any]]  # name, block


@dataclass(frozen=True)
class Slides:
    """Blocks of which one is seen at a time: a slider moves through them, or a choice names one.

    Those of one ``group`` on a page move together. Without scripts, and on paper, the last is seen (of a choice, the
    first).
    """

    block: ClassVar[str] = "slides"
    id: str
    label: str
    slides: Sequence[tuple[str, Sequence[Any]]]  # name, blocks
    group: str = ""
    choice: bool = False
    about: Sequence[Mapping[str, str]] = ()  # of a choice: what each of them highlights


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    id: str
    title: str
    blocks: Sequence[Any]
    level: int = 2


@dataclass(frozen=True)
class Page:
    """A page: what happened in a line, the notices and facts that come first, then sections."""

    title: str
    kind: str
    headline: str
    sections: Sequence[Section]
    notices: Sequence[str] = ()
    lead: str = ""
    facts: Sequence[tuple[str, str]] = ()
    words: Sequence[tuple[str, str]] = ()  # the glossary
    members: Sequence[str] = ()  # those that can be pointed at, in their order: their colours are those of charts
    told: Mapping[str, str] = field(default_factory=dict)  # a sentence a member, said where it is pointed at
