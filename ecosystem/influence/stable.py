"""Stable points ``Θ* = T(Θ*)``: every model is already optimal for the data that all of them, at ``Θ*``, produce."""

from __future__ import annotations

import math
from collections.abc import Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, cast

import pandas as pd
import torch
from torch import Tensor

from ecosystem.core.arguments import spelled
from ecosystem.core.streams import Stream
from ecosystem.generators import ClosedForm
from ecosystem.influence.approach import Approach, approached
from ecosystem.influence.arising import Like, Part
from ecosystem.influence.brief import beginnings, small
from ecosystem.influence.choices import check_choices
from ecosystem.influence.continuum import Continuum, Free
from ecosystem.influence.dynamics import INSTEAD, Dynamics
from ecosystem.influence.goals import Alignment
from ecosystem.influence.led import polished
from ecosystem.influence.linear_flows import LinearFlows
from ecosystem.influence.pace import averaging, worked_out
from ecosystem.influence.resolvent import Resolvent
from ecosystem.influence.roots import residual, root
from ecosystem.influence.rounds import Rounds
from ecosystem.influence.trajectory import Trajectory, follow, onwards
from ecosystem.scenario import Scenario

_FURTHER, _NUMBERS = 6400, 1 << 26  # rounds, and parameters of them all, that are played on from near a saddle
_SMALL = 300  # numbers in Θ up to which it is worked out whether a point repels
_ONE = 1e-9  # relative difference of two numbers that are one
_OTHERS = 1e-7  # residual beyond which a point given cannot be this scenario's


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
    parameters: dict[str, Tensor]
    generators: dict[str, ClosedForm]
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
        members = f"\n{small(beginnings(self.parameters, self.alignment))}" if self.found else ""
        return f"StablePoint({self.message}){members}"


@spelled
def stable_point(scenario: Scenario, *, starts: int = 5, rounds: int = 200, tolerance: float = 1e-10) -> StablePoint:
    """The stable point that a scenario leads to, exactly: ``Θ*`` with ``Θ* = T(Θ*)``.

    The population dynamics are played from the scenario's own start, and from ``starts − 1`` others scattered far from
    it, for at most ``rounds`` rounds; where they have led, SciPy's solvers and Newton's method on the engine's own map
    do the rest, to a relative residual of ``tolerance``. There need not be a stable point, and there may be several:
    the result says what was seen. ValueError only for scenarios without population dynamics (it names what to use).

    >>> from ecosystem import Flow, Linear, Location, Member, Scenario
    >>> s = Scenario("loop", rounds=1)
    >>> s.add("a", Member(Location([8.0]), reward=Linear([1.0]), real=Location([1.0])))
    >>> s.connect("a", "a", Flow(raw=0.5))
    >>> point = stable_point(s)
    >>> point.found, round(float(point.parameters["a"]), 9), point.seen
    (True, 1.0, 'settles')
    """
    if starts < 1 or rounds < 1 or not 0 < tolerance < 1:
        raise ValueError(
            f"stable_point needs starts and rounds of at least 1 and a tolerance between 0 and 1, got {starts!r}, "
            f"{rounds!r} and {tolerance!r}"
        )
    return find(Dynamics(scenario), starts, rounds, tolerance)


def find(
    dynamics: Dynamics, starts: int = 1, rounds: int = 200, tolerance: float = 1e-10, begin: Tensor | None = None
) -> StablePoint:
    """See :func:`stable_point`; ``begin [size]`` is a start instead of the scenario's own."""
    begins = _starts(dynamics, starts) if begin is None else begin.unsqueeze(0)
    own = Rounds(dynamics)
    ways = follow(own, begins, rounds)
    # a scattered start that explodes says nothing; the scenario's own is searched from all the same
    ways = [way for i, way in enumerate(ways) if i == 0 or not way.exploded]
    goal = Alignment(dynamics)
    points = [_described(goal, way, root(own, way, tolerance), tolerance) for way in ways]
    points[0] = _not_repelled(goal, own, ways[0], points[0], tolerance)
    first, different = points[0], []
    for point in points[1:]:
        known = [p for p in (first, *different) if p.found]
        if point.found and not any(_same(point, p) for p in known):
            different.append(point)
    if not first.found and different:
        # where the scenario's own start led is still what was seen
        first, different = (
            replace(different[0], seen=first.seen, rounds=first.rounds, begin=first.begin, own=False),
            different[1:],
        )
    return replace(first, others=tuple(different))


def _starts(dynamics: Dynamics, count: int) -> Tensor:
    """Starting vectors ``[count, size]``: the scenario's own first, then scattered ones (the same in every call)."""
    vectors = [dynamics.start[0]]
    for number in range(1, count):
        stacks = dynamics.layout.unpack(dynamics.start)
        for c, stack in enumerate(stacks):
            ids = dynamics.cohorts[c].index
            rng = Stream.root([(0, number)]).at("start").at(dynamics.words[ids].reshape(-1, 1, 1))
            stacks[c] = cast(ClosedForm, stack).scattered(rng) if len(ids) else stack
        vectors.append(dynamics.layout.pack(stacks, dynamics.layout.minds.begun)[0])
    return torch.stack(vectors)


