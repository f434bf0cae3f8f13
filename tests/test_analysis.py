"""Every analysis runs in a small version, draws its figure, and a few of its numbers are right."""

from __future__ import annotations

from pathlib import Path

import matplotlib.image as image
import numpy as np
import pandas as pd
import pytest

from analysis import (
    backfire_map,
    controls,
    coordination,
    edges,
    figure3,
    figure3_levels,
    next_experiment,
    orderings,
    propagation,
)
from ecosystem import Record
from ecosystem.influence import lyapunov
from scenarios import pair
from scenarios.controls import scenario as scenario_of_controls

ROOT = Path(pair.__file__).parent.parent


def drawn(path: Path) -> bool:
    """Whether there is a picture with something in it."""
    pixels = image.imread(path)
    return min(pixels.shape[:2]) > 400 and float((pixels[..., :3].min(-1) < 0.9).mean()) > 0.01


def test_an_analysis_says_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As a script, from the root, runs one that uses another: see the studies of the gallery."""
    edges.main(["--members", "6", "--links", "9", "--out", str(tmp_path)])
    assert "rank correlation" in capsys.readouterr().out and drawn(tmp_path / "edges.png")
    assert len(pd.read_csv(tmp_path / "edges.csv")) == 9


@pytest.mark.parametrize(
    "module", [backfire_map, coordination, edges, figure3, orderings, propagation], ids=lambda m: m.__name__
)
def test_the_docstring_asks_and_names_the_command(module) -> None:
    question = module.__doc__.splitlines()[0]
    assert question.endswith("?") and f".venv/bin/python analysis/{Path(module.__file__).name}" in module.__doc__


def test_curation_harms_the_reader_past_a_coupling_and_backfires_past_a_level(tmp_path: Path) -> None:
    table, signs = backfire_map.main(["--steps", "4", "--levels", "0.4", "--out", str(tmp_path)])
    assert signs["phi"].item() == pytest.approx(0.8621, abs=1e-3) and np.isnan(signs["theta"].item())
    wide = table.set_index(["coupling", "curation"])
    assert (wide.loc[(0.05, 0.05), ["theta", "phi"]].astype(float) > 0).all()
    assert (wide.loc[(0.95, 0.95), ["theta", "phi"]].astype(float) < 0).all()
    # in closed form: θ* = λu and φ* = λAu with u = (I − A)⁻¹ a, so dJ/dλ = ⟨g, u⟩ − ηλ‖u‖²
    system = pair.SYSTEM
    for (coupling, curation), row in wide.iterrows():
        theta, phi = (point.numpy() for point in pair.stable_point(coupling, 1.0))
        for name, letter, u in (("theta", "p", theta), ("phi", "q", phi)):
            exact = np.dot(system[f"g_{letter}"], u) - system[f"eta_{letter}"] * curation * np.dot(u, u)
            assert row[name] == pytest.approx(exact, abs=1e-9)
    assert not table["formal"].any() and drawn(tmp_path / "backfire_map.png")


def test_influence_fades_by_the_real_share_in_a_ring_and_by_dilution_elsewhere(tmp_path: Path) -> None:
    small = ["--members", "12", "--draws", "2", "--real", "0.2", "--out", str(tmp_path)]
    table, decay = propagation.main(small)
    ring = table[table["family"] == "ring, one way"]
    assert ring["mean"].to_numpy() == pytest.approx(0.8 ** ring["distance"].to_numpy(), rel=1e-9)
    assert (ring["count"] == 12).all()
    by_family = decay.set_index("family")
    assert by_family.loc["star, from its hub", "first hop"] == pytest.approx(0.8, rel=1e-9)
    # of a leaf's own m = 1 + .8 h the hub has h = .8/11 · (m + 10 · .8 h)
    hub = 0.8 / 11 / (1 - 0.8 / 11 * 10 * 0.8)
    assert by_family.loc["star, from a leaf", "first hop"] == pytest.approx(hub, rel=1e-9)
    assert by_family.loc["star, from a leaf", "further hops"] == pytest.approx(0.8, rel=1e-9)
    assert (by_family.loc[["Erdős–Rényi", "small world", "scale free"], "first hop"] < 0.8).all()
    assert drawn(tmp_path / "propagation.png")


def test_traffic_foretells_what_cutting_a_link_does(tmp_path: Path) -> None:
    table = edges.main(["--members", "8", "--links", "14", "--seed", "1", "--out", str(tmp_path)])
    rest = table[~table["choice"]]
    assert len(table) == 14 and 0 < len(rest) < 14
    assert (np.sign(rest["knock_out"]) == np.sign(rest["foretold"])).all()
    assert (rest["knock_out"].abs() <= rest["foretold"].abs() + 1e-12).all()  # loops through the link are cut as well
    assert (table["knock_out"].abs() > table["foretold"].abs())[table["choice"]].all()
    assert drawn(tmp_path / "edges.png")


def test_the_published_experiment_comes_out(tmp_path: Path) -> None:
    small = ["--couplings", "2", "--samples", "12", "--seeds", "6", "--out", str(tmp_path)]
    ours, measured = figure3.main(small)
    reference = pd.read_csv(figure3.REFERENCE).rename(columns={"t": "coupling"}).drop(columns="lambda")
    assert ours[reference.columns].to_numpy() == pytest.approx(reference.to_numpy(), rel=1e-9)
    at = ours.set_index(ours["coupling"].round(6)).loc[0.9]
    assert (at["isolated"], at["amplification"]) == pytest.approx((2.3902, 0.6212), abs=1e-4)
    assert measured["coupling"].unique().tolist() == [0.1, 0.95] and len(measured) == 4
    assert (measured["low"] < measured["effect"]).all() and (measured["effect"] < measured["high"]).all()
    assert drawn(tmp_path / "figure3.png")


@pytest.mark.parametrize(("samples", "theta", "phi"), [(4, -0.2007, -0.0951), (64, -0.0125, -0.0059)])
def test_few_samples_move_the_target(samples: int, theta: float, phi: float) -> None:
    assert figure3.sampling("theta", 0.9, samples) == pytest.approx(theta, abs=1e-4)
    assert figure3.sampling("phi", 0.9, samples) == pytest.approx(phi, abs=1e-4)


def test_orders_have_the_rates_of_their_formula(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lyapunov, "_ROUNDS", 1000)  # of shuffled orders, whose rate has no formula to be held against
    table, paths = orderings.main(["--replicates", "2", "--out", str(tmp_path)])
    known = table[table["formula"].notna()]
    assert len(known) == 12 and known["rate"].to_numpy() == pytest.approx(known["formula"].to_numpy(), rel=1e-8)
    settles = table.set_index(["network", "ordering"])["settles"]
    two, three = (name for name in table["network"].unique() if "over-react" in name)
    assert settles[two].tolist() == [False, True, True, True]
    assert settles[three].tolist() == [True, False, False, False]
    ends = paths.groupby(["network", "ordering"]).tail(1).set_index(["network", "ordering"])["middle"]
    assert ((ends < 0.1) == settles[ends.index]).all()  # the engine's own rounds agree
    assert drawn(tmp_path / "orderings.png")


def test_levels_of_curation_are_played_and_expected(tmp_path: Path) -> None:
    small = ["--couplings", "0.9", "--samples", "32", "--levels", "3", "--seeds", "8", "--out", str(tmp_path)]
    table = figure3_levels.main(small).set_index(["target", "level"])
    assert table["exact"].xs("phi").tolist() == sorted(table["exact"].xs("phi"), reverse=True)
    half = table["alignment high"] - table["alignment"]  # 95 %, by Student's t of 7
    assert ((table["alignment"] - table["expected"]).abs() < 2.5 * half).all() and half.max() < 0.3
    assert (table["expected"] < table["exact"]).all()  # a quadratic reward counts chance as a loss
    assert drawn(tmp_path / "figure3_levels.png") and len(pd.read_csv(tmp_path / "figure3_levels.csv")) == 6


def test_controls_keep_or_lose_the_sign(tmp_path: Path) -> None:
    """Exact effects against differences of long runs; users who drift forget whether they agreed."""
    table, cases = controls.main(["--agreements", "2", "--rounds", "60", "--out", str(tmp_path)])
    effects = table.set_index(["control", "agreement"])
    for agreement in (-0.9, 0.9):
        ends = []
        for level in (0.3 - 1e-4, 0.3 + 1e-4):
            run = scenario_of_controls(curation=level, agreement=agreement, rounds=300).run(record=Record(last=1))
            ends.append(run.rounds.set_index("member")["alignment"])
        slope = (ends[1] - ends[0]) / 2e-4
        assert effects.at[("none", agreement), "self"] == pytest.approx(slope["theta"], abs=1e-6)
        assert effects.at[("none", agreement), "cross"] == pytest.approx(slope["phi"], abs=1e-6)
    for control in ("none", "alternating", "filtered"):
        assert effects.at[(control, -0.9), "cross"] < 0 < effects.at[(control, 0.9), "cross"]
    drifting = effects.xs("drifting")
    assert (
        drifting["cross"].iloc[0] == pytest.approx(drifting["cross"].iloc[1], abs=1e-6)
        and (drifting["cross"] > 0).all()
    )
    assert (cases["theta: phi"] * cases["agreement"] > 0).all() and (cases["both: mean"] > cases["theta: mean"]).all()
    assert drawn(tmp_path / "controls.png") and len(pd.read_csv(tmp_path / "controls_who.csv")) == 2


def test_users_who_take_turns_swing_and_do_not_fade() -> None:
    values = (
        scenario_of_controls("alternating", rounds=120)
        .run()
        .rounds.pivot(index="round", columns="member", values="alignment")
    )
    swing = values.diff().abs()
    assert swing.iloc[-1].to_numpy() == pytest.approx(swing.iloc[-21].to_numpy(), abs=1e-7)
    assert (swing.iloc[-1] > 0.05).all() and values.iloc[-1].to_numpy() == pytest.approx(values.iloc[-3].to_numpy())


def test_deciding_together_is_never_worse(tmp_path: Path) -> None:
    table = coordination.main(["--steps", "1", "--starts", "1", "--out", str(tmp_path)])
    wide = table.pivot(index="tastes", columns="plan", values="welfare")
    assert (wide["optimum"] >= wide[["uniform", "selfish"]].max(axis=1) - 1e-9).all()
    assert (table["lost"] >= -1e-9).all() and (table["equilibria"] >= 1).all()
    assert drawn(tmp_path / "coordination.png") and len(pd.read_csv(tmp_path / "coordination.csv")) == 6


def test_the_better_of_two_experiments_is_told_from_simulations(tmp_path: Path) -> None:
    table, paths = next_experiment.main(["--cases", "1", "--fits", "12", "--out", str(tmp_path)])
    assert len(table) == 1 and paths[0] == tmp_path / "next_experiment.csv"
    pd.testing.assert_frame_equal(pd.read_csv(paths[0]), table.round(6), check_dtype=False)
