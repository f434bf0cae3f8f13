"""Agents: what a Mesa user expects, agents of one's own, decisions and interventions."""

from __future__ import annotations

import gc
import weakref

import mesa
import numpy as np
import pytest
import torch
from torch import nn

from ecosystem import (
    BestOf,
    Categorical,
    Connect,
    Curate,
    Disconnect,
    Ecosystem,
    Flow,
    FlowMatching,
    Freeze,
    Gaussian,
    GenerativeModel,
    Join,
    Leave,
    Linear,
    Location,
    Luce,
    Member,
    ModelAgent,
    Record,
    Scenario,
    Shift,
    Tabular,
    Thaw,
    Tilt,
    Training,
    accumulate,
    every,
    never,
    poisson,
    sequential,
    subsample,
)
from tests.networks import FAMILIES, random_scenario


def couple(agent: type | None = None, samples: int | None = None, rounds: int = 6, **flow) -> Scenario:
    """``b`` takes half from ``a`` and half from its own real data."""
    s = Scenario("couple", rounds=rounds, samples=samples)
    s.add("a", Member(Location([4.0]), reward=Linear([1.0]), curator=Shift([1.0]), schedule=never))
    b = Member(Location([0.0]), reward=Linear([1.0]), curator=Shift([2.0]), real=Location([0.0]), agent=agent)
    s.add("b", b)
    s.connect("a", "b", Flow(**({"raw": 0.25, "curated": 0.25} | flow)))
    return s


# -- Mesa --------------------------------------------------------------------------------------------------------------


def test_a_mesa_user_feels_at_home() -> None:
    eco = Ecosystem(couple())
    assert isinstance(eco, mesa.Model) and len(eco.agents) == 2 and eco.steps == 0
    assert {agent.unique_id for agent in eco.agents} == {1, 2}
    eco.step()
    assert eco.steps == 1
    (chosen,) = eco.agents.select(lambda agent: agent.name == "b")
    assert chosen is eco["b"] and chosen.model is eco
    assert float(chosen.generator.mean) == 0.25 * 4 + 0.25 * 5
    assert chosen.alignment.shape == (1, 1)
    assert isinstance(chosen.generator, nn.Module) and "mean" in chosen.generator.state_dict()


def test_ecosystems_are_not_kept_alive() -> None:
    eco = Ecosystem(couple())
    eco.step()
    alive = weakref.ref(eco)
    del eco
    gc.collect()
    assert alive() is None


def test_a_generator_can_be_written_back() -> None:
    eco = Ecosystem(couple(samples=5), seeds=[0, 1])
    eco["a"].generator = Location([8.0])
    assert eco["a"].generator.mean.flatten().tolist() == [8.0, 8.0]
    eco["b"].generator.mean.fill_(0)  # a copy for reading
    eco.step()
    assert (eco["b"].generator.mean > 1).all()
    with pytest.raises(TypeError, match="it cannot become"):
        eco["a"].generator = Gaussian([0.0], [[1.0]])


# -- gather and retrain ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("samples", [None, 7])
@pytest.mark.parametrize("family", FAMILIES)
def test_an_agent_alone_does_what_its_wave_does(family: str, samples: int | None) -> None:
    for seed in range(4):
        s = random_scenario(seed, 5, family, samples=samples)
        seeds = [(1, 0)] if samples is None else [(1, 0), (1, 1)]
        together, apart = Ecosystem(s, seeds=seeds), Ecosystem(s, seeds=seeds)
        gathered = {name: apart[name].gather() for name in s.names}
        for name in s.names:
            apart[name].retrain(gathered[name])
        together.step()
        for name in s.names:
            assert torch.equal(together[name].generator.vector(), apart[name].generator.vector()), name


class Tiny(GenerativeModel):
    """A user's own module: a mean, trained by gradient descent."""

    event_shape = (2,)

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.ones(2))
        self.training_plan = Training(steps=20, batch_size=16)

    def sample(self, n, rng):
        return self.mean + rng.normal(n, 2, dtype=torch.float32)

    def loss(self, batch, rng):
        return ((batch - self.mean) ** 2).mean()


