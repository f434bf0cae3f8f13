"""What a fit says of numbers that are hardly told, and of pairs told apart badly."""

from __future__ import annotations

import numpy as np
import pytest

from ecosystem import Flow, Linear, Location, Member, Scenario, Shift
from ecosystem.decisions import Fit, fit


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
