"""Scenarios of the parts that came later: archives, demand, quotas, communities, learned tastes, weighted graphs,
tables of answers, regressions."""

from __future__ import annotations

from typing import Any

import networkx as nx
import pandas as pd
import torch

import ecosystem as eco
from tests.fuzzing.scenarios import Hand, curator, generator, optional, real, retention, reward, schedule


def scenario(h: Hand) -> Any:
    """One of six kinds, and now and then what a detector leaves of its diets."""
    h.odds *= 2  # fewer arguments than elsewhere
    kind = h.pick("vectors", "vectors", "symbols")
    s = h.pick(archived, demanded, governed, weighted, answering, labelling)(h, kind)
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


def answering(h: Hand, kind: str) -> Any:
    """Somebody asks, a table answers, and somebody reads what was asked: rows of vectors, or symbols."""
    s, rows = begun(h), kind == "vectors"
    inputs, learns = h.shares(2), optional(h, learns=h.maybe(True, False))
    table = (
        eco.ConditionalGaussian(inputs, h.numbers(2, 1), h.maybe([[[1.0]], [[0.5]]]), **learns)
        if rows
        else eco.ConditionalCategorical(inputs, h.maybe([[0.5, 0.5], [0.2, 0.8]], [h.shares(2), h.shares(2)]), **learns)
    )
    asks = h.maybe(eco.Asking(h.maybe(1)) if rows else (lambda c: 4 + c))
    reads = h.maybe(eco.InputOf() if rows else (lambda x: x // 2))
    taste = h.maybe(eco.OfInput(h.numbers(2)) if rows else eco.Tabular(h.numbers(6)))
    user = {"curator": choosing(h, kind), "reward": taste} if h.chance(0.7) else {}
    s.add("asker", eco.Member(eco.Categorical(h.shares(2)), real=h.maybe([0, 1], eco.Categorical([0.5, 0.5]))))
    s.add("table", eco.Member(h.maybe(table), real=h.maybe(table), **user))
    s.connect("asker", "table", eco.Flow(raw=h.maybe(0.4), transform=asks))
    s.connect("table", "table", eco.Flow(raw=h.maybe(0.2), **({"curated": h.maybe(0.2)} if user else {})))
    s.connect("table", "asker", eco.Flow(raw=h.maybe(0.5), transform=reads))
    return s


def labelling(h: Hand, kind: str) -> Any:
    """Regressions that label for each other, by the choice of users whose taste was learned from comparisons."""
    s, names = begun(h), ["a", "b"][: h.pick(1, 2)]
    for name in names:
        settings = optional(
            h, scale=h.maybe(0.5, 1.0), penalty=h.maybe(0.1, 0.0), inputs=h.maybe([[1.0, 0.2], [0.2, 1.0]])
        )
        s.add(name, eco.Member(eco.Ridge(h.numbers(2), **settings), real=h.maybe(eco.Ridge([1.0, -1.0], 0.5))))
    pairs = pd.DataFrame({"first": [0, 1, 0], "second": [1, 2, 2], "preferred": [h.maybe(0, 1), h.maybe(2), 0]})
    taught = eco.learned(eco.Comparisons(h.maybe(pairs), h.numbers(3, 3)), **optional(h, ridge=mostly(h, 0.1, 0.0)))
    for v in names:
        for u in names:
            users = eco.Users(h.maybe(taught.reward), choosing(h, kind))
            s.connect(u, v, eco.Flow(raw=0.1, curated=h.maybe(0.6 / len(names)), chosen_by=users))
    return s


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
        return eco.Threshold(h.maybe(-1.0, -3.0, -5.0))
    return eco.Within(h.numbers(2), h.maybe(2.0, 0.5)) if which == "within" and kind != "symbols" else curator(h)
