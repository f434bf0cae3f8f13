"""Members put in their places, with their names, the curves between them, and what stands around them."""

from __future__ import annotations

import math
from collections import Counter

import networkx as nx
import numpy as np

from ecosystem.core.check import brief
from ecosystem.core.words import percent, shortened
from ecosystem.plots.network import mark
from ecosystem.plots.network.curves import Curve, bow, loop
from ecosystem.plots.network.layout import LAYOUTS, Room, plan
from ecosystem.plots.network.picture import Picture, Stroke
from ecosystem.plots.network.shape import FEW, suiting
from ecosystem.plots.network.sheet import LINE, LOOSE, Sheet, block, boxed, middle, text_width, two_lines

PHONE = 600  # pixels: a narrower drawing is laid out for a phone
# Of so many members at most: radii and gaps, on wide and narrow paper; and radii where names stand beside circles.
SIZES = ((6, (40, 31), (112, 60)), (9, (36, 26), (96, 46)), (12, (32, 22), (70, 36)), (20, (24, 17), (44, 24)))
SIZES += ((30, (18, 13), (32, 18)), (math.inf, (14, 11), (20, 11)))
DOTS = ((12, (15, 12)), (30, (11, 9)), (math.inf, (8, 7)))
LONGEST = 30  # characters of a name
CROWD = 20  # members above which names do not move out of circles for the numbers below them


def arrange(picture: Picture, width: float, wanted: str | None, focusable: bool) -> Sheet:
    """The drawing with names in the circles if they fit, else beside them if all find room, else with a key.

    Of what is below a name at least the sign is kept, where there is a place for it.
    """
    if wanted is not None and wanted not in LAYOUTS:
        raise ValueError(f"network(layout={brief(wanted)}): there are {', '.join(LAYOUTS)}; None chooses")
    graph = picture.graph()
    kind, notes = wanted or suiting(graph), [face.note for face in picture.faces]
    signs = [note[:1] if note[:1] in "▲▼" else "" for note in notes]
    ways = [("inside", notes), ("beside", notes), ("beside", signs), ("numbered", notes), ("numbered", signs)]
    if signs != notes:
        ways.insert(1 if len(notes) > CROWD else 2, ("inside", signs))
    for where, said in [*ways, ("numbered", [""] * len(notes))]:
        for looser in (1.0, 1.35, 1.8) if where == "beside" else (1.0,):
            sheet = _stage(picture, graph, width, kind, where == "beside", looser)
            sheet.focusable = focusable
            if _beside(sheet, said) if where == "beside" else _inside(sheet, said, where == "numbered"):
                _around(sheet)
                return sheet
    raise AssertionError("numbers without anything below them always fit")


def _stage(picture: Picture, graph: nx.DiGraph, width: float, kind: str, beside: bool, looser: float) -> Sheet:
    """Members in their places, nothing else."""
    count, narrow = len(picture.faces), width < PHONE
    _, radii, gaps = next(row for row in SIZES if count <= row[0])
    radius, gap = radii[narrow], gaps[narrow]
    letters = 10.0 if narrow else 11.0
    written = len(picture.strokes) <= (min(32, max(10, 4 * count)) if narrow else min(64, max(12, 5 * count)))
    margin = 6.0
    if any(face.real > 0 for face in picture.faces) or any(s.source == s.target for s in picture.strokes):
        few = written or count <= FEW
        margin = text_width("real 20 %" if radius > 30 and not beside else "20 %", letters) + 26 if few else 30.0
    if kind == "layers":  # there is room above and below them
        margin, gap = min(margin, 30.0), min(gap, 44 if narrow else 64)
    if beside:
        radius = next(row[1] for row in DOTS if count <= row[0])[narrow]
        longest = max(text_width(line, letters + 1) for face in picture.faces for line in two_lines(face.name))
        margin = max(margin, min(longest + 8, 0.2 * width))
        gap = max(gap, (46.0 if narrow else 60.0) + 36.0 * (kind == "layers"))
    sizes = np.array([face.size for face in picture.faces]) * radius
    largest = float(sizes.max())
    half = max(width / 2 - largest - margin, 1.0)
    pitch = max(min((2 * largest + gap) * looser, 1.7 * half), 2 * largest + 8)  # a phone is narrow
    return Sheet(picture, plan(graph, Room(half, pitch), kind), sizes, width, letters, written)


# -- members -----------------------------------------------------------------------------------------------------------


