"""What a value is: what a digest tells apart, and where two structures differ."""

from __future__ import annotations

import math
import random
import threading
from collections import deque
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from ecosystem import Training
from ecosystem.core.differences import differing
from ecosystem.core.identity import digest, label, made_of


class Box:
    def __init__(self, value: Any) -> None:
        self.value = value

    @cached_property
    def twice(self) -> Any:
        return self.value * 2

    def method(self) -> None: ...


class Pile(list[int]):
    def __init__(self, colour: str) -> None:
        super().__init__([1])
        self.colour = colour


def circle() -> list[Any]:
    one: list[Any] = [1.0]
    one.append(one)
    return one


def counted(calls: int) -> Callable[[], None]:
    def function() -> None: ...

    function.calls = calls  # type: ignore[attr-defined]
    return function


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (circle(), circle()),
        (math.nan, float("nan")),
        (partial(print, sep="a"), partial(print, sep="a")),
        (Training(), Training(optimizer=partial(torch.optim.Adam, lr=1e-3))),
        (Box(torch.tensor([math.nan])), Box(torch.tensor([math.nan]))),
        (deque([1, 2]), deque([1, 2])),
        (random.Random(1), random.Random(1)),
        (counted(1), counted(1)),
        (torch.ones(1, 1), torch.ones(()).expand(1, 1)),
        (torch.arange(6.0).reshape(2, 3), torch.arange(6.0).reshape(2, 3).T.contiguous().T),
        (torch.arange(6.0)[2:4], torch.tensor([2.0, 3.0])),
    ],
)
def test_equal_content(one: Any, other: Any) -> None:
    assert digest(one) == digest(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *((1, 1.0), (1, True), ([1], [1, 2]), ((1,), [1]), ({1}, {2}), ({"a": 1}, {"b": 1}), (len, max)),
        (Box(1.0), Box(2.0)),
        (Box(1.0).method, Box(2.0).method),
        (torch.zeros(2), torch.zeros(2, 1)),
        (torch.zeros(2), torch.zeros(2).double()),
        (np.zeros(2), np.ones(2)),
        (partial(print, sep="a"), partial(print, sep="b")),
        (deque([1, 2]), deque([1, 3])),
        (random.Random(1), random.Random(2)),
        (Pile("red"), Pile("blue")),
        ([1].append, [2].append),
        (counted(1), counted(2)),
        (nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2), requires_grad=False)),
    ],
)
def test_other_content(one: Any, other: Any) -> None:
    """Deques, Python's random numbers, lists with attributes, bound built-ins, attributes of functions: all alike."""
    assert digest(one) != digest(other)


def test_what_is_worked_out_does_not_count() -> None:
    box, other = Box(2), Box(2)
    assert box.twice == 4 and made_of(box) == {"value": 2} != vars(box)
    assert digest(box) == digest(other)


def test_known_objects_count_by_their_names() -> None:
    inner = Box(1)
    before = digest([inner, 1], {"inner": inner})
    inner.value = 2
    assert digest([inner, 1], {"inner": inner}) == before != digest([inner, 1], {"other": inner})
    assert digest([inner, 2], {"inner": inner}) != before


@pytest.mark.parametrize("value", [threading.Lock(), (i for i in range(3)), Box(threading.Lock()), [iter, {}.items()]])
def test_what_cannot_be_looked_into(value: Any) -> None:
    assert digest(value) == digest(value)
    with pytest.raises(TypeError, match="cannot be looked into"):
        digest(value, whole=True)


def test_labels() -> None:
    assert [label(value) for value in (1, 0.5, "a" * 99, (1, "b"), None)] == ["1", "0.5", "a" * 99, "(1, 'b')", "None"]
    one, other = label(list(range(99))), label(list(range(98)))
    assert one != other and one[:50] == other[:50] and len(one) < 70 < len(label(list(range(99)), letters=90))
    assert label(Box(1)) == label(Box(1)) != label(Box(2))


def test_differences_are_named_place_by_place() -> None:
    before = {"a": {"b": 1, "c": [1, 2]}, "rows": [{"member": "x", "share": 0.1}, {"member": "y", "share": 0.2}]}
    now = {"a": {"b": 1, "c": [1, 3]}, "rows": [{"member": "x", "share": 0.1}, {"member": "y", "share": 0.3}], "d": {}}
    assert [" ".join((*place, change)) for place, change in differing(before, now)] == [
        "a c [1, 2] → [1, 3]",
        "rows y: share 0.2 → 0.3",
        "d None → there",
    ]
    assert list(differing([{"a": 1}], [{"a": 2}])) == [(("a",), "1 → 2")]  # what stands alone needs no number
    assert list(differing([{}, {"a": 1}], [{}, {"a": 2}])) == [(("[1]", "a"), "1 → 2")]
    assert list(differing([{}], [{}, {}])) == [((), "1 rows → 2 rows")]
    flows = [{"source": "x", "target": "y", "raw": 1.0}]
    assert not list(differing(flows * 2, flows * 2))


FRAMES: list[Callable[[Any], Any]] = [
    lambda values: pd.DataFrame({"a": values, "b": [1.0] * len(values)}),
    lambda values: pd.DataFrame({"a": [1.0] * len(values)}, index=pd.Index(values, dtype=object)),
    lambda values: pd.DataFrame([[1, value] for value in values], columns=["a", "a"]),
    lambda values: pd.Series(values, dtype=object),
    lambda values: pd.Index(values, dtype=object),
]


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize(
    "make",
    [
        lambda last: torch.arange(3000.0).index_fill(0, torch.tensor([1500]), last),
        lambda last: torch.tensor(1.0 + last * 1e-7, dtype=torch.float64),
        lambda last: Box(last),
        lambda last: partial(print, sep=str(last)),
        lambda last: {"a": (last, "b")},
    ],
)
def test_frames_of_objects_are_read_object_by_object(frame: Callable[[Any], Any], make: Callable[[int], Any]) -> None:
    """Tensors in a frame were a RuntimeError of torch's; of other objects what is printed of them told them apart."""
    one, same, other = (digest(frame([make(5), make(last)])) for last in (7, 7, 8))
    assert one == same != other
    assert digest(frame([make(5), "text", None])) != digest(frame([make(5), "other", None]))


def test_frames_of_numbers_and_texts_are_told_apart() -> None:
    frame = pd.DataFrame({"a": [1.0, math.nan], "b": ["x", "y"], "c": pd.Categorical(["u", "v"])})
    others = [frame.assign(a=[1.0, 2.0]), frame.assign(b=["x", "z"]), frame.assign(c=pd.Categorical(["u", "w"]))]
    others += [frame[["b", "a", "c"]], frame.set_axis([3, 4]), frame.rename_axis("n"), frame.iloc[::-1], frame[:0]]
    digests = [digest(frame.copy()), *map(digest, others)]
    assert digests[0] == digest(frame) and len(set(digests)) == len(digests)
