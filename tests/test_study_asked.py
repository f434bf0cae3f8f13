"""What a study returns and stores as it grows: what was asked for, in the words it was asked in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ecosystem import (
    Flow,
    Linear,
    Location,
    Luce,
    Member,
    Record,
    Scenario,
    Study,
    accumulate,
    replace,
    sequential,
    shuffled,
)
from ecosystem import synchronous as at_once
from ecosystem.study import Local, Results, of_scenario
from ecosystem.study.engines.base import Outcomes
from ecosystem.study.engines.fitting import SECONDS, Fitting
from ecosystem.study.work import Job, Task
from tests.studies import ALWAYS, FINE, FLAGS, HERE, PARENT, mortal, pair, run


def arranged(
    ordering: Any = at_once, retention: Any = None, samples: int | None = 4, temperature: Any = 1.0
) -> Scenario:
    s = Scenario("arranged", rounds=1, samples=samples, ordering=ordering)
    for name in "ab":
        s.add(name, Member(Location([0.0]), reward=Linear([1.0]), curator=Luce(2), real=Location([1.0])))
    s.connect("a", "b", Flow(raw=0.5))
    return s.with_member("a", retention=retention or replace())


# -- what was asked for ------------------------------------------------------------------------------------------------


def shares(seeds: Any, *given: float, measure: Any = ("rounds",), block: int | None = None) -> Study:
    return Study("shares", pair, grid={"share": list(given)}, seeds=seeds, measure=measure, block=block)


def test_a_smaller_study_on_a_folder_returns_what_it_asks_for(tmp_path: Path) -> None:
    """`run(seeds=2)` on a folder of six seeds returned six."""
    whole = shares(6, 0.1, 0.2, 0.3, measure=["rounds", "members"]).run(tmp_path, engine=HERE)
    assert len(whole.seeds) == 6 and set(whole.rounds["seed"]) == set(range(6))
    few = shares(2, 0.1, 0.3, measure=["rounds", "members"]).run(tmp_path, engine=HERE)
    assert few.seeds == [(0, 0), (1, 0)] and set(few.rounds["seed"]) == {0, 1} and few.finished
    assert few.points["share"].tolist() == [0.1, 0.3] and set(few.rounds["point"]) == set(few.members["point"]) == {
        0,
        2,
    }
    assert (few.progress().points, few.progress().done) == (2, 2)
    kept = whole.rounds[whole.rounds["seed"].lt(2) & whole.rounds["point"].ne(1)].reset_index(drop=True)
    pd.testing.assert_frame_equal(few.rounds, kept, check_exact=True)
    assert (
        few.read("rounds", ["alignment"], points=[0])["alignment"].tolist()
        == kept.loc[kept["point"].eq(0), "alignment"].tolist()
    )
    with pytest.raises(KeyError, match="no point 1; there are 0, 2"):
        few.read("rounds", points=[0, 1])
    everything = Study.load(tmp_path)
    pd.testing.assert_frame_equal(everything.rounds, whole.rounds, check_exact=True)


def test_rows_about_several_seeds_come_with_one_of_them(tmp_path: Path) -> None:
    def mean(run: Any) -> pd.DataFrame:
        return pd.DataFrame({"mean": [run.rounds["alignment"].mean()]})

    def grown(*seeds: int) -> Results:
        return Study("mean", pair, seeds=seeds, measure=mean).run(tmp_path, engine=HERE)

    grown(0, 1)
    assert grown(0, 1, 2)["mean"]["seeds"].tolist() == ["0 to 1, 2 of them", "2"]
    assert grown(2)["mean"]["seeds"].tolist() == ["2"]


# -- in the words it was asked in --------------------------------------------------------------------------------------


def test_objects_are_found_by_their_words(tmp_path: Path) -> None:
    """They were stored as `shuffled #e724de`, so a query for `shuffled` was empty."""
    grid = {"ordering": [at_once, shuffled, sequential("b", "a")], "retention": [replace(), accumulate()]}
    points = Study("orders", arranged, grid=grid).run(tmp_path, engine=HERE).points
    assert len(points.query("ordering == 'shuffled'")) == len(points.query("ordering == 'synchronous'")) == 2
    assert len(points.query("retention == 'accumulate()' and ordering == \"sequential('b', 'a')\"")) == 1


def test_what_has_the_words_of_another_is_told_apart_and_grows(tmp_path: Path) -> None:
    def made(first: bool) -> Any:
        def other(names: Any, round: int, rng: Any) -> Any:
            return [round, 0] if first else [0, round]

        return other

    first, other = made(True), made(False)

    def orders(*given: Any) -> list[str]:
        run(Study("orders", arranged, grid={"ordering": list(given)}), tmp_path)
        return Study.load(tmp_path).points["ordering"].tolist()

    assert orders(first) == ["other"]
    both = orders(first, other)
    assert both[0] == "other" and both[1].startswith("other #")
    assert orders(other, first) == both  # known: nothing is computed and nothing changes


@pytest.mark.parametrize("values", [[None, 4, 8], [None, 0.5, 2.0], [1, None, 0.5], [None, "a"], [None, True]])
def test_none_is_none(values: list[Any], tmp_path: Path) -> None:
    """It became <NA>, and numbers beside it texts."""
    from ecosystem.study.design import points_table

    table = points_table(["value"], [{"value": value} for value in values])
    grown = points_table(
        ["value"], [{"value": values[-1]}], points_table(["value"], [{"value": v} for v in values[:-1]])
    )
    assert grown["value"].tolist() == table["value"].tolist()
    if all(value is None or (isinstance(value, int) and not isinstance(value, bool)) for value in values):
        results = Study("none", arranged, grid={"samples": values}).run(tmp_path, engine=HERE)
        assert results.points["samples"].tolist() == values
        assert len(results.points.query("samples == 8")) == 1 and len(results.points.query("samples.isna()")) == 1


# -- by the way that fits ----------------------------------------------------------------------------------------------


def process(run: Any) -> pd.DataFrame:
    return pd.DataFrame({"process": [os.getpid()]})


def test_a_small_study_runs_in_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers were started for one point and one seed: 14 to 28 s for what takes a tenth."""
    assert set(Study("small", pair, measure=process).run(tmp_path / "small")["process"]["process"]) == {os.getpid()}
    monkeypatch.setattr("ecosystem.study.engines.fitting.SECONDS", 0.0)
    found = Study("large", pair, measure=process).run(tmp_path / "large")
    assert os.getpid() not in set(found["process"]["process"])


