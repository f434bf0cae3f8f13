"""Selfish play on location networks with quadratic rewards, against closed forms: complementarity, concave programs."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from ecosystem import (
    Categorical,
    Flow,
    LinearMap,
    Location,
    Member,
    Quadratic,
    Scenario,
    Shift,
    Tabular,
    Tilt,
    allocate,
    coalition,
    equilibrium,
    never,
)
from ecosystem.decisions import Ensemble, Equilibrium
from ecosystem.influence import stable_point


@dataclass
class Net:
    """Members who read each other by ``V`` (behind ``T``) and people at 0 for the rest; curation shifts them by ``a``.

    Half of what is read is curated, by the reader, so ``B = V T`` whatever the levels are, and ``θ = N (λ a)`` with
    ``N = (I − B)⁻¹`` is linear in them. Rewards are ``⟨g, x⟩ − η/2 ‖x‖²``; so everybody's marginal utility is affine:

        ∂J_j/∂λ_k = (N_jk a_k)·(g_j − η_j θ_j) = q_jk − Σ_l M_jkl λ_l

    and Nash points are the solutions of a linear complementarity problem on the box (Cottle, Pang, Stone 1992) where
    ``η > 0``: games on networks with linear best responses (Bramoullé, Kranton, D'Amours 2014).
    """

    a: np.ndarray  # [n, d]
    g: np.ndarray  # [n, d]
    eta: np.ndarray  # [n]
    V: np.ndarray  # [n, n]
    T: np.ndarray  # [n, n, d, d]
    costs: np.ndarray  # [n]
    noise: float = 0.5

    @property
    def scenario(self) -> Scenario:
        n, d = self.a.shape
        s = Scenario("net", rounds=30)
        s.add("people", Member(Location(np.zeros(d), 1.0), schedule=never))
        for k in range(n):
            reward = Quadratic(self.g[k], float(self.eta[k]))
            s.add(f"m{k}", Member(Location(np.zeros(d), self.noise), reward=reward, curator=Shift(self.a[k])))
        for k, j in itertools.product(range(n), range(n)):
            if self.V[k, j] > 0:
                half, by = self.V[k, j] / 2, LinearMap(self.T[k, j])
                s.connect(f"m{j}", f"m{k}", Flow(raw=half, curated=half, chosen_by="consumer", transform=by))
        for k in range(n):
            half = (1 - self.V[k].sum()) / 2
            s.connect("people", f"m{k}", Flow(raw=half, curated=half, chosen_by="consumer"))
        return s

    @property
    def prices(self) -> dict[str, float]:
        return {f"m{k}": float(cost) for k, cost in enumerate(self.costs)}

    @property
    def means(self) -> np.ndarray:
        """``∂θ_j/∂λ_k``, ``[n, n, d]``."""
        n, d = self.a.shape
        B = np.einsum("kj,kjab->kajb", self.V, self.T).reshape(n * d, n * d)
        N = np.linalg.inv(np.eye(n * d) - B).reshape(n, d, n, d)
        return np.einsum("jakb,kb->jka", N, self.a)

    def utilities(self, x: np.ndarray) -> np.ndarray:
        theta = np.einsum("jka,k->ja", self.means, x)
        spread = (theta**2).sum(1) + self.a.shape[1] * self.noise**2
        return (self.g * theta).sum(1) - self.eta / 2 * spread - self.costs * x

    def program(self, together: tuple[int, ...] = ()) -> tuple[np.ndarray, np.ndarray]:
        """``q [n]`` and ``M [n, n]``: marginal utilities ``q − M λ``; those of some are of their sum."""
        P, n = self.means, len(self.costs)
        q, M = -self.costs.copy(), np.zeros((n, n))
        for k in range(n):
            for j in together if k in together else (k,):
                q[k] += P[j, k] @ self.g[j]
                M[k] += self.eta[j] * P[j] @ P[j, k]
        return q, M


def solutions(q: np.ndarray, M: np.ndarray) -> np.ndarray:
    """All solutions on [0, 1]ⁿ of ``w = q − M x``, ``w ≤ 0`` at 0, 0 inside, ``≥ 0`` at 1: by every active set."""
    found: list[np.ndarray] = []
    for active in itertools.product((0.0, None, 1.0), repeat=len(q)):
        free = [k for k, bound in enumerate(active) if bound is None]
        x = np.array([bound or 0.0 for bound in active])
        if free:
            block = M[np.ix_(free, free)]
            if abs(np.linalg.det(block)) < 1e-12:
                continue
            x[free] = np.linalg.solve(block, (q - M @ x)[free])
        w = q - M @ x
        inside = ((x >= -1e-12) & (x <= 1 + 1e-12)).all()
        held = all(w[k] <= 1e-12 if b == 0 else w[k] >= -1e-12 for k, b in enumerate(active) if b is not None)
        if inside and held and not any(np.allclose(x, y, atol=1e-9) for y in found):
            found.append(x)
    return np.array(found)


def net(seed: int, n: int = 3, d: int = 2) -> Net:
    rng = np.random.default_rng(seed)
    V = rng.dirichlet(np.ones(n + 1), n)[:, :n]
    T = np.tile(np.eye(d), (n, n, 1, 1)) * rng.uniform(-1, 1, (n, n, 1, 1))
    a, g = rng.normal(size=(n, d)), rng.normal(size=(n, d)) / 2
    return Net(a, g + 0.4 * a, rng.uniform(0.4, 1.5, n), V, T, rng.uniform(0, 0.3, n))


def nash(found: Equilibrium) -> np.ndarray:
    """The Nash points found, ``[points, levers]``."""
    return np.array([point.play.x for point in found.nash])


def rivals() -> Net:
    """Two whose curation lands where the other wants no more of it: either does it, or the other (``M_12 > M_11``).

    Both pass on their second coordinate, five times as strong, to the other's first: nothing comes back, ``ρ(B) = 0``.
    """
    E = np.array([[0.0, 5.0], [0.0, 0.0]])
    T = np.array([[np.zeros((2, 2)), E], [E, np.zeros((2, 2))]])
    V = np.array([[0.0, 0.8], [0.8, 0.0]])
    return Net(np.ones((2, 2)), np.full((2, 2), 0.6), np.ones(2), V, T, np.full(2, 0.05))


def pennies() -> Net:
    """Two who like extremes (``η < 0``): one wants to be where the other is not, who wants to be where it is.

    Costs are such that each is indifferent where the other is half way; all or nothing is best against all else.
    """
    E = np.array([[0.0, 2.0], [0.0, 0.0]])
    T = np.array([[np.zeros((2, 2)), -E], [E, np.zeros((2, 2))]])
    V = np.array([[0.0, 0.8], [0.8, 0.0]])
    made = Net(np.ones((2, 2)), np.array([[0.5, 0.0], [0.5, 0.0]]), np.full(2, -0.1), V, T, np.zeros(2))
    q, M = made.program()
    made.costs = q - M.sum(1) / 2
    return made


# -- Nash points -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seed", "n"), [(0, 2), (1, 2), (3, 3), (4, 3)])
def test_equilibria_are_those_of_the_complementarity_problem(seed: int, n: int) -> None:
    """What is found solves it, and is all there is; inside, everybody's own influence is its cost (``M_kk = c_k``).

    Welfare at the optimum is that of the concave program.
    """
    made = net(seed, n)
    found, exact = equilibrium(made.scenario, costs=made.prices, starts=2), solutions(*made.program())
    here = nash(found)
    assert len(here) and (np.abs(here[:, None] - exact[None]).max(-1).min(1) < 1e-6).all()
    assert len(here) == len(exact)
    assert (found.points["residual"] < 1e-6).all() and (found.points["curvature"].dropna() < 0).all()
    for i, x in enumerate(here, 1):
        inside = (x > 0) & (x < 1)
        own = np.diag(found.game.at(x).settled.jacobian)
        assert np.allclose(own[inside], made.costs[inside], rtol=0, atol=1e-6)
        assert np.allclose(found.utilities[str(i)], made.utilities(x), rtol=0, atol=1e-7)
    best = minimize(lambda x: -made.utilities(x).sum(), np.full(n, 0.5), bounds=[(0, 1)] * n, tol=1e-14)
    assert abs(found.welfare["optimum"] + best.fun) < 1e-6
    assert found.loss >= -1e-9 and (np.isnan(found.anarchy) or found.anarchy >= 1 - 1e-9)
    assert np.isclose(found.payers["loss"].sum(), found.loss)


def test_marginal_utilities_are_slopes_of_utilities() -> None:
    made = net(7)
    game, x, h = equilibrium(made.scenario, costs=made.prices, starts=1).game, np.array([0.3, 0.6, 0.2]), 1e-5
    for k in range(3):
        up, down = (game.at(x + sign * h * np.eye(3)[k]).utilities[k] for sign in (1, -1))
        assert abs(game.at(x).marginal[k] - (up - down) / (2 * h)) < 1e-6


def test_several_equilibria_are_all_found() -> None:
    """Two in which one curates and the other does not, and one between that best responses leave."""
    made = rivals()
    found, exact = equilibrium(made.scenario, costs=made.prices), solutions(*made.program())
    assert len(exact) == 3 and found.verdict == "several"
    assert np.allclose(np.sort(nash(found), axis=0), np.sort(exact, axis=0), atol=1e-6)
    corner = (nash(found) == 0).any(1)
    assert (found.points["attracts"].to_numpy() == corner).all()
    assert "Three equilibria" in found.sentence and "two of them" in found.sentence
    assert found.worst is not None and corner[found.worst - 1] and "pays most" in found.verdicts["sentence"].iloc[2]
    moved = found.scenario(found.worst)
    assert np.allclose([moved.curation(f"m{k}") for k in range(2)], nash(found)[found.worst - 1])


def test_where_there_is_none_play_goes_round() -> None:
    """All or nothing is best, whatever the other does: no pure equilibrium, by hand at the four corners."""
    made = pennies()
    gains = {}
    for x in itertools.product((0.0, 1.0), repeat=2):
        other = [made.utilities(np.array(y)) for y in ((1 - x[0], x[1]), (x[0], 1 - x[1]))]
        here = made.utilities(np.array(x))
        gains[x] = max(other[0][0] - here[0], other[1][1] - here[1])
    assert min(gains.values()) > 0.01
    found = equilibrium(made.scenario, costs=made.prices)
    assert found.verdict == "none found" and found.worst is None and np.isnan(found.anarchy)
    assert len(found.cycle) == 2 and set(map(tuple, found.cycle.round(6).to_numpy())) == {(0.0, 0.0), (1.0, 1.0)}
    middle = found.points[found.points["curvature"] > 0]
    assert len(middle) and not found.points["nash"].any() and (middle["deviator"] != "").all()
    assert "No equilibrium was found" in found.sentence and "go round in two turns" in found.sentence


def test_nobody_leaves_the_stable_networks() -> None:
    """One that wants ever more of what makes it unstable stops at the margin: ρ(B) = 1.5 λ = 1 − .05."""
    s = Scenario("edge", rounds=20)
    member = Member(Location([0.0], 0.1), reward=Quadratic([1.0], 0.0), curator=Shift([1.0]), real=Location([0.0], 0.1))
    s.add("a", member)
    s.connect("a", "a", Flow(curated=0.3, chosen_by="consumer", transform=LinearMap([[1.5]])))
    found = equilibrium(s, margin=0.05)
    assert found.verdict == "one" and found.points["edge"].all()
    assert np.allclose(nash(found), 0.95 / 1.5, atol=1e-4) and (found.points["radius"] <= 0.95 + 1e-6).all()
    assert "stability binds" in " ".join(found.verdicts["sentence"])


def test_other_families_and_levers_play_too() -> None:
    """Symbols, tastes at odds: whoever curates, the other had better not, as a grid of stable points shows."""
    s = Scenario("odds", rounds=20)
    for name, taste in (("a", [1.0, 0.0]), ("b", [0.0, 1.0])):
        even = Categorical([0.5, 0.5])
        s.add(name, Member(even, reward=Tabular(taste), curator=Tilt(), real=even))
    s.connect("a", "b", Flow(raw=0.2, curated=0.2, chosen_by="consumer"))
    s.connect("b", "a", Flow(raw=0.2, curated=0.2, chosen_by="consumer"))
    found = equilibrium(s, costs=0.22, starts=4, bounds={"a": (0.0, 0.9), "b": (0.0, 0.9)})
    assert sorted(nash(found).tolist()) == [[0.0, 0.9], [0.9, 0.0]] and not found.points["nash"].all()
    grid = np.linspace(0, 0.9, 4)

    def value(name: str, mine: float, theirs: float) -> float:
        moved = s.with_curation(name, mine).with_curation("b" if name == "a" else "a", theirs)
        return float(stable_point(moved, starts=1).alignment[name]) - 0.22 * mine

    assert int(np.argmax([value("a", x, 0.0) for x in grid])) == 3
    assert int(np.argmax([value("b", x, 0.9) for x in grid])) == 0
    flows = equilibrium(s, movable=[("curated", "a", "b"), ("curated", "b", "a")], starts=1, costs=0.25)
    assert flows.nash and flows.levels["member"].tolist() == ["b", "a"]


# -- coalitions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seed", "verdict"), [(20, "gains"), (12, "loses")])
def test_a_coalition_plays_the_complementarity_problem_of_its_sum(seed: int, verdict: str) -> None:
    """Two of three agree, the third answers: so that in one of the networks agreeing costs them more than it brings."""
    made = net(seed)
    before, exact = solutions(*made.program()), solutions(*made.program((0, 1)))
    assert len(before) == len(exact) == 1
    found = coalition(made.scenario, ["m0", "m1"], costs=made.prices, starts=1)
    assert np.allclose(found.levels["after"], exact[0], rtol=0, atol=1e-5)
    change = made.utilities(exact[0]) - made.utilities(before[0])
    assert np.isclose(found.gain, change[:2].sum(), atol=1e-6)
    assert np.isclose(found.table["others"].iloc[0], change[2], atol=1e-6)
    assert np.allclose(found.utilities["change"], change, atol=1e-6)
    assert found.verdict == verdict and verdict.removesuffix("s") in found.sentence


def test_all_together_have_what_the_optimum_gives() -> None:
    made = net(1, n=2)
    whole = coalition(made.scenario, ["m0", "m1"], costs=made.prices, starts=1)
    assert np.isclose(whole.gain, whole.selfish.loss, atol=1e-7) and whole.gain > 1e-4
    assert "would be better off without it" in whole.sentence or (whole.utilities["change"] > 0).all()


def test_a_coalition_without_selfish_equilibria_is_unknown() -> None:
    made = pennies()
    found = coalition(made.scenario, ["m0", "m1"], costs=made.prices, starts=1)
    assert found.verdict == "unknown" and np.isnan(found.gain) and "unknown" in found.sentence


# -- what cannot be asked ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"costs": {"x": 1.0}}, "there is no lever 'x'"),
        ({"costs": "much"}, r"equilibrium\(costs\) is a number"),
        ({"margin": 2.0}, r"equilibrium\(margin\)"),
        ({"starts": 0}, r"equilibrium\(starts\)"),
        ({"movable": ["x"]}, "there is no member 'x'"),
        ({"movable": [("m0", "m1"), ("people", "m1")]}, "cannot be moved"),
        ({"bounds": {"m0": (0.5, 0.2)}}, r"equilibrium\(bounds\)"),
        ({"cost": 1.0}, "takes no 'cost'"),
    ],
)
def test_what_cannot_be_asked_is_refused(more: dict[str, Any], words: str) -> None:
    with pytest.raises((ValueError, TypeError, KeyError), match=words):
        equilibrium(rivals().scenario, **more)


def test_who_cannot_play_is_refused_by_name() -> None:
    s = Scenario("dumb", rounds=1)
    s.add("a", Member(Location([0.0]), curator=Shift([1.0]), real=Location([0.0])))
    s.add("b", Member(Location([0.0]), reward=Quadratic([1.0], 1.0), real=Location([0.0])))
    s.connect("a", "a", Flow(curated=0.5))
    s.connect("a", "b", Flow(raw=0.2))
    s.connect("b", "b", Flow(raw=0.2))
    with pytest.raises(ValueError, match="'a' cannot play for its alignment"):
        equilibrium(s)
    with pytest.raises(ValueError, match="'b' would play two levers"):
        equilibrium(s, movable=[("a", "b"), ("b", "b")])
    with pytest.raises(ValueError, match="two at least"):
        coalition(rivals().scenario, ["m0"])
    with pytest.raises(KeyError, match="nobody called 'people'"):
        coalition(rivals().scenario, ["m0", "people"])


def test_the_optimum_is_what_an_allocation_without_a_limit_gives() -> None:
    """Where levels cost nothing, and the budget is more than all of them: another search, the same welfare."""
    made = net(4)
    found = equilibrium(made.scenario, starts=1)
    given = allocate(made.scenario, 4.0, starts=0)
    assert np.isclose(given.welfare["after"], found.welfare["optimum"], rtol=0, atol=1e-7)


def test_equilibria_do_not_depend_on_the_unit_of_utilities() -> None:
    """Rewards and costs in units of a hundred millionth: the same points, and what play costs in that unit."""
    one = net(1, 2)
    small = dataclasses.replace(one, g=one.g * 1e-8, eta=one.eta * 1e-8, costs=one.costs * 1e-8)
    large, tiny = (equilibrium(each.scenario, costs=each.prices, starts=3) for each in (one, small))
    np.testing.assert_allclose(nash(tiny), nash(large), atol=1e-6)
    assert tiny.loss == pytest.approx(large.loss * 1e-8, rel=1e-3) and "costs 9.0" in tiny.sentence


# -- over an ensemble --------------------------------------------------------------------------------------------------


def pair(seed: int) -> tuple[list[Net], Ensemble]:
    """Two networks that read alike and want different things, the second three times as likely."""
    made = [net(seed, 2), net(seed + 100, 2)]
    made[1].V, made[1].T, made[1].costs = made[0].V, made[0].T, made[0].costs
    return made, Ensemble(lambda k: made[k].scenario, pd.DataFrame({"k": [0, 1], "weight": [1.0, 3.0]}))


@pytest.mark.parametrize("seed", [0, 1])
def test_on_average_play_solves_the_mean_complementarity_problem(seed: int) -> None:
    made, both = pair(seed)
    found = equilibrium(both, costs=made[0].prices, starts=1)
    (q, M), (r, N) = (one.program() for one in made)
    exact = solutions(0.25 * q + 0.75 * r, 0.25 * M + 0.75 * N)
    here = nash(found)
    assert len(here) == len(exact) and (np.abs(here[:, None] - exact[None]).max(-1).min(1) < 1e-6).all()
    for i, x in enumerate(here, 1):
        expected = 0.25 * made[0].utilities(x) + 0.75 * made[1].utilities(x)
        assert np.allclose(found.utilities[str(i)], expected, rtol=0, atol=1e-7)
    assert len(found.scenarios(1)) == 2 and found.loss >= -1e-9


@pytest.mark.parametrize("over", ["worst", "regret"])
def test_whoever_fears_answers_as_a_grid_says(over: str) -> None:
    """At what is found nobody gains on a grid of 1/500, by utilities in closed form; somebody stands at a kink."""
    kinks = 0
    for seed in (0, 1):
        made, both = pair(seed)
        found = equilibrium(both, costs=made[0].prices, starts=1, over=over)
        here = nash(found)
        assert len(here) and (found.points["residual"] < 1e-6).all()
        for x in here:
            for p in range(2):
                tried = np.repeat(x[None], 502, 0)
                tried[:-1, p] = np.linspace(0, 1, 501)
                values = np.array([[one.utilities(y)[p] for y in tried] for one in made])
                values -= values.max(1, keepdims=True) if over == "regret" else 0.0
                least = values.min(0)
                assert least[-1] >= least.max() - (1e-5 if over == "regret" else 1e-7)  # of a grid's own best
                kinks += bool(0 < x[p] < 1 and abs(values[0, -1] - values[1, -1]) < 1e-5)
    assert kinks or over == "worst"


@pytest.mark.parametrize("over", ["expected", "worst", "regret"])
def test_an_ensemble_of_one_plays_as_its_scenario(over: str) -> None:
    made = net(1, 2)
    one = Ensemble(lambda k: made.scenario, pd.DataFrame({"k": [0]}))
    found, plain = (equilibrium(s, costs=made.prices, starts=1, over=over) for s in (one, made.scenario))
    pd.testing.assert_frame_equal(found.levels, plain.levels)
    pd.testing.assert_frame_equal(found.utilities, plain.utilities)
    twice = Ensemble(lambda k: made.scenario, pd.DataFrame({"k": [0, 1]}))
    same = equilibrium(twice, costs=made.prices, starts=1, over=over)
    assert same.levels["1"].to_numpy() == pytest.approx(plain.levels["1"].to_numpy(), abs=1e-6)


@pytest.mark.parametrize("over", ["expected", "worst", "regret"])
def test_those_who_agree_over_an_ensemble_do_as_a_grid_says(over: str) -> None:
    """Both of two: what they play for is as high as on a grid of 1/200, by utilities in closed form."""
    made, both = pair(1)
    found = coalition(both, ["m0", "m1"], costs=made[0].prices, starts=1, over=over)
    grid = np.stack(np.meshgrid(*[np.linspace(0, 1, 201)] * 2), -1).reshape(-1, 2)
    x = found.levels["after"].to_numpy()
    values = np.array([[one.utilities(y).sum() for y in [x, *grid]] for one in made])
    values -= values.max(1, keepdims=True) if over == "regret" else 0.0
    aims = {"expected": np.array([0.25, 0.75]) @ values}.get(over, values.min(0))
    assert aims[0] >= aims.max() - (1e-4 if over == "regret" else 1e-9)  # of a grid's own best
    sums = np.array([one.utilities(x).sum() for one in made])
    assert found.table["after"].iloc[0] == pytest.approx([0.25, 0.75] @ sums, abs=1e-7)
    assert found.table["aim"].iloc[0] >= -1e-9
    assert "on average over the ensemble" in found.sentence
    assert (over == "expected") == (found.table["aim"].iloc[0] == pytest.approx(found.gain, abs=1e-12))


def test_levers_of_an_ensemble_must_be_the_same() -> None:
    unlike = Ensemble(lambda k: net(0, 2 + k).scenario, pd.DataFrame({"k": [0, 1]}))
    with pytest.raises(ValueError, match="must offer the same"):
        equilibrium(unlike)
    with pytest.raises(ValueError, match=r"equilibrium\(over\) is one of"):
        equilibrium(net(0, 2).scenario, over="hope")
    with pytest.raises(ValueError, match=r"coalition\(over\) is one of"):
        coalition(net(0, 2).scenario, ["m0", "m1"], over="hope")
