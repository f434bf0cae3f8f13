"""Charts: the numbers that they embed are those of the tables, in every theme, and their files need no network."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import pytest
import synthetic_runs as made
from browser import CHROMIUM

from ecosystem import plots
from tests.studies import PATIENCE


def data(chart: Any, number: int = 0) -> pd.DataFrame:
    """The data that a chart embeds, as they stand in its file."""
    datasets = list(chart.to_dict()["datasets"].values())
    return pd.DataFrame(datasets[number])


def test_alignment_embeds_the_mean_and_the_range_over_replicates() -> None:
    run = made.digits(6, 20)
    table = data(run.plot.alignment()).set_index(["member", "round"])
    groups = run.rounds.groupby(["member", "round"])["alignment"]
    assert len(table) == 4 * 21
    for name, expected in (("middle", groups.mean()), ("low", groups.min()), ("high", groups.max())):
        assert (table[name] == expected.reindex(table.index)).all(), name
    assert set(table["panel"]) == {"Linear(ink)", "Linear(-ink)"}
    assert data(plots.alignment(run.rounds))["panel"].eq("").all()  # without the table of members nobody knows tastes


def test_change_is_on_a_logarithmic_axis_and_leaves_out_who_stood_still() -> None:
    run = made.digits(6, 20)
    run.rounds.loc[run.rounds["round"] == 3, "change"] = 0.0
    chart = run.plot.change()
    table = data(chart)
    assert not set(table["round"]) & {0, 3} and (table["low"] > 0).all()
    expected = run.rounds[run.rounds["change"] > 0].groupby(["member", "round"])["change"].median()
    assert (table.set_index(["member", "round"])["middle"].sort_index() == expected.sort_index()).all()
    assert chart.to_dict()["layer"][1]["encoding"]["y"]["scale"]["type"] == "log"


def test_who_diverged_is_left_out() -> None:
    run = made.odd()
    table = data(run.plot.alignment())
    assert np.isfinite(table["middle"].astype(float)).all() and table["replicates"].max() == 4


def test_many_members_become_bands_that_hold_half_and_ninety_percent_of_them() -> None:
    run = made.web(200)
    chart = run.plot.alignment()
    table = data(chart).set_index("round")
    means = run.rounds.groupby(["member", "round"])["alignment"].mean()
    for name, q in {"low": 0.05, "lower": 0.25, "middle": 0.5, "upper": 0.75, "high": 0.95}.items():
        assert np.array_equal(table[name], means.groupby("round").quantile(q))
    assert "200 members" in chart.to_dict()["title"]["subtitle"][0]


def test_a_long_run_of_thirty_members_stays_small() -> None:
    """30 members × 300 rounds were more rows than Altair takes."""
    rounds = made.rounds({f"m{i}": 0.1 for i in range(30)}, 400, 1)
    table = data(plots.alignment(rounds))
    assert len(table) <= 5000 and {0, 400} <= set(table["round"])


def test_a_chart_says_what_its_table_lacks() -> None:
    run = made.pair()
    with pytest.raises(plots.NothingToDraw, match=r"plots.measured: the table rounds has no column 'width'; there are"):
        run.plot.measured("width")
    with pytest.raises(plots.NothingToDraw, match=r"plots.losses: the table rounds is empty; closed-form families"):
        run.plot.losses()
    with pytest.raises(plots.NothingToDraw, match=r"has no column 'alignment'; there are seed, replicate"):
        plots.alignment(run.rounds.drop(columns="alignment"))


def test_the_text_alternative_has_the_numbers() -> None:
    run = made.digits(6, 40)
    means = run.rounds.groupby(["round", "member"])["alignment"].mean()
    words = run.plot.alignment().to_dict()["description"]
    assert f"bold-a goes from 0.00 to {means[40, 'bold-a']:.3f}" in words


def test_a_theme_changes_charts_that_are_there_and_a_users_own_stays() -> None:
    chart = made.digits(3, 5).plot.alignment()
    assert "#0072B2" in str(chart.to_dict()["config"]) and chart.to_dict()["config"]["background"] == "white"
    with plots.theme("dark"):
        config = chart.to_dict()["config"]
        assert config["background"] == "#14181d" and config["range"]["category"][0] == "#4BA3E3"
    with alt.theme.enable("default"):
        assert "range" not in chart.to_dict()["config"]
    assert alt.theme.active == "ecosystem-light"
    with pytest.raises(ValueError, match="there is no such theme; there are light, dark"):
        plots.theme("neon")
    code = (
        "import altair; altair.theme.enable('opaque'); import ecosystem.plots; assert altair.theme.active == 'opaque'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_click_in_the_legend_brings_a_member_to_the_front_in_each_chart() -> None:
    charts = [made.digits(3, 5).plot.alignment(), made.digits(3, 5).plot.change()]
    picked = [param for chart in charts for param in chart.to_dict()["params"]]
    assert all(param["bind"] == "legend" and param["select"]["fields"] == ["member"] for param in picked)
    assert len({param["name"] for param in picked}) == 2  # two of one name could not stand side by side


def test_a_chart_can_be_restyled_layered_and_put_side_by_side() -> None:
    chart = made.pair().plot.change()
    assert chart.properties(width=200).to_dict()["width"] == 200
    rule = alt.Chart(pd.DataFrame({"y": [0.1]})).mark_rule().encode(y="y:Q")
    assert len((chart + rule).to_dict()["layer"]) == len(chart.layer) + 1
    other = made.pair().plot.measured("alignment")
    assert len((chart | other).to_dict()["hconcat"]) == len((chart & other).to_dict()["vconcat"]) == 2


@pytest.mark.parametrize("kind", ["svg", "png", "json", "html"])
def test_files_need_no_network(kind: str, tmp_path: Path) -> None:
    """Altair's own pages ask a server for their library."""
    chart = made.pair().plot.change()
    other = made.pair().plot.measured("alignment")
    for name, drawn in {"one": chart, "two": chart | other, "layered": chart + other}.items():
        file = tmp_path / f"{name}.{kind}"
        drawn.save(file)
        start = file.read_bytes()
        if kind == "html":
            assert b"cdn.jsdelivr.net/npm/vega" not in start and len(start) > 100_000
        if kind == "svg":
            assert start.startswith(b"<svg") and b"round" in start
    if kind == "html":
        chart.save(tmp_path / "online.html", inline=False)
        assert b"cdn.jsdelivr.net" in (tmp_path / "online.html").read_bytes()


@pytest.mark.skipif(CHROMIUM is None, reason="no browser")
def test_a_page_draws_itself_in_a_browser_without_a_network(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    made.digits(3, 5).plot.alignment().save(page)
    flags = "--headless --no-sandbox --disable-gpu --host-resolver-rules=MAP\t*\t~NOTFOUND --virtual-time-budget=5000"
    flags += f" --dump-dom --user-data-dir={tmp_path / 'profile'}"
    command = [str(shutil.which(str(CHROMIUM))), *(flag.replace("\t", " ") for flag in flags.split(" ")), page.as_uri()]
    seen = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
    assert re.search(r'<div class="[^"]*vega-embed[^"]*" id="vis">', seen)  # what the library makes of an empty one
    assert re.search(r'<g class="mark-text role-title-text".{0,500}Alignment over rounds</text>', seen)
