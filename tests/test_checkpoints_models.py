"""Checkpoints: what models, optimizers and values keep comes back, or is refused."""

from __future__ import annotations

import json
import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from ecosystem import (
    Checkpoints,
    Ecosystem,
    Flow,
    GenerativeModel,
    Linear,
    Member,
    Pairs,
    Scenario,
    Shift,
    Stream,
    every,
)
from ecosystem.running.checkpoints.codec import Reader, Unwritable, Writer
from tests.checkpointed import (
    Answers,
    Box,
    Odd,
    acting,
    assert_same,
    broken_off,
    same,
)
from tests.drawn import normals


class Boxed(Odd):
    """Keeps an object of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.box = Box(0.0)

    def fit(self, data: Tensor, rng: Stream) -> float:
        self.box.value += 1.5
        return super().fit(data + self.box.value, rng)


class Rebuilt(Odd):
    """Is another network after its first training."""

    def fit(self, data: Tensor, rng: Stream) -> float:
        self.dropout = nn.Identity()
        return super().fit(data, rng)


class Telling(Boxed):
    """And tells what is in it."""

    def state(self) -> dict[str, Any]:
        return super().state() | {"box": self.box.value}

    def load_state(self, state: dict[str, Any]) -> None:
        self.box = Box(state.pop("box"))
        super().load_state(state)


def alone(model: GenerativeModel) -> Scenario:
    s = Scenario("alone", rounds=4, samples=6)
    s.add("a", Member(model, reward=Linear([1.0]), real=torch.tensor([[1.0], [2.0]])))
    s.connect("a", "a", Flow(raw=0.5))
    return s


@pytest.mark.parametrize("kind", [Odd, Telling])
def test_models_keep_what_they_keep(kind: type[GenerativeModel], tmp_path: Path) -> None:
    lost = Ecosystem(alone(kind()))
    broken_off(lost, Checkpoints(tmp_path), 2)
    found = Ecosystem(alone(kind()))
    found.restore(tmp_path / "round-00002")
    one, other = lost["a"].generator, found["a"].generator
    assert same(vars(one), vars(other)) and not other.fixed.requires_grad and not other.dropout.training
    assert not hasattr(other, "gone") and other.history[3] == {"a", "b"} and other.full is None
    assert_same(alone(kind()).run(checkpoints=Checkpoints(tmp_path)), alone(kind()).run())


def test_a_model_that_keeps_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unwritable, match=r"cannot hold .*Box.*models/0/a/box.; give Boxed methods state"):
        alone(Boxed()).run(checkpoints=Checkpoints(tmp_path, every=4))
    with pytest.raises(Unwritable, match=r"cannot hold Identity.*models/0/a/dropout.; give Rebuilt methods state"):
        alone(Rebuilt()).run(checkpoints=Checkpoints(tmp_path, every=4))
    other = acting(lambda agent: setattr(agent, "generator", Telling()), generator=Odd())
    with pytest.raises(Unwritable, match=r"can hold a Odd, in its place is a Telling .models/0/a.; let agents write"):
        other.run(checkpoints=Checkpoints(tmp_path, every=4))


def grown(optimizer: Any) -> dict[str, Any]:
    """The state of an optimizer after a few steps."""
    model = Answers(optimizer)
    model.fit(Pairs(normals(0, 20, 3).float(), normals(1, 20, 2).float()), Stream.root([(0, 0)])[0])
    assert model.optimizer_state is not None
    return model.optimizer_state


OPTIMIZERS = [
    partial(torch.optim.Adam, lr=0.1),
    partial(torch.optim.Adam, lr=torch.tensor(0.1), amsgrad=True, capturable=False),
    partial(torch.optim.AdamW, lr=0.1, betas=(0.8, 0.9), fused=True),
    partial(torch.optim.SGD, lr=0.1, momentum=0.9, nesterov=True),
    partial(torch.optim.SGD, lr=0.1),
    partial(torch.optim.RMSprop, centered=True),
    partial(torch.optim.Adagrad, lr=0.1),
]


def through(value: Any, **known: Any) -> Any:
    """Written, and read again."""
    writer = Writer(known)
    written = json.loads(json.dumps(writer.write(value, "x"), allow_nan=False))
    from safetensors.torch import load, save

    return Reader(load(save(writer.tensors())), known).read(written)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_states_of_optimizers(optimizer: Any) -> None:
    state = grown(optimizer)
    assert same(through(state), state)


def test_values() -> None:
    taste = Linear([1.0, 2.0]).named("mine")
    shift, clock = Shift([1.0]), every(2, start=1)
    values = [
        *(
            None,
            True,
            0,
            -(2**70),
            0.1,
            -0.0,
            math.inf,
            -math.inf,
            "λ\n\ud800",
            (),
            [],
            {},
            set(),
            {1: (2.5,), "1": []},
        ),
        *(frozenset({"a"}), {(0, "a"): [torch.Size([2, 3])]}, np.float64(0.1), np.int8(3), np.arange(6.0)[::-2]),
        *(torch.zeros(0, 3), torch.tensor(math.nan), torch.arange(300) > 7, torch.arange(200).to(torch.bfloat16)),
        *(torch.randn(3, 4, dtype=torch.complex64).conj(), torch.randn(90, dtype=torch.complex128)),
        *(Pairs(torch.arange(3), torch.rand(3, 2)), Pairs(torch.zeros(2, 2, 1), torch.zeros(2, 2), 2)),
        *(pd.DataFrame({"a": [1, 2], "b": [0.5, math.nan]}), torch.ones(2, requires_grad=True)),
    ]
    back = through(values)
    assert same(back[:-2], values[:-2]) and back[-2].equals(values[-2]) and back[-1].requires_grad
    assert [type(a) for a in back] == [type(a) for a in values] and str(back[5]) == "-0.0"
    for item in (taste, shift, clock):
        new = through(item)
        assert type(new) is type(item) and new.kind() == item.kind() and str(new) == str(item) and new is not item
        assert same(new.tensors(), item.tensors()) and through([item], it=item)[0] is item
    for wrong in (
        lambda x: x,
        object(),
        Box(1.0),
        nn.Linear(1, 1),
        {"a": [open]},
        torch.eye(2).to_sparse(),
        np.array("a"),
    ):
        with pytest.raises(Unwritable, match=r"a checkpoint cannot hold .*x"):
            through(wrong)


def test_tensors_keep_their_layout_and_are_written_once() -> None:
    """Sums of differently laid out numbers have other last bits."""
    big = torch.rand(40, 30, 7)
    images = torch.rand(2, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    many = [
        big,
        big.mT,
        big[:, ::2, 1:3],
        images,
        torch.rand(5, 1).expand(5, 90),
        big[3],
        big,
        big.detach().view(40, -1),
    ]
    writer = Writer()
    written = writer.write(many, "x")
    back = Reader(writer.tensors()).read(written)
    assert same(back, many) and [x.stride() for x in back] == [x.stride() for x in many]
    assert back[0] is back[6] and len(writer.tensors()) == 7
    back[0].zero_()
    assert big.any() and back[1].any()  # memory of their own
