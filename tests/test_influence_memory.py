"""No analysis takes more scratch memory than its budget, whatever the curators are."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import grad, vjp

from ecosystem import Categorical, Flow, Member, Scenario
from ecosystem.core.memory import Watch, at_most, budget, fitting, free_memory, give_back
from ecosystem.curation import BestOf, Curator, Luce, TopFraction
from ecosystem.curation.luce import normal_luce
from ecosystem.influence import influence, krylov, needs, stable_point
from ecosystem.rewards import Tabular
from tests.benchmarks.curated import apart

SYMBOLS, MEMBERS = 40, 6


@dataclass(frozen=True, eq=False)
class Pairs(Curator):
    """A user's own: compares every symbol with every other and says nothing of what that costs."""

    pools = False

    def on_finite(self, p: Tensor, rewards: Tensor | None, memo: dict[Any, Any]) -> Tensor:
        assert rewards is not None
        wins = torch.sigmoid(rewards.unsqueeze(-1) - rewards.unsqueeze(-2))
        kept = p * (wins * p.unsqueeze(-2)).sum(-1)
        return kept / kept.sum(-1, keepdim=True)


def symbols(curator: Curator, members: int = MEMBERS) -> Scenario:
    s, even = Scenario("symbols", rounds=3), [1 / SYMBOLS] * SYMBOLS
    names = [f"m{i}" for i in range(members)]
    for i, name in enumerate(names):
        taste = Tabular(torch.linspace(0, 2, SYMBOLS).roll(7 * i))
        s.add(name, Member(Categorical(even), reward=taste, curator=curator, real=Categorical(even)))
    for i, name in enumerate(names):
        for step in (1, 2, 3):
            s.connect(names[(i + step) % members], name, Flow(raw=0.1, curated=0.1))
    return s


def test_many_choices_between_candidates_fit_the_memory() -> None:
    """A grid for each flow and column was kept for the way back: these took 13.1 GB."""
    assert apart(100, "consumer")["gigabytes"] < 1.0


def test_a_budget_is_kept_by_a_curator_that_says_nothing_of_its_cost() -> None:
    """Columns were counted by parameters alone: what a curator makes of each was forgotten."""
    scenario = symbols(Pairs())
    point = stable_point(scenario, starts=1)
    whole = influence(scenario, at=point).matrix
    with at_most(8e6), Watch() as watch:
        small = influence(scenario, at=stable_point(scenario, starts=1)).matrix
    assert watch.most < 2 * 8e6
    assert (small - whole).abs().max().max() <= 1e-12 * whole.abs().max().max()
    with at_most(1e12), Watch() as watch:
        influence(scenario, at=stable_point(scenario, starts=1))
    assert watch.most > 2.5 * 8e6


def test_rounds_of_many_columns_fit_the_memory() -> None:
    """All levels of all sources went through a round at once: what a curator makes of each column was forgotten."""
    scenario = symbols(Pairs(), 12)
    found = influence(scenario, at=stable_point(scenario, starts=1))
    with at_most(1e12), Watch() as watch:
        whole = found.after(2)
    assert watch.most > 4 * 2e6
    with at_most(2e6), Watch() as watch:
        small = found.after(2)
    assert watch.most < 2 * 2e6
    assert (small - whole).abs().max().max() <= 1e-9 * whole.abs().max().max()


