"""Ridge regression as a member, and ``scenarios/accumulate.py``: its own labels, replaced or accumulated.

Statistical tests have fixed seeds; a bound of four standard errors holds for a correct program with 99.99 %.
"""

from __future__ import annotations

import math

import pytest
import torch

from ecosystem import (
    Ecosystem,
    Flow,
    Linear,
    LinearMap,
    Member,
    NoPopulationLaw,
    Quadratic,
    Ridge,
    Scenario,
    Stream,
    Tilt,
    accumulate,
)
from ecosystem.generators import Empirical
from ecosystem.influence import influence, stability, stable_point
from scenarios import accumulate as scenario_of
from tests.drawn import covariance, normals, numbers

ROWS, INPUTS, ROUNDS = 20, 5, 5


def errors(fresh: torch.Tensor) -> tuple[float, float]:
    """Mean and standard error of ``‖ŵ − w‖²`` over replicates of weights."""
    seen = (fresh - scenario_of.truth(INPUTS)).square().sum(-1).flatten()
    return float(seen.mean()), float(seen.std()) / math.sqrt(len(seen))


# -- accumulate or replace ------------------------------------------------------------------------------------------


def test_on_fresh_rows_errors_add_up_where_data_are_replaced_and_not_where_they_accumulate() -> None:
    """``n σ²d/(T−d−1)`` and ``Σ σ²d/(i(iT−d−1))``, 1.7857 and .4891; 10,000 replicates, four standard errors."""
    exact = {
        False: ROUNDS * INPUTS / (ROWS - INPUTS - 1),
        True: sum(INPUTS / (i * (i * ROWS - INPUTS - 1)) for i in range(1, ROUNDS + 1)),
    }
    assert exact[True] == pytest.approx(0.4891, abs=1e-4)
    for keep, value in exact.items():
        run = scenario_of.scenario(keep=keep).run(seed=1, replicates=10_000)
        mean, error = errors(run.parameters["model"]["weights"])
        assert abs(mean - value) < 4 * error and error < 0.02 * value
        end = run.rounds[run.rounds["round"] == ROUNDS]["alignment"].mean()  # minus the squared error of labels
        assert end == pytest.approx(-1 - mean, abs=1e-9)


def test_on_the_same_rows_old_labels_bound_the_error() -> None:
    """``σ²d/(T−d−1)·Σ 1/i²``, .5227, and ``n`` times that of a round where they are replaced.

    Of 200 designs with 40 seeds each, which they share: four standard errors, of designs and of seeds.
    """
    each = INPUTS / (ROWS - INPUTS - 1)
    exact = {True: each * sum(1 / i**2 for i in range(1, ROUNDS + 1)), False: ROUNDS * each}
    assert exact[True] == pytest.approx(0.5227, abs=1e-4)
    for keep, value in exact.items():
        eco = Ecosystem([scenario_of.scenario(keep=keep, fresh=False, design=i) for i in range(200)], seeds=range(40))
        eco.run()
        seen = -torch.stack(
            [
                s.member("model").reward(eco["model"].generator.mean[i])  # type: ignore[misc]
                for i, s in enumerate(eco.scenarios)
            ]
        )  # ‖X⁺ of expected labels − w‖²
        error = math.hypot(float(seen.mean(1).std()) / 200**0.5, float(seen.mean(0).std()) / 40**0.5)
        assert abs(float(seen.mean()) - value) < 4 * error and error < 0.08 * value


@pytest.mark.parametrize("keep", [True, False])
def test_given_the_rows_the_error_is_that_of_the_design(keep: bool) -> None:
    """``σ² tr (XᵀX)⁻¹`` times ``Σ 1/i²`` or ``n``: 4,000 replicates of one design, four standard errors."""
    s = scenario_of.scenario(keep=keep, fresh=False, design=7)
    x = torch.randn(ROWS, INPUTS, dtype=torch.float64, generator=torch.Generator().manual_seed(7))
    labels = s.run(replicates=4000).parameters["model"]["mean"]
    mean, error = errors(labels @ torch.linalg.pinv(x).mT)
    factor = sum(1 / i**2 for i in range(1, ROUNDS + 1)) if keep else ROUNDS
    assert abs(mean - factor * float(torch.linalg.inv(x.mT @ x).trace())) < 4 * error


# -- the family -----------------------------------------------------------------------------------------------------


def test_a_fit_is_that_of_ridge_regression() -> None:
    rows = normals(0, 3, 30, 4)
    x, y = rows[..., :-1], rows[..., -1:]
    for penalty in (0.0, 0.7):
        model = Ridge([0.0, 0.0, 0.0], penalty=penalty)
        many = model.map(lambda t: t.expand(3, *t.shape))
        exact = torch.linalg.solve(x.mT @ x + 30 * penalty * torch.eye(3), x.mT @ y).squeeze(-1)
        torch.testing.assert_close(many.refit(many.statistic(rows)).weights, exact)
        law = Empirical(rows[0]).law()  # two moments are all that it asks for
        torch.testing.assert_close(model.refit(model.statistic_of(law)).weights, exact[0])


