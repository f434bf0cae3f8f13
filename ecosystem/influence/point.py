"""What a search for a stable point found: the point, and what the dynamics did."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ecosystem.engine.looped import Stack
from ecosystem.generators import ClosedForm
from ecosystem.influence.approach import Approach, approached
from ecosystem.influence.brief import beginnings, small
from ecosystem.influence.continuum import Continuum, Free
from ecosystem.influence.dynamics import Dynamics
from ecosystem.influence.resolvent import Resolvent

Of = TypeVar("Of")


class ByName(Mapping[str, Of], Generic[Of]):
    """Something of every member by its name, made when somebody asks for it."""

    def __init__(self, names: Sequence[str], index: Mapping[str, int], make: Callable[[int], Of]) -> None:
        self._names, self._index, self._make = names, index, make

    def __getitem__(self, name: str) -> Of:
        return self._make(self._index[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@dataclass(frozen=True)
class Row:
    """One member of some stacks: its generator, or its parameters alone; ``places [members, 2]`` are cohort and row."""

    stacks: Sequence[Stack]
    places: np.ndarray
    parameters: bool

    def __call__(self, member: int) -> Any:
        cohort, row = self.places[member].tolist()
        generator = cast(ClosedForm, self.stacks[cohort]).take((row, 0, 0))
        return generator.vector() if self.parameters else generator


@dataclass(frozen=True)
class StablePoint:
    """A joint fixed point of the population dynamics, or what was seen instead.

    ``found`` says whether there is one; then ``parameters[name]`` are each member's (the mean of a ``Location``, the
    probabilities of a ``Categorical``, mean and covariance of a ``Gaussian`` one after the other), ``generators[name]``
    the same as a generator, ``tastes[name]`` where users who move have come to rest (their taste, then the weights of a
    group that chooses), ``alignment`` the exact ``J`` of every member with a reward, ``residual`` the largest ``|T(Θ) −
    Θ|`` relative to ``1 + |θ_i|``. ``seen`` tells what the dynamics did when they were played for ``rounds`` rounds
    from the start, in the scenario's own order: *settles*, *diverges*, *cycles with period p*, *wanders*. A stable
    point may exist where the dynamics diverge. *When* they settle is another question: ``distance`` is the largest
    ``|θ_i − θ*_i| / (1 + |θ*_i|)`` that the scenario's own number of rounds leaves, ``law`` how the rest shrinks,
    ``approach`` both with the rounds.
    ``others`` are different stable points, found from other starts. Where the point is one of a continuum (members that
    only copy each other agree on something, whatever it is) ``free`` says who can move along it, in how many
    directions, and who follows; the point is where the scenario's own rounds lead from its own start.
    """

    found: bool
    seen: str
    rounds: int
    residual: float
    alignment: pd.Series
    parameters: Mapping[str, Tensor]
    generators: Mapping[str, ClosedForm]
    tastes: dict[str, Tensor] = field(default_factory=dict)
    others: tuple[StablePoint, ...] = ()
    own: bool = True  # whether it was found from the scenario's own start
    vector: Tensor = field(default_factory=lambda: torch.empty(0))  # Θ as the solvers have it, [size]
    dynamics: Dynamics | None = None  # the scenario made ready for solvers, so that what follows need not do it again
    begin: Tensor = field(default_factory=lambda: torch.empty(0))  # where the rounds began that were played, [size]

    @cached_property
    def approach(self) -> Approach | None:
        """How near the scenario's own rounds come, and how the rest shrinks; None where no point was found.

        Those rounds are played when it is first asked for (500 at most; the rest by the law).
        """
        if not self.found or self.dynamics is None:
            return None
        return approached(self.dynamics, self.begin, self.vector)

    @cached_property
    def free(self) -> tuple[Free, ...]:
        """The free directions of the continuum that the point is one of; empty where it is alone."""
        if not self.found or self.dynamics is None:
            return ()
        return () if self.continuum is None else self.continuum.free(self.dynamics.layout, self.dynamics.names)

    @cached_property
    def continuum(self) -> Continuum | None:
        """The continuum that the point is one of; None where it is alone."""
        return None if self.dynamics is None else Resolvent(self.dynamics, self.vector).continuum

    @property
    def distance(self) -> float:
        """The largest ``|θ_i − θ*_i| / (1 + |θ*_i|)`` after the scenario's own rounds; NaN where none was found."""
        return self.approach.distance if self.approach else math.nan

    @property
    def law(self) -> str:
        """How a small distance shrinks, as ``like 0.5^t`` or ``like t^-0.1``; empty where none was found."""
        return str(self.approach.law) if self.approach else ""

    @property
    def message(self) -> str:
        """One sentence for people."""
        if not self.found:
            return f"no stable point was found: the dynamics were played for {self.rounds} rounds, and it {self.seen}"
        many = f"; {len(self.others)} more from other starts" if self.others else ""
        where = "" if self.own else ", found from another start,"
        start = f"from its own start the network {self.seen}"
        if self.approach and self.seen in ("settles", "wanders"):
            start += str(self.approach)
        one = f", one of a continuum: {'; '.join(map(str, self.free))}" if self.free else ""
        return f"a stable point{where} (residual {self.residual:.1e}){one}; {start}{many}"

    def __repr__(self) -> str:
        members = (
            f"\n{small(beginnings(self.parameters, self.alignment), rows=len(self.parameters))}" if self.found else ""
        )
        return f"StablePoint({self.message}){members}"
