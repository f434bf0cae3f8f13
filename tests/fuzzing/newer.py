"""Scenarios of the parts that came later: archives, demand, quotas, communities, learned tastes, weighted graphs."""

from __future__ import annotations

from typing import Any

import networkx as nx
import torch

import ecosystem as eco
from tests.fuzzing.scenarios import Hand, curator, generator, optional, real, retention, reward, schedule


def scenario(h: Hand) -> Any:
    """One of four kinds, and now and then what a detector leaves of its diets."""
    h.odds *= 2  # fewer arguments than elsewhere
    kind = h.pick("vectors", "vectors", "symbols")
    s = h.pick(archived, demanded, governed, weighted)(h, kind)
    if h.chance(0.25):
        name = h.pick(*s.names)
        seen = dict.fromkeys(s.incoming(name), 0.5)
        rates = mostly(h, seen, 0.5, 1.0, {"a": h.maybe(0.2), "web": 0.1}, {"nobody": 0.5}, {"a": 2.0})
        s = eco.Provenance(rates, *([h.maybe(0.0, 0.1, 1.0)] if h.chance(0.5) else [])).on(s, h.maybe(name))
    return s


def begun(h: Hand) -> Any:
    return eco.Scenario("newer", rounds=h.whole(1, 2, 3), samples=None if h.population else h.whole(1, 4, 20))


def member(h: Hand, kind: str, **more: Any) -> Any:
    """With users that curate, mostly, so that its flows may be curated."""
    given: dict[str, Any] = {"reward": reward(h, kind), "curator": choosing(h, kind), "real": real(h, kind)}
    return eco.Member(generator(h, kind), **(given | more))


def mostly(h: Hand, good: Any, *wrong: Any) -> Any:
    """What goes with the rest; where values may be odd, now and then what does not."""
    return h.pick(*wrong) if h.chance(5 * h.odds) else h.maybe(good)


# -- what is drawn -----------------------------------------------------------------------------------------------------


def archived(h: Hand, kind: str) -> Any:
    s, writers = begun(h), ["a", "b"][: h.pick(1, 2, 2)]
    for name in writers:
        s.add(name, member(h, kind))
    shelves = {name: generator(h, kind) for name in (*writers, *(["real"] * h.chance(0.3)))}
    web = eco.Archive(h.maybe(shelves), **optional(h, weights=h.shares(len(shelves))))
    keeps = {"real": real(h, kind)} if "real" in shelves or h.chance(0.1) else {}
    keeps |= {"retention": retention(h)} if h.chance(0.5) else {}
    keeps |= {"reward": reward(h, kind), "curator": choosing(h, kind)} if h.chance(0.6) else {}
    s.add("web", eco.Member(h.maybe(web), **keeps, **optional(h, schedule=schedule(h))))
    for name in writers:
        s.connect(name, "web", eco.Flow(raw=h.maybe((0.8 if "real" in keeps else 1.0) / len(writers))))
        users = {"chosen_by": h.maybe("consumer", eco.Users(reward(h, kind), choosing(h, kind)))}
        s.connect("web", name, eco.Flow(raw=h.maybe(0.2), curated=h.maybe(0.4), **users))
    return s


def demanded(h: Hand, kind: str) -> Any:
    s, models = begun(h), ["a", "b", "c"][: h.pick(1, 2, 3)]
    for name in models:
        s.add(name, member(h, kind))
    for group in ("people", "others")[: h.pick(1, 1, 2)]:
        kind_of = h.pick(eco.Softmax, eco.Replicator, eco.BestResponse)
        choice = kind_of() if kind_of is eco.BestResponse else kind_of(h.maybe(1.0, 0.1))
        sets = h.pick(*[eco.Writing, eco.Capacity] * 3, lambda: eco.Intake(mostly(h, "a", "people", "nobody")))()
        demand = eco.Demand(
            mostly(h, models, tuple(models[:1]), models[0], ["nobody"], ["a", "a"], []),
            **optional(h, choice=h.maybe(choice), sets=h.maybe(sets, (sets, eco.Capacity())), size=h.maybe(1.0, 0.3)),
            **optional(h, start=h.shares(len(models)), judged=h.whole(1, 16)),
        )
        judge = {"reward": reward(h, kind)} if h.chance(0.7) else {}
        s.add(group, eco.Member(generator(h, kind), schedule=eco.never, demand=h.maybe(demand), **judge))
    groups = s.names[len(models) :]
    for name in models:
        for group in groups:
            s.connect(group, name, eco.Flow(raw=h.maybe(0.6 / len(groups))))
        s.connect(name, name, eco.Flow(curated=h.maybe(0.2), raw=h.maybe(0.1)))
    return s


