"""A round: gather and retrain, wave by wave."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import torch
from torch import Tensor

from ecosystem.core.samples import OWN, Pairs, Samples, TrainingSet
from ecosystem.engine.exact import draw_statistic
from ecosystem.engine.looped import Looped, Stack, fitted
from ecosystem.engine.population import gather_population
from ecosystem.engine.sampling import Sampler
from ecosystem.engine.waves import Plan, Task
from ecosystem.engine.wiring import Wiring
from ecosystem.engine.world import World, put, written
from ecosystem.generators import ClosedForm, GenerativeModel
from ecosystem.retention import training_data

Behaviour = Callable[[World, Task, Tensor], Tensor]
Sets = Iterator[tuple[tuple[int, int, int], TrainingSet]]  # by task row, variant and replicate


def play(world: World, wiring: Wiring, plan: Plan, due: Tensor, own: Behaviour) -> Tensor:
    """Play the waves of a plan on ``world``, in place; returns losses ``[members, variants, replicates]``, NaN if none.

    ``due [members, variants, replicates]``; ``own`` lets agents with a behaviour of their own act.
    """
    losses = torch.full(due.shape, torch.nan, dtype=torch.float64)
    for wave in plan:
        for task in wave:
            rows = torch.from_numpy(task.members)
            if world.cohorts[task.cohort].own_agent:
                losses[rows] = own(world, task, due[rows])
            else:
                looped = isinstance(world.generators[task.cohort], Looped)
                gathered = Sampler(world, task).sets(due[rows]) if looped else gather(world, wiring, task)
                losses[rows] = retrain(world, task, gathered, due[rows])
    return losses


def gather(world: World, wiring: Wiring, task: Task) -> Tensor | TrainingSet:
    """What the members of a task train on.

    Where the mean statistic is enough: that, ``[rows, variants, replicates, Q]``; otherwise training sets
    ``[rows, variants, replicates, n, *event]``.
    """
    if world.samples is None:
        return gather_population(world, task)
    sampler = Sampler(world, task)
    if not world.cohorts[task.cohort].on_statistics:
        return sampler.data()
    if not world.build_samples and wiring.exact[task.members[0]]:
        return draw_statistic(sampler)
    return sampler.statistic()


def retrain(world: World, task: Task, gathered: Samples | TrainingSet | Sets, due: Tensor) -> Tensor:
    """Fit the members of a task to what they gathered, where ``due``; returns their losses."""
    rows = torch.from_numpy(task.rows)
    old = world.generators[task.cohort]
    losses = torch.full(due.shape, torch.nan, dtype=torch.float64)
    part = old if len(rows) == old.batch_shape[0] else old.take(rows)  # rows ascend, so all of them are the stack
    if isinstance(part, ClosedForm):
        on_statistics = world.cohorts[task.cohort].on_statistics or world.samples is None
        if on_statistics:
            new: Stack = part.refit(_pooled(world, task, cast(Tensor, gathered), due))
        else:
            new = part.refit(_refit_data(world, task, _one_by_one(world, gathered, due), due))
    else:
        new = _train(world, task, part, _one_by_one(world, gathered, due), losses)
    world.generators[task.cohort] = written(old, rows, new, due)
    return losses


def _pooled(world: World, task: Task, fresh: Tensor, due: Tensor) -> Tensor:
    """Fresh statistics and those that retention has kept."""
    retention = world.cohorts[task.cohort].retention
    assert retention is not None
    rows, memory = torch.from_numpy(task.rows), world.memories[task.cohort]
    pooled, kept = retention.pool({name: value[rows] for name, value in memory.items()}, fresh)
    size = world.generators[task.cohort].batch_shape
    for name, value in kept.items():
        old = memory.get(name, value.new_zeros(*size, *value.shape[3:]))
        memory[name] = put(old, rows, value, None if bool(due.all()) else due)
    return pooled


def _one_by_one(world: World, gathered: Samples | TrainingSet | Sets, due: Tensor) -> Sets:
    """Training sets of those due; of data that an agent brought itself nobody knows the origin."""
    if isinstance(gathered, Tensor | Pairs):
        size = gathered.shape[:4]
        gathered = TrainingSet(gathered, torch.full(size, OWN), torch.full(size, world.round))
    if isinstance(gathered, TrainingSet):
        cells = [(i, j, k) for i, j, k in due.nonzero().tolist()]
        return iter([(cell, gathered[cell]) for cell in cells])
    return gathered


def _kept_data(world: World, task: Task, cell: tuple[int, int, int], fresh: TrainingSet) -> Any:
    """The data set that one member in one replicate trains on, after its retention has looked at the fresh one."""
    retention = world.cohorts[task.cohort].retention
    assert retention is not None
    kept = fresh
    if retention.remembers:
        rng = world.stream("retention", torch.from_numpy(task.members[cell[0] : cell[0] + 1]))[0, 0, cell[2]]
        store: dict[Any, Any] = world.memories[task.cohort]
        # the replicate by its address: columns may be a selection
        key = (int(task.rows[cell[0]]), cell[1], int(world.rng.keys[cell[2]]))
        store[key] = retention.keep(store.get(key, []), fresh, rng)
        kept = training_data(retention, store[key])
    if world.ledger is not None:
        world.ledger.trained(task, cell, kept)
    return kept.data


def _refit_data(world: World, task: Task, gathered: Sets, due: Tensor) -> Tensor:
    """Statistics of data sets that differ from member to member."""
    stack = world.generators[task.cohort]
    assert isinstance(stack, ClosedForm)
    out: Tensor | None = None
    for cell, fresh in gathered:
        data = _kept_data(world, task, cell, fresh)
        statistic = stack.take((int(task.rows[cell[0]]), *cell[1:])).statistic(data)
        if out is None:
            out = statistic.new_ones(*due.shape, len(statistic))
        out[cell] = statistic
    assert out is not None
    return out


def _train(world: World, task: Task, old: Stack, gathered: Sets, losses: Tensor) -> Looped:
    """Train models one by one; a failure names the member, its replicate and the round."""
    assert isinstance(old, Looped)
    models = old.models.copy()
    rng = world.stream("fit", torch.from_numpy(task.members))
    for cell, fresh in gathered:
        data = _kept_data(world, task, cell, fresh)
        try:
            models[cell], losses[cell] = fitted(cast(GenerativeModel, models[cell]), data, rng[cell[0], 0, cell[2]])
        except Exception as error:
            name = world.cohorts[task.cohort].names[int(task.rows[cell[0]])]
            raise RuntimeError(f"member {name!r} failed to train in round {world.round}: {error}") from error
    return Looped(models)
