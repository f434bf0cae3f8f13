"""Figures and report: right verdicts, nothing foreign loaded, readable in a browser, calm about odd runs."""

import base64
import re
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import synthetic_runs as made
from browser import CHROMIUM, in_frames
from hypothesis import given
from hypothesis import strategies as st

from ecosystem.report import look, pictures, plots, render, write_report
from ecosystem.running.run import Run

VOID = {"meta", "img", "source", "br", "link", "input", "hr"}


RUNS = {
    "digits": made.digits,
    "pair": made.pair,
    "moons": made.moons,
    "web": made.web,
    "alphabet": made.alphabet,
    "odd": made.odd,
    "silent": made.silent,
    "diverged": made.diverged,
}
FIGURES = {
    "digits": ["coupling", "diets", "alignment", "images", "change"],
    "pair": ["coupling", "diets", "alignment", "change"],
    "moons": ["coupling", "diets", "clouds", "change"],
    "web": ["coupling", "diets", "alignment", "change"],
    "alphabet": ["coupling", "diets", "alignment", "symbols", "change"],
    "odd": ["coupling", "diets", "alignment", "images", "change", "changes", "failures"],
    "silent": ["coupling", "diets"],
    "diverged": ["coupling", "diets", "alignment", "images", "change", "failures"],
}


@cache
def rendered(name: str) -> str:
    """The report of a run above, drawn once."""
    return render(RUNS[name]())


