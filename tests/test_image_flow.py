"""Image models on labelled images, and flow matching of images."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch
from torch import Tensor

from ecosystem import Flow, HoldThenDecay, Linear, Luce, Member, Pairs, Scenario, Stream, Training
from ecosystem.generators.image_flow import ImageFlow
from tests.far import far

RNG = Stream.root([(0, 0)])[0]
SHAPE = (3, 4, 4)
SMALL = {"shape": SHAPE, "classes": 3, "hidden": 32}
COLOURS = torch.tensor([[0.9, 0.1, 0.1], [0.1, 0.8, 0.2], [0.2, 0.2, 1.0]])


def coloured(n: int) -> Pairs:
    """Images of one colour a class, a little darker or brighter."""
    labels = torch.arange(n) % 3
    light = 0.9 + 0.2 * RNG.at("light").uniform(n, 1).float()
    return Pairs(labels, (COLOURS[labels] * light).clamp(0, 1).reshape(n, 3, 1, 1).expand(n, *SHAPE).clone())


# -- the formula -------------------------------------------------------------------------------------------------------


class Known(ImageFlow):
    """A velocity linear in time that depends on the class and the pixel's place."""

    def velocity(self, x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        return (2 * t + labels).reshape(-1, 1, 1, 1).to(x.dtype) * torch.ones(self.event_shape)


def test_the_loss_is_its_formula() -> None:
    """``E‖v − (x_1 − x_0)‖²`` on images in [−1, 1], with ``logit t ~ N(−1/2, 1)``."""
    batch = coloured(50)
    start = RNG.at("start").normal(50, *SHAPE).float()
    t = (RNG.at("time").normal(50).float() - 0.5).sigmoid()
    velocity = (2 * t + batch.inputs).reshape(50, 1, 1, 1)
    expected = ((velocity - ((2 * batch.outputs - 1) - start)) ** 2).mean()
    torch.testing.assert_close(Known(**SMALL).loss(batch, RNG), expected)


def test_the_midpoint_rule_is_exact_for_velocities_linear_in_time() -> None:
    x = Known(**SMALL, steps=3).images_from(torch.zeros(3, *SHAPE), torch.arange(3))
    torch.testing.assert_close(x, (1.0 + torch.arange(3)).reshape(3, 1, 1, 1).expand(3, *SHAPE))


def test_the_midpoint_rule_is_of_second_order() -> None:
    class Decaying(ImageFlow):
        def velocity(self, x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
            return t.reshape(-1, 1, 1, 1) - x

    start = RNG.normal(3, *SHAPE)
    exact = start / torch.e + 1 / torch.e  # x' = t − x
    errors = [
        float((Decaying(**SMALL, steps=steps).images_from(start, torch.arange(3)) - exact).abs().max())
        for steps in (8, 16, 32)
    ]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.15) and errors[1] / errors[2] == pytest.approx(4, rel=0.1)


def test_a_network_that_knows_the_image_draws_it_without_loss() -> None:
    """The exact field of one image a class: no loss, and every noise ends in the image."""

    class Told(torch.nn.Module):
        def forward(self, x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
            assert x.shape == (len(labels), 48) and t.shape == labels.shape
            return 2 * COLOURS[labels].repeat_interleave(16, 1) - 1

    model = ImageFlow(**SMALL)
    model.network = Told()  # type: ignore
    model.to("cpu")
    exact = Pairs(torch.arange(3), COLOURS.reshape(3, 3, 1, 1).expand(3, *SHAPE))
    assert model.velocity(torch.zeros(1, *SHAPE), torch.tensor([0.99]), torch.tensor([0])).max() <= 1 / 0.05  # bounded
    early = Stream.root([(2, 0)])[0]
    assert float((early.at("time").normal(3) - 0.5).sigmoid().max()) < 0.95
    assert model.loss(exact, early).item() < 1e-10
    model.sampling_batch = 2
    labels = torch.tensor([2, 0, 1, 1, 0])
    torch.testing.assert_close(
        sampled(model, labels), COLOURS[labels].reshape(5, 3, 1, 1).expand(5, *SHAPE), atol=1e-6, rtol=0
    )


def sampled(model: ImageFlow, labels: Tensor) -> Tensor:
    return model.respond(labels, RNG)


# -- learning ----------------------------------------------------------------------------------------------------------


def test_classes_are_learnt_and_training_goes_on_from_the_weights() -> None:
    data = coloured(300)
    plan = Training(150, 64, partial(torch.optim.AdamW, lr=3e-3))
    model = ImageFlow(**SMALL, training_plan=plan)
    first = model.loss(data, RNG).item()
    after = model.fit(data, RNG.at("fit"))
    assert after is not None and after < 0.05 * first
    model.training_plan = Training(1, 64)
    again = model.fit(data, RNG.at("more"))
    assert again is not None and again < 0.05 * first
    drawn = model.sample(120, RNG)
    assert (drawn.outputs.mean((2, 3)) - COLOURS[drawn.inputs]).abs().mean() < 0.06
    assert drawn.outputs.std((2, 3)).mean() < 0.08  # one colour an image


def test_training_is_reproducible_to_the_bit() -> None:
    def trained() -> ImageFlow:
        model = ImageFlow(**SMALL, training_plan=Training(5, 16))
        model.fit(coloured(30), RNG)
        return model

    one, two = trained(), trained()
    assert torch.equal(one.sample(7, RNG).outputs, two.sample(7, RNG).outputs)
    copied = copy.deepcopy(one)
    copied.fit(coloured(30), RNG)
    assert torch.equal(one.sample(7, RNG).outputs, two.sample(7, RNG).outputs)  # the copy left it alone
    two.load_state_dict(copied.state_dict())
    assert torch.equal(copied.sample(7, RNG).outputs, two.sample(7, RNG).outputs)


def test_precision_is_that_of_the_plan_in_training_and_sampling() -> None:
    seen: list[torch.dtype] = []

    def built(precision: torch.dtype | None) -> ImageFlow:
        model = ImageFlow(**SMALL, training_plan=Training(2, 8, precision=precision))
        model.network.first.register_forward_hook(lambda layer, given, out: seen.append(out.dtype))
        return model

    mixed, full = built(torch.bfloat16), built(None)
    assert mixed.fit(coloured(9), RNG) == pytest.approx(full.fit(coloured(9), RNG), rel=0.05)
    assert seen == [torch.bfloat16] * 2 + [torch.float32] * 2
    seen.clear()
    x, y = mixed.sample(5, RNG).outputs, full.sample(5, RNG).outputs
    assert seen == [torch.bfloat16] * 16 + [torch.float32] * 16 and x.dtype == torch.float32
    assert not torch.equal(x, y) and (x - y).abs().max() < 0.1


# -- sampling ----------------------------------------------------------------------------------------------------------


def test_images_are_plain_numbers_from_zero_to_one() -> None:
    class Noisy(ImageFlow):
        def images_from(self, noise: Tensor, labels: Tensor) -> Tensor:
            return noise

    model = Noisy(**SMALL)
    x = model.sample(50, RNG)
    torch.testing.assert_close(x.outputs, ((RNG.normal(50, *SHAPE).float() + 1) / 2).clamp(0, 1))
    assert x.inputs.unique().tolist() == [0, 1, 2] and x.shape == (50, *SHAPE)
    assert x.outputs.dtype == torch.float32 and x.outputs.device.type == "cpu" and not x.outputs.requires_grad
    assert model.respond(torch.zeros(0, dtype=torch.int64), RNG).shape == (0, *SHAPE)


def test_a_sample_has_its_own_noise() -> None:
    """Whatever is drawn beside it, in batches of whatever size; only the last bits may differ."""
    model = ImageFlow(**SMALL)
    model.fit(coloured(30), RNG)
    labels = torch.arange(20) % 3
    whole = model.respond(labels, RNG)
    torch.testing.assert_close(model.respond(labels[:5], RNG), whole[:5])
    model.sampling_batch = 3
    torch.testing.assert_close(model.respond(labels, RNG), whole)
    torch.testing.assert_close(model.respond(labels[4:], RNG.skip(4)), whole[4:])
    rows = torch.tensor([9, 2, 17, 5, 11])
    torch.testing.assert_close(model.respond(labels[rows], RNG.select(rows)), whole[rows])


def test_the_first_weights_have_a_seed_of_their_own() -> None:
    torch.manual_seed(3)
    before = torch.rand(1)
    torch.manual_seed(3)
    one, same, other = ImageFlow(**SMALL, seed=1), ImageFlow(**SMALL, seed=1), ImageFlow(**SMALL, seed=2)
    assert torch.equal(torch.rand(1), before)  # the global generator is left alone
    weights = [model.network.first.weight for model in (one, same, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_everything_goes_to_the_device() -> None:
    """A pretended device refuses to mix with another."""
    model = ImageFlow(**SMALL, device=far())
    labels, images = torch.arange(3).to(far()), torch.zeros(3, *SHAPE).to(far())
    assert model.device.type == far() and model.loss(Pairs(labels, images), RNG).device.type == far()
    assert model.images_from(images, labels).device.type == far() and model.ask(9, RNG).device.type == "cpu"


# -- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (torch.zeros(2, *SHAPE), r"trained on Pairs\(labels \[n\], images \[n, 3, 4, 4\]\), got Tensor"),
        (Pairs(torch.arange(2), torch.zeros(2, 3, 8, 8)), r"got torch.float32 of shape \(3, 8, 8\); resize them"),
        (Pairs(torch.arange(2), torch.zeros(2, *SHAPE, dtype=torch.uint8)), "floating-point images .* got torch.uint8"),
        (Pairs(torch.arange(2), torch.full((2, *SHAPE), 255.0)), r"pixels in \[255, 255\]; divide by 255"),
        (Pairs(torch.arange(2), torch.full((2, *SHAPE), -0.1)), r"pixels in \[-0.1, -0.1\]"),
        (Pairs(torch.arange(2), torch.full((2, *SHAPE), torch.nan)), r"pixels in \[nan, nan\]"),
        (Pairs(torch.tensor([1, 3]), torch.zeros(2, *SHAPE)), r"whole numbers 0..2 .* got labels 1 to 3; number"),
        (Pairs(torch.tensor([-1, 2]), torch.zeros(2, *SHAPE)), "got labels -1 to 2"),
        (Pairs(torch.tensor([0.0, 1.0]), torch.zeros(2, *SHAPE)), r"got torch.float32 of shape \(2,\)"),
        (Pairs(torch.zeros(2, 1, dtype=torch.int64), torch.zeros(2, *SHAPE)), r"got torch.int64 of shape \(2, 1\)"),
    ],
)
def test_images_that_cannot_be_trained_on_are_refused(data: Tensor | Pairs, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ImageFlow(**SMALL).validate(data)


def test_images_that_can_be_are_not() -> None:
    ImageFlow(**SMALL).validate(coloured(9))
    ImageFlow(**SMALL).validate(Pairs(torch.tensor([2], dtype=torch.uint8), torch.ones(1, *SHAPE).double()))
    with pytest.raises(ValueError, match=r"takes whole numbers 0\.\.2 as labels"):
        ImageFlow(**SMALL).respond(torch.tensor([3]), RNG)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shape": (16, 16)}, r"ImageFlow\(shape\) must be \(channels, height, width\), got \(16, 16\)"),
        ({"shape": (3, 0, 16)}, r"ImageFlow\(shape\) takes whole numbers, at least 1, got \(3, 0, 16\)"),
        *(({name: 0}, rf"ImageFlow\({name}\) takes whole numbers") for name in ("classes", "hidden", "depth", "steps")),
        ({"sampling_batch": 2.5}, r"ImageFlow\(sampling_batch\) takes whole numbers, at least 1, got 2.5"),
    ],
)
def test_sizes_that_make_no_sense_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ImageFlow(**settings)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match=r"ImageFlow\(device='cuda'\): torch sees no GPU here; give device='cpu'"):
        ImageFlow(**SMALL, device="cuda")


# -- in an ecosystem ---------------------------------------------------------------------------------------------------


def test_two_image_models_train_on_each_other() -> None:
    """Labels travel with their images, and held learning rates decay round by round."""
    real = coloured(60)
    plan = Training(20, 16, partial(torch.optim.AdamW, lr=3e-3), HoldThenDecay(1))
    s = Scenario("images", rounds=3, samples=40)
    for seed, name in enumerate(("theta", "phi")):
        model = ImageFlow(**SMALL, training_plan=plan, seed=seed)
        brightness = Linear(torch.full(SHAPE, 1 / 48)).named("bright images")
        s.add(name, Member(model, reward=brightness, curator=Luce(3), real=real))
    for u, v in (("theta", "phi"), ("phi", "theta")):
        s.connect(u, v, Flow(curated=0.4, chosen_by="producer"))
    run = s.run(seed=0)
    assert run.failures.empty and run.rounds["alignment"].between(0, 1).all()
    again = s.run(seed=0)
    assert run.rounds.equals(again.rounds)
