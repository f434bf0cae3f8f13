"""Minds that change: other users, or other habits of theirs, while an ecosystem runs."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ecosystem.core.check import brief
from ecosystem.curation import Curator, Users
from ecosystem.engine.audience import Audience, Place, as_wide, in_cell, kind_of, one
from ecosystem.engine.diets import Change, Changed, everywhere
from ecosystem.engine.program import Program
from ecosystem.engine.state import State, in_effect
from ecosystem.engine.wiring import CURATED, Component, Judge, Wiring, drawn_whole, steady, taken


def set_users(
    program: Program,
    state: State,
    name: str,
    curator: Curator | None = None,
    reward: Any = None,
    where: Tensor | None = None,
) -> Changed:
    """Other users of a member: another way to choose, another taste, or both; what is None stays as it is.

    They choose wherever this member's users do, and the member is judged by their taste. Where they are of the kind
    that was there, their numbers are written in their place; else they get one of their own, and parts of diets on
    which nobody chooses any more go.
    """
    where, member = everywhere(state, where), state.wiring.index[name]
    if curator is not None and not isinstance(curator, Curator):
        raise TypeError(f"set_curator(curator) takes a curator such as Luce(4), got {brief(curator)}")
    changes: list[Change] = []
    if not _places(state.wiring, member):
        raise ValueError(
            f"round {state.round + 1}: {name!r} has no users whose mind could change; give it some in the scenario: "
            "Member(..., reward=..., curator=...)"
        )
    for place in _places(state.wiring, member):
        here = where & _chooses(state, member, place)
        if not bool(here.any()):
            continue
        old = state.audience.at(place)
        new = _changed_mind(old, curator, reward, len(program.scenarios))
        changes += _told(state, name, old, new, here)
        state = _taken_over(program, state, member, place, new, here)
    return state, changes


def _places(wiring: Wiring, member: int) -> list[Place]:
    """Where the users of a member stand: those who choose for it, and those who judge it."""
    choosing = [c.users for c in wiring.components if c.group == CURATED and c.chooser == member]
    return list(dict.fromkeys([*choosing, *(judge.place for judge in wiring.judges[member])]))


def _chooses(state: State, member: int, place: Place) -> Tensor:
    """Where the users at a place are this member's now."""
    out = torch.zeros_like(state.alive)
    for c in state.wiring.components:
        if c.chooser == member and c.users == place:
            out = out | c.chooses(out.shape)
    for judge in state.wiring.judges[member]:
        if judge.place == place:
            out = out | (True if judge.where is None else judge.where)
    return out


def _changed_mind(old: Users, curator: Curator | None, reward: Any, variants: int) -> Users:
    """Users ``[1, variants, replicates or 1]`` with another curator or taste."""
    given = Users(one(old.reward) if reward is None else reward, curator or one(old.curator), learn=one(old.learn))
    new = copy.copy(given)
    new.__dict__.clear()
    for part, asked in (("reward", reward is not None), ("curator", curator is not None), ("learn", False)):
        value = getattr(given, part)
        spread = value if value is None else value.map(lambda t: t.expand(1, variants, 1, *t.shape))
        new.__dict__[part] = spread if asked else getattr(old, part)
    return as_wide(new)


def _told(state: State, name: str, old: Users, new: Users, where: Tensor) -> list[Change]:
    """Rows of the table ``changes``: the way of choosing, and the taste where there is a reward."""
    cell = tuple(where.nonzero()[0].tolist())
    rows = []
    for what, part in (("curator", "curator"), ("reward", "reward")):
        before, after = (in_cell(getattr(users, part), *cell) for users in (old, new))
        differs = before is not after and not _equal(getattr(old, part), getattr(new, part), where)
        if differs:
            rows.append(Change(state.round + 1, name, what, str(before), str(after), where.clone()))
    return rows


def _equal(old: Any, new: Any, where: Tensor) -> bool:
    """Whether two parts are of one kind with the same numbers ``where [variants, replicates]``."""
    if old is None or new is None or one(old).kind() != one(new).kind():
        return old is new
    before, after = old.tensors(), new.tensors()
    for a, b in zip(before.values(), after.values(), strict=True):
        same = (a[0] == b[0]).expand(*where.shape, *a.shape[3:])
        if not bool(same[where].all()):
            return False
    return True


