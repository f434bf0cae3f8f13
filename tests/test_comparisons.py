"""Comparisons and what is learned from them: Bradley and Terry's model at its optimum, in tables and networks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor, nn

from ecosystem import (
    Categorical,
    Comparisons,
    Flow,
    Linear,
    Location,
    Luce,
    Member,
    Neural,
    Preference,
    Scenario,
    Tabular,
    learned,
)
from ecosystem.rewards import Reward

TASTE = Tabular([0.0, 1.0, 2.0, -1.0])
EVEN = Categorical([0.25] * 4)


def table(first: list, second: list, preferred: list, **more: list) -> pd.DataFrame:
    return pd.DataFrame({"first": first, "second": second, "preferred": preferred} | more)


def test_a_table_of_comparisons_keeps_its_columns() -> None:
    said = Comparisons(table([0, 2], [1, 0], [1, 2], whose=["ada", None], extra=[1, 2]), items=3)
    assert said.table.to_dict("list") == {
        "first": [0, 2], "second": [1, 0], "preferred": [1, 2], "whose": ["ada", ""]
    }  # fmt: skip
    assert len(said) == 2 and repr(said) == "Comparisons(2 pairs of 3 items, by ada)"
    assert said.wins().tolist() == [0.0, 1.0]


def test_flips_turn_the_label_and_nothing_else() -> None:
    said = Comparisons.sampled(TASTE, EVEN, 30)
    flipped = said.flipped([3, 7])
    moved = np.flatnonzero(flipped.table["preferred"] != said.table["preferred"])
    assert moved.tolist() == [3, 7] and flipped.flipped([7, 3]).table.equals(said.table)
    assert flipped.table.drop(columns="preferred").equals(said.table.drop(columns="preferred"))


@pytest.mark.parametrize(
    ("given", "items", "message"),
    [
        (table([0], [1], [2]), 3, "row 0 compares 0 and 1, and prefers 2; it must be one of the two"),
        (table([0], [0], [0]), 3, "row 0 compares 0 with itself, which says nothing; leave it out"),
        (table([0], [3], [0]), 3, r"second is one of the items 0..2, got .*3.* in row 0"),
        (table([0.5], [1], [1]), 3, r"first is one of the items 0..2, got .*0.5.* in row 0"),
        (table([0], [1], [None]), 3, r"preferred is one of the items 0..2"),
        (table([0], [1], [1]).drop(columns="preferred"), 3, "there is no 'preferred'"),
        (table([0], [1], [1]), 1, "at least 2, got 1"),
        (table([0], [1], [1]), torch.zeros(1, 2), "at least two samples"),
    ],
)
def test_what_is_no_comparison_is_refused(given: pd.DataFrame, items: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Comparisons(given, items)


def test_rows_that_are_none_are_not_flipped() -> None:
    said = Comparisons(table([0], [1], [1]), 2)
    with pytest.raises(ValueError, match="names a row twice"):
        said.flipped([0, 0])
    with pytest.raises(ValueError, match=r"flipped\(rows\) must be a whole number"):
        said.flipped([1])


def test_sampled_labels_follow_bradley_and_terry() -> None:
    """Of 4,000 labels the share that prefers the better one is within five standard errors of ``σ(gap/τ)``."""
    said = Comparisons.sampled(Tabular([0.0, 1.0]), Categorical([0.5, 0.5]), 4000, temperature=2.0, whose="ada")
    share, exact = float((said.table["preferred"] == 1).mean()), 1 / (1 + math.exp(-0.5))
    assert abs(share - exact) < 5 * math.sqrt(exact * (1 - exact) / 4000) and set(said.table["whose"]) == {"ada"}
    again = Comparisons.sampled(Tabular([0.0, 1.0]), Categorical([0.5, 0.5]), 4000, temperature=2.0, whose="ada")
    assert again.table.equals(said.table)
    with pytest.raises(ValueError, match="made no 5 pairs of different symbols"):
        Comparisons.sampled(TASTE, Categorical([1.0, 0.0, 0.0, 0.0]), 5)


def test_the_optimum_is_that_of_another_solver() -> None:
    said = Comparisons.sampled(TASTE, EVEN, 50)
    fit = learned(said, ridge=0.02)
    first, second = (said.table[c].to_numpy() for c in ("first", "second"))
    sign = np.where(said.table["preferred"] == first, 1, -1)

    def loss(w: np.ndarray) -> float:
        return float(np.logaddexp(0, -sign * (w[first] - w[second])).mean() + 0.01 * w @ w)

    other = minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-9})
    assert fit.loss == pytest.approx(other.fun, abs=1e-12) and fit.gradient < 1e-14
    assert fit.weights.numpy() == pytest.approx(other.x, abs=1e-6)
    assert isinstance(fit.reward, Tabular) and "50 pairs of 4 items" in repr(fit)


def test_many_comparisons_teach_the_taste_itself() -> None:
    """Up to a constant, which no comparison tells."""
    weights = learned(Comparisons.sampled(TASTE, EVEN, 10_000), ridge=1e-6).weights
    assert (weights - weights.mean() - (TASTE.values - TASTE.values.mean())).abs().max() < 0.2


def test_two_items_have_a_closed_form() -> None:
    """Three to one, without a ridge to speak of: ``z = log 3``."""
    fit = learned(Comparisons(table([0] * 4, [1] * 4, [0, 0, 1, 0]), 2), ridge=1e-12)
    assert float(fit.weights[0] - fit.weights[1]) == pytest.approx(math.log(3), abs=1e-9)


def test_a_taste_for_vectors_and_one_in_features() -> None:
    said = Comparisons.sampled(Linear([1.0, -2.0]), Location([0.0, 0.0], 1.0), 5_000)
    fit = learned(said, ridge=1e-6)
    assert isinstance(fit.reward, Linear) and (fit.weights - torch.tensor([1.0, -2.0])).abs().max() < 0.2
    squares = learned(said, form=Preference([0.0] * 3, lambda x: torch.cat([x, x[:, :1] ** 2], -1)), ridge=1e-6)
    assert squares.weights.tolist() == pytest.approx([1.0, -2.0, 0.0], abs=0.2) and squares.gradient < 1e-12


def test_a_module_of_ones_own_is_learned_and_curates() -> None:
    """An embedding with a bias is the table again; a network with a hidden layer fits at least as well as nothing."""
    said = Comparisons.sampled(TASTE, EVEN, 40)
    table_of = learned(said, ridge=0.02)
    fit = learned(said, form=Neural(nn.Embedding(4, 1)), ridge=0.02)
    assert fit.weights.tolist() == pytest.approx(table_of.weights.tolist(), abs=1e-9) and fit.gradient < 1e-9
    torch.manual_seed(0)
    deep = Neural(nn.Sequential(nn.Embedding(4, 2), nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)))
    found = learned(said, form=deep, ridge=0.01)
    assert found.gradient < 1e-9 and found.loss < math.log(2)
    assert torch.linalg.eigvalsh(found.labels.curvature(found.weights)).min() > 0
    runs = []
    for reward in (fit.reward, table_of.reward):
        s = Scenario("loop", rounds=3)
        s.add("a", Member(EVEN, reward=reward, curator=Luce(3)))
        s.connect("a", "a", Flow(curated=1.0))
        runs.append(s.run().rounds["alignment"].to_numpy())
        sampled = s.replace(samples=50).run(replicates=2).rounds
        assert sampled["alignment"].notna().all()
    assert runs[0] == pytest.approx(runs[1], abs=1e-8)


@dataclass(frozen=True, eq=False, repr=False)
class Peak(Reward):
    """A taste of one's own, not linear in its state: ``−(x − w)²``."""

    top: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return -((x[..., 0] - self.top[..., 0]) ** 2)

    def state(self) -> Tensor:
        return self.top

    def with_state(self, state: Tensor) -> Peak:
        return self.rebuild({"top": state})


