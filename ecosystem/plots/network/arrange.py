"""Members put in their places, with their names and the curves between them."""

from __future__ import annotations

import math
from collections import Counter

import networkx as nx
import numpy as np

from ecosystem.core.words import shortened
from ecosystem.plots.network import mark
from ecosystem.plots.network.around import finish
from ecosystem.plots.network.layout import plan as plan_of
from ecosystem.plots.network.ovals import Room
from ecosystem.plots.network.picture import Picture, Stroke
from ecosystem.plots.network.scene import PHONE, Scene, beyond, thick
from ecosystem.plots.network.shape import FEW, suiting
from ecosystem.plots.network.sheet import LINE, Curve, Sheet, block, bow, boxed, text_width, two_lines

RADII = ((6, 40, 31), (9, 36, 26), (12, 32, 22), (20, 24, 17), (30, 18, 13), (math.inf, 14, 11))
DOTS = ((12, 15, 12), (30, 11, 9), (math.inf, 8, 7))  # radii of members whose names stand beside them
LONGEST = 30  # characters of a name
CROWD = 20  # members above which names do not move out of circles for the numbers below them


def arrange(picture: Picture, width: float, wanted: str | None, focusable: bool) -> Scene:
    """The drawing with names in the circles if they fit, else beside them if all find room, else with a key.

    Of what is below a name at least the sign is kept, where there is a place for it.
    """
    graph = picture.graph()
    kind = wanted or suiting(graph)
    notes = [face.note for face in picture.faces]
    signs = [note[:1] if note[:1] in "▲▼" else "" for note in notes]
    ways = [("inside", notes), ("beside", notes), ("beside", signs), ("numbered", notes), ("numbered", signs)]
    if signs != notes:
        ways.insert(1 if len(notes) > CROWD else 2, ("inside", signs))
    for where, said in [*ways, ("numbered", [""] * len(notes))]:
        for looser in (1.0, 1.35, 1.8) if where == "beside" else (1.0,):
            found = _stage(picture, graph, width, kind, where, looser)
            found.focusable = focusable
            if mark_members(found, where, said):
                finish(found)
                return found
    raise AssertionError("numbers without anything below them always fit")


def _stage(picture: Picture, graph: nx.DiGraph, width: float, kind: str, where: str, looser: float) -> Scene:
    """Members in their places, nothing else."""
    count, narrow = len(picture.faces), width < PHONE
    radius = next(row[2 if narrow else 1] for row in (DOTS if where == "beside" else RADII) if count <= row[0])
    letters = 10.0 if narrow else 11.0
    most = min(32, max(10, 4 * count)) if narrow else min(64, max(12, 5 * count))
    written = len(picture.strokes) <= most
    sizes = np.array([face.size for face in picture.faces]) * radius
    around = any(face.real > 0 for face in picture.faces)
    around = around or any(stroke.source == stroke.target for stroke in picture.strokes)
    words = text_width("real 20 %" if radius > 30 else "20 %", letters) + 26
    margin = 6.0 if not around else words if written or count <= FEW else 30.0
    if kind == "layers":  # there is room above and below them
        margin = min(margin, 30.0)
    if where == "beside":
        longest = max(text_width(line, letters + 1) for face in picture.faces for line in two_lines(face.name))
        margin = max(margin, min(longest + 8, 0.2 * width))
    gaps = ((6, 112, 60), (9, 96, 46), (12, 70, 36), (20, 44, 24), (30, 32, 18), (math.inf, 20, 11))
    gap = next(row[2 if narrow else 1] for row in gaps if count <= row[0])
    gap = min(gap, 44 if narrow else 64) if kind == "layers" else gap
    if where == "beside":
        gap = max(gap, (46.0 if narrow else 60.0) + 36.0 * (kind == "layers"))
    largest = float(sizes.max())
    half = max(width / 2 - largest - margin, 1.0)
    pitch = max(min((2 * largest + gap) * looser, 1.7 * half), 2 * largest + 8)  # a phone is narrow
    room = Room(half, pitch)
    plan = plan_of(graph, room, kind)
    found = Scene(picture, Sheet(plan.places, sizes, width / 2 - 4), plan, letters, written)
    found.sheet.careful = not found.light
    return found


# -- members -----------------------------------------------------------------------------------------------------------


def mark_members(scene: Scene, where: str, notes: list[str]) -> bool:
    """Draw curves, then circles with their names, and notes below them; False if these do not fit there."""
    faces, sheet = scene.picture.faces, scene.sheet
    if where == "beside":
        top, low = scene.reach()
        narrow = 2 * sheet.edge < PHONE
        if low - top > (6.4 if narrow else 2.4) * sheet.edge:  # nobody scrolls past so much paper
            return False
        _bows(scene)
        return _beside(scene, notes)
    names = [_broken(shortened(face.name, LONGEST)) for face in faces]
    if where == "numbered":
        scene.key = [(str(i), face.name) for i, face in enumerate(faces, 1)]
        names = [[number] for number, _ in scene.key]
    lines = [name + [note] * bool(note) for name, note in zip(names, notes, strict=True)]
    sizes = _fits(scene, lines)
    if min(sizes) < (7.5 if where == "numbered" and not any(notes) else 9 if len(faces) > FEW else 10):
        return False
    _bows(scene)
    same = len({face.size for face in faces}) == 1
    for i, words in enumerate(lines):
        text = mark.lines(words, sheet.centres[i], min(13.0, min(sizes) if same else sizes[i]))
        mark.member(scene.layers, scene.picture, i, sheet, text, scene.focusable)
    return True


