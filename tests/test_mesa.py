"""Mesa's own tools on an ecosystem: they work and say what our tables say, or are refused by name."""

from __future__ import annotations

import copy
from typing import Any

import mesa
import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from mesa.batchrunner import batch_run
from torch import Tensor, nn
from typer.testing import CliRunner

from ecosystem import Ecosystem, Flow, Freeze, Join, Leave, Member, ModelAgent, Run, Scenario
from ecosystem.cli import app
from ecosystem.curation import Tilt
from ecosystem.generators import GenerativeModel, Location
from ecosystem.rewards import Quadratic
from ecosystem.running.checkpoints import Checkpoints


class Cloud(GenerativeModel):
    """A generator of one's own, trained in place."""

    event_shape = (1,)

    def __init__(self) -> None:
        super().__init__()
        self.middle = nn.Parameter(torch.ones(1))

    def sample(self, n: int, rng: Any) -> Tensor:
        return self.middle + rng.normal(n, 1, dtype=torch.float32)

    def fit(self, data: Tensor, rng: Any) -> float:
        with torch.no_grad():
            self.middle.copy_(data.mean(0))
        return 0.0


def pair(curation: float = 0.4, rounds: int = 5, agent: type[ModelAgent] | None = None) -> Scenario:
    s = Scenario("pair", rounds=rounds, samples=8)
    taste: dict[str, Any] = {"reward": Quadratic([1.0], 0.1), "curator": Tilt()}
    s.add("a", Member(Location([1.0]), real=Location([0.0]), agent=agent, **taste))
    s.add("b", Member(Location([-1.0]), real=Location([0.0]), **taste))
    s.connect("b", "a", Flow(raw=0.5 - curation / 2, curated=curation))
    s.connect("a", "b", Flow(raw=0.5))
    return s


class Shown(Ecosystem):
    """An ecosystem that collects by Mesa's data collector, as Mesa's models do."""

    def __init__(self, curation: float = 0.4, scenario: Scenario | None = None, **reporters: Any) -> None:
        super().__init__(scenario or pair(curation))
        given = reporters or {"model_reporters": {"alignment": lambda m: float(m["a"].alignment)}}
        self.datacollector = mesa.DataCollector(**given)
        self.datacollector.collect(self)

    def step(self) -> None:
        super().step()
        self.datacollector.collect(self)


REPORTERS: dict[str, Any] = {
    "alignment": "alignment",
    "curation": "curation",
    "frozen": "frozen",
    "sources": "sources",
    "model": "generator",
    "mean": lambda agent: agent.generator.mean,
}

# -- data collectors ---------------------------------------------------------------------------------------------------


def test_collected_values_stay_as_they_were_and_are_those_of_the_tables() -> None:
    scenario = pair()
    scenario.at(3, Freeze("b"))
    scenario.at(4, Leave("b"))
    model_reporters = {"alive": "alive", "mean": lambda m: m["a"].generator.mean, "members": lambda m: len(m.agents)}
    eco = Shown(scenario=scenario, model_reporters=model_reporters, agent_reporters=REPORTERS)
    early = copy.deepcopy(eco.datacollector.get_agent_vars_dataframe())
    eco.run()
    rows, run = eco.datacollector.get_agent_vars_dataframe(), eco.result()
    assert rows.index.get_level_values("Step").max() == 5 == eco.steps
    first = rows.loc[[0]]
    for name in ("alignment", "mean", "curation"):
        assert all(torch.equal(x, y) for x, y in zip(first[name], early[name], strict=True))
    assert [model.mean.item() for model in first["model"]] == [1.0, -1.0]
    assert eco.datacollector.get_model_vars_dataframe()["mean"][0].item() == 1.0
    assert eco.datacollector.get_model_vars_dataframe()["members"].tolist() == [2, 2, 2, 2, 1, 1]
    found = {(step, "ab"[i - 1]): float(x) for (step, i), x in rows["alignment"].items()}
    assert found == {(r, m): x for r, m, x in run.rounds[["round", "member", "alignment"]].itertuples(index=False)}
    assert all(
        x["b"][1].item() == 0.4 and y.item() == 0.4
        for x, y in rows.loc[(0, 1) : (0, 1), ["sources", "curation"]].values
    )
    assert bool(rows.loc[(3, 2), "frozen"]) and not bool(rows.loc[(2, 2), "frozen"])


def test_trained_modules_do_not_alias_either() -> None:
    scenario = Scenario("cloud", rounds=3, samples=8)
    scenario.add("a", Member(Cloud(), real=torch.zeros(8, 1)))
    reporters = {
        "model": "generator",
        "middle": lambda agent: agent.generator.middle,
        "state": lambda a: a.generator.state_dict(),
    }
    eco = Shown(scenario=scenario, agent_reporters=reporters)
    eco.run()
    rows = eco.datacollector.get_agent_vars_dataframe()
    assert rows["middle"].map(Tensor.item).tolist() == [1.0, 0.0, 0.0, 0.0]
    assert rows["model"].map(lambda model: model.middle.item()).tolist() == [1.0, 0.0, 0.0, 0.0]
    assert rows["state"].map(lambda state: state["middle"].item()).tolist() == [1.0, 0.0, 0.0, 0.0]