def test_a_taste_of_ones_own_is_learned_by_its_state() -> None:
    truth = Peak(torch.tensor([0.7], dtype=torch.float64))
    said = Comparisons.sampled(truth, Location([0.0], 1.0), 2000)
    fit = learned(said, form=Peak(torch.zeros(1, dtype=torch.float64)), ridge=1e-6)
    assert float(fit.weights) == pytest.approx(0.7, abs=0.1) and fit.gradient < 1e-9


@pytest.mark.parametrize("form", [None, Neural(nn.Embedding(4, 1)), Peak(torch.zeros(1).double())])
def test_the_effect_of_a_flip_is_the_derivative_by_its_label(form: object) -> None:
    """A label turned by a hundred-thousandth: central differences of the optimum, against the implicit function."""
    generator = Location([0.0], 1.0) if isinstance(form, Peak) else EVEN
    taste = Linear([1.0]) if isinstance(form, Peak) else TASTE
    fit = learned(Comparisons.sampled(taste, generator, 12), form=form, ridge=0.1)
    gradient = torch.linspace(1, 2, len(fit.weights), dtype=torch.float64)
    effects, step = fit.effects(gradient), 1e-5
    for row in (0, 5):
        moved = []
        for side in (step, -step):
            labels = fit.labels.turned([])
            labels.wins[row] += side * (1 - 2 * labels.wins[row])
            moved.append(gradient @ labels.learned(fit.weights))
        assert float(effects[row]) == pytest.approx(float(moved[0] - moved[1]) / (2 * step), abs=1e-7)


