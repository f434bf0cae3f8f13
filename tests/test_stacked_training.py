"""Models of one shape that train side by side: as in the loop within rounding, and in the loop where they must."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from ecosystem import (
    Checkpoints,
    Ecosystem,
    Flow,
    FlowMatching,
    GenerativeModel,
    HoldThenDecay,
    ImageFlow,
    Linear,
    Luce,
    Member,
    Pairs,
    Scenario,
    Stream,
    Training,
    WarmUpCosine,
)
from ecosystem.engine import together
from tests.drawn import normals

OPTIMIZERS = {
    "SGD": partial(torch.optim.SGD, lr=1e-2, momentum=0.9, weight_decay=1e-2),
    "Adam": partial(torch.optim.Adam, lr=1e-3),
    "AdamW": partial(torch.optim.AdamW, lr=1e-3, fused=True),
    "RMSprop": partial(torch.optim.RMSprop, lr=1e-3),
    "Adagrad": partial(torch.optim.Adagrad, lr=1e-2),
}


class Mean(GenerativeModel):
    """``N(mean, I)``, with a part of one's own in its loss."""

    stackable: ClassVar[bool] = True
    event_shape = (2,)

    def __init__(self, plan: Training, part: nn.Module | None = None) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)
        nn.init.eye_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)
        with torch.no_grad():
            for p in () if part is None else part.parameters():
                p.fill_(0.7)
        self.part = part or nn.Identity()
        self.training_plan = plan

    def sample(self, n: int, rng: Stream) -> Tensor:
        return self.layer(rng.normal(n, 2)).detach()

    def loss(self, batch: Tensor, rng: Stream) -> Tensor:
        return ((self.part(self.layer(rng.normal(len(batch), 2))).mean(0) - batch.mean(0)) ** 2).sum()