def test_who_comes_later_is_collected_from_then_on() -> None:
    scenario = pair()
    scenario.add("c", Member(Location([0.0]), real=Location([0.0])))
    scenario.at(3, Join("c"))
    eco = Shown(scenario=scenario, agent_reporters={"name": "name"}, agenttype_reporters={ModelAgent: {"name": "name"}})
    eco.run()
    rows = eco.datacollector.get_agent_vars_dataframe()
    assert [list(rows.loc[step, "name"]) for step in range(6)] == [["a", "b"]] * 3 + [["a", "b", "c"]] * 3
    assert rows.loc[(5, 3), "name"] == "c"  # numbers are places among the members
    pd.testing.assert_frame_equal(eco.datacollector.get_agenttype_vars_dataframe(ModelAgent), rows)


# -- sets of agents ----------------------------------------------------------------------------------------------------


class Bold(ModelAgent):
    """An agent of one's own; it draws from Mesa's generator."""

    def decide(self) -> None:
        self.luck = self.model.random.random()  # type: ignore[attr-defined]


def test_sets_of_agents_select_group_and_add_up() -> None:
    eco = Ecosystem(pair(agent=Bold))
    eco.step()
    assert [agent.name for agent in eco.agents.select(lambda agent: agent.name != "a")] == ["b"]
    assert {kind: [a.name for a in many] for kind, many in eco.agents_by_type.items()} == {
        Bold: ["a"],
        ModelAgent: ["b"],
    }
    assert sorted(eco.agents.get("name")) == ["a", "b"]
    levels = {name: many.agg("curation", lambda xs: float(sum(xs))) for name, many in eco.agents.groupby("name")}
    assert levels == {"a": 0.4, "b": 0.0}
    mean = float(eco.agents.agg("alignment", lambda xs: torch.stack(xs).mean()))
    last = eco.result().rounds.query("round == 1")["alignment"]
    assert mean == pytest.approx(float(last.mean()), rel=1e-15)
    assert float(eco.agents.agg("alignment", np.mean)) == pytest.approx(mean)
    eco.agents.do("set_frozen", True)
    eco.agents.shuffle_do(lambda agent: agent.set_schedule(agent.member.schedule))
    assert eco.result().changes.query("what == 'frozen'")["subject"].tolist() == ["a", "b"]
    eco.agents.set("colour", "red")
    assert eco.agents.get("colour") == ["red", "red"]


def test_what_would_do_nothing_is_refused() -> None:
    """``agents.set("frozen", True)`` and ``agents.do("step")`` changed nothing, without a word."""
    eco = Ecosystem(pair())
    with pytest.raises(AttributeError, match=r"setting frozen of the agent of 'a' would change nothing; .*set_frozen"):
        eco.agents.set("frozen", True)
    with pytest.raises(AttributeError, match=r"set_curation\(level\)"):
        eco["a"].curation = 0.3  # type: ignore[misc]
    for name in ("step", "advance"):
        with pytest.raises(TypeError, match=r"has no step of its own: ecosystem.step\(\) plays a round"):
            eco.agents.shuffle_do(name)

    class Mesas(ModelAgent):
        def step(self) -> None:
            self.set_frozen(True)

    with pytest.raises(TypeError, match=r"nobody would call step\(\) of Mesas, the agent of 'a'; name it decide"):
        Ecosystem(pair(agent=Mesas))

    class Calls(Ecosystem):
        def step(self) -> None:
            self.agents_by_type[Mesas].do("step")
            super().step()

    eco = Calls(pair(agent=Mesas))
    eco.run()
    assert bool(eco["a"].frozen) and not bool(eco["b"].frozen)


def test_attributes_of_ones_own_may_have_those_names() -> None:
    class Own(ModelAgent):
        schedule = "mine"

        def decide(self) -> None:
            self.schedule = "changed"

    eco = Ecosystem(pair(agent=Own))
    eco.step()
    assert eco["a"].schedule == "changed"  # type: ignore[attr-defined]


def test_mesas_generators_move_no_draw() -> None:
    plain = pair().run().rounds
    eco = Ecosystem(pair(agent=Bold))
    while eco.running:
        eco.agents.shuffle_do("taste", "a")
        eco.random.random(), eco.rng.random(3)
        torch.rand(2), np.random.default_rng().random()
        eco.step()
    pd.testing.assert_frame_equal(eco.result().rounds, plain, check_exact=True)


# -- the model ---------------------------------------------------------------------------------------------------------


