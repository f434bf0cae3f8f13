"""Retention: which rounds' data a member trains on, as statistics and as data."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ecosystem import Location, Member, Stream, accumulate, replace, resample, subsample, window
from ecosystem.retention import Retention, as_retention
from tests.drawn import normals

_quick = settings(max_examples=30, deadline=None)


def pooled(retention: Retention, history: torch.Tensor) -> torch.Tensor:
    """The statistic that is fitted after each of the rounds ``history [rounds, *batch, Q]``."""
    memory, out = {}, []
    for fresh in history:
        statistic, memory = retention.pool(memory, fresh)
        out.append(statistic)
    return torch.stack(out)


def kept(retention: Retention, rounds: int, n: int, seed: int = 0) -> list[list[int]]:
    """The samples that are trained on after each round; round ``t`` brings ``t·n .. t·n + n − 1``."""
    data: list[torch.Tensor] = []
    out = []
    for t in range(rounds):
        fresh = torch.arange(t * n, (t + 1) * n)
        data = retention.keep(data, fresh, Stream.root([(seed, 0)])[0].at(t))
        out.append(retention.data(data).tolist())
    return out


@_quick
@given(seed=st.integers(0, 999), rounds=st.integers(1, 9), size=st.integers(1, 5), batch=st.sampled_from([(), (2, 3)]))
def test_pooled_statistics(seed: int, rounds: int, size: int, batch: tuple) -> None:
    """The newest, the mean of all, the mean of the last few."""
    history = normals(seed, rounds, *batch, 4)
    torch.testing.assert_close(pooled(replace(), history), history)
    for t in range(rounds):
        torch.testing.assert_close(pooled(accumulate(), history)[t], history[: t + 1].mean(0))
        torch.testing.assert_close(pooled(subsample(3), history)[t], history[: t + 1].mean(0))
        torch.testing.assert_close(pooled(resample(3), history)[t], history[: t + 1].mean(0))
        torch.testing.assert_close(pooled(window(size), history)[t], history[max(0, t + 1 - size) : t + 1].mean(0))


@_quick
@given(rounds=st.integers(1, 7), size=st.integers(1, 5), n=st.integers(1, 4))
def test_kept_data(rounds: int, size: int, n: int) -> None:
    """The same choice of rounds on the data themselves, oldest first."""
    for t in range(rounds):
        everything = list(range((t + 1) * n))
        assert kept(replace(), rounds, n)[t] == everything[-n:]
        assert kept(accumulate(), rounds, n)[t] == everything
        assert kept(window(size), rounds, n)[t] == everything[-size * n :]


@_quick
@given(seed=st.integers(0, 10**6), rounds=st.integers(1, 7), n=st.integers(1, 5), size=st.integers(1, 12))
def test_subsamples_have_their_size_and_forget_for_good(seed: int, rounds: int, n: int, size: int) -> None:
    sets = kept(subsample(size), rounds, n, seed)
    for t, now in enumerate(sets):
        assert len(now) == len(set(now)) == min(size, (t + 1) * n)
        assert now == sorted(now)  # oldest first
        if t:
            assert {x for x in now if x < t * n} <= set(sets[t - 1])
    assert subsample(size).on_data and not accumulate().on_data


def test_resamples_take_back_what_was_dropped() -> None:
    """3 of 8 samples of 4 rounds: each as often (chi-square, p > 1e-4), and two draws are independent.

    Of the 3 of round 2 (of 6) those that are there in round 3 are 3·3/8 on average, if they are drawn anew.
    """
    counts, common, repeats = torch.zeros(8), 0, 2000
    for seed in range(repeats):
        *_, before, last = kept(resample(3), 4, 2, seed)
        assert len(set(before)) == len(set(last)) == 3 and before == sorted(before) and last == sorted(last)
        counts[last] += 1
        common += len(set(before) & set(last))
    assert stats.chisquare(counts.numpy()).pvalue > 1e-4
    assert abs(common / repeats - 9 / 8) < 5 * 0.7 / repeats**0.5
    assert any(set(b) - set(a) - {6, 7} for s in range(9) for *_, a, b in [kept(resample(3), 4, 2, s)])


def test_subsamples_are_uniform_over_everything_seen() -> None:
    """3 of 8 samples that came in 4 rounds: every sample and every pair equally often (chi-square, p > 1e-4)."""
    single, pairs = torch.zeros(8), torch.zeros(8, 8)
    for seed in range(1500):
        last = torch.tensor(kept(subsample(3), 4, 2, seed)[-1])
        single[last] += 1
        pairs[last[:, None], last[None, :]] += 1
    assert stats.chisquare(single.numpy()).pvalue > 1e-4
    upper = pairs[torch.triu_indices(8, 8, 1).unbind()]
    assert stats.chisquare(upper.numpy()).pvalue > 1e-4


def test_memory_is_never_changed_in_place() -> None:
    """A round may be taken back: the memory before it must still be what it was."""
    for retention in (accumulate(), window(3), subsample(2)):
        history, memory = normals(1, 5, 2, 3), {}
        for fresh in history[:3]:
            _, memory = retention.pool(memory, fresh)
        before = {name: value.clone() for name, value in memory.items()}
        first, _ = retention.pool(memory, history[3])
        retention.pool(memory, history[4])
        assert all(torch.equal(memory[name], value) for name, value in before.items())
        assert torch.equal(retention.pool(memory, history[3])[0], first)
        data = retention.keep([], torch.arange(4), Stream.root([(0, 0)])[0])
        copy = [part.clone() for part in data]
        retention.keep(data, torch.arange(4, 8), Stream.root([(0, 1)])[0])
        assert len(data) == len(copy) and all(torch.equal(a, b) for a, b in zip(data, copy, strict=True))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: window(0), ValueError, r"window\(rounds\) must be a whole number, at least 1, got 0"),
        (lambda: window(True), ValueError, r"window\(rounds\) must be a whole number, at least 1, got True"),
        (lambda: window(2.0), ValueError, r"window\(rounds\) must be a whole number, at least 1, got 2.0"),
        (lambda: subsample(0), ValueError, r"subsample\(n\) must be a whole number, at least 1, got 0"),
        (lambda: subsample("5"), ValueError, r"subsample\(n\) must be a whole number, at least 1, got '5'"),
        (lambda: as_retention("all"), TypeError, r"retention is replace\(\), .* or subsample\(n\), got 'all'"),
        (lambda: Member(Location([0.0]), retention=replace), TypeError, "retention is .* got <class"),
    ],
)
def test_refusals(make, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_retentions_are_values() -> None:
    assert window(3) == window(3) != window(4) and accumulate() == accumulate() != replace()
    assert [str(r) for r in (replace(), accumulate(), window(3), subsample(9))] == [
        "replace()",
        "accumulate()",
        "window(rounds=3)",
        "subsample(n=9)",
    ]
