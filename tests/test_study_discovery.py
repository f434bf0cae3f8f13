"""Where something happens in a study: conditions that are read and not run, and boxes that are found."""

from __future__ import annotations

import html
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthetic_studies import duo
from test_plots import data

from ecosystem import Location, Member, Scenario, plots
from ecosystem.report import render_study
from ecosystem.study import Results, Study, of_scenario
from ecosystem.study.outcomes.effects import effects
from ecosystem.study.outcomes.measuring import NoMeasure, numbers
from ecosystem.study.outcomes.subject import Subject
from ecosystem.study.outcomes.sweep import parameter
from ecosystem.study.sensitivity import discover
from ecosystem.study.sensitivity.boxes import Limit, boxed
from ecosystem.study.sensitivity.condition import WrongCondition, where
from scenarios import pair

METHODS = ["prim", "tree"]


def planted(x: float, y: float, z: float, family: str) -> Scenario:
    """A scenario that says its parameters."""
    s = Scenario("planted", rounds=1)
    s.add("a", Member(Location([x, y, z, float(family == "ring")]), real=Location([0.0, 0.0, 0.0, 0.0])))
    return s


@of_scenario
def outcome(scenario: Scenario) -> pd.DataFrame:
    """Below zero where x > .6, y ≤ .5 and on a ring; of ``b`` nowhere, and unknown where z is small."""
    x, y, z, ring = scenario.graph.nodes["a"]["member"].generator.mean.tolist()
    inside = x > 0.6 and y <= 0.5 and ring > 0
    return pd.DataFrame({"member": ["a", "b"], "score": [-1.0 if inside else 1.0, np.nan if z < 0.1 else 1.0]})


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    rng = np.random.default_rng(0)
    grid = pd.DataFrame(rng.random((300, 3)), columns=["x", "y", "z"]).assign(family=rng.choice(["ring", "star"], 300))
    folder = tmp_path_factory.mktemp("planted")
    Study("planted", planted, grid=grid, measure=(outcome,)).run(folder, workers=0)
    return Study.load(folder)


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("plane")
    grid = {"pull": [0.0, 0.3, 0.6, 0.9], "curation": [0.1, 0.3, 0.5], "samples": [None]}
    Study("plane", duo, grid=grid, measure=("rounds", "influence")).run(folder, workers=0)
    return Study.load(folder)


def inside(results: Results) -> np.ndarray:
    at = results.points
    return ((at["x"] > 0.6) & (at["y"] <= 0.5) & (at["family"] == "ring")).to_numpy()


# -- boxes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_a_planted_box_is_found(results: Results, method: str) -> None:
    if method == "prim":
        pytest.importorskip("ema_workbench", exc_type=ImportError)
    found = results.discover("score[a] < 0", method=method)
    box = found.boxes[0]
    assert set(box.limits) == {"x", "y", "family"} and box.limits["family"] == Limit(labels=("ring",))
    assert box.density >= 0.9 and box.coverage >= 0.9
    assert box.limits["x"].low == pytest.approx(0.6, abs=0.05) and box.limits["x"].high == np.inf
    assert box.limits["y"].high == pytest.approx(0.5, abs=0.1) and box.limits["y"].low == -np.inf
    held = inside(results)
    assert found.hits == held.sum() and found.points == 300
    assert box.hits == held[box.inside].sum() and box.points == box.inside.sum()
    assert box.density == box.hits / box.points and box.coverage == box.hits / held.sum()
    assert all(chance <= 0.05 for chance in box.chance.values())
    assert found.coverage <= 1 and found.table["box"].is_monotonic_increasing


def test_the_sentence_says_density_limits_coverage_and_the_whole(results: Results) -> None:
    found = results.discover("score[a] < 0", method="tree")
    box = found.boxes[0]
    said = found.sentences[0]
    assert said.startswith("score[a] < 0 holds in ") and f"of the points with {box.words}, which are " in said
    assert "family ring" in said and "x > 0.6" in said and said.endswith("of all 300 points.")


def test_a_limit_that_chance_could_have_set_is_left_out(results: Results) -> None:
    rng = np.random.default_rng(1)
    at = [parameter(name, pd.Series(rng.random(400))) for name in ("x", "z")]
    held = at[0].values > 0.5
    box = boxed({"x": Limit(low=0.5), "z": Limit(low=0.02)}, at, held)
    assert set(box.limits) == {"x"} and (box.density, box.coverage) == (1.0, 1.0)
    # points that are copies of each other prove no more than one of them
    copies = [parameter(name, pd.Series(np.repeat(p.values[:4], 100))) for name, p in zip("xz", at, strict=True)]
    few = copies[1].values > copies[1].values.min()
    alone = np.zeros(400, dtype=bool)
    alone[::100] = True
    lowest = Limit(low=float(copies[1].values.min()))
    assert set(boxed({"z": lowest}, copies, few).limits) == {"z"}  # as if they were 400
    assert not boxed({"z": lowest}, copies, few, alone).limits


