"""Going on with a study: only what is new is computed, what is finished stays, and nothing else is let in."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecosystem import Location, Member, Record, Scenario, never
from ecosystem.study import Study, StudyFolderError, identity, of_scenario
from ecosystem.study.plan import Block, Request, dropping, missing, next_number, pending
from tests.studies import (
    assert_same,
    assert_same_values,
    assert_whole,
    by_duckdb,
    files,
    killed_after,
    pair,
    run,
    touched,
)
from tests.test_agents import Tiny

SHARES = (0.1, 0.2, 0.3, 0.4)


def study(shares: tuple[float, ...] = SHARES, seeds: Any = 2, block: int = 2, **how: Any) -> Study:
    how = {"measure": ["rounds", "members"], **how}
    build = how.pop("build", pair)
    return Study("growing", build, grid={"share": list(shares)}, seeds=seeds, block=block, **how)


def after(blocks: int) -> Callable[[], bool]:
    """Say stop when so many blocks have begun."""
    asked: Iterator[int] = iter(range(10**6))
    return lambda: next(asked) >= blocks


def rows_on_disk(folder: Path, table: str) -> int:
    """What somebody reads who knows nothing of blocks."""
    return sum(pq.read_metadata(file).num_rows for file in (folder / "tables" / table).glob("*.parquet"))


# -- more and less ---------------------------------------------------------------------------------------------------


def test_what_is_finished_is_not_touched(tmp_path: Path) -> None:
    first = run(study(), tmp_path)
    before = touched(tmp_path)
    assert {"study.json", "points.parquet", "tables/rounds/000001.parquet"} <= set(before)
    for again in (study(), study(block=1), study(SHARES[:2]), study(seeds=1)):
        assert_same(run(again, tmp_path), first)
        assert touched(tmp_path) == before


def test_points_and_seeds_are_added(tmp_path: Path) -> None:
    run(study((0.2, 0.4)), tmp_path / "study")
    for more in (study((0.1, 0.2, 0.4)), study((0.4, 0.1, 0.2), seeds=5), study(seeds=5)):
        before = files(tmp_path / "study")
        results = run(more, tmp_path / "study")
        now = files(tmp_path / "study")
        assert results.finished and before.items() < now.items()  # and no file was written twice
    whole = run(study(seeds=5), tmp_path / "whole")
    assert_same_values(results, whole)
    assert results.points["share"].tolist() == [0.2, 0.4, 0.1, 0.3]
    assert results.blocks[["points", "seeds"]].prod(axis=1).sum() == 4 * 5  # each pair was computed once
    assert run(study((0.1,)), tmp_path / "study").points["share"].tolist() == [0.2, 0.4, 0.1, 0.3]  # points stay


def test_other_seeds(tmp_path: Path) -> None:
    run(study(seeds=[3, (5, 1)]), tmp_path / "study")
    results = run(study(seeds=[(5, 0), 3]), tmp_path / "study")
    assert results.seeds == [(3, 0), (5, 1), (5, 0)]
    assert_same_values(results, run(study(seeds=[3, (5, 0), (5, 1)]), tmp_path / "whole"))


def test_on_the_population_seeds_add_nothing(tmp_path: Path) -> None:
    """All replicates are equal, so a point has one, whenever its seeds were asked for."""
    exact = functools.partial(pair, samples=None)
    run(study(seeds=2, build=exact), tmp_path / "study")
    results = run(study(seeds=4, build=exact), tmp_path / "study")
    assert_same_values(results, run(study(seeds=4, build=exact), tmp_path / "whole"))


def test_scenarios_are_measured_once(tmp_path: Path) -> None:
    (tmp_path / "calls").mkdir()

    def size(scenario: Scenario) -> pd.DataFrame:
        (tmp_path / "calls" / str(len(list((tmp_path / "calls").iterdir())))).touch()
        return pd.DataFrame({"members": [len(scenario.names)]})

    how: dict[str, Any] = {"measure": ["rounds", "stable_point", of_scenario(size)]}
    for seeds, calls in ((1, 4), (3, 4), (5, 4)):
        results = run(study(seeds=seeds, **how), tmp_path / "study")
        assert len(list((tmp_path / "calls").iterdir())) == calls
        assert results["size"]["point"].tolist() == [0, 1, 2, 3] and len(results.stable_point) == 8
    assert "seeds" not in results["size"] and "seed" not in results.stable_point


def test_scenario_tables_can_be_read_by_others_when_seeds_were_added(tmp_path: Path) -> None:
    run(study(seeds=1), tmp_path)
    results = run(study(seeds=2), tmp_path)
    found = by_duckdb(f"select * from read_parquet('{tmp_path}/tables/members/*.parquet')")
    assert len(found) == len(results.members) == 8


@pytest.mark.parametrize("less", [{"shares": SHARES[:1]}, {"shares": SHARES[1:3]}, {"seeds": 1}, {"seeds": [1]}])
@pytest.mark.parametrize("blocks", [0, 1])
def test_less_in_between(tmp_path: Path, less: dict[str, Any], blocks: int) -> None:
    left = run(study(), tmp_path / "study", stop=after(blocks))
    assert not left.finished and left.progress().finished == blocks
    between = run(study(**less), tmp_path / "study")
    assert between.finished and not between.rounds.duplicated(["point", "seed", "round", "member"]).any()
    results, whole = run(study(), tmp_path / "study"), run(study(), tmp_path / "whole")
    assert results.finished
    assert_same_values(results, whole)
    assert rows_on_disk(tmp_path / "study", "rounds") == len(whole.rounds)


def test_less_in_between_where_every_seed_is_a_block(tmp_path: Path) -> None:
    """Neural models are that heavy; the first block of a point has what does not depend on seeds."""

    def neural(share: float) -> Scenario:
        s = Scenario("neural", rounds=1, samples=4)
        s.add("x", Member(Tiny(), real=torch.full((4, 2), share)))
        return s

    run(study(build=neural), tmp_path, stop=after(0))
    results = run(study(build=neural, seeds=[1]), tmp_path)
    assert results.finished and set(results.rounds["seed"]) == {1}
    assert results.members["point"].tolist() == [0, 1, 2, 3]


def test_points_that_nobody_computed_are_not_done(tmp_path: Path) -> None:
    run(study(block=1), tmp_path, stop=after(1))
    progress = run(study(SHARES[:2]), tmp_path).progress()
    assert progress.done == 2 and progress.finished == progress.blocks == 2


@pytest.mark.parametrize("less", [{"shares": SHARES[:1]}, {"seeds": 1}], ids=["points", "seeds"])
@pytest.mark.parametrize("write", ["line 1", "rounds", "members", "failures"])
def test_killed_within_a_block_and_less_in_between(tmp_path: Path, less: dict[str, Any], write: str) -> None:
    """A block is finished with its line in the manifest: before it nothing counts, after it nothing is lost."""
    assert killed_after(write, study(), tmp_path / "study")
    assert_whole(tmp_path / "study")
    blocks = Study.load(tmp_path / "study").blocks
    assert len(blocks) == (0 if write == "line 1" else 1)
    run(study(**less), tmp_path / "study")
    results, whole = run(study(), tmp_path / "study"), run(study(), tmp_path / "whole")
    assert_same_values(results, whole)
    assert rows_on_disk(tmp_path / "study", "rounds") == len(whole.rounds)


@pytest.mark.parametrize("then", [(0.5, 0.7), (0.4, 0.6, 0.5), (0.4,)])
def test_killed_while_points_are_added(tmp_path: Path, then: tuple[float, ...]) -> None:
    """What was written of the question that was not finished does not count."""
    shares = (0.2, 0.1)
    for write in ("line 0", "points.parquet", "study.json", "rounds"):
        folder = tmp_path / write
        run(study(shares), folder)
        assert killed_after(write, study((*shares, 0.4, 0.6)), folder)
        assert_whole(folder)
        results = run(study((*shares, *then)), folder)
        added = () if write == "line 0" else (0.4, 0.6)  # it is asked when the manifest says so
        computed = write == "rounds"  # the block is in the manifest, so it is finished
        known = [share for share in added if share in then or computed]  # the others were never computed
        assert results.points["share"].tolist() == list(dict.fromkeys((*shares, *known, *then)))
        asked = results.points[results.points["share"].isin((*shares, *then))]["point"]
        assert set(asked) <= set(results.rounds["point"]) and results.finished


def test_stop_is_asked_before_every_block(tmp_path: Path) -> None:
    for blocks in (1, 2, 3, 4, 4):
        results = run(study(block=1), tmp_path, stop=after(1))
        assert results.progress().finished == blocks and results.finished == (blocks == 4)
        assert_whole(tmp_path)
    assert_same_values(results, run(study(block=1), tmp_path / "whole"))


# -- changes ---------------------------------------------------------------------------------------------------------

CODE = """
LEVEL = {level}
def helper(share):
    return pair(share, LEVEL)
