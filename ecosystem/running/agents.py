"""The Mesa agent behind each member."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from ecosystem.core.door import Door
from ecosystem.core.samples import Samples, TrainingSet
from ecosystem.curation import Users
from ecosystem.engine.diets import diet
from ecosystem.engine.judging import opinion, users_of
from ecosystem.engine.looped import copied
from ecosystem.generators import GenerativeModel
from ecosystem.running.acting import Acting, Host
from ecosystem.scenario.descriptions import Member


class ModelAgent(Acting):
    """A member at work: ``agent.generator`` is its torch model, ``agent.model`` the ecosystem.

    Subclass it for an experiment and pass the class to ``Member(..., agent=MyAgent)``. ``decide()`` is called before
    each round and may use the verbs of :class:`~ecosystem.running.acting.Acting` (``set_curation`` and the like);
    ``gather()`` and ``retrain()`` do for one member what its cohort's wave does for all, and may be replaced. An agent
    that keeps attributes defines ``state() -> dict`` and ``load_state(dict)``, so that checkpoints hold them (they
    refuse others). Tensors have the shape ``[variants, replicates]``; a verb's ``where`` is such a mask.
    ``agent.member`` is the description that it began with.

    >>> class Cautious(ModelAgent):
    ...     def decide(self):
    ...         self.set_frozen(True, where=self.alignment < 0)
    """

    acts: ClassVar[bool] = False  # whether gathering or retraining are its own: then it has turns of its own

    _repr_html_: Any = Door("ecosystem.plots.shown", "agent")

    def __init_subclass__(cls, **settings: Any) -> None:
        super().__init_subclass__(**settings)
        cls.acts = cls.gather is not ModelAgent.gather or cls.retrain is not ModelAgent.retrain

    def __init__(self, model: Host, name: str, member: Member) -> None:
        super().__init__(model, name)
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
        part = copied(self.model.turns.now.now[self.cohort].take(self.row))
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
    def alignment(self) -> Tensor:
        """``E r(x)`` of its own output under its own users' reward, now, ``[variants, replicates]``."""
        return self.taste(self.name)

    def taste(self, of: str) -> Tensor:
        """The expected reward of a member's output under this member's taste, ``[variants, replicates]``."""
        model = self.model
        judged, noise = model.recorder.record.jury(int(model.steps))
        return opinion(model.program, model.turns.now, noise, judged, self.name, of)

    def users(self, variant: int = 0, replicate: int = 0) -> Users | None:
        """A copy of its users as they are now, in one variant and replicate; None where it has no taste."""
        found = users_of(self.model.state, self.index, variant, replicate)
        return None if found is None else found.map(torch.clone)

    @property
    def sources(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Raw and curated shares by producer, ``[variants, replicates]`` each."""
        return diet(self.model.state, self.name)

    # -- acting --------------------------------------------------------------------------------------------------

    def decide(self) -> None:
        """What the agent does before a round; nothing by default."""

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
