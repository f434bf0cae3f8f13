"""Which parameters matter: designs of SALib kept with a study, their indices, and how many seeds are enough."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from SALib.analyze import delta as salib_delta
from SALib.analyze import morris as salib_morris
from SALib.analyze import sobol as salib_sobol
from SALib.sample import morris as trajectories
from SALib.sample import sobol as saltelli
from SALib.test_functions import Ishigami
from scipy import stats
from synthetic_studies import blown, duo
from test_plots import data

from ecosystem import Linear, Location, Member, Scenario, plots
from ecosystem.plots.chart import NothingToDraw
from ecosystem.study import Results, Study, of_scenario
from ecosystem.study.outcomes.measuring import NoMeasure
from ecosystem.study.sampling import Sampled, Sampling

NAMES = ["x1", "x2", "x3"]
BOUNDS = {name: (-np.pi, np.pi) for name in NAMES}
PROBLEM = {"num_vars": 3, "names": NAMES, "bounds": [[-np.pi, np.pi]] * 3}
BASE = 64


def carrier(x1: float, x2: float, x3: float, fails: float = np.inf) -> Scenario:
    """A scenario that says its parameters."""
    if x1 > fails:
        raise RuntimeError("too large")
    s = Scenario("carrier", rounds=1)
    s.add("a", Member(Location([x1, x2, x3]), reward=Linear([1.0, 0.0, 0.0]), real=Location([0.0, 0.0, 0.0])))
    return s


def read(scenario: Scenario) -> np.ndarray:
    return np.array(scenario.graph.nodes["a"]["member"].generator.mean.tolist())


@of_scenario
def ishigami(scenario: Scenario) -> pd.DataFrame:
    """The value at these parameters, of two members, and what never changes."""
    y = float(Ishigami.evaluate(read(scenario)[None])[0])
    return pd.DataFrame({"member": ["a", "b"], "y": [y, -2 * y + 1], "still": [1.0, 1.0]})


def computed(study: Study, folder: Path) -> Results:
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # that points failed
        study.run(folder, workers=0)
    return Study.load(folder)


@pytest.fixture(scope="module")
def strewn(tmp_path_factory: pytest.TempPathFactory) -> Results:
    study = Study.sobol("ishigami", carrier, BOUNDS, points=BASE, second_order=True, seed=3, measure=(ishigami,))
    return computed(study, tmp_path_factory.mktemp("sobol"))


def value(table: pd.DataFrame, index: str, column: str = "value") -> np.ndarray:
    return table.loc[table["index"] == index, column].to_numpy()


# -- SALib's own numbers -----------------------------------------------------------------------------------------------


def test_sobol_indices_of_ishigami_are_those_of_salib(strewn: Results) -> None:
    x = saltelli.sample(PROBLEM, BASE, calc_second_order=True, seed=3)
    at = strewn.points.set_index("point").loc[list(strewn.facts.sampled.rows), NAMES]
    assert np.array_equal(at.to_numpy(), x)  # to the last bit
    own = salib_sobol.analyze(PROBLEM, Ishigami.evaluate(x), calc_second_order=True, seed=7)
    found = strewn.sensitivity("y", member="a", seed=7)
    assert found.method == "sobol" and found.points == BASE * 8 and not found.notes
    for index, key in (("first", "S1"), ("total", "ST")):
        assert value(found.table, index) == pytest.approx(own[key], abs=1e-12)
        half = value(found.table, index, "high") - value(found.table, index)
        assert half == pytest.approx(own[f"{key}_conf"], abs=1e-12)
    pairs = found.table[found.table["index"] == "second"]
    assert pairs[["parameter", "other"]].values.tolist() == [["x1", "x2"], ["x1", "x3"], ["x2", "x3"]]
    assert pairs["value"].to_numpy() == pytest.approx(own["S2"][np.triu_indices(3, 1)], abs=1e-12)


def test_every_member_has_its_own_and_indices_do_not_mind_scale(strewn: Results) -> None:
    table = strewn.sensitivity("y").table
    a, b = (table[table["name"] == name] for name in "ab")
    assert value(a, "total") == pytest.approx(value(b, "total"))
    assert strewn.sensitivity("y", member="b").table["name"].unique().tolist() == ["b"]


def test_morris_is_that_of_salib_and_of_whole_ranges(tmp_path: Path) -> None:
    study = Study.morris("ishigami", carrier, BOUNDS, points=10, seed=5, measure=(ishigami,))
    results = computed(study, tmp_path)
    x = trajectories.sample(PROBLEM, 10, seed=5)
    own = salib_morris.analyze(PROBLEM, x, Ishigami.evaluate(x), seed=2)
    found = results.sensitivity("y", member="a", seed=2)
    assert found.method == "morris"
    for index in ("mu", "mu_star", "sigma"):
        assert value(found.table, index) == pytest.approx(np.asarray(own[index]), abs=1e-12)
    half = value(found.table, "mu_star", "high") - value(found.table, "mu_star")
    assert half == pytest.approx(np.asarray(own["mu_star_conf"]), abs=1e-12)
    assert set(found.plot().to_dict()["layer"][1]["encoding"]) >= {"x", "y"}


def test_delta_is_that_of_salib_on_a_design_of_ones_own(tmp_path: Path) -> None:
    x = np.random.default_rng(0).uniform(-np.pi, np.pi, (120, 3))
    results = computed(Study("own", carrier, grid=pd.DataFrame(x, columns=NAMES), measure=(ishigami,)), tmp_path)
    state = np.random.get_state()[1].copy()
    found = results.sensitivity("y", "delta", member="a", seed=4)
    assert np.array_equal(np.random.get_state()[1], state)  # SALib seeds the numbers of all
    with warnings.catch_warnings(record=True):
        before, state = warnings.formatwarning, np.random.get_state()
        own = salib_delta.analyze(PROBLEM, x, Ishigami.evaluate(x), method="delta", num_resamples=20, seed=4)
        warnings.formatwarning = before
        np.random.set_state(state)
    assert value(found.table, "delta") == pytest.approx(own["delta_raw"], abs=1e-12)
    assert value(found.table, "delta", "high") - value(found.table, "delta") == pytest.approx(own["delta_raw_conf"])
    assert found.ranking.is_monotonic_decreasing and set(found.ranking.index) == set(NAMES)
    with pytest.raises(ValueError, match=r"needs points of that design, and this study has a grid .* Study\.sobol"):
        results.sensitivity("y", "sobol")


def test_a_parameter_without_effect_has_no_delta_on_a_grid_either(tmp_path: Path) -> None:
    """Ties were once broken by the order of rows, which on a grid is that of the other parameters."""
    grid = {"x1": np.linspace(0, 1, 12), "x2": [0.0, 0.5, 1.0], "x3": np.linspace(0, 1, 5)}
    results = computed(Study("grid", carrier, grid=grid, measure=(of_scenario(first),)), tmp_path)
    found = results.sensitivity("y", "delta").table.set_index("parameter")["value"]
    assert found["x1"] > 0.3 and abs(found["x2"]) < 0.1
    shares = results.sensitivity("y").table.set_index("parameter")["value"]  # "levels"
    parts = {"x1": grid["x1"].var(), "x2": 0.0, "x3": 0.3**2 * grid["x3"].var()}
    assert shares.to_dict() == pytest.approx({name: part / sum(parts.values()) for name, part in parts.items()})


def first(scenario: Scenario) -> pd.DataFrame:
    return pd.DataFrame({"y": [read(scenario) @ [1.0, 0.0, 0.3]]})


def test_of_a_design_of_salib_levels_and_delta_take_points_drawn_apart(strewn: Results) -> None:
    """Rows of a block differ in one parameter: as if they were new, x3 alone explained an eighth."""
    kept = strewn.facts.sampled
    assert len(kept.apart) == 2 * BASE
    found = strewn.sensitivity("y", "levels", member="a")
    assert found.points == 2 * BASE and found.scattered
    assert found.table.set_index("parameter").loc["x3", "value"] < 0.1  # Ishigami: 0
    assert strewn.sensitivity("y", "delta", member="a").points == 2 * BASE


# -- the design --------------------------------------------------------------------------------------------------------


def test_choices_are_equally_probable_and_equal_rows_are_one_point(tmp_path: Path) -> None:
    bounds = {"pull": [0.1, 0.9], "taste": ["same", "other"], "samples": None, "rounds": 1}
    study = Study.sobol("choices", duo, bounds, points=8, measure=("rounds",))
    assert len(study.points) == 4 and len(study.design.rows) == 8 * 4
    assert study.points["rounds"].tolist() == [1] * 4
    results = computed(study, tmp_path)
    found = results.sensitivity("alignment", member="b")
    assert set(found.table["parameter"]) == {"pull", "taste"}
    unit = Sampling("sobol", {"n": range(2, 5), "x": (0.0, 1.0)}, 64)
    drawn = pd.Series([row["n"] for row in unit.parameters]).value_counts(normalize=True)
    assert set(drawn.index) == {2, 3, 4} and drawn.to_numpy() == pytest.approx(1 / 3, abs=0.02)
    spread = Sampling("sobol", {"x": stats.loguniform(0.01, 1.0), "y": (0, 1)}, 64).parameters
    assert np.median([row["x"] for row in spread]) == pytest.approx(0.1, rel=0.1)
    assert all(type(row["x"]) is float for row in spread)


def test_it_goes_on_with_more_points_and_is_kept_on_disk(tmp_path: Path) -> None:
    """A longer Sobol sequence begins with the shorter one: its points stay."""
    small = Study.sobol("grows", carrier, BOUNDS, points=4, measure=(ishigami,))
    before = computed(small, tmp_path)
    large = Study.sobol("grows", carrier, BOUNDS, points=8, measure=(ishigami,))
    after = computed(large, tmp_path)
    assert after.facts.sampled.rows[:20] == before.facts.sampled.rows and len(after.points) == 40
    kept = after.facts.sampled
    assert (kept.method, kept.points, kept.seed, kept.bounds["x1"]) == ("sobol", 8, 0, repr((-np.pi, np.pi)))
    assert Sampled.from_json(kept.to_json()) == kept
    computed(
        Study("grows", carrier, grid=pd.DataFrame([[0.0, 0.0, 0.0]], columns=NAMES), measure=(ishigami,)), tmp_path
    )
    assert Study.load(tmp_path).facts.sampled == kept  # a point more does not spoil it
    assert Study.load(tmp_path).sensitivity("y", member="a").points == 40


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (lambda: Study.sobol("s", carrier, BOUNDS, points=100), "must be a power of two, got 100.*64 or 128"),
        (lambda: Study.sobol("s", carrier, {"x1": 1.0, "x2": 0.0, "x3": 0.0}), "no parameter varies"),
        (
            lambda: Study.sobol("s", carrier, {**BOUNDS, "x1": (1.0, 0.0)}),
            r"'x1' must be \(low, high\).*got \(1.0, 0.0\)",
        ),
        (lambda: Study.sobol("s", carrier, {**BOUNDS, "x1": (0, 1, 2)}), "'x1' must be"),
        (lambda: Study.sobol("s", carrier, {**BOUNDS, "x1": (0, np.inf)}), "'x1' must be"),
        (lambda: Study.sobol("s", carrier, {**BOUNDS, "x1": [1.0]}), "'x1' has 1 choices"),
        (lambda: Study.sobol("s", carrier, {**BOUNDS, "x4": (0, 1)}), "no parameter 'x4'"),
        (lambda: Study.morris("s", carrier, {**BOUNDS, "x1": [0.0, 1.0]}), "'x1' is a list of choices.*Study.sobol"),
        (lambda: Study.morris("s", carrier, {**BOUNDS, "x1": stats.norm()}), "'x1' has no ends"),
        (lambda: Study.morris("s", carrier, BOUNDS, levels=5), "must be even, got 5"),
    ],
)
def test_designs_that_cannot_be_are_refused(asked, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        asked()


# -- what is missing ---------------------------------------------------------------------------------------------------


def test_a_failed_point_takes_its_block_with_it_and_is_named(tmp_path: Path) -> None:
    """A missing row moved all others by one."""
    bounds = {**BOUNDS, "fails": 3.0}
    results = computed(Study.sobol("fails", carrier, bounds, points=BASE, measure=(ishigami,)), tmp_path)
    x = saltelli.sample(PROBLEM, BASE, calc_second_order=False, seed=0)
    whole = (x[:, 0] <= 3.0).reshape(BASE, 5).all(1)
    assert 2 < whole.sum() < BASE
    own = salib_sobol.analyze(PROBLEM, Ishigami.evaluate(x[np.repeat(whole, 5)]), calc_second_order=False, seed=1)
    lost = rf"{len(results.failed)} of 320 points have no number \(failed\)"
    said = f"{lost}, so {(~whole).sum()} of 64 blocks of Saltelli’s design"
    with pytest.warns(RuntimeWarning, match=said):
        found = results.sensitivity("y", member="a")
    assert value(found.table, "first") == pytest.approx(own["S1"], abs=1e-12)
    assert re.match(said, found.notes[0])
    assert "left out" in " ".join(found.plot().to_dict()["title"]["subtitle"])
    with pytest.warns(
        RuntimeWarning,
        match=r"points drawn apart .* have no number \(failed\): left out",
    ):
        results.sensitivity("y", "delta", member="a")


def test_too_little_that_is_whole_and_nothing_that_moves_are_refused(strewn: Results, tmp_path: Path) -> None:
    bounds = {**BOUNDS, "fails": 0.0}
    results = computed(Study.sobol("fails", carrier, bounds, points=2, measure=(ishigami,)), tmp_path)
    with pytest.raises(
        ValueError, match=r"leaves [01] whole blocks of Saltelli’s design of 2, .* take 8 or more; compute failed"
    ):
        results.sensitivity("y")
    with pytest.raises(NoMeasure, match="still is the same at all points"):
        strewn.sensitivity("still")
    with pytest.raises(NoMeasure, match="this study has no such numbers"):
        strewn.sensitivity("z")
    with pytest.raises(ValueError, match="one of sobol, morris, delta, levels, got 'sobel'"):
        strewn.sensitivity("y", "sobel")
    with pytest.raises(ValueError, match="this study has a design of sobol"):
        strewn.sensitivity("y", "morris")
    with pytest.raises(ValueError, match=r"sensitivity\(seed\)"):
        strewn.sensitivity("y", seed=0)


# -- charts and words --------------------------------------------------------------------------------------------------


def test_the_chart_has_a_bar_an_index_and_the_interval_of_one_name(strewn: Results) -> None:
    found = strewn.sensitivity("y", member="a")
    drawn = data(found.plot()).query("kind == 'mean'").set_index(["parameter", "what"])["value"]
    table = found.table[found.table["index"] != "second"]
    assert drawn["x1", "with others"] == pytest.approx(table.set_index(["parameter", "index"])["value"]["x1", "total"])
    assert "lines: 95 % intervals over points" in " ".join(found.plot().to_dict()["title"]["subtitle"])
    assert found.sentence.startswith("Of the differences in y, what parameters explain alone: x1 ")
    assert "x2" in repr(found) and "second" in repr(found)
    with pytest.raises(NothingToDraw):
        plots.sensitivity(found.table.head(0))


# -- how many seeds ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Results:
    grid = {"pull": [0.2, 0.8], "curation": [0.3]}
    return computed(Study("seeded", duo, grid=grid, seeds=12), tmp_path_factory.mktemp("seeds"))


def values(results: Results, member: str) -> np.ndarray:
    """Alignments at the end, ``[points, seeds]``."""
    rounds = results.rounds
    last = rounds[(rounds["round"] == rounds["round"].max()) & (rounds["member"].astype(str) == member)]
    return last.pivot(index="point", columns="seed", values="alignment").to_numpy()


def test_half_widths_are_students_and_needed_seeds_are_the_least(seeded: Results) -> None:
    found = seeded.precision("alignment", 0.05, level=0.9)
    for name in "ab":
        rows = found.table[found.table["name"] == name]
        y = values(seeded, name)
        deviation = y.std(1, ddof=1)
        assert rows["mean"].to_numpy() == pytest.approx(y.mean(1))
        assert rows["half_width"].to_numpy() == pytest.approx(stats.t.ppf(0.95, 11) * deviation / np.sqrt(12))
        for needed, s in zip(rows["needed"], deviation, strict=True):
            reached = [stats.t.ppf(0.95, n - 1) * s / np.sqrt(n) for n in (needed - 1, needed) if n > 1]
            assert reached[-1] <= 0.05 and all(width > 0.05 for width in reached[:-1])
    assert f"For ±0.05 everywhere it takes about {found.table['needed'].max()} seeds" in found.sentence


def test_differences_are_paired_by_seed(seeded: Results) -> None:
    found = seeded.precision("alignment", 0.05, against=0).table.set_index("name")
    y = values(seeded, "a")
    paired = (y[1] - y[0]).std(ddof=1)
    assert found.loc["a", "mean"] == pytest.approx((y[1] - y[0]).mean())
    assert found.loc["a", "half_width"] == pytest.approx(stats.t.ppf(0.975, 11) * paired / np.sqrt(12))
    with pytest.raises(ValueError, match="there is no point 9"):
        seeded.precision(against=9)
    with pytest.raises(ValueError, match="a half width above 0, got 0"):
        seeded.precision(wanted=0)


def test_one_seed_says_nothing_and_the_population_is_exact(tmp_path: Path, seeded: Results) -> None:
    one = Results(seeded.folder, seeds=[(0, 0)]).precision(wanted=0.1)
    assert one.table["half_width"].isna().all() and one.table["needed"].isna().all()
    assert "one seed says nothing about chance" in one.sentence
    exact = computed(Study("exact", duo, grid={"samples": [None], "pull": [0.1, 0.2]}), tmp_path).precision(wanted=1e-9)
    assert (exact.table["half_width"] == 0).all() and (exact.table["needed"] == 1).all()
    assert "exact at all points" in exact.sentence


def test_runs_that_diverged_have_no_number(tmp_path: Path) -> None:
    results = computed(Study("blown", blown, grid={"factor": [0.5, 1e200]}, seeds=4), tmp_path)
    table = results.precision(wanted=1.0).table.set_index(["point", "name"])
    assert np.isnan(table.loc[(1, "a"), "half_width"]) and table.loc[(0, "a"), "seeds"] == 4
