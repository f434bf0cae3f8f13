"""Components by the array: what becomes of scenarios whose members and flows stand in blocks."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
import torch

from ecosystem.curation import Users
from ecosystem.engine.audience import NONE, Audience, Place
from ecosystem.engine.cohorts import Cohort, Registry, generator_kind, member_kind
from ecosystem.engine.looped import Stack
from ecosystem.engine.wiring import CURATED, RAW, REAL, Columns, steady
from ecosystem.generators import ClosedForm, GenerativeModel
from ecosystem.generators.base import codec_of
from ecosystem.generators.sources import as_source
from ecosystem.scenario import Scenario
from ecosystem.scenario.blocks import Blocks, blocks_of, first_of_each

Placed = Callable[[Sequence[Users], str, str], Place]


def blocks_by_the_array(scenarios: Sequence[Scenario]) -> Blocks | None:
    """The blocks of a scenario that all can be compiled by the array; None where some members stand for themselves.

    They do where they are no family, have an agent or users who move, or where a family takes its bearings from each
    one's data; variants are compiled one by one.
    """
    blocks = blocks_of(scenarios[0].graph) if len(scenarios) == 1 else None
    if blocks is None or not all(map(_alike, blocks.members)):
        return None
    own = [block.one.chosen_by for block in blocks.table.flows if isinstance(block.one.chosen_by, Users)]
    return None if any(users.learn is not None for users in own) else blocks


def _alike(block: Any) -> bool:
    model, one = block.generators, block.one
    if not isinstance(model, ClosedForm) or type(model).about is not ClosedForm.about or model.stores:
        return False
    return one.agent is None and one.learn is None and one.demand is None and codec_of(model) is None


def block_cohorts(blocks: Blocks, replicates: int) -> list[Cohort]:
    """Members grouped by kind, block by block; as ``member_cohorts`` groups them one by one."""
    groups: dict[Hashable, list[int]] = {}
    for i in range(len(blocks.members)):
        groups.setdefault(member_kind(blocks.member(int(blocks.starts[i]))), []).append(i)
    cohorts = []
    for many in groups.values():
        parts = [blocks.members[i] for i in many]
        grid = _joined([part.generators for part in parts])
        start = grid.map(lambda t: t.expand(*t.shape[:2], replicates, *t.shape[3:]).contiguous())
        ids = [j for i in many for j in range(int(blocks.starts[i]), int(blocks.starts[i + 1]))]
        cohorts.append(Cohort([name for part in parts for name in part.names], ids, start, parts[0].one.retention))
    return cohorts


def block_sources(blocks: Blocks, cohorts: int) -> tuple[tuple[Stack, ...], np.ndarray]:
    """Sources of real data, stacked by kind; and where each member's stands ``[members, 2]``, NONE without."""
    place = np.full((len(blocks.names), 2), NONE)
    kinds: dict[Hashable, list[ClosedForm | list[GenerativeModel]]] = {}
    known: dict[int, tuple[int, int]] = {}
    for block, first in zip(blocks.members, blocks.starts.tolist(), strict=False):
        one = block.member(0)
        if one.real is None:
            continue
        rows = slice(first, first + len(block.names))
        key = id(one.real) if block.real is None else id(block.real)
        if key in known:
            kind, row = known[key]
        else:
            source = as_source(one.real, one.generator, repr(block.names[0]))
            name = generator_kind(source)
            kind = list(kinds).index(name) if name in kinds else len(kinds)
            here = kinds.setdefault(name, [])
            row = sum(_length(part) for part in here)
            here.append([source] if block.real is None else block.real)
            known[key] = kind, row
        place[rows, 0] = cohorts + kind
        place[rows, 1] = row if block.real is None else row + np.arange(len(block.names))
    return tuple(_stacked(many) for many in kinds.values()), place


def _length(part: ClosedForm | list[GenerativeModel]) -> int:
    return part.batch_shape[0] if isinstance(part, ClosedForm) else len(part)


def _stacked(many: Sequence[ClosedForm | list[GenerativeModel]]) -> Stack:
    from ecosystem.engine.looped import Looped

    first = many[0]
    if isinstance(first, list) and not isinstance(first[0], ClosedForm):
        return Looped.of([[model] for part in many for model in part], 1)  # type: ignore[union-attr]
    return _joined([part if isinstance(part, ClosedForm) else _batch(part) for part in many])


def _batch(models: list[Any]) -> ClosedForm:
    return models[0].map(lambda t: t.unsqueeze(0))


def _joined(stacks: Sequence[Any]) -> Any:
    """Families with the batch ``[n]`` one behind the other, batch ``[rows, 1, 1]``."""
    tensors = stacks[0].tensors()
    if len(stacks) > 1:  # else nothing is copied
        tensors = {name: torch.cat([s.tensors()[name] for s in stacks]) for name in tensors}
    return stacks[0].rebuild({name: t.reshape(len(t), 1, 1, *t.shape[1:]) for name, t in tensors.items()})


