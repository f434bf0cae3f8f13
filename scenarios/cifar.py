"""What does more curation do to two image models that read each other? Warm hues against cool ones on CIFAR-10.

The users of ``theta`` like warm hues, those of ``phi`` cool ones, and both like colours as the real images have them.
Half of each diet is real. The other half is curated: the producer's users keep one image of six of the same class by
Luce's rule. Of ``theta``'s curated half the fraction ``c_theta`` comes from ``phi``, of ``phi``'s the fraction
``c_phi`` from ``theta``, the rest from itself:

    setting    A1   A2   A3   A4   A5   A6
    c_theta    0    0.2  0.3  0.7  0.2  0.7
    c_phi      1    0.8  0.4  0.3  0.3  0.8

The question asked of each setting: ``theta`` curates more (``curation=0.6``); what happens to either's alignment? Both
start from one diffusion model trained on real images, ``pretraining`` times as long as a round. The learning rate is
held for ``hold`` rounds, then halved every round with weight decay off, so that the parameters stop; ``hold=None``
leaves it as it is.

Shares are of training sets of one size: at 0.6 ``theta`` trains on 3,200 real and 4,800 curated images, where the
paper has 4,000 and 6,000.

The defaults are the full size, for a GPU: rounds, steps and images of the paper (2605.29267) and the U-Net of Ho et al.
(2006.11239), on CIFAR-10's binary version in ``folder``. Small sizes run on a CPU (the second takes a minute):

    ecosystem run scenarios/cifar.py --set setting=A2
    ecosystem run scenarios/cifar.py --set rounds=2 --set samples=60 --set steps=5 --set images=500 \\
        --set batch_size=16 --set channels="[8, 16]" --set layers_per_block=1 --set timesteps=100 --set sampling_steps=5

Takes most of a day; needs mesacosm[images], CIFAR-10 and a GPU, or small sizes.
"""

from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ecosystem import Flow, HoldThenDecay, Luce, Member, Pairs, Scenario, Stream, Training
from ecosystem.generators.diffusion import Diffusion
from ecosystem.rewards.images import cool, warm

# (c_theta, c_phi) of each setting
SETTINGS = {"A1": (0, 1), "A2": (0.2, 0.8), "A3": (0.3, 0.4), "A4": (0.7, 0.3), "A5": (0.2, 0.3), "A6": (0.7, 0.8)}
ROW = 1 + 3 * 32 * 32  # bytes of a labelled image


def scenario(
    setting: str = "A1",
    curation: float = 0.5,
    folder: str = "data/cifar-10-batches-bin",
    rounds: int = 55,
    samples: int = 8000,
    steps: int = 4000,
    hold: int | None = 40,
    pretraining: int = 5,
    candidates: int = 6,
    images: int = 50_000,
    batch_size: int = 128,
    learning_rate: float = 2e-4,
    channels: tuple[int, ...] = (128, 256, 256, 256),
    layers_per_block: int = 2,
    timesteps: int = 1000,
    sampling_steps: int = 50,
    sampling_batch: int = 1024,
    device: str | None = None,
    precision: str | None = None,
) -> Scenario:
    """``curation`` is ``theta``'s level; ``phi``'s stays 0.5. ``images`` real ones are used, the first.

    ``device`` is by default a GPU where there is one; ``precision`` is float32 or bfloat16, on a GPU by default the
    latter.
    """
    if setting not in SETTINGS:  # before anything is read or trained
        raise ValueError(f"scenario(setting) is one of {', '.join(SETTINGS)}, got {setting!r}")
    if precision not in (None, "float32", "bfloat16"):
        raise ValueError(f"scenario(precision) is 'float32' or 'bfloat16', got {precision!r}")
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    mixed = getattr(torch, precision or ("float32" if device == "cpu" else "bfloat16"))
    sizes = {
        "channels": tuple(channels),
        "layers_per_block": layers_per_block,
        "timesteps": timesteps,
        "sampling_steps": sampling_steps,
        "sampling_batch": sampling_batch,
        "device": device,
    }
    optimizer = partial(torch.optim.AdamW, lr=learning_rate)
    decay = None if hold is None else HoldThenDecay(hold)
    plan = Training(steps, batch_size, optimizer, decay, keep_optimizer=True, precision=mixed)
    real = real_images(folder, images)
    start = pretrained(folder, images, tuple(sizes.items()), pretraining * steps, batch_size, learning_rate, mixed)
    s = Scenario("cifar", rounds=rounds, samples=samples)
    for name, taste in (("theta", warm(real)), ("phi", cool(real))):
        model = Diffusion(training_plan=plan, **sizes)
        model.load_state_dict(start)
        s.add(name, Member(model, reward=taste, curator=Luce(candidates), real=real))
    for v, u, level, crossed in zip(
        ("theta", "phi"), ("phi", "theta"), (curation, 0.5), SETTINGS[setting], strict=True
    ):
        for source, share in ((u, level * crossed), (v, level * (1 - crossed))):
            if share:
                s.connect(source, v, Flow(curated=share))
    return s


@cache
def pretrained(
    folder: str,
    images: int,
    sizes: tuple[tuple[str, Any], ...],
    steps: int,
    batch_size: int,
    learning_rate: float,
    precision: torch.dtype,
) -> dict[str, Tensor]:
    """The weights of a model trained on real images alone; its first weights where ``steps`` is 0."""
    model = Diffusion(**dict(sizes))
    if steps:
        optimizer = partial(torch.optim.AdamW, lr=learning_rate)
        model.training_plan = Training(steps, batch_size, optimizer, precision=precision)
        model.fit(real_images(folder, images), Stream.root([(0, 0)])[0].at("pretraining"))
    return model.state_dict()


@cache
def real_images(folder: str, count: int) -> Pairs:
    """The first ``count`` training images of CIFAR-10, ``[count, 3, 32, 32]`` in [0, 1], with their labels 0..9."""
    files = sorted(Path(folder).glob("data_batch_*.bin"))
    if not files:
        python = any(Path(folder).glob("data_batch_*")) or any(Path(folder).glob("batches.meta"))
        found = "holds the Python version of CIFAR-10, pickles, which are not read" if python else "has no CIFAR-10"
        raise FileNotFoundError(
            f"{folder!r} {found}; download the binary version, cifar-10-binary.tar.gz, from "
            f"https://www.cs.toronto.edu/~kriz/cifar.html and unpack it, so that {folder}/data_batch_1.bin is there, "
            "or say where it is: folder=..."
        )
    for file in files:
        if file.stat().st_size % ROW or not file.stat().st_size:
            raise ValueError(
                f"{file} has {file.stat().st_size:,} bytes, no whole number of images of {ROW:,} bytes; download it "
                "again, the binary version of CIFAR-10 (not of CIFAR-100, which has one byte more)"
            )
    rows = np.concatenate([np.fromfile(file, np.uint8).reshape(-1, ROW) for file in files])[:count]
    if rows[:, 0].max(initial=0) > 9:
        raise ValueError(f"{folder!r} has labels up to {rows[:, 0].max()}; CIFAR-10 has 0 to 9; download it again")
    pixels = torch.from_numpy(rows[:, 1:].reshape(-1, 3, 32, 32)).float() / 255
    return Pairs(torch.from_numpy(rows[:, 0].astype(np.int64)), pixels)
