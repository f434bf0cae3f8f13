"""Influence in the report: figures that draw what the tables say, pages that are whole and tell the whole story."""

import re
from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic_findings as made
import synthetic_runs
from browser import CHROMIUM, in_frames
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Circle, FancyArrowPatch, Rectangle
from matplotlib.text import Text
from synthetic_findings import found
from test_report import Page, is_whole_picture, written

from ecosystem.influence.findings import Findings
from ecosystem.report import look, render, render_findings, write_findings
from ecosystem.report.influence import UNIT, headline, heat_map, hops, network, story
from ecosystem.report.influence.matrix import HARM, HELP, matrix, scale
from ecosystem.report.influence.web import received

WIDTHS = (look.WIDE, look.NARROW)


@cache
def rendered(name: str) -> str:
    return render_findings(found(name))


# The matrix


def cells(figure: Figure) -> QuadMesh | AxesImage:
    """The coloured cells of a heat map."""
    axes = figure.axes[0]
    return next(part for part in (*axes.collections, *axes.images) if isinstance(part, QuadMesh | AxesImage))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["pair", "five", "thirty", "crowd", "odd"])
def test_the_heat_map_shows_the_table(name: str, width: float) -> None:
    findings, table = found(name), matrix(found(name))
    for row in findings.influence.itertuples():
        assert table.at[row.target, row.source] == row.effect
    assert not set(table.columns) & set(findings.settings["skipped"])
    mesh = cells(heat_map(findings, width))
    values = np.asarray(np.ma.filled(mesh.get_array(), np.nan)).reshape(table.shape)
    np.testing.assert_array_equal(values, table.to_numpy())
    assert mesh.norm.vmin == -mesh.norm.vmax
    assert abs(np.array(to_rgb(to_hex(mesh.cmap(0.5)))) - 0.95).max() < 0.03  # nothing is nearly white


def test_values_are_written_while_they_fit_and_oneself_is_framed() -> None:
    axes = heat_map(found("five")).axes[0]
    words = {text.get_text() for text in axes.texts}
    assert {"+0.913", "−0.934", "−0.937", "+0.600", "−0.400", "0"} <= words
    frames = {patch.get_xy() for patch in axes.patches if isinstance(patch, Rectangle)}
    assert frames == {(i, i) for i in range(5)}
    assert len(heat_map(found("twelve")).axes[0].texts) == 144
    assert not heat_map(found("twelve"), look.NARROW).axes[0].texts
    assert not heat_map(found("crowd")).axes[0].texts and not heat_map(found("crowd")).axes[0].patches
    words = written(heat_map(found("pair")))
    assert {"theta", "phi", "+1.48", "−0.16", "source", "target", "−1.5 harms", "helps +1.5"} <= words


def test_a_frame_stands_at_the_member_itself_where_columns_are_missing() -> None:
    findings = found("odd")
    table = matrix(findings)
    kept = findings.influence[findings.influence["source"] != table.columns[0]]
    frames = {patch.get_xy() for patch in heat_map(replace(findings, influence=kept)).axes[0].patches}
    assert frames == {(0, 1), (1, 2)}


def test_pairs_without_a_number_stay_blank() -> None:
    findings = found("five")
    cut = findings.influence.drop(index=[1, 2])
    figure = heat_map(replace(findings, influence=cut))
    assert np.ma.getmaskarray(cells(figure).get_array()).sum() == 2
    assert {"–"} <= {text.get_text() for text in figure.axes[0].texts}


def test_few_giants_do_not_bleach_the_rest() -> None:
    ordinary = np.linspace(-1, 1, 400)
    assert scale(ordinary)[0].vmax == 1 and not scale(ordinary)[1]
    norm, cut = scale(np.append(ordinary, 50.0))
    assert cut and norm.vmax <= 1
    assert scale(np.array([0.1, 50.0]))[0].vmax == 50
    assert scale(np.zeros(3))[0].vmax == 1


# The network


