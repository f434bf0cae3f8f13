"""Users with a state in a running ecosystem: tastes that move by what is seen, and minds that agents change."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pandas as pd
import pytest
import torch
from torch import Tensor

from ecosystem import (
    BestOf,
    Categorical,
    Checkpoints,
    Drift,
    Ecosystem,
    Flow,
    Habit,
    Linear,
    Location,
    Luce,
    Member,
    ModelAgent,
    Record,
    Scenario,
    Shift,
    Tabular,
    Tilt,
    TopFraction,
    Users,
    accumulate,
    every,
    poisson,
    sequential,
    shuffled,
    synchronous,
)
from ecosystem.engine.step import step as engine_step
from ecosystem.generators import ClosedForm
from ecosystem.influence import influence, stability, stable_point
from ecosystem.influence.layout import with_vector

UNIFORM = torch.full((10,), 0.1, dtype=torch.float64)
FIRST = torch.eye(10, dtype=torch.float64)[0]


def classes(learn: object = None, share: float = 0.5, samples: int | None = None, rounds: int = 200) -> Scenario:
    """Ten one-hot classes, uniform reference, temperature 1/5 (Wei, Xie, Zhu, Zhang 2026, 2610.09415)."""
    s = Scenario("classes", rounds=rounds, samples=samples)
    member = Member(
        Categorical(UNIFORM), reward=Tabular(FIRST), curator=Tilt(0.2), real=Categorical(UNIFORM), learn=learn
    )
    s.add("m", member)
    s.connect("m", "m", Flow(curated=share))
    return s


def joint_map(rounds: int, beta: float, share: float) -> tuple[Tensor, Tensor]:
    """Law and taste after some rounds: models retrain first, then users look at the new output."""
    p, w = UNIFORM.clone(), FIRST.clone()
    for _ in range(rounds):
        tilted = p * torch.exp(w / 0.2)
        p = (1 - share) * UNIFORM + share * tilted / tilted.sum()
        w = (1 - beta) * w + beta * p
        w = w / max(1.0, float(w.norm()))
    return p, w


def state_of(eco: Ecosystem, name: str) -> Tensor:
    """The taste that judges a member, ``[variants, replicates or 1, p]``."""
    (judge,) = eco.state.wiring.judges[eco.program.index[name]]
    return eco.state.audience.at(judge.place).reward.state()[0]


# -- tastes that move --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("learn", [None, Drift(0.0), Habit(lambda w, seen: w)])
def test_frozen_users_hold_the_favoured_class_where_the_paper_says(learn) -> None:
    run = classes(learn).run()
    assert abs(float(run.parameters["m"]["probabilities"][0, 0]) - 0.5472279923) < 1e-8


@pytest.mark.parametrize(("beta", "share"), [(0.2, 0.5), (0.05, 0.6), (1.0, 0.3)])
def test_models_retrain_first_and_users_look_at_what_is_new(beta: float, share: float) -> None:
    for rounds in (1, 2, 40):
        eco = Ecosystem(classes(Drift(beta), share, rounds=rounds))
        eco.run()
        p, w = joint_map(rounds, beta, share)
        assert torch.allclose(eco["m"].generator.probabilities, p, rtol=0, atol=1e-12)
        assert torch.allclose(state_of(eco, "m").flatten(), w, rtol=0, atol=1e-12)
        alignment = eco.result().rounds["alignment"].iloc[-1]
        assert abs(alignment - float(p @ w)) < 1e-12  # by the taste as it is now


def test_the_symmetric_state_loses_its_hold_at_two_thirds() -> None:
    """A nudge away from uniform fades below the threshold 1/(1 + τ/10) and grows above it, through the engine."""
    for share, grows in ((0.64, False), (0.69, True)):
        s = classes(Drift(0.5), share, rounds=150)
        nudged = UNIFORM + 1e-6 * (FIRST - UNIFORM)
        s = s.with_member("m", reward=Tabular(nudged), generator=Categorical(nudged))
        p = s.run().parameters["m"]["probabilities"][0]
        assert bool((p[0] - 0.1) > 1e-6) == grows


def test_sampled_users_see_samples_of_their_own_replicate() -> None:
    """Each replicate has a taste of its own, equal in any company; their mean is near the population's (5 sigma)."""
    s = classes(Drift(0.2), samples=400, rounds=8)
    eco = Ecosystem(s, seeds=[(1, r) for r in range(40)])
    eco.run()
    tastes = state_of(eco, "m")[0]
    assert tastes.shape == (40, 10) and len(tastes.unique(dim=0)) == 40
    alone = Ecosystem(s, seeds=[(1, 7)])
    alone.run()
    assert torch.equal(state_of(alone, "m")[0, 0], tastes[7])
    _, expected = joint_map(8, 0.2, 0.5)
    error = tastes.std(0) / 40**0.5
    assert bool(((tastes.mean(0) - expected).abs() < 5 * error + 2 / 400).all())


