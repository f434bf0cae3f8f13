"""Memories and clocks of one's own: analyses follow whatever they are, or say that they cannot."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ecosystem import (
    Categorical,
    Ecosystem,
    Flow,
    GenerativeModel,
    Linear,
    LinearMap,
    Location,
    Member,
    Record,
    Scenario,
    accumulate,
    at,
    every,
    fade,
    never,
    refresh,
    replace,
    sequential,
    subsample,
    window,
)
from ecosystem.core.samples import concatenated
from ecosystem.influence import influence, stability, stable_point
from ecosystem.retention import Memory, Retention
from ecosystem.schedules import Schedule, as_schedule
from tests.test_stability import network, radius


@dataclass(frozen=True)
class fading(Retention):
    """Exponential forgetting: the past counts by its weight, in a memory of its own."""

    weight: float

    def pool(self, memory: Memory, fresh):
        past = self.weight * memory.get("sum", fresh) + (1 - self.weight) * fresh
        return past, {"sum": past}


@dataclass(frozen=True)
class cold(Retention):
    """The same from nothing, with the weights added up beside it."""

    weight: float

    def pool(self, memory: Memory, fresh):
        total = self.weight * memory.get("total", torch.zeros_like(fresh)) + fresh
        mass = self.weight * memory.get("mass", torch.zeros_like(fresh[..., :1])) + 1
        return total / mass, {"total": total, "mass": mass}


def companion(matrix, weight: float) -> float:
    """State (Θ, memory): ``m' = w m + (1−w)(B θ + c)``, ``θ' = m'``."""
    b, eye = (1 - weight) * np.asarray(matrix), weight * np.eye(len(matrix))
    return radius(np.block([[b, eye], [b, eye]]))


# -- retention ---------------------------------------------------------------------------------------------------------


def test_exponential_forgetting_settles_at_its_own_rate() -> None:
    """It was 0.5 in 20 rounds, as if nothing were remembered; it is ``.9 + .1 · .5``, and playing agrees."""
    result = stability(network([[0.5]], retention=fading(0.9)))
    row = result.table.iloc[0]
    assert row["rate"] == pytest.approx(0.95, rel=1e-9) and result.settles and not result.note
    assert row["predicted"] == math.ceil(math.log(1e-6) / math.log(0.95))
    first = 0.1 * 0.5  # a change of the parameters alone: the memory knows nothing of it
    assert row["measured"] == 1 + math.ceil(math.log(1e-6 / first) / math.log(0.95))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.floats(0.0, 0.95), st.sampled_from([fading, cold]))
@example(0, 3.186463213515761e-168, fading)  # eigenvalues did not converge
def test_any_memory_is_part_of_the_state(seed: int, weight: float, kind) -> None:
    matrix = np.random.default_rng(seed).uniform(-0.9, 0.9, (2, 2)).tolist()
    rate = stability(network(matrix, retention=kind(weight)), tolerance=0.1).table["rate"].iloc[0]
    assert rate == pytest.approx(companion(matrix, weight), rel=1e-6, abs=1e-7)


def test_memories_under_sequential_orders_and_clocks() -> None:
    """Sequential: one member after the other, each with its memory: a product of steps in the wider state."""
    matrix, weight = np.array([[0.3, 0.5], [0.6, -0.2]]), 0.7
    steps = []
    for i in range(2):  # of (a, b, memory of a, memory of b)
        step = np.eye(4)
        step[2 + i, :2] = (1 - weight) * matrix[i]
        step[2 + i, 2 + i] = weight
        step[i] = step[2 + i]
        steps.append(step)
    s = network(matrix.tolist(), retention=fading(weight))
    rates = stability(s, [sequential("a", "b")]).table["rate"]
    assert rates[1] == pytest.approx(radius(steps[1] @ steps[0]), rel=1e-9)
    clocked = network(matrix.tolist(), retention=fading(weight), schedules=[every(1), every(2, start=1)])
    together = steps[0].copy()
    together[[1, 3]] = steps[1][[1, 3]]
    expected = math.sqrt(radius(together @ steps[0]))
    assert stability(clocked).table["rate"].iloc[0] == pytest.approx(expected, rel=1e-9)


