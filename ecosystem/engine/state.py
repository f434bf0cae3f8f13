"""The state of an ecosystem: all that its rounds change, as one value.

A state is never changed: a round, a decision or an intervention gives another. Stacks and tensors that did not change
are shared between states, so keeping old ones costs little.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ecosystem.engine.audience import Audience
from ecosystem.engine.looped import Stack
from ecosystem.engine.pools import weighed
from ecosystem.engine.stacks import columns, with_columns
from ecosystem.engine.wiring import Wiring, filled, parts_of
from ecosystem.schedules import Schedule

Memory = dict[Any, Any]


@dataclass(frozen=True)
class Clock:
    """A schedule that an agent has set for a ``member`` in some replicates, ``where [variants, replicates]``."""

    member: int
    schedule: Schedule  # batch [1, 1, 1]
    where: Tensor


@dataclass(frozen=True, eq=False)
class State:
    """Everything after ``round`` rounds.

    ``past[d][c]`` is cohort ``c`` as it was ``d`` rounds ago, ``past[0]`` as it is now; ``memories[c]`` what its
    retention has kept. ``declared [components, variants, replicates or 1]`` are the shares that diets name, ``shares``
    those of them that are there (neither end of the flow is ``absent``) with real data for the rest. ``active``,
    ``frozen [members, variants, replicates]``; ``alive [variants, replicates]``: replicates that have not diverged;
    ``weights [choices, variants, replicates]``: of users who choose between members, group by group.
    """

    round: int
    past: tuple[tuple[Stack, ...], ...]
    memories: tuple[Memory, ...]
    wiring: Wiring
    declared: Tensor
    shares: Tensor
    absent: frozenset[str | tuple[str, str]]
    audience: Audience
    clocks: tuple[Clock, ...]
    active: Tensor
    frozen: Tensor
    alive: Tensor
    weights: Tensor

    @property
    def now(self) -> tuple[Stack, ...]:
        """The generators of all cohorts."""
        return self.past[0]

    def changed(self, **parts: Any) -> State:
        """Another state with some parts changed."""
        return replace(self, **parts)

    def with_now(self, stacks: tuple[Stack, ...] | list[Stack]) -> State:
        """With other generators, which everybody finds before the next round."""
        return self.changed(past=(tuple(stacks), *self.past[1:]))

    def presence(self, component: int) -> bool:
        """Whether neither a flow nor one of its ends is absent."""
        flow = self.wiring.components[component].flow
        return flow is None or not self.absent & {*flow, flow}

    # -- some of the replicates --------------------------------------------------------------------------------------

    def columns(self, index: Tensor) -> State:
        """The same for some of the replicates (``index`` int64)."""
        return self.changed(
            past=tuple(tuple(columns(stack, index) for stack in then) for then in self.past),
            memories=tuple(
                {key: value[:, :, index] if isinstance(value, Tensor) else value for key, value in memory.items()}
                for memory in self.memories
            ),
            shares=self.shares if self.shares.shape[2] == 1 else self.shares[:, :, index],
            audience=self.audience.columns(index),
            active=self.active[:, :, index],
            frozen=self.frozen[:, :, index],
            alive=self.alive[:, index],
            weights=self.weights[:, :, index],
        )


def in_effect(state: State) -> Tensor:
    """The shares of what is there, as users who choose between members set them, with real data for the rest.

    ``[components, variants, replicates or 1]``.
    """
    return weighed(state.wiring.pools, there(state), state.weights)


def there(state: State) -> Tensor:
    """The declared shares of what is there, with real data for the rest, before users set any."""
    wiring = state.wiring
    if not state.absent:
        return filled(wiring, state.declared)
    active = np.append(state.active[:, 0, 0].cpu().numpy(), True)  # the last is real data, whose number is −1
    present = active[wiring.producer] & active[wiring.target]
    for subject in state.absent:
        if isinstance(subject, tuple):
            present[parts_of(wiring, subject)] = False
    shown = torch.from_numpy(present).to(state.declared.device)
    return filled(wiring, torch.where(shown.reshape(-1, 1, 1), state.declared, 0.0))


def merged(
    before: State, stacks: list[Stack], memories: list[Memory], part: tuple[list[Stack], list[Memory]], index: Tensor
) -> None:
    """Take over what became of the generators and memories of some of the replicates of the state ``before``."""
    size = before.alive.shape[1]
    for c, new in enumerate(part[0]):
        stacks[c] = with_columns(stacks[c], new, index, size)
    for memory, kept, old in zip(memories, part[1], before.memories, strict=True):
        for key, value in kept.items():
            if isinstance(value, Tensor):
                blank = value.new_zeros(*value.shape[:2], size, *value.shape[3:])
                memory[key] = memory.get(key, blank).index_copy(2, index, value)
            elif value is not old.get(key):  # of other replicates it knows what there was before
                memory[key] = value
