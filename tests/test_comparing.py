"""Runs side by side: differences by hand, luck that is shared, and what cannot be compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from test_plots import data

from ecosystem import (
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
from ecosystem.running.comparing import NOTES, WORDS
from tests.labs import trio


def told(
    ends: dict[int, float],
    reward: str = "taste",
    failed: tuple[int, ...] = (),
    member: str = "a",
    samples: int | None = 10,
) -> Run:
    """A run of one member whose alignment ends so, by seed."""
    rows = [(seed, 0, t, member, True, end * t, 0.1, np.nan) for seed, end in ends.items() for t in (0, 1)]
    columns = ["seed", "replicate", "round", "member", "updated", "alignment", "change", "loss"]
    failures = pd.DataFrame([(seed, 0, 1, member, "lost") for seed in failed])
    failures = failures.reindex(columns=range(5)).set_axis(["seed", "replicate", "round", "member", "error"], axis=1)
    members = pd.DataFrame({"member": [member], "reward": [reward], "curation": [0.0], "schedule": ["every(1)"]})
    tables: dict[str, Any] = {"members": members, "flows": pd.DataFrame(), "changes": pd.DataFrame(columns=["what"])}
    settings = {"samples": samples, "seeds": [[seed, 0] for seed in ends], "completed": 1, "random": False}
    settings["tastes"] = {} if reward == "none" else {member: f"digest of {reward}"}
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


def test_a_chart_of_several_runs(tmp_path) -> None:
    s = trio().replace(name="trio", samples=20)
    s.at(2, Freeze("u"))
    runs = {"base": s, "cut": s.without("u", "v"), "more": s.with_curation("v", 0.6)}
    table = compare({name: one.run(replicates=3, build_samples=True) for name, one in runs.items()})
    drawn = data(plots.compared(table))
    kept = table[np.isfinite(table["difference"])]
    assert set(drawn["run"]) == {"cut", "more"} and len(drawn) == len(kept) and table["paired"].all()
    assert drawn["difference"].tolist() == kept["difference"].tolist()
    plots.compared(table).save(tmp_path / "compared.svg")
    text = (tmp_path / "compared.svg").read_text()
    assert all(f">{name}</text>" in text for name in ("cut", "more", *kept["member"]))


def test_loaded_runs_are_compared_like_others(tmp_path) -> None:
    s = Scenario("loop", rounds=2, samples=9)
    s.add("a", Member(Location([0.0]), reward=Linear([1.0]), curator=Luce(2), real=Location([0.0])))
    s.connect("a", "a", Flow(raw=0.25, curated=0.25))
    runs = {"base": s.run(replicates=3), "more": s.with_curation("a", 0.5).run(replicates=3)}
    again = {name: Run.load(run.save(tmp_path / name)) for name, run in runs.items()}
    pd.testing.assert_frame_equal(compare(again), compare(runs))


def still(reward: Any, **settings: Any) -> Scenario:
    """One member that moves to its real data, judged by ``reward``."""
    s = Scenario("still", rounds=2, samples=5).replace(**settings)
    zero = [0.0] * 24
    s.add("a", Member(Location(zero), reward=reward, curator=Shift([1.0] * 24), real=Location(zero)))
    return s


def closure(sign: float) -> Any:
    def taste(x: torch.Tensor) -> torch.Tensor:
        return sign * x.sum(-1)

    return taste


def test_tastes_are_told_apart_by_content_not_by_their_labels(tmp_path) -> None:
    """Of 24 numbers a label says three, of a function its name: other tastes were compared as if they were the same."""
    direction = torch.ones(24, dtype=torch.float64)
    flipped = direction.index_fill(0, torch.tensor([12]), -1.0)
    for one, other in ((Linear(direction), Linear(flipped)), (closure(1.0), closure(-1.0))):
        runs = {"one": still(one).run(replicates=3), "other": still(other).run(replicates=3)}
        assert len({run.members["reward"].iloc[0] for run in runs.values()}) == 1
        assert only(compare(runs))["words"] == WORDS["taste"]
        again = {name: Run.load(run.save(tmp_path / f"{name} {one}")) for name, run in runs.items()}
        assert only(compare(again))["words"] == WORDS["taste"]
        same = {"one": runs["one"], "same": still(one).run(replicates=3)}
        assert only(compare(same))["words"] == WORDS["same"]
        del same["same"].settings["tastes"]  # of before
        assert only(compare(same))["words"] == f"{WORDS['same']}; {NOTES['labels']}"


class Torn(ModelAgent):
    """Its users change their mind before round 2, in the first replicate alone."""

    def decide(self) -> None:
        if self.model.steps == 1:
            here = torch.zeros_like(self.model.state.alive)
            here[:, 0] = True
            self.set_curator(reward=Linear([-1.0] * 24), where=here)


@pytest.mark.parametrize("where", ["base", "run", "both", "apart"])
def test_a_replicate_whose_users_think_otherwise_is_left_out(where: str) -> None:
    """The taste of whoever changed last was taken for all replicates, so none of them was compared, or all."""
    calm = still(Linear([1.0] * 24))
    torn = calm.with_member("a", agent=Torn)
    base, run = (torn if where in here else calm for here in (("base", "both", "apart"), ("run", "both")))
    built: dict[str, Any] = {"replicates": 4, "build_samples": True}
    first, second = base.run(**built), run.run(**built, seed=99 if where == "apart" else 0)
    row = only(compare({"base": first, "run": second}))
    assert row["replicates"] == (4 if where == "both" else 3) and row["paired"] == (where != "apart")
    if where == "both":
        assert row["words"] == WORDS["same"]
        del first.settings["tastes given"]  # of before
        assert only(compare({"base": first, "run": second}))["words"] == f"{WORDS['same']}; {NOTES['labels']}"
    elif where == "apart":
        ends = first.rounds.query("round == 2 and replicate > 0")["alignment"]
        assert row["base"] == pytest.approx(ends.mean())
    else:
        assert row["words"] == WORDS["same"]
    alone = compare({"base": calm.run(), "run": torn.run()})
    assert only(alone)["words"] == WORDS["taste"]


class Given(ModelAgent):
    """Gives its users a taste as rounds begin."""

    taste: Any = None

    def decide(self) -> None:
        if self.model.steps == 1:
            self.set_curator(reward=type(self).taste)


@pytest.mark.parametrize("kind", ["numbers", "function"])
def test_tastes_that_agents_give_are_told_apart_by_content(tmp_path, kind: str) -> None:
    """They were compared by their labels: two that read alike as one, and one with itself only if it read alike."""
    direction = torch.ones(24, dtype=torch.float64)
    flipped = direction.index_fill(0, torch.tensor([12]), -1.0)
    tastes = {
        "numbers": (Linear(direction), Linear(flipped), Linear([2.0] * 24)),
        "function": (closure(1.0), closure(-1.0), closure(2.0)),
    }[kind]
    start = still(tastes[2])
    agents = [
        type(f"Given{i}", (Given,), {"taste": staticmethod(t) if kind == "function" else t})
        for i, t in enumerate(tastes)
    ]
    runs = [start.with_member("a", agent=agent).run(replicates=3) for agent in agents[:2]]
    assert runs[0].changes["after"].tolist() == runs[1].changes["after"].tolist()
    runs += [Run.load(run.save(tmp_path / str(i))) for i, run in enumerate(runs)]
    born = [still(taste).run(replicates=3) for taste in tastes]
    for one, other in ((0, 1), (2, 3), (0, 3)):
        assert only(compare({"one": runs[one], "other": runs[other]}))["words"] == WORDS["taste"]
    for given, own, same in ((0, 0, True), (3, 1, True), (0, 1, False), (1, 2, False)):
        words = only(compare({"given": runs[given], "born": born[own]}))["words"]
        assert (words != WORDS["taste"]) == same


def test_an_end_that_is_infinite_is_an_end() -> None:
    """It was passed over: the start was told as the end, and of several replicates that the member had left."""
    base = told({0: 1.0, 1: 2.0, 2: 3.0})
    row = only(compare({"base": base, "run": told({0: 1.0, 1: -np.inf, 2: 3.0})}))
    assert row["words"] == "infinite in one of the two" and row["alignment"] == -np.inf and row["base"] == 2.0
    assert np.isnan(row["difference"]) and row["replicates"] == 3
    row = only(compare({"base": told({0: -np.inf}), "run": told({0: -np.inf})}))
    assert row["words"] == "infinite in both" and row["alignment"] == row["base"] == -np.inf
    row = only(compare({"base": base, "run": told({0: np.inf, 1: -np.inf})}))
    assert row["words"] == "infinite in one of the two" and np.isnan(row["alignment"])  # no mean

    def cliff(x: torch.Tensor) -> torch.Tensor:
        return torch.where(x[..., 0] > 0.5, -torch.inf, 1.0)

    s = Scenario("cliff", rounds=1, samples=9)
    s.add("a", Member(Location([-9.0]), reward=cliff, real=Location([-9.0])))
    with pytest.warns(RuntimeWarning, match="NaN or infinite"):
        over = s.with_member("a", real=Location([9.0])).run(replicates=3)
    row = only(compare({"base": s.run(replicates=3), "over": over}))
    assert row["words"] == "infinite in one of the two" and (row["base"], row["alignment"]) == (1.0, -np.inf)


def test_runs_of_other_lengths_say_so() -> None:
    """Five rounds less were told as what the change had done."""
    s = still(Linear([1.0] * 24))
    s.connect("a", "a", Flow(raw=0.2, curated=0.6))
    whole = s.replace(rounds=6)
    runs = {"base": s.run(replicates=3), "more": whole.run(replicates=3)}
    runs["stopped"] = whole.run(replicates=3, until=lambda view: view.round >= 2)
    table = compare(runs).set_index("run")
    assert table["rounds"].to_dict() == {"more": 6, "stopped": 2} and set(table["base_rounds"]) == {2}
    assert table.loc["more", "words"].endswith(f"; {NOTES['rounds']}")
    assert table.loc["stopped", "words"] == WORDS["same"]


def test_rounding_is_no_difference() -> None:
    """It was one as soon as it had an error: an exact zero that was rounded in three ways came out as higher."""
    ends = {seed: 1e6 + seed for seed in range(5)}
    noise = {seed: end + 1e-10 * (2 + seed % 2) for seed, end in ends.items()}
    assert only(compare({"b": told(ends), "o": told(noise)}))["words"] == WORDS["same"]
    real = {seed: end + 1e-3 * (2 + seed % 2) for seed, end in ends.items()}
    assert only(compare({"b": told(ends), "o": told(real)}))["words"] == WORDS["above"]
    swapped = {0: 2.0, 1: 1.0, 2: 4.0, 3: 3.0}  # no mean, but no rounding either
    row = only(compare({"b": told({0: 1.0, 1: 2.0, 2: 3.0, 3: 4.0}), "o": told(swapped)}))
    assert row["difference"] == 0 and row["words"] == WORDS["unclear"]


def test_pairs_are_of_seeds_that_both_have() -> None:
    """One replicate against three of other seeds was told as a pair, and survivors without a pair as unpaired runs."""
    three = told({0: 1.0, 1: 2.0, 2: 3.0})
    row = only(compare({"b": three, "o": told({9: 5.0})}))
    assert not row["paired"] and row["words"] == WORDS["lone above"]
    assert only(compare({"b": told({9: 5.0}), "o": three}))["words"] == WORDS["lone below"]
    lost = told({0: 5.0, 1: 2.0, 2: 3.0}, failed=(0,)), told({0: 5.0, 1: 2.0, 2: 3.0}, failed=(1, 2))
    row = only(compare(dict(zip("bo", lost, strict=True))))
    assert row["paired"] and row["replicates"] == 0 and row["words"] == WORDS["diverged"]
