"""Scenarios drawn at random: every argument is now and then an odd one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import networkx as nx
import numpy as np
import torch

import ecosystem as eco
from ecosystem.rewards import Preference
from tests.fuzzing.functions import FAULTS, ORDERS, SCHEDULES, Odd, Scale, in_place, order_answer, schedule_answer
from tests.fuzzing.odd import ODD, SIZES

SALT = 20260101


class Hand:
    """Draws values: good ones, and with some chance odd ones in their place."""

    def __init__(self, number: int) -> None:
        self.rng = np.random.default_rng([SALT, number])
        self.odds = self.pick(0.0, 0.005, 0.01, 0.03)
        self.population = self.chance(0.25)

    def pick(self, *values: Any) -> Any:
        return values[self.rng.integers(len(values))]

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def odd(self) -> Any:
        return ODD[self.pick(*ODD)]()

    def maybe(self, *good: Any) -> Any:
        """One of the good values, or an odd one."""
        return self.odd() if self.chance(self.odds) else self.pick(*good)

    def whole(self, *good: int) -> Any:
        """A whole number; sometimes far too large."""
        return self.pick(*SIZES) if self.chance(self.odds / 3) else self.maybe(*good)

    def numbers(self, *shape: int) -> Any:
        """Numbers of a shape: a tensor, an array or a list, of any type; or with something wrong."""
        x = np.round(self.rng.normal(size=shape), 3)
        if self.chance(self.odds):
            return self.odd()
        if self.chance(self.odds):
            flat = x.reshape(-1)
            if len(flat):
                flat[self.rng.integers(len(flat))] = self.pick(np.nan, np.inf, -np.inf, 1e300, -1e15, 1e-320)
        if self.chance(self.odds):
            x = x[..., : self.pick(0, 1, 1)] if x.ndim else x[None]
        form: Callable[[np.ndarray], Any] = self.pick(
            torch.tensor, np.asarray, np.ndarray.tolist, lambda a: torch.tensor(a).float(), np.asfortranarray
        )
        return form(x)

    def shares(self, n: int) -> Any:
        """Numbers that add up to 1."""
        if self.chance(self.odds):
            return self.numbers(n)
        return self.pick(np.asarray, np.ndarray.tolist, torch.tensor)(self.rng.dirichlet(np.ones(n)))

    def fault(self) -> Callable[[Any], Any]:
        """What a function of the user's does to the right answer: mostly nothing."""
        return FAULTS[self.pick(*FAULTS)] if self.chance(6 * self.odds) else lambda y: y


# -- parts -------------------------------------------------------------------------------------------------------------


def generator(h: Hand, kind: str) -> Any:
    if h.chance(h.odds):
        return h.odd()
    if kind == "symbols":
        return eco.Categorical(h.shares(h.pick(3, 3, 3, 3, 2) if h.odds else 3))
    families = ("location", "location", "gaussian", "mixture", "flow", "own")
    family = h.pick(*families[: 3 if h.population and not h.chance(h.odds) else 6])
    if family == "location":
        return eco.Location(h.numbers(2), h.maybe(0.0, 0.5, 1.0))
    if family == "gaussian":
        root = h.rng.normal(size=(2, 2))
        matrix = h.numbers(2, 2) if h.chance(h.odds) else h.maybe(root @ root.T + np.eye(2))
        return eco.Gaussian(h.numbers(2), matrix, **optional(h, floor=h.maybe(1e-9, 1e-3)))
    if family == "mixture":
        eyes = h.maybe(np.stack([np.eye(2)] * 2))
        return eco.GaussianMixture(h.shares(2), h.numbers(2, 2), eyes, **optional(h, floor=h.maybe(1e-6)))
    if family == "flow":
        plan = eco.Training(
            h.whole(1, 2),
            h.whole(2, 8),
            **optional(h, precision=h.maybe(None, torch.bfloat16), decay=h.maybe(None, eco.HoldThenDecay(1))),
            **optional(h, optimizer=h.maybe(torch.optim.Adam, torch.optim.SGD), keep_optimizer=h.maybe(True, False)),
        )
        plan = h.maybe(plan)
        return eco.FlowMatching(h.whole(2), h.whole(4), h.whole(1), h.whole(2), plan, **optional(h, seed=h.whole(0, 7)))
    fault = h.pick(*FAULTS) if h.chance(6 * h.odds) else "nothing"
    return Odd(h.maybe(2), fault, h.pick("sample", "loss"))


def optional(h: Hand, **values: Any) -> dict[str, Any]:
    """Some of the keywords."""
    return {name: value for name, value in values.items() if h.chance(0.5)}


