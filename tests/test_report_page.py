"""What all pages share, in a real browser: drawing, pointing, slides, downloads, safety, and who reads without eyes."""

from __future__ import annotations

import importlib.util
import io
import os
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
import sample_page as pages
import synthetic_runs
from typer.testing import CliRunner

from ecosystem.cli import app
from ecosystem.plots import palette
from ecosystem.report import assembly
from ecosystem.report.blocks import Page, Section
from ecosystem.report.tables import table
from tests.browser import CHROMIUM
from tests.devtools import Browser

browsers = [
    pytest.mark.skipif(CHROMIUM is None, reason="no browser here: install chromium"),
    pytest.mark.skipif(importlib.util.find_spec("websockets") is None, reason="websockets is not installed: extra ui"),
]
AXE = os.environ.get("AXE", "")  # where axe-core lies: axe.min.js
READY = "document.documentElement?.dataset.ready"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    made = Browser(tmp_path_factory.mktemp("browser"))
    made.call("Emulation.setFocusEmulationEnabled", enabled=True)
    yield made
    made.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


def opened(browser: Browser, folder: Path, names: tuple[str, ...] = ("a", "b", "c"), width: int = 1440) -> Browser:
    """The browser on the page of these members."""
    place = folder / f"{len(names)}.html"
    if not place.exists():
        assembly.write(place, pages.page(names))
    browser.resize(width, 1000)
    browser.requests.clear()
    browser.go(place.as_uri())
    browser.wait(READY)
    return browser


@pytest.fixture
def page(browser: Browser, folder: Path) -> Iterator[Browser]:
    """The browser on a page of three members; nothing is fetched, thrown or warned of."""
    yield opened(browser, folder)
    quiet(browser)


def quiet(browser: Browser) -> None:
    asked = [address for address in browser.requests if not address.startswith(("file:", "data:", "blob:"))]
    assert (asked, browser.errors, browser.said) == ([], [], [])


def drawn(page: Browser) -> list[dict[str, float]]:
    """Of each chart that is seen: the room, the width, and how large its smallest letters are."""
    script = """
        [...document.querySelectorAll('.view')].filter(view => view.clientWidth).map(view => {
            const svg = view.querySelector('svg'), width = svg.getBoundingClientRect().width;
            const sizes = [...svg.querySelectorAll('text')].map(text => parseFloat(getComputedStyle(text).fontSize));
            const letters = Math.min(...sizes) * width / Number(svg.getAttribute('width'));
            return {room: view.clientWidth, width, letters};
        })
    """
    return page.run(script)


def marked(page: Browser, kind: str) -> list[str]:
    """What is lit or dim, in words."""
    words = "(d => d && (d.source ? d.source + (d.target ?? d.member) : d.member))(e.__data__?.datum ?? e.dataset)"
    return page.run(f"[...new Set([...document.querySelectorAll('.{kind}')].map(e => {words}))].filter(Boolean).sort()")


def held(page: Browser) -> str:
    return page.run("document.querySelector('#pointed.on [role=status]')?.textContent ?? ''")


def press(page: Browser, key: str) -> None:
    text = {"text": "\r"} if key == "Enter" else {}
    page.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, **text)
    page.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key)


def fire(page: Browser, element: str, event: str) -> None:
    page.run(f"{element}.dispatchEvent(new MouseEvent('{event}', {{bubbles: true}}))")


def line(name: str) -> str:
    """The line of a member in the chart of alignment, as an expression."""
    return f"[...document.querySelectorAll('.mark-line path')].find(e => e.__data__.datum.member === '{name}')"


class TestCharts:
    pytestmark = browsers

    def test_they_fill_the_column(self, page: Browser) -> None:
        lines, cells, *_ = drawn(page)
        assert 0.95 * lines["room"] < lines["width"] <= lines["room"]  # it had its own 500 pixels of 896
        assert cells["width"] < cells["room"]  # cells do not grow

    def test_a_phone_reads_them(self, page: Browser) -> None:
        opened(page, Path(page.run("location.pathname")).parent, width=390)
        assert page.run("document.documentElement.scrollWidth") <= 390
        for chart in drawn(page):
            assert chart["width"] <= chart["room"] and chart["letters"] >= 9

    def test_they_are_drawn_anew_in_the_dark(self, page: Browser) -> None:
        page.resize(1440, 1000, dark=True)
        ground = "getComputedStyle(document.querySelector('#lines svg') ?? document.body).backgroundColor"
        page.wait(f"{ground} === 'rgb(20, 24, 29)'", 10)
        page.resize(1440, 1000)
        page.wait(f"{ground} === 'rgb(255, 255, 255)'", 10)

    def test_nothing_lies_over_them(self, page: Browser) -> None:
        """The library's own menu lay over their titles."""
        assert page.run("document.querySelectorAll('.view details,.view summary').length") == 0


