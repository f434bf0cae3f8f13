"""Models that are trained: the contract with a module of the user's own, and flow matching."""

from __future__ import annotations

import copy
import dataclasses
import math
from functools import partial
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from ecosystem import (
    Flow,
    FlowMatching,
    GenerativeModel,
    HoldThenDecay,
    Linear,
    Luce,
    Member,
    Scenario,
    Stream,
    Training,
)
from tests.drawn import normals

RNG = Stream.root([(0, 0)])[0]


class Shifted(GenerativeModel):
    """``N(mean, I)``, its mean trained by gradient descent; it notes what it is given."""

    event_shape = (2,)

    def __init__(self, plan: Training | None = None) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(2))
        self.training_plan = plan or Training(steps=100, batch_size=32, optimizer=partial(torch.optim.SGD, lr=0.1))
        self.seen: list[Tensor] = []
        self.streams: list[int] = []
        self.losses: list[float] = []

    def sample(self, n: int, rng: Stream) -> Tensor:
        return self.mean + rng.normal(n, 2, dtype=torch.float32)

    def loss(self, batch: Tensor, rng: Stream) -> Tensor:
        self.seen.append(batch)
        self.streams.append(rng.seed())
        loss = ((batch - self.mean) ** 2).sum(-1).mean()
        self.losses.append(loss.item())
        return loss


# -- the contract ------------------------------------------------------------------------------------------------------


def test_a_loss_is_trained_as_planned() -> None:
    model = Shifted(Training(steps=7, batch_size=5, optimizer=partial(torch.optim.SGD, lr=0.1)))
    data = normals(0, 50, 2) + 3
    model.fit(data, RNG)
    assert len(model.seen) == 7 and all(batch.shape == (5, 2) for batch in model.seen)
    rows = {tuple(row) for row in data.float().tolist()}
    assert all(tuple(row) in rows for batch in model.seen for row in batch.tolist())
    assert model.seen[0].dtype == torch.float32  # cast to the parameters' type
    assert len(set(model.streams)) == 7  # every step has a stream of its own
    assert not torch.equal(model.seen[0], model.seen[1])
    mean = torch.zeros(2)
    for batch in model.seen:
        mean = mean - 0.1 * 2 * (mean - batch.mean(0))
    torch.testing.assert_close(model.mean.detach(), mean)


def test_training_reaches_the_optimum_and_reports_the_end_of_the_loss() -> None:
    model, data = Shifted(), normals(1, 400, 2) + torch.tensor([3.0, -1.0])
    loss = model.fit(data, RNG)
    assert model.mean.tolist() == pytest.approx([3.0, -1.0], abs=0.25)
    assert loss == sum(model.losses[-10:]) / 10 and loss == pytest.approx(2.0, abs=0.5)
    short = Shifted(Training(steps=3))
    assert short.fit(data, RNG) == short.losses[-1]


def test_training_is_reproducible_and_starts_from_the_current_weights() -> None:
    data = normals(2, 30, 2)
    one, two, other = Shifted(), Shifted(), Shifted()
    assert one.fit(data, RNG) == two.fit(data, RNG)
    other.fit(data, RNG.at("elsewhere"))
    assert torch.equal(one.mean, two.mean) and not torch.equal(one.mean, other.mean)
    before = one.mean.detach().clone()
    one.training_plan = Training(steps=1, batch_size=30, optimizer=partial(torch.optim.SGD, lr=1e-6))
    one.fit(data, RNG)
    torch.testing.assert_close(one.mean.detach(), before, rtol=0, atol=1e-4)


def test_few_data_make_small_batches_and_frozen_weights_stay() -> None:
    model = Shifted(Training(steps=2, batch_size=64))
    model.fit(normals(0, 3, 2), RNG)
    assert model.seen[0].shape == (3, 2)

    class Half(Shifted):
        def __init__(self) -> None:
            super().__init__()
            self.fixed = nn.Parameter(torch.ones(2), requires_grad=False)

        def loss(self, batch: Tensor, rng: Stream) -> Tensor:
            return ((batch - self.mean - self.fixed) ** 2).mean()

    half = Half()
    half.fit(normals(0, 30, 2), RNG)
    assert half.fixed.tolist() == [1.0, 1.0] and half.mean.detach().abs().max() > 0.5


