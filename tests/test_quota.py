"""Quotas and communities: laws against sums by hand, samples against laws, influence through them, refusals."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ecosystem import (
    BestOf,
    Blind,
    Categorical,
    Community,
    Crowd,
    Curator,
    Flow,
    Linear,
    Location,
    Luce,
    Member,
    NoPopulationLaw,
    Quota,
    Scenario,
    Shift,
    Tabular,
    Tilt,
    TopFraction,
)
from ecosystem.core.laws import Finite
from ecosystem.curation import quota
from ecosystem.influence import influence, stability, stable_point

START = [0.4, 0.25, 0.2, 0.1, 0.05]
BY = [0, 0, 1, 1, 2]
TASTE = [1.0, 0.0, 0.5, -1.0, -2.0]


def finite(*p: float) -> Finite:
    return Finite(torch.tensor(p, dtype=torch.float64))


def kept(curator: Curator, *p: float) -> Tensor:
    law = curator.law(finite(*p), Tabular(TASTE[: len(p)]))
    assert isinstance(law, Finite)
    return law.probabilities


def loop(curator: Curator, samples: int | None = None, rounds: int = 1) -> Scenario:
    s = Scenario("loop", rounds=rounds, samples=samples)
    s.add("a", Member(Categorical(START), reward=Tabular(TASTE), curator=curator, real=Categorical(START)))
    s.connect("a", "a", Flow(curated=0.8))
    return s


def test_the_law_is_the_sum_over_all_slates_of_each_group() -> None:
    shares, p, best = [0.5, 0.2, 0.3], torch.tensor(START), torch.zeros(5).double()
    for g, share in enumerate(shares):
        mine = [i for i, group in enumerate(BY) if group == g]
        mass = sum(START[i] for i in mine)
        for i, j in product(mine, repeat=2):  # of two candidates Luce keeps the first with e^r / Σ e^r
            weights = torch.tensor([TASTE[i], TASTE[j]]).double().exp()
            for symbol, weight in zip((i, j), weights / weights.sum(), strict=True):
                best[symbol] += share * float(p[i] * p[j]) / mass**2 * weight
    assert kept(Quota(BY, shares, Luce(2)), *START).tolist() == pytest.approx(best.tolist(), rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(0.01, 1), min_size=5, max_size=5),
    st.lists(st.floats(0.0, 1), min_size=3, max_size=3).filter(lambda x: sum(x) > 0.1),
    st.sampled_from([Luce(3), BestOf(2), TopFraction(0.4), Tilt(0.5), Blind(), Crowd.adversarial(Luce(2), 0.3)]),
)
def test_each_group_has_its_share_whoever_chooses(p: list, shares: list, curator: Curator) -> None:
    whole = [x / sum(shares) for x in shares]
    found = kept(Quota(BY, whole, curator), *(x / sum(p) for x in p))
    parts = torch.zeros(3).double().index_add_(0, torch.tensor(BY), found)
    assert parts.tolist() == pytest.approx(whole, abs=1e-12)


def test_quotas_as_they_are_change_nothing_but_what_lies_within() -> None:
    free = kept(Quota(BY, [0.65, 0.3, 0.05]), *START)  # of users who do not look
    assert free.tolist() == pytest.approx(START)


def test_what_nobody_makes_fills_no_place() -> None:
    """NaN where an empty group has a share, the law of the others where it has none."""
    assert kept(Quota(BY, [0.6, 0.3, 0.1], Luce(2)), 0.5, 0.2, 0.2, 0.1, 0.0).isnan().all()
    fine = kept(Quota(BY, [0.7, 0.3, 0.0], Tilt()), 0.5, 0.2, 0.2, 0.1, 0.0)
    assert fine.sum() == pytest.approx(1.0) and fine[4] == 0
    p = torch.tensor([0.5, 0.2, 0.2, 0.1, 0.0], dtype=torch.float64, requires_grad=True)
    law = Quota(BY, [0.7, 0.3, 0.0], Luce(2)).law(Finite(p), Tabular(TASTE))
    assert isinstance(law, Finite)
    slope = torch.autograd.grad(law.probabilities[0], p)[0]
    assert slope.isfinite().all() and slope[4] == 0


@pytest.mark.parametrize(
    "curator",
    [Luce(3), BestOf(2), TopFraction(0.25), Tilt(), Blind(), Crowd.noisy(Luce(2), 0.3), Quota(BY, [0.2, 0.2, 0.6])],
    ids=repr,
)
def test_samples_keep_to_the_law(curator: Curator) -> None:
    """Each frequency of 40 replicates of 400 samples within five standard errors; a replicate alone as in company."""
    if isinstance(curator, Quota):  # a quota within a quota keeps to both only where they agree
        curator = Quota([0, 0, 0, 0, 1], [0.5, 0.5], Luce(2))
    s = loop(Quota(BY, [0.5, 0.2, 0.3], curator) if not isinstance(curator, Quota) else curator, samples=400)
    sampled = s.run(seed=2, replicates=40).parameters["a"]["probabilities"]
    exact = s.replace(samples=None).run().parameters["a"]["probabilities"].flatten()
    error = sampled.std(0) / 40**0.5 + 1e-12
    slack = 0.02 if curator.pools else 0.0  # the best of a finite pool
    assert bool(((sampled.mean(0) - exact).abs() < 5 * error + slack).all())
    assert torch.equal(s.run(seed=2, replicates=1).parameters["a"]["probabilities"][0], sampled[0])


def test_vectors_are_grouped_by_a_function() -> None:
    def above(x: Tensor) -> Tensor:
        return (x[:, 0] > 0).long()

    s = Scenario("line", rounds=1, samples=4000)
    s.add("a", Member(Location([-1.0], scale=1.0), curator=Quota(above, [0.25, 0.75])))
    s.connect("a", "a", Flow(curated=1.0))
    mean = float(s.run(seed=0).parameters["a"]["mean"].flatten()[0])  # of truncated normals, in their shares
    phi, below = 0.24197072451914337, 0.8413447460685429
    exact = -1 - 0.25 * phi / below + 0.75 * phi / (1 - below)
    assert mean == pytest.approx(exact, abs=4 * 0.8 / 4000**0.5)
    with pytest.raises(NoPopulationLaw, match="Quota"):
        s.replace(samples=None).run()


def test_influence_and_stability_go_through_quotas() -> None:
    """Two members of different quotas: central differences over their curated shares, through the stable point."""
    s = Scenario("fair", rounds=1)
    for name, shares in (("a", [0.5, 0.3, 0.2]), ("b", [0.3, 0.3, 0.4])):
        member = Member(
            Categorical(START), reward=Tabular(TASTE), curator=Quota(BY, shares, Luce(3)), real=Categorical(START)
        )
        s.add(name, member)
    for u, v in (("a", "a"), ("a", "b"), ("b", "a"), ("b", "b")):
        s.connect(u, v, Flow(raw=0.1, curated=0.3))
    step, matrix = 1e-4, influence(s).matrix
    for name in "ab":
        ends = [stable_point(s.with_curation(name, 0.6 + way)).alignment for way in (step, -step)]
        slope = (ends[0] - ends[1]) / (2 * step)
        assert matrix[name].to_list() == pytest.approx(slope[matrix.index].to_list(), abs=1e-6)
    assert 0 < stability(s).radius < 1


@dataclass(frozen=True, eq=False)
class Last(Curator):
    """A curator of one's own: the last of three candidates, without a law."""

    needs_reward = False

    def curate(self, slate, reward, rng):
        return slate.candidate(2)


