"""What a study says that is not finished: of how many points, and nothing that the order of work has made."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from synthetic_studies import duo

from ecosystem import Linear, Location, Member, Scenario
from ecosystem.report.study import render_study
from ecosystem.study import Results, Study, of_scenario
from ecosystem.study.outcomes.effects import effects
from ecosystem.study.outcomes.story import headline, sentences
from ecosystem.study.outcomes.subject import Subject
from ecosystem.study.outcomes.under_way import Unfinished

CUTS = [3, 8, 12, 15, 16, 17]  # blocks that are finished, of 18
METHODS = ["sobol", "delta", "levels"]


def shaped(x: float, z: float, size: int) -> Scenario:
    """A scenario whose points are played by ``size``, as those of one size make one tensor program."""
    s = Scenario("shaped", rounds=1)
    mean = [x, z] + [0.0] * size
    s.add("a", Member(Location(mean), reward=Linear([1.0] * len(mean)), real=Location(mean)))
    return s


@of_scenario
def outcome(scenario: Scenario) -> pd.DataFrame:
    mean = scenario.graph.nodes["a"]["member"].generator.mean
    x, z, size = float(mean[0]), float(mean[1]), len(mean) - 2
    return pd.DataFrame({"y": [x + 0.5 * z + 0.6 * size * x]})


def sobol() -> Study:
    bounds = {"x": (0.1, 0.9), "z": (0.0, 1.0), "size": [1, 2, 4, 8]}
    return Study.sobol("by shape", shaped, bounds, points=32, measure=("rounds", outcome), block=8)


def cut(study: Study, folder: Path, blocks: int) -> Results:
    """The study when so many blocks are finished: it goes on from what the folder has."""
    done = Study.load(folder).progress().finished if (folder / "study.json").exists() else 0
    steps = iter(range(blocks - done))
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
        study.run(folder, workers=0, stop=lambda: next(steps, None) is None)
    return Study.load(folder)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return cut(sobol(), tmp_path_factory.mktemp("whole"), 10**6)


def told(results: Results, method: str) -> pd.DataFrame:
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
        return results.sensitivity("y", method).table.set_index(["parameter", "index"])


def test_no_index_contradicts_the_finished_study(whole: Results, tmp_path: Path) -> None:
    """As points are played by shape, early ones have one size alone: its share was 0 %, and said to be exact."""
    full = {method: told(whole, method) for method in METHODS}
    refused = {method: 0 for method in METHODS}
    for blocks in CUTS:
        part = cut(sobol(), tmp_path, blocks)
        assert not part.finished and part.progress().finished == blocks
        for method in METHODS:
            try:
                found = told(part, method)
            except Unfinished as why:
                refused[method] += 1
                assert "not computed yet" in str(why) and "failed" not in str(why)
                continue
            apart = (found["value"] - full[method]["value"]).abs()
            reach = (found["high"] - found["low"]) / 2
            assert (apart <= reach.fillna(0.15)).all()
    assert all(count >= 2 for count in refused.values())


def test_trajectories_come_in_a_fair_order_and_have_indices_early(tmp_path: Path) -> None:
    """Of numbers alone all points have one shape, and are computed as the design has them."""
    bounds = {"x": (0.1, 0.9), "z": (0.0, 1.0), "size": 2}
    study = Study.morris("in order", shaped, bounds, points=16, levels=20, measure=(outcome,), block=6)
    early = [told(cut(study, tmp_path, blocks), "morris") for blocks in (4, 6)]
    with pytest.warns(RuntimeWarning, match=r"of \d+ points have no number \(not computed yet\), so \d of 16 traj"):
        Study.load(tmp_path).sensitivity("y")
    full = told(cut(study, tmp_path, 10**6), "morris")
    for found in early:
        sizes = found.xs("mu_star", level="index")
        apart = (sizes["value"] - full.xs("mu_star", level="index")["value"]).abs()
        assert (apart <= (sizes["high"] - sizes["low"]) / 2 + 1e-9).all()


def test_one_value_of_a_parameter_has_no_index(tmp_path: Path) -> None:
    part = cut(sobol(), tmp_path, 2)
    for method in METHODS:
        with pytest.raises(Unfinished, match="not computed yet"):
            part.sensitivity("y", method)
    assert re.search("cannot be told yet", render_study(part))


def test_a_design_of_too_few_blocks_has_no_indices(tmp_path: Path) -> None:
    bounds = {"x": (0.1, 0.9), "z": (0.0, 1.0), "size": 1}
    few = cut(Study.sobol("few", shaped, bounds, points=4, measure=(outcome,)), tmp_path / "sobol", 10**6)
    with pytest.raises(ValueError, match=r"4 whole blocks .* take 8 or more; make the design of more, Study\.sobol"):
        few.sensitivity("y")
    few = cut(Study.morris("few", shaped, bounds, points=3, measure=(outcome,)), tmp_path / "morris", 10**6)
    with pytest.raises(ValueError, match=r"3 whole trajectories .* take 4 or more"):
        few.sensitivity("y")


def test_shares_that_none_can_be_are_hedged(whole: Results) -> None:
    found = whole.sensitivity("y")
    words = found.sentence
    assert re.search(r"size \d+ % \(−?\d+ to \d+ %\)", words) and "95 % intervals over points" in words
    assert "noise" not in words
    table = found.table.copy()
    table.loc[(table["parameter"] == "z") & (table["index"] == "total"), ["value", "low", "high"]] = [-0.4, -0.6, -0.2]
    table.loc[(table["parameter"] == "x") & (table["index"] == "total"), ["value", "low", "high"]] = [0.01, 0.0, 0.02]
    strange = type(found)(found.measure, "sobol", table, found.points)
    assert "about 0 % (−60 to −20 %)" in strange.sentence
    assert "z: no share lies at −40 %" in strange.sentence.replace("-", "−")
    assert "x: it cannot explain less with others than alone" in strange.sentence and "noise" in strange.sentence
    assert "-40%" not in strange.plot().to_dict()["description"]


def test_delta_says_why_it_takes_few_points(whole: Results) -> None:
    found = whole.sensitivity("y", "delta")
    assert "of the 144 points it takes the 64 that were drawn apart" in found.basis.replace("160", "144")
    assert found.basis[1:] in repr(found)


def test_the_range_that_was_given_is_told(whole: Results) -> None:
    words = Subject(whole).sweep.sentence
    assert "x (0.1 to 0.9, " in words and "z (0 to 1, " in words and "size (1, 2, 4, 8)" in words
    assert re.fullmatch(r"x\s0\.\d{1,3}, z\s0\.\d{1,4}, size\s\d", Subject(whole).sweep.told(0))


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results]:
    """A grid, its first parameter the slowest, that was broken off: of the last value only some points are there."""
    grid = {"pull": [0.1, 0.3, 0.5, 0.7], "curation": [0.1, 0.4, 0.7], "samples": [2, 3]}
    study = Study("grid", duo, grid=grid, seeds=3, block=3, measure=["rounds", "influence"])
    yield cut(study, tmp_path_factory.mktemp("grid"), 4)


def test_every_statement_says_of_how_many_points_it_is(parts: Results) -> None:
    subject = Subject(parts)
    now = parts.progress()
    assert 0 < now.done < now.points == 24
    of = f"{now.done} of {now.points} points"
    assert headline(subject, effects(subject)).startswith(f"{of} so far. ")
    assert parts.verdicts["sentence"].str.endswith(f"This is about what is there: {of} computed so far.").all()
    assert parts.precision().sentence.endswith(f"This is about {of} computed so far.")
    with pytest.warns(RuntimeWarning, match=r"12 of 24 points have no number \(not computed yet\): left out"):
        found = parts.discover("alignment[b] > 0 or pull > 0.5", method="tree")
    assert f"This is about {of} computed so far" in found.sentences[-1]
    assert "do not stand for all: of samples they have 2 alone" in found.sentences[-1]


def test_trends_over_an_unfair_part_are_no_trends(parts: Results) -> None:
    """Of one number of samples alone, what goes along with it would be read as that of the others."""
    assert sentences(Subject(parts)) == [] and Subject(parts).shares == {}
    page = render_study(parts)
    assert "How alignment moves over the parameters cannot be told yet" in page
    assert page.count("not computed yet") >= 12  # cells of the table of points, where failed ones have another word
    assert "of samples they have 2 alone" in page and "0 of 24 points failed" not in page
