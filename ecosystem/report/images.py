"""Mosaics of the images that members generate: in their own colours or in one grey scale, and sorted by label.

An image is ``[h, w]``, ``[1, h, w]`` (grey) or ``[3, h, w]`` (red, green, blue). Pixels are put on the page as they
are, as a PNG: it is small, and as sharp as the screen allows.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping

import numpy as np
from PIL import Image as Pixels

SIDE = 4  # images in a row of a mosaic
LARGEST = 64  # pixels of an image's side on the page
RANGES = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))  # what pixels usually lie in


def mosaic(images: np.ndarray, low: float, high: float, classes: np.ndarray | None = None, **size: int) -> str:
    """Images ``[n, *event]`` as one picture, as an address that carries it (see :func:`pixels`)."""
    return f"data:image/png;base64,{base64.b64encode(pixels(images, low, high, classes, **size)).decode()}"


def pixels(
    images: np.ndarray,
    low: float,
    high: float,
    classes: np.ndarray | None = None,
    side: int = SIDE,
    largest: int = LARGEST,
) -> bytes:
    """Images ``[n, *event]`` as one PNG, ``side`` a row: the first ones, or with ``classes [n]`` some of each label.

    ``low`` is white and ``high`` black where they have one channel; of three, no light and all of it. An image that is
    wider or higher than ``largest`` loses pixels.
    """
    sheet = laid_out(_scaled(arranged(images, classes, side**2), low, high, largest), side)
    values = np.round(255 * (1 - sheet if sheet.ndim == 2 else sheet)).astype(np.uint8)
    target = io.BytesIO()
    Pixels.fromarray(values).save(target, "PNG", optimize=True)
    return target.getvalue()


def brightness(found: Mapping[str, Mapping[int, np.ndarray]]) -> tuple[float, float]:
    """Which pixel values are at the ends of the scale: a usual range that holds them, else the middle 96 % of them.

    Every round of every member has one vote, so that one that starts from noise does not change how all are drawn.
    """
    blocks = [x[np.isfinite(x)] for rounds in found.values() for x in rounds.values()]
    blocks = [pixels for pixels in blocks if len(pixels)]
    if not blocks:
        return RANGES[0]
    for low, high in RANGES:
        if np.mean([_keeps_to(pixels, low, high) for pixels in blocks]) >= 0.5:
            return low, high
    low, high = np.quantile(np.concatenate(blocks), [0.02, 0.98])
    return float(low), float(max(high, low + 1e-9))


def _keeps_to(pixels: np.ndarray, low: float, high: float) -> bool:
    """Whether nearly all pixels are about in a range, and not all in its darker half."""
    slack = (high - low) / 4
    inside = np.mean((pixels > low - slack) & (pixels < high + slack))
    return bool(inside > 0.9 and pixels.max() > (low + high) / 2)


def arranged(images: np.ndarray, classes: np.ndarray | None, most: int) -> np.ndarray:
    """At most ``most`` images: the first ones; with labels ``classes [n]`` about as many of each, sorted by label."""
    if classes is None:
        return images[:most]
    order = np.argsort(classes, kind="stable")
    turn = np.empty(len(order), dtype=int)  # how many of its label come before an image
    turn[order] = np.arange(len(order)) - np.searchsorted(classes[order], classes[order])
    taken = np.lexsort((classes, turn))[:most]
    return images[taken[np.lexsort((turn[taken], classes[taken]))]]


def _scaled(images: np.ndarray, low: float, high: float, largest: int) -> np.ndarray:
    """Images ``[n, h, w]`` or ``[n, c, h, w]`` as values in 0..1 (clipped), colours last."""
    scaled = _thinned(np.nan_to_num(np.clip((images.astype(float) - low) / (high - low), 0, 1)), largest)
    if scaled.ndim == 3:
        return scaled
    return scaled[:, 0] if scaled.shape[1] == 1 else np.moveaxis(scaled, 1, -1)


def _thinned(images: np.ndarray, largest: int) -> np.ndarray:
    """Large images with fewer pixels, each the mean of a block: nobody sees more of them on a page."""
    height, wide = images.shape[-2:]
    block = -(-max(height, wide) // largest)
    if block == 1:
        return images
    high, across = min(block, height), min(block, wide)
    cut = images[..., : height // high * high, : wide // across * across]
    return cut.reshape(*cut.shape[:-2], height // high, high, wide // across, across).mean((-3, -1))


def laid_out(pictures: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Pictures ``[n, h, w(, 3)]``, ``side`` a row (in a square where they are fewer), with paper around each."""
    height, wide = pictures.shape[1:3]
    side = max(1, min(side, int(np.ceil(np.sqrt(len(pictures))))))
    gap = max(1, wide // 16)
    rows = -(-len(pictures) // side)
    paper = 0.0 if pictures.ndim == 3 else 1.0  # the grey scale is of ink
    sheet = np.full((rows * (height + gap) + gap, side * (wide + gap) + gap, *pictures.shape[3:]), paper)
    for i, picture in enumerate(pictures):
        y, x = gap + (height + gap) * (i // side), gap + (wide + gap) * (i % side)
        sheet[y : y + height, x : x + wide] = picture
    return sheet