@dataclass(frozen=True, eq=False)
class Lawful(Last):
    """The same with a law."""

    pools = False

    def curate(self, slate, reward, rng):
        return slate.candidate(2)

    def on_finite(self, p, rewards, memo):
        return p


def test_curators_of_ones_own_fill_places() -> None:
    with pytest.raises(NoPopulationLaw, match="Last"):
        loop(Quota(BY, [0.2, 0.3, 0.5], Last())).run()
    for curator in (Last(), Lawful()):
        assert Quota(BY, [0.2, 0.3, 0.5], curator).pools is (None if type(curator) is Last else False)
        end = loop(Quota(BY, [0.2, 0.3, 0.5], curator), samples=20_000).run().parameters["a"]["probabilities"].flatten()
        assert float(end[4]) == pytest.approx(0.2 * 0.05 + 0.8 * 0.5, abs=0.02)
    exact = loop(Quota(BY, [0.2, 0.3, 0.5], Lawful())).run().parameters["a"]["probabilities"].flatten()
    assert float(exact[4]) == pytest.approx(0.2 * 0.05 + 0.8 * 0.5)


def test_refusals() -> None:
    for wrong in ([0.5, 0.6], [1.5, -0.5], 1.0):
        with pytest.raises(ValueError, match=r"Quota\(shares\) are one for each group"):
            Quota([0, 1], wrong)
    with pytest.raises(ValueError, match=r"whole numbers from 0 to 1"):
        Quota([0, 2], [0.5, 0.5])
    with pytest.raises(ValueError, match=r"no symbol belongs to group 1, which has the share 0\.5"):
        Quota([0, 0], [0.5, 0.5])
    with pytest.raises(TypeError, match=r"Quota\(curator\) is a curator"):
        Quota([0, 1], [0.5, 0.5], 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="has the groups of 2 symbols, and is shown 5"):
        loop(Quota([0, 1], [0.5, 0.5])).run()
    with pytest.raises(ValueError, match="returns groups from 0 to 1"):
        loop(Quota(lambda x: x, [0.5, 0.5]), samples=9).run()
    with pytest.raises(ValueError, match=r"returns the group of each of .* samples, got None"):
        loop(Quota(lambda x: None, [0.5, 0.5]), samples=9).run()  # type: ignore[arg-type, return-value]
    with pytest.raises(TypeError, match="this flow carries symbols"):
        loop(Quota(BY, [0.2, 0.3, 0.5], Shift([1.0])))
    s = Scenario("line", rounds=1, samples=4)
    s.add("a", Member(Location([0.0]), curator=Quota([0, 1], [0.5, 0.5])))
    with pytest.raises(TypeError, match="this flow carries vectors; give it a function"):
        s.connect("a", "a", Flow(curated=1.0))


