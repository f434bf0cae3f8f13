"""Charts of fits: every mark is a number of the result's table, and every member has a sign of its own or is grey."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_plots import data
from test_plots_runs import spec

from ecosystem import fit
from ecosystem.decisions import Fit, Observations
from ecosystem.plots import fits
from scenarios import observed

FEW = ["level(hub)", "raw(hub -> north)"]


@pytest.fixture(scope="module")
def fitted() -> Fit:
    return fit(observed.scenario(), Observations.read(observed.DATA), FEW, starts=1)


def facts(chart: Any) -> pd.DataFrame:
    """The data of the chart that are rows of observations."""
    tables = [pd.DataFrame(part) for part in chart.to_dict()["datasets"].values()]
    return next(table for table in tables if "residual" in table)


def test_fitted_and_residuals_are_the_rows_of_the_fit(fitted: Fit) -> None:
    table = fitted.residuals.astype({"member": str, "measure": str})[list(fits.FACTS)].reset_index(drop=True)
    for chart in (fits.fitted(fitted.residuals), fits.residuals(fitted.residuals)):
        pd.testing.assert_frame_equal(facts(chart)[list(fits.FACTS)], table, check_dtype=False, rtol=0, atol=0)
    both = facts(fits.fitted(fitted.residuals))
    assert both["low"].tolist() == (table["value"] - table["sd"]).tolist()
    assert both["high"].tolist() == (table["value"] + table["sd"]).tolist()
    outside = 100 * (table["residual"].abs() > 2).mean()
    assert f"{outside:.0f} % beyond two standard deviations" in fits.residuals(fitted.residuals).description


def test_estimates_are_those_of_the_fit_and_their_intervals(fitted: Fit) -> None:
    columns = ["parameter", "estimate", "low", "high"]
    chart = fits.estimates(fitted.estimates)
    assert data(chart)[columns].to_numpy().tolist() == fitted.estimates[columns].to_numpy().tolist()
    layers = chart.to_dict()["layer"]
    assert layers[0]["encoding"]["y"]["sort"] == fitted.estimates["parameter"].tolist()
    assert [layers[0]["encoding"][side]["field"] for side in ("x", "x2")] == ["low", "high"]
    assert layers[1]["encoding"]["x"]["field"] == "estimate"
    loose = fitted.estimates.assign(high=[float("inf"), *fitted.estimates["high"][1:]])
    assert data(fits.estimates(loose))["parameter"].tolist() == fitted.estimates["parameter"].tolist()[1:]


def left(count: int) -> pd.DataFrame:
    """``count`` members of whom a later one has larger residuals."""
    table = [(f"m{i}", t, "alignment", 1.0 + 0.1 * i * t, 1.0, 1.0, 0.1 * i * t) for i in range(count) for t in (0, 1)]
    return pd.DataFrame(table, columns=list(fits.FACTS))


@pytest.mark.parametrize(("count", "named"), [(12, 12), (13, 13), (30, 30), (50, 30)])
def test_every_named_member_has_a_sign_of_its_own_and_others_are_grey(count: int, named: int) -> None:
    chart = fits.residuals(left(count))
    *_, points = chart.to_dict()["layer"]
    colour, shape = points["encoding"]["color"]["scale"]["domain"], points["encoding"]["shape"]["scale"]
    names = [f"m{i}" for i in range(count - named, count)]  # those with the largest residuals, in the table's order
    assert colour == shape["domain"] == names
    signs = [(i % 12, shape["range"][i]) for i in range(named)]
    assert len(set(signs)) == named
    assert points["transform"] == [{"filter": {"field": "member", "oneOf": names}}]
    assert facts(chart)["member"].nunique() == count
    grey = chart.to_dict()["layer"][1]
    if count > named:
        assert grey["transform"] == [{"filter": {"not": {"field": "member", "oneOf": names}}}]
        assert "color" not in grey["encoding"]
        assert "coloured: the 30 members with the largest residuals; grey: 20 others" in spec(chart)
    else:
        assert len(chart.to_dict()["layer"]) == 2 and "others" not in spec(chart)
    lines = fits.fitted(left(count)).to_dict()["spec"]["layer"]
    assert len(lines) == (5 if count > named else 3)
    dashes = lines[-3]["encoding"]["strokeDash"]["scale"]
    assert dashes["domain"] == names and len({(i % 12, str(d)) for i, d in enumerate(dashes["range"])}) == named


def test_of_very_many_numbers_the_first_have_a_posterior_and_the_rest_is_counted() -> None:
    draws = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 26)), columns=[f"level(m{i})" for i in range(26)])
    chart = fits.posterior(draws)
    assert list(dict.fromkeys(data(chart)["parameter"])) == list(draws)[:24]
    assert "the first 24 of 26 numbers" in spec(chart) and "numbers" not in str(fits.posterior(draws.iloc[:, :9]).title)


def test_bars_of_a_posterior_stand_on_nothing_and_reach_their_share() -> None:
    """Heights of the bars that are painted, in pixels, against the histogram."""
    painter = pytest.importorskip("vl_convert")
    chart = fits.posterior(pd.DataFrame({"a": np.random.default_rng(1).normal(size=400)}))
    svg = painter.vegalite_to_svg(chart.to_dict())
    bars = re.findall(r'aria-roledescription="bar" d="M[\d.e-]+,[\d.e-]+h[\d.e-]+v([\d.e-]+)h', svg)
    heights, shares = np.array([float(bar) for bar in bars]), data(chart)["share"].to_numpy()
    assert len(heights) == len(shares) == 30
    np.testing.assert_allclose(heights / heights.max(), shares / shares.max(), atol=2e-3)