def test_a_choice_keeps_to_the_budget_by_itself() -> None:
    """Every symbol of every member was compared with every other at once; bits are those of the whole."""
    p = torch.rand(300, 60, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    p, rewards = p / p.sum(-1, keepdim=True), torch.arange(60, dtype=torch.float64).roll(7) // 3
    for curator in (BestOf(4), TopFraction(0.3)):
        whole = curator.on_finite(p, rewards, {})
        with at_most(1e6), Watch() as watch:
            assert torch.equal(curator.on_finite(p, rewards, {}), whole)
        assert watch.most < 2e6


def test_what_a_small_map_takes_is_looked_at_once_and_not_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """A map was run for its memory again at each point of a search: a third of the time of a small analysis."""
    entered: list[Watch] = []
    begin = Watch.__enter__

    def counting(self: Watch) -> Watch:
        entered.append(self)
        return begin(self)

    monkeypatch.setattr(Watch, "__enter__", counting)
    scenario = symbols(Luce(2))
    point = stable_point(scenario)
    few = len(entered)
    assert 0 < few <= 3
    with at_most(1e5):  # where not much is spare it is looked at again
        influence(scenario, at=point)
    assert len(entered) > few


def test_the_budget_is_a_quarter_of_what_is_free_unless_it_is_given() -> None:
    assert budget() == pytest.approx(free_memory() / 4, rel=0.5)
    with at_most(1000):
        assert budget() == 1000
        assert [fitting(lambda n: 100 + 90 * n, most) for most in (0, 1, 5, 50)] == [1, 1, 5, 10]
        assert fitting(lambda n: 5000 * n, 50) == 1
    with pytest.raises(ValueError, match=r"at_most\(size\) is a number of bytes above 0, got 0"), at_most(0):
        pass


def test_equal_choices_are_worked_out_once_and_scratch_does_not_grow() -> None:
    """Every column of a derivative had a grid of its own, also where no parameter moves the scale."""
    curator = Luce(4)
    with Watch() as few:
        vjp(curator.on_normal, torch.linspace(2.7, 2.9, 16).double())
    with Watch() as many:
        vjp(curator.on_normal, torch.linspace(0.1, 2.9, 160).double().repeat(20))
    assert many.most < 1.5 * few.most


@pytest.mark.parametrize("scale", [0.3, 2.0, 5.0])
def test_choices_are_differentiable_twice(scale: float) -> None:
    """Values, slopes and the slopes of slopes against differences; equal numbers keep their own derivatives."""

    def mean(x: Tensor) -> Tensor:
        return (Luce(3).on_normal(x)[0] * torch.tensor([1.0, 2.0], dtype=x.dtype)).sum()

    x, step = torch.full((2,), scale, dtype=torch.float64), 1e-4
    for i in range(2):
        moved = torch.eye(2, dtype=torch.float64)[i] * step
        assert float(grad(mean)(x)[i]) == pytest.approx(float(mean(x + moved) - mean(x - moved)) / (2 * step), rel=1e-6)
        slope = (grad(mean)(x + moved) - grad(mean)(x - moved)) / (2 * step)
        bend = grad(lambda y, i=i: grad(mean)(y)[i])(x)
        assert bend.tolist() == pytest.approx(slope.tolist(), rel=1e-5, abs=1e-9)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, when it first thinks forward
def test_grids_in_forward_mode() -> None:
    """A tangent through a law of normal members was 0 without a word."""
    scale = torch.tensor([0.5, 1.0, 4.0], dtype=torch.float64)
    ones = torch.ones_like(scale)
    values, forward = torch.func.jvp(lambda x: normal_luce(x, 4)[0], (scale,), (ones,))
    backward = torch.func.vjp(lambda x: normal_luce(x, 4)[0], scale)[1](ones)[0]
    assert torch.allclose(values, normal_luce(scale, 4)[0], rtol=1e-12)
    assert torch.allclose(forward, backward, rtol=1e-9)


def test_nothing_is_factorised_where_iterations_have_come_to_the_end() -> None:
    """Factors were made for no column at all: 20 s of a second's work at 400 members."""
    generator = torch.Generator().manual_seed(0)
    b = 0.02 * torch.randn(50, 50, generator=generator, dtype=torch.float64)
    asked = []

    def direct(rhs: Tensor) -> None:
        asked.append(len(rhs))

    for cheap in (False, True):
        rhs = torch.eye(50, dtype=torch.float64)[:3]
        found = krylov.solve_surely(lambda v: v @ b.T, rhs, 1e-10, direct, cheap=cheap)
        assert float(found.residual.max()) <= 1e-10
    assert not asked


def test_what_an_analysis_needs_is_said_before_by_sizes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = symbols(Luce(2), members=5)
    found = needs(scenario, sources=["m0", "m1"])
    assert (found.members, found.numbers, found.shares, found.pairs) == (5, 5 * SYMBOLS, 2 * 15 + 5, 10)
    assert found.fits and "10 effects: about" in str(found)
    assert needs(scenario).bytes > found.bytes > 8 * found.numbers
    monkeypatch.setattr("ecosystem.influence.room.free_memory", lambda: 10)
    assert not found.fits


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep what they like")
def test_what_was_freed_goes_back_to_the_system() -> None:
    """Blocks too small to be mapped one by one: the last one in use keeps all of them."""

    def resident() -> int:
        return 4096 * int(Path("/proc/self/statm").read_text().split()[1])

    blocks = [torch.ones(1 << 13, dtype=torch.float64) for _ in range(2000)]  # 131 MB
    held, last = resident(), blocks.pop()
    blocks.clear()
    give_back()
    assert held - resident() > 1e8
    assert bool(last.all())
