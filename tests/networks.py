"""Random scenarios for property tests: any graph, shares, families, curators, transforms."""

from __future__ import annotations

import networkx as nx
import numpy as np
import torch

from ecosystem import (
    BestOf,
    Categorical,
    Flow,
    Gaussian,
    Linear,
    LinearMap,
    Location,
    Luce,
    Member,
    Quadratic,
    Scenario,
    Shift,
    Tabular,
    Tilt,
    synchronous,
)

FAMILIES = ("location", "gaussian", "categorical")


def random_scenario(
    seed: int,
    members: int = 5,
    family: str = "location",
    rounds: int = 4,
    samples: int | None = None,
    ordering=synchronous,
    density: float = 0.4,
    quadratic: bool = False,
) -> Scenario:
    """A scenario drawn from ``seed``: every member has real data, some flows are curated by either side."""
    rng = np.random.default_rng(seed)
    graph = nx.gnp_random_graph(members, density, seed=seed, directed=True)
    s = Scenario(f"random {seed}", rounds=rounds, samples=samples, ordering=ordering)
    for node in graph:
        s.add(f"m{node}", random_member(rng, family, quadratic))
    for v in graph:
        sources = list(graph.predecessors(v)) + ([v] if rng.random() < 0.5 else [])
        shares = rng.dirichlet(np.ones(2 * len(sources) + 1)) if sources else []
        for i, u in enumerate(sources):
            curated = shares[2 * i + 1] if rng.random() < 0.7 else 0.0
            chosen_by = "consumer" if rng.random() < 0.5 else "producer"
            s.connect(
                f"m{u}",
                f"m{v}",
                Flow(
                    shares[2 * i],
                    curated,
                    chosen_by=chosen_by,
                    transform=random_transform(rng, family),
                    delay=random_delay(rng),
                ),
            )
    return s


def random_member(rng: np.random.Generator, family: str, quadratic: bool = False) -> Member:
    if family == "categorical":
        p, real = rng.dirichlet(np.ones(4)), rng.dirichlet(np.ones(4))
        curator = [Luce(3), BestOf(2), Tilt(2.0)][rng.integers(3)]
        return Member(Categorical(p), reward=Tabular(rng.normal(size=4)), curator=curator, real=Categorical(real))
    mean, real = rng.normal(size=2), Location(rng.normal(size=2), 0.5)
    curator = [Luce(3), BestOf(2), Tilt(2.0), Shift(rng.normal(size=2))][rng.integers(4)]
    generator = Location(mean, 0.7) if family == "location" else Gaussian(mean, np.diag(rng.uniform(0.5, 1.5, 2)))
    if quadratic and isinstance(curator, Tilt | Shift):
        return Member(generator, reward=Quadratic(rng.normal(size=2), 0.3), curator=curator, real=real)
    return Member(generator, reward=Linear(rng.normal(size=2)), curator=curator, real=real)


def random_transform(rng: np.random.Generator, family: str):
    if rng.random() < 0.5:
        return None
    if family == "categorical":
        return _rotate
    return LinearMap(rng.normal(size=(2, 2)) * 0.5, rng.normal(size=2) * 0.1)


def _rotate(x: torch.Tensor) -> torch.Tensor:
    return (x + 1) % 4


def random_delay(rng: np.random.Generator) -> int:
    return int(rng.integers(3)) if rng.random() < 0.3 else 0
