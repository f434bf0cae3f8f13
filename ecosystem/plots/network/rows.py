"""Layers and chains: who is read stands before who reads."""

from __future__ import annotations

import networkx as nx
import numpy as np

from ecosystem.plots.network.ovals import Places, Plan, Room
from ecosystem.plots.network.shape import FEW, generations, is_path


def layers_of(directed: nx.DiGraph, plain: nx.Graph, room: Room) -> Plan:
    """Who is read first stands first: columns from left to right, or rows where they find no room; a chain in lines."""
    if is_path(plain):
        return Plan("layers", _snake(_path(directed, plain), room))
    layers = generations(directed, plain)
    if not layers[0]:  # asked for, though there is no order: by their distance from the first one
        layers = [sorted(layer) for layer in nx.bfs_layers(plain, 0)]
        lonely = sorted(set(plain) - {node for layer in layers for node in layer})
        layers += [lonely] if lonely else []
    layers = _untangled(plain, layers)
    deepest = max(map(len, layers))
    step = 0.85 * room.pitch if len(plain) <= FEW else room.pitch
    lines = sum(-(-len(layer) // room.columns) for layer in layers)
    if len(layers) <= room.columns and deepest * step <= max(1.3 * lines * room.pitch, 360):
        across = room.spread(2.2 * room.pitch, len(layers))
        places = np.zeros((len(plain), 2))
        for column, layer in enumerate(layers):
            for row, node in enumerate(layer):
                places[node] = column * across, (row - (len(layer) - 1) / 2) * room.pitch
        return Plan("layers", places)
    return Plan("layers", in_rows(layers, room))


def in_rows(layers: list[list[int]], room: Room) -> Places:
    """Layers from top to bottom, broken into lines where they are too wide."""
    places, y = np.zeros((sum(map(len, layers)), 2)), 0.0
    for layer in layers:
        count = -(-len(layer) // room.columns)
        for line in range(count):
            part = layer[line * len(layer) // count : (line + 1) * len(layer) // count]
            across = room.spread(1.6 * room.pitch, len(part))
            shift = 0.25 * room.pitch * (1 if line % 2 else -1) if count > 1 and len(part) < room.columns else 0.0
            for i, node in enumerate(part):
                places[node] = (i - (len(part) - 1) / 2) * across + shift, y
            y += room.pitch
        y += 0.5 * room.pitch
    return places


def _path(directed: nx.DiGraph, plain: nx.Graph) -> list[int]:
    ends = sorted(node for node in plain if plain.degree(node) == 1)
    first = min(ends, key=lambda node: (directed.in_degree(node) > 0, node))
    return list(nx.dfs_preorder_nodes(plain, first))


def _snake(order: list[int], room: Room) -> Places:
    """A chain in lines that turn at their ends, as an ox ploughs."""
    lines = -(-len(order) // room.columns)
    width = -(-len(order) // lines)
    across = room.spread(1.6 * room.pitch, width)
    places = np.zeros((len(order), 2))
    for i, node in enumerate(order):
        line, column = divmod(i, width)
        places[node] = (column if line % 2 == 0 else width - 1 - column) * across, line * 1.25 * room.pitch
    return places


def _untangled(plain: nx.Graph, layers: list[list[int]]) -> list[list[int]]:
    """Layers in which members stand near their neighbours in others: at the mean of their places, four times."""
    place = {node: i - len(layer) / 2 for layer in layers for i, node in enumerate(layer)}
    depth = {node: number for number, layer in enumerate(layers) for node in layer}
    for sweep in range(4):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            near = {node: [place[u] for u in plain[node] if depth[u] != depth[node]] for node in layer}
            mean = {node: float(np.mean(found)) if found else place[node] for node, found in near.items()}
            layer.sort(key=lambda node: (round(mean[node], 9), node))
            place |= {node: i - len(layer) / 2 for i, node in enumerate(layer)}
    return layers
