"""Stable points, stability and influence of three networks, and influence that is measured."""

from __future__ import annotations

import warnings
from typing import Any

import pandas as pd

from ecosystem import (
    Flow,
    Linear,
    LinearMap,
    Location,
    Luce,
    Member,
    Scenario,
    sequential,
    shuffled,
    synchronous,
    window,
)
from ecosystem.influence import StablePoint, influence, measure_influence, stability, stable_point
from scenarios import pair, ring
from tests.golden.acting import TURN, UP, busy, located, spread, symbolic
from tests.golden.tables import Tables, of_tensors


def analysed(scenario: Scenario, orderings: list[Any], source: str, target: str, **how: Any) -> Tables:
    """Everything that is exact about a scenario; ``source`` and ``target`` are whose walks are followed."""
    point = stable_point(scenario)
    settles = stability(scenario, orderings, at=point)
    effect = influence(scenario, at=point, **how)
    tables = {
        "matrix": _long(effect.matrix),
        "table": effect.table,
        "welfare": effect.welfare,
        "hops": effect.hops(4),
        "edges": effect.edges(source, target),
        "paths": effect.paths(source, target, k=4),
        "stability": settles.table,
        "radii": pd.DataFrame({"radius": [settles.radius], "certificate": [settles.certificate]}),
        "point": _facts(point),
        "alignment": point.alignment.rename("alignment").rename_axis("member").reset_index(),
        "skipped": pd.DataFrame([*effect.skipped.items(), *effect.unjudged.items()], columns=["member", "why"]),
    }
    named = (({"member": name}, tensor.reshape(-1)) for name, tensor in point.parameters.items())
    tables["parameters"], tables["digests"] = of_tensors(named)
    return tables


def _long(matrix: pd.DataFrame) -> pd.DataFrame:
    """A row for each target and source."""
    return matrix.rename_axis(index="target", columns="source").stack().rename("effect").reset_index()


def _facts(point: StablePoint) -> pd.DataFrame:
    """Without its residual, which is rounding, and its message, which holds it."""
    facts = {"found": point.found, "seen": point.seen, "rounds": point.rounds, "own": point.own}
    return pd.DataFrame([facts | {"others": len(point.others)}])


def of_the_pair() -> Tables:
    """At the parameters of the paper's figure."""
    orderings = [synchronous, sequential("phi", "theta"), shuffled]
    return analysed(pair.scenario(0.9, 0.4), orderings, "theta", "phi")


def mixed() -> Scenario:
    """Location and Gaussian members that read each other, symbols among themselves; delays and windows."""
    s = Scenario("mixed", rounds=1, ordering=sequential("x", "y", "z", "m0", "m3"))
    s.add("x", located(0.5, 0.0, curator=Luce(3), retention=window(3)))
    s.add("y", spread(0.0, 0.5, curator=Luce(2)))
    s.add("z", located(0.0, 0.0, reward=UP))
    s.connect("x", "y", Flow(raw=0.2, curated=0.3, delay=2))
    s.connect("y", "x", Flow(raw=0.1, curated=0.4, chosen_by="consumer", transform=TURN))
    s.connect("y", "z", Flow(raw=0.6))
    s.connect("z", "x", Flow(raw=0.2, transform=LinearMap([[0.0, 1.0], [1.0, 0.0]]), delay=1))
    symbols = symbolic()
    for name in ("m0", "m3"):
        s.add(name, symbols.member(name))
    s.connect("m0", "m3", Flow(raw=0.2, curated=0.3))
    s.connect("m3", "m0", Flow(curated=0.4, delay=1))
    return s


def of_the_mixed() -> Tables:
    """With the curation of a member that has none yet, and with flows knocked out."""
    scenario, like = mixed(), {"z": ("y", "z")}
    tables = analysed(scenario, [synchronous], "x", "z", like=like)
    effect = influence(scenario, like=like, at=stable_point(scenario, starts=1))
    gone = effect.knock_out("z", "x")
    tables["knocked_out"] = effect.edges(knock_out=True)
    tables["without"] = gone.alignment.rename("change").rename_axis("member").reset_index()
    tables["without_matrix"] = _long(gone.matrix)
    return tables


def of_the_ring() -> Tables:
    orderings = [sequential(*map(str, range(6)))]
    return analysed(ring.scenario(members=6, real=0.1), orderings, "0", "3")


def duo(curation: float = 0.5, reads: float = 0.6, samples: int | None = 20, rounds: int = 8) -> Scenario:
    """Writer and reader of the README."""
    taste, data = Linear([1.0, 0.0]), Location([0.0, 0.0])
    s = Scenario("duo", rounds=rounds, samples=samples)
    s.add("writer", Member(Location([0.0, 0.0]), reward=taste, curator=Luce(4), real=data))
    s.add("reader", Member(Location([0.0, 0.0]), reward=taste, real=data))
    s.connect("writer", "writer", Flow(curated=curation))
    s.connect("writer", "reader", Flow(raw=reads))
    return s


def measured() -> Tables:
    """Paired runs of a scenario with samples, on the population, of members at level 0, and with agents."""
    like = {"reader": ("writer", "reader")}
    with warnings.catch_warnings():  # so few rounds are still drifting, as it says
        warnings.filterwarnings("ignore", "the long run has not been reached", RuntimeWarning)
        findings = {
            "sampled": measure_influence(duo(), delta=0.05, seeds=4, like=like),
            "population": measure_influence(duo(samples=None), delta=0.05, seeds=1),
            "agents": measure_influence(busy(), delta=0.04, seeds=3, sources=["ann"], burn_in=2),
        }
    return {
        name: pd.concat([getattr(found, name).assign(of=key) for key, found in findings.items()], ignore_index=True)
        for name in ("table", "response")
    }


CLOSED = {
    "influence_pair": of_the_pair,
    "influence_mixed": of_the_mixed,
    "influence_ring": of_the_ring,
    "measure_influence": measured,
}
