"""What consumers receive: raw samples from one stack, what users keep of them, what transforms make of them."""

from __future__ import annotations

import torch
from torch import Tensor

from ecosystem.core.check import one_line
from ecosystem.core.kernels import move_, pushed
from ecosystem.core.laws import NoPopulationLaw, Normal
from ecosystem.core.samples import Pairs, Samples, filled, only_shown
from ecosystem.core.streams import Stream
from ecosystem.curation import Users
from ecosystem.curation.base import judged
from ecosystem.engine.audience import is_wide
from ecosystem.engine.bundles import Bundle
from ecosystem.engine.looped import Looped, Stack
from ecosystem.engine.round import Round
from ecosystem.engine.slates import FlowSlate, Positions, draw, transformed
from ecosystem.engine.waves import Task
from ecosystem.generators import ClosedForm

_NOTHING = Stream(torch.zeros(0, dtype=torch.int64))  # for curators who do not draw
_NUMBERS = 1 << 24  # of laws that are kept while a task is played


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
        if isinstance(out, Tensor) and now.ledger is None and _moved(now, task, bundle, stack, where, here, out):
            continue
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


def _moved(
    now: Round, task: Task, bundle: Bundle, stack: Stack, where: Positions, here: Tensor | None, x: Tensor
) -> bool:
    """Let the samples at ``here`` become, in place, what their users make of their law, where that moves each alone.

    Vectors and laws are worked out once for each origin, not for each sample.
    """
    if bundle.transform is not None or bundle.users is None or isinstance(stack, Looped) or not x.is_cpu:
        return False
    variants, some = where.slots.shape[1], where if here is None else where.take(here)
    here = torch.arange(len(where), device=x.device) if here is None else here
    origin = task.origin[some.slot]
    vectors = bundle.shift(variants, tuple(x.shape[1:]))
    if vectors is not None and vectors.dtype == x.dtype:
        move_(x, here, vectors.flatten(0, 2), _cell(some, origin, variants, vectors.shape[2]))
        return True
    law = _kept_law(now, bundle, stack) if vectors is None and bundle.users.curator.pushes else None
    if law is None or where.noise is None or law[0].dtype != x.dtype or law[0].shape[-1:] != x.shape[1:]:
        return False
    mean, scale = law
    noise = where.noise.reshape(-1, where.noise.shape[-1])[here]
    index = _cell(some, origin, variants, scale.shape[2])
    x[here] = pushed(mean.flatten(0, 2), scale.flatten(), index, noise)
    return True


def _kept_law(now: Round, bundle: Bundle, stack: ClosedForm) -> tuple[Tensor, Tensor] | None:
    """Mean and scale of what users keep of each origin, ``[origins, variants, replicates]``, if it is such a law.

    Worked out once for all blocks of a task; None where it takes more memory than a few blocks.
    """
    assert bundle.users is not None
    if bundle.fresh is None or len(bundle.source) * stack.vector()[:1].numel() > _NUMBERS:
        return None
    kept = now.laws.get(id(bundle))
    if kept is None or kept[1] is not stack:
        kept = now.laws[id(bundle)] = bundle, stack, _law_of(bundle.users, stack.take(bundle.source))
    return kept[2]


def _law_of(users: Users, source: ClosedForm) -> tuple[Tensor, Tensor] | None:
    try:
        law = source.law()
        law = users.law(law) if isinstance(law, Normal) and law.scale is not None else None
    except NoPopulationLaw:  # said elsewhere, with whose it is
        return None
    if not isinstance(law, Normal) or law.scale is None:
        return None
    batch = torch.broadcast_shapes(law.mean.shape[:-1], law.scale.shape)
    return law.mean.expand(*batch, -1), law.scale.expand(batch)


def _cell(where: Positions, origin: Tensor, variants: int, replicates: int) -> Tensor:
    """Where samples stand in the flattened batch ``[origins, variants, replicates]``."""
    cell = origin if variants == 1 else origin * variants + where.variant
    return cell if replicates == 1 else cell * replicates + where.replicate


def _treated(now: Round, task: Task, bundle: Bundle, stack: Stack, where: Positions, x: Samples) -> Samples:
    """What becomes of raw samples ``x`` at some positions of one bundle: curated, transformed."""
    origin, family = task.origin[where.slot], now.generators[task.cohort]
    if bundle.users is None:
        return _fitting(transformed(bundle, where, origin, x), bundle, family)
    asked: list[bool] = []

    def unjudged(wrong: Tensor) -> None:
        asked.append(True)
        if bool(wrong.any()):
            taste = users.reward and users.reward.take(0)
            _spoil(now, task, where, wrong, f"the reward {taste} is NaN or infinite for")

    def hopeless(wrong: Tensor, why: str) -> None:
        _spoil(now, task, where, wrong, f"{why}, of")

    symbols = family.symbols if isinstance(family, ClosedForm) else None
    names = now.names(bundle.cohort)
    slate = FlowSlate(bundle, stack, task.source, where, origin, x, names, symbols, unjudged, hopeless)
    users = bundle.users.take((origin, where.variant, where.replicate if is_wide(bundle.users) else 0 * origin))
    with only_shown(x, "curator", users.curator, "let it return new samples, or change x.clone()"):
        x = _chosen(users, slate, where.stream("curation") if users.curator.chooses else _NOTHING)
        if users.curator.needs_reward and users.curator.chooses and not asked and len(where):
            judged(users.reward, x, slate)  # a curator of one's own: what it has kept is judged once more
    if now.ledger is not None:
        now.ledger.chosen(_cells(now, task, where), users.reward, slate.candidate(0), x)
    x = x if bundle.after or bundle.transform is None else transformed(bundle, where, origin, x)
    return _fitting(x, bundle, family)


def _fitting(x: Samples, bundle: Bundle, family: Stack) -> Samples:
    """Samples that come through a transform, if its consumers train on such."""
    recoded = isinstance(x, Pairs) and x.codec is not None  # in the consumer's own tokens, later
    if bundle.transform is not None and not recoded and tuple(x.shape[1:]) != tuple(family.event_shape):
        raise ValueError(
            f"the transform {bundle.transform} makes samples of shape {tuple(x.shape[1:])}, and its consumers train on "
            f"{tuple(family.event_shape)}"
        )
    return x


def _cells(now: Round, task: Task, where: Positions) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Whose each of some samples is (NONE for real data) and for whom, its variant and its replicate of the round."""
    target, beside = now.whose(task.members[task.owner])
    parts = (now.whose(task.producer)[0], target, beside)
    source, target, beside = (torch.from_numpy(x).to(where.slot.device)[where.slot] for x in parts)
    return source, target, where.variant, where.replicate + beside


def _spoil(now: Round, task: Task, where: Positions, wrong: Tensor, why: str) -> None:
    """Note whose samples could not be judged or kept: these replicates are stopped when the round is over."""
    members = task.places[where.rows][where.row[wrong]]
    cells = torch.stack([members, where.variant[wrong], where.replicate[wrong]], 1)
    for i, variant, replicate in torch.unique(cells, dim=0).tolist():
        what = f"what {now.program.names[i]!r} was to train on in round {now.number}"
        now.spoilt.setdefault((i, variant, replicate), f"{why} {what}")


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
    return slate.one_of_its(users.curate(slate, rng), str(users.curator))
