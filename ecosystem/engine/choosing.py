"""Users who choose between members do so: their weights before a round, by what members are after the last one."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ecosystem.core.check import real_tensor, returned, users_code
from ecosystem.curation.demand import Switching
from ecosystem.engine.judging import opinion, opinions
from ecosystem.engine.pools import Group, unused
from ecosystem.engine.program import Program
from ecosystem.engine.state import State, in_effect, there

Cell = tuple[int, int, int]  # member, variant, replicate

_ROUNDING = 1e-6


def chosen(program: Program, state: State) -> tuple[State, dict[Cell, str]]:
    """The state after users have chosen: weights, and the shares that these set; and who could not, with the reason.

    Each group goes by ``J_j``, what its taste as it is now (of one without, that of the member's own users) expects of
    a member. Weights of those who are absent wait for them; in replicates that were stopped nobody chooses.
    """
    if not state.wiring.groups:
        return state, {}
    weights, why = [], {}
    for group in state.wiring.groups:
        alignment = worth(program, state, group).to(state.weights)
        weights.append(_chosen(state, group, alignment))
        why |= {} if program.differentiable else _unjudged(state, group, alignment)
    new = state.changed(weights=torch.cat(weights))
    return new.changed(shares=in_effect(new)), why


def _unjudged(state: State, group: Group, alignment: Tensor) -> dict[Cell, str]:
    """Where a group cannot tell what a member that is there is worth to it, by (its member, variant, replicate)."""
    wrong = ~alignment.isfinite() & (state.active & state.alive)[_members(state, group)]
    if not bool(wrong.any()):
        return {}
    who = state.wiring.index[group.who]
    return {
        (who, variant, replicate): f"the demand of {group.who!r} cannot judge {group.demand.among[j]!r} in round "
        f"{state.round + 1}: what its reward expects is {float(alignment[j, variant, replicate])}"
        for j, variant, replicate in wrong.nonzero().tolist()
    }


def _members(state: State, group: Group) -> Tensor:
    return torch.tensor([state.wiring.index[name] for name in group.demand.among], device=state.weights.device)


def used(state: State, due: Tensor) -> Tensor:
    """Who is ``due`` and fed by users, if it lives on their choice: the others have nothing to train on."""
    if not state.wiring.groups:
        return due
    return due & ~unused(state.wiring.pools, there(state), state.weights, len(state.wiring.names))


def kept(state: State, before: State) -> State:
    """The state after a round with the weights of ``before`` where replicates were stopped in it."""
    if not state.wiring.groups:
        return state
    return state.changed(weights=torch.where(state.alive, state.weights, before.weights))


def worth(program: Program, state: State, group: Group) -> Tensor:
    """What a group thinks of each member that it may use, ``[n, variants, replicates]``."""
    own = bool(state.wiring.judges[state.wiring.index[group.who]])
    judged = group.demand.judged
    if own:
        return torch.stack(opinions(program, state, state.round, judged, group.who, group.demand.among))
    return torch.stack([opinion(program, state, state.round, judged, name, name) for name in group.demand.among])


def _chosen(state: State, group: Group, alignment: Tensor) -> Tensor:
    """The weights of a group ``[n, variants, replicates]`` after it has chosen."""
    old = state.weights[group.span]
    here, known = state.active[_members(state, group)], state.alive & ~alignment.isnan().any(0)
    if bool(here.all()):
        new = _moved(group, old, alignment)
    else:
        free = torch.where(here, old, 0.0).sum(0)
        kept = torch.where(here, old, 0.0) / torch.where(free > 0, free, 1.0)
        moved = _moved(group, kept, torch.where(here, alignment, -torch.inf))
        new = torch.where(here & (free > 0), moved * free, old)
    return torch.where(known, new, old)


def _moved(group: Group, weights: Tensor, alignment: Tensor) -> Tensor:
    """How a group switches: at once where its way serves any batch, else cell by cell."""
    choice, (w, j) = group.demand.choice, (t.movedim(0, -1) for t in (weights, alignment))
    if choice.batched:
        return choice.move(w, j).movedim(-1, 0)
    wide = choice.map(lambda t: t.expand(*w.shape[:2], *t.shape[2:]))
    cells = [_asked(group, wide.take(cell), w[cell], j[cell]) for cell in np.ndindex(*w.shape[:2])]
    return torch.stack(cells).reshape(w.shape).movedim(-1, 0)


def _asked(group: Group, choice: Switching, weights: Tensor, alignment: Tensor) -> Tensor:
    with users_code(lambda: f"move(weights, alignment) of {choice}, the demand of {group.who!r},"):
        new = choice.move(weights, alignment)
    fits = real_tensor(new) and new.shape == weights.shape
    if not fits or bool((new < 0).any()) or not abs(float(new.detach().sum()) - 1) <= _ROUNDING:
        told = f"{new.tolist()}" if fits else returned(new)
        raise ValueError(
            f"move(weights, alignment) of {choice}, the demand of {group.who!r}, must return {len(weights)} weights "
            f"that are not negative and add up to 1, got {told}"
        )
    return new.to(weights)
