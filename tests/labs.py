"""A small scenario for tests of the graph, and how to look at it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch

from ecosystem import Flow, Linear, LinearMap, Location, Luce, Member, Scenario, sequential


def lab(**changes) -> Member:
    """A location member of two coordinates with everything that a member may have."""
    settings = {"reward": Linear([1.0, 0.0]), "curator": Luce(2), "real": Location([0.0, 0.0])} | changes
    return Member(Location([0.0, 0.0]), **settings)


def trio(a: float = 0.2, b: float = 0.1, c: float = 0.3) -> Scenario:
    """``v`` takes raw and curated data from ``u`` and curated data from ``w``; the rest is real."""
    s = Scenario("trio", rounds=5, samples=8, ordering=sequential("u", "v", "w"))
    for name in "uvw":
        s.add(name, lab())
    s.connect("u", "v", Flow(raw=a, curated=b, chosen_by="consumer", delay=2, transform=LinearMap([[1, 0], [0, 2]])))
    s.connect("w", "v", Flow(curated=c))
    s.connect("v", "w", Flow(raw=0.5))
    return s


def shares(s: Scenario, v: str) -> dict[str, tuple[float, float]]:
    """Raw and curated shares of a member by producer."""
    return {u: (flow.raw, flow.curated) for u, flow in s.incoming(v).items()}


def untouched(s: Scenario) -> tuple:
    """Everything that a changed copy must leave as it is."""
    tables = s.describe()
    interventions = {round: list(many) for round, many in s.interventions.items()}
    return repr(s), tables["members"].to_csv(), tables["flows"].to_csv(), repr(interventions), list(s.graph.edges)


def plain(d: int = 2, **settings) -> Member:
    """A location member of ``d`` coordinates."""
    return Member(Location(torch.zeros(d)), **settings)


def real(d: int = 2, **settings) -> Member:
    """The same with real data."""
    return plain(d, real=torch.zeros(3, d), **settings)


def scenario(*flows: tuple[str, str, Flow], **members: Member) -> Scenario:
    """Four rounds on the population."""
    s = Scenario("lab", rounds=4)
    for name, member in members.items():
        s.add(name, member)
    for u, v, flow in flows:
        s.connect(u, v, flow)
    return s


def refused(make: Callable[[], object], message: str) -> None:
    """``make()`` raises an error of one line: ``message`` is ``text`` or ``TypeError: text``, and … is anything."""
    named = re.match(r"(Type|Key)Error: ", message)
    error = {"Type": TypeError, "Key": KeyError}[named[1]] if named else ValueError
    text = message[named.end() :] if named else message
    with pytest.raises(error, match=".*".join(re.escape(part) for part in text.split("…"))) as caught:
        make()
    assert "\n" not in str(caught.value)
