"""Addressed randomness: the distribution of the numbers, their independence, and what an address promises.

Statistical tests use fixed addresses; the bounds keep a correct generator with a confidence above 99.9 % each.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ecosystem import Stream
from ecosystem.core.streams import word

MASK = (1 << 64) - 1
GAMMA, ROW = 0x9E3779B97F4A7C15, 0xD1342543DE82EF95


def one(seed: int = 0, replicate: int = 0) -> Stream:
    return Stream.root([(seed, replicate)])[0]


def splitmix(z: int) -> int:
    """SplitMix64's finaliser in Python's own integers."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def as_uniform(bits: int) -> float:
    return ((bits >> 11) + 0.5) * 2.0**-53


# -- the generator itself ----------------------------------------------------------------------------------------------


def test_row_zero_is_splitmix64() -> None:
    """The published outputs of SplitMix64 from seed 0 and seed 1234567."""
    for seed, outputs in (
        (0, [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F, 0xF88BB8A8724C81EC]),
        (1234567, [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]),
    ):
        drawn = Stream(torch.tensor(seed)).uniform(1, 4)[0]
        assert drawn.tolist() == [as_uniform(bits) for bits in outputs]


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(-(2**63), 2**64 - 1),
    replicate=st.integers(0, 2**40),
    parts=st.lists(st.one_of(st.integers(-(2**63), 2**63 - 1), st.text()), max_size=4),
    row=st.integers(0, 2**40),
    column=st.integers(0, 20),
)
def test_the_address_arithmetic(seed: int, replicate: int, parts: list, row: int, column: int) -> None:
    """Every number equals an independent computation in unbounded integers."""
    key = splitmix(splitmix((seed + GAMMA) & MASK) ^ replicate)
    rng = Stream.root([(seed, replicate)])[0]
    for part in parts:
        key = splitmix(((key ^ (word(part) & MASK)) + GAMMA) & MASK)
        rng = rng.at(part)
    assert int(rng.keys) & MASK == key
    bits = splitmix((key + row * ROW + (column + 1) * GAMMA) & MASK)
    assert float(rng.skip(row).uniform(1, column + 1)[0, column]) == as_uniform(bits)


FROZEN_KEYS = [5197578548964807871, -7061257010553836809, -2529857523242969672]
FROZEN_NOISE = [383800597440878066, -2706178135785150915, 427382627416943869]
FROZEN_WORDS = [-1918383305689332937, 4515139194215423761, -1970711489451281740, 7, -9223372036854775808]
FROZEN_UNIFORMS = [2896126320720998, 6568898494700814, 5683944717452782, 1230056898158863]
FROZEN_NORMALS = [-0.4177841938225654, -0.6883445454210377]
FROZEN_GUMBELS = [-0.08116903215863956, -0.33930972761164585]


def test_frozen_numbers() -> None:
    """Frozen once: a change of any of these changes every run that was ever made."""
    root = Stream.root([(0, 0), (0, 1), (1, 0)])
    assert root.keys.tolist() == FROZEN_KEYS
    assert root.at("noise").at(3).keys.tolist() == FROZEN_NOISE
    assert [word("noise"), word("theta"), word(""), word(7), word(2**63)] == FROZEN_WORDS
    assert (root[0].at("a").uniform(2, 2) * 2**53).long().flatten().tolist() == FROZEN_UNIFORMS
    assert root[0].seed() == FROZEN_KEYS[0] & (MASK >> 1)
    assert root[0].normal(2).tolist() == pytest.approx(FROZEN_NORMALS, abs=1e-12)
    assert root[0].gumbel(2).tolist() == pytest.approx(FROZEN_GUMBELS, abs=1e-12)


# -- distribution ------------------------------------------------------------------------------------------------------