@pytest.mark.parametrize("retention", [accumulate(), subsample(10)])
def test_neural_agents_alone_and_in_their_wave(retention) -> None:
    def network() -> Scenario:
        s = Scenario("neural", rounds=3, samples=12, ordering=sequential("b", "a"))
        for name in "ab":
            real = torch.full((5, 2), 3.0)
            member = Member(Tiny(), reward=Linear([1.0, 0.0]), curator=Luce(3), real=real, retention=retention)
            s.add(name, member)
        s.connect("a", "b", Flow(raw=0.3, curated=0.3))
        s.connect("b", "a", Flow(raw=0.2, curated=0.2, chosen_by="consumer"))
        return s

    together, apart = Ecosystem(network(), seeds=[0, 1]), Ecosystem(network(), seeds=[0, 1])
    together.step()
    for name in "ba":
        apart[name].retrain(apart[name].gather())
    assert torch.equal(together.state.now[0].vector(), apart.state.now[0].vector())
    table = together.result().rounds
    assert table[table["round"] == 1]["loss"].notna().all() and (table[table["round"] == 1]["change"] > 0).all()
    alone = Ecosystem(network(), seeds=[1])
    alone.step()
    assert torch.equal(together.state.now[0].vector()[:, :, 1], alone.state.now[0].vector()[:, :, 0])


def test_a_failure_in_training_names_the_member_and_keeps_its_cause() -> None:
    class Broken(Tiny):
        def loss(self, batch, rng):
            raise ArithmeticError("no gradient today")

    s = Scenario("broken", rounds=1, samples=4)
    s.add("x", Member(Broken(), real=torch.zeros(3, 2)))
    with pytest.raises(RuntimeError, match="member 'x' failed to train in round 1: no gradient today") as caught:
        s.run()
    assert isinstance(caught.value.__cause__, ArithmeticError)


class Outsider(ModelAgent):
    """Trains on a constant that it makes up."""

    def gather(self):
        return torch.full_like(super().gather(), 7.0)


def test_an_agent_class_may_replace_gather() -> None:
    s = couple(Outsider)
    s.add("c", Member(Location([0.0]), real=Location([0.0])))
    s.connect("b", "c", Flow(raw=1.0))
    run = s.replace(ordering=sequential("a", "b", "c")).run()
    assert float(run.parameters["b"]["mean"]) == 7.0 and float(run.parameters["c"]["mean"]) == 7.0


# -- decisions ---------------------------------------------------------------------------------------------------------


class Dropper(ModelAgent):
    """Stops reading ``a`` where its own alignment has passed 2."""

    def decide(self) -> None:
        self.set_flow("a", raw=0.0, curated=0.0, where=self.alignment > 2)


def test_decisions_are_taken_in_each_replicate_by_what_it_sees() -> None:
    s = couple(Dropper, samples=3, rounds=8)
    run = s.run(replicates=20)
    first = (
        run.rounds[(run.rounds["member"] == "b") & (run.rounds["alignment"] > 2)].groupby("replicate")["round"].min()
    )
    changes = run.changes[run.changes["what"] == "raw"].groupby("replicate")["round"].min()
    seen = first[first < 8]
    assert 0 < len(seen) <= 20
    assert (changes.reindex(seen.index) == seen + 1).all()  # decided before the next round
    assert set(changes.index) == set(seen.index)
    assert (run.changes["subject"] == "a→b").all()
    replicate = int(seen.index[0])
    alone = Ecosystem(s, seeds=[(0, replicate)])
    alone.run()
    here = run.rounds[run.rounds["replicate"] == replicate].reset_index(drop=True)
    assert here.equals(alone.result().rounds)


class Fickle(ModelAgent):
    """Changes everything an agent may change."""

    def decide(self) -> None:
        round = int(self.model.steps)
        if round == 2:
            self.set_curation(0.5)
        if round == 3:
            self.set_curator(Shift([10.0]))
        if round == 4:
            self.set_schedule(every(2, start=5))
        if round == 7:
            self.set_frozen(True)