def test_the_window_as_a_memory_of_ones_own() -> None:
    """Other names, a list in place of a block: the same rate as the built-in."""

    @dataclass(frozen=True)
    class two(Retention):
        def pool(self, memory: Memory, fresh):
            last = memory.get("last", fresh)
            return (fresh + last) / 2, {"last": fresh, "steps": memory.get("steps", fresh[..., :1].long() * 0)}

    for b in (-1.7, 0.6):
        own, built_in = (stability(network([[b]], retention=r)).table["rate"].iloc[0] for r in (two(), window(2)))
        assert own == pytest.approx(built_in, rel=1e-12)


@pytest.mark.parametrize("kept", [window(3), fading(0.6)], ids=repr)
def test_who_never_retrains_has_no_memory_that_could_change(kept: Retention) -> None:
    """A window of a member that stands still counted as a change that never fades: "rate 1, does not settle"."""
    matrix, schedules = [[0.0, 0.4, 0.1], [0.0, 0.0, 0.3], [0.0, 0.5, 0.2]], [never, every(1), every(1)]
    moving = network([[0.0, 0.3], [0.5, 0.2]], retention=kept)
    whole = network(matrix, retention=kept, schedules=schedules)
    own, alone = (stability(s, [sequential(*s.names)]).table["rate"] for s in (whole, moving))
    assert own.tolist() == pytest.approx(alone.tolist(), rel=1e-9) and own.max() < 1


@dataclass(frozen=True)
class everything(Retention):
    """The built-in ``accumulate`` as one's own, which may say so."""

    def pool(self, memory: Memory, fresh):
        return accumulate().pool(memory, fresh)


@dataclass(frozen=True)
class frank(everything):
    averages = True


@dataclass(frozen=True)
class counted(Retention):
    """The newest data, and an integer that counts rounds."""

    def pool(self, memory: Memory, fresh):
        return fresh, {"count": memory.get("count", torch.zeros(fresh.shape[:-1], dtype=torch.int64)) + 1}


@dataclass(frozen=True)
class leaking(Retention):
    """Its weights add up to 0.9."""

    def pool(self, memory: Memory, fresh):
        past = 0.5 * memory.get("past", 0 * fresh) + 0.45 * fresh
        return past, {"past": past}


def test_what_does_not_come_to_rest_is_measured_only() -> None:
    """No rate is better than a wrong one; what it says of itself gives the law of the built-in."""
    result = stability(network([[0.5]], retention=everything()), tolerance=0.1)
    row = result.table.iloc[0]
    assert np.isnan([row["rate"], row["exponent"], row["predicted"]]).all() and result.settles
    assert row["measured"] == 32  # (1/2)(3/4)(5/6)... ≈ 1/√(π t), below 0.1
    assert "measured only" in repr(result) and "everything() goes on changing" in result.note
    assert "averages = True" in result.note
    own, built_in = (stability(network([[0.5]], retention=r), tolerance=0.1).table for r in (frank(), accumulate()))
    assert own.equals(built_in)
    assert math.isnan(stability(network([[0.5]], retention=counted())).table["rate"].iloc[0])
    for ask in (stability, stable_point, influence):
        with pytest.raises(ValueError, match=r"leaking\(\) changes a statistic that stands still"):
            ask(network([[0.5]], retention=leaking()))


