"""Which levers are asked for: names, flows, costs and bounds, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ecosystem.core.arguments import meant
from ecosystem.core.check import brief, real_number, several
from ecosystem.core.kinds import typed
from ecosystem.core.words import listed
from ecosystem.decisions.levers import LEVEL, REAL, Lever, Levers
from ecosystem.influence.arising import Like
from ecosystem.influence.numbers import GROUPS, Curation, Flows, Numbers, Real
from ecosystem.scenario import Scenario


@typed
def as_levers(
    scenario: Scenario,
    movable: Any = "levels",
    costs: Any = 1.0,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    like: Like | None = None,
    what: str = "allocate",
) -> Levers:
    """The levers that ``movable`` asks for.

    Parameters
    ----------
    movable: ``"levels"`` (the curation level of every member that curates), ``"real"`` (the real share of every member
        that has real data and reads somebody), or a list of: a member's name (its level), ``("real", name)``, ``(u,
        v)`` or ``("raw", u, v)`` (the raw share of the flow), ``("curated", u, v)``. Flows give and take real data;
        levels and real shares scale everything else, so a diet has one of these, or flows.
    costs: of one unit of each lever: a number, or numbers by lever (1 for those not named).
    bounds: ``(lower, upper)`` by lever, within what its diet allows (levels and real shares 0 to 1).
    like: as in :func:`ecosystem.influence`, for members at level 0.

    Raises
    ------
    KeyError, ValueError
        For unknown names, for what cannot be moved, costs that are not positive, and bounds that the diet forbids.

    >>> from ecosystem import Flow, Linear, Location, Member, Scenario, Shift
    >>> s = Scenario("loop", rounds=1)
    >>> s.add("a", Member(Location([0.0]), reward=Linear([1.0]), curator=Shift([1.0]), real=Location([0.0])))
    >>> s.connect("a", "a", Flow(raw=0.25, curated=0.25))
    >>> levers = as_levers(s, [("a", "a")], costs={"a → a": 2.0})
    >>> levers.names, levers.costs.tolist(), levers.upper.tolist()
    (['a → a'], [2.0], [0.75])
    >>> as_levers(s).moved([0.5]).curation("a")
    0.5
    """
    like = dict(like or {})
    found = [_lever(scenario, asked, like, what) for asked in _asked(scenario, movable, like, what)]
    _check_apart(scenario, found, what)
    named = Levers(scenario, found, like)
    price = _costs(named, costs, what)
    priced = [replace(lever, cost=price[k]) for k, lever in enumerate(found)]
    return Levers(scenario, _bounded(named, priced, bounds or {}, what), like)


def _asked(scenario: Scenario, movable: Any, like: Like, what: str) -> list[tuple[str, ...]]:
    """What is asked for as ``(what, name)`` and ``(what, u, v)``."""
    if isinstance(movable, str) and movable in ("levels", REAL):
        numbers: Numbers = Real() if movable == REAL else Curation(like)
        word = REAL if movable == REAL else LEVEL
        found = [(word, name) for name in numbers.candidates(scenario) if not numbers.refusal(scenario, name)]
        if not found:
            mend = "real data and somebody to read" if word == REAL else "a curated flow, or say like="
            raise ValueError(f"{what}: nobody in scenario {scenario.name!r} has a {word} to move; give somebody {mend}")
        return found
    words = f"{what}(movable) is 'levels', 'real' or a list of names and flows"
    if isinstance(movable, str):
        raise TypeError(f"{words}, got {brief(movable)}")
    asked = [_one(scenario, lever, what) for lever in several(movable, words)]
    if not asked:
        raise ValueError(f"{what}(movable) names nothing to move; name members (their levels) or flows (u, v)")
    return asked


def _one(scenario: Scenario, asked: Any, what: str) -> tuple[str, ...]:
    known = scenario.graph
    if isinstance(asked, str):
        return LEVEL, _known(scenario, asked, what)
    if isinstance(asked, tuple) and len(asked) == 2 and asked[0] in (REAL, LEVEL) and asked not in known.edges:
        return asked[0], _known(scenario, asked[1], what)
    group, *flow = asked if isinstance(asked, tuple) and len(asked) == 3 else ("raw", *_pair(asked, what))
    if group not in GROUPS:
        raise ValueError(
            f"{what}(movable): {brief(asked)} is no lever; flows are (u, v), ('raw', u, v), ('curated', u, v)"
        )
    return group, *(_known(scenario, name, what) for name in flow)


def _pair(asked: Any, what: str) -> tuple[Any, Any]:
    if not isinstance(asked, tuple) or len(asked) != 2:
        raise ValueError(f"{what}(movable): {brief(asked)} is no lever; name a member, a flow (u, v) or ('real', name)")
    return asked


def _known(scenario: Scenario, name: Any, what: str) -> str:
    if name not in scenario.graph:
        raise KeyError(
            f"{what}(movable): there is no member {name!r}{meant(str(name), scenario.names)}; "
            f"the members are {listed(scenario.names)}"
        )
    return name


def _lever(scenario: Scenario, asked: tuple[str, ...], like: Like, what: str) -> Lever:
    """One lever, within what its diet allows."""
    kind, *place = asked
    name, numbers, source, key = place[-1], None, None, place[-1]
    if kind == LEVEL:
        numbers, now, upper = Curation({k: f for k, f in like.items() if k == name}), scenario.curation(name), 1.0
    elif kind == REAL:
        numbers, now, upper, name = Real(), scenario.real_share(name), 1.0, f"{name} (real)"
    else:
        source = place[0]
        numbers = Flows(scenario, [(kind, source, place[1])])
        key = numbers.candidates(scenario)[0]
        name = f"{source} → {place[1]}" + (" (curated)" if kind == "curated" else "")
        now = float(getattr(scenario.flow(source, place[1]), kind))
        upper = now + scenario.real_share(place[1])
    if why := numbers.refusal(scenario, key):
        raise ValueError(f"{what}(movable): {name!r} cannot be moved: {why}")
    return Lever(name, kind, place[-1], source, float(now), 0.0, float(upper), 1.0, numbers, key)


def _check_apart(scenario: Scenario, levers: Sequence[Lever], what: str) -> None:
    """Refuse levers that would undo each other, and any twice."""
    seen: dict[str, Lever] = {}
    names: set[str] = set()
    for lever in levers:
        if lever.name in names:
            raise ValueError(f"{what}(movable) names {lever.name!r} twice")
        names.add(lever.name)
        other = seen.setdefault(lever.reader, lever)
        if other is not lever and (other.source is None or lever.source is None):
            raise ValueError(
                f"{what}(movable): {other.name!r} and {lever.name!r} both change what {lever.reader!r} trains on, and "
                "a level or real share scales all else there; move one of them, or flows alone"
            )


def _costs(levers: Levers, costs: Any, what: str) -> list[float]:
    """The cost of a unit of each lever."""
    given = dict(costs.items()) if hasattr(costs, "items") else dict.fromkeys(levers.names, costs)
    price = [1.0] * len(levers)
    for name, cost in given.items():
        k = levers.place(name, f"{what}(costs)")
        price[k] = real_number(cost)
        if not 0 < price[k] < np.inf:
            raise ValueError(f"{what}(costs): a unit of {name!r} must cost more than 0, got {brief(cost)}")
    return price


def _bounded(levers: Levers, found: list[Lever], bounds: Mapping[str, Any], what: str) -> list[Lever]:
    """The levers within the bounds that are given."""
    for name, pair in bounds.items():
        k = levers.place(name, f"{what}(bounds)")
        lower, upper = (
            real_number(value) for value in (pair if isinstance(pair, tuple | list) and len(pair) == 2 else ("", ""))
        )
        if not found[k].lower <= lower <= upper <= found[k].upper:
            raise ValueError(
                f"{what}(bounds): those of {name!r} are (lower, upper) within {found[k].lower:.6g} and "
                f"{found[k].upper:.6g}, got {brief(pair)}"
            )
        found[k] = replace(found[k], lower=lower, upper=upper)
    return found