class TestPointing:
    pytestmark = browsers

    def test_hover_lights_a_member_everywhere(self, page: Browser) -> None:
        fire(page, line("b"), "pointerover")
        assert {"b", "ab", "bc"} <= set(marked(page, "lit")) and not {"a", "c", "ac"} & set(marked(page, "lit"))
        assert {"a", "c"} <= set(marked(page, "dim"))
        bands = page.run(
            "[...document.querySelectorAll('#lines .mark-area .dim')].map(e => getComputedStyle(e).opacity)"
        )
        assert len(bands) == 2 and all(float(opacity) < 0.03 for opacity in bands)  # they stayed as pale as they were
        fire(page, "document.querySelector('h1')", "pointerover")
        assert marked(page, "lit") == marked(page, "dim") == []

    def test_a_click_holds_and_escape_lets_go(self, page: Browser) -> None:
        fire(page, line("b"), "click")
        fire(page, "document.querySelector('h1')", "pointerover")
        assert held(page) == "b fell." and "b" in marked(page, "lit")
        press(page, "Escape")
        assert held(page) == "" and marked(page, "lit") == []

    def test_a_flow_says_what_the_drawing_says(self, page: Browser) -> None:
        fire(page, "document.querySelector('tr[data-source] button')", "click")
        assert "a → b" in held(page) and "20 %" in held(page)
        assert marked(page, "lit") == ["a", "ab", "b"]

    def test_the_keyboard_holds_what_is_drawn(self, page: Browser) -> None:
        page.run("document.querySelector('.network [data-member=c][tabindex]').focus()")
        assert {"c", "bc"} <= set(marked(page, "lit"))
        press(page, "Enter")
        assert held(page) == "c fell."
        assert page.run("document.activeElement.getAttribute('aria-pressed')") == "true"

    def test_names_in_legends_and_on_axes_are_buttons(self, page: Browser) -> None:
        names = page.run("[...document.querySelectorAll('#lines text[role=button]')].map(e => e.textContent)")
        assert names == ["a", "b", "c"]
        page.run("document.querySelector('#lines text[role=button]').focus()")
        press(page, "Enter")
        assert held(page) == "a fell."
        cells = page.run(
            "[...document.querySelectorAll('#cells .dim')].filter(e => e.__data__.datum.source === 'a').length"
        )
        assert cells == 0 and page.run("document.querySelectorAll('#cells .dim').length") > 0

    def test_what_is_drawn_anew_keeps_its_state(self, page: Browser) -> None:
        fire(page, line("b"), "click")
        page.resize(700, 1000)
        page.wait("document.querySelector('#lines .view').dataset.drawn.startsWith('6')", 10)
        page.wait("document.querySelector('#lines .dim')", 10)
        assert page.run(f"{line('a')}.classList.contains('dim') && !{line('b')}.classList.contains('dim')")


class TestSlides:
    pytestmark = browsers
    SEEN = "[...document.querySelectorAll('#{} > .slide')].filter(e => e.offsetHeight).map(e => e.dataset.name)"

    def seen(self, page: Browser, name: str) -> list[str]:
        return page.run(self.SEEN.format(name))

    def test_a_group_moves_together_by_keyboard(self, page: Browser) -> None:
        assert self.seen(page, "one") == self.seen(page, "two") == ["round 2"]
        page.run("document.querySelector('#one input').focus()")
        press(page, "ArrowLeft")
        assert self.seen(page, "one") == self.seen(page, "two") == ["round 1"]
        assert page.run("document.querySelector('#two input').getAttribute('aria-valuetext')") == "round 1"
        press(page, "ArrowLeft")
        assert (self.seen(page, "one"), self.seen(page, "two")) == (["round 0"], ["round 1"])  # two has no round 0

    def test_a_choice_shows_its_chart_and_holds_what_it_is_about(self, page: Browser) -> None:
        assert page.run("document.querySelector('#later svg')") is None
        choose = "(s => { s.value = '1'; s.dispatchEvent(new Event('input', {bubbles: true})) })"
        page.run(f"{choose}(document.querySelector('#three select'))")
        page.wait("document.querySelector('#later svg.marks')", 10)
        assert page.run("document.querySelectorAll('#later g.mark-rect[role]').length") == 0  # a layer of no marks
        assert "a → b" in held(page)

    def test_paper_and_pages_without_scripts_show_one(self, page: Browser) -> None:
        page.call("Emulation.setEmulatedMedia", media="print")
        assert [len(self.seen(page, name)) for name in ("one", "two", "three")] == [1, 1, 1]
        page.call("Emulation.setEmulatedMedia", media="")
        text = assembly.render(pages.page())
        assert re.findall(r'data-name="([^"]*)"(?! hidden)', text) == ["round 2", "round 2", "all"]


