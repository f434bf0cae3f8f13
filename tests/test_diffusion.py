"""Diffusion: the loss and the sampler are their formulas, and the network is diffusers' of the size that was asked."""

from __future__ import annotations

import copy
import sys
from functools import partial

import pytest
import torch
from torch import Tensor

from ecosystem import Pairs, Stream, Training
from ecosystem.generators.diffusion import Diffusion
from ecosystem.generators.training import memory_named
from tests.far import far

RNG = Stream.root([(0, 0)])[0]
SHAPE = (3, 4, 4)
SMALL = {
    "shape": SHAPE,
    "classes": 2,
    "channels": (16, 16),
    "layers_per_block": 1,
    "timesteps": 40,
    "sampling_steps": 8,
}
KEPT = torch.cumprod(1 - torch.linspace(0.1 / 40, 20 / 40, 40), 0)  # ᾱ_t


def images(n: int) -> Pairs:
    return Pairs(torch.arange(n) % 2, RNG.at("images").uniform(n, *SHAPE).float())


def spread(values: Tensor) -> Tensor:
    return values.reshape(-1, 1, 1, 1)


# -- the formulas ------------------------------------------------------------------------------------------------------


class Known(Diffusion):
    """A guess of the noise that depends on everything it is given."""

    def noise_in(self, x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        return 0.7 * x + spread(0.01 * t - 0.2 * labels)


def test_the_loss_is_its_formula() -> None:
    """``E‖ε − ε̂(√ᾱ_t x + √(1−ᾱ_t) ε, t)‖²`` on images in [−1, 1]."""
    batch = images(60)
    noise = RNG.at("noise").normal(60, *SHAPE).float()
    t = (40 * RNG.at("time").uniform(60)).long()
    assert t.min() == 0 and t.max() == 39
    noisy = spread(KEPT[t].sqrt()) * (2 * batch.outputs - 1) + spread((1 - KEPT[t]).sqrt()) * noise
    guess = 0.7 * noisy + spread(0.01 * t - 0.2 * batch.inputs)
    torch.testing.assert_close(Known(**SMALL).loss(batch, RNG), ((guess - noise) ** 2).mean())


def test_the_sampler_is_its_formula() -> None:
    """DDIM without noise, from the last timestep to the first: ``x ← √ᾱ' x̂ + √(1−ᾱ') ε̂``, ``x̂`` cut to [−1, 1]."""
    model, labels = Known(**SMALL), torch.arange(6) % 2
    start = x = RNG.normal(6, *SHAPE, dtype=torch.float32)
    for t in (39, 34, 29, 24, 19, 14, 9, 4):
        kept, before = KEPT[t], KEPT[t - 5] if t > 5 else torch.ones(())
        guess = 0.7 * x + spread(0.01 * t - 0.2 * labels)
        image = ((x - (1 - kept).sqrt() * guess) / kept.sqrt()).clamp(-1, 1)
        x = before.sqrt() * image + (1 - before).sqrt() * guess
    torch.testing.assert_close(model.images_from(start, labels), x)


@pytest.mark.parametrize("steps", [1, 8, 40])
def test_who_sees_the_noise_of_a_known_image_draws_it(steps: int) -> None:
    goal = images(2).outputs

    class Told(Diffusion):
        def noise_in(self, x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
            return (x - spread(KEPT[t].sqrt()) * (2 * goal[labels] - 1)) / spread((1 - KEPT[t]).sqrt())

    model = Told(**{**SMALL, "sampling_steps": steps}, sampling_batch=3)
    labels = torch.tensor([1, 0, 0, 1, 1])
    torch.testing.assert_close(model.respond(labels, RNG), goal[labels], atol=1e-4, rtol=0)


@pytest.mark.parametrize("timesteps", [8, 40, 1000])
def test_the_last_timestep_is_noise(timesteps: int) -> None:
    model = Diffusion(**{**SMALL, "timesteps": timesteps})
    for scheduler in (model.forwards, model.backwards):
        assert scheduler.alphas_cumprod[-1] < 1e-4 and scheduler.alphas_cumprod[0] > 0.98


# -- the network -------------------------------------------------------------------------------------------------------


def test_the_default_network_is_that_of_the_paper() -> None:
    """Ho et al. 2020 count 35.7 million parameters for CIFAR-10; ours also has an embedding of 512 a class."""
    model = Diffusion()
    assert sum(p.numel() for p in model.parameters()) == 35_746_307 + 10 * 512
    assert model.forwards.betas[[0, -1]].tolist() == pytest.approx([1e-4, 0.02])
    assert model.event_shape == (3, 32, 32) and torch.equal(model.ask(40, RNG).unique(), torch.arange(10))


def test_the_network_is_given_image_time_and_class() -> None:
    model = Diffusion(**SMALL)
    x, t, labels = torch.zeros(2, *SHAPE), torch.tensor([5, 5]), torch.tensor([0, 0])
    guess = model.noise_in(x, t, labels)
    assert guess.shape == x.shape and torch.equal(guess[0], guess[1])
    for other in ((x + 1, t, labels), (x, t + 30, labels), (x, t, labels + 1)):
        assert (model.noise_in(*other) - guess).abs().max() > 1e-2
    assert set(model.state_dict()) == {name for name, _ in model.named_parameters()}


@pytest.mark.parametrize(("channels", "groups"), [((128, 256), 32), ((16, 32), 4), ((8, 12), 2), ((6,), 1)])
def test_groups_have_several_channels(channels: tuple[int, ...], groups: int) -> None:
    """A channel normalised by itself forgets what class and time add to it."""
    assert Diffusion(**{**SMALL, "channels": channels}).network.config.norm_num_groups == groups  # type: ignore


def test_classes_are_learnt() -> None:
    """After a little training the images of two classes have their colours."""
    colours = torch.tensor([[0.9, 0.2, 0.1], [0.1, 0.3, 0.9]])
    labels = torch.arange(64) % 2
    data = Pairs(labels, colours[labels].reshape(64, 3, 1, 1).expand(64, *SHAPE).clone())
    plan = Training(150, 32, partial(torch.optim.AdamW, lr=5e-3))
    model = Diffusion(**{**SMALL, "channels": (16,)}, training_plan=plan)
    start = model.loss(data, RNG).item()
    end = model.fit(data, RNG.at("fit"))
    assert end is not None and end < 0.3 * start
    drawn = model.sample(40, RNG)
    assert (drawn.outputs.mean((2, 3)) - colours[drawn.inputs]).abs().mean() < 0.15


def test_copies_train_apart_and_equally() -> None:
    model = Diffusion(**SMALL, training_plan=Training(2, 8))
    one, two = copy.deepcopy(model), copy.deepcopy(model)
    before = model.sample(4, RNG).outputs
    assert one.fit(images(20), RNG) == two.fit(images(20), RNG)
    assert torch.equal(one.sample(4, RNG).outputs, two.sample(4, RNG).outputs)
    assert torch.equal(model.sample(4, RNG).outputs, before) and not torch.equal(one.sample(4, RNG).outputs, before)
    model.load_state_dict(one.state_dict())
    assert torch.equal(one.sample(4, RNG).outputs, model.sample(4, RNG).outputs)


def test_a_sample_has_its_own_noise() -> None:
    """Whatever is drawn beside it, in batches of whatever size; only the last bits may differ."""
    model, labels = Diffusion(**SMALL), torch.arange(9) % 2
    whole = model.respond(labels, RNG)
    assert whole.dtype == torch.float32 and whole.min() >= 0 and whole.max() <= 1
    assert (whole[0] - whole[2]).abs().max() > 0.1
    model.sampling_batch = 4
    rows = torch.tensor([7, 2, 5, 3, 8])
    for some, drawn in (
        (whole, model.respond(labels, RNG)),
        (whole[:5], model.respond(labels[:5], RNG)),
        (whole[rows], model.respond(labels[rows], RNG.select(rows))),
    ):
        torch.testing.assert_close(drawn, some, atol=1e-5, rtol=0)


def test_precision_goes_over_that_of_the_plan() -> None:
    seen: list[torch.dtype] = []
    model = Diffusion(**SMALL, training_plan=Training(2, 8, precision=torch.float32), precision=torch.bfloat16)
    model.network.conv_in.register_forward_hook(lambda layer, given, out: seen.append(out.dtype))  # type: ignore
    assert model.training_plan == Training(2, 8, model.training_plan.optimizer, precision=torch.bfloat16)
    loss = model.fit(images(8), RNG)
    assert loss == pytest.approx(Diffusion(**SMALL, training_plan=Training(2, 8)).fit(images(8), RNG), rel=0.05)
    assert model.sample(3, RNG).outputs.dtype == torch.float32
    assert seen == [torch.bfloat16] * (2 + 8)
    kept = Diffusion(**SMALL, training_plan=Training(2, 8, precision=torch.bfloat16))
    assert kept.training_plan.precision == torch.bfloat16


def test_everything_goes_to_the_device() -> None:
    """A pretended device refuses to mix with another."""
    model = Diffusion(**SMALL, device=far())
    labels, x = torch.arange(2).to(far()), torch.zeros(2, *SHAPE).to(far())
    assert model.device.type == far() and model.images_from(x, labels).device.type == far()
    assert model.loss(Pairs(labels, x), RNG).device.type == far()


def test_the_first_weights_have_a_seed_of_their_own() -> None:
    torch.manual_seed(3)
    before = torch.rand(1)
    torch.manual_seed(3)
    one, same, other = (Diffusion(**SMALL, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), before)  # the global generator is left alone
    x = one.sample(2, RNG).outputs
    assert torch.equal(x, same.sample(2, RNG).outputs) and not torch.equal(x, other.sample(2, RNG).outputs)


# -- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"channels": ()}, r"Diffusion\(channels\) takes whole numbers, at least 1, got \(\)"),
        ({"channels": (8, 0)}, r"Diffusion\(channels\) takes whole numbers, at least 1, got \(8, 0\)"),
        ({"layers_per_block": 0}, r"Diffusion\(layers_per_block\) takes whole numbers"),
        ({"timesteps": True}, r"Diffusion\(timesteps\) takes whole numbers"),
        ({"sampling_steps": 2000}, r"sampling_steps\) must divide timesteps = 1000, got 2000; give it 500 or 1000"),
        ({"sampling_steps": 600}, r"must divide timesteps = 1000, got 600; give it 250 or 500"),
        ({"shape": (3, 30, 32)}, r"halves images 3 times, .* multiples of 8, got shape=\(3, 30, 32\); give fewer"),
        ({"precision": torch.float16}, r"Training\(precision\) is None, torch.float32 or torch.bfloat16"),
    ],
)
def test_sizes_that_make_no_sense_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Diffusion(**settings)


def test_wrong_images_are_refused_in_its_name() -> None:
    with pytest.raises(ValueError, match=r"Diffusion is trained on pixels in \[0, 1\], got .*; divide"):
        Diffusion(**SMALL).validate(Pairs(torch.arange(2), torch.full((2, *SHAPE), 200.0)))


def test_memory_that_runs_out_is_told_what_to_lower() -> None:
    model = Diffusion(**SMALL)
    wanted = r"out of memory while sampling on cpu; .* Diffusion\(sampling_batch=...\), Training\(batch_size=...\)"
    with pytest.raises(RuntimeError, match=wanted), memory_named(model, "sampling"):
        raise torch.OutOfMemoryError("no more")


def test_without_diffusers_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(ImportError, match=r"Diffusion needs the extra 'images': pip install 'mesacosm\[images\]'"):
        Diffusion(**SMALL)
