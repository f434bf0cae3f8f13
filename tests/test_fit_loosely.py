"""What a fit says of numbers that are hardly told, and of pairs told apart badly."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ecosystem import Flow, Linear, Location, Member, Scenario, Shift
from ecosystem.decisions import Fit, fit
from ecosystem.decisions.loosely import alike, wide


def fitted(noise: float, rounds: int = 20) -> Fit:
    s = Scenario("loop", rounds=rounds)
    s.add("a", Member(Location([0.0]), reward=Linear([1.0]), curator=Shift([1.0]), real=Location([0.0])))
    s.connect("a", "a", Flow(raw=0.3, curated=0.3))
    return fit(s, s.with_curation("a", 0.45).run(), ["curated(a->a)", "raw(a->a)"], noise=noise, starts=1)


def test_intervals_are_cut_at_their_bounds_and_said_to_be_wide() -> None:
    loose, tight = fitted(3.0), fitted(1e-4)
    name = loose.names[0]
    table = loose.estimates.set_index("parameter")
    row = table.loc[name]
    assert row["estimate"] - loose.quantile() * row["error"] < 0 == row["low"]
    assert row["note"] == "profile it"
    said = loose.verdicts.query("verdict == 'wide'")["sentence"]
    assert any(text.startswith(f"{name} is hardly told") and f"fit.profile({name!r})" in text for text in said)
    assert "wide" not in set(tight.verdicts["verdict"]) and set(tight.estimates["note"]) == {""}
    assert np.allclose(
        tight.estimates["high"] - tight.estimates["estimate"], tight.quantile() * tight.estimates["error"]
    )


@pytest.mark.parametrize("rounds", [2, 3, 20])
def test_pairs_are_named_where_they_are_correlated(rounds: int) -> None:
    found = fitted(1e-3, rounds)
    one, other = found.names
    errors = np.sqrt(np.diag(found.covariance))
    value = float(found.covariance.iloc[0, 1] / errors.prod())
    said = found.verdicts.query("verdict == 'alike'")["sentence"].tolist()
    assert said == ([f"{one} and {other} are told apart badly: correlation {value:.3f}."] * (abs(value) > 0.95))


def test_of_many_pairs_those_most_alike_are_named() -> None:
    """Eight numbers that nearly move as one: 28 pairs."""
    names = list("abcdefgh")
    spread = np.eye(8) * np.linspace(1e-4, 2e-2, 8) + 1.0
    said = alike(pd.DataFrame(spread, names, names))
    assert [kind for kind, _ in said] == ["alike"] * 7
    assert said[0][1].startswith("a and b are told apart badly") and said[-1][1].startswith("So are 22 more pairs")
    assert not alike(pd.DataFrame(np.eye(8), names, names))


def test_a_number_near_nothing_is_told_well_by_a_small_interval() -> None:
    table = pd.DataFrame({"parameter": ["share", "strength"], "estimate": 0.001, "error": 0.005, "note": ""})
    table = table.assign(low=table["estimate"] - 0.01, high=table["estimate"] + 0.01)
    said = wide(table, 2.0, {"share": 1.0, "strength": 0.1})
    assert len(said) == 1 and said[0][1].startswith("strength is hardly told")
    assert len(wide(table, 2.0, {"share": 0.1, "strength": np.inf})) == 2