def test_training_works_where_gradients_are_off() -> None:
    model = Shifted()
    with torch.no_grad():
        model.fit(normals(0, 30, 2) + 5, RNG)
    assert float(model.mean.detach().min()) > 1


def test_integer_data_stay_integers() -> None:
    class Table(GenerativeModel):
        event_shape = ()

        def __init__(self) -> None:
            super().__init__()
            self.logits = nn.Parameter(torch.zeros(3))
            self.training_plan = Training(steps=300, batch_size=64, optimizer=partial(torch.optim.Adam, lr=0.05))

        def sample(self, n: int, rng: Stream) -> Tensor:
            return torch.multinomial(torch.softmax(self.logits, 0), n, replacement=True, generator=rng.torch())

        def loss(self, batch: Tensor, rng: Stream) -> Tensor:
            return nn.functional.cross_entropy(self.logits.expand(len(batch), 3), batch)

    table = Table()
    table.fit(torch.tensor([0, 0, 0, 2]), RNG)
    assert torch.softmax(table.logits, 0).tolist() == pytest.approx([0.75, 0.0, 0.25], abs=0.1)
    s = Scenario("table", rounds=1, samples=20)
    s.add("a", Member(table, reward=lambda x: x.double(), real=torch.tensor([0, 2])))
    assert s.run(replicates=2).failures.empty


def test_a_fit_of_ones_own_is_enough() -> None:
    class Remember(GenerativeModel):
        event_shape = (1,)

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("data", torch.zeros(1, 1))

        def sample(self, n: int, rng: Stream) -> Tensor:
            return self.data[(rng.uniform(n) * len(self.data)).long()]

        def fit(self, data: Tensor, rng: Stream) -> None:
            self.data = data.float()

    s = Scenario("memory", rounds=2, samples=6)
    s.add("a", Member(Remember(), reward=Linear([1.0]), curator=Luce(2), real=torch.tensor([[1.0], [2.0]])))
    s.connect("a", "a", Flow(raw=0.25, curated=0.25))
    run = s.run(replicates=2)
    assert run.rounds["loss"].isna().all() and run.rounds.query("round == 2")["alignment"].between(0.1, 2).all()


