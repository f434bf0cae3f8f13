"""Charts of what members train on and of what users think: numbers, panels, aggregates, refusals, text alternatives."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import synthetic_runs as made
import torch
from small_runs import recorded
from test_plots import data

from ecosystem import Run, plots
from ecosystem.plots.samples import kind, shares
from ecosystem.plots.spreads import QUANTILES
from ecosystem.plots.together import together


def spec(chart: Any) -> str:
    """A chart as its file has it, which must be made without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return json.dumps(chart.to_dict(), ensure_ascii=False)


def with_sources(run: Run, members: tuple[str, ...]) -> Run:
    """A run whose members' training sets were judged part by part."""
    rng = np.random.default_rng(0)
    parts = (("real", False, 0.2), ("bold-b", True, 0.5), ("thin-a", False, 0.1))
    rows = [
        (0, k, t, name, source, curated, t, 10 * (1 + k), level + 0.05 * t + 0.05 * rng.normal(), 0.1)
        for k in range(3)
        for t in range(1, 9)
        for name in members
        for source, curated, level in parts
    ]
    columns = ["seed", "replicate", "round", "member", "source", "curated", "born", "count", "reward", "deviation"]
    made.put(run, sources=pd.DataFrame(rows, columns=columns))
    return run


def test_diets_are_the_shares_side_by_side() -> None:
    run = made.digits(2, 3)
    table = data(run.plot.diets())
    sums = table.groupby("member")["share"].sum()
    assert sums.to_numpy() == pytest.approx(1.0) and (table["end"] - table["share"] == table["start"]).all()
    curated = table[table["kind"] == "curated"].set_index(["source", "member"])["share"]
    expected = run.flows[run.flows["curated"] > 0].set_index(["source", "target"])["curated"]
    assert curated.to_dict() == expected.to_dict()
    assert "bold-b 40 % real, 20 % raw from bold-a" in run.plot.diets().description
    late = run.flows.assign(there=run.flows["source"] != "bold-a")
    assert "from bold-a" not in plots.diets(run.members, late).description


def test_diets_of_many_are_thin_columns_and_of_very_many_a_choice_of_them() -> None:
    run = made.web(900)
    table = data(run.plot.diets())
    assert table["place"].nunique() == 400 and {0, 899} <= set(table["place"])
    wide = table.pivot(index="place", columns="kind", values="share")
    assert (wide["curated"].diff().dropna() >= 0).all()
    assert "400 of 900 members, evenly picked" in spec(run.plot.diets())


def test_draws_add_up_counts_over_replicates() -> None:
    run = recorded()
    table = data(run.plot.draws())
    counts = run.draws.groupby(["member", "round", "component"])["count"].sum()
    total = counts.groupby(["member", "round"]).transform("sum")
    found = table.assign(component=table["source"].where(table["kind"] != "curated", table["source"] + " (curated)"))
    found = found.set_index(["member", "round", "component"])
    assert (found["count"].sort_index() == counts.astype(float)).all()
    assert (found["share"].sort_index() == counts / total).all()
    assert found.groupby(["member", "round"])["end"].max().to_numpy() == pytest.approx(1.0)


@pytest.mark.parametrize(("source", "styled"), [("real", True), ("b", False)])
def test_draws_of_one_kind_have_no_empty_layer(source: str, styled: bool) -> None:
    """Of a layer without rows Vega warned in the browser: infinite extent for field "round"."""
    rows = [(0, 0, t, "a", source, source, False, 10) for t in range(1, 60)]
    (layer,) = plots.draws(pd.DataFrame(rows, columns=list(recorded().draws.columns))).to_dict()["layer"]
    assert ("style" in layer["mark"]) is styled


def test_draws_of_many_are_bands_over_members() -> None:
    rng = np.random.default_rng(0)
    rows = [
        (0, 0, t, f"m{i}", source, source, curated, int(rng.integers(1, 20)))
        for t in (1, 2)
        for i in range(40)
        for source, curated in (("real", False), ("m1", True))
    ]
    draws = pd.DataFrame(rows, columns=list(recorded().draws.columns))
    table = data(plots.draws(draws)).set_index(["kind", "round"])
    totals = draws.groupby(["member", "round"])["count"].transform("sum")
    shares = (draws["count"] / totals)[(draws["round"] == 2) & draws["curated"]]
    for name, q in QUANTILES.items():
        assert table.at[("curated", 2), name] == pytest.approx(shares.quantile(q), rel=1e-14)
    assert table.loc["raw", "high"].eq(0).all()


def test_choices_are_the_quantiles_before_and_after() -> None:
    run = recorded()
    table = data(run.plot.choices()).set_index(["flow", "round", "side"])
    means = run.choices[(run.choices["source"] == "ada") & (run.choices["round"] == 6)]
    means = means.groupby("quantile")[["before", "after"]].mean()
    for side in ("before", "after"):
        for name, q in QUANTILES.items():
            assert table.at[("ada → bob", 6, side), name] == np.interp(q, means.index, means[side])
    assert table.index.get_level_values("round").unique().tolist() == [1, 3, 6]
    assert table.at[("ada → bob", 6, "after"), "chooser"] == "ada"  # Flow(chosen_by="producer")
    own = plots.choices(run.choices, run.flows.assign(chosen_by="own"))
    assert set(data(own)["chooser"]) == {""} and "kept by users of" not in spec(own)


