"""The marks of a drawing as SVG: members, flows, real data, users and words; names and titles escaped."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ecosystem.core.words import safe
from ecosystem.plots.network.picture import Picture, Stroke
from ecosystem.plots.network.sheet import LINE, Box, Curve, Point, Sheet, at, head
from ecosystem.plots.palette import COLOURS

Layers = dict[str, list[str]]


def num(value: float) -> str:
    return f"{round(float(value), 1) + 0.0:g}"


def lines(words: Sequence[str], middle: Point | np.ndarray, size: float, halo: bool = False) -> str:
    """Lines of text around a middle."""
    x, y = float(middle[0]), float(middle[1])
    size = math.floor(size * 10) / 10
    step = LINE * size
    first = y - step * (len(words) - 1) / 2 + 0.35 * size
    spans = [f'<tspan x="{num(x)}" y="{num(first + i * step)}">{safe(word)}</tspan>' for i, word in enumerate(words)]
    kind = ' class="name halo"' if halo else ' class="name"'
    return f'<text{kind} text-anchor="middle" font-size="{num(size)}">{"".join(spans)}</text>'


def touch(label: str, focusable: bool) -> str:
    """Attributes of what the keyboard reaches."""
    return f' tabindex="0" role="img" aria-label="{safe(label)}"' if focusable else ""


def member(layers: Layers, picture: Picture, i: int, sheet: Sheet, text: str, focusable: bool) -> None:
    """A circle with a ring in the member's colour, its tint, and its name."""
    face, (x, y), r = picture.faces[i], sheet.centres[i], float(sheet.radii[i])
    where = f'cx="{num(x)}" cy="{num(y)}" r="{num(r)}"'
    wide = 2.6 if r > 20 else 2.0
    kinds = f"member c{i % len(COLOURS)}" + (" absent" if face.absent else "")
    tint = ""
    if not math.isnan(face.tint) and face.tint != 0:
        kind, depth = ("gain", "loss")[face.tint < 0], 0.1 + 0.3 * abs(face.tint)
        tint = f'<circle class="{kind}" {where} fill-opacity="{depth:.2f}"/>'
    ring = f'<circle class="ring" {where} stroke-width="{wide}"/>'
    layers["members"].append(
        f'<g class="{kinds}" data-member="{safe(face.name)}"{touch(face.title, focusable)}><title>{safe(face.title)}'
        f'</title><circle class="body" {where}/>{tint}{ring}{text}</g>'
    )


def ends(picture: Picture, stroke: Stroke) -> str:
    """What a page finds a flow by."""
    source, target = picture.faces[stroke.source].name, picture.faces[stroke.target].name
    return f'data-source="{safe(source)}" data-target="{safe(target)}" data-kind="{stroke.kind}"'


def flow(
    layers: Layers, picture: Picture, stroke: Stroke, curve: Curve, width: float, focusable: bool, light: bool
) -> None:
    """A curve with its head, and unless there are very many a wider one that is not seen, for the pointer."""
    kinds = f"flow {stroke.kind}" + (" later" if stroke.later else "")
    hit = "" if light else f'<path class="hit" d="{curve.path}" stroke-width="{max(11.0, width):g}"/>'
    layers["flows"].append(
        f'<g class="{kinds}" {ends(picture, stroke)}{touch(stroke.title, focusable)}>'
        f'<title>{safe(stroke.title)}</title>{hit}<path d="{curve.path}" stroke-width="{width:g}"/>'
        f'<polygon points="{curve.head}"/></g>'
    )


def real(
    layers: Layers, picture: Picture, i: int, sheet: Sheet, spot: np.ndarray, size: Point, words: str, letters: float,
    width: float,
) -> None:  # fmt: skip
    """A grey box of real data with an arrow into its member."""
    step = sheet.centres[i] - spot
    ahead = step / max(float(np.hypot(*step)), 1e-9)
    reach = min(size[axis] / 2 / max(abs(float(ahead[axis])), 1e-9) for axis in (0, 1))
    long = min(4.5 + 1.5 * width, 7.0)
    tip = sheet.centres[i] - ahead * (float(sheet.radii[i]) + 2.5)
    base = tip - ahead * long
    tail = spot + ahead * reach
    x, y = spot[0] - size[0] / 2, spot[1] - size[1] / 2
    text = f'<text text-anchor="middle" x="{num(spot[0])}" y="{num(spot[1] + 0.35 * letters)}" '
    text = f'{text}font-size="{num(letters)}">{safe(words)}</text>' if words else ""
    name = picture.faces[i].name
    title = f"{name}: {100 * picture.faces[i].real:.3g} % real data"
    layers["real"].append(
        f'<g class="real" data-member="{safe(name)}"><title>{safe(title)}</title>'
        f'<path d="M{at(tail)}L{at(base)}" stroke-width="{width:.1f}"/>'
        f'<polygon points="{head(base, ahead, long, width, False)}"/>'
        f'<rect x="{num(x)}" y="{num(y)}" width="{num(size[0])}" height="{num(size[1])}" rx="2"/>{text}</g>'
    )


def figure(x: float, y: float) -> str:
    """A head and shoulders."""
    return (
        f'<circle cx="{num(x)}" cy="{num(y - 2.6)}" r="2.3"/>'
        f'<path d="M{num(x - 4)},{num(y + 5)}c0,-6 8,-6 8,0z" stroke-linejoin="round"/>'
    )


def users(layers: Layers, spot: np.ndarray, stroke: Stroke, picture: Picture) -> None:
    """Who chooses what a flow carries, where they do."""
    who = {"producer": picture.faces[stroke.source].name, "consumer": picture.faces[stroke.target].name}
    title = f"{who[stroke.users]}’s users choose" if stroke.users in who else "users of its own choose"
    layers["words"].append(
        f'<g class="users" {ends(picture, stroke)}><title>{safe(title)}</title>'
        f"{figure(float(spot[0]), float(spot[1]))}</g>"
    )


def words(layers: Layers, picture: Picture, stroke: Stroke, box: Box, letters: float) -> None:
    """A share or number on its curve, on a patch of paper."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    size = f'width="{num(box[2] - box[0])}" height="{num(box[3] - box[1])}"'
    layers["words"].append(
        f'<g class="share {stroke.kind}" {ends(picture, stroke)}>'
        f'<rect x="{num(box[0])}" y="{num(box[1])}" {size} rx="3"/>'
        f'<text text-anchor="middle" x="{num(x)}" y="{num(y + 0.35 * letters)}" font-size="{num(letters)}">'
        f"{safe(stroke.words)}</text></g>"
    )
