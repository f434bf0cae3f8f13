"""Every argument of the parts that came later, one at a time: what makes a part, and the values that are right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import networkx as nx
import pandas as pd

import ecosystem as eco


def place() -> eco.Location:
    return eco.Location([0.0, 0.0])


def member(node: Any = None) -> eco.Member:
    return eco.Member(place(), real=place())


def ring(weight: Any = 1.0) -> nx.DiGraph:
    graph = nx.DiGraph([(0, 1), (1, 0)])
    graph.edges[0, 1]["weight"], graph.edges[1, 0]["weight"] = weight, 1.0
    return graph


def from_graph(graph: Any = None, **given: Any) -> eco.Scenario:
    usual: dict[str, Any] = {"member": member, "weight": "weight", "real": 0.1, "rounds": 1}
    return eco.Scenario.from_graph(ring() if graph is None else graph, **(usual | given))


def filtered(rate: Any, false: Any, on: Any) -> eco.Scenario:
    s = eco.Scenario("filtered", rounds=1)
    s.add("a", member())
    s.add("b", member())
    s.connect("a", "b", eco.Flow(raw=0.5))
    return eco.Provenance(rate, false).on(s, on)


def town(taste: Any = None, group: Any = "x", share: Any = 0.5) -> eco.Community:
    tastes = [eco.Tabular([0.0, 1.0]) if taste is None else taste, eco.Tabular([1.0, 0.0])]
    return eco.Community(
        eco.Luce(2), tastes, [group, "y"], {"x": share, "y": 0.5} if isinstance(group, str) and group == "x" else None
    )


TASTE = eco.Tabular([0.0, 1.0])
FLIPS = pd.DataFrame({"before": [0], "preferred": [1]})
PARTS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "Archive": (eco.Archive, {"shelves": {"a": place()}, "weights": [1.0]}),
    "a shelf": (lambda model: eco.Archive({"a": model}), {"model": place()}),
    "Demand": (
        eco.Demand,
        {"among": ("a", "b"), "choice": eco.Softmax(1.0), "sets": eco.Writing(), "size": 1.0, "judged": 4}
        | {"start": [0.5, 0.5]},
    ),
    "Softmax": (eco.Softmax, {"temperature": 1.0}),
    "Replicator": (eco.Replicator, {"temperature": 1.0}),
    "Intake": (eco.Intake, {"node": "a"}),
    "Quota": (eco.Quota, {"by": [0, 1], "shares": [0.5, 0.5], "curator": eco.Blind()}),
    "Community": (
        eco.Community,
        {"curator": eco.Luce(2), "tastes": [TASTE, TASTE], "groups": ["x", "y"], "shares": {"x": 0.5, "y": 0.5}},
    ),
    "a user": (town, {"taste": TASTE, "group": "x", "share": 0.5}),
    "Relearned": (eco.Relearned, {"taste": TASTE, "ridge": 0.1, "flipped": 0.0, "temperature": 1.0, "flips": None}),
    "Flips": (eco.Flips, {"table": FLIPS, "symbols": 2, "labels": 10}),
    "Users": (eco.Users, {"reward": TASTE, "curator": eco.Luce(2), "learn": None}),
    "Threshold": (eco.Threshold, {"least": 0.0}),
    "Within": (eco.Within, {"centre": [0.0], "radius": 1.0}),
    "Preferences": (eco.Preferences, {"curator": eco.Luce(2)}),
    "Provenance": (filtered, {"rate": 0.5, "false": 0.1, "on": "b"}),
    "a rate": (lambda rate: eco.Provenance({"a": rate}), {"rate": 0.5}),
    "from_graph": (
        from_graph,
        {"graph": ring(), "member": member, "flow": lambda u, v, share: eco.Flow(raw=share), "real": 0.1}
        | {"weight": "weight", "merge": sum, "name": "g", "rounds": 1, "samples": None},
    ),
    "what functions of graphs return": (
        lambda real, weight, merge, flow, member: from_graph(
            real=lambda node: real,
            weight=lambda u, v, attributes: weight,
            merge=lambda weights: merge,
            flow=lambda u, v, share: flow,
            member=lambda node: member,
        ),
        {"real": 0.1, "weight": 1.0, "merge": 1.0, "flow": eco.Flow(raw=0.1), "member": member()},
    ),
    "an attribute": (lambda weight: from_graph(ring(weight)), {"weight": 1.0}),
    "a member's demand": (lambda demand: eco.Member(place(), demand=demand), {"demand": None}),
}
