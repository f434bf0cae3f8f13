"""Agents in their own turn, and users whose minds change while others learn: nothing that is done gets lost."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import ecosystem
from ecosystem import (
    Drift,
    Ecosystem,
    Flow,
    Gaussian,
    Join,
    Linear,
    Location,
    Luce,
    Member,
    ModelAgent,
    Record,
    Scenario,
    Shift,
    TopFraction,
    at,
    every,
    never,
    poisson,
    settled,
    shuffled,
)
from ecosystem.orderings import Ordering, sequential


def couple(agent: type | None = None, learn: Drift | None = None, **settings) -> Scenario:
    """``a`` takes a quarter from ``b``, whose users may learn from what they see."""
    s = Scenario("couple", **({"rounds": 4} | settings))
    taste = Linear([0.6, 0.0])
    real = Location([1.0, 1.0])
    s.add("a", Member(Location([0.0, 0.0]), reward=Linear([1.0, 0.0]), real=real, agent=agent))
    s.add("b", Member(Location([0.0, 2.0]), reward=taste, curator=Luce(2), real=real, learn=learn))
    s.connect("b", "a", Flow(raw=0.25))
    s.connect("a", "b", Flow(raw=0.25, curated=0.25, chosen_by="consumer"))
    return s


class Reader(ModelAgent):
    """Retrains, and writes back the model that it reads: as it is now."""

    def retrain(self, gathered):
        losses = super().retrain(gathered)
        self.generator = self.generator
        return losses


class Judge(ModelAgent):
    """Keeps what it thinks of itself before and after it has retrained."""

    def retrain(self, gathered):
        before = self.alignment.clone()
        losses = super().retrain(gathered)
        vars(self).setdefault("said", []).append((before, self.alignment.clone()))
        return losses


@pytest.mark.parametrize("ordering", [ecosystem.synchronous, shuffled, sequential("b", "a")], ids=str)
@pytest.mark.parametrize("samples", [None, 8])
def test_what_an_agent_reads_in_its_turn_is_what_it_has_just_become(ordering, samples) -> None:
    """It read the state of before the round: what it wrote back undid its retraining."""
    seeds = [(0, r) for r in range(4)] if samples or ordering is shuffled else [0]
    runs = []
    for agent in (None, Reader):
        eco = Ecosystem(couple(agent, ordering=ordering, samples=samples), seeds=seeds)
        eco.run()
        runs.append(eco.result())
    assert runs[0].rounds.equals(runs[1].rounds)


@pytest.mark.parametrize("ordering", [ecosystem.synchronous, shuffled], ids=str)
def test_its_alignment_in_its_turn_is_that_of_its_model_then(ordering) -> None:
    eco = Ecosystem(couple(Judge, ordering=ordering, samples=8), seeds=[(0, r) for r in range(3)])
    eco.run()
    table = eco.result().rounds.query("member == 'a'").pivot(index="round", columns="replicate", values="alignment")
    said = vars(eco["a"])["said"]
    if ordering is ecosystem.synchronous:
        assert [tuple(after.flatten().tolist()) for _, after in said] == [tuple(row) for row in table.values[1:]]
        assert [tuple(before.flatten().tolist()) for before, _ in said] == [tuple(row) for row in table.values[:-1]]
    else:  # replicates of one order have their turn together
        for replicate in range(3):
            assert set(table[replicate][1:]) <= {float(after[0, replicate]) for _, after in said}


class Restless(ModelAgent):
    """Decides in its turn, by a verb."""

    def retrain(self, gathered):
        self.set_frozen(False)
        self.set_flow("b", raw=0.25)
        return super().retrain(gathered)


class Preacher(ModelAgent):
    """Changes in its turn how the users of another choose."""

    def retrain(self, gathered):
        if self.model.steps == 2:
            self.model.agents.select(lambda agent: agent.name == "b")[0].set_curator(Luce(3))  # type: ignore[attr-defined]
        return super().retrain(gathered)


def taste(eco: Ecosystem, replicate: int = 0) -> list[float]:
    users = eco["b"].users(replicate=replicate)
    assert users is not None
    return users.reward.state().tolist()


def test_users_learn_also_where_agents_decide_in_their_turn() -> None:
    """A decision in a turn took everybody's users back to where they were before the round."""
    tastes = []
    for agent in (None, Restless):
        eco = Ecosystem(couple(agent, Drift(0.2), samples=8), seeds=[0, 1])
        eco.run()
        tastes.append([taste(eco, 0), taste(eco, 1)])
    assert tastes[0] == tastes[1] and tastes[0][0] != [0.6, 0.0]