def walkers(learn: object, chooser: str = "consumer", **settings: object) -> Scenario:
    """Two location members whose users move, in a loop; ``b``'s users may choose before or after it reads."""
    s = Scenario("walkers", rounds=12, **settings)  # type: ignore[arg-type]
    for name, angle in (("a", 0.3), ("b", 1.9)):
        direction = torch.stack([torch.cos(torch.tensor(angle)), torch.sin(torch.tensor(angle))])
        real = Location([0.4, -0.2] if name == "a" else [-0.3, 0.5], 0.6)
        member = Member(Location([0.1, 0.2], 0.6), reward=Linear(direction), curator=Luce(3), real=real, learn=learn)
        s.add(name, member)
    own = Users(Linear([0.5, 0.5]), BestOf(2), Drift(0.3)) if chooser == "own" else chooser
    s.connect("a", "b", Flow(raw=0.2, curated=0.3, chosen_by=own))  # type: ignore[arg-type]
    s.connect("b", "a", Flow(raw=0.3, curated=0.2))
    return s


@pytest.mark.parametrize("chooser", ["consumer", "producer", "own"])
def test_influence_takes_the_users_along(chooser: str) -> None:
    """M with users who move equals central differences of the stable point, as does the isolated effect's network."""
    s = walkers(Drift(0.15), chooser)
    point = stable_point(s)
    assert point.found and set(point.tastes) == {"a", "b"}
    matrix = influence(s).matrix
    for source in s.names:
        level, h = s.curation(source), 1e-4
        up, down = (stable_point(s.with_curation(source, level + d), starts=1).alignment for d in (h, -h))
        slope = (up - down) / (2 * h)
        assert (matrix[source] - slope).abs().max() < 1e-7
    frozen = influence(walkers(Drift(0.0), chooser)).matrix
    assert (frozen - matrix).abs().max().max() > 1e-3


@pytest.mark.parametrize("chooser", ["consumer", "producer", "own"])
def test_a_flow_is_knocked_out_with_the_users_it_had(chooser: str) -> None:
    """Users were carried over by position: a flow that has its own crashed, or gave others their tastes."""
    s = walkers(Drift(0.15), chooser)
    effect = influence(s)
    for u, v in (("a", "b"), ("b", "a")):
        expected = stable_point(s.without(u, v), starts=1).alignment - effect.point.alignment
        assert (effect.knock_out(u, v).alignment - expected).abs().max() < 1e-8
    edges = effect.edges(knock_out=True).set_index(["source", "target"])
    assert edges.loc[("a", "b"), "J[b]"] == pytest.approx(effect.knock_out("a", "b").alignment["b"], abs=1e-9)


@pytest.mark.parametrize("chooser", ["consumer", "producer", "own"])
def test_the_radius_of_users_who_move_is_that_of_rounds_as_they_are_played(chooser: str) -> None:
    """It was that of users who look while models retrain, which no scenario plays."""
    s = walkers(Drift(0.3), chooser, ordering=synchronous)
    found = stability(s)
    assert found.radius == pytest.approx(found.table["rate"][0], rel=1e-10)
    assert found.radius == pytest.approx(radius_by_differences(s), rel=1e-5)


def radius_by_differences(s: Scenario, step: float = 1e-5) -> float:
    """The spectral radius of one round of an ecosystem, by differences of rounds played from beside its rest."""
    eco = Ecosystem(s)
    for _ in range(200):
        eco.step()
    rest, rows = eco.state, []

    def numbers(state: Any) -> Tensor:
        models = [stack.vector().flatten() for stack in state.past[0]]  # all members, real data too
        return torch.cat([*models, *(users.reward.state().flatten() for users in state.audience.stacks)])

    def moved(delta: Tensor) -> Any:
        at, past, audience = 0, [], rest.audience
        for stack in rest.past[0]:
            vector = stack.vector()
            past.append(
                with_vector(cast(ClosedForm, stack), vector + delta[at : at + vector.numel()].reshape(vector.shape))
            )
            at += vector.numel()
        for kind, users in enumerate(rest.audience.stacks):
            state = users.reward.state()
            fresh = state + delta[at : at + state.numel()].reshape(state.shape)
            audience, at = audience.replaced(kind, users.with_state(fresh)), at + state.numel()
        return rest.changed(past=(tuple(past), *rest.past[1:]), audience=audience)

    for unit in torch.eye(len(numbers(rest)), dtype=torch.float64) * step:
        up, down = (numbers(engine_step(eco.program, moved(side * unit))[0]) for side in (1, -1))
        rows.append((up - down) / (2 * step))
    return float(torch.linalg.eigvals(torch.stack(rows)).abs().sort().values[-1])