@pytest.fixture
def stacks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many models trained side by side, each time that they did."""
    seen: list[int] = []
    train = together.trained_together

    def told(models: Any, *given: Any) -> list[float]:
        losses = train(models, *given)
        seen.append(len(models))
        return losses

    monkeypatch.setattr(together, "trained_together", told)
    return seen


def network(make: Callable[[Training], GenerativeModel], plan: Training, curated: float = 0.4) -> Scenario:
    """Three members in a ring whose real data differ."""
    s = Scenario("ring", rounds=2, samples=20)
    for i in range(3):
        member = Member(make(plan), reward=Linear([1.0, 0.0]), curator=Luce(2), real=normals(i, 30, 2).float() + i)
        s.add(f"m{i}", member)
    for i in range(3):
        level = curated if i else 0.4
        s.connect(f"m{i}", f"m{(i + 1) % 3}", Flow(raw=0.8 - level, curated=level))
    return s


def played(s: Scenario, replicates: int = 2) -> Ecosystem:
    eco = Ecosystem(s, seeds=[(0, r) for r in range(replicates)])
    eco.run()
    assert eco.result().failures.empty
    return eco


def weights(eco: Ecosystem) -> Tensor:
    return torch.cat([stack.vector() for stack in eco.state.now])


def both(make: Callable[[Training], GenerativeModel], **settings: Any) -> tuple[Ecosystem, Ecosystem]:
    return tuple(played(network(make, Training(stacked=stacked, **settings))) for stacked in (False, True))  # type: ignore[return-value]


def flow(plan: Training) -> FlowMatching:
    return FlowMatching(2, hidden=16, depth=2, steps=2, training_plan=plan)


@pytest.mark.parametrize("keep", [False, True], ids=["fresh", "kept"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())
def test_side_by_side_models_train_as_one_by_one(optimizer: Any, keep: bool, stacks: list[int]) -> None:
    looped, stacked = both(flow, steps=20, batch_size=8, optimizer=optimizer, keep_optimizer=keep)
    assert stacks == [6, 6]  # three members, two replicates, two rounds
    moved = (weights(looped) - torch.cat([s.vector() for s in Ecosystem(looped.scenarios[0]).state.now])).abs().max()
    assert moved > 1e-2
    torch.testing.assert_close(weights(stacked), weights(looped), rtol=1e-4, atol=1e-5)
    one, other = (eco.result().rounds for eco in (looped, stacked))
    assert (one["loss"] - other["loss"]).abs().max() < 1e-5
    assert (one["alignment"] - other["alignment"]).abs().max() < 1e-4
    for a, b in zip(looped.state.now[0].models.flat, stacked.state.now[0].models.flat, strict=True):  # type: ignore[union-attr]
        assert a.retrainings == b.retrainings == 2 and (a.optimizer_state is None) == (not keep)
        if keep:
            assert a.optimizer_state["param_groups"] == b.optimizer_state["param_groups"]
            torch.testing.assert_close(b.optimizer_state["state"], a.optimizer_state["state"], rtol=1e-3, atol=1e-5)


def test_side_by_side_models_go_on_from_a_checkpoint(stacks: list[int], tmp_path: Path) -> None:
    def broken_off(done: int, _: int) -> None:
        if done == 1:
            raise InterruptedError

    plan = Training(10, 8, OPTIMIZERS["AdamW"], keep_optimizer=True, decay=HoldThenDecay(1), stacked=True)
    whole, lost, again = (Ecosystem(network(flow, plan), seeds=[(0, 0), (0, 1)]) for _ in range(3))
    saved = Checkpoints(tmp_path / "saved")
    whole.run()
    with pytest.raises(InterruptedError):
        lost.run(broken_off, checkpoints=saved)
    again.run(checkpoints=saved)
    assert stacks == [6, 6, 6, 6]  # a round by the one that was lost, the other by the one that went on
    assert torch.equal(weights(again), weights(whole)) and not torch.equal(weights(again), weights(lost))
    assert again.result().rounds.equals(whole.result().rounds)


def test_clipping_rates_and_decay_are_of_each_model(stacks: list[int]) -> None:
    settings = {"clip": 0.3, "schedule": WarmUpCosine(0.2), "decay": HoldThenDecay(1), "batch_size": 8}
    looped, stacked = both(flow, steps=20, optimizer=OPTIMIZERS["SGD"], **settings)
    assert stacks == [6, 6]
    torch.testing.assert_close(weights(stacked), weights(looped), rtol=1e-4, atol=1e-6)
    free, _ = both(flow, steps=20, optimizer=OPTIMIZERS["SGD"], **(settings | {"clip": None}))
    assert (weights(free) - weights(looped)).abs().max() > 1e-3  # the bound was felt


def test_image_models_train_side_by_side(stacks: list[int]) -> None:
    ends = []
    for stacked in (False, True):
        s = Scenario("images", rounds=2, samples=16)
        for i in range(2):
            images = torch.sigmoid(normals(i, 30, 3, 4, 4).float() + i)
            model = ImageFlow((3, 4, 4), 3, hidden=16, steps=2, training_plan=Training(10, 8, stacked=stacked))
            s.add(
                f"m{i}", Member(model, reward=lambda x: x.mean((-1, -2, -3)), real=Pairs(torch.arange(30) % 3, images))
            )
        s.connect("m0", "m1", Flow(raw=0.5))
        ends.append(played(s))
    assert stacks == [2, 2] * 2  # whoever trains on other flows stands in a stack of its own
    torch.testing.assert_close(weights(ends[1]), weights(ends[0]), rtol=1e-4, atol=1e-5)
    asked = [eco.state.now[-1].models.flat[-1].prompts for eco in ends]  # type: ignore[union-attr]
    assert torch.equal(*asked)


class Counting(nn.Identity):
    calls = 0

    def forward(self, input: Tensor) -> Tensor:
        self.calls += 1
        return input


class Remembering(nn.Module):
    """A buffer that training writes anew."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("last", torch.zeros(2))

    def forward(self, x: Tensor) -> Tensor:
        self.last = x.detach().mean(0)
        return x - 0.1 * self.last


def _doubled(module: nn.Module, given: Any, out: Tensor) -> Tensor:
    return 2 * out


def hooked() -> nn.Module:
    part = nn.Identity()
    part.register_forward_hook(_doubled)
    return part


class Whole(torch.optim.SGD):
    """An optimizer that looks at all weights at once."""

    def step(self, closure: Any = None) -> None:
        with torch.no_grad():
            for p in self.param_groups[0]["params"]:
                p -= 0.1 * p.grad / (p.grad.norm() + 1e-3)


class Doubled(Mean):
    """A subclass that says nothing."""

    def loss(self, batch: Tensor, rng: Stream) -> Tensor:
        return 2 * super().loss(batch, rng)


