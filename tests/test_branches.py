"""Copies of an ecosystem that go their own way, runs that end early, agents that leave, results that travel."""

from __future__ import annotations

import copy
import pickle
import re
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pandas as pd
import pytest
import torch
from torch import nn

from ecosystem import (
    Checkpoints,
    Ecosystem,
    Flow,
    GenerativeModel,
    Join,
    Leave,
    Linear,
    Location,
    Member,
    ModelAgent,
    Record,
    Run,
    Scenario,
    Shift,
    Training,
    accumulate,
    every,
    settled,
)
from ecosystem.running.measures import View
from tests.checkpointed import assert_same
from tests.networks import FAMILIES, random_scenario
from tests.studies import PATIENCE

RECORD = Record(draws=True, tastes=True, samples=4)


def loop(agent: type | None = None, **settings) -> Scenario:
    """``a`` halves its mean in every round, ``b`` follows it."""
    s = Scenario("loop", **({"rounds": 12} | settings))
    s.add("a", Member(Location([4.0]), reward=Linear([1.0]), real=Location([0.0]), agent=agent))
    s.add("b", Member(Location([0.0]), reward=Linear([1.0]), real=Location([0.0])))
    s.connect("a", "a", Flow(raw=0.5))
    s.connect("a", "b", Flow(raw=1.0))
    return s


class Line(GenerativeModel):
    """A mean that is trained."""

    event_shape = (1,)
    training_plan = Training(steps=3, batch_size=8)

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(1))
        self.normal = nn.BatchNorm1d(1)  # with buffers that training writes in place

    def sample(self, n: int, rng) -> torch.Tensor:
        return self.mean + rng.normal(n, 1)

    def loss(self, batch: torch.Tensor, rng) -> torch.Tensor:
        self.normal(batch)
        return ((batch - self.mean) ** 2).mean()


class Counting(ModelAgent):
    """Keeps something of its own, and acts by it."""

    turns = 0

    def decide(self) -> None:
        self.turns += 1
        if self.turns == 5:
            self.set_flow("a", raw=0.25)


def neural() -> Scenario:
    s = Scenario("line", rounds=6, samples=16)
    s.add("a", Member(Line(), reward=Linear([1.0]), real=torch.ones(32, 1), retention=accumulate()))
    s.connect("a", "a", Flow(raw=0.5))
    return s


SCENARIOS = {
    **{family: lambda family=family: random_scenario(2, 5, family, samples=12, rounds=6) for family in FAMILIES},
    "population": lambda: random_scenario(3, 5, "gaussian", samples=None, rounds=6),
    "neural": neural,
    "own agent": lambda: loop(Counting),
}


# -- branches ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("way", [Ecosystem.branch, copy.deepcopy], ids=["branch", "deepcopy"])
def test_a_branch_without_a_change_is_the_same_run(name: str, way) -> None:
    seeds = [0] if name in ("population", "own agent") else [0, 1]
    whole = Ecosystem(SCENARIOS[name](), seeds=seeds, record=RECORD)
    whole.run()
    trunk = Ecosystem(SCENARIOS[name](), seeds=seeds, record=RECORD)
    for _ in range(2):
        trunk.step()
    branch = way(trunk)
    branch.run()  # the branch first: nothing of it may reach the trunk
    assert trunk.completed == 2
    trunk.run()
    for run in (branch.result(), trunk.result()):
        assert_same(run, whole.result())


def test_what_happens_in_a_branch_happens_in_a_run_that_did_the_same() -> None:
    trunk = Ecosystem(random_scenario(2, 4, "location", samples=12, rounds=8), seeds=[0, 1])
    alone = Ecosystem(random_scenario(2, 4, "location", samples=12, rounds=8), seeds=[0, 1])
    for eco in (trunk, alone):
        for _ in range(3):
            eco.step()
    before = trunk.result().rounds
    branch = trunk.branch()
    for eco in (branch, alone):
        agent = next(iter(eco.agents))
        agent.set_frozen(True, where=torch.tensor([[False, True]]))
        agent.set_curator(Shift([0.0] * agent.generator.event_shape[0]), reward=Linear([1.0, 0.5]))
        eco.run()
    assert_same(branch.result(), alone.result())
    assert trunk.result().rounds.equals(before) and not trunk.changes and branch.changes
    assert all(agent.model is branch for agent in branch.agents)
    assert branch["m0"] is not trunk["m0"]


# -- results travel ----------------------------------------------------------------------------------------------------


def _played(seed: int) -> Run:
    return loop(samples=8).run(seed, record=RECORD)


def test_runs_come_back_from_a_pool_of_processes() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        there = pool.submit(_played, 3).result(timeout=PATIENCE)
    assert_same(there, _played(3))
    assert_same(pickle.loads(pickle.dumps(there)), there)


# -- Mesa's verbs ------------------------------------------------------------------------------------------------------


class Leaver(ModelAgent):
    """Leaves before round 4."""

    decided: list[int]

    def decide(self) -> None:
        vars(self).setdefault("decided", []).append(self.model.steps)
        if self.model.steps == 4:
            self.remove()


