"""The tables of a scenario: its members and its flows, as they are in the first round, and what changes later."""

from __future__ import annotations

import contextlib
from collections.abc import Hashable, Iterator
from typing import Any

import pandas as pd

from ecosystem.rewards import Reward
from ecosystem.scenario.checks import parameter_count
from ecosystem.scenario.descriptions import in_tokens
from ecosystem.scenario.interventions import Subject, effects
from ecosystem.scenario.network import Network
from ecosystem.scenario.shares import curation
from ecosystem.scenario.whole import Stage

MEMBERS = (
    *("member", "generator", "event", "parameters", "curation", "real"),
    *("reward", "curator", "schedule", "retention", "later"),
)
FLOWS = ("source", "target", "raw", "curated", "chosen_by", "transform", "delay", "there", "later")


def member_table(scenario: Network) -> pd.DataFrame:
    """One row a member; ``curation`` is its level ``λ``, ``real`` what its flows leave over, in the first round.

    ``later`` says in words what interventions make of it after that.
    """
    rows, tastes, plan = [], _tastes(scenario), _Plan(scenario)
    for name in scenario.names:
        member, now = scenario.member(name), plan.first[name]
        rows.append(
            {
                "member": name,
                "generator": type(member.generator).__name__,
                "event": "x".join(map(str, member.generator.event_shape)) or "symbol",
                "parameters": parameter_count(member.generator),
                "curation": now["curation"],
                "real": now["real"],
                "reward": tastes[name] + (f", {member.learn}" if member.learn is not None else ""),
                "curator": str(member.curator or "none"),
                "schedule": str(member.schedule),
                "retention": str(member.retention),
                "later": "; ".join(plan.later.get(name, ())),
            }
        )
    return pd.DataFrame(rows, columns=list(MEMBERS))


def flow_table(scenario: Network) -> pd.DataFrame:
    """One row a flow ``source → target``; shares are of the target's training data, as they are in the first round.

    One that is not ``there`` in the first round has the shares that it comes with; ``later`` says in words when it
    comes and goes.
    """
    rows, plan = [], _Plan(scenario)
    for u, v, given in scenario.graph.edges(data="flow"):
        flow, now = in_tokens(given, scenario.member(u), scenario.member(v)), plan.first[u, v]
        rows.append(
            {
                "source": u,
                "target": v,
                "raw": now["raw"],
                "curated": now["curated"],
                "chosen_by": flow.chosen_by if isinstance(flow.chosen_by, str) else "own",
                "transform": str(flow.transform or "identity"),
                "delay": flow.delay,
                "there": now["there"],
                "later": "; ".join(plan.later.get((u, v), ())),
            }
        )
    return pd.DataFrame(rows, columns=list(FLOWS))


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
            real = max(0.0, 1 - sum(flow.raw + flow.curated for flow in flows.values()))
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


def _tastes(scenario: Network) -> dict[str, str]:
    """The tastes of all members in words; different ones of one name are numbered."""
    named: dict[str, dict[int, Reward]] = {}  # by their words, each object once
    for name in scenario.names:
        if (reward := scenario.member(name).reward) is not None:
            named.setdefault(str(reward), {})[id(reward)] = reward
    words = {id(None): "none"}
    for text, rewards in named.items():
        numbers: dict[Hashable, int] = {}
        which = {place: numbers.setdefault(reward.apart(), len(numbers) + 1) for place, reward in rewards.items()}
        words |= {place: f"{text} ({number})" if len(numbers) > 1 else text for place, number in which.items()}
    return {name: words[id(scenario.member(name).reward)] for name in scenario.names}