LAYOUTS: dict[str, Callable[[int], tuple[Stream, tuple[int, ...]]]] = {
    "rows": lambda n: (one(), (n,)),
    "columns": lambda n: (one(), (1, n)),
    "events": lambda n: (one(), (n // 25, 5, 5)),
    "rounds": lambda n: (one().at(torch.arange(n)), (1,)),
    "names": lambda n: (one().at(torch.tensor([word(f"member {i}") for i in range(n)])), (1,)),
    "seeds": lambda n: (Stream.root([(s, 0) for s in range(n)]), (1,)),
    "replicates": lambda n: (Stream.root([(0, r) for r in range(n)]), (1,)),
}
SHAPES = {"uniform": stats.uniform(), "normal": stats.norm(), "gumbel": stats.gumbel_r()}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", SHAPES)
def test_distribution(kind: str, layout: str) -> None:
    """Kolmogorov–Smirnov on 50,000 numbers, wherever in the address they differ: p > 1e-4."""
    rng, shape = LAYOUTS[layout](50_000)
    x = getattr(rng, kind)(*shape).flatten().numpy()
    assert len(x) == 50_000
    assert stats.kstest(x, SHAPES[kind].cdf).pvalue > 1e-4


def test_normals_and_gumbels_are_transforms_of_the_uniforms() -> None:
    """The same address gives coupled numbers whatever is asked of it, far into the tails."""
    rng = one(5)
    u = rng.uniform(200_000)
    torch.testing.assert_close(torch.special.ndtr(rng.normal(200_000)), u, rtol=0, atol=1e-13)
    torch.testing.assert_close(rng.normal(200_000), torch.special.ndtri(u), rtol=0, atol=1e-8)
    assert torch.equal(rng.gumbel(200_000), -torch.log(-torch.log(u)))


def test_numbers_lie_in_the_open_interval() -> None:
    u = one().uniform(2_000_000)
    assert 0 < float(u.min()) < 2e-6 and 1 - 2e-6 < float(u.max()) < 1
    assert torch.isfinite(one().normal(2_000_000)).all()


def test_numbers_lie_in_the_open_interval_in_float32_too() -> None:
    assert float(one(5).skip(892_567).uniform(1, dtype=torch.float32)) < 1


def test_every_bit_is_fair() -> None:
    """Each of the 52 leading bits is 1 half of the time, and independent of its neighbour bit (5.5 s.e.)."""
    n = 200_000
    bits = (one(1).uniform(n).numpy() * 2.0**53).astype(np.int64)
    ones = np.stack([(bits >> b) & 1 for b in range(1, 53)]).astype(float)
    assert np.abs(ones.mean(1) - 0.5).max() < 5.5 * 0.5 / math.sqrt(n)
    centred = 2 * ones - 1
    assert np.abs((centred[1:] * centred[:-1]).mean(1)).max() < 5.5 / math.sqrt(n)


def test_no_number_comes_twice() -> None:
    """Two million words of 53 bits: a repetition has probability 2e-4 where there is no overlap of addresses."""
    rng = Stream.root([(s, r) for s in range(2) for r in range(2)]).at(torch.arange(5)[:, None])
    x = rng.uniform(400, 250).flatten()
    assert len(torch.unique(x)) == len(x) == 2_000_000


# -- independence ------------------------------------------------------------------------------------------------------


def variables(kind: str, count: int, n: int) -> torch.Tensor:
    """``count`` series of ``n`` uniforms that differ in one part of the address, ``[count, n]``."""
    many = {
        "names": lambda: one().at(torch.tensor([word(f"m{i}") for i in range(count)])).uniform(n),
        "rounds": lambda: one().at("noise").at(torch.arange(count)).uniform(n),
        "seeds": lambda: Stream.root([(s, 0) for s in range(count)]).at("noise").uniform(n),
        "replicates": lambda: Stream.root([(3, r) for r in range(count)]).at("noise").uniform(n),
        "rows": lambda: one().uniform(count, n),
        "columns": lambda: one().uniform(n, count).T,
        "decisions": lambda: one().at(4).at(torch.tensor([word(f"d{i}") for i in range(count)])).at("u").uniform(n),
    }
    return many[kind]()


@pytest.mark.parametrize("kind", ["names", "rounds", "seeds", "replicates", "rows", "columns", "decisions"])
def test_thousands_of_streams_are_uncorrelated(kind: str) -> None:
    """Two million pairs: no correlation beyond 6.5 s.e. (p < 2e-4), and their squares average to one (5 s.e.)."""
    count, n = 2000, 500
    x = (variables(kind, count, n) - 0.5) * math.sqrt(12)
    z = (x @ x.T / math.sqrt(n))[np.triu_indices(count, 1)]
    assert float(z.abs().max()) < 6.5
    assert abs(float((z**2).mean()) - 1) < 5 * math.sqrt(2 / len(z))
    assert abs(float(z.mean())) < 5 / math.sqrt(len(z))


@pytest.mark.parametrize("kind", ["rounds", "seeds", "replicates", "rows", "columns"])
def test_neighbouring_addresses_are_independent(kind: str) -> None:
    """Address ``i`` against ``i+1`` in 16×16 cells: chi-square, p > 1e-4; lags 1 to 40 uncorrelated (5.5 s.e.)."""
    u = variables(kind, 2000, 100)
    cell = (u * 16).long()
    table = torch.bincount((cell[:-1] * 16 + cell[1:]).flatten(), minlength=256).double()
    statistic = float(((table - table.mean()) ** 2 / table.mean()).sum())
    assert 1e-4 < stats.chi2(255).sf(statistic) < 1 - 1e-4
    x = (u - 0.5) * math.sqrt(12)
    for lag in range(1, 41):
        product = x[:-lag] * x[lag:]
        assert abs(float(product.mean())) < 5.5 / math.sqrt(product.numel()), lag


def test_coordinates_of_one_normal_vector_are_independent() -> None:
    """Squared radii of 5-dimensional vectors are chi-square with 5 degrees of freedom: p > 1e-4."""
    x = one(8).at("noise").normal(40_000, 5)
    assert stats.kstest((x**2).sum(-1).numpy(), stats.chi2(5).cdf).pvalue > 1e-4


# -- addresses ---------------------------------------------------------------------------------------------------------

KINDS = st.sampled_from(["uniform", "normal", "gumbel"])


def batch(seed: int = 0) -> Stream:
    return Stream.root([(seed, 0), (seed, 1), (seed + 1, 0)])


@settings(max_examples=30, deadline=None)
@given(kind=KINDS, n=st.integers(0, 40), more=st.integers(0, 40), event=st.sampled_from([(), (1,), (3,), (2, 4)]))
def test_rows_do_not_depend_on_how_many_are_asked_for(kind, n, more, event) -> None:
    few, many = getattr(batch(), kind)(n, *event), getattr(batch(), kind)(n + more, *event)
    assert few.shape == (3, n, *event) and few.dtype == torch.float64
    assert torch.equal(many[:, :n], few)


@settings(max_examples=30, deadline=None)
@given(kind=KINDS, rows=st.integers(0, 10**6), more=st.integers(0, 50), part=st.one_of(st.integers(0, 99), st.text()))
def test_at_commutes_with_skip_and_select(kind, rows, more, part) -> None:
    rng, index = batch(), torch.tensor([4, 0, 9])
    draw = lambda stream: getattr(stream, kind)(3, 2)  # noqa: E731
    assert torch.equal(draw(rng.skip(rows).at(part)), draw(rng.at(part).skip(rows)))
    assert torch.equal(draw(rng.skip(rows).skip(more)), draw(rng.skip(rows + more)))
    assert torch.equal(draw(rng.select(index).at(part)), draw(rng.at(part).select(index)))
    assert torch.equal(draw(rng.select(index).skip(more)), draw(rng.skip(more).select(index)))
    assert torch.equal(draw(rng.skip(more)), getattr(rng, kind)(3 + more, 2)[:, more:])
    assert torch.equal(draw(rng.select(index)), getattr(rng, kind)(10, 2)[:, index])


def test_each_stream_may_skip_rows_of_its_own() -> None:
    rows = torch.tensor([5, 0, 70_000])
    skipped = batch().skip(rows)
    for i in range(3):
        alone = batch()[i].skip(int(rows[i])).normal(4, 2)
        assert torch.equal(skipped.normal(4, 2)[i], alone)
        assert torch.equal(skipped[i].normal(4, 2), alone)
        assert torch.equal(skipped.at("x").normal(4, 2)[i], batch()[i].at("x").skip(int(rows[i])).normal(4, 2))


def test_a_stream_is_the_same_alone_and_in_a_batch() -> None:
    many = Stream.root([(s, r) for s in range(3) for r in range(4)])
    assert torch.equal(many[7].normal(5, 2), one(1, 3).normal(5, 2))
    assert torch.equal(many.at("x").normal(5)[7], one(1, 3).at("x").normal(5))
    assert torch.equal(many[2:5].uniform(3), many.uniform(3)[2:5])


def test_large_draws_are_cut_into_pieces_that_do_not_show() -> None:
    rng = one(2)
    whole = rng.uniform(150_000)
    assert torch.equal(torch.cat([rng.skip(first).uniform(50_000) for first in (0, 50_000, 100_000)]), whole)
    wide = rng.uniform(3, 70_000)  # one row is larger than a piece
    assert torch.equal(wide[:, :10], rng.uniform(3, 10)) and torch.equal(rng.skip(2).uniform(1, 70_000)[0], wide[2])
    assert torch.equal(rng.uniform(7, 5, 3), rng.uniform(7, 15).reshape(7, 5, 3))


def test_asking_changes_nothing() -> None:
    rng = one()
    first = rng.at("a").normal(3)
    rng.at("b").uniform(1000)
    rng.gumbel(10)
    assert torch.equal(rng.at("a").normal(3), first)


def test_names_numbers_and_tensors_as_parts() -> None:
    rng = batch()
    assert torch.equal(rng.at("a").keys, rng.at(word("a")).keys)
    assert not torch.equal(rng.at("1").keys, rng.at(1).keys)
    assert not torch.equal(rng.at("a").at("b").keys, rng.at("b").at("a").keys)
    assert not torch.equal(rng.at("ab").keys, rng.at("a").at("b").keys)
    assert not torch.equal(rng.at(0).keys, rng.keys)
    several = rng.at(torch.tensor([[3], [8]]))
    assert several.keys.shape == (2, 3)
    assert torch.equal(several.keys, torch.stack([rng.at(3).keys, rng.at(8).keys]))
    assert len({word(name) for name in ("theta", "phi", "Theta", "theta ", "θ")}) == 5
    assert not torch.equal(one(0, 1).keys, one(1, 0).keys)


def test_empty_draws_and_types() -> None:
    assert one().uniform(0).shape == (0,) and one().normal(0, 3).shape == (0, 3)
    assert one().normal(4, 0).shape == (4, 0)
    assert batch().normal(2, dtype=torch.float32).dtype == torch.float32
    torch.testing.assert_close(batch().normal(50, dtype=torch.float32).double(), batch().normal(50), rtol=1e-6, atol=0)


def test_generators_for_other_code() -> None:
    """One address gives one seed; another address another; a batch is refused."""
    a, again, b = (rng.at("x") for rng in (one(4), one(4), one(5)))
    assert a.seed() == again.seed() != b.seed() and 0 <= a.seed() < 2**63
    assert torch.equal(torch.rand(3, generator=a.torch()), torch.rand(3, generator=again.torch()))
    assert not torch.equal(torch.rand(3, generator=a.torch()), torch.rand(3, generator=b.torch()))
    assert a.numpy().random() == again.numpy().random() != b.numpy().random()
    for make in (Stream.torch, Stream.numpy, Stream.seed):
        with pytest.raises(ValueError, match=r"needs one stream, this is a batch of shape \(3,\)"):
            make(batch())
