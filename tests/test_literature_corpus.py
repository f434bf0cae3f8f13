"""``scenarios/corpus.py`` and the retentions that rewrite a part of a corpus.

Statistical tests have fixed seeds; a bound of four standard errors holds for a correct program with 99.99 %.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ecosystem import Flow, LinearMap, Location, Member, NoPopulationLaw, Scenario, Stream, fade, refresh
from ecosystem.influence import stability
from ecosystem.retention import Retention
from scenarios import corpus
from tests.far import far


def shares(s: Scenario, replicates: int, seed: int = 0) -> np.ndarray:
    """The share of the variant, ``[replicates, rounds + 1]``."""
    table = s.run(seed=seed, replicates=replicates).rounds
    return table.pivot(index="replicate", columns="round", values="alignment").to_numpy()


@pytest.mark.parametrize("part", [0.25, 0.5, 1.0])
def test_a_variant_takes_the_corpus_as_often_as_it_has_tokens(part: float) -> None:
    """k/M = 1/4 whatever is rewritten: 3,000 corpora until hardly any has both, the rest exact."""
    start = corpus.scenario(held=2, regenerated=part, exact=True, rounds=int(80 / part))
    end = shares(start, 3000)[:, -1]
    taken, undecided = end > 0.5, (end > 0.01) & (end < 0.99)
    assert undecided.mean() < 0.005
    assert abs(taken.mean() - 0.25) < 4 * (0.25 * 0.75 / 3000) ** 0.5 + undecided.mean()


@pytest.mark.parametrize(("part", "rounds"), [(0.5, 28)])
def test_so_it_does_where_tokens_are_rewritten_one_by_one(part: float, rounds: int) -> None:
    """Four tokens, one of the variant, 200 corpora."""
    end = shares(corpus.scenario(tokens=4, held=1, regenerated=part, rounds=rounds), 200)[:, -1]
    undecided = ((end > 0) & (end < 1)).mean()
    assert undecided < 0.02 and abs((end > 0.5).mean() - 0.25) < 4 * (0.25 * 0.75 / 200) ** 0.5 + undecided


@pytest.mark.parametrize("part", [0.25, 0.5])
@pytest.mark.parametrize("exact", [False, True])
def test_how_far_a_share_moves_in_a_round(part: float, exact: bool) -> None:
    """``α(2−α)μ(1−μ)/M`` or ``αμ(1−μ)/M``; the first corpus is drawn, so ``E μ(1−μ) = μ₀(1−μ₀)(1 − 1/n)``."""
    tokens, replicates = 40, 20_000 if exact else 800
    s = corpus.scenario(tokens=tokens, held=12, regenerated=part, exact=exact, rounds=2)
    moves = np.diff(shares(s, replicates))[:, 1]
    there = 0.3 * 0.7 * (1 - 1 / (part * tokens if exact else tokens))
    value = (part if exact else part * (2 - part)) * there / tokens
    square = moves**2
    assert abs(square.mean() - value) < 4 * square.std() / replicates**0.5
    assert abs(moves.mean()) < 4 * moves.std() / replicates**0.5  # nobody is preferred
    other = (part * (2 - part) if exact else part) * there / tokens
    assert abs(square.mean() - other) > 4 * square.std() / replicates**0.5  # the two are told apart


def test_a_corpus_keeps_its_size_and_what_is_not_rewritten() -> None:
    data: list = []
    for t in range(4):
        before, fresh = data, torch.arange(1000 * t, 1000 * (t + 1))
        data = refresh(0.3).keep(data, fresh, Stream.root([(0, 0)])[0].at(t))
        assert len(data) == 1 and len(data[0]) == 1000
        if before:
            new = data[0] == fresh
            assert torch.equal(data[0][~new], before[0][~new]) and abs(float(new.double().mean()) - 0.3) < 0.06
    with pytest.raises(ValueError, match=r"refresh\(share=0.3\) takes as many samples each round, got 5 after 1000"):
        refresh(0.3).keep(data, torch.arange(5), Stream.root([(0, 0)])[0])


def test_on_the_population_both_are_one_average_and_stability_follows_it() -> None:
    """With feedback ``b`` the round ``m⁺ = (1−α)m + α(bθ + c)``, ``θ⁺ = m⁺`` settles at the rate ``1 − α + αb``."""
    ends = []
    for retention in (fade(0.2), refresh(0.2)):
        s = Scenario("one", rounds=30)
        s.add("a", Member(Location([5.0]), real=Location([1.0]), retention=retention))
        s.connect("a", "a", Flow(raw=0.5, transform=LinearMap([[-1.0]])))
        ends.append(s.run().parameters["a"]["mean"].flatten().tolist())
        assert stability(s).table["rate"][0] == pytest.approx(1 - 0.2 - 0.2 * 0.5)
    assert ends[0] == ends[1]


def test_a_corpus_may_live_on_a_device() -> None:
    s = corpus.scenario(rounds=4)
    here, there = s.run(replicates=3), s.run(replicates=3, device=far())
    assert there.rounds["alignment"].to_list() == pytest.approx(here.rounds["alignment"].to_list())


@pytest.mark.parametrize("share", [0.0, 1.5, float("nan"), "much"])
@pytest.mark.parametrize("kind", [fade, refresh])
def test_a_share_is_one(kind: type, share: object) -> None:
    with pytest.raises(ValueError, match=rf"{kind.__name__}\(share\) must be above 0 and at most 1, got"):
        kind(share)


def test_a_retention_of_ones_own_has_no_parents_other_half() -> None:
    class sticky(refresh):
        def keep(self, kept, fresh, rng):
            return [kept[0] if kept else fresh]

    assert sticky.pool is Retention.pool
    with pytest.raises(NoPopulationLaw):
        s = Scenario("own", rounds=2)
        s.add("a", Member(Location([5.0]), real=Location([1.0]), retention=sticky(0.5)))
        s.run()


def test_what_is_rewritten_are_whole_tokens() -> None:
    with pytest.raises(ValueError, match=r"a whole number of them, at least 1, got 2\.4"):
        corpus.scenario(regenerated=0.3, exact=True)
