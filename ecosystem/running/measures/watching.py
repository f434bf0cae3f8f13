"""What is to be seen while a round is played: samples drawn, choices of users, training sets.

A measure that wants to see some of it has an attribute ``watches``, a dict ``{what: function}``: the function is called
with each such event, and what it returns is kept until the round is over, for ``view.seen(measure)``. Let it keep
little: a round may draw gigabytes.

>>> @watching(chosen=lambda event: (event.target, event.variant, event.replicate, event.after))
... def kept_reward(view):
...     total = torch.zeros(view.updated.shape, dtype=torch.float64)
...     for *cell, reward in view.seen(kept_reward):
...         total.index_put_(tuple(cell), reward, accumulate=True)
...     return total
>>> sorted(kept_reward.watches)
['chosen']
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from ecosystem.core.samples import Samples, TrainingSet
from ecosystem.curation.base import judged
from ecosystem.engine.judging import users_of
from ecosystem.engine.program import Program
from ecosystem.engine.state import State
from ecosystem.engine.waves import Task
from ecosystem.engine.wiring import CURATED
from ecosystem.rewards import Reward

EVENTS = ("drawn", "chosen", "trained")


class Part(NamedTuple):
    """A component of a diet: whose it is (the member's place), whose samples (a member, or "real"), chosen or raw."""

    member: int
    source: str
    curated: bool

    @property
    def label(self) -> str:
        """In words, for people: two members may have names that make one label."""
        return self.source + (" (curated)" if self.curated else "")


@dataclass(frozen=True, eq=False)
class Drawn:
    """How many samples came from each component of some diets.

    ``parts``: what each component is; ``counts [parts, variants, replicates]``, 0 in replicates that are played apart;
    ``dormant [parts, variants]``: which have no share in a variant's scenario, but perhaps in others, or by what agents
    do.
    """

    parts: list[Part]
    counts: Tensor
    dormant: Tensor


@dataclass(frozen=True, eq=False)
class Chosen:
    """What users with a taste kept of slates, all ``[m]``: places of ``source`` and ``target``, the cell, samples.

    ``shown [m, *event]`` are the first candidates, ``kept`` what they chose; ``before`` and ``after`` their reward.
    """

    source: Tensor
    target: Tensor
    variant: Tensor
    replicate: Tensor
    shown: Samples
    kept: Samples
    before: Tensor
    after: Tensor


@dataclass(frozen=True, eq=False)
class Trained:
    """A member (its place) in one variant and replicate trains on ``data``; ``reward [n]`` by its own users' taste.

    NaN where it has none.
    """

    member: int
    variant: int
    replicate: int
    data: TrainingSet
    reward: Tensor


F = TypeVar("F", bound=Callable[..., Any])


def watching(**watches: Callable[[Any], Any]) -> Callable[[F], F]:
    """Above a measure: what it wants to be told while a round is played, see :data:`EVENTS`."""

    def marked(measure: F) -> F:
        measure.watches = watches  # type: ignore[attr-defined]
        return measure

    return marked


Watching = Sequence[tuple[Callable[[Any], Any], list[Any]]]  # functions, and where what they return is kept


class Witness:
    """Sees what some of the replicates do in one round, and tells those who watch."""

    def __init__(self, program: Program, state: State, replicates: Tensor, watching: Mapping[str, Watching]) -> None:
        self.program, self.state, self.replicates = program, state, replicates
        self.watching = watching

    def drawn(self, task: Task, counts: Tensor) -> None:
        """``counts [components, variants, replicates]`` samples of the components of a task were drawn."""
        components = self.state.wiring.components
        parts = [
            Part(c.target, c.flow[0] if c.flow else "real", c.group == CURATED)
            for c in (components[i] for i in task.components)
        ]
        table = counts.new_zeros(*counts.shape[:2], len(self.program.rng.keys))
        table[:, :, self.replicates] = counts
        off = [[part in some for some in _dormant(self.program)] for part in parts]
        dormant = torch.tensor(off, device=counts.device)
        self._tell("drawn", lambda: Drawn(list(parts), table.clone(), dormant.clone()))

    def chosen(
        self, cells: tuple[Tensor, Tensor, Tensor, Tensor], reward: Reward | None, shown: Samples, kept: Samples
    ) -> None:
        """Users with this taste, batch ``[m]``, kept ``kept [m, *event]`` of slates that began with ``shown``.

        ``cells``, each ``[m]``: source, target, variant, and replicate of the round.
        """
        if not self.watching["chosen"] or reward is None:
            return
        source, target, variant, replicate = cells
        replicate = self.replicates[replicate]
        before, after = judged(reward, shown), judged(reward, kept)

        def event() -> Chosen:
            cell = (source.clone(), target.clone(), variant.clone(), replicate.clone())
            return Chosen(*cell, shown.clone(), kept.clone(), before.clone(), after.clone())

        self._tell("chosen", event)

    def trained(self, cell: tuple[int, int, int], given: TrainingSet) -> None:
        """The member in ``cell`` (member, variant, replicate of the round) retrains on ``given``."""
        if not self.watching["trained"]:
            return
        member, replicate = cell[0], int(self.replicates[cell[2]])
        users = users_of(self.state, member, cell[1], replicate)
        taste = None if users is None else users.reward
        reward = torch.full_like(given.origin, torch.nan, dtype=torch.float64)
        if taste is not None:
            reward = taste.judge(given.data).detach().double()

        def event() -> Trained:
            data = TrainingSet(given.data.clone(), given.origin.clone(), given.round.clone())
            return Trained(member, cell[1], replicate, data, reward.clone())

        self._tell("trained", event)

    def _tell(self, what: str, event: Callable[[], Any]) -> None:
        """Each is told of an event of its own, so that nobody can spoil another's."""
        for function, kept in self.watching[what]:
            kept.append(function(event()))


def _dormant(program: Program) -> list[set[Part]]:
    """By variant: the parts of diets that its scenario names without giving them a share."""
    if "dormant" not in program.memo:
        program.memo["dormant"] = [set(_without_share(program, variant)) for variant in range(program.cell[0])]
    return program.memo["dormant"]


def _without_share(program: Program, variant: int) -> Iterator[Part]:
    scenario = program.scenarios[variant]
    for u, v, flow in scenario.graph.edges(data="flow"):
        if not flow.curated:
            yield Part(program.index[v], u, True)
        if not flow.raw:
            yield Part(program.index[v], u, False)
    yield from (Part(i, "real", False) for i, name in enumerate(program.names) if not scenario.real_share(name))
