"""Studies: the design, what is kept, and what is refused."""

from __future__ import annotations

import cmath
import inspect
import math
import threading

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import qmc

from ecosystem import Ecosystem, Flow, Linear, LinearMap, Location, Member, ModelAgent, Record, Scenario
from ecosystem.cli.loading import load_study
from ecosystem.core.identity import digest
from ecosystem.influence import influence, stable_point
from ecosystem.running.variants import shape
from ecosystem.study import Local, Ray, Results, Study, StudyFolderError, of_scenario
from ecosystem.study.design import Design, points_table
from scenarios import pair

HERE = Local(workers=0)


def loop(share: float = 0.5, members: int = 1, rounds: int = 3, samples: int | None = 8, **_: object) -> Scenario:
    """Members in a ring, each with a share of its neighbour's output."""
    s = Scenario("loop", rounds=rounds, samples=samples)
    for i in range(members):
        s.add(str(i), Member(Location([1.0]), reward=Linear([1.0]), real=Location([0.0])))
    for i in range(members):
        s.connect(str(i), str((i + 1) % members), Flow(raw=share))
    return s


# -- the design ------------------------------------------------------------------------------------------------------


def test_a_dict_is_every_combination_of_its_lists() -> None:
    design = Design({"a": [1, 2], "b": range(2), "c": np.array([0.5, 1.5]), "d": pd.Series(["x"])})
    assert len(design) == 8
    assert design.parameters[:3] == [
        {"a": 1, "b": 0, "c": 0.5, "d": "x"},
        {"a": 1, "b": 0, "c": 1.5, "d": "x"},
        {"a": 1, "b": 1, "c": 0.5, "d": "x"},
    ]
    assert all(type(value) in (int, float, str) for value in design.parameters[0].values())


@pytest.mark.parametrize(
    "value", ["ring", (1, 2), {"k": [1]}, nx.path_graph(3), torch.ones(3), np.ones((2, 2)), None, 0.5, len]
)
def test_all_else_is_one_value(value: object) -> None:
    (only,) = Design({"graph": value}).parameters
    assert only["graph"] is value


def test_a_frame_is_its_rows() -> None:
    cube = qmc.scale(qmc.LatinHypercube(2, rng=0).random(5), [0.1, 0.2], [0.9, 0.8])
    grid = pd.DataFrame(cube, columns=["coupling", "curation"])
    assert Design(grid).parameters == grid.to_dict("records")
    assert len(Study("cube", pair.scenario, grid=grid).points) == 5


def test_no_grid_is_one_point() -> None:
    assert Design(None).parameters == [{}] and Design({}).parameters == [{}]


def test_the_table_of_points_tells_values_apart() -> None:
    graphs = [nx.path_graph(3), nx.path_graph(3, create_using=nx.DiGraph), nx.star_graph(2)]
    table = points_table(["g", "n"], [{"g": g, "n": n} for g, n in zip(graphs, (None, 4, 5), strict=True)])
    assert list(table["point"]) == [0, 1, 2] and table["g"].is_unique
    assert list(table["g"])[:2] == ["Graph with 3 nodes and 2 edges", "DiGraph with 3 nodes and 2 edges"]
    assert table["g"][2].startswith("Graph with 3 nodes and 2 edges #")  # the star has as many as the path
    assert table["n"].isna().tolist() == [True, False, False] and table["n"][2] == 5


@pytest.mark.parametrize(
    ("grid", "says"),
    [
        ({"shares": [1.0]}, r"loop\(\) has no parameter|no parameter 'shares'"),
        ({"share": []}, "list of 'share' is empty"),
        ({"share": iter([1])}, "used up by reading it once"),
        ({"share": [0.1, 0.1]}, "points 0 and 1 are the same"),
        ({"point": [1]}, "cannot be a parameter"),
        (pd.DataFrame({"share": [0.1, None]}), "row 1 has no value for 'share'"),
        (pd.DataFrame(), "needs rows"),
        ([0.1, 0.2], "dict of lists or a DataFrame"),
    ],
)
def test_designs_that_are_refused(grid: object, says: str) -> None:
    def build(share: float = 0.5) -> Scenario:
        return loop(share)

    with pytest.raises((ValueError, TypeError), match=says):
        Study("no", build, grid=grid)  # type: ignore[arg-type]


