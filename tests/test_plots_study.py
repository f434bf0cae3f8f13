"""Charts and verdicts of studies: they hold the numbers of its tables, and say them in words."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from textwrap import dedent

import numpy as np
import pandas as pd
import pytest
import synthetic_studies as made
from test_plots import data

from ecosystem import plots
from ecosystem.study import Results, Study
from ecosystem.study.outcomes import tables
from ecosystem.study.outcomes.measuring import NoMeasure, explained, numbers
from ecosystem.study.outcomes.sweep import Sweep
from tests.studies import pair


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studies")


def study(folder: Path, name: str) -> Results:
    """One of the synthetic studies, computed once."""
    build, grid, rest = made.STUDIES[name]
    if not (folder / name).exists():
        with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # that points failed
            Study(name, build, grid=grid, **rest).run(folder / name, workers=0)
    return Study.load(folder / name)


def ends(results: Results, column: str = "alignment") -> pd.DataFrame:
    """The last round of every run, with its parameters."""
    rounds = results.with_parameters("rounds")
    rounds = rounds[rounds["round"] == rounds.groupby("point")["round"].transform("max")]
    return rounds.assign(member=rounds["member"].astype(str), value=rounds[column])


# -- verdicts ----------------------------------------------------------------------------------------------------------


def test_verdicts_of_a_study_are_a_table_with_sentences(folder: Path) -> None:
    table = study(folder, "population").verdicts.set_index("member")
    assert table["verdict"].to_dict() == {"a": "both", "b": "gains"}
    assert table.loc["b", ["points", "gained", "lost", "against"]].tolist() == [3, 3, 0, "real data alone"]
    assert table.loc["b", "sentence"] == (
        "b gains at all 3 points, against real data alone; its alignment is highest, 0.275 at pull\xa00.5, and lowest, "
        "0.0350 at pull\xa00.1."
    )
    last = ends(study(folder, "population")).groupby(["member", "point"])["value"].mean()
    assert table.loc["a", "highest"] == last["a"].max() and table.loc["a", "highest_at"] == last["a"].idxmax()
    assert table.loc["a", "against"] == "the start"


def test_verdicts_are_about_the_points_and_seeds_of_the_results(folder: Path) -> None:
    """Arrays were as long as the points and filled by their numbers: of some points alone that was out of bounds."""
    whole = study(folder, "population")
    some = Results(whole.folder, points=[2, 1])
    table = some.verdicts.set_index("member")
    assert table["points"].tolist() == [2, 2] and table.loc["a", "highest_at"] == 2 and table.loc["a", "lowest_at"] == 1
    plane = study(folder, "plane")
    few = Results(plane.folder, seeds=plane.seeds[:3])
    found, rows = numbers(few, "alignment"), ends(few)
    expected = rows.groupby(["member", "point"])["value"].mean()
    assert np.allclose(found.sample.mean.ravel(), expected[found.names].to_numpy())
    assert found.sample.seeds.max() == 3


def test_one_run_a_point_is_no_verdict_and_without_alignments_there_is_none(folder: Path) -> None:
    assert study(folder, "one").verdicts["verdict"].tolist() == ["run", "run"]
    empty = study(folder, "members").verdicts
    assert empty.empty and list(empty)[:2] == ["member", "verdict"]


# -- charts ------------------------------------------------------------------------------------------------------------


def test_curves_hold_means_over_points_and_intervals_over_seeds(folder: Path) -> None:
    results = study(folder, "plane")
    chart = results.plot.curves("alignment", "pull")
    drawn = data(chart).set_index(["member", "x"])
    expected = ends(results).groupby(["member", "pull"])["value"].mean()
    assert np.allclose(drawn["mean"], expected.reindex(drawn.index.set_names(["member", "pull"])), atol=1e-14)
    by_seed = ends(results).groupby(["member", "pull", "seed"])["value"].mean()["a", 0.3]
    reach = 2.7764451051977934 * by_seed.std() / np.sqrt(5)
    assert drawn.loc[("a", 0.3), "high"] - drawn.loc[("a", 0.3), "mean"] == pytest.approx(reach)
    assert chart.to_dict()["title"]["subtitle"][0] == "means over curation" and drawn["points"].eq(3).all()
    dots = data(study(folder, "categories").plot.curves())
    assert set(dots["x"]) == {"same", "other"} and set(dots["member"]) == {"a", "b"}


def test_a_map_holds_every_cell_its_sign_and_what_is_not_clear(folder: Path) -> None:
    """A column ``sign`` stood beside ``clear`` that nobody read."""
    results = study(folder, "plane")
    chart = results.plot.map("gain", "pull", "curation")
    drawn = data(chart)
    found = numbers(results, "gain")
    assert len(drawn) == 2 * 12 and "sign" not in drawn
    surely = (drawn["low"] > 0) | (drawn["high"] < 0) | (drawn["low"] == drawn["high"])
    assert (drawn["clear"] == surely).all() and set(drawn["clear"]) == {True, False}
    points = results.points.set_index(["pull", "curation"])["point"]
    for row in drawn.itertuples():
        mean = found.sample.mean[found.names.index(row.name), points[row.x, row.y]]
        assert row.mean == pytest.approx(mean, abs=1e-14)
        assert row.words.startswith("(") == (not row.clear)
    color = chart.to_dict()["spec"]["layer"][0]["encoding"]["color"]["scale"]
    assert color["domain"][0] == -color["domain"][1] and color["range"] == "diverging"
    assert "(): the interval holds zero" in chart.to_dict()["title"]["subtitle"][1]
    only = results.plot.map("alignment", "pull", "curation", members=["b"])
    assert set(data(only)["name"]) == {"b"} and only.to_dict()["title"]["text"].endswith(": b")
    effects = data(results.plot.map("influence", "pull", "curation")).set_index(["name", "x", "y"])["mean"]
    table = results.with_parameters("influence").set_index(["target", "source", "pull", "curation"])["effect"]
    assert effects["a on b", 0.6, 0.3] == table["b", "a", 0.6, 0.3]


def test_colours_of_numbers_on_both_sides_of_zero_are_divided_there() -> None:
    """An alignment of .3 and one of −.3 had the same blue."""
    table = pd.DataFrame({"name": "a", "x": [0, 0, 1, 1], "y": [0, 1, 0, 1], "mean": [-0.3, 0.3, 2.0, -1.0]})
    scales = [
        next(
            layer["encoding"]["color"]["scale"]
            for layer in plots.heat_map(part).to_dict()["layer"]
            if "color" in layer["encoding"]
        )
        for part in (table, table.assign(mean=table["mean"] + 5))
    ]
    assert [scale["range"] for scale in scales] == ["diverging", "ramp"] and scales[0]["domain"] == [-2.0, 2.0]


def test_points_that_failed_are_crosses_and_strewn_points_are_drawn_where_they_are(folder: Path) -> None:
    broken = data(study(folder, "broken").plot.map("alignment", "pull", "curation"))
    crossed = broken[broken["mean"].isna()]
    assert set(crossed["words"]) == {"×"} and set(crossed["x"]) == {0.6, 0.9} and set(crossed["y"]) == {0.5}
    strewn = study(folder, "scattered")
    drawn = data(strewn.plot.map("alignment"))
    assert '"text"' not in json.dumps(strewn.plot.map("alignment").to_dict()["spec"]["layer"])  # no layer without rows
    assert sorted(drawn["x"].unique()) == sorted(strewn.points["pull"]) and len(drawn) == 2 * 24


def test_curves_at_values_of_another_parameter_and_maps_at_one_hold_the_means(folder: Path) -> None:
    """There were curves of means over all other parameters alone, which hide effects that have two signs."""
    results = study(folder, "turns")
    rows = ends(results)
    chart = results.plot.curves("alignment", "pull", by="taste")
    drawn = data(chart).set_index(["member", "x", "by"])["mean"]
    expected = rows.groupby(["member", "pull", "taste"])["value"].mean()
    assert len(drawn) == 16 and np.allclose(drawn, expected.reindex(drawn.index))
    assert "b at taste same: 0.00 at 0 and 0.675 at 0.9. a at taste other: 0.300 at 0" in chart.description
    assert chart.to_dict()["title"]["subtitle"][0] == "means over curation"
    there = results.plot.map("alignment", "pull", "curation", at={"taste": "other"})
    drawn = data(there).set_index(["name", "x", "y"])
    expected = rows[rows["taste"] == "other"].groupby(["member", "pull", "curation"])["value"].mean()
    assert np.allclose(drawn["mean"], expected.reindex(drawn.index)) and drawn["points"].eq(1).all()
    assert there.to_dict()["title"]["subtitle"][0] == "taste other"
    with pytest.raises(NoMeasure, match="at: no point has taste='none'; it has same, other"):
        results.plot.map(at={"taste": "none"})
    with pytest.raises(NoMeasure, match="at: 'colour' is no parameter"):
        results.plot.map(at={"colour": 1})
    with pytest.raises(NoMeasure, match="this takes two parameters, and both are 'pull'"):
        results.plot.curves(x="pull", by="pull")


def test_curves_of_one_taste_share_a_panel_and_values_where_points_failed_are_crossed(folder: Path) -> None:
    """Alignments under tastes of different units shared an axis."""
    facets = study(folder, "line").plot.curves().to_dict()
    assert facets["facet"]["field"] == "kind" and facets["facet"]["sort"] == ["Linear([1])", "Linear([-1])"]
    chart = study(folder, "broken").plot.curves(x="pull")
    crosses = data(chart, 1)
    assert crosses[["x", "failed", "points"]].values.tolist() == [[0.6, 1, 3], [0.9, 1, 3]]
    assert "×: points failed there" in chart.to_dict()["title"]["subtitle"][1]
    assert chart.description.endswith("Points failed at 0.6, 0.9.")


def test_sensitivity_holds_what_each_parameter_explains(folder: Path) -> None:
    results = study(folder, "plane")
    shares = explained(numbers(results, "alignment"), Sweep.of(results))
    mean = numbers(results, "alignment").sample.mean[0].reshape(4, 3)
    assert shares.loc["a", "pull"] == pytest.approx(mean.mean(1).var() / mean.var())
    drawn = data(results.plot.sensitivity())
    bars = drawn[drawn["kind"] == "mean"].set_index("parameter")["value"]
    assert bars.to_dict() == pytest.approx(shares.mean().to_dict())
    assert f"pull explains {bars['pull']:.0%}" in results.plot.sensitivity().description


def test_sensitivity_says_what_is_drawn_and_what_is_left() -> None:
    """Chance was called interaction, and beyond 200 names not each had the line that was promised."""
    names = [f"m{i}" for i in range(300)]
    parts = [pd.DataFrame({"name": names, "parameter": p, "value": v}) for p, v in (("share", 0.5), ("name", 0.25))]
    table = pd.concat(parts).assign(index="first", low=np.nan, high=np.nan).sort_values("name", kind="stable")
    chart = plots.sensitivity(table, "alignment")
    assert "the other 25 % comes from combinations of them, and from chance." in chart.description
    assert "dots: each (the first 200 of 300)" in str(chart.to_dict()["title"]["subtitle"])
    drawn = data(chart).query("kind == 'name'").groupby("parameter")["name"]
    assert drawn.nunique().to_dict() == {"share": 200, "name": 200}
    assert "dots: each (" in str(plots.sensitivity(table.head(4)).to_dict()["title"]["subtitle"])


def test_what_dynamics_do_has_a_sign_a_cell(folder: Path) -> None:
    results = study(folder, "broken")
    chart = results.plot.stable("pull", "curation")
    assert len(data(chart)) == 10 and set(data(chart)["sign"]) == {"●"}
    assert chart.description == "Of ten points, 10 have a stable point; the dynamics: settles at 10."
    shares = data(results.plot.stable("pull"))
    assert shares["share"].eq(1).all() and shares["points"].sum() == 10
    rows = pd.DataFrame({"x": ["1", "1", "2"], "found": [True, False, True]})
    rows["seen"] = ["settles", "cycles with period 2", "wanders"]
    assert data(plots.stable(rows, "x")).set_index(["x", "done"])["share"].to_dict() == {
        ("1", "settles"): 0.5,
        ("1", "cycles"): 0.5,
        ("2", "wanders"): 1.0,
    }


def test_what_a_study_lacks_is_named(folder: Path) -> None:
    plot = study(folder, "plane").plot
    with pytest.raises(
        NoMeasure, match=r"'pul' is no parameter of the study; did you mean 'pull'\? Those that vary are pull, curation"
    ):
        plot.map("alignment", "pul", "curation")
    with pytest.raises(
        NoMeasure, match=r"'width': this study has no such numbers; there are alignment, gain, "
    ) as error:
        plot.curves("width")
    said = str(error.value)
    assert "influence.effect" in said and "influence.kind" not in said and "influence.network" not in said  # texts
    with pytest.raises(NoMeasure, match=r"rounds\.member: it has no numbers"):
        plot.curves("rounds.member")
    with pytest.raises(NoMeasure, match=r"'alignment_': this"):
        plot.curves("alignment_")
    with pytest.raises(NoMeasure, match="there is no 'c'; there are a, b"):
        plot.curves(members=["c"])
    with pytest.raises(NoMeasure, match="the study did not keep stable points"):
        plot.stable()
    with pytest.raises(NoMeasure, match="this takes 2 parameters that vary, and the study has 1: pull"):
        study(folder, "line").plot.map()
    with pytest.raises(NoMeasure, match="'taste' has one value only"):
        study(folder, "line").plot.curves(x="taste")
    with pytest.raises(NoMeasure, match="no table of this study has alignments"):
        study(folder, "members").plot.curves()
    change = data(plot.curves("rounds.change", "pull"))  # a column of a table
    assert np.allclose(
        change.set_index(["member", "x"])["mean"],
        ends(study(folder, "plane"), "change").groupby(["member", "pull"])["value"].mean(),
    )


def test_many_members_show_those_that_move_most(folder: Path) -> None:
    chart = study(folder, "crowd").plot.curves()
    assert data(chart, 1)["member"].nunique() == 12 and {"low", "lower", "upper", "high"} <= set(data(chart))
    assert "the 12 of 200 that move most" in " ".join(chart.to_dict()["title"]["subtitle"])


@pytest.mark.parametrize("kind", ["svg", "png", "html"])
def test_they_are_saved_without_a_network(kind: str, folder: Path, tmp_path: Path) -> None:
    plot = study(folder, "plane").plot
    for name, chart in {"map": plot.map(), "curves": plot.curves(), "sensitivity": plot.sensitivity()}.items():
        chart.save(tmp_path / f"{name}.{kind}")
        assert (tmp_path / f"{name}.{kind}").stat().st_size > 2000


def test_reading_verdicts_imports_no_charts(folder: Path) -> None:
    place = study(folder, "population").folder
    code = f"""
        import sys
        from ecosystem.study import Study
        assert len(Study.load({str(place)!r}).verdicts) == 2
        heavy = {{"altair", "vl_convert", "matplotlib", "ecosystem.plots", "ecosystem.report"}}
        assert not heavy & set(sys.modules), heavy & set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", dedent(code)], check=True)


def test_what_a_mean_is_compared_with_has_its_interval(tmp_path: Path) -> None:
    """What members would be alone was a line without any sign of its chance beside means with a band."""
    study = Study("pair", pair, grid={"share": [0.1, 0.2, 0.3]}, seeds=4)
    results = study.run(tmp_path, workers=0)
    table = tables.along(numbers(results, "alignment"), tables.parameter_of(Sweep.of(results), "share"))
    seen = results.baseline.groupby(["point", "member"])["alignment"].agg(["mean", "sem"]).reset_index()
    member = str(table["name"].iloc[0])
    mine, rows = seen[seen["member"] == member], table[table["name"] == member]
    assert rows["base"].to_numpy() == pytest.approx(mine["mean"].to_numpy())
    reach = 3.182446305284263 * mine["sem"].to_numpy()  # Student's t, three degrees of freedom
    assert (rows["base_high"] - rows["base"]).to_numpy() == pytest.approx(reach)
    spec = json.dumps(results.plot.curves("alignment", "share").to_dict())
    assert "base_low" in spec and "faint dots: " in spec and "and its interval" in spec
