"""Tinted digits: the data are what they say, the six settings are those of the paper, and both ways to ask work."""

from __future__ import annotations

import colorsys
import dataclasses
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import ecosystem.data
from analysis import image_population, image_response, image_settings
from ecosystem import Record, Scenario, Study, never
from ecosystem.influence import measure_influence
from ecosystem.rewards.images import hue_saturation
from scenarios import tinted_digits
from tests.test_analysis import drawn

SMALL: dict[str, Any] = {"rounds": 2, "samples": 24, "steps": 2, "warm_up": 2, "candidates": 3, "hold": 1}


def test_paper_of_any_hue_is_what_the_standard_library_paints() -> None:
    rng = np.random.default_rng(0)
    hue, saturation, brightness = torch.from_numpy(rng.random((3, 50, 1, 1)))
    painted = ecosystem.data.painted(hue, saturation, brightness)
    expected = [
        colorsys.hsv_to_rgb(*colour) for colour in torch.stack([hue, saturation, brightness], 1)[..., 0, 0].tolist()
    ]
    torch.testing.assert_close(painted[..., 0, 0], torch.tensor(expected, dtype=torch.float64))


def test_images_are_digits_on_paper_of_one_colour() -> None:
    """All pixels of an image share hue and saturation; inks are scikit-learn's, and every digit comes four times."""
    data = ecosystem.data.tinted_digits()
    assert data.shape == (4 * 1797, 3, 16, 16) and data.inputs.unique().tolist() == list(range(10))
    assert float(data.outputs.min()) >= 0 and float(data.outputs.max()) <= 1
    some = data[:300].outputs.double()
    hue, saturation = hue_saturation(some)
    light = some.amax(1)
    assert torch.allclose(light, 1 - 0.85 * ((1 - light) / 0.85)) and float(light.min()) >= 0.149
    clear = saturation.flatten(1).amin(1) > 0.1
    spread = (hue - hue.flatten(1)[:, :1, None]).abs()
    assert float(torch.minimum(spread, 1 - spread)[clear].max()) < 1e-4
    assert float((saturation.flatten(1).amax(1) - saturation.flatten(1).amin(1)).max()) < 1e-4
    copies = data.outputs.amax(1).reshape(4, 1797, 16, 16)
    assert torch.allclose(copies[0], copies[3], atol=1e-6)
    assert data[:1797].inputs.tolist() == data[1797 : 2 * 1797].inputs.tolist()
    first = hue_saturation(data.outputs)[0][:, 0, 0]
    assert torch.allclose(torch.histc(first, 8, 0, 1) / len(first), torch.tensor(0.125), atol=0.02)


@pytest.mark.parametrize("setting", tinted_digits.SETTINGS)
def test_settings_are_shares_of_diets(setting: str) -> None:
    c_theta, c_phi = tinted_digits.SETTINGS[setting]
    for level in (0.5, 0.6):
        s = tinted_digits.scenario(setting, level, **SMALL)
        assert s.curation("theta") == pytest.approx(level) and s.curation("phi") == pytest.approx(0.5)
        crossed = {v: s.incoming(v)[u].curated for u, v in (("phi", "theta"), ("theta", "phi")) if u in s.incoming(v)}
        assert crossed.get("theta", 0) == pytest.approx(level * c_theta)
        assert crossed.get("phi", 0) == pytest.approx(0.5 * c_phi)


def test_a_setting_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"scenario\(setting\) is one of A1, .*, A6, B1, B2, B3, got 'A7'"):
        tinted_digits.scenario("A7", **SMALL)


def test_who_draws_what_users_like_is_read_from_the_tables() -> None:
    run = tinted_digits.scenario("A2", **SMALL).run(record=Record(judged=20, samples=6, sources=True, choices=True))
    assert run.samples["theta"][2].shape == (6, 3, 16, 16) and run.inputs["theta"][2].shape == (6,)
    wanted = {("theta", "theta"), ("phi", "theta"), ("theta", "phi"), ("phi", "phi")}
    assert set(map(tuple, run.choices[["source", "target"]].to_numpy())) == wanted
    assert run.sources.groupby(["member", "round"])["count"].sum().eq(24).all()
    assert run.rounds.query("round > 0")["loss"].notna().all()


def test_influence_can_be_measured() -> None:
    scenario = tinted_digits.scenario("A4", **SMALL)
    found = measure_influence(scenario, delta=0.05, seeds=2, burn_in=1, judged=16)
    assert set(map(tuple, found.table[["source", "target"]].to_numpy())) == {
        (u, v) for u in ("theta", "phi") for v in ("theta", "phi")
    }
    assert (found.table["low"] <= found.table["effect"]).all() and (found.table["effect"] <= found.table["high"]).all()
    assert set(found.response["round"]) >= {0, 1, 2}
    start = found.response.query("round == 0")
    assert (start["effect"] == 0).all()  # before anybody has read anything


