"""Users who choose which model they use: weights by their formulas, what they set, and what is refused."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecosystem import (
    BestResponse,
    Capacity,
    Categorical,
    Demand,
    Ecosystem,
    Flow,
    Gaussian,
    Intake,
    Join,
    Linear,
    Location,
    Member,
    NoPopulationLaw,
    Quadratic,
    Record,
    Replicator,
    Run,
    Scenario,
    Shift,
    Softmax,
    Tabular,
    never,
)
from ecosystem.curation import Lever, Switching

SHARP = 1e-9  # a spread that no squared loss sees


def market(
    choice: Any,
    starts: Sequence[float] = (-0.1, 0.2),
    groups: Sequence[tuple[float, float]] = ((-1.0, 0.5), (1.0, 0.5)),
    rounds: int = 5,
    samples: int | None = None,
    first: Any = None,
) -> Scenario:
    """Learners who refit on what their users write; groups ``(place, size)`` with squared loss."""
    learners = tuple(f"m{i}" for i in range(len(starts)))
    s = Scenario("market", rounds=rounds, samples=samples)
    for g, (place, _) in enumerate(groups):
        demand = Demand(learners, choice, start=first)
        people = Location([place], scale=SHARP)
        s.add(f"g{g}", Member(people, reward=Quadratic([2 * place], 2.0), schedule=never, demand=demand))
    for name, start in zip(learners, starts, strict=True):
        s.add(name, Member(Location([start], scale=SHARP)))
        for g, (_, size) in enumerate(groups):
            s.connect(f"g{g}", name, Flow(raw=size))
    return s


def weights(table: pd.DataFrame, round: int) -> np.ndarray:
    """``[groups, members]`` of a table ``demand``."""
    rows = table[table["round"] == round]
    return rows.pivot(index="group", columns="member", values="weight").to_numpy()


def places(eco: Ecosystem) -> np.ndarray:
    return np.array([float(eco[name].generator.mean.reshape(-1)[0]) for name in eco.names if name.startswith("m")])


def risk(w: np.ndarray, theta: np.ndarray, groups: Sequence[tuple[float, float]]) -> float:
    place, size = np.array(groups).T
    return float((size[:, None] * w * (theta[None] - place[:, None]) ** 2).sum())


def chosen(eco: Ecosystem) -> np.ndarray:
    return weights(eco.result().demand, eco.steps)


def test_two_learners_end_at_their_groups_and_the_risk_falls_to_nothing() -> None:
    """arXiv 2206.02667: from (−.1, .2) to (−1, 1), and from .725 to 0."""
    groups = ((-1.0, 0.5), (1.0, 0.5))
    eco = Ecosystem(market(BestResponse()))
    before = places(eco)
    eco.step()
    assert risk(chosen(eco), before, groups) == pytest.approx(0.725, abs=1e-15)
    assert places(eco).tolist() == [-1.0, 1.0] and risk(chosen(eco), places(eco), groups) == 0.0
    eco.run()
    assert places(eco).tolist() == [-1.0, 1.0] and chosen(eco).tolist() == [[1, 0], [0, 1]]


numbers = st.floats(-2, 2).map(lambda x: round(x, 3))


@settings(max_examples=12, deadline=None)
@given(
    starts=st.lists(numbers, min_size=2, max_size=3),
    at=st.lists(numbers, min_size=2, max_size=3, unique=True),
    sizes=st.lists(st.integers(1, 5), min_size=3, max_size=3),
    choice=st.sampled_from([BestResponse(), Replicator(0.7)]),
)
def test_the_total_risk_never_rises(starts: list[float], at: list[float], sizes: list[int], choice: Switching) -> None:
    """Neither when users choose nor when learners refit (2206.02667), also where somebody is left without users."""
    total = sum(sizes[: len(at)])
    groups = [(place, size / total) for place, size in zip(at, sizes, strict=False)]
    eco = Ecosystem(market(choice, starts, groups, rounds=4))
    now = risk(chosen(eco), places(eco), groups)
    for _ in range(4):
        before = places(eco)
        eco.step()
        steps = [now, risk(chosen(eco), before, groups), risk(chosen(eco), places(eco), groups)]
        assert all(b <= a + 1e-12 for a, b in itertools.pairwise(steps)), steps
        now = steps[-1]


@pytest.mark.parametrize("kind", [Softmax, Replicator])
def test_weights_follow_their_formula_round_by_round(kind: Any) -> None:
    """``w(t+1) ∝ e^{J(t)/τ}`` and ``∝ w(t) e^{J(t)/τ}``, of the rewards in the table ``tastes``; diets follow."""
    groups = ((-1.0, 0.3), (1.0, 0.7))
    s = market(kind(1.7), (-0.1, 0.2, 0.4), groups, rounds=6, first=[0.2, 0.3, 0.5])
    run = s.run(record=Record(tastes=True, parameters=lambda round, rng: True))
    for round in range(6):
        at = run.tastes[(run.tastes["round"] == round) & run.tastes["member"].str.startswith("m")]
        score = at.pivot(index="judge", columns="member", values="reward").to_numpy() / 1.7
        new = np.exp(score) * (weights(run.demand, round) if kind is Replicator else 1.0)
        new = new / new.sum(1, keepdims=True)
        np.testing.assert_allclose(weights(run.demand, round + 1), new, rtol=1e-12)
        place, size = np.array(groups).T
        means = (size[:, None] * new * place[:, None]).sum(0) / (size[:, None] * new).sum(0)
        found = [float(run.history[f"m{j}"][round + 1]["mean"].flatten()[0]) for j in range(3)]
        np.testing.assert_allclose(found, means, rtol=1e-12)
    assert list(run.demand.columns) == ["seed", "replicate", "round", "group", "member", "weight"]


def test_users_of_members_of_several_families_judge_each_as_alone() -> None:
    """``E r = g m − η/2 (m² + v)`` of 4 locations and 2 Gaussians, by turns, under two tastes."""
    s = Scenario("mixed", rounds=1)
    means, spreads = [0.3, -1.0, 2.0, 0.0, 1.5, -0.4], [0.5, 1.0, 0.5, 2.0, 0.5, 0.1]
    names = [f"m{i}" for i in range(6)]
    for group, (g, eta) in {"few": (1.0, 0.5), "many": (-2.0, 1.0)}.items():
        demand = Demand(names, Softmax(0.7))
        s.add(group, Member(Location([0.0]), reward=Quadratic([g], eta), schedule=never, demand=demand))
    for i, (name, mean, spread) in enumerate(zip(names, means, spreads, strict=True)):
        s.add(name, Member(Gaussian([mean], [[spread**2]]) if i % 3 == 1 else Location([mean], spread)))
        s.connect("few", name, Flow(raw=0.5))
        s.connect("many", name, Flow(raw=0.5))
    m, v = np.array(means), np.array(spreads) ** 2
    worth = np.array([1.0, -2.0])[:, None] * m - np.array([0.25, 0.5])[:, None] * (m**2 + v)
    exact = np.exp(worth / 0.7) / np.exp(worth / 0.7).sum(1, keepdims=True)
    assert np.allclose(weights(s.run().demand, 1), exact, atol=1e-14)


def test_a_softmax_segments_users_below_a_temperature_of_two() -> None:
    """Learners at ±t: ``t⁺ = tanh(2t/τ)``, whose only rest above τ = 2 is that of everybody serving all."""
    cool, warm = (market(Softmax(tau), (-0.5, 0.5), rounds=120).run() for tau in (1.0, 2.5))
    t = float(cool.generator("m1").mean)
    assert t == pytest.approx(np.tanh(2 * t), abs=1e-12) and t == pytest.approx(0.9575040240772687, abs=1e-9)
    assert weights(cool.demand, 120)[0, 0] == pytest.approx((1 + t) / 2, abs=1e-12)
    assert abs(float(warm.generator("m1").mean)) < 1e-9


def web(**demand: Any) -> Scenario:
    """A node that takes in what two members make, by how much a group uses them."""
    s = Scenario("web", rounds=3)
    s.add(
        "readers", Member(Location([0.0]), reward=Linear([1.0]), schedule=never, demand=Demand(("m0", "m1"), **demand))
    )
    for name, place in (("m0", 0.0), ("m1", 1.0)):
        s.add(name, Member(Location([place]), schedule=never))
    s.add("web", Member(Location([0.0]), real=Location([5.0])))
    s.connect("m0", "web", Flow(raw=0.2))
    s.connect("m1", "web", Flow(raw=0.6))
    return s


def test_demand_sets_what_a_node_takes_in() -> None:
    """Declared .2 and .6, weighed by the replicator's (1, e^t): the total of .8 stays, and .2 real data."""
    eco = Ecosystem(web(choice=Replicator(1.0), sets=Intake("web")))
    for t in (1, 2, 3):
        eco.step()
        part = 0.6 * np.e**t / (0.2 + 0.6 * np.e**t)
        assert float(eco["web"].generator.mean) == pytest.approx(0.8 * part + 0.2 * 5, rel=1e-12)


