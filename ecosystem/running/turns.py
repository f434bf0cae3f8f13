"""Turns: what an agent does for its member, in its turn of a round or between rounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ecosystem.core.samples import Samples, TrainingSet
from ecosystem.engine.diets import Changed
from ecosystem.engine.looking import looked
from ecosystem.engine.looped import Looped, Stack
from ecosystem.engine.program import Program
from ecosystem.engine.retraining import retrain
from ecosystem.engine.round import Round
from ecosystem.engine.stacks import columns, put, with_columns
from ecosystem.engine.state import State
from ecosystem.engine.step import Played, Watch, gather
from ecosystem.engine.waves import Task, make_tasks
from ecosystem.generators import ClosedForm, GenerativeModel

# what decisions and interventions may change while a round is being played; all else is the round's
_DECIDED = ("wiring", "declared", "shares", "absent", "audience", "clocks", "active", "frozen")


class Actor(Protocol):
    """What of an agent is asked here."""

    name: str

    def gather(self) -> Any: ...
    def retrain(self, gathered: Any) -> Tensor: ...


class Host(Protocol):
    """What of an ecosystem is asked here."""

    program: Program
    state: State

    def __getitem__(self, name: str) -> Actor: ...
    def change(self, verb: Callable[..., Changed], *arguments: Any) -> None: ...


class Turns:
    """Whose turn it is, and what can be done in it."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._turn: tuple[Round, Task, Tensor] | None = None

    @property
    def now(self) -> State:
        """The state as agents find it: in a turn, with what has become of the models in this round up to now."""
        state = self._host.state
        if self._turn is None:
            return state
        now, size = self._turn[0], state.alive.shape[1]
        if now.index is None:
            return state.with_now(now.generators)
        pairs = zip(state.now, now.generators, strict=True)
        return state.with_now([with_columns(old, new, now.index, size) for old, new in pairs])

    # -- rounds ------------------------------------------------------------------------------------------------------

    def played(self, step: Callable[..., tuple[State, Played]], watch: Watch | None) -> tuple[State, Played]:
        """The next state, and what happened; what agents have decided in their turns is kept."""
        before = self._host.state
        after, played = step(self._host.program, before, own=self._own_turn, watch=watch)
        decided = {name: getattr(self._host.state, name) for name in _DECIDED}
        decided = {name: part for name, part in decided.items() if part is not getattr(before, name)}
        if decided:
            after = after.changed(**decided)
        if "audience" in decided:  # it has not looked at this round yet
            after = looked(self._host.program, after)
        return after, played

    def _own_turn(self, now: Round, task: Task, asked: Tensor) -> Tensor:
        agent = self._host[now.program.names[int(task.members[0])]]
        self._turn = (now, task, asked)
        try:
            losses = agent.retrain(agent.gather())
        finally:
            self._turn = None
        return torch.full_like(asked, torch.nan, dtype=torch.float64) if losses is None else losses

    def _turn_of(self, name: str) -> tuple[Round, Task, Tensor]:
        """The round as an agent finds it: in its turn, or between rounds as if the next were its."""
        program, state = self._host.program, self._host.state
        member = program.index[name]
        if self._turn is not None and int(self._turn[1].members[0]) == member:
            return self._turn
        now = Round(program, state, state.round + 1, program.rng)
        live = (state.shares != 0).flatten(1).any(1).cpu().numpy()
        nothing_fresh, first = np.zeros(len(live), dtype=bool), np.zeros(len(program.names), dtype=np.int64)
        (task,) = make_tasks(program.parts, state.wiring, np.array([member]), first, nothing_fresh, live)
        alive = state.alive.unsqueeze(0)
        return now, task.bind(state.audience), alive

    def gather(self, name: str) -> Tensor | TrainingSet:
        """See :meth:`ModelAgent.gather`."""
        now, task, _ = self._turn_of(name)
        return gather(now, task)

    def retrain(self, name: str, gathered: Samples | TrainingSet) -> Tensor:
        """See :meth:`ModelAgent.retrain`."""
        now, task, asked = self._turn_of(name)
        losses = retrain(now, task, gathered, asked)
        if losses is None:
            losses = torch.full(asked.shape, torch.nan, dtype=torch.float64)
        if self._turn is None:
            state = self._host.state.with_now(now.generators)
            self._host.state = state.changed(memories=tuple(now.memories))
        return losses

    # -- generators --------------------------------------------------------------------------------------------------

    def write(self, name: str, value: GenerativeModel) -> None:
        """See :attr:`ModelAgent.generator`; between rounds it is the state that everybody reads."""
        c, row = self._host.program.places[name]
        stacks = list(self.now.now)
        stacks[c] = _with_model(stacks[c], row, value, name)
        if self._turn is None:
            self._host.state = self._host.state.with_now(stacks)
            return
        now = self._turn[0]
        now.generators[c] = stacks[c] if now.index is None else columns(stacks[c], now.index)


def _with_model(old: Stack, row: int, value: GenerativeModel, name: str) -> Stack:
    """A stack with another model in a row, for every variant and replicate alike or with their batch."""
    if isinstance(old, Looped):
        return old.put(row, value)
    if not isinstance(value, ClosedForm) or type(value) is not type(old):
        raise TypeError(f"{name!r} is a {type(old).__name__}, it cannot become {value!r}")
    size, rows = old.batch_shape[1:], torch.tensor([row]).to(old.vector().device)
    missing = 2 - len(value.batch_shape)
    tensors = {
        key: put(
            tensor,
            rows,
            fresh.to(tensor.device).reshape(*(1,) * (1 + missing), *fresh.shape).expand(1, *size, *tensor.shape[3:]),
            None,
        )
        for (key, tensor), fresh in zip(old.tensors().items(), value.tensors().values(), strict=True)
    }
    return old.rebuild(tensors)
