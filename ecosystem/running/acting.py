"""What an agent may do to its own part of an ecosystem; each is a row of the table ``changes``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import mesa
from torch import Tensor

from ecosystem.curation import Curator
from ecosystem.engine.diets import Changed, intervene, set_curation, set_flow, set_frozen, set_schedule
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

    def change(self, verb: Callable[..., Changed], *arguments: Any) -> None: ...


class Acting(mesa.Agent):
    """The verbs of an agent. Its ``where`` is a mask ``[variants, replicates]``; None is everywhere."""

    model: Host

    def __init__(self, model: Host, name: str) -> None:
        super().__init__(model)
        self.name = name

    def set_flow(self, source: str, *, raw: Any = None, curated: Any = None, where: Tensor | None = None) -> None:
        """Change the shares it takes from a producer; what is given up becomes real data."""
        self.model.change(set_flow, source, self.name, raw, curated, where)

    def set_curation(self, level: Any, where: Tensor | None = None) -> None:
        """Change its curation level ``λ``."""
        self.model.change(set_curation, self.name, level, where)

    def set_curator(self, curator: Curator, reward: Any = None, where: Tensor | None = None) -> None:
        """Change how its users choose, and by what taste if a ``reward`` is given: then it is judged by that too."""
        self.model.change(set_users, self.name, curator, reward, where)

    def set_schedule(self, schedule: Any, where: Tensor | None = None) -> None:
        """Change when it retrains."""
        self.model.change(set_schedule, self.name, as_schedule(schedule), where)

    def set_frozen(self, frozen: bool, where: Tensor | None = None) -> None:
        """Stop or resume retraining."""
        self.model.change(set_frozen, self.name, frozen, where)

    def remove(self) -> None:
        """Leave the ecosystem, in every replicate, as :class:`~ecosystem.Leave` does; its shares become real data."""
        self.model.change(intervene, [Leave(self.name)])