def test_what_users_own_way_of_moving_does_is_the_same_as_drift() -> None:
    def drift(w: Tensor, seen) -> Tensor:
        new = 0.85 * w + 0.15 * seen.mean()
        return new / new.norm().clamp(min=1.0)

    ours, theirs = walkers(Drift(0.15)), walkers(Habit(drift))
    assert (ours.run().rounds["alignment"] - theirs.run().rounds["alignment"]).abs().max() < 1e-12
    assert (influence(ours).matrix - influence(theirs).matrix).abs().max().max() < 1e-9


def test_a_round_of_moving_users_fades_as_stability_says() -> None:
    table = stability(walkers(Drift(0.15)), [sequential("a", "b")]).table
    assert table["settles"].all() and ((table["measured"] - table["predicted"]).abs() <= 0.1 * table["predicted"]).all()


def test_a_member_without_a_curator_has_users_who_move() -> None:
    s = Scenario("judged", rounds=5)
    s.add("a", Member(Location([0.0, 1.0]), reward=Linear([1.0, 0.0]), real=Location([0.0, 1.0]), learn=Drift(0.5)))
    run = s.run()
    assert run.rounds["alignment"].round(6).tolist() == [0.0, 0.5, 0.75, 0.875, 0.9375, 0.96875]


def test_users_who_move_in_any_order_with_any_clock_and_memory() -> None:
    """Orders of each replicate's own, random clocks and memories: replicates in company are what they are alone."""
    s = walkers(Drift(0.2), samples=20, ordering=shuffled)
    s = s.with_member("a", schedule=poisson(0.7), retention=accumulate()).with_member("b", schedule=every(2))
    together = Ecosystem(s, seeds=[(0, r) for r in range(6)])
    together.run()
    alone = Ecosystem(s, seeds=[(0, 4)])
    alone.run()
    for name in s.names:
        assert torch.equal(state_of(together, name)[0, 4], state_of(alone, name)[0, 0])
    rounds = together.result().rounds
    assert rounds[rounds["replicate"] == 4]["alignment"].tolist() == alone.result().rounds["alignment"].tolist()


def test_tastes_are_in_checkpoints(tmp_path: Path) -> None:
    s = walkers(Drift(0.2), samples=15)
    seeds = [(3, 0), (3, 1)]
    whole = Ecosystem(s, seeds=seeds)
    whole.run()
    first = Ecosystem(s, seeds=seeds)
    for _ in range(5):
        first.step()
    first.save(tmp_path / "five")
    again = Ecosystem(s, seeds=seeds)
    again.restore(tmp_path / "five")
    again.run(checkpoints=Checkpoints(tmp_path / "rest"))
    for name in s.names:
        assert torch.equal(state_of(again, name), state_of(whole, name))
    pd.testing.assert_frame_equal(again.result().rounds, whole.result().rounds)


# -- minds that agents change ------------------------------------------------------------------------------------------


class Fickle(ModelAgent):
    """Another taste in half of the replicates, every round."""

    def decide(self) -> None:
        turn = int(self.model.steps)
        where = torch.arange(8).reshape(1, 8) % 2 == turn % 2
        self.set_curator(Luce(2, 1.0 + turn), reward=Linear([float(turn), -1.0]), where=where)


def fickle() -> Scenario:
    s = Scenario("fickle", rounds=10, samples=6)
    data = Location([0.0, 0.0])
    s.add("a", Member(Location([1.0, 0.0]), reward=Linear([1.0, 0.0]), curator=Luce(2), real=data, agent=Fickle))
    s.add("b", Member(Location([0.0, 1.0]), reward=Linear([0.0, 1.0]), real=data))
    s.connect("a", "a", Flow(curated=0.4))
    s.connect("a", "b", Flow(curated=0.3, raw=0.2))
    return s


