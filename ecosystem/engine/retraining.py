"""How members retrain: fitted to what they gathered and what retention has kept, many at once or one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor

from ecosystem.core.check import one_line
from ecosystem.core.samples import OWN, REAL, Pairs, Samples, TrainingSet
from ecosystem.engine.looped import Looped, Stack, fitted
from ecosystem.engine.memories import chosen, pooled
from ecosystem.engine.round import Round
from ecosystem.engine.together import Retraining, fitted_together, side_by_side
from ecosystem.engine.waves import Task
from ecosystem.generators import ClosedForm, GenerativeModel
from ecosystem.generators.archive import HUMAN
from ecosystem.generators.stacked import wants_stack

_BEGUN = "(begun)"  # beside what retention keeps: whose memory it is; without it, everybody's
Sets = Iterator[tuple[tuple[int, int, int], TrainingSet]]  # by task row, variant and replicate


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
    """Fresh statistics and those that retention has kept.

    Members of a cohort share the tensors of a memory, and each begins with none: who has begun is kept beside them, if
    not all do so at once.
    """
    retention = now.program.cohorts[task.cohort].retention
    rows, memory = task.index, now.memories[task.cohort]
    past = {name: value[rows] for name, value in memory.items() if name != _BEGUN}
    statistic, kept = pooled(retention, past, fresh)
    begun = memory.get(_BEGUN)
    first = due & ~begun[rows] if past and begun is not None else None
    if first is not None and bool(first.any()):
        alone, fresh_memory = pooled(retention, {}, fresh)
        statistic = _where(first, alone, statistic)
        kept = {name: _where(first, fresh_memory.get(name, value), value) for name, value in kept.items()}
    whole = now.index is None and len(rows) == now.generators[task.cohort].batch_shape[0]
    for name, value in kept.items():
        now.remember(task.cohort, name, rows, value, due)
    if kept and (begun is not None or not (past or (whole and bool(due.all())))):
        now.remember(task.cohort, _BEGUN, rows, torch.ones_like(due), due)
    return statistic


def _where(mask: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """``a [rows, variants, replicates, ...]`` where the mask, else ``b``."""
    return torch.where(mask.reshape(*mask.shape, *(1,) * (a.ndim - mask.ndim)), a, b)


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
        store[key], kept = chosen(retention, store.get(key, []), fresh, rng)
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
    """Train models one by one, those that ask for it side by side; a failure names the member and the round."""
    assert isinstance(old, Looped)
    models = old.models.copy()
    rng = now.stream("fit", task.places)
    waiting: list[Retraining] = []
    for cell, fresh in gathered:
        kept = _kept_data(now, task, cell, fresh)
        model = models[cell]
        data: Any = _by_shelf(now, model, kept) if model.stores else kept.data
        one = Retraining(cell, model, data, rng[cell[0], 0, cell[2]])
        if wants_stack(model):
            waiting.append(one)
        else:
            models[cell], losses[cell] = _fitted(now, task, one)
    for some in side_by_side(waiting):
        found = fitted_together(some) or [_fitted(now, task, one) for one in some]
        for one, (model, loss) in zip(some, found, strict=True):
            models[one.cell], losses[one.cell] = model, loss
    return Looped(models)


def _fitted(now: Round, task: Task, one: Retraining) -> tuple[GenerativeModel, float]:
    try:
        return fitted(one.model, one.data, one.rng)
    except Exception as error:
        name = now.program.cohorts[task.cohort].names[int(task.rows[one.cell[0]])]
        raise RuntimeError(f"member {name!r} failed to train in round {now.number}: {one_line(error)}") from error