class Page(HTMLParser):
    """A strict little reader: every tag is closed in turn; keeps tags, section ids and visible text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
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
        if self.open and self.open[-1] != "style":
            self.text += data + " "

    def ids(self, tag: str) -> list[str]:
        """The ids of one kind of tag, in order."""
        return [str(attributes["id"]) for name, attributes in self.tags if name == tag and "id" in attributes]


@pytest.mark.parametrize("name", RUNS)
def test_report_is_whole_fits_its_run_and_loads_nothing(name: str) -> None:
    page = Page(rendered(name))
    assert page.ids("section") == ["verdict", *FIGURES[name], "about", "again", "words"]
    assert "nan" not in page.text.replace("FloatingPointError: nan", "").lower().split()
    assert not re.search(r"@import|url\(", rendered(name))
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "iframe", "object")
        for key in ("src", "href", "srcset", "data", "action"):
            assert (attributes.get(key) or "data:").startswith("data:")
    pictured = [attributes for tag, attributes in page.tags if tag in ("img", "source")]
    for kind in ("figure", "figcaption"):
        assert len(pictured) == 2 * len([tag for tag, _ in page.tags if tag == kind])
    for attributes in pictured:
        assert "src" not in attributes or len(attributes["alt"] or "") > 20
        is_whole_picture(str(attributes.get("src") or attributes.get("srcset")))


def is_whole_picture(address: str) -> None:
    """An address that carries a PNG, or an SVG that refers to nothing outside itself."""
    kind, content = address.split(";base64,")
    data = base64.b64decode(content, validate=True)
    if kind == "data:image/png":
        assert data.startswith(b"\x89PNG")
        return
    links = [v for e in ElementTree.fromstring(data).iter() for k, v in e.attrib.items() if "href" in k]
    assert all(link.startswith(("#", "data:")) for link in links)


def test_names_and_words_of_the_run_are_escaped() -> None:
    source = rendered("odd")
    page = Page(source)
    for hostile in ("<script", "<b>", "<i>", "<member>", "<y>", "<ends>", "<file>"):
        assert hostile not in source
        assert hostile.strip("<>") in page.text
    assert "$\\frac{a$ & b" in page.text and "日本" in page.text
    assert "interrupted after 23 of 40 rounds" in page.text
    assert "1 of 5 replicates diverged; it is left out" in page.text
    assert "4 of 5" in page.text  # replicates that made the same change are one row


def test_written_file_is_the_same_every_time(tmp_path: Path) -> None:
    written_to = write_report(made.digits(), str(tmp_path / "deep" / "down" / "report.html"))
    assert written_to == tmp_path / "deep" / "down" / "report.html"
    assert written_to.read_text(encoding="utf-8") == rendered("digits")
    assert written_to.stat().st_size < 2_000_000


def test_a_saved_run_gives_the_report_of_the_living_one(tmp_path: Path) -> None:
    assert render(Run.load(made.odd().save(tmp_path / "odd"))) == rendered("odd")


def test_headline_and_settings_say_what_happened() -> None:
    page = Page(rendered("digits"))
    assert page.text.count("gained its users’ taste") == 2  # headline and table
    heading = page.text.replace("\N{NON-BREAKING HYPHEN}", "-")
    assert "bold-a gained its users’ taste; thin-a lost its users’ taste; bold-b and thin-b show no" in heading
    for words in (
        "ecosystem run scenarios/digits.py --replicates 6 --seed 0",
        "replicates 0–5",
        "torch 2.13.0",
    ):
        assert words in page.text


def test_one_replicate_gets_no_interval() -> None:
    page = Page(rendered("pair"))
    verdicts = page.text[page.text.index("Who got") : page.text.index("Who learns")]
    assert "±" not in verdicts and "95 %" not in verdicts and "one replicate" in verdicts


@pytest.mark.parametrize("width", [look.WIDE, look.NARROW])
def test_figures_without_anything_to_draw_say_so(width: float) -> None:
    run = made.silent()
    for name in ("alignment", "change", "images", "clouds", "symbols"):
        (words,) = written(figure := getattr(plots, name)(run, width))
        assert words.startswith("No ") and figure.get_figwidth() == width


@pytest.mark.parametrize("width", [look.WIDE, look.NARROW])
@pytest.mark.parametrize("count", [1, 2, 7, 12, 30])
def test_coupling_graph_fits_its_paper_with_any_number_of_members(count: int, width: float) -> None:
    run = made.ring(count, 2)
    figure = plots.coupling(run, width)
    words = written(figure)
    numbered = {f"{i + 1} {name}" for i, name in enumerate(look.names(run))}
    named = {part for name in look.names(run) for part in name.split()}
    assert numbered <= words or named <= words
    look.png(figure, 50)
    paper = figure.bbox
    for text in figure.axes[0].texts:
        box = text.get_window_extent()
        assert paper.x0 <= box.x0 and box.x1 <= paper.x1 and paper.y0 <= box.y0 and box.y1 <= paper.y1


def test_figures_carry_labels_names_and_shares() -> None:
    run = made.digits()
    for name, labels in (
        ("alignment", ("round", "alignment (mean reward)")),
        ("change", ("round", "relative change per round")),
        ("diets", ("share of the training set",)),
    ):
        words = written(getattr(plots, name)(run))
        assert {*labels, *look.names(run)} <= words
    assert {"30 %", "real 40 %", "raw output", "curated output", "real data"} <= written(plots.coupling(run))
    assert {"start", "round 20", "round 40", *look.names(run)} <= written(plots.images(run))
    assert {"symbol", "share of samples"} <= written(plots.symbols(made.alphabet()))
    assert {"first coordinate", "second coordinate"} <= written(plots.clouds(made.moons()))


def written(figure: object) -> set[str]:
    """All words in a figure, as its SVG holds them."""
    root = ElementTree.fromstring(look.svg(figure))  # type: ignore[arg-type]
    return {" ".join("".join(e.itertext()).split()) for e in root.iter("{http://www.w3.org/2000/svg}text")}


def test_a_member_keeps_its_colour_in_every_figure_and_table() -> None:
    run = made.digits()
    by_name = look.styles(run)
    assert len({style.colour for style in by_name.values()}) == 4
    source = rendered("digits")
    for name, style in by_name.items():
        lines = [line for axes in plots.alignment(run).axes for line in axes.lines if line.get_label() == name]
        assert [line.get_color() for line in lines] == [style.colour]
        assert f'<span class="dot" style="background:{style.colour}"></span>{name}' in source
    many = look.styles(made.ring(30, 1))
    assert len({(style.colour, str(style.dashes)) for style in many.values()}) == 30


def test_large_networks_show_bands_extremes_and_degrees_and_stay_small() -> None:
    run = made.web(1000, replicates=2)
    page = Page(source := render(run))
    rows = [attributes for tag, attributes in page.tags if tag == "span" and attributes.get("class") == "short"]
    assert len(rows) == 12 and len(source) < 2_000_000
    assert len(plots.alignment(run).axes[0].lines) == 1  # the median, no line a member
    words = written(plots.coupling(run))
    assert "number of sources or readers (at least)" in words and not words & set(look.names(run))
    assert "median member" in written(plots.change(run))


def test_samples_choose_their_picture_by_shape() -> None:
    assert pictures.kind(np.zeros((3, 8, 8))) == pictures.kind(np.zeros((3, 3, 8, 8))) == "images"
    assert pictures.kind(np.zeros((3, 2))) == "clouds"
    assert pictures.kind(np.zeros(3, dtype=int)) == "symbols"
    assert pictures.kind(np.zeros((3, 24))) is None and pictures.kind(np.full(3, 0.5)) is None
    run = made.digits(1, 8)
    run.samples = {name: {0: np.random.default_rng(0).random((5, 3, 8, 8))} for name in run.samples}  # type: ignore
    look.png(plots.images(run))


def test_pyplot_is_never_touched() -> None:
    code = "import sys, ecosystem.report; assert 'matplotlib.pyplot' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])


@given(st.lists(st.floats(-1, 2), min_size=1, max_size=40), st.floats(0.001, 0.1))
def test_labels_keep_their_distance_and_their_order(wanted: list[float], gap: float) -> None:
    places = look.spaced(wanted, gap)
    ordered = [places[i] for i in np.argsort(wanted, kind="stable")]
    room = min(gap, 1 / max(len(wanted) - 1, 1))
    assert all(b - a >= room - 1e-9 for a, b in pairwise(ordered))
    assert min(places) >= -1e-9 and max(places) <= 1 + 1e-9


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("name", ["digits", "odd", "web"])
def test_in_a_browser_nothing_fails_and_nothing_overflows(name: str, tmp_path: Path) -> None:
    for seen in in_frames(rendered(name), (400, 700, 1200), tmp_path):
        assert seen["spare"] >= 0 and not seen["wide"]
        assert seen["images"] == len(set(FIGURES[name]) - {"changes", "failures"}) and not seen["blank"]