def test_all_verbs_of_a_decision() -> None:
    run = couple(Fickle, rounds=9, raw=0.25, curated=0.25, chosen_by="consumer").run()
    b = run.rounds[run.rounds["member"] == "b"].set_index("round")["alignment"]
    # λ = .25 → raw .25, curated .25: .25·4 + .25·6; at λ = .5 the raw share is .25·(1−.5)/(1−.25) = 1/6
    assert b[1] == pytest.approx(0.25 * 4 + 0.25 * 6, abs=1e-12)
    assert b[2] == pytest.approx(4 / 6 + 0.5 * 6, abs=1e-12)
    assert b[3] == pytest.approx(4 / 6 + 0.5 * 14, abs=1e-12)
    updated = run.rounds[run.rounds["member"] == "b"].set_index("round")["updated"]
    assert updated.tolist() == [False, True, True, True, False, False, True, False, False, False]
    assert run.changes["what"].tolist() == ["curation", "curator", "schedule", "frozen"]
    assert run.changes["before"].tolist()[0] == "0.25" and run.changes["after"].tolist()[0] == "0.5"


def test_an_agent_sees_its_users_as_they_are_now() -> None:
    s = couple(ModelAgent, samples=3, rounds=2, curated=0.25, raw=0.25, chosen_by="consumer")
    eco = Ecosystem(s, seeds=[0, 1])
    agent = eco["b"]
    agent.set_curator(Shift([10.0]), reward=Linear([-3.0]), where=torch.tensor([[False, True]]))
    first, second = agent.users(), agent.users(replicate=1)
    assert first is not None and second is not None
    x = torch.tensor([[2.0]], dtype=torch.float64)
    assert second.reward.judge(x).tolist() == [-6.0] and second.curator.vector.tolist() == [10.0]
    before = first.reward.judge(x).tolist()
    first.reward.tensors()["direction"].zero_()  # a copy
    again = agent.users()
    assert again is not None and again.reward.judge(x).tolist() == before != [0.0]


def test_a_curator_may_change_in_some_replicates_only() -> None:
    class Split(ModelAgent):
        def decide(self) -> None:
            if self.model.steps == 1:
                self.set_curator(BestOf(8), where=torch.tensor([[True, False]]))

    s = Scenario("split", rounds=1, samples=4000)
    member = Member(Location([0.0]), reward=Linear([1.0]), curator=Luce(1), agent=Split)
    s.add("a", member)
    s.connect("a", "a", Flow(curated=1.0))
    means = s.run(replicates=2).parameters["a"]["mean"].flatten()
    assert means[0] == pytest.approx(1.4236, abs=0.06) and means[1] == pytest.approx(0.0, abs=0.08)


@pytest.mark.parametrize(
    ("verb", "message"),
    [
        (lambda a: a.set_flow("a", raw=0.9), "shares of 'b' add up to 1.15, more than 1"),
        (lambda a: a.set_flow("a", raw=-0.1), "must lie between 0 and 1"),
        (lambda a: a.set_flow("zzz", raw=0.1), "'b' has no flow from 'zzz'"),
        (lambda a: a.set_curation(1.5), "curation level of 'b'"),
        (lambda a: a.set_curator(Shift([1.0, 2.0])), r"set_curator\(\) of 'b' in round 1: .* shape \(2,\), but"),
    ],
)
def test_decisions_are_checked_like_a_scenario(verb, message: str) -> None:
    class Wrong(ModelAgent):
        def decide(self) -> None:
            verb(self)

    with pytest.raises((ValueError, KeyError), match=message):
        couple(Wrong).run()