def build(share):
    {doc}
    return helper(share)
def ends(run):
    return run.rounds[run.rounds["round"] >= {last}]
"""


def written(level: str = "0.2", doc: str = '"""It builds."""', last: int = 3, **how: Any) -> Study:
    """A study of a user whose code can be edited."""
    scope: dict[str, Any] = {"__name__": "users_own", "pair": pair}
    exec(CODE.format(level=level, doc=doc, last=last), scope)
    return study(build=scope["build"], measure=["rounds", scope["ends"]], **how)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"level": "0.25"}, r"the code of users_own\.build, or something it uses, has changed"),
        ({"last": 2}, "the measure 'ends' has changed"),
        ({"record": Record(every=2)}, "record: every 1 → 2"),
    ],
)
def test_changes_are_refused_unless_accepted(tmp_path: Path, changed: dict[str, Any], says: str) -> None:
    first = run(written(), tmp_path)
    before = touched(tmp_path)
    with pytest.raises(StudyFolderError, match=says + r".*choose another folder, or .*accept_changes=True"):
        run(written(**changed), tmp_path)
    assert touched(tmp_path) == before
    results = run(written(**changed), tmp_path, accept_changes=True)
    assert_same(results, first)  # what is finished stays
    (accepted,) = json.loads((tmp_path / "study.json").read_text())["accepted"]
    assert accepted["when"] and len(accepted["changes"]) >= 1
    before = touched(tmp_path)
    run(written(**changed), tmp_path)  # it is what the folder holds now
    assert touched(tmp_path) == before
    with pytest.raises(StudyFolderError, match="choose another folder"):
        run(written(), tmp_path)


def test_measures_stay_the_same(tmp_path: Path) -> None:
    run(written(), tmp_path)
    for measures, says in ((["rounds"], "'ends' is gone"), (["rounds", "members"], "'members' is new")):
        for accept in (False, True):
            with pytest.raises(StudyFolderError, match=says):
                run(study(build=written().job.build, measure=measures), tmp_path, accept_changes=accept)


def test_versions_stay_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(study(), tmp_path)
    versions = identity.versions()
    monkeypatch.setattr(identity, "versions", lambda: versions | {"torch": "1.0"})
    with pytest.raises(StudyFolderError, match=rf"versions: torch {versions['torch']} → 1\.0".replace("+", r"\+")):
        run(study(), tmp_path)
    assert run(study(), tmp_path, accept_changes=True).finished


def test_data_that_build_reads_stays_the_same(tmp_path: Path) -> None:
    data = tmp_path / "data.txt"

    def build(share: float) -> Scenario:
        level, start = map(float, data.read_text().split())
        s = pair(share, level)
        s.add("c", Member(Location([start]), schedule=never))
        return s

    data.write_text("0.2 1.0")
    run(study(build=build), tmp_path / "study")
    data.write_text("0.3 1.0")
    with pytest.raises(StudyFolderError, match=r"the scenario: .*curated 0\.2 → 0\.3"):
        run(study(build=build), tmp_path / "study")
    data.write_text("0.2 2.0")
    with pytest.raises(StudyFolderError, match="numbers"):
        run(study(SHARES[::-1], build=build), tmp_path / "study")  # the point that is looked at is the same
    data.write_text("0.2 1.0")
    assert run(study(build=build), tmp_path / "study").finished


@pytest.mark.parametrize("doc", ['"""It builds a pair."""', "# it builds"])
def test_docstrings_and_comments_may_change(tmp_path: Path, doc: str) -> None:
    first = run(written(), tmp_path)
    assert_same(run(written(doc=doc), tmp_path), first)


def test_a_random_build_is_refused(tmp_path: Path) -> None:
    def build(share: float) -> Scenario:
        return pair(share, level=float(torch.rand(())) * 0.5)

    with pytest.raises(ValueError, match=r"build\(\) makes another scenario each time.*draw from a seed"):
        run(study(build=build), tmp_path)
    assert not (tmp_path / "study.json").exists()


# -- the plan --------------------------------------------------------------------------------------------------------

_points = st.lists(st.integers(0, 4), min_size=1, max_size=5, unique=True)
_seeds = st.lists(st.tuples(st.integers(0, 3), st.just(0)), min_size=1, max_size=4, unique=True)
_size = st.integers(1, 3)
_asked = st.tuples(_points, _seeds, _size, _size, st.lists(st.integers(0, 9), max_size=6))


def planned(requests: list[Request], finished: set[int], points: list, seeds: list, width: int, depth: int) -> list:
    """What a study does when it is run."""
    requests = dropping(requests, finished, points, seeds)
    for part in missing(requests, points, seeds):
        first = next_number(requests)
        requests.append(Request(first, part.points, part.seeds, width, depth, part.fresh))
    return requests


def blocks_of(requests: list[Request]) -> list[Block]:
    return [block for request in requests for block in request.blocks()]


@settings(deadline=None, max_examples=200)
@given(st.lists(_asked, min_size=1, max_size=5))
def test_whatever_was_asked_before_all_is_covered_once(steps: list) -> None:
    requests, finished = [], set()
    for points, seeds, width, depth, done in steps:
        kept = {b for b in blocks_of(requests) if b.number in finished}
        requests = planned(requests, finished, points, seeds, width, depth)
        blocks = blocks_of(requests)
        asked = {(point, seed) for point in points for seed in seeds}
        pairs = [(point, seed) for block in blocks for point in block.points for seed in block.seeds]
        assert len(pairs) == len(set(pairs)) and asked <= set(pairs)
        assert len({block.number for block in blocks}) == len(blocks) and kept <= set(blocks)
        waiting = pending(requests, finished)
        assert {(p, s) for block in waiting for p in block.points for s in block.seeds} <= asked
        assert sum(block.size for block in blocks) == len(pairs)
        assert [Request.from_json(json.loads(json.dumps(r.to_json()))) for r in requests] == requests
        assert not missing(requests, points, seeds) and dropping(requests, finished, points, seeds) == requests
        finished |= {waiting[i].number for i in done if i < len(waiting)}


@settings(deadline=None, max_examples=200)
@given(st.lists(_asked, min_size=1, max_size=5))
def test_every_point_has_one_fresh_block(steps: list) -> None:
    """In it the tables are made that do not depend on seeds."""
    requests, finished = [], set()
    for points, seeds, width, depth, done in steps:
        requests = planned(requests, finished, points, seeds, width, depth)
        fresh = [point for block in blocks_of(requests) if block.fresh for point in block.points]
        assert len(fresh) == len(set(fresh))
        assert set(points) <= set(fresh)
        waiting = pending(requests, finished)
        finished |= {waiting[i].number for i in done if i < len(waiting)}


@given(st.integers(0, 50), _points, _seeds, _size, _size, st.booleans())
def test_a_request_is_cut_into_its_blocks(first: int, points: list, seeds: list, w: int, d: int, fresh: bool) -> None:
    request = Request(first, tuple(points), tuple(seeds), w, d, fresh)
    blocks = list(request.blocks())
    assert [block.number for block in blocks] == list(request.numbers) and len(blocks) == len(request)
    assert all(len(block.points) <= w and len(block.seeds) <= d for block in blocks)
    cells = [(point, seed) for block in blocks for point in block.points for seed in block.seeds]
    assert sorted(cells) == sorted((point, seed) for point in points for seed in seeds)
    assert [p for block in blocks if block.fresh for p in block.points] == (points if fresh else [])
