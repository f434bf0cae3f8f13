"""Matrix products whose bits do not depend on their neighbours."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecosystem import Ecosystem, Flow, LinearMap, Location, Member, Scenario
from ecosystem.core.products import (
    congruent,
    grouped_product,
    mix_rows,
    mixing_matrix,
    moment,
    row_product,
    safe_factor,
)
from tests.drawn import normals

_quick = settings(max_examples=40, deadline=None)


SIZES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 17, 24, 33, 64)


@pytest.mark.parametrize("batch", [(), (1,), (3,)])
def test_row_product_multiplies(batch: tuple[int, ...]) -> None:
    for d, e, m in ((1, 1, 1), (5, 3, 7), (8, 8, 8), (24, 24, 40), (33, 2, 9), (2, 33, 17)):
        x, matrix = normals(d, *batch, m, d), normals(e, *batch, e, d)
        product = row_product(x, matrix)
        assert product.shape == (*batch, m, e)
        torch.testing.assert_close(product, (matrix.unsqueeze(-3) * x.unsqueeze(-2)).sum(-1), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("batch", [(), (1,), (3,)])
def test_a_row_has_the_same_bits_whoever_stands_beside_it(batch: tuple[int, ...]) -> None:
    """However many rows there are, and wherever among them it stands."""
    for d in SIZES:
        for e in SIZES:
            x, matrix = normals(d, *batch, 70, d), normals(e, *batch, e, d)
            whole = row_product(x, matrix)
            for k in (1, 2, 7, 8, 9, 16, 17, 33, 64):
                assert torch.equal(row_product(x[..., :k, :], matrix), whole[..., :k, :]), (d, e, k)
            for i in (1, 2, 3, 5, 8, 17, 39, 69):
                assert torch.equal(row_product(x[..., i : i + 1, :], matrix), whole[..., i : i + 1, :]), (d, e, i)


def test_members_of_a_batch_do_not_touch_each_other() -> None:
    for d in SIZES:
        x, matrix = normals(d, 6, 11, d), normals(d + 1, 6, 5, d)
        whole = row_product(x, matrix)
        for b in range(6):
            assert torch.equal(row_product(x[b : b + 1], matrix[b : b + 1])[0], whole[b])
        assert torch.equal(row_product(x[2:5], matrix[2:5]), whole[2:5])


@_quick
@given(
    seed=st.integers(0, 10**6), m=st.integers(0, 50), groups=st.integers(1, 6), d=st.integers(1, 9), e=st.integers(1, 9)
)
def test_grouped_product(seed: int, m: int, groups: int, d: int, e: int) -> None:
    """Each row meets its group's matrix."""
    x, matrices = normals(seed, m, d), normals(seed + 1, groups, e, d)
    group = torch.randint(groups, (m,), generator=torch.Generator().manual_seed(seed))
    product = grouped_product(x, group, matrices)
    assert product.shape == (m, e)
    torch.testing.assert_close(product, (matrices[group] @ x.unsqueeze(-1)).squeeze(-1), rtol=1e-12, atol=1e-12)


def test_rows_of_a_group_have_the_same_bits_in_any_company() -> None:
    for d in SIZES:
        x, matrices = normals(d, 60, d), normals(d + 1, 3, 5, d)
        group = torch.arange(60) % 3
        group[40:] = 1
        whole = grouped_product(x, group, matrices)
        for k in range(1, 60, 7):
            assert torch.equal(grouped_product(x[:k], group[:k], matrices), whole[:k]), (d, k)
            assert torch.equal(grouped_product(x[k:], group[k:], matrices), whole[k:]), (d, k)


@pytest.mark.parametrize("build", [True, False])
def test_a_replicate_among_forty_is_the_same_alone(build: bool) -> None:
    """The promise that all this is for, at dimensions that are not multiples of eight."""
    for d in (3, 4, 5, 6, 7):
        s = Scenario("pair", rounds=3, samples=7)
        for i, name in enumerate("ab"):
            s.add(name, Member(Location(normals(i, d)), real=Location(normals(i + 2, d))))
        for u, v in ("ab", "ba", "aa"):
            s.connect(u, v, Flow(raw=0.4, transform=LinearMap(normals(d, d, d) / d)))
        many = Ecosystem(s, seeds=[(3, r) for r in range(40)], build_samples=build)
        many.run()
        for r in (0, 17, 39):
            alone = Ecosystem(s, seeds=[(3, r)], build_samples=build)
            alone.run()
            for name in "ab":
                together = many[name].generator.mean.reshape(40, d)[r]
                assert torch.equal(together, alone[name].generator.mean.reshape(d)), (d, r, name)


