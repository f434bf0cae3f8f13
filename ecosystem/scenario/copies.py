"""Changed copies: other members and flows in a scenario, checked like those of one that is built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from ecosystem.core.check import brief
from ecosystem.core.streams import Stream
from ecosystem.core.words import listed
from ecosystem.orderings import Ordering
from ecosystem.scenario import checks, whole
from ecosystem.scenario.descriptions import Flow, Member
from ecosystem.scenario.interventions import Intervention, Subject, check_level, effects, label
from ecosystem.scenario.network import Network
from ecosystem.scenario.shares import FULL, curation, move_flows

Copy = TypeVar("Copy", bound=Network)
_LONGEST, _VALUE = 200, 32  # letters of a name, and of a value in it


def keep_interventions(scenario: Network, new: Network) -> None:
    """Let the same happen in a copy, which must be long enough for it."""
    for round in sorted(scenario.interventions):
        if round > new.rounds:
            raise ValueError(
                f"replace(rounds={new.rounds}) would cut off {scenario.interventions[round][0]} in round {round}; keep "
                f"at least {max(scenario.interventions)} rounds, or say what is to happen in the shorter run: "
                f"replace(rounds={new.rounds}, interventions={{}})"
            )
        new.interventions[round] = list(scenario.interventions[round])


def named(new: Copy, subject: str, changes: Mapping[str, Any] | None = None) -> Copy:
    """Let the name of a copy say what was changed in it: ``pair (a → b: raw 0.2; without c)``.

    The name is the same in every process: a value without a word of its own is told by its class.
    """
    parts = [] if changes is None else [f"{part} {_word(value)}" for part, value in changes.items()]
    what, old = f"{subject}: {', '.join(parts)}" if parts else subject, new.name
    name = f"{old[:-1]}; {what})" if old.endswith(")") and " (" in old else f"{old} ({what})"
    new.name = new.graph.name = name if len(name) <= _LONGEST else f"{old[: _LONGEST // 2]}…; {what})"
    return new


def _word(value: Any) -> str:
    """A value in a few letters."""
    word = getattr(value, "__name__", None) or brief(value)
    if word.startswith("<"):  # Python's own words, which say where it is in memory
        word = type(value).__name__
    return word if len(word) <= _VALUE else f"{word[: _VALUE - 1]}…"


def put_member(new: Copy, name: str, member: Member) -> Copy:
    """Put another member into a copy; every flow from and to it must still fit."""
    graph = new.graph
    checks.check_member(name, member, set())
    graph.nodes[name]["member"] = member
    for u, v in dict.fromkeys([*graph.in_edges(name), *graph.out_edges(name)]):
        checks.check_flow(u, v, new.flow(u, v), new.member(u), new.member(v))
    return new


def put_flows(new: Copy, v: str, flows: Mapping[str, Flow]) -> Copy:
    """Put other flows, by producer, where ``v`` has some in a copy."""
    for u, flow in flows.items():
        checks.check_flow(u, v, flow, new.member(u), new.member(v))
        new.graph.edges[u, v]["flow"] = flow
    whole.check_shares(v, new.incoming(v), new.member(v))
    return new


def curated(scenario: Network, name: str, level: float, like: tuple[str, str] | None) -> dict[str, Flow]:
    """The flows of ``name`` at another curation level."""
    checks.check_known(name, scenario.graph, "with_curation")
    check_level(level, f"with_curation({name!r})")
    flows = scenario.incoming(name, dormant=True)
    old = curation(flows)
    if old == 0:
        named = isinstance(like, tuple | list) and all(isinstance(end, str) for end in like)
        if like is None or not named or tuple(like) not in {(u, name) for u in flows}:
            raise ValueError(
                f"{name!r} has no curated flow, so nothing says which to curate; pass like=(u, {name!r}) "
                f"with u one of {', '.join(flows) or 'its producers (it has none)'}"
            )
        return move_flows(flows, level, like[0])
    if old >= FULL and level != old:
        raise ValueError(
            f"{name!r} has curation level 1: its other shares are all 0 and cannot be scaled up; "
            "build the scenario with the level that you want"
        )
    return move_flows(flows, level)


def remove(new: Copy, name: str, v: str | None) -> Copy:
    """Take a flow ``name → v`` out of a copy, or (``v`` is None) a member with its flows; see ``Scenario.without``."""
    where = f"without the flow {name!r} → {v!r}" if v else f"without {name!r}"
    if v is None and len(new.names) == 1:
        raise ValueError(f"{where} nobody would be left of scenario {new.name!r}; build another one")
    for reader in [v] if v else [reader for reader in new.graph.successors(name) if reader != name]:
        if new.member(reader).real is None:
            share = "its share" if v else f"what {reader!r} takes of it"
            raise ValueError(
                f"{where} {share} would be real data, and {reader!r} has none; give it some: Member(..., real=...)"
            )
    flows: set[Subject] = {(name, v)} if v else {*new.graph.in_edges(name), *new.graph.out_edges(name)}
    gone = flows if v else {name, *flows}
    for round, many in list(new.interventions.items()):
        new.interventions[round] = [i for i in many if not _about(i, gone, f"{where}, in round {round}")]
        if not new.interventions[round]:
            del new.interventions[round]
    if v:
        new.graph.remove_edge(name, v)
        return new
    before, ordering = new.names, new.ordering
    new.graph.remove_node(name)
    for other in new.names:
        member = new.member(other)
        if member.demand is not None and member.demand.without(name) is not member.demand:
            new.graph.nodes[other]["member"] = replace(member, demand=member.demand.without(name))
    new.ordering = ordering.without(name)
    try:
        if new.ordering is ordering:
            _check_order(ordering, before, name)
        new.ordering.check(new.names)
    except ValueError as error:
        raise ValueError(f"{where}: {error}; give the scenario another before: replace(ordering=...)") from error
    return new


def _check_order(ordering: Ordering, before: Sequence[str], name: str) -> None:
    """Refuse an ordering that counts places: without a member it would turn the others round without a word."""
    rng, others = Stream.root([(0, 0), (0, 1)]), [other for other in before if other != name]
    whole = ordering.ranked(before, 1, rng)
    if whole.ndim > 1 and (whole[:, :1] != whole).any():
        return  # by chance: nobody had a place
    kept = np.delete(whole.reshape(len(before), -1)[:, 0], before.index(name))
    left = ordering.ranked(others, 1, rng).reshape(len(others), -1)[:, 0]
    if (np.unique(kept, return_inverse=True)[1] != np.unique(left, return_inverse=True)[1]).any():
        raise ValueError(f"the ordering {brief(ordering)} would have the others in another order")


def _about(intervention: Intervention, gone: set[Subject], where: str) -> bool:
    """Whether an intervention is about nothing but what is gone; refused where it is about something else too."""
    subjects = {effect.subject for effect in effects(intervention)}
    if subjects & gone and subjects - gone:
        raise ValueError(
            f"{where}: {intervention} is about {listed(map(label, subjects - gone))} too; say what is to happen then: "
            "replace(interventions={...})"
        )
    return subjects <= gone