class TestFiles:
    pytestmark = browsers

    def saved(self, page: Browser, press: str) -> pd.DataFrame:
        """The table that a button saves."""
        page.run(
            "(make => { URL.createObjectURL = blob => { window.blob = blob; return make(blob) } })(URL.createObjectURL)"
        )
        page.run(f"{press}.click()")
        page.wait("Boolean(window.blob)", 10)
        return pd.read_csv(io.StringIO(page.run("window.blob.text()")), keep_default_na=False)

    def test_a_whole_table_has_every_digit(self, page: Browser) -> None:
        whole = pages.long(("a", "b", "c"), 100)
        found = self.saved(page, "document.querySelector('#rows button.download')")
        assert (
            found["value"].tolist() == whole["value"].tolist() and found["member"].tolist() == whole["member"].tolist()
        )
        assert found["note"].tolist() == ['x, "y"\nz', "'=1+1"] * 50  # no spreadsheet runs it

    def test_so_have_the_numbers_of_a_chart(self, page: Browser) -> None:
        page.run("document.querySelector('#cells details').open = true")
        page.wait("document.querySelector('#cells .rows table')", 10)
        found = self.saved(page, "document.querySelector('#cells details button')")
        expected = pages.influence(("a", "b", "c")).set_index(["target", "source"])["effect"]
        assert found.set_index(["target", "source"])["effect"].to_dict() == expected.to_dict()

    def test_a_chart_is_saved_as_a_picture(self, page: Browser) -> None:
        page.run("document.querySelector('#cells details').open = true")
        page.wait("document.querySelectorAll('#cells details button').length == 3", 10)
        page.run(
            "HTMLAnchorElement.prototype.click = function () { window.link = [this.download, this.href.slice(0, 14)] }"
        )
        page.run("[...document.querySelectorAll('#cells details button')].at(-1).click()")
        assert page.wait("window.link", 10) == ["cells.png", "data:image/png"]


def test_many_whole_tables_stay_within_the_budget() -> None:
    rows = pages.long(("a", "b", "c"), 30_000).assign(noise=[hash((i, 7)) % 10**9 for i in range(30_000)])
    blocks = [table(f"t{i}", rows, "Rows.") for i in range(12)]
    text = assembly.render(Page("many", "test", "Many", [Section("s", "Rows", blocks)]))
    assert len(text.encode()) <= assembly.MOST
    assert 0 < text.count('class="download"') < 12 and "too large for this page" in text


class TestSafety:
    pytestmark = browsers

    def test_hostile_names_run_nothing_and_break_nothing(self, browser: Browser, folder: Path) -> None:
        browser.call("Page.addScriptToEvaluateOnNewDocument", source="window.runs = []; window.ran = x => runs.push(x)")
        page = opened(browser, folder, pages.HOSTILE)
        empty = "[...document.querySelectorAll('.view')].filter(v => v.clientWidth && !v.querySelector('svg'))"
        assert page.run(f"{empty}.length") == 0
        for i in range(len(pages.HOSTILE)):
            fire(page, f"document.querySelectorAll('#verdicts button')[{i}]", "click")
            assert held(page).endswith(" fell."), pages.HOSTILE[i]
            assert page.run("document.querySelectorAll('#verdicts tr.lit').length") >= 1
            fire(page, f"document.querySelectorAll('#verdicts button')[{i}]", "pointerover")
        fire(page, "document.querySelector('#cells .mark-rect path')", "pointermove")
        for details in range(2):
            page.run(f"document.querySelectorAll('details.numbers')[{details}].open = true")
        assert page.run("window.runs") == []
        assert page.run("document.images.length") == 0
        assert page.run("document.documentElement.scrollWidth") <= 1440
        quiet(page)

    def test_the_policy_lets_no_other_script_run(self) -> None:
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', assembly.render(pages.page()))
        assert policy is not None
        scripts = next(part for part in policy[1].split("; ") if part.startswith("script-src"))
        assert "unsafe-inline" not in scripts and "http" not in policy[1] and "default-src 'none'" in policy[1]


