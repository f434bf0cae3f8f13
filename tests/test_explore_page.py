"""The living page in a real browser: a slider is dragged, a flow removed, a refusal seen; nothing is fetched."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecosystem.cli.loading import load_build
from ecosystem.core.words import number
from ecosystem.explore import Setting
from ecosystem.influence import influence, stable_point
from tests.browser import CHROMIUM
from tests.devtools import Browser, wait_for
from tests.test_explore import FILE

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no browser here: install chromium"),
    pytest.mark.skipif(importlib.util.find_spec("solara") is None, reason="Solara is not installed: extra ui"),
    pytest.mark.skipif(importlib.util.find_spec("websockets") is None, reason="websockets is not installed: extra ui"),
]
CELLS = (
    "[...document.querySelectorAll('.eco .{} tbody tr')].map(row => [...row.children].map(cell => cell.textContent))"
)
SHARE = "parseFloat(document.querySelector('.eco .value').textContent.split('=')[1])"
SLIDER = "parseFloat(document.querySelector('[role=slider][aria-label=share]').getAttribute('aria-valuenow'))"
IDLE = "document.querySelector('.eco .busy') && !document.querySelector('.eco .busy').textContent"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "few.py"
    path.write_text(FILE)
    return path


@pytest.fixture
def page(file: Path, tmp_path: Path) -> Iterator[Browser]:
    """A browser on the page of the file."""
    command = [sys.executable, "-m", "ecosystem.cli", "explore", str(file), "--port", "0", "--no-open"]
    log = tmp_path / "log"
    with log.open("w") as out:
        server = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    browser = None
    try:
        address = wait_for(lambda: next((w for w in log.read_text().split() if w.startswith("http://127.")), ""), 120)
        browser = Browser(tmp_path / "browser")
        browser.go(address)
        browser.wait(f"document.querySelector('.eco .alignment td') && {IDLE}", 120)
        yield browser
    finally:
        if browser is not None:
            browser.close()
        server.terminate()
        server.wait(30)


def numbers(page: Browser, table: str) -> list[list[str]]:
    return page.run(CELLS.format(table))


def settled(page: Browser, reads: int = 5) -> float:
    """Where the slider has come to rest: browser and page say the same in several reads, and nothing is computed."""
    values: list[float] = []

    def still() -> bool:
        share, there, idle = page.run(f"[{SHARE}, {SLIDER}, Boolean({IDLE})]")
        values.append(share)
        return bool(idle) and abs(there - share) < 1e-9 and len(values) >= reads and len(set(values[-reads:])) == 1

    wait_for(still, 60)
    return values[-1]


def told(setting: Setting, file: Path) -> tuple[list[list[str]], list[list[str]]]:
    """What the tables must say of a setting: the library's own numbers, in the page's digits."""
    scenario = setting.scenario(load_build(file))
    alignment, matrix = stable_point(scenario).alignment, influence(scenario).matrix
    largest = float(matrix.abs().max().max())
    rows = [[str(name), *(number(float(v), largest) for v in row)] for name, row in matrix.iterrows()]
    return [[str(name), number(float(value))] for name, value in alignment.items()], rows


def test_drag_remove_refuse(page: Browser, file: Path) -> None:
    begun = Setting({"share": 0.4})
    assert (numbers(page, "alignment"), numbers(page, "influence")) == told(begun, file)

    page.drag("[role=slider][aria-label=share]", -60)
    page.wait(f"{SHARE} < 0.4")
    value = settled(page)
    moved = begun.with_parameter("share", value)
    expected = told(moved, file)
    wait_for(lambda: (numbers(page, "alignment"), numbers(page, "influence")) == expected, 60, str(expected))

    page.wait(IDLE)
    flow = "document.querySelector('.eco [data-source=a][data-target=b]')"
    page.run(f"{flow}.dispatchEvent(new MouseEvent('click', {{bubbles: true}}))")
    removed = told(moved.without("a", "b"), file)
    wait_for(lambda: numbers(page, "alignment") == removed[0], 60, str(removed))
    assert page.wait("document.body.innerText.includes('put back a → b')")
    page.wait(f"{IDLE} && !{flow}")

    page.run("document.querySelector('.eco [data-member=c]').dispatchEvent(new MouseEvent('click', {bubbles: true}))")
    page.wait("document.querySelector('[role=slider][aria-label=\"curation of c\"]')")

    page.drag("[role=slider][aria-label=share]", 400)  # 0.95: with what is curated more than there is
    words = page.wait("document.querySelector('.eco .refused') && document.querySelector('.eco .refused').innerText")
    with pytest.raises(ValueError) as refusal:
        moved.with_parameter("share", 0.95).without("a", "b").scenario(load_build(file))
    assert str(refusal.value) in words
    assert numbers(page, "alignment") == removed[0]  # the page is whole: it shows the last setting that there is

    foreign = [address for address in page.requests if "//127.0.0.1" not in address and not address.startswith("data:")]
    assert foreign == [] and page.errors == [], json.dumps(page.errors)[:2000]