def test_what_a_child_overrides_is_what_it_is() -> None:
    """``replace`` remembers nothing, ``subsample`` keeps lots beside its data, ``accumulate`` averages: not a child."""

    class Thinned(replace):
        def keep(self, kept, fresh, rng):
            return [*kept, fresh[::2]]

    class Halves(subsample):
        def keep(self, kept, fresh, rng):
            return [*kept, fresh[: self.n]]

    class Doubling(accumulate):
        def pool(self, memory, fresh):
            return fresh, {}

    assert Thinned().remembers and Thinned().on_data and not Doubling().averages and not Halves(1).averages
    assert not fading(0.5).on_data and not Doubling().on_data and subsample(3).on_data
    s = Scenario("thinned", rounds=3, samples=4)
    s.add("a", Member(Location([0.0]), real=torch.arange(8.0).reshape(-1, 1), retention=Thinned()))
    s.add("b", Member(Location([0.0]), real=torch.arange(8.0).reshape(-1, 1), retention=Halves(2)))
    sources = s.run(record=Record(sources=True)).sources
    assert sources.groupby(["member", "round"])["count"].sum().unstack().to_numpy().tolist() == [[2, 4, 6], [2, 4, 6]]
    with pytest.raises(ValueError, match=r"the retention .*Thinned\(\), which has no method pool.*samples=n"):
        s.replace(samples=None).run()

    class Nothing(Retention):
        pass

    class Memorable(GenerativeModel):
        event_shape = (1,)

        def sample(self, n, rng):
            return rng.normal(n, 1)

        def fit(self, data, rng):
            return None

    s = Scenario("data", rounds=1, samples=4)
    for kept in (fading(0.5), fade(0.5)):  # a raw error in the first round
        said = (
            rf"the retention {kept.__class__.__name__}.* of 'a' has no method keep.*, and Memorable is trained on data"
        )
        with pytest.raises(ValueError, match=said):
            s.add("a", Member(Memorable(), retention=kept))
    s.add("a", Member(Memorable(), retention=fading(0.5), schedule=never))
    s.add("b", Member(Memorable(), retention=refresh(0.5)))
    s.connect("a", "b", Flow(raw=1.0))
    assert s.run().failures.empty
    with pytest.raises(
        ValueError, match=r"the retention .*Nothing\(\) of 'c' has no method keep\(kept, fresh, rng\); give"
    ):
        s.add("c", Member(Location([0.0]), retention=Nothing()))
    assert concatenated(Halves(1).keep([], torch.arange(3), None)).tolist() == [0]  # type: ignore[arg-type]


# -- schedules ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class third(Schedule):
    """Due in rounds 3, 6, 9, ...: it says nothing of itself."""

    def due(self, round, rng):
        return torch.tensor(round % 3 == 0)


@dataclass(frozen=True, eq=False)
class periodic(third):
    random = False

    def cycle(self):
        return 1, 3


@dataclass(frozen=True, eq=False)
class wrong(third):
    random = False

    def cycle(self):
        return 1, 2


TRUTH = 0.5 ** (1 / 3)


def test_a_clock_of_ones_own_is_followed() -> None:
    """It was "rate 1.0, does not settle", as if nobody were ever due: the truth is ``b^{1/3}``."""
    built_in = stability(network([[0.5]], schedules=[every(3, start=2)])).table.iloc[0]
    said = stability(network([[0.5]], schedules=[periodic()])).table.iloc[0]
    silent = stability(network([[0.5]], schedules=[third()]))
    assert built_in["rate"] == pytest.approx(TRUTH, rel=1e-12)
    assert said.drop("ordering").equals(built_in.drop("ordering"))
    assert silent.table["rate"].iloc[0] == pytest.approx(TRUTH, rel=1e-6) and silent.settles
    assert silent.table["measured"].iloc[0] == pytest.approx(said["measured"], abs=3)