def governed(h: Hand, kind: str) -> Any:
    """One or two members that read themselves and each other by the choice of users of the later kinds."""
    s, names = begun(h), ["a", "b"][: h.pick(1, 2)]
    for name in names:
        s.add(name, member(h, kind))
    for v in names:
        for u in names:
            users: dict[str, Any] = {}
            if h.chance(0.5):
                form = eco.Tabular(h.numbers(3)) if kind == "symbols" else eco.Linear(h.numbers(2))
                settings = optional(h, ridge=mostly(h, 0.1, 0.0), flipped=mostly(h, 0.2, 1.5), temperature=h.maybe(1.0))
                learn = {"learn": h.maybe(eco.Relearned(reward(h, kind), **settings))} if h.chance(0.5) else {}
                users["chosen_by"] = eco.Users(h.maybe(form), choosing(h, kind), **learn)
            s.connect(u, v, eco.Flow(raw=0.1, curated=h.maybe(0.6 / len(names)), **users))
    return s


def weighted(h: Hand, kind: str) -> Any:
    """What people have: a graph with weights of any scale."""
    make = h.pick(nx.DiGraph, nx.DiGraph, nx.MultiDiGraph, nx.Graph if h.chance(h.odds) else nx.DiGraph)
    graph = make([(0, 1), (1, 2), (2, 0), (0, 2), *([(0, 1)] * h.chance(0.3))])
    for *_, attributes in graph.edges(data=True):
        attributes["weight"] = h.maybe(1.0, 3, 0.0, 250.5)
    weights = mostly(h, h.pick("weight", lambda u, v, attributes: h.maybe(1.0, 2.0)), None)
    merge = {"merge": h.maybe(sum, max, len)} if graph.is_multigraph() or h.chance(0.3) else {}
    flow = {"flow": lambda u, v, share: eco.Flow(curated=h.maybe(share), **optional(h, raw=h.maybe(0.0)))}
    return eco.Scenario.from_graph(
        h.maybe(graph),
        member=lambda node: h.maybe(member(h, kind)),
        real=h.maybe(0.2, 0.0, lambda node: h.maybe(0.5, 1.0)),
        weight=weights,
        **merge,
        **(flow if h.chance(0.5) else {}),
        rounds=h.whole(1, 2),
        samples=None if h.population else h.whole(2, 9),
    )


def choosing(h: Hand, kind: str) -> Any:
    """Users of the later kinds, and now and then of the others."""
    if h.chance(h.odds):
        return h.odd()
    which = h.pick("plain", "quota", "community", "threshold", "within", *(["preferences"] if h.chance(h.odds) else []))
    if which == "quota":
        groups = h.maybe([0, 1, 1], torch.tensor([0, 0, 1])) if kind == "symbols" else None
        fault = h.fault()
        by = (
            groups
            if groups is not None and h.chance(0.7)
            else lambda x: fault(x.flatten(1).sum(-1).abs().round().clamp(0, 1))
        )
        if kind == "symbols" and callable(by):
            by = lambda x: fault(x % 2)  # noqa: E731
        return eco.Quota(by, h.shares(2), **optional(h, curator=h.maybe(curator(h, 1))))
    if which == "community":
        tastes = h.maybe([reward(h, kind), reward(h, kind)])
        shares = optional(
            h, shares=mostly(h, {"x": 0.3, "y": 0.7}, {"x": 1.0}, {"x": 0.5, "z": 0.5}, {"x": 2, "y": -1})
        )
        return eco.Community(
            curator(h, 1), tastes, mostly(h, ["x", "y"], ["x", "x"], [1, 2], "x", ["x", "y", "z"]), **shares
        )
    if which == "preferences":
        return eco.Preferences(curator(h, 1))
    if which == "threshold":
        return eco.Threshold(h.maybe(-1.0, 0.0, -5.0))
    return eco.Within(h.numbers(2), h.maybe(2.0, 0.5)) if which == "within" and kind != "symbols" else curator(h)
