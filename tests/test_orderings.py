"""Orderings: the ranks that say who reads whose newest output."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ecosystem import Flow, Linear, Location, Member, Scenario, Stream, sequential, shuffled, synchronous
from ecosystem.core.streams import word
from ecosystem.orderings import Ordering, as_ordering

NAMES = ["a", "b", "c", "d"]
RNG = Stream.root([(0, r) for r in range(3)])


def chain(ordering) -> Scenario:
    """``a → b → c``: each takes all of the one before, ``a`` goes up by one a round."""
    s = Scenario("chain", rounds=3, samples=1, ordering=ordering)
    for name in "abc":
        s.add(name, Member(Location([0.0], scale=0.0), reward=Linear([1.0])))  # one sample without noise
    s.connect("a", "a", Flow(raw=1.0, transform=lambda x: x + 1))
    s.connect("a", "b", Flow(raw=1.0))
    s.connect("b", "c", Flow(raw=1.0))
    return s


def end(ordering) -> list[float]:
    """Where ``a``, ``b`` and ``c`` are after three rounds."""
    table = chain(ordering).run().rounds
    return table[table["round"] == 3].set_index("member")["alignment"][["a", "b", "c"]].tolist()


def test_ranks() -> None:
    assert synchronous.ranks(NAMES, 1, RNG).tolist() == [0, 0, 0, 0]
    assert sequential("c", "a", "d", "b").ranks(NAMES, 1, RNG).tolist() == [1, 3, 0, 2]
    assert sequential("d", ("a", "c"), "b").ranks(NAMES, 9, RNG).tolist() == [1, 2, 1, 0]


def test_what_orders_do() -> None:
    """Newest output goes from lower to higher rank only; members of one group read each other's old."""
    assert end(synchronous) == [3.0, 2.0, 1.0]
    assert end(sequential("a", "b", "c")) == [3.0, 3.0, 3.0]
    assert end(sequential("c", "b", "a")) == [3.0, 2.0, 1.0]
    assert end(sequential("a", ("b", "c"))) == [3.0, 3.0, 2.0]
    assert end(sequential(("a", "b", "c"))) == [3.0, 2.0, 1.0]
    assert end(sequential("b", "a", "c")) == [3.0, 2.0, 2.0]
    assert end(lambda names, round, rng: [2, 5, 9]) == [3.0, 3.0, 3.0]
    assert end(lambda names, round, rng: np.arange(3)[:, None] * (-1) ** round) == [3.0, 2.0, 2.0]


def test_shuffled_orders_are_uniform() -> None:
    """Each of the 24 orders of four members equally often over 200 rounds × 50 replicates: chi-square, p > 1e-4."""
    rng = Stream.root([(1, r) for r in range(50)])
    ranks = np.concatenate([shuffled.ranks(NAMES, round, rng) for round in range(1, 201)], axis=1)
    assert ranks.shape == (4, 10_000)
    seen = {order: 0 for order in itertools.permutations(range(4))}
    for column in ranks.T.tolist():
        seen[tuple(column)] += 1
    assert len(seen) == math.factorial(4) and stats.chisquare(list(seen.values())).pvalue > 1e-4


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), round=st.integers(1, 10**6))
def test_shuffled_orders_are_addressed(seed: int, round: int) -> None:
    """A replicate has its own order; a member more, or another order of names, moves nobody past anybody."""
    rng = Stream.root([(seed, r) for r in range(4)])
    ranks = shuffled.ranks(NAMES, round, rng)
    assert sorted(ranks[:, 0].tolist()) == [0, 1, 2, 3]
    assert np.array_equal(shuffled.ranks(NAMES, round, rng[2:3])[:, 0], ranks[:, 2])
    assert np.array_equal(shuffled.ranks(NAMES[::-1], round, rng)[::-1], ranks)
    more = shuffled.ranks([*NAMES, "e"], round, rng)[:4]
    assert np.array_equal(more.argsort(0).argsort(0), ranks)
    luck = [float(rng[1].at("order").at(round).at(word(name)).uniform(1)) for name in NAMES]
    assert np.array_equal(np.argsort(np.argsort(luck)), ranks[:, 1])


def test_which_orders_draw() -> None:
    assert shuffled.random and as_ordering(lambda names, round, rng: [0]).random
    assert not synchronous.random and not sequential("a").random


def test_orders_read_well() -> None:
    def by_size(names, round, rng):
        return [0] * len(names)

    orders = [synchronous, shuffled, sequential("a", ("b", "c")), as_ordering(by_size)]
    assert [repr(o) for o in orders] == ["synchronous", "shuffled", "sequential('a', ('b', 'c'))", "by_size"]
    assert as_ordering(shuffled) is shuffled


