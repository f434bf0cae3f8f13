"""Points that fail are data: what is recorded of them, who is not disturbed, and how they are tried again."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from ecosystem import Flow, Linear, LinearMap, Location, Member, Record, Run, Scenario
from ecosystem.cli.loading import load_study
from ecosystem.study import Results, Study, of_scenario
from tests.studies import HERE, assert_same, assert_same_values, by_values, files, killed_after, pair, run

GOOD, BAD_BUILD, BAD_RUN, BAD_MEASURE, BAD_SCENARIO, EXPLODES = map(float, range(6))
KINDS = {BAD_BUILD: "build", BAD_RUN: "run", BAD_MEASURE: "measure", BAD_SCENARIO: "measure", EXPLODES: "diverged"}
UGLY = 0.8  # the share of the point whose scenario cannot be measured


class Fragile(RuntimeError):
    """What is raised here on purpose."""


def fragile(x: Tensor) -> Tensor:
    """Breaks in round 3 where it begins with 20: it reads 20, 40, 80."""
    if bool((x.abs() > 70).any()):
        raise Fragile("it was too much")
    return x


def chain(share: float, flaw: float) -> Scenario:
    """``grows`` doubles what it has; ``reader`` reads that through something fragile; ``away`` may explode."""
    if flaw == BAD_BUILD:
        raise Fragile("no such network")
    s = Scenario("chain", rounds=5, samples=3)
    s.add("grows", Member(Location([20.0 if flaw == BAD_RUN else 0.5], scale=0.01)))
    s.add("reader", Member(Location([0.0]), reward=Linear([1.0]), real=Location([1.0])))
    s.add("away", Member(Location([1.0])))
    s.connect("grows", "grows", Flow(raw=1.0, transform=LinearMap([[2.0]])))
    s.connect("grows", "reader", Flow(raw=share, transform=fragile))
    s.connect("away", "away", Flow(raw=1.0, transform=LinearMap([[1e5 if flaw == EXPLODES else 0.5]])))
    return s


def spread(run: Run) -> pd.DataFrame:
    if run.settings["parameters"]["flaw"] == BAD_MEASURE:
        raise Fragile("cannot be measured")
    return run.rounds.groupby(["seed", "round"])["alignment"].max().reset_index()


def parts(scenario: Scenario) -> pd.DataFrame:
    if scenario.graph.edges["grows", "reader"]["flow"].raw == UGLY:
        raise Fragile("cannot be looked at")
    return pd.DataFrame({"members": [len(scenario.names)]})


def study(points: pd.DataFrame, block: int) -> Study:
    measures = ["rounds", spread, of_scenario(parts)]
    return Study("chain", chain, grid=points, seeds=2, measure=measures, record=Record(every=2), block=block)


@pytest.fixture(scope="module")
def points() -> pd.DataFrame:
    flaws = [GOOD, BAD_RUN, GOOD, BAD_BUILD, BAD_MEASURE, GOOD, EXPLODES, BAD_SCENARIO, GOOD]
    shares = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, UGLY, 0.9]
    return pd.DataFrame({"share": shares, "flaw": flaws})


@pytest.fixture(scope="module")
def harmed(points: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """All nine in one block, and what can be run together in one tensor program."""
    with pytest.warns(RuntimeWarning, match=r"5 of 9 points failed \(.*\); the table `failures` says how") as told:
        results = study(points, 9).run(tmp_path_factory.mktemp("harmed"), engine=HERE)
    for count in ("1 build", "1 run", "2 measure", "1 diverged"):
        assert count in str(told[0].message)
    return results


def test_what_failed_is_recorded(harmed: Results, points: pd.DataFrame) -> None:
    failures = harmed.failures
    assert {p: KINDS[f] for p, f in points["flaw"].items() if f} == dict(failures[["point", "kind"]].values.tolist())
    assert harmed.failed == [1, 3, 4, 6, 7] and harmed.finished and harmed.progress().failed == 5
    rounds = failures.drop_duplicates("point").set_index("point")["round"]
    assert rounds[1] == 3 and rounds[6] == 3 and rounds[[3, 4, 7]].isna().all()  # 1e5³ is beyond all bounds
    diverged = failures[failures["kind"] == "diverged"]
    assert diverged["member"].eq("away").all() and diverged["seed"].tolist() == [0, 1]
    assert failures[failures["kind"] != "diverged"]["error"].str.contains("Fragile: ").all()


def test_tracebacks_are_kept(harmed: Results) -> None:
    raised = harmed.failures[harmed.failures["kind"] != "diverged"].set_index("point")
    assert sorted(raised.index) == [1, 3, 4, 7]
    for point, where in {1: "in fragile", 3: "in chain", 4: "in spread", 7: "in parts"}.items():
        text = (harmed.folder / raised["traceback"][point]).read_text()
        assert f"point {point}" in text and "Traceback (most recent call last)" in text
        error = raised["error"][point].removeprefix(f"{where.removeprefix('in ')}: ")  # of a measure: its name first
        assert where in text and error in text and Path(__file__).name in text
    assert len(list((harmed.folder / "tracebacks").iterdir())) == 4


@pytest.mark.parametrize("block", [1, 9])
def test_the_others_are_not_disturbed(harmed: Results, points: pd.DataFrame, block: int, tmp_path: Path) -> None:
    healthy = study(points[points["flaw"] == GOOD], block).run(tmp_path, engine=HERE)
    assert healthy.failures.empty and len(healthy.points) == 4
    for table in ("rounds", "spread", "parts"):
        mine = by_values(harmed, table)
        mine = mine[mine["flaw"] == GOOD].reset_index(drop=True)
        pd.testing.assert_frame_equal(mine, by_values(healthy, table), check_exact=True)


def test_what_a_failed_point_had_is_kept(harmed: Results) -> None:
    assert sorted(set(harmed.rounds["point"])) == [0, 2, 4, 5, 6, 7, 8]
    assert sorted(set(harmed["spread"]["point"])) == [0, 2, 5, 6, 7, 8]
    assert sorted(set(harmed["parts"]["point"])) == [0, 2, 4, 5, 6, 8]
    assert harmed.rounds.query("point == 6")["round"].max() == 2  # until it diverged
    assert np.isfinite(harmed.rounds["alignment"].dropna()).all()


def test_divergence_is_a_result_and_not_tried_again(harmed: Results, points: pd.DataFrame, tmp_path: Path) -> None:
    exploded = points[points["flaw"].isin([GOOD, EXPLODES])]
    first = run(study(exploded, 2), tmp_path)
    before = files(tmp_path)
    assert run(study(exploded, 2), tmp_path, retry=True).failed == first.failed and files(tmp_path) == before


@pytest.mark.parametrize(
    "table", [{"x": [1, "one"]}, {"x": [torch.zeros(2)]}, [["a", "a"], [1, 2]]], ids=["mixed", "tensors", "twice"]
)
def test_tables_that_cannot_be_kept_are_failures_too(table: Any, tmp_path: Path) -> None:
    """Of mixed types, of things that no file knows, or with two columns of one name."""

    def odd(run: Run) -> pd.DataFrame:
        if run.settings["parameters"]["share"] == 0.1:
            return pd.DataFrame([table[1]], columns=table[0]) if isinstance(table, list) else pd.DataFrame(table)
        return pd.DataFrame({"x": [1.0]})

    for block in (1, 2):
        grid = {"share": [0.1, 0.2]}
        results = run(Study("odd", pair, grid=grid, measure=["rounds", odd], block=block), tmp_path / str(block))
        assert results.failures[["point", "kind"]].values.tolist() == [[0, "measure"]]
        assert results["odd"]["point"].tolist() == [1] and set(results.rounds["point"]) == {0, 1}


# -- trying again ----------------------------------------------------------------------------------------------------


def moody(share: float) -> Scenario:
    """Fails at 0.2 until it is mended."""
    if share == 0.2 and "STUDY_MENDED" not in os.environ:
        raise Fragile("not today")
    return pair(share)


def moodily(shares: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4), seeds: int = 2, block: int = 3) -> Study:
    return Study("moody", moody, grid={"share": list(shares)}, seeds=seeds, measure=["rounds", "members"], block=block)


@pytest.fixture
def mended(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The world in which nothing fails; ``delenv`` leads to the other."""
    monkeypatch.setenv("STUDY_MENDED", "1")
    return monkeypatch


