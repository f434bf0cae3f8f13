"""What functions of one's own may answer in a study: a table, or a refusal in one line before anything is computed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from ecosystem import Flow, Linear, Location, Member, Record, Run, Scenario
from ecosystem.running.measures import View
from ecosystem.study import Local, Study, of_scenario
from ecosystem.study.answers import WrongTable

HERE = Local(0)


def loop(share: float) -> Scenario:
    s = Scenario("loop", rounds=3, samples=4)
    s.add("a", Member(Location([1.0]), reward=Linear([1.0]), real=Location([0.0])))
    s.connect("a", "a", Flow(raw=share))
    return s


def ends(answer: Any) -> Any:
    """A measure ``ends`` with this answer."""

    def ends(run: Run) -> Any:
        return answer() if callable(answer) else answer

    return ends


GRID = {"share": [0.1, 0.5, 0.9]}


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (0.25, r"ends\(\) must return a pandas DataFrame .* got 0\.25; return pd\.DataFrame\("),
        (None, r"got None; return"),
        ({"x": [1.0]}, r"got \{'x': \[1\.0\]\}; return"),
        (pd.Series([1.0], name="x"), r"got 0 1\.0 Name: x, dtype: float64; return"),
        (pd.DataFrame({"point": [1]}), r"a column 'point' already, which the study adds; leave it out"),
        (
            lambda: pd.DataFrame({"x": [torch.zeros(2)]}),
            r"the column 'x' of ends\(\) begins with tensor.* numbers, or texts",
        ),
        (pd.DataFrame({"x": [1, "one"]}), r"the column 'x' of ends\(\) begins with 1 "),
        (pd.DataFrame([[1, 2]], columns=["x", "x"]), r"two columns 'x'; give one of them another name"),
        (pd.DataFrame({"x": [1]}, index=pd.Index([2], name="x")), r"two columns 'x'"),
    ],
)
def test_an_answer_that_is_no_table_is_refused_before_anything_is_computed(
    answer: Any, says: str, tmp_path: Path
) -> None:
    """Every point was computed and failed, with a word about types or a raw error of Arrow."""
    with pytest.raises(WrongTable, match=r"^Study\(measure=ends\): ") as refused:
        Study("own", loop, grid=GRID, seeds=2, measure=["rounds", ends(answer)]).run(tmp_path / "s", engine=HERE)
    assert re.search(says, str(refused.value)) and "\n" not in str(refused.value)
    assert not list((tmp_path / "s").rglob("*.parquet"))


def test_a_function_of_a_view_is_sent_where_it_belongs(tmp_path: Path) -> None:
    def means(view: View) -> Any:
        return torch.stack([view.law(name).mean[..., 0] for name in view.names])

    with pytest.raises(
        WrongTable, match=r"no attribute or table 'names'.*Study\(record=Record\(measures=\[means\]\)\)"
    ):
        Study("own", loop, grid=GRID, measure=["rounds", means]).run(tmp_path / "s", engine=HERE)
    found = Study("own", loop, grid=GRID, record=Record(measures=[means])).run(tmp_path / "s", engine=HERE)
    assert found.rounds["means"].notna().all()


def test_what_is_wrong_at_some_points_only_is_data(tmp_path: Path) -> None:
    def odd(run: Run) -> Any:
        share = run.settings["parameters"]["share"]
        return None if share == 0.1 else pd.DataFrame({"x": [share if share < 0.9 else "much"]})

    with pytest.warns(RuntimeWarning, match="2 of 3 points failed"):
        found = Study("own", loop, grid=GRID, measure=["rounds", odd]).run(tmp_path / "s", engine=HERE)
    first, last = found.failures.sort_values("point")["error"]
    assert first.startswith("odd: WrongTable: odd() must return a pandas DataFrame")
    assert last.startswith("odd: WrongTable: the table of odd() does not go with that of an earlier point")
    assert found["odd"]["x"].tolist() == [0.5]


def test_what_a_function_raises_at_the_start_of_a_run_says_nothing(tmp_path: Path) -> None:
    def last(run: Run) -> pd.DataFrame:
        table = run.rounds[run.rounds["round"] == 3]
        return pd.DataFrame({"end": [table["alignment"].iloc[0]]})  # an IndexError before round 3

    found = Study("own", loop, grid=GRID, measure=["rounds", last]).run(tmp_path / "s", engine=HERE)
    assert found.failures.empty and len(found["last"]) == 3


def test_functions_of_scenarios_are_tried_where_there_are_many_points(tmp_path: Path) -> None:
    calls: list[str] = []

    def count(scenario: Scenario) -> Any:
        calls.append(scenario.name)
        return len(scenario.names)

    grid = {"share": [i / 40 for i in range(20)]}
    with pytest.raises(WrongTable, match=r"Study\(measure=count\): count\(\) must return .* got 1; return"):
        Study("own", loop, grid=grid, measure=of_scenario(count)).run(tmp_path / "s", engine=HERE)
    assert len(calls) <= 2


def test_a_measure_that_is_added_is_tried_too(tmp_path: Path) -> None:
    Study("own", loop, grid=GRID).run(tmp_path / "s", engine=HERE)
    with pytest.raises(WrongTable, match=r"Study\(measure=ends\): ends\(\) must return"):
        Study("own", loop, grid=GRID, measure=["rounds", ends(1)]).run(tmp_path / "s", engine=HERE)
    assert Study.load(tmp_path / "s").failures.empty


@pytest.mark.parametrize(
    ("measure", "says"),
    [
        (3, r"Study\(measure\) is a name, a function run -> DataFrame, or a list of them, got 3"),
        (
            [pd.DataFrame({"x": [1]})],
            r"Study\(measure\) takes names of tables and functions run -> DataFrame, got x 0 1",
        ),
        ([pd.DataFrame], r"functions run -> DataFrame, got <class 'pandas"),
        (
            [pd.merge],
            r"Study\(measure=merge\): it is called with one argument, and missing a required argument: 'right'",
        ),
    ],
)
def test_what_cannot_be_a_measure_is_refused_at_once(measure: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        Study("own", loop, grid=GRID, measure=measure)
