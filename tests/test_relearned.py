"""A reward model that is learned anew each round from comparisons of what a member then makes."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from ecosystem import (
    Categorical,
    Checkpoints,
    Ecosystem,
    Flow,
    Linear,
    Location,
    Luce,
    Member,
    Neural,
    NoPopulationLaw,
    Preference,
    Relearned,
    Scenario,
    Tabular,
    Users,
)
from ecosystem.core.laws import Finite
from ecosystem.curation import OfLaw, OfSamples
from ecosystem.influence import influence, stability, stable_point

TRUTH = torch.tensor([0.0, 1.0, 2.0, -0.5], dtype=torch.float64)
LAW = OfLaw(Finite(torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)))
BLANK = Tabular([0.0] * 4)


def network(samples: int | None = None, form=BLANK, **settings: float) -> Scenario:
    """Two who read each other; the users of ``a`` are shown to ``b`` by a reward that is learned anew."""
    s = Scenario("relearned", rounds=8, samples=samples)
    for name, p in (("a", [0.4, 0.3, 0.2, 0.1]), ("b", [0.1, 0.2, 0.3, 0.4])):
        s.add(name, Member(Categorical(p), reward=Tabular(TRUTH), curator=Luce(2), real=Categorical([0.25] * 4)))
    users = Users(form, Luce(3), learn=Relearned(Tabular(TRUTH), **{"ridge": 0.05} | settings))
    s.connect("a", "b", Flow(raw=0.2, curated=0.4, chosen_by=users))
    s.connect("b", "a", Flow(raw=0.3, curated=0.2))
    return s


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_without_a_ridge_the_taste_itself_is_learned(temperature: float) -> None:
    """Whatever is compared how often: Bradley and Terry's model is right, up to a constant."""
    learner = Relearned(Tabular(TRUTH), ridge=1e-10, temperature=temperature)
    weights = learner.learn(BLANK, LAW)
    exact = (TRUTH - TRUTH.mean()) / temperature
    assert (weights - weights.mean() - exact).abs().max() < 1e-6


def test_flipped_labels_of_two_symbols() -> None:
    """``z = logit((1 − φ) σ(d) + φ σ(−d))``; at a half nothing is learned, past it the opposite."""
    even, odds = OfLaw(Finite(torch.tensor([0.5, 0.5]).double())), 1 / (1 + math.exp(-2))
    for flipped in (0.0, 0.2, 0.5, 0.8):
        w = Relearned(Tabular([0.0, 2.0]), ridge=1e-12, flipped=flipped).learn(Tabular([0.0, 0.0]), even)
        share = (1 - flipped) * odds + flipped * (1 - odds)
        assert float(w[1] - w[0]) == pytest.approx(math.log(share / (1 - share)), abs=1e-8)


def test_samples_teach_what_their_frequencies_do() -> None:
    x = torch.tensor([0] * 4 + [1] * 3 + [2] * 2 + [3])
    learner = Relearned(Tabular(TRUTH))
    assert learner.learn(BLANK, OfSamples(x)).tolist() == pytest.approx(learner.learn(BLANK, LAW).tolist(), abs=1e-12)


def test_features_and_modules_are_relearned_too() -> None:
    matrix = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [-1.0, 0.0]]).double()
    truth = Preference([0.3, 1.5], matrix)
    found = Relearned(truth, ridge=1e-10).learn(Preference([0.0, 0.0], matrix), LAW)
    assert found.tolist() == pytest.approx([0.3, 1.5], abs=1e-6)
    table, deep = (Relearned(truth).learn(form, LAW) for form in (BLANK, Neural(nn.Embedding(4, 1))))
    with pytest.raises(NoPopulationLaw, match="a form such as Tabular knows how many symbols"):
        Relearned(Preference([1.0], lambda x: x[:, None].double())).learn(Linear([1.0]), LAW)
    assert deep.tolist() == pytest.approx(table.tolist(), abs=1e-9)


