"""The report of a study: numbers are those of the tables, odd studies get the right sentence, phones can read it."""

import base64
import gzip
import html
import io
import re
import time
import warnings
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from browser import CHROMIUM
from devtools import Browser
from scipy.stats import t as student
from synthetic_studies import HOSTILE, PLANE, SCATTERED, STUDIES, duo, made_up

from ecosystem import Flow, Linear, Location, Member, Scenario, Shift
from ecosystem.core.words import number
from ecosystem.report import assembly, render_study, study_tables, write_study
from ecosystem.report import blocks as parts
from ecosystem.study import Results, Study
from ecosystem.study.outcomes.effects import effects
from ecosystem.study.outcomes.effects import headline as of_effects
from ecosystem.study.outcomes.failing import lie
from ecosystem.study.outcomes.sample import Sample
from ecosystem.study.outcomes.story import headline
from ecosystem.study.outcomes.subject import Subject
from ecosystem.study.outcomes.sweep import Sweep, parameter
from tests.pages import Page

HELD = "\N{NO-BREAK SPACE}"
VOID = {"meta", "br", "img", "input"}


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Results]:
    """The studies above, computed when they are asked for."""
    root, done = tmp_path_factory.mktemp("studies"), {}

    def computed(name: str) -> Results:
        if name not in done:
            build, grid, how = STUDIES[name]
            asked = iter([False] * {"half": 1, "begun": 0}.get(name, 1000))
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".*points failed", category=RuntimeWarning)
                Study(f"all about {name}", build, grid=grid, **how).run(
                    root / name, workers=0, stop=lambda: next(asked, True)
                )
            done[name] = Study.load(root / name)
        return done[name]

    return computed


