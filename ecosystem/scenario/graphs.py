"""Graphs that people have: parallel edges, weights of any scale, nodes of any kind, read as who takes what of whom."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from functools import partial
from numbers import Integral
from typing import Any

import networkx as nx

from ecosystem.core.arguments import spelled
from ecosystem.core.check import brief, function, real_number, users_code
from ecosystem.scenario.descriptions import Flow

Weight = str | Callable[[Any, Any, dict[str, Any]], float] | None


@spelled
def shares_of(
    graph: nx.DiGraph,
    *,
    real: float | Callable[[Any], float],
    weight: Weight = None,
    merge: Callable[[list[float]], float] | None = None,
) -> nx.DiGraph:
    """The same nodes with one edge from ``u`` to ``v``, whose attribute ``share`` is what ``v`` takes of ``u``.

    The shares of those whom a node reads are in proportion to the weights and add up to ``1 − real``; who reads nobody,
    or with weights of 0 alone, takes none. Nodes keep their attributes, and isolated ones stay.

    Parameters
    ----------
    graph: directed; a MultiDiGraph with ``merge``.
    real: the share that is left for real data, a number or a function of the node.
    weight: the name of an edge attribute, or a function ``(u, v, attributes)``; by default every edge weighs 1, if none
        has an attribute ``weight``.
    merge: what parallel edges weigh together, a function of the list of their weights: ``sum``, ``max``, ``len``,
        ``statistics.mean``, ...

    Raises
    ------
    TypeError
        If it is no graph, or the rule no function.
    ValueError
        If it is undirected, has parallel edges and no rule, weights that nobody asked for, a weight that is missing or
        no finite number from 0 on, or a real share that does not lie between 0 and 1.

    >>> many = nx.MultiDiGraph([("a", "c"), ("a", "c"), ("b", "c")])
    >>> [(u, round(share, 6)) for u, _, share in shares_of(many, real=0.1, merge=sum).edges(data="share")]
    [('a', 0.6), ('b', 0.3)]
    >>> [round(share, 6) for _, _, share in shares_of(many, real=0.1, merge=max).edges(data="share")]
    [0.45, 0.45]
    """
    check_graph(graph, "shares_of", merge)
    if weight is not None and not callable(weight) and not isinstance(weight, str):
        raise TypeError(
            f"weight is the name of an edge attribute, or a function of (u, v, attributes), got {brief(weight)}"
        )
    if weight is None and any("weight" in attributes for _, _, attributes in graph.edges(data=True)):
        raise ValueError(
            "edges have an attribute 'weight', and nobody said what they weigh: weight=\"weight\" takes it, "
            "weight=lambda u, v, attributes: 1.0 counts all alike"
        )
    parallel: dict[tuple[Hashable, Hashable], list[float]] = {}
    for u, v, attributes in graph.edges(data=True):
        parallel.setdefault((u, v), []).append(_weight(u, v, attributes, weight))
    rule = (lambda weights: weights[0]) if merge is None else merge
    with users_code("the function merge"):
        merged = {ends: rule(many) for ends, many in parallel.items()}
    weights = {ends: _checked(value, ends, "merge") for ends, value in merged.items()}
    whole: dict[Hashable, float] = {}
    for (u, v), value in weights.items():
        whole[v] = _checked(whole.get(v, 0.0) + value, (u, v), "the sum with those before it")
    left = {node: _real(real, node) for node in graph}
    found = nx.DiGraph(**graph.graph)
    found.add_nodes_from(graph.nodes(data=True))
    for (u, v), value in weights.items():
        found.add_edge(u, v, share=(1 - left[v]) * (value / whole[v]) if whole[v] else 0.0)
    return found


def check_graph(graph: Any, where: str, merge: Any) -> None:
    """Refuse what is no directed graph, and parallel edges without a rule."""
    if not isinstance(graph, nx.Graph):
        raise TypeError(f"{where}(digraph) is a NetworkX DiGraph, got {brief(graph)}")
    if merge is not None and not callable(merge):
        raise TypeError(f"{where}(merge) is a function of a list of weights such as sum or max, got {brief(merge)}")
    if not graph.is_directed():
        raise ValueError("the coupling graph is directed; pass graph.to_directed() to couple both ways")
    if merge is None and graph.is_multigraph():
        raise ValueError(
            f"{where} takes graphs with one edge from u to v, and this one may have several; say what they weigh "
            "together, merge=sum (or max, len, ...), or keep but the last of them: nx.DiGraph(graph)"
        )


def named(graph: nx.Graph) -> dict[Hashable, str]:
    """What members are called: the ``str`` of each node, which must differ."""
    label: dict[Hashable, str] = {node: str(node) for node in graph}
    if len(set(label.values())) < len(label):
        raise ValueError("two nodes of the graph have the same str(); relabel them first")
    return label


def edges_of(
    graph: nx.DiGraph, flow: Callable[..., Flow] | None, real: Any, weight: Weight, merge: Any
) -> Iterator[tuple[Any, Any, Callable[[], Flow]]]:
    """The edges of ``from_graph``, each with what makes its flow: ``flow(u, v)``, with ``real`` ``flow(u, v, share)``.

    TypeError where neither ``flow`` nor ``real`` says what is taken, or weights are given that nothing makes shares of.
    """
    check_graph(graph, "from_graph", merge)
    if real is None and (weight is not None or merge is not None):
        raise TypeError(
            "from_graph(weight, merge) make shares of weights: say what they leave for real data, real=0.1 (or 0)"
        )
    if real is None and flow is None:
        raise TypeError("from_graph takes flow(u, v) -> Flow, or real=0.1: the rest is read, by the edges' weights")
    if real is None:
        ends = [(u, v) for u, v in graph.edges()]
    else:
        ends = list(shares_of(graph, real=real, weight=weight, merge=merge).edges(data="share"))
    make = _raw if flow is None else function(flow, "from_graph(flow) is a function of two nodes that makes a Flow")
    for given in ends:
        yield given[0], given[1], partial(make, *given)


def numbers_of(graph: nx.DiGraph) -> list[int | None] | None:
    """The labels of all members where nodes were whole numbers, None of those added since; else None."""
    found = [data.get("label") for _, data in graph.nodes(data=True)]
    whole = [isinstance(label, Integral) and not isinstance(label, bool) for label in found]
    if not any(whole) or any(label is not None and not ok for label, ok in zip(found, whole, strict=True)):
        return None
    return found


def _raw(u: Any, v: Any, share: float) -> Flow:
    return Flow(raw=share)


def _weight(u: Any, v: Any, attributes: dict[str, Any], weight: Weight) -> float:
    if weight is None:
        return 1.0
    if callable(weight):
        with users_code("the function weight"):
            value = weight(u, v, attributes)
        return _checked(value, (u, v), "weight")
    if weight not in attributes:
        raise ValueError(f"the edge {u!r} → {v!r} has no attribute {weight!r}; give all edges a weight")
    return _checked(attributes[weight], (u, v), "weight")


def _checked(value: Any, ends: tuple[Any, Any], what: str) -> float:
    if not 0 <= (number := real_number(value)) < float("inf"):
        raise ValueError(
            f"the edge {ends[0]!r} → {ends[1]!r}: {what} gives {brief(value)}; weights are finite numbers from 0"
        )
    return float(number)


def _real(real: Any, node: Any) -> float:
    with users_code("the function real"):
        value = real(node) if callable(real) else real
    if not 0 <= (number := real_number(value)) <= 1:
        raise ValueError(f"real is a share between 0 and 1, or a function of the node; got {brief(value)} at {node!r}")
    return float(number)