@pytest.mark.filterwarnings("ignore:1 of 1 replicates diverged")
def test_who_makes_nothing_of_a_group_is_a_failure_of_that_replicate(monkeypatch) -> None:
    monkeypatch.setattr(quota, "_MOST", 30)
    far = Scenario("far", rounds=1, samples=4)
    far.add("a", Member(Location([-50.0]), curator=Quota(lambda x: (x[:, 0] > 0).long(), [0.0, 1.0])))
    far.connect("a", "a", Flow(curated=1.0))
    (error,) = far.run().failures["error"]
    assert error.startswith("none of 30 candidates belongs to group 1 of Quota(")
    assert error.endswith("which has a share, of what 'a' was to train on in round 1")


# -- communities -------------------------------------------------------------------------------------------------------


def test_a_community_is_a_crowd_that_knows_who_is_who() -> None:
    tastes = [Tabular([1.0, 0.0, 0.0]), Tabular([0.0, 1.0, 0.0]), Tabular([0.0, 0.0, 1.0])]
    town = Community(Luce(2), tastes, ["x", "x", "y"], {"y": 0.4, "x": 0.6})
    assert town.table()["weight"].tolist() == pytest.approx([0.3, 0.3, 0.4])
    assert town.table()["group"].tolist() == ["x", "x", "y"]
    same = Crowd(Luce(2), tastes, [0.3, 0.3, 0.4])
    law, other = (c.law(finite(0.5, 0.3, 0.2), None) for c in (town, same))
    assert isinstance(law, Finite) and isinstance(other, Finite) and torch.equal(law.probabilities, other.probabilities)
    assert town.taste("x")(torch.arange(3)).tolist() == [0.5, 0.5, 0.0]
    assert Community(Luce(2), tastes, [1, 1, 2]).table()["weight"].tolist() == pytest.approx([1 / 3] * 3)
    with pytest.raises(KeyError, match="there is no group 'z'"):
        town.taste("z")
    for shares, words in (
        ({"x": 1.0}, "group 'y' has members and no share"),
        ({"x": 0.5, "y": 0.3, "z": 0.2}, "group 'z' has no members"),
        ({"x": 0.5, "y": 0.6}, "add up to 1"),
    ):
        with pytest.raises(ValueError, match=words):
            Community(Luce(2), tastes, ["x", "x", "y"], shares)
    with pytest.raises(ValueError, match="a group for each taste"):
        Community(Luce(2), tastes, ["x"])


def test_a_question_makes_two_groups() -> None:
    """A function that answers yes or no failed raw: torch has no floor of bools."""

    def play(by) -> list[float]:
        s = Scenario("two", rounds=3, samples=40)
        s.add("a", Member(Location([0.0]), reward=Linear([1.0]), curator=Quota(by, [0.3, 0.7], Luce(2))))
        s.connect("a", "a", Flow(curated=1.0))
        return s.run().rounds["alignment"].tolist()

    assert play(lambda x: x[:, 0] > 0) == play(lambda x: (x[:, 0] > 0).long())
