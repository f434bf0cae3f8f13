"""Whole numbers of NumPy, as they stand in tables: taken as Python's own wherever a number is given."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ecosystem import (
    BestOf,
    Checkpoints,
    Flow,
    FlowMatching,
    Freeze,
    HoldThenDecay,
    Linear,
    Location,
    Luce,
    Member,
    Record,
    Scenario,
    Training,
    at,
    every,
    subsample,
    window,
)
from ecosystem.core.check import whole_number
from ecosystem.core.identity import digest
from ecosystem.decisions import allocate


def loop(rounds: Any = 3, samples: Any = 5, k: Any = 4) -> Scenario:
    s = Scenario("loop", rounds=rounds, samples=samples)
    s.add("a", Member(Location([0.0]), reward=Linear([1.0]), curator=Luce(k), real=Location([0.0])))
    s.connect("a", "a", Flow(raw=0.3, curated=0.2, delay=k - k))
    return s


MAKERS: dict[str, Callable[[Any], Any]] = {
    "Luce": Luce,
    "BestOf": BestOf,
    "window": window,
    "subsample": subsample,
    "every": every,
    "at": lambda n: at(n, n),
    "HoldThenDecay": HoldThenDecay,
    "Training": lambda n: Training(steps=n, batch_size=n),
    "FlowMatching": lambda n: FlowMatching(n, hidden=n, depth=n, steps=n, seed=n),
    "Flow": lambda n: Flow(raw=0.1, delay=n),
    "Record": lambda n: Record(every=n, samples=n),
    "Checkpoints": lambda n: Checkpoints("x", every=n, keep=n),
}


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS.keys())
def test_what_is_made_with_them_is_the_same(maker: Callable[[Any], Any]) -> None:
    ours, theirs = maker(3), maker(np.int64(3))
    assert digest(ours) == digest(theirs) and repr(ours) == repr(theirs)


def test_a_scenario_and_its_run_are_the_same(tmp_path: Any) -> None:
    """Settings are written as JSON, which knows no numbers but Python's."""
    four = np.arange(6)[4]
    ours, theirs = loop(4, 4, 4), loop(four, four, four)
    ours.at(2, Freeze("a"))
    theirs.at(np.int32(2), Freeze("a"))
    runs = ours.run(replicates=4, seed=4), theirs.replace(rounds=four).run(replicates=four, seed=four)
    assert runs[0].rounds.equals(runs[1].rounds)
    settings = [json.dumps({**run.settings, "seconds": 0}, sort_keys=True) for run in runs]
    assert settings[0] == settings[1]
    runs[1].save(tmp_path / "run")
    assert allocate(theirs.replace(interventions={}), 0.3, starts=np.int64(1)).welfare.equals(
        allocate(ours.replace(interventions={}), 0.3, starts=1).welfare
    )


def test_where_a_number_is_not_at_a_door_the_mend_is_named() -> None:
    with pytest.raises(ValueError, match=r"at least 0 and one of Python's own \(write int\(20\)\), got 20"):
        whole_number(np.int64(20), "hops(most)", 0)
    with pytest.raises(ValueError, match=r"Scenario\(rounds\) must be a whole number, at least 0, got True"):
        Scenario("x", rounds=np.bool_(True))
    with pytest.raises(ValueError, match=r"Luce\(k\).*got 0"):
        Luce(np.int64(0))
