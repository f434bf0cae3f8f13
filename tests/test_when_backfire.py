"""When curation backfires: the networks of the analysis against their closed form, and its tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import when_backfire
from ecosystem.influence import influence
from scenarios import pair
from tests.test_analysis import drawn

HERE = Path(when_backfire.__file__).parent / "results"


def gained(point: tuple[float, ...], more: float) -> np.ndarray:
    """Alignments of theta and phi at the stable point, if theta's level is higher by so much."""
    coupling, curation, push, real_theta, real_phi = point
    system, read = pair.SYSTEM, 1 - real_theta
    level = read * curation
    others = (1 - level - more) / (1 - level)  # a higher level leaves less of all else, real data too
    raw, curated = read * (1 - curation) * others, level + more
    chain = (1 - real_phi) * pair.coupling_matrix(coupling).numpy()
    theta = np.linalg.solve(np.eye(len(chain)) - (raw + curated) * chain, curated * push * np.array(system["a"]))
    ends = {"p": theta, "q": chain @ theta}
    return np.array([np.dot(system[f"g_{m}"], x) - system[f"eta_{m}"] / 2 * x @ x for m, x in ends.items()])


@pytest.mark.parametrize("point", [(0.9, 0.6, 1.5, 0.1, 0.05), (0.3, 0.2, 0.5, 0.0, 0.2)])
def test_the_effects_are_those_of_the_closed_form(point: tuple[float, ...]) -> None:
    found = influence(when_backfire.network(*point)).matrix["theta"]
    step = 1e-6
    exact = (gained(point, step) - gained(point, -step)) / (2 * step)
    assert found[["theta", "phi"]].to_numpy() == pytest.approx(exact, rel=1e-6, abs=1e-7)


def test_without_real_data_it_is_the_gallerys_pair() -> None:
    own = influence(when_backfire.network(0.9, 0.4, 1.0, 0.0, 0.0)).matrix["theta"]
    theirs = influence(pair.scenario(0.9, 0.4, samples=None)).matrix["theta"]
    assert own[["theta", "phi"]].to_numpy() == pytest.approx(theirs[["theta", "phi"]].to_numpy(), rel=1e-9)


def test_tables_and_figure_are_made_of_a_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With as many networks as a test has time for, harm to phi is too rare for boxes: so it is of theta alone."""
    monkeypatch.setattr(when_backfire, "EFFECTS", {"M[theta, theta] < 0": ("theta on itself", "backfires on theta")})
    indices, boxes = when_backfire.main(["--points", "8", "--method", "tree", "--out", str(tmp_path)])
    assert set(indices["parameter"]) == set(when_backfire.BOUNDS) and set(indices["index"]) == {"first", "total"}
    assert boxes["density"].gt(0.5).all() and drawn(tmp_path / "when_backfire.png")
    assert len(pd.read_csv(tmp_path / "when_backfire.csv")) == 10


def test_what_is_committed_is_what_the_docstring_says() -> None:
    table = pd.read_csv(HERE / "when_backfire.csv")
    total = table[table["index"] == "total"].set_index(["name", "parameter"])["value"]
    words = " ".join((when_backfire.__doc__ or "").split())
    for name in ("theta on itself", "theta on phi"):
        strongest = total[name].idxmax()
        assert f"{total[name].max():.0%}".replace("%", " %") in words and strongest in words
    boxes = pd.read_csv(HERE / "when_backfire_boxes.csv").query("box == 0").drop_duplicates("condition")
    assert len(boxes) == 2
    for row in boxes.to_dict("records"):
        assert f"{100 * row['density']:.0f} %" in words and f"{100 * row['coverage']:.0f} %" in words
