"""What members generate, a slide a round: mosaics of images, clouds of points, counts of symbols, texts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ecosystem.core.words import counted, number, percent, shortened
from ecosystem.plots import samples
from ecosystem.plots.spreads import evenly, in_order
from ecosystem.report import images, texts
from ecosystem.report.blocks import Chart, Grid, Image, Section, Slides, Words
from ecosystem.report.texts import when
from ecosystem.running.run import Run
from ecosystem.running.verdicts import replicates

SLIDES = 9  # rounds at most
ROOM = 1_000_000  # numbers that all pictures of a page may hold: of large ones there are fewer, with fewer pixels
ENOUGH = 32  # pixels of an image's side: before it has fewer there are fewer images

Found = dict[str, dict[int, np.ndarray]]


def sections(run: Run) -> list[Section]:
    """Those that the run kept samples for; all move through rounds together."""
    found = {kind: samples.drawable(run.samples, kind) for kind in ("images", "clouds", "symbols")}
    made = [_images(run, found["images"])] if found["images"] else []
    for kind, title in (("clouds", "Where their samples lie"), ("symbols", "Which symbols they write")):
        if found[kind]:
            draw = getattr(run.plot, kind)
            rounds = evenly(_rounds(found[kind]), SLIDES)
            slides = [(when(at), [Chart(f"{kind}-{at}", draw(at))]) for at in rounds]
            made.append(_section(run, kind, title, "", slides, len(found[kind])))
    return [*made, *texts.section(run)]


def _section(
    run: Run, id: str, title: str, words: str, slides: Sequence[Any], members: int, first: Sequence[Any] = ()
) -> Section:
    """Slides, what they are of, and what stands before them."""
    more = [f"{samples.MEMBERS} of {counted(members, 'member')} are shown."] if members > samples.MEMBERS else []
    more += ["From the first replicate."] if replicates(run) > 1 else []
    caption = " ".join(filter(None, [words, *more]))
    blocks = [Words(caption, soft=True)] if caption else []
    return Section(id, title, [*blocks, *first, Slides(f"{id}-rounds", "Round", slides, group="round")])


def _rounds(found: Found) -> list[int]:
    return sorted({at for rounds in found.values() for at in rounds})


def _images(run: Run, all_found: Found) -> Section:
    """A mosaic a member, all in one scale of brightness."""
    names = evenly([name for name in in_order(run.members, run.members) if name in all_found], samples.MEMBERS)
    found = {name: all_found[name] for name in names}
    rounds, size = _affordable(found)
    scale = images.brightness(found)
    classes = {(name, at): labels(run, name, at) for name in found for at in found[name]}

    def tiles(at: int) -> Grid:
        return Grid([(shortened(name), _tile(name, at, kept, scale, classes, size)) for name, kept in found.items()])

    slides = [(when(at), [tiles(at)]) for at in rounds]
    first = [Words(f"{when(rounds[0]).capitalize()}:"), tiles(rounds[0])] if len(rounds) > 1 else []
    words = f"{size['side'] ** 2} samples of each member at most, {_scale(found, scale)}"
    words += " They are sorted by label." if all(x is not None for x in classes.values()) else ""
    return _section(run, "images", "What they draw", words, slides, len(all_found), first)


def _affordable(found: Found) -> tuple[list[int], dict[str, int]]:
    """The rounds that are shown, images in a row of a mosaic, and pixels of an image's side at most."""
    every = _rounds(found)
    blocks = [x for rounds in found.values() for x in rounds.values()]
    numbers = max(x.shape[1] if x.ndim == 4 else 1 for x in blocks) * len(found)
    wanted = min(images.LARGEST, max(max(x.shape[-2:]) for x in blocks))
    rounds = evenly(every, max(3, min(SLIDES, ROOM // (numbers * images.SIDE**2 * wanted**2))))
    for side in (images.SIDE, 3, 2):
        largest = math.isqrt(ROOM // (numbers * (len(rounds) + 1) * side**2))
        if largest >= min(wanted, ENOUGH):
            break
    return rounds, {"side": side, "largest": max(1, min(largest, images.LARGEST))}


def _tile(
    name: str,
    at: int,
    kept: dict[int, np.ndarray],
    scale: tuple[float, float],
    classes: dict[Any, Any],
    size: dict[str, int],
) -> Any:
    """One member's mosaic of a round."""
    if at not in kept:
        return Words("nothing of this round was kept", soft=True)
    address = images.mosaic(kept[at], *scale, classes[name, at], **size)
    alt = f"{min(len(kept[at]), size['side'] ** 2)} images of {shortened(name, 60)}, {when(at)}"
    return Image(address, alt, about={"member": name}, pixelated=True)


def labels(run: Run, member: str, at: int) -> np.ndarray | None:
    """The class labels ``[n]`` that the samples of a round answer; None where they answer none, or something else."""
    inputs = run.inputs.get(member, {}).get(at)
    if inputs is None:
        return None
    numbers = np.asarray(inputs)
    same = numbers.shape == (len(run.samples[member][at]),)
    return numbers if same and np.issubdtype(numbers.dtype, np.integer) else None


def _scale(found: Found, scale: tuple[float, float]) -> str:
    """How pixel values become colours or greys."""
    low, high = scale
    blocks = [x for rounds in found.values() for x in rounds.values()]
    coloured = {x.ndim == 4 and x.shape[1] == 3 for x in blocks}
    span = "" if (low, high) == (0, 1) else f" Pixel values from {number(low)} to {number(high)} span the scale."
    beyond = np.mean(np.concatenate([((x < low) | (x > high)).ravel() for x in blocks]))
    if beyond >= 0.001:
        span += f" {percent(float(f'{beyond:.2g}'))} of them lie beyond and are drawn as its nearest end."
    greys, colours = "in one grey scale: dark is high.", "in their own colours."
    words = {frozenset({True}): colours, frozenset({False}): greys}
    return words.get(frozenset(coloured), f"in their own colours, or {greys}") + span
