"""A point is the same alone and stacked with others, whatever it is in that the points differ."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from ecosystem import (
    BestOf,
    Categorical,
    Curate,
    Flow,
    Gaussian,
    Linear,
    LinearMap,
    Location,
    Luce,
    Member,
    Record,
    Run,
    Scenario,
    Tabular,
    accumulate,
    every,
    poisson,
    sequential,
    shuffled,
    synchronous,
    window,
)
from ecosystem.orderings import Ordering
from ecosystem.retention import Memory, Retention
from ecosystem.study import Local, Study

VALUES = [0.0, 0.3, 0.8]


def pair(x: float = 0.4, member: dict[str, Any] | None = None, flow: dict[str, Any] | None = None, **settings: Any):
    """Two members that read each other; ``member`` and ``flow`` change one of them."""
    s = Scenario("pair", **{"rounds": 6, "samples": 12, **settings})
    given = {"reward": Linear([1.0, -0.5]), "curator": Luce(3), "real": Location([0.0, 0.0])}
    s.add("a", Member(Location([1.0, 0.0]), **{**given, **(member or {})}))
    s.add("b", Member(Location([0.0, 2.0]), **given))
    s.connect("a", "b", Flow(raw=0.3, curated=0.3))
    s.connect("b", "a", Flow(**{"raw": 0.2, "curated": 0.4, **(flow or {})}))
    return s


class Turning(Ordering):
    """Its numbers are not in its words."""

    def __init__(self, first: int) -> None:
        self.first = first

    def __repr__(self) -> str:
        return "turning"

    def ranks(self, names, round, rng):
        return np.array([self.first, 0])


class Decay(Retention):
    """No dataclass: what it inherits finds all of its kind equal."""

    def __init__(self, rate: float) -> None:
        object.__setattr__(self, "rate", rate)

    def pool(self, memory: Memory, fresh: Tensor) -> tuple[Tensor, Memory]:
        mean = self.rate * memory.get("mean", fresh) + (1 - self.rate) * fresh  # type: ignore[attr-defined]
        return mean, {"mean": mean}


class Above(BestOf):
    """It has a number that is no field."""

    def __init__(self, least: float) -> None:
        super().__init__(2)
        object.__setattr__(self, "least", least)

    def curate(self, slate, reward, rng):
        first, second = slate.candidate(0), slate.candidate(1)
        keep = (reward(first) >= self.least).unsqueeze(-1)  # type: ignore[attr-defined]
        return torch.where(keep, first, second)


def ordered(x: float) -> Scenario:
    def order(names, round, rng):
        return [0, 1] if x > 0.5 else [1, 0]

    return pair(ordering=order)


def moved(x: float) -> Scenario:
    s = pair()
    s.at(3, Curate("b", 0.2 + x / 2))
    return s


def symbols(x: float) -> Scenario:
    s = Scenario("symbols", rounds=6, samples=20)
    s.add("a", Member(Categorical([0.2, 0.3, 0.5]), reward=Tabular([x, 1.0, 0.0]), curator=BestOf(3)))
    s.connect("a", "a", Flow(raw=0.5, curated=0.5))
    return s


def spread(x: float) -> Scenario:
    s = Scenario("spread", rounds=6, samples=30)
    real = Gaussian([x, 0.0], [[1.0, x / 2], [x / 2, 1.0]])
    s.add("a", Member(Gaussian([0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]]), reward=Linear([1.0, 0.0]), real=real))
    s.connect("a", "a", Flow(raw=0.7, transform=LinearMap([[1.0, x], [0.0, 1.0]])))
    return s


BUILDS: dict[str, Callable[[float], Scenario]] = {
    "shares": lambda x: pair(flow={"raw": x / 2, "curated": x / 2}),
    "no curation in some": lambda x: pair(flow={"curated": x / 2}),
    "orders that are functions": ordered,
    "orders of one's own": lambda x: pair(ordering=Turning(int(10 * x) - 3)),
    "orders by name": lambda x: pair(ordering=sequential("a", "b") if x > 0.5 else sequential("b", "a")),
    "chance in the order of some": lambda x: pair(ordering=shuffled if x > 0.5 else synchronous),
    "retention of one's own": lambda x: pair(member={"retention": Decay(x)}),
    "curators of one's own": lambda x: pair(member={"curator": Above(x)}, flow={"chosen_by": "consumer"}),
    "retention": lambda x: pair(member={"retention": window(2) if x > 0.5 else accumulate()}),
    "schedules": lambda x: pair(member={"schedule": every(1 + int(3 * x))}),
    "clocks": lambda x: pair(member={"schedule": poisson(0.2 + x / 2)}),
    "delays": lambda x: pair(flow={"delay": int(3 * x)}),
    "rewards that are functions": lambda x: pair(member={"reward": lambda s: x * s[..., 0]}),
    "real data": lambda x: pair(member={"real": torch.full((5 + int(10 * x), 2), x)}),
    "interventions": moved,
    "samples": lambda x: pair(samples=8 if x < 0.5 else None, member={"curator": Luce(2)}),
    "tables of rewards": symbols,
    "covariances and maps": spread,
}


def shown(run: Run) -> pd.DataFrame:
    return pd.DataFrame({"seed": 0, "mean": [float(run.samples["a"][6].double().mean())]})


@pytest.mark.parametrize("name", BUILDS)
def test_alone_and_stacked(name: str, tmp_path: Path) -> None:
    measure = ["rounds", "draws", "changes", *([] if name == "tables of rewards" else [shown])]
    alone, stacked = (
        Study(
            "same", BUILDS[name], grid={"x": VALUES}, seeds=3, measure=measure, block=block, record=Record(samples=20)
        ).run(tmp_path / str(block), engine=Local(workers=0))
        for block in (1, len(VALUES))
    )
    assert not alone.failed and not stacked.failed
    for table in alone.tables:
        if table not in ("blocks", "failures"):
            pd.testing.assert_frame_equal(alone[table], stacked[table], check_exact=True, check_categorical=False)
    assert alone.rounds.groupby("point")["alignment"].sum().nunique() > 1  # they do differ