def test_a_new_taste_judges_and_nothing_grows() -> None:
    """Alignment went on by the old taste; components grew from 3 to 83 in 10 rounds, with new plans in each."""
    eco = Ecosystem(fickle(), seeds=list(range(8)))
    start, plans = len(eco.state.wiring.components), []
    for turn in range(1, 11):
        eco.step()
        plans.append(len(eco.program.plans))
        mine = torch.arange(8) % 2 == turn % 2
        taste = Linear([float(turn), -1.0])
        mean = eco["a"].generator.mean
        assert torch.allclose(eco["a"].alignment[0][mine], taste(mean)[mine], rtol=0, atol=1e-12)
    assert len(eco.state.wiring.components) == start and plans[-1] == plans[0]
    rounds = eco.result().rounds
    last = rounds[(rounds["member"] == "a") & (rounds["round"] == 10)]["alignment"].to_numpy()
    assert torch.equal(torch.from_numpy(last.copy()), eco["a"].alignment[0])


class Restless(ModelAgent):
    """Another kind of curator, or another function, every round."""

    def decide(self) -> None:
        turn = int(self.model.steps)
        curators = [BestOf(2), Luce(3), Shift([0.1, 0.0]), TopFraction(0.5)]
        self.set_curator(curators[turn % 4], reward=lambda x, turn=turn: turn * x[..., 0])


def test_other_kinds_of_users_take_over_and_the_old_ones_go() -> None:
    """However many kinds of users come and go, a diet holds those that choose, and those that the scenario names.

    Nobody ever left the audience: a kind or a row more for every change of mind, all of which learnt and were saved.
    """
    s = fickle().with_member("a", agent=Restless)
    eco = Ecosystem(s.replace(samples=30), seeds=[0, 1], record=Record(draws=True))
    start, kinds = len(eco.state.wiring.components), len(eco.state.audience.kinds)
    rows = sum(map(len, eco.state.audience.watched))
    for _ in range(10):
        eco.step()
        assert len(eco.state.wiring.components) <= start + 2  # one for each flow that its users curate
        assert len(eco.state.audience.kinds) <= kinds + 2 and sum(map(len, eco.state.audience.watched)) <= rows + 2
    level = sum(float(curated[0, 0]) for _, curated in eco["b"].sources.values())
    assert level == pytest.approx(0.3)
    assert eco["a"].alignment.isfinite().all()


def test_members_that_share_users_do_not_change_each_others_minds() -> None:
    taste, curator = Linear([1.0]), Luce(2)
    s = Scenario("shared", rounds=2, samples=5)
    for name in "ab":
        s.add(name, Member(Location([1.0]), reward=taste, curator=curator, real=Location([1.0])))
        s.connect(name, name, Flow(curated=0.5))
    eco = Ecosystem(s)
    eco["a"].set_curator(Luce(2), reward=Linear([3.0]))
    assert float(eco["a"].alignment) == 3.0 and float(eco["b"].alignment) == 1.0
    eco.step()
    assert eco.result().changes["subject"].unique().tolist() == ["a"]


def test_users_who_move_keep_what_they_have_learnt_when_they_choose_otherwise() -> None:
    eco = Ecosystem(walkers(Drift(0.3)))
    eco.step()
    learnt = state_of(eco, "a").clone()
    eco["a"].set_curator(BestOf(4))
    assert torch.equal(state_of(eco, "a"), learnt)
    eco.step()
    assert not torch.equal(state_of(eco, "a"), learnt)


def test_a_member_whose_mean_is_drawn_directly_follows_users_who_begin_to_look() -> None:
    """Its curated share was shifted by nothing at all once its users chose by Luce: the choice was left out."""
    s = Scenario("direct", rounds=1, samples=4000)
    s.add("a", Member(Location([0.0]), reward=Linear([1.0]), curator=Shift([0.0])))
    s.connect("a", "a", Flow(curated=1.0))
    eco = Ecosystem(s)
    eco["a"].set_curator(BestOf(2))
    eco.step()
    assert abs(float(eco["a"].generator.mean) - 0.56419) < 5 / 4000**0.5


def test_stability_where_data_are_averaged_and_users_move() -> None:
    """It ended in an IndexError: the law was worked out from blocks in which no taste stands."""
    s, still = Scenario("slow", rounds=20), Location([0.5, 0.2])
    taste, curator = Linear([1.0, 0.0]), Tilt(1.0)
    s.add("a", Member(still, reward=taste, curator=curator, learn=Drift(0.2), real=still, retention=accumulate()))
    s.connect("a", "a", Flow(raw=0.2, curated=0.3))
    table = stability(s, at=stable_point(s, starts=1)).table.iloc[0]
    assert table["settles"] and 0 < table["exponent"] < 1 and 0 < table["left"] < 1
