"""What stands below a drawing: what strokes, tints and signs mean, and which number is whose."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ecosystem.core.words import safe, shortened
from ecosystem.plots.network.mark import figure, num
from ecosystem.plots.network.picture import Picture
from ecosystem.plots.network.scene import Scene
from ecosystem.plots.network.sheet import at, head, text_width

CARRIES = {
    "traffic": ("carries gains", "carries losses", "carries nothing"),
    "effect": ("raises", "lowers", "leaves as it is"),
    "": ("above 0", "below 0", "0"),
}
Draw = Callable[[float, float], str]


def _stroke(kind: str, width: float = 2.0, later: bool = False) -> Draw:
    """A short arrow of a kind."""

    def draw(x: float, y: float) -> str:
        base, long = np.array([x + 22, y]), 7.0
        tip = head(base, np.array([1.0, 0.0]), long, width, kind == "minus")
        extra = " later" if later else ""
        return (
            f'<g class="{kind}{extra}"><path d="M{at((x, y))}L{at(base)}" stroke-width="{width:g}"/>'
            f'<polygon points="{tip}"/></g>'
        )

    return draw


def _dot(kind: str) -> Draw:
    def draw(x: float, y: float) -> str:
        where = f'cx="{num(x + 22)}" cy="{num(y)}" r="6"'
        return f'<circle class="body" {where}/><circle class="{kind}" {where} fill-opacity="0.4"/>'

    return draw


def _box(x: float, y: float) -> str:
    return f'<g class="real"><rect x="{num(x + 14)}" y="{num(y - 5)}" width="14" height="10" rx="2"/></g>'


def _users(x: float, y: float) -> str:
    return f'<g class="users">{figure(x + 22, y)}</g>'


def entries(picture: Picture, written: bool) -> list[tuple[Draw, str]]:
    """The entries of the key, of what is there alone."""
    kinds = {stroke.kind for stroke in picture.strokes}
    users = {stroke.users for stroke in picture.strokes if written} - {""}
    plus, minus, zero = CARRIES.get(picture.carry, CARRIES[""])
    blank = {stroke.words == "" for stroke in picture.strokes if stroke.kind == "zero"}
    zero = "no number" if blank == {True} else f"{zero}, or no number" if True in blank else zero
    tints = [face.tint for face in picture.faces if not math.isnan(face.tint)]
    whose = {"producer": "users choose where it is made", "consumer": "users choose where it is read"}
    who = whose.get(next(iter(users)), "users of its own choose") if len(users) == 1 else "where users choose"
    wanted: list[tuple[bool, Draw, str]] = [
        ("raw" in kinds, _stroke("raw"), "raw output"),
        ("curated" in kinds, _stroke("curated"), "curated output"),
        ("plus" in kinds, _stroke("plus"), plus),
        ("minus" in kinds, _stroke("minus"), minus),
        ("zero" in kinds, _stroke("zero", 1.2), zero),
        (any(stroke.later for stroke in picture.strokes), _stroke("raw", later=True), "comes later"),
        (any(face.real > 0 for face in picture.faces), _box, "real data"),
        (bool(users), _users, who),
        (any(tint > 0 for tint in tints), _dot("gain"), "▲ above 0"),
        (any(tint < 0 for tint in tints), _dot("loss"), "▼ below 0"),
    ]
    return [(draw, words) for there, draw, words in wanted if there]


def below(scene: Scene, top: float, width: float) -> tuple[list[str], float]:
    """The key as SVG, centred below ``top``, and where it ends."""
    size, half = scene.letters, width / 2 - 6
    row, y, parts = size + 8, top + size, []
    cells = [(draw, words, 40 + text_width(words, size) + 14) for draw, words in entries(scene.picture, scene.written)]
    line: list[tuple[Draw, str, float]] = []
    for cell in [*cells, None]:
        if cell is None or sum(wide for *_, wide in line) + cell[2] > 2 * half:
            x = -sum(wide for *_, wide in line) / 2
            for draw, words, wide in line:
                parts.append(draw(x, y) + _text(words, x + 36, y, size))
                x += wide
            y, line = y + row * bool(line), []
        if cell is not None:
            line.append(cell)
    numbers = [(number, shortened(name, 22)) for number, name in scene.key]
    if numbers:
        wide = max(text_width(name, size) for _, name in numbers) + text_width("000", size) + 22
        columns = max(1, min(int(2 * half / wide), len(numbers)))
        tall = -(-len(numbers) // columns)
        columns = -(-len(numbers) // tall)
        for i, (number, name) in enumerate(numbers):
            column, place = divmod(i, tall)
            x = -columns * wide / 2 + column * wide + text_width("000", size)
            parts.append(_text(number, x, y + place * (size + 4), size, "end"))
            parts.append(_text(name, x + 8, y + place * (size + 4), size))
        y += tall * (size + 4) + 4
    return parts, y - size / 2


def _text(words: str, x: float, y: float, size: float, anchor: str = "start") -> str:
    extra = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{num(x)}" y="{num(y + 0.35 * size)}" font-size="{num(size)}"{extra}>{safe(words)}</text>'