def _inside(sheet: Sheet, notes: list[str], numbered: bool) -> bool:
    """Names, or numbers that stand for them, in their circles, with notes below; False if they do not fit there."""
    faces = sheet.picture.faces
    names = [_broken(shortened(face.name, LONGEST)) for face in faces]
    if numbered:
        sheet.key = [(str(i), face.name) for i, face in enumerate(faces, 1)]
        names = [[number] for number, _ in sheet.key]
    lines = [name + [note] * bool(note) for name, note in zip(names, notes, strict=True)]
    sizes = [0.97 * float(r) / _corner(words) for r, words in zip(sheet.radii, lines, strict=True)]
    if min(sizes) < (7.5 if numbered and not any(notes) else 9 if len(faces) > FEW else 10):
        return False
    _bows(sheet)
    same = len({face.size for face in faces}) == 1
    for i, words in enumerate(lines):
        size = min(13.0, min(sizes) if same else sizes[i])
        mark.member(sheet, i, mark.name(words, sheet.centres[i], size))
    return True


def _broken(name: str) -> list[str]:
    """A name in one line or in more, whichever fits better into a circle."""
    return min(([name], two_lines(name)), key=lambda lines: math.hypot(*block([*lines, ""], 1.0)))


def _corner(lines: list[str]) -> float:
    """How far the corners of lines of letters of size 1 are from their middle."""
    low = -LINE * len(lines) / 2
    far = [max(abs(low + i * LINE), abs(low + (i + 1) * LINE)) - 0.15 for i in range(len(lines))]
    return max(math.hypot(text_width(line, 1.0) / 2, y) for line, y in zip(lines, far, strict=True))


def _beside(sheet: Sheet, notes: list[str]) -> bool:
    """Names beside their members, those with the most around them first; False if one finds no room."""
    faces, size, found = sheet.picture.faces, sheet.letters + 1, {}
    top, low = sheet.reach()
    if low - top > (6.4 if sheet.width < PHONE else 2.4) * sheet.edge:  # nobody scrolls past so much paper
        return False
    _bows(sheet)
    for i in sorted(range(len(faces)), key=lambda i: -len(sheet.angles[i])):
        name = shortened(faces[i].name, LONGEST)
        spots = []
        for lines in ([name], two_lines(name)):
            words = lines + [notes[i]] * bool(notes[i])
            if spot := sheet.room(i, block(words, size), 4.0, 0.25):
                spots.append((spot[0] + 0.1 * (len(lines) > 1), spot[1], words))
        if not spots:
            return False
        _, box, words = min(spots, key=lambda spot: spot[0])
        sheet.boxes.append(box)
        found[i] = mark.name(words, middle(box), size, halo=True)
    for i in range(len(faces)):
        mark.member(sheet, i, found[i])
    return True


# -- curves ------------------------------------------------------------------------------------------------------------


def _bows(sheet: Sheet) -> None:
    """Curves between members; straight where there is one alone and nobody in its way."""
    between = [stroke for stroke in sheet.picture.strokes if stroke.source != stroke.target]
    pairs = Counter(frozenset((stroke.source, stroke.target)) for stroke in between)
    same = Counter((stroke.source, stroke.target) for stroke in between)
    for stroke in between:
        bends = (0.0, 0.14, -0.14, 0.26, -0.26, 0.4, -0.4)
        if pairs[frozenset((stroke.source, stroke.target))] > 1:
            start = 0.34 if stroke.kind == "curated" and same[stroke.source, stroke.target] > 1 else 0.12
            bends = (start, start + 0.1, start + 0.22)
        curve = _clear(sheet, stroke, bends)
        sheet.draw(stroke, curve, curve.points[2:-1])
        mark.flow(sheet, stroke, curve)


def _clear(sheet: Sheet, stroke: Stroke, bends: tuple[float, ...]) -> Curve:
    """The first bend that keeps clear of other members, or the one that does best."""
    ends, found = [stroke.source, stroke.target], list[tuple[float, Curve]]()
    centres, radii = np.delete(sheet.centres, ends, 0), np.delete(sheet.radii, ends)
    for bend in bends:
        curve = bow(sheet.centres[ends], sheet.radii[ends], bend, sheet.thick(stroke), stroke.kind == "minus")
        away = curve.points[:, None] - centres
        gap = math.inf if sheet.light else float((np.hypot(*away.T).T - radii).min(initial=math.inf))
        if gap >= 5:
            return curve
        found.append((gap, curve))
    return max(found, key=lambda pair: round(pair[0], 6))[1]


# -- what stands around members, and words on curves -------------------------------------------------------------------


