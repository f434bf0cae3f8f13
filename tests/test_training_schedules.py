"""A schedule within a retraining, gradients that are cut, and prompts that are asked without replacement."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

from ecosystem import (
    BestOf,
    ConditionalModel,
    Ecosystem,
    Flow,
    GenerativeModel,
    Member,
    OfPairs,
    Pairs,
    Scenario,
    Stream,
    Training,
    WarmUpCosine,
)


class Slope(GenerativeModel):
    """One parameter whose loss has the slope 10."""

    event_shape = (1,)

    def __init__(self, plan: Training) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
        self.training_plan = plan

    def sample(self, n: int, rng: Stream) -> torch.Tensor:
        return self.weight.detach().expand(n, 1)

    def loss(self, batch: torch.Tensor, rng: Stream) -> torch.Tensor:
        return 10 * self.weight.sum()


def fallen(**plan: Any) -> float:
    model = Slope(Training(optimizer=partial(torch.optim.SGD, lr=0.1), **plan))
    model.fit(torch.zeros(4, 1), Stream.root([(0, 0)])[0])
    return -float(model.weight.detach())


def test_a_schedule_scales_the_rate_of_each_step() -> None:
    """Rates 0, ½, 1, ½ of .1 at slope 10: the sum is 2."""
    assert fallen(steps=4) == pytest.approx(4.0)
    assert fallen(steps=4, schedule=WarmUpCosine(0.5)) == pytest.approx(2.0)
    rates = [WarmUpCosine(0.03)(step, 512) for step in range(512)]
    assert rates[0] == 0 and rates[16] == 1 and rates[8] == 0.5  # ⌈.03 · 512⌉ = 16
    assert rates[264] == pytest.approx(0.5) and 0 < rates[511] < 1e-4


def test_long_gradients_are_cut_to_their_norm() -> None:
    assert fallen(steps=3, clip=2.5) == pytest.approx(3 * 0.1 * 2.5)
    assert fallen(steps=3, clip=20.0) == pytest.approx(3.0)


def test_schedules_and_norms_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Training\(clip\) is a positive norm, or None, got 0"):
        Training(clip=0)
    with pytest.raises(TypeError, match=r"Training\(schedule\) is a function of step and steps"):
        Training(schedule=0.1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"WarmUpCosine\(warm_up\) is a part of the steps, in \[0, 1\), got 1"):
        WarmUpCosine(1)
    with pytest.raises(ValueError, match=r"Training\(schedule\) must return .* got -1 at step 0 of 3"):
        fallen(steps=3, schedule=lambda step, steps: -1)


class Echo(ConditionalModel):
    """Answers what it is asked."""

    input_shape = event_shape = ()
    replacement = False

    def respond(self, inputs: torch.Tensor, rng: Stream) -> torch.Tensor:
        return inputs

    def fit(self, data: Pairs, rng: Stream) -> None: ...


def test_prompts_without_replacement_are_each_asked_once() -> None:
    model, rng = Echo(), Stream.root([(0, 0)])[0]
    model.prompts = torch.arange(10.0)
    once = model.sample(10, rng).outputs
    assert sorted(once.tolist()) == list(range(10)) != once.tolist()
    assert model.sample(25, rng).outputs.tolist() == [*once.tolist(), *once.tolist(), *once.tolist()[:5]]
    assert model.sample(4, rng).outputs.tolist() == once.tolist()[:4]  # sample i is the same for every n
    assert model.sample(3, rng.select(torch.tensor([7, 2, 7]))).outputs.tolist() == [once[7], once[2], once[7]]
    assert model.sample(10, rng.at("else")).outputs.tolist() != once.tolist()


def test_a_consumer_of_prompts_without_replacement_gets_each_once() -> None:
    """Of its two flows from one producer too; another consumer gets them in another order."""
    data = Pairs(torch.arange(12.0), torch.arange(12.0))
    s = Scenario("echo", rounds=1, samples=12)
    for name in ("a", "b", "c"):
        s.add(name, Member(Echo(), reward=OfPairs(lambda p: p.outputs), curator=BestOf(2), real=data))
    for name in ("b", "c"):
        s.connect("a", name, Flow(raw=0.5, curated=0.5))
    eco = Ecosystem(s)
    eco.run()
    read = {name: eco[name].generator.prompts.tolist() for name in ("b", "c")}
    assert sorted(read["b"]) == sorted(read["c"]) == list(range(12))
