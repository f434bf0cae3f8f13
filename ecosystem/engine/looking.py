"""Users who move look at what is new: where tastes are after a round.

Models retrain first, then users look at the new output of the member they belong to (users of a flow's own: of its
producer), as in Wei, Xie, Zhu, Zhang 2026 (2610.09415). On the population they see its law, else as many samples as a
member trains on, with an address of their own.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ecosystem.core.streams import Stream
from ecosystem.curation import OfLaw, OfSamples, Seen, Users
from ecosystem.engine.judging import answers
from ecosystem.engine.looped import Looped
from ecosystem.engine.program import Program
from ecosystem.engine.state import State


def looked(program: Program, state: State) -> State:
    """The state after all users who move have looked at what members make now.

    Those of members that are absent, and of replicates that were stopped, stay as they are.
    """
    audience = state.audience
    for kind, stack in enumerate(audience.stacks):
        if stack.learn is not None:
            audience = audience.replaced(kind, _moved(program, state, stack, audience.watched[kind]))
    return state if audience is state.audience else state.changed(audience=audience)


def _moved(program: Program, state: State, users: Users, watched: tuple[int, ...]) -> Users:
    """All users of a kind ``[rows, variants, replicates or 1]``, some rows at a time: those who look at one cohort."""
    shape = (len(watched), *state.alive.shape)
    wide = users.map(lambda t: t.expand(*shape, *t.shape[3:]))
    new = wide
    found = torch.tensor([program.places[program.names[member]] for member in watched])  # cohort, row
    for c in found[:, 0].unique().tolist():
        here = (found[:, 0] == c).nonzero().squeeze(-1)
        rows, places = (part.to(state.alive.device) for part in (here, found[here, 1]))
        members = program.cohorts[c].index[places]
        there = (state.active & state.alive)[members]
        some = wide.take(rows)
        when = state.round or None if users.learn.timed else None
        looking = some.look(_seen(program, state, c, places, members, found[here, 1].tolist(), when))
        parts = {n: _where(there, t, some.tensors()[n]) for n, t in looking.tensors().items()}
        new = new.rebuild({n: t.index_copy(0, rows, parts[n]) for n, t in new.tensors().items()})
    return new


def _where(there: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(there.reshape(*there.shape, *(1,) * (new.ndim - 3)), new, old)


def _seen(
    program: Program, state: State, c: int, places: Tensor, members: Tensor, at_home: list[int], when: int | None
) -> Seen:
    """What some members of a cohort make now, batch ``[rows, variants, replicates]``."""
    stack = state.now[c].take(places)
    if program.samples is None and not isinstance(stack, Looped):
        return OfLaw(stack.law(), when)
    keys = program.root("seen").at(state.round).keys.reshape(1, 1, -1)
    rng = Stream(keys).at(program.words[members].reshape(-1, 1, 1))
    asked = [program.questions[program.cohorts[c].ids[place]] for place in at_home]
    return OfSamples(answers(stack, rng, program.samples or 1, asked), batch=3, round=when)
