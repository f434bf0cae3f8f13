"""Users with a state: what they see, how their taste moves, and what that does to a model.

Every dynamics here is a pure function of laws: the model retrains first, then its users look at the new output.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.func import jacfwd, jacrev, vmap

from ecosystem import (
    BestOf,
    Categorical,
    Crowd,
    Distance,
    Drift,
    Habit,
    Learner,
    Linear,
    Luce,
    Member,
    NoPopulationLaw,
    Pairs,
    Preference,
    Quadratic,
    Shift,
    Tabular,
    Tilt,
    TopFraction,
    Users,
)
from ecosystem.core.laws import Finite, Moments, Normal
from ecosystem.core.stacking import stack
from ecosystem.curation import Curator, OfLaw, OfSamples, Seen
from ecosystem.rewards import OfPairs, Reward, as_reward, negated
from tests.drawn import normals

TAU = 5.0  # the paper's, which multiplies rewards
UNIFORM = torch.full((10,), 0.1, dtype=torch.float64)
ONE_HOT = torch.eye(10, dtype=torch.float64)
FIRST = ONE_HOT[0]
FORWARD = pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")  # of torch's own forward mode


def finite(*probabilities: float) -> Finite:
    return Finite(torch.tensor(probabilities, dtype=torch.float64))


def users(w: Tensor = FIRST, learn: Learner | None = None, curator: Curator | None = None) -> Users:
    return Users(Preference(w, ONE_HOT), curator or Tilt(1 / TAU), learn)


def retrained(p: Tensor, who: Users, eta: float | Tensor) -> Tensor:
    """``(1 − η) p_ref + η·Tilt(p)``, ``[*batch, 10]``."""
    kept = who.law(Finite(p))
    assert isinstance(kept, Finite)
    return (1 - eta) * UNIFORM + eta * kept.probabilities


def played(p: Tensor, who: Users, eta: float | Tensor, rounds: int) -> tuple[Tensor, Users]:
    for _ in range(rounds):
        p = retrained(p, who, eta)
        who = who.look(OfLaw(Finite(p)))
    return p, who


# -- golden: ten one-hot classes, uniform reference, τ = 5 -------------------------------------------------------------


def frozen_by_hand(eta: float) -> np.ndarray:
    """``p = (1 − η) p_ref Z/(Z − η e^{τr})`` with the root ``Z`` that normalises it."""
    odds = np.exp(TAU * FIRST.numpy())

    def shares(z: float) -> np.ndarray:
        return (1 - eta) * 0.1 * z / (z - eta * odds)

    low, high = eta * odds.max() * (1 + 1e-15), 1e9
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if shares(middle).sum() > 1 else (low, middle)
    return shares(high)


@pytest.mark.parametrize("learn", [None, Drift(0.0), Habit(lambda w, seen: w)])
@pytest.mark.parametrize(
    "reward", [Preference(FIRST, ONE_HOT), Tabular(FIRST), Preference(FIRST, lambda x: ONE_HOT[x])]
)
def test_frozen_users_have_the_closed_form(reward: Reward, learn: Learner | None) -> None:
    """The favoured class holds 0.5472279923; who never moves is frozen, whatever the words for it."""
    p, after = played(UNIFORM, Users(reward, Tilt(1 / TAU), learn), 0.5, 200)
    assert float(p[0]) == pytest.approx(0.5472279923, abs=1e-9)
    assert p.numpy() == pytest.approx(frozen_by_hand(0.5), abs=1e-12)
    assert torch.equal(after.reward.state(), FIRST)


def joint_rates(eta: float, beta: float, derivative: Callable) -> np.ndarray:
    """Moduli of the eigenvalues of one round ``(p, w) → (p⁺, w⁺)`` at the symmetric state ``p = w = 1/10``."""

    def turn(state: Tensor) -> Tensor:
        frame = users(UNIFORM, Drift(beta))
        who = Users(frame.reward.with_state(state[10:]), frame.curator)
        p = retrained(state[:10], who, eta)
        return torch.cat([p, frame.learn.learn(who.reward, OfLaw(Finite(p)))])

    start = torch.cat([UNIFORM, UNIFORM])
    assert turn(start).numpy() == pytest.approx(start.numpy(), abs=1e-15)
    return np.sort(np.abs(np.linalg.eigvals(derivative(turn)(start).numpy())))


@FORWARD
@pytest.mark.parametrize("derivative", [jacrev, jacfwd])
@pytest.mark.parametrize("beta", [0.05, 0.5, 1.0])
def test_the_symmetric_state_loses_stability_at_two_thirds(beta: float, derivative: Callable) -> None:
    """At ``η = 1/(1 + τ/10)`` nine eigenvalues pass 1, whatever ``β``."""
    threshold = 1 / (1 + TAU / 10)
    assert joint_rates(threshold - 1e-4, beta, derivative)[-1] < 1
    assert joint_rates(threshold, beta, derivative)[-9:] == pytest.approx(np.ones(9), abs=1e-12)
    assert joint_rates(threshold + 1e-4, beta, derivative)[-9] > 1


def test_the_symmetric_state_holds_below_and_breaks_above_two_thirds() -> None:
    hint = (UNIFORM + 1e-3 * (FIRST - UNIFORM)).expand(2, 10)
    etas = torch.tensor([[0.62], [0.70]], dtype=torch.float64)
    (below, above), after = played(hint, stack([users(UNIFORM, Drift(0.5))] * 2), etas, 1000)
    torch.testing.assert_close(below, UNIFORM, rtol=0, atol=1e-9)
    assert float(above[0]) > 0.7 and torch.allclose(after.reward.state()[1], above, atol=1e-9)


def test_a_large_early_lead_locks_in() -> None:
    """From ``η ≈ .427`` on, where the symmetric state is still stable: many ``η`` side by side, as a batch."""
    etas = torch.arange(0.420, 0.434, 0.0005, dtype=torch.float64)
    lead = (0.99 * FIRST + 0.01 * UNIFORM).expand(len(etas), 10)
    p, _ = played(lead, stack([users(FIRST, Drift(1.0))] * len(etas)), etas.unsqueeze(-1), 3000)
    locked = p[:, 0] > 0.2
    assert torch.allclose(p[~locked, 0], UNIFORM[0], atol=1e-6) and bool((p[locked, 0] > 0.3).all())
    first = int(locked.nonzero()[0])
    assert bool(locked[first:].all()) and float(etas[first]) == pytest.approx(0.427, abs=0.002)


@pytest.mark.parametrize(
    "curator", [Luce(3, 0.2), BestOf(2), TopFraction(0.4), Tilt(0.2), Crowd.adversarial(Tilt(0.2), 0.1)]
)
def test_features_choose_as_a_table_does(curator: Curator) -> None:
    """On a finite alphabet, and its opposite too: one-hot features are a table of rewards."""
    w, phi = normals(1, 3), normals(2, 6, 3)
    phi = phi / phi.norm(dim=-1, keepdim=True)
    law = Finite(torch.softmax(normals(3, 6), -1))
    table, features = Tabular(phi @ w), Preference(w, phi)
    for taste, like in (
        (features, table),
        (Preference(w, lambda x: phi[x]), table),
        (negated(features), negated(table)),
    ):
        kept, expected = Users(taste, curator).law(law), Users(like, curator).law(law)
        assert isinstance(kept, Finite) and isinstance(expected, Finite)
        torch.testing.assert_close(kept.probabilities, expected.probabilities, rtol=1e-12, atol=1e-15)
        assert float(taste.expect(law)) == pytest.approx(float(like.expect(law)), abs=1e-14)


@pytest.mark.parametrize("curator", [Luce(2), BestOf(3), Tilt(2.0)])
def test_drift_on_normal_laws(curator: Curator) -> None:
    """A linear taste moves towards the mean of what was kept, which its curator knows exactly."""
    who = Users(Linear([[0.6], [0.8]]), curator, Drift(0.25))
    kept = who.law(Normal(torch.tensor([0.5, -0.25], dtype=torch.float64), scale=torch.tensor(0.5).double()))
    assert isinstance(kept, Moments)
    moved = 0.75 * torch.tensor([0.6, 0.8], dtype=torch.float64) + 0.25 * kept.mean
    moved = moved / moved.norm().clamp(min=1)
    torch.testing.assert_close(who.look(OfLaw(kept)).reward.direction, moved.reshape(2, 1), rtol=1e-15, atol=1e-15)


# -- what users see ----------------------------------------------------------------------------------------------------


def test_means_under_laws() -> None:
    three = OfLaw(finite(0.5, 0.25, 0.25))
    assert three.mean().tolist() == [0.75] and three.mean(lambda x: x.double() ** 2).tolist() == [1.25]
    assert three.mean(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])).tolist() == [0.75, 0.5]
    normal = OfLaw(Normal(normals(0, 2, 3), scale=normals(1, 2).abs()))
    assert torch.equal(normal.mean(), normals(0, 2, 3)) and normal.batch_shape == (2,)
    assert torch.equal(normal.cell((1,)).mean(), normals(0, 2, 3)[1]) and isinstance(normal.law(), Normal)
    with pytest.raises(
        NoPopulationLaw, match=r"the mean of tanh under a continuous law has no population law.*samples=n"
    ):
        normal.mean(torch.tanh)


def test_means_of_samples() -> None:
    x = normals(4, 2, 3, 50, 2, 4)
    seen = OfSamples(x, batch=2)
    torch.testing.assert_close(seen.mean(), x.flatten(3).mean(2), rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(seen.mean(lambda y: y.amax((1, 2))), x.amax((3, 4)).mean(2, keepdim=True))
    pairs = OfSamples(Pairs(torch.zeros(2, 3, 50), x, batch=3), batch=2)
    assert torch.equal(pairs.mean(), seen.mean()) and torch.equal(pairs.cell((1, 2)).mean(), seen.cell((1, 2)).mean())
    assert OfSamples(torch.tensor([0, 2, 2, 1])).mean(ONE_HOT[:3, :3]).tolist() == [0.25, 0.25, 0.5]
    with pytest.raises(NoPopulationLaw, match=r"what users saw is known by samples \(ask for its mean\)"):
        seen.law()


def test_sampled_means_converge() -> None:
    """100,000 draws of a law on ten symbols; each of ten means within 4 standard errors (7e-4 of seeds would fail)."""
    p = torch.softmax(normals(5, 10), -1)
    count = 100_000
    x = torch.multinomial(p, count, replacement=True, generator=torch.Generator().manual_seed(7))
    start = users(UNIFORM, Drift(0.5))
    exact, drawn = (start.look(seen).reward.state() for seen in (OfLaw(Finite(p)), OfSamples(x)))
    error = 0.5 * (p * (1 - p) / count).sqrt()
    assert bool(((drawn - exact).abs() < 4 * error).all()) and not torch.equal(drawn, exact)


def test_features_of_samples_and_of_symbols_agree() -> None:
    """A matrix, and the function that looks rows up in it, whether a law or samples were seen."""
    phi = torch.nn.functional.normalize(normals(6, 5, 3), dim=-1)
    x = torch.randint(5, (2, 4, 30), generator=torch.Generator().manual_seed(0))
    for seen in (OfSamples(x, 2), OfLaw(Finite(torch.softmax(normals(7, 2, 4, 5), -1)))):
        torch.testing.assert_close(seen.mean(phi), seen.mean(lambda y: phi[y]), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("event", [(), (3,)])
def test_means_do_not_depend_on_company(event: tuple[int, ...]) -> None:
    """To the last bit: more replicates, variants or rows change nobody's taste."""
    x = normals(8, 3, 2, 5, 33, *event)
    for make in (
        (lambda x: OfSamples(x, 3), lambda x: OfLaw(Finite(x.abs()))) if not event else (lambda x: OfSamples(x, 3),)
    ):
        for features in (None, lambda y: y.reshape(len(y), -1) ** 2):
            whole = make(x).mean(features)
            assert torch.equal(whole[:2, :, :1], make(x[:2, :, :1]).mean(features))
            assert torch.equal(whole[1, 1, 4], make(x).cell((1, 1, 4)).mean(features))