def test_users_who_are_changed_in_a_turn_learn_in_the_same_round() -> None:
    inside = Ecosystem(couple(Preacher, Drift(0.2)))
    outside = Ecosystem(couple(None, Drift(0.2)))
    inside.step(), outside.step()
    inside.step(), outside.step()
    assert taste(inside) == taste(outside)  # the taste of round 2, by the models of round 2
    assert str(inside["b"].users()).count("Luce(3") == 1


CHANGES = {
    "another kind": lambda b, first: b.set_curator(TopFraction(0.5)),
    "another number": lambda b, first: b.set_curator(Luce(3)),
    "in one replicate": lambda b, first: b.set_curator(Luce(2, 3.0), reward=Linear([0.0, 1.0]), where=first),
}


@pytest.mark.parametrize("ordering", [ecosystem.synchronous, shuffled], ids=str)
@pytest.mark.parametrize("name", CHANGES)
def test_users_of_one_taste_each_may_change_how_they_choose(ordering, name: str) -> None:
    """Numbers of which some differ between replicates and some do not were stacked as if all did."""
    change = CHANGES[name]
    s = couple(learn=Drift(0.2), samples=8, ordering=ordering)
    eco = Ecosystem(s, seeds=[0, 1, 2])
    eco.step()
    change(eco["b"], torch.tensor([[True, False, False]]))
    eco.run()
    for replicate in range(3):
        alone = Ecosystem(s, seeds=[replicate])
        alone.step()
        change(alone["b"], torch.tensor([[replicate == 0]]))
        alone.run()
        assert taste(eco, replicate) == taste(alone)


def test_a_schedule_for_all_holds_also_for_those_who_had_it_already() -> None:
    """It was taken for nothing new where the newest clock said the same, wherever that was."""
    eco = Ecosystem(couple(samples=8), seeds=[0, 1])
    eco["a"].set_schedule(never, where=torch.tensor([[True, False]]))
    eco["a"].set_schedule(never)
    eco["a"].set_schedule(never)
    eco.run()
    run = eco.result()
    assert not run.rounds.query("member == 'a'")["updated"].any()
    assert run.changes[["seed", "before", "after"]].values.tolist() == [
        [0, "every(1)", "never"],
        [1, "every(1)", "never"],
    ]
    eco["a"].set_schedule(every(2))
    assert len(eco.changes) == 3


@pytest.mark.parametrize(
    ("act", "rows"),
    [
        (lambda agent: agent.set_schedule(every(2)), ["schedule"]),
        (lambda agent: agent.set_schedule(every(1)), []),
        (lambda agent: agent.set_schedule(poisson(0.25)), ["schedule"]),
        (lambda agent: agent.set_frozen(True), ["frozen"]),
        (lambda agent: agent.set_frozen(False), []),
        (lambda agent: agent.set_curation(0.5), ["curation"]),
        (lambda agent: agent.set_curation(0.25), []),
        (lambda agent: agent.set_flow("a", raw=0.1 + 0.2, curated=0.1), ["raw", "curated"]),
        (lambda agent: agent.set_flow("a", raw=0.25, curated=0.25), []),
        (lambda agent: agent.set_curator(Luce(3)), ["curator"]),
        (lambda agent: agent.set_curator(Luce(2), reward=Linear([0.6, 0.0])), []),
        (lambda agent: agent.set_curator(Luce(2), reward=Linear([0.7, 0.0])), ["reward"]),
        (lambda agent: agent.remove(), ["present"]),
    ],
)
def test_what_is_done_again_is_no_change(act, rows: list[str]) -> None:
    """A schedule that was there already was a row of the table in every round; so was who leaves twice."""
    eco = Ecosystem(couple(samples=4, rounds=3))
    for _ in range(3):
        act(eco["b"])
        eco.step()
    assert eco.result().changes["what"].tolist() == rows


