"""What stands around members, and the words on curves, where there is room for them."""

from __future__ import annotations

import numpy as np

from ecosystem.core.words import percent
from ecosystem.plots.network import mark
from ecosystem.plots.network.picture import Stroke
from ecosystem.plots.network.scene import Scene, beyond, thick
from ecosystem.plots.network.shape import FEW
from ecosystem.plots.network.sheet import Curve, boxed, loop, text_width


def finish(scene: Scene) -> None:
    """What stands around members, then the words on curves."""
    for i, face in enumerate(scene.picture.faces):
        loops = [s for s in scene.picture.strokes if s.source == s.target == i]
        if face.real > 0:
            _real(scene, i, face.real)
        for stroke in loops:
            scene.curves.append((stroke, _loop(scene, i, stroke)))
    for put in (_words, _users) if scene.written else ():
        for stroke, curve in scene.curves:
            put(scene, stroke, curve)


def _real(scene: Scene, i: int, share: float) -> None:
    """A grey box of real data with a short arrow into its member."""
    sheet = scene.sheet
    few = scene.written or len(scene.picture.faces) <= FEW
    words = ("real " if sheet.radii[i] > 26 else "") + percent(share) if few else ""
    wide, high = (text_width(words, scene.letters) + 10, scene.letters + 9) if words else (9.0, 9.0)
    for stretch in (16.0, 26.0, 40.0) if words else (11.0, 16.0, 24.0):
        best = None
        for angle, cost in sheet.directions(i):
            spot = beyond(sheet, i, angle, wide, high, stretch)
            box = boxed(spot, wide + 2, high + 2)
            if sheet.free(box):
                cost += 0.15 * sheet.crossed(box)
                if best is None or cost < best[0]:
                    best = (cost, angle, spot, box)
        if best is not None:
            _, angle, spot, box = best
            sheet.take(box)
            sheet.angles[i].append(angle)
            width = (0.6 if scene.light else 1.2) + 2.4 * share
            mark.real(scene.layers, scene.picture, i, sheet, spot, (wide, high), words, scene.letters, width)
            return
    scene.missing["boxes of real data"] += 1


def _loop(scene: Scene, i: int, stroke: Stroke) -> Curve:
    """A curve of a member that reads itself, where least is in its way."""
    sheet = scene.sheet
    size = 22.0 if sheet.radii[i] > 26 else 17.0 if sheet.radii[i] > 14.5 else 10.0
    best: tuple[float, float, Curve] | None = None
    for angle, cost in sheet.directions(i):
        drawn = loop(sheet.centres[i], float(sheet.radii[i]), angle, thick(scene, stroke), stroke.kind == "minus", size)
        tips = drawn.points[4:-2]
        box = (*tips.min(0), *tips.max(0))
        outside = float(np.abs(drawn.points[:, 0]).max()) > sheet.edge
        cost += 0.4 * sheet.hidden(tips) + 10 * outside + 0.1 * sheet.crossed(box)
        if best is None or cost < best[0]:
            best = (cost, angle, drawn)
    assert best is not None
    sheet.angles[i].append(best[1])
    sheet.draw(best[2].points[4:-2:2])
    apex = best[2].points[16]
    sheet.take(boxed(apex, 6.0, 6.0))
    mark.flow(scene.layers, scene.picture, stroke, best[2], thick(scene, stroke), scene.focusable, scene.light)
    return best[2]


def _users(scene: Scene, stroke: Stroke, curve: Curve) -> None:
    """A small figure where users choose: near the member that generates, near the one that trains, or between."""
    if not stroke.users:
        return
    last = len(curve.points) - 1
    where = {"producer": (0.14, 0.2, 0.26), "consumer": (0.84, 0.78, 0.72)}.get(stroke.users, (0.5, 0.44, 0.36))
    for t in where:
        box = boxed(curve.points[round(t * last)], 9.0, 12.0)
        if scene.sheet.free(box):
            scene.sheet.take(box)
            mark.users(scene.layers, curve.points[round(t * last)], stroke, scene.picture)
            return


def _words(scene: Scene, stroke: Stroke, curve: Curve) -> None:
    """A share or number on its curve, best near the head: it is the reader's."""
    if not stroke.words:
        return
    last, best = len(curve.points) - 1, None
    wide, high = text_width(stroke.words, scene.letters) + 4, scene.letters + 3
    own = curve.points[2:-1:2]
    short = float(np.hypot(*(curve.points[-1] - curve.points[0]))) < 2.4 * wide
    for rank, t in enumerate((0.6, 0.53, 0.67, 0.46, 0.74, 0.39, 0.32, 0.8, 0.25)):
        i = round(t * last)
        along = curve.points[min(i + 1, last)] - curve.points[i - 1]
        across = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-9)
        reach = abs(across[0]) * wide / 2 + abs(across[1]) * high / 2 + thick(scene, stroke) / 2 + 1
        for side in (0, 1, -1):  # on the curve, or beside a short one, which words would hide
            box = boxed(curve.points[i] + side * reach * across, wide, high)
            if not scene.sheet.free(box):
                continue
            inside = ((own > box[:2]) & (own < box[2:])).all(1).sum()
            cost = 0.12 * rank + 0.4 * max(scene.sheet.crossed(box) - int(inside), 0)
            cost += 0.7 * (short == (side == 0)) + 0.01 * (side == -1)
            if best is None or cost < best[0]:
                best = (cost, box)
    if best is None:
        scene.missing["shares" if scene.picture.carry == "share" else "numbers"] += 1
        return
    scene.sheet.take(best[1])
    mark.words(scene.layers, scene.picture, stroke, best[1], scene.letters)