def test_a_model_runs_as_long_as_there_are_rounds(tmp_path: Any) -> None:
    """It said ``running`` for ever: Mesa's loops, and its pages, went on beyond the scenario's rounds."""
    eco = Ecosystem(pair(rounds=3))
    seen = []
    while eco.running:
        eco.step()
        seen.append((eco.steps, eco.completed))
    assert seen == [(1, 1), (2, 2), (3, 3)] and eco.result().settings["stopped"] == ""
    whole = Ecosystem(pair(rounds=3))
    whole.run_model()
    pd.testing.assert_frame_equal(eco.result().rounds, whole.result().rounds)
    plan = Checkpoints(tmp_path / "c")
    pair(rounds=3).run(checkpoints=plan)
    longer = pair(rounds=5).run(checkpoints=plan)  # a run that has ended goes on where there is more to do
    pd.testing.assert_frame_equal(longer.rounds, pair(rounds=5).run().rounds)


def test_agents_beside_the_members_have_numbers_of_their_own() -> None:
    """The first of them had the number of the first member, so that collected rows were mixed up."""
    eco = Ecosystem(pair())
    others = [mesa.Agent(eco) for _ in range(2)]
    assert [agent.unique_id for agent in eco.agents] == [1, 2, 3, 4]
    eco.run()
    others[0].remove()
    assert len(eco.agents) == 3 and eco not in getattr(mesa.Agent, "_ids", {})
    assert mesa.Agent(eco.branch()).unique_id == 5


def test_agents_beside_the_members_are_refused_by_checkpoints(tmp_path: Any) -> None:
    """They came back as new, without a word."""
    eco = Ecosystem(pair())
    mesa.Agent(eco)
    with pytest.raises(ValueError, match=r"agents beside those of the members \(Agent\) are not in a checkpoint"):
        eco.save(tmp_path / "saved")


STOPS = """
from ecosystem import Flow, Member, ModelAgent, Scenario
from ecosystem.generators import Location

class Stops(ModelAgent):
    def decide(self):
        self.model.running = self.model.steps < 2

def scenario():
    s = Scenario("loop", rounds=5)
    s.add("a", Member(Location([1.0]), real=Location([0.0]), agent=Stops))
    s.connect("a", "a", Flow(raw=0.5))
    return s
"""


def test_the_command_stops_where_an_agent_says_so(tmp_path: Any) -> None:
    """``ecosystem run`` played on to the last round."""
    (tmp_path / "stops.py").write_text(STOPS)
    result = CliRunner().invoke(app, ["run", str(tmp_path / "stops.py"), "--no-report", "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "stopped after round 2: running was set to False (5 rounds were planned)" in result.output
    assert Run.load(tmp_path / "out").settings["completed"] == 2


def test_batch_run_is_refused_and_names_what_to_use() -> None:
    """Its iterations had all one seed, its rows left out the last round, and it ran 1,000 rounds of any scenario."""
    for kind, parameters in ((Ecosystem, {"scenarios": pair()}), (Shown, {"curation": [0.1, 0.2]})):
        with pytest.raises(TypeError, match=r"mesa.batch_run cannot run (Ecosystem|Shown): .* use ecosystem.Study\("):
            batch_run(kind, parameters, iterations=2, display_progress=False)
    with pytest.raises(TypeError, match="cannot run Ecosystem"):
        batch_run(lambda **given: Ecosystem(pair(**given)), {"curation": 0.2}, display_progress=False)  # type: ignore[arg-type]


def test_a_model_that_holds_an_ecosystem_can_be_run_in_batches() -> None:
    class Holds(mesa.Model):
        def __init__(self, curation: float, root: int) -> None:
            super().__init__(rng=0)
            self.eco = Ecosystem(pair(curation), seeds=[root])
            self.datacollector = mesa.DataCollector({"alignment": lambda m: float(m.eco["a"].alignment)})

        def step(self) -> None:
            self.eco.step()
            self.datacollector.collect(self)

    found = batch_run(Holds, {"curation": [0.1, 0.4], "root": [0, 1]}, max_steps=2, display_progress=False)
    for row in found:
        run = pair(row["curation"], rounds=3).run(seed=row["root"])
        assert row["alignment"] == run.rounds.query("round == 3 and member == 'a'")["alignment"].item()


# -- the space ---------------------------------------------------------------------------------------------------------


def test_the_grid_is_the_network_as_it_is_now() -> None:
    scenario = pair()
    scenario.add("c", Member(Location([0.0]), real=Location([0.0])))
    scenario.at(1, Leave("b"))
    scenario.at(2, Join("c"))
    scenario.connect("a", "c", Flow(raw=0.5))
    eco = Ecosystem(scenario)
    assert isinstance(eco.grid, mesa.discrete_space.Network)
    assert [agent.name for agent in eco.grid.agents] == ["a", "b"]
    assert sorted(cell.coordinate for cell in eco["a"].cell.neighborhood) == [1, 2]  # one reads it, one it reads
    before = nx.Graph(eco.graph)
    eco.step(), eco.step()
    assert [agent.name for agent in eco.grid.agents] == ["a", "c"] and nx.utils.graphs_equal(
        before, nx.Graph(eco.graph)
    )
    assert eco.branch().grid is not eco.grid
