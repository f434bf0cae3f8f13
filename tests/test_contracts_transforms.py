"""Transforms of one's own: what they say of themselves is used and tried, what they do not say is not guessed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ecosystem import Categorical, Flow, Gaussian, Linear, LinearMap, Location, Member, NoPopulationLaw, Scenario, Shift
from ecosystem.core.laws import Finite, Normal
from ecosystem.influence import influence, stability
from ecosystem.transforms import Transform, as_transform
from tests.drawn import normals


class Turn(Transform):
    """A quarter turn and a step to the side; it has numbers of its own and knows nothing of batches."""

    def __init__(self, by: float = 0.25) -> None:
        self.by = by

    def __call__(self, x: Tensor) -> Tensor:
        return torch.stack([-x[..., 1], x[..., 0]], -1) * 0.8 + self.by

    def linear(self) -> Any:
        matrix = torch.tensor([[0.0, -0.8], [0.8, 0.0]], dtype=torch.float64)
        return matrix, torch.full((2,), self.by, dtype=torch.float64)


class Quiet(Turn):
    """The same, and says nothing."""

    def __call__(self, x: Tensor) -> Tensor:
        return super().__call__(x)


def ring(transform: Any, samples: int | None = None, family=Location, members: int = 3) -> Scenario:
    s = Scenario("ring", rounds=3, samples=samples)
    for i in range(members):
        spread = 0.5 if family is Location else [[0.3, 0.1], [0.1, 0.2]]
        member = Member(
            family([i, 1.0], spread),
            reward=Linear([1.0, 0.5]),
            real=Location([0.0, 1.0]),
            curator=Shift([0.3, 0.1]),  # type: ignore
        )
        s.add(f"m{i}", member)
    for i in range(members):
        s.connect(f"m{i}", f"m{(i + 1) % members}", Flow(raw=0.3, curated=0.3, transform=transform(i)))
    return s


def ends(s: Scenario) -> Tensor:
    run = s.run(replicates=4 if s.samples else 1)
    return torch.cat([t.flatten() for name in s.names for t in run.parameters[name].values()])


def twin(i: int) -> LinearMap:
    return LinearMap([[0.0, -0.8], [0.8, 0.0]], [i / 10, i / 10])


@pytest.mark.parametrize("family", [Location, Gaussian])
@pytest.mark.parametrize("samples", [None, 12])
def test_a_linear_transform_of_ones_own_is_the_built_in_one(family, samples: int | None) -> None:
    """On the population, with samples, and where their mean is drawn directly."""
    own, built_in = (ring(make, samples, family) for make in (lambda i: Turn(i / 10), twin))
    torch.testing.assert_close(ends(own), ends(built_in), rtol=1e-12, atol=1e-12)


def test_analyses_know_it_too() -> None:
    own, built_in = ring(lambda i: Turn(i / 10)), ring(twin)
    assert stability(own).radius == pytest.approx(stability(built_in).radius, rel=1e-12)
    a, b = influence(own).matrix, influence(built_in).matrix
    torch.testing.assert_close(torch.tensor(a.to_numpy()), torch.tensor(b.to_numpy()), rtol=1e-10, atol=1e-12)


def test_what_is_not_said_is_not_guessed() -> None:
    """A child with a map of its own is a function like any other: samples through it, no law."""
    quiet, plain = as_transform(Quiet(0.1)), as_transform(lambda x: Turn(0.1)(x))
    assert quiet.linear() is None and plain.linear() is None
    one, other = (ends(ring(lambda i, t=t: t, 12)) for t in (Quiet(0.1), lambda x: Turn(0.1)(x)))
    assert torch.equal(one, other)
    with pytest.raises(NoPopulationLaw, match="the transform Quiet has no population law"):
        ring(lambda i: Quiet(0.1)).run()


def test_a_child_of_the_built_in_is_not_passed_over() -> None:
    class Bent(LinearMap):
        def __call__(self, x: Tensor) -> Tensor:
            return super().__call__(x).abs()

    x = normals(0, 6, 2)
    bent = as_transform(Bent([[1.0, 0.0], [0.0, 1.0]]))
    assert torch.equal(bent(x), x.abs()) and bent.linear() is None
    s = ring(lambda i: Bent([[-1.0, 0.0], [0.0, -1.0]]), 5)
    assert torch.equal(ends(s), ends(ring(lambda i: lambda x: x.abs(), 5)))
    with pytest.raises(NoPopulationLaw, match="the transform LinearMap"):
        ring(lambda i: Bent([[1.0, 0.0], [0.0, 1.0]])).run()

    class Known(Bent):  # says its law
        def law(self, law):
            return Normal(law.mean.abs(), scale=torch.full(law.mean.shape[:-1], 0.1).double())  # type: ignore

    torch.testing.assert_close(
        ends(ring(lambda i: Known([[-1.0, 0.0], [0.0, -1.0]])))[:2],
        ends(ring(lambda i: LinearMap([[1.0, 0.0], [0.0, 1.0]])))[:2],
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 3), st.integers(1, 3), st.sampled_from([(), (2,), (2, 3)]))
def test_the_law_of_a_linear_one_has_any_batch(seed: int, d: int, e: int, batch: tuple) -> None:
    matrix, offset = normals(seed, e, d), normals(seed + 1, e)

    class Own(Transform):
        def __call__(self, x):
            return x @ matrix.T + offset

        def linear(self):
            return matrix, offset

    law = Normal(normals(seed + 2, *batch, d), scale=torch.ones(batch).double())
    image = as_transform(Own()).law(law)
    torch.testing.assert_close(image.mean, law.mean @ matrix.T + offset)  # type: ignore[union-attr]
    torch.testing.assert_close(image.covariance, (matrix @ matrix.T).expand(*batch, e, e))  # type: ignore[union-attr]


def test_symbols_need_nothing_said() -> None:
    class Swap(Transform):
        def __call__(self, x):
            return 1 - x

    image = as_transform(Swap()).law(Categorical([0.9, 0.1]).law())
    assert isinstance(image, Finite) and image.probabilities.tolist() == [0.1, 0.9]


@pytest.mark.parametrize(
    ("linear", "message"),
    [
        (lambda: (torch.eye(2).double(), torch.ones(2).double()), "flow 'm0' → 'm1': Lie.*says another map than"),
        (lambda: (torch.eye(2), torch.zeros(3)), r"flow 'm0' → 'm1': Lie.*matrix \[out, in\] and an offset \[out\]"),
        (lambda: (torch.eye(3), torch.zeros(3)), "flow 'm0' → 'm1': .*"),
    ],
)
def test_what_is_said_is_tried(linear, message: str) -> None:
    class Lie(Turn):
        pass

    Lie.linear = lambda self: linear()  # type: ignore[method-assign]
    with pytest.raises(ValueError, match=message):
        ring(lambda i: Lie())
