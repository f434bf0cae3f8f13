"""The Mesa agent behind each member."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import mesa
from torch import Tensor

from ecosystem.core.samples import Samples, TrainingSet
from ecosystem.curation import Curator
from ecosystem.engine.diets import Changed, diet, set_curation, set_flow, set_frozen, set_schedule
from ecosystem.engine.judging import opinion
from ecosystem.engine.looped import copied
from ecosystem.engine.minds import set_users
from ecosystem.engine.program import Program
from ecosystem.engine.state import State
from ecosystem.generators import GenerativeModel
from ecosystem.rewards import Reward
from ecosystem.running.recording import Recorder
from ecosystem.running.turns import Turns
from ecosystem.scenario.descriptions import Member
from ecosystem.schedules import Schedule, as_schedule


class View(Protocol):
    """What of an ecosystem its agents ask."""

    program: Program
    state: State
    turns: Turns
    recorder: Recorder
    steps: int

    def change(self, verb: Callable[..., Changed], *arguments: Any) -> None: ...


class ModelAgent(mesa.Agent):
    """A member at work: ``agent.generator`` is its torch model, ``agent.model`` the ecosystem.

    Subclass it for an experiment and pass the class to ``Member(..., agent=MyAgent)``. ``decide()`` is called before
    each round and may use the verbs below; ``gather()`` and ``retrain()`` do for one member what its cohort's wave does
    for all, and may be replaced. An agent that keeps attributes defines ``state() -> dict`` and ``load_state(dict)``,
    so that checkpoints hold them (they refuse others). Tensors have the shape ``[variants, replicates]``; a verb's
    ``where`` is such a mask.

    >>> class Cautious(ModelAgent):
    ...     def decide(self):
    ...         self.set_frozen(True, where=self.alignment < 0)
    """

    model: View

    def __init__(self, model: View, name: str, member: Member) -> None:
        super().__init__(model)
        self.name = name
        self.member = member
        self.cohort, self.row = model.program.places[name]
        self.index = model.program.index[name]

    # -- reading -------------------------------------------------------------------------------------------------

    @property
    def generator(self) -> Any:
        """A copy of its torch model as it is now, in evaluation mode; what is done to it changes nothing in the run.

        Batch dimensions ``[variants, replicates]`` of length 1 are left out. To change the member, write it back:
        ``agent.generator = model``.
        """
        part = copied(self.model.state.now[self.cohort].take(self.row))
        for dim in (1, 0):
            if part.batch_shape[dim : dim + 1] == (1,):
                part = part.take((0,) if dim == 0 else (slice(None), 0))
        models = getattr(part, "models", None)
        return models if models is not None and isinstance(models, GenerativeModel) else part

    @generator.setter
    def generator(self, value: GenerativeModel) -> None:
        """Write a model back (a copy of it), for every variant and replicate alike or with their batch."""
        self.model.turns.write(self.name, value)

    @property
    def reward(self) -> Reward | None:
        return self.member.reward

    @property
    def curator(self) -> Curator | None:
        return self.member.curator

    @property
    def schedule(self) -> Schedule:
        return self.member.schedule

    @property
    def alignment(self) -> Tensor:
        """``E r(x)`` of its own output under its own users' reward, now, ``[variants, replicates]``."""
        return self.taste(self.name)

    def taste(self, of: str) -> Tensor:
        """The expected reward of a member's output under this member's taste, ``[variants, replicates]``."""
        model = self.model
        return opinion(model.program, model.state, int(model.steps), model.recorder.record.judged, self.name, of)

    @property
    def sources(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Raw and curated shares by producer, ``[variants, replicates]`` each."""
        return diet(self.model.state, self.name)

    # -- acting --------------------------------------------------------------------------------------------------

    def decide(self) -> None:
        """What the agent does before a round; nothing by default."""

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

    # -- training ------------------------------------------------------------------------------------------------

    def gather(self) -> Tensor | TrainingSet:
        """What it would train on if it were its turn now.

        The mean statistic ``[1, variants, replicates, Q]`` where that is all its family needs, else a
        :class:`~ecosystem.core.samples.TrainingSet`: ``data [1, variants, replicates, n, *event]`` and origins.
        """
        return self.model.turns.gather(self.name)

    def retrain(self, gathered: Samples | TrainingSet) -> Tensor:
        """Fit its generator to what it gathered (or to data of its own, ``[1, variants, replicates, n, *event]``).

        Returns the loss ``[1, variants, replicates]``, NaN without one.
        """
        return self.model.turns.retrain(self.name, gathered)
