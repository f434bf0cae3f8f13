"""Agents of one's own in checkpoints: what they keep comes back if they say it, and is refused if they do not."""

from __future__ import annotations

import copy
import dis
import types
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from ecosystem.running.agents import ModelAgent
from ecosystem.running.checkpoints.same import same

if TYPE_CHECKING:
    from ecosystem.running.ecosystem import Ecosystem

_OURS = ModelAgent.__mro__


class Watch:
    """Knows of every agent how its state is written, and looks for what would be lost.

    An agent class that keeps anything defines ``state() -> dict`` and ``load_state(dict)``. Refused at once are other
    classes whose code sets attributes, and as soon as they are seen attributes that have come up and containers of the
    class that have changed.
    """

    def __init__(self, eco: Ecosystem) -> None:
        agents = [eco[name] for name in eco.names]
        self.speaking = [agent for agent in agents if _speaks(agent)]
        self._silent = [agent for agent in agents if type(agent) is not ModelAgent and agent not in self.speaking]
        for agent in self._silent:
            _refuse(agent, _set_by_code(type(agent)))
        self._before = [copy.deepcopy(_containers(type(agent))) for agent in self._silent]

    def check(self) -> None:
        """Refuse agents that have kept something in secret."""
        for agent, before in zip(self._silent, self._before, strict=True):
            _refuse(agent, set(vars(agent)) - _known_attributes())
            now = _containers(type(agent))
            _refuse(agent, {name for name in now if not same(now[name], before.get(name))})


def _speaks(agent: ModelAgent) -> bool:
    """Whether its class has a state; refused where it has half of one."""
    has = [callable(getattr(type(agent), name, None)) for name in ("state", "load_state")]
    if any(has) and not all(has):
        raise TypeError(f"the agent of {agent.name!r} needs both state() and load_state(state) to be in a checkpoint")
    return all(has)


def _refuse(agent: ModelAgent, names: set[str]) -> None:
    if names:
        raise ValueError(
            f"the agent of {agent.name!r} keeps {', '.join(sorted(names))}, which a checkpoint would lose; give "
            f"{type(agent).__name__} a method state() that returns it as a dict, and load_state(state)"
        )


def _own_classes(kind: type) -> list[type]:
    return [base for base in kind.__mro__ if base not in _OURS]


def _set_by_code(kind: type) -> set[str]:
    """The attributes that the code of a class sets, of itself or others, and that are no properties."""
    names = {name for base in _own_classes(kind) for name in _stored(base)} - _known_attributes()
    return {name for name in names if not isinstance(getattr(kind, name, None), property)}


def _known_attributes() -> set[str]:
    """What every agent has: Mesa's attributes and those of :class:`ModelAgent`."""
    return {name for base in _OURS for name in _stored(base)}


def _stored(kind: type) -> set[str]:
    functions = [value for value in vars(kind).values() if isinstance(value, types.FunctionType)]
    steps = [step for function in functions for step in dis.get_instructions(function)]
    return {step.argval for step in steps if step.opname == "STORE_ATTR"}


def _containers(kind: type) -> dict[str, Any]:
    """What can change in a class itself."""
    many = {name: value for base in reversed(_own_classes(kind)) for name, value in vars(base).items()}
    return {n: v for n, v in many.items() if isinstance(v, list | dict | set | Tensor | np.ndarray) and n[:2] != "__"}