# -- how a taste moves -------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), p=st.integers(1, 6), beta=st.floats(0, 1), size=st.floats(0, 1e3))
def test_a_taste_never_leaves_the_ball(seed: int, p: int, beta: float, size: float) -> None:
    w = torch.nn.functional.normalize(normals(seed, p), dim=-1)
    who = Users(Linear(w), learn=Drift(beta))
    for step in range(3):
        x = size * normals(seed + 1 + step, 4, p)
        free = (1 - beta) * who.reward.state() + beta * x.mean(0)
        who = who.look(OfSamples(x))
        norm = float(who.reward.state().norm())
        assert norm <= 1 + 1e-12
        torch.testing.assert_close(who.reward.state(), free / max(1.0, float(free.norm())), rtol=1e-12, atol=1e-14)


@FORWARD
@pytest.mark.parametrize("derivative", [jacrev, jacfwd])
def test_the_derivative_of_drift(derivative: Callable) -> None:
    """``(1 − β) I`` inside the ball and at its centre; on the way out also ``(I − uuᵀ)/‖v‖``."""

    def turn(w: Tensor) -> Tensor:
        return Drift(0.25).learn(Linear([1.0, 0.0, 0.0]).with_state(w), OfSamples(mean.expand(4, 3)))

    mean = torch.zeros(3, dtype=torch.float64)
    eye = torch.eye(3, dtype=torch.float64)
    for w in (torch.zeros(3, dtype=torch.float64), torch.tensor([0.2, 0.1, -0.3], dtype=torch.float64)):
        torch.testing.assert_close(derivative(turn)(w), 0.75 * eye)
    mean = torch.tensor([4.0, 0.0, 3.0], dtype=torch.float64)
    w = torch.tensor([0.5, 0.5, 0.0], dtype=torch.float64)
    v = 0.75 * w + 0.25 * mean
    u = v / v.norm()
    torch.testing.assert_close(derivative(turn)(w), 0.75 * (eye - torch.outer(u, u)) / v.norm())
    many = torch.stack([w, 0.1 * w])
    torch.testing.assert_close(vmap(turn)(many), torch.stack([turn(w), turn(0.1 * w)]))


