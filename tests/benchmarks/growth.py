"""What must not grow: late changes of mind and many at once, a join among many members, the check of a long order."""

from __future__ import annotations

from time import perf_counter

from ecosystem import BestOf, Ecosystem, Flow, Linear, Location, Luce, Member, ModelAgent, Scenario, sequential
from tests.benchmarks.timing import Row, in_turn, times_as_long

FEW, MANY, NAMES = 200, 2_000, 3_000
EARLY, LATE = slice(10, 50), slice(250, 290)  # rounds


class Fickle(ModelAgent):
    """Another kind of curator every round."""

    def decide(self) -> None:
        turn = int(self.model.steps)
        self.set_curator(BestOf(2) if turn % 2 else Luce(2, 1.0 + turn), reward=lambda x: turn * x[..., 0])


def minds() -> Row:
    """Rounds in which somebody changes its mind, the fastest of those late in a run and of those early in it."""
    s = Scenario("fickle", rounds=LATE.stop, samples=8)
    taste, data = Linear([1.0]), Location([0.0])
    s.add("a", Member(Location([0.0]), reward=taste, curator=Luce(2), real=data, agent=Fickle))
    s.add("b", Member(Location([1.0]), real=data))
    s.connect("a", "a", Flow(raw=0.3, curated=0.3))
    s.connect("a", "b", Flow(raw=0.3, curated=0.3))
    eco, seconds = Ecosystem(s), []
    for _ in range(s.rounds):
        begin = perf_counter()
        eco.step()
        seconds.append(perf_counter() - begin)
    return times_as_long("set_curator each round: rounds 250–290 / 10–50", 1.5, seconds[LATE], seconds[EARLY])


class Converted(ModelAgent):
    """Another kind of curator in its third round."""

    def decide(self) -> None:
        if self.model.steps == 3:
            self.set_curator(BestOf(2))


def converted(members: int) -> float:
    """Seconds of a round in which all members change to another kind of users."""
    s, taste, data = Scenario("converted", rounds=3), Linear([1.0]), Location([0.0])
    for i in range(members):
        s.add(str(i), Member(Location([0.0]), reward=taste, curator=Luce(2), real=data, agent=Converted))
    for i in range(members):
        for step in (1, 2, 3):
            s.connect(str(i), str((i + step) % members), Flow(raw=0.1, curated=0.1))
    eco = Ecosystem(s)
    eco.step(), eco.step()
    begin = perf_counter()
    eco.step()
    return perf_counter() - begin


def joins(members: int) -> Ecosystem:
    """One member more in each round, who reads the one before."""
    s = Scenario("joins", rounds=members)
    s.add("0", Member(Location([0.0]), real=Location([1.0])))
    for i in range(1, members):
        s.add(str(i), Member(Location([0.0]), real=Location([1.0])), joins=i)
        s.connect(str(i - 1), str(i), Flow(raw=0.5))
    return Ecosystem(s)


def measure() -> list[Row]:
    large, small = joins(MANY), joins(FEW)
    rounds = in_turn(large.step, small.step, repetitions=40)
    names = [str(i) for i in range(10 * NAMES)]
    orders = sequential(*names), sequential(*names[:NAMES])
    checks = in_turn(lambda: orders[0].check(names), lambda: orders[1].check(names[:NAMES]), repetitions=10)
    return [
        minds(),
        times_as_long("all members change to another kind of users: 800 / 100", 12, [converted(800)], [converted(100)]),
        times_as_long(f"a round in which somebody joins: {MANY:,} members / {FEW}", MANY / FEW, *rounds),
        times_as_long(f"sequential(...) checked: {10 * NAMES:,} names / {NAMES:,}", 30, *checks),
    ]
