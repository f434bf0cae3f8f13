"""Where members stand: what suits the graph, with a distance between any two that leaves room for circles and words.

Members are numbers here, in the order of their table; y grows downwards.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
from scipy.spatial.distance import pdist

from ecosystem.plots.network.shape import FEW, blocks, communities, generations, hub_of, is_path, is_ring, plainly

Places = np.ndarray


@dataclass(frozen=True)
class Room:
    """How far from the middle members may stand to either side, and how far from each other they must, in pixels."""

    half: float
    pitch: float

    @property
    def columns(self) -> int:
        """How many can stand side by side."""
        return int(2 * self.half / self.pitch + 1e-9) + 1

    def step(self, wanted: float, parts: int) -> float:
        """The distance between ``parts`` in a row: the wanted one, less if it does not fit, never under the pitch."""
        return max(self.pitch, min(wanted * self.pitch, 2 * self.half / max(parts - 1, 1)))


@dataclass(frozen=True)
class Plan:
    """A layout: what kind it is, the place of every member ``[n, 2]``, and the discs (x, y, radius) behind groups."""

    kind: str
    places: Places
    discs: Sequence[tuple[float, float, float]] = ()


def plan(graph: nx.DiGraph, room: Room, kind: str) -> Plan:
    """The layout of a kind for a graph of numbers 0..n−1, its middle at 0."""
    made = LAYOUTS[kind](*plainly(graph), room)
    if made.kind == "star":
        return made  # its hub is the middle
    shift = middle(made.places)
    return Plan(made.kind, made.places - shift, [(x - shift[0], y - shift[1], r) for x, y, r in made.discs])


# -- circles and stars -------------------------------------------------------------------------------------------------


def oval(count: int, room: Room, flat: float = 0.66, begin: float | None = None) -> Places:
    """Places at equal distances along an oval no wider than the room, as high as it takes.

    The first is ``begin`` steps after the top; by default an even number stands symmetrically about it.
    """
    begin = (0.0 if count % 2 else -0.5) if begin is None else begin
    turns = np.linspace(0, 2 * np.pi, 1441)
    wide = min(room.half, room.pitch * max(count / 5, 0.8))
    high = flat * wide
    while high < room.pitch * count:
        line = np.stack([wide * np.sin(turns), -high * np.cos(turns)], axis=1)
        walked = np.concatenate([[0], np.hypot(*np.diff(line, axis=0).T).cumsum()])
        steps = (np.arange(count) + begin) % count * walked[-1] / count
        places = np.stack([np.interp(steps, walked, line[:, axis]) for axis in (0, 1)], axis=1)
        if closest(places) >= room.pitch:
            return places
        wide, high = min(room.half, wide * 1.04), high * 1.05
    sides = min(room.columns, 2)  # too narrow: down one side, up the other
    down = np.stack([np.full(count, room.half), np.arange(count) * room.pitch], axis=1)[: -(-count // sides)]
    return np.concatenate([down, down[::-1][: count - len(down)] * (-1.0, 1.0)])


def closest(places: Places) -> float:
    """The smallest distance between two places."""
    return float(pdist(places).min(initial=math.inf))


def middle(places: Places) -> Places:
    return (places.min(0) + places.max(0)) / 2


def circle(directed: nx.DiGraph, plain: nx.Graph, room: Room) -> Plan:
    """On an oval: along the ring if it is one, else in the order of the table."""
    order = list(plain)
    if is_ring(plain):  # from the first one, the way its first reader stands
        last = next((node for node in sorted(plain[0]) if not directed.has_edge(0, node)), max(plain[0]))
        order = list(nx.dfs_preorder_nodes(nx.Graph(plain.edges - {(0, last), (last, 0)}), 0))
    places = np.empty((len(order), 2))
    places[order] = oval(len(order), room)
    return Plan("circle", places)


def star(directed: nx.DiGraph, plain: nx.Graph, room: Room) -> Plan:
    """The member with most neighbours in the middle, the others around it; along a rim, if they are joined by one."""
    if len(plain) < 3:
        return circle(directed, plain, room)
    hub = max(plain, key=lambda node: plain.degree(node))
    rim = plain.subgraph(set(plain) - {hub})
    order: list[int] = []
    for part in sorted(map(sorted, nx.connected_components(rim))):
        start = min(part, key=lambda node: rim.degree(node))  # the end of a chain
        order += nx.dfs_preorder_nodes(rim, start, sort_neighbors=sorted)
    places = np.zeros((len(plain), 2))
    spare = 2 - (len(order) < FEW) if directed.nodes[hub].get("around") else 0  # for what stands around the hub
    for looser in 1.08 ** np.arange(60):
        around = oval(
            len(order) + spare, Room(room.half, room.pitch * looser), begin=(1 - spare) / 2 if spare else None
        )
        around = around[spare:] - (0.0, middle(around[spare:])[1])
        if np.hypot(*around.T).min() >= 1.15 * room.pitch:
            places[order] = around
            return Plan("star", places)
    return circle(directed, plain, room)  # too narrow for a middle


# -- layers and chains -------------------------------------------------------------------------------------------------


def layers(directed: nx.DiGraph, plain: nx.Graph, room: Room) -> Plan:
    """Who is read first stands first: columns from left to right, or rows where they find no room; a chain in lines."""
    if is_path(plain):
        ends = [node for node in sorted(plain) if plain.degree(node) == 1]
        first = min(ends, key=lambda node: directed.in_degree(node) > 0)
        return Plan("layers", lines([list(nx.dfs_preorder_nodes(plain, first))], room, 1.25))
    order = generations(directed, plain)
    if not order[0]:  # asked for, though there is no order: by their distance from the first one
        order = [sorted(layer) for layer in nx.bfs_layers(plain, 0)]
        lonely = sorted(set(plain).difference(*order))
        order += [lonely] if lonely else []
    order = _untangled(plain, order)
    deepest, rows = max(map(len, order)), sum(-(-len(layer) // room.columns) for layer in order)
    step = 0.85 if len(plain) <= FEW else 1.0
    if len(order) > room.columns or deepest * step * room.pitch > max(1.3 * rows * room.pitch, 360):
        return Plan("layers", lines(order, room))
    places = np.zeros((len(plain), 2))
    for column, layer in enumerate(order):
        places[layer, 0] = column * room.step(2.2, len(order))
        places[layer, 1] = (np.arange(len(layer)) - (len(layer) - 1) / 2) * room.pitch
    return Plan("layers", places)


def lines(layers: Sequence[Sequence[int]], room: Room, high: float = 1.0) -> Places:
    """Layers from top to bottom, too wide ones broken into lines; those of one alone turn at their ends."""
    places, y = np.zeros((sum(map(len, layers)), 2)), 0.0
    for layer in layers:
        wide = -(-len(layer) // -(-len(layer) // room.columns))
        for i, node in enumerate(layer):
            line, column = divmod(i, wide)
            column = wide - 1 - column if line % 2 and len(layers) == 1 else column
            places[node] = (column - (wide - 1) / 2) * room.step(1.6, wide), y + line * high * room.pitch
        y = places[layer, 1].max() + 1.5 * room.pitch
    return places


def _untangled(plain: nx.Graph, layers: list[list[int]]) -> list[list[int]]:
    """Layers in which members stand near their neighbours in others: at the mean of their places, four times."""
    place = {node: i - len(layer) / 2 for layer in layers for i, node in enumerate(layer)}
    for sweep in range(4):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            near = {node: [place[u] for u in plain[node] if u not in layer] or [place[node]] for node in layer}
            layer.sort(key=lambda node: (round(float(np.mean(near[node])), 9), node))
            place |= {node: i - len(layer) / 2 for i, node in enumerate(layer)}
    return layers


# -- springs and groups ------------------------------------------------------------------------------------------------


def force(directed: nx.DiGraph, plain: nx.Graph, room: Room) -> Plan:
    """Springs as long as the shortest way between two (Kamada and Kawai), then moved apart."""
    count = len(plain)
    if not nx.is_connected(plain):
        return groups(directed, plain, room)
    found = nx.kamada_kawai_layout(plain, pos=nx.circular_layout(plain), weight=None)
    unit = np.array([found[node] for node in range(count)])
    unit = unit - middle(unit)
    unit = unit / np.maximum(np.abs(unit).max(0), 1e-9)
    wide = min(room.half, 1.25 * room.pitch * math.sqrt(count) / 1.5)
    high = max(0.7 * wide, count * (1.5 * room.pitch) ** 2 / (4 * wide))  # where it is narrow, as high as it needs
    for taller in 1.12 ** np.arange(40):
        places = _apart(unit * (wide, high * taller), Room(wide, room.pitch))
        if closest(places) >= room.pitch - 0.01:
            return Plan("force", places)
    return Plan("force", oval(count, room))


def _apart(places: Places, room: Room, rounds: int = 150) -> Places:
    """Places moved away from each other until they keep the pitch, as far as that is found, within the width."""
    places = places + np.arange(len(places))[:, None] * (0.0, 1e-3)  # none on another
    for _ in range(rounds):
        away = places[:, None] - places
        gaps = np.hypot(*away.T) + np.diag(np.full(len(places), np.inf))
        if gaps.min() >= room.pitch:
            break
        places = places + 0.5 * (away * (np.clip(1.01 * room.pitch - gaps, 0, None) / gaps)[..., None]).sum(1)
        places[:, 0] = np.clip(places[:, 0], -room.half, room.half)
    return places


def groups(directed: nx.DiGraph, plain: nx.Graph, room: Room) -> Plan:
    """Every group on a circle of its own: separate parts of the network, or its communities."""
    parts = sorted(map(sorted, nx.connected_components(plain)))
    lonely = [part[0] for part in parts if len(part) == 1]
    parts = [part for part in parts if len(part) > 1]
    if len(parts) == 1 and (not lonely or blocks(plain.subgraph(parts[0]))):
        parts = communities(plain.subgraph(parts[0]))
    shapes = [_inside(directed, plain, part, room) for part in parts]
    if lonely:
        shapes.append(lines([range(len(lonely))], room))
        parts.append(lonely)
    shapes = [shape - middle(shape) for shape in shapes]
    reach = [float(np.hypot(*shape.T).max()) + 0.62 * room.pitch for shape in shapes]
    spots = _spots(reach, room)
    places = np.zeros((len(plain), 2))
    for part, shape, spot in zip(parts, shapes, spots, strict=True):
        places[part] = shape + spot
    discs = [(*spot.tolist(), radius) for spot, radius in zip(spots, reach, strict=True)] if len(parts) > 1 else []
    return Plan("groups", places, discs[: len(parts) - bool(lonely)])


def _inside(directed: nx.DiGraph, plain: nx.Graph, part: list[int], room: Room) -> Places:
    """The places of one group, as suits it."""
    number = dict(zip(part, range(len(part)), strict=True))
    inner: Any = nx.relabel_nodes(directed.subgraph(part), number)
    simple = nx.relabel_nodes(plain.subgraph(part), number)
    limit = Room(min(room.half, room.pitch * max(0.8, len(part) / 4.2)), room.pitch)
    if len(part) <= FEW or nx.density(simple) > 0.5:
        return oval(len(part), limit, 1.0) if hub_of(simple) is None else star(inner, simple, limit).places
    return force(inner, simple, limit).places


def _spots(reach: list[float], room: Room) -> Places:
    """Centres of discs that do not touch: around a circle if it has the room, else in rows as words on a page."""
    gap, widest, edge = 0.5 * room.pitch, max(reach), room.half + 0.5 * room.pitch
    if 3 <= len(reach) <= 8 and 2 * widest + gap <= edge - widest + 1e-9 + room.pitch:
        return oval(len(reach), Room(max(edge - widest, widest), 2 * widest + gap), 0.7)
    spots, y = np.zeros((len(reach), 2)), 0.0
    for line in wrapped([2 * radius + gap for radius in reach], 2 * edge + gap):
        tall, x = max(reach[i] for i in line), -sum(2 * reach[i] + gap for i in line) / 2
        for i in line:
            x += 2 * reach[i] + gap
            spots[i] = x - reach[i] - gap / 2, y + tall
        y += 2 * tall + gap
    return spots


def wrapped(widths: Sequence[float], most: float) -> list[list[int]]:
    """Things of some widths in lines of at most ``most``: the numbers of those on each."""
    found: list[list[int]] = []
    for i, width in enumerate(widths):
        if not found or sum(widths[j] for j in found[-1]) + width > most:
            found.append([])
        found[-1].append(i)
    return found


LAYOUTS = {"star": star, "layers": layers, "groups": groups, "circle": circle, "force": force}