def test_vectors_are_compared_by_halves_and_have_no_population_law() -> None:
    truth = Linear([1.0, -1.0])
    torch.manual_seed(0)
    found = Relearned(truth, ridge=1e-8).learn(Linear([0.0, 0.0]), OfSamples(torch.randn(200, 2).double()))
    assert found.tolist() == pytest.approx([1.0, -1.0], abs=1e-5)
    s = Scenario("vectors", rounds=2, samples=100)
    s.add("a", Member(Location([0.0, 0.0], 1.0), reward=truth, curator=Luce(2)))
    s.connect("a", "a", Flow(curated=1.0, chosen_by=Users(Linear([0.0, 0.0]), Luce(4), learn=Relearned(truth))))
    assert s.run(replicates=2).rounds.groupby("round")["alignment"].mean().iloc[-1] > 0.5
    with pytest.raises(NoPopulationLaw, match=r"what Relearned\(.*\) learns of a law .* has no population law"):
        s.replace(samples=None).run()


def test_a_run_follows_its_population() -> None:
    """Alignments after eight rounds of 4,000 samples, within five standard errors of 20 replicates."""
    exact = network().run().rounds.query("round == 8")["alignment"].to_numpy()
    found = network(samples=4000).run(replicates=20).rounds.query("round == 8").groupby("member")["alignment"]
    error = 5 * found.std().to_numpy() / math.sqrt(20) + 5e-3  # and what finite samples are off
    assert (abs(found.mean().to_numpy() - exact) < error).all()


@pytest.mark.parametrize("form", [BLANK, Neural(nn.Embedding(4, 1))], ids=["table", "module"])
def test_influence_goes_through_what_is_relearned(form) -> None:
    """``dJ/dλ_b`` at the stable point by the implicit function, against central differences."""
    s, step = network(form=form), 1e-5
    found = influence(s, sources=["b"]).matrix["b"]
    ends = [stable_point(s.with_curation("b", 0.4 + side), starts=1).alignment for side in (step, -step)]
    exact = (ends[0] - ends[1]) / (2 * step)
    assert (found - exact).abs().max() < 1e-6 and found.abs().min() > 1e-3
    if form is BLANK:
        assert 0 < stability(s).radius < 1
        still = s.with_flow("a", "b", chosen_by=Users(BLANK.with_state(_end(s)), Luce(3)))
        assert (
            influence(still, sources=["b"]).matrix["b"] - found
        ).abs().max() > 1e-4  # the loop through labels counts


def _end(s: Scenario) -> torch.Tensor:
    return stable_point(s).tastes["a"]


def test_what_was_relearned_is_in_checkpoints(tmp_path: Path) -> None:
    whole = Ecosystem(network(samples=50), seeds=[(0, 0), (0, 1)])
    whole.run()
    part = Ecosystem(network(samples=50), seeds=[(0, 0), (0, 1)])
    for _ in range(4):
        part.step()
    part.save(tmp_path / "half")
    again = Ecosystem(network(samples=50), seeds=[(0, 0), (0, 1)])
    again.restore(tmp_path / "half")
    again.run()
    assert again.result().rounds.equals(whole.result().rounds)
    assert network(samples=50).run(checkpoints=Checkpoints(tmp_path / "run")).rounds["alignment"].notna().all()


def test_refusals() -> None:
    with pytest.raises(ValueError, match=r"Relearned\(flipped\) is a fraction"):
        Relearned(BLANK, flipped=1.5)
    with pytest.raises(ValueError, match=r"Relearned\(ridge\) must be a positive number"):
        Relearned(BLANK, ridge=0.0)
    with pytest.raises(TypeError, match="need a taste that can move"):
        Users(lambda x: x, Luce(2), learn=Relearned(BLANK))
    with pytest.raises(ValueError, match="give samples=2 or more"):
        Relearned(Linear([1.0])).learn(Linear([0.0]), OfSamples(torch.zeros(1, 1)))