def test_groups_that_set_the_same_count_by_their_size() -> None:
    s = web(choice=BestResponse(), sets=Intake("web"), size=3.0)
    s.add("others", Member(Location([0.0]), reward=Linear([-1.0]), schedule=never))
    s = s.with_member("others", demand=Demand(("m0", "m1"), BestResponse(), sets=Intake("web")))
    run = s.run()
    part = 0.6 * 0.75 / (0.2 * 0.25 + 0.6 * 0.75)  # three in four use m1
    assert float(run.generator("web").mean) == pytest.approx(0.8 * part + 1.0, rel=1e-12)


def test_who_is_used_more_curates_more() -> None:
    """Twice the use are twice the odds: λ = .25 with all users of two becomes 2 · 1/3 → λ = .4."""
    s = Scenario("capacity", rounds=1)
    demand = Demand(("m0", "m1"), BestResponse(), sets=Capacity())
    s.add("g", Member(Location([0.0]), reward=Linear([1.0]), schedule=never, demand=demand))
    for name, place in (("m0", 0.0), ("m1", 1.0)):
        s.add(name, Member(Location([place]), curator=Shift([1.0]), real=Location([0.0])))
        s.connect(name, name, Flow(raw=0.5, curated=0.25))
    run = s.run()
    assert float(run.generator("m1").mean) == pytest.approx(0.4 * 2.0 + 0.6 * (0.5 / 0.75) * 1.0, rel=1e-12)
    assert float(run.generator("m0").mean) == 0.0  # nobody uses it, so nobody curates


