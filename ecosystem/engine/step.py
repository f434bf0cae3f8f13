"""One round: who is due, then wave by wave what they gather, what users keep of it, how they retrain.

================  ==================================================================================================
choose            users who choose between members do so, which sets shares: :func:`~ecosystem.engine.choosing.chosen`
due               schedules, clocks of agents' own, who is frozen, absent or has diverged
gather, curate    samples (or laws) of every flow, chosen by users, through transforms: :func:`gather`
retrain           members fitted to what they have gathered and kept: :func:`~ecosystem.engine.retraining.retrain`
stop              replicates whose parameters became NaN or enormous take the round back
look              users who move look at what is new: :func:`~ecosystem.engine.looking.looked`
================  ==================================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ecosystem.core.samples import TrainingSet
from ecosystem.engine.choosing import chosen, kept, used
from ecosystem.engine.duty import at_home, due
from ecosystem.engine.exact import draw_statistic
from ecosystem.engine.lanes import LaneRound, are_few
from ecosystem.engine.looking import looked
from ecosystem.engine.looped import Looped, Stack, bounds
from ecosystem.engine.population import gather_population
from ecosystem.engine.program import Program
from ecosystem.engine.retraining import retrain
from ecosystem.engine.round import Round
from ecosystem.engine.sampling import Sampler
from ecosystem.engine.stacks import restored, spread, written
from ecosystem.engine.state import Memory, State, merged
from ecosystem.engine.waves import Plan, Task

EXPLODED = 1e12  # a parameter beyond which a replicate counts as diverged

Behaviour = Callable[[Round, Task, Tensor], Tensor]  # of agents' own: losses of a task
Ended = tuple[list[Stack], list[Memory], dict[tuple[int, int, int], str], Tensor]  # ..., what is spoilt, and losses


class Watch(Protocol):
    """Who is told, of some of the replicates, how many samples came from where, and what was chosen and used."""

    def __call__(self, replicates: Tensor) -> tuple[Callable[[Task, Tensor], None] | None, Any]: ...


@dataclass(frozen=True)
class Played:
    """What a round has done besides the next state; tensors ``[members, variants, replicates]``.

    ``updated``: who retrained; ``losses``, NaN where there is none; ``lost``: whose parameters exploded, whose data
    nobody could judge, or who could not choose between members: ``why`` says so by (member, variant, replicate).
    """

    updated: Tensor
    losses: Tensor
    lost: Tensor
    why: dict[tuple[int, int, int], str] = field(default_factory=dict)


@dataclass(frozen=True)
class Turn:
    """Who retrains in a round, ``due [members, variants, replicates]``, and in what order, ``ranks [members]``.

    Or ``ranks [members, replicates]``, where every replicate has an order of its own. ``plan`` are the compiled waves,
    where the host has them.
    """

    ranks: np.ndarray
    due: Tensor
    plan: Plan | None = None


def step(
    program: Program,
    state: State,
    *,
    turn: Turn | None = None,
    own: Behaviour | None = None,
    watch: Watch | None = None,
) -> tuple[State, Played]:
    """The state after one more round, and what happened in it.

    ``turn`` says who is due and in what order where that is not for schedules and the ordering to say; ``own`` lets
    agents with a behaviour of their own act; ``watch`` says who is told what.
    """
    number, before = state.round + 1, state
    turn = turn or Turn(program.ranks(number), due(program, state, number))
    state, undecided = chosen(program, state)
    turn = replace(turn, due=used(state, turn.due))
    stacks, memories, spoilt, losses = _played(program, state, turn, own, watch)
    spoilt |= undecided
    stacks, lost, alive = _stopped(program, state, stacks, turn.due, spoilt, undecided)
    past = (tuple(stacks), *state.past)[: len(state.past)]
    new = state.changed(round=number, past=past, memories=tuple(memories), alive=alive)
    new = kept(new, before)
    return looked(program, new), Played(turn.due & new.alive, losses, lost, spoilt)


# -- the waves ---------------------------------------------------------------------------------------------------------


def _played(program: Program, state: State, turn: Turn, own: Behaviour | None, watch: Watch | None) -> Ended:
    """All replicates in the waves of their orders."""
    number, ranks, asked = state.round + 1, turn.ranks, turn.due
    if ranks.ndim == 2 and (ranks == ranks[:, :1]).all():
        ranks = ranks[:, 0]
    asked_by_one = any(cohort.own_agent or cohort.stores for cohort in program.cohorts)  # lanes are not members
    if ranks.ndim == 2 and (asked_by_one or are_few(ranks)):
        return _apart(program, state, turn, own, watch)
    told = (None, None) if watch is None else watch(torch.arange(program.cell[1], device=asked.device))
    now, known = Round(program, state, number, program.rng, *told), at_home(program, "due", asked)
    if ranks.ndim == 2:
        lanes, due = LaneRound.begun(now), spread(asked)
        losses = restored(play(lanes, lanes.plan(ranks, spread(known)), due), program.cell[1])
        return *lanes.ended(), losses
    plan = program.plan(state, ranks, known) if turn.plan is None else turn.plan  # nobody is due in an empty one
    losses = play(now, plan, asked, own)
    return now.generators, now.memories, now.spoilt, losses


def _apart(program: Program, state: State, turn: Turn, own: Behaviour | None, watch: Watch | None) -> Ended:
    """Every group of replicates that share an order by itself, as agents that act on their own must be asked."""
    spoilt: dict[tuple[int, int, int], str] = {}
    losses, known = torch.full_like(turn.due, torch.nan, dtype=torch.float64), at_home(program, "due", turn.due)
    orders, which = np.unique(turn.ranks, axis=1, return_inverse=True)
    stacks, memories = list(state.now), [dict(memory) for memory in state.memories]
    for order in range(orders.shape[1]):
        some = torch.from_numpy(np.flatnonzero(which.reshape(-1) == order))
        index = some.to(turn.due.device)
        told = (None, None) if watch is None else watch(index)
        now = Round(program, state.columns(index), state.round + 1, program.rng[index], *told, index=index)
        here = turn.due[:, :, index]
        losses[:, :, index] = play(now, program.plan(state, orders[:, order], known[:, :, some]), here, own)
        merged(state, stacks, memories, (now.generators, now.memories), index)
        spoilt |= {(i, variant, int(index[column])): why for (i, variant, column), why in now.spoilt.items()}
    return stacks, memories, spoilt, losses


def play(now: Round, plan: Plan, asked: Tensor, own: Behaviour | None = None) -> Tensor:
    """Play the waves of a plan on a round; returns losses ``[members, variants, replicates]``, NaN if none."""
    losses = torch.full_like(asked, torch.nan, dtype=torch.float64)
    for wave in plan:
        for task in wave:
            task.bind(now.state.audience)
            rows = task.span
            if own is not None and now.program.cohorts[task.cohort].own_agent:
                losses[rows] = own(now, task, asked[rows])
            else:
                looped = isinstance(now.generators[task.cohort], Looped)
                gathered = Sampler(now, task).sets(asked[rows]) if looped else gather(now, task)
                told = retrain(now, task, gathered, asked[rows])
                if told is not None:
                    losses[rows] = told
    return losses


def _stopped(
    program: Program,
    state: State,
    stacks: list[Stack],
    asked: Tensor,
    spoilt: Iterable[tuple[int, int, int]],
    undecided: Container[tuple[int, int, int]],
) -> tuple[list[Stack], Tensor, Tensor]:
    """Take back the round in replicates that a parameter, NaN or enormous, or data have spoilt; where; who goes on."""
    lost = torch.zeros_like(asked)
    for cell in spoilt:
        lost[cell] = asked[cell] | (cell in undecided)
    found = bool(spoilt)
    for cohort, new, old in zip(program.cohorts, stacks, state.now, strict=True):
        if new is old or not program.stops:
            continue
        if asked.is_cpu or isinstance(new, Looped):  # elsewhere one would have to wait for the answer
            low, high = bounds(new)
            if float(high) < EXPLODED and float(low) > -EXPLODED:  # a NaN is neither
                continue
        found = True
        lost[cohort.index] |= ~(new.vector().abs().amax(-1).to(asked.device) < EXPLODED) & asked[cohort.index]
    alive = state.alive & ~lost.any(0) if found else state.alive
    looped = any(isinstance(stack, Looped) for stack in stacks)
    if not (program.stops and found) or ((asked.is_cpu or looped) and not bool(lost.any())):
        return stacks, lost, alive
    kept = []
    for cohort, new, old in zip(program.cohorts, stacks, state.now, strict=True):
        rows = torch.arange(len(cohort.ids), device=asked.device)
        kept.append(written(old, rows, new, alive.expand(len(rows), -1, -1)))
    return kept, lost, alive


# -- gather ------------------------------------------------------------------------------------------------------------


def gather(now: Round, task: Task) -> Tensor | TrainingSet:
    """What the members of a task train on.

    Where the mean statistic is enough: that, ``[rows, variants, replicates, Q]``; otherwise training sets
    ``[rows, variants, replicates, n, *event]``.
    """
    if now.samples is None:
        return gather_population(now, task)
    sampler = Sampler(now, task)
    if not now.program.cohorts[task.cohort].on_statistics:
        return sampler.data()
    if not now.program.build_samples and now.state.wiring.direct[task.members[0]]:
        return draw_statistic(sampler, now.drawn(task))
    return sampler.statistic()
