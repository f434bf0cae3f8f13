"""The report of a study: numbers are those of the tables, odd studies get the right sentence, phones can read it."""

import html
import re
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from browser import CHROMIUM, in_frames
from matplotlib.collections import PathCollection, PolyCollection, QuadMesh
from matplotlib.colors import SymLogNorm
from scipy.stats import t as student
from synthetic_studies import HOSTILE, PLANE, SCATTERED, STUDIES, made_up
from test_report import Page, is_whole_picture

from ecosystem import Flow, Linear, Location, Member, Scenario, Shift
from ecosystem.report import look, write_study
from ecosystem.report.study.colours import scale
from ecosystem.report.study.curves import along, slices
from ecosystem.report.study.effects import effects
from ecosystem.report.study.effects import headline as effects_headline
from ecosystem.report.study.failures import lie
from ecosystem.report.study.maps import maps
from ecosystem.report.study.quantity import Plot, Quantity
from ecosystem.report.study.story import headline
from ecosystem.report.study.subject import Subject
from ecosystem.study import Results, Study
from ecosystem.study.outcomes.sample import Sample
from ecosystem.study.outcomes.sweep import Sweep, parameter

HELD = "\N{NO-BREAK SPACE}"


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


def text(page: str) -> str:
    """What a reader sees, with ordinary spaces and hyphens."""
    words = Page(page).text.replace(HELD, " ").replace("\N{NON-BREAKING HYPHEN}", "-")
    return " ".join(words.split())


def final(results: Results) -> pd.DataFrame:
    """By pandas alone: each run's alignment at its last round, and how far it is from the member alone."""
    rounds = results.rounds.assign(member=results.rounds["member"].astype(str))
    keys = ["point", "member", "seed", "replicate"]
    alone = results.baseline.set_index(keys)["alignment"]
    end = rounds[rounds["round"] == rounds["round"].max()].set_index(keys)["alignment"]
    return pd.DataFrame({"end": end, "change": end - alone}).dropna()


def plot(results: Results, x: str, y: str | None = None, change: bool = False) -> Plot:
    """A plot of a study's alignment."""
    subject = Subject(results)
    quantity = subject.change if change else subject.final
    assert quantity is not None
    by_name = {p.name: p for p in subject.sweep.swept}
    return Plot(subject.sweep, quantity, subject.failures.points, by_name[x], by_name[y] if y else None)


# Numbers


def test_the_points_show_means_and_standard_errors_of_the_last_round(studies: Any, pages: Any) -> None:
    ends = final(studies("plane")).groupby(["point", "member"])["end"].agg(["mean", "sem"])
    rows = re.findall(r"<tr role=\"row\">(.*?)</tr>", pages("plane").split('id="points-table"')[1])[1:]
    assert len(rows) == 12
    for point, row in enumerate(rows):
        cells = [html.unescape(cell).replace(HELD, " ") for cell in re.findall(r">([^<>]+)</td>", row)]
        assert cells[:3] == [str(point), f"{PLANE['pull'][point // 3]:g}", f"{PLANE['curation'][point % 3]:g}"]
        for member, cell in zip("ab", cells[3:], strict=True):
            mean, error = cell.replace("−", "-").split(" ± ")
            expected = ends.loc[(point, member)]
            assert float(error) == pytest.approx(expected["sem"], rel=0.05)
            assert float(mean) == pytest.approx(expected["mean"], abs=0.051 * expected["sem"])


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
    assert f"Curating a never backfires and harms b at {cross['harms'].sum()} of 6 points." in seen
    low, high = f"{cross['effect'].min():.2f}".replace("-", "−"), f"{cross['effect'].max():.2f}"
    told = "Curating a lowers b’s alignment at 3 of 6 points and raises it at others"
    assert f"{told} (effects from {low} to +{high}); it lowers it at taste other (of two values)." in seen


