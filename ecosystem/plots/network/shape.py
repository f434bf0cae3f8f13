"""What kind of network it is: a star, a chain, layers, a ring, blocks, or none of these.

Members are numbers here, in the order of their table, so that nothing depends on the order of a set of names.
"""

from __future__ import annotations

import networkx as nx
import numpy as np

FEW = 12  # members that stand on a circle where nothing else suits


def without_loops(graph: nx.DiGraph) -> tuple[nx.DiGraph, nx.Graph]:
    """A graph with and without directions; a member that has a loop, or real data, has something around it."""
    directed = nx.DiGraph()
    for node, real in graph.nodes("real"):
        directed.add_node(node, around=bool(real) or graph.has_edge(node, node))
    directed.add_edges_from((u, v) for u, v in graph.edges if u != v)
    return directed, nx.Graph(directed.to_undirected())


def suiting(graph: nx.DiGraph) -> str:
    """The kind of layout that suits a graph."""
    return _suiting(*without_loops(graph))


def _suiting(directed: nx.DiGraph, plain: nx.Graph) -> str:
    count = len(plain)
    if count <= 3 or plain.number_of_edges() == 0:
        return "layers" if count == 3 and is_path(plain) and nx.is_directed_acyclic_graph(directed) else "circle"
    if hub_of(plain) is not None:
        return "star"
    if nx.is_connected(plain):
        if is_ring(plain):
            return "circle"
        if is_path(plain) or 1 < max(map(len, generations(directed, plain))) <= FEW:
            return "layers"
    elif sum(len(part) > 1 for part in nx.connected_components(plain)) > 1 or count > FEW:
        return "groups"
    if nx.density(plain) > 0.6:
        return "circle"
    if count >= 8 and blocks(plain):
        return "groups"
    return "circle" if count <= FEW else "force"


def generations(directed: nx.DiGraph, plain: nx.Graph) -> list[list[int]]:
    """Who is read before who reads; in a tree of neighbours that read each other, by their distance from its middle.

    One empty layer where there is neither order.
    """
    if nx.is_directed_acyclic_graph(directed) and nx.dag_longest_path_length(directed) > 1:
        return [sorted(layer) for layer in nx.topological_generations(directed)]
    if nx.is_tree(plain):
        return [sorted(layer) for layer in nx.bfs_layers(plain, min(nx.center(plain)))]
    return [[]]


def hub_of(plain: nx.Graph) -> int | None:
    """The one member that is joined to all others, where these are hardly joined among each other."""
    degree = dict(plain.degree())
    hub = max(degree, key=lambda node: degree[node])
    others = [degree[node] for node in plain if node != hub]
    few = len(plain) >= 4 and max(others) == 1
    wheel = len(plain) >= 6 and max(others) <= 3
    return hub if degree[hub] == len(plain) - 1 and (few or wheel) else None


def communities(plain: nx.Graph) -> list[list[int]]:
    """Who is joined most: the groups of greatest modularity that greedy merging finds."""
    found = nx.community.greedy_modularity_communities(plain)
    return sorted((sorted(part) for part in found), key=lambda part: part[0])


def blocks(plain: nx.Graph) -> bool:
    """Whether there are communities that are dense inside and hardly joined."""
    parts = communities(plain)
    dense = [nx.density(plain.subgraph(part)) for part in parts if len(part) > 1]
    if not 1 < len(parts) <= max(2, len(plain) // 3) or len(dense) < len(parts) or np.mean(dense) < 0.6:
        return False
    return bool(nx.community.modularity(plain, parts) >= 0.3)


def part_of(graph: nx.Graph, members: list[int]) -> nx.Graph:
    """What is between some members, numbered anew in their order."""
    number = {node: i for i, node in enumerate(members)}
    part = nx.DiGraph() if graph.is_directed() else nx.Graph()
    part.add_nodes_from((number[node], graph.nodes[node]) for node in members)
    part.add_edges_from(sorted((number[u], number[v]) for u, v in graph.edges if u in number and v in number))
    return part


def is_path(plain: nx.Graph) -> bool:
    degrees = sorted(degree for _, degree in plain.degree())
    return len(plain) > 1 and nx.is_connected(plain) and degrees[:2] == [1, 1] and set(degrees[2:]) <= {2}


def is_ring(plain: nx.Graph) -> bool:
    return len(plain) > 2 and nx.is_connected(plain) and all(degree == 2 for _, degree in plain.degree())