def test_whole_numbers_and_floats_that_equal_them_are_one_value(tmp_path) -> None:
    def at(grid: object) -> Results:
        return Study("n", loop, grid=grid).run(tmp_path / "s", engine=HERE)  # type: ignore[arg-type]

    at({"share": [0, 0.5]})
    assert len(at(pd.DataFrame({"share": [0.0, 0.5]})).points) == 2
    with pytest.raises(ValueError, match="points 0 and 1 are the same"):
        Design({"share": [1, 1.0]})


def test_parameters_that_build_needs() -> None:
    def build(share: float, width: int) -> Scenario:
        return loop(share)

    with pytest.raises(ValueError, match="needs a value for 'width'"):
        Study("no", build, grid={"share": [0.1]})


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"seeds": 0}, "seeds"),
        ({"seeds": [1, 1]}, "none twice"),
        ({"seeds": []}, "at least one"),
        ({"measure": ["round"]}, "no table 'round'"),
        ({"measure": ["rounds", "rounds"]}, "two tables 'rounds'"),
        ({"measure": [lambda run: run.rounds]}, "use def"),
        ({"measure": [3]}, "functions run -> DataFrame"),
        ({"block": 0}, "block"),
    ],
)
def test_settings_that_are_refused(settings: dict, says: str) -> None:
    with pytest.raises((ValueError, TypeError), match=says):
        Study("no", loop, **settings)


FILE = """
from ecosystem import Study
from tests_of_loops import loop

class Share:
    def __init__(self, value):
        self.value = value

def scenario(share):
    return loop(share.value)

def study():
    return Study("mine", scenario, grid={"share": [Share(0.2), Share(0.7)]}, block=1)
"""


def test_parameters_of_classes_that_only_a_scenario_file_knows(tmp_path) -> None:
    (tmp_path / "mine.py").write_text(FILE)
    loops = ["from ecosystem import Flow, Linear, Location, Member, Scenario", inspect.getsource(loop)]
    (tmp_path / "tests_of_loops.py").write_text("\n".join(loops))
    here = load_study(tmp_path / "mine.py").run(tmp_path / "a", engine=HERE)
    there = load_study(tmp_path / "mine.py").run(tmp_path / "b", workers=1)
    assert not there.failed and there.points["share"].is_unique
    pd.testing.assert_frame_equal(here.rounds, there.rounds, check_exact=True)


def test_builds_that_are_refused(tmp_path) -> None:
    with pytest.raises(TypeError, match="function that returns a Scenario"):
        Study("no", loop(), grid={})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"build\(\) fails at all of 1 points.*must return a Scenario"):
        Study("no", lambda: 3).run(tmp_path / "a", engine=HERE)  # type: ignore[arg-type, return-value]
    lock = threading.Lock()

    def guarded(share: float) -> Scenario:
        with lock:
            return loop(share)

    study = Study("locked", guarded, grid={"share": [0.1]})
    with pytest.raises(ValueError, match=r"cannot be sent to workers.*lock.*Local\(workers=0\)"):
        study.run(tmp_path / "b", workers=1)
    assert study.run(tmp_path / "b", engine=HERE).finished


class Unloadable:
    """It can be sent, and not be received."""

    def __reduce__(self) -> tuple:
        return int, ("not a number",)