@pytest.mark.parametrize("width", WIDTHS)
def test_members_are_tinted_by_what_they_gain_and_edges_by_what_they_carry(width: float) -> None:
    findings = found("five")
    gains = matrix(findings).sum(axis=1)
    axes = network(findings, width).axes[0]
    circles = [patch for patch in axes.patches if isinstance(patch, Circle)]
    for circle, name in zip(circles, findings.members["member"], strict=True):
        red, _, blue = to_rgb(circle.get_facecolor())
        assert (blue > red) == (gains[name] > 0), name
        assert received(findings)[name] == pytest.approx(gains[name])
    arrows = [patch for patch in axes.patches if isinstance(patch, FancyArrowPatch)]
    edges = findings.edges.assign(size=findings.edges["gains"] - findings.edges["harms"]).sort_values("size")
    expected = [
        (colour, 0.8 + 3.4 * size / edges["size"].max())
        for edge in edges.itertuples()
        for size, colour in sorted([(edge.gains, HELP), (-edge.harms, HARM)], reverse=True)
        if size > 0
    ]
    assert len(expected) > len(edges)
    assert [to_hex(arrow.get_edgecolor()) for arrow in arrows] == [colour for colour, _ in expected]
    assert [arrow.get_linewidth() for arrow in arrows] == pytest.approx([wide for _, wide in expected])
    words = written(network(findings, width))
    assert {"gains", "loses", "carries gains", "carries losses", "curation varied", "Poster", "+1.13", "−0.96"} <= words


def test_edges_are_drawn_by_what_they_do_and_not_by_what_is_left_of_it() -> None:
    """An edge through which gains and harms pass was drawn as if nothing did, and stood last in the table."""
    findings = made.solve(
        ["a", "b", "c", "d"],
        np.array([[0, 0, 0, 0], [0.5, 0, 0, 0], [0, 0.5, 0, 0], [0, 0.5, 0, 0]]),
        np.array([1.0, 0, 0, 0]),
        np.array([1.0, np.nan, 2.0, -2.0]),
        skipped=dict.fromkeys("bcd", "no"),
    )
    assert findings.edges["traffic"].iloc[0] == 0
    arrows = [patch for patch in network(findings).axes[0].patches if isinstance(patch, FancyArrowPatch)]
    widths = [(to_hex(arrow.get_edgecolor()), round(arrow.get_linewidth(), 9)) for arrow in arrows]
    assert sorted(widths) == sorted([(HELP, 2.5), (HARM, 2.5)] * 2)  # of two edges one each, of the first both
    assert "a b 0 0.5 -0.5 b" in " ".join(Page(render_findings(findings)).text.split())
    old = replace(findings, edges=findings.edges.drop(columns=["gains", "harms"]))  # of an earlier version
    kept = [patch for patch in network(old).axes[0].patches if isinstance(patch, FancyArrowPatch)]
    assert sorted(arrow.get_linewidth() for arrow in kept) == [0.9, 4.2, 4.2]


def test_one_source_can_be_chosen() -> None:
    findings = found("five")
    effects = received(findings, "Marker")
    assert effects == {name: matrix(findings).at[name, "Marker"] for name in findings.members["member"]}
    assert "−0.94" in written(network(findings, source="Marker"))


@pytest.mark.parametrize("width", WIDTHS)
def test_a_crowd_is_a_web_of_dots(width: float) -> None:
    findings = found("crowd")
    axes = network(findings, width).axes[0]
    assert len(axes.collections[0].get_offsets()) == 200
    both = (findings.edges["gains"] > 0) & (findings.edges["harms"] < 0)
    assert len(axes.lines) == len(findings.edges) + both.sum() > len(findings.edges)
    assert {line.get_color() for line in axes.lines} <= {HELP, HARM, "#8d96a1"}
    assert "More than 300" in " ".join(text.get_text() for text in network(made.many(301), width).axes[0].texts)


def test_gains_and_harms_of_a_crowd_have_widths_of_their_own() -> None:
    """The share of one stroke was the width of the next: a harm of a tenth was as wide as the gains beside it."""
    crowd = found("crowd")
    ends = {"source": crowd.members["member"].iloc[0], "target": crowd.members["member"].iloc[1], "traffic": 0.0}
    for gains, harms in ((0.9, -0.1), (0.1, -0.9), (0.5, -0.5), (1.0, 0.0)):
        one = pd.DataFrame([{**ends, "gains": gains, "harms": harms}])
        lines = network(replace(crowd, edges=one)).axes[0].lines
        drawn = {line.get_color(): line.get_linewidth() for line in lines}
        wide = {HELP: 2.7 * gains, HARM: -2.7 * harms}
        assert drawn == pytest.approx({colour: width for colour, width in wide.items() if width})
    nothing = network(replace(crowd, edges=pd.DataFrame([{**ends, "gains": 0.0, "harms": 0.0}]))).axes[0].lines
    assert [(line.get_color(), line.get_linewidth()) for line in nothing] == [("#8d96a1", 0.3)]


