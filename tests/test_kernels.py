"""One pass or several: compiled loops give the bits of NumPy's and torch's passes, and come only where they pay."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecosystem import Ecosystem, Flow, Linear, Location, Member, Scenario, Shift, Stream, Tilt
from ecosystem.core import counting, kernels
from ecosystem.rewards import Quadratic

T = TypeVar("T")


def both(program: Callable[[], T]) -> tuple[T, T]:
    """What a program gives by compiled loops from the first number on, and without them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "PAYS", 0)
        assert kernels.compiled(0) is not None
        one = program()
        patch.setattr(kernels, "PAYS", 1 << 62)
        return one, program()


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(["uniform", "normal", "gumbel"]),
    seeds=st.lists(st.tuples(st.integers(-(2**63), 2**64 - 1), st.integers(0, 9)), min_size=1, max_size=4),
    n=st.integers(0, 50),
    event=st.lists(st.integers(0, 40), max_size=3),
    skip=st.integers(0, 2**40),
    chosen=st.lists(st.integers(0, 2**40), max_size=50),
    dtype=st.sampled_from([None, torch.float64, torch.float32]),
)
def test_draws_have_the_same_bits(kind, seeds, n, event, skip, chosen, dtype) -> None:
    def draw() -> torch.Tensor:
        rng = Stream.root(seeds).at("x").skip(skip)
        if chosen:
            rng = rng.select(torch.tensor(chosen))
        return getattr(rng, kind)(min(n, len(chosen)) if chosen else n, *event, dtype=dtype)

    fused, passes = both(draw)
    assert fused.dtype == passes.dtype and torch.equal(fused, passes)


def test_draws_of_more_than_a_block_have_the_same_bits() -> None:
    """Blocks of 65,536 numbers, and rows that are longer."""
    for shape in ((3000, 24), (2, 70_001)):
        fused, passes = both(lambda shape=shape: Stream.root([(1, 2), (3, 4)]).normal(*shape))
        assert torch.equal(fused, passes)


def test_the_largest_uniform_is_below_one() -> None:
    """Counters whose 53 leading bits are all ones: rounding would make them 1, and their normal infinite."""
    top = (1 << 64) - 1
    for shift in (31, 27, 30):  # the finaliser backwards
        if shift != 31:
            top = top * pow({27: 0x94D049BB133111EB, 30: 0xBF58476D1CE4E5B9}[shift], -1, 1 << 64) % (1 << 64)
        whole = top
        for _ in range(64 // shift + 1):
            whole = top ^ (whole >> shift)
        top = whole
    key = (top - 0x9E3779B97F4A7C15) % (1 << 64)
    rng = Stream(torch.tensor(key - (1 << 64) if key >= 1 << 63 else key))
    for found in both(lambda: rng.uniform(1)):
        assert float(found) == 1 - 2.0**-53
    for found in both(lambda: rng.normal(1)):
        assert torch.isfinite(found).all()


@settings(max_examples=40, deadline=None)
@given(m=st.integers(0, 70), c=st.integers(1, 9), d=st.integers(1, 40), seed=st.integers(0, 2**32))
def test_pushes_and_moves_have_the_same_bits(m: int, c: int, d: int, seed: int) -> None:
    rng = Stream.root([(seed, 0)])[0]
    mean, noise, vectors = (rng.at(name).normal(k, d) for name, k in (("mean", c), ("noise", m), ("vectors", c)))
    scale, index = rng.at("scale").uniform(c), (rng.at("index").uniform(m) * c).long()
    plain = mean[index] + 0  # in place below
    fused, passes = both(lambda: kernels.pushed(mean, scale, index, noise))
    assert torch.equal(fused, passes)
    torch.testing.assert_close(fused, mean[index] + scale[index].unsqueeze(-1) * noise, rtol=1e-12, atol=1e-12)

    def moved() -> torch.Tensor:
        x, here = plain.clone(), torch.arange(0, m, 2)
        kernels.move_(x, here, vectors, index[here])
        return x

    fused, passes = both(moved)
    assert torch.equal(fused, passes)
    assert torch.equal(fused[1::2], plain[1::2]) and torch.equal(fused[::2], (plain + vectors[index])[::2])


def test_who_differentiates_is_not_cut_off() -> None:
    """A compiled loop knows no gradient: what is differentiated takes torch's own operations."""
    index, noise = torch.tensor([0, 0]), torch.ones(2, 1, dtype=torch.float64)
    scale = torch.ones(1, dtype=torch.float64)

    def slope() -> torch.Tensor:
        return torch.func.jacrev(lambda mean: kernels.pushed(mean, scale, index, noise))(torch.zeros(1, 1).double())

    fused, passes = both(slope)
    assert torch.equal(fused, passes) and bool((fused == 1).all())


@settings(max_examples=30, deadline=None)
@given(
    words=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=9),
    part=st.integers(-(2**63), 2**63 - 1),
    width=st.integers(0, 30),
)
def test_torch_makes_the_same_words_and_uniforms(words: list[int], part: int, width: int) -> None:
    """What is made on other devices, made here: the words are signed there."""
    keys = torch.tensor(words)
    gamma = 0x9E3779B97F4A7C15 - (1 << 64)
    assert torch.equal(counting.mixed((keys ^ part) + gamma), Stream(keys).at(part).keys)
    assert torch.equal(counting.uniforms(keys.unsqueeze(-1), width), Stream(keys).uniform(1, width).squeeze(1))