def test_real_rows_are_the_truths_or_a_table() -> None:
    """The penalty pulls towards 0 by as much as the closed form says: ``(Σ + p)⁻¹ Σ w`` in the long run."""
    w, inputs = numbers([1.0, -2.0]), covariance(3, d=2)
    for real in (Ridge(w, 0.3, inputs=inputs), Ridge(w, 0.3, inputs=inputs).sample(200, Stream.root([(0, 0)])[0])):
        s = Scenario("real", rounds=1)
        s.add("a", Member(Ridge([0.0, 0.0], 0.3, penalty=0.5, inputs=inputs), real=real))
        end = s.run().parameters["a"]["weights"].flatten()
        second = inputs if isinstance(real, Ridge) else real[:, :2].mT @ real[:, :2] / 200
        product = inputs @ w if isinstance(real, Ridge) else real[:, :2].mT @ real[:, 2] / 200
        torch.testing.assert_close(end, torch.linalg.solve(second + 0.5 * torch.eye(2), product))


def pair(samples: int | None = None) -> Scenario:
    """Two regressions that label for each other, one by way of a map, rows chosen by their label."""
    s = Scenario("pair", rounds=3, samples=samples)
    for name, w, liked in (("a", [1.0, 0.5], [0.2, 0.0, 0.4]), ("b", [0.0, -1.0], [0.0, 0.1, -0.3])):
        family = Ridge(w, 0.5, penalty=0.1, inputs=covariance(1, d=2))
        s.add(name, Member(family, reward=Linear(liked), curator=Tilt(), real=Ridge(w, 0.5)))
    s.connect("a", "b", Flow(raw=0.3, curated=0.2, transform=LinearMap(torch.diag(numbers([1.0, 1.0, 0.8])))))
    s.connect("b", "a", Flow(raw=0.2, curated=0.3, chosen_by="consumer"))
    s.connect("a", "a", Flow(raw=0.1))
    return s


def test_influence_goes_through_regressions() -> None:
    """Central differences through the stable point, to 1e-6 of the largest."""
    s = pair().with_member("a", reward=Quadratic([0.2, 0.0, 0.4], 0.1)).with_member("b", reward=Quadratic([0, 0, 1], 1))
    found, step = influence(s), 1e-5
    assert found.matrix.abs().to_numpy().min() > 0
    for name in "ab":
        level = s.curation(name)
        ends = [stable_point(s.with_curation(name, level + way)).alignment for way in (step, -step)]
        slope = (ends[0] - ends[1]) / (2 * step)
        assert (found.matrix[name] - slope[found.matrix.index]).abs().max() < 1e-6 * found.matrix.abs().to_numpy().max()


def test_samples_keep_to_the_population() -> None:
    """The mean of 40 replicates of 1,000 rows within four standard errors and the bias of a ratio, 1/n."""
    s = pair()
    exact = s.run().parameters
    seen = pair(1000).run(seed=2, replicates=40).parameters
    for name in "ab":
        w = seen[name]["weights"]
        off = (w.mean(0) - exact[name]["weights"].reshape(-1)).abs()
        assert (off < 4 * w.std(0) / 40**0.5 + 1 / 1000).all()


def test_alone_on_its_own_population_it_stands_still_and_a_penalty_wears_it_down() -> None:
    s = Scenario("alone", rounds=3)
    s.add("a", Member(Ridge([1.0, 2.0], penalty=0.25)))
    s.connect("a", "a", Flow(raw=1.0))
    assert s.run().parameters["a"]["weights"].flatten().tolist() == pytest.approx([0.8**3, 2 * 0.8**3])
    assert stability(s).radius == pytest.approx(0.8)


def test_fewer_rows_than_inputs_without_a_penalty_stop_the_replicate() -> None:
    s = Scenario("few", rounds=2, samples=1)
    s.add("a", Member(Ridge([1.0, 2.0])))
    s.connect("a", "a", Flow(raw=1.0))
    with pytest.warns(RuntimeWarning, match="20 of 20 replicates diverged"):
        failures = s.run(replicates=20).failures
    assert failures["member"].unique().tolist() == ["a"] and "became NaN" in failures["error"].iloc[0]


def test_a_family_of_ones_own_keeps_what_it_does_not_change() -> None:
    """Labels with heavier tails: drawn as they say, and no population law that is the parent's."""

    class Tailed(Ridge):
        def push_from(self, noise, index):
            return super().push_from(torch.cat([noise[:, :-1], noise[:, -1:] ** 3], -1), index)

    s = Scenario("tailed", rounds=2, samples=500)
    s.add("a", Member(Tailed([1.0]), retention=accumulate()))
    s.connect("a", "a", Flow(raw=1.0))
    w = s.run(replicates=400).parameters["a"]["weights"]
    plain = s.with_member("a", generator=Ridge([1.0])).run(replicates=400).parameters["a"]["weights"]
    assert float(w.var() / plain.var()) == pytest.approx(15, rel=0.4)  # E ξ⁶ = 15
    with pytest.raises(NoPopulationLaw, match="Tailed has no population law"):
        s.replace(samples=None).run()
