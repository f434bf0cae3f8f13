"""Verdicts: changes, errors and intervals as in the textbook, and sentences that claim no more than they can."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
import synthetic_runs as made
import torch

from ecosystem import Flow, Linear, Location, Member, Run, Scenario, Stream, every, poisson, shuffled
from ecosystem.core.words import number, percent
from ecosystem.orderings import Ordering
from ecosystem.report import render
from ecosystem.running import verdicts


def outcome(changes: dict[str, list[float]], **changed: object) -> pd.DataFrame:
    """Verdicts on members whose alignment moved from 1 by so much in each replicate."""
    return verdicts.outcomes(moved(changes, **changed)).set_index("member")


def moved(changes: dict[str, list[float]], **changed: object) -> Run:
    """A run of members whose alignment moved from 1 by so much in each replicate."""
    rows = [
        (0, replicate, at, name, True, 1.0 + at * change / 5, 0.1, np.nan)
        for name, all_changes in changes.items()
        for replicate, change in enumerate(all_changes)
        for at in (0, 5)
    ]
    columns = ["seed", "replicate", "round", "member", "updated", "alignment", "change", "loss"]
    settings = made.settings("exact", 5, len(next(iter(changes.values()))), **changed)
    flows = made.flows([(name, name, 0.5, 0.3) for name in changes])
    return made.make(settings, made.members(list(changes)), flows, pd.DataFrame(rows, columns=columns))


def test_change_its_error_and_interval_are_those_of_the_textbook() -> None:
    table = outcome({"up": [1.0, 2.0, 3.0], "noise": [-1.0, 0.0, 1.1], "down": [-1.0, -1.1, -0.9], "ice": [0, 0, 0]})
    assert table.loc["up", "change"] == pytest.approx(2.0)
    assert table.loc["up", "error"] == pytest.approx(1 / np.sqrt(3))
    assert table.loc["up", "low"] == pytest.approx(2 - 4.302652729911275 / np.sqrt(3))  # t(0.975, 2 degrees)
    assert list(table["kind"]) == ["unclear", "unclear", "lost", "still"]
    many = outcome({"up": [1.0, 2.0, 3.0, 2.0, 2.0], "noise": [-1.0, 0.0, 1.1, 0.2, -0.2], "down": [-1.0, -1.1] * 3})
    assert list(many["kind"]) == ["gained", "unclear", "lost"]


def test_two_replicates_make_an_interval_and_no_verdict() -> None:
    """.085 → .242 ± .014 was "unchanged within noise"; and two that agree to the last digit were a verdict."""
    table = outcome({"up": [0.143, 0.171], "same": [0.5, 0.5]})
    assert list(table["kind"]) == ["few", "few"]
    assert table.loc["up", "error"] == pytest.approx(0.014) and table.loc["up", "low"] < 0 < table.loc["up", "high"]
    run = moved({"up": [0.143, 0.171]})
    assert verdicts.headline(run, verdicts.outcomes(run)).startswith("up has too few replicates for a verdict")
    page = render(run)
    assert "Two replicates make an interval, not a verdict" in page and "95 %: −0.021 to +0.335" in page


def test_one_replicate_claims_no_interval_unless_the_run_is_exact() -> None:
    table = outcome({"up": [1.0], "down": [-1.0], "ice": [0.0]})
    assert list(table["kind"]) == ["rose", "fell", "still"]
    assert table[["error", "low", "high"]].isna().all(axis=None)
    assert list(outcome({"up": [1e-3], "down": [-1.0]}, samples=None)["kind"]) == ["gained", "lost"]
    shuffled = outcome({"up": [1e-3], "down": [-1.0]}, samples=None, ordering="shuffled")
    assert list(shuffled["kind"]) == ["rose", "fell"]


class Backwards(Ordering):
    """A random order whose words do not say so."""

    def ranks(self, names: Sequence[str], round: int, rng: Stream) -> np.ndarray:
        return rng.at(round).uniform(len(names)).argsort(-1).T.numpy()

    def __repr__(self) -> str:
        return "backwards"


@pytest.mark.parametrize(
    "changed",
    [{"ordering": shuffled}, {"ordering": Backwards()}, {"schedule": poisson(0.7)}],
    ids=["shuffled", "own", "clock"],
)
def test_one_draw_of_a_random_order_or_clock_is_no_certainty(changed: dict[str, Any]) -> None:
    """A population run with a random order or clock said "gained" where its words did not say "random"."""
    schedule = changed.pop("schedule", every(1))
    s = Scenario("drawn", rounds=4, **changed)
    for name, start in (("a", 0.0), ("b", 1.0)):
        s.add(name, Member(Location([start]), reward=Linear([1.0]), schedule=schedule))
    s.connect("a", "b", Flow(raw=0.5))
    s.connect("b", "a", Flow(raw=0.5))
    s.connect("a", "a", Flow(raw=0.5))
    s.connect("b", "b", Flow(raw=0.5))
    run = s.run(seed=1)
    table = verdicts.outcomes(run)
    assert set(table["kind"]) <= {"rose", "fell", "still"} and set(table["kind"]) != {"still"}
    assert verdicts.headline(run, table).endswith("One draw of a random order cannot tell a change from chance.")
    assert "this is one draw of it" in render(run)
    many = verdicts.outcomes(s.run(seed=1, replicates=8))
    assert set(many["kind"]) <= {"gained", "lost", "unclear", "still"} and (many["replicates"] == 8).all()


def test_diverged_replicates_do_not_count_and_a_late_member_starts_when_it_joins() -> None:
    run = made.odd()
    assert verdicts.replicates(run) == 5
    table = verdicts.outcomes(run).set_index("member")
    late = "a very long name that never seems to end, number 1"
    assert list(table["replicates"].fillna(0)) == [4, 4, 0, 4]
    assert (table.loc[late, "first"], table.loc[late, "last"]) == (12, 23)
    assert np.isfinite(table.loc[table["replicates"] > 0, ["start", "end", "low", "high"]]).all(axis=None)
    assert set(verdicts.outcomes(made.diverged())["kind"]) == {"diverged"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"a": [1, 1.1] * 3, "b": [1, 1.1] * 3}, "Both members gained their users’ taste (compared with the start)."),
        ({"a": [1.0], "b": [-1.0]}, "a ended closer to its users’ taste; b ended further from its users’ taste (comp"),
        ({f"m{i}": [1, 1.1] * 3 if i < 3 else [0] * 6 for i in range(8)}, "Three of eight members gained"),
        ({"a": [0, 0]}, "a did not change (compared with the start)."),
    ],
)
def test_headline(changes: dict[str, list[float]], words: str) -> None:
    run = made.pair(2)
    assert verdicts.headline(run, outcome(changes).reset_index()).startswith(words)


def test_numbers_are_written_with_the_digits_that_matter() -> None:
    assert number(0.47812, 0.022, sign=True, digits=2) == "+0.478"
    assert number(-1234.5) == "−1,234" and number(float("nan")) == "–"
    assert number(1.5e9) == "1.50e+09" and number(0.0) == "0.00"
    assert percent(0.4) == "40 %" and percent(0.0001) == "< 0.1 %" and percent(1 / 3) == "33.3 %"


def cliff(x: torch.Tensor) -> torch.Tensor:
    return torch.where(x[..., 0] > 5, -torch.inf, 1.0)


def hole(x: torch.Tensor) -> torch.Tensor:
    return torch.where(x[..., 0] > 5, torch.nan, 1.0)


@pytest.mark.parametrize("replicates", [1, 3])
@pytest.mark.parametrize("reward", [cliff, hole])
def test_an_end_that_is_not_finite_is_named_and_nothing_diverged(reward: Any, replicates: int) -> None:
    """The last finite alignment was told as the end, or all as diverged, though nothing was stopped."""
    s = Scenario("cliff", rounds=2, samples=9)
    s.add("a", Member(Location([-9.0]), reward=reward, real=Location([9.0])))
    s.add("b", Member(Location([-9.0]), reward=Linear([1.0]), real=Location([9.0])))
    with pytest.warns(RuntimeWarning, match="NaN or infinite"):
        run = s.run(replicates=replicates)
        table = run.verdicts.set_index("member")
    end, kinds = table.loc["a", "end"], table["kind"]
    assert end == -np.inf if reward is cliff else np.isnan(end)
    assert kinds["a"] == "endless" and kinds["b"] in ("still", "rose", "fell", "unclear")
    assert table.loc["a", "last"] == 2 and np.isnan(table.loc["a", "error"])
    words = f"a: not finite; its alignment ends at {'−∞' if reward is cliff else 'no number'}, against"
    assert table.loc["a", "sentence"].startswith(words)
    said = verdicts.headline(run, run.verdicts)
    assert "a has an alignment that is not finite" in said and "diverged" not in said
    assert "not finite" in render(run)


def test_what_an_end_is_compared_with_may_be_infinite() -> None:
    """The baseline left infinite values out, and the start stood in their place."""
    s = Scenario("cliff", rounds=2, samples=9)
    s.add("a", Member(Location([-9.0]), reward=cliff, real=Location([9.0])))
    s.add("b", Member(Location([-9.0]), real=Location([-9.0])))
    s.connect("b", "a", Flow(raw=1.0))
    with pytest.warns(RuntimeWarning, match="NaN or infinite"):
        run = s.run(replicates=3)
        row = run.verdicts.set_index("member").loc["a"]
    assert (row["end"], row["alone"], row["change"], row["kind"]) == (1.0, -np.inf, np.inf, "boundless")
    assert row["sentence"] == "a: no finite change; its alignment ends at 1.00, against −∞ on real data alone."
    assert "a shows no finite change" in verdicts.headline(run, run.verdicts)