def test_the_analysis_draws_a_table_and_a_figure(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(image_settings, "LAST", 2)  # of three recorded rounds
    build = partial(tinted_digits.scenario, **SMALL)
    grid = {"setting": ["A1", "A4"], "curation": [0.5, 0.6]}
    study = Study("small", build, grid=grid, seeds=2, record=Record(judged=16))
    study.run(tmp_path / "study", workers=0)
    table = image_settings.main(["--study", str(tmp_path / "study"), "--out", str(tmp_path)])
    assert table[["setting", "member"]].to_numpy().tolist() == [
        ["A1", "theta"],
        ["A1", "phi"],
        ["A4", "theta"],
        ["A4", "phi"],
    ]
    rounds = study.run(tmp_path / "study").with_parameters("rounds", ["seed", "round", "member", "alignment"])
    ends = (
        rounds.query("setting == 'A4' and member == 'phi' and round > 0")
        .groupby(["curation", "seed"])["alignment"]
        .mean()
    )
    change = ends[0.6] - ends[0.5]
    row = table.iloc[3]
    assert row["change"] == pytest.approx(change.mean()) and row["J at 0.6"] == pytest.approx(ends[0.6].mean())
    half = change.std(ddof=1) / np.sqrt(2) * 12.706  # Student's t, one degree of freedom
    assert row["change high"] - row["change"] == pytest.approx(half, rel=1e-3)
    moved = study.run(tmp_path / "study").with_parameters("rounds", ["round", "member", "change"])
    last = moved.query("setting == 'A4' and member == 'phi' and round == 2")["change"].mean()
    assert row["last move"] == pytest.approx(last)
    low, high = (tinted_digits.exact("A4", level, 2) for level in (0.5, 0.6))
    assert row["population"] == pytest.approx(high["phi"] - low["phi"])
    assert drawn(tmp_path / "image_settings.png")
    assert len(pd.read_csv(tmp_path / "image_settings.csv")) == 4


def test_the_response_of_both_models_is_drawn(tmp_path) -> None:
    sizes = {"rounds": 2, "samples": 16, "steps": 2, "warm-up": 2, "seeds": 2, "burn-in": 1, "hold": 1, "judged": 8}
    given = [part for name, value in sizes.items() for part in (f"--{name}", str(value))]
    table = image_response.main([*given, "--out", str(tmp_path)])
    assert len(table) == 4 and (table["seeds"] == 2).all()
    assert drawn(tmp_path / "image_response.png") and len(pd.read_csv(tmp_path / "image_response.csv")) == 4


def test_the_population_of_real_images_is_played_class_by_class() -> None:
    """Against the same rounds in NumPy: of six independent images Luce keeps one by ``exp(reward)``, by quadrature."""
    images = ecosystem.data.tinted_digits()
    found = tinted_digits.exact("A2", 0.6, rounds=3)
    total = np.zeros(2)
    for label in range(10):
        mine = images[images.inputs == label].outputs
        rewards = np.stack([taste(images)(mine).numpy() for taste in tinted_digits.TASTES.values()])
        p = np.full(rewards.shape, 1 / rewards.shape[1])
        for _ in range(3):
            kept = np.stack([luce(law, reward) for law, reward in zip(p, rewards, strict=True)])
            own_other = np.array([[0.6 * 0.8, 0.6 * 0.2], [0.5 * 0.2, 0.5 * 0.8]])
            real = 1 / rewards.shape[1]
            p = np.stack([0.4 * real + own_other[0] @ kept, 0.5 * real + own_other[1] @ kept[::-1]])
        total += (p * rewards).sum(1) * rewards.shape[1] / len(images)
    np.testing.assert_allclose(found.to_numpy(), total, atol=1e-9)


def luce(p: np.ndarray, reward: np.ndarray, k: int = 6) -> np.ndarray:
    """``p_i w_i k ∫_0^∞ e^{−t w_i} (Σ_j p_j e^{−t w_j})^{k−1} dt``: one of ``k`` draws is kept, by its weight ``w``."""
    w = np.exp(reward)
    nodes, weights = np.polynomial.laguerre.laggauss(60)
    t = nodes / (k * w.mean())
    decay = np.exp(-np.outer(t, w))
    inner = (decay @ p) ** (k - 1)
    return k * p * w * ((weights * np.exp(nodes) * inner) @ decay) / (k * w.mean())


def test_where_the_paper_s_weights_say_nothing_its_figure_s_do() -> None:
    """At (.3, .3) no change exceeds .003; at (2, .3) who curates more gains in A1 and loses in B1."""
    for weights, setting, sign in (((2.0, 0.3), "A1", 1), ((2.0, 0.3), "B1", -1), ((0.3, 0.3), "A1", 0)):
        low, high = (tinted_digits.exact(setting, level, 60, weights=weights)["theta"] for level in (0.5, 0.6))
        assert sign * (high - low) > 0.015 or (not sign and abs(high - low) < 0.003)


def test_the_population_of_settings_is_drawn(tmp_path) -> None:
    table = image_population.main(["--settings", "A1", "B3", "--rounds", "2", "5", "--out", str(tmp_path)])
    assert len(table) == 2 * 2 * 2 * 2 and drawn(tmp_path / "image_population.png")
    still = table.query("setting == 'B3' and member == 'phi'")["change"]
    assert (still == 0).all()  # phi reads nobody there
    row = table.query("setting == 'A1' and member == 'theta' and rounds == 5 and band == 2").iloc[0]
    assert row["J at 0.6"] == pytest.approx(tinted_digits.exact("A1", 0.6, 5)["theta"])


def test_both_models_start_as_one_and_noise_stays() -> None:
    scenario = tinted_digits.scenario("A2", **SMALL)
    theta, phi = (scenario.member(name).generator.state_dict() for name in ("theta", "phi"))
    assert all(torch.equal(theta[name], phi[name]) for name in theta)
    still = Scenario("still", rounds=3, samples=8)
    still.add("a", dataclasses.replace(scenario.member("theta"), schedule=never))
    values = still.run(record=Record(judged=16, same_noise=True)).rounds["alignment"]
    assert values.nunique() == 1  # who does not retrain stays where it was, to the bit
    assert still.run(record=Record(judged=16)).rounds["alignment"].nunique() == 4