def _around(sheet: Sheet) -> None:
    """Boxes of real data and loops, then words and users on curves, where there is room for them."""
    for i, face in enumerate(sheet.picture.faces):
        if face.real > 0:
            _real(sheet, i, face.real)
        for stroke in sheet.picture.strokes:
            if stroke.source == stroke.target == i:
                _loop(sheet, i, stroke)
    for put in (_words, _users) if sheet.written else ():
        for stroke, curve in sheet.curves:
            put(sheet, stroke, curve)


def _real(sheet: Sheet, i: int, share: float) -> None:
    """A grey box of real data, as near to its member as there is room."""
    few = sheet.written or len(sheet.radii) <= FEW
    words = ("real " if sheet.radii[i] > 26 else "") + percent(share) if few else ""
    size = (text_width(words, sheet.letters) + 10, sheet.letters + 9) if words else (9.0, 9.0)
    for stretch in (16.0, 26.0, 40.0) if words else (11.0, 16.0, 24.0):
        if spot := sheet.room(i, size, stretch, 0.15):
            _, box, angle = spot
            sheet.boxes.append(box)
            sheet.angles[i].append(angle)
            sheet.cloud = np.concatenate([sheet.cloud, np.linspace(sheet.centres[i], middle(box), 17)])
            mark.real(sheet, i, box, words)
            return
    sheet.missing["boxes of real data"] += 1


def _loop(sheet: Sheet, i: int, stroke: Stroke) -> None:
    """A curve of a member that reads itself, where least is in its way; smaller where there is no room."""
    large, found = 22.0 if sheet.radii[i] > 26 else 17.0 if sheet.radii[i] > 14.5 else 10.0, []
    for shrunk, size in enumerate((large, 0.7 * large)):
        for angle, cost in sheet.directions(i):
            width, blunt = sheet.thick(stroke), stroke.kind == "minus"
            curve = loop(sheet.centres[i], float(sheet.radii[i]), angle, width, blunt, size)
            far = curve.points[8:-8]
            box = (*far.min(0), *far.max(0))
            cost += 0.1 * sheet.crossed(box) + 0.8 * shrunk + 5 * (not sheet.free(box))
            cost += 2 * sheet.over(curve.points, LOOSE) + 2 * sheet.touches(far, 4.0)
            found.append((cost, curve))
    curve = min(found, key=lambda pair: pair[0])[1]
    sheet.draw(stroke, curve, curve.points[4:-2])
    sheet.boxes.append(boxed(curve.points[16], 6.0, 6.0))
    mark.flow(sheet, stroke, curve)


def _users(sheet: Sheet, stroke: Stroke, curve: Curve) -> None:
    """A small figure where users choose: near the member that generates, near the one that trains, or between."""
    where = {"producer": (0.14, 0.2, 0.26), "consumer": (0.84, 0.78, 0.72)}.get(stroke.users, (0.5, 0.44, 0.36))
    for t in where if stroke.users else ():
        spot = curve.points[round(t * (len(curve.points) - 1))]
        box = boxed(spot, 9.0, 12.0)
        if sheet.free(box):
            sheet.boxes.append(box)
            mark.users(sheet, stroke, spot)
            return


def _words(sheet: Sheet, stroke: Stroke, curve: Curve) -> None:
    """A share or number on its curve, best near the head: it is the reader's."""
    if not stroke.words:
        return
    points, last, found = curve.points, len(curve.points) - 1, []
    wide, high = text_width(stroke.words, sheet.letters) + 4, sheet.letters + 3
    short = float(np.hypot(*(points[-1] - points[0]))) < 2.4 * wide
    for rank, t in enumerate((0.6, 0.53, 0.67, 0.46, 0.74, 0.39, 0.32, 0.8, 0.25)):
        i = round(t * last)
        along = points[i + 1] - points[i - 1]
        across = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-9)
        reach = abs(across[0]) * wide / 2 + abs(across[1]) * high / 2 + sheet.thick(stroke) / 2 + 1
        for side in (0, 1, -1):  # on the curve, or beside a short one, which words would hide
            box = boxed(points[i] + side * reach * across, wide, high)
            if sheet.free(box):
                own = ((points[2:-1:2] > box[:2]) & (points[2:-1:2] < box[2:])).all(1).sum()
                cost = 0.12 * rank + 0.4 * max(sheet.crossed(box) - int(own), 0)
                found.append((cost + 0.7 * (short == (side == 0)) + 0.01 * (side == -1), box))
    if not found:
        sheet.missing["shares" if sheet.picture.carry == "share" else "numbers"] += 1
        return
    box = min(found, key=lambda pair: pair[0])[1]
    sheet.boxes.append(box)
    mark.words(sheet, stroke, box)