def test_curves_and_maps_draw_the_means(studies: Any) -> None:
    results = studies("plane")
    table = final(results).reset_index().merge(results.points, on="point")
    wide = table.groupby(["member", "pull", "curation"])[["end", "change"]].mean()
    for width in (look.WIDE, look.NARROW):
        drawn = along(plot(results, "pull"), width).axes[0].lines
        for line, member in zip(drawn[::2], "ab", strict=True):
            np.testing.assert_allclose(
                np.asarray(line.get_ydata()), wide["end"][member].groupby("pull").mean(), rtol=1e-12
            )
        for axes, member in zip(maps(plot(results, "pull", "curation", change=True), width).axes, "ab", strict=False):
            mesh = next(part for part in axes.collections if isinstance(part, QuadMesh))
            expected = wide["change"][member].unstack("pull")
            np.testing.assert_allclose(np.asarray(mesh.get_array()).reshape(3, 4), expected, rtol=1e-9, atol=1e-12)
            low, high = mesh.get_clim()
            assert low is not None and low + (high or 0) == 0
        axes = slices(plot(results, "pull", "curation"), width).axes[0]
        curves = [np.asarray(line.get_ydata()) for line in axes.lines if line.get_linestyle() == "-"]
        for curve, level in zip(curves, PLANE["curation"], strict=True):
            np.testing.assert_allclose(curve, wide["end"]["a"].xs(level, level="curation"), rtol=1e-12)


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
        assert sample.anywhere(1).mean() < 0.035 and sample.anywhere(-1).mean() < 0.035
    assert Sample.of(own + 3.0, np.zeros(20, dtype=bool)).anywhere(1).mean() > 0.99


@pytest.mark.parametrize("name", ["plane", "partly", "settled", "mixed"])
def test_the_code_on_the_page_works(studies: Any, pages: Any, name: str) -> None:
    code = html.unescape(re.findall(r"<pre><code>(.*?)</code></pre>", pages(name), re.DOTALL)[-1])
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
    "line": ["Varied: pull (0, 0.2, 0.4, 0.6, 0.8). Fixed: taste other.", "Alignment along pull"],
    "ends": [
        "Alone, every flow is cut and each member trains on its own real data in the same rounds",
        "Against real data alone Verdict",
    ],
    "scattered": ["Alignment differs most along", "Each dot is a point of the study.", "groups of values of"],
    "categories": [
        "Hollow dots are real data alone (the start, where there are none).",
        "Against real data alone Against the start Verdict",
        "Varied: taste (same, other).",
    ],
    "mixed": ["Five points have one replicate where others have several", "samples (16, 64, None)"],
    "four": ["averaged over all other parameters (", "strong (True, False)"],
    "turns": ["Alignment over pull and curation, for each taste", "One panel for each value of taste."],
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
    "effects": ["None of the tables that were kept (influence) has", "Influence along pull, for each taste"],
    "settled": [
        "a: the alignment at the stable point rises with pull",
        "A stable point was found at all 3 points where one was looked for.",
        "the dynamics settle at 3",
    ],
    "crowd": ["Of 200 members", "How 200 members are spread; the lines are those that move most", "The 12 members"],
    "half": ["This study is not finished: 2 of 4 points and 1 of 2 blocks are computed."],
    "begun": ["Nothing has been computed yet.", "0 of 2 points", "No block of this study is finished yet"],
}


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_gets_a_whole_page_with_the_right_sentence(pages: Any, name: str) -> None:
    page, seen = Page(pages(name)), text(pages(name))
    for words in SENTENCES[name]:
        assert words in seen, words
    assert not {"nan", "inf"} & set(re.findall(r"\w+", seen.lower().replace("became nan", "")))
    assert not re.search(r"@import|url\(|<script|<b>|<same>", pages(name))
    pictured = [attributes for tag, attributes in page.tags if tag in ("img", "source")]
    assert len(pictured) == 2 * pages(name).count("<figure>")
    for attributes in pictured:
        assert "src" not in attributes or len(attributes["alt"] or "") > 20
        is_whole_picture(str(attributes.get("src") or attributes.get("srcset")))
    assert len(pages(name)) < 2_500_000


def test_failures_are_told_one_by_one_and_marked_in_the_map(studies: Any, pages: Any) -> None:
    results, seen = studies("broken"), text(pages("broken"))
    assert set(results.failures["kind"]) == {"build"}
    assert seen.count("RuntimeError: too <b>much</b> of $x$") == len(results.failures) == 2
    assert f"study.run({str(results.folder)!r}, retry=True)" in seen
    axes = maps(plot(results, "pull", "curation")).axes[0]
    crosses = next(line for line in axes.lines if line.get_marker() == "x")
    failed = results.points.loc[results.failures["point"]]
    drawn = np.stack([np.asarray(axis) for axis in crosses.get_data()], axis=1)
    assert sorted(map(tuple, drawn)) == sorted(zip(failed["pull"], failed["curation"], strict=True))


