"""Curators of one's own: slower or refused by name where they do not say what they are, never silently wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ecosystem import (
    BestOf,
    Blind,
    Categorical,
    Crowd,
    Curator,
    Flow,
    GenerativeModel,
    Linear,
    LinearMap,
    Location,
    Luce,
    Member,
    NoPopulationLaw,
    Quadratic,
    Record,
    Scenario,
    Shift,
    Tabular,
    Tilt,
    TopFraction,
    Users,
)
from ecosystem.core.laws import Finite, Moments
from ecosystem.engine import sampling
from ecosystem.rewards import as_numbers, negated
from tests.drawn import normals

BUILT_IN = [Luce(2), BestOf(2), TopFraction(0.5), Tilt(), Shift([1.0]), Blind(), Crowd.noisy(Luce(2), 0.1)]


def pair(curator: Curator, samples: int | None = 40, family=Location, **flow: Any) -> Scenario:
    """``b`` reads what the users of ``a`` keep."""
    s = Scenario("pair", rounds=2, samples=samples)
    for name, mean in (("a", 0.0), ("b", 1.0)):
        s.add(name, Member(family([mean]), reward=Linear([1.0]), curator=curator))
    s.connect("a", "b", Flow(curated=1.0, **flow))
    s.connect("b", "a", Flow(raw=0.5, curated=0.5, **flow))
    return s


def end(s: Scenario, replicates: int = 3) -> Tensor:
    parameters = s.run(replicates=replicates if s.samples else 1).parameters
    return torch.stack([parameters[name]["mean"] for name in "ab"])


class Quota(TopFraction):
    """The built-in quota as a curator of one's own: it says nothing of itself."""

    def curate(self, slate, reward, rng):
        return super().curate(slate, reward, rng)


@dataclass(frozen=True, eq=False)
class Fashion(Curator):
    """Everything moves to the middle of all that is shown: it does not even ask which pool a sample belongs to."""

    def curate(self, slate, reward, rng):
        x = slate.candidate(0)
        return x + x.mean(0)


@dataclass(frozen=True, eq=False)
class Pooled(Curator):
    """The same with the pools looked up, and so said."""

    pools = True

    def curate(self, slate, reward, rng):
        x, pool = slate.candidate(0), torch.unique(slate.pool(), return_inverse=True)[1]
        middle = x.new_zeros(int(pool.max()) + 1, x.shape[1]).index_add_(0, pool, x)
        return x + (middle / torch.bincount(pool).unsqueeze(-1))[pool]


@pytest.mark.parametrize("curator", [Quota(0.3), Fashion(), Pooled(), Crowd((Quota(0.3), Luce(2)))], ids=repr)
@pytest.mark.parametrize("chosen_by", ["producer", "consumer"])
def test_who_looks_at_the_pool_sees_it_whole(curator: Curator, chosen_by: str, monkeypatch) -> None:
    """It saw as much of it as fitted the engine's block."""
    s = pair(curator, chosen_by=chosen_by, transform=LinearMap([[0.9]]))
    whole = end(s)
    for name in ("_BLOCK", "_SAMPLES"):
        monkeypatch.setattr(sampling, name, 8)
    assert torch.equal(end(s), whole)
    same = {"Quota": TopFraction(0.3), "Fashion": Pooled()}.get(type(curator).__name__)
    if same is not None:
        torch.testing.assert_close(end(pair(same, chosen_by=chosen_by, transform=LinearMap([[0.9]]))), whole)


def test_other_flows_and_replicates_are_no_part_of_a_pool() -> None:
    """A replicate alone, and members beside others, are chosen for as in company."""
    many, one = end(pair(Fashion())), end(pair(Fashion()), replicates=1)
    assert torch.equal(many[:, :1], one)
    s = pair(Fashion())
    s.add("c", Member(Location([9.0])))
    s.connect("b", "c", Flow(curated=1.0))
    assert torch.equal(end(s), many)


@dataclass(frozen=True, eq=False)
class Alone(Curator):
    """Says that it looks at each sample alone."""

    pools = False
    needs_reward = False

    def curate(self, slate, reward, rng):
        return slate.candidate(1)


def test_pools_are_said_by_parts() -> None:
    said = {type(c).__name__: c.pools for c in BUILT_IN}
    assert said.pop("TopFraction") is True and set(said.values()) == {False}
    assert Crowd((TopFraction(0.5), Luce(2))).pools is True and Crowd((Alone(), Luce(2))).pools is False
    assert Crowd((TopFraction(0.5), Fashion())).pools is None and Quota(0.5).pools is None


