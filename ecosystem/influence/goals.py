"""What is looked at: a number of each member's law, differentiable, exact on the population."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ecosystem.core.check import brief, users_code
from ecosystem.core.laws import NoPopulationLaw
from ecosystem.core.words import listed
from ecosystem.engine.judging import tastes
from ecosystem.generators import ClosedForm
from ecosystem.influence.dynamics import INSTEAD, Dynamics
from ecosystem.influence.leaving import differentiating
from ecosystem.running.measures.archive import Archive, Group
from ecosystem.scenario.network import said_of_all


class OfStack(Protocol):
    """A measure that looks at the members' real data too."""

    def of(self, stack: Any, real: Any, /) -> Tensor:
        """``[*batch]``; see :class:`Measured`."""
        ...


Measure = Callable[[Any], Tensor] | OfStack


class Goal(Protocol):
    """A number for each of some members, ``targets``; ``reasons`` say why others have none, ``name`` what it is."""

    name: str
    targets: list[str]
    reasons: dict[str, str]

    @property
    def measure(self) -> Measure | None:
        """One's own, of which it was made."""
        ...

    def values(self, vector: Tensor) -> Tensor:
        """``[columns, targets]`` at parameters ``[columns, size]``."""
        ...

    def described(self, target: str) -> str:
        """The number of one member, for a sentence."""
        ...


class Alignment:
    """``J = E r(x)`` by the taste of a member's own users as it is now."""

    name = "alignment"
    measure: Measure | None = None

    def __init__(self, dynamics: Dynamics) -> None:
        self.dynamics = dynamics
        self.reasons: dict[str, str] = {}
        known, names = _known(dynamics), dynamics.names
        self._known = torch.from_numpy(known)
        self.targets = names if known.all() else [names[i] for i in np.flatnonzero(known)]
        blank = said_of_all(dynamics.scenario, lambda member: member.reward is None)
        self.reasons = dict.fromkeys((names[i] for i in np.flatnonzero(blank)), _BLANK)
        for i in np.flatnonzero(~known & ~blank):
            reward = dynamics.scenario.member(names[i]).reward
            self.reasons[names[i]] = f"the expectation of its reward {reward} is not known exactly; {INSTEAD}"

    def values(self, vector: Tensor) -> Tensor:
        state, program = self.dynamics.state([vector]), self.dynamics.program(1)
        found, members = [], []
        for c in range(len(self.dynamics.cohorts)):
            for taste in tastes(program, state, c):
                if bool(self._known[taste.members].any()):
                    judged = cast(ClosedForm, taste.judged(state.now[c]))
                    with differentiating(self.dynamics.scenario, INSTEAD):
                        found.append(judged.expect(taste.reward)[:, 0].expand(-1, len(vector)))
                    members.append(taste.members)
        if not found:
            return vector.new_zeros(len(vector), 0)
        many = torch.cat(members)
        where = many.new_zeros(len(self._known)).index_copy(0, many, torch.arange(len(many)))
        return torch.cat(found).index_select(0, where[self._known]).T

    def at(self, vector: Tensor) -> pd.Series:
        """That of every target, by name, at parameters ``[size]``."""
        index = pd.Index(self.targets, name="member")
        return pd.Series(self.values(vector.unsqueeze(0))[0].numpy(), index=index, name=self.name)

    def described(self, target: str) -> str:
        return f"the reward of {target!r}, {self.dynamics.scenario.member(target).reward},"


_BLANK = "it has no reward; give it one: Member(..., reward=...)"


def _known(dynamics: Dynamics) -> np.ndarray:
    """Whose alignment is known exactly, ``[members]``."""
    found, state = np.zeros(len(dynamics.names), dtype=bool), dynamics.state([dynamics.start])
    for c in range(len(dynamics.cohorts)):
        for taste in tastes(dynamics.program(1), state, c):
            with suppress(NoPopulationLaw):
                cast(ClosedForm, taste.judged(state.now[c])).expect(taste.reward)
                found[taste.members] = True
    return found


