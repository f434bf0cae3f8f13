"""The page of an influence analysis: it tells the story, holds the numbers of its tables, and can be questioned."""

from __future__ import annotations

import html
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import synthetic_findings as made
import synthetic_runs
from synthetic_findings import found

from ecosystem import Flow, Linear, Location, Member, Scenario, Shift
from ecosystem.influence import influence
from ecosystem.influence.findings import Findings
from ecosystem.influence.sentences import VERDICTS, verdicts
from ecosystem.influence.story import UNIT, headline, limits, story
from ecosystem.report import render, render_findings, write_findings
from ecosystem.report.glossary import INFLUENCE
from ecosystem.report.influence import sections
from ecosystem.report.influence.numbers import brief
from tests.browser import CHROMIUM
from tests.devtools import Browser
from tests.pages import Page

SECTIONS = ["influence", "influence-matrix", "influence-network", "influence-hops"]
KNOCKED = "influence-knockouts"
ENDS = ["influence-numbers", "again", "words"]


@cache
def rendered(name: str) -> str:
    return render_findings(found(name))


def text(page: str) -> str:
    """What can be read of a page, with plain blanks and hyphens."""
    plain = re.sub(r"(?s)<(style|script)\b.*?</\1>|<!--.*?-->|<[^>]*>", " ", page)
    return " ".join(html.unescape(plain).replace("\N{NON-BREAKING HYPHEN}", "-").split())


def ids(page: str) -> list[str]:
    return re.findall(r'<section id="([^"]*)"', page)


def specs(page: str) -> dict[str, Any]:
    """The charts of a page, as Vega-Lite, by their ids."""
    return Page(page).charts


def rows(spec: dict[str, Any]) -> pd.DataFrame:
    """The largest table in a chart."""
    return pd.DataFrame(max(spec["datasets"].values(), key=len))


# -- what it tells -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pair", "five", "thirty", "crowd", "formal", "silent", "odd"])
def test_the_page_tells_the_whole_story(name: str) -> None:
    page, findings = rendered(name), found(name)
    knocked = [KNOCKED] if name == "five" else []
    assert ids(page) == [*(SECTIONS if name != "silent" else SECTIONS[:1]), *knocked, *ENDS]
    said = text(page)
    for title, sentences in story(findings):
        assert title in said or title.startswith("How far")
        assert all(" ".join(sentence.split()) in said for sentence in sentences), title
    assert said.count(UNIT) == 1 and said.count(headline(findings)) == 1
    assert all(f'<p class="notice" role="note">{html.escape(words)}' in page for words in limits(findings))
    assert "nan" not in said.lower().split() and len(page) < 2_900_000
    assert all(term in said for term in INFLUENCE)


def test_numbers_of_the_page_are_those_of_the_findings() -> None:
    said, findings = text(rendered("five")), found("five")
    row = findings.influence.iloc[0]
    assert f"{row['source']} 30 % +0.913 +0.700 amplified, × {row['amplification']:.2f} −1.16 pays" in said
    for edge in findings.edges.itertuples():
        assert f"{edge.source} {edge.target} {edge.traffic:.4g}".replace("-", "−") in said
    assert "J[Hairline]" in said and "spectral radius ρ(B) 0.4329" in said
    assert "J[" not in text(rendered("pair"))
    wide = replace(found("twelve"), edges=found("twelve").edges.assign(**{f"J[m{i}]": 0.1 for i in range(12)}))
    said = text(render_findings(wide))
    assert "J[member], in the saved table" in said and "J[m3]" not in said


def test_flows_are_ranked_by_what_they_do_and_not_by_what_is_left_of_it() -> None:
    """A flow through which gains and harms pass stood last in the table."""
    findings = made.solve(
        ["a", "b", "c", "d"],
        np.array([[0, 0, 0, 0], [0.5, 0, 0, 0], [0, 0.5, 0, 0], [0, 0.5, 0, 0]]),
        np.array([1.0, 0, 0, 0]),
        np.array([1.0, np.nan, 2.0, -2.0]),
        skipped=dict.fromkeys("bcd", "no"),
    )
    assert findings.edges["traffic"].iloc[0] == 0
    page = render_findings(findings)
    assert "harms a b 0 0.5 −0.5 b" in text(page)
    old = replace(findings, edges=findings.edges.drop(columns=["gains", "harms"]))  # of an earlier version
    assert set(rows(specs(render_findings(old))["influence-flows"])["flow"]) == {"b → c", "b → d"}


