"""What kind of network it is: a star, a chain, layers, a ring, blocks, or none of these.

Members are numbers here, in the order of their table, so that nothing depends on the order of a set of names.
"""

from __future__ import annotations

import networkx as nx
import numpy as np

FEW = 12  # members that stand on a circle where nothing else suits


def plainly(graph: nx.DiGraph) -> tuple[nx.DiGraph, nx.Graph]:
    """A graph with and without directions; a member that has a loop, or real data, has something around it."""
    directed = nx.DiGraph()
    for node, real in graph.nodes("real"):
        directed.add_node(node, around=bool(real) or graph.has_edge(node, node))
    directed.add_edges_from((u, v) for u, v in graph.edges if u != v)
    return directed, nx.Graph(directed.to_undirected())


def suiting(graph: nx.DiGraph) -> str:
    """The kind of layout that suits a graph."""
    directed, plain = plainly(graph)
    count, parts = len(plain), list(nx.connected_components(plain))
    if count <= 3 or plain.number_of_edges() == 0:
        return "layers" if count == 3 and is_path(plain) and nx.is_directed_acyclic_graph(directed) else "circle"
    if hub_of(plain) is not None:
        return "star"
    if is_ring(plain):
        return "circle"
    if len(parts) == 1:
        if is_path(plain) or 1 < max(map(len, generations(directed, plain))) <= FEW:
            return "layers"
    elif count > FEW or sum(len(part) > 1 for part in parts) > 1:
        return "groups"
    if nx.density(plain) > 0.6:
        return "circle"
    if count >= 8 and blocks(plain):
        return "groups"
    return "circle" if count <= FEW else "force"


def is_path(plain: nx.Graph) -> bool:
    return len(plain) > 1 and nx.is_tree(plain) and max(degree for _, degree in plain.degree()) <= 2


def is_ring(plain: nx.Graph) -> bool:
    return len(plain) > 2 and nx.is_connected(plain) and all(degree == 2 for _, degree in plain.degree())


def hub_of(plain: nx.Graph) -> int | None:
    """The one member that is joined to all others, where these are hardly joined among each other."""
    hub, *others = sorted(plain, key=lambda node: (-plain.degree(node), node))
    most = plain.degree(others[0]) if others else 0
    few = (len(plain) >= 4 and most == 1) or (len(plain) >= 6 and most <= 3)
    return hub if few and plain.degree(hub) == len(plain) - 1 else None


def generations(directed: nx.DiGraph, plain: nx.Graph) -> list[list[int]]:
    """Who is read before who reads; in a tree of neighbours that read each other, by their distance from its middle.

    One empty layer where there is neither order.
    """
    if nx.is_directed_acyclic_graph(directed) and nx.dag_longest_path_length(directed) > 1:
        return [sorted(layer) for layer in nx.topological_generations(directed)]
    if nx.is_tree(plain):
        return [sorted(layer) for layer in nx.bfs_layers(plain, min(nx.center(plain)))]
    return [[]]


def communities(plain: nx.Graph) -> list[list[int]]:
    """Who is joined most: the groups of greatest modularity that greedy merging finds."""
    return sorted(sorted(part) for part in nx.community.greedy_modularity_communities(plain))


def blocks(plain: nx.Graph) -> bool:
    """Whether there are communities that are dense inside and hardly joined."""
    parts = communities(plain)
    dense = [nx.density(plain.subgraph(part)) for part in parts if len(part) > 1]
    if not 1 < len(parts) <= max(2, len(plain) // 3) or len(dense) < len(parts) or np.mean(dense) < 0.6:
        return False
    return bool(nx.community.modularity(plain, parts) >= 0.3)
