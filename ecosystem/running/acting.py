"""What an agent may do to its own part of an ecosystem; each is a row of the table ``changes``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import mesa
import torch
from torch import Tensor

from ecosystem.curation import Curator
from ecosystem.engine.diets import Changed, diet, intervene, set_curation, set_flow, set_frozen, set_schedule
from ecosystem.engine.minds import set_users
from ecosystem.engine.program import Program
from ecosystem.engine.state import State
from ecosystem.running.recording import Recorder
from ecosystem.running.turns import Turns
from ecosystem.scenario.interventions import Leave
from ecosystem.schedules import as_schedule


class Host(Protocol):
    """What of an ecosystem its agents ask."""

    program: Program
    state: State
    turns: Turns
    recorder: Recorder
    steps: int

    @property
    def grid(self) -> Any: ...
    def change(self, verb: Callable[..., Changed], *arguments: Any) -> None: ...


_VERBS = {
    "curation": "set_curation(level)",
    "curator": "set_curator(curator)",
    "reward": "set_curator(curator, reward=reward)",
    "schedule": "set_schedule(schedule)",
    "frozen": "set_frozen(frozen)",
}


class Acting(mesa.Agent):
    """The verbs of an agent. Its ``where`` is a mask ``[variants, replicates]``; None is everywhere."""

    model: Host

    def __init__(self, model: Host, name: str) -> None:
        super().__init__(model)
        self.name = name

    @property
    def curation(self) -> Tensor:
        """Its curation level ``λ`` now, the sum of its curated shares, ``[variants, replicates]``."""
        state = self.model.state
        nothing = torch.zeros_like(state.alive, dtype=torch.float64)
        return sum((curated for _, curated in diet(state, self.name).values()), nothing)

    @property
    def frozen(self) -> Tensor:
        """Where it does not retrain, ``[variants, replicates]``."""
        return self.model.state.frozen[self.model.program.index[self.name]].clone()

    @property
    def cell(self) -> Any:
        """Where Mesa's tools draw it, in ``ecosystem.grid``."""
        return self.model.grid[self.model.program.index[self.name]]

    def set_flow(self, source: str, *, raw: Any = None, curated: Any = None, where: Tensor | None = None) -> None:
        """Change the shares it takes from a producer; what is given up becomes real data.

        ValueError where users' demand divides its diet, for what it sees there is not what is declared.
        """
        _check_undivided(self, "set_flow")
        self.model.change(set_flow, source, self.name, raw, curated, where)

    def set_curation(self, level: Any, where: Tensor | None = None) -> None:
        """Change its curation level ``λ``; ValueError as of :meth:`set_flow`."""
        _check_undivided(self, "set_curation")
        self.model.change(set_curation, self.name, level, where)

    def set_curator(self, curator: Curator | None = None, reward: Any = None, where: Tensor | None = None) -> None:
        """Change how its users choose, or by what taste, or both: by a new ``reward`` it is judged from then on too."""
        if curator is None and reward is None:
            raise TypeError("set_curator() takes a curator such as Luce(4), a reward, or both")
        self.model.change(set_users, self.name, curator, reward, where)

    def set_schedule(self, schedule: Any, where: Tensor | None = None) -> None:
        """Change when it retrains."""
        self.model.change(set_schedule, self.name, as_schedule(schedule), where)

    def set_frozen(self, frozen: bool, where: Tensor | None = None) -> None:
        """Stop or resume retraining."""
        self.model.change(set_frozen, self.name, frozen, where)

    def step(self) -> None:
        """Refused: Mesa's own does nothing, and a member's turn is the ecosystem's to give."""
        raise TypeError(
            f"the agent of {self.name!r} has no step of its own: ecosystem.step() plays a round for all members; "
            "what an agent does before one is its decide()"
        )

    advance = step

    def __setattr__(self, name: str, value: Any) -> None:
        verb = _VERBS.get(name)
        if verb is not None and getattr(type(self), name, None) is getattr(Acting, name, None):
            raise AttributeError(
                f"setting {name} of the agent of {self.name!r} would change nothing; call agent.{verb}, or give an "
                "attribute of your own another name"
            )
        super().__setattr__(name, value)

    def remove(self) -> None:
        """Leave the ecosystem, in every replicate, as :class:`~ecosystem.Leave` does; its shares become real data."""
        self.model.change(intervene, [Leave(self.name)])


def _check_undivided(agent: Acting, verb: str) -> None:
    """Refuse to write shares that users' demand divides."""
    pools, place = agent.model.state.wiring.pools, agent.model.program.index[agent.name]
    if any(place in pool.target.tolist() for pool in pools):
        raise ValueError(
            f"{agent.name!r} cannot {verb}: users' demand divides what it reads, and what it would write are the "
            "shares that demand divides, not those that it sees; leave it to demand, or change the declared shares "
            "by an intervention"
        )
