"""Minds that change: other users, or other habits of theirs, while an ecosystem runs."""

from __future__ import annotations

import copy
from dataclasses import fields
from typing import Any

from torch import Tensor

from ecosystem.core.check import brief
from ecosystem.core.identity import digest
from ecosystem.curation import Curator, Users
from ecosystem.engine.audience import as_wide, in_cell, one
from ecosystem.engine.bench import Bench
from ecosystem.engine.diets import Change, Changed, everywhere
from ecosystem.engine.program import Program
from ecosystem.engine.state import State

_REBUILT = ("wiring", "declared", "shares", "audience")


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
    where, member = everywhere(state, where), program.index[name]
    if curator is not None and not isinstance(curator, Curator):
        raise TypeError(f"set_curator(curator) takes a curator such as Luce(4), got {brief(curator)}")
    if curator is not None:  # they choose among what the member makes, or what it trains on: the same shape
        try:
            curator.check(tuple(state.now[program.places[name][0]].event_shape))
        except (TypeError, ValueError) as error:
            raise type(error)(f"set_curator() of {name!r} in round {state.round + 1}: {error}") from error
    op = (name, member, curator, reward, where)
    bench, ops = bench_of(program, state)
    if not bench.places(member):
        raise ValueError(
            f"round {state.round + 1}: {name!r} has no users whose mind could change; give it some in the scenario: "
            "Member(..., reward=..., curator=...)"
        )
    bench.token = object()  # if this fails, the state that was there is made again of what it was made of
    changes = _applied(bench, state.round, *op)
    return Rewired.of(state, bench, (ops, op)), changes


class Rewired(State):
    """A state after changes of mind; what they make of diets is worked out when it is first asked for.

    So members that change one after the other cost what each of them touches, and all of them one rebuild.
    """

    @classmethod
    def of(cls, state: State, bench: Bench, ops: Any) -> Rewired:
        new = object.__new__(cls)
        new.__dict__.update({f.name: getattr(state, f.name) for f in fields(State) if f.name not in _REBUILT})
        new.__dict__["made"] = bench, bench.token, ops
        return new

    def __getattr__(self, name: str) -> Any:
        if name not in _REBUILT or "made" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        bench, _ = bench_of(self.made[0].program, self)
        self.__dict__.update(bench.frozen())
        return self.__dict__[name]

    def changed(self, **parts: Any) -> State:
        """Another state with some parts changed."""
        return State(**{f.name: getattr(self, f.name) for f in fields(State) if f.name not in parts}, **parts)


def bench_of(program: Program, state: State) -> tuple[Bench, Any]:
    """A state taken apart, as it was left or made again, and the changes of mind since the one that it began with."""
    if not isinstance(state, Rewired):
        return Bench(program, state), None
    bench, token, ops = state.made
    if bench.token is not token:  # somebody has gone on from here
        bench, many, left = Bench(program, bench.begun), [], ops
        while left is not None:
            left, op = left
            many.append(op)
        for op in reversed(many):
            _applied(bench, state.round, *op)
        state.__dict__["made"] = bench, bench.token, ops
    return bench, ops


def _applied(
    bench: Bench, number: int, name: str, member: int, curator: Curator | None, reward: Any, where: Tensor
) -> list[Change]:
    """Let a member's users change their mind; what is to be told of it."""
    changes: list[Change] = []
    for place in bench.places(member):
        here = where & bench.chooses(member, place)
        if bool(here.any()):
            old = bench.audience.at(place)
            new = _changed_mind(old, curator, reward, bench.program)
            changes += _told(number, name, old, new, here)
            bench.take_over(member, place, new, here)
    return changes


def _changed_mind(old: Users, curator: Curator | None, reward: Any, program: Program) -> Users:
    """Users ``[1, variants, replicates or 1]`` with another curator or taste."""
    given = Users(one(old.reward) if reward is None else reward, curator or one(old.curator), learn=one(old.learn))
    new, variants = copy.copy(given), len(program.scenarios)
    new.__dict__.clear()
    for part, asked in (("reward", reward is not None), ("curator", curator is not None), ("learn", False)):
        value = getattr(given, part)
        spread = value
        if asked and value is not None:
            spread = program.home.stack(value).map(lambda t: t.expand(1, variants, 1, *t.shape))
        new.__dict__[part] = spread if asked else getattr(old, part)
    return as_wide(new)


def _told(number: int, name: str, old: Users, new: Users, where: Tensor) -> list[Change]:
    """Rows of the table ``changes``: the way of choosing, and the taste where there is a reward."""
    cell = tuple(where.nonzero()[0].tolist())
    rows = []
    for what, part in (("curator", "curator"), ("reward", "reward")):
        before, after = (in_cell(getattr(users, part), *cell) for users in (old, new))
        differs = before is not after and not _equal(getattr(old, part), getattr(new, part), where)
        if differs:
            content = digest((after, in_cell(new.learn, *cell))) if what == "reward" else ""
            rows.append(Change(number + 1, name, what, str(before), str(after), where.clone(), content))
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