def test_shares_are_taken_as_they_are_and_refused_ones_change_nothing() -> None:
    class Careful(ModelAgent):
        def decide(self) -> None:
            self.set_flow("a", raw=0.4)
            self.set_flow("a", curated=0.6)
            with pytest.raises(ValueError, match=r"add up to 1\.3"):
                self.set_flow("a", curated=0.9)

    run = couple(Careful, rounds=1).run()
    assert float(run.parameters["b"]["mean"]) == pytest.approx(0.4 * 4 + 0.6 * 5, abs=1e-14)


def test_new_users_stay_when_the_share_passes_through_nothing() -> None:
    class Resting(ModelAgent):
        def decide(self) -> None:
            round = int(self.model.steps)
            if round == 1:
                self.set_curator(Shift([100.0]))
            self.set_flow("a", curated=[0.0, 0.5][round - 1])

    run = couple(Resting, rounds=2, raw=0.0, curated=0.5, chosen_by="consumer").run()
    assert float(run.parameters["b"]["mean"]) == pytest.approx(0.5 * 104)


def test_an_agent_that_wakes_needs_a_whole_diet() -> None:
    class Waking(ModelAgent):
        def decide(self) -> None:
            self.set_schedule(every(1))

    s = Scenario("waking", rounds=2)
    s.add("a", Member(Location([4.0]), schedule=never, agent=Waking))
    s.connect("a", "a", Flow(raw=0.5))
    with pytest.raises(ValueError, match=r"shares of 'a' add up to 0\.5, less than 1"):
        s.run()


def test_an_agent_may_write_its_model_when_it_retrains() -> None:
    class Stubborn(ModelAgent):
        def retrain(self, gathered):
            self.generator = Location([7.0])

    run = couple(Stubborn, rounds=2).run()
    assert float(run.parameters["b"]["mean"]) == 7.0


# -- interventions -----------------------------------------------------------------------------------------------------


def test_freeze_and_thaw() -> None:
    s = couple(rounds=6)
    s.at(3, Freeze("b"))
    s.at(5, Thaw("b"))
    run = s.run()
    updated = run.rounds[run.rounds["member"] == "b"]["updated"].tolist()
    assert updated == [False, True, True, False, False, True, True]
    assert run.changes[["round", "subject", "what", "after"]].values.tolist() == [
        [3, "b", "frozen", "True"],
        [5, "b", "frozen", "False"],
    ]


def test_members_join_and_leave_and_shares_become_real_data() -> None:
    s = Scenario("late", rounds=6)
    s.add("old", Member(Location([0.0]), reward=Linear([1.0]), real=Location([1.0])))
    s.add("new", Member(Location([9.0]), reward=Linear([1.0]), schedule=never), joins=3)
    s.connect("new", "old", Flow(raw=0.5))
    s.at(5, Leave("new"))
    run = s.run()
    table = run.rounds.pivot(index="round", columns="member", values="alignment")
    assert table["old"].tolist() == [0.0, 1.0, 1.0, 5.0, 5.0, 1.0, 1.0]
    assert table["new"].dropna().index.tolist() == [3, 4]
    assert run.changes["what"].tolist() == ["present", "present"]


def test_a_member_may_leave_and_come_back() -> None:
    s = Scenario("back", rounds=5)
    s.add("u", Member(Location([2.0]), schedule=never))
    s.add("v", Member(Location([0.0]), reward=Linear([1.0]), real=Location([0.0])))
    s.connect("u", "v", Flow(raw=1.0))
    s.at(3, Leave("u"))
    s.at(5, Join("u"))
    assert s.run().rounds.query("member == 'v'")["alignment"].tolist() == [0.0, 2.0, 2.0, 0.0, 0.0, 2.0]


def test_flows_appear_and_go_and_levels_are_set() -> None:
    s = Scenario("flows", rounds=6)
    s.add("a", Member(Location([8.0]), schedule=never))
    s.add("b", Member(Location([0.0]), reward=Linear([1.0]), curator=Shift([4.0]), real=Location([0.0])))
    s.connect("a", "b", Flow(raw=0.25, curated=0.25, chosen_by="consumer"), appears=2)
    s.at(3, Curate("b", 0.5))
    s.at(5, Disconnect("a", "b"))
    b = s.run().rounds.query("member == 'b'").set_index("round")["alignment"]
    assert b[1] == 0.0
    assert b[2] == pytest.approx(0.25 * 8 + 0.25 * 12)
    assert b[3] == b[4] == pytest.approx(8 / 6 + 0.5 * 12)
    assert b[5] == b[6] == 0.0


