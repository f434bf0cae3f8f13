"""Shares of 0 that are looked at as if something flowed there: a right-hand derivative needs their components."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import replace

import numpy as np
from torch import Tensor

from ecosystem.engine.state import State
from ecosystem.engine.wiring import CURATED, Wiring, filled
from ecosystem.scenario import Scenario
from ecosystem.scenario.checks import check_known
from ecosystem.scenario.copies import put_flows

Like = Mapping[str, tuple[str, str]]  # of members at curation level 0, the flow on which curation would arise
Part = tuple[str, str | None, int]  # reader, producer (None for real data) and group: a component by names


def check_like(scenario: Scenario, like: Like) -> None:
    """Refuse unknown members, and those who have a curation level."""
    for name in like:
        check_known(name, scenario.graph, "like")
        level = scenario.curation(name)
        if level > 0:
            raise ValueError(f"like is for members at curation level 0, {name!r} has {level:.4g}; drop it there")


def curated_like(scenario: Scenario, like: Like) -> Scenario:
    """The scenario with curation where it would arise, so that its components exist; it is still called as it was."""
    called = scenario.name
    for name, flow in like.items():
        scenario = scenario.with_curation(name, 0.5, like=flow)
    return scenario.replace(name=called)


def chosen_from(scenario: Scenario, arising: Set[Part]) -> Scenario:
    """The scenario with some curated share on each flow on which choosing would arise, so that its component exists.

    It is taken from the raw share of the flow, or where there is none from real data.
    """
    new = scenario.replace()
    readers: dict[str, list[str]] = {}
    for v, u in sorted((v, str(u)) for v, u, group in arising if group == CURATED):
        readers.setdefault(v, []).append(u)
    for v, producers in readers.items():
        spare = scenario.real_share(v) / (1 + len(producers))
        flows = {}
        for u in producers:
            flow = scenario.flow(u, v)
            some = {"raw": flow.raw / 2, "curated": flow.raw / 2} if flow.raw > 0 else {"curated": spare}
            flows[u] = replace(flow, **some)
        put_flows(new, v, flows)
    return new


def own_shares(scenario: Scenario, first: State, like: Like, arising: Set[Part]) -> Tensor:
    """The shares ``[components, 1, 1]`` that the scenario itself has, of a first state made with those that arise."""
    if not like and not arising:
        return first.shares
    wiring, shares = first.wiring, first.shares.clone()
    for name in like:
        for i in wiring.components_of(wiring.index[name]):  # undo :func:`curated_like`
            shares[i] = 0.0 if wiring.components[i].group == CURATED else shares[i] * 2
    for name in {v for v, _, _ in arising}:  # the others have theirs
        for i in wiring.components_of(wiring.index[name]):
            if (component := wiring.components[i]).flow is not None:
                flow = scenario.flow(*component.flow)
                shares[i] = flow.curated if component.group == CURATED else flow.raw
    return filled(wiring, shares) if arising else shares


def arise(wiring: Wiring, like: Like, arising: Set[Part]) -> np.ndarray:
    """The components that have no share yet and would get one, ``[components]``."""
    found = np.zeros(len(wiring.components), dtype=bool)
    for v, u, group in {(v, u, CURATED) for u, v in like.values()} | arising:
        for i in wiring.components_of(wiring.index[v]):
            component = wiring.components[i]
            found[i] |= component.group == group and (component.flow and component.flow[0]) == u
    return found
