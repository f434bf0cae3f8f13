"""Rewards on colour images: how much of a hue they show, and how much their colours look like the data's.

Images are float tensors ``[..., 3, height, width]`` with red, green and blue in [0, 1]. :func:`warm` and :func:`cool`
are the users of the image experiment of Zhang, Wei, Zhang 2026 (arXiv 2605.29267): ``α·band + β·realism``.

The paper prints ``α = β = 0.3``. With these no reward exceeds .3, and its own figure reaches .92; ``α = 2, β = .3``
reproduce that figure (as a population of real images does, `scenarios/tinted_digits.py`), and are the defaults here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from ecosystem.core.check import as_tensor, brief, one_number, several
from ecosystem.core.samples import Pairs, Samples, outputs
from ecosystem.rewards.base import Reward, aligned, as_numbers
from ecosystem.rewards.sums import WeightedSum

AS_RUN = (2.0, 0.3)  # weights of band and realism


def hue_saturation(images: Tensor) -> tuple[Tensor, Tensor]:
    """Hue in [0, 1) and saturation in [0, 1] of every pixel, ``[..., height, width]`` each, as HSV defines them.

    Red is 0, green 1/3, blue 2/3. Greys and black have hue 0 and saturation 0. Values outside [0, 1] count as the
    nearest colour that a screen can show; NaN stays NaN.

    >>> hue, saturation = hue_saturation(torch.tensor([0.5, 1.0, 0.5]).reshape(3, 1, 1))      # a light green
    >>> hue.item() == torch.tensor(1 / 3).item(), saturation.item()
    (True, 0.5)
    """
    _check_images(images, 3)
    shown = images.clamp(0, 1)
    red, green, blue = shown.unbind(-3)
    high = shown.amax(-3)
    chroma = high - shown.amin(-3)
    smallest = torch.finfo(images.dtype).tiny  # in place of zero: 0 / smallest = 0
    step = chroma.clamp(min=smallest)
    sextant = torch.where(
        high == red,
        (green - blue) / step,
        torch.where(high == green, (blue - red) / step + 2, (red - green) / step + 4),
    )
    hue = sextant % 6 / 6 % 1  # a tiny negative number rounds up to 6: it is 0 again
    return hue, chroma / high.clamp(min=smallest)


def _check_images(images: Tensor, channels: int) -> None:
    if not isinstance(images, Tensor):
        raise TypeError(f"images are a tensor [..., {channels}, height, width], got {brief(images)}")
    if not images.is_floating_point():
        raise TypeError(f"images must have float colours in [0, 1], got {images.dtype}; divide bytes by 255")
    if images.ndim < 3 or images.shape[-3] != channels:
        raise ValueError(f"images must be [..., {channels}, height, width], got shape {tuple(images.shape)}")


@dataclass(frozen=True, eq=False, repr=False)
class HueBand(Reward):
    """The mean over the pixels of ``saturation^power`` where the hue lies in ``[low, high]``; other pixels count 0.

    A band with ``low > high`` goes through red: it holds the hues from ``low`` up to 1 and from 0 to ``high``. Between
    0 (no such pixel, or grey) and 1 (every pixel, fully saturated).

    >>> reds = HueBand(0.9, 0.1)
    >>> reds(torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]).reshape(2, 3, 1, 1))            # red, blue
    tensor([1., 0.], dtype=torch.float64)
    """

    low: Tensor
    high: Tensor
    power: Tensor

    def __init__(self, low: Any, high: Any, power: Any = 1.5) -> None:
        for name, value in (("low", low), ("high", high), ("power", power)):
            object.__setattr__(self, name, one_number(value, f"HueBand({name})"))
        for name, value in (("low", float(self.low)), ("high", float(self.high))):
            if not 0 <= value <= 1:
                raise ValueError(f"HueBand({name}) must be a hue from 0 to 1, got {value:.4g}; divide degrees by 360")
        if self.power <= 0:
            raise ValueError(f"HueBand(power) must be positive, got {float(self.power):.4g}: grey has no hue to like")

    def __call__(self, x: Tensor) -> Tensor:
        hue, saturation = (part.to(self.low.dtype) for part in hue_saturation(x))
        low, high, power = (aligned(number, 0, hue.ndim) for number in (self.low, self.high, self.power))
        above, below = hue >= low, hue <= high
        inside = torch.where(low <= high, above & below, above | below)
        return (saturation**power * inside).mean((-2, -1))

    def __repr__(self) -> str:
        low, high, power = (float(number.mean()) for number in (self.low, self.high, self.power))
        return f"HueBand({low:.4g}, {high:.4g}, power = {power:.4g})"


@dataclass(frozen=True, eq=False, repr=False)
class Realism(Reward):
    """``−(‖m(x) − means‖ + ‖s(x) − deviations‖)``: how far the colours of an image are from those of the data.

    ``m(x)`` and ``s(x)`` are mean and standard deviation (divisor ``pixels − 1``) of each channel over the pixels of an
    image, ``means`` and ``deviations`` those of the data, ``[channels]``; the distances are Euclidean. At most 0.
    ValueError for images of one pixel, which have no deviation.

    >>> Realism([0.5, 0.5, 0.5], [0.0, 0.0, 0.0])(torch.full((3, 4, 4), 0.5))
    tensor(-0., dtype=torch.float64)
    """

    means: Tensor
    deviations: Tensor

    def __init__(self, means: Any, deviations: Any) -> None:
        m, s = as_numbers(means, "Realism(means)"), as_numbers(deviations, "Realism(deviations)")
        if m.ndim != 1 or not len(m) or m.shape != s.shape:
            raise ValueError(
                f"Realism(means, deviations) need one number for each channel, got shapes {tuple(m.shape)} and "
                f"{tuple(s.shape)}; Realism.of(images) takes both from data"
            )
        if (s < 0).any():
            raise ValueError(f"Realism(deviations) must be at least 0, got {s.tolist()}")
        object.__setattr__(self, "means", m)
        object.__setattr__(self, "deviations", s)

    @classmethod
    def of(cls, data: Samples, over: str = "pixels") -> Self:
        """From real images ``[n, channels, height, width]`` (or pairs with such outputs).

        ``over="pixels"`` takes the deviation over the pixels of all images together, as the experiment of Zhang, Wei,
        Zhang 2026 does: it is larger than that of an ordinary image, because images differ in their means.
        ``over="images"`` takes the mean of each image's own, from which a real image differs by nothing on average.
        """
        if over not in ("pixels", "images"):
            raise ValueError(f"Realism.of(over) is 'pixels' (of all images together) or 'images', got {brief(over)}")
        images = outputs(data) if isinstance(data, Tensor | Pairs) else as_tensor(data, "Realism.of(images)")
        if images.ndim != 4 or not len(images):
            raise ValueError(
                f"Realism.of(images) needs images [n, channels, height, width], at least one, got {tuple(images.shape)}"
            )
        _check_images(images, images.shape[1])
        low, high = float(images.min()), float(images.max())
        if not (low >= 0 and high <= 1):
            raise ValueError(f"Realism.of(images) needs colours in [0, 1], got {low:.4g} to {high:.4g}; rescale them")
        means, deviations = (part.mean(0) for part in _colours(images.double()))
        if over == "pixels":
            deviations = images.double().transpose(0, 1).flatten(1).std(-1)
        return cls(means, deviations)

    def __call__(self, x: Tensor) -> Tensor:
        _check_images(x, self.means.shape[-1])
        means, deviations = _colours(x)
        return -(_distance(means, self.means) + _distance(deviations, self.deviations))

    def __repr__(self) -> str:
        means, deviations = (part.reshape(-1, part.shape[-1]).mean(0) for part in (self.means, self.deviations))
        return f"Realism({_short(means)}, {_short(deviations)})"


def _colours(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each channel over the pixels of each image, ``[..., channels]``."""
    if images.shape[-2:].numel() < 2:
        raise ValueError(f"images must have two pixels at least to deviate, got shape {tuple(images.shape)}")
    return images.mean((-2, -1)), images.std((-2, -1))


