"""Selfish play: everybody moves its own lever for its own good. Where does that end, and what does it cost?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ecosystem.core.check import a_seed, brief, real_number, whole_number
from ecosystem.core.kinds import typed
from ecosystem.decisions.answering import highest
from ecosystem.decisions.cautious import Cautious
from ecosystem.decisions.ensemble import Ensemble, as_ensemble, check_over
from ecosystem.decisions.equilibria import Equilibrium
from ecosystem.decisions.landscape import Landscape
from ecosystem.decisions.mixed import MixedLandscape, common_levers
from ecosystem.decisions.nash import begun, checked, distinct, searched
from ecosystem.decisions.play import Game, Play, Player, prices_of
from ecosystem.decisions.sound import check_first, in_steps
from ecosystem.influence.arising import Like
from ecosystem.scenario import Scenario

GRID, TURNS = 5, 40  # points along a lever at which a best response is begun, and turns of best responses
_TRIED = 3  # starts with most welfare, from which the optimum is looked for, beside the present and the bounds


@typed
def equilibrium(
    scenario: Scenario | Ensemble,
    *,
    costs: Any = 0.0,
    movable: Any = "levels",
    bounds: Mapping[str, tuple[float, float]] | None = None,
    like: Like | None = None,
    margin: float = 1e-3,
    over: str = "expected",
    starts: int = 6,
    seed: int = 0,
) -> Equilibrium:
    """Where selfish play ends: everybody raises ``U_k = J_k − cost_k λ_k`` by its own ``λ_k``, on its box.

    A Nash point is one at which nobody gains by moving its own lever alone, wherever to; inside the box ``M_kk =
    cost_k``. They are looked for from several starts in two ways: all first-order conditions at once, a complementarity
    problem (SciPy's ``root`` on Robinson's normal map), and best responses in turn, each by its own exact derivative.
    Every point that is found is then put to the test: each player's best response over its whole box, and second
    derivatives. Other equilibria may exist that no start led to; and there may be none at all in pure levels, where
    utilities are not concave.

    Parameters
    ----------
    scenario: one, or an :class:`Ensemble` of scenarios with the same levers, of which nobody knows which is true.
    costs: of a unit of each lever, in units of alignment: a number, or numbers by lever (0 for those not named).
    movable, bounds, like: the levers, as :func:`as_levers` takes them: one for each player, who is the member whose
        diet it changes. Members without one do not play, and count for welfare.
    margin: networks count as stable where ``ρ(B) ≤ 1 − margin``; nobody may leave them.
    over: of an ensemble, everybody plays for its ``"expected"`` utility, for its ``"worst"`` case, or for the least
        ``"regret"``: how far it is, in the scenario where that is most, below its best response there. Everybody's
        welfare, the optimum and the price of anarchy are means over the ensemble, whatever players fear. Utilities of
        the last two have kinks: their equilibria are looked for by best responses alone.
    starts: the present levels, both ends of all bounds, and scattered ones.

    Raises
    ------
    KeyError, ValueError, TypeError
        As :func:`as_levers`; for a player, or anybody with a reward, whose alignment is not known exactly; for a player
        with several levers; where no start is a stable network.

    >>> from ecosystem import Flow, Location, Member, Quadratic, Scenario, Shift, never
    >>> s = Scenario("two", rounds=1)
    >>> s.add("people", Member(Location([0.0]), schedule=never))
    >>> for name in "ab":  # they like to be at 1, are what they read, and curation shifts them by their level
    ...     s.add(name, Member(Location([0.0]), reward=Quadratic([1.0], 1.0), curator=Shift([1.0])))
    >>> for u, v in ("ab", "ba"):
    ...     s.connect(u, v, Flow(raw=0.25, curated=0.25, chosen_by="consumer"))
    ...     s.connect("people", v, Flow(raw=0.25, curated=0.25, chosen_by="consumer"))
    >>> found = equilibrium(s, costs=0.1)
    >>> found.verdict, found.levels["1"].round(6).tolist()  # 2 λ = θ = 1 − 0.1 / (4/3)
    ('one', [0.4625, 0.4625])
    """
    game = game_of(scenario, costs, movable, bounds, like, margin, "equilibrium", check_over(over, "equilibrium"))
    whole_number(starts, "equilibrium(starts)", 1)
    a_seed(seed, "equilibrium(seed)")
    return played(game, starts, seed)


def game_of(
    scenario: Scenario | Ensemble,
    costs: Any,
    movable: Any,
    bounds: Any,
    like: Like | None,
    margin: Any,
    what: str,
    over: str = "expected",
) -> Game:
    """The game in which everybody who has a lever plays for itself."""
    scenarios, weights = as_ensemble(scenario, what)
    every = common_levers(scenarios, movable, 1.0, bounds, like, what)
    levers, room = every[0], real_number(margin)
    if not 0 <= room < 1:
        raise ValueError(f"{what}(margin) is how far ρ(B) stays below 1, from 0 to less than 1, got {brief(margin)}")
    lands = [Landscape(one) for one in every]
    for one, land in zip(scenarios, lands, strict=True):
        for name, why in land.goal.reasons.items():
            if one.member(name).reward is not None:
                raise ValueError(f"{what} counts everybody with a reward for welfare, and of {name!r} {why}")
    landscape = lands[0]
    owners: dict[str, int] = {}
    for k, reader in enumerate(levers.readers):
        if reader not in landscape.targets:
            why = landscape.goal.reasons[reader]
            raise ValueError(f"{what}: {reader!r} cannot play for its alignment: {why}; or leave it out of movable")
        if reader in owners:
            first = levers.names[owners[reader]]
            raise ValueError(
                f"{what}: {reader!r} would play two levers, {first!r} and {levers.names[k]!r}; let it have one of them"
            )
        owners[reader] = k
    players = [Player(reader, (k,), (reader,)) for reader, k in owners.items()]
    prices = prices_of(levers, costs, what)
    if len(lands) == 1:
        return Game(landscape, players, prices, room)
    mixed = MixedLandscape(lands, weights)
    return Game(mixed, players, prices, room) if over == "expected" else Cautious(mixed, players, prices, room, over)


def played(game: Game, count: int, seed: int, what: str = "equilibrium") -> Equilibrium:
    """Everything that is found, and the optimum beside it."""
    begins = list(begun(game, count, seed))
    if not any(game.at(x).ok for _, x in begins):
        why = game.at(begins[0][1]).settled
        said = why.why or f"its radius is {why.radius:.6g}"
        raise ValueError(
            f"{what}: none of {count} starts is a stable network (at present {said}); give bounds= or a smaller "
            "margin, or members more real data"
        )
    begins = [(name, x) for name, x in begins if game.at(x).ok]
    lands = game.landscape.landscapes if isinstance(game.landscape, MixedLandscape) else (game.landscape,)
    for land in lands:
        check_first((land.at(x) for _, x in begins), what)
    tries = searched(game, begins, GRID, TURNS)
    points = [checked(game, x, 3 * GRID) for x in distinct(game, tries)]
    best = optimum(game, [x for _, x in begins] + [point.play.x for point in points])
    places = [x for _, x in begins]
    said = dict.fromkeys(text for land in lands for text in in_steps([land.at(x) for x in places]))
    return Equilibrium(game, points, tries, best, game.margin, tuple(said))


def optimum(game: Game, begins: list[np.ndarray]) -> Play:
    """The highest welfare found, from every start, which itself counts."""
    joined = Game(game.landscape, [_everybody(game)], game.prices, game.margin)
    plays = sorted((play for x in begins if (play := joined.at(x)).ok), key=lambda play: -play.welfare)
    plays += highest(joined, begins[0], 0, 0, [play.x for play in plays[:_TRIED]])
    return max((play for play in plays if play.ok), key=lambda play: play.welfare)


def _everybody(game: Game) -> Player:
    return Player("everybody", tuple(range(len(game.prices))), tuple(game.landscape.targets))
