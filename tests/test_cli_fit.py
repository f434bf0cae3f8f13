"""``ecosystem fit``: what is shown, saved, reported and refused; the gallery's observations; charts of a fit."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_cli import invoke, refused

from ecosystem import fit
from ecosystem.decisions import Fit, Observations
from ecosystem.plots import NothingToDraw, fits
from ecosystem.report.fit import render_fit
from scenarios import observed

FILE = observed.__file__
FREE = ["level(hub)", "strength(hub)", "raw(hub -> north)", "raw(hub -> south)"]


@pytest.fixture(scope="module")
def found() -> Fit:
    return fit(observed.scenario(), Observations.read(observed.DATA), FREE, starts=1)


def test_the_file_of_the_gallery_is_what_its_command_makes(tmp_path: Path) -> None:
    observed.simulated().to_csv(tmp_path / "again.csv", index=False)
    assert (tmp_path / "again.csv").read_bytes() == observed.DATA.read_bytes()


def test_planted_numbers_lie_in_their_intervals(found: Fit) -> None:
    table = found.estimates.set_index("parameter")
    names = [name.replace("->", "→") for name in FREE]
    for name, planted in zip(names, observed.PLANTED.values(), strict=True):
        assert table.at[name, "low"] < planted < table.at[name, "high"]
    assert 0.01 < found.p < 0.99 and not found.flat


def test_a_fit_is_shown_saved_and_reported(tmp_path: Path, found: Fit) -> None:
    out = tmp_path / "out"
    free = [part for name in FREE for part in ("--free", name)]
    done = invoke("fit", FILE, observed.DATA, *free, "--starts", 1, "--out", out)
    assert done.exit_code == 0, done.output
    told = " ".join(done.output.split())
    assert "raw(hub → south)" in told and "p = 0.95" in told
    saved = pd.read_csv(out / "estimates.csv")
    np.testing.assert_allclose(saved["estimate"], found.estimates["estimate"], rtol=1e-9)
    assert len(pd.read_csv(out / "residuals.csv")) == len(found.residuals)
    page = (out / "fit.html").read_text()
    assert "raw(hub → south)" in page and not re.search(r"<(script|link|img)[^>]*(src|href)=.https?:", page)
    again = invoke("fit", FILE, observed.DATA, *free, "--out", out)
    assert again.exit_code and "holds a fit already" in again.output


def test_names_are_escaped_in_the_page(found: Fit) -> None:
    page = render_fit(found, {"description": "<script>alert(1)</script>"})
    assert "<script>alert(1)</script>" not in page and "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("nowhere.csv", "--free", "level(hub)"), "nowhere.csv"),
        ((observed.DATA, "--free", "level(nobody)"), "nobody"),
        ((observed.DATA, "--free", "colour(hub)"), "colour"),
        ((observed.DATA, "--free", "level(hub)", "--noise", "loud"), "--noise is a number, column or estimated"),
    ],
)
def test_what_cannot_be_fitted_is_refused(given: tuple[object, ...], words: str) -> None:
    assert words in refused(invoke("fit", FILE, *given))


def test_observations_of_strangers_are_refused(tmp_path: Path) -> None:
    table = observed.simulated().astype({"member": str}).replace({"member": {"north": "nord"}})
    table.to_csv(tmp_path / "strange.csv", index=False)
    assert "nord" in refused(invoke("fit", FILE, tmp_path / "strange.csv", "--free", "level(hub)"))


def test_charts_are_of_the_tables_and_say_what_they_show(found: Fit) -> None:
    drawn = fits.residuals(found.residuals).to_dict()["datasets"].values()
    rows = next(pd.DataFrame(part) for part in drawn if "residual" in part[0])
    np.testing.assert_allclose(sorted(rows["residual"]), sorted(found.residuals["residual"]))
    for chart in (fits.fitted(found.residuals), fits.residuals(found.residuals), fits.estimates(found.estimates)):
        assert len(chart.description) > 30
    for empty in (fits.fitted, fits.residuals):
        with pytest.raises(NothingToDraw):
            empty(found.residuals.iloc[:0])
    with pytest.raises(NothingToDraw):
        fits.estimates(found.estimates.iloc[:0])