def _distance(colours: Tensor, target: Tensor) -> Tensor:
    return (colours - aligned(target, 1, colours.ndim)).square().sum(-1).sqrt()


def _short(numbers: Tensor) -> str:
    return f"[{', '.join(f'{number:.3g}' for number in numbers.tolist())}]"


def warm(data: Samples, weights: Sequence[float] = AS_RUN) -> WeightedSum:
    """Users who like warm hues (at least 0.92 or at most 0.17) and colours like those of ``data [n, 3, h, w]``.

    ``weights`` are those of band and realism, ``(2.0, 0.3)``; the paper prints ``(0.3, 0.3)``.
    """
    return _liking("warm hues", HueBand(0.92, 0.17), data, weights)


def cool(data: Samples, weights: Sequence[float] = AS_RUN) -> WeightedSum:
    """Users who like cool hues (0.50 to 0.72) and colours like those of ``data [n, 3, h, w]``; ``weights`` as above."""
    return _liking("cool hues", HueBand(0.50, 0.72), data, weights)


def _liking(name: str, band: HueBand, data: Samples, weights: Sequence[float]) -> WeightedSum:
    shares = several(weights, f"the weights of {name} are two numbers, of band and of realism")
    return WeightedSum((band, Realism.of(data)), shares).named(name)