def test_what_is_missing_is_named() -> None:
    class Nothing(GenerativeModel):
        event_shape = (1,)

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))

    with pytest.raises(NotImplementedError, match=r"Nothing needs a method sample\(n, rng\)"):
        Nothing().sample(3, RNG)
    with pytest.raises(NotImplementedError, match=r"Nothing needs a method loss\(batch, rng\), or a fit of its own"):
        Nothing().fit(torch.zeros(3, 1), RNG)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"steps": 0}, r"Training\(steps\) must be a whole number, at least 1, got 0"),
        ({"steps": 2.5}, r"Training\(steps\) must be a whole number, at least 1, got 2.5"),
        ({"batch_size": -3}, r"Training\(batch_size\) must be a whole number, at least 1, got -3"),
    ],
)
def test_plans_are_checked(plan: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Training(**plan)


# -- from one retraining to the next -----------------------------------------------------------------------------------


class Pulled(Shifted):
    """A loss without chance: so many steps in one retraining or in two are the same, if all state is kept."""

    def loss(self, batch: Tensor, rng: Stream) -> Tensor:
        return ((self.mean - torch.tensor([3.0, -1.0])) ** 4).sum() + self.mean.prod() ** 2


@pytest.mark.parametrize(
    "optimizer",
    [
        partial(torch.optim.Adam, lr=0.1, amsgrad=True),
        partial(torch.optim.AdamW, lr=0.1, weight_decay=0.1),
        partial(torch.optim.SGD, lr=0.001, momentum=0.9),
    ],
)
def test_an_optimizer_that_is_kept_goes_on_where_it_stopped(optimizer) -> None:
    data = torch.zeros(4, 2)
    whole, halves, afresh = (
        Pulled(Training(steps, 4, optimizer, keep_optimizer=keep))
        for steps, keep in ((20, True), (10, True), (10, False))
    )
    whole.fit(data, RNG)
    for model in (halves, afresh):
        model.fit(data, RNG)
        model.fit(data, RNG)
    assert torch.equal(whole.mean, halves.mean) and not torch.equal(whole.mean, afresh.mean)
    assert halves.retrainings == 2 and afresh.optimizer_state is None


def test_copies_of_a_model_keep_their_optimizers_apart() -> None:
    plan = Training(5, 4, partial(torch.optim.Adam, lr=0.1), keep_optimizer=True)
    one = Pulled(plan)
    one.fit(torch.zeros(4, 2), RNG)
    two = copy.deepcopy(one)
    two.fit(torch.zeros(4, 2), RNG)
    again = copy.deepcopy(one)
    again.fit(torch.zeros(4, 2), RNG)
    assert torch.equal(two.mean, again.mean) and one.retrainings == 1 and two.retrainings == 2


def test_the_learning_rate_is_held_and_then_falls() -> None:
    """Plain gradient descent on ``−Σθ``: each step moves by the learning rate, whatever came before."""

    class Walk(Shifted):
        def loss(self, batch: Tensor, rng: Stream) -> Tensor:
            return -self.mean.sum()

    plan = Training(2, 4, partial(torch.optim.SGD, lr=1.0), decay=HoldThenDecay(hold=2), keep_optimizer=True)
    model, seen = Walk(plan), [0.0]
    for _ in range(5):
        model.fit(torch.zeros(4, 2), RNG)
        seen.append(float(model.mean[0].detach()))
    assert [b - a for a, b in pairwise(seen)] == [2.0, 2.0, 1.0, 0.5, 0.25]


@pytest.mark.parametrize(("kept", "change"), [(False, 0.0), (True, -0.5 * 0.5)])
def test_weight_decay_stops_with_the_hold(kept: bool, change: float) -> None:
    """Without a gradient only the decay of weights moves them: by ``−lr · decay · θ``."""

    class Still(Shifted):
        def loss(self, batch: Tensor, rng: Stream) -> Tensor:
            return 0.0 * self.mean.sum()

    plan = Training(1, 4, partial(torch.optim.SGD, lr=1.0, weight_decay=0.5), keep_optimizer=True)
    plan = dataclasses.replace(plan, decay=HoldThenDecay(hold=1, keep_weight_decay=kept))
    model = Still(plan)
    model.mean.data.fill_(1.0)
    model.fit(torch.zeros(4, 2), RNG)
    assert model.mean.tolist() == [0.5, 0.5]  # held: lr 1, decay ½
    model.fit(torch.zeros(4, 2), RNG)
    assert model.mean[0].item() == 0.5 + 0.5 * change  # lr ½


def test_precision_is_that_of_the_loss_alone() -> None:
    class Layer(Shifted):
        def loss(self, batch: Tensor, rng: Stream) -> Tensor:
            self.product = batch @ torch.diag(self.mean)
            return (self.product.float() - batch.float()).square().mean()

    model = Layer(Training(3, 4, partial(torch.optim.SGD, lr=0.1), precision=torch.bfloat16))
    model.fit(torch.ones(4, 2), RNG)
    assert model.product.dtype == torch.bfloat16 and model.mean.dtype == torch.float32
    assert bool((model.mean.detach() > 0).all())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: HoldThenDecay(-1), r"HoldThenDecay\(hold\) must be a whole number of retrainings, at least 0, got -1"),
        (lambda: HoldThenDecay(3, factor=0.0), r"HoldThenDecay\(factor\) must lie in \(0, 1\], got 0.0"),
        (lambda: Training(precision=torch.float16), r"Training\(precision\) is None, torch.float32 or torch.bfloat16"),
    ],
)
def test_how_training_changes_is_checked(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


# -- flow matching -----------------------------------------------------------------------------------------------------


def eight_gaussians(n: int, rng: Stream) -> Tensor:
    """Eight narrow Gaussians on a circle of radius 2."""
    angle = (rng.at("which").uniform(n) * 8).floor() * (2 * math.pi / 8)
    centre = 2 * torch.stack([angle.cos(), angle.sin()], -1)
    return (centre + 0.15 * rng.normal(n, 2)).float()


def test_flow_matching_learns_eight_gaussians() -> None:
    """Every mode is found, few samples lie between them, and the loss falls."""
    data = eight_gaussians(4000, RNG.at("data"))
    plan = Training(steps=1500, batch_size=256, optimizer=partial(torch.optim.Adam, lr=3e-3))
    model = FlowMatching(2, training_plan=plan)
    untrained = model.sample(2000, RNG)
    start = model.loss(data, RNG).item()
    end = model.fit(data, RNG.at("fit"))
    assert end is not None and end < 0.75 * start

    def near(x: Tensor) -> tuple[float, Tensor]:
        angle = torch.arange(8) * (2 * math.pi / 8)
        centres = 2 * torch.stack([angle.cos(), angle.sin()], -1)
        distance, mode = torch.cdist(x, centres).min(-1)
        close = distance < 0.6
        return float(close.float().mean()), torch.bincount(mode[close], minlength=8) / len(x)

    share, modes = near(model.sample(2000, RNG))
    assert near(untrained)[0] < 0.5
    assert share > 0.85 and float(modes.min()) > 0.06 and float(modes.max()) < 0.2


def test_flow_matching_is_its_formula() -> None:
    """The loss is ``E‖v(x_t, t) − (x_1 − x_0)‖²``; Heun's method is exact for a velocity that is linear in time."""

    class Known(FlowMatching):
        def velocity(self, x: Tensor, t: Tensor) -> Tensor:
            return torch.stack([2 * t, torch.full_like(t, -3.0)], -1)

    model = Known(2, steps=3)
    start = RNG.normal(5, 2, dtype=torch.float32)
    torch.testing.assert_close(model.sample(5, RNG), start + torch.tensor([1.0, -3.0]))

    batch = normals(3, 40, 2).float()
    noise, t = RNG.at("start").normal(40, 2).float(), RNG.at("time").uniform(40).float()
    expected = ((torch.stack([2 * t, -3 * torch.ones(40)], -1) - (batch - noise)) ** 2).mean()
    torch.testing.assert_close(model.loss(batch, RNG), expected)

    class Pull(FlowMatching):
        def velocity(self, x: Tensor, t: Tensor) -> Tensor:
            return -x + t.unsqueeze(-1)

    fine, coarse = (Pull(2, steps=steps).sample(5, RNG) for steps in (64, 32))
    exact = start / math.e + 1 / math.e  # x' = t − x
    assert (fine - exact).abs().max() < 5e-5 and (coarse - exact).abs().max() > 2.5 * (fine - exact).abs().max()


def test_the_velocity_meets_its_point_on_the_line() -> None:
    """``x_t = (1−t) x_0 + t x_1``: the exact field of one data point has no loss."""

    class Exact(FlowMatching):
        def velocity(self, x: Tensor, t: Tensor) -> Tensor:
            return (torch.tensor([1.0, -2.0]) - x) / (1 - t.unsqueeze(-1))

    loss = Exact(2).loss(torch.tensor([[1.0, -2.0]]).repeat(200, 1), RNG)
    assert loss.item() < 1e-6


def test_the_first_weights_have_a_seed_of_their_own() -> None:
    torch.manual_seed(3)
    before = torch.rand(1)
    torch.manual_seed(3)
    one, same, other = FlowMatching(seed=1), FlowMatching(seed=1), FlowMatching(seed=2)
    assert torch.equal(torch.rand(1), before)  # the global generator is left alone
    x = one.sample(4, RNG)
    assert torch.equal(x, same.sample(4, RNG)) and not torch.equal(x, other.sample(4, RNG))
    assert not x.requires_grad and one.event_shape == (2,)
    assert FlowMatching(5, hidden=8, depth=1).sample(3, RNG).shape == (3, 5)


@pytest.mark.parametrize("settings", [{"dimension": 0}, {"hidden": 0}, {"depth": 0}, {"steps": True}])
def test_flow_matching_of_no_size_is_refused(settings) -> None:
    with pytest.raises(ValueError, match=f"FlowMatching.{next(iter(settings))}. must be a whole number, at least 1"):
        FlowMatching(**settings)
