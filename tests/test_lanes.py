"""Replicates with orders of their own share waves, and each has the bits that it has alone."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecosystem import (
    BestOf,
    Drift,
    Ecosystem,
    Flow,
    Freeze,
    Gaussian,
    GenerativeModel,
    Linear,
    LinearMap,
    Location,
    Luce,
    Member,
    ModelAgent,
    Record,
    Scenario,
    Shift,
    Thaw,
    TopFraction,
    accumulate,
    at,
    every,
    poisson,
    shuffled,
    subsample,
    window,
)
from ecosystem.orderings import Ordering
from tests.networks import FAMILIES, random_scenario


class Ringing(Ordering):
    """Who has rung by the time at which everybody stops goes by the time of its ring; the others go together, last."""

    def ranks(self, names, round, rng):
        times = -rng.at("ring").at(round)[..., None].at(torch.arange(len(names))).uniform(1).squeeze(-1).log()
        return torch.where(times < 1, times, 1.0).T.numpy()


def by_parity(names, round, rng):
    """Replicates whose key is even go forwards, the others backwards; in every third round all go together."""
    forwards = torch.arange(len(names))[:, None] * torch.where(rng.keys % 2 == 0, 1, -1)
    return (forwards * (round % 3 != 0)).numpy()


class Mean(GenerativeModel):
    """A normal law with a mean that takes one step at a time towards the data: looped over."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = torch.nn.Parameter(torch.zeros(2))
        self.event_shape = (2,)

    def sample(self, n, rng):
        return self.mean.detach() + 0.3 * rng.at("x").normal(n, 2).float()

    def fit(self, data, rng):
        step = 0.5 + 0.1 * float(rng.at("step").uniform(1))
        with torch.no_grad():
            self.mean.add_(step * (data.float().mean(0) - self.mean))
        return float((data.float() - self.mean.detach()).square().mean())


def mixed(ordering, samples: int | None = 8, agent: type | None = None, **settings) -> Scenario:
    """Every kind of member at once: memories of data and of statistics, clocks, users who learn, delays, a model."""
    s = Scenario("mixed", **({"rounds": 5, "samples": samples, "ordering": ordering} | settings))
    right, up, real = Linear([0.8, 0.3]), Linear([-0.2, 0.9]), Location([0.5, 0.5], 0.5)
    one, top, three, own = torch.eye(2), TopFraction(0.5), window(3), {"agent": agent}
    s.add("few", Member(Gaussian([0.0, 1.0], one), real=real, reward=up, curator=Luce(2), retention=subsample(10)))
    s.add("wide", Member(Location([0.0, 0.0], 0.5), real=real, reward=right, curator=Luce(2), retention=three, **own))
    s.add("old", Member(Location([1.0, 0.0], 0.5), real=real, retention=accumulate(), schedule=poisson(0.7)))
    s.add("keen", Member(Location([0.0, 1.0], 0.5), real=real, reward=up, curator=Luce(3), learn=Drift(0.3)))
    s.add("crowd", Member(Location([0.3, 0.0], 0.5), real=real, reward=right, curator=top, schedule=every(2)))
    s.add("sure", Member(Gaussian([0.2, 0.0], one), real=real, reward=right, curator=Shift([0.1, 0.0])))
    if samples is not None:
        s.add("model", Member(Mean(), real=real, reward=right, curator=BestOf(2), retention=subsample(12)))
        s.add("model2", Member(Mean(), real=real, schedule=at(2, 4)))
    names = list(s.names)
    for i, name in enumerate(names):
        before, after = names[i - 1], names[(i + 2) % len(names)]
        s.connect(before, name, Flow(raw=0.3, curated=0.3 if s.member(before).reward else 0.0))
        turn = LinearMap([[0.8, -0.3], [0.3, 0.8]]) if i % 2 else None
        s.connect(after, name, Flow(raw=0.2, delay=i % 3 % 2, transform=turn))
    s.connect("few", "few", Flow(curated=0.2))
    s.at(2, Freeze("keen"))
    s.at(4, Thaw("keen"))
    return s


def clocked(s: Scenario) -> Scenario:
    """The same where everybody has a Poisson clock."""
    settings = {"name": s.name, "rounds": s.rounds, "samples": s.samples, "ordering": s.ordering}
    return Scenario.from_graph(
        s.graph, member=lambda name: replace(s.member(name), schedule=poisson(0.6)), flow=s.flow, **settings
    )


def tables(run) -> dict[str, pd.DataFrame]:
    """The tables of a run, and its parameters; rows of a replicate in an order that does not depend on the others."""
    found = {"rounds": run.rounds, "failures": run.failures}
    found |= {name: getattr(run, name) for name in ("draws", "sources", "choices") if run.settings["samples"]}
    return {name: table.sort_values(list(table.columns), ignore_index=True) for name, table in found.items()}