@pytest.mark.parametrize("curator", BUILT_IN, ids=repr)
def test_a_choice_of_ones_own_keeps_nothing_its_parent_said(curator: Curator) -> None:
    """A subclass of each built-in that overrides ``curate``: no short way passes it over, no law of another's."""
    kind = type(curator)

    def curate(self, slate, reward, rng):
        return slate.candidate(0) + 100 + 0 * rng.uniform(1)

    own = object.__new__(type("Own", (kind,), {"curate": curate}))
    own.__dict__.update(vars(curator))
    contract = (Curator.pools, Curator.chooses, Curator.needs_law, Curator.needs_reward, Curator.blind)
    assert (own.pools, own.chooses, own.needs_law, own.needs_reward, own.blind) == contract
    assert own.shift() is None
    assert float(end(pair(own))[1].min()) > 90
    with pytest.raises(NoPopulationLaw, match=r"the curator .* has no population law"):
        pair(own, None).run()


@pytest.mark.parametrize("curator", [*BUILT_IN[:3], *BUILT_IN[4:]], ids=repr)
def test_a_law_of_ones_own_has_no_parents_choice(curator: Curator) -> None:
    kind = type(curator)

    def law(self, law, reward=None, memo=None):
        return law.shift(torch.tensor([100.0]))

    own = object.__new__(type("Own", (kind,), {"law": law}))
    own.__dict__.update(vars(curator))
    assert float(end(pair(own, None))[1]) > 90 and own.shift() is None
    with pytest.raises(NotImplementedError, match=r"Own has no method curate\(slate, reward, rng\) that goes with"):
        pair(own).run()


def test_a_tilt_draws_from_whatever_its_law_is() -> None:
    class Strong(Tilt):
        def law(self, law, reward=None, memo=None):
            return law.shift(torch.tensor([100.0]))  # type: ignore

    assert float(end(pair(Strong()))[1].min()) > 90


# -- a law that is needed ----------------------------------------------------------------------------------------------


class Neural(GenerativeModel):
    """A model without a closed form."""

    event_shape = (1,)

    def __init__(self, mean=(0.0,)) -> None:
        super().__init__()
        self.mean = torch.nn.Parameter(torch.tensor(mean))

    def sample(self, n, rng):
        return self.mean.detach() + rng.normal(n, 1)

    def fit(self, data, rng):
        self.mean.data = data.mean(0).float()


@dataclass(frozen=True, eq=False)
class Typical(Curator):
    """Keeps what lies nearest to the mean of its producer's law."""

    needs_reward = False

    def curate(self, slate, reward, rng):
        return slate.law().mean  # type: ignore


@dataclass(frozen=True, eq=False)
class Frank(Typical):
    needs_law = True


def test_who_asks_a_neural_model_for_its_law_is_refused_by_name() -> None:
    """It was a bare ``AssertionError``; now at construction where the curator says it, else in the run."""
    message = r"Typical\(\) needs the law of what 'b' makes, and Neural has none in closed form; let it choose among"
    s = Scenario("neural", rounds=1, samples=4)
    s.add("a", Member(Location([0.0]), curator=Typical()))
    s.add("b", Member(Neural(), curator=Typical()))
    s.connect("a", "b", Flow(curated=1.0))
    s.connect("b", "a", Flow(curated=1.0))
    with pytest.raises(ValueError, match=message):
        s.run()
    early = Scenario("neural", rounds=1, samples=4)
    early.add("a", Member(Neural(), curator=Crowd((Blind(), Frank()))))
    with pytest.raises(ValueError, match=r"flow 'a' → 'a': Crowd.* needs the law of what 'a' makes, and Neural"):
        early.connect("a", "a", Flow(curated=1.0))
    closed = Scenario("closed", rounds=1, samples=4)
    closed.add("a", Member(Location([3.0]), curator=Frank()))
    closed.connect("a", "a", Flow(curated=1.0))
    assert float(closed.run().parameters["a"]["mean"]) == pytest.approx(3.0)


# -- a shift -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Nudge(Curator):
    """The built-in shift, as a curator of one's own, with a number of its own or one for all."""

    by: Tensor
    fixed: bool = False
    needs_reward = False

    def shift(self):
        return torch.tensor([0.7], dtype=torch.float64) if self.fixed else self.by

    def curate(self, slate, reward, rng):
        return slate.candidate(0) + self.shift()


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("samples", [None, 30])
@pytest.mark.parametrize("chosen_by", ["producer", "consumer"])
def test_a_shift_of_ones_own_is_the_built_in_one(fixed: bool, samples: int | None, chosen_by: str) -> None:
    """By its vector alone it has its law and takes every short way: equal to the bit."""
    settings: dict[str, Any] = {"chosen_by": chosen_by, "transform": LinearMap([[0.9]], [0.1])}
    own = end(pair(Nudge(as_numbers([0.7], "by"), fixed), samples, **settings))
    assert torch.equal(own, end(pair(Shift([0.7]), samples, **settings)))


