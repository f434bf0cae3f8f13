"""Runs side by side: differences by hand, luck that is shared, and what cannot be compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ecosystem import (
    Ecosystem,
    Flow,
    Freeze,
    Leave,
    Linear,
    Location,
    Luce,
    Member,
    ModelAgent,
    Run,
    Scenario,
    Shift,
    compare,
    plots,
)
from tests.labs import trio


def told(ends: dict[int, float], reward: str = "taste", failed: tuple[int, ...] = (), member: str = "a") -> Run:
    """A run of one member whose alignment ends so, by seed."""
    rows = [(seed, 0, t, member, True, end * t, 0.1, np.nan) for seed, end in ends.items() for t in (0, 1)]
    columns = ["seed", "replicate", "round", "member", "updated", "alignment", "change", "loss"]
    failures = pd.DataFrame([(seed, 0, 1, member, "lost") for seed in failed])
    failures = failures.reindex(columns=range(5)).set_axis(["seed", "replicate", "round", "member", "error"], axis=1)
    members = pd.DataFrame({"member": [member], "reward": [reward], "curation": [0.0], "schedule": ["every(1)"]})
    tables: dict[str, Any] = {"members": members, "flows": pd.DataFrame(), "changes": pd.DataFrame(columns=["what"])}
    settings = {"samples": 10, "seeds": [[seed, 0] for seed in ends], "completed": 1, "random": False}
    return Run(settings, rounds=pd.DataFrame(rows, columns=columns), failures=failures, **tables)


def only(table: pd.DataFrame) -> dict[str, Any]:
    (row,) = table.to_dict("records")
    return row


def test_paired_differences_by_hand() -> None:
    """``d = (.5, 0, 1.5)``: mean 2/3, deviation √(7/12), Student's t of 2 degrees 4.302653; seed 9 is in one alone."""
    base, cut = told({0: 1.0, 1: 2.0, 2: 3.0, 9: 50.0}), told({2: 4.5, 1: 2.0, 0: 1.5})
    row = only(compare({"base": base, "cut": cut}))
    assert (row["member"], row["run"], row["against"], row["replicates"], row["paired"]) == (
        "a",
        "cut",
        "base",
        3,
        True,
    )
    assert row["alignment"] == pytest.approx(8 / 3) and row["base"] == 2.0
    assert row["difference"] == pytest.approx(2 / 3) and row["error"] == pytest.approx((7 / 36) ** 0.5)
    reach = 4.3026527297 * (7 / 36) ** 0.5
    assert (row["low"], row["high"]) == pytest.approx((2 / 3 - reach, 2 / 3 + reach))
    assert row["words"] == "no clear difference"


def test_without_a_seed_in_common_the_interval_is_welchs() -> None:
    base, other = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0, 8.0]
    runs = {"b": told(dict(enumerate(base))), "o": told(dict(enumerate(other, 10)))}
    row = only(compare(runs))
    known = stats.ttest_ind(other, base, equal_var=False).confidence_interval()
    assert not row["paired"] and row["replicates"] == 3 and row["difference"] == 3.0
    assert (row["low"], row["high"]) == pytest.approx((known.low, known.high))


def test_runs_of_one_seed_share_their_luck() -> None:
    """The data of one lie 1 further: each run is noisy, the difference is not, and it is exactly 1."""
    s = Scenario("luck", rounds=3, samples=5)
    s.add("a", Member(Location([0.0]), reward=Linear([1.0]), real=Location([0.0])))
    far = s.with_member("a", real=Location([1.0]))
    runs = {"base": s.run(replicates=4), "far": far.run(replicates=4)}
    row = only(compare(runs))
    assert runs["base"].rounds.query("round == 3")["alignment"].std() > 0.1
    assert row["difference"] == pytest.approx(1.0, abs=1e-12) and row["high"] - row["low"] < 1e-12
    assert row["words"] == "higher" and only(compare({"far": runs["far"], "base": runs["base"]}))["words"] == "lower"


def test_the_population_has_no_interval_and_no_doubt() -> None:
    """``a`` keeps half of what it curates by Shift 1: ``θ* = c/(1 − .5)``, a quarter of it for each of two rounds."""
    s = Scenario("loop", rounds=2)
    s.add("a", Member(Location([0.0]), reward=Linear([1.0]), curator=Shift([1.0]), real=Location([0.0])))
    s.connect("a", "a", Flow(raw=0.25, curated=0.25))
    runs = {"base": s.run(), "cut": s.without("a", "a").run(), "same": s.run()}
    table = compare(runs).set_index("run")
    assert table["base"].tolist() == [0.375, 0.375] and table["difference"].tolist() == [-0.375, 0.0]
    assert table["words"].tolist() == ["lower", "no difference"] and table["low"].isna().all()


