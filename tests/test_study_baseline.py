"""What members of a study would be alone: kept beside its rounds, and what its page compares them with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ecosystem import Ecosystem, Flow, Linear, Location, Member, Scenario
from ecosystem.report import render_study
from ecosystem.running import baseline
from ecosystem.study import Local, Results, Study, StudyFolderError, identity
from ecosystem.study.outcomes.judging import judged
from ecosystem.study.outcomes.subject import Subject
from tests.studies import HERE, assert_same, killed_after, pair, run
from tests.test_report_study import text


def half(share: float = 0.5, samples: int | None = None) -> Scenario:
    """``a`` would be worth .5 by its real data, begins at 0 and ends below .5; ``b`` has no real data."""
    s = Scenario("half", rounds=8, samples=samples)
    s.add("a", Member(Location([0.0], 0.01), reward=Linear([1.0]), real=Location([0.5], 0.01)))
    s.add("b", Member(Location([-1.0], 0.01), reward=Linear([1.0])))
    s.add("z", Member(Location([0.0], 0.01), real=Location([0.0], 0.01)))
    s.connect("z", "a", Flow(raw=share))
    s.connect("a", "b", Flow(raw=1.0))
    return s


def halves(**how: Any) -> Study:
    return Study("halves", half, grid={"share": [0.2, 0.4, 0.6]}, **how)


def sampled(share: float) -> Scenario:
    return half(share, 64)


@pytest.mark.parametrize("build", [half, sampled])
def test_a_study_says_lost_where_a_run_does(tmp_path: Path, build: Any) -> None:
    """From its arbitrary start "a" gained at all points, though every run of the study says that it lost."""
    results = Study("halves", build, grid={"share": [0.2, 0.4, 0.6]}, seeds=4).run(tmp_path, engine=HERE)
    subject = Subject(results)
    assert {v.name: (v.kind, v.begun) for v in subject.verdicts} == {"a": ("loses", False), "b": ("gains", True)}
    assert {v.name: v.kind for v in subject.since} == {"a": "gains", "b": "gains"}
    seen = text(render_study(results))
    assert "Against real data alone Against the start Verdict" in seen
    assert (
        "a: the alignment at the end falls with share" in seen and "Against real data alone it loses at all 3" in seen
    )
    assert "b: the alignment at the end falls with share" in seen and "Against the start it gains at all 3" in seen
    assert "faint dots: real data alone (the start, where there are none)" in render_study(results)


def test_blocks_keep_what_runs_say(tmp_path: Path) -> None:
    """Points side by side in one tensor program, each with its own."""
    results = Study("pair", pair, grid={"share": [0.1, 0.2, 0.3]}, seeds=3).run(tmp_path, engine=HERE)
    assert results.tables == ["rounds", "baseline", "failures", "blocks"]
    parts = [part.drop(columns="point") for _, part in results.baseline.groupby("point")]
    for found, share in zip(parts, (0.1, 0.2, 0.3), strict=True):
        alone = Ecosystem(pair(share), seeds=range(3))
        alone.run()
        pd.testing.assert_frame_equal(found.reset_index(drop=True), alone.result().baseline, check_exact=True)


def test_it_is_worked_out_once_for_all_points_of_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every one of 256 points side by side played the rounds of all of them once more; the population to the end."""
    played: list[int] = []
    step = baseline.step
    monkeypatch.setattr(baseline, "step", lambda *a, **k: played.append(1) or step(*a, **k))
    Study("pair", pair, grid={"share": [i / 100 for i in range(16)]}, block=16).run(tmp_path / "some", engine=HERE)
    assert len(played) == 3  # rounds
    played.clear()
    halves(block=3).run(tmp_path / "all", engine=HERE)
    assert len(played) == 2  # nothing moves any more


def test_killed_and_resumed_it_has_equal_bits(tmp_path: Path) -> None:
    study = Study("pair", pair, grid={"share": [0.1, 0.2, 0.3, 0.4]}, seeds=2, block=2)
    assert killed_after("baseline", study, tmp_path / "study")
    study.run(tmp_path / "study", engine=Local(workers=1))
    assert_same(Study.load(tmp_path / "study"), run(study, tmp_path / "whole"))


def before(study: Study) -> Study:
    """As it was when studies kept rounds alone."""
    study.job = replace(study.job, measures=tuple(m for m in study.job.measures if m.asked))
    return study


def test_folders_that_have_none_are_read_and_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(identity, "engine_code", lambda: "of an earlier version")
        old = before(halves()).run(tmp_path, engine=HERE)
    assert old.tables == ["rounds", "failures", "blocks"]
    _by_the_start(old)
    with pytest.raises(StudyFolderError, match="code of the package"):
        halves().run(tmp_path, engine=HERE)
    grown = Study("halves", half, grid={"share": [0.2, 0.4, 0.6, 0.8]}).run(tmp_path, engine=HERE, accept_changes=True)
    assert grown.finished and grown.tables == old.tables
    _by_the_start(grown)


def _by_the_start(results: Results) -> None:
    found = Subject(results).alignment
    assert found is not None and found.since is None
    assert [v.kind for v in judged(found)] == ["gains", "gains"]
    seen = text(render_study(results))
    assert "What members would be alone was not recorded, so verdicts compare with the start." in seen
    assert "Against the start Verdict" in seen and "real data alone" not in seen


def test_a_table_of_that_name_of_the_users_own_is_theirs(tmp_path: Path) -> None:
    def baseline(run: Any) -> pd.DataFrame:
        return pd.DataFrame({"mine": [1.0]})

    results = halves(measure=["rounds", baseline]).run(tmp_path, engine=HERE)
    assert results.baseline["mine"].tolist() == [1.0] * 3
    _by_the_start(results)