def test_interventions_are_checked_when_the_scenario_is_built() -> None:
    s = couple()
    with pytest.raises(KeyError, match="there is no member 'x'"):
        s.at(2, Freeze("x"))
    with pytest.raises(KeyError, match="there is no flow"):
        s.at(2, Connect("b", "a"))
    with pytest.raises(TypeError, match="takes interventions"):
        s.at(2, "freeze b")  # type: ignore[arg-type]
    lonely = Scenario("lonely", rounds=3)
    lonely.add("a", Member(Location([0.0])))
    lonely.add("b", Member(Location([0.0]), schedule=never))
    lonely.connect("b", "a", Flow(raw=1.0))
    lonely.at(2, Leave("b"))
    with pytest.raises(ValueError, match=r"from round 2 on .* no real data"):
        lonely.check()
    two = couple()
    two.at(2, Curate("a", 0.5))
    with pytest.raises(ValueError, match="'a' has 0"):
        two.check()


# -- recording ---------------------------------------------------------------------------------------------------------


def test_draws_count_every_sample() -> None:
    s = couple(samples=50, rounds=3)
    eco = Ecosystem(s, seeds=[0, 1], record=Record(draws=True), build_samples=True)
    eco.run()
    draws = eco.result().draws
    assert (draws.groupby(["seed", "round", "member"])["count"].sum() == 50).all()
    assert set(draws["component"]) == {"a", "a (curated)", "real"}
    direct = Ecosystem(s, seeds=[0, 1], record=Record(draws=True))
    direct.run()
    assert draws.equals(direct.result().draws)  # drawing the statistic directly counts the same samples


def test_draws_are_those_of_members_that_retrained() -> None:
    s = Scenario("clock", rounds=8, samples=10)
    s.add("a", Member(Location([0.0]), real=Location([0.0]), schedule=poisson(0.5)))
    eco = Ecosystem(s, seeds=[0, 1, 2], record=Record(draws=True))
    eco.run()
    run = eco.result()
    assert len(run.draws) == int(run.rounds["updated"].sum()) and (run.draws["count"] == 10).all()


def test_real_data_of_another_precision_join_a_neural_diet() -> None:
    s = Scenario("mixed", rounds=1, samples=20)
    s.add("a", Member(Tiny(), real=torch.zeros(30, 2, dtype=torch.float64)))
    s.connect("a", "a", Flow(raw=0.5))
    assert s.run().rounds["loss"].notna().sum() == 1


def test_symbols_may_become_vectors() -> None:
    s = Scenario("one-hot", rounds=1, samples=2000)
    s.add("p", Member(Categorical([0.5, 0.5]), reward=Tabular([0.0, 1.0]), curator=BestOf(2), schedule=never))
    s.add("v", Member(Location([0.0, 0.0])))
    one_hot = lambda x: torch.nn.functional.one_hot(x, 2).double()  # noqa: E731
    s.connect("p", "v", Flow(raw=0.5, curated=0.5, transform=one_hot))
    mean = s.run().parameters["v"]["mean"][0]
    assert float(mean.sum()) == pytest.approx(1) and float(mean[1]) == pytest.approx(0.625, abs=0.05)


def test_recording_less() -> None:
    run = couple(rounds=10).run(record=Record(every=4))
    assert run.rounds["round"].unique().tolist() == [0, 4, 8, 10]
    run = couple(rounds=10).run(record=Record(last=3))
    assert run.rounds["round"].unique().tolist() == [8, 9, 10]
    full = couple(rounds=10).run().rounds
    assert np.array_equal(full[full["round"] >= 8]["change"], run.rounds["change"], equal_nan=True)