def test_members_that_nobody_judges_stay_white() -> None:
    findings = found("odd")
    circles = [patch for patch in network(findings).axes[0].patches if isinstance(patch, Circle)]
    assert to_hex(circles[3].get_facecolor()) == "#ffffff" and to_hex(circles[0].get_facecolor()) != "#ffffff"


# Hop by hop


@pytest.mark.parametrize("width", WIDTHS)
def test_hops_show_bars_sum_and_whole_of_the_strongest_pairs(width: float) -> None:
    findings = found("five")
    strongest = findings.influence.loc[findings.influence["effect"].abs().sort_values(ascending=False).index[:6]]
    panels = [axes for axes in hops(findings, width).axes if axes.get_visible()]
    assert len(panels) == 6
    for axes, pair in zip(panels, strongest.itertuples(), strict=True):
        rows = findings.hops[(findings.hops["source"] == pair.source) & (findings.hops["target"] == pair.target)]
        assert [bar.get_height() for bar in axes.patches] == pytest.approx(list(rows["effect"]))
        sums, _, whole = axes.lines
        assert list(sums.get_ydata()) == pytest.approx(list(rows["cumulative"]))
        assert whole.get_ydata()[0] == pytest.approx(pair.effect)
        assert axes.get_title("left").startswith(pair.source)


def test_only_pairs_that_were_followed_are_shown() -> None:
    findings = found("five")
    few = findings.hops[(findings.hops["source"] == "Poster") & (findings.hops["target"] == "Pencil")]
    panels = [axes for axes in hops(replace(findings, hops=few)).axes if axes.get_visible()]
    assert [axes.get_title("left") for axes in panels] == ["Poster → Pencil"]


# All figures


def shown(figure: Figure) -> list[Text]:
    """All texts that are drawn: also labels of ticks, but only of ticks within their axes."""
    texts = [text for legend in figure.legends for text in legend.get_texts()]
    for axes in figure.axes:
        if not axes.get_visible():
            continue
        texts += [*axes.texts, *(getattr(axes, name) for name in ("title", "_left_title", "_right_title"))]
        for axis in (axes.xaxis, axes.yaxis) if axes.axison else ():
            low, high = sorted(axis.get_view_interval())
            texts.append(axis.label)
            for tick in axis.get_major_ticks():
                if low - 1e-9 <= tick.get_loc() <= high + 1e-9:
                    texts += [label for label in (tick.label1, tick.label2) if label.get_visible()]
    return [text for text in texts if text.get_text().strip()]


def overlapping(figure: Figure) -> list[tuple[str, str]]:
    """Texts that stand on each other, or leave the paper, as pairs."""
    look.png(figure, 100)
    boxes = [(text.get_text(), text.get_window_extent().padded(-1.5)) for text in shown(figure)]
    paper = figure.bbox
    outside = [
        (words, "paper")
        for words, box in boxes
        if not (paper.x0 <= box.x0 and box.x1 <= paper.x1 and paper.y0 <= box.y0 and box.y1 <= paper.y1)
    ]
    return outside + [(a, b) for (a, first), (b, second) in combinations(boxes, 2) if first.overlaps(second)]


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("draw", [heat_map, network, hops])
@pytest.mark.parametrize("name", made.EXAMPLES)
def test_no_words_stand_on_each_other_or_leave_the_paper(name: str, draw, width: float) -> None:
    figure = draw(found(name), width)
    assert figure.get_figwidth() == width and figure.get_figheight() < 13
    assert overlapping(figure) == []


# The page


SECTIONS = ["influence", "influence-matrix", "influence-network", "influence-hops", "influence-numbers"]


def whole(source: str) -> Page:
    """A page that is well formed and loads nothing."""
    page = Page(source)
    assert not re.search(r"@import|url\(", source)
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "iframe", "object")
        for key in ("src", "href", "srcset", "data", "action"):
            assert (attributes.get(key) or "data:").startswith("data:")
        if tag in ("img", "source"):
            is_whole_picture(str(attributes.get("src") or attributes.get("srcset")))
    assert "nan" not in page.text.lower().split()
    return page