def test_effects_that_are_all_zero_leave_charts_out() -> None:
    nothing = made.solve(["a", "b"], np.zeros((2, 2)), np.zeros(2), np.ones(2))
    page = render_findings(nothing)
    assert ids(page) == [*SECTIONS[:3], *ENDS] and "influence-flows" not in specs(page)
    assert "Curation makes no difference to the members themselves." in text(page)


def test_what_is_still_under_way_is_told() -> None:
    short = made.solve(["a", "b"], np.array([[0.0, 0.9], [0.9, 0.0]]), np.ones(2), np.ones(2), longest=2)
    assert "After two hops this much is still under way: +3.45 of that of a on itself" in text(render_findings(short))
    assert "(--hops follows it further)" in text(render_findings(short))
    assert "These numbers are formal: the sum need not come to rest." in text(rendered("formal"))
    assert "still under way:" not in text(rendered("five"))


# -- what can be asked of it -------------------------------------------------------------------------------------------


def test_the_matrix_holds_the_effects_and_of_many_the_largest() -> None:
    findings = found("five")
    cells = rows(specs(rendered("five"))["influence-matrix-chart"]).set_index(["target", "source"])
    table = findings.influence.assign(words=verdicts(findings).map(VERDICTS))
    for row in table.to_dict("records"):
        cell = cells.loc[(row["target"], row["source"])]
        assert (cell["effect"], cell["verdict"]) == (row["effect"], row["words"])
    crowd = rows(specs(rendered("crowd"))["influence-matrix-chart"])
    assert crowd["target"].nunique() == crowd["source"].nunique() == 40


def test_every_slide_of_hops_holds_the_sums_of_that_hop_in_the_same_colours() -> None:
    charts, findings = specs(rendered("five")), found("five")
    slides = {int(name.rsplit("-", 1)[1]): spec for name, spec in charts.items() if "within" in name}
    assert sorted(slides) == list(range(9))
    domains = [spec["layer"][0]["encoding"]["color"]["scale"]["domain"] for spec in slides.values()]
    assert all(domain == domains[0] for domain in domains)
    for hop, spec in slides.items():
        cells = rows(spec).set_index(["target", "source"])
        kept = findings.hops[findings.hops["hop"] == hop].set_index(["target", "source"])
        assert cells["effect"].sort_index().tolist() == kept["cumulative"].sort_index().tolist()
    crowd = [name for name in specs(rendered("crowd")) if "within" in name]
    assert len(crowd) == 9 and all(len(rows(specs(rendered("crowd"))[name])) <= 144 for name in crowd)


def test_every_flow_that_was_taken_out_can_be_chosen_and_others_are_counted() -> None:
    page, edges = rendered("five"), found("five").edges
    asked = edges[edges["J[Poster]"].notna()]
    assert "Three flows could not be taken out" in text(page)
    charts = {name: rows(spec) for name, spec in specs(page).items() if name.startswith("influence-without-")}
    assert len(charts) == len(asked) == 6
    for bars in charts.values():
        (flow,) = set(zip(bars["source"], bars["target"], strict=True))
        row = asked.set_index(["source", "target"]).loc[flow]
        assert dict(zip(bars["member"], bars["change"], strict=True)) == {n[2:-1]: row[n] for n in row.index[3:]}
        ends = " ".join(f'data-{side}="{name}"' for side, name in zip(("source", "target"), flow, strict=True))
        assert f'<div class="slide" data-name="{" → ".join(flow)}" hidden {ends}>' in page
    none = replace(found("five"), edges=edges.assign(**{name: np.nan for name in edges.columns[5:]}))
    assert KNOCKED not in ids(render_findings(none))


def test_members_and_flows_of_the_drawings_can_be_pointed_at() -> None:
    page = rendered("five")
    for name in found("five").members["member"]:
        assert page.count(f'data-member="{name}"') > 4  # in the drawings, wide and narrow, and in tables
    for edge in found("five").edges.itertuples():
        assert f'data-source="{edge.source}" data-target="{edge.target}"' in page
    assert "+1.13" in page and "−0.958" in page  # what all curation together does to a member