def test_tastes_judge_everybody_by_everybody() -> None:
    s = couple()
    run = s.run(record=Record(tastes=True))
    last = run.tastes[run.tastes["round"] == 6].set_index(["member", "judge"])["reward"]
    assert last["a", "b"] == 4.0 and len(run.tastes) == 7 * 4


def test_alignments_without_closed_form_are_estimated() -> None:
    s = Scenario("estimate", rounds=0, samples=2)
    s.add("a", Member(Location([0.0], 1.0), reward=lambda x: (x**2).sum(-1), real=Location([0.0])))
    table = s.run(replicates=200, record=Record(judged=1000)).rounds
    assert table["alignment"].mean() == pytest.approx(1.0, abs=5 * np.sqrt(2 / 200_000))


def test_flow_matching_members_run_in_a_network() -> None:
    s = Scenario("flows", rounds=2, samples=20)
    for name in "ab":
        model = FlowMatching(2, hidden=16, steps=4, training_plan=Training(steps=5, batch_size=8))
        s.add(name, Member(model, reward=Linear([1.0, 0.0]), curator=BestOf(3), real=torch.randn(30, 2)))
    s.connect("a", "b", Flow(raw=0.2, curated=0.4))
    s.connect("b", "a", Flow(raw=0.2, curated=0.4, chosen_by="consumer"))
    run = s.run(replicates=2, record=Record(samples=4))
    assert run.rounds["loss"].notna().sum() == 2 * 2 * 2
    assert run.samples["a"][0].shape == (4, 2)


def test_categorical_shapes() -> None:
    s = Scenario("symbols", rounds=2, samples=30)
    s.add(
        "a", Member(Categorical([0.5, 0.5]), reward=Tabular([0.0, 1.0]), curator=Tilt(), real=torch.tensor([0, 1, 1]))
    )
    s.connect("a", "a", Flow(curated=0.5))
    run = s.run(replicates=3)
    assert run.parameters["a"]["probabilities"].shape == (3, 2)
    assert run.members["event"].tolist() == ["symbol"]


def test_variants_must_have_one_shape() -> None:
    with pytest.raises(ValueError, match="variants must have one shape, but rounds differ"):
        Ecosystem([couple(rounds=3), couple(rounds=4)])
    other = couple()
    other.graph.nodes["a"]["member"] = Member(Gaussian([0.0], [[1.0]]), schedule=never)
    with pytest.raises(ValueError, match="'a' is of different kinds"):
        Ecosystem([couple(), other])
    with pytest.raises(ValueError, match="none twice"):
        Ecosystem(couple(samples=3), seeds=[1, 1])


@pytest.mark.parametrize(
    ("member", "flow", "message"),
    [
        (Member(Tiny(), real=torch.zeros(3, 2)), Flow(raw=0.5), "Tiny, the generator of 'a', has no population law"),
        (
            Member(Location([0.0, 0.0]), real=torch.zeros(3, 2), reward=lambda x: x[..., 0], curator=Luce(2)),
            Flow(curated=0.5),
            r"flow 'a' → 'a': Luce\(2, temperature=1\) with the reward <lambda> .* samples=n",
        ),
        (
            Member(Location([0.0, 0.0]), real=torch.zeros(3, 2)),
            Flow(raw=0.5, transform=torch.sin),
            "flow 'a' → 'a': the transform sin has no population law",
        ),
        (
            Member(Location([0.0, 0.0]), real=lambda n, rng: rng.normal(n, 2)),
            Flow(raw=0.5),
            "the real data of 'a': SampleFunction has no population law; run it with finite samples",
        ),
    ],
)
def test_what_has_no_population_law_says_so_at_once(member, flow, message: str) -> None:
    s = Scenario("law", rounds=1)
    s.add("a", member)
    s.connect("a", "a", flow)
    with pytest.raises(ValueError, match=message):
        s.check()
    s.replace(samples=5).run()


def test_join_is_an_intervention() -> None:
    assert Join("a").label == "a" and Connect("a", "b").label == "a→b"
