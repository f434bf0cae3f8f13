"""Families of one's own: whatever a subclass overrides is what the engine does, or it is refused by name."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from ecosystem import (
    Categorical,
    ConditionalModel,
    Flow,
    Gaussian,
    GaussianMixture,
    GenerativeModel,
    Linear,
    Location,
    Member,
    NoPopulationLaw,
    Pairs,
    Scenario,
    Stream,
    Tabular,
    Training,
)
from ecosystem.core.claims import Claims
from ecosystem.core.laws import Normal
from ecosystem.generators.sources import Empirical

RNG = Stream.root([(0, 0)])[0]


class Skewed(Location):
    """Exponential noise: mean 0, variance 1, skewness 2."""

    def push(self, noise):
        return self.mean + self.scale.unsqueeze(-1) * (-torch.log(torch.special.ndtr(noise)) - 1)


def alone(family, samples: int | None, rounds: int = 1) -> Scenario:
    s = Scenario("alone", rounds=rounds, samples=samples)
    s.add("a", Member(family, reward=Linear([1.0])))
    s.connect("a", "a", Flow(raw=1.0))
    return s


def test_a_push_of_ones_own_is_not_passed_over() -> None:
    """It was: the mean of 4 samples came from a normal law, skewness 0. It is Gamma(4): skewness ``2/√4 = 1``."""
    mean = alone(Skewed([0.0], 1.0), 4).run(replicates=20_000).parameters["a"]["mean"]
    z = (mean - mean.mean()) / mean.std()
    assert float((z**3).mean()) == pytest.approx(1.0, abs=0.15)
    assert float(mean.var()) == pytest.approx(0.25, rel=0.05)


def test_what_a_subclass_changes_is_what_happens() -> None:
    """One member, one round of 3 samples of its own: the mean of what its own methods make, by hand."""

    class Louder(Location):  # noise
        def noise(self, n, rng):
            return 3 * super().noise(n, rng)

    class Moved(Location):  # push, by way of the parent's
        def push(self, noise):
            return super().push(noise) + 5

    class Placed(Location):  # push_from
        def push_from(self, noise, index):
            return super().push_from(noise, index) + 7

    class Wider(Location):  # law
        def law(self):
            return Normal(self.mean + 2, scale=2 * self.scale)

    class Middle(Location):  # statistic
        def statistic(self, data):
            return data.median(-2).values

    ends = {}
    for family in (Location, Louder, Moved, Placed, Wider, Middle):
        assert family.exact_mean == (family is Location)
        s = alone(family([1.0], 0.5), 3)
        data = family([1.0], 0.5).sample(4, RNG)
        assert torch.equal(data[:3], family([1.0], 0.5).sample(3, RNG))
        ends[family.__name__] = float(s.run().parameters["a"]["mean"])
    plain = ends["Middle"]  # of the same samples
    lift = {name: value - 1 for name, value in ends.items()}
    assert lift["Moved"] == pytest.approx(lift["Placed"] - 2) and lift["Moved"] > 3
    assert lift["Louder"] == pytest.approx(3 * (lift["Moved"] - 5)) == pytest.approx(1.5 * (lift["Wider"] - 2))
    assert plain != pytest.approx(1 + lift["Moved"] - 5)  # three numbers: their median is not their mean


@pytest.mark.parametrize("family", [Location([1.0], 0.5), Gaussian([1.0], [[0.25]])])
@pytest.mark.parametrize("method", ["push", "push_from"])
def test_a_parents_law_is_not_the_childs(family, method: str) -> None:
    """Samples changed, law not: on the population it is refused, with samples it is drawn as it says."""

    def changed(self, noise, *index):
        return getattr(kind, method)(self, noise, *index) + 100

    kind = type(family)
    child = type("Child", (kind,), {method: changed})
    own = child(family.mean, *list(family.tensors().values())[1:])
    assert float(own.sample(5, RNG).min()) > 50
    with pytest.raises(NoPopulationLaw, match="Child has no population law"):
        own.law()
    with pytest.raises(NoPopulationLaw, match="Child has no population law; run it with finite samples"):
        alone(own, None).run()
    assert float(alone(own, 20).run().parameters["a"]["mean"]) > 50
    again = type("Again", (child,), {"law": kind.law})  # says its law itself
    assert torch.equal(again(family.mean, *list(family.tensors().values())[1:]).law().mean, family.mean)


def test_samples_follow_a_law_of_ones_own() -> None:
    class Shy(Gaussian):
        def law(self):
            return Normal(self.mean, 0.0 * self.covariance + 1e-12)

    x = Shy([3.0], [[4.0]]).sample(50, RNG)
    assert float((x - 3).abs().max()) < 1e-4

    class Pair(Categorical):  # only its first two symbols are ever written
        def push(self, noise):
            return super().push(noise).clamp(max=1)

    s = Scenario("pair", rounds=1, samples=40)
    s.add("a", Member(Pair([0.0, 0.0, 1.0]), reward=Tabular([0.0, 1.0, 2.0])))
    s.connect("a", "a", Flow(raw=1.0))
    assert s.run().parameters["a"]["probabilities"].flatten().tolist() == [0.0, 1.0, 0.0]
    with pytest.raises(NoPopulationLaw, match="Pair has no population law"):
        s.replace(samples=None).run()


def test_a_statistic_of_ones_own_has_no_parents_expectation() -> None:
    class Robust(Location):
        def statistic(self, data):
            return data.median(-2).values

    with pytest.raises(NoPopulationLaw, match="the fit of Robust has no population law"):
        alone(Robust([0.0]), None).run()


@pytest.mark.parametrize("family", [Location, Gaussian, Categorical, GaussianMixture, Empirical])
@pytest.mark.parametrize(("method", "instead"), [("sample", "noise or push or push_from"), ("fit", "refit or stat")])
def test_what_the_engine_does_not_call_is_refused_alone(family, method: str, instead: str) -> None:
    with pytest.raises(TypeError, match=rf"Own overrides {method}\(\), which the engine does not call.*{instead}"):
        type("Own", (family,), {method: lambda self, *_: None})


def test_a_family_of_ones_own_may_draw_its_mean_directly() -> None:
    """A law with a full, fixed covariance: the mean of ``n`` samples has ``Σ/n`` (within 5 standard errors)."""
    factor = torch.tensor([[1.0, 0.0], [0.8, 0.6]]).double()

    class Tilted(Location):
        exact_mean = True

        def law(self):
            return Normal(self.mean, factor=lambda: factor.expand(*self.mean.shape, 2))

        def statistic_of(self, law):
            return law.mean  # type: ignore

    s = Scenario("tilted", rounds=1, samples=5)
    s.add("a", Member(Tilted([0.0, 0.0]), reward=Linear([1.0, 0.0])))
    s.connect("a", "a", Flow(raw=1.0))
    n = 20_000
    x = s.run(replicates=n).parameters["a"]["mean"].reshape(-1, 2)
    assert (torch.cov(x.T) - factor @ factor.T / 5).abs().max() < 5 * 0.2 * math.sqrt(2 / n)

    class Wrong(Skewed):
        exact_mean = True

        def law(self):
            return Categorical([1.0]).law()

    with pytest.raises((TypeError, ValueError), match="Wrong"):
        alone(Wrong([0.0]), 3).run()


def test_an_alphabet_of_ones_own_is_checked() -> None:
    class Letters(Categorical):
        pass

    s = Scenario("letters", rounds=1)
    with pytest.raises(ValueError, match="3 values for 2 symbols"):
        s.add("a", Member(Letters([0.5, 0.5]), reward=Tabular([0.0, 1.0, 2.0])))


# -- claims ------------------------------------------------------------------------------------------------------------


class Part(Claims):
    RESTS: ClassVar = {"quick": ("work", "rest"), "rest": ("work",)}
    quick = False

    def work(self) -> str:
        return "contract"

    def rest(self) -> str:
        return "contract"


class Built(Part):
    quick = True

    def work(self) -> str:
        return "built in"

    def rest(self) -> str:
        return "built in"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sets(st.sampled_from(["work", "rest", "quick", "other"])), min_size=1, max_size=4))
def test_a_yes_holds_as_long_as_what_it_rests_on(levels: list[set[str]]) -> None:
    """Any chain of subclasses: the answer is the last one given, unless something it rests on came later."""
    kind, yes, rest = Built, True, "built in"
    for level in levels:
        body = {name: (lambda self: "own") for name in level & {"work", "rest", "other"}}
        kind = type("Own", (kind,), {**body, **({"quick": True} if "quick" in level else {})})
        yes = "quick" in level or (yes and not level & {"work", "rest"})
        rest = "own" if "rest" in level else "contract" if "work" in level else rest
        assert kind.quick == yes and kind().rest() == rest


def test_a_mixin_overrides_too() -> None:
    class Mixin:
        def work(self) -> str:
            return "mixed in"

    class Own(Mixin, Built):
        pass

    assert not Own.quick and Own().work() == "mixed in"


def test_a_field_that_hides_a_method_of_the_contract_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Own has a field 'rest', and rest\(\) is a method of its contract"):

        class Own(Part):
            rest: int


# -- what is asked of a model of one's own -----------------------------------------------------------------------------


def _mine(**methods: Any) -> GenerativeModel:
    """A model of one's own with some methods in place of those that fit."""

    class Mine(GenerativeModel):
        event_shape = ()
        training_plan = Training(steps=1, batch_size=2)

        def __init__(self) -> None:
            super().__init__()
            self.mean = nn.Parameter(torch.zeros(()))

        def sample(self, n: int, rng: Stream) -> Tensor:
            return self.mean + rng.normal(n)

        def loss(self, batch: Tensor, rng: Stream) -> Tensor:
            return (batch - self.mean).square().mean()

    return type("Mine", (Mine,), methods)()