@FORWARD
@pytest.mark.parametrize("curator", [Luce(3, 0.2), Tilt(0.2)])
def test_the_derivative_of_a_round_by_taste(curator: Curator) -> None:
    """What a taste does to the model and to itself in one round, against central differences."""
    frame, start = users(UNIFORM, Drift(0.3), curator), torch.softmax(normals(3, 10), -1)

    def turn(w: Tensor) -> Tensor:
        who = Users(frame.reward.with_state(w), curator)
        p = retrained(start, who, 0.6)
        return torch.cat([p, frame.learn.learn(who.reward, OfLaw(Finite(p)))])

    w, step = 0.3 * normals(4, 10), 1e-5
    differences = torch.stack([(turn(w + step * e) - turn(w - step * e)) / (2 * step) for e in ONE_HOT], -1)
    for derivative in (jacrev, jacfwd):
        torch.testing.assert_close(derivative(turn)(w), differences, rtol=1e-7, atol=1e-9)


def towards(w: Tensor, seen: Seen) -> Tensor:
    """What ``Drift(0.3)`` does on ten one-hot classes, without a thought for batches."""
    assert w.ndim == 1 and seen.batch_shape == ()
    v = 0.7 * w + 0.3 * seen.mean(ONE_HOT)
    return v / v.norm() if v.norm() > 1 else v


