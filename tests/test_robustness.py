"""Networks of users with drawn tastes: influence against central differences, and whose choice it is that backfires."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

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
