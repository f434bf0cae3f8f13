"""Objects of one kind become one tensor program, and come apart again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from ecosystem import (
    BestOf,
    Categorical,
    Crowd,
    Distance,
    Gaussian,
    Linear,
    LinearMap,
    Location,
    Luce,
    Quadratic,
    Shift,
    Tabular,
    Tilt,
    TopFraction,
    Users,
    every,
    poisson,
)
from ecosystem.core.laws import Finite
from ecosystem.core.stacking import Stackable, stack
from ecosystem.rewards import as_reward
from ecosystem.transforms import as_transform


def taste(x: Tensor) -> Tensor:
    return x.sum(-1)


PAIRS: dict[str, Callable[[float], Stackable]] = {
    "linear": lambda a: Linear([a, 1.0]),
    "quadratic": lambda a: Quadratic([a, 1.0], a),
    "distance": lambda a: Distance([[a, 1.0]], a),
    "tabular": lambda a: Tabular([a, 1.0, 2.0]),
    "custom": lambda a: as_reward(taste),
    "luce": lambda a: Luce(3, temperature=a),
    "best of": lambda a: BestOf(3),
    "top": lambda a: TopFraction(a / 10),
    "tilt": lambda a: Tilt(a),
    "shift": lambda a: Shift([a, 2.0]),
    "crowd": lambda a: Crowd((Luce(2, a), Tilt(a)), (Linear([a, 1.0]), None), (a / 10, 1 - a / 10)),
    "users": lambda a: Users(Linear([a, 1.0]), Crowd((Luce(2, a), Crowd.noisy(Tilt(a), a / 10)))),
    "map": lambda a: LinearMap([[a, 1.0]], [a]),
    "every": lambda a: every(int(a)),
    "poisson": lambda a: poisson(a),
    "location": lambda a: Location([a, 1.0], a),
    "gaussian": lambda a: Gaussian([a, 1.0], [[a, 0.0], [0.0, 1.0]]),
    "categorical": lambda a: Categorical([a / 10, 1 - a / 10]),
}


@pytest.mark.parametrize("name", PAIRS)
def test_stack_and_take_are_inverse(name: str) -> None:
    items = [PAIRS[name](a) for a in (1.0, 2.0, 3.0)]
    assert len({item.kind() for item in items}) == 1
    many = stack(items)
    assert type(many) is type(items[0])
    for i, item in enumerate(items):
        part = many.take(i)
        assert part.kind() == item.kind()
        assert list(part.tensors()) == list(item.tensors())
        assert all(torch.equal(part.tensors()[key], value) for key, value in item.tensors().items())
    two = many.take(torch.tensor([2, 0]))
    for key, value in two.tensors().items():
        assert torch.equal(value[0], items[2].tensors()[key]) and torch.equal(value[1], items[0].tensors()[key])
    again = stack([stack(items[:2]), stack(items[1:])])
    for key, value in again.tensors().items():
        assert torch.equal(value[1, 0], items[1].tensors()[key])


def test_tensors_of_nested_parts_carry_the_place_in_front() -> None:
    users = Users(Quadratic([1.0, 2.0], 0.5), Crowd((Luce(2), Tilt(3.0)), (None, Linear([4.0, 5.0]))))
    assert {key: value.tolist() for key, value in users.tensors().items()} == {
        "reward.direction": [1.0, 2.0],
        "reward.curvature": 0.5,
        "curator.curators.0.temperature": 1.0,
        "curator.curators.1.temperature": 3.0,
        "curator.rewards.1.direction": [4.0, 5.0],
        "curator.weights": [0.5, 0.5],
    }


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (Luce(2), Luce(3)),
        (Luce(2), BestOf(2)),
        (Linear([1.0]), Linear([1.0, 2.0])),
        (Linear([[1.0, 2.0]]), Linear([1.0, 2.0])),
        (Linear([1.0]), Quadratic([1.0], 1.0)),
        (as_reward(taste), as_reward(lambda x: x.sum(-1))),
        (as_transform(torch.sin), as_transform(torch.cos)),
        (Crowd((Luce(2), Tilt())), Crowd((Tilt(), Luce(2)))),
        (Crowd.adversarial(Luce(2), 0.1), Crowd((Luce(2), Luce(2)))),
        (Users(None, Shift([1.0])), Users(Linear([1.0]), Shift([1.0]))),
        (Location([1.0]), Gaussian([1.0], [[1.0]])),
        (Gaussian([1.0], [[1.0]]), Gaussian([1.0], [[1.0]], floor=1e-3)),
        (Location([1.0]), Location([1.0]).map(lambda t: t.float())),
    ],
)
def test_other_kinds_do_not_stack(a: Stackable, b: Stackable) -> None:
    assert a.kind() != b.kind()


def test_equal_functions_are_one_kind() -> None:
    assert as_reward(taste).kind() == as_reward(taste).kind()
    assert as_transform(torch.sin).kind() == as_transform(torch.sin).kind()


def test_a_copy_forgets_what_was_worked_out_for_the_old_numbers() -> None:
    law = Finite(torch.tensor([0.5, 0.5], dtype=torch.float64))
    users = Users(Tabular([0.0, 0.0]), Luce(2))
    assert users.law(law).probabilities.tolist() == pytest.approx([0.5, 0.5])
    other = users.rebuild({**users.tensors(), "reward.values": torch.tensor([0.0, 3.0]).log1p().double()})
    assert other.law(law).probabilities.tolist() == pytest.approx([0.35, 0.65])
    assert users.law(law).probabilities.tolist() == pytest.approx([0.5, 0.5])


def test_originals_do_not_change() -> None:
    item = Linear([1.0, 2.0])
    doubled = item.map(lambda t: 2 * t)
    assert item.direction.tolist() == [1.0, 2.0] and doubled.direction.tolist() == [2.0, 4.0]
    model = Location([1.0])
    assert model.rebuild({"mean": torch.zeros(1), "scale": torch.ones(())}).mean is not model.mean
    assert model.mean.tolist() == [1.0]


def test_a_stackable_of_ones_own() -> None:
    @dataclass(frozen=True, eq=False)
    class Band(Stackable):
        low: Tensor
        inner: Stackable
        label: str
        many: tuple = ()

    a, b = (Band(torch.tensor(x), Linear([x]), "warm", (Tilt(x), 7, Linear([x]))) for x in (1.0, 2.0))
    assert list(a.tensors()) == ["low", "inner.direction", "many.0.temperature", "many.2.direction"]
    both = stack([a, b])
    assert both.label == "warm" and both.many[1] == 7 and both.low.tolist() == [1.0, 2.0]
    assert both.many[2].direction.tolist() == [[1.0], [2.0]]
    assert a.kind() != Band(torch.tensor(1.0), Linear([1.0]), "cool", (Tilt(1.0), 7, Linear([1.0]))).kind()
    assert a.kind() != Band(torch.tensor(1.0), Linear([1.0]), "warm", (Tilt(1.0), 8, Linear([1.0]))).kind()
    assert a.kind() != Band(torch.tensor([1.0]), Linear([1.0]), "warm", (Tilt(1.0), 7, Linear([1.0]))).kind()