TIME = "STUDY_TIME"  # environment, for a measure that is not what it was when it refers to something that changes


def _passes(seconds: float) -> None:
    os.environ[TIME] = str(float(os.environ[TIME]) + seconds)


def minute(run: Any) -> pd.DataFrame:
    _passes(60.0)
    return process(run)


def minute_at_the_end(run: Any) -> pd.DataFrame:
    _passes(60.0 * (run.rounds["round"].max() > 0))
    return process(run)


def minute_of_scenario(scenario: Scenario) -> pd.DataFrame:
    _passes(60.0)
    return process(scenario)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time that depends on no machine: only measures take any."""
    monkeypatch.setenv(TIME, "0.0")
    for place in ("probing", "engines.fitting"):
        monkeypatch.setattr(f"ecosystem.study.{place}.perf_counter", lambda: float(os.environ[TIME]))


class Elsewhere:
    """Stands for workers: notes the blocks that they are given, and how often they were started."""

    here = True

    def __init__(self) -> None:
        self.blocks: list[int] = []
        self.started = 0

    def run(self, job: Job, tasks: Iterator[Task]) -> Outcomes:
        self.started += 1
        for task in tasks:
            self.blocks.append(task.block.number)
            yield from Local(0).run(job, iter([task]))


def by_workers(study: Study, folder: Path) -> list[int]:
    """The blocks that were not computed in this process."""
    elsewhere = Elsewhere()
    study.run(folder, engine=Fitting(elsewhere))
    assert elsewhere.started == bool(elsewhere.blocks)
    return elsewhere.blocks


def test_measures_that_take_long_get_workers(tmp_path: Path, clock: None) -> None:
    """Only rounds were counted: whatever a measure took, the study stayed in this process."""
    how: dict[str, Any] = {"grid": {"share": [0.1, 0.2, 0.3, 0.4]}, "block": 1}
    assert by_workers(Study("light", pair, measure=process, **how), tmp_path / "light") == []
    assert by_workers(Study("heavy", pair, measure=minute, **how), tmp_path / "heavy") == [0, 1, 2, 3]
    late = Study("late", pair, measure=minute_at_the_end, **how)  # no look at the start could tell
    assert by_workers(late, tmp_path / "late") == [1, 2, 3]
    few = Study("few", pair, measure=of_scenario(minute_of_scenario), **how)  # too few points to be tried
    assert by_workers(few, tmp_path / "few") == [1, 2, 3]


def test_tables_that_are_added_start_no_workers_for_little(tmp_path: Path, clock: None) -> None:
    """A table of what is kept started workers, however small the study was."""
    how: dict[str, Any] = {"grid": {"share": [0.1, 0.2]}, "block": 1}
    assert by_workers(Study("added", pair, **how), tmp_path) == []
    assert by_workers(Study("added", pair, measure=["rounds", process], **how), tmp_path) == []
    assert by_workers(Study("added", pair, measure=["rounds", process, minute], **how), tmp_path) == [1]


def long(share: float = 0.1, rounds: int = 1) -> Scenario:
    return pair(share, rounds=rounds)


@pytest.mark.parametrize("rounds", [[1, 100_000], [100_000, 1], [1, 2, 100_000, 3]])
def test_points_larger_than_the_first_are_seen(tmp_path: Path, rounds: list[int], clock: None) -> None:
    """By the first point all of them were as small: hours were computed in this process."""
    study = Study("long", long, grid={"rounds": rounds}, record=Record(last=1))
    engine = Planned()
    study.run(tmp_path, engine=engine, stop=lambda: True)
    assert sum(map(engine.cost, engine.blocks)) >= SECONDS
    light = Study("light", long, grid={"rounds": [1, 2, 3]})
    light.run(tmp_path / "light", engine=(engine := Planned()), stop=lambda: True)
    assert sum(map(engine.cost, engine.blocks)) < SECONDS / 2


class Planned(Fitting):
    """Keeps what it is told of the work."""

    def about(self, blocks: Any, cost: Any) -> Fitting:
        self.__dict__.update(blocks=blocks, cost=cost)
        return self


def test_a_point_that_kills_its_workers_takes_no_other_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All points of its block were lost until `retry`."""
    monkeypatch.setenv(FLAGS, str(tmp_path))
    monkeypatch.setenv(PARENT, str(os.getpid()))
    frame = pd.DataFrame({"share": [0.1, 0.2, 0.3, 0.4], "fate": [FINE, ALWAYS, FINE, FINE]})
    study = Study("mortal", mortal, grid=frame, seeds=2, block=4)
    with pytest.warns(RuntimeWarning, match=r"1 of 4 points failed \(1 lost\)"):
        found = study.run(tmp_path / "study", engine=Local(workers=1, retries=0))
    assert found.finished and found.failures[["point", "kind"]].to_numpy().tolist() == [[1, "lost"]]
    assert "died over it" in found.failures["error"][0]
    alone = Study("mortal", mortal, grid=frame.drop(index=1), seeds=2, block=1).run(tmp_path / "alone", engine=HERE)
    ours = found.rounds.drop(columns="point").reset_index(drop=True)
    pd.testing.assert_frame_equal(ours, alone.rounds.drop(columns="point"), check_exact=True)
