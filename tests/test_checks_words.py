"""What is said to who gives something wrong: calls that were made, what was given, and what to give instead."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
import torch

from ecosystem import (
    Checkpoints,
    Ecosystem,
    Flow,
    FlowMatching,
    Freeze,
    Linear,
    Location,
    Member,
    Record,
    Scenario,
    Stream,
    Study,
    Training,
    sequential,
)
from ecosystem.cli.loading import parse_settings
from ecosystem.core.arguments import spelled
from ecosystem.influence import influence, measure_influence, stability, stable_point
from ecosystem.rewards import Reward


def loop(share: float = 0.3, **parts: Any) -> Scenario:
    s = Scenario("loop", rounds=2, samples=4, **parts)
    s.add("a", Member(Location([0.0]), reward=Linear([1.0]), real=Location([0.0])))
    s.connect("a", "a", Flow(raw=share))
    return s


def numbered(graph: Any = None) -> Scenario:
    """Nodes are numbers, as they often are in NetworkX."""
    member = Member(Location([0.0]), reward=Linear([1.0]), real=Location([0.0]))
    graph = nx.DiGraph([(0, 1), (1, 2)]) if graph is None else graph
    return Scenario.from_graph(graph, member=lambda _: member, flow=lambda u, v: Flow(raw=0.3), rounds=2)


def given(**wrong: Any) -> Callable[[], object]:
    return lambda: loop().run(**wrong)


def calling(call: Any, *given: Any, **named: Any) -> Callable[[], object]:
    return lambda: call(*given, **named)


STRING = "names of members are strings, got 0; use str(node)"
OBJECT = "give the object, not its name: from ecosystem import shuffled"
HALF: Any = 1.5
NODE: Any = 0
WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "run(seeds=)": (given(seeds=10), "Scenario.run() takes no 'seeds'; did you mean 'seed'? It takes seed, repl"),
    "run(recrod=)": (given(recrod=1), "TypeError: Scenario.run() takes no 'recrod'; did you mean 'record'? It takes"),
    "Record(draw=)": (calling(Record, draw=True), "Record() takes no 'draw'; did you mean 'draws'? It takes every"),
    "Scenario(round=)": (calling(Scenario, "x", round=3), "Scenario() takes no 'round'; did you mean 'rounds'?"),
    "Scenario()": (
        calling(Scenario, "x"),
        "TypeError: Scenario() missing 1 required keyword-only argument: 'rounds'; it takes name, and by name",
    ),
    "Member(rewards=)": (
        calling(Member, Location([0.0]), rewards=1),
        "Member() takes no 'rewards'; did you mean 'reward'",
    ),
    "Flow(3 places)": (
        calling(Flow, 0.1, 0.2, "consumer"),
        "but 4 were given; it takes raw, curated, and by name chosen_by, transform, delay",
    ),
    "connect(raw=)": (
        calling(loop().connect, "a", "a", raw=0.1),
        "Scenario.connect() takes no 'raw'; it takes u, v, flow, and by name appears",
    ),
    "add(join=)": (calling(loop().add, "b", NODE, join=1), "Scenario.add() takes no 'join'; did you mean 'joins'?"),
    "from_graph(members=)": (
        calling(Scenario.from_graph, nx.DiGraph(), members=1),
        "Scenario.from_graph() takes no 'members'; did you mean 'member'? It takes digraph, and by name member, flow",
    ),
    "Training(step=)": (calling(Training, step=1), "Training() takes no 'step'; did you mean 'steps'? It takes steps"),
    "Ecosystem(seed=)": (calling(Ecosystem, loop(), seed=1), "Ecosystem() takes no 'seed'; did you mean 'seeds'?"),
    "Checkpoints(evry=)": (calling(Checkpoints, "x", evry=1), "Checkpoints() takes no 'evry'; did you mean 'every'?"),
    "Study(grids=)": (
        calling(Study, "s", loop, grids={}),
        "Study() takes no 'grids'; did you mean 'grid'? It takes name",
    ),
    "Study.run(worker=)": (
        calling(Study("s", loop).run, "x", worker=1),
        "Study.run() takes no 'worker'; did you mean 'workers'? It takes folder, and by name engine, workers",
    ),
    "influence(source=)": (calling(influence, loop(), source=["a"]), "influence() takes no 'source'; did you"),
    "measure_influence(seed=)": (
        calling(measure_influence, loop(), seed=1),
        "measure_influence() takes no 'seed'; did",
    ),
    "stable_point(tol=)": (
        calling(stable_point, loop(), tol=1),
        "stable_point() takes no 'tol'; it takes scenario, and",
    ),
    "stability(order=)": (
        calling(stability, loop(), order=1),
        "stability() takes no 'order'; did you mean 'orderings'?",
    ),
    "with_member(rewards=)": (
        lambda: loop().with_member("a", rewards=1),
        "with_member('a') changes generator, reward, curator, real, schedule, retention, agent, asked, learn, "
        "demand, not rewards; did you mean 'reward'?",
    ),
    "run(record={})": (given(record={"every": 2}), "TypeError: record must be a Record, record=Record(every=1, "),
    "run(until=)": (given(until=3), "TypeError: run(until) must be a function of a View, or settled(), got 3"),
    "run(seed=)": (given(seed=0.5), "ValueError: run(seed) must be a whole number"),
    "eco[0]": (lambda: Ecosystem(numbered())[0], STRING),  # type: ignore[index]
    "member(0)": (lambda: numbered().member(0), STRING),  # type: ignore[arg-type]
    "flow(0, 1)": (lambda: numbered().flow(0, 1), STRING),  # type: ignore[arg-type]
    "with_member(0)": (lambda: numbered().with_member(0, reward=None), STRING),  # type: ignore[arg-type]
    "with_flow(0, 1)": (lambda: numbered().with_flow(0, 1, raw=0.1), STRING),  # type: ignore[arg-type]
    "without(0, 1)": (lambda: numbered().without(0, 1), STRING),  # type: ignore[arg-type]
    "with_curation(0)": (lambda: numbered().with_curation(0, 0.5), STRING),  # type: ignore[arg-type]
    "connect(0, 1)": (lambda: numbered().connect(0, 1, Flow()), STRING),  # type: ignore[arg-type]
    "Freeze(0)": (lambda: numbered().at(1, Freeze(NODE)), "the name of a member, a string, got 0; use str(node)"),
    "influence(sources=[0])": (lambda: influence(numbered(), sources=[0]), STRING),  # type: ignore[list-item]
    "measure_influence([0])": (lambda: measure_influence(numbered(), sources=[0]), STRING),  # type: ignore[list-item]
    "sequential(0)": (lambda: sequential(0), "got 0; use str(node)"),  # type: ignore[arg-type]
    "member('1 ')": (lambda: numbered().member("1 "), "'1 '; did you mean '1'? The members are '0', '1', '2'"),
    "MultiDiGraph": (lambda: numbered(nx.MultiDiGraph([(0, 1)])), "ValueError: from_graph takes graphs with one edge"),
    "Study(seeds=[1.5])": (lambda: Study("s", loop, seeds=[HALF]), "ValueError: Study(seeds) must be a whole number"),
    "Study(seeds=1.5)": (lambda: Study("s", loop, seeds=HALF), "TypeError: Study(seeds) is a number of seeds"),
    "measure_influence(seeds=)": (
        lambda: measure_influence(loop(), seeds=[HALF], like={"a": ("a", "a")}),
        "measure_influence(seeds) must",
    ),
    "ordering='shuffled'": (lambda: loop(ordering="shuffled"), OBJECT),
    "replace(ordering=)": (lambda: loop().replace(ordering="shuffled"), OBJECT),
    "ordering=sequential": (lambda: loop(ordering=sequential), "say in which order: sequential('a', 'b')"),
    "replace(sampels=)": (lambda: loop().replace(sampels=3), "not sampels; did you mean 'samples'?"),
    "--grid": (lambda: parse_settings(["share"], "--grid"), "--grid 'share' is no setting; write --grid name=value"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_said_names_the_call_that_was_made(case: str) -> None:
    """Calls that the user had never made, and texts that looked like numbers, were what most of them spoke of."""
    wrong, said = WRONG[case]
    with pytest.raises((TypeError, ValueError, KeyError)) as caught:
        wrong()
    text = str(caught.value.args[0])
    assert said in f"{caught.type.__name__}: {text}" and "\n" not in text


def test_errors_of_what_is_called_are_its_own() -> None:
    """Only arguments that cannot be handed over are spoken of: a TypeError from inside passes as it is."""

    @spelled
    def outer(x: int) -> None:
        len(x)  # type: ignore[arg-type]

    @spelled
    class Part:
        def __init__(self, size: int = 1) -> None:
            outer(sise=size)  # type: ignore[call-arg]

    with pytest.raises(TypeError, match=r"^object of type 'int' has no len\(\)$"):
        outer(3)
    with pytest.raises(TypeError, match=r"outer\(\) takes no 'sise'; it takes x$"):
        Part()
    assert list(inspect.signature(Part).parameters) == ["size"] and list(inspect.signature(outer).parameters) == ["x"]


def test_warnings_point_at_the_line_that_led_to_them() -> None:
    """Some pointed into the library, and hid those of other lines."""
    with pytest.warns(UserWarning, match="it has one") as caught:
        loop().replace(samples=None).run(replicates=2)
        Ecosystem(loop().replace(samples=None), seeds=[0, 1])
    assert [warning.filename for warning in caught] == [__file__, __file__]


def test_a_grid_of_objects_on_the_command_line_is_told_where_they_are_made(tmp_path: Path) -> None:
    """It was said to be no list, and looked like one."""
    from ecosystem.cli.study import _asked

    file = tmp_path / "loops.py"
    file.write_text("def scenario(retention=None): ...")
    with pytest.raises(ValueError, match=r"no list of numbers and .*; objects are made in Python: .* study\(\)"):
        _asked(file, None, ["retention=[replace,accumulate]"], None, None)


def test_models_of_several_replicates_say_that_they_are_several() -> None:
    """The class that stands for them was named, which nobody had made: 'Looped' object has no attribute 'fit'."""
    s = Scenario("net", rounds=1, samples=4)
    s.add("a", Member(FlowMatching(1, hidden=4, depth=1), real=torch.zeros(8, 1)))
    two, one = Ecosystem(s, seeds=[(0, 0), (0, 1)]), Ecosystem(s, seeds=[0])
    with pytest.raises(TypeError, match=r"Stream.root.*it is 2 models FlowMatching, \[2\]; ask one: .*\[0\].sample"):
        two["a"].generator.sample(3)
    with pytest.raises(AttributeError, match=r"no 'fit' here: it is 2 models .* ask one: .*models\[0\].fit"):
        _ = two["a"].generator.fit
    rng = Stream.root([(0, 0)])[0]
    assert two["a"].generator.sample(3, rng).shape == (2, 3, 1)
    assert one["a"].generator.sample(3, rng).shape == two["a"].generator.models[0].sample(3, rng).shape == (3, 1)


# -- tastes in words ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class Warm(Reward):
    """A taste of the user's own that says nothing of its numbers."""

    weight: torch.Tensor

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight[..., None] * x[..., 0]

    def __repr__(self) -> str:
        return "warm"


def tastes(*rewards: Any) -> list[str]:
    s = Scenario("tastes", rounds=1, samples=2)
    for i, reward in enumerate(rewards):
        s.add(str(i), Member(Location([0.0]), reward=reward, real=Location([0.0])))
    return s.describe()["members"]["reward"].tolist()


def test_tastes_that_read_alike_and_are_not_are_numbered() -> None:
    """Only functions were told apart, by an isinstance: other rewards of one name and other numbers read alike."""
    up, down = lambda x: x[..., 0], lambda x: -x[..., 0]
    assert tastes(up, down, up) == ["<lambda> (1)", "<lambda> (2)", "<lambda> (1)"]
    assert tastes(Linear([1.0]), Linear([1.0]), Linear([2.0]), None) == [*["Linear([1])"] * 2, "Linear([2])", "none"]
    warm = [Warm(torch.tensor(number)) for number in (1.0, 2.0, 1.0)]
    assert tastes(*warm) == ["warm (1)", "warm (2)", "warm (1)"]
    assert tastes(Linear([1.0]).named("up"), Linear([2.0]).named("up")) == ["up (1)", "up (2)"]
    assert tastes(Linear([1.0]), Linear([1.00001])) == ["Linear([1]) (1)", "Linear([1]) (2)"]