@dataclass(frozen=True, eq=False)
class Ours(Learner):
    """A learner of one's own with a number of its own, written for one cell."""

    speed: Tensor

    def learn(self, reward: Reward, seen: Seen) -> Tensor:
        assert self.speed.ndim == 0
        state = reward.state()
        assert state is not None
        return towards(state, seen)


class Derived(Drift):
    """A subclass that overrides what runs on batches, and says nothing of them: it is asked cell by cell."""

    def learn(self, reward: Reward, seen: Seen) -> Tensor:
        state = reward.state()
        assert state is not None
        return towards(state, seen)


def wide(who: Users, *batch: int) -> Users:
    """The same users everywhere in a batch, but with another taste in each cell."""
    items = [
        Users(who.reward.with_state(torch.softmax(normals(i, 10), -1)), who.curator, who.learn)
        for i in range(math.prod(batch))
    ]
    return stack(items).map(lambda t: t.reshape(*batch, *t.shape[1:]))


@pytest.mark.parametrize("learn", [Habit(towards), Ours(torch.tensor(1.0)), Derived(0.3)])
@pytest.mark.parametrize("symbols", [True, False])
def test_ones_own_learners_do_what_drift_does(learn: Learner, symbols: bool) -> None:
    """Written for one taste, right on ``[rows, variants, replicates]``, population or samples."""
    if symbols:
        seen = OfSamples(torch.randint(10, (2, 3, 4, 20), generator=torch.Generator().manual_seed(1)), 3)
    else:
        seen = OfLaw(Finite(torch.softmax(normals(11, 2, 3, 4, 10), -1)))
    theirs, ours = wide(users(learn=Drift(0.3)), 2, 3, 4).look(seen), wide(users(learn=learn), 2, 3, 4).look(seen)
    torch.testing.assert_close(ours.reward.state(), theirs.reward.state(), rtol=1e-14, atol=1e-15)
    part = wide(users(learn=Drift(0.3)), 2, 3, 4).take((1, 2, 3)).look(seen.cell((1, 2, 3)))
    assert torch.equal(part.reward.state(), theirs.reward.state()[1, 2, 3])


