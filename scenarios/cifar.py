"""What does more curation do to two image models that read each other? Warm hues against cool ones on CIFAR-10.

The users of ``theta`` like warm hues, those of ``phi`` cool ones, and both like colours as the real images have them:
``2·band + 0.3·realism`` (the paper prints 0.3 and 0.3, with which its figure cannot be had: see `tinted_digits.py`).
Half of each diet is real. The other half is curated: the producer's users keep one image of six of the same class by
Luce's rule. Of ``theta``'s curated half the fraction ``c_theta`` comes from ``phi``, of ``phi``'s the fraction
``c_phi`` from ``theta``, the rest from itself:

    setting    A1   A2   A3   A4   A5   A6   B1   B2   B3
    c_theta    0    0.2  0.3  0.7  0.2  0.7  1    0.9  1
    c_phi      1    0.8  0.4  0.3  0.3  0.8  0.3  0.3  0

(B1 to B3 are not the paper's: there the population's curation backfires.)

The question asked of each setting: ``theta`` curates more (``curation=0.6``); what happens to either's alignment? Both
start from one diffusion model trained on real images for ``pretraining`` steps. The learning rate is held for ``hold``
rounds, then halved every round with weight decay off, so that the parameters stop; ``hold=None`` leaves it as it is.

The defaults are the size at which the paper's authors ran it (2605.29267; where text and code differ, the code's), for
a GPU, on CIFAR-10's binary version in ``folder``. What differs: shares are of training sets of one size, so that at 0.6
``theta`` trains on 3,200 real and 4,800 curated images, where theirs has 4,000 and 6,000; weight decay ends with the
hold, where theirs ends a round earlier; all images take 40 sampling steps (a divisor of 1,000), where theirs take 30
and judged ones 50. Small sizes run on a CPU (the second takes a minute):

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
PAPER = {"A1": (0, 1), "A2": (0.2, 0.8), "A3": (0.3, 0.4), "A4": (0.7, 0.3), "A5": (0.2, 0.3), "A6": (0.7, 0.8)}
SETTINGS = {**PAPER, "B1": (1, 0.3), "B2": (0.9, 0.3), "B3": (1, 0)}
WEIGHTS = (2.0, 0.3)  # of band and realism
ROW = 1 + 3 * 32 * 32  # bytes of a labelled image


def scenario(
    setting: str = "A1",
    curation: float = 0.5,
    folder: str = "data/cifar-10-batches-bin",
    rounds: int = 55,
    samples: int = 8000,
    steps: int = 4000,
    hold: int | None = 41,
    pretraining: int = 80_000,
    candidates: int = 6,
    images: int = 25_000,
    batch_size: int = 256,
    learning_rate: float = 2e-4,
    weight_decay: float = 5e-4,
    channels: tuple[int, ...] = (96, 192, 192, 384),
    layers_per_block: int = 1,
    timesteps: int = 1000,
    sampling_steps: int = 40,
    sampling_batch: int = 1024,
    weights: tuple[float, float] = WEIGHTS,
    device: str | None = None,
    precision: str = "float32",
) -> Scenario:
    """``curation`` is ``theta``'s level; ``phi``'s stays 0.5. ``images`` real ones are used, the first.

    ``weights`` are those of band and realism; ``device`` is by default a GPU where there is one; ``precision`` is
    float32 or bfloat16.
    """
    if setting not in SETTINGS:  # before anything is read or trained
        raise ValueError(f"scenario(setting) is one of {', '.join(SETTINGS)}, got {setting!r}")
    if precision not in ("float32", "bfloat16"):
        raise ValueError(f"scenario(precision) is 'float32' or 'bfloat16', got {precision!r}")
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    mixed = getattr(torch, precision)
    sizes = {
        "channels": tuple(channels),
        "layers_per_block": layers_per_block,
        "timesteps": timesteps,
        "sampling_steps": sampling_steps,
        "sampling_batch": sampling_batch,
        "device": device,
    }
    optimizer = partial(torch.optim.AdamW, lr=learning_rate, weight_decay=weight_decay)
    decay = None if hold is None else HoldThenDecay(hold)
    plan = Training(steps, batch_size, optimizer, decay, keep_optimizer=True, precision=mixed)
    real = real_images(folder, images)
    how = (batch_size, learning_rate, weight_decay, mixed)
    start = pretrained(folder, images, tuple(sizes.items()), pretraining, *how)
    s = Scenario("cifar", rounds=rounds, samples=samples)
    for name, taste in (("theta", warm(real, weights)), ("phi", cool(real, weights))):
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
    weight_decay: float,
    precision: torch.dtype,
) -> dict[str, Tensor]:
    """The weights of a model trained on real images alone; its first weights where ``steps`` is 0."""
    model = Diffusion(**dict(sizes))
    if steps:
        optimizer = partial(torch.optim.AdamW, lr=learning_rate, weight_decay=weight_decay)
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
