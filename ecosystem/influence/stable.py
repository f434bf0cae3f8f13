"""Stable points ``Θ* = T(Θ*)``: every model is already optimal for the data that all of them, at ``Θ*``, produce."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from ecosystem.core.check import LARGEST, brief
from ecosystem.core.kinds import typed
from ecosystem.core.streams import Stream
from ecosystem.generators import ClosedForm
from ecosystem.influence.arising import Like, Part
from ecosystem.influence.choices import check_choices
from ecosystem.influence.dynamics import INSTEAD, Dynamics
from ecosystem.influence.goals import Alignment
from ecosystem.influence.led import polished
from ecosystem.influence.linear_flows import LinearFlows
from ecosystem.influence.pace import averaging, worked_out
from ecosystem.influence.point import ByName, Row, StablePoint
from ecosystem.influence.resolvent import Resolvent
from ecosystem.influence.roots import residual, root
from ecosystem.influence.rounds import Rounds
from ecosystem.influence.trajectory import Trajectory, follow, onwards
from ecosystem.scenario import Scenario

_FURTHER, _NUMBERS = 6400, 1 << 26  # rounds, and parameters of them all, that are played on from near a saddle
_MANY = 1000  # starts
_SMALL = 300  # numbers in Θ up to which it is worked out whether a point repels
_ONE = 1e-9  # relative difference of two numbers that are one
_OTHERS = 1e-7  # residual beyond which a point given cannot be this scenario's


@typed
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
    if not 1 <= starts <= _MANY or not 1 <= rounds <= LARGEST or not 0 < tolerance < 1:
        raise ValueError(
            f"stable_point needs starts and rounds of at least 1 (at most {_MANY} starts) and a tolerance between 0 "
            f"and 1, got {brief(starts)}, {brief(rounds)} and {brief(tolerance)}"
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
    if count == 1:
        return dynamics.start
    vectors = [dynamics.start[0]]
    for number in range(1, count):
        stacks = dynamics.layout.unpack(dynamics.start)
        for c, stack in enumerate(stacks):
            ids = dynamics.cohorts[c].index
            rng = Stream.root([(0, number)]).at("start").at(dynamics.program(1).words[ids].reshape(-1, 1, 1))
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
    places = np.empty((len(dynamics.names), 2), dtype=np.int64)
    for c, cohort in enumerate(dynamics.cohorts):
        places[cohort.ids, 0], places[cohort.ids, 1] = c, np.arange(len(cohort.ids))
    known = dynamics.names, dynamics.index
    return StablePoint(
        found,
        seen,
        way.rounds,
        worst,
        goal.at(shown),
        ByName(*known, Row(stacks, places, parameters=True)),
        ByName(*known, Row(stacks, places, parameters=False)),
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
    dtype: Any = None,
) -> tuple[Dynamics, StablePoint]:
    """The dynamics of a scenario and its stable point: the one given, checked, or the one that is found.

    A point of this very scenario has its dynamics already. ``arising``: see :class:`Dynamics`. ValueError where
    there is none, or it is another's.
    """
    if point is None:
        dynamics = Dynamics(scenario, like, arising, device, dtype)
        point = find(dynamics)
    else:
        known = point.dynamics
        same = known is not None and known.given is scenario and not like and arising <= known.arising
        same = same and (device is None or (known is not None and known.away is not None)) and dtype is None
        dynamics = known if known is not None and same else Dynamics(scenario, like, arising, device, dtype)
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
    if point.dynamics is dynamics and isinstance(parameters, ByName):  # as they were found
        return point.vector
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