def test_points_of_which_nobody_knows_are_left_out_and_counted(results: Results) -> None:
    known = int((results.points["z"] >= 0.1).sum())
    with pytest.warns(RuntimeWarning, match=rf"{300 - known} of 300 points have no number.*: left out"):
        found = results.discover("score[b] > 0 and score[a] < 0", method="tree")
    assert found.points == known and found.hits == (inside(results) & (results.points["z"] >= 0.1)).sum()


def test_nothing_to_tell_is_said(results: Results, plane: Results) -> None:
    nowhere, everywhere = results.discover("score[a] > 5"), results.discover("score[a] < 5")
    assert not nowhere.boxes and nowhere.table.empty and nowhere.share == 0
    assert "score[a] > 5 holds at 0 of 300 points of which it is known: too few for a box" in nowhere.sentences[0]
    assert not everywhere.boxes and everywhere.share == 1
    assert everywhere.sentences == ["score[a] < 5 holds at all 300 points of which it is known: no box is needed."]
    lot = pd.Series(np.random.default_rng(2).random(300) < 0.3)
    found = results.discover(lot, density=0.95, method="tree")
    assert all(box.density > found.share for box in found.boxes)
    with pytest.raises(ValueError, match="'prim' or 'tree', got 'cart'"):
        results.discover("x > 0", method="cart")
    with pytest.raises(ValueError, match=r"discover\(density\)"):
        results.discover("x > 0", density=0)


def test_without_ema_workbench_it_is_a_tree_and_prim_says_how(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecosystem.study.sensitivity.discovery.find_spec", lambda name: None)
    assert results.discover("score[a] < 0").method == "tree"
    with pytest.raises(ValueError, match=r"pip install 'mesacosm\[discovery\]'"):
        results.discover("score[a] < 0", method="prim")
    assert discover is Results.discover


# -- conditions --------------------------------------------------------------------------------------------------------


def test_conditions_are_those_of_the_numbers(plane: Results) -> None:
    alignment = numbers(plane, "alignment").sample.mean
    influence = numbers(plane, "influence")
    own = influence.sample.mean[influence.names.index("a on itself")]
    across = influence.sample.mean[influence.names.index("a on b")]
    pull = plane.points["pull"].to_numpy()
    for text, expected in {
        "alignment[a] < 1.1": alignment[0] < 1.1,
        "J['b'] >= 0.6": alignment[1] >= 0.6,
        "M[a, a] < 1": own < 1,
        "influence[b, a] > 0.1": across > 0.1,
        "alignment[a] - 2*alignment[b] > -0.1 or pull == 0": (alignment[0] - 2 * alignment[1] > -0.1) | (pull == 0),
        "not (0.2 < pull <= 0.6)": ~((pull > 0.2) & (pull <= 0.6)),
        "alignment > 1": (alignment > 1).any(0),
        "all(alignment > 0.5)": (alignment > 0.5).all(0),
        "any(alignment < 0.55) and pull < 0.5": (alignment < 0.55).any(0) & (pull < 0.5),
        "min(alignment) < 0.6": alignment.min(0) < 0.6,
        "abs(-pull) > .5": pull > 0.5,
        "rounds.alignment[a] > 1": alignment[0] > 1,
    }.items():
        held, words = where(plane, text)
        assert np.array_equal(held, expected.astype(float)), text
        assert words == text
    assert 0 < where(plane, "alignment[a] < 1.1")[0].sum() < 12


def test_texts_are_compared_with_texts(results: Results) -> None:
    ring = (results.points["family"] == "ring").to_numpy(float)
    assert np.array_equal(where(results, "family == 'ring'")[0], ring)
    assert np.array_equal(where(results, "'star' != family and x >= 0")[0], ring)


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("paper")
    grid = {"coupling": [0.5, 0.85, 0.95], "curation": [0.2, 0.4, 0.6, 0.8]}
    Study("paper", pair.scenario, grid=grid, measure=("influence", "flows")).run(folder, workers=0)
    return Study.load(folder)


def test_backfires_and_harms_are_those_of_the_page(paper: Results) -> None:
    told = effects(Subject(paper))
    assert told is not None
    table = paper.influence.pivot(index="point", columns=["target", "source"], values="effect")
    own, other = table["theta", "theta"] < 0, table["phi", "theta"] < 0
    backfires, harms = where(paper, "backfires")[0], where(paper, "harms")[0]
    assert (backfires == own).all() and (harms == other).all()
    assert (backfires.sum(), harms.sum()) == (told.backfiring, told.harming)
    assert 0 < backfires.sum() < len(table) and 0 < harms.sum() < len(table)
    assert (where(paper, "backfires[theta]")[0] == own).all()
    assert (where(paper, "harms[phi, theta] and not backfires")[0] == (other & ~own)).all()
    assert (where(paper, "any(M < 0)")[0] == (own | other)).all()
    with pytest.raises(WrongCondition, match="harms: there is no 'phi on theta'; there are theta on phi"):
        where(paper, "harms[theta, phi]")


def test_nothing_is_known_of_backfire_without_flows(tmp_path: Path) -> None:
    grid = {"coupling": [0.9, 0.95]}
    Study("blind", pair.scenario, grid=grid, measure=("influence",)).run(tmp_path / "blind", workers=0)
    with pytest.raises(WrongCondition, match="nobody knows who does; keep the table flows too"):
        where(Study.load(tmp_path / "blind"), "backfires")


def test_a_condition_stands_on_the_page_of_a_study(paper: Results) -> None:
    page = html.unescape(render_study(paper, when="harms[phi, theta]"))
    assert discover(paper, "harms[phi, theta]", method="tree").sentences[0] in page


def test_series_arrays_and_functions_are_conditions_too(results: Results) -> None:
    held = inside(results)
    series = pd.Series(held, index=results.points["point"])
    for given in (series, series.sample(frac=1, random_state=0), held, lambda found: held, held.astype(float)):
        assert np.array_equal(where(results, given)[0], held.astype(float))
    assert where(results, inside)[1] == "inside" and where(results, series.rename("planted"))[1] == "planted"
    with pytest.raises(WrongCondition, match="says nothing about 290 of 300 points"):
        where(results, series.head(10))
    with pytest.raises(WrongCondition, match="has 10 answers, and there are 300 points"):
        where(results, held[:10])
    with pytest.raises(WrongCondition, match="is no yes and no"):
        where(results, results.points["x"].to_numpy())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("scor[a] < 0", "'scor': this study has no such numbers.*did you mean.*parameters are x, y, z, family"),
        ("score[c] < 0", "there is no 'c'; there are a, b"),
        ("score[a]", "`score\\[a\\]` is a number; compare it"),
        ("score[a] <", "cannot be read"),
        ("__import__('os').system('true') > 0", "is nothing that a condition is made of"),
        ("(lambda: 1)() > 0", "is nothing that a condition is made of"),
        ("[x for x in (1,)] > 0", "is nothing that a condition is made of"),
        ("x.__class__ > 0", "'x.__class__': this study has no such numbers"),
        ("x ** 9 > 0", "is nothing that a condition is made of"),
        ("abs(x, y) > 0", "is nothing that a condition is made of"),
        ("score[north-west] < 0", "write names with other signs in quotes"),
        ("x < y < 'a'", "compares a text with a number"),
        ("family < 'b'", "texts by size"),
        ("x is y", "has another comparison"),
        ("(x > 0) > 0", "compares a comparison; put `and` between two"),
        ("x and y > 0", "`x` is no yes or no"),
        ("-(x > 0) > 0", "`x > 0` is no number"),
        ("True", "is no number or text"),
        ("x > " + "(" * 300 + "0" + ")" * 300, "cannot be read"),
        ("x > " + "9" * 401, "is too large a number"),
        ("x > 0" * 400, "at most 1000 characters, got 2,000"),
        ("", "cannot be read"),
    ],
)
def test_what_is_no_condition_is_refused_with_what_there_is(results: Results, text: str, said: str) -> None:
    with pytest.raises((WrongCondition, NoMeasure), match=said):
        where(results, text)


