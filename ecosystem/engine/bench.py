"""A bench: diets, judges and users of a state taken apart, on which members change their users one after the other.

Each change costs what it touches; what all of them make of the wiring is put together once.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ecosystem.curation import Users
from ecosystem.engine.audience import NOWHERE, Audience, Place, kind_of
from ecosystem.engine.program import Program
from ecosystem.engine.state import State, in_effect
from ecosystem.engine.wiring import CURATED, Component, Judge, drawn_whole, steady

Part = tuple[Component, Tensor]  # with its declared share, [variants, replicates]


class Bench:
    """What of a state changes with users. ``token`` is another after every change."""

    def __init__(self, program: Program, state: State) -> None:
        self.program, self.begun, self.token = program, state, object()
        self.audience, self.judges, self.moved = state.audience, list(state.wiring.judges), False
        self.parts: list[list[Part]] = [[] for _ in program.names]
        self._reaches: dict[int, dict[int, None]] = {}  # by member, those for whom its users choose, in order
        self._used: dict[Place, Counter[int]] = {}  # by place, whose users stand there, how often
        declared = state.declared.expand(-1, *state.alive.shape)
        for c, share in zip(state.wiring.components, declared.unbind(0), strict=True):
            self.parts[c.target].append((c, share))
            self._count(c.users, c.chooser, 1)
            if c.group == CURATED:
                self._reaches.setdefault(c.chooser, {})[c.target] = None
        for member, many in enumerate(self.judges):
            for judge in many:
                self._count(judge.place, member, 1)

    def _count(self, place: Place, member: int, by: int) -> None:
        if place == NOWHERE:
            return
        here = self._used.setdefault(place, Counter())
        here[member] += by
        if not here[member]:
            del here[member]
        if not here:
            del self._used[place]

    def _chosen(self, member: int) -> list[Component]:
        """The parts of diets that a member's users choose."""
        found = [c for target in self._reaches.get(member, ()) for c, _ in self.parts[target]]
        return [c for c in found if c.group == CURATED and c.chooser == member]

    def places(self, member: int) -> list[Place]:
        """Where the users of a member stand: those who choose for it, and those who judge it."""
        choosing = [c.users for c in self._chosen(member)]
        return list(dict.fromkeys([*choosing, *(judge.place for judge in self.judges[member])]))

    def chooses(self, member: int, place: Place) -> Tensor:
        """Where the users at a place are this member's now, ``[variants, replicates]``."""
        out = torch.zeros_like(self.begun.alive)
        for c in self._chosen(member):
            if c.users == place:
                out = out | c.chooses(out.shape, out.device)
        for judge in self.judges[member]:
            if judge.place == place:
                out = out | (True if judge.where is None else judge.where)
        return out

    def _alone(self, member: int, place: Place) -> bool:
        """Whether nobody else has users at a place."""
        return set(self._used.get(place, ())) == {member}

    def take_over(self, member: int, place: Place, users: Users, where: Tensor) -> None:
        """Users of a member change their mind: the same place where it can hold them, else one of their own."""
        if self._alone(member, place) and kind_of(users) == self.audience.kinds[place[0]]:
            self.audience = self.audience.written(place, users, where)
            return
        self.audience, new = self._housed(member, users, where)
        self.moved = True
        for target in self._reaches.get(member, ()):
            self._move(target, member, place, new, where)
        self._judge(member, place, new, where)

    def _housed(self, member: int, users: Users, where: Tensor) -> tuple[Audience, Place]:
        """A place of the member's own for users of this kind, also one that others have left."""
        wanted = kind_of(users)
        for place in self.places(member):
            if self.audience.kinds[place[0]] == wanted and self._alone(member, place):
                return self.audience.written(place, users, where), place
        return self.audience.housed(users, member, self._used.keys(), len(self.program.first.audience.kinds))

    def _move(self, target: int, member: int, old: Place, new: Place, where: Tensor) -> None:
        """All that the users at a place chose of one diet for a member, chosen by those at another."""
        cell, parts = where.shape, self.parts[target]
        i = 0
        while i < len(parts):
            c, declared = parts[i]
            mine = c.group == CURATED and c.chooser == member and c.users == old
            here = where & c.chooses(cell, where.device) if mine else where
            if not mine or not bool(here.any()):
                i += 1
                continue
            share = torch.where(here, declared, 0.0)
            parts[i] = replace(c, current=c.chooses(cell, here.device) & ~here), torch.where(here, 0.0, declared)
            same = [k for k, (other, _) in enumerate(parts) if other.flow == c.flow and other.users == new]
            if same:
                other, its = parts[same[0]]
                parts[same[0]] = replace(other, current=other.chooses(cell, here.device) | here), its + share
            else:
                behind = max(k for k, (other, _) in enumerate(parts) if other.group <= c.group) + 1
                parts.insert(behind, (replace(c, users=new, current=here, declared=False), share))
                self._count(new, member, 1)
            i += 1
        for c, _ in parts:  # what only a change of users had made, and on which nobody chooses any more, goes
            if not _stays(c, cell):
                self._count(c.users, c.chooser, -1)
        parts[:] = [part for part in parts if _stays(part[0], cell)]

    def _judge(self, member: int, old: Place, new: Place, where: Tensor) -> None:
        """What the users at a place judged of a member, judged by those at another."""
        before = self.judges[member]
        judged = bool(before) or self.audience.at(new).reward is None
        self.judges[member] = _judged_by(before, old, new, where) if judged else (Judge(new, where),)
        for many, by in ((before, -1), (self.judges[member], 1)):
            for judge in many:
                self._count(judge.place, member, by)

    def frozen(self) -> dict[str, Any]:
        """The wiring, shares and users of the state that all changes have led to."""
        begun = self.begun
        if not self.moved:
            kept = {name: getattr(begun, name) for name in ("wiring", "declared", "shares")}
            return {**kept, "audience": self.audience}
        flat = [part for parts in self.parts for part in parts]
        components, members = tuple(c for c, _ in flat), len(begun.wiring.names)
        wiring = begun.wiring.changed(
            components=components,
            judges=tuple(self.judges),
            whole=drawn_whole(components, self.audience, members, self.program.looped),
            direct=begun.wiring.direct & ~_choosy(components, self.audience, members),
        )
        declared = torch.stack([share for _, share in flat])
        shares = in_effect(begun.changed(wiring=wiring, declared=declared))
        return {"wiring": wiring, "declared": declared, "shares": shares, "audience": self.audience}


def _stays(c: Component, cell: tuple[int, ...]) -> bool:
    return c.declared or bool(c.chooses(cell).any())


def _judged_by(judges: tuple[Judge, ...], old: Place, new: Place, where: Tensor) -> tuple[Judge, ...]:
    out, here = [], torch.zeros_like(where)
    for judge in judges:
        mine = torch.ones_like(where) if judge.where is None else judge.where
        if judge.place == old:
            here = here | (mine & where)
            mine = mine & ~where
        out.append(replace(judge, where=mine))
    if bool(here.any()):
        known = [k for k, judge in enumerate(out) if judge.place == new]
        if known:
            out[known[0]] = replace(out[known[0]], where=out[known[0]].where | here)
        else:
            out.append(Judge(new, here))
    return tuple(judge for judge in out if bool(judge.where.any()))  # type: ignore[union-attr]


def _choosy(components: tuple[Component, ...], audience: Audience, members: int) -> np.ndarray:
    """Members that read what somebody chose otherwise than by a fixed shift: their samples must be drawn."""
    moving = [not steady(users.curator) for users in audience.stacks]
    out = np.zeros(members, dtype=bool)
    out[[c.target for c in components if c.group == CURATED and moving[c.users[0]]]] = True
    return out