def _run(model: GenerativeModel) -> None:
    s = Scenario("mine", rounds=1, samples=4)
    s.add("a", Member(model, real=torch.zeros(4)))
    s.run()


@pytest.mark.parametrize(
    ("methods", "said"),
    [
        (
            {"sample": lambda self, n: n},
            r"Mine.sample is called as sample\(n, rng\), and is written as sample\(n\); let",
        ),
        ({"sample": lambda self, n, *, rng: n}, r"and is written as sample\(n, \*, rng\); let it take n, rng by place"),
        ({"loss": lambda self, x: x}, r"Mine.loss is called as loss\(batch, rng\), and is written as loss\(x\)"),
        ({"loss": lambda self, x, rng, w: x}, r"loss\(batch, rng\), and is written as loss\(x, rng, w\)"),
        ({"fit": lambda self, data: None}, r"Mine.fit is called as fit\(data, rng\), and is written as fit\(data\)"),
        ({"fit": 3}, r"Mine.fit is a method fit\(data, rng\), got 3"),
        ({"__init__": lambda self: None}, r"a Mine whose __init__ does not begin with super\(\).__init__\(\)"),
    ],
)
def test_methods_that_cannot_be_called_are_refused_by_name(methods: dict[str, Any], said: str) -> None:
    """Errors of Python's counted arguments with self, and those of loss and fit came in the first round."""
    with pytest.raises(TypeError, match=said):
        Scenario("mine", rounds=1, samples=4).add("a", Member(_mine(**methods), real=torch.zeros(4)))


