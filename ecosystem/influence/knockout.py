"""Knock-out: the network solved again without a flow."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import pandas as pd
from torch import Tensor

from ecosystem.engine.audience import NONE, Place
from ecosystem.influence.brief import small
from ecosystem.influence.dynamics import Dynamics
from ecosystem.influence.stable import StablePoint, find
from ecosystem.scenario import Scenario


@dataclass(frozen=True)
class KnockOut:
    """The network without the flow ``u → v``: its new stable point, and the change of every alignment and of ``M``."""

    flow: tuple[str, str]
    point: StablePoint
    alignment: pd.Series  # J without minus J with, by member
    matrix: pd.DataFrame  # M without minus M with; NaN for a source that no longer curates

    def __repr__(self) -> str:
        u, v = self.flow
        changes = self.matrix.rename(columns=lambda source: f"M[{source}]")
        table = pd.concat([self.alignment.rename("J"), changes], axis=1).rename_axis("member")
        return f"KnockOut({u!r} → {v!r}: changes without it, at {self.point.message})\n{small(table)}"


def solved_without(dynamics: Dynamics, u: str, v: str, present: Tensor) -> tuple[Scenario, StablePoint]:
    """A scenario without ``u → v`` and the stable point that its dynamics reach from the ``present`` one.

    ``dynamics`` are those with the flow, and ``present [size]`` is theirs. ValueError where ``v`` has no real data, or
    there is no stable point.
    """
    smaller = dynamics.scenario.without(u, v)
    left = Dynamics(smaller)
    point = find(left, begin=_carried(dynamics, present, left))
    if not point.found:
        raise ValueError(f"without the flow {u!r} → {v!r}: {point.message}")
    return smaller, point


def _carried(dynamics: Dynamics, vector: Tensor, to: Dynamics) -> Tensor:
    """``Θ [size]`` as others have it: members by their names, users by whose they are (some may be gone)."""
    out, known = to.start[0].clone(), _places(dynamics)
    for name, span in _places(to).items():
        out[span] = vector[known[name]]
    return out


def _places(dynamics: Dynamics) -> dict[Hashable, slice]:
    """Where everything stands in ``Θ``: members by name, the tastes of users by whose they are, a member or a flow."""
    names, layout, wiring = dynamics.names, dynamics.layout, dynamics.wiring
    spans = {name: layout.span(dynamics.index[name]) for name in names}
    found: dict[Hashable, slice] = {name: span for name, span in spans.items() if span is not None}
    users: dict[Place, Hashable] = {}
    for component in wiring.components:
        of = component.flow if component.chooser == NONE else names[component.chooser]
        users.setdefault(component.users, ("users of", of))
    for name, judges in zip(names, wiring.judges, strict=True):
        users.update({judge.place: ("users of", name) for judge in judges})
    for mind in layout.minds.parts:
        for row in range(len(mind.watched)):
            start = mind.start + row * mind.width
            of = ("demand of", names[int(mind.watched[row])]) if mind.kind is None else users[mind.kind, row]
            found[of] = slice(start, start + mind.width)
    return found


def knock_outs(
    dynamics: Dynamics, present: Tensor, alignment: pd.Series, flows: Sequence[tuple[str, str]]
) -> tuple[pd.DataFrame, dict[tuple[str, str], str]]:
    """The change of every ``alignment`` without each of the flows, and which could not be asked, with the reason."""
    rows, refused = [], {}
    for flow in flows:
        try:
            rows.append(solved_without(dynamics, *flow, present)[1].alignment - alignment)
        except ValueError as error:
            refused[flow] = str(error)
            rows.append(alignment * math.nan)
    return pd.DataFrame(rows).rename(columns=lambda name: f"J[{name}]").reset_index(drop=True), refused