def test_users_of_one_replicate_look_at_many() -> None:
    """Lengths of 1 serve all, and afterwards every number has the full batch; ``β`` is each variant's own."""
    items = [users(UNIFORM, Drift(beta), Luce(2, temperature)) for beta, temperature in ((0.25, 1.0), (1.0, 2.0))]
    before = stack(items).map(lambda t: t.reshape(1, 2, 1, *t.shape[1:]))
    law = Finite(torch.softmax(normals(12, 1, 2, 3, 10), -1))
    after = before.look(OfLaw(law))
    assert all(t.shape[:3] == (1, 2, 3) for t in after.tensors().values())
    torch.testing.assert_close(after.reward.state()[0, 0], 0.75 * UNIFORM + 0.25 * law.probabilities[0, 0])
    torch.testing.assert_close(after.reward.state()[0, 1], law.probabilities[0, 1])
    again = after.look(OfLaw(Finite(law.probabilities[:, :, :1])))
    torch.testing.assert_close(again.reward.state()[0, 1], law.probabilities[0, 1, :1].expand(3, 10))
    assert after.take((0, 1, 2)).kind() == items[0].kind()
    kept = after.law(law)
    assert isinstance(kept, Finite) and kept.probabilities.shape == (1, 2, 3, 10)
    one = after.take((0, 1, 2)).law(law.take((0, 1, 2)))
    assert isinstance(one, Finite)
    torch.testing.assert_close(kept.probabilities[0, 1, 2], one.probabilities, rtol=1e-13, atol=1e-15)