def test_clocks_beside_each_other() -> None:
    matrix = np.array([[0.3, 0.5], [0.6, -0.2]])
    silent = stability(network(matrix.tolist(), schedules=[every(1), third()])).table.iloc[0]
    said = stability(network(matrix.tolist(), schedules=[every(1), periodic()])).table.iloc[0]
    only_a = np.array([matrix[0], [0.0, 1.0]])
    assert said["rate"] == pytest.approx(radius(matrix @ only_a @ only_a) ** (1 / 3), rel=1e-9)
    assert silent["rate"] == pytest.approx(said["rate"], rel=1e-3)
    with pytest.raises(ValueError, match=r"the schedule of 'b', wrong\(\), says cycle\(\) = \(1, 2\), and round"):
        stability(network(matrix.tolist(), schedules=[every(1), wrong()]))


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 6), st.integers(0, 8))
def test_cycles_of_the_built_in(period: int, start: int) -> None:
    schedule = every(period, start)
    cycle = schedule.cycle()
    assert cycle == (start + 1, period)
    for round in range(cycle[0], cycle[0] + 3 * period):
        assert bool(schedule.due(round, None)) == bool(schedule.due(round + period, None))  # type: ignore[arg-type]


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 3), st.integers(0, 5), st.lists(st.integers(1, 9), max_size=3))
def test_what_stays_is_what_is_said_for_ever(period: int, start: int, rounds: list[int]) -> None:
    for schedule in (every(period, start), at(*rounds), never):
        said = [bool(schedule.due(round, None)) for round in range(1, 40)]  # type: ignore[arg-type]
        for round in range(1, 20):
            assert schedule.stays(round) == (len(set(said[round - 1 :])) == 1)


def test_who_is_due_is_asked_again_until_it_stays_and_when_somebody_changes() -> None:
    """``a`` halves its mean whenever it is due, ``b`` begins in round 3, ``c`` is due in round 2 alone."""
    s = Scenario("late", rounds=8)
    for name, schedule in (("a", every(1)), ("b", every(1, start=2)), ("c", at(2))):
        s.add(name, Member(Location([1.0]), real=Location([0.0]), schedule=schedule))
        s.connect(name, name, Flow(raw=0.5))
    eco, due = Ecosystem(s), []
    for round in range(1, 9):
        if round in (5, 7):
            eco["a"].set_frozen(round == 5)
        eco.step()
        due.append([-math.log2(float(eco[name].generator.mean)) for name in "abc"])
    a, b, c = ([int(x) for x in column] for column in zip(*due, strict=True))
    assert a == [1, 2, 3, 4, 4, 4, 5, 6]
    assert b == [0, 0, 1, 2, 3, 4, 5, 6]
    assert c == [0, 1, 1, 1, 1, 1, 1, 1]


def test_a_child_says_nothing_that_its_parent_said() -> None:
    class Later(every):
        def due(self, round, rng):
            return super().due(round - 5, rng)

    later = Later(2)
    assert later.random and later.cycle() is None and not later.is_never and not later.ends and not later.stays(99)
    assert as_schedule(lambda round, rng: True).random and never.is_never and never.cycle() is None
    point = stable_point(network([[0.5]], schedules=[third()]))
    assert point.found and point.seen == "settles"


def test_one_that_draws_and_says_nothing_draws_for_every_replicate() -> None:
    """It was taken for one that is the same in all of them."""

    @dataclass(frozen=True, eq=False)
    class coin(Schedule):
        def due(self, round, rng):
            return rng.at(round).uniform(1).squeeze(-1) < 0.5

    s = Scenario("coin", rounds=6)
    s.add("a", Member(Location([0.0]), reward=Linear([1.0]), real=Location([1.0]), schedule=coin()))
    s.add("b", Member(Categorical([1.0]), schedule=coin(), real=Categorical([1.0])))
    s.connect("a", "a", Flow(raw=0.5, transform=LinearMap([[1.0]])))
    rounds = s.run(replicates=8).rounds
    updated = rounds.pivot_table(index=["member", "replicate"], columns="round", values="updated").to_numpy()
    assert len(np.unique(updated, axis=0)) > 8
