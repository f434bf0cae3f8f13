"""Circles and stars: places at equal distances along an oval, and how far apart places must be."""

from __future__ import annotations

import math
from dataclasses import dataclass

import networkx as nx
import numpy as np

from ecosystem.plots.network.shape import FEW, hub_of, is_ring

Places = np.ndarray


@dataclass(frozen=True)
class Room:
    """How far from the middle members may stand to either side, and how far from each other they must, in pixels."""

    half: float
    pitch: float

    def spread(self, wanted: float, parts: int) -> float:
        """A step between ``parts`` in a row: the wanted one, less if it does not fit, never under the pitch."""
        return max(self.pitch, min(wanted, 2 * self.half / max(parts - 1, 1)))

    @property
    def columns(self) -> int:
        """How many can stand side by side."""
        return max(1, int(2 * self.half / self.pitch + 1e-9) + 1)


@dataclass(frozen=True)
class Plan:
    """A layout: what kind it is, the place of every member ``[n, 2]``, and the discs (x, y, radius) behind groups."""

    kind: str
    places: Places
    discs: tuple[tuple[float, float, float], ...] = ()


def oval(count: int, room: Room, flat: float = 0.66, begin: float | None = None) -> Places:
    """Places at equal distances along an oval no wider than the room, as high as it takes.

    The first is ``begin`` steps after the top; by default an even number stands symmetrically about it.
    """
    begin = (-0.5 if count % 2 == 0 else 0.0) if begin is None else begin
    if count == 1:
        return np.zeros((1, 2))
    if count == 2:
        side = min(room.half, room.pitch)
        return np.array([[-side, 0.0], [side, 0.0]]) if 2 * side >= room.pitch else np.array([[0, 0], [0, room.pitch]])
    wide = min(room.half, max(room.pitch * count / 5, room.pitch * 0.8))
    high = flat * wide
    while high < room.pitch * count:
        places = _along(count, wide, high, begin)
        if closest(places) >= room.pitch:
            return places
        wide, high = min(room.half, wide * 1.04), high * 1.05
    right = count if 2 * room.half < room.pitch else -(-count // 2)  # too narrow: down one side, up the other
    down = np.stack([np.full(right, 0.0 if right == count else room.half), np.arange(right) * room.pitch], axis=1)
    return np.concatenate([down, (down * (-1.0, 1.0))[::-1][: count - right]])


def _along(count: int, wide: float, high: float, begin: float) -> Places:
    turns = np.linspace(0, 2 * np.pi, 1441)
    line = np.stack([wide * np.sin(turns), -high * np.cos(turns)], axis=1)
    walked = np.concatenate([[0], np.hypot(*np.diff(line, axis=0).T).cumsum()])
    steps = (np.arange(count) + begin) % count * walked[-1] / count
    return np.stack([np.interp(steps, walked, line[:, axis]) for axis in (0, 1)], axis=1)


def closest(places: Places) -> float:
    """The smallest distance between two places."""
    if len(places) < 2:
        return math.inf
    gaps = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
    return float(gaps[~np.eye(len(places), dtype=bool)].min())


def circle(directed: nx.DiGraph, plain: nx.Graph, room: Room) -> Plan:
    """On an oval: along the ring if it is one, else in the order of the table."""
    order = list(plain)
    if is_ring(plain):
        order = [0, next(iter(sorted(directed.successors(0))), min(plain[0]))]
        while len(order) < len(plain):
            order.append(next(node for node in sorted(plain[order[-1]]) if node != order[-2]))
    places = np.empty((len(order), 2))
    places[order] = oval(len(order), room)
    return Plan("circle", places)


def star(directed: nx.DiGraph, plain: nx.Graph, room: Room) -> Plan:
    """The member with most neighbours in the middle, the others around it; along a rim, if they are joined by one."""
    if len(plain) < 3:
        return circle(directed, plain, room)
    hub = hub_of(plain)
    hub = max(plain, key=lambda node: plain.degree(node)) if hub is None else hub
    rim = plain.subgraph([node for node in plain if node != hub])
    order = [node for part in nx.connected_components(rim) for node in _walked(rim.subgraph(part))]
    tight = Room(room.half, room.pitch)
    places = np.zeros((len(plain), 2))
    spare = 2 - (len(order) < FEW) if directed.nodes[hub].get("around") else 0  # for what stands around the hub
    for _ in range(60):
        around = oval(len(order) + spare, tight, begin=(1 - spare) / 2 if spare else None)[spare:]
        around = around - (0.0, (around[:, 1].min() + around[:, 1].max()) / 2)
        if np.hypot(*around.T).min() >= 1.15 * room.pitch:
            places[order] = around
            return Plan("star", places)
        tight = Room(room.half, tight.pitch * 1.08)
    return circle(directed, plain, room)  # too narrow for a middle


def _walked(graph: nx.Graph) -> list[int]:
    """A few members in an order in which neighbours follow each other, where they are a chain."""
    start = min(sorted(graph), key=lambda node: graph.degree(node))
    return list(nx.dfs_preorder_nodes(graph, start, sort_neighbors=sorted))