class BlockWiring:
    """The components of blocks as columns, in the order in which they would be listed one by one."""

    def __init__(self, blocks: Blocks, cohorts: Sequence[Cohort], real: np.ndarray) -> None:
        self.blocks, self.cohorts = blocks, cohorts
        source, target, kind = blocks.table.ends[0], blocks.table.ends[1], blocks.table.ends[2]
        raw, curated = blocks.table.shares
        chosen, fed = np.flatnonzero(curated != 0), np.flatnonzero(real[:, 0] != NONE)
        flows = np.arange(len(source))
        flow = np.concatenate([chosen, flows, np.full(len(fed), NONE)]).astype(np.int32)
        kinds = np.array([CURATED, RAW, REAL], dtype=np.int8)
        group = np.repeat(kinds, [len(chosen), len(flows), len(fed)])
        owner = np.concatenate([target[chosen], target, fed])
        producer = np.concatenate([source[chosen], source, np.full(len(fed), NONE)])
        order = np.lexsort((producer, group, owner))
        self.flow, self.group, self.target, self.producer = flow[order], group[order], owner[order], producer[order]
        self.kind = np.where(self.flow == NONE, NONE, kind.astype(np.int32)[self.flow] if len(kind) else NONE)
        share = np.concatenate([curated[chosen], raw, np.zeros(len(fed))])
        self.shares = torch.from_numpy(np.ascontiguousarray(share[order])).reshape(-1, 1, 1)
        place = np.zeros((len(blocks.names), 2), dtype=np.int32)
        for c, cohort in enumerate(cohorts):
            place[cohort.ids, 0], place[cohort.ids, 1] = c, np.arange(len(cohort.ids))
        self.source = place[self.producer]
        fed = self.group == REAL
        self.source[fed] = real[self.target[fed]]
        sides = [b.one.chosen_by if isinstance(b.one.chosen_by, str) else "own" for b in blocks.table.flows]
        self.side = np.array(sides or [""], dtype=object)

    def whose(self, producer: np.ndarray, target: np.ndarray, kind: np.ndarray) -> np.ndarray:
        """Who chooses: the block whose users do, or behind all of them the flows whose own users do."""
        side = self.side[kind]
        block = np.where(side == "consumer", self.blocks.block[target], self.blocks.block[producer])
        return np.where(side == "own", len(self.blocks.members) + kind, block)

    def users(self, code: int) -> Users | None:
        """The users of a code."""
        size = len(self.blocks.members)
        if code >= size:
            return self.blocks.table.flows[code - size].one.chosen_by  # type: ignore[return-value]
        return self.blocks.members[code].one.users

    def columns(self, placed: Placed, transforms: Registry) -> Columns:
        """All that components say, with users and transforms registered as they come."""
        names, size = self.blocks.names, len(self.flow)
        choosing = np.flatnonzero(self.group == CURATED)
        users, chooser = np.full((size, 2), NONE, dtype=np.int32), np.full(size, NONE, dtype=np.int32)
        side = self.side[self.kind[choosing]]
        of = np.where(side == "consumer", self.target[choosing], self.producer[choosing])
        chooser[choosing] = np.where(side == "own", NONE, of)
        codes = self.whose(self.producer[choosing], self.target[choosing], self.kind[choosing])
        for code, first in _as_they_come(codes):
            u, v = names[self.producer[choosing[first]]], names[self.target[choosing[first]]]
            who = names[of[first]]
            here = self.blocks.member(int(of[first])).users if code < len(self.blocks.members) else self.users(code)
            assert here is not None
            users[choosing[codes == code]] = placed([here], who, f"the users of {u!r} → {v!r}")
        after = np.zeros(size, dtype=bool)
        after[choosing] = side == "consumer"
        delays = np.array([block.one.delay for block in self.blocks.table.flows] or [0])
        is_flow = self.flow != NONE
        transform = np.broadcast_to(np.full((1, 2), NONE, dtype=np.int32), (size, 2))  # takes no memory
        for code, first in _as_they_come(self.kind[is_flow]):
            if (given := self.blocks.table.flows[code].one.transform) is not None:
                i = np.flatnonzero(is_flow)[first]
                where = f"the transform of flow {names[self.producer[i]]!r} → {names[self.target[i]]!r}"
                transform = transform if transform.flags.writeable else transform.copy()
                transform[self.kind == code] = transforms.add([given], where)
        return Columns(
            names=names,
            target=self.target,
            group=self.group,
            source=self.source,
            producer=self.producer,
            users=users,
            chooser=chooser,
            after=after,
            transform=transform,
            delay=np.where(is_flow, delays[self.kind], 0) if delays.any() else np.broadcast_to(delays[:1], size),
        )

    def direct(self) -> np.ndarray:
        """Whether the mean of what a member trains on is drawn directly, as ``Wired`` asks of one."""
        blocks = self.blocks
        sound = np.array([bool(b.generators.exact_mean) for b in blocks.members])  # type: ignore[union-attr]
        fed = np.array([b.one.real is None or getattr(b.one.real, "exact_mean", False) for b in blocks.members])
        good = (sound & fed)[blocks.block]
        if not blocks.table.flows:
            return good
        source, target, kind = blocks.table.ends[:3]
        codes = self.whose(source, target, kind)
        fixed = np.ones(len(source), dtype=bool)
        for code in np.unique(codes).tolist():
            users = self.users(code)
            fixed[codes == code] = users is None or steady(users.curator)
        linear = np.array([b.one.transform is None or b.one.transform.linear() is not None for b in blocks.table.flows])
        good[target[~(fixed & linear[kind] & sound[self.blocks.block[source]])]] = False
        return good


def block_whole(columns: Columns, audience: Audience, members: int, looped: set[int]) -> np.ndarray:
    """See ``drawn_whole``."""
    kinds = [kind for kind, stack in enumerate(audience.stacks) if stack.curator.pools is not False]
    whole = np.zeros(members, dtype=bool)
    whole[columns.target[np.isin(columns.users[:, 0], kinds) | np.isin(columns.source[:, 0], list(looped))]] = True
    return whole


def _as_they_come(codes: np.ndarray) -> list[tuple[int, int]]:
    """Distinct codes in the order in which they come, with the place of the first of each."""
    distinct, first = first_of_each(codes)
    return sorted(zip(distinct.tolist(), first.tolist(), strict=True), key=lambda pair: pair[1])
