"""What consumers receive: raw samples from one stack, what users keep of them, what transforms make of them."""

from __future__ import annotations

import torch
from torch import Tensor

from ecosystem.core.check import one_line
from ecosystem.core.samples import Pairs, Samples, filled, only_shown
from ecosystem.core.streams import Stream
from ecosystem.curation import Users
from ecosystem.curation.base import judged
from ecosystem.engine.audience import is_wide
from ecosystem.engine.bundles import Bundle
from ecosystem.engine.looped import Stack
from ecosystem.engine.round import Round
from ecosystem.engine.slates import FlowSlate, Positions, draw, transformed
from ecosystem.engine.waves import Task
from ecosystem.rewards import Reward

_NOTHING = Stream(torch.zeros(0, dtype=torch.int64))  # for curators who do not draw


def receive(now: Round, task: Task, numbers: list[int], where: Positions) -> Samples:
    """Samples ``[m, *event]`` at some positions of the bundles ``numbers``, which all read the same stack."""
    stack = now.read(task.bundles[numbers[0]])
    try:
        x = out = draw(stack, task.source, where, task.one_producer)
    except Exception as error:
        names = ", ".join(dict.fromkeys(now.names(task.bundles[numbers[0]].cohort))) or "the real data"
        raise RuntimeError(f"sampling from {names} failed in round {now.number}: {one_line(error)}") from error
    treated = [n for n in numbers if task.bundles[n].users or task.bundles[n].transform]
    if isinstance(out, Pairs) and out.codec and len(treated) == len(numbers):  # what comes may be in other tokens
        out = None
    bundle_of = task.bundle[where.slot] if treated and len(numbers) > 1 else None
    for number in treated:
        bundle = task.bundles[number]
        if isinstance(out, Tensor) and now.ledger is None and _shifted(task, bundle, where, out):
            continue
        here = None if bundle_of is None else (bundle_of == number).nonzero().squeeze(-1)
        if here is None:
            out = _treated(now, task, bundle, stack, where, x)
        elif len(here):
            out = filled(out, len(where), here, _treated(now, task, bundle, stack, where.take(here), x[here]))
    return x if out is None else out


def _shifted(task: Task, bundle: Bundle, where: Positions, x: Tensor) -> bool:
    """Shift the curated samples of a whole block in place, where that is all that a bundle does."""
    if bundle.transform is not None or where.index is not None:
        return False
    if len(bundle.owner) != len(task.rows) or not bundle.one_per_row:
        return False
    vectors = bundle.shift(where.slots.shape[1], tuple(x.shape[1:]))
    if vectors is None:
        return False
    rows = where.rows
    mine = bundle.slots[rows].reshape(-1, 1, 1, 1) == where.slots
    vector = vectors[bundle.origin[rows]].unsqueeze(3)  # [rows, variants, replicates or 1, 1, *event]
    if vector.shape[2] > 1:
        vector = vector[:, :, where.first_replicate : where.first_replicate + where.slots.shape[2]]
    view = x.view(*where.slots.shape, *x.shape[1:])
    view.addcmul_(mine.reshape(*mine.shape, *(1,) * (x.ndim - 1)), vector)
    return True


def _treated(now: Round, task: Task, bundle: Bundle, stack: Stack, where: Positions, x: Samples) -> Samples:
    """What becomes of raw samples ``x`` at some positions of one bundle: curated, transformed."""
    origin = task.origin[where.slot]
    if bundle.users is None:
        return transformed(bundle, where, origin, x)
    asked: list[bool] = []

    def unjudged(wrong: Tensor) -> None:
        asked.append(True)
        if bool(wrong.any()):
            _spoil(now, task, users.reward, where, wrong)

    slate = FlowSlate(bundle, stack, task.source, where, origin, x, now.names(bundle.cohort), unjudged)
    users = bundle.users.take((origin, where.variant, where.replicate if is_wide(bundle.users) else 0 * origin))
    with only_shown(x, "curator", users.curator, "let it return new samples, or change x.clone()"):
        x = _chosen(users, slate, where.stream("curation") if users.curator.chooses else _NOTHING)
        if users.curator.needs_reward and users.curator.chooses and not asked and len(where):
            judged(users.reward, x, slate)  # a curator of one's own: what it has kept is judged once more
    if now.ledger is not None:
        now.ledger.chosen(_cells(now, task, where), users.reward, slate.candidate(0), x)
    return x if bundle.after or bundle.transform is None else transformed(bundle, where, origin, x)


def _cells(now: Round, task: Task, where: Positions) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Whose each of some samples is (NONE for real data) and for whom, its variant and its replicate of the round."""
    target, beside = now.whose(task.members[task.owner])
    parts = (now.whose(task.producer)[0], target, beside)
    source, target, beside = (torch.from_numpy(x).to(where.slot.device)[where.slot] for x in parts)
    return source, target, where.variant, where.replicate + beside


def _spoil(now: Round, task: Task, reward: Reward | None, where: Positions, wrong: Tensor) -> None:
    """Note whose samples could not be judged: these replicates are stopped when the round is over."""
    members = task.places[where.rows][where.row[wrong]]
    taste = reward and reward.take(0)
    cells = torch.stack([members, where.variant[wrong], where.replicate[wrong]], 1)
    for i, variant, replicate in torch.unique(cells, dim=0).tolist():
        now.spoilt.setdefault(
            (i, variant, replicate),
            f"the reward {taste} is NaN or infinite for what {now.program.names[i]!r} was to train on in round "
            f"{now.number}",
        )


def _chosen(users: Users, slate: FlowSlate, rng: Stream) -> Samples:
    """What users keep of a slate; where nobody knows whether they compare samples, they see one pool at a time."""
    if users.curator.pools is not None:
        return _kept(users, slate, rng)
    out: Samples | None = None
    order, sizes = _by_pool(slate.pool())
    if len(sizes) < 2:
        return _kept(users, slate, rng)
    for here in order.split(sizes):
        x = _kept(users.take(here), slate.take(here), rng if rng is _NOTHING else rng[here])
        out = filled(out, len(order), here, x)
    assert out is not None
    return out


def _by_pool(pool: Tensor) -> tuple[Tensor, list[int]]:
    """The samples ordered by pool, and how many each has."""
    sizes = torch.unique(pool, return_counts=True)[1]
    return torch.argsort(pool, stable=True), sizes.tolist()


def _kept(users: Users, slate: FlowSlate, rng: Stream) -> Samples:
    x = users.curate(slate, rng)
    if len(x) != len(slate.where):
        raise ValueError(f"{users.curator} kept {len(x)} of {len(slate.where)} samples; it must return one for each")
    return x
