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
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from ecosystem.core import storage
from ecosystem.core.words import shown
from ecosystem.plots import palette
from ecosystem.plots.theme import dark, light
from ecosystem.report.blocks import Chart, Grid, Page, Section, Slides, Table

MARK = '<meta name="generator" content="ecosystem">'  # in the head of every page: it may be written over
HERE = Path(__file__).parent / "templates"
MOST = 2_900_000  # bytes of a page with its downloads
DOWNLOAD = 400_000  # bytes of one packed table at most


def render(page: Page) -> str:
    """The page as HTML; everything that comes from a run is escaped."""
    charts = [block for block in blocks(page.sections) if isinstance(block, Chart)]
    specs = {chart.id: chart.spec() for chart in charts}
    style, script = (_file(name) for name in ("page.css", "page.js"))
    scripts = [library(), script] if charts else [script]
    template = _environment().get_template("page.html.j2")
    text = template.render(
        page=page,
        mark=Markup(MARK),
        policy="; ".join(_policy(scripts)),
        style=Markup(style),
        scripts=[Markup(code) for code in scripts],
        data=Markup(_json({"specs": specs, "looks": _looks() if charts else {}, "told": dict(page.told)})),
        colours={name: i % len(palette.COLOURS) for i, name in enumerate(page.members)},
        palette=list(zip(palette.COLOURS, palette.DARK, strict=True)),
    )
    return _with_downloads(text, [block for block in blocks(page.sections) if isinstance(block, Table)])


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

    return vl_convert.javascript_bundle(None).replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _looks() -> dict[str, Any]:
    """The configurations of charts on light and dark ground."""
    return {name: dict(look())["config"] for name, look in (("light", light), ("dark", dark))}


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
        place = f"<!-- whole table {name} -->"
        if content and len(content) <= room:
            room -= len(content)
            button = f'<button type="button" class="download" data-file="{name}">Download all rows (CSV)</button>'
            data = f'<script type="text/plain" id="whole-{name}">{content}</script>'
            text = text.replace(place, button + data, 1)
        else:
            text = text.replace(place, "The whole table is too large for this page; it is in the saved folder.", 1)
    return text


def _packed(table: Table) -> str:
    """All rows as CSV, packed and in letters; empty if they are more than a page should carry."""
    assert table.whole is not None
    if len(table.whole) > 200_000:
        return ""
    text = shown(table.whole.to_csv(index=False)).encode()
    packed = base64.b64encode(gzip.compress(text, mtime=0)).decode()
    return packed if len(packed) <= DOWNLOAD else ""


def _json(value: Any) -> str:
    """JSON that may stand in a page."""
    text = json.dumps(_plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _plain(value: Any) -> Any:
    """The same without numbers that JSON lacks."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not abs(value) < float("inf") else value


@lru_cache(maxsize=4)
def _file(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(HERE)
    return jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