@pytest.mark.parametrize(
    ("first", "then", "said", "due"),
    [
        (lambda round, rng: round > 99, lambda round, rng: round > 2, "<lambda>", [3, 4]),
        (poisson(0.3), poisson(0.3000001), "poisson(0.3)", None),
        (at(1), at(3, 4), "at(3, 4)", [3, 4]),
    ],
)
def test_schedules_are_told_apart_by_what_they_are(first, then, said: str, due: list[int] | None) -> None:
    """One that read like that before (two functions, numbers of which four digits are shown) was not set at all."""
    eco = Ecosystem([couple(rounds=4).with_member("b", schedule=first) for _ in range(2)])
    eco["b"].set_schedule(then)
    eco["b"].set_schedule(then)
    assert [(change.after, change.where.tolist()) for change in eco.changes] == [(said, [[True], [True]])]
    eco.run()
    table = eco.result().rounds.query("member == 'b'")
    assert due is None or table[table["updated"]]["round"].tolist() == due


def test_variants_with_schedules_of_their_own_change_where_they_differ() -> None:
    """The schedule before was that of the first variant in all of them."""
    eco = Ecosystem([couple(rounds=4).with_member("b", schedule=every(period)) for period in (1, 2, 3)])
    eco["b"].set_schedule(every(2))
    said = [(change.before, change.after, change.where.squeeze(-1).tolist()) for change in eco.changes]
    assert said == [("every(1)", "every(2)", [True, False, False]), ("every(3)", "every(2)", [False, False, True])]
    eco.run()
    for variant in range(3):
        table = eco.result(variant).rounds.query("member == 'b'")
        assert table[table["updated"]]["round"].tolist() == [1, 3]


def test_a_member_without_a_taste_gets_one_by_which_it_is_judged() -> None:
    s = Scenario("mute", rounds=2)
    s.add("a", Member(Location([2.0]), real=Location([2.0])))
    s.add("b", Member(Location([2.0]), real=Location([2.0]), curator=Shift([1.0])))
    s.connect("a", "b", Flow(raw=0.25, curated=0.25, chosen_by="consumer"))
    eco = Ecosystem(s)
    eco.step()
    eco["b"].set_curator(Shift([1.0]), reward=Linear([1.0]))
    eco.step()
    table = eco.result().rounds.query("member == 'b'").set_index("round")["alignment"]
    assert np.isnan(table[1]) and table[2] == pytest.approx(2.25, abs=1e-12)
    with pytest.raises(ValueError, match="'a' has no users whose mind could change"):
        eco["a"].set_curator(Luce(2), reward=Linear([1.0]))


def test_a_class_of_the_same_name_acts_in_its_own_way() -> None:
    """Whether an agent has turns of its own was read off the name of its class."""

    class ModelAgent(ecosystem.ModelAgent):
        def retrain(self, gathered):
            self.generator = Location([7.0, 7.0])
            return None

    eco = Ecosystem(couple(ModelAgent))
    eco.step()
    assert eco["a"].generator.mean.tolist() == [7.0, 7.0]
    assert not ecosystem.ModelAgent.acts and ModelAgent.acts and not type("Silent", (ecosystem.ModelAgent,), {}).acts


def test_an_ordering_of_ones_own_is_taken_for_random_unless_it_says_no() -> None:
    class Drawn(Ordering):
        def ranks(self, names, round, rng):
            return shuffled.ranks(names, round, rng)

    class Tossed(type(sequential("a", "b"))):  # a child of one that is not, with other ranks
        def ranks(self, names, round, rng):
            return shuffled.ranks(names, round, rng)

    assert Drawn().random and Tossed("a", "b").random and not sequential("a", "b").random
    one = couple(ordering=Drawn()).run(replicates=3)
    assert one.rounds["replicate"].nunique() == 3
    pd_equal = couple(ordering=shuffled).run(replicates=3).rounds
    assert one.rounds.equals(pd_equal)


