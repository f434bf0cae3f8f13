"""Normal members far from the origin keep their variances: moments are taken about a point near their data."""

from __future__ import annotations

import pytest
import torch

from ecosystem import Crowd, Drift, Flow, Gaussian, Linear, Luce, Member, Scenario, Shift
from ecosystem.influence import influence, stability, stable_point
from ecosystem.retention import accumulate

PLACES = [(1e8, 1.0), (1e6, 1e-4), (-3e7, 1e-2)]


def network(mean: float, variance: float, samples: int | None, retention=None) -> Scenario:
    """One that reads itself, its users and real data, and one that only reads the first; all of them at ``mean``."""
    s = Scenario("far", rounds=12, samples=samples)
    shift = [0.3 * variance**0.5, 0.0]
    crowd = Crowd([Shift(shift), Shift([0.0, 0.0])])
    model = Gaussian([mean, 0.0], [[variance, 0.0], [0.0, variance]])
    more = {} if retention is None else {"retention": retention}
    s.add("a", Member(model, reward=Linear([1.0, 0.0]), curator=crowd, real=model, **more))
    s.add("b", Member(model))
    s.connect("a", "a", Flow(raw=0.2, curated=0.4))
    s.connect("a", "b", Flow(raw=1.0))
    return s


@pytest.mark.parametrize(("mean", "variance"), PLACES)
@pytest.mark.parametrize("retention", [None, accumulate()])
def test_a_population_has_the_variances_that_it_has_at_the_origin(mean, variance, retention):
    """A mean of 1e8 swallowed a variance of 1, one of 1e6 made .0001 larger by a fifth."""
    far, near = (network(m, variance, None, retention).run().parameters for m in (mean, 0.0))
    for name in ("a", "b"):
        assert (far[name]["mean"][:, 0] - mean - near[name]["mean"][:, 0]).abs().max() <= 4 * abs(mean) * 2**-52
        error = (far[name]["covariance"] - near[name]["covariance"]).abs().max() / variance
        assert error < 20 * abs(mean) * 2**-52 / variance**0.5  # what the digits of the means themselves leave


@pytest.mark.parametrize(("mean", "variance"), PLACES)
def test_samples_have_them_too(mean, variance):
    far, near = (network(m, variance, 40).run(seed=3, replicates=5).parameters for m in (mean, 0.0))
    for name in ("a", "b"):
        assert torch.allclose(far[name]["covariance"], near[name]["covariance"], rtol=0, atol=1e-4 * variance)
        assert far[name]["covariance"].diagonal(dim1=-2, dim2=-1).min() > 0


def test_influence_is_that_at_the_origin():
    far, near = (influence(network(m, 1.0, None)).matrix for m in (2e3, 0.0))
    assert torch.allclose(torch.tensor(far.to_numpy()), torch.tensor(near.to_numpy()), rtol=1e-6, atol=1e-7)


def loops(mean: float, deviation: float, family: type[Gaussian] = Gaussian) -> Scenario:
    s = Scenario("loops", rounds=20)
    for name in "ab":
        model = (Gaussian if name == "a" else family)([mean], [[deviation**2]])
        s.add(
            name,
            Member(model, reward=Linear([1.0]), curator=Luce(2, deviation), real=Gaussian([mean], [[deviation**2]])),
        )
    for u, v, share in (("a", "a", 0.2), ("a", "b", 0.3), ("b", "a", 0.1)):
        s.connect(u, v, Flow(raw=share, curated=0.3 if u == v else 0.0))
    return s


@pytest.mark.parametrize(
    ("mean", "deviation"), [(1e4, 1.0), (1e6, 1.0), (1e8, 1.0), (-3e7, 10.0), (1e4, 1e-2), (1.0, 1e-4), (1e6, 1e4)]
)
def test_influence_at_any_distance_is_that_at_the_origin_in_standard_deviations(mean: float, deviation: float) -> None:
    """Steps were sized by the mean: a member 1e4 standard deviations from 0 "was not differentiable"."""
    far, near = (influence(s, at=stable_point(s, starts=1)) for s in (loops(mean, deviation), loops(0.0, 1.0)))
    expected = near.matrix.to_numpy() * deviation
    assert far.matrix.to_numpy() == pytest.approx(expected, rel=1e-7 + 10 * abs(mean) / deviation * 2**-52)


@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 1.0), (1e6, 1.0)])
def test_kinks_are_seen_at_any_distance(mean: float, deviation: float) -> None:
    """Steps and gaps go by what a member spreads over, so that what is refused is a kink wherever it stands."""

    class Stubborn(Gaussian):
        def refit(self, statistic):
            new = super().refit(statistic)
            return new.rebuild(new.tensors() | {"mean": new.mean.clamp(min=mean)})

    s = loops(mean, deviation, Stubborn).without("a", "b")
    s.connect("b", "b", Flow(raw=0.5))
    with pytest.raises(ValueError, match="the retraining of 'b' is not differentiable at the stable point"):
        influence(s, at=stable_point(s, starts=1))


def test_a_small_change_is_small_for_who_spreads_little() -> None:
    """Rounds until it has faded were those of a change of a thousand standard deviations."""
    far, near = (stability(loops(mean, 1.0)).table["measured"][0] for mean in (1e6, 0.0))
    assert abs(far - near) <= 1


def test_data_far_from_where_a_member_starts():
    """The point is that of the real data, where it will be, and not that of its start."""
    s = Scenario("moves", rounds=60)
    real = Gaussian([1e5], [[1e-6]])
    s.add("a", Member(Gaussian([0.0], [[1.0]]), real=real))
    s.connect("a", "a", Flow(raw=0.1))
    assert float(s.run().parameters["a"]["covariance"]) == pytest.approx(1e-6, rel=1e-6)


def test_nobody_elses_place_is_in_a_members_numbers():
    """Members far from each other keep their variances, and the bits that they have alone."""
    alone = network(2e4, 1.0, None)
    beside = network(2e4, 1.0, None)
    for name, mean in (("here", 0.0), ("there", 1e8)):
        model = Gaussian([mean, 0.0], [[1.0, 0.0], [0.0, 1.0]])
        beside.add(name, Member(model, real=model))
        beside.connect(name, name, Flow(raw=0.5))
    runs = alone.run().parameters, beside.run().parameters
    for name in ("a", "b"):
        assert torch.equal(runs[0][name]["covariance"], runs[1][name]["covariance"])
    for name in ("here", "there"):
        assert torch.allclose(runs[1][name]["covariance"], torch.eye(2, dtype=torch.float64), rtol=0, atol=1e-6)


def test_a_family_of_ones_own_that_takes_other_moments_keeps_its_own():
    """Its ``statistic`` is about 0, and so must be what ``refit`` makes of it."""

    class Raw(Gaussian):
        def statistic(self, data):
            return torch.cat([data.mean(-2), (data.mT @ data / data.shape[-2]).flatten(-2)], -1)

    s = Scenario("raw", rounds=3, samples=2_000)
    real = torch.full((10, 1), 1e4, dtype=torch.float64) + torch.arange(10).reshape(-1, 1)
    s.add("a", Member(Raw([1e4], [[1.0]]), real=real))
    assert float(s.run(seed=1).parameters["a"]["mean"]) == pytest.approx(1e4 + 4.5, abs=0.5)  # 20,000 before


def test_tastes_that_move_go_along():
    s = network(1e6, 1.0, None).with_member("a", learn=Drift(0.1))
    assert torch.isfinite(s.run().parameters["a"]["covariance"]).all()