def test_a_build_that_workers_cannot_load(tmp_path) -> None:
    stone = Unloadable()

    def build(share: float) -> Scenario:
        assert stone
        return loop(share)

    with pytest.raises(RuntimeError, match="a worker cannot load what it was sent"):
        Study("stone", build, grid={"share": [0.1, 0.2]}, block=1).run(tmp_path / "s", workers=1)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Local(workers=-1), "workers"),
        (lambda: Local(retries=True), "retries"),
        (lambda: Ray(num_gpus=-0.5), "num_gpus"),
        (lambda: Ray(workers=0), "workers"),
    ],
)
def test_engines_that_are_refused(make, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()


def test_unknown_engines(tmp_path) -> None:
    study = Study("no", loop)
    with pytest.raises(ValueError, match="no engine 'slurm'"):
        study.run(tmp_path, engine="slurm")
    with pytest.raises(ValueError, match="workers=2"):
        study.run(tmp_path, engine=HERE, workers=2)


# -- what is kept ----------------------------------------------------------------------------------------------------


def test_every_point_has_the_numbers_it_has_alone(tmp_path) -> None:
    """Shapes, sample counts and families mixed; each point equals its own run to the last bit."""
    grid = {"members": [1, 3], "samples": [None, 4, 16], "share": [0.2, 0.7, 1.0]}
    results = Study("mixed", loop, grid=grid, seeds=[3, 5, (5, 1)], measure=["rounds", "members"]).run(
        tmp_path / "s", engine=HERE
    )
    assert len(results.points) == 18 and results.finished and not results.failed
    for point, parameters in enumerate(Design(grid).parameters):
        scenario = loop(**parameters)
        seeds = [3, 5, (5, 1)] if scenario.samples else [3]
        eco = Ecosystem(scenario, seeds=seeds)
        eco.run()
        mine = _of(results.rounds, point).drop(columns="point").reset_index(drop=True)
        theirs = eco.result().rounds
        pd.testing.assert_frame_equal(mine, theirs, check_exact=True, check_categorical=False, check_dtype=False)
        assert len(_of(results.members, point)) == parameters["members"]


def test_scenarios_measures(tmp_path) -> None:
    def hops(scenario: Scenario) -> pd.DataFrame:
        return influence(scenario, sources=["theta"]).hops(3)

    grid = {"coupling": [0.5, 0.9]}
    measures = ["influence", "stable_point", of_scenario(hops)]
    results = Study("exact", pair.scenario, grid=grid, seeds=2, measure=measures).run(tmp_path / "s", engine=HERE)
    for point, coupling in enumerate(grid["coupling"]):
        exact = influence(pair.scenario(coupling))
        mine = _of(results.influence, point)
        np.testing.assert_array_equal(mine["effect"], exact.table["effect"])
        alignment = _of(results.stable_point, point).set_index("member")["alignment"]
        pd.testing.assert_series_equal(
            alignment, stable_point(pair.scenario(coupling)).alignment, check_names=False, check_index_type=False
        )
        assert len(_of(results.hops, point)) == 2 * 4  # targets, hops 0 to 3
    assert "rounds" not in results.tables
    with pytest.raises(AttributeError, match="rounds"):
        _ = results.rounds


def test_nobody_curates_at_the_beginning_of_a_grid(tmp_path) -> None:
    study = Study("zero", pair.scenario, grid={"curation": [0.0, 0.4]}, measure=["influence", "welfare"], block=1)
    results = study.run(tmp_path / "s", engine=HERE)
    assert not results.failed and set(results.influence["point"]) == set(results.welfare["point"]) == {1}
    empty = results.read("influence", points=[0])
    pd.testing.assert_series_equal(empty.dtypes, results.influence.dtypes)


def test_points_that_were_a_mistake_can_be_taken_out(tmp_path) -> None:
    def at(*shares: float, **how) -> Results:
        study = Study("f", loop, grid={"share": list(shares)}, seeds=2, block=2)
        assert list(study.run(tmp_path / "s", engine=HERE, **how).points["share"].sort_values()) == list(shares)
        return Study.load(tmp_path / "s")

    at(0.1, 0.2, 0.3)
    stay = at(0.1, 0.3, 0.4)
    assert len(stay.points) == 4 and stay.progress().points == 4
    gone = at(0.1, 0.3, 0.4, forget=True)
    assert list(gone.points["share"]) == [0.1, 0.3, 0.4] and list(gone.points["point"]) == [0, 2, 3]
    assert set(gone.rounds["point"]) == {0, 2, 3} and gone.progress().done == gone.progress().points == 3
    files = (tmp_path / "s" / "tables" / "rounds").glob("*.parquet")
    assert {p for file in files for p in pd.read_parquet(file)["point"]} == {0, 2, 3}
    again = at(0.1, 0.2, 0.3, 0.4)
    assert list(again.points["point"]) == [0, 2, 3, 4] and again.points["share"].iloc[-1] == 0.2
    fresh = Study("f", loop, grid={"share": [0.2]}, seeds=2).run(tmp_path / "t", engine=HERE)
    mine = _of(again.rounds, 4).drop(columns="point").reset_index(drop=True)
    pd.testing.assert_frame_equal(mine, fresh.rounds.drop(columns="point"), check_exact=True)


def test_the_ends_of_a_run_are_its_start_and_its_last_rounds(tmp_path) -> None:
    for record, rounds in ((Record(last=1), {3}), (Record(last=1, start=True), {0, 3}), (Record(last=2), {2, 3})):
        results = Study("r", loop, record=record).run(tmp_path / repr(record), engine=HERE)
        assert set(results.rounds["round"]) == rounds


def test_own_functions_see_runs(tmp_path) -> None:
    def last(run) -> pd.DataFrame:
        table = run.rounds
        return table[table["round"] == run.settings["rounds"]][["seed", "replicate", "member", "alignment"]]

    def spread(run) -> pd.DataFrame:
        value = float(run.parameters["0"]["mean"].std())
        return pd.DataFrame({"spread": [value], "share": run.settings["parameters"]["share"]})

    grid = {"share": [0.1, 0.9]}
    results = Study("own", loop, grid=grid, seeds=4, measure=["rounds", last, spread]).run(tmp_path / "s", engine=HERE)
    ends = results.rounds.query("round == 3")
    np.testing.assert_array_equal(results["last"]["alignment"], ends["alignment"])
    assert list(results.spread["share"]) == [0.1, 0.9] and set(results.spread["seeds"]) == {"0 to 3, 4 of them"}


def test_draws_and_tastes_are_recorded_when_they_are_kept(tmp_path) -> None:
    study = Study("d", loop, grid={"members": [2]}, measure=["draws", "tastes"], record=Record(every=2))
    results = study.run(tmp_path / "s", engine=HERE)
    assert results.draws["count"].sum() > 0 and set(results.tastes["round"]) == {0, 2, 3}


def test_progress_counts_points_and_failures(tmp_path) -> None:
    def build(share: float) -> Scenario:
        if share > 1:
            raise ValueError(f"share {share} is too much")
        return loop(share)

    seen = []
    study = Study("p", build, grid={"share": [0.1, 0.2, 0.3, 2.0]}, seeds=2, block=1)
    with pytest.warns(RuntimeWarning, match=r"1 of 4 points failed \(1 build\)"):
        results = study.run(tmp_path / "s", engine=HERE, progress=seen.append)
    assert [p.done for p in seen] == [0, 1, 2, 3, 4] and [p.failed for p in seen] == [0, 0, 0, 0, 1]
    assert seen[-1].remaining == 0 and seen[2].remaining > 0 and seen[2].rate > 0
    assert results.progress().done == 4 and results.failed == [3] and results.failures_by_kind == {"build": 1}
    (failure,) = results.failures.to_dict("records")
    assert failure["error"] == "ValueError: share 2.0 is too much" and failure["kind"] == "build"
    assert "is too much" in (results.folder / failure["traceback"]).read_text()


def test_the_default_type_of_torch_goes_along(tmp_path) -> None:
    def kind(run) -> pd.DataFrame:
        return pd.DataFrame({"seed": [0], "dtype": [str(torch.get_default_dtype())]})

    torch.set_default_dtype(torch.float64)
    try:
        study = Study("t", loop, measure=kind)
    finally:
        torch.set_default_dtype(torch.float32)
    assert list(study.run(tmp_path / "s", workers=1)["kind"]["dtype"]) == ["torch.float64"]
    with pytest.raises(StudyFolderError, match=r"torch default: torch\.float64 → torch\.float32"):
        Study("t", loop, measure=kind).run(tmp_path / "s", engine=HERE)


def test_warnings_of_workers_are_passed_on(tmp_path) -> None:
    import warnings

    def build(share: float) -> Scenario:
        warnings.warn("shares are shares", UserWarning, stacklevel=1)
        return loop(share)

    study = Study("w", build, grid={"share": [0.1, 0.2]})
    with pytest.warns((UserWarning, RuntimeWarning)) as caught:
        study.run(tmp_path / "s", engine=HERE)
    assert [str(w.message) for w in caught].count("in a worker: UserWarning: shares are shares") == 1


def test_results_say_what_there_is(tmp_path) -> None:
    results = Study("r", loop, grid={"share": [0.1]}).run(tmp_path / "s", engine=HERE)
    assert "1 of 1 points, 0 failed" in repr(results) and "rounds" in dir(results)
    assert results.name == "r" and results.parameters == ["share"] and results.seeds == [(0, 0)]
    with pytest.raises(KeyError, match="no table 'hops'"):
        _ = results["hops"]
    with pytest.raises(StudyFolderError, match="holds no study"):
        Study.load(tmp_path)
    assert isinstance(Study.load(tmp_path / "s"), Results)


def _of(table: pd.DataFrame, point: int) -> pd.DataFrame:
    return table[table["point"] == point]


# -- shapes ----------------------------------------------------------------------------------------------------------


def test_scenarios_of_one_shape_can_be_variants() -> None:
    alike = [pair.scenario(coupling, curation) for coupling, curation in [(0.1, 0.2), (0.9, 0.0), (0.5, 1.0)]]
    assert len({shape(s) for s in alike}) == 1
    Ecosystem(alike, seeds=[0])


def test_whatever_may_compute_otherwise_has_another_shape() -> None:
    class Own(ModelAgent):
        pass

    base = loop(members=2)
    others = [loop(members=3), loop(rounds=4), loop(samples=None)]
    moved = Scenario("loop", rounds=3, samples=8)
    for name in "01":
        moved.add(name, Member(Location([1.0]), reward=Linear([1.0]), real=Location([0.0])))
    moved.connect("0", "1", Flow(raw=0.5, transform=LinearMap(torch.eye(1))))
    moved.connect("1", "0", Flow(raw=0.5))
    own = Scenario("loop", rounds=3, samples=8)
    for name in "01":
        own.add(name, Member(Location([1.0]), reward=Linear([1.0]), real=Location([0.0]), agent=Own))
    shapes = [shape(s) for s in (base, *others, moved, own)]
    assert len(set(shapes)) == len(shapes)
    assert shape(own) != shape(own)  # an agent may look at anything
    with pytest.raises(ValueError, match="same agents"):
        Ecosystem([base, base.replace(), own], seeds=[0])


# -- content ---------------------------------------------------------------------------------------------------------


def test_content_is_what_counts() -> None:
    assert digest(np.float64(0.5)) == digest(0.5) and digest(True) != digest(1) != digest("1")
    assert digest({1, 2}) == digest({2, 1}) and digest([1, 2]) != digest([2, 1]) != digest((2, 1))
    assert digest(torch.ones(3)) != digest(torch.ones(4)) and digest(torch.ones(3)) == digest(torch.ones(3))
    assert digest(pair.scenario(0.5)) == digest(pair.scenario(0.5)) != digest(pair.scenario(0.6))
    assert digest(nx.path_graph(3)) != digest(nx.star_graph(2))
    assert digest(pd.Series([1, 2], index=["a", "b"])) != digest(pd.Series([1, 2], index=["x", "y"]))
    assert digest(pd.DataFrame({"a": [1, 2]}, index=[0, 0])) != digest(pd.DataFrame({"a": [7, 2]}, index=[0, 0]))
    assert digest(math.sqrt) != digest(cmath.sqrt) and digest(torch.ones(2, dtype=torch.bfloat16)) == digest(
        torch.ones(2, dtype=torch.bfloat16)
    )
    circle: list = [1]
    circle.append(circle)
    assert digest(circle) != digest([1, [1]])


SOURCE = '''
FACTOR = {factor}

def helper(x):
    {comment}
    return FACTOR * x {plus}

class Thing:
    def value(self): return helper({argument})

def build(share={default}):
    """{doc}"""
    return [helper(i) for i in range(3)], Thing()
'''


def test_code_counts_as_far_as_it_is_used() -> None:
    base = {"factor": 2, "comment": "# so", "plus": "", "argument": 1, "default": 0.5, "doc": "Builds."}

    def made(**changes) -> str:
        scope: dict = {"__name__": "users_own"}
        exec(SOURCE.format(**(base | changes)), scope)
        return digest(scope["build"])

    assert made() == made(comment="# otherwise", doc="Builds it.")
    changed = [made(factor=3), made(plus="+ 1"), made(argument=2), made(default=0.6)]
    assert len({made(), *changed}) == 5
