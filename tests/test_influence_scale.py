"""Influence of few sources on very many members: terms instead of blocks, no loop over members, errors with a bound."""

from typing import Any

import numpy as np
import pytest
import torch

from ecosystem import LinearMap, Location, Quadratic, Scenario, Shift
from ecosystem.core.memory import Watch
from ecosystem.influence import influence, stable_point
from ecosystem.influence.alike import Alike
from ecosystem.influence.certificate import Certificate
from ecosystem.influence.dynamics import Dynamics
from ecosystem.influence.jacobian import dense
from ecosystem.influence.resolvent import Resolvent

TURN = LinearMap([[0.0, 0.6, 0.1], [-0.6, 0.0, 0.0], [0.0, 0.1, 0.5]])


def network(n: int, width: int, transform: Any = None, real: float = 0.1, seed: int = 0) -> Scenario:
    """Members of one kind by the array, each reading three others; half of the flows may go through a transform."""
    rng = np.random.default_rng(seed)
    target = np.repeat(np.arange(n), 3)
    keys = np.unique(target * n + rng.integers(0, n, len(target)))
    target, source = keys // n, keys % n
    share = (1 - real) / np.bincount(target, minlength=n)[target]
    s = Scenario("many", rounds=5)
    parts = {"reward": Quadratic(rng.normal(size=width), 0.2), "curator": Shift(rng.normal(size=width))}
    means = rng.normal(size=(n, width))
    s.add_many([f"m{i}" for i in range(n)], Location.many(means, 0.2), real=Location(np.zeros(width), 0.2), **parts)
    cut = len(share) // 2 if transform else len(share)
    for part, how in ((slice(None, cut), {}), (slice(cut, None), {"transform": transform})):
        if len(share[part]):
            ends = source[part], target[part]
            s.connect_many(ends, raw=0.7 * share[part], curated=0.3 * share[part], chosen_by="consumer", **how)
    return s


@pytest.mark.parametrize("transform", [None, TURN])
def test_terms_are_the_matrix(transform):
    """Blocks of all flows were written out, or the map was played for each product."""
    dynamics = Dynamics(network(450, 3, transform))
    operator = Resolvent(dynamics, dynamics.start[0]).operator
    assert isinstance(operator, Alike)
    matrix = dense(dynamics.retrained, dynamics.start[0], 256)
    eye = torch.eye(len(matrix), dtype=matrix.dtype)
    v = torch.from_numpy(np.random.default_rng(1).normal(size=(5, len(matrix))))
    one = torch.zeros(2, len(matrix), dtype=torch.float64)
    one[0, 6:9], one[1, 30] = v[0, :3], 1.0
    for rhs in (v, one):
        for transposed, b in ((False, matrix), (True, matrix.T)):
            assert torch.allclose(operator.times(rhs, transposed), rhs @ b.T, atol=1e-13)
            exact = torch.linalg.solve(eye - b, rhs.T).T
            assert torch.allclose(operator.solve(rhs, transposed)[0], exact, atol=1e-9)
    assert np.allclose(operator.written.toarray(), matrix.numpy(), atol=1e-13)
    radius = float(torch.linalg.eigvals(matrix).abs().max())
    assert operator.radius() == pytest.approx(radius, rel=1e-8)
    assert radius <= operator.certificate.bound + 1e-12


def test_one_column_is_that_of_the_whole_matrix():
    s = network(60, 2)
    large = network(620, 2)
    for scenario in (s, large):
        point = stable_point(scenario, starts=1)
        one = influence(scenario, sources=["m7"], at=point)
        dynamics = one.dynamics
        matrix = dense(dynamics.retrained, one.vector, 256)
        x = torch.linalg.solve(torch.eye(len(matrix), dtype=matrix.dtype) - matrix, one.pushes.rows(["m7"])[0])
        expected = (x * one.gradients).reshape(-1, 2).sum(-1)
        assert np.allclose(one.matrix["m7"], expected, rtol=1e-8, atol=1e-10)


def test_a_certificate_bounds_the_error():
    dynamics = Dynamics(network(450, 3, real=0.02))
    operator = Resolvent(dynamics, dynamics.start[0]).operator
    assert isinstance(operator, Alike)
    rng = np.random.default_rng(3)
    x, off = (torch.from_numpy(rng.normal(size=(1, 1350))) for _ in range(2))
    b = x - operator.times(x, False)
    wrong = x + 1e-3 * off
    gap = (b - wrong + operator.times(wrong, False)).reshape(-1, 3).norm(dim=-1)
    error = (wrong - x).reshape(-1, 3).norm(dim=-1).max()
    assert error <= operator.certificate.error(gap)
    assert np.isinf(Certificate(torch.ones(1), 1.0).error(gap))


@pytest.mark.parametrize("side", [{"sources": ["m7", "m9"]}, {"targets": ["m7"]}])
def test_an_influence_says_how_it_was_solved_and_how_far_it_can_be_off(
    side: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Residuals of iterations were looked at inside only, and memory nowhere."""
    scenario = network(450, 3, real=0.05)
    point = stable_point(scenario, starts=1)
    exact = influence(scenario, at=point, **side)
    assert exact.solved.residual <= 1e-10 and exact.solved.error <= 1e-7
    solve = Alike.solve

    def carelessly(self: Alike, rhs: torch.Tensor, transposed: bool) -> tuple[torch.Tensor, float]:
        x, worst = solve(self, rhs, transposed)
        return x * (1 + 1e-6), max(worst, 1e-6)

    monkeypatch.setattr(Alike, "solve", carelessly)
    with pytest.warns(RuntimeWarning, match="relative residual"):
        found = influence(scenario, at=point, **side)
    assert 0 < float((found.matrix - exact.matrix).abs().max().max()) <= found.solved.error < 1e-2
    assert found.solved.way == "by GMRES on shares times blocks" and 1e5 < found.solved.scratch < 1e9
    assert "no effect is off by more than" in str(found.solved)


def test_a_matrix_that_no_memory_holds_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it was worked out before the memory ended; a million members have a million times a million effects."""
    scenario = network(1500, 1)
    for where in ("core.memory", "influence.asked"):
        monkeypatch.setattr(f"ecosystem.{where}.free_memory", lambda: 10**6)
    with pytest.raises(ValueError, match=r"of 1,500 sources on 1,500 targets needs about 0\.0736 GB .*name some"):
        influence(scenario)


def test_nothing_pushed_leads_nowhere() -> None:
    dynamics = Dynamics(network(450, 3))
    operator = Resolvent(dynamics, dynamics.start[0]).operator
    x, worst = operator.solve(torch.zeros(2, 1350, dtype=torch.float64), False)
    assert not bool(x.any()) and worst == 0.0


def test_what_is_one_for_all_members_is_not_copied_for_each():
    """Vectors of all numbers that are kept, and held at most: these were 5.5 and 4.1, and 12.2."""
    scenario = network(20_000, 24)
    vector = 8 * 24 * len(scenario.names)
    with Watch() as watch:
        point = stable_point(scenario, starts=1)
    assert watch.now < 2.5 * vector
    with Watch() as watch:
        effect = influence(scenario, ["m7"], at=point)
    assert watch.now < 2.5 * vector and watch.most < 11.9 * vector
    assert effect.matrix.shape == (20_000, 1)