def test_a_drift_of_nothing_is_no_drift() -> None:
    """As a learner it gave the solvers unknowns that nothing determines: a wrong influence, a singular ``I − B``."""
    frozen, plain = users(learn=Drift(0.0)), users()
    assert frozen.learn is None and frozen.kind() == plain.kind()
    assert Member(Categorical(UNIFORM), reward=Tabular(FIRST), learn=Drift(0.0)).audience.learn is None


def test_what_moves_and_what_stays() -> None:
    """The tastes of a crowd are its own; the old users stay, and what they had worked out is not passed on."""
    crowd = Crowd((Tilt(0.2), Tilt(0.2)), (None, Tabular(-FIRST)), (0.8, 0.2))
    before = Users(Tabular(FIRST), crowd, Drift(0.5))
    first = before.law(Finite(UNIFORM))
    after = before.look(OfLaw(Finite(UNIFORM)))
    assert (
        after.reward.values.tolist() == (0.5 * FIRST + 0.05).tolist()
        and before.reward.values.tolist() == FIRST.tolist()
    )
    assert after.curator.rewards[1].values.tolist() == (-FIRST).tolist()
    second, same = after.law(Finite(UNIFORM)), before.law(Finite(UNIFORM))
    assert isinstance(first, Finite) and isinstance(second, Finite) and isinstance(same, Finite)
    assert torch.equal(first.probabilities, same.probabilities)
    assert not torch.equal(first.probabilities, second.probabilities)
    still = users()
    assert still.look(OfLaw(Finite(UNIFORM))) is still


# -- kinds -------------------------------------------------------------------------------------------------------------


def test_users_who_learn_stack_and_come_apart() -> None:
    items = [users(0.1 * i * FIRST, Drift(0.1 + 0.1 * i), Luce(2, 1.0 + i)) for i in range(3)]
    assert len({item.kind() for item in items}) == 1
    many = stack(items)
    assert many.learn.beta.shape == (3,) and many.reward.weights.shape == (3, 10) and many.reward.phi.shape == (10, 10)
    for i, item in enumerate(items):
        part = many.take(i)
        assert part.kind() == item.kind() and list(part.tensors()) == [
            "reward.weights",
            "curator.temperature",
            "learn.beta",
        ]
        assert all(torch.equal(part.tensors()[name], value) for name, value in item.tensors().items())
    assert many.take(torch.tensor([2, 0])).learn.beta.tolist() == pytest.approx([0.3, 0.1])
    x = torch.tensor([[0, 1], [0, 1], [0, 1]])
    assert many.reward(x).tolist() == [[0.0, 0.0], [0.1, 0.0], [0.2, 0.0]]


def bored(w: Tensor, seen: Seen) -> Tensor:
    return w


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (users(), users(learn=Drift(0.1))),
        (users(learn=Habit(bored)), users(learn=Drift(0.1))),
        (users(learn=Habit(bored)), users(learn=Habit(towards))),
        (Users(Tabular(FIRST)), Users(Tabular(FIRST), Tilt())),
        (Preference(FIRST, ONE_HOT), Preference(FIRST, -ONE_HOT)),
        (Preference(FIRST, torch.sin), Preference(FIRST, torch.cos)),
    ],
)
def test_other_kinds_do_not_stack(a: Users, b: Users) -> None:
    assert a.kind() != b.kind()


def test_equal_features_are_one_kind() -> None:
    assert Preference(FIRST, ONE_HOT).kind() == Preference(UNIFORM, ONE_HOT.clone()).kind()
    assert users(learn=Habit(bored)).kind() == users(learn=Habit(bored)).kind()


# -- tastes of one's own -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Waves(Reward):
    """A taste of one's own that is linear in features of its own, ``cos`` and ``sin`` of a number."""

    w: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return (self.w * self.phi(x)).sum(-1)

    @staticmethod
    def phi(x: Tensor) -> Tensor:
        return torch.stack([x.cos(), x.sin()], -1)

    def state(self) -> Tensor:
        return self.w

    def with_state(self, state: Tensor) -> Waves:
        return Waves(state)

    def features(self) -> Callable[[Tensor], Tensor]:
        return self.phi


