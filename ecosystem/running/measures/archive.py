"""Real data as measures see them: copies, made when they are first asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ecosystem.core.samples import Samples
from ecosystem.core.streams import Stream
from ecosystem.engine.judging import answers
from ecosystem.engine.looped import Looped, Stack, copied
from ecosystem.engine.program import Program
from ecosystem.engine.state import State
from ecosystem.engine.wiring import REAL
from ecosystem.generators import ClosedForm


@dataclass(frozen=True, eq=False)
class Part:
    """Members of one kind of generator and one kind of real data.

    ``members [rows]`` are their places; ``stack`` their generators, batch ``[rows, variants, replicates]`` (None where
    they are looped over); ``real`` their data, ``[rows, variants, 1]`` (None without any).
    """

    members: Tensor
    stack: ClosedForm | None
    real: Stack | None


@dataclass(frozen=True, eq=False)
class Group:
    """Rows of a cohort whose data are of one kind, with a copy of these."""

    cohort: int
    rows: Tensor
    members: Tensor
    real: Stack | None


@dataclass(eq=False)
class Archive:
    """The real data of all members of a program."""

    program: Program
    _samples: dict[tuple[str, int], Samples] = field(default_factory=dict)

    @cached_property
    def groups(self) -> list[Group]:
        """All members, by cohort and kind of real data."""
        return list(self._split())

    def _split(self) -> Iterator[Group]:
        program, own = self.program, len(self.program.cohorts)
        components = program.first.wiring.components
        places = {c.target: (c.source[0] - own, c.source[1]) for c in components if c.group == REAL}
        for c, cohort in enumerate(program.cohorts):
            kinds: dict[int | None, list[int]] = {}
            for row, member in enumerate(cohort.ids):
                kinds.setdefault(places[member][0] if member in places else None, []).append(row)
            for source, many in kinds.items():
                rows = torch.tensor(many, dtype=torch.int64).to(program.home.device)
                members, real = cohort.index[rows], None
                if source is not None:
                    theirs = torch.tensor([places[cohort.ids[row]][1] for row in many]).to(program.home.device)
                    real = copied(program.sources[source].take(theirs))
                yield Group(c, rows, members, real)

    def parts(self, state: State) -> list[Part]:
        """All members with copies of their generators."""
        out = []
        for group in self.groups:
            stack = state.now[group.cohort]
            shown = None if isinstance(stack, Looped) else stack.take(group.rows)  # an index copies
            out.append(Part(group.members, shown, group.real))
        return out

    def source(self, name: str) -> Stack | None:
        """The data of a member, batch ``[variants, 1]``; None where it has none."""
        member = self.program.index[name]
        for group in self.groups:
            where = (group.members == member).nonzero().flatten()
            if len(where) and group.real is not None:
                return group.real.take(int(where[0]))
        return None

    def samples(self, name: str, n: int) -> Samples | None:
        """``n`` real samples of a member, ``[variants, replicates, n, *event]``: the same in every round."""
        source = self.source(name)
        if source is None:
            return None
        if (name, n) not in self._samples:
            keys = self.program.rng.at("measured data").at(name).keys.reshape(1, 1, -1)
            width = source.batch_shape[0]
            if isinstance(source, Looped):
                wide: Stack = Looped(np.broadcast_to(source.models[None], (1, width, keys.shape[-1])))
            else:
                wide = source.map(lambda t: t.unsqueeze(0))
            self._samples[name, n] = answers(wide, Stream(keys), n, [[None] * width])[0]
        return self._samples[name, n]