def test_sampled_diets_are_those_of_the_law() -> None:
    s = market(Softmax(1.0), rounds=1, samples=20_000)
    run = s.run(record=Record(draws=True))
    w = weights(run.demand, 1)
    counts = run.draws[run.draws["member"] == "m1"].set_index("source")["count"]
    p = w[0, 1] / w[:, 1].sum()
    assert abs(counts["g0"] / 20_000 - p) < 4 * np.sqrt(p * (1 - p) / 20_000)


# -- one's own ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Slow(Switching):
    """Half of the users stay, the others go by a softmax: written for one group."""

    temperature: torch.Tensor

    def move(self, weights: torch.Tensor, alignment: torch.Tensor) -> torch.Tensor:
        assert weights.ndim == 1
        return 0.5 * weights + 0.5 * torch.softmax(alignment / self.temperature, -1)


@dataclass(frozen=True, eq=False)
class Lazy(Softmax):
    temperature: torch.Tensor

    def __init__(self) -> None:
        super().__init__(1.0)

    def move(self, weights: torch.Tensor, alignment: torch.Tensor) -> torch.Tensor:
        return weights


@dataclass(frozen=True, eq=False)
class Alone(Lever):
    """All that a member reads of one other goes by its own use, against its real data."""

    source: str

    def weigh(self, part: Any, who: str, among: Sequence[str]) -> Any:
        if part.target not in among:
            return None
        return part.target if part.source == self.source else 1.0


