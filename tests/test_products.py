"""Matrix products whose bits do not depend on their neighbours."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecosystem.products import grouped_product, mix_rows, mixing_matrix, row_product

_quick = settings(max_examples=40, deadline=None)


def normals(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@_quick
@given(seed=st.integers(0, 10**6), m=st.integers(1, 40), d=st.integers(1, 33), e=st.integers(1, 33))
def test_a_row_has_the_same_bits_whoever_stands_beside_it(seed: int, m: int, d: int, e: int) -> None:
    x, matrix = normals(seed, m, d), normals(seed + 1, e, d)
    whole = row_product(x, matrix)
    torch.testing.assert_close(whole, x @ matrix.T, rtol=1e-12, atol=1e-12)
    for k in range(1, m + 1):
        assert torch.equal(row_product(x[:k], matrix), whole[:k])
    for i in (0, m // 2, m - 1):
        assert torch.equal(row_product(x[i : i + 1], matrix)[0], whole[i])
    order = torch.randperm(m, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(row_product(x[order], matrix), whole[order])


def test_plain_products_do_depend_on_their_neighbours() -> None:
    """Why the padding is there; if this ever passes on plain products the padding may go."""
    x, matrix = normals(0, 41, 24), normals(1, 24, 24)
    whole = x @ matrix.T
    plain = [torch.equal(x[:k] @ matrix.T, whole[:k]) for k in range(1, 41)]
    padded = [torch.equal(row_product(x[:k], matrix), row_product(x, matrix)[:k]) for k in range(1, 41)]
    assert all(padded) and not all(plain)


@_quick
@given(seed=st.integers(0, 10**6), batch=st.integers(1, 5), m=st.integers(1, 20), d=st.integers(1, 24))
def test_a_batch_has_the_same_bits_alone(seed: int, batch: int, m: int, d: int) -> None:
    x, matrix = normals(seed, batch, m, d), normals(seed + 1, batch, d + 1, d)
    whole = row_product(x, matrix)
    assert whole.shape == (batch, m, d + 1)
    for b in range(batch):
        assert torch.equal(row_product(x[b : b + 1], matrix[b : b + 1])[0], whole[b])
        assert torch.equal(row_product(x[b], matrix[b]), whole[b])


@_quick
@given(
    seed=st.integers(0, 10**6), m=st.integers(0, 50), groups=st.integers(1, 6), d=st.integers(1, 9), e=st.integers(1, 9)
)
def test_grouped_product(seed: int, m: int, groups: int, d: int, e: int) -> None:
    """Each row meets its group's matrix, and its bits do not depend on the other rows."""
    x, matrices = normals(seed, m, d), normals(seed + 1, groups, e, d)
    group = torch.randint(groups, (m,), generator=torch.Generator().manual_seed(seed))
    whole = grouped_product(x, group, matrices)
    assert whole.shape == (m, e)
    torch.testing.assert_close(whole, (matrices[group] @ x.unsqueeze(-1)).squeeze(-1), rtol=1e-12, atol=1e-12)
    for k in range(0, m, 7):
        assert torch.equal(grouped_product(x[:k], group[:k], matrices), whole[:k])
        assert torch.equal(grouped_product(x[k : k + 1], group[k : k + 1], matrices), whole[k : k + 1])


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
