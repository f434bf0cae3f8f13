"""Lanes: replicates that have orders of their own, laid side by side.

A *lane* is a member in one replicate. All lanes are the members of an ecosystem with one replicate, in which nobody
reads across; so a lane waits only for those that it reads fresh in its own replicate, and a wave has the lanes of all
replicates that are as far: it costs what they cost, whatever the orders. Lane ``i · replicates + r`` is member ``i`` in
replicate ``r``, and so it is with the rows of cohorts; a lane has the components of its member, in their order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor

from ecosystem.core.streams import Stream, with_parts
from ecosystem.engine.audience import Audience, is_wide
from ecosystem.engine.bundles import Bundle
from ecosystem.engine.choice import Menu, bounds
from ecosystem.engine.cohorts import Cohort
from ecosystem.engine.exact import Draws, draws
from ecosystem.engine.looped import Stack
from ecosystem.engine.program import Program
from ecosystem.engine.round import Round
from ecosystem.engine.sampling import Sampler
from ecosystem.engine.stacks import inserted, joined, laid, put_back, restored, spread
from ecosystem.engine.state import Memory, State
from ecosystem.engine.waves import Plan, Task, compile_plan, diets_of
from ecosystem.engine.wiring import CURATED, NONE, Columns, Wiring

_SHARING = 128  # replicates of one order that are faster by themselves
_AHEAD = 1 << 22  # numbers of noise of a round that are drawn before its waves; 32 MB of float64


def are_few(ranks: np.ndarray) -> bool:
    """Whether orders are so few that their plans, which are kept, cost less than waves that all of them share."""
    replicates = ranks.shape[1]
    return replicates >= 2 * _SHARING and np.unique(ranks, axis=1).shape[1] * _SHARING <= replicates


class Repeated(Sequence[str]):
    """Names, each so many ``times``, one after the other."""

    def __init__(self, names: Sequence[str], times: int) -> None:
        self._names, self._times = names, times

    def __len__(self) -> int:
        return len(self._names) * self._times

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        places = range(len(self))[index]
        if isinstance(places, range):
            return [self._names[place // self._times] for place in places]
        return self._names[places // self._times]


@dataclass(frozen=True, eq=False)
class Lanes:
    """What of a program and a state its lanes are made of; it is good as long as these are.

    ``component`` and ``replicate [components of lanes]``: what each component is to its member, and where.
    """

    program: Program
    made_of: tuple[Wiring, Tensor, tuple[bool, ...]]
    wiring: Wiring
    shares: Tensor
    component: np.ndarray
    replicate: np.ndarray
    tasks: dict[int, Task] = field(default_factory=dict)  # of cohorts: all lanes that were due last

    def made_for(self, wiring: Wiring, shares: Tensor, wide: tuple[bool, ...]) -> bool:
        """Whether these are the lanes of a wiring, shares, and kinds of users that differ between replicates."""
        return self.made_of[0] is wiring and self.made_of[1] is shares and self.made_of[2] == wide

    @cached_property
    def live(self) -> np.ndarray:
        return (self.shares != 0).flatten(1).any(1).cpu().numpy()

    @cached_property
    def diets(self) -> tuple[Tensor, Tensor]:
        """Cumulative shares of all components, and curated shares of all lanes: the same in every wave."""
        wiring, shares, _ = self.made_of
        menu = Menu.of(shares, wiring.group == CURATED, wiring.first)
        level = menu.level.expand(-1, -1, len(self.wiring.names) // len(wiring.names))
        return _of_lanes(menu.cumulative, self.component, self.replicate), spread(level)


def lanes_of(program: Program, state: State) -> Lanes:
    """The lanes of a program in a state, kept with the program while neither diets nor users change their places."""
    wide = tuple(map(is_wide, state.audience.stacks))
    kept: Lanes | None = program.memo.get("lanes")
    if kept is None or not kept.made_for(state.wiring, state.shares, wide):
        lanes = _program(program) if kept is None else kept.program
        kept = _lanes(lanes, program.cell[1], state.wiring, state.shares, wide)
        program.memo["lanes"] = kept
    return kept


def _program(program: Program) -> Program:
    """The program in which all lanes are members."""
    width = program.cell[1]
    cohorts = tuple(
        Cohort(
            Repeated(cohort.names, width),  # type: ignore[arg-type]
            (np.array(cohort.ids)[:, None] * width + np.arange(width)).reshape(-1).tolist(),
            laid(cohort.start),
            cohort.retention,
            device=cohort.device,
        )
        for cohort in program.cohorts
    )
    names: Any = Repeated(program.names, width)
    return replace(program, names=names, cohorts=cohorts, rng=program.rng[:1], plans={}, roots={}, memo={})


def _lanes(program: Program, width: int, wiring: Wiring, shares: Tensor, wide: tuple[bool, ...]) -> Lanes:
    members, lengths = len(wiring.names), np.repeat(np.diff(wiring.first), width)
    target, ends = np.repeat(np.arange(members * width), lengths), np.cumsum(lengths)
    component = np.arange(len(target)) - np.repeat(ends - lengths - np.repeat(wiring.first[:-1], width), lengths)
    replicate = target % width

    def lane(place: np.ndarray, apart: np.ndarray) -> np.ndarray:
        return np.where(apart, place * width + replicate, place)

    producer, source = wiring.producer[component], wiring.source[component]
    kind, row, after, *transform = wiring.treated(component)
    is_wide = (*wide, False)  # the last: nobody chooses, whose kind is −1
    users = np.stack([kind, lane(row, np.array(is_wide)[kind])], 1)
    columns = Columns(
        names=program.names,
        target=target,
        group=wiring.group[component],
        source=np.stack([source[:, 0], lane(source[:, 1], source[:, 0] < len(program.cohorts))], 1),
        producer=lane(producer, producer != NONE),
        users=users,
        chooser=np.full(len(target), NONE),
        after=after,
        transform=np.stack(transform, 1),
        delay=wiring.delay[component],
    )
    direct, whole = wiring.direct.repeat(width), wiring.whole.repeat(width)
    names: Any = program.names
    new = Wiring(names, columns, (), direct, whole)
    return Lanes(program, (wiring, shares, wide), new, _of_lanes(shares, component, replicate), component, replicate)


@dataclass
class LaneRound(Round):
    """A round of lanes; ``of`` is the one of the replicates that they are of.

    What becomes of generators and memories is written in place: no wave copies what it does not change.
    """

    of: Round = field(kw_only=True)
    lanes: Lanes = field(kw_only=True)
    both: dict[int, Stack] = field(default_factory=dict)  # cohorts as they were, and behind them as they are now
    anyone: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))  # lanes that are due
    ahead: dict[int, tuple[np.ndarray, Draws] | None] = field(default_factory=dict)  # of cohorts, by component

    @classmethod
    def begun(cls, of: Round) -> LaneRound:
        """The lanes of all replicates of a round before anybody has retrained."""
        lanes = lanes_of(of.program, of.state)
        state = of.state.changed(
            past=tuple(tuple(map(laid, then)) for then in of.state.past),
            memories=tuple({key: _laid(value) for key, value in memory.items()} for memory in of.state.memories),
            wiring=lanes.wiring,
            shares=lanes.shares,
            audience=_audience(of.state.audience),
        )
        now = cls(lanes.program, state, of.number, lanes.program.rng, ledger=of.ledger, of=of, lanes=lanes)
        now.count = None if of.count is None else now.counted
        return now

    def plan(self, ranks: np.ndarray, due: Tensor) -> Plan:
        """The waves of orders ``ranks [members, replicates]``, ``due [lanes, variants, 1]``."""
        self.anyone = due.flatten(1).any(1).cpu().numpy()
        return compile_plan(self.program.parts, self.lanes.wiring, ranks.reshape(-1), self.anyone, self.lanes.live)

    def drawn(self, task: Task) -> Draws | None:
        """The draws of a task out of those of all lanes of its cohort, made at once where they take little room."""
        c = task.cohort
        if c not in self.ahead:
            self.ahead[c] = self._ahead(c)
        made = self.ahead[c]
        if made is None:
            return None
        return made[1].of(torch.from_numpy(np.searchsorted(made[0], task.components)).to(self.shares.device))

    def _ahead(self, c: int) -> tuple[np.ndarray, Draws] | None:
        """What is drawn directly for the lanes of a cohort that are due, and for which components."""
        kept, lanes = self.lanes.tasks, self.program.cohorts[c].places
        rows = np.flatnonzero(self.anyone[lanes] & self.lanes.wiring.direct[lanes])
        if c not in kept or not np.array_equal(kept[c].rows, rows):
            (kept[c],) = diets_of(self.program.parts, self.lanes.wiring, [(c, rows)], self.lanes.live)
        sampler, size = Sampler(self, kept[c]), self.generators[c].event_shape
        if len(kept[c].components) * self.shares.shape[1] * math.prod(size) > _AHEAD:
            return None
        return kept[c].components, draws(sampler)

    def ended(self) -> tuple[list[Stack], list[Memory], dict[tuple[int, int, int], str]]:
        """What has become of the replicates: generators, memories, and what is spoilt."""
        stacks = [
            put_back(self.generators[c], self.width) if c in self.both else old
            for c, old in enumerate(self.of.state.now)
        ]
        memories = [
            {key: restored(value, self.width) if isinstance(value, Tensor) else value for key, value in memory.items()}
            for memory in self.memories
        ]
        spoilt = {(i // self.width, variant, i % self.width): why for (i, variant, _), why in self.spoilt.items()}
        return stacks, memories, spoilt

    @property
    def width(self) -> int:
        """The number of replicates."""
        return len(self.of.rng.keys)

    # -- as rounds are asked -----------------------------------------------------------------------------------------

    def stream(self, decision: str, members: Tensor) -> Stream:
        if decision not in self.streams:
            every = self.of.stream(decision, torch.arange(len(self.of.program.names), device=self.shares.device))
            self.streams[decision] = with_parts(every, keys=every.keys.reshape(-1, 1, 1))
        return self.streams[decision][members]

    def addresses(self, producers: np.ndarray) -> Tensor:
        return self.of.addresses(producers // self.width)

    def read(self, bundle: Bundle) -> Stack:
        both = self.both.get(bundle.cohort)
        return super().read(bundle) if both is None or bundle.fresh is not None else both

    def menu(self, task: Task) -> Menu:
        cumulative, level = self.lanes.diets
        components = torch.from_numpy(task.components).to(level.device)
        return Menu.within(bounds(task.curated, task.first), cumulative[components], level[task.places])

    def write(self, cohort: int, rows: Tensor, new: Stack, due: Tensor) -> None:
        old = self.state.now[cohort]
        both = self.both[cohort] if cohort in self.both else joined(old, old)
        self.both[cohort], self.generators[cohort] = inserted(both, rows, new, due)

    def remember(self, cohort: int, name: str, rows: Tensor, value: Tensor, due: Tensor) -> None:
        memory = self.memories[cohort]
        if name not in memory:
            memory[name] = value.new_zeros(*self.generators[cohort].batch_shape, *value.shape[3:])
        elif memory[name] is self.state.memories[cohort].get(name):
            memory[name] = memory[name].clone()
        here = due.reshape(*due.shape, *(1,) * (value.ndim - 3))
        memory[name][rows] = torch.where(here, value, memory[name][rows])

    def whose(self, places: Any) -> tuple[Any, Any]:
        return places // self.width, places % self.width

    def key(self, task: Task, cell: tuple[int, int, int]) -> tuple[int, int, int]:
        row, replicate = divmod(int(task.rows[cell[0]]), self.width)
        return row, cell[1], int(self.of.rng.keys[replicate])

    def counted(self, task: Task, counts: Tensor) -> None:
        """Tell of ``counts [components of lanes, variants, 1]``."""
        assert self.of.count is not None
        components, which = np.unique(self.lanes.component[task.components], return_inverse=True)
        table = counts.new_zeros(len(components), counts.shape[1], self.width)
        places = (torch.from_numpy(many).to(counts.device) for many in (which, self.lanes.replicate[task.components]))
        row, replicate = places
        table[row, :, replicate] = counts[:, :, 0]
        self.of.count(replace(task, components=components), table)


def _of_lanes(values: Tensor, component: np.ndarray, replicate: np.ndarray) -> Tensor:
    """Values ``[components, variants, replicates or 1]`` as ``[components of lanes, variants, 1]``."""
    places, beside = (torch.from_numpy(many).to(values.device) for many in (component, replicate))
    return values[places] if values.shape[2] == 1 else values[places, :, beside].unsqueeze(-1)


def _laid(value: Any) -> Any:
    return spread(value) if isinstance(value, Tensor) else value


def _audience(audience: Audience) -> Audience:
    """Users who differ between replicates lane by lane; others are the same for all lanes of their member."""
    stacks = tuple(users.map(spread) if is_wide(users) else users for users in audience.stacks)
    return Audience(stacks, audience.watched, audience.kinds)
