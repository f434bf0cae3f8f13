"""The tables of a scenario: its members and its flows."""

from __future__ import annotations

from collections.abc import Hashable

import pandas as pd

from ecosystem.rewards import Custom
from ecosystem.scenario.checks import parameter_count
from ecosystem.scenario.network import Network

MEMBERS = (
    *("member", "generator", "event", "parameters", "curation", "real"),
    *("reward", "curator", "schedule", "retention"),
)
FLOWS = ("source", "target", "raw", "curated", "chosen_by", "transform", "delay")


def member_table(scenario: Network) -> pd.DataFrame:
    """One row a member; ``curation`` is its level ``λ``, ``real`` what its flows leave over at the start."""
    rows, tastes = [], _tastes(scenario)
    for name in scenario.names:
        member = scenario.member(name)
        rows.append(
            {
                "member": name,
                "generator": type(member.generator).__name__,
                "event": "x".join(map(str, member.generator.event_shape)) or "symbol",
                "parameters": parameter_count(member.generator),
                "curation": scenario.curation(name),
                "real": scenario.real_share(name),
                "reward": tastes[name] + (f", {member.learn}" if member.learn is not None else ""),
                "curator": str(member.curator or "none"),
                "schedule": str(member.schedule),
                "retention": str(member.retention),
            }
        )
    return pd.DataFrame(rows, columns=list(MEMBERS))


def flow_table(scenario: Network) -> pd.DataFrame:
    """One row a flow ``source → target``; shares are of the target's training data."""
    rows = []
    for u, v, flow in scenario.graph.edges(data="flow"):
        rows.append(
            {
                "source": u,
                "target": v,
                "raw": flow.raw,
                "curated": flow.curated,
                "chosen_by": flow.chosen_by if isinstance(flow.chosen_by, str) else "own",
                "transform": str(flow.transform or "identity"),
                "delay": flow.delay,
            }
        )
    return pd.DataFrame(rows, columns=list(FLOWS))


def _tastes(scenario: Network) -> dict[str, str]:
    """The tastes of all members in words; different ones of one name are numbered."""
    found: dict[str, dict[Hashable, int]] = {}
    for name in scenario.names:
        reward = scenario.member(name).reward
        if isinstance(reward, Custom):  # of others the words say the numbers
            kinds = found.setdefault(str(reward), {})
            kinds.setdefault(reward.kind(), len(kinds) + 1)
    words = {}
    for name in scenario.names:
        reward = scenario.member(name).reward
        words[name] = str(reward or "none")
        kinds = found.get(words[name], {})
        if isinstance(reward, Custom) and len(kinds) > 1:
            words[name] += f" ({kinds[reward.kind()]})"
    return words