def test_an_agent_that_is_removed_has_left() -> None:
    eco = Ecosystem(loop(Leaver))
    agent = eco["a"]
    eco.run()
    outside = loop()
    outside.at(4, Leave("a"))
    run, same = eco.result(), outside.run()
    for table in ("rounds", "changes"):
        pd.testing.assert_frame_equal(getattr(run, table), getattr(same, table))
    assert vars(agent)["decided"] == [1, 2, 3, 4]
    assert {a.name for a in eco.agents} == {"b"} and eco["a"] is agent
    eco.remove_all_agents()
    assert len(eco.agents) == 0 and eco.state.absent == {"a", "b"}


def test_who_joins_is_an_agent_from_then_on() -> None:
    s = loop(Leaver)
    s.at(3, Join("b"))
    eco = Ecosystem(s)
    there = []
    for _ in range(3):
        there.append({agent.name for agent in eco.agents})
        eco.step()
    assert there == [{"a"}] * 2 + [{"a"}] and {agent.name for agent in eco.agents} == {"a", "b"}


class Stopper(ModelAgent):
    """Stops the model in round 5, which is played to its end."""

    def decide(self) -> None:
        if self.model.steps == 5:
            self.model.running = False  # type: ignore[attr-defined]


@pytest.mark.parametrize("record", [Record(), Record(every=4), Record(last=2)])
def test_a_model_that_is_no_longer_running_stops_and_says_so(record: Record) -> None:
    run = loop(Stopper).run(record=record)
    assert run.settings["completed"] == 5 and not run.settings["finished"]
    assert run.settings["stopped"] == "after round 5: running was set to False"
    last = run.rounds[run.rounds["member"] == "a"].set_index("round")
    assert last.index[-1] == 5 and last["alignment"].iloc[-1] == 4 / 2**5


def test_a_stopped_run_may_go_on() -> None:
    eco = Ecosystem(loop(Stopper), record=Record(every=4))
    eco.run()
    assert eco.result().rounds["round"].max() == 5
    eco.running = True
    eco.run()
    whole = loop().run(record=Record(every=4))
    assert eco.result().rounds.equals(whole.rounds) and eco.result().settings["stopped"] == ""


# -- until -------------------------------------------------------------------------------------------------------------


def test_a_run_goes_on_until_a_condition_of_its_own() -> None:
    def low(view: View) -> bool:
        return bool((view.alignment()[0] < 0.3).all())

    run = loop().run(until=low)
    assert run.settings["stopped"] == "after round 4: low"  # 4 / 2⁴ = .25
    assert run.rounds["round"].max() == 4
    assert loop(rounds=3).run(until=low).settings == loop(rounds=3).run().settings | {
        "seconds": pytest.approx(0, abs=60)
    }


def test_settled_counts_rounds_in_which_nobody_moves() -> None:
    """``b`` moves by ``8/2^t`` in round ``t``, from ``16/2^t``, more than ``a``: no more than 1e-6 from round 23 on."""
    run = loop(rounds=100).run(until=settled(tolerance=1e-6, rounds=3))
    assert run.settings["completed"] == 23 + 2
    slow = loop(rounds=100)
    slow.add("c", Member(Location([1.0]), real=Location([0.0]), schedule=every(20)))
    assert slow.run(until=settled(1e-6, rounds=30)).settings["completed"] > 30


def test_members_at_rest_at_zero_are_settled() -> None:
    s = Scenario("zero", rounds=50)
    s.add("a", Member(Location([0.0]), real=Location([0.0])))
    assert s.run(until=settled(rounds=4)).settings["completed"] == 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"until": 5}, "run(until) must be a function of a View"),
        ({"until": lambda view: None}, "must return True or False, got None in round 1"),
        ({"record": {"every": 5}}, "record must be a Record"),
        ({"seeds": 10}, "Scenario.run() takes no 'seeds'; did you mean 'seed'?"),
        ({"recrod": 1}, "Scenario.run() takes no 'recrod'; did you mean 'record'?"),
    ],
)
def test_what_a_run_cannot_take_is_refused_in_words_of_the_call(settings: dict, message: str) -> None:
    with pytest.raises(TypeError, match=re.escape(message)):
        loop().run(**settings)


@pytest.mark.parametrize("settings", [{"tolerance": -1.0}, {"tolerance": float("nan")}, {"rounds": 0}])
def test_settled_refuses_numbers_out_of_range(settings: dict) -> None:
    with pytest.raises(ValueError, match="settled"):
        settled(**settings)


def test_a_run_that_was_stopped_is_kept_where_it_stopped(tmp_path) -> None:
    stopped = loop(samples=8).run(checkpoints=Checkpoints(tmp_path / "c", every=100), until=lambda v: v.round == 5)
    assert stopped.settings["completed"] == 5
    went_on = loop(samples=8).run(checkpoints=Checkpoints(tmp_path / "c", every=100))
    assert_same(went_on, loop(samples=8).run())