def test_a_way_of_ones_own_is_asked_group_by_group() -> None:
    many = [market(Slow(torch.tensor(tau, dtype=torch.float64)), rounds=3) for tau in (0.5, 2.0)]
    both = Ecosystem(many, seeds=[0])
    both.run()
    for variant, s in enumerate(many):
        alone = s.run()
        pd.testing.assert_frame_equal(both.result(variant).demand, alone.demand)
        w = weights(alone.demand, 0)
        score = np.array([[-((x - z) ** 2) for x in (-0.1, 0.2)] for z in (-1, 1)]) / (0.5, 2.0)[variant]
        soft = np.exp(score) / np.exp(score).sum(1, keepdims=True)
        np.testing.assert_allclose(weights(alone.demand, 1), 0.5 * w + 0.5 * soft, rtol=1e-12)
    assert not Lazy.smooth and not Lazy.batched and Softmax.smooth  # what rests on move() goes with it


def test_a_lever_of_ones_own() -> None:
    s = Scenario("alone", rounds=1)
    demand = Demand(("m0", "m1"), BestResponse(), sets=Alone("m0"))
    s.add("g", Member(Location([0.0]), reward=Linear([1.0]), schedule=never, demand=demand))
    s.add("m0", Member(Location([1.0]), real=Location([0.0])))
    s.add("m1", Member(Location([2.0]), real=Location([0.0])))
    s.connect("m0", "m1", Flow(raw=0.5))
    s.connect("m0", "m0", Flow(raw=0.5))
    run = s.run()
    assert float(run.generator("m1").mean) == pytest.approx(2 / 3) and float(run.generator("m0").mean) == 0.0


@dataclass(frozen=True, eq=False)
class Wrong(Switching):
    def move(self, weights: torch.Tensor, alignment: torch.Tensor) -> torch.Tensor:
        return 2 * weights


def test_a_way_that_gives_no_weights_is_refused_in_its_round() -> None:
    with pytest.raises(ValueError, match=r"the demand of 'g0', must return 2 weights .* got \[1.0, 1.0\]"):
        market(Wrong()).run()


def test_users_who_cannot_judge_stop_their_replicate_by_name() -> None:
    """A NaN stopped nobody: weights would have stayed what they were without a word."""

    def sometimes(x: torch.Tensor) -> torch.Tensor:
        return torch.where(x[..., 0] > 0.5, torch.nan, x[..., 0])

    s = market(Softmax(1.0), (0.9, 0.2), samples=20, rounds=3).with_member("g1", reward=sometimes)
    with pytest.warns(RuntimeWarning):
        run = s.run()
    assert run.failures["member"].iloc[-1] == "g1" and run.demand["round"].max() >= 1
    assert "the demand of 'g1' cannot judge 'm0' in round 1" in " ".join(run.failures["error"])
    assert (run.demand["weight"] == 0.5).all()


# -- who comes and goes, and what is kept ------------------------------------------------------------------------------


def test_whoever_nobody_uses_stays_what_it_is() -> None:
    """A learner without users has nothing to train on, and was refitted on everybody's data."""
    run = market(BestResponse(), (0.0, 5.0), rounds=3).run()
    assert float(run.generator("m1").mean) == 5.0 and float(run.generator("m0").mean) == 0.0
    assert not run.rounds[(run.rounds["member"] == "m1")]["updated"].any()


def test_weights_of_those_who_are_not_there_wait() -> None:
    s = market(Replicator(1.0), (-0.1, 0.2, 0.7), rounds=4)
    late = s.replace(interventions={3: [Join("m2")]})
    run = late.run()
    before, after = weights(run.demand, 2), weights(run.demand, 3)
    assert (before[:, 2] == 1 / 3).all() and (after[:, 2] != 1 / 3).all()
    np.testing.assert_allclose([before.sum(1), after.sum(1)], 1.0, rtol=1e-12)
    assert s.without("m2").member("g0").demand.among == ("m0", "m1")  # type: ignore[union-attr]


def test_checkpoints_and_folders_keep_weights_to_the_bit(tmp_path: Path) -> None:
    s = market(Replicator(2.0), samples=30, rounds=6)
    whole = Ecosystem(s, seeds=[0, 1])
    whole.run()
    half = Ecosystem(s, seeds=[0, 1])
    for _ in range(3):
        half.step()
    half.save(tmp_path / "half")
    again = Ecosystem(s, seeds=[0, 1])
    again.restore(tmp_path / "half")
    again.run()
    assert torch.equal(again.state.weights, whole.state.weights) and torch.equal(again.state.shares, whole.state.shares)
    pd.testing.assert_frame_equal(again.result().demand, whole.result().demand)
    whole.result().save(tmp_path / "run")
    pd.testing.assert_frame_equal(Run.load(tmp_path / "run").demand, whole.result().demand)
    alone = s.run(seed=1)
    mine = whole.result().demand.query("seed == 1").reset_index(drop=True)
    pd.testing.assert_frame_equal(alone.demand, mine)  # a replicate more moves nobody


