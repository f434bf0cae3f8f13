"""One round: who is due, then wave by wave what they gather, what users keep of it, how they retrain.

================  ==================================================================================================
choose            users who choose between members do so, which sets shares: :func:`~ecosystem.engine.choosing.chosen`
due               schedules, clocks of agents' own, who is frozen, absent or has diverged
gather, curate    samples (or laws) of every flow, chosen by users, through transforms: :func:`gather`
retrain           each member fitted to what it gathered and what its retention has kept: :func:`retrain`
stop              replicates whose parameters became NaN or enormous take the round back
look              users who move look at what is new: :func:`~ecosystem.engine.looking.looked`
================  ==================================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor

from ecosystem.core.check import one_line
from ecosystem.core.samples import OWN, REAL, Pairs, Samples, TrainingSet
from ecosystem.engine.choosing import chosen, kept, used
from ecosystem.engine.duty import at_home, due
from ecosystem.engine.exact import draw_statistic
from ecosystem.engine.lanes import LaneRound, are_few
from ecosystem.engine.looking import looked
from ecosystem.engine.looped import Looped, Stack, bounds, fitted
from ecosystem.engine.population import gather_population
from ecosystem.engine.program import Program
from ecosystem.engine.round import Round
from ecosystem.engine.sampling import Sampler
from ecosystem.engine.stacks import restored, spread, written
from ecosystem.engine.state import Memory, State, merged
from ecosystem.engine.waves import Plan, Task
from ecosystem.generators import ClosedForm, GenerativeModel
from ecosystem.generators.archive import HUMAN

EXPLODED = 1e12  # a parameter beyond which a replicate counts as diverged

Behaviour = Callable[[Round, Task, Tensor], Tensor]  # of agents' own: losses of a task
Ended = tuple[list[Stack], list[Memory], dict[tuple[int, int, int], str], Tensor]  # ..., what is spoilt, and losses
Sets = Iterator[tuple[tuple[int, int, int], TrainingSet]]  # by task row, variant and replicate


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
        losses = restored(play(lanes, lanes.lanes.plan(ranks, spread(known)), due), program.cell[1])
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


# -- gather and retrain ------------------------------------------------------------------------------------------------


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
        return draw_statistic(sampler)
    return sampler.statistic()


def retrain(now: Round, task: Task, gathered: Samples | TrainingSet | Sets, due: Tensor) -> Tensor | None:
    """Fit the members of a task to what they gathered, where ``due``; their losses, None of families without any."""
    rows = task.index
    old, losses = now.generators[task.cohort], None
    part = old if len(rows) == old.batch_shape[0] else old.take(rows)  # rows ascend, so all of them are the stack
    if isinstance(part, ClosedForm):
        on_statistics = now.program.cohorts[task.cohort].on_statistics or now.samples is None
        if on_statistics:
            new: Stack = part.refit(_pooled(now, task, cast(Tensor, gathered), due))
        else:
            new = part.refit(_refit_data(now, task, _one_by_one(now, gathered, due), due))
    else:
        losses = torch.full_like(due, torch.nan, dtype=torch.float64)
        new = _train(now, task, part, _one_by_one(now, gathered, due), losses)
    now.write(task.cohort, rows, new, due)
    return losses


def _pooled(now: Round, task: Task, fresh: Tensor, due: Tensor) -> Tensor:
    """Fresh statistics and those that retention has kept."""
    retention = now.program.cohorts[task.cohort].retention
    rows, memory = task.index, now.memories[task.cohort]
    pooled, kept = retention.pool({name: value[rows] for name, value in memory.items()}, fresh)
    for name, value in kept.items():
        now.remember(task.cohort, name, rows, value, due)
    return pooled


def _one_by_one(now: Round, gathered: Samples | TrainingSet | Sets, due: Tensor) -> Sets:
    """Training sets of those due; of data that an agent brought itself nobody knows the origin."""
    if isinstance(gathered, Tensor | Pairs):
        size = gathered.shape[:4]
        origin = torch.full(size, OWN, device=due.device)
        gathered = TrainingSet(gathered, origin, torch.full_like(origin, now.number))
    if isinstance(gathered, TrainingSet):
        cells = [(i, j, k) for i, j, k in due.nonzero().tolist()]
        return iter([(cell, gathered[cell]) for cell in cells])
    return gathered


def _kept_data(now: Round, task: Task, cell: tuple[int, int, int], fresh: TrainingSet) -> TrainingSet:
    """The set that one member in one replicate trains on, after its retention has looked at the fresh one."""
    retention = now.program.cohorts[task.cohort].retention
    kept = fresh
    if retention.remembers:
        rng = now.stream("retention", task.places[cell[0] : cell[0] + 1])[0, 0, cell[2]]
        store: dict[Any, Any] = now.memories[task.cohort]
        key = now.key(task, cell)
        store[key] = retention.keep(store.get(key, []), fresh, rng)
        kept = retention.data(store[key])
    if now.ledger is not None:
        member, beside = now.whose(int(task.members[cell[0]]))
        now.ledger.trained((member, cell[1], cell[2] + beside), kept)
    return kept


def _refit_data(now: Round, task: Task, gathered: Sets, due: Tensor) -> Tensor:
    """Statistics of data sets that differ from member to member."""
    stack = now.generators[task.cohort]
    assert isinstance(stack, ClosedForm)
    out: Tensor | None = None
    for cell, fresh in gathered:
        data = _kept_data(now, task, cell, fresh).data
        statistic = stack.take((int(task.rows[cell[0]]), *cell[1:])).statistic(data)  # type: ignore[arg-type]
        if out is None:
            out = statistic.new_ones(*due.shape, len(statistic))
        out[cell] = statistic
    assert out is not None
    return out


def _by_shelf(now: Round, model: Any, kept: TrainingSet) -> TrainingSet:
    """A set whose origin is the shelf of whoever made each sample."""
    origins, which = torch.unique(kept.origin, return_inverse=True)
    if OWN in origins.tolist():
        raise ValueError(
            "the data that an agent brought an archive do not say who made them; let its gather return a TrainingSet, "
            "as that of ModelAgent does"
        )
    makers = [HUMAN if origin == REAL else now.program.names[origin // 2] for origin in origins.tolist()]
    shelves = torch.tensor([model.names.index(maker) for maker in makers], device=which.device)
    return TrainingSet(kept.data, shelves[which], kept.round)


def _train(now: Round, task: Task, old: Stack, gathered: Sets, losses: Tensor) -> Looped:
    """Train models one by one; a failure names the member, its replicate and the round."""
    assert isinstance(old, Looped)
    models = old.models.copy()
    rng = now.stream("fit", task.places)
    for cell, fresh in gathered:
        kept = _kept_data(now, task, cell, fresh)
        data: Any = _by_shelf(now, models[cell], kept) if models[cell].stores else kept.data
        try:
            models[cell], losses[cell] = fitted(cast(GenerativeModel, models[cell]), data, rng[cell[0], 0, cell[2]])
        except Exception as error:
            name = now.program.cohorts[task.cohort].names[int(task.rows[cell[0]])]
            raise RuntimeError(f"member {name!r} failed to train in round {now.number}: {one_line(error)}") from error
    return Looped(models)