@pytest.mark.parametrize(
    ("ordering", "message"),
    [
        (sequential("a", "b", "c"), r"the ordering sequential\('a', 'b', 'c'\) forgets 'd'; name every member"),
        (sequential("a", ("b", "a"), "c", "d"), r"sequential\(.*\) repeats 'a'; name each member once"),
        (sequential(*NAMES, "x"), r"names the unknown 'x'; the members are a, b, c, d"),
        (sequential(), r"sequential\(\) forgets 'a', 'b', 'c', 'd'"),
    ],
)
def test_orders_that_do_not_fit(ordering: Ordering, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ordering.check(NAMES)
    s = Scenario("misfit", rounds=1, ordering=ordering)
    for name in NAMES:
        s.add(name, Member(Location([0.0]), real=torch.zeros(1, 1)))
    with pytest.raises(ValueError, match=message):
        s.check()
    with pytest.raises(ValueError, match=message):
        s.run()


def test_orders_that_fit() -> None:
    for ordering in (synchronous, shuffled, sequential("d", ("a", "c"), "b"), as_ordering(lambda n, t, rng: [0] * 4)):
        ordering.check(NAMES)


@pytest.mark.parametrize("ranks", [[0, 1], [[0, 1], [1, 0], [0, 0], [1, 1]], 3])
def test_ranks_of_the_wrong_shape(ranks) -> None:
    def mine(names, round, rng):
        return ranks

    with pytest.raises(ValueError, match=r"the ordering mine must return ranks \[members\] or .* \(4, 3\), got shape"):
        as_ordering(mine).ranked(NAMES, 1, RNG)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            np.zeros(2, dtype=int),
            r"must return ranks \[members\] or .*, \(3, 1\), got shape \(2,\)",
        ),
        (np.zeros((1, 3), dtype=int), r"\(3, 1\), got shape \(1, 3\) in round 1"),
        (0, r"got shape \(\) in round 1"),
        (None, r"must return ranks that are numbers, one for each member, got array\(None"),
        ([0, math.nan, 1], r"ranks that are numbers, one for each member, got array\(\[ 0., nan, 1.\]\) in round 1"),
        (ZeroDivisionError("by hand"), r"in round 1 fails: ZeroDivisionError: by hand"),
    ],
)
@pytest.mark.parametrize("random", [True, False])
def test_orders_of_ones_own_class_are_refused_by_name(given, message: str, random: bool) -> None:
    """Ranks of a subclass's own were used as they came: an IndexError, or members that silently took no part."""

    class Mine(Ordering):
        def ranks(self, names, round, rng):
            if isinstance(given, Exception):
                raise given
            return given

        def __repr__(self) -> str:
            return "Mine()"

    Mine.random = random
    with pytest.raises(ValueError, match=rf"the ordering Mine\(\) .*{message}"):
        chain(Mine()).run()
    with pytest.raises(ValueError, match=r"fails: NotImplementedError: .* needs a method ranks\(names, round, rng\)"):
        chain(type("Empty", (Ordering,), {})()).run()


def test_ranks_of_ones_own_class_may_be_a_list() -> None:
    class Mine(Ordering):
        def ranks(self, names, round, rng):
            return [2, 5, 9]

    assert end(Mine()) == end(sequential("a", "b", "c"))


def test_other_things_are_no_orders() -> None:
    with pytest.raises(TypeError, match=r"an ordering is synchronous, sequential\(...\), shuffled or .*, got 'a'"):
        Scenario("x", rounds=1, ordering="a")
    with pytest.raises(NotImplementedError):
        Ordering().ranks(NAMES, 1, RNG)


def test_a_sequence_without_its_names_is_refused() -> None:
    with pytest.raises(TypeError, match="an ordering is"):
        Scenario("x", rounds=1, ordering=sequential)


@pytest.mark.parametrize("name", [5, ("a", 5), None])
def test_sequential_takes_names(name) -> None:
    with pytest.raises(TypeError, match="sequential takes names, and tuples of names that go together, got"):
        sequential("a", name)


class Counted(str):
    """A name that counts how often it is compared."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        Counted.compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def test_a_long_sequence_is_checked_name_by_name() -> None:
    """Each name was looked for among all: 23 s for 30,000; a wrong one printed them all."""
    names = [Counted(i) for i in range(2000)]
    ordering = sequential(*names)
    Counted.compared = 0
    ordering.check([Counted(name) for name in names])
    assert Counted.compared < 20 * len(names)
    with pytest.raises(ValueError, match=r"forgets 'm0', .* and 1988 more; name every member") as caught:
        ordering.check([f"m{i}" for i in range(2000)])
    assert len(str(caught.value)) < 1000
