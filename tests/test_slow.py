"""Slow modes apart, all else as a series: the same answers as a matrix that is factorised, and an error that holds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import solvers
from ecosystem import Flow, Linear, LinearMap, Location, Member, Scenario, Shift
from ecosystem.influence import influence, slow, stable_point
from ecosystem.influence.factors import is_narrow
from ecosystem.influence.jacobian import DENSE, dense
from ecosystem.influence.operators import Sparse

MEMBERS, WIDTH = 160, 8


def near_one(members: int, degree: int, width: int, level: float, seed: int) -> np.ndarray:
    """A matrix ``B`` of members who read ``degree`` others each, through rotations near the identity."""
    rng = np.random.default_rng(seed)
    matrix = np.zeros((members, width, members, width))
    for i in range(members):
        for j in rng.choice(members, degree, replace=False):
            turn = rng.normal(size=(width, width)) * 0.1 / np.sqrt(width)
            matrix[i, :, j] += level / degree * np.linalg.qr(np.eye(width) + turn - turn.T)[0]
    return matrix.reshape(members * width, members * width)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6), level=st.floats(0.3, 0.98), width=st.integers(1, 3), transposed=st.booleans())
def test_a_series_with_slow_modes_apart_solves_what_a_factorised_matrix_solves(
    seed: int, level: float, width: int, transposed: bool
) -> None:
    matrix = torch.from_numpy(near_one(60, 8, width, level, seed))
    apart = slow.Slow.of(lambda v: v @ matrix.T, len(matrix), 20)
    assert apart is not None
    sides = torch.from_numpy(np.random.default_rng(seed).normal(size=(5, len(matrix))))
    there = matrix.T if transposed else matrix
    found = slow.solve(apart, lambda v: v @ there.T.to(v.dtype), sides, transposed, 1e-11, torch.float32)
    exact = torch.linalg.solve(torch.eye(len(matrix), dtype=torch.float64) - there, sides.T).T
    left = (sides - found.x + found.x @ there.T).norm(dim=-1) / sides.norm(dim=-1)
    assert torch.allclose(left, found.residual, rtol=0.1, atol=1e-15)
    assert float(found.residual.max()) <= 1e-11
    assert torch.allclose(found.x, exact, rtol=0, atol=1e-9 * float(exact.abs().max()))


def test_where_everything_fades_slowly_a_series_says_that_it_does_not_pay() -> None:
    ring = 0.95 * torch.eye(300, dtype=torch.float64).roll(1, 0)
    assert slow.Slow.of(lambda v: v @ ring.T, 300) is None


def turning(chosen: float = 0.28) -> Scenario:
    """Everybody reads eight others through matrices of the flow's own: more numbers than are written out."""
    rng = np.random.default_rng(3)
    s = Scenario("turning", rounds=5)
    for i in range(MEMBERS):
        taste = Linear(rng.normal(size=WIDTH))
        real = Location(rng.normal(size=WIDTH))
        s.add(
            f"m{i}", Member(Location(np.zeros(WIDTH)), reward=taste, curator=Shift(rng.normal(size=WIDTH)), real=real)
        )
    for i in range(MEMBERS):
        for j in rng.choice(MEMBERS, 8, replace=False):
            turn = rng.normal(size=(WIDTH, WIDTH)) * 0.1
            there = LinearMap(np.linalg.qr(np.eye(WIDTH) + turn - turn.T)[0])
            s.connect(f"m{j}", f"m{i}", Flow((0.9 - chosen) / 8, chosen / 8, chosen_by="consumer", transform=there))
    return s


def test_the_whole_matrix_is_that_of_a_dense_solution_within_the_error_it_reports() -> None:
    assert MEMBERS * WIDTH > DENSE
    scenario = turning()
    point = stable_point(scenario, starts=1)
    assert point.dynamics is not None
    gap = np.eye(MEMBERS * WIDTH) - dense(point.dynamics.retrained, point.vector, 256).numpy()
    for names in (scenario.names, scenario.names[:40]):  # by columns, by rows
        found = influence(scenario, targets=names, at=point)
        led = np.linalg.solve(gap, found.pushes.rows(found.sources).numpy().T).T.reshape(-1, MEMBERS, WIDTH)
        slopes = np.array([scenario.member(name).reward.direction.numpy() for name in names])
        exact = (led[:, : len(names)] * slopes).sum(-1).T
        assert np.abs(found.matrix.to_numpy() - exact).max() <= found.solved.error + 1e-13 < 1e-6
        assert found.solved.residual <= 1e-10
        assert "no effect is off by more than" in str(found.solved)


def test_of_a_small_network_the_error_of_its_factors_is_known() -> None:
    s = Scenario("loop", rounds=1)
    s.add("a", Member(Location([0.0]), reward=Linear([1.0]), curator=Shift([1.0]), real=Location([0.0])))
    s.connect("a", "a", Flow(raw=0.3, curated=0.2))
    found = influence(s)
    assert abs(found.matrix.at["a", "a"] - 2.5) <= found.solved.error + 1e-15 < 1e-12


@pytest.mark.parametrize("kind", ["random", "scale-free", "ring"])
def test_all_ways_that_are_compared_come_to_one_answer(kind: str) -> None:
    """A way that is fast and wrong would win; the ring's many slow modes are no case for a series."""
    matrix = solvers.network(kind, 70)
    sides = torch.from_numpy(np.random.default_rng(1).normal(size=(5, matrix.shape[0])))
    exact = torch.from_numpy(np.linalg.solve(np.eye(matrix.shape[0]) - matrix.toarray(), sides.numpy().T).T)
    for way in solvers.WAYS.values():
        assert torch.allclose(way(matrix, sides), exact, rtol=0, atol=1e-8)


@pytest.mark.parametrize(("kind", "narrow"), [("random", False), ("ring", True)])
def test_whole_batches_are_solved_by_factors_where_these_hardly_fill(kind: str, narrow: bool) -> None:
    matrix = solvers.network(kind, 130)
    assert is_narrow(matrix) is narrow
    sides = torch.from_numpy(np.random.default_rng(2).normal(size=(20, matrix.shape[0])))
    for transposed in (False, True):
        whole = np.eye(matrix.shape[0]) - (matrix.T if transposed else matrix).toarray()
        exact = torch.from_numpy(np.linalg.solve(whole, sides.numpy().T).T)
        x, residual = Sparse(matrix, 1e-10).solve(sides, transposed)
        assert torch.allclose(x, exact, rtol=0, atol=1e-8) and residual <= 1e-10
