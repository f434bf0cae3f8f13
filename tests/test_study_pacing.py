"""Blocks sized by time: how many are joined moves no number, and follows what was measured."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as some

from ecosystem import Run, Scenario
from ecosystem.study import Results, Study, pacing, sizing
from ecosystem.study.engines import Lost
from ecosystem.study.pacing import Pace
from ecosystem.study.plan import Block, Request
from ecosystem.study.store import Store
from ecosystem.study.work import Parcel, Task, play
from tests.studies import assert_same, files, pair, run

SHARES = [i / 100 for i in range(24)]


def ends(run: Run) -> pd.DataFrame:
    return run.rounds.groupby("member", observed=True)[["alignment"]].last().reset_index()


def fragile(share: float) -> Scenario:
    if share in (0.03, 0.04, 0.17):
        raise RuntimeError(f"not with {share}")
    return pair(share)


def study(seconds: float = 1000.0, build: Callable[..., Scenario] = fragile, **how: Any) -> Study:
    given = {"grid": {"share": SHARES}, "seeds": 4, "measure": ["rounds", "members", ends], **how}
    return Study("paced", build, block_seconds=seconds, **given)


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small parts, of two points and two seeds, up to 64 of them in a block."""
    rows = 4 * 2  # of a run of the pair: four rounds, two members
    monkeypatch.setattr("ecosystem.study.asking.block_width", lambda *_: 2)
    monkeypatch.setattr("ecosystem.study.asking.block_depth", lambda *_: 2)
    monkeypatch.setattr(sizing, "ROWS", 64 * 2 * 2 * rows)


# -- the plan --------------------------------------------------------------------------------------------------------


@given(some.integers(1, 9), some.integers(0, 5), some.integers(1, 4), some.integers(1, 3), some.integers(0, 3))
def test_the_parts_of_every_block_are_the_smallest_ones(
    points: int, seeds: int, width: int, depth: int, first: int
) -> None:
    """Whatever is joined is made of what was decided when it was asked for: the numbers of a point stay its own."""
    request = Request(first, tuple(range(points)), tuple((s, 0) for s in range(seeds)), width, depth)
    smallest = {block.number: block for block in request.blocks()}
    legal = 0
    for number in smallest:
        for span in range(1, len(smallest) + 1):
            try:
                block = request.block(number, span)
            except ValueError:
                continue
            legal += span > 1
            parts = {part.number: part for part in block.parts()}
            assert list(parts) == list(block.numbers)
            for part in parts.values():
                one = smallest[part.number]
                assert (part.points, part.seeds, part.fresh) == (one.points, one.seeds, one.fresh)
            assert set(block.points) == {p for part in parts.values() for p in part.points}
            assert block.size == sum(part.size for part in parts.values())
    assert legal or len(smallest) == 1


def test_requests_of_before_are_read_as_they_were() -> None:
    told = Request(3, (0, 1, 2), ((0, 0),), 2, 1).to_json()
    del told["most"]
    assert [block.number for block in Request.from_json(told).blocks()] == [3, 4]
    assert Request.from_json(told).most == 1


# -- the pace --------------------------------------------------------------------------------------------------------


def spans(pace: Pace, seconds: Callable[[Block], float], under_way: int = 1, busy: float = 0.0) -> list[Block]:
    """The blocks of a pace, where so many are under way at once and each takes its seconds."""
    given, flying = [], []
    for block in pace:
        given.append(block)
        flying.append(block)
        if len(flying) == under_way:
            done = flying.pop(0)
            pace.finished(done, seconds(done), busy)
    return given


def paced(points: int, most: int = 10**6, aim: float = 10.0, cost: Callable[[Block], float] = lambda b: b.size) -> Pace:
    return Pace([Request(0, tuple(range(points)), ((0, 0),), 1, 1, most=most)], (), cost, aim)


