"""The state of an ecosystem as plain values, and back onto the program of one that was built again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from ecosystem.engine.audience import Audience, kind_of
from ecosystem.engine.program import Program
from ecosystem.engine.state import Clock, State, in_effect
from ecosystem.engine.wiring import Judge, Wiring, drawn_whole
from ecosystem.running.checkpoints.codec import Reader, Writer
from ecosystem.running.checkpoints.models import read_stacks, write_stacks

_PLAIN = ("round", "memories", "declared", "absent", "active", "frozen", "alive", "weights")  # as they are


def write_state(writer: Writer, program: Program, state: State) -> dict[str, Any]:
    """Everything that rounds, decisions and interventions have changed."""
    return {
        "plain": writer.write({name: getattr(state, name) for name in _PLAIN}, "state"),
        "generators": write_stacks(writer, state.past, program.cohorts),
        "clocks": writer.write([tuple(vars(clock).values()) for clock in state.clocks], "clocks"),
        "users": writer.write(_audience(program.first.audience, state.audience), "users"),
        "wiring": writer.write(_wiring(program.first.wiring, state.wiring), "wiring"),
    }


def read_state(reader: Reader, program: Program, given: dict[str, Any]) -> State:
    """The state that was written."""
    first = program.first
    plain = reader.read(given["plain"])
    past = read_stacks(reader, given["generators"], program.cohorts)
    audience = _read_audience(first.audience, reader.read(given["users"]))
    state = first.changed(
        **plain,
        past=tuple(map(tuple, past)),
        clocks=tuple(Clock(*clock) for clock in reader.read(given["clocks"])),
        audience=audience,
        wiring=_read_wiring(program, audience, reader.read(given["wiring"])),
    )
    return state.changed(shares=in_effect(state))


def _audience(first: Audience, now: Audience) -> dict[str, Any]:
    """Stacks of kinds that the scenario has by their numbers, others whole."""
    known = len(first.stacks)
    changed = {k: s.tensors() for k, s in enumerate(now.stacks[:known]) if s is not first.stacks[k]}
    return {"numbers": changed, "new": list(now.stacks[known:]), "watched": now.watched}


def _read_audience(first: Audience, given: dict[str, Any]) -> Audience:
    stacks = [s.rebuild(given["numbers"][k]) if k in given["numbers"] else s for k, s in enumerate(first.stacks)]
    kinds = (*first.kinds, *map(kind_of, given["new"]))
    return Audience((*stacks, *given["new"]), given["watched"], kinds)


def _wiring(first: Wiring, now: Wiring) -> dict[str, Any] | None:
    """What a change of users has made of the components; None where they are those that the scenario makes."""
    if now is first:
        return None
    parts = [(c.target, c.group, c.flow, c.users, c.current, c.declared) for c in now.components]
    judges = [[(judge.place, judge.where) for judge in many] for many in now.judges]
    return {"components": parts, "judges": judges, "direct": torch.from_numpy(now.direct)}


def _read_wiring(program: Program, audience: Audience, given: dict[str, Any] | None) -> Wiring:
    first = program.first.wiring
    if given is None:
        return first
    like = {(c.target, c.group, c.flow): c for c in reversed(first.components)}
    components = tuple(
        replace(like[target, group, flow], users=users, current=current, declared=declared)
        for target, group, flow, users, current, declared in given["components"]
    )
    return first.changed(
        components=components,
        judges=tuple(tuple(Judge(*judge) for judge in many) for many in given["judges"]),
        direct=given["direct"].numpy(),
        whole=drawn_whole(components, audience, len(first.names), program.looped),
    )
