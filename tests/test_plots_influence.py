"""Charts and verdicts of influence: they hold the numbers of its tables, and say them in words."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_plots import data

from ecosystem import Flow, Linear, Location, Member, Scenario, Shift, Users, never, plots
from ecosystem.influence import Influence, influence, measure_influence
from ecosystem.influence.cutting import changes
from ecosystem.influence.findings import Findings
from ecosystem.influence.judgement import of_findings, of_measured
from ecosystem.plots.influence_matrix import knock_out


def opposed(samples: int | None = None) -> Scenario:
    """``a`` curates itself, ``b`` reads it and likes the contrary, ``c`` reads both and likes what ``a`` does."""
    s = Scenario("opposed", rounds=30, samples=samples)
    for name, taste in {"a": 1.0, "b": -1.0, "c": 1.0}.items():
        point = Location([0.0])
        s.add(name, Member(point, reward=Linear([taste]), curator=Shift([1.0]), real=Location([0.0])))
    s.connect("a", "a", Flow(raw=0.2, curated=0.3))
    s.connect("a", "b", Flow(raw=0.5))
    s.connect("a", "c", Flow(raw=0.25))
    s.connect("b", "c", Flow(raw=0.25, curated=0.1, chosen_by="consumer"))
    return s


@cache
def effect() -> Influence:
    return influence(opposed())


def grid(size: int) -> pd.DataFrame:
    names = [f"m{i}" for i in range(size)]
    values = np.random.default_rng(0).normal(size=(size, size))
    rows = [(t, s, values[i, j]) for i, t in enumerate(names) for j, s in enumerate(names)]
    return pd.DataFrame(rows, columns=["target", "source", "effect"])


# -- verdicts ----------------------------------------------------------------------------------------------------------


def test_verdicts_of_influence_are_a_table_with_sentences() -> None:
    table = effect().verdicts.set_index(["source", "target"])
    assert table["effect"].equals(effect().table.set_index(["source", "target"])["effect"])
    words = {pair: row["verdict"] for pair, row in table.iterrows()}
    assert words["a", "a"] == "pays" and words["a", "b"] == "harms" and words["a", "c"] == "helps"
    assert words["c", "a"] == "none" and words["c", "c"] == "pays"
    size = abs(table.loc[("a", "b"), "effect"]) / 100
    assert table.loc[("a", "b"), "sentence"] == (
        f"Curating a harms b: one percentage point more lowers b’s long-run alignment by {size:.3g}."
    )
    assert table.loc[("c", "a"), "sentence"] == "Curating c changes nothing for a."
    assert table.loc[("c", "c"), "sentence"].startswith("Curating c pays for c: one percentage point more curation")


def test_a_member_for_whom_others_choose_is_lowered_and_not_backfired_on() -> None:
    s = Scenario("led", rounds=1)
    s.add("writer", Member(Location([1.0]), schedule=never))
    s.add("reader", Member(Location([0.0]), reward=Linear([-1.0]), real=Location([0.0])))
    users = Users(Linear([1.0]), Shift([1.0]))
    s.connect("writer", "reader", Flow(raw=0.2, curated=0.3, chosen_by=users))
    exact = influence(s)
    assert exact.verdicts["verdict"].tolist() == ["lowers"]
    measured = measure_influence(s.replace(rounds=4), seeds=1)
    assert measured.led == {"reader"} and measured.verdicts["verdict"].tolist() == ["lowers"]
    assert measured.verdicts["sentence"].iloc[0].startswith("Curating reader does not pay for reader: one percentage")


def test_verdicts_on_other_numbers_and_measures_do_not_speak_of_curation_or_alignment() -> None:
    def width(stack: Any) -> Any:
        return stack.mean[..., 0] * 2

    table = influence(opposed(), of="real", measure=width).verdicts
    assert set(table["of"]) == {"real"} and set(table["measure"]) == {"width"}
    assert set(table["verdict"]) <= {"raises", "lowers", "none"}
    first = table.query("source == 'a' and target == 'a'").iloc[0]
    assert first["verdict"] == "lowers"
    assert first["sentence"].startswith(
        "One percentage point more real data for a lowers the width of a in the long run"
    )
    assert not table["sentence"].str.contains("urating|alignment").any()


def test_effects_without_end_or_value_have_their_reason() -> None:
    """They were told as no effect at all, and as one of size "–"."""
    findings = effect().findings()
    found = findings.influence.copy()
    found.loc[found["source"].eq("a"), "effect"] = [np.inf, -np.inf, np.nan]
    said = Findings(**{**vars(findings), "influence": found, "settings": {"unbounded": {"a": "it drifts"}}})
    table = of_findings(said).query("source == 'a'")
    assert table["verdict"].tolist() == ["pays", "harms", "undefined"]
    assert table["sentence"].tolist() == [
        "Curating a raises its alignment without end: it drifts.",
        "Curating a lowers b’s alignment without end: it drifts.",
        "Curating a has no defined effect on c: it drifts.",
    ]


def test_a_measured_verdict_is_what_the_whole_interval_says() -> None:
    rows = [
        ("a", "a", "self", 2.0, 1.0, 3.0, 9),
        ("a", "b", "cross", -2.0, -3.0, -1.0, 9),
        ("a", "c", "cross", 1, -1, 3, 9),
    ]
    rows += [
        ("b", "b", "self", -1.0, -2.0, -0.5, 9),
        ("b", "a", "cross", 0, 0, 0, 1),
        ("b", "c", "cross", 1, np.nan, np.nan, 1),
    ]
    table = pd.DataFrame(rows, columns=["source", "target", "kind", "effect", "low", "high", "seeds"])
    found = of_measured(table, 0.95, frozenset(), "alignment")
    assert found["verdict"].tolist() == ["pays", "harms", "unclear", "backfires", "none", "few"]
    assert found["sentence"].tolist() == [
        "Curating a pays for a: one percentage point more raises its alignment by 0.0200 ± 0.0100 (95 %).",
        "Curating a harms b: one percentage point more lowers b’s alignment by 0.0200 ± 0.0100 (95 %).",
        "Curating a has no clear effect on c’s alignment: one percentage point more moves it by −0.0100 to +0.0300 "
        "(95 %).",
        "Curating b backfires: one percentage point more lowers its alignment by 0.01000 ± 0.00750 (95 %).",
        "Curating b changes nothing about a’s alignment.",
        "Curating b: too few pairs of runs to say what it does to c’s alignment.",
    ]
    other = of_measured(table, 0.9, frozenset(), "entropy")
    assert other["verdict"].tolist()[:4] == ["raises", "lowers", "unclear", "lowers"]


# -- charts ------------------------------------------------------------------------------------------------------------


def test_the_matrix_holds_every_effect_and_its_sign_in_the_cell() -> None:
    chart = effect().plot.matrix()
    cells = data(chart).set_index(["target", "source"])
    table = effect().table.set_index(["target", "source"])["effect"]
    assert cells["effect"].sort_index().tolist() == table.sort_index().tolist()
    assert cells.loc[("b", "a"), "words"].startswith("−") and cells.loc[("a", "a"), "words"].startswith("+")
    assert cells.loc[("a", "c"), "words"] == "0" and cells.loc[("b", "a"), "verdict"] == "harms"
    color = chart.to_dict()["layer"][0]["encoding"]["color"]
    assert color["scale"]["domain"][0] == -color["scale"]["domain"][1] and color["scale"]["range"] == "diverging"
    assert color["legend"]["title"] == "d alignment / d curation"
    assert "It harms most: a on b (" in chart.description


def test_effects_without_end_are_said_to_be_so() -> None:
    """Of a single infinite effect it was said that it helps and harms nobody; beside a finite one its size was "–"."""
    table = pd.DataFrame({"target": ["x", "y"], "source": "a", "effect": [np.inf, 1.0]})
    for shown, words in {
        1: "It helps most: a on x (without end). It harms nobody.",
        2: "It helps most: a on x (without end) and a on y (+1.00). It harms nobody.",
    }.items():
        assert plots.matrix(table[:shown]).description.endswith(words)
    assert (
        "It helps nobody. It harms most: a on x (without end)."
        in plots.matrix(table.assign(effect=-np.inf)[:1]).description
    )
    assert "It helps nobody. It harms nobody." in plots.matrix(table.assign(effect=np.nan)).description


def rows(chart: Any) -> pd.DataFrame:
    """The largest of the tables that a chart embeds."""
    return max((data(chart, i) for i in range(len(chart.to_dict()["datasets"]))), key=len)


def test_pairs_whose_shortened_names_agree_stay_apart() -> None:
    """They were one panel or one bar, or an error out of the depths of a table of data."""
    for names in (
        ["language-model-07-chat", "language-model-12-chat"],
        ["a" * 60 + "1" + "a" * 60, "a" * 60 + "2" + "a" * 60],
        ["a  b", "a b"],
        ["x", "itself"],
        ["3", "member 3"],
    ):
        pairs = pd.DataFrame({"source": [*names, names[0]], "target": ["x", "x", names[1]]}).drop_duplicates()
        count, size = len(pairs), np.arange(len(pairs)) + 1.0
        whole = pairs.assign(effect=size, low=size, high=size + 1, hop=0, cumulative=size, left=0.0, round=1)
        for chart in (plots.hops(whole), plots.response(whole), plots.intervals(whole)):
            drawn = rows(chart).drop_duplicates(["pair", "source", "target"])
            assert drawn["pair"].nunique() == count == len(drawn), names
            ends = drawn["pair"].str.split(" → ", expand=True)
            assert (ends[0] != ends[1]).all(), names  # nor does a pair look like a member and itself
        flows = rows(plots.traffic(pairs.assign(traffic=size)))
        assert flows["flow"].nunique() == count == len(flows), names
    plain = pairs.assign(source="reader", target=["x", "reader", "y"], effect=1.0, low=0.0, high=2.0)
    assert set(rows(plots.intervals(plain))["pair"]) == {"reader → x", "reader → itself", "reader → y"}


def test_large_matrices_show_who_matters_and_say_so() -> None:
    table = grid(90)
    table.loc[table["target"].isin(["m5", "m88"]), "effect"] *= 50
    chart = plots.matrix(table)
    cells = data(chart)
    assert len(cells) == 40 * 40 and {"m5", "m88"} <= set(cells["target"])
    assert chart.to_dict()["title"]["subtitle"][0].startswith(
        "the 40 of 90 targets and 40 of 90 sources with the largest"
    )
    assert set(cells["words"]) == {"", "−"} and (cells["words"].eq("−") == (cells["effect"] < 0)).all()
    assert len(data(plots.matrix(grid(60)))) == 3600


def test_hops_hold_the_table_and_the_whole() -> None:
    table, chart = effect().hops(5), effect().plot.hops(5, pairs=2)
    drawn = data(chart).set_index(["target", "source", "hop"])
    expected = table.set_index(["target", "source", "hop"]).loc[drawn.index]
    for column in ("effect", "cumulative", "left"):
        assert drawn[column].tolist() == expected[column].tolist()
    whole = effect().matrix.stack().reindex(pd.MultiIndex.from_frame(drawn.reset_index()[["target", "source"]]))
    assert np.allclose(drawn["whole"], whole) and len(drawn) == 2 * 6
    assert "the 2 largest of" in chart.to_dict()["title"]["subtitle"][0]


def test_traffic_tells_gains_and_harms_apart() -> None:
    edges = effect().edges()
    drawn = data(effect().plot.traffic())
    for row in edges.itertuples():
        flow = drawn[(drawn["source"] == row.source) & (drawn["target"] == row.target)].set_index("side")["carried"]
        assert flow.get("gains", 0.0) == row.gains and flow.get("harms", 0.0) == row.harms
    assert {"gains", "harms"} == set(drawn["side"])
    few = plots.traffic(edges, most=1)
    assert few.to_dict()["title"]["subtitle"] == ["the 1 of 4 flows that carry most"]
    alone = data(plots.traffic(edges[["source", "target", "traffic"]]))
    assert (alone["carried"] == alone["traffic"]).all()


def test_measured_influence_stands_beside_the_exact_one() -> None:
    check = measure_influence(opposed(32), seeds=4, sources=["a"])
    chart = check.plot.measured(effect().table)
    drawn = data(chart)
    drawn = drawn[drawn["target"].notna()].drop_duplicates(["target", "source"]).set_index(["target", "source"])
    table = check.table.set_index(["target", "source"]).loc[drawn.index]
    assert (drawn[["effect", "low", "high"]] == table[["effect", "low", "high"]]).all(axis=None)
    assert drawn["exact"].tolist() == [effect().matrix.at[pair] for pair in drawn.index]
    assert data(check.plot.measured(effect().matrix))["exact"].tolist() == data(chart)["exact"].tolist()
    over = data(check.plot.response(effect().table)).set_index(["target", "source", "round"])
    rows = check.response.set_index(["target", "source", "round"]).loc[over.index]
    assert over["effect"].tolist() == rows["effect"].tolist() and over["high"].tolist() == rows["high"].tolist()
    assert len(data(check.plot.matrix())) == 3


def test_intervals_are_counted_among_those_that_have_an_exact_value() -> None:
    """A pair without an exact value counted as one whose interval misses it."""
    measured = pd.DataFrame({"source": "a", "target": ["b", "c", "d"], "effect": 1.0, "low": 0.0, "high": 2.0})
    exact = pd.DataFrame({"source": "a", "target": ["b", "c", "d"], "effect": [1.5, 3.0, 2.0]})
    assert "; 2 of 3 intervals hold the exact value. " in plots.intervals(measured, exact).description
    some = plots.intervals(measured, exact.iloc[:2]).description
    assert "; 1 of 2 intervals hold the exact value (one pair cannot be compared). " in some
    unsure = measured.assign(low=[np.nan, 0.0, 0.0], high=[np.nan, 2.0, 2.0])
    assert "; 1 of 2 intervals hold the exact value (one pair" in plots.intervals(unsure, exact).description


def test_an_exact_response_ends_at_the_long_run() -> None:
    drawn = data(effect().plot.response(20)).query("target == 'a' and source == 'a'")
    drawn = drawn.set_index("round")["effect"]
    assert drawn[20] == pytest.approx(effect().after(20).at["a", "a"], abs=0)
    assert drawn[0] == 0.0 and len(drawn) == 13


def test_findings_draw_the_same(tmp_path: Path) -> None:
    findings = Findings.load(effect().findings().save(tmp_path).parent)
    assert data(findings.plot.matrix())["effect"].tolist() == data(effect().plot.matrix())["effect"].tolist()
    assert findings.verdicts["verdict"].tolist() == effect().verdicts["verdict"].tolist()
    assert len(data(findings.plot.traffic())) and len(data(findings.plot.hops()))


def test_what_is_missing_is_named() -> None:
    with pytest.raises(plots.NothingToDraw, match=r"plots.matrix: the table influence has no column 'effect'"):
        plots.matrix(effect().table.drop(columns="effect"))
    with pytest.raises(plots.NothingToDraw, match=r"plots.hops: the table hops is empty; no influence travels here"):
        plots.hops(effect().hops().assign(effect=0.0, cumulative=0.0, left=0.0))
    with pytest.raises(plots.NothingToDraw, match="no flow carries influence"):
        plots.traffic(effect().edges().assign(traffic=0.0, gains=0.0, harms=0.0))


@pytest.mark.parametrize("kind", ["svg", "png", "html"])
def test_they_are_saved_without_a_network(kind: str, tmp_path: Path) -> None:
    for name, chart in {"matrix": effect().plot.matrix(), "hops": effect().plot.hops()}.items():
        chart.save(tmp_path / f"{name}.{kind}")
        assert (tmp_path / f"{name}.{kind}").stat().st_size > 2000


# -- hop by hop, and without a flow ------------------------------------------------------------------------------------


def test_matrices_of_hops_hold_the_sums_so_far_in_colours_that_compare() -> None:
    table = effect().hops(4)
    charts = [plots.within(table, hop, ["a", "b", "c"]) for hop in range(5)]
    for hop, chart in enumerate(charts):
        cells, rows = data(chart).set_index(["target", "source"]), table[table["hop"] == hop]
        for row in rows.to_dict("records"):
            cell = cells.loc[(row["target"], row["source"])]
            assert (cell["effect"], cell["left"]) == (row["cumulative"], row["left"])
    domains = [chart.to_dict()["layer"][0]["encoding"]["color"]["scale"]["domain"] for chart in charts]
    assert all(domain == domains[0] for domain in domains)
    whole = table["cumulative"] + table["left"]
    assert domains[0][1] >= max(whole.abs().max(), table["cumulative"].abs().max())
    last = table[table["hop"] == 1]
    share = last["left"].abs().sum() / (last["cumulative"] + last["left"]).abs().sum()
    assert f"{100 * share:.3g} % of the influence is still under way" in charts[1].title.subtitle[-1]
    assert (
        charts[1].title.text == "Influence within one hop" and charts[0].title.text == "Influence before the first hop"
    )
    with pytest.raises(plots.NothingToDraw, match="give one of the hops 0 to 4"):
        plots.within(table, 5)


def test_matrices_of_hops_are_small_and_say_what_they_leave_out() -> None:
    table = grid(20).assign(hop=0, left=0.0)
    chart = plots.within(table.assign(cumulative=table["effect"]), 0)
    assert len(data(chart)) == 144 and "the 12 sources and targets with the largest influence" in chart.title.subtitle


def test_a_matrix_is_as_large_as_it_is_allowed_to_be() -> None:
    """Members that are target and source counted twice: of 31 it was said that 40 of 62 are drawn."""
    chart = plots.matrix(grid(31), [f"m{i}" for i in range(31)] * 2)
    assert len(data(chart)) == 31 * 31 and not any("of 62" in line for line in chart.title.subtitle)
    chart = plots.matrix(grid(31), most=30)
    assert len(data(chart)) == 900 and "the 30 of 31 targets and 30 of 31 sources" in chart.title.subtitle[0]


def test_of_other_measures_it_is_not_said_that_they_help() -> None:
    chart = plots.matrix(grid(2).assign(measure="width"))
    assert "It raises most:" in chart.description and "helps" not in str(chart.to_dict())


def test_a_flow_that_is_taken_out_changes_alignments_as_the_table_says() -> None:
    edges = effect().edges(knock_out=True)
    row = edges[(edges["source"] == "a") & (edges["target"] == "b")].iloc[0]
    chart = plots.knock_out(edges, "a", "b")
    bars = data(chart).set_index("member")
    assert {name: bars.at[name, "change"] for name in "abc"} == {name: row[f"J[{name}]"] for name in "abc"}
    assert set(bars["source"] + bars["target"]) == {"ab"}  # a page marks the flow by them
    assert chart.title.text == "Alignment without a → b" and chart.description.startswith("Without a → b: b +")
    assert len(data(plots.knock_out(edges, "a", "b", most=1))) == 1
    for table, mend in (
        (effect().edges(), "knock_out=True"),
        (edges.assign(**{f"J[{n}]": np.nan for n in "abc"}), "can"),
    ):
        with pytest.raises(plots.NothingToDraw, match=mend):
            plots.knock_out(table, "a", "b")


def test_what_is_only_rounding_is_no_change_without_a_flow() -> None:
    """A member beyond a flow's reach "lost most" by 1e-17."""
    edges = pd.DataFrame({"source": ["a"], "target": ["b"], "J[a]": [-1e-17], "J[b]": [0.25]})
    assert changes(edges).to_numpy().tolist() == [[0.0, 0.25]]
    assert knock_out(edges, "a", "b").description == "Without a → b: b +0.250."
    edges = edges.assign(**{"J[b]": 0.0, "J[a]": 0.0})
    assert knock_out(edges, "a", "b").description == "Without a → b: nothing changes."
