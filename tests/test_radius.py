"""Radius, rate and certificate against closed forms: one-way chains, networks of components, rings of any length."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import sparse

from ecosystem import (
    Categorical,
    Flow,
    Linear,
    LinearMap,
    Location,
    Luce,
    Member,
    Scenario,
    Shift,
    Tabular,
    sequential,
    shuffled,
)
from ecosystem.influence import influence, spectra, stability, stable_point


def turned(angle: float, by: float = 1.0) -> LinearMap:
    return LinearMap([[by * math.cos(angle), -by * math.sin(angle)], [by * math.sin(angle), by * math.cos(angle)]])


def chain(members: int, own: float = 0.5, handed: float = 0.5) -> Scenario:
    """Members in the plane, each keeping ``own`` of itself and taking ``handed`` from the one before, both turned."""
    rng = np.random.default_rng(members)
    s = Scenario("chain", rounds=1)
    names = [f"m{i}" for i in range(members)]
    for i, name in enumerate(names):
        s.add(name, Member(Location([0.0, 0.0]), real=Location([1.0, 1.0])))
        turn = turned(rng.uniform(0, 6))
        s.connect(name, name, Flow(raw=own, transform=turn))
        if i:
            s.connect(names[i - 1], name, Flow(raw=handed, transform=turn))
    return s


@pytest.mark.parametrize("members", [20, 40])
def test_a_one_way_chain_has_the_radius_of_its_members(way: str, members: int) -> None:
    """It was .569 for 20 and .681 for 40 members where .5 is exact: eigenvalues were those of the whole matrix."""
    s = chain(members)
    result = stability(s, [sequential(*s.names), sequential(*s.names[::-1])], at=stable_point(s, starts=1))
    assert result.radius == pytest.approx(0.5, rel=1e-9) and result.certificate == pytest.approx(0.5, rel=1e-9)
    np.testing.assert_allclose(result.table["rate"], 0.5, rtol=1e-9)


def test_a_long_chain_in_an_order() -> None:
    """The rate of an order was .949 for .5 with 1,300 members: products of the whole state."""
    s = chain(650)
    result = stability(s, at=stable_point(s, starts=1))
    assert [result.radius, result.certificate, *result.table["rate"]] == pytest.approx([0.5] * 3, rel=1e-9)


def test_random_orders_of_a_chain_are_those_of_its_members() -> None:
    """Each keeps half of itself in every round, in whatever order: what passes by is no rate (it was .55)."""
    s = chain(10)
    row = stability(s, [shuffled], at=stable_point(s, starts=1)).table.iloc[1]
    assert row["rate"] == pytest.approx(0.5, rel=1e-9) and row["worst"] == pytest.approx(0.5, rel=1e-9)


def test_a_chain_of_symbols() -> None:
    """It was 14 % too large, and larger than its certificate."""
    rng = np.random.default_rng(0)
    s = Scenario("symbols", rounds=1)
    names = [f"m{i}" for i in range(16)]
    for i, name in enumerate(names):
        laws = [Categorical(rng.dirichlet(np.ones(4))) for _ in range(2)]
        s.add(name, Member(laws[0], reward=Tabular(rng.normal(size=4)), curator=Luce(3), real=laws[1]))
        s.connect(name, name, Flow(raw=0.1, curated=0.2))
        if i:
            s.connect(names[i - 1], name, Flow(raw=0.6))
    point = stable_point(s, starts=1)
    result = stability(s, [sequential(*names)], at=point)
    matrix = influence(s, at=point).resolvent.blocks.dense()
    own = [spectra.radius_of(matrix[4 * i : 4 * i + 4, 4 * i : 4 * i + 4]) for i in range(16)]
    np.testing.assert_allclose([result.radius, *result.table["rate"]], max(own), rtol=1e-9)
    assert result.radius <= result.certificate * (1 + 1e-12)


def blocks(seed: int) -> tuple[Scenario, float, float]:
    """Components of random members, in a random one-way order; the exact radius and certificate."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 4, size=6)
    members = int(sizes.sum())
    home = np.repeat(np.arange(6), sizes)
    matrix = np.zeros((2 * members, 2 * members))
    norms = np.zeros((members, members))
    s = Scenario("blocks", rounds=1)
    names = [f"m{i}" for i in rng.permutation(members)]
    for name in names:
        s.add(name, Member(Location([0.0, 0.0]), reward=Linear([1.0, 0.0]), real=Location([1.0, 0.5])))
    for i, v in enumerate(names):
        sources = [j for j in range(members) if home[j] == home[i] or (home[j] < home[i] and rng.random() < 0.5)]
        for j in sources:
            by = rng.uniform(0.2, 0.9) if home[i] == home[j] else rng.uniform(1.0, 3.0)
            turn = turned(rng.uniform(0, 6), by)
            share = 0.95 / len(sources)
            s.connect(names[j], v, Flow(raw=share, transform=turn))
            if home[i] == home[j]:
                matrix[2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = share * turn.matrix.numpy()
                norms[i, j] = share * by
    radius, certificate = (float(np.abs(np.linalg.eigvals(part)).max()) for part in (matrix, norms))
    return s, radius, certificate


@pytest.mark.parametrize("seed", range(4))
def test_random_networks_of_components(way: str, seed: int) -> None:
    """Block-triangular networks have the radius of the largest block, however much is passed down."""
    s, radius, certificate = blocks(seed)
    result = stability(s, at=stable_point(s, starts=1))
    assert result.radius == pytest.approx(radius, rel=1e-8) and result.certificate == pytest.approx(
        certificate, rel=1e-8
    )
    assert result.table["rate"].iloc[0] == pytest.approx(radius, rel=1e-8)
    assert result.radius <= result.certificate * (1 + 1e-12)


def ring(shares, own: float = 0.0) -> Scenario:
    """Member ``i`` takes ``shares[i]`` from the one before and keeps ``own`` of itself."""
    s = Scenario("ring", rounds=1)
    names = [f"m{i}" for i in range(len(shares))]
    for name in names:
        s.add(name, Member(Location([0.0]), reward=Linear([1.0]), curator=Shift([1.0]), real=Location([1.0])))
    for i, name in enumerate(names):
        s.connect(names[i - 1], name, Flow(raw=0.5 * float(shares[i]), curated=0.5 * float(shares[i])))
        if own:
            s.connect(name, name, Flow(raw=own))
    return s


@pytest.mark.parametrize("members", [3, 8, 33])
def test_rings_of_any_length(way: str, members: int) -> None:
    """Radius and certificate are the geometric mean of the shares; in order, all of it is passed on in a round."""
    shares = np.random.default_rng(members).uniform(0.2, 0.95, members)
    s = ring(shares)
    result = stability(s, [sequential(*s.names), sequential(*s.names[::-1])], at=stable_point(s, starts=1))
    mean = math.exp(np.log(shares).mean())
    assert [result.radius, result.certificate] == pytest.approx([mean, mean], rel=1e-9)
    expected = [mean, shares.prod(), shares.prod() ** (1 / (members - 1))]
    np.testing.assert_allclose(result.table["rate"], expected, rtol=1e-6)


def test_a_long_ring() -> None:
    """1,400 members, half of the links .9 and half .3: it was .683 for ``√.27``, 400 powers being less than a turn."""
    s = ring(np.repeat([0.9, 0.3], 700))
    result = stability(s, at=stable_point(s, starts=1))
    numbers = [result.radius, result.certificate, *result.table["rate"]]
    assert numbers == pytest.approx([math.sqrt(0.27)] * 3, rel=1e-9)


@pytest.mark.parametrize("members", [100, 600, 1400, 3000])
@pytest.mark.parametrize("sign", [1, -1])
def test_rings_whose_members_keep_something(members: int, sign: int) -> None:
    """LAPACK says 1.01 for .7196 with 1,000 members: the Perron vector spans 119 orders of magnitude."""
    shares = np.repeat([0.9, 0.3], members // 2)
    shares[0] *= sign
    where = np.arange(members)
    matrix = sparse.csr_array((shares, (where, where - 1 + members * (where == 0))), shape=(members, members))
    matrix = sparse.csr_array(matrix + 0.2 * sparse.eye_array(members))
    angle = 0.0 if sign > 0 else math.pi / members  # the eigenvalues of the ring nearest to the positive axis
    exact = abs(0.2 + math.sqrt(0.27) * np.exp(1j * angle))
    if members <= 600:
        assert spectra.radius_of_dense(torch.from_numpy(matrix.toarray())) == pytest.approx(exact, rel=1e-10)
    if sign > 0:
        assert spectra.radius_of_sparse(matrix) == pytest.approx(exact, rel=1e-10)


def test_what_cannot_be_found_is_not_a_number(monkeypatch) -> None:
    """400 powers that had not converged were reported as a radius."""
    for name in ("DENSE", "_SLOW", "_VECTORS"):
        monkeypatch.setattr(spectra, name, 3)
    monkeypatch.setattr(spectra, "arnoldi", lambda matvec, size: math.nan)
    matrix = np.array([[0.5, 0.6, 0.0, 0.0], [-0.6, 0.5, 0.1, 0.0], [0.0, 0.0, 0.1, 0.3], [0.2, 0.0, 0.0, 0.1]])
    assert math.isnan(spectra.radius_of_sparse(sparse.csr_array(matrix)))


@pytest.mark.parametrize("share", [0.995, 0.999])
def test_a_long_ring_that_hardly_forgets(share: float) -> None:
    """GMRES stagnates: at .995 ``M`` was off by 6e-5, at .999 *no stable point was found, it diverges*."""
    members = 1250
    s = ring(np.full(members, share))
    point = stable_point(s, starts=1)
    # θ_i = c + (1 − c)·... : all alike, θ = share (θ + 1/2) + 1 − share
    assert point.found and point.residual < 1e-12
    np.testing.assert_allclose(point.alignment, 1 + 0.5 * share / (1 - share), rtol=1e-9)
    result = influence(s, ["m0"], at=point)
    assert result.resolvent.radius == pytest.approx(share, rel=1e-9)
    rise = float(influence(s, ["m0"], ["m0"], at=point).pushed("m0")["m0"])  # of m0 at once; it goes round for ever
    expected = rise * share ** np.arange(members) / (1 - share**members)
    np.testing.assert_allclose(result.matrix["m0"], expected, rtol=1e-8)


def test_a_chain_without_loops_takes_as_many_rounds_as_it_is_long() -> None:
    """A loop-free chain of 32 predicted 1 round where 31 are needed."""
    s = Scenario("line", rounds=10)
    names = [f"m{i}" for i in range(32)]
    for name in names:
        s.add(name, Member(Location([0.0]), real=Location([1.0])))
    for u, v in itertools.pairwise(names):
        s.connect(u, v, Flow(raw=1.0))
    table = stability(s, [sequential(*names), sequential(*names[::-1])], at=stable_point(s, starts=1)).table
    assert table["predicted"].tolist() == table["measured"].tolist() == [31, 1, 31]
    assert table["left"].iloc[0] == pytest.approx(1) and (table["rate"] == 0).all() and table["settles"].all()


def test_a_part_of_very_many_members_by_powers() -> None:
    """``D⁻¹ S D`` of rows that sum to .9 has the radius .9, whatever the sums of its own rows."""
    rng, members = np.random.default_rng(0), 120_000
    target = np.repeat(np.arange(members), 4)
    source = rng.integers(0, members, len(target))
    source[::4] = (target[::4] + 1) % members  # a ring through all of them
    d = rng.uniform(0.5, 2, members)
    shares = 0.225 * d[source] / d[target]
    many = sparse.csr_array((shares, (target, source)), shape=(members, members))
    assert np.ptp(many.sum(1)) > 0.5
    assert spectra.radius_of_sparse(many) == pytest.approx(0.9, rel=1e-11)