def reward(h: Hand, kind: str) -> Any:
    if h.chance(h.odds):
        return h.odd()
    fault = h.fault()
    if kind == "symbols":
        table = torch.tensor(h.rng.normal(size=3))
        which = h.pick("tabular", "tabular", "function", "preference")
        if which == "tabular":
            return eco.Tabular(h.numbers(3))
        if which == "preference":
            return Preference(h.numbers(2), h.maybe([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]))
        return lambda x: fault(table[x])
    which = h.pick("linear", "linear", "quadratic", "distance", "sum", "function", "function", "module", "in place")
    if which == "linear":
        return eco.Linear(h.numbers(2))
    if which == "quadratic":
        return eco.Quadratic(h.numbers(2), h.maybe(0.1, 0.5, -0.1))
    if which == "distance":
        return eco.Distance(h.numbers(2), h.maybe(1.0))
    if which == "sum":
        return eco.WeightedSum([eco.Linear(h.numbers(2)), lambda x: fault(x.sum(-1))], h.numbers(2))
    if which == "module":
        whole = h.maybe(torch.nn.Linear(2, 1))
        return h.pick(Scale(None, 2), eco.Neural(whole)) if h.odds else (lambda x: x.sum(-1))
    if which == "in place":
        return lambda x: in_place(x).sum(-1)
    return lambda x: fault(x.sum(-1))


def curator(h: Hand, depth: int = 0) -> Any:
    if h.chance(h.odds):
        return h.odd()
    kinds = ("luce", "luce", "best", "top", "blind", *(["crowd"] * (2 - 2 * depth)), "tilt", "shift")
    which = h.pick(*(kinds if h.chance(0.2) else kinds[:-2]))
    if which == "luce":
        return eco.Luce(h.whole(1, 2, 3), h.maybe(1.0, 0.5, 100.0))
    if which == "best":
        return eco.BestOf(h.whole(1, 2, 3))
    if which == "top":
        return eco.TopFraction(h.maybe(0.5, 1.0, 0.3))
    if which == "tilt":
        return eco.Tilt(h.maybe(1.0, 3.0))
    if which == "shift":
        return eco.Shift(h.numbers(2))
    if which == "blind":
        return eco.Blind()
    inner = curator(h, 1)
    way = h.pick("noisy", "adversarial", "plain")
    if way == "plain":
        return eco.Crowd(h.maybe([inner, inner]), **optional(h, weights=h.shares(2), opposite=h.maybe([True, False])))
    return getattr(eco.Crowd, way)(inner, h.maybe(0.2, 0.0, 1.0))


def real(h: Hand, kind: str) -> Any:
    if h.chance(2 * h.odds):
        return h.odd()
    fault = h.fault()
    which = h.pick("data", "data", "model", *(["function"] * (not h.population or h.chance(h.odds))))
    if kind == "symbols":
        if which == "model":
            return eco.Categorical(h.shares(3))
        if which == "function":
            return lambda n, rng: fault((rng.uniform(n) * 3).long())
        return h.maybe(torch.tensor([0, 1, 2, 0]), [0, 1], np.array([2, 1, 0])[::-1], np.array([1, 2], dtype=np.int8))
    if which == "model":
        return eco.Location(h.numbers(2))
    if which == "function":
        return lambda n, rng: fault(rng.normal(n, 2))
    return h.numbers(5, 2)


def transform(h: Hand, kind: str) -> Any:
    if h.chance(h.odds):
        return h.odd()
    if h.chance(0.5):
        return None
    fault = h.fault()
    if kind == "symbols":
        return lambda x: fault((x + 1) % 3)
    which = h.pick("linear", "linear", "function", "module", "in place")
    if which == "linear":
        return eco.LinearMap(h.numbers(2, 2), **optional(h, offset=h.numbers(2)))
    if which == "module":
        return Scale(2, 2) if h.odds else (lambda x: x / 2)
    return in_place if which == "in place" else lambda x: fault(0.5 * x)


def learner(h: Hand) -> Any:
    if h.chance(h.odds):
        return h.odd()
    fault = h.fault()
    return h.pick(lambda: eco.Drift(h.maybe(0.1, 0.0, 1.0)), lambda: eco.Habit(lambda w, seen: fault(0.9 * w)))()


def schedule(h: Hand) -> Any:
    if h.chance(h.odds):
        return h.odd()
    which = h.pick("every", "every", "at", "poisson", "never", "own")
    if which == "every":
        return eco.every(h.whole(1, 2), **optional(h, start=h.whole(0, 1)))
    if which == "at":
        return eco.at(h.whole(1, 2), h.whole(3))
    if which == "poisson":
        return eco.poisson(h.maybe(0.5, 1.0))
    return eco.never if which == "never" else schedule_answer(h.pick(*SCHEDULES) if h.odds else "bool")