# -- whatever it is called ---------------------------------------------------------------------------------------------


def test_names_and_reasons_are_shown_and_not_obeyed() -> None:
    page = rendered("odd")
    body = page[page.index("<main>") : page.index("</main>")]
    for hostile in ("<script", "<b>", "<ends>"):
        assert hostile not in body and hostile in text(page)
    assert "$\\frac{a$ & b" in text(page)


def test_names_without_end_are_shortened_and_still_differ() -> None:
    findings = found("five")
    long = {name: "x" * 10_000 + name + "y" * 30 for name in findings.members["member"]}
    frames = {
        name: getattr(findings, name).replace(long).rename(columns={f"J[{k}]": f"J[{v}]" for k, v in long.items()})
        for name in ("influence", "welfare", "hops", "edges", "members", "flows")
    }
    page = render_findings(replace(findings, **frames))
    assert len(page) < 1_400_000 and "x" * 60 not in page
    assert len(set(rows(specs(page)["influence-matrix-chart"])["target"])) == 5
    assert "Names of more than 48 letters are shortened here" in text(page) and len(ids(page)) == len(SECTIONS) + 4


def test_a_shortened_name_is_no_other_members_own() -> None:
    """Two flows had one name in the choice of what to take out, where a member was called as another was shortened."""
    findings = found("five")
    first, second, third, *_ = findings.members["member"]
    many = "x" * 60
    names = {first: f"{many} one", second: f"{many} two", third: f"1 {many[:40]}"}
    frames = {
        name: getattr(findings, name).replace(names).rename(columns={f"J[{k}]": f"J[{v}]" for k, v in names.items()})
        for name in ("influence", "welfare", "hops", "edges", "members", "flows")
    }
    short = brief(replace(findings, **frames))
    assert short.members["member"].nunique() == 5 and names[third] in set(short.members["member"])
    flows = short.edges[["source", "target"]].drop_duplicates()
    assert len(flows) == len(findings.edges[["source", "target"]].drop_duplicates())


def test_facts_of_the_command_line_are_on_the_page(tmp_path: Path) -> None:
    facts = {
        "file": "scenarios/pair.py",
        "parameters": {"coupling": 0.9},
        "description": "Two models.\n\nMore about them.",
        "command": "ecosystem influence scenarios/pair.py",
    }
    findings = replace(found("pair"), settings=found("pair").settings | facts)
    path = write_findings(findings, tmp_path / "deep" / "report.html")
    page = path.read_text(encoding="utf-8")
    assert ids(page) == [*SECTIONS, ENDS[0], "about", *ENDS[1:]]
    for words in ("Two models.", "More about them.", "parameter coupling", "ecosystem influence scenarios/pair.py"):
        assert words in text(page)
    assert write_findings(findings, path).read_text(encoding="utf-8") == page


def test_saved_findings_give_the_page_of_the_living_ones(tmp_path: Path) -> None:
    for name in ("five", "odd", "silent"):
        assert render_findings(Findings.load(found(name).save(tmp_path / name).parent)) == rendered(name)


def test_a_run_with_findings_has_the_sections_and_one_without_has_no_trace_of_them() -> None:
    run = synthetic_runs.pair(2)
    plain, both = render(run), render(run, found("pair"))
    assert not [name for name in ids(plain) if name.startswith("influence")]
    assert [name for name in ids(both) if name.startswith("influence")] == [*SECTIONS, ENDS[0]]
    assert headline(found("pair")) in text(both)
    words = re.findall(r"<dt>(.*?)</dt>", both)
    assert "Isolated" in words and len(set(words)) == len(words)  # "Alone" stood twice, and meant two things


# -- other questions ---------------------------------------------------------------------------------------------------


def opposed() -> Scenario:
    s = Scenario("opposed", rounds=30)
    for name, taste in {"a": 1.0, "b": -1.0}.items():
        s.add(name, Member(Location([0.0]), reward=Linear([taste]), curator=Shift([1.0]), real=Location([0.0])))
    s.connect("a", "a", Flow(raw=0.2, curated=0.3))
    s.connect("a", "b", Flow(raw=0.5))
    return s


def width(stack: Any) -> Any:
    return stack.mean[..., 0] * 2


