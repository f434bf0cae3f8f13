"""Who is due in a round, by the schedules of members and the clocks of agents."""

from __future__ import annotations

import torch
from torch import Tensor

from ecosystem.core.streams import Stream
from ecosystem.engine.program import Program
from ecosystem.engine.state import State
from ecosystem.schedules import Schedule

_NOBODY = Stream(torch.zeros(1, 1, 1, dtype=torch.int64))  # whose numbers a schedule that is not random never asks


def due(program: Program, state: State, number: int) -> Tensor:
    """Who retrains in a round, ``[members, variants, replicates]``.

    Schedules are asked on the CPU; who diverged is known where the ecosystem lives, and what is decided is sent there.
    """
    if state.clocks or not all(schedule.stays(number) for _, schedule in program.clocks):
        return _asked(program, state, number)
    masks = (state.active, state.frozen, state.alive)
    known = program.memo.get("due")
    if known is None or any(a is not b for a, b in zip(known[0], masks, strict=True)):
        known = program.memo["due"] = masks, _asked(program, state, number)
    return known[1]


def _asked(program: Program, state: State, number: int) -> Tensor:
    """The same, of everybody who has a clock."""
    out = torch.zeros(state.active.shape, dtype=torch.bool)
    for (ids, schedule), where in zip(program.clocks, program.spans, strict=True):
        out[where] = _answer(program, schedule, number, ids)
    for clock in state.clocks:
        answer = _answer(program, clock.schedule, number, torch.tensor([clock.member]))[0]
        out[clock.member] = torch.where(clock.where.cpu(), answer, out[clock.member])
    out = out & at_home(program, "active", state.active) & ~at_home(program, "frozen", state.frozen)
    if state.alive.is_cpu:
        return out & state.alive
    before, sent = program.memo.get("sent", (None, None))
    if before is None or not torch.equal(before, out):
        before, sent = program.memo["sent"] = out, out.to(state.alive.device)
    asked = sent & state.alive  # type: ignore[operator]
    program.memo["home", "due"] = asked, before
    return asked


def at_home(program: Program, what: str, mask: Tensor) -> Tensor:
    """A mask on the CPU, brought there once for as long as it stays; of who is due, who was before anybody diverged."""
    if mask.is_cpu:
        return mask
    known = program.memo.get(("home", what))
    if known is None or known[0] is not mask:
        known = program.memo["home", what] = mask, mask.cpu()
    return known[1]


def _answer(program: Program, schedule: Schedule, number: int, members: Tensor) -> Tensor:
    stream = _NOBODY
    if schedule.random:
        words = at_home(program, "words", program.words)[members].reshape(-1, 1, 1)
        stream = Stream(program.lots.at("schedule").keys.reshape(1, 1, -1)).at(words)
    return schedule.says(number, stream, (len(members), *program.cell))