@_quick
@given(seed=st.integers(0, 10**6), rows=st.integers(1, 6), origins=st.integers(1, 6), edges=st.integers(0, 25))
def test_both_ways_of_mixing_give_the_same_bits(seed: int, rows: int, origins: int, edges: int) -> None:
    rng = np.random.default_rng(seed)
    owner = torch.from_numpy(np.sort(rng.integers(0, rows, edges)))
    origin = torch.from_numpy(rng.integers(0, origins, edges))
    shares, values = torch.from_numpy(rng.random(edges)), torch.from_numpy(rng.normal(size=(origins, 4)))
    sparse = mixing_matrix(shares, origin, owner, rows, origins) @ values.numpy()
    mixed = mix_rows(values.reshape(origins, 1, 1, 4), shares.reshape(-1, 1, 1), origin, owner, rows)
    assert mixed.shape == (rows, 1, 1, 4)
    assert np.array_equal(sparse, mixed.reshape(rows, 4).numpy())
    dense = np.zeros((rows, origins))
    np.add.at(dense, (owner.numpy(), origin.numpy()), shares.numpy())
    assert sparse == pytest.approx(dense @ values.numpy(), abs=1e-13)


def test_shares_of_variants_and_replicates_are_their_own() -> None:
    values, shares = normals(3, 3, 2, 5, 4), normals(4, 4, 2, 5).abs()
    owner, origin = torch.tensor([0, 0, 1, 1]), torch.tensor([2, 0, 1, 1])
    mixed = mix_rows(values, shares, origin, owner, 3)
    expected = [shares[0, ..., None] * values[2] + shares[1, ..., None] * values[0]]
    expected += [(shares[2] + shares[3])[..., None] * values[1], torch.zeros(2, 5, 4, dtype=torch.float64)]
    torch.testing.assert_close(mixed, torch.stack(expected), rtol=1e-13, atol=1e-13)
    shared = mix_rows(values, shares[:, :, :1], origin, owner, 3)  # one share for all replicates
    torch.testing.assert_close(shared[1, :, 3], shares[2:, :, 0].sum(0)[:, None] * values[1, :, 3])


def test_congruent_products_have_the_same_bits_in_any_company() -> None:
    """``A Σ Aᵀ`` of three members and forty replicates: of one replicate, of twenty, of one member."""
    for d in SIZES:
        covariance, matrix = normals(d, 3, 40, d, d), normals(d + 1, 3, 1, 8, d)
        covariance = covariance @ covariance.mT
        whole = congruent(matrix, covariance)
        torch.testing.assert_close(whole, matrix @ covariance @ matrix.mT, rtol=1e-11, atol=1e-11)
        for r in (0, 1, 17, 39):
            assert torch.equal(congruent(matrix, covariance[:, r : r + 1]), whole[:, r : r + 1]), (d, r)
        assert torch.equal(congruent(matrix, covariance[:, :20]), whole[:, :20])
        assert torch.equal(congruent(matrix[1:2], covariance[1:2]), whole[1:2])


def test_moments_have_the_same_bits_in_any_company() -> None:
    for d in SIZES:
        x, y = normals(d, 3, 40, 9, d), normals(d + 1, 3, 40, 9, 5)
        whole = moment(x, y)
        torch.testing.assert_close(whole, x.mT @ y / 9, rtol=1e-12, atol=1e-12)
        for r in (0, 1, 17, 39):
            assert torch.equal(moment(x[:, r : r + 1], y[:, r : r + 1]), whole[:, r : r + 1]), (d, r)
        assert torch.equal(moment(x[1:2], y[1:2]), whole[1:2])


def test_a_factor_of_what_rounding_has_made_indefinite() -> None:
    """``F Fᵀ = Σ`` wherever ``Σ`` is a number; a NaN stays a NaN and its neighbours stay what they are."""
    thin = 1e5 * normals(0, 3, 10, 2)
    covariance = thin @ thin.mT
    covariance[1] = torch.eye(10, dtype=torch.float64)
    covariance[2, 0, 0] = torch.nan
    factor = safe_factor(covariance)
    torch.testing.assert_close(factor[0] @ factor[0].T, covariance[0], rtol=1e-9, atol=1e-3)
    assert torch.equal(factor[1], torch.linalg.cholesky(covariance[1])) and factor[2].isnan().all()
