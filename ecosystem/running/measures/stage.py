"""What the views of all measures of one round share: the states before and after it, and what is drawn of them once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.linalg import vector_norm

from ecosystem.core.check import spreads
from ecosystem.core.samples import Samples
from ecosystem.core.streams import Stream
from ecosystem.engine.judging import answers
from ecosystem.engine.program import Program
from ecosystem.engine.state import State
from ecosystem.engine.step import Played
from ecosystem.engine.wiring import taken
from ecosystem.running.measures.archive import Archive


@dataclass(eq=False)
class Stage:
    """What the views of all measures of one round show, and what they share; nothing here is a copy.

    ``before`` and ``played`` are None at the start; ``seen`` is what measures that watch have kept of the round;
    ``judged`` samples are drawn with the noise of round ``noise`` where there is no closed form.
    """

    program: Program
    state: State
    before: State | None
    played: Played | None
    judged: int
    noise: int
    archive: Archive
    seen: dict[int, list[Any]] = field(default_factory=dict)  # by the measure's id
    drawn: dict[tuple[str, int], Samples] = field(default_factory=dict)

    def samples(self, name: str, n: int) -> Samples:
        """``n`` samples of a member, ``[variants, replicates, n, *event]``, drawn once; their address is their own."""
        if (name, n) not in self.drawn:
            (c, row), program = self.program.places[name], self.program
            rng = program.rng.at("measured").at(self.noise).at(name)
            keys = Stream(rng.keys.reshape(1, 1, -1))
            questions = [program.questions[program.index[name]]]
            stack = self.state.now[c].take(slice(row, row + 1))
            self.drawn[name, n] = answers(stack, keys, n, questions)[0]
        return self.drawn[name, n]

    def happened(self) -> tuple[Tensor, Tensor, Tensor]:
        """Who retrained, with what loss, and who is there; at the start nobody has."""
        state, played = self.state, self.played
        if played is None:
            updated = torch.zeros_like(state.active)
            losses = torch.full_like(updated, torch.nan, dtype=torch.float64)
        else:
            updated, losses = played.updated, played.losses
        return updated, losses, state.active & state.alive

    def moves(self, measure: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """A function of ``‖Δθ‖`` and ``‖θ‖`` before, ``[members, variants, replicates]``; NaN at the start."""
        out = torch.full_like(self.state.active, torch.nan, dtype=torch.float64)
        then = self.before.now if self.before else ()
        for cohort, old, new in zip(self.program.cohorts, then, self.state.now, strict=False):
            first = old.vector()
            values = measure(vector_norm(new.vector() - first, dim=-1), vector_norm(first, dim=-1))
            out[cohort.span] = values.to(out)
        return out

    def moved(self) -> Tensor:
        """The furthest of ``‖Δθ‖ / (1 + ‖θ‖)``, and of the same of tastes and of groups' weights; NaN at the start."""
        out = self.moves(lambda moved, size: moved / (1 + size))
        before, state = self.before, self.state
        here = taken(state.wiring) if any(stack.learn for stack in state.audience.stacks) else set()
        for kind, (new, watched) in enumerate(zip(state.audience.stacks, state.audience.watched, strict=True)):
            if before is None or new.learn is None:
                continue
            last, first = new.reward.state(), _tastes_before(before, state, kind)
            taste = (last - first).norm(dim=-1) / (1 + first.norm(dim=-1))
            for row, member in enumerate(watched):
                if (kind, row) in here:
                    out[member] = torch.maximum(out[member], taste[row])
        for group in state.wiring.groups:
            if before is None:
                break
            then = before.weights[group.span]
            shift = (state.weights[group.span] - then).norm(dim=0) / (1 + then.norm(dim=0))
            member = state.wiring.index[group.who]
            out[member] = torch.maximum(out[member], shift)
        return out


def _tastes_before(before: State, state: State, kind: int) -> Tensor:
    """Where the tastes of a kind were; infinitely far away of users who have come in since, by an agent."""
    new, old = state.audience, before.audience
    out = torch.full_like(new.stacks[kind].reward.state(), torch.inf)
    if kind < len(old.kinds) and old.kinds[kind] == new.kinds[kind]:
        tastes = old.stacks[kind].reward.state()
        if len(tastes) <= len(out) and spreads(tastes.shape[1:], out.shape[1:]):
            there = taken(before.wiring)
            stayed = [row for row in range(len(tastes)) if (kind, row) in there]
            out[stayed] = tastes.expand(-1, *out.shape[1:])[stayed]
    return out
