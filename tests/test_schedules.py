"""Schedules: in which rounds a member is due, for many members at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ecosystem import Flow, Location, Member, Scenario, Stream, at, every, never, poisson
from ecosystem.core.stacking import stack
from ecosystem.schedules import Schedule, as_schedule

RNG = Stream.root([(0, 0)])[0]


def rounds_of(schedule: Schedule, last: int = 12, rng: Stream = RNG) -> list[int]:
    return [round for round in range(1, last + 1) if bool(schedule.due(round, rng).all())]


def test_by_hand() -> None:
    assert rounds_of(every(1)) == list(range(1, 13))
    assert rounds_of(every(3)) == [1, 4, 7, 10]
    assert rounds_of(every(2)) == [1, 3, 5, 7, 9, 11] and rounds_of(every(2, start=1)) == [2, 4, 6, 8, 10, 12]
    assert rounds_of(every(4, start=5)) == [6, 10]
    assert rounds_of(at(5, 2, 5, 40)) == [2, 5] and rounds_of(at()) == []
    assert rounds_of(never) == []


@settings(max_examples=50, deadline=None)
@given(period=st.integers(1, 9), start=st.integers(0, 20))
def test_periods_and_phases(period: int, start: int) -> None:
    assert rounds_of(every(period, start), 60) == list(range(start + 1, 61, period))


def test_a_stack_answers_for_all_members() -> None:
    many = stack([every(1), every(2), every(2, start=1), every(3, start=4)])
    due = torch.stack([many.due(round, RNG) for round in range(1, 9)], 1)
    assert due.dtype == torch.bool and due.shape == (4, 8)
    for i, one in enumerate([every(1), every(2), every(2, start=1), every(3, start=4)]):
        assert (due[i].nonzero().flatten() + 1).tolist() == rounds_of(one, 8)
    assert at(2).kind() != at(3).kind() and at(2, 3).kind() == at(3, 2).kind()


@pytest.mark.parametrize("rate", [0.1, 1.0, 3.0])
def test_a_poisson_clock_rings_at_its_rate(rate: float) -> None:
    """Due with probability ``1 − e^{−rate}``, independently in rounds and replicates (binomial test, p > 1e-4)."""
    streams = Stream.root([(0, r) for r in range(500)])
    due = torch.stack([poisson(rate).due(round, streams) for round in range(1, 81)])
    assert due.shape == (80, 500)
    chance = 1 - math.exp(-rate)
    assert stats.binomtest(int(due.sum()), due.numel(), chance).pvalue > 1e-4
    both = int((due[1:] & due[:-1]).sum())
    assert stats.binomtest(both, due[1:].numel(), chance**2).pvalue > 1e-4


def test_poisson_clocks_are_addressed() -> None:
    streams = Stream.root([(0, 0), (0, 1)])
    rates = stack([poisson(0.3), poisson(0.9)])
    for round in range(1, 40):
        together = rates.due(round, streams)
        assert together.tolist() == [
            bool(poisson(0.3).due(round, streams[0])),
            bool(poisson(0.9).due(round, streams[1])),
        ]
    often, rare = (set(rounds_of(poisson(rate), 200)) for rate in (2.0, 0.2))
    assert rare < often  # the same luck at another rate


def test_which_schedules_draw() -> None:
    assert poisson(1.0).random and as_schedule(lambda round, rng: True).random
    assert not every(2).random and not at(1).random and not never.random


def test_any_callable_is_a_schedule() -> None:
    def primes(round: int, rng: Stream) -> bool:
        return round in (2, 3, 5, 7, 11)

    assert rounds_of(as_schedule(primes)) == [2, 3, 5, 7, 11] and repr(as_schedule(primes)) == "primes"
    luck = as_schedule(lambda round, rng: rng.at(round).uniform(1).squeeze(-1) < 0.5)
    assert luck.due(1, Stream.root([(0, r) for r in range(7)])).shape == (7,)
    assert as_schedule(never) is never

    s = Scenario("primes", rounds=6)
    s.add("a", Member(Location([1.0]), schedule=primes))
    s.connect("a", "a", Flow(raw=1.0, transform=torch.nn.Identity()))
    table = s.replace(samples=3).run().rounds
    assert table[table["updated"]]["round"].tolist() == [2, 3, 5]


def test_schedules_read_well() -> None:
    schedules = [every(2), every(2, start=1), at(3, 1), poisson(0.25), never]
    assert [repr(s) for s in schedules] == ["every(2)", "every(2, start=1)", "at(1, 3)", "poisson(0.25)", "never"]
    assert repr(stack([every(1), every(2)])) == "every(...)"


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: every(0), ValueError, r"every\(period\) must be a whole number, at least 1, got 0"),
        (lambda: every(1.5), ValueError, r"every\(period\) must be a whole number, at least 1, got 1.5"),
        (lambda: every(True), ValueError, r"every\(period\) must be a whole number"),
        (lambda: every(2, start=-1), ValueError, r"every\(start\) must be a whole number, at least 0, got -1"),
        (lambda: at(3, 0), ValueError, r"at\(\*rounds\) must be a whole number, at least 1, got 0"),
        (lambda: at("3"), ValueError, r"at\(\*rounds\) must be a whole number, at least 1, got '3'"),
        (lambda: poisson(0.0), ValueError, r"poisson\(rate\) must be a positive number of rings a round, got 0.0"),
        (lambda: poisson(-1), ValueError, r"poisson\(rate\) must be a positive number of rings a round, got -1"),
        (lambda: poisson(math.inf), ValueError, r"poisson\(rate\) must be a positive number .* got inf"),
        (lambda: poisson(math.nan), ValueError, r"poisson\(rate\) must be a positive number .* got nan"),
        (lambda: poisson([1.0, 2.0]), ValueError, r"poisson\(rate\) must be a positive number .* got \[1.0, 2.0\]"),
        (
            lambda: as_schedule(3),
            TypeError,
            r"a schedule is every\(...\), at\(...\), .*, never or .* got 3",
        ),
    ],
)
def test_refusals(make, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("schedule", [every, poisson, at])
def test_a_schedule_without_its_numbers_is_refused(schedule) -> None:
    with pytest.raises(TypeError, match=r"a schedule is"):
        Member(Location([1.0]), schedule=schedule)


@pytest.mark.parametrize("given", ["no", None, math.nan, [True] * 7, 3, ZeroDivisionError("by hand")])
@pytest.mark.parametrize("draws", [True, False])
def test_schedules_of_ones_own_class_are_refused_by_name(given, draws: bool) -> None:
    """What a subclass said was used as it came: an AttributeError of torch's, or one about shapes nobody gave."""

    @dataclass(frozen=True, eq=False, repr=False)
    class Mine(Schedule):
        def due(self, round, rng):
            if isinstance(given, Exception):
                raise given
            return given

        def __repr__(self) -> str:
            return "Mine()"

    Mine.random = draws
    s = Scenario("mine", rounds=2, samples=2)
    s.add("a", Member(Location([1.0]), real=Location([0.0]), schedule=Mine()))
    said = "(must return True or False .* in round 1|in round 1 fails: (ZeroDivisionError: by hand|.*))"
    with pytest.raises(ValueError, match=rf"the schedule Mine\(\) {said}"):
        s.run()


def test_a_schedule_of_ones_own_class_may_say_a_bool() -> None:
    @dataclass(frozen=True, eq=False)
    class Third(Schedule):
        random = False

        def due(self, round, rng):
            return round % 3 == 0

    s = Scenario("third", rounds=6)
    s.add("a", Member(Location([1.0]), real=Location([0.0]), schedule=Third()))
    table = s.run().rounds
    assert table[table["updated"]]["round"].tolist() == [3, 6]