@pytest.fixture(scope="module")
def pages(studies: Callable[[str], Results], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Their reports."""
    root, done = tmp_path_factory.mktemp("pages"), {}

    def rendered(name: str) -> str:
        if name not in done:
            done[name] = write_study(studies(name), root / "deep" / f"{name}.html").read_text(encoding="utf-8")
        return done[name]

    return rendered


class Seen(HTMLParser):
    """A strict little reader: every tag is closed in turn; keeps ids and the text that is not code."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self.feed(source)
        self.close()
        assert not self.open, f"never closed: {self.open}"
        assert len(set(self.ids)) == len(self.ids)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [str(value) for name, value in attrs if name == "id"]
        self.open += [] if tag in VOID else [tag]

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data + " "


def text(page: str) -> str:
    """What a reader sees, with ordinary spaces and hyphens."""
    words = Seen(page).text.replace(HELD, " ").replace("\N{NON-BREAKING HYPHEN}", "-")
    return " ".join(words.split())


def specs(page: str) -> dict[str, Any]:
    """The charts of a page by their ids."""
    return Page(page).charts


def rows(page: str, id: str) -> pd.DataFrame:
    """The numbers that a chart of a page embeds."""
    return pd.DataFrame(max(specs(page)[id]["datasets"].values(), key=len))


def final(results: Results) -> pd.DataFrame:
    """By pandas alone: each run's alignment at its last round, and how far it is from the member alone."""
    rounds = results.rounds.assign(member=results.rounds["member"].astype(str))
    keys = ["point", "member", "seed", "replicate"]
    alone = results.baseline.set_index(keys)["alignment"]
    end = rounds[rounds["round"] == rounds["round"].max()].set_index(keys)["alignment"]
    return pd.DataFrame({"end": end, "change": end - alone}).dropna()


# Numbers


def test_the_points_show_means_and_intervals_of_the_last_round(studies: Any, pages: Any) -> None:
    """± was a standard error here, and half a 95 % interval everywhere else."""
    ends = final(studies("plane")).groupby(["point", "member"])["end"].agg(["mean", "sem"])
    table = re.findall(r"<tr role=\"row\">(.*?)</tr>", pages("plane").split('id="points-table"')[1], re.DOTALL)[1:13]
    assert len(table) == 12
    for point, row in enumerate(table):
        cells = [html.unescape(cell).replace(HELD, " ") for cell in re.findall(r"<span>([^<>]+)</span>", row)]
        assert cells[:3] == [str(point), f"{PLANE['pull'][point // 3]:g}", f"{PLANE['curation'][point % 3]:g}"]
        for member, cell in zip("ab", cells[3:], strict=True):
            mean, reach = cell.replace("−", "-").split(" ± ")
            expected = ends.loc[(point, member)]
            assert float(reach) == pytest.approx(expected["sem"] * student.ppf(0.975, 4), rel=0.05)
            assert float(mean) == pytest.approx(expected["mean"], abs=0.14 * expected["sem"])


def test_the_table_says_where_members_end_best_and_worst_and_how_often_they_gain(studies: Any, pages: Any) -> None:
    results, seen = studies("plane"), text(pages("plane"))
    groups = final(results).groupby(["member", "point"])
    ends, change = groups["end"].mean(), groups["change"].agg(["mean", "sem"])
    clear = np.sign(change["mean"]) * (change["mean"].abs() > change["sem"] * student.ppf(0.975, 4))
    for member in "ab":
        for point in (ends[member].idxmax(), ends[member].idxmin()):
            where = results.points.loc[point]
            assert f"at pull {where['pull']:g}, curation {where['curation']:g}" in seen
        counts = {"up": (clear[member] == 1).sum(), "down": (clear[member] == -1).sum()}
        counts["unclear"] = 12 - sum(counts.values())
        told = ", ".join(f"{way} at {count}" for way, count in counts.items() if count)
        assert f"{told} of 12 points" in seen or f"{told.replace(' at ', ' at all ')} points" in seen


def test_influence_is_counted_over_points(studies: Any, pages: Any) -> None:
    results, seen = studies("effects"), text(pages("effects"))
    table = results.with_parameters("influence")
    cross = table[table["kind"] == "cross"]
    assert set(cross.loc[cross["effect"] < 0, "taste"]) == {"other"} and not table["backfires"].any()
    assert f"Curating a backfires nowhere, but harms b at {cross['harms'].sum()} of 6 points." in seen
    low, high = f"{cross['effect'].min():.2f}".replace("-", "−"), f"{cross['effect'].max():.2f}"
    told = "Curating a lowers b’s alignment at 3 of 6 points and raises it at others"
    assert f"{told} (effects from {low} to +{high}); it lowers it at taste other (of two values)." in seen


def test_maps_and_curves_hold_the_means(studies: Any, pages: Any) -> None:
    results, page = studies("plane"), pages("plane")
    table = final(results).reset_index().merge(results.points, on="point")
    wide = table.groupby(["member", "pull", "curation"])[["end", "change"]].mean()
    for id, what in (("alignment-map-0-0", "change"), ("alignment-map-1-0", "end")):
        drawn = rows(page, id).set_index(["name", "x", "y"])["mean"]
        np.testing.assert_allclose(drawn, wide[what].reindex(drawn.index), rtol=1e-9, atol=1e-12)
    drawn = rows(page, "alignment-curves").assign(by=lambda rows: rows["by"].astype(float))
    drawn = drawn.set_index(["member", "x", "by"])
    np.testing.assert_allclose(drawn["mean"], wide["end"].reindex(drawn.index), rtol=1e-9, atol=1e-12)
    reach = table.groupby(["member", "pull", "curation"])["end"].sem() * student.ppf(0.975, 4)
    np.testing.assert_allclose(drawn["high"] - drawn["mean"], reach.reindex(drawn.index), rtol=1e-9, atol=1e-12)
    assert drawn["base"].notna().all()


def test_errors_of_means_over_points_are_those_of_the_seeds(studies: Any) -> None:
    table = final(studies("plane")).reset_index()
    subject = Subject(studies("plane"))
    assert subject.final is not None
    levels = np.zeros(12, dtype=int)
    whole = subject.final.sample.average(levels, 1)
    by_seed = table.groupby(["member", "seed"])["end"].mean().unstack()
    np.testing.assert_allclose(whole.mean[:, 0], by_seed.mean(axis=1))
    np.testing.assert_allclose(whole.error[:, 0], by_seed.std(axis=1) / np.sqrt(5))
    pair = subject.final.sample.minus(11, 0)
    both = table.pivot_table(index=["member", "seed"], columns="point", values="end")
    np.testing.assert_allclose(pair.error[:, 0], (both[11] - both[0]).groupby("member").sem())


def test_noise_is_seldom_called_a_change() -> None:
    """Members that do not change: about one in forty looks as if it gained, however many points share their seeds."""
    rng = np.random.default_rng(0)
    shared, own = rng.normal(size=(2000, 1, 6)), rng.normal(size=(2000, 20, 6))
    for weight in (0.0, 0.7, 1.0):
        sample = Sample.of(weight * shared + np.sqrt(1 - weight**2) * own, np.zeros(20, dtype=bool))
        assert (sample.anywhere(1) <= 0.025).mean() < 0.035 and (sample.anywhere(-1) <= 0.025).mean() < 0.035
    assert Sample.of(own + 3.0, np.zeros(20, dtype=bool)).anywhere(1).max() <= 0.025


@pytest.mark.parametrize("name", ["plane", "partly", "settled", "mixed"])
def test_the_code_on_the_page_works(studies: Any, pages: Any, name: str) -> None:
    code = html.unescape(re.findall(r"<pre[^>]*><code>(.*?)</code></pre>", pages(name), re.DOTALL)[-1])
    scope: dict[str, Any] = {}
    exec(code, scope)
    table, subject = scope["table"], Subject(studies(name))
    assert subject.final is not None and len(table) == subject.sweep.points
    for place, member in enumerate(subject.final.names):
        column = table[f"alignment of {member}"].to_numpy(float)
        np.testing.assert_allclose(column, subject.final.sample.mean[place], rtol=1e-12)


# Odd studies

SENTENCES = {
    "plane": ["Varied: pull (0, 0.3, 0.6, 0.9) and curation (0.1, 0.3, 0.5).", "the other"],
    "line": ["Varied: pull (0, 0.2, 0.4, 0.6, 0.8). Fixed: taste other.", "Alignment over the parameters"],
    "ends": [
        "Alone, every flow is cut and each member trains on its own real data in the same rounds",
        "Against real data alone Verdict",
    ],
    "scattered": ["Alignment differs most along", "at values of"],
    "categories": [
        "Varied: taste (same, other).",
        "Against real data alone Against the start Verdict",
    ],
    "mixed": ["Five points have one replicate where others have several", "samples (16, 64, None)"],
    "four": ["gain, mean over all others", "strong (True, False)"],
    "turns": ["gain, taste same gain, taste other gain, mean over all others"],
    "one": [
        "Nothing was varied (pull 0.3): there is one point.",
        "One run of each point cannot tell",
        "There is one seed",
    ],
    "population": ["Nothing is drawn in these runs (the population)", "Fixed: samples None."],
    "broken": ["2 of 12 points failed. At the others:", "They lie at pull 0.6 to 0.9 (of 0 to 0.9); curation 0.5"],
    "hostile": [*HOSTILE, "<same>", "$other$"],
    "lost": ["Both points failed.", "All of them diverged, which is a result", "No point came to its end"],
    "partly": ["At one point only some of the runs diverged", "1 diverged", "gone = results.failures"],
    "tasteless": ["No member has users with a recorded taste, so there is no alignment to speak of."],
    "members": ["No alignment was kept.", "None of the tables that were kept (members) has the members’ alignment."],
    "effects": ["None of the tables that were kept (influence) has", "Influence of curation on alignment by pull"],
    "settled": [
        "a: the alignment at the stable point rises with pull",
        "A stable point was found at all 3 points where one was looked for.",
        "the dynamics settle at 3",
    ],
    "crowd": ["No member shows a clear change against its real data alone", "The 12 members that move most"],
    "half": ["This study is not finished: 2 of 4 points and 1 of 2 blocks are computed."],
    "begun": ["Nothing has been computed yet.", "0 of 2 points", "No block of this study is finished yet"],
}


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_gets_a_whole_page_with_the_right_sentence(pages: Any, name: str) -> None:
    page, seen = pages(name), text(pages(name))
    for words in SENTENCES[name]:
        assert words in seen, words
    assert not {"nan", "inf"} & set(re.findall(r"\w+", seen.lower().replace("became nan", "")))
    assert "No chart:" not in seen and "<same>" not in page and HOSTILE[0] not in page
    assert all(len(spec["description"]) > 20 for spec in specs(page).values())
    assert len(page) < 2_900_000


def test_failures_are_told_one_by_one_and_marked_in_the_map(studies: Any, pages: Any) -> None:
    results, seen = studies("broken"), text(pages("broken"))
    assert set(results.failures["kind"]) == {"build"}
    assert seen.count("RuntimeError: too <b>much</b> of $x$") == len(results.failures) == 2
    assert f"study.run({str(results.folder)!r}, retry=True)" in seen
    drawn = rows(pages("broken"), "alignment-map-0-0").query("words == '×'")
    failed = results.points.loc[results.failures["point"]]
    assert set(zip(drawn["x"], drawn["y"], strict=True)) == set(zip(failed["pull"], failed["curation"], strict=True))
    crossed = pd.concat(map(pd.DataFrame, specs(pages("broken"))["alignment-curves"]["datasets"].values()))
    assert set(crossed.loc[crossed["failed"] > 0, "x"]) <= set(failed["pull"])


def test_a_report_is_the_same_every_time(studies: Any, pages: Any) -> None:
    assert render_study(Study.load(studies("plane").folder)) == pages("plane")


def test_parameters_are_numbers_or_categories() -> None:
    def kind(values: Any, dtype: Any = None) -> tuple[bool, tuple[str, ...]]:
        found = parameter("p", pd.Series(values, dtype=dtype))
        return found.number, found.labels

    assert kind([0.25, -0.5, 0.25]) == (True, ("−0.5", "0.25"))
    assert kind([8, 2, 4]) == (False, ("2", "4", "8"))
    assert kind([1, 2, 3, 4, 10000]) == (True, ("1", "2", "3", "4", "10000"))
    assert kind([16, None, 4], "Int64") == (False, ("4", "16", "None"))
    assert kind([True, False]) == (False, ("True", "False"))
    assert kind(["x", None, "a"], "str") == (False, ("x", "None", "a"))
    assert kind([1.0, np.inf]) == (False, ("1", "inf"))
    assert kind([0.123456, 0.1234561]) == (True, ("0.123456", "0.1234561"))
    assert kind([2e9, 1e-7]) == (True, ("1e−7", "2e9"))
    assert parameter("p", pd.Series([1.0, 3.0, 10.0, 30.0, 100.0])).logarithmic
    assert not parameter("p", pd.Series([0.0, 1.0, 2.0, 3.0, 40.0])).logarithmic


def test_a_measure_that_failed_leaves_the_alignment_alone(studies: Any, pages: Any) -> None:
    results, seen = studies("turns"), text(pages("turns"))
    assert set(results.failures["kind"]) == {"measure"}
    count = len(results.failed)
    assert 0 < count < 24 and seen.count(f"{count} of 24 points failed") == 2  # in the notice and in its section
    assert set(re.findall(r"(\d+) of 24 points failed", seen)) == {str(count)}
    assert "its runs are there, and in the means" in seen
    subject = Subject(results)
    assert subject.final is not None and not subject.stopped.any() and subject.failed.sum() == count
    assert np.isfinite(subject.final.sample.mean).all()
    assert rows(pages("turns"), "alignment-along-0")["failed"].eq(0).all()


def test_parameters_with_few_values_have_a_map_for_each(studies: Any, pages: Any) -> None:
    results = studies("turns")
    table = final(results).reset_index().merge(results.points, on="point")
    wide = table.groupby(["taste", "member", "pull", "curation"])["change"].mean()
    for place, likes in enumerate(("same", "other")):
        drawn = rows(pages("turns"), f"alignment-map-0-{place}").set_index(["name", "x", "y"])["mean"]
        np.testing.assert_allclose(drawn, wide[likes].reindex(drawn.index), rtol=1e-9, atol=1e-12)
    assert specs(pages("turns"))["alignment-map-0-0"]["title"]["subtitle"][0].startswith("taste same; against")


def test_effects_with_two_signs_are_not_told_as_a_mean(studies: Any, pages: Any) -> None:
    seen = text(pages("turns"))
    assert "rises with curation at taste same, and falls at other" in seen
    subject = Subject(studies("turns"))
    pull, taste = (next(p for p in subject.sweep.swept if p.name == name) for name in ("pull", "taste"))
    high = np.flatnonzero((pull.values > 0.5) & (taste.level == 0))
    assert lie(subject, high) == "pull 0.6 to 0.9 (of 0 to 0.9); taste same (of two values)"
    assert lie(subject, high[1:]) is None  # a box would hold one that is not among them
    tried = np.flatnonzero(pull.values < 0.8)  # ranges are of what was tried
    assert lie(subject, np.intersect1d(high, tried), tried) == "pull 0.6 (of 0 to 0.6); taste same (of two values)"


@pytest.mark.parametrize("name", STUDIES)
def test_headlines_are_short_and_shown_in_notebooks(studies: Any, name: str) -> None:
    results = studies(name)
    words = headline(Subject(results), effects(Subject(results)))
    assert len(words) <= 140
    shown = results._repr_html_()
    assert html.escape(words) in shown and f"{results.progress().done} of {len(results.points)} points" in shown
    assert "<script" not in shown and shown.count("<tr>") == min(12, len(results.verdicts)) + (
        len(results.verdicts) > 0
    )


def unending(run: Any) -> pd.DataFrame:
    """What ``a`` has is without end where the pull is strong."""
    far = run.settings["parameters"]["pull"] > 0.5
    return pd.DataFrame({"member": ["a", "b"], "alignment": [np.inf if far else 1.0, 2.0], "mine": [-np.inf, 3.0]})


def test_what_is_infinite_is_said(tmp_path: Path) -> None:
    """Such points were drawn, and told, as if they had not been computed."""
    results = Study("far", STUDIES["line"][0], grid={"pull": [0.1, 0.3, 0.9]}, measure=unending).run(
        tmp_path / "far", workers=0
    )
    found = results.verdicts.set_index("member")
    assert found.loc["a", "points"] == 2 and "it is infinite at one more point" in found.loc["a", "sentence"]
    page = render_study(results)
    seen = text(page)
    assert "It is infinite at pull 0.9 (of 0.1 to 0.9)." in seen and "2 0.9 ∞ 2.00" in seen
    assert "some alignments are infinite (∞)" in seen
    assert "without end, so not drawn: a at 0.9" in str(specs(page)["alignment-along"]["title"]["subtitle"])
    assert rows(page, "alignment-along")["mean"].notna().all()


# Ten thousand points


def test_ten_thousand_points_take_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = made_up(tmp_path / "study", 10_000, 3, 3, 20)
    read = Results.read

    def watched(self: Results, table: str, *rest: Any, **how: Any) -> pd.DataFrame:
        assert table != "rounds", "all rounds of all runs at once are too much"
        return read(self, table, *rest, **how)

    monkeypatch.setattr(Results, "read", watched)
    began = time.process_time()
    page = write_study(results, tmp_path / "page.html").read_text(encoding="utf-8")
    assert time.process_time() - began < 30
    assert "it gains at" in page and "… and 9,970 more rows" in page and len(page) < 2_900_000
    drawn = rows(page, "alignment-map-0-0")
    assert len(drawn) == 3 * 400 and drawn["points"].sum() == 3 * 10_000
    assert "The whole table is too large for this page; it is in the saved folder." in page


def test_the_whole_table_of_points_can_be_downloaded(tmp_path: Path) -> None:
    results = made_up(tmp_path / "study", 100, 3, 3, 2)
    packed = re.search(r'id="whole-points-table">([^<]+)<', render_study(results))
    assert packed
    whole = pd.read_csv(io.BytesIO(gzip.decompress(base64.b64decode(packed.group(1)))))
    assert len(whole) == 100 and list(whole)[:5] == ["point", "pull", "curation", "m0", "± m0"]
    final = Subject(results).final
    assert final is not None
    np.testing.assert_allclose(whole[["m0", "± m0"]].T, [final.sample.mean[0], final.sample.reach[0]], rtol=1e-12)


def test_scattered_points_are_drawn_where_they_lie(studies: Any, pages: Any) -> None:
    results = studies("scattered")
    drawn = rows(pages("scattered"), "alignment-map-1-0").query("name == 'a'")
    mean = final(results)["end"].groupby(["member", "point"]).mean()["a"]
    np.testing.assert_allclose(drawn[["x", "y"]], SCATTERED[["pull", "curation"]])
    np.testing.assert_allclose(drawn["mean"], mean, rtol=1e-9)
    assert Sweep.of(results).scattered


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_in_a_browser_nothing_fails_and_nothing_overflows(pages: Any, tmp_path: Path) -> None:
    browser = Browser(tmp_path / "profile", 1280)
    try:
        for name in ("broken", "hostile"):
            (tmp_path / f"{name}.html").write_text(pages(name), encoding="utf-8")
            for width in (390, 1280):
                browser.resize(width, 1000)
                browser.go((tmp_path / f"{name}.html").as_uri())
                browser.wait("document.documentElement?.dataset.ready == 'yes'")
                assert browser.run("document.documentElement.scrollWidth") <= width
                assert browser.run("document.querySelectorAll('.view p.soft').length") == 0
        options = browser.run("[...document.querySelectorAll('#alignment-maps option')].map(o => o.textContent)")
        assert options == ["gain", "alignment"]
        browser.run(
            "(s => { s.value = 1; s.dispatchEvent(new Event('input', {bubbles: true})) })"
            "(document.querySelector('#alignment-maps select'))"
        )
        assert browser.wait("document.querySelector('#alignment-map-1-0 svg') != null")
        assert browser.run("document.querySelector('#alignment-map-0-0').offsetHeight") == 0
        assert not browser.errors and not [url for url in browser.requests if not url.startswith(("file:", "data:"))]
    finally:
        browser.open.close()


def led(chosen_by: Any = "producer") -> Scenario:
    """``b`` likes the opposite of what it reads chosen."""
    s, still = Scenario("led", rounds=2), Location([0.0])
    s.add("a", Member(still, reward=Linear([1.0]), curator=Shift([1.0]), real=still))
    s.add("b", Member(still, reward=Linear([-1.0]), curator=Shift([1.0]), real=still))
    s.connect("a", "b", Flow(raw=0.2, curated=0.3, chosen_by=chosen_by))
    return s


def test_nothing_backfires_on_members_whose_users_never_choose(tmp_path: Path) -> None:
    """Where others choose what a member reads, its curation was said to backfire."""
    told = {}
    for kept in (["influence", "flows"], ["influence"]):
        study = Study("led", led, grid={"chosen_by": ["producer", "consumer"]}, measure=kept)
        found = effects(Subject(study.run(tmp_path / str(len(kept)), workers=0)))
        assert found is not None
        told[len(kept)] = of_effects(found)
    assert told[2] == "Curating b backfires at 1 of 2 points and lowers its own alignment at 1."
    assert told[1] == "Curating b lowers its own alignment at 2 of 2 points."  # nobody knows who chooses


OURS = (  # columns of tables that pages are made of
    "share name parameter kind value index level_0 mean low high label points base by place x y x_label y_label member "
    "seeds seed replicate failed clear words of round error what done found seen area below rank sign {0} {name}"
)


def free(pull: float, curation: float, **_: Any) -> Scenario:
    return duo(pull, curation)


def test_parameters_may_be_called_like_columns_of_tables(tmp_path: Path) -> None:
    """One called ``share`` or ``name`` broke the whole page."""
    names, rng, tastes = OURS.split(), np.random.default_rng(0), ["{0}", "{b"]
    values = {name: rng.random(8) if place % 2 else rng.permuted(tastes * 4) for place, name in enumerate(names)}
    grid = pd.DataFrame({"pull": rng.random(8), "curation": np.full(8, 0.3), **values})
    page = render_study(Study("odd", free, grid=grid).run(tmp_path, workers=0))
    assert "No chart:" not in text(page)
    drawn = rows(page, "alignment-sensitivity")
    assert set(drawn["parameter"]) == {"pull", *names} and set(drawn["name"]) == {"mean", "a", "b"}


def of_names(pull: float) -> Scenario:
    return duo(pull, samples=None, rounds=1, names=("pull", "b"))


def test_members_may_be_called_like_parameters(tmp_path: Path) -> None:
    """The table to download had two columns of one name."""
    grid = {"pull": np.linspace(0.1, 0.5, 40)}
    results = Study("named", of_names, grid=grid).run(tmp_path, workers=0)
    whole = study_tables.points(Subject(results)).whole
    assert whole is not None and list(whole) == [
        "point",
        "pull",
        "alignment of pull",
        "± alignment of pull",
        "b",
        "± b",
    ]


def signed(pull: float) -> Scenario:
    return duo(pull, samples=None, rounds=1, names=("± b", "b"))


def test_members_may_be_called_like_columns_of_other_members(tmp_path: Path) -> None:
    """The alignment of ± b stood in the place of half the interval of b."""
    results = Study("signed", signed, grid={"pull": np.linspace(0.1, 0.5, 40)}).run(tmp_path, workers=0)
    whole = study_tables.points(Subject(results)).whole
    assert whole is not None
    own = ["± b", "± ± b", "alignment of b", "± alignment of b"]
    assert list(whole) == ["point", "pull", *own] and (whole["± b"] > 0).all()


def broken(pull: float, **given: Any) -> Scenario:
    if 0 < pull < 29:  # the ends are tried first
        raise RuntimeError(f"at {pull}")
    return duo(0.3, samples=None, rounds=1)


def test_parameters_of_failures_may_be_called_like_their_columns(tmp_path: Path) -> None:
    """With parameters `error` and `error_parameter` the page could not be made, nor the table with parameters."""
    names = ["error", "error_parameter", "kind", "place", "seed", "seed_parameter", "round", "member"]
    grid = pd.DataFrame(
        {"pull": np.arange(30.0), **{name: np.arange(30) % 7 + place for place, name in enumerate(names)}}
    )
    with pytest.warns(RuntimeWarning, match="points failed"):
        results = Study("broken", broken, grid=grid).run(tmp_path, workers=0)
    whole = study_tables.failures(Subject(results)).whole
    assert whole is not None
    grid = grid[1:-1]
    for table in (whole, results.with_parameters("failures")):
        assert table.columns.is_unique and set(table["error"]) == {f"RuntimeError: at {p}" for p in grid["pull"]}
        for name in names:
            ours = name in ("error_parameter", "seed_parameter", "place")
            kept = name if ours else f"{name}_parameter" + "_parameter" * (name in ("error", "seed"))
            assert table[kept].tolist() == grid[name].tolist()
    assert "at 3.0" in text(render_study(results))


def pathlike(pull: float, curation: float, source: str) -> Scenario:
    return duo(pull, curation, "other" if "june" in source else "same", samples=None)


def test_choices_of_a_page_have_names_that_differ(tmp_path: Path) -> None:
    """Long values were cut to the same 32 letters: of two maps of one name only the first was ever seen."""
    source = [f"/data/of/the/first/run/of/{month}/and/then/the/model.pt" for month in ("may", "june")]
    grid = {"pull": [0.1, 0.5, 0.8], "curation": [0.1, 0.5], "source": source}
    page = render_study(Study("paths", pathlike, grid=grid).run(tmp_path, workers=0))
    names = re.findall(r'data-name="([^"]+)"', page.split('id="alignment-maps"')[1].split('id="alignment-along"')[0])
    assert len(names) == len(set(names)) == 6 and any("may" in name for name in names)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_what_is_chosen_is_shown_whatever_it_is_called(tmp_path: Path) -> None:
    """Slides were found by their names, in the box itself too: the second of one name could not be seen."""
    slides = [("same", [parts.Words(words)]) for words in ("first", "second")]
    section = parts.Section("some", "Some", [parts.Slides("some-box", "Show", slides, choice=True)])
    (tmp_path / "page.html").write_text(assembly.render(parts.Page("p", "a page", "Two.", [section])), encoding="utf-8")
    browser = Browser(tmp_path / "profile", 800)
    try:
        browser.go((tmp_path / "page.html").as_uri())
        browser.wait("document.documentElement?.dataset.ready == 'yes'")
        browser.run(
            "(s => { s.value = 1; s.dispatchEvent(new Event('input', {bubbles: true})) })"
            "(document.querySelector('#some-box select'))"
        )
        shown = "[...document.querySelectorAll('#some-box .slide')].map((slide) => slide.hidden)"
        assert browser.run(shown) == [True, False]
    finally:
        browser.open.close()


def test_a_design_made_for_it_has_a_section_on_what_matters(tmp_path: Path) -> None:
    bounds = {"pull": (0.1, 0.9), "curation": (0.1, 0.6)}
    study = Study.sobol("swept", free, bounds, points=8, seeds=3, measure=("rounds", "influence"))
    results = study.run(tmp_path, workers=0)
    page = render_study(results)
    found = results.sensitivity("alignment")
    drawn = rows(page, "alignment-sensitivity").query("kind == 'mean' and index == 'total'").set_index("parameter")
    mean = found.table[found.table["index"] == "total"].groupby("parameter")["value"].mean()
    assert drawn["value"].to_dict() == pytest.approx(mean.to_dict())
    said = text(page)
    assert "Which settings matter" in said and said.count("What moves alignment") <= 1  # not once more elsewhere
    assert results.precision("alignment").sentence.partition(" (")[0] in said
    row = found.table.query("name == 'b' and parameter == 'pull' and index == 'total'").iloc[0]
    assert f"({number(row['low'], 1.0)} to {number(row['high'], 1.0)})" in said


def test_a_grid_has_that_section_when_it_is_asked_for(tmp_path: Path) -> None:
    grid = {"pull": [0.1, 0.3, 0.5, 0.7, 0.9], "curation": [0.1, 0.2, 0.4, 0.6], "samples": [None]}
    results = Study("grid", duo, grid=grid, measure=("rounds", "influence")).run(tmp_path, workers=0)
    assert "Which settings matter" not in text(render_study(results))
    page = render_study(results, sensitivity=True)
    assert "Which settings matter" in text(page) and len(rows(page, "alignment-sensitivity"))
