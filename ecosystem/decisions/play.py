"""The game that members play: who moves which lever, what for, and how it answers to everybody's levers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import optimize

from ecosystem.core.check import brief, real_number
from ecosystem.decisions.landscape import Landscape, Settled
from ecosystem.decisions.levers import Levers
from ecosystem.decisions.mixed import MixedLandscape, MixedSettled

Array = NDArray[np.float64]
SAME = 1e-9  # relative difference of two utilities that are one
_KEPT, _SMALL = 4096, 100  # plays that are kept of networks with so many numbers at most
_EDGE = 24  # halvings by which the edge of what is stable is found
_FAR = 1e6  # how much worse than anything seen a network is that is nowhere


@dataclass(frozen=True)
class Player:
    """Who decides together: a name, the ``levers`` by their place, and the ``members`` whose utilities count."""

    name: str
    levers: tuple[int, ...]
    members: tuple[str, ...]


@dataclass(frozen=True)
class Play:
    """Where the network is at ``x [levers]``, and what everybody has of it.

    ``ok``: there is a stable point, with the radius that is asked for. ``marginal [levers]`` is the derivative of the
    utility of each lever's own player.
    """

    x: Array
    settled: Settled | MixedSettled
    ok: bool
    utilities: Array  # [players]
    members: Array  # [targets]: alignment less what the own levers cost
    marginal: Array

    @property
    def welfare(self) -> float:
        """Everybody's utility, in sum."""
        return float(self.members.sum())


class Game:
    """``U_p = Σ_{j in p} (J_j − Σ_k cost_k x_k)`` over levers ``x`` within bounds, where ``ρ(B) ≤ 1 − margin``.

    Costs are those of ``prices [levers]``, paid by whose diet a lever changes. Over an ensemble utilities are means.
    """

    smooth = True  # whether utilities have derivatives everywhere
    same = SAME  # relative gain for which nobody moves

    def __init__(
        self, landscape: Landscape | MixedLandscape, players: Sequence[Player], prices: Array, margin: float
    ) -> None:
        self.landscape, self.players, self.prices, self.margin = landscape, tuple(players), prices, margin
        self.lower, self.upper = landscape.levers.lower, landscape.levers.upper
        places = {name: j for j, name in enumerate(landscape.targets)}
        self.pays = np.zeros((len(places), len(prices)))
        for k, reader in enumerate(landscape.levers.readers):
            self.pays[places[reader], k] = prices[k]
        self.weights = np.zeros((len(players), len(places)))
        self.owner = np.zeros(len(prices), dtype=int)
        for p, player in enumerate(players):
            self.weights[p, [places[name] for name in player.members]] = 1.0
            self.owner[list(player.levers)] = p
        self._known: OrderedDict[bytes, Play] = OrderedDict()
        self._kept = _KEPT if landscape.size <= _SMALL else 4

    @property
    def levers(self) -> Levers:
        return self.landscape.levers

    def joined(self, members: Sequence[str]) -> Game:
        """The same game in which some members decide as one."""
        one = [player for player in self.players if set(player.members) & set(members)]
        rest = [player for player in self.players if player not in one]
        moved = tuple(sorted(k for player in one for k in player.levers))
        names = tuple(dict.fromkeys([*members, *(name for player in one for name in player.members)]))
        return Game(self.landscape, [Player(" + ".join(members), moved, names), *rest], self.prices, self.margin)

    def at(self, x: Array) -> Play:
        """Where play is at ``x [levers]``, near where it was last; the last ones are kept."""
        key = (np.ascontiguousarray(x, dtype=np.float64) + 0.0).tobytes()
        if key not in self._known:
            self._known[key] = self._play(np.array(x, dtype=np.float64))
            if len(self._known) > self._kept:
                self._known.popitem(last=False)
        return self._known[key]

    def _play(self, x: Array) -> Play:
        settled = self.landscape.at(x)
        ok = settled.found and settled.radius <= 1 - self.margin + 1e-9
        slopes = settled.gradients(torch.from_numpy(self.weights)) - self.weights @ self.pays if ok else None
        if slopes is None or not np.isfinite(slopes).all():
            gone = np.full(len(self.players), np.nan)
            return Play(x, settled, False, gone, np.full(len(self.pays), np.nan), np.full(len(x), np.nan))
        members = settled.alignment.numpy() - self.pays @ x
        return Play(x, settled, True, self.weights @ members, members, slopes[self.owner, np.arange(len(x))])

    def residual(self, play: Play) -> float:
        """By how much first-order conditions are missed: the largest marginal utility that a bound does not hold."""
        up = np.where(play.x < self.upper, np.maximum(play.marginal, 0), 0)
        down = np.where(play.x > self.lower, np.maximum(-play.marginal, 0), 0)
        return float(np.maximum(up, down).max(initial=0)) if play.ok else np.inf

    @cached_property
    def width(self) -> Array:
        return self.upper - self.lower

    @cached_property
    def unit(self) -> float:
        """What utilities are measured in: the most that a lever seems worth over its bounds, at these or at present."""
        begins = (self.lower, self.upper, np.clip(self.levers.now, self.lower, self.upper))
        seen = [
            np.abs(np.asarray(play.marginal) * self.width).max(initial=0) for x in begins if (play := self.at(x)).ok
        ]
        return max(map(float, seen), default=0.0) or 1.0

    def snapped(self, x: Array) -> Array:
        """``x`` within bounds, at a bound where it is as good as there."""
        x = np.clip(x, self.lower, self.upper)
        x = np.where(x - self.lower <= 1e-9 * self.width, self.lower, x)
        return np.where(self.upper - x <= 1e-9 * self.width, self.upper, x)


# -- one player's answer -----------------------------------------------------------------------------------------------