def test_a_flipped_fit_is_that_of_the_flipped_table() -> None:
    fit = learned(Comparisons.sampled(TASTE, EVEN, 20))
    assert fit.flipped([1, 4]).weights.tolist() == pytest.approx(
        learned(fit.comparisons.flipped([1, 4])).weights.tolist(), abs=1e-12
    )
    assert fit.flipped([1, 4]).comparisons.table.equals(fit.comparisons.flipped([1, 4]).table)


def test_what_cannot_be_learned_is_refused() -> None:
    said = Comparisons(table([0], [1], [1]), 3)
    with pytest.raises(ValueError, match=r"learned\(ridge\) must be a positive number, got 0"):
        learned(said, ridge=0)
    with pytest.raises(TypeError, match="is a reward with a state"):
        learned(said, form=lambda x: x)
    with pytest.raises(ValueError, match="judges 2 symbols, and 3 are compared"):
        learned(said, form=Tabular([0.0, 1.0]))
    with pytest.raises(ValueError, match=r"judges samples of shape \(2,\), and those compared have \(3,\)"):
        learned(Comparisons(table([0], [1], [1]), torch.zeros(2, 3)), form=Linear([0.0, 0.0]))
    with pytest.raises(ValueError, match="has no pairs"):
        learned(Comparisons(table([], [], []), 3))
    with pytest.raises(TypeError, match="no parameters that require a gradient"):
        Neural(nn.Tanh())
    with pytest.raises(ValueError, match=r"must return one number for each sample, shape \(3,\)"):
        learned(said, form=Neural(nn.Embedding(3, 2)))


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -float("inf")])
def test_items_are_finite(odd: float) -> None:
    table = pd.DataFrame({"first": [0, 1], "second": [1, 2], "preferred": [0, 2]})
    for items in ([[0.0, 1.0], [1.0, 2.0], [2.0, odd]], [0.0, 1.0, odd]):
        with pytest.raises(ValueError, match=r"Comparisons\(items\): item 2 has numbers that are NaN or infinite"):
            Comparisons(table, items)


def test_items_beyond_all_numbers_teach_nothing() -> None:
    """The squares of what they are apart are infinite: LAPACK said so, in its own words."""
    table = pd.DataFrame({"first": [0, 1], "second": [1, 2], "preferred": [0, 2]})
    said = Comparisons(table, [[0.0, 1.0], [1.0, 2.0], [2.0, 1e200]])
    with pytest.raises(ValueError, match=r"was not learned: .* not finite, for items up to 1e\+200"):
        learned(said)