def test_a_taste_of_ones_own_drifts() -> None:
    x = normals(13, 500)
    after = Users(Waves(torch.tensor([1.0, 0.0]).double()), BestOf(2), Drift(0.5)).look(OfSamples(x))
    torch.testing.assert_close(after.reward.w, torch.stack([0.5 + 0.5 * x.cos().mean(), 0.5 * x.sin().mean()]))


@pytest.mark.parametrize(
    ("with_state", "message"),
    [
        (
            lambda self, state: Waves(state.detach().clone()),
            "does not keep the state that it is given, or its gradient",
        ),
        (lambda self, state: Waves(0 * state), "does not keep the state that it is given"),
        (
            lambda self, state: Waves(state.reshape(2)),
            r"fails on states of shape \(2, 2\): .*; return self.reb",
        ),
        (Reward.with_state, r"has no with_state\(state\); return self.rebuild"),
    ],
)
def test_a_taste_that_loses_its_state_is_refused(with_state: Callable, message: str) -> None:
    """Moved tastes would stand still, or influence would miss them, without a word."""
    lossy = type("Lossy", (Waves,), {"with_state": with_state})
    with pytest.raises(TypeError, match=message):
        Users(lossy(torch.zeros(2)), BestOf(2), Drift(0.5))


class Wall(Distance):
    """A taste that is not linear in what moves: its target."""

    def state(self) -> Tensor:
        return self.target

    def with_state(self, state: Tensor) -> Wall:
        return self.rebuild({**self.tensors(), "target": state})


def test_a_taste_that_is_not_linear_has_habits_but_no_drift() -> None:
    def chase(w: Tensor, seen: Seen) -> Tensor:
        return (w + seen.mean()) / 2

    after = Users(Wall([0.0, 4.0]), BestOf(2), Habit(chase)).look(OfSamples(torch.ones(3, 2)))
    assert after.reward.target.tolist() == [0.5, 2.5] and float(after.reward(torch.tensor([0.5, 2.5]))) == 0
    with pytest.raises(
        TypeError, match=r"Distance\(.* is not known to be linear in features, which Drift\(0.1\) needs; use"
    ):
        Users(Wall([0.0, 0.5]), BestOf(2), Drift(0.1))


@pytest.mark.parametrize("parent", [Linear, Tabular, Preference])
def test_a_subclass_does_not_inherit_that_it_is_linear(parent: Any) -> None:
    ours = type("Ours", (parent,), {"__call__": lambda self, x: parent.__call__(self, x) ** 2})
    reward = ours(FIRST, ONE_HOT) if parent is Preference else ours(FIRST)
    assert reward.state() is None
    with pytest.raises(TypeError, match="need a taste that can move"):
        Users(reward, Luce(2), Drift(0.1))
    named = type("Named", (parent,), {"__repr__": lambda self: "named"})
    assert (named(FIRST, ONE_HOT) if parent is Preference else named(FIRST)).state() is not None


# -- refusals ----------------------------------------------------------------------------------------------------------

