"""Rings in which everybody copies the one before: they turn for ever, whatever rounding makes of a rate of 1."""

import pytest

from ecosystem import Flow, Linear, Location, Member, Scenario
from ecosystem.influence import stability


@pytest.mark.parametrize("size", [2, 3, 5, 6, 7])
def test_a_ring_of_copies_never_settles(size):
    s = Scenario("ring", rounds=3)
    for i in range(size):
        s.add(f"m{i}", Member(Location([float(i * i)]), reward=Linear([1.0])))
    for i in range(size):
        s.connect(f"m{(i - 1) % size}", f"m{i}", Flow(raw=1.0))
    found = stability(s)
    assert found.radius == pytest.approx(1, abs=1e-12)
    assert not found.settles
    assert not found.certified
    assert found.table["predicted"].isna().all()
