"""Where members stand: what suits the graph, with a distance between any two that leaves room for circles and words."""

from __future__ import annotations

import networkx as nx

from ecosystem.core.check import brief
from ecosystem.plots.network.force import force, groups
from ecosystem.plots.network.ovals import Plan, Room, circle, star
from ecosystem.plots.network.rows import layers_of
from ecosystem.plots.network.shape import suiting, without_loops

KINDS = {"star": star, "layers": layers_of, "groups": groups, "circle": circle, "force": force}


def plan(graph: nx.DiGraph, room: Room, wanted: str | None = None) -> Plan:
    """The layout that suits a graph of numbers 0..n−1, or the ``wanted`` one; y grows downwards."""
    if wanted is not None and wanted not in KINDS:
        raise ValueError(f"network(layout={brief(wanted)}): there are {', '.join(KINDS)}; None chooses")
    made = KINDS[wanted or suiting(graph)](*without_loops(graph), room)
    if made.kind == "star":
        return made  # its hub is the middle
    middle = (made.places.min(0) + made.places.max(0)) / 2
    discs = tuple((x - float(middle[0]), y - float(middle[1]), r) for x, y, r in made.discs)
    return Plan(made.kind, made.places - middle, discs)
