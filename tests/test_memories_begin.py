"""Members of one kind share the tensors of what retention keeps; each of them begins with nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from ecosystem import (
    Ecosystem,
    Flow,
    Freeze,
    Linear,
    Location,
    Member,
    ModelAgent,
    Scenario,
    Thaw,
    accumulate,
    at,
    every,
    fade,
    poisson,
    refresh,
    shuffled,
    synchronous,
    window,
)
from ecosystem.retention import Memory, Retention


@dataclass(frozen=True)
class smoothed(Retention):
    """One of a user's own: of nothing kept it makes what is fresh."""

    def pool(self, memory: Memory, fresh):
        last = memory.get("last", fresh)
        return (last + fresh) / 2, {"last": (last + fresh) / 2, "seen": memory.get("seen", fresh * 0 + 1) * 1}


class Own(ModelAgent):
    """It takes its turns itself: replicates are then played order by order."""

    def gather(self):
        return super().gather()


KEPT = [fade(0.3), refresh(0.4), smoothed(), window(2), accumulate()]
CLOCKS = {
    "two phases": lambda i: every(2, i % 2),
    "one after the other": lambda i: every(1, i),
    "once": lambda i: at(1 + i, 6),
    "random": lambda i: poisson(0.4),
}


def still(kept: Retention, clock: str, ordering=synchronous, **settings) -> Scenario:
    """Everybody is where their real data are, and stays there whatever they remember."""
    s = Scenario("still", rounds=9, ordering=ordering)
    for i, name in enumerate("abc"):
        s.add(
            name,
            Member(
                Location([10.0]),
                reward=Linear([1.0]),
                real=Location([10.0]),
                retention=kept,
                schedule=CLOCKS[clock](i),
                **settings,
            ),
        )
    s.add("clock", Member(Location([10.0]), reward=Linear([1.0]), real=Location([10.0]), schedule=poisson(60.0)))
    s.connect("a", "b", Flow(raw=0.5))
    s.connect("b", "c", Flow(raw=0.3, delay=1))
    return s


@pytest.mark.parametrize("kept", KEPT, ids=repr)
@pytest.mark.parametrize("clock", CLOCKS)
def test_who_begins_later_begins_with_nothing(kept: Retention, clock: str) -> None:
    """A memory that others of the kind had begun was full of zeros: 3.0 for 10."""
    for ordering in (synchronous, shuffled):
        run = still(kept, clock, ordering).run(seed=3, replicates=5)
        assert np.allclose(run.rounds["alignment"], 10, rtol=1e-14), (clock, ordering)


@pytest.mark.parametrize("kept", KEPT, ids=repr)
def test_who_joins_thaws_or_takes_its_own_turns_begins_with_nothing(kept: Retention) -> None:
    late = still(kept, "random", shuffled, agent=Own)
    late.add("d", Member(Location([10.0]), reward=Linear([1.0]), real=Location([10.0]), retention=kept), joins=4)
    late.at(1, Freeze("c"))
    late.at(5, Thaw("c"))
    rounds = late.run(seed=1, replicates=4).rounds
    assert np.allclose(rounds["alignment"].dropna(), 10, rtol=1e-14)
    assert rounds.query("member == 'd' and round < 4")["alignment"].isna().all()


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_a_faded_mean_by_hand(share: float) -> None:
    """``m ← fresh`` at first, then ``m + share (fresh − m)``; two of a kind, from starts that differ by replicate."""
    s = Scenario("hand", rounds=8)
    for i, name in enumerate("ab"):
        s.add(name, Member(Location([0.0]), real=Location([1.0]), retention=fade(share), schedule=every(2, start=i)))
    s.connect("a", "a", Flow(raw=0.5))
    s.connect("b", "b", Flow(raw=0.25))
    s.add("clock", Member(Location([0.0]), real=Location([0.0]), schedule=poisson(60.0)))
    eco = Ecosystem(s, seeds=[(0, r) for r in range(3)])
    starts = np.array([-4.0, 0.5, 9.0])
    for name in "ab":
        eco[name].generator = Location.many(starts.reshape(3, 1))
    eco.run()
    for name, raw in (("a", 0.5), ("b", 0.25)):
        x, kept = starts, None
        for _ in range(4):
            fresh = raw * x + 1 - raw
            kept = fresh if kept is None else kept + share * (fresh - kept)
            x = kept
        assert np.allclose(eco[name].generator.mean.ravel(), x, rtol=1e-13)