def _broken(name: str) -> list[str]:
    """A name in one line or in more, whichever fits better into a circle."""
    return min(([name], two_lines(name)), key=lambda lines: math.hypot(*block([*lines, ""], 1.0)))


def _fits(scene: Scene, lines: list[list[str]]) -> list[float]:
    """The largest size of letters at which no corner of a line leaves its circle."""
    found = []
    for radius, words in zip(scene.sheet.radii, lines, strict=True):
        high = block(words, 1.0)[1]
        corners = []
        for i, line in enumerate(words):
            far = max(abs(i * LINE - high / 2), abs((i + 1) * LINE - high / 2)) - 0.15
            corners.append(math.hypot(text_width(line, 1.0) / 2, far))
        found.append(0.97 * float(radius) / max(corners))
    return found


def _beside(scene: Scene, notes: list[str]) -> bool:
    """Names beside their members, those with the most around them first; False if one finds no room."""
    sheet, faces, size = scene.sheet, scene.picture.faces, scene.letters + 1
    found: dict[int, str] = {}
    for i in sorted(range(len(faces)), key=lambda i: (-len(sheet.angles[i]), i)):
        name = shortened(faces[i].name, LONGEST)
        shapes = [[*lines, *[notes[i]] * bool(notes[i])] for lines in ([name], two_lines(name))]
        best = None
        for rank, lines in enumerate(shapes if len(shapes[1]) > len(shapes[0]) else shapes[:1]):
            wide, high = block(lines, size)
            for angle, cost in sheet.directions(i):
                spot = beyond(sheet, i, angle, wide, high, 4.0)
                box = boxed(spot, wide, high)
                if sheet.free(box):
                    cost += 0.1 * rank + 0.25 * sheet.crossed(box)
                    if best is None or cost < best[0]:
                        best = (cost, box, lines, spot)
        if best is None:
            return False
        sheet.take(best[1])
        found[i] = mark.lines(best[2], best[3], size, halo=True)
    for i in range(len(faces)):
        mark.member(scene.layers, scene.picture, i, sheet, found[i], scene.focusable)
    return True


# -- curves ------------------------------------------------------------------------------------------------------------


def _bows(scene: Scene) -> None:
    """Curves between members; straight where there is one alone and nobody in its way."""
    between = [(i, stroke) for i, stroke in enumerate(scene.picture.strokes) if stroke.source != stroke.target]
    pairs = Counter(frozenset((stroke.source, stroke.target)) for _, stroke in between)
    same = Counter((stroke.source, stroke.target) for _, stroke in between)
    for _, stroke in between:
        bends = (0.0, 0.14, -0.14, 0.26, -0.26, 0.4, -0.4)
        if pairs[frozenset((stroke.source, stroke.target))] > 1:
            start = 0.34 if stroke.kind in ("curated", "minus") and same[stroke.source, stroke.target] > 1 else 0.12
            bends = (start, start + 0.1, start + 0.22)
        curve = _clear(scene, stroke, bends)
        scene.sheet.draw(curve.points[2:-1:2])
        scene.sheet.angles[stroke.source].append(curve.ends[0])
        scene.sheet.angles[stroke.target].append(curve.ends[1])
        mark.flow(scene.layers, scene.picture, stroke, curve, thick(scene, stroke), scene.focusable, scene.light)
        scene.curves.append((stroke, curve))


def _clear(scene: Scene, stroke: Stroke, bends: tuple[float, ...]) -> Curve:
    """The first bend that keeps clear of other members, or the one that does best."""
    sheet, u, v = scene.sheet, stroke.source, stroke.target
    others = [i for i in range(len(sheet.radii)) if i not in (u, v)]
    best: tuple[float, Curve] | None = None
    for bend in bends:
        ends = (float(sheet.radii[u]), float(sheet.radii[v]))
        width = thick(scene, stroke)
        curve = bow(sheet.centres[u], sheet.centres[v], ends, bend, width, stroke.kind == "minus")
        if scene.light or not others:
            return curve
        away = curve.points[:, None] - sheet.centres[others][None]
        gap = float((np.hypot(away[..., 0], away[..., 1]) - sheet.radii[others][None]).min())
        if best is None or gap > best[0] + 1e-9:
            best = (gap, curve)
        if gap >= 5:
            break
    assert best is not None
    return best[1]
