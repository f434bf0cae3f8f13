"""The tables of a scenario: its members and its flows, as they are in the first round, and what changes later."""

from __future__ import annotations

import contextlib
from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from ecosystem.core.added import added
from ecosystem.rewards import Reward
from ecosystem.scenario.blocks import Blocks, blocks_of, first_of_each
from ecosystem.scenario.checks import parameter_count
from ecosystem.scenario.descriptions import Flow, in_tokens
from ecosystem.scenario.graphs import numbers_of
from ecosystem.scenario.interventions import Subject, effects
from ecosystem.scenario.network import Network, standing_for_all
from ecosystem.scenario.shares import curation
from ecosystem.scenario.whole import Stage

MEMBERS = (
    *("member", "generator", "event", "parameters", "curation", "real"),
    *("reward", "curator", "schedule", "retention", "later"),
)
_OF_MEMBERS = ("member", "curation", "real", "later")
FLOWS = ("source", "target", "raw", "curated", "chosen_by", "transform", "delay", "there", "later")


def member_table(scenario: Network) -> pd.DataFrame:
    """One row a member; ``curation`` is its level ``λ``, ``real`` what its flows leave over, in the first round.

    ``later`` says in words what interventions make of it after that. Where members are the nodes of a graph that were
    whole numbers, ``label`` has these, missing for members that were added to them.
    """
    tastes, stand = _tastes(scenario), standing_for_all(scenario)
    kinds = [
        {
            "generator": type(member.generator).__name__,
            "event": "x".join(map(str, member.generator.event_shape)) or "symbol",
            "parameters": parameter_count(member.generator),
            "reward": tastes[id(member.reward)]
            + "".join(f", {part}" for part in (member.learn, member.demand) if part is not None),
            "curator": str(member.curator or "none"),
            "schedule": str(member.schedule),
            "retention": str(member.retention),
        }
        for _, member, _ in stand
    ]
    which = np.repeat(np.arange(len(stand)), [count for _, _, count in stand])
    said = dict(pd.DataFrame(kinds, columns=[name for name in MEMBERS if name not in _OF_MEMBERS]).take(which).items())
    columns = {name: column.array for name, column in said.items()} | _members_now(scenario)
    found = pd.DataFrame({name: columns[name] for name in MEMBERS}, columns=list(MEMBERS))
    if blocks_of(scenario.graph) is None and (labels := numbers_of(scenario.graph)) is not None:
        found["label"] = pd.array(labels, dtype="int64" if None not in labels else "Int64")
    return found


def _members_now(scenario: Network) -> dict[str, Any]:
    """The columns that are each member's own."""
    names, blocks = scenario.names, blocks_of(scenario.graph)
    if blocks is None or scenario.interventions:
        plan = _Plan(scenario)
        now = [plan.first[name] for name in names]
        found: dict[str, Any] = {what: [one[what] for one in now] for what in ("curation", "real")}
        return {"member": names, **found, "later": ["; ".join(plan.later.get(name, ())) for name in names]}
    table = blocks.table
    curation = np.bincount(table.ends[1], table.shares[1], len(names))  # flow by flow, as each member's own are summed
    taken = np.bincount(table.ends[1], table.shares[0] + table.shares[1], len(names))
    real = np.maximum(0.0, 1 - taken)
    return {"member": names, "curation": curation, "real": real, "later": [""] * len(names)}


def flow_table(scenario: Network) -> pd.DataFrame:
    """One row a flow ``source → target``; shares are of the target's training data, as they are in the first round.

    One that is not ``there`` in the first round has the shares that it comes with; ``later`` says in words when it
    comes and goes.
    """
    blocks = blocks_of(scenario.graph)
    if blocks is not None and blocks.families and not scenario.interventions:
        return _flows_by_the_array(blocks)
    rows, plan = [], _Plan(scenario)
    for u, v, given in scenario.graph.edges(data="flow"):
        flow, now = in_tokens(given, scenario.member(u), scenario.member(v)), plan.first[u, v]
        shares = {"source": u, "target": v, "raw": now["raw"], "curated": now["curated"]}
        rows.append({**shares, **_said(flow), "there": now["there"], "later": "; ".join(plan.later.get((u, v), ()))})
    return pd.DataFrame(rows, columns=list(FLOWS))


