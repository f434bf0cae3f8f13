"""What a study says of the exact long run beside what its runs say: no chance in the one, chance in the other."""

from __future__ import annotations

import numpy as np
import pytest

from ecosystem import Flow, Linear, Location, Member, Record, Scenario, Shift
from ecosystem.report import study_tables
from ecosystem.study import Results, Study
from ecosystem.study.measures import long_run_alone
from ecosystem.study.outcomes import story
from ecosystem.study.outcomes.judging import Verdict
from ecosystem.study.outcomes.sample import Sample
from ecosystem.study.outcomes.subject import Subject
from ecosystem.study.outcomes.verdicts import phrase

CURATED, RAW = 0.3, 0.2


def tug(push: float = 0.1) -> Scenario:
    """Three that train on themselves and on real data at 1, and one without real data; two draws a round: noise.

    ``θ* = 1 + CURATED · shift / real`` with ``real = 1 − CURATED − RAW``; on real data alone ``θ* = 1``. ``turn``
    is shifted by ``push``, ``up`` and ``down`` by 0.01, and ``down`` does not like it.
    """
    s = Scenario("tug", rounds=2, samples=2)
    for name, taste, shift in (("up", 1.0, 0.01), ("down", -1.0, 0.01), ("turn", 1.0, push)):
        s.add(name, Member(Location([1.0]), reward=Linear([taste]), curator=Shift([shift]), real=Location([1.0])))
        s.connect(name, name, Flow(raw=RAW, curated=CURATED))
    s.add("pupil", Member(Location([1.0]), reward=Linear([1.0])))
    s.connect("up", "pupil", Flow(raw=1.0))
    return s


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    how = {"seeds": 3, "measure": ["rounds", "stable_point"], "record": Record(last=1)}
    return Study("tug", tug, grid={"push": [-0.1, 0.1, 0.2]}, **how).run(tmp_path_factory.mktemp("s") / "s", workers=0)


def test_a_stable_point_is_kept_beside_what_members_would_be_alone(results: Results) -> None:
    table = results.stable_point
    table = table.assign(push=results.points["push"].to_numpy()[table["point"]])
    off = table.set_index("member")["alignment"] - table.set_index("member")["alone"]
    slope = CURATED / (1 - CURATED - RAW)
    np.testing.assert_allclose(off["up"], 0.01 * slope, rtol=1e-8)
    np.testing.assert_allclose(off["down"], -0.01 * slope, rtol=1e-8)
    np.testing.assert_allclose(off["turn"], slope * np.array([-0.1, 0.1, 0.2]), rtol=1e-8)
    assert table.loc[table["member"] == "pupil", "alone"].isna().all()  # it has no real data to be alone with


def test_the_exact_long_run_is_said_beside_verdicts_that_chance_hides(results: Results) -> None:
    """The headline had "three do neither" where the exact table has each of them above or below at every point."""
    subject = Subject(results)
    assert {v.kind for v in subject.verdicts} == {"unclear"}  # two draws and three seeds say nothing
    long_run = {name: (one.kind, one.above, one.below, one.points) for name, one in subject.long_run.items()}
    assert long_run == {"up": ("gains", 3, 0, 3), "down": ("loses", 0, 3, 3), "turn": ("both", 2, 1, 3)}
    headline = story.headline(subject, None)
    assert headline.startswith("No member shows a clear change") and "neither" not in headline
    assert headline.endswith("In the exact long run up gains, down loses and turn gains or loses.")
    told = results.verdicts.set_index("member")["sentence"]
    begins = "In the exact long run, where nothing is drawn, against real data alone, it lies"
    assert told["up"].endswith(f"{begins} above at all three points.")
    assert told["turn"].endswith(f"{begins} above at two and below at one of three points.")
    assert "exact long run" not in told["pupil"]
    assert "down lies below at all three points" in " ".join(story.sentences(subject))
    small = [cell.small for row in study_tables.verdicts(subject).rows for cell in row.cells]
    assert "exact long run: lies above at all three points" in small


def test_many_points_that_moved_one_way_prove_little_where_seeds_are_shared() -> None:
    """“Up at 112 of 209 points, which may be chance” had no reason: the same few seeds at all of them."""
    points, none = np.arange(112), np.arange(0)
    verdict = Verdict(0, "alpha", "unclear", 209, 0, 1, points, none, begun=False, compared=209, seeds=5)
    words = "shows no clear change (up at 112 of 209 points, which may be chance, as all points share five seeds)"
    assert phrase(verdict) == words
    rng = np.random.default_rng(0)  # noise alone, of which the seed makes 0.9 of the variance, as all points share it
    shared, own = rng.normal(size=(1000, 1, 5)), rng.normal(size=(1000, 209, 5))
    sample = Sample.of(np.sqrt(0.9) * shared + np.sqrt(0.1) * own, np.zeros(209, dtype=bool))
    up, down = (sample.sign() == 1).sum(1), (sample.sign() == -1).sum(1)
    assert 5 <= ((np.maximum(up, down) >= 112) & (np.minimum(up, down) == 0)).sum() <= 60  # not one in 10⁹
    assert (np.minimum(sample.anywhere(1), sample.anywhere(-1)) <= 0.025).mean() < 0.065


def test_what_is_not_known_alone_is_left_out() -> None:
    scenario = tug()
    assert sorted(long_run_alone(scenario).index) == ["down", "turn", "up"]
    empty = Scenario("none", rounds=1)
    empty.add("a", Member(Location([0.0]), reward=Linear([1.0])))
    assert long_run_alone(empty).empty