def test_choosing_lifts_or_lowers_by_its_sign() -> None:
    """Choosing that lowered the median was said to lift it by a number below zero."""
    run = recorded()
    whole = plots.choices(run.choices, run.flows).description
    assert ": choosing lifts the median on " in whole and "by −" not in whole
    turned = run.choices.rename(columns={"before": "after", "after": "before"})
    lowered = plots.choices(turned, run.flows).description
    assert lowered == whole.replace("lifts", "lowers")
    flows = run.choices[["source", "target"]].astype(str).agg(" → ".join, axis=1)
    assert flows.nunique() > 1
    first = flows == sorted(set(flows))[0]
    both = plots.choices(pd.concat([turned[first], run.choices[~first]]), run.flows).description
    assert "choosing lifts the median on " in both and "; it lowers the median on " in both
    still = plots.choices(run.choices.assign(after=run.choices["before"]), run.flows).description
    assert ": choosing leaves the median as it is on " in still


def test_sources_are_weighted_means_over_samples_and_replicates() -> None:
    run = with_sources(made.digits(3, 8), ("bold-a", "thin-b"))
    table = data(run.plot.sources()).set_index(["member", "kind", "round"])
    rows = run.sources[(run.sources["member"] == "bold-a") & run.sources["curated"] & (run.sources["round"] == 3)]
    assert table.at[("bold-a", "curated", 3), "reward"] == (rows["reward"] * rows["count"]).sum() / rows["count"].sum()
    assert set(table.index.get_level_values("kind")) == {"real", "raw", "curated"}


def test_tastes_are_means_over_replicates_and_colours_compare_within_a_judge() -> None:
    run = recorded()
    table = data(run.plot.tastes()).set_index(["member", "judge"])
    last = run.tastes[run.tastes["round"] == 6].groupby(["member", "judge"])["reward"].mean()
    assert (table["reward"].sort_index() == last.sort_index()).all()
    assert table.groupby("judge")["place"].agg(["min", "max"]).to_numpy().tolist() == [[0, 1]] * 3
    first = data(run.plot.tastes(round=0)).set_index(["member", "judge"])["reward"]
    assert first["bob", "ada"] == 1.0
    with pytest.raises(plots.NothingToDraw, match="it has nothing of round 99, but of rounds 0 to 6"):
        run.plot.tastes(round=99)


def test_tastes_of_many_show_how_far_rewards_reach() -> None:
    rng = np.random.default_rng(0)
    rows = [(0, 0, 5, f"m{i}", f"m{j}", rng.normal()) for i in range(80) for j in range(50)]
    tastes = pd.DataFrame(rows, columns=list(recorded().tastes.columns))
    table = data(plots.tastes(tastes)).set_index("judge")
    assert len(table) == 30 and "30 of 50 judges, evenly picked" in spec(plots.tastes(tastes))
    judge = str(table.index[3])
    rewards = tastes[tastes["judge"] == judge]["reward"]
    assert all(table.at[judge, name] == rewards.quantile(q) for name, q in QUANTILES.items())


def test_welfare_is_taken_within_each_replicate() -> None:
    """The mean of the lowest is not the lowest of the means."""
    run = recorded()
    table = data(run.plot.welfare()).set_index(["what", "round"])
    groups = run.rounds.groupby(["replicate", "round"])["alignment"]
    for what, values in (("total", groups.sum()), ("worst off", groups.min())):
        expected = values.groupby("round").mean()
        assert (table.loc[what, "middle"] == expected).all()
        assert table.loc[what].query("best").index.tolist() == [expected.idxmax()]
    assert f"is highest in round {groups.min().groupby('round').mean().idxmax()}" in run.plot.welfare().description


def test_welfare_that_is_infinite_is_told_and_never_the_best() -> None:
    """Who fell to −∞ was passed over: the worst off of the others rose, and that round was told as the best."""
    ends = {("a", 0): [0.0, 1.0, -np.inf], ("b", 0): [5.0, 5.0, 9.0], ("a", 1): [0.0, 3.0, 2.0], ("b", 1): [5.0] * 3}
    rows = [(0, replicate, t, who, x) for (who, replicate), xs in ends.items() for t, x in enumerate(xs)]
    rounds = pd.DataFrame(rows, columns=["seed", "replicate", "round", "member", "alignment"])
    table = together(rounds).set_index(["what", "round"])
    assert table["middle"].tolist() == [5.0, 7.0, -np.inf, 0.0, 2.0, -np.inf]
    assert table.index[table["best"]].tolist() == [("total", 1), ("worst off", 1)]
    chart = plots.welfare(rounds)
    assert "the worst off goes from 0.00 to −∞, is infinite in one round (from round 2)" in chart.description
    assert sorted(set(data(chart)["round"])) == [0, 1]
    both = rounds.replace({9.0: np.inf})  # no sum: the infinities cancel
    assert np.isnan(together(both).set_index(["what", "round"]).loc[("total", 2), "middle"])
    with pytest.raises(plots.NothingToDraw, match="infinite in every round"):
        plots.welfare(rounds.assign(alignment=-np.inf))


