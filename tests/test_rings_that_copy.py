"""Rings in which everybody copies the one before: they turn for ever, whatever rounding makes of a rate of 1."""

import math

import pytest
import torch

from ecosystem import Flow, Linear, LinearMap, Location, Member, Scenario, Shift
from ecosystem.influence import influence, stability
from ecosystem.influence.certificate import Certificate
from ecosystem.influence.pace import Law

SHIFT = Shift([1.0, 0.0])


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


@pytest.mark.parametrize("turn", range(1, 14))
def test_what_turns_for_ever_is_nowhere_said_to_come_to_rest(turn):
    """A member that copies itself, turned by turn/29 of a circle: its radius is 1, computed 1 or 1 − 1e-16.

    In half of them influence was not formal, as if rounds led to the stable point.
    """
    angle = 2 * math.pi * turn / 29
    c, s = math.cos(angle), math.sin(angle)
    scene = Scenario("turning", rounds=4)
    scene.add("a", Member(Location([1.0, 0.0]), reward=Linear([1.0, 0.0])))
    scene.add("b", Member(Location([0.0, 0.0]), reward=Linear([1.0, 0.0]), curator=SHIFT, real=Location([1.0, 1.0])))
    scene.connect("a", "a", Flow(raw=1.0, transform=LinearMap([[c, -s], [s, c]])))
    scene.connect("a", "b", Flow(raw=0.3))
    scene.connect("b", "b", Flow(curated=0.3))
    found = influence(scene)
    assert found.stability.radius == pytest.approx(1, abs=1e-12)
    assert found.formal.startswith("the stable point does not attract synchronous rounds (spectral radius 1, not")
    assert found.matrix.at["b", "b"] == pytest.approx(1 / 0.7**2) and not found.stability.settles  # x = λ/(1−λ) + 4/7
    assert Law("geometric", found.stability.radius).shrinks is False


def test_a_bound_that_is_one_but_for_rounding_vouches_for_nothing():
    """``1 / (1 − bound)`` of it is 1e16, and made of rounding."""
    for bound in (1 - 2**-53, 1.0, 1 - 1e-14):
        one = Certificate(torch.ones(2, dtype=torch.float64), bound)
        assert one.error(torch.full((2,), 1e-3)) == one.against(torch.full((2,), 1e-3)) == math.inf
    assert Certificate(torch.ones(1, dtype=torch.float64), 0.5).error(torch.tensor([1e-3])) == pytest.approx(2e-3)
