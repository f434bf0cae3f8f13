"""The marks of a drawing as SVG: members, flows, real data, users, words, and the key below; names are escaped."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ecosystem.core.words import safe, shortened
from ecosystem.plots.network.curves import Curve, Place, at, head, head_length, num
from ecosystem.plots.network.layout import wrapped
from ecosystem.plots.network.picture import Stroke
from ecosystem.plots.network.sheet import LINE, Box, Sheet, middle, text_width
from ecosystem.plots.palette import COLOURS

FIGURE = '<circle cy="-2.6" r="2.3"/><path d="M-4,5c0,-6 8,-6 8,0z" stroke-linejoin="round"/>'
CARRIES = {
    "traffic": ("carries gains", "carries losses", "carries nothing"),
    "effect": ("raises", "lowers", "leaves as it is"),
}


def text(words: str, x: float, y: float, size: float, anchor: str = "middle") -> str:
    place = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text{place} x="{num(x)}" y="{num(y + 0.35 * size)}" font-size="{num(size)}">{safe(words)}</text>'


def rectangle(box: Box, round_: int) -> str:
    x, y, right, low = box
    return f'<rect x="{num(x)}" y="{num(y)}" width="{num(right - x)}" height="{num(low - y)}" rx="{round_}"/>'


def name(words: Sequence[str], spot: Place, size: float, halo: bool = False) -> str:
    """Lines of text around a middle."""
    size = math.floor(size * 10) / 10
    first = spot[1] - LINE * size * (len(words) - 1) / 2 + 0.35 * size
    spans = [
        f'<tspan x="{num(spot[0])}" y="{num(first + i * LINE * size)}">{safe(word)}</tspan>'
        for i, word in enumerate(words)
    ]
    kind = "name halo" if halo else "name"
    return f'<text class="{kind}" text-anchor="middle" font-size="{num(size)}">{"".join(spans)}</text>'


def member(sheet: Sheet, i: int, name: str) -> None:
    """A circle with a ring in the member's colour, its tint, and its name."""
    face, r = sheet.picture.faces[i], float(sheet.radii[i])
    where = f'cx="{num(sheet.centres[i][0])}" cy="{num(sheet.centres[i][1])}" r="{num(r)}"'
    tint = ""
    if not math.isnan(face.tint) and face.tint != 0:
        kind, depth = ("gain", "loss")[face.tint < 0], 0.1 + 0.3 * abs(face.tint)
        tint = f'<circle class="{kind}" {where} fill-opacity="{depth:.2f}"/>'
    sheet.layers["members"].append(
        f'<g class="member c{i % len(COLOURS)}{" absent" * face.absent}" data-member="{safe(face.name)}"'
        f'{_told(sheet, face.title)}<circle class="body" {where}/>{tint}'
        f'<circle class="ring" {where} stroke-width="{2.6 if r > 20 else 2.0}"/>{name}</g>'
    )


def flow(sheet: Sheet, stroke: Stroke, curve: Curve) -> None:
    """A curve with its head, and unless there are very many a wider one that is not seen, for the pointer."""
    width = sheet.thick(stroke)
    hit = "" if sheet.light else f'<path class="hit" d="{curve.path}" stroke-width="{max(11.0, width):g}"/>'
    sheet.layers["flows"].append(
        f'<g class="flow {stroke.kind}{" later" * stroke.later}" {_ends(sheet, stroke)}{_told(sheet, stroke.title)}'
        f'{hit}<path d="{curve.path}" stroke-width="{width:g}"/><polygon points="{curve.head}"/></g>'
    )


def _told(sheet: Sheet, title: str) -> str:
    """The end of a tag that the keyboard reaches, and its title."""
    reached = f' tabindex="0" role="img" aria-label="{safe(title)}"' if sheet.focusable else ""
    return f"{reached}><title>{safe(title)}</title>"


def _ends(sheet: Sheet, stroke: Stroke) -> str:
    """What a page finds a flow by."""
    source, target = (safe(sheet.picture.faces[i].name) for i in (stroke.source, stroke.target))
    return f'data-source="{source}" data-target="{target}" data-kind="{stroke.kind}"'


def real(sheet: Sheet, i: int, box: Box, words: str) -> None:
    """A grey box of real data with an arrow into its member."""
    face = sheet.picture.faces[i]
    width = (0.6 if sheet.light else 1.2) + 2.4 * face.real
    spot, half = middle(box), (np.array(box[2:]) - box[:2]) / 2
    ahead = sheet.centres[i] - spot
    ahead = ahead / max(float(np.hypot(*ahead)), 1e-9)
    long = min(head_length(width), 7.0)
    base = sheet.centres[i] - ahead * (float(sheet.radii[i]) + 2.5 + long)
    tail = spot + ahead * (half / np.maximum(np.abs(ahead), 1e-9)).min()
    title = f"{face.name}: {100 * face.real:.3g} % real data"
    sheet.layers["real"].append(
        f'<g class="real" data-member="{safe(face.name)}"><title>{safe(title)}</title>'
        f'<path d="M{at(tail)}L{at(base)}" stroke-width="{width:.1f}"/>'
        f'<polygon points="{head(base, ahead, long, width, False)}"/>'
        f"{rectangle(box, 2)}{text(words, spot[0], spot[1], sheet.letters) if words else ''}</g>"
    )


