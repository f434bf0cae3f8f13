"""Every scenario of the gallery, at a size that takes a second."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ecosystem import Record, Scenario, sequential, shuffled, synchronous
from scenarios import (
    adaptive,
    cifar,
    digits,
    families,
    ferbach,
    language_tiny,
    moons,
    pair,
    ring,
    scale_free,
    summarise_paraphrase,
    tinted_digits,
)
from tests.golden.tables import Tables, of_run, stacked

ALL = Record(draws=True, tastes=True, sources=True, choices=True, samples=3, judged=32)
FEW = 3  # entries of each tensor of a neural network, which has many

TINTED: dict[str, Any] = {"rounds": 2, "samples": 20, "steps": 2, "warm_up": 2, "candidates": 3, "hold": 1}
DIFFUSION: dict[str, Any] = {
    "rounds": 2,
    "samples": 12,
    "steps": 2,
    "hold": 1,
    "pretraining": 2,
    "candidates": 2,
    "images": 30,
    "batch_size": 4,
    "channels": (4, 8),
    "layers_per_block": 1,
    "timesteps": 10,
    "sampling_steps": 2,
    "device": "cpu",
}
SUMMARIES: dict[str, Any] = {
    "base": "tiny",
    "rounds": 1,
    "samples": 6,
    "steps": 1,
    "limit": 8,
    "candidates": 2,
    "batch_size": 4,
    "answer_length": 24,
}


def played(scenario: Scenario, replicates: int = 2, record: Record = ALL, **how: Any) -> Tables:
    """The tables of a run that records all there is to record."""
    return of_run(scenario.run(seed=3, replicates=replicates, record=record), **how)


def both(scenario: Scenario, samples: int = 12, replicates: int = 3) -> Tables:
    """A scenario on the population and with samples."""
    population, sampled = scenario.replace(samples=None), scenario.replace(samples=samples)
    return stacked({"population": played(population, 1), "sampled": played(sampled, replicates)}, "run")


def pairs_in_every_order() -> Tables:
    orders = [synchronous, sequential("theta", "phi"), sequential("phi", "theta"), shuffled]
    runs = {repr(order): both(pair.scenario(0.9, 0.4, rounds=4, ordering=order), replicates=2) for order in orders}
    return stacked(runs, "ordering")


def loops() -> Tables:
    settings = {"alone": {}, "held back": {"share": 0.2}, "of two": {"k": 2, "share": 0.7}}
    return stacked({name: both(ferbach.scenario(rounds=4, **s)) for name, s in settings.items()}, "setting")


def of_every_family() -> Tables:
    draws = [(family, families.WHO[i % 2]) for i, family in enumerate(families.FAMILIES)]
    build = partial(families.scenario, members=8, rounds=3)
    return stacked({f"{f}, {w}": both(build(f, who=w), samples=8, replicates=2) for f, w in draws}, "network")


def diffusion() -> Tables:
    """The image experiment on random pixels in the layout of CIFAR-10."""
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 256, (40, cifar.ROW), dtype=np.uint8)
    rows[:, 0] = rng.integers(0, 10, 40)
    with tempfile.TemporaryDirectory() as folder:
        rows.tofile(Path(folder) / "data_batch_1.bin")
        return played(cifar.scenario("A2", folder=folder, **DIFFUSION), 1, Record(judged=8, **_FULL), entries=FEW)


_FULL: dict[str, Any] = {"tastes": True, "sources": True, "choices": True, "samples": 2}

CLOSED = {
    "adaptive": lambda: played(adaptive.scenario(rounds=6, entry=3), 3),
    "digits": lambda: played(digits.scenario(rounds=2, samples=60)),
    "families": of_every_family,
    "loop": loops,
    "pair": pairs_in_every_order,
    "ring": lambda: both(ring.scenario(members=5, rounds=6)),
    "scale_free": lambda: stacked(
        {
            "population": played(scale_free.scenario(members=40, hubs=3, rounds=3), 1, Record(tastes=False)),
            "sampled": played(scale_free.scenario(members=20, hubs=3, rounds=2, samples=6), 2, Record(draws=True)),
        },
        "run",
    ),
}
NEURAL = {
    "cifar": diffusion,
    "language_tiny": lambda: played(
        language_tiny.scenario(rounds=2, samples=8, steps=2, warm_up=4, real=0.3, cross=0.4), 1, entries=FEW
    ),
    "moons": lambda: played(moons.scenario(rounds=2, samples=30, steps=3, warm_up=3), 2),
    "summarise_paraphrase": lambda: played(
        summarise_paraphrase.scenario(**SUMMARIES, real=0.4, cross=0.4, curated_of_cross=0.5),
        1,
        Record(judged=4, **_FULL),
        entries=FEW,
    ),
    "tinted_digits": lambda: played(tinted_digits.scenario("A2", **TINTED), 1, entries=FEW),
}