def broken(folder: Path, mended: pytest.MonkeyPatch) -> Results:
    """A folder in which one of four points has failed."""
    with mended.context() as patch:
        patch.delenv("STUDY_MENDED")
        results = run(moodily(), folder)
    assert results.failed == [1]
    return results


def test_tried_again_it_is_as_if_nothing_had_failed(mended: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken(tmp_path / "study", mended)
    assert run(moodily(), tmp_path / "study").failed == [1]  # not unasked
    with mended.context() as patch:
        patch.delenv("STUDY_MENDED")
        for _ in range(2):
            still = run(moodily(), tmp_path / "study", retry=True)
            assert still.failed == [1] and len(still.failures) == 1 and still.finished
    again = run(moodily(), tmp_path / "study", retry=True)
    assert again.failures.empty
    whole = run(moodily(), tmp_path / "whole")
    assert_same(again, whole)
    assert len(whole.dataset("rounds").to_table()) == len(again.dataset("rounds").to_table())


def test_a_retry_of_points_that_are_not_asked_any_more(mended: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Fewer points, or seeds: what failed among the others stays as it is."""
    broken(tmp_path, mended)
    results = run(moodily(shares=(0.1, 0.3)), tmp_path, retry=True)
    assert results.finished and results.failed in ([1], [])


@pytest.mark.parametrize(
    "then", [{}, {"shares": (0.1, 0.3)}, {"seeds": 1}], ids=["same", "fewer points", "fewer seeds"]
)
def test_killed_while_trying_again(mended: pytest.MonkeyPatch, tmp_path: Path, then: dict) -> None:
    """At every file that is written; whatever is asked in between, nothing is missing or twice in the end."""
    whole, sick = run(moodily(), tmp_path / "whole"), broken(tmp_path / "broken", mended).folder
    for writes in range(20):
        folder = Path(shutil.copytree(sick, tmp_path / f"{writes}"))
        came_so_far = killed_after(writes, moodily(), folder, retry=True)
        run(moodily(**then), folder)
        assert_same_values(run(moodily(), folder, retry=True), whole)
        if not came_so_far:
            break
    assert writes >= 5


def test_a_block_computed_again_after_points_of_it_were_tried_again(mended: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken(tmp_path / "study", mended)
    run(moodily(), tmp_path / "study", retry=True)
    (tmp_path / "study" / "tables" / "rounds" / "000000.parquet").unlink()  # as the message about a damaged file says
    with pytest.warns(RuntimeWarning, match="files of 1 blocks are missing"):
        assert_same(run(moodily(), tmp_path / "study"), run(moodily(), tmp_path / "whole"))


def test_cached_functions_of_a_scenario_file_go_along(tmp_path) -> None:
    """What a file computes once (pre-training, reading data) is computed once in each worker."""
    file = tmp_path / "cached.py"
    file.write_text(
        "from functools import cache, lru_cache\n"
        "from pathlib import Path\n"
        "from ecosystem import Flow, Location, Member, Scenario, Study\n"
        "@cache\n"
        "def start(where):\n"
        "    path = Path(where); path.write_text(path.read_text() + 'x' if path.exists() else 'x')\n"
        "    return half(2.0)\n"
        "@lru_cache(maxsize=3)\n"
        "def half(x):\n"
        "    return x / 2\n"
        "def scenario(share, where):\n"
        "    s = Scenario('cached', rounds=1)\n"
        "    s.add('a', Member(Location([start(where)]), real=Location([0.0])))\n"
        "    s.connect('a', 'a', Flow(raw=share))\n"
        "    return s\n"
        "def study(where):\n"
        "    return Study('cached', scenario, grid={'share': [0.1, 0.2, 0.3, 0.4], 'where': [where]}, block=1)\n"
    )
    calls = tmp_path / "calls"
    study = load_study(file, {"where": str(calls)})
    results = study.run(tmp_path / "out", workers=1)
    assert results.failures.empty and len(results.rounds) == 8
    assert len(calls.read_text()) <= 2  # in this process, which tries a point, and in the worker
