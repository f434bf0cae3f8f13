"""Class-conditional diffusion models: diffusers' U-Net, trained to predict noise, sampled by DDIM."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import gcd
from typing import Any

import torch
from torch import Tensor, nn

from ecosystem.core.arguments import spelled
from ecosystem.core.check import brief, whole_number
from ecosystem.core.streams import Stream
from ecosystem.generators.images import ImageModel, check_sizes, known_device
from ecosystem.generators.training import Training, check_plan


@spelled
class Diffusion(ImageModel):
    """Images of a class from noise: the U-Net of diffusers (extra ``images``), of any size, on a CPU or a GPU.

    The loss is ``E‖ε − ε̂(√ᾱ_t x + √(1−ᾱ_t) ε, t, class)‖²`` at ``t`` uniform over ``timesteps`` (Ho et al. 2020,
    2006.11239), ``ᾱ_t = Π (1−β)`` with ``β·timesteps`` linear from 0.1 to 20: as theirs at 1,000, and fewer also end in
    noise (``β`` at most 0.999). Sampling takes ``sampling_steps`` steps, a divisor of ``timesteps``, of DDIM without
    noise (Song et al. 2021, 2010.02502), with the guessed image clipped to the range of images. ``channels``
    has the width of each resolution, halved from one to the next, with attention at the second and in the middle.
    ``precision=torch.bfloat16`` trains and samples in mixed precision, whatever the plan says; ``seed`` fixes the
    initial weights. Images ``[n, *shape]`` lie in [0, 1], labels ``[n]`` in 0..classes − 1. The default sizes are those
    of Ho et al. for CIFAR-10, 36 million parameters: a GPU's work.

    >>> model = Diffusion(shape=(3, 8, 8), channels=(8, 16), layers_per_block=1, timesteps=10, sampling_steps=2)
    >>> model.respond(torch.tensor([7, 1]), Stream.root([(0, 0)])[0]).shape
    torch.Size([2, 3, 8, 8])
    """

    def __init__(
        self,
        shape: tuple[int, int, int] = (3, 32, 32),
        classes: int = 10,
        channels: tuple[int, ...] = (128, 256, 256, 256),
        layers_per_block: int = 2,
        timesteps: int = 1000,
        sampling_steps: int = 50,
        training_plan: Training | None = None,
        seed: int = 0,
        device: torch.device | str = "cpu",
        precision: torch.dtype | None = None,
        sampling_batch: int = 1024,
    ) -> None:
        check_plan(training_plan, "Diffusion(training_plan)")
        plan = training_plan or Training(4000, 128, partial(torch.optim.AdamW, lr=2e-4), keep_optimizer=True)
        plan = plan if precision is None else replace(plan, precision=precision)
        whole_number(seed, "Diffusion(seed)", 0)
        super().__init__(shape, classes, plan, sampling_batch)
        check_sizes("Diffusion", channels=channels, layers_per_block=layers_per_block)
        check_sizes("Diffusion", timesteps=timesteps, sampling_steps=sampling_steps)
        if timesteps % sampling_steps:  # the scheduler's strides would not meet its noise levels
            near = [n for n in range(1, timesteps + 1) if timesteps % n == 0]
            near = sorted(sorted(near, key=lambda n: abs(n - sampling_steps))[:2])
            raise ValueError(
                f"Diffusion(sampling_steps) must divide timesteps = {timesteps}, got {sampling_steps}; give it "
                f"{' or '.join(map(str, near))}"
            )
        if not isinstance(channels, tuple):
            raise ValueError(f"Diffusion(channels) is a tuple of whole numbers, one a depth, got {brief(channels)}")
        halvings = len(channels) - 1
        if shape[1] % 2**halvings or shape[2] % 2**halvings:
            raise ValueError(
                f"Diffusion(channels={channels}) halves images {halvings} times, so height and width must be "
                f"multiples of {2**halvings}, got shape={shape}; give fewer channels"
            )
        found = known_device("Diffusion", device)
        library = _diffusers()
        self.sampling_steps = sampling_steps
        rates = {"beta_start": 0.1 / timesteps, "beta_end": min(20 / timesteps, 0.999)}
        self.forwards = library.DDPMScheduler(timesteps, **rates)
        self.backwards = library.DDIMScheduler(timesteps, **rates, timestep_spacing="trailing")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = _unet(library, shape, classes, channels, layers_per_block)
        self.to(found)

    def noise_in(self, x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        """``ε̂(x_t, t, class)`` for images ``x [n, C, H, W]``, timesteps ``t [n]`` and ``labels [n]``."""
        return self.network(x, t, class_labels=labels).sample

    def loss_of(self, images: Tensor, labels: Tensor, rng: Stream) -> Tensor:
        steps = self.forwards.config.num_train_timesteps
        t = (rng.at("time").uniform(len(images), dtype=torch.float64) * steps).long().to(images.device)
        noise = rng.at("noise").normal(*images.shape, dtype=images.dtype).to(images.device)
        noisy = self.forwards.add_noise(images, noise, t)
        return nn.functional.mse_loss(self.noise_in(noisy, t, labels).float(), noise)

    def images_from(self, noise: Tensor, labels: Tensor) -> Tensor:
        x = noise
        self.backwards.set_timesteps(self.sampling_steps)
        for t in self.backwards.timesteps:
            guess = self.noise_in(x, t.to(x.device).expand(len(x)), labels).float()
            x = self.backwards.step(guess, t, x).prev_sample
        return x


def _diffusers() -> Any:
    try:
        import diffusers
    except ImportError as error:
        raise ImportError("Diffusion needs the extra 'images': pip install 'mesacosm[images]'") from error
    return diffusers


def _unet(
    library: Any, shape: tuple[int, ...], classes: int, channels: tuple[int, ...], layers_per_block: int
) -> nn.Module:
    """The U-Net of Ho et al. 2020: one attention head, at the second resolution and in the middle."""
    # A group of one channel would be normalised by itself, and what class and time add to it taken away again.
    groups = min(gcd(32, *channels), 2 ** (max(1, min(channels) // 4).bit_length() - 1))
    down, up = ["DownBlock2D"] * len(channels), ["UpBlock2D"] * len(channels)
    if len(channels) > 1:
        down[1], up[-2] = "AttnDownBlock2D", "AttnUpBlock2D"
    return library.UNet2DModel(
        sample_size=tuple(shape[1:]),
        in_channels=shape[0],
        out_channels=shape[0],
        down_block_types=tuple(down),
        up_block_types=tuple(up),
        block_out_channels=tuple(channels),
        layers_per_block=layers_per_block,
        norm_num_groups=groups,
        attention_head_dim=None,
        num_class_embeds=classes,
    )
