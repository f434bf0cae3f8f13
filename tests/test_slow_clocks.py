"""Clocks that hardly ring, beside the exact exponent of a member that reads itself: γ = (1 − e^{−rate}) log b."""

import math

import pytest

from ecosystem import Flow, Linear, Location, Member, Scenario, every, poisson
from ecosystem.influence import stability


def reader(schedule, share=0.5):
    s = Scenario("reader", rounds=3)
    s.add("quick", Member(Location([0.0]), reward=Linear([1.0]), real=Location([1.0])))
    s.add("a", Member(Location([0.0]), reward=Linear([1.0]), real=Location([1.0]), schedule=schedule))
    s.connect("quick", "quick", Flow(raw=0.2))
    s.connect("quick", "a", Flow(raw=0.1))
    if share:
        s.connect("a", "a", Flow(raw=share))
    return s


@pytest.mark.parametrize("rate", [2.0, 0.3, 0.02])
def test_the_rate_of_a_poisson_clock(rate):
    row = stability(reader(poisson(rate))).table.iloc[0]
    exact = math.exp(-math.expm1(-rate) * math.log(0.5))
    assert abs(row["rate"] - exact) < 4 * row["error"] and 0 < row["error"] < 0.01 and row["settles"]


@pytest.mark.parametrize("schedule, share", [(poisson(1e-5), 0.5), (every(6000), 0.0)])
def test_a_clock_that_did_not_ring_has_no_rate(schedule, share):
    """It was "rate 1 ± 0, does not settle", as if nobody ever retrained: the truth is ``b^{1/6000}``, or 0."""
    found = stability(reader(schedule, share))
    row = found.table.iloc[0]
    assert math.isnan(row["rate"]) and math.isnan(row["error"]) and math.isnan(row["left"])
    assert found.note == "'a' retrained in none of the 3,960 rounds that were looked at"
    assert "was not seen to settle" in repr(found) and "measured only: not within 5,000 rounds" in repr(found)
