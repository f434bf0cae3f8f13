"""Drawings of networks, read back from their SVG: where circles and words are, and what touches what."""

from __future__ import annotations

import itertools
import math
import re
from typing import Any
from xml.etree import ElementTree

import networkx as nx
import pandas as pd

from ecosystem.plots.network import Drawing
from ecosystem.plots.network.sheet import LINE, text_width

SVG = "{http://www.w3.org/2000/svg}"
Box = tuple[float, float, float, float]


def tables(graph: nx.DiGraph, curated: float = 0.0, real: float = 0.1) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Members and flows of a graph in which everybody reads its sources evenly."""
    graph = nx.DiGraph(graph)
    each = {v: (1 - real) / max(graph.in_degree(v), 1) for v in graph}
    rows = [(str(u), str(v), each[v] * (1 - curated), each[v] * curated) for u, v in graph.edges]
    return (
        pd.DataFrame({"member": [str(node) for node in graph]}),
        pd.DataFrame(rows, columns=["source", "target", "raw", "curated"]),
    )


def parsed(drawing: Drawing) -> ElementTree.Element:
    """The SVG as XML, which it must be."""
    return ElementTree.fromstring(drawing.svg)


def classed(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    """Elements that have a class."""
    return [element for element in root.iter() if name in element.get("class", "").split()]


def numbers(element: ElementTree.Element, *names: str) -> list[float]:
    return [float(element.get(name, "nan")) for name in names]


def circle(member: ElementTree.Element) -> tuple[float, float, float]:
    """Middle and radius of a member."""
    x, y, r = numbers(classed(member, "body")[0], "cx", "cy", "r")
    return x, y, r


def text_boxes(text: ElementTree.Element) -> list[Box]:
    """The boxes of the lines of a text, by the widths that drawings reckon with."""
    size = float(text.get("font-size", "nan"))
    found = []
    for line in list(text.iter(f"{SVG}tspan")) or [text]:
        x, y = numbers(line, "x", "y")
        wide = text_width(line.text or "", size)
        left = {"middle": x - wide / 2, "end": x - wide}.get(text.get("text-anchor", ""), x)
        middle = y - 0.35 * size
        found.append((left, middle - LINE * size / 2, left + wide, middle + LINE * size / 2))
    return found


def rectangle(element: ElementTree.Element) -> Box:
    x, y, wide, high = numbers(next(element.iter(f"{SVG}rect")), "x", "y", "width", "height")
    return x, y, x + wide, y + high


def whole(boxes: list[Box]) -> Box:
    low, high = [min(box[i] for box in boxes) for i in (0, 1)], [max(box[i] for box in boxes) for i in (2, 3)]
    return low[0], low[1], high[0], high[1]


def overlap(a: Box, b: Box, slack: float = 0.15) -> bool:
    """Whether two boxes share more than what rounding to tenths makes."""
    return a[0] < b[2] - slack and b[0] < a[2] - slack and a[1] < b[3] - slack and b[1] < a[3] - slack


def reaches(box: Box, x: float, y: float, r: float, slack: float = 0.15) -> bool:
    """Whether a box touches a circle."""
    return math.hypot(max(box[0] - x, x - box[2], 0), max(box[1] - y, y - box[3], 0)) < r - slack


def faults(drawing: Drawing) -> list[str]:
    """All that is where it should not be; none in a good drawing."""
    root = parsed(drawing)
    left, top, wide, high = map(float, root.get("viewBox", "").split())
    members = {member.get("data-member", ""): member for member in classed(root, "member")}
    circles = {name: circle(member) for name, member in members.items()}
    boxes: dict[str, Box] = {}
    found = []
    for name, member in members.items():
        lines = text_boxes(classed(member, "name")[0])
        if "halo" in classed(member, "name")[0].get("class", ""):
            boxes[f"name of {name}"] = whole(lines)
        elif not all(_inside(line, *circles[name]) for line in lines):
            found.append(f"the name of {name} leaves its circle")
    for i, share in enumerate(classed(root, "share")):
        boxes[f"share {i} of {share.get('data-source')} → {share.get('data-target')}"] = rectangle(share)
        if not _within(text_boxes(next(share.iter(f"{SVG}text")))[0], rectangle(share)):
            found.append(f"share {i} is wider than its patch")
    for real in classed(root, "real"):
        if real.get("data-member") is not None:
            boxes[f"real data of {real.get('data-member')}"] = rectangle(real)
    for i, text in enumerate(text for key in classed(root, "key") for text in key.iter(f"{SVG}text")):
        boxes[f"key {i} ({text.text})"] = text_boxes(text)[0]
    for (a, one), (b, other) in itertools.combinations(circles.items(), 2):
        if math.hypot(one[0] - other[0], one[1] - other[1]) < one[2] + other[2] + 1:
            found.append(f"the circles of {a} and {b} touch")
    for (a, first), (b, second) in itertools.combinations(boxes.items(), 2):
        if overlap(first, second):
            found.append(f"{a} and {b} overlap")
    for a, box in boxes.items():
        found += [f"{a} lies on {name}" for name, spot in circles.items() if reaches(box, *spot)]
        if not _within(box, (left, top, left + wide, top + high)):
            found.append(f"{a} leaves the paper")
    for name, (x, y, r) in circles.items():
        if not _within((x - r, y - r, x + r, y + r), (left, top, left + wide, top + high)):
            found.append(f"{name} leaves the paper")
    return found


def over_loops(drawing: Drawing, near: float = 2.0) -> list[str]:
    """Loops that come nearer to a box of real data than the width of their stroke."""
    root, found = parsed(drawing), []
    boxes = [(real.get("data-member"), rectangle(real)) for real in classed(root, "real") if real.get("data-member")]
    for flow in classed(root, "flow"):
        if flow.get("data-source") == flow.get("data-target"):
            points = along([path.get("d", "") for path in flow.iter(f"{SVG}path")][-1])
            found += [
                f"the {flow.get('data-kind')} loop of {flow.get('data-source')} and real data of {name}"
                for name, box in boxes
                if any(box[0] - near < x < box[2] + near and box[1] - near < y < box[3] + near for x, y in points)
            ]
    return found


def along(path: str, count: int = 60) -> list[tuple[float, float]]:
    """Places along a path of one Bézier curve."""
    corners = [complex(*map(float, place.split(","))) for place in re.findall(r"-?[\d.]+,-?[\d.]+", path)]
    n, places = len(corners) - 1, []
    for t in (i / count for i in range(count + 1)):
        place = sum(math.comb(n, k) * (1 - t) ** (n - k) * t**k * corner for k, corner in enumerate(corners))
        places.append((place.real, place.imag))
    return places


def _inside(box: Box, x: float, y: float, r: float) -> bool:
    thin = 0.15 * (box[3] - box[1]) / LINE  # letters are lower than their line
    corners = [(u, v) for u in (box[0], box[2]) for v in (box[1] + thin, box[3] - thin)]
    return all(math.hypot(u - x, v - y) <= r + 0.3 for u, v in corners)


def _within(box: Box, outer: Box) -> bool:
    return all(box[i] >= outer[i] - 0.2 for i in (0, 1)) and all(box[i] <= outer[i] + 0.2 for i in (2, 3))


def by_pair(root: ElementTree.Element, name: str) -> dict[tuple[str | None, ...], Any]:
    """Elements of a class by source, target and kind."""
    return {tuple(e.get(f"data-{key}") for key in ("source", "target", "kind")): e for e in classed(root, name)}
