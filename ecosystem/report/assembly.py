"""From a page's blocks to one HTML file that opens without a network.

Charts are drawn by the reader's browser: the library is in the file once, specifications beside it, and the policy in
the file's head lets no other script run and nothing be fetched. Whole tables are packed for a download while there is
room for them.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from ecosystem.core import storage
from ecosystem.core.words import shown
from ecosystem.plots import palette
from ecosystem.plots.chart import ROW, shortly
from ecosystem.plots.theme import dark, light
from ecosystem.report.blocks import Chart, Grid, Page, Section, Slides, Table
from ecosystem.report.prose import inline, prose

MARK = '<meta name="generator" content="ecosystem">'  # in the head of every page: it may be written over
HERE = Path(__file__).parent / "templates"
MOST = 2_900_000  # bytes of a page with its downloads
DOWNLOAD = 400_000  # bytes of one packed table at most
PLAIN = 300_000  # letters of charts' specifications; longer ones are packed
SCRIPTS = ("page.js", "charts.js", "files.js", "pointing.js", "slides.js")
START = 'await redraw();\ndocument.documentElement.dataset.ready = "yes";\n'
FORMULA = re.compile(r"^[=+\-@\t\r]")  # how a text begins that spreadsheets take for a formula


def render(page: Page) -> str:
    """The page as HTML; everything that comes from a run is escaped."""
    parts = [*page.sections, *blocks(page.sections)]
    twice = [id for id, count in Counter(part.id for part in parts if hasattr(part, "id")).items() if count > 1]
    if twice:
        raise ValueError(f"a page has two parts called {twice[0]!r}; give one another id")
    charts = [block for block in blocks(page.sections) if isinstance(block, Chart)]
    specs = {chart.id: chart.spec() for chart in charts}
    scripts = [*([library()] if charts else []), _script()]
    data = _json({"specs": specs, "looks": _looks() if charts else {}, "told": dict(page.told)})
    template = _environment().get_template("page.html.j2")
    text = template.render(
        page=page,
        mark=Markup(MARK),
        policy="; ".join(_policy(scripts)),
        style=Markup(_file("page.css")),
        scripts=[Markup(code) for code in scripts],
        data=Markup(data if len(data) <= PLAIN else _pack(data)),
        plain=len(data) <= PLAIN,
        colours={name: i % len(palette.COLOURS) for i, name in enumerate(page.members)},
        palette=list(zip(palette.COLOURS, palette.DARK, strict=True)),
    )
    return _with_downloads(text.lstrip(), [block for block in blocks(page.sections) if isinstance(block, Table)])


def write(path: str | Path, page: Page) -> Path:
    """Write a page, whole or not at all, and never through a link that lies in its place; returns the path."""
    path = storage.named(path)
    text = shown(render(page)).encode()
    storage.write(path, text, "the report could not be written; make room, or choose another file")
    return path


def blocks(sections: Sequence[Section]) -> Iterator[Any]:
    """All blocks of some sections, those within others too, in their order."""
    for section in sections:
        for block in section.blocks:
            yield from _within(block)


def _within(block: Any) -> Iterator[Any]:
    yield block
    inner: list[Any] = []
    if isinstance(block, Grid):
        inner = [item for _, item in block.items]
    elif isinstance(block, Slides):
        inner = [item for _, items in block.slides for item in items]
    for item in inner:
        yield from _within(item)


@lru_cache(maxsize=1)
def library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script."""
    import vl_convert  # takes a while, and only pages need it

    bundle = vl_convert.javascript_bundle()  # pyright: ignore[reportCallIssue]  (its stub asks for an argument)
    return bundle.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _looks() -> dict[str, Any]:
    """The configurations of charts on light and dark ground, and how rows are called where there is little room."""
    rows = {"wide": shortly(ROW), "narrow": shortly(17)}
    return {name: dict(look())["config"] for name, look in (("light", light), ("dark", dark))} | {"rows": rows}


def _policy(scripts: Sequence[str]) -> Iterator[str]:
    """What a browser may do: run these scripts (Vega compiles its expressions), show what is in the page; no more."""
    hashes = [base64.b64encode(hashlib.sha256(code.encode()).digest()).decode() for code in scripts]
    yield "default-src 'none'"
    yield "script-src " + "".join(f"'sha256-{found}' " for found in hashes) + "'unsafe-eval'"
    yield "style-src 'unsafe-inline'"
    yield "img-src data: blob:"
    yield "form-action 'none'"
    yield "base-uri 'none'"


def _with_downloads(text: str, tables: Sequence[Table]) -> str:
    """The page with as many whole tables as there is room for, the shortest first; of the others it says so."""
    packed = [(table.id, _packed(table)) for table in tables if table.whole is not None and table.more]
    room = MOST - len(text.encode())
    for name, content in sorted(packed, key=lambda pair: len(pair[1])):
        button = f'<button type="button" class="download" data-file="{name}">Download all rows (CSV)</button>'
        data = f'<script type="text/plain" id="whole-{name}">{content}</script>'
        if content and len(button + data) <= room:
            room -= len(button + data)
        else:
            button, data = "The whole table is too large for this page; it is in the saved folder.", ""
        text = text.replace(f"<!-- whole table {name} -->", button + data, 1)
    return text


def _packed(table: Table) -> str:
    """All rows as CSV, packed and in letters; empty if they are more than a page should carry."""
    assert table.whole is not None
    if len(table.whole) > 200_000:
        return ""
    packed = _pack(shown(csv(table.whole)))
    return packed if len(packed) <= DOWNLOAD else ""


def csv(frame: pd.DataFrame) -> str:
    """A table as a file of commas: numbers with all their digits, and no text that a spreadsheet would run.

    A page comes from others, and spreadsheets run ``=…`` even in quotes: such texts get an apostrophe before them. The
    saved folder has them as they are.

    >>> print(csv(pd.DataFrame({"member": ["=1+1"], "value": [1 / 3]})), end="")
    member,value
    '=1+1,0.3333333333333333
    """
    texts = [i for i, kind in enumerate(frame.dtypes) if not pd.api.types.is_numeric_dtype(kind)]
    safe = {i: frame.iloc[:, i].map(_defused) if i in texts else frame.iloc[:, i] for i in range(frame.shape[1])}
    return pd.DataFrame(safe).to_csv(index=False, header=[_defused(str(name)) for name in frame], lineterminator="\n")


def _defused(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and FORMULA.match(value) else value


def _pack(text: str) -> str:
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def _json(value: Any) -> str:
    """JSON that may stand in a page."""
    text = json.dumps(_plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _plain(value: Any) -> Any:
    """The same without numbers that JSON lacks; texts as the page shows them, so that they can be compared."""
    if isinstance(value, dict):
        return {shown(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return shown(value)
    return None if isinstance(value, float) and not abs(value) < float("inf") else value


@lru_cache(maxsize=1)
def _script() -> str:
    """The page's own scripts as one, whose names nobody else sees."""
    return '"use strict";\n(async () => {\n' + "\n".join(map(_file, SCRIPTS)) + START + "})();\n"


@lru_cache(maxsize=8)
def _file(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(HERE)
    made = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters |= {"prose": prose, "inline": inline}
    return made