def test_blocks_take_the_seconds_they_should() -> None:
    """From a first probe on, whether points are quick or slow; longer ones only where a single point is."""
    for each in (1e-3, 0.1, 3.0, 60.0):
        given = spans(paced(20_000 if each < 0.1 else 300, aim=10.0), lambda block, each=each: each * block.size)
        assert given[0].span == 1 and sum(block.span for block in given) in (300, 20_000)
        longest = max(each * block.size for block in given)
        assert longest <= max(10.0, each) * (1 + 1e-9)
        assert longest > 5.0


def test_they_adapt_to_what_is_measured() -> None:
    """An estimate that is wrong everywhere, and points that become ten times as slow half way."""

    def seconds(block: Block) -> float:
        return sum(0.05 if point < 500 else 0.5 for point in block.points)

    given = spans(paced(1000, cost=lambda block: 1e6 * block.size), seconds)
    early = max(block.span for block in given if max(block.points) < 500)
    late = max(block.span for block in given if min(block.points) > 700)
    assert 50 < early <= 200 and late <= 20


def test_what_is_under_way_is_known_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 100.0
    monkeypatch.setattr(pacing.time, "perf_counter", lambda: clock)
    pace = Pace([Request(0, tuple(range(8)), ((0, 0),), 1, 1, most=1)], (), lambda block: 2.0)
    assert pace.under_way() == (0, pytest.approx(math.nan, nan_ok=True))
    blocks = iter(pace)
    first, _, _ = next(blocks), next(blocks), next(blocks)
    assert pace.under_way() == (3, pytest.approx(math.nan, nan_ok=True))  # nobody knows how long they take
    clock = 110.0
    pace.finished(first, took=20.0)
    assert pace.under_way() == (2, pytest.approx(20.0))  # one after the other, of each 10 seconds are left
    clock = 200.0
    assert pace.under_way() == (2, 0.0)


def test_expected_costs_count() -> None:
    """Points that are known to be heavier are fewer in a block."""
    cost = lambda block: float(sum(1 + 9 * (point % 2 == 0 and point >= 500) for point in block.points))  # noqa: E731
    given = spans(paced(1000, cost=cost), lambda block: 0.1 * cost(block))
    assert all(0.1 * cost(block) <= 10.0 + 1e-9 for block in given)


def test_the_end_is_shared(narrow: None) -> None:
    given = spans(paced(1000, aim=1000.0), lambda block: 0.1 * block.size, under_way=8)
    assert [block.span for block in given[-8:]] == [1] * 8


def test_what_hands_them_out_keeps_up() -> None:
    """With very many under way, each block costing its time, they become longer than they should be."""
    few, many = (
        spans(paced(100_000, aim=1.0), lambda block: 0.01 * block.size, under_way=flying, busy=0.1)
        for flying in (5, 100)
    )
    largest = [max(block.span for block in given) for given in (few, many)]
    assert largest[0] <= 100 and largest[1] > 300


def test_of_engines_that_say_nothing_blocks_stay_the_smallest(tmp_path: Path) -> None:
    class Silent:
        def run(self, job: Any, tasks: Iterator[Task]) -> Iterator[tuple[Task, Parcel]]:
            for task in tasks:
                yield task, dataclasses.replace(play(job, task), seconds=float("nan"))

    study(build=pair).run(tmp_path, engine=Silent())  # type: ignore[arg-type]
    assert len(Study.load(tmp_path).blocks) == 12 * 2


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), "5", True])
def test_seconds_that_are_none(seconds: Any) -> None:
    with pytest.raises(ValueError, match=r"Study\(block_seconds\) must be a number of seconds"):
        study(seconds)


# -- the numbers -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results]:
    """Every part a block."""
    with pytest.MonkeyPatch.context() as patch:
        narrow.__wrapped__(patch)  # type: ignore[attr-defined]
        yield run(study(0.0), tmp_path_factory.mktemp("apart"))


