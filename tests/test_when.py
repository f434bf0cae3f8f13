"""Every verdict about the long run says when: the distance that the scenario's own rounds leave, and how it shrinks."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from networks import random_scenario
from scipy.special import gammaln

from ecosystem import (
    BestOf,
    Ecosystem,
    Flow,
    Linear,
    Location,
    Member,
    Scenario,
    Shift,
    Study,
    accumulate,
    every,
    poisson,
    replace,
    sequential,
    shuffled,
    synchronous,
    window,
)
from ecosystem.generators import ClosedForm
from ecosystem.influence import Findings, influence, measure_influence, stability, stable_point
from ecosystem.influence.measured import Measured
from ecosystem.report import render_findings, write_study
from ecosystem.retention import Retention

LEVEL, BEST = 0.9, 1.0293753730039641  # of four standard normals, the expected largest


def loop(
    rounds: int = 60, level: float = LEVEL, samples: int | None = None, raw: float = 0.0, **settings: Any
) -> Scenario:
    """One model that accumulates what it makes itself, 90 % of it the best of four: ``θ* = 9.26``, ``B = .9``."""
    settings = {"retention": accumulate(), "curator": BestOf(4)} | settings
    s = Scenario("loop", rounds=rounds, samples=samples, ordering=settings.pop("ordering", synchronous))
    s.add("a", Member(Location([0.0]), reward=Linear([1.0]), real=Location([0.0]), **settings))
    s.connect("a", "a", Flow(raw=raw, curated=level))
    return s


def remains(t: float, growth: float = LEVEL) -> float:
    """``Π_{s ≤ t} (1 − (1 − b)/s) = Γ(t + b) / (Γ(t + 1) Γ(b))``: what averages over all rounds leave of a distance."""
    return math.exp(gammaln(t + growth) - gammaln(t + 1) - gammaln(growth))


def slope(t: int, level: float = LEVEL) -> float:
    """``dθ_t/dλ`` of :func:`loop`: ``θ* (1 − remains)`` by the product rule."""
    star, moved = BEST * level / (1 - level), BEST / (1 - level) ** 2
    by_level = remains(t, level) * sum(1 / (s - 1 + level) for s in range(1, t + 1))
    return moved * (1 - remains(t, level)) - star * by_level


# -- the fault -------------------------------------------------------------------------------------------------------


def test_the_stable_point_says_when_it_is_reached() -> None:
    """It said that the network settles at 9.26, and 5,000 rounds reach 5.57."""
    point = stable_point(loop())
    star = float(point.parameters["a"])
    assert star == pytest.approx(BEST * LEVEL / (1 - LEVEL), rel=1e-9) and point.seen == "settles"
    assert point.distance == pytest.approx(star * remains(60) / (1 + star), rel=1e-12)
    assert point.law == "like t^-0.1" and point.approach and point.approach.law.pace == pytest.approx(0.1, abs=1e-9)
    words = "the network settles, like t^-0.1: after its own 60 rounds it is still 56 % away"
    assert words in point.message and words in repr(point)


def test_beyond_what_is_played_the_law_goes_on() -> None:
    """5,000 rounds: 500 are played; the product and its power law differ by ``b(1 − b)/2t`` only."""
    point = stable_point(loop(5000))
    star, approach = float(point.parameters["a"]), point.approach
    assert approach and (approach.rounds, approach.played) == (5000, 500)
    exact = star * remains(5000) / (1 + star)
    assert approach.distance == pytest.approx(exact, rel=1e-4) and star * (1 - remains(5000)) == pytest.approx(
        5.57, abs=0.005
    )
    assert "after its own 5,000 rounds (the last 4,500 by that law) it is still 36 % away" in point.message


def test_influence_tells_the_long_run_from_the_own_rounds() -> None:
    """It said 103, and 60 rounds measure 10.6."""
    effect = influence(loop())
    assert float(effect.matrix.at["a", "a"]) == pytest.approx(BEST / (1 - LEVEL) ** 2, rel=1e-9)
    for rounds in (0, 1, 2, 60, 200):
        assert effect.after(rounds).at["a", "a"] == pytest.approx(slope(rounds), rel=1e-8, abs=1e-12)
    assert effect.after().at["a", "a"] == pytest.approx(11.0887, abs=1e-4)
    assert "after its own 60 rounds it is still 56 % away" in repr(effect)
    with pytest.warns(RuntimeWarning, match="the long run has not been reached"):
        measured = measure_influence(loop(), delta=1e-4)
    late = measured.response.query("round > 45")
    assert late["effect"].mean() == pytest.approx(10.66, abs=0.01)
    by_round = [effect.after(t).at["a", "a"] for t in (46, 60)]
    assert late["effect"].iloc[[0, -1]].tolist() == pytest.approx(by_round, rel=1e-4)


def test_stability_says_what_the_own_rounds_leave() -> None:
    assert stability(loop()).table["left"].tolist() == pytest.approx([60**-0.1], rel=1e-9)
    result = stability(loop(retention=replace()), [sequential("a")])
    assert result.table["left"].tolist() == pytest.approx([LEVEL**60] * 2, rel=1e-9)
    assert "of which its own rounds leave 0.0018" in repr(result)


# -- the distance and the law ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "law"),
    [
        ({"retention": replace()}, "like 0.9^t"),
        ({"retention": window(3)}, None),
        ({"schedule": every(3, start=2), "retention": replace()}, f"like {0.9 ** (1 / 3):.3g}^t"),
        ({"schedule": every(3), "retention": accumulate()}, "like t^-0.1"),
        ({"ordering": shuffled, "retention": replace()}, "like 0.9^t (estimated)"),
        ({"schedule": poisson(0.5), "retention": accumulate()}, "like t^-0.1"),
    ],
)
def test_the_distance_is_that_of_a_run(settings: dict[str, Any], law: str | None) -> None:
    """To the last digits, whatever the memory, the clock and the order: the rounds are the engine's."""
    scenario = loop(40, **settings)
    point, rounds = stable_point(scenario, starts=1), scenario.run(seed=0).rounds
    star, end = float(point.parameters["a"]), float(rounds["alignment"].iloc[-1])  # J = θ
    assert point.distance == pytest.approx(abs(end - star) / (1 + star), rel=1e-9)
    assert law in (None, point.law)