class TestAccess:
    def test_words_can_be_read_in_both_looks(self) -> None:
        style = (Path(assembly.HERE) / "page.css").read_text()
        pairs = {
            name: (light, dark) for name, light, dark in re.findall(r"--(\w+): light-dark\((#\w+), (#\w+)\)", style)
        }
        for look in (0, 1):
            for ground in ("paper", "wash", "good", "bad", "note", "lit"):
                for ink in ("ink",) if ground in ("good", "bad") else ("ink", "soft"):
                    assert pages.contrast(pairs[ink][look], pairs[ground][look]) >= 4.5, (ink, ground, look)
            assert pages.contrast(pairs["link"][look], pairs["paper"][look]) >= 4.5
        assert min(pages.contrast(colour, "#14181d") for colour in palette.DARK) >= 4.5
        assert pages.contrast(palette.SOFT, "#ffffff") >= 4.5

    @pytest.mark.parametrize("names", [("a", "b", "c"), pages.HOSTILE], ids=["plain", "hostile"])
    @pytest.mark.skipif(CHROMIUM is None, reason="no browser here: install chromium")
    def test_names_headings_and_controls(self, browser: Browser, folder: Path, names: tuple[str, ...]) -> None:
        page = opened(browser, folder, names)
        levels = page.run("[...document.querySelectorAll('h1,h2,h3')].map(h => Number(h.tagName[1]))")
        assert levels[0] == 1 and levels.count(1) == 1
        assert all(b - a <= 1 for a, b in pairwise(levels))
        nameless = """
            [...document.querySelectorAll('button,input,select,summary,[role=button],[tabindex],svg[role],img')]
            .filter(e => !(e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.length || e.alt))
            .map(e => e.outerHTML)
        """
        assert page.run(nameless) == []
        unsaid = """
            [...document.querySelectorAll('svg [role=button]')].filter(e => !e.getAttribute('aria-label').includes(
                (e.matches('text') ? [e] : [...e.querySelectorAll('text')]).map(t => t.textContent).join('')))
            .map(e => e.outerHTML)
        """
        assert page.run(unsaid) == []  # what is written on a button is part of its name
        twice = "(i => i.filter((x, n) => i.indexOf(x) !== n))([...document.querySelectorAll('[id]')].map(e => e.id))"
        assert page.run(twice) == []
        assert (
            page.run("[...document.querySelectorAll('table')].filter(t => !t.caption && !t.closest('.rows')).length")
            == 0
        )

    @pytest.mark.skipif(not AXE, reason="AXE does not say where axe.min.js of axe-core lies")
    @pytest.mark.parametrize("look", [(1440, False), (1440, True), (390, False)], ids=["light", "dark", "phone"])
    def test_axe_finds_nothing_serious(self, browser: Browser, folder: Path, look: tuple[int, bool]) -> None:
        page = opened(browser, folder)
        page.resize(look[0], 1000, look[1])
        page.wait(f"document.querySelector('#lines .view').dataset.drawn?.endsWith('{str(look[1]).lower()}')", 10)
        page.run("document.querySelectorAll('details').forEach(d => { d.open = true })")
        page.run(Path(AXE).read_text() + ";1")
        assert serious(page) == []


def serious(page: Browser) -> list[str]:
    """What axe-core, once it is on a page, finds that is serious or critical."""
    script = """
        axe.run(document, {resultTypes: ['violations']}).then(found => found.violations
            .filter(one => ['serious', 'critical'].includes(one.impact))
            .flatMap(one => one.nodes.map(node => `${one.id}: ${node.html.slice(0, 200)} ${node.failureSummary}`)))
    """
    return page.run(script)


def test_pages_of_both_makes_may_be_written_over_and_nothing_else(tmp_path: Path) -> None:
    """Pages made of blocks were refused: they were looked for by the policy of the old ones."""
    folder, place = synthetic_runs.pair().save(tmp_path / "run"), tmp_path / "page.html"
    old = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    for head, code in ((assembly.MARK, 0), (f'<meta content="{old}">', 0), ("<p>mine", 2)):
        place.write_text(f"<!doctype html>\n<head>{head}")
        assert CliRunner().invoke(app, ["report", str(folder), "--out", str(place)]).exit_code == code
