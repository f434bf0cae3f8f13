"""What a measure sees of an ecosystem after a round; whatever it does to it changes nothing in the run."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ecosystem.core.laws import NoPopulationLaw
from ecosystem.core.samples import TokenCodec
from ecosystem.curation import Users
from ecosystem.engine.audience import NOWHERE, in_cell
from ecosystem.engine.judging import alignments, opinion, users_of
from ecosystem.engine.looped import Looped, copied
from ecosystem.generators.base import codec_of
from ecosystem.running.measures.archive import Part
from ecosystem.running.measures.stage import Stage
from ecosystem.scenario.checks import check_known


class View:
    """An ecosystem after ``round`` rounds, as a measure sees it.

    Tensors live where the ecosystem does and have the shape ``[members, variants, replicates]``, members in the order
    of ``names``: who was ``updated`` in the round, the training ``losses`` (NaN where there is none), who is
    ``present`` (there, in a replicate that has not diverged); ``alive [variants, replicates]``. ``judged`` is how many
    samples are asked for unless a measure says otherwise. All that a view gives is a copy.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.names = stage.program.names
        self.round = stage.state.round
        self.judged = stage.judged

    @cached_property
    def events(self) -> dict[str, tuple[tuple[int, ...], tuple[int, ...] | None]]:
        """By member: the shape of one sample, and that of what it answers (None where it answers nothing)."""
        scenario = self._stage.program.scenarios[0]
        models = {name: scenario.member(name).generator for name in self.names}
        return {name: (tuple(model.event_shape), model.input_shape) for name, model in models.items()}

    def codec(self, name: str) -> TokenCodec | None:
        """How a member's tokens are read; None where it makes none."""
        self._place(name)
        return codec_of(self._stage.program.scenarios[0].member(name).generator)

    def comparable(self, one: str, other: str) -> bool:
        """Whether what two members make is of one kind: samples of the same shapes, or texts."""
        codecs = self.codec(one), self.codec(other)
        return None not in codecs if any(codecs) else self.events[one] == self.events[other]

    @cached_property
    def judges(self) -> list[str]:
        """The members with a reward."""
        scenario = self._stage.program.scenarios[0]
        return [name for name in self.names if scenario.member(name).reward is not None]

    @cached_property
    def updated(self) -> Tensor:
        return self._stage.happened()[0].clone()

    @cached_property
    def losses(self) -> Tensor:
        return self._stage.happened()[1].clone()

    @cached_property
    def alive(self) -> Tensor:
        return self._stage.state.alive.clone()

    @cached_property
    def present(self) -> Tensor:
        return self._stage.happened()[2]

    # -- generators, data, users -----------------------------------------------------------------------------------

    def generator(self, name: str, before: bool = False) -> Any:
        """A member's generator, batch ``[variants, replicates]``; as it was ``before`` the round: None at the start.

        Families in closed form are one object; of others ``.models [variants, replicates]`` holds the modules.
        """
        c, row = self._place(name)
        state = self._stage.before if before else self._stage.state
        return None if state is None else copied(state.now[c].take(row))

    def law(self, name: str) -> Any:
        """The exact law of what a member makes, batch ``[variants, replicates]``; None where nobody knows it."""
        c, row = self._place(name)
        stack = self._stage.state.now[c]
        if isinstance(stack, Looped):
            return None
        try:
            return stack.take(row).map(torch.clone).law()
        except NoPopulationLaw:
            return None

    def real(self, name: str) -> Any:
        """A member's source of real data, batch ``[variants, 1]``, as :meth:`generator`; None where it has none."""
        self._place(name)
        source = self._stage.archive.source(name)
        return None if source is None else copied(source)

    def users(self, name: str, variant: int = 0, replicate: int = 0) -> Users | None:
        """A member's users as they are now, in one variant and replicate; None where it has no taste."""
        self._place(name)
        found = users_of(self._stage.state, self._stage.program.index[name], variant, replicate)
        return None if found is None else found.map(torch.clone)

    def shelves(self, variant: int = 0, replicate: int = 0) -> Iterator[tuple[str, str, Any, Users | None, bool]]:
        """The flows out of archives that carry something in a variant and replicate: source, target, the archive.

        And its users, None of raw flows, and whether they choose after a transform.
        """
        state, program = self._stage.state, self._stage.program
        stores = [program.scenarios[0].member(name).generator.stores for name in self.names]
        for i, producer in enumerate(state.wiring.producer.tolist()):
            share = state.shares[i].expand(state.alive.shape)[variant, replicate]
            if producer < 0 or not stores[producer] or not bool(share):
                continue
            part = state.wiring.components[i]
            c, row = program.places[self.names[producer]]
            stack, cell = state.now[c], (row, variant, replicate)
            archive = (
                copy.deepcopy(stack.models[cell]) if isinstance(stack, Looped) else stack.take(cell).map(torch.clone)
            )
            users = None if part.users == NOWHERE else in_cell(state.audience.at(part.users), variant, replicate)
            after = users is not None and part.after and part.transform != NOWHERE
            yield self.names[producer], self.names[part.target], archive, users, after

    def parts(self) -> list[Part]:
        """All members, those of one kind of generator and of real data together, for measures of laws."""
        return self._stage.archive.parts(self._stage.state)

    # -- what they make --------------------------------------------------------------------------------------------

    def samples(self, n: int | None = None, names: Sequence[str] | None = None) -> dict[str, Any]:
        """Samples of members, ``[variants, replicates, n, *event]`` each; pairs of conditional models.

        They are drawn once, whoever asks, with noise of their own in every round (unless ``Record(same_noise)``);
        sample ``i`` is the same for every ``n`` where the model's draws are addressed.
        """
        for name in names or ():
            self._place(name)
        return {name: self._stage.samples(name, n or self.judged).clone() for name in names or self.names}

    def real_samples(self, name: str, n: int | None = None) -> Any:
        """Real data of a member, ``[variants, replicates, n, *event]``, the same in every round; None without any."""
        self._place(name)
        x = self._stage.archive.samples(name, n or self.judged)
        return None if x is None else x.clone()

    def demand(self) -> dict[str, dict[str, Tensor]]:
        """The weights of groups that choose between members: by group and member, ``[variants, replicates]``."""
        state = self._stage.state
        return {
            group.who: dict(zip(group.demand.among, state.weights[group.span].clone(), strict=True))
            for group in state.wiring.groups
        }

    def opinion(self, judge: str, of: str) -> Tensor:
        """The expected reward of a member's output by the taste of another's users, ``[variants, replicates]``.

        ValueError where the judge has no reward.
        """
        stage = self._stage
        return opinion(stage.program, stage.state, stage.noise, self.judged, judge, of).clone()

    def alignment(self) -> Tensor:
        """Everybody's by the taste of its own users, ``[members, variants, replicates]``; NaN where there is none."""
        return alignments(self._stage.program, self._stage.state, self._stage.noise, self.judged)

    def change(self) -> Tensor:
        """Everybody's ``‖Δθ‖/‖θ‖`` over the round, ``[members, variants, replicates]``; NaN from 0 and at the start."""
        return self._stage.moves(lambda moved, size: (moved / size).masked_fill_(size <= 0, torch.nan))

    def moved(self) -> Tensor:
        """How far everybody has moved in the round, ``[members, variants, replicates]``; NaN at the start.

        ``‖Δθ‖ / (1 + ‖θ‖)``, or the same of the taste of users who look at the member, or of the weights of the group
        that it stands for, if that has moved further.
        """
        return self._stage.moved()

    # -- tables ----------------------------------------------------------------------------------------------------

    def seen(self, measure: Callable[..., Any]) -> list[Any]:
        """What the functions that a measure ``watches`` with have returned in this round, in the order of events."""
        return list(self._stage.seen.get(id(measure), ()))

    def frame(self, column: str, values: Tensor | np.ndarray, **axes: Sequence[Any]) -> pd.DataFrame:
        """A tidy frame of ``values [*axes, variants, replicates]`` for a measure to return; NaN has no row.

        >>> view.frame("distance", values, member=view.names, other=view.names)  # doctest: +SKIP
        """
        array = np.moveaxis(np.asarray(values), (-2, -1), (0, 1))  # [variants, replicates, *axes]
        known = ~np.isnan(array)
        columns: dict[str, Any] = {}
        for axis, (name, labels) in enumerate(axes.items(), start=2):
            shape = tuple(-1 if i == axis else 1 for i in range(array.ndim))
            columns[name] = np.broadcast_to(np.array(labels).reshape(shape), array.shape)[known]
        for axis, name in enumerate(("variant", "replicate")):
            columns[name] = known.nonzero()[axis]
        return pd.DataFrame({**columns, column: array[known]})

    def _place(self, name: str) -> tuple[int, int]:
        program = self._stage.program
        check_known(name, program.scenarios[0].graph, f"round {self.round}")
        return program.places[name]