class Measured:
    """A measure of one's own: an object with ``of(stack, real)``, or a function of a stack.

    ``stack`` is a family with batch ``[members, 1, columns]``, ``real`` the real data of these members with the same
    batch, None where they have none; each entry of the answer, of shape ``stack.batch_shape``, is a number of that
    entry of the batch alone. :class:`NoPopulationLaw` where it is not known: these members are no targets.
    """

    def __init__(self, dynamics: Dynamics, measure: Measure) -> None:
        self._of = _asking(measure)
        found = getattr(measure, "name", None) or getattr(measure, "__name__", None)
        self.name = str(found or type(measure).__name__.lower())
        self.dynamics, self.measure = dynamics, measure
        self.reasons: dict[str, str] = {}
        self._groups: list[Group] = []
        stacks = dynamics.state([dynamics.start]).now
        for group in Archive(dynamics.program(1)).groups:
            stack = cast(ClosedForm, stacks[group.cohort]).take(group.rows)
            try:
                self._check(group, stack)
            except NoPopulationLaw as error:
                why = str(error).removesuffix(NoPopulationLaw.REMEDY).strip()
                self.reasons |= dict.fromkeys(self._names(group), f"{self.name} is not known exactly: {why}")
            else:
                self._groups.append(group)
        self.targets = [name for name in dynamics.names if name not in self.reasons]

    def values(self, vector: Tensor) -> Tensor:
        now, found = self.dynamics.state([vector]).now, {}
        for group in self._groups:
            values = self._one(group, cast(ClosedForm, now[group.cohort]).take(group.rows))[:, 0]
            found |= dict(zip(self._names(group), values.expand(-1, len(vector)), strict=True))
        return torch.stack([found[name] for name in self.targets], -1) if found else vector.new_zeros(len(vector), 0)

    def described(self, target: str) -> str:
        return f"{self.name} of {target!r}"

    def _names(self, group: Group) -> list[str]:
        return [self.dynamics.names[member] for member in group.members.tolist()]

    def _one(self, group: Group, stack: ClosedForm) -> Tensor:
        """The measure of a group, ``[rows, 1, columns]``."""
        real, columns = cast(ClosedForm | None, group.real), stack.batch_shape[2]
        if real is not None:
            real = real.map(lambda t: t.expand(-1, -1, columns, *t.shape[3:]))
        members = listed(map(repr, self._names(group)))
        with users_code(lambda: f"the measure {self.name} of {members}", passing=(NoPopulationLaw,)):
            values = self._of(stack, real)
        if not isinstance(values, Tensor) or values.shape != stack.batch_shape:
            shape = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise ValueError(
                f"the measure {self.name} gave {shape} for a stack with batch {tuple(stack.batch_shape)}; it must "
                "return a tensor of this shape, one number for each entry"
            )
        return values.to(torch.float64)

    def _check(self, group: Group, stack: ClosedForm) -> None:
        """Refuse a measure that mixes members: each must be measured as it would be alone."""
        values = self._one(group, stack)
        first = torch.zeros(1, dtype=torch.int64)
        one = replace(
            group, rows=first, members=group.members[:1], real=None if group.real is None else group.real.take(first)
        )
        alone = self._one(one, stack.take(first))
        if not torch.allclose(values[:1], alone, rtol=1e-9, atol=1e-12, equal_nan=True):
            raise ValueError(
                f"the measure {self.name} of {self._names(group)[0]!r} is {float(alone):.6g} alone and "
                f"{float(values[0].flatten()[0]):.6g} in a stack with others; it must look at each entry of the batch "
                "by itself"
            )


def _asking(measure: Any) -> Callable[[ClosedForm, ClosedForm | None], Any]:
    """How a measure is asked about a stack and its real data."""
    if hasattr(measure, "of"):
        return measure.of
    if not callable(measure):
        raise TypeError(f"influence(measure) is an object with of(stack, real), or a function; got {brief(measure)}")
    return lambda stack, real: measure(stack)


def as_goal(dynamics: Dynamics, measure: Measure | None) -> Goal:
    """Alignment, or a measure of one's own."""
    return Alignment(dynamics) if measure is None else Measured(dynamics, measure)