# -- whole rounds ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False, init=False)
class SlowShift(Shift):
    """A curator of one's own: the engine knows nothing of it, and shows it its samples."""

    def curate(self, slate: Any, reward: Any, rng: Stream) -> Any:
        return slate.candidate(0) + self.vector


@dataclass(frozen=True, eq=False, repr=False, init=False)
class SlowTilt(Tilt):
    def curate(self, slate: Any, reward: Any, rng: Stream) -> Any:
        return self.on_gaussian(slate.law(), reward).push(slate.noise())  # type: ignore[union-attr]

    def on_gaussian(self, law: Any, reward: Any) -> Any:
        return Tilt.on_gaussian(self, law, reward)


def network(users: Callable[[int], dict[str, Any]], level: float, who: str, real: bool) -> Scenario:
    """Four members who read each other unevenly, two with tastes of their own."""
    s = Scenario("ring", rounds=3, samples=7)
    for i in range(4):
        data = Location([0.5, -0.5, 0.1 * i], 0.3) if real else None
        s.add(f"m{i}", Member(Location([1.0 * i, 0.2, -0.3], 0.1 + 0.1 * i), real=data, **users(i)))
    for i in range(4):
        for step, part in ((1, 0.5), (2, 0.3 if real else 0.5)):
            flow = Flow(raw=(1 - level) * part, curated=level * part, chosen_by=who)  # type: ignore[arg-type]
            s.connect(f"m{(i + step) % 4}", f"m{i}", flow)
    return s


def rounds(scenarios: list[Scenario], replicates: int) -> list[pd.DataFrame]:
    eco = Ecosystem(scenarios, seeds=range(replicates), build_samples=True)
    eco.run()
    return [eco.result(variant).rounds for variant in range(len(scenarios))]


def users(kind: str, slow: bool) -> Callable[[int], dict[str, Any]]:
    """A taste and a curator for each member; ``slow``: of one's own, with the same law."""
    shift, tilt = (SlowShift, SlowTilt) if slow else (Shift, Tilt)
    if kind == "shift":
        return lambda i: {"reward": Linear([1.0, 0.5 * i, -1.0]), "curator": shift([0.1 * i, 1.0, -0.2])}
    if kind == "tilt":
        return lambda i: {"reward": Linear([1.0, 0.5 * i, -1.0]), "curator": tilt(0.5)}
    return lambda i: {"reward": Quadratic([1.0, 0.3 * i, 0.0], 0.4), "curator": tilt(0.5)}


@pytest.mark.parametrize("who", ["producer", "consumer"])
@pytest.mark.parametrize("kind", ["shift", "tilt", "ideal point"])
@pytest.mark.parametrize(("variants", "replicates", "real"), [(1, 1, False), (2, 3, True), (1, 2, True)])
def test_rounds_have_the_same_bits(kind: str, who: str, variants: int, replicates: int, real: bool) -> None:
    """By loops, by passes, and by a curator of one's own that is shown every sample."""

    def ring(slow: bool) -> list[Scenario]:
        return [network(users(kind, slow), 0.3 + 0.1 * v, who, real) for v in range(variants)]

    quick, slow = ring(False), ring(True)
    for table, other, shown in zip(*both(lambda: rounds(quick, replicates)), rounds(slow, replicates), strict=True):
        pd.testing.assert_frame_equal(table, other, check_exact=True)
        pd.testing.assert_frame_equal(table, shown, check_exact=True)


# -- when they come ----------------------------------------------------------------------------------------------------


def test_loops_come_when_they_have_paid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "PAYS", 100)
    monkeypatch.setattr(kernels, "_drawn", 0)
    assert kernels.compiled(60) is None and kernels.compiled(60) is None
    assert kernels.compiled(1) is not None


def test_a_small_run_does_not_load_them() -> None:
    """Numba takes half a second to load: neither the import of the package nor a small run may."""
    code = (
        "import sys, torch, ecosystem; from ecosystem import Scenario, Member, Location;"
        "s = Scenario('a', rounds=2, samples=64); s.add('a', Member(Location([0.0]), real=Location([1.0])));"
        "s.run(); print('numba' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "False"


def test_without_numba_it_is_said_and_the_numbers_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    with_loops, _ = both(lambda: Stream.root([(5, 5)]).normal(9, 2))
    monkeypatch.setitem(sys.modules, "ecosystem.core.compiled", None)
    monkeypatch.delattr("ecosystem.core.compiled")
    monkeypatch.setattr(kernels, "PAYS", 0)
    kernels._loaded.cache_clear()
    try:
        with pytest.warns(UserWarning, match="Numba's loops cannot be loaded"):
            without = Stream.root([(5, 5)]).normal(9, 2)
    finally:
        kernels._loaded.cache_clear()
    assert torch.equal(with_loops, without)
