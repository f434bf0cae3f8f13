"""What is looked at: a number of each member's law, differentiable, exact on the population."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol, cast

import pandas as pd
import torch
from torch import Tensor

from ecosystem.core.check import users_code
from ecosystem.core.laws import NoPopulationLaw
from ecosystem.core.words import listed
from ecosystem.engine.judging import tastes
from ecosystem.generators import ClosedForm
from ecosystem.influence.dynamics import INSTEAD, Dynamics
from ecosystem.running.measures.archive import Archive, Group


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
        known = _known(dynamics)
        self.targets = [name for name in dynamics.names if name in known]
        for name in dynamics.names:
            reward = dynamics.scenario.member(name).reward
            if reward is None:
                self.reasons[name] = "it has no reward; give it one: Member(..., reward=...)"
            elif name not in known:
                self.reasons[name] = f"the expectation of its reward {reward} is not known exactly; {INSTEAD}"

    def values(self, vector: Tensor) -> Tensor:
        state = self.dynamics.state([vector])
        out: list[Tensor] = [torch.empty(0)] * len(self.targets)
        place = {self.dynamics.index[name]: i for i, name in enumerate(self.targets)}
        for c, cohort in enumerate(self.dynamics.cohorts):
            for taste in tastes(self.dynamics.program(1), state, c) if place.keys() & set(cohort.ids) else ():
                judged = cast(ClosedForm, taste.judged(state.now[c]))
                values = judged.expect(taste.reward)[:, 0].expand(-1, len(vector))
                for i, row in enumerate(taste.rows.tolist()):
                    if cohort.ids[row] in place:
                        out[place[cohort.ids[row]]] = values[i]
        return torch.stack(out, -1) if out else vector.new_zeros(len(vector), 0)

    def at(self, vector: Tensor) -> pd.Series:
        """That of every target, by name, at parameters ``[size]``."""
        index = pd.Index(self.targets, name="member")
        return pd.Series(self.values(vector.unsqueeze(0))[0].numpy(), index=index, name=self.name)

    def described(self, target: str) -> str:
        return f"the reward of {target!r}, {self.dynamics.scenario.member(target).reward},"


def _known(dynamics: Dynamics) -> set[str]:
    """Members whose alignment is known exactly."""
    found, state = set(), dynamics.state([dynamics.start])
    for c, cohort in enumerate(dynamics.cohorts):
        for taste in tastes(dynamics.program(1), state, c):
            try:
                cast(ClosedForm, state.now[c]).take(taste.rows).expect(taste.reward)
            except NoPopulationLaw:
                continue
            found |= {cohort.names[row] for row in taste.rows.tolist()}
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
        raise TypeError(f"influence(measure) is an object with of(stack, real), or a function; got {measure!r}")
    return lambda stack, real: measure(stack)


def as_goal(dynamics: Dynamics, measure: Measure | None) -> Goal:
    """Alignment, or a measure of one's own."""
    return Alignment(dynamics) if measure is None else Measured(dynamics, measure)