def _flows_by_the_array(blocks: Blocks) -> pd.DataFrame:
    """Flows between families when nothing happens later: words for each kind, and nothing for each flow."""
    order = np.argsort(blocks.table.ends[0], kind="stable")  # as a graph goes through its edges
    source, target, kind, _ = blocks.table.ends[:, order].astype(np.int64)
    raw, curated = (shares[order] for shares in blocks.table.shares)
    size = len(blocks.members)
    codes = (kind * size + blocks.block[source]) * size + blocks.block[target]
    distinct, first = first_of_each(codes)
    rows = []
    for at in first.tolist():
        producer, consumer = (blocks.members[blocks.block[ends[at]]].one for ends in (source, target))
        rows.append(
            _said(in_tokens(blocks.table.flows[kind[at]].one, producer, consumer)) | {"there": True, "later": ""}
        )
    names = pd.Series(blocks.names)
    said = pd.DataFrame(rows, columns=list(FLOWS[4:])).take(np.searchsorted(distinct, codes))
    ends = {"source": names.take(source).array, "target": names.take(target).array, "raw": raw, "curated": curated}
    return pd.DataFrame({**ends, **{name: column.array for name, column in said.items()}}, columns=list(FLOWS))


def _said(flow: Flow) -> dict[str, Any]:
    """What a flow is besides its shares."""
    return {
        "chosen_by": flow.chosen_by if isinstance(flow.chosen_by, str) else "own",
        "transform": str(flow.transform or "identity"),
        "delay": flow.delay,
    }


class _Plan:
    """What is known before a run: who takes how much in the first round, and what interventions change later.

    ``first`` says how it is then, by member and flow; ``later`` are words for each round that changes that.
    """

    def __init__(self, scenario: Network) -> None:
        self.scenario, self.stage = scenario, Stage(scenario)
        self.later: dict[Subject, list[str]] = {}
        self.first = {subject: self._now(subject) for subject in (*scenario.names, *scenario.graph.edges)}
        now = self.first
        for round in sorted(scenario.interventions):
            new = {subject: self._now(subject) for subject in self._play(round)}
            for subject, then in new.items():
                if round > 1 and then != now[subject]:
                    words = ", ".join(_changed(now[subject], then))
                    self.later.setdefault(subject, []).append(f"round {round}: {words}")
            now = now | new
            self.first = now if round == 1 else self.first

    def _now(self, subject: Subject) -> dict[str, Any]:
        """A member: whether it is there and frozen, its level, its real share; a flow: if it is there, its shares."""
        there = not self.stage.absent & ({subject} if isinstance(subject, str) else {*subject, subject})
        if isinstance(subject, str):
            flows = self.stage.diet(subject)
            real = max(0.0, 1 - added(flow.raw + flow.curated for flow in flows.values()))
            return {"there": there, "frozen": subject in self.stage.frozen, "curation": curation(flows), "real": real}
        flow = self.stage.moved.get(subject, self.scenario.flow(*subject))
        return {"there": there, "raw": flow.raw, "curated": flow.curated}

    def _play(self, round: int) -> dict[Subject, None]:
        """Let happen what a round brings, and whom it may touch."""
        touched: dict[Subject, None] = {}
        for intervention in self.scenario.interventions[round]:
            for effect in effects(intervention):
                with contextlib.suppress(ValueError):  # no such scenario runs: its `check` says why
                    self.stage.change(effect, "")
                subject = effect.subject
                flows = [subject]
                if isinstance(subject, str):
                    flows = [*self.scenario.graph.in_edges(subject), *self.scenario.graph.out_edges(subject)]
                touched |= dict.fromkeys((*self.stage.readers(subject), *flows))
        return touched


def _changed(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """What is another, in words."""
    for name, value in after.items():
        if value != before[name]:
            on, off = {"there": ("comes", "goes"), "frozen": ("frozen", "thaws")}.get(name, ("", ""))
            yield (on if value else off) or f"{name} {value:.6g}"


def _tastes(scenario: Network) -> dict[int, str]:
    """All tastes in words, by the place of the reward in memory; different ones of one name are numbered."""
    named: dict[str, dict[int, Reward]] = {}  # by their words, each object once
    for _, member, _ in standing_for_all(scenario):
        if (reward := member.reward) is not None:
            named.setdefault(str(reward), {})[id(reward)] = reward
    words = {id(None): "none"}
    for text, rewards in named.items():
        numbers: dict[Hashable, int] = {}
        which = {place: numbers.setdefault(reward.apart(), len(numbers) + 1) for place, reward in rewards.items()}
        words |= {place: f"{text} ({number})" if len(numbers) > 1 else text for place, number in which.items()}
    return words
