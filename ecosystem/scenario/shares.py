"""How shares move with the curation level: the convention of Zhang, Wei, Zhang 2026 (2605.29267), once for all."""

from __future__ import annotations

import dataclasses
from typing import Any

from ecosystem.core.added import added
from ecosystem.scenario.descriptions import Flow

FULL = 1 - 1e-12  # from this level on the other shares are 0, and nothing says how they would grow again


def move_share(share: Any, curated: bool, level: Any, target: Any, first: Any = None) -> Any:
    """A share after the level has moved from ``λ`` to ``λ'``: curated ``· λ'/λ``, any other ``· (1−λ')/(1−λ)``.

    The real share is one of the others, so a diet that is whole stays whole. Numbers or tensors that broadcast;
    levels lie strictly between 0 and 1, but from 0 (a number), where ``first`` is the part of the new curated share
    that this one gets: 1 on the flow that is to be curated, else 0.

    >>> move_share(0.25, False, 0.5, 0.75), move_share(0.25, True, 0.5, 0.75), move_share(0.0, True, 0, 0.75, first=1)
    (0.125, 0.375, 0.75)
    """
    if not curated:
        return share * (1 - target) / (1 - level)
    return share * target / level if first is None else first * target


def share_rate(share: Any, curated: bool, level: Any, first: Any = None) -> Any:
    """The derivative of :func:`move_share` by the target, at ``λ' = λ``: curated ``share/λ``, other ``−share/(1−λ)``.

    >>> share_rate(0.3, False, 0.4), share_rate(0.1, True, 0.4), share_rate(0.0, True, 0, first=1)
    (-0.5, 0.25, 1)
    """
    if not curated:
        return -share / (1 - level)
    return share / level if first is None else first


def curation(flows: dict[str, Flow]) -> float:
    """The curation level of a member that takes these flows."""
    return added(flow.curated for flow in flows.values())


def move_flows(flows: dict[str, Flow], target: float, like: str | None = None) -> dict[str, Flow]:
    """One member's flows, by producer, at another curation level; from 0 all is curated on the flow of ``like``."""
    level = curation(flows)
    if level == target and like is None:
        return flows
    return {
        u: dataclasses.replace(
            flow,
            raw=move_share(flow.raw, False, level, target),
            curated=move_share(flow.curated, True, level, target, first=None if like is None else float(u == like)),
        )
        for u, flow in flows.items()
    }