class Numbers(Mean):
    """Noise from a generator of torch."""

    stackable: ClassVar[bool] = True

    def loss(self, batch: Tensor, rng: Stream) -> Tensor:
        noise = torch.randn(len(batch), 2, generator=rng.torch())
        return ((self.layer(noise).mean(0) - batch.mean(0)) ** 2).sum()


class Steered(Mean):
    """A step that depends on a number."""

    stackable: ClassVar[bool] = True

    def loss(self, batch: Tensor, rng: Stream) -> Tensor:
        loss = super().loss(batch, rng)
        return loss * 2 if loss.item() > 1 else loss


class Fitting(Mean):
    stackable: ClassVar[bool] = True

    def fit(self, data: Tensor, rng: Stream) -> None:
        with torch.no_grad():
            self.layer.bias.copy_(data.mean(0))


APART: dict[str, tuple[Callable[[Training], GenerativeModel], dict[str, Any]]] = {
    "dropout": (lambda plan: Mean(plan, nn.Dropout(0.3)), {}),
    "batch statistics": (lambda plan: Mean(plan, nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 2))), {}),
    "a buffer": (lambda plan: Mean(plan, Remembering()), {}),
    "a counter": (lambda plan: Mean(plan, Counting()), {}),
    "a hook": (lambda plan: Mean(plan, hooked()), {}),
    "an optimizer": (Mean, {"optimizer": Whole}),
    "a subclass": (Doubled, {}),
    "another generator": (Numbers, {}),
    "a branch": (Steered, {}),
    "a fit": (Fitting, {}),
    "short numbers": (Mean, {"precision": torch.bfloat16}),
}


@pytest.mark.parametrize("case", APART.values(), ids=APART.keys())
def test_what_cannot_train_side_by_side_is_looped_over(case: Any, stacks: list[int]) -> None:
    make, settings = case
    looped, stacked = both(make, steps=5, batch_size=8, **settings)
    assert stacks == []
    assert torch.equal(weights(looped), weights(stacked))
    for a, b in zip(looped.state.now[0].models.flat, stacked.state.now[0].models.flat, strict=True):  # type: ignore[union-attr]
        assert all(torch.equal(x, b.state_dict()[name]) for name, x in a.state_dict().items())


def test_a_class_of_ones_own_that_says_so_trains_side_by_side(stacks: list[int]) -> None:
    looped, stacked = both(Mean, steps=10, batch_size=8)
    assert stacks == [6, 6]
    torch.testing.assert_close(weights(stacked), weights(looped), rtol=1e-4, atol=1e-6)


def at_rate(rate: float, stacked: bool) -> Mean:
    return Mean(Training(5, 8, partial(torch.optim.SGD, lr=rate), stacked=stacked))


def test_models_that_differ_in_more_than_numbers_stand_in_stacks_of_their_own(stacks: list[int]) -> None:
    ends = []
    for stacked in (False, True):
        rates = iter([1e-2, 1e-2, 1e-1])
        ends.append(played(network(lambda plan, r=rates: at_rate(next(r), plan.stacked), Training(stacked=stacked))))
    assert stacks == [4, 2] * 2
    alone, eco = ends
    torch.testing.assert_close(weights(eco), weights(alone), rtol=1e-4, atol=1e-6)


def test_what_a_member_trains_on_reaches_nobody_too_early_to_the_last_bit(stacks: list[int]) -> None:
    plan = Training(10, 8, stacked=True)
    one, other = (played(network(flow, plan, curated)) for curated in (0.2, 0.4))
    assert stacks == [6] * 4
    for eco in (one, other):
        assert len(eco.state.now) == 1
    first = [eco.result().rounds.query("round == 1").set_index("member")["alignment"] for eco in (one, other)]
    assert (first[0]["m1"] == first[1]["m1"]).all() and (first[0]["m2"] != first[1]["m2"]).any()


def test_a_failure_names_the_member(stacks: list[int]) -> None:
    class Broken(Mean):
        stackable: ClassVar[bool] = True

        def loss(self, batch: Tensor, rng: Stream) -> Tensor:
            raise ValueError("no loss today")

    with pytest.raises(RuntimeError, match=r"member 'm0' failed to train in round 1: .*no loss today"):
        played(network(Broken, Training(2, stacked=True)))
    assert stacks == []