def test_who_watches_choices_sees_those_of_fixed_shifts_too() -> None:
    """A block that is shifted as a whole told nobody; and watching changes no bit."""
    s = Scenario("shift", rounds=2, samples=16)
    gaussian = Gaussian([0.0, 1.0], [[1.0, 0.2], [0.2, 1.0]])
    s.add("a", Member(gaussian, reward=Linear([1.0, 0.0]), curator=Shift([1.0, 0.0]), real=gaussian))
    s.connect("a", "a", Flow(raw=0.5, curated=0.5))
    watched, plain = s.run(record=Record(choices=True)), s.run()
    assert len(watched.choices) > 0 and watched.rounds.equals(plain.rounds)
    kept = watched.choices.query("quantile == 0.5")
    np.testing.assert_allclose(kept["after"] - kept["before"], 1.0, rtol=0, atol=1e-12)


# -- checkpoints -------------------------------------------------------------------------------------------------------


class Stopper(ModelAgent):
    """Stops the model in round 5."""

    def decide(self) -> None:
        if self.model.steps == 5:
            self.model.running = False  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("agent", "until"),
    [(Stopper, lambda: None), (None, lambda: settled(0.01, rounds=3)), (None, lambda: _seventh)],
)
@pytest.mark.parametrize("record", [Record(), Record(every=5)])
def test_a_run_that_was_stopped_comes_back_as_it_was(tmp_path, agent, until, record: Record) -> None:
    """It played on, or another number of rounds, and the round it had stopped in came back without its numbers."""
    s = couple(agent, rounds=50)
    folder = ecosystem.Checkpoints(tmp_path / "c", every=2)
    whole = s.run(record=record, until=until())
    for _ in range(2):  # the second call returns at once
        run = s.run(record=record, until=until(), checkpoints=folder)
        assert run.settings["stopped"] == whole.settings["stopped"] != ""
        assert run.rounds.equals(whole.rounds)
    broken = ecosystem.Checkpoints(tmp_path / "b", every=2)
    eco = Ecosystem(s, record=record)
    with pytest.raises(KeyboardInterrupt):
        eco.run(_interrupted, broken, until())
    resumed = s.run(record=record, until=until(), checkpoints=broken)
    assert resumed.rounds.equals(whole.rounds) and resumed.settings["stopped"] == whole.settings["stopped"]


def _seventh(view) -> bool:
    return view.round >= 7


def _interrupted(done: int, rounds: int) -> None:
    if done == 4:
        raise KeyboardInterrupt


def test_a_run_that_was_stopped_goes_on_for_another_condition(tmp_path) -> None:
    """Conditions were known by their names: one ``<lambda>`` had met what another asked for."""
    s, folder = couple(rounds=20), ecosystem.Checkpoints(tmp_path / "c")
    for last in (3, 3, 9):
        run = s.run(checkpoints=folder, until=lambda view, last=last: view.round >= last)
        assert run.settings["completed"] == last
    assert run.rounds.equals(s.run(until=lambda view: view.round >= 9).rounds)


def test_what_was_quiet_for_another_tolerance_does_not_count(tmp_path) -> None:
    s, folder = couple(rounds=50), ecosystem.Checkpoints(tmp_path / "c", every=1)
    s.run(checkpoints=folder, until=settled(0.9, rounds=4))
    resumed = s.run(checkpoints=folder, until=settled(1e-3, rounds=3))
    assert resumed.settings["completed"] == s.run(until=settled(1e-3, rounds=3)).settings["completed"]


def test_who_has_joined_is_there_after_a_restore(tmp_path) -> None:
    s = couple(rounds=8)
    s.at(3, Join("b"))
    eco = Ecosystem(s)
    for _ in range(5):
        eco.step()
    eco.save(tmp_path / "saved")
    other = Ecosystem(s)
    assert {agent.name for agent in other.agents} == {"a"}
    other.restore(tmp_path / "saved")
    assert {agent.name for agent in other.agents} == {agent.name for agent in eco.agents} == {"a", "b"}
