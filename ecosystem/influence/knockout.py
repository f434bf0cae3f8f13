"""Knock-out: the network solved again without a flow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from torch import Tensor

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


def solved_without(scenario: Scenario, u: str, v: str, present: Tensor) -> tuple[Scenario, StablePoint]:
    """The scenario without ``u → v`` and the stable point that its dynamics reach from the ``present`` one.

    ValueError where ``v`` has no real data, or there is no stable point.
    """
    smaller = scenario.without(u, v)
    point = find(Dynamics(smaller), begin=present)
    if not point.found:
        raise ValueError(f"without the flow {u!r} → {v!r}: {point.message}")
    return smaller, point


def knock_outs(
    scenario: Scenario, present: Tensor, alignment: pd.Series, flows: Sequence[tuple[str, str]]
) -> tuple[pd.DataFrame, dict[tuple[str, str], str]]:
    """The change of every ``alignment`` without each of the flows, and which could not be asked, with the reason."""
    rows, refused = [], {}
    for flow in flows:
        try:
            rows.append(solved_without(scenario, *flow, present)[1].alignment - alignment)
        except ValueError as error:
            refused[flow] = str(error)
            rows.append(alignment * math.nan)
    return pd.DataFrame(rows).rename(columns=lambda name: f"J[{name}]").reset_index(drop=True), refused
