"""Mosaics of the images that members generate: in their own colours or in one grey scale, and sorted by label.

An image is `[h, w]`, `[1, h, w]` (grey) or `[3, h, w]` (red, green, blue). Pixels are put into the figure as they
are: as an SVG it is small, and as sharp as the screen allows.
"""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ecosystem.report import look
from ecosystem.report.look import WIDE
from ecosystem.report.pictures import Samples, drawable, grid

if TYPE_CHECKING:
    from ecosystem.running.run import Run

LARGEST = 64  # pixels of an image's side on the page
RANGES = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))  # what pixels usually lie in


def images(run: "Run", width: float = WIDE) -> Figure:
    """A mosaic of each member's images: rows members, columns rounds, one scale of brightness for all."""
    found = drawable(run, "images")
    low, high = brightness(found)
    side = 3 if width < 6 else 4
    mosaics = {
        name: {
            at: mosaic(_pixels(arranged(x, labels(run, name, at), side**2), low, high), side)
            for at, x in rounds.items()
        }
        for name, rounds in found.items()
    }
    ratio = max((x.shape[0] / x.shape[1] for rounds in mosaics.values() for x in rounds.values()), default=1.0)

    def draw(axes: Axes, rounds: dict[int, np.ndarray], at: int, colour: str) -> None:
        axes.imshow(rounds[at], cmap="gray_r", vmin=0, vmax=1, interpolation="none", aspect="equal")
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_color(look.FAINT)

    return grid(run, mosaics, width, draw, "No images were kept.", ratio)


def brightness(found: Samples) -> tuple[float, float]:
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


def labels(run: "Run", member: str, at: int) -> np.ndarray | None:
    """The class labels `[n]` that the samples of a round answer; None where they answer none, or something else."""
    inputs = run.inputs.get(member, {}).get(at)
    if inputs is None:
        return None
    numbers = np.asarray(inputs)
    same = numbers.shape == (len(run.samples[member][at]),)
    return numbers if same and np.issubdtype(numbers.dtype, np.integer) else None


def arranged(images: np.ndarray, classes: np.ndarray | None, most: int) -> np.ndarray:
    """At most `most` images: the first ones; with labels `classes [n]` about as many of each, sorted by label."""
    if classes is None:
        return images[:most]
    order = np.argsort(classes, kind="stable")
    turn = np.empty(len(order), dtype=int)  # how many of its label come before an image
    turn[order] = np.arange(len(order)) - np.searchsorted(classes[order], classes[order])
    taken = np.lexsort((classes, turn))[:most]
    return images[taken[np.lexsort((turn[taken], classes[taken]))]]


def _pixels(images: np.ndarray, low: float, high: float) -> np.ndarray:
    """Images `[n, h, w]` or `[n, c, h, w]` as values in 0..1 (clipped), colours last."""
    scaled = _thinned(np.nan_to_num(np.clip((images.astype(float) - low) / (high - low), 0, 1)))
    if scaled.ndim == 3:
        return scaled
    return scaled[:, 0] if scaled.shape[1] == 1 else np.moveaxis(scaled, 1, -1)


def _thinned(images: np.ndarray) -> np.ndarray:
    """Large images with fewer pixels, each the mean of a block: nobody sees more of them on a page."""
    height, wide = images.shape[-2:]
    block = -(-max(height, wide) // LARGEST)
    if block == 1:
        return images
    high, across = min(block, height), min(block, wide)
    cut = images[..., : height // high * high, : wide // across * across]
    return cut.reshape(*cut.shape[:-2], height // high, high, wide // across, across).mean((-3, -1))


def mosaic(pictures: np.ndarray, side: int) -> np.ndarray:
    """Pictures `[n, h, w(, 3)]` laid out `side` a row (in a square where they are fewer), with paper around each."""
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