def test_what_cannot_be_compared_says_so() -> None:
    base = told({0: 1.0, 1: 2.0, 2: 3.0})
    cases = {
        "judged by another taste": told({0: 1.0, 1: 2.0, 2: 4.0}, reward="another"),
        "diverged: nothing to compare": told({0: 1.0, 1: 2.0, 2: 3.0}, failed=(0, 1, 2)),
        "has no users with a taste": told({0: np.nan, 1: np.nan, 2: np.nan}, reward="none"),
    }
    for words, run in cases.items():
        row = only(compare({"base": base, "other": run}))
        assert row["words"] == words and np.isnan(row["difference"]) and np.isnan(row["low"])
    both = compare({"base": base, "other": told({0: 1.0}, member="b")})
    assert both["member"].tolist() == ["a", "b"] and (both["words"] == "only in one of the two").all()
    assert only(compare({"b": base, "o": told({0: 1.0, 1: 3.0})}))["words"] == "too few replicates"
    assert only(compare({"b": base, "o": told({1: 3.0})}))["words"] == "higher in this one pair"
    lost = only(compare({"b": base, "o": told({0: 9.0, 1: 3.0, 2: 4.0}, failed=(0,))}))
    assert lost["replicates"] == 2 and lost["base"] == 2.5 and lost["difference"] == 1.0
    with pytest.raises(ValueError, match="two runs at least, got 1"):
        compare({"base": base})
    with pytest.raises(TypeError, match="takes runs by name"):
        compare([base, base])  # type: ignore[arg-type]
    with pytest.raises(plots.NothingToDraw, match="words says why"):
        plots.compared(compare({"base": base, "other": cases["judged by another taste"]}))


class Fickle(ModelAgent):
    """Its users change their mind before round 2."""

    def decide(self) -> None:
        if self.model.steps == 2:
            self.set_curator(reward=Linear([-1.0]))


def test_users_who_changed_their_mind_and_members_who_left_are_not_compared() -> None:
    s = Scenario("two", rounds=4, samples=5)
    for name in "ab":
        s.add(name, Member(Location([1.0]), reward=Linear([1.0]), curator=Shift([1.0]), real=Location([0.0])))
    s.connect("a", "b", Flow(raw=0.5))
    fickle, left = s.with_member("b", agent=Fickle), s.replace()
    left.at(3, Leave("a"))
    runs = {name: one.run(replicates=3) for name, one in (("s", s), ("fickle", fickle), ("left", left))}
    table = compare(runs).set_index(["run", "member"])
    assert table.loc[("fickle", "b"), "words"] == "judged by another taste"
    assert table.loc[("left", "a"), "words"] == "left before the end" and np.isnan(
        table.loc[("left", "a"), "difference"]
    )
    assert table.loc[("fickle", "a"), "words"] == "no difference" and table.loc[("left", "b"), "replicates"] == 3
    with pytest.raises(TypeError, match="takes a curator such as"):
        Ecosystem(s, seeds=[0])["a"].set_curator()


def test_a_chart_of_several_runs(tmp_path) -> None:
    s = trio().replace(name="trio", samples=20)
    s.at(2, Freeze("u"))
    runs = {"base": s, "cut": s.without("u", "v"), "more": s.with_curation("v", 0.6)}
    table = compare({name: one.run(replicates=3, build_samples=True) for name, one in runs.items()})
    assert len(table) == 2 * len(s.names) and table["paired"].all()
    chart = plots.compared(table)
    assert chart.description.startswith("Alignment at the end less that of base. cut: u ")
    chart.save(tmp_path / "compared.svg")
    assert len((tmp_path / "compared.svg").read_text()) > 1000


def test_loaded_runs_are_compared_like_others(tmp_path) -> None:
    s = Scenario("loop", rounds=2, samples=9)
    s.add("a", Member(Location([0.0]), reward=Linear([1.0]), curator=Luce(2), real=Location([0.0])))
    s.connect("a", "a", Flow(raw=0.25, curated=0.25))
    runs = {"base": s.run(replicates=3), "more": s.with_curation("a", 0.5).run(replicates=3)}
    again = {name: Run.load(run.save(tmp_path / name)) for name, run in runs.items()}
    pd.testing.assert_frame_equal(compare(again), compare(runs))
