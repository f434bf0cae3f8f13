"""Networks of users with drawn tastes: influence against central differences, and whose choice it is that backfires."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from analysis import robustness
from ecosystem.influence import influence, stable_point
from scenarios.robustness import first_tastes, scenario


@pytest.mark.parametrize("drift", [0.0, 0.2])
@pytest.mark.parametrize("chosen_by", ["consumer", "producer"])
def test_a_models_own_curation_backfires_where_writers_users_choose(
    chosen_by: Literal["consumer", "producer"], drift: float
) -> None:
    """And the effects are those of central differences of stable points."""
    here, source, step = scenario(members=3, coupling=0.8, tastes=2, drift=drift, chosen_by=chosen_by), "m2", 1e-5
    found = influence(here).matrix
    assert (found.loc[source, source] < 0) == (chosen_by == "producer")
    level = here.curation(source)
    low, high = (stable_point(here.with_curation(source, level + d)).alignment for d in (-step, step))
    exact = (high - low) / (2 * step)
    assert found[source].to_numpy() == pytest.approx(exact[found.index].to_numpy(), rel=1e-4, abs=1e-8)


@pytest.mark.parametrize("members", [5, 8])
def test_alignment_by_tastes_that_move_is_curved_and_has_no_kink(members: int) -> None:
    """``J = w p`` in which both move was refused where its slope was small beside its curvature."""
    more = {"temperature": 0.76, "real": 0.31, "agreement": 0.663, "tastes": 107}
    here = scenario(members, "path", 0.618, 0.097, 2, drift=0.00264, **more)
    found = influence(here).matrix["m0"]
    level = here.curation("m0")
    low, high = (stable_point(here.with_curation("m0", level + d)).alignment for d in (-1e-5, 1e-5))
    assert found.to_numpy() == pytest.approx(((high - low) / 2e-5)[found.index].to_numpy(), rel=1e-4, abs=1e-7)


def test_tastes_are_of_length_one_and_sum_to_nothing() -> None:
    wanted = first_tastes(5, 3).numpy()
    assert (wanted**2).sum(1) == pytest.approx(np.ones(5)) and wanted.sum(1) == pytest.approx(np.zeros(5), abs=1e-12)


def test_the_map_counts_networks_in_which_somebody_backfires_or_harms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(robustness, "BOUNDS", robustness.BOUNDS | {"members": range(2, 5), "candidates": 2})
    results = robustness.solved(2, tmp_path, workers=0)
    table, shares = results["effects"].set_index("point"), robustness.told(results).set_index("name")
    assert len(table) == len(results.points) and shares["networks"].eq(len(table)).all()
    for name in robustness.ASKED:
        assert shares.at[name, "share"] == (table[name] > 0).mean() and shares.at[name, "mean"] == table[name].mean()
        assert 0 <= shares.at[name, "low"] <= shares.at[name, "high"] <= 1
    for point, parameters in results.points.set_index("point").iterrows():
        found = influence(scenario(**parameters.to_dict()))
        for when, matrix in (("", found.matrix), ("_soon", found.after(10))):
            values = matrix.to_numpy()
            own = np.diag(values)
            others = [values[j, k] for j in range(len(own)) for k in range(len(own)) if j != k]
            assert table.at[point, f"backfires{when}"] == (own < -1e-9).mean()
            assert table.at[point, f"harms{when}"] == np.mean([value < -1e-9 for value in others])