def users(sheet: Sheet, stroke: Stroke, spot: Place) -> None:
    """Who chooses what a flow carries, where they do."""
    who = {"producer": stroke.source, "consumer": stroke.target}.get(stroke.users)
    title = "users of its own choose" if who is None else f"{sheet.picture.faces[who].name}’s users choose"
    sheet.layers["words"].append(
        f'<g class="users" {_ends(sheet, stroke)} transform="translate({at(spot)})"><title>{safe(title)}</title>'
        f"{FIGURE}</g>"
    )


def words(sheet: Sheet, stroke: Stroke, box: Box) -> None:
    """A share or number on its curve, on a patch of paper."""
    x, y = middle(box)
    said = text(stroke.words, x, y, sheet.letters)
    sheet.layers["words"].append(f'<g class="share {stroke.kind}" {_ends(sheet, stroke)}>{rectangle(box, 3)}{said}</g>')


# -- the key -----------------------------------------------------------------------------------------------------------


def _arrow(kind: str, width: float = 2.0) -> str:
    tip = head(np.array([22.0, 0.0]), np.array([1.0, 0.0]), 7.0, width, kind == "minus")
    return f'<g class="{kind}"><path d="M0,0L22,0" stroke-width="{width:g}"/><polygon points="{tip}"/></g>'


def _dot(kind: str) -> str:
    return f'<circle class="body" cx="22" r="6"/><circle class="{kind}" cx="22" r="6" fill-opacity="0.4"/>'


def _entries(sheet: Sheet) -> list[tuple[str, str]]:
    """The signs of the key and their words, of what is there alone."""
    faces, strokes = sheet.picture.faces, sheet.picture.strokes
    kinds = {stroke.kind for stroke in strokes}
    users = {stroke.users for stroke in strokes if sheet.written} - {""}
    plus, minus, zero = CARRIES.get(sheet.picture.carry, ("above 0", "below 0", "0"))
    blank = {stroke.words == "" for stroke in strokes if stroke.kind == "zero"}
    zero = "no number" if blank == {True} else f"{zero}, or no number" if True in blank else zero
    whose = {"producer": "users choose where it is made", "consumer": "users choose where it is read"}
    who = whose.get(next(iter(users)), "users of its own choose") if len(users) == 1 else "where users choose"
    wanted = [
        ("raw" in kinds, _arrow("raw"), "raw output"),
        ("curated" in kinds, _arrow("curated"), "curated output"),
        ("plus" in kinds, _arrow("plus"), plus),
        ("minus" in kinds, _arrow("minus"), minus),
        ("zero" in kinds, _arrow("zero", 1.2), zero),
        (any(stroke.later for stroke in strokes), _arrow("raw later"), "comes later"),
        (any(face.real > 0 for face in faces), f'<g class="real">{rectangle((14, -5, 28, 5), 2)}</g>', "real data"),
        (bool(users), f'<g class="users" transform="translate(22,0)">{FIGURE}</g>', who),
        (any(face.tint > 0 for face in faces), _dot("gain"), "▲ above 0"),
        (any(face.tint < 0 for face in faces), _dot("loss"), "▼ below 0"),
    ]
    return [(sign, words) for there, sign, words in wanted if there]


def key(sheet: Sheet, top: float) -> tuple[str, float]:
    """What strokes, tints and signs mean, and which number is whose, centred below ``top``; and where it ends."""
    size, half = sheet.letters, sheet.width / 2 - 6
    y, parts, entries = top + size, [], _entries(sheet)
    widths = [54 + text_width(words, size) for _, words in entries]
    for line in wrapped(widths, 2 * half):
        x = -sum(widths[i] for i in line) / 2
        for i in line:
            parts.append(f'<g transform="translate({num(x)},{num(y)})">{entries[i][0]}</g>')
            parts.append(text(entries[i][1], x + 36, y, size, ""))
            x += widths[i]
        y += size + 8
    if sheet.key:
        names = [shortened(name, 22) for _, name in sheet.key]
        indent = text_width("000", size)
        wide = max(text_width(name, size) for name in names) + indent + 22
        tall = -(-len(names) // max(1, int(2 * half / wide)))
        columns = -(-len(names) // tall)
        for i, name in enumerate(names):
            x, low = (i // tall - columns / 2) * wide + indent, y + i % tall * (size + 4)
            parts += [text(sheet.key[i][0], x, low, size, "end"), text(name, x + 8, low, size, "")]
        y += tall * (size + 4) + 4
    return f'<g class="key" aria-hidden="true">{"".join(parts)}</g>' if parts else "", y - size / 2
