"""Handwritten digits on coloured paper: real images that come along with scikit-learn."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from ecosystem.core.check import brief, real_tensor, whole_number
from ecosystem.core.samples import Pairs
from ecosystem.core.streams import Stream

INK = 0.85  # how dark the darkest ink is


def tinted_digits(copies: int = 4) -> Pairs:
    """Labels and images ``[copies · 1797, 3, 16, 16]``: dark digits on paper of a random hue and saturation.

    Every digit comes in ``copies`` colours. Where the ink is ``i`` the brightness is ``1 − 0.85 i``; hue and saturation
    are uniform, and the same each time. The digits are those of scikit-learn (``load_digits``), in bilinear size.
    """
    return _tinted(whole_number(copies, "tinted_digits(copies)", 1))


@cache
def _tinted(copies: int) -> Pairs:
    from sklearn.datasets import load_digits  # it takes a second

    data = load_digits()
    ink = torch.from_numpy(data.images).float().div(16).repeat(copies, 1, 1).unsqueeze(1)
    ink = torch.nn.functional.interpolate(ink, size=(16, 16), mode="bilinear", align_corners=False)
    rng = Stream.root([(0, 0)])[0].at("tints")
    hue, saturation = rng.uniform(len(ink), 2, dtype=torch.float32).T.reshape(2, -1, 1, 1)
    return Pairs(torch.from_numpy(data.target).repeat(copies), painted(hue, saturation, 1 - INK * ink.squeeze(1)))


def painted(hue: Tensor, saturation: Tensor, brightness: Tensor) -> Tensor:
    """RGB images ``[n, 3, h, w]`` from hue, saturation and brightness in [0, 1] (the hexagonal model, HSV)."""
    for name, x in (("hue", hue), ("saturation", saturation), ("brightness", brightness)):
        if not real_tensor(x):
            raise TypeError(f"painted({name}) is a tensor of numbers in [0, 1], got {brief(x)}")
    shapes = [x.shape[-2:] for x in (hue, saturation, brightness)]
    fits = all(a == b or 1 in (a, b) for one in shapes for other in shapes for a, b in zip(one, other, strict=False))
    if min(map(len, shapes)) < 2 or not fits:
        raise ValueError(
            "painted(hue, saturation, brightness) are tensors [..., h, w] that broadcast together, got shapes "
            f"{tuple(hue.shape)}, {tuple(saturation.shape)} and {tuple(brightness.shape)}"
        )
    shift = torch.tensor([5.0, 3.0, 1.0]).reshape(3, 1, 1)
    k = (shift + 6 * hue.unsqueeze(-3)) % 6
    dim = torch.minimum(k, 4 - k).clamp(0, 1)
    return brightness.unsqueeze(-3) * (1 - saturation.unsqueeze(-3) * dim)