def _taken_over(program: Program, state: State, member: int, place: Place, users: Users, where: Tensor) -> State:
    """Users of a member change their mind: the same place where it can hold them, else one of their own."""
    alone = state.wiring.users_at(place) == ({member}, False)
    if alone and kind_of(users) == state.audience.kinds[place[0]]:
        return state.changed(audience=state.audience.written(place, users, where))
    audience, new = _housed(state, member, users, where, len(program.first.audience.kinds))
    state = _moved(state.changed(audience=audience), member, place, new, where)
    return _without_leftovers(program, state)


def _housed(state: State, member: int, users: Users, where: Tensor, own: int) -> tuple[Audience, Place]:
    """A place of the member's own for users of this kind, also one that others have left."""
    audience, wanted = state.audience, kind_of(users)
    for place in _places(state.wiring, member):
        if audience.kinds[place[0]] == wanted and state.wiring.users_at(place) == ({member}, False):
            return audience.written(place, users, where), place
    return audience.housed(users, member, taken(state.wiring), own)


def _moved(state: State, member: int, old: Place, new: Place, where: Tensor) -> State:
    """All that the users at a place chose for a member and judged of it, done by those at another."""
    cell = state.alive.shape
    declared = state.declared.expand(-1, *cell).contiguous().clone()
    components = list(state.wiring.components)
    i = 0
    while i < len(components):
        c = components[i]
        mine = c.group == CURATED and c.chooser == member and c.users == old
        here = where & c.chooses(cell) if mine else where
        if not mine or not bool(here.any()):
            i += 1
            continue
        share = torch.where(here, declared[i], 0.0)
        declared[i] = torch.where(here, 0.0, declared[i])
        components[i] = replace(c, current=c.chooses(cell) & ~here)
        same = [k for k, other in enumerate(components) if other.flow == c.flow and other.users == new]
        if same:
            k = same[0]
            declared[k] = declared[k] + share
            components[k] = replace(components[k], current=components[k].chooses(cell) | here)
        else:
            at = _behind(components, i)
            components.insert(at, replace(c, users=new, current=here, declared=False))
            declared = torch.cat([declared[:at], share.unsqueeze(0), declared[at:]])
        i += 1
    judges = list(state.wiring.judges)
    judged = bool(judges[member]) or state.audience.at(new).reward is None
    judges[member] = _judged_by(judges[member], old, new, where) if judged else (Judge(new, where),)
    wiring = state.wiring.changed(components=tuple(components), judges=tuple(judges))
    return state.changed(wiring=wiring, declared=declared)


def _behind(components: list[Component], i: int) -> int:
    """Behind the last component of the same member and group."""
    c = components[i]
    return max(k for k, o in enumerate(components) if o.target == c.target and o.group <= c.group) + 1


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


def _without_leftovers(program: Program, state: State) -> State:
    """Without parts of diets that only a change of users had made, and on which nobody chooses any more."""
    parts = state.wiring.components
    keep = [i for i, c in enumerate(parts) if c.declared or bool(c.chooses(state.alive.shape).any())]
    components = tuple(parts[i] for i in keep)
    wiring = state.wiring.changed(
        components=components,
        whole=drawn_whole(components, state.audience, len(state.wiring.names), program.looped),
        direct=state.wiring.direct & ~_choosy(components, state.audience, len(state.wiring.names)),
    )
    state = state.changed(wiring=wiring, declared=state.declared[keep])
    return state.changed(shares=in_effect(state))


def _choosy(components: tuple[Component, ...], audience: Audience, members: int) -> np.ndarray:
    """Members that read what somebody chose otherwise than by a fixed shift: their samples must be drawn."""
    moving = [not steady(users.curator) for users in audience.stacks]
    out = np.zeros(members, dtype=bool)
    out[[c.target for c in components if c.group == CURATED and moving[c.users[0]]]] = True
    return out