def test_a_report_is_the_same_every_time(studies: Any, pages: Any, tmp_path: Path) -> None:
    assert write_study(Study.load(studies("plane").folder), tmp_path / "again.html").read_text() == pages("plane")


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
    assert "its runs are there, and in the means" in seen and "Red crosses" not in seen
    subject = Subject(results)
    assert subject.final is not None and not subject.failures.marked(subject.final).any()
    assert subject.failures.points.sum() == count
    assert np.isfinite(subject.final.sample.mean).all()


def test_parameters_with_few_values_have_a_panel_for_each(studies: Any) -> None:
    results = studies("turns")
    subject = Subject(results)
    by_name = {p.name: p for p in subject.sweep.swept}
    assert subject.change is not None
    plane, few = (by_name["pull"], by_name["curation"]), (by_name["taste"],)
    drawn = Plot(subject.sweep, subject.change, subject.failures.points, *plane, few)
    panels = [axes for axes in maps(drawn).axes if axes.get_title(loc="left")][:4]
    table = final(results).reset_index().merge(results.points, on="point")
    asked = [(member, taste) for member in "ab" for taste in ("same", "other")]
    for axes, (member, likes) in zip(panels, asked, strict=True):
        assert axes.get_title(loc="left").replace(HELD, " ") == f"{member}\ntaste {likes}"
        mesh = next(part for part in axes.collections if isinstance(part, QuadMesh))
        some = table[(table["member"] == member) & (table["taste"] == likes)]
        expected = some.pivot_table(index="curation", columns="pull", values="change")
        np.testing.assert_allclose(np.asarray(mesh.get_array()).reshape(3, 4), expected, rtol=1e-9, atol=1e-12)


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


def test_one_giant_does_not_set_the_scale() -> None:
    values = np.append(np.linspace(-1, 1, 40), 1e4)
    blank = Sample.of(np.zeros((1, 1, 1)), np.ones(1, dtype=bool))
    around, along_ = (Quantity("q", ["a"], blank, centred=centred) for centred in (True, False))
    assert scale(around, values).ends == (-1, 1) and scale(around, values).extend == "max"
    assert scale(along_, values).ends[1] == 1 and scale(along_, values).high
    plain = scale(around, values[:-1])
    assert plain.ends == (-1, 1) and plain.extend == "neither"
    powers = scale(around, np.geomspace(1e-3, 1e3, 41))
    assert isinstance(powers.norm, SymLogNorm) and powers.ends == (-1e3, 1e3)


@pytest.mark.parametrize("name", STUDIES)
def test_headlines_are_short(studies: Any, name: str) -> None:
    subject = Subject(studies(name))
    found = effects(subject)
    assert len(headline(subject, "" if found is None else effects_headline(found))) <= 140


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
    assert "it gains at" in page and "… and 9960 more" in page and len(page) < 3_000_000
    drawn = maps(plot(results, "pull", "curation")).axes[0].collections
    assert [type(part) for part in drawn] == [PolyCollection]
    assert plot(results, "pull").sweep.levels(plot(results, "pull").x).grouped


def test_scattered_points_are_drawn_where_they_lie(studies: Any) -> None:
    results = studies("scattered")
    dots = next(p for p in maps(plot(results, "pull", "curation")).axes[0].collections if isinstance(p, PathCollection))
    np.testing.assert_allclose(np.asarray(dots.get_offsets()), SCATTERED)
    mean = final(results)["end"].groupby(["member", "point"]).mean()["a"]
    np.testing.assert_allclose(np.asarray(dots.get_array()), mean, rtol=1e-12)
    assert Sweep.of(results).scattered


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("name", ["broken", "hostile", "crowd"])
def test_in_a_browser_nothing_fails_and_nothing_overflows(pages: Any, name: str, tmp_path: Path) -> None:
    for seen in in_frames(pages(name), (390, 700, 1280), tmp_path):
        assert seen["spare"] >= 0 and not seen["wide"]
        assert seen["images"] == pages(name).count("<figure>") and not seen["blank"]


def led(chosen_by: str = "producer") -> Scenario:
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
        told[len(kept)] = effects_headline(found)
    assert told[2] == "Curating b backfires at 1 of 2 points and lowers its own alignment at 1."
    assert told[1] == "Curating b lowers its own alignment at 2 of 2 points."  # nobody knows who chooses