TASTE = Preference([0.6, 0.8], [[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Drift(1.5), ValueError, r"Drift\(beta\) must be one number between 0 .* and 1 .*, got 1.5"),
        (lambda: Drift(-0.1), ValueError, r"Drift\(beta\) must be one number between 0"),
        (lambda: Drift([0.1]), ValueError, r"Drift\(beta\) must be one number"),
        (lambda: Drift(math.nan), ValueError, r"Drift\(beta\) must be finite numbers, got nan"),
        (lambda: Habit(cast(Any, 3)), TypeError, r"Habit\(function\) must be a function \(w, seen\) -> w, got 3"),
        (
            lambda: Preference([1.0], [[1.0], [0.5]]),
            ValueError,
            r"rows of norm 1, but row 1 has norm 0.5 \(1 of 2.*divide",
        ),
        (lambda: Preference([1.0, 0.0], [[1.0]]), ValueError, r"matrix \[symbols, 2\].*got shape \(1, 1\)"),
        (lambda: Preference([math.nan], [[1.0]]), ValueError, r"Preference\(weights\) must be finite numbers"),
        (lambda: Preference([1.0], [[math.inf]]), ValueError, r"Preference\(features\) must be finite numbers"),
        (lambda: Preference([[1.0]], [[1.0]]), ValueError, r"one number for each feature, got shape \(1, 1\)"),
        (lambda: Preference([1.0], None), TypeError, r"of vectors themselves use Linear\(direction\)"),
        (lambda: Users(TASTE, cast(Any, None)), TypeError, r"need a curator such as Luce\(4\), got None"),
        (lambda: Users(None, Shift([1.0]), Drift(0.1)), ValueError, r"users who learn by Drift\(0.1\) need a reward"),
        (lambda: Users(TASTE, Luce(2), 0.1), TypeError, r"Users\(learn\) is a learner such as Drift\(0.1\).*, got 0.1"),
        (
            lambda: Users(Quadratic([1.0], 1.0), Luce(2), Drift(0.1)),
            TypeError,
            r"by Drift\(0.1\) need a taste that can move, and the reward Quadratic\(.*use Linear\(direction\)",
        ),
        (
            lambda: Users(as_reward(len), Luce(2), Habit(bored)),
            TypeError,
            r"by Habit\(bored\) need .* the reward len has no",
        ),
        (lambda: Users(OfPairs(cast(Any, len)), Luce(2), Drift(0.1)), TypeError, "need a taste that can move"),
        (
            lambda: Users(Linear([3.0, 4.0]), Luce(2), Drift(0.1)),
            ValueError,
            r"in the unit ball, and the reward Linear\(\[3, 4\]\) has norm 5; divide it .* temperature as well",
        ),
        (
            lambda: Users(Linear([1.0]), learn=Drift(0.1)).look(OfSamples(torch.zeros(4, 2))),
            ValueError,
            r"Drift\(0.1\): the reward Linear\(\[1\]\) has 1 weights, and what its users saw has 2 features",
        ),
        (
            lambda: Users(TASTE, learn=Drift(0.1)).look(OfLaw(finite(0.5, 0.5))),
            ValueError,
            "features have 3 rows, and what users saw has 2 symbols",
        ),
        (
            lambda: Users(TASTE, learn=Drift(0.1)).look(OfSamples(torch.zeros(4, 2))),
            TypeError,
            "a matrix of features has a row for each symbol, what users saw are samples of type torch.float32",
        ),
        (
            lambda: Users(TASTE, learn=Drift(0.1)).look(OfSamples(torch.zeros(4, 2, dtype=torch.int64), 1)),
            ValueError,
            r"users of batch \(\) cannot look at what a batch \(4,\) makes",
        ),
        (
            lambda: Users(TASTE, learn=Habit(lambda w, seen: w[:1])).look(OfLaw(finite(0.5, 0.3, 0.2))),
            ValueError,
            r"Habit\(<lambda>\) must return a tensor of the shape of its state, \(2,\), got shape \(1,\)",
        ),
        (lambda: TASTE(torch.zeros(3)), TypeError, "a row of features for each symbol, these are vectors"),
        (
            lambda: Preference([1.0], lambda x: x)(torch.zeros(4, 2)),
            ValueError,
            r"has 1 weights, and its features have shape \(4, 2\) for samples of shape \(4, 2\)",
        ),
        (
            lambda: OfSamples(torch.zeros(4, 2)).mean(cast(Any, len)),
            ValueError,
            r"len must return a row .* for each of 4 samples.*got 4",
        ),
        (
            lambda: Preference([1.0], torch.sin).expect(Moments(torch.zeros(1), None)),
            NoPopulationLaw,
            "1 features of sin",
        ),
    ],
)
def test_refusals(make: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()
