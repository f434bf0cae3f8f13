"""What a run would cost: refused where no memory would hold it, told where it would take days."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ecosystem.core.check import warn
from ecosystem.core.memory import affordable
from ecosystem.generators import ClosedForm
from ecosystem.running.recording import Record
from ecosystem.scenario import Scenario
from ecosystem.scenario.blocks import Blocks, blocks_of, first_of_each
from ecosystem.scenario.checks import parameter_count
from ecosystem.scenario.descriptions import Flow, Member, curated_by
from ecosystem.scenario.network import standing_for_all

_LONG = 600.0  # seconds from which a run's length is worth a word
# seconds of a member's round, of a number drawn, of a step of training
_ROUND, _DRAW, _STEP = 1e-4, 1e-7, 5e-4


def check_cost(scenarios: Sequence[Scenario], replicates: int, record: Record) -> None:
    """Refuse a run that needs more memory than is free (ValueError), and warn of one that takes long (UserWarning)."""
    first = scenarios[0]
    members, many = standing_for_all(first), len(first.names)
    cells = len(scenarios) * replicates
    models = sum(parameter_count(member.generator) * count for _, member, count in members) * cells
    affordable(models, f"{many} members in {cells} replicates", "give fewer replicates")
    kept = first.rounds if record.last is None else min(record.last, first.rounds)
    rows = kept // record.every * many * cells
    affordable(
        4 * rows, f"recording {kept // record.every} rounds", "record fewer: Record(every=...), Record(last=...)"
    )
    saved = sum(record.wants_parameters(round) for round in range(1, first.rounds + 1)) if record.parameters else 0
    affordable(models * saved, f"Record(parameters) in {saved} rounds", "keep fewer: Record(parameters=every(...))")
    for name, member, _ in members:
        event = math.prod(member.generator.event_shape)
        for what in ("samples", "judged"):
            count = getattr(record, what)
            affordable(count * event * len(scenarios), f"Record({what}={count}) of {name!r}", "give fewer")
        if first.samples is not None:
            affordable(
                first.samples * _held(member, event, cells), f"samples={first.samples} of {name!r}", "give fewer"
            )
    long = seconds(first, cells)
    if long > _LONG:
        warn(
            f"scenario {first.name!r} with {first.rounds} rounds, samples={first.samples} and {replicates} replicates "
            f"takes about {long / 3600:.3g} hours; for less give it fewer rounds, samples, candidates or steps",
        )


def seconds(scenario: Scenario, cells: int) -> float:
    """What so many replicates side by side take, roughly."""
    blocks = blocks_of(scenario.graph)
    if blocks is None:
        return sum(_seconds(scenario, name, cells, scenario.incoming(name, dormant=True)) for name in scenario.names)
    alone = sum(_seconds(scenario, name, cells, {}) * count for name, _, count in standing_for_all(scenario))
    return alone + scenario.rounds * (scenario.samples or 0) * cells * _looks(blocks) * _DRAW


def _looks(blocks: Blocks) -> float:
    """How many candidates users look at for all samples that are chosen, in sets of one sample."""
    if not blocks.table.flows:
        return 0.0
    ends, size = blocks.table.ends.astype(np.int64), len(blocks.members)
    codes = (ends[2] * size + blocks.block[ends[0]]) * size + blocks.block[ends[1]]
    distinct, _ = first_of_each(codes)
    curated = np.bincount(np.searchsorted(distinct, codes), blocks.table.shares[1])
    looks = 0.0
    for code, share in zip(distinct.tolist(), curated.tolist(), strict=True):
        (kind, u), v = divmod(code // size, size), code % size
        producer, consumer = blocks.members[u].one, blocks.members[v].one
        users = curated_by(blocks.table.flows[kind].one, producer, consumer)
        if share and users is not None and not consumer.schedule.is_never:
            looks += share * users.curator.looks
    return looks


def _held(member: Member, event: int, cells: int) -> int:
    """How many numbers of a sample are in memory at once."""
    if not isinstance(member.generator, ClosedForm):
        return event
    if member.retention.on_data:
        return event * cells
    return 2 * cells if member.generator.exact_mean else 0  # else they are drawn block by block


def _seconds(scenario: Scenario, name: str, cells: int, flows: Mapping[str, Flow]) -> float:
    """What a member's rounds take, roughly."""
    member, rounds = scenario.member(name), scenario.rounds
    if member.schedule.is_never:
        return rounds * _ROUND
    seconds = _ROUND
    if scenario.samples is not None:
        shown = 1.0
        for u, flow in flows.items():
            users = curated_by(flow, scenario.member(u), member)
            if flow.curated and users is not None:
                shown += flow.curated * users.curator.looks
        seconds += scenario.samples * cells * shown * _DRAW
    if not isinstance(member.generator, ClosedForm):
        seconds += member.generator.training_plan.steps * cells * _STEP
    return rounds * seconds