def retention(h: Hand) -> Any:
    which = h.pick("replace", "accumulate", "window", "subsample", "resample", "fade", "refresh")
    if h.chance(h.odds):
        return h.odd()
    if which in ("replace", "accumulate"):
        return {"replace": eco.replace, "accumulate": eco.accumulate}[which]()
    if which in ("fade", "refresh"):
        return {"fade": eco.fade, "refresh": eco.refresh}[which](h.maybe(0.5, 1.0, 0.1))
    if which == "window":
        return eco.window(h.whole(1, 2))
    return (eco.subsample if which == "subsample" else eco.resample)(h.whole(4, 50))


def ordering(h: Hand, names: list[str]) -> Any:
    if h.chance(h.odds):
        return h.odd()
    which = h.pick("synchronous", "sequential", "shuffled", "own")
    if which == "sequential":
        return eco.sequential(*names, *([h.odd()] if h.chance(h.odds) else []))
    if which == "own":
        return order_answer(h.pick(*ORDERS) if h.odds else h.pick("places", "numpy"))
    return {"synchronous": eco.synchronous, "shuffled": eco.shuffled}[which]


# -- the whole ---------------------------------------------------------------------------------------------------------


def member(h: Hand, kind: str) -> Any:
    given: dict[str, Any] = {}
    if h.chance(0.7):
        given["reward"] = reward(h, kind)
        given |= {"curator": curator(h)} if h.chance(0.9) else {}
        given |= {"learn": learner(h)} if h.chance(0.05) else {}
    if h.chance(0.98):
        given["real"] = real(h, kind)
    if h.chance(0.3):
        given["schedule"] = schedule(h)
    if h.chance(0.3):
        given["retention"] = retention(h)
    if h.chance(h.odds):
        given[h.pick("agent", "asked", "learn")] = h.odd()
    return eco.Member(generator(h, kind), **given)


def flow(h: Hand, kind: str, raw: float, curated: float, transformed: bool, chooses: bool) -> Any:
    given: dict[str, Any] = {"raw": h.maybe(raw), "curated": h.maybe(curated, 0.0) if chooses else 0.0}
    if h.chance(0.5) and chooses:
        own = h.pick("producer", "consumer", "own")
        given["chosen_by"] = h.maybe(own if own != "own" else eco.Users(reward(h, kind), curator(h)))
    if transformed:
        given["transform"] = transform(h, kind)
    if h.chance(0.2):
        given["delay"] = h.whole(0, 1, 2)
    return eco.Flow(**given)


def intervention(h: Hand, name: Any) -> Any:
    make = h.pick(eco.Freeze, eco.Leave, eco.Thaw, eco.Curate, eco.Join)
    return make(h.maybe(name), h.maybe(0.2, 0.7)) if make is eco.Curate else make(h.maybe(name))


def scenario(h: Hand) -> Any:
    """A scenario of one to four members."""
    names = list("abcd"[: h.pick(1, 2, 2, 3, 4)])
    kind = h.pick("vectors", "vectors", "symbols")
    samples = None if h.population else h.whole(1, 4, 20, 40)
    s = eco.Scenario(h.maybe("fuzz"), rounds=h.whole(0, 1, 2, 2, 3, 4), samples=samples, ordering=ordering(h, names))
    for name in names:
        joins = {"joins": h.whole(2)} if h.chance(0.03) else {}
        s.add(h.maybe(name) if h.chance(0.3) else name, member(h, kind), **joins)
    for v in names:
        sources = [u for u in names if h.chance(0.5)]
        shares = h.rng.dirichlet(np.ones(2 * len(sources) + 1))
        for i, u in enumerate(sources):
            appears = {"appears": h.whole(2)} if h.chance(0.03) else {}
            sides = [s.member(name).curator for name in (u, v) if name in s.names]
            chooses = h.chance(h.odds) or all(sides)
            s.connect(u, v, flow(h, kind, shares[2 * i], shares[2 * i + 1], h.chance(0.6), chooses), **appears)
    if h.chance(0.1):
        s.at(h.whole(1, 2), h.maybe(intervention(h, h.pick(*names))))
    if h.chance(0.05):
        graph = h.pick(nx.MultiDiGraph, nx.DiGraph, nx.Graph)([(0, 1), (1, 0)])
        s = eco.Scenario.from_graph(
            h.maybe(graph),
            member=lambda node: member(h, kind),
            flow=lambda u, v: eco.Flow(raw=0.5),
            rounds=2,
            samples=4,
        )
    return s
