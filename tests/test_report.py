"""The page of a run: right verdicts, nothing foreign loaded, readable in a browser, calm about odd runs."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic_runs as made
from browser import CHROMIUM
from pages import Page, download, rows
from sample_page import page as synthetic_page
from small_runs import recorded

from ecosystem import Flow, Location, Member, Scenario, never
from ecosystem.core.words import number
from ecosystem.report import assembly, render, write_report
from ecosystem.running.run import Run

RUNS = {
    "digits": made.digits,
    "pair": made.pair,
    "moons": made.moons,
    "web": made.web,
    "alphabet": made.alphabet,
    "odd": made.odd,
    "silent": made.silent,
    "diverged": made.diverged,
    "recorded": recorded,
}
SECTIONS = {
    "digits": ["coupling", "diets", "alignment", "welfare", "change", "images"],
    "pair": ["coupling", "diets", "alignment", "welfare", "change"],
    "moons": ["coupling", "diets", "change", "clouds"],
    "web": ["coupling", "diets", "alignment", "welfare", "change"],
    "alphabet": ["coupling", "diets", "alignment", "welfare", "change", "symbols"],
    "odd": ["coupling", "diets", "alignment", "welfare", "change", "images", "changes", "failures"],
    "silent": ["coupling", "diets"],
    "diverged": ["coupling", "diets", "alignment", "welfare", "change", "images", "failures"],
    "recorded": [*("coupling", "diets", "alignment", "welfare", "tastes", "choices", "draws", "change", "clouds")],
}


@cache
def rendered(name: str) -> str:
    """The report of a run above, made once."""
    return render(RUNS[name]())


@pytest.mark.parametrize("name", RUNS)
def test_report_is_whole_fits_its_run_and_loads_nothing(name: str) -> None:
    page = Page(rendered(name))
    about = [] if name == "recorded" else ["about"]
    assert page.ids("section") == ["verdict", *SECTIONS[name], *about, "again", "words"]
    assert "nan" not in page.text.replace("FloatingPointError: nan", "").lower().split()
    page.loads_nothing()
    assert len(page.values("id")) == len(set(page.values("id")))
    for spec in page.charts.values():
        assert len(spec["description"]) > 20 and rows(spec)


def test_names_and_words_of_the_run_are_escaped() -> None:
    source = rendered("odd")
    page = Page(source)
    for hostile in ("<script>alert", "<b>bold", "<i>member", "<member>", "<y>", "<ends>", "<file>"):
        assert hostile not in source
        assert hostile.strip("<>") in page.text
    assert "$\\frac{a$ & b" in page.text and "日本" in page.text
    assert "interrupted after 23 of 40 rounds" in page.text
    assert "1 of 5 replicates diverged; it is left out" in page.text
    assert "4 of 5" in page.text  # replicates that made the same change are one row


def test_a_name_of_ten_thousand_letters_is_shortened() -> None:
    s = Scenario("long", rounds=1)
    s.add("x" * 10_000, Member(Location([1.0]), real=Location([0.0])))
    s.connect("x" * 10_000, "x" * 10_000, Flow(raw=0.5))
    page = Page(render(s.run()))
    assert len(max(re.findall("x+", page.text.partition("Who learns")[0]), key=len)) < 100
    assert page.data["told"] and len(max(page.data["told"].values())) < 300


def test_written_file_is_the_same_every_time(tmp_path: Path) -> None:
    """A page began with blank lines, and was taken for none when it was to be written over."""
    assert rendered("digits").startswith("<!doctype html>")
    written_to = write_report(made.digits(), str(tmp_path / "deep" / "down" / "report.html"))
    assert written_to == tmp_path / "deep" / "down" / "report.html"
    assert written_to.read_text(encoding="utf-8") == rendered("digits")
    assert written_to.stat().st_size < 1_500_000


def test_a_saved_run_gives_the_report_of_the_living_one(tmp_path: Path) -> None:
    assert render(Run.load(made.odd().save(tmp_path / "odd"))) == rendered("odd")


def test_headline_sentences_and_settings_say_what_happened() -> None:
    page = Page(rendered("digits"))
    heading = page.text.replace("\N{NON-BREAKING HYPHEN}", "-")
    assert "bold-a gained its users’ taste; thin-a lost its users’ taste; bold-b and thin-b show no" in heading
    for sentence in made.digits().verdicts["sentence"]:
        assert sentence in page.text and sentence in page.data["told"].values()
    for words in ("ecosystem run scenarios/digits.py --replicates 6 --seed 0", "replicates 0–5", "torch 2.13.0"):
        assert words in page.text


def test_one_replicate_gets_no_interval() -> None:
    page = Page(rendered("pair"))
    verdicts = page.text[page.text.index("Who got") : page.text.index("Who learns")]
    assert "±" not in verdicts and "95 %" not in verdicts and "one replicate" in verdicts


def test_a_run_tells_what_it_began_with_and_how_it_trained() -> None:
    """Neither the start, nor real data, nor training were told: nobody could know whether it was run again."""
    from scenarios import moons

    run = moons.scenario(rounds=1, samples=20).run()
    again = moons.scenario(rounds=1, samples=20).run(seed=5)
    assert run.settings["digests"] == again.settings["digests"]
    page = Page(render(run))
    for digest in run.settings["digests"].values():
        assert len(digest) == 16 and digest in page.text
    assert "Adam(lr=" in page.text and "losses" in page.ids("section")
    other = Scenario("one", rounds=1)
    other.add("a", Member(Location([1.0]), schedule=never))
    digests = other.run().settings["digests"]
    other.add("b", Member(Location([1.0]), real=Location([2.0])))
    assert not digests["real data"] and other.run().settings["digests"]["start"] != digests["start"]


def test_why_a_run_stopped_is_said() -> None:
    run = made.pair(3, stopped="in round 40: settled()", completed=40, finished=False)
    page = Page(render(run))
    assert "This run stopped in round 40: settled(), after 40 of 100 rounds." in page.text
    assert "interrupted" not in page.text


def test_the_network_tells_clear_changes_alone() -> None:
    page = Page(rendered("digits"))
    drawn = [a for _, a in page.tags if a.get("data-member") == "thin-b"]
    assert drawn and "▲ +" in page.text and "who has no clear change has none" in page.text
    assert page.data["told"]["thin-b"].startswith("thin-b: no clear change")


def test_welfare_says_when_it_is_best_and_who_is_worst_off() -> None:
    run = recorded()
    page = Page(render(run))
    ends = run.verdicts.set_index("member")["end"]
    words = f"At the end {ends.idxmin()} is worst off by its own mean, with {number(ends.min())}."
    assert words in page.text and "adds them up as they are" in page.text
    assert "the lowest of any member in each replicate; means over replicates." in page.text
    assert "welfare-table" in page.ids("table")


def test_the_page_says_that_welfare_ends_infinite() -> None:
    """A member that fell to −∞ was left out of the table and of the sentence on who is worst off."""
    run = made.pair(3)
    last = run.rounds["round"] == run.rounds["round"].max()
    lost = str(run.members["member"].iloc[0])
    run.rounds.loc[last & (run.rounds["member"] == lost), "alignment"] = -np.inf
    page = Page(render(run))
    assert f"At the end {lost} is worst off by its own mean, with −∞." in page.text
    run.rounds["alignment"] = -np.inf
    assert "welfare-table" not in Page(render(run)).ids("table")


def test_large_networks_show_bands_extremes_and_degrees_and_stay_small() -> None:
    run = made.web(1000, replicates=2)
    source = render(run)
    page = Page(source)
    rows_of = [a for tag, a in page.tags if tag == "tr" and "data-member" in a]
    assert len(rows_of) == 12 + 30 and len(source.encode()) < 2_000_000
    assert {"network", "degrees", "alignment-chart"} <= set(page.values("id"))
    assert max(len(rows(spec)) for spec in page.charts.values()) <= 5000
    assert download(source, "members").count("\n") == 1001 and "m999" in download(source, "flows")


def test_images_are_pixels_a_slide_a_round() -> None:
    page = Page(rendered("digits"))
    pictures = [a for tag, a in page.tags if tag == "img"]
    assert len(pictures) == 4 * (1 + 5) and all(str(a["src"]).startswith("data:image/png;base64,") for a in pictures)
    assert [a["data-name"] for _, a in page.tags if "data-name" in a] == [
        "start",
        *(f"round {at}" for at in (10, 20, 30, 40)),
    ]
    assert {a["data-group"] for _, a in page.tags if "data-group" in a} == {"round"}
    assert "16 images of bold-a, round 40" in [a["alt"] for a in pictures]


def test_points_and_symbols_are_charts_a_slide_a_round() -> None:
    assert {"clouds-0", "clouds-5", "clouds-10"} <= set(Page(rendered("moons")).charts)
    assert {"symbols-0", "symbols-2", "symbols-5"} <= set(Page(rendered("alphabet")).charts)


def test_a_member_without_samples_of_a_round_keeps_its_place() -> None:
    page = Page(rendered("odd"))
    assert page.text.count("nothing of this round was kept") > 2


def test_a_table_of_ones_own_is_named() -> None:
    run = made.pair()
    made.put(run, distances=pd.DataFrame({"round": range(1234)}))
    assert "distances (1,234 rows)" in Page(render(run)).text


def test_matplotlib_is_never_touched() -> None:
    code = "import sys, ecosystem.report.run; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_in_a_browser_slides_move_and_a_member_is_lit_everywhere(tmp_path: Path) -> None:
    from devtools import Browser

    browser = Browser(tmp_path / "profile", 400)
    try:
        for name in ("odd", "digits"):
            file = tmp_path / f"{name}.html"
            file.write_text(rendered(name), encoding="utf-8")
            browser.go(file.as_uri())
            browser.wait("document.documentElement?.dataset.ready", 90)
            assert browser.run("document.documentElement.scrollWidth") <= 400
            assert browser.run("[...document.images].filter(e => !e.naturalWidth).length") == 0
            for width in (780, 850, 400):  # tables of many columns made pages wider than a tablet
                browser.resize(width, 800)
                browser.wait(f"innerWidth === {width}", 90)
                assert browser.run("document.documentElement.scrollWidth") <= width
        assert browser.run("[...document.querySelectorAll('.view')].filter(e => !e.querySelector('svg')).length") == 0
        shown = "document.querySelector('#images-rounds .slide:not([hidden])').dataset.name"
        assert browser.run(shown) == "round 40"
        slider = "document.querySelector('#images-rounds input')"
        browser.run(f"{slider}.value = 1; {slider}.dispatchEvent(new Event('input', {{bubbles: true}}))")
        assert browser.run(shown) == "round 10"
        browser.run("document.querySelector('#verdicts button.point').click()")
        lit = "new Set([...document.querySelectorAll('.lit')].map(e => e.closest('section').id))"
        assert {"verdict", "coupling", "again"} <= set(browser.run(f"[...{lit}]"))
        assert browser.run("document.getElementById('pointed').innerText").startswith("bold-a: gained")
        assert not browser.errors and all(url.startswith(("file:", "data:")) for url in browser.requests)
    finally:
        browser.close()


def test_verdicts_of_nobody_are_no_table_of_numbers() -> None:
    page = Page(rendered("silent"))
    assert "No member’s users have a recorded taste" in page.text and np.isnan(made.silent().verdicts["change"]).all()


def test_measures_named_as_charts_of_the_page_have_charts_of_their_own() -> None:
    """A measure ``diets`` stood in the place of what members train on."""
    run = made.pair()
    made.put(run, rounds=run.rounds.assign(diets=1.5))
    charts = Page(render(run)).charts
    assert "share of the training set" in str(charts["diets-chart"])
    assert set(pd.DataFrame(rows(charts["measured-diets-chart"]))["middle"]) == {1.5}


def test_ids_of_a_page_are_used_once() -> None:
    for name in RUNS:
        found = [id for _, tag in Page(rendered(name)).tags if (id := tag.get("id"))]
        assert len(found) == len(set(found)), name
    page = synthetic_page()
    with pytest.raises(ValueError, match="two parts called 'facts'"):
        assembly.render(replace(page, sections=[*page.sections, *page.sections[:1]]))
