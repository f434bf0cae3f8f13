"""Steering: the cheapest real data that keep protected features above their floors, whatever users come to want."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ecosystem.core.arguments import meant
from ecosystem.core.check import brief, numbers, real_number
from ecosystem.core.kinds import typed
from ecosystem.decisions.ensemble import Ensemble, as_ensemble, check_over, same_names
from ecosystem.decisions.floors import Array, Floor, floors_of, symbols_of
from ecosystem.decisions.shares import Real, Search
from ecosystem.decisions.steering import Steering
from ecosystem.influence.dynamics import Dynamics
from ecosystem.scenario import Scenario

_LEAST = 1e-9  # a real share of less is none
_MOVED = "steer(movable)"


@typed
def steer(
    scenario: Scenario | Ensemble,
    floors: Mapping[Any, Any],
    *,
    costs: Any,
    features: Mapping[Any, Any] | None = None,
    real: Any = None,
    movable: Sequence[str] | None = None,
    budget: float | None = None,
    over: str = "expected",
) -> Steering:
    """The cheapest real data that keep protected features of what members make above floors, whatever users choose.

    Of what survives curation only the least value of a feature is certain, for users may come to want anything
    (``Drift``); so real data must do it. For given shares that is a linear program in the reference distributions
    (Wei, Xie, Zhu, Zhang 2026, 2610.09415: ``min c·p_ref`` with ``⟨v_l, Σ p_ref φ⟩ ≥ (θ_l − η min_i⟨v_l, φ_i⟩)/(1−η)``
    for one member, ``η`` the share of the diet that is not real, all curated), here for any network: what members read
    raw of each other carries features on. The promise is one for the long run; a member that reads nobody raw keeps it
    from its first round on. It buys at most as many symbols as there are floors and members.

    Parameters
    ----------
    scenario: one, or an :class:`Ensemble` of scenarios in which the same members draw from the same references.
    floors: ``{feature: floor}`` for all who retrain, or ``{member: {feature: floor}}``. A feature is a symbol, whose
        probability is meant, or a name in ``features``.
    costs: of a real sample of each symbol, ``[symbols]``, or by member.
    features: ``{name: values [symbols]}``: what is to have a mean above its floor.
    real: the real share of those who are steered. By default each one's own; ``(low, high)`` any between these, exactly
        (one more number of the linear program; ``path`` has the breakpoints); a list or an array: those, the cheapest a
        sample of the diet. What is taken from models is scaled in proportion.
    movable: whose real data are chosen; by default those with floors and real data.
    budget: the most that may be spent on a sample of every steered member's diet, in sum.
    over: of an ensemble, floors hold on average (``"expected"``), or in every scenario, at the least cost in the
        dearest (``"worst"``) or the least ``"regret"``: what is paid beyond a scenario's own cheapest, where that is
        most. Where all have the same real shares these two are one.

    Raises
    ------
    ValueError, TypeError
        For members that are not fitted to the mixture of symbols that they train on (a ``Categorical`` is); where
        demand moves shares or interventions change the network; for ``(low, high)`` where floors are not linear in it
        (give a list); if a budget does not even buy the cheapest symbols; for numbers that do not fit.
    KeyError
        For unknown members and features.

    >>> from ecosystem import Categorical, Drift, Flow, Member, Tabular, Tilt
    >>> even = Categorical([0.25] * 4)
    >>> s = Scenario("loop", rounds=50)
    >>> first = Tabular([1.0, 0.0, 0.0, 0.0])
    >>> s.add("m", Member(even, reward=first, curator=Tilt(0.2), real=even, learn=Drift(0.1)))
    >>> s.connect("m", "m", Flow(curated=0.5))
    >>> found = steer(s, {3: 0.2}, costs=[1.0, 2.0, 3.0, 6.0])
    >>> found.verdict, round(found.price, 6), [round(float(p), 6) for p in found.reference.loc["m"]]
    ('met', 3.0, [0.6, 0.0, 0.0, 0.4])
    >>> bool(found.reached["holds"].all())
    True
    """
    scenarios, weights = as_ensemble(scenario, "steer")
    check_over(over, "steer")
    asked = []
    for one in scenarios:
        _check(one)
        wanted = floors_of(one, floors, features)
        names = _movable(one, wanted, movable, real)
        asked.append((wanted, names))
    same_names(
        [[f"{f.member}, {f.feature} of {len(f.values)}" for f in wanted] for wanted, _ in asked], "steer(floors)"
    )
    same_names([[f"{n} of {symbols_of(s, n)}" for n in a[1]] for s, a in zip(scenarios, asked, strict=True)], _MOVED)
    wanted, names = asked[0]
    paid = {name: _costs(costs, name, symbols_of(scenarios[0], name) or 0) for name in names}
    if budget is not None and not np.isfinite(real_number(budget)):
        raise ValueError(f"steer(budget) is one number, got {brief(budget)}")
    search = Search(scenarios, weights, over, wanted, names, paid, budget, np.zeros(len(scenarios)))
    shares: list[Real]
    if real is None:
        shares = [[{name: one.real_share(name) for name in names} for one in scenarios]]
    elif isinstance(real, tuple):
        shares = [dict.fromkeys(names, share) for share in search.between(*_interval(real))]
    else:
        shares = [dict.fromkeys(names, share) for share in _list(real)]
    return replace(search, known=np.array([search.alone(s, shares) for s in range(len(scenarios))])).best(shares)


# -- what is asked -----------------------------------------------------------------------------------------------------


def _check(scenario: Scenario) -> None:
    """Refuse networks whose shares move."""
    for name in scenario.names:
        if scenario.member(name).demand is not None:
            raise ValueError(
                f"steer: the users of {name!r} choose whom they use, which moves shares, so nothing is certain of "
                "them; steer the network without demand"
            )
    Dynamics(scenario)  # refuses what has no population dynamics, and what changes while it runs


def _movable(scenario: Scenario, floors: Sequence[Floor], asked: Sequence[str] | None, real: Any) -> list[str]:
    with_floors = list(dict.fromkeys(floor.member for floor in floors))
    names = [name for name in with_floors if _has_real(scenario, name, real)] if asked is None else list(asked)
    for name in names:
        if name not in scenario.graph:
            raise KeyError(f"steer(movable): there is no member {name!r}{meant(str(name), scenario.names)}")
        if symbols_of(scenario, name) is None or scenario.member(name).schedule.is_never:
            raise ValueError(f"steer(movable): {name!r} is not fitted to the symbols that it trains on; leave it out")
        if not _has_real(scenario, name, real):
            raise ValueError(f"steer(movable): {name!r} has no real share; give it some by real=, or leave it out")
        if real is not None and 1 - scenario.real_share(name) <= _LEAST:
            raise ValueError(f"steer(real): {name!r} trains on real data alone; leave it out of movable, or real out")
    if not names:
        raise ValueError(
            f"steer: nobody with a floor has real data to choose ({', '.join(map(repr, with_floors))}); give them "
            "some, such as real=[0.2, 0.4], or say whose are chosen: movable=[...]"
        )
    return list(dict.fromkeys(names))


def _has_real(scenario: Scenario, name: str, real: Any) -> bool:
    return real is not None or scenario.real_share(name) > _LEAST


def _costs(costs: Any, name: str, size: int) -> Array:
    if isinstance(costs, Mapping):
        if name not in costs:
            raise KeyError(f"steer(costs) has no costs for {name!r}; give {{member: costs [symbols]}} for everybody")
        costs = costs[name]
    found = numbers(costs, "steer(costs)")
    if found.shape != (size,):
        raise ValueError(
            f"steer(costs) has a number for each of the {size} symbols of {name!r}, got shape {tuple(found.shape)}"
        )
    if not bool((found >= 0).all()):
        raise ValueError(f"steer(costs) are numbers from 0 on; those of the symbols of {name!r} are {brief(costs)}")
    return found.numpy()


def _interval(real: tuple[Any, ...]) -> tuple[float, float]:
    ends = [real_number(x) for x in real]
    if len(ends) != 2 or not 0 < ends[0] <= ends[1] <= 1:
        raise ValueError(f"steer(real) between two shares is (low, high), 0 < low <= high <= 1, got {brief(real)}")
    return ends[0], ends[1]


def _list(real: Any) -> list[float]:
    found = numbers(real, "steer(real)").flatten().tolist()
    if not found or not all(0 < share <= 1 for share in found):
        raise ValueError(f"steer(real) are shares above 0 and at most 1, got {brief(real)}")
    return found
