"""Agents of one's own in checkpoints: what they keep comes back if they say it, and is refused if they do not."""

from __future__ import annotations

from types import FunctionType
from typing import Any

import numpy as np
from torch import Tensor

from ecosystem.core.identity import class_parts, digest
from ecosystem.running.agents import ModelAgent
from ecosystem.running.checkpoints.host import Host

_EVERYBODYS = {"model", "unique_id", "pos", "name", "member", "cohort", "row", "index"}  # Mesa's and ModelAgent's
_CHANGEABLE = (list, dict, set, Tensor, np.ndarray)


class Watch:
    """Knows of every agent how its state is written, and looks for what would be lost.

    An agent that keeps anything has ``state() -> dict`` and ``load_state(dict)``. All that others hold (attributes,
    those of the class, globals that its code reads, and what is in them) must be as it was when the watch began: a run
    that goes on builds them anew. A watch that begins in the middle of a run does not know how they were, and refuses
    every attribute of their own.
    """

    def __init__(self, eco: Host) -> None:
        agents = [] if eco.unmet else [eco[name] for name in eco.names]  # while nobody has any there is nothing to lose
        self._eco = eco
        self.speaking = [agent for agent in agents if _speaks(agent)]
        self._silent = [agent for agent in agents if type(agent) is not ModelAgent and not _speaks(agent)]
        self._known: dict[str, Any] = {"ecosystem": eco}  # they count as themselves: rounds change them
        self._known |= {f"agent {a.name}": a for a in agents} | {f"member {a.name}": a.member for a in agents}
        self._before = self._held()
        if eco.steps:
            for agent, held in zip(self._silent, self._before, strict=True):
                for name in _own(agent):
                    del held[name]

    def check(self) -> None:
        """Refuse agents that have kept something in secret, and those that are no members."""
        if self._eco.unmet:
            return
        members = {id(self._eco[name]) for name in self._eco.names}
        if strangers := sorted({type(agent).__name__ for agent in self._eco.agents if id(agent) not in members}):
            raise ValueError(
                f"agents beside those of the members ({', '.join(strangers)}) are not in a checkpoint; keep what they "
                "know in the agent of a member, with state() and load_state(state)"
            )
        for agent, before, now in zip(self._silent, self._before, self._held(), strict=True):
            lost = {name for name in (*before, *now) if now.get(name) is None or now[name] != before.get(name)}
            if lost:
                raise ValueError(
                    f"the agent of {agent.name!r} keeps {', '.join(sorted(lost))}, which a checkpoint would lose; give "
                    f"{type(agent).__name__} a method state() that returns it as a dict, and load_state(state)"
                )

    def _held(self) -> list[dict[str, str | None]]:
        """Digests of what silent agents hold, by name; None for what cannot be looked into."""
        kinds = {kind: self._by_class(kind) for kind in dict.fromkeys(map(type, self._silent))}
        return [kinds[type(agent)] | self._by_itself(agent) for agent in self._silent]

    def _by_class(self, kind: type) -> dict[str, str | None]:
        return {
            f"what {name}() reads" if isinstance(item, FunctionType) else name: digest(item, self._known)
            for name, item in _shared(kind).items()
        }

    def _by_itself(self, agent: ModelAgent) -> dict[str, str | None]:
        held: dict[str, str | None] = {}
        for name, value in vars(agent).items():
            try:
                held[name] = digest(value, self._known, whole=True)
            except TypeError:
                held[name] = None
        return held


def _speaks(agent: ModelAgent) -> bool:
    """Whether its class has a state; refused where it has half of one."""
    has = [callable(getattr(type(agent), name, None)) for name in ("state", "load_state")]
    if any(has) and not all(has):
        raise TypeError(f"the agent of {agent.name!r} needs both state() and load_state(state) to be in a checkpoint")
    return all(has)


def _shared(kind: type) -> dict[str, Any]:
    """What stands in the classes of one's own."""
    own = [base for base in reversed(kind.__mro__) if base not in ModelAgent.__mro__]
    return {name: item for base in own for name, item in class_parts(base).items()}


def _own(agent: ModelAgent) -> set[str]:
    """The attributes that only this agent has, and those of its classes that can change."""
    shared = {name for name, item in _shared(type(agent)).items() if isinstance(item, _CHANGEABLE)}
    return shared | (set(vars(agent)) - _EVERYBODYS)