@pytest.mark.parametrize("name", ["alignment", "change", "diets", "draws", "choices", "tastes", "welfare"])
def test_every_chart_says_in_words_what_it_shows_and_stays_small(name: str) -> None:
    chart = getattr(recorded().plot, name)()
    assert len(chart.description) > 40 and len(spec(chart)) < 300_000
    assert f'"{chart.description}"' in spec(chart).replace('\\"', '"')


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda run: run.plot.draws(), r"plots.draws: the table draws is empty; record it: Record\(draws=True\)"),
        (lambda run: run.plot.tastes(), r"plots.tastes: .* Record\(tastes=True\)"),
        (lambda run: run.plot.choices(), r"plots.choices: .* Record\(choices=True\)"),
        (lambda run: run.plot.sources(), r"plots.sources: .* Record\(sources=True\), for members that train on data"),
        (
            lambda run: plots.diets(run.members, run.flows.drop(columns="raw")),
            r"plots.diets: .* flows has no column 'raw'",
        ),
        (
            lambda run: plots.welfare(run.rounds.assign(alignment=np.nan)),
            "plots.welfare: .* no taste that was recorded",
        ),
    ],
)
def test_what_was_not_recorded_is_refused_with_the_mend(draw: Callable[[Run], Any], words: str) -> None:
    with pytest.raises(plots.NothingToDraw, match=words):
        draw(made.pair())


def test_names_of_every_kind_are_drawn() -> None:
    """Letters that mean something to HTML, to formulas or to Vega stand as they are."""
    run = made.odd()
    for chart in (run.plot.alignment(), run.plot.diets(), run.plot.change(), run.plot.welfare()):
        assert "<script>alert(1)</script>" in spec(chart) or chart.description.startswith("Welfare")


# -- what members generate ---------------------------------------------------------------------------------------------


def test_clouds_have_the_same_axes_in_every_round_and_a_start_behind() -> None:
    run = recorded()
    first, last = run.plot.clouds(0).to_dict(), run.plot.clouds().to_dict()
    ends = [
        layer["encoding"][axis]["scale"]["domain"]
        for spec in (first, last)
        for layer in spec["spec"]["layer"]
        for axis in "xy"
    ]
    assert ends[:2] * 4 == ends and np.isclose(*(high - low for low, high in ends[:2]))
    table = next(iter(last["datasets"].values()))
    assert sum(row["first"] for row in table) == sum(not row["first"] for row in table) == 3 * 8
    with pytest.raises(plots.NothingToDraw, match="nothing of round 99 was kept, but of"):
        run.plot.clouds(99)
    with pytest.raises(plots.NothingToDraw, match=r"keep some: Record\(samples=64\)"):
        run.plot.symbols()


def test_shares_of_symbols_add_up_and_many_symbols_share_a_bar() -> None:
    x = torch.arange(300)
    table = shares({"a": {0: x, 5: x[:100]}})
    chart = plots.symbols(table).to_dict()
    rows = next(iter(chart["datasets"].values()))
    assert sum(row["share"] for row in rows) == pytest.approx(1) and len(rows) == 100
    assert sum(row["start"] for row in rows) == pytest.approx(1) and "a bar is three symbols" in str(chart["title"])


def test_pictures_suit_samples_by_their_shape() -> None:
    assert kind(np.zeros((3, 8, 8))) == kind(np.zeros((3, 3, 8, 8))) == "images"
    assert kind(np.zeros((3, 2))) == "clouds" and kind(np.zeros(3, dtype=int)) == "symbols"
    assert kind(np.zeros((3, 24))) is None and kind(np.full(3, 0.5)) is None


def test_degrees_count_readers_and_sources() -> None:
    members = pd.DataFrame({"member": ["hub", "a", "b", "c"]})
    flows = pd.DataFrame({"source": ["hub", "hub", "hub", "a"], "target": ["a", "b", "c", "b"]})
    rows = next(iter(plots.degrees(members, flows).to_dict()["datasets"].values()))
    found = {(row["what"].split()[0], row["number"]): row["share"] for row in rows}
    assert found == {("readers", 1): 0.5, ("readers", 3): 0.25, ("sources", 1): 0.75, ("sources", 2): 0.25}
    with pytest.raises(plots.NothingToDraw, match="equally many"):
        plots.degrees(members, flows.assign(source=["hub", "a", "b", "c"], target=["a", "b", "c", "hub"]))