def answered(game: Game, x: Array, p: int, points: int) -> Play:
    """The best that player ``p`` can do when all others stay, over its whole box; as it is, where nothing is better."""
    player = game.players[p]
    one = len(player.levers) == 1
    found = _along(game, x, player.levers[0], points) if one else highest(game, x, p, min(points, 5))
    here = game.at(x)
    plays = [here, *found]
    allowed = [play for play in plays if play.ok]
    if not allowed:
        return here
    best = max(allowed, key=lambda play: play.utilities[p])
    same = here.ok and best.utilities[p] <= here.utilities[p] + game.same * (game.unit + abs(here.utilities[p]))
    return here if same else best


def _along(game: Game, x: Array, k: int, points: int) -> list[Play]:
    """Candidates along one lever: a grid, every maximum between two of its points, the edges of what is stable."""

    def at(value: float) -> Play:
        moved = x.copy()
        moved[k] = value
        return game.at(moved)

    grid = np.unique(np.append(np.linspace(game.lower[k], game.upper[k], points), x[k]))
    plays = [at(value) for value in grid]
    found = [play for play in plays if play.ok]
    for a, b in pairwise(plays):
        if a.ok != b.ok:
            inside = _edge(at, a.x[k], b.x[k]) if a.ok else _edge(at, b.x[k], a.x[k])
            found.append(inside)
            a, b = (a, inside) if a.ok else (inside, b)
        if a.ok and b.ok and a.marginal[k] > 0 > b.marginal[k]:
            top = _top(at, k, a.x[k], b.x[k])
            found += [top] if top is not None and top.ok else []
    return found


def _top(at: Callable[[float], Play], k: int, low: float, high: float) -> Play | None:
    """Where the marginal utility falls through 0."""
    try:
        value = optimize.brentq(lambda v: float(at(v).marginal[k]), low, high, xtol=1e-9)
    except (ValueError, RuntimeError):  # between them the network is nowhere
        return None
    return at(float(value))  # type: ignore[arg-type]


def _edge(at: Callable[[float], Play], inside: float, outside: float) -> Play:
    """The last stable network on the way out."""
    found = at(inside)
    for _ in range(_EDGE):
        middle = (inside + outside) / 2
        play = at(middle)
        if play.ok:
            inside, found = middle, play
        else:
            outside = middle
    return found


def highest(game: Game, x: Array, p: int, points: int, starts: Sequence[Array] = ()) -> list[Play]:
    """Local maxima of player ``p``'s utility over all its levers, by SLSQP with exact derivatives from several starts.

    Where unstable networks were met, stability is a constraint.
    """
    own = list(game.players[p].levers)
    rng = np.random.default_rng(0)
    scattered = [game.lower + rng.random(len(x)) * game.width for _ in range(max(points - 3, 0))]
    begins = [x, game.lower, game.upper, *scattered, *starts]
    found = []
    for begin in begins:
        for wall in (False, True):
            climb = _Climb(game, x, p, own, wall)
            found += climb.run(begin[own])
            if not climb.met:
                break
    return found


class _Climb:
    """One run of SLSQP, whose tolerances are of utilities in the game's own unit."""

    def __init__(self, game: Game, x: Array, p: int, own: list[int], wall: bool) -> None:
        self.game, self.x, self.p, self.own, self.wall = game, x, p, own, wall
        self.met, self.worst = False, 0.0
        self.best: Play | None = None

    def run(self, begin: Array) -> list[Play]:
        bounds = list(zip(self.game.lower[self.own], self.game.upper[self.own], strict=True))
        room = [{"type": "ineq", "fun": self.room, "jac": self.room_slope}] if self.wall else []
        options = {"maxiter": 100, "ftol": 1e-14}
        with np.errstate(all="ignore"):
            last = optimize.minimize(
                self.value, begin, jac=self.slope, method="SLSQP", bounds=bounds, constraints=room, options=options
            )
        self.value(self.game.snapped(self._whole(last.x))[self.own])
        return [] if self.best is None else [self.best]

    def _whole(self, z: Array) -> Array:
        moved = self.x.copy()
        moved[self.own] = np.clip(z, self.game.lower[self.own], self.game.upper[self.own])
        return moved

    def value(self, z: Array) -> float:
        play = self.game.at(self._whole(z))
        if not play.ok:
            self.met = True
            return self.worst + _FAR
        utility = float(play.utilities[self.p])
        if self.best is None or utility > self.best.utilities[self.p]:
            self.best = play
        self.worst = max(self.worst, abs(utility) / self.game.unit)
        return -utility / self.game.unit

    def slope(self, z: Array) -> Array:
        play = self.game.at(self._whole(z))
        return -play.marginal[self.own] / self.game.unit if play.ok else np.zeros(len(z))

    def room(self, z: Array) -> float:
        settled = self.game.at(self._whole(z)).settled
        return 1 - self.game.margin - settled.radius if settled.found else -1.0

    def room_slope(self, z: Array) -> Array:
        settled = self.game.at(self._whole(z)).settled
        return -settled.slope[self.own] if settled.found else np.zeros(len(z))


def prices_of(levers: Levers, costs: Any, what: str) -> Array:
    """What a unit of each lever costs, ``[levers]``: a number for all, or numbers by lever (0 for those not named)."""
    given = dict(costs.items()) if isinstance(costs, Mapping) or hasattr(costs, "items") else None
    found = np.zeros(len(levers)) if given is not None else np.full(len(levers), real_number(costs))
    for name, cost in (given or {}).items():
        found[levers.place(name, f"{what}(costs)")] = real_number(cost)
    if not np.isfinite(found).all():
        raise ValueError(f"{what}(costs) is a number, or numbers by lever, got {brief(costs)}")
    return found