@pytest.mark.parametrize(
    ("seed", "family", "ordering"),
    [
        (0, "location", synchronous),
        (1, "categorical", synchronous),
        (4, "gaussian", synchronous),
        (3, "location", shuffled),
    ],
)
def test_networks(seed: int, family: str, ordering: Any) -> None:
    """All members, all numbers; the largest counts, and ``after`` is the difference quotient of two runs."""
    s = random_scenario(seed, family=family, rounds=12, ordering=ordering)
    point, eco = stable_point(s, starts=1), Ecosystem(s, seeds=[0])
    eco.run()
    far = [
        float(((cast(ClosedForm, eco[name].generator).vector().flatten() - value).abs() / (1 + value.abs())).max())
        for name, value in point.parameters.items()
    ]
    assert point.distance == pytest.approx(max(far), rel=1e-6, abs=1e-13)
    effect = influence(s, at=point)
    source, h = effect.sources[0], 1e-4
    ends = []
    for side in (1, -1):
        moved = s.with_curation(source, s.curation(source) + side * h).run(seed=0).rounds
        ends.append(moved[moved["round"] == 12].set_index("member")["alignment"])
    quotient = ((ends[0] - ends[1]) / (2 * h)).loc[effect.targets]
    np.testing.assert_allclose(effect.after()[source], quotient, rtol=1e-5, atol=1e-7)


def test_after_comes_near_the_matrix_where_the_network_settles() -> None:
    s = random_scenario(1, rounds=3)
    effect = influence(s)
    np.testing.assert_allclose(effect.after(40), effect.matrix, rtol=1e-7, atol=1e-8)
    assert (effect.after(0) == 0).all(axis=None)
    with pytest.raises(ValueError, match=r"after\(rounds\)"):
        effect.after(-1)


def test_curation_that_would_arise_has_an_effect_after_rounds_too() -> None:
    """From level 0, by a rule to one side; the flow on which it would arise carries nothing yet."""
    s = loop(20, level=0.0, raw=0.5, curator=Shift([1.0]), retention=replace())
    effect = influence(s, like={"a": ("a", "a")})
    b, theta, moved = 0.5, 0.0, 0.0
    for _ in range(20):  # θ⁺ = (b (1 − λ) + λ) θ + λ at λ = 0, where θ = 0
        moved, theta = (1 - b) * theta + 1 + b * moved, b * theta
    assert effect.after().at["a", "a"] == pytest.approx(moved, rel=1e-8)


@dataclass(frozen=True)
class Fading(Retention):
    """The past counts by its weight: one's own memory, of which nobody knows anything."""

    weight: float

    def pool(self, memory: dict[str, Any], fresh: torch.Tensor) -> tuple[torch.Tensor, dict[str, Any]]:
        past = self.weight * memory.get("past", fresh).detach() + (1 - self.weight) * fresh
        return past, {"past": past}


@dataclass(frozen=True)
class Restless(Retention):
    """All that was ever seen counts alike, and it does not say so."""

    def pool(self, memory: dict[str, Any], fresh: torch.Tensor) -> tuple[torch.Tensor, dict[str, Any]]:
        return accumulate().pool(memory, fresh)


def test_the_rounds_of_ones_own_memory_are_played_too() -> None:
    """``after`` plays rounds and differentiates nothing, so a ``detach`` in one's own code cannot make it wrong."""
    s = loop(15, retention=Fading(0.6))
    effect, h = influence(s), 1e-5
    ends = [loop(15, LEVEL + side * h, retention=Fading(0.6)).run().rounds["alignment"].iloc[-1] for side in (1, -1)]
    assert effect.after().at["a", "a"] == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-7)


