"""Verdicts on many: of members that do not change hardly any is said to, and what changes is found all the same."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from test_verdict import moved

from ecosystem.core.chance import discoveries, most_by_chance, two_sided
from ecosystem.influence.judgement import of_measured
from ecosystem.report import render
from ecosystem.running import comparing, verdicts
from ecosystem.study.outcomes.judging import _sides
from ecosystem.study.outcomes.sample import Sample


@pytest.mark.parametrize("case", range(20))
def test_they_are_those_of_scipy(case: int) -> None:
    rng = np.random.default_rng(case)
    chances = rng.random(rng.integers(1, 40)) ** rng.integers(1, 5)
    assert (discoveries(chances) == (stats.false_discovery_control(chances) <= 0.05)).all()
    beside = np.append(chances, np.nan)  # no test
    assert (discoveries(beside) == np.append(discoveries(chances), False)).all()
    x = rng.normal(0.5, 1, (3, 6))
    told = two_sided(x.mean(1), x.std(1, ddof=1) / np.sqrt(6), np.full(3, 5))
    assert told == pytest.approx(stats.ttest_1samp(x, 0, axis=1).pvalue, rel=1e-9)
    n, p = int(rng.integers(1, 500)), float(rng.uniform(0.01, 0.6))
    assert most_by_chance(n, p) == stats.binom.ppf(0.99, n, p)


def changes(count: int, replicates: int, gained: int, rng: np.random.Generator) -> np.ndarray:
    """Changes ``[members, replicates]`` of which ``gained`` are real; members go together, as those of a network do."""
    common = rng.normal(size=replicates) * rng.normal(size=(count, 1))
    noise = 0.5 * common + rng.normal(size=(count, replicates))
    return noise + 4.0 * (np.arange(count) < gained)[:, None]


def kinds(changes: np.ndarray) -> np.ndarray:
    """The verdicts of a run whose members' alignment moved by so much."""
    run = moved({f"m{i:04d}": list(row) for i, row in enumerate(changes)})
    return verdicts.outcomes(run)["kind"].to_numpy()


def test_of_members_that_do_not_change_none_is_said_to_by_chance() -> None:
    """Of 2,000 members that do not change, 100 gained or lost: each was judged as if it were alone.

    Where nobody changes a run names somebody with a probability of at most 5 %: in 60 runs at most 8, with 99.8 %.
    """
    named = clear = 0
    for seed in range(60):
        drawn = changes(100, 8, 0, np.random.default_rng(seed))
        error = drawn.std(1, ddof=1) / np.sqrt(8)
        chances = two_sided(drawn.mean(1), error, np.full(100, 7))
        named += discoveries(chances).any()
        clear += (chances <= 0.05).sum()
    assert named <= stats.binom.ppf(0.998, 60, 0.05) and clear > 200
    told = kinds(changes(300, 8, 0, np.random.default_rng(1)))
    assert set(told) == {"unclear"}


def test_of_those_that_are_said_to_gain_few_did_not() -> None:
    """On average at most one in twenty; and nearly all that do are found."""
    wrong, found = [], []
    for seed in range(5):
        told = kinds(changes(200, 12, 60, np.random.default_rng(seed)))
        said = np.isin(told, ["gained", "lost"])
        wrong.append(said[60:].sum() / max(said.sum(), 1))
        found.append((told[:60] == "gained").mean())
    assert np.mean(wrong) <= 0.05 and np.mean(found) > 0.95


def test_one_member_is_judged_as_by_itself_and_many_are_told_of() -> None:
    """The words say what a verdict allows for, and whose interval alone would have said more."""
    edge = [1.0, 2.0, 2.5, 0.3, 0.9]  # p = .03
    assert kinds(np.array([edge])).tolist() == ["gained"]
    run = moved({"edge": edge} | {f"m{i}": [-1.0, 1.2, 0.1, -0.4, 0.2] for i in range(4)})
    told = verdicts.outcomes(run)
    assert told["kind"].tolist() == ["unclear"] * 5 and told["low"][0] > 0
    assert told["sentence"][0].startswith("edge: no clear change among five members; its alignment ends at")
    assert told["sentence"][1].startswith("m0: no clear change; ")
    assert "Verdicts allow for the number of members" in render(run)
    assert "Verdicts allow for" not in render(moved({"edge": edge}))


def test_who_did_not_move_or_has_no_chance_does_not_count() -> None:
    edge, ice, sure = [1.0, 2.0, 2.5, 0.3, 0.9], [0.0] * 5, [0.5] * 5
    assert kinds(np.array([edge, ice, ice, sure, sure])).tolist() == ["gained", "still", "still", "gained", "gained"]


def test_comparisons_of_runs_allow_for_their_members() -> None:
    """``compare`` judged each member as if it were alone."""
    rng = np.random.default_rng(2)
    sides = [changes(80, 8, gained, rng) for gained in (0, 10)]
    base, other = (moved({f"m{i}": list(row) for i, row in enumerate(side)}) for side in sides)
    told = comparing.compare({"base": base, "other": other})
    words = told["words"].str.partition(";")[0]
    beside = ((told["low"] > 0) | (told["high"] < 0))[10:].sum()
    assert (words[:10] == "higher").all() and (words[10:] != "no clear difference").sum() <= 2 < beside


def test_measured_effects_allow_for_their_number() -> None:
    """Of all pairs that do nothing to each other one in twenty was said to help or harm."""
    rng = np.random.default_rng(4)
    x = changes(200, 10, 20, rng)
    half = stats.t.ppf(0.975, 9) * x.std(1, ddof=1) / np.sqrt(10)
    names = [f"m{i}" for i in range(200)]
    table = pd.DataFrame({"source": "s", "target": names, "kind": "cross", "effect": x.mean(1), "seeds": 10})
    table = table.assign(low=table["effect"] - half, high=table["effect"] + half)
    told = of_measured(table, 0.95, set(), "alignment")
    assert (told["verdict"][:20] == "helps").all() and (told["verdict"][20:] == "unclear").mean() > 0.98
    beside = told[(told["verdict"] == "unclear") & ((told["low"] > 0) | (told["high"] < 0))]
    assert len(beside) > 2 and beside["sentence"].str.endswith("which among 200 effects may be chance.").all()
    assert of_measured(table.iloc[:1], 0.95, set(), "alignment")["verdict"].tolist() == ["helps"]


def test_members_of_a_study_allow_for_their_number() -> None:
    """Over the points a member's verdict allowed for their number, and over members for nothing."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=(400, 6, 10)) + 2.5 * (np.arange(400) < 40)[:, None, None]
    sample = Sample.of(values, np.zeros(6, dtype=bool))
    up, down = sample.anywhere(1), sample.anywhere(-1)
    assert ((up <= 0.025) | (down <= 0.025))[40:].sum() > 8
    gains, loses = _sides(up, down, sample.error)
    assert gains[:40].all() and (gains | loses)[40:].sum() <= 5
    alone = [np.array(_sides(up[i : i + 1], down[i : i + 1], sample.error[i : i + 1])).ravel() for i in range(60)]
    assert (np.array(alone) == np.stack([up, down], 1)[:60].__le__(0.025)).all()