def test_what_is_divided_by_nothing_is_unknown(results: Results) -> None:
    assert np.isnan(where(results, "1 / 0 < 2")[0]).all()


def test_members_and_pairs_do_not_go_together(plane: Results) -> None:
    with pytest.raises(WrongCondition, match=r"say whose: M\[theta, phi\]"):
        where(plane, "alignment > influence")


# -- the chart ---------------------------------------------------------------------------------------------------------


def test_the_chart_has_the_points_and_a_frame_around_the_box(results: Results, tmp_path: Path) -> None:
    found = results.discover("score[a] < 0", method="tree")
    chart = found.plot()
    frame = data(chart, 0)
    assert len(frame) == 1 and frame["x_low"].iloc[0] == pytest.approx(0.6, abs=0.05)
    points = data(chart, 1)
    assert len(points) == 300 and (points["holds"] == "holds").sum() == inside(results).sum()
    assert "family ring" in " ".join(chart.to_dict()["title"]["subtitle"])
    assert found.sentences[0] in chart.description
    assert len(data(found.plot("z", "family"), 0)) == 300  # no frame: the box has no limit there that is a number
    with pytest.raises(plots.NothingToDraw, match="'w' is no parameter that varies; there are x, y, z, family"):
        found.plot("w")
    results.plot.boxes("score[a] < 0").save(tmp_path / "boxes.svg")


def test_ema_workbench_is_not_imported_before_it_is_asked_for(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ["ema_workbench", *(name for name in sys.modules if name.startswith("ema_workbench."))]:
        monkeypatch.setitem(sys.modules, name, None)  # an import of it fails
    with warnings.catch_warnings(action="error"):
        results.discover("score[a] < 0", method="tree")