def test_a_memory_that_does_not_rest_has_a_distance_and_no_law() -> None:
    point = stable_point(loop(retention=Restless()), starts=1)
    known = stable_point(loop(), starts=1)
    assert point.distance == pytest.approx(known.distance, rel=1e-9) and point.law == "by no known law"
    assert "settles: after its own 60 rounds it is still 56 % away" in point.message
    longer = stable_point(loop(5000, retention=Restless()), starts=1).message
    assert "after 500 of its own 5,000 rounds it is still" in longer


def test_where_nothing_is_near_no_distance_is_told() -> None:
    s = loop(30, level=0.5, raw=0.5, curator=Shift([1.0]), retention=replace())
    point = stable_point(s, starts=1)
    assert not point.found and math.isnan(point.distance) and point.law == "" and "no stable point" in point.message
    near = stable_point(loop(400, retention=replace()), starts=1)
    assert near.distance < 1e-12 and near.message.endswith("settles: after its own 400 rounds it is within 1e-09 of it")


# -- findings, studies, reports ----------------------------------------------------------------------------------------


def test_findings_and_their_report_say_when(tmp_path: Path) -> None:
    """The page said *raises its long-run alignment by 1.03* and *the network settles: yes*."""
    found = influence(loop()).findings()
    assert found.influence["after"].tolist() == pytest.approx([slope(60)], rel=1e-8)
    found.save(tmp_path)
    found = Findings.load(tmp_path)
    assert found.settings["distance"] == pytest.approx(0.5605, abs=1e-4) and found.settings["law"] == "like t^-0.1"
    page = render_findings(found).replace("\N{NO-BREAK SPACE}", " ")
    assert "after its own 60 rounds the network is still 56 % away from the stable point" in page
    assert "and the rest shrinks like t^-0.1" in page and "not yet in its own rounds" in page
    assert "raises its long-run alignment by 1.03 (after the scenario’s own 60 rounds by 0.111)" in page


def test_a_report_of_what_is_there_says_nothing_more() -> None:
    page = render_findings(influence(loop(400, retention=replace())).findings())
    assert "These numbers are those of the long run" not in page and "own 400 rounds by" not in page
    assert "after its own 400 rounds it is within 1e-09 of it" in page


def waiting(level: float) -> Scenario:
    return loop(60, level)


def test_studies_say_when(tmp_path: Path) -> None:
    study = Study("waiting", waiting, grid={"level": [0.1, 0.5, 0.9]}, measure=["members", "stable_point"])
    results = study.run(tmp_path / "waiting")
    for row, level in zip(results.stable_point.itertuples(), (0.1, 0.5, 0.9), strict=True):
        star = BEST * level / (1 - level)
        assert row.distance == pytest.approx(star * remains(60, level) / (1 + star), rel=1e-9)
        assert row.law == f"like t^-{1 - level:.3g}" and row.rounds == 60
    page = write_study(results, tmp_path / "page.html").read_text(encoding="utf-8").replace("\N{NO-BREAK SPACE}", " ")
    assert "After their own rounds they are within 1 % of where they settle at 1 of these 3" in page
    assert "they are farthest at level 0.9: 56 % away and come nearer like t^-0.1" in page


# -- measured influence that still drifts ------------------------------------------------------------------------------


def measured(scenario: Scenario, **how: Any) -> tuple[Measured, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = measure_influence(scenario, **how)
    return found, [str(w.message) for w in caught]


def test_a_response_that_drifts_is_told() -> None:
    """It gave 10.1 for 103 without a word, on the population and from samples."""
    for samples, seeds in ((None, 1), (64, 10)):
        _, told = measured(loop(samples=samples), seeds=seeds)
        assert len(told) == 1 and "over rounds 31 to 60 the effect of 'a' on 'a' moves from 9.5" in told[0]
        assert "scenario.replace(rounds=...)" in told[0] and "burn_in=..." in told[0]


def test_noise_about_the_long_run_does_not_warn() -> None:
    """At most one call in 1,000: none of 60 has a probability of 94 %; of 5 % false alarms it would be 5 %."""
    quick = loop(16, level=0.4, samples=8, retention=replace())
    told = [line for seed in range(60) for line in measured(quick, seeds=[(seed, r) for r in range(6)], burn_in=8)[1]]
    assert not told


def test_a_drift_within_two_per_cent_does_not_warn() -> None:
    """``dθ_t/dλ`` on the population, exactly: what is averaged over both halves of the late rounds."""
    for rounds, burn_in, warned in ((40, 20, False), (12, 4, True)):
        _, told = measured(loop(rounds, level=0.5, retention=replace()), burn_in=burn_in, delta=0.01)
        assert bool(told) == warned


def test_one_averaged_round_cannot_drift() -> None:
    assert not measured(loop(6), burn_in=5)[1]
