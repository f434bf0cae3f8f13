"""A page as a strict little reader sees it: tags that are closed in turn, words, tables, charts."""

from __future__ import annotations

import base64
import gzip
import json
import re
from html.parser import HTMLParser
from typing import Any

VOID = {"meta", "img", "source", "br", "link", "input", "hr"}
POLICY = "default-src 'none'"


class Page(HTMLParser):
    """Keeps tags with their attributes, visible text, and the charts' specifications by their ids."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.data: dict[str, Any] = {}
        self.feed(source)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script" and self.tags[-1][1].get("id") == "data":
            packed = self.tags[-1][1]["type"] == "text/plain"
            self.data = json.loads(gzip.decompress(base64.b64decode(data)) if packed else data)
        elif self.open and self.open[-1] not in ("style", "script"):
            self.text += data + " "

    @property
    def charts(self) -> dict[str, Any]:
        """The specifications of charts, by id."""
        return self.data["specs"]

    def ids(self, tag: str) -> list[str]:
        """The ids of one kind of tag, in order."""
        return [str(attributes["id"]) for name, attributes in self.tags if name == tag and "id" in attributes]

    def values(self, attribute: str) -> list[str]:
        """All values of an attribute."""
        return [str(attributes[attribute]) for _, attributes in self.tags if attribute in attributes]

    def loads_nothing(self) -> None:
        """Nothing of it comes from elsewhere, and its policy would let nothing through."""
        policies = [a["content"] for _, a in self.tags if a.get("http-equiv") == "Content-Security-Policy"]
        assert len(policies) == 1 and str(policies[0]).startswith(POLICY)
        for tag, attributes in self.tags:
            assert tag not in ("link", "iframe", "object", "base", "form")
            for key in ("src", "href", "srcset", "data", "action"):
                assert (attributes.get(key) or "data:").startswith(("data:", "#"))
            assert not [key for key in attributes if key.startswith("on")]


def download(source: str, table: str) -> str:
    """The table that a page has packed for a download."""
    found = re.search(rf'<script type="text/plain" id="whole-{table}">([^<]*)</script>', source)
    assert found, f"there is no whole table {table}"
    return gzip.decompress(base64.b64decode(found.group(1))).decode()


def rows(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """The longest of a chart's tables."""
    return max(spec["datasets"].values(), key=len)