def test_a_shift_of_ones_own_is_checked() -> None:
    with pytest.raises(ValueError, match=r"flow 'a' → 'b': its users shift by a vector of shape \(2,\)"):
        pair(Nudge(as_numbers([0.7, 0.1], "by")))
    s = Scenario("symbols", rounds=1)
    s.add("a", Member(Categorical([0.5, 0.5]), reward=Tabular([0.0, 1.0]), curator=Nudge(as_numbers([1.0], "by"))))
    with pytest.raises(TypeError, match="Nudge moves vectors, this flow carries symbols"):
        s.connect("a", "a", Flow(curated=1.0))


def test_the_choices_of_users_of_ones_own_are_kept() -> None:
    s = Scenario("own", rounds=1, samples=20)
    s.add("a", Member(Location([0.0])))
    s.connect("a", "a", Flow(curated=1.0, chosen_by=Users(Linear([1.0]), Quota(0.25))))
    run = s.run(record=Record(choices=True))
    assert (run.choices["after"] >= run.choices["before"]).all()


# -- one of the hooks --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Upper(Curator):
    """Keeps what lies above the mean of a normal law: it knows that much, and no more."""

    def on_normal(self, scale):
        mean = torch.full_like(scale, (2 / torch.pi) ** 0.5)
        return mean, 1 - mean**2


def test_who_knows_normal_laws_only_says_only_that() -> None:
    """Linear rewards on normal laws: the half-normal ``√(2/π)``, which is ``TopFraction(0.5)``; all else by name."""
    torch.testing.assert_close(end(pair(Upper(), None)), end(pair(TopFraction(0.5), None)), rtol=1e-12, atol=1e-12)
    s = Scenario("symbols", rounds=1)
    s.add("a", Member(Categorical([0.5, 0.5]), reward=Tabular([0.0, 1.0]), curator=Upper()))
    s.connect("a", "a", Flow(curated=1.0))
    with pytest.raises(NoPopulationLaw, match=r"flow 'a' → 'a': the curator Upper\(\) has no population law"):
        s.run()
    with pytest.raises(NoPopulationLaw, match=r"Upper\(\) with the reward Quadratic.* on a Normal law"):
        Upper().law(Location([0.0]).law(), Quadratic([1.0], 0.5))
    with pytest.raises(NoPopulationLaw, match=r"Upper\(\) with the reward Linear.* on a Moments law"):
        Upper().law(Moments(torch.zeros(1), torch.eye(1)), Linear([1.0]))
    with pytest.raises(NotImplementedError, match=r"Upper has no method curate"):
        pair(Upper()).run()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([(), (2,), (2, 3)]))
def test_who_knows_symbols_only(seed: int, batch: tuple) -> None:
    """``p e^r`` normalised, as a hook: the built-in tilt, on any batch."""

    @dataclass(frozen=True, eq=False)
    class Soft(Curator):
        def on_finite(self, p, rewards, memo):
            odds = p * rewards.exp()
            return odds / odds.sum(-1, keepdim=True)

    law, taste = Finite(torch.softmax(normals(seed, *batch, 4), -1)), Tabular(normals(seed + 1, 4))
    own, built_in = (curator.law(law, taste) for curator in (Soft(), Tilt()))
    torch.testing.assert_close(own.probabilities, built_in.probabilities)  # type: ignore[union-attr]
    crowd = Crowd((Soft(), Blind()), weights=[0.25, 0.75]).law(law, taste)
    mixed = 0.25 * own.probabilities + 0.75 * law.probabilities  # type: ignore[union-attr]
    torch.testing.assert_close(crowd.probabilities, mixed)  # type: ignore[union-attr]


@pytest.mark.parametrize("curator", BUILT_IN, ids=repr)
def test_a_hook_of_ones_own_is_not_passed_over(curator: Curator) -> None:
    """A child of each built-in that knows another law: it is the one that counts, and samples do not contradict it."""
    kind = type(curator)
    own = object.__new__(type("Own", (kind,), {"on_normal": lambda self, scale: (0 * scale + 50, 0 * scale + 1)}))
    own.__dict__.update(vars(curator))
    law = own.law(Location([1.0], 2.0).law(), Linear([1.0]))
    assert float(law.mean) == pytest.approx(101.0)  # type: ignore[union-attr]
    if kind is not Tilt:
        with pytest.raises(NotImplementedError, match="Own has no method curate"):
            pair(own).run()


def test_a_taste_of_ones_own_is_not_its_parents() -> None:
    """A child of a linear reward that judges otherwise: no law of its parent's, and its opposite is its opposite."""

    class Bent(Linear):
        def __call__(self, x):
            return super().__call__(x).abs()

    bent = Bent([1.0])
    for ask in (lambda: Luce(2).law(Location([0.0]).law(), bent), lambda: bent.expect(Location([0.0]).law())):
        with pytest.raises(NoPopulationLaw):
            ask()
    x = torch.tensor([[-2.0], [3.0]]).double()
    assert negated(bent)(x).tolist() == [-2.0, -3.0]
