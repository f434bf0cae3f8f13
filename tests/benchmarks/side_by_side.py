"""Sixteen light models on one core: trained side by side, and one by one."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from ecosystem import (
    Ecosystem,
    Flow,
    FlowMatching,
    GenerativeModel,
    ImageFlow,
    Linear,
    Luce,
    Member,
    Pairs,
    Scenario,
    Training,
)
from tests.benchmarks.timing import Row, threads, times_faster

MEMBERS, REPLICATES, ROUNDS = 8, 2, 1


def flow(stacked: bool) -> GenerativeModel:
    return FlowMatching(2, hidden=64, training_plan=Training(200, 64, stacked=stacked))


def images(stacked: bool) -> GenerativeModel:
    return ImageFlow((3, 8, 8), hidden=64, steps=4, training_plan=Training(50, 64, stacked=stacked))


def network(make: Callable[[bool], GenerativeModel], real: object, stacked: bool, share: float) -> Scenario:
    """Members in a ring; ``share`` of their data comes from the one before, half of that curated."""
    s = Scenario("ring", rounds=ROUNDS, samples=64)
    taste = Linear([1.0, 0.0]) if make is flow and share else None  # who trains only is not judged
    for i in range(MEMBERS):
        s.add(str(i), Member(make(stacked), reward=taste, curator=Luce(2) if taste else None, real=real))
    for i in range(MEMBERS if share else 0):
        flows = Flow(raw=share / 2, curated=share / 2) if taste else Flow(raw=share)
        s.connect(str(i), str((i + 1) % MEMBERS), flows)
    return s


def spent(scenario: Scenario) -> float:
    """Processor time of all rounds."""
    eco = Ecosystem(scenario, seeds=[(0, r) for r in range(REPLICATES)])
    start = time.process_time()
    while eco.state.round < ROUNDS:
        eco.step()
    return time.process_time() - start


def measure() -> list[Row]:
    noise = torch.Generator().manual_seed(0)
    points = torch.randn(256, 2, generator=noise)
    pairs = Pairs(torch.arange(256) % 10, torch.rand(256, 3, 8, 8, generator=noise))
    rows = []
    for what, bound, make, real, share in (
        ("16 flow-matching models trained side by side / one by one; 1 thread", 4.0, flow, points, 0.0),
        ("the same, 60 % of each other's samples", 0.0, flow, points, 0.6),
        ("16 light image models trained side by side / one by one", 0.0, images, pairs, 0.0),
    ):
        with threads(1):
            both = [[spent(network(make, real, stacked, share)) for stacked in (True, False)] for _ in range(3)]
        ours, yardstick = map(list, zip(*both, strict=True))
        row = times_faster(what, bound, ours, yardstick)
        row.bound = row.bound if bound else ""
        rows.append(row)
    return rows