@pytest.mark.parametrize("name", made.EXAMPLES)
def test_the_page_of_an_analysis_is_whole_and_tells_its_story(name: str) -> None:
    page = whole(rendered(name))
    assert page.ids("section") == [*([SECTIONS[0], SECTIONS[-1]] if name == "silent" else SECTIONS), "again", "words"]
    text = page.text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{NON-BREAKING HYPHEN}", "-")
    for title, sentences in story(found(name)):
        assert title in text or title.startswith("How far")
        assert all(sentence in text for sentence in sentences), title
    assert text.count(UNIT) == 1 and text.count(headline(found(name))) == 1
    assert len(rendered(name)) < 2_000_000


def test_a_run_with_findings_has_the_section_and_one_without_has_no_trace_of_it() -> None:
    run = synthetic_runs.pair(2)
    plain, both = render(run), render(run, found("pair"))
    assert "influence" not in plain.lower()
    sections = whole(plain).ids("section")
    place = sections.index("about")
    assert whole(both).ids("section") == sections[:place] + SECTIONS + sections[place:]
    assert headline(found("pair")) in both


def test_a_network_too_large_to_draw_and_effects_that_are_all_zero_leave_figures_out() -> None:
    assert whole(render_findings(made.many(301))).ids("section")[:3] == [SECTIONS[0], SECTIONS[1], SECTIONS[3]]
    nothing = made.solve(["a", "b"], np.zeros((2, 2)), np.zeros(2), np.ones(2))
    assert whole(render_findings(nothing)).ids("section")[:4] == [*SECTIONS[:3], SECTIONS[4]]
    assert headline(nothing) == "Curation makes no difference to the members themselves."


def test_numbers_of_the_page_are_those_of_the_findings() -> None:
    text = " ".join(Page(rendered("five")).text.split())
    row = found("five").influence.iloc[0]
    assert f"{row['source']} 30 % +0.913 +0.700 amplified, × {row['amplification']:.2f} −1.16 pays" in text
    for edge in found("five").edges.itertuples():
        assert f"{edge.source} {edge.target} {edge.traffic:.4g}" in text
    assert "J[Hairline]" in text and "spectral radius ρ(B) 0.4329" in text
    assert "J[" not in Page(rendered("pair")).text
    wide = replace(found("twelve"), edges=found("twelve").edges.assign(**{f"J[m{i}]": 0.1 for i in range(12)}))
    text = Page(render_findings(wide)).text
    assert "J[member], in the saved table" in text and "J[m3]" not in text


def test_names_and_reasons_are_escaped() -> None:
    source = rendered("odd")
    for hostile in ("<script", "<b>", "<ends>"):
        assert hostile not in source
        assert hostile in Page(source).text
    assert "$\\frac{a$ & b" in Page(source).text


def test_facts_of_the_command_line_are_on_the_page(tmp_path: Path) -> None:
    facts = {
        "file": "scenarios/pair.py",
        "parameters": {"coupling": 0.9},
        "description": "Two models.\n\nMore about them.",
        "command": "ecosystem influence scenarios/pair.py",
    }
    findings = replace(found("pair"), settings=found("pair").settings | facts)
    path = write_findings(findings, tmp_path / "deep" / "report.html")
    page = whole(path.read_text(encoding="utf-8"))
    assert page.ids("section") == [*SECTIONS, "about", "again", "words"]
    for words in ("Two models.", "More about them.", "parameter coupling", "ecosystem influence scenarios/pair.py"):
        assert words in page.text
    assert write_findings(findings, path).read_text(encoding="utf-8") == path.read_text(encoding="utf-8")


def test_saved_findings_give_the_page_of_the_living_ones(tmp_path: Path) -> None:
    for name in ("five", "odd", "silent"):
        assert render_findings(Findings.load(found(name).save(tmp_path / name).parent)) == rendered(name)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("name", ["five", "odd", "crowd"])
def test_in_a_browser_nothing_fails_and_nothing_overflows(name: str, tmp_path: Path) -> None:
    for frame in in_frames(rendered(name), (390, 700, 1280), tmp_path):
        assert frame["spare"] >= 0 and not frame["wide"]
        assert frame["images"] == 3 and not frame["blank"]


def test_a_page_explains_every_word_once() -> None:
    """Alone stood twice in the glossary of a page of both, and meant two things."""
    page = render(synthetic_runs.pair(), made.pair())
    words = re.findall(r"<dt>(.*?)</dt>", page)
    assert "Isolated" in words and "Alone" in words and len(set(words)) == len(words)