def each_as_alone(scenario: Scenario, replicates: int = 4, some: int | None = None, flags: bool = True) -> None:
    """A batch of replicates has the bits that each of them (or the first ``some``) has in a run of its own."""
    watched = flags and scenario.samples is not None
    record = Record(draws=watched, sources=watched, choices=watched)
    whole = Ecosystem(scenario, seeds=[(5, r) for r in range(replicates)], record=record)
    whole.run()
    together = tables(whole.result())
    for r in range(replicates if some is None else some):
        one = Ecosystem(scenario, seeds=[(5, r)], record=record)
        one.run()
        for name, table in tables(one.result()).items():
            if watched or name in ("rounds", "failures"):
                mine = together[name][together[name]["replicate"] == r].reset_index(drop=True)
                pd.testing.assert_frame_equal(mine, table, check_exact=True, check_dtype=False)
        for name, (c, row) in one.program.places.items():
            here, there = (eco.state.now[c].vector()[row] for eco in (whole, one))
            assert here[:, r].equal(there[:, 0]), name


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    family=st.sampled_from(FAMILIES),
    samples=st.sampled_from([None, 1, 7]),
    ordering=st.sampled_from([shuffled, Ringing(), by_parity]),
    clock=st.booleans(),
)
def test_a_batch_is_one_by_one(seed: int, family: str, samples: int | None, ordering, clock: bool) -> None:
    s = random_scenario(seed, 6, family, 3, samples, ordering, density=0.5)
    each_as_alone(clocked(s) if clock else s, 3)


@pytest.mark.parametrize("ordering", [shuffled, Ringing(), by_parity], ids=["shuffled", "ringing", "by parity"])
@pytest.mark.parametrize("samples", [8, None])
def test_members_of_every_kind(ordering, samples: int | None) -> None:
    """What a retention of data had kept was lost in all replicates but those of the last order."""
    each_as_alone(mixed(ordering, samples))


class Own(ModelAgent):
    """Retrains in a way of its own."""

    def retrain(self, gathered):
        return super().retrain(gathered)


def test_agents_that_act_on_their_own() -> None:
    """They have turns, order by order; memories of others were lost in all replicates but those of the last order."""
    each_as_alone(mixed(shuffled, agent=Own), 3, flags=False)


@pytest.mark.parametrize("most", [0, 1 << 22], ids=["wave by wave", "at once"])
def test_draws_of_all_waves(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is drawn for a round before its waves, or wave by wave where it would take much room, is the same."""
    monkeypatch.setattr("ecosystem.engine.lanes._AHEAD", most)
    each_as_alone(clocked(random_scenario(7, 6, "location", 3, 7, shuffled, density=0.5)), 4)


def test_variants_of_many_replicates() -> None:
    """Two variants whose shares and numbers differ; replicates share orders, and draws, with those of the other."""
    s = mixed(shuffled)
    other = s.with_curation("wide", 0.1)
    seeds = [(1, 0), (1, 1), (2, 0)]
    whole = Ecosystem([s, other], seeds=seeds)
    for _ in range(4):
        whole.step()
    for r, seed in enumerate(seeds):
        one = Ecosystem([s, other], seeds=[seed])
        for _ in range(4):
            one.step()
        for here, there in zip(whole.state.now, one.state.now, strict=True):
            assert here.vector()[:, :, r].equal(there.vector()[:, :, 0])


def test_few_orders_of_many_replicates() -> None:
    """Two orders of 300 replicates: each is played by itself, and nobody sees a difference."""
    s = random_scenario(3, 2, "gaussian", 3, 5, shuffled, density=1.0)
    each_as_alone(s, 300, some=3)


def test_replicates_share_waves() -> None:
    """A transform was called for every replicate; now once for a wave of all of them, whatever their orders."""
    calls = []

    def counted(x):
        calls.append(len(x))
        return x

    s = Scenario("ring", rounds=1, samples=3, ordering=shuffled)
    for i in range(5):
        s.add(f"m{i}", Member(Location([float(i)])))
    for i in range(5):
        s.connect(f"m{i}", f"m{(i + 1) % 5}", Flow(raw=1.0, transform=counted))
    eco = Ecosystem(s, seeds=range(40))
    calls.clear()
    eco.step()
    assert sum(calls) == 5 * 40 * 3  # nothing is made that nobody reads
    assert len(calls) <= 5  # waves, of which a ring of five has so many at most


def test_a_replicate_that_diverges() -> None:
    """It is stopped alone, and told of as where it is alone."""

    def picky(x):
        return torch.where(x[..., 0] > 1.4, torch.nan, x[..., 0])

    s = Scenario("picky", rounds=4, samples=20, ordering=shuffled)
    for name in "abc":
        s.add(name, Member(Location([0.0], 0.4), reward=picky, curator=Luce(2)))
    for u, v in ("ab", "bc", "ca"):
        s.connect(u, v, Flow(raw=0.5, curated=0.5))
    with pytest.warns(RuntimeWarning):
        each_as_alone(s, 6)