def _described(goal: Alignment, way: Trajectory, vector: Tensor, tolerance: float) -> StablePoint:
    dynamics = goal.dynamics
    worst = residual(dynamics, vector)
    found = worst <= tolerance
    seen = way.seen(vector if found else None)
    shown = vector if found else way.last
    stacks = dynamics.layout.unpack(shown.unsqueeze(0))
    generators: dict[str, ClosedForm] = {}
    for cohort, stack in zip(dynamics.cohorts, stacks, strict=True):
        for row, name in enumerate(cohort.names):
            generators[name] = cast(ClosedForm, stack).take((row, 0, 0))
    return StablePoint(
        found,
        seen,
        way.rounds,
        worst,
        goal.at(shown),
        {name: generators[name].vector() for name in dynamics.names},
        {name: generators[name] for name in dynamics.names},
        dynamics.layout.minds.named(dynamics.names, shown),
        vector=shown,
        dynamics=dynamics,
        begin=way.first,
    )


def _not_repelled(goal: Alignment, own: Rounds, way: Trajectory, point: StablePoint, tolerance: float) -> StablePoint:
    """The stable point of the own start, if the one that was found near the end of the way repels: one further on.

    A solver goes to whatever point is near, also to a saddle that rounds only pass, however slowly; so they are played
    on. If that shows no other point, the first is what there is, and ``seen`` says what the longer way did.
    """
    if not point.found or way.exploded or not _repels(own, way, point):
        return point
    size = len(point.vector)
    for longer in onwards(own, way.first, way.rounds, min(_FURTHER, max(way.rounds, _NUMBERS // size))):
        if longer.exploded or longer.seen(point.vector).startswith("cycles"):
            return replace(point, seen=longer.seen(point.vector), rounds=longer.rounds)
        other = _described(goal, longer, root(own, longer, tolerance), tolerance)
        if other.found and not _repels(own, longer, other):
            return other
        way = longer
    return replace(point, seen=way.seen(point.vector), rounds=way.rounds)


def _repels(own: Rounds, way: Trajectory, point: StablePoint) -> bool:
    """Whether the scenario's own rounds are driven away from a point that was found."""
    seen = way.seen(point.vector)
    if seen.startswith("cycles") or averaging(own.dynamics).any():
        return False  # a cycle's centre, and what only ever comes slowly nearer
    if seen == "diverges" or len(point.vector) > _SMALL:
        return seen == "diverges"
    if bool(((way.last - point.vector).abs() <= _ONE * (1 + point.vector.abs())).all()):
        return False  # it is there: only rounding would take it away again
    if Resolvent(own.dynamics, point.vector).radius <= 1 + _ONE:
        return False
    law = worked_out(own, LinearFlows(own.dynamics, point.vector))
    return law is not None and not law.shrinks


def _same(a: StablePoint, b: StablePoint) -> bool:
    """Whether two points are one, or of one continuum."""
    x, y = a.vector, b.vector
    if bool((x - y).abs().max() <= 1e-6 * (1 + torch.maximum(x.abs().max(), y.abs().max()))):
        return True
    free = b.continuum
    if free is None or b.dynamics is None:
        return False
    there = polished(b.dynamics, y + free.along((x - y).unsqueeze(0))[0], free)
    return bool((x - there).abs().max() <= 1e-6 * (1 + torch.maximum(x.abs().max(), y.abs().max())))


def prepared(
    scenario: Scenario,
    like: Like | None,
    point: StablePoint | None,
    arising: Set[Part] = frozenset(),
    device: Any = None,
) -> tuple[Dynamics, StablePoint]:
    """The dynamics of a scenario and its stable point: the one given, checked, or the one that is found.

    A point of this very scenario has its dynamics already. ``arising``: see :class:`Dynamics`. ValueError where
    there is none, or it is another's.
    """
    if point is None:
        dynamics = Dynamics(scenario, like, arising, device)
        point = find(dynamics)
    else:
        known = point.dynamics
        same = known is not None and known.given is scenario and not like and arising <= known.arising
        same = same and (device is None or (known is not None and known.away is not None))
        dynamics = known if known is not None and same else Dynamics(scenario, like, arising, device)
    if not point.found:
        raise ValueError(f"scenario {scenario.name!r} has no stable point to look about: {point.message}; {INSTEAD}")
    worst = residual(dynamics, vector_of(dynamics, point))
    if not worst <= _OTHERS:
        raise ValueError(
            f"the point given is no stable point of scenario {scenario.name!r}: retraining moves it by {worst:.2g} of "
            "its size; pass at=stable_point(scenario)"
        )
    check_choices(dynamics, vector_of(dynamics, point))
    return dynamics, point


def vector_of(dynamics: Dynamics, point: StablePoint) -> Tensor:
    """``Θ [size]`` of a stable point of the same scenario."""
    parameters = point.parameters
    vector = dynamics.start[0].clone()
    for name in dynamics.names:
        span = dynamics.layout.span(dynamics.index[name])
        if span is None:
            continue
        if name not in parameters or parameters[name].numel() != span.stop - span.start:
            raise ValueError(
                f"the point given has no parameters for {name!r}, or of another size; pass stable_point(scenario)"
            )
        vector[span] = parameters[name].flatten()
    try:
        dynamics.layout.minds.fill(vector, dynamics.names, point.tastes)
    except (KeyError, IndexError) as error:
        raise ValueError(
            f"the point given has no state of the taste of those who look at {error.args[0]!r}; pass "
            "stable_point(scenario)"
        ) from error
    return vector