def test_answers_that_are_written_otherwise_are_refused_by_name() -> None:
    class Answers(ConditionalModel):
        event_shape = input_shape = ()

        def respond(self, inputs: Tensor) -> Tensor:  # type: ignore[override]
            return inputs

    with pytest.raises(
        TypeError, match=r"Answers.respond is called as respond\(inputs, rng\), and is written as respond"
    ):
        Scenario("mine", rounds=1, samples=4).add("a", Member(Answers(), real=Pairs(torch.zeros(4), torch.zeros(4))))


def test_methods_that_can_be_called_are_taken_as_they_are() -> None:
    """Other names, more arguments with defaults, and a loss for a fit of one's own alone."""
    _run(_mine(sample=lambda self, count, luck, scale=1.0: luck.normal(count)))
    _run(_mine(fit=lambda self, *given: None, loss=lambda self: 0.0))
    _run(_mine(fit=lambda self, data, rng: data.mean()))


@pytest.mark.parametrize(
    ("methods", "said"),
    [
        (
            {"loss": lambda self, x, rng: (x - self.mean).square()},
            r"loss\(batch, rng\) must return a scalar .*shape \(2,\)$",
        ),
        ({"loss": lambda self, x, rng: x.mean()}, r"must return a scalar .* shape \(\) without a gradient"),
        ({"loss": lambda self, x, rng: 0.5}, r"Mine.loss\(batch, rng\) must return a scalar tensor .* got 0.5"),
        (
            {"fit": lambda self, data, rng: {}},
            r"Mine.fit\(data, rng\) must return its loss, one number, or None, got \{\}",
        ),
        ({"fit": lambda self, data, rng: data}, r"Mine.fit\(data, rng\) must return its loss, .* got tensor"),
    ],
)
def test_losses_are_numbers(methods: dict[str, Any], said: str) -> None:
    """What torch and Python said of them did not name the method."""
    with pytest.raises(RuntimeError, match=f"member 'a' failed to train in round 1: .*{said}"):
        _run(_mine(**methods))


def test_modules_and_classes_say_what_to_give_instead() -> None:
    """They were no GenerativeModel, and nothing said what one is."""
    given: list[tuple[Any, str]] = [
        (
            nn.Linear(2, 2),
            r"got Linear\(.*\); derive its class from ecosystem.generators.GenerativeModel .* sample\(n, rng",
        ),
        (Location, r"got <class .*; give a model, Location\(...\), not its class"),
        (3, "must be a GenerativeModel, got 3$"),
    ]
    for generator, said in given:
        with pytest.raises(TypeError, match=said):
            Member(generator)