@pytest.mark.parametrize("of", ["real", [("raw", "a", "b")], "producers' users", "curation"], ids=str)
def test_other_numbers_and_measures_have_a_page_that_does_not_speak_of_curation(of: Any) -> None:
    """They were refused: there was no page but that of curation and alignment."""
    findings = influence(opposed(), of=of, measure=width).findings()
    page = render_findings(findings)
    assert ids(page) == [*SECTIONS, "promises", *ENDS]
    body = page[page.index("<main>") : page.index('<section id="again"')]
    body = text(re.sub("(?s)<title>.*?</title>", " ", body))  # of members and flows, whose shares are curated
    for row in findings.verdicts.to_dict("records"):
        assert row["sentence"] in body
    for word in ("backfire", "helps", "harms most", "Isolated", *([] if of == "curation" else ["urating", "curation"])):
        assert word not in body, word
    assert "the width" in body and "alignment" not in body
    cells = rows(specs(page)["influence-matrix-chart"])
    assert cells["effect"].tolist() == findings.influence["effect"].tolist()
    assert sections(findings)[0].title.startswith("What more")


# -- in a browser ------------------------------------------------------------------------------------------------------

SEEN = "[...document.querySelectorAll('#influence-hop .slide:not([hidden]) .mark-text.role-mark text')]"
SEEN += ".map(e => e.textContent)"
MOVE = "(e => {{ e.value = {}; e.dispatchEvent(new Event('input', {{bubbles: true}})) }})"
MOVE += "(document.querySelector('#{} {}'))"


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    if CHROMIUM is None or importlib.util.find_spec("websockets") is None:
        pytest.skip("no browser here: install chromium, and websockets (extra ui)")
    page = Browser(tmp_path / "browser")
    yield page
    page.close()


def test_hops_are_slid_through_and_a_flow_is_taken_out(browser: Browser, tmp_path: Path) -> None:
    path, findings = write_findings(found("five"), tmp_path / "page.html"), found("five")
    browser.go(path.as_uri())
    browser.wait("document.documentElement?.dataset.ready", 120)
    for hop in (1, 0, 3):
        browser.run(MOVE.format(hop, "influence-hop", "input"))
        chart = rows(specs(rendered("five"))[f"influence-within-{hop}"])
        table = findings.hops[findings.hops["hop"] == hop]
        assert sorted(chart["effect"]) == sorted(table["cumulative"])
        browser.wait(f"{SEEN}.length == {len(chart)}")
        assert sorted(browser.run(SEEN)) == sorted(chart["words"])
        assert browser.run("document.querySelector('#influence-hop output').textContent") == str(hop)
    bars = rows(specs(rendered("five"))["influence-without-1"])
    flow = bars["source"].iloc[0], bars["target"].iloc[0]
    browser.run(MOVE.format(2, "influence-knockout", "select"))
    browser.wait("document.querySelector('#influence-without-1 .view svg')")
    lit = "[...document.querySelectorAll('#influence-traffic .wide [data-source].lit')]"
    assert {tuple(p) for p in browser.run(f"{lit}.map(e => [e.dataset.source, e.dataset.target])")} == {flow}
    browser.run("document.querySelector('#influence-without-1 details.numbers').open = true")
    browser.wait("document.querySelector('#influence-without-1 tbody tr')")
    read = "[...document.querySelectorAll('#influence-without-1 tbody tr')]"
    read = browser.run(f"{read}.map(row => [...row.children].map(cell => cell.textContent))")
    told = {cells[0]: float(cells[1]) for cells in read}
    row = findings.edges.set_index(["source", "target"]).loc[flow]
    assert told == {name[2:-1]: row[name] for name in row.index[3:]}
    assert browser.errors == [] and browser.requests == [path.as_uri()]


@pytest.mark.parametrize("name", ["odd", "crowd"])
def test_nothing_is_wider_than_a_phone_and_nothing_fails(name: str, browser: Browser, tmp_path: Path) -> None:
    path = write_findings(found(name), tmp_path / "page.html")
    browser.resize(400, 900, dark=True)
    browser.go(path.as_uri())
    browser.wait("document.documentElement?.dataset.ready", 120)
    assert browser.run("document.documentElement.scrollWidth") <= 400 and browser.errors == []
    assert browser.run("document.body.innerText").count("could not be drawn") == 0