def test_no_number_depends_on_how_blocks_are_joined(apart: Results, tmp_path: Path) -> None:
    """Nor does a failure, the name of its traceback, or what a function of a run sees."""
    joined = run(study(), tmp_path)
    assert len(apart.blocks) == 24 and len(joined.blocks) < 12
    assert str(joined.progress()) == str(apart.progress()) and joined.progress().blocks == 24  # a rate of NaN is none
    assert len(joined.failures) == 3 * 2  # of both parts that have the point
    assert_same(joined, apart)
    assert set(joined.ends["seeds"]) == {"0 to 1, 2 of them", "2 to 3, 2 of them"}


def test_broken_off_it_goes_on_with_other_blocks(apart: Results, tmp_path: Path) -> None:
    """A study of long blocks is stopped and resumed with short ones, and the other way round."""
    for first, second in ((1000.0, 0.0), (0.0, 1000.0)):
        folder, asked = tmp_path / str(first), iter(range(100))
        some = run(study(first), folder, stop=lambda asked=asked: next(asked) >= 3)
        kept = files(folder)
        assert not some.finished and 0 < some.progress().finished < 24
        assert_same(run(study(second), folder), apart)
        assert kept.items() <= files(folder).items()


def test_missing_files_of_joined_blocks(apart: Results, tmp_path: Path) -> None:
    run(study(), tmp_path)
    file = max((tmp_path / "tables" / "rounds").iterdir(), key=lambda path: path.stat().st_size)
    assert "-" in file.name
    file.unlink()
    with pytest.warns(RuntimeWarning, match="files of 1 blocks are missing"):
        assert_same(run(study(0.0), tmp_path), apart)


def test_measures_that_come_later(apart: Results, tmp_path: Path) -> None:
    """They see each part's run by itself, as if they had been there from the first."""
    run(study(measure=["rounds", "members"]), tmp_path)
    found = run(study(), tmp_path)
    for table in ("rounds", "members", "ends"):
        pd.testing.assert_frame_equal(found[table], apart[table], check_exact=True)


def test_tried_again(tmp_path: Path) -> None:
    """A point of a joined block that failed is computed again with all its seeds, in the same parts."""
    mended = {"is": False}

    def build(share: float) -> Scenario:
        if share == 0.03 and not mended["is"]:
            raise RuntimeError("no")
        return pair(share)

    whole = run(study(build=pair), tmp_path / "whole")
    broken = run(study(build=build), tmp_path / "study")
    assert broken.failed == [3]
    mended["is"] = True
    found = run(study(build=build), tmp_path / "study", retry=True, accept_changes=True)
    assert not found.failed and found.progress().blocks == found.progress().finished
    for table in ("rounds", "members", "ends"):
        pd.testing.assert_frame_equal(found[table], whole[table], check_exact=True)


def test_a_joined_block_whose_worker_dies_loses_the_deadly_point_alone(tmp_path: Path) -> None:
    class Deadly:
        """Workers of it die over point 7."""

        def run(self, job: Any, tasks: Iterator[Task]) -> Iterator[tuple[Task, Parcel | Lost]]:
            for task in tasks:
                yield task, Lost("it died") if 7 in task.block.points else play(job, task)

    with pytest.warns(RuntimeWarning, match="1 of 24 points failed"):
        study(build=pair).run(tmp_path, engine=Deadly())  # type: ignore[arg-type]
    found = Study.load(tmp_path)
    assert found.finished and found.failed == [7]
    assert set(found.rounds["point"]) == {*range(24)} - {7}


def test_folders_of_the_format_before(apart: Results, tmp_path: Path) -> None:
    """Their requests say nothing of joining, and their blocks stay the smallest: read, and gone on with."""
    asked = iter(range(100))
    run(study(0.0), tmp_path, stop=lambda: next(asked) >= 5)
    store = Store(tmp_path)
    told = json.loads((tmp_path / "study.json").read_text())
    told["format"] = 2
    for request in told["requests"]:
        del request["most"]
    store.journal.put({"study.json": json.dumps(told).encode()}, "")
    assert Study.load(tmp_path).progress().finished == 5
    assert_same(run(study(), tmp_path), apart)
    assert len(Study.load(tmp_path).blocks) == 24
