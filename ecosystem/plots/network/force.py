"""Groups, and networks without a shape of their own: springs, then moved apart."""

from __future__ import annotations

import math

import networkx as nx
import numpy as np

from ecosystem.plots.network.ovals import Places, Plan, Room, closest, oval, star
from ecosystem.plots.network.rows import in_rows
from ecosystem.plots.network.shape import FEW, blocks, communities, hub_of, part_of


def groups(directed: nx.DiGraph, plain: nx.Graph, room: Room) -> Plan:
    """Every group on a circle of its own: separate parts of the network, or its communities."""
    parts = [sorted(part) for part in nx.connected_components(plain)]
    lonely = sorted(node for part in parts if len(part) == 1 for node in part)
    parts = sorted((part for part in parts if len(part) > 1), key=lambda part: part[0])
    if len(parts) == 1 and (not lonely or blocks(part_of(plain, parts[0]))):
        parts = [[parts[0][i] for i in part] for part in communities(part_of(plain, parts[0]))]
    shapes = [_inside(directed, plain, part, room) for part in parts]
    if lonely:
        shapes.append(in_rows([list(range(len(lonely)))], room))
        parts.append(lonely)
    reach = [float(np.hypot(*(shape - _middle(shape)).T).max()) + 0.62 * room.pitch for shape in shapes]
    spots = _spots(reach, room)
    places, discs = np.zeros((len(plain), 2)), []
    for part, shape, spot, radius in zip(parts, shapes, spots, reach, strict=True):
        places[part] = shape - _middle(shape) + spot
        if part is not lonely and len(parts) > 1:
            discs.append((float(spot[0]), float(spot[1]), radius))
    return Plan("groups", places, tuple(discs))


def _inside(directed: nx.DiGraph, plain: nx.Graph, part: list[int], room: Room) -> Places:
    """The places of one group, as suits it."""
    inner, simple = nx.DiGraph(part_of(directed, part)), part_of(plain, part)
    limit = Room(min(room.half, room.pitch * max(0.8, len(part) / 4.2)), room.pitch)
    if len(part) <= FEW or nx.density(simple) > 0.5:
        return oval(len(part), limit, 1.0) if hub_of(simple) is None else star(inner, simple, limit).places
    return force(inner, simple, limit).places


def _middle(shape: Places) -> Places:
    return (shape.min(0) + shape.max(0)) / 2


def _spots(reach: list[float], room: Room) -> Places:
    """Centres of discs that do not touch: around a circle if it has the room, else in rows as words on a page."""
    gap, widest = 0.5 * room.pitch, max(reach)
    edge = room.half + 0.5 * room.pitch
    if 3 <= len(reach) <= 8 and 2 * widest + gap <= edge - widest + 1e-9 + room.pitch:
        return oval(len(reach), Room(max(edge - widest, widest), 2 * widest + gap), 0.7)
    spots, x, y, line = np.zeros((len(reach), 2)), 0.0, 0.0, []
    for i, radius in enumerate([*reach, math.inf]):
        if line and x + 2 * radius > 2 * edge:
            spots[line, 0] -= (x - gap) / 2
            tall = max(reach[j] for j in line)
            spots[line, 1] = y + tall
            x, y, line = 0.0, y + 2 * tall + gap, []
        if i < len(reach):
            spots[i, 0] = x + radius
            x += 2 * radius + gap
            line.append(i)
    return spots


def force(directed: nx.DiGraph, plain: nx.Graph, room: Room) -> Plan:
    """Springs as long as the shortest way between two (Kamada and Kawai), then moved apart."""
    parts = list(nx.connected_components(plain))
    if len(parts) > 1:
        return groups(directed, plain, room)
    start = {node: np.array([math.cos(t), math.sin(t)]) for node, t in zip(plain, _turns(len(plain)), strict=True)}
    found = nx.kamada_kawai_layout(plain, pos=start, weight=None)
    unit = np.array([found[node] for node in range(len(plain))])
    unit = unit - _middle(unit)
    unit = unit / np.maximum(np.abs(unit).max(0), 1e-9)
    size = room.pitch * math.sqrt(len(plain)) / 1.5
    wide = min(room.half, 1.25 * size)
    high = max(0.7 * wide, len(plain) * (1.5 * room.pitch) ** 2 / (4 * wide))  # where it is narrow, as high as it needs
    for _ in range(40):
        places = apart(unit * (wide, high), Room(wide, room.pitch))
        if closest(places) >= room.pitch - 0.01:
            return Plan("force", places)
        high *= 1.12
    return Plan("force", oval(len(plain), room))


def _turns(count: int) -> np.ndarray:
    return np.arange(count) * 2 * math.pi / count


def apart(places: Places, room: Room, rounds: int = 150) -> Places:
    """Places moved away from each other until they keep the pitch, as far as that is found, within the width."""
    places = places.copy()
    sides = np.array([[math.cos(t), math.sin(t)] for t in _turns(len(places)) + 0.1])
    for _ in range(rounds):
        away = places[:, None] - places[None]
        gaps = np.hypot(away[..., 0], away[..., 1])
        np.fill_diagonal(gaps, np.inf)
        if gaps.min() >= room.pitch:
            break
        same = gaps < 1e-6
        away = np.where(same[..., None], sides[:, None] - sides[None], away)
        push = np.clip(room.pitch * 1.01 - gaps, 0, None) / np.maximum(np.where(same, 1.0, gaps), 1e-9)
        places += 0.5 * (away * push[..., None]).sum(1)
        places[:, 0] = np.clip(places[:, 0], -room.half, room.half)
    return places
