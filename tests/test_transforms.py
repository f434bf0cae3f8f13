"""Transforms: samples and laws go through them alike."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecosystem import Categorical, Gaussian, LinearMap, Location, NoPopulationLaw, Stream
from ecosystem.core.laws import Finite, Moments, Normal
from ecosystem.core.stacking import stack
from ecosystem.transforms import CustomMap, as_transform
from tests.drawn import normals


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    d=st.integers(1, 5),
    e=st.integers(1, 5),
    batch=st.sampled_from([(), (4,), (2, 3)]),
    offset=st.booleans(),
)
def test_a_linear_map(seed: int, d: int, e: int, batch: tuple, offset: bool) -> None:
    matrix, x = normals(seed, e, d), normals(seed + 1, *batch, d)
    b = normals(seed + 2, e) if offset else None
    y = LinearMap(matrix, b)(x)
    assert y.shape == (*batch, e)
    torch.testing.assert_close(y, x @ matrix.T + (0 if b is None else b), rtol=1e-12, atol=1e-12)


def test_the_law_of_a_linear_map_is_the_law_of_its_samples() -> None:
    """200,000 samples: mean and covariance within 5 standard errors."""
    model = Gaussian([1.0, 2.0], [[1.0, 0.4], [0.4, 0.5]])
    transform = LinearMap([[0.5, 1.0], [-1.0, 0.25], [2.0, 0.0]], [1.0, 0.0, -1.0])
    law = transform.law(model.law())
    assert isinstance(law, Normal)
    n = 200_000
    y = transform(model.sample(n, Stream.root([(0, 0)])[0]))
    spread = law.covariance.diagonal()
    assert ((y.mean(0) - law.mean).abs() < 5 * (spread / n).sqrt()).all()
    assert ((torch.cov(y.T) - law.covariance).abs() < 5 * torch.outer(spread, spread).sqrt() * (2 / n) ** 0.5).all()


def test_stacked_maps() -> None:
    maps = [LinearMap(normals(i, 2, 3), normals(i + 9, 2)) for i in range(3)]
    law = Location([1.0, 2.0, 3.0], 0.5).law()
    many = stack(maps)
    together = many.law(Normal(law.mean.expand(3, 3), scale=torch.full((3,), 0.5).double()))
    assert isinstance(together, Moments)
    for i, transform in enumerate(maps):
        alone = transform.law(law)
        assert isinstance(alone, Moments)
        torch.testing.assert_close(together.mean[i], alone.mean)
        torch.testing.assert_close(together.covariance[i], alone.covariance)


def test_any_callable_has_a_law_on_symbols() -> None:
    """Symbols that fall together add their probabilities."""
    law = Categorical([0.5, 0.3, 0.15, 0.05]).law()
    image = as_transform(lambda x: x // 2).law(law)
    assert isinstance(image, Finite)
    torch.testing.assert_close(image.probabilities, torch.tensor([0.8, 0.2, 0.0, 0.0]).double())
    many = Finite(torch.stack([law.probabilities, law.probabilities.flip(0)]))
    turned = as_transform(lambda x: (x + 1) % 4).law(many)
    assert isinstance(turned, Finite)
    torch.testing.assert_close(turned.probabilities, many.probabilities.roll(1, -1))


def test_any_callable_is_a_transform() -> None:
    transform = as_transform(torch.sin)
    assert isinstance(transform, CustomMap) and repr(transform) == "sin"
    assert torch.equal(transform(torch.ones(2)), torch.ones(2).sin())
    matrix = LinearMap([[1.0]])
    assert as_transform(matrix) is matrix and as_transform(transform) is transform
    assert repr(LinearMap([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])) == "LinearMap(3x2)"

    class Half(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x / 2

    half = as_transform(Half())
    assert repr(half) == "Half" and half(torch.ones(1)).tolist() == [0.5]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: LinearMap([1.0, 2.0]), ValueError, r"must be a matrix \[out, in\], got shape \(2,\)"),
        (lambda: LinearMap([[1.0, float("nan")]]), ValueError, r"LinearMap\(matrix\) must be finite numbers"),
        (
            lambda: LinearMap([[1.0, 2.0]], [1.0, 2.0]),
            ValueError,
            r"LinearMap\(offset\) must have shape \(1,\), got",
        ),
        (lambda: LinearMap([[1.0]], [float("inf")]), ValueError, r"LinearMap\(offset\) must be finite"),
        (lambda: as_transform(3), TypeError, "a transform is a callable on samples, got 3"),
        (
            lambda: LinearMap([[1.0]]).law(Categorical([1.0]).law()),
            TypeError,
            "acts on vectors.*carries symbols",
        ),
        (lambda: as_transform(torch.sin).law(Location([1.0]).law()), NoPopulationLaw, "the transform sin has no popul"),
    ],
)
def test_refusals(make, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()