def test_a_scenario_without_such_users_has_an_empty_table() -> None:
    s = Scenario("loop", rounds=1)
    s.add("a", Member(Location([1.0]), real=Location([0.0])))
    assert s.run().demand.empty and list(s.run().demand.columns)[-3:] == ["group", "member", "weight"]


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Demand((), Softmax(1.0)), ValueError, "names of members, each once"),
        (lambda: Demand(("a", "a"), Softmax(1.0)), ValueError, "names of members, each once"),
        (lambda: Demand(("a",), "softmax"), TypeError, "a way to switch such as Softmax"),  # type: ignore[arg-type]
        (lambda: Demand(("a",), sets=[1]), TypeError, "levers such as Writing"),  # type: ignore[list-item]
        (lambda: Demand(("a",), size=0), ValueError, r"Demand\(size\) must be positive"),
        (lambda: Demand(("a", "b"), start=[0.5, 0.6]), ValueError, "add up to 1"),
        (lambda: Softmax(0.0), ValueError, "BestResponse"),
        (lambda: Replicator(-1.0), ValueError, r"Replicator\(temperature\) must be positive"),
        (lambda: Member(Location([0.0]), demand="a"), TypeError, r"Member\(demand\)"),  # type: ignore[arg-type]
    ],
)
def test_descriptions_that_make_no_sense_are_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_demands_that_a_scenario_cannot_serve_are_refused() -> None:
    def demanding(demand: Demand, **member: Any) -> Scenario:
        s = Scenario("refused", rounds=1)
        s.add("g", Member(Location([0.0]), schedule=never, demand=demand, **member))
        s.add("a", Member(Location([0.0]), real=Location([0.0])))
        s.connect("g", "a", Flow(raw=0.5))
        return s

    taste = {"reward": Linear([1.0])}
    with pytest.raises(KeyError, match="the demand of 'g': there is no member 'b'"):
        demanding(Demand(("a", "b")), **taste).check()
    with pytest.raises(KeyError, match=r"Intake.* of the demand of 'g': there is no member 'web'"):
        demanding(Demand(("a",), sets=Intake("web")), **taste).check()
    with pytest.raises(ValueError, match=r"Capacity\(\) of the demand of 'g' sets nothing"):
        demanding(Demand(("a",), sets=Capacity()), **taste).check()
    with pytest.raises(ValueError, match="neither 'g' nor 'a' has a reward"):
        demanding(Demand(("a",))).check()
    with pytest.raises(NoPopulationLaw, match="the demand of 'g', who judges 'a'"):
        demanding(Demand(("a",)), reward=lambda x: x[..., 0].abs()).check()
    s = demanding(Demand(("a", "b")), **taste)
    s.add("b", Member(Categorical([0.5, 0.5]), reward=Tabular([0.0, 1.0]), real=Categorical([0.5, 0.5])))
    with pytest.raises(ValueError, match="judges 'b', which makes"):
        s.check()


def test_members_are_judged_by_their_own_users_where_a_group_has_no_taste() -> None:
    """``J_j`` is then the alignment of each member as the table ``rounds`` has it."""
    s = web(choice=Softmax(0.5), sets=Intake("web"))
    s = s.with_member("readers", reward=None)
    s = s.with_member("m0", reward=Linear([1.0])).with_member("m1", reward=Linear([-2.0]))
    run = s.run(record=Record(start=True))
    found = run.rounds[(run.rounds["round"] == 0) & run.rounds["member"].isin(["m0", "m1"])]["alignment"].to_numpy()
    new = np.exp(found / 0.5) / np.exp(found / 0.5).sum()
    np.testing.assert_allclose(weights(run.demand, 1)[0], new, rtol=1e-12)
